"""The connector's market data way, from wire text to Hummingbot's books, fed from memory or from a local socket.

Everything between the two ends is the product's and Hummingbot's own: socket connection, decoder, data source, order
book tracker with its routers, order books.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from market_frames import Recording

from hummingbot.connector.exchange.valr.valr_api_order_book_data_source import ValrAPIOrderBookDataSource
from hummingbot.connector.exchange.valr.valr_auth import ValrAuth
from hummingbot.connector.exchange.valr.valr_market_socket import MarketTiming
from hummingbot.connector.exchange.valr.valr_order_book_tracker import PromptOrderBookTracker, SequencedOrderBook
from hummingbot.connector.exchange.valr.valr_web_utils import (
    Endpoints,
    ValrConnectionsFactory,
    ValrWSConnection,
    build_api_factory,
)
from hummingbot.core.data_type.order_book_row import OrderBookRow
from hummingbot.core.web_assistant.connections.ws_connection import WSConnection

# The reader pauses after so many characters, as it does when it has emptied what the kernel gave the socket.
READ_SIZE = 64 * 1024
PATIENCE = 300.0
# A replay stands still between its batches; nothing is to be doubted for that.
UNDISTURBED = MarketTiming(
    ping_interval=3600,
    quiet_probe=3600,
    silence_limit=3600,
    stale_book_limit=3600,
    snapshot_patience=3600,
    stall_patience=3600,
    anonymous_lifetime=3600,
)


class ReplaySocket:
    """An open socket, as Hummingbot's connection knows aiohttp's, that receives what it is fed."""

    closed = False

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._next = 0
        self._unread = 0
        self._fed = asyncio.Event()

    def feed(self, texts: list[str]) -> None:
        """Let the texts arrive at once, after all others have been read."""
        self._texts, self._next = texts, 0
        self._fed.set()

    async def receive(self, timeout: float | None = None) -> aiohttp.WSMessage:  # noqa: ASYNC109  aiohttp's signature
        """Return the next text frame."""
        while self._next == len(self._texts):
            self._fed.clear()
            await self._fed.wait()
        text = self._texts[self._next]
        self._next += 1
        self._unread += len(text)
        if self._unread >= READ_SIZE:
            self._unread = 0
            await asyncio.sleep(0)
        return aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, text, None)

    async def send_json(self, data: Any) -> None:
        """Take a frame from the client and ignore it."""

    async def close(self) -> None:
        """Close."""
        self.closed = True


class ReplayConnection(ValrWSConnection):
    """The product's socket connection, whose socket ends in this process instead of the network."""

    def __init__(self, socket: ReplaySocket) -> None:
        super().__init__()
        self._socket = socket

    async def connect(self, ws_url: str, **options: Any) -> None:
        """Take the open socket."""
        self._connection, self._connected = self._socket, True


class ReplayConnections(ValrConnectionsFactory):
    """The product's connections, with the replay's socket."""

    socket: ReplaySocket

    async def get_ws_connection(self) -> WSConnection:
        """Return the connection to the replay's socket."""
        return ReplayConnection(self.socket)


class Symbols:
    """The part of the exchange class that the data source asks: P000ZAR is P000-ZAR."""

    async def exchange_symbol_associated_to_pair(self, trading_pair: str) -> str:
        """Return VALR's name of a pair."""
        return trading_pair.replace("-", "")

    async def get_last_traded_prices(self, trading_pairs: list[str]) -> dict[str, float]:
        """Return some price."""
        return dict.fromkeys(trading_pairs, 1.0)


class WatchedOrderBook(SequencedOrderBook):
    """The product's book, which tells the ids of the updates that it has applied."""

    def __init__(self, on_applied: Callable[[int], None]) -> None:
        super().__init__()
        self._on_applied = on_applied

    def apply_diffs(self, bids: list[OrderBookRow], asks: list[OrderBookRow], update_id: int) -> None:
        """Apply and tell."""
        super().apply_diffs(bids, asks, update_id)
        self._on_applied(update_id)

    def apply_snapshot(self, bids: list[OrderBookRow], asks: list[OrderBookRow], update_id: int) -> None:
        """Apply and tell."""
        super().apply_snapshot(bids, asks, update_id)
        self._on_applied(update_id)


class Market:
    """A data source and the tracker it feeds; ``applied`` counts the updates that Hummingbot's books have taken."""

    def __init__(self, symbols: list[str], feed: str, connections: ValrConnectionsFactory, url: str) -> None:
        self.applied = 0
        self._wanted = 0
        self._all_applied = asyncio.Event()
        self._symbols = symbols
        self._pairs = [f"{symbol[:-3]}-{symbol[-3:]}" for symbol in symbols]
        self._factory = build_api_factory(connections=connections)
        self.source = ValrAPIOrderBookDataSource(
            self._pairs,
            Symbols(),
            self._factory,
            Endpoints.for_domain("", url),
            ValrAuth("", "", time.time),
            book_feed=feed,
            timing=UNDISTURBED,
        )
        self.source.order_book_create_function = lambda: WatchedOrderBook(self.on_applied)
        self.tracker = PromptOrderBookTracker(data_source=self.source, trading_pairs=self._pairs)

    def on_applied(self, update_id: int) -> None:
        """Count an update."""
        self.applied += 1
        if self.applied == self._wanted:
            self._all_applied.set()

    def check(self, recording: Recording) -> None:
        """Make sure that Hummingbot's books are the exchange's.

        :raises RuntimeError: they are not
        """
        for symbol, pair in zip(self._symbols, self._pairs, strict=True):
            book = self.tracker.order_books[pair]
            bids, asks = (
                [(row.price, row.amount) for row in rows] for rows in (book.bid_entries(), book.ask_entries())
            )
            if (bids, asks) != recording.final_books[symbol] or not self.source.has_live_book(pair):
                raise RuntimeError(f"the book of {pair} is not the exchange's")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the tracker's tasks, and end them."""
        before = asyncio.all_tasks()
        self.tracker.start()
        try:
            yield
        finally:
            self.tracker.stop()
            await asyncio.wait(asyncio.all_tasks() - before, timeout=PATIENCE)
            await self._factory.close()

    async def apply(self, texts: list[str], feed: Callable[[], None]) -> float:
        """Let ``feed`` send the texts; return the processor time until Hummingbot's books have them all.

        :raises TimeoutError: they have not within minutes
        """
        self._wanted = self.applied + book_frames(texts)
        self._all_applied.clear()
        started = time.process_time()
        feed()
        await asyncio.wait_for(self._all_applied.wait(), PATIENCE)
        return time.process_time() - started


class MemoryReplay:
    """A market fed from memory."""

    def __init__(self, market: Market, socket: ReplaySocket) -> None:
        self.market = market
        self._socket = socket

    async def cpu_seconds(self, texts: list[str]) -> float:
        """Replay texts; return the processor time until Hummingbot's books have them all."""
        return await self.market.apply(texts, lambda: self._socket.feed(texts))


@asynccontextmanager
async def memory_replay(recording: Recording, feed: str) -> AsyncIterator[MemoryReplay]:
    """Start a market from the recording's snapshots, in this process."""
    connections = ReplayConnections()
    socket = connections.socket = ReplaySocket()
    market = Market(recording.symbols, feed, connections, "http://127.0.0.1")
    async with market.running():
        socket.feed(recording.snapshots)
        await asyncio.wait_for(market.tracker.wait_ready(), PATIENCE)
        yield MemoryReplay(market, socket)


class StampedMarket(Market):
    """A market that notes when each update was applied, on the clock that all processes share."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.applied_at: list[tuple[int, float]] = []

    def on_applied(self, update_id: int) -> None:
        """Count an update and note the time."""
        self.applied_at.append((update_id, time.monotonic()))
        super().on_applied(update_id)


class SocketReplay:
    """A market fed from a local socket, by a process of its own."""

    def __init__(self, market: StampedMarket, server: asyncio.subprocess.Process) -> None:
        self._market = market
        self._server = server

    async def play(self, batch: int, texts: list[str], rate: float) -> tuple[float, float, list[float]]:
        """Let the server send the recording's batch, so many frames a second, or all at once when the rate is 0.

        :return: processor seconds and seconds of the clock from the first arrival until Hummingbot's books have all,
            and each update's age in seconds then, counted from the moment when the server handed it to the kernel
        """
        market = self._market
        market.applied_at.clear()
        order = json.dumps({"batch": batch, "rate": rate}).encode() + b"\n"
        cpu = await market.apply(texts, lambda: self._server.stdin.write(order))
        sent_at = json.loads(await self._server.stdout.readline())
        applied_at = [at for _, at in sorted(market.applied_at)]
        ages = [applied - sent for applied, sent in zip(applied_at, sent_at, strict=True)]
        return cpu, max(applied_at) - sent_at[0], ages


@asynccontextmanager
async def socket_replay(
    recording: Recording, feed: str, record_arguments: dict[str, Any]
) -> AsyncIterator[SocketReplay]:
    """Start a server that makes the same recording again, and a market on its socket."""
    server = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("market_server.py")),
        json.dumps({"feed": feed, **record_arguments}),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**26,
    )
    try:
        port = json.loads(await server.stdout.readline())
        market = StampedMarket(recording.symbols, feed, ValrConnectionsFactory(), f"http://127.0.0.1:{port}")
        async with market.running():
            await asyncio.wait_for(market.tracker.wait_ready(), PATIENCE)
            yield SocketReplay(market, server)
            market.check(recording)
    finally:
        server.kill()
        await server.wait()


def book_frames(texts: list[str]) -> int:
    """Return how many of the texts change a book."""
    return sum('"NEW_TRADE"' not in text[:30] for text in texts)
