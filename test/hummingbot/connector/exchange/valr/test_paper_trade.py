"""Hummingbot's paper trading on VALR's live market data: its own strategy, its own fills, our books and trades."""

import asyncio
import gc
from collections import Counter
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

import hummingbot.client.hummingbot_application  # noqa: F401 - before the strategies: they import each other
from hummingbot.client.config.client_config_map import ClientConfigMap
from hummingbot.client.config.config_helpers import ClientConfigAdapter
from hummingbot.client.settings import AllConnectorSettings
from hummingbot.connector.exchange.paper_trade import create_paper_trade_market
from hummingbot.connector.exchange.valr.valr_utils import ValrLoopbackConfigMap
from hummingbot.core.clock import Clock, ClockMode
from hummingbot.core.connector_manager import ConnectorManager
from hummingbot.core.event.event_forwarder import EventForwarder
from hummingbot.core.rate_oracle.rate_oracle import RateOracle
from hummingbot.strategy.market_trading_pair_tuple import MarketTradingPairTuple
from hummingbot.strategy.pure_market_making import PureMarketMakingStrategy
from valr_loopback.server import LoopbackConfig, LoopbackServer

from .loopback_bot import EVENTS, PAIR, SYMBOL, eventually, let_others_quote

BALANCES = {"ZAR": 1_000_000.0, "BTC": 1.0}


@pytest.fixture(autouse=True)
def hummingbot_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = AllConnectorSettings.get_connector_settings()
    monkeypatch.setattr(AllConnectorSettings, "all_connector_settings", dict(settings))
    monkeypatch.setattr(AllConnectorSettings, "paper_trade_connectors_names", [])
    monkeypatch.setattr(RateOracle, "_shared_instance", RateOracle())


def paper_markets(name: str) -> ConnectorManager:
    """Return what Hummingbot makes of ``conf_client.yml`` with ``name`` among the exchanges for paper trading."""
    configuration = ClientConfigMap(
        paper_trade={"paper_trade_exchanges": [name], "paper_trade_account_balance": BALANCES},
        rate_oracle_source={"name": name},
    )
    AllConnectorSettings.initialize_paper_trade_settings(configuration.paper_trade.paper_trade_exchanges)
    assert f"{name}_paper_trade" in AllConnectorSettings.get_connector_settings()
    markets = ConnectorManager(ClientConfigAdapter(configuration))
    markets.create_connector(f"{name}_paper_trade", [PAIR])
    return markets


def market_maker(market: Any) -> PureMarketMakingStrategy:
    strategy = PureMarketMakingStrategy()
    strategy.init_params(
        market_info=MarketTradingPairTuple(market, PAIR, *PAIR.split("-")),
        bid_spread=Decimal("0.0003"),
        ask_spread=Decimal("0.0003"),
        order_amount=Decimal("0.01"),
        order_refresh_time=1.0,
        filled_order_delay=0.1,
        minimum_spread=Decimal(-100),
    )
    return strategy


class PaperRun:
    """A run of Hummingbot's own market maker on paper, and what is left of it."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.cancelled = 0
        self.live = 0
        self.rand = Decimal(0)

    def sides(self, kind: str) -> set[str]:
        return {event.trade_type.name for what, event in self.told if what == kind}

    async def trade_on_both_sides(self, server: LoopbackServer) -> None:
        markets = paper_markets("valr_loopback")
        market = markets.connectors["valr_loopback_paper_trade"]
        # Held here, because the market holds its listeners weakly.
        listeners = [
            EventForwarder(lambda event, what=what: self.told.append((what, event))) for what in EVENTS.values()
        ]
        for event, listener in zip(EVENTS, listeners, strict=True):
            market.add_listener(event, listener)
        with Clock(ClockMode.REALTIME, tick_size=0.1) as clock:
            clock.add_iterator(market)
            clock.add_iterator(market_maker(market))
            running = asyncio.create_task(clock.run())
            await eventually(lambda: self.sides("filled") == {"BUY", "SELL"}, 30)
            await eventually(lambda: market.limit_orders)
            self.cancelled = sum(result.success for result in await market.cancel_all(5))
            self.live = len(market.limit_orders)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        self.rand = market.get_balance("ZAR")
        assert markets.remove_connector("valr_loopback_paper_trade")
        await market.stop_network()
        await eventually(lambda: not server.trades.sessions)


def open_sessions() -> int:
    return sum(isinstance(each, aiohttp.ClientSession) and not each.closed for each in gc.get_objects())


async def test_a_strategy_trades_on_paper_against_a_market_that_moves() -> None:
    """Takes some seconds: the clock and the market are real, until orders have been filled on both sides."""
    tasks, before = asyncio.all_tasks(), open_sessions()
    run = PaperRun()
    async with LoopbackServer(LoopbackConfig(port=0, market_pace=20)) as server:
        keys = {"valr_loopback_api_key": "", "valr_loopback_api_secret": "", "valr_loopback_url": server.url}
        AllConnectorSettings.update_connector_config_keys(ValrLoopbackConfigMap(**keys))
        await run.trade_on_both_sides(server)
        assert server.exchange.orders(server.account_id) == [], "nothing of it reached the exchange"
    assert run.cancelled > 0
    assert run.live == 0
    count = Counter(what for what, _ in run.told)
    assert count["failed"] == 0
    assert count["created"] == count["completed"] + count["cancelled"]
    fills = [event for what, event in run.told if what == "filled"]
    earned = sum(
        (fill.price * fill.amount * (1 if fill.trade_type.name == "SELL" else -1) for fill in fills), Decimal()
    )
    assert run.rand == pytest.approx(Decimal(1_000_000) + earned, rel=Decimal("0.001"))
    await eventually(lambda: asyncio.all_tasks() <= tasks)
    assert open_sessions() == before


@pytest.mark.parametrize("feed", ["aggregated", "l1", "full"])
async def test_the_book_on_paper_follows_the_exchange_through_a_lost_socket(feed: str) -> None:
    async with LoopbackServer(LoopbackConfig(port=0, market=False)) as server:
        let_others_quote(server)
        keys = {"valr_loopback_api_key": "", "valr_loopback_api_secret": "", "valr_loopback_url": server.url}
        AllConnectorSettings.update_connector_config_keys(ValrLoopbackConfigMap(**keys, book_feed=feed))
        market = create_paper_trade_market("valr_loopback", [PAIR])
        await market.start_network()
        await eventually(lambda: market.ready)
        book = market.order_books[PAIR]
        for price in ("1000100", "1000200"):
            server.exchange.place_limit("other", SYMBOL, "buy", "0.5", price)
            await eventually(lambda: book.get_price(False) == float(price))  # noqa: B023
        for session in list(server.trades.sessions):
            session.connection.close()
        # The next connection tells of this in its first message only.
        server.exchange.place_limit("other", SYMBOL, "buy", "0.5", "1000300")
        server.exchange.place_limit("other", SYMBOL, "sell", "0.5", "1009000")
        await eventually(lambda: (book.get_price(False), book.get_price(True)) == (1000300.0, 1009000.0))
        assert [row.price for row in book.ask_entries()] == [1009000.0, 1010000.0]
        await market.stop_network()
        await eventually(lambda: not server.trades.sessions)


async def test_paper_trading_on_valr_reads_valr() -> None:
    market = paper_markets("valr").connectors["valr_paper_trade"]
    assert market.get_all_balances() == {asset: Decimal(amount) for asset, amount in BALANCES.items()}
    assert market.order_book_tracker.data_source._connector.endpoints.rest_url == "https://api.valr.com"
    assert RateOracle.get_instance().source.name == "valr"
