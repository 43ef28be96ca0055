"""The charts of a session report, each as an HTML figure with a head, a legend, two drawings and a sentence below."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal
from math import log10
from xml.etree.ElementTree import Element

from hummingbot_valr.session_report_drawing import (
    SIZES,
    WIDE,
    Pixels,
    Scale,
    Size,
    drawing,
    element,
    number_axis,
    number_scale,
    pixel,
    step_path,
    text,
    time_axis,
    time_scale,
)
from hummingbot_valr.session_report_facts import BUY, SELL, Fill, Incident, Latency, Quote, Session
from hummingbot_valr.session_report_figures import Figures
from hummingbot_valr.session_report_words import clock, exact, milliseconds, money

_HEIGHT = 330.0
_LOW_HEIGHT = 190.0
_LANE = 34.0
_ROW = 108.0
# More orders than this are drawn as a band, more fills than this in groups, per drawing.
_ORDERS_DRAWN = {"wide": 2000, "narrow": 800}
_FILLS_DRAWN = {"wide": 400, "narrow": 150}
# With more incidents than this only those that lasted are shaded behind the prices.
_INCIDENTS_SHADED = 50
_BAND_COLUMN = 3.0
_GROUP_COLUMN = 5.0
_OUTLIERS = 200
"""One in so many prices at either end does not stretch the axis of prices."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a chart over time is drawn: its scales, and the time zone of its labels."""

    size: Size
    times: Scale
    numbers: Scale
    zone: tzinfo
    height: float

    @property
    def bottom(self) -> float:
        """Where the axis of times lies."""
        return self.height - self.size.bottom

    def points(self, values: Iterable[tuple[float, Decimal | None]]) -> Iterable[Pixels]:
        """Return where values over time are drawn."""
        return (
            (self.times.at(time), None if value is None else self.numbers.at(float(value))) for time, value in values
        )

    def line(self, values: Iterable[tuple[float, Decimal | None]], class_: str) -> Element:
        """Build a line of values, each of which holds until the next."""
        return element("path", d=step_path(self.points(values), self.times.stop), class_=f"line {class_}")


@dataclass(frozen=True, slots=True)
class Head:
    """What stands around a chart: its title with the unit, its legend as classes and words, and what to know of it."""

    title: str
    legend: Sequence[tuple[str, str]] = ()
    below: str = ""


def _figure(head: Head, draw: Callable[[Size], Element]) -> Element:
    legend = element("p", class_="legend") if head.legend else None
    for class_, words in head.legend:
        assert legend is not None
        legend.append(element("span", _swatch(class_), f" {words}"))
    below = element("figcaption", head.below) if head.below else None
    return element("figure", element("h3", head.title), legend, *(draw(size) for size in SIZES), below)


def _swatch(class_: str) -> Element:
    mark = _mark(9, 7, class_.split()[-1]) if class_.startswith("fill") else None
    line = None if mark is not None else element("path", d="M1 7H17", class_=class_)
    return element("svg", line, mark, class_="swatch", viewBox="0 0 18 14", aria_hidden="true")


def _over_time(
    session: Session,
    zone: tzinfo,
    values: Sequence[float],
    height: float,
    label: str,
    draw: Callable[[Frame], Iterable[Element]],
) -> Callable[[Size], Element]:
    """Return what draws a chart over the session's time in a size."""

    def draw_in(size: Size) -> Element:
        frame = Frame(
            size,
            time_scale(session.begin, session.end, size),
            number_scale(values, height - size.bottom, size.top),
            zone,
            height,
        )
        axes = time_axis(frame.times, size.top, frame.bottom, size, zone), number_axis(frame.numbers, size)
        # A drawing of its own cuts off what lies outside of the axes.
        inside = element(
            "svg",
            *draw(frame),
            x=size.left,
            y=size.top,
            width=frame.times.stop - size.left,
            height=frame.bottom - size.top,
            viewBox=f"{size.left} {size.top} {pixel(frame.times.stop - size.left)} {pixel(frame.bottom - size.top)}",
        )
        return drawing(size, height, label, *axes, inside)

    return draw_in


# --- Prices -----------------------------------------------------------------------------------------------------------
def price_chart(session: Session, figures: Figures, zone: tzinfo) -> Element:
    """Draw the mid price with our orders and fills on it, and incidents behind."""
    orders = [quote for quote in figures.quotes if quote.price is not None and quote.ending != "failed"]
    prices = _without_outliers([float(mid.price) for mid in figures.mids if mid.price is not None])
    prices += _without_outliers([float(quote.price) for quote in orders if quote.price is not None])
    prices += [float(fill.price) for fill in figures.fills]
    incidents = session.incidents or ()
    if len(incidents) > _INCIDENTS_SHADED:
        incidents = tuple(incident for incident in incidents if incident.end is not None)

    def draw(frame: Frame) -> Iterable[Element]:
        yield _shades(incidents, frame)
        for side in (BUY, SELL):
            yield _orders([quote for quote in orders if quote.side == side], side, frame, session.end)
        yield from _fills(figures, frame, zone)
        if figures.mids:
            yield frame.line(((mid.time, mid.price) for mid in figures.mids), "mid")

    market = figures.market
    legend = [("line mid", "mid price")] if figures.mids else []
    legend += [("quote buy", "our buy orders"), ("quote sell", "our sell orders")]
    legend += [("fill buy", "we bought"), ("fill sell", "we sold")]
    legend += [("shade", "incident")] if incidents else []
    label = f"Prices of {market.pair} over time with {len(orders)} orders and {len(figures.fills)} fills of ours"
    head = Head(f"{market.pair}: prices in {market.quote}", legend, _drawn(orders, figures.fills))
    return _figure(head, _over_time(session, zone, prices, _HEIGHT, label, draw))


def _without_outliers(prices: list[float]) -> list[float]:
    left_out = len(prices) // _OUTLIERS
    return sorted(prices)[left_out : len(prices) - left_out]


def _drawn(orders: Sequence[Quote], fills: Sequence[Fill]) -> str:
    """Say how orders and fills are drawn, where it is not one by one."""
    said = []
    if len(orders) > _ORDERS_DRAWN["wide"]:
        said.append(f"{len(orders):,} orders are drawn as the bands in which their prices lay.")
    if len(fills) > _FILLS_DRAWN["wide"]:
        said.append(f"{len(fills):,} fills are drawn in groups of neighbours, each at its average price.")
    return " ".join(said)


def _orders(orders: Sequence[Quote], side: str, frame: Frame, end: float) -> Element:
    """Draw each order from its begin to its end, or bands if they are too many."""
    lines = [(frame.times.at(quote.begin), frame.times.at(quote.end or end), _height(quote, frame)) for quote in orders]
    if 2 * len(lines) <= _ORDERS_DRAWN[frame.size.name]:
        path = "".join(f"M{pixel(begin)} {pixel(y)}H{pixel(max(stop, begin + 1))}" for begin, stop, y in lines)
        return element("path", d=path, class_=f"quote {side}")
    columns: dict[int, tuple[float, float]] = {}
    for begin, stop, y in lines:
        for column in range(int(begin / _BAND_COLUMN), int(stop / _BAND_COLUMN) + 1):
            low, high = columns.get(column, (y, y))
            columns[column] = min(low, y), max(high, y)
    path = "".join(
        f"M{pixel(column * _BAND_COLUMN)} {pixel(low - 0.5)}V{pixel(high + 0.5)}"
        for column, (low, high) in sorted(columns.items())
    )
    return element("path", d=path, class_=f"band {side}", stroke_width=_BAND_COLUMN)


def _height(quote: Quote, frame: Frame) -> float:
    assert quote.price is not None
    return frame.numbers.at(float(quote.price))


def _fills(figures: Figures, frame: Frame, zone: tzinfo) -> Iterable[Element]:
    groups: defaultdict[tuple[str, float], list[Fill]] = defaultdict(list)
    grouped = len(figures.fills) > _FILLS_DRAWN[frame.size.name]
    for index, fill in enumerate(figures.fills):
        groups[fill.side, frame.times.at(fill.time) // _GROUP_COLUMN if grouped else index].append(fill)
    for (side, _), fills in groups.items():
        amount = sum((fill.amount for fill in fills), Decimal(0))
        price = sum((fill.price * fill.amount for fill in fills), Decimal(0)) / amount if amount else fills[0].price
        x, y = frame.times.at(fills[0].time), frame.numbers.at(float(price))
        mark = _mark(x, y, side, 3.5 if grouped else 5.0)
        what = "bought" if side == BUY else "sold"
        many = f" in {len(fills)} fills at on average" if len(fills) > 1 else " at"
        words = f"{clock(fills[0].time, zone)} {what} {exact(amount)} {figures.market.base}{many} {money(price)}"
        mark.append(element("title", words))
        yield mark


def _mark(x: float, y: float, side: str, radius: float = 5.0) -> Element:
    """Draw a triangle that points up for what was bought and down for what was sold, its middle at the price."""
    up = -radius if side == BUY else radius
    d = f"M{pixel(x)} {pixel(y + up)}L{pixel(x - radius)} {pixel(y - up)}H{pixel(x + radius)}Z"
    return element("path", d=d, class_=f"fill {side}")


def _shades(incidents: Sequence[Incident], frame: Frame) -> Element:
    """Shade the times of incidents; those too near to each other to be told apart are one."""
    spans: list[list[float]] = []
    for incident in incidents:
        begin = frame.times.at(incident.time) - 0.75
        end = max(frame.times.at(incident.end or incident.time), begin + 1.5)
        if spans and begin <= spans[-1][1]:
            spans[-1][1] = max(spans[-1][1], end)
        else:
            spans.append([begin, end])
    top, bottom = frame.size.top, frame.bottom
    path = "".join(f"M{pixel(begin)} {top}H{pixel(end)}V{pixel(bottom)}H{pixel(begin)}Z" for begin, end in spans)
    return element("path", d=path, class_="shade")


# --- What we hold, and what it brought --------------------------------------------------------------------------------
def inventory_chart(session: Session, figures: Figures, zone: tzinfo) -> Element | None:
    """Draw the base currency that the account holds; without balances on record, what was gained; None of nothing."""
    base = figures.market.base
    held: list[tuple[float, Decimal | None]] = [(point.time, point.base) for point in figures.worth]
    head = Head(f"Inventory: {base} in the account", below="Reserved for orders or not, from whatever source.")
    if not held:
        held = _from_nothing(session, ((point.time, point.inventory) for point in figures.course))
        head = Head(f"Inventory: {base} gained since the session began", below="From the fills, fees taken off.")
    if len(held) < 2:
        return None
    label = f"{base} over time"
    return _figure(head, _lines(session, zone, label, [("inventory", held)]))


def worth_chart(session: Session, figures: Figures, zone: tzinfo) -> Element | None:
    """Draw what the account's two currencies are worth together; None without balances."""
    if not figures.worth:
        return None
    base, quote = figures.market.base, figures.market.quote
    values: list[tuple[float, Decimal | None]] = [(point.time, point.value) for point in figures.worth]
    below = (
        f"All {base} at the mid price plus all {quote}. It also moves with the price of what was held before;"
        " what the session itself brought is below."
    )
    return _figure(
        Head(f"Value of the account in {quote}", below=below),
        _lines(session, zone, f"Value of the account in {quote} over time", [("worth", values)]),
    )


def result_chart(session: Session, figures: Figures, zone: tzinfo) -> Element | None:
    """Draw the session's result and what it is made of; None if nothing was filled."""
    if not figures.course:
        return None
    lines: list[tuple[str, Sequence[tuple[float, Decimal | None]]]] = []
    legend = [("line result", "result")]
    if figures.tells_spread:
        lines.append(("spread", _from_nothing(session, ((point.time, point.spread) for point in figures.course))))
        lines.append(("moves", _from_nothing(session, ((point.time, point.moves) for point in figures.course))))
        legend += [("line spread", "spread captured"), ("line moves", "price moves of the inventory")]
    lines.append(("fees", _from_nothing(session, ((point.time, -point.fees) for point in figures.course))))
    lines.append(("result", _from_nothing(session, ((point.time, point.result) for point in figures.course))))
    legend.append(("line fees", "fees (below zero: paid)"))
    quote = figures.market.quote
    return _figure(
        Head(f"Result of the session in {quote}", legend),
        _lines(session, zone, f"Result of the session in {quote} over time, and its parts", lines),
    )


def _from_nothing(
    session: Session, values: Iterable[tuple[float, Decimal | None]]
) -> list[tuple[float, Decimal | None]]:
    return [(session.begin, Decimal(0)), *values]


def _lines(
    session: Session, zone: tzinfo, label: str, lines: Sequence[tuple[str, Sequence[tuple[float, Decimal | None]]]]
) -> Callable[[Size], Element]:
    values = [float(value) for _, line in lines for _, value in line if value is not None]

    def draw(frame: Frame) -> Iterable[Element]:
        return (frame.line(line, class_) for class_, line in lines)

    return _over_time(session, zone, values, _LOW_HEIGHT, label, draw)


# --- Incidents --------------------------------------------------------------------------------------------------------
def incident_chart(session: Session, zone: tzinfo) -> Element:
    """Draw every incident on a lane of its kind."""
    lanes: defaultdict[str, list[Incident]] = defaultdict(list)
    for incident in session.incidents or ():
        lanes[incident.kind].append(incident)

    def draw(size: Size) -> Element:
        times = time_scale(session.begin, session.end, size)
        times = Scale(times.low, times.high, size.right, times.stop) if size is not WIDE else times
        height = size.top + _LANE * len(lanes) + size.bottom
        parts = [time_axis(times, size.top, height - size.bottom, size, zone)]
        for index, (kind, incidents) in enumerate(lanes.items()):
            parts += _lane(kind, incidents, size.top + _LANE * (index + 1) - 8, times, zone)
        return drawing(size, height, f"{len(session.incidents or ())} incidents over time, by kind", *parts)

    return _figure(Head("Incidents over time"), draw)


def _lane(kind: str, incidents: Sequence[Incident], y: float, times: Scale, zone: tzinfo) -> Iterable[Element]:
    times_word = "once" if len(incidents) == 1 else f"{len(incidents):,} times"
    yield text(times.start, y - 9, f"{kind} ({times_word})", class_="lane-name")
    yield element("line", x1=times.start, y1=y, x2=times.stop, y2=y, class_="grid")
    columns: dict[int, list[Incident]] = {}
    for incident in incidents:
        columns.setdefault(int(times.at(incident.time) / _BAND_COLUMN), []).append(incident)
    for group in columns.values():
        begin = times.at(group[0].time)
        end = max(times.at(incident.end or incident.time) for incident in group)
        more = f" (and {len(group) - 1} more)" if len(group) > 1 else ""
        title = element("title", f"{clock(group[0].time, zone)} {group[0].text}{more}")
        yield element(
            "rect", title, x=begin - 2.5, y=y - 5, width=end - begin + 5, height=10, rx=2.5, class_="incident"
        )


# --- Latencies --------------------------------------------------------------------------------------------------------
def latency_chart(latencies: Sequence[Latency]) -> Element:
    """Draw the distribution of each measure, one below the other, over one logarithmic axis of milliseconds."""
    low = min(bucket.low for each in latencies for bucket in each.buckets)
    high = max(bucket.high for each in latencies for bucket in each.buckets)

    def draw(size: Size) -> Element:
        scale = Scale(log10(low) - 0.05, log10(high) + 0.05, size.left - 30, size.width - size.right)
        height = size.top + _ROW * len(latencies) + size.bottom
        parts = [_decades(scale, size, height - size.bottom)]
        for index, each in enumerate(latencies):
            parts += _histogram(each, scale, size.top + _ROW * index, size)
        return drawing(size, height, "Distributions of the times that orders took", *parts)

    legend = [("line median", "median"), ("line high", "99 % were faster")]
    below = "Times in milliseconds on a logarithmic axis, counts upwards; measured by the connector itself."
    return _figure(Head("Order latencies in ms", legend, below), draw)


def _decades(scale: Scale, size: Size, bottom: float) -> Element:
    group = element("g")
    factors = (1, 2, 5) if scale.high - scale.low < (4 if size is WIDE else 2) else (1,)
    for exponent in range(-3, 8):
        for factor in factors:
            value = factor * 10.0**exponent
            if scale.low <= log10(value) <= scale.high:
                x = scale.at(log10(value))
                group.append(element("line", x1=x, y1=size.top, x2=x, y2=bottom, class_="grid"))
                group.append(text(x, bottom + 18, f"{value:,.{max(0, -exponent)}f}", "middle"))
    return group


def _histogram(latency: Latency, scale: Scale, top: float, size: Size) -> Iterable[Element]:
    base, room = top + _ROW - 14, _ROW - 44
    most = max(bucket.count for bucket in latency.buckets)
    said = [milliseconds(time) for time in (latency.median, latency.high, latency.maximum)]
    words = f"{latency.name}: median {said[0]}, 99 % {said[1]}, max {said[2]} ms"
    yield text(scale.start if size is WIDE else size.right, top + 16, words, class_="lane-name")
    yield element("line", x1=scale.start, y1=base, x2=scale.stop, y2=base, class_="grid zero")
    for bucket in latency.buckets:
        left, right = scale.at(log10(bucket.low)), scale.at(log10(bucket.high))
        height = bucket.count / most * room
        title = element("title", f"{bucket.low:,.2f} to {bucket.high:,.2f} ms: {bucket.count:,}")
        yield element("rect", title, x=left + 0.5, y=base - height, width=right - left - 1, height=height, class_="bar")
    for value, class_ in ((latency.median, "median"), (latency.high, "high")):
        x = pixel(scale.at(log10(max(value, 10**scale.low))))
        yield element("path", d=f"M{x} {pixel(base)}V{pixel(base - room - 4)}", class_=f"line {class_}")
    yield text(scale.start - 4, base - room + 4, f"{most:,}", "end")
    yield text(scale.start - 4, base + 4, "0", "end")
