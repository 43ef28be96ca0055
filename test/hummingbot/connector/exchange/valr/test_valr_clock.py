"""VALR's clock: the best measurement counts, a confirmed jump is followed; ours counts before the first."""

import time
from unittest.mock import patch

import pytest

from hummingbot.connector.exchange.valr.valr_clock import COARSENESS, DRIFT, Measurement, ValrClock
from hummingbot.connector.time_synchronizer import TimeSynchronizer


@pytest.mark.parametrize("samples", [[5.0], [5.0, 7.0, 100.0], [1.0, 2.0, 3.0, 4.0, 5.0, 60.0]])
def test_the_difference_is_the_framework_s(samples: list[float]) -> None:
    ours, theirs = ValrClock(), TimeSynchronizer()
    for sample in samples:
        ours.add_time_offset_ms_sample(sample)
        theirs.add_time_offset_ms_sample(sample)
    assert ours.time_offset_ms == theirs.time_offset_ms
    ours.clear_time_offset_ms_samples()
    ours.add_time_offset_ms_sample(-3.0)
    assert ours.time_offset_ms == -3.0


def test_before_the_first_measurement_it_is_our_own_clock() -> None:
    clock = ValrClock()
    with patch.object(time, "time", lambda: 1000.0), patch.object(time, "perf_counter", lambda: 10.0):
        assert clock.time() == pytest.approx(1000.0)
    with patch.object(time, "time", lambda: 5000.0), patch.object(time, "perf_counter", lambda: 11.0):
        assert clock.time() == pytest.approx(5000.0)


def measurement(offset: float, way: float = 0.02, at: float = 100.0, late: float = 0.5) -> Measurement:
    """VALR's clock, ``offset`` seconds ahead, read when the part ``late`` of the way was behind the question."""
    return Measurement(at, at + way, at + way * late + offset)


def offset_of(clock: ValrClock) -> float:
    return clock.time_offset_ms / 1000


@pytest.mark.parametrize("late", [0.0, 0.5, 1.0])
def test_the_error_is_at_most_half_the_way(late: float) -> None:
    slow = measurement(5.0, way=8.0, late=late)
    assert abs(slow.offset - 5.0) <= slow.uncertainty(slow.answered_at) == 4.0
    assert slow.uncertainty(slow.answered_at + 100) == pytest.approx(4.0 + 100 * DRIFT)


@pytest.mark.parametrize("late", [0.0, 1.0])
def test_a_slow_answer_moves_no_good_clock(late: float) -> None:
    clock = ValrClock()
    assert clock.take(measurement(5.0))
    for number in range(1, 6):
        assert clock.take(measurement(5.0, way=9.0, at=100.0 + 10 * number, late=late))
        assert offset_of(clock) == pytest.approx(5.0)


def test_what_there_is_is_used_until_something_better_comes() -> None:
    clock = ValrClock()
    assert clock.take(measurement(5.0, way=8.0, late=0.0))
    assert offset_of(clock) == pytest.approx(1.0)
    assert clock.take(measurement(5.0, way=2.0, late=0.0, at=110.0))
    assert offset_of(clock) == pytest.approx(4.0)
    assert clock.take(measurement(5.0, at=120.0))
    assert offset_of(clock) == pytest.approx(5.0)


def test_the_best_of_long_ago_gives_way_to_a_good_one_of_now() -> None:
    clock = ValrClock()
    clock.take(measurement(5.0, way=0.01))
    clock.take(measurement(5.3, way=0.02, at=110.0))
    assert offset_of(clock) == pytest.approx(5.0)
    clock.take(measurement(5.3, way=0.02, at=100.0 + 0.01 / DRIFT))
    assert offset_of(clock) == pytest.approx(5.3)


@pytest.mark.parametrize("jump", [COARSENESS + 0.1, -COARSENESS - 0.1, 3600.0])
def test_a_jump_is_followed_when_it_is_confirmed(jump: float) -> None:
    clock = ValrClock()
    clock.take(measurement(5.0))
    assert not clock.take(measurement(5.0 + jump, at=110.0))
    assert offset_of(clock) == pytest.approx(5.0)
    assert clock.take(measurement(5.0 + jump, at=111.0, way=0.05))
    assert offset_of(clock) == pytest.approx(5.0 + jump)


def test_one_wrong_answer_is_followed_by_nobody() -> None:
    clock = ValrClock()
    clock.take(measurement(5.0))
    assert not clock.take(measurement(900.0, at=110.0))
    assert not clock.take(measurement(-900.0, at=111.0))
    assert clock.take(measurement(5.0, at=112.0))
    assert not clock.take(measurement(-900.0, at=113.0))
    assert offset_of(clock) == pytest.approx(5.0)
