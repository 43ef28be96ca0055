"""The order book of one pair: price-time priority, no money, no clock."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from sortedcontainers import SortedDict  # type: ignore[import-untyped, unused-ignore]

from valr_loopback.decimals import ROUNDING, ZERO, to_text, truncate
from valr_loopback.orders import Order, Side


class Level:
    """The orders at one price, oldest first."""

    __slots__ = ("orders", "price", "price_text", "quantity", "quantity_text", "token")

    def __init__(self, price: Decimal) -> None:
        self.price = price
        self.price_text = to_text(price)
        self.orders: dict[str, Order] = {}
        self.set_quantity(ZERO)

    def set_quantity(self, quantity: Decimal) -> None:
        """Set the total of the level, and the texts that books and checksums quote."""
        self.quantity = quantity
        self.quantity_text = to_text(quantity)
        self.token = f"{self.price_text}:{self.quantity_text}"


@dataclass(frozen=True, slots=True)
class BookEntry:
    """A touched order: its quantity text is now this, ``"0"`` if it has left the book."""

    side: Side
    price: Decimal
    order_id: str
    quantity: str


@dataclass(frozen=True, slots=True)
class Match:
    """So much of an incoming order meets this resting one, at the resting order's price."""

    maker: Order
    quantity: Decimal


@dataclass(slots=True)
class Plan:
    """What would happen to an incoming order, before anything does."""

    matches: list[Match] = field(default_factory=list)
    quantity: Decimal = ZERO
    total: Decimal = ZERO
    complete: bool = False
    meets_own_order: bool = False
    meets_band: bool = False


class Book:
    """Resting orders of one pair. Every change is noted in ``entries`` until the engine takes them."""

    def __init__(self) -> None:
        self._levels: dict[Side, SortedDict] = {Side.BUY: SortedDict(), Side.SELL: SortedDict()}
        self.order_count = 0
        self.entries: list[BookEntry] = []

    def levels(self, side: Side) -> Iterator[Level]:
        """Walk the levels of a side, best first."""
        return iter(self._levels[side].values())

    def level(self, side: Side, price: Decimal) -> Level | None:
        """Return the level at a price, if any order rests there."""
        level: Level | None = self._levels[side].get(_key(side, price))
        return level

    def depth(self, side: Side) -> int:
        """Return the number of levels of a side."""
        return len(self._levels[side])

    def best_price(self, side: Side) -> Decimal | None:
        """Return the best price of a side."""
        levels = self._levels[side]
        return levels.peekitem(0)[1].price if levels else None

    def crosses(self, side: Side, price: Decimal) -> bool:
        """Tell whether a limit order at this price would match on arrival."""
        best = self.best_price(side.opposite)
        if best is None:
            return False
        return price >= best if side is Side.BUY else price <= best

    def add(self, order: Order) -> None:
        """Rest an order at the end of its price level."""
        levels = self._levels[order.side]
        key = _key(order.side, order.price)
        level: Level | None = levels.get(key)
        if level is None:
            level = levels[key] = Level(order.price)
        level.orders[order.id] = order
        level.set_quantity(level.quantity + order.remaining)
        self.order_count += 1
        self.entries.append(BookEntry(order.side, order.price, order.id, order.remaining_text))

    def remove(self, order: Order) -> None:
        """Take an order off the book."""
        self.reduce(order, order.remaining, leave=True)

    def reduce(self, order: Order, quantity: Decimal, *, leave: bool = False) -> None:
        """Take quantity off a resting order, which keeps its place, or leaves when nothing is left (or when told to).

        With ``leave`` the order's own ``remaining`` is not touched: it says what was left when it went.
        """
        levels = self._levels[order.side]
        key = _key(order.side, order.price)
        level: Level = levels[key]
        level.set_quantity(level.quantity - quantity)
        if not leave:
            order.set_remaining(order.remaining - quantity)
        if leave or not order.remaining:
            del level.orders[order.id]
            self.order_count -= 1
            if not level.orders:
                del levels[key]
            self.entries.append(BookEntry(order.side, order.price, order.id, "0"))
        else:
            self.entries.append(BookEntry(order.side, order.price, order.id, order.remaining_text))

    def plan(self, order: Order, band: Decimal | None = None) -> Plan:
        """Work out what an incoming order would meet, without touching anything.

        A limit order stops at its price, a market order at ``band`` (the worst price it may trade at). An order with
        a quote amount stops when what is left of it buys less than the smallest base step.
        """
        plan = Plan()
        base_left, quote_left = order.remaining, order.quote_amount
        worst = order.price if order.price else None
        for level in self.levels(order.side.opposite):
            if worst is not None and _worse(order.side, level.price, worst):
                return plan
            for maker in level.orders.values():
                if quote_left is not None:
                    base_left = truncate(ROUNDING.divide(quote_left, level.price), order.pair.base_decimals)
                if not base_left:
                    plan.complete = True
                    return plan
                if band is not None and _worse(order.side, level.price, band):
                    plan.meets_band = True
                    return plan
                if maker.account_id == order.account_id:
                    plan.meets_own_order = True
                    return plan
                quantity = min(base_left, maker.remaining)
                plan.matches.append(Match(maker, quantity))
                plan.quantity += quantity
                plan.total += quantity * level.price
                base_left -= quantity
                if quote_left is not None:
                    quote_left -= quantity * level.price
                plan.complete = not base_left
                if plan.complete and quote_left is None:
                    return plan
        return plan

    def take_entries(self) -> list[BookEntry]:
        """Hand over the changes noted since the last call."""
        entries, self.entries = self.entries, []
        return entries


def _key(side: Side, price: Decimal) -> Decimal:
    return price.copy_negate() if side is Side.BUY else price


def _worse(side: Side, price: Decimal, limit: Decimal) -> bool:
    return price > limit if side is Side.BUY else price < limit
