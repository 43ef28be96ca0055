"""Holds a connector's book against the truth of a session, frame by frame.

``Room`` is the module under test: the real one, or a changed copy of it.
"""

from enum import StrEnum
from itertools import zip_longest
from types import ModuleType
from typing import Any

from hummingbot.connector.exchange.valr import valr_order_book
from hummingbot.connector.exchange.valr.valr_order_book_tracker import SequencedOrderBook
from hummingbot.core.data_type.order_book_row import OrderBookRow

from .book_faults import LAYOUTS, Delivery
from .book_sessions import (
    AGGREGATED,
    AGGREGATED_DEPTH,
    ASKS,
    BIDS,
    CHECKSUM_DEPTH,
    FULL,
    SIDES,
    Frame,
    Recording,
    Truth,
)

SNAPSHOTS = frozenset({"OB_L1_SNAPSHOT", "FULL_ORDERBOOK_SNAPSHOT", "AGGREGATED_ORDERBOOK_UPDATE"})

Rows = list[tuple[float, float]]


def in_turn(bids: Rows, asks: Rows) -> Rows:
    """The best 25 levels of each side in the order of the checksum's text."""
    pairs = zip_longest(bids[:CHECKSUM_DEPTH], asks[:CHECKSUM_DEPTH])
    return [row for pair in pairs for row in pair if row]


class Hummingbot:
    """Hummingbot's own book, fed with what the connector's book hands on."""

    def __init__(self) -> None:
        self._book = SequencedOrderBook()
        self._updates = 0

    def take(self, change: Any) -> None:
        self._updates += 1
        bids, asks = (
            [OrderBookRow(price, amount, self._updates) for price, amount in side.items()]
            for side in (change.bids, change.asks)
        )
        if change.is_snapshot:
            self._book.apply_snapshot(bids, asks, self._updates)
        else:
            self._book.apply_diffs(bids, asks, self._updates)

    def rows(self) -> tuple[Rows, Rows]:
        bids, asks = (
            [(row.price, row.amount) for row in side] for side in (self._book.bid_entries(), self._book.ask_entries())
        )
        return bids, asks


class Witness:
    """One book of a feed, and what it may show."""

    def __init__(self, feed: str, room: ModuleType = valr_order_book) -> None:
        self.feed = feed
        self.room = room
        self.book = room.BookFeed(feed).new_book()
        self.depth = AGGREGATED_DEPTH if feed == AGGREGATED else None

    def apply(self, frame: Frame) -> Any:
        """Let the book take a frame; a refusal leaves it without a state."""
        try:
            return self.book.apply(frame.content)
        except self.room.BookError:
            assert not self.book.verified, "a book that refused a frame says that it is verified"
            raise

    def accepted(self, frame: Frame) -> Any:
        """Let the book take a frame that fits, and return the change."""
        try:
            change = self.apply(frame)
        except self.room.BookError as error:
            raise AssertionError(f"a true frame is refused: {error!r}") from error
        assert change is not None, "a true frame is left out"
        assert self.book.verified, "a book that took a true frame is not verified"
        return change

    def ignored(self, frame: Frame) -> None:
        """Let a book without a state take a diff, of which nothing may come."""
        try:
            change = self.apply(frame)
        except self.room.BookError as error:
            raise AssertionError(f"a diff is not ignored while there is no book: {error!r}") from error
        assert change is None, "a diff has made a change without a snapshot"
        self.check_forgotten(frame)

    def rows(self) -> tuple[Rows, Rows]:
        """The levels of the book as it hands on the whole of it."""
        change = self.book.snapshot()
        assert change.is_snapshot
        return list(change.bids.items()), list(change.asks.items())

    def check(self, truth: Truth) -> None:
        """The book is the truth: every level in its order, and every order in its queue."""
        bids, asks = self.rows()
        assert bids == truth.rows[BIDS][: self.depth]
        assert asks == truth.rows[ASKS][: self.depth]
        if self.feed == FULL:
            for side in SIDES:
                self._check_queues(truth, side, None)

    def is_exact(self, truth: Truth) -> bool:
        """Whether the book is the truth."""
        try:
            self.check(truth)
        except AssertionError:
            return False
        return True

    def check_covered(self, truth: Truth) -> None:
        """What the checksum covers is the truth: the best 25 levels, in FULL the best 25 orders, of each side."""
        bids, asks = self.rows()
        if self.feed == FULL:
            self._check_best_orders(truth, BIDS, bids)
            self._check_best_orders(truth, ASKS, asks)
        else:
            assert bids[:CHECKSUM_DEPTH] == truth.rows[BIDS][:CHECKSUM_DEPTH]
            assert asks[:CHECKSUM_DEPTH] == truth.rows[ASKS][:CHECKSUM_DEPTH]

    def check_sideless(self, truth: Truth) -> None:
        """What the checksum covers is the truth but for the side: its text does not say where one ends."""
        if self.feed == FULL:
            self.check_known(truth)
        else:
            assert in_turn(*self.rows()) == in_turn(truth.rows[BIDS], truth.rows[ASKS])

    def _check_best_orders(self, truth: Truth, side: str, shown: Rows) -> None:
        best = truth.orders(side)[:CHECKSUM_DEPTH]
        prices = list(dict.fromkeys(float(order.price) for order in best))
        # The last level may go on beyond the covered orders.
        whole = len(prices) - (len(best) == CHECKSUM_DEPTH)
        assert shown[:whole] == truth.rows[side][:whole]
        assert [price for price, _ in shown[: len(prices)]] == prices
        self._check_queues(truth, side, CHECKSUM_DEPTH)

    def check_uncrossed(self) -> None:
        """The best bid is below the best ask."""
        bids, asks = self.rows()
        assert not (bids and asks) or bids[0][0] < asks[0][0]

    def check_known(self, truth: Truth) -> None:
        """Each side's best 25 orders are known: all that FULL's checksum says once a price was altered."""
        for side in SIDES:
            for order in truth.orders(side)[:CHECKSUM_DEPTH]:
                assert self.book.queue_position(order.order_id) is not None

    def check_forgotten(self, frame: Frame) -> None:
        """A frame has made no book out of a lost one."""
        assert not self.book.verified
        if self.feed == FULL:
            for side in SIDES:
                for order in frame.truth.orders(side)[:3]:
                    assert self.book.queue_position(order.order_id) is None

    def check_gone(self, before: Truth, truth: Truth) -> None:
        """No order that has left has a place in a queue."""
        if self.feed == FULL:
            for order_id in before.order_ids - truth.order_ids:
                assert self.book.queue_position(order_id) is None

    def _check_queues(self, truth: Truth, side: str, depth: int | None) -> None:
        for order_id, place in truth.queues[side][:depth]:
            assert self.book.queue_position(order_id) == place


def follow(recording: Recording, room: ModuleType = valr_order_book) -> None:
    """Property 1: after every frame the book, and Hummingbot's behind it, is the exchange's."""
    witness, hummingbot = Witness(recording.feed, room), Hummingbot()
    before = Truth()
    for frame in (*recording.main, recording.again, *recording.after):
        hummingbot.take(witness.accepted(frame))
        witness.check(frame.truth)
        witness.check_gone(before, frame.truth)
        assert hummingbot.rows() == tuple(frame.truth.rows[side][: witness.depth] for side in SIDES)
        before = frame.truth
    if recording.feed != AGGREGATED:
        late = Witness(recording.feed, room)
        for frame in recording.main[1:]:
            late.ignored(frame)


class Verdict(StrEnum):
    """What became of a fault."""

    AT_ONCE = "refused at once"
    NEXT = "refused with the next frame; the book was right until then"
    COVERED = "refused when it came to what the feed proves, which was right until then"
    HARMLESS = "not refused; the book was right at every frame"
    PASSED = "not refused; beyond what the feed proves, and gone with a later frame"
    UNPROVEN = "not refused; a price in FULL, which no checksum covers, until its orders were gone"
    RESTARTED = "the book stood still, and the third frame that seemed older was refused"
    NO_BOOK = "no book, until the next snapshot"


class Trial:
    """Property 2: one session with one fault.

    The rules for every frame: a refusal leaves no book until the next snapshot; while there is a book it is the truth
    of the last frame it took. Where the altered frame could pass, because what it altered is outside what the feed
    proves, the book must at least be right in what the feed proves: L1 the best 25 levels of each side, FULL the best
    25 orders, after a wrong price their ids only, AGGREGATED nothing until its next frame. Then the exchange goes on
    until its book is empty, so that everything comes among the best 25: whatever is still wrong has to be refused on
    the way.
    """

    def __init__(self, recording: Recording, delivery: Delivery, room: ModuleType = valr_order_book) -> None:
        self.recording = recording
        self.delivery = delivery
        self.witness = Witness(recording.feed, room)
        self.room = room
        self.shown: Frame | None = None
        self.always_exact = True
        self.exact = True
        self.taken = 0
        self.heard = -1
        self.refused_after: int | None = None

    def run(self) -> Verdict:
        """Judge the fault; then a new snapshot makes everything right.

        :raises AssertionError: a rule is broken
        """
        for index, frame in enumerate(self.delivery.frames):
            self._deliver(frame, index >= self.delivery.start)
        verdict = self._verdict()
        if self._refuses_as_old(self.recording.again):
            later = self._later_snapshot()
            self.witness.accepted(later)
            self.witness.check(later.truth)
            return verdict
        for frame in (self.recording.again, *self.recording.after):
            self.witness.accepted(frame)
            self.witness.check(frame.truth)
        return verdict

    def _refuses_as_old(self, snapshot: Frame) -> bool:
        """Whether a snapshot is refused because it is behind what was heard: an altered number, or a book drained."""
        if self.recording.feed == AGGREGATED or self.heard <= self._sequence(snapshot):
            return False
        try:
            self.witness.apply(snapshot)
        except self.room.SequenceGapError:
            return True
        return False

    def _sequence(self, frame: Frame) -> int:
        layout = LAYOUTS[self.recording.feed]
        data = frame.content.get(layout.data)
        number = data.get(layout.sequence) if isinstance(data, dict) else None
        return number if type(number) is int else -1

    def _later_snapshot(self) -> Frame:
        """What the exchange sends when it is asked once more, and something has happened meanwhile."""
        tape = self.recording.end_of_main.fork()
        tape.market.rest(BIDS, tape.market.profile.tick, tape.market.new_id(), tape.market.quantity(0))
        tape.message()
        return tape.snapshot()

    def _deliver(self, frame: Frame, faulty: bool) -> None:
        witness = self.witness
        if frame.content["type"] not in witness.book.frame_types:
            return
        had_book = witness.book.verified
        self.heard = max(self.heard, self._sequence(frame))
        try:
            change = witness.apply(frame)
        except self.room.BookError:
            assert faulty, "a true frame is refused"
            assert had_book or frame.content["type"] in SNAPSHOTS, "a diff is not ignored while there is no book"
            if self.refused_after is None:
                self.refused_after = self.taken
            self.shown = None
            return
        if not witness.book.verified:
            assert change is None, "a change comes from a book without a state"
            witness.check_forgotten(frame)
            return
        if change is not None:
            assert had_book or change.is_snapshot, "a diff has made a book without a snapshot"
            if witness.feed == AGGREGATED and self.shown is not None:
                newer = frame.number >= self.shown.number or frame.truth == self.shown.truth
                assert newer or self.delivery.altered, "the book goes back in time"
            self.shown = frame
            self.taken += faulty
        assert self.shown is not None
        self._check(self.shown, faulty)

    def _check(self, frame: Frame, faulty: bool) -> None:
        if not faulty:
            return
        self.exact = self.witness.is_exact(frame.truth)
        if self.exact:
            return
        self.always_exact = False
        self.witness.check_uncrossed()
        assert self.delivery.altered, "the book is not what the exchange said"
        if self.recording.feed == AGGREGATED:
            # Each frame is believed, and is replaced by the next.
            assert frame is self.delivery.frames[self.delivery.start], "an altered frame outlives the next"
        elif self.delivery.side_altered:
            self.witness.check_sideless(frame.truth)
        elif self.delivery.price_altered:
            self.witness.check_known(frame.truth)
        else:
            self.witness.check_covered(frame.truth)

    def _verdict(self) -> Verdict:
        if self.refused_after is None and self.shown is None:
            return Verdict.NO_BOOK
        if self.refused_after is None and not self.exact:
            for frame in self.recording.drain():
                self._deliver(frame, True)
                if self.refused_after is not None:
                    return Verdict.COVERED
            assert self.exact, "what was altered has stayed in an empty book"
            assert self.recording.feed == FULL, "what was altered was never noticed"
            assert self.delivery.price_altered or self.delivery.side_altered, "what was altered was never noticed"
            return Verdict.UNPROVEN
        if self.refused_after is None:
            return Verdict.HARMLESS if self.always_exact else Verdict.PASSED
        frames_until_refused = self.refused_after + self.delivery.lost
        if frames_until_refused == 0:
            return Verdict.AT_ONCE
        if self.recording.feed == AGGREGATED:
            assert frames_until_refused == 1
            return Verdict.RESTARTED
        if not self.always_exact or self.delivery.text_altered:
            return Verdict.COVERED
        assert frames_until_refused == 1, "a fault is refused without a reason, or too late"
        return Verdict.NEXT
