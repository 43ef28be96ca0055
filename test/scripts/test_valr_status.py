"""The status script, loaded as Hummingbot does it, describes a connector that runs against a loopback exchange."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import hummingbot
from hummingbot.client.config.client_config_map import ClientConfigMap
from hummingbot.client.config.config_helpers import ClientConfigAdapter
from hummingbot.connector.markets_recorder import MarketsRecorder
from hummingbot.core.trading_core import StrategyType, TradingCore
from hummingbot.model.sql_connection_manager import SQLConnectionManager, SQLConnectionType
from hummingbot.strategy.strategy_v2_base import StrategyV2Base
from test.hummingbot.connector.exchange.valr.loopback_bot import PAIR, SYMBOL, Bot, eventually
from valr_loopback.server import LoopbackConfig, LoopbackServer

SCRIPTS = Path(__file__).parents[2] / "scripts"
CONFIGURATION = {"script_file_name": "valr_status.py", "connector": "valr_loopback", "trading_pair": PAIR}
MEASURES = ("place reply", "place open", "cancel reply", "cancel end", "event age")


@pytest.fixture
async def core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TradingCore:
    """Hummingbot's core, which wants a loop to run on from the first."""
    monkeypatch.setattr(hummingbot, "_data_path", str(tmp_path))
    monkeypatch.syspath_prepend(str(SCRIPTS.parent))
    return TradingCore(ClientConfigAdapter(ClientConfigMap()), scripts_path=SCRIPTS)


@pytest.fixture
def options() -> dict[str, Any]:
    """What the bot's connector is told beside its keys."""
    return {}


@pytest.fixture
async def bot(options: dict[str, Any]) -> AsyncIterator[Bot]:
    async with LoopbackServer(LoopbackConfig(port=0, market=False)) as server:
        server.exchange.open_account("other", {"ZAR": 10_000_000, "BTC": 10})
        server.exchange.place_limit("other", SYMBOL, "buy", "1", "1000000")
        server.exchange.place_limit("other", SYMBOL, "sell", "1", "1010000")
        yield Bot(server, **options)


def load(core: TradingCore, configuration: dict[str, Any]) -> tuple[type[StrategyV2Base], Any]:
    core._config_data = configuration
    strategy, loaded = core.load_v2_class("valr_status")
    return strategy, loaded


@pytest.fixture
async def recorder(core: TradingCore, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """A strategy asks the one recorder of the process for what it did before."""
    settings = core.client_config_map
    database = SQLConnectionManager(settings, SQLConnectionType.TRADE_FILLS, db_name="status")
    monkeypatch.setattr(MarketsRecorder, "_shared_instance", None)
    MarketsRecorder(database, [], "status", "valr_status", settings.market_data_collection)
    yield
    database.engine.dispose()


@pytest.fixture
async def strategy(core: TradingCore, recorder: None, bot: Bot) -> AsyncIterator[StrategyV2Base]:
    strategy_class, configuration = load(core, CONFIGURATION)
    strategy = strategy_class({"valr_loopback": bot.exchange}, configuration)
    yield strategy
    await strategy.on_stop()


def cells(strategy: StrategyV2Base, first: str) -> list[str]:
    """The cells of the one line of the status that begins with a text, which is left out."""
    (line,) = (line for line in strategy.format_status().splitlines() if line.startswith(f"{first} "))
    return [cell for cell in re.split("  +", line.removeprefix(first)) if cell]


@pytest.mark.parametrize(
    ("configuration", "markets"),
    [
        (CONFIGURATION, {"valr_loopback": {"BTC-ZAR"}}),
        ({"trading_pair": "ETH-ZAR"}, {"valr": {"ETH-ZAR"}}),
    ],
)
async def test_the_loader_finds_the_script_and_its_market(
    core: TradingCore, configuration: dict[str, Any], markets: dict[str, set[str]]
) -> None:
    assert core.detect_strategy_type("valr_status") is StrategyType.V2
    strategy, loaded = load(core, configuration)
    assert strategy.markets == markets
    assert loaded.script_file_name == "valr_status.py"


async def test_another_connector_is_refused(core: TradingCore) -> None:
    with pytest.raises(ValidationError, match="valr_loopback"):
        load(core, {"connector": "binance"})


async def test_the_status_before_the_connector_is_ready(strategy: StrategyV2Base) -> None:
    status = strategy.format_status()
    assert "valr_loopback: not ready, waiting for symbols_mapping_initialized, " in status
    assert "network stopped" in status
    assert "bid" not in status
    assert "no live orders of this bot" in status
    assert cells(strategy, "BTC") == ["0", "0"]


async def test_the_status_of_a_connector_that_trades(strategy: StrategyV2Base, bot: Bot) -> None:
    async with bot.running():
        await eventually(lambda: "valr_loopback: ready; network connected" in strategy.format_status())
        assert "BTC-ZAR: bid 1000000, ask 1010000" in strategy.format_status()
        assert {cells(strategy, measure)[-1] for measure in MEASURES[:-1]} == {"0"}

        first, second = bot.buy("1001000"), bot.sell("1009000", "0.02")
        await eventually(lambda: sorted(bot.ids("created")) == sorted((first, second)))
        await eventually(lambda: cells(strategy, "ZAR") == ["10000000", "9989990"])
        assert cells(strategy, "BTC")[0] == "10"
        bot.server.exchange.place_limit("other", SYMBOL, "buy", "0.005", "1009000")
        await eventually(lambda: cells(strategy, second)[-4] == "0.005")
        assert cells(strategy, first) == [PAIR, "buy", "1001000", "0.01", "0", "-", "-", "open"]
        assert cells(strategy, second) == [PAIR, "sell", "1009000", "0.02", "0.005", "-", "-", "partially_filled"]

        assert "only the book feed 'full' shows them" in strategy.format_status()

        bot.exchange.cancel(PAIR, first)
        await eventually(lambda: bot.ids("cancelled") == [first])
        counts = ["2", "2", "1", "1"]
        await eventually(lambda: [cells(strategy, measure)[-1] for measure in MEASURES[:-1]] == counts)
        assert int(cells(strategy, "event age")[-1]) > 0
        assert first not in strategy.format_status()


@pytest.mark.parametrize("options", [{"valr_book_feed": "full"}])
async def test_the_place_of_live_orders_in_their_queues(strategy: StrategyV2Base, bot: Bot) -> None:
    exchange = bot.server.exchange
    exchange.open_account("taker", {"BTC": 10})

    def ahead(client_order_id: str) -> list[str]:
        return cells(strategy, client_order_id)[-3:-1]

    async with bot.running():
        exchange.place_limit("other", SYMBOL, "buy", "0.3", "1001000")
        exchange.place_limit("other", SYMBOL, "buy", "0.25", "1001000")
        mine = bot.buy("1001000")
        await eventually(lambda: mine in strategy.format_status() and ahead(mine) == ["2", "0.55"])
        exchange.place_limit("other", SYMBOL, "buy", "4", "1001000")
        exchange.place_limit("taker", SYMBOL, "sell", "0.4", "1001000")
        await eventually(lambda: ahead(mine) == ["1", "0.15"])
        exchange.place_limit("taker", SYMBOL, "sell", "0.15", "1001000")
        await eventually(lambda: ahead(mine) == ["0", "0"])
        assert "only the book feed 'full' shows them" not in strategy.format_status()
        bot.exchange.cancel(PAIR, mine)
        await eventually(lambda: bot.ids("cancelled") == [mine])
        assert bot.exchange.queue_position(mine) is None
