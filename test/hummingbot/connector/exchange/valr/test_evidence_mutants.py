"""What the stories of ``test_evidence_in_any_order`` are worth: a few of them catch each wrong change of a rule.

Each change is made in a loaded copy of the lifecycle. When a rule's text changes, its mutant has to change with it.
"""

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from . import evidence_strategies as themes
from .evidence_faults import Fault
from .evidence_mutants import changed_lifecycle
from .evidence_plans import Kind, Story
from .evidence_story import Play

pytestmark = pytest.mark.usefixtures("unmeasured")

# Most are caught within a hundred; which stories are drawn depends also on the modules that are loaded.
EXAMPLES = 6000

STREAM, PLACEMENTS = themes.TROUBLE_WITH_THE_STREAM, themes.TROUBLE_WITH_PLACEMENTS
CANCELS, ANSWERS = themes.TROUBLE_WITH_CANCELS, themes.TROUBLE_WITH_ANSWERS
SEVERAL, IMMEDIATE = themes.SEVERAL_ORDERS, themes.ORDERS_THAT_CANNOT_REST
RESTART, FOREIGN = themes.AFTER_A_RESTART, themes.BESIDE_ANOTHER_BOT
INTERRUPT, PATIENCE = themes.WITH_AN_INTERRUPTION, themes.BEYOND_ALL_PATIENCE
HIDDEN = themes.stories(
    1,
    kinds=(Kind.LIMIT,),
    always=(frozenset({Fault.LOOKUP_BLIND_LONG, Fault.PLACE_REPLY_LOST, Fault.EVENT_LOST, Fault.EVENT_LATE}),),
)
LIES = themes.stories(1, kinds=(Kind.LIMIT,), always=(frozenset({Fault.CANCEL_LIES}),))
GHOSTS = themes.stories(
    1,
    kinds=(Kind.LIMIT,),
    always=(frozenset({Fault.PLACE_GHOST, Fault.PLACE_REPLY_LOST, Fault.CANCEL_LOST, Fault.CANCEL_REPLY_LOST}),),
)
LAGGING = themes.stories(1, kinds=(Kind.MARKET,), always=(frozenset({Fault.LOOKUP_LAGS, Fault.EVENT_LOST}),))


# Its name: the theme whose stories show it, the function of the lifecycle, the text there, and what replaces it.
MUTANTS: dict[str, tuple[st.SearchStrategy[Story], str, str, str]] = {
    "a placement's acknowledgement is taken for open": (
        PLACEMENTS,
        "placement_accepted",
        "if proof:",
        "if True:",
    ),
    "a cancel's acknowledgement is taken for an end": (
        CANCELS,
        "cancel_acknowledged",
        "return self._publish(record)",
        "return self.cancel_done(client_order_id, now)",
    ),
    "a v2 cancel ends an order before its fills are known": (
        CANCELS,
        "cancel_done",
        "Ending(OrderWord.CANCELLED, None",
        "Ending(OrderWord.CANCELLED, record.filled",
    ),
    "a v2 cancel is believed against all lookups": (
        LIES,
        "_doubt_cancel",
        ">= CANCELS_DISBELIEVED_AFTER",
        "< 0",
    ),
    "FAILED_CANCEL_ORDER is taken for an end": (
        CANCELS,
        "cancel_failed",
        "record.check_by(now)",
        "record.ending = Ending(OrderWord.CANCELLED, None); record.check_by(now)",
    ),
    "a cancel that found nothing is taken for an end": (
        CANCELS,
        "cancel_refused",
        "record.cancel_found_nothing_at = now",
        "record.ending = Ending(OrderWord.CANCELLED, None)",
    ),
    "a cancel that did not work is not sent again": (
        CANCELS,
        "_clear_agenda",
        "for record in [",
        "for each in self._agenda.values():\n"
        "            if each.cancel is not None and each.cancel.attempts:\n"
        "                each.cancel.due = each.cancel.resend_at = None\n"
        "        for record in [",
    ),
    "an acknowledged cancel is not looked after": (
        CANCELS,
        "_settle_cancel",
        "record.check_by(cancel.deadline)",
        "pass",
    ),
    "absence from a list ends an order": (
        STREAM,
        "open_orders",
        "record.check_by(max(heard_at + HINT_DELAY, record.last_check + HINT_SPACING))",
        "record.ending = Ending(OrderWord.CANCELLED, None)",
    ),
    "an unknown word proves open": (
        STREAM,
        "_apply_report",
        "if word is OrderWord.UNKNOWN:",
        "if False:",
    ),
    "an unknown word ends an order": (
        STREAM,
        "_apply_report",
        "return self._on_unknown_word(record, report, now, looked_up)",
        "return self._apply_end(record, report, word, now, looked_up=looked_up)",
    ),
    "a trade is told each time it comes": (
        STREAM,
        "_apply_trade",
        "if trade.trade_id in record.trade_ids:",
        "if False:",
    ),
    "a trade without its fee is told": (
        STREAM,
        "_apply_trade",
        "if not trade.is_fee_known and not record.ended:",
        "if False:",
    ),
    "a trade does not prove open": (
        STREAM,
        "_apply_trade",
        "[] if record.ended else self._prove_open(record, now)",
        "[]",
    ),
    "an end is told before its fills": (
        STREAM,
        "_conclude",
        "if record.filled < max(ending.filled, record.reported):",
        "if False:",
    ),
    "a stage may fall": (
        STREAM,
        "_publish",
        "if stage > record.told:",
        "if stage is not record.told:",
    ),
    "a doubtful placement is not looked up": (
        PLACEMENTS,
        "placement_doubtful",
        "record.check_by(now)",
        "pass",
    ),
    "a placement is given up early": (
        PLACEMENTS,
        "not_found",
        "if record.misses < MISSES_NEEDED or now < waited_until:",
        "if False:",
    ),
    "a refusal is believed against proof": (
        PLACEMENTS,
        "placement_refused",
        "if record.proven_open or record.filled:",
        "if False:",
    ),
    "an order that lookups do not see is given up without a cancel": (
        HIDDEN,
        "not_found",
        "if record.cancel_found_nothing_at is None or record.cancel_found_nothing_at < waited_until:",
        "if False:",
    ),
    "an open order that lookups do not see is given up": (
        HIDDEN,
        "not_found",
        "if record.shown or record.ending is not None:",
        "if record.ending is not None:",
    ),
    "the cancel for certainty goes on after the order has shown": (
        GHOSTS,
        "_prove_open",
        "if record.cancel is not None and not record.cancel.wanted:",
        "if False:",
    ),
    "an order given up is never found again": (
        PATIENCE,
        "event",
        "if record.ended and record.never_seen and _shows_life(message):",
        "if False:",
    ),
    "a failed lookup is not repeated": (
        ANSWERS,
        "lookup_failed",
        "record.check_by(now + _back_off(record.failed_checks))",
        "pass",
    ),
    "a vain trade fetch is not repeated": (
        ANSWERS,
        "trades_fetched",
        "fetch.running = fetch.doubted = False",
        "fetch.doubted = False",
    ),
    "what no trade explains is not asked for": (
        ANSWERS,
        "trades_fetched",
        "if fetch.attempts >= FETCHES_DOUBTED_AFTER:",
        "if False:",
    ),
    "nothing backs off": (
        ANSWERS,
        "_back_off",
        "return back_off(attempts, LOOKUP_RETRY, LOOKUP_RETRY_MAX)",
        "return 0.0",
    ),
    "a market order's remainder is given up at once": (
        LAGGING,
        "_after_immediate_lookup",
        ">= (IMMEDIATE_LIFETIME if is_certain else UNLISTED_LIFETIME)",
        ">= 0.0",
    ),
    "a market order is not followed": (
        IMMEDIATE,
        "_after_immediate_lookup",
        "record.check_by(now + (PROOF_DEADLINE if is_certain else HINT_SPACING))",
        "pass",
    ),
    "trades are fetched back to the newest order only": (
        SEVERAL,
        "trades_since",
        'return min(created, default=float("inf")) - 60.0',
        'return max(created, default=float("inf"))',
    ),
    "strays are left alone": (
        RESTART,
        "_prove_open",
        "if record.stray else []",
        "if False else []",
    ),
    "fills told in an earlier run are told again": (
        RESTART,
        "track",
        "record.trade_ids.add(trade_id)",
        "pass",
    ),
    "a cancel of an earlier run is forgotten": (
        RESTART,
        "track",
        "if told is Stage.CANCEL_PENDING:",
        "if False:",
    ),
    "orders of another bot are taken for strays": (
        FOREIGN,
        "event",
        "return self._claim(message)",
        'record = self._add_stray(message.order_id, "BTC-ZAR", 0, now)',
    ),
    "a fetch abandoned at a stop is not repeated": (
        INTERRUPT,
        "abandon_wishes",
        "fetch.running = False",
        "pass",
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_rule_is_caught(name: str) -> None:
    theme, where, old, new = MUTANTS[name]
    lifecycle = changed_lifecycle(where, old, new)

    @seed(1)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(theme)
    def tell(story: Story) -> None:
        Play(story, lifecycle()).run()

    with pytest.raises(AssertionError):
        tell()
