"""Hummingbot's order book and its tracker, fitted to a source that delivers every message once and in order."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any

from hummingbot.connector.exchange.valr.valr_order_book import BookChange
from hummingbot.core.data_type.order_book import OrderBook
from hummingbot.core.data_type.order_book_message import OrderBookMessage, OrderBookMessageType
from hummingbot.core.data_type.order_book_row import OrderBookRow
from hummingbot.core.data_type.order_book_tracker import OrderBookTracker


class ReadyMessage(OrderBookMessage):
    """A book message whose levels are pairs of floats already, so that its rows cost no conversion.

    The base class unpacks and converts each level, and asks for the update id once per level.
    """

    @property
    def bids(self) -> list[OrderBookRow]:
        """The levels as the order book takes them."""
        return _rows(self.content["bids"], self.content["update_id"])

    @property
    def asks(self) -> list[OrderBookRow]:
        """The levels as the order book takes them."""
        return _rows(self.content["asks"], self.content["update_id"])


def _rows(levels: Iterable[tuple[float, float]], update_id: int) -> list[OrderBookRow]:
    # What OrderBookRow(...) comes to, without its Python call: a third of the time.
    new = tuple.__new__
    return [new(OrderBookRow, (price, amount, update_id)) for price, amount in levels]


class _LentRow:
    """What the order book reads of a row."""

    __slots__ = ("amount", "price", "update_id")
    amount: float
    price: float
    update_id: int


class LentRows:
    """Rows to apply at once and not to keep: they are the same ones each time.

    The order book only reads their numbers. To write those into rows that exist takes a third of the time of new ones.
    As many stay as the largest diff of a side has had.
    """

    def __init__(self) -> None:
        self._rows: list[_LentRow] = []

    def lend(self, levels: Collection[tuple[float, float]], update_id: int) -> list[_LentRow]:
        """Return the levels, prices and amounts, as rows that hold until the next call."""
        rows = self._rows
        while len(rows) < len(levels):
            rows.append(_LentRow())
        for row, (price, amount) in zip(rows, levels, strict=False):
            row.price, row.amount, row.update_id = price, amount, update_id
        return rows[: len(levels)]


class SequencedOrderBook(OrderBook):
    """Hummingbot's book, made to take every message once and in order.

    The base class replays diffs that are older than a snapshot over it, and the tracker applies diffs that it saved
    before the initial snapshot without looking at their ids.
    """

    def apply_diffs(
        self, bids: list[OrderBookRow] | list[_LentRow], asks: list[OrderBookRow] | list[_LentRow], update_id: int
    ) -> None:
        """Apply a diff unless the book is as new already."""
        if update_id > self.last_diff_uid and update_id > self.snapshot_uid:
            super().apply_diffs(bids, asks, update_id)

    def restore_from_snapshot_and_diffs(self, snapshot: OrderBookMessage, diffs: list[OrderBookMessage]) -> None:
        """Take a snapshot unless the book is as new already; ``diffs`` newer than it follow."""
        self.restore_from_snapshot(snapshot.bids, snapshot.asks, snapshot.update_id)
        for diff in diffs:
            self.apply_diffs(diff.bids, diff.asks, diff.update_id)

    def restore_from_snapshot(self, bids: list[OrderBookRow], asks: list[OrderBookRow], update_id: int) -> None:
        """Take a snapshot unless the book is as new already."""
        if update_id > self.last_diff_uid and update_id > self.snapshot_uid:
            self.apply_snapshot(bids, asks, update_id)


TakeChange = Callable[[str, BookChange, int], None]
"""Takes a trading pair, what changed in its book, and the update's id."""


class PromptOrderBookTracker(OrderBookTracker):
    """Hummingbot's tracker, ready as soon as every pair's snapshot has come, and shorter in its ways.

    A pair of which nothing comes does not hold up the others for ever: they begin without it when no further one has
    come for ``patience`` seconds. Its book is empty until then, as that of a pair that stops trading is.

    The base class asks for one book after another with a second's pause, to spare exchanges whose snapshots are REST
    calls: 205 pairs would be ready after three and a half minutes. Here all snapshots come by themselves. It also
    passes every message through two queues and tasks, which nothing here needs: what comes before a book exists is in
    the snapshot that the book begins with, and what comes later is applied the moment it is proven.

    Its data source has a context manager ``feeding(TakeChange)``, within which it needs no queue, tells by
    ``has_live_book(trading_pair)`` whether a pair's book is proven, and is told by ``on_unapplied(trading_pair)`` of a
    pair whose shown book lacks a change.
    """

    patience = 30.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._bids, self._asks = LentRows(), LentRows()

    async def _init_order_books(self) -> None:
        waiting = {asyncio.create_task(self._init_order_book(pair)): pair for pair in list(self._trading_pairs)}
        come = 0
        try:
            while waiting:
                patience = self.patience if come else None
                done, _ = await asyncio.wait(waiting, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    del waiting[task]
                    come += task.result()
                if not done:
                    self._begin_without(waiting)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        self.logger().info(f"Initialized the order books of {come} pairs.")
        self._order_books_initialized.set()

    async def _init_order_book(self, trading_pair: str) -> bool:
        """Wait for a pair's book; return whether it has come, which it does not if the pair is removed meanwhile."""
        try:
            self._order_books[trading_pair] = await self._initial_order_book_for_trading_pair(trading_pair)
        except LookupError:
            return False
        return True

    def _begin_without(self, waiting: dict[asyncio.Task[bool], str]) -> None:
        """Give the pairs that still wait an empty book, which the first snapshot fills, and wait for them no more."""
        missing = {
            task: trading_pair
            for task, trading_pair in waiting.items()
            # The snapshot that such a book begins with has been handed on already.
            if not task.done() and not self._data_source.has_live_book(trading_pair)
        }
        for task, trading_pair in missing.items():
            del waiting[task]
            task.cancel()
            self._order_books[trading_pair] = self._data_source.order_book_create_function()
        if missing:
            self.logger().warning(
                f"No order book of {', '.join(missing.values())} has come; the other pairs are traded without it. It "
                "is empty until VALR sends one."
            )

    async def _order_book_diff_router(self) -> None:
        """Let the data source feed the books, and take what comes into the queue."""
        with self._data_source.feeding(self._take):
            while True:
                message = await self._order_book_diff_stream.get()
                try:
                    is_snapshot, content = message.type is OrderBookMessageType.SNAPSHOT, message.content
                    change = BookChange(is_snapshot, dict(content["bids"]), dict(content["asks"]))
                    self._take(message.trading_pair, change, message.update_id)
                except Exception:  # noqa: BLE001  the task's outermost loop
                    self.logger().exception("A message of the order books could not be read.")

    async def _emit_trade_event_loop(self) -> None:
        """Drop the trades that come before every book is there: they would pile up, and be told as news when old."""
        dropping = asyncio.create_task(self._drop_trades())
        try:
            await self._order_books_initialized.wait()
        finally:
            dropping.cancel()
        await super()._emit_trade_event_loop()

    async def _drop_trades(self) -> None:
        while True:
            await self._order_book_trade_stream.get()
            self._metrics.total_trades_rejected += 1

    def _take(self, trading_pair: str, change: BookChange, update_id: int) -> None:
        book = self._order_books.get(trading_pair)
        if book is None:
            return
        metrics = self._metrics
        pair_metrics = metrics.get_or_create_pair_metrics(trading_pair)
        # Paper trading has books of its own kind, which compare nothing.
        if update_id <= book.last_diff_uid or update_id <= book.snapshot_uid:
            metrics.total_diffs_rejected += 1
            pair_metrics.diffs_rejected += 1
            return
        try:
            bids, asks = change.bids.items(), change.asks.items()
            if change.is_snapshot:
                book.apply_snapshot(_rows(bids, update_id), _rows(asks, update_id), update_id)
            else:
                book.apply_diffs(self._bids.lend(bids, update_id), self._asks.lend(asks, update_id), update_id)
        except Exception:  # noqa: BLE001  the outermost step: the changes of the other books must be taken
            self.logger().exception(f"{trading_pair}: a message of the order book could not be applied.")
            self._data_source.on_unapplied(trading_pair)
            return
        # As the base class counts: whatever came by this stream.
        pair_metrics.diffs_processed += 1
        pair_metrics.last_diff_timestamp = time.perf_counter()
        metrics.total_diffs_processed += 1
