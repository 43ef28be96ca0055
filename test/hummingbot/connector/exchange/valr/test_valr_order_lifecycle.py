"""The rules of an order's life, one by one and then all at once under a random order of evidence."""

import itertools
import random
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hummingbot.connector.exchange.valr import valr_order_lifecycle as rules
from hummingbot.connector.exchange.valr.valr_messages import AccountTrade, OpenOrders, OrderProcessed, OrderReport
from hummingbot.connector.exchange.valr.valr_order_lifecycle import OrderLifecycle
from hummingbot.connector.exchange.valr.valr_order_outcomes import (
    End,
    Ended,
    FetchTrades,
    Fill,
    Level,
    LookUp,
    Notice,
    Outcome,
    Progress,
    SendCancel,
    Stage,
)

PAIR = "BTC-ZAR"
CID = "HBOT1"
OID = "order-1"
T0 = 1_750_000_000.0


def report(
    status: str, filled: str = "0", *, order_id: str = OID, client_order_id: str = CID, **more: Any
) -> OrderReport:
    fields: dict[str, Any] = {
        "orderId": order_id,
        "customerOrderId": client_order_id,
        "orderStatusType": status,
        "currencyPair": "BTCZAR",
        "originalQuantity": "1",
        "remainingQuantity": str(1 - Decimal(filled)),
    }
    return OrderReport.model_validate({**fields, **more})


def trade(number: int, quantity: str, *, order_id: str = OID, client_order_id: str = CID) -> AccountTrade:
    return AccountTrade.model_validate(
        {
            "id": f"trade-{number}",
            "orderId": order_id,
            "customerOrderId": client_order_id,
            "currencyPair": "BTCZAR",
            "price": "1000000",
            "quantity": quantity,
            "side": "buy",
            "tradedAt": "2025-06-15T15:06:40Z",
            "fee": "0",
        }
    )


def processed(success: bool, reason: str = "", *, order_id: str = OID, client_order_id: str = CID) -> OrderProcessed:
    return OrderProcessed(order_id=order_id, client_order_id=client_order_id, success=success, failure_reason=reason)


TESTED: set[str] = set()


def rule[TestT: Callable[..., None]](name: str) -> Callable[[TestT], TestT]:
    """Mark the test that shows a rule of the module's docstring."""
    TESTED.add(name)
    return lambda test: test


class Desk:
    """A lifecycle with one tracked order, a hand-moved clock, and everything it has said."""

    def __init__(self, *, immediate: bool = False, track: bool = True) -> None:
        self.lifecycle = OrderLifecycle()
        self.now = 100.0
        self.said: list[Outcome] = []
        if track:
            self.track(immediate=immediate)

    def track(self, client_order_id: str = CID, **more: Any) -> None:
        more = {"created_at": T0, **more}
        self.take(self.lifecycle.track(client_order_id, PAIR, Decimal(1), self.now, **more))

    def take(self, outcomes: Iterable[Outcome]) -> list[Outcome]:
        new = list(outcomes)
        self.said += new
        return new

    def event(self, message: Any) -> list[Outcome]:
        return self.take(self.lifecycle.event(message, self.now))

    def accept(self, *, proof: bool = False, order_id: str = OID) -> list[Outcome]:
        return self.take(self.lifecycle.placement_accepted(CID, order_id, self.now, proof=proof))

    def open(self) -> None:
        self.accept(proof=True)
        self.said.clear()

    def after(self, seconds: float) -> list[Any]:
        self.now += seconds
        return self.lifecycle.due(self.now)

    def looked_up(self, message: OrderReport) -> list[Outcome]:
        return self.take(self.lifecycle.looked_up(CID, message, self.now))

    def cancel(self) -> SendCancel:
        wish = self.lifecycle.request_cancel(CID, self.now)
        assert wish is not None
        return wish

    def listed(self, *reports: OrderReport, heard_at: float | None = None) -> list[Outcome]:
        return self.take(self.lifecycle.open_orders(OpenOrders(orders=reports), self.now, heard_at))

    @property
    def stages(self) -> list[Stage]:
        return [outcome.stage for outcome in self.said if isinstance(outcome, Progress)]

    @property
    def ends(self) -> list[End]:
        return [outcome.end for outcome in self.said if isinstance(outcome, Ended)]

    @property
    def fills(self) -> list[str]:
        return [outcome.trade.trade_id for outcome in self.said if isinstance(outcome, Fill)]

    @property
    def notices(self) -> list[Level]:
        return [outcome.level for outcome in self.said if isinstance(outcome, Notice)]


def lookups(wishes: Iterable[Any]) -> list[LookUp]:
    return [wish for wish in wishes if isinstance(wish, LookUp)]


def cancels(wishes: Iterable[Any]) -> list[SendCancel]:
    return [wish for wish in wishes if isinstance(wish, SendCancel)]


def fetches(wishes: Iterable[Any]) -> list[FetchTrades]:
    return [wish for wish in wishes if isinstance(wish, FetchTrades)]


@rule("an acknowledgement is not a state")
# --- Placement --------------------------------------------------------------------------------------------------------
def test_an_acknowledgement_is_not_a_state() -> None:
    desk = Desk()
    assert desk.accept() == []
    assert desk.lifecycle.is_live(CID)


def test_an_acknowledged_order_without_proof_is_looked_up() -> None:
    desk = Desk()
    desk.accept()
    assert desk.lifecycle.next_due() == desk.now + rules.PROOF_DEADLINE
    assert desk.after(rules.PROOF_DEADLINE / 2) == []
    assert desk.after(rules.PROOF_DEADLINE) == [LookUp(CID, OID, PAIR)]
    assert desk.after(60) == []  # it is outstanding until it is answered


@rule("open on the first proof")
@pytest.mark.parametrize(
    "proof",
    [
        processed(True),
        report("Placed"),
        report("Order Modified"),
        report("Partially Filled", "0"),
    ],
)
def test_open_on_the_first_proof_from_the_stream(proof: Any) -> None:
    desk = Desk()
    desk.accept()
    desk.event(proof)
    assert desk.stages == [Stage.OPEN]
    desk.event(proof)
    assert desk.stages == [Stage.OPEN]
    assert desk.lifecycle.next_due() is None


def test_open_by_a_v2_answer_a_list_or_a_lookup() -> None:
    by_answer, by_list, by_lookup = Desk(), Desk(), Desk()
    by_answer.accept(proof=True)
    by_list.listed(report("Placed"))
    by_lookup.lifecycle.placement_doubtful(CID, by_lookup.now)
    assert lookups(by_lookup.after(0)) == [LookUp(CID, "", PAIR)]
    by_lookup.looked_up(report("Placed"))
    assert by_answer.stages == by_list.stages == by_lookup.stages == [Stage.OPEN]


def test_presence_in_a_list_proves_open_whatever_word_the_row_carries() -> None:
    desk = Desk()
    desk.listed(report("Whatever"))
    assert desk.stages == [Stage.OPEN]


@rule("ended only on proof, never by absence or time")
@pytest.mark.parametrize("word", ["Cancelled", "Filled", "Failed", "Expired"])
def test_a_list_of_open_orders_ends_none_whatever_word_a_row_carries(word: str) -> None:
    desk = Desk()
    row = report(word)
    desk.listed(row)
    desk.listed(row)
    assert desk.stages == [Stage.OPEN]
    assert desk.ends == []
    assert lookups(desk.after(0)) == [LookUp(CID, OID, PAIR)]
    desk.looked_up(report("Placed"))
    assert desk.lifecycle.is_live(CID)


def test_an_ended_row_of_somebody_elses_order_is_not_kept_for_later() -> None:
    desk = Desk()
    desk.listed(report("Cancelled", client_order_id=""))
    assert desk.accept(proof=True) == [Progress(CID, OID, PAIR, Stage.OPEN)]
    assert desk.ends == []


def test_a_fill_is_a_proof_of_open_and_comes_after_it() -> None:
    desk = Desk()
    desk.event(trade(1, "0.4"))
    assert [type(outcome) for outcome in desk.said] == [Progress, Fill, Progress]
    assert desk.stages == [Stage.OPEN, Stage.PARTIALLY_FILLED]


def test_a_refusal_fails_the_order_with_its_reason() -> None:
    desk = Desk()
    outcomes = desk.take(desk.lifecycle.placement_refused(CID, "Insufficient Balance", desk.now, "Refused", OID))
    assert outcomes == [Ended(CID, OID, PAIR, End.FAILED, "Insufficient Balance", "Refused")]
    assert not desk.lifecycle.is_live(CID)
    assert desk.take(desk.lifecycle.placement_refused(CID, "again", desk.now)) == []


def test_a_refusal_of_an_order_shown_open_is_not_believed() -> None:
    desk = Desk()
    desk.event(report("Placed"))
    desk.take(desk.lifecycle.placement_refused(CID, "no", desk.now))
    assert desk.ends == []
    assert desk.notices == [Level.WARNING]
    assert lookups(desk.after(0))


@rule("an order cancelled before it left is never sent")
def test_an_order_cancelled_before_it_was_sent_has_failed_and_is_not_cancelled_any_more() -> None:
    desk = Desk()
    assert desk.lifecycle.is_to_be_sent(CID)
    desk.cancel()
    assert not desk.lifecycle.is_to_be_sent(CID)
    reason = "cancelled before it was sent"
    outcomes = desk.take(desk.lifecycle.placement_refused(CID, reason, desk.now, "Withdrawn"))
    assert outcomes == [Ended(CID, "", PAIR, End.FAILED, reason, "Withdrawn")]
    assert desk.lifecycle.is_proven_gone(CID)
    assert desk.lifecycle.next_due() is None


@rule("an order cancelled before it left is never sent")
@pytest.mark.parametrize("word", ["Placed", "Failed"])
def test_an_order_that_valr_has_shown_meanwhile_is_not_sent_again(word: str) -> None:
    """As when it is refused for the rate, and was taken all the same."""
    desk = Desk()
    desk.event(report(word))
    assert not desk.lifecycle.is_to_be_sent(CID)
    desk.take(desk.lifecycle.placement_refused(CID, "not to be sent any more", desk.now))
    assert desk.lifecycle.is_live(CID) == (word == "Placed")
    assert not desk.lifecycle.is_to_be_sent("x")


@rule("a placement in doubt is looked up, never resent")
def test_a_doubtful_placement_is_looked_up_with_patience_and_never_failed_early() -> None:
    desk = Desk()
    desk.lifecycle.placement_doubtful(CID, desk.now)
    while desk.now < 100 + rules.PATIENCE - rules.LOOKUP_RETRY_MAX / 2:
        for _ in lookups(desk.after(rules.LOOKUP_RETRY)):
            desk.take(desk.lifecycle.not_found(CID, desk.now))
    assert desk.ends == []
    desk.looked_up(report("Placed"))
    assert desk.stages == [Stage.OPEN]


def test_a_placement_is_in_doubt_until_something_proves_it() -> None:
    desk = Desk()
    assert desk.lifecycle.is_in_doubt(CID)
    desk.event(report("Placed"))
    assert not desk.lifecycle.is_in_doubt(CID)
    assert not desk.lifecycle.is_in_doubt("x")


def test_a_placement_that_never_appears_is_cancelled_for_certainty_and_then_failed_unproven() -> None:
    desk = Desk()
    desk.lifecycle.placement_doubtful(CID, desk.now)
    cancelled_at = None
    for _ in range(200):
        wishes = desk.after(0.25)
        for _ in lookups(wishes):
            desk.take(desk.lifecycle.not_found(CID, desk.now))
        for wish in cancels(wishes):
            assert wish.over_rest  # its answer is proof
            cancelled_at = desk.now
            desk.take(desk.lifecycle.cancel_refused(CID, desk.now, not_found=True))
        if desk.ends:
            break
    assert cancelled_at is not None
    assert cancelled_at >= 100 + rules.PATIENCE
    assert desk.ends == [End.FAILED]
    ended = next(outcome for outcome in desk.said if isinstance(outcome, Ended))
    assert not ended.proven
    assert desk.notices == [Level.WARNING]


def test_a_placement_that_is_still_being_sent_is_not_given_up() -> None:
    desk = Desk()
    desk.lifecycle.reconcile(desk.now)
    for _ in range(400):
        wishes = desk.after(0.25)
        assert not cancels(wishes)
        for _ in lookups(wishes):
            desk.take(desk.lifecycle.not_found(CID, desk.now))
    assert desk.ends == []


def test_trades_are_only_wanted_as_far_back_as_live_orders_go() -> None:
    desk = Desk()
    assert desk.lifecycle.trades_since(PAIR) == T0 - 60
    assert desk.lifecycle.trades_since("ETH-ZAR") == float("inf")


def test_a_numbered_placement_gets_more_patience() -> None:
    desk = Desk()
    desk.accept()
    for _ in range(int(rules.PATIENCE_ACCEPTED / 0.5) - 2):
        wishes = desk.after(0.5)
        assert not cancels(wishes)
        for _ in lookups(wishes):
            desk.take(desk.lifecycle.not_found(CID, desk.now))
    assert desk.ends == []
    assert any(cancels(desk.after(1.0)) or [desk.lifecycle.not_found(CID, desk.now)] for _ in range(10))


def test_a_cancel_that_is_under_way_is_not_sent_twice() -> None:
    desk = Desk()
    desk.lifecycle.placement_doubtful(CID, desk.now)
    desk.cancel()
    for _ in range(100):
        wishes = desk.after(0.25)
        assert not cancels(wishes)
        for _ in lookups(wishes):
            desk.take(desk.lifecycle.not_found(CID, desk.now))
    assert desk.ends == []


def test_a_user_cancel_under_way_serves_as_the_cancel_for_certainty() -> None:
    desk = Desk()
    desk.lifecycle.placement_doubtful(CID, desk.now)
    desk.cancel()
    desk.take(desk.lifecycle.cancel_refused(CID, desk.now, not_found=True))
    seen = 0
    for _ in range(300):
        wishes = desk.after(0.25)
        for _ in lookups(wishes):
            desk.take(desk.lifecycle.not_found(CID, desk.now))
        for _ in cancels(wishes):
            seen += 1
            desk.take(desk.lifecycle.cancel_refused(CID, desk.now, not_found=True))
        if desk.ends:
            break
    assert seen >= 1  # the early refusal proved nothing: the placement may not have arrived yet
    assert desk.ends == [End.FAILED]


@rule("an event before the reply that names its order")
# --- Event before the reply -------------------------------------------------------------------------------------------
def test_events_without_a_client_id_wait_for_the_reply_that_links_them() -> None:
    desk = Desk()
    assert desk.event(report("Partially Filled", "0.5", client_order_id="")) == []
    assert desk.event(trade(1, "0.5", client_order_id="")) == []
    desk.accept()
    assert desk.stages == [Stage.OPEN, Stage.PARTIALLY_FILLED]
    assert desk.fills == ["trade-1"]


def test_foreign_events_are_forgotten_once_every_order_has_its_id() -> None:
    desk = Desk()
    desk.event(report("Placed", order_id="foreign", client_order_id=""))
    assert desk.lifecycle._unclaimed
    desk.accept()
    assert desk.event(report("Placed", order_id="foreign", client_order_id="")) == []
    assert not desk.lifecycle._unclaimed


def test_unclaimed_events_are_bounded() -> None:
    desk = Desk()
    for number in range(rules.UNCLAIMED_KEPT + 5):
        desk.event(report("Placed", order_id=f"foreign-{number}", client_order_id=""))
    assert len(desk.lifecycle._unclaimed) == rules.UNCLAIMED_KEPT


def test_what_lists_repeat_of_an_unclaimed_order_is_kept_once() -> None:
    desk = Desk()
    for _ in range(100):
        desk.event(report("Placed", order_id="foreign", client_order_id=""))
    assert len(desk.lifecycle._unclaimed["foreign"]) == 1
    for number in range(rules.UNCLAIMED_KEPT_EACH + 5):
        desk.event(trade(number, "0.001", order_id="foreign", client_order_id=""))
    assert len(desk.lifecycle._unclaimed["foreign"]) == rules.UNCLAIMED_KEPT_EACH


@rule("an id that VALR contradicts is asked for")
@pytest.mark.parametrize("message", [report("Cancelled", order_id="another"), processed(False, order_id="another")])
def test_an_event_for_another_order_id_under_our_client_id_is_looked_up_by_ours(message: Any) -> None:
    desk = Desk()
    desk.open()
    assert desk.event(message) == []
    assert desk.lifecycle.is_live(CID)
    assert lookups(desk.after(rules.DOUBT_SPACING)) == [LookUp(CID, "", PAIR)]
    desk.looked_up(report("Placed"))
    assert desk.lifecycle.is_live(CID)
    assert desk.cancel().order_id == OID


@rule("an id that VALR contradicts is asked for")
def test_a_wrong_id_is_given_up_for_the_one_that_valr_finds_by_ours() -> None:
    desk = Desk()
    desk.accept(order_id="wrong")
    desk.event(report("Placed"))
    assert lookups(desk.after(rules.DOUBT_SPACING)) == [LookUp(CID, "", PAIR)]
    desk.looked_up(report("Placed"))
    assert desk.stages == [Stage.OPEN]
    assert desk.cancel().order_id == OID
    # From now on it is the one that counts, for events as well.
    assert desk.event(report("Cancelled", order_id="wrong")) == []
    desk.event(report("Cancelled", client_order_id=""))
    assert desk.ends == [End.CANCELLED]


@rule("an id that VALR contradicts is asked for")
def test_an_answer_about_another_order_than_was_asked_for_is_asked_for_by_ours() -> None:
    desk = Desk()
    desk.open()
    desk.cancel()
    desk.take(desk.lifecycle.cancel_acknowledged(CID, desk.now))
    (first,) = lookups(desk.after(rules.CANCEL_DEADLINE))
    assert first.order_id == OID
    assert desk.looked_up(report("Cancelled", order_id="another")) == []
    wishes = desk.after(rules.DOUBT_SPACING)
    # The cancel goes on being seen to meanwhile.
    assert cancels(wishes)
    assert [wish.order_id for wish in lookups(wishes)] == [""]
    # VALR knows nothing under our own id: the one we know is as good as before.
    desk.take(desk.lifecycle.not_found(CID, desk.now))
    assert [wish.order_id for wish in lookups(desk.after(5.0))] == [OID]


@rule("an id that VALR contradicts is asked for")
def test_an_id_that_is_given_to_two_orders_stays_with_the_one_that_has_it() -> None:
    desk = Desk()
    desk.open()
    desk.track("HBOT2")
    desk.take(desk.lifecycle.placement_accepted("HBOT2", OID, desk.now, proof=False))
    assert lookups(desk.after(rules.DOUBT_SPACING)) == [LookUp("HBOT2", "", PAIR)]
    # What VALR says under both ids is said of the order that our own names.
    desk.event(trade(1, "0.4"))
    desk.event(report("Cancelled", "0.4"))
    assert [outcome for outcome in desk.said if isinstance(outcome, Ended)] == [Ended(CID, OID, PAIR, End.CANCELLED)]
    found = report("Placed", order_id="order-2", client_order_id="HBOT2")
    desk.take(desk.lifecycle.looked_up("HBOT2", found, desk.now))
    assert desk.said[-1] == Progress("HBOT2", "order-2", PAIR, Stage.OPEN)


@rule("an id that VALR contradicts is asked for")
def test_an_order_that_was_given_anothers_id_before_that_had_it_takes_neither_its_fills_nor_its_end() -> None:
    desk = Desk()
    desk.track("HBOT2")
    desk.take(desk.lifecycle.placement_accepted("HBOT2", OID, desk.now, proof=False))
    desk.event(trade(1, "1"))
    desk.event(report("Filled", "1"))
    assert {outcome.client_order_id for outcome in desk.said if isinstance(outcome, Fill | Ended)} <= {CID}
    assert desk.lifecycle.is_live("HBOT2")
    assert LookUp(CID, "", PAIR) in desk.after(rules.DOUBT_SPACING)
    desk.looked_up(report("Filled", "1"))
    (end,) = (outcome for outcome in desk.said if isinstance(outcome, Ended))
    assert end == Ended(CID, OID, PAIR, End.FILLED)


def test_a_cancel_names_our_own_id_while_valrs_is_in_doubt() -> None:
    desk = Desk()
    desk.open()
    desk.event(report("Placed", order_id="another"))
    assert desk.cancel().order_id == ""


def test_an_event_for_another_order_id_of_an_order_that_has_ended_says_nothing() -> None:
    desk = Desk()
    desk.open()
    desk.event(report("Cancelled"))
    assert desk.event(report("Placed", order_id="another")) == []
    assert desk.lifecycle.next_due() is None


@rule("strays are cancelled")
def test_an_order_that_is_accepted_after_it_was_given_up_is_a_stray() -> None:
    desk = Desk()
    desk.take(desk.lifecycle.placement_refused(CID, "no", desk.now))
    assert not desk.lifecycle.has_given_up
    desk.accept()
    assert desk.lifecycle.shown_strays == [CID]
    assert lookups(desk.after(rules.PROOF_DEADLINE)) == [LookUp(CID, OID, PAIR)]
    desk.looked_up(report("Placed"))
    assert [wish.order_id for wish in cancels(desk.after(0))] == [OID]
    desk.event(report("Cancelled"))
    assert desk.lifecycle.shown_strays == []
    # Nor is anything made of an answer about an order that was shown, or of one that nobody knows.
    assert desk.accept() == []
    assert desk.take(desk.lifecycle.placement_accepted("HBOT9", "x", desk.now, proof=True)) == []
    assert desk.lifecycle.live_ids == []


@rule("the end is not told before its fills")
# --- Ends -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("status", "filled", "end"),
    [
        ("Cancelled", "0", End.CANCELLED),
        ("Failed", "0", End.FAILED),
        ("Expired", "0", End.FAILED),
        ("CANCELLED", "0.4", End.CANCELLED),
        ("Failed", "0.4", End.CANCELLED),
        ("Expired", "0.4", End.CANCELLED),
        ("Partially Filled Due To Slippage", "0.4", End.CANCELLED),
        ("Filled", "1", End.FILLED),
        ("Cancelled", "1", End.FILLED),
    ],
)
def test_the_end_is_told_once_after_its_fills(status: str, filled: str, end: End) -> None:
    desk = Desk()
    desk.open()
    desk.event(report(status, filled))
    if Decimal(filled):
        assert desk.ends == []
        assert fetches(desk.after(0)) == [FetchTrades(PAIR, T0 - 60)]
        desk.event(trade(1, filled))
        desk.take(desk.lifecycle.trades_fetched(PAIR, desk.now))
    assert desk.ends == [end]
    for again in ("Filled", "Cancelled", "Placed", "Failed"):
        desk.event(report(again, filled))
    desk.event(processed(True))
    desk.event(processed(False))
    assert desk.ends == [end]
    assert isinstance(desk.said[-1], Ended)
    assert desk.lifecycle.is_proven_gone(CID)
    assert desk.lifecycle.next_due() is None


def test_failed_orders_are_never_told_open() -> None:
    desk = Desk()
    desk.accept()
    desk.event(report("Failed", failedReason="Post only cancelled as it would have matched"))
    assert desk.said == [
        Ended(CID, OID, PAIR, End.FAILED, "Post only cancelled as it would have matched"),
    ]


def test_a_filled_order_that_was_never_shown_open_is_told_in_full() -> None:
    desk = Desk()
    desk.event(report("Filled", "1"))
    desk.event(trade(1, "0.3"))
    assert desk.ends == []
    desk.event(trade(2, "0.7"))
    assert [type(outcome) for outcome in desk.said] == [Progress, Fill, Progress, Fill, Ended]


def test_old_captures_of_filled_market_orders_have_zero_quantities() -> None:
    desk = Desk(immediate=True)
    desk.event(report("Filled", originalQuantity="0", remainingQuantity="0"))
    assert desk.ends == []
    desk.event(trade(1, "1"))
    assert desk.ends == [End.FILLED]


def test_filled_without_a_size_is_not_taken_for_the_size_that_was_placed() -> None:
    desk = Desk()
    desk.open()
    desk.event(trade(1, "1"))
    desk.event(report("Filled", originalQuantity=None))
    assert desk.ends == []
    assert len(lookups(desk.after(0.0))) == 1
    desk.looked_up(report("Filled", originalQuantity="1.6", remainingQuantity="0"))
    assert desk.ends == []
    desk.event(trade(2, "0.6"))
    assert desk.ends == [End.FILLED]


def filled_without_a_size() -> Desk:
    """Return a desk with an order by quote amount that VALR calls filled, not saying how much; one trade is known."""
    desk = Desk(track=False)
    desk.take(desk.lifecycle.track(CID, PAIR, Decimal(0), desk.now, created_at=T0, immediate=True))
    desk.accept()
    desk.event(report("Filled", originalQuantity="0", remainingQuantity="0"))
    desk.event(trade(1, "0.3"))
    return desk


def test_a_filled_order_of_unknown_size_asks_for_its_summary() -> None:
    desk = filled_without_a_size()
    assert desk.ends == []
    assert [wish.totals for wish in lookups(desk.after(0.0))] == [True]
    desk.looked_up(report("Filled", originalQuantity="0", remainingQuantity="0", totalExecutedQuantity="0.5"))
    assert desk.ends == []
    desk.event(trade(2, "0.2"))
    assert desk.ends == [End.FILLED]


def test_when_no_summary_says_how_much_was_filled_the_trades_have_the_last_word() -> None:
    desk = filled_without_a_size()
    asked, fetched = 0, []
    while not desk.ends:
        wishes = desk.after(0.25)
        fetched += [(asked > 0, wish.again) for wish in fetches(wishes)]
        for _ in lookups(wishes):
            asked += 1
            desk.looked_up(report("Filled", originalQuantity="0", remainingQuantity="0"))
        for _ in fetches(wishes):
            desk.take(desk.lifecycle.trades_fetched(PAIR, desk.now))
    assert asked == 4
    # All of them, also those that were fetched before.
    assert (True, True) in fetched
    assert (True, False) not in fetched
    assert desk.ends == [End.FILLED]
    assert desk.fills == ["trade-1"]


@pytest.mark.parametrize("trouble", ["lookups that failed before", "no trades to be had"])
def test_the_trades_have_the_last_word_only_when_all_of_them_are_there(trouble: str) -> None:
    desk = Desk(track=False)
    desk.take(desk.lifecycle.track(CID, PAIR, Decimal(0), desk.now, created_at=T0, immediate=True))
    desk.accept()
    desk.event(trade(1, "0.3"))
    if trouble == "lookups that failed before":
        for _ in range(5):
            desk.take(desk.lifecycle.lookup_failed(CID, desk.now))
        desk.looked_up(report("Filled", originalQuantity="0", remainingQuantity="0"))
        desk.take(desk.lifecycle.trades_fetched(PAIR, desk.now))
        assert desk.ends == []
        return
    for _ in range(40):
        wishes = desk.after(1.0)
        for _ in lookups(wishes):
            desk.looked_up(report("Filled", originalQuantity="0", remainingQuantity="0"))
        for _ in fetches(wishes):
            desk.take(desk.lifecycle.trades_fetched(PAIR, desk.now, complete=False))
    assert desk.ends == []


def test_a_cancel_for_certainty_dropped_while_it_was_sent_is_looked_into() -> None:
    desk = Desk()
    desk.lifecycle.placement_doubtful(CID, desk.now)
    sent: list[SendCancel] = []
    while not sent:
        wishes = desk.after(1.0)
        sent += cancels(wishes)
        for _ in lookups(wishes):
            desk.take(desk.lifecycle.not_found(CID, desk.now))
    desk.event(report("Placed"))
    desk.after(60.0)
    desk.looked_up(report("Placed"))
    desk.take(desk.lifecycle.cancel_doubtful(CID, desk.now))
    assert len(lookups(desk.after(1.0))) == 1


def test_an_order_without_valrs_id_is_told_open_only_when_the_lookup_brings_it() -> None:
    desk = Desk()
    desk.cancel()
    desk.take(desk.lifecycle.cancel_done(CID, desk.now))
    assert desk.said == []
    assert len(lookups(desk.after(0.0))) == 1
    desk.looked_up(report("Cancelled"))
    assert {outcome.order_id for outcome in desk.said} == {OID}
    assert desk.ends == [End.CANCELLED]


def test_failed_processing_is_a_hint_to_look_up_and_keeps_the_reason() -> None:
    desk = Desk()
    desk.accept()
    desk.event(processed(False, "Insufficient Balance"))
    assert desk.ends == []
    assert lookups(desk.after(0))
    desk.looked_up(report("Failed"))
    assert desk.said[-1] == Ended(CID, OID, PAIR, End.FAILED, "Insufficient Balance")


def test_a_failure_event_or_an_unreadable_message_is_a_hint_to_look_up() -> None:
    desk = Desk()
    desk.open()
    desk.take(desk.lifecycle.failure(OID, "", "who knows", desk.now))
    assert lookups(desk.after(1))
    desk.looked_up(report("Placed"))
    assert desk.lifecycle.next_due() is None
    desk.take(desk.lifecycle.failure("foreign", "foreign", "", desk.now))
    assert desk.lifecycle.next_due() is None
    assert desk.ends == []


def test_a_list_taken_late_says_nothing_of_what_was_opened_since_it_came() -> None:
    desk = Desk()
    heard_at = desk.now
    desk.now += 0.05
    desk.open()
    desk.now += 0.05
    assert desk.listed(heard_at=heard_at) == []
    assert desk.lifecycle.next_due() is None


def test_a_list_taken_late_hints_as_early_as_one_taken_at_once() -> None:
    desk = Desk()
    desk.open()
    heard_at = desk.now
    desk.now += 0.1
    assert desk.listed(heard_at=heard_at) == []
    assert desk.lifecycle.next_due() == heard_at + rules.HINT_DELAY


def test_a_list_taken_late_brings_no_order_back() -> None:
    desk = Desk()
    desk.open()
    heard_at = desk.now
    desk.now += 0.05
    desk.event(report("Cancelled"))
    assert desk.ends == [End.CANCELLED]
    assert desk.listed(report("Placed"), heard_at=heard_at) == []
    assert not desk.lifecycle.is_live(CID)


@rule("ended only on proof, never by absence or time")
def test_absence_from_a_list_is_only_a_hint() -> None:
    desk = Desk()
    desk.open()
    desk.now += 10
    desk.listed()
    assert desk.ends == []
    assert desk.lifecycle.next_due() == desk.now + rules.HINT_DELAY
    assert lookups(desk.after(rules.HINT_DELAY))
    desk.looked_up(report("Placed"))
    desk.listed()
    assert desk.lifecycle.next_due() == desk.now + rules.HINT_SPACING


def test_a_fresh_order_missing_from_a_list_is_not_even_looked_up() -> None:
    desk = Desk()
    desk.listed()
    assert desk.lifecycle.next_due() is None


def test_a_list_that_still_shows_an_ended_order_changes_nothing() -> None:
    desk = Desk()
    desk.open()
    desk.event(report("Cancelled"))
    assert desk.listed(report("Placed")) == []
    assert desk.lifecycle.ids_in(
        OpenOrders(orders=(report("Placed"), report("Placed", order_id="x", client_order_id="")))
    ) == {CID}


@rule("what cannot be understood is looked up")
def test_unknown_words_change_nothing_are_said_once_and_looked_up_with_back_off() -> None:
    desk = Desk()
    desk.open()
    desk.event(report("Mystified"))
    desk.event(report("Mystified"))
    assert desk.notices == [Level.WARNING]
    assert desk.ends == []
    assert lookups(desk.after(1))
    desk.looked_up(report("Mystified"))
    first = desk.lifecycle.next_due()
    assert first is not None
    assert first >= desk.now + rules.LOOKUP_RETRY
    desk.after(first - desk.now)
    desk.looked_up(report("Mystified"))
    second = desk.lifecycle.next_due()
    assert second is not None
    assert second - desk.now > rules.LOOKUP_RETRY
    assert desk.notices == [Level.WARNING]


@rule("terminal is final, older reports lose")
def test_older_reports_lose() -> None:
    desk = Desk()
    desk.open()
    desk.event(report("Partially Filled", "0.6", orderUpdatedAt="2025-06-15T15:00:02Z"))
    desk.event(trade(1, "0.6"))
    desk.said.clear()
    desk.event(report("Placed", "0", orderUpdatedAt="2025-06-15T15:00:01Z"))
    desk.event(report("Cancelled", "0", orderUpdatedAt="2025-06-15T15:00:01Z"))
    assert desk.said == []
    assert lookups(desk.after(1))  # an older end is contradicted: ask


def test_what_was_reported_filled_never_shrinks() -> None:
    desk = Desk()
    desk.open()
    desk.event(report("Partially Filled", "0.6"))
    desk.event(report("Partially Filled", "0.2"))
    desk.event(report("Cancelled", "0.2"))
    desk.event(trade(1, "0.2"))
    assert desk.ends == []
    desk.event(trade(2, "0.4"))
    assert desk.ends == [End.CANCELLED]


def test_the_summary_has_the_last_word_when_no_trade_explains_a_status() -> None:
    desk = Desk()
    desk.open()
    desk.event(report("Cancelled", "1"))  # some senders zero the remainder of a cancelled order
    asked: list[LookUp] = []
    for _ in range(40):
        wishes = desk.after(0.5)
        if fetches(wishes):
            desk.take(desk.lifecycle.trades_fetched(PAIR, desk.now))
        asked += lookups(wishes)
        if asked:
            break
    assert asked == [LookUp(CID, OID, PAIR, totals=True)]
    assert desk.ends == []
    desk.looked_up(report("Cancelled", "1", totalExecutedQuantity="0"))
    assert desk.ends == [End.CANCELLED]


SIZELESS = {"originalQuantity": "0", "remainingQuantity": "0"}


@pytest.mark.parametrize("executed", ["0.4", "0"])
def test_two_zeros_do_not_say_that_nothing_was_executed(executed: str) -> None:
    """Market orders by quote amount show them (valr-api.md 3.6)."""
    desk = Desk(immediate=True)
    desk.accept()
    desk.event(report("Partially Filled and Cancelled Due To Slippage", **SIZELESS))
    assert desk.ends == []
    assert lookups(desk.after(0)) == [LookUp(CID, OID, PAIR)]
    desk.looked_up(report("Partially Filled and Cancelled Due To Slippage", **SIZELESS))
    assert lookups(desk.after(1)) == [LookUp(CID, OID, PAIR, totals=True)]
    desk.looked_up(report("Cancelled", totalExecutedQuantity=executed, **SIZELESS))
    assert desk.ends == ([] if Decimal(executed) else [End.CANCELLED])
    if not desk.ends:
        desk.event(trade(1, executed))
    assert desk.ends == [End.CANCELLED]


def test_when_the_summary_of_an_end_without_quantities_stays_silent_the_trades_have_the_last_word() -> None:
    desk = Desk(immediate=True)
    desk.accept()
    desk.event(report("Failed", **SIZELESS))
    for _ in range(40):
        wishes = desk.after(0.5)
        if fetches(wishes):
            desk.take(desk.lifecycle.trades_fetched(PAIR, desk.now))
        if lookups(wishes):
            desk.looked_up(report("Failed", **SIZELESS))
        if desk.ends:
            break
    assert desk.ends == [End.FAILED]


@pytest.mark.parametrize("word", [{}, {"orderStatusType": None}, {"orderStatusType": " "}])
def test_a_report_without_a_word_proves_nothing_and_is_looked_up(word: dict[str, Any]) -> None:
    """It may be the very event that the order failed."""
    desk = Desk()
    desk.accept()
    wordless = OrderReport.model_validate({"orderId": OID, "originalQuantity": "1", "remainingQuantity": "1", **word})
    desk.event(wordless)
    assert lookups(desk.after(0)) == [LookUp(CID, OID, PAIR)]
    desk.looked_up(wordless)
    assert not any(isinstance(outcome, Progress) for outcome in desk.said)
    assert lookups(desk.after(1)) == [LookUp(CID, OID, PAIR)]
    desk.looked_up(report("Failed"))
    assert desk.ends == [End.FAILED]
    assert not any(isinstance(outcome, Progress) for outcome in desk.said)


def test_a_cancel_is_seen_to_although_lookups_speak_in_unknown_words() -> None:
    desk = Desk()
    desk.open()
    desk.lifecycle.request_cancel(CID, desk.now)
    desk.take(desk.lifecycle.cancel_acknowledged(CID, desk.now))
    for _ in range(60):
        wishes = desk.after(0.5)
        if lookups(wishes):
            desk.looked_up(report("Pending"))
        if cancels := [wish for wish in wishes if isinstance(wish, SendCancel)]:
            break
    assert cancels == [SendCancel(CID, OID, PAIR, over_rest=True)]
    assert desk.ends == []


def test_an_unfilled_remainder_unknown_is_asked_for() -> None:
    desk = Desk()
    desk.open()
    desk.event(OrderReport.model_validate({"orderId": OID, "orderStatusType": "Cancelled"}))
    assert desk.ends == []
    assert lookups(desk.after(0)) == [LookUp(CID, OID, PAIR)]
    desk.looked_up(report("Cancelled"))
    assert desk.ends == [End.CANCELLED]


@rule("fills come from trades, each once")
# --- Fills ------------------------------------------------------------------------------------------------------------
def test_each_fill_counts_once_whichever_way_it_comes() -> None:
    desk = Desk()
    desk.open()
    for _ in range(3):
        desk.event(trade(1, "0.4"))
    assert desk.fills == ["trade-1"]


@pytest.mark.parametrize("status", ["Cancelled", "Failed", "Expired"])
def test_an_end_of_which_nothing_ever_says_the_remainder_is_told_when_the_trades_are_complete(status: str) -> None:
    desk = Desk()
    desk.open()
    desk.event(trade(1, "0.4"))
    desk.event(report(status, remainingQuantity=None))
    while not desk.ends and desk.now < 200:
        wishes = desk.after(0.5)
        for _ in lookups(wishes):
            desk.looked_up(report(status, remainingQuantity=None))
        for _ in fetches(wishes):
            desk.take(desk.lifecycle.trades_fetched(PAIR, desk.now))
    assert desk.ends == [End.CANCELLED]
    assert desk.now <= 120


def test_a_status_that_implies_more_than_the_trades_say_fetches_them_at_once_and_again() -> None:
    desk = Desk()
    desk.open()
    desk.event(report("Partially Filled", "0.4"))
    assert fetches(desk.after(0)) == [FetchTrades(PAIR, T0 - 60)]
    assert not fetches(desk.after(5))  # outstanding
    desk.take(desk.lifecycle.trades_fetched(PAIR, desk.now))
    assert desk.lifecycle.next_due() == desk.now + rules.LOOKUP_RETRY
    assert fetches(desk.after(rules.LOOKUP_RETRY)) == [FetchTrades(PAIR, T0 - 60, again=True)]
    desk.event(trade(1, "0.4"))
    desk.take(desk.lifecycle.trades_fetched(PAIR, desk.now))
    assert desk.lifecycle.next_due() is None
    assert desk.lifecycle.trades_fetched("ETH-ZAR", desk.now) == []


def test_complete_fills_without_a_status_are_looked_up_until_the_end_is_proven() -> None:
    desk = Desk()
    desk.open()
    desk.event(trade(1, "1"))
    assert desk.ends == []
    assert lookups(desk.after(rules.HINT_DELAY))
    desk.looked_up(report("Partially Filled", "0.5"))  # lagging
    assert lookups(desk.after(rules.PROOF_DEADLINE))
    desk.looked_up(report("Filled", "1"))
    assert desk.ends == [End.FILLED]


def test_a_late_fill_of_an_ended_order_is_told_and_said_aloud() -> None:
    desk = Desk()
    desk.open()
    desk.event(report("Cancelled"))
    desk.said.clear()
    desk.event(trade(1, "0.2"))
    assert desk.fills == ["trade-1"]
    assert desk.notices == [Level.ERROR]
    assert desk.ends == []


# --- Cancels ----------------------------------------------------------------------------------------------------------
def test_an_acknowledged_cancel_is_pending_and_the_order_stays_live() -> None:
    desk = Desk()
    desk.open()
    wish = desk.cancel()
    assert wish == SendCancel(CID, OID, PAIR, over_rest=False)
    desk.take(desk.lifecycle.cancel_acknowledged(CID, desk.now))
    assert desk.stages == [Stage.CANCEL_PENDING]
    assert not desk.lifecycle.is_proven_gone(CID)
    assert desk.lifecycle.request_cancel(CID, desk.now) is None
    desk.event(report("Cancelled"))
    assert desk.ends == [End.CANCELLED]
    assert desk.lifecycle.request_cancel(CID, desk.now) is None


@rule("a cancel is seen to until the order has ended")
def test_an_unproven_cancel_is_looked_up_and_sent_again_over_the_other_channel_with_back_off() -> None:
    desk = Desk()
    desk.open()
    desk.cancel()
    desk.take(desk.lifecycle.cancel_acknowledged(CID, desk.now))
    sent: list[tuple[float, bool]] = []
    for _ in range(400):
        wishes = desk.after(0.1)
        for _ in lookups(wishes):
            desk.looked_up(report("Placed"))
        for wish in cancels(wishes):
            sent.append((desk.now - 100, wish.over_rest))
            desk.take(desk.lifecycle.cancel_acknowledged(CID, desk.now))
    assert [over_rest for _, over_rest in sent[:4]] == [True, False, True, False]
    assert sent[0][0] == pytest.approx(rules.CANCEL_DEADLINE, abs=0.6)
    gaps = [later - earlier for (earlier, _), (later, _) in itertools.pairwise(sent)]
    assert gaps == sorted(gaps)
    assert desk.ends == []
    assert desk.stages == [Stage.CANCEL_PENDING]


@pytest.mark.parametrize("trouble", ["no answer", "not known", "an unknown word", "the lookup hangs"])
def test_a_cancel_is_sent_again_in_time_whatever_lookups_do_not_say(trouble: str) -> None:
    desk = Desk()
    desk.open()
    desk.event(report("Placed"))
    desk.cancel()
    desk.take(desk.lifecycle.cancel_acknowledged(CID, desk.now))
    sent: list[tuple[float, bool]] = []
    while desk.now < 200.0:
        wishes = desk.after(0.1)
        for _ in lookups(wishes):
            if trouble == "no answer":
                desk.take(desk.lifecycle.lookup_failed(CID, desk.now))
            elif trouble == "not known":
                desk.take(desk.lifecycle.not_found(CID, desk.now))
            elif trouble == "an unknown word":
                desk.looked_up(report("Pending"))
        for wish in cancels(wishes):
            sent.append((desk.now - 100, wish.over_rest))
            desk.take(desk.lifecycle.cancel_doubtful(CID, desk.now))
    assert sent[0][0] <= rules.CANCEL_DEADLINE + rules.ANSWER_PATIENCE + 0.2
    assert [over_rest for _, over_rest in sent[:4]] == [True, False, True, False]
    assert sent[1][0] - sent[0][0] <= 2.0
    # Growing pauses: no flood either.
    assert 5 <= len(sent) <= 30
    assert desk.ends == []


def test_a_cancel_that_has_worked_is_not_sent_again() -> None:
    desk = Desk()
    desk.open()
    desk.cancel()
    desk.take(desk.lifecycle.cancel_acknowledged(CID, desk.now))
    desk.event(report("Cancelled", originalQuantity=None))
    for _ in range(100):
        wishes = desk.after(0.5)
        assert cancels(wishes) == []
        for _ in lookups(wishes):
            desk.take(desk.lifecycle.lookup_failed(CID, desk.now))


def test_an_order_that_is_not_wanted_any_more_has_its_cancel_among_the_wishes() -> None:
    desk = Desk()
    desk.open()
    desk.lifecycle.unwant(CID, desk.now)
    desk.lifecycle.unwant("unheard of", desk.now)
    assert cancels(desk.after(0)) == [SendCancel(CID, OID, PAIR, over_rest=False)]
    desk.take(desk.lifecycle.cancel_acknowledged(CID, desk.now))
    desk.lifecycle.unwant(CID, desk.now)
    assert cancels(desk.after(0)) == []
    desk.event(report("Cancelled", originalQuantity=None))
    desk.lifecycle.unwant(CID, desk.now)
    assert cancels(desk.after(20)) == []


def test_lookups_that_come_often_do_not_put_a_cancel_off() -> None:
    desk = Desk()
    desk.lifecycle.placement_doubtful(CID, desk.now)
    desk.cancel()
    desk.take(desk.lifecycle.cancel_refused(CID, desk.now, not_found=True))
    while not desk.ends and desk.now < 200.0:
        # The framework asks for an order that it wants cancelled, too.
        for wish in desk.after(0.5):
            if isinstance(wish, SendCancel):
                desk.take(desk.lifecycle.cancel_refused(CID, desk.now, not_found=wish.over_rest))
        desk.lifecycle.wish_lookup(CID, desk.now)
        desk.take(desk.lifecycle.not_found(CID, desk.now))
    assert desk.ends == [End.FAILED]
    assert desk.now < 125.0


def test_a_cancel_for_certainty_waits_for_what_lookups_say() -> None:
    desk = Desk()
    desk.lifecycle.placement_doubtful(CID, desk.now)
    sent = 0
    for _ in range(600):
        wishes = desk.after(0.1)
        for _ in lookups(wishes):
            desk.take(desk.lifecycle.not_found(CID, desk.now) if sent < 1 else [])
        for _ in cancels(wishes):
            sent += 1
            desk.take(desk.lifecycle.cancel_doubtful(CID, desk.now))
    assert sent == 1


def test_a_lookup_right_after_the_acknowledgement_is_too_early_to_judge_it() -> None:
    desk = Desk()
    desk.open()
    desk.cancel()
    desk.take(desk.lifecycle.cancel_acknowledged(CID, desk.now))
    assert desk.lifecycle.wish_lookup(CID, desk.now) == LookUp(CID, OID, PAIR)
    assert desk.lifecycle.wish_lookup(CID, desk.now) is None
    desk.looked_up(report("Placed"))
    assert desk.lifecycle.due(desk.now) == []
    assert lookups(desk.after(rules.CANCEL_DEADLINE))


def test_a_v2_cancel_is_proof_but_its_fills_come_first() -> None:
    desk = Desk()
    desk.open()
    desk.cancel()
    desk.take(desk.lifecycle.cancel_done(CID, desk.now))
    assert desk.lifecycle.is_proven_gone(CID)
    assert desk.ends == []
    assert lookups(desk.after(0.5))
    desk.looked_up(report("Cancelled", "0.3"))
    assert desk.ends == []
    desk.event(trade(1, "0.3"))
    assert desk.ends == [End.CANCELLED]
    assert desk.take(desk.lifecycle.cancel_done(CID, desk.now)) == []


def test_a_v2_cancel_that_lookups_keep_denying_is_sent_again() -> None:
    desk = Desk()
    desk.open()
    desk.cancel()
    desk.take(desk.lifecycle.cancel_done(CID, desk.now))
    resent = []
    for _ in range(100):
        wishes = desk.after(0.5)
        resent = cancels(wishes)
        if resent:
            break
        for _ in lookups(wishes):
            desk.looked_up(report("Placed"))
    assert resent
    assert not desk.lifecycle.is_proven_gone(CID)
    assert desk.ends == []


def test_a_cancel_that_a_lookup_denies_is_no_proof_that_the_order_is_gone() -> None:
    desk = Desk()
    desk.open()
    desk.cancel()
    desk.take(desk.lifecycle.cancel_done(CID, desk.now))
    assert desk.lifecycle.is_proven_gone(CID)
    desk.take(desk.lifecycle.lookup_failed(CID, desk.now))
    assert desk.lifecycle.is_proven_gone(CID)
    desk.looked_up(report("Placed"))
    assert not desk.lifecycle.is_proven_gone(CID)
    desk.looked_up(report("Cancelled"))
    assert desk.lifecycle.is_proven_gone(CID)
    assert desk.ends == [End.CANCELLED]


def test_lookups_that_lag_behind_a_proven_end_change_nothing() -> None:
    desk = Desk()
    desk.open()
    desk.event(report("Cancelled", originalQuantity=None))
    for _ in range(30):
        wishes = desk.after(0.5)
        assert cancels(wishes) == []
        for _ in lookups(wishes):
            desk.looked_up(report("Placed"))
    assert desk.ends == []
    while not desk.ends:
        for _ in lookups(desk.after(0.5)):
            desk.looked_up(report("Cancelled"))
    assert desk.ends == [End.CANCELLED]


def test_a_cancel_answered_after_the_end_is_settled_all_the_same() -> None:
    desk = Desk()
    desk.open()
    desk.cancel()
    desk.event(report("Cancelled", originalQuantity=None))
    desk.take(desk.lifecycle.cancel_done(CID, desk.now))
    assert desk.ends == []
    assert len(lookups(desk.after(1.0))) == 1
    desk.looked_up(report("Cancelled"))
    assert desk.ends == [End.CANCELLED]


@pytest.mark.parametrize("not_found", [True, False])
def test_a_refused_cancel_is_looked_up_and_the_order_kept(not_found: bool) -> None:
    desk = Desk()
    desk.open()
    desk.cancel()
    desk.take(desk.lifecycle.cancel_refused(CID, desk.now, not_found=not_found))
    assert desk.stages == []
    assert lookups(desk.after(0.2))
    desk.looked_up(report("Filled", "1"))
    assert desk.ends == []
    desk.event(trade(1, "1"))
    assert desk.ends == [End.FILLED]


def test_refusals_do_not_make_a_busy_loop() -> None:
    desk = Desk()
    desk.open()
    desk.cancel()
    desk.take(desk.lifecycle.cancel_refused(CID, desk.now, not_found=True))
    sent = 0
    for _ in range(600):
        wishes = desk.after(0.05)
        for _ in lookups(wishes):
            desk.looked_up(report("Placed"))
        for _ in cancels(wishes):
            sent += 1
            desk.take(desk.lifecycle.cancel_refused(CID, desk.now, not_found=True))
    assert 3 <= sent <= 12


def test_a_doubtful_cancel_is_looked_up_soon() -> None:
    desk = Desk()
    desk.open()
    desk.cancel()
    desk.take(desk.lifecycle.cancel_doubtful(CID, desk.now))
    assert lookups(desk.after(rules.HINT_DELAY))


def test_a_cancel_that_never_left_is_sent_again() -> None:
    desk = Desk()
    desk.open()
    desk.cancel()
    for pause in (0.5, 1.0, 2.0, 4.0, 5.0, 5.0):
        desk.take(desk.lifecycle.cancel_unsent(CID, desk.now))
        assert cancels(desk.after(pause - 0.1)) == []
        assert len(cancels(desk.after(0.1))) == 1


def test_a_failed_cancel_is_looked_up_and_sent_again_at_once_if_the_order_lives() -> None:
    desk = Desk()
    desk.open()
    desk.cancel()
    desk.take(desk.lifecycle.cancel_acknowledged(CID, desk.now))
    desk.take(desk.lifecycle.cancel_failed(OID, "", desk.now))
    assert len(lookups(desk.after(0.0))) == 1
    desk.looked_up(report("Placed"))
    assert [wish.over_rest for wish in cancels(desk.after(0.0))] == [True]


def test_a_failed_cancel_that_nobody_asked_for_is_only_looked_up() -> None:
    desk = Desk()
    desk.open()
    desk.take(desk.lifecycle.cancel_failed(OID, "", desk.now))
    assert len(lookups(desk.after(0.0))) == 1
    desk.looked_up(report("Placed"))
    assert cancels(desk.after(60.0)) == []


def test_a_failed_cancel_whose_order_was_filled_ends_with_its_fills() -> None:
    desk = Desk()
    desk.open()
    desk.cancel()
    desk.take(desk.lifecycle.cancel_failed(OID, CID, desk.now))
    desk.after(0.0)
    desk.looked_up(report("Filled", "1"))
    assert desk.ends == []
    desk.event(trade(1, "1"))
    assert desk.ends == [End.FILLED]
    assert cancels(desk.after(60.0)) == []


def test_what_concerns_an_order_nobody_can_name_is_asked_of_all_but_not_over_and_over() -> None:
    desk = Desk()
    desk.open()
    asked: list[float] = []
    for _ in range(40):
        desk.lifecycle.doubt_all(desk.now)
        wishes = desk.after(0.1)
        for _ in lookups(wishes):
            asked.append(desk.now)
            desk.looked_up(report("Placed"))
        if fetches(wishes):
            desk.take(desk.lifecycle.trades_fetched(PAIR, desk.now))
    assert 3 <= len(asked) <= 5
    assert all(later - earlier >= 0.99 for earlier, later in pairwise(asked))


def test_doubts_about_many_orders_leave_calls_for_everything_else() -> None:
    desk = Desk(track=False)
    for number in range(60):
        pair, identifier = f"P{number % 20}-ZAR", f"HBOT{number}"
        desk.lifecycle.track(identifier, pair, Decimal(1), desk.now, created_at=T0, order_id=f"order-{number}")
        desk.event(report("Placed", order_id=f"order-{number}", client_order_id=identifier))
    asked, began = {LookUp: 0, FetchTrades: 0}, desk.now
    while desk.now < began + 60:
        desk.lifecycle.doubt_all(desk.now)
        for wish in desk.after(0.1):
            asked[type(wish)] += 1
            if isinstance(wish, LookUp):
                answer = report("Placed", order_id=wish.order_id, client_order_id=wish.client_order_id)
                desk.lifecycle.looked_up(wish.client_order_id, answer, desk.now)
            else:
                desk.lifecycle.trades_fetched(wish.trading_pair, desk.now)
    # All at once at first, and then three of each a second.
    assert 60 + 120 <= asked[LookUp] <= 60 + 180
    assert 20 + 140 <= asked[FetchTrades] <= 20 + 180


def test_a_trade_told_of_while_trades_are_fetched_is_fetched_after_that() -> None:
    desk = Desk()
    desk.open()
    desk.lifecycle.doubt_trades(desk.now)
    assert len(fetches(desk.after(0.0))) == 1
    desk.lifecycle.doubt_trades(desk.now)
    assert fetches(desk.after(1.0)) == []
    desk.take(desk.lifecycle.trades_fetched(PAIR, desk.now))
    assert fetches(desk.after(0.1)) == []
    assert len(fetches(desk.after(0.11))) == 1
    assert lookups(desk.after(0.0)) == []
    desk.take(desk.lifecycle.trades_fetched(PAIR, desk.now))
    assert fetches(desk.after(60.0)) == []


def test_news_of_a_fill_does_not_wait_for_the_pause_of_those_before() -> None:
    desk = Desk()
    desk.open()
    fetched: list[float] = []

    def lag(seconds: float) -> None:
        until = desk.now + seconds
        while desk.now < until:
            if fetches(desk.after(0.1)):
                fetched.append(desk.now)
                desk.take(desk.lifecycle.trades_fetched(PAIR, desk.now))

    desk.event(report("Partially Filled", "0.1"))
    lag(20.0)
    assert fetched[-1] - fetched[-2] > 4.0
    desk.event(report("Partially Filled", "0.2"))
    heard_at = desk.now
    lag(3.0)
    # VALR's history may be a second or two behind: asked at once, after half a second, and after another one.
    since = [when - heard_at for when in fetched if when > heard_at]
    assert since[0] <= 0.11
    assert since[1] <= 0.75
    assert since[2] <= 1.9


def test_a_stream_that_comes_and_goes_has_orders_asked_for_as_often_as_the_calls_allow() -> None:
    desk = Desk(track=False)
    for number in range(90):
        name, order_id = f"HBOT{number}", f"order-{number}"
        desk.lifecycle.track(name, PAIR, Decimal(1), desk.now, created_at=T0, order_id=order_id)
        desk.event(report("Placed", order_id=order_id, client_order_id=name))
    asked: list[float] = []
    began = desk.now
    for step in range(600):
        if step % 30 == 0:
            desk.lifecycle.reconcile(desk.now)
        for wish in desk.after(0.1):
            if isinstance(wish, LookUp):
                asked.append(desk.now - began)
                answer = report("Placed", order_id=wish.order_id, client_order_id=wish.client_order_id)
                desk.lifecycle.looked_up(wish.client_order_id, answer, desk.now)
            else:
                desk.lifecycle.trades_fetched(PAIR, desk.now)
    # The first time at once, and each order again and again.
    assert sum(when <= 0.11 for when in asked) == 90
    assert 90 + 52 * rules.RECONCILED_A_SECOND * 0.75 <= len(asked) <= 90 + 60 * rules.RECONCILED_A_SECOND


def test_an_order_that_nothing_knows_is_asked_for_by_all_its_ids() -> None:
    desk = Desk()
    desk.open()
    thorough: list[bool] = []
    while len(thorough) < 6:
        desk.lifecycle.reconcile(desk.now)
        for wish in lookups(desk.after(1.0)):
            thorough.append(wish.thorough)
            desk.take(desk.lifecycle.not_found(CID, desk.now))
    assert thorough == [False] * rules.MISSES_NEEDED + [True] * (6 - rules.MISSES_NEEDED)


def test_trades_are_not_fetched_more_often_than_every_fifth_of_a_second() -> None:
    desk = Desk()
    desk.open()
    fetched: list[float] = []
    for number in range(20):
        desk.event(report("Partially Filled", f"0.{number + 10}"))
        if fetches(desk.after(0.05)):
            fetched.append(desk.now)
            desk.event(trade(number, "0.01"))
            desk.take(desk.lifecycle.trades_fetched(PAIR, desk.now))
    assert len(fetched) > 1
    assert all(later - earlier >= 0.19 for earlier, later in pairwise(fetched))


@pytest.mark.parametrize("evidence", [report("Placed"), processed(True), trade(1, "0.5"), report("Odd")])
def test_a_refused_order_that_lives_after_all_is_a_stray(evidence: Any) -> None:
    desk = Desk()
    desk.take(desk.lifecycle.placement_refused(CID, "no", desk.now))
    desk.event(evidence)
    wishes = desk.after(0.0)
    assert len(lookups(wishes)) == 1
    desk.looked_up(report("Partially Filled", "0.5"))
    wishes += desk.after(0.0)
    assert Level.ERROR in desk.notices
    assert len(cancels(wishes)) == 1


def test_fills_of_a_refused_order_are_told() -> None:
    desk = Desk()
    desk.take(desk.lifecycle.placement_refused(CID, "no", desk.now))
    desk.event(report("Cancelled", "0.5"))
    assert len(fetches(desk.after(0.0))) == 1
    desk.event(trade(1, "0.5"))
    assert desk.fills == ["trade-1"]
    assert desk.ends == [End.FAILED, End.CANCELLED]
    assert Level.ERROR in desk.notices


@pytest.mark.parametrize("word", ["Placed", "Frobnicated"])
def test_a_stray_is_cancelled_on_any_proof_that_it_is_open(word: str) -> None:
    desk = Desk(track=False)
    desk.lifecycle.suspect(CID, PAIR, T0, desk.now)
    assert len(lookups(desk.after(0.0))) == 1
    desk.looked_up(report("Pending"))
    assert cancels(desk.after(0.0)) == []
    desk.listed(report(word))
    assert len(cancels(desk.after(0.0))) == 1


def test_a_stray_that_cannot_rest_is_known_by_its_type() -> None:
    desk = Desk(track=False)
    desk.lifecycle.suspect(CID, PAIR, T0, desk.now)
    for _ in range(20):
        for _ in lookups(desk.after(1.0)):
            desk.looked_up(report("Partially Filled", "0.5", orderType="market"))
        for wish in desk.after(0.0):
            if isinstance(wish, SendCancel):
                desk.take(desk.lifecycle.cancel_refused(CID, desk.now, not_found=True))
            elif isinstance(wish, FetchTrades):
                desk.event(trade(1, "0.5"))
                desk.take(desk.lifecycle.trades_fetched(PAIR, desk.now))
    assert desk.ends == [End.CANCELLED]
    assert desk.fills == ["trade-1"]


@rule("a cancel is seen to until the order has ended")
def test_a_cancel_that_finds_nothing_is_sent_again_ever_later_while_no_lookup_answers() -> None:
    desk = Desk()
    desk.open()
    desk.cancel()
    sent = [desk.now]
    for _ in range(400):
        desk.take(desk.lifecycle.cancel_refused(CID, desk.now, not_found=True))
        while not cancels(desk.after(0.1)):
            pass
        sent.append(desk.now)
        if len(sent) == 8:
            break
    pauses = [round(later - before) for before, later in pairwise(sent)]
    assert pauses == [1, 2, 4, 8, 15, 15, 15]


def test_a_cancel_for_certainty_is_dropped_when_the_order_appears_after_all() -> None:
    desk = Desk()
    desk.lifecycle.placement_doubtful(CID, desk.now)
    sent: list[SendCancel] = []
    while not sent:
        wishes = desk.after(1.0)
        sent += cancels(wishes)
        for _ in lookups(wishes):
            desk.take(desk.lifecycle.not_found(CID, desk.now))
    desk.take(desk.lifecycle.cancel_refused(CID, desk.now, not_found=True))
    desk.event(report("Placed"))
    for _ in lookups(desk.after(1.0)):
        desk.looked_up(report("Placed"))
    assert cancels(desk.after(60.0)) == []
    assert desk.stages == [Stage.OPEN]


def test_a_cancel_for_certainty_that_somebody_asks_for_meanwhile_is_kept() -> None:
    desk = Desk()
    desk.lifecycle.placement_doubtful(CID, desk.now)
    sent: list[SendCancel] = []
    while not sent:
        wishes = desk.after(1.0)
        sent += cancels(wishes)
        for _ in lookups(wishes):
            desk.take(desk.lifecycle.not_found(CID, desk.now))
    assert desk.lifecycle.request_cancel(CID, desk.now) is None
    desk.take(desk.lifecycle.cancel_refused(CID, desk.now, not_found=True))
    desk.event(report("Placed"))
    for _ in lookups(desk.after(0.5)):
        desk.looked_up(report("Placed"))
    assert len(cancels(desk.after(1.0))) == 1


@pytest.mark.parametrize("evidence", [report("Failed"), processed(False, "no"), report("Cancelled")])
def test_a_refused_order_whose_refusal_is_confirmed_stays_ended(evidence: Any) -> None:
    desk = Desk()
    desk.take(desk.lifecycle.placement_refused(CID, "no", desk.now))
    desk.event(evidence)
    assert desk.after(60.0) == []
    assert desk.ends == [End.FAILED]


def test_a_cancel_of_an_order_still_being_placed_survives_until_it_works() -> None:
    desk = Desk()
    assert desk.cancel().order_id == ""
    desk.take(desk.lifecycle.cancel_refused(CID, desk.now, not_found=True))
    assert desk.stages == []
    desk.accept(proof=True)
    assert desk.stages == [Stage.OPEN]
    for _ in lookups(desk.after(0.5)):
        desk.looked_up(report("Placed"))
    assert cancels(desk.after(0.5))


def test_pending_cancel_is_not_told_before_open() -> None:
    desk = Desk()
    desk.cancel()
    desk.take(desk.lifecycle.cancel_acknowledged(CID, desk.now))
    assert desk.stages == []
    desk.event(report("Placed"))
    assert desk.stages == [Stage.OPEN, Stage.CANCEL_PENDING]
    desk.event(trade(1, "0.5"))
    assert desk.stages == [Stage.OPEN, Stage.CANCEL_PENDING]


def test_messages_about_unknown_orders_are_harmless() -> None:
    lifecycle = OrderLifecycle()
    assert lifecycle.request_cancel("x", 0) is None
    for outcomes in (
        lifecycle.placement_accepted("x", "y", 0, proof=True),
        lifecycle.placement_doubtful("x", 0),
        lifecycle.cancel_acknowledged("x", 0),
        lifecycle.cancel_done("x", 0),
        lifecycle.cancel_refused("x", 0, not_found=True),
        lifecycle.cancel_doubtful("x", 0),
        lifecycle.cancel_unsent("x", 0),
        lifecycle.cancel_failed("x", "x", 0),
        lifecycle.looked_up("x", report("Filled"), 0),
        lifecycle.not_found("x", 0),
        lifecycle.lookup_failed("x", 0),
        lifecycle.failure("x", "x", "", 0),
    ):
        assert outcomes == []
    assert lifecycle.wish_lookup("x", 0) is None
    assert not lifecycle.is_proven_gone("x")
    assert lifecycle.next_due() is None


def test_a_stray_cancel_result_without_a_cancel_is_harmless() -> None:
    desk = Desk()
    desk.open()
    assert desk.take(desk.lifecycle.cancel_unsent(CID, desk.now)) == []
    assert desk.take(desk.lifecycle.cancel_acknowledged(CID, desk.now)) == []


# --- Lookups ----------------------------------------------------------------------------------------------------------
def test_failed_lookups_are_repeated_with_back_off() -> None:
    desk = Desk()
    desk.lifecycle.placement_doubtful(CID, desk.now)
    gaps = []
    for _ in range(8):
        due = desk.lifecycle.next_due()
        assert due is not None
        gaps.append(due - desk.now)
        desk.after(due - desk.now)
        desk.take(desk.lifecycle.lookup_failed(CID, desk.now))
    assert gaps == sorted(gaps)
    assert gaps[-1] == rules.LOOKUP_RETRY_MAX
    assert desk.ends == []


def until_it_is_given_up(desk: Desk) -> float:
    """Let VALR know nothing of the order, neither its lookups nor cancels; return how long that took."""
    began = desk.now
    desk.lifecycle.failure(OID, CID, "", desk.now)
    while not desk.ends and desk.now - began < 3600:
        wishes = desk.after(0.5)
        for _ in lookups(wishes):
            desk.take(desk.lifecycle.not_found(CID, desk.now))
        for _ in cancels(wishes):
            desk.take(desk.lifecycle.cancel_refused(CID, desk.now, not_found=True))
    return desk.now - began


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_an_order_that_only_an_answer_has_called_open_is_given_up_when_nothing_knows_it(is_cancelled: bool) -> None:
    desk = Desk()
    desk.accept(proof=True)
    assert desk.stages == [Stage.OPEN]
    if is_cancelled:
        desk.cancel()
        desk.take(desk.lifecycle.cancel_refused(CID, desk.now, not_found=True))
    assert rules.PATIENCE_ACCEPTED <= until_it_is_given_up(desk) <= 2 * rules.PATIENCE_ACCEPTED
    assert desk.ends == [End.FAILED]
    assert desk.notices == [Level.WARNING]
    desk.event(report("Placed"))
    assert desk.notices == [Level.WARNING, Level.ERROR]


def test_an_order_of_an_earlier_run_is_given_up_with_more_patience() -> None:
    desk = Desk(track=False)
    desk.track(told=Stage.OPEN, order_id=OID)
    assert rules.PATIENCE_RESTORED <= until_it_is_given_up(desk) <= rules.PATIENCE_RESTORED + 30
    assert desk.ends == [End.FAILED]
    assert "VALR does not know order" in next(each.text for each in desk.said if isinstance(each, Notice))


def test_an_order_of_an_earlier_run_that_has_traded_is_never_given_up() -> None:
    desk = Desk(track=False)
    desk.track(told=Stage.PARTIALLY_FILLED, order_id=OID, trades=[("trade-1", Decimal("0.3"))])
    assert until_it_is_given_up(desk) == 3600
    assert desk.ends == []


@pytest.mark.parametrize("shows", ["an event", "a list", "a lookup", "a fill"])
def test_an_order_that_valr_has_shown_is_never_given_up(shows: str) -> None:
    desk = Desk()
    desk.accept(proof=True)
    if shows == "an event":
        desk.event(processed(True))
    elif shows == "a list":
        desk.listed(report("Placed"))
    elif shows == "a lookup":
        desk.looked_up(report("Placed"))
    else:
        desk.event(trade(1, "0.1"))
    assert until_it_is_given_up(desk) == 3600
    assert desk.ends == []


def test_an_open_order_that_lookups_do_not_know_is_kept_and_said_seldom() -> None:
    desk = Desk()
    desk.open()
    desk.event(report("Placed"))
    desk.lifecycle.failure(OID, "", "", desk.now)
    for _ in range(1000):
        for _ in lookups(desk.after(0.5)):
            desk.take(desk.lifecycle.not_found(CID, desk.now))
    assert desk.ends == []
    assert 5 <= len(desk.notices) <= 10


def test_abandoned_wishes_are_wished_again() -> None:
    desk = Desk()
    desk.open()
    desk.event(report("Partially Filled", "0.1"))
    desk.lifecycle.failure(OID, "", "", desk.now)
    desk.cancel()
    wishes = desk.after(1)
    assert lookups(wishes)
    assert fetches(wishes)
    desk.lifecycle.abandon_wishes(desk.now)
    again = desk.after(1)
    assert lookups(again)
    assert fetches(again)
    desk.looked_up(report("Placed"))
    assert cancels(desk.after(1))


def test_abandoning_touches_only_what_is_under_way() -> None:
    desk = Desk()
    desk.open()
    desk.cancel()
    desk.track("HBOT2")
    desk.lifecycle.abandon_wishes(desk.now)
    assert [wish.client_order_id for wish in lookups(desk.after(1))] == [CID]


def test_totals_are_asked_only_for_orders_whose_end_lacks_fills() -> None:
    desk = Desk()
    desk.open()
    desk.track("HBOT2", order_id="order-2", told=Stage.OPEN)
    desk.event(report("Cancelled", "1"))
    asked = []
    for _ in range(40):
        wishes = desk.after(0.5)
        if fetches(wishes):
            desk.take(desk.lifecycle.trades_fetched(PAIR, desk.now))
        asked += [wish.client_order_id for wish in lookups(wishes)]
    assert set(asked) == {CID}


def test_immediate_orders_are_followed_until_they_end() -> None:
    desk = Desk(immediate=True)
    desk.accept(proof=True)
    assert lookups(desk.after(rules.PROOF_DEADLINE))
    desk.looked_up(report("Partially Filled", "0.4"))
    desk.event(trade(1, "0.4"))
    assert desk.ends == []
    row = report("Partially Filled", "0.4")
    desk.listed(row)
    desk.listed()
    desk.listed(row)
    assert lookups(desk.after(rules.IMMEDIATE_LIFETIME))
    desk.looked_up(report("Partially Filled", "0.4"))
    # The last list has it: it may rest after all.
    assert desk.ends == []
    desk.listed()
    assert lookups(desk.after(rules.PROOF_DEADLINE))
    desk.looked_up(report("Partially Filled", "0.4"))
    assert desk.ends == [End.CANCELLED]


def restored_that_valr_calls_immediate() -> Desk:
    desk = Desk(track=False)
    desk.track(order_id=OID, told=Stage.PARTIALLY_FILLED, trades=[("trade-1", Decimal("0.4"))])
    desk.lifecycle.reconcile(desk.now)
    return desk


def lives_for(desk: Desk, seconds: float) -> float:
    """Answer every lookup in the same way; return after how many seconds the order was ended, or ``seconds``."""
    began = desk.now
    while desk.now < began + seconds and not desk.ends:
        for _ in lookups(desk.after(1.0)):
            desk.looked_up(report("Partially Filled", "0.4", timeInForce="IOC"))
    return desk.now - began


@rule("ended only on proof, never by absence or time")
def test_an_order_of_an_earlier_run_is_ended_as_one_that_cannot_rest_if_the_lists_agree() -> None:
    listed, unlisted, unknown = (restored_that_valr_calls_immediate() for _ in range(3))
    listed.listed(report("Partially Filled", "0.4"))
    unlisted.listed()
    assert lives_for(listed, 100.0) == 100.0
    assert rules.IMMEDIATE_LIFETIME <= lives_for(unlisted, 100.0) <= rules.IMMEDIATE_LIFETIME + 3
    assert rules.UNLISTED_LIFETIME <= lives_for(unknown, 100.0) <= rules.UNLISTED_LIFETIME + 6
    assert unlisted.ends == unknown.ends == [End.CANCELLED]


@rule("ended only on proof, never by absence or time")
def test_an_order_that_was_sent_to_rest_is_not_ended_as_one_that_cannot() -> None:
    """Whatever an event says of its type: we know how we have sent it."""
    desk = Desk()
    desk.open()
    desk.event(report("Partially Filled", "0.4", timeInForce="IOC", orderType="market"))
    desk.event(trade(1, "0.4"))
    desk.listed()
    for _ in range(20):
        for _ in lookups(desk.after(1.0)):
            desk.looked_up(report("Partially Filled", "0.4", timeInForce="IOC"))
    assert desk.ends == []


@rule("after a reconnect or restart everything is asked")
# --- Restart and strays -----------------------------------------------------------------------------------------------
def test_restored_orders_are_not_told_again_and_their_old_fills_not_counted_again() -> None:
    desk = Desk(track=False)
    desk.track(order_id=OID, told=Stage.PARTIALLY_FILLED, trades=[("trade-1", Decimal("0.4"))])
    desk.track(order_id=OID)  # twice changes nothing
    desk.lifecycle.reconcile(desk.now)
    wishes = desk.after(0)
    assert lookups(wishes)
    assert fetches(wishes)
    desk.event(trade(1, "0.4"))
    assert desk.said == []
    desk.event(trade(2, "0.6"))
    desk.looked_up(report("Filled", "1"))
    assert desk.fills == ["trade-2"]
    assert desk.ends == [End.FILLED]


def test_a_restored_pending_cancel_is_taken_up_again() -> None:
    desk = Desk(track=False)
    desk.track(order_id=OID, told=Stage.CANCEL_PENDING)
    desk.lifecycle.reconcile(desk.now)
    for _ in lookups(desk.after(0)):
        desk.looked_up(report("Placed"))
    assert cancels(desk.after(0))


@rule("strays are cancelled")
def test_a_suspect_that_lives_is_a_stray_and_is_cancelled() -> None:
    desk = Desk(track=False)
    desk.lifecycle.suspect(CID, PAIR, T0, desk.now)
    desk.lifecycle.suspect(CID, PAIR, T0, desk.now)
    assert lookups(desk.after(0)) == [LookUp(CID, "", PAIR)]
    desk.looked_up(report("Partially Filled", "0.2"))
    assert desk.notices == [Level.ERROR]
    wishes = desk.after(0)
    assert cancels(wishes) == [SendCancel(CID, OID, PAIR, over_rest=False)]
    desk.event(trade(1, "0.2"))
    assert desk.notices == [Level.ERROR, Level.ERROR]
    desk.take(desk.lifecycle.cancel_acknowledged(CID, desk.now))
    desk.event(report("Cancelled", "0.2"))
    ended = desk.said[-1]
    assert isinstance(ended, Ended)
    assert ended.stray
    assert ended.proven
    assert desk.stages == []


def test_many_ids_that_an_earlier_run_never_sent_leave_calls_for_everything_else() -> None:
    desk = Desk()
    desk.open()
    names = [f"HBOTahead{number}" for number in range(84)]
    for name in names:
        desk.lifecycle.suspect(name, PAIR, T0, desk.now)
    assert desk.lifecycle.known_ids == [CID]
    assert len(desk.lifecycle.live_ids) == 85
    asked: list[float] = []
    first: dict[str, float] = {}
    began = desk.now
    while desk.lifecycle.live_ids != [CID]:
        assert desk.now < began + 600
        if desk.now == began + 30:
            desk.lifecycle.reconcile(desk.now)
        for wish in desk.after(0.25):
            if isinstance(wish, LookUp) and wish.client_order_id != CID:
                asked.append(desk.now)
                first.setdefault(wish.client_order_id, desk.now)
                desk.take(desk.lifecycle.not_found(wish.client_order_id, desk.now))
            elif isinstance(wish, LookUp):
                desk.looked_up(report("Placed"))
            elif isinstance(wish, SendCancel):
                desk.take(desk.lifecycle.cancel_refused(wish.client_order_id, desk.now, not_found=True))
            else:
                desk.take(desk.lifecycle.trades_fetched(PAIR, desk.now))
    # In their turn; none of them late, and none of them often.
    assert list(first) == names
    assert max(first.values()) <= began + 84 / rules.UNSEEN_A_SECOND + 1
    # A cancel that finds nothing is followed by one more lookup.
    busiest = max(sum(when - 10 < each <= when for each in asked) for when in asked)
    assert busiest <= 10 * rules.UNSEEN_A_SECOND * 2 + 2
    assert len(asked) <= 84 * 6


def test_a_suspect_that_ended_long_ago_is_let_go() -> None:
    desk = Desk(track=False)
    desk.lifecycle.suspect(CID, PAIR, T0, desk.now)
    desk.after(0)
    desk.looked_up(report("Cancelled"))
    assert desk.ends == [End.CANCELLED]
    assert desk.notices == [Level.INFO]
    desk.lifecycle.suspect(CID, PAIR, T0, desk.now)
    assert desk.lifecycle.live_ids == []


def test_a_suspect_that_valr_never_had_is_let_go_with_patience() -> None:
    desk = Desk(track=False)
    desk.lifecycle.suspect(CID, PAIR, T0, desk.now)
    for _ in range(200):
        wishes = desk.after(0.25)
        for _ in lookups(wishes):
            desk.take(desk.lifecycle.not_found(CID, desk.now))
        for _ in cancels(wishes):
            desk.take(desk.lifecycle.cancel_refused(CID, desk.now, not_found=True))
    assert desk.ends == [End.FAILED]
    assert desk.lifecycle.live_ids == []


def give_up(desk: Desk) -> None:
    desk.lifecycle.placement_doubtful(CID, desk.now)
    while not desk.ends:
        wishes = desk.after(0.25)
        for _ in lookups(wishes):
            desk.take(desk.lifecycle.not_found(CID, desk.now))
        for _ in cancels(wishes):
            desk.take(desk.lifecycle.cancel_refused(CID, desk.now, not_found=True))
    desk.said.clear()


def test_an_order_given_up_that_appears_after_all_is_a_stray() -> None:
    desk = Desk()
    give_up(desk)
    desk.listed(report("Placed"))
    assert desk.notices == [Level.ERROR]
    assert cancels(desk.after(0))
    assert desk.stages == []


def test_a_fill_of_an_order_given_up_is_told() -> None:
    desk = Desk()
    give_up(desk)
    desk.event(trade(1, "1"))
    assert desk.fills == ["trade-1"]
    assert desk.notices == [Level.ERROR, Level.ERROR]
    desk.event(report("Filled", "1"))
    assert desk.ends == [End.FILLED]
    assert desk.fills == ["trade-1"]


def test_an_order_made_larger_in_valrs_app_can_still_be_cancelled() -> None:
    desk = Desk()
    desk.open()
    desk.event(report("Order Modified", originalQuantity="1.2", remainingQuantity="1.2"))
    desk.event(trade(1, "1"))
    assert lookups(desk.after(60.0)) == []
    desk.cancel()
    desk.take(desk.lifecycle.cancel_acknowledged(CID, desk.now))
    assert len(lookups(desk.after(1.0))) == 1
    desk.looked_up(report("Partially Filled", "1", originalQuantity="1.2", remainingQuantity="0.2"))
    assert len(cancels(desk.after(0.0))) == 1


def test_a_fill_that_does_not_say_what_it_cost_is_told_when_the_history_does() -> None:
    desk = Desk()
    desk.open()
    silent = trade(1, "1").model_copy(update={"is_fee_known": False})
    desk.event(silent)
    desk.event(report("Filled", "1"))
    assert (desk.fills, desk.ends) == ([], [])
    assert len(fetches(desk.after(0.0))) == 1
    desk.event(trade(1, "1"))
    assert (desk.fills, desk.ends) == (["trade-1"], [End.FILLED])
    desk.event(silent)
    assert desk.fills == ["trade-1"]


def test_a_late_fill_of_an_ended_order_is_told_whatever_it_says_of_its_cost() -> None:
    desk = Desk()
    desk.open()
    desk.event(report("Cancelled"))
    desk.event(trade(1, "1").model_copy(update={"is_fee_known": False}))
    assert desk.fills == ["trade-1"]


def test_a_late_refusal_of_an_order_proven_ended_changes_nothing() -> None:
    desk = Desk()
    desk.event(report("Cancelled", "1"))
    desk.take(desk.lifecycle.placement_refused(CID, "no", desk.now))
    desk.after(0.0)
    desk.looked_up(report("Cancelled", totalExecutedQuantity="0"))
    assert desk.ends == [End.CANCELLED]
    desk.event(processed(True))
    assert desk.notices == []
    assert desk.after(60.0) == []


def test_a_slow_answer_does_not_end_a_market_order() -> None:
    desk = Desk(immediate=True)
    desk.accept(proof=True)
    desk.event(trade(1, "0.1"))
    desk.listed()
    assert len(lookups(desk.after(4.0))) == 1
    desk.now += 4.0
    desk.looked_up(report("Partially Filled", "0.1"))
    assert desk.ends == []
    assert len(lookups(desk.after(1.0))) == 1
    desk.looked_up(report("Partially Filled", "0.1"))
    assert desk.ends == [End.CANCELLED]


def test_a_lookup_that_lags_behind_the_trades_does_not_end_a_market_order() -> None:
    desk = Desk(immediate=True)
    desk.accept(proof=True)
    desk.event(trade(1, "0.3"))
    assert len(lookups(desk.after(10.0))) == 1
    desk.looked_up(report("Partially Filled", "0.1"))
    assert desk.ends == []


def test_an_end_without_quantities_has_its_summary_asked_for_and_no_busy_loop() -> None:
    desk = Desk()
    desk.open()
    desk.event(report("Cancelled", originalQuantity=None))
    asked: list[LookUp] = []
    for _ in range(100):
        for wish in lookups(desk.after(0.1)):
            asked.append(wish)
            desk.looked_up(report("Cancelled", originalQuantity=None))
    assert [wish.totals for wish in asked][:3] == [False, True, True]
    assert len(asked) <= 6
    desk.looked_up(report("Cancelled", originalQuantity=None, totalExecutedQuantity="0"))
    assert desk.ends == [End.CANCELLED]


def test_a_history_that_lags_is_asked_with_growing_pauses() -> None:
    desk = Desk()
    desk.open()
    desk.event(report("Cancelled", "0.1"))
    asked = 0
    for _ in range(300):
        for wish in desk.after(0.1):
            asked += 1
            if isinstance(wish, FetchTrades):
                desk.take(desk.lifecycle.trades_fetched(PAIR, desk.now))
            else:
                desk.looked_up(report("Cancelled", "0.1", totalExecutedQuantity="0.1"))
    assert asked <= 16
    assert desk.ends == []
    desk.event(trade(1, "0.1"))
    assert desk.ends == [End.CANCELLED]


@rule("foreign orders are untouched")
def test_foreign_orders_are_never_touched() -> None:
    desk = Desk()
    desk.open()
    desk.now += 10
    desk.listed(report("Placed"), report("Placed", order_id="foreign", client_order_id="somebody"))
    assert desk.said == []
    assert desk.after(60) == []


def test_the_record_of_ended_orders_is_bounded() -> None:
    lifecycle = OrderLifecycle()
    for number in range(rules.ENDED_KEPT + 10):
        lifecycle.track(f"c{number}", PAIR, Decimal(1), 0.0, created_at=T0, order_id=f"o{number}")
        lifecycle.placement_refused(f"c{number}", "no", 0.0)
    assert len(lifecycle._ended) == rules.ENDED_KEPT
    assert len(lifecycle._by_order_id) == rules.ENDED_KEPT


# --- Everything at once -----------------------------------------------------------------------------------------------
@st.composite
def stories(draw: st.DrawFn) -> tuple[list[Any], End, list[AccountTrade]]:
    """What VALR says of one order, in an arbitrary order with repetitions, and what is true at the end."""
    parts = draw(st.integers(0, 4))
    trades = [trade(number, "0.2") for number in range(parts)]
    cancelled = draw(st.booleans())
    if not cancelled:
        trades.append(trade(99, str(1 - Decimal("0.2") * parts)))
    total = sum((each.quantity for each in trades), Decimal(0))
    messages: list[Any] = [processed(True), report("Placed", orderUpdatedAt="2025-06-15T15:00:00Z"), *trades]
    running = Decimal(0)
    for number, each in enumerate(trades):
        running += each.quantity
        if running < 1:
            messages.append(
                report("Partially Filled", str(running), orderUpdatedAt=f"2025-06-15T15:00:{number + 1:02d}Z")
            )
    word = "Cancelled" if cancelled else "Filled"
    messages.append(report(word, str(total), orderUpdatedAt="2025-06-15T15:01:00Z"))
    messages += draw(st.lists(st.sampled_from(messages), max_size=6))
    strip = draw(st.booleans())
    if strip:
        messages = [message.model_copy(update={"client_order_id": ""}) for message in messages]
    random.Random(draw(st.integers(0, 2**32))).shuffle(messages)
    return messages, End.CANCELLED if cancelled else End.FILLED, trades


@rule("one created and one terminal event per order")
@settings(max_examples=300, deadline=None)
@given(stories(), st.integers(0, 30), st.booleans())
def test_any_order_of_evidence_ends_in_the_same_truth(
    story: tuple[list[Any], End, list[AccountTrade]], reply_at: int, cancel: bool
) -> None:
    messages, end, trades = story
    desk = Desk()
    for number, message in enumerate(messages):
        if number == reply_at:
            desk.accept()
        if cancel and number == 1:
            desk.lifecycle.request_cancel(CID, desk.now)
            desk.take(desk.lifecycle.cancel_acknowledged(CID, desk.now))
        desk.event(message)
        desk.now += 0.01
    desk.accept()
    for _ in range(10):  # what is still open is asked for, and answered truthfully
        wishes = desk.after(1)
        if lookups(wishes):
            desk.looked_up(messages_end(messages))
        if fetches(wishes):
            for each in trades:
                desk.event(each)
            desk.take(desk.lifecycle.trades_fetched(PAIR, desk.now))
    assert desk.ends == [end]
    assert isinstance(desk.said[-1], Ended)
    assert sorted(desk.fills) == sorted(each.trade_id for each in trades)
    assert desk.stages == sorted(desk.stages)
    assert desk.stages.count(Stage.OPEN) == 1
    assert isinstance(desk.said[0], Progress)
    assert desk.lifecycle.next_due() is None


def messages_end(messages: list[Any]) -> OrderReport:
    return max(
        (message for message in messages if isinstance(message, OrderReport)), key=lambda each: each.updated_at or 0
    )


# --- The rules as they are written down -------------------------------------------------------------------------------
def test_every_rule_that_is_written_down_has_its_test_and_lives_where_it_is_said_to() -> None:
    written = re.findall(r"^\* (.+?)[ .]* (``.+)$", rules.__doc__ or "", re.MULTILINE)
    assert {name for name, _ in written} == TESTED
    for _, places in written:
        for place in re.findall(r"``(\w+)``", places):
            assert callable(getattr(OrderLifecycle, place))
