"""A connector with many pairs whose market data comes from a server of its own, at any rate; all else is the loopback
exchange's."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from hummingbot.connector.exchange.valr.valr_exchange import ValrExchange
from hummingbot.core.data_type.order_book_tracker_data_source import OrderBookTrackerDataSource
from valr_loopback.many_pairs import many_pairs

MOST_PAIRS = 205
UPDATES_PER_PAIR = 20.0
DEPTH = 100
SEED = 1
"""Of the exchange and of the market."""


@dataclass(frozen=True)
class Pairs:
    """So many pairs of the loopback exchange."""

    count: int

    @property
    def symbols(self) -> list[str]:
        """VALR's names."""
        return [pair.symbol for pair in many_pairs(self.count, SEED).values() if pair.tradable]

    @property
    def trading_pairs(self) -> list[str]:
        """Hummingbot's names, in the same order."""
        return [f"{pair.base}-{pair.quote}" for pair in many_pairs(self.count, SEED).values() if pair.tradable]


class Sent(NamedTuple):
    """Book frames in wire order: the index of each one's symbol, and the monotonic time when it was sent."""

    symbols: list[int]
    sent_at: list[float]


class MarketServer:
    """A running trade socket."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.url = f"ws://127.0.0.1:{port}"

    async def play(self, seconds: float, rate: float) -> Sent:
        """Send so many frames a second for so long, and return the book frames among them."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"seconds": seconds, "rate": rate}).encode() + b"\n")
        return Sent(**json.loads(await self._process.stdout.readline()))


@contextlib.asynccontextmanager
async def market_server(feed: str, symbols: list[str]) -> AsyncIterator[MarketServer]:
    """Run a trade socket with a book of ``feed`` for each symbol."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.market_server"),
        json.dumps({"feed": feed, "symbols": symbols, "depth": DEPTH, "seed": SEED}),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**26,
    )
    assert process.stdout is not None
    try:
        yield MarketServer(process, json.loads(await process.stdout.readline()))
    finally:
        process.kill()
        await process.wait()


def fed_by(server: MarketServer) -> type[ValrExchange]:
    """Return the connector whose market data comes from this server."""

    class FedExchange(ValrExchange):
        def _create_order_book_data_source(self) -> OrderBookTrackerDataSource:
            own = self._endpoints
            self._endpoints = replace(own, websocket_url=server.url)
            try:
                return super()._create_order_book_data_source()
            finally:
                self._endpoints = own

    return FedExchange
