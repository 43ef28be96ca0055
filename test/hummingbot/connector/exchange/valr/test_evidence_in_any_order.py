"""Real order histories, told by an exchange whose evidence is lost, doubled, late, garbled and out of order.

A model exchange (``evidence_model``) lives through drawn stories; an account socket (``evidence_wire``) and a weather
of faults (``evidence_faults``) spoil what it says; a shell (``evidence_shell``) does for the lifecycle what the keeper
does; and a witness (``evidence_witness``) holds every word against the truth at that moment, and once the evidence has
calmed down, in full.

``EVIDENCE_EXAMPLES`` sets how many stories are told in all, ``EVIDENCE_SEED`` which. With
``--hypothesis-show-statistics`` pytest shows how often each kind of history and fault occurred.
"""

import os
from collections.abc import Callable

from hypothesis import HealthCheck, event, given, note, seed, settings

from hummingbot.connector.exchange.valr.valr_order_lifecycle import OrderLifecycle

from .evidence_faults import Fault
from .evidence_story import Kind, Origin, Play, Story
from .evidence_strategies import INTERRUPTIONS, stories

EXAMPLES = int(os.environ.get("EVIDENCE_EXAMPLES", "5600"))
SEED = int(os.environ.get("EVIDENCE_SEED", "0"))
PARTS = 7


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
@given(stories(1, kinds=(Kind.LIMIT,)))
def test_one_resting_order(story: Story) -> None:
    judge(story)


@in_any_order
@given(stories(4))
def test_several_orders_at_once(story: Story) -> None:
    judge(story)


@in_any_order
@given(stories(3, kinds=(Kind.IOC, Kind.MARKET, Kind.BY_QUOTE)))
def test_orders_that_cannot_rest(story: Story) -> None:
    judge(story)


@in_any_order
@given(stories(4, origins=(Origin.RESTORED, Origin.STRAY, Origin.NEW)))
def test_after_a_restart(story: Story) -> None:
    judge(story)


@in_any_order
@given(stories(4, origins=(Origin.FOREIGN, Origin.NEW, Origin.STRAY)))
def test_beside_another_bot(story: Story) -> None:
    judge(story)


@in_any_order
@given(stories(3, origins=(Origin.NEW, Origin.RESTORED), interruptions=INTERRUPTIONS))
def test_with_an_interruption(story: Story) -> None:
    judge(story)


@in_any_order
@given(stories(2, always=frozenset({Fault.PLACE_GHOST})))
def test_placements_that_arrive_after_all_patience(story: Story) -> None:
    judge(story)
