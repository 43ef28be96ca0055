"""Counters, incidents and facts: what is counted when, said once, and forgotten in time."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from hummingbot.connector.exchange.valr.valr_metrics import (
    CANCELS_REMEMBERED,
    COUNTER_MEANINGS,
    INCIDENTS_KEPT,
    Gauges,
    IncidentKind,
    Metrics,
    MetricsView,
)

PAIR = "BTC-ZAR"


class Watched:
    """Metrics on a clock moved by hand, and every fact they told."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.facts: list[dict[str, Any]] = []
        self.metrics = Metrics(lambda: self.now)
        self.metrics.tell(self.facts.append)

    def kinds(self) -> list[IncidentKind]:
        return [incident.kind for incident in self.metrics.incidents]

    def counted(self) -> dict[str, int]:
        counters = MetricsView(self.metrics, no_gauges).counters()
        return {name: count for name, count in counters.items() if count}


def no_gauges() -> Gauges:
    raise AssertionError("nobody asked for these")


@pytest.fixture
def watched() -> Watched:
    return Watched()


def fill(metrics: Metrics) -> None:
    amounts = Decimal("1E+6"), Decimal("0.010"), Decimal("-1E-8")
    metrics.filled("o1", "v1", "t1", PAIR, "sell", *amounts, "ZAR", 1234.5)


# --- Orders -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("happens", "counted", "fact"),
    [
        (
            lambda it: it.order_sent("o1", PAIR, "buy", Decimal("1E+3"), Decimal("0.10")),
            {"orders_sent": 1},
            {"kind": "order", "id": "o1", "pair": PAIR, "side": "buy", "price": "1000", "amount": "0.10"},
        ),
        (
            lambda it: it.order_sent("o1", PAIR, "sell", None, Decimal("2")),
            {"orders_sent": 1},
            {"kind": "order", "id": "o1", "pair": PAIR, "side": "sell", "price": None, "amount": "2"},
        ),
        (
            lambda it: it.order_opened("o1", PAIR),
            {"orders_opened": 1},
            {"kind": "open", "id": "o1", "pair": PAIR},
        ),
        (
            fill,
            {"fills": 1},
            {
                "kind": "fill",
                "id": "o1",
                "order_id": "v1",
                "trade_id": "t1",
                "pair": PAIR,
                "side": "sell",
                "price": "1000000",
                "amount": "0.010",
                "fee": "-0.00000001",
                "fee_currency": "ZAR",
                "traded_at": 1234.5,
            },
        ),
        *(
            (
                lambda it, end=end: it.order_ended("o1", PAIR, end, "why", proven=True),
                {f"orders_{end}": 1},
                {"kind": "end", "id": "o1", "pair": PAIR, "end": end, "reason": "why"},
            )
            for end in ("filled", "cancelled", "failed")
        ),
        (
            lambda it: it.latency("place open", "o1", 0.0123456),
            {},
            {"kind": "latency", "id": "o1", "measure": "place open", "ms": 12.346},
        ),
    ],
)
def test_what_happens_to_an_order_is_counted_and_told(
    watched: Watched, happens: Callable[[Metrics], None], counted: dict[str, int], fact: dict[str, Any]
) -> None:
    happens(watched.metrics)
    assert watched.counted() == counted
    assert watched.facts == [{"t": 1000.0, **fact}]
    assert watched.kinds() == []
    watched.metrics.tell(None)
    happens(watched.metrics)
    assert len(watched.facts) == 1
    assert watched.counted() == dict.fromkeys(counted, 2)


@pytest.mark.parametrize(
    ("happens", "counted", "kind", "said"),
    [
        (
            lambda it: it.placement_in_doubt("o1", PAIR, "no answer"),
            {"placements_in_doubt": 1},
            IncidentKind.PLACEMENT_IN_DOUBT,
            "It was not known whether VALR had order o1 (no answer); it was looked up.",
        ),
        (
            lambda it: it.order_ended("o1", PAIR, "failed", "", proven=False),
            {"orders_failed": 1, "placements_given_up": 1},
            IncidentKind.PLACEMENT_GIVEN_UP,
            "Order o1 never appeared on VALR and was told as failed.",
        ),
        (lambda it: it.stray_found(PAIR, "A stray."), {"strays": 1}, IncidentKind.STRAY_FOUND, "A stray."),
        (
            lambda it: it.unexpected_fill(PAIR, "A fill."),
            {"unexpected_fills": 1},
            IncidentKind.UNEXPECTED_FILL,
            "A fill.",
        ),
        (
            lambda it: it.feed_changed(PAIR, "Another feed."),
            {"feed_changes": 1},
            IncidentKind.FEED_CHANGED,
            "Another feed.",
        ),
    ],
)
def test_doubts_and_surprises_are_incidents_of_their_pair(
    watched: Watched, happens: Callable[[Metrics], None], counted: dict[str, int], kind: IncidentKind, said: str
) -> None:
    happens(watched.metrics)
    (incident,) = watched.metrics.incidents
    assert (incident.time, incident.kind, incident.trading_pair, incident.text) == (1000.0, kind, PAIR, said)
    assert watched.counted() == counted
    assert watched.facts[-1] == {"t": 1000.0, "kind": "incident", "incident": kind.value, "pair": PAIR, "text": said}


def test_a_cancel_is_sent_again_only_while_its_order_lives(watched: Watched) -> None:
    metrics = watched.metrics
    for _ in range(2):
        metrics.cancel_sent("o1", PAIR)
    metrics.cancel_sent("o2", PAIR)
    assert watched.kinds() == [IncidentKind.CANCEL_SENT_AGAIN]
    assert watched.counted() == {"cancels_sent": 3, "cancels_sent_again": 1}
    metrics.order_ended("o1", PAIR, "cancelled", "", proven=True)
    metrics.cancel_sent("o1", PAIR)
    assert watched.counted()["cancels_sent_again"] == 1


def test_cancels_of_orders_never_heard_of_again_are_forgotten(watched: Watched) -> None:
    for number in range(CANCELS_REMEMBERED + 1):
        watched.metrics.cancel_sent(f"o{number}", PAIR)
    watched.metrics.cancel_sent("o0", PAIR)
    assert watched.kinds() == []
    watched.metrics.cancel_sent(f"o{CANCELS_REMEMBERED}", PAIR)
    assert watched.kinds() == [IncidentKind.CANCEL_SENT_AGAIN]


# --- Sockets ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "lost", "back", "counter", "called"),
    [
        (
            "account",
            IncidentKind.ACCOUNT_SOCKET_LOST,
            IncidentKind.ACCOUNT_SOCKET_BACK,
            "account_reconnects",
            "account socket",
        ),
        (
            "market",
            IncidentKind.MARKET_SOCKET_LOST,
            IncidentKind.MARKET_SOCKET_BACK,
            "market_reconnects",
            "market data socket",
        ),
    ],
)
def test_a_socket_is_lost_once_and_back_once(
    watched: Watched, name: str, lost: IncidentKind, back: IncidentKind, counter: str, called: str
) -> None:
    metrics = watched.metrics
    link = getattr(metrics, f"{name}_socket")
    come_up, get_lost = getattr(metrics, f"{name}_socket_up"), getattr(metrics, f"{name}_socket_lost")
    assert not link.is_up
    come_up()
    assert link.is_up
    assert watched.kinds() == []
    for reason in ("it was closed", "refused"):
        get_lost(reason)
        assert not link.is_up
    watched.now += 2.25
    come_up()
    assert link.is_up
    assert [(each.kind, each.text) for each in metrics.incidents] == [
        (lost, f"The {called} is down: it was closed."),
        (back, f"The {called} is back after 2.2 s."),
    ]
    assert watched.counted() == {counter: 1}


def test_a_socket_closed_by_ourselves_was_not_lost(watched: Watched) -> None:
    metrics = watched.metrics
    metrics.account_socket_up()
    metrics.market_socket_lost("no network")
    metrics.stopped()
    assert not metrics.account_socket.is_up
    metrics.account_socket_up()
    metrics.market_socket_up()
    assert watched.kinds() == [IncidentKind.MARKET_SOCKET_LOST]
    assert watched.counted() == {}


# --- Books ------------------------------------------------------------------------------------------------------------
def test_a_book_is_dropped_once_and_proven_once(watched: Watched) -> None:
    metrics = watched.metrics
    metrics.market_socket_up()
    metrics.book_proven(PAIR)
    metrics.book_dropped(PAIR, "checksum")
    metrics.book_dropped(PAIR, "checksum")
    watched.now += 0.5
    metrics.book_proven(PAIR)
    metrics.book_proven(PAIR)
    assert [(each.kind, each.trading_pair, each.text) for each in metrics.incidents] == [
        (IncidentKind.BOOK_DROPPED, PAIR, "The order book of BTC-ZAR was dropped: checksum."),
        (IncidentKind.BOOK_RESYNCED, PAIR, "The order book of BTC-ZAR was proven again after 0.5 s."),
    ]
    assert watched.counted() == {"books_dropped": 1, "books_resynced": 1}


def test_of_a_lost_socket_its_books_are_not_told_one_by_one(watched: Watched) -> None:
    watched.metrics.market_socket_lost("it was closed")
    watched.metrics.book_dropped(PAIR, "stale")
    watched.metrics.market_socket_up()
    watched.metrics.book_proven(PAIR)
    assert watched.kinds() == [IncidentKind.MARKET_SOCKET_LOST, IncidentKind.MARKET_SOCKET_BACK]


# --- Access -----------------------------------------------------------------------------------------------------------
def test_the_clock_is_told_when_it_has_moved_by_a_second(watched: Watched) -> None:
    for offset in (0.3, -0.9, 5.0, 5.4, -61.0, -60.5, 0.2, 0.0):
        watched.metrics.clock_measured(offset)
        assert watched.metrics.clock_offset == offset
    signed = "VALR's; requests are signed with VALR's time."
    assert [(each.kind, each.text) for each in watched.metrics.incidents] == [
        (IncidentKind.CLOCK_OFF, f"This machine's clock is 5.0 s behind {signed}"),
        (IncidentKind.CLOCK_OFF, f"This machine's clock is 61.0 s ahead of {signed}"),
        (IncidentKind.CLOCK_RIGHT, "This machine's clock agrees with VALR's again."),
    ]


# --- What others read -------------------------------------------------------------------------------------------------
def test_incidents_are_bounded_and_their_counts_are_not(watched: Watched) -> None:
    for number in range(INCIDENTS_KEPT + 5):
        watched.metrics.incident(IncidentKind.KEY_REFUSED, str(number))
    view = MetricsView(watched.metrics, no_gauges)
    assert [incident.text for incident in view.incidents()] == [str(number) for number in range(5, INCIDENTS_KEPT + 5)]
    assert view.incident_counts()[IncidentKind.KEY_REFUSED] == INCIDENTS_KEPT + 5
    assert set(view.incident_counts()) == set(IncidentKind)


def test_the_view_hands_out_copies(watched: Watched) -> None:
    gauges = Gauges(True, True, True, False, 2, 0.1, {PAIR: 0.5}, {})
    view = MetricsView(watched.metrics, lambda: gauges)
    view.counters()["fills"] = 9
    view.incident_counts()[IncidentKind.KEY_REFUSED] = 9
    assert view.counters()["fills"] == view.incident_counts()[IncidentKind.KEY_REFUSED] == 0
    assert view.gauges() is gauges


def test_every_counter_says_what_it_counts(watched: Watched) -> None:
    assert set(COUNTER_MEANINGS) == set(MetricsView(watched.metrics, no_gauges).counters())
    assert all(COUNTER_MEANINGS.values())


def test_by_default_the_computers_clock_is_read() -> None:
    metrics = Metrics()
    metrics.incident(IncidentKind.KEY_REFUSED, "now")
    assert metrics.incidents[0].time > 1_700_000_000
