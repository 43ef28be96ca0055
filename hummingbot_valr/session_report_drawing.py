"""Drawing without a browser: markup that is escaped and well-formed by construction, axes with ticks, thinned lines.

Every chart is drawn twice, for a wide and a narrow window, since text in a drawing shrinks with it; the style sheet
shows one of the two. Coordinates are in pixels of the drawing. From here on numbers are floats.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from math import ceil, floor, log10
from typing import Literal
from xml.etree.ElementTree import Element, tostring

Point = tuple[float, float]
Pixels = tuple[float, float | None]
"""A point of a line; a height of None interrupts the line there."""

_NOT_IN_MARKUP = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_DAY = 86400
_MINUTE = 60
# Two points of a line that are nearer than this many pixels cannot be told apart.
_COLUMN = 1.5


@dataclass(frozen=True, slots=True)
class Size:
    """How large a chart is drawn, and about how many ticks its axes get."""

    name: Literal["wide", "narrow"]
    width: int
    left: int
    time_ticks: int
    right: int = 14
    top: int = 12
    bottom: int = 28


WIDE = Size("wide", 960, 92, 9)
NARROW = Size("narrow", 380, 76, 4, right=10)
SIZES = (WIDE, NARROW)


@dataclass(frozen=True, slots=True)
class Scale:
    """Turns values from ``low`` to ``high`` into pixels from ``start`` to ``stop``."""

    low: float
    high: float
    start: float
    stop: float

    def at(self, value: float) -> float:
        """Return where a value is drawn."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.stop - self.start)


# --- Markup -----------------------------------------------------------------------------------------------------------
def element(tag: str, *content: Element | str | None, **attributes: object) -> Element:
    """Build an element of texts and elements, leaving out None; ``class_`` is ``class``, ``a_b`` is ``a-b``."""
    built = Element(tag, {_name(name): _text(value) for name, value in attributes.items() if value is not None})
    last: Element | None = None
    for part in content:
        if isinstance(part, str):
            if last is None:
                built.text = (built.text or "") + clean(part)
            else:
                last.tail = (last.tail or "") + clean(part)
        elif part is not None:
            built.append(part)
            last = part
    return built


def render(root: Element) -> str:
    """Write a document that is HTML and well-formed XML at once."""
    return f"<!DOCTYPE html>\n{tostring(root, encoding='unicode')}\n"


def clean(text: str) -> str:
    """Replace what no document may contain."""
    return _NOT_IN_MARKUP.sub("\N{REPLACEMENT CHARACTER}", text)


def _name(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def _text(value: object) -> str:
    return pixel(value) if isinstance(value, float) else clean(str(value))


def pixel(value: float) -> str:
    """Write a coordinate to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


# --- Scales and ticks -------------------------------------------------------------------------------------------------
def number_scale(values: Iterable[float], start: float, stop: float) -> Scale:
    """Return a scale on which all values have some room around them."""
    known = list(values) or [0.0, 1.0]
    low, high = min(known), max(known)
    room = (high - low) * 0.06 or abs(high) * 0.001 or 1.0
    return Scale(low - room, high + room, start, stop)


def time_scale(begin: float, end: float, size: Size) -> Scale:
    """Return the scale of times that all charts of a size have in common."""
    return Scale(begin, max(end, begin + 1), size.left, size.width - size.right)


def number_ticks(scale: Scale, about: int) -> list[tuple[float, str]]:
    """Return round values on a scale with their labels, at most ``about`` and one."""
    rough = (scale.high - scale.low) / about
    exponent = floor(log10(rough))
    factor = next(factor for factor in (1, 2, 5, 10) if factor * 10.0**exponent >= rough * 0.999)
    step = factor * 10.0**exponent
    decimals = max(0, -exponent - (factor == 10))
    first, last = ceil(scale.low / step), floor(scale.high / step)
    labels = (f"{index * step:,.{decimals}f}".replace("-", "\N{MINUS SIGN}") for index in range(first, last + 1))
    return [(index * step, label) for index, label in zip(range(first, last + 1), labels, strict=True)]


def time_ticks(scale: Scale, about: int, zone: tzinfo) -> list[tuple[float, str]]:
    """Return round times on a scale with their labels in a time zone; a new day is named by its date."""
    seconds = scale.high - scale.low
    step = next((step for step in _TIME_STEPS if seconds / step <= about), None)
    if step is None:
        step = _DAY * ceil(seconds / _DAY / about)
    offset = datetime.fromtimestamp(scale.low, UTC).astimezone(zone).utcoffset()
    shift = offset.total_seconds() if offset else 0.0
    first, last = ceil((scale.low + shift) / step), floor((scale.high + shift) / step)
    times = [index * step - shift for index in range(first, last + 1)]
    return [(time, _time_label(datetime.fromtimestamp(time, zone), step)) for time in times]


def _time_label(time: datetime, step: float) -> str:
    if time.hour == time.minute == time.second == 0:
        return f"{time.day} {time:%b}"
    return f"{time:%H:%M:%S}" if step < _MINUTE else f"{time:%H:%M}"


# --- Lines ------------------------------------------------------------------------------------------------------------
def thinned(points: Iterable[Pixels]) -> Iterator[Pixels]:
    """Of the points in one column of pixels, keep the first, lowest, highest and last, and all interruptions."""
    column: list[Point] = []
    for x, y in points:
        if column and (y is None or x - column[0][0] >= _COLUMN):
            yield from _corners(column)
            column = []
        if y is None:
            yield x, None
        else:
            column.append((x, y))
    yield from _corners(column)


def _corners(column: Sequence[Point]) -> Iterable[Point]:
    if len(column) <= 4:
        return column
    inner = (min(column, key=lambda point: point[1]), max(column, key=lambda point: point[1]))
    return column[0], *sorted(inner), column[-1]


def step_path(points: Iterable[Pixels], stop: float) -> str:
    """Return the path of values that hold from each point to the next, and the last one to ``stop``."""
    parts: list[str] = []
    drawing = False
    for x, y in thinned(points):
        if drawing:
            parts.append(f"H{pixel(x)}")
        if y is not None:
            parts.append(f"V{pixel(y)}" if drawing else f"M{pixel(x)} {pixel(y)}")
        drawing = y is not None
    if drawing:
        parts.append(f"H{pixel(stop)}")
    return "".join(parts)


# --- Frames -----------------------------------------------------------------------------------------------------------
def drawing(size: Size, height: float, label: str, *content: Element) -> Element:
    """Build one drawing of a chart; ``label`` is what it shows, for those who cannot see it."""
    return element(
        "svg", *content, class_=size.name, viewBox=f"0 0 {size.width} {pixel(height)}", role="img", aria_label=label
    )


def text(x: float, y: float, content: str, anchor: str = "start", class_: str = "tick") -> Element:
    """Build a text in a drawing."""
    return element("text", content, x=x, y=y, text_anchor=anchor, class_=class_)


def time_axis(scale: Scale, top: float, bottom: float, size: Size, zone: tzinfo) -> Element:
    """Build the axis of times below a chart, with a line up through the chart at each tick."""
    group = element("g")
    for time, label in time_ticks(scale, size.time_ticks, zone):
        x = scale.at(time)
        group.append(element("line", x1=x, y1=top, x2=x, y2=bottom, class_="grid"))
        # A label at the edge must not be cut off.
        anchor = "start" if x < scale.start + 18 else "end" if x > size.width - 26 else "middle"
        group.append(text(x, bottom + 18, label, anchor))
    return group


def number_axis(scale: Scale, size: Size, about: int = 5) -> Element:
    """Build the axis of numbers left of a chart, with a line through the chart at each tick, stronger at zero."""
    group = element("g")
    for value, label in number_ticks(scale, about):
        y = scale.at(value)
        kind = "grid zero" if value == 0 else "grid"
        group.append(element("line", x1=size.left, y1=y, x2=size.width - size.right, y2=y, class_=kind))
        group.append(text(size.left - 6, y + 4, label, "end"))
    return group
