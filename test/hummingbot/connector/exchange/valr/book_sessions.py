"""Sessions of VALR's three book feeds as the wire would carry them, beside every frame the truth it was made from.

A small market of single orders in price-time priority lives through drawn deeds, and a tape encodes it for one feed,
naively and straight from valr-api.md 5.3-5.5. Nothing here knows the connector or the loopback exchange.
"""

import copy
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import cached_property
from random import Random
from typing import Any, NamedTuple

from hypothesis import strategies as st

Json = dict[str, Any]

L1, FULL, AGGREGATED = "l1", "full", "aggregated"
FEEDS = (L1, FULL, AGGREGATED)
BIDS, ASKS = "Bids", "Asks"
SIDES = (BIDS, ASKS)
OTHER = {BIDS: ASKS, ASKS: BIDS}
CHECKSUM_DEPTH = 25
AGGREGATED_DEPTH = 40
# Less than what the checksum covers: whatever is removed at once from the top, its followers are seen in between.
DRAINED_AT_ONCE = 20
THROTTLE = 3


# --- The truth --------------------------------------------------------------------------------------------------------
class Order(NamedTuple):
    """A resting order."""

    order_id: str
    price: Decimal
    quantity: Decimal


class Entry(NamedTuple):
    """What happened to an order: what is left of it, 0 when it is gone."""

    side: str
    price: Decimal
    order_id: str
    quantity: Decimal


@dataclass(frozen=True)
class Truth:
    """Every order of both sides in matching order."""

    bids: tuple[Order, ...] = ()
    asks: tuple[Order, ...] = ()

    def orders(self, side: str) -> tuple[Order, ...]:
        return self.bids if side == BIDS else self.asks

    @cached_property
    def _levels(self) -> dict[str, dict[Decimal, Decimal]]:
        levels: dict[str, dict[Decimal, Decimal]] = {}
        for side in SIDES:
            totals = levels[side] = {}
            for order in self.orders(side):
                totals[order.price] = totals.get(order.price, Decimal(0)) + order.quantity
        return levels

    @cached_property
    def rows(self) -> dict[str, list[tuple[float, float]]]:
        """The levels as Hummingbot wants them."""
        return {side: [(float(price), float(total)) for price, total in self._levels[side].items()] for side in SIDES}

    def levels(self, side: str) -> dict[Decimal, Decimal]:
        """The total quantity at each price, best price first."""
        return self._levels[side]

    @cached_property
    def queues(self) -> dict[str, list[tuple[str, tuple[float, int, Decimal]]]]:
        """The orders of each side in matching order: the price, how many are ahead there, and their volume."""
        queues: dict[str, list[tuple[str, tuple[float, int, Decimal]]]] = {}
        for side in SIDES:
            ahead: dict[Decimal, tuple[int, Decimal]] = {}
            places = queues[side] = []
            for order in self.orders(side):
                position, volume = ahead.get(order.price, (0, Decimal(0)))
                places.append((order.order_id, (float(order.price), position, volume)))
                ahead[order.price] = (position + 1, volume + order.quantity)
        return queues

    @cached_property
    def order_ids(self) -> frozenset[str]:
        return frozenset(order.order_id for side in SIDES for order in self.orders(side))


class Profile(NamedTuple):
    """A pair: where it trades, and the steps of its prices and quantities."""

    symbol: str
    centre: Decimal
    tick: Decimal
    lot: Decimal
    sizes: tuple[int, ...]


PROFILES = (
    Profile("BTCZAR", Decimal(1291722), Decimal(1), Decimal("0.00000001"), (1, 11500000, 40000, 999, 10**9, 10**13)),
    Profile("PYUSDUSDT", Decimal("0.99735"), Decimal("0.00001"), Decimal("0.01"), (1, 49526, 1135238, 10, 100, 5)),
    # Prices of one, two and three digits, and a floor below which there is no price.
    Profile("TENZAR", Decimal(10), Decimal("0.5"), Decimal("0.00000000001"), (1, 10**11, 25 * 10**10, 10**14, 7, 3)),
    Profile("HUNDREDZAR", Decimal(100), Decimal("0.1"), Decimal("0.1"), (1, 10, 15, 100, 12345, 20)),
    Profile("SHIBUSDT", Decimal("0.00001234567"), Decimal("0.00000000001"), Decimal(1), (1, 10, 10**12, 777, 10**7, 4)),
    Profile("HUGEZAR", Decimal("9999999999.5"), Decimal("0.5"), Decimal("0.001"), (1, 1000, 10**15, 500, 12, 9)),
)


class Market:
    """A truthful order-by-order book; ``entries`` is what happened since they were last taken."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.full_sequence = 589_628_037
        self.entries: list[Entry] = []
        self._sides: dict[str, list[Order]] = {BIDS: [], ASKS: []}
        self._issued = 0

    def fork(self) -> "Market":
        """A market that goes on from here by itself."""
        twin = copy.copy(self)
        twin._sides = {side: list(orders) for side, orders in self._sides.items()}
        twin.entries = list(self.entries)
        return twin

    def truth(self) -> Truth:
        return Truth(tuple(self._sides[BIDS]), tuple(self._sides[ASKS]))

    def orders(self, side: str) -> list[Order]:
        return self._sides[side]

    def new_id(self) -> str:
        """An id as VALR writes them; the order of ids is not that of their times."""
        self._issued += 1
        return f"019a2a46-{self._issued:04x}-7000-8000-{self._issued * 0x9E3779B97F4A % 2**48:012x}"

    def price(self, side: str, distance: int) -> Decimal | None:
        """The price so many ticks behind the other side's best; None where there is none above zero."""
        others = self._sides[OTHER[side]]
        start = others[0].price if others else self.profile.centre
        steps = (distance + 1) * self.profile.tick
        price = start - steps if side == BIDS else start + steps
        return price if price > 0 else None

    def quantity(self, size: int) -> Decimal:
        sizes = self.profile.sizes
        return self.profile.lot * sizes[size % len(sizes)] * (1 + size // len(sizes))

    def rest(self, side: str, price: Decimal, order_id: str, quantity: Decimal) -> None:
        """Put an order behind all others of its price."""
        queue = self._sides[side]
        place = 0
        while place < len(queue) and (queue[place].price >= price if side == BIDS else queue[place].price <= price):
            place += 1
        queue.insert(place, Order(order_id, price, quantity))
        self._note(side, price, order_id, quantity)

    def reduce(self, side: str, index: int, left: Decimal) -> None:
        """Leave so much of an order, in its place in the queue; 0 takes it away."""
        queue = self._sides[side]
        order = queue[index]
        if left:
            queue[index] = order._replace(quantity=left)
        else:
            del queue[index]
        self._note(side, order.price, order.order_id, left)

    def trade(self, side: str, limit: Decimal, quantity: Decimal, shown: bool) -> None:
        """Match an order of ``side`` that arrives, up to its limit, and let the remainder rest.

        :param shown: whether the feed tells of the order when it arrives
        """
        taker = self.new_id()
        if shown:
            self._note(side, limit, taker, quantity)
        makers = self._sides[OTHER[side]]
        left = quantity
        while left and makers and (makers[0].price <= limit if side == BIDS else makers[0].price >= limit):
            filled = min(left, makers[0].quantity)
            self.reduce(OTHER[side], 0, makers[0].quantity - filled)
            left -= filled
        if left:
            self.rest(side, limit, taker, left)
        elif shown:
            self._note(side, limit, taker, left)

    def ghost(self, side: str, price: Decimal) -> None:
        """Tell of the end of an order that nobody has heard of."""
        self._note(side, price, self.new_id(), Decimal(0))

    def _note(self, side: str, price: Decimal, order_id: str, quantity: Decimal) -> None:
        self.entries.append(Entry(side, price, order_id, quantity))
        self.full_sequence += 1


# --- The wire ---------------------------------------------------------------------------------------------------------
def text(number: Decimal) -> str:
    """Plain decimal notation without trailing zeros."""
    plain = format(number, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def checksum(bids: list[str], asks: list[str]) -> int:
    """CRC32 of the best 25 tokens of each side in turn, a bid first; a short side is skipped."""
    parts = []
    for rank in range(CHECKSUM_DEPTH):
        parts += bids[rank : rank + 1]
        parts += asks[rank : rank + 1]
    return zlib.crc32(":".join(parts).encode("utf-8"))


class Frame(NamedTuple):
    """A frame, the truth after it, and its number on the tape."""

    content: Json
    truth: Truth
    number: int


class Tape:
    """What one subscription to one feed says about a market."""

    def __init__(self, feed: str, market: Market) -> None:
        self.feed = feed
        self.market = market
        self.frames = 0
        self._l1_sequence = 907_135
        self._messages = 0
        self._told = Truth()

    def fork(self) -> "Tape":
        """A tape that goes on from here by itself, with a market of its own."""
        twin = copy.copy(self)
        twin.market = self.market.fork()
        return twin

    def snapshot(self) -> Frame:
        """The frame a subscription starts with."""
        return self._tell({L1: self._l1_snapshot, FULL: self._full_snapshot, AGGREGATED: self._aggregated}[self.feed])

    def message(self) -> Frame | None:
        """What happened since the last frame, None when this feed has nothing to say about it."""
        self._messages += 1
        truth = self.market.truth()
        if self.feed == L1 and truth == self._told:
            return None
        if self.feed == L1 and all(truth.levels(side) == self._told.levels(side) for side in SIDES):
            return None
        if self.feed == FULL and not self.market.entries:
            return None
        if self.feed == AGGREGATED and self._messages % THROTTLE == 0:
            return None
        return self._tell({L1: self._l1_diff, FULL: self._full_update, AGGREGATED: self._aggregated}[self.feed])

    def _tell(self, encode: Any) -> Frame:
        truth = self.market.truth()
        content = encode(truth)
        self.market.entries = []
        self._told = truth
        self.frames += 1
        return Frame(content, truth, self.frames)

    def _l1(self, kind: str, truth: Truth, bids: list[list[str]], asks: list[list[str]]) -> Json:
        tokens = {
            side: [f"{text(price)}:{text(total)}" for price, total in truth.levels(side).items()] for side in SIDES
        }
        data = {
            "lc": 1_790_133_277_857,
            "a": asks,
            "b": bids,
            "sq": self._l1_sequence,
            "cs": checksum(tokens[BIDS], tokens[ASKS]),
        }
        return {"type": kind, "ps": self.market.profile.symbol, "d": data}

    def _l1_snapshot(self, truth: Truth) -> Json:
        bids, asks = (
            [[text(price), text(total)] for price, total in truth.levels(side).items()] for side in (BIDS, ASKS)
        )
        return self._l1("OB_L1_SNAPSHOT", truth, bids, asks)

    def _l1_diff(self, truth: Truth) -> Json:
        self._l1_sequence += 1
        rows = {}
        for side in SIDES:
            before, after = self._told.levels(side), truth.levels(side)
            changed = [price for price in {**before, **after} if before.get(price) != after.get(price)]
            changed.sort(reverse=side == BIDS)
            rows[side] = [[text(price), text(after.get(price, Decimal(0)))] for price in changed]
        return self._l1("OB_L1_DIFF", truth, rows[BIDS], rows[ASKS])

    def _full(self, kind: str, truth: Truth, levels: dict[str, list[Json]]) -> Json:
        tokens = {side: [f"{order.order_id}:{text(order.quantity)}" for order in truth.orders(side)] for side in SIDES}
        data = {
            "LastChange": 1_644_301_604_645,
            "Asks": levels[ASKS],
            "Bids": levels[BIDS],
            "SequenceNumber": self.market.full_sequence,
            "Checksum": checksum(tokens[BIDS], tokens[ASKS]),
        }
        return {"type": kind, "currencyPairSymbol": self.market.profile.symbol, "data": data}

    def _full_snapshot(self, truth: Truth) -> Json:
        levels = {
            side: _grouped([Entry(side, order.price, order.order_id, order.quantity) for order in truth.orders(side)])
            for side in SIDES
        }
        return self._full("FULL_ORDERBOOK_SNAPSHOT", truth, levels)

    def _full_update(self, truth: Truth) -> Json:
        levels = {}
        for side in SIDES:
            entries = [entry for entry in self.market.entries if entry.side == side]
            if len({entry.order_id for entry in entries}) == len({entry[1:3] for entry in entries}):
                # No order is at two prices: the levels may be sent in the order of prices, their entries as they came.
                entries.sort(key=lambda entry: entry.price, reverse=side == BIDS)
            levels[side] = _grouped(entries)
        return self._full("FULL_ORDERBOOK_UPDATE", truth, levels)

    def _aggregated(self, truth: Truth) -> Json:
        counts: dict[tuple[str, Decimal], int] = {}
        for side in SIDES:
            for order in truth.orders(side):
                counts[side, order.price] = counts.get((side, order.price), 0) + 1
        rows = {
            side: [
                {
                    "side": "buy" if side == BIDS else "sell",
                    "quantity": text(total),
                    "price": text(price),
                    "currencyPair": self.market.profile.symbol,
                    "orderCount": counts[side, price],
                }
                for price, total in list(truth.levels(side).items())[:AGGREGATED_DEPTH]
            ]
            for side in SIDES
        }
        data = {
            "Asks": rows[ASKS],
            "Bids": rows[BIDS],
            "LastChange": "2024-03-27T12:39:52.562Z",
            "SequenceNumber": self.market.full_sequence,
        }
        return {
            "type": "AGGREGATED_ORDERBOOK_UPDATE",
            "currencyPairSymbol": self.market.profile.symbol,
            "data": data,
        }


def _grouped(entries: list[Entry]) -> list[Json]:
    """Neighbours of one price as one level, in the order of the entries."""
    levels: list[Json] = []
    for entry in entries:
        if not levels or levels[-1]["Price"] != text(entry.price):
            levels.append({"Price": text(entry.price), "Orders": []})
        levels[-1]["Orders"].append({"orderId": entry.order_id, "quantity": text(entry.quantity)})
    return levels


# --- Stories ----------------------------------------------------------------------------------------------------------
class Deed(Enum):
    """What happens in one step of a story."""

    PLACE = "a new order"
    FILL = "a part of the best order is taken"
    SWEEP = "several orders are taken, and the rest of the taker stays"
    CANCEL = "an order goes"
    REDUCE = "an order shrinks in its place"
    INCREASE = "an order grows and goes to the back"
    MOVE = "an order takes another price"
    FLASH = "an order comes and goes"
    GHOST = "the end of an unknown order"
    CLEAR = "a side goes"


class Step(NamedTuple):
    """A deed with its drawn numbers; ``alone`` ends the message."""

    deed: Deed
    side: str
    distance: int
    size: int
    pick: int
    alone: bool


class Story(NamedTuple):
    """A market to begin with, what happens then, and what happens after a second snapshot."""

    profile: Profile
    bids: int
    asks: int
    spread_over: int
    shuffle: int
    steps: list[Step]
    more: list[Step]


class Recording(NamedTuple):
    """A session of one feed: snapshot and changes, a second snapshot at their end, and the changes after that."""

    feed: str
    main: list[Frame]
    again: Frame
    after: list[Frame]
    end_of_main: Tape

    def drain(self) -> Iterator[Frame]:
        """Go on from the end of ``main`` until the book is empty, so that every level has been among the best."""
        tape = self.end_of_main.fork()
        while any(tape.market.orders(side) for side in SIDES):
            for side in SIDES:
                for _ in tape.market.orders(side)[:DRAINED_AT_ONCE]:
                    tape.market.reduce(side, 0, Decimal(0))
            if frame := tape.message():
                yield frame


def record(story: Story, feed: str) -> Recording:
    """Let a story happen and tape one feed of it."""
    tape = Tape(feed, opened(story))
    main = [tape.snapshot(), *happen(tape, story.steps)]
    end_of_main = tape.fork()
    again = tape.snapshot()
    return Recording(feed, main, again, list(happen(tape, story.more)), end_of_main)


def opened(story: Story) -> Market:
    """The market that a story begins with."""
    market, random = Market(story.profile), Random(story.shuffle)
    centre, tick = story.profile.centre, story.profile.tick
    for side, orders in ((BIDS, story.bids), (ASKS, story.asks)):
        for _ in range(orders):
            steps = random.randint(1, story.spread_over) * tick
            price = centre - steps if side == BIDS else centre + steps
            market.rest(side, max(price, tick), market.new_id(), market.quantity(random.randrange(30)))
    return market


def happen(tape: Tape, steps: list[Step]) -> Iterator[Frame]:
    """Do the steps one after the other; yield the frames in which the feed tells of them, of all of them in the end."""
    for number, step in enumerate(steps, 1):
        do(tape.market, step)
        if (step.alone or number == len(steps)) and (frame := tape.message()):
            yield frame


def do(market: Market, step: Step) -> None:
    """Do a deed; nothing where the market has no order or no price for it."""
    side, orders = step.side, market.orders(step.side)
    price = market.price(side, step.distance)
    quantity = market.quantity(step.size)
    index = step.pick % len(orders) if orders else 0
    match step.deed:
        case Deed.PLACE if price:
            market.rest(side, price, market.new_id(), quantity)
        case Deed.FLASH if price:
            market.rest(side, price, order_id := market.new_id(), quantity)
            market.reduce(side, [order.order_id for order in orders].index(order_id), Decimal(0))
        case Deed.GHOST if price:
            market.ghost(side, price)
        case Deed.CANCEL if orders:
            market.reduce(side, index, Decimal(0))
        case Deed.REDUCE if orders:
            market.reduce(side, index, part(market, orders[index].quantity))
        case Deed.FILL if orders:
            market.trade(OTHER[side], orders[0].price, part(market, orders[0].quantity) or quantity, step.pick % 2 == 0)
        case Deed.INCREASE if orders:
            replace(market, side, index, orders[index].price, orders[index].quantity + quantity)
        case Deed.MOVE if orders and price:
            replace(market, side, index, price, orders[index].quantity)
        case Deed.SWEEP if orders:
            swept = orders[: 1 + step.distance % 12]
            remainder = quantity if step.size % 2 else Decimal(0)
            total = sum((order.quantity for order in swept), remainder)
            market.trade(OTHER[side], swept[-1].price, total, step.pick % 2 == 0)
        case Deed.CLEAR:
            for _ in list(orders):
                market.reduce(side, 0, Decimal(0))


def part(market: Market, quantity: Decimal) -> Decimal:
    """About half of a quantity, in whole lots."""
    return quantity // market.profile.lot // 2 * market.profile.lot


def replace(market: Market, side: str, index: int, price: Decimal, quantity: Decimal) -> None:
    """What VALR makes of an increase or a new price: the order goes and comes back at the end of a queue."""
    order_id = market.orders(side)[index].order_id
    market.reduce(side, index, Decimal(0))
    market.rest(side, price, order_id, quantity)


OFTEN = {Deed.PLACE: 8, Deed.CANCEL: 4, Deed.FILL: 2, Deed.SWEEP: 2, Deed.REDUCE: 2, Deed.INCREASE: 2, Deed.MOVE: 2}
DEEDS = st.sampled_from([deed for deed in Deed for _ in range(OFTEN.get(deed, 1))])
DISTANCES = st.integers(0, 5) | st.integers(0, 60)
STEPS = st.builds(
    Step,
    DEEDS,
    st.sampled_from(SIDES),
    DISTANCES,
    st.integers(0, 29),
    st.integers(0, 99),
    st.sampled_from([True, True, True, False]),
)
DEPTHS = st.sampled_from([0, 1, 3, 12, 25, 26, 40, 60, 90])


def stories(longest: int) -> st.SearchStrategy[Story]:
    """Stories of at most so many steps, half of them at least, and a few more after the second snapshot."""
    return st.builds(
        Story,
        st.sampled_from(PROFILES),
        DEPTHS,
        DEPTHS,
        st.sampled_from([1, 6, 40, 120, 120]),
        st.integers(0, 999),
        st.lists(STEPS, min_size=longest // 2, max_size=longest),
        st.lists(STEPS, min_size=1, max_size=4),
    )
