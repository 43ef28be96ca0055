"""The connector's books against a truthful exchange: equal after every frame, no single fault goes unnoticed.

``book_sessions`` draws stories of a market and tapes them for a feed, ``book_faults`` spoils one frame of a tape, and
``book_witness`` holds the book against the truth. ``BOOK_EXAMPLES`` sets how many stories are told for each property
and feed, ``BOOK_SEED`` which. With ``--hypothesis-show-statistics`` pytest shows how often each fault ended how.

The default run of all ``test_book_*`` takes about 20 s on one core, twice that under coverage: each of its stories is
told with every kind of fault.
"""

import json
import os
from collections.abc import Callable
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, seed, settings
from hypothesis import strategies as st

from hummingbot.connector.exchange.valr.valr_order_book import (
    BookChange,
    BookError,
    BookFeed,
    ChecksumMismatchError,
    FullBook,
    VerifiedBook,
)

from .book_faults import FAULTS, LAYOUTS, Fault, FaultKind, deliver, slots
from .book_sessions import (
    AGGREGATED,
    ASKS,
    BIDS,
    FEEDS,
    FULL,
    L1,
    PROFILES,
    SIDES,
    Json,
    Market,
    Story,
    Tape,
    checksum,
    record,
    stories,
)
from .book_witness import Trial, Verdict, Witness, follow

EXAMPLES = int(os.environ.get("BOOK_EXAMPLES", "40"))
SEED = int(os.environ.get("BOOK_SEED", "0"))

VECTORS = json.loads((Path(__file__).parent / "vectors" / "checksum.json").read_text())


def proven(share: float = 1) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a property over its share of the examples, the same ones each time."""

    def run(test: Callable[..., None]) -> Callable[..., None]:
        settled = settings(
            max_examples=max(1, int(share * EXAMPLES)),
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        return seed(SEED)(settled(test))

    return run


# --- Equal to the exchange --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("feed", FEEDS)
def test_book_is_the_exchanges_after_every_frame(feed: str) -> None:
    @proven()
    @given(stories(30))
    def told(story: Story) -> None:
        follow(record(story, feed))

    told()


# --- No fault goes unnoticed ------------------------------------------------------------------------------------------
REFUSED = {Verdict.AT_ONCE}
# A level or order beyond the best 25 of its side is in no checksum: it is refused when it comes among them, or it goes
# before that. Until then everything among the best 25 is right.
BEYOND = {Verdict.COVERED, Verdict.PASSED}
HARMLESS = {Verdict.HARMLESS}

# What the checksum and the sequence of L1 and FULL promise alike.
PROMISES_OF_DIFFS = {
    # A lost snapshot leaves no book. A snapshot that comes again, or late, is refused if it is behind what was heard.
    FaultKind.LOST: {Verdict.NEXT, Verdict.NO_BOOK},
    FaultKind.DOUBLED: REFUSED | HARMLESS | {Verdict.NEXT},
    FaultKind.LATE: REFUSED | HARMLESS | {Verdict.NEXT},
    # A snapshot's sequence is believed; the diff that follows shows it.
    FaultKind.SEQUENCE: REFUSED | {Verdict.NEXT},
    FaultKind.CHECKSUM: REFUSED,
    FaultKind.SIDE_MISSING: REFUSED,
    FaultKind.TRUNCATED: REFUSED,
    # Harmless is what says the same in other words, and what nobody reads, such as the time of the last change.
    FaultKind.QUANTITY_TEXT: REFUSED | HARMLESS | {Verdict.COVERED},
    FaultKind.VALUE_TYPE: REFUSED | HARMLESS | BEYOND | {Verdict.NEXT},
    FaultKind.FIELD_MISSING: REFUSED | HARMLESS | BEYOND,
    FaultKind.FRAME_TYPE: REFUSED | HARMLESS | BEYOND | {Verdict.NO_BOOK},
    FaultKind.LEVEL_REMOVED: REFUSED | BEYOND,
}

PROMISES: dict[str, dict[FaultKind, set[Verdict]]] = {
    L1: PROMISES_OF_DIFFS
    | {
        FaultKind.PRICE: REFUSED | BEYOND,
        FaultKind.PRICE_TEXT: REFUSED | HARMLESS | {Verdict.COVERED},
        FaultKind.QUANTITY: REFUSED | BEYOND,
        FaultKind.SIDE_EMPTIED: REFUSED | BEYOND,
        FaultKind.SIDES_SWAPPED: REFUSED | BEYOND,
        FaultKind.LEVEL_DOUBLED: HARMLESS,
        FaultKind.LEVELS_REVERSED: HARMLESS,
    },
    FULL: PROMISES_OF_DIFFS
    | {
        # The checksum of FULL covers ids and quantities, not prices: a wrong price is only refused where it changes the
        # order of the orders or crosses the book. It goes with its orders.
        FaultKind.PRICE: REFUSED | HARMLESS | BEYOND | {Verdict.UNPROVEN},
        FaultKind.PRICE_TEXT: HARMLESS,
        # Harmless in an order that comes and goes in the same message, or that nobody knows.
        FaultKind.QUANTITY: REFUSED | HARMLESS | BEYOND,
        FaultKind.ORDER_ID: REFUSED | HARMLESS | BEYOND,
        FaultKind.ORDER_ID_TAKEN: REFUSED | HARMLESS | BEYOND,
        FaultKind.SIDE_EMPTIED: REFUSED,
        # An order's end is its end on whichever side it is told.
        FaultKind.SIDES_SWAPPED: REFUSED | HARMLESS | BEYOND | {Verdict.UNPROVEN},
        # The sequence counts the entries of an update; a snapshot may repeat itself.
        FaultKind.LEVEL_DOUBLED: REFUSED | HARMLESS,
        # Harmful where an order occurs twice in the message.
        FaultKind.LEVELS_REVERSED: REFUSED | HARMLESS | BEYOND,
        FaultKind.ORDERS_REVERSED: REFUSED | HARMLESS | BEYOND,
    },
    # No checksum: an altered frame is believed for as long as it is the newest. That is one frame, since each is the
    # whole book. Refused is what cannot be read or is crossed.
    AGGREGATED: {
        FaultKind.LOST: HARMLESS,
        FaultKind.DOUBLED: HARMLESS,
        FaultKind.LATE: HARMLESS,
        FaultKind.PRICE: REFUSED | {Verdict.PASSED},
        FaultKind.PRICE_TEXT: HARMLESS,
        FaultKind.QUANTITY: {Verdict.PASSED},
        FaultKind.QUANTITY_TEXT: HARMLESS,
        # Lower: left out as older. Higher: the true ones seem older, and the third of them starts the book again.
        FaultKind.SEQUENCE: HARMLESS | {Verdict.RESTARTED},
        FaultKind.SIDE_MISSING: REFUSED,
        FaultKind.SIDE_EMPTIED: {Verdict.PASSED},
        FaultKind.SIDES_SWAPPED: REFUSED | {Verdict.PASSED},
        FaultKind.LEVEL_REMOVED: {Verdict.PASSED},
        FaultKind.LEVEL_DOUBLED: HARMLESS,
        FaultKind.LEVELS_REVERSED: HARMLESS,
        FaultKind.VALUE_TYPE: REFUSED | HARMLESS | {Verdict.PASSED},
        FaultKind.FIELD_MISSING: REFUSED | HARMLESS | {Verdict.PASSED},
        FaultKind.TRUNCATED: REFUSED | HARMLESS,
    },
}


@pytest.mark.parametrize("feed", FEEDS)
def test_no_single_fault_goes_unnoticed(feed: str) -> None:
    """Each fault is refused as the table promises, or the book is right; after a new snapshot it is right again.

    Right means equal to the truth of the frame that the book took last, at every frame: all levels, and in FULL every
    order in its queue. Harmless is a fault after which the book stays right to the end without a refusal. Where a fault
    is beyond what the feed proves, the book is held to what it does prove (``Trial``) until the fault is refused or
    gone.
    """

    @proven()
    @given(stories(20), FAULTS)
    def told(story: Story, faults: tuple[Fault, ...]) -> None:
        recording = record(story, feed)
        for fault in faults:
            delivery = deliver(feed, recording.main, fault)
            if delivery is not None:
                verdict = Trial(recording, delivery).run()
                event(f"{feed}: {fault.kind.value}: {verdict}")
                assert verdict in PROMISES[feed][fault.kind], fault

    told()


class Deep:
    """A market with one order at each of so many prices a side, the best next to 1291722, and a book that has it."""

    def __init__(self, feed: str, levels: int) -> None:
        self.market = Market(PROFILES[0])
        for distance in range(levels):
            self.place(BIDS, distance)
            self.place(ASKS, distance)
        self.tape = Tape(feed, self.market)
        self.witness = Witness(feed)
        self.witness.accepted(self.tape.snapshot())

    @property
    def book(self) -> VerifiedBook:
        book: VerifiedBook = self.witness.book
        return book

    def place(self, side: str, distance: int) -> str:
        order_id = self.market.new_id()
        step = distance + 1 if side == ASKS else -distance - 1
        self.market.rest(side, self.market.profile.centre + step, order_id, Decimal("0.5"))
        return order_id

    def told(self) -> Json:
        frame = self.tape.message()
        assert frame is not None
        return frame.content

    def take_best_bid(self) -> Json:
        self.market.reduce(BIDS, 0, Decimal(0))
        return self.told()


@pytest.mark.parametrize("feed", [L1, FULL])
def test_what_no_checksum_covers_is_refused_when_it_comes_among_the_best_25(feed: str) -> None:
    deep = Deep(feed, 30)
    deep.market.reduce(BIDS, 27, Decimal("0.25"))
    frame = deep.told()
    data = frame[LAYOUTS[feed].data]
    if feed == L1:
        data["b"][0][1] = "0.26"
    else:
        data["Bids"][0]["Orders"][0]["quantity"] = "0.26"
    change = deep.book.apply(frame)
    assert change == BookChange(False, {1291694.0: 0.26}, {})
    # It is the 28th level: two go from above it, and it still is not among the 25.
    for _ in range(2):
        deep.book.apply(deep.take_best_bid())
        deep.witness.check_covered(deep.market.truth())
    with pytest.raises(ChecksumMismatchError):
        deep.book.apply(deep.take_best_bid())
    assert not deep.book.verified
    deep.witness.accepted(deep.tape.snapshot())
    deep.witness.check(deep.market.truth())


@pytest.mark.parametrize(("altered", "refused"), [("1291716.5", False), ("1291717.5", True)])
def test_a_wrong_price_in_full_is_refused_only_where_orders_change_places(altered: str, refused: bool) -> None:
    deep = Deep(FULL, 8)
    deep.market.reduce(BIDS, 5, Decimal(0))
    deep.book.apply(deep.told())
    order_id = deep.place(BIDS, 5)
    frame = deep.told()
    assert frame["data"]["Bids"][0]["Price"] == "1291716"
    frame["data"]["Bids"][0]["Price"] = altered
    if refused:
        with pytest.raises(ChecksumMismatchError):
            deep.book.apply(frame)
        return
    deep.book.apply(frame)
    assert isinstance(deep.book, FullBook)
    assert deep.book.queue_position(order_id) == (1291716.5, 0, Decimal(0))
    # No checksum covers the price, and the true one is not told again: it is gone when the order is.
    deep.market.reduce(BIDS, 5, Decimal(0))
    deep.book.apply(deep.told())
    deep.witness.check(deep.market.truth())


@pytest.mark.parametrize("feed", [L1, FULL])
def test_a_lone_order_on_the_wrong_side_is_refused_with_the_next(feed: str) -> None:
    """Short sides are skipped in the checksum, so that of a lone token is the same on both sides."""
    deep = Deep(feed, 0)
    deep.place(BIDS, 0)
    frame = deep.told()
    bids, asks = LAYOUTS[feed].sides
    data = frame[LAYOUTS[feed].data]
    data[bids], data[asks] = data[asks], data[bids]
    assert deep.book.apply(frame) == BookChange(False, {}, {1291721.0: 0.5})
    deep.place(BIDS, 1)
    with pytest.raises(BookError):
        deep.book.apply(deep.told())


def test_an_altered_aggregated_frame_is_believed_until_the_next() -> None:
    deep = Deep(AGGREGATED, 2)
    deep.place(BIDS, 5)
    frame = deep.told()
    frame["data"]["Bids"][0]["quantity"] = "7"
    change = deep.book.apply(frame)
    assert change is not None
    assert next(iter(change.bids.items())) == (1291721.0, 7.0)
    deep.place(BIDS, 6)
    deep.book.apply(deep.told())
    deep.witness.check(deep.market.truth())


# --- Nonsense ---------------------------------------------------------------------------------------------------------
WORDS = sorted(
    {"type", "d", "data", "a", "b", "sq", "cs", "lc", "Bids", "Asks", "Price", "Orders", "orderId", "quantity", "price"}
    | {"SequenceNumber", "Checksum"}
    | {word for feed in BookFeed for word in feed.new_book().frame_types}
)
PLAIN_NUMBERS = ["0", "1", "10", "0.5", "1.", ".5", "00", "01", "0.0", " 1"]
STRANGE_NUMBERS = ["-1", "+1", "-0", "1e3", "1E400", "1e-400", "1_0", "nan", "sNaN", "-inf", "Infinity", "١٢", "0x1"]
LONG_NUMBERS = ["9" * 400, "9" * 5000, f"0.{'0' * 30}1", f"1.{'3' * 18}"]
NUMBERS = st.sampled_from([*PLAIN_NUMBERS, *STRANGE_NUMBERS, *LONG_NUMBERS])
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(),
    st.sampled_from([2**63, 10**400, 1e308, float("nan"), float("inf"), -0.0, 0.5]),
    NUMBERS,
    st.sampled_from(WORDS),
    st.text(max_size=3),
)
NONSENSE = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=12,
)

UNREAD = frozenset({"lc", "LastChange", "side", "currencyPair", "orderCount"})


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def check_sane(book: VerifiedBook) -> None:
    """Whatever a verified book was told: ordered, uncrossed, of numbers that can be used."""
    change = book.snapshot()
    prices = [*reversed(change.bids), *change.asks]
    assert prices == sorted(set(prices))
    for row in (*change.bids.items(), *change.asks.items()):
        assert all(isfinite(number) and number > 0 for number in row), row


def take(book: VerifiedBook, frame: Any) -> bool:
    """Let a book take nonsense and tell whether it has a state then; nothing but a BookError comes of it."""
    try:
        book.apply(frame)
    except BookError:
        assert not book.verified
        return False
    return book.verified


@pytest.mark.parametrize("feed", FEEDS)
def test_nonsense_is_refused(feed: str) -> None:
    kinds = sorted(BookFeed(feed).new_book().frame_types)

    @proven(3)
    @given(NONSENSE, st.sampled_from(kinds), st.integers(0, 30))
    def told(nonsense: Any, kind: str, levels: int) -> None:
        dressed = [nonsense, {"type": kind, "d": nonsense, "data": nonsense}]
        dressed.append({**nonsense, "type": kind} if isinstance(nonsense, dict) else [nonsense])
        for frame in dressed:
            assert not take(BookFeed(feed).new_book(), frame)
        for frame in dressed:
            book = Deep(feed, levels).book
            before = book.snapshot()
            # An older aggregated frame is left out before it is read.
            assert not take(book, frame) or (feed == AGGREGATED and book.snapshot() == before)

    told()


@pytest.mark.parametrize("feed", FEEDS)
def test_nonsense_inside_a_frame_leaves_no_wrong_book(feed: str) -> None:
    """A true frame with one value replaced: refused, or the book is still right in what the feed proves."""

    @proven(3)
    @given(st.sampled_from([0, 2, 30]), st.integers(0, 60), NONSENSE)
    def told(levels: int, place: int, nonsense: Any) -> None:
        deep = Deep(feed, levels)
        deep.place(BIDS, 0)
        deep.place(ASKS, levels)
        frame = deep.told()
        container, key = (places := list(slots(frame[LAYOUTS[feed].data])))[place % len(places)]
        container[key] = nonsense
        if not take(deep.book, frame):
            return
        check_sane(deep.book)
        if feed == FULL:
            deep.witness.check_known(deep.market.truth())
        elif feed == L1:
            deep.witness.check_covered(deep.market.truth())

    told()


@proven(6)
@given(NUMBERS | st.text(max_size=4), NUMBERS | st.text(max_size=4), st.sampled_from(SIDES))
def test_strange_numbers_under_a_right_checksum_make_no_strange_book(price: str, quantity: str, side: str) -> None:
    """An exchange that really writes such numbers: the book refuses them, or has numbers that can be used."""
    bids, asks = ([[price, quantity]], []) if side == BIDS else ([], [[price, quantity]])
    level = {"Price": price, "Orders": [{"orderId": "a", "quantity": quantity}]}
    row = {"price": price, "quantity": quantity}
    sides = {each: [level] if each == side else [] for each in SIDES}
    frames = {
        L1: {
            "type": "OB_L1_SNAPSHOT",
            "d": {"b": bids, "a": asks, "sq": 1, "cs": checksum([f"{price}:{quantity}"], [])},
        },
        FULL: {
            "type": "FULL_ORDERBOOK_SNAPSHOT",
            "data": {**sides, "SequenceNumber": 1, "Checksum": checksum([f"a:{quantity}"], [])},
        },
        AGGREGATED: {
            "type": "AGGREGATED_ORDERBOOK_UPDATE",
            "data": {**{each: [row] if each == side else [] for each in SIDES}, "SequenceNumber": 1},
        },
    }
    for feed, frame in frames.items():
        book = BookFeed(feed).new_book()
        if take(book, frame):
            check_sane(book)
            if isinstance(book, FullBook) and (place := book.queue_position("a")):
                assert place.volume_ahead == 0


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("depth", [10, 900, 2000])
def test_deep_nonsense_is_refused(feed: str, depth: int) -> None:
    data = LAYOUTS[feed].data
    deep = Deep(feed, 2)
    deep.place(BIDS, 2)
    frame = deep.told()
    for place in range(len(list(slots(frame[data])))):
        spoilt = json.loads(json.dumps(frame))
        container, key = list(slots(spoilt[data]))[place]
        container[key] = nested(depth)
        book = Deep(feed, 2).book
        assert take(book, spoilt) == (key in UNREAD)
    for nonsense in (nested(depth), {**frame, data: nested(depth)}):
        assert not take(Deep(feed, 2).book, nonsense)


# --- Vectors ----------------------------------------------------------------------------------------------------------
def orders_of(side: list[Any]) -> list[Json]:
    """A vector's side as FULL's levels; of a level of L1, its price serves as the id of its one order."""
    return [
        level
        if isinstance(level, dict)
        else {"Price": level[0], "Orders": [{"orderId": level[0], "quantity": level[1]}]}
        for level in side
    ]


def vector_frames(vector: Json) -> list[tuple[str, str, Json]]:
    """The vector as a snapshot and as a first diff of an empty book, on every feed that can carry its tokens."""
    full = {"Bids": orders_of(vector["bids"]), "Asks": orders_of(vector["asks"]), "Checksum": vector["crc32"]}
    entries = sum(len(level["Orders"]) for side in SIDES for level in full[side])
    feeds = [
        (FULL, kind, {"type": f"FULL_ORDERBOOK_{kind}", "data": {**full, "SequenceNumber": 7 + entries}})
        for kind in ("SNAPSHOT", "UPDATE")
    ]
    if vector["feed"] != "FULL_ORDERBOOK":
        l1 = {"b": vector["bids"], "a": vector["asks"], "sq": 8, "cs": vector["crc32"]}
        feeds += [(L1, kind, {"type": f"OB_L1_{kind}", "d": l1}) for kind in ("SNAPSHOT", "DIFF")]
    return feeds


EMPTY = {
    L1: {"type": "OB_L1_SNAPSHOT", "d": {"a": [], "b": [], "sq": 7, "cs": 0}},
    FULL: {"type": "FULL_ORDERBOOK_SNAPSHOT", "data": {"Asks": [], "Bids": [], "SequenceNumber": 7, "Checksum": 0}},
}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['feed']}-{vector['crc32']}")
def test_vectors_hold_for_books_of_both_feeds(vector: Json) -> None:
    """FULL's own vector has ids where L1 has prices, so that L1 cannot carry it."""
    tokens = [
        [f"{order['orderId']}:{order['quantity']}" for level in orders_of(vector[side]) for order in level["Orders"]]
        for side in ("bids", "asks")
    ]
    assert checksum(*tokens) == vector["crc32"]
    for feed, kind, frame in vector_frames(vector):
        book = BookFeed(feed).new_book()
        book.apply(EMPTY[feed])
        change = book.apply(frame)
        assert change is not None
        assert change.is_snapshot == (kind == "SNAPSHOT")
        assert len(book.snapshot().bids) == len(orders_of(vector["bids"]))
        wrong = json.loads(json.dumps(frame))
        wrong[LAYOUTS[feed].data][LAYOUTS[feed].checksum] += 1
        book = BookFeed(feed).new_book()
        book.apply(EMPTY[feed])
        with pytest.raises(ChecksumMismatchError):
            book.apply(wrong)
