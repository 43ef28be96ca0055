"""The loop under virtual time: waiting costs nothing, and every clock tells the same."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from test.simulation.virtual_time import EPOCH, DeadlockError, VirtualLoop, virtual_time


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    loop = VirtualLoop()
    with virtual_time(loop):
        yield loop
    loop.close()


def test_a_day_of_sleep_takes_no_time(loop: VirtualLoop) -> None:
    begun = time.process_time()
    loop.run_until_complete(asyncio.sleep(86_400))
    assert loop.time() == 86_400
    assert time.process_time() - begun < 1


def test_all_clocks_tell_the_same(loop: VirtualLoop) -> None:
    loop.run_until_complete(asyncio.sleep(12.5))
    assert (time.time(), time.time_ns()) == (EPOCH + 12.5, int((EPOCH + 12.5) * 1e9))
    assert (time.monotonic(), time.monotonic_ns()) == (12.5, 12_500_000_000)
    assert (time.perf_counter(), time.perf_counter_ns()) == (12.5, 12_500_000_000)


def test_the_clocks_are_given_back(loop: VirtualLoop) -> None:
    with virtual_time(VirtualLoop()):
        pass
    assert time.monotonic() == loop.time()


def test_what_is_due_first_happens_first(loop: VirtualLoop) -> None:
    seen: list[tuple[str, float]] = []

    async def wake(name: str, after: float) -> None:
        await asyncio.sleep(after)
        seen.append((name, loop.time()))

    async def together() -> None:
        await asyncio.gather(wake("late", 3), wake("early", 1), wake("between", 2.25))

    loop.run_until_complete(together())
    assert seen == [("early", 1), ("between", 2.25), ("late", 3)]


def test_timeouts_strike_in_virtual_time(loop: VirtualLoop) -> None:
    async def wait() -> None:
        async with asyncio.timeout(30):
            await asyncio.sleep(31)

    with pytest.raises(TimeoutError):
        loop.run_until_complete(wait())
    assert loop.time() == 30


def test_waiting_for_nothing_is_a_deadlock(loop: VirtualLoop) -> None:
    with pytest.raises(DeadlockError):
        loop.run_until_complete(loop.create_future())


def test_what_would_run_in_a_thread_runs_at_once(loop: VirtualLoop) -> None:
    assert loop.run_until_complete(loop.run_in_executor(None, lambda: 7)) == 7

    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        loop.run_until_complete(loop.run_in_executor(None, fail))


def test_turns_are_counted(loop: VirtualLoop) -> None:
    async def spin() -> None:
        for _ in range(100):
            await asyncio.sleep(0)

    loop.run_until_complete(spin())
    assert loop.turns >= 100
