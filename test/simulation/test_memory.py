"""What a bot keeps does not grow with the orders it has had."""

from collections import deque
from dataclasses import replace
from unittest.mock import patch

import pytest

from hummingbot.connector.client_order_tracker import ClientOrderTracker
from hummingbot.connector.exchange.valr import valr_order_lifecycle
from test.simulation.day import play
from test.simulation.memory import entries
from test.simulation.world import draw_world

pytestmark = pytest.mark.usefixtures("unmeasured")


def test_memory_is_flat() -> None:
    # Two hundred orders are had after some minutes; the real limits, of thousands, take hours to reach.
    world = replace(draw_world(1, 40), pairs=("BTC-ZAR",), levels=2, refresh=1.0, market_pace=0.1, incidents=())
    with (
        patch.object(valr_order_lifecycle, "ENDED_KEPT", 100),
        patch.object(ClientOrderTracker, "MAX_CACHE_SIZE", 100),
    ):
        outcome = play(world, weigh_every=240)
    assert not outcome.problems
    assert outcome.orders > 1000
    early, late = outcome.weights[2:5], outcome.weights[-3:]
    assert sum(late) < 1.1 * sum(early), outcome.weights


def test_entries_are_counted_once_each_at_every_depth() -> None:
    inner = [1, 2, 3]
    assert entries({"a": inner, "b": inner, "c": deque([4])}) == 3 + 3 + 1
