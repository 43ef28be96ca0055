"""The tracker's views hold what Hummingbot's copies do."""

from decimal import Decimal
from types import SimpleNamespace

import pytest

from hummingbot.connector.client_order_tracker import ClientOrderTracker
from hummingbot.connector.exchange.valr.valr_order_tracker import ValrOrderTracker
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder


def order(name: str) -> InFlightOrder:
    return InFlightOrder(name, "BTC-ZAR", OrderType.LIMIT, TradeType.BUY, Decimal(1), 1.0, Decimal(1), f"VALR-{name}")


@pytest.fixture
def trackers() -> list[ClientOrderTracker]:
    """Hummingbot's and ours, with an active, an ended and a lost order each."""
    trackers = [kind(connector=SimpleNamespace()) for kind in (ClientOrderTracker, ValrOrderTracker)]
    for tracker in trackers:
        tracker.start_tracking_order(order("ended"))
        tracker.stop_tracking_order("ended")
        tracker.start_tracking_order(order("active"))
        tracker._lost_orders["lost"] = order("lost")
    return trackers


def test_views_hold_what_copies_hold(trackers: list[ClientOrderTracker]) -> None:
    theirs, ours = trackers
    assert set(ours.all_orders) == set(theirs.all_orders) == {"active", "ended"}
    assert set(ours.all_fillable_orders) == set(theirs.all_fillable_orders) == {"active", "ended", "lost"}
    assert {each.client_order_id for each in ours.all_fillable_orders.values()} == {"active", "ended", "lost"}


@pytest.mark.parametrize("name", ["active", "ended"])
def test_orders_are_found_by_either_id(trackers: list[ClientOrderTracker], name: str) -> None:
    ours = trackers[1]
    assert ours.fetch_order(name).client_order_id == name
    assert ours.fetch_order(exchange_order_id=f"VALR-{name}").client_order_id == name
    assert ours.fetch_order("unknown") is None
    assert ours.all_fillable_orders.get("unknown") is None
