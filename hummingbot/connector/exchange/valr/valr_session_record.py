"""The session record: what happened while the bot ran, as lines of JSON in Hummingbot's data folder.

A report of a run is made from it; nothing in the connector reads it. Every line has ``t`` (Unix seconds) and ``kind``;
money is decimal text, never an exponent.

=========  ============================================================================================================
start      ``run`` (the same for one connector instance), ``connector``, ``pairs``, ``order_entry``, ``book_feed``,
           ``continued`` (a file that follows a full one)
stop       ``run``, ``counters`` by name, ``latency`` in seconds by measure
incident   ``incident`` (the kind), ``pair``, ``text``
book       ``pair``, ``bid``, ``ask``, ``mid``; null while there is no proven book. When changed, once a second at most
balance    ``currency``, ``total``, ``available``; as for the book
order      ``id``, ``pair``, ``side``, ``price`` (null: market order), ``amount``: given to VALR
open       ``id``, ``pair``: proven open
fill       ``id``, ``order_id``, ``trade_id``, ``pair``, ``side``, ``price``, ``amount``, ``fee`` (negative: a reward),
           ``fee_currency``, ``traded_at`` (Unix seconds by VALR's clock)
end        ``id``, ``pair``, ``end`` (``filled``, ``cancelled``, ``failed``), ``reason``
latency    ``id``, ``measure``, ``ms``
=========  ============================================================================================================
"""

import asyncio
import fcntl
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from io import FileIO
from pathlib import Path
from typing import Any

from hummingbot.connector.exchange.valr.valr_metrics import Fact, Metrics

# Two files of this size are kept: some days of one pair, some twenty minutes of two hundred.
SIZE_LIMIT = 20_000_000

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class RecordFile:
    """A file of lines with one writer; when it is full it becomes the old one, and a new one begins.

    :raises OSError: from every method, when the file cannot be had or written
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = self._open()
        self._size = self._file.tell()
        if self._size and not self._ends_a_line():
            # A crash has cut the last line short.
            self.write("\n")

    @property
    def is_full(self) -> bool:
        """Whether it is time for the next."""
        return self._size >= SIZE_LIMIT

    def write(self, text: str) -> None:
        """Append; on return it has left this process."""
        self._size += self._file.write(text.encode())

    def rotate(self) -> None:
        """Put the file aside, in place of the one before, and begin a new one."""
        full = self._file
        self._path.replace(self._path.with_suffix(".old.jsonl"))
        self._file = self._open()
        self._size = 0
        full.close()

    def close(self) -> None:
        """Release it to the next writer."""
        self._file.close()

    def _open(self) -> FileIO:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = FileIO(self._path, "a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise BlockingIOError(f"another running bot writes to {self._path}") from error
        file.seek(0, os.SEEK_END)
        return file

    def _ends_a_line(self) -> bool:
        self._file.seek(-1, os.SEEK_END)
        return self._file.read(1) == b"\n"


def _when_the_loop_is_free(work: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_soon(work)


class SessionRecord:
    """Writes the facts of one connector down while it runs; whatever goes wrong with that, trading goes on.

    A fact is taken at once and written when the event loop has nothing more urgent: an order does not wait for a file.

    :param folder: tells Hummingbot's data folder; asked only when a session starts
    :param about: what the first line of a session says of the connector
    :param soon: calls something in a moment
    """

    def __init__(
        self,
        folder: Callable[[], Path],
        about: Fact,
        metrics: Metrics,
        logger: Callable[[], logging.Logger],
        soon: Callable[[Callable[[], None]], None] = _when_the_loop_is_free,
    ) -> None:
        self._find_folder = folder
        self._about = about
        self._metrics = metrics
        self._logger = logger
        self._soon = soon
        self._waiting: list[Fact] = []
        self._run = f"{os.getpid()}-{time.time_ns()}"
        self._file: RecordFile | None = None
        self._has_warned = False
        self._second = 0
        self._seen: dict[tuple[str, str], tuple[Decimal, Decimal] | None] = {}

    @property
    def is_open(self) -> bool:
        """Whether a session is being recorded."""
        return self._file is not None

    def start(self) -> None:
        """Begin a session, unless one is under way."""
        if self._file is not None:
            return
        try:
            self._file = RecordFile(self._find_folder() / f"{self._about['connector']}_session.jsonl")
        except OSError as error:
            self._give_up(error)
            return
        # Each session, and each file, tells all of it anew.
        self._seen.clear()
        self.write(self._head(continued=False))
        self._metrics.tell(self.write)

    def stop(self, results: Fact) -> None:
        """End the session with what it came to."""
        self.write({"t": time.time(), "kind": "stop", "run": self._run, **results})
        self._flush()
        self._close()

    def write(self, fact: Fact) -> None:
        """Append one line, soon."""
        if self._file is None:
            return
        self._waiting.append(fact)
        if len(self._waiting) == 1:
            self._soon(self._flush)

    def _flush(self) -> None:
        facts, self._waiting = self._waiting, []
        if self._file is None:
            return
        try:
            self._file.write("".join(_encode(fact) + "\n" for fact in facts))
            if self._file.is_full:
                self._file.rotate()
                self._seen.clear()
                self._file.write(_encode(self._head(continued=True)) + "\n")
        except OSError as error:
            self._give_up(error)

    def _close(self) -> None:
        self._metrics.tell(None)
        if self._file is not None:
            self._file.close()
            self._file = None

    def sample(
        self,
        read_books: Callable[[], Mapping[str, tuple[Decimal, Decimal] | None]],
        read_balances: Callable[[], Mapping[str, tuple[Decimal, Decimal]]],
    ) -> None:
        """Record what has changed since the last full second; both are read only then.

        :param read_books: best bid and ask of each pair, None without a proven book
        :param read_balances: total and available of each currency
        """
        now = time.time()
        if self._file is None or int(now) == self._second:
            return
        self._second = int(now)
        for pair, quotes in read_books().items():
            if self._is_news(("book", pair), quotes):
                self.write({"t": now, "kind": "book", "pair": pair, **_quotes(quotes)})
        for currency, (total, available) in read_balances().items():
            if self._is_news(("balance", currency), (total, available)):
                texts = {"total": f"{total:f}", "available": f"{available:f}"}
                self.write({"t": now, "kind": "balance", "currency": currency, **texts})

    def _is_news(self, what: tuple[str, str], values: tuple[Decimal, Decimal] | None) -> bool:
        if what in self._seen and self._seen[what] == values:
            return False
        self._seen[what] = values
        return True

    def _head(self, *, continued: bool) -> Fact:
        return {"t": time.time(), "kind": "start", "run": self._run, "continued": continued, **self._about}

    def _give_up(self, error: OSError) -> None:
        self._close()
        if not self._has_warned:
            self._has_warned = True
            self._logger().warning(f"The session is not recorded, trading goes on: {error}")


def _quotes(quotes: tuple[Decimal, Decimal] | None) -> dict[str, Any]:
    if quotes is None:
        return {"bid": None, "ask": None, "mid": None}
    bid, ask = quotes
    return {"bid": f"{bid:f}", "ask": f"{ask:f}", "mid": f"{(bid + ask) / 2:f}"}
