"""When frames come so fast that each turns the event loop, they gather for a moment and are read together. Pure.

A frame that is read as it comes costs two turns of the loop and a call to the kernel: with thousands a second, as much
as all else that is done with it. A millisecond brings a handful together, and makes them half a millisecond older.
"""

# Frames a second from which on it pays.
_FAST = 2000.0
_GATHERING = 0.001
# Seconds over which the frames are counted.
_COUNTED_FOR = 0.1
# Frames found at once by a reader that is behind: there is nothing to gain by letting more gather.
_MANY = 16


class ReadingPace:
    """Counts frames, and says for how long the next ones may gather.

    :param now: monotonic time, in seconds, here as in all calls
    """

    def __init__(self, now: float) -> None:
        self._since = now
        self._frames = 0
        self._is_fast = False

    def after(self, frames: int, now: float) -> float:
        """Return the seconds to read nothing for, mostly none, after so many frames were read together."""
        self._frames += frames
        elapsed = now - self._since
        if elapsed >= _COUNTED_FOR:
            self._is_fast = self._frames >= _FAST * elapsed
            self._since, self._frames = now, 0
        return _GATHERING if self._is_fast and frames < _MANY else 0.0
