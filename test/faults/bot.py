"""The bot of a run: the connector with Hummingbot's own pure market making strategy on a real clock, and a witness."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from hummingbot.client.settings import AllConnectorSettings  # noqa: F401 - before the strategies, which need it loaded
from hummingbot.connector.exchange.valr.valr_exchange import ValrExchange
from hummingbot.core.clock import Clock, ClockMode
from hummingbot.core.event.event_forwarder import EventForwarder
from hummingbot.core.event.events import OrderFilledEvent
from hummingbot.strategy.market_trading_pair_tuple import MarketTradingPairTuple
from hummingbot.strategy.pure_market_making import PureMarketMakingStrategy
from hummingbot_valr.demo_facts import Trade
from test.faults.exchanges import Exchange
from test.faults.judge import Told
from test.hummingbot.connector.exchange.valr.loopback_bot import EVENTS, PAIR

LEVELS = 2
REFRESH_SECONDS = 1.0
CURRENCIES = ("BTC", "ZAR")

_TICK = 1.0
_CALLS = (
    ("/v1/orders/open", "open order lists"),
    ("/v1/orders/history", "lookups"),
    ("/tradehistory", "trade fetches"),
    ("/v1/account/balances", "balance fetches"),
    ("orderid/", "lookups"),
)


class WatchedExchange(ValrExchange):
    """The connector, counting what it asks of the exchange and noting when it took up each order."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.calls: Counter[str] = Counter()
        self.sent: dict[str, float] = {}
        self.cancelled: set[str] = set()
        self.on_sent: Callable[[], None] = lambda: None
        super().__init__(*arguments, **options)
        self._send_cancel = self._order_entry.cancel
        self._order_entry.cancel = self._count_cancel  # type: ignore[method-assign]

    async def _count_cancel(self, symbol: str, client_order_id: str, *arguments: Any, **options: Any) -> bool:
        self.calls["cancels sent again"] += client_order_id in self.cancelled
        self.cancelled.add(client_order_id)
        return await self._send_cancel(symbol, client_order_id, *arguments, **options)

    async def _api_request(self, path_url: str, *arguments: Any, **options: Any) -> Any:
        what = next((name for part, name in _CALLS if part in path_url), None)
        if what is not None:
            self.calls[what] += 1
        return await super()._api_request(path_url, *arguments, **options)

    def start_tracking_order(self, order_id: str, *arguments: Any, **options: Any) -> None:
        self.sent[order_id] = time.time()
        super().start_tracking_order(order_id, *arguments, **options)
        self.on_sent()


class Bot:
    """One bot. ``told`` is everything its strategy was told, with the times."""

    def __init__(self, exchange: Exchange, order_entry: str) -> None:
        self.connector = WatchedExchange(
            exchange.api_key,
            exchange.api_secret,
            valr_url=exchange.url,
            domain="valr_loopback",
            trading_pairs=[PAIR],
            valr_order_entry=order_entry,
        )
        self.told: list[Told] = []
        self.claimed_gone: dict[str, float] = {}
        self._forwarders = {event: EventForwarder(self._teller(what)) for event, what in EVENTS.items()}
        for event, forwarder in self._forwarders.items():
            self.connector.add_listener(event, forwarder)
        self._strategy = PureMarketMakingStrategy()
        self._strategy.init_params(
            market_info=MarketTradingPairTuple(self.connector, PAIR, *CURRENCIES),
            bid_spread=Decimal("0.0005"),
            ask_spread=Decimal("0.0005"),
            order_amount=Decimal("0.002"),
            order_levels=LEVELS,
            order_level_spread=Decimal("0.002"),
            order_refresh_time=REFRESH_SECONDS,
            filled_order_delay=1.0,
            minimum_spread=Decimal(-100),
        )
        self._clock = Clock(ClockMode.REALTIME, tick_size=_TICK)

    def _teller(self, what: str) -> Any:
        def tell(event: Any) -> None:
            trade = _trade(event) if isinstance(event, OrderFilledEvent) else None
            self.told.append(Told(time.time(), what, event.order_id, trade))

        return tell

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Bot"]:
        """Let the strategy trade, until :meth:`stop_strategy`; the connector runs until the end of the block."""
        with self._clock as clock:
            clock.add_iterator(self.connector)
            clock.add_iterator(self._strategy)
            task = asyncio.create_task(clock.run())
            try:
                yield self
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await self.connector.stop_network()

    @property
    def is_quoting(self) -> bool:
        """Whether every order the strategy wants is known to be open."""
        return sum(order.is_open for order in self.connector.in_flight_orders.values()) >= 2 * LEVELS

    def has_created_since(self, since: float) -> bool:
        """Whether an order that was sent after a time is known to be open."""
        return any(told.what == "created" and self.connector.sent[told.client_order_id] > since for told in self.told)

    async def stop_strategy(self, patience: float) -> None:
        """Stop as Hummingbot does: first the strategy, then its orders."""
        self._clock.remove_iterator(self._strategy)
        results = await self.connector.cancel_all(patience)
        now = time.time()
        self.claimed_gone |= {result.order_id: now for result in results if result.success}

    def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Return what the connector says is available and held of each currency."""
        return {
            each: (self.connector.available_balances.get(each, Decimal(0)), self.connector.get_balance(each))
            for each in CURRENCIES
        }


def _trade(event: OrderFilledEvent) -> Trade:
    fees = tuple((fee.amount, fee.token) for fee in event.trade_fee.flat_fees)
    percent = ((event.trade_fee.percent, "%"),) if event.trade_fee.percent else ()
    return Trade(
        trade_id=event.exchange_trade_id,
        order_id=event.exchange_order_id,
        client_order_id=event.order_id,
        side=event.trade_type.name.lower(),
        price=event.price,
        quantity=event.amount,
        fees=fees + percent,
    )
