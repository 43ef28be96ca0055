"""From a book's wire text to the best bid and ask that a strategy reads, of 20 pairs in turn.

Ours proves each frame by sequence and checksum. Stock takes the same frames as built-in connectors take theirs, and
proves nothing; Hummingbot's ``binance`` and ``gemini`` data sources take the same levels in their own messages. Time is
processor time, since one thread does it all.
"""

import asyncio
import contextlib
import gc

from benchmarks.figures import Plan, Progress, Result, Spread, Target, paired, percentile
from benchmarks.market_frames import Recording, record
from benchmarks.market_replay import Market, memory_replay
from benchmarks.stock_books import WAYS, stock_replay

PAIRS = 20
DEPTH = 100
CHANGES = (2, 40)


class Side:
    """One of those who take turns, with the recording's batches in its own messages."""

    def __init__(self, name: str, market: Market, batches: list[list[str]]) -> None:
        self.name = name
        self.market = market
        self._batches = iter(batches)
        self.single: list[list[float]] = []
        self.burst: list[float] = []

    async def measure(self) -> None:
        """Take a batch one by one, and the next one as a burst; note microseconds a message."""
        times = []
        for text in next(self._batches):
            times.append(await self.market.apply([text]) * 1e6)
            # Whoever has just been woken is done before the next message comes.
            await asyncio.sleep(0)
        self.single.append(times)
        batch = next(self._batches)
        self.burst.append(await self.market.apply(batch) / len(batch) * 1e6)


def _recording(plan: Plan, changes: int) -> Recording:
    """Record two batches a run and two that warm up."""
    size = plan.size(1000, 400) if changes < 10 else plan.size(400, 150)
    return record("l1", PAIRS, DEPTH, 2 * (plan.runs + 1), size, changes=changes)


async def measure(plan: Plan, say: Progress) -> list[Result]:
    """Measure small and large updates."""
    results = []
    for changes in CHANGES:
        recording = _recording(plan, changes)
        async with contextlib.AsyncExitStack() as stack:
            ours = await stack.enter_async_context(memory_replay(recording, "l1"))
            diffs = [[text for text in batch if "NEW_TRADE" not in text] for batch in recording.batches]
            sides = [Side("ours", ours, diffs)]
            for name, (_, _, as_message) in WAYS.items():
                market = await stack.enter_async_context(stock_replay(recording, name))
                sides.append(Side(name, market, [[as_message(text) for text in batch] for batch in diffs]))
            gc.collect()
            # What the benchmark holds is no business of anybody's garbage collections.
            gc.freeze()
            for number in range(plan.runs + 1):
                say(f"{changes}+{changes} level changes, run {number} of {plan.runs}" if number else "warming up")
                for side in sides:
                    await side.measure()
            gc.unfreeze()
            ours.check(recording)
        results.append(_result(changes, sides))
    return results


def _result(changes: int, sides: list[Side]) -> Result:
    figures = {f"{side.name} p50": Spread.of([percentile(times, 50) for times in side.single[1:]]) for side in sides}
    figures |= {f"{side.name} in a burst": Spread.of(side.burst[1:]) for side in sides}
    single = paired(figures["ours p50"], figures["stock p50"]).median
    burst = paired(figures["stock in a burst"], figures["ours in a burst"]).median
    return Result(
        "books",
        f"wire text to best bid and ask, {changes}+{changes} levels, {PAIRS} pairs",
        "us",
        figures,
        (
            Target("p50 <= stock's, which verifies nothing", single, 1, guard=4),
            Target("in a burst >= 1.5 x stock's messages a second", burst, 1.5, at_least=True, guard=0.3),
        ),
        ("processor time; only ours is verified",),
    )
