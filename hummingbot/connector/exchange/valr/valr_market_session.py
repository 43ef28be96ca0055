"""What the order book data source remembers: of a trading pair across connections, and of one connection."""

import asyncio
from decimal import Decimal
from math import inf

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_back_off import back_off
from hummingbot.connector.exchange.valr.valr_market_messages import Channel
from hummingbot.connector.exchange.valr.valr_market_socket import MarketSocket, MarketTiming
from hummingbot.connector.exchange.valr.valr_order_book import BookFeed, VerifiedBook

_RECENT_TRADES = 256


class GrowingPause:
    """A pause between attempts, doubling from ``first`` to ``longest`` seconds; a long calm starts it anew."""

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._times = 0
        self._ends_at = -inf

    def is_over(self, now: float) -> bool:
        """Tell whether the next attempt may be made; True before the first pause."""
        return now >= self._ends_at

    def begin(self, now: float) -> None:
        """Start the next pause."""
        if now - self._ends_at > self._longest:
            self._times = 0
        self._times += 1
        self._ends_at = now + back_off(self._times, self._first, self._longest)

    def end(self) -> None:
        """The attempt was worth it: the next may be made at once, and its pause is the first again."""
        self._times, self._ends_at = 0, -inf


class TrackedPair:
    """A trading pair across connections; times are the event loop's.

    ``ready`` is set while the serving connection proves the book, ``answered`` once VALR has sent or refused it.
    At ``expires_at`` the book that Hummingbot shows is taken out of use; ``emptied`` says that this was done.
    ``on_trial`` marks the return to a feed that was given up, until its first snapshot.
    """

    def __init__(self, trading_pair: str, feed: BookFeed, timing: MarketTiming) -> None:
        self.trading_pair = trading_pair
        self.symbol = ""
        self.feed = feed
        self.ready = asyncio.Event()
        self.answered = asyncio.Event()
        self.refusal = ""
        self.update_id = 0
        self.expires_at = inf
        self.emptied = False
        self.on_trial = False
        self.last_trade_price: Decimal | None = None
        self.before_better_feed = GrowingPause(timing.feed_retry, timing.feed_retry_max)
        self.before_new_connection = GrowingPause(timing.renewal_pause, timing.renewal_pause_max)
        self.before_fault_notice = GrowingPause(timing.notice_pause, timing.notice_pause_max)
        self.before_showing = GrowingPause(timing.show_pause, timing.show_pause_max)
        self.before_stall_alarm = GrowingPause(timing.stall_pause, timing.stall_pause_max)
        self.before_quiet_check = GrowingPause(timing.quiet_pause, timing.quiet_pause_max)
        self._mismatch_memory = timing.mismatch_memory
        self._mismatches = 0
        self._mismatch_at = -inf
        self._recent_trades: dict[str, None] = {}

    @property
    def book_channel(self) -> Channel:
        """The channel that the pair's book comes from."""
        return Channel(self.feed.event, self.symbol)

    @property
    def trade_channel(self) -> Channel:
        """The channel that the pair's public trades come from."""
        return Channel(CONSTANTS.NEW_TRADE, self.symbol)

    def count_mismatch(self, now: float) -> int:
        """Return how many mismatches in a row this one makes; a calm between two ends the row."""
        if now - self._mismatch_at > self._mismatch_memory:
            self._mismatches = 0
        self._mismatches += 1
        self._mismatch_at = now
        return self._mismatches

    def change_feed(self, feed: BookFeed, *, on_trial: bool = False) -> None:
        """Take the book from another feed, whose mismatches are counted from zero."""
        self.feed, self.on_trial = feed, on_trial
        self._mismatches = 0

    def is_new_trade(self, trade_id: str) -> bool:
        """Remember a trade; two connections overlap during a handover, and both report it."""
        if trade_id in self._recent_trades:
            return False
        self._recent_trades[trade_id] = None
        if len(self._recent_trades) > _RECENT_TRADES:
            del self._recent_trades[next(iter(self._recent_trades))]
        return True


class Awaited:
    """What a subscription has to bring, asked for again at ``due``, ever later, until it has come.

    A ``refused`` subscription is left out of the lists until then: each list that names it brings another error.
    """

    def __init__(self, due: float) -> None:
        self.due = due
        self.attempts = 0
        self.refused = False

    @property
    def has_come(self) -> bool:
        """Whether nothing is waited for."""
        return self.due == inf

    def come(self) -> None:
        """Wait for nothing any more."""
        self.due, self.attempts, self.refused = inf, 0, False

    def ask_again(self, now: float, timing: MarketTiming) -> None:
        """Count an attempt; the pause before the next grows."""
        self.attempts += 1
        self.refused = False
        self.due = now + back_off(self.attempts, timing.snapshot_patience, timing.refusal_retry)

    def refuse(self, due: float) -> None:
        """Keep off until ``due``."""
        self.due, self.refused = due, True


class BookLine:
    """A pair's book and trades on one connection; times are the event loop's.

    ``snapshot`` is awaited to prove the book, ``trades`` the confirmation of their subscription, or the first of them.
    ``heard_at`` is when the last frame of the book came. ``unshown`` is something that has moved the book after
    ``unshown_since`` without a frame that said so; at ``unshown_due`` that becomes an alarm. ``renewed_at`` is the last
    time the book was asked for afresh, ``suspected_at`` the sequence of a book that seems to stand still.
    """

    def __init__(self, pair: TrackedPair, due: float) -> None:
        self.pair = pair
        self.channel = pair.book_channel
        self.book: VerifiedBook = pair.feed.new_book()
        self.snapshot = Awaited(due)
        self.trades = Awaited(due)
        self.trades_unreadable = False
        self.heard_at = -inf
        self.unshown = ""
        self.unshown_since = -inf
        self.unshown_due = inf
        self.renewed_at = -inf
        self.suspected_at: int | None = None


class MarketSession:
    """One connection and, by symbol, the books that live on it.

    ``progress_at`` is when the last snapshot came that was waited for.
    """

    socket: MarketSocket

    def __init__(self, *, signed: bool) -> None:
        self.lines: dict[str, BookLine] = {}
        self.signed = signed
        self.authenticated = False
        self.progress_at = -inf

    def line(self, channel: Channel | None) -> BookLine | None:
        """Return the line whose book ``channel`` feeds, if any."""
        line = self.lines.get(channel.symbol) if channel else None
        return line if line and line.channel == channel else None

    def trade_line(self, channel: Channel | None) -> BookLine | None:
        """Return the line whose trades ``channel`` feeds, if any."""
        return self.lines.get(channel.symbol) if channel and channel.event == CONSTANTS.NEW_TRADE else None
