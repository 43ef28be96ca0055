"""Turning one match into money moved, fees paid and trades recorded (valr-api.md 7)."""

from dataclasses import dataclass
from decimal import Decimal

from valr_loopback.accounts import TREASURY, Accounts
from valr_loopback.decimals import FEE_QUANTUM, ROUNDING, ZERO
from valr_loopback.ids import IdSource
from valr_loopback.orders import AccountTrade, Order, PublicTrade


@dataclass(frozen=True, slots=True)
class Settlement:
    """The three views of one trade."""

    public: PublicTrade
    maker: AccountTrade
    taker: AccountTrade


def settle(
    accounts: Accounts, ids: IdSource, maker: Order, taker: Order, quantity: Decimal, price: Decimal, now_ms: int
) -> Settlement:
    """Exchange ``quantity`` base at ``price`` between two orders, out of what they reserved.

    A positive fee is taken from the currency received; a maker reward is paid in the currency given. Fees go to the
    treasury and rewards come from it, so that money is conserved. A buyer's price improvement becomes available again.
    """
    total = price * quantity
    trade_id, sequence_id = ids.uuid(now_ms), ids.sequence()
    sides = []
    for order, rate in ((maker, maker.pair.maker_fee), (taker, taker.pair.taker_fee)):
        given, received = (total, quantity) if order.is_buy else (quantity, total)
        fee, currency = _fee(order, rate, given, received)
        _move(accounts, order, given, received, fee, quantity, now_ms)
        order.executed += quantity
        order.total += total
        order.fee += max(fee, ZERO)
        sides.append(
            AccountTrade(
                trade_id,
                sequence_id,
                order.id,
                order.client_order_id,
                order.account_id,
                order.pair,
                order.side,
                price,
                quantity,
                now_ms,
                fee,
                currency,
                order is maker,
                order.type,
            )
        )
    public = PublicTrade(trade_id, sequence_id, taker.pair.symbol, price, quantity, total, taker.side, now_ms)
    return Settlement(public, sides[0], sides[1])


def _fee(order: Order, rate: Decimal, given: Decimal, received: Decimal) -> tuple[Decimal, str]:
    if rate < ZERO:
        return ROUNDING.quantize(ROUNDING.multiply(rate, given), FEE_QUANTUM), order.given_currency
    return ROUNDING.quantize(ROUNDING.multiply(rate, received), FEE_QUANTUM), order.received_currency


def _move(
    accounts: Accounts, order: Order, given: Decimal, received: Decimal, fee: Decimal, quantity: Decimal, now_ms: int
) -> None:
    account_id = order.account_id
    accounts.spend(account_id, order.given_currency, given, now_ms)
    order.reserved -= given
    improvement = order.need(quantity) - given if order.price else ZERO
    if improvement:
        accounts.release(account_id, order.given_currency, improvement, now_ms)
        order.reserved -= improvement
    accounts.credit(account_id, order.received_currency, received - max(fee, ZERO), now_ms)
    if fee < ZERO:
        accounts.credit(account_id, order.given_currency, -fee, now_ms)
    if fee:
        accounts.credit(TREASURY, order.received_currency if fee > ZERO else order.given_currency, fee, now_ms)
