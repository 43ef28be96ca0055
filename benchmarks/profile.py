"""Where the processor's time goes on the hot paths, sampled: ``python -m benchmarks.profile`` writes an HTML page.

First orders that are placed and cancelled over the account socket while others rest, then book messages of many pairs
from the wire text to Hummingbot's books. Whatever runs on the event loop's thread is sampled, whichever task it is.
"""

import asyncio
import logging
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from pyinstrument import Profiler
from pyinstrument.renderers import HTMLRenderer

import hummingbot
from benchmarks.bot import BenchBot, until
from benchmarks.exchange import running_exchange
from benchmarks.market_frames import record
from benchmarks.market_replay import memory_replay
from benchmarks.submit import bot_side

INTERVAL = 0.0005
LIVE = 50
# As many as keep the processor busy, so that little of the page is waiting.
ORDERS_A_SECOND = 250
PAIRS = 205
DEPTH = 100


async def profile_orders(profiler: Profiler, seconds: float) -> int:
    """Sample orders for some seconds; return how many there were."""
    async with running_exchange("ours") as exchange, BenchBot(exchange, "ours").running() as bot:
        await until(lambda: bot.connector.status_dict["user_stream_initialized"])
        side = bot_side("ours", bot)
        live = [await side.place(number) for number in range(LIVE)]
        await until(lambda: len(bot.told["created"]) == LIVE)
        began, count = time.perf_counter(), 0
        with profiler:
            while (elapsed := time.perf_counter() - began) < seconds:
                if count < elapsed * ORDERS_A_SECOND:
                    count += 1
                    live.append(await side.place(LIVE + count))
                    await side.cancel(live.pop(0))
                await asyncio.sleep(0.5 / ORDERS_A_SECOND)
        await bot.connector.cancel_all(10)
    return count


async def profile_books(profiler: Profiler, messages: int) -> None:
    """Sample book messages."""
    recording = record("l1", PAIRS, DEPTH, 2, messages)
    async with memory_replay(recording, "l1") as market:
        await market.apply(recording.batches[0])
        with profiler:
            await market.apply(recording.batches[1])


async def profile(short: bool) -> Profiler:
    """Sample both paths into one profile."""
    profiler = Profiler(interval=INTERVAL, async_mode="disabled")
    await profile_orders(profiler, 1.0 if short else 10.0)
    await profile_books(profiler, 2_000 if short else 60_000)
    return profiler


def main(
    short: Annotated[bool, typer.Option("--short", help="A second or so, to see that it works.")] = False,
    html: Annotated[Path, typer.Option(help="Where the page is written.")] = Path("build/profile.html"),
) -> None:
    """Sample the connector's hot paths and write what took how long as a page that needs nothing else."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        hummingbot.set_data_path(folder)  # type: ignore[attr-defined]
        profiler = asyncio.run(profile(short))
    html.parent.mkdir(parents=True, exist_ok=True)
    html.write_text(profiler.output(HTMLRenderer()))
    typer.echo(f"{html}: open it in a browser; its two views are the call tree and the flame chart over time")


if __name__ == "__main__":
    typer.run(main)
