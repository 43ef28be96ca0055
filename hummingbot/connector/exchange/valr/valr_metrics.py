"""What happens to a connector, counted: counters, incidents, and the facts a session's record is made of.

No I/O, no log. Counting costs an addition; a fact is put together only while somebody takes the facts. What each
counter and each incident means is written beside it, once: monitoring shows these sentences.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from decimal import Decimal
from enum import StrEnum
from typing import Any

INCIDENTS_KEPT = 1000
# Orders that were being cancelled when they were last heard of must not gather for ever.
CANCELS_REMEMBERED = 1000
# Clocks that differ by less give nobody trouble: VALR takes a signature for much longer.
CLOCK_TOLERANCE = 1.0

Fact = dict[str, Any]


class IncidentKind(StrEnum):
    """What kind of thing went wrong, or right again; the values are fixed, reports and dashboards name them."""

    ACCOUNT_SOCKET_LOST = "account socket lost"
    ACCOUNT_SOCKET_BACK = "account socket back"
    MARKET_SOCKET_LOST = "market socket lost"
    MARKET_SOCKET_BACK = "market socket back"
    REST_LOST = "REST lost"
    REST_BACK = "REST back"
    BOOK_DROPPED = "book dropped"
    BOOK_RESYNCED = "book resynced"
    FEED_CHANGED = "book feed changed"
    CANCEL_SENT_AGAIN = "cancel sent again"
    PLACEMENT_IN_DOUBT = "placement in doubt"
    PLACEMENT_GIVEN_UP = "placement given up"
    STRAY_FOUND = "stray found"
    UNEXPECTED_FILL = "unexpected fill"
    COMMANDS_UNANSWERED = "commands unanswered"
    COMMANDS_ANSWERED = "commands answered"
    RATE_LIMITED = "rate limited"
    RATE_LIMIT_OVER = "rate limit over"
    RATE_LIMIT_WAIT = "rate limit wait"
    CLOCK_OFF = "clock off"
    CLOCK_RIGHT = "clock right"
    KEY_REFUSED = "key refused"
    DEAD_MAN_NOT_SET = "dead-man switch not set"
    READ_ONLY_BEGUN = "read-only begun"
    READ_ONLY_OVER = "read-only over"


@dataclass(frozen=True, slots=True)
class Incident:
    """At ``time`` (Unix seconds) something happened, to one pair or to all (""); ``text`` is one plain sentence."""

    time: float
    kind: IncidentKind
    trading_pair: str
    text: str


def _counter(meaning: str) -> Any:
    return field(default=0, metadata={"meaning": meaning})


@dataclass(slots=True)
class Counters:
    """How often what happened since the connector was made; all only grow."""

    orders_sent: int = _counter("Placements given to VALR")
    orders_opened: int = _counter("Orders proven open")
    orders_refused: int = _counter("Placements that VALR refused at once")
    orders_failed: int = _counter("Orders told as failed: refused, rejected, never sent or given up")
    orders_cancelled: int = _counter("Orders proven cancelled")
    orders_filled: int = _counter("Orders proven filled completely")
    fills: int = _counter("Fills, each trade once")
    placements_in_doubt: int = _counter("Placements that brought no usable answer and were looked up")
    placements_given_up: int = _counter("Placements that VALR proved not to know, told as failed")
    cancels_sent: int = _counter("Cancels given to VALR, those sent again included")
    cancels_sent_again: int = _counter("Cancels sent again because the first did not end the order in time")
    strays: int = _counter("Orders of ours that were live on VALR and unknown to the bot; each was cancelled")
    unexpected_fills: int = _counter("Fills of orders that had ended, or that the bot did not know")
    lookups: int = _counter("Lookups of single orders over REST")
    trade_fetches: int = _counter("Fetches of the account's trades over REST")
    open_order_fetches: int = _counter("Fetches of the list of open orders over REST")
    account_events: int = _counter("Events of the account socket")
    account_events_unreadable: int = _counter("Events of the account socket that could not be read or are not known")
    account_reconnects: int = _counter("Times the account socket came back after a loss")
    market_frames: int = _counter("Frames of the market data socket")
    market_reconnects: int = _counter("Times the market data socket came back after a loss")
    book_checksum_failures: int = _counter("Book frames whose checksum was wrong")
    book_sequence_gaps: int = _counter("Book frames that did not follow the one before")
    book_other_faults: int = _counter("Book frames that were crossed or unreadable")
    books_dropped: int = _counter("Times a pair's book was taken out of use while the socket was up")
    books_resynced: int = _counter("Times a dropped book was proven again")
    feed_changes: int = _counter("Times a pair's book went to another feed")
    rest_answers: int = _counter("REST requests that VALR answered, refusals included")
    rest_errors: int = _counter("REST requests that brought no usable answer")
    rate_limit_refusals: int = _counter("Requests and commands that VALR refused for their rate (HTTP 429)")
    rate_limit_waits: int = _counter("Calls that waited so as not to exceed VALR's rate limits")


COUNTER_MEANINGS: Mapping[str, str] = {each.name: each.metadata["meaning"] for each in fields(Counters)}


class Link:
    """Whether a socket is up; ``lost_at`` is set from its loss to its return."""

    __slots__ = ("is_up", "lost_at")

    def __init__(self) -> None:
        self.is_up = False
        self.lost_at: float | None = None


def _now() -> float:
    return time.time()


class Metrics:
    """The counters and incidents of one connector, fed by its rooms as things happen.

    :param clock: Unix seconds
    """

    def __init__(self, clock: Callable[[], float] = _now) -> None:
        self._clock = clock
        self._tell: Callable[[Fact], None] | None = None
        self._cancelled: dict[str, None] = {}
        self._dropped_at: dict[str, float] = {}
        self.counters = Counters()
        self.incidents: deque[Incident] = deque(maxlen=INCIDENTS_KEPT)
        self.incident_counts = dict.fromkeys(IncidentKind, 0)
        self.account_socket = Link()
        self.market_socket = Link()
        self.clock_offset = 0.0
        self._offset_told = 0.0

    def tell(self, taker: Callable[[Fact], None] | None) -> None:
        """Let ``taker`` have every fact from now on, None for nobody; see ``valr_session_record`` for their shapes."""
        self._tell = taker

    def incident(self, kind: IncidentKind, text: str, trading_pair: str = "") -> None:
        """Something happened that a user may want to know of later."""
        incident = Incident(self._clock(), kind, trading_pair, text)
        self.incidents.append(incident)
        self.incident_counts[kind] += 1
        if self._tell is not None:
            self._tell(
                {"t": incident.time, "kind": "incident", "incident": kind.value, "pair": trading_pair, "text": text}
            )

    def _fact(self, kind: str, **content: Any) -> None:
        if self._tell is not None:
            self._tell({"t": self._clock(), "kind": kind, **content})

    # --- Orders -------------------------------------------------------------------------------------------------------
    def order_sent(
        self, client_order_id: str, trading_pair: str, side: str, price: Decimal | None, amount: Decimal
    ) -> None:
        """A placement is given to VALR.

        :param side: ``buy`` or ``sell``
        :param price: None for a market order
        :param amount: in base currency; an estimate where a market order is by quote amount
        """
        self.counters.orders_sent += 1
        if self._tell is not None:
            price_text = None if price is None else f"{price:f}"
            self._fact(
                "order", id=client_order_id, pair=trading_pair, side=side, price=price_text, amount=f"{amount:f}"
            )

    def order_opened(self, client_order_id: str, trading_pair: str) -> None:
        """An order is proven open."""
        self.counters.orders_opened += 1
        self._fact("open", id=client_order_id, pair=trading_pair)

    def placement_in_doubt(self, client_order_id: str, trading_pair: str, reason: str) -> None:
        """A placement brought no usable answer: it may be live."""
        self.counters.placements_in_doubt += 1
        self.incident(
            IncidentKind.PLACEMENT_IN_DOUBT,
            f"It was not known whether VALR had order {client_order_id} ({reason}); it was looked up.",
            trading_pair,
        )

    def filled(
        self,
        client_order_id: str,
        order_id: str,
        trade_id: str,
        trading_pair: str,
        side: str,
        price: Decimal,
        amount: Decimal,
        fee: Decimal,
        fee_currency: str,
        traded_at: float,
    ) -> None:
        """One new trade of an order of ours; a maker reward is a negative fee, ``traded_at`` Unix seconds at VALR."""
        self.counters.fills += 1
        if self._tell is not None:
            self._fact(
                "fill",
                id=client_order_id,
                order_id=order_id,
                trade_id=trade_id,
                pair=trading_pair,
                side=side,
                price=f"{price:f}",
                amount=f"{amount:f}",
                fee=f"{fee:f}",
                fee_currency=fee_currency,
                traded_at=traded_at,
            )

    def order_ended(self, client_order_id: str, trading_pair: str, end: str, reason: str, *, proven: bool) -> None:
        """An order ended as ``filled``, ``cancelled`` or ``failed``; unproven if VALR never knew it."""
        counters = self.counters
        if end == "filled":
            counters.orders_filled += 1
        elif end == "cancelled":
            counters.orders_cancelled += 1
        else:
            counters.orders_failed += 1
        self._cancelled.pop(client_order_id, None)
        self._fact("end", id=client_order_id, pair=trading_pair, end=end, reason=reason)
        if not proven:
            counters.placements_given_up += 1
            self.incident(
                IncidentKind.PLACEMENT_GIVEN_UP,
                f"Order {client_order_id} never appeared on VALR and was told as failed.",
                trading_pair,
            )

    def cancel_sent(self, client_order_id: str, trading_pair: str) -> None:
        """A cancel of a live order is given to VALR, perhaps not its first."""
        self.counters.cancels_sent += 1
        if client_order_id not in self._cancelled:
            self._cancelled[client_order_id] = None
            if len(self._cancelled) > CANCELS_REMEMBERED:
                del self._cancelled[next(iter(self._cancelled))]
            return
        self.counters.cancels_sent_again += 1
        self.incident(
            IncidentKind.CANCEL_SENT_AGAIN,
            f"A cancel had not ended order {client_order_id}; it was sent again.",
            trading_pair,
        )

    def stray_found(self, trading_pair: str, text: str) -> None:
        """An order of ours is live on VALR and unknown to the bot."""
        self.counters.strays += 1
        self.incident(IncidentKind.STRAY_FOUND, text, trading_pair)

    def unexpected_fill(self, trading_pair: str, text: str) -> None:
        """An order was filled that had ended, or that the bot did not know."""
        self.counters.unexpected_fills += 1
        self.incident(IncidentKind.UNEXPECTED_FILL, text, trading_pair)

    def latency(self, measure: str, client_order_id: str, seconds: float) -> None:
        """A time of an order was taken; ``measure`` is one of ``valr_latency``'s."""
        if self._tell is not None:
            self._fact("latency", id=client_order_id, measure=measure, ms=round(seconds * 1000, 3))

    # --- Sockets ------------------------------------------------------------------------------------------------------
    def account_socket_up(self) -> None:
        """The account socket is authenticated."""
        if self._came_up(self.account_socket, IncidentKind.ACCOUNT_SOCKET_BACK, "The account socket"):
            self.counters.account_reconnects += 1

    def account_socket_lost(self, reason: str) -> None:
        """The account socket is gone, or could not be connected; only the first of several tries in a row is news."""
        self._was_lost(self.account_socket, IncidentKind.ACCOUNT_SOCKET_LOST, f"The account socket is down: {reason}.")

    def market_socket_up(self) -> None:
        """The market data socket is connected."""
        if self._came_up(self.market_socket, IncidentKind.MARKET_SOCKET_BACK, "The market data socket"):
            self.counters.market_reconnects += 1

    def market_socket_lost(self, reason: str) -> None:
        """The market data socket is gone, or could not be connected; as for the account socket."""
        self._was_lost(
            self.market_socket, IncidentKind.MARKET_SOCKET_LOST, f"The market data socket is down: {reason}."
        )

    def _came_up(self, link: Link, kind: IncidentKind, name: str) -> bool:
        link.is_up = True
        lost_at, link.lost_at = link.lost_at, None
        if lost_at is None:
            return False
        self.incident(kind, f"{name} is back after {self._clock() - lost_at:.1f} s.")
        return True

    def _was_lost(self, link: Link, kind: IncidentKind, text: str) -> None:
        link.is_up = False
        if link.lost_at is None:
            link.lost_at = self._clock()
            self.incident(kind, text)

    def stopped(self) -> None:
        """The sockets were closed because the bot stops: that is no incident."""
        for link in (self.account_socket, self.market_socket):
            link.is_up, link.lost_at = False, None

    # --- Books --------------------------------------------------------------------------------------------------------
    def book_dropped(self, trading_pair: str, reason: str) -> None:
        """A pair's book is out of use; not said of each pair when the whole socket is down."""
        if trading_pair not in self._dropped_at and self.market_socket.is_up:
            self._dropped_at[trading_pair] = self._clock()
            self.counters.books_dropped += 1
            self.incident(
                IncidentKind.BOOK_DROPPED, f"The order book of {trading_pair} was dropped: {reason}.", trading_pair
            )

    def book_proven(self, trading_pair: str) -> None:
        """A snapshot has proven a pair's book."""
        dropped_at = self._dropped_at.pop(trading_pair, None)
        if dropped_at is not None:
            self.counters.books_resynced += 1
            self.incident(
                IncidentKind.BOOK_RESYNCED,
                f"The order book of {trading_pair} was proven again after {self._clock() - dropped_at:.1f} s.",
                trading_pair,
            )

    def feed_changed(self, trading_pair: str, text: str) -> None:
        """A pair's book comes from another feed now."""
        self.counters.feed_changes += 1
        self.incident(IncidentKind.FEED_CHANGED, text, trading_pair)

    # --- Access -------------------------------------------------------------------------------------------------------
    def clock_measured(self, offset: float) -> None:
        """VALR's clock is ``offset`` seconds ahead of this machine's; said when it has changed by a second and more."""
        self.clock_offset = offset
        if abs(offset - self._offset_told) < CLOCK_TOLERANCE:
            return
        if abs(offset) < CLOCK_TOLERANCE:
            self._offset_told = 0.0
            self.incident(IncidentKind.CLOCK_RIGHT, "This machine's clock agrees with VALR's again.")
            return
        self._offset_told = offset
        side = "behind" if offset > 0 else "ahead of"
        self.incident(
            IncidentKind.CLOCK_OFF,
            f"This machine's clock is {abs(offset):.1f} s {side} VALR's; requests are signed with VALR's time.",
        )


@dataclass(frozen=True, slots=True)
class LimitUse:
    """How much of a rate limit was used within its last interval (seconds), and how much there is."""

    used: int
    limit: int
    interval: float


@dataclass(frozen=True, slots=True)
class Gauges:
    """What is true of a connector at one moment.

    ``book_ages`` has for each pair the seconds since the last frame of its book, None while none is proven;
    ``clock_offset`` is how many seconds VALR's clock is ahead of this machine's.
    """

    ready: bool
    account_socket_up: bool
    market_socket_up: bool
    read_only: bool
    live_orders: int
    clock_offset: float
    book_ages: Mapping[str, float | None]
    rate_limits: Mapping[str, LimitUse]


class MetricsView:
    """What others may read of a connector's metrics; reading changes nothing.

    :param read_gauges: reads the moment's values
    """

    def __init__(self, metrics: Metrics, read_gauges: Callable[[], Gauges]) -> None:
        self._metrics = metrics
        self._read_gauges = read_gauges

    def counters(self) -> dict[str, int]:
        """Return every counter by its name; ``COUNTER_MEANINGS`` says what each counts."""
        return asdict(self._metrics.counters)

    def incidents(self) -> tuple[Incident, ...]:
        """Return the last thousand incidents, oldest first."""
        return tuple(self._metrics.incidents)

    def incident_counts(self) -> dict[IncidentKind, int]:
        """Return how many incidents of each kind there have been."""
        return dict(self._metrics.incident_counts)

    def gauges(self) -> Gauges:
        """Return what is true now."""
        return self._read_gauges()
