"""An event loop whose time is a number: where a real loop would wait, this one moves its clock on.

What runs on it reads the same clock through ``time.time``, ``time.monotonic`` and ``time.perf_counter``, as long as
:func:`virtual_time` is entered. There are no threads and no sockets; ``network`` gives it connections in memory.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

EPOCH = 1_767_225_600.0
"""Where virtual time begins, in Unix seconds: the first of January 2026."""


class DeadlockError(Exception):
    """Nothing is left that could ever happen, and somebody still waits."""


class _Selector:
    """Stands where a loop asks the operating system for events: it waits by moving the clock."""

    def __init__(self) -> None:
        self.now = 0.0

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise DeadlockError("every task waits and no timer is set")
        self.now += timeout
        return []

    def close(self) -> None:
        """There is nothing to close."""


class VirtualLoop(asyncio.BaseEventLoop):
    """A loop under virtual time. ``turns`` counts how often it looked for something to do."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _Selector()
        self.turns = 0

    def time(self) -> float:
        """Return the seconds of virtual time since the loop was made."""
        return self._selector.now

    def _run_once(self) -> None:
        self.turns += 1
        super()._run_once()  # type: ignore[misc]

    def _process_events(self, event_list: list[Any]) -> None:
        """Nothing comes from outside."""

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any, context: Any = None) -> asyncio.Handle:
        """Call soon: there is one thread."""
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """Call at once: what runs in a thread takes no virtual time."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whatever it raises is the future's
            future.set_exception(error)
        return future


@contextmanager
def virtual_time(loop: VirtualLoop) -> Iterator[None]:
    """Let everything that asks for the time be told the loop's."""
    clocks: dict[str, Callable[[], float]] = {
        "time": lambda: EPOCH + loop.time(),
        "monotonic": loop.time,
        "perf_counter": loop.time,
        "time_ns": lambda: int((EPOCH + loop.time()) * 1e9),
        "monotonic_ns": lambda: int(loop.time() * 1e9),
        "perf_counter_ns": lambda: int(loop.time() * 1e9),
    }
    with ExitStack() as stack:
        for name, clock in clocks.items():
            stack.enter_context(patch.object(time, name, clock))
        yield
