"""How long things take, as streaming histograms of bounded size. Pure: no clock read, no I/O, no log.

Five measures, all in seconds inside and in milliseconds in what people read:

* place reply .... from the placement's command to VALR's answer to it, refusals included
* place open ..... from the placement's command to the first proof that the order is open
* cancel reply ... from a cancel's command to VALR's answer to it, refusals included
* cancel end ..... from the first cancel of an order to the proof that it ended by it
* event age ...... from an event's own time on VALR's clock to its receipt

Recording costs less than a microsecond (a logarithm, or a logarithm and two dictionary look-ups).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

PLACE_REPLY = "place reply"
PLACE_OPEN = "place open"
CANCEL_REPLY = "cancel reply"
CANCEL_END = "cancel end"
EVENT_AGE = "event age"

SHORTEST = 1e-5
LONGEST = 1e3
RELATIVE_ERROR = 0.05

# The widest buckets whose geometric middle is within that error of every time in them.
_BUCKETS_PER_E = 0.5 / math.log1p(RELATIVE_ERROR)
_BUCKETS = int(math.log(LONGEST / SHORTEST) * _BUCKETS_PER_E) + 1

# Orders whose reply or proof never comes must not gather for ever.
PENDING_KEPT = 1000


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """So many times were recorded; their median, 99th percentile (nearest rank) and maximum, in seconds."""

    count: int
    p50: float
    p99: float
    maximum: float

    def milliseconds(self) -> tuple[float, float, float]:
        """Return median, 99th percentile and maximum in milliseconds."""
        return self.p50 * 1000, self.p99 * 1000, self.maximum * 1000


class LatencyHistogram:
    """Counts times in buckets that grow with the time, so that percentiles are right to 5 % at any length.

    Percentiles of times outside 10 us to 1000 s are those limits; the maximum, and ``total``, the sum of all times in
    seconds, are exact throughout.
    """

    __slots__ = ("_counts", "_maximum", "count", "total")

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self.count = 0
        self._maximum = 0.0
        self.total = 0.0

    def record(self, seconds: float) -> None:
        """Count one time."""
        self._counts[_bucket(seconds)] += 1
        self.count += 1
        self.total += seconds
        if seconds > self._maximum:
            self._maximum = seconds

    def at_most(self, bounds: Sequence[float]) -> list[int]:
        """Return how many times were up to each bound (seconds), right to the width of a bucket."""
        return [sum(self._counts[: _bucket(bound) + 1]) for bound in bounds]

    def summary(self) -> LatencySummary | None:
        """Sum up what has been recorded; None if nothing was."""
        if not self.count:
            return None
        return LatencySummary(self.count, self._percentile(50), self._percentile(99), self._maximum)

    def _percentile(self, percent: int) -> float:
        remaining = -(-self.count * percent // 100)
        bucket = 0
        while remaining > self._counts[bucket]:
            remaining -= self._counts[bucket]
            bucket += 1
        middle = SHORTEST * math.exp((bucket + 0.5) / _BUCKETS_PER_E)
        return min(middle, self._maximum, LONGEST)


def _bucket(seconds: float) -> int:
    return int(math.log(min(max(seconds, SHORTEST), LONGEST) / SHORTEST) * _BUCKETS_PER_E)


Taken = Callable[[str, str, float], None]


class _Stopwatches:
    """Times between two moments of an order, one running per order; of too many, the oldest is forgotten."""

    __slots__ = ("_measure", "_started", "_taken", "histogram")

    def __init__(self, measure: str, taken: Taken | None) -> None:
        self.histogram = LatencyHistogram()
        self._measure = measure
        self._taken = taken
        self._started: dict[str, float] = {}

    def start(self, client_order_id: str, now: float) -> None:
        """Start anew."""
        self._started[client_order_id] = now
        if len(self._started) > PENDING_KEPT:
            del self._started[next(iter(self._started))]

    def start_once(self, client_order_id: str, now: float) -> None:
        """Start unless it runs."""
        if client_order_id not in self._started:
            self.start(client_order_id, now)

    def stop(self, client_order_id: str, now: float) -> None:
        """Record the time if it runs."""
        started = self._started.pop(client_order_id, None)
        if started is not None:
            self.histogram.record(now - started)
            if self._taken is not None:
                self._taken(self._measure, client_order_id, now - started)

    def drop(self, client_order_id: str) -> None:
        """Stop without recording."""
        self._started.pop(client_order_id, None)


class LatencyRecorder:
    """Keeps the five measures of one connector; see the module's docstring for what each means.

    ``now`` is in seconds of one monotonic clock of the caller's choice. Moments may come in any order, repeatedly or
    never, and for orders that were not placed in this run: only the first end of a time that was begun counts.

    :param taken: is told each time of an order as it is taken: its measure, the client order id, seconds
    """

    def __init__(self, taken: Taken | None = None) -> None:
        self._place_reply = _Stopwatches(PLACE_REPLY, taken)
        self._place_open = _Stopwatches(PLACE_OPEN, taken)
        self._cancel_reply = _Stopwatches(CANCEL_REPLY, taken)
        self._cancel_end = _Stopwatches(CANCEL_END, taken)
        self._event_age = LatencyHistogram()
        self._measures = {
            PLACE_REPLY: self._place_reply.histogram,
            PLACE_OPEN: self._place_open.histogram,
            CANCEL_REPLY: self._cancel_reply.histogram,
            CANCEL_END: self._cancel_end.histogram,
            EVENT_AGE: self._event_age,
        }

    # --- Moments ------------------------------------------------------------------------------------------------------
    def placing(self, client_order_id: str, now: float) -> None:
        """A placement is given to the exchange."""
        self._place_reply.start(client_order_id, now)
        self._place_open.start(client_order_id, now)

    def place_replied(self, client_order_id: str, now: float) -> None:
        """VALR answered the placement, whatever it said."""
        self._place_reply.stop(client_order_id, now)

    def opened(self, client_order_id: str, now: float) -> None:
        """The order is proven open."""
        self._place_open.stop(client_order_id, now)

    def cancelling(self, client_order_id: str, now: float) -> None:
        """A cancel is given to the exchange, perhaps not the order's first: its end is timed from the first one."""
        self._cancel_reply.start(client_order_id, now)
        self._cancel_end.start_once(client_order_id, now)

    def cancel_replied(self, client_order_id: str, now: float) -> None:
        """VALR answered the last cancel, whatever it said."""
        self._cancel_reply.stop(client_order_id, now)

    def ended(self, client_order_id: str, now: float, *, cancelled: bool) -> None:
        """The order is proven to have ended, by a cancel or otherwise; replies may still come."""
        self._place_open.drop(client_order_id)
        if cancelled:
            self._cancel_end.stop(client_order_id, now)
        else:
            self._cancel_end.drop(client_order_id)

    def event(self, age: float) -> None:
        """An event came in ``age`` seconds after it happened; below zero the clocks disagree, which counts as zero."""
        self._event_age.record(max(age, 0.0))

    # --- Results ------------------------------------------------------------------------------------------------------
    @property
    def histograms(self) -> Mapping[str, LatencyHistogram]:
        """Every measure by its name."""
        return self._measures

    def snapshot(self) -> dict[str, LatencySummary]:
        """Return the summary of each measure that has been taken at all, by its name."""
        summaries = {name: histogram.summary() for name, histogram in self._measures.items()}
        return {name: summary for name, summary in summaries.items() if summary is not None}

    def line(self) -> str:
        """Say everything in one line, for the log.

        Its shape: ``Latency in ms (p50 / p99 / max, count): place reply 1.20 / 3.40 / 9.90 (120); place open none``,
        and so on; every measure is in it.
        """
        taken = self.snapshot()
        measures = "; ".join(f"{name} {_brief(taken.get(name))}" for name in self._measures)
        return f"Latency in ms (p50 / p99 / max, count): {measures}"

    def lines(self) -> list[str]:
        """Draw a table in milliseconds, a head and one line a measure."""
        taken = self.snapshot()
        rows = [("latency in ms", "p50", "p99", "max", "count")]
        rows += [(name, *_cells(taken.get(name))) for name in self._measures]
        return [f"{name:<13}{p50:>11}{p99:>11}{maximum:>11}{count:>9}" for name, p50, p99, maximum, count in rows]


def _brief(summary: LatencySummary | None) -> str:
    if summary is None:
        return "none"
    p50, p99, maximum = summary.milliseconds()
    return f"{p50:.2f} / {p99:.2f} / {maximum:.2f} ({summary.count})"


def _cells(summary: LatencySummary | None) -> tuple[str, str, str, str]:
    if summary is None:
        return "-", "-", "-", "0"
    p50, p99, maximum = summary.milliseconds()
    return f"{p50:.2f}", f"{p99:.2f}", f"{maximum:.2f}", str(summary.count)
