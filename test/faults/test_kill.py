"""Bots killed in the middle of trading, as their users run them: nothing stray is left, and no fill is missed.

The exchange killed and started again is a scenario of the fault runs ("exchange killed").
"""

import time
from collections.abc import AsyncIterator, Collection
from pathlib import Path

import pytest

import hummingbot
from hummingbot_valr.demo_facts import Ledger, LedgerOrder, Trade, parse_ledger
from hummingbot_valr.demo_record import Record, RecordedFill, as_recorded
from test.faults.engine_bot import EngineBot
from test.faults.exchanges import MortalExchange
from test.faults.runner import place_foreign_orders, trade_times, until
from test.hummingbot.connector.exchange.valr.loopback_bot import Bot, eventually
from valr_loopback.fault_kinds import FaultKind
from valr_loopback.faults import Fault

pytestmark = pytest.mark.usefixtures("unmeasured")

BOOT_SECONDS = 120.0
FILL_SECONDS = 60.0
STRAY_BOUND = 15.0
"""Seconds after which nothing of the earlier life may be live, counted from the later life's connection."""

ENDS = {
    "OrderCancelled": "Cancelled",
    "OrderFailure": "Failed",
    "BuyOrderCompleted": "Filled",
    "SellOrderCompleted": "Filled",
}
"""What ends an order, as the bot's database and as the ledger name it."""

NOTHING_IS_SAID = [
    Fault(kind=FaultKind.PLACE_REPLY_LATE, delay=(60.0, 60.0)),
    *(
        Fault(kind=FaultKind.DROP_EVENT, event=event)
        for event in ("ORDER_STATUS_UPDATE", "ORDER_PROCESSED", "OPEN_ORDERS_UPDATE", "NEW_ACCOUNT_TRADE")
    ),
]
"""Placements stay in flight: the bot hears nothing of its new orders."""


class Scene:
    """The bot to be killed, the exchange, and whatever of others is on the same account."""

    def __init__(self, exchange: MortalExchange, bot: EngineBot, second: Bot, others: set[str]) -> None:
        self.exchange = exchange
        self.bot = bot
        self.second = second
        self.others = others

    async def own(self) -> list[LedgerOrder]:
        """Return the bot's orders."""
        ledger = parse_ledger(await self.exchange.ledger())
        return [order for order in ledger.orders if order.order_id not in self.others]

    async def live(self) -> list[LedgerOrder]:
        """Return the bot's orders that are live."""
        return [order for order in await self.own() if order.ended_at is None]

    async def wait_for_a_live_order(self, created_after: float = 0.0) -> None:
        """Wait until the bot has an order live that was created after a time."""

        async def quotes() -> bool:
            return any(order.created_at > created_after for order in await self.live())

        assert await until(quotes, BOOT_SECONDS), f"no order is live\n{self.bot.log_text()[-3000:]}"

    async def wait_for_a_trade(self, since: float = 0.0) -> None:
        """Wait until somebody has traded with an order of the bot after a time."""

        async def traded() -> bool:
            return max(trade_times(await self.exchange.ledger()).values(), default=0.0) > since

        assert await until(traded, FILL_SECONDS), "nobody traded with the bot"

    async def wait_for_connection(self, number: int) -> None:
        """Wait until the bot's account socket is connected for the so-manieth time."""

        async def is_up() -> bool:
            return len(self.bot.log().socket_ups) >= number

        assert await until(is_up, BOOT_SECONDS), f"the bot did not connect\n{self.bot.log_text()[-3000:]}"

    async def is_reconciled(self, left: Collection[str]) -> bool:
        """Whether these orders of an earlier life have ended, and the bot knows how much of them was filled."""
        ledger = parse_ledger(await self.exchange.ledger())
        ended = {order.order_id for order in ledger.orders if order.ended_at is not None}
        fills, log = {fill.trade_id for fill in self.bot.record().fills}, self.bot.log_text()
        traded = {trade.trade_id for trade in ledger.trades if trade.order_id in left}
        return ended.issuperset(left) and all(trade in fills or trade in log for trade in traded)


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    workspace, folder = (tmp_path / "bot").resolve(), tmp_path / "exchange"
    folder.mkdir()
    workspace.mkdir()
    # A second bot of the same user: the same keys, the same data folder.
    monkeypatch.setattr(hummingbot, "_data_path", str(workspace / "data"))
    bot = EngineBot(workspace)
    async with MortalExchange(folder, seed=1) as exchange:
        foreign = await place_foreign_orders(exchange)
        await bot.prepare(exchange)
        try:
            async with Bot(exchange).running() as second:  # type: ignore[arg-type]
                mine = second.buy("1500000")
                await eventually(lambda: second.ids("created") == [mine])
                order_id = second.exchange.in_flight_orders[mine].exchange_order_id
                yield Scene(exchange, bot, second, {*foreign, str(order_id)})
        finally:
            await bot.end()


@pytest.mark.parametrize("faults", [[], NOTHING_IS_SAID], ids=["orders live", "placements in flight"])
async def test_a_killed_bot_leaves_nothing_stray_and_misses_no_fill(scene: Scene, faults: list[Fault]) -> None:
    await scene.bot.start()
    await scene.wait_for_a_live_order()
    await scene.wait_for_a_trade()
    await scene.exchange.arm(faults)
    await scene.wait_for_a_live_order(created_after=time.time())
    scene.bot.kill()
    killed_at = time.time()
    await scene.exchange.arm([])
    left = {order.order_id: order.client_order_id for order in await scene.live()}
    assert left
    assert not faults or not set(left.values()) <= set(scene.bot.record().orders), "no placement was in flight"
    await scene.wait_for_a_trade(since=killed_at)

    await scene.bot.start()
    await scene.wait_for_connection(2)

    assert await until(lambda: scene.is_reconciled(left), STRAY_BOUND), scene.bot.log_text()[-5000:]
    await scene.wait_for_a_live_order(created_after=time.time())
    await scene.bot.stop()

    ledger = parse_ledger(await scene.exchange.ledger())
    assert_equal_records(ledger, scene.bot.record(), scene.bot.log_text(), scene.others)
    assert {order.order_id for order in ledger.orders if order.ended_at is None} == scene.others
    assert scene.second.ids("cancelled") == scene.second.ids("failed") == []


def assert_equal_records(ledger: Ledger, record: Record, log: str, others: set[str]) -> None:
    """What the bot saved of its orders has the ledger's fills, once, and its ends; the rest is in the log."""
    saved = {order.client_order_id for order in ledger.orders} & set(record.orders)
    assert saved == set(record.orders)
    assert sorted(record.fills, key=lambda fill: fill.trade_id) == sorted(
        (_as_saved(trade) for trade in ledger.trades if trade.client_order_id in saved), key=lambda fill: fill.trade_id
    )
    for trade in ledger.trades:
        assert trade.client_order_id in saved or trade.trade_id in log
    for order in ledger.orders:
        if order.client_order_id in saved:
            ends = [status for status in record.orders[order.client_order_id].statuses if status in ENDS]
            assert [ENDS[status] for status in ends] == [order.status], order
        else:
            assert order.order_id in others or order.client_order_id in log


def _as_saved(trade: Trade) -> RecordedFill:
    price, quantity = as_recorded(trade.price), as_recorded(trade.quantity)
    return RecordedFill(trade.trade_id, trade.client_order_id, trade.side, price, quantity, trade.fees)
