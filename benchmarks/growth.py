"""What a message and an order cost with ever more pairs and live orders: processor time, and whether it stays flat.

A book message is followed from its wire text to Hummingbot's order book. An order is placed, acknowledged, open,
cancelled and proven gone, 100 a second; what the process uses without any orders is taken off. The exchange tells the
whole list of open orders at each change of it, as VALR does, and lists of more than 200 four times a second: the
leanest client, which only decodes that list, pays for it too. So the dearest number counts, not the largest.
"""

import asyncio
import contextlib
import gc
import time
from collections import deque

from benchmarks.bot import BenchBot, until
from benchmarks.exchange import running_exchange
from benchmarks.figures import Plan, Progress, Result, Spread, Target, paired
from benchmarks.floor import FloorClient
from benchmarks.market_frames import Recording, record
from benchmarks.market_replay import ValrMarket, memory_replay
from benchmarks.submit import Side, bot_side, floor_side

PAIRS = (1, 20, 205)
DEPTH = 100
CHANGES = 2
LIVE = (2, 20, 50, 200, 500)
RATE = 100.0
FLAT = 1.5


# --- Book messages ----------------------------------------------------------------------------------------------------
async def cost_of_messages(market: ValrMarket, texts: list[str]) -> float:
    """Return the microseconds of processor time that a message takes on average, one after the other."""
    spent = 0.0
    for text in texts:
        spent += await market.apply([text])
        # Whoever has just been woken is done before the next message comes.
        await asyncio.sleep(0)
    return spent / len(texts) * 1e6


async def measure_messages(plan: Plan, say: Progress) -> Result:
    """Let each number of pairs have its turn, run by run; the first run warms up."""
    size = plan.size(2000, 200)
    recordings: dict[int, Recording] = {
        pairs: record("l1", pairs, DEPTH, plan.runs + 1, size, changes=CHANGES) for pairs in plan.size(PAIRS, (1, 20))
    }
    costs: dict[int, list[float]] = {pairs: [] for pairs in recordings}
    async with contextlib.AsyncExitStack() as stack:
        markets = {
            pairs: await stack.enter_async_context(memory_replay(recording, "l1"))
            for pairs, recording in recordings.items()
        }
        gc.collect()
        # What the benchmark holds is no business of anybody's garbage collections.
        gc.freeze()
        for run in range(plan.runs + 1):
            say(f"book messages, run {run} of {plan.runs}" if run else "book messages, warming up")
            for pairs, market in markets.items():
                texts = [text for text in recordings[pairs].batches[run] if "NEW_TRADE" not in text]
                costs[pairs].append(await cost_of_messages(market, texts))
        gc.unfreeze()
    figures = {f"{pairs} pairs": Spread.of(each[1:]) for pairs, each in costs.items()}
    return _result("book message", "pairs", list(costs), figures, {})


# --- Orders -----------------------------------------------------------------------------------------------------------
class Turnover:
    """Keeps a number of orders live, and replaces the oldest by new ones.

    :param settled: seconds after which everything that was to come has come
    """

    def __init__(self, side: Side, settled: float) -> None:
        self._side = side
        self._settled = settled
        self._live: deque[str] = deque()
        self._count = 0

    async def _place(self) -> None:
        self._count += 1
        self._live.append(await self._side.place(self._count))

    async def hold(self, live: int) -> None:
        """Place or cancel until so many are live."""
        while len(self._live) != live:
            if len(self._live) < live:
                await self._place()
            else:
                await self._side.cancel(self._live.popleft())
            await asyncio.sleep(1 / RATE)
        await asyncio.sleep(2 * self._settled)

    async def cost(self, count: int) -> float:
        """Return the microseconds of processor time that one of ``count`` orders takes, placed and cancelled."""
        began, used = time.perf_counter(), time.process_time()
        await asyncio.sleep(2 * self._settled)
        idle = (time.process_time() - used) / (time.perf_counter() - began)
        began, used = time.perf_counter(), time.process_time()
        for number in range(1, count + 1):
            await self._place()
            await self._side.cancel(self._live.popleft())
            await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
        await asyncio.sleep(self._settled)
        return (time.process_time() - used - idle * (time.perf_counter() - began)) / count * 1e6


async def measure_orders(plan: Plan, say: Progress) -> Result:
    """Let each number of live orders have its turn, up and down again."""
    counts = plan.size(LIVE, (2, 20))
    costs: dict[str, dict[int, list[float]]] = {name: {live: [] for live in counts} for name in ("ours", "floor")}
    async with (
        running_exchange("ours", "floor") as exchange,
        FloorClient(exchange, "floor") as floor,
        BenchBot(exchange, "ours").running() as ours,
    ):
        await until(lambda: ours.connector.status_dict["user_stream_initialized"])
        sides = {"ours": bot_side("ours", ours), "floor": floor_side(floor)}
        turnovers = {name: Turnover(side, plan.size(0.5, 0.1)) for name, side in sides.items()}
        for run in range(plan.runs):
            for live in counts if run % 2 == 0 else reversed(counts):
                say(f"{live} live orders, run {run + 1} of {plan.runs}")
                for name, turnover in turnovers.items():
                    await turnover.hold(live)
                    costs[name][live].append(await turnover.cost(plan.size(200, 30)))
        for turnover in turnovers.values():
            await turnover.hold(0)
    ours_, floor_ = ({f"{live} live": Spread.of(each) for live, each in costs[name].items()} for name in costs)
    return _result(
        "order", "live orders", list(counts), ours_, {f"floor, {name}": each for name, each in floor_.items()}
    )


async def measure(plan: Plan, say: Progress) -> list[Result]:
    """Measure both curves."""
    return [await measure_messages(plan, say), await measure_orders(plan, say)]


def _result(what: str, unit: str, sizes: list[int], figures: dict[str, Spread], beside: dict[str, Spread]) -> Result:
    growth = _growth(figures)
    notes = [f"the leanest client's: {_growth(beside):.2f} x"] if beside else []
    return Result(
        "growth",
        f"processor time of {'a' if what[0] not in 'aeiou' else 'an'} {what}, {sizes[0]} to {sizes[-1]} {unit}",
        "us",
        figures | beside,
        (Target(f"the dearest <= {FLAT} x that with {sizes[0]}", growth, FLAT, guard=5),),
        notes,
    )


def _growth(figures: dict[str, Spread]) -> float:
    """Return how many times as much as the first of them the dearest is."""
    first, *others = figures.values()
    return max(paired(each, first).median for each in others)
