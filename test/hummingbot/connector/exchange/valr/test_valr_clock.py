"""VALR's clock: the difference is Hummingbot's own estimate, and follows our clock until it was measured."""

import time
from unittest.mock import patch

import pytest

from hummingbot.connector.exchange.valr.valr_clock import ValrClock
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
