"""However VALR tells of trades, in whatever order and how often: the candles are those of the trades."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hummingbot.connector.exchange.valr.valr_candle_series import Bucket, Candle, CandleSeries, parse_bucket
from hummingbot.connector.exchange.valr.valr_market_messages import PublicTrade
from hummingbot.core.data_type.common import TradeType

T0 = 1_711_540_800  # a full hour in Unix seconds
CAPTURED = {
    "currencyPairSymbol": "BTCZAR",
    "bucketPeriodInSeconds": 300,
    "startTime": "2024-03-27T12:25:00Z",
    "open": "1359400",
    "high": "1359976",
    "low": "1358706",
    "close": "1359063",
    "volume": "0.05533505",
    "quoteVolume": "75211.39828681",
}


def candle(start: int, *numbers: str | int) -> Candle:
    """A candle of open, high, low, close, volume and, where given, quote volume."""
    prices_and_volume = [Decimal(number) for number in numbers]
    return Candle(start, *prices_and_volume[:5], *(prices_and_volume[5:] or [prices_and_volume[4] * 100]))


def flat(start: int, price: str | int) -> Candle:
    return candle(start, price, price, price, price, 0)


# --- Reading ----------------------------------------------------------------------------------------------------------
def test_a_captured_bucket() -> None:
    numbers = ("1359400", "1359976", "1358706", "1359063", "0.05533505", "75211.39828681")
    assert parse_bucket(CAPTURED) == Bucket("BTCZAR", 300, candle(1_711_542_300, *numbers))


def test_the_row_has_the_columns_of_hummingbot() -> None:
    row = parse_bucket(CAPTURED).candle.row()
    assert row == [1_711_542_300, 1359400, 1359976, 1358706, 1359063, 0.05533505, 75211.39828681, 0, 0, 0]
    assert {type(number) for number in row} == {float}


def test_a_bucket_of_a_pair_that_never_traded() -> None:
    row = CAPTURED | dict.fromkeys(("open", "high", "low", "close", "volume", "quoteVolume"), "0")
    assert parse_bucket(row).candle == candle(1_711_542_300, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"open": None}, "not a number"),
        ({"open": "NaN"}, "not a finite number"),
        ({"startTime": "yesterday"}, "unreadable"),
        ({"startTime": None}, "not a time"),
        ({"startTime": "2024-03-27T12:25:01Z"}, "starts at"),
        ({"bucketPeriodInSeconds": "300"}, "long"),
        ({"bucketPeriodInSeconds": 0}, "long"),
        ({"high": "1359399", "low": "1359400"}, "low 1359400 is above its high 1359399"),
        ({"low": "0"}, "prices"),
        ({"low": "-1"}, "prices"),
        ({"volume": "-1"}, "volumes"),
        ({"quoteVolume": "-1"}, "volumes"),
    ],
)
def test_an_unreadable_bucket_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_bucket(CAPTURED | changes)


def test_a_bucket_whose_open_or_close_lies_beyond_its_high_and_low_is_widened_by_them() -> None:
    row = CAPTURED | {"open": "100", "high": "99", "low": "97", "close": "96"}
    found = parse_bucket(row).candle
    assert (found.open, found.high, found.low, found.close) == (100, 100, 96, 96)


@pytest.mark.parametrize("row", [None, [], "bucket", {}, {"bucketPeriodInSeconds": 60}])
def test_what_is_no_bucket_is_refused(row: object) -> None:
    with pytest.raises(ValueError, match="unreadable candle"):
        parse_bucket(row)


# --- Merging, case by case --------------------------------------------------------------------------------------------
A, B, C, D = (T0 + minute * 60 for minute in range(4))
LONG = T0 + 300


def minute_series(now: float = A, capacity: int = 10) -> CandleSeries:
    return CandleSeries(60, capacity, now)


def trade(identifier: str, price: str, quantity: str = "1") -> PublicTrade:
    return PublicTrade(identifier, "BTCZAR", Decimal(price), Decimal(quantity), TradeType.BUY)


def test_a_series_of_nothing_is_empty() -> None:
    series = minute_series()
    series.advance(C)
    assert series.changes() == series.candles() == []
    assert not series.is_full


def test_a_market_that_falls_silent_has_flat_candles() -> None:
    series = minute_series()
    series.take_bucket(60, candle(A, 10, 12, 9, 11, 5))
    series.advance(C + 59)
    assert series.candles() == [candle(A, 10, 12, 9, 11, 5), flat(B, 11), flat(C, 11)]


def test_the_price_before_the_first_trade_comes_from_a_flat_bucket() -> None:
    series = minute_series()
    for bucket in (flat(B, 7), flat(A, 7), flat(C, 7), candle(D, 8, 8, 8, 8, 1)):
        series.take_bucket(60, bucket)
    assert series.candles() == [flat(A, 7), flat(B, 7), flat(C, 7), candle(D, 8, 8, 8, 8, 1)]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)])
def test_the_nearest_candle_before_the_series_gives_the_first_price(order: Iterable[int]) -> None:
    series = minute_series(D, capacity=2)
    before = [candle(A, 5, 5, 5, 5, 1), candle(B, 6, 6, 6, 6, 1), flat(C, 6), flat(D, 6)]
    for index in order:
        series.take_bucket(60, before[index])
    assert series.candles() == [flat(C, 6), flat(D, 6)]
    assert series.is_full


def test_a_price_of_zero_is_no_price() -> None:
    series = minute_series()
    series.take_bucket(60, flat(A, 0))
    assert series.candles() == []


def test_a_candle_that_leaves_the_window_leaves_its_price() -> None:
    series = minute_series(capacity=2)
    series.take_bucket(60, candle(A, 10, 12, 9, 11, 5))
    series.advance(D)
    assert series.candles() == [flat(C, 11), flat(D, 11)]


def test_time_does_not_go_back() -> None:
    series = minute_series(C)
    series.advance(A)
    assert series.running == C


def test_what_starts_later_brings_the_time() -> None:
    series = minute_series()
    series.take_bucket(60, candle(A, 10, 10, 10, 10, 1))
    series.take_bucket(60, candle(C, 20, 20, 20, 20, 1))
    assert series.candles() == [candle(A, 10, 10, 10, 10, 1), flat(B, 10), candle(C, 20, 20, 20, 20, 1)]


def test_changes_begin_where_something_changed() -> None:
    series = minute_series()
    first, second = candle(A, 10, 10, 10, 10, 1), candle(C, 20, 20, 20, 20, 1)
    series.take_bucket(60, first)
    assert series.changes() == [first]
    assert series.changes() == []
    series.take_bucket(60, second)
    assert series.changes() == [flat(B, 10), second]
    late = candle(A, 10, 13, 10, 13, 2)
    series.take_bucket(60, late)
    assert series.changes() == [late, flat(B, 13), second]


@pytest.mark.parametrize("period", [300, 900, 86400])
def test_periods_are_not_mixed(period: int) -> None:
    series = minute_series(capacity=20)
    series.take_bucket(period, candle(T0, 1, 9, 1, 9, 100))
    assert series.candles() == []


def test_a_long_candle_is_the_sum_of_its_minutes() -> None:
    series = CandleSeries(300, 5, T0)
    for bucket in (candle(B, 12, 15, 11, 14, "0.1"), flat(C, 14), candle(A, 10, 12, 9, 11, "0.2"), flat(D, 14)):
        series.take_bucket(60, bucket)
    assert series.candles() == [candle(T0, 10, 15, 9, 14, "0.3")]


def test_a_long_candle_that_has_seen_more_than_its_minutes_wins() -> None:
    series = CandleSeries(300, 5, T0)
    series.take_bucket(60, candle(A, 10, 12, 9, 11, 1))
    whole = candle(T0, 10, 13, 9, 13, 2)
    series.take_bucket(300, whole)
    assert series.candles() == [whole]
    series.take_bucket(60, candle(B, 13, 14, 13, 14, 3))
    assert series.candles() == [candle(T0, 10, 14, 9, 14, 4)]


def test_minutes_that_are_given_up_stay_in_their_candle() -> None:
    series = CandleSeries(300, 5, T0)
    series.take_bucket(60, candle(B, 12, 15, 11, 14, 3))
    series.advance(T0 + 700)
    series.take_bucket(60, candle(A, 1, 99, 1, 99, 50))
    assert series.candles() == [candle(T0, 12, 15, 11, 14, 3), flat(T0 + 300, 14), flat(T0 + 600, 14)]


def test_minutes_before_the_series_are_left_alone() -> None:
    series = CandleSeries(300, 1, T0)
    series.take_bucket(60, candle(T0 - 60, 1, 1, 1, 1, 1))
    assert series.candles() == []


def test_a_minute_is_made_of_its_trades_in_order_of_time() -> None:
    series = minute_series()
    series.watch_trades(A)
    for identifier, price, at in (("b", "12", 20), ("c", "9", 40), ("a", "10", 10), ("c", "9", 40), ("d", "11", 30)):
        series.take_trade(trade(identifier, price), A + at)
    assert series.candles() == [candle(A, 10, 12, 9, 9, 4, 42)]


def test_trades_of_a_minute_that_was_not_watched_from_its_start_are_not_its_candle() -> None:
    series = minute_series()
    series.watch_trades(A + 0.5)
    series.take_trade(trade("a", "10"), A + 1)
    assert series.candles() == []
    series.take_trade(trade("b", "20"), B + 1)
    assert series.candles() == [candle(B, 20, 20, 20, 20, 1, 20)]


def test_trades_that_were_missed_are_in_the_bucket() -> None:
    series = minute_series()
    series.watch_trades(A)
    series.take_trade(trade("a", "10"), A + 1)
    series.watch_trades(A + 30)
    series.take_trade(trade("c", "30", "5"), A + 31)
    assert series.candles() == [candle(A, 10, 10, 10, 10, 1, 10)]
    closed = candle(A, 10, 30, 10, 30, 7)
    series.take_bucket(60, closed)
    assert series.candles() == [closed]


def test_the_bucket_of_all_trades_is_believed_before_our_own_sum() -> None:
    series = minute_series()
    series.watch_trades(A)
    series.take_trade(trade("a", "10", "0.333"), A + 1)
    rounded = candle(A, 10, 10, 10, 10, "0.333", "3.3")
    series.take_bucket(60, rounded)
    assert series.candles() == [rounded]


def test_a_trade_that_comes_again_long_after_is_not_counted_again() -> None:
    series = minute_series(capacity=30)
    series.watch_trades(A)
    series.take_trade(trade("a", "10"), A + 1)
    series.take_trade(trade("b", "11"), A + 2)
    series.advance(A + 1000)
    series.take_trade(trade("b", "11"), A + 2)
    assert series.candles()[0] == candle(A, 10, 11, 10, 11, 2, 21)


# --- Any order --------------------------------------------------------------------------------------------------------
class Happening(NamedTuple):
    """A trade of the story: seconds since ``T0``, price and quantity in small units."""

    at: int
    price: int
    quantity: int


def direct(trades: list[Happening], period: int) -> Candle:
    """The candle of trades that lie in one period, straight from its definition."""
    prices = [Decimal(each.price) / 100 for each in trades]
    quantities = [Decimal(each.quantity) / 1000 for each in trades]
    start = T0 + trades[0].at - trades[0].at % period
    quote = sum((price * quantity for price, quantity in zip(prices, quantities, strict=True)), Decimal(0))
    return Candle(start, prices[0], max(prices), min(prices), prices[-1], sum(quantities, Decimal(0)), quote)


def split(trades: list[Happening], period: int) -> list[list[Happening]]:
    groups: dict[int, list[Happening]] = {}
    for each in trades:
        groups.setdefault(each.at // period, []).append(each)
    return list(groups.values())


def expected(trades: list[Happening], period: int, now: int) -> list[Candle]:
    """The gapless candles of a story, from its first trade to the running one."""
    known = {made.start: made for made in (direct(group, period) for group in split(trades, period))}
    found: list[Candle] = []
    for start in range(min(known), T0 + now - now % period + 1, period):
        found.append(known[start] if start in known else flat(start, str(found[-1].close)))
    return found


Tell = Callable[[CandleSeries], None]
stories = st.lists(
    st.builds(Happening, st.integers(0, 1799), st.integers(1, 500), st.integers(1, 5000)), min_size=1, max_size=40
).map(lambda trades: sorted(trades, key=lambda each: each.at))


def bucket_teller(trades: list[Happening], period: int) -> Tell:
    made = direct(trades, period)
    return lambda series: series.take_bucket(period, made)


def trade_teller(number: int, each: Happening) -> Tell:
    told = trade(str(number), str(Decimal(each.price) / 100), str(Decimal(each.quantity) / 1000))
    return lambda series: series.take_trade(told, T0 + each.at)


@st.composite
def tellings(draw: st.DrawFn, period: int) -> tuple[list[Happening], list[Tell]]:
    """A story and what is told of it: every candle when it has ended, and some while it ran, shuffled and repeated."""
    trades = draw(stories)
    told: list[Tell] = []
    for length in {60, period}:
        for group in split(trades, length):
            told += [bucket_teller(group[: draw(st.integers(1, len(group)))], length) for _ in range(2)]
    told += [bucket_teller(group, period) for group in split(trades, period)]
    told += [bucket_teller(group, 900) for group in split(trades, 900)] if period != 900 else []
    repeated = draw(st.lists(st.sampled_from(told), max_size=10))
    return trades, draw(st.permutations(told + repeated))


@pytest.mark.parametrize("period", [60, 300, 900])
@given(data=st.data())
def test_any_order_of_buckets_ends_in_the_candles_of_the_trades(period: int, data: st.DataObject) -> None:
    trades, told = data.draw(tellings(period))
    series = CandleSeries(period, 31, T0)
    for tell in told:
        tell(series)
    series.advance(T0 + 1799)
    assert series.candles() == expected(trades, period, 1799)


@pytest.mark.parametrize(("period", "lateness"), [(60, 59), (300, 240), (900, 840)])
@given(trades=stories, data=st.data())
def test_minutes_alone_make_longer_candles(
    period: int, lateness: int, trades: list[Happening], data: st.DataObject
) -> None:
    """The bucket of each minute comes late, less than a candle late, and twice; changes add up to the whole."""
    delays = st.integers(0, lateness)
    told = [
        (group[0].at // 60 * 60 + 60 + data.draw(delays), number, bucket_teller(group, 60))
        for number, group in enumerate(split(trades, 60))
        for _ in range(2)
    ]
    series = CandleSeries(period, 40, T0)
    shown: list[Candle] = []
    for at, _, tell in sorted(told, key=lambda each: each[:2]):
        series.advance(T0 + at)
        tell(series)
        changed = series.changes()
        shown = [each for each in shown if not changed or each.start < changed[0].start] + changed
    assert shown == series.candles() == expected(trades, period, max(at for at, _, _ in told))


@pytest.mark.parametrize("period", [60, 300])
@given(trades=stories, data=st.data())
def test_trades_alone_make_the_candles(period: int, trades: list[Happening], data: st.DataObject) -> None:
    """Each trade is told once or twice; those of one instant keep their order."""
    told = [
        trade_teller(number, each) for number, each in enumerate(trades) for _ in range(data.draw(st.integers(1, 2)))
    ]
    series = CandleSeries(period, 40, T0)
    series.watch_trades(T0)
    for tell in told:
        tell(series)
    assert series.candles() == expected(trades, period, trades[-1].at)
