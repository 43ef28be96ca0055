"""Simulated days are the same each time; `make test` plays two hundred of them besides."""

import os
import subprocess
import sys

import pytest

from test.simulation.day import simulate
from test.simulation.world import QUIET_END, draw_world
from valr_loopback.faults import Fault

pytestmark = pytest.mark.usefixtures("unmeasured")

REPLAY = "from test.simulation.day import simulate; print(simulate({seed}, {minutes}).digest)"


# The second trades two pairs, over REST, and is told to keep its rates.
@pytest.mark.parametrize(("seed", "minutes"), [(3, 2.0), (6, 4.0)])
def test_a_seed_is_the_same_day_each_time_in_each_process(seed: int, minutes: float) -> None:
    first, second = simulate(seed, minutes), simulate(seed, minutes)
    assert first.trace == second.trace
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        program = REPLAY.format(seed=seed, minutes=minutes)
        finished = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120, check=True
        )
        assert finished.stdout.strip() == first.digest


def test_another_seed_is_another_day() -> None:
    assert simulate(3, 2.0).digest != simulate(4, 2.0).digest


def test_worlds_are_drawn_whole_and_end_quietly() -> None:
    worlds = [draw_world(seed, 10) for seed in range(300)]
    kinds = {row["kind"] for world in worlds for row in world.faults}
    assert kinds >= {"cancel_never_executed", "book_gap", "rest_429", "clock_off", "lookup_blind"}
    for world in worlds:
        assert all(Fault.model_validate(row) for row in world.faults)
        assert all(row["until_seconds"] <= 600 - QUIET_END for row in world.faults)
        assert all(incident.at + incident.lasts <= 600 - QUIET_END + 0.1 for incident in world.incidents)
