"""A market to replay: VALR's book and trade frames for many pairs, as wire text (valr-api.md 5.3-5.5).

The encoder and its checksums are the benchmark's own. Everything follows from the seed.
"""

import json
import zlib
from abc import ABC, abstractmethod
from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

CHECKSUM_DEPTH = 25
AGGREGATED_DEPTH = 40
# One trade for so many book frames.
BOOK_FRAMES_PER_TRADE = 20
# So many changes go to the neighbourhood of the best price, the others anywhere.
TOP_SHARE = 0.85
TOP_MEAN_RANK = 6.0

Rows = list[tuple[float, float]]


@dataclass(frozen=True)
class Recording:
    """Wire texts in wire order: a snapshot per pair, then updates in equal batches, then how the books end."""

    symbols: list[str]
    snapshots: list[str]
    batches: list[list[str]]
    final_books: dict[str, tuple[Rows, Rows]]

    @property
    def mean_size(self) -> float:
        """Characters of an average update."""
        sizes = [len(frame) for batch in self.batches for frame in batch]
        return sum(sizes) / len(sizes)


def record(
    feed: str, pairs: int, depth: int, batches: int, batch_size: int, seed: int = 1, changes: int | None = None
) -> Recording:
    """Return a recording of ``pairs`` books with ``depth`` levels a side, their updates evenly mixed.

    :param changes: so many levels of each side change in every update; one to four in all without it
    """
    random = Random(f"{seed} {feed} {pairs} {depth}")
    venues = new_venues(feed, [f"P{number:03}ZAR" for number in range(pairs)], depth, random, changes)
    snapshots = [venue.snapshot() for venue in venues]
    frames = (text for _, text in mixed_frames(venues, random))
    recorded = [[next(frames) for _ in range(batch_size)] for _ in range(batches)]
    return Recording(
        [venue.symbol for venue in venues], snapshots, recorded, {venue.symbol: venue.rows() for venue in venues}
    )


def new_venues(
    feed: str, symbols: Sequence[str], depth: int, random: Random, changes: int | None = None
) -> "list[Venue]":
    """Return the exchange's side of a book for each symbol; ``changes`` as in :func:`record`."""
    return [_VENUES[feed](symbol, depth, random, changes) for symbol in symbols]


def mixed_frames(venues: "list[Venue]", random: Random) -> Iterator[tuple[str, str]]:
    """Go on for ever with frames of all venues in turn: the symbol whose book each changes, "" for a trade, and it."""
    number = 0
    while True:
        for venue in random.sample(venues, len(venues)):
            number += 1
            if number % (BOOK_FRAMES_PER_TRADE + 1) == 0:
                yield "", venue.trade()
            else:
                yield venue.symbol, venue.update()


def _text(number: int, decimals: int) -> str:
    """Write an integer of the last decimal place as VALR does: plain, without trailing zeros."""
    text = f"{number // 10**decimals}.{number % 10**decimals:0{decimals}}" if decimals else str(number)
    return text.rstrip("0").rstrip(".") if decimals else text


def _checksum(bids: list[str], asks: list[str]) -> int:
    """CRC32 over the tokens of the best 25 a side, a bid first, where there is one."""
    tokens = []
    for rank in range(CHECKSUM_DEPTH):
        tokens += bids[rank : rank + 1]
        tokens += asks[rank : rank + 1]
    return zlib.crc32(":".join(tokens).encode("ascii"))


def _wire(frame: dict[str, Any]) -> str:
    return json.dumps(frame, separators=(",", ":"))


class Ladder:
    """The prices of one side in ticks, best first: ``keys`` are the ticks of asks, the negative ticks of bids."""

    def __init__(self, is_bid: bool, depth: int, middle: int, random: Random) -> None:
        self.is_bid = is_bid
        self.depth = depth
        self.random = random
        self.keys: list[int] = []
        key = -middle if is_bid else middle
        for _ in range(depth):
            key += random.randint(1, 3)
            self.keys.append(key)

    def rank(self) -> int:
        """Choose a level, mostly among the best."""
        if self.random.random() < TOP_SHARE:
            return min(int(self.random.expovariate(1 / TOP_MEAN_RANK)), len(self.keys) - 1)
        return self.random.randrange(len(self.keys))

    def free_key(self, other: "Ladder") -> int | None:
        """Choose a price without a level that does not cross the other side; None when the choice fell on none."""
        key = self.keys[self.rank()] - 1
        index = bisect_left(self.keys, key)
        return None if self.keys[index] == key or key <= -other.keys[0] else key


class Venue(ABC):
    """The exchange's side of one pair's book."""

    def __init__(self, symbol: str, depth: int, random: Random, changes: int | None = None) -> None:
        self.symbol = symbol
        self.random = random
        self.changes = changes
        self.decimals = random.randint(0, 6)
        self.sequence = random.randrange(10**9)
        middle = random.randint(50 * depth, 100 * depth)
        self.bids = Ladder(True, depth, middle, random)
        self.asks = Ladder(False, depth, middle, random)
        for ladder in (self.bids, self.asks):
            for key in ladder.keys:
                self.open_level(ladder, key)

    def price(self, key: int) -> str:
        """The wire text of a price."""
        return _text(abs(key), self.decimals)

    def quantity(self) -> str:
        """A new quantity, with up to eight decimals."""
        return _text(self.random.randint(1, 10**10), 8)

    def change(self) -> dict[bool, list[tuple[str, Any]]]:
        """Change some levels, each once, and return their entries by side."""
        changed: dict[bool, dict[int, Any]] = {True: {}, False: {}}
        for is_bid in self._sides_to_change():
            ladder, other = (self.bids, self.asks) if is_bid else (self.asks, self.bids)
            key, is_new = self._other_level(ladder, other, changed[is_bid])
            if is_new:
                insort(ladder.keys, key)
                changed[is_bid][key] = self.open_level(ladder, key)
            else:
                changed[is_bid][key] = self.change_level(ladder, key, shrink=len(ladder.keys) > ladder.depth)
        return {
            is_bid: [(self.price(key), entry) for key, entry in entries.items()] for is_bid, entries in changed.items()
        }

    def _sides_to_change(self) -> list[bool]:
        if self.changes is not None:
            return [True, False] * self.changes
        return [self.random.random() < 0.5 for _ in range(self.random.randint(1, 4))]

    def _other_level(self, ladder: Ladder, other: Ladder, changed: dict[int, Any]) -> tuple[int, bool]:
        """Choose a price that has not been changed yet, and say whether it is without a level."""
        while True:
            wants_new = len(ladder.keys) < ladder.depth or self.random.random() < 0.2
            key = ladder.free_key(other) if wants_new else None
            is_new = key is not None
            if key is None:
                key = ladder.keys[ladder.rank()]
            if key not in changed:
                return key, is_new

    def trade(self) -> str:
        """A public trade at the best ask."""
        data = {
            "price": self.price(self.asks.keys[0]),
            "quantity": self.quantity(),
            "currencyPair": self.symbol,
            "tradedAt": "2026-03-27T12:33:19.918Z",
            "takerSide": "buy",
            "id": self.order_id(),
        }
        return _wire({"type": "NEW_TRADE", "currencyPairSymbol": self.symbol, "data": data})

    def order_id(self) -> str:
        """An id in the shape of a UUID."""
        digits = f"{self.random.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def rows(self) -> tuple[Rows, Rows]:
        """The whole book as Hummingbot shows it, best levels first."""
        bids, asks = (
            [(float(self.price(key)), float(self.level_quantity(ladder, key))) for key in ladder.keys]
            for ladder in (self.bids, self.asks)
        )
        return bids, asks

    @abstractmethod
    def open_level(self, ladder: Ladder, key: int) -> Any:
        """Put something at a price without a level and return its entry on the wire."""

    @abstractmethod
    def change_level(self, ladder: Ladder, key: int, *, shrink: bool) -> Any:
        """Change a level, preferably make it vanish when told to shrink, and return the entry on the wire."""

    @abstractmethod
    def level_quantity(self, ladder: Ladder, key: int) -> str:
        """The total quantity at a price."""

    @abstractmethod
    def snapshot(self) -> str:
        """The frame with the whole book."""

    @abstractmethod
    def update(self) -> str:
        """Change the book and return the frame that announces it."""


class LevelVenue(Venue):
    """Aggregated levels, in the frames of ``OB_L1_*``."""

    def __init__(self, symbol: str, depth: int, random: Random, changes: int | None = None) -> None:
        self.quantities: dict[tuple[bool, int], str] = {}
        super().__init__(symbol, depth, random, changes)

    def open_level(self, ladder: Ladder, key: int) -> str:
        """Put a quantity at a new price."""
        quantity = self.quantities[ladder.is_bid, key] = self.quantity()
        return quantity

    def change_level(self, ladder: Ladder, key: int, *, shrink: bool) -> str:
        """Change the quantity, or remove the level."""
        if not shrink:
            return self.open_level(ladder, key)
        del self.quantities[ladder.is_bid, key]
        ladder.keys.remove(key)
        return "0"

    def level_quantity(self, ladder: Ladder, key: int) -> str:
        """The quantity at a price."""
        return self.quantities[ladder.is_bid, key]

    def snapshot(self) -> str:
        """All levels, best first."""
        return self.frame(
            "OB_L1_SNAPSHOT", self.levels(self.bids, self.bids.depth), self.levels(self.asks, self.asks.depth)
        )

    def update(self) -> str:
        """The changed levels."""
        entries = self.change()
        self.sequence += 1
        return self.frame("OB_L1_DIFF", entries[True], entries[False])

    def levels(self, ladder: Ladder, depth: int) -> list[tuple[str, str]]:
        """The wire's levels of one side, best first."""
        return [(self.price(key), self.quantities[ladder.is_bid, key]) for key in ladder.keys[:depth]]

    def frame(self, kind: str, bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> str:
        """Wrap levels with the checksum of the book as it is now."""
        best = [[":".join(level) for level in self.levels(ladder, CHECKSUM_DEPTH)] for ladder in (self.bids, self.asks)]
        data = {"lc": 1790133277857, "a": asks, "b": bids, "sq": self.sequence, "cs": _checksum(*best)}
        return _wire({"type": kind, "ps": self.symbol, "d": data})


class AggregatedVenue(LevelVenue):
    """The best 40 levels with each change, in the frames of ``AGGREGATED_ORDERBOOK_UPDATE``."""

    def snapshot(self) -> str:
        """The top of the book."""
        data = {
            "Asks": self.rich_levels(self.asks, "sell"),
            "Bids": self.rich_levels(self.bids, "buy"),
            "LastChange": "2026-03-27T12:39:52.562Z",
            "SequenceNumber": self.sequence,
        }
        return _wire({"type": "AGGREGATED_ORDERBOOK_UPDATE", "currencyPairSymbol": self.symbol, "data": data})

    def update(self) -> str:
        """The top of the book after a change."""
        self.sequence += sum(len(entries) for entries in self.change().values())
        return self.snapshot()

    def rows(self) -> tuple[Rows, Rows]:
        """The part of the book that the feed shows."""
        bids, asks = super().rows()
        return bids[:AGGREGATED_DEPTH], asks[:AGGREGATED_DEPTH]

    def rich_levels(self, ladder: Ladder, side: str) -> list[dict[str, Any]]:
        """The levels in this feed's words."""
        return [
            {"side": side, "quantity": quantity, "price": price, "currencyPair": self.symbol, "orderCount": 1}
            for price, quantity in self.levels(ladder, AGGREGATED_DEPTH)
        ]


class OrderVenue(Venue):
    """Every order in its queue, in the frames of ``FULL_ORDERBOOK_*``."""

    def __init__(self, symbol: str, depth: int, random: Random, changes: int | None = None) -> None:
        self.queues: dict[tuple[bool, int], dict[str, str]] = {}
        super().__init__(symbol, depth, random, changes)
        for ladder in (self.bids, self.asks):
            for key in ladder.keys:
                if random.random() < 0.3:
                    self.queues[ladder.is_bid, key][self.order_id()] = self.quantity()

    def open_level(self, ladder: Ladder, key: int) -> tuple[str, str]:
        """Put one order at a new price."""
        self.queues[ladder.is_bid, key] = {}
        return self.put(ladder, key, self.order_id())

    def put(self, ladder: Ladder, key: int, order_id: str) -> tuple[str, str]:
        """Add an order at the end, or change a known one in its place."""
        quantity = self.queues[ladder.is_bid, key][order_id] = self.quantity()
        return order_id, quantity

    def change_level(self, ladder: Ladder, key: int, *, shrink: bool) -> tuple[str, str]:
        """Fill a part of the first order, add one to a queue of one, or remove the first one."""
        queue = self.queues[ladder.is_bid, key]
        oldest = next(iter(queue))
        if not shrink and len(queue) < 3:
            return self.put(ladder, key, oldest if self.random.random() < 0.5 else self.order_id())
        del queue[oldest]
        if not queue:
            del self.queues[ladder.is_bid, key]
            ladder.keys.remove(key)
        return oldest, "0"

    def level_quantity(self, ladder: Ladder, key: int) -> str:
        """The sum of the queue."""
        return str(sum(map(Decimal, self.queues[ladder.is_bid, key].values()), Decimal(0)))

    def snapshot(self) -> str:
        """All orders, best levels first."""
        bids, asks = (
            [(self.price(key), order) for key in ladder.keys for order in self.queues[ladder.is_bid, key].items()]
            for ladder in (self.bids, self.asks)
        )
        return self.frame("FULL_ORDERBOOK_SNAPSHOT", bids, asks)

    def update(self) -> str:
        """The changed orders."""
        entries = self.change()
        self.sequence += len(entries[True]) + len(entries[False])
        return self.frame("FULL_ORDERBOOK_UPDATE", entries[True], entries[False])

    def frame(self, kind: str, bids: list[tuple[str, Any]], asks: list[tuple[str, Any]]) -> str:
        """Wrap orders with the checksum of the book as it is now."""
        data = {
            "LastChange": 1790133277857,
            "Asks": _by_price(asks),
            "Bids": _by_price(bids),
            "SequenceNumber": self.sequence,
            "Checksum": _checksum(self.best(self.bids), self.best(self.asks)),
        }
        return _wire({"type": kind, "currencyPairSymbol": self.symbol, "data": data})

    def best(self, ladder: Ladder) -> list[str]:
        """The checksum's tokens of one side."""
        return [
            ":".join(order) for key in ladder.keys[:CHECKSUM_DEPTH] for order in self.queues[ladder.is_bid, key].items()
        ][:CHECKSUM_DEPTH]


def _by_price(entries: list[tuple[str, Any]]) -> list[dict[str, Any]]:
    levels: list[dict[str, Any]] = []
    for price, (order_id, quantity) in entries:
        if not levels or levels[-1]["Price"] != price:
            levels.append({"Price": price, "Orders": []})
        levels[-1]["Orders"].append({"orderId": order_id, "quantity": quantity})
    return levels


_VENUES: dict[str, type[Venue]] = {"l1": LevelVenue, "full": OrderVenue, "aggregated": AggregatedVenue}
