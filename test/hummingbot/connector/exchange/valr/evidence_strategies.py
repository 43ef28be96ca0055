"""Draws stories. What shrinks, shrinks towards one order to which nothing happens and nothing going wrong."""

from dataclasses import replace

from hypothesis import strategies as st

from .evidence_faults import Fault
from .evidence_model import CANCELLED, EXPIRED, PARTIALLY_FILLED, SLIPPED
from .evidence_story import Deed, Kind, OrderPlan, Origin, Step, Story

EVENTS = (
    "ORDER_STATUS_UPDATE",
    "NEW_ACCOUNT_TRADE",
    "ORDER_PROCESSED",
    "OPEN_ORDERS_UPDATE",
    "FAILED_ORDER",
    "FAILED_CANCEL_ORDER",
    "MODIFY_ORDER_OUTCOME",
)
INTERRUPTIONS = (Fault.SOCKET_DOWN, Fault.BOT_STOPPED)
# Ghosts make long stories; they have a test of their own.
DRAWN_FAULTS = [fault for fault in Fault if fault not in (*INTERRUPTIONS, Fault.PLACE_GHOST)]


def seconds(first: float, last: float) -> st.SearchStrategy[float]:
    """Draw a time in steps of a twentieth of a second."""
    return st.integers(0, int((last - first) * 20)).map(lambda number: first + number / 20)


# Strategies are made once: making them anew for each example takes as long as playing it.
RESTING = st.lists(st.builds(Step, seconds(0, 2.5), st.sampled_from(Deed), st.integers(1, 9)), max_size=4).map(tuple)
TRADING = st.lists(st.builds(Step, st.just(0.0), st.just(Deed.FILL), st.integers(1, 10)), max_size=3).map(tuple)
REMAINDERS = st.sampled_from([CANCELLED, EXPIRED, SLIPPED, PARTIALLY_FILLED])
FAILURES = st.sampled_from(["", "", "", "Post only cancelled as it would have matched", "Insufficient Balance"])
PAIRS = st.sampled_from(["BTC-ZAR", "ETH-ZAR"])
ARRIVES = st.sampled_from([True, True, True, False])
NOW = seconds(0, 3)
# An earlier run's placement may still be on its way when the next run starts.
EARLIER = seconds(-3, 2)
FAULT_SETS = st.frozensets(st.sampled_from(DRAWN_FAULTS), max_size=6) | st.frozensets(
    st.sampled_from(DRAWN_FAULTS), min_size=7, max_size=len(DRAWN_FAULTS)
)
SPOILED = st.frozensets(st.sampled_from(EVENTS)) | st.just(frozenset(EVENTS))
STRENGTHS = st.sampled_from([0.2, 0.5, 1.0])
SEEDS = st.integers(0, 2**16)
POLLS = st.sampled_from([None, 5.0, 10.0])
REMEMBERED = st.integers(0, 3)
FOREIGN_NAMES = st.sampled_from(["other", "app"])
WINDOW_STARTS, WINDOW_LENGTHS = seconds(0, 4), seconds(0, 4)


@st.composite
def _order_plans(draw: st.DrawFn, origins: st.SearchStrategy[Origin], kinds: st.SearchStrategy[Kind]) -> OrderPlan:
    origin, kind = draw(origins), draw(kinds)
    if origin is Origin.RESTORED and kind is not Kind.LIMIT:
        # Hummingbot saves neither the time in force nor an amount to spend.
        kind = Kind.MARKET
    rests = kind is Kind.LIMIT
    return OrderPlan(
        client_order_id=draw(FOREIGN_NAMES) if origin is Origin.FOREIGN else "HBOT",
        trading_pair=draw(PAIRS),
        origin=origin,
        kind=kind,
        over_socket=draw(st.booleans()),
        starts_at=draw(EARLIER if origin in (Origin.RESTORED, Origin.STRAY) else NOW),
        failure=draw(FAILURES),
        arrives=draw(ARRIVES),
        steps=draw(RESTING if rests else TRADING),
        remainder=CANCELLED if rests else draw(REMAINDERS),
        remembered=draw(REMEMBERED) if origin is Origin.RESTORED else 0,
    )


@st.composite
def _stories(
    draw: st.DrawFn,
    plans: st.SearchStrategy[list[OrderPlan]],
    always: frozenset[Fault],
    interruptions: st.SearchStrategy[Fault | None],
) -> Story:
    begin = draw(WINDOW_STARTS)
    return Story(
        orders=tuple(
            replace(plan, client_order_id=f"{plan.client_order_id}{number}") for number, plan in enumerate(draw(plans))
        ),
        faults=draw(FAULT_SETS) | always,
        strength=draw(STRENGTHS),
        seed=draw(SEEDS),
        spoiled=draw(SPOILED),
        poll_every=draw(POLLS),
        interruption=draw(interruptions),
        window=(begin, begin + draw(WINDOW_LENGTHS)),
        waits=draw(st.booleans()),
        reconnects=draw(st.booleans()),
    )


def stories(
    most_orders: int,
    origins: tuple[Origin, ...] = (Origin.NEW,),
    kinds: tuple[Kind, ...] = tuple(Kind),
    always: frozenset[Fault] = frozenset(),
    interruptions: tuple[Fault | None, ...] = (None,),
) -> st.SearchStrategy[Story]:
    """Draw stories of up to ``most_orders`` orders.

    :param always: faults that may strike in every story
    """
    plans = _order_plans(st.sampled_from(origins), st.sampled_from(kinds))
    orders = st.lists(plans, min_size=1, max_size=most_orders)
    return _stories(orders, always, st.sampled_from(interruptions))
