"""Each rule that is switched off shows on some simulated day; with all rules on, none of these days has a problem."""

import pytest

from hummingbot.connector.exchange.valr import valr_order_lifecycle
from test.simulation.day import play
from test.simulation.hunt import hunt
from test.simulation.mutants import MUTANTS, Change, Mutant, wrong_rule

pytestmark = pytest.mark.usefixtures("unmeasured")

SEEDS = range(1, 201)
"""The days that `make test` plays with all rules on."""

MINUTES = 10.0


@pytest.mark.parametrize("name", MUTANTS)
def test_a_rule_that_is_off_shows(name: str) -> None:
    catch = hunt(name, SEEDS, MINUTES)
    assert catch.seed is not None, f"{catch.played} days show nothing"


@pytest.mark.parametrize("name", [name for name, mutant in MUTANTS.items() if mutant.day is not None])
def test_the_day_made_for_a_rule_has_no_problem_with_it(name: str) -> None:
    day = MUTANTS[name].day
    assert day is not None
    assert not play(day).problems


def test_a_rule_is_right_again_afterwards() -> None:
    right = valr_order_lifecycle.OrderLifecycle.reconcile.__code__
    with wrong_rule(MUTANTS["nothing is asked after a reconnect"]):
        assert valr_order_lifecycle.OrderLifecycle.reconcile.__code__ is not right
    assert valr_order_lifecycle.OrderLifecycle.reconcile.__code__ is right


def test_a_change_whose_text_has_gone_is_refused() -> None:
    change = Change(valr_order_lifecycle, "OrderLifecycle.reconcile", "no such text", "pass")
    with pytest.raises(ValueError, match="does not contain exactly once: no such text"), wrong_rule(Mutant(change)):
        pass
