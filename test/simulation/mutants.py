"""Rules of the connector, each of which can be switched off to see whether simulated days miss it.

A change is a piece of text in one function and what replaces it while the function's code is swapped; nothing else of
the connector changes. When a rule's text changes, its mutant has to change with it.
"""

import ast
import inspect
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any

from hummingbot.connector.exchange.valr import (
    valr_api_user_stream_data_source,
    valr_market_books,
    valr_market_socket,
    valr_order_book,
    valr_order_entry,
    valr_order_journal,
    valr_order_keeper,
    valr_order_lifecycle,
)
from test.simulation.regressions import fault, made_day
from test.simulation.world import World, draw_world


@dataclass(frozen=True, slots=True)
class Change:
    """In the function ``where`` of ``room``, ``old`` reads ``new``."""

    room: ModuleType
    where: str
    old: str
    new: str


class Mutant:
    """A wrong rule: one change, or several where one rule alone would be made up for by another.

    ``needs`` are beginnings of kinds of faults, or of incidents, without any of which the rule has nothing to do;
    none if every day needs it. ``caught_by`` is the seed that is tried first. ``day`` is one that was made for a rule
    for which others make up on nearly all days that are drawn.
    """

    def __init__(
        self, *changes: Change, needs: tuple[str, ...] = (), caught_by: int = 1, day: World | None = None
    ) -> None:
        self.changes = changes
        self.needs = needs
        self.caught_by = caught_by
        self.day = day

    def concerns(self, world: World) -> bool:
        """Whether a day has something on which the rule bears."""
        happens = [*(str(row["kind"]) for row in world.faults), *(incident.what for incident in world.incidents)]
        return not self.needs or any(what.startswith(self.needs) for what in happens)


_CANCELS = ("cancel_", "rest_", "place_", "exchange", "reset", "silence", "stall", "command_")
_DOUBTS = ("place_", "rest_", "reset", "silence", "stall", "command_", "account_socket", "exchange", "account_key")
_LOSSES = ("drop_event", "account_socket", "reset", "silence", "exchange", "reorder", "missing_field", "unknown_")
_RESTARTS = ("bot",)
_BOOKS = ("book_",)
"""What the mutants need."""


def _lifecycle(where: str, old: str, new: str) -> Change:
    return Change(valr_order_lifecycle, f"OrderLifecycle.{where}", old, new)


def _book(where: str, old: str, new: str) -> Change:
    return Change(valr_order_book, where, old, new)


_NO_POLLS = Change(valr_order_keeper, "OrderKeeper.poll", "lost = self._tracker.lost_orders", "return")
"""Without the poll every ten seconds, which makes up for much that is only slow then."""

_NO_QUIET_CHECKS = Change(valr_market_books, "MarketBooks._check_quiet_books", "if session is None:", "if True:")
"""Without the comparison of quiet books with a second connection's, which makes up for what tells of them sooner."""

_RECONNECT = made_day(
    *(fault("account_socket_close", begin, begin + 1) for begin in (63, 123, 183)),
    *(fault("account_socket_refused", begin, begin + 20) for begin in (63, 123, 183)),
    refresh=90.0,
    spread=0.0003,
    market_pace=1.0,
    seconds=300.0,
)
"""A day on which orders are filled while the account socket is away, and not cancelled for long."""

_UNTOLD_FILLS = made_day(
    fault("drop_event", 40, 170, event="NEW_ACCOUNT_TRADE"),
    fault("drop_event", 40, 170, event="ORDER_STATUS_UPDATE"),
    order_entry="rest",
    amounts=3,
    refresh=2.0,
    spread=0.0003,
    market_pace=1.0,
)
"""A day on which orders are cancelled over REST after fills of which no event told."""

_UNANSWERED = made_day(
    fault("place_reply_lost", 40, 170),
    fault("drop_event", 40, 170),
    fault("account_socket_close", 40, 170, 0.1),
    refresh=3.0,
)
"""A day on which nothing is heard of new orders, and the account socket is cut again and again."""

MUTANTS: dict[str, Mutant] = {
    "a cancel's acknowledgement is taken for done": Mutant(
        _lifecycle(
            "cancel_acknowledged", "return self._publish(record)", "return self.cancel_done(client_order_id, now)"
        ),
        needs=_CANCELS,
        caught_by=36,
    ),
    "absence from a list ends an order": Mutant(
        _lifecycle(
            "open_orders",
            "record.check_by(max(heard_at + HINT_DELAY, record.last_check + HINT_SPACING))",
            "record.ending = Ending(OrderWord.CANCELLED, record.filled); record.check_by(now)",
        ),
        needs=("open_orders", "drop_event", "reorder"),
    ),
    "FAILED_CANCEL_ORDER ends an order": Mutant(
        _lifecycle(
            "cancel_failed",
            "record.check_by(now)",
            "record.ending = Ending(OrderWord.CANCELLED, None); record.check_by(now)",
        ),
        needs=("cancel_refused", "cancel_loses"),
        caught_by=34,
    ),
    "a cancel that found nothing ends an order": Mutant(
        _lifecycle(
            "cancel_refused",
            "record.cancel_found_nothing_at = now",
            "record.ending = Ending(OrderWord.CANCELLED, None)",
        ),
        needs=("cancel_", "place_", "rest_", "lookup"),
        caught_by=7,
    ),
    "a cancel without proof is not looked after": Mutant(
        _lifecycle("_settle_cancel", "record.check_by(cancel.deadline)", "pass"),
        _NO_POLLS,
        needs=("cancel_never", "cancel_refused", "command_", "rest_"),
        caught_by=4,
    ),
    "a v2 cancel ends an order before its fills are known": Mutant(
        _lifecycle("cancel_done", "Ending(OrderWord.CANCELLED, None", "Ending(OrderWord.CANCELLED, record.filled"),
        _NO_POLLS,
        day=_UNTOLD_FILLS,
    ),
    "an order ends before its fills are told": Mutant(
        _lifecycle("_conclude", "if record.filled < max(ending.filled, record.reported):", "if False:"),
        needs=_LOSSES,
        caught_by=4,
    ),
    "a trade is told each time it comes": Mutant(
        _lifecycle("_apply_trade", "if trade.trade_id in record.trade_ids:", "if False:")
    ),
    "trades are not fetched for what no event told": Mutant(
        _lifecycle("_note_reported", "if record.reported > record.filled:", "if False:"),
        _lifecycle("_conclude", "self._fetch_trades(record.trading_pair, now, urgent=False)", "pass"),
        _NO_POLLS,
        needs=_LOSSES,
        caught_by=4,
    ),
    "an unknown status word ends an order": Mutant(
        _lifecycle(
            "_apply_report",
            "return self._on_unknown_word(record, report, now, looked_up)",
            "return self._apply_end(record, report, word, now, looked_up=looked_up)",
        ),
        needs=("unknown_status",),
        caught_by=12,
    ),
    "a placement's acknowledgement is taken for open": Mutant(
        _lifecycle("placement_accepted", "if proof:", "if True:"),
        caught_by=2,
    ),
    "a placement without an answer is taken for failed": Mutant(
        _lifecycle(
            "placement_doubtful",
            "record.check_by(now)",
            "return self.placement_refused(client_order_id, 'no answer', now)",
        ),
        needs=_DOUBTS,
    ),
    "a placement without an answer is sent again": Mutant(
        Change(
            valr_order_entry,
            "OrderEntry.place",
            "except ValrRateLimitedError:",
            "except (ValrRateLimitedError, ValrUnknownOutcomeError):",
        ),
        needs=_DOUBTS,
        caught_by=5,
    ),
    "what a lost account socket had not answered is taken for not sent": Mutant(
        Change(valr_order_entry, "OrderEntry.socket_closed", "ValrUnknownOutcomeError(", "ValrNotSentError("),
        day=_UNANSWERED,
    ),
    "a placement is given up at the first miss": Mutant(
        _lifecycle("not_found", "if record.misses < MISSES_NEEDED or now < waited_until:", "if False:"),
        _lifecycle("_cancel_again", "if record.cancel is None:", "if False:"),
        needs=("lookup_blind", "place_", "bot", "silence", "stall"),
        caught_by=7,
    ),
    "nothing is asked after a reconnect": Mutant(
        _lifecycle("reconcile", "for record in self._records.values():", "for record in ():"),
        _lifecycle(
            "open_orders", "record.check_by(max(heard_at + HINT_DELAY, record.last_check + HINT_SPACING))", "pass"
        ),
        _NO_POLLS,
        day=_RECONNECT,
    ),
    "fills told in an earlier run are told again": Mutant(
        _lifecycle("track", "record.trade_ids.add(trade_id)", "pass"),
        needs=_RESTARTS,
        caught_by=186,
    ),
    "orders of others are taken for strays": Mutant(
        _lifecycle(
            "event",
            "return self._claim(message)",
            'record = self._add_stray(message.client_order_id or "x", "BTC-ZAR", 0, now)',
        )
    ),
    "orders are not written down before they are sent": Mutant(
        Change(valr_order_journal, "OrderJournal.add_all", 'self._write("".join(map(_line, entries)))', "pass"),
        needs=_RESTARTS,
        caught_by=114,
    ),
    "nothing is heard of an account socket's silence": Mutant(
        Change(
            valr_api_user_stream_data_source,
            "ValrAPIUserStreamDataSource._keep_alive",
            "if now - silent_since > limit:",
            "if False:",
        ),
        _NO_POLLS,
        needs=("account_socket_silent", "silence"),
        caught_by=28,
    ),
    "the checksum of L1 is not compared": Mutant(
        _book("_ChecksummedBook._verify_checksum", "if self._checksum != expected:", "if False:"),
        needs=_BOOKS,
        caught_by=12,
    ),
    "neither sequence nor checksum of L1 are checked": Mutant(
        _book("_ChecksummedBook._verify_checksum", "if self._checksum != expected:", "if False:"),
        _book("L1Book._apply", "if sequence != self._sequence + 1:", "if False:"),
        needs=(*_BOOKS, "drop_event"),
        caught_by=6,
    ),
    "neither sequence nor checksum of FULL are checked": Mutant(
        _book("_ChecksummedBook._verify_checksum", "if self._checksum != expected:", "if False:"),
        _book("FullBook._apply", "if sequence != expected:", "if False:"),
        needs=(*_BOOKS, "drop_event"),
        caught_by=12,
    ),
    "a book that stands still is believed": Mutant(
        Change(
            valr_market_books,
            "MarketBooks._doubt_stalled_books",
            "if line.pair.before_stall_alarm.is_over(now):",
            "if False:",
        ),
        _NO_QUIET_CHECKS,
        needs=("book_stalled", "drop_event"),
        caught_by=16,
    ),
    "nothing is heard of a market data socket's silence": Mutant(
        Change(
            valr_market_socket,
            "MarketSocket._notice_silence",
            "if quiet >= self._timing.silence_limit:",
            "if False:",
        ),
        _NO_QUIET_CHECKS,
        needs=("trade_socket_silent", "silence"),
        caught_by=31,
    ),
}


def playable(mutant: Mutant, seeds: Iterable[int], minutes: float) -> Iterator[int]:
    """Return the seeds of days that have something on which the mutant's rule bears, its own first."""
    yield mutant.caught_by
    yield from (s for s in seeds if s != mutant.caught_by and mutant.concerns(draw_world(s, minutes)))


@contextmanager
def wrong_rule(mutant: Mutant) -> Iterator[None]:
    """Let the rule be wrong for a while.

    Raises:
        ValueError: if the text is not there exactly once: the mutant no longer means what it meant.
    """
    with ExitStack() as stack:
        for change in mutant.changes:
            stack.enter_context(_made(change))
        yield


@contextmanager
def _made(change: Change) -> Iterator[None]:
    function = _function(change.room, change.where)
    right = function.__code__
    function.__code__ = _changed_code(change)
    try:
        yield
    finally:
        function.__code__ = right


def _function(room: ModuleType, where: str) -> FunctionType:
    owner: Any = room
    for name in where.split("."):
        owner = vars(owner)[name]
    function = getattr(owner, "__func__", None) or getattr(owner, "fget", None) or owner
    assert isinstance(function, FunctionType)
    return function


def _changed_code(change: Change) -> CodeType:
    source = inspect.getsource(change.room)
    place: ast.AST = ast.parse(source)
    for name in change.where.split("."):
        place = next(inner for inner in ast.iter_child_nodes(place) if getattr(inner, "name", None) == name)
    text = ast.get_source_segment(source, place) or ""
    if text.count(change.old) != 1 or source.count(text) != 1:
        raise ValueError(f"{change.where} does not contain exactly once: {change.old}")
    text_now = source.replace(text, text.replace(change.old, change.new))
    code = compile(text_now, change.room.__file__ or "", "exec")
    for name in change.where.split("."):
        code = next(each for each in code.co_consts if isinstance(each, CodeType) and each.co_name == name)
    return code
