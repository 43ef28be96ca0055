"""The exchange's side of the three book feeds, written for the tests straight from valr-api.md 5.4 and 5.5."""

import zlib
from decimal import Decimal
from typing import Any


def documented_checksum(bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> int:
    """The example of valr-api.md 5.5."""
    parts = []
    for i in range(25):
        if i < len(bids):
            parts.append(f"{bids[i][0]}:{bids[i][1]}")
        if i < len(asks):
            parts.append(f"{asks[i][0]}:{asks[i][1]}")
    return zlib.crc32(":".join(parts).encode()) & 0xFFFFFFFF


class ReferenceLevels:
    """An aggregated book that speaks OB_L1 and AGGREGATED."""

    def __init__(self, symbol: str, sequence: int = 1000) -> None:
        self.symbol = symbol
        self.sequence = sequence
        self.bids: dict[Decimal, tuple[str, str]] = {}
        self.asks: dict[Decimal, tuple[str, str]] = {}

    def change(self, bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> None:
        for side, rows in ((self.bids, bids), (self.asks, asks)):
            for price, quantity in rows:
                if Decimal(quantity) == 0:
                    side.pop(Decimal(price), None)
                else:
                    side[Decimal(price)] = (price, quantity)
        self.sequence += 1

    def sorted_bids(self) -> list[tuple[str, str]]:
        return [self.bids[price] for price in sorted(self.bids, reverse=True)]

    def sorted_asks(self) -> list[tuple[str, str]]:
        return [self.asks[price] for price in sorted(self.asks)]

    def rows(self) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        return (
            [(float(price), float(quantity)) for price, quantity in self.sorted_bids()],
            [(float(price), float(quantity)) for price, quantity in self.sorted_asks()],
        )

    def _frame(self, kind: str, bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> dict[str, Any]:
        data = {
            "lc": 1790133277857,
            "a": [list(row) for row in asks],
            "b": [list(row) for row in bids],
            "sq": self.sequence,
            "cs": documented_checksum(self.sorted_bids(), self.sorted_asks()),
        }
        return {"type": kind, "ps": self.symbol, "d": data}

    def snapshot_frame(self) -> dict[str, Any]:
        return self._frame("OB_L1_SNAPSHOT", self.sorted_bids(), self.sorted_asks())

    def diff_frame(self, bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> dict[str, Any]:
        """Apply a change and return the frame that announces it."""
        self.change(bids, asks)
        return self._frame("OB_L1_DIFF", bids, asks)

    def aggregated_frame(self) -> dict[str, Any]:
        def rows(side: str, levels: list[tuple[str, str]]) -> list[dict[str, Any]]:
            return [
                {"side": side, "quantity": quantity, "price": price, "currencyPair": self.symbol, "orderCount": 1}
                for price, quantity in levels[:40]
            ]

        data = {
            "Asks": rows("sell", self.sorted_asks()),
            "Bids": rows("buy", self.sorted_bids()),
            "LastChange": "2024-03-27T12:39:52.562Z",
            "SequenceNumber": self.sequence,
        }
        return {"type": "AGGREGATED_ORDERBOOK_UPDATE", "currencyPairSymbol": self.symbol, "data": data}


Entry = tuple[str, str, str, str]
"""Side (``Bids`` or ``Asks``), price, order id, quantity."""


class ReferenceOrders:
    """An order-by-order book that speaks FULL_ORDERBOOK."""

    def __init__(self, symbol: str, sequence: int = 5000) -> None:
        self.symbol = symbol
        self.sequence = sequence
        self.queue: list[Entry] = []

    def change(self, entries: list[Entry]) -> None:
        for entry in entries:
            side, price, order_id, quantity = entry
            index = next((i for i, (_, _, known, _) in enumerate(self.queue) if known == order_id), None)
            if Decimal(quantity) == 0:
                if index is not None:
                    del self.queue[index]
            elif index is None:
                self.queue.append(entry)
            elif (self.queue[index][0], Decimal(self.queue[index][1])) == (side, Decimal(price)):
                self.queue[index] = entry
            else:
                del self.queue[index]
                self.queue.append(entry)
        self.sequence += len(entries)

    def side(self, side: str) -> list[Entry]:
        """All orders of one side in matching order: `sorted` is stable, so the queue is kept inside a price."""
        orders = [entry for entry in self.queue if entry[0] == side]
        return sorted(orders, key=lambda entry: Decimal(entry[1]), reverse=side == "Bids")

    def rows(self, side: str) -> list[tuple[float, float]]:
        totals: dict[Decimal, Decimal] = {}
        for _, price, _, quantity in self.side(side):
            totals[Decimal(price)] = totals.get(Decimal(price), Decimal(0)) + Decimal(quantity)
        return [(float(price), float(total)) for price, total in totals.items()]

    def _frame(self, kind: str, entries: list[Entry]) -> dict[str, Any]:
        def levels(side: str) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = []
            for entry_side, price, order_id, quantity in entries:
                if entry_side == side:
                    if not found or found[-1]["Price"] != price:
                        found.append({"Price": price, "Orders": []})
                    found[-1]["Orders"].append({"orderId": order_id, "quantity": quantity})
            return found

        tokens = {side: [(order_id, quantity) for _, _, order_id, quantity in self.side(side)] for side in SIDES}
        data = {
            "LastChange": 1644301604645,
            "Asks": levels("Asks"),
            "Bids": levels("Bids"),
            "SequenceNumber": self.sequence,
            "Checksum": documented_checksum(tokens["Bids"], tokens["Asks"]),
        }
        return {"type": kind, "currencyPairSymbol": self.symbol, "data": data}

    def snapshot_frame(self) -> dict[str, Any]:
        return self._frame("FULL_ORDERBOOK_SNAPSHOT", [*self.side("Bids"), *self.side("Asks")])

    def update_frame(self, entries: list[Entry]) -> dict[str, Any]:
        """Apply entries and return the frame that announces them. Bids are sent first, as they are applied first."""
        ordered = [entry for side in SIDES for entry in entries if entry[0] == side]
        self.change(ordered)
        return self._frame("FULL_ORDERBOOK_UPDATE", ordered)


SIDES = ("Bids", "Asks")
