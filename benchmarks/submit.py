"""From ``buy()`` to the frame's write on the socket, at 100 orders a second with 50 and 200 live orders.

The floor sends the same command over the same kind of socket. Stock sends it over REST, with 1,000 calls in its
throttler's log. The three take turns, each on an account of its own, on one exchange.
"""

import asyncio
import contextlib
import gc
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal

from benchmarks.bot import BenchBot, until
from benchmarks.exchange import BenchExchange, running_exchange
from benchmarks.figures import Plan, Progress, Result, Spread, Target, paired, percentile
from benchmarks.floor import FloorClient
from benchmarks.stock import StockExchange, log_calls
from benchmarks.wire import WireTap

RATE = 100.0
LOGGED_CALLS = 1000
PRICES = 500
LOWEST = 1_000_000

Place = Callable[[int], Awaitable[str]]
Cancel = Callable[[str], Awaitable[None]]


class Side:
    """One of those who take turns: how it places its n-th order and returns its id, and how it cancels."""

    def __init__(self, name: str, place: Place, cancel: Cancel) -> None:
        self.name = name
        self.place = place
        self.cancel = cancel
        self._live: deque[str] = deque()
        self._count = 0

    async def _submit(self, now: Callable[[], float] = time.perf_counter) -> tuple[str, float]:
        self._count += 1
        started = now()
        identifier = await self.place(self._count)
        self._live.append(identifier)
        return identifier, started

    async def submit_all(self, count: int, live: int, now: Callable[[], float] = time.perf_counter) -> list[float]:
        """Submit ``count`` orders, one every 10 ms, and between them cancel the oldest beyond ``live``.

        Return seconds of the clock ``now`` from each order's call to its write.
        """
        while len(self._live) < live:
            await self._submit()
            await asyncio.sleep(0.005)
        submitted: list[tuple[str, float]] = []
        due = time.perf_counter()
        with WireTap(now) as tap:
            for _ in range(count):
                due += 1 / RATE
                await asyncio.sleep(max(0.0, due - time.perf_counter() - 0.5 / RATE))
                while len(self._live) >= live:
                    await self.cancel(self._live.popleft())
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                submitted.append(await self._submit(now))
            await asyncio.sleep(1.0)
        moments = tap.moments_of([identifier for identifier, _ in submitted])
        return [moments[identifier] - started for identifier, started in submitted]

    async def clear(self) -> None:
        """Cancel what is live."""
        while self._live:
            await self.cancel(self._live.popleft())
            await asyncio.sleep(0.002)


def floor_side(floor: FloorClient) -> Side:
    """The leanest client."""

    async def place(number: int) -> str:
        identifier = f"floor{number:08d}"
        await floor.place(identifier, str(LOWEST + number % PRICES))
        return identifier

    return Side("floor", place, floor.cancel)


def bot_side(name: str, bot: BenchBot) -> Side:
    """A connector, called as a strategy calls it."""

    async def place(number: int) -> str:
        return bot.buy(Decimal(LOWEST + number % PRICES))

    async def cancel(identifier: str) -> None:
        bot.cancel(identifier)

    return Side(name, place, cancel)


class StockSide(Side):
    """Stock, with 1,000 calls or more in its throttler's log at the beginning of each run."""

    def __init__(self, bot: BenchBot) -> None:
        side = bot_side("stock", bot)
        super().__init__("stock", side.place, side.cancel)
        self._connector = bot.connector

    async def submit_all(self, count: int, live: int, now: Callable[[], float] = time.perf_counter) -> list[float]:
        """Submit with a long log."""
        log_calls(self._connector, LOGGED_CALLS)
        return await super().submit_all(count, live, now)


@contextlib.asynccontextmanager
async def three_sides(exchange: BenchExchange) -> AsyncIterator[list[Side]]:
    """Connect the floor, ours and stock to an exchange with an account for each."""
    async with (
        FloorClient(exchange, "floor") as floor,
        BenchBot(exchange, "ours").running() as ours,
        BenchBot(exchange, "stock", StockExchange).running() as stock,
    ):
        await until(lambda: ours.connector.status_dict["user_stream_initialized"])
        yield [floor_side(floor), bot_side("ours", ours), StockSide(stock)]


async def measure(plan: Plan, say: Progress) -> list[Result]:
    """Measure both numbers of live orders."""
    results = []
    for live in plan.size((50, 200), (50,)):
        async with running_exchange("floor", "ours", "stock") as exchange, three_sides(exchange) as sides:
            runs: dict[str, list[list[float]]] = {side.name: [] for side in sides}
            gc.collect()
            for number in range(plan.runs):
                say(f"{live} live orders, run {number + 1} of {plan.runs}")
                for side in sides:
                    runs[side.name].append(await side.submit_all(plan.size(300, 100), live))
            for side in sides:
                await side.clear()
            results.append(_result(live, runs))
    return results


def _result(live: int, runs: dict[str, list[list[float]]]) -> Result:
    figures = {
        f"{name} p{rank}": Spread.of([percentile(times, rank) * 1e6 for times in each])
        for rank in (50, 99)
        for name, each in runs.items()
    }
    p50, p99 = (paired(figures[f"ours p{rank}"], figures[f"floor p{rank}"]).median for rank in (50, 99))
    stock = paired(figures["stock p50"], figures["ours p50"]).median
    return Result(
        "submit",
        f"buy() to socket write, 100 a second, {live} live orders",
        "us",
        figures,
        (
            Target("p50 <= 2 x floor", p50, 2, guard=6),
            Target("p99 <= 5 x floor", p99, 5),
            Target("stock's p50 >= 5 x ours", stock, 5, at_least=True, guard=2),
        ),
    )
