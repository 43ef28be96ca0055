"""Market data from VALR's trade socket for Hummingbot's order book tracker (valr-api.md 5).

Every frame is verified by ``valr_order_book`` when it is read. Snapshots and diffs then go through one queue, in wire
order, under update ids that grow across reconnects and feeds. While a pair has no proven book (socket lost or silent,
or frames that do not fit) the tracker keeps the last proven one for ``MarketTiming.stale_book_limit`` seconds; then it
gets an empty book, from which Hummingbot makes no prices, until there is proof again.
"""

import asyncio
import time
from collections.abc import Iterable
from decimal import Decimal
from functools import partial
from math import inf
from typing import Any, Protocol

import aiohttp

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_auth import ValrAuth
from hummingbot.connector.exchange.valr.valr_back_off import back_off
from hummingbot.connector.exchange.valr.valr_market_messages import (
    parse_channel,
    parse_refusal,
    parse_trade,
)
from hummingbot.connector.exchange.valr.valr_market_session import BookLine, MarketSession, TrackedPair
from hummingbot.connector.exchange.valr.valr_market_socket import MarketSocket, MarketTiming, ReconnectDelay
from hummingbot.connector.exchange.valr.valr_order_book import (
    BookChange,
    BookError,
    BookFeed,
    FullBook,
    QueuePosition,
)
from hummingbot.connector.exchange.valr.valr_web_utils import Endpoints
from hummingbot.core.data_type.order_book import OrderBook
from hummingbot.core.data_type.order_book_message import OrderBookMessage, OrderBookMessageType
from hummingbot.core.data_type.order_book_row import OrderBookRow
from hummingbot.core.data_type.order_book_tracker_data_source import OrderBookTrackerDataSource
from hummingbot.core.web_assistant.web_assistants_factory import WebAssistantsFactory
from hummingbot.core.web_assistant.ws_assistant import WSAssistant

MISMATCHES_BEFORE_FALLBACK = 3

_BOOK_FRAMES = frozenset().union(*(feed.new_book().frame_types for feed in BookFeed))
_EMPTY_BOOK = BookChange(True, [], [])


class Connector(Protocol):
    """What the data source needs of the exchange class."""

    async def exchange_symbol_associated_to_pair(self, trading_pair: str) -> str: ...

    async def get_last_traded_prices(self, trading_pairs: list[str]) -> dict[str, float]: ...


class SequencedOrderBook(OrderBook):
    """Hummingbot's book, made to take every message once and in order.

    The base class replays diffs that are older than a snapshot over it, and the tracker applies diffs that it saved
    before the initial snapshot without looking at their ids.
    """

    def apply_diffs(self, bids: list[OrderBookRow], asks: list[OrderBookRow], update_id: int) -> None:
        """Apply a diff unless the book is as new already."""
        if update_id > max(self.snapshot_uid, self.last_diff_uid):
            super().apply_diffs(bids, asks, update_id)

    def restore_from_snapshot_and_diffs(self, snapshot: OrderBookMessage, diffs: list[OrderBookMessage]) -> None:
        """Take a snapshot unless the book is as new already; ``diffs`` newer than it follow."""
        if snapshot.update_id > max(self.snapshot_uid, self.last_diff_uid):
            self.apply_snapshot(snapshot.bids, snapshot.asks, snapshot.update_id)
            for diff in diffs:
                self.apply_diffs(diff.bids, diff.asks, diff.update_id)


class ValrAPIOrderBookDataSource(OrderBookTrackerDataSource):
    """Feeds the order book tracker from the trade socket.

    :param trading_pairs: Hummingbot's list; pairs join and leave it at run time
    :param connector: knows the exchange's symbols and answers last prices
    :param endpoints: where VALR listens
    :param auth: signs the handshake when it has keys; anonymous sockets are replaced before VALR ends them
    :param book_feed: ``l1``, ``full`` or ``aggregated``; a feed that proves wrong three times in a row is given up for
        the next simpler one, per pair, until the process ends
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
    ) -> None:
        super().__init__(trading_pairs)
        self.order_book_create_function = SequencedOrderBook
        self._connector = connector
        self._api_factory = api_factory
        self._endpoints = endpoints
        self._auth = auth
        self._sign_handshake = auth.has_keys
        self._feed = BookFeed(book_feed)
        self._timing = timing or MarketTiming()
        self._pairs: dict[str, TrackedPair] = {}
        # The tracker hears of one session only; during a handover there is a second one.
        self._sessions: list[MarketSession] = []
        self._active: MarketSession | None = None
        self._update_id = 0
        self._served_for = 0.0
        self._resolve_at = -inf
        self._unknown_kinds: set[str] = set()
        self._last_message_time = 0.0

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

    def book_feed(self, trading_pair: str) -> BookFeed:
        """Return the feed that the pair's book comes from; it differs from the configured one after a fallback."""
        return self._pair(trading_pair).feed

    def queue_position(self, trading_pair: str, exchange_order_id: str) -> QueuePosition | None:
        """Return where an order stands in its queue; None if unknown, or on another feed than ``full``."""
        line = self._active_line(self._pair(trading_pair))
        return line.book.queue_position(exchange_order_id) if line and isinstance(line.book, FullBook) else None

    # --- What the tracker asks ----------------------------------------------------------------------------------------
    async def get_last_traded_prices(self, trading_pairs: list[str], domain: str | None = None) -> dict[str, float]:
        """Return the last prices as the connector knows them."""
        return await self._connector.get_last_traded_prices(trading_pairs=trading_pairs)

    async def listen_for_subscriptions(self) -> None:
        """Keep a trade socket open until cancelled: connect, serve, reconnect."""
        for pair in self._pairs.values():
            pair.alive_at, pair.emptied = -inf, False
        supervisor = asyncio.create_task(self._supervise())
        try:
            await self._keep_streaming()
        finally:
            supervisor.cancel()
            await asyncio.wait({supervisor})

    async def listen_for_order_book_diffs(self, ev_loop: asyncio.AbstractEventLoop, output: asyncio.Queue[Any]) -> None:
        """Let the reader write straight into the tracker's queue: its messages need no parsing any more.

        Snapshots take this queue, too. The tracker's other one holds them back until all pairs are initialised, while
        their diffs pass.
        """
        pending = self._message_queue[self._diff_messages_queue_key]
        self._message_queue[self._diff_messages_queue_key] = output
        while pending is not output and not pending.empty():
            output.put_nowait(pending.get_nowait())
        await asyncio.get_running_loop().create_future()

    async def subscribe_to_trading_pair(self, trading_pair: str) -> bool:
        """Add a pair at run time; True once its book has come, False when VALR refuses it or stays silent."""
        self.add_trading_pair(trading_pair)
        pair = self._pair(trading_pair)
        pair.answered.clear()
        try:
            async with asyncio.timeout(2 * self._timing.snapshot_patience):
                if await self._resolve_symbol(pair):
                    self._subscribe_all()
                    await pair.answered.wait()
        except TimeoutError:
            self.logger().error(f"{trading_pair}: VALR sent no order book after the subscription.")
        if pair.ready.is_set():
            return True
        await self.unsubscribe_from_trading_pair(trading_pair)
        return False

    async def unsubscribe_from_trading_pair(self, trading_pair: str) -> bool:
        """Drop a pair at run time; always True, since nothing of it is read any more."""
        self.remove_trading_pair(trading_pair)
        self._pairs.pop(trading_pair, None)
        self._subscribe_all()
        return True

    async def _order_book_snapshot(self, trading_pair: str) -> OrderBookMessage:
        """Return the proven book, waiting for it as long as it takes."""
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

    async def _parse_trade_message(self, raw_message: dict[str, Any], message_queue: asyncio.Queue[Any]) -> None:
        try:
            trade = parse_trade(raw_message)
        except ValueError as error:
            self.logger().warning(f"A public trade was left out: {error}")
            return
        pair = next((pair for pair in self._pairs.values() if pair.symbol == trade.symbol), None)
        if pair is None or not pair.is_new_trade(trade.trade_id):
            return
        pair.last_trade_price = trade.price
        content = {
            "trading_pair": pair.trading_pair,
            "trade_type": float(trade.taker_side.value),
            "trade_id": trade.trade_id,
            "update_id": trade.trade_id,
            "price": float(trade.price),
            "amount": float(trade.quantity),
        }
        message_queue.put_nowait(OrderBookMessage(OrderBookMessageType.TRADE, content, time.time()))

    # --- Connections --------------------------------------------------------------------------------------------------
    async def _keep_streaming(self) -> None:
        delay = ReconnectDelay(self._timing)
        while True:
            self._served_for = 0.0
            try:
                await self._wait_for_symbols()
                await self._stream()
            except (OSError, aiohttp.ClientError) as error:
                reason = f"{type(error).__name__}: {error}"
            except Exception:  # noqa: BLE001  the task's outermost loop
                self.logger().exception("Market data met an unexpected error.")
                reason = "unexpected error"
            pause = delay.after(self._served_for)
            self.logger().warning(
                f"The market data socket is down after {self._served_for:.0f} s ({reason}); "
                f"next attempt in {pause:.1f} s."
            )
            await asyncio.sleep(pause)

    async def _stream(self) -> None:
        """Serve from one connection, and from its successors, until the serving one is lost.

        :raises OSError, aiohttp.ClientError: no connection could be made, or it was lost
        """
        self._active = await self._open()
        try:
            while True:
                await asyncio.wait({self._active.socket.task}, timeout=self._lifetime_left(self._active))
                if self._active.socket.task.done():
                    raise self._active.socket.failure()
                await self._hand_over(self._active)
        finally:
            self._served_for = self._active.socket.age
            await self._retire()

    async def _open(self) -> MarketSession:
        assistant = await self._connected_websocket_assistant()
        session = MarketSession()
        session.socket = MarketSocket(assistant, self._timing, partial(self._on_frame, session))
        self._sessions.append(session)
        self._subscribe(session)
        self.logger().info(f"Market data socket connected ({'signed' if self._sign_handshake else 'anonymous'}).")
        return session

    async def _connected_websocket_assistant(self) -> WSAssistant:
        headers = self._auth.handshake_headers(CONSTANTS.TRADE_SOCKET_PATH) if self._sign_handshake else {}
        assistant = await self._api_factory.get_ws_assistant()
        async with self._api_factory.throttler.execute_task(limit_id=CONSTANTS.SOCKET_CONNECT_LIMIT_ID):
            try:
                async with asyncio.timeout(self._timing.connect_deadline):
                    # The JSON PING replaces the protocol's own, which `ping_timeout` would start.
                    await assistant.connect(
                        ws_url=self._endpoints.socket(CONSTANTS.TRADE_SOCKET_PATH),
                        ws_headers=headers,
                        ping_timeout=None,
                    )
            except aiohttp.WSServerHandshakeError as error:
                if error.status in (401, 403):
                    self._go_anonymous()
                raise
        return assistant

    def _go_anonymous(self) -> None:
        if self._sign_handshake:
            self._sign_handshake = False
            self.logger().warning("VALR refuses the keys on the market data socket; it is used without them.")

    def _lifetime_left(self, session: MarketSession) -> float | None:
        return None if self._sign_handshake else max(0.0, self._timing.anonymous_lifetime - session.socket.age)

    async def _hand_over(self, active: MarketSession) -> None:
        """Bring a second connection up to date, let it serve, and close the first."""
        try:
            successor = await self._open()
        except (OSError, aiohttp.ClientError) as error:
            await self._postpone_handover(active, error)
            return
        tasks = {active.socket.task, successor.socket.task}
        while not self._caught_up(successor) and successor.socket.age < self._timing.handover_patience:
            done, _ = await asyncio.wait(tasks, timeout=self._timing.tick, return_when=asyncio.FIRST_COMPLETED)
            if done:
                break
        if successor.socket.task.done():
            await self._close(successor)
            await self._postpone_handover(active, successor.socket.failure())
            return
        self._active = successor
        for line in successor.lines.values():
            if line.book.verified:
                self._publish(line, line.book.snapshot())
            else:
                line.pair.ready.clear()
        await self._close(active)

    async def _postpone_handover(self, active: MarketSession, error: BaseException) -> None:
        self.logger().warning(f"The market data socket could not be renewed yet ({type(error).__name__}: {error}).")
        await asyncio.wait({active.socket.task}, timeout=self._timing.reconnect_delay)

    def _caught_up(self, successor: MarketSession) -> bool:
        return all(line.book.verified for line in successor.lines.values() if line.pair.ready.is_set())

    async def _close(self, session: MarketSession) -> None:
        await session.socket.close()
        self._sessions.remove(session)

    async def _retire(self) -> None:
        self._active = None
        for pair in self._pairs.values():
            pair.ready.clear()
        for session in list(self._sessions):
            await self._close(session)

    # --- Pairs and subscriptions --------------------------------------------------------------------------------------
    def _pair(self, trading_pair: str) -> TrackedPair:
        if trading_pair not in self._pairs:
            self._pairs[trading_pair] = TrackedPair(trading_pair, self._feed)
        return self._pairs[trading_pair]

    async def _wait_for_symbols(self) -> None:
        while True:
            if await self._resolve_symbols():
                return
            await asyncio.sleep(self._timing.reconnect_delay if self._trading_pairs else self._timing.tick)

    async def _resolve_symbols(self) -> bool:
        """Look up the symbols that are still missing; tell whether there is any pair to subscribe to."""
        self._resolve_at = asyncio.get_running_loop().time() + self._timing.reconnect_delay
        known = [await self._resolve_symbol(self._pair(trading_pair)) for trading_pair in list(self._trading_pairs)]
        return any(known)

    async def _resolve_symbol(self, pair: TrackedPair) -> bool:
        if not pair.symbol:
            try:
                pair.symbol = await self._connector.exchange_symbol_associated_to_pair(trading_pair=pair.trading_pair)
            except KeyError:
                self._refuse(pair, "VALR lists no such pair.")
        return bool(pair.symbol)

    def _refuse(self, pair: TrackedPair, reason: str) -> None:
        if pair.refusal != reason:
            pair.refusal = reason
            self.logger().error(f"{pair.trading_pair}: no order book. {reason}")
        pair.answered.set()

    def _subscribe_all(self) -> None:
        for session in self._sessions:
            self._subscribe(session)

    def _subscribe(self, session: MarketSession, afresh: Iterable[BookLine] = ()) -> None:
        """Let the connection carry what is tracked now; the books of ``afresh`` get new snapshots."""
        retry_at = asyncio.get_running_loop().time() + self._timing.snapshot_patience
        wanted: dict[str, list[str]] = {}
        renewed = {line.channel for line in afresh}
        lines: dict[str, BookLine] = {}
        for pair in (self._pairs.get(trading_pair) for trading_pair in self._trading_pairs):
            if pair is None or not pair.symbol:
                continue
            line = session.lines.get(pair.symbol)
            if line is None or line.pair is not pair or line.channel != pair.book_channel:
                line = BookLine(pair, retry_at)
                renewed.add(line.channel)
            lines[pair.symbol] = line
            for event in (pair.feed.event, CONSTANTS.NEW_TRADE):
                wanted.setdefault(event, []).append(pair.symbol)
        session.lines = lines
        session.socket.subscribe(wanted, renewed)

    def _renew(self, session: MarketSession, lines: list[BookLine]) -> None:
        """Subscribe afresh, and again after a growing pause if that brings no snapshot."""
        now = asyncio.get_running_loop().time()
        for line in lines:
            line.attempts += 1
            line.retry_at = now + back_off(line.attempts, self._timing.snapshot_patience, self._timing.refusal_retry)
        self._subscribe(session, lines)

    # --- Supervision --------------------------------------------------------------------------------------------------
    async def _supervise(self) -> None:
        while True:
            await asyncio.sleep(self._timing.tick)
            try:
                self._renew_overdue_lines()
                self._empty_stale_books()
                await self._adopt_pairs()
            except Exception:  # noqa: BLE001  the task's outermost loop
                self.logger().exception("The supervision of market data met an unexpected error.")

    def _renew_overdue_lines(self) -> None:
        now = asyncio.get_running_loop().time()
        for session in self._sessions:
            overdue = [line for line in session.lines.values() if line.retry_at <= now]
            if overdue:
                self._renew(session, overdue)

    def _empty_stale_books(self) -> None:
        """Take the books out of use that no socket has shown alive for too long; bring back those shown again."""
        oldest = asyncio.get_running_loop().time() - self._timing.stale_book_limit
        for pair in self._pairs.values():
            line = self._active_line(pair)
            if self._active and line and line.book.verified:
                pair.alive_at = self._active.socket.last_frame_at
            if pair.alive_at > oldest and pair.emptied and line and line.book.verified:
                self._publish(line, line.book.snapshot())
            elif -inf < pair.alive_at <= oldest and not pair.emptied:
                pair.emptied = True
                pair.ready.clear()
                self._put(pair, _EMPTY_BOOK)
                self.logger().warning(f"{pair.trading_pair}: the order book is stale and is not used any more.")

    async def _adopt_pairs(self) -> None:
        """Subscribe to pairs that joined Hummingbot's list by themselves, or whose symbol was not known before."""
        waiting = any(self._pair(trading_pair).symbol == "" for trading_pair in list(self._trading_pairs))
        if waiting and self._active and asyncio.get_running_loop().time() >= self._resolve_at:
            await self._resolve_symbols()
            self._subscribe_all()

    # --- Frames -------------------------------------------------------------------------------------------------------
    def _on_frame(self, session: MarketSession, frame: dict[str, Any]) -> None:
        self._last_message_time = time.time()
        channel = self._channel_originating_message(frame)
        if channel == self._diff_messages_queue_key:
            self._on_book_frame(session, frame)
        elif channel == self._trade_messages_queue_key:
            self._message_queue[channel].put_nowait(frame)
        else:
            self._on_control_frame(session, frame)

    def _channel_originating_message(self, event_message: dict[str, Any]) -> str:
        kind = event_message.get("type")
        if not isinstance(kind, str):
            return ""
        if kind in _BOOK_FRAMES:
            return self._diff_messages_queue_key
        return self._trade_messages_queue_key if kind == CONSTANTS.NEW_TRADE else ""

    def _on_book_frame(self, session: MarketSession, frame: dict[str, Any]) -> None:
        line = session.lines.get(str(frame.get("ps") or frame.get("currencyPairSymbol")))
        if line is None or frame["type"] not in line.book.frame_types:
            return
        try:
            change = line.book.apply(frame)
        except BookError as error:
            self._on_mismatch(session, line, error)
            return
        if change is None:
            return
        line.pair.count_good_frame()
        if change.is_snapshot:
            line.retry_at, line.attempts = inf, 0
        if session is self._active:
            self._publish(line, change)

    def _on_mismatch(self, session: MarketSession, line: BookLine, error: BookError) -> None:
        pair, fallback = line.pair, line.pair.feed.fallback
        if session is self._active:
            pair.ready.clear()
        if line.attempts and fallback is None:
            # Each frame of the simplest feed is a whole book: the next good one ends the matter.
            return
        in_a_row = pair.count_mismatch()
        if in_a_row >= MISMATCHES_BEFORE_FALLBACK and fallback:
            self.logger().warning(
                f"{pair.trading_pair}: the order book feed '{pair.feed}' was wrong {in_a_row} times in a row "
                f"({error}); falling back to '{fallback}'."
            )
            pair.feed, pair.mismatches = fallback, 0
            self._subscribe_all()
            return
        self.logger().warning(f"{pair.trading_pair}: the order book is dropped and asked for afresh ({error}).")
        self._renew(session, [line])

    def _on_control_frame(self, session: MarketSession, frame: dict[str, Any]) -> None:
        """Take what is neither book nor trade.

        :raises ConnectionError: the connection is of no use any more
        """
        kind, message = frame.get("type"), frame.get("message")
        if kind == CONSTANTS.ERROR:
            self._on_error(session, message)
        elif kind == CONSTANTS.AUTHENTICATED:
            session.authenticated = True
        elif kind == CONSTANTS.UNAUTHORIZED:
            self._go_anonymous()
            raise ConnectionError("VALR refuses the keys")
        elif kind == CONSTANTS.UNSUBSCRIBED:
            self._on_unsubscribed(session, session.line(parse_channel(message)))
        elif kind == CONSTANTS.PONG and message == CONSTANTS.NO_SUBSCRIPTIONS:
            if any(line.book.verified for line in session.lines.values()):
                raise ConnectionError("VALR has lost the subscriptions")
        elif kind not in (CONSTANTS.PONG, CONSTANTS.SUBSCRIBED) and str(kind) not in self._unknown_kinds:
            self._unknown_kinds.add(str(kind))
            self.logger().warning(f"Frames of type '{kind}' on the market data socket are not understood.")

    def _on_error(self, session: MarketSession, message: Any) -> None:
        channel = parse_refusal(message)
        line = session.line(channel)
        if line is not None:
            line.retry_at = asyncio.get_running_loop().time() + self._timing.refusal_retry
            self._refuse(line.pair, f"VALR refuses it: {message}")
            return
        self.logger().warning(f"VALR reports on the market data socket: {message}")
        if channel is None and self._sign_handshake and not session.authenticated:
            # A refused signature may show as the socket's first frame (valr-api.md 2.2).
            self._go_anonymous()
            raise ConnectionError("VALR refuses the keys")

    def _on_unsubscribed(self, session: MarketSession, line: BookLine | None) -> None:
        """Doubt a book that the exchange stopped without being asked; if it was asked, the snapshot is on its way."""
        if line is not None and line.book.verified:
            line.book.forget()
            line.retry_at = asyncio.get_running_loop().time() + self._timing.snapshot_patience
            if session is self._active:
                line.pair.ready.clear()

    # --- To the tracker -----------------------------------------------------------------------------------------------
    def _active_line(self, pair: TrackedPair) -> BookLine | None:
        return self._active.line(pair.book_channel) if self._active else None

    def _publish(self, line: BookLine, change: BookChange) -> None:
        pair = line.pair
        if pair.emptied and not change.is_snapshot:
            change = line.book.snapshot()
        if change.is_snapshot:
            if pair.emptied or pair.refusal:
                self.logger().info(f"{pair.trading_pair}: the order book is live.")
            pair.emptied, pair.refusal = False, ""
            pair.alive_at = asyncio.get_running_loop().time()
            pair.ready.set()
            pair.answered.set()
        self._put(pair, change)

    def _put(self, pair: TrackedPair, change: BookChange) -> None:
        self._update_id += 1
        pair.update_id = self._update_id
        self._message_queue[self._diff_messages_queue_key].put_nowait(self._message(pair, change))

    def _message(self, pair: TrackedPair, change: BookChange) -> OrderBookMessage:
        """Return ``change`` as Hummingbot's message, stamped on receipt: the wire's time can be 10 s old."""
        content = {
            "trading_pair": pair.trading_pair,
            "update_id": pair.update_id,
            "bids": change.bids,
            "asks": change.asks,
        }
        kind = OrderBookMessageType.SNAPSHOT if change.is_snapshot else OrderBookMessageType.DIFF
        return OrderBookMessage(kind, content, time.time())
