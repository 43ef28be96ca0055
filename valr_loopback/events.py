"""What the engine says happened, in the order the account socket tells it (valr-api.md 6.2)."""

from dataclasses import dataclass
from decimal import Decimal

from valr_loopback.errors import RefusalError
from valr_loopback.matching import BookEntry
from valr_loopback.orders import AccountTrade, Order, PublicTrade, Transition


@dataclass(frozen=True, slots=True)
class OrderProcessed:
    """The outcome of a placement: ``reason`` is empty on success."""

    order: Order
    reason: str = ""


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """One order changed state; ``resting`` marks an order that came to rest untouched."""

    order: Order
    transition: Transition
    resting: bool = False


@dataclass(frozen=True, slots=True)
class Traded:
    """One side of a trade."""

    trade: AccountTrade


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """The ledger record of one side of a trade."""

    trade: AccountTrade


@dataclass(frozen=True, slots=True)
class OpenOrdersChanged:
    """The list of open orders of an account is another one now."""

    account_id: str


@dataclass(frozen=True, slots=True)
class BalanceChanged:
    """A balance of an account is another one now."""

    account_id: str
    currency: str


@dataclass(frozen=True, slots=True)
class CancelFailed:
    """A cancel found no open order; one of the ids can be empty."""

    account_id: str
    order_id: str
    client_order_id: str


@dataclass(frozen=True, slots=True)
class Modified:
    """The outcome of a modify request; ``refusal`` says why nothing was changed."""

    account_id: str
    order_id: str
    client_order_id: str
    request_id: str
    refusal: RefusalError | None


@dataclass(frozen=True, slots=True)
class BookChanged:
    """The book of a pair changed by these entries, in this sequence."""

    symbol: str
    entries: list[BookEntry]
    at_ms: int


@dataclass(frozen=True, slots=True)
class PublicTraded:
    """A trade happened, for everybody to see."""

    trade: PublicTrade


@dataclass(frozen=True, slots=True)
class PairChanged:
    """A pair was activated or deactivated."""

    symbol: str


AccountEvent = (
    OrderProcessed | OrderChanged | Traded | LedgerEntry | OpenOrdersChanged | BalanceChanged | CancelFailed | Modified
)


@dataclass(frozen=True, slots=True)
class PastTrades:
    """Trades of the time before the exchange opened: (epoch milliseconds, price, quantity), oldest first."""

    symbol: str
    trades: list[tuple[int, Decimal, Decimal]]


MarketEvent = BookChanged | PublicTraded | PairChanged | PastTrades
Event = AccountEvent | MarketEvent


class Turn:
    """Collects what one command did, and puts it in VALR's order when the command is done."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._ledger: list[Event] = []
        self._balances: dict[str, dict[str, None]] = {}
        self._lists: dict[str, None] = {}
        self._market: list[Event] = []

    def say(self, event: AccountEvent) -> None:
        """Tell an account something, next in sequence."""
        self._events.append(event)

    def trade(self, trade: AccountTrade) -> None:
        """Tell an account of its trade now, and of its ledger record at the end."""
        self._events.append(Traded(trade))
        self._ledger.append(LedgerEntry(trade))

    def market(self, event: MarketEvent) -> None:
        """Tell everybody something."""
        self._market.append(event)

    def balance(self, account_id: str, currency: str) -> None:
        """Note that a balance changed: it is told once, with its last value."""
        self._balances.setdefault(account_id, {})[currency] = None

    def relist(self, account_id: str) -> None:
        """Note that a list of open orders changed: it is told once."""
        self._lists[account_id] = None

    def finish(self, balances_first: str = "") -> list[Event]:
        """Return the events. An account that took liquidity hears of its balances before its list (6.2, case 7)."""
        early = self._balances.pop(balances_first, {})
        events = [*self._events, *(BalanceChanged(balances_first, currency) for currency in early)]
        events += [OpenOrdersChanged(account_id) for account_id in self._lists]
        for account_id, currencies in self._balances.items():
            events += [BalanceChanged(account_id, currency) for currency in currencies]
        return [*self._market, *events, *self._ledger]
