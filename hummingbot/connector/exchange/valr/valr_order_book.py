"""Order books proven right by sequence and checksum, for VALR's three book feeds (valr-api.md 5.3-5.5).

Pure: decoded frames in, changes out; no I/O, no clock, no logging. A book starts without a state, takes it from the
feed's first snapshot, and loses it with the first frame that does not fit: from then on frames are ignored until the
next snapshot. What is wrong is raised as one of the :class:`BookError` family.
"""

import re
import zlib
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from itertools import takewhile
from math import inf
from typing import Any, NamedTuple

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS

CHECKSUM_DEPTH = 25
AGGREGATED_DEPTH = 40

# An aggregated feed whose sequence stays behind for this many frames was restarted, not reordered.
_OLDER_FRAMES_TOLERATED = 3
# Prices become integers of this many decimal places: exact, and quicker to order than Decimal.
_PRICE_DECIMALS = 18
# Plain decimal text of a size that a float and a Decimal can hold.
_WHOLE_DIGITS = 30
_PRICE = rf"[0-9]{{1,{_WHOLE_DIGITS}}}(?:\.[0-9]{{0,{_PRICE_DECIMALS}}})?"
_PRICES = re.compile(f"{_PRICE}(?:,{_PRICE})*")
_QUANTITY = re.compile(rf"[0-9]{{1,{_WHOLE_DIGITS}}}(?:\.[0-9]{{0,30}})?")
_is_quantity = _QUANTITY.fullmatch
# Many at once, each followed by a comma: what ``float`` reads of these is a quantity, and not too long.
_are_digits = re.compile(rf"(?:[0-9][0-9.]{{0,{_WHOLE_DIGITS - 1}}}+,)*+").fullmatch
_SCALES = [10 ** (_PRICE_DECIMALS - decimals) for decimals in range(_PRICE_DECIMALS + 1)]
# So many prices of a side are remembered as parsed, for all books together: 80 for each of the 205 spot pairs.
_PRICES_REMEMBERED = 16384
# More quantities than these are looked at all at once.
_FEW = 4

Levels = dict[float, float]
"""Amounts by price, as Hummingbot's book wants them; an amount of 0 removes the level."""


class BookError(Exception):
    """A frame does not fit the book: the book has no state any more and needs a fresh snapshot."""


class SequenceGapError(BookError):
    """Messages were lost: the sequence is not the one that had to follow."""

    def __init__(self, expected: int, received: int) -> None:
        super().__init__(f"sequence {received} came where {expected} had to follow")
        self.expected = expected
        self.received = received


class ChecksumMismatchError(BookError):
    """The book differs from the exchange's."""

    def __init__(self, expected: int, computed: int) -> None:
        super().__init__(f"checksum of the book is {computed}, the exchange says {expected}")
        self.expected = expected
        self.computed = computed


class CrossedBookError(BookError):
    """The best bid is not below the best ask: nothing can be quoted from such a book."""

    def __init__(self, bid: float, ask: float) -> None:
        super().__init__(f"best bid {bid} is not below best ask {ask}")
        self.bid = bid
        self.ask = ask


class UnreadableFrameError(BookError):
    """A field is missing or is not what the protocol says."""


class BookChange(NamedTuple):
    """What to hand on: the whole book, or the levels that changed. Best levels come first in a snapshot."""

    is_snapshot: bool
    bids: Levels
    asks: Levels


class QueuePosition(NamedTuple):
    """Where an order stands at its price; position 0 is matched next."""

    price: float
    position: int
    volume_ahead: Decimal


class BookFeed(StrEnum):
    """The feeds of the trade socket that carry a book, under the names of the ``book_feed`` option."""

    FULL = "full"
    L1 = "l1"
    AGGREGATED = "aggregated"

    @property
    def event(self) -> str:
        """The word to subscribe with."""
        return _EVENTS[self]

    @property
    def fallback(self) -> "BookFeed | None":
        """The next simpler feed, None for the simplest."""
        return _FALLBACKS.get(self)

    def new_book(self) -> "VerifiedBook":
        """Return a book of this feed, without a state yet."""
        return _BOOKS[self]()


class VerifiedBook(ABC):
    """One pair's book from one subscription to one feed.

    ``frame_types`` are the types of the frames it understands.
    """

    frame_types: frozenset[str]

    def __init__(self) -> None:
        self._verified = False
        self._sequence = -1

    @property
    def sequence(self) -> int:
        """The number of the last frame that fitted, -1 before the first."""
        return self._sequence

    @property
    def verified(self) -> bool:
        """Whether the book has a state and every frame since its snapshot has fitted."""
        return self._verified

    def apply(self, frame: Mapping[str, Any]) -> BookChange | None:
        """Take one frame of this feed and return what it changed, None when it changes nothing.

        A diff that arrives while the book waits for a snapshot changes nothing.

        :raises BookError: the frame does not fit; the book is without a state until the next snapshot
        """
        try:
            return self._apply(frame)
        except BookError:
            self._verified = False
            raise
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            self._verified = False
            raise UnreadableFrameError(f"{type(error).__name__}: {error}") from error

    def forget(self) -> None:
        """Give up the state and wait for the next snapshot."""
        self._verified = False

    def covers(self, is_buy: bool, price: float) -> bool:
        """Tell whether an order that comes to rest at this price changes what the feed shows."""
        return True

    def snapshot(self) -> BookChange:
        """Return the whole book as it stands, best levels first."""
        return BookChange(True, *self._levels())

    @abstractmethod
    def _apply(self, frame: Mapping[str, Any]) -> BookChange | None: ...

    @abstractmethod
    def _levels(self) -> tuple[Levels, Levels]: ...


class _ChecksummedBook(VerifiedBook):
    """A book whose feed sends with each frame the checksum over the best entries of both sides."""

    _bids: "_LevelSide | _OrderSide"
    _asks: "_LevelSide | _OrderSide"

    def __init__(self) -> None:
        super().__init__()
        self._checksum = 0
        # The highest sequence heard, in place or not, and that of the last snapshot refused for being behind it.
        self._heard = -1
        self._refused = inf
        self._last_diff: Mapping[str, Any] | None = None

    def _verify_age(self, snapshot: int) -> None:
        """Refuse a snapshot behind what was heard already: it does not show the present.

        Numbers that start anew look the same at first. So the next one is believed if it has moved on meanwhile; a
        repetition of the old one has not.
        """
        if snapshot < self._heard and snapshot <= self._refused:
            self._refused = snapshot
            raise SequenceGapError(self._heard, snapshot)

    def _begin(self, snapshot: int) -> None:
        """Count on from a snapshot that has proven right."""
        self._sequence = self._heard = snapshot
        self._refused = inf
        self._last_diff = None
        self._verified = True

    def _go_on(self, sequence: int, diff: Mapping[str, Any]) -> None:
        """Count on from a diff that has proven right."""
        self._sequence = sequence
        self._last_diff = diff

    def _require_repetition(self, sequence: int, diff: Mapping[str, Any], expected: int) -> None:
        """Return if a diff that is out of its place is the last one once more, which says nothing new.

        :raises SequenceGapError: it is another one
        """
        if sequence != self._sequence or diff != self._last_diff:
            raise SequenceGapError(expected, sequence)

    def _verify_checksum(self, expected: int) -> None:
        """Compare the checksum, which is computed again only when an entry that it covers may have changed."""
        bids, asks = self._bids, self._asks
        if bids.top_changed or asks.top_changed:
            self._checksum = book_checksum(bids.top(), asks.top())
        if self._checksum != expected:
            raise ChecksumMismatchError(expected, self._checksum)


class L1Book(_ChecksummedBook):
    """``OB_L1_SNAPSHOT`` and ``OB_L1_DIFF``: aggregated levels, sequence exactly +1, checksum (valr-api.md 5.5)."""

    frame_types = frozenset({CONSTANTS.OB_L1_SNAPSHOT, CONSTANTS.OB_L1_DIFF})

    def __init__(self) -> None:
        super().__init__()
        self._bids: _LevelSide = _LevelSide(sign=-1)
        self._asks: _LevelSide = _LevelSide(sign=1)

    def _apply(self, frame: Mapping[str, Any]) -> BookChange | None:
        data = frame["d"]
        sequence = _integer(data["sq"])
        if frame["type"] == CONSTANTS.OB_L1_SNAPSHOT:
            self._verify_age(sequence)
            self._bids.replace(data["b"])
            self._asks.replace(data["a"])
            self._verify(data)
            self._begin(sequence)
            return self.snapshot()
        if sequence > self._heard:
            self._heard = sequence
        if not self._verified:
            return None
        if sequence != self._sequence + 1:
            self._require_repetition(sequence, data, self._sequence + 1)
            return None
        bids = self._bids.set(data["b"])
        asks = self._asks.set(data["a"])
        self._verify(data)
        self._go_on(sequence, data)
        return BookChange(False, bids, asks)

    def _verify(self, data: Mapping[str, Any]) -> None:
        self._verify_checksum(_integer(data["cs"]))
        _verify_uncrossed(self._bids, self._asks)

    def _levels(self) -> tuple[Levels, Levels]:
        return self._bids.rows(), self._asks.rows()


class FullBook(_ChecksummedBook):
    """``FULL_ORDERBOOK_SNAPSHOT`` and ``FULL_ORDERBOOK_UPDATE``: every order in its queue (valr-api.md 5.4).

    The sequence advances by the number of order entries in a message, the checksum covers the best 25 orders a side.
    """

    frame_types = frozenset({CONSTANTS.FULL_ORDERBOOK_SNAPSHOT, CONSTANTS.FULL_ORDERBOOK_UPDATE})

    def __init__(self) -> None:
        super().__init__()
        self._clear()

    def queue_position(self, order_id: str) -> QueuePosition | None:
        """Return where the exchange's order ``order_id`` stands, None when the verified book does not hold it."""
        level = self._places.get(order_id) if self._verified else None
        if level is None:
            return None
        ahead = [_quantity_of(level.tokens[earlier]) for earlier in takewhile(order_id.__ne__, level.tokens)]
        return QueuePosition(level.price, len(ahead), sum(ahead, Decimal(0)))

    def _clear(self) -> None:
        self._bids: _OrderSide = _OrderSide(sign=-1)
        self._asks: _OrderSide = _OrderSide(sign=1)
        self._places: dict[str, _OrderLevel] = {}

    def _apply(self, frame: Mapping[str, Any]) -> BookChange | None:
        data = frame["data"]
        sequence = _integer(data["SequenceNumber"])
        if frame["type"] == CONSTANTS.FULL_ORDERBOOK_SNAPSHOT:
            self._verify_age(sequence)
            self._clear()
            self._apply_side(self._bids, data["Bids"])
            self._apply_side(self._asks, data["Asks"])
            self._verify(data)
            self._begin(sequence)
            return self.snapshot()
        if sequence > self._heard:
            self._heard = sequence
        if not self._verified:
            return None
        expected = self._sequence + sum(len(level["Orders"]) for level in (*data["Bids"], *data["Asks"]))
        if sequence != expected:
            self._require_repetition(sequence, data, expected)
            return None
        bids = self._apply_side(self._bids, data["Bids"])
        asks = self._apply_side(self._asks, data["Asks"])
        self._verify(data)
        self._go_on(sequence, data)
        return BookChange(False, bids, asks)

    def _apply_side(self, side: "_OrderSide", levels: Iterable[Mapping[str, Any]]) -> Levels:
        """Apply the entries of one side in message order and return the levels they touched."""
        touched: dict[int, float] = {}
        for level in levels:
            key, price = side.prices[level["Price"]]
            touched[key] = price
            for entry in level["Orders"]:
                self._apply_entry(side, key, price, entry["orderId"], entry["quantity"])
        return {price: side.volume(key) for key, price in touched.items()}

    def _apply_entry(self, side: "_OrderSide", key: int, price: float, order_id: str, text: str) -> None:
        if type(order_id) is not str:
            raise TypeError("an order id is not text")
        quantity = _quantity(text)
        level = self._places.get(order_id)
        if level is not None:
            if quantity and level.key == key and level.side is side:
                level.replace(order_id, quantity, text)
                return
            del self._places[order_id]
            level.side.remove(level, order_id)
        if quantity:
            self._places[order_id] = side.append(key, price, order_id, quantity, text)

    def _verify(self, data: Mapping[str, Any]) -> None:
        self._verify_checksum(_integer(data["Checksum"]))
        _verify_uncrossed(self._bids, self._asks)

    def _levels(self) -> tuple[Levels, Levels]:
        return self._bids.rows(), self._asks.rows()


class AggregatedBook(VerifiedBook):
    """``AGGREGATED_ORDERBOOK_UPDATE``: up to 40 levels a side, the whole top each time, no checksum."""

    frame_types = frozenset({CONSTANTS.AGGREGATED_ORDERBOOK_UPDATE})

    def __init__(self) -> None:
        super().__init__()
        self._older_frames = 0
        self._bids: list[tuple[float, float]] = []
        self._asks: list[tuple[float, float]] = []

    def _apply(self, frame: Mapping[str, Any]) -> BookChange | None:
        data = frame["data"]
        sequence = _integer_or_digits(data["SequenceNumber"])
        if self._verified and sequence < self._sequence:
            self._older_frames += 1
            if self._older_frames >= _OLDER_FRAMES_TOLERATED:
                raise SequenceGapError(self._sequence, sequence)
            return None
        self._bids = sorted(_shown_levels(data["Bids"]).items(), reverse=True)
        self._asks = sorted(_shown_levels(data["Asks"]).items())
        if self._bids and self._asks and self._bids[0][0] >= self._asks[0][0]:
            raise CrossedBookError(self._bids[0][0], self._asks[0][0])
        self._sequence = sequence
        self._older_frames = 0
        self._verified = True
        return self.snapshot()

    def covers(self, is_buy: bool, price: float) -> bool:
        """Tell whether an order at this price is among the best levels, which are all that the feed shows."""
        levels = self._bids if is_buy else self._asks
        if len(levels) < AGGREGATED_DEPTH:
            return True
        worst = levels[-1][0]
        return price >= worst if is_buy else price <= worst

    def _levels(self) -> tuple[Levels, Levels]:
        return dict(self._bids), dict(self._asks)


def _shown_levels(rows: Sequence[Mapping[str, Any]]) -> Levels:
    """Return the amounts by price of one side that is sent whole each time.

    This is the last feed, so JSON numbers are taken where text is documented: no checksum needs the text, and a number
    was read as the very float that its text gives.
    """
    if not rows:
        if type(rows) is not list:
            raise TypeError("a side is not a list")
        return {}
    prices, quantities = [row["price"] for row in rows], [row["quantity"] for row in rows]
    try:
        return _amounts_by_price(prices, quantities)
    except TypeError:
        return _amounts_by_price(list(map(_plain_text, prices)), list(map(_plain_text, quantities)))


def _amounts_by_price(prices: list[str], quantities: list[str]) -> Levels:
    """Return the amounts by price, checked as a whole."""
    amounts = list(map(float, quantities))
    levels = dict(zip(map(float, prices), amounts, strict=True))
    if not (_PRICES.fullmatch(",".join(prices)) and min(levels) > 0.0 and _are_plain(quantities)):
        raise ValueError("a price or a quantity is not plain decimal text")
    if 0.0 in amounts:
        return {price: amount for price, amount in levels.items() if amount}
    return levels


class _Level:
    """A price, as the wire wrote it and as a float, and the wire's quantity."""

    __slots__ = ("price", "quantity", "text")

    def __init__(self, text: str, price: float, quantity: str) -> None:
        self.text = text
        self.price = price
        self.quantity = quantity


class _LevelSide:
    """One side of an aggregated book: its levels, best first, and by the text of the price.

    Most changes are of the quantity at a known text. ``keys`` order the levels, in step with them: the prices as
    floats, times the sign. Rounding to a float never swaps two prices; those that it makes equal are ordered by their
    exact keys.
    """

    __slots__ = ("_by_text", "_levels", "_prices", "_sign", "_top", "keys", "top_changed")

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._prices = _PARSED_PRICES[sign]
        self.keys: list[float] = []
        self._levels: list[_Level] = []
        self._by_text: dict[str, _Level] = {}
        self.top_changed = True
        # The tokens that the checksum covers; none when all have to be written again.
        self._top: list[str] = []

    def replace(self, rows: Sequence[Sequence[str]]) -> None:
        """Make the rows the whole side, as if they were set one after the other, but sort them once."""
        shown: dict[int, _Level] = {}
        for price_text, quantity_text in rows:
            key, price = self._prices[price_text]
            shown.pop(key, None)
            if _amount(quantity_text):
                shown[key] = _Level(price_text, price, quantity_text)
        self._levels = [shown[key] for key in sorted(shown)]
        self._by_text = {level.text: level for level in self._levels}
        self.keys = [self._sign * level.price for level in self._levels]
        self.top_changed, self._top = True, []

    def set(self, rows: Sequence[Sequence[str]]) -> Levels:
        """Set the quantity at each price, or remove the level where it is zero; return these levels."""
        if len(rows) > _FEW and _are_plain([quantity for _, quantity in rows]):
            return self._set_many(rows)
        changed: Levels = {}
        sign, keys, levels, known = self._sign, self.keys, self._levels, self._by_text
        for price_text, quantity_text in rows:
            amount = _amount(quantity_text)
            level = known.get(price_text)
            if level is None or not amount:
                changed[self._move(price_text, quantity_text if amount else "")] = amount
                continue
            level.quantity = quantity_text
            changed[level.price] = amount
            index = bisect_left(keys, sign * level.price)
            while levels[index] is not level:
                index += 1
            if index < CHECKSUM_DEPTH:
                self.top_changed = True
                if self._top:
                    self._top[index] = f"{price_text}:{quantity_text}"
        return changed

    def _set_many(self, rows: Sequence[Sequence[str]]) -> Levels:
        """Do what :meth:`set` does with quantities that are known to be plain; some are sure to be among the best.

        This is the busiest loop of the connector: up to 40 levels a side, thousands of times a second.
        """
        changed: Levels = {}
        self.top_changed, self._top = True, []
        known = self._by_text
        for price_text, quantity_text in rows:
            amount = float(quantity_text)
            level = known.get(price_text)
            if level is None or not amount:
                changed[self._move(price_text, quantity_text if amount else "")] = amount
            else:
                level.quantity = quantity_text
                changed[level.price] = amount
        return changed

    def _move(self, price_text: str, quantity_text: str) -> float:
        """Make a level, remove it for want of a quantity, or know its price by another text; return the price."""
        exact, price = self._prices[price_text]
        keys, levels, top = self.keys, self._levels, self._top
        index, is_known = self._place(exact, price)
        if is_known:
            del keys[index], self._by_text[levels.pop(index).text]
        if quantity_text:
            level = self._by_text[price_text] = _Level(price_text, price, quantity_text)
            keys.insert(index, self._sign * price)
            levels.insert(index, level)
        if index < CHECKSUM_DEPTH:
            self.top_changed = True
            if top:
                top[index : index + is_known] = [f"{price_text}:{quantity_text}"] if quantity_text else []
                self._fill_top()
        return price

    def _place(self, exact: int, price: float) -> tuple[int, bool]:
        """Return where a price belongs, and whether a level is there."""
        keys, key = self.keys, self._sign * price
        index = bisect_left(keys, key)
        while index < len(keys) and keys[index] == key:
            other, _ = self._prices[self._levels[index].text]
            if other >= exact:
                return index, other == exact
            index += 1
        return index, False

    def _fill_top(self) -> None:
        """Make the tokens that the checksum covers as many as it covers."""
        top = self._top
        del top[CHECKSUM_DEPTH:]
        top += [f"{level.text}:{level.quantity}" for level in self._levels[len(top) : CHECKSUM_DEPTH]]

    def top(self) -> list[str]:
        """Return the tokens that the checksum covers; from now on it is known whether they change."""
        self.top_changed = False
        if not self._top:
            self._fill_top()
        return self._top

    def rows(self) -> Levels:
        return {level.price: float(level.quantity) for level in self._levels}

    def best_price(self) -> float:
        return self._levels[0].price


class _OrderLevel:
    """The queue at one price: the checksum's ``orderId:quantity`` by order id, first in the queue first."""

    __slots__ = ("key", "price", "side", "tokens", "volume")

    def __init__(self, side: "_OrderSide", key: int, price: float) -> None:
        self.side = side
        self.key = key
        self.price = price
        self.volume = Decimal(0)
        self.tokens: dict[str, str] = {}

    def replace(self, order_id: str, quantity: Decimal, text: str) -> None:
        """Give an order of the queue another quantity in its place."""
        self.side.touch(self.key)
        self.volume += quantity - _quantity_of(self.tokens[order_id])
        self.tokens[order_id] = f"{order_id}:{text}"


class _OrderSide:
    """One side of an order-by-order book: sorted price keys, best first, and the queue at each price."""

    __slots__ = ("_cut", "_top", "keys", "levels", "prices", "top_changed")

    def __init__(self, sign: int) -> None:
        self.prices = _PARSED_PRICES[sign]
        self.keys: list[int] = []
        self.levels: dict[int, _OrderLevel] = {}
        self.top_changed = True
        # The key of the last level that the checksum covers.
        self._cut: float = inf
        self._top: list[str] = []

    def touch(self, key: int) -> None:
        """Note a change at a price."""
        if key <= self._cut:
            self.top_changed = True

    def append(self, key: int, price: float, order_id: str, quantity: Decimal, text: str) -> _OrderLevel:
        """Put an order at the end of the queue at a price, and return that level."""
        self.touch(key)
        level = self.levels.get(key)
        if level is None:
            level = self.levels[key] = _OrderLevel(self, key, price)
            self.keys.insert(bisect_left(self.keys, key), key)
        level.volume += quantity
        level.tokens[order_id] = f"{order_id}:{text}"
        return level

    def remove(self, level: _OrderLevel, order_id: str) -> None:
        self.touch(level.key)
        level.volume -= _quantity_of(level.tokens.pop(order_id))
        if not level.tokens:
            del self.levels[level.key], self.keys[bisect_left(self.keys, level.key)]

    def volume(self, key: int) -> float:
        level = self.levels.get(key)
        return float(level.volume) if level else 0.0

    def top(self) -> list[str]:
        """Return the tokens that the checksum covers; from now on it is known whether they change."""
        if self.top_changed:
            self.top_changed = False
            self._cut = inf
            self._top = []
            for key in self.keys:
                self._top += self.levels[key].tokens.values()
                if len(self._top) >= CHECKSUM_DEPTH:
                    self._cut = key
                    del self._top[CHECKSUM_DEPTH:]
                    break
        return self._top

    def rows(self) -> Levels:
        return {level.price: float(level.volume) for level in map(self.levels.__getitem__, self.keys)}

    def best_price(self) -> float:
        return self.levels[self.keys[0]].price


def book_checksum(bids: list[str], asks: list[str]) -> int:
    """Return VALR's checksum over the tokens of the best entries of each side, best first.

    Tokens are joined alternately, a bid first; where one side is short the other goes on (valr-api.md 5.4, 5.5).
    """
    both = min(len(bids), len(asks))
    tokens = [""] * (2 * both)
    if len(bids) == len(asks):
        tokens[::2] = bids
        tokens[1::2] = asks
    else:
        tokens[::2] = bids[:both]
        tokens[1::2] = asks[:both]
        tokens += bids[both:]
        tokens += asks[both:]
    return zlib.crc32(":".join(tokens).encode())


def _verify_uncrossed(bids: _LevelSide | _OrderSide, asks: _LevelSide | _OrderSide) -> None:
    if bids.keys and asks.keys and -bids.keys[0] >= asks.keys[0]:
        raise CrossedBookError(bids.best_price(), asks.best_price())


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"{type(value).__name__} is not an integer")
    return value


def _integer_or_digits(value: Any) -> int:
    is_text = type(value) is str and len(value) <= _WHOLE_DIGITS and value.isascii() and value.isdigit()
    return int(value) if is_text else _integer(value)


def _plain_text(value: Any) -> str:
    """Return a number of JSON as plain decimal text, and text as it is."""
    if type(value) is str:
        return value
    if type(value) not in (int, float):
        raise TypeError(f"{type(value).__name__} is not a number")
    return format(Decimal(repr(value)), "f")


class _Prices(dict[str, tuple[int, float]]):
    """The ordering key and the float of each positive price in plain decimal text that was asked for lately.

    The key of a better price is smaller. A dictionary answers in a fraction of the time of ``lru_cache``, which also
    notes what was asked for last; this one gives up what it has known for longest.
    """

    def __init__(self, sign: int) -> None:
        super().__init__()
        self._sign = sign

    def __missing__(self, text: str) -> tuple[int, float]:
        if len(self) >= _PRICES_REMEMBERED:
            del self[next(iter(self))]
        key, price = _price(text)
        parsed = self[text] = self._sign * key, price
        return parsed


_PARSED_PRICES = {sign: _Prices(sign) for sign in (1, -1)}


def _price(text: str) -> tuple[int, float]:
    """Return the ordering key of an ask and the float of a positive price in plain decimal text."""
    whole, _, fraction = text.partition(".")
    digits = whole + fraction
    fits = 0 < len(whole) <= _WHOLE_DIGITS and len(fraction) <= _PRICE_DECIMALS
    if not (fits and digits.isascii() and digits.isdigit()):
        raise ValueError(f"price {text:.40}")
    key = int(digits) * _SCALES[len(fraction)]
    if key == 0:
        raise ValueError(f"price {text:.40}")
    return key, float(text)


def _are_plain(quantities: Iterable[str]) -> bool:
    """Tell whether all of these are plain decimal text, provided that ``float`` reads each; False if in doubt."""
    return _are_digits(",".join((*quantities, ""))) is not None


def _amount(text: str) -> float:
    # Nearly all are recognised without the expression, in half the time.
    is_short = len(text) <= _WHOLE_DIGITS and text.isascii() and text.replace(".", "", 1).isdigit() and text[0] != "."
    if not is_short and not _is_quantity(text):
        raise ValueError(f"quantity {text:.40}")
    return float(text)


def _quantity(text: str) -> Decimal:
    if not _is_quantity(text):
        raise ValueError(f"quantity {text:.40}")
    return Decimal(text)


def _quantity_of(token: str) -> Decimal:
    return Decimal(token[token.rindex(":") + 1 :])


_EVENTS = {
    BookFeed.FULL: CONSTANTS.FULL_ORDERBOOK_UPDATE,
    BookFeed.L1: CONSTANTS.OB_L1_DIFF,
    BookFeed.AGGREGATED: CONSTANTS.AGGREGATED_ORDERBOOK_UPDATE,
}
_FALLBACKS = {BookFeed.FULL: BookFeed.L1, BookFeed.L1: BookFeed.AGGREGATED}
_BOOKS: dict[BookFeed, type[VerifiedBook]] = {
    BookFeed.FULL: FullBook,
    BookFeed.L1: L1Book,
    BookFeed.AGGREGATED: AggregatedBook,
}
