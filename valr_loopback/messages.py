"""Orders, trades and balances as VALR writes them in answers and events (valr-api.md 3 and 4.3)."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson

from valr_loopback.accounts import Wallet
from valr_loopback.decimals import ROUNDING, ZERO, percentage, to_text, truncate
from valr_loopback.orders import AccountTrade, Order, OrderType, PublicTrade, Transition
from valr_loopback.pairs import Currency, Pair, currency
from valr_loopback.times import iso

Json = dict[str, Any]
REFERENCE_CURRENCY = "USDC"

ACCOUNT_EVENTS = frozenset(
    {
        "BALANCE_UPDATE",
        "OPEN_ORDERS_UPDATE",
        "ORDER_PROCESSED",
        "ORDER_STATUS_UPDATE",
        "FAILED_CANCEL_ORDER",
        "NEW_ACCOUNT_TRADE",
        "NEW_ACCOUNT_HISTORY_RECORD",
        "MODIFY_ORDER_OUTCOME",
        "MARGIN_INFO",
    }
)
DEPTH_EVENTS = {f"OB_L1_D{depth}_SNAPSHOT": depth for depth in (1, 5, 10, 20, 40, 80)}
BOOK_EVENTS = frozenset({"OB_L1_DIFF", "FULL_ORDERBOOK_UPDATE", "AGGREGATED_ORDERBOOK_UPDATE", *DEPTH_EVENTS})
TRADE_EVENTS = BOOK_EVENTS | {
    "NEW_TRADE",
    "NEW_TRADE_BUCKET",
    "MARKET_SUMMARY_UPDATE",
    "MARK_PRICE_UPDATE",
    "ALLOWED_ORDER_TYPES_UPDATED",
}

Valuer = Callable[[str], Decimal]
"""Gives the worth of one unit of a currency in the reference currency."""


def encode(message: object) -> str:
    """Write a message as the JSON text of one frame or body."""
    return orjson.dumps(message).decode()


def frame(event: str, data: object) -> str:
    """Write an account event."""
    return encode({"type": event, "data": data})


def _client_order_id(order: Order | AccountTrade) -> Json:
    return {"customerOrderId": order.client_order_id} if order.client_order_id else {}


def _state(order: Order, at: Transition) -> Json:
    return {
        "orderId": order.id,
        "orderStatusType": at.status.value,
        "currencyPair": order.pair.symbol,
        "originalPrice": to_text(at.price),
        "remainingQuantity": to_text(at.remaining),
        "originalQuantity": to_text(at.quantity),
        "orderSide": order.side.value,
        "orderType": order.type.value,
        "failedReason": at.failed_reason,
        "orderUpdatedAt": iso(at.at_ms),
        "orderCreatedAt": iso(order.created_ms),
        **_client_order_id(order),
    }


def _now(order: Order) -> Transition:
    return Transition(order.status, order.price, order.quantity, order.remaining, order.failed_reason, order.updated_ms)


def order_status(order: Order) -> Json:
    """The status object of the lookups (3.6)."""
    return {**_state(order, _now(order)), "timeInForce": order.time_in_force.value}


def order_update(order: Order, at: Transition) -> Json:
    """One transition: ORDER_STATUS_UPDATE, and a row of the detailed history."""
    return {
        **_state(order, at),
        "executedPrice": to_text(at.executed_price),
        "executedQuantity": to_text(at.executed_quantity),
        "executedFee": to_text(at.executed_fee),
        "timeInForce": order.time_in_force.value,
    }


def order_summary(order: Order) -> Json:
    """The summary object of the history: a status with totals (3.6). Rewards do not show in ``totalFee``."""
    average = ROUNDING.divide(order.total, order.executed) if order.executed else ZERO
    return {
        **_state(order, _now(order)),
        "averagePrice": to_text(truncate(average, 10)),
        "total": to_text(order.total),
        "totalExecutedQuantity": to_text(order.executed),
        "totalFee": to_text(order.fee),
        "feeCurrency": order.received_currency,
        "timeInForce": order.time_in_force.value,
    }


def open_order(order: Order, *, event: bool) -> Json:
    """A row of the open orders: as an event it says ``quantity`` for what the REST row calls ``remainingQuantity``."""
    filled = percentage(order.executed, order.quantity)
    return {
        "orderId": order.id,
        "side": order.side.value,
        "quantity" if event else "remainingQuantity": order.remaining_text,
        "price": to_text(order.price),
        "currencyPair": order.pair.symbol,
        "createdAt": iso(order.created_ms),
        "originalQuantity": to_text(order.quantity),
        "filledPercentage": f"{filled:.2f}",
        **_client_order_id(order),
        "type": order.type.value,
        "status": order.status.value,
        "updatedAt": iso(order.updated_ms),
        "timeInForce": order.time_in_force.value,
        "allowMargin": False,
    }


def open_order_before(order: Order, end: Transition, *, event: bool) -> Json:
    """The row of an ended order as it was in the state before its end."""
    filled = percentage(end.quantity - end.remaining, end.quantity)
    row = open_order(order, event=event)
    row["quantity" if event else "remainingQuantity"] = to_text(end.remaining)
    return row | {"filledPercentage": f"{filled:.2f}", "status": end.status.value, "updatedAt": iso(end.at_ms)}


def account_trade(trade: AccountTrade, *, event: bool) -> Json:
    """One fill. A reward is named ``makerReward``, in place of the fee (3.2, 4.3)."""
    row: Json = {
        "price": to_text(trade.price),
        "quantity": to_text(trade.quantity),
        "currencyPair": trade.pair.symbol,
        "tradedAt": iso(trade.at_ms),
        "side": trade.side.value,
    }
    if not event:
        row["sequenceId"] = trade.sequence_id
    row |= {"orderId": trade.order_id, "id": trade.id}
    if trade.fee < ZERO:
        row |= {"makerReward": to_text(-trade.fee), "makerRewardCurrency": trade.fee_currency}
    else:
        row |= {"fee": to_text(trade.fee), "feeCurrency": trade.fee_currency}
    return row | _client_order_id(trade)


def public_trade(trade: PublicTrade, *, event: bool) -> Json:
    """One public trade; the REST row also has ``sequenceId`` and ``quoteVolume``."""
    row: Json = {
        "price": to_text(trade.price),
        "quantity": to_text(trade.quantity),
        "currencyPair": trade.symbol,
        "tradedAt": iso(trade.at_ms),
        "takerSide": trade.taker_side.value,
    }
    if event:
        return row | {"id": trade.id}
    return row | {"sequenceId": trade.sequence_id, "id": trade.id, "quoteVolume": to_text(trade.total)}


def _worth(amount: Decimal, code: str, value: Valuer) -> str:
    return to_text(truncate(ROUNDING.multiply(amount, value(code)), 10))


def balance_row(code: str, wallet: Wallet, value: Valuer) -> Json:
    """A row of ``/v1/account/balances`` (3.2)."""
    worth = _worth(wallet.total, code, value)
    return {
        "currency": code,
        "available": to_text(wallet.available),
        "reserved": to_text(wallet.reserved),
        "total": to_text(wallet.total),
        "updatedAt": iso(wallet.updated_ms),
        "lendReserved": "0",
        "borrowReserved": "0",
        "borrowedAmount": "0",
        "totalInReference": worth,
        "totalInReferenceWeighted": worth,
        "referenceCurrency": REFERENCE_CURRENCY,
    }


def currency_row(about: Currency) -> Json:
    """A row of ``/v1/public/currencies``."""
    return {
        "symbol": about.symbol,
        "decimalPlaces": about.decimals,
        "isActive": True,
        "shortName": about.code,
        "longName": about.long_name,
        "supportedWithdrawDecimalPlaces": about.decimals,
        "collateral": True,
        "collateralWeight": "1",
    }


def balance_update(code: str, wallet: Wallet, value: Valuer) -> Json:
    """The data of BALANCE_UPDATE: the currency is an object, one reserve has another name (4.3)."""
    row = balance_row(code, wallet, value)
    row["borrowCollateralReserved"] = row.pop("borrowReserved")
    return row | {"currency": currency_row(currency(code))}


def ledger_record(trade: AccountTrade) -> Json:
    """The data of NEW_ACCOUNT_HISTORY_RECORD for one fill."""
    buys = trade.side.value == "buy"
    total = ROUNDING.multiply(trade.price, trade.quantity)
    given, received = (total, trade.quantity) if buys else (trade.quantity, total)
    quote, base = currency(trade.pair.quote), currency(trade.pair.base)
    kind = "MARKET" if trade.order_type is OrderType.MARKET else "LIMIT"
    return {
        "transactionType": {
            "type": f"{kind}_{trade.side.value.upper()}",
            "description": f"{kind.title()} {trade.side.value.title()}",
        },
        "debitCurrency": currency_row(quote if buys else base),
        "debitValue": to_text(given),
        "creditCurrency": currency_row(base if buys else quote),
        "creditValue": to_text(received - max(trade.fee, ZERO)),
        "feeCurrency": currency_row(currency(trade.fee_currency)),
        "feeValue": to_text(trade.fee),
        "eventAt": iso(trade.at_ms),
        "additionalInfo": {
            "costPerCoin": float(trade.price),
            "costPerCoinSymbol": quote.symbol,
            "currencyPairSymbol": trade.pair.symbol,
            "orderId": trade.order_id,
        },
        "id": trade.id,
    }


def fee_row(pair: Pair) -> Json:
    """A row of ``/v1/account/fees/trade``, in percent points (3.2)."""
    row = {
        "currencyPair": pair.symbol,
        "makerPercentage": to_text(pair.maker_fee * 100),
        "takerPercentage": to_text(pair.taker_fee * 100),
    }
    return row | {"simplePercentage": "1.6"} if pair.kind == "SPOT" else row
