"""The examples under conf/: Hummingbot's own loaders take them as they are, and the exchange takes what they order."""

import filecmp
import re
import shutil
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from hummingbot.client import settings
from hummingbot.client.config.client_config_map import ClientConfigMap
from hummingbot.client.config.config_helpers import (
    ClientConfigAdapter,
    config_map_complete_legacy,
    load_strategy_config_map_from_file,
)
from hummingbot.core.data_type.common import TradeType
from hummingbot.core.trading_core import StrategyType, TradingCore
from test.strategies.conftest import modules, workspace  # noqa: F401
from test.strategies.engine import EXAMPLES, ROOT
from valr_loopback.pairs import Pair, default_pairs

HOME = ROOT / "test" / "strategies" / "home"
FOLDERS = ("strategies", "scripts", "controllers")
FILES = {folder: sorted((EXAMPLES / folder).glob("*.yml")) for folder in FOLDERS}
PAIRS = {f"{pair.base}-{pair.quote}": pair for pair in default_pairs().values() if pair.tradable}
MAKER_FEE = Decimal("0.0018")
"""Of VALR's lowest tier."""


class Quote(NamedTuple):
    """An order that an example leads to: its pair, the amount, and how far it is from the price, a fraction."""

    pair: Pair
    amount: Decimal
    spread: Decimal


def named(paths: list[Path]) -> list[Any]:
    return [pytest.param(path, id=path.stem) for path in paths]


def written(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def assert_takes(quote: Quote) -> None:
    """The exchange takes the order at today's price of the loopback exchange, and at half and twice that."""
    pair, amount, spread = quote
    assert amount == round(amount, pair.base_decimals), "more digits than the pair has"
    for price in (pair.start_price / 2, pair.start_price, pair.start_price * 2):
        assert pair.min_base <= amount <= pair.max_base
        assert pair.min_quote <= amount * price <= pair.max_quote
        assert price * spread > pair.tick


def in_quote_currency(pair: Pair, value: Decimal, spread: Decimal) -> Quote:
    """Return the order of a controller, which is told a value and rounds the amount down."""
    return Quote(pair, round(value / pair.start_price, pair.base_decimals), spread)


@pytest.fixture
async def core(workspace: Path) -> AsyncIterator[TradingCore]:  # noqa: F811
    """Hummingbot's core, which wants a loop to run on from the first."""
    core = TradingCore(ClientConfigAdapter(ClientConfigMap()), scripts_path=ROOT / "scripts")
    yield core
    core.gateway_monitor.stop_monitor()


# --- conf/strategies --------------------------------------------------------------------------------------------------
async def load_strategy(path: Path, folder: Path, caplog: pytest.LogCaptureFixture) -> Any:
    """Load a strategy's file as the client does; it must not be rewritten, which would cost it its comments."""
    copy = Path(shutil.copy(path, folder))
    loaded = await load_strategy_config_map_from_file(copy)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
    assert filecmp.cmp(copy, path, shallow=False)
    return loaded


@pytest.mark.parametrize("path", named([path for path in FILES["strategies"] if "pmm" in path.stem]))
async def test_pure_market_making(path: Path, workspace: Path, caplog: pytest.LogCaptureFixture) -> None:  # noqa: F811
    loaded = await load_strategy(path, workspace, caplog)
    fields = {name: value for name, value in written(path).items() if name != "template_version"}
    assert {name: loaded[name].value for name in fields} == {
        name: Decimal(str(value)) if isinstance(loaded[name].value, Decimal) else value
        for name, value in fields.items()
    }
    assert config_map_complete_legacy(loaded)
    assert loaded["exchange"].value == "valr"
    pair = PAIRS[loaded["market"].value]
    for level in range(loaded["order_levels"].value):
        amount = loaded["order_amount"].value + level * loaded["order_level_amount"].value
        further = level * loaded["order_level_spread"].value
        for side in ("bid_spread", "ask_spread"):
            spread = (loaded[side].value + further) / 100
            assert_takes(Quote(pair, amount, spread))
            assert spread > MAKER_FEE
            assert loaded["order_refresh_tolerance_pct"].value / 100 < spread


async def test_doge_is_looked_at_every_second(workspace: Path, caplog: pytest.LogCaptureFixture) -> None:  # noqa: F811
    loaded = await load_strategy(EXAMPLES / "strategies/conf_valr_pmm_doge_usdt.yml", workspace, caplog)
    assert loaded["order_refresh_time"].value == 1
    assert loaded["order_refresh_tolerance_pct"].value > 0


async def test_cross_exchange_market_making(
    workspace: Path,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = EXAMPLES / "strategies/conf_valr_xemm_btc_usdt.yml"
    loaded = await load_strategy(path, workspace, caplog)
    assert (loaded.maker_market, loaded.taker_market) == ("valr", "kucoin")
    assert loaded.conversion_rate_mode.taker_to_maker_quote_conversion_rate == 1
    assert_takes(Quote(PAIRS[loaded.maker_market_trading_pair], loaded.order_amount, loaded.min_profitability / 100))


# --- conf/scripts and conf/controllers --------------------------------------------------------------------------------
async def load_script(path: Path, core: TradingCore) -> Any:
    """Load a script and its configuration as the client does."""
    name = written(path)["script_file_name"].removesuffix(".py")
    assert core.detect_strategy_type(name) is StrategyType.V2
    core._config_source = str(path)
    strategy, loaded = core.load_v2_class(name)
    assert loaded.model_dump().keys() >= written(path).keys()
    return strategy, loaded


@pytest.mark.parametrize("path", named([path for path in FILES["scripts"] if "v2" not in path.stem]))
async def test_our_scripts(path: Path, core: TradingCore, modules: Callable[[Path], None]) -> None:  # noqa: F811
    modules(ROOT)
    strategy, loaded = await load_script(path, core)
    assert strategy.markets == {"valr": {loaded.trading_pair}}
    if path.stem == "conf_valr_market_maker":
        assert_takes(Quote(PAIRS[loaded.trading_pair], loaded.order_amount, loaded.spread / 100))
        assert loaded.spread / 100 > MAKER_FEE


@pytest.mark.parametrize("path", named([path for path in FILES["scripts"] if "v2" in path.stem]))
async def test_controllers(
    path: Path,
    core: TradingCore,
    modules: Callable[[Path], None],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stand-ins for Hummingbot's controllers take the settings; the values are checked by Hummingbot's own classes."""
    modules(HOME)
    core.scripts_path = HOME / "scripts"
    monkeypatch.setattr(settings, "CONTROLLERS_CONF_DIR_PATH", EXAMPLES / "controllers")
    strategy, loaded = await load_script(path, core)
    (controller,) = loaded.load_controller_configs()
    assert strategy.markets == {"valr": {"BTC-ZAR"}}
    assert controller.leverage == 1
    for quote in orders_of(controller):
        assert_takes(quote)
        assert quote.spread > MAKER_FEE


def orders_of(controller: Any) -> list[Quote]:
    """Return what a controller would place at first, the profit of each as its distance where it has no other."""
    pair = PAIRS[controller.trading_pair]
    if controller.controller_name == "grid_strike":
        grid = controller.grid(0.0)
        assert grid.start_price < pair.start_price < grid.end_price
        assert grid.triple_barrier_config.take_profit > 2 * MAKER_FEE
        return [in_quote_currency(pair, grid.min_order_amount_quote, grid.min_spread_between_orders)]
    assert controller.take_profit > 2 * MAKER_FEE
    if controller.controller_name == "pmm_mister":
        value = controller.total_amount_quote * controller.portfolio_allocation
        parts = {"buy": controller.buy_amounts_pct, "sell": controller.sell_amounts_pct}
        total = sum(controller.buy_amounts_pct + controller.sell_amounts_pct)
        return [
            in_quote_currency(pair, value * part / total, spread)
            for side, shares in parts.items()
            for part, spread in zip(shares, getattr(controller, f"{side}_spreads"), strict=True)
        ]
    return [
        in_quote_currency(pair, Decimal(amount), Decimal(str(spread)))
        for side in (TradeType.BUY, TradeType.SELL)
        for spread, amount in zip(*controller.get_spreads_and_amounts_in_quote(side), strict=True)
    ]


# --- All of them ------------------------------------------------------------------------------------------------------
def test_every_controller_is_run_by_one_script() -> None:
    run = [name for path in FILES["scripts"] for name in written(path).get("controllers_config", [])]
    assert sorted(run) == [path.name for path in FILES["controllers"]]
    assert {written(path)["id"] for path in FILES["controllers"]} == {path.stem for path in FILES["controllers"]}


def test_hbot_tells_configurations_apart_by_name_alone() -> None:
    names = [path.name for paths in FILES.values() for path in paths]
    assert len(set(names)) == len(names)


def test_the_read_me_lists_every_file() -> None:
    listed = re.findall(r"^\| `(\w+/\w+\.yml)`", (EXAMPLES / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    started = [path for folder in ("strategies", "scripts") for path in FILES[folder]]
    assert sorted(listed) == sorted(str(path.relative_to(EXAMPLES)) for path in started)


@pytest.mark.parametrize("path", named([path for paths in FILES.values() for path in paths]))
def test_every_file_says_how_it_is_started(path: Path) -> None:
    head = path.read_text(encoding="utf-8").split("\n\n", 1)[0] + path.read_text(encoding="utf-8")[:600]
    assert f"hbot start {path.name}" in head or f"conf/scripts/conf_v2_{path.name}" in head
