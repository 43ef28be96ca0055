"""The verified books against an exchange-side book written independently, and against recorded and computed vectors."""

import gc
import json
import sys
import zlib
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hummingbot.connector.exchange.valr.valr_order_book import (
    AggregatedBook,
    BookChange,
    BookError,
    BookFeed,
    ChecksumMismatchError,
    CrossedBookError,
    FullBook,
    L1Book,
    QueuePosition,
    SequenceGapError,
    UnreadableFrameError,
    VerifiedBook,
    book_checksum,
)
from hummingbot.connector.exchange.valr.valr_web_utils import frame_decoder

from .reference_books import SIDES, Entry, ReferenceLevels, ReferenceOrders, documented_checksum

# A busy machine is no finding.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

VECTORS = json.loads((Path(__file__).parent / "vectors" / "checksum.json").read_text())


# --- Checksums --------------------------------------------------------------------------------------------------------
def vector_tokens(side: list[Any]) -> list[str]:
    if side and isinstance(side[0], dict):
        return [f"{order['orderId']}:{order['quantity']}" for level in side for order in level["Orders"]]
    return [f"{price}:{quantity}" for price, quantity in side]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['feed']}-{vector['crc32']}")
def test_checksum_vectors(vector: dict[str, Any]) -> None:
    assert book_checksum(vector_tokens(vector["bids"]), vector_tokens(vector["asks"])) == vector["crc32"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['feed']}-{vector['crc32']}")
def test_books_accept_the_checksum_vectors(vector: dict[str, Any]) -> None:
    if vector["feed"] != "FULL_ORDERBOOK":
        data = {"b": vector["bids"], "a": vector["asks"], "sq": 1, "cs": vector["crc32"]}
        assert L1Book().apply({"type": "OB_L1_SNAPSHOT", "ps": "X", "d": data}) is not None
    if vector["feed"] != "OB_L1":
        data = {"Bids": vector["bids"], "Asks": vector["asks"], "SequenceNumber": 1, "Checksum": vector["crc32"]}
        assert FullBook().apply({"type": "FULL_ORDERBOOK_SNAPSHOT", "data": data}) is not None


levels_of_a_side = st.lists(st.tuples(st.from_regex(r"[0-9]{1,9}", fullmatch=True), st.just("1")), max_size=40)


@unhurried
@given(levels_of_a_side, levels_of_a_side)
def test_checksum_is_the_documented_one(bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> None:
    tokens = [[":".join(level) for level in side[:25]] for side in (bids, asks)]
    assert book_checksum(*tokens) == documented_checksum(bids, asks)


# --- Sessions ---------------------------------------------------------------------------------------------------------
def rows_of(change: BookChange) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    return list(change.bids.items()), list(change.asks.items())


class Follower:
    """What Hummingbot's book does with the changes it is handed."""

    def __init__(self) -> None:
        self.bids: dict[float, float] = {}
        self.asks: dict[float, float] = {}

    def take(self, change: BookChange | None) -> None:
        assert change is not None
        if change.is_snapshot:
            assert list(change.bids) == sorted(change.bids, reverse=True)
            assert list(change.asks) == sorted(change.asks)
            self.bids, self.asks = {}, {}
        for side, rows in ((self.bids, change.bids), (self.asks, change.asks)):
            for price, amount in rows.items():
                if amount:
                    side[price] = amount
                else:
                    side.pop(price, None)

    def rows(self) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        return sorted(self.bids.items(), reverse=True), sorted(self.asks.items())


# The two sides have their own price ranges, so that a book is never crossed; "1", "1.0" and "1.00" are one price.
zeros = st.sampled_from(["", ".0", ".00"])
bid_prices = st.tuples(st.integers(1, 45).map(str), zeros).map("".join)
ask_prices = st.tuples(st.integers(50, 95).map(str), st.sampled_from(["", ".0", ".50", ".5"])).map("".join)
quantities = st.sampled_from(["0", "0", "1", "0.50000000", "0.00000001", "12345.678", "2.0"])
level_changes = st.tuples(
    st.lists(st.tuples(bid_prices, quantities), max_size=8), st.lists(st.tuples(ask_prices, quantities), max_size=8)
)


@unhurried
@given(st.lists(level_changes, max_size=3), st.lists(level_changes, max_size=12))
def test_l1_session_stays_equal_to_the_exchange(start: list[Any], changes: list[Any]) -> None:
    exchange, book, follower = ReferenceLevels("BTCZAR"), L1Book(), Follower()
    for bids, asks in start:
        exchange.change(bids, asks)
    follower.take(book.apply(exchange.snapshot_frame()))
    for bids, asks in changes:
        follower.take(book.apply(exchange.diff_frame(bids, asks)))
        assert follower.rows() == exchange.rows()
        assert rows_of(book.snapshot()) == exchange.rows()
    assert book.verified


def test_an_l1_diff_that_comes_twice_changes_nothing_the_second_time() -> None:
    exchange, book = ReferenceLevels("BTCZAR"), L1Book()
    book.apply(exchange.snapshot_frame())
    for quantity in ("1", "2"):
        frame = exchange.diff_frame([("40", quantity)], [])
        assert book.apply(frame) is not None
        assert book.apply(json.loads(json.dumps(frame))) is None
        assert rows_of(book.snapshot()) == exchange.rows()
    other = frame | {"d": frame["d"] | {"b": [["39", "1"]]}}
    with pytest.raises(SequenceGapError):
        book.apply(other)
    book.apply(exchange.snapshot_frame())
    # The snapshot has it; whether it is the one that this diff led to is not known any more.
    with pytest.raises(SequenceGapError):
        book.apply(frame)


def test_a_full_update_that_comes_twice_changes_nothing_the_second_time() -> None:
    exchange, book = ReferenceOrders("BTCZAR"), FullBook()
    book.apply(exchange.snapshot_frame())
    frame = exchange.update_frame([("Bids", "40", "id-1", "1"), ("Bids", "40", "id-2", "2")])
    assert book.apply(frame) is not None
    assert book.apply(json.loads(json.dumps(frame))) is None
    assert book.queue_position("id-2") == QueuePosition(40.0, 1, Decimal(1))
    data = frame["data"] | {"Asks": [{"Price": "50", "Orders": [{"orderId": "id-3", "quantity": "1"}]}]}
    with pytest.raises(SequenceGapError):
        book.apply(frame | {"data": data})


@unhurried
@given(st.lists(level_changes, min_size=1, max_size=12), st.data())
def test_l1_loss_never_goes_unnoticed(changes: list[Any], data: st.DataObject) -> None:
    exchange, book = ReferenceLevels("BTCZAR"), L1Book()
    book.apply(exchange.snapshot_frame())
    frames = [exchange.diff_frame(bids, asks) for bids, asks in changes]
    lost = data.draw(st.integers(0, len(frames) - 1))
    for frame in frames[:lost]:
        book.apply(frame)
    if lost + 1 < len(frames):
        with pytest.raises(SequenceGapError):
            book.apply(frames[lost + 1])
        assert [book.apply(frame) for frame in frames[lost + 2 :]] == [None] * (len(frames) - lost - 2)
        assert not book.verified
    book.apply(exchange.snapshot_frame())
    assert rows_of(book.snapshot()) == exchange.rows()


@unhurried
@given(st.lists(level_changes, max_size=12))
def test_aggregated_session_shows_the_exchanges_top(changes: list[Any]) -> None:
    exchange, book, follower = ReferenceLevels("BTCZAR"), AggregatedBook(), Follower()
    for bids, asks in changes:
        exchange.change(bids, asks)
        follower.take(book.apply(exchange.aggregated_frame()))
        bid_rows, ask_rows = exchange.rows()
        assert follower.rows() == (bid_rows[:40], ask_rows[:40])


order_ids = st.integers(0, 80).map(lambda number: f"019a2a46-0000-7000-8000-{number:012d}")
order_entries = st.one_of(
    st.tuples(st.just("Bids"), st.sampled_from(["10", "10.0", "9.5", "8", "7"]), order_ids, quantities),
    st.tuples(st.just("Asks"), st.sampled_from(["11", "11.25", "12", "13", "20"]), order_ids, quantities),
)
order_updates = st.lists(order_entries, max_size=30)


@unhurried
@given(order_updates, st.lists(order_updates, max_size=8))
def test_full_session_stays_equal_to_the_exchange(start: list[Entry], updates: list[list[Entry]]) -> None:
    exchange, book, follower = ReferenceOrders("BTCZAR"), FullBook(), Follower()
    exchange.change(start)
    follower.take(book.apply(exchange.snapshot_frame()))
    for update in updates:
        follower.take(book.apply(exchange.update_frame(update)))
        check_full(book, exchange)
    late = FullBook()
    late.apply(exchange.snapshot_frame())
    check_full(late, exchange)


def check_full(book: FullBook, exchange: ReferenceOrders) -> None:
    assert rows_of(book.snapshot()) == (exchange.rows("Bids"), exchange.rows("Asks"))
    for side in SIDES:
        ahead: dict[Decimal, list[Decimal]] = {}
        for _, price, order_id, quantity in exchange.side(side):
            queue = ahead.setdefault(Decimal(price), [])
            expected = QueuePosition(float(price), len(queue), sum(queue, Decimal(0)))
            assert book.queue_position(order_id) == expected
            queue.append(Decimal(quantity))


# --- Rules one by one -------------------------------------------------------------------------------------------------
def l1(kind: str, sequence: Any, bids: list[Any], asks: list[Any], checksum: Any) -> dict[str, Any]:
    return {"type": f"OB_L1_{kind}", "ps": "X", "d": {"lc": 1, "b": bids, "a": asks, "sq": sequence, "cs": checksum}}


def started_l1() -> L1Book:
    book = L1Book()
    bids, asks = [["10", "1"], ["9", "2"]], [["11", "1"]]
    book.apply(l1("SNAPSHOT", 5, bids, asks, documented_checksum([("10", "1"), ("9", "2")], [("11", "1")])))
    return book


def test_price_text_may_change_and_is_taken_into_the_checksum() -> None:
    book = started_l1()
    checksum = documented_checksum([("10.0", "3.10"), ("9", "2")], [("11", "1")])
    assert book.apply(l1("DIFF", 6, [["10.0", "3.10"]], [], checksum)) == BookChange(False, {10.0: 3.1}, {})


def test_prices_are_ordered_as_numbers() -> None:
    book = L1Book()
    asks = [("9.5", "1"), ("10", "1"), ("100", "1"), ("1000000000.5", "1")]
    checksum = documented_checksum([], asks)
    change = book.apply(l1("SNAPSHOT", 1, [], asks[::-1], checksum))
    assert change == BookChange(True, {}, {9.5: 1.0, 10.0: 1.0, 100.0: 1.0, 1000000000.5: 1.0})


def test_diff_before_the_snapshot_changes_nothing() -> None:
    book = L1Book()
    assert book.apply(l1("DIFF", 6, [["10", "3"]], [], 1)) is None
    full = FullBook()
    update = {"type": "FULL_ORDERBOOK_UPDATE", "data": {"Asks": [], "Bids": [], "SequenceNumber": 1, "Checksum": 0}}
    assert full.apply(update) is None
    assert not book.verified
    assert not full.verified


def test_forgotten_book_waits_for_a_snapshot() -> None:
    book = started_l1()
    assert book.verified
    book.forget()
    assert not book.verified
    assert book.apply(l1("DIFF", 6, [["10", "3"]], [], 1)) is None


def test_snapshot_in_any_order_is_taken_row_by_row() -> None:
    bids = [("9", "2"), ("10", "1"), ("8", "1"), ("8.0", "0"), ("9.0", "3"), ("7", "0"), ("6", "0"), ("6", "4")]
    checksum = documented_checksum([("10", "1"), ("9.0", "3"), ("6", "4")], [])
    change = L1Book().apply(l1("SNAPSHOT", 1, bids, [], checksum))
    assert change == BookChange(True, {10.0: 1.0, 9.0: 3.0, 6.0: 4.0}, {})


@pytest.mark.parametrize("sequence", [5, 4, 7, 0])
def test_l1_sequence_must_be_the_next(sequence: int) -> None:
    book = started_l1()
    with pytest.raises(SequenceGapError, match=f"sequence {sequence} came where 6 had to follow") as caught:
        book.apply(l1("DIFF", sequence, [["10", "3"]], [], 1))
    assert (caught.value.expected, caught.value.received) == (6, sequence)
    assert not book.verified


def frames_of_a_session(feed: str) -> tuple[VerifiedBook, list[dict[str, Any]], list[dict[str, Any]]]:
    """A book, the snapshots that could be asked for while an exchange moves on, and the diffs between them."""
    exchange: ReferenceLevels | ReferenceOrders
    if feed == "l1":
        exchange = ReferenceLevels("X")
        exchange.change([("10", "1")], [("11", "1")])
        snapshots = [exchange.snapshot_frame()]
        diffs = []
        for step in range(4):
            diffs.append(exchange.diff_frame([("9", str(step + 1))], []))
            snapshots.append(exchange.snapshot_frame())
        return L1Book(), snapshots, diffs
    exchange = ReferenceOrders("X")
    exchange.change([("Bids", "10", "a", "1"), ("Asks", "11", "b", "1")])
    snapshots, diffs = [exchange.snapshot_frame()], []
    for step in range(4):
        diffs.append(exchange.update_frame([("Bids", "9", f"c{step}", "1")]))
        snapshots.append(exchange.snapshot_frame())
    return FullBook(), snapshots, diffs


@pytest.mark.parametrize("feed", ["l1", "full"])
@pytest.mark.parametrize("proven", [True, False], ids=["the book was there", "the diffs came first"])
def test_a_snapshot_behind_what_was_heard_proves_nothing(feed: str, proven: bool) -> None:
    book, snapshots, diffs = frames_of_a_session(feed)
    if proven:
        book.apply(snapshots[0])
    for diff in diffs[:3]:
        book.apply(diff)
    for old in (snapshots[2], snapshots[1], snapshots[1]):
        with pytest.raises(SequenceGapError):
            book.apply(old)
        assert not book.verified
    assert book.apply(snapshots[3]) is not None
    assert book.apply(diffs[3]) is not None
    assert book.snapshot() == frames_of_a_session(feed)[0].apply(snapshots[4])


@pytest.mark.parametrize("feed", ["l1", "full"])
def test_numbers_that_start_anew_are_believed_once_they_have_moved_on(feed: str) -> None:
    """A gap in what was heard leaves its mark, too: the exchange is that far, whatever came of the frame."""
    book, snapshots, diffs = frames_of_a_session(feed)
    for each in (snapshots[0], diffs[0]):
        book.apply(each)
    with pytest.raises(SequenceGapError):
        book.apply(diffs[3])
    with pytest.raises(SequenceGapError):
        book.apply(snapshots[1])
    assert book.apply(snapshots[2]) is not None
    assert book.apply(diffs[2]) is not None
    assert book.apply(snapshots[3]) is not None
    with pytest.raises(SequenceGapError):
        book.apply(snapshots[0])


def test_checksum_that_differs_is_an_error() -> None:
    book = started_l1()
    with pytest.raises(ChecksumMismatchError) as caught:
        book.apply(l1("DIFF", 6, [["10", "0"]], [], 42))
    assert caught.value.expected == 42
    assert caught.value.computed == documented_checksum([("9", "2")], [("11", "1")])


@pytest.mark.parametrize("bid", ["11", "11.00", "12"])
def test_crossed_or_locked_book_is_an_error(bid: str) -> None:
    book = started_l1()
    checksum = documented_checksum([(bid, "1"), ("10", "1"), ("9", "2")], [("11", "1")])
    with pytest.raises(CrossedBookError) as caught:
        book.apply(l1("DIFF", 6, [[bid, "1"]], [], checksum))
    assert (caught.value.bid, caught.value.ask) == (float(bid), 11.0)
    assert not book.verified


def test_crossed_full_book_is_an_error() -> None:
    exchange, book = ReferenceOrders("X"), FullBook()
    exchange.change([("Bids", "10", "a", "1"), ("Asks", "10.0", "b", "1")])
    with pytest.raises(CrossedBookError):
        book.apply(exchange.snapshot_frame())


@pytest.mark.parametrize(
    ("price", "quantity"),
    [
        ("", "1"),
        ("x", "1"),
        ("-1", "1"),
        ("0", "1"),
        ("0.00", "1"),
        ("1e5", "1"),
        ("1.0000000000000000001", "1"),
        (".5", "1"),
        ("1.2.3", "1"),
        ("1_0", "1"),
        (" 1", "1"),
        ("\u0661", "1"),
        (None, "1"),
        ("10", ""),
        ("10", "x"),
        ("10", "-1"),
        ("10", "nan"),
        ("10", "inf"),
        ("10", True),
        (True, "1"),
        (1e300, "1"),
        ("10", float("nan")),
        ("10", float("inf")),
        ("10", -1),
        ("10", None),
        ("10", []),
    ],
)
def test_unreadable_levels(price: Any, quantity: Any) -> None:
    entry = {"orderId": "a", "quantity": quantity}
    full = {"Bids": [{"Price": price, "Orders": [entry]}], "Asks": [], "SequenceNumber": 1, "Checksum": 0}
    level = {"price": price, "quantity": quantity}
    frames: list[tuple[VerifiedBook, dict[str, Any]]] = [
        (started_l1(), l1("DIFF", 6, [[price, quantity]], [], 1)),
        (FullBook(), {"type": "FULL_ORDERBOOK_SNAPSHOT", "data": full}),
        (
            AggregatedBook(),
            {"type": "AGGREGATED_ORDERBOOK_UPDATE", "data": {"Bids": [level], "Asks": [], "SequenceNumber": 1}},
        ),
    ]
    for book, frame in frames:
        with pytest.raises(UnreadableFrameError):
            book.apply(frame)
        assert not book.verified


@pytest.mark.parametrize(
    "frame",
    [
        {},
        {"type": "OB_L1_DIFF"},
        {"type": "OB_L1_DIFF", "d": None},
        l1("DIFF", "6", [], [], 1),
        l1("DIFF", True, [], [], 1),
        l1("DIFF", 6, [], [], "1"),
        l1("DIFF", 6, [["10"]], [], 1),
        l1("DIFF", 6, [["10", "1", "1"]], [], 1),
        l1("DIFF", 6, [None], [], 1),
        {"type": "OB_L1_DIFF", "d": {"b": [], "sq": 6, "cs": 1}},
    ],
)
def test_unreadable_frames(frame: dict[str, Any]) -> None:
    with pytest.raises(UnreadableFrameError):
        started_l1().apply(frame)


def test_book_errors_are_one_family() -> None:
    for error in (SequenceGapError, ChecksumMismatchError, CrossedBookError, UnreadableFrameError):
        assert issubclass(error, BookError)


def test_full_sequence_counts_order_entries() -> None:
    exchange, book = ReferenceOrders("X"), FullBook()
    exchange.change([("Bids", "10", "a", "1")])
    book.apply(exchange.snapshot_frame())
    frame = exchange.update_frame([("Bids", "10", "b", "2"), ("Bids", "10", "b", "0"), ("Asks", "11", "c", "1")])
    assert book.apply(frame) == BookChange(False, {10.0: 1.0}, {11.0: 1.0})
    exchange.sequence += 1
    with pytest.raises(SequenceGapError):
        book.apply(exchange.update_frame([("Bids", "9", "d", "1")]))
    assert book.queue_position("a") is None


def test_full_checksum_cuts_a_level_in_the_middle() -> None:
    exchange, book = ReferenceOrders("X"), FullBook()
    exchange.change([("Asks", "11", f"order-{number}", f"{number + 1}") for number in range(20)])
    exchange.change([("Asks", "12", f"order-{number}", f"{number + 1}") for number in range(20, 40)])
    book.apply(exchange.snapshot_frame())
    unseen = exchange.update_frame([("Asks", "12", "order-30", "7")])
    seen = exchange.update_frame([("Asks", "12", "order-22", "7")])
    assert unseen["data"]["Checksum"] != seen["data"]["Checksum"]
    book.apply(unseen)
    book.apply(seen)
    assert book.queue_position("order-22") == QueuePosition(12.0, 2, Decimal(43))


Rows = list[tuple[str, str]]
DEEP = [(str(100 - step), "1") for step in range(40)], [(str(101 + step), "1") for step in range(40)]


def entries_of(bids: Rows, asks: Rows) -> list[Entry]:
    """One order a level, named by its price."""
    return [
        (side, price, f"at-{price}", quantity)
        for side, rows in zip(SIDES, (bids, asks), strict=True)
        for price, quantity in rows
    ]


def deep_l1() -> tuple[VerifiedBook, Callable[[Rows, Rows], dict[str, Any]]]:
    exchange, book = ReferenceLevels("X"), L1Book()
    exchange.change(*DEEP)
    book.apply(exchange.snapshot_frame())
    return book, exchange.diff_frame


def deep_full() -> tuple[VerifiedBook, Callable[[Rows, Rows], dict[str, Any]]]:
    exchange, book = ReferenceOrders("X"), FullBook()
    exchange.change(entries_of(*DEEP))
    book.apply(exchange.snapshot_frame())
    return book, lambda bids, asks: exchange.update_frame(entries_of(bids, asks))


def checksum_of(frame: dict[str, Any]) -> tuple[dict[str, Any], str]:
    return (frame["d"], "cs") if "d" in frame else (frame["data"], "Checksum")


deep_books = pytest.mark.parametrize("deep_book", [deep_l1, deep_full])


@deep_books
@pytest.mark.parametrize(
    "changes", [([("60", "5")], []), ([], [("130", "0")]), ([("76", "2")], []), ([], [("101", "0")])]
)
def test_checksum_is_compared_whether_the_top_changed_or_not(deep_book: Any, changes: tuple[Rows, Rows]) -> None:
    book, frame_of = deep_book()
    book.apply(frame_of(*changes))
    wrong = frame_of(*changes)
    data, field = checksum_of(wrong)
    data[field] ^= 1
    with pytest.raises(ChecksumMismatchError):
        book.apply(wrong)


@deep_books
@pytest.mark.parametrize(("changes", "computed"), [(([("60", "5")], []), 0), (([], [("101", "3")]), 1)])
def test_checksum_is_computed_only_when_the_top_changed(
    deep_book: Any, changes: tuple[Rows, Rows], computed: int
) -> None:
    book, frame_of = deep_book()
    frame = frame_of(*changes)
    called = []
    sys.setprofile(lambda _, event, argument: called.append(argument) if event == "c_call" else None)
    try:
        book.apply(frame)
    finally:
        sys.setprofile(None)
    assert called.count(zlib.crc32) == computed


@deep_books
def test_checksum_follows_every_change_near_the_25th_place(deep_book: Any) -> None:
    random = Random(25)
    book, frame_of = deep_book()
    depths = set()
    for _ in range(1500):
        bids, asks = (
            [(str(start + sign * random.randrange(40)), random.choice("001234")) for _ in range(random.randrange(3))]
            for start, sign in ((100, -1), (101, 1))
        )
        book.apply(frame_of(bids, asks))
        depths.update(len(side) for side in book.snapshot()[1:])
    assert min(depths) < 25 < max(depths)


def test_order_that_changes_price_or_side_goes_to_the_end_of_its_new_queue() -> None:
    exchange, book = ReferenceOrders("X"), FullBook()
    exchange.change([("Bids", "10", "a", "1"), ("Bids", "9", "b", "2")])
    book.apply(exchange.snapshot_frame())
    book.apply(exchange.update_frame([("Bids", "9", "a", "1")]))
    assert book.queue_position("a") == QueuePosition(9.0, 1, Decimal(2))
    book.apply(exchange.update_frame([("Asks", "11", "b", "2")]))
    assert book.snapshot() == BookChange(True, {9.0: 1.0}, {11.0: 2.0})


def test_aggregated_frames_may_not_go_back() -> None:
    exchange, book = ReferenceLevels("X"), AggregatedBook()
    exchange.change([("10", "1")], [("11", "1")])
    old = exchange.aggregated_frame()
    exchange.change([("10", "2")], [])
    newest = exchange.aggregated_frame()
    assert book.apply(newest) == BookChange(True, {10.0: 2.0}, {11.0: 1.0})
    assert book.apply(newest) is not None
    assert book.apply(old) is None
    assert book.snapshot() == BookChange(True, {10.0: 2.0}, {11.0: 1.0})
    assert book.apply(old) is None
    with pytest.raises(SequenceGapError):
        book.apply(old)
    assert book.apply(old) is not None


def test_aggregated_levels_are_taken_row_by_row() -> None:
    levels = [("9", "2"), ("10", "1"), ("8", "1"), ("8.0", "0"), ("9.0", "3"), ("7", "0"), ("6", "0"), ("6", "4")]
    rows = [{"price": price, "quantity": quantity} for price, quantity in levels]
    frame = {"type": "AGGREGATED_ORDERBOOK_UPDATE", "data": {"Bids": rows, "Asks": [], "SequenceNumber": 1}}
    assert AggregatedBook().apply(frame) == BookChange(True, {10.0: 1.0, 9.0: 3.0, 6.0: 4.0}, {})


def aggregated(bids: Any, asks: Any, sequence: Any = 1) -> dict[str, Any]:
    sides = {"Bids": bids, "Asks": asks}
    rows = {
        side: [{"price": price, "quantity": quantity} for price, quantity in levels] if levels else levels
        for side, levels in sides.items()
    }
    return {"type": "AGGREGATED_ORDERBOOK_UPDATE", "data": {**rows, "SequenceNumber": sequence}}


def test_aggregated_numbers_are_taken_like_their_text() -> None:
    """Of a frame as it is decoded: a number is the float that its text gives."""
    numbers = aggregated([(86476.12345678901234, 1), (9, 1e-7), ("8", 0)], [(2e5, "1.5")])
    frame = frame_decoder()(json.dumps(numbers))
    change = AggregatedBook().apply(frame)
    assert change == BookChange(True, {float("86476.12345678901234"): 1.0, 9.0: 0.0000001}, {200000.0: 1.5})
    for full in (True, False):
        data = {"Bids": [{"Price": 10, "Orders": [{"orderId": "a", "quantity": "1"}]}], "Asks": []}
        frame = {"type": "FULL_ORDERBOOK_SNAPSHOT", "data": {**data, "SequenceNumber": 1, "Checksum": 0}}
        with pytest.raises(UnreadableFrameError):
            (FullBook() if full else L1Book()).apply(frame if full else l1("SNAPSHOT", 1, [[10, "1"]], [], 1))


def test_aggregated_sequence_may_be_text() -> None:
    book = AggregatedBook()
    assert book.apply(aggregated([("10", "1")], [], "173347")) is not None
    assert book.sequence == 173347
    assert book.apply(aggregated([("10", "2")], [], 173346)) is None
    for sequence in ("", "-1", "1e3", "\u0661", "9" * 31, None):
        with pytest.raises(UnreadableFrameError):
            book.apply(aggregated([("10", "1")], [], sequence))


@pytest.mark.parametrize("side", [None, "", 0, {}])
def test_aggregated_side_that_is_no_list_is_missing_and_not_empty(side: Any) -> None:
    for bids, asks in (([("10", "1")], side), (side, [("10", "1")])):
        with pytest.raises(UnreadableFrameError):
            AggregatedBook().apply(aggregated(bids, asks))


def test_crossed_aggregated_book_is_an_error() -> None:
    exchange, book = ReferenceLevels("X"), AggregatedBook()
    exchange.change([("10", "1")], [("9", "1")])
    with pytest.raises(CrossedBookError):
        book.apply(exchange.aggregated_frame())


def test_a_book_says_whether_a_price_is_among_what_its_feed_shows() -> None:
    exchange, book = ReferenceLevels("X"), AggregatedBook()
    assert book.covers(True, 1.0)
    for step in range(40):
        exchange.change([(str(100 - step), "1")], [(str(101 + step), "1")])
        assert book.covers(False, 1000.0)
        book.apply(exchange.aggregated_frame())
    assert [book.covers(True, price) for price in (60.0, 61.0, 100.5)] == [False, True, True]
    assert [book.covers(False, price) for price in (141.0, 140.0, 100.5)] == [False, True, True]
    assert book.sequence > 0
    assert L1Book().covers(True, 0.1)
    assert L1Book().sequence == -1


@pytest.mark.parametrize(
    ("feed", "event", "fallback", "book"),
    [
        ("full", "FULL_ORDERBOOK_UPDATE", BookFeed.L1, FullBook),
        ("l1", "OB_L1_DIFF", BookFeed.AGGREGATED, L1Book),
        ("aggregated", "AGGREGATED_ORDERBOOK_UPDATE", None, AggregatedBook),
    ],
)
def test_feeds(feed: str, event: str, fallback: BookFeed | None, book: type[VerifiedBook]) -> None:
    assert BookFeed(feed).event == event
    assert BookFeed(feed).fallback is fallback
    assert type(BookFeed(feed).new_book()) is book
    assert event in BookFeed(feed).new_book().frame_types


# --- Recorded frames (valr-api.md 5.3-5.5) ----------------------------------------------------------------------------
def test_recorded_aggregated_frame() -> None:
    frame = {
        "type": "AGGREGATED_ORDERBOOK_UPDATE",
        "currencyPairSymbol": "PYUSDUSDT",
        "data": {
            "Asks": [
                {"side": "sell", "quantity": "495.26", "price": "0.99735", "currencyPair": "PYUSDUSDT", "orderCount": 1}
            ],
            "Bids": [
                {"side": "buy", "quantity": "498.38", "price": "0.99727", "currencyPair": "PYUSDUSDT", "orderCount": 1}
            ],
            "LastChange": "2024-03-27T12:39:52.562Z",
            "SequenceNumber": 173347,
        },
    }
    assert AggregatedBook().apply(frame) == BookChange(True, {0.99727: 498.38}, {0.99735: 495.26})


def test_recorded_excerpts_lack_levels_and_are_refused() -> None:
    frame = l1("SNAPSHOT", 907135, [["86476", "0.0115"]], [["86491", "0.0598"]], 915468303)
    with pytest.raises(ChecksumMismatchError):
        L1Book().apply(frame)


# --- A long run -------------------------------------------------------------------------------------------------------
class SlidingMarket:
    """A market of 30 levels a side that rises by one tick with each frame: prices and order ids never come back."""

    def __init__(self) -> None:
        self.lowest = 1_000_000

    def rows(self) -> tuple[Rows, Rows]:
        bids = [(str(price), str(price % 7 + 1)) for price in range(self.lowest + 29, self.lowest - 1, -1)]
        asks = [(str(price), str(price % 7 + 1)) for price in range(self.lowest + 30, self.lowest + 60)]
        return bids, asks

    def rise(self) -> tuple[Rows, Rows]:
        bids_before, asks_before = self.rows()
        self.lowest += 1
        bids, asks = self.rows()
        return [(bids_before[-1][0], "0"), bids[0]], [(asks_before[0][0], "0"), asks[-1]]

    def l1(self, rows: tuple[Rows, Rows], kind: str) -> dict[str, Any]:
        return l1(kind, self.lowest, *rows, documented_checksum(*self.rows()))

    def full(self, rows: tuple[Rows, Rows], kind: str) -> dict[str, Any]:
        bids, asks = (
            [{"Price": price, "Orders": [{"orderId": f"{side}-{price}", "quantity": text}]} for price, text in levels]
            for side, levels in zip(SIDES, rows, strict=True)
        )
        tokens = [
            [(f"{side}-{price}", text) for price, text in levels]
            for side, levels in zip(SIDES, self.rows(), strict=True)
        ]
        data = {"Bids": bids, "Asks": asks, "SequenceNumber": 4 * self.lowest, "Checksum": documented_checksum(*tokens)}
        return {"type": f"FULL_ORDERBOOK_{'UPDATE' if kind == 'DIFF' else kind}", "data": data}

    def aggregated(self, rows: tuple[Rows, Rows], kind: str) -> dict[str, Any]:
        bids, asks = ([{"price": price, "quantity": text} for price, text in levels] for levels in self.rows())
        data = {"Bids": bids, "Asks": asks, "SequenceNumber": self.lowest}
        return {"type": "AGGREGATED_ORDERBOOK_UPDATE", "data": data}


def fill_the_memory_of_prices() -> None:
    # Far apart: a text that both sides share would take memory once.
    asks = [(str(price), "1") for price in range(2_000_000, 2_020_000)]
    L1Book().apply(l1("SNAPSHOT", 1, [], asks, documented_checksum([], asks)))
    bids = [(str(price), "1") for price in range(3_020_000, 3_000_000, -1)]
    L1Book().apply(l1("SNAPSHOT", 1, bids, [], documented_checksum(bids, [])))


@pytest.mark.parametrize("feed", BookFeed)
def test_memory_of_a_long_run_is_flat(feed: BookFeed) -> None:
    market, book = SlidingMarket(), feed.new_book()
    frame_of = getattr(market, feed)

    def blocks_after(frames: int) -> int:
        for _ in range(frames):
            assert book.apply(frame_of(market.rise(), "DIFF")) is not None
        gc.collect()
        return sys.getallocatedblocks()

    fill_the_memory_of_prices()
    book.apply(frame_of(market.rows(), "SNAPSHOT"))
    settled = blocks_after(200)
    assert blocks_after(4000) < settled + 400
    best_bids, _ = market.rows()
    assert rows_of(book.snapshot())[0][0] == tuple(map(float, best_bids[0]))


# --- Prices that are one float, and one price in several texts --------------------------------------------------------
# Most of these are one float with others; some are one price in several texts.
NASTY_PRICES = [
    *("0.1", "0.10", "0.100000000000000001", "0.100000000000000005", "0.099999999999999999"),
    *("9007199254740992", "9007199254740993", "9007199254740992.5", "9007199254740992.0"),
    *("123456789012345678901234567890", "123456789012345678901234567891"),
    *("0.000000000000000001", "0.000000000000000002", "1", "1.0", "01"),
]
nasty_rows = st.lists(st.tuples(st.sampled_from(NASTY_PRICES), st.sampled_from(["0", "1", "2.50", "0.0"])), max_size=12)


def exact_side(rows: Iterable[tuple[str, str]], *, is_bid: bool) -> list[tuple[str, str]]:
    """What rows leave, by Decimals alone."""
    side: dict[Decimal, tuple[str, str]] = {}
    for price, quantity in rows:
        side.pop(Decimal(price), None)
        if Decimal(quantity):
            side[Decimal(price)] = price, quantity
    return [side[price] for price in sorted(side, reverse=is_bid)]


@unhurried
@given(nasty_rows, st.lists(nasty_rows, max_size=4), st.booleans())
def test_levels_are_ordered_by_exact_prices(start: Rows, changes: list[Rows], is_bid: bool) -> None:
    """Only the true order of the exact prices has the right checksum."""
    book, told, sides = L1Book(), list(start), ("b", "a") if is_bid else ("a", "b")
    for number, rows in enumerate([start, *changes]):
        told += rows if number else []
        left = exact_side(told, is_bid=is_bid)
        checksum = documented_checksum(*((left, []) if is_bid else ([], left)))
        data = dict(zip(sides, (rows, []), strict=True)) | {"sq": number, "cs": checksum}
        change = book.apply({"type": "OB_L1_DIFF" if number else "OB_L1_SNAPSHOT", "d": data})
        assert change is not None
        assert change.is_snapshot or set(change[1 if is_bid else 2]) == {float(price) for price, _ in rows}
    assert book.verified


def test_levels_that_are_one_float_stay_two() -> None:
    one, other = "0.100000000000000001", "0.1"
    assert float(one) == float(other)
    book = L1Book()
    for number, (rows, left) in enumerate(
        [
            ([(one, "1"), (other, "2")], [(other, "2"), (one, "1")]),
            ([(one, "3")], [(other, "2"), (one, "3")]),
            ([("0.10", "4")], [("0.10", "4"), (one, "3")]),
            ([(other, "0")], [(one, "3")]),
        ]
    ):
        data = {"b": [], "a": rows, "sq": number, "cs": documented_checksum([], left)}
        book.apply({"type": "OB_L1_DIFF" if number else "OB_L1_SNAPSHOT", "d": data})
    assert book.verified


@pytest.mark.parametrize(
    "quantity",
    ["1e5", "+1", " 1", "1_0", "nan", "inf", "-1", ".5", ".", "1.5.", "\u0661", "\u00b2", "1,5", "1" * 31, ""],
)
@pytest.mark.parametrize(("place", "count"), [(0, 1), (1, 2), (0, 8), (3, 8), (7, 8)])
def test_a_quantity_that_is_not_plain_is_found_alone_and_among_many(quantity: str, place: int, count: int) -> None:
    book, rows = L1Book(), [[str(price), "1"] for price in range(1, 9)]
    book.apply(
        {"type": "OB_L1_SNAPSHOT", "d": {"b": rows, "a": [], "sq": 1, "cs": documented_checksum(rows[::-1], [])}}
    )
    rows[place] = [rows[place][0], quantity]
    with pytest.raises(UnreadableFrameError):
        book.apply({"type": "OB_L1_DIFF", "d": {"b": rows[:count], "a": [], "sq": 2, "cs": 0}})
    assert not book.verified


@pytest.mark.parametrize("quantity", ["5.", "0.0000000000000000000000000001", "1" * 30, "1" * 30 + ".5", "00", "0.00"])
def test_a_plain_quantity_is_taken_among_many_as_alone(quantity: str) -> None:
    rows = [[str(price), "1"] for price in range(1, 9)]
    changes = []
    for changed in (rows, [["4", quantity]]):
        book = L1Book()
        book.apply({"type": "OB_L1_SNAPSHOT", "d": {"b": [], "a": rows, "sq": 1, "cs": documented_checksum([], rows)}})
        changed = [[price, quantity if price == "4" else "1"] for price, _ in changed]
        left = [[price, quantity if price == "4" else "1"] for price, _ in rows if price != "4" or float(quantity)]
        data = {"b": [], "a": changed, "sq": 2, "cs": documented_checksum([], left)}
        changes.append(book.apply({"type": "OB_L1_DIFF", "d": data}))
    assert [change and change.asks[4.0] for change in changes] == [float(quantity)] * 2
