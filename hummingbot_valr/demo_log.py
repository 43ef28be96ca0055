"""What the bot's log says, read line by line: what it decided, what it learnt and when, and every trouble.

The log is the only place where the bot writes prices and amounts unrounded (as events in JSON, one a line) and where
the strategy's decisions have a time. It is written in UTC, because the demo starts the bot so.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hummingbot_valr.demo_facts import Fees, Trade

_LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) - \d+ - (\S+) - ([A-Z_]+) - (.*)")
_CREATING = re.compile(r"\(\S+\) Creating \d+ (bid|ask) orders at \(Size, Price\): (\[.*\])")
_PRICE = re.compile(r", ([0-9.Ee+-]+) \w+'")
_CANCELLING = re.compile(r"\(\S+\) Canceling the limit order (\S+)\.")
_CREATED = re.compile(r"Created \S+ (?:BUY|SELL) order (\S+) for ")
_CANCELLED = re.compile(r"Successfully canceled order (\S+)\.")
_SOCKET_UP = "The account socket of VALR is connected"
_SOCKET_DOWN = "The account socket of VALR is down"
_BOOK_LOGGER = "ValrAPIOrderBookDataSource"
_LATENCY_HEAD = "Latency in ms (p50 / p99 / max, count): "
_LATENCY = re.compile(r"(.+) (?:none|([0-9.]+) / ([0-9.]+) / ([0-9.]+) \((\d+)\))")
_TROUBLE = {"WARNING": "warnings", "ERROR": "errors", "CRITICAL": "errors"}


@dataclass(frozen=True, slots=True)
class Quote:
    """The strategy's decision to place orders on one side: one price for each level, the nearest first."""

    time: float
    side: str
    prices: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class Latency:
    """One of the times the connector measures itself: median, 99th percentile and maximum in ms of so many."""

    p50: float
    p99: float
    maximum: float
    count: int


@dataclass(slots=True)
class BotLog:
    """What was read so far. Times are Unix seconds; orders are named by their client order ids.

    ``cancelling`` is when the strategy decided to cancel; ``created`` and ``cancelled`` are when the bot had learnt
    that an order is live or gone. ``failed`` are the orders the bot was told failed. ``latencies`` is what the
    connector said last of the times it measures, by their names: None for one that never occurred, empty if it never
    said anything.
    """

    quotes: list[Quote] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    cancelling: dict[str, float] = field(default_factory=dict)
    created: dict[str, float] = field(default_factory=dict)
    cancelled: dict[str, float] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    book_troubles: list[str] = field(default_factory=list)
    socket_ups: list[float] = field(default_factory=list)
    socket_downs: list[float] = field(default_factory=list)
    latencies: dict[str, Latency | None] = field(default_factory=dict)

    def feed(self, text: str) -> None:
        """Read on, whole lines only."""
        for line in text.splitlines():
            self._read(line)

    def _read(self, line: str) -> None:
        match = _LINE.fullmatch(line)
        if match is None:
            if line.startswith("Traceback "):
                self.errors.append(line)
            return
        stamp, logger, level, message = match.groups()
        if level in _TROUBLE:
            getattr(self, _TROUBLE[level]).append(message)
            if logger.endswith(_BOOK_LOGGER):
                self.book_troubles.append(message)
        if level == "EVENT_LOG":
            self._read_event(json.loads(message))
        else:
            time = datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S,%f").replace(tzinfo=UTC).timestamp()
            self._read_message(time, message)

    def _read_message(self, time: float, message: str) -> None:
        if match := _CREATING.match(message):
            side = "buy" if match[1] == "bid" else "sell"
            self.quotes.append(Quote(time, side, tuple(Decimal(price) for price in _PRICE.findall(match[2]))))
        elif match := _CANCELLING.match(message):
            self.cancelling.setdefault(match[1], time)
        elif match := _CREATED.match(message):
            self.created.setdefault(match[1], time)
        elif match := _CANCELLED.match(message):
            self.cancelled.setdefault(match[1], time)
        elif message.startswith(_SOCKET_UP):
            self.socket_ups.append(time)
        elif message.startswith(_SOCKET_DOWN):
            self.socket_downs.append(time)
        elif message.startswith(_LATENCY_HEAD):
            self.latencies = read_latencies(message)

    def _read_event(self, event: Mapping[str, Any]) -> None:
        name = event["event_name"]
        if name == "OrderFilledEvent":
            self.trades.append(
                Trade(
                    trade_id=event["exchange_trade_id"],
                    order_id=event["exchange_order_id"],
                    client_order_id=event["order_id"],
                    side=event["trade_type"].removeprefix("TradeType.").lower(),
                    price=Decimal(event["price"]),
                    quantity=Decimal(event["amount"]),
                    fees=read_fees(event["trade_fee"]),
                )
            )
        elif name == "MarketOrderFailureEvent":
            self.failed.add(event["order_id"])


def read_latencies(line: str) -> dict[str, Latency | None]:
    """Read the line in which the connector sums up its times; whatever has another shape in it is left out."""
    parts = (_LATENCY.fullmatch(part) for part in line.removeprefix(_LATENCY_HEAD).split("; "))
    return {
        part[1]: Latency(float(part[2]), float(part[3]), float(part[4]), int(part[5])) if part[5] else None
        for part in parts
        if part is not None
    }


def read_fees(fee: Mapping[str, Any]) -> Fees:
    """Read a fee as Hummingbot writes it: flat amounts, and a percentage, which for a fill must be none."""
    flat = [(Decimal(row["amount"]), str(row["token"])) for row in fee["flat_fees"]]
    percent = Decimal(fee["percent"])
    return tuple(flat + ([(percent, "%")] if percent else []))
