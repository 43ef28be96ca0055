"""Rules of the connector, each of which can be switched off to see whether simulated days miss it.

A mutant is a piece of text in one function and what replaces it while the function's code is swapped; nothing else of
the connector changes. When a rule's text changes, its mutant has to change with it.
"""

import ast
import inspect
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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
    valr_throttler,
)
from test.simulation.world import World, draw_world


@dataclass(frozen=True, slots=True)
class Mutant:
    """A wrong rule: in ``where`` of ``room``, ``old`` reads ``new``.

    ``needs`` are beginnings of kinds of faults, or of incidents, without any of which the rule has nothing to do;
    none if every day needs it. ``caught_by`` is the seed that is tried first.
    """

    room: ModuleType
    where: str
    old: str
    new: str
    needs: tuple[str, ...] = ()
    caught_by: int = 1

    def concerns(self, world: World) -> bool:
        """Whether a day has something on which the rule bears."""
        happens = [*(str(row["kind"]) for row in world.faults), *(incident.what for incident in world.incidents)]
        return not self.needs or any(what.startswith(self.needs) for what in happens)


_LIFECYCLE, _BOOK = valr_order_lifecycle, valr_order_book
_CANCELS = ("cancel_", "rest_", "place_", "exchange", "reset", "silence", "stall", "command_")
_DOUBTS = ("place_", "rest_", "reset", "silence", "stall", "command_", "account_socket", "exchange", "account_key")
_LOSSES = ("drop_event", "account_socket", "reset", "silence", "exchange", "reorder", "missing_field", "unknown_")
_RESTARTS = ("bot",)
_BOOKS = ("book_",)
"""What the mutants need."""

MUTANTS: dict[str, Mutant] = {
    "a cancel's acknowledgement is taken for done": Mutant(
        _LIFECYCLE,
        "OrderLifecycle.cancel_acknowledged",
        "return self._publish(record)",
        "return self.cancel_done(client_order_id, now)",
        _CANCELS,
    ),
    "absence from a list ends an order": Mutant(
        _LIFECYCLE,
        "OrderLifecycle.open_orders",
        "record.check_by(max(now + HINT_DELAY, record.last_check + HINT_SPACING))",
        "record.ending = Ending(OrderWord.CANCELLED, record.filled); record.check_by(now)",
        ("open_orders", "drop_event", "reorder"),
    ),
    "FAILED_CANCEL_ORDER ends an order": Mutant(
        _LIFECYCLE,
        "OrderLifecycle.cancel_failed",
        "record.check_by(now)",
        "record.ending = Ending(OrderWord.CANCELLED, None); record.check_by(now)",
        ("cancel_refused", "cancel_loses"),
    ),
    "a cancel that found nothing ends an order": Mutant(
        _LIFECYCLE,
        "OrderLifecycle.cancel_refused",
        "record.cancel_found_nothing_at = now",
        "record.ending = Ending(OrderWord.CANCELLED, None)",
        ("cancel_", "place_", "rest_", "lookup"),
    ),
    "a cancel that did not work is not sent again": Mutant(
        _LIFECYCLE,
        "OrderLifecycle._after_live_lookup",
        "self._cancel_again(record, now)",
        "pass",
        ("cancel_never", "cancel_refused", "command_", "rest_"),
    ),
    "a cancel without proof is not looked after": Mutant(
        _LIFECYCLE,
        "OrderLifecycle._settle_cancel",
        "record.check_by(cancel.deadline)",
        "pass",
        ("cancel_never", "cancel_refused", "command_", "rest_"),
    ),
    "a cancel that could not be sent is forgotten": Mutant(
        _LIFECYCLE,
        "OrderLifecycle.cancel_unsent",
        "record.cancel.due = now +",
        "record.cancel.due = None if True else now +",
        ("rest_", "connections", "exchange", "account_socket", "silence", "read_only"),
    ),
    "a v2 cancel ends an order before its fills are known": Mutant(
        _LIFECYCLE,
        "OrderLifecycle.cancel_done",
        "Ending(OrderWord.CANCELLED, None",
        "Ending(OrderWord.CANCELLED, record.filled",
    ),
    "an order ends before its fills are told": Mutant(
        _LIFECYCLE,
        "OrderLifecycle._conclude",
        "if record.filled < max(ending.filled, record.reported):",
        "if False:",
        _LOSSES,
    ),
    "a trade is told each time it comes": Mutant(
        _LIFECYCLE, "OrderLifecycle._apply_trade", "if trade.trade_id in record.trade_ids:", "if False:"
    ),
    "a trade is told without its fee": Mutant(
        _LIFECYCLE,
        "OrderLifecycle._apply_trade",
        "if not trade.is_fee_known and not record.ended:",
        "if False:",
        ("missing_field",),
    ),
    "a trade moves no order's stage": Mutant(
        _LIFECYCLE,
        "OrderLifecycle._apply_trade",
        "[] if record.ended else self._prove_open(record, now)",
        "[]",
        _LOSSES,
    ),
    "an unknown status word ends an order": Mutant(
        _LIFECYCLE,
        "OrderLifecycle._apply_report",
        "return self._on_unknown_word(record, report, now, looked_up)",
        "return self._apply_end(record, report, now, looked_up=looked_up)",
        ("unknown_status",),
    ),
    "an older report wins": Mutant(
        _LIFECYCLE,
        "OrderLifecycle._apply_report",
        "report.updated_at < record.updated_at",
        "False",
        ("reorder", "open_orders_stale", "duplicate"),
    ),
    "a placement's acknowledgement is taken for open": Mutant(
        _LIFECYCLE, "OrderLifecycle.placement_accepted", "if proof:", "if True:"
    ),
    "a placement without an answer is taken for failed": Mutant(
        _LIFECYCLE,
        "OrderLifecycle.placement_doubtful",
        "record.check_by(now)",
        "return self.placement_refused(client_order_id, 'no answer', now)",
        _DOUBTS,
    ),
    "a placement without an answer is sent again": Mutant(
        valr_order_entry,
        "OrderEntry.place",
        "except ValrRateLimitedError:",
        "except (ValrRateLimitedError, ValrUnknownOutcomeError):",
        _DOUBTS,
    ),
    "a placement without an answer is not looked up": Mutant(
        _LIFECYCLE,
        "OrderLifecycle.placement_doubtful",
        "record.check_by(now)",
        "pass",
        _DOUBTS,
    ),
    "a placement is given up at the first miss": Mutant(
        _LIFECYCLE,
        "OrderLifecycle.not_found",
        "if record.misses < MISSES_NEEDED or now < waited_until:",
        "if False:",
        ("lookup_blind", "place_", "bot", "silence", "stall"),
    ),
    "a placement is given up without a cancel": Mutant(
        _LIFECYCLE,
        "OrderLifecycle.not_found",
        "if record.cancel_found_nothing_at is None or record.cancel_found_nothing_at < waited_until:",
        "if False:",
        ("lookup_blind", "place_", "silence", "stall"),
    ),
    "a refusal is believed against proof": Mutant(
        _LIFECYCLE,
        "OrderLifecycle.placement_refused",
        "if record.proven_open or record.filled:",
        "if False:",
        ("command_", "rest_", "place_html", "events_before"),
    ),
    "a failed lookup is not repeated": Mutant(
        _LIFECYCLE,
        "OrderLifecycle.lookup_failed",
        "record.check_by(now + _back_off(record.failed_checks))",
        "pass",
        ("rest_", "connections", "clock_off", "exchange"),
    ),
    "nothing is asked after a reconnect": Mutant(
        _LIFECYCLE,
        "OrderLifecycle.reconcile",
        "for record in self._records.values():",
        "for record in ():",
        _LOSSES,
    ),
    "trades are not fetched for what no event told": Mutant(
        _LIFECYCLE,
        "OrderLifecycle._note_reported",
        "if record.reported > record.filled:",
        "if False:",
        _LOSSES,
    ),
    "strays are left alone": Mutant(
        _LIFECYCLE, "OrderLifecycle._cancel_stray", "if not record.stray or", "if True or", _RESTARTS
    ),
    "fills told in an earlier run are told again": Mutant(
        _LIFECYCLE, "OrderLifecycle.track", "record.trade_ids.add(trade_id)", "pass", _RESTARTS
    ),
    "orders of others are taken for strays": Mutant(
        _LIFECYCLE,
        "OrderLifecycle.event",
        "return self._claim(message)",
        'record = self._add_stray(message.client_order_id or "x", "BTC-ZAR", 0, now)',
    ),
    "orders are not written down before they are sent": Mutant(
        valr_order_journal, "OrderJournal.add", "self._write(_line(entry))", "pass", _RESTARTS
    ),
    "restored orders are not asked about": Mutant(
        valr_order_keeper,
        "OrderKeeper.restore",
        "self._lifecycle.placement_doubtful(order.client_order_id, time.monotonic())",
        "pass",
        _RESTARTS,
    ),
    "nothing is heard of an account socket's silence": Mutant(
        valr_api_user_stream_data_source,
        "ValrAPIUserStreamDataSource._keep_alive",
        "if now - self._last_frame_time > limit:",
        "if False:",
        ("account_socket_silent", "silence"),
    ),
    "what a lost account socket had not answered is taken for not sent": Mutant(
        valr_order_entry,
        "OrderEntry.socket_closed",
        "ValrUnknownOutcomeError(",
        "ValrNotSentError(",
        ("account_socket", "reset", "silence", "stall", "exchange"),
    ),
    "rate limits are not kept": Mutant(valr_throttler, "Window.frees", "if excess <= 0 or not entries:", "if True:"),
    "the checksum of L1 is not compared": Mutant(
        _BOOK, "_ChecksummedBook._verify_checksum", "if self._checksum != expected:", "if False:", _BOOKS
    ),
    "the sequence of L1 is not checked": Mutant(
        _BOOK, "L1Book._apply", "if sequence != self._sequence + 1:", "if False:", (*_BOOKS, "drop_event")
    ),
    "neither sequence nor checksum are checked": Mutant(
        _BOOK,
        "VerifiedBook.apply",
        "except BookError:\n            self._verified = False",
        "except BookError:\n            pass",
        _BOOKS,
    ),
    "the sequence of FULL is not checked": Mutant(
        _BOOK, "FullBook._apply", "if sequence != expected:", "if False:", (*_BOOKS, "drop_event")
    ),
    "a book that was doubted is shown on": Mutant(
        valr_market_books,
        "MarketBooks._lose",
        "pair.expires_at = min(pair.expires_at, self._now + self._timing.doubt_limit)",
        "pass",
        (*_BOOKS, "trade_socket", "snapshot"),
    ),
    "a doubted book is not asked for afresh": Mutant(
        valr_market_books, "MarketBooks._doubt", "session.socket.rejoin(line.channel)", "pass", _BOOKS
    ),
    "a book that stands still is believed": Mutant(
        valr_market_books,
        "MarketBooks._doubt_stalled_books",
        "if line.pair.before_stall_alarm.is_over(now):",
        "if False:",
        ("book_stalled", "drop_event"),
    ),
    "nothing is heard of a market data socket's silence": Mutant(
        valr_market_socket,
        "MarketSocket._notice_silence",
        "if quiet >= self._timing.silence_limit:",
        "if False:",
        ("trade_socket_silent", "silence"),
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
    function = _function(mutant.room, mutant.where)
    right = function.__code__
    function.__code__ = _changed_code(mutant)
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


def _changed_code(mutant: Mutant) -> CodeType:
    source = inspect.getsource(mutant.room)
    place: ast.AST = ast.parse(source)
    for name in mutant.where.split("."):
        place = next(inner for inner in ast.iter_child_nodes(place) if getattr(inner, "name", None) == name)
    text = ast.get_source_segment(source, place) or ""
    if text.count(mutant.old) != 1 or source.count(text) != 1:
        raise ValueError(f"{mutant.where} does not contain exactly once: {mutant.old}")
    changed = source.replace(text, text.replace(mutant.old, mutant.new))
    code = compile(changed, mutant.room.__file__ or "", "exec")
    for name in mutant.where.split("."):
        code = next(each for each in code.co_consts if isinstance(each, CodeType) and each.co_name == name)
    return code
