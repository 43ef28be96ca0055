"""Back-pressure of market data: what the event loop falls behind with collapses to the newest state of each book."""

import asyncio
from collections.abc import Callable

from hummingbot.connector.exchange.valr.valr_market_session import TrackedPair
from hummingbot.connector.exchange.valr.valr_order_book import BookChange, Level


class Outbox:
    """Hands on the changes of books, at most twice a pair in each round of the event loop.

    While the loop keeps up, each change is handed on the moment it is proven. When the loop has fallen behind, one
    round brings many frames of a pair: every one of them has been proven, but what follows the first waits until the
    end of the round and is then handed on as one. Whatever comes in, no more than one change a pair waits here.

    :param hand_on: takes a change, the newest of its pair
    """

    def __init__(self, hand_on: Callable[[TrackedPair, BookChange], None]) -> None:
        self._hand_on = hand_on
        self._round: dict[TrackedPair, _Newest | None] = {}

    def put(self, pair: TrackedPair, change: BookChange) -> None:
        """Hand on a change, or let it wait if another one of its pair was handed on in this round."""
        if pair not in self._round:
            if not self._round:
                asyncio.get_running_loop().call_soon(self._end_round)
            self._round[pair] = None
            self._hand_on(pair, change)
            return
        newest = self._round[pair]
        if newest is None or change.is_snapshot:
            self._round[pair] = _Newest(change)
        else:
            newest.take(change)

    def forget(self, pair: TrackedPair) -> None:
        """Hand on nothing of a pair any more."""
        if pair in self._round:
            self._round[pair] = None

    def _end_round(self) -> None:
        ended, self._round = self._round, {}
        for pair, newest in ended.items():
            if newest is not None:
                self._hand_on(pair, newest.change())


class _Newest:
    """Changes that follow each other, as one."""

    def __init__(self, first: BookChange) -> None:
        self._is_snapshot = first.is_snapshot
        self._bids = dict(first.bids)
        self._asks = dict(first.asks)

    def take(self, change: BookChange) -> None:
        """Add what changed next: the newest amount at a price replaces the one before."""
        self._bids.update(change.bids)
        self._asks.update(change.asks)

    def change(self) -> BookChange:
        """Return all of it."""
        bids, asks = list(self._bids.items()), list(self._asks.items())
        if self._is_snapshot:
            return BookChange(True, _shown(bids, best_is_highest=True), _shown(asks, best_is_highest=False))
        return BookChange(False, bids, asks)


def _shown(levels: list[Level], *, best_is_highest: bool) -> list[Level]:
    """Return the levels that a whole book has, best first."""
    return sorted((level for level in levels if level[1]), reverse=best_is_highest)
