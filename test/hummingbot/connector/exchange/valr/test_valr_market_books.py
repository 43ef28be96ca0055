"""Doubts, refusals, feeds and pairs that come and go: each costs its own pair only, and each has a way back."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from itertools import count, pairwise
from math import inf
from typing import Any

import pytest

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_market_session import BookLine, GrowingPause, MarketSession
from hummingbot.connector.exchange.valr.valr_market_socket import MarketSocket, MarketTiming
from hummingbot.connector.exchange.valr.valr_order_book import BookFeed
from hummingbot.connector.exchange.valr.valr_order_book_tracker import SequencedOrderBook
from hummingbot.core.data_type.order_book_message import OrderBookMessage
from hummingbot.core.web_assistant.connections.data_types import WSRequest

from .test_valr_api_order_book_data_source import QUICK, SHORT_LIVED, World, texts, world
from .trade_socket_server import Client, TradeSocketServer, until

L1 = CONSTANTS.OB_L1_DIFF
PAIRS = ("BTC-ZAR", "ETH-ZAR", "XRP-ZAR")
MANY = [f"P{number:02}-ZAR" for number in range(50)]
SYMBOLS = [pair.replace("-", "") for pair in MANY]


@pytest.fixture(autouse=True)
def _news_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


class PlainSymbols:
    """An exchange that lists every pair."""

    async def exchange_symbol_associated_to_pair(self, trading_pair: str) -> str:
        return trading_pair.replace("-", "")

    async def get_last_traded_prices(self, trading_pairs: list[str]) -> dict[str, float]:
        return dict.fromkeys(trading_pairs, 7.0)


@asynccontextmanager
async def busy(place: World, *symbols: str) -> AsyncIterator[None]:
    """Change the books of ``symbols`` all the time, with a trade for each change."""

    async def work() -> None:
        for step in count(1):
            for symbol in symbols:
                await place.server.change(symbol, [("980", f"{step}")])
                await place.server.trade(symbol, id=f"{symbol}-{step}")
            await asyncio.sleep(0.002)

    worker = asyncio.create_task(work())
    try:
        yield
        assert not worker.done()
    finally:
        worker.cancel()
        await asyncio.wait({worker})


# --- Only its own pair ------------------------------------------------------------------------------------------------
async def test_busy_pairs_miss_nothing_while_another_is_renewed_over_and_over(caplog: pytest.LogCaptureFixture) -> None:
    async with world(*PAIRS, timing=replace(QUICK, mismatch_memory=0.0)) as place:
        await place.started()
        async with busy(place, "ETHZAR", "XRPZAR"):
            for renewals in range(1, 26):
                await place.lose_a_frame("BTCZAR")
                await until(lambda: place.server.snapshots_sent["BTCZAR"] > renewals)  # noqa: B023
                assert place.source.has_live_book("ETH-ZAR")
                assert place.source.has_live_book("XRP-ZAR")
        await place.equals(*PAIRS)
        assert place.server.snapshots_sent == {"BTCZAR": 26, "ETHZAR": 1, "XRPZAR": 1}
        assert len(texts(caplog, "BTC-ZAR: the order book is dropped")) == 25
        assert not texts(caplog, "ETH-ZAR: the") + texts(caplog, "XRP-ZAR: the")
        for lists in place.server.history[0].subscribe_frames:
            assert lists[L1] in (["BTCZAR", "ETHZAR", "XRPZAR"], ["ETHZAR", "XRPZAR"])


async def test_many_doubts_at_once_share_their_frames() -> None:
    timing = replace(QUICK, subscription_spacing=0.2)
    async with world(*MANY, server=TradeSocketServer(*SYMBOLS), connector=PlainSymbols(), timing=timing) as place:
        await place.started()
        for symbol in SYMBOLS:
            await place.lose_a_frame(symbol)
        await place.equals(*MANY)
        # The first doubt is acted on at once, those of the next moment together.
        assert len(place.server.history[0].subscribe_frames) <= 1 + 2 * 3
        assert sum(place.server.snapshots_sent.values()) == 2 * len(SYMBOLS)


async def test_snapshots_that_come_slowly_are_not_asked_for_twice() -> None:
    server = TradeSocketServer(*SYMBOLS)
    server.snapshot_pause = 0.01
    timing = replace(QUICK, snapshot_patience=0.2)
    async with world(*MANY, server=server, connector=PlainSymbols(), timing=timing) as place:
        await place.started()
        # The server answers in order: after so many pings it has answered all that was asked while it was slow.
        await until(lambda: sum(frame["type"] == "PING" for frame in server.clients[0].received) >= 5)
        assert sum(server.snapshots_sent.values()) == len(SYMBOLS)
        assert len(server.history[0].subscribe_frames) == 1


async def test_doubted_book_is_shown_for_a_moment_and_then_not_at_all(caplog: pytest.LogCaptureFixture) -> None:
    async with world(*PAIRS, timing=replace(QUICK, stale_book_limit=60.0, doubt_limit=0.2)) as place:
        await place.started()
        proven = place.book("BTC-ZAR")
        place.server.withheld_snapshots.add("BTCZAR")
        place.server.corrupted.add((L1, "BTCZAR"))
        await place.server.change("BTCZAR", [("999", "7")])
        await until(lambda: not place.source.has_live_book("BTC-ZAR"))
        assert place.book("BTC-ZAR") == proven
        await until(lambda: place.book("BTC-ZAR") == ([], []))
        assert place.equal("ETH-ZAR")
        place.server.corrupted.clear()
        place.server.withheld_snapshots.clear()
        await place.equals(*PAIRS)
        assert len(texts(caplog, "BTC-ZAR: the order book is stale")) == 1
        assert len(texts(caplog, "BTC-ZAR: the order book is live.")) == 1


async def test_old_snapshot_is_not_shown_as_the_present(caplog: pytest.LogCaptureFixture) -> None:
    async with world("BTC-ZAR", "ETH-ZAR") as place:
        await place.started()
        old = place.server.levels["BTCZAR"].snapshot_frame()
        for amount in ("3", "4", "5"):
            await place.server.change("BTCZAR", [("990", amount)])
        await place.equals("BTC-ZAR")
        await place.server.publish(L1, "BTCZAR", old)
        await until(lambda: place.server.snapshots_sent["BTCZAR"] == 2)
        await place.equals("BTC-ZAR", "ETH-ZAR")
        assert len(texts(caplog, "BTC-ZAR: the order book is dropped and asked for afresh (sequence 1030 came")) == 1
        assert place.source.book_feed("BTC-ZAR") is BookFeed.L1


async def test_snapshot_that_is_older_than_the_first_diffs_is_asked_for_again() -> None:
    server = TradeSocketServer("BTCZAR")
    server.withheld_snapshots.add("BTCZAR")
    async with world("BTC-ZAR", server=server, timing=replace(QUICK, snapshot_patience=5.0)) as place:
        await until(lambda: server.clients and server.clients[0].lists.get(L1))
        late = server.levels["BTCZAR"].snapshot_frame()
        await server.change("BTCZAR", [("990", "3")])
        server.withheld_snapshots.clear()
        await server.publish(L1, "BTCZAR", late)
        await place.started()
        assert place.equal("BTC-ZAR")


async def test_exchange_that_sends_the_same_old_snapshot_for_ever_ends_in_a_simpler_feed() -> None:
    async with world("BTC-ZAR", "ETH-ZAR") as place:
        await place.started()
        stale = place.server.levels["BTCZAR"].snapshot_frame()
        await place.server.change("BTCZAR", [("990", "3")])
        await place.equals("BTC-ZAR")
        place.server.levels["BTCZAR"].snapshot_frame = lambda: stale  # type: ignore[method-assign]
        await place.server.publish(L1, "BTCZAR", stale)
        await until_fallen_back(place)


# --- Stalled books ----------------------------------------------------------------------------------------------------
STALLED = replace(QUICK, stall_lookback=0.05, stall_patience=0.1, stall_pause=60.0)
ALARM = "BTC-ZAR: the order book is dropped and asked for afresh (a public trade does not show in it)"


async def test_book_that_stands_still_while_its_pair_is_traded_is_renewed(caplog: pytest.LogCaptureFixture) -> None:
    async with world(*PAIRS, timing=STALLED) as place:
        await place.started()
        place.server.stalled.add("BTCZAR")
        await asyncio.sleep(STALLED.stall_lookback)
        await place.server.change("BTCZAR", [("999", "7")])
        await place.server.trade("BTCZAR", id="a")
        await place.equals("BTC-ZAR")
        assert len(texts(caplog, ALARM)) == 1
        assert place.server.snapshots_sent == {"BTCZAR": 2, "ETHZAR": 1, "XRPZAR": 1}


async def let_it_stand_still(place: World, number: int, symbol: str = "BTCZAR") -> None:
    """Let a change of a book stay untold, and a trade tell of it."""
    place.server.stalled.add(symbol)
    await asyncio.sleep(STALLED.stall_lookback)
    await place.server.change(symbol, [("999", str(number))])
    await place.server.trade(symbol, id=f"trade {number}")


async def test_alarms_that_were_right_need_no_pause_and_end_in_a_simpler_feed(caplog: pytest.LogCaptureFixture) -> None:
    async with world(*PAIRS, timing=STALLED) as place:
        await place.started()
        for number in (1, 2):
            await let_it_stand_still(place, number)
            await place.equals("BTC-ZAR")
            assert len(texts(caplog, ALARM)) == number
        await let_it_stand_still(place, 3)
        await until(lambda: texts(caplog, "falling back to 'aggregated'"))
        await place.equals(*PAIRS)
        assert texts(caplog, "BTC-ZAR: the order book feed 'l1' stood still again and again; falling back")
        # The simplest feed has no other below it: it goes on being asked for afresh.
        await let_it_stand_still(place, 4)
        await place.equals("BTC-ZAR")
        assert len(texts(caplog, ALARM)) == 4


async def test_book_that_does_not_move_for_an_order_of_ours_is_renewed(caplog: pytest.LogCaptureFixture) -> None:
    async with world(*PAIRS, timing=STALLED) as place:
        await place.started()
        place.server.stalled.add("BTCZAR")
        sent_at = asyncio.get_running_loop().time()
        await place.server.change("BTCZAR", [("999", "7")])
        place.source.expect_change("BTC-ZAR", True, Decimal(999), sent_at)
        await place.equals("BTC-ZAR")
        assert len(texts(caplog, ALARM.replace("a public trade", "an order of ours"))) == 1
        assert place.server.snapshots_sent == {"BTCZAR": 2, "ETHZAR": 1, "XRPZAR": 1}


@pytest.mark.parametrize(
    ("feed", "price", "hears"),
    [
        pytest.param("l1", "999", True, id="a frame came since"),
        pytest.param("aggregated", "900", False, id="worse than all that is shown"),
    ],
)
async def test_order_of_ours_proves_nothing(
    feed: str, price: str, hears: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(*PAIRS, timing=STALLED, book_feed=feed) as place:
        deep = [(str(990 - step), "1") for step in range(40)]
        await place.server.change("BTCZAR", deep)
        await place.started()
        sent_at = asyncio.get_running_loop().time()
        if hears:
            await place.server.change("BTCZAR", [("999", "7")])
            await place.equals("BTC-ZAR")
        place.source.expect_change("BTC-ZAR", True, Decimal(price), sent_at)
        place.source.expect_change("XMR-ZAR", True, Decimal(price), sent_at)
        # When the second alarm comes, the first would have come too.
        await let_it_stand_still(place, 1, "ETHZAR")
        await until(lambda: texts(caplog, ALARM.replace("BTC-ZAR", "ETH-ZAR")))
        assert not texts(caplog, "an order of ours does not show in it")


async def test_false_alarms_are_harmless_and_rare(caplog: pytest.LogCaptureFixture) -> None:
    async with world("BTC-ZAR", "ETH-ZAR", timing=STALLED) as place:
        await place.started()
        for step in range(10):
            await asyncio.sleep(STALLED.stall_lookback)
            await place.server.trade("BTCZAR", id=f"no change {step}")
        await until(lambda: place.server.snapshots_sent["BTCZAR"] == 2)
        # By now the supervision has seen trades of both kinds for longer than its patience.
        await place.server.trade("ETHZAR", id="after a change")
        await place.server.change("ETHZAR", [("1999", "7")])
        await asyncio.sleep(2 * STALLED.stall_patience)
        await place.equals("BTC-ZAR", "ETH-ZAR")
        assert len(texts(caplog, ALARM)) == 1
        assert place.server.snapshots_sent == {"BTCZAR": 2, "ETHZAR": 1}


# --- Quiet books ------------------------------------------------------------------------------------------------------
QUIET = replace(QUICK, quiet_limit=0.3, quiet_pause=0.3, quiet_pause_max=60.0)
STOOD_STILL = "ETH-ZAR: the order book had stood still (no frame for 0 s, and a new connection shows another book)"


async def test_quiet_book_that_stands_still_is_found_by_a_second_connection(caplog: pytest.LogCaptureFixture) -> None:
    async with world(*PAIRS, timing=QUIET) as place:
        await place.started()
        async with busy(place, "BTCZAR", "XRPZAR"):
            for number in (1, 2, 3):
                place.server.stalled.add("ETHZAR")
                await place.server.change("ETHZAR", [("1999", str(number))])
                assert not place.equal("ETH-ZAR")
                await until(lambda: place.equal("ETH-ZAR"))
                # Each alarm was right, so none of them had to wait for a growing pause.
                assert len(texts(caplog, STOOD_STILL)) == number
                assert all(place.source.has_live_book(pair) for pair in PAIRS)
        await place.equals(*PAIRS)
        assert not texts(caplog, "The market data socket is down")
        assert place.source._metrics.counters.books_dropped == place.source._metrics.counters.books_resynced == 3


async def test_quiet_books_that_are_right_are_checked_ever_more_rarely(caplog: pytest.LogCaptureFixture) -> None:
    async with world(*PAIRS, timing=QUIET) as place:
        await place.started()
        started = asyncio.get_running_loop().time()
        async with busy(place, "BTCZAR"):
            await until(lambda: len(place.server.history) == 4 and len(place.server.clients) == 1)
        # After the limit, and then the pauses: 0.3, 0.6 and so on.
        assert asyncio.get_running_loop().time() - started >= 0.3 + 0.3 + 0.6
        await place.equals(*PAIRS)
        assert not texts(caplog, "had stood still")
        assert not texts(caplog, "The market data socket is down")


@pytest.mark.parametrize("seconds", [0, 46])
async def test_only_a_quiet_book_can_have_stood_still(seconds: int, caplog: pytest.LogCaptureFixture) -> None:
    async with world("BTC-ZAR") as place:
        await place.started()
        books, session = place.source._books, place.source._active
        assert session is not None
        # The successor knows of a change that the other will hear of in a moment, or has missed.
        successor = MarketSession(signed=False)
        line = BookLine(place.source._pairs["BTC-ZAR"], inf)
        place.server.levels["BTCZAR"].change([("999", "7")], [])
        line.book.apply(place.server.levels["BTCZAR"].snapshot_frame())
        successor.lines = {"BTCZAR": line}
        session.lines["BTCZAR"].heard_at -= seconds
        books.compare(session, successor)
        assert len(texts(caplog, "BTC-ZAR: the order book had stood still (no frame for")) == (seconds > 0)


async def test_books_that_are_not_quiet_need_no_check() -> None:
    async with world(*PAIRS, timing=QUIET) as place:
        await place.started()
        async with busy(place, "BTCZAR", "ETHZAR", "XRPZAR"):
            await until(lambda: place.source._active.socket.age > 3 * QUIET.quiet_limit)  # type: ignore[union-attr]
        assert len(place.server.history) == 1


def test_pause_grows_up_to_its_longest_and_starts_anew_after_a_calm() -> None:
    pause = GrowingPause(10.0, 30.0)
    now, ends = 100.0, []
    assert pause.is_over(now)
    for _ in range(4):
        pause.begin(now)
        end = next(second for second in count(int(now)) if pause.is_over(second))
        ends.append(end - now)
        now = end
    assert ends == [10, 20, 30, 30]
    pause.begin(now + 31.0)
    assert not pause.is_over(now + 40.0)
    assert pause.is_over(now + 41.0)


# --- Feeds ------------------------------------------------------------------------------------------------------------
ONE_RETRY = replace(QUICK, feed_retry=0.2, feed_retry_max=60.0)


async def until_fallen_back(place: World) -> None:
    await until(lambda: place.source.book_feed("BTC-ZAR") is BookFeed.AGGREGATED)
    await place.equals("BTC-ZAR", "ETH-ZAR")


async def test_better_feed_is_tried_again_after_a_while(caplog: pytest.LogCaptureFixture) -> None:
    server = TradeSocketServer("BTCZAR", "ETHZAR")
    server.corrupted.add((L1, "BTCZAR"))
    async with world("BTC-ZAR", "ETH-ZAR", server=server, timing=ONE_RETRY) as place:
        await place.started()
        await until_fallen_back(place)
        server.corrupted.clear()
        await until(lambda: place.source.book_feed("BTC-ZAR") is BookFeed.L1)
        await until(lambda: place.source.has_live_book("BTC-ZAR"))
        await server.change("BTCZAR", [("990", "3")])
        await place.equals("BTC-ZAR", "ETH-ZAR")
        assert len(texts(caplog, "BTC-ZAR: the order book feed 'l1' is tried again.")) == 1
        assert server.snapshots_sent["ETHZAR"] == 1
        assert server.clients[0].lists[CONSTANTS.AGGREGATED_ORDERBOOK_UPDATE] == []


@pytest.mark.parametrize("trouble", ["corrupted", "unheard", "refused"])
async def test_feed_that_is_still_bad_does_not_flap(trouble: str, caplog: pytest.LogCaptureFixture) -> None:
    server = TradeSocketServer("BTCZAR", "ETHZAR")
    server.corrupted.add((L1, "BTCZAR"))
    async with world("BTC-ZAR", "ETH-ZAR", server=server, timing=replace(ONE_RETRY, feed_retry=0.3)) as place:
        await place.started()
        await until_fallen_back(place)
        server.corrupted.clear()
        getattr(server, trouble).add((L1, "BTCZAR"))
        await until(lambda: len(texts(caplog, "'l1' is tried again")) == 2)
        await until_fallen_back(place)
        first, second = (r.created for r in caplog.records if "'l1' is tried again" in r.getMessage())
        # The pause has doubled.
        assert second - first >= 0.6
        # The trades stay subscribed, whatever the book comes from.
        trades = [lists[CONSTANTS.NEW_TRADE] for lists in server.clients[0].subscribe_frames]
        assert trades == [["BTCZAR", "ETHZAR"]] * len(trades)
        assert server.snapshots_sent["ETHZAR"] == 1


async def test_book_of_the_feed_that_was_left_is_not_shown_while_another_is_waited_for() -> None:
    server = TradeSocketServer("BTCZAR", "ETHZAR")
    server.corrupted.add((L1, "BTCZAR"))
    timing = replace(ONE_RETRY, feed_retry=0.5, stale_book_limit=60.0, doubt_limit=0.2, snapshot_patience=1.0)
    async with world("BTC-ZAR", "ETH-ZAR", server=server, timing=timing) as place:
        await place.started()
        await until_fallen_back(place)
        server.unheard.add((L1, "BTCZAR"))
        await until(lambda: place.source.book_feed("BTC-ZAR") is BookFeed.L1)
        await until(lambda: place.book("BTC-ZAR") == ([], []))
        assert place.source.book_feed("BTC-ZAR") is BookFeed.L1
        await until_fallen_back(place)


async def test_feed_that_valr_refuses_is_replaced_by_a_simpler_one(caplog: pytest.LogCaptureFixture) -> None:
    server = TradeSocketServer("BTCZAR", "ETHZAR")
    server.refused |= {(L1, "BTCZAR"), (CONSTANTS.FULL_ORDERBOOK_UPDATE, "BTCZAR")}
    async with world("BTC-ZAR", "ETH-ZAR", server=server, book_feed="full") as place:
        await place.started()
        await until(lambda: place.equal("BTC-ZAR"))
        assert place.source.book_feed("BTC-ZAR") is BookFeed.AGGREGATED
        assert place.source.book_feed("ETH-ZAR") is BookFeed.FULL
        assert not texts(caplog, "no order book.")


async def test_pair_that_brings_nothing_gets_a_new_connection_and_then_a_simpler_feed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    timing = replace(QUICK, snapshot_patience=0.1, refusal_retry=0.1, stale_book_limit=60.0)
    async with world(*PAIRS, timing=timing) as place:
        await place.started()
        place.server.unheard.add((L1, "BTCZAR"))
        async with busy(place, "ETHZAR", "XRPZAR"):
            await place.lose_a_frame("BTCZAR")
            await until(lambda: place.source.book_feed("BTC-ZAR") is BookFeed.AGGREGATED)
            await until(lambda: place.equal("BTC-ZAR"))
        await place.equals(*PAIRS)
        assert len(place.server.history) == 2
        assert len(texts(caplog, "No order book comes of BTC-ZAR: a new connection is made.")) == 1
        assert len(texts(caplog, "BTC-ZAR: the order book feed 'l1' brings nothing; falling back")) == 1
        assert not texts(caplog, "socket is down") + texts(caplog, "ETH-ZAR") + texts(caplog, "XRP-ZAR")


async def test_socket_that_hears_no_subscription_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    server = TradeSocketServer("BTCZAR", "ETHZAR")
    everything = {(event, symbol) for event in (L1, CONSTANTS.NEW_TRADE) for symbol in server.levels}
    server.unheard |= everything
    server.says_no_subscriptions = True
    timing = replace(QUICK, snapshot_patience=0.1)
    async with world("BTC-ZAR", "ETH-ZAR", server=server, timing=timing) as place:
        await until(lambda: len(server.history) == 2 and len(server.history[1].subscribe_frames) >= 5)
        server.unheard.clear()
        server.says_no_subscriptions = False
        await place.started()
        await place.equals("BTC-ZAR", "ETH-ZAR")
        assert texts(caplog, "No order book comes of BTC-ZAR, ETH-ZAR: a new connection is made.")
        # A simpler feed would not have helped.
        assert place.source.book_feed("BTC-ZAR") is BookFeed.L1


class SilentOnTrades(TradeSocketServer):
    """Confirms no subscription to trades."""

    async def _subscribe(self, client: Client, event: str, symbols: list[str]) -> None:
        if event == CONSTANTS.NEW_TRADE:
            client.lists[event] = symbols
        else:
            await super()._subscribe(client, event, symbols)


async def test_trades_that_come_prove_their_subscription() -> None:
    server = SilentOnTrades("BTCZAR")
    async with world("BTC-ZAR", server=server, timing=replace(QUICK, ping_interval=0.05, refusal_retry=0.1)) as place:
        await place.started()
        await server.trade("BTCZAR", id="a")
        await until(lambda: place.source.last_trade_price("BTC-ZAR"))
        (client,) = server.clients
        asked, heard = len(client.subscribe_frames), len(client.received)
        # As long as it takes to ask for them twice.
        await until(lambda: len(client.received) - heard >= 20)
        assert len(client.subscribe_frames) == asked


async def test_pair_whose_trades_come_gets_a_simpler_feed_whatever_was_confirmed() -> None:
    server = SilentOnTrades("BTCZAR")
    server.unheard.add((L1, "BTCZAR"))
    timing = replace(QUICK, snapshot_patience=0.1, refusal_retry=0.1)
    async with world("BTC-ZAR", server=server, timing=timing) as place:
        async with busy(place, "BTCZAR"):
            await place.started()
        await place.equals("BTC-ZAR")
        assert place.source.book_feed("BTC-ZAR") is BookFeed.AGGREGATED


async def test_neighbour_that_is_renewed_over_and_over_does_not_hold_up_what_is_missing() -> None:
    server = TradeSocketServer("BTCZAR", "ETHZAR")
    server.withheld_snapshots.add("ETHZAR")
    timing = replace(QUICK, neighbours_patience=0.3)
    async with world("BTC-ZAR", "ETH-ZAR", server=server, timing=timing, book_feed="aggregated") as place:
        await until(lambda: place.source.has_live_book("BTC-ZAR"))

        async def flap() -> None:
            for step in count(1):
                server.corrupted.add((CONSTANTS.AGGREGATED_ORDERBOOK_UPDATE, "BTCZAR"))
                await server.change("BTCZAR", [("999", f"{step}")])
                server.corrupted.clear()
                await server.change("BTCZAR", [("999", f"{step}")])
                await asyncio.sleep(0.05)

        flapping = asyncio.create_task(flap())
        server.withheld_snapshots.clear()
        await until(lambda: place.source.has_live_book("ETH-ZAR"))
        flapping.cancel()
        await asyncio.wait({flapping})


# --- Refusals ---------------------------------------------------------------------------------------------------------
async def test_refused_pair_is_left_out_of_the_lists_until_it_is_tried_again() -> None:
    timing = replace(QUICK, refusal_retry=60.0, mismatch_memory=0.0)
    async with world("BTC-ZAR", "OLD-ZAR", "ETH-ZAR", timing=timing) as place:
        await until(lambda: place.source.has_live_book("ETH-ZAR"))
        client = place.server.clients[0]
        await until(lambda: CONSTANTS.AGGREGATED_ORDERBOOK_UPDATE in client.lists)
        await until(lambda: client.subscribe_frames[-1].get(CONSTANTS.AGGREGATED_ORDERBOOK_UPDATE) == [])
        before = len(client.subscribe_frames)
        await place.lose_a_frame("BTCZAR")
        await until(lambda: place.server.snapshots_sent["BTCZAR"] == 2)
        for lists in client.subscribe_frames[before:]:
            assert all("OLDZAR" not in symbols for symbols in lists.values())


async def test_pair_that_is_refused_after_it_was_live_is_out_of_use(caplog: pytest.LogCaptureFixture) -> None:
    every_feed = {(feed.event, "BTCZAR") for feed in BookFeed}
    async with world(*PAIRS, timing=replace(QUICK, refusal_retry=0.3)) as place:
        await place.started()
        place.server.refused |= every_feed
        await place.lose_a_frame("ETHZAR")
        await until(lambda: not place.source.has_live_book("BTC-ZAR"))
        await until(lambda: place.book("BTC-ZAR") == ([], []))
        await place.equals("ETH-ZAR", "XRP-ZAR")
        await until(lambda: len(texts(caplog, "BTC-ZAR: no order book. VALR refuses it")) == 1)
        await place.server.change("BTCZAR", [("990", "3")])
        place.server.refused.clear()
        await place.equals(*PAIRS)
        assert place.source.book_feed("BTC-ZAR") is BookFeed.L1
        assert place.server.snapshots_sent["XRPZAR"] == 1


async def test_a_feed_that_is_refused_once_is_asked_for_once_more(caplog: pytest.LogCaptureFixture) -> None:
    server = TradeSocketServer("BTCZAR", "ETHZAR")
    server.refused.add((CONSTANTS.OB_L1_DIFF, "BTCZAR"))
    async with world("BTC-ZAR", "ETH-ZAR", server=server, timing=replace(QUICK, second_try=0.3)) as place:
        await until(lambda: place.source.has_live_book("ETH-ZAR"))
        await until(lambda: place.source._active_line(place.source._pairs["BTC-ZAR"]).snapshot.refused)
        server.refused.clear()
        await place.started()
        await place.equals("BTC-ZAR", "ETH-ZAR")
        assert place.source.book_feed("BTC-ZAR") is BookFeed.L1
        assert not texts(caplog, "falling back")
        assert server.snapshots_sent["ETHZAR"] == 1


async def test_a_feed_that_is_refused_twice_is_given_up_with_a_word(caplog: pytest.LogCaptureFixture) -> None:
    server = TradeSocketServer("BTCZAR")
    server.refused.add((CONSTANTS.OB_L1_DIFF, "BTCZAR"))
    async with world("BTC-ZAR", server=server) as place:
        await place.started()
        assert place.source.book_feed("BTC-ZAR") is BookFeed.AGGREGATED
        (said,) = texts(caplog, "falling back to 'aggregated'")
        assert said.startswith("BTC-ZAR: the order book feed 'l1' is not to be had (VALR refuses it: ")


async def test_a_pair_that_is_refused_altogether_is_told_once_however_often_it_is_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = TradeSocketServer("BTCZAR", "ETHZAR")
    server.refused |= {(feed.event, "BTCZAR") for feed in BookFeed}
    async with world("BTC-ZAR", "ETH-ZAR", server=server, timing=replace(QUICK, refusal_retry=0.05)) as place:
        await until(lambda: server.clients and len(server.clients[0].subscribe_frames) >= 12)
        assert len(texts(caplog, "BTC-ZAR: no order book. VALR refuses it")) == 1
        assert len(texts(caplog, "falling back")) == 1
        counts = place.source._metrics.incidents
        assert sum("comes from the feed" in incident.text for incident in counts) <= 1
        server.refused.clear()
        await place.started()
        # Whichever feed's turn it was.
        await until(lambda: place.source.book_feed("BTC-ZAR") is BookFeed.L1)
        await place.equals("BTC-ZAR", "ETH-ZAR")


async def test_refused_trades_do_not_harm_the_book_and_are_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    server = TradeSocketServer("BTCZAR", "ETHZAR")
    server.refused.add((CONSTANTS.NEW_TRADE, "BTCZAR"))
    async with world("BTC-ZAR", "ETH-ZAR", server=server, timing=replace(QUICK, refusal_retry=0.2)) as place:
        await place.started()
        await place.equals("BTC-ZAR", "ETH-ZAR")
        await until(lambda: len(server.clients[0].subscribe_frames) >= 4)
        assert len(texts(caplog, "BTC-ZAR: no public trades. VALR refuses it")) == 1
        server.refused.clear()
        await until(lambda: server.clients[0].lists[CONSTANTS.NEW_TRADE] == ["BTCZAR", "ETHZAR"])
        assert server.snapshots_sent == {"BTCZAR": 1, "ETHZAR": 1}


# --- Pairs at run time ------------------------------------------------------------------------------------------------
def assert_nothing_left(place: World, trading_pair: str) -> None:
    source = place.source
    assert trading_pair not in place.tracker.order_books
    assert trading_pair not in source._trading_pairs
    assert trading_pair not in source._pairs
    assert source.last_trade_price(trading_pair) is None
    assert not source.has_live_book(trading_pair)
    assert source.queue_position(trading_pair, "id") is None
    assert source.book_feed(trading_pair) is BookFeed.L1
    for session in source._connections.sessions:
        assert trading_pair.replace("-", "") not in session.lines


async def test_pair_that_is_added_twice_at_once_is_added_once(caplog: pytest.LogCaptureFixture) -> None:
    async with world("BTC-ZAR") as place:
        await place.started()
        results = await asyncio.gather(*(place.tracker.add_trading_pair("ETH-ZAR") for _ in range(3)))
        assert sorted(results) == [False, False, True]
        assert len(texts(caplog, "ETH-ZAR is being added already.")) == 2
        assert not await place.tracker.add_trading_pair("ETH-ZAR")
        assert await place.source.subscribe_to_trading_pair("ETH-ZAR")
        await place.server.change("ETHZAR", [("1999", "9")])
        await place.equals("BTC-ZAR", "ETH-ZAR")


@pytest.mark.parametrize("end", ["removed", "cancelled"])
async def test_pair_that_leaves_while_its_snapshot_is_on_its_way_leaves_nothing(
    end: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with world("BTC-ZAR") as place:
        await place.started()
        place.server.withheld_snapshots.add("ETHZAR")
        joining = asyncio.create_task(place.tracker.add_trading_pair("ETH-ZAR"))
        lists = place.server.clients[0].lists
        await until(lambda: lists[L1] == ["BTCZAR", "ETHZAR"])
        if end == "removed":
            assert await place.source.unsubscribe_from_trading_pair("ETH-ZAR")
            assert not await joining
        else:
            joining.cancel()
            await asyncio.wait({joining})
        assert not texts(caplog, "Error adding trading pair")
        assert_nothing_left(place, "ETH-ZAR")
        await until(lambda: lists[L1] == lists[CONSTANTS.NEW_TRADE] == ["BTCZAR"])
        place.server.withheld_snapshots.clear()
        assert await place.tracker.add_trading_pair("ETH-ZAR")
        await place.equals("BTC-ZAR", "ETH-ZAR")
        assert place.server.snapshots_sent["BTCZAR"] == 1


async def test_pair_that_returns_at_once_starts_anew() -> None:
    async with world("BTC-ZAR", "ETH-ZAR") as place:
        await place.started()
        await place.server.trade("ETHZAR", id="a", price="5")
        await until(lambda: place.source.last_trade_price("ETH-ZAR"))
        old_id = place.tracker.order_books["ETH-ZAR"].snapshot_uid
        assert await place.tracker.remove_trading_pair("ETH-ZAR")
        assert_nothing_left(place, "ETH-ZAR")
        # The exchange has not heard of the removal yet: frames of the old subscription are still on their way.
        await place.server.change("ETHZAR", [("1999", "9")])
        assert await place.tracker.add_trading_pair("ETH-ZAR")
        assert place.source.last_trade_price("ETH-ZAR") is None
        assert place.tracker.order_books["ETH-ZAR"].snapshot_uid > old_id
        await place.server.change("ETHZAR", [("1998", "9")])
        await place.equals("BTC-ZAR", "ETH-ZAR")
        await until(lambda: place.source.has_live_book("ETH-ZAR"))
        assert place.server.snapshots_sent["BTCZAR"] == 1


async def test_pair_cannot_join_while_the_exchange_is_away_and_leaves_nothing() -> None:
    async with world("BTC-ZAR", timing=replace(QUICK, snapshot_patience=0.1)) as place:
        await place.started()
        await place.server.refuse_connections()
        assert not await place.tracker.add_trading_pair("ETH-ZAR")
        assert_nothing_left(place, "ETH-ZAR")
        await place.server.accept_connections()
        await place.equals("BTC-ZAR")


async def test_book_of_a_pair_that_was_removed_is_not_waited_for() -> None:
    async with world("BTC-ZAR", "ETH-ZAR") as place:
        await place.started()
        place.server.withheld_snapshots.add("ETHZAR")
        await place.lose_a_frame("ETHZAR")
        await until(lambda: not place.source.has_live_book("ETH-ZAR"))
        reader = asyncio.create_task(place.source.get_new_order_book("ETH-ZAR"))
        await asyncio.sleep(0)
        await place.source.unsubscribe_from_trading_pair("ETH-ZAR")
        with pytest.raises(LookupError, match="ETH-ZAR is not tracked"):
            await reader


async def test_fifty_pairs_join_a_busy_one_at_once_and_leave_again() -> None:
    server = TradeSocketServer("BTCZAR", *SYMBOLS)
    async with world("BTC-ZAR", server=server, connector=PlainSymbols()) as place:
        await place.started()
        async with busy(place, "BTCZAR"):
            assert all(await asyncio.gather(*map(place.tracker.add_trading_pair, MANY)))
            await place.equals(*MANY)
            assert len(server.clients[0].subscribe_frames) <= 3
            assert all(await asyncio.gather(*map(place.tracker.remove_trading_pair, MANY)))
            assert place.source.has_live_book("BTC-ZAR")
        await place.equals("BTC-ZAR")
        for pair in MANY:
            assert_nothing_left(place, pair)
        assert server.snapshots_sent["BTCZAR"] == 1


# --- Connections ------------------------------------------------------------------------------------------------------
async def test_troubles_and_changes_of_pairs_during_handovers_cost_nobody_else_anything(
    caplog: pytest.LogCaptureFixture,
) -> None:
    timing = replace(SHORT_LIVED, mismatch_memory=0.0, subscription_spacing=0.02)
    async with world("BTC-ZAR", "ETH-ZAR", timing=timing) as place:
        await place.started()
        async with busy(place, "ETHZAR"):
            while len(place.server.history) < 4:
                await place.lose_a_frame("BTCZAR")
                assert await place.tracker.add_trading_pair("XRP-ZAR")
                await place.equals("XRP-ZAR")
                assert place.source.has_live_book("ETH-ZAR")
                assert await place.tracker.remove_trading_pair("XRP-ZAR")
                assert place.source.has_live_book("ETH-ZAR")
        await place.equals("BTC-ZAR", "ETH-ZAR")
        sent = int(place.server.trades_sent["ETHZAR"])
        await until(lambda: place.tracker.metrics.per_pair_metrics["ETH-ZAR"].trades_processed == sent)
        assert not texts(caplog, "ETH-ZAR: the") + texts(caplog, "socket is down")


@pytest.mark.parametrize("refused", ["at once", "after a retry"])
async def test_pair_that_the_successor_refuses_is_served_until_the_old_socket_ends(refused: str) -> None:
    timing = replace(SHORT_LIVED, refusal_retry=60.0 if refused == "at once" else 0.1)
    async with world("BTC-ZAR", "ETH-ZAR", timing=timing) as place:
        await place.started()
        place.server.refused |= {(feed.event, "BTCZAR") for feed in BookFeed}
        async with busy(place, "BTCZAR", "ETHZAR"):
            await until(lambda: len(place.server.clients) == 2)
            successor = place.server.clients[1]
            await until(lambda: any(lists[L1] == ["ETHZAR"] for lists in successor.subscribe_frames if L1 in lists))
            if refused == "after a retry":
                await until(lambda: any(L1 in lists for lists in successor.subscribe_frames[2:]))
            assert place.source.has_live_book("BTC-ZAR")
            assert place.source.book_feed("BTC-ZAR") is BookFeed.L1
            await until(lambda: not place.source.has_live_book("BTC-ZAR"))
            assert place.source.has_live_book("ETH-ZAR")
            place.server.refused.clear()
            if refused == "after a retry":
                await until(lambda: place.source.has_live_book("BTC-ZAR"))
        await place.equals("ETH-ZAR")


async def test_refused_keys_are_tried_again_at_a_later_connection(caplog: pytest.LogCaptureFixture) -> None:
    server = TradeSocketServer("BTCZAR")
    server.handshake_status = lambda headers: 401 if "X-VALR-API-KEY" in headers else 101
    timing = replace(SHORT_LIVED, keys_retry=0.3)
    async with world("BTC-ZAR", keys=True, timing=timing, server=server) as place:
        await place.started()
        await until(lambda: len(texts(caplog, "VALR refuses the keys")) >= 2)
        assert place.source.has_live_book("BTC-ZAR")
        server.handshake_status = lambda headers: 101
        await until(lambda: server.clients and "X-VALR-API-KEY" in server.clients[-1].headers)
        await until(lambda: len(server.clients) == 1)
        await server.change("BTCZAR", [("990", "3")])
        await place.equals("BTC-ZAR")


async def test_successor_that_brings_fewer_books_does_not_take_over(caplog: pytest.LogCaptureFixture) -> None:
    timing = replace(QUICK, snapshot_patience=0.1, handover_patience=0.3, stale_book_limit=60.0)
    server = TradeSocketServer("BTCZAR", "ETHZAR")
    async with world("BTC-ZAR", "ETH-ZAR", timing=timing, server=server) as place:
        await place.started()
        server.withheld_snapshots |= {"BTCZAR", "ETHZAR"}
        await place.lose_a_frame("BTCZAR")
        await until(lambda: texts(caplog, "could not be renewed yet (ConnectionError: it brings fewer books)"))
        assert place.source.has_live_book("ETH-ZAR")
        server.withheld_snapshots.clear()
        await server.change("ETHZAR", [("1999", "9")])
        await place.equals("ETH-ZAR")


class MuteAssistant:
    """A connection into which nothing goes and out of which nothing comes."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self._connection = self

    async def receive_message(self) -> Any:
        await asyncio.get_running_loop().create_future()

    async def send(self, request: WSRequest) -> None:
        if self.failure:
            raise self.failure
        await asyncio.get_running_loop().create_future()

    async def disconnect(self) -> None:
        return


@pytest.mark.parametrize(
    ("failure", "reason"), [(None, "not even a PONG"), (RuntimeError("WS is not connected."), "WS is not connected.")]
)
async def test_connection_that_takes_nothing_is_lost(failure: Exception | None, reason: str) -> None:
    timing = MarketTiming(ping_interval=0.01, quiet_probe=0.01, silence_limit=0.2, tick=0.01)
    socket = MarketSocket(MuteAssistant(failure), timing, lambda frame: None)
    socket.subscribe({L1: ["BTCZAR"]})
    await asyncio.wait({socket.task}, timeout=5)
    lost = socket.failure()
    assert isinstance(lost, ConnectionError)
    assert reason in str(lost)
    await socket.close()


class FramesAtHand(MuteAssistant):
    """A connection that brings what it is given, at once if it is there already."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.gathered: list[float] = []

    async def receive_message(self) -> Any:
        return await self.frames.get()

    @staticmethod
    def decode(message: Any) -> Any:
        return message

    def let_gather(self, seconds: float) -> None:
        self.gathered.append(seconds)


async def test_the_reader_says_when_it_has_read_what_was_at_hand() -> None:
    heard: list[str] = []
    connection = FramesAtHand()
    for kind in ("a", "b", "c"):
        connection.frames.put_nowait({"type": kind})
    socket = MarketSocket(connection, QUICK, lambda frame: heard.append(frame["type"]), lambda: heard.append("pause"))
    await until(lambda: heard == ["a", "b", "c", "pause"])
    connection.frames.put_nowait({"type": "d"})
    await until(lambda: heard == ["a", "b", "c", "pause", "d", "pause"])
    await socket.close()


async def test_the_reader_lets_frames_gather_while_they_are_many() -> None:
    read: list[str] = []
    connection = FramesAtHand()
    socket = MarketSocket(connection, QUICK, lambda frame: read.append(frame["type"]))

    async def bring(count: int) -> None:
        before = len(read)
        for _ in range(count):
            connection.frames.put_nowait({"type": "PONG"})
        await until(lambda: len(read) == before + count)

    await bring(1)
    assert not connection.gathered
    while not connection.gathered:
        await bring(10)
    assert set(connection.gathered) == {0.001}
    assert len(read) > 100
    await asyncio.sleep(0.2)
    connection.gathered.clear()
    await bring(1)
    await asyncio.sleep(0)
    assert not connection.gathered
    await socket.close()


async def test_a_change_of_a_book_waits_for_no_tick() -> None:
    async with world("BTC-ZAR", timing=replace(QUICK, tick=20.0)) as place:
        await place.started()
        for amount in ("3", "4", "5"):
            await place.server.change("BTCZAR", [("990", amount)])
            await until(lambda: place.equal("BTC-ZAR"))


async def test_a_failure_nobody_asked_for_is_no_news_after_the_close() -> None:
    socket = MarketSocket(MuteAssistant(RuntimeError("lost")), replace(QUICK, ping_interval=0.01), lambda frame: None)
    socket.subscribe({L1: ["BTCZAR"]})
    await asyncio.wait({socket.task}, timeout=5)
    # What asyncio looks at when a task goes: whether anybody has asked how it ended.
    assert socket.task._log_traceback
    await socket.close()
    assert not socket.task._log_traceback


# --- What Hummingbot gets ---------------------------------------------------------------------------------------------
class Heard(asyncio.Queue[OrderBookMessage]):
    """A queue that nobody empties: what was put in, by pair."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: defaultdict[str, list[OrderBookMessage]] = defaultdict(list)

    def put_nowait(self, item: OrderBookMessage) -> None:
        self.messages[item.trading_pair].append(item)


async def test_ids_and_timestamps_grow_through_every_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    timing = replace(QUICK, feed_retry=60.0)
    async with world("BTC-ZAR", "ETH-ZAR", timing=timing) as place:
        await place.started()
        await place.leave_the_queue_alone()
        queue = Heard()
        listener = asyncio.create_task(place.source.listen_for_order_book_diffs(asyncio.get_running_loop(), queue))
        await asyncio.sleep(0)
        mine = queue.messages["BTC-ZAR"]
        clock = count(2_000_000_000, -1)
        monkeypatch.setattr("time.time", lambda: float(next(clock)))
        server, live = place.server, lambda: place.source.has_live_book("BTC-ZAR")
        await server.change("BTCZAR", [("990", "3")])
        # Each step is heard before the next one: what comes together may be told as one.
        await until(lambda: mine)
        await server.drop_all()
        await until(lambda: not live())
        await until(lambda: live() and len(mine) >= 2)
        server.corrupted.add((L1, "BTCZAR"))
        await server.change("BTCZAR", [("990", "4")])
        await until(lambda: place.source.book_feed("BTC-ZAR") is BookFeed.AGGREGATED and live() and len(mine) >= 3)
        await place.source.unsubscribe_from_trading_pair("BTC-ZAR")
        server.corrupted.clear()
        assert await place.source.subscribe_to_trading_pair("BTC-ZAR")
        await server.refuse_connections()
        await until(lambda: not live())
        stale = place.source._pairs["BTC-ZAR"]
        await until(lambda: stale.emptied)
        monkeypatch.undo()
        await server.accept_connections()
        await until(lambda: live() and len(mine) >= 6)
        for earlier, later in pairwise(mine):
            assert later.update_id > earlier.update_id
            assert later.timestamp >= earlier.timestamp
        listener.cancel()
        await asyncio.wait({listener})


class FaultyBook(SequencedOrderBook):
    """Takes no diff while ``refuses_diffs``, and no levels at all while ``refuses_all``."""

    refuses_diffs = refuses_all = False

    def apply_diffs(self, bids: Any, asks: Any, update_id: int) -> None:
        if self.refuses_diffs:
            raise RuntimeError("a bug")
        super().apply_diffs(bids, asks, update_id)

    def apply_snapshot(self, bids: Any, asks: Any, update_id: int) -> None:
        if self.refuses_all and bids:
            raise RuntimeError("a bug")
        super().apply_snapshot(bids, asks, update_id)


@pytest.mark.parametrize("is_fed", [True, False], ids=["fed", "through the queue"])
async def test_book_that_lacks_a_change_is_out_of_use_and_shown_anew(
    is_fed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with world("BTC-ZAR", "ETH-ZAR", timing=replace(QUICK, show_pause=0.1)) as place:
        place.source.order_book_create_function = FaultyBook
        await place.started()
        book = place.tracker.order_books["BTC-ZAR"]
        book.refuses_diffs = True
        if not is_fed:
            place.source._take = None
        await place.server.change("BTCZAR", [("990", "3")])
        await until(lambda: not place.source.has_live_book("BTC-ZAR"))
        await until(lambda: place.book("BTC-ZAR") == ([], []))
        assert place.source.has_live_book("ETH-ZAR")
        # Nothing more changes: the supervision brings it back.
        await place.equals("BTC-ZAR", "ETH-ZAR")
        assert place.source.has_live_book("BTC-ZAR")
        book.refuses_diffs = False
        await place.server.change("BTCZAR", [("990", "4")])
        await place.equals("BTC-ZAR")
        assert len(texts(caplog, "BTC-ZAR: a message of the order book could not be applied.")) == 1
        assert place.server.snapshots_sent == {"BTCZAR": 1, "ETHZAR": 1}


async def test_book_that_cannot_be_shown_stays_out_of_use_and_is_tried_ever_more_rarely(
    caplog: pytest.LogCaptureFixture,
) -> None:
    timing = replace(QUICK, show_pause=0.1, show_pause_max=0.4)
    async with world("BTC-ZAR", "ETH-ZAR", timing=timing) as place:
        place.source.order_book_create_function = FaultyBook
        await place.started()
        book = place.tracker.order_books["BTC-ZAR"]
        book.refuses_diffs = book.refuses_all = True
        began = asyncio.get_running_loop().time()
        async with busy(place, "BTCZAR", "ETHZAR"):
            await until(lambda: len(texts(caplog, "BTC-ZAR: a message of the order book could not be applied.")) == 4)
            # After the first three: 0.1, 0.2 and 0.4 s.
            assert asyncio.get_running_loop().time() - began >= 0.7
            assert place.book("BTC-ZAR") == ([], [])
            assert not place.source.has_live_book("BTC-ZAR")
            assert place.source.has_live_book("ETH-ZAR")
            book.refuses_diffs = book.refuses_all = False
            await until(lambda: place.source.has_live_book("BTC-ZAR"))
        await place.equals("BTC-ZAR", "ETH-ZAR")


async def test_trade_that_cannot_be_read_is_said_once_until_one_can(caplog: pytest.LogCaptureFixture) -> None:
    async with world("BTC-ZAR") as place:
        await place.started()
        for trade_id, side in (("a", "?"), ("b", "?"), ("c", "SELL"), ("d", "")):
            await place.server.trade("BTCZAR", id=trade_id, takerSide=side)
        await until(lambda: len(texts(caplog, "BTC-ZAR: a public trade was left out")) == 2)
        await until(lambda: place.tracker.metrics.total_trades_processed == 1)


def test_limits_keep_their_order() -> None:
    timing = MarketTiming()
    assert 3 * timing.quiet_probe < timing.silence_limit
    assert timing.doubt_limit < timing.stale_book_limit < timing.silence_limit
    assert timing.anonymous_lifetime + timing.handover_patience < 15 * 60
