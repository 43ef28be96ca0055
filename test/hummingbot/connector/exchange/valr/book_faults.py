"""What can go wrong with one frame on its way: lost, doubled, out of order, or altered in any of its fields."""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple

from hypothesis import strategies as st

from .book_sessions import AGGREGATED, FULL, L1, Frame, Json, text


class FaultKind(Enum):
    """The faults, by what they do to a frame."""

    LOST = "lost"
    DOUBLED = "delivered a second time, some frames later"
    LATE = "delivered some frames later"
    PRICE = "a price is another number"
    PRICE_TEXT = "a price is written differently"
    QUANTITY = "a quantity is another number"
    QUANTITY_TEXT = "a quantity is written differently"
    ORDER_ID = "an order id has another digit"
    ORDER_ID_TAKEN = "an order id is that of another order"
    SEQUENCE = "another sequence number"
    CHECKSUM = "another checksum"
    SIDE_MISSING = "a side is missing"
    SIDE_EMPTIED = "a side says nothing"
    SIDES_SWAPPED = "bids and asks are swapped"
    LEVEL_REMOVED = "a level is missing"
    LEVEL_DOUBLED = "a level comes twice"
    LEVELS_REVERSED = "the levels of a side are in reverse order"
    ORDERS_REVERSED = "the orders of a level are in reverse order"
    VALUE_TYPE = "a value is of another JSON type"
    FIELD_MISSING = "a field is missing"
    TRUNCATED = "the text is cut off, and closed"
    FRAME_TYPE = "a snapshot says that it is a diff, or a diff a snapshot"


class Fault(NamedTuple):
    """A fault of the frame at a position, with drawn numbers for the choices it has."""

    kind: FaultKind
    position: int
    pick: int
    how: int


FAULTS = st.tuples(
    *(
        st.builds(Fault, st.just(kind), st.integers(0, 30), st.integers(0, 200), st.integers(0, 40))
        for kind in FaultKind
    )
)
"""One fault of each kind."""


class Delivery(NamedTuple):
    """The frames as they arrive; the fault is in the one at ``start``, or ``lost`` before it.

    Of an altered frame: ``price_altered`` tells of a price that nothing else in the frame proves, ``side_altered`` that
    the sides were swapped, ``text_altered`` that a number may only be written differently.
    """

    frames: list[Frame]
    start: int
    lost: bool = False
    altered: bool = False
    price_altered: bool = False
    side_altered: bool = False
    text_altered: bool = False


class Layout(NamedTuple):
    """Where a feed's frames keep what."""

    data: str
    sides: tuple[str, str]
    price: str | int
    quantity: str | int
    sequence: str
    checksum: str | None
    kinds: tuple[str, str] | None


LAYOUTS = {
    L1: Layout("d", ("b", "a"), 0, 1, "sq", "cs", ("OB_L1_SNAPSHOT", "OB_L1_DIFF")),
    FULL: Layout(
        "data",
        ("Bids", "Asks"),
        "Price",
        "quantity",
        "SequenceNumber",
        "Checksum",
        ("FULL_ORDERBOOK_SNAPSHOT", "FULL_ORDERBOOK_UPDATE"),
    ),
    AGGREGATED: Layout("data", ("Bids", "Asks"), "price", "quantity", "SequenceNumber", None, None),
}

_OF_TEXT = frozenset({FaultKind.PRICE_TEXT, FaultKind.QUANTITY_TEXT, FaultKind.VALUE_TYPE})

Slot = tuple[Any, Any]
"""A container and the key or index of one of its values."""


def deliver(feed: str, frames: list[Frame], fault: Fault) -> Delivery | None:
    """Return the frames as they arrive with a fault, None where the frame offers nothing to go wrong like this.

    A frame follows the faulty one always, or nothing could show what was lost.
    """
    # A restarted aggregated feed is only told from reordered frames by the third of them.
    followers = 4 if feed == AGGREGATED else 1
    last = len(frames) - 1 - followers
    if last < 0:
        return None
    position = (1 + fault.position) % (last + 1)
    if fault.kind in _ON_THE_WAY:
        return _ON_THE_WAY[fault.kind](frames, position, 1 + fault.pick % 6)
    frame = frames[position]
    altered = altered_content(feed, frame.content, fault)
    if altered is None:
        return None
    arrived = [*frames[:position], frame._replace(content=altered), *frames[position + 1 :]]
    return Delivery(
        arrived,
        position,
        altered=True,
        price_altered=_prices(feed, altered) != _prices(feed, frame.content),
        side_altered=fault.kind is FaultKind.SIDES_SWAPPED,
        text_altered=fault.kind in _OF_TEXT,
    )


def altered_content(feed: str, content: Json, fault: Fault) -> Json | None:
    """Return a frame's content with an alteration, None where it offers nothing to alter like this."""
    altered = _ALTERATIONS[fault.kind](feed, json.loads(json.dumps(content)), fault.pick, fault.how)
    return None if altered == content else altered


# --- On the way -------------------------------------------------------------------------------------------------------
def _lost(frames: list[Frame], position: int, _: int) -> Delivery:
    return Delivery([*frames[:position], *frames[position + 1 :]], position, lost=True)


def _doubled(frames: list[Frame], position: int, distance: int) -> Delivery:
    again = min(position + distance, len(frames) - 1)
    return Delivery([*frames[:again], frames[position], *frames[again:]], again)


def _late(frames: list[Frame], position: int, distance: int) -> Delivery:
    others = [*frames[:position], *frames[position + 1 :]]
    at = min(position + distance, len(others) - 1)
    return Delivery([*others[:at], frames[position], *others[at:]], position)


_ON_THE_WAY: dict[FaultKind, Callable[[list[Frame], int, int], Delivery]] = {
    FaultKind.LOST: _lost,
    FaultKind.DOUBLED: _doubled,
    FaultKind.LATE: _late,
}


# --- Alterations ------------------------------------------------------------------------------------------------------
def _sides(feed: str, content: Json) -> list[list[Any]]:
    layout = LAYOUTS[feed]
    return [content[layout.data][side] for side in layout.sides]


def _levels(feed: str, content: Json) -> list[Any]:
    return [level for side in _sides(feed, content) for level in side]


def _entries(feed: str, content: Json) -> list[Any]:
    """What carries a quantity: the levels, in FULL the orders in them."""
    levels = _levels(feed, content)
    return [order for level in levels for order in level["Orders"]] if feed == FULL else levels


def _prices(feed: str, content: Json) -> list[Any]:
    """The prices of FULL's orders, which nothing else in the frame proves."""
    try:
        return [(level["Price"], len(level["Orders"])) for level in _levels(feed, content)] if feed == FULL else []
    except (KeyError, TypeError):
        return []


def _change_text(slots: list[Slot], pick: int, changed: Callable[[str], str]) -> bool:
    if not slots:
        return False
    container, key = slots[pick % len(slots)]
    container[key] = changed(container[key])
    return True


def _another_number(number: str, how: int) -> str:
    """A number that is another one to Hummingbot, too."""
    value = Decimal(number)
    last_digit = Decimal((0, (1,), min(0, int(value.as_tuple().exponent))))
    others = [value + last_digit, abs(value - last_digit), value * 10, value + 1, value / 2, Decimal(0), Decimal(7)]
    others = [other for other in others if float(other) != float(value)]
    return text(others[how % len(others)])


def _another_text(number: str, how: int) -> str:
    fraction = "" if "." in number else "."
    return [f"{number}{fraction}0", f"{number}{fraction}00", f"0{number}"][how % 3]


def _price(feed: str, content: Json, pick: int, how: int) -> Json | None:
    levels = _levels(feed, content)
    key = LAYOUTS[feed].price
    known = [level[key] for level in levels]
    slots = [(level, key) for level in levels]

    def changed(price: str) -> str:
        return known[how % len(known)] if how % 2 else _another_number(price, how // 2)

    return content if _change_text(slots, pick, changed) else None


def _price_text(feed: str, content: Json, pick: int, how: int) -> Json | None:
    slots = [(level, LAYOUTS[feed].price) for level in _levels(feed, content)]
    return content if _change_text(slots, pick, lambda price: _another_text(price, how)) else None


def _quantity(feed: str, content: Json, pick: int, how: int) -> Json | None:
    slots = [(entry, LAYOUTS[feed].quantity) for entry in _entries(feed, content)]
    return content if _change_text(slots, pick, lambda quantity: _another_number(quantity, how)) else None


def _quantity_text(feed: str, content: Json, pick: int, how: int) -> Json | None:
    slots = [(entry, LAYOUTS[feed].quantity) for entry in _entries(feed, content)]
    return content if _change_text(slots, pick, lambda quantity: _another_text(quantity, how)) else None


def _order_id(feed: str, content: Json, pick: int, how: int) -> Json | None:
    if feed != FULL:
        return None

    def changed(order_id: str) -> str:
        place = 24 + how % 12
        return order_id[:place] + "0123456789abcdef"[(int(order_id[place], 16) + 1) % 16] + order_id[place + 1 :]

    slots = [(entry, "orderId") for entry in _entries(feed, content)]
    return content if _change_text(slots, pick, changed) else None


def _order_id_taken(feed: str, content: Json, pick: int, how: int) -> Json | None:
    if feed != FULL:
        return None
    entries = _entries(feed, content)
    taken = [entry["orderId"] for entry in entries]
    slots = [(entry, "orderId") for entry in entries]
    return content if _change_text(slots, pick, lambda _: taken[how % len(taken)]) else None


def _sequence(feed: str, content: Json, pick: int, how: int) -> Json | None:
    layout = LAYOUTS[feed]
    sequence = content[layout.data][layout.sequence]
    others = [sequence + 1, sequence - 1, sequence + 7, sequence - 7, 2 * sequence, 0, -sequence]
    content[layout.data][layout.sequence] = others[how % len(others)]
    return content


def _checksum(feed: str, content: Json, pick: int, how: int) -> Json | None:
    layout = LAYOUTS[feed]
    if layout.checksum is None:
        return None
    content[layout.data][layout.checksum] ^= 1 << how % 32
    return content


def _side_missing(feed: str, content: Json, pick: int, how: int) -> Json | None:
    layout = LAYOUTS[feed]
    del content[layout.data][layout.sides[pick % 2]]
    return content


def _side_emptied(feed: str, content: Json, pick: int, how: int) -> Json | None:
    layout = LAYOUTS[feed]
    content[layout.data][layout.sides[pick % 2]] = []
    return content


def _sides_swapped(feed: str, content: Json, pick: int, how: int) -> Json | None:
    layout = LAYOUTS[feed]
    data, (bids, asks) = content[layout.data], layout.sides
    data[bids], data[asks] = data[asks], data[bids]
    return content


def _level_removed(feed: str, content: Json, pick: int, how: int) -> Json | None:
    side = _sides(feed, content)[how % 2]
    if not side:
        return None
    del side[pick % len(side)]
    return content


def _level_doubled(feed: str, content: Json, pick: int, how: int) -> Json | None:
    side = _sides(feed, content)[how % 2]
    if not side:
        return None
    side.insert(pick % len(side), side[pick % len(side)])
    return content


def _levels_reversed(feed: str, content: Json, pick: int, how: int) -> Json | None:
    _sides(feed, content)[how % 2].reverse()
    return content


def _orders_reversed(feed: str, content: Json, pick: int, how: int) -> Json | None:
    queues = [level["Orders"] for level in _levels(feed, content) if len(level["Orders"]) > 1] if feed == FULL else []
    if not queues:
        return None
    queues[pick % len(queues)].reverse()
    return content


def slots(value: Any) -> Iterator[Slot]:
    """Every value inside a JSON value, at any depth."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from slots(value[key])


def _of_another_type(value: Any, how: int) -> Any:
    others: list[Any] = [None, True, False, 0, 1, -1, 0.5, "", "x", [], {}, [value], {"value": value}, str(value)]
    if isinstance(value, str) and value.replace(".", "", 1).isdigit():
        others += [float(value), int(float(value))] * 3
    return others[how % len(others)]


def _value_type(feed: str, content: Json, pick: int, how: int) -> Json | None:
    # The types of the frame itself are a fault of their own, and the data source sorts by them.
    places = list(slots(content[LAYOUTS[feed].data]))
    container, key = places[pick % len(places)]
    container[key] = _of_another_type(container[key], how)
    return content


def _field_missing(feed: str, content: Json, pick: int, how: int) -> Json | None:
    places = [(content, LAYOUTS[feed].data), *slots(content[LAYOUTS[feed].data])]
    container, key = places[pick % len(places)]
    del container[key]
    return content


def _truncated(feed: str, content: Json, pick: int, how: int) -> Json | None:
    whole = json.dumps(content)
    for length in range(len(whole) * (pick % 100) // 100, 0, -1):
        try:
            cut = json.loads(closed(whole[:length]))
        except ValueError:
            continue
        return cut if cut.get("type") == content["type"] else None
    return None


def closed(beginning: str) -> str:
    """The beginning of a JSON text with all its brackets closed."""
    ends: list[str] = []
    in_text = False
    for character in beginning:
        if character == '"':
            in_text = not in_text
        elif in_text:
            continue
        elif character in "[{":
            ends.append("]" if character == "[" else "}")
        elif character in "]}":
            ends.pop()
    return beginning.rstrip(", ") + '"' * in_text + "".join(reversed(ends))


def _frame_type(feed: str, content: Json, pick: int, how: int) -> Json | None:
    kinds = LAYOUTS[feed].kinds
    if kinds is None:
        return None
    content["type"] = kinds[1 - kinds.index(content["type"])]
    return content


_ALTERATIONS: dict[FaultKind, Callable[[str, Json, int, int], Json | None]] = {
    FaultKind.PRICE: _price,
    FaultKind.PRICE_TEXT: _price_text,
    FaultKind.QUANTITY: _quantity,
    FaultKind.QUANTITY_TEXT: _quantity_text,
    FaultKind.ORDER_ID: _order_id,
    FaultKind.ORDER_ID_TAKEN: _order_id_taken,
    FaultKind.SEQUENCE: _sequence,
    FaultKind.CHECKSUM: _checksum,
    FaultKind.SIDE_MISSING: _side_missing,
    FaultKind.SIDE_EMPTIED: _side_emptied,
    FaultKind.SIDES_SWAPPED: _sides_swapped,
    FaultKind.LEVEL_REMOVED: _level_removed,
    FaultKind.LEVEL_DOUBLED: _level_doubled,
    FaultKind.LEVELS_REVERSED: _levels_reversed,
    FaultKind.ORDERS_REVERSED: _orders_reversed,
    FaultKind.VALUE_TYPE: _value_type,
    FaultKind.FIELD_MISSING: _field_missing,
    FaultKind.TRUNCATED: _truncated,
    FaultKind.FRAME_TYPE: _frame_type,
}
