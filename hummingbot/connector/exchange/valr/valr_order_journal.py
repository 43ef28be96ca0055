"""The write-ahead journal: which orders this connector has sent and not yet seen end (design, section 4).

Hummingbot saves an order only after it was created, so a killed process would forget what it had just sent. Each
running connector appends to a file of its own, locked while it runs; a file whose lock is free belonged to a process
that is gone, and its orders are handed to the next connector of the same account.
"""

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar

COMPACT_AFTER_LINES = 10_000

_ADDED = re.compile(r"\+ (\S+) (\S+) (\d+(?:\.\d+)?)\n")
_REMOVED = re.compile(r"- (\S+)\n")


@dataclass(frozen=True)
class JournalEntry:
    """An order that was sent, or that may have been, in Unix seconds not before ``sent_at``."""

    client_order_id: str
    trading_pair: str
    sent_at: float


class OrderJournal:
    """An append-only file of one connector instance.

    :param folder: tells Hummingbot's data folder, which is created when missing; asked only when opening
    :param account: a name of the account that tells nothing about its key
    """

    # Those whose connectors were stopped while orders lived: their locks last as long as this process.
    _retired: ClassVar[list["OrderJournal"]] = []

    def __init__(self, folder: Callable[[], Path], account: str) -> None:
        self._find_folder = folder
        self._account = account
        self._file: IO[bytes] | None = None
        self._path = Path()
        self._entries: dict[str, JournalEntry] = {}
        self._lines = 0
        self._is_torn = False

    @property
    def entries(self) -> dict[str, JournalEntry]:
        """Orders sent and not yet seen ending, and those that may be sent, by client order id."""
        return dict(self._entries)

    def open(self) -> dict[str, JournalEntry]:
        """Start a journal and take over those that dead processes and stopped connectors of this account left.

        Return their orders. Does nothing but end its retirement when it is open already.

        :raises OSError: the folder cannot be written to
        """
        if self._file is not None:
            if self in self._retired:
                self._retired.remove(self)
            return {}
        folder = self._find_folder()
        folder.mkdir(parents=True, exist_ok=True)
        self._release_retired()
        abandoned = self._lock_abandoned(folder)
        adopted = {entry.client_order_id: entry for file in abandoned for entry in _read_entries(file)}
        self._path = folder / f"{self._prefix}{os.getpid()}_{time.time_ns()}.journal"
        self._entries |= adopted
        self._file = self._write_afresh()
        for file in abandoned:
            Path(file.name).unlink(missing_ok=True)
            file.close()
        return adopted

    def close(self) -> None:
        """Release the journal; an empty one is removed."""
        if self._file is None:
            return
        if not self._entries:
            self._path.unlink(missing_ok=True)
        self._file.close()
        self._file = None

    def retire(self) -> None:
        """Keep a stopped connector's journal until it starts again, or the next one of its account takes it over."""
        if self._file is not None and self not in self._retired:
            self._retired.append(self)

    def _release_retired(self) -> None:
        for journal in [each for each in self._retired if each._account == self._account]:
            self._retired.remove(journal)
            journal.close()
            journal._entries = {}

    def add(self, client_order_id: str, trading_pair: str) -> None:
        """Record an order before it is sent, once; on return that has left this process.

        :raises OSError: it cannot be recorded
        """
        if client_order_id not in self._entries:
            self.add_all([(client_order_id, trading_pair)])

    def add_all(self, orders: Iterable[tuple[str, str]]) -> None:
        """Record several new orders, each a client order id and a trading pair, in one write.

        :raises OSError: they cannot be recorded; none is
        """
        now = time.time()
        entries = [JournalEntry(client_order_id, trading_pair, now) for client_order_id, trading_pair in orders]
        if entries:
            self._write("".join(map(_line, entries)))
            self._entries.update((entry.client_order_id, entry) for entry in entries)

    def remove(self, client_order_id: str) -> None:
        """Record that an order has provably ended."""
        if self._entries.pop(client_order_id, None) is not None:
            self._write(f"- {client_order_id}\n")
            if self._file is not None and self._lines > COMPACT_AFTER_LINES:
                outgrown, self._file = self._file, self._write_afresh()
                outgrown.close()

    @property
    def _prefix(self) -> str:
        return f"valr_orders_{self._account}_"

    def _write(self, lines: str) -> None:
        if self._file is not None:
            # After a line that was cut short the next one must not be read as its rest.
            text, self._is_torn = f"\n{lines}" if self._is_torn else lines, True
            # The operating system's buffer survives a killed process; a disk sync on each order would not pay.
            _write_whole(self._file, text)
            self._is_torn = False
            self._lines += lines.count("\n")

    def _write_afresh(self) -> IO[bytes]:
        # Complete and locked before it bears the name under which others would look for it.
        fresh = self._path.with_suffix(".new")
        file = fresh.open("wb", buffering=0)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _write_whole(file, "".join(map(_line, self._entries.values())))
        fresh.replace(self._path)
        self._is_torn = False
        self._lines = len(self._entries)
        return file

    def _lock_abandoned(self, folder: Path) -> list[IO[str]]:
        files: list[IO[str]] = []
        for path in sorted(folder.glob(f"{self._prefix}*.journal")):
            file = path.open("r+", encoding="utf-8", errors="replace")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # Another running bot's: its orders are its own.
                file.close()
            else:
                files.append(file)
        return files


def _write_whole(file: IO[bytes], text: str) -> None:
    data = text.encode()
    if file.write(data) != len(data):
        raise OSError("a line of the order journal was cut short; is the disk full?")


def _line(entry: JournalEntry) -> str:
    return f"+ {entry.client_order_id} {entry.trading_pair} {entry.sent_at}\n"


def _read_entries(lines: IO[str]) -> list[JournalEntry]:
    entries: dict[str, JournalEntry] = {}
    for line in lines:
        # A line cut short or spoilt by a crash of the machine names no order that could have been sent after it.
        if added := _ADDED.fullmatch(line):
            entries[added[1]] = JournalEntry(added[1], added[2], float(added[3]))
        elif removed := _REMOVED.fullmatch(line):
            entries.pop(removed[1], None)
    return list(entries.values())
