"""The orders and trades of one account."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from valr_loopback.orders import AccountTrade, Order


@dataclass(slots=True)
class Portfolio:
    """What one account has placed and traded. With ``keep`` false nothing is remembered past its end.

    ``claimed`` maps the client ids of queued and open orders to order ids: those must not be used twice.
    """

    keep: bool = True
    open: dict[str, Order] = field(default_factory=dict)
    claimed: dict[str, str] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    latest: dict[str, str] = field(default_factory=dict)
    trades: list[AccountTrade] = field(default_factory=list)
    most_open: int = 0

    def accept(self, order: Order) -> None:
        """Remember a new order and claim its client id."""
        self.orders[order.id] = order
        if order.client_order_id:
            self.claim(order)

    def claim(self, order: Order) -> None:
        """Let a client id stand for this order."""
        self.claimed[order.client_order_id] = order.id
        self.latest[order.client_order_id] = order.id

    def rest(self, order: Order) -> None:
        """Note that an order is on the book."""
        self.open[order.id] = order
        self.most_open = max(self.most_open, len(self.open))

    def end(self, order: Order) -> None:
        """Note that an order has ended and free its client id."""
        self.open.pop(order.id, None)
        self.claimed.pop(order.client_order_id, None)
        if not self.keep:
            del self.orders[order.id]
            self.latest.pop(order.client_order_id, None)

    def find(self, order_id: str = "", client_order_id: str = "") -> Order | None:
        """Return an order by either id; by client id the latest that carried it (valr-api.md 3.6)."""
        return self.orders.get(order_id or self.latest.get(client_order_id, ""))

    def newest_first(self) -> Iterator[Order]:
        """Walk every remembered order, newest first."""
        return reversed(self.orders.values())
