"""The exchange's own books, and whether what a strategy sees of them is, or ever was, so."""

from collections.abc import Iterable

from test.market_data.reader import Levels, Sides
from valr_loopback.events import BookChanged, Event
from valr_loopback.exchange import Exchange
from valr_loopback.orders import Side

EMPTY: Sides = ([], [])


class Truth:
    """Knows the exchange's books, and of some witnessed pairs every state they were in."""

    def __init__(self, exchange: Exchange, witnessed: Iterable[str]) -> None:
        self._exchange = exchange
        self._past: dict[str, set[int]] = {symbol: set() for symbol in witnessed}
        for symbol in self._past:
            self._remember(symbol)
        exchange.listen(self._on_event)

    @property
    def witnessed(self) -> Iterable[str]:
        """The pairs whose past is known."""
        return self._past

    def book(self, symbol: str) -> Sides:
        """Return the book of the exchange's engine."""
        return self._levels(symbol, Side.BUY), self._levels(symbol, Side.SELL)

    def _levels(self, symbol: str, side: Side) -> Levels:
        levels = self._exchange.engine.books[symbol].levels(side)
        return [(float(level.price), float(level.quantity)) for level in levels]

    def was_ever(self, symbol: str, shown: Sides) -> bool:
        """Tell whether a witnessed book was in this state at any time."""
        return _fingerprint(shown) in self._past[symbol]

    def _on_event(self, event: Event) -> None:
        if isinstance(event, BookChanged) and event.symbol in self._past:
            self._remember(event.symbol)

    def _remember(self, symbol: str) -> None:
        self._past[symbol].add(_fingerprint(self.book(symbol)))


def _fingerprint(sides: Sides) -> int:
    return hash((tuple(sides[0]), tuple(sides[1])))


def difference(shown: Sides, true: Sides) -> str:
    """Say where two books differ; empty if they are equal."""
    words = []
    for name, mine, theirs in zip(("bids", "asks"), shown, true, strict=True):
        wrong = sorted(set(mine) ^ set(theirs))
        if mine != theirs:
            words.append(
                f"{name}: {len(mine)} levels for {len(theirs)}, {len(wrong)} of them differ, first {wrong[:2]}"
            )
    return "; ".join(words)
