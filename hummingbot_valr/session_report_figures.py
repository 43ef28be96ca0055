"""The sums of a session report: what was traded, what it brought, and how that came about over time. Pure.

All in the pair's quote currency, from the first fill on:

* spread captured ... what each fill was better than the mid price of its moment, times its amount
* price moves ....... what the inventory so bought and sold gained or lost as the mid price moved on
* fees .............. paid, rewards subtracted; those in the base currency at the last price
* result ............ spread captured + price moves - fees: what the account is worth more than without the session
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from heapq import merge
from math import ceil, floor, log10

from hummingbot_valr.session_report_facts import BUY, Bucket, Fill, Holding, Latency, Market, Mid, Quote, Session

_BUCKETS_PER_DECADE = 10
_SHORTEST_MS = 0.01


@dataclass(frozen=True, slots=True)
class Traded:
    """What was bought, or sold: so many fills, of so much of the base currency, for so much of the quote currency."""

    fills: int
    amount: Decimal
    value: Decimal

    @property
    def average(self) -> Decimal | None:
        """The average price, None if there were no fills."""
        return self.value / self.amount if self.amount else None


@dataclass(frozen=True, slots=True)
class Point:
    """Where things stood at a time: what was gained of the base currency, and the sums of the module's docstring."""

    time: float
    inventory: Decimal
    spread: Decimal
    fees: Decimal
    result: Decimal

    @property
    def moves(self) -> Decimal:
        """What price moves brought."""
        return self.result + self.fees - self.spread


@dataclass(frozen=True, slots=True)
class Worth:
    """What the account held of the pair's two currencies at a time, and what that was worth in the quote currency."""

    time: float
    base: Decimal
    quote: Decimal
    value: Decimal


@dataclass(frozen=True, slots=True)
class Figures:
    """What happened in one market.

    ``fees`` are by currency; ``unvalued`` are those of neither of the pair's two. ``unmeasured`` counts the fills at
    whose moment there was no mid price: the spread they captured counts among the price moves.
    """

    market: Market
    quotes: tuple[Quote, ...]
    fills: tuple[Fill, ...]
    mids: tuple[Mid, ...]
    bought: Traded
    sold: Traded
    fees: dict[str, Decimal]
    unvalued: tuple[str, ...]
    unmeasured: int
    course: tuple[Point, ...]
    worth: tuple[Worth, ...]

    @property
    def endings(self) -> Counter[str]:
        """How many orders ended in which way; ``open`` are those without an end on record."""
        return Counter(quote.ending or "open" for quote in self.quotes)

    @property
    def volume(self) -> Decimal:
        """The value of all fills."""
        return self.bought.value + self.sold.value

    @property
    def last(self) -> Point | None:
        """Where things stood at the end, None if nothing was filled."""
        return self.course[-1] if self.course else None

    @property
    def tells_spread(self) -> bool:
        """Whether the spread of any fill could be measured."""
        return self.unmeasured < len(self.fills)


def figures(session: Session, market: Market) -> Figures:
    """Sum up one market of a session."""
    fills = tuple(sorted((fill for fill in session.fills if fill.market == market), key=lambda fill: fill.time))
    mids = tuple(session.mids.get(market, ()))
    fees: defaultdict[str, Decimal] = defaultdict(Decimal)
    for amount, currency in (fee for fill in fills for fee in fill.fees):
        fees[currency] += amount
    base, quote = (session.holdings.get((market.connector, name), ()) for name in (market.base, market.quote))
    return Figures(
        market=market,
        quotes=tuple(quote for quote in session.quotes if quote.market == market),
        fills=fills,
        mids=mids,
        bought=_traded(fill for fill in fills if fill.side == BUY),
        sold=_traded(fill for fill in fills if fill.side != BUY),
        fees=dict(sorted(fees.items())),
        unvalued=tuple(sorted(set(fees) - {market.base, market.quote})),
        unmeasured=sum(mid_at(mids, fill.time) is None for fill in fills),
        course=tuple(_settled(_course(fills, mids, market))),
        worth=tuple(_settled(_worth(base, quote, mids))),
    )


def mid_at(mids: Sequence[Mid], time: float) -> Decimal | None:
    """Return the mid price in force at a time, None if there was none."""
    known = bisect_right(mids, time, key=lambda mid: mid.time)
    return mids[known - 1].price if known else None


def _traded(fills: Iterable[Fill]) -> Traded:
    count, amount, value = 0, Decimal(0), Decimal(0)
    for fill in fills:
        count += 1
        amount += fill.amount
        value += fill.amount * fill.price
    return Traded(count, amount, value)


def _course(fills: Sequence[Fill], mids: Sequence[Mid], market: Market) -> Iterator[Point]:
    """Yield a point at each fill, and at each mid price after the first fill."""
    base = quote = spread = base_fees = quote_fees = Decimal(0)
    mark, begun = Decimal(0), False
    events: Iterable[Mid | Fill] = merge(mids, fills, key=_time)  # a mid price before a fill of its moment
    for event in events:
        if isinstance(event, Fill):
            sign = 1 if event.side == BUY else -1
            mid = mid_at(mids, event.time)
            mark = mid or mark or event.price
            if mid is not None:
                spread += sign * (mid - event.price) * event.amount
            elif not mids:
                mark = event.price
            base += sign * event.amount
            quote -= sign * event.amount * event.price
            base_fees += _paid(event, market.base)
            quote_fees += _paid(event, market.quote)
            begun = True
        elif event.price is None:
            continue
        else:
            mark = event.price
        if begun:
            fees = quote_fees + base_fees * mark
            yield Point(event.time, base - base_fees, spread, fees, quote + base * mark - fees)


def _time(event: Mid | Fill) -> float:
    return event.time


def _settled[T: (Point, Worth)](points: Iterable[T]) -> Iterator[T]:
    """Of the points of one moment, keep the last: between two halves of one change there is no truth."""
    last: T | None = None
    for point in points:
        if last is not None and point.time != last.time:
            yield last
        last = point
    if last is not None:
        yield last


def _paid(fill: Fill, currency: str) -> Decimal:
    return sum((amount for amount, paid_in in fill.fees if paid_in == currency), Decimal(0))


def _worth(base: Sequence[Holding], quote: Sequence[Holding], mids: Sequence[Mid]) -> Iterator[Worth]:
    """Yield what the account is worth whenever that changes, from when both balances and a mid price are known."""
    # The latest of the base held, the quote held, and the mid price.
    latest: list[Decimal | None] = [None, None, None]
    changes = (
        ((held.time, 0, held.total) for held in base),
        ((held.time, 1, held.total) for held in quote),
        ((mid.time, 2, mid.price) for mid in mids if mid.price is not None),
    )
    for time, which, value in merge(*changes):
        latest[which] = value
        held_base, held_quote, mark = latest
        if held_base is not None and held_quote is not None and mark is not None:
            yield Worth(time, held_base, held_quote, held_quote + held_base * mark)


def latency(name: str, milliseconds: Iterable[float]) -> Latency | None:
    """Sum up single times, None if there are none."""
    ordered = sorted(milliseconds)
    if not ordered:
        return None
    counts = Counter(floor(log10(max(time, _SHORTEST_MS)) * _BUCKETS_PER_DECADE) for time in ordered)
    buckets = tuple(Bucket(_edge(index), _edge(index + 1), count) for index, count in sorted(counts.items()))
    median, high = (ordered[ceil(share * len(ordered)) - 1] for share in (0.5, 0.99))
    return Latency(name, len(ordered), median, high, ordered[-1], buckets)


def _edge(index: int) -> float:
    return float(10 ** (index / _BUCKETS_PER_DECADE))
