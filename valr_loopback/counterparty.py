"""A market participant of the faults: it fills an order at the moment its owner cancels it."""

from decimal import Decimal
from itertools import takewhile

from valr_loopback.decimals import ZERO
from valr_loopback.exchange import Exchange
from valr_loopback.market import within_limits
from valr_loopback.orders import Order, TimeInForce

COUNTERPARTY = "fault-counterparty"


def fill(exchange: Exchange, order: Order) -> None:
    """Trade against an open order at its own price until it is filled.

    Price-time priority holds: what stands before it in the book is filled first.
    """
    if COUNTERPARTY not in exchange.engine.portfolios:
        exchange.open_account(COUNTERPARTY, dict.fromkeys(exchange.engine.currencies, Decimal(10**12)), quiet=True)
    while order.is_open and _take(exchange, order):
        pass


def _take(exchange: Exchange, order: Order) -> bool:
    """Trade once, for as much as the pair's limits allow; false if nothing was traded."""
    quantity = within_limits(order.pair, _standing_before(exchange, order) + order.remaining, order.price)
    taker = exchange.place_limit(
        COUNTERPARTY,
        order.pair.symbol,
        order.side.opposite,
        quantity,
        order.price,
        time_in_force=TimeInForce.IOC,
    )
    return taker.executed > ZERO


def _standing_before(exchange: Exchange, order: Order) -> Decimal:
    """Return the base that is traded before an order is: at better prices, and earlier at its own."""
    levels = exchange.engine.books[order.pair.symbol].levels(order.side)
    resting = (other for level in levels for other in level.orders.values())
    return sum((other.remaining for other in takewhile(lambda other: other is not order, resting)), ZERO)
