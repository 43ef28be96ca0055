"""The books on the connections: subscribed to, proven frame by frame, doubted, and asked for again (valr-api.md 5)."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from math import inf
from typing import Any, Protocol

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_market_connections import MarketConnections
from hummingbot.connector.exchange.valr.valr_market_messages import (
    Channel,
    PublicTrade,
    parse_channel,
    parse_refusal,
    parse_trade,
)
from hummingbot.connector.exchange.valr.valr_market_session import BookLine, GrowingPause, MarketSession, TrackedPair
from hummingbot.connector.exchange.valr.valr_market_socket import MarketTiming
from hummingbot.connector.exchange.valr.valr_metrics import Metrics
from hummingbot.connector.exchange.valr.valr_order_book import (
    BookChange,
    BookError,
    BookFeed,
    ChecksumMismatchError,
    SequenceGapError,
)

MISMATCHES_BEFORE_FALLBACK = 3
# Of what VALR may say in words we do not know, so many are logged.
MOST_TEXTS_SAID = 50

_BOOK_FRAMES = frozenset().union(*(feed.new_book().frame_types for feed in BookFeed))


class MarketOutlet(Protocol):
    """Who tracks pairs and takes what the books tell of them."""

    def tracked_pairs(self) -> Iterable[TrackedPair]:
        """Return the pairs to subscribe to, always in the same order."""

    def publish(self, line: BookLine, change: BookChange) -> None:
        """Take a proven change of a book."""

    def publish_trade(self, pair: TrackedPair, trade: PublicTrade) -> None:
        """Take a public trade that was not reported before."""

    def refuse(self, pair: TrackedPair, reason: str) -> None:
        """Take note that a pair has no book for now."""


class MarketBooks:
    """Reads the frames of every connection, and sees to it that each tracked pair has a proven book on each.

    The whole list of pairs is sent with every change, since it replaces the one before; one pair's book is renewed by
    leaving it out once, so the others miss nothing.

    :param feed: the configured one; a pair that had to leave it returns after a while
    """

    def __init__(
        self,
        outlet: MarketOutlet,
        connections: MarketConnections,
        feed: BookFeed,
        timing: MarketTiming,
        metrics: Metrics,
        logger: Callable[[], logging.Logger],
    ) -> None:
        self._outlet = outlet
        self._connections = connections
        self._feed = feed
        self._timing = timing
        self._metrics = metrics
        self._logger = logger
        self._unknown_kinds: set[str] = set()
        self._reports: set[str] = set()
        self._before_report = GrowingPause(timing.notice_pause, timing.notice_pause_max)

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # --- Subscriptions ------------------------------------------------------------------------------------------------
    def subscribe_all(self) -> None:
        """Let every connection carry what is tracked now."""
        for session in self._connections.sessions:
            self.subscribe(session)

    def subscribe(self, session: MarketSession, afresh: Iterable[Channel] = ()) -> None:
        """Let the connection carry what is tracked now; the channels of ``afresh`` are left and joined again."""
        due = self._now + self._timing.snapshot_patience
        renewed = set(afresh)
        wanted: dict[str, list[str]] = {}
        lines: dict[str, BookLine] = {}
        for pair in self._outlet.tracked_pairs():
            line = lines[pair.symbol] = self._line(session, pair, due, renewed)
            if not line.snapshot.refused:
                wanted.setdefault(line.channel.event, []).append(pair.symbol)
            if not line.trades.refused:
                wanted.setdefault(CONSTANTS.NEW_TRADE, []).append(pair.symbol)
        session.lines = lines
        session.socket.subscribe(wanted, renewed)

    def _line(self, session: MarketSession, pair: TrackedPair, due: float, renewed: set[Channel]) -> BookLine:
        """Return the pair's line; what a new one has to join for certain is added to ``renewed``."""
        known = session.lines.get(pair.symbol)
        if known is not None and known.pair is pair and known.channel == pair.book_channel:
            return known
        line = BookLine(pair, due)
        renewed.add(line.channel)
        if known is not None and known.pair is pair:
            line.trades = known.trades
        return line

    def _lose(self, session: MarketSession, line: BookLine, reason: str) -> None:
        """Take a book for changed without us: Hummingbot sees the last proven one for a moment only."""
        line.book.forget()
        pair = line.pair
        if session is self._connections.active and pair.ready.is_set():
            pair.ready.clear()
            self._metrics.book_dropped(pair.trading_pair, reason)
            pair.expires_at = min(pair.expires_at, self._now + self._timing.doubt_limit)

    def _change_feed(self, pair: TrackedPair, feed: BookFeed, *, on_trial: bool = False) -> None:
        # Of a pair that VALR refuses altogether that has been said; it is asked for by one feed after the other.
        if feed is not pair.feed and not pair.refusal:
            text = f"The order book of {pair.trading_pair} comes from the feed '{feed}' now, no longer '{pair.feed}'."
            self._metrics.feed_changed(pair.trading_pair, text)
        pair.change_feed(feed, on_trial=on_trial)
        if pair.ready.is_set():
            # Whatever changes from now on is not seen before the other feed's snapshot.
            pair.ready.clear()
            pair.expires_at = min(pair.expires_at, self._now + self._timing.doubt_limit)
        self.subscribe_all()

    def _fall_back(self, pair: TrackedPair, feed: BookFeed, reason: str) -> None:
        # None of the feeds of a pair that VALR refuses is worse than the others: the configured one may return with it.
        if not pair.refusal:
            pair.before_better_feed.begin(self._now)
            self._logger().warning(
                f"{pair.trading_pair}: the order book feed '{pair.feed}' {reason}; falling back to '{feed}'."
            )
        self._change_feed(pair, feed)

    # --- Supervision --------------------------------------------------------------------------------------------------
    def supervise(self) -> None:
        """Ask again for what has not come, and doubt what stands still; to be called again and again."""
        for session in list(self._connections.sessions):
            self._ask_again(session)
            self._doubt_stalled_books(session)
        self._check_quiet_books()
        self._try_better_feeds()

    def _ask_again(self, session: MarketSession) -> None:
        """Ask again for what should have come; while other snapshots are coming in, the missing ones may be next."""
        now = due_by = self._now
        if now - session.progress_at < self._timing.snapshot_patience:
            # One that comes again and again must not hold up the others for ever.
            due_by -= self._timing.neighbours_patience
        overdue = [line for line in session.lines.values() if line.snapshot.due <= due_by]
        unconfirmed = [line for line in session.lines.values() if line.trades.due <= due_by]
        for line in unconfirmed:
            line.trades.ask_again(now, self._timing)
        self._escalate(session, overdue)
        # What fell back has another line by now.
        overdue = [line for line in overdue if session.line(line.channel) is line]
        for line in overdue:
            line.snapshot.ask_again(now, self._timing)
            line.renewed_at = now
        if overdue or unconfirmed:
            channels = [line.channel for line in overdue] + [line.pair.trade_channel for line in unconfirmed]
            self.subscribe(session, channels)

    def _escalate(self, session: MarketSession, lines: list[BookLine]) -> None:
        """Go further where asking again was vain: to a new connection now and then, else to a simpler feed."""
        vain: list[str] = []
        for line in lines:
            pair, fallback = line.pair, line.pair.feed.fallback
            if line.snapshot.refused:
                # Once in a while a refused pair is asked for as it was configured.
                if not pair.ready.is_set():
                    self._change_feed(pair, self._feed)
            elif pair.on_trial and fallback:
                self._fall_back(pair, fallback, "brings nothing yet")
            elif not line.snapshot.attempts or session is not self._connections.active:
                continue
            elif pair.before_new_connection.is_over(self._now):
                pair.before_new_connection.begin(self._now)
                vain.append(pair.trading_pair)
            elif fallback and line.trades.has_come:
                # The exchange answers subscriptions of the pair: it is the feed that has nothing.
                self._fall_back(pair, fallback, "brings nothing")
        if vain:
            self._logger().warning(f"No order book comes of {', '.join(vain)}: a new connection is made.")
            self._connections.renew()

    def expect_change(self, symbol: str, is_buy: bool, price: float, since: float) -> None:
        """An order of ours has come to rest on a book since then: a frame must have said so, or will soon."""
        for session in self._connections.sessions:
            line = session.lines.get(symbol)
            if line is not None and line.book.covers(is_buy, price):
                self._note_unshown(line, "an order of ours", since)

    def _note_unshown(self, line: BookLine, what: str, since: float) -> None:
        if line.heard_at < since and line.unshown_due == inf:
            line.unshown, line.unshown_since = what, since
            line.unshown_due = self._now + self._timing.stall_patience

    def _doubt_stalled_books(self, session: MarketSession) -> None:
        """Ask afresh for books that have not moved though something happened that moves them."""
        now = self._now
        for line in list(session.lines.values()):
            if line.unshown_due == inf:
                continue
            if line.heard_at >= line.unshown_since or not line.book.verified:
                line.unshown_due = inf
            elif now >= line.unshown_due:
                line.unshown_due = inf
                if line.pair.before_stall_alarm.is_over(now):
                    line.pair.before_stall_alarm.begin(now)
                    line.suspected_at = line.book.sequence
                    self._doubt(session, line, f"{line.unshown} does not show in it")

    def _doubt(self, session: MarketSession, line: BookLine, reason: str) -> None:
        self._logger().warning(f"{line.pair.trading_pair}: the order book is dropped and asked for afresh ({reason}).")
        self._lose(session, line, reason)
        line.snapshot.ask_again(self._now, self._timing)
        line.renewed_at = self._now
        session.socket.rejoin(line.channel)

    def _check_quiet_books(self) -> None:
        """Compare books that have been quiet for long with those of a second connection.

        A quiet book sends nothing (valr-api.md 5.5), and one that stands still looks the same: pongs prove none.
        """
        session, now = self._connections.active, self._now
        if session is None:
            return
        quiet = [line.pair for line in session.lines.values() if line.book.verified and self._is_quiet(line)]
        if any(pair.before_quiet_check.is_over(now) for pair in quiet):
            for pair in quiet:
                pair.before_quiet_check.begin(now)
            self._connections.renew()

    def _is_quiet(self, line: BookLine) -> bool:
        return self._now - line.heard_at >= self._timing.quiet_limit

    def compare(self, session: MarketSession, successor: MarketSession) -> None:
        """Learn from the books of a connection that takes over which quiet ones of the last have stood still."""
        for line in session.lines.values():
            other, pair = successor.line(line.channel), line.pair
            if other is None or not (other.book.verified and line.book.verified and self._is_quiet(line)):
                continue
            if other.book.snapshot() != line.book.snapshot():
                pair.before_quiet_check.end()
                reason = f"no frame for {self._now - line.heard_at:.0f} s, and a new connection shows another book"
                self._metrics.book_dropped(pair.trading_pair, reason)
                self._logger().warning(f"{pair.trading_pair}: the order book had stood still ({reason}).")

    def _try_better_feeds(self) -> None:
        """Return to the configured feed of pairs that have done without it for long enough."""
        for pair in self._outlet.tracked_pairs():
            if pair.feed is not self._feed and pair.ready.is_set() and pair.before_better_feed.is_over(self._now):
                self._logger().info(f"{pair.trading_pair}: the order book feed '{self._feed}' is tried again.")
                self._change_feed(pair, self._feed, on_trial=True)

    # --- Frames -------------------------------------------------------------------------------------------------------
    def on_frame(self, session: MarketSession, frame: dict[str, Any]) -> None:
        """Take a frame from any connection.

        :raises ConnectionError: the connection is of no use any more
        """
        kind = str(frame.get("type"))
        if kind in _BOOK_FRAMES:
            self._on_book_frame(session, kind, frame)
        elif kind == CONSTANTS.NEW_TRADE:
            self._on_trade_frame(session, frame)
        else:
            self._on_control_frame(session, kind, frame.get("message"))

    def _on_book_frame(self, session: MarketSession, kind: str, frame: dict[str, Any]) -> None:
        line = session.lines.get(str(frame.get("ps") or frame.get("currencyPairSymbol")))
        if line is None or kind not in line.book.frame_types:
            return
        line.heard_at = session.socket.last_frame_at
        try:
            change = line.book.apply(frame)
        except BookError as error:
            self._on_mismatch(session, line, error)
            return
        if change is None:
            return
        if change.is_snapshot and not line.snapshot.has_come:
            line.snapshot.come()
            session.progress_at = line.heard_at
            if line.suspected_at is not None and self._has_stood_still(line, line.suspected_at):
                return
        if session is self._connections.active:
            self._outlet.publish(line, change)

    def _has_stood_still(self, line: BookLine, suspected_at: int) -> bool:
        """Learn from a fresh snapshot whether an alarm was right; True if the pair's feed is given up for it.

        An alarm that was wrong is not raised again soon; one that was right must not have to wait the next time.
        """
        line.suspected_at = None
        pair, fallback = line.pair, line.pair.feed.fallback
        if line.book.sequence == suspected_at:
            return False
        pair.before_stall_alarm.end()
        if fallback is None or pair.count_mismatch(self._now) < MISMATCHES_BEFORE_FALLBACK:
            return False
        self._fall_back(pair, fallback, "stood still again and again")
        return True

    def _on_mismatch(self, session: MarketSession, line: BookLine, error: BookError) -> None:
        pair, fallback = line.pair, line.pair.feed.fallback
        self._count(error)
        self._lose(session, line, str(error))
        if fallback is None:
            # Each frame of the simplest feed is a whole book: the next good one ends the matter.
            if line.snapshot.has_come:
                line.snapshot.due = self._now + self._timing.snapshot_patience
            if pair.before_fault_notice.is_over(self._now):
                pair.before_fault_notice.begin(self._now)
                self._logger().warning(
                    f"{pair.trading_pair}: the order book is out of use until the next frame ({error})."
                )
            return
        in_a_row = pair.count_mismatch(self._now)
        if in_a_row >= MISMATCHES_BEFORE_FALLBACK:
            self._fall_back(pair, fallback, f"was wrong {in_a_row} times in a row ({error})")
        else:
            self._doubt(session, line, str(error))

    def _count(self, error: BookError) -> None:
        if isinstance(error, ChecksumMismatchError):
            self._metrics.counters.book_checksum_failures += 1
        elif isinstance(error, SequenceGapError):
            self._metrics.counters.book_sequence_gaps += 1
        else:
            self._metrics.counters.book_other_faults += 1

    def _on_trade_frame(self, session: MarketSession, frame: dict[str, Any]) -> None:
        line = session.lines.get(str(frame.get("currencyPairSymbol")))
        if line is None:
            return
        if not line.trades.has_come:
            # Trades that come are subscribed to, whether or not VALR has said so.
            line.trades.come()
        now = session.socket.last_frame_at
        self._note_unshown(line, "a public trade", now - self._timing.stall_lookback)
        pair = line.pair
        try:
            trade = parse_trade(frame)
        except ValueError as error:
            if not line.trades_unreadable:
                line.trades_unreadable = True
                self._logger().warning(f"{pair.trading_pair}: a public trade was left out: {error}")
            return
        line.trades_unreadable = False
        if pair.is_new_trade(trade.trade_id):
            self._outlet.publish_trade(pair, trade)

    def _on_control_frame(self, session: MarketSession, kind: str, message: Any) -> None:
        """Take what is neither book nor trade.

        :raises ConnectionError: the connection is of no use any more
        """
        if kind == CONSTANTS.ERROR:
            self._on_error(session, message)
        elif kind == CONSTANTS.AUTHENTICATED:
            session.authenticated = True
        elif kind == CONSTANTS.UNAUTHORIZED:
            self._give_up(session)
        elif kind == CONSTANTS.SUBSCRIBED:
            line = session.trade_line(parse_channel(message))
            if line is not None:
                line.trades.come()
        elif kind == CONSTANTS.UNSUBSCRIBED:
            self._on_unsubscribed(session, parse_channel(message))
        elif kind == CONSTANTS.PONG and message == CONSTANTS.NO_SUBSCRIPTIONS:
            if any(line.book.verified for line in session.lines.values()):
                raise ConnectionError("VALR has lost the subscriptions")
        elif kind != CONSTANTS.PONG and kind not in self._unknown_kinds and len(self._unknown_kinds) < MOST_TEXTS_SAID:
            self._unknown_kinds.add(kind)
            self._logger().warning(f"Frames of type '{kind:.100}' on the market data socket are not understood.")

    def _on_error(self, session: MarketSession, message: Any) -> None:
        channel = parse_refusal(message)
        line, trade_line = session.line(channel), session.trade_line(channel)
        if line is not None:
            self._on_refused_book(session, line, f"VALR refuses it: {message}")
        elif trade_line is not None:
            if not (trade_line.trades.refused or trade_line.trades.attempts):
                self._logger().warning(f"{trade_line.pair.trading_pair}: no public trades. VALR refuses it: {message}")
            trade_line.trades.refuse(self._now + self._timing.refusal_retry)
            self.subscribe(session)
        else:
            self._report(message)
            proven = session.authenticated or session.progress_at > -inf
            if channel is None and not proven:
                # A refusal may show as the socket's first frame (valr-api.md 2.2).
                if session.signed:
                    self._give_up(session)
                self._connections.note_refusal(signed=False)

    def _report(self, message: Any) -> None:
        """Log what VALR says: each text the first time, and what it repeats at growing pauses."""
        text = f"{message!s:.300}"
        is_new = text not in self._reports and len(self._reports) < MOST_TEXTS_SAID
        if is_new:
            self._reports.add(text)
        elif not self._before_report.is_over(self._now):
            return
        self._before_report.begin(self._now)
        self._logger().warning(f"VALR reports on the market data socket: {text}")

    def _give_up(self, session: MarketSession) -> None:
        self._connections.note_refusal(signed=session.signed)
        raise ConnectionError(f"VALR refuses {'the keys' if session.signed else 'a socket without keys'}")

    def _on_refused_book(self, session: MarketSession, line: BookLine, reason: str) -> None:
        """Try the simpler feeds, whatever the reason: VALR's words for an unknown feed and an unknown pair are one."""
        self._lose(session, line, reason)
        pair, serving = line.pair, session is self._connections.active
        fallback = pair.feed.fallback
        if fallback and serving and (line.snapshot.attempts or pair.feed is not self._feed or pair.refusal):
            self._fall_back(pair, fallback, f"is not to be had ({reason})")
            return
        # Once may be an accident, and the simpler feeds prove less.
        pause = self._timing.second_try if fallback and serving else self._timing.refusal_retry
        line.snapshot.refuse(self._now + pause)
        if serving and not fallback:
            pair.before_better_feed.end()
            self._outlet.refuse(line.pair, reason)
        self.subscribe(session)

    def _on_unsubscribed(self, session: MarketSession, channel: Channel | None) -> None:
        """Ask again for what the exchange has stopped unasked; if it was asked, what is awaited is on its way."""
        line, trade_line = session.line(channel), session.trade_line(channel)
        soon = self._now + self._timing.snapshot_patience
        if trade_line is not None:
            trade_line.trades.due = min(trade_line.trades.due, soon)
        if line is None or not line.book.verified:
            return
        if self._now - line.renewed_at < self._timing.snapshot_patience:
            # The exchange does it over and over, or a snapshot of the old subscription came in between.
            self._lose(session, line, "VALR has stopped it")
            line.snapshot.due = soon
        else:
            self._doubt(session, line, "VALR has stopped it")
