"""The connector's market data way, from wire text to Hummingbot's books, fed from memory.

Everything between the two ends is the product's and Hummingbot's own: socket connection, decoder, data source, order
book tracker, order books.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from benchmarks.market_frames import Recording
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
from hummingbot.core.data_type.order_book_tracker import OrderBookTracker
from hummingbot.core.data_type.order_book_tracker_data_source import OrderBookTrackerDataSource
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

    def let_gather(self, seconds: float) -> None:
        """Go on: what is replayed comes from no network."""


class ReplayConnections(ValrConnectionsFactory):
    """The product's connections, with the replay's socket."""

    def __init__(self, socket: ReplaySocket) -> None:
        super().__init__()
        self._socket = socket

    def __new__(cls, socket: ReplaySocket) -> "ReplayConnections":
        """Return a factory of its own for each replay."""
        return object.__new__(cls)

    async def get_ws_connection(self) -> WSConnection:
        """Return the connection to the replay's socket."""
        return ReplayConnection(self._socket)


class Symbols:
    """The part of the exchange class that data sources ask: P000ZAR is P000-ZAR."""

    async def exchange_symbol_associated_to_pair(self, trading_pair: str) -> str:
        """Return the exchange's name of a pair."""
        return trading_pair.replace("-", "")

    async def trading_pair_associated_to_exchange_symbol(self, symbol: str) -> str:
        """Return Hummingbot's name of a symbol."""
        return pair_of(symbol)

    async def get_last_traded_prices(self, trading_pairs: list[str]) -> dict[str, float]:
        """Return some price."""
        return dict.fromkeys(trading_pairs, 1.0)


def pair_of(symbol: str) -> str:
    """Return Hummingbot's name of a symbol, whatever its case."""
    return f"{symbol[:-3]}-{symbol[-3:]}".upper()


class Watched:
    """An order book that tells the ids of the updates that it has applied; its best prices are read first."""

    get_price: Callable[[bool], float]

    def __init__(self, on_applied: Callable[[int], None]) -> None:
        super().__init__()
        self._on_applied = on_applied

    def apply_diffs(self, bids: list[OrderBookRow], asks: list[OrderBookRow], update_id: int) -> None:
        """Apply and tell."""
        super().apply_diffs(bids, asks, update_id)  # type: ignore[misc]
        self._tell(update_id)

    def apply_snapshot(self, bids: list[OrderBookRow], asks: list[OrderBookRow], update_id: int) -> None:
        """Apply and tell."""
        super().apply_snapshot(bids, asks, update_id)  # type: ignore[misc]
        self._tell(update_id)

    def _tell(self, update_id: int) -> None:
        self.best = (self.get_price(True), self.get_price(False))
        self._on_applied(update_id)


class WatchedOrderBook(Watched, SequencedOrderBook):
    """The product's book, watched."""


class Market:
    """A data source and the tracker it feeds, with a socket in memory.

    :param book: the class of the books, watched
    """

    def __init__(
        self,
        source: OrderBookTrackerDataSource,
        tracker: OrderBookTracker,
        socket: ReplaySocket,
        book: type[Watched] = WatchedOrderBook,
    ) -> None:
        self.source = source
        self.tracker = tracker
        self.socket = socket
        self._all_applied = asyncio.Event()
        source.order_book_create_function = lambda: book(self.on_applied)

    def on_applied(self, update_id: int) -> None:
        """Take note of an update."""
        if self.is_done(update_id):
            self._all_applied.set()

    def expect(self, texts: list[str]) -> None:
        """Know what the books have to take from now on."""
        raise NotImplementedError

    def is_done(self, update_id: int) -> bool:
        """Take note of an update; tell whether the books have all that was expected."""
        raise NotImplementedError

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

    async def apply(self, texts: list[str]) -> float:
        """Let texts arrive; return the processor time until Hummingbot's books have them all.

        :raises TimeoutError: they have not within minutes
        """
        self.expect(texts)
        self._all_applied.clear()
        async with asyncio.timeout(PATIENCE):
            started = time.process_time()
            self.socket.feed(texts)
            await self._all_applied.wait()
            return time.process_time() - started


class ValrMarket(Market):
    """The product's way. What it hands on may be several updates in one: the books must have come to the last of each.

    :param symbols: of the recording
    """

    source: ValrAPIOrderBookDataSource

    def __init__(self, symbols: Iterable[str], feed: str) -> None:
        self._symbols = list(symbols)
        self._pairs = [pair_of(symbol) for symbol in self._symbols]
        self._wanted = 0
        self._changing: set[str] = set()
        self._missing: set[int] | None = None
        socket = ReplaySocket()
        source = ValrAPIOrderBookDataSource(
            self._pairs,
            Symbols(),
            build_api_factory(connections=ReplayConnections(socket)),
            Endpoints.for_domain("", "http://127.0.0.1"),
            ValrAuth("", "", time.time),
            book_feed=feed,
            timing=UNDISTURBED,
        )
        super().__init__(source, PromptOrderBookTracker(data_source=source, trading_pairs=self._pairs), socket)

    def expect(self, texts: list[str]) -> None:
        """Expect one update id for each frame with a book."""
        symbols = [symbol for text in texts if (symbol := book_symbol(text))]
        self._wanted = self.source._update_id + len(symbols)
        self._changing = {pair_of(symbol) for symbol in symbols}
        self._missing = None

    def is_done(self, update_id: int) -> bool:
        """Tell whether everything was read and every book has come to its pair's last update."""
        if self.source._update_id < self._wanted:
            return False
        if self._missing is None:
            self._missing = {self.source._pairs[pair].update_id for pair in self._changing if self._is_behind(pair)}
        self._missing.discard(update_id)
        return not self._missing

    def _is_behind(self, pair: str) -> bool:
        book = self.tracker.order_books[pair]
        return bool(self.source._pairs[pair].update_id > max(book.snapshot_uid, book.last_diff_uid))

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
async def memory_replay(recording: Recording, feed: str) -> AsyncIterator[ValrMarket]:
    """Start the product's way from the recording's snapshots."""
    market = ValrMarket(recording.symbols, feed)
    async with market.running():
        market.socket.feed(recording.snapshots)
        await asyncio.wait_for(market.tracker.wait_ready(), PATIENCE)
        yield market


def book_symbol(text: str) -> str:
    """Return the symbol whose book a frame changes, "" for a trade."""
    frame = orjson.loads(text)
    return "" if frame["type"] == "NEW_TRADE" else str(frame.get("ps") or frame["currencyPairSymbol"])
