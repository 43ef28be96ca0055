"""Scripts and controllers, run by Hummingbot's own core, trade on the loopback exchange and leave nothing behind.

With controllers it takes a quarter of a minute: Hummingbot closes the positions of its executors patiently.

Those of a Hummingbot checkout are run, a minute each, if the environment variable ``HUMMINGBOT_SOURCE`` names its path.
"""

import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml

import hummingbot
from hummingbot.client.config.client_config_map import AnonymizedMetricsDisabledMode, ClientConfigMap
from hummingbot.client.config.config_helpers import ClientConfigAdapter
from hummingbot.client.config.security import Security
from hummingbot.client.hummingbot_application import HummingbotApplication
from hummingbot.client.settings import AllConnectorSettings
from hummingbot.connector.exchange.valr.valr_utils import ValrLoopbackConfigMap
from hummingbot.connector.markets_recorder import MarketsRecorder
from hummingbot.core.rate_oracle.rate_oracle import RateOracle
from hummingbot.model.sql_connection_manager import SQLConnectionManager
from test.hummingbot.connector.exchange.valr.loopback_bot import PAIR, eventually
from valr_loopback.errors import OWN_ORDER
from valr_loopback.orders import Order
from valr_loopback.server import LoopbackConfig, LoopbackServer

CONNECTOR = "valr_loopback"
HOME = Path(__file__).parent / "home"
SOURCE = os.environ.get("HUMMINGBOT_SOURCE")
UPSTREAM_SECONDS = 60.0


class Case(NamedTuple):
    """A script with its configuration, the controllers it runs, and for how long at least, in seconds."""

    name: str
    home: Path
    script: str
    configuration: dict[str, Any]
    controllers: tuple[dict[str, Any], ...] = ()
    seconds: float = 0.0


def controller(name: str, buy_spreads: list[float], sell_spreads: list[float], **fields: Any) -> dict[str, Any]:
    return {
        "id": name,
        "controller_type": "market_making",
        "controller_name": name,
        "connector_name": CONNECTOR,
        "trading_pair": PAIR,
        "total_amount_quote": 40_000,
        "leverage": 1,
        "skip_rebalance": True,
        "executor_refresh_time": 2,
        "cooldown_time": 1,
        "take_profit": "0.001",
        "time_limit": 3,
        "buy_spreads": buy_spreads,
        "sell_spreads": sell_spreads,
        "buy_amounts_pct": [1] * len(buy_spreads),
        "sell_amounts_pct": [1] * len(sell_spreads),
        **fields,
    }


# A near level that fills, and a far one that is renewed.
FIXED = ([0.0005, 0.005], [0.0005, 0.005])
VOLATILE = ([2, 20], [2, 20])
CASES = [
    Case(
        "script",
        HOME,
        "two_quotes",
        {"exchange": CONNECTOR, "trading_pair": PAIR, "amount": "0.01", "spread": "0.001", "renewal": 1},
    ),
    Case("fixed spreads", HOME, "with_controllers", {}, (controller("fixed_spread", *FIXED),)),
    Case(
        "spreads from candles",
        HOME,
        "with_controllers",
        {},
        (controller("volatility_spread", *VOLATILE, interval="1m", length=400),),
    ),
]
if SOURCE is not None:
    CASES += [
        Case(
            "Hummingbot's simple_pmm",
            Path(SOURCE),
            "simple_pmm",
            {"exchange": CONNECTOR, "trading_pair": PAIR, "order_refresh_time": 5, "order_amount": "0.01"},
            seconds=UPSTREAM_SECONDS,
        ),
        Case(
            "Hummingbot's pmm_simple",
            Path(SOURCE),
            "v2_with_controllers",
            {},
            (controller("pmm_simple", *FIXED, executor_refresh_time=5),),
            seconds=UPSTREAM_SECONDS,
        ),
        Case(
            "Hummingbot's pmm_dynamic",
            Path(SOURCE),
            "v2_with_controllers",
            {},
            (
                controller(
                    "pmm_dynamic",
                    *VOLATILE,
                    executor_refresh_time=5,
                    candles_connector="",
                    candles_trading_pair="",
                    interval="1m",
                ),
            ),
            seconds=UPSTREAM_SECONDS,
        ),
    ]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Hummingbot of its own: folders, database, and nothing that outlives the test."""
    monkeypatch.setattr(hummingbot, "_data_path", str(tmp_path))
    monkeypatch.setattr(hummingbot, "_prefix_path", str(tmp_path))
    monkeypatch.setattr(HummingbotApplication, "_main_app", None)
    monkeypatch.setattr(RateOracle, "_shared_instance", None)
    monkeypatch.setattr(MarketsRecorder, "_shared_instance", None)
    monkeypatch.setattr(SQLConnectionManager, "_scm_trade_fills_instance", None)
    return tmp_path


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> Any:
    async with LoopbackServer(LoopbackConfig(port=0, market_pace=2)) as server:
        # What the user's login leaves behind.
        keys = ValrLoopbackConfigMap(
            valr_loopback_api_key=server.api_key,
            valr_loopback_api_secret=server.api_secret,
            valr_loopback_url=server.url,
        )
        settings = AllConnectorSettings.get_connector_settings()
        monkeypatch.setitem(settings, CONNECTOR, settings[CONNECTOR]._replace(config_keys=keys))
        monkeypatch.setitem(Security._secure_configs, CONNECTOR, ClientConfigAdapter(keys))
        yield server


class Engine:
    """Hummingbot's core with one script, on a loopback exchange."""

    def __init__(self, case: Case, workspace: Path, server: LoopbackServer) -> None:
        self._case = case
        self._workspace = workspace
        self.server = server
        settings = ClientConfigMap(
            anonymized_metrics_mode=AnonymizedMetricsDisabledMode(),
            rate_oracle_source={"name": CONNECTOR},
            tick_size=0.25,
        )
        application = HummingbotApplication.main_application(ClientConfigAdapter(settings), headless_mode=True)
        self.core = application.trading_core
        self.core.scripts_path = case.home / "scripts"

    async def start(self) -> None:
        names = []
        for fields in self._case.controllers:
            path = self._workspace / f"{fields['id']}.yml"
            path.write_text(yaml.safe_dump(fields))
            names.append(str(path))
        configuration = {"script_file_name": f"{self._case.script}.py", "controllers_config": names}
        assert await self.core.start_strategy(self._case.script, configuration | self._case.configuration)
        self.core.gateway_monitor.stop_monitor()

    @property
    def orders(self) -> list[Order]:
        return self.server.exchange.orders(self.server.account_id)

    @property
    def live(self) -> list[Order]:
        return self.server.exchange.open_orders(self.server.account_id)


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Let Hummingbot find its ``scripts`` and ``controllers`` in a folder, whatever others were imported before."""

    def use(home: Path) -> None:
        for name in list(sys.modules):
            if name.partition(".")[0] in ("scripts", "controllers"):
                monkeypatch.delitem(sys.modules, name)
        monkeypatch.syspath_prepend(str(home))

    return use


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_it_trades_and_leaves_nothing_behind(
    case: Case,
    workspace: Path,
    server: LoopbackServer,
    modules: Callable[[Path], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    modules(case.home)
    engine = Engine(case, workspace, server)
    started = time.monotonic()
    await engine.start()
    both_sides = lambda: {order.side.value for order in engine.live} == {"buy", "sell"}  # noqa: E731
    await eventually(both_sides, 30)
    provider = engine.core.strategy.market_data_provider
    for feed in provider.candles_feeds.values():
        rows = feed.candles_df["timestamp"].to_numpy()
        assert len(rows) == feed.max_records
        assert set(np.diff(rows)) == {60}
    first = {order.id for order in engine.orders}
    await eventually(lambda: len({order.id for order in engine.orders} - first) >= 6 and both_sides(), 30)
    await eventually(lambda: time.monotonic() - started >= case.seconds, case.seconds + 10)
    assert await engine.core.shutdown()
    await eventually(lambda: not server.trades.sessions and not server.accounts.sessions)
    assert engine.live == []
    trades = server.exchange.trades(server.account_id)
    ends = Counter(order.status.value for order in engine.orders)
    print(f"\n{case.name}: {len(engine.orders)} orders {dict(ends)}, {len(trades)} fills")  # noqa: T201
    # VALR fails an order that would meet one of the same account; Hummingbot says so and tries again.
    refused = {order.failed_reason for order in engine.orders if order.failed_reason}
    assert refused <= {OWN_ORDER}
    errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert [error for error in errors if not (refused and "order failed" in error)] == []
