"""``ValrExchange`` when VALR is in trouble: read-only mode, refused keys, unreadable events, too many trades."""

import asyncio
import logging
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from hummingbot.connector.exchange.valr import valr_access, valr_order_keeper
from hummingbot.connector.exchange.valr.valr_web_utils import ValrKeyRefusedError, ValrRefusedError
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState
from hummingbot.core.data_type.trade_fee import (
    AddedToCostTradeFee,
    DeductedFromReturnsTradeFee,
    TokenAmount,
    TradeFeeBase,
    TradeFeeSchema,
)
from test.hummingbot.connector.exchange.valr.rest_world import (
    BALANCES,
    LIMIT,
    ORDER_ID,
    PAIR,
    SYMBOL,
    World,
    refusal,
    state,
    status_path,
    texts,
    trade,
    until,
    world,
)

STATUS, API_KEY = "/v1/public/status", "/v1/account/api-keys/current"
FULL_PERMISSIONS = {"label": "bot", "permissions": ["View access", "Trade"]}


def buy(place: World) -> str:
    return place.exchange.buy(PAIR, Decimal("0.5"), OrderType.LIMIT, Decimal("10000"))


# --- Read-only mode ---------------------------------------------------------------------------------------------------
async def test_read_only_mode_is_said_once_at_each_end_and_orders_fail_quietly_meanwhile(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(valr_access, "READ_ONLY_POLL", 0.02)
    caplog.set_level(logging.INFO)
    async with world() as place:
        place.valr.answers |= {LIMIT: (503, "<html>down</html>"), STATUS: {"status": "read-only"}}
        doubtful = buy(place)
        await until(lambda: place.exchange._order_entry.is_held)
        refused = [buy(place) for _ in range(3)]
        await until(lambda: len(place.told("failed")) == 3)
        assert [event.order_id for event in place.told("failed")] == refused
        assert all("read-only" in event.error_message for event in place.told("failed"))
        assert doubtful in place.exchange.in_flight_orders
        assert len(place.valr.sent(LIMIT)) == 1
        place.valr.answers |= {LIMIT: (201, {"id": ORDER_ID}), STATUS: {"status": "online"}}
        await until(lambda: not place.exchange._order_entry.is_held)
        placed = buy(place)
        await until(lambda: [event.order_id for event in place.told("created")] == [placed])
    assert len(texts(caplog, "VALR is in read-only mode (maintenance): orders are refused", logging.WARNING)) == 1
    assert len(texts(caplog, "VALR takes orders again; its read-only mode ended")) == 1
    assert not texts(caplog, "was not placed")


async def test_read_only_mode_lasts_until_valr_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(valr_access, "READ_ONLY_POLL", 0.02)
    async with world() as place:
        place.valr.answers |= {LIMIT: (503, ""), STATUS: {"status": "read-only"}}
        buy(place)
        await until(lambda: place.exchange._order_entry.is_held)
        place.valr.answers[STATUS] = (500, "")
        asked = len(place.valr.sent(STATUS))
        await until(lambda: len(place.valr.sent(STATUS)) > asked + 3)
        assert place.exchange._order_entry.is_held


@pytest.mark.parametrize("status", [{"status": "online"}, (500, ""), {"nothing": 1}])
async def test_a_503_without_maintenance_is_an_exchange_that_does_not_answer(
    status: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with world() as place:
        place.valr.answers |= {LIMIT: (503, ""), STATUS: status}
        identifier = buy(place)
        await until(lambda: texts(caplog, "does not answer as it should"))
        assert not place.exchange._order_entry.is_held
        assert place.told("failed") == []
        assert identifier in place.exchange.in_flight_orders


# --- The key ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refusal(-11272, "The originating IP Address has not been whitelisted.", 401), "this machine's IP address"),
        (refusal(-11252, "Request has an invalid signature", 401), "The API secret does not belong to the API key"),
        (refusal(-11268, "API key header missing: X-VALR-API-KEY"), "VALR does not know the API key"),
        (refusal(-7, "no", 403), "has the permissions View access and Trade"),
        ({"label": "bot", "permissions": ["View access"]}, "lacks the permission Trade"),
        ({"label": "bot", "permissions": ["Withdraw"]}, "lacks the permission View access and Trade"),
    ],
)
async def test_what_is_wrong_with_the_key_is_said_once_in_words_to_act_on(
    answer: Any, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with world() as place:
        place.valr.answers[API_KEY] = answer
        await place.exchange._access.check_key(is_suspect=True)
        await place.exchange._access.check_key(is_suspect=True)
    said = texts(caplog, words, logging.ERROR)
    assert len(said) == 1


@pytest.mark.parametrize(
    "answer", [FULL_PERMISSIONS, (404, "<html>"), (500, ""), {"odd": 1}, refusal(-1, "no"), refusal(-7, "no", 403)]
)
async def test_no_word_about_a_key_with_which_nothing_is_wrong(answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    async with world() as place:
        place.valr.answers[API_KEY] = answer
        await place.exchange._access.check_key()
    assert not texts(caplog, "key", logging.ERROR)


async def test_a_refused_handshake_has_the_clock_and_the_key_looked_at(caplog: pytest.LogCaptureFixture) -> None:
    async with world() as place:
        place.valr.answers[API_KEY] = refusal(-11272, "The originating IP Address has not been whitelisted.", 401)
        place.exchange._on_account_socket_refused()
        await until(lambda: texts(caplog, "this machine's IP address", logging.ERROR))
        assert place.valr.sent("/v1/public/time")


@pytest.mark.parametrize(
    ("options", "balances", "key", "words"),
    [
        ({}, refusal(-11272, "not whitelisted", 401), None, "this machine's IP address"),
        ({}, refusal(-11252, "Request has an invalid signature", 401), None, "The API secret does not belong"),
        ({"valr_sub_account_id": "5"}, refusal(-11252, "invalid", 401), FULL_PERMISSIONS, "for sub-account 5, though"),
        (
            {"valr_sub_account_id": "5"},
            refusal(-11252, "invalid", 401),
            refusal(-11252, "invalid", 401),
            "The API secret does not belong",
        ),
    ],
)
async def test_who_connects_with_a_key_that_is_refused_reads_what_to_do(
    options: dict[str, Any], balances: Any, key: Any, words: str
) -> None:
    async with world(**options) as place:
        place.valr.answers |= {BALANCES: balances, API_KEY: key}
        with pytest.raises(ValrKeyRefusedError, match=words) as refused:
            await place.exchange._update_balances()
        assert (refused.value.status, refused.value.code) == (401, balances[1]["code"])


async def test_a_refusal_that_is_not_about_the_key_is_passed_on() -> None:
    async with world() as place:
        place.valr.answers[BALANCES] = refusal(-1, "Something else")
        with pytest.raises(ValrRefusedError, match="Something else") as refused:
            await place.exchange._update_balances()
        assert not isinstance(refused.value, ValrKeyRefusedError)


async def test_who_connects_with_a_key_that_cannot_trade_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async with world() as place:
        place.valr.answers |= {BALANCES: [], API_KEY: {"label": "bot", "permissions": ["View access"]}}
        await place.exchange._update_balances()
        assert place.exchange.get_all_balances() == {"ETH": 0, "ZAR": 0}
    assert len(texts(caplog, "lacks the permission Trade", logging.ERROR)) == 1


# --- Events that cannot be read ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["NEW_ACCOUNT_TRADE", "ORDER_STATUS_UPDATE", "ORDER_PROCESSED", "FAILED_CANCEL_ORDER"])
async def test_an_order_event_that_names_no_order_has_every_order_looked_at(kind: str) -> None:
    async with world() as place:
        order = place.track()
        place.exchange._keeper.ensure_running()
        place.valr.answers |= {
            status_path(): state("Filled", "0"),
            f"/v1/account/{SYMBOL}/tradehistory?skip=0&limit=100": [trade()],
        }
        await place.hears({"type": kind, "data": {"odd": True}})
        await until(lambda: order.is_filled)
        assert len(place.told("filled")) == 1


async def test_a_trade_that_names_no_order_has_trades_fetched_and_no_order_looked_up() -> None:
    async with world() as place:
        order = place.track()
        place.exchange._keeper.ensure_running()
        await place.hears({"type": "ORDER_STATUS_UPDATE", "data": state("Placed")})
        place.valr.answers[f"/v1/account/{SYMBOL}/tradehistory?skip=0&limit=100"] = [trade(quantity="0.5")]
        await place.hears({"type": "NEW_ACCOUNT_TRADE", "data": {"odd": True}})
        await until(lambda: place.told("filled"))
        assert order.executed_amount_base == Decimal("0.5")
        assert not [request for request in place.valr.requests if "/orders/" in request.path]


async def test_the_age_of_an_event_is_recorded() -> None:
    async with world() as place:
        place.track()
        await place.hears({"type": "ORDER_STATUS_UPDATE", "data": state("Placed")})
        await place.hears({"type": "NEW_ACCOUNT_TRADE", "data": trade("t1", "0.5")})
        await place.hears({"type": "ORDER_STATUS_UPDATE", "data": state("Placed", orderUpdatedAt=None)})
        assert place.exchange.latency.snapshot()["event age"].count == 2


# --- Trades -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("first", [TradeType.BUY, TradeType.SELL])
async def test_a_fee_counts_as_hummingbot_is_told_to_count_those_of_its_side(first: TradeType) -> None:
    async with world() as place:
        schema = TradeFeeSchema(buy_percent_fee_deducted_from_returns=False)
        place.exchange._trade_fee_schema = schema
        for side in (first, TradeType.SELL if first is TradeType.BUY else TradeType.BUY):
            order = place.track(side.name, f"id-{side.name}", trade_type=side)
            fields = {"orderId": f"id-{side.name}", "side": side.name.lower(), "fee": "0.01", "feeCurrency": "ZAR"}
            await place.hears({"type": "NEW_ACCOUNT_TRADE", "data": trade(f"t-{side.name}", "0.5", **fields)})
            fee = place.told("filled")[-1].trade_fee
            assert type(fee) is type(TradeFeeBase.new_spot_fee(fee_schema=schema, trade_type=order.trade_type))
            assert fee.flat_fees == [TokenAmount(token="ZAR", amount=Decimal("0.01"))]
        assert {type(told.trade_fee) for told in place.told("filled")} == {
            AddedToCostTradeFee,
            DeductedFromReturnsTradeFee,
        }


async def test_more_trades_than_pages_are_turned_for_are_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(valr_order_keeper, "MAX_TRADE_PAGES", 2)
    async with world() as place:
        place.track()
        for page in range(3):
            rows = [trade(f"t{page}-{number}", "0.001", tradedAt="2999-01-01T00:00:00Z") for number in range(100)]
            place.valr.answers[f"/v1/account/{SYMBOL}/tradehistory?skip={page * 100}&limit=100"] = rows
        await place.exchange._keeper.fetch_trades(PAIR)
        await place.exchange._keeper.fetch_trades(PAIR)
        assert len(place.told("filled")) == 200
    assert len(texts(caplog, "More than 200 trades of ETH-ZAR", logging.WARNING)) == 1


def hours_ago(hours: float) -> str:
    return (datetime.now(UTC) - timedelta(hours=hours)).isoformat().replace("+00:00", "Z")


def asked_for_trades(place: World) -> list[str]:
    """Return how many trades were skipped in each question for trades, in order."""
    return [each.path.partition("skip=")[2].partition("&")[0] for each in place.valr.requests if "skip=" in each.path]


async def test_trades_are_fetched_back_to_the_oldest_order_once_and_again_only_for_what_is_missing() -> None:
    async with world() as place:
        for page in range(4):
            times = [hours_ago(page * 3 + number / 40) for number in range(100)]
            rows = [trade(f"t{page}-{number}", orderId="another", tradedAt=at) for number, at in enumerate(times)]
            place.valr.answers[f"/v1/account/{SYMBOL}/tradehistory?skip={page * 100}&limit=100"] = rows
        keeper = place.exchange._keeper
        keeper.ensure_running()
        old = InFlightOrder(
            client_order_id="HBOTOLD",
            exchange_order_id="id-old",
            trading_pair=PAIR,
            order_type=OrderType.LIMIT,
            trade_type=TradeType.BUY,
            amount=Decimal(1),
            price=Decimal(10000),
            creation_timestamp=time.time() - 10 * 3600,
            initial_state=OrderState.OPEN,
        )
        keeper.restore([old])
        await until(lambda: asked_for_trades(place) == ["0", "100", "200", "300"])
        await until(lambda: keeper._trades_covered)
        place.valr.requests.clear()
        # One that the stream has not brought: it is looked for among the newest first, then everywhere.
        place.track("HBOTB1")
        await place.hears({"type": "ORDER_STATUS_UPDATE", "data": state("Partially Filled", remaining="0.9")})
        await until(lambda: len(asked_for_trades(place)) >= 5)
        assert asked_for_trades(place)[:5] == ["0", "0", "100", "200", "300"]


# --- Latency ----------------------------------------------------------------------------------------------------------
async def test_latencies_are_said_when_the_connector_stops(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with world() as place:
        began = time.monotonic()
        identifier = await place.placed()
        cancelled = state("Cancelled", client_order_id=identifier)
        place.valr.answers |= {"/v2/orders/order": {"id": ORDER_ID}, status_path(): cancelled}
        place.exchange.cancel(PAIR, identifier)
        await until(lambda: place.told("cancelled"))
        taken = place.exchange.latency.snapshot()
        assert {name: summary.count for name, summary in taken.items()} == dict.fromkeys(
            ("place reply", "place open", "cancel reply", "cancel end"), 1
        )
        longest = time.monotonic() - began
        assert all(0 < summary.maximum <= longest for summary in taken.values())
    assert len(texts(caplog, "Latency in ms (p50 / p99 / max, count): place reply ")) == 1


async def test_a_refusal_is_a_reply_too() -> None:
    async with world() as place:
        place.valr.answers[LIMIT] = refusal(-6, "Insufficient Balance")
        buy(place)
        await until(lambda: place.told("failed"))
        assert list(place.exchange.latency.snapshot()) == ["place reply"]


async def test_trouble_of_a_watch_does_not_outlive_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(valr_access, "READ_ONLY_POLL", 60.0)
    async with world() as place:
        place.valr.answers |= {LIMIT: (503, ""), STATUS: {"status": "read-only"}}
        buy(place)
        await until(lambda: place.exchange._order_entry.is_held)
        await asyncio.wait_for(place.exchange.stop_network(), 5)
        assert not place.exchange._order_entry.is_held


async def test_a_start_does_not_cut_off_who_is_asking_already(caplog: pytest.LogCaptureFixture) -> None:
    async with world() as place:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        place.valr.answers |= {BALANCES: lambda _: answer, API_KEY: FULL_PERMISSIONS}
        asking = asyncio.create_task(place.exchange._update_balances())
        await until(lambda: place.valr.sent(BALANCES))
        await place.exchange.start_network()
        answer.set_result([])
        await asking
    assert not texts(caplog, "does not answer as it should")
