"""VALR's clock, as far as it is known."""

from dataclasses import dataclass

from hummingbot.connector.time_synchronizer import TimeSynchronizer

# How fast the counter may run away from VALR's clock, in seconds a second.
DRIFT = 2e-4
# VALR's clock may tell whole seconds only.
COARSENESS = 1.0


@dataclass(frozen=True)
class Measurement:
    """VALR's time in one answer; ``asked_at`` and ``answered_at`` are seconds of a counter that only grows.

    VALR read its clock at some moment between the two: the middle is wrong by no more than half the way.
    """

    asked_at: float
    answered_at: float
    server_time: float

    @property
    def offset(self) -> float:
        """How far VALR's clock is ahead of the counter, in seconds."""
        return self.server_time - (self.asked_at + self.answered_at) / 2

    def uncertainty(self, now: float) -> float:
        """Return by how many seconds the offset may be wrong at a time of the counter."""
        return (self.answered_at - self.asked_at) / 2 + DRIFT * (now - self.answered_at)

    def contradicts(self, other: "Measurement", now: float) -> bool:
        """Tell whether not both can be right: one of the clocks has jumped, or one answer was wrong."""
        return abs(self.offset - other.offset) > self.uncertainty(now) + other.uncertainty(now) + COARSENESS


class ValrClock(TimeSynchronizer):
    """Hummingbot's synchronizer, which follows the best of its measurements, whose way was short and not long ago.

    The base class takes an average of the last five, in which one slow answer is an error of seconds, and computes it
    at each reading: every signature and every event asks for the time.
    """

    def __init__(self) -> None:
        super().__init__()
        self._known_offset_ms: float | None = None
        self._best: Measurement | None = None
        self._doubtful: Measurement | None = None

    @property
    def time_offset_ms(self) -> float:
        """How far VALR's clock is ahead of the counter, in milliseconds; our own clock's, before it was measured."""
        # Without a sample the base follows our own clock, which may jump: that must not be kept.
        return self._measured_offset_ms() if self._known_offset_ms is None else self._known_offset_ms

    def take(self, measurement: Measurement) -> bool:
        """Take a measurement; return False for one that contradicts what is known: it counts when the next confirms it.

        A clock that has jumped is so followed after two, and one wrong answer followed by nobody.
        """
        now = measurement.answered_at
        if self._best is not None and measurement.contradicts(self._best, now):
            if self._doubtful is None or measurement.contradicts(self._doubtful, now):
                self._doubtful = measurement
                return False
            self._follow(self._doubtful)
        self._doubtful = None
        if self._best is None or measurement.uncertainty(now) <= self._best.uncertainty(now):
            self._follow(measurement)
        return True

    def _follow(self, measurement: Measurement) -> None:
        self._best = measurement
        self.clear_time_offset_ms_samples()
        self.add_time_offset_ms_sample(measurement.offset * 1000)

    def add_time_offset_ms_sample(self, offset: float) -> None:
        """Take a difference that was measured elsewhere."""
        super().add_time_offset_ms_sample(offset)
        self._known_offset_ms = self._measured_offset_ms()

    def clear_time_offset_ms_samples(self) -> None:
        """Forget all samples."""
        super().clear_time_offset_ms_samples()
        self._known_offset_ms = None

    def _measured_offset_ms(self) -> float:
        return float(super().time_offset_ms)
