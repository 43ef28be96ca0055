"""Every verdict of the judge can go either way."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from hummingbot_valr.demo_facts import Balance, Ledger, LedgerOrder, Trade
from test.faults.judge import QUOTING_BOUND, Record, Told, Verdict, judge

FAULTS_ENDED_AT = 20.0
FINISHED_AT = 60.0


def order(name: str, status: str = "Cancelled", created_at: float = 10.0, ended_at: float | None = 11.0) -> LedgerOrder:
    return LedgerOrder(
        order_id=f"id-{name}",
        client_order_id=name,
        side="buy",
        price=Decimal(100),
        quantity=Decimal(1),
        filled=Decimal(1 if status == "Filled" else 0),
        status=status,
        created_at=created_at,
        ended_at=ended_at,
    )


def trade(name: str = "t1", fee: str = "0.001") -> Trade:
    return Trade(name, "id-filled", "filled", "buy", Decimal(100), Decimal(1), ((Decimal(fee), "BTC"),))


FOREIGN = replace(order("", "Placed", ended_at=None), order_id="foreign")
CLEAN = Record(
    ledger=Ledger(
        orders=(
            order("cancelled"),
            order("filled", "Filled", ended_at=12.0),
            order("refused", "Failed", ended_at=10.0),
            order("afresh", "Cancelled", created_at=21.0, ended_at=50.0),
            FOREIGN,
        ),
        trades=(trade(),),
        balances={"BTC": Balance(Decimal(1), Decimal(2))},
    ),
    traded_at={"t1": 12.0},
    told=(
        Told(10.1, "created", "cancelled"),
        Told(10.1, "created", "filled"),
        Told(10.1, "failed", "refused"),
        Told(11.5, "cancelled", "cancelled"),
        Told(12.2, "filled", "filled", trade()),
        Told(12.2, "completed", "filled"),
        Told(21.1, "created", "afresh"),
        Told(50.2, "cancelled", "afresh"),
    ),
    sent=dict.fromkeys(("cancelled", "filled", "refused", "afresh"), 9.9),
    most_wanted=4,
    patience=2.0,
    faults_ended_at=FAULTS_ENDED_AT,
    finished_at=FINISHED_AT,
    foreign=("foreign",),
    claimed_gone={"afresh": 50.1},
    balances={"BTC": (Decimal(1), Decimal(2))},
)


def with_orders(record: Record, *orders: LedgerOrder) -> Record:
    """Replace the ledger's orders of the same names, or add them."""
    kept = {each.client_order_id: each for each in record.ledger.orders} | {
        each.client_order_id: each for each in orders
    }
    return replace(record, ledger=replace(record.ledger, orders=tuple(kept.values())))


def with_told(record: Record, *told: Told, without: Callable[[Told], bool] = lambda told: False) -> Record:
    return replace(record, told=tuple(each for each in record.told if not without(each)) + told)


def without_end(name: str) -> Callable[[Told], bool]:
    return lambda told: told.client_order_id == name and told.what not in ("created", "filled")


def test_a_clean_run_is_held() -> None:
    verdict = judge(CLEAN)
    assert verdict.problems == []
    assert verdict.held
    assert not verdict.unsettled
    assert (verdict.orders, verdict.fills, verdict.most_live) == (4, 1, 2)
    assert verdict.quoting_after == pytest.approx(1.1)
    assert verdict.time_to_truth == pytest.approx(0.5)


BROKEN: dict[str, tuple[Record, str, str]] = {
    "an order that the bot never sent": (
        with_orders(CLEAN, order("unsent")),
        "strays",
        "order unsent is not one the bot sent",
    ),
    "an order left live": (
        with_told(with_orders(CLEAN, order("cancelled", "Placed", ended_at=None)), without=without_end("cancelled")),
        "strays",
        "order cancelled is live after everything was cancelled",
    ),
    "an order live that was told to be gone": (
        with_orders(CLEAN, order("cancelled", "Placed", ended_at=None)),
        "strays",
        "order cancelled is live and the bot was told it cancelled",
    ),
    "an end told too early": (
        with_orders(CLEAN, order("cancelled", ended_at=11.501)),
        "false_ends",
        "order cancelled was told cancelled before it was",
    ),
    "another end than the true one": (
        with_orders(CLEAN, order("cancelled", "Filled")),
        "false_ends",
        "order cancelled was told cancelled and is Filled",
    ),
    "two ends": (
        with_told(CLEAN, Told(13.0, "cancelled", "filled")),
        "false_ends",
        "order filled was told to have ended 2 times",
    ),
    "the end of an order that never was": (
        with_told(CLEAN, Told(13.0, "cancelled", "ghost")),
        "false_ends",
        "order ghost was told cancelled and the exchange never had it",
    ),
    "cancel_all claiming too early": (
        replace(CLEAN, claimed_gone={"afresh": 49.9}),
        "false_ends",
        "cancel_all called order afresh gone before it was",
    ),
    "an end never told": (
        with_told(CLEAN, without=without_end("cancelled")),
        "never_told",
        "the bot was never told how order cancelled ended",
    ),
    "a creation that never was": (
        with_told(CLEAN, Told(13.0, "created", "ghost")),
        "never_told",
        "order ghost was told created and the exchange never had it",
    ),
    "a creation told twice": (
        with_told(CLEAN, Told(13.0, "created", "filled")),
        "never_told",
        "order filled was told created 2 times",
    ),
    "a fill lost": (
        with_told(CLEAN, without=lambda told: told.what == "filled"),
        "fills_lost",
        "fill t1 was never told",
    ),
    "a fill invented": (
        with_told(CLEAN, Told(13.0, "filled", "filled", trade("t2"))),
        "fills_invented",
        "fill t2 was told and never happened",
    ),
    "a fill told twice": (
        with_told(CLEAN, Told(13.0, "filled", "filled", trade())),
        "fills_invented",
        "fill t1 was told 2 times",
    ),
    "a fill told before it happened": (
        replace(CLEAN, traded_at={"t1": 12.3}),
        "fills_inexact",
        "fill t1 was told before it happened",
    ),
    "another fee": (
        with_told(
            CLEAN, Told(12.2, "filled", "filled", trade(fee="0.0010001")), without=lambda told: told.what == "filled"
        ),
        "fills_inexact",
        "fill t1 has fees ((Decimal('0.001'), 'BTC'),) at the exchange, ((Decimal('0.0010001'), 'BTC'),) for the bot",
    ),
    "another balance": (
        replace(CLEAN, balances={"BTC": (Decimal(1), Decimal("2.1"))}),
        "wrong_balances",
        "the bot holds 1 of 2.1 BTC for available",
    ),
    "a balance the exchange does not know": (
        replace(CLEAN, balances={"ETH": (Decimal(1), Decimal(1))}),
        "wrong_balances",
        "the exchange says None",
    ),
    "nothing quoted after the faults": (
        replace(CLEAN, faults_ended_at=22.0),
        "other",
        "the bot never quoted again after the faults ended",
    ),
    "quoting late": (
        with_told(
            CLEAN,
            Told(FAULTS_ENDED_AT + QUOTING_BOUND + 0.1, "created", "afresh"),
            without=lambda told: told.what == "created" and told.client_order_id == "afresh",
        ),
        "other",
        "the bot quoted again 30.1 s after the faults ended",
    ),
    "a fault that never struck": (
        replace(CLEAN, idle=("book_gap",)),
        "other",
        "book_gap never struck, so nothing is proven",
    ),
    "an unexpected error": (replace(CLEAN, errors=("boom",)), "other", "the log says: boom"),
    "a foreign order cancelled": (
        with_orders(CLEAN, replace(FOREIGN, status="Cancelled", ended_at=30.0)),
        "other",
        "foreign order foreign is Cancelled",
    ),
    "a foreign order gone": (
        replace(CLEAN, foreign=("foreign", "another")),
        "other",
        "foreign order another is not in the ledger",
    ),
    "no order at all": (
        replace(CLEAN, ledger=Ledger(), told=(), sent={}, balances={}, foreign=(), claimed_gone={}),
        "other",
        "no order was placed, so nothing is proven",
    ),
}


@pytest.mark.parametrize(("record", "where", "text"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_broken_is_named(record: Record, where: str, text: str) -> None:
    verdict = judge(record)
    assert not verdict.held
    assert any(text in problem for problem in getattr(verdict, where)), verdict.problems
    assert set(getattr(verdict, where)) <= set(verdict.problems)


@pytest.mark.parametrize("where", ["strays", "never_told", "fills_lost", "wrong_balances"])
def test_a_run_is_unsettled_while_the_bot_may_still_learn(where: str) -> None:
    broken = next(record for record, place, _ in BROKEN.values() if place == where)
    assert judge(broken).unsettled


def test_a_placement_that_failed_and_never_arrived_is_the_truth() -> None:
    record = replace(with_told(CLEAN, Told(30.0, "failed", "lost")), sent={**CLEAN.sent, "lost": 15.0})
    assert judge(record).problems == []


def test_the_exchange_may_end_the_foreign_orders_of_a_pair() -> None:
    ended = with_orders(CLEAN, replace(FOREIGN, status="Cancelled", ended_at=30.0))
    assert judge(replace(ended, foreign_may_end=("foreign",))).problems == []


def crowd(until: float, count: int = 5) -> Record:
    """Return a run with so many orders live from second 30 until another."""
    names = [f"crowd-{number}" for number in range(count)]
    record = with_orders(CLEAN, *(order(name, created_at=30.0, ended_at=until) for name in names))
    record = with_told(record, *(Told(until, "cancelled", name) for name in names))
    return replace(record, sent={**record.sent, **dict.fromkeys(names, 30.0)})


def crowding(verdict: Verdict) -> tuple[int, float, bool]:
    return verdict.most_live, round(verdict.seconds_over, 3), verdict.held


def test_more_orders_than_wanted_may_be_live_for_two_refresh_periods() -> None:
    # The order quoted afresh is live as well.
    assert crowding(judge(crowd(until=32.0))) == (6, 2.0, True)
    assert crowding(judge(crowd(until=32.1))) == (6, 2.1, False)
    assert crowding(judge(crowd(until=40.0, count=3))) == (4, 0.0, True)


def test_orders_still_live_crowd_until_the_end_of_the_run() -> None:
    record = with_orders(crowd(until=31.0), *(order(f"crowd-{n}", "Placed", 30.0, None) for n in range(5)))
    assert judge(record).seconds_over == FINISHED_AT - 30.0


def test_nobody_need_be_told_of_a_killed_bots_orders() -> None:
    taken = with_orders(CLEAN, order("orphan", "Filled"))
    trade_of_it = replace(trade("t2"), order_id="id-orphan", client_order_id="orphan")
    taken = replace(
        taken,
        ledger=replace(taken.ledger, trades=(*taken.ledger.trades, trade_of_it)),
        sent={**taken.sent, "orphan": 9.9},
    )
    verdict = judge(taken)
    assert (len(verdict.never_told), len(verdict.fills_lost)) == (1, 1)
    assert judge(replace(taken, orphans={"orphan"})).held
    still_live = with_orders(taken, order("orphan", "Placed", ended_at=None))
    assert judge(replace(still_live, orphans={"orphan"})).strays
