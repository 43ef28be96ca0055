"""The connector as a reader of market data, and how to know that it has taken everything it was sent."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields
from typing import Any

from hummingbot.connector.exchange.valr.valr_api_order_book_data_source import ValrAPIOrderBookDataSource
from hummingbot.connector.exchange.valr.valr_exchange import ValrExchange
from hummingbot.connector.exchange.valr.valr_market_session import MarketSession
from hummingbot.connector.exchange.valr.valr_market_socket import MarketTiming
from hummingbot.core.data_type.order_book import OrderBook
from valr_loopback.messages import encode
from valr_loopback.server import LoopbackServer
from valr_loopback.trade_socket import TradeSession

HASTE = 10.0
"""The connector's patience in a run is so many times shorter than in life, since the market moves as much faster."""

PATIENCE = 60.0
"""Real seconds after which something that must happen never will."""

Levels = list[tuple[float, float]]
Sides = tuple[Levels, Levels]
"""Bids and asks, best first, each level as price and amount."""


class NeverHappenedError(Exception):
    """What had to happen did not happen in time."""


def quick_timing() -> MarketTiming:
    """Return the connector's own timing, ``HASTE`` times shorter."""
    return MarketTiming(**{field.name: field.default / HASTE for field in fields(MarketTiming)})  # type: ignore[operator]


class ReadingSource(ValrAPIOrderBookDataSource):
    """The connector's data source, which notes the marks among its frames: PONGs with a number, which mean nothing."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.frames = 0
        self.marks: set[int] = set()

    def on_frame(self, session: MarketSession, frame: dict[str, Any]) -> None:
        """Note a frame on its way to the books."""
        self.frames += 1
        if "mark" in frame:
            self.marks.add(frame["mark"])
        super().on_frame(session, frame)


class ReadingExchange(ValrExchange):
    """The connector without keys or orders, in haste, its frames counted."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trading_required=False, domain="valr_loopback", **options)

    def _create_order_book_data_source(self) -> ReadingSource:
        api, feed = self._web_assistants_factory, self._options.book_feed
        self.books = ReadingSource(self._trading_pairs, self, api, self._endpoints, self._auth, feed, quick_timing())
        return self.books


class Reader:
    """The connector on a server, in the same event loop. Pairs are named by VALR's symbols here.

    :param server: runs by hand
    :param feed: the book feed to begin with
    """

    def __init__(self, server: LoopbackServer, feed: str) -> None:
        self._server = server
        self._last_mark = 0
        tradable = [pair for pair in server.exchange.engine.pairs.values() if pair.tradable]
        self.names = {pair.symbol: f"{pair.base}-{pair.quote}" for pair in tradable}
        self._exchange = ReadingExchange(
            valr_url=server.url, trading_pairs=list(self.names.values()), valr_book_feed=feed
        )
        self._tracker = self._exchange.order_book_tracker

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Reader"]:
        """Run the connector; inside, every pair has its book."""
        await self._exchange.start_network()
        try:
            await _until(lambda: self._tracker.ready)
            yield self
        finally:
            await self._exchange.stop_network()

    @property
    def frames(self) -> int:
        """How many frames the connector has read."""
        return self._exchange.books.frames

    def is_live(self, symbol: str) -> bool:
        """Tell whether the connector says that the pair's book is proven."""
        return self._exchange.books.has_live_book(self.names[symbol])

    def feed(self, symbol: str) -> str:
        """Return the feed that the pair's book comes from now."""
        return self._exchange.books.book_feed(self.names[symbol])

    def order_book(self, symbol: str) -> OrderBook:
        """Return the book that a strategy is given."""
        return self._exchange.get_order_book(self.names[symbol])

    def shown(self, symbol: str) -> Sides:
        """Return everything a strategy sees of a book."""
        book = self.order_book(symbol)
        bids, asks = ([(row.price, row.amount) for row in rows] for rows in (book.bid_entries(), book.ask_entries()))
        return bids, asks

    async def settle(self) -> bool:
        """Return when everything that was sent was read, and is in Hummingbot's books; false if a socket ended over it.

        :raises NeverHappenedError: the connector does not read
        """
        marks = {self._mark(session): session for session in self._server.trades.sessions}
        await _until(lambda: self._has_read(marks))
        seen = self._exchange.books.marks
        complete = bool(marks) and seen >= marks.keys()
        seen.clear()
        return complete

    def _mark(self, session: TradeSession) -> int:
        self._last_mark += 1
        session.connection.send(encode({"type": "PONG", "mark": self._last_mark}))
        return self._last_mark

    def _has_read(self, marks: dict[int, TradeSession]) -> bool:
        # A socket that has ended or fallen silent brings nothing any more.
        return all(
            mark in self._exchange.books.marks
            or session.connection.muted
            or session not in self._server.trades.sessions
            for mark, session in marks.items()
        )


async def _until(condition: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    await asyncio.sleep(0)
    while not condition():
        if time.monotonic() > deadline:
            raise NeverHappenedError
        await asyncio.sleep(0)
