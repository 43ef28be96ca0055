"""A run: hours of a market in minutes, faults all the way, and a random book compared at random moments."""

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from random import Random
from typing import Any

from hummingbot.connector.exchange.valr.valr_order_book import BookFeed
from test.market_data.faults import ENDS, market_data_faults
from test.market_data.reader import HASTE, PATIENCE, Reader, quick_timing
from test.market_data.truth import EMPTY, Truth, difference
from valr_loopback.fault_kinds import FaultKind
from valr_loopback.faults import Fault
from valr_loopback.market import STEP_SECONDS, within_limits
from valr_loopback.orders import Side
from valr_loopback.server import TICK_SECONDS, LoopbackConfig, LoopbackServer
from valr_loopback.times import HandClock

START = 1_795_000_000.0
VISITOR = "visitor"
WITNESSED = 8
"""So many pairs are looked at after every tick, not only at checkpoints."""

FASTEST = 2 * HASTE
"""The market moves at most so many times as fast as life."""

_GRACE = 1.0


@dataclass(frozen=True, slots=True)
class Size:
    """How big a run is. ``pace`` 0.05 moves each pair every five simulated seconds.

    ``frames`` and ``sockets`` are about how often each kind of fault of a frame and of a socket strikes.
    """

    pairs: int = 205
    hours: float = 2.0
    checkpoints: int = 1_000
    frames: float = 100.0
    sockets: float = 20.0
    pace: float = 0.05

    @property
    def ticks(self) -> int:
        """How often the exchange ticks."""
        return round(self.hours * 3600 / TICK_SECONDS)

    @property
    def steps(self) -> float:
        """How many steps the market makes, all pairs together."""
        return self.pairs * self.hours * 3600 * self.pace / STEP_SECONDS

    def faults(self) -> list[Fault]:
        """Return what goes wrong."""
        return list(market_data_faults(self.pairs, self.steps, self.hours * 3600, self.frames, self.sockets))


@dataclass(slots=True)
class Outcome:
    """What came of a run. Times are in real seconds but for the simulated ``hours``; memory is in MB.

    ``looks`` counts how often a witnessed book was held against its past. ``differences`` are books that were called
    proven and were another one, ``half_books`` what strategies saw and the exchange never had, ``unproven`` books shown
    for too long without proof, ``never_proven`` those that did not come back.
    """

    feed: str
    seed: int
    size: Size
    checkpoints: int = 0
    looks: int = 0
    differences: list[str] = field(default_factory=list)
    half_books: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)
    never_proven: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    struck: dict[str, int] = field(default_factory=dict)
    frames: int = 0
    feeds: dict[str, int] = field(default_factory=dict)
    hours: float = 0.0
    seconds: float = 0.0
    memory: list[float] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """Everything that must not be."""
        return [*self.differences, *self.half_books, *self.unproven, *self.never_proven]

    @property
    def drops(self) -> int:
        """How often a socket was lost or refused."""
        return sum(count for kind, count in self.struck.items() if FaultKind(kind) in ENDS)


class Run:
    """A connector on an exchange, both in this process, the exchange's time moved on as fast as the connector reads."""

    def __init__(self, server: LoopbackServer, clock: HandClock, reader: Reader, size: Size, seed: int) -> None:
        self._server = server
        self._clock = clock
        self._reader = reader
        self._size = size
        self._random = Random(f"{seed} checkpoints")
        self._symbols = list(reader.names)
        self._truth = Truth(server.exchange, self._random.sample(self._symbols, min(WITNESSED, len(self._symbols))))
        self._next_tick_at = 0.0
        self._unproven_since: dict[str, float] = {}
        self._expires = quick_timing().stale_book_limit + _GRACE
        self.outcome = Outcome(reader.feed(self._symbols[0]), seed, size)
        currencies = server.exchange.engine.currencies
        server.exchange.open_account(VISITOR, dict.fromkeys(currencies, Decimal(10**15)), quiet=True)

    async def all(self, faults: Sequence[Fault]) -> Outcome:
        """Let the faults strike, compare at every checkpoint, and return what came of it."""
        outcome, size, started = self.outcome, self._size, time.monotonic()
        self._server.faults.replace(faults)
        moments = sorted(self._random.randrange(size.ticks) for _ in range(size.checkpoints))
        milestones = {round(size.ticks * part / 10) for part in range(1, 11)}
        for number in range(1, size.ticks + 1):
            await self._tick()
            while moments and moments[0] < number:
                moments.pop(0)
                await self.checkpoint(self._random.choice(self._symbols))
            if number in milestones:
                outcome.memory.append(_memory())
        outcome.seconds = time.monotonic() - started
        outcome.hours = (self._clock.now - START) / 3600
        outcome.frames = self._reader.frames
        outcome.struck = {kind.value: count for kind, count in sorted(self._server.faults.struck.items())}
        for symbol in self._symbols:
            feed = str(self._reader.feed(symbol))
            outcome.feeds[feed] = outcome.feeds.get(feed, 0) + 1
        return outcome

    async def _tick(self) -> None:
        await self._pace()
        self._clock.now += TICK_SECONDS
        self._server.tick()
        await self._reader.settle()
        for symbol in self._truth.witnessed:
            self._look(symbol)

    async def _pace(self) -> None:
        # While no socket is open nobody holds the market back, and it must not run out meanwhile.
        self._next_tick_at = max(self._next_tick_at + TICK_SECONDS / FASTEST, time.monotonic())
        await asyncio.sleep(self._next_tick_at - time.monotonic())

    def _look(self, symbol: str) -> None:
        """Hold what a strategy sees of a witnessed pair against everything the exchange ever had."""
        outcome, now = self.outcome, time.monotonic()
        shown = self._reader.shown(symbol)
        outcome.looks += 1
        if shown != EMPTY and not self._truth.was_ever(symbol, shown):
            outcome.half_books.append(f"{symbol}: a book the exchange never had")
        if shown == EMPTY or self._reader.is_live(symbol):
            self._unproven_since.pop(symbol, None)
        elif now - self._unproven_since.setdefault(symbol, now) > self._expires:
            outcome.unproven.append(f"{symbol}: shown for {now - self._unproven_since[symbol]:.1f} s without proof")

    async def checkpoint(self, symbol: str) -> None:
        """Wait until the book is proven, and compare it with the exchange's, level by level."""
        outcome, started = self.outcome, time.monotonic()
        while not await self._compare(symbol):
            if time.monotonic() - started > PATIENCE:
                outcome.never_proven.append(f"{symbol}: not proven for {PATIENCE:.0f} s")
                break
            await self._tick()
        outcome.checkpoints += 1
        outcome.waits.append(time.monotonic() - started)

    async def _compare(self, symbol: str) -> bool:
        """Compare a book after one more change that is certain to be sent; false while the book is not proven.

        Nobody can know of a frame that was lost until the next one comes. That the exchange sends nothing more of a
        book, or nothing at all, is noticed after some time only: until then there is nothing to compare either, nor
        while a socket ends.
        """
        if not self._is_carried(symbol):
            return False
        with self._server.faults.suspended():
            self._change(symbol)
            complete = await self._reader.settle()
        if not complete or not self._reader.is_live(symbol) or not self._is_carried(symbol):
            return False
        wrong = difference(self._reader.shown(symbol), self._truth.book(symbol))
        if wrong:
            self.outcome.differences.append(f"{symbol} ({self._reader.feed(symbol)}): {wrong}")
        return True

    def _is_carried(self, symbol: str) -> bool:
        """Tell whether every socket carries the pair's book, as the connector believes."""
        channel = (BookFeed(self._reader.feed(symbol)).event, symbol)
        return all(
            channel in session.channels() and channel not in session.stalled and not session.connection.muted
            for session in self._server.trades.sessions
        )

    def _change(self, symbol: str) -> None:
        """Place an order far below the market and take it back."""
        exchange = self._server.exchange
        pair = exchange.engine.pairs[symbol]
        best = exchange.engine.books[symbol].best_price(Side.BUY) or pair.start_price
        price = max((best * Decimal("0.9") / pair.tick).quantize(Decimal(1), ROUND_DOWN), Decimal(1)) * pair.tick
        order = exchange.place_limit(VISITOR, symbol, Side.BUY, within_limits(pair, pair.min_base, price), price)
        exchange.cancel(VISITOR, order.id)
        self._server.trades.flush_books()


def _memory() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def run(size: Size, seed: int, feed: str = "l1", faults: Sequence[Fault] | None = None, **config: Any) -> Outcome:
    """Run a connector of its own on an exchange of its own.

    :raises NeverHappenedError: the connector got stuck
    """
    clock = HandClock(START)
    settings = LoopbackConfig(port=0, seed=seed, pairs=size.pairs, market_pace=size.pace, by_hand=True, **config)
    async with LoopbackServer(settings, clock) as server, Reader(server, feed).running() as reader:
        return await Run(server, clock, reader, size, seed).all(size.faults() if faults is None else faults)
