"""Order books rebuilt from the wire by the published rules alone (valr-api.md 5.4, 5.5), and a signed client."""

import json
from decimal import Decimal
from zlib import crc32


def interleaved_crc(bids: list[str], asks: list[str]) -> int:
    parts = []
    for place in range(25):
        if place < len(bids):
            parts.append(bids[place])
        if place < len(asks):
            parts.append(asks[place])
    return crc32(":".join(parts).encode()) & 0xFFFFFFFF


class L1Decoder:
    """OB_L1_*: levels replaced by wire text, sequence exactly one more, checksum over 25 levels."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[str, str]] = {"a": {}, "b": {}}
        self.sequence: int | None = None

    def feed(self, text: str) -> None:
        message = json.loads(text)
        data = message["d"]
        if message["type"] == "OB_L1_SNAPSHOT":
            self.sides = {"a": {}, "b": {}}
        else:
            assert message["type"] == "OB_L1_DIFF"
            assert data["sq"] == self.sequence + 1
            assert data["a"] or data["b"]
        self.sequence = data["sq"]
        for side in "ab":
            for price, quantity in data[side]:
                if quantity == "0":
                    del self.sides[side][price]
                else:
                    self.sides[side][price] = quantity
        assert data["cs"] == self.checksum()

    def ordered(self, side: str) -> list[tuple[str, str]]:
        return sorted(self.sides[side].items(), key=lambda row: Decimal(row[0]), reverse=side == "b")

    def checksum(self) -> int:
        bids, asks = ([f"{price}:{quantity}" for price, quantity in self.ordered(side)] for side in "ba")
        return interleaved_crc(bids, asks)


class FullDecoder:
    """FULL_ORDERBOOK_*: orders in queue order, sequence advancing by entries, checksum over 25 orders."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[str, dict[str, str]]] = {"Asks": {}, "Bids": {}}
        self.sequence: int | None = None

    def feed(self, text: str) -> None:
        message = json.loads(text)
        data = message["data"]
        snapshot = message["type"] == "FULL_ORDERBOOK_SNAPSHOT"
        if snapshot:
            self.sides = {"Asks": {}, "Bids": {}}
        entries = 0
        for side in ("Asks", "Bids"):
            prices = [Decimal(level["Price"]) for level in data[side]]
            assert prices == sorted(prices, reverse=side == "Bids")
            for level in data[side]:
                for order in level["Orders"]:
                    entries += 1
                    self._apply(side, level["Price"], order["orderId"], order["quantity"])
        if not snapshot:
            assert data["SequenceNumber"] == self.sequence + entries
        self.sequence = data["SequenceNumber"]
        assert data["Checksum"] == self.checksum()

    def _apply(self, side: str, price: str, order_id: str, quantity: str) -> None:
        levels = self.sides[side]
        if quantity == "0":
            del levels[price][order_id]
            if not levels[price]:
                del levels[price]
        else:
            levels.setdefault(price, {})[order_id] = quantity

    def orders(self, side: str) -> list[tuple[str, str, str]]:
        prices = sorted(self.sides[side], key=Decimal, reverse=side == "Bids")
        return [(price, *row) for price in prices for row in self.sides[side][price].items()]

    def checksum(self) -> int:
        bids, asks = ([f"{order}:{left}" for _, order, left in self.orders(side)] for side in ("Bids", "Asks"))
        return interleaved_crc(bids, asks)
