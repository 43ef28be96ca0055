"""Percentiles are right to 5 % at any length, each moment counts once, and nothing grows without bound."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hummingbot.connector.exchange.valr.valr_latency import (
    CANCEL_END,
    CANCEL_REPLY,
    EVENT_AGE,
    LONGEST,
    PENDING_KEPT,
    PLACE_OPEN,
    PLACE_REPLY,
    RELATIVE_ERROR,
    SHORTEST,
    LatencyHistogram,
    LatencyRecorder,
    LatencySummary,
)

Moment = tuple[str, float] | tuple[str, float, bool]

HEAD = "Latency in ms (p50 / p99 / max, count): "


def histogram_of(times: list[float]) -> LatencyHistogram:
    histogram = LatencyHistogram()
    for seconds in times:
        histogram.record(seconds)
    return histogram


def summary_of(times: list[float]) -> LatencySummary:
    summary = histogram_of(times).summary()
    assert summary is not None
    return summary


def nearest_rank(times: list[float], percent: int) -> float:
    return sorted(times)[-(-len(times) * percent // 100) - 1]


def about(seconds: float) -> object:
    return pytest.approx(seconds, rel=RELATIVE_ERROR + 1e-9)


# --- Histogram --------------------------------------------------------------------------------------------------------
def test_an_empty_histogram_has_no_summary() -> None:
    assert LatencyHistogram().summary() is None


@given(st.lists(st.floats(0, LONGEST), max_size=300), st.lists(st.floats(SHORTEST, LONGEST), max_size=5))
def test_times_up_to_a_bound_are_counted_right_to_the_width_of_a_bucket(
    times: list[float], bounds: list[float]
) -> None:
    histogram = histogram_of(times)
    width = (1 + RELATIVE_ERROR) ** 2 + 1e-9
    for bound, counted in zip(bounds, histogram.at_most(bounds), strict=True):
        assert sum(time <= bound / width for time in times) <= counted <= sum(time <= bound * width for time in times)
    assert histogram.at_most([LONGEST]) == [len(times)]
    assert (histogram.count, histogram.total) == (len(times), pytest.approx(sum(times)))


@given(st.lists(st.floats(SHORTEST, LONGEST), min_size=1, max_size=300))
def test_percentiles_are_right_to_five_percent_and_the_maximum_exactly(times: list[float]) -> None:
    summary = summary_of(times)
    assert summary.count == len(times)
    assert summary.p50 == about(nearest_rank(times, 50))
    assert summary.p99 == about(nearest_rank(times, 99))
    assert summary.maximum == max(times)
    assert summary.p50 <= summary.p99 <= summary.maximum


@given(st.floats(math.log10(SHORTEST), math.log10(LONGEST)))
def test_every_length_alone_is_right_to_five_percent(exponent: float) -> None:
    seconds = min(max(10**exponent, SHORTEST), LONGEST)
    assert summary_of([seconds] * 99 + [LONGEST]).p50 == about(seconds)


@pytest.mark.parametrize(
    ("times", "p50", "p99", "maximum"),
    [
        ([0.0], 0.0, 0.0, 0.0),
        ([1e-9, 1e-3], SHORTEST, 1e-3, 1e-3),
        ([-1.0], 0.0, 0.0, 0.0),
        ([0.01] * 99 + [5.0], 0.01, 0.01, 5.0),
        ([0.01] * 98 + [5.0] * 2, 0.01, 5.0, 5.0),
        ([0.01, 0.02, 0.03], 0.02, 0.03, 0.03),
        ([0.01, 0.02], 0.01, 0.02, 0.02),
        ([5000.0, 7000.0], LONGEST, LONGEST, 7000.0),
        ([math.inf], LONGEST, LONGEST, math.inf),
    ],
)
def test_ranks_and_limits(times: list[float], p50: float, p99: float, maximum: float) -> None:
    summary = summary_of(times)
    assert (summary.p50, summary.p99, summary.maximum) == (about(p50), about(p99), maximum)


def test_a_histogram_of_many_times_is_no_larger() -> None:
    def size(histogram: LatencyHistogram) -> int:
        return len(histogram._counts)

    assert size(histogram_of([1e-7 * 1.1**step for step in range(300)])) == size(LatencyHistogram())


# --- Recorder ---------------------------------------------------------------------------------------------------------
def recorder_of(moments: list[Moment], client_order_id: str = "one") -> LatencyRecorder:
    recorder = LatencyRecorder()
    for moment, now, *cancelled in moments:
        if cancelled:
            recorder.ended(client_order_id, now, cancelled=cancelled[0])
        else:
            getattr(recorder, moment)(client_order_id, now)
    return recorder


@pytest.mark.parametrize(
    ("moments", "longest"),
    [
        pytest.param([], {}, id="nothing"),
        pytest.param([("placing", 1.0)], {}, id="never answered"),
        pytest.param(
            [("placing", 1.0), ("place_replied", 1.25), ("opened", 1.5)],
            {PLACE_REPLY: 0.25, PLACE_OPEN: 0.5},
            id="placed",
        ),
        pytest.param(
            [("placing", 1.0), ("opened", 1.25), ("place_replied", 1.5)],
            {PLACE_REPLY: 0.5, PLACE_OPEN: 0.25},
            id="open before the reply",
        ),
        pytest.param(
            [("placing", 1.0), ("opened", 1.25), ("opened", 3.0), ("opened", 4.0)], {PLACE_OPEN: 0.25}, id="open twice"
        ),
        pytest.param(
            [("placing", 1.0), ("place_replied", 1.25), ("ended", 1.5, False), ("opened", 2.0)],
            {PLACE_REPLY: 0.25},
            id="refused",
        ),
        pytest.param(
            [("placing", 1.0), ("opened", 1.0), ("ended", 1.5, False), ("place_replied", 3.0)],
            {PLACE_REPLY: 2.0, PLACE_OPEN: 0.0},
            id="ended before the reply",
        ),
        pytest.param(
            [("cancelling", 1.0), ("cancel_replied", 1.25), ("ended", 1.5, True)],
            {CANCEL_REPLY: 0.25, CANCEL_END: 0.5},
            id="cancelled",
        ),
        pytest.param(
            [("cancelling", 1.0), ("ended", 1.25, True), ("cancel_replied", 1.5)],
            {CANCEL_REPLY: 0.5, CANCEL_END: 0.25},
            id="cancelled before the reply",
        ),
        pytest.param(
            [("cancelling", 1.0), ("cancelling", 3.0), ("cancel_replied", 3.25), ("ended", 3.5, True)],
            {CANCEL_REPLY: 0.25, CANCEL_END: 2.5},
            id="cancelled by the second cancel",
        ),
        pytest.param(
            [("cancelling", 1.0), ("cancel_replied", 1.25), ("ended", 1.5, False), ("ended", 2.0, True)],
            {CANCEL_REPLY: 0.25},
            id="filled before the cancel",
        ),
        pytest.param([("ended", 1.5, True), ("cancel_replied", 1.5)], {}, id="cancelled by somebody else"),
        pytest.param([("opened", 1.0), ("place_replied", 1.0)], {}, id="placed in an earlier run"),
    ],
)
def test_moments_of_an_order(moments: list[Moment], longest: dict[str, float]) -> None:
    taken = recorder_of(moments).snapshot()
    assert {name: (summary.count, summary.maximum) for name, summary in taken.items()} == {
        name: (1, seconds) for name, seconds in longest.items()
    }


def test_each_time_of_an_order_is_told_as_it_is_taken() -> None:
    taken: list[tuple[str, str, float]] = []
    recorder = LatencyRecorder(lambda *time: taken.append(time))
    recorder.placing("one", 1.0)
    recorder.place_replied("one", 1.25)
    recorder.place_replied("one", 1.5)
    recorder.opened("one", 1.5)
    recorder.cancelling("one", 2.0)
    recorder.event(9.0)
    recorder.cancel_replied("one", 2.125)
    recorder.ended("one", 2.25, cancelled=True)
    assert taken == [
        (PLACE_REPLY, "one", 0.25),
        (PLACE_OPEN, "one", 0.5),
        (CANCEL_REPLY, "one", 0.125),
        (CANCEL_END, "one", 0.25),
    ]
    assert [name for name, histogram in recorder.histograms.items() if histogram.count] == [
        PLACE_REPLY,
        PLACE_OPEN,
        CANCEL_REPLY,
        CANCEL_END,
        EVENT_AGE,
    ]


def test_orders_are_told_apart() -> None:
    recorder = LatencyRecorder()
    recorder.placing("one", 1.0)
    recorder.placing("two", 2.0)
    recorder.opened("two", 2.5)
    recorder.opened("one", 3.0)
    summary = recorder.snapshot()[PLACE_OPEN]
    assert (summary.count, summary.p50, summary.maximum) == (2, about(0.5), 2.0)


@pytest.mark.parametrize(("age", "recorded"), [(0.25, 0.25), (0.0, 0.0), (-3.0, 0.0)])
def test_an_event_that_seems_to_come_from_the_future_is_new(age: float, recorded: float) -> None:
    recorder = LatencyRecorder()
    recorder.event(age)
    assert recorder.snapshot()[EVENT_AGE] == LatencySummary(1, recorded and about(recorded), about(recorded), recorded)


@pytest.mark.parametrize(
    ("begin", "end", "measure"),
    [
        (LatencyRecorder.placing, LatencyRecorder.place_replied, PLACE_REPLY),
        (LatencyRecorder.placing, LatencyRecorder.opened, PLACE_OPEN),
        (LatencyRecorder.cancelling, LatencyRecorder.cancel_replied, CANCEL_REPLY),
        (
            LatencyRecorder.cancelling,
            lambda recorder, client_order_id, now: recorder.ended(client_order_id, now, cancelled=True),
            CANCEL_END,
        ),
    ],
)
def test_of_orders_that_never_end_only_the_youngest_are_kept(
    begin: Callable[[LatencyRecorder, str, float], None],
    end: Callable[[LatencyRecorder, str, float], None],
    measure: str,
) -> None:
    recorder = LatencyRecorder()
    for number in range(PENDING_KEPT + 3):
        begin(recorder, f"order {number}", 1.0)
    for number in range(3):
        end(recorder, f"order {number}", 2.0)
    assert recorder.snapshot() == {}
    for number in range(PENDING_KEPT + 3):
        end(recorder, f"order {number}", 2.0)
    assert recorder.snapshot()[measure].count == PENDING_KEPT


# --- Texts ------------------------------------------------------------------------------------------------------------
def test_the_line_before_anything_was_recorded() -> None:
    expected = "place reply none; place open none; cancel reply none; cancel end none; event age none"
    assert LatencyRecorder().line() == HEAD + expected


def test_the_line_names_every_measure() -> None:
    recorder = recorder_of([("placing", 1.0), ("place_replied", 1.25), ("opened", 3.0)])
    recorder.event(0.0)
    assert recorder.line() == HEAD + (
        "place reply 243.32 / 243.32 / 250.00 (1); place open 2000.00 / 2000.00 / 2000.00 (1); "
        "cancel reply none; cancel end none; event age 0.00 / 0.00 / 0.00 (1)"
    )


def test_the_table_is_aligned() -> None:
    recorder = recorder_of([("placing", 1.0), ("place_replied", 1.25), ("opened", 901.0)])
    assert recorder.lines() == [
        "latency in ms        p50        p99        max    count",
        "place reply       243.32     243.32     250.00        1",
        "place open     883053.77  883053.77  900000.00        1",
        "cancel reply           -          -          -        0",
        "cancel end             -          -          -        0",
        "event age              -          -          -        0",
    ]
