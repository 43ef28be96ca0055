"""Draws stories. What shrinks, shrinks towards one order to which nothing happens and nothing going wrong."""

from dataclasses import replace

from hypothesis import strategies as st

from .evidence_faults import (
    BAD_ANSWERS,
    BAD_CANCELS,
    BAD_DAYS,
    BAD_PLACEMENTS,
    BAD_STREAMS,
    BEYOND_PATIENCE,
    INTERRUPTIONS,
    WORST_DAYS,
    Fault,
)
from .evidence_model import CANCELLED, EXPIRED, PARTIALLY_FILLED, SLIPPED
from .evidence_plans import Deed, Help, Kind, OrderPlan, Origin, Step, Story

EVENTS = (
    "ORDER_STATUS_UPDATE",
    "NEW_ACCOUNT_TRADE",
    "ORDER_PROCESSED",
    "OPEN_ORDERS_UPDATE",
    "FAILED_ORDER",
    "FAILED_CANCEL_ORDER",
    "MODIFY_ORDER_OUTCOME",
)
DRAWN_FAULTS = [fault for fault in Fault if fault not in {*INTERRUPTIONS, *BEYOND_PATIENCE}]


def seconds(first: float, last: float) -> st.SearchStrategy[float]:
    """Draw a time in steps of a twentieth of a second."""
    return st.integers(0, int((last - first) * 20)).map(lambda number: first + number / 20)


# Strategies are made once: making them anew for each example takes as long as playing it.
FILLING = st.sampled_from([Deed.FILL, Deed.FILL, Deed.MODIFY])
ENDING = st.sampled_from([Deed.CANCEL, Deed.CANCEL, Deed.CANCEL, Deed.COMPLETE, Deed.APP_CANCEL, Deed.EXPIRE])
# A fill, a modification or a second cancel may race what was to be the end.
RACING = st.sampled_from([Deed.COMPLETE, Deed.FILL, Deed.CANCEL, Deed.MODIFY])
TENTHS = st.integers(1, 9)


def _steps(deeds: st.SearchStrategy[Deed], last: float, least: int, most: int) -> st.SearchStrategy[list[Step]]:
    return st.lists(st.builds(Step, seconds(0, last), deeds, TENTHS), min_size=least, max_size=most)


LIVING: st.SearchStrategy[list[Step]] = _steps(ENDING, 2.5, 1, 1) | _steps(ENDING, 2.5, 1, 1) | st.builds(list)
RESTING = st.tuples(_steps(FILLING, 2.5, 0, 3), LIVING, _steps(RACING, 0.5, 0, 2)).map(
    lambda parts: tuple(step for part in parts for step in part)
)
TRADING = st.lists(st.builds(Step, st.just(0.0), st.just(Deed.FILL), TENTHS), min_size=1, max_size=4).map(tuple)
REMAINDERS = st.sampled_from([CANCELLED, EXPIRED, SLIPPED, PARTIALLY_FILLED])
FAILURES = st.sampled_from([*[""] * 14, "Post only cancelled as it would have matched", "Insufficient Balance"])
PAIRS = st.sampled_from(["BTC-ZAR", "ETH-ZAR"])
ARRIVES = st.sampled_from([True, True, True, False])
NOW = seconds(0, 3)
# An earlier run's placement may still be on its way when the next run starts.
EARLIER = seconds(-3, 2)
NO_FAULTS = st.just(frozenset[Fault]())
FEW_FAULTS = st.frozensets(st.sampled_from(DRAWN_FAULTS), min_size=2, max_size=8)
MANY_FAULTS = st.frozensets(st.sampled_from(DRAWN_FAULTS), min_size=9)
BAD_DAY = st.lists(st.sampled_from(BAD_DAYS), min_size=1, max_size=4, unique=True).map(
    lambda days: frozenset().union(*days)
)
# The first alternative is drawn far more often than its share, so it is not the emptiest.
FAULT_SETS = BAD_DAY | FEW_FAULTS | BAD_DAY | FEW_FAULTS | MANY_FAULTS | NO_FAULTS
ALL_SPOILED = st.just(frozenset(EVENTS))
SPOILED = ALL_SPOILED | ALL_SPOILED | st.frozensets(st.sampled_from(EVENTS), min_size=1)
STRENGTHS = st.sampled_from([0.5, 0.3, 1.0])
HELPS = st.sampled_from(Help)
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
    always: st.SearchStrategy[frozenset[Fault]],
    interruptions: st.SearchStrategy[Fault | None],
) -> Story:
    begin = draw(WINDOW_STARTS)
    return Story(
        orders=tuple(
            replace(plan, client_order_id=f"{plan.client_order_id}{number}") for number, plan in enumerate(draw(plans))
        ),
        faults=draw(FAULT_SETS) | draw(always),
        strength=draw(STRENGTHS),
        seed=draw(SEEDS),
        spoiled=draw(SPOILED),
        over_socket=draw(st.booleans()),
        poll_every=draw(POLLS),
        interruption=draw(interruptions),
        window=(begin, begin + draw(WINDOW_LENGTHS)),
        waits=draw(st.booleans()),
        help=draw(HELPS),
    )


def stories(
    most_orders: int,
    origins: tuple[Origin, ...] = (Origin.NEW,),
    kinds: tuple[Kind, ...] = tuple(Kind),
    always: tuple[frozenset[Fault], ...] = (frozenset(),),
    interruptions: tuple[Fault | None, ...] = (None,),
) -> st.SearchStrategy[Story]:
    """Draw stories of up to ``most_orders`` orders.

    :param always: sets of faults of which one is in force in every story
    """
    plans = _order_plans(st.sampled_from(origins), st.sampled_from(kinds))
    orders = st.lists(plans, min_size=1, max_size=most_orders)
    return _stories(orders, st.sampled_from(always), st.sampled_from(interruptions))


RESTS = (Kind.LIMIT,)
TROUBLE_WITH_THE_STREAM = stories(2, always=BAD_STREAMS)
TROUBLE_WITH_PLACEMENTS = stories(2, always=BAD_PLACEMENTS)
TROUBLE_WITH_CANCELS = stories(2, kinds=RESTS, always=BAD_CANCELS)
TROUBLE_WITH_ANSWERS = stories(2, always=BAD_ANSWERS)
SEVERAL_ORDERS = stories(4)
ORDERS_THAT_CANNOT_REST = stories(3, kinds=(Kind.MARKET, Kind.IOC, Kind.BY_QUOTE))
AFTER_A_RESTART = stories(4, origins=(Origin.RESTORED, Origin.STRAY, Origin.NEW))
BESIDE_ANOTHER_BOT = stories(4, origins=(Origin.FOREIGN, Origin.NEW, Origin.STRAY))
WITH_AN_INTERRUPTION = stories(3, origins=(Origin.NEW, Origin.RESTORED), interruptions=INTERRUPTIONS)
BEYOND_ALL_PATIENCE = stories(2, always=WORST_DAYS)
