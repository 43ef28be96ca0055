"""Which numbers an order may have: amounts, prices, and what qualifies it beyond Hummingbot's order types."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.trading_rule import TradingRule
from hummingbot.core.data_type.common import OrderType

LIMIT_TYPES = (OrderType.LIMIT, OrderType.LIMIT_MAKER)
# Beside these Hummingbot's strategies name an expiry, and what a derivative's order does to a position: nothing here.
MEANINGFUL_QUALIFIERS = frozenset(("time_in_force", "quote_amount"))
# VALR's symbol, the steps of prices and amounts, the least and most amount, and the least worth of an order.
PlainRules = tuple[str, Decimal, Decimal, Decimal, Decimal, Decimal]

_INFINITY = Decimal("Infinity")


class PlainOrders:
    """Has at hand what a limit order is rounded and checked by: it takes a while to gather for each order anew."""

    def __init__(self) -> None:
        self._rules: dict[str, PlainRules] = {}

    def note(self, rules: Mapping[str, TradingRule], symbols: Mapping[str, str]) -> None:
        """Take the trading rules and VALR's symbols, both by Hummingbot's pair, in place of those before."""
        self._rules = {
            trading_pair: (
                symbols[trading_pair],
                rule.min_price_increment,
                rule.min_base_amount_increment,
                rule.min_order_size,
                rule.max_order_size,
                rule.min_notional_size,
            )
            for trading_pair, rule in rules.items()
            if trading_pair in symbols
        }

    def numbers(self, trading_pair: str, amount: Decimal, price: Decimal) -> tuple[str, Decimal, Decimal] | None:
        """Return VALR's symbol, the amount and the price, rounded down to the pair's steps.

        None where they do not keep the pair's rules, or are no numbers: the long way says so in the log.
        """
        rules = self._rules.get(trading_pair)
        if rules is None:
            return None
        symbol, price_step, amount_step, least, most, least_notional = rules
        try:
            price = _rounded_down(price, price_step)
            amount = _rounded_down(amount, amount_step)
            if not least <= amount <= most or not 0 < price < _INFINITY or price * amount < least_notional:
                return None
        except (ArithmeticError, TypeError):
            return None
        return symbol, amount, price


def _rounded_down(number: Decimal, step: Decimal) -> Decimal:
    """Return the number as Hummingbot rounds it; most are on a step already, as their strategies rounded them.

    :raises ArithmeticError: it cannot be rounded
    :raises TypeError: it is no exact number
    """
    return number if type(number) is Decimal and not number % step else number // step * step


def positive(number: Any, what: str) -> Decimal:
    """Return an exact number above zero.

    :raises ValueError: it is none, or not above zero
    """
    if not isinstance(number, int | Decimal) or not Decimal(number).is_finite() or number <= 0:
        raise ValueError(f"{number} cannot be {what}.")
    return Decimal(number)


def check_qualifiers(order_type: OrderType, time_in_force: str, quote_amount: Decimal | None) -> None:
    """Check what qualifies an order.

    :raises ValueError: VALR does not know it, or it does not go with the order's type
    """
    if time_in_force not in CONSTANTS.TIMES_IN_FORCE:
        raise ValueError(f"time_in_force is {time_in_force!r}; VALR knows {', '.join(CONSTANTS.TIMES_IN_FORCE)}.")
    if time_in_force != "GTC" and order_type is not OrderType.LIMIT:
        raise ValueError(f"time_in_force {time_in_force} is for LIMIT orders, not for {order_type.name}.")
    if quote_amount is not None and (order_type is not OrderType.MARKET or not quote_amount > 0):
        raise ValueError(f"quote_amount {quote_amount} must be above zero, and is for MARKET orders only.")
