"""What a session report takes from Hummingbot's own database: orders, their ends, fills, and mid prices if collected.

It is opened for reading only, and may be in use by a running bot. Hummingbot keeps prices and amounts in whole
millionths, cut off, fees exactly, and times of fills in whole seconds.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from hummingbot_valr.demo_log import read_fees
from hummingbot_valr.demo_record import SCALE
from hummingbot_valr.session_report_facts import BUY, SELL, Fill, Market, Mid, Quote, ReportError

BAD_VALUE = (ArithmeticError, KeyError, TypeError, ValueError)
"""What reading a value raises that is not what it should be."""

_ENDINGS = {
    "OrderCancelled": "cancelled",
    "OrderExpired": "cancelled",
    "BuyOrderCompleted": "filled",
    "SellOrderCompleted": "filled",
    "OrderFailure": "failed",
}
# Seconds to wait for a bot that is just writing.
_PATIENCE = 1.0
_ADVICE = {
    "locked": "Another program holds it: try again in a moment, or stop the bot first.",
    "not a database": "It is damaged, or was not written by Hummingbot.",
    "malformed": "It is damaged: take a copy of it from before.",
    "no such table": "It was not written by a Hummingbot this report knows.",
    "no such column": "It was not written by a Hummingbot this report knows.",
    "readonly": "If the bot was killed, start and stop it once: its database then repairs itself.",
}


@dataclass(frozen=True, slots=True)
class Configuration:
    """A strategy's configuration that has orders in a database; ``last`` is the Unix time of the newest."""

    file: str
    strategy: str
    last: float

    @property
    def stem(self) -> str:
        """The file's name without folder and extension."""
        return Path(self.file).stem


@dataclass(slots=True)
class Database:
    """What was read of one configuration; ``unreadable`` are rows left out, each said in words."""

    path: Path
    quotes: list[Quote] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    mids: dict[Market, list[Mid]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)


def read_configurations(path: Path) -> list[Configuration]:
    """Return the configurations that have orders in a database, the newest last.

    :raises ReportError: it cannot be read
    """
    query = 'SELECT config_file_path, strategy, MAX(creation_timestamp) FROM "Order" GROUP BY 1 ORDER BY 3'
    with _opened(path) as database:
        return [Configuration(str(row[0]), str(row[1]), row[2] / 1000) for row in _rows(database, path, query)]


def read_database(path: Path, configuration: str, since: float, until: float) -> Database:
    """Read what one configuration did between two times.

    :raises ReportError: the database cannot be read
    """
    found = Database(path)
    window = (configuration, since * 1000, min(until * 1000, 2**62))
    with _opened(path) as database:
        ends = _read_ends(database, path)
        query = (
            'SELECT id, market, symbol, price, amount, creation_timestamp, exchange_order_id FROM "Order"'
            " WHERE config_file_path = ? AND creation_timestamp BETWEEN ? AND ? ORDER BY creation_timestamp"
        )
        sides = _read_sides(database, path)
        found.quotes = _read(found, _rows(database, path, query, window), lambda row: _quote(row, sides, ends))
        query = (
            "SELECT market, symbol, exchange_trade_id, order_id, trade_type, price, amount, timestamp, trade_fee"
            " FROM TradeFill WHERE config_file_path = ? AND timestamp BETWEEN ? AND ? ORDER BY timestamp"
        )
        found.fills = _read(found, _rows(database, path, query, window), _fill)
        _read_mids(database, found, since, until)
    return found


def _opened(path: Path) -> "closing[sqlite3.Connection]":
    try:
        return closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", _PATIENCE, uri=True))
    except sqlite3.Error as error:
        raise _unreadable(path, error) from error


def _rows(database: sqlite3.Connection, path: Path, query: str, values: Sequence[Any] = ()) -> Iterator[Any]:
    try:
        yield from database.execute(query, values)
    except sqlite3.Error as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: sqlite3.Error) -> ReportError:
    advice = next(
        (advice for sign, advice in _ADVICE.items() if sign in str(error)), "Is it there, and may you read it?"
    )
    return ReportError(f"Hummingbot's database {path} cannot be read ({error}). {advice}")


def _read[T](found: Database, rows: Iterator[Any], reader: Callable[[Any], T]) -> list[T]:
    items = []
    for row in rows:
        try:
            items.append(reader(row))
        except BAD_VALUE as error:
            found.unreadable.append(f"{row[0]} {row[1]}: {type(error).__name__} {error}")
    return items


def _read_ends(database: sqlite3.Connection, path: Path) -> dict[str, tuple[float, str]]:
    query = "SELECT order_id, timestamp, status FROM OrderStatus ORDER BY id"
    return {row[0]: (row[1] / 1000, _ENDINGS[row[2]]) for row in _rows(database, path, query) if row[2] in _ENDINGS}


def _read_sides(database: sqlite3.Connection, path: Path) -> dict[str, str]:
    """Return the side of each order: its table does not name it, the event that it was created by does."""
    query = "SELECT order_id, status FROM OrderStatus WHERE status IN ('BuyOrderCreated', 'SellOrderCreated')"
    return {row[0]: BUY if row[1].startswith("Buy") else SELL for row in _rows(database, path, query)}


def _quote(row: Sequence[Any], sides: dict[str, str], ends: dict[str, tuple[float, str]]) -> Quote:
    identifier, connector, pair, price, amount, created, _ = row
    end, ending = ends.get(identifier, (None, ""))
    return Quote(
        market=Market(connector, pair),
        client_order_id=identifier,
        side=sides[identifier],
        price=_number(price) or None,
        amount=_number(amount),
        begin=created / 1000,
        end=end,
        ending=ending,
    )


def _fill(row: Sequence[Any]) -> Fill:
    connector, pair, trade_id, identifier, side, price, amount, time, fee = row
    market = Market(connector, pair)
    fill = Fill(
        market=market,
        trade_id=trade_id,
        client_order_id=identifier,
        side={"BUY": BUY, "SELL": SELL}[side],
        price=_number(price),
        amount=_number(amount),
        time=time / 1000,
    )
    # A percentage, which other connectors write, is of the trade's value.
    fees = (
        (part * fill.price * fill.amount, market.quote) if name == "%" else (part, name)
        for part, name in read_fees(json.loads(fee))
    )
    return Fill(fill.market, fill.trade_id, identifier, fill.side, fill.price, fill.amount, fill.time, tuple(fees))


def _number(millionths: int) -> Decimal:
    return Decimal(millionths) / SCALE


def _read_mids(database: sqlite3.Connection, found: Database, since: float, until: float) -> None:
    """Read the mid prices that Hummingbot collects if its configuration says so."""
    query = "SELECT exchange, trading_pair, timestamp, mid_price FROM MarketData ORDER BY timestamp"
    if not list(_rows(database, found.path, "SELECT 1 FROM sqlite_master WHERE name = 'MarketData'")):
        return
    for market, mid in _read(found, _rows(database, found.path, query), _mid):
        if since <= mid.time <= until:
            found.mids.setdefault(market, []).append(mid)


def _mid(row: Sequence[Any]) -> tuple[Market, Mid]:
    connector, pair, time, price = row
    return Market(connector, pair), Mid(time / (1000 * SCALE), _number(price))
