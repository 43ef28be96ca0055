"""When a fault strikes: by probability, number, time, order and all the other options, whatever its kind."""

from decimal import Decimal
from random import Random

import pytest
from pydantic import ValidationError

from valr_loopback.fault_kinds import KINDS, FaultKind
from valr_loopback.faults import Fault, FaultPlan, Subject


class Time:
    """A clock that is moved by hand."""

    def __init__(self):
        self.now = 1_795_000_000.0

    def __call__(self):
        return self.now


def plan(*faults, clock=None, seed=1):
    return FaultPlan([Fault(**fault) for fault in faults], clock or Time(), Random(seed))


def strikes(plan, times=10, kind=FaultKind.DROP_EVENT, **subject):
    return [number for number in range(1, times + 1) if plan.strike(kind, Subject(**subject))]


def struck_at(plan, clock, seconds, ask):
    """Return the seconds, of so many, at which the answer is true."""
    began, found = clock.now, []
    for second in range(seconds):
        clock.now = began + second
        found += [second] if ask() else []
    return found


def test_a_fault_strikes_always_unless_told_otherwise():
    assert strikes(plan({"kind": "drop_event"})) == list(range(1, 11))
    assert strikes(plan({"kind": "book_gap"})) == []


def test_a_fault_strikes_the_chosen_opportunities():
    assert strikes(plan({"kind": "drop_event", "nth": {2, 5}})) == [2, 5]


def test_a_fault_strikes_so_many_times_at_most():
    assert strikes(plan({"kind": "drop_event", "times": 3})) == [1, 2, 3]


def test_probability_is_drawn_from_the_seed():
    runs = [strikes(plan({"kind": "drop_event", "probability": 0.3}, seed=seed), 400) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    assert 80 < len(runs[0]) < 160
    assert strikes(plan({"kind": "drop_event", "probability": 0})) == []


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({}, list(range(12))),
        ({"from_seconds": 2, "until_seconds": 3}, [2, 3]),
        ({"from_seconds": 9}, [9, 10, 11]),
        ({"for_seconds": 2}, [0, 1]),
        ({"from_seconds": 1, "for_seconds": 2, "every": 5}, [1, 2, 6, 7, 11]),
        ({"from_seconds": 1, "for_seconds": 2, "every": 5, "until_seconds": 6}, [1, 2, 6]),
        ({"for_seconds": 3, "every": 3}, list(range(12))),
        ({"from_seconds": 1, "for_seconds": 1, "every": 3, "nth": {2}}, [4]),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["drop_event", "read_only"])
def test_a_fault_strikes_in_its_windows(kind, window, expected):
    clock = Time()
    timed = plan({"kind": kind, **window}, clock=clock)
    ask = {
        "drop_event": lambda: timed.strike(FaultKind.DROP_EVENT),
        "read_only": lambda: timed.standing(FaultKind.READ_ONLY),
    }[kind]
    assert struck_at(timed, clock, 12, ask) == expected


def test_each_window_of_a_standing_fault_is_one_opportunity():
    clock = Time()
    timed = plan({"kind": "read_only", "for_seconds": 2, "every": 4, "probability": 0.5}, clock=clock)
    stood = struck_at(timed, clock, 400, lambda: timed.standing(FaultKind.READ_ONLY))
    assert {second + 1 for second in stood if second % 4 == 0} == {second for second in stood if second % 4 == 1}
    assert 30 < len(stood) / 2 < 70
    assert timed.struck == {FaultKind.READ_ONLY: len(stood) / 2}


def test_suspended_faults_do_not_strike_and_lose_no_time():
    clock = Time()
    timed = plan({"kind": "drop_event", "until_seconds": 3}, {"kind": "read_only"}, clock=clock)
    with timed.suspended():
        assert not timed.strike(FaultKind.DROP_EVENT)
        assert not timed.standing(FaultKind.READ_ONLY)
        clock.now += 2
    assert not timed.struck
    assert timed.standing(FaultKind.READ_ONLY)
    assert struck_at(timed, clock, 4, lambda: timed.strike(FaultKind.DROP_EVENT)) == [0, 1]


def test_seconds_count_from_when_a_fault_is_put_in_force():
    clock = Time()
    later = plan(clock=clock)
    clock.now += 100
    later.add(Fault(kind="drop_event", until_seconds=1))
    assert struck_at(later, clock, 4, lambda: later.strike(FaultKind.DROP_EVENT)) == [0, 1]


SUBJECT = Subject("ORDER_PROCESSED", "/v1/orders/open", "PLACE_LIMIT_ORDER", "bot-17", "buy", "BTCZAR")


@pytest.mark.parametrize(
    ("options", "concerned"),
    [
        ({"orders": ["bot-"]}, True),
        ({"orders": ["cat", "bot-17"]}, True),
        ({"orders": ["ot-17", "bot-171"]}, False),
        ({"side": "BUY"}, True),
        ({"side": "sell"}, False),
        ({"pair": "btczar"}, True),
        ({"pair": "ETHZAR"}, False),
        ({"orders": ["bot"], "side": "sell"}, False),
        ({"event": "ORDER_PROCESSED"}, True),
        ({"event": "BALANCE_UPDATE"}, False),
        ({"path": "/orders/"}, True),
        ({"path": "/account/"}, False),
    ],
    ids=str,
)
def test_a_fault_strikes_only_what_it_is_about(options, concerned):
    kind = FaultKind.UNKNOWN_STATUS_WORD
    chosen = plan({"kind": kind, **options, "nth": [1]})
    assert chosen.strike(kind) is None
    assert bool(chosen.strike(kind, SUBJECT)) is concerned
    assert chosen.struck[kind] == concerned


def test_a_fault_strikes_the_chosen_command():
    chosen = plan({"kind": "command_refused", "command": "PLACE_LIMIT_ORDER"})
    assert chosen.strike(FaultKind.COMMAND_REFUSED, SUBJECT)
    assert not chosen.strike(FaultKind.COMMAND_REFUSED, Subject(command="CANCEL_LIMIT_ORDER"))


def test_what_is_older_than_the_delay_is_no_opportunity():
    young = plan({"kind": "lookup_blind", "delay": [2, 4], "probability": 1})
    ages = [age / 10 for age in range(60) if young.strike_young(FaultKind.LOOKUP_BLIND, SUBJECT, age / 10)]
    assert ages[:20] == [age / 10 for age in range(20)]
    assert 2 < ages[-1] < 4
    [armed] = young
    assert armed.opportunities == 40


@pytest.mark.parametrize("kind", [kind for kind in FaultKind if KINDS[kind].delay])
def test_delays_have_defaults(kind):
    low, high = KINDS[kind].delay
    drawn = plan({"kind": kind})
    assert low <= drawn.delay(Fault(kind=kind)) <= high
    assert drawn.delay(Fault(kind=kind, delay=0.25)) == 0.25


@pytest.mark.parametrize("kind", [kind for kind in FaultKind if KINDS[kind].forms])
def test_forms_are_drawn_or_chosen(kind):
    forms = set(KINDS[kind].forms)
    drawn = plan({"kind": kind})
    assert {drawn.form(Fault(kind=kind, form="any")) for _ in range(200)} == forms - {"any"}
    for form in forms - {"any"}:
        assert drawn.form(Fault(kind=kind, form=form)) == form
    assert drawn.form(Fault(kind=kind)) in forms - {"any"}


def test_a_plan_is_changed_as_a_whole():
    changed = plan({"kind": "drop_event"})
    assert changed.holds(FaultKind.BOOK_GAP, FaultKind.DROP_EVENT)
    changed.replace([Fault(kind="book_gap")])
    assert [armed.fault.kind for armed in changed] == [FaultKind.BOOK_GAP]
    assert strikes(changed) == []
    changed.clear()
    assert not changed.holds(FaultKind.BOOK_GAP)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kind": "unheard_of"}, "kind"),
        ({"kind": "drop_event", "probability": 2}, "less than or equal to 1"),
        ({"kind": "duplicate_event", "delay": (2, 1)}, "delay must be a range"),
        ({"kind": "duplicate_event", "delay": (-1, 1)}, "delay must be a range"),
        ({"kind": "drop_event", "from_seconds": 5, "until_seconds": 4}, "until_seconds is before from_seconds"),
        ({"kind": "drop_event", "every": 5}, "every needs for_seconds"),
        ({"kind": "drop_event", "every": 5, "for_seconds": 6}, "every needs for_seconds"),
        ({"kind": "drop_event", "times": 0}, "times"),
        ({"kind": "drop_event", "often": True}, "often"),
        ({"kind": "drop_event", "orders": ["a", ""]}, "none of them empty"),
        ({"kind": "drop_event", "side": "both"}, "side"),
        ({"kind": "drop_event", "pair": "BTCZAX"}, "unknown pair 'BTCZAX'"),
        ({"kind": "drop_event", "event": "ORDER_LOST"}, "unknown event 'ORDER_LOST'"),
        ({"kind": "drop_event", "path": "/v1"}, "drop_event does not take path; it takes probability"),
        ({"kind": "rest_500", "orders": ["a"]}, "rest_500 does not take orders"),
        ({"kind": "rest_500", "delay": 1}, "rest_500 does not take delay"),
        ({"kind": "command_refused", "command": "PLACE"}, "unknown command 'PLACE'"),
        ({"kind": "command_refused", "form": "rude"}, "unknown form 'rude'"),
        ({"kind": "pair_inactive"}, "pair_inactive needs pair"),
        ({"kind": "clock_off"}, "clock_off needs offset"),
    ],
    ids=str,
)
def test_wrong_faults_are_refused(wrong, said):
    with pytest.raises(ValidationError, match=said):
        Fault(**wrong)


def test_every_kind_says_what_it_does():
    assert list(KINDS) == list(FaultKind)
    assert Fault(kind="clock_off", offset=-90).offset == Decimal(-90)
