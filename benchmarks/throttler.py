"""What the rate limits cost: one call's turn, by how many calls are logged; and who goes first when they are reached.

Stock is Hummingbot's own throttler under the same limits, a hundred times VALR's: nobody has to wait for the first.
"""

import asyncio
import math
import time
from decimal import Decimal

from benchmarks.figures import Plan, Progress, Result, Spread, Target, paired
from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_throttler import ValrThrottler
from hummingbot.core.api_throttler.async_request_context_base import AsyncRequestContextBase
from hummingbot.core.api_throttler.async_throttler import AsyncThrottler
from hummingbot.core.api_throttler.async_throttler_base import AsyncThrottlerBase
from hummingbot.core.api_throttler.data_types import LinkedLimitWeightPair, RateLimit, TaskLog

LOGGED = (0, 1000, 6000)
KINDS: dict[str, type[AsyncThrottlerBase]] = {"ours": ValrThrottler, "stock": AsyncThrottler}
POLL = CONSTANTS.PRIVATE_LIMIT_ID
POLLS_WAITING = 30


def _unlimited(kind: type[AsyncThrottlerBase]) -> AsyncThrottlerBase:
    return kind(CONSTANTS.RATE_LIMITS, limits_share_percentage=Decimal(10_000))


async def _acquire(throttler: AsyncThrottlerBase, limit_id: str = POLL) -> None:
    async with throttler.execute_task(limit_id):
        pass


async def _log(throttler: AsyncThrottlerBase, count: int) -> None:
    """Fill the log up to ``count`` entries, one for each limit that a call counts towards."""
    limit, related = throttler.get_related_limits(POLL)
    if isinstance(throttler, ValrThrottler):
        for _ in range(count // (1 + len(related))):
            await throttler.acquire(POLL)
    else:
        limits = [(limit, limit.weight), *related]
        throttler._task_logs += [TaskLog(time.time(), *limits[number % len(limits)]) for number in range(count)]


async def cost(kind: type[AsyncThrottlerBase], logged: int, calls: int) -> float:
    """Return microseconds of processor time for one call's turn with so many entries in the log."""
    throttler = _unlimited(kind)
    await _log(throttler, logged)
    started = time.process_time()
    for _ in range(calls):
        await _acquire(throttler)
    return (time.process_time() - started) / calls * 1e6


async def polls_before_cancel(kind: type[AsyncThrottlerBase]) -> float:
    """Return how many polls that waited for a limit went before a cancel that came to wait for the same one."""
    # Hummingbot's warning of a reached limit would build the whole interactive client in between.
    AsyncRequestContextBase._last_max_cap_warning_ts = math.inf
    pool = "everything"
    linked = [LinkedLimitWeightPair(pool)]
    throttler = kind(
        [
            RateLimit(pool, limit=10, time_interval=0.3),
            RateLimit(POLL, limit=10, time_interval=0.3, linked_limits=linked),
            RateLimit(CONSTANTS.CANCEL_LIMIT_ID, limit=10, time_interval=0.3, linked_limits=linked),
        ]
    )
    for _ in range(10):
        await _acquire(throttler)
    went: list[str] = []

    async def call(limit_id: str) -> None:
        await _acquire(throttler, limit_id)
        went.append(limit_id)

    polls = [asyncio.create_task(call(POLL)) for _ in range(POLLS_WAITING)]
    await asyncio.sleep(0.01)
    cancel = asyncio.create_task(call(CONSTANTS.CANCEL_LIMIT_ID))
    async with asyncio.timeout(30):
        await cancel
    before = went.index(CONSTANTS.CANCEL_LIMIT_ID)
    for poll in polls:
        poll.cancel()
    await asyncio.gather(*polls, return_exceptions=True)
    return before


async def measure(plan: Plan, say: Progress) -> list[Result]:
    """Measure the cost of a turn, and the order of turns."""
    costs: dict[str, list[float]] = {f"{name} {logged:,}": [] for name in KINDS for logged in LOGGED}
    waits: dict[str, list[float]] = {f"{name} polls before a cancel": [] for name in KINDS}
    for number in range(plan.runs):
        say(f"run {number + 1} of {plan.runs}")
        for name, kind in KINDS.items():
            for logged in LOGGED:
                calls = plan.size(1000, 300) if name == "ours" else plan.size(30, 3)
                costs[f"{name} {logged:,}"].append(await cost(kind, logged, calls))
            waits[f"{name} polls before a cancel"].append(await polls_before_cancel(kind))
    return [_cost_result(costs), _order_result(waits)]


def _cost_result(costs: dict[str, list[float]]) -> Result:
    figures = {name: Spread.of(runs) for name, runs in costs.items()}
    few, *more = (figures[f"ours {logged:,}"] for logged in LOGGED)
    worst = max(paired(many, few).median for many in more)
    least, most = LOGGED[0], LOGGED[-1]
    return Result(
        "throttler",
        "one call's turn, by entries in the log",
        "us",
        figures,
        (Target(f"cost with {most:,} entries <= 1.5 x with {least}", worst, 1.5, guard=10),),
    )


def _order_result(waits: dict[str, list[float]]) -> Result:
    figures = {name: Spread.of(runs) for name, runs in waits.items()}
    before = figures["ours polls before a cancel"].most
    return Result(
        "throttler",
        f"a cancel comes when {POLLS_WAITING} polls wait for the same limit",
        "polls",
        figures,
        (Target("no poll goes before the cancel", before, 0, guard=0),),
    )
