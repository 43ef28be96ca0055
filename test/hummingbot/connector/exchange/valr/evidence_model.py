"""A small exchange of one account: the truth that evidence is about, and every frame an honest VALR would send of it.

Independent of the connector and of the loopback exchange. It does no matching: a story says when an order is filled,
and the exchange only keeps the books and refuses what cannot be. Times are seconds of the story's own clock; stamps on
the wire are that clock counted from ``EPOCH``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from .evidence_timeline import Timeline

EPOCH = 1_750_000_000.0
PRICE = Decimal(1_000_000)
SYMBOLS = {"BTC-ZAR": "BTCZAR", "ETH-ZAR": "ETHZAR"}

PLACED, PARTIALLY_FILLED, MODIFIED = "Placed", "Partially Filled", "Order Modified"
FILLED, CANCELLED, FAILED, EXPIRED = "Filled", "Cancelled", "Failed", "Expired"
SLIPPED = "Partially Filled Due To Slippage"

Row = dict[str, Any]


def stamp(at: float) -> str:
    """Return a moment of the story as VALR writes it."""
    return datetime.fromtimestamp(EPOCH + at, UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True)
class State:
    """What was true of an order from ``at`` on."""

    at: float
    word: str
    quantity: Decimal
    filled: Decimal
    reason: str = ""
    ended: bool = False


@dataclass(frozen=True)
class Trade:
    """One fill."""

    trade_id: str
    at: float
    quantity: Decimal
    fee: Decimal


@dataclass(eq=False)
class Order:
    """An order that reached the exchange, with all its history.

    ``client_order_id`` may be empty (VALR's app). ``asked`` is the quantity the bot asked for, 0 if it named an amount
    to spend instead. An ``immediate`` order trades on arrival and never rests; ``order_type`` is VALR's word.
    """

    order_id: str
    client_order_id: str
    trading_pair: str
    asked: Decimal
    immediate: bool
    order_type: str
    states: list[State]
    trades: list[Trade] = field(default_factory=list)

    @property
    def state(self) -> State:
        """What is true now."""
        return self.states[-1]

    @property
    def live(self) -> bool:
        """Whether it can still trade."""
        return not self.state.ended

    @property
    def opened(self) -> bool:
        """Whether it ever stood on the book or traded; a refused one did not."""
        return self.states[0].word != FAILED

    @property
    def end(self) -> str:
        """How it ended, in the three words a strategy knows (valr-api.md 6.1)."""
        state = self.state
        if state.word == FILLED or state.filled >= self.asked > 0:
            return "filled"
        if state.filled or state.word not in (FAILED, EXPIRED):
            return "cancelled"
        return "failed"

    def as_of(self, when: float) -> State | None:
        """Return what was true at ``when``, None before it existed."""
        return next((state for state in reversed(self.states) if state.at <= when), None)

    def shown_within(self, since: float) -> list[State | None]:
        """Return all that was true at some moment from ``since`` to now, None if it did not exist yet at first."""
        return [self.as_of(since), *(state for state in self.states if state.at > since)]


class Exchange:
    """Keeps every order of the account and publishes what happens to it.

    :param timeline: the story's time
    :param publish: takes ``(type, data)`` of every event of the account socket but OPEN_ORDERS_UPDATE, for which the
        data is None: the list is made when it is sent
    """

    def __init__(self, timeline: Timeline, publish: Callable[[str, Row | None], None]) -> None:
        self._timeline = timeline
        self._publish = publish
        self.orders: dict[str, Order] = {}
        self.by_client_id: dict[str, Order] = {}

    # --- What can happen ----------------------------------------------------------------------------------------------
    def place(
        self,
        client_order_id: str,
        trading_pair: str,
        quantity: Decimal,
        *,
        immediate: bool = False,
        order_type: str = "limit",
        failure: str = "",
        asked: Decimal | None = None,
    ) -> Order:
        """Take an order in, or let it fail on arrival with ``failure``."""
        assert client_order_id not in self.by_client_id, "an order was placed twice"
        word = FAILED if failure else PLACED
        first = State(self._timeline.now, word, quantity, Decimal(0), failure, ended=bool(failure))
        asked = quantity if asked is None else asked
        order = Order(f"id-{len(self.orders)}", client_order_id, trading_pair, asked, immediate, order_type, [first])
        self.orders[order.order_id] = order
        if client_order_id:
            self.by_client_id[client_order_id] = order
        self._publish("ORDER_PROCESSED", {**_ids(order), "success": not failure, "failureReason": failure})
        if failure:
            self._publish("FAILED_ORDER", {"orderId": order.order_id, "message": failure})
        if not immediate or failure:
            self._publish_state(order)
        return order

    def fill(self, order: Order, quantity: Decimal) -> None:
        """Trade a part of an order; what is more than its remainder does not trade."""
        state = order.state
        quantity = min(quantity, state.quantity - state.filled)
        if state.ended or not quantity:
            return
        number = sum(len(each.trades) for each in self.orders.values())
        trade = Trade(f"trade-{number}", self._timeline.now, quantity, Decimal(number) / 1000)
        order.trades.append(trade)
        filled = state.filled + quantity
        done = filled == state.quantity
        self._publish("NEW_ACCOUNT_TRADE", trade_row(order, trade))
        self._turn(order, FILLED if done else PARTIALLY_FILLED, state.quantity, filled, ended=done)

    def finish(self, order: Order, word: str, reason: str = "") -> bool:
        """End an order; return False if it had ended. ``Partially Filled`` drops a market remainder without a word."""
        state = order.state
        if state.ended:
            return False
        self._turn(order, word, state.quantity, state.filled, reason, ended=True)
        return True

    def modify(self, order: Order, quantity: Decimal) -> None:
        """The account's owner changes the total quantity; less than what is filled cancels the order."""
        state = order.state
        if state.ended:
            return
        if quantity <= state.filled:
            self.finish(order, CANCELLED)
        else:
            self._turn(order, MODIFIED, quantity, state.filled)
        self._publish("MODIFY_ORDER_OUTCOME", {**_ids(order), "success": True})

    def refuse_cancel(self, order_id: str, client_order_id: str) -> None:
        """Say that a cancel was not done."""
        ids = {"orderId": order_id} if order_id else {"customerOrderId": client_order_id}
        self._publish("FAILED_CANCEL_ORDER", {**ids, "message": "An error occurred while cancelling your order."})

    def _turn(
        self, order: Order, word: str, quantity: Decimal, filled: Decimal, reason: str = "", *, ended: bool = False
    ) -> None:
        order.states.append(State(self._timeline.now, word, quantity, filled, reason, ended))
        self._publish_state(order)

    def _publish_state(self, order: Order) -> None:
        self._publish("ORDER_STATUS_UPDATE", status_row(order, order.state))
        self._publish("OPEN_ORDERS_UPDATE", None)

    # --- What can be asked --------------------------------------------------------------------------------------------
    def find(self, order_id: str, client_order_id: str) -> Order | None:
        """Return an order by VALR's id if it is given, else by the client's."""
        return self.orders.get(order_id) if order_id else self.by_client_id.get(client_order_id)

    def open_rows(self, fresh: float = 0.0, stale: float = 0.0) -> list[Row]:
        """Return the list of open orders, without those younger than ``fresh``, with those ended within ``stale``."""
        now = self._timeline.now
        rows = []
        for order in self.orders.values():
            if order.states[0].at > now - fresh or not order.opened:
                continue
            shown = order.state if order.live else order.as_of(now - stale)
            if shown is not None and not shown.ended and not order.immediate:
                rows.append(open_row(order, shown))
        return rows

    def trades_since(self, trading_pair: str, since: float, lag: float = 0.0) -> list[Row]:
        """Return the trades of a pair from ``since`` (Unix seconds) until ``lag`` seconds ago, newest first."""
        until = self._timeline.now - lag
        trades = [
            (trade.at, trade_row(order, trade))
            for order in self.orders.values()
            if order.trading_pair == trading_pair
            for trade in order.trades
            if since - EPOCH <= trade.at <= until
        ]
        return [row for _, row in sorted(trades, key=lambda each: each[0], reverse=True)]


# --- Rows of the wire -------------------------------------------------------------------------------------------------
def _ids(order: Order) -> Row:
    ids = {"orderId": order.order_id}
    return {**ids, "customerOrderId": order.client_order_id} if order.client_order_id else ids


def status_row(order: Order, state: State) -> Row:
    """Return ORDER_STATUS_UPDATE, or the answer of a status lookup."""
    return {
        **_ids(order),
        "orderStatusType": state.word,
        "currencyPair": SYMBOLS[order.trading_pair],
        "originalPrice": str(PRICE),
        "originalQuantity": str(state.quantity),
        "remainingQuantity": str(state.quantity - state.filled),
        "orderSide": "buy",
        "orderType": order.order_type,
        "timeInForce": "IOC" if order.immediate else "GTC",
        "failedReason": state.reason,
        "orderUpdatedAt": stamp(state.at),
    }


def summary_row(order: Order, state: State) -> Row:
    """Return the summary of an order that has ended: its status and the total executed."""
    return {**status_row(order, state), "totalExecutedQuantity": str(state.filled)}


def open_row(order: Order, state: State) -> Row:
    """Return a row of OPEN_ORDERS_UPDATE; ``quantity`` is what remains."""
    return {
        **_ids(order),
        "side": "buy",
        "quantity": str(state.quantity - state.filled),
        "price": str(PRICE),
        "currencyPair": SYMBOLS[order.trading_pair],
        "originalQuantity": str(state.quantity),
        "status": state.word,
        "updatedAt": stamp(state.at),
    }


def trade_row(order: Order, trade: Trade) -> Row:
    """Return NEW_ACCOUNT_TRADE, or a row of the trade history."""
    return {
        **_ids(order),
        "id": trade.trade_id,
        "price": str(PRICE),
        "quantity": str(trade.quantity),
        "currencyPair": SYMBOLS[order.trading_pair],
        "tradedAt": stamp(trade.at),
        "side": "buy",
        "fee": str(trade.fee),
        "feeCurrency": "BTC",
    }
