"""Messages that are ready for the book have the rows Hummingbot would make of them, and come to it by a short way."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from hummingbot.connector.exchange.valr.valr_order_book import BookChange
from hummingbot.connector.exchange.valr.valr_order_book_tracker import (
    LentRows,
    PromptOrderBookTracker,
    ReadyMessage,
    SequencedOrderBook,
    TakeChange,
)
from hummingbot.core.data_type.composite_order_book import CompositeOrderBook
from hummingbot.core.data_type.order_book import OrderBook
from hummingbot.core.data_type.order_book_message import OrderBookMessage, OrderBookMessageType
from hummingbot.core.data_type.order_book_row import OrderBookRow
from hummingbot.core.data_type.order_book_tracker_data_source import OrderBookTrackerDataSource
from test.hummingbot.connector.exchange.valr.trade_socket_server import until


def test_rows_are_hummingbots() -> None:
    content = {"trading_pair": "BTC-ZAR", "update_id": 7, "bids": [(1.5, 2.0), (1.25, 0.0)], "asks": []}
    ready, plain = (kind(OrderBookMessageType.DIFF, content, 1.0) for kind in (ReadyMessage, OrderBookMessage))
    assert (ready.bids, ready.asks) == (plain.bids, plain.asks)
    assert [type(row) for row in ready.bids] == [type(row) for row in plain.bids]
    assert (ready.bids[0].price, ready.bids[0].amount, ready.bids[0].update_id) == (1.5, 2.0, 7)


def test_lent_rows_do_to_a_book_what_hummingbots_do() -> None:
    lent, lenders = SequencedOrderBook(), (LentRows(), LentRows())
    made = SequencedOrderBook()
    diffs: list[tuple[list[tuple[float, float]], list[tuple[float, float]]]] = [
        ([(2.0, 1.0), (1.0, 5.0), (0.5, 7.0)], [(3.0, 1.0)]),
        ([(1.0, 0.0)], [(4.0, 2.5), (3.0, 0.0), (5.0, 1.0), (6.0, 1.0)]),
        ([], []),
        ([(1.5, 3.0), (0.5, 8.0)], []),
    ]
    for number, sides in enumerate(diffs, start=1):
        lent.apply_diffs(*(rows.lend(side, number) for rows, side in zip(lenders, sides, strict=True)), number)
        made.apply_diffs(*([OrderBookRow(*level, number) for level in side] for side in sides), number)
        for entries in ("bid_entries", "ask_entries"):
            assert list(getattr(lent, entries)()) == list(getattr(made, entries)())
    assert [row.update_id for row in lent.bid_entries()] == [1, 4, 4]


class Source(OrderBookTrackerDataSource):
    """Has the same book for every pair, once it is told to."""

    def __init__(self, book: Callable[[], OrderBook] = SequencedOrderBook) -> None:
        super().__init__(["BTC-ZAR"])
        self.order_book_create_function = book
        self.is_there = asyncio.Event()
        self.take: TakeChange | None = None
        self.unapplied: list[str] = []

    def on_unapplied(self, trading_pair: str) -> None:
        self.unapplied.append(trading_pair)

    @contextmanager
    def feeding(self, take: TakeChange) -> Iterator[None]:
        self.take = take
        try:
            yield
        finally:
            self.take = None

    async def get_last_traded_prices(self, trading_pairs: list[str], domain: str | None = None) -> dict[str, float]:
        return dict.fromkeys(trading_pairs, 1.0)

    async def listen_for_subscriptions(self) -> None:
        pass

    async def _order_book_snapshot(self, trading_pair: str) -> OrderBookMessage:
        await self.is_there.wait()
        return message(OrderBookMessageType.SNAPSHOT, 5, [(100.0, 1.0)])

    async def subscribe_to_trading_pair(self, trading_pair: str) -> bool:
        return True

    async def unsubscribe_from_trading_pair(self, trading_pair: str) -> bool:
        return True


def message(
    kind: OrderBookMessageType, update_id: int, bids: list[tuple[float, float]], pair: str = "BTC-ZAR"
) -> OrderBookMessage:
    return ReadyMessage(kind, {"trading_pair": pair, "update_id": update_id, "bids": bids, "asks": []}, 1.0)


async def test_messages_are_applied_in_their_order_and_none_twice(caplog: pytest.LogCaptureFixture) -> None:
    """What came before the book is in it already; a message that cannot be applied costs nothing but itself."""
    source = Source()
    tracker = PromptOrderBookTracker(source, ["BTC-ZAR"])
    tracker.start()
    stream = tracker._order_book_diff_stream
    diff, snapshot = OrderBookMessageType.DIFF, OrderBookMessageType.SNAPSHOT
    stream.put_nowait(message(diff, 4, [(101.0, 1.0)]))
    await asyncio.sleep(0)
    source.is_there.set()
    await tracker.wait_ready()
    book = tracker.order_books["BTC-ZAR"]
    for each in (
        message(diff, 5, [(102.0, 1.0)]),
        message(diff, 6, [(103.0, 1.0)]),
        message(diff, 7, [("no price", 1.0)]),  # type: ignore[list-item]
        OrderBookMessage(diff, {"trading_pair": "BTC-ZAR", "update_id": 8}, 1.0),
        message(diff, 8, [(104.0, 1.0)], pair="ETH-ZAR"),
        message(diff, 9, [(99.0, 2.0)]),
    ):
        stream.put_nowait(each)
    await until(lambda: book.last_diff_uid == 9)
    assert [(row.price, row.amount) for row in book.bid_entries()] == [(103.0, 1.0), (100.0, 1.0), (99.0, 2.0)]
    stream.put_nowait(message(snapshot, 10, [(98.0, 1.0)]))
    await until(lambda: book.snapshot_uid == 10)
    assert [row.price for row in book.bid_entries()] == [98.0]
    assert "BTC-ZAR: a message of the order book could not be applied" in caplog.text
    assert source.unapplied == ["BTC-ZAR"]
    assert "A message of the order books could not be read" in caplog.text
    counts = tracker.metrics.per_pair_metrics["BTC-ZAR"]
    assert counts.diffs_processed == tracker.metrics.total_diffs_processed == 3
    assert counts.diffs_rejected == tracker.metrics.total_diffs_rejected == 1
    tracker.stop()


class Halting(Source):
    """Has the books of some pairs only; who waits for a pair that was removed learns it."""

    def __init__(self, *there: str) -> None:
        super().__init__()
        self.there = {pair: asyncio.Event() for pair in ("BTC-ZAR", "ETH-ZAR", "XRP-ZAR")}
        for pair in there:
            self.there[pair].set()
        self.removed: set[str] = set()

    def has_live_book(self, trading_pair: str) -> bool:
        return self.there[trading_pair].is_set()

    async def _order_book_snapshot(self, trading_pair: str) -> OrderBookMessage:
        await self.there[trading_pair].wait()
        if trading_pair in self.removed:
            raise LookupError(trading_pair)
        return message(OrderBookMessageType.SNAPSHOT, 5, [(100.0, 1.0)], trading_pair)


async def test_a_pair_of_which_nothing_comes_does_not_hold_up_the_others(caplog: pytest.LogCaptureFixture) -> None:
    source = Halting("BTC-ZAR")
    tracker = PromptOrderBookTracker(source, list(source.there))
    tracker.patience = 0.05
    tracker.start()
    await tracker.wait_ready()
    assert "No order book of ETH-ZAR, XRP-ZAR has come; the other pairs are traded without it." in caplog.text
    late = tracker.order_books["ETH-ZAR"]
    assert list(late.bid_entries()) == list(late.ask_entries()) == []
    assert source.take is not None
    source.take("ETH-ZAR", BookChange(True, {200.0: 1.0}, {201.0: 2.0}), 9)
    assert [row.price for row in late.bid_entries()] == [200.0]
    tracker.stop()


async def test_without_any_book_nothing_begins() -> None:
    source = Halting()
    tracker = PromptOrderBookTracker(source, ["BTC-ZAR", "ETH-ZAR"])
    tracker.patience = 0.0
    tracker.start()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await tracker.wait_ready()
    source.removed.add("ETH-ZAR")
    source.there["ETH-ZAR"].set()
    source.there["BTC-ZAR"].set()
    await tracker.wait_ready()
    assert list(tracker.order_books) == ["BTC-ZAR"]
    tracker.stop()


async def test_a_book_that_comes_as_patience_ends_is_not_taken_for_missing() -> None:
    """Its snapshot has been handed on already: an empty book in its place would begin with the next change."""
    source = Halting("BTC-ZAR")
    tracker = PromptOrderBookTracker(source, ["BTC-ZAR", "ETH-ZAR"])
    waiting = asyncio.create_task(tracker._init_order_book("ETH-ZAR"))
    await asyncio.sleep(0)
    source.there["ETH-ZAR"].set()
    missing = {waiting: "ETH-ZAR"}
    tracker._begin_without(missing)
    assert missing == {waiting: "ETH-ZAR"}
    assert await waiting
    assert [row.price for row in tracker.order_books["ETH-ZAR"].bid_entries()] == [100.0]


async def test_what_the_source_feeds_is_in_the_book_at_once_until_the_tracker_stops() -> None:
    source = Source()
    tracker = PromptOrderBookTracker(source, ["BTC-ZAR"])
    source.is_there.set()
    for _ in range(2):
        tracker.start()
        await tracker.wait_ready()
        await asyncio.sleep(0)
        book = tracker.order_books["BTC-ZAR"]
        assert source.take is not None
        source.take("BTC-ZAR", BookChange(False, {101.0: 2.0}, {102.0: 3.0}), 6)
        assert [(row.price, row.amount) for row in book.bid_entries()] == [(101.0, 2.0), (100.0, 1.0)]
        assert [(row.price, row.amount) for row in book.ask_entries()] == [(102.0, 3.0)]
        source.take("ETH-ZAR", BookChange(False, {1.0: 1.0}, {}), 7)
        source.take("BTC-ZAR", BookChange(True, {99.0: 1.0}, {}), 8)
        assert [row.price for row in book.bid_entries()] == [99.0]
        assert not list(book.ask_entries())
        tracker.stop()
        await until(lambda: source.take is None)


@pytest.mark.parametrize("book_class", [SequencedOrderBook, CompositeOrderBook, OrderBook])
async def test_a_book_of_any_kind_takes_what_is_newer_only(book_class: Callable[[], OrderBook]) -> None:
    source = Source(book_class)
    tracker = PromptOrderBookTracker(source, ["BTC-ZAR"])
    source.is_there.set()
    tracker.start()
    await tracker.wait_ready()
    await until(lambda: source.take is not None)
    book, take = tracker.order_books["BTC-ZAR"], source.take
    assert take is not None
    shown = []
    for change, update_id in (
        (BookChange(True, {98.0: 1.0}, {}), 5),
        (BookChange(True, {99.0: 1.0}, {101.0: 1.0}), 7),
        (BookChange(False, {97.0: 1.0}, {}), 6),
        (BookChange(False, {96.0: 1.0}, {101.0: 0.0}), 8),
        (BookChange(True, {95.0: 1.0}, {}), 8),
        (BookChange(True, {}, {}), 9),
    ):
        take("BTC-ZAR", change, update_id)
        shown.append([row.price for row in (*book.bid_entries(), *book.ask_entries())])
    assert shown == [[100.0], [99.0, 101.0], [99.0, 101.0], [99.0, 96.0], [99.0, 96.0], []]
    tracker.stop()
