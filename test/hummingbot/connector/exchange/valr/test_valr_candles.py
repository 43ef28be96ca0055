"""The candles feed against a loopback exchange, and against a VALR that is less obliging."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import numpy as np
import pytest
from bidict import bidict

from hummingbot.client.settings import AllConnectorSettings
from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_candles import INTERVALS, ValrLoopbackSpotCandles, ValrSpotCandles
from hummingbot.connector.exchange.valr.valr_exchange import ValrExchange
from hummingbot.connector.exchange.valr.valr_market_socket import MarketTiming
from hummingbot.connector.exchange.valr.valr_web_utils import ValrRateLimitedError, ValrRefusedError
from hummingbot.core.network_iterator import NetworkStatus
from hummingbot.data_feed.candles_feed.candles_factory import CandlesFactory
from hummingbot.data_feed.candles_feed.data_types import CandlesConfig, HistoricalCandlesConfig
from hummingbot.data_feed.market_data_provider import MarketDataProvider
from valr_loopback.fault_kinds import FaultKind
from valr_loopback.faults import Fault
from valr_loopback.server import LoopbackConfig, LoopbackServer

from .loopback_bot import PAIR, SYMBOL, eventually
from .sparse_valr import SparseValr

T0 = 1_711_540_800.0  # a full hour in Unix seconds
TODAY = T0 + 10 * 86_400
SWIFT = MarketTiming(
    reconnect_delay=0.02,
    reconnect_delay_max=0.1,
    first_reconnect_delay=0.02,
    tick=0.02,
    ping_interval=0.1,
    quiet_probe=0.1,
    silence_limit=2.0,
    stale_book_limit=0.2,
)


class Clock:
    """VALR's time: runs like any other, from ``T0`` + ``since``, and can be put forward."""

    def __init__(self, since: float = 10.0) -> None:
        self._base = T0 + since - time.monotonic()

    def __call__(self) -> float:
        return self._base + time.monotonic()

    def put_forward(self, seconds: float) -> None:
        self._base += seconds


class Venue:
    """A loopback exchange without a market but for the trades of the test."""

    def __init__(self, since: float = 10.0, **options: Any) -> None:
        self.clock = Clock(since)
        self.server = LoopbackServer(LoopbackConfig(port=0, **{"market": False, **options}), clock=self.clock)
        self.server.exchange.open_account("seller", {"BTC": 1000})
        self.server.exchange.open_account("buyer", {"ZAR": 10**12})
        if not self.server.config.market:
            # Flat candles before the first trade of all have no price of their own.
            self.trade(1_000_000)
            self.clock.put_forward(TODAY - T0)

    def trade(self, *prices: int, quantity: str = "0.3") -> None:
        for price in prices:
            self.server.exchange.place_limit("seller", SYMBOL, "sell", quantity, str(price))
            self.server.exchange.place_limit("buyer", SYMBOL, "buy", quantity, str(price))

    def rows(self, interval: str, count: int) -> list[list[float]]:
        """The newest candles as the exchange has them, in Hummingbot's columns."""
        period, now_ms = INTERVALS[interval], self.server.exchange.now_ms()
        starts = [now_ms - now_ms % (period * 1000) - back * period * 1000 for back in reversed(range(count))]
        candles = [self.server.data.candles[SYMBOL].candle(period, start) for start in starts]
        return [
            [
                candle.start_ms / 1000,
                *map(float, (candle.open, candle.high, candle.low, candle.close, candle.volume, candle.quote_volume)),
                *(0, 0, 0),
            ]
            for candle in candles
        ]

    def shows(self, feed: ValrSpotCandles) -> bool:
        """Whether the feed has exactly the exchange's candles, as many as were asked for."""
        return feed.ready and feed.candles_df.to_numpy().tolist() == self.rows(feed.interval, feed.max_records)


@contextmanager
def configured(url: str) -> Iterator[None]:
    """The user's configuration of ``valr_loopback`` says that the exchange is at ``url``."""
    keys = AllConnectorSettings.get_connector_config_keys("valr_loopback")
    before, keys.valr_loopback_url = keys.valr_loopback_url, url
    try:
        yield
    finally:
        keys.valr_loopback_url = before


@asynccontextmanager
async def open_venue(since: float = 10.0, **options: Any) -> AsyncIterator[Venue]:
    venue = Venue(since, **options)
    async with venue.server:
        with configured(venue.server.url):
            yield venue


@asynccontextmanager
async def open_sparse_valr(now: float, *, strict: bool = False) -> AsyncIterator[SparseValr]:
    async with SparseValr(now, strict=strict) as valr:
        with configured(valr.url):
            yield valr


def is_of_a_feed(task: asyncio.Task[Any]) -> bool:
    # Hummingbot wraps what it starts in the background.
    return any(name in repr(task) for name in ("safe_wrapper", "valr_candles", "MarketSocket"))


@asynccontextmanager
async def running(
    interval: str = "1m", max_records: int = 5, timing: MarketTiming = SWIFT
) -> AsyncIterator[ValrLoopbackSpotCandles]:
    """A feed at work, and no task of it left afterwards."""
    others = asyncio.all_tasks()
    feed = ValrLoopbackSpotCandles(PAIR, interval, max_records, timing)
    feed.start()
    try:
        yield feed
    finally:
        feed.stop()
        await eventually(lambda: not [task for task in asyncio.all_tasks() - others if is_of_a_feed(task)])


def starts(feed: ValrSpotCandles) -> list[float]:
    return feed.candles_df["timestamp"].tolist()


def assert_gapless(rows: np.ndarray[Any, Any], interval: str) -> None:
    assert np.diff(rows[:, 0]).tolist() == [INTERVALS[interval]] * (len(rows) - 1)


# --- What it is -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("interval", ["3m", "4h", "1s", ""])
def test_an_interval_that_valr_does_not_have_is_refused_by_name(interval: str) -> None:
    with pytest.raises(ValueError, match=rf"no candles of '{interval}'; it has 1m, 5m, 15m, 30m, 1h, 6h, 1d\."):
        ValrSpotCandles(PAIR, interval)


@pytest.mark.parametrize(
    ("connector", "feed_class", "rest_url"),
    [
        ("valr", ValrSpotCandles, "https://api.valr.com"),
        ("valr_loopback", ValrLoopbackSpotCandles, "http://127.0.0.1:8675"),
    ],
)
def test_the_factory_makes_the_feed(connector: str, feed_class: type[ValrSpotCandles], rest_url: str) -> None:
    feed = CandlesFactory.get_candle(CandlesConfig(connector=connector, trading_pair=PAIR, interval="1h"))
    assert type(feed) is feed_class
    assert feed.name == f"{connector}_BTC-ZAR"
    assert feed.max_records == 500
    assert feed.candles_url == f"{rest_url}/v1/public/BTCZAR/buckets"
    assert feed.health_check_url == f"{rest_url}/v1/public/time"
    assert feed.wss_url == rest_url.replace("http", "ws") + "/ws/trade"
    assert feed.candles_max_result_per_rest_request == 300
    assert not feed.ready


# --- History ----------------------------------------------------------------------------------------------------------
async def test_history_beyond_a_page() -> None:
    async with open_venue(market=True) as venue, running("1m", 700) as feed:
        await eventually(lambda: venue.shows(feed))
        assert_gapless(feed.candles_df.to_numpy(), "1m")


async def test_a_pair_that_is_younger_than_what_is_asked_for() -> None:
    async with open_sparse_valr(T0 + 200) as valr:
        valr.trade(T0 + 1, 10)
        async with running("1m", 50) as feed:
            await eventually(lambda: feed.ready)
            assert starts(feed) == [T0, T0 + 60, T0 + 120, T0 + 180]


NOW = T0 + 70_000


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("start", "end", "limit", "first", "last"),
    [
        (T0 + 60, T0 + 180, None, T0 + 60, T0 + 180),
        (T0 + 1, T0 + 179, None, T0 + 60, T0 + 120),
        (T0, NOW + 1e6, None, T0, NOW - NOW % 60),
        (T0, T0 + 40_000, 4, T0 + 39_780, T0 + 39_960),
        (T0, T0 + 120, 400, T0, T0 + 120),
        (None, T0 + 39_999, None, T0 + 39_960 - 299 * 60, T0 + 39_960),
        (None, T0 + 39_999, 0, T0 + 39_960, T0 + 39_960),
        (None, NOW + 1e6, 700, NOW - NOW % 60 - 699 * 60, NOW - NOW % 60),
        (T0 + 5, None, None, T0 + 60, T0 + 300 * 60),
        (T0 + 5, None, 2, T0 + 60, T0 + 120),
        (NOW - 100, None, None, NOW - NOW % 60 - 60, NOW - NOW % 60),
        (T0 + 180, T0 + 60, None, 1, 0),
        (NOW + 60, NOW + 600, None, 1, 0),
    ],
)
async def test_fetching_candles(
    start: float | None, end: float | None, limit: int | None, first: float, last: float, strict: bool
) -> None:
    async with open_sparse_valr(NOW, strict=strict) as valr:
        valr.trade(T0 - 500, 10)
        valr.trade(T0 + 20_000, 11, 2)
        rows = await ValrLoopbackSpotCandles(PAIR).fetch_candles(start, end, limit)
        assert rows[:, 0].tolist() == list(range(int(first), int(last) + 1, 60))
        assert [row[1:6].tolist() for row in rows] == [
            [10, 10, 10, 10, 0] if row[0] < T0 + 19_980 else [11, 11, 11, 11, 2 * (row[0] == T0 + 19_980)]
            for row in rows
        ]


async def test_fetching_wants_a_time() -> None:
    with pytest.raises(ValueError, match="start time or end time"):
        await ValrSpotCandles(PAIR).fetch_candles(limit=3)


@pytest.mark.parametrize("interval", ["1m", "5m", "1h"])
async def test_historical_candles(interval: str) -> None:
    async with open_venue(market=True) as venue:
        now = int(venue.clock())
        config = HistoricalCandlesConfig(
            connector_name="valr_loopback",
            trading_pair=PAIR,
            interval=interval,
            start_time=now - 12 * 3600,
            end_time=now - 3600,
        )
        feed = CandlesFactory.get_candle(CandlesConfig(connector="valr_loopback", trading_pair=PAIR, interval=interval))
        found = await feed.get_historical_candles(config)
        assert list(found.columns) == feed.columns
        within = [row for row in venue.rows(interval, 800) if config.start_time <= row[0] <= config.end_time]
        assert found.to_numpy().tolist() == within
        assert len(within) >= 11


async def test_the_market_data_provider_puts_a_longer_history_into_the_feed() -> None:
    async with open_venue(market=True, market_pace=0.001) as venue:
        provider = MarketDataProvider({})
        now = int(venue.clock())
        long = await provider.get_historical_candles_df("valr_loopback", PAIR, "1m", now - 36_000, now, None, 700)
        assert_gapless(long.to_numpy(), "1m")
        feed = provider.get_candles_feed(CandlesConfig(connector="valr_loopback", trading_pair=PAIR, max_records=700))
        await eventually(lambda: venue.shows(feed))
        provider.stop()
        await feed.stop_network()


# --- Live -------------------------------------------------------------------------------------------------------------
async def test_trades_are_in_the_candles_of_every_interval() -> None:
    async with open_venue() as venue, AsyncExitStack() as stack:
        venue.trade(1_000_000, 1_000_300)
        feeds: list[ValrSpotCandles] = []

        async def all_show_them() -> None:
            await eventually(lambda: all(venue.shows(feed) for feed in feeds))

        for interval, count in (("1m", 5), ("5m", 5), ("1h", 5), ("1d", 2)):
            feeds.append(await stack.enter_async_context(running(interval, count)))
            await all_show_them()
        for prices in ((1_000_100, 1_000_500), (999_000,), (), (1_000_001, 1_000_002, 1_000_003)):
            venue.trade(*prices)
            await all_show_them()
            venue.clock.put_forward(100)
        venue.clock.put_forward(4000)
        venue.trade(1_000_050)
        await all_show_them()


async def test_a_period_ends_on_valrs_time_though_nothing_comes() -> None:
    async with open_venue(since=59.5, faults=(Fault(kind="drop_event", event="NEW_TRADE_BUCKET"),)) as venue:
        venue.trade(1_000_000)
        async with running() as feed:
            await eventually(lambda: venue.shows(feed))
            assert feed.candles_df["timestamp"].iloc[-1] == TODAY
            await eventually(lambda: feed.candles_df["timestamp"].iloc[-1] == TODAY + 60)
            assert feed.candles_df.iloc[-1].tolist() == [TODAY + 60, *[1_000_000.0] * 4, *[0.0] * 5]
            assert venue.shows(feed)


async def test_trades_fill_the_running_candle_while_no_bucket_comes() -> None:
    async with open_venue(faults=(Fault(kind="drop_event", event="NEW_TRADE_BUCKET"),)) as venue:
        venue.trade(1_000_000)
        async with running("5m") as feed:
            await eventually(lambda: venue.shows(feed))
            venue.clock.put_forward(60)
            venue.trade(1_000_100, 1_000_050)
            await eventually(lambda: venue.shows(feed))


@pytest.mark.parametrize("interval", ["1m", "1h"])
async def test_a_gap_is_filled_after_the_socket_was_lost(interval: str) -> None:
    async with open_venue() as venue:
        venue.trade(1_000_000)
        async with running(interval) as feed:
            await eventually(lambda: venue.shows(feed))
            await venue.server.drop_trade_sockets()
            venue.trade(1_000_500, 999_500)
            venue.clock.put_forward(3 * INTERVALS[interval])
            venue.trade(1_000_700)
            await eventually(lambda: venue.shows(feed))
            venue.trade(1_000_800)
            await eventually(lambda: venue.shows(feed))


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "PONG", "message": "NO_SUBSCRIPTIONS"},
        {"type": "UNSUBSCRIBED", "message": "NEW_TRADE_BUCKET:BTCZAR"},
        {"type": "UNSUBSCRIBED", "message": "NEW_TRADE:BTCZAR"},
    ],
)
async def test_a_socket_that_has_lost_its_subscription_is_replaced(frame: dict[str, str]) -> None:
    async with open_sparse_valr(T0 + 10) as valr:
        valr.trade(T0 + 5, 10)
        async with running("1m", 2) as feed:
            await eventually(lambda: feed.ready and valr.subscribed)
            await valr.say({"type": "PONG"})
            await valr.say({"type": "UNSUBSCRIBED", "message": "NEW_TRADE:ETHZAR"})
            valr.trade(T0 + 6, 12)
            await valr.say(frame)
            await eventually(lambda: feed.candles_df["close"].tolist() == [12])
            assert len(valr.subscribed) == 2


async def test_an_anonymous_socket_is_renewed_in_time(caplog: pytest.LogCaptureFixture) -> None:
    timing = MarketTiming(anonymous_lifetime=0.3)
    async with open_venue(anonymous_socket_seconds=0.5) as venue:
        venue.trade(1_000_000)
        async with running(timing=timing) as feed:
            await eventually(lambda: venue.shows(feed))
            (first,) = venue.server.trades.sessions
            await eventually(lambda: venue.server.trades.sessions and first not in venue.server.trades.sessions)
            venue.trade(1_000_900)
            await eventually(lambda: venue.shows(feed))
    assert "interrupted" not in caplog.text


async def test_a_feed_without_a_connection_is_not_ready() -> None:
    async with open_venue() as venue:
        venue.trade(1_000_000)
        async with running() as feed:
            await eventually(lambda: venue.shows(feed))
            await venue.server.stop()
            await eventually(lambda: not feed.ready)
            assert len(feed.candles_df) == 5


async def test_a_feed_starts_when_valr_answers() -> None:
    async with open_venue(faults=(Fault(kind="rest_503", path="time", times=2),)) as venue, running() as feed:
        assert await feed.check_network() is NetworkStatus.NOT_CONNECTED
        await eventually(lambda: venue.shows(feed))
        assert await feed.check_network() is NetworkStatus.CONNECTED


async def use_a_feed(venue: Venue) -> None:
    async with running() as feed:
        await eventually(lambda: venue.shows(feed))
        await feed.fetch_candles(end_time=int(TODAY), limit=1)


async def test_no_session_is_left_open() -> None:
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))
    async with open_venue() as venue:
        await use_a_feed(venue)
        gc.collect()
        await eventually(lambda: not venue.server.trades.sessions)
    assert complaints == []


async def test_stopping_twice_and_starting_again() -> None:
    async with open_venue() as venue:
        venue.trade(1_000_000)
        async with running() as feed:
            await eventually(lambda: venue.shows(feed))
            await feed.stop_network()
            await feed.stop_network()
            await eventually(lambda: not venue.server.trades.sessions)
            venue.clock.put_forward(200)
            venue.trade(1_000_200)
            await feed.start_network()
            await eventually(lambda: venue.shows(feed))


# --- What VALR may send -----------------------------------------------------------------------------------------------
async def test_minutes_alone_keep_an_hour_right() -> None:
    """VALR may send no other buckets than those of a minute, each when it has ended, and no trades."""
    async with open_sparse_valr(T0 + 600) as valr:
        valr.trade(T0 - 5000, 9)
        for at, price in ((30, 10), (100, 14), (590, 12)):
            valr.trade(T0 + at, price)
        async with running("1h", 3) as feed:
            await eventually(lambda: feed.ready and valr.subscribed)
            for at, price in ((650, 20), (670, 8), (1810, 11)):
                valr.trade(T0 + at, price)
            for start in (1800, 600, 660, 600):
                await valr.say_bucket(60, T0 + start)
            await eventually(lambda: feed.candles_df["volume"].iloc[-1] == 6)
            assert feed.candles_df.to_numpy()[:, :7].tolist() == [
                [T0 - 7200, 9, 9, 9, 9, 1, 9],
                [T0 - 3600, 9, 9, 9, 9, 0, 0],
                [T0, 10, 20, 8, 11, 6, 75],
            ]


async def test_a_bucket_after_which_the_hour_ends() -> None:
    async with open_sparse_valr(T0 + 3590) as valr:
        valr.trade(T0 + 30, 10)
        async with running("1h", 2) as feed:
            await eventually(lambda: feed.ready and valr.subscribed)
            valr.trade(T0 + 3599, 12)
            valr.trade(T0 + 3661, 13)
            await valr.say_bucket(60, T0 + 3660)
            await valr.say_bucket(60, T0 + 3540)
            await valr.say_bucket(300, T0 + 3300)
            await eventually(lambda: feed.candles_df["volume"].tolist() == [2, 1])
            assert feed.candles_df["close"].tolist() == [12, 13]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"high": "1"}, "its low 10 is above its high 1"),
        ({"bucketPeriodInSeconds": 7}, "7 s long"),
        ({"startTime": "2094-03-27T12:00:00Z"}, "yet to come"),
        ({"volume": None}, "not a number"),
    ],
)
async def test_what_cannot_be_read_is_left_out_and_told_once(
    changes: dict[str, Any], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_sparse_valr(T0 + 10) as valr:
        valr.trade(T0 + 5, 10)
        async with running("1m", 2) as feed:
            await eventually(lambda: feed.ready and valr.subscribed)
            for _ in range(2):
                await valr.say_bucket(60, T0, **changes)
                await valr.say_trade(tradedAt="noon")
            await valr.say({"type": "NEW_TRADE_BUCKET", "currencyPairSymbol": "ETHZAR", "data": {}})
            await valr.say({"type": "SURPRISE"})
            valr.trade(T0 + 20, 11)
            await valr.say_bucket(60, T0)
            await eventually(lambda: feed.candles_df["close"].tolist() == [11])
    told = [line for line in caplog.text.splitlines() if "was left out" in line]
    assert len(told) == 2
    assert words in told[0]


@pytest.mark.parametrize(("answer", "words"), [({}, "not a list"), ([{}], "unreadable candle")])
async def test_a_history_that_cannot_be_read_is_asked_for_again(
    answer: object, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_sparse_valr(T0 + 10) as valr:
        valr.trade(T0 + 5, 10)
        valr.spoil = answer
        async with running("1m", 2) as feed:
            await eventually(lambda: words in caplog.text)
            assert not feed.ready
            valr.spoil = None
            await eventually(lambda: feed.ready)


async def test_a_row_of_the_history_that_cannot_be_read_costs_nothing_but_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with open_sparse_valr(T0 + 70) as valr:
        valr.trade(T0 + 5, 10)
        valr.trade(T0 + 65, 11)
        valr.odd_rows = [{"startTime": "noon"}, None]
        async with running("1m", 2) as feed:
            await eventually(lambda: feed.ready)
            assert feed.candles_df["close"].tolist() == [10, 11]
    assert caplog.text.count("candles of VALR were left out: unreadable candle") == 1


async def test_a_clock_that_was_ahead_starts_the_candles_anew() -> None:
    async with open_sparse_valr(T0 + 10_000) as valr:
        valr.trade(T0 + 5, 10)
        async with running("1m", 2) as feed:
            await eventually(lambda: feed.ready and valr.subscribed)
            assert starts(feed) == [T0 + 9900, T0 + 9960]
            valr.now = T0 + 130
            for socket in list(valr.sockets):
                await socket.close()
            await eventually(lambda: feed.ready and starts(feed) == [T0 + 60, T0 + 120])


# --- Limits and refusals ----------------------------------------------------------------------------------------------
async def test_a_refusal_for_the_rate_is_waited_out() -> None:
    faults = (Fault(kind="rest_429", path="buckets", times=2),)
    async with open_venue(faults=faults) as venue, running() as feed:
        await eventually(lambda: venue.shows(feed))
        assert venue.server.faults.struck[FaultKind.REST_429] == 2


async def test_a_refusal_for_the_rate_that_does_not_end_is_told() -> None:
    async with open_venue(faults=(Fault(kind="rest_429", path="buckets"),)):
        feed = ValrLoopbackSpotCandles(PAIR)
        with pytest.raises(ValrRateLimitedError):
            await feed.fetch_candles(end_time=int(T0), limit=1)


async def test_history_comes_when_rest_works_again(caplog: pytest.LogCaptureFixture) -> None:
    async with open_venue(faults=(Fault(kind="rest_503", path="buckets", times=1),)) as venue, running() as feed:
        await eventually(lambda: venue.shows(feed))
    assert caplog.text.count("could not be fetched yet") == 1


async def test_many_feeds_keep_within_the_limit(caplog: pytest.LogCaptureFixture) -> None:
    async with open_venue(market=True):
        feeds = [ValrLoopbackSpotCandles(PAIR, interval, 300, SWIFT) for interval in ("1m", "5m", "1h", "1d")]
        for feed in feeds:
            feed.start()
        for feed in feeds:
            await eventually(lambda feed=feed: feed.ready, 20)
        for feed in feeds:
            feed.stop()
            await feed.stop_network()
    assert "rate limit refuses" not in caplog.text


async def test_a_pair_that_valr_does_not_have(caplog: pytest.LogCaptureFixture) -> None:
    async with open_venue():
        feed = ValrLoopbackSpotCandles("NO-PAIR", timing=SWIFT)
        with pytest.raises(ValrRefusedError, match="Unsupported Currency Pair"):
            await feed.fetch_candles(end_time=int(T0), limit=1)
        feed.start()
        await eventually(lambda: "VALR refuses NEW_TRADE_BUCKET of NOPAIR" in caplog.text)
        await eventually(lambda: "valr_loopback_NO-PAIR: the candles could not be fetched yet" in caplog.text)
        assert not feed.ready
        feed.stop()
        await feed.stop_network()


# --- With a connector -------------------------------------------------------------------------------------------------
@asynccontextmanager
async def attached(url: str) -> AsyncIterator[ValrSpotCandles]:
    """A feed at work that has a connector with keys."""
    exchange = ValrExchange("k", "s", valr_url=url, domain="valr_loopback", trading_pairs=[PAIR])
    config = CandlesConfig(connector="valr_loopback", trading_pair=PAIR, max_records=1)
    feed = CandlesFactory.get_candle(config, connector=exchange)
    feed._timing = SWIFT
    feed.start()
    try:
        yield feed
    finally:
        await feed.stop_network()
        feed.stop()
        await exchange.stop_network()


async def test_an_attached_feed_signs_where_it_is_refused_without_keys() -> None:
    async with SparseValr(T0 + 10) as valr:
        valr.wants_keys = True
        valr.trade(T0 + 5, 10)
        async with attached(valr.url) as feed:
            await eventually(lambda: feed.ready and valr.subscribed)
            assert valr.signed == [False, True]


async def test_an_attached_feed_does_without_keys_that_are_refused() -> None:
    async with SparseValr(T0 + 10) as valr:
        valr.trade(T0 + 5, 10)
        valr.greeting = [{"type": "UNAUTHORIZED"}]
        async with attached(valr.url) as feed:
            await eventually(lambda: valr.signed[:3] == [False, True, False])
            valr.greeting = []
            await eventually(lambda: feed.ready)


async def test_an_attached_feed_uses_the_address_the_symbols_and_the_limits_of_the_connector() -> None:
    venue = Venue()
    venue.trade(1_000_000)
    async with venue.server:
        exchange = ValrExchange("k", "s", valr_url=venue.server.url, domain="valr_loopback", trading_pairs=[PAIR])
        config = CandlesConfig(connector="valr_loopback", trading_pair=PAIR, max_records=5)
        feed = CandlesFactory.get_candle(config, connector=exchange)
        feed.start()
        await eventually(lambda: venue.shows(feed))
        assert exchange.throttler.used(CONSTANTS.CANDLES_LIMIT_ID) > 0
        assert exchange.throttler.used(CONSTANTS.SOCKET_CONNECT_LIMIT_ID) == 1
        assert exchange.throttler.used(CONSTANTS.PUBLIC_LIMIT_ID) == 0
        await feed.stop_network()
        exchange._set_trading_pair_symbol_map(bidict({"XBTZAR": PAIR}))
        await feed.initialize_exchange_data()
        assert feed.candles_endpoint == "/v1/public/XBTZAR/buckets"
        feed.stop()
        await exchange.stop_network()
