"""Where each event of the account socket goes (valr-api.md 4.3)."""

import logging
import time
from collections.abc import Callable

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_balances import BalanceBook
from hummingbot.connector.exchange.valr.valr_latency import LatencyRecorder
from hummingbot.connector.exchange.valr.valr_messages import (
    AccountMessage,
    AccountTrade,
    Balance,
    CancelFailed,
    CommandReply,
    ModifyOutcome,
    OpenOrders,
    OrderProcessed,
    OrderReport,
    PlacementFailed,
    SocketError,
    Unknown,
    Unreadable,
)
from hummingbot.connector.exchange.valr.valr_metrics import Counters
from hummingbot.connector.exchange.valr.valr_order_keeper import OrderKeeper

# What may concern any of our orders when it does not say which.
ORDER_EVENTS = frozenset(
    {
        CONSTANTS.ORDER_STATUS_UPDATE,
        CONSTANTS.ORDER_PROCESSED,
        CONSTANTS.FAILED_ORDER,
        CONSTANTS.FAILED_CANCEL_ORDER,
    }
)


class AccountEvents:
    """Hands each event to whom it concerns, counts it, and records how old it is.

    :param valr_time: VALR's clock, Unix seconds
    :param warn: warns, but not of the same kind of trouble over and over; returns whether it did
    """

    def __init__(
        self,
        keeper: OrderKeeper,
        balances: BalanceBook,
        latency: LatencyRecorder,
        counters: Counters,
        valr_time: Callable[[], float],
        warn: Callable[[str, str], bool],
        logger: Callable[[], logging.Logger],
    ) -> None:
        self._keeper = keeper
        self._balances = balances
        self._latency = latency
        self._counters = counters
        self._valr_time = valr_time
        self._warn = warn
        self._logger = logger

    async def take(self, message: AccountMessage, heard_at: float) -> None:
        """Take one parsed event that came at a monotonic time, perhaps some time ago.

        :raises ValueError: the frame is not an event at all
        """
        # Most events by far are of these kinds; isinstance would ask pydantic's metaclass.
        if type(message) is OrderReport or type(message) is AccountTrade or type(message) is OrderProcessed:
            await self._keeper.take_event(message)
        elif type(message) is Balance:
            self._balances.apply(message, heard_at)
        elif type(message) is OpenOrders:
            await self._keeper.take_open_orders(message, heard_at)
        else:
            await self._take_rarity(message)
        # Last: what happened is told first.
        self._counters.account_events += 1
        self._record_age(message, heard_at)

    async def _take_rarity(self, message: AccountMessage) -> None:
        if isinstance(message, CancelFailed | PlacementFailed):
            await self._keeper.take_failure(message)
        elif isinstance(message, CommandReply):
            await self._keeper.take_late_reply(message)
        elif isinstance(message, Unreadable):
            self._counters.account_events_unreadable += 1
            await self._doubt_what_it_concerns(message)
        elif isinstance(message, ModifyOutcome):
            await self._keeper.doubt(message.order_id, message.client_order_id)
        elif isinstance(message, Unknown):
            self._counters.account_events_unreadable += 1
            self._doubt_all_because_of(message)
        elif isinstance(message, SocketError):
            text = f"VALR reports an error on the account socket: {message.message}"
            self._warn(text, f"socket error {message.message:.100}")

    def _doubt_all_because_of(self, message: Unknown) -> None:
        # It may be news of an order; a kind that comes in crowds must not eat up the rate limit.
        if self._warn(
            f"VALR sent an event of unknown type {message.kind}; every live order is looked up.",
            f"event {message.kind}",
        ):
            self._keeper.doubt_all()

    def _record_age(self, message: AccountMessage, heard_at: float) -> None:
        happened_at = None
        if isinstance(message, OrderReport):
            happened_at = message.updated_at
        elif isinstance(message, AccountTrade):
            happened_at = message.traded_at
        if happened_at is not None:
            self._latency.event(self._valr_time() - (time.monotonic() - heard_at) - happened_at)

    async def _doubt_what_it_concerns(self, message: Unreadable) -> None:
        if message.kind == "frame":
            raise ValueError("a frame of the account socket is not a typed object")
        self._warn(f"A {message.kind} of VALR cannot be read: {message.problem}", f"unreadable {message.kind}")
        if message.order_id or message.client_order_id:
            await self._keeper.doubt(message.order_id, message.client_order_id)
        elif message.kind == CONSTANTS.NEW_ACCOUNT_TRADE:
            self._keeper.doubt_trades()
        elif message.kind in ORDER_EVENTS:
            self._keeper.doubt_all()
