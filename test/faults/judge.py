"""Judges a run: what the exchange's ledger has against what the bot was told. Pure: records in, verdict out.

The ledger is the truth and its times come first: nothing may be told before it is true. Times are Unix seconds of one
machine's clock.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from hummingbot_valr.demo_facts import Ledger, LedgerOrder, Trade

ENDS = {"cancelled": "Cancelled", "failed": "Failed", "completed": "Filled"}
"""What ends an order, as the bot is told it and as the ledger names it."""

QUOTING_BOUND = 30.0
"""Seconds within which the bot quotes again after the faults ended."""


@dataclass(frozen=True, slots=True)
class Told:
    """One event the bot was told: created, filled (with the trade), cancelled, failed or completed."""

    time: float
    what: str
    client_order_id: str
    trade: Trade | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """All evidence of a finished run.

    ``traded_at`` are the times of the ledger's trades by their ids; ``sent`` is when the bot took up each order it
    sent; ``foreign`` are the exchange's ids of orders of others on the account; ``claimed_gone`` is what `cancel_all`
    said it had cancelled and when; ``orphans`` are orders of a killed bot that Hummingbot had not saved: nobody can be
    told of them; ``quoting_bound`` is how soon after the faults it has to quote; ``balances`` are the bot's at the
    end, available and total; ``idle`` are the kinds of faults that never struck; ``errors`` are log lines nobody
    should ever see.
    """

    ledger: Ledger
    traded_at: Mapping[str, float]
    told: Sequence[Told]
    sent: Mapping[str, float]
    most_wanted: int
    patience: float
    faults_ended_at: float
    finished_at: float
    foreign: Sequence[str] = ()
    foreign_may_end: Sequence[str] = ()
    claimed_gone: Mapping[str, float] = field(default_factory=dict)
    orphans: Collection[str] = ()
    balances: Mapping[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    idle: Sequence[str] = ()
    errors: Sequence[str] = ()
    quoting_bound: float = QUOTING_BOUND

    def own_orders(self) -> list[LedgerOrder]:
        """Return the ledger's orders that are not of others."""
        return [order for order in self.ledger.orders if order.order_id not in self.foreign]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found; every text names what speaks against the bot. Times are in seconds, None if never."""

    orders: int
    fills: int
    strays: tuple[str, ...]
    false_ends: tuple[str, ...]
    never_told: tuple[str, ...]
    fills_lost: tuple[str, ...]
    fills_invented: tuple[str, ...]
    fills_inexact: tuple[str, ...]
    wrong_balances: tuple[str, ...]
    other: tuple[str, ...]
    most_live: int
    seconds_over: float
    quoting_after: float | None
    time_to_truth: float

    @property
    def held(self) -> bool:
        """Whether every promise was held."""
        return not self.problems

    @property
    def unsettled(self) -> bool:
        """Whether there is something the bot may still learn, or end."""
        return bool(self.strays or self.never_told or self.fills_lost or self.wrong_balances)

    @property
    def problems(self) -> list[str]:
        """Everything that speaks against the bot."""
        return [
            *self.strays,
            *self.false_ends,
            *self.never_told,
            *self.fills_lost,
            *self.fills_invented,
            *self.fills_inexact,
            *self.wrong_balances,
            *self.other,
        ]


def judge(record: Record) -> Verdict:
    """Compare the records of both sides."""
    most_live, seconds_over = _crowding(record)
    quoting_after = _quoting_after(record)
    return Verdict(
        orders=len(record.own_orders()),
        fills=len(record.ledger.trades),
        strays=tuple(_strays(record)),
        false_ends=tuple(_false_ends(record) + _false_claims(record)),
        never_told=tuple(_never_told(record)),
        fills_lost=tuple(_lost_fills(record)),
        fills_invented=tuple(_invented_fills(record)),
        fills_inexact=tuple(_inexact_fills(record)),
        wrong_balances=tuple(_wrong_balances(record)),
        other=tuple(_other(record, most_live, seconds_over, quoting_after)),
        most_live=most_live,
        seconds_over=seconds_over,
        quoting_after=quoting_after,
        time_to_truth=_time_to_truth(record),
    )


def _ends_told(record: Record) -> dict[str, list[Told]]:
    ends: dict[str, list[Told]] = defaultdict(list)
    for told in record.told:
        if told.what in ENDS:
            ends[told.client_order_id].append(told)
    return ends


def _strays(record: Record) -> list[str]:
    """Orders live without the bot knowing: never its own, live after it was told of their end, or live at last."""
    strays, ends = [], _ends_told(record)
    for order in record.own_orders():
        name = order.client_order_id
        if name not in record.sent:
            strays.append(f"{_name(order)} is not one the bot sent")
        elif order.ended_at is None and name in ends:
            strays.append(f"{_name(order)} is live and the bot was told it {ends[name][0].what}")
        elif order.ended_at is None:
            strays.append(f"{_name(order)} is live after everything was cancelled")
    return strays


def _false_ends(record: Record) -> list[str]:
    """Ends told that the ledger does not have, has otherwise, or has only later; more than one end of an order."""
    orders = {order.client_order_id: order for order in record.own_orders()}
    wrong = []
    for name, ends in _ends_told(record).items():
        if len(ends) > 1:
            wrong.append(f"order {name} was told to have ended {len(ends)} times")
        end, order = ends[0], orders.get(name)
        if order is None:
            if end.what != "failed":
                wrong.append(f"order {name} was told {end.what} and the exchange never had it")
        elif order.status != ENDS[end.what]:
            wrong.append(f"{_name(order)} was told {end.what} and is {order.status}")
        elif order.ended_at is None or end.time < order.ended_at:
            wrong.append(f"{_name(order)} was told {end.what} before it was")
    return wrong


def _false_claims(record: Record) -> list[str]:
    orders = {order.client_order_id: order for order in record.own_orders()}
    wrong = []
    for name, time in record.claimed_gone.items():
        order = orders.get(name)
        if order is not None and (order.ended_at is None or order.ended_at > time):
            wrong.append(f"cancel_all called {_name(order)} gone before it was")
    return wrong


def _never_told(record: Record) -> list[str]:
    """Orders whose end the bot never learnt, or whose beginning it was told wrongly."""
    ends, wrong = _ends_told(record), []
    orders = {order.client_order_id: order for order in record.own_orders()}
    expected = [name for name in record.sent if name not in ends and name not in record.orphans]
    wrong += [f"the bot was never told how order {name} ended" for name in expected]
    for name, count in Counter(told.client_order_id for told in record.told if told.what == "created").items():
        if name not in orders:
            wrong.append(f"order {name} was told created and the exchange never had it")
        if count > 1:
            wrong.append(f"order {name} was told created {count} times")
    return wrong


def _lost_fills(record: Record) -> list[str]:
    told = {each.trade.trade_id for each in record.told if each.trade is not None}
    return [
        f"fill {trade.trade_id} was never told"
        for trade in record.ledger.trades
        if trade.trade_id not in told and trade.client_order_id not in record.orphans
    ]


def _invented_fills(record: Record) -> list[str]:
    real = {trade.trade_id for trade in record.ledger.trades}
    counts = Counter(told.trade.trade_id for told in record.told if told.trade is not None)
    invented = [f"fill {name} was told and never happened" for name in counts if name not in real]
    return invented + [f"fill {name} was told {count} times" for name, count in counts.items() if count > 1]


def _inexact_fills(record: Record) -> list[str]:
    real = {trade.trade_id: trade for trade in record.ledger.trades}
    wrong = []
    for told in record.told:
        if told.trade is None or told.trade.trade_id not in real:
            continue
        truth = real[told.trade.trade_id]
        for name in Trade.__slots__:
            one, other = getattr(truth, name), getattr(told.trade, name)
            if one != other:
                wrong.append(f"fill {truth.trade_id} has {name} {one} at the exchange, {other} for the bot")
        if told.time < record.traded_at[truth.trade_id]:
            wrong.append(f"fill {truth.trade_id} was told before it happened")
    return wrong


def _crowding(record: Record) -> tuple[int, float]:
    """Return the most orders live at once, and for how many seconds together there were more than wanted."""
    changes = sorted(
        change
        for order in record.own_orders()
        if order.status != "Failed"
        for change in ((order.created_at, 1), (order.ended_at or record.finished_at, -1))
    )
    live = most = 0
    longest, over_since = 0.0, None
    for time, change in changes:
        live += change
        most = max(most, live)
        if live > record.most_wanted and over_since is None:
            over_since = time
        elif live <= record.most_wanted and over_since is not None:
            longest, over_since = max(longest, time - over_since), None
    return most, longest


def _quoting_after(record: Record) -> float | None:
    """Return when, after the faults ended, the bot knew a new order to be open that the exchange has."""
    begun = {order.client_order_id for order in record.own_orders() if order.created_at >= record.faults_ended_at}
    times = [told.time for told in record.told if told.what == "created" and told.client_order_id in begun]
    return min(times) - record.faults_ended_at if times else None


def _time_to_truth(record: Record) -> float:
    """Return the longest time that an end or a fill stood in the ledger before the bot was told."""
    ended_at = {order.client_order_id: order.ended_at for order in record.own_orders()}
    ages = [0.0]
    for told in record.told:
        if told.trade is not None and told.trade.trade_id in record.traded_at:
            ages.append(told.time - record.traded_at[told.trade.trade_id])
        ended = ended_at.get(told.client_order_id) if told.what in ENDS else None
        if ended is not None:
            ages.append(told.time - ended)
    return max(ages)


def _other(record: Record, most_live: int, seconds_over: float, quoting_after: float | None) -> list[str]:
    wrong = [] if record.own_orders() else ["no order was placed, so nothing is proven"]
    if seconds_over > record.patience:
        wrong.append(f"up to {most_live} orders were live, more than {record.most_wanted} for {seconds_over:.1f} s")
    if quoting_after is None:
        wrong.append("the bot never quoted again after the faults ended")
    elif quoting_after > record.quoting_bound:
        wrong.append(f"the bot quoted again {quoting_after:.1f} s after the faults ended")
    wrong += [f"{kind} never struck, so nothing is proven" for kind in record.idle]
    wrong += [f"the log says: {line}" for line in record.errors]
    return wrong + list(_touched(record))


def _touched(record: Record) -> Iterable[str]:
    orders = {order.order_id: order for order in record.ledger.orders}
    for identifier in record.foreign:
        order = orders.get(identifier)
        if order is None:
            yield f"foreign order {identifier} is not in the ledger"
        elif order.ended_at is not None and identifier not in record.foreign_may_end:
            yield f"foreign order {identifier} is {order.status}"


def _wrong_balances(record: Record) -> Iterable[str]:
    truth = record.ledger.balances or {}
    for currency, (available, total) in record.balances.items():
        held = truth.get(currency)
        if held is None or (held.available, held.total) != (available, total):
            yield f"the bot holds {available} of {total} {currency} for available, the exchange says {held}"


def _name(order: LedgerOrder) -> str:
    return f"order {order.client_order_id or order.order_id}"
