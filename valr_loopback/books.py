"""One pair's book as every feed shows it: L1 (aggregated), FULL (order by order) and AGGREGATED (valr-api.md 5.3-5.5).

Both sequences advance with every change, watched or not; texts and checksums are only made when asked for.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice, zip_longest
from zlib import crc32

from valr_loopback.decimals import to_text
from valr_loopback.matching import Book, BookEntry, Level
from valr_loopback.messages import Json, encode
from valr_loopback.orders import Side
from valr_loopback.times import iso

CHECKSUM_DEPTH = 25
AGGREGATED_DEPTH = 40


def checksum(bids: Iterable[str], asks: Iterable[str]) -> int:
    """Return the unsigned CRC32 of the tokens, bid first, best first; a short side is skipped (5.4, 5.5)."""
    tokens = [token for both in zip_longest(bids, asks) for token in both if token is not None]
    return crc32(":".join(tokens).encode())


class BookFeed:
    """The encodings of one pair's book. ``full_sequence`` also numbers the REST and AGGREGATED books."""

    def __init__(self, symbol: str, book: Book, now_ms: int, first_l1: int = 1, first_full: int = 1) -> None:
        self.symbol = symbol
        self.l1_sequence = first_l1
        self.full_sequence = first_full
        self.last_change_ms = now_ms
        self._book = book
        self._l1_checksum: int | None = None
        self._l1_worst: dict[Side, Decimal | None] = {}
        self._entries: list[BookEntry] = []

    def apply(self, entries: list[BookEntry], now_ms: int) -> None:
        """Note a change of the book: both sequences advance."""
        self._entries = entries
        self.l1_sequence += 1
        self.full_sequence += len(entries)
        self.last_change_ms = now_ms
        if self._l1_checksum is not None and any(self._near_top(entry) for entry in entries):
            self._l1_checksum = None

    def _near_top(self, entry: BookEntry) -> bool:
        worst = self._l1_worst[entry.side]
        if worst is None:
            return True
        return entry.price >= worst if entry.side is Side.BUY else entry.price <= worst

    def levels(self, side: Side) -> Iterator[Level]:
        """Walk the levels of a side, best first."""
        return self._book.levels(side)

    def _levels(self, side: Side, depth: int | None = None) -> list[Level]:
        return list(islice(self._book.levels(side), depth))

    def l1_checksum(self) -> int:
        """Return the checksum of the best 25 levels a side; it is kept while nothing among them changes."""
        if self._l1_checksum is None:
            tops = {side: self._levels(side, CHECKSUM_DEPTH) for side in Side}
            self._l1_worst = {
                side: levels[-1].price if len(levels) == CHECKSUM_DEPTH else None for side, levels in tops.items()
            }
            bids, asks = tops[Side.BUY], tops[Side.SELL]
            self._l1_checksum = checksum((level.token for level in bids), (level.token for level in asks))
        return self._l1_checksum

    def full_checksum(self) -> int:
        """Return the checksum of the best 25 orders a side."""
        return checksum(*(self.top_tokens(side, by_order=True) for side in (Side.BUY, Side.SELL)))

    def top_tokens(self, side: Side, *, by_order: bool) -> list[str]:
        """Return what a checksum covers of a side: its best 25 orders (5.4), or its best 25 levels (5.5)."""
        tokens = self._order_tokens(side) if by_order else (level.token for level in self._book.levels(side))
        return list(islice(tokens, CHECKSUM_DEPTH))

    def _order_tokens(self, side: Side) -> Iterable[str]:
        for level in self._book.levels(side):
            for order in level.orders.values():
                yield f"{order.id}:{order.remaining_text}"

    def _l1(self, event: str, asks: list[list[str]], bids: list[list[str]]) -> str:
        data = {
            "lc": self.last_change_ms,
            "a": asks,
            "b": bids,
            "sq": self.l1_sequence,
            "cs": self.l1_checksum(),
        }
        return encode({"type": event, "ps": self.symbol, "d": data})

    def _rows(self, side: Side, depth: int | None = None) -> list[list[str]]:
        return [[level.price_text, level.quantity_text] for level in self._levels(side, depth)]

    def l1_snapshot(self) -> str:
        """Encode OB_L1_SNAPSHOT: the whole aggregated book."""
        return self._l1("OB_L1_SNAPSHOT", self._rows(Side.SELL), self._rows(Side.BUY))

    def l1_diff(self) -> str:
        """Encode OB_L1_DIFF: the levels the last change touched."""
        touched: dict[Side, dict[Decimal, list[str]]] = {Side.BUY: {}, Side.SELL: {}}
        for entry in self._entries:
            level = self._book.level(entry.side, entry.price)
            row = [level.price_text, level.quantity_text] if level else [to_text(entry.price), "0"]
            touched[entry.side][entry.price] = row
        asks, bids = touched[Side.SELL], touched[Side.BUY]
        return self._l1(
            "OB_L1_DIFF", [asks[price] for price in sorted(asks)], [bids[price] for price in sorted(bids, reverse=True)]
        )

    def depth_snapshot(self, depth: int) -> str:
        """Encode OB_L1_Dn_SNAPSHOT: so many levels, without sequence or checksum."""
        data = {"lc": self.last_change_ms, "a": self._rows(Side.SELL, depth), "b": self._rows(Side.BUY, depth)}
        return encode({"type": f"OB_L1_D{depth}_SNAPSHOT", "ps": self.symbol, "d": data})

    def _full(self, event: str, asks: list[Json], bids: list[Json]) -> str:
        data = {
            "LastChange": self.last_change_ms,
            "Asks": asks,
            "Bids": bids,
            "SequenceNumber": self.full_sequence,
            "Checksum": self.full_checksum(),
        }
        return encode({"type": event, "currencyPairSymbol": self.symbol, "data": data})

    def full_snapshot(self) -> str:
        """Encode FULL_ORDERBOOK_SNAPSHOT: every order, in queue order within its level."""
        asks, bids = (
            [
                {
                    "Price": level.price_text,
                    "Orders": [
                        {"orderId": order.id, "quantity": order.remaining_text} for order in level.orders.values()
                    ],
                }
                for level in self._book.levels(side)
            ]
            for side in (Side.SELL, Side.BUY)
        )
        return self._full("FULL_ORDERBOOK_SNAPSHOT", asks, bids)

    def full_update(self) -> str:
        """Encode FULL_ORDERBOOK_UPDATE: the entries of the last change, grouped by price, in their sequence."""
        groups: dict[Side, dict[Decimal, list[Json]]] = {Side.BUY: {}, Side.SELL: {}}
        for entry in self._entries:
            group = groups[entry.side].setdefault(entry.price, [])
            group.append({"orderId": entry.order_id, "quantity": entry.quantity})
        asks, bids = (
            [
                {"Price": to_text(price), "Orders": groups[side][price]}
                for price in sorted(groups[side], reverse=side is Side.BUY)
            ]
            for side in (Side.SELL, Side.BUY)
        )
        return self._full("FULL_ORDERBOOK_UPDATE", asks, bids)

    def aggregated(self) -> Json:
        """Return the top of the book by level: the REST book and the data of AGGREGATED_ORDERBOOK_UPDATE."""
        return self._rest(
            *(
                [
                    {
                        "side": side.value,
                        "quantity": level.quantity_text,
                        "price": level.price_text,
                        "currencyPair": self.symbol,
                        "orderCount": len(level.orders),
                    }
                    for level in self._levels(side, AGGREGATED_DEPTH)
                ]
                for side in (Side.SELL, Side.BUY)
            )
        )

    def aggregated_update(self) -> str:
        """Encode AGGREGATED_ORDERBOOK_UPDATE."""
        message = {
            "type": "AGGREGATED_ORDERBOOK_UPDATE",
            "currencyPairSymbol": self.symbol,
            "data": self.aggregated(),
        }
        return encode(message)

    def every_order(self) -> Json:
        """Return the REST book of single orders."""
        return self._rest(
            *(
                [
                    {
                        "side": side.value,
                        "quantity": order.remaining_text,
                        "price": level.price_text,
                        "currencyPair": self.symbol,
                        "id": order.id,
                        "positionAtPrice": position,
                    }
                    for level in self._book.levels(side)
                    for position, order in enumerate(level.orders.values(), 1)
                ]
                for side in (Side.SELL, Side.BUY)
            )
        )

    def _rest(self, asks: list[Json], bids: list[Json]) -> Json:
        return {
            "Asks": asks,
            "Bids": bids,
            "LastChange": iso(self.last_change_ms),
            "SequenceNumber": self.full_sequence,
        }
