"""205 pairs with 20 book updates a second each, over a local socket, for ten minutes: processor time, age, memory.

The whole connector runs on its clock; the market is a process of its own. The age of an update runs from its hand-over
to the kernel until it is in Hummingbot's book.
"""

import asyncio
import gc
import os
import time
from array import array
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from benchmarks.bot import BenchBot, until
from benchmarks.exchange import running_exchange
from benchmarks.figures import Plan, Progress, Result, Spread, Target, percentile
from benchmarks.market_frames import BOOK_FRAMES_PER_TRADE
from benchmarks.market_load import MOST_PAIRS, UPDATES_PER_PAIR, MarketServer, Pairs, Sent, fed_by, market_server
from benchmarks.market_replay import Watched, WatchedOrderBook
from hummingbot.connector.exchange.valr.valr_exchange import ValrExchange
from valr_loopback.many_pairs import FEWEST_PAIRS

WINDOWS_A_RUN = 12
WINDOW = 10.0
PAGE = os.sysconf("SC_PAGE_SIZE")
MEGABYTE = 1e6


class Window(NamedTuple):
    """What a window of time showed: a share of a core in percent, ages in ms, MB of memory and objects after it.

    Nothing that grows is kept, since memory is measured.
    """

    share: float
    age_p50: float
    age_p99: float
    memory: float
    objects: int


class Watch:
    """Notes when each update was applied to Hummingbot's books of a connector that does not run yet."""

    def __init__(self, connector: ValrExchange) -> None:
        self._source = connector._order_book_source
        self._books = connector.order_book_tracker.order_books
        # Numbers only: what the product's garbage collector would have to look through is not ours to leave about.
        self._applied, self._applied_at = array("q"), array("d")
        self._source.order_book_create_function = self._new_book

    def _new_book(self) -> Watched:
        return WatchedOrderBook(self._note)

    def _note(self, update_id: int) -> None:
        self._applied.append(update_id)
        self._applied_at.append(time.monotonic())

    def begin(self) -> int:
        """Forget what was noted; return the last update id."""
        del self._applied[:], self._applied_at[:]
        return int(self._source._update_id)

    def is_done(self, last: int) -> bool:
        """Tell whether everything up to an update id was read and has come to its book."""
        return self._source._update_id >= last and all(
            max(self._books[name].snapshot_uid, self._books[name].last_diff_uid) >= pair.update_id
            for name, pair in self._source._pairs.items()
        )

    def ages(self, before: int, sent: Sent) -> list[float]:
        """Return the milliseconds that each frame took; one that was handed on with a later one is as old as that."""
        waiting: dict[int, deque[int]] = {symbol: deque() for symbol in sent.symbols}
        for number, symbol in enumerate(sent.symbols):
            waiting[symbol].append(number)
        ages = []
        for update_id, applied_at in zip(self._applied, self._applied_at, strict=True):
            newest = update_id - before - 1
            frames = waiting[sent.symbols[newest]]
            while frames and frames[0] <= newest:
                ages.append((applied_at - sent.sent_at[frames.popleft()]) * 1e3)
        return ages


async def window(watch: Watch, server: MarketServer, seconds: float, rate: float) -> Window:
    """Let the market play for a while."""
    before = watch.begin()
    cpu, started = time.process_time(), time.monotonic()
    sent = await server.play(seconds, rate)
    last = before + len(sent.symbols)
    await until(lambda: watch.is_done(last))
    share = (time.process_time() - cpu) / (time.monotonic() - started) * 100
    ages = watch.ages(before, sent)
    p50, p99 = percentile(ages, 50), percentile(ages, 99)
    watch.begin()
    del sent, ages
    gc.collect()
    return Window(share, p50, p99, resident_memory(), len(gc.get_objects()))


def resident_memory() -> float:
    """Return the megabytes of memory that this process has (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / MEGABYTE


async def measure(plan: Plan, say: Progress) -> list[Result]:
    """Measure the feed that is the default: two minutes a run."""
    pairs = Pairs(plan.size(MOST_PAIRS, FEWEST_PAIRS))
    rate = pairs.count * UPDATES_PER_PAIR * (1 + 1 / BOOK_FRAMES_PER_TRADE)
    seconds = plan.size(WINDOW, 1.0)
    count = plan.runs * plan.size(WINDOWS_A_RUN, 1) + 1
    windows = []
    async with (
        running_exchange("ours", pairs=pairs.count) as exchange,
        market_server("l1", pairs.symbols) as server,
    ):
        bot = BenchBot(exchange, "ours", fed_by(server), trading_pairs=pairs.trading_pairs)
        watch = Watch(bot.connector)
        async with bot.running():
            await asyncio.sleep(1.0)
            for number in range(count):
                windows.append(await window(watch, server, seconds, rate))
                say(f"{windows[-1].share:.0f} % of a core, window {number + 1} of {count}")
    # The first one warms up.
    return _results(pairs.count, windows[1:])


def _results(pairs: int, windows: list[Window]) -> list[Result]:
    case = f"{pairs} pairs with {UPDATES_PER_PAIR:g} updates a second each"
    share = _spread(each.share for each in windows)
    ages = {"p50": _spread(each.age_p50 for each in windows), "p99": _spread(each.age_p99 for each in windows)}
    settled = windows[len(windows) // 5]
    last = windows[-1]
    return [
        Result(
            "pairs",
            f"{case}, processor time",
            "% of a core",
            {"ours": share},
            (Target("at most 50 % of a core", share.median, 50, guard=95),),
        ),
        Result(
            "pairs",
            f"{case}, age in Hummingbot's book",
            "ms",
            ages,
            (Target("p99 age below 20 ms", ages["p99"].median, 20),),
        ),
        Result(
            "pairs",
            f"{case}, memory",
            "MB",
            {"ours": _spread(each.memory for each in windows)},
            (
                Target("memory at the end <= 1.02 x after a fifth", last.memory / settled.memory, 1.02, guard=1.5),
                Target("objects at the end <= 1.02 x after a fifth", last.objects / settled.objects, 1.02, guard=1.5),
            ),
            (f"{settled.objects:,} objects after a fifth of the time, {last.objects:,} at the end",),
        ),
    ]


def _spread(runs: Iterable[float]) -> Spread:
    return Spread.of(list(runs))
