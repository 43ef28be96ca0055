"""Judges the seven promises of a run: the exchange's records against the bot's. Pure; every promise can be broken."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from hummingbot_valr.demo_facts import Ledger, LedgerOrder, Touch, Trade
from hummingbot_valr.demo_log import BotLog, Quote
from hummingbot_valr.demo_record import Record, RecordedFill, RecordedOrder, as_recorded
from hummingbot_valr.demo_times import (
    CLOCK_STEP,
    Sample,
    Spread,
    cancel_samples,
    deciding_quote,
    place_samples,
    to_exchange,
    to_knowledge,
)

MEDIAN_BOUND = 0.1
HIGH_BOUND = 0.5
"""Generous bounds in seconds: two processors may carry the exchange, the bot, the demo, and tests beside them."""

BOOK_AGE = 0.5
"""A mid price this many seconds old may still have been quoted from: the frame was on its way or in a queue."""

RECOVERY_BOUND = 10.0
"""Seconds within which the account socket must be back after it was cut."""

_ENDS = {
    "OrderCancelled": "Cancelled",
    "BuyOrderCompleted": "Filled",
    "SellOrderCompleted": "Filled",
    "OrderFailure": "Failed",
}


@dataclass(frozen=True, slots=True)
class Quoting:
    """What the strategy was told: levels a side, and the spreads of the first and between levels as fractions."""

    levels: int
    spread: Decimal
    level_spread: Decimal
    tick: Decimal


@dataclass(frozen=True, slots=True)
class Run:
    """All evidence of a finished run.

    ``cut_at`` is when the account socket was cut on purpose; ``ended_badly`` says how the bot ended if it did not end
    as it was asked to; ``rescued`` counts the orders the demo had to cancel
    because the bot had left them; ``home_faults`` are in words what was not as with any built-in connector.
    """

    quoting: Quoting
    ledger: Ledger
    record: Record
    log: BotLog
    touches: Sequence[Touch] = ()
    cut_at: float | None = None
    ended_badly: str = ""
    rescued: int = 0
    home_faults: Sequence[str] = ()
    home_evidence: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a promise was held, and why one may think so."""

    promise: str
    held: bool
    evidence: str


@dataclass(slots=True)
class _Case:
    """Collects what speaks against a promise, and what for it."""

    promise: str
    faults: list[str] = field(default_factory=list)

    def demand(self, held: bool, fault: str) -> None:
        if not held:
            self.faults.append(fault)

    def verdict(self, evidence: str) -> Verdict:
        if not self.faults:
            return Verdict(self.promise, True, evidence)
        more = f"; and {len(self.faults) - 3} more" if len(self.faults) > 3 else ""
        return Verdict(self.promise, False, "; ".join(self.faults[:3]) + more)


def judge(run: Run) -> list[Verdict]:
    """Return one verdict for each promise, in their order."""
    return [
        judge_no_unknown_order(run),
        judge_nothing_invented(run),
        judge_fills(run),
        judge_book(run),
        judge_recovery(run),
        judge_speed(run),
        judge_home(run),
    ]


def judge_no_unknown_order(run: Run) -> Verdict:
    """Every order in the ledger is on the bot's record, none is live at the end, and there never were too many."""
    case, ledger = _Case("1 no order is live without the bot knowing"), run.ledger
    allowed = 2 * run.quoting.levels
    case.demand(bool(ledger.orders), "no order was placed, so nothing is proven")
    for order in ledger.orders:
        known = order.client_order_id in run.record.orders or order.client_order_id in run.log.failed
        case.demand(known, f"the bot has no record of {_name(order)}")
    case.demand(not run.rescued, f"{run.rescued} orders were left live by the bot and cancelled by the demo")
    case.demand(not ledger.open_orders, f"{ledger.open_orders} orders are live at the end")
    case.demand(
        ledger.most_open <= allowed, f"{ledger.most_open} orders were live at once, the strategy may have {allowed}"
    )
    return case.verdict(
        f"all {len(ledger.orders)} orders of the ledger are on the bot's record; 0 live at the end; "
        f"at most {ledger.most_open} live at once, of {allowed} allowed"
    )


def judge_nothing_invented(run: Run) -> Verdict:
    """Both records name the same orders with the same single end, and the bot never named an end too early."""
    case = _Case("2 nothing is reported that did not happen")
    case.demand(bool(run.ledger.orders), "no order was placed, so nothing is proven")
    by_id = {order.client_order_id: order for order in run.ledger.orders}
    for identifier in sorted((set(run.record.orders) | run.log.failed) - set(by_id)):
        case.demand(False, f"the bot reports order {identifier}, which the exchange never had")
    for order in run.ledger.orders:
        recorded = run.record.orders.get(order.client_order_id)
        if recorded is not None:
            _compare(case, order, recorded)
        elif order.client_order_id in run.log.failed:
            case.demand(order.status == "Failed", f"the bot reports {_name(order)} failed, it is {order.status}")
        gone = run.log.cancelled.get(order.client_order_id)
        if gone is not None:
            proven = order.ended_at is not None and gone >= order.ended_at - CLOCK_STEP
            case.demand(proven, f"the bot reported {_name(order)} cancelled before it was")
    ends = Counter(order.status for order in run.ledger.orders)
    counted = ", ".join(f"{count} {status.lower()}" for status, count in sorted(ends.items()))
    return case.verdict(f"{counted}: each order has the same end in both records; no end was reported before it was")


def _compare(case: _Case, order: LedgerOrder, recorded: RecordedOrder) -> None:
    ends = [_ENDS[status] for status in recorded.statuses if status in _ENDS]
    told = " then ".join(ends) or "live"
    case.demand(ends == [order.status], f"{_name(order)} is {order.status} at the exchange, {told} on the bot's record")
    last = recorded.statuses[-1] if recorded.statuses else ""
    case.demand(not ends or last in _ENDS, f"{_name(order)} has {last} after its end on the bot's record")
    case.demand(recorded.order_id == order.order_id, f"the bot knows {_name(order)} as {recorded.order_id}")
    same = (recorded.price, recorded.amount) == (as_recorded(order.price), as_recorded(order.quantity))
    case.demand(same, f"the bot's record has another price or amount for {_name(order)}")


def judge_fills(run: Run) -> Verdict:
    """Fills are the same one by one: exactly in the bot's events, and as exactly as the bot's database keeps them."""
    case = _Case("3 every fill is counted exactly once")
    at_exchange = {trade.trade_id: trade for trade in run.ledger.trades}
    _demand_same_trades(case, at_exchange, run.log.trades)
    _demand_same_fills(case, at_exchange, run.record.fills)
    if not at_exchange:
        return case.verdict("no order was filled in this run, and the bot counted none")
    return case.verdict(
        f"{len(at_exchange)} fills equal one by one: price, amount and fee to the last digit in the bot's events; "
        f"in its database the fee to the last digit, price and amount cut to 6 decimals; "
        f"fees {_fee_totals(run.ledger.trades)}"
    )


def _demand_same_trades(case: _Case, at_exchange: dict[str, Trade], told: Iterable[Trade]) -> None:
    counts = Counter(trade.trade_id for trade in told)
    for identifier, count in counts.items():
        case.demand(count == 1, f"the bot counted fill {identifier} {count} times")
    for identifier in at_exchange:
        case.demand(identifier in counts, f"the bot never counted fill {identifier}")
    for trade in told:
        if trade.trade_id not in at_exchange:
            case.demand(False, f"the bot counted fill {trade.trade_id}, which the exchange never made")
        elif trade != at_exchange[trade.trade_id]:
            case.demand(False, f"fill {trade.trade_id} differs: {_differences(at_exchange[trade.trade_id], trade)}")


def _demand_same_fills(case: _Case, at_exchange: dict[str, Trade], fills: Sequence[RecordedFill]) -> None:
    for trade in at_exchange.values():
        recorded = [fill for fill in fills if fill.trade_id == trade.trade_id]
        wanted = RecordedFill(
            trade.trade_id,
            trade.client_order_id,
            trade.side,
            as_recorded(trade.price),
            as_recorded(trade.quantity),
            trade.fees,
        )
        case.demand(recorded == [wanted], f"the bot's database has fill {trade.trade_id} otherwise, or not once")
    for fill in fills:
        case.demand(fill.trade_id in at_exchange, f"the bot's database has fill {fill.trade_id} of its own")


def _differences(at_exchange: Trade, told: Trade) -> str:
    names = ("order_id", "client_order_id", "side", "price", "quantity", "fees")
    pairs = ((name, getattr(at_exchange, name), getattr(told, name)) for name in names)
    return ", ".join(f"{name} {one} at the exchange, {other} in the bot" for name, one, other in pairs if one != other)


def _fee_totals(trades: Iterable[Trade]) -> str:
    totals: dict[str, Decimal] = {}
    for amount, currency in (fee for trade in trades for fee in trade.fees):
        totals[currency] = totals.get(currency, Decimal(0)) + amount
    return ", ".join(f"{total:f} {currency}" for currency, total in sorted(totals.items())) or "none"


def judge_book(run: Run) -> Verdict:
    """No book was ever dropped, and every quote lies at its distance from a mid price just published."""
    case = _Case("4 the book it quotes from is right")
    for trouble in run.log.book_troubles:
        case.demand(False, f"the bot's log: {trouble}")
    prices = sum(len(quote.prices) for quote in run.log.quotes)
    case.demand(prices > 0, "nothing was quoted, so nothing is proven")
    for quote in run.log.quotes:
        right = any(_fits(quote, mid, run.quoting) for mid in _mids(run.touches, quote.time))
        case.demand(right, f"the {quote.side} prices {_prices(quote)} fit no mid price the exchange had published")
    for order in run.ledger.orders:
        decided = deciding_quote(order, run.log.quotes) is not None
        case.demand(decided, f"{_name(order)} has a price that the strategy did not choose")
    return case.verdict(
        f"{prices} quoted prices at their distance from the exchange's own mid of the last {BOOK_AGE:g} s, "
        "to the tick; no sequence or checksum mismatch, no fallback"
    )


def _mids(touches: Sequence[Touch], time: float) -> set[Decimal]:
    """Return the mid prices in force between ``BOOK_AGE`` before a time and that time."""
    first = max(bisect_right(touches, time - BOOK_AGE, key=lambda touch: touch.time) - 1, 0)
    end = bisect_right(touches, time + CLOCK_STEP, key=lambda touch: touch.time)
    return {touch.mid for touch in touches[first:end] if touch.mid is not None}


def _fits(quote: Quote, mid: Decimal, quoting: Quoting) -> bool:
    direction = -1 if quote.side == "buy" else 1
    for level, price in enumerate(quote.prices):
        wanted = mid * (1 + direction * (quoting.spread + level * quoting.level_spread))
        if abs(price - wanted) >= quoting.tick:
            return False
    return True


def judge_recovery(run: Run) -> Verdict:
    """Without a fault: no error and no lost socket. With the account socket cut: back soon, and quoting again."""
    case, log = _Case("5 after a fault it gets back to the truth by itself"), run.log
    case.demand(not run.ended_badly, run.ended_badly)
    for error in log.errors:
        case.demand(False, f"the bot's log: {error}")
    warnings = f"; warnings in the bot's log: {len(log.warnings)}" if log.warnings else ""
    if run.cut_at is None:
        case.demand(not log.socket_downs, f"the account socket went down {len(log.socket_downs)} times unbidden")
        case.demand(len(log.socket_ups) == 1, f"the account socket was connected {len(log.socket_ups)} times")
        return case.verdict(f"no fault occurred: one account socket all along, no error in the bot's log{warnings}")
    case.demand(
        len(log.socket_downs) == 1, f"the loss of the socket was logged {len(log.socket_downs)} times, not once"
    )
    back = next((time for time in log.socket_ups if time > run.cut_at), None)
    again = next((time for time in sorted(log.created.values()) if back is not None and time > back), None)
    if back is None or again is None:
        case.demand(back is not None, "the account socket never came back")
        case.demand(again is not None, "no order was placed after the account socket had been cut")
        return case.verdict("")
    case.demand(back - run.cut_at <= RECOVERY_BOUND, f"the account socket was gone for {back - run.cut_at:.1f} s")
    return case.verdict(
        f"the account socket was cut once: back after {back - run.cut_at:.1f} s, a new order "
        f"{again - run.cut_at:.1f} s after the cut, one line of loss in the log, no error{warnings}"
    )


def judge_speed(run: Run) -> Verdict:
    """Median and 95th percentile of placing and cancelling, until the exchange had done it and until the bot knew."""
    case = _Case("6 it is fast")
    parts = []
    for name, samples in (
        ("place", place_samples(run.ledger, run.log)),
        ("cancel", cancel_samples(run.ledger, run.log)),
    ):
        counted = [sample for sample in samples.values() if not _during_cut(run, sample)]
        for end, times in (("at the exchange", to_exchange(counted)), ("known to the bot", to_knowledge(counted))):
            if times is None:
                case.demand(False, f"no time from decision to {name} {end} was measured")
                continue
            shown = f"{name} {end} {in_milliseconds(times)}"
            case.demand(times.median <= MEDIAN_BOUND and times.high <= HIGH_BOUND, f"{shown} is over the bound")
            parts.append(shown)
    left_out = "" if run.cut_at is None else "; orders of the cut left out"
    return case.verdict(
        f"after the strategy's decision, median / 95 %: {', '.join(parts)} "
        f"(bound {MEDIAN_BOUND * 1000:.0f} / {HIGH_BOUND * 1000:.0f} ms{left_out})"
    )


def _during_cut(run: Run, sample: Sample) -> bool:
    if run.cut_at is None:
        return False
    back = next((time for time in run.log.socket_ups if time > run.cut_at), run.cut_at)
    return sample.decided < back and (sample.known is None or sample.known > run.cut_at)


def in_milliseconds(times: Spread) -> str:
    """Write median and 95th percentile."""
    return f"{times.median * 1000:.0f} / {times.high * 1000:.0f} ms"


def judge_home(run: Run) -> Verdict:
    """Connected and started by Hummingbot's own commands, in its own engine, with no file of Hummingbot changed."""
    case = _Case("7 it is at home in Hummingbot")
    for fault in run.home_faults:
        case.demand(False, fault)
    case.demand(bool(run.home_evidence), "it was not looked at")
    return case.verdict(run.home_evidence)


def _name(order: LedgerOrder) -> str:
    return f"order {order.client_order_id or order.order_id}"


def _prices(quote: Quote) -> str:
    return ", ".join(f"{price:f}" for price in quote.prices)
