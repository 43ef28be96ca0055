"""The throttler under virtual time: who may go when."""

import asyncio
import logging
from collections.abc import Coroutine, Iterator
from decimal import Decimal
from typing import Any

import pytest

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_throttler import SAFETY_MARGIN, ValrThrottler, Window
from hummingbot.core.api_throttler.data_types import LinkedLimitWeightPair, RateLimit
from test.simulation.virtual_time import VirtualLoop, virtual_time

POLL, CANCEL, PLACE = CONSTANTS.PRIVATE_LIMIT_ID, CONSTANTS.CANCEL_LIMIT_ID, CONSTANTS.PLACE_LIMIT_ID
CONNECT = CONSTANTS.SOCKET_CONNECT_LIMIT_ID
SPAN = 1.0 + SAFETY_MARGIN


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    loop = VirtualLoop()
    with virtual_time(loop):
        yield loop
    loop.close()


class Place:
    """A throttler and callers, with the time at which each was let go."""

    def __init__(self, loop: VirtualLoop, *limits: RateLimit, share: str = "100") -> None:
        self.throttler = ValrThrottler(list(limits), Decimal(share))
        self.went: list[tuple[str, float]] = []
        self._loop = loop

    async def call(self, limit_id: str, name: str = "") -> None:
        async with self.throttler.execute_task(limit_id):
            self.went.append((name or limit_id, round(self._loop.time(), 6)))

    def run(self, *callers: Coroutine[Any, Any, None]) -> None:
        async def together() -> None:
            await asyncio.gather(*callers)

        self._loop.run_until_complete(together())


def pooled(*limit_ids: str, pool: int = 2) -> list[RateLimit]:
    """Return limits that share one pool of so many calls a second."""
    links = [LinkedLimitWeightPair("pool")]
    return [RateLimit("pool", pool, 1), *(RateLimit(each, 100, 1, linked_limits=links) for each in limit_ids)]


def test_calls_go_at_once_up_to_the_limit_and_in_their_order_after_that(loop: VirtualLoop) -> None:
    place = Place(loop, RateLimit("a", 2, 1))
    place.run(*(place.call("a", str(number)) for number in range(5)))
    assert place.went == [("0", 0.0), ("1", 0.0), ("2", SPAN), ("3", SPAN), ("4", 2 * SPAN)]


def test_room_comes_back_call_by_call(loop: VirtualLoop) -> None:
    place = Place(loop, RateLimit("a", 2, 1))

    async def later() -> None:
        await asyncio.sleep(0.5)
        await place.call("a", "half a second later")

    place.run(place.call("a"), later(), place.call("a"), place.call("a", "waits"), place.call("a", "waits, too"))
    assert place.went[2:] == [("waits", SPAN), ("waits, too", SPAN), ("half a second later", 2 * SPAN)]


def test_a_cancel_goes_before_placements_and_polls_that_wait_already(loop: VirtualLoop) -> None:
    place = Place(loop, *pooled(POLL, PLACE, CANCEL, pool=1))
    place.run(*(place.call(each) for each in (POLL, POLL, PLACE, CANCEL)))
    assert [name for name, _ in place.went] == [POLL, CANCEL, PLACE, POLL]


def test_a_handshake_goes_before_polls_that_wait_already(loop: VirtualLoop) -> None:
    place = Place(loop, *pooled(POLL, CONNECT, CANCEL, pool=1))
    place.run(*(place.call(each) for each in (POLL, POLL, CONNECT, CANCEL)))
    assert [name for name, _ in place.went] == [POLL, CANCEL, CONNECT, POLL]


def test_who_waits_for_one_limit_does_not_hold_up_another(loop: VirtualLoop) -> None:
    place = Place(loop, RateLimit("a", 1, 10), RateLimit("b", 1, 1))
    place.run(place.call("a"), place.call("a", "waits"), place.call("b"))
    assert place.went == [("a", 0.0), ("b", 0.0), ("waits", 10 * SPAN)]


def test_a_call_waits_for_every_limit_it_counts_towards(loop: VirtualLoop) -> None:
    place = Place(loop, *pooled("a", "b", pool=1))
    place.run(place.call("a"), place.call("b"))
    assert place.went == [("a", 0.0), ("b", SPAN)]
    assert place.throttler.used("pool") == 1


@pytest.mark.parametrize(("orders", "polls"), [(0, 1200), (100, 1100), (599, 601), (600, 600), (800, 600)])
@pytest.mark.parametrize("kind", [PLACE, CANCEL])
def test_orders_over_rest_leave_polls_what_they_do_not_use_and_half_at_least(
    kind: str, orders: int, polls: int, loop: VirtualLoop
) -> None:
    place = Place(loop, *CONSTANTS.RATE_LIMITS)
    for _ in range(orders):
        # Whatever the budgets of the minute say, and waiting only for the limits of the second.
        place.run(place.call(kind))
    at = place.went[-1][1] if orders else 0.0
    assert at < 3
    place.run(*(place.call(POLL) for _ in range(polls + 1)))
    times = [when for name, when in place.went if name == POLL]
    assert times[:polls] == [at] * polls
    assert times[polls] > 60


def test_orders_over_rest_never_wait_for_polls(loop: VirtualLoop) -> None:
    place = Place(loop, *CONSTANTS.RATE_LIMITS)
    place.run(*(place.call(POLL) for _ in range(1200)), place.call(PLACE), place.call(CANCEL))
    assert {when for _, when in place.went} == {0.0}


def test_a_late_comer_does_not_overtake(loop: VirtualLoop) -> None:
    place = Place(loop, *pooled("heavy", "light", pool=2))
    place.throttler._id_to_limit_map["heavy"].linked_limits[0].weight = 2

    async def late() -> None:
        await asyncio.sleep(0.1)
        await place.call("light", "late")

    place.run(place.call("light"), place.call("heavy"), late())
    assert place.went == [("light", 0.0), ("heavy", SPAN), ("late", 2 * SPAN)]


def test_who_gives_up_lets_the_next_one_go(loop: VirtualLoop) -> None:
    place = Place(loop, RateLimit("slow", 1, 100, linked_limits=[LinkedLimitWeightPair("pool")]), *pooled("a", pool=5))

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await place.call("slow", "gives up")

    async def afterwards() -> None:
        await asyncio.sleep(1)
        await place.call("a")

    place.run(place.call("slow"), give_up(), afterwards())
    assert place.went == [("slow", 0.0), ("a", 3.0)]


def test_a_call_heavier_than_its_limit_goes_when_nothing_else_counts(loop: VirtualLoop) -> None:
    place = Place(loop, RateLimit("a", 1, 1), RateLimit("b", 9, 1, linked_limits=[LinkedLimitWeightPair("a", 5)]))
    place.run(place.call("a"), place.call("b"))
    assert place.went == [("a", 0.0), ("b", SPAN)]


def test_a_share_of_the_limits(loop: VirtualLoop) -> None:
    place = Place(loop, RateLimit("a", 4, 1), share="50")
    place.run(*(place.call("a") for _ in range(3)))
    assert [time for _, time in place.went] == [0.0, 0.0, SPAN]


def test_limits_can_be_added(loop: VirtualLoop) -> None:
    place = Place(loop, RateLimit("a", 4, 1))
    place.throttler.add_rate_limits([RateLimit("b", 1, 1)])
    place.run(place.call("b"), place.call("b"))
    assert place.went == [("b", 0.0), ("b", SPAN)]


def test_an_unknown_limit_is_named(loop: VirtualLoop) -> None:
    with pytest.raises(ValueError, match="no rate limit 'b'; known are a"):
        Place(loop, RateLimit("a", 4, 1)).throttler.execute_task("b")


def test_what_is_used_is_forgotten_in_time(loop: VirtualLoop) -> None:
    place = Place(loop, RateLimit("a", 4, 1))
    assert place.throttler.used("a") == 0
    place.run(place.call("a"), place.call("a"))
    assert place.throttler.used("a") == 2
    loop.run_until_complete(asyncio.sleep(SPAN))
    assert place.throttler.used("a") == 0


def test_waiting_is_said_once_in_a_while(loop: VirtualLoop, caplog: pytest.LogCaptureFixture) -> None:
    place = Place(loop, RateLimit("a", 1, 1))
    with caplog.at_level(logging.WARNING):
        place.run(*(place.call("a") for _ in range(20)))
        assert [record.getMessage().split(" (")[0] for record in caplog.records] == [
            "Calls wait for VALR's rate limit 'a'"
        ]
        loop.run_until_complete(asyncio.sleep(20))
        place.run(place.call("a"), place.call("a"))
    assert len(caplog.records) == 2


def test_what_was_used_before_the_interval_takes_no_room() -> None:
    window = Window(RateLimit("one", limit=1, time_interval=1.0))
    window.use(1, 0.0)
    assert not window.has_room(1, 0.5)
    assert window.has_room(1, 2.0)
