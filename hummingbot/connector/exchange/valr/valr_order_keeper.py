"""The shell of the order lifecycle: carries its wishes to VALR and its outcomes to Hummingbot's tracker.

All rules about what is true of an order are in ``valr_order_lifecycle``; here are only tasks, calls and the log.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from decimal import Decimal
from typing import Any

from hummingbot.connector.client_order_tracker import ClientOrderTracker
from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_latency import LatencyRecorder
from hummingbot.connector.exchange.valr.valr_messages import (
    AccountTrade,
    CancelFailed,
    CommandReply,
    OpenOrders,
    OrderFailure,
    OrderProcessed,
    OrderReport,
    Unreadable,
    parse_open_orders,
    parse_order_history,
    parse_order_report,
    parse_trades,
)
from hummingbot.connector.exchange.valr.valr_metrics import Metrics
from hummingbot.connector.exchange.valr.valr_order_entry import (
    LOOKUP_DEADLINE,
    OrderEntry,
    Placement,
    SentCommand,
    SignedRequest,
    is_cancel_not_found,
    placed_order_id,
)
from hummingbot.connector.exchange.valr.valr_order_ids import ClientOrderIds
from hummingbot.connector.exchange.valr.valr_order_journal import JournalEntry, OrderJournal
from hummingbot.connector.exchange.valr.valr_order_lifecycle import OrderLifecycle
from hummingbot.connector.exchange.valr.valr_order_outcomes import (
    Concern,
    End,
    Ended,
    FetchTrades,
    Fill,
    Level,
    LookUp,
    Notice,
    Outcome,
    Progress,
    SendCancel,
    Stage,
    Wish,
)
from hummingbot.connector.exchange.valr.valr_web_utils import (
    REQUEST_DEADLINE,
    ValrNotSentError,
    ValrRateLimitedError,
    ValrRefusedError,
    ValrRequestError,
    ValrUnknownOutcomeError,
    ValrWithdrawnError,
)
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState, OrderUpdate, TradeUpdate
from hummingbot.core.utils.async_utils import safe_ensure_future, safe_gather
from hummingbot.core.web_assistant.connections.data_types import RESTMethod

STATES = {
    Stage.OPEN: OrderState.OPEN,
    Stage.PARTIALLY_FILLED: OrderState.PARTIALLY_FILLED,
    Stage.CANCEL_PENDING: OrderState.PENDING_CANCEL,
}
STAGES = {
    OrderState.PENDING_CREATE: Stage.SUBMITTED,
    OrderState.OPEN: Stage.OPEN,
    OrderState.PARTIALLY_FILLED: Stage.PARTIALLY_FILLED,
    OrderState.PENDING_CANCEL: Stage.CANCEL_PENDING,
}
ENDS = {End.FILLED: OrderState.FILLED, End.CANCELLED: OrderState.CANCELED, End.FAILED: OrderState.FAILED}

# Restored orders arrive while the strategy starts; only then is an order of an earlier run a stray.
STRAY_GRACE = 5.0
MAX_TRADE_PAGES = 200
# Without the account socket there is a poll every two seconds, and VALR allows 20 calls a second for everything. What
# the list of open orders, or an order's status, says of fills has trades fetched at once.
PAIRS_A_POLL = 10
# A trade may show in the history some time after it happened.
TRADES_OVERLAP = 300.0
# Stamps of an earlier run are by a clock that nobody had compared with VALR's.
CLOCK_MARGIN = 600.0
WARNING_INTERVAL = 600.0
# Questions that were answered slowly, beyond which all of them are forgotten: at worst they are asked once in vain.
MOST_SLOW_PATHS = 500
# Kinds of warnings beyond which those of long ago are forgotten.
MOST_KINDS = 500


class TooManyTradesError(Exception):
    """There are older ``trades`` than VALR's pages were turned for."""

    def __init__(self, trading_pair: str, trades: list[AccountTrade]) -> None:
        super().__init__(
            f"More than {len(trades)} trades of {trading_pair} happened since the oldest live order was placed; "
            "fills older than these are not looked for."
        )
        self.trades = trades


class Warner:
    """Warns, but not of the same kind of trouble over and over."""

    def __init__(self, logger: Callable[[], logging.Logger]) -> None:
        self._logger = logger
        self._warned_at: dict[str, float] = {}

    def __call__(self, text: str, kind: str, level: int = logging.WARNING) -> bool:
        """Log ``text``, and say so, unless something of its ``kind`` was said within the last ten minutes."""
        now = time.monotonic()
        is_news = now - self._warned_at.get(kind, -math.inf) > WARNING_INTERVAL
        if is_news:
            if len(self._warned_at) >= MOST_KINDS:
                self._warned_at = {each: at for each, at in self._warned_at.items() if now - at <= WARNING_INTERVAL}
            self._warned_at[kind] = now
            self._logger().log(level, text)
        return is_news


class OrderKeeper:
    """Looks after every order of one connector.

    :param request: performs a signed REST call
    :param symbol_of: VALR's symbol of a trading pair that has been traded
    :param trade_update: turns a trade of a tracked order into the tracker's form
    :param event_time: the time to stamp on events, Unix seconds
    :param valr_time: VALR's clock, Unix seconds; ours may be minutes off
    :param on_open: is told of each limit order that was placed and is open: its pair, whether it buys, its price, and
        the monotonic time at which it was sent
    :param latency: is told when what was sent and when what came of it became known
    :param metrics: counts what happens to orders
    """

    def __init__(
        self,
        order_entry: OrderEntry,
        request: SignedRequest,
        journal: OrderJournal,
        tracker: ClientOrderTracker,
        symbol_of: Callable[[str], str],
        trade_update: Callable[[InFlightOrder, AccountTrade], TradeUpdate],
        event_time: Callable[[], float],
        valr_time: Callable[[], float],
        on_open: Callable[[str, bool, Decimal, float], None],
        latency: LatencyRecorder,
        metrics: Metrics,
        logger: Callable[[], logging.Logger],
    ) -> None:
        self._lifecycle = OrderLifecycle()
        self._order_entry = order_entry
        self._request = request
        self._journal = journal
        self.ids = ClientOrderIds(journal)
        self._is_making_ids = False
        self._tracker = tracker
        self._symbol_of = symbol_of
        self._trade_update = trade_update
        self._event_time = event_time
        self._valr_time = valr_time
        self._on_open = on_open
        self._latency = latency
        self._metrics = metrics
        self._logger = logger
        self._warn = Warner(logger)
        self._outcomes: deque[Outcome] = deque()
        self._work = asyncio.Event()
        self._rests_until = math.inf
        self._news = asyncio.Event()
        self._loop_task: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._placed: dict[str, tuple[Placement, float]] = {}
        self._suspects: dict[str, JournalEntry] = {}
        self._suspects_due = math.inf
        self._trades_covered: dict[str, float] = {}
        self._trades_polled_at: dict[str, float] = {}
        self._slow_paths: set[str] = set()

    # --- Running ------------------------------------------------------------------------------------------------------
    def ensure_running(self) -> None:
        """Start the loop unless it runs; some hosts never call ``start_network``, so the first order does."""
        if not self.is_running:
            self._open_journal()
            self._loop_task = safe_ensure_future(self._run())

    @property
    def live_count(self) -> int:
        """How many orders, strays that VALR has shown included, have not ended."""
        return len(self._lifecycle.known_ids)

    @property
    def shown_strays(self) -> list[str]:
        """Client ids of orders that live unknown to the bot and are being cancelled."""
        return self._lifecycle.shown_strays

    @property
    def is_running(self) -> bool:
        """Whether orders are being looked after."""
        return self._loop_task is not None and not self._loop_task.done()

    def halt(self) -> None:
        """Stop the loop without waiting for its end: Hummingbot's engine gives no time for more when it ends."""
        if self._loop_task is not None:
            self._tasks.add(self._loop_task)
            self._loop_task = None
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(OSError):
            # At worst VALR is asked for them after the next start.
            self.ids.release()
        if self._lifecycle.live_ids:
            self._journal.retire()
        else:
            self._journal.close()

    async def stop(self) -> None:
        """Stop the loop; what was being asked is asked again after the next start."""
        self.halt()
        tasks, self._tasks = self._tasks, set()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._lifecycle.abandon_wishes(time.monotonic())

    def reconcile(self) -> int:
        """Ask for every order and every pair's trades; return how many orders that concerns."""
        self._lifecycle.reconcile(time.monotonic())
        self._work.set()
        return len(self._lifecycle.known_ids)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run ``work`` beside everything else; an error in it is logged, and :meth:`stop` ends it."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._logger().error("Unexpected error while asking VALR about an order.", exc_info=task.exception())
            self._lifecycle.abandon_wishes(time.monotonic())
        self._work.set()

    def _open_journal(self) -> None:
        try:
            adopted = self._journal.open()
        except OSError as error:
            self._logger().error(
                f"The order journal cannot be written ({error}): after a crash, orders may be live on VALR that the "
                "bot does not know. Make Hummingbot's data folder writable."
            )
            return
        if adopted:
            self._suspects.update(adopted)
            self._suspects_due = time.monotonic() + STRAY_GRACE

    async def _run(self) -> None:
        while True:
            try:
                now = time.monotonic()
                self._suspect_strays(now)
                for wish in self._lifecycle.due(now):
                    self.spawn(self._fulfil(wish))
                await self._wait_for_work()
            except asyncio.CancelledError:
                raise
            except Exception:  # noqa: BLE001 - the outermost loop of the task
                self._logger().exception("Unexpected error while looking after orders.")
                await asyncio.sleep(1.0)

    async def _wait_for_work(self) -> None:
        self._work.clear()
        due = self._lifecycle.next_due()
        due = self._rests_until = self._suspects_due if due is None else min(due, self._suspects_due)
        try:
            async with asyncio.timeout(None if math.isinf(due) else max(due - time.monotonic(), 0)):
                await self._work.wait()
        except TimeoutError:
            return

    def _suspect_strays(self, now: float) -> None:
        if now < self._suspects_due:
            return
        self._suspects_due = math.inf
        for entry in self._suspects.values():
            created_at = entry.sent_at - CLOCK_MARGIN
            self._suspect(entry.client_order_id, entry.trading_pair, created_at, now)
        self._suspects.clear()

    def _suspect(self, client_order_id: str, trading_pair: str, created_at: float, now: float) -> None:
        # What was fetched before did not mean anything to an order that nobody knew.
        self._trades_covered.pop(trading_pair, None)
        self._lifecycle.suspect(client_order_id, trading_pair, created_at, now)

    # --- Orders come in -----------------------------------------------------------------------------------------------
    def track(
        self,
        order: InFlightOrder,
        created_at: float | None = None,
        *,
        immediate: bool = False,
        quantity: Decimal | None = None,
    ) -> None:
        """Put a new order on record, or a restored one with what had been told of it.

        :param created_at: Unix seconds on VALR's clock, by default now
        :param immediate: it cannot rest; a market order never can
        :param quantity: how much is to be filled where that is not the order's amount; 0 when nobody can know
        """
        self._publish_soon(
            self._lifecycle.track(
                order.client_order_id,
                order.trading_pair,
                order.amount if quantity is None else quantity,
                time.monotonic(),
                created_at=self._valr_time() if created_at is None else created_at,
                order_id=order.exchange_order_id or "",
                immediate=immediate or order.order_type is OrderType.MARKET,
                told=STAGES.get(order.current_state, Stage.OPEN),
                trades=[(trade_id, fill.fill_base_amount) for trade_id, fill in order.order_fills.items()],
            )
        )

    def restore(self, orders: Iterable[InFlightOrder]) -> None:
        """Take up the orders of an earlier run; what became of them meanwhile is asked at once.

        One that was saved as failed died with the process as that was told: if it should live after all it is a stray.
        """
        for order in orders:
            created_at = order.creation_timestamp - CLOCK_MARGIN
            if order.is_failure:
                self._suspect(order.client_order_id, order.trading_pair, created_at, time.monotonic())
                continue
            self._trades_covered.pop(order.trading_pair, None)
            self.track(order, created_at)
            self._lifecycle.placement_doubtful(order.client_order_id, time.monotonic())
            self._journal.add(order.client_order_id, order.trading_pair)
        self.reconcile()

    def cancel_earlier(self, client_order_ids: Iterable[str]) -> None:
        """Cancel orders of an earlier run, once orders are looked after."""
        for client_order_id in client_order_ids:
            self._lifecycle.unwant(client_order_id, time.monotonic())
        self._work.set()

    def write_now(self, client_order_id: str, payload: dict[str, Any], trading_pair: str) -> SentCommand | None:
        """Journal a limit order and write it to the account socket at once; :meth:`place` has to see to the rest.

        Return None where that cannot be done at once, or not at all; it was not sent then.
        """
        if not self.is_running:
            return None
        try:
            self._journal.add(client_order_id, trading_pair)
        except OSError:
            return None
        sent = self._order_entry.write_now(client_order_id, payload)
        if not self._is_making_ids:
            self._is_making_ids = True
            asyncio.get_running_loop().call_soon(self._make_ids_ahead)
        return sent

    def _make_ids_ahead(self) -> None:
        self._is_making_ids = False
        if self.is_running:
            with contextlib.suppress(OSError):
                # The next order is journalled while it waits then, and says what is wrong.
                self.ids.make_ahead()

    async def place(self, placement: Placement, trading_pair: str, sent: SentCommand | None = None) -> str:
        """Journal and send a placement; return VALR's order id, "" if VALR named none or it was cancelled unsent.

        :param sent: what :meth:`write_now` returned for it
        :raises ValrRequestError: as ``OrderEntry.place``; an unknown outcome is already being looked up
        :raises OSError: it could not be journalled, and was not sent
        """
        self.ensure_running()
        identifier = placement.client_order_id
        self._journal.add(identifier, trading_pair)
        self._placed[identifier] = placement, time.monotonic()
        side = "buy" if placement.is_buy else "sell"
        self._metrics.order_sent(identifier, trading_pair, side, placement.price, placement.quantity)
        self._latency.placing(identifier, time.monotonic())
        try:
            accepted = await self._order_entry.place(placement, sent, lambda: self._lifecycle.is_to_be_sent(identifier))
        except ValrRefusedError:
            self._latency.place_replied(identifier, time.monotonic())
            self._metrics.counters.orders_refused += 1
            raise
        except ValrWithdrawnError as error:
            # No order of VALR's was cancelled: what was never sent has failed. It is no news for the log.
            self.fail(identifier, error)
            return ""
        except (ValrNotSentError, ValrRateLimitedError):
            raise
        except BaseException as error:
            # Whatever else went wrong, the order may have left: it must not be taken for failed.
            self._publish_soon(self._lifecycle.placement_doubtful(identifier, time.monotonic()))
            self._metrics.placement_in_doubt(identifier, trading_pair, str(error) or type(error).__name__)
            if isinstance(error, ValrUnknownOutcomeError | asyncio.CancelledError):
                raise
            self._logger().exception(f"Unexpected error while placing order {identifier}.")
            raise ValrUnknownOutcomeError(f"placing failed in an unexpected way: {error}") from error
        self._latency.place_replied(identifier, time.monotonic())
        await self._publish(
            self._lifecycle.placement_accepted(identifier, accepted.order_id, time.monotonic(), proof=accepted.proof)
        )
        return accepted.order_id

    def is_live(self, client_order_id: str) -> bool:
        """Whether an order's end has not been told yet."""
        return self._lifecycle.is_live(client_order_id)

    def is_in_doubt(self, client_order_id: str) -> bool:
        """Whether nothing has proven yet what became of a placement."""
        return self._lifecycle.is_in_doubt(client_order_id)

    def fail(self, client_order_id: str, error: Exception | None) -> None:
        """An order was refused, or never sent."""
        self._publish_soon(
            self._lifecycle.placement_refused(
                client_order_id, str(error or ""), time.monotonic(), error_type=type(error).__name__ if error else ""
            )
        )

    # --- Cancelling ---------------------------------------------------------------------------------------------------
    async def cancel(self, client_order_id: str) -> bool:
        """Ask for a cancel, which is then seen to until the order has ended; return whether VALR took the first one."""
        self.ensure_running()
        wish = self._lifecycle.request_cancel(client_order_id, time.monotonic())
        if wish is None:
            return self._lifecycle.is_proven_gone(client_order_id)
        return await self._send_cancel(wish)

    async def cancel_and_prove(self, client_order_ids: list[str], seconds: float) -> set[str]:
        """Cancel orders and wait up to ``seconds`` until their ends, and so their last fills, have been told.

        Return those proven gone: one whose end is known and whose fills are still being asked for is among them.
        """
        try:
            async with asyncio.timeout(seconds):
                await safe_gather(*map(self.cancel, client_order_ids))
                while any(map(self._lifecycle.is_live, client_order_ids)):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            remaining = [each for each in client_order_ids if not self._lifecycle.is_proven_gone(each)]
            if remaining:
                self._logger().error(f"Not proven to be cancelled within {seconds:g} s: {', '.join(remaining)}")
        return set(filter(self._lifecycle.is_proven_gone, client_order_ids))

    async def _send_cancel(self, wish: SendCancel) -> bool:
        identifier, now = wish.client_order_id, time.monotonic
        # What an earlier run wrote down and VALR has not shown: nothing to be told of, or to be counted.
        is_unseen_stray = not wish.order_id and self._lifecycle.is_stray(identifier)
        began = now()
        try:
            symbol = self._symbol_of(wish.trading_pair)
            sent = None
            if not wish.over_rest:
                sent = self._order_entry.write_cancel_now(symbol, identifier, wish.order_id)
            self._latency.cancelling(identifier, began)
            if not is_unseen_stray:
                self._metrics.cancel_sent(identifier, wish.trading_pair)
            done = await self._order_entry.cancel(
                symbol, identifier, wish.order_id, over_rest=wish.over_rest, sent=sent
            )
        except ValrRefusedError as error:
            self._latency.cancel_replied(identifier, now())
            not_found = is_cancel_not_found(error)
            if not_found:
                if not is_unseen_stray:
                    self._logger().warning(f"Failed to cancel order {identifier} (order not found): looking it up")
                self._count_not_found(identifier)
            else:
                # It is tried again and again: once for an order, and once for all where it is the key that is refused.
                is_key = error.code in CONSTANTS.AUTHENTICATION_ERRORS or error.status in (401, 403)
                text = f"Failed to cancel order {identifier}: {error}; trying again"
                self._warn(text, "cancels refused" if is_key else f"cancel of {identifier}", logging.ERROR)
            self._publish_soon(self._lifecycle.cancel_refused(identifier, now(), not_found=not_found))
        except ValrUnknownOutcomeError as error:
            if not self._lifecycle.is_proven_gone(identifier):
                self._logger().warning(f"Failed to cancel order {identifier} for certain: {error}; looking it up")
            self._publish_soon(self._lifecycle.cancel_doubtful(identifier, now()))
        except (ValrNotSentError, ValrRateLimitedError) as error:
            self._warn(f"Failed to cancel order {identifier} yet: {error}; trying again", "cancel unsent")
            self._publish_soon(self._lifecycle.cancel_unsent(identifier, now()))
        except asyncio.CancelledError:
            # The caller gave up while it was under way: it may have been executed or not.
            self._lifecycle.cancel_doubtful(identifier, now())
            self._work.set()
            raise
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the cancel must go on being seen to
            self._logger().exception(f"Failed to cancel order {identifier} for an unexpected reason: {error}")
            self._publish_soon(self._lifecycle.cancel_doubtful(identifier, now()))
        else:
            self._latency.cancel_replied(identifier, now())
            settle = self._lifecycle.cancel_done if done else self._lifecycle.cancel_acknowledged
            await self._publish(settle(identifier, now()))
            return True
        return False

    # --- Evidence from the stream -------------------------------------------------------------------------------------
    async def take_event(self, message: OrderReport | AccountTrade | OrderProcessed) -> None:
        """Take an event about one order."""
        await self._publish(self._lifecycle.event(message, time.monotonic()))

    async def take_open_orders(self, message: OpenOrders, heard_at: float) -> None:
        """Take a list of open orders that came at a monotonic time, perhaps some time ago."""
        await self._publish(self._lifecycle.open_orders(message, time.monotonic(), heard_at))

    async def take_failure(self, message: OrderFailure) -> None:
        """Take FAILED_ORDER or FAILED_CANCEL_ORDER."""
        what = "a cancel" if isinstance(message, CancelFailed) else "the placement"
        identifier = message.client_order_id or message.order_id
        self._logger().info(f"VALR reports that {what} of order {identifier} failed: {message.message}")
        if not message.order_id and not message.client_order_id:
            self.doubt_all()
        elif isinstance(message, CancelFailed):
            ids = message.order_id, message.client_order_id
            await self._publish(self._lifecycle.cancel_failed(*ids, time.monotonic()))
        else:
            await self.doubt(message.order_id, message.client_order_id, message.message)

    def doubt_all(self) -> None:
        """Something unclear was said of some order: look them all up."""
        self._lifecycle.doubt_all(time.monotonic())
        self._work.set()

    def doubt_trades(self) -> None:
        """A trade does not say whose it is: ask for those of each pair."""
        self._lifecycle.doubt_trades(time.monotonic())
        self._work.set()

    async def doubt(self, order_id: str, client_order_id: str, reason: str = "") -> None:
        """Something unclear was said of an order: look it up."""
        await self._publish(self._lifecycle.failure(order_id, client_order_id, reason, time.monotonic()))

    async def take_late_reply(self, reply: CommandReply) -> None:
        """Take a reply that nobody waited for any more; a placement's clientMsgId names its order."""
        if reply.command not in (CONSTANTS.PLACE_LIMIT_ORDER, CONSTANTS.PLACE_MARKET_ORDER):
            return
        identifier = placed_order_id(reply.client_msg_id) or reply.client_order_id
        if reply.error is None and reply.order_id:
            await self._publish(
                self._lifecycle.placement_accepted(identifier, reply.order_id, time.monotonic(), proof=False)
            )
        else:
            await self.doubt("", identifier, reply.error.describe() if reply.error else "")

    # --- Wishes -------------------------------------------------------------------------------------------------------
    async def _fulfil(self, wish: Wish) -> None:
        if isinstance(wish, LookUp):
            await self._look_up(wish)
        elif isinstance(wish, FetchTrades):
            await self.fetch_trades(wish.trading_pair, wish.since if wish.again else None)
        else:
            await self._send_cancel(wish)

    async def look_up(self, client_order_id: str) -> bool:
        """Look an order up now; return False only if VALR does not know it."""
        wish = self._lifecycle.wish_lookup(client_order_id, time.monotonic())
        return True if wish is None else await self._look_up(wish)

    async def _look_up(self, wish: LookUp) -> bool:
        identifier = wish.client_order_id
        self._metrics.counters.lookups += 1
        try:
            report = await self.fetch_report(wish)
        except (ValrRequestError, ValueError) as error:
            self._warn(f"Order {identifier} could not be looked up: {error}", "lookup")
            await self._publish(self._lifecycle.lookup_failed(identifier, time.monotonic()))
            return True
        except BaseException:
            # Whatever went wrong, or whoever gave up: the lookup is no longer under way.
            self._lifecycle.lookup_failed(identifier, time.monotonic())
            self._work.set()
            raise
        if report is None:
            self._count_not_found(identifier)
            await self._publish(self._lifecycle.not_found(identifier, time.monotonic()))
            return False
        await self._publish(self._lifecycle.looked_up(identifier, report, time.monotonic()))
        return True

    def _count_not_found(self, client_order_id: str) -> None:
        # The framework's own count; it is kept for its displays, and evidence decides.
        self._tracker._order_not_found_records[client_order_id] += 1

    async def fetch_report(self, wish: LookUp) -> OrderReport | None:
        """Return what VALR says of an order, None if it knows no such order (valr-api.md 3.6).

        :raises ValrRequestError: no answer
        :raises ValueError: an answer that cannot be read
        """
        fields = {
            "symbol": self._symbol_of(wish.trading_pair),
            "order_id": wish.order_id,
            "client_order_id": wish.client_order_id,
        }
        if wish.totals and wish.order_id:
            totals = await self._ask_for_totals(CONSTANTS.ORDER_SUMMARY_BY_ID_PATH.format(**fields))
            if totals is not None:
                return totals
        path = CONSTANTS.ORDER_STATUS_BY_ID_PATH if wish.order_id else CONSTANTS.ORDER_STATUS_BY_CLIENT_ID_PATH
        report = await self._ask_for_order(path.format(**fields), parse_order_report)
        if report is not None:
            return report
        path = CONSTANTS.ORDER_DETAIL_BY_CLIENT_ID_PATH
        report = await self._ask_for_order(path.format(**fields), parse_order_history)
        if report is None and wish.order_id and wish.thorough:
            # Whoever modifies an order in VALR's app can give it another customerOrderId.
            path = CONSTANTS.ORDER_DETAIL_BY_ID_PATH
            report = await self._ask_for_order(path.format(**fields), parse_order_history)
        return report

    async def _ask_for_totals(self, path: str) -> OrderReport | None:
        """Return an order's summary, None if VALR has none, as it has for an open order."""
        try:
            return _readable(parse_order_report(await self._ask(path)))
        except (ValrRefusedError, ValrUnknownOutcomeError, ValueError):
            # How it says so is not known (valr-api.md 9); the status will say what is true.
            return None

    async def _ask_for_order(
        self, path: str, parse: Callable[[Any], OrderReport | Unreadable | None]
    ) -> OrderReport | None:
        try:
            content = await self._ask(path)
        except ValrRefusedError as error:
            if is_unknown_order(error):
                return None
            raise
        return _readable(parse(content))

    async def _ask(self, path: str) -> Any:
        """Look something up; what was not answered soon is given longer the next time, until it is answered soon again.

        A call that was lost is so repeated after some seconds, and an exchange that is slow is heard all the same.

        :raises ValrRequestError: no answer
        """
        deadline = REQUEST_DEADLINE if path in self._slow_paths else LOOKUP_DEADLINE
        began = time.monotonic()
        try:
            content = await self._request(RESTMethod.GET, path, deadline=deadline)
        except ValrUnknownOutcomeError as error:
            if error.is_overdue:
                if len(self._slow_paths) >= MOST_SLOW_PATHS:
                    self._slow_paths.clear()
                self._slow_paths.add(path)
            raise
        if time.monotonic() - began < LOOKUP_DEADLINE:
            self._slow_paths.discard(path)
        return content

    async def fetch_trades(self, trading_pair: str, since: float | None = None) -> None:
        """Fetch the account's trades of a pair and hand them in, oldest first.

        :param since: Unix seconds; by default as far back as a live order goes and an earlier fetch has not covered
        """
        reach = self._lifecycle.trades_since(trading_pair)
        if since is None:
            since = max(reach, self._trades_covered.get(trading_pair, -math.inf) - TRADES_OVERLAP)
        asked_at = self._valr_time()
        self._metrics.counters.trade_fetches += 1
        try:
            trades = await self.trades_since(trading_pair, since)
            self._trades_covered[trading_pair] = asked_at
            # Those of before have been handed in, but who was on record then is not known any more.
            complete = since <= reach
        except TooManyTradesError as error:
            self._warn(str(error), "too many trades")
            trades, complete = error.trades, False
        except (ValrRequestError, ValueError) as error:
            self._warn(f"The trades of {trading_pair} could not be fetched: {error}", "trades")
            trades, complete = [], False
        for trade in reversed(trades):
            await self.take_event(trade)
        await self._publish(self._lifecycle.trades_fetched(trading_pair, time.monotonic(), complete=complete))

    async def trades_since(self, trading_pair: str, since: float) -> list[AccountTrade]:
        """Return the account's trades of a pair back to ``since`` (Unix seconds), newest first.

        :raises TooManyTradesError: there are more than can be asked for
        :raises ValrRequestError: no answer
        :raises ValueError: an answer that cannot be read
        """
        symbol = self._symbol_of(trading_pair)
        trades: list[AccountTrade] = []
        for page in range(MAX_TRADE_PAGES):
            path = CONSTANTS.PAIR_TRADE_HISTORY_PATH.format(
                symbol=symbol, skip=page * CONSTANTS.TRADE_HISTORY_PAGE, limit=CONSTANTS.TRADE_HISTORY_PAGE
            )
            # All but the newest are asked for after long absences only.
            rows = parse_trades(await (self._request(RESTMethod.GET, path) if page else self._ask(path)))
            for row in rows:
                if isinstance(row, Unreadable):
                    self._warn(f"A trade of {trading_pair} cannot be read: {row.problem}", "unreadable trade")
                else:
                    trades.append(row)
            if len(rows) < CONSTANTS.TRADE_HISTORY_PAGE or (trades and trades[-1].traded_at < since):
                return trades
        raise TooManyTradesError(trading_pair, trades)

    # --- Polling ------------------------------------------------------------------------------------------------------
    async def poll(self) -> None:
        """Ask in as few calls as VALR allows, then for each order that the list did not prove open.

        Orders that the framework has given up as lost are left to :meth:`poll_lost`.
        """
        lost = self._tracker.lost_orders
        asked = [each for each in self._lifecycle.known_ids if each not in lost]
        if self._lifecycle.live_ids or self._lifecycle.has_given_up:
            listed = await self._poll_open_orders()
            await safe_gather(*(self.look_up(each) for each in asked if each not in listed))
        # In order, as everything that is sent: what happens must not depend on how Python hashes names.
        pairs = dict.fromkeys(order.trading_pair for order in self._tracker.all_updatable_orders.values())
        due = sorted(pairs, key=lambda each: self._trades_polled_at.get(each, -math.inf))[:PAIRS_A_POLL]
        self._trades_polled_at.update(dict.fromkeys(due, time.monotonic()))
        await safe_gather(*map(self.fetch_trades, due))

    async def poll_lost(self) -> None:
        """Ask for the orders the framework has given up; one that has ended, or that VALR does not know, is let go.

        A stray is not let go while it may still show: its fills are told as long as the framework keeps it.
        """
        for identifier, order in self._tracker.lost_orders.items():
            await self.fetch_trades(order.trading_pair)
            is_known = await self.look_up(identifier) or self._lifecycle.is_stray(identifier)
            if not is_known or not self._lifecycle.is_live(identifier):
                await self._update_tracker(Ended(identifier, "", order.trading_pair, End.FAILED), OrderState.FAILED)

    async def _poll_open_orders(self) -> set[str]:
        self._metrics.counters.open_order_fetches += 1
        try:
            rows = await self._request(RESTMethod.GET, CONSTANTS.OPEN_ORDERS_PATH)
        except ValrRequestError as error:
            self._warn(f"The open orders could not be fetched: {error}", "open orders")
            return set()
        message = parse_open_orders(rows)
        if isinstance(message, Unreadable):
            self._warn(f"The list of open orders cannot be read: {message.problem}", "unreadable open orders")
            return set()
        await self.take_open_orders(message, time.monotonic())
        return self._lifecycle.ids_in(message)

    # --- Outcomes -----------------------------------------------------------------------------------------------------
    async def _publish(self, outcomes: Iterable[Outcome]) -> None:
        """Tell Hummingbot, strictly in order; nothing here waits, so no other evidence comes in between."""
        self._outcomes.extend(outcomes)
        while self._outcomes:
            outcome = self._outcomes.popleft()
            if isinstance(outcome, Fill):
                self._tell_fill(outcome)
            else:
                await self._tell(outcome)
        self._wake_in_time()
        self._news.set()

    def _wake_in_time(self) -> None:
        # Most evidence asks for nothing: to wake the loop for it costs as much as to tell it.
        due = self._lifecycle.next_due()
        if due is not None and due < self._rests_until:
            self._work.set()

    def _publish_soon(self, outcomes: list[Outcome]) -> None:
        if outcomes:
            self._outcomes.extend(outcomes)
            safe_ensure_future(self._publish(()))
        self._work.set()

    async def _tell(self, outcome: Progress | Ended | Notice) -> None:
        if isinstance(outcome, Notice):
            self._log(outcome)
        elif isinstance(outcome, Progress):
            known_at = time.monotonic()
            await self._update_tracker(outcome, STATES[outcome.stage])
            if outcome.stage is Stage.OPEN:
                self._note_open(outcome, known_at)
        else:
            await self._tell_end(outcome)
            # What an earlier run wrote down and VALR never had is no order that failed.
            if not outcome.stray or outcome.end is not End.FAILED:
                self._metrics.order_ended(
                    outcome.client_order_id,
                    outcome.trading_pair,
                    outcome.end.value,
                    outcome.reason,
                    proven=outcome.proven,
                )

    def _note_open(self, progress: Progress, known_at: float) -> None:
        self._latency.opened(progress.client_order_id, known_at)
        self._metrics.order_opened(progress.client_order_id, progress.trading_pair)
        placement, sent_at = self._placed.pop(progress.client_order_id, (None, 0.0))
        if placement is not None and placement.price is not None:
            self._on_open(progress.trading_pair, placement.is_buy, placement.price, sent_at)

    def _log(self, notice: Notice) -> None:
        logger = self._logger()
        speak = {Level.INFO: logger.info, Level.WARNING: logger.warning, Level.ERROR: logger.error}
        speak[notice.level](notice.text)
        if notice.concern is Concern.STRAY:
            self._metrics.stray_found(notice.trading_pair, notice.text)
        elif notice.concern is Concern.UNEXPECTED_FILL:
            self._metrics.unexpected_fill(notice.trading_pair, notice.text)

    def _tell_fill(self, fill: Fill) -> None:
        trade = fill.trade
        identifier = fill.client_order_id
        order = self._tracker.fetch_tracked_order(identifier) or self._tracker.all_fillable_orders.get(identifier)
        if order is not None:
            self._tracker.process_trade_update(self._trade_update(order, trade))
        # Last, here as elsewhere: whatever is wrong with a count, what happened has been told.
        self._metrics.filled(
            fill.client_order_id,
            trade.order_id,
            trade.trade_id,
            fill.trading_pair,
            trade.side,
            trade.price,
            trade.quantity,
            trade.fee,
            trade.fee_currency,
            trade.traded_at,
        )

    async def _tell_end(self, ended: Ended) -> None:
        known_at = time.monotonic()
        if not ended.stray:
            problem = None
            if ended.end is End.FILLED:
                order = self._tracker.fetch_order(ended.client_order_id)
                if order is not None:
                    # Every fill VALR reports has been told: the tracker's own wait for them has nothing to wait for.
                    order.completely_filled_event.set()
            elif ended.end is End.FAILED:
                problem = {"error_message": ended.reason, "error_type": ended.error_type or "ValrOrderFailed"}
            await self._update_tracker(ended, ENDS[ended.end], problem)
        self._placed.pop(ended.client_order_id, None)
        self._latency.ended(ended.client_order_id, known_at, cancelled=ended.end is End.CANCELLED)
        if ended.proven:
            self._forget(ended.client_order_id)

    def _forget(self, client_order_id: str) -> None:
        try:
            self._journal.remove(client_order_id)
        except OSError as error:
            # At worst the order is looked up once more after the next start.
            self._warn(f"The order journal could not be written: {error}", "journal")

    async def _update_tracker(
        self, outcome: Progress | Ended, state: OrderState, misc_updates: dict[str, str] | None = None
    ) -> None:
        update = OrderUpdate(
            client_order_id=outcome.client_order_id,
            exchange_order_id=outcome.order_id or None,
            trading_pair=outcome.trading_pair,
            update_timestamp=self._event_time(),
            new_state=state,
            misc_updates=misc_updates,
        )
        # Awaited, not scheduled: the tracker takes updates in the order in which they become true.
        await self._tracker._process_order_update(update)


def is_unknown_order(error: ValrRefusedError) -> bool:
    """Whether a lookup was refused because VALR knows no such order: 400 with code -1, or 404 (valr-api.md 9)."""
    return error.status == 404 or error.code == CONSTANTS.ERROR_INVALID_ORDER


def _readable(report: OrderReport | Unreadable | None) -> OrderReport | None:
    if isinstance(report, Unreadable):
        raise ValueError(f"VALR's {report.kind} cannot be read: {report.problem}")
    return report
