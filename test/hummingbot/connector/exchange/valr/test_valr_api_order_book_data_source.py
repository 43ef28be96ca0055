"""The data source against a trade socket on this machine and Hummingbot's own order book tracker."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from bidict import bidict

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_api_order_book_data_source import ValrAPIOrderBookDataSource
from hummingbot.connector.exchange.valr.valr_auth import ValrAuth
from hummingbot.connector.exchange.valr.valr_market_messages import parse_trade
from hummingbot.connector.exchange.valr.valr_market_socket import MarketSocket, MarketTiming
from hummingbot.connector.exchange.valr.valr_order_book import BookChange, BookFeed
from hummingbot.connector.exchange.valr.valr_order_book_tracker import PromptOrderBookTracker, SequencedOrderBook
from hummingbot.connector.exchange.valr.valr_throttler import ValrThrottler
from hummingbot.connector.exchange.valr.valr_web_utils import Endpoints, build_api_factory
from hummingbot.core.data_type.common import TradeType
from hummingbot.core.data_type.order_book import OrderBook
from hummingbot.core.data_type.order_book_message import OrderBookMessage, OrderBookMessageType

from .trade_socket_server import TradeSocketServer, until

QUICK = MarketTiming(
    ping_interval=0.2,
    quiet_probe=0.1,
    silence_limit=1.0,
    stale_book_limit=0.6,
    doubt_limit=0.3,
    subscription_spacing=0.02,
    snapshot_patience=0.5,
    refusal_retry=0.6,
    second_try=0.05,
    waiting_warning=0.1,
    handover_patience=2.0,
    connect_deadline=2.0,
    reconnect_delay=0.2,
    reconnect_delay_max=0.4,
    first_reconnect_delay=0.02,
    healthy_lifetime=0.3,
    tick=0.02,
)


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


class SymbolMap:
    """The part of the exchange class that the data source asks."""

    def __init__(self) -> None:
        self.symbols = bidict({"BTCZAR": "BTC-ZAR", "ETHZAR": "ETH-ZAR", "XRPZAR": "XRP-ZAR", "OLDZAR": "OLD-ZAR"})

    async def exchange_symbol_associated_to_pair(self, trading_pair: str) -> str:
        return self.symbols.inverse[trading_pair]

    async def get_last_traded_prices(self, trading_pairs: list[str]) -> dict[str, float]:
        return dict.fromkeys(trading_pairs, 7.0)


class World:
    """A server, a data source, and the tracker it feeds."""

    def __init__(self, server: TradeSocketServer, source: ValrAPIOrderBookDataSource, pairs: list[str]) -> None:
        self.server = server
        self.source = source
        self.tracker = PromptOrderBookTracker(data_source=source, trading_pairs=pairs)

    def book(self, trading_pair: str) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        book = self.tracker.order_books[trading_pair]
        return (
            [(row.price, row.amount) for row in book.bid_entries()],
            [(row.price, row.amount) for row in book.ask_entries()],
        )

    def equal(self, trading_pair: str) -> bool:
        rows = self.server.levels[trading_pair.replace("-", "")].rows()
        return trading_pair in self.tracker.order_books and self.book(trading_pair) == rows

    @property
    def empty(self) -> bool:
        return all(self.book(pair) == ([], []) for pair in self.tracker.order_books)

    async def lose_a_frame(self, symbol: str) -> None:
        await self.server.change(symbol, [("990", "3")], lost=True)
        await self.server.change(symbol, [("990", "4")])

    async def started(self) -> None:
        await until(lambda: self.tracker.ready, 10)

    async def leave_the_queue_alone(self) -> None:
        """Let nobody take what is meant for the books."""
        router = self.tracker._order_book_diff_router_task
        router.cancel()
        await asyncio.wait({router})

    async def equals(self, *trading_pairs: str) -> None:
        await until(lambda: all(self.equal(pair) for pair in trading_pairs))


def texts(caplog: pytest.LogCaptureFixture, part: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if part in record.getMessage()]


@asynccontextmanager
async def world(
    *pairs: str,
    server: TradeSocketServer | None = None,
    book_feed: str = "l1",
    timing: MarketTiming = QUICK,
    keys: bool = False,
    connector: Any = None,
    throttler: ValrThrottler | None = None,
    clock: Callable[[], float] = lambda: 1_700_000_000.0,
    doubt_clock: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[World]:
    async with server or TradeSocketServer("BTCZAR", "ETHZAR", "XRPZAR") as exchange:
        auth = ValrAuth("key" if keys else "", "secret" if keys else "", clock)
        factory = build_api_factory(throttler, auth=auth)
        trading_pairs = list(pairs)
        source = ValrAPIOrderBookDataSource(
            trading_pairs,
            connector or SymbolMap(),
            factory,
            Endpoints(f"http://{exchange.base_url}", f"ws://{exchange.base_url}"),
            auth,
            book_feed=book_feed,
            timing=timing,
            doubt_clock=doubt_clock,
        )
        place = World(exchange, source, trading_pairs)
        before = asyncio.all_tasks()
        place.tracker.start()
        await asyncio.sleep(0)
        try:
            yield place
        finally:
            place.tracker.stop()
            try:
                await until(lambda: not place.server.clients)
                await until(lambda: asyncio.all_tasks() <= before | {asyncio.current_task()})
            finally:
                await factory.close()


# --- Books ------------------------------------------------------------------------------------------------------------
async def test_snapshot_and_diffs_reach_the_tracker() -> None:
    async with world("BTC-ZAR", "ETH-ZAR") as place:
        await place.started()
        await place.equals("BTC-ZAR", "ETH-ZAR")
        await place.server.change("BTCZAR", [("1000", "0"), ("999", "7")], [("1000.25", "1")])
        await place.server.change("ETHZAR", [], [("2000.50", "0.000")])
        await place.equals("BTC-ZAR", "ETH-ZAR")
        assert place.source.has_live_book("BTC-ZAR")
        assert not place.source.has_live_book("XRP-ZAR")
        assert place.source.last_message_time == pytest.approx(time.time(), abs=2.0)
        assert place.server.history[0].subscribe_frames == [
            {"OB_L1_DIFF": ["BTCZAR", "ETHZAR"], "NEW_TRADE": ["BTCZAR", "ETHZAR"]}
        ]


async def test_messages_before_the_tracker_listens_are_not_lost() -> None:
    async with world("BTC-ZAR") as place:
        await place.started()
        place.tracker.stop()
        await until(lambda: not place.server.clients)
        fresh: asyncio.Queue[OrderBookMessage] = asyncio.Queue()
        stream = asyncio.create_task(place.source.listen_for_subscriptions())
        await until(lambda: place.source.has_live_book("BTC-ZAR"))
        listener = asyncio.create_task(place.source.listen_for_order_book_diffs(asyncio.get_running_loop(), fresh))
        await until(lambda: not fresh.empty())
        for task in (stream, listener):
            task.cancel()
        await asyncio.wait({stream, listener})


async def test_what_waits_in_the_queue_is_not_overtaken_by_what_is_fed_without_it() -> None:
    async with world("BTC-ZAR") as place:
        await place.started()
        await place.leave_the_queue_alone()
        queue, fed = place.tracker._order_book_diff_stream, list[int]()
        await place.server.change("BTCZAR", [("990", "3")])
        await until(lambda: queue.qsize() == 1)
        with place.source.feeding(lambda trading_pair, change, update_id: fed.append(update_id)):
            await place.server.change("BTCZAR", [("990", "4")])
            await until(lambda: queue.qsize() == 2)
            waited = [queue.get_nowait().update_id for _ in range(2)]
            await place.server.change("BTCZAR", [("990", "5")])
            await until(lambda: fed)
        await place.server.change("BTCZAR", [("990", "6")])
        await until(lambda: queue.qsize() == 1)
        ids = [*waited, *fed, queue.get_nowait().update_id]
        assert ids == sorted(set(ids))
        assert len(ids) == 4


async def test_gap_costs_its_own_pair_only(caplog: pytest.LogCaptureFixture) -> None:
    async with world("BTC-ZAR", "ETH-ZAR") as place:
        await place.started()
        await place.server.change("BTCZAR", [("990", "3")], lost=True)
        await place.server.change("BTCZAR", [("990", "4")])
        for step in range(20):
            await place.server.change("ETHZAR", [("1999", f"{step + 1}")])
        await place.equals("BTC-ZAR", "ETH-ZAR")
        lists = [frame["OB_L1_DIFF"] for frame in place.server.history[0].subscribe_frames if "OB_L1_DIFF" in frame]
        assert lists == [["BTCZAR", "ETHZAR"], ["ETHZAR"], ["BTCZAR", "ETHZAR"]]
        assert place.server.snapshots_sent == {"BTCZAR": 2, "ETHZAR": 1}
        assert len(texts(caplog, "BTC-ZAR: the order book is dropped and asked for afresh (sequence")) == 1
        assert not texts(caplog, "ETH-ZAR: the order book is dropped")


async def test_others_stay_right_when_a_resubscription_brings_them_snapshots_too() -> None:
    async with world("BTC-ZAR", "ETH-ZAR") as place:
        await place.started()
        place.server.resends_snapshots = True
        await place.server.change("BTCZAR", [("990", "3")], lost=True)
        await place.server.change("BTCZAR", [("990", "4")])
        await until(lambda: place.server.snapshots_sent["ETHZAR"] >= 2)
        await place.server.change("ETHZAR", [("1999", "9")])
        await place.equals("BTC-ZAR", "ETH-ZAR")


async def test_bad_checksum_brings_a_fresh_snapshot(caplog: pytest.LogCaptureFixture) -> None:
    async with world("BTC-ZAR") as place:
        await place.started()
        place.server.corrupted.add((CONSTANTS.OB_L1_DIFF, "BTCZAR"))
        await place.server.change("BTCZAR", [("990", "3")])
        place.server.corrupted.clear()
        await place.equals("BTC-ZAR")
        assert len(texts(caplog, "checksum")) == 1
        assert place.source.book_feed("BTC-ZAR") is BookFeed.L1


async def test_mismatches_far_apart_are_not_in_a_row() -> None:
    async with world("BTC-ZAR", timing=replace(QUICK, mismatch_memory=0.0)) as place:
        await place.started()
        for round_number in range(4):
            await place.lose_a_frame("BTCZAR")
            await until(lambda: place.server.snapshots_sent["BTCZAR"] == round_number + 2)  # noqa: B023
            await place.equals("BTC-ZAR")
        assert place.source.book_feed("BTC-ZAR") is BookFeed.L1


async def test_three_mismatches_in_a_row_fall_back_one_feed(caplog: pytest.LogCaptureFixture) -> None:
    server = TradeSocketServer("BTCZAR", "ETHZAR")
    server.corrupted |= {(CONSTANTS.FULL_ORDERBOOK_UPDATE, "BTCZAR"), (CONSTANTS.OB_L1_DIFF, "BTCZAR")}
    server.orders["ETHZAR"].change([("Bids", "1999", "id-1", "1"), ("Bids", "1999", "id-2", "2")])
    async with world("BTC-ZAR", "ETH-ZAR", server=server, book_feed="full") as place:
        await place.started()
        await place.equals("BTC-ZAR")
        assert place.source.book_feed("BTC-ZAR") is BookFeed.AGGREGATED
        assert place.source.book_feed("ETH-ZAR") is BookFeed.FULL
        assert len(texts(caplog, "falling back to 'l1'")) == 1
        assert len(texts(caplog, "falling back to 'aggregated'")) == 1
        await place.server.change("BTCZAR", [("990", "8")])
        await place.equals("BTC-ZAR")
        position = place.source.queue_position("ETH-ZAR", "id-2")
        assert position is not None
        assert (position.price, position.position, position.volume_ahead) == (1999.0, 1, Decimal(1))
        assert place.source.queue_position("BTC-ZAR", "id-2") is None
        await place.server.change_order("ETHZAR", ("Bids", "1999", "id-1", "0"), ("Asks", "2001", "id-3", "5"))
        await until(lambda: place.book("ETH-ZAR") == ([(1999.0, 2.0)], [(2001.0, 5.0)]))


async def test_simplest_feed_recovers_with_its_next_good_frame(caplog: pytest.LogCaptureFixture) -> None:
    async with world("BTC-ZAR", book_feed="aggregated") as place:
        await place.started()
        place.server.corrupted.add((CONSTANTS.AGGREGATED_ORDERBOOK_UPDATE, "BTCZAR"))
        for step in range(6):
            await place.server.change("BTCZAR", [("990", f"{step + 1}")])
        await until(lambda: not place.source.has_live_book("BTC-ZAR"))
        place.server.corrupted.clear()
        await place.server.change("BTCZAR", [("980", "1")])
        await place.equals("BTC-ZAR")
        assert place.source.book_feed("BTC-ZAR") is BookFeed.AGGREGATED
        assert len(texts(caplog, "the order book is out of use until the next frame (best bid")) == 1
        assert len(place.server.history[0].subscribe_frames) == 1


async def test_simplest_feed_says_why_it_brings_no_book_and_does_not_fill_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = TradeSocketServer("BTCZAR")
    wrong = (CONSTANTS.AGGREGATED_ORDERBOOK_UPDATE, "BTCZAR")
    server.corrupted.add(wrong)
    out_of_use = "BTC-ZAR: the order book is out of use until the next frame (best bid"
    timing = replace(QUICK, notice_pause=0.2)
    async with world("BTC-ZAR", server=server, book_feed="aggregated", timing=timing) as place:
        await until(lambda: texts(caplog, out_of_use))
        server.corrupted.clear()
        for step in range(20):
            server.corrupted.add(wrong)
            await server.change("BTCZAR", [("990", f"{step + 1}")])
            server.corrupted.clear()
            await server.change("BTCZAR", [("980", f"{step + 1}")])
        await place.equals("BTC-ZAR")
        assert len(texts(caplog, out_of_use)) <= 2
        pair = place.source._pairs["BTC-ZAR"]
        await until(lambda: pair.before_fault_notice.is_over(asyncio.get_running_loop().time()))
        said = len(texts(caplog, out_of_use))
        server.corrupted.add(wrong)
        await server.change("BTCZAR", [("990", "99")])
        await until(lambda: len(texts(caplog, out_of_use)) == said + 1)


async def test_missing_snapshot_is_asked_for_again() -> None:
    server = TradeSocketServer("BTCZAR", "ETHZAR")
    server.withheld_snapshots.add("BTCZAR")
    async with world("ETH-ZAR", "BTC-ZAR", server=server) as place:
        await until(lambda: server.snapshots_sent["ETHZAR"] == 1)
        await server.change("BTCZAR", [("990", "3")])
        server.withheld_snapshots.clear()
        await place.started()
        await place.equals("BTC-ZAR", "ETH-ZAR")
        assert server.snapshots_sent["ETHZAR"] == 1


async def test_unasked_unsubscription_is_answered_with_a_subscription(caplog: pytest.LogCaptureFixture) -> None:
    async with world("BTC-ZAR") as place:
        await place.started()
        for times in (1, 2):
            await place.server.unsubscribe(CONSTANTS.OB_L1_DIFF, "BTCZAR")
            await place.server.change("BTCZAR", [("990", f"{times}")])
            await place.equals("BTC-ZAR")
        # The second one came too soon after the first to be answered at once.
        assert len(texts(caplog, "asked for afresh (VALR has stopped it)")) == 1
        assert place.server.snapshots_sent["BTCZAR"] == 3


async def test_trades_that_are_stopped_unasked_or_never_confirmed_are_asked_for_again() -> None:
    server = TradeSocketServer("BTCZAR", "ETHZAR")
    server.unheard.add((CONSTANTS.NEW_TRADE, "BTCZAR"))
    async with world("BTC-ZAR", "ETH-ZAR", server=server) as place:
        await place.started()
        server.unheard.clear()
        lists = server.clients[0].lists
        for _ in range(3):
            await until(lambda: lists[CONSTANTS.NEW_TRADE] == ["BTCZAR", "ETHZAR"])
            await server.trade("BTCZAR", id="a")
            await until(lambda: place.source.last_trade_price("BTC-ZAR") == Decimal("1001.5"))
            await server.unsubscribe(CONSTANTS.NEW_TRADE, "BTCZAR")
        assert server.snapshots_sent == {"BTCZAR": 1, "ETHZAR": 1}


async def test_one_renewed_book_brings_back_everything_the_exchange_has_forgotten() -> None:
    async with world("BTC-ZAR", "ETH-ZAR") as place:
        await place.started()
        (client,) = place.server.clients
        await place.lose_a_frame("BTCZAR")
        client.lists.clear()
        await place.equals("BTC-ZAR", "ETH-ZAR")
        assert client.lists[CONSTANTS.NEW_TRADE] == ["BTCZAR", "ETHZAR"]
        await place.server.trade("ETHZAR", price="2000.50")
        await until(lambda: place.source.last_trade_price("ETH-ZAR") == Decimal("2000.50"))
        assert place.server.clients == [client]


async def test_refused_pair_does_not_harm_the_others(caplog: pytest.LogCaptureFixture) -> None:
    async with world("BTC-ZAR", "OLD-ZAR", "ETH-ZAR") as place:
        await until(lambda: place.equal("BTC-ZAR"))
        await until(lambda: place.source.has_live_book("ETH-ZAR"))
        await until(lambda: texts(caplog, "OLD-ZAR: no order book. VALR refuses it: Channel AGGREGATED"))
        await until(lambda: texts(caplog, "OLD-ZAR: still no order book from VALR. VALR refuses it"))
        await until(lambda: len(place.server.history[0].subscribe_frames) >= 3)
        place.server.levels["OLDZAR"] = TradeSocketServer("OLDZAR").levels["OLDZAR"]
        await place.started()
        await place.equals("BTC-ZAR", "OLD-ZAR", "ETH-ZAR")
        assert len(texts(caplog, "OLD-ZAR: no order book.")) == 1
        assert place.server.snapshots_sent["BTCZAR"] == 1


# --- Pairs at run time ------------------------------------------------------------------------------------------------
async def test_pairs_join_and_leave_at_run_time(caplog: pytest.LogCaptureFixture) -> None:
    async with world("BTC-ZAR") as place:
        await place.started()
        assert await place.tracker.add_trading_pair("ETH-ZAR")
        await place.equals("BTC-ZAR", "ETH-ZAR")
        await place.server.change("ETHZAR", [("1999", "9")])
        await place.equals("ETH-ZAR")
        assert await place.tracker.remove_trading_pair("BTC-ZAR")
        await place.server.change("ETHZAR", [("1999", "8")])
        await place.equals("ETH-ZAR")
        await until(lambda: place.server.clients[0].lists[CONSTANTS.OB_L1_DIFF] == ["ETHZAR"])
        assert place.server.clients[0].lists[CONSTANTS.NEW_TRADE] == ["ETHZAR"]
        assert await place.tracker.add_trading_pair("BTC-ZAR")
        await place.equals("BTC-ZAR", "ETH-ZAR")
        assert place.server.snapshots_sent == {"BTCZAR": 2, "ETHZAR": 1}


async def test_pair_that_valr_refuses_or_does_not_know_or_does_not_send_cannot_join(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with world("BTC-ZAR") as place:
        await place.started()
        place.server.withheld_snapshots.add("ETHZAR")
        for trading_pair in ("OLD-ZAR", "NO-SUCH", "ETH-ZAR"):
            assert not await place.tracker.add_trading_pair(trading_pair)
        assert texts(caplog, "OLD-ZAR: no order book. VALR refuses it")
        assert texts(caplog, "NO-SUCH: no order book. VALR lists no such pair, or")
        assert texts(caplog, "ETH-ZAR: VALR sent no order book after the subscription.")
        await until(lambda: place.server.clients[0].lists[CONSTANTS.OB_L1_DIFF] == ["BTCZAR"])
        assert list(place.tracker.order_books) == ["BTC-ZAR"]
        await place.equals("BTC-ZAR")


async def test_pair_that_joins_while_the_socket_is_down_waits_for_it() -> None:
    async with world("BTC-ZAR") as place:
        await place.started()
        await place.server.refuse_connections()
        joined = asyncio.create_task(place.source.subscribe_to_trading_pair("ETH-ZAR"))
        await until(lambda: not place.source.has_live_book("BTC-ZAR"))
        await place.server.accept_connections()
        assert await joined
        assert await place.source.unsubscribe_from_trading_pair("ETH-ZAR")


async def test_no_pairs_no_socket_until_one_comes() -> None:
    async with world() as place:
        await place.started()
        assert not place.server.history
        place.source.add_trading_pair("BTC-ZAR")
        await until(lambda: place.source.has_live_book("BTC-ZAR"))


async def test_symbol_that_is_known_late_is_adopted() -> None:
    connector = SymbolMap()
    connector.symbols.pop("ETHZAR")
    async with world("BTC-ZAR", "ETH-ZAR", connector=connector) as place:
        await until(lambda: place.equal("BTC-ZAR"))
        connector.symbols["ETHZAR"] = "ETH-ZAR"
        await place.started()
        await place.equals("BTC-ZAR", "ETH-ZAR")
        assert len(place.server.history) == 1


class SlowSymbols(SymbolMap):
    """Does not answer while it is asked for a symbol."""

    async def exchange_symbol_associated_to_pair(self, trading_pair: str) -> str:
        if trading_pair not in self.symbols.inverse:
            await asyncio.get_running_loop().create_future()
        return await super().exchange_symbol_associated_to_pair(trading_pair)


async def test_books_are_looked_after_while_a_symbol_is_waited_for() -> None:
    connector = SlowSymbols()
    async with world("BTC-ZAR", connector=connector) as place:
        await place.started()
        assert place.source.shows_book("BTC-ZAR")
        place.source.add_trading_pair("NEW-ZAR")
        await until(lambda: place.source._adopting)
        place.server.answers_pings = False
        await until(lambda: place.empty)
        assert not place.source.shows_book("BTC-ZAR")
        place.server.answers_pings = True
        await place.equals("BTC-ZAR")
        assert place.source.shows_book("BTC-ZAR")
        assert not place.source.shows_book("NEW-ZAR")
        place.source.remove_trading_pair("NEW-ZAR")


async def test_no_symbol_known_yet_means_no_socket_yet() -> None:
    connector = SymbolMap()
    symbols, connector.symbols = connector.symbols, bidict()
    async with world("BTC-ZAR", connector=connector) as place:
        await until(lambda: place.source._pairs and place.source._pairs["BTC-ZAR"].refusal)
        connector.symbols = symbols
        await place.started()
        await place.equals("BTC-ZAR")


class FailingSymbolMap(SymbolMap):
    """Fails as a bug would, as long as ``failing``."""

    failing = True

    async def exchange_symbol_associated_to_pair(self, trading_pair: str) -> str:
        if self.failing and trading_pair != "BTC-ZAR":
            raise RuntimeError("a bug")
        return await super().exchange_symbol_associated_to_pair(trading_pair)


async def test_unexpected_error_is_logged_and_survived(caplog: pytest.LogCaptureFixture) -> None:
    connector = FailingSymbolMap()
    async with world("ETH-ZAR", connector=connector) as place:
        await until(lambda: texts(caplog, "Market data met an unexpected error."))
        connector.failing = False
        await place.started()
        connector.failing = True
        place.source.add_trading_pair("XRP-ZAR")
        await until(lambda: texts(caplog, "The supervision of market data met an unexpected error."))
        connector.failing = False
        await until(lambda: place.source.has_live_book("XRP-ZAR"))


# --- Trades and prices ------------------------------------------------------------------------------------------------
async def test_trades_reach_the_book_once_and_are_remembered(caplog: pytest.LogCaptureFixture) -> None:
    async with world("BTC-ZAR", "ETH-ZAR") as place:
        await place.started()
        assert place.source.last_trade_price("BTC-ZAR") is None
        assert place.source.last_trade_price("NO-SUCH") is None
        await place.server.trade("BTCZAR", id="a", takerSide="sell")
        await place.server.trade("BTCZAR", id="a", price="1")
        await place.server.trade("BTCZAR", id="b", price="oops")
        await place.server.trade("ETHZAR", price="2000.50")
        await place.server.trade("ETHZAR", price="2000.50")
        await until(lambda: place.source.last_trade_price("ETH-ZAR") == Decimal("2000.50"))
        await until(lambda: place.tracker.metrics.total_trades_processed == 2)
        assert place.source.last_trade_price("BTC-ZAR") == Decimal("1001.5")
        assert place.tracker.order_books["BTC-ZAR"].last_trade_price == 1001.5
        assert len(texts(caplog, "a public trade was left out")) == 1


async def test_many_trades_do_not_pile_up_and_strangers_are_left_out() -> None:
    async with world("BTC-ZAR") as place:
        await place.started()
        for number in range(300):
            await place.server.trade("BTCZAR", id=str(number), takerSide="sell")
        await place.server.send_to_all(json.dumps(trade_frame() | {"currencyPairSymbol": "XXXZAR"}))
        await place.server.trade("BTCZAR", id="299", price="1")
        await place.server.trade("BTCZAR", id="last", price="2")
        await until(lambda: place.source.last_trade_price("BTC-ZAR") == 2)
        await until(lambda: place.tracker.metrics.total_trades_processed == 301)
        assert len(place.source._pairs["BTC-ZAR"]._recent_trades) == 256


async def test_trades_do_not_wait_for_the_books_of_other_pairs() -> None:
    async with world("BTC-ZAR", "OLD-ZAR") as place:
        await until(lambda: place.source.has_live_book("BTC-ZAR"))
        for number in range(300):
            await place.server.trade("BTCZAR", id=str(number))
        await until(lambda: place.tracker.metrics.total_trades_rejected == 300)
        assert place.tracker._order_book_trade_stream.empty()
        assert place.source.last_trade_price("BTC-ZAR") == Decimal("1001.5")
        place.server.levels["OLDZAR"] = TradeSocketServer("OLDZAR").levels["OLDZAR"]
        await place.started()
        await place.server.trade("BTCZAR", id="last", price="2")
        await until(lambda: place.tracker.metrics.total_trades_processed == 1)
        assert place.tracker.order_books["BTC-ZAR"].last_trade_price == 2.0


async def test_last_prices_come_from_the_connector() -> None:
    async with world("BTC-ZAR") as place:
        assert await place.source.get_last_traded_prices(["BTC-ZAR"], domain="valr") == {"BTC-ZAR": 7.0}


async def test_hourly_snapshots_are_not_asked_for() -> None:
    async with world("BTC-ZAR") as place:
        output: asyncio.Queue[OrderBookMessage] = asyncio.Queue()
        await place.source._request_order_book_snapshots(output)
        assert output.empty()


# --- Connections ------------------------------------------------------------------------------------------------------
async def test_dropped_socket_is_replaced_and_the_book_is_right_again(caplog: pytest.LogCaptureFixture) -> None:
    async with world("BTC-ZAR", "ETH-ZAR") as place:
        await place.started()
        await place.server.change("BTCZAR", [("990", "3")])
        await place.equals("BTC-ZAR")
        ids = place.tracker.order_books["BTC-ZAR"].last_diff_uid
        await place.server.drop_all()
        await place.server.change("BTCZAR", [("990", "0")])
        await until(lambda: len(place.server.history) == 2)
        await place.equals("BTC-ZAR", "ETH-ZAR")
        assert place.tracker.order_books["BTC-ZAR"].snapshot_uid > ids
        await place.server.change("BTCZAR", [("991", "5")])
        await place.equals("BTC-ZAR")
        assert len(texts(caplog, "The market data socket is down")) == 1


async def test_while_nobody_answers_attempts_go_on_and_the_log_is_quiet(caplog: pytest.LogCaptureFixture) -> None:
    async with world("BTC-ZAR") as place:
        await place.started()
        throttler = place.source._connections._api_factory.throttler
        await place.server.refuse_connections()
        await until(lambda: throttler.used(CONSTANTS.SOCKET_CONNECT_LIMIT_ID) >= 6)
        assert len(texts(caplog, "The market data socket is down")) == 2
        assert len(texts(caplog, "Cannot connect to host")) == 1
        await place.server.accept_connections()
        await place.equals("BTC-ZAR")


async def test_book_is_emptied_while_the_exchange_is_away(caplog: pytest.LogCaptureFixture) -> None:
    async with world("BTC-ZAR") as place:
        await place.started()
        await place.server.refuse_connections()
        await until(lambda: not place.source.has_live_book("BTC-ZAR"))
        assert not place.empty
        await until(lambda: place.empty)
        with pytest.raises(OSError, match="empty"):
            place.tracker.order_books["BTC-ZAR"].get_price(True)
        await place.server.accept_connections()
        await place.equals("BTC-ZAR")
        assert len(texts(caplog, "BTC-ZAR: the order book is stale")) == 1
        assert len(texts(caplog, "BTC-ZAR: the order book is live.")) == 1


async def test_silent_socket_is_doubted_then_replaced(caplog: pytest.LogCaptureFixture) -> None:
    async with world("BTC-ZAR") as place:
        await place.started()
        place.server.answers_pings = False
        await until(lambda: place.empty)
        assert len(place.server.history) == 1
        await until(lambda: texts(caplog, "no frame for 1 s, not even a PONG"))
        place.server.answers_pings = True
        await place.equals("BTC-ZAR")
        assert len(place.server.history) == 2


async def test_quiet_market_is_not_taken_for_a_dead_socket() -> None:
    async with world("BTC-ZAR") as place:
        await place.started()
        pings = lambda: sum(frame["type"] == "PING" for frame in place.server.history[0].received)  # noqa: E731
        await until(lambda: pings() >= 10)
        assert len(place.server.history) == 1
        assert place.equal("BTC-ZAR")


@pytest.mark.parametrize("awakened_by", ["pong", "diff"])
async def test_socket_that_was_silent_for_a_while_brings_the_book_back(awakened_by: str) -> None:
    timing = MarketTiming(quiet_probe=0.1, stale_book_limit=0.3, tick=0.02)
    async with world("BTC-ZAR", timing=timing) as place:
        await place.started()
        place.server.answers_pings = False
        await until(lambda: place.empty)
        if awakened_by == "pong":
            place.server.answers_pings = True
        else:
            await place.server.change("BTCZAR", [("990", "3")])
        await place.equals("BTC-ZAR")
        place.server.answers_pings = False
        await until(lambda: place.empty)
        assert len(place.server.history) == 1
        assert place.server.snapshots_sent["BTCZAR"] == 1


@pytest.mark.parametrize("end", ["pause", "lost", "serve"])
async def test_what_waits_for_the_end_of_a_round_is_shown_at_any_end(end: str) -> None:
    async with world("BTC-ZAR") as place:
        await place.started()
        source, pair, active = place.source, place.source._pairs["BTC-ZAR"], place.source._active
        assert active is not None
        source.on_pause()
        for amount in (3.0, 4.0, 5.0):
            source._put(pair, BookChange(False, {990.0: amount}, {}))
        shown = lambda: dict(place.book("BTC-ZAR")[0])[990.0]  # noqa: E731
        assert shown() == 3.0
        if end == "serve":
            # The book itself is older than what waits; so the last to be shown is not that.
            source.on_serve(active, active)
            assert place.equal("BTC-ZAR")
        else:
            {"pause": source.on_pause, "lost": source.on_lost}[end]()
            assert shown() == 5.0


async def test_lost_subscriptions_mean_a_new_connection(caplog: pytest.LogCaptureFixture) -> None:
    async with world("BTC-ZAR") as place:
        await place.started()
        place.server.says_no_subscriptions = True
        await until(lambda: texts(caplog, "VALR has lost the subscriptions"))
        place.server.says_no_subscriptions = False
        await until(lambda: len(place.server.history) >= 2)
        await place.equals("BTC-ZAR")


async def test_no_subscriptions_is_no_news_before_the_first_book(caplog: pytest.LogCaptureFixture) -> None:
    server = TradeSocketServer("BTCZAR")
    server.withheld_snapshots.add("BTCZAR")
    server.says_no_subscriptions = True
    async with world("BTC-ZAR", server=server) as place:
        await until(lambda: sum(len(client.received) for client in server.history) >= 8)
        server.says_no_subscriptions = False
        server.withheld_snapshots.clear()
        await place.started()
        assert not texts(caplog, "VALR has lost the subscriptions")
        assert not texts(caplog, "socket is down")


async def test_frames_that_make_no_sense_are_survived(caplog: pytest.LogCaptureFixture) -> None:
    async with world("BTC-ZAR") as place:
        await place.started()
        for text in (
            "not JSON",
            "[1, 2]",
            "{}",
            '{"type":["OB_L1_DIFF"]}',
            '{"type":"OB_L1_DIFF","ps":["BTCZAR"],"d":{}}',
            '{"type":"FULL_ORDERBOOK_UPDATE","currencyPairSymbol":"BTCZAR","data":{}}',
            '{"type":"MARK_PRICE_UPDATE","currencyPairSymbol":"BTCZAR","data":{"price":"1"}}',
            '{"type":"MARK_PRICE_UPDATE","currencyPairSymbol":"BTCZAR","data":{"price":"1"}}',
            '{"type":"UNSUBSCRIBED","message":"NEW_TRADE:BTCZAR"}',
            '{"type":"UNSUBSCRIBED"}',
            '{"type":"ERROR","message":"Invalid message - Invalid JSON"}',
            '{"type":"PONG","message":"NO_SUBSCRIPTIONS_OF_THAT_KIND"}',
            '{"type":"SUBSCRIBED","message":"OB_L1_DIFF:BTCZAR"}',
        ):
            await place.server.send_to_all(text)
        await place.server.change("BTCZAR", [("990", "3")])
        await place.equals("BTC-ZAR")
        assert len(place.server.history) == 1
        assert len(texts(caplog, "Frames of type 'MARK_PRICE_UPDATE'")) == 1
        assert len(texts(caplog, "VALR reports on the market data socket: Invalid message")) == 1


async def test_what_valr_repeats_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    reports, kinds = "VALR reports on the market data socket", "Frames of type"
    async with world("BTC-ZAR", timing=replace(QUICK, notice_pause=0.2)) as place:
        await place.started()
        for number in range(60):
            for frame in (
                {"type": "ERROR", "message": "Invalid message"},
                {"type": "ERROR", "message": f"Invalid message {number}"},
                {"type": f"NEWS {number}"},
            ):
                await place.server.send_to_all(json.dumps(frame))
        await place.server.change("BTCZAR", [("990", "3")])
        await place.equals("BTC-ZAR")
        assert len(texts(caplog, kinds)) == 50
        # Each text once, and the repeated one again when a pause is over.
        assert 50 <= len(texts(caplog, reports)) <= 55
        assert len(texts(caplog, f"{reports}: Invalid message 7")) == 1
        place.source._books._before_report.end()
        said = len(texts(caplog, reports))
        await place.server.send_to_all('{"type":"ERROR","message":"Invalid message"}')
        await until(lambda: len(texts(caplog, reports)) == said + 1)


async def test_big_frame_is_read() -> None:
    async with world("BTC-ZAR") as place:
        await place.started()
        await place.server.send_to_all(json.dumps({"type": "PONG", "filling": "x" * 5 * 1024 * 1024}))
        await place.server.change("BTCZAR", [("990", "3")])
        await place.equals("BTC-ZAR")
        assert len(place.server.history) == 1


async def test_frame_beyond_all_measure_costs_the_connection_and_no_more(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CONSTANTS, "MAX_FRAME_SIZE", 100_000)
    async with world("BTC-ZAR") as place:
        await place.started()
        await place.server.send_to_all("x" * 100_001)
        await until(lambda: texts(caplog, "s (ConnectionError: The WS message is too big"))
        await until(lambda: len(place.server.history) == 2)
        await place.server.change("BTCZAR", [("990", "3")])
        await place.equals("BTC-ZAR")
        assert not texts(caplog, "unexpected error")


async def test_handshake_is_signed_and_not_renewed_when_there_are_keys() -> None:
    timing = MarketTiming(anonymous_lifetime=0.1, ping_interval=0.05, quiet_probe=0.05, tick=0.02)
    server = TradeSocketServer("BTCZAR")
    server.greeting = [{"type": "AUTHENTICATED"}]
    async with world("BTC-ZAR", keys=True, timing=timing, server=server) as place:
        await place.started()
        await until(lambda: len(server.history[0].received) >= 8)
        await server.send_to_all('{"type":"ERROR","message":"Invalid message - Invalid JSON"}')
        await place.server.change("BTCZAR", [("990", "3")])
        await place.equals("BTC-ZAR")
        assert len(server.history) == 1
        headers = server.history[0].headers
        assert headers["X-VALR-API-KEY"] == "key"
        assert headers["X-VALR-TIMESTAMP"] == "1700000000000"
        assert len(headers["X-VALR-SIGNATURE"]) == 128


@pytest.mark.parametrize("refusal", ["400", "401", "403", "UNAUTHORIZED", "ERROR"])
async def test_refused_keys_do_not_stop_public_data(refusal: str, caplog: pytest.LogCaptureFixture) -> None:
    server = TradeSocketServer("BTCZAR")
    if refusal.isdigit():
        server.handshake_status = lambda headers: int(refusal) if "X-VALR-API-KEY" in headers else 101
    else:
        server.greeting = [{"type": refusal, "message": "Unauthorized"}]
    async with world("BTC-ZAR", keys=True, server=server) as place:
        await until(lambda: texts(caplog, "VALR refuses the keys on the market data socket"))
        server.greeting = []
        await place.started()
        await place.equals("BTC-ZAR")
        assert "X-VALR-API-KEY" not in server.clients[0].headers


class WrongClock:
    """A clock that is wrong until it is measured; VALR then takes the signature."""

    def __init__(self, offset: float = 3600.0) -> None:
        self.offset = offset
        self.measured = 0

    def __call__(self) -> float:
        return 1_700_000_000.0 - self.offset

    async def measure(self) -> None:
        self.measured += 1
        self.offset = 0.0


async def test_keys_are_not_taken_for_refused_before_the_clock_was_looked_at(caplog: pytest.LogCaptureFixture) -> None:
    server, clock, stamps = TradeSocketServer("BTCZAR"), WrongClock(), list[str]()

    def refuse(headers: dict[str, str]) -> int:
        stamps.append(headers["X-VALR-TIMESTAMP"])
        return 101 if stamps[-1] == "1700000000000" else 401

    server.handshake_status = refuse
    async with world("BTC-ZAR", keys=True, server=server, clock=clock, doubt_clock=clock.measure) as place:
        await place.started()
        assert stamps == ["1699996400000", "1700000000000"]
        assert clock.measured == 1
        assert not texts(caplog, "refuses the keys")


async def test_keys_that_are_refused_with_the_right_clock_are_done_without(caplog: pytest.LogCaptureFixture) -> None:
    server, clock, signed = TradeSocketServer("BTCZAR"), WrongClock(), list[bool]()

    def refuse(headers: dict[str, str]) -> int:
        signed.append("X-VALR-API-KEY" in headers)
        return 403 if signed[-1] else 101

    def accept(headers: dict[str, str]) -> int:
        refuse(headers)
        return 101

    server.handshake_status = refuse
    async with world("BTC-ZAR", keys=True, server=server, clock=clock, doubt_clock=clock.measure) as place:
        await place.started()
        assert signed == [True, True, False]
        assert clock.measured == 1
        assert len(texts(caplog, "VALR refuses the keys on the market data socket")) == 1
        # A connection that has served gives the clock a new chance.
        connections = place.source._connections
        await until(lambda: connections.active and connections.active.socket.age >= QUICK.healthy_lifetime)
        connections._before_keys.end()
        server.handshake_status = accept
        await server.drop_all()
        await until(lambda: len(signed) == 4)
        assert signed[-1]
        assert not connections._is_clock_doubted


@pytest.mark.parametrize("refusal", ["401", "UNAUTHORIZED"])
async def test_keys_that_are_refused_are_tried_again_where_nothing_goes_without_them(
    refusal: str, caplog: pytest.LogCaptureFixture
) -> None:
    server, signed = TradeSocketServer("BTCZAR"), list[bool]()

    def refuse(headers: dict[str, str]) -> int:
        signed.append("X-VALR-API-KEY" in headers)
        accepted = signed == [True, False, True, False, True]
        server.greeting = [] if accepted or refusal.isdigit() else [{"type": refusal, "message": "Unauthorized"}]
        return 101 if accepted or not refusal.isdigit() else int(refusal)

    server.handshake_status = refuse
    async with world("BTC-ZAR", keys=True, server=server, timing=replace(QUICK, reconnect_delay_max=0.2)) as place:
        await place.started()
        assert signed == [True, False, True, False, True]
        assert len(texts(caplog, "VALR refuses the keys on the market data socket")) == 1
        before_keys = place.source._connections._before_keys
        # The pause is the first one, begun once.
        assert before_keys.is_over(asyncio.get_running_loop().time() + QUICK.keys_retry)


async def test_anonymous_socket_that_begins_with_an_error_and_ends_is_signed_the_next_time() -> None:
    server, signed = TradeSocketServer("BTCZAR"), list[bool]()

    def refuse(headers: dict[str, str]) -> int:
        signed.append("X-VALR-API-KEY" in headers)
        server.greeting = [{"type": "ERROR", "message": "Unauthorized"}] if len(signed) < 3 else []
        return 101

    server.handshake_status = refuse
    server.withheld_snapshots.add("BTCZAR")
    async with world("BTC-ZAR", keys=True, server=server) as place:
        await until(lambda: len(signed) == 2 and server.clients)
        await until(lambda: place.source._connections.active)
        await server.drop_all()
        server.withheld_snapshots.clear()
        await place.started()
        assert signed == [True, False, True]


class LateTurns(ValrThrottler):
    """Lets a minute pass before each turn."""

    now = 1_700_000_000.0

    async def acquire(self, limit_id: str) -> None:
        self.now += 60
        await super().acquire(limit_id)


async def test_handshake_is_signed_when_its_turn_has_come() -> None:
    throttler = LateTurns(CONSTANTS.RATE_LIMITS)
    async with world("BTC-ZAR", keys=True, throttler=throttler, clock=lambda: throttler.now) as place:
        await place.started()
        assert place.server.history[0].headers["X-VALR-TIMESTAMP"] == "1700000060000"


async def test_forbidden_anonymous_handshake_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    server = TradeSocketServer("BTCZAR")
    statuses = iter([403, 429])
    server.handshake_status = lambda headers: next(statuses, 101)
    async with world("BTC-ZAR", server=server) as place:
        await place.started()
        await place.equals("BTC-ZAR")
        assert len(texts(caplog, "The market data socket is down after 0 s (WSServerHandshakeError")) == 2
        assert not texts(caplog, "refuses the keys")


# --- Handover of anonymous sockets ------------------------------------------------------------------------------------
SHORT_LIVED = MarketTiming(
    anonymous_lifetime=0.4,
    handover_patience=0.5,
    snapshot_patience=0.2,
    reconnect_delay=0.1,
    first_reconnect_delay=0.02,
    healthy_lifetime=0.3,
    tick=0.02,
)


async def test_anonymous_socket_is_renewed_without_a_gap(caplog: pytest.LogCaptureFixture) -> None:
    async with world("BTC-ZAR", "ETH-ZAR", timing=SHORT_LIVED) as place:
        await place.started()
        step = 0
        while len(place.server.history) < 4:
            step += 1
            await place.server.change("BTCZAR", [("990", f"{step}")])
            await place.server.trade("BTCZAR", id=f"trade-{step}")
            assert place.source.has_live_book("BTC-ZAR")
            await asyncio.sleep(0.005)
        await place.equals("BTC-ZAR", "ETH-ZAR")
        await until(lambda: place.tracker.metrics.total_trades_processed == step)
        assert not texts(caplog, "The market data socket is down")
        assert not texts(caplog, "stale")


async def test_renewal_that_fails_leaves_the_old_socket_at_work(caplog: pytest.LogCaptureFixture) -> None:
    server = TradeSocketServer("BTCZAR")
    server.handshake_status = lambda headers: 101 if not server.history else 503
    async with world("BTC-ZAR", timing=SHORT_LIVED, server=server) as place:
        await place.started()
        await until(lambda: len(texts(caplog, "could not be renewed yet (WSServerHandshakeError")) >= 2)
        await server.change("BTCZAR", [("990", "3")])
        await place.equals("BTC-ZAR")
        server.handshake_status = lambda headers: 101
        await until(lambda: len(server.history) >= 2)
        await place.equals("BTC-ZAR")
        assert not texts(caplog, "The market data socket is down")


async def test_successor_that_is_lost_while_it_catches_up_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    server = TradeSocketServer("BTCZAR")
    async with world("BTC-ZAR", timing=SHORT_LIVED, server=server) as place:
        await place.started()
        server.withheld_snapshots.add("BTCZAR")
        await until(lambda: len(server.clients) == 2)
        await server.clients[1].socket.close()
        server.withheld_snapshots.clear()
        await until(lambda: texts(caplog, "could not be renewed yet (ConnectionError"))
        assert place.source.has_live_book("BTC-ZAR")
        await until(lambda: len(server.history) >= 3)
        await server.change("BTCZAR", [("990", "3")])
        await place.equals("BTC-ZAR")


async def test_old_socket_that_is_lost_during_the_handover_is_replaced_at_once() -> None:
    server = TradeSocketServer("BTCZAR")
    async with world("BTC-ZAR", timing=SHORT_LIVED, server=server) as place:
        await place.started()
        server.withheld_snapshots.add("BTCZAR")
        await until(lambda: len(server.clients) == 2)
        await server.clients[0].socket.close()
        await until(lambda: not place.source.has_live_book("BTC-ZAR"))
        server.withheld_snapshots.clear()
        await place.equals("BTC-ZAR")


async def test_successor_serves_after_its_time_even_if_a_pair_is_missing() -> None:
    server = TradeSocketServer("BTCZAR", "ETHZAR")
    async with world("BTC-ZAR", "ETH-ZAR", timing=SHORT_LIVED, server=server) as place:
        await place.started()
        server.withheld_snapshots.add("ETHZAR")
        await until(lambda: place.source.has_live_book("BTC-ZAR") and not place.source.has_live_book("ETH-ZAR"))
        server.withheld_snapshots.clear()
        await until(lambda: place.source.has_live_book("ETH-ZAR"))
        await place.equals("BTC-ZAR", "ETH-ZAR")


async def test_stop_during_a_handover_closes_both_sockets() -> None:
    server = TradeSocketServer("BTCZAR")
    async with world("BTC-ZAR", timing=SHORT_LIVED, server=server) as place:
        await place.started()
        server.withheld_snapshots.add("BTCZAR")
        await until(lambda: len(server.clients) == 2)


@pytest.mark.parametrize("turns", [1, 2, 3, 5])
async def test_stop_that_comes_twice_leaves_no_connection_open(turns: int) -> None:
    async with world("BTC-ZAR") as place:
        await place.started()
        listener = place.tracker._order_book_stream_listener_task
        for _ in range(2):
            listener.cancel()
            for _ in range(turns):
                await asyncio.sleep(0)
        await asyncio.wait({listener})
        await until(lambda: not place.server.clients)
        assert listener.cancelled()


async def test_tracker_can_be_stopped_and_started_again() -> None:
    async with world("BTC-ZAR") as place:
        await place.started()
        place.tracker.stop()
        await until(lambda: not place.server.clients)
        assert not place.source.has_live_book("BTC-ZAR")
        await place.server.change("BTCZAR", [("990", "3")])
        place.tracker.start()
        await place.started()
        await place.equals("BTC-ZAR")


async def test_both_sockets_are_supervised_during_a_handover(caplog: pytest.LogCaptureFixture) -> None:
    timing = MarketTiming(anonymous_lifetime=0.3, handover_patience=3.0, snapshot_patience=0.2, tick=0.02)
    server = TradeSocketServer("BTCZAR", "ETHZAR")
    async with world("BTC-ZAR", "ETH-ZAR", timing=timing, server=server) as place:
        await place.started()
        server.withheld_snapshots.add("ETHZAR")
        await until(lambda: len(server.clients) == 2 and server.snapshots_sent["BTCZAR"] == 2)
        await server.send(server.clients[1], {"type": "UNSUBSCRIBED", "message": "OB_L1_DIFF:BTCZAR"})
        await until(lambda: server.snapshots_sent["BTCZAR"] >= 3)
        corrupt = server.levels["BTCZAR"].snapshot_frame()
        corrupt["d"]["cs"] ^= 1
        await server.send(server.clients[1], corrupt)
        await until(lambda: texts(caplog, "dropped and asked for afresh (checksum"))
        assert place.source.has_live_book("BTC-ZAR")
        server.withheld_snapshots.clear()
        await until(lambda: len(server.clients) == 1)
        await place.equals("BTC-ZAR", "ETH-ZAR")


async def test_deaf_exchange_does_not_hold_up_the_reconnection(caplog: pytest.LogCaptureFixture) -> None:
    server = TradeSocketServer("BTCZAR")
    server.deaf = True
    async with world("BTC-ZAR", server=server) as place:
        await until(lambda: texts(caplog, "no frame for 1 s"))
        server.deaf = False
        await place.started()
        await place.equals("BTC-ZAR")
        server.release_deaf_clients()


# --- Parts ------------------------------------------------------------------------------------------------------------
def message(kind: OrderBookMessageType, update_id: int, bids: list[tuple[float, float]]) -> OrderBookMessage:
    content = {"trading_pair": "BTC-ZAR", "update_id": update_id, "bids": bids, "asks": []}
    return OrderBookMessage(kind, content, 1.0)


@pytest.mark.parametrize(("book_class", "expected"), [(OrderBook, [1.0, 5.0]), (SequencedOrderBook, [1.0])])
def test_snapshot_is_not_overwritten_by_older_diffs(book_class: type[OrderBook], expected: list[float]) -> None:
    book = book_class()
    old = message(OrderBookMessageType.DIFF, 50, [(99.0, 5.0)])
    book.restore_from_snapshot_and_diffs(message(OrderBookMessageType.SNAPSHOT, 200, [(100.0, 1.0)]), [old])
    assert [row.amount for row in book.bid_entries()] == expected


def test_book_takes_newer_messages_only() -> None:
    book = SequencedOrderBook()
    snapshot = message(OrderBookMessageType.SNAPSHOT, 10, [(100.0, 1.0)])
    newer = message(OrderBookMessageType.DIFF, 11, [(100.0, 2.0)])
    book.restore_from_snapshot_and_diffs(snapshot, [newer])
    assert [row.amount for row in book.bid_entries()] == [2.0]
    book.restore_from_snapshot_and_diffs(message(OrderBookMessageType.SNAPSHOT, 11, []), [])
    stale = message(OrderBookMessageType.DIFF, 11, [(100.0, 0.0)])
    book.apply_diffs(stale.bids, stale.asks, stale.update_id)
    assert [row.amount for row in book.bid_entries()] == [2.0]


class EndedAssistant:
    """A connection that ends without a word, as Hummingbot's does on some closing frames."""

    def __init__(self) -> None:
        self._connection: EndedAssistant | None = self

    async def receive_message(self) -> Any:
        return None

    async def disconnect(self) -> None:
        self._connection = None


async def test_connection_that_ends_without_a_word_is_lost_and_closed() -> None:
    frames: list[dict[str, Any]] = []
    assistant = EndedAssistant()
    socket = MarketSocket(assistant, QUICK, frames.append)
    await asyncio.wait({socket.task})
    assert isinstance(socket.failure(), ConnectionError)
    await socket.close()
    assert assistant._connection is None
    assert not frames


async def test_book_that_is_lost_before_its_reader_wakes_is_waited_for_again() -> None:
    async with world("BTC-ZAR") as place:
        await place.started()
        pair = place.source._pairs["BTC-ZAR"]
        await place.server.refuse_connections()
        await until(lambda: not pair.ready.is_set())
        reader = asyncio.create_task(place.source.get_new_order_book("BTC-ZAR"))
        await asyncio.sleep(0)
        pair.ready.set()
        await until(lambda: not pair.ready.is_set())
        assert not reader.done()
        await place.server.accept_connections()
        assert isinstance(await reader, SequencedOrderBook)


def trade_frame(**fields: Any) -> dict[str, Any]:
    data = {"price": "5", "quantity": "1", "tradedAt": "2024-03-27T12:33:19.918Z", "takerSide": "buy", **fields}
    return {"type": "NEW_TRADE", "currencyPairSymbol": "BTCZAR", "data": data}


def test_trade_without_an_id_gets_one_from_its_fields() -> None:
    assert parse_trade(trade_frame()).trade_id == "2024-03-27T12:33:19.918Z-5-1-buy"
    assert parse_trade(trade_frame(id="x", takerSide="SELL")) == ("x", "BTCZAR", Decimal(5), Decimal(1), TradeType.SELL)


def test_trade_with_the_numbers_of_valrs_pages() -> None:
    assert parse_trade(trade_frame(price="1,360,468", quantity="0,00102078"))[2:4] == (
        Decimal(1360468),
        Decimal("0.00102078"),
    )


@pytest.mark.parametrize(
    "frame",
    [
        {},
        {"data": None},
        {"data": trade_frame()["data"]},
        trade_frame(price="0"),
        trade_frame(price="NaN"),
        trade_frame(quantity="-1"),
        trade_frame(quantity="Infinity"),
        trade_frame(quantity=None),
        trade_frame(takerSide="?"),
        trade_frame(takerSide=None),
        trade_frame(tradedAt=None) | {"currencyPairSymbol": None, "data": {"price": "1"}},
    ],
)
def test_unreadable_trades(frame: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="unreadable trade"):
        parse_trade(frame)
