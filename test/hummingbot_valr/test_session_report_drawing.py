"""The drawing of a session report: markup, ticks, lines. What the charts show is tested with the page."""

from datetime import UTC, timedelta, timezone
from xml.etree import ElementTree

import pytest

from hummingbot_valr.session_report_drawing import (
    NARROW,
    WIDE,
    Scale,
    element,
    number_scale,
    number_ticks,
    render,
    step_path,
    thinned,
    time_scale,
    time_ticks,
)

NOON = 1795262400.0
"""2026-11-21 12:00 UTC."""


def test_markup_is_escaped_and_keeps_its_order() -> None:
    built = element("p", "a < b ", element("b", "&"), " c", None, "\x00d", class_="x", stroke_width=1.26, id=None)
    assert render(built) == '<!DOCTYPE html>\n<p class="x" stroke-width="1.3">a &lt; b <b>&amp;</b> c\ufffdd</p>\n'
    hostile = element("p", '<script>alert("x")</script>', title='" onload="x')
    read = ElementTree.fromstring(render(hostile))
    assert (read.text, read.get("title"), len(read)) == ('<script>alert("x")</script>', '" onload="x', 0)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 100, ["0", "20", "40", "60", "80", "100"]),
        (-0.013, 0.001, ["−0.010", "−0.005", "0.000"]),
        (1_899_000, 1_902_100, ["1,899,000", "1,900,000", "1,901,000", "1,902,000"]),
        (0.12345, 0.12352, ["0.12346", "0.12348", "0.12350", "0.12352"]),
        (7.0, 7.4, ["7.0", "7.1", "7.2", "7.3", "7.4"]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, labels: list[str]) -> None:
    assert [label for _, label in number_ticks(Scale(low, high, 0, 1), 5)] == labels


@pytest.mark.parametrize(
    ("seconds", "labels"),
    [
        (3, ["12:00:00", "12:00:01", "12:00:02", "12:00:03"]),
        (60, ["12:00:00", "12:00:15", "12:00:30", "12:00:45", "12:01:00"]),
        (3600, ["12:00", "12:15", "12:30", "12:45", "13:00"]),
        (86400, ["12:00", "18:00", "22 Nov", "06:00", "12:00"]),
        (10 * 86400, ["24 Nov", "27 Nov", "30 Nov"]),
    ],
)
def test_ticks_are_round_times(seconds: float, labels: list[str]) -> None:
    assert [label for _, label in time_ticks(Scale(NOON, NOON + seconds, 0, 1), 4, UTC)] == labels


def test_times_are_round_where_the_reader_is() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    ticks = time_ticks(Scale(NOON, NOON + 7200, 0, 1), 4, india)
    assert [label for _, label in ticks] == ["17:30", "18:00", "18:30", "19:00", "19:30"]
    assert ticks[0][0] == NOON


@pytest.mark.parametrize("values", [[], [5.0], [5.0, 5.0], [0.0], [-3.0, 4.0]])
def test_every_value_has_its_place(values: list[float]) -> None:
    scale = number_scale(values, 100, 0)
    assert all(0 < scale.at(value) < 100 for value in values)
    assert number_ticks(scale, 5)


def test_a_moment_is_still_a_scale_of_times() -> None:
    scale = time_scale(NOON, NOON, WIDE)
    assert scale.at(NOON) == WIDE.left
    assert time_scale(NOON, NOON + 60, NARROW).at(NOON + 60) == NARROW.width - NARROW.right


def test_thinning_keeps_every_peak_and_every_gap() -> None:
    many = [(index / 1000, float(index % 7)) for index in range(10_000)]
    many[4321] = (4.321, 99.0)
    many[8765] = (8.765, -99.0)
    kept = list(thinned([*many, (10.0, None), (11.0, 1.0)]))
    assert len(kept) < 40
    heights = [height for _, height in kept if height is not None]
    assert (max(heights), min(heights)) == (99.0, -99.0)
    assert (10.0, None) in kept
    assert [x for x, _ in kept] == sorted(x for x, _ in kept)


@pytest.mark.parametrize(
    ("points", "path"),
    [
        ([], ""),
        ([(1.0, 2.0)], "M1 2H9"),
        ([(1.0, 2.0), (5.0, 3.26)], "M1 2H5V3.3H9"),
        ([(1.0, 2.0), (3.0, None), (5.0, 3.0)], "M1 2H3M5 3H9"),
        ([(1.0, None), (3.0, None)], ""),
        ([(1.0, 2.0), (3.0, None)], "M1 2H3"),
    ],
)
def test_a_value_holds_until_the_next(points: list[tuple[float, float | None]], path: str) -> None:
    assert step_path(points, 9.0) == path
