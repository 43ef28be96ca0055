"""Faults that spoil frames of books (valr-api.md 5.3-5.5): wrong checksums, levels that are not there, crossed sides.

They work on frames on their way out; the books themselves are never touched.
"""

from bisect import bisect
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice

import orjson

from valr_loopback.books import CHECKSUM_DEPTH, BookFeed, checksum
from valr_loopback.decimals import to_text
from valr_loopback.fault_kinds import FaultKind
from valr_loopback.faults import FaultPlan, Subject
from valr_loopback.messages import Json, encode
from valr_loopback.orders import Side

L1, FULL, AGGREGATED = "OB_L1_DIFF", "FULL_ORDERBOOK_UPDATE", "AGGREGATED_ORDERBOOK_UPDATE"
FEEDS = frozenset({L1, FULL, AGGREGATED})
"""The events that carry a whole book; the others with books are excerpts."""
CHECKED_FEEDS = FEEDS - {AGGREGATED}

_PHANTOM = "00000000-0000-7000-8000-00000000fade"


@dataclass(frozen=True, slots=True)
class _Lie:
    """A level as a frame will have it, though it is another one; ``order_id`` is the order at fault in FULL."""

    side: Side
    price: Decimal
    quantity: str
    order_id: str


class BookFaults:
    """Spoils outgoing frames of books as the faults in force will have it."""

    def __init__(self, faults: FaultPlan) -> None:
        self._faults = faults

    def spoiled(self, text: str, subject: Subject, feed: BookFeed) -> str:
        """Return a frame as it is to be sent: spoiled, or as it was."""
        faults = self._faults
        if not faults.holds(FaultKind.BOOK_BAD_CHECKSUM, FaultKind.BOOK_ALTERED, FaultKind.BOOK_CROSSED):
            return text
        if (crossing := _crossing(feed)) and faults.strike(FaultKind.BOOK_CROSSED, subject):
            text = _crossed(text, subject.event, crossing, feed)
        if subject.event in CHECKED_FEEDS:
            if faults.strike(FaultKind.BOOK_BAD_CHECKSUM, subject):
                text = with_bad_checksum(text)
            if altered := faults.strike(FaultKind.BOOK_ALTERED, subject):
                text = self._altered(text, subject.event, feed, deep=faults.form(altered) == "deep")
        return text

    def _altered(self, text: str, event: str, feed: BookFeed, *, deep: bool) -> str:
        side = self._faults.random.choice(list(Side))
        first = CHECKSUM_DEPTH if deep else 0
        for level in islice(feed.levels(side), first, first + 1):
            order = next(iter(level.orders.values()))
            quantity = order.remaining if event == FULL else level.quantity
            lie = _Lie(side, level.price, to_text(quantity + 1), order.id)
            return encode(_EDITS[event](orjson.loads(text), lie))
        return text


def with_bad_checksum(text: str) -> str:
    """Return a book frame whose checksum, its last number, is another one."""
    digits = text.rstrip("}")
    start = len(digits.rstrip("0123456789"))
    return f"{digits[:start]}{int(digits[start:]) ^ 1}}}}}"


def _crossing(feed: BookFeed) -> _Lie | None:
    """Return a bid above the best ask, ``None`` while there are not two asks."""
    asks = list(islice(feed.levels(Side.SELL), 2))
    return _Lie(Side.BUY, asks[1].price, "1", _PHANTOM) if len(asks) == 2 else None


def _crossed(text: str, event: str, lie: _Lie, feed: BookFeed) -> str:
    """Return a frame with a level that crosses the book, and with the checksum that a book with it has."""
    message = _EDITS[event](orjson.loads(text), lie)
    by_order = event == FULL
    token = f"{lie.order_id if by_order else to_text(lie.price)}:{lie.quantity}"
    bids, asks = (feed.top_tokens(side, by_order=by_order) for side in (Side.BUY, Side.SELL))
    right = checksum([token, *bids][:CHECKSUM_DEPTH], asks)
    if event == L1:
        message["d"]["cs"] = right
    elif event == FULL:
        message["data"]["Checksum"] = right
    return encode(message)


def _edit_l1(message: Json, lie: _Lie) -> Json:
    rows = message["d"]["b" if lie.side is Side.BUY else "a"]
    _put(rows, [to_text(lie.price), lie.quantity], lie, lambda row: str(row[0]))
    return message


def _edit_full(message: Json, lie: _Lie) -> Json:
    # One entry more, and the sequence counts entries.
    data = message["data"]
    data["SequenceNumber"] += 1
    groups = data["Bids" if lie.side is Side.BUY else "Asks"]
    earlier = [entry for group in groups if Decimal(group["Price"]) == lie.price for entry in group["Orders"]]
    group = {"Price": to_text(lie.price), "Orders": [*earlier, {"orderId": lie.order_id, "quantity": lie.quantity}]}
    _put(groups, group, lie, lambda row: str(row["Price"]))
    return message


def _edit_aggregated(message: Json, lie: _Lie) -> Json:
    rows = message["data"]["Bids" if lie.side is Side.BUY else "Asks"]
    row = {
        "side": lie.side.value,
        "quantity": lie.quantity,
        "price": to_text(lie.price),
        "currencyPair": message["currencyPairSymbol"],
        "orderCount": 1,
    }
    _put(rows, row, lie, lambda row: str(row["price"]))
    return message


_EDITS: dict[str, Callable[[Json, _Lie], Json]] = {L1: _edit_l1, FULL: _edit_full, AGGREGATED: _edit_aggregated}


def _put[Row](rows: list[Row], row: Row, lie: _Lie, price: Callable[[Row], str]) -> None:
    """Put a row among those of a side, best first, in place of one at the same price."""
    sign = -1 if lie.side is Side.BUY else 1
    rows[:] = [other for other in rows if Decimal(price(other)) != lie.price]
    rows.insert(bisect(rows, sign * lie.price, key=lambda other: sign * Decimal(price(other))), row)
