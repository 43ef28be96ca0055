"""The bot of a simulated day: the connector with Hummingbot's own pure market making on each pair, and what it is told.

One bot lives from one start to the next kill; ``told`` and ``sent`` go through the whole day.
"""

import asyncio
import contextvars
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hummingbot.client.settings import AllConnectorSettings  # noqa: F401 - before the strategies, which need it loaded
from hummingbot.core.clock import Clock, ClockMode
from hummingbot.core.event.event_forwarder import EventForwarder
from hummingbot.strategy.market_trading_pair_tuple import MarketTradingPairTuple
from hummingbot.strategy.pure_market_making import PureMarketMakingStrategy
from test.faults.bot import WatchedExchange
from test.hummingbot.connector.exchange.valr.loopback_bot import EVENTS
from test.simulation.world import PAIRS, World

Tell = Callable[[str, Any], None]

_TICK = 1.0
_PATIENCE = 10.0
SIDE: contextvars.ContextVar[str] = contextvars.ContextVar("side", default="")
"""To whom a task belongs: what a killed bot was doing ends with it."""


class SimulatedBot:
    """One run of the bot's process.

    :param tell: is told every event of the connector
    :param saved: the tracking states of the run before it
    """

    def __init__(
        self, world: World, keys: tuple[str, str], url: str, tell: Tell, saved: dict[str, Any] | None = None
    ) -> None:
        self._world = world
        self.connector = WatchedExchange(
            *keys,
            valr_url=url,
            domain="valr_loopback",
            trading_pairs=list(world.pairs),
            valr_order_entry=world.order_entry,
            valr_book_feed=world.book_feed,
        )
        self._tell = tell
        self._saved: dict[str, Any] = saved or {}
        self._forwarders = {event: EventForwarder(self._teller(what)) for event, what in EVENTS.items()}
        for event, forwarder in self._forwarders.items():
            self.connector.add_listener(event, forwarder)
        if saved:
            self.connector.restore_tracking_states(saved)
        self._strategies = [self._strategy(trading_pair) for trading_pair in world.pairs]
        self._clock = Clock(ClockMode.REALTIME, tick_size=_TICK)
        self._task: asyncio.Task[None] | None = None

    def _strategy(self, trading_pair: str) -> PureMarketMakingStrategy:
        world, strategy = self._world, PureMarketMakingStrategy()
        strategy.init_params(
            market_info=MarketTradingPairTuple(self.connector, trading_pair, *trading_pair.split("-")),
            bid_spread=Decimal(str(world.spread)),
            ask_spread=Decimal(str(world.spread)),
            order_amount=Decimal(PAIRS[trading_pair][1]) * world.amounts,
            order_levels=world.levels,
            order_level_spread=Decimal("0.002"),
            order_refresh_time=world.refresh,
            filled_order_delay=world.filled_order_delay,
            minimum_spread=Decimal(-100),
        )
        return strategy

    def _teller(self, what: str) -> Callable[[Any], None]:
        def tell(event: Any) -> None:
            self._tell(what, event)
            if self._world.kills_bot:
                # Hummingbot saves with each event, and so knows nothing of what was sent since.
                self._saved = dict(self.connector.tracking_states)

        return tell

    def looked_after(self) -> list[str]:
        """Return the orders that the connector has on record as not ended."""
        return self.connector._keeper._lifecycle.live_ids

    def start(self) -> None:
        """Run the clock, with the connector and the strategies on it."""
        self._clock.__enter__()
        self._clock.add_iterator(self.connector)
        for strategy in self._strategies:
            self._clock.add_iterator(strategy)
        context = contextvars.copy_context()
        context.run(SIDE.set, "bot")
        self._task = asyncio.get_running_loop().create_task(self._clock.run(), context=context)

    async def stop_strategies(self) -> list[str]:
        """Stop as Hummingbot does: first the strategies, then their orders; return what was proven gone."""
        for strategy in self._strategies:
            self._clock.remove_iterator(strategy)
        results = await self.connector.cancel_all(_PATIENCE)
        return [result.order_id for result in results if result.success]

    async def stop(self) -> dict[str, Any]:
        """End the process in good order, with its orders left where they are; return the saved states."""
        saved = dict(self.connector.tracking_states)
        await self._end_clock()
        await self.connector.stop_network()
        return saved

    async def kill(self) -> dict[str, Any]:
        """End the process without a word; return the states that Hummingbot had saved."""
        journal = self.connector._keeper._journal
        file, journal._file = journal._file, None
        if file is not None:
            file.close()
        tasks = [task for task in asyncio.all_tasks() if task.get_context().get(SIDE) == "bot" and not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._end_clock()
        return self._saved

    async def _end_clock(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._clock.__exit__(None, None, None)
