"""Strategies, scripts and controllers, run by Hummingbot's own core, trade on the loopback exchange and end clean.

Each is run from the example configuration that we ship, where there is one, sped up: until it has both quoted and
renewed its orders, and for at least ``STRATEGY_SECONDS`` (environment; ``make strategies`` sets a minute).

Hummingbot's wheel has neither its scripts nor its controllers. Stand-ins under ``home/`` take their place, with their
names and settings and code of our own; a checkout's are run if ``HUMMINGBOT_SOURCE`` names its folder.
"""

import os
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from test.hummingbot.connector.exchange.valr.loopback_bot import PAIR, eventually
from test.strategies.engine import CONNECTOR, ROOT, SECOND_CONNECTOR, Account, Engine, connect, example
from valr_loopback.server import LoopbackConfig, LoopbackServer

HOME = Path(os.environ.get("HUMMINGBOT_SOURCE") or Path(__file__).parent / "home")
SECONDS = float(os.environ.get("STRATEGY_SECONDS", "0"))
BOTH = frozenset({"buy", "sell"})


class Case(NamedTuple):
    """A strategy and its configuration, the controllers it runs, the sides it quotes on, how many orders it renews."""

    strategy: str
    configuration: dict[str, Any]
    controllers: tuple[dict[str, Any], ...] = ()
    home: Path = HOME
    sides: frozenset[str] = BOTH
    renewals: int = 6


def controlled(name: str, sides: frozenset[str] = BOTH, renewals: int = 3, **changes: Any) -> Any:
    """Return the case of an example's controller, with some of its settings changed."""
    fields = example(f"controllers/valr_{name}", connector_name=CONNECTOR, **changes)
    configuration = example(f"scripts/conf_v2_valr_{name}", controllers_config=[f"{fields['id']}.yml"])
    return pytest.param(Case("v2_with_controllers", configuration, (fields,), HOME, sides, renewals), id=name)


# The first level of each is near enough to be filled, the second is far and renewed.
FAST = {"executor_refresh_time": 2, "cooldown_time": 1, "take_profit": "0.001", "time_limit": 3, "stop_loss": None}
NEAR_AND_FAR = {"buy_spreads": [0.0005, 0.005], "sell_spreads": [0.0005, 0.005], "total_amount_quote": 40_000}
CASES = [
    pytest.param(
        Case(
            "pure_market_making",
            example("strategies/conf_valr_pmm_doge_usdt", exchange=CONNECTOR, bid_spread=0.05, ask_spread=0.05)
            | {"order_refresh_tolerance_pct": 0.01},
        ),
        id="pure_market_making",
    ),
    pytest.param(
        Case(
            "simple_pmm",
            {
                "script_file_name": "simple_pmm.py",
                "exchange": CONNECTOR,
                "trading_pair": PAIR,
                "order_amount": "0.01",
                "bid_spread": "0.001",
                "ask_spread": "0.001",
                "order_refresh_time": 1,
            },
        ),
        id="simple_pmm",
    ),
    pytest.param(
        Case(
            "simple_vwap",
            {
                "script_file_name": "simple_vwap.py",
                "connector_name": CONNECTOR,
                "trading_pair": PAIR,
                "is_buy": True,
                "total_volume_quote": 1_000_000,
                "price_spread": 0.002,
                "volume_perc": 0.01,
                "order_delay_time": 1,
            },
            sides=frozenset(),
            renewals=2,
        ),
        id="simple_vwap",
    ),
    pytest.param(
        Case(
            "valr_market_maker",
            example("scripts/conf_valr_market_maker", connector=CONNECTOR, spread=0.03, requote_tolerance=0.005),
            home=ROOT,
        ),
        id="valr_market_maker",
    ),
    controlled("pmm_simple", **FAST, **NEAR_AND_FAR),
    controlled(
        "pmm_dynamic", **FAST, interval="1m", buy_spreads=[8, 20], sell_spreads=[8, 20], total_amount_quote=40_000
    ),
    controlled(
        "grid_strike",
        sides=frozenset({"buy"}),
        renewals=2,
        start_price=1_500_000,
        end_price=2_300_000,
        limit_price=1_000_000,
        total_amount_quote=50_000,
        min_spread_between_orders=0.0005,
        order_frequency=1,
    ),
    controlled(
        "pmm_mister",
        executor_refresh_time=2,
        buy_cooldown_time=1,
        sell_cooldown_time=1,
        buy_position_effectivization_time=2,
        sell_position_effectivization_time=2,
        buy_spreads=[0.0005, 0.005],
        sell_spreads=[0.0005, 0.005],
        min_base_pct=0,
    ),
]


@pytest.mark.parametrize("case", CASES)
async def test_it_trades_and_leaves_nothing_behind(
    case: Case,
    workspace: Path,
    account: Account,
    modules: Callable[[Path], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    modules(case.home)
    engine = Engine(case.home, workspace, account)
    started = time.monotonic()
    await engine.start(case.strategy, case.configuration, case.controllers)
    await eventually(lambda: case.sides <= {order.side.value for order in engine.live}, 30)
    for controller in getattr(engine.core.strategy, "controllers", {}).values():
        for feed in controller.market_data_provider.candles_feeds.values():
            rows = feed.candles_df["timestamp"].to_numpy()
            assert len(rows) == feed.max_records
            assert set(np.diff(rows)) == {60}
    first = {order.id for order in engine.orders}
    await eventually(lambda: len({order.id for order in engine.orders} - first) >= case.renewals, 40)
    await stop_and_check(engine, started, caplog, case.strategy, case.controllers)


async def test_cross_exchange_market_making(
    workspace: Path,
    account: Account,
    modules: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The maker's exchange and the taker's are two instances, told apart by sub-domain; each fill is hedged."""
    # The same seed draws the same prices on both.
    async with LoopbackServer(LoopbackConfig(port=0, market_pace=2)) as other:
        taker = Account.opened(other, "hedger", BTC=1, USDT=20_000)
        # Hummingbot prices all the quote currency that the taker holds, and fails if the book does not offer as much.
        deep = Account.opened(other, "deep", BTC=2)
        other.exchange.place_limit(deep.account_id, "BTCUSDT", "sell", "2", "115000")
        connect(taker, SECOND_CONNECTOR, monkeypatch)
        modules(HOME)
        engine = Engine(HOME, workspace, account, taker)
        started = time.monotonic()
        await engine.start(
            "cross_exchange_market_making",
            example(
                "strategies/conf_valr_xemm_btc_usdt",
                maker_market=CONNECTOR,
                taker_market=SECOND_CONNECTOR,
                min_profitability=-0.1,
                anti_hysteresis_duration=1.0,
            ),
        )
        # The next fill may come at any moment, and take its moment to be hedged.
        await eventually(lambda: bought(account) == -bought(taker) != 0, 40)
        await stop_and_check(engine, started, caplog, "cross_exchange_market_making")


def bought(account: Account) -> Decimal:
    """Return how much of the base currency was bought in all, sales subtracted."""
    trades = account.trades
    return sum((trade.quantity if trade.side.value == "buy" else -trade.quantity for trade in trades), Decimal(0))


async def stop_and_check(
    engine: Engine,
    started: float,
    caplog: pytest.LogCaptureFixture,
    strategy: str,
    controllers: tuple[dict[str, Any], ...] = (),
) -> None:
    """Let it run for its time, stop it as the client does, and look at what is left."""
    await eventually(lambda: time.monotonic() - started >= SECONDS, SECONDS + 10)
    assert engine.core.strategy.format_status()
    assert await engine.core.shutdown()
    await eventually(lambda: engine.is_disconnected)
    end = engine.end(caplog.records)
    name = ", ".join(fields["controller_name"] for fields in controllers) or strategy
    print(f"\n{name}: {time.monotonic() - started:.0f} s, {end}")  # noqa: T201
    assert end.live == []
    assert end.errors == []
