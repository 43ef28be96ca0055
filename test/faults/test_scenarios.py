"""The scenarios leave out no fault the exchange knows, and no form of one."""

import pytest

from test.faults.scenarios import ALL_AT_ONCE, EVENTS, NASTIEST, SCENARIOS, Scenario
from valr_loopback.fault_kinds import ANY, KINDS, FaultKind

ALONE = [scenario for scenario in SCENARIOS.values() if not scenario.is_crowded]


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_every_scenario_is_a_plan(scenario: Scenario) -> None:
    assert len(scenario.plan()) == len(scenario.rows)


@pytest.mark.parametrize("kind", FaultKind)
def test_every_fault_occurs_alone_or_with_what_it_needs(kind: FaultKind) -> None:
    assert any(fault.kind is kind for scenario in ALONE for fault in scenario.plan())


@pytest.mark.parametrize("kind", [kind for kind in FaultKind if KINDS[kind].forms])
def test_every_form_of_a_fault_occurs(kind: FaultKind) -> None:
    known = KINDS[kind].forms
    asked = {fault.form or known[0] for scenario in ALONE for fault in scenario.plan() if fault.kind is kind}
    assert ANY in asked or asked >= set(known) - {ANY}


@pytest.mark.parametrize("kind", [FaultKind.DROP_EVENT, FaultKind.MISSING_FIELD])
def test_every_event_is_dropped_and_spoilt(kind: FaultKind) -> None:
    asked = {fault.event for scenario in ALONE for fault in scenario.plan() if fault.kind is kind}
    assert asked >= {*EVENTS, ""}


def test_everything_occurs_at_once() -> None:
    assert {row["kind"] for row in ALL_AT_ONCE} == {kind.value for kind in FaultKind}
    assert SCENARIOS["all at once, clock and pair too"].rows == ALL_AT_ONCE


def test_the_exchange_is_killed_in_some() -> None:
    assert max(scenario.kills for scenario in SCENARIOS.values()) >= 2


def test_what_make_test_runs_exists() -> None:
    chosen = [name for group in NASTIEST for name in group]
    assert set(chosen) <= set(SCENARIOS)
    assert len(set(chosen)) == len(chosen)
