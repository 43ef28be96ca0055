"""What the order book data source remembers: of a trading pair across connections, and of one connection."""

import asyncio
from decimal import Decimal
from math import inf

from hummingbot.connector.exchange.valr.valr_market_messages import Channel
from hummingbot.connector.exchange.valr.valr_market_socket import MarketSocket
from hummingbot.connector.exchange.valr.valr_order_book import BookFeed, VerifiedBook

# A book that took this many frames without fault has recovered: its next mismatch is the first in a row again.
_FRAMES_TO_RECOVER = 10
_RECENT_TRADES = 256


class TrackedPair:
    """A trading pair across connections; times are the event loop's.

    ``ready`` is set while the serving connection proves the book, ``answered`` once VALR has sent or refused it.
    ``alive_at`` is when the book was last known to be the exchange's; ``emptied`` says that it was too long ago.
    """

    def __init__(self, trading_pair: str, feed: BookFeed) -> None:
        self.trading_pair = trading_pair
        self.symbol = ""
        self.feed = feed
        self.ready = asyncio.Event()
        self.answered = asyncio.Event()
        self.refusal = ""
        self.update_id = 0
        self.mismatches = 0
        self.alive_at = -inf
        self.emptied = False
        self.last_trade_price: Decimal | None = None
        self._frames_since_mismatch = 0
        self._recent_trades: dict[str, None] = {}

    @property
    def book_channel(self) -> Channel:
        """The channel that the pair's book comes from."""
        return Channel(self.feed.event, self.symbol)

    def count_mismatch(self) -> int:
        """Return how many mismatches in a row this one makes."""
        self._frames_since_mismatch = 0
        self.mismatches += 1
        return self.mismatches

    def count_good_frame(self) -> None:
        """Forget the mismatches once enough frames have fitted since the last."""
        if self.mismatches:
            self._frames_since_mismatch += 1
            if self._frames_since_mismatch >= _FRAMES_TO_RECOVER:
                self.mismatches = 0

    def is_new_trade(self, trade_id: str) -> bool:
        """Remember a trade; two connections overlap during a handover, and both report it."""
        if trade_id in self._recent_trades:
            return False
        self._recent_trades[trade_id] = None
        if len(self._recent_trades) > _RECENT_TRADES:
            del self._recent_trades[next(iter(self._recent_trades))]
        return True


class BookLine:
    """A pair's book on one connection.

    ``retry_at`` is the time to subscribe afresh if no snapshot has come by then, ``attempts`` how often that was done.
    """

    def __init__(self, pair: TrackedPair, retry_at: float) -> None:
        self.pair = pair
        self.channel = pair.book_channel
        self.book: VerifiedBook = pair.feed.new_book()
        self.retry_at = retry_at
        self.attempts = 0


class MarketSession:
    """One connection and, by symbol, the books that live on it."""

    socket: MarketSocket

    def __init__(self) -> None:
        self.lines: dict[str, BookLine] = {}
        self.authenticated = False

    def line(self, channel: Channel | None) -> BookLine | None:
        """Return the line that ``channel`` feeds, if any."""
        line = self.lines.get(channel.symbol) if channel else None
        return line if line and line.channel == channel else None
