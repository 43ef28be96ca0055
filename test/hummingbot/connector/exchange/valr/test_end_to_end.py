"""The whole connector against the loopback exchange over real sockets: what the bot was told equals the ledger."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import hummingbot
from hummingbot.connector.exchange.valr import valr_order_keeper
from hummingbot.connector.exchange.valr.valr_exchange import ValrExchange
from hummingbot.core.clock import Clock, ClockMode
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.data_type.trade_fee import TokenAmount
from hummingbot.core.event.event_logger import EventLogger
from hummingbot.core.event.events import MarketEvent
from valr_loopback.server import LoopbackConfig, LoopbackServer

PAIR = "BTC-ZAR"
SYMBOL = "BTCZAR"
EVENTS = {
    MarketEvent.BuyOrderCreated: "created",
    MarketEvent.SellOrderCreated: "created",
    MarketEvent.OrderFilled: "filled",
    MarketEvent.OrderCancelled: "cancelled",
    MarketEvent.OrderFailure: "failed",
    MarketEvent.BuyOrderCompleted: "completed",
    MarketEvent.SellOrderCompleted: "completed",
}


async def eventually(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    """Return as soon as ``condition`` holds; fail when it does not within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.01)


class Bot:
    """A connector on a running clock, with everything it told."""

    def __init__(self, server: LoopbackServer, **options: Any) -> None:
        self.server = server
        self.exchange = ValrExchange(
            server.api_key,
            server.api_secret,
            valr_url=server.url,
            domain="valr_loopback",
            trading_pairs=[PAIR],
            **options,
        )
        self.loggers = {event: EventLogger() for event in EVENTS}
        for event, logger in self.loggers.items():
            self.exchange.add_listener(event, logger)

    def told(self, what: str) -> list[Any]:
        return [event for kind, logger in self.loggers.items() if EVENTS[kind] == what for event in logger.event_log]

    def ids(self, what: str) -> list[str]:
        return [event.order_id for event in self.told(what)]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Bot"]:
        with Clock(ClockMode.REALTIME, tick_size=0.2) as clock:
            clock.add_iterator(self.exchange)
            task = asyncio.create_task(clock.run())
            try:
                await eventually(lambda: self.exchange.ready)
                yield self
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await self.exchange.stop_network()

    def buy(self, price: str, amount: str = "0.01", order_type: OrderType = OrderType.LIMIT) -> str:
        return self.exchange.buy(PAIR, Decimal(amount), order_type, Decimal(price))

    def sell(self, price: str, amount: str = "0.01", order_type: OrderType = OrderType.LIMIT) -> str:
        return self.exchange.sell(PAIR, Decimal(amount), order_type, Decimal(price))

    def die(self) -> None:
        """Let go of the journal as a killed process would: without a word."""
        file = self.exchange._keeper._journal._file
        assert file is not None
        file.close()

    def live(self) -> list[str]:
        return [order.client_order_id for order in self.server.exchange.open_orders(self.server.account_id)]


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(hummingbot, "_data_path", str(tmp_path / "data"))
    monkeypatch.setattr(valr_order_keeper, "STRAY_GRACE", 1.0)
    return tmp_path / "data"


@pytest.fixture
async def server() -> AsyncIterator[LoopbackServer]:
    async with LoopbackServer(LoopbackConfig(port=0, market=False)) as running:
        running.exchange.open_account("other", {"ZAR": 10_000_000, "BTC": 10})
        running.exchange.place_limit("other", SYMBOL, "buy", "1", "1000000")
        running.exchange.place_limit("other", SYMBOL, "sell", "1", "1010000")
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


async def test_an_order_of_a_killed_process_is_found_and_cancelled(server: LoopbackServer) -> None:
    foreign = server.exchange.place_limit(server.account_id, SYMBOL, "buy", "0.01", "995000")
    async with Bot(server).running() as first:
        order_id = first.buy("1001000")
        await eventually(lambda: first.ids("created") == [order_id])
    # The process is gone without a cancel; Hummingbot saved nothing.
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
