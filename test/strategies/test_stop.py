"""The bot is stopped while something fails: no order stays live, or the user is told which one may."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from hummingbot.client.hummingbot_application import HummingbotApplication
from hummingbot.core.data_type.common import PriceType
from hummingbot.core.trading_core import TradingCore
from hummingbot.core.utils.kill_switch import ActiveKillSwitch
from hummingbot_valr import shutdown
from hummingbot_valr.shutdown import OrderlyStop
from test.hummingbot.connector.exchange.valr.loopback_bot import PAIR, SYMBOL, let_others_quote
from test.strategies.engine import CONNECTOR, Account, Engine, connect, example, soon
from test.strategies.test_strategies import HOME
from valr_loopback.fault_kinds import FaultKind
from valr_loopback.faults import Fault
from valr_loopback.server import LoopbackConfig, LoopbackServer

STUBBORN = """
import asyncio
from decimal import Decimal

from hummingbot.core.data_type.common import OrderType
from hummingbot.strategy.strategy_v2_base import StrategyV2Base, StrategyV2ConfigBase


class StubbornConfig(StrategyV2ConfigBase):
    script_file_name: str = "stubborn.py"
    on_stop: str = "stops"

    def update_markets(self, markets):
        markets["valr_loopback"] = {"BTC-ZAR"}
        return markets


class Stubborn(StrategyV2Base):
    quoted = False

    def on_tick(self):
        if not self.quoted:
            self.quoted = True
            for price in ("900000", "910000"):
                self.buy("valr_loopback", "BTC-ZAR", Decimal("0.01"), OrderType.LIMIT, Decimal(price))

    async def on_stop(self):
        if self.config.on_stop == "raises":
            raise ArithmeticError("the book is empty")
        if self.config.on_stop == "hangs":
            await asyncio.Event().wait()
        await super().on_stop()
"""


@pytest.fixture
def orderly(monkeypatch: pytest.MonkeyPatch) -> OrderlyStop:
    """Our way to stop, installed for the test."""
    for name in ("_initialize_v2_strategy", "shutdown", "cancel_outstanding_orders", "remove_connector"):
        monkeypatch.setattr(TradingCore, name, getattr(TradingCore, name))  # so that it is put back
    orderly = OrderlyStop()
    orderly.install()
    return orderly


@pytest.fixture
async def server() -> AsyncIterator[LoopbackServer]:
    async with LoopbackServer(LoopbackConfig(port=0, market=False)) as server:
        yield server


@pytest.fixture
def account(server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> Account:
    account = Account.demo(server)
    connect(account, CONNECTOR, monkeypatch)
    return account


@pytest.fixture
def start(
    workspace: Path, account: Account, modules: Callable[[Path], None], orderly: OrderlyStop
) -> Callable[..., Any]:
    """Start a bot with two live orders whose strategy stops, raises or hangs when it is to stop."""

    async def start(on_stop: str = "stops") -> TradingCore:
        let_others_quote(account.server)
        (workspace / "scripts").mkdir()
        (workspace / "scripts" / "stubborn.py").write_text(STUBBORN)
        modules(workspace)
        engine = Engine(workspace, workspace, account)
        await engine.start("stubborn", {"script_file_name": "stubborn.py", "on_stop": on_stop})
        await soon(lambda: len(account.live) == 2)
        return engine.core

    return start


def errors(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR)


async def test_an_empty_book_keeps_no_order_alive(
    workspace: Path,
    account: Account,
    modules: Callable[[Path], None],
    orderly: OrderlyStop,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An executor prices its position by the best bid, of which there is none: Hummingbot's own stop ends there."""
    exchange = account.server.exchange
    exchange.open_account("other", {"ZAR": 10_000_000, "BTC": 10})
    exchange.place_limit("other", SYMBOL, "sell", "1", "1010000")
    bid = exchange.place_limit("other", SYMBOL, "buy", "1", "1000000")
    modules(HOME)
    engine = Engine(HOME, workspace, account)
    spreads = {"buy_spreads": [0.02, 0.03], "sell_spreads": [0.02, 0.03], "min_base_pct": 0}
    fields = example("controllers/valr_pmm_mister", connector_name=CONNECTOR, **spreads)
    configuration = example("scripts/conf_v2_valr_pmm_mister", controllers_config=["valr_pmm_mister.yml"])
    await engine.start("v2_with_controllers", configuration, (fields,))
    await soon(lambda: len(account.live) == 4)
    exchange.cancel("other", bid.id)
    for order in account.live:
        if order.side.value == "buy":
            exchange.cancel(account.account_id, order.id)
    connector = engine.core.connectors[CONNECTOR]
    await soon(lambda: connector.get_price_by_type(PAIR, PriceType.BestBid).is_nan())
    executors = [
        each for group in engine.core.strategy.executor_orchestrator.active_executors.values() for each in group
    ]

    assert await engine.core.shutdown()

    assert account.live == []
    assert orderly.left == {}
    assert all(executor.is_closed for executor in executors)
    assert "The strategy failed to stop by itself" in errors(caplog)
    assert engine.core.connectors == {}


@pytest.mark.parametrize("way", ["shutdown", "stop_loop"])
@pytest.mark.parametrize(("on_stop", "said"), [("raises", "the book is empty"), ("hangs", "not done after 0.2 s")])
async def test_a_strategy_that_does_not_stop(
    on_stop: str,
    said: str,
    way: str,
    start: Callable[..., Any],
    account: Account,
    orderly: OrderlyStop,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    core = await start(on_stop)
    monkeypatch.setattr(shutdown, "STRATEGY_SECONDS", 0.2)
    stop = core.shutdown if way == "shutdown" else HummingbotApplication.main_application().stop_loop
    await stop()
    assert account.live == []
    assert orderly.left == {}
    assert core.connectors == {}
    assert said in errors(caplog)


async def test_the_kill_switch_stops_to_the_end(
    start: Callable[..., Any], account: Account, orderly: OrderlyStop, caplog: pytest.LogCaptureFixture
) -> None:
    """The stop ends the kill switch, which asked for it: Hummingbot cancels that task before it cancels the orders."""
    core = await start()

    async def lost_a_tenth() -> Decimal:
        return Decimal("-0.1")

    core.calculate_profitability = lost_a_tenth
    core.kill_switch = ActiveKillSwitch(Decimal(-1), core)
    core.kill_switch.start()
    await soon(lambda: core.markets_recorder is None)
    assert account.live == []
    assert core.connectors == {}
    assert errors(caplog) == ""


async def test_orders_without_proof_are_told_and_stay_told(
    start: Callable[..., Any], account: Account, orderly: OrderlyStop, caplog: pytest.LogCaptureFixture
) -> None:
    core = await start()
    account.server.faults.add(Fault(kind=FaultKind.CANCEL_REFUSED_THOUGH_OPEN))
    core.KILL_TIMEOUT = 0.5
    assert not await core.cancel_outstanding_orders()  # so `exit` of the interactive client does not leave
    live = sorted(order.client_order_id for order in account.live)
    assert orderly.left == {CONNECTOR: live}
    assert f"Nothing proves yet that these orders at {CONNECTOR} are cancelled: {', '.join(live)}." in errors(caplog)
    caplog.clear()
    await core.shutdown()
    await core.shutdown()
    assert orderly.left == {CONNECTOR: live}
    assert errors(caplog).count("Nothing proves yet") == 1
    assert "nobody cancelled" not in errors(caplog)


async def test_orders_that_end_after_a_doubt_are_not_told_any_more(
    start: Callable[..., Any], account: Account, orderly: OrderlyStop
) -> None:
    core = await start()
    account.server.faults.add(Fault(kind=FaultKind.CANCEL_REFUSED_THOUGH_OPEN))
    core.KILL_TIMEOUT = 0.5
    await core.cancel_outstanding_orders()
    assert orderly.left
    account.server.faults.clear()
    core.KILL_TIMEOUT = 20.0
    assert await core.shutdown()
    assert orderly.left == {}
    assert account.live == []


async def test_orders_that_are_not_to_be_cancelled_are_told(
    start: Callable[..., Any], account: Account, orderly: OrderlyStop, caplog: pytest.LogCaptureFixture
) -> None:
    core = await start()
    assert await core.shutdown(skip_order_cancellation=True)
    live = sorted(order.client_order_id for order in account.live)
    assert len(live) == 2
    assert orderly.left == {CONNECTOR: live}
    assert f"These orders at {CONNECTOR} are left live, as nobody cancelled them: {', '.join(live)}." in errors(caplog)


@pytest.mark.parametrize(("skip", "live"), [(False, 0), (True, 2)])
async def test_whatever_else_fails_the_connectors_are_stopped(
    skip: bool, live: int, start: Callable[..., Any], account: Account
) -> None:
    core = await start()

    async def fail() -> bool:
        raise RuntimeError("the clock does not know the strategy")

    core.stop_strategy = fail
    assert not await core.shutdown(skip)
    assert len(account.live) == live
    assert core.connectors == {}


class Failing:
    """A connector of another exchange that has an order and cannot cancel it."""

    name = "elsewhere"
    limit_orders: ClassVar = [SimpleNamespace(client_order_id="E-1")]

    def __init__(self, cancel_all: Callable[[float], Any]) -> None:
        self.cancel_all = cancel_all

    def stop(self, clock: object) -> None:
        """Nothing runs."""


async def hang(_: float) -> None:
    await asyncio.Event().wait()


async def refuse(_: float) -> None:
    raise ConnectionError("no route")


@pytest.mark.parametrize("cancel_all", [hang, refuse])
async def test_another_connector_that_fails_keeps_no_order_alive_but_its_own(
    cancel_all: Callable[[float], Any],
    start: Callable[..., Any],
    account: Account,
    orderly: OrderlyStop,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    core = await start()
    monkeypatch.setattr(shutdown, "LATE", 0.1)
    core.KILL_TIMEOUT = 0.5
    failing = Failing(cancel_all)
    core.connectors["elsewhere"] = failing
    assert not await core.cancel_outstanding_orders()
    assert account.live == []
    assert orderly.left == {"elsewhere": ["E-1"]}
    assert "Failed to cancel the orders at elsewhere." in errors(caplog)
    del core.connectors["elsewhere"]
    await core.shutdown()


async def test_executors_that_cannot_be_ended_do_not_keep_the_others(caplog: pytest.LogCaptureFixture) -> None:
    ended: list[str] = []

    def executor(name: str, force: Callable[[], None], *, is_closed: bool = False) -> SimpleNamespace:
        return SimpleNamespace(
            config=SimpleNamespace(id=name),
            is_closed=is_closed,
            force_stop_with_position_hold=force,
            stop=lambda: ended.append(name),
        )

    def fail() -> None:
        raise ArithmeticError("no price")

    async def on_stop() -> None:
        raise KeyError("of the strategy")

    executors = [executor("one", fail), executor("two", lambda: None), executor("three", fail, is_closed=True)]
    strategy = SimpleNamespace(
        on_stop=on_stop,
        listen_to_executor_actions_task=asyncio.create_task(asyncio.Event().wait()),
        controllers={"c": SimpleNamespace(config=SimpleNamespace(id="c"), stop=lambda: ended.append("controller"))},
        executor_orchestrator=SimpleNamespace(active_executors={"c": executors}),
        market_data_provider=SimpleNamespace(stop=lambda: ended.append("candles")),
    )
    await shutdown.always_stopping(strategy)()
    assert ended == ["controller", "one", "two", "three", "candles"]
    assert strategy.listen_to_executor_actions_task.cancelling()
    assert "Failed to end executor one." in errors(caplog)
    assert "Failed to end executor three." not in errors(caplog)


async def test_in_the_interactive_client_a_doubt_is_shown_where_the_user_looks(
    start: Callable[..., Any], account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = await start()
    application, shown = HummingbotApplication.main_application(), []
    monkeypatch.setattr(application, "headless_mode", False)
    application.app = SimpleNamespace(log=shown.append)
    account.server.faults.add(Fault(kind=FaultKind.CANCEL_REFUSED_THOUGH_OPEN))
    core.KILL_TIMEOUT = 0.5
    await application.stop_loop()
    assert any("Nothing proves yet that these orders" in text for text in shown)
    assert shown[-1] == "Hummingbot stopped."


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert shutdown.read_report(tmp_path) is None
    for left in ({}, {"valr": ["one", "two"]}):
        shutdown.write_report(tmp_path, left)
        assert shutdown.read_report(tmp_path) == left
    shutdown.discard_reports(tmp_path)
    shutdown.discard_reports(tmp_path)
    assert shutdown.read_report(tmp_path) is None
