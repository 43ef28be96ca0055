"""Market data from VALR's trade socket for Hummingbot's order book tracker (valr-api.md 5).

Every frame is verified by ``valr_order_book`` when it is read. Snapshots and diffs then go to the tracker's books the
same way, in wire order, under update ids that grow across reconnects and feeds; when the event loop has fallen behind,
what waits of a pair collapses to its newest state (``valr_market_outbox``). While a pair has no proven book the
tracker keeps the last proven one: for ``MarketTiming.stale_book_limit`` seconds after its socket fell silent, since
nothing may have changed, but only for ``MarketTiming.doubt_limit`` when a frame did not fit or a trade did not show in
it, since the exchange's book has changed then. After that it gets an empty book, from which Hummingbot makes no prices,
until there is proof again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from math import inf
from typing import Any, Protocol

from hummingbot.connector.exchange.valr.valr_auth import ValrAuth
from hummingbot.connector.exchange.valr.valr_market_books import MarketBooks
from hummingbot.connector.exchange.valr.valr_market_connections import MarketConnections
from hummingbot.connector.exchange.valr.valr_market_messages import (
    PublicTrade,
)
from hummingbot.connector.exchange.valr.valr_market_outbox import Outbox
from hummingbot.connector.exchange.valr.valr_market_session import BookLine, MarketSession, TrackedPair
from hummingbot.connector.exchange.valr.valr_market_socket import MarketTiming
from hummingbot.connector.exchange.valr.valr_metrics import Metrics
from hummingbot.connector.exchange.valr.valr_order_book import (
    BookChange,
    BookFeed,
    FullBook,
    QueuePosition,
)
from hummingbot.connector.exchange.valr.valr_order_book_tracker import ReadyMessage, SequencedOrderBook, TakeChange
from hummingbot.connector.exchange.valr.valr_web_utils import Endpoints
from hummingbot.core.data_type.order_book_message import OrderBookMessage, OrderBookMessageType
from hummingbot.core.data_type.order_book_tracker_data_source import OrderBookTrackerDataSource
from hummingbot.core.web_assistant.web_assistants_factory import WebAssistantsFactory

_EMPTY_BOOK = BookChange(True, {}, {})
_UNLISTED = "VALR lists no such pair, or its list could not be read."


class Connector(Protocol):
    """What the data source needs of the exchange class."""

    async def exchange_symbol_associated_to_pair(self, trading_pair: str) -> str: ...

    async def get_last_traded_prices(self, trading_pairs: list[str]) -> dict[str, float]: ...


class ValrAPIOrderBookDataSource(OrderBookTrackerDataSource):
    """Feeds the order book tracker from the trade socket.

    :param trading_pairs: Hummingbot's list; pairs join and leave it at run time
    :param connector: knows the exchange's symbols and answers last prices
    :param endpoints: where VALR listens
    :param auth: signs the handshake when it has keys; anonymous sockets are replaced before VALR ends them
    :param book_feed: ``l1``, ``full`` or ``aggregated``; a feed that proves wrong three times in a row, is refused or
        brings nothing is given up for the next simpler one, per pair, and tried again after a pause that grows
    :param metrics: counts what happens to the sockets and the books
    :param doubt_clock: called once before signed handshakes are taken for refused: perhaps the clock is off
    """

    def __init__(
        self,
        trading_pairs: list[str],
        connector: Connector,
        api_factory: WebAssistantsFactory,
        endpoints: Endpoints,
        auth: ValrAuth,
        book_feed: str = "l1",
        timing: MarketTiming | None = None,
        metrics: Metrics | None = None,
        doubt_clock: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(trading_pairs)
        self.order_book_create_function = SequencedOrderBook
        self._connector = connector
        self._feed = BookFeed(book_feed)
        self._timing = timing or MarketTiming()
        self._metrics = metrics or Metrics()
        self._connections = MarketConnections(
            self, api_factory, endpoints, auth, self._timing, self._metrics, self.logger, doubt_clock
        )
        self._books = MarketBooks(self, self._connections, self._feed, self._timing, self._metrics, self.logger)
        self._outbox = Outbox(self._hand_on)
        self._take: TakeChange | None = None
        self._pairs: dict[str, TrackedPair] = {}
        self._joining: set[str] = set()
        self._update_id = 0
        self._timestamp = 0.0
        self._resolve_at = -inf
        self._last_message_time = 0.0
        self._adopting: asyncio.Task[None] | None = None

    # --- What the connector asks --------------------------------------------------------------------------------------
    @property
    def last_message_time(self) -> float:
        """Unix time of the last frame from the trade socket, PONG included; 0 before the first."""
        return self._last_message_time

    def last_trade_price(self, trading_pair: str) -> Decimal | None:
        """Return the price of the last public trade seen, None before the first."""
        pair = self._pairs.get(trading_pair)
        return pair.last_trade_price if pair else None

    def has_live_book(self, trading_pair: str) -> bool:
        """Tell whether the pair's book is proven by the socket right now."""
        pair = self._pairs.get(trading_pair)
        return pair is not None and pair.ready.is_set()

    def shows_book(self, trading_pair: str) -> bool:
        """Tell whether strategies see a book of the pair: a proven one, or one that was proven a moment ago."""
        pair = self._pairs.get(trading_pair)
        return pair is not None and pair.update_id > 0 and not pair.emptied

    def book_age(self, trading_pair: str) -> float | None:
        """Return the seconds since the last frame of a pair's book; None while the socket does not prove it."""
        pair = self._pairs.get(trading_pair)
        line = self._active_line(pair) if pair and pair.ready.is_set() else None
        return self._now - line.heard_at if line else None

    def book_feed(self, trading_pair: str) -> BookFeed:
        """Return the feed that the pair's book comes from; it differs from the configured one after a fallback."""
        pair = self._pairs.get(trading_pair)
        return pair.feed if pair else self._feed

    def queue_position(self, trading_pair: str, exchange_order_id: str) -> QueuePosition | None:
        """Return where an order stands in its queue; None if unknown, or on another feed than ``full``."""
        pair = self._pairs.get(trading_pair)
        line = self._active_line(pair) if pair else None
        return line.book.queue_position(exchange_order_id) if line and isinstance(line.book, FullBook) else None

    # --- What the tracker asks ----------------------------------------------------------------------------------------
    def expect_change(self, trading_pair: str, is_buy: bool, price: Decimal, since: float) -> None:
        """Doubt a pair's book unless it has moved, or soon moves: an order of ours has come to rest on it.

        :param since: the event loop's time before which it cannot have come
        """
        pair = self._pairs.get(trading_pair)
        if pair is not None:
            self._books.expect_change(pair.symbol, is_buy, float(price), since)

    async def get_last_traded_prices(self, trading_pairs: list[str], domain: str | None = None) -> dict[str, float]:
        """Return the last prices as the connector knows them."""
        return await self._connector.get_last_traded_prices(trading_pairs=trading_pairs)

    async def listen_for_subscriptions(self) -> None:
        """Keep a trade socket open until cancelled: connect, serve, reconnect."""
        for pair in self._pairs.values():
            pair.expires_at, pair.emptied = inf, False
        supervisor = asyncio.create_task(self._supervise())
        try:
            await self._connections.keep_streaming()
        finally:
            supervisor.cancel()
            await asyncio.wait({supervisor})

    async def listen_for_order_book_diffs(self, ev_loop: asyncio.AbstractEventLoop, output: asyncio.Queue[Any]) -> None:
        """Let the reader write straight into the tracker's queue: its messages need no parsing any more.

        Snapshots take this queue, too. The tracker's other one holds them back until all pairs are initialised, while
        their diffs pass.
        """
        await self._pass_on(self._diff_messages_queue_key, output)

    @contextmanager
    def feeding(self, take: TakeChange) -> Iterator[None]:
        """Hand what is proven to ``take`` at once, in place of the queue: no task has to wake up for it."""
        self._take = take
        try:
            yield
        finally:
            self._take = None

    async def listen_for_trades(self, ev_loop: asyncio.AbstractEventLoop, output: asyncio.Queue[Any]) -> None:
        """Let the reader write straight into the tracker's queue."""
        await self._pass_on(self._trade_messages_queue_key, output)

    async def _pass_on(self, key: str, output: asyncio.Queue[Any]) -> None:
        pending = self._message_queue[key]
        self._message_queue[key] = output
        while pending is not output and not pending.empty():
            output.put_nowait(pending.get_nowait())
        await asyncio.get_running_loop().create_future()

    async def subscribe_to_trading_pair(self, trading_pair: str) -> bool:
        """Add a pair at run time; True once its book has come.

        False when VALR refuses it or stays silent, when it is removed meanwhile, or when another call is adding it;
        nothing of it is left behind then.
        """
        if self.has_live_book(trading_pair):
            return True
        if trading_pair in self._joining:
            self.logger().warning(f"{trading_pair} is being added already.")
            return False
        self._joining.add(trading_pair)
        self.add_trading_pair(trading_pair)
        pair = self._pair(trading_pair)
        try:
            joined = await self._join(pair)
        except BaseException:
            self._forget(pair)
            raise
        finally:
            self._joining.discard(trading_pair)
        if not joined:
            self._forget(pair)
        return joined

    async def _join(self, pair: TrackedPair) -> bool:
        pair.answered.clear()
        try:
            async with asyncio.timeout(2 * self._timing.snapshot_patience):
                if await self._resolve_symbol(pair):
                    self._books.subscribe_all()
                    await pair.answered.wait()
                    return not pair.refusal
        except TimeoutError:
            self.logger().error(f"{pair.trading_pair}: VALR sent no order book after the subscription.")
        return False

    async def unsubscribe_from_trading_pair(self, trading_pair: str) -> bool:
        """Drop a pair at run time; always True, since nothing of it is read any more."""
        self.remove_trading_pair(trading_pair)
        pair = self._pairs.get(trading_pair)
        if pair is not None:
            self._forget(pair)
        return True

    def _forget(self, pair: TrackedPair) -> None:
        """Drop a pair, unless it has been dropped and maybe added again meanwhile; whoever waits for it learns it."""
        if self._pairs.get(pair.trading_pair) is pair:
            self.remove_trading_pair(pair.trading_pair)
            del self._pairs[pair.trading_pair]
            self._outbox.forget(pair)
            pair.refusal = "It was removed."
            pair.answered.set()
            pair.ready.set()
            self._books.subscribe_all()

    async def _order_book_snapshot(self, trading_pair: str) -> OrderBookMessage:
        """Return the proven book, waiting for it as long as it takes.

        :raises LookupError: the pair was removed
        """
        while True:
            pair = self._pair(trading_pair)
            try:
                async with asyncio.timeout(self._timing.waiting_warning):
                    await pair.ready.wait()
            except TimeoutError:
                self.logger().warning(f"{trading_pair}: still no order book from VALR. {pair.refusal}")
                continue
            line = self._active_line(pair)
            if line is not None and line.book.verified:
                return self._message(pair, line.book.snapshot())
            # Lost again before this task woke up.
            pair.ready.clear()

    async def _request_order_book_snapshots(self, output: asyncio.Queue[Any]) -> None:
        """Do nothing: the base class asks this hourly, but every frame has proven the book already."""

    # --- What the connections and the books ask -----------------------------------------------------------------------
    async def prepare(self) -> None:
        """Return when there is a pair to subscribe to."""
        while True:
            if await self._resolve_symbols():
                return
            await asyncio.sleep(self._timing.reconnect_delay if self._trading_pairs else self._timing.tick)

    def on_open(self, session: MarketSession) -> None:
        """Subscribe to every pair."""
        self._books.subscribe(session)

    def on_frame(self, session: MarketSession, frame: dict[str, Any]) -> None:
        """Let the books take the frame.

        :raises ConnectionError: the connection is of no use any more
        """
        self._last_message_time = time.time()
        self._metrics.counters.market_frames += 1
        self._books.on_frame(session, frame)

    def on_pause(self) -> None:
        """Hand on what has waited for the end of the round."""
        self._outbox.end_round()

    def on_serve(self, session: MarketSession, predecessor: MarketSession) -> None:
        """Show the books of a connection that has taken over."""
        self._books.compare(predecessor, session)
        for line in session.lines.values():
            if line.book.verified:
                self.publish(line, line.book.snapshot())
            else:
                line.pair.ready.clear()
        self._outbox.end_round()

    def on_lost(self) -> None:
        """Prove nothing until the next connection serves."""
        self._outbox.end_round()
        for pair in self._pairs.values():
            pair.ready.clear()

    def tracked_pairs(self) -> list[TrackedPair]:
        """Return the pairs whose symbols are known, in the order of Hummingbot's list."""
        pairs = (self._pairs.get(trading_pair) for trading_pair in self._trading_pairs)
        return [pair for pair in pairs if pair is not None and pair.symbol]

    # --- Pairs --------------------------------------------------------------------------------------------------------
    def _pair(self, trading_pair: str) -> TrackedPair:
        """Return what is known of a pair on Hummingbot's list.

        :raises LookupError: it is not, or no longer, on the list
        """
        if trading_pair not in self._pairs:
            if trading_pair not in self._trading_pairs:
                raise LookupError(f"{trading_pair} is not tracked any more")
            self._pairs[trading_pair] = TrackedPair(trading_pair, self._feed, self._timing)
        return self._pairs[trading_pair]

    async def _resolve_symbols(self) -> bool:
        """Look up the symbols that are still missing; tell whether there is any pair to subscribe to."""
        self._resolve_at = self._now + self._timing.reconnect_delay
        pairs = [self._pair(trading_pair) for trading_pair in self._trading_pairs]
        # All at once: the connector lets all who wait share one call for its list.
        await asyncio.gather(*map(self._look_up_symbol, pairs))
        self._refuse([pair for pair in pairs if not pair.symbol], _UNLISTED)
        return any(pair.symbol for pair in pairs)

    async def _resolve_symbol(self, pair: TrackedPair) -> bool:
        await self._look_up_symbol(pair)
        if not pair.symbol:
            self.refuse(pair, _UNLISTED)
        return bool(pair.symbol)

    async def _look_up_symbol(self, pair: TrackedPair) -> None:
        if not pair.symbol:
            with suppress(KeyError):
                pair.symbol = await self._connector.exchange_symbol_associated_to_pair(trading_pair=pair.trading_pair)

    def refuse(self, pair: TrackedPair, reason: str) -> None:
        """Say, once, that a pair has no book for now."""
        self._refuse([pair], reason)

    def _refuse(self, pairs: list[TrackedPair], reason: str) -> None:
        news = [pair for pair in pairs if pair.refusal != reason]
        if news:
            self.logger().error(f"{', '.join(pair.trading_pair for pair in news)}: no order book. {reason}")
        for pair in pairs:
            pair.refusal = reason
            pair.answered.set()

    # --- Supervision --------------------------------------------------------------------------------------------------
    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _supervise(self) -> None:
        try:
            while True:
                await asyncio.sleep(self._timing.tick)
                try:
                    self._books.supervise()
                    self._take_stale_books_out_of_use()
                    self._outbox.end_round()
                    self._adopt_pairs()
                except Exception:  # noqa: BLE001  the task's outermost loop
                    self.logger().exception("The supervision of market data met an unexpected error.")
        finally:
            if self._adopting is not None:
                self._adopting.cancel()

    def _take_stale_books_out_of_use(self) -> None:
        """Empty the books that have gone without proof for too long; bring back those that are proven again."""
        now, active = self._now, self._active
        for pair in self._pairs.values():
            line = self._active_line(pair)
            proven = active is not None and line is not None and line.book.verified
            if active and proven:
                pair.expires_at = active.socket.last_frame_at + self._timing.stale_book_limit
            if pair.expires_at <= now and not pair.emptied:
                pair.emptied = True
                pair.ready.clear()
                self._put(pair, _EMPTY_BOOK)
                self._metrics.book_dropped(pair.trading_pair, "nothing has proven it for too long")
                self.logger().warning(f"{pair.trading_pair}: the order book is stale and is not used any more.")
            elif pair.emptied and line and proven and pair.expires_at > now:
                self.publish(line, line.book.snapshot())

    def _adopt_pairs(self) -> None:
        """Subscribe to pairs that joined Hummingbot's list by themselves, or whose symbol was not known before."""
        waiting = any(self._pair(trading_pair).symbol == "" for trading_pair in self._trading_pairs)
        is_under_way = self._adopting is not None and not self._adopting.done()
        if waiting and self._active and self._now >= self._resolve_at and not is_under_way:
            # Beside everything else: the answer may take long, and stale books are not to wait for it.
            self._adopting = asyncio.create_task(self._adopt())

    async def _adopt(self) -> None:
        try:
            await self._resolve_symbols()
            self._books.subscribe_all()
        except Exception:  # noqa: BLE001  the task's outermost step
            self.logger().exception("The supervision of market data met an unexpected error.")

    # --- To the tracker -----------------------------------------------------------------------------------------------
    @property
    def _active(self) -> MarketSession | None:
        return self._connections.active

    def _active_line(self, pair: TrackedPair) -> BookLine | None:
        return self._active.line(pair.book_channel) if self._active else None

    def publish(self, line: BookLine, change: BookChange) -> None:
        """Hand on a proven change of the serving connection's book."""
        pair = line.pair
        if pair.emptied:
            if not pair.before_showing.is_over(self._now):
                return
            change = line.book.snapshot()
        if change.is_snapshot:
            if pair.emptied or pair.refusal:
                self.logger().info(f"{pair.trading_pair}: the order book is live.")
            self._metrics.book_proven(pair.trading_pair)
            pair.emptied, pair.refusal, pair.on_trial = False, "", False
            pair.expires_at = self._now + self._timing.stale_book_limit
            pair.ready.set()
            pair.answered.set()
        self._put(pair, change)

    def on_unapplied(self, trading_pair: str) -> None:
        """Take the book that Hummingbot shows out of use: it lacks a change, so it must be shown anew, and whole.

        That is tried with the next change or tick, and at growing pauses where it is vain.
        """
        pair = self._pairs.get(trading_pair)
        if pair is None:
            return
        pair.before_showing.begin(self._now)
        pair.ready.clear()
        if not pair.emptied:
            pair.emptied = True
            self._metrics.book_dropped(trading_pair, "a change could not be applied")
            self._put(pair, _EMPTY_BOOK)

    def publish_trade(self, pair: TrackedPair, trade: PublicTrade) -> None:
        """Hand on a public trade."""
        pair.last_trade_price = trade.price
        content = {
            "trading_pair": pair.trading_pair,
            "trade_type": float(trade.taker_side.value),
            "trade_id": trade.trade_id,
            "update_id": trade.trade_id,
            "price": float(trade.price),
            "amount": float(trade.quantity),
        }
        message = OrderBookMessage(OrderBookMessageType.TRADE, content, self._next_timestamp())
        self._message_queue[self._trade_messages_queue_key].put_nowait(message)

    def _put(self, pair: TrackedPair, change: BookChange) -> None:
        self._update_id += 1
        pair.update_id = self._update_id
        self._outbox.put(pair, change)

    def _hand_on(self, pair: TrackedPair, change: BookChange) -> None:
        queue = self._message_queue[self._diff_messages_queue_key]
        # What waits in the queue is not overtaken.
        if self._take is not None and queue.empty():
            self._take(pair.trading_pair, change, pair.update_id)
        else:
            queue.put_nowait(self._message(pair, change))

    def _message(self, pair: TrackedPair, change: BookChange) -> OrderBookMessage:
        """Return ``change`` as Hummingbot's message, stamped on receipt: the wire's time can be 10 s old."""
        content = {
            "trading_pair": pair.trading_pair,
            "update_id": pair.update_id,
            "bids": change.bids.items(),
            "asks": change.asks.items(),
        }
        kind = OrderBookMessageType.SNAPSHOT if change.is_snapshot else OrderBookMessageType.DIFF
        return ReadyMessage(kind, content, self._next_timestamp())

    def _next_timestamp(self) -> float:
        """Return the time, never before an earlier one even if the computer's clock was set back."""
        self._timestamp = max(self._timestamp, time.time())
        return self._timestamp
