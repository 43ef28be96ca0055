"""Amounts, prices and qualifiers: rounded as Hummingbot rounds them, refused where VALR would refuse them."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hummingbot.connector.exchange.valr.valr_order_numbers import PlainOrders, check_qualifiers, positive
from hummingbot.connector.trading_rule import TradingRule
from hummingbot.core.data_type.common import OrderType

PAIR, SYMBOL = "BTC-ZAR", "BTCZAR"
RULE = TradingRule(
    PAIR,
    min_order_size=Decimal("0.0002"),
    max_order_size=Decimal("10"),
    min_price_increment=Decimal("5"),
    min_base_amount_increment=Decimal("0.0001"),
    min_notional_size=Decimal("10"),
)


@pytest.fixture(scope="module")
def plain_orders() -> PlainOrders:
    orders = PlainOrders()
    orders.note({PAIR: RULE, "ETH-ZAR": RULE}, {PAIR: SYMBOL, "XRP-ZAR": "XRPZAR"})
    return orders


# --- Plain orders -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("amount", "price", "expected"),
    [
        ("1", "100", ("1", "100")),
        ("1.00019", "104.99", ("1.0001", "100")),
        ("0.0002", "50000", ("0.0002", "50000")),
        ("10", "5", ("10", "5")),
        ("10.00009", "5", ("10.0000", "5")),
        pytest.param("0.00019", "1000000", None, id="rounds to less than the least amount"),
        pytest.param("10.0001", "100", None, id="more than the most"),
        pytest.param("1", "4.99", None, id="a price that rounds to nothing"),
        pytest.param("0.0999", "100", None, id="worth too little"),
        pytest.param("-1", "100", None, id="a negative amount"),
        pytest.param("1", "-100", None, id="a negative price"),
        pytest.param("NaN", "100", None, id="no amount"),
        pytest.param("1", "NaN", None, id="no price"),
        pytest.param("Infinity", "100", None, id="all there is"),
        pytest.param("1", "Infinity", None, id="at any price"),
        pytest.param("1", "1E+30", None, id="a price that cannot be rounded"),
    ],
)
def test_numbers_are_rounded_and_checked(
    amount: str, price: str, expected: tuple[str, str] | None, plain_orders: PlainOrders
) -> None:
    numbers = plain_orders.numbers(PAIR, Decimal(amount), Decimal(price))
    assert numbers == (expected and (SYMBOL, *map(Decimal, expected)))


@pytest.mark.parametrize(("amount", "price"), [(1.0, Decimal(100)), (Decimal(1), 100.0), (None, Decimal(100))])
def test_what_is_no_exact_number_goes_the_long_way(amount: Any, price: Any, plain_orders: PlainOrders) -> None:
    assert plain_orders.numbers(PAIR, amount, price) is None


@pytest.mark.parametrize("trading_pair", ["ETH-ZAR", "XRP-ZAR", "SOL-ZAR"])
def test_pair_of_which_not_all_is_known_goes_the_long_way(trading_pair: str, plain_orders: PlainOrders) -> None:
    assert plain_orders.numbers(trading_pair, Decimal(1), Decimal(100)) is None


def test_rules_replace_those_before() -> None:
    orders = PlainOrders()
    orders.note({PAIR: RULE}, {PAIR: SYMBOL})
    orders.note({"ETH-ZAR": RULE}, {PAIR: SYMBOL, "ETH-ZAR": "ETHZAR"})
    assert orders.numbers(PAIR, Decimal(1), Decimal(100)) is None
    assert orders.numbers("ETH-ZAR", Decimal(1), Decimal(100)) == ("ETHZAR", Decimal(1), Decimal(100))


@given(
    st.decimals("0.0002", 10, places=8).filter(lambda amount: amount >= Decimal("0.0002")),
    st.decimals(50_000, 10**9, places=4),
)
def test_rounding_loses_less_than_a_step_and_never_adds(
    plain_orders: PlainOrders, amount: Decimal, price: Decimal
) -> None:
    numbers = plain_orders.numbers(PAIR, amount, price)
    assert numbers is not None
    _, rounded_amount, rounded_price = numbers
    assert 0 <= amount - rounded_amount < RULE.min_base_amount_increment
    assert 0 <= price - rounded_price < RULE.min_price_increment
    assert not rounded_amount % RULE.min_base_amount_increment
    assert not rounded_price % RULE.min_price_increment


# --- Single numbers, and qualifiers -----------------------------------------------------------------------------------
@pytest.mark.parametrize("number", [Decimal("0.1"), 3])
def test_positive_numbers_become_exact_ones(number: Any) -> None:
    exact = positive(number, "an amount")
    assert (type(exact), exact) == (Decimal, number)


@pytest.mark.parametrize("number", [None, 1.5, "1", 0, Decimal("-1"), Decimal("NaN"), Decimal("Infinity")])
def test_other_numbers_are_refused_by_name(number: Any) -> None:
    with pytest.raises(ValueError, match=f"^{number} cannot be the amount of an order"):
        positive(number, "the amount of an order")


@pytest.mark.parametrize(
    ("order_type", "time_in_force", "quote_amount"),
    [
        (OrderType.LIMIT, "GTC", None),
        (OrderType.LIMIT, "IOC", None),
        (OrderType.LIMIT, "FOK", None),
        (OrderType.LIMIT_MAKER, "GTC", None),
        (OrderType.MARKET, "GTC", None),
        (OrderType.MARKET, "GTC", Decimal(100)),
    ],
)
def test_qualifiers_that_valr_knows_pass(order_type: OrderType, time_in_force: str, quote_amount: Decimal) -> None:
    check_qualifiers(order_type, time_in_force, quote_amount)


@pytest.mark.parametrize(
    ("order_type", "time_in_force", "quote_amount", "reason"),
    [
        (OrderType.LIMIT, "GTD", None, "time_in_force is 'GTD'; VALR knows GTC, IOC, FOK"),
        (OrderType.LIMIT_MAKER, "IOC", None, "time_in_force IOC is for LIMIT orders, not for LIMIT_MAKER"),
        (OrderType.MARKET, "FOK", None, "time_in_force FOK is for LIMIT orders, not for MARKET"),
        (OrderType.LIMIT, "GTC", Decimal(100), "quote_amount 100 must be above zero, and is for MARKET orders only"),
        (OrderType.MARKET, "GTC", Decimal(0), "quote_amount 0 must be above zero, and is for MARKET orders only"),
    ],
)
def test_others_are_refused(order_type: OrderType, time_in_force: str, quote_amount: Decimal, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_qualifiers(order_type, time_in_force, quote_amount)
