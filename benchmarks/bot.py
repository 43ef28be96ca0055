"""A connector on a running clock with everything it tells, as a strategy has it."""

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

from benchmarks.exchange import PAIR, BenchExchange
from hummingbot.connector.exchange.valr.valr_exchange import ValrExchange
from hummingbot.core.clock import Clock, ClockMode
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.event.event_forwarder import EventForwarder
from hummingbot.core.event.events import MarketEvent

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
        # Held here, because the connector holds its listeners weakly.
        self._listeners = [EventForwarder(functools.partial(self._note, self.told[what])) for what in EVENTS.values()]
        for event, listener in zip(EVENTS, self._listeners, strict=True):
            self.connector.add_listener(event, listener)

    @staticmethod
    def _note(moments: dict[str, float], event: Any) -> None:
        moments[event.order_id] = time.perf_counter()

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
        """Place a limit order as a strategy does."""
        return str(self.connector.buy(PAIR, amount, OrderType.LIMIT, price))

    def cancel(self, client_order_id: str) -> None:
        """Cancel as a strategy does."""
        self.connector.cancel(PAIR, client_order_id)
