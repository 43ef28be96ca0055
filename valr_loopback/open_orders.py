"""The open orders of an account as lists tell them: they may lack fresh ones and still hold ended ones (4.3, 6.2)."""

from collections import defaultdict, deque
from collections.abc import Iterator

from valr_loopback import events, messages
from valr_loopback.exchange import Exchange
from valr_loopback.fault_kinds import FaultKind
from valr_loopback.faults import FaultPlan, about
from valr_loopback.messages import Json
from valr_loopback.orders import ENDED, Order

OPEN_ORDERS_PATH = "/v1/orders/open"
_EVENT = "OPEN_ORDERS_UPDATE"
_ENDED_KEPT = 1_000


class OpenOrders:
    """Writes the rows of the list that accounts are sent and of the one they can ask for."""

    def __init__(self, exchange: Exchange, faults: FaultPlan) -> None:
        self._exchange = exchange
        self._faults = faults
        self._rows: dict[str, str] = {}
        self._ended: dict[str, deque[Order]] = defaultdict(lambda: deque(maxlen=_ENDED_KEPT))
        exchange.listen(self.on_event)

    def on_event(self, event: events.Event) -> None:
        """Forget the row of an order that changed, and remember the order if it has ended."""
        if isinstance(event, events.OrderChanged):
            self._rows.pop(event.order.id, None)
            if event.order.status in ENDED and len(event.order.history) > 1:
                self._ended[event.order.account_id].append(event.order)

    def count(self, account_id: str) -> int:
        """Return how many orders are open."""
        return len(self._exchange.engine.portfolios[account_id].open)

    def frame(self, account_id: str) -> str:
        """Write OPEN_ORDERS_UPDATE."""
        rows = [self._row(order) for order in self._exchange.open_orders(account_id) if not self._is_missing(order)]
        rows += [messages.encode(row) for row in self._stale(account_id, event=True)]
        return f'{{"type":"{_EVENT}","data":[{",".join(rows)}]}}'

    def stale_rows(self, account_id: str) -> list[Json]:
        """Return the rows of ended orders that the call for open orders still has."""
        return list(self._stale(account_id, event=False))

    def _row(self, order: Order) -> str:
        row = self._rows.get(order.id)
        if row is None:
            row = self._rows[order.id] = messages.encode(messages.open_order(order, event=True))
        return row

    def _is_missing(self, order: Order) -> bool:
        kind = FaultKind.OPEN_ORDERS_MISSING_FRESH
        return self._faults.holds(kind) and self._faults.strike_young(
            kind, about(order, event=_EVENT), self._age(order.created_ms)
        )

    def _stale(self, account_id: str, *, event: bool) -> Iterator[Json]:
        if not self._faults.holds(FaultKind.OPEN_ORDERS_STALE):
            return
        for order in self._ended[account_id]:
            subject = about(order, event=_EVENT if event else "", path=OPEN_ORDERS_PATH)
            age = self._age(order.updated_ms)
            if self._faults.strike_young(FaultKind.OPEN_ORDERS_STALE, subject, age):
                yield messages.open_order_before(order, order.history[-2], event=event)

    def _age(self, since_ms: int) -> float:
        return (self._exchange.now_ms() - since_ms) / 1000
