"""The data source against a trade socket on this machine and Hummingbot's own order book tracker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from bidict import bidict

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_api_order_book_data_source import (
    SequencedOrderBook,
    ValrAPIOrderBookDataSource,
)
from hummingbot.connector.exchange.valr.valr_auth import ValrAuth
from hummingbot.connector.exchange.valr.valr_market_socket import MarketTiming, ReconnectDelay
from hummingbot.connector.exchange.valr.valr_order_book import BookFeed
from hummingbot.connector.exchange.valr.valr_web_utils import Endpoints, build_api_factory
from hummingbot.core.data_type.order_book import OrderBook
from hummingbot.core.data_type.order_book_message import OrderBookMessage, OrderBookMessageType
from hummingbot.core.data_type.order_book_tracker import OrderBookTracker

from .trade_socket_server import TradeSocketServer, until

QUICK = MarketTiming(
    ping_interval=0.2,
    quiet_probe=0.1,
    silence_limit=1.0,
    stale_book_limit=0.6,
    snapshot_patience=0.5,
    refusal_retry=0.6,
    handover_patience=2.0,
    connect_deadline=2.0,
    reconnect_delay=0.2,
    reconnect_delay_max=0.4,
    first_reconnect_delay=0.02,
    healthy_lifetime=0.3,
    tick=0.02,
)


class SymbolMap:
    """The part of the exchange class that the data source asks."""

    def __init__(self) -> None:
        self.symbols = bidict({"BTCZAR": "BTC-ZAR", "ETHZAR": "ETH-ZAR", "XRPZAR": "XRP-ZAR", "OLDZAR": "OLD-ZAR"})

    async def exchange_symbol_associated_to_pair(self, trading_pair: str) -> str:
        return self.symbols.inverse[trading_pair]

    async def get_last_traded_prices(self, trading_pairs: list[str]) -> dict[str, float]:
        return dict.fromkeys(trading_pairs, 7.0)


class World:
    """A server, a data source, and the tracker it feeds."""

    def __init__(self, server: TradeSocketServer, source: ValrAPIOrderBookDataSource, pairs: list[str]) -> None:
        self.server = server
        self.source = source
        self.tracker = OrderBookTracker(data_source=source, trading_pairs=pairs)

    def book(self, trading_pair: str) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        book = self.tracker.order_books[trading_pair]
        return (
            [(row.price, row.amount) for row in book.bid_entries()],
            [(row.price, row.amount) for row in book.ask_entries()],
        )

    def equal(self, trading_pair: str) -> bool:
        rows = self.server.levels[trading_pair.replace("-", "")].rows()
        return trading_pair in self.tracker.order_books and self.book(trading_pair) == rows

    async def started(self) -> None:
        await until(lambda: self.tracker.ready, 10)

    async def equals(self, *trading_pairs: str) -> None:
        await until(lambda: all(self.equal(pair) for pair in trading_pairs))


@asynccontextmanager
async def world(
    *pairs: str,
    server: TradeSocketServer | None = None,
    book_feed: str = "l1",
    timing: MarketTiming = QUICK,
    keys: bool = False,
    connector: Any = None,
) -> AsyncIterator[World]:
    async with server or TradeSocketServer("BTCZAR", "ETHZAR", "XRPZAR") as exchange:
        auth = ValrAuth("key" if keys else "", "secret" if keys else "", lambda: 1_700_000_000.0)
        factory = build_api_factory(auth=auth)
        trading_pairs = list(pairs)
        source = ValrAPIOrderBookDataSource(
            trading_pairs,
            connector or SymbolMap(),
            factory,
            Endpoints(f"http://{exchange.base_url}", f"ws://{exchange.base_url}"),
            auth,
            book_feed=book_feed,
            timing=timing,
        )
        place = World(exchange, source, trading_pairs)
        before = asyncio.all_tasks()
        place.tracker.start()
        try:
            yield place
        finally:
            place.tracker.stop()
            await until(lambda: not place.server.clients)
            await until(lambda: asyncio.all_tasks() <= before | {asyncio.current_task()})
            await factory.close()


async def test_snapshot_and_diffs_reach_the_tracker() -> None:
    async with world("BTC-ZAR") as place:
        await place.started()
        await place.equals("BTC-ZAR")
        await place.server.change("BTCZAR", [("1000", "0"), ("999", "7")], [("1000.25", "1")])
        await place.equals("BTC-ZAR")
