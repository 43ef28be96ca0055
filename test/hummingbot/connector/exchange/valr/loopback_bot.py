"""A bot for end-to-end tests: the connector on a running clock against a loopback exchange, and all it was told."""

import asyncio
import contextlib
import functools
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

from hummingbot.connector.exchange.valr.valr_exchange import ValrExchange
from hummingbot.core.clock import Clock, ClockMode
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.data_type.trade_fee import TokenAmount
from hummingbot.core.event.event_forwarder import EventForwarder
from hummingbot.core.event.events import MarketEvent
from valr_loopback.server import LoopbackServer

PAIR = "BTC-ZAR"
SYMBOL = "BTCZAR"
EVENTS = {
    MarketEvent.BuyOrderCreated: "created",
    MarketEvent.SellOrderCreated: "created",
    MarketEvent.OrderFilled: "filled",
    MarketEvent.OrderCancelled: "cancelled",
    MarketEvent.OrderFailure: "failed",
    MarketEvent.BuyOrderCompleted: "completed",
    MarketEvent.SellOrderCompleted: "completed",
}
# What is told of an order whose last status in the ledger is this.
ENDS = {
    "Filled": "completed",
    "Cancelled": "cancelled",
    "Partially Filled and Cancelled Due To Slippage": "cancelled",
    "Failed": "failed",
}


async def eventually(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    """Return as soon as ``condition`` holds; fail when it does not within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.01)


def let_others_quote(server: LoopbackServer) -> None:
    """Give the pair a market of another account: 1 BTC wanted at 1,000,000 and offered at 1,010,000."""
    server.exchange.open_account("other", {"ZAR": 10_000_000, "BTC": 10})
    server.exchange.place_limit("other", SYMBOL, "buy", "1", "1000000")
    server.exchange.place_limit("other", SYMBOL, "sell", "1", "1010000")


class Bot:
    """A connector on a running clock, with everything it told: ``events`` holds what it was and the event, in order."""

    def __init__(self, server: LoopbackServer, **options: Any) -> None:
        self.server = server
        self.exchange = ValrExchange(
            server.api_key,
            server.api_secret,
            valr_url=server.url,
            domain="valr_loopback",
            trading_pairs=[PAIR],
            **options,
        )
        self.events: list[tuple[str, Any]] = []
        # Held here, because the exchange holds its listeners weakly.
        self._listeners = [EventForwarder(functools.partial(self._note, what)) for what in EVENTS.values()]
        for event, listener in zip(EVENTS, self._listeners, strict=True):
            self.exchange.add_listener(event, listener)

    def _note(self, what: str, event: Any) -> None:
        self.events.append((what, event))

    def told(self, what: str) -> list[Any]:
        return [event for kind, event in self.events if kind == what]

    def ids(self, what: str) -> list[str]:
        return [event.order_id for event in self.told(what)]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Bot"]:
        with Clock(ClockMode.REALTIME, tick_size=0.2) as clock:
            clock.add_iterator(self.exchange)
            task = asyncio.create_task(clock.run())
            try:
                await eventually(lambda: self.exchange.ready)
                yield self
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await self.exchange.stop_network()

    def buy(self, price: str, amount: str = "0.01", order_type: OrderType = OrderType.LIMIT) -> str:
        return self.exchange.buy(PAIR, Decimal(amount), order_type, Decimal(price))

    def sell(self, price: str, amount: str = "0.01", order_type: OrderType = OrderType.LIMIT) -> str:
        return self.exchange.sell(PAIR, Decimal(amount), order_type, Decimal(price))

    def die(self) -> None:
        """Let go of the journal as a killed process would: without a word."""
        journal = self.exchange._keeper._journal
        file, journal._file = journal._file, None
        assert file is not None
        file.close()

    def live(self) -> list[str]:
        return [order.client_order_id for order in self.server.exchange.open_orders(self.server.account_id)]

    def assert_equal_to_the_ledger(self) -> None:
        """Every order created and ended once, as the ledger has it; every fill once, exact; nothing live.

        An order that the ledger never had may have failed, and nothing else.
        """
        exchange, account = self.server.exchange, self.server.account_id
        ledger = {order.client_order_id: order.status.value for order in exchange.orders(account)}
        assert len(ledger) == len(exchange.orders(account))
        told = Counter((identifier, what) for what in set(ENDS.values()) for identifier in self.ids(what))
        refused = Counter((identifier, "failed") for identifier in self.ids("failed") if identifier not in ledger)
        assert max(refused.values(), default=1) == 1
        assert told == refused + Counter(
            (identifier, ENDS.get(status, status)) for identifier, status in ledger.items()
        )
        assert max(Counter(self.ids("created")).values(), default=0) <= 1
        fills = {
            event.exchange_trade_id: (event.order_id, event.price, event.amount, event.trade_fee.flat_fees)
            for event in self.told("filled")
        }
        assert len(fills) == len(self.told("filled"))
        assert fills == {
            trade.id: (
                trade.client_order_id,
                trade.price,
                trade.quantity,
                [TokenAmount(trade.fee_currency, trade.fee)] if trade.fee else [],
            )
            for trade in exchange.trades(account)
        }
        assert exchange.open_orders(account) == []
        assert self.exchange.in_flight_orders == {}
