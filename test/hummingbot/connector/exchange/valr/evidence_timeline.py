"""Virtual time: what happens when, without waiting for it."""

import heapq
import itertools
from collections.abc import Callable


class Timeline:
    """Happenings in the order of their time; those of one moment in the order in which they were put down."""

    def __init__(self, start: float) -> None:
        self.now = start
        self._numbers = itertools.count()
        self._happenings: list[tuple[float, int, Callable[[], object]]] = []

    def after(self, seconds: float, happening: Callable[[], object]) -> None:
        """Put down what happens in ``seconds``."""
        self.at(self.now + seconds, happening)

    def at(self, when: float, happening: Callable[[], object]) -> None:
        """Put down what happens at ``when``, or now if that has passed."""
        heapq.heappush(self._happenings, (max(when, self.now), next(self._numbers), happening))

    @property
    def next_at(self) -> float:
        """When the next thing happens, infinity if nothing will."""
        return self._happenings[0][0] if self._happenings else float("inf")

    def step(self) -> None:
        """Go to the next happening and let it happen."""
        self.now, _, happening = heapq.heappop(self._happenings)
        happening()
