"""Everything that can change the exchange, as values that can be written down and run again (see ``state``).

A command holds its time and every other input. Running the same commands in the same order on equal exchanges leaves
them equal, down to the ids. ``at_ms`` is in epoch milliseconds.
"""

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from valr_loopback.accounts import Account
from valr_loopback.auth import ApiKey
from valr_loopback.errors import RefusalError
from valr_loopback.events import Modified, PastTrades
from valr_loopback.orders import Order
from valr_loopback.requests import CancelRequest, LimitRequest, MarketRequest, ModifyRequest

if TYPE_CHECKING:
    from valr_loopback.exchange import Exchange


class Command[Result](Protocol):
    """What ``Exchange.perform`` takes."""

    def run(self, exchange: "Exchange") -> Result:
        """Do it, and tell the exchange's listeners of it.

        Raises:
            RefusalError: if it is refused at once.
        """
        ...


class OpenAccount(NamedTuple):
    """Open an account with money from outside."""

    at_ms: int
    account_id: str
    balances: dict[str, Decimal]
    label: str
    parent_id: str
    quiet: bool

    def run(self, exchange: "Exchange") -> Account:
        """Return the account."""
        return exchange.engine.open_account(
            self.account_id,
            self.balances,
            label=self.label,
            parent_id=self.parent_id,
            quiet=self.quiet,
            now_ms=self.at_ms,
        )


class AddKey(NamedTuple):
    """Make an API key for an account."""

    at_ms: int
    account_id: str
    permissions: tuple[str, ...]
    label: str

    def run(self, exchange: "Exchange") -> ApiKey:
        """Return the key."""
        return exchange.keys.add(self.account_id, self.at_ms, self.permissions, self.label)


class AcceptLimit(NamedTuple):
    """Check, number and queue a limit order."""

    at_ms: int
    account_id: str
    request: LimitRequest
    visible_at_ms: int

    def run(self, exchange: "Exchange") -> Order:
        """Return the queued order."""
        order = exchange.engine.accept_limit(self.account_id, self.request, self.at_ms, self.visible_at_ms)
        exchange.waiting[order.id] = order
        return order


class AcceptMarket(NamedTuple):
    """Check, number and queue a market order."""

    at_ms: int
    account_id: str
    request: MarketRequest
    visible_at_ms: int

    def run(self, exchange: "Exchange") -> Order:
        """Return the queued order."""
        order = exchange.engine.accept_market(self.account_id, self.request, self.at_ms, self.visible_at_ms)
        exchange.waiting[order.id] = order
        return order


class Cancel(NamedTuple):
    """Cancel one open order."""

    at_ms: int
    account_id: str
    request: CancelRequest

    def run(self, exchange: "Exchange") -> Order | None:
        """Return the order, ``None`` if there was none to cancel."""
        order, events = exchange.engine.cancel(self.account_id, self.request, self.at_ms)
        exchange.tell(events)
        return order


class CancelAll(NamedTuple):
    """Cancel every open order of an account, of one pair or of all."""

    at_ms: int
    account_id: str
    pair: str

    def run(self, exchange: "Exchange") -> list[Order]:
        """Return the orders."""
        orders = exchange.engine.open_orders(self.account_id, self.pair)
        for order in orders:
            exchange.tell(exchange.engine.cancel_order(order, self.at_ms))
        return orders


class Modify(NamedTuple):
    """Change an open order."""

    at_ms: int
    account_id: str
    request: ModifyRequest
    request_id: str

    def run(self, exchange: "Exchange") -> RefusalError | None:
        """Return why nothing was changed, if so."""
        refusal = None
        for events in exchange.engine.modify(self.account_id, self.request, self.request_id, self.at_ms):
            exchange.tell(events)
            refusal = next((event.refusal for event in events if isinstance(event, Modified)), None)
        return refusal


Postponed = Cancel | CancelAll | Modify
"""Commands that can be taken now and run later."""


class RunWaiting(NamedTuple):
    """Run what was taken before: bring an order to the book, or run a postponed command."""

    at_ms: int
    key: str

    def run(self, exchange: "Exchange") -> Any:
        """Return the outcome of the postponed command."""
        taken = exchange.waiting.pop(self.key)
        if isinstance(taken, Order):
            return exchange.tell(exchange.engine.execute(taken, self.at_ms))
        return taken._replace(at_ms=self.at_ms).run(exchange)


class SetActive(NamedTuple):
    """Activate or deactivate a pair; deactivating cancels its open orders."""

    at_ms: int
    pair: str
    active: bool

    def run(self, exchange: "Exchange") -> None:
        """Do it."""
        for events in exchange.engine.set_active(self.pair, self.active, self.at_ms):
            exchange.tell(events)


class WriteHistory(NamedTuple):
    """Add trades of the time before the exchange opened to a pair's candles: (time, price, quantity), oldest first."""

    pair: str
    trades: list[tuple[int, Decimal, Decimal]]

    def run(self, exchange: "Exchange") -> None:
        """Do it."""
        exchange.tell([PastTrades(self.pair, self.trades)])
