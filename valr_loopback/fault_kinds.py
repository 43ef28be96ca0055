"""Every kind of misbehaviour the exchange can be told to show: its name, its options and what it does.

The kinds follow what VALR is known or suspected to do (valr-api.md 4, 5, 6, 8 and 9).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """The kinds of faults. ``KINDS`` says what each does and which options it takes."""

    CANCEL_ACK_LOST = "cancel_ack_lost"
    CANCEL_EXECUTED_LATE = "cancel_executed_late"
    CANCEL_NEVER_EXECUTED = "cancel_never_executed"
    CANCEL_REFUSED_THOUGH_OPEN = "cancel_refused_though_open"
    CANCEL_LOSES_TO_FILL = "cancel_loses_to_fill"
    PLACE_REPLY_LOST = "place_reply_lost"
    PLACE_REPLY_LATE = "place_reply_late"
    PLACE_LOST = "place_lost"
    PLACE_HTML_400_THOUGH_PLACED = "place_html_400_though_placed"
    COMMAND_REFUSED = "command_refused"
    EVENTS_BEFORE_REPLY = "events_before_reply"
    DROP_EVENT = "drop_event"
    DUPLICATE_EVENT = "duplicate_event"
    REORDER_EVENTS = "reorder_events"
    STATUS_UPDATE_NEEDS_SUBSCRIBE = "status_update_needs_subscribe"
    STATUS_UPDATE_NOT_FOR_RESTING = "status_update_not_for_resting"
    OPEN_ORDERS_MISSING_FRESH = "open_orders_missing_fresh"
    OPEN_ORDERS_STALE = "open_orders_stale"
    OPEN_ORDERS_OBJECT_LAYOUT = "open_orders_object_layout"
    OMIT_CUSTOMER_ORDER_ID = "omit_customer_order_id"
    UNKNOWN_EVENT = "unknown_event"
    UNKNOWN_STATUS_WORD = "unknown_status_word"
    MISSING_FIELD = "missing_field"
    EXTRA_FIELDS = "extra_fields"
    COMMAS_IN_NUMBERS = "commas_in_numbers"
    ACCOUNT_SOCKET_CLOSE = "account_socket_close"
    ACCOUNT_SOCKET_CLOSE_CLEANLY = "account_socket_close_cleanly"
    ACCOUNT_SOCKET_SILENT = "account_socket_silent"
    ACCOUNT_SOCKET_REFUSED = "account_socket_refused"
    ACCOUNT_SOCKET_CLOSES_ON_SUBSCRIBE = "account_socket_closes_on_subscribe"
    ACCOUNT_KEY_REFUSED = "account_key_refused"
    REST_429 = "rest_429"
    REST_503 = "rest_503"
    REST_500 = "rest_500"
    REST_HTML_400 = "rest_html_400"
    REST_TIMEOUT = "rest_timeout"
    REST_RESET = "rest_reset"
    REST_SLOW = "rest_slow"
    READ_ONLY = "read_only"
    LOOKUP_BLIND = "lookup_blind"
    LOOKUP_404 = "lookup_404"
    CLOCK_OFF = "clock_off"
    PAIR_INACTIVE = "pair_inactive"
    BOOK_GAP = "book_gap"
    BOOK_BAD_CHECKSUM = "book_bad_checksum"
    BOOK_ALTERED = "book_altered"
    BOOK_CROSSED = "book_crossed"
    BOOK_DUPLICATE = "book_duplicate"
    BOOK_REORDER = "book_reorder"
    BOOK_STALLED = "book_stalled"
    SNAPSHOT_MISSING = "snapshot_missing"
    SNAPSHOT_LATE = "snapshot_late"
    SUBSCRIPTION_REFUSED = "subscription_refused"
    TRADE_WITHOUT_ID = "trade_without_id"
    TRADE_SOCKET_CLOSE = "trade_socket_close"
    TRADE_SOCKET_CLOSE_CLEANLY = "trade_socket_close_cleanly"
    TRADE_SOCKET_SILENT = "trade_socket_silent"
    TRADE_SOCKET_REFUSED = "trade_socket_refused"
    TRADE_SOCKET_UNSUBSCRIBES = "trade_socket_unsubscribes"
    TRADE_SOCKET_FORGETS = "trade_socket_forgets"


WHEN = ("probability", "nth", "times", "from_seconds", "until_seconds", "for_seconds", "every")
"""The options of every kind: when it strikes."""

_ORDER = ("orders", "side", "pair")
_EVENT = ("event", *_ORDER)
_CHANNEL = ("event", "pair")
ANY = "any"
"""The form that is drawn anew, from all the others, each time a fault strikes."""
_CLOSE_CODES = (ANY, "1000", "1012")
_HANDSHAKE_REFUSALS = ("503", "429", "reset", ANY)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind in words. ``options`` come on top of ``WHEN``; ``delay`` is the default range of seconds.

    ``forms`` are the ways it can strike, the default first. A ``standing`` kind is a state of the exchange, not
    something that happens to one message: each of its time windows is one opportunity.
    """

    does: str
    options: tuple[str, ...] = ()
    delay: tuple[float, float] | None = None
    forms: tuple[str, ...] = ()
    needs: str = ""
    standing: bool = False

    @property
    def takes(self) -> tuple[str, ...]:
        """The options beyond ``WHEN``."""
        forms = ("form",) if self.forms else ()
        delay = ("delay",) if self.delay else ()
        return (*self.options, *forms, *delay)

    def _option(self, name: str) -> str:
        if name == "form":
            return f"form={'|'.join(self.forms)}"
        if name == "delay" and self.delay is not None:
            low, high = self.delay
            return f"delay={low:g}" if low == high else f"delay={low:g}/{high:g}"
        return name

    @property
    def usage(self) -> str:
        """The options as ``--list-faults`` shows them, with their defaults."""
        return " ".join(map(self._option, self.takes))


KINDS = {
    FaultKind.CANCEL_ACK_LOST: Kind("a cancel is done, its reply never comes", _ORDER),
    FaultKind.CANCEL_EXECUTED_LATE: Kind("a cancel is acknowledged at once, done after `delay`", _ORDER, (1.0, 5.0)),
    FaultKind.CANCEL_NEVER_EXECUTED: Kind("a cancel is acknowledged and never done, and no event says so", _ORDER),
    FaultKind.CANCEL_REFUSED_THOUGH_OPEN: Kind(
        "a cancel is acknowledged, then FAILED_CANCEL_ORDER (v2: 400 -16), though the order stays open", _ORDER
    ),
    FaultKind.CANCEL_LOSES_TO_FILL: Kind("a cancel fails because the order is filled the moment it arrives", _ORDER),
    FaultKind.PLACE_REPLY_LOST: Kind("an order is placed, its reply never comes", _ORDER),
    FaultKind.PLACE_REPLY_LATE: Kind("an order is placed, its reply comes after `delay`", _ORDER, (0.5, 2.0)),
    FaultKind.PLACE_LOST: Kind("a placement is swallowed: no order, no reply (REST: cut before it is done)", _ORDER),
    FaultKind.PLACE_HTML_400_THOUGH_PLACED: Kind("an order is placed over REST, the answer is a 400 page", _ORDER),
    FaultKind.COMMAND_REFUSED: Kind(
        "a socket command (`command`, or any) is refused in this form and not done",
        ("command", *_ORDER),
        forms=("error", "invalid", "requested_false", "rate_limit", "silence", "invalid_without_id", ANY),
    ),
    FaultKind.EVENTS_BEFORE_REPLY: Kind("the events of an order come before the reply to its placement", _ORDER),
    FaultKind.DROP_EVENT: Kind("a frame of either socket (of type `event`, or any) is not sent", _EVENT),
    FaultKind.DUPLICATE_EVENT: Kind("an account event is sent twice, the second after `delay`", _EVENT, (0.0, 0.05)),
    FaultKind.REORDER_EVENTS: Kind("an account event is held back for `delay`", _EVENT, (0.0, 0.05)),
    FaultKind.STATUS_UPDATE_NEEDS_SUBSCRIBE: Kind("ORDER_STATUS_UPDATE comes only after SUBSCRIBE", _ORDER),
    FaultKind.STATUS_UPDATE_NOT_FOR_RESTING: Kind("no ORDER_STATUS_UPDATE says that an order rests", _ORDER),
    FaultKind.OPEN_ORDERS_MISSING_FRESH: Kind(
        "OPEN_ORDERS_UPDATE leaves out orders younger than `delay`", _ORDER, (0.5, 0.5)
    ),
    FaultKind.OPEN_ORDERS_STALE: Kind(
        "OPEN_ORDERS_UPDATE (with path=/v1/orders/open the call too) still lists orders ended within `delay`",
        ("path", *_ORDER),
        (5.0, 5.0),
    ),
    FaultKind.OPEN_ORDERS_OBJECT_LAYOUT: Kind("OPEN_ORDERS_UPDATE holds {accountId, orders} with upper-case sides"),
    FaultKind.OMIT_CUSTOMER_ORDER_ID: Kind("an account event carries no customerOrderId", _EVENT),
    FaultKind.UNKNOWN_EVENT: Kind("an event of a type nobody documented is sent along with an account event", _EVENT),
    FaultKind.UNKNOWN_STATUS_WORD: Kind(
        "ORDER_STATUS_UPDATE or a lookup (whose path contains `path`) has a status word nobody documented",
        ("path", *_EVENT),
    ),
    FaultKind.MISSING_FIELD: Kind("an account event lacks `field`, or one that is drawn", ("field", *_EVENT)),
    FaultKind.EXTRA_FIELDS: Kind("an account event carries more fields, nested ones too", _EVENT),
    FaultKind.COMMAS_IN_NUMBERS: Kind("an account event writes numbers as 1,234.5", _EVENT),
    FaultKind.ACCOUNT_SOCKET_CLOSE: Kind("an account socket is cut; one opportunity a second and socket"),
    FaultKind.ACCOUNT_SOCKET_CLOSE_CLEANLY: Kind(
        "an account socket is closed with this code; one opportunity a second and socket", forms=_CLOSE_CODES
    ),
    FaultKind.ACCOUNT_SOCKET_SILENT: Kind(
        "an account socket stays open and says nothing more; one opportunity a second and socket"
    ),
    FaultKind.ACCOUNT_SOCKET_REFUSED: Kind(
        "a new account socket is refused with this status, or reset", forms=_HANDSHAKE_REFUSALS
    ),
    FaultKind.ACCOUNT_SOCKET_CLOSES_ON_SUBSCRIBE: Kind("SUBSCRIBE closes the account socket"),
    FaultKind.ACCOUNT_KEY_REFUSED: Kind(
        "a new account socket is refused: 401 -11272 (ip), 401 -11252 (signature), 403 -11273 (permission)",
        forms=(ANY, "ip", "signature", "permission"),
    ),
    FaultKind.REST_429: Kind("a REST call is told with a page that it is over the rate limit", ("path",)),
    FaultKind.REST_503: Kind("a REST call is told that the service is unavailable", ("path",)),
    FaultKind.REST_500: Kind("a REST call is told of an internal error", ("path",)),
    FaultKind.REST_HTML_400: Kind("a REST call is not done and answered with a 400 page", ("path",)),
    FaultKind.REST_TIMEOUT: Kind("a REST call is not done, and cut after `delay`", ("path",), (60.0, 60.0)),
    FaultKind.REST_RESET: Kind(
        "the connection of a REST call is reset before or after it is done", ("path",), forms=(ANY, "before", "after")
    ),
    FaultKind.REST_SLOW: Kind("a REST call is done at once and answered after `delay`", ("path",), (2.0, 5.0)),
    FaultKind.READ_ONLY: Kind("the status is read-only, every POST, PUT and DELETE gets 503", standing=True),
    FaultKind.LOOKUP_BLIND: Kind(
        "lookups, the call for open orders and the order history do not see orders younger than `delay`",
        ("path", *_ORDER),
        (5.0, 5.0),
    ),
    FaultKind.LOOKUP_404: Kind("a lookup of an unknown order is answered 404 instead of 400", ("path",)),
    FaultKind.CLOCK_OFF: Kind(
        "the server's clock is off by `offset` seconds, as it tells times and as it checks signatures",
        ("offset",),
        needs="offset",
        standing=True,
    ),
    FaultKind.PAIR_INACTIVE: Kind(
        "the pair is inactive, its open orders are cancelled", ("pair",), needs="pair", standing=True
    ),
    FaultKind.BOOK_GAP: Kind("an OB_L1 or FULL book frame is not sent to anybody", _CHANNEL),
    FaultKind.BOOK_BAD_CHECKSUM: Kind("an OB_L1 or FULL book frame has a wrong checksum", _CHANNEL),
    FaultKind.BOOK_ALTERED: Kind(
        "an OB_L1 or FULL book frame has another quantity at the best level (top), or below what the checksum covers",
        _CHANNEL,
        forms=("top", "deep", ANY),
    ),
    FaultKind.BOOK_CROSSED: Kind("a book frame has a bid above the best ask, and the checksum to it", _CHANNEL),
    FaultKind.BOOK_DUPLICATE: Kind("a book frame is sent twice", _CHANNEL),
    FaultKind.BOOK_REORDER: Kind(
        "a book frame is sent after the next one (swapped), or after `delay` (held_back)",
        _CHANNEL,
        (0.05, 0.2),
        ("swapped", "held_back", ANY),
    ),
    FaultKind.BOOK_STALLED: Kind(
        "nothing more is sent of a book to those who are subscribed, until they subscribe afresh", _CHANNEL
    ),
    FaultKind.SNAPSHOT_MISSING: Kind("subscribing to a book brings no snapshot", _CHANNEL),
    FaultKind.SNAPSHOT_LATE: Kind(
        "subscribing to a book brings the snapshot after `delay`, as the book is then (fresh) or was before (old)",
        _CHANNEL,
        (0.2, 1.0),
        ("fresh", "old", ANY),
    ),
    FaultKind.SUBSCRIPTION_REFUSED: Kind("a pair in SUBSCRIBE is refused as an invalid combination", _CHANNEL),
    FaultKind.TRADE_WITHOUT_ID: Kind("NEW_TRADE carries no id", ("pair",)),
    FaultKind.TRADE_SOCKET_CLOSE: Kind("a trade socket is cut; one opportunity a second and socket"),
    FaultKind.TRADE_SOCKET_CLOSE_CLEANLY: Kind(
        "a trade socket is closed with this code; one opportunity a second and socket", forms=_CLOSE_CODES
    ),
    FaultKind.TRADE_SOCKET_SILENT: Kind(
        "a trade socket stays open and says nothing more; one opportunity a second and socket"
    ),
    FaultKind.TRADE_SOCKET_REFUSED: Kind(
        "a new trade socket is refused with this status, or reset", forms=_HANDSHAKE_REFUSALS
    ),
    FaultKind.TRADE_SOCKET_UNSUBSCRIBES: Kind(
        "a trade socket is told UNSUBSCRIBED unasked; one opportunity a second and subscription", _CHANNEL
    ),
    FaultKind.TRADE_SOCKET_FORGETS: Kind(
        "a trade socket loses all its subscriptions, only its PONG tells; one opportunity a second and socket"
    ),
}


def listing() -> Iterator[str]:
    """Write every kind in a line: its name, its options with their defaults, what it does. Last what all can take."""
    for kind, about in KINDS.items():
        usage = f"[{about.usage}] " if about.usage else ""
        yield f"{kind.value:<36}{usage}{about.does}"
    yield f"\nEvery kind also takes {', '.join(WHEN)}."
