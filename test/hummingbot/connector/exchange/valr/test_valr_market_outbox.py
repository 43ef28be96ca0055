"""Market data collapses to its newest state when the event loop falls behind; nothing that was proven is lost in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.market_frames import record
from benchmarks.market_replay import memory_replay
from hummingbot.connector.exchange.valr.valr_market_outbox import Outbox
from hummingbot.connector.exchange.valr.valr_market_session import TrackedPair
from hummingbot.connector.exchange.valr.valr_market_socket import MarketTiming
from hummingbot.connector.exchange.valr.valr_order_book import BookChange, BookFeed, Levels

SNAPSHOT = BookChange(True, {2.0: 1.0, 1.0: 1.0}, {3.0: 1.0, 4.0: 1.0})


def new_pair(name: str) -> TrackedPair:
    return TrackedPair(name, BookFeed.L1, MarketTiming())


def diff(bids: Levels, asks: Levels) -> BookChange:
    return BookChange(False, bids, asks)


class Heard:
    """What an outbox has handed on, by pair."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, BookChange]] = []
        self.outbox = Outbox(lambda pair, change: self.changes.append((pair.trading_pair, change)))

    def take(self) -> list[tuple[str, BookChange]]:
        changes, self.changes = self.changes, []
        return changes


def test_a_change_is_handed_on_at_once_and_what_follows_in_a_round_as_one() -> None:
    heard, pair, other = Heard(), new_pair("BTC-ZAR"), new_pair("ETH-ZAR")
    first = diff({1.0: 5.0}, {})
    for _ in range(2):
        heard.outbox.put(pair, first)
        heard.outbox.put(other, first)
        assert heard.take() == [("BTC-ZAR", first), ("ETH-ZAR", first)]
        heard.outbox.put(pair, diff({1.0: 6.0, 2.0: 1.0}, {3.0: 1.0}))
        heard.outbox.put(pair, diff({1.0: 0.0}, {4.0: 1.0}))
        assert not heard.changes
        heard.outbox.end_round()
        assert heard.take() == [("BTC-ZAR", diff({1.0: 0.0, 2.0: 1.0}, {3.0: 1.0, 4.0: 1.0}))]
        heard.outbox.end_round()
        assert not heard.changes


def test_a_snapshot_takes_the_place_of_what_waits_and_takes_in_what_follows() -> None:
    heard, pair = Heard(), new_pair("BTC-ZAR")
    for change in (diff({}, {}), diff({9.0: 9.0}, {}), SNAPSHOT, diff({2.0: 0.0, 1.5: 1.0}, {2.5: 1.0})):
        heard.outbox.put(pair, change)
    heard.outbox.end_round()
    whole = BookChange(True, {1.5: 1.0, 1.0: 1.0}, {2.5: 1.0, 3.0: 1.0, 4.0: 1.0})
    assert heard.take() == [("BTC-ZAR", diff({}, {})), ("BTC-ZAR", whole)]


def test_nothing_of_a_forgotten_pair_is_handed_on() -> None:
    heard, pair = Heard(), new_pair("BTC-ZAR")
    heard.outbox.forget(pair)
    heard.outbox.put(pair, diff({}, {}))
    heard.outbox.put(pair, SNAPSHOT)
    heard.outbox.forget(pair)
    heard.outbox.end_round()
    assert heard.take() == [("BTC-ZAR", diff({}, {}))]


levels = st.dictionaries(st.sampled_from([1.0, 2.0, 3.0]), st.sampled_from([0.0, 1.0, 2.0]), max_size=3)
snapshots = st.builds(
    lambda bids, asks: BookChange(
        True, *({price: amount for price, amount in side.items() if amount} for side in (bids, asks))
    ),
    levels,
    levels,
)
rounds = st.lists(st.lists(st.one_of(st.builds(diff, levels, levels), snapshots), max_size=6), max_size=4)


def as_book(changes: list[BookChange]) -> tuple[dict[float, float], dict[float, float]]:
    bids: dict[float, float] = {}
    asks: dict[float, float] = {}
    for change in changes:
        for side, changed in ((bids, change.bids), (asks, change.asks)):
            if change.is_snapshot:
                side.clear()
            side.update(changed)
    return tuple({price: amount for price, amount in side.items() if amount} for side in (bids, asks))


@given(rounds)
def test_collapsed_or_not_the_book_is_the_same(rounds: list[list[BookChange]]) -> None:
    heard, pair, put = Heard(), new_pair("BTC-ZAR"), list[BookChange]()
    for changes in rounds:
        before = len(heard.changes)
        for change in changes:
            put.append(change)
            heard.outbox.put(pair, change)
        heard.outbox.end_round()
        assert len(heard.changes) - before <= 2
        assert as_book([change for _, change in heard.changes]) == as_book(put)


@pytest.mark.parametrize("feed", ["l1", "full", "aggregated"])
async def test_a_loop_that_has_fallen_behind_brings_hummingbots_books_up_to_date_in_few_steps(feed: str) -> None:
    """Every frame is proven, the books are the exchange's in the end, and the work of Hummingbot's is a fraction."""
    recording = record(feed, 2, 60, 1, 600)
    async with memory_replay(recording, feed) as market:
        steps: list[int] = []
        on_applied = market.on_applied

        def count(update_id: int) -> None:
            steps.append(update_id)
            on_applied(update_id)

        for book in market.tracker.order_books.values():
            book._on_applied = count
        frames = market.source._update_id
        await market.apply(recording.batches[0])
        market.check(recording)
        assert market.source._update_id - frames > 500
        # Twice a pair for each 64 kB that the socket had ready.
        rounds = 2 + sum(map(len, recording.batches[0])) // 65536
        assert len(steps) <= 2 * 2 * rounds
        assert len(set(steps)) == len(steps)
