"""Stops Hummingbot so that no order stays live unnoticed, whatever fails on the way.

Hummingbot's own stop (`TradingCore.shutdown`, and `stop_loop` and `exit_loop` of its client) gives up where the
strategy cannot be stopped: an executor that prices its position by an empty book raises, and its orders stay live.
Where orders are cancelled it does not look at the answers, and its kill switch cancels the task that stops the bot.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

STRATEGY_SECONDS = 60.0
"""How long a strategy may take to stop; Hummingbot itself gives executors 30 s to close their positions."""

REPORT = Path("data/bot/stop.json")
"""Where the engine leaves for `hbot stop`, below the workspace, what it could not cancel."""

ADVICE = "Look at your open orders on the exchange, and cancel there what is left. The bot's next start knows of them."

STATUS = Path("data/bot/status.json")
"""Where Hummingbot's engine leaves its state for `hbot start` and `hbot status`, below the workspace."""

LATE = 5.0
"""What a connector may take beyond its time to cancel, in seconds, before it is no longer waited for."""

_log = logging.getLogger(__name__)


class OrderlyStop:
    """Every stop in this process: cancels whatever fails before, and knows which orders are not proven to be gone."""

    def __init__(self) -> None:
        self._left: dict[str, set[str]] = {}
        self._gone: dict[str, set[str]] = {}
        self._stops: set[asyncio.Task[bool]] = set()

    @property
    def left(self) -> dict[str, list[str]]:
        """Client ids of the orders that may still be live, by connector; empty if none is."""
        return {connector: sorted(orders) for connector, orders in self._left.items() if orders}

    def install(self) -> None:
        """Have Hummingbot's core stop this way: replaces four methods of `TradingCore`, in this process only."""
        from hummingbot.core.trading_core import TradingCore

        make_strategy, shutdown = TradingCore._initialize_v2_strategy, TradingCore.shutdown
        remove_connector = TradingCore.remove_connector

        async def make_strategy_that_stops(core: Any) -> None:
            await make_strategy(core)
            core.strategy.on_stop = always_stopping(core.strategy)

        async def shutdown_to_the_end(core: Any, skip_order_cancellation: bool = False) -> bool:
            async def stop_completely() -> bool:
                if await shutdown(core, skip_order_cancellation):
                    return True
                if not skip_order_cancellation:
                    await self._cancel(core)
                for name in list(core.connector_manager.connectors):
                    core.remove_connector(name)
                return False

            # In a task of its own: the kill switch asks for this and is stopped by it, which cancels its task.
            stop = asyncio.create_task(stop_completely())
            self._stops.add(stop)
            stop.add_done_callback(self._stops.discard)
            return await asyncio.shield(stop)

        def remove_connector_openly(core: Any, connector_name: str) -> bool:
            self._let_go(core, connector_name)
            return bool(remove_connector(core, connector_name))

        async def cancel_outstanding_orders(core: Any) -> bool:
            return await self._cancel(core)

        replaced: dict[str, Callable[..., Any]] = {
            "_initialize_v2_strategy": make_strategy_that_stops,
            "shutdown": shutdown_to_the_end,
            "cancel_outstanding_orders": cancel_outstanding_orders,
            "remove_connector": remove_connector_openly,
        }
        for name, method in replaced.items():
            setattr(TradingCore, name, method)

    async def _cancel(self, core: Any) -> bool:
        """Cancel the orders of all connectors; returns whether they are all proven to be gone."""
        connectors = dict(core.connector_manager.connectors)
        await asyncio.gather(*(self._cancel_at(core, *each) for each in connectors.items()))
        return not any(self._left.get(name) for name in connectors)

    async def _cancel_at(self, core: Any, name: str, connector: Any) -> None:
        orders = _orders_of(connector)
        doubtful = orders
        if orders:
            try:
                # A connector keeps the time itself; should it not, neither the others nor the user wait for it.
                results = await asyncio.wait_for(connector.cancel_all(core.KILL_TIMEOUT), core.KILL_TIMEOUT + LATE)
                doubtful = {result.order_id for result in results if not result.success}
            except Exception:  # noqa: BLE001 - whatever it is, it must not keep the other connectors' orders alive
                _log.exception(f"Failed to cancel the orders at {name}.")
        # One may have ended by itself meanwhile.
        self._left[name] = doubtful & _orders_of(connector)
        self._gone[name] = orders - self._left[name]
        if self._left[name]:
            self._tell(core, f"Nothing proves yet that these orders at {name} are cancelled", self._left[name])
        else:
            _log.info(f"No order of the bot is live at {name} any more ({len(orders)} cancelled or ended just now).")

    def _let_go(self, core: Any, name: str) -> None:
        """Tell of orders that nobody tried to cancel: because that was not wanted, or because they came later."""
        connector = core.connector_manager.get_connector(name)
        told = self._left.get(name, set()) | self._gone.get(name, set())
        untold = set() if connector is None else _orders_of(connector) - told
        if untold:
            self._left.setdefault(name, set()).update(untold)
            self._tell(core, f"These orders at {name} are left live, as nobody cancelled them", untold)

    @staticmethod
    def _tell(core: Any, what: str, orders: set[str]) -> None:
        from hummingbot.client.hummingbot_application import HummingbotApplication

        text = f"{what}: {', '.join(sorted(orders))}. {ADVICE}"
        core.notify(text, "ERROR")
        application = HummingbotApplication._main_app
        if application is not None and not application.headless_mode:
            application.app.log(text)


def write_report(workspace: Path, left: Mapping[str, list[str]]) -> None:
    """Leave for `hbot stop` what may still be live."""
    (workspace / REPORT).parent.mkdir(parents=True, exist_ok=True)
    (workspace / REPORT).write_text(json.dumps(left), encoding="utf-8")


def discard_reports(workspace: Path) -> None:
    """Forget what an earlier engine left: it would be taken for the words of the next."""
    for report in (REPORT, STATUS):
        (workspace / report).unlink(missing_ok=True)


def read_report(workspace: Path) -> dict[str, list[str]] | None:
    """Return what may still be live, by connector; None if the engine did not come to say so."""
    try:
        return dict(json.loads((workspace / REPORT).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return None


def listed(left: Mapping[str, list[str]]) -> str:
    """Return the orders of ``left`` in one line."""
    return ", ".join(f"{' '.join(orders)} at {connector}" for connector, orders in left.items())


def unproven(left: Mapping[str, list[str]]) -> str:
    """Return what to say when the orders of ``left`` may still be live."""
    return f"Nothing proves yet that these orders are cancelled: {listed(left)}. {ADVICE}"


def always_stopping(strategy: Any) -> Callable[[], Awaitable[None]]:
    """Return the strategy's `on_stop`, after which nothing of it places orders any more, should it fail or hang."""
    on_stop = strategy.on_stop

    async def stop() -> None:
        try:
            async with asyncio.timeout(STRATEGY_SECONDS):
                await on_stop()
        except Exception as error:  # noqa: BLE001 - the strategy's code, a user's perhaps
            reason = f"not done after {STRATEGY_SECONDS:g} s" if isinstance(error, TimeoutError) else repr(error)
            _log.exception(
                f"The strategy failed to stop by itself ({reason}). It is ended and its orders are cancelled all the"
                " same; the positions of its executors may be missing in Hummingbot's record."
            )
            _end(strategy)

    return stop


def _end(strategy: Any) -> None:
    """End all that acts by itself, however much of it has ended already: it would place anew what is cancelled."""
    strategy._is_stop_triggered = True
    if strategy.listen_to_executor_actions_task:
        strategy.listen_to_executor_actions_task.cancel()
    for controller in strategy.controllers.values():
        _try(f"controller {controller.config.id}", controller.stop)
    for executors in strategy.executor_orchestrator.active_executors.values():
        for executor in executors:
            if not executor.is_closed:
                _try(f"executor {executor.config.id}", executor.force_stop_with_position_hold)
            executor.stop()
    _try("the candles", strategy.market_data_provider.stop)


def _try(what: str, end: Callable[[], object]) -> None:
    try:
        end()
    except Exception:  # noqa: BLE001 - the rest has to be ended too
        _log.exception(f"Failed to end {what}.")


def _orders_of(connector: Any) -> set[str]:
    return {order.client_order_id for order in connector.limit_orders}
