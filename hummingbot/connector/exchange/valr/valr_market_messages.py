"""What the trade socket says besides the book: subscriptions, refusals and public trades (valr-api.md 5.2, 5.3)."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_messages import parse_number
from hummingbot.core.data_type.common import TradeType

_REFUSAL = re.compile(r"Channel (?P<event>\S+), pair (?P<symbol>\S+) combination invalid")
_TAKER_SIDES = {"buy": TradeType.BUY, "sell": TradeType.SELL}

Subscriptions = Mapping[str, Sequence[str]]
"""The symbols wanted per event."""


class Channel(NamedTuple):
    """One event of one pair."""

    event: str
    symbol: str


class PublicTrade(NamedTuple):
    """A trade between others; ``taker_side`` is the side of the order that matched on arrival."""

    trade_id: str
    symbol: str
    price: Decimal
    quantity: Decimal
    taker_side: TradeType


def subscribe_frame(subscriptions: Subscriptions) -> dict[str, Any]:
    """Return the frame that replaces the pair list of each named event; an empty list ends the event."""
    return {
        "type": CONSTANTS.SUBSCRIBE,
        "subscriptions": [{"event": event, "pairs": list(symbols)} for event, symbols in subscriptions.items()],
    }


def parse_channel(message: Any) -> Channel | None:
    """Return the channel that a SUBSCRIBED or UNSUBSCRIBED frame names, such as ``OB_L1_DIFF:BTCZAR``."""
    event, colon, symbol = str(message).partition(":")
    return Channel(event, symbol) if colon else None


def parse_refusal(message: Any) -> Channel | None:
    """Return the channel that an ERROR frame refuses, None when it speaks of something else."""
    match = _REFUSAL.search(str(message))
    return Channel(match["event"], match["symbol"]) if match else None


def parse_trade(frame: Mapping[str, Any]) -> PublicTrade:
    """Return the trade of a NEW_TRADE frame; a missing id is built from what identifies the trade.

    :raises ValueError: a field is missing or unreadable
    """
    try:
        data = frame["data"]
        price, quantity = parse_number(data["price"]), parse_number(data["quantity"])
        side = _TAKER_SIDES[data["takerSide"].lower()]
        trade_id = data.get("id") or f"{data['tradedAt']}-{data['price']}-{data['quantity']}-{data['takerSide']}"
        symbol = frame["currencyPairSymbol"]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"unreadable trade ({type(error).__name__}: {error})") from error
    if not (price > 0 and quantity > 0):
        raise ValueError(f"unreadable trade (price {price}, quantity {quantity})")
    return PublicTrade(str(trade_id), str(symbol), price, quantity, side)
