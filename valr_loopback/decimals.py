"""Exact decimals, from wire text to wire text."""

import re
from decimal import ROUND_DOWN, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

ZERO = Decimal(0)
FEE_QUANTUM = Decimal("1e-18")
"""Fees and rewards are cut, toward zero, to 18 fraction digits."""

EXACT = Context(prec=80, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
"""Money is moved under this context: a result that does not fit raises ``decimal.Inexact`` instead of being rounded."""

ROUNDING = Context(prec=80, rounding=ROUND_DOWN, traps=[InvalidOperation, DivisionByZero, Overflow])
"""For values that may be rounded (toward zero): fees, averages, percentages, truncated quantities."""

_PLAIN = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")


def parse(text: str) -> Decimal:
    """Read a plain decimal string.

    Raises:
        ValueError: if the text is anything else, such as an exponent or a thousands separator.
    """
    if not _PLAIN.fullmatch(text):
        raise ValueError(f"not a plain decimal: {text!r}")
    return Decimal(text)


def to_text(value: Decimal) -> str:
    """Write a value the way VALR does: no exponent, no trailing zeros (valr-api.md 1.2)."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def truncate(value: Decimal, places: int) -> Decimal:
    """Cut a value to so many fraction digits, toward zero."""
    return value.quantize(Decimal(1).scaleb(-places), context=ROUNDING)


def on_tick(price: Decimal, tick: Decimal) -> bool:
    """Tell whether a price is a whole multiple of the tick size."""
    return not ROUNDING.remainder(price, tick)


def percentage(part: Decimal, whole: Decimal) -> Decimal:
    """Return ``part`` as a percentage of ``whole`` with two fraction digits, 0 of nothing."""
    if not whole:
        return ZERO
    return truncate(ROUNDING.divide(ROUNDING.multiply(part, Decimal(100)), whole), 2)
