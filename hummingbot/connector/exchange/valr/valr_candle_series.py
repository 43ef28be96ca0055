"""The candles of one pair, from whatever VALR says of them: buckets of several periods, and single trades. Pure.

Accounts of the same candle are weighed by volume: trades only ever add to it, so the account with more volume has seen
more of them. That makes the order in which accounts come irrelevant, and a repetition harmless. Everything is exact
(``Decimal``) until a row for Hummingbot is made of it.
"""

from collections.abc import Iterable
from decimal import Decimal
from math import inf
from typing import Any, NamedTuple

from hummingbot.connector.exchange.valr.valr_market_messages import PublicTrade
from hummingbot.connector.exchange.valr.valr_messages import parse_number, parse_time

MINUTE = 60

# A trade comes within this many seconds of its time; later ones are left to the bucket of their minute.
_TRADES_KEPT = 5 * MINUTE


class Candle(NamedTuple):
    """One period that begins at ``start`` (Unix seconds); volumes are in the base and in the quote currency."""

    start: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal

    def row(self) -> list[float]:
        """Return Hummingbot's columns: number of trades and volumes of takers are not known and 0."""
        return [*(float(field) for field in self), 0.0, 0.0, 0.0]


class Bucket(NamedTuple):
    """A candle as VALR sent it, with the pair and the length in seconds."""

    symbol: str
    period: int
    candle: Candle


def parse_bucket(row: Any) -> Bucket:
    """Return a row of ``/v1/public/{pair}/buckets`` or the ``data`` of NEW_TRADE_BUCKET (valr-api.md 3.1, 5.3).

    :raises ValueError: a field is missing, unreadable or contradicts another
    """
    try:
        period, start = row["bucketPeriodInSeconds"], parse_time(row["startTime"])
        prices = [parse_number(row[name]) for name in ("open", "high", "low", "close")]
        volumes = [parse_number(row[name]) for name in ("volume", "quoteVolume")]
        symbol = str(row["currencyPairSymbol"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"unreadable candle ({type(error).__name__}: {error})") from error
    if type(period) is not int or period <= 0 or start % period:
        raise ValueError(f"unreadable candle (it starts at {row['startTime']} and is {period!r} s long)")
    opening, high, low, close = prices
    if low > high:
        raise ValueError(f"unreadable candle (its low {low} is above its high {high})")
    # Whoever opens a candle at the price before it may leave that out of its high and low.
    candle = Candle(int(start), opening, max(prices), min(prices), close, *volumes)
    if not _is_possible(candle):
        raise ValueError(f"unreadable candle (prices {prices}, volumes {volumes})")
    return Bucket(symbol, period, candle)


def _is_possible(candle: Candle) -> bool:
    # A pair that never traded has candles without volume, at price 0.
    if candle.volume == 0:
        return candle.low >= 0
    return candle.low > 0 and candle.volume > 0 and candle.quote_volume >= 0


def combine(minutes: Iterable[Candle], start: int) -> Candle:
    """Return the candle that begins at ``start`` and consists of ``minutes``, at least one, in order of time."""
    parts = list(minutes)
    return Candle(
        start,
        parts[0].open,
        max(part.high for part in parts),
        min(part.low for part in parts),
        parts[-1].close,
        sum((part.volume for part in parts), Decimal(0)),
        sum((part.quote_volume for part in parts), Decimal(0)),
    )


def fuller(known: Candle | None, other: Candle) -> Candle:
    """Return the account of a candle that has seen more trades; the ``other`` one if both have seen the same."""
    return known if known is not None and known.volume > other.volume else other


class _TradedMinute:
    """A minute as its trades make it."""

    def __init__(self) -> None:
        self._candle: Candle | None = None
        self._ids: set[str] = set()
        self._first_at = inf
        self._last_at = -inf

    def add(self, minute: int, trade: PublicTrade, at: float) -> Candle:
        """Take in a trade, once, and return the minute with it."""
        price, quantity = trade.price, trade.quantity
        before = self._candle or Candle(minute, price, price, price, price, Decimal(0), Decimal(0))
        if trade.trade_id in self._ids:
            return before
        self._ids.add(trade.trade_id)
        is_first, is_last = at < self._first_at, at >= self._last_at
        self._first_at, self._last_at = min(at, self._first_at), max(at, self._last_at)
        self._candle = Candle(
            minute,
            price if is_first else before.open,
            max(before.high, price),
            min(before.low, price),
            price if is_last else before.close,
            before.volume + quantity,
            before.quote_volume + price * quantity,
        )
        return self._candle


class CandleSeries:
    """The newest ``capacity`` candles of one length, without gaps, the running one last.

    A candle is known from buckets of its own length and from its minutes; minutes are known from buckets and from
    trades. Buckets of other lengths are ignored. Time only moves forward: by ``advance``, and by what has happened.

    :param period: seconds in a candle, a multiple of a minute
    :param now: VALR's clock, Unix seconds
    """

    def __init__(self, period: int, capacity: int, now: float) -> None:
        self._period = period
        self._capacity = capacity
        self._whole: dict[int, Candle] = {}
        # Of the running candle and the one before it only, by the start of the candle and of the minute.
        self._minutes: dict[int, dict[int, Candle]] = {}
        self._trades: dict[int, _TradedMinute] = {}
        self._watched_from = inf
        # Up to which candle nothing is known but the price it closed at.
        self._before: tuple[int, Decimal] | None = None
        self._changed_from: float = inf
        self.running = self._start(now)

    def _start(self, at: float) -> int:
        return int(at - at % self._period)

    @property
    def oldest(self) -> int:
        """Where the first candle of a full series starts."""
        return self.running - (self._capacity - 1) * self._period

    @property
    def is_full(self) -> bool:
        """Whether every candle from the ``oldest`` on is known."""
        return self._first() == self.oldest

    # --- What has happened --------------------------------------------------------------------------------------------
    def advance(self, now: float) -> None:
        """Let the time come to ``now``; a period that ends on the way has its candle, if only a flat one."""
        start = self._start(now)
        if start <= self.running:
            return
        self._touch(self.running + self._period)
        self.running = start
        for past in [past for past in self._minutes if past < start - self._period]:
            self._whole[past] = self._fullest(past)
            del self._minutes[past]
        for minute in [minute for minute in self._trades if minute < now - _TRADES_KEPT]:
            del self._trades[minute]
        for past in sorted(past for past in self._whole if past < self.oldest):
            self._note_before(past, self._whole.pop(past).close)

    def watch_trades(self, now: float) -> None:
        """From ``now`` on every trade will be told; those of the minute that runs already are not all known."""
        self._watched_from = now

    def take_trade(self, trade: PublicTrade, at: float) -> None:
        """Take in a public trade of Unix time ``at``, in any order, any number of times."""
        self.advance(at)
        minute = int(at - at % MINUTE)
        if minute >= self._watched_from:
            self._take(MINUTE, self._trades.setdefault(minute, _TradedMinute()).add(minute, trade, at))

    def take_bucket(self, period: int, candle: Candle) -> None:
        """Take in a candle as VALR knew it at some time, in any order, any number of times."""
        if period in (MINUTE, self._period):
            self.advance(candle.start)
            self._take(period, candle)

    def _take(self, period: int, candle: Candle) -> None:
        start = self._start(candle.start)
        if period == self._period and start < self.oldest:
            self._note_before(start, candle.close)
            self._touch(self.oldest)
        elif period == self._period and not candle.volume:
            self._note_before(start - period, candle.close)
            self._touch(start)
        elif period == self._period:
            self._whole[start] = fuller(self._whole.get(start), candle)
            self._touch(start)
        elif candle.volume and start >= max(self.oldest, self.running - self._period):
            minutes = self._minutes.setdefault(start, {})
            minutes[candle.start] = fuller(minutes.get(candle.start), candle)
            self._touch(start)

    def _note_before(self, start: int, price: Decimal) -> None:
        if price and (self._before is None or self._is_better(start, self._before[0])):
            self._before = (start, price)

    def _is_better(self, start: int, known: int) -> bool:
        """Prefer the nearest one that comes before the whole series, else the one that leaves least unknown."""
        if min(start, known) < self.oldest <= max(start, known):
            return start < known
        return start > known if known < self.oldest else start < known

    def _touch(self, start: int) -> None:
        self._changed_from = min(start, self._changed_from)

    # --- What came of it ----------------------------------------------------------------------------------------------
    def changes(self) -> list[Candle]:
        """Return every candle from the first that changed since the last call to the running one."""
        changed_from, self._changed_from = self._changed_from, inf
        return [] if changed_from == inf else self.candles(int(changed_from))

    def candles(self, since: int = 0) -> list[Candle]:
        """Return the known candles that do not start before ``since``; without trades flat at the last price."""
        first = self._first()
        if first is None:
            return []
        start = max(first, since)
        price = self._price_before(start, first)
        found = []
        for at in range(start, self.running + 1, self._period):
            candle = self._known(at) or Candle(at, price, price, price, price, Decimal(0), Decimal(0))
            price = candle.close
            found.append(candle)
        return found

    def _first(self) -> int | None:
        starts = [*self._whole, *self._minutes]
        if self._before is not None:
            starts.append(self._before[0] + self._period)
        return max(min(starts), self.oldest) if starts else None

    def _price_before(self, start: int, first: int) -> Decimal:
        for at in range(start - self._period, first - 1, -self._period):
            if (candle := self._known(at)) is not None:
                return candle.close
        # Without a price before it, the first candle is one with trades.
        return self._before[1] if self._before is not None else Decimal(0)

    def _known(self, start: int) -> Candle | None:
        return self._fullest(start) if start in self._minutes or start in self._whole else None

    def _fullest(self, start: int) -> Candle:
        minutes = self._minutes.get(start)
        if not minutes:
            return self._whole[start]
        built = combine((minutes[minute] for minute in sorted(minutes)), start)
        return fuller(built, self._whole.get(start, built))
