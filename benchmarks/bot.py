"""A connector on a running clock with everything it tells, as a strategy has it."""

import asyncio
import contextlib
import functools
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import hummingbot
from benchmarks.exchange import PAIR, BenchExchange
from hummingbot.connector.exchange.valr.valr_exchange import ValrExchange
from hummingbot.core.clock import Clock, ClockMode
from hummingbot.core.data_type.common import OrderType, PositionAction
from hummingbot.core.event.event_forwarder import EventForwarder
from hummingbot.core.event.events import MarketEvent

# Journals and logs of a benchmark are no business of the Hummingbot it borrows.
_HOME = tempfile.TemporaryDirectory(prefix="valr-bench-")
hummingbot.set_prefix_path(_HOME.name)

NO_EXPIRY = float("nan")

EVENTS = {
    MarketEvent.BuyOrderCreated: "created",
    MarketEvent.SellOrderCreated: "created",
    MarketEvent.OrderFilled: "filled",
    MarketEvent.OrderCancelled: "cancelled",
    MarketEvent.OrderFailure: "failed",
}


async def until(condition: Callable[[], Any], seconds: float = 30.0, pause: float = 0.002) -> None:
    """Return as soon as ``condition`` holds.

    :raises TimeoutError: it does not within ``seconds``
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the condition did not come true within {seconds:g} s")
        await asyncio.sleep(pause)


class BenchBot:
    """A connector, and when it told what of which order: ``told[what][client order id]`` in ``perf_counter`` seconds.

    :param kind: the connector's class
    :param options: keywords of the connector
    """

    def __init__(
        self, exchange: BenchExchange, account: str, kind: type[ValrExchange] = ValrExchange, **options: Any
    ) -> None:
        key = exchange.keys[account]
        # A hundred times VALR's rate limits: what is measured is what a call costs, not how long it has to wait.
        unlimited = {"rate_limits_share_pct": Decimal(10_000)}
        keywords = {"valr_session_record": False, "trading_pairs": [PAIR], **unlimited, **options}
        self.connector = kind(key.key, key.secret, valr_url=exchange.url, domain="valr_loopback", **keywords)
        self.told: dict[str, dict[str, float]] = {what: {} for what in EVENTS.values()}
        self._waiting: dict[tuple[str, str], asyncio.Future[float]] = {}
        # Held here, because the connector holds its listeners weakly.
        self._listeners = [EventForwarder(functools.partial(self._note, what)) for what in EVENTS.values()]
        for event, listener in zip(EVENTS, self._listeners, strict=True):
            self.connector.add_listener(event, listener)

    def _note(self, what: str, event: Any) -> None:
        now = time.perf_counter()
        self.told[what][event.order_id] = now
        waiting = self._waiting.pop((what, event.order_id), None)
        if waiting is not None and not waiting.done():
            waiting.set_result(now)

    async def moment(self, what: str, client_order_id: str) -> float:
        """Wait until something is told of an order; return when it was."""
        told = self.told[what].get(client_order_id)
        if told is not None:
            return told
        waiting = self._waiting[what, client_order_id] = asyncio.get_running_loop().create_future()
        return await waiting

    @contextlib.asynccontextmanager
    async def running(self, seconds: float = 60.0) -> AsyncIterator["BenchBot"]:
        """Run the clock; ready on entry, stopped on leaving."""
        with Clock(ClockMode.REALTIME, tick_size=1.0) as clock:
            clock.add_iterator(self.connector)
            task = asyncio.create_task(clock.run())
            try:
                await until(lambda: self.connector.ready, seconds)
                yield self
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await self.connector.stop_network()

    def buy(self, price: Decimal, amount: Decimal = Decimal("0.01")) -> str:
        """Place a limit order as Hummingbot's strategies do, with all that they name."""
        return str(
            self.connector.buy(
                PAIR, amount, OrderType.LIMIT, price, expiration_ts=NO_EXPIRY, position_action=PositionAction.OPEN
            )
        )

    def cancel(self, client_order_id: str) -> None:
        """Cancel as a strategy does."""
        self.connector.cancel(PAIR, client_order_id)
