"""The tracker holds and tells what Hummingbot's does, and tells before it logs."""

import logging
from decimal import Decimal
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest

from hummingbot.connector.client_order_tracker import ClientOrderTracker
from hummingbot.connector.exchange.valr.valr_order_tracker import ValrOrderTracker
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState, OrderUpdate, TradeUpdate
from hummingbot.core.data_type.trade_fee import DeductedFromReturnsTradeFee


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


# --- What is told, and when -------------------------------------------------------------------------------------------
class Told(logging.Handler):
    """All that a tracker tells the strategy and writes into the log, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Any] = []
        self.lines: list[str] = []
        self.kinds: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        self.kinds.append("line")

    def trigger_event(self, tag: Any, event: Any) -> None:
        self.events.append((tag, event))
        self.kinds.append("event")

    def tracker(self, kind: type[ClientOrderTracker]) -> ClientOrderTracker:
        return kind(connector=SimpleNamespace(trigger_event=self.trigger_event, current_timestamp=1.0))


@pytest.fixture
def told() -> tuple[Told, Told]:
    """For what Hummingbot's tracker tells, and for what ours does."""
    return Told(), Told()


async def tell(told: Told, kind: type[ClientOrderTracker], updates: list[OrderUpdate | TradeUpdate]) -> None:
    logger = ClientOrderTracker.logger()
    level = logger.level
    logger.addHandler(told)
    logger.setLevel(logging.INFO)
    try:
        tracker = told.tracker(kind)
        tracker.start_tracking_order(order("active"))
        tracker._lost_orders["lost"] = order("lost")
        for update in updates:
            if isinstance(update, TradeUpdate):
                tracker.process_trade_update(update)
            else:
                await tracker._process_order_update(update)
    finally:
        logger.removeHandler(told)
        logger.setLevel(level)


def state(new_state: OrderState) -> OrderUpdate:
    return OrderUpdate("BTC-ZAR", 1.0, new_state, "active", "VALR-active")


def trade(name: str, trade_id: str = "t1", amount: str = "0.4") -> TradeUpdate:
    price, quantity = Decimal(3), Decimal(amount)
    fee = DeductedFromReturnsTradeFee()
    return TradeUpdate(trade_id, name, f"VALR-{name}", "BTC-ZAR", 2.0, price, quantity, price * quantity, fee)


# FILLED waits for fills in the base class; the keeper lets it wait for nothing.
STATES = [each for each in OrderState if each is not OrderState.FILLED]


@pytest.mark.parametrize("states", product(STATES, repeat=2), ids=lambda states: "-".join(each.name for each in states))
async def test_states_are_told_as_by_hummingbot(told: tuple[Told, Told], states: tuple[OrderState, ...]) -> None:
    updates = [state(each) for each in states]
    await tell(told[0], ClientOrderTracker, updates)
    await tell(told[1], ValrOrderTracker, updates)
    assert told[1].events == told[0].events
    assert told[1].lines == told[0].lines
    assert told[1].kinds == ["event", "line"] * len(told[1].events)


@pytest.mark.parametrize(
    ("trades", "fills"),
    [
        ([trade("active")], 1),
        ([trade("active"), trade("active", "t2"), trade("active", "t3", "0.2")], 3),
        ([trade("active"), trade("active")], 1),
        ([trade("active", amount="0")], 0),
        ([trade("lost")], 1),
        ([trade("unknown")], 0),
    ],
    ids=["one", "to the end", "twice the same", "of nothing", "of a lost order", "of an unknown order"],
)
async def test_fills_are_told_as_by_hummingbot(told: tuple[Told, Told], trades: list[TradeUpdate], fills: int) -> None:
    updates = [state(OrderState.OPEN), *trades]
    await tell(told[0], ClientOrderTracker, updates)
    await tell(told[1], ValrOrderTracker, updates)
    assert told[1].events == told[0].events
    assert told[1].lines == told[0].lines
    assert told[1].kinds == ["event", "line"] * (1 + fills)
    assert told[0].kinds == ["line", "event"] * (1 + fills)
