"""Typed requests, and reading them from JSON the strict way VALR does (valr-api.md 3.3 to 3.5)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from valr_loopback.decimals import ZERO, parse
from valr_loopback.errors import RefusalError, invalid_request, margin_not_enabled, order_type_not_allowed
from valr_loopback.orders import Side, TimeInForce

CLIENT_ORDER_ID = re.compile(r"[0-9a-zA-Z-]{0,50}")


class MatchStrategy(StrEnum):
    """What becomes of a modified order that would match at its new price."""

    RETAIN_ORIGINAL = "RETAIN_ORIGINAL"
    CANCEL_ORIGINAL = "CANCEL_ORIGINAL"
    REPRICE = "REPRICE"


@dataclass(frozen=True, slots=True)
class LimitRequest:
    """A limit order as asked for; quantity in base, price in quote."""

    pair: str
    side: Side
    quantity: Decimal
    price: Decimal
    post_only: bool = False
    time_in_force: TimeInForce = TimeInForce.GTC
    client_order_id: str = ""


@dataclass(frozen=True, slots=True)
class MarketRequest:
    """A market order as asked for: exactly one of the two amounts is set."""

    pair: str
    side: Side
    base_amount: Decimal | None = None
    quote_amount: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.IOC
    client_order_id: str = ""


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """A cancel by exactly one of the two ids."""

    pair: str
    order_id: str = ""
    client_order_id: str = ""

    @property
    def echo(self) -> str:
        """The id that was sent."""
        return self.order_id or self.client_order_id


@dataclass(frozen=True, slots=True)
class ModifyRequest:
    """A change of price, or of remaining or total quantity, or both."""

    pair: str
    order_id: str
    strategy: MatchStrategy = MatchStrategy.RETAIN_ORIGINAL
    new_price: Decimal | None = None
    new_remaining: Decimal | None = None
    new_total: Decimal | None = None
    new_client_order_id: str | None = None


class _Fields:
    """Reads the fields of one JSON object and collects what is wrong with them."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._body = body
        self.errors: list[tuple[str, str]] = []

    def text(self, name: str, *, required: bool = True) -> str:
        value = self._body.get(name)
        if value is None:
            if required:
                self.errors.append((name, f"{name} must be specified"))
            return ""
        if not isinstance(value, str):
            self.errors.append((name, f"{name} is invalid"))
            return ""
        return value

    def word[Word: StrEnum](self, name: str, words: Mapping[str, Word], default: Word | None = None) -> Word:
        text = self.text(name, required=default is None)
        if text in words:
            return words[text]
        if text or default is None:
            self.errors.append((name, f"{name} is invalid"))
        return default if default is not None else next(iter(words.values()))

    def amount(self, name: str, *, required: bool = True, positive: bool = True) -> Decimal | None:
        text = self.text(name, required=required)
        if not text:
            return None
        try:
            value = parse(text)
        except ValueError:
            self.errors.append((name, f"{name} is invalid"))
            return None
        if value < ZERO or (positive and not value):
            self.errors.append((name, f"{name} must be greater than 0"))
        return value

    def flag(self, name: str) -> bool:
        value = self._body.get(name, False)
        if value in (True, "true"):
            return True
        if value not in (False, "false"):
            self.errors.append((name, f"{name} is invalid"))
        return False

    def client_order_id(self) -> str:
        text = self.text("customerOrderId", required=False)
        if not CLIENT_ORDER_ID.fullmatch(text):
            self.errors.append(("customerOrderId", "customerOrderId must match ^[0-9a-zA-Z-]{0,50}$"))
        return text

    def check(self) -> None:
        if self.errors:
            raise invalid_request(*self.errors)
        if self.flag("allowMargin"):
            raise margin_not_enabled()
        if self.flag("reduceOnly") or self.flag("postOnlyReprice") or self._body.get("conditionalOrderData"):
            raise order_type_not_allowed()


_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
_TIMES_IN_FORCE = {word.value: word for word in TimeInForce}
_STRATEGIES = {word.value: word for word in MatchStrategy}


def read_limit(body: Mapping[str, Any]) -> LimitRequest:
    """Read a limit order body.

    Raises:
        RefusalError: -11 with the wrong fields, -19213 for margin, -12005 for futures and beta options.
    """
    fields = _Fields(body)
    pair = fields.text("pair")
    side = fields.word("side", _SIDES)
    quantity = fields.amount("quantity")
    price = fields.amount("price", positive=False)
    post_only = fields.flag("postOnly")
    time_in_force = fields.word("timeInForce", _TIMES_IN_FORCE, TimeInForce.GTC)
    client_order_id = fields.client_order_id()
    if post_only and time_in_force is not TimeInForce.GTC:
        fields.errors.append(("timeInForce", "timeInForce must be GTC for post only orders"))
    fields.check()
    assert quantity is not None
    assert price is not None
    return LimitRequest(pair, side, quantity, price, post_only, time_in_force, client_order_id)


def read_market(body: Mapping[str, Any]) -> MarketRequest:
    """Read a market order body.

    Raises:
        RefusalError: -11 with the wrong fields, -19213 for margin, -12005 for futures and beta options.
    """
    fields = _Fields(body)
    pair = fields.text("pair")
    side = fields.word("side", _SIDES)
    base = fields.amount("baseAmount", required=False)
    quote = fields.amount("quoteAmount", required=False)
    time_in_force = fields.word("timeInForce", {"IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}, TimeInForce.IOC)
    client_order_id = fields.client_order_id()
    if not fields.errors and (base is None) == (quote is None):
        fields.errors.append(("baseAmount", "exactly one of baseAmount and quoteAmount must be specified"))
    fields.check()
    return MarketRequest(pair, side, base, quote, time_in_force, client_order_id)


def read_cancel(body: Mapping[str, Any]) -> CancelRequest:
    """Read a cancel body: a pair and exactly one id.

    Raises:
        RefusalError: -11 with the wrong fields.
    """
    fields = _Fields(body)
    pair = fields.text("pair")
    order_id = fields.text("orderId", required=False)
    client_order_id = fields.client_order_id()
    if not fields.errors and bool(order_id) == bool(client_order_id):
        fields.errors.append(("orderId", "exactly one of orderId and customerOrderId must be specified"))
    fields.check()
    return CancelRequest(pair, order_id, client_order_id)


def read_modify(body: Mapping[str, Any]) -> ModifyRequest:
    """Read a modify body.

    Raises:
        RefusalError: -11 with the wrong fields.
    """
    fields = _Fields(body)
    request = ModifyRequest(
        fields.text("pair"),
        fields.text("orderId"),
        fields.word("modifyMatchStrategy", _STRATEGIES, MatchStrategy.RETAIN_ORIGINAL),
        fields.amount("newPrice", required=False),
        fields.amount("newRemainingQuantity", required=False, positive=False),
        fields.amount("newTotalQuantity", required=False, positive=False),
        fields.client_order_id() if "customerOrderId" in body else None,
    )
    if request.new_remaining is not None and request.new_total is not None:
        fields.errors.append(("newTotalQuantity", "only one of newRemainingQuantity and newTotalQuantity is allowed"))
    fields.check()
    return request


def read_object(value: object, refusal: RefusalError) -> Mapping[str, Any]:
    """Return a decoded JSON value if it is an object, or raise the given refusal."""
    if not isinstance(value, dict):
        raise refusal
    return value
