"""What can go wrong, as named scenarios: each fault of the exchange alone in every form it has, and all at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from valr_loopback.faults import Fault

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scenario:
    """What the exchange does during a run.

    ``rows`` are faults as a YAML file would have them. ``kills`` is how often the exchange's process is killed and
    started again with its state. ``ends_all`` says that the exchange itself ends every order on the bot's pair, those
    of others included.
    """

    name: str
    rows: tuple[Row, ...] = ()
    order_entry: str = "websocket"
    kills: int = 0
    ends_all: bool = False

    @property
    def is_crowded(self) -> bool:
        """Whether there are so many kinds that a run need not meet each of them."""
        return len(self.rows) > 5

    def plan(self) -> list[Fault]:
        """Return the faults, checked."""
        return [Fault.model_validate(row) for row in self.rows]


def _alone(
    kind: str, note: str = "", *, order_entry: str = "websocket", ends_all: bool = False, **more: Any
) -> Scenario:
    over_rest = "over REST" if order_entry == "rest" else ""
    name = " ".join(filter(None, (kind, note, over_rest)))
    return Scenario(name, ({"kind": kind, **more},), order_entry, ends_all=ends_all)


def _together(name: str, *rows: Row, order_entry: str = "websocket") -> Scenario:
    return Scenario(name, rows, order_entry)


EVENTS = ("ORDER_STATUS_UPDATE", "NEW_ACCOUNT_TRADE", "ORDER_PROCESSED", "OPEN_ORDERS_UPDATE", "BALANCE_UPDATE")
REFUSALS = ("error", "invalid", "requested_false", "rate_limit", "silence", "invalid_without_id", "any")
COMMANDS = {"placements": "PLACE_LIMIT_ORDER", "cancels": "CANCEL_LIMIT_ORDER"}

_CALM = (Scenario("calm"), Scenario("calm over REST", order_entry="rest"))

_CANCELS = (
    _alone("cancel_ack_lost", probability=0.5),
    _alone("cancel_ack_lost", probability=0.5, order_entry="rest"),
    _alone("cancel_executed_late", probability=0.5, delay=(1.0, 5.0)),
    _alone("cancel_executed_late", probability=0.5, delay=(1.0, 5.0), order_entry="rest"),
    _alone("cancel_never_executed", probability=0.6),
    _alone("cancel_never_executed", "at all"),
    _alone("cancel_never_executed", probability=0.6, order_entry="rest"),
    _alone("cancel_refused_though_open", probability=0.6),
    _alone("cancel_refused_though_open", probability=0.6, order_entry="rest"),
    _alone("cancel_loses_to_fill", probability=0.5),
    _alone("cancel_loses_to_fill", probability=0.5, order_entry="rest"),
)

_PLACEMENTS = (
    _alone("place_reply_lost", probability=0.5),
    _alone("place_reply_lost", probability=0.5, order_entry="rest"),
    _alone("place_reply_late", probability=0.5, delay=(0.5, 4.0)),
    _alone("place_reply_late", probability=0.5, delay=(0.5, 4.0), order_entry="rest"),
    _alone("place_lost", probability=0.3),
    _alone("place_lost", probability=0.3, order_entry="rest"),
    _alone("place_html_400_though_placed", probability=0.5, order_entry="rest"),
    _together(
        "place_reply_lost with lookup_blind",
        # Few orders are placed while nothing can be seen: every other one, so that it strikes for certain.
        {"kind": "place_reply_lost", "nth": frozenset(range(1, 100, 2))},
        {"kind": "lookup_blind", "delay": (5.0, 5.0)},
        {"kind": "drop_event"},
    ),
    _together(
        "place_lost with lookup_404",
        {"kind": "place_lost", "probability": 0.3},
        {"kind": "lookup_404"},
    ),
)

_REFUSED_COMMANDS = tuple(
    _alone("command_refused", f"{form} of {what}", form=form, command=command, probability=0.5)
    for form in REFUSALS
    for what, command in COMMANDS.items()
)

_EVENT_FAULTS = (
    _alone("events_before_reply"),
    _alone("events_before_reply", order_entry="rest"),
    *(_alone("drop_event", event, event=event) for event in EVENTS),
    _alone("drop_event", "now and then", probability=0.3),
    _alone("drop_event", "all", path=""),
    _alone("duplicate_event", delay=(0.0, 2.0)),
    _alone("reorder_events"),
    _alone("omit_customer_order_id"),
    _alone("open_orders_missing_fresh", delay=(2.0, 2.0)),
    _together(
        "open_orders_stale",
        {"kind": "open_orders_stale", "delay": (3.0, 3.0)},
        {"kind": "open_orders_stale", "delay": (3.0, 3.0), "path": "/v1/orders/open"},
    ),
    _alone("open_orders_object_layout"),
    _together(
        "status_update_needs_subscribe while SUBSCRIBE closes the socket",
        {"kind": "account_socket_close", "times": 1},
        {"kind": "account_socket_closes_on_subscribe"},
        {"kind": "status_update_needs_subscribe"},
        order_entry="rest",
    ),
    _alone("status_update_not_for_resting"),
    _alone("unknown_event", probability=0.5),
    _alone("unknown_status_word", probability=0.3),
    _alone("missing_field", probability=0.3),
    *(_alone("missing_field", event, event=event, probability=0.5) for event in EVENTS),
    _alone("missing_field", "fee", event="NEW_ACCOUNT_TRADE", field="fee", probability=0.5),
    _alone("extra_fields"),
    _alone("commas_in_numbers"),
)

_SOCKET_FAULTS = (
    _alone("account_socket_close", probability=0.3),
    _alone("account_socket_close_cleanly", probability=0.3),
    _alone("account_socket_silent", times=1),
    _alone("account_socket_silent", "again and again", probability=0.1),
    _together(
        "account_socket_refused",
        {"kind": "account_socket_close", "times": 1},
        {"kind": "account_socket_refused"},
    ),
    *(
        _together(
            f"account_socket_refused {form}",
            {"kind": "account_socket_close", "times": 1},
            {"kind": "account_socket_refused", "form": form},
        )
        for form in ("429", "reset")
    ),
    *(
        _together(
            f"account_key_refused {form}",
            {"kind": "account_socket_close", "times": 1},
            {"kind": "account_key_refused", "form": form},
        )
        for form in ("ip", "signature", "permission")
    ),
    _together(
        "account_socket_closes_on_subscribe",
        {"kind": "account_socket_close", "probability": 0.2},
        {"kind": "account_socket_closes_on_subscribe"},
    ),
)

_MARKET_DATA = (
    *(_alone(kind, probability=0.05) for kind in ("book_gap", "book_bad_checksum", "book_crossed", "book_duplicate")),
    *(
        _alone(kind, form, probability=0.05, form=form)
        for kind, form in (("book_altered", "any"), ("book_reorder", "any"))
    ),
    _alone("book_stalled", probability=0.01),
    _alone("trade_without_id"),
    _alone("trade_socket_close", probability=0.3),
    _alone("trade_socket_close_cleanly", probability=0.3),
    _alone("trade_socket_silent", probability=0.1),
    _alone("trade_socket_unsubscribes", probability=0.1),
    _alone("trade_socket_forgets", probability=0.1),
    *(
        _together(name, {"kind": "trade_socket_close", "probability": 0.3}, {"kind": name, "probability": 0.5, **form})
        for name, form in (
            ("snapshot_missing", {}),
            ("snapshot_late", {"form": "any"}),
            ("subscription_refused", {}),
            ("trade_socket_refused", {"form": "any"}),
        )
    ),
)

_REST_FAULTS = tuple(
    scenario
    for order_entry in ("websocket", "rest")
    for scenario in (
        *(
            _alone(kind, probability=0.3, order_entry=order_entry)
            for kind in ("rest_429", "rest_503", "rest_500", "rest_reset", "rest_html_400")
        ),
        _alone("rest_timeout", probability=0.2, delay=(2.0, 12.0), order_entry=order_entry),
        _alone("rest_slow", probability=0.5, delay=(0.5, 4.0), order_entry=order_entry),
    )
)

_OUTAGES = (
    _alone("rest_503", "all down"),
    _alone("rest_503", "all down", order_entry="rest"),
    _together(
        "read_only with the account socket refused",
        {"kind": "account_socket_close", "times": 1},
        {"kind": "account_socket_refused"},
        {"kind": "read_only"},
    ),
    _alone("read_only", order_entry="rest"),
    _alone("lookup_blind", delay=(5.0, 5.0)),
    _alone("clock_off", "five minutes ahead", offset=300),
    _alone("clock_off", "five minutes behind", offset=-300, order_entry="rest"),
    _alone("pair_inactive", pair="BTCZAR", ends_all=True),
    _together(
        "REST and account socket down",
        {"kind": "account_socket_close", "times": 1},
        {"kind": "account_socket_refused"},
        {"kind": "rest_503"},
    ),
    Scenario("exchange killed", kills=1),
    Scenario("exchange killed twice", kills=2, order_entry="rest"),
)

_SOME_TIME = {"every": 15.0, "for_seconds": 1.5}
_MOST_AT_ONCE: tuple[Row, ...] = (
    {"kind": "cancel_ack_lost", "probability": 0.1},
    {"kind": "cancel_executed_late", "probability": 0.1},
    {"kind": "cancel_never_executed", "probability": 0.1},
    {"kind": "cancel_refused_though_open", "probability": 0.1},
    {"kind": "cancel_loses_to_fill", "probability": 0.1},
    {"kind": "place_reply_lost", "probability": 0.1},
    {"kind": "place_reply_late", "probability": 0.1},
    {"kind": "place_lost", "probability": 0.02},
    {"kind": "place_html_400_though_placed", "probability": 0.1},
    {"kind": "command_refused", "form": "any", "probability": 0.04},
    {"kind": "events_before_reply", "probability": 0.3},
    {"kind": "drop_event", "probability": 0.1},
    {"kind": "duplicate_event", "probability": 0.3, "delay": (0.0, 2.0)},
    {"kind": "reorder_events", "probability": 0.5},
    {"kind": "omit_customer_order_id", "probability": 0.3},
    {"kind": "open_orders_missing_fresh", "probability": 0.5, "delay": (2.0, 2.0)},
    {"kind": "open_orders_stale", "probability": 0.3, "delay": (3.0, 3.0)},
    {"kind": "open_orders_object_layout", "probability": 0.3},
    {"kind": "status_update_needs_subscribe", "probability": 0.1},
    {"kind": "status_update_not_for_resting", "probability": 0.3},
    {"kind": "unknown_event", "probability": 0.1},
    {"kind": "unknown_status_word", "probability": 0.1},
    {"kind": "missing_field", "probability": 0.1},
    {"kind": "extra_fields", "probability": 0.5},
    {"kind": "commas_in_numbers", "probability": 0.5},
    {"kind": "account_socket_close", "probability": 0.05},
    {"kind": "account_socket_close_cleanly", "probability": 0.05},
    {"kind": "account_socket_silent", "probability": 0.01},
    {"kind": "account_socket_refused", "probability": 0.3},
    {"kind": "account_key_refused", "probability": 0.1, "form": "permission"},
    {"kind": "account_socket_closes_on_subscribe", "probability": 0.2},
    {"kind": "rest_429", "probability": 0.02},
    {"kind": "rest_503", "probability": 0.02},
    {"kind": "rest_500", "probability": 0.02},
    {"kind": "rest_timeout", "probability": 0.01, "delay": (2.0, 12.0)},
    {"kind": "rest_reset", "probability": 0.02},
    {"kind": "rest_slow", "probability": 0.1, "delay": (0.5, 3.0)},
    {"kind": "rest_html_400", "probability": 0.02},
    {"kind": "read_only", **_SOME_TIME},
    {"kind": "lookup_blind", "delay": (5.0, 5.0)},
    {"kind": "lookup_404", "probability": 0.5},
    {"kind": "book_gap", "probability": 0.02},
    {"kind": "book_bad_checksum", "probability": 0.02},
    {"kind": "book_altered", "probability": 0.01, "form": "any"},
    {"kind": "book_crossed", "probability": 0.01},
    {"kind": "book_duplicate", "probability": 0.01},
    {"kind": "book_reorder", "probability": 0.01, "form": "any"},
    {"kind": "book_stalled", "probability": 0.002},
    {"kind": "snapshot_missing", "probability": 0.2},
    {"kind": "snapshot_late", "probability": 0.2, "form": "any"},
    {"kind": "subscription_refused", "probability": 0.02},
    {"kind": "trade_without_id", "probability": 0.1},
    {"kind": "trade_socket_close", "probability": 0.02},
    {"kind": "trade_socket_close_cleanly", "probability": 0.02},
    {"kind": "trade_socket_silent", "probability": 0.005},
    {"kind": "trade_socket_refused", "probability": 0.2, "form": "any"},
    {"kind": "trade_socket_unsubscribes", "probability": 0.01},
    {"kind": "trade_socket_forgets", "probability": 0.01},
)
_CLOCK_AND_PAIR: tuple[Row, ...] = (
    {"kind": "clock_off", "offset": 120},
    {"kind": "pair_inactive", "pair": "BTCZAR", "from_seconds": 5, "until_seconds": 8},
)

ALL_AT_ONCE = (*_MOST_AT_ONCE, *_CLOCK_AND_PAIR)
"""Every kind there is."""

_EVERYTHING = (
    Scenario("all at once", _MOST_AT_ONCE),
    Scenario("all at once over REST", _MOST_AT_ONCE, "rest"),
    Scenario("all at once, clock and pair too", ALL_AT_ONCE, ends_all=True),
    Scenario("all at once, exchange killed too", _MOST_AT_ONCE, kills=1),
)

SCENARIOS = {
    scenario.name: scenario
    for group in (
        _CALM,
        _CANCELS,
        _PLACEMENTS,
        _REFUSED_COMMANDS,
        _EVENT_FAULTS,
        _SOCKET_FAULTS,
        _MARKET_DATA,
        _REST_FAULTS,
        _OUTAGES,
        _EVERYTHING,
    )
    for scenario in group
}

NASTIEST = (
    ("all at once", "cancel_never_executed", "account_socket_silent", "open_orders_stale"),
    ("all at once over REST", "place_reply_lost with lookup_blind", "drop_event ORDER_STATUS_UPDATE", "calm"),
    ("all at once, clock and pair too", "exchange killed", "rest_503 all down", "missing_field fee"),
)
"""What ``make test`` runs, each group side by side; ``make faults`` runs everything."""
