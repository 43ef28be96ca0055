"""Hummingbot's core with one strategy, on the loopback exchange: what it is started with and what is left of it."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest
import yaml
from pydantic import ConfigDict, Field, SecretStr

import hummingbot
from hummingbot.client import settings
from hummingbot.client.config import config_helpers
from hummingbot.client.config.client_config_map import AnonymizedMetricsDisabledMode, ClientConfigMap
from hummingbot.client.config.config_data_types import BaseConnectorConfigMap
from hummingbot.client.config.config_helpers import ClientConfigAdapter, load_strategy_config_map_from_file
from hummingbot.client.config.security import Security
from hummingbot.client.hummingbot_application import HummingbotApplication
from hummingbot.client.settings import AllConnectorSettings
from hummingbot.connector.exchange.valr.valr_utils import ValrLoopbackConfigMap
from hummingbot.connector.markets_recorder import MarketsRecorder
from hummingbot.core.rate_oracle.rate_oracle import RateOracle
from hummingbot.core.trading_core import StrategyType
from hummingbot.model.sql_connection_manager import SQLConnectionManager
from test.hummingbot.connector.exchange.valr.loopback_bot import eventually
from valr_loopback.auth import ALL_PERMISSIONS
from valr_loopback.errors import OWN_ORDER, POST_ONLY_WOULD_MATCH
from valr_loopback.orders import AccountTrade, Order
from valr_loopback.server import LoopbackServer

CONNECTOR = "valr_loopback"
SECOND_CONNECTOR = "valr_loopback_2"
ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "conf"
STALE = "the order book is stale"


class Account(NamedTuple):
    """An account at a loopback exchange, and its key."""

    server: LoopbackServer
    account_id: str
    api_key: str
    api_secret: str

    @classmethod
    def demo(cls, server: LoopbackServer) -> Self:
        """Return the one that every loopback exchange has."""
        return cls(server, server.account_id, server.api_key, server.api_secret)

    @classmethod
    def opened(
        cls, server: LoopbackServer, account_id: str, permissions: tuple[str, ...] = ALL_PERMISSIONS, **balances: int
    ) -> Self:
        """Open one with these balances, and a key that permits this."""
        server.exchange.open_account(account_id, balances)
        key = server.add_key(account_id, permissions)
        return cls(server, account_id, key.key, key.secret)

    @property
    def orders(self) -> list[Order]:
        return self.server.exchange.orders(self.account_id)

    @property
    def live(self) -> list[Order]:
        return self.server.exchange.open_orders(self.account_id)

    @property
    def trades(self) -> list[AccountTrade]:
        return self.server.exchange.trades(self.account_id)


class SecondLoopbackConfigMap(BaseConnectorConfigMap):
    """Keys of another loopback exchange, under names that Hummingbot leads back to the connector's own."""

    connector: str = SECOND_CONNECTOR
    valr_loopback_2_api_key: SecretStr = Field(json_schema_extra={"is_connect_key": True})
    valr_loopback_2_api_secret: SecretStr = Field(json_schema_extra={"is_connect_key": True})
    valr_loopback_2_url: str = Field(json_schema_extra={"is_connect_key": True})
    model_config = ConfigDict(title=SECOND_CONNECTOR)


class End(NamedTuple):
    """What a run left: orders by their last state, fills, live orders, error lines."""

    orders: Mapping[str, int]
    fills: int
    live: list[Order]
    errors: list[str]

    def __str__(self) -> str:
        orders = ", ".join(f"{count} {state.lower()}" for state, count in sorted(self.orders.items()))
        return (
            f"{sum(self.orders.values())} orders ({orders}), {self.fills} fills, "
            f"{len(self.live)} live at the end, {len(self.errors)} errors"
        )


def example(name: str, **changes: Any) -> dict[str, Any]:
    """Return an example configuration that we ship, ``folder/file`` without its suffix, with some values changed."""
    return yaml.safe_load((EXAMPLES / f"{name}.yml").read_text(encoding="utf-8")) | changes


async def soon(condition: Callable[[], Any]) -> None:
    """Return as soon as ``condition`` holds; the whole of Hummingbot may need its time on a busy machine."""
    await eventually(condition, 30)


def make_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this process a Hummingbot of its own: folders, database, and nothing that outlives the test."""
    monkeypatch.setattr(hummingbot, "_data_path", str(path))
    monkeypatch.setattr(hummingbot, "_prefix_path", str(path))
    monkeypatch.setattr(settings, "CONTROLLERS_CONF_DIR_PATH", path)
    monkeypatch.setattr(config_helpers, "CLIENT_CONFIG_PATH", path / "conf_client.yml")
    monkeypatch.setattr(HummingbotApplication, "_main_app", None)
    monkeypatch.setattr(RateOracle, "_shared_instance", None)
    monkeypatch.setattr(MarketsRecorder, "_shared_instance", None)
    monkeypatch.setattr(SQLConnectionManager, "_scm_trade_fills_instance", None)


def connect(account: Account, connector: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave behind what the user's login does, for the loopback exchange or for a second one.

    Hummingbot has one instance of a connector by name: a second one needs a sub-domain with keys of its own.
    """
    fields = {"api_key": account.api_key, "api_secret": account.api_secret, "url": account.server.url}
    kind = ValrLoopbackConfigMap if connector == CONNECTOR else SecondLoopbackConfigMap
    keys = kind(**{f"{connector}_{name}": value for name, value in fields.items()})
    known = AllConnectorSettings.get_connector_settings()
    entry = known[CONNECTOR]._replace(name=connector, domain_parameter=connector, config_keys=keys)
    monkeypatch.setitem(known, connector, entry)
    monkeypatch.setitem(Security._secure_configs, connector, ClientConfigAdapter(keys))


class Engine:
    """The core as the client sets it up.

    :param home: the folder that holds ``scripts/`` and ``controllers/``
    :param workspace: where configurations and the database go
    :param accounts: all that it trades with
    """

    def __init__(self, home: Path, workspace: Path, *accounts: Account) -> None:
        self._workspace = workspace
        self._accounts = accounts
        settings = ClientConfigMap(
            anonymized_metrics_mode=AnonymizedMetricsDisabledMode(),
            rate_oracle_source={"name": CONNECTOR},
            tick_size=0.25,
        )
        application = HummingbotApplication.main_application(ClientConfigAdapter(settings), headless_mode=True)
        self.core = application.trading_core
        self.core.scripts_path = home / "scripts"

    async def start(
        self, strategy: str, configuration: Mapping[str, Any], controllers: tuple[Mapping[str, Any], ...] = ()
    ) -> None:
        """Start a strategy from files, read as the client reads a user's."""
        for fields in controllers:
            self._write(fields["id"], fields)
        path = self._write(f"conf_{strategy}", configuration)
        if self.core.detect_strategy_type(strategy) is StrategyType.V2:
            loaded: Any = str(path)
        else:
            loaded = await load_strategy_config_map_from_file(path)
            self.core.strategy_config_map = loaded
        assert await self.core.start_strategy(strategy, loaded, path.name)
        self.core.gateway_monitor.stop_monitor()

    def _write(self, name: str, fields: Mapping[str, Any]) -> Path:
        path = self._workspace / f"{name}.yml"
        path.write_text(yaml.safe_dump(dict(fields)), encoding="utf-8")
        return path

    @property
    def orders(self) -> list[Order]:
        return [order for account in self._accounts for order in account.orders]

    @property
    def live(self) -> list[Order]:
        return [order for account in self._accounts for order in account.live]

    @property
    def is_disconnected(self) -> bool:
        servers = [account.server for account in self._accounts]
        return not any(server.trades.sessions or server.accounts.sessions for server in servers)

    def end(self, records: list[logging.LogRecord]) -> End:
        """Return what is left.

        The price may move while an order is on its way: VALR fails one that would meet one of the same account, and a
        post-only one that would trade at once. That is no error.
        """
        refused = {order.failed_reason for order in self.orders if order.failed_reason}
        assert refused <= {OWN_ORDER, POST_ONLY_WOULD_MATCH}
        if any(STALE in record.getMessage() for record in records):
            # This machine stood still, the connector withheld the book, and Hummingbot counts with prices it has not.
            records = [record for record in records if record.name.startswith("hummingbot.connector.exchange.valr")]
        errors = [record.getMessage() for record in records if record.levelno >= logging.ERROR]
        return End(
            Counter(order.status.value for order in self.orders),
            sum(len(account.trades) for account in self._accounts),
            self.live,
            [error for error in errors if not (refused and "order failed" in error)],
        )
