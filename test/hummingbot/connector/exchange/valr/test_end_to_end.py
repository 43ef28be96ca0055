"""The whole connector against the loopback exchange over real sockets: what the bot was told equals the ledger."""

import asyncio
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import hummingbot
from hummingbot.connector.exchange.valr import valr_exchange, valr_order_keeper
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.data_type.trade_fee import TokenAmount
from test.hummingbot.connector.exchange.valr.loopback_bot import PAIR, SYMBOL, Bot, eventually, let_others_quote
from valr_loopback.faults import Fault
from valr_loopback.server import LoopbackConfig, LoopbackServer


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(hummingbot, "_data_path", str(tmp_path / "data"))
    monkeypatch.setattr(valr_order_keeper, "STRAY_GRACE", 1.0)
    return tmp_path / "data"


@pytest.fixture
async def server() -> AsyncIterator[LoopbackServer]:
    async with LoopbackServer(LoopbackConfig(port=0, market=False)) as running:
        let_others_quote(running)
        yield running


@pytest.fixture(params=["websocket", "rest"])
async def bot(request: pytest.FixtureRequest, server: LoopbackServer) -> AsyncIterator[Bot]:
    async with Bot(server, valr_order_entry=request.param).running() as running:
        yield running


async def test_ready_by_the_frameworks_own_five_checks(bot: Bot) -> None:
    assert bot.exchange.status_dict == dict.fromkeys(
        (
            "symbols_mapping_initialized",
            "order_books_initialized",
            "account_balance",
            "trading_rule_initialized",
            "user_stream_initialized",
        ),
        True,
    )
    assert bot.exchange.get_price(PAIR, True) == Decimal("1010000")
    assert bot.exchange.get_price(PAIR, False) == Decimal("1000000")


async def test_place_and_cancel(bot: Bot) -> None:
    order_id = bot.buy("1001000", order_type=OrderType.LIMIT_MAKER)
    await eventually(lambda: bot.ids("created") == [order_id])
    assert bot.live() == [order_id]
    await eventually(lambda: bot.exchange.get_available_balance("ZAR") == Decimal("10000000") - Decimal("10010"))
    bot.exchange.cancel(PAIR, order_id)
    await eventually(lambda: bot.ids("cancelled") == [order_id])
    assert bot.live() == []
    assert bot.exchange.in_flight_orders == {}
    await eventually(lambda: bot.exchange.get_available_balance("ZAR") == Decimal("10000000"))
    assert bot.told("filled") == bot.told("failed") == bot.told("completed") == []


async def test_fills_are_told_exactly_as_the_ledger_has_them(bot: Bot) -> None:
    order_id = bot.sell("1005000", "0.03")
    await eventually(lambda: bot.ids("created") == [order_id])
    for quantity in ("0.01", "0.015", "0.005"):
        bot.server.exchange.place_limit("other", SYMBOL, "buy", quantity, "1005000")
    await eventually(lambda: bot.ids("completed") == [order_id])
    ledger = {trade.id: trade for trade in bot.server.exchange.trades(bot.server.account_id)}
    told = {event.exchange_trade_id: event for event in bot.told("filled")}
    assert len(bot.told("filled")) == 3
    assert set(told) == set(ledger)
    for trade_id, trade in ledger.items():
        assert (told[trade_id].price, told[trade_id].amount) == (trade.price, trade.quantity)
        fees = told[trade_id].trade_fee.flat_fees
        assert fees == ([TokenAmount(trade.fee_currency, trade.fee)] if trade.fee else [])
    completed = bot.told("completed")[0]
    assert completed.base_asset_amount == Decimal("0.03")
    assert completed.quote_asset_amount == Decimal("0.03") * 1005000


async def test_partial_fill_then_cancel(bot: Bot) -> None:
    order_id = bot.buy("1004000", "0.02")
    await eventually(lambda: bot.ids("created") == [order_id])
    bot.server.exchange.place_limit("other", SYMBOL, "sell", "0.005", "1004000")
    bot.exchange.cancel(PAIR, order_id)
    await eventually(lambda: bot.ids("cancelled") == [order_id])
    assert [event.amount for event in bot.told("filled")] == [Decimal("0.005")]
    assert bot.told("completed") == []


async def test_a_post_only_order_that_would_take_fails_with_valrs_reason(bot: Bot) -> None:
    order_id = bot.buy("1010000", order_type=OrderType.LIMIT_MAKER)
    await eventually(lambda: bot.ids("failed") == [order_id])
    assert "would have matched" in bot.told("failed")[0].error_message
    assert bot.told("created") == []


async def test_an_order_beyond_the_balance_fails_with_valrs_reason(bot: Bot) -> None:
    affordable = [bot.sell("1020000", "4"), bot.sell("1021000", "4")]
    await eventually(lambda: sorted(bot.ids("created")) == sorted(affordable))
    order_id = bot.sell("1022000", "4")
    await eventually(lambda: bot.ids("failed") == [order_id])
    assert "Insufficient Balance" in bot.told("failed")[0].error_message


async def test_a_market_order_is_filled_at_the_books_price(bot: Bot) -> None:
    order_id = bot.exchange.buy(PAIR, Decimal("0.01"), OrderType.MARKET, Decimal("NaN"))
    await eventually(lambda: bot.ids("completed") == [order_id])
    assert [event.price for event in bot.told("filled")] == [Decimal("1010000")]


async def test_a_market_order_by_quote_amount_spends_just_that(bot: Bot) -> None:
    order_id = bot.exchange.buy(PAIR, Decimal("0.01"), OrderType.MARKET, Decimal("NaN"), quote_amount=Decimal("5050"))
    await eventually(lambda: bot.ids("completed") == [order_id])
    assert [(event.price, event.amount) for event in bot.told("filled")] == [(Decimal("1010000"), Decimal("0.005"))]
    assert bot.told("completed")[0].quote_asset_amount == Decimal("5050")


@pytest.mark.parametrize(("price", "ends"), [("1011000", "completed"), ("1009000", "failed")])
@pytest.mark.parametrize("time_in_force", ["IOC", "FOK"])
async def test_orders_that_cannot_rest(bot: Bot, time_in_force: str, price: str, ends: str) -> None:
    order_id = bot.exchange.buy(PAIR, Decimal("0.01"), OrderType.LIMIT, Decimal(price), time_in_force=time_in_force)
    await eventually(lambda: bot.ids(ends) == [order_id])
    bot.assert_equal_to_the_ledger()


@pytest.mark.parametrize(
    ("order_type", "qualifier"),
    [
        (OrderType.LIMIT, {"time_in_force": "DAY"}),
        (OrderType.LIMIT_MAKER, {"time_in_force": "IOC"}),
        (OrderType.LIMIT, {"quote_amount": Decimal(100)}),
        (OrderType.MARKET, {"quote_amount": Decimal(0)}),
    ],
)
async def test_impossible_qualifiers_are_refused_before_anything_is_sent(
    bot: Bot, order_type: OrderType, qualifier: dict[str, Any]
) -> None:
    order_id = bot.exchange.buy(PAIR, Decimal("0.01"), order_type, Decimal("1000500"), **qualifier)
    await eventually(lambda: bot.ids("failed") == [order_id])
    assert next(iter(qualifier)) in bot.told("failed")[0].error_message
    assert bot.server.exchange.orders(bot.server.account_id) == []


async def test_cancel_all_proves_that_nothing_is_left(bot: Bot) -> None:
    orders = [bot.buy(str(990000 + 1000 * step)) for step in range(8)]
    await eventually(lambda: len(bot.live()) == 8)
    results = await bot.exchange.cancel_all(10)
    assert {result.order_id: result.success for result in results} == dict.fromkeys(orders, True)
    assert bot.live() == []


async def test_cancel_all_right_after_placing_leaves_nothing(bot: Bot) -> None:
    orders = [bot.buy(str(990000 + 1000 * step)) for step in range(4)]
    await asyncio.sleep(0)
    await eventually(lambda: len(bot.exchange.in_flight_orders) == 4)
    results = await bot.exchange.cancel_all(10)
    assert sorted(result.order_id for result in results if result.success) == sorted(orders)
    assert bot.live() == []


async def test_what_happened_while_the_socket_was_away_is_learned(bot: Bot) -> None:
    filled, cancelled, kept = bot.sell("1003000"), bot.buy("1000500"), bot.buy("999000")
    await eventually(lambda: sorted(bot.ids("created")) == sorted([filled, cancelled, kept]))
    await bot.server.drop_account_sockets()
    bot.server.exchange.place_limit("other", SYMBOL, "buy", "0.01", "1003000")
    (order,) = (
        each for each in bot.server.exchange.open_orders(bot.server.account_id) if each.client_order_id == cancelled
    )
    bot.server.exchange.cancel(bot.server.account_id, order.id)
    await eventually(lambda: bot.ids("completed") == [filled] and bot.ids("cancelled") == [cancelled])
    assert len(bot.told("filled")) == 1
    assert list(bot.exchange.in_flight_orders) == [kept]
    await eventually(lambda: bot.exchange.status_dict["user_stream_initialized"])


async def test_ready_while_orders_are_heard_of_by_the_socket_or_by_polls(
    bot: Bot, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Controllers of strategies V2 stand still, quotes and all, while a connector is not ready."""
    server.faults.add(Fault(kind="account_socket_refused", form="503"))
    await server.drop_account_sockets()
    await eventually(lambda: not bot.exchange._user_stream_source._ws_assistant)
    polled_at = bot.exchange._account_polled_at
    await eventually(lambda: bot.exchange._account_polled_at > polled_at)
    assert bot.exchange.ready
    order_id = bot.buy("1001000")
    await eventually(lambda: bot.ids("created") == [order_id])
    server.faults.add(Fault(kind="rest_503"))
    monkeypatch.setattr(valr_exchange, "POLL_WINDOW", 3.0)
    await eventually(lambda: not bot.exchange.ready)
    assert [name for name, is_there in bot.exchange.status_dict.items() if not is_there] == ["user_stream_initialized"]
    server.faults.clear()
    await eventually(lambda: bot.exchange.ready)


async def test_an_account_that_has_never_been_heard_of_by_the_socket_is_not_ready(server: LoopbackServer) -> None:
    server.faults.add(Fault(kind="account_socket_refused", form="503"))
    bot = Bot(server)
    running = bot.running()
    starting = asyncio.create_task(running.__aenter__())
    await eventually(lambda: list(bot.exchange.status_dict.values()).count(False) == 1)
    assert bot.exchange._account_polled_at > 0
    assert not bot.exchange.status_dict["user_stream_initialized"]
    server.faults.clear()
    await starting
    await running.__aexit__(None, None, None)


async def test_not_ready_while_strategies_see_no_book_at_all(bot: Bot, server: LoopbackServer) -> None:
    server.faults.add(Fault(kind="trade_socket_refused", form="503"))
    await server.drop_trade_sockets()
    await eventually(lambda: not bot.exchange.ready, seconds=15)
    assert [name for name, is_there in bot.exchange.status_dict.items() if not is_there] == ["order_books_initialized"]
    assert not list(bot.exchange.get_order_book(PAIR).bid_entries())
    server.faults.clear()
    await eventually(lambda: bot.exchange.ready, seconds=15)


@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "stopped, and started again in the same process"])
async def test_an_order_of_an_earlier_run_is_found_and_cancelled(server: LoopbackServer, is_killed: bool) -> None:
    foreign = server.exchange.place_limit(server.account_id, SYMBOL, "buy", "0.01", "995000")
    async with Bot(server).running() as first:
        order_id = first.buy("1001000")
        await eventually(lambda: first.ids("created") == [order_id])
    # It is gone without a cancel; Hummingbot saved nothing.
    if is_killed:
        first.die()
    async with Bot(server).running() as second:
        await eventually(lambda: second.live() == [foreign.client_order_id], seconds=15)
        assert second.told("created") == second.told("cancelled") == []


async def test_restored_orders_go_on(server: LoopbackServer) -> None:
    async with Bot(server).running() as first:
        kept, filled = first.buy("1001000"), first.sell("1004000", "0.02")
        await eventually(lambda: sorted(first.ids("created")) == sorted([kept, filled]))
        server.exchange.place_limit("other", SYMBOL, "buy", "0.005", "1004000")
        await eventually(lambda: len(first.told("filled")) == 1)
        saved = first.exchange.tracking_states
    first.die()
    server.exchange.place_limit("other", SYMBOL, "buy", "0.015", "1004000")
    bot = Bot(server)
    bot.exchange.restore_tracking_states(saved)
    async with bot.running() as second:
        await eventually(lambda: second.ids("completed") == [filled])
        assert [event.amount for event in second.told("filled")] == [Decimal("0.015")]
        assert list(second.exchange.in_flight_orders) == [kept]
        await eventually(lambda: not second.exchange._keeper._suspects)
        await second.exchange._keeper.poll()
        assert second.live() == [kept]
        assert second.told("created") == []
        assert all(result.success for result in await second.exchange.cancel_all(10))


# --- Faults -----------------------------------------------------------------------------------------------------------
FAULTS = {
    "a cancel is done but its reply is lost": [Fault(kind="cancel_ack_lost")],
    "a cancel is acknowledged and done late": [Fault(kind="cancel_executed_late", delay=(1.5, 3.0))],
    "a cancel is acknowledged and never done": [Fault(kind="cancel_never_executed", times=3)],
    "an order is placed but its reply is lost": [Fault(kind="place_reply_lost")],
    "an order's reply is late": [Fault(kind="place_reply_late", delay=(2.5, 3.0))],
    "the events come before the reply": [Fault(kind="events_before_reply")],
    "nothing is said about states": [
        Fault(kind="drop_event", event=event) for event in ("ORDER_STATUS_UPDATE", "ORDER_PROCESSED")
    ],
    "nothing is said about fills": [Fault(kind="drop_event", event="NEW_ACCOUNT_TRADE")],
    "nothing is said at all": [
        Fault(kind="drop_event", event=event)
        for event in (
            "ORDER_STATUS_UPDATE",
            "ORDER_PROCESSED",
            "NEW_ACCOUNT_TRADE",
            "OPEN_ORDERS_UPDATE",
            "BALANCE_UPDATE",
        )
    ],
    "everything is said twice and out of order, without client ids": [
        Fault(kind="duplicate_event"),
        Fault(kind="reorder_events"),
        Fault(kind="omit_customer_order_id"),
    ],
    "the list leaves out fresh orders": [Fault(kind="open_orders_missing_fresh", delay=(2.0, 2.0))],
    "the account socket falls silent": [Fault(kind="account_socket_silent", times=1)],
    "the account socket is cut every second": [Fault(kind="account_socket_close", until_seconds=12)],
    "REST is down for some seconds": [Fault(kind="rest_503", from_seconds=2, until_seconds=6)],
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS.keys())
async def test_under_a_fault_the_bot_ends_where_the_ledger_is(faults: list[Fault]) -> None:
    async with LoopbackServer(LoopbackConfig(port=0, market=False, faults=tuple(faults))) as server:
        let_others_quote(server)
        async with Bot(server).running() as bot:
            for round_of_orders in range(2):
                placed = [
                    bot.sell(str(1003000 + round_of_orders)),
                    bot.buy("1001000", order_type=OrderType.LIMIT_MAKER),
                    bot.buy("1010000", order_type=OrderType.LIMIT_MAKER),
                    bot.sell("1009000"),
                ]
                await eventually(lambda: len(bot.live()) == 3)
                server.exchange.place_limit("other", SYMBOL, "buy", "0.004", "1003001")
                for identifier in placed:
                    bot.exchange.cancel(PAIR, identifier)
                # PMM waits for the proof of every cancel, however long it takes; so does this.
                await eventually(lambda: not bot.exchange.in_flight_orders, seconds=40)
            bot.assert_equal_to_the_ledger()


async def test_a_400_with_html_on_an_order_that_was_placed_is_no_failure() -> None:
    config = LoopbackConfig(port=0, market=False, faults=(Fault(kind="place_html_400_though_placed"),))
    async with LoopbackServer(config) as server, Bot(server, valr_order_entry="rest").running() as bot:
        order_id = bot.buy("1001000")
        await eventually(lambda: bot.ids("created") == [order_id])
        assert all(result.success for result in await bot.exchange.cancel_all(10))
        await eventually(lambda: bot.ids("cancelled") == [order_id])
        bot.assert_equal_to_the_ledger()


async def test_a_placement_that_never_arrived_fails_only_after_patience_and_nothing_is_left() -> None:
    fault = Fault(kind="rest_timeout", path="/v2/orders/limit", delay=(0.1, 0.1))
    config = LoopbackConfig(port=0, market=False, faults=(fault,))
    async with LoopbackServer(config) as server, Bot(server, valr_order_entry="rest").running() as bot:
        order_id = bot.buy("1001000")
        await eventually(lambda: bot.ids("failed") == [order_id], seconds=40)
        assert bot.told("created") == []
        assert "does not know" in bot.told("failed")[0].error_message
        assert bot.live() == []


@pytest.mark.parametrize("skew", [300.0, -300.0])
async def test_a_clock_that_is_minutes_off_is_healed(skew: float) -> None:
    async with LoopbackServer(LoopbackConfig(port=0, market=False), clock=lambda: time.time() + skew) as server:
        let_others_quote(server)
        async with Bot(server).running() as bot:
            filled, cancelled = bot.sell("1003000"), bot.buy("1001000")
            await eventually(lambda: len(bot.live()) == 2)
            server.exchange.place_limit("other", SYMBOL, "buy", "0.01", "1003000")
            bot.exchange.cancel(PAIR, cancelled)
            await eventually(lambda: bot.ids("completed") == [filled] and bot.ids("cancelled") == [cancelled])
            bot.assert_equal_to_the_ledger()
