"""Times: epoch milliseconds inside, ISO-8601 UTC on the wire (valr-api.md 1.2)."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

Clock = Callable[[], float]
"""Epoch seconds, like ``time.time``. The only source of time in the exchange."""


class HandClock:
    """A clock that stands still at ``now`` until it is moved on."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time in epoch seconds."""
        return self.now


def milliseconds(clock: Clock) -> int:
    """Read a clock in whole epoch milliseconds."""
    return int(clock() * 1000)


def iso(time_ms: int) -> str:
    """Write a time with three fraction digits and ``Z``."""
    return f"{_second(time_ms // 1000)}.{time_ms % 1000:03d}Z"


@lru_cache(maxsize=1024)
def _second(time_s: int) -> str:
    # Many answers tell of the same few seconds, and formatting one is dear.
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%dT%H:%M:%S}"


def iso_seconds(time_ms: int) -> str:
    """Write a time without fraction digits."""
    return f"{_second(time_ms // 1000)}Z"


def parse_iso(text: str) -> int:
    """Read an ISO time (UTC where no zone is given) into epoch milliseconds.

    Raises:
        ValueError: if the text is not an ISO-8601 time.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)
