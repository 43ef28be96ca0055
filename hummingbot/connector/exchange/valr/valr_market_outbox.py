"""Back-pressure of market data: what the event loop falls behind with collapses to the newest state of each book."""

from collections.abc import Callable

from hummingbot.connector.exchange.valr.valr_market_session import TrackedPair
from hummingbot.connector.exchange.valr.valr_order_book import BookChange, Levels


class Outbox:
    """Hands on the changes of books; a pair that has had its turn waits until the round ends.

    A round is what the reader finds before it has to wait. While the loop keeps up, that is a frame, and each change is
    handed on the moment it is proven. When the loop has fallen behind, one round brings many frames of a pair: every
    one of them has been proven, but what follows the first waits until the end of the round and is then handed on as
    one. Whatever comes in, no more than one change a pair waits here, and no more than two a round are handed on.

    :param hand_on: takes a change, the newest of its pair
    """

    def __init__(self, hand_on: Callable[[TrackedPair, BookChange], None]) -> None:
        self._hand_on = hand_on
        self._handed_on: set[TrackedPair] = set()
        self._waiting: dict[TrackedPair, _Newest] = {}

    def put(self, pair: TrackedPair, change: BookChange) -> None:
        """Hand on a change, or let it wait."""
        if pair not in self._handed_on:
            self._handed_on.add(pair)
            self._hand_on(pair, change)
        elif (newest := self._waiting.get(pair)) is not None:
            newest.take(change)
        else:
            self._waiting[pair] = _Newest(change)

    def end_round(self) -> None:
        """Hand on what waits; every pair has its turn again."""
        self._handed_on.clear()
        if self._waiting:
            waiting, self._waiting = self._waiting, {}
            for pair, newest in waiting.items():
                self._hand_on(pair, newest.change())

    def forget(self, pair: TrackedPair) -> None:
        """Hand on nothing of a pair any more."""
        self._waiting.pop(pair, None)


class _Newest:
    """Changes that follow each other, as one."""

    def __init__(self, first: BookChange) -> None:
        self._begin(first)

    def _begin(self, change: BookChange) -> None:
        self._is_snapshot = change.is_snapshot
        self._bids = change.bids.copy()
        self._asks = change.asks.copy()

    def take(self, change: BookChange) -> None:
        """Add what changed next: the newest amount at a price replaces the one before, a snapshot everything."""
        if change.is_snapshot:
            self._begin(change)
        else:
            self._bids.update(change.bids)
            self._asks.update(change.asks)

    def change(self) -> BookChange:
        """Return all of it."""
        if self._is_snapshot:
            return BookChange(True, _shown(self._bids, best_is_highest=True), _shown(self._asks, best_is_highest=False))
        return BookChange(False, self._bids, self._asks)


def _shown(levels: Levels, *, best_is_highest: bool) -> Levels:
    """Return the levels that a whole book has, best first."""
    return dict(sorted((level for level in levels.items() if level[1]), reverse=best_is_highest))
