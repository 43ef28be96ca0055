"""An exchange kept in one file, so that after ``kill -9`` and a new start it goes on where it was.

The file is a header line, a snapshot of the exchange, and one line for each command since. A command is written before
it is run, hence before anybody is told of it, and ``Exchange.perform`` runs it the same way live and when it is read
back. Writes are unbuffered but not synced to the disk: they survive the process, not a power cut. Every start begins
with a fresh snapshot, and so does the moment when the commands outgrow the last one.
"""

import fcntl
import gc
import io
import logging
import os
import pickle
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

import orjson
from pydantic import TypeAdapter, ValidationError
from sortedcontainers import SortedDict  # type: ignore[import-untyped, unused-ignore]

from valr_loopback import commands
from valr_loopback.accounts import Account, Accounts, Wallet
from valr_loopback.auth import ApiKey, Keys
from valr_loopback.books import BookFeed
from valr_loopback.candles import Candle, Candles
from valr_loopback.commands import Command
from valr_loopback.engine import Engine
from valr_loopback.errors import RefusalError
from valr_loopback.exchange import Exchange
from valr_loopback.ids import IdSource
from valr_loopback.market_data import MarketData
from valr_loopback.matching import Book, BookEntry, Level
from valr_loopback.messages import Json
from valr_loopback.orders import AccountTrade, Order, OrderType, PublicTrade, Side, Status, TimeInForce, Transition
from valr_loopback.pairs import Pair
from valr_loopback.portfolio import Portfolio
from valr_loopback.requests import CancelRequest, MatchStrategy, ModifyRequest

log = logging.getLogger(__name__)

_FORMAT = "valr_loopback state"
_RULES = 1
"""To be raised when the same commands would no longer lead to the same state."""

_SHORTEST_REWRITE = 16 * 2**20
"""Bytes of commands below which no new snapshot is made in mid-run: 20 minutes of the market, ten seconds to read."""

_STORED: tuple[type, ...] = (
    Account,
    Accounts,
    AccountTrade,
    ApiKey,
    Book,
    BookEntry,
    BookFeed,
    CancelRequest,
    Candle,
    Candles,
    Decimal,
    Engine,
    IdSource,
    Keys,
    Level,
    MatchStrategy,
    ModifyRequest,
    Order,
    OrderType,
    Pair,
    Portfolio,
    PublicTrade,
    Random,
    Side,
    SortedDict,
    Status,
    TimeInForce,
    Transition,
    Wallet,
    deque,
    commands.Cancel,
    commands.CancelAll,
    commands.Modify,
)
_CLASSES = {(stored.__module__, stored.__qualname__): stored for stored in _STORED}

_COMMANDS: dict[str, TypeAdapter[Any]] = {
    command.__name__: TypeAdapter(command)
    for command in (
        commands.AcceptLimit,
        commands.AcceptMarket,
        commands.AddKey,
        commands.Cancel,
        commands.CancelAll,
        commands.Modify,
        commands.OpenAccount,
        commands.RunWaiting,
        commands.SetActive,
        commands.WriteHistory,
    )
}


def _version() -> str:
    """Return what a file and the program must agree on: the rules, and the fields of everything stored."""
    layout = [(name, [field.name for field in fields(kind)]) for name, kind in _CLASSES.items() if is_dataclass(kind)]
    return f"{_RULES}-{crc32(repr(layout).encode()):08x}"


VERSION = _version()


class StateError(Exception):
    """A state file that cannot be used; the text says why, and what to do."""


class _Reader(pickle.Unpickler):
    """Reads snapshots, and makes nothing but what they are made of: a foreign file runs no code."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _CLASSES:
            raise pickle.UnpicklingError(f"{module}.{name} does not belong into a snapshot")
        return _CLASSES[module, name]


class StateFile:
    """Brings an exchange to where its file left it, and from then on writes down every command."""

    def __init__(self, path: Path, exchange: Exchange, data: MarketData) -> None:
        """Restore a new ``exchange``, which nobody but ``data`` listens to yet. An empty or missing file starts afresh.

        Raises:
            StateError: if the file is damaged, in use, of another version or seed, or cannot be opened.
        """
        self._path = path
        self._exchange = exchange
        self._data = data
        self._snapshot_bytes = 0
        self._size = 0
        try:
            self._file = _locked(path)
            self._begin()
        except OSError as error:
            raise StateError(f"{path} cannot be used: {error.strerror or error}") from error
        exchange.journal = self._write

    def _begin(self) -> None:
        try:
            content = self._path.read_bytes()
            if content:
                self._restore(content)
            self._exchange.begin_run()
            self.rewrite()
        except BaseException:
            self._file.close()
            raise

    def check_open(self) -> None:
        """Insist that commands are being written down.

        Raises:
            StateError: if the file was closed.
        """
        if self._file.closed:
            raise StateError(f"{self._path} was closed: make a new server to go on with it")

    def close(self) -> None:
        """Stop writing and let go of the file."""
        self._exchange.journal = None
        self._file.close()

    # Writing

    def _write(self, command: Command[Any], postponed: bool) -> None:
        when = "later" if postponed else "now"
        row = [self._exchange.engine.ids.drawn, when, type(command).__name__, *command]  # type: ignore[misc]
        text = orjson.dumps(row, default=_plain)
        line = b"%08x %b\n" % (crc32(text), text)
        try:
            written = self._file.write(line)
            if written != len(line):
                raise OSError(f"{self._path} took {written} bytes of {len(line)}")
        except OSError:
            self._file.truncate(self._size)
            raise
        self._size += len(line)

    def rewrite(self) -> None:
        """Replace the file by one that holds a snapshot and no commands. Not to be called while a command runs."""
        content = self._snapshot()
        fresh_path = self._path.with_name(self._path.name + ".new")
        fresh_path.unlink(missing_ok=True)
        # Complete and locked before it bears the name under which others would look for it.
        fresh = _locked(fresh_path)
        with fresh_path.open("r+b") as writer:
            writer.write(content)
        fresh_path.replace(self._path)
        self._file.close()
        self._file, self._size, self._snapshot_bytes = fresh, len(content), len(content)

    def rewrite_when_long(self) -> None:
        """Rewrite the file when its commands take more room than its snapshot, so that it stays in proportion."""
        if self._size - self._snapshot_bytes > max(self._snapshot_bytes, _SHORTEST_REWRITE):
            self.rewrite()

    def _snapshot(self) -> bytes:
        parts = [getattr(owner, name) for owner, name in self._parts()]
        with _no_collection():
            snapshot = pickle.dumps(parts, protocol=5)
        header = {
            "file": _FORMAT,
            "version": VERSION,
            "seed": self._exchange.seed,
            "bytes": len(snapshot),
            "crc": crc32(snapshot),
        }
        return b"%b\n%b\n" % (orjson.dumps(header), snapshot)

    def _parts(self) -> list[tuple[object, str]]:
        """Return where everything that is kept hangs."""
        exchange_parts = ("engine", "keys", "public_trades", "waiting", "postponed", "run")
        return [(self._exchange, name) for name in exchange_parts] + [(self._data, "feeds"), (self._data, "candles")]

    # Reading

    def _restore(self, content: bytes) -> None:
        header_line, _, rest = content.partition(b"\n")
        header = self._header(header_line)
        length = header["bytes"]
        snapshot, lines = rest[:length], rest[length + 1 :]
        if crc32(snapshot) != header["crc"] or rest[length : length + 1] != b"\n":
            raise self._damaged("its snapshot")
        try:
            with _no_collection():
                parts = _Reader(io.BytesIO(snapshot)).load()
        except pickle.UnpicklingError as error:
            raise self._damaged("its snapshot") from error
        if parts[0].pairs.keys() != self._exchange.engine.pairs.keys():
            raise StateError(f"{self._path} lists other pairs: start with as many as it has, or name another file")
        slippage_band = self._exchange.engine.slippage_band
        for (owner, name), part in zip(self._parts(), parts, strict=True):
            setattr(owner, name, part)
        count = self._replay(lines)
        self._exchange.engine.slippage_band = slippage_band
        log.info("State of %s restored: a snapshot of %d bytes and %d commands", self._path, length, count)

    def _header(self, line: bytes) -> Json:
        try:
            header = orjson.loads(line)
        except orjson.JSONDecodeError:
            header = None
        if not isinstance(header, dict) or header.get("file") != _FORMAT:
            raise StateError(f"{self._path} is not a state file of the loopback exchange: name another one")
        if header.get("version") != VERSION:
            raise StateError(
                f"{self._path} is of version {header.get('version')}, this program reads {VERSION}: "
                "use the program that wrote it, or remove the file to start afresh"
            )
        if header.get("seed") != self._exchange.seed:
            raise StateError(
                f"{self._path} belongs to seed {header.get('seed')}, not {self._exchange.seed}: "
                "start with that seed, or name another file"
            )
        if not isinstance(header.get("bytes"), int) or not isinstance(header.get("crc"), int):
            raise self._damaged("its header")
        return header

    def _replay(self, lines: bytes) -> int:
        rows = lines.split(b"\n")
        torn = rows.pop()
        if torn:
            # Nobody was told of it: a command is told of after its line is complete.
            log.warning("The last command of %s was not written to its end and is left out", self._path)
        for number, row in enumerate(rows, 1):
            self._repeat(number, row)
        return len(rows)

    def _repeat(self, number: int, row: bytes) -> None:
        crc, _, text = row.partition(b" ")
        if crc != b"%08x" % crc32(text):
            raise self._damaged(f"its command {number}")
        drawn, when, name, *values = orjson.loads(text)
        if drawn != self._exchange.engine.ids.drawn:
            raise StateError(
                f"{self._path}: command {number} does not follow from those before it, so another program wrote them: "
                "use that one, or remove the file to start afresh"
            )
        try:
            command = _COMMANDS[name].validate_python(values)
        except (KeyError, ValidationError) as error:
            raise self._damaged(f"its command {number}") from error
        try:
            self._exchange.postpone(command) if when == "later" else self._exchange.perform(command)
        except RefusalError as refusal:
            log.debug("Command %d is refused, as it was before: %s", number, refusal)
        except Exception:
            log.exception("Command %d of %s fails, as it did before", number, self._path)

    def _damaged(self, what: str) -> StateError:
        return StateError(f"{self._path} is damaged ({what}): put a copy in its place, or remove it to start afresh")


@contextmanager
def _no_collection() -> Iterator[None]:
    """Hold the garbage collector back while very many objects are made that all stay: it takes half the time then."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _locked(path: Path) -> io.FileIO:
    """Open a file to append to, and keep other exchanges off it; the lock ends with the process, however that ends."""
    file = path.open("ab", buffering=0)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Another exchange may have replaced the file between its opening and its locking.
        held = os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except BlockingIOError:
        held = False
    if not held:
        file.close()
        raise StateError(f"{path} is in use by a running exchange: stop that one, or name another file")
    return file


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} in a command")
