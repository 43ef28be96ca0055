"""The data source on a market that moves: the loopback exchange, with books that lose frames and lie in checksums."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from bidict import bidict

from hummingbot.connector.exchange.valr.valr_api_order_book_data_source import ValrAPIOrderBookDataSource
from hummingbot.connector.exchange.valr.valr_auth import ValrAuth
from hummingbot.connector.exchange.valr.valr_market_socket import MarketTiming
from hummingbot.connector.exchange.valr.valr_order_book import BookFeed
from hummingbot.connector.exchange.valr.valr_order_book_tracker import PromptOrderBookTracker
from hummingbot.connector.exchange.valr.valr_web_utils import Endpoints, build_api_factory
from hummingbot.core.data_type.order_book_tracker import OrderBookTracker
from valr_loopback.faults import Fault, FaultKind
from valr_loopback.server import LoopbackConfig, LoopbackServer

from .loopback_bot import PAIR, Bot
from .test_valr_api_order_book_data_source import SymbolMap, texts
from .trade_socket_server import until

PAIRS = {"BTCZAR": "BTC-ZAR", "ETHZAR": "ETH-ZAR"}
Rows = list[tuple[float, float]]


@asynccontextmanager
async def tracker_on(
    server: LoopbackServer, feed: str, timing: MarketTiming | None = None, keys: bool = True
) -> AsyncIterator[tuple[OrderBookTracker, ValrAPIOrderBookDataSource]]:
    credentials = (server.api_key, server.api_secret) if keys else ("", "")
    auth = ValrAuth(*credentials, lambda: server.exchange.now_ms() / 1000)
    connector = SymbolMap()
    connector.symbols = bidict(PAIRS)
    pairs = list(PAIRS.values())
    async with build_api_factory(auth=auth) as api:
        endpoints = Endpoints(server.url, server.websocket_url)
        source = ValrAPIOrderBookDataSource(pairs, connector, api, endpoints, auth, book_feed=feed, timing=timing)
        tracker = PromptOrderBookTracker(data_source=source, trading_pairs=pairs)
        tracker.start()
        try:
            await until(lambda: tracker.ready, 10)
            yield tracker, source
        finally:
            tracker.stop()
            await until(lambda: not server.trades.sessions)


def top_of_exchange(server: LoopbackServer, symbol: str) -> tuple[Rows, Rows]:
    book = server.data.feeds[symbol].aggregated()
    bids, asks = ([(float(row["price"]), float(row["quantity"])) for row in book[side]] for side in ("Bids", "Asks"))
    return bids, asks


def top_of_tracker(tracker: OrderBookTracker, trading_pair: str) -> tuple[Rows, Rows]:
    book = tracker.order_books[trading_pair]
    bids, asks = ([(row.price, row.amount) for row in rows][:40] for rows in (book.bid_entries(), book.ask_entries()))
    return bids, asks


def equal(server: LoopbackServer, tracker: OrderBookTracker, symbol: str) -> bool:
    return top_of_exchange(server, symbol) == top_of_tracker(tracker, PAIRS[symbol])


@pytest.mark.parametrize(("feed", "frames"), [("l1", 300), ("full", 300), ("aggregated", 10)])
async def test_book_follows_a_fast_market(feed: str, frames: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with LoopbackServer(LoopbackConfig(port=0, market_pace=20)) as server, tracker_on(server, feed) as market:
        tracker, source = market
        await until(lambda: tracker.metrics.total_diffs_processed > frames, 20)
        for symbol in PAIRS:
            await until(lambda: equal(server, tracker, symbol), 10)  # noqa: B023
        await until(lambda: tracker.metrics.total_trades_processed > 5, 10)
        assert source.last_trade_price("BTC-ZAR")
        assert not texts(caplog, "order book")


@pytest.mark.parametrize("feed", ["l1", "full"])
async def test_book_recovers_from_every_lost_or_wrong_frame(feed: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    faults = (
        Fault(kind=FaultKind.BOOK_GAP, probability=0.01),
        Fault(kind=FaultKind.BOOK_BAD_CHECKSUM, probability=0.01),
    )
    config = LoopbackConfig(port=0, market_pace=20, faults=faults)
    timing = MarketTiming(mismatch_memory=0.0)
    async with LoopbackServer(config) as server, tracker_on(server, feed, timing) as market:
        tracker, _ = market
        await until(lambda: len(texts(caplog, "dropped and asked for afresh")) >= 6, 30)
        server.faults.clear()
        for symbol in PAIRS:
            await until(lambda: equal(server, tracker, symbol), 10)  # noqa: B023


@pytest.mark.parametrize("feed", ["l1", "full", "aggregated"])
async def test_stalled_book_is_found_by_the_trades(feed: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    timing = MarketTiming(stall_lookback=0.5, stall_patience=0.6, tick=0.02)
    config = LoopbackConfig(port=0, market_pace=20)
    async with LoopbackServer(config) as server, tracker_on(server, feed, timing) as market:
        tracker, _ = market
        server.faults.add(Fault(kind=FaultKind.BOOK_STALLED, pair="BTCZAR", times=1))
        await until(
            lambda: texts(caplog, "BTC-ZAR: the order book is dropped and asked for afresh (a public trade"), 20
        )
        for symbol in PAIRS:
            await until(lambda: equal(server, tracker, symbol), 10)  # noqa: B023
        assert not texts(caplog, "ETH-ZAR")


async def test_feed_that_always_lies_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    faults = (Fault(kind=FaultKind.BOOK_BAD_CHECKSUM),)
    config = LoopbackConfig(port=0, market_pace=20, faults=faults)
    async with LoopbackServer(config) as server, tracker_on(server, "full") as market:
        tracker, source = market
        await until(lambda: source.book_feed("BTC-ZAR") is BookFeed.AGGREGATED, 20)
        await until(lambda: equal(server, tracker, "BTCZAR"), 10)
        assert len(texts(caplog, "BTC-ZAR: the order book feed 'full' was wrong 3 times in a row")) == 1
        assert len(texts(caplog, "BTC-ZAR: the order book feed 'l1' was wrong 3 times in a row")) == 1


async def test_anonymous_socket_is_renewed_in_a_moving_market(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    config = LoopbackConfig(port=0, market_pace=20, anonymous_socket_seconds=1.0)
    timing = MarketTiming(anonymous_lifetime=0.5, tick=0.02)
    async with LoopbackServer(config) as server, tracker_on(server, "l1", timing, keys=False) as market:
        tracker, source = market
        deadline = asyncio.get_running_loop().time() + 3.0
        while asyncio.get_running_loop().time() < deadline:
            assert source.has_live_book("BTC-ZAR")
            await asyncio.sleep(0.005)
        await until(lambda: equal(server, tracker, "BTCZAR"), 10)
        assert not texts(caplog, "socket is down")


async def test_pairs_join_and_leave_through_the_connector(caplog: pytest.LogCaptureFixture) -> None:
    """Through Hummingbot's own doors; five seconds, since a whole connector starts and fifty books are compared."""
    caplog.set_level(logging.WARNING)
    config = LoopbackConfig(port=0, pairs=60, market_pace=5)
    async with LoopbackServer(config) as server, Bot(server).running() as bot:
        exchange, tracker = bot.exchange, bot.exchange.order_book_tracker
        symbols = (await exchange.trading_pair_symbol_map()).inverse
        others = [trading_pair for trading_pair in symbols if trading_pair != PAIR]
        assert len(others) >= 50
        assert all(await asyncio.gather(*map(exchange.add_trading_pair, others)))
        assert not await exchange.add_trading_pair("NO-SUCH")
        assert sorted(exchange.trading_pairs) == sorted(exchange.order_books) == sorted(symbols)
        for name, symbol in symbols.items():
            await until(lambda: top_of_exchange(server, symbol) == top_of_tracker(tracker, name), 10)  # noqa: B023
        assert all(await asyncio.gather(*map(exchange.remove_trading_pair, others)))
        assert list(exchange.order_books) == exchange.trading_pairs == [PAIR]
        await until(lambda: all(list(session.pairs["OB_L1_DIFF"]) == ["BTCZAR"] for session in server.trades.sessions))
        assert not texts(caplog, f"{PAIR}: the order book")
