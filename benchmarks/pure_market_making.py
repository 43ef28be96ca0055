"""Hummingbot's pure market making with 3 levels a side, refreshed every 0.2 s at ticks of 0.1 s, on a moving market.

The strategy cancels at the first tick at which its orders are old enough, and places new ones at the next, if every
cancel is proven by then: every third tick at best, and every fourth when the sum of a tick's time and 0.2 is by a hair
more than the time of the second tick after it. A refresh is missed when it comes later than that. A second connection
to the account counts what is live, by the exchange's events alone.
"""

import asyncio
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from benchmarks.bot import BenchBot, until
from benchmarks.exchange import PAIR, SYMBOL, running_exchange
from benchmarks.figures import Plan, Progress, Result, Spread, Target, percentile
from benchmarks.floor import FloorClient
from hummingbot.client.settings import AllConnectorSettings  # noqa: F401 - before the strategies, which need it loaded
from hummingbot.connector.exchange.valr.valr_exchange import ValrExchange
from hummingbot.core.clock import Clock, ClockMode
from hummingbot.core.data_type.common import OrderType
from hummingbot.strategy.market_trading_pair_tuple import MarketTradingPairTuple
from hummingbot.strategy.pure_market_making import PureMarketMakingStrategy

TICK = 0.1
REFRESH = 0.2
LEVELS = 3
WANTED = 2 * LEVELS
WATCH = 0.005
ENDED = ("Filled", "Cancelled", "Failed")


class RefreshedExchange(ValrExchange):
    """The connector, noting its ticks and at which of them orders were placed."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.ticks: list[float] = []
        self.placed_at: list[int] = []
        self.cancelled: dict[str, float] = {}
        super().__init__(*arguments, **options)

    def tick(self, timestamp: float) -> None:
        """Note the tick."""
        self.ticks.append(timestamp)
        super().tick(timestamp)

    def buy(
        self, trading_pair: str, amount: Decimal, order_type: OrderType, price: Decimal = Decimal("NaN"), **options: Any
    ) -> str:
        """Note at which tick it is."""
        tick = len(self.ticks) - 1
        if self.placed_at[-1:] != [tick]:
            self.placed_at.append(tick)
        return super().buy(trading_pair, amount, order_type, price, **options)

    def cancel(self, trading_pair: str, client_order_id: str) -> Any:
        """Note when."""
        self.cancelled.setdefault(client_order_id, time.perf_counter())
        return super().cancel(trading_pair, client_order_id)

    def lateness(self) -> list[int]:
        """Return by how many ticks each refresh was late; the next one after a fill may be early."""
        return [
            max(now - self._due(before), 0) for before, now in zip(self.placed_at, self.placed_at[1:], strict=False)
        ]

    def _due(self, placed: int) -> int:
        """Return the tick after the first one at which orders placed at a tick are old enough."""
        old = self.ticks[placed] + REFRESH
        return next(number for number in range(placed + 1, len(self.ticks)) if self.ticks[number] >= old) + 1


class StandstillWatch:
    """For how long nothing ran on the event loop at most: whoever loads the machine takes the processor away."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            began = time.perf_counter()
            await asyncio.sleep(WATCH)
            self.longest = max(self.longest, time.perf_counter() - began - WATCH)


class LiveCount:
    """What is live on an account by the exchange's events, and for how long it was too much."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._live: set[str] = set()
        self._ended: set[str] = set()
        self._above_since: float | None = None
        self.ended_at: dict[str, float] = {}
        self.most = 0
        self.longest_above = 0.0

    def take(self, frame: dict[str, Any]) -> None:
        """Take an event of the account."""
        if frame["type"] != "ORDER_STATUS_UPDATE":
            return
        order = frame["data"]
        if order["orderStatusType"] in ENDED:
            self._ended.add(order["orderId"])
            self.ended_at[order["customerOrderId"]] = time.perf_counter()
        else:
            self._live.add(order["orderId"])
        self._live -= self._ended
        self._note(time.perf_counter())

    def _note(self, now: float) -> None:
        self.most = max(self.most, len(self._live))
        if self._above_since is not None:
            self.longest_above = max(self.longest_above, now - self._above_since)
        if len(self._live) <= self._limit:
            self._above_since = None
        elif self._above_since is None:
            self._above_since = now


def make_strategy(connector: ValrExchange) -> PureMarketMakingStrategy:
    """Return the strategy as Hummingbot's start file makes it."""
    strategy = PureMarketMakingStrategy()
    strategy.init_params(
        market_info=MarketTradingPairTuple(connector, PAIR, *PAIR.split("-")),
        bid_spread=Decimal("0.001"),
        ask_spread=Decimal("0.001"),
        order_amount=Decimal("0.002"),
        order_levels=LEVELS,
        order_level_spread=Decimal("0.001"),
        order_refresh_time=REFRESH,
        filled_order_delay=0.0,
        minimum_spread=Decimal(-100),
    )
    return strategy


@dataclass
class Seen:
    """What was seen of one run; ``processor`` is the share of one that it took, ``standstill`` in seconds."""

    connector: RefreshedExchange
    live: LiveCount
    told: dict[str, dict[str, float]]
    processor: float
    standstill: float

    def proof_times(self) -> list[float]:
        """Return the seconds from each of the strategy's cancels to the event that tells of its proof."""
        told = self.told["cancelled"]
        return [told[order] - moment for order, moment in self.connector.cancelled.items() if order in told]

    def own_times(self) -> list[float]:
        """Return by how many seconds the connector told of each end later than the second connection heard of it."""
        ended_at = self.live.ended_at
        return [moment - ended_at[order] for order, moment in self.told["cancelled"].items() if order in ended_at]


async def trade(seconds: float) -> Seen:
    """Trade for a while."""
    config: dict[str, Any] = {"market": True, "market_pairs": (SYMBOL,), "history_minutes": 0, "rate_limits": True}
    async with running_exchange("ours", **config) as exchange, FloorClient(exchange, "ours") as observer:
        live, standstill = LiveCount(WANTED), StandstillWatch()
        observer.on_frame = live.take
        bot = BenchBot(exchange, "ours", RefreshedExchange, rate_limits_share_pct=Decimal(100))
        connector = bot.connector
        assert isinstance(connector, RefreshedExchange)
        with Clock(ClockMode.REALTIME, tick_size=TICK) as clock:
            clock.add_iterator(connector)
            task = asyncio.create_task(clock.run())
            await until(lambda: connector.ready)
            await until(lambda: connector.status_dict["user_stream_initialized"])
            strategy = make_strategy(connector)
            clock.add_iterator(strategy)
            await until(lambda: connector.placed_at)
            watch = asyncio.create_task(standstill.run())
            began, used = time.perf_counter(), time.process_time()
            await asyncio.sleep(seconds)
            share = (time.process_time() - used) / (time.perf_counter() - began)
            watch.cancel()
            clock.remove_iterator(strategy)
            await connector.cancel_all(10)
            task.cancel()
            await asyncio.gather(task, watch, return_exceptions=True)
        await connector.stop_network()
    return Seen(connector, live, bot.told, share, standstill.longest)


async def measure(plan: Plan, say: Progress) -> list[Result]:
    """Trade once, for ten minutes."""
    seconds = plan.size(600.0, 3.0)
    say(f"one run of {seconds:g} s")
    return [_result(seconds, await trade(seconds))]


def _result(seconds: float, seen: Seen) -> Result:
    connector, live, told = seen.connector, seen.live, seen.told
    late, proofs = connector.lateness(), seen.proof_times()
    missed = sum(each > 0 for each in late)
    span = connector.ticks[-1] - connector.ticks[0]
    ticks = round(span / TICK) + 1
    refusals = connector.metrics.counters()["rate_limit_refusals"]
    figures = {
        "refreshes": len(late),
        "late refreshes": missed,
        "ticks late at most": max(late, default=0),
        "orders created": len(told["created"]),
        "orders with fills": len(told["filled"]),
        "orders failed": len(told["failed"]),
        "most live": live.most,
        "refused for rate": refusals,
    }
    return Result(
        "pmm",
        f"{LEVELS} levels a side, refresh {REFRESH} s, ticks of {TICK} s, {seconds:g} s, one run",
        "",
        {name: Spread.of([float(value)]) for name, value in figures.items()},
        (
            Target("no missed refresh", missed, 0, guard=len(late) / 2),
            Target(f"above {WANTED} live <= {2 * REFRESH} s", live.longest_above, 2 * REFRESH, guard=2.0),
            Target("nothing refused for rate", refusals, 0, guard=0),
        ),
        [
            f"one refresh every {span / len(late):.2f} s",
            "cancel to proof: "
            + ", ".join(f"p{rank:g} {percentile(proofs, rank) * 1e3:.1f} ms" for rank in (50, 99, 99.9, 100)),
            f"of it after the exchange's word: {max(seen.own_times()) * 1e3:.1f} ms at most",
            f"{ticks - len(connector.ticks)} of {ticks} ticks were left out by Hummingbot's clock",
            f"the event loop stood still for {seen.standstill * 1e3:.0f} ms at most",
            f"{seen.processor:.0%} of one processor",
        ],
    )
