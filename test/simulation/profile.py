"""Where the processor's time goes while a day is played: samples of the stack, by room and by function."""

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

INTERVAL = 0.002
SHOWN = 25

_STAGE = "test/simulation/"
_ROOMS = {
    "hummingbot/connector/exchange/valr/": "the connector",
    "hummingbot/": "Hummingbot",
    "valr_loopback/": "the loopback exchange",
    "test/simulation/witness.py": "the witness",
    _STAGE: "loop and network",
    "test/faults/": "the witness",
}


class Samples:
    """How often the processor was met in each room, and in or below each function."""

    def __init__(self) -> None:
        self.count = 0
        self._rooms: Counter[str] = Counter()
        self._functions: Counter[str] = Counter()

    def take(self, _: int, frame: FrameType | None) -> None:
        """Count the innermost room of ours on the stack, and each function once."""
        self.count += 1
        room, functions = "", set()
        while frame is not None:
            path = frame.f_code.co_filename
            named = next((each for each in _ROOMS if each in path), "")
            room = room or named
            if named and named != _STAGE:
                functions.add(f"{Path(path).name}:{frame.f_code.co_qualname}")
            frame = frame.f_back
        self._rooms[_ROOMS.get(room, "elsewhere")] += 1
        self._functions.update(functions)

    def lines(self) -> list[str]:
        """Return the shares: libraries count for the room that called them; functions with what they called."""
        rows = [*self._rooms.most_common(), *self._functions.most_common(SHOWN)]
        return [f"{self.count} samples", *(f"{100 * times / self.count:5.1f} % {name}" for name, times in rows)]


@contextmanager
def sampled() -> Iterator[Samples]:
    """Take samples of this process while it works."""
    samples = Samples()
    before = signal.signal(signal.SIGPROF, samples.take)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)
    try:
        yield samples
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
