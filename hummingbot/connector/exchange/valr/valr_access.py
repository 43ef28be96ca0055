"""Looks after our access to VALR: the difference of the clocks, the API key, and VALR's read-only mode."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_auth import explain_permissions, explain_refusal
from hummingbot.connector.exchange.valr.valr_clock import Measurement, ValrClock
from hummingbot.connector.exchange.valr.valr_messages import parse_exchange_status, parse_key_permissions
from hummingbot.connector.exchange.valr.valr_metrics import IncidentKind, Metrics
from hummingbot.connector.exchange.valr.valr_order_entry import OrderEntry
from hummingbot.connector.exchange.valr.valr_troubles import ConnectionTroubles
from hummingbot.connector.exchange.valr.valr_web_utils import ValrRefusedError, ValrRequestError, ValrRestClient

READ_ONLY_POLL = 2.0
CLOCK_DOUBT_INTERVAL = 30.0


class AccessWatch:
    """Asks VALR what stands between it and us, and says so.

    :param get: performs a REST GET, signed where it is told to be
    :param warn: warns, but not of the same kind of trouble over and over
    """

    def __init__(
        self,
        rest: ValrRestClient,
        get: Callable[..., Awaitable[Any]],
        clock: ValrClock,
        order_entry: OrderEntry,
        troubles: ConnectionTroubles,
        metrics: Metrics,
        warn: Callable[[str, str], object],
        logger: Callable[[], logging.Logger],
    ) -> None:
        self._rest = rest
        self._get = get
        self._clock = clock
        self._order_entry = order_entry
        self._troubles = troubles
        self._metrics = metrics
        self._warn = warn
        self._logger = logger
        self._key_problem = ""
        self._doubting = asyncio.Lock()
        self._doubted_at = -math.inf

    # --- Clock --------------------------------------------------------------------------------------------------------
    async def measure_clock(self) -> None:
        """Measure the difference of the clocks; a failure leaves what is known in place."""
        measurement = await self._measurement()
        if measurement is not None and not self._clock.take(measurement):
            # One of the clocks has jumped, or the answer was wrong: another one tells which.
            measurement = await self._measurement()
            if measurement is not None:
                self._clock.take(measurement)
        if measurement is not None:
            # The offset is against a counter that counts from anywhere; people know the clock on the wall.
            self._metrics.clock_measured(self._clock.time() - self._clock._time())

    async def doubt_clock(self) -> None:
        """VALR refused a signed request, perhaps for its time: measure the clock, though not at each refusal."""
        # Who is refused meanwhile waits for the same measurement.
        async with self._doubting:
            now = time.monotonic()
            if now - self._doubted_at >= CLOCK_DOUBT_INTERVAL:
                self._doubted_at = now
                await self.measure_clock()

    async def _measurement(self) -> Measurement | None:
        """Return what VALR's clock says, None if it cannot be read."""
        asked_at = self._clock._current_seconds_counter()
        try:
            server_time = await self._rest.server_time()
        except (ValrRequestError, ValueError) as error:
            self._warn(f"VALR's clock could not be read ({error}); the last known difference stays in use.", "clock")
            return None
        # Of this time some may have been spent waiting for our own rate limit: it is uncertain all the same.
        return Measurement(asked_at, self._clock._current_seconds_counter(), server_time)

    # --- Key ----------------------------------------------------------------------------------------------------------
    async def look_for_a_refusals_cause(self) -> None:
        """VALR refused a handshake, which does not say why: look at the clock, then at the key."""
        await self.measure_clock()
        await self.check_key(is_suspect=True)

    async def check_key(self, *, is_suspect: bool = False) -> None:
        """Say in words a user can act on what is wrong with the API key, if anything.

        :param is_suspect: VALR has refused the key elsewhere, so a refusal here is about it, whatever its code
        """
        try:
            permissions = parse_key_permissions(await self._get(path_url=CONSTANTS.API_KEY_PATH, is_auth_required=True))
        except ValrRefusedError as error:
            problem = explain_refusal(error.code, error.status if is_suspect else None)
        except (ValrRequestError, ValueError):
            # No answer says nothing about the key.
            return
        else:
            problem = explain_permissions(permissions)
        if problem and problem != self._key_problem:
            self._logger().error(problem)
            self._metrics.incident(IncidentKind.KEY_REFUSED, problem)
        self._key_problem = problem

    # --- Read-only mode -----------------------------------------------------------------------------------------------
    async def watch_read_only_mode(self, detail: str) -> None:
        """Hold placements back for as long as VALR says that it is in read-only mode (valr-api.md 1.4).

        :param detail: what made us suspect it; said as a failure if VALR is in no such mode
        """
        if not await self._is_read_only():
            self._troubles.unanswered(detail)
            return
        self._troubles.read_only()
        self._order_entry.hold()
        try:
            while True:
                await asyncio.sleep(READ_ONLY_POLL)
                if not await self._is_read_only():
                    break
            self._troubles.read_only_over()
        finally:
            self._order_entry.resume()

    async def _is_read_only(self) -> bool:
        try:
            return parse_exchange_status(await self._get(path_url=CONSTANTS.STATUS_PATH)) == CONSTANTS.READ_ONLY
        except (ValrRequestError, ValueError):
            # No answer says nothing new.
            return self._order_entry.is_held
