"""Market data as built-in connectors take it, on Hummingbot's own classes, fed from memory.

Stock is what a built-in connector for VALR would be: the data source's base class with its queues, VALR's diffs taken
as they are, nothing verified. ``binance`` and ``gemini`` are Hummingbot's own data sources, fed the same levels in
their own messages.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson

from benchmarks.bot import until
from benchmarks.market_frames import Recording
from benchmarks.market_replay import PATIENCE, Market, ReplaySocket, Symbols, Watched, pair_of
from hummingbot.connector.exchange.binance.binance_api_order_book_data_source import BinanceAPIOrderBookDataSource
from hummingbot.connector.exchange.gemini.gemini_api_order_book_data_source import GeminiAPIOrderBookDataSource
from hummingbot.core.data_type.order_book import OrderBook
from hummingbot.core.data_type.order_book_message import OrderBookMessage, OrderBookMessageType
from hummingbot.core.data_type.order_book_tracker import OrderBookTracker
from hummingbot.core.data_type.order_book_tracker_data_source import OrderBookTrackerDataSource
from hummingbot.core.web_assistant.connections.ws_connection import WSConnection
from hummingbot.core.web_assistant.ws_assistant import WSAssistant

Frame = dict[str, Any]


class StockConnection(WSConnection):
    """Hummingbot's socket connection, whose socket ends in this process instead of the network."""

    def __init__(self, socket: ReplaySocket) -> None:
        super().__init__(None)
        self._socket = socket

    async def connect(self, ws_url: str, **options: Any) -> None:
        """Take the open socket."""
        self._connection, self._connected = self._socket, True


class StockFactory:
    """The part of the assistants factory that data sources use: the socket, and snapshots over REST.

    :param snapshots: REST's answer by symbol
    """

    def __init__(self, socket: ReplaySocket, snapshots: dict[str, Frame]) -> None:
        self._socket = socket
        self._snapshots = snapshots

    async def get_ws_assistant(self) -> WSAssistant:
        """Return an assistant on the replay's socket."""
        return WSAssistant(StockConnection(self._socket))

    async def get_rest_assistant(self) -> "StockFactory":
        """Return who answers."""
        return self

    async def execute_request(self, url: str, params: Frame | None = None, **options: Any) -> Frame:
        """Answer the snapshot that the address or its parameters name."""
        symbol = (params or {}).get("symbol") or url.rsplit("/", 1)[1]
        return dict(self._snapshots[symbol.upper()])


class StockDataSource(OrderBookTrackerDataSource):
    """Takes VALR's diffs the way built-in connectors take theirs."""

    def __init__(self, trading_pairs: list[str], connector: Symbols, api_factory: StockFactory) -> None:
        super().__init__(trading_pairs)
        self._connector = connector
        self._api_factory = api_factory

    async def get_last_traded_prices(self, trading_pairs: list[str], domain: str | None = None) -> dict[str, float]:
        """Return some price."""
        return await self._connector.get_last_traded_prices(trading_pairs)

    async def subscribe_to_trading_pair(self, trading_pair: str) -> bool:
        """Do nothing: the replay knows its pairs."""
        return False

    async def unsubscribe_from_trading_pair(self, trading_pair: str) -> bool:
        """Do nothing: the replay knows its pairs."""
        return False

    async def _connected_websocket_assistant(self) -> WSAssistant:
        assistant = await self._api_factory.get_ws_assistant()
        await assistant.connect("")
        return assistant

    async def _subscribe_channels(self, ws: WSAssistant) -> None:
        pass

    def _channel_originating_message(self, event_message: Frame) -> str:
        return str(self._diff_messages_queue_key) if event_message["type"] == "OB_L1_DIFF" else ""

    async def _order_book_snapshot(self, trading_pair: str) -> OrderBookMessage:
        symbol = await self._connector.exchange_symbol_associated_to_pair(trading_pair)
        return self._message(OrderBookMessageType.SNAPSHOT, trading_pair, self._api_factory._snapshots[symbol])

    async def _parse_order_book_diff_message(
        self, raw_message: Frame, message_queue: asyncio.Queue[OrderBookMessage]
    ) -> None:
        trading_pair = await self._connector.trading_pair_associated_to_exchange_symbol(raw_message["ps"])
        message_queue.put_nowait(self._message(OrderBookMessageType.DIFF, trading_pair, raw_message["d"]))

    def _message(self, kind: OrderBookMessageType, trading_pair: str, data: Frame) -> OrderBookMessage:
        content = {"trading_pair": trading_pair, "update_id": data["sq"], "bids": data["b"], "asks": data["a"]}
        return OrderBookMessage(kind, content, time.time())


class StockTracker(OrderBookTracker):
    """Hummingbot's tracker without its pause of a second after each pair, which is no part of what is measured."""

    @staticmethod
    async def _sleep(delay: float) -> None:
        pass


class WatchedStockBook(Watched, OrderBook):
    """Hummingbot's book, watched."""


class StockMarket(Market):
    """A way on Hummingbot's own classes: each message is one update."""

    def __init__(self, kind: type[OrderBookTrackerDataSource], recording: Recording, rest: dict[str, Frame]) -> None:
        socket = ReplaySocket()
        pairs = [pair_of(symbol) for symbol in recording.symbols]
        source = kind(pairs, Symbols(), StockFactory(socket, rest))
        super().__init__(source, StockTracker(source, pairs), socket, WatchedStockBook)
        self._missing = 0

    def expect(self, texts: list[str]) -> None:
        """Expect an update for each text."""
        self._missing = len(texts)

    def is_done(self, update_id: int) -> bool:
        """Count an update."""
        self._missing -= 1
        return self._missing == 0


def _data(text: str) -> tuple[str, Frame]:
    frame = orjson.loads(text)
    return frame["ps"], frame["d"]


def as_valr(text: str) -> str:
    """Return the frame as it is."""
    return text


def as_depth_update(text: str) -> str:
    """Return the same levels in the message that Binance's and Gemini's depth streams have in common."""
    symbol, data = _data(text)
    number = data["sq"]
    message = {
        "e": "depthUpdate",
        "E": data["lc"],
        "s": symbol,
        "U": number,
        "u": number,
        "b": data["b"],
        "a": data["a"],
    }
    return orjson.dumps(message).decode()


def _binance_snapshot(data: Frame) -> Frame:
    return {"lastUpdateId": data["sq"], "bids": data["b"], "asks": data["a"]}


def _gemini_snapshot(data: Frame) -> Frame:
    sides = {"bids": data["b"], "asks": data["a"]}
    return {side: [{"price": price, "amount": amount} for price, amount in rows] for side, rows in sides.items()}


Way = tuple[type[OrderBookTrackerDataSource], Callable[[Frame], Frame], Callable[[str], str]]
WAYS: dict[str, Way] = {
    "stock": (StockDataSource, lambda data: data, as_valr),
    "binance": (BinanceAPIOrderBookDataSource, _binance_snapshot, as_depth_update),
    "gemini": (GeminiAPIOrderBookDataSource, _gemini_snapshot, as_depth_update),
}
"""By name: the data source, its snapshot over REST of VALR's, and its message of VALR's frame."""


@asynccontextmanager
async def stock_replay(recording: Recording, way: str) -> AsyncIterator[StockMarket]:
    """Start one of :data:`WAYS` from the recording's snapshots."""
    kind, rest_snapshot, as_message = WAYS[way]
    rest = {symbol: rest_snapshot(data) for symbol, data in map(_data, recording.snapshots)}
    market = StockMarket(kind, recording, rest)
    async with market.running():
        await asyncio.wait_for(market.tracker.wait_ready(), PATIENCE)
        if way == "gemini":
            # Its socket begins with a whole book, too.
            market.socket.feed([as_message(text) for text in recording.snapshots])
            sequences = {pair_of(symbol): data["sq"] for symbol, data in map(_data, recording.snapshots)}
            books = market.tracker.order_books
            await until(lambda: all(books[pair].snapshot_uid >= number for pair, number in sequences.items()))
        yield market
