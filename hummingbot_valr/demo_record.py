"""What the bot keeps: the orders and fills in Hummingbot's own database, opened for reading only."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from hummingbot_valr.demo_facts import Fees
from hummingbot_valr.demo_log import read_fees

SCALE = 10**6
"""Hummingbot's database keeps prices and amounts as whole millionths, cut off; fees it keeps exactly."""


@dataclass(frozen=True, slots=True)
class RecordedOrder:
    """An order in the bot's database; ``statuses`` are Hummingbot's event names, oldest first."""

    client_order_id: str
    order_id: str
    price: int
    amount: int
    statuses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RecordedFill:
    """A fill in the bot's database, with the price and amount as it keeps them."""

    trade_id: str
    client_order_id: str
    side: str
    price: int
    amount: int
    fees: Fees


@dataclass(frozen=True, slots=True)
class Record:
    """The bot's database; orders by their client order ids."""

    orders: Mapping[str, RecordedOrder] = field(default_factory=dict)
    fills: tuple[RecordedFill, ...] = ()


def as_recorded(number: Decimal) -> int:
    """Return the number as the database keeps it."""
    return int(number * SCALE)


def read_record(path: Path) -> Record:
    """Read the bot's database.

    :raises sqlite3.Error: there is none, or it cannot be read
    """
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
        statuses: dict[str, list[str]] = defaultdict(list)
        for identifier, status in database.execute("SELECT order_id, status FROM OrderStatus ORDER BY id"):
            statuses[identifier].append(status)
        orders = database.execute('SELECT id, exchange_order_id, price, amount FROM "Order"')
        fills = database.execute(
            "SELECT exchange_trade_id, order_id, trade_type, price, amount, trade_fee FROM TradeFill"
        )
        return Record(
            {row[0]: RecordedOrder(row[0], row[1] or "", row[2], row[3], tuple(statuses[row[0]])) for row in orders},
            tuple(
                RecordedFill(row[0], row[1], row[2].lower(), row[3], row[4], read_fees(json.loads(row[5])))
                for row in fills
            ),
        )
