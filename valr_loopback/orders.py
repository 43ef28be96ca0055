"""Orders, their transitions, and trades."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from valr_loopback.decimals import ZERO, to_text
from valr_loopback.pairs import Pair


class Side(StrEnum):
    """The side of an order as events and answers write it."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> "Side":
        """The side this one trades with."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    """Order type words of answers (valr-api.md 3.6)."""

    LIMIT = "limit"
    POST_ONLY = "post-only limit"
    MARKET = "market"


class TimeInForce(StrEnum):
    """How long an order may wait for its other side."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class Status(StrEnum):
    """Status words (valr-api.md 6.1). ``QUEUED`` is ours: taken, numbered, and shown to nobody yet."""

    QUEUED = "Queued"
    PLACED = "Placed"
    PARTIALLY_FILLED = "Partially Filled"
    MODIFIED = "Order Modified"
    FILLED = "Filled"
    CANCELLED = "Cancelled"
    FAILED = "Failed"
    SLIPPED = "Partially Filled and Cancelled Due To Slippage"


ENDED = frozenset({Status.FILLED, Status.CANCELLED, Status.FAILED, Status.SLIPPED})


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of an order's state: a row of its history and an ORDER_STATUS_UPDATE."""

    status: Status
    price: Decimal
    quantity: Decimal
    remaining: Decimal
    failed_reason: str
    at_ms: int
    executed_price: Decimal = ZERO
    executed_quantity: Decimal = ZERO
    executed_fee: Decimal = ZERO


@dataclass(slots=True, eq=False)
class Order:
    """An order. Quantities are in base, ``price`` (0 for market orders), ``quote_amount`` and ``total`` in quote.

    ``reserved`` is what the order now holds of the currency it gives away; ``visible_at_ms`` is when lookups begin to
    find it; ``fee`` sums positive fees only, rewards are in the trades.
    """

    id: str
    account_id: str
    pair: Pair
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    price: Decimal
    quantity: Decimal
    created_ms: int
    client_order_id: str = ""
    quote_amount: Decimal | None = None
    visible_at_ms: int = 0
    remaining: Decimal = ZERO
    status: Status = Status.QUEUED
    failed_reason: str = ""
    updated_ms: int = 0
    ended_ms: int | None = None
    reserved: Decimal = ZERO
    executed: Decimal = ZERO
    total: Decimal = ZERO
    fee: Decimal = ZERO
    history: list[Transition] = field(default_factory=list)
    remaining_text: str = ""

    def __post_init__(self) -> None:
        self.set_remaining(self.quantity)
        self.updated_ms = self.created_ms

    @property
    def is_buy(self) -> bool:
        """Whether the order receives base and gives quote."""
        return self.side is Side.BUY

    @property
    def is_open(self) -> bool:
        """Whether the order rests on the book."""
        return self.status in _RESTING

    @property
    def given_currency(self) -> str:
        """The currency the order gives away and reserves."""
        return self.pair.quote if self.is_buy else self.pair.base

    @property
    def received_currency(self) -> str:
        """The currency the order receives, and pays positive fees in (valr-api.md 7)."""
        return self.pair.base if self.is_buy else self.pair.quote

    def set_remaining(self, remaining: Decimal) -> None:
        """Set what is left to trade, and its wire text, which books and checksums quote often."""
        self.remaining = remaining
        self.remaining_text = to_text(remaining)

    def need(self, quantity: Decimal) -> Decimal:
        """Return what a limit order must reserve for so much base."""
        return self.price * quantity if self.is_buy else quantity


_RESTING = frozenset({Status.PLACED, Status.PARTIALLY_FILLED, Status.MODIFIED})


@dataclass(frozen=True, slots=True)
class AccountTrade:
    """One side of a trade, as its account sees it. A negative ``fee`` is a maker reward."""

    id: str
    sequence_id: int
    order_id: str
    client_order_id: str
    account_id: str
    pair: Pair
    side: Side
    price: Decimal
    quantity: Decimal
    at_ms: int
    fee: Decimal
    fee_currency: str
    is_maker: bool
    order_type: OrderType


@dataclass(frozen=True, slots=True)
class PublicTrade:
    """A trade as everybody sees it."""

    id: str
    sequence_id: int
    symbol: str
    price: Decimal
    quantity: Decimal
    total: Decimal
    taker_side: Side
    at_ms: int
