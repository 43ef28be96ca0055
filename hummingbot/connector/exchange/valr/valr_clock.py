"""VALR's clock, as far as it is known."""

from hummingbot.connector.time_synchronizer import TimeSynchronizer


class ValrClock(TimeSynchronizer):
    """Hummingbot's synchronizer, computing the difference of the clocks when it is measured, not at each reading.

    Every signature and every event asks for the time; the base class then takes a median of its samples.
    """

    def __init__(self) -> None:
        super().__init__()
        self._known_offset_ms: float | None = None

    @property
    def time_offset_ms(self) -> float:
        """How far VALR's clock is ahead of the counter, in milliseconds; our own clock's, before it was measured."""
        # Without a sample the base follows our own clock, which may jump: that must not be kept.
        return self._measured_offset_ms() if self._known_offset_ms is None else self._known_offset_ms

    def add_time_offset_ms_sample(self, offset: float) -> None:
        """Take a measurement."""
        super().add_time_offset_ms_sample(offset)
        self._known_offset_ms = self._measured_offset_ms()

    def clear_time_offset_ms_samples(self) -> None:
        """Forget all measurements."""
        super().clear_time_offset_ms_samples()
        self._known_offset_ms = None

    def _measured_offset_ms(self) -> float:
        return float(super().time_offset_ms)
