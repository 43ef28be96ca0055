"""Candles and the 24-hour summary of one pair (valr-api.md 3.1)."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice

from sortedcontainers import SortedDict  # type: ignore[import-untyped, unused-ignore]

from valr_loopback.decimals import ZERO, percentage, to_text
from valr_loopback.messages import Json
from valr_loopback.times import iso, iso_seconds

PERIODS = (60, 300, 900, 1800, 3600, 21600, 86400)
"""Candle lengths in seconds."""

_DAY_MS = 86_400_000
_KEPT = 2_000


@dataclass(slots=True)
class Candle:
    """Prices and volumes of one period that begins at ``start_ms``."""

    start_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = ZERO
    quote_volume: Decimal = ZERO

    def add(self, price: Decimal, quantity: Decimal, total: Decimal) -> None:
        """Take in one trade."""
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.close = price
        self.volume += quantity
        self.quote_volume += total


class Candles:
    """All candles of one pair. A period without trades has no candle until it is asked for."""

    def __init__(self, symbol: str, price: Decimal, now_ms: int) -> None:
        self.symbol = symbol
        self.last_price = price
        self._first_price = price
        self.created_ms = now_ms
        self._by_period: dict[int, SortedDict] = {period: SortedDict() for period in PERIODS}

    def add(self, price: Decimal, quantity: Decimal, total: Decimal, at_ms: int) -> None:
        """Take in one trade; trades come in time order."""
        self.last_price = price
        for period, candles in self._by_period.items():
            start_ms = at_ms - at_ms % (period * 1000)
            candle: Candle | None = candles.get(start_ms)
            if candle is None:
                candle = candles[start_ms] = Candle(start_ms, price, price, price, price)
                if len(candles) > _KEPT:
                    candles.popitem(0)
            candle.add(price, quantity, total)

    def candle(self, period: int, at_ms: int) -> Candle:
        """Return the candle of the period a time lies in; flat at the price before it when nothing traded."""
        start_ms = at_ms - at_ms % (period * 1000)
        candles = self._by_period[period]
        candle: Candle | None = candles.get(start_ms)
        if candle is not None:
            return candle
        before = candles.bisect_left(start_ms) - 1
        price = candles.peekitem(before)[1].close if before >= 0 else self._first_price
        return Candle(start_ms, price, price, price, price)

    def newest_first(
        self, period: int, start_ms: int | None, end_ms: int, skip: int, limit: int, include_empty: bool
    ) -> list[Json]:
        """Return rows of ``/v1/public/{pair}/buckets`` from ``start_ms`` to ``end_ms``."""
        walk = self._filled(period, start_ms, end_ms) if include_empty else self._traded(period, start_ms, end_ms)
        return [self.row(period, candle) for candle in islice(walk, skip, skip + limit)]

    def _traded(self, period: int, start_ms: int | None, end_ms: int) -> Iterator[Candle]:
        candles = self._by_period[period]
        for key in candles.irange(start_ms, end_ms, reverse=True):
            yield candles[key]

    def _filled(self, period: int, start_ms: int | None, end_ms: int) -> Iterator[Candle]:
        candles = self._by_period[period]
        first_ms = candles.peekitem(0)[0] if candles else self.created_ms
        oldest = first_ms if start_ms is None else start_ms
        at_ms = end_ms - end_ms % (period * 1000)
        while at_ms >= oldest:
            yield self.candle(period, at_ms)
            at_ms -= period * 1000

    def row(self, period: int, candle: Candle) -> Json:
        """Return a candle as REST and NEW_TRADE_BUCKET write it."""
        return {
            "currencyPairSymbol": self.symbol,
            "bucketPeriodInSeconds": period,
            "startTime": iso_seconds(candle.start_ms),
            "open": to_text(candle.open),
            "high": to_text(candle.high),
            "low": to_text(candle.low),
            "close": to_text(candle.close),
            "volume": to_text(candle.volume),
            "quoteVolume": to_text(candle.quote_volume),
        }

    def summary(self, now_ms: int, bid: Decimal, ask: Decimal, mark: Decimal) -> Json:
        """Return the 24-hour summary, from five-minute candles; its pair key is left to the caller."""
        candles = self._by_period[300]
        day = [candles[key] for key in candles.irange(now_ms - _DAY_MS, None)]
        previous = self.candle(300, now_ms - _DAY_MS).close if not day else day[0].open
        return {
            "askPrice": to_text(ask),
            "bidPrice": to_text(bid),
            "lastTradedPrice": to_text(self.last_price),
            "previousClosePrice": to_text(previous),
            "baseVolume": to_text(sum((candle.volume for candle in day), ZERO)),
            "quoteVolume": to_text(sum((candle.quote_volume for candle in day), ZERO)),
            "highPrice": to_text(max((candle.high for candle in day), default=self.last_price)),
            "lowPrice": to_text(min((candle.low for candle in day), default=self.last_price)),
            "created": iso(now_ms),
            "changeFromPrevious": to_text(percentage(self.last_price - previous, previous)),
            "markPrice": to_text(mark),
        }
