"""Keeps VALR's rate limits, cancels first (valr-api.md 1.6).

Hummingbot's own throttler walks every logged call for each new one, looks again only every tenth of a second, lets a
cancel wait behind polls, and announces a reached limit through the interactive application, which it builds for that.
This one costs the same however many calls are logged, wakes when there is room, and serves by urgency.
"""

import asyncio
import logging
import time
from collections import deque
from decimal import Decimal
from heapq import heappop, heappush
from types import TracebackType

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_metrics import IncidentKind, Metrics
from hummingbot.core.api_throttler.async_throttler_base import AsyncThrottlerBase
from hummingbot.core.api_throttler.data_types import RateLimit

SAFETY_MARGIN = 0.05
NOTICE_INTERVAL = 30.0

# Smaller is sooner. What a live order is waiting for goes before what is merely worth knowing, and a socket tells of
# orders and books what many a poll could not.
_URGENCY = {
    CONSTANTS.SOCKET_CANCEL_LIMIT_ID: 0,
    CONSTANTS.CANCEL_LIMIT_ID: 0,
    CONSTANTS.SOCKET_PLACE_LIMIT_ID: 1,
    CONSTANTS.PLACE_LIMIT_ID: 1,
    CONSTANTS.SOCKET_CONNECT_LIMIT_ID: 1,
}
_USUAL_URGENCY = 2
# What a call counts towards as well, as long as there is room, without waiting for it.
_COUNTED_TOO = {
    CONSTANTS.PLACE_LIMIT_ID: CONSTANTS.REST_ORDERS_POOL,
    CONSTANTS.CANCEL_LIMIT_ID: CONSTANTS.REST_ORDERS_POOL,
}

_log = logging.getLogger(__name__)


class Window:
    """What of one limit was used within its last interval."""

    __slots__ = ("_capacity", "_entries", "_span", "used")

    def __init__(self, limit: RateLimit) -> None:
        self.used = 0
        self._entries: deque[tuple[float, int]] = deque()
        self.take_limit(limit)

    def take_limit(self, limit: RateLimit) -> None:
        """Keep another limit from now on."""
        self._capacity = int(limit.limit)
        self._span = float(limit.time_interval * (1 + SAFETY_MARGIN))

    def forget(self, now: float) -> None:
        """Leave out what was used longer ago than the interval."""
        span, entries = self._span, self._entries
        while entries and entries[0][0] + span <= now:
            self.used -= entries.popleft()[1]

    def has_room(self, weight: int, now: float) -> bool:
        """Return whether there is room for so much now; more than the whole limit has room when nothing was used."""
        # An order asks this on its way: without a call, where there is nothing to forget.
        entries = self._entries
        if entries and entries[0][0] + self._span <= now:
            self.forget(now)
        return self.used + weight <= self._capacity or not entries

    def frees(self, weight: int, now: float) -> float:
        """Return when there is room for so much: ``now``, or later."""
        self.forget(now)
        excess = self.used + weight - self._capacity
        span, entries = self._span, self._entries
        if excess <= 0 or not entries:
            return now
        for used_at, used in entries:
            excess -= used
            if excess <= 0:
                return used_at + span
        return entries[-1][0] + span

    def use(self, weight: int, now: float) -> None:
        """Use so much of it."""
        self.used += weight
        self._entries.append((now, weight))


class Turn:
    """One call's wait for its turn, as a context; nothing happens at its end."""

    def __init__(self, throttler: "ValrThrottler", limit_id: str) -> None:
        self._throttler = throttler
        self._limit_id = limit_id

    async def __aenter__(self) -> None:
        await self._throttler.acquire(self._limit_id)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """A call that was made stays counted, whatever came of it."""


class _Waiter:
    __slots__ = ("future", "limit_id", "needs", "number", "urgency")

    def __init__(self, limit_id: str, urgency: int, number: int, needs: list[tuple[Window, int]]) -> None:
        self.limit_id = limit_id
        self.urgency = urgency
        self.number = number
        self.needs = needs
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __lt__(self, other: "_Waiter") -> bool:
        return (self.urgency, self.number) < (other.urgency, other.number)


class ValrThrottler(AsyncThrottlerBase):
    """Lets calls go when every limit they count towards has room: urgent ones first, equals in their order.

    :param limits_share_percentage: of VALR's limits, when several bots share an account
    :param metrics: counts the calls that had to wait
    """

    def __init__(
        self,
        rate_limits: list[RateLimit],
        limits_share_percentage: Decimal | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        super().__init__(rate_limits, limits_share_percentage=limits_share_percentage)
        self._metrics = metrics or Metrics()
        self._windows: dict[str, Window] = {}
        self._all_needs: dict[str, list[tuple[Window, int]]] = {}
        self._waiting: list[_Waiter] = []
        self._number = 0
        self._timer: asyncio.TimerHandle | None = None
        self._noticed_at: dict[str, float] = {}

    def execute_task(self, limit_id: str) -> Turn:
        """Return the context in which a call under this limit is to be made.

        :raises ValueError: there is no such limit
        """
        if limit_id not in self._id_to_limit_map:
            raise ValueError(f"there is no rate limit '{limit_id}'; known are {', '.join(self._id_to_limit_map)}")
        return Turn(self, limit_id)

    def used(self, limit_id: str) -> int:
        """Return how much of a limit was used within its last interval."""
        window = self._windows.get(limit_id)
        if window is None:
            return 0
        window.forget(time.monotonic())
        return window.used

    @property
    def limits(self) -> list[RateLimit]:
        """Every limit, this bot's share of it."""
        return list(self._id_to_limit_map.values())

    def has_room(self, limit_id: str) -> bool:
        """Return whether a call under a limit may be made at once; one that is made has to be counted."""
        now = time.monotonic()
        needs = self._all_needs.get(limit_id) or self._needs(limit_id)
        if self._waiting and self._waits_before(_URGENCY.get(limit_id, _USUAL_URGENCY), needs):
            return False
        for window, weight in needs:  # noqa: SIM110 - a generator would cost each order a microsecond
            if not window.has_room(weight, now):
                return False
        return True

    def count(self, limit_id: str) -> None:
        """Count a call under a limit that is made now."""
        now = time.monotonic()
        for window, weight in self._needs(limit_id):
            window.use(weight, now)
        pool = _COUNTED_TOO.get(limit_id, "")
        if pool in self._id_to_limit_map:
            needs = self._needs(pool)
            if needs[0][0].has_room(1, now):
                for window, weight in needs:
                    window.use(weight, now)

    async def acquire(self, limit_id: str) -> None:
        """Wait until a call under a limit may be made, and count it."""
        if self.has_room(limit_id):
            self.count(limit_id)
            return
        now = time.monotonic()
        needs = self._needs(limit_id)
        urgency = _URGENCY.get(limit_id, _USUAL_URGENCY)
        self._notice(limit_id, now)
        self._number += 1
        waiter = _Waiter(limit_id, urgency, self._number, needs)
        heappush(self._waiting, waiter)
        self._serve()
        try:
            await waiter.future
        except asyncio.CancelledError:
            # Whoever waited behind it need not any more.
            self._serve()
            raise

    def set_rate_limits(self, rate_limits: list[RateLimit]) -> None:
        """Take other limits; what was used of those that stay is not forgotten."""
        super().set_rate_limits(rate_limits)
        self._all_needs = {}

    def add_rate_limits(self, rate_limits: list[RateLimit]) -> None:
        """Take more limits."""
        super().add_rate_limits(rate_limits)
        self._all_needs = {}

    def _needs(self, limit_id: str) -> list[tuple[Window, int]]:
        needs = self._all_needs.get(limit_id)
        if needs is None:
            limit, related = self.get_related_limits(limit_id)
            needs = [(self._window(each), weight) for each, weight in ((limit, limit.weight), *related)]
            self._all_needs[limit_id] = needs
        return needs

    def _window(self, limit: RateLimit) -> Window:
        window = self._windows.setdefault(limit.limit_id, Window(limit))
        window.take_limit(limit)
        return window

    def _waits_before(self, urgency: int, needs: list[tuple[Window, int]]) -> bool:
        """Whether a call that is as urgent waits already for one of the same limits."""
        mine = {id(window) for window, _ in needs}
        return any(
            waiter.urgency <= urgency
            and not waiter.future.done()
            and any(id(window) in mine for window, _ in waiter.needs)
            for waiter in self._waiting
        )

    def _serve(self) -> None:
        """Let go whoever can; a limit that somebody has to wait for is kept from all who come after."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now, kept, held, next_at = time.monotonic(), list[_Waiter](), set[int](), float("inf")
        while self._waiting:
            waiter = heappop(self._waiting)
            if waiter.future.done():
                continue
            free_at = max(window.frees(weight, now) for window, weight in waiter.needs)
            if free_at <= now and not any(id(window) in held for window, _ in waiter.needs):
                self.count(waiter.limit_id)
                waiter.future.set_result(None)
                continue
            kept.append(waiter)
            held.update(id(window) for window, _ in waiter.needs)
            if free_at > now:
                next_at = min(next_at, free_at)
        self._waiting = kept
        if kept:
            self._timer = asyncio.get_running_loop().call_later(max(next_at - now, 0.0), self._serve)

    def _notice(self, limit_id: str, now: float) -> None:
        self._metrics.counters.rate_limit_waits += 1
        if now - self._noticed_at.get(limit_id, float("-inf")) > NOTICE_INTERVAL:
            self._noticed_at[limit_id] = now
            limit = self._id_to_limit_map[limit_id]
            text = (
                f"Calls wait for VALR's rate limit '{limit_id}' ({limit.limit} in {limit.time_interval:g} s, "
                "or one that it is part of)."
            )
            _log.warning(text)
            self._metrics.incident(IncidentKind.RATE_LIMIT_WAIT, text)
