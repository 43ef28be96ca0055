"""Real order histories, told by an exchange whose evidence is lost, doubled, late, garbled and out of order.

A model exchange (``evidence_model``) lives through drawn stories (``evidence_plans``, ``evidence_strategies``); its
account socket (``evidence_wire``) and its counter (``evidence_venue``) say what the weather of faults
(``evidence_faults``) lets through; a shell (``evidence_shell``) does for the lifecycle what the keeper does, in virtual
time (``evidence_timeline``); and a witness (``evidence_witness``) holds every word against the truth at that moment,
and all of it once the evidence has calmed down (``evidence_story``).

``EVIDENCE_EXAMPLES`` sets how many stories are told in all, ``EVIDENCE_SEED`` which. With
``--hypothesis-show-statistics`` pytest shows how often each kind of history and fault occurred.
"""

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, event, given, note, seed, settings

from hummingbot.connector.exchange.valr.valr_order_lifecycle import OrderLifecycle

from . import evidence_strategies as themes
from .evidence_plans import Story
from .evidence_story import Play

pytestmark = pytest.mark.usefixtures("unmeasured")

EXAMPLES = int(os.environ.get("EVIDENCE_EXAMPLES", "10000"))
SEED = int(os.environ.get("EVIDENCE_SEED", "0"))
PARTS = 10


def in_any_order(test: Callable[..., None]) -> Callable[..., None]:
    """Run a property over its share of the examples, the same ones each time."""
    settled = settings(
        max_examples=EXAMPLES // PARTS,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    return seed(SEED)(settled(test))


def judge(story: Story) -> None:
    """Play a story with a fresh lifecycle."""
    play = Play(story, OrderLifecycle())
    try:
        play.run()
    except Exception:
        note("\n".join(f"{when:9.3f} {what}" for when, what in play.witness.diary))
        raise
    for label in play.labels():
        event(label)


@in_any_order
@given(themes.TROUBLE_WITH_THE_STREAM)
def test_trouble_with_the_stream(story: Story) -> None:
    judge(story)


@in_any_order
@given(themes.TROUBLE_WITH_PLACEMENTS)
def test_trouble_with_placements(story: Story) -> None:
    judge(story)


@in_any_order
@given(themes.TROUBLE_WITH_CANCELS)
def test_trouble_with_cancels(story: Story) -> None:
    judge(story)


@in_any_order
@given(themes.TROUBLE_WITH_ANSWERS)
def test_trouble_with_answers(story: Story) -> None:
    judge(story)


@in_any_order
@given(themes.SEVERAL_ORDERS)
def test_several_orders_at_once(story: Story) -> None:
    judge(story)


@in_any_order
@given(themes.ORDERS_THAT_CANNOT_REST)
def test_orders_that_cannot_rest(story: Story) -> None:
    judge(story)


@in_any_order
@given(themes.AFTER_A_RESTART)
def test_after_a_restart(story: Story) -> None:
    judge(story)


@in_any_order
@given(themes.BESIDE_ANOTHER_BOT)
def test_beside_another_bot(story: Story) -> None:
    judge(story)


@in_any_order
@given(themes.WITH_AN_INTERRUPTION)
def test_with_an_interruption(story: Story) -> None:
    judge(story)


@in_any_order
@given(themes.BEYOND_ALL_PATIENCE)
def test_beyond_all_patience(story: Story) -> None:
    judge(story)
