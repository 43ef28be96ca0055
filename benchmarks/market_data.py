"""How much market data the connector can take: ``python -m benchmarks.market_data [--quick] [--json FILE]``.

A recorded market (an encoder of the benchmark's own, one trade for 20 book updates, one to four changes an update) is
replayed through the product's socket connection, data source and books into Hummingbot's order book tracker. The costs
are processor time, since one thread does it all; each is the median of several runs, which alternate with those of the
variant beside them, with the least and the most in brackets. At the end of each replay Hummingbot's books must be the
exchange's. "Checksum off" exists here only: the benchmark puts an empty function in the place of the verification.

The target: 205 pairs with 20 updates a second each, on one core; :mod:`benchmarks.many_pairs` shows it over a socket.
"""

import argparse
import asyncio
import gc
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from rich.console import Console
from rich.table import Table

from benchmarks.market_frames import BOOK_FRAMES_PER_TRADE, Recording, record
from benchmarks.market_load import MOST_PAIRS, UPDATES_PER_PAIR
from benchmarks.market_replay import memory_replay
from hummingbot.connector.exchange.valr.valr_order_book import BookFeed, FullBook, L1Book
from hummingbot.connector.exchange.valr.valr_web_utils import frame_decoder

FEEDS = (BookFeed.L1, BookFeed.FULL, BookFeed.AGGREGATED)
AGGREGATED_DEPTHS = (25, 40)


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    pairs: tuple[int, ...] = (1, 20, MOST_PAIRS)
    depths: tuple[int, ...] = (25, 100, 500, 1500)
    usual_depth: int = 100
    runs: int = 5
    frames: int = 4000

    @property
    def most_pairs(self) -> int:
        """The pairs of the target."""
        return max(self.pairs)

    @property
    def update_rate(self) -> float:
        """Book updates a second of the target."""
        return self.most_pairs * UPDATES_PER_PAIR

    @property
    def frame_rate(self) -> float:
        """Frames a second of the target, with their trades."""
        return self.update_rate * (1 + 1 / BOOK_FRAMES_PER_TRADE)


QUICK = Plan(pairs=(1, 5), depths=(25, 60), usual_depth=25, runs=2, frames=150)


@dataclass(frozen=True)
class Cost:
    """Microseconds of processor time a frame: median, least and most of the runs."""

    us: float
    least: float
    most: float

    @classmethod
    def of(cls, runs: list[float]) -> "Cost":
        """Sum up runs."""
        return cls(median(runs), min(runs), max(runs))

    def __str__(self) -> str:
        return f"{self.us:.1f} [{self.least:.1f}-{self.most:.1f}]"


@contextmanager
def _checksum_off() -> Iterator[None]:
    def nothing(book: Any, expected: int) -> None:
        pass

    with patch.object(L1Book, "_verify_checksum", nothing), patch.object(FullBook, "_verify_checksum", nothing):
        yield


def _recording(plan: Plan, feed: str, pairs: int, depth: int) -> Recording:
    """Return a recording with one batch more than runs: the first warms up."""
    recording = record(feed, pairs, depth, plan.runs + 1, plan.frames)
    gc.collect()
    # What the benchmark holds is no business of the product's garbage collections.
    gc.freeze()
    return recording


# --- The whole way, in all sizes --------------------------------------------------------------------------------------
async def whole_way(plan: Plan, feed: str, pairs: int, depth: int) -> dict[str, Any]:
    """Measure wire text to Hummingbot's books, with the checksum and, where there is one, without."""
    recording = _recording(plan, feed, pairs, depth)
    runs: dict[bool, list[float]] = {True: [], False: []}
    async with memory_replay(recording, feed) as checked, memory_replay(recording, feed) as unchecked:
        for batch in recording.batches:
            runs[True].append(await checked.apply(batch) / len(batch) * 1e6)
            if feed != BookFeed.AGGREGATED:
                with _checksum_off():
                    runs[False].append(await unchecked.apply(batch) / len(batch) * 1e6)
        checked.check(recording)
    cost = Cost.of(runs[True][1:])
    without = Cost.of(runs[False][1:]) if runs[False] else None
    return {
        "feed": feed,
        "pairs": pairs,
        "depth": depth,
        "characters": recording.mean_size,
        "checksum_on": asdict(cost),
        "checksum_off": asdict(without) if without else None,
        "frames_per_second": 1e6 / cost.us,
        "shown": [
            feed,
            str(pairs),
            str(depth),
            f"{recording.mean_size:.0f}",
            f"{1e6 / cost.us:,.0f}",
            str(cost),
            str(without or "no checksum"),
        ],
    }


# --- Where the time goes ----------------------------------------------------------------------------------------------
def _timed(step: Callable[[str], Any], texts: list[str]) -> float:
    started = time.process_time()
    for text in texts:
        step(text)
    return (time.process_time() - started) / len(texts) * 1e6


async def stages(plan: Plan, feed: str) -> dict[str, Any]:
    """Measure how far each part of the way takes, at the target's size: decoding alone is the floor."""
    recording = _recording(plan, feed, plan.most_pairs, plan.usual_depth)
    decode = frame_decoder()
    books = {symbol: BookFeed(feed).new_book() for symbol in recording.symbols}

    def prove(text: str) -> None:
        frame = decode(text)
        if frame["type"] != "NEW_TRADE":
            books[frame.get("ps") or frame["currencyPairSymbol"]].apply(frame)

    for snapshot in recording.snapshots:
        prove(snapshot)
    runs: dict[str, list[float]] = {"json": [], "decoder": [], "proven": [], "whole": []}
    async with memory_replay(recording, feed) as replay:
        for batch in recording.batches:
            runs["json"].append(_timed(json.loads, batch))
            runs["decoder"].append(_timed(decode, batch))
            runs["proven"].append(_timed(prove, batch))
            runs["whole"].append(await replay.apply(batch) / len(batch) * 1e6)
    costs = {name: Cost.of(values[1:]) for name, values in runs.items()}
    return {
        "feed": feed,
        "pairs": plan.most_pairs,
        "depth": plan.usual_depth,
        **{name: asdict(cost) for name, cost in costs.items()},
        "shown": [feed, *map(str, costs.values())],
    }


# --- The target -------------------------------------------------------------------------------------------------------
def verdict(plan: Plan, result: dict[str, Any]) -> dict[str, Any]:
    """Say how much of a core the target takes, by the processor time of an unpaced replay from memory."""
    share = result["checksum_on"]["us"] * plan.frame_rate / 1e6
    return {
        **{name: result[name] for name in ("feed", "pairs", "depth")},
        "updates_per_second": plan.update_rate,
        "core_share": share,
        "met": share < 1,
        "shown": [result["feed"], str(result["depth"]), f"{share:.1%}", "met" if share < 1 else "missed"],
    }


# --- Report -----------------------------------------------------------------------------------------------------------
def _show(title: str, columns: Iterable[str], results: list[dict[str, Any]]) -> None:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="right")
    for result in results:
        table.add_row(*result["shown"])
    Console(width=None if sys.stdout.isatty() else 130).print(table)


async def measure(plan: Plan) -> dict[str, list[dict[str, Any]]]:
    """Measure and print table by table."""
    sizes = [
        await whole_way(plan, feed, pairs, depth)
        for feed in FEEDS
        for pairs in plan.pairs
        for depth in (AGGREGATED_DEPTHS if feed is BookFeed.AGGREGATED else plan.depths)
    ]
    cost = "us a frame"
    columns = ["feed", "pairs", "levels", "characters", "frames/s", f"{cost}, checksum on", f"{cost}, checksum off"]
    _show("From wire text to Hummingbot's book", columns, sizes)

    parts = [await stages(plan, feed) for feed in FEEDS]
    columns = ["feed", "json.loads", "the decoder", "decoded and proven", "in Hummingbot's book"]
    _show(f"Where the time goes: {cost}, {plan.most_pairs} pairs, {plan.usual_depth} levels", columns, parts)

    verdicts = [verdict(plan, result) for result in sizes if result["pairs"] == plan.most_pairs]
    columns = ["feed", "levels", "of one core", "verdict"]
    _show(f"{plan.most_pairs} pairs x {UPDATES_PER_PAIR:.0f} updates a second on one core", columns, verdicts)
    return {"sizes": sizes, "stages": parts, "verdicts": verdicts}


def main() -> None:
    """Measure, print, and write the figures."""
    parser = argparse.ArgumentParser(description="The connector's market data way, replayed.")
    parser.add_argument("--quick", action="store_true", help="small and short: shows that it works")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()
    plan = QUICK if options.quick else Plan()
    results = asyncio.run(measure(plan))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        figures = {
            table: [{name: value for name, value in row.items() if name != "shown"} for row in rows]
            for table, rows in results.items()
        }
        options.json.write_text(json.dumps({"plan": asdict(plan), **figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()
