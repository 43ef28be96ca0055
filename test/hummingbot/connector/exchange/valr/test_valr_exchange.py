"""Hummingbot's connector conformance suite against ``ValrExchange``: all of it, with one rule stricter than the suite.

The suite drives REST (no account socket is up, so placing and cancelling take their fallback) and feeds the user
stream by hand. What goes beyond the suite is in ``test_valr_exchange_more.py``.
"""

import asyncio
import json
import re
import tempfile
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from aioresponses import aioresponses
from aioresponses.core import RequestCall

import hummingbot
from hummingbot.connector.exchange.valr.valr_exchange import ValrExchange
from hummingbot.connector.test_support.exchange_connector_test import AbstractExchangeConnectorTests
from hummingbot.connector.trading_rule import TradingRule
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder
from hummingbot.core.data_type.trade_fee import DeductedFromReturnsTradeFee, TokenAmount, TradeFeeBase

API_KEY = "8f2a" * 16
API_SECRET = "4961b74efac86b25cce8fbe4c9811c4c7a787b7a5996660afcc2e287ad864363"
Callback = Callable[..., None] | None


def _ignore(*_: Any, **__: Any) -> None:
    pass


class ValrExchangeTests(AbstractExchangeConnectorTests.ExchangeConnectorTests):
    """The conformance suite; see each override for why it is one."""

    exchange: ValrExchange

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls._folder = tempfile.TemporaryDirectory()
        cls._paths_before = hummingbot.prefix_path(), hummingbot._data_path
        hummingbot.set_prefix_path(cls._folder.name)
        hummingbot.set_data_path(None)

    @classmethod
    def tearDownClass(cls) -> None:
        prefix_path, data_path = cls._paths_before
        hummingbot.set_prefix_path(prefix_path)
        hummingbot.set_data_path(data_path)
        cls._folder.cleanup()
        super().tearDownClass()

    async def asyncTearDown(self) -> None:
        await self.exchange.stop_network()
        await super().asyncTearDown()

    # --- Addresses ----------------------------------------------------------------------------------------------------
    @property
    def all_symbols_url(self) -> str:
        return "https://api.valr.com/v1/public/pairs"

    @property
    def trading_rules_url(self) -> str:
        return self.all_symbols_url

    @property
    def order_types_url(self) -> str:
        return "https://api.valr.com/v1/public/ordertypes"

    @property
    def latest_prices_url(self) -> str:
        return "https://api.valr.com/v1/public/marketsummary"

    @property
    def network_status_url(self) -> str:
        return "https://api.valr.com/v1/public/time"

    @property
    def order_creation_url(self) -> str:
        return "https://api.valr.com/v2/orders/limit"

    @property
    def order_cancelation_url(self) -> str:
        return "https://api.valr.com/v2/orders/order"

    @property
    def balance_url(self) -> str:
        return "https://api.valr.com/v1/account/balances?excludeZeroBalances=true"

    def order_status_url(self, order: InFlightOrder) -> str:
        return f"https://api.valr.com/v1/orders/{self.exchange_trading_pair}/orderid/{order.exchange_order_id}"

    def order_history_url(self, order: InFlightOrder) -> str:
        return f"https://api.valr.com/v1/orders/history/detail/customerorderid/{order.client_order_id}"

    @property
    def trades_url(self) -> str:
        # Requests are recorded with their parameters sorted by name.
        return f"https://api.valr.com/v1/account/{self.exchange_trading_pair}/tradehistory?limit=100&skip=0"

    # --- Answers of VALR ----------------------------------------------------------------------------------------------
    def pair_row(self, **fields: Any) -> dict[str, Any]:
        return {
            "symbol": self.exchange_trading_pair,
            "baseCurrency": self.base_asset,
            "quoteCurrency": self.quote_asset,
            "shortName": f"{self.base_asset}/{self.quote_asset}",
            "active": True,
            "minBaseAmount": "0.0002",
            "maxBaseAmount": "69.21",
            "minQuoteAmount": "10",
            "maxQuoteAmount": "5000000",
            "tickSize": "0.1",
            "baseDecimalPlaces": "8",
            "marginTradingAllowed": True,
            "currencyPairType": "SPOT",
            **fields,
        }

    @property
    def all_symbols_request_mock_response(self) -> list[dict[str, Any]]:
        return [self.pair_row()]

    @property
    def all_symbols_including_invalid_pair_mock_response(self) -> tuple[str, list[dict[str, Any]]]:
        inactive = self.pair_row(symbol="INVALIDPAIR", baseCurrency="INVALID", quoteCurrency="PAIR", active=False)
        return "INVALID-PAIR", [self.pair_row(), inactive]

    @property
    def trading_rules_request_mock_response(self) -> list[dict[str, Any]]:
        return [self.pair_row()]

    @property
    def trading_rules_request_erroneous_mock_response(self) -> list[dict[str, Any]]:
        row = self.pair_row()
        del row["tickSize"]
        return [row]

    @property
    def expected_logged_error_for_erroneous_trading_rule(self) -> str:
        row = self.trading_rules_request_erroneous_mock_response[0]
        return f"Error parsing the trading pair rule {row}. Skipping. (tickSize: Field required)"

    @property
    def expected_trading_rule(self) -> TradingRule:
        return TradingRule(
            trading_pair=self.trading_pair,
            min_order_size=Decimal("0.0002"),
            max_order_size=Decimal("69.21"),
            min_price_increment=Decimal("0.1"),
            min_base_amount_increment=Decimal("0.00000001"),
            min_notional_size=Decimal("10"),
        )

    @property
    def latest_prices_request_mock_response(self) -> list[dict[str, Any]]:
        return [
            {
                "currencyPair": self.exchange_trading_pair,
                "askPrice": "10000",
                "bidPrice": "9999",
                "lastTradedPrice": str(self.expected_latest_price),
                "previousClosePrice": "9999",
                "baseVolume": "0.16065663",
                "highPrice": "10000",
                "lowPrice": "9999",
                "created": "2025-06-17T13:02:41.280Z",
                "changeFromPrevious": "0.01",
            }
        ]

    @property
    def expected_latest_price(self) -> float:
        return 9999.9

    @property
    def network_status_request_successful_mock_response(self) -> dict[str, Any]:
        return {"epochTime": 1750165361, "time": "2025-06-17T13:02:41.280178906Z"}

    @property
    def order_creation_request_successful_mock_response(self) -> dict[str, str]:
        return {"id": self.expected_exchange_order_id}

    @property
    def balance_request_mock_response_for_base_and_quote(self) -> list[dict[str, str]]:
        quote = {"currency": self.quote_asset, "available": "2000", "reserved": "0", "total": "2000"}
        return [*self.balance_request_mock_response_only_base, quote]

    @property
    def balance_request_mock_response_only_base(self) -> list[dict[str, str]]:
        return [{"currency": self.base_asset, "available": "10", "reserved": "5", "total": "15"}]

    @property
    def balance_event_websocket_update(self) -> dict[str, Any]:
        return {
            "type": "BALANCE_UPDATE",
            "data": {
                "currency": {"symbol": self.base_asset, "shortName": self.base_asset, "decimalPlaces": 8},
                "available": "10",
                "reserved": "5",
                "total": "15",
                "updatedAt": "2024-03-25T15:38:48.580Z",
            },
        }

    # --- What the suite expects ---------------------------------------------------------------------------------------
    @property
    def expected_supported_order_types(self) -> list[OrderType]:
        return [OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.MARKET]

    @property
    def expected_exchange_order_id(self) -> str:
        return "14ed7fbc-272e-4bac-a4f9-7ec8df36df34"

    @property
    def is_order_fill_http_update_included_in_status_update(self) -> bool:
        return True

    @property
    def is_order_fill_http_update_executed_during_websocket_order_event_processing(self) -> bool:
        return False

    @property
    def expected_partial_fill_price(self) -> Decimal:
        return Decimal("10500")

    @property
    def expected_partial_fill_amount(self) -> Decimal:
        return Decimal("0.5")

    @property
    def expected_fill_fee(self) -> TradeFeeBase:
        return DeductedFromReturnsTradeFee(flat_fees=[TokenAmount(token=self.base_asset, amount=Decimal("0.001"))])

    @property
    def expected_fill_trade_id(self) -> str:
        return "019a29aa-0ce3-75db-bfc2-dd543aa745db"

    def exchange_symbol_for_tokens(self, base_token: str, quote_token: str) -> str:
        return base_token + quote_token

    def create_exchange_instance(self) -> ValrExchange:
        return ValrExchange(
            valr_api_key=API_KEY,
            valr_api_secret=API_SECRET,
            trading_pairs=[self.trading_pair],
        )

    # --- Requests -----------------------------------------------------------------------------------------------------
    def validate_auth_credentials_present(self, request_call: RequestCall) -> None:
        headers = request_call.kwargs["headers"]
        assert headers["X-VALR-API-KEY"] == API_KEY
        assert re.fullmatch("[0-9a-f]{128}", headers["X-VALR-SIGNATURE"])
        # The suite sets the clock's offset to 0, so that it counts from the machine's start.
        assert re.fullmatch("[0-9]+", headers["X-VALR-TIMESTAMP"])
        assert "X-VALR-SUB-ACCOUNT-ID" not in headers

    def validate_order_creation_request(self, order: InFlightOrder, request_call: RequestCall) -> None:
        assert json.loads(request_call.kwargs["data"]) == {
            "side": "BUY" if order.trade_type is TradeType.BUY else "SELL",
            "pair": self.exchange_trading_pair,
            "quantity": "100",
            "price": "10000",
            "postOnly": False,
            "timeInForce": "GTC",
            "customerOrderId": order.client_order_id,
        }

    def validate_order_cancelation_request(self, order: InFlightOrder, request_call: RequestCall) -> None:
        sent = json.loads(request_call.kwargs["data"])
        assert sent == {"orderId": order.exchange_order_id, "pair": self.exchange_trading_pair}

    def validate_order_status_request(self, order: InFlightOrder, request_call: RequestCall) -> None:
        assert request_call.kwargs["data"] is None

    def validate_trades_request(self, order: InFlightOrder, request_call: RequestCall) -> None:
        assert request_call.kwargs["data"] is None

    # --- Cancel answers -----------------------------------------------------------------------------------------------
    def configure_successful_cancelation_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback = _ignore
    ) -> str:
        url = self.order_cancelation_url
        mock_api.delete(url, body=json.dumps({"id": order.exchange_order_id}), callback=callback)
        return url

    def configure_erroneous_cancelation_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback = _ignore
    ) -> str:
        url = self.order_cancelation_url
        refusal = {"code": -11, "message": "Invalid Request, please check your request and try again"}
        mock_api.delete(url, status=400, body=json.dumps(refusal), callback=callback)
        return url

    def configure_order_not_found_error_cancelation_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback = _ignore
    ) -> str:
        url = self.order_cancelation_url
        refusal = {"code": -16, "message": "Could not find the order to cancel"}
        mock_api.delete(url, status=400, body=json.dumps(refusal), callback=callback)
        return url

    def configure_one_successful_one_erroneous_cancel_all_response(
        self, successful_order: InFlightOrder, erroneous_order: InFlightOrder, mock_api: aioresponses
    ) -> list[str]:
        return [
            self.configure_successful_cancelation_response(successful_order, mock_api),
            self.configure_erroneous_cancelation_response(erroneous_order, mock_api),
        ]

    # --- Status answers -----------------------------------------------------------------------------------------------
    def order_state(self, order: InFlightOrder, word: str, remaining: Decimal) -> dict[str, str]:
        return {
            "orderId": order.exchange_order_id,
            "orderStatusType": word,
            "currencyPair": self.exchange_trading_pair,
            "originalPrice": str(order.price),
            "remainingQuantity": str(remaining),
            "originalQuantity": str(order.amount),
            "orderSide": order.trade_type.name.lower(),
            "orderType": "limit",
            "failedReason": "",
            "orderUpdatedAt": "2025-07-17T08:47:05.537Z",
            "orderCreatedAt": "2025-07-17T08:45:47.735Z",
            "customerOrderId": order.client_order_id,
            "timeInForce": "GTC",
        }

    def configure_order_state(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback, word: str, remaining: Decimal
    ) -> str:
        url = self.order_status_url(order)
        mock_api.get(url, body=json.dumps(self.order_state(order, word, remaining)), callback=callback)
        return url

    def configure_completely_filled_order_status_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback = _ignore
    ) -> str:
        return self.configure_order_state(order, mock_api, callback, "Filled", Decimal(0))

    def configure_canceled_order_status_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback = _ignore
    ) -> str:
        return self.configure_order_state(order, mock_api, callback, "Cancelled", order.amount)

    def configure_open_order_status_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback = _ignore
    ) -> str:
        return self.configure_order_state(order, mock_api, callback, "Placed", order.amount)

    def configure_partially_filled_order_status_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback = _ignore
    ) -> str:
        remaining = order.amount - self.expected_partial_fill_amount
        return self.configure_order_state(order, mock_api, callback, "Partially Filled", remaining)

    def configure_http_error_order_status_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback = _ignore
    ) -> str:
        # Only an answer that VALR does not know the order counts as one; a failed request is no evidence.
        return self.configure_order_not_found_error_order_status_response(order, mock_api, callback)[0]

    def configure_order_not_found_error_order_status_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback = _ignore
    ) -> list[str]:
        urls = [self.order_status_url(order), self.order_history_url(order)]
        mock_api.get(urls[0], status=400, body=json.dumps({"code": -1, "message": "Invalid Order. "}))
        mock_api.get(urls[1], body="[]", callback=callback)
        return urls

    # --- Trades -------------------------------------------------------------------------------------------------------
    def trade_row(self, order: InFlightOrder, price: Decimal, amount: Decimal) -> dict[str, Any]:
        return {
            "price": str(price),
            "quantity": str(amount),
            "currencyPair": self.exchange_trading_pair,
            "tradedAt": "2025-10-28T07:13:21.635Z",
            "side": order.trade_type.name.lower(),
            "sequenceId": 1368928567986636114,
            "id": self.expected_fill_trade_id,
            "orderId": order.exchange_order_id,
            "fee": str(self.expected_fill_fee.flat_fees[0].amount),
            "feeCurrency": self.expected_fill_fee.flat_fees[0].token,
        }

    def configure_trades(self, mock_api: aioresponses, callback: Callback, *rows: dict[str, Any]) -> str:
        mock_api.get(self.trades_url, body=json.dumps(rows), callback=callback)
        return self.trades_url

    def configure_partial_fill_trade_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback = _ignore
    ) -> str:
        row = self.trade_row(order, self.expected_partial_fill_price, self.expected_partial_fill_amount)
        return self.configure_trades(mock_api, callback, row)

    def configure_full_fill_trade_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback = _ignore
    ) -> str:
        return self.configure_trades(mock_api, callback, self.trade_row(order, order.price, order.amount))

    def configure_erroneous_http_fill_trade_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback = _ignore
    ) -> str:
        mock_api.get(self.trades_url, status=400, callback=callback)
        return self.trades_url

    # --- Account socket events ----------------------------------------------------------------------------------------
    def order_event(self, order: InFlightOrder, word: str, remaining: Decimal) -> dict[str, Any]:
        executed = {"executedPrice": "0", "executedQuantity": "0", "executedFee": "0"}
        return {"type": "ORDER_STATUS_UPDATE", "data": {**self.order_state(order, word, remaining), **executed}}

    def order_event_for_new_order_websocket_update(self, order: InFlightOrder) -> dict[str, Any]:
        return self.order_event(order, "Placed", order.amount)

    def order_event_for_canceled_order_websocket_update(self, order: InFlightOrder) -> dict[str, Any]:
        return self.order_event(order, "Cancelled", order.amount)

    def order_event_for_full_fill_websocket_update(self, order: InFlightOrder) -> dict[str, Any]:
        return self.order_event(order, "Filled", Decimal(0))

    def trade_event_for_full_fill_websocket_update(self, order: InFlightOrder) -> dict[str, Any]:
        row = self.trade_row(order, order.price, order.amount)
        del row["sequenceId"]
        return {
            "type": "NEW_ACCOUNT_TRADE",
            "currencyPairSymbol": self.exchange_trading_pair,
            "data": {**row, "customerOrderId": order.client_order_id},
        }

    # --- Where the connector is stricter than the suite ---------------------------------------------------------------
    @aioresponses()
    async def test_update_order_status_when_filled_correctly_processed_even_when_trade_fill_update_fails(
        self, mock_api: aioresponses
    ) -> None:
        """Override: the suite wants an order completed with amounts of zero when its trades cannot be fetched.

        Here the end of an order is never told before its fills (design, section 4): it stays open until they answer.
        """
        self.exchange._set_current_timestamp(1640780000)
        self.exchange.start_tracking_order(
            order_id=self.client_order_id_prefix + "1",
            exchange_order_id=self.expected_exchange_order_id,
            trading_pair=self.trading_pair,
            order_type=OrderType.LIMIT,
            trade_type=TradeType.BUY,
            price=Decimal("10000"),
            amount=Decimal("1"),
        )
        order = self.exchange.in_flight_orders[self.client_order_id_prefix + "1"]
        self.configure_erroneous_http_fill_trade_response(order, mock_api)
        self.configure_completely_filled_order_status_response(order, mock_api)

        await self.exchange._update_order_status()
        await asyncio.sleep(0.1)

        assert not order.is_done
        assert order.client_order_id in self.exchange.in_flight_orders
        assert self.order_filled_logger.event_log == []
        assert self.buy_order_completed_logger.event_log == []

        self.configure_full_fill_trade_response(order, mock_api)
        self.configure_completely_filled_order_status_response(order, mock_api)
        await self.exchange._update_order_status()
        await asyncio.sleep(0.1)

        assert order.is_filled
        assert order.client_order_id not in self.exchange.in_flight_orders
        assert len(self.order_filled_logger.event_log) == 1
        fill = self.order_filled_logger.event_log[0]
        assert (fill.price, fill.amount, fill.trade_fee) == (order.price, order.amount, self.expected_fill_fee)
        assert len(self.buy_order_completed_logger.event_log) == 1
        completed = self.buy_order_completed_logger.event_log[0]
        assert completed.base_asset_amount == Decimal("1")
        assert completed.quote_asset_amount == Decimal("10000")
        assert self.is_logged("INFO", f"BUY order {order.client_order_id} completely filled.")
