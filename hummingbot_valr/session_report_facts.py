"""What a session report tells of: facts in plain values, wherever they were read.

Times are Unix seconds, prices and amounts are exact, sides are ``buy`` and ``sell``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain

from hummingbot_valr.demo_facts import Fees

BUY, SELL = "buy", "sell"


class ReportError(RuntimeError):
    """No report can be made; the message says what is wrong and what to do."""


@dataclass(frozen=True, slots=True, order=True)
class Market:
    """A trading pair at a connector, both in Hummingbot's names."""

    connector: str
    pair: str

    @property
    def base(self) -> str:
        """The currency that is traded."""
        return self.pair.partition("-")[0]

    @property
    def quote(self) -> str:
        """The currency in which prices are."""
        return self.pair.partition("-")[2]


@dataclass(frozen=True, slots=True)
class Mid:
    """The middle between best bid and best ask from a time on, None while there is no book to be trusted."""

    time: float
    price: Decimal | None


@dataclass(frozen=True, slots=True)
class Holding:
    """What the account held of a currency from a time on, reserved or not."""

    time: float
    total: Decimal


@dataclass(frozen=True, slots=True)
class Quote:
    """An order of ours; a market order has no price.

    ``end`` is None while nothing on record ended it, and ``ending`` is empty then, else cancelled, filled or failed.
    """

    market: Market
    client_order_id: str
    side: str
    price: Decimal | None
    amount: Decimal
    begin: float
    end: float | None = None
    ending: str = ""


@dataclass(frozen=True, slots=True)
class Fill:
    """A trade of ours; a fee below zero is a reward."""

    market: Market
    trade_id: str
    client_order_id: str
    side: str
    price: Decimal
    amount: Decimal
    time: float
    fees: Fees = ()


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that went wrong, or was put right. ``end`` is when it was over, None if it took no time or is not."""

    time: float
    kind: str
    text: str
    end: float | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """So many times lay from ``low`` to below ``high``, in milliseconds."""

    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Latency:
    """How long something took, in milliseconds: median, 99th percentile (nearest rank), maximum, and all in buckets."""

    name: str
    count: int
    median: float
    high: float
    maximum: float
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True)
class Session:
    """One run of one strategy.

    ``holdings`` are by connector and currency, ``counters`` by the connector's names for them. ``latencies`` and
    ``incidents`` are None where nobody recorded them, as opposed to there having been none. ``notes`` say in whole
    sentences what is missing or inexact, ``sources`` where everything was read.
    """

    strategy: str
    configuration: str
    begin: float
    end: float
    quotes: tuple[Quote, ...] = ()
    fills: tuple[Fill, ...] = ()
    mids: Mapping[Market, tuple[Mid, ...]] = field(default_factory=dict)
    holdings: Mapping[tuple[str, str], tuple[Holding, ...]] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    latencies: tuple[Latency, ...] | None = None
    incidents: tuple[Incident, ...] | None = None
    notes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def markets(self) -> list[Market]:
        """Where there were orders or fills, the busiest first."""
        counts: dict[Market, int] = {}
        for market in chain((quote.market for quote in self.quotes), (fill.market for fill in self.fills)):
            counts[market] = counts.get(market, 0) + 1
        return sorted(counts, key=lambda market: (-counts[market], market))
