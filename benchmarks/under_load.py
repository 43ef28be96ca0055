"""From ``buy()`` to the frame's write on the socket, 100 times a second, while 205 pairs bring 4,000 messages a second.

With and without the market data take turns. The market data comes from a server of its own, the orders go to the
loopback exchange.
"""

import asyncio
import gc
import time

from benchmarks.bot import BenchBot, until
from benchmarks.exchange import running_exchange
from benchmarks.figures import Plan, Progress, Result, Spread, Target, paired, percentile
from benchmarks.market_load import MOST_PAIRS, Pairs, fed_by, market_server
from benchmarks.submit import RATE, bot_side
from valr_loopback.many_pairs import FEWEST_PAIRS

MESSAGES_A_SECOND = 4000.0
LIVE = 50
# Seconds of load around the measured orders.
MARGIN = 2.0
CLOCKS = {"time": time.perf_counter, "processor time": time.process_time}
"""Other programs on the machine disturb the first. The second counts what this process did between the call and the
write, market data included."""


async def measure(plan: Plan, say: Progress) -> list[Result]:
    """Measure with and without load, in turns."""
    pairs = Pairs(plan.size(MOST_PAIRS, FEWEST_PAIRS))
    rate = plan.size(MESSAGES_A_SECOND, 400.0)
    orders = plan.size(400, 50)
    runs: dict[str, dict[str, list[list[float]]]] = {name: {"unloaded": [], "loaded": []} for name in CLOCKS}
    async with (
        running_exchange("ours", pairs=pairs.count) as exchange,
        market_server("l1", pairs.symbols) as server,
        BenchBot(exchange, "ours", fed_by(server), trading_pairs=pairs.trading_pairs).running() as bot,
    ):
        await until(lambda: bot.connector.status_dict["user_stream_initialized"])
        side = bot_side("ours", bot)
        # Both begin with as many live orders.
        await side.submit_all(10, LIVE)
        gc.collect()
        for number in range(plan.runs):
            say(f"run {number + 1} of {plan.runs}")
            for name, now in CLOCKS.items():
                runs[name]["unloaded"].append(await side.submit_all(orders, LIVE, now))
                load = asyncio.create_task(server.play(orders / RATE + MARGIN, rate))
                await asyncio.sleep(MARGIN / 4)
                runs[name]["loaded"].append(await side.submit_all(orders, LIVE, now))
                await load
        await side.clear()
    return [_result(pairs.count, rate, name, each) for name, each in runs.items()]


def _result(pairs: int, rate: float, clock: str, runs: dict[str, list[list[float]]]) -> Result:
    figures = {
        f"{name} p{rank}": Spread.of([percentile(times, rank) * 1e6 for times in each])
        for rank in (50, 99)
        for name, each in runs.items()
    }
    p99 = paired(figures["loaded p99"], figures["unloaded p99"]).median
    guard = 30 if clock == "processor time" else None
    return Result(
        "load",
        f"buy() to socket write in {clock}, {RATE:g} a second, {rate:,.0f} messages a second of {pairs} pairs",
        "us",
        figures,
        (Target(f"p99 <= 3 x the unloaded one, in {clock}", p99, 3, guard=guard),),
    )
