"""What the properties of ``test_book_properties`` are worth: a few stories catch each wrong change of a book's rule.

Each change is made in a loaded copy of ``valr_order_book``. When a rule's text changes, its mutant has to change with
it.
"""

import ast
import inspect
from types import ModuleType

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from hummingbot.connector.exchange.valr import valr_order_book

from .book_faults import FAULTS, Fault, deliver
from .book_sessions import AGGREGATED, FEEDS, FULL, L1, Story, record, stories
from .book_witness import Trial, follow
from .test_book_properties import PROMISES

pytestmark = pytest.mark.usefixtures("unmeasured")

# Most are caught within ten.
EXAMPLES = 300

# Its name: the feed whose stories show it, the function or class (the whole room for ""), the text there, and what
# replaces it.
MUTANTS: dict[str, tuple[str, str, str, str]] = {
    "the checksum is not compared": (
        L1,
        "_ChecksummedBook._verify_checksum",
        "if self._checksum != expected:",
        "if False:",
    ),
    "the checksum of FULL is not compared": (
        FULL,
        "FullBook._verify",
        'self._verify_checksum(_integer(data["Checksum"]))',
        'self._checksum = _integer(data["Checksum"])',
    ),
    "the checksum covers 24 levels": (L1, "", "CHECKSUM_DEPTH = 25", "CHECKSUM_DEPTH = 24"),
    "the checksum covers 26 levels": (L1, "", "CHECKSUM_DEPTH = 25", "CHECKSUM_DEPTH = 26"),
    "the checksum covers 24 orders": (FULL, "", "CHECKSUM_DEPTH = 25", "CHECKSUM_DEPTH = 24"),
    "the checksum covers 26 orders": (FULL, "", "CHECKSUM_DEPTH = 25", "CHECKSUM_DEPTH = 26"),
    "the checksum starts with an ask": (
        L1,
        "_ChecksummedBook._verify_checksum",
        "book_checksum(bids.top(), asks.top())",
        "book_checksum(asks.top(), bids.top())",
    ),
    "the checksum ends with the shorter side": (
        L1,
        "book_checksum",
        "tokens += asks[both:]",
        "pass",
    ),
    "the checksum is not computed again when the 25th quantity changes": (
        L1,
        "_LevelSide.set",
        "if index < CHECKSUM_DEPTH:",
        "if index < CHECKSUM_DEPTH - 1:",
    ),
    "the checksum is not computed again when the 25th level comes or goes": (
        L1,
        "_LevelSide._move",
        "if index < CHECKSUM_DEPTH:",
        "if index < CHECKSUM_DEPTH - 1:",
    ),
    "the checksum covers what has gone": (
        L1,
        "_LevelSide._move",
        "top[index : index + is_known]",
        "top[index:index]",
    ),
    "the checksum does not cover what moves up": (
        L1,
        "_LevelSide._fill_top",
        "self._levels[len(top) : CHECKSUM_DEPTH]",
        "self._levels[: 0 if top else CHECKSUM_DEPTH]",
    ),
    "the checksum is not computed again when the last covered price changes": (
        FULL,
        "_OrderSide.touch",
        "if key <= self._cut:",
        "if key < self._cut:",
    ),
    "the checksum takes quantities as numbers": (
        L1,
        "_LevelSide.replace",
        "_Level(price_text, price, quantity_text)",
        "_Level(price_text, price, str(float(quantity_text)))",
    ),
    "the sequence of L1 is not checked": (
        L1,
        "L1Book._apply",
        "if sequence != self._sequence + 1:",
        "if False:",
    ),
    "the sequence of L1 may skip numbers": (
        L1,
        "L1Book._apply",
        "if sequence != self._sequence + 1:",
        "if sequence <= self._sequence:",
    ),
    "the sequence of FULL is not checked": (
        FULL,
        "FullBook._apply",
        "if sequence != expected:",
        "if False:",
    ),
    "the sequence of FULL advances by one": (
        FULL,
        "FullBook._apply",
        'sum(len(level["Orders"]) for level in (*data["Bids"], *data["Asks"]))',
        "1",
    ),
    "a new order goes to the front": (
        FULL,
        "_OrderSide.append",
        'level.tokens[order_id] = f"{order_id}:{text}"',
        'level.tokens = {order_id: f"{order_id}:{text}", **level.tokens}',
    ),
    "a changed order goes to the back": (
        FULL,
        "_OrderLevel.replace",
        "self.tokens[order_id] = ",
        "del self.tokens[order_id]; self.tokens[order_id] = ",
    ),
    "a changed order leaves the volume as it was": (
        FULL,
        "_OrderLevel.replace",
        "self.volume += quantity - _quantity_of(self.tokens[order_id])",
        "pass",
    ),
    "the end of an unknown order is an error": (
        FULL,
        "FullBook._apply_entry",
        "if level is not None:",
        "if level is not None or not quantity:",
    ),
    "the entries of a price are taken from the last": (
        FULL,
        "FullBook._apply_side",
        'for entry in level["Orders"]:',
        'for entry in reversed(level["Orders"]):',
    ),
    "an order that comes twice in a message counts once": (
        FULL,
        "FullBook._apply_side",
        'for entry in level["Orders"]:',
        'for entry in {entry["orderId"]: entry for entry in level["Orders"]}.values():',
    ),
    "a price without orders stays": (
        FULL,
        "_OrderSide.remove",
        "if not level.tokens:",
        "if False:",
    ),
    "a level of nothing stays": (L1, "_LevelSide.set", "if level is None or not amount:", "if level is None:"),
    "prices are ordered as text": (
        L1,
        "_price",
        "key = int(digits) * _SCALES[len(fraction)]",
        'key = int.from_bytes(text.ljust(40).encode()) if text.strip("0.") else 0',
    ),
    "an order's place is that in the whole side": (
        FULL,
        "FullBook.queue_position",
        "len(ahead)",
        "len(ahead) + level.side.keys.index(level.key)",
    ),
    "a place in the queue outlives the book": (
        FULL,
        "FullBook.queue_position",
        "if self._verified else None",
        "if True else None",
    ),
    "a snapshot of L1 does not replace": (
        L1,
        "L1Book._apply",
        'self._bids.replace(data["b"])',
        'self._bids.set(data["b"])',
    ),
    "a snapshot of FULL does not replace": (FULL, "FullBook._apply", "self._clear()", "pass"),
    "a diff of L1 is taken before the snapshot": (L1, "L1Book._apply", "if not self._verified:", "if False:"),
    "a diff of FULL is taken before the snapshot": (FULL, "FullBook._apply", "if not self._verified:", "if False:"),
    "a book that was refused goes on": (
        L1,
        "VerifiedBook.apply",
        "except BookError:\n            self._verified = False",
        "except BookError:\n            pass",
    ),
    "a book with an unreadable frame goes on": (
        L1,
        "VerifiedBook.apply",
        "ArithmeticError) as error:\n            self._verified = False",
        "ArithmeticError) as error:\n            pass",
    ),
    "a crossed aggregated book is accepted": (
        AGGREGATED,
        "AggregatedBook._apply",
        "self._bids[0][0] >= self._asks[0][0]",
        "False",
    ),
    "a locked aggregated book is accepted": (
        AGGREGATED,
        "AggregatedBook._apply",
        "self._bids[0][0] >= self._asks[0][0]",
        "self._bids[0][0] > self._asks[0][0]",
    ),
    "a crossed book is accepted": (FULL, "_verify_uncrossed", "-bids.keys[0] >= asks.keys[0]", "False"),
    "an older aggregated frame is taken": (AGGREGATED, "AggregatedBook._apply", "sequence < self._sequence", "False"),
    "an aggregated feed may not start again": (
        AGGREGATED,
        "AggregatedBook._apply",
        "self._older_frames >= _OLDER_FRAMES_TOLERATED",
        "False",
    ),
}


def changed_books(where: str, old: str, new: str) -> ModuleType:
    """Return a copy of the books' module with ``old`` replaced by ``new`` in the function or class ``where``.

    :raises ValueError: it does not contain ``old`` exactly once: the change no longer means what it meant
    """
    source = inspect.getsource(valr_order_book)
    place: ast.AST = ast.parse(source)
    for name in filter(None, where.split(".")):
        place = next(inner for inner in ast.iter_child_nodes(place) if getattr(inner, "name", None) == name)
    text = (ast.get_source_segment(source, place) or "") if where else source
    if text.count(old) != 1 or source.count(text) != 1:
        raise ValueError(f"{where or 'the module'} does not contain exactly once: {old}")
    changed = ModuleType(f"{valr_order_book.__name__} with a wrong rule")
    exec(compile(source.replace(text, text.replace(old, new)), f"{where} changed", "exec"), changed.__dict__)
    return changed


def tell(feed: str, room: ModuleType, examples: int) -> None:
    """Hold a module's book of a feed to all promises.

    :raises AssertionError: it breaks one
    """

    @seed(0)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(stories(20), FAULTS)
    def told(story: Story, faults: tuple[Fault, ...]) -> None:
        recording = record(story, feed)
        follow(recording, room)
        for fault in faults:
            delivery = deliver(feed, recording.main, fault)
            if delivery is not None:
                assert Trial(recording, delivery, room).run() in PROMISES[feed][fault.kind]

    told()


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_rule_is_caught(name: str) -> None:
    feed, where, old, new = MUTANTS[name]
    with pytest.raises(AssertionError):
        tell(feed, changed_books(where, old, new), EXAMPLES)


@pytest.mark.parametrize("feed", FEEDS)
def test_a_copy_without_a_change_passes(feed: str) -> None:
    tell(feed, changed_books("", "CHECKSUM_DEPTH = 25", "CHECKSUM_DEPTH = 25"), 10)
