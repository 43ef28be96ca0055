"""Holds the bot against the exchange's own records: at every word, at every second, and strictly at the end."""

from collections import defaultdict, deque
from collections.abc import Callable, Collection
from decimal import Decimal
from itertools import islice
from typing import Any

from hummingbot.core.event.events import OrderFilledEvent
from hummingbot_valr.demo_facts import parse_ledger
from test.faults.bot import _trade
from test.faults.judge import ENDS, QUOTING_BOUND, Record, Told, judge
from test.faults.runner import trade_times
from test.simulation.bot import SimulatedBot
from test.simulation.virtual_time import EPOCH
from test.simulation.world import PAIRS, World
from valr_loopback.events import BookChanged, Event, OrderChanged, Traded
from valr_loopback.ledger import ledger
from valr_loopback.matching import Book
from valr_loopback.orders import Order, Side, Status
from valr_loopback.server import LoopbackServer

BOOK_AGE = 8.0
"""The oldest book that may still be quoted from: the connector empties one after 6 s without life."""

STALLED_FOR = 45.0
"""Seconds for which a fault that keeps a book's frames back may go unnoticed.

Silence proves nothing: only a public trade that the book does not show does, and only so often.
"""

FOREIGN_ORDERS = ((Side.BUY, "900000", "HBOT-of-another-bot"), (Side.SELL, "4000000", ""))
"""What others have resting on the account, far from the market: a second bot, and a human with the app."""

UNKNOWN_FOR = 20.0
"""Seconds for which an order may be live without the bot having it on record, after a start of the bot."""

PROMPT = 15.0
"""Seconds within which a fill or an end is told where nothing has been wrong for as long."""

_SILENCING = ("book_gap", "book_stalled", "drop_event")
_DEPTH = 25

Levels = tuple[tuple[Decimal, Decimal], ...]


class Witness:
    """Knows both sides. ``problems`` are what speaks against the bot.

    :param say: writes a line into the trace
    """

    def __init__(self, world: World, say: Callable[[str], None]) -> None:
        self.problems: list[str] = []
        self._world = world
        self._say = say
        self._server: LoopbackServer | None = None
        self._bot: SimulatedBot | None = None
        self._told: list[Told] = []
        self._ended: dict[str, str] = {}
        self._fills: set[str] = set()
        self._sent: dict[str, float] = {}
        self._orphans: set[str] = set()
        self._claimed_gone: dict[str, float] = {}
        self._books: dict[str, deque[tuple[float, dict[Side, Levels]]]] = {pair: deque() for pair in world.pairs}
        self._filled: dict[str, Decimal] = defaultdict(Decimal)
        self._foreign: list[str] = []
        self._owed: dict[str, tuple[str, float]] = {}
        self._paid: set[str] = set()
        self._bot_up_at = 0.0
        self._wrong_since: dict[str, float] = {}

    # --- What it sees -------------------------------------------------------------------------------------------------
    def follow(self, server: LoopbackServer) -> None:
        """Look at another run of the exchange from now on."""
        self._server = server
        if not self._foreign:
            self._foreign = [self._place_foreign(server, *each) for each in FOREIGN_ORDERS]
        server.exchange.listen(self._on_event)
        for trading_pair in self._world.pairs:
            self._note_book(trading_pair)

    def _place_foreign(self, server: LoopbackServer, side: Side, price: str, client_order_id: str) -> str:
        order = server.exchange.place_limit(
            server.account_id, "BTCZAR", side, "0.01", price, client_order_id=client_order_id
        )
        return order.id

    def watch(self, bot: SimulatedBot) -> None:
        """Look at another run of the bot from now on."""
        if self._bot is not None:
            self._sent |= self._bot.connector.sent
        self._bot = bot
        self._bot_up_at = self._now()

    def killed(self) -> None:
        """Note that the bot was killed: of what it had begun to place since Hummingbot saved, nobody can be told."""
        assert self._bot is not None
        self._orphans |= self._bot.connector.sent.keys() - {told.client_order_id for told in self._told}

    @property
    def _exchange(self) -> Any:
        assert self._server is not None
        return self._server.exchange

    @property
    def _account(self) -> str:
        assert self._server is not None
        return self._server.account_id

    def _now(self) -> float:
        return float(self._exchange.clock())

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Traded) and event.trade.account_id == self._account:
            self._owe(f"fill {event.trade.id}", event.trade.order_id, event.trade.client_order_id)
        elif isinstance(event, OrderChanged) and event.order.account_id == self._account:
            if event.order.ended_ms is not None:
                self._owe(f"end of {event.order.client_order_id}", event.order.id, event.order.client_order_id)
        elif isinstance(event, BookChanged):
            for trading_pair in self._world.pairs:
                if PAIRS[trading_pair][0] == event.symbol:
                    self._note_book(trading_pair, {entry.side for entry in event.entries})

    def _owe(self, fact: str, order_id: str, client_order_id: str) -> None:
        if order_id not in self._foreign and fact not in self._paid:
            self._owed[fact] = (client_order_id, self._now())

    def _note_book(self, trading_pair: str, changed: Collection[Side] = tuple(Side)) -> None:
        book, now = self._exchange.engine.books[PAIRS[trading_pair][0]], self._now()
        seen = self._books[trading_pair]
        seen.append((now, (seen[-1][1] if seen else {}) | {side: _top(book, side) for side in changed}))
        # The last one before the oldest that may be quoted from was still the book then.
        while len(seen) > 1 and seen[1][0] < now - BOOK_AGE:
            seen.popleft()

    def told(self, what: str, event: Any) -> None:
        """Hear what the strategy hears, and hold it against the ledger at once."""
        trade = _trade(event) if isinstance(event, OrderFilledEvent) else None
        told = Told(self._now(), what, event.order_id, trade)
        self._told.append(told)
        self._say(f"told: {event.order_id} {what}" + (f" {trade.quantity} at {trade.price}" if trade else ""))
        order = self._exchange.order(self._account, client_order_id=event.order_id)
        if what == "created" and (order is None or order.status in (Status.QUEUED, Status.FAILED)):
            self._accuse(f"order {event.order_id} was told created and never was on the book")
        if trade is not None:
            if trade.trade_id in self._fills:
                self._accuse(f"fill {trade.trade_id} was told twice")
            self._fills.add(trade.trade_id)
            self._pay(f"fill {trade.trade_id}")
            self._filled[event.order_id] += trade.quantity
        if what in ENDS:
            self._ended[event.order_id] = what
            self._pay(f"end of {event.order_id}")
            self._hold_against_the_end(what, event.order_id, order)

    def _pay(self, fact: str) -> None:
        self._paid.add(fact)
        self._owed.pop(fact, None)

    def _hold_against_the_end(self, what: str, client_order_id: str, order: Order | None) -> None:
        if order is None:
            return
        if order.ended_ms is None:
            self._accuse(f"order {client_order_id} was told {what} while it is live")
        elif order.status.value != ENDS[what] and what != "cancelled":
            self._accuse(f"order {client_order_id} was told {what} and is {order.status.value}")
        elif self._filled[client_order_id] != order.executed:
            self._accuse(
                f"order {client_order_id} was told {what} when {self._filled[client_order_id]} of its "
                f"{order.executed} filled had been told"
            )

    def _accuse(self, problem: str) -> None:
        text = f"{self._now() - EPOCH:.1f} s: {problem}"
        if text not in self.problems:
            self.problems.append(text)
            self._say(f"PROBLEM {problem}")

    # --- Every second -------------------------------------------------------------------------------------------------
    def look(self) -> None:
        """Compare what both sides have right now."""
        for order in self._exchange.open_orders(self._account):
            if order.id not in self._foreign:
                self._look_at_live(order)
        self._look_at_rates()
        self._look_at_debts()
        for trading_pair in self._world.pairs:
            self._compare_book(trading_pair)

    def _look_at_live(self, order: Order) -> None:
        assert self._bot is not None
        name = order.client_order_id
        if name in self._ended:
            self._accuse(f"order {name} is live and the bot was told {self._ended[name]}")
        elif self._now() - self._bot_up_at > UNKNOWN_FOR and name not in self._bot.looked_after():
            self._accuse(f"order {name} is live and the bot does not have it on record")

    def _look_at_rates(self) -> None:
        assert self._server is not None
        assert self._server.rate_limiter is not None
        for limit, times in self._server.rate_limiter.refused.items():
            if times:
                self._accuse(f"the limit '{limit}' was overstepped")
        self._server.rate_limiter.refused.clear()

    def _look_at_debts(self) -> None:
        """Insist that what happened is told soon, once nothing has been wrong for a while."""
        now = self._now()
        calm_since = max(self._trouble_ended_at(now - EPOCH) + EPOCH, self._bot_up_at)
        for fact, (client_order_id, happened_at) in self._owed.items():
            if now - max(happened_at, calm_since) > PROMPT and client_order_id not in self._orphans:
                self._accuse(f"the {fact} has not been told for {now - happened_at:.0f} s")

    def _trouble_ended_at(self, now: float) -> float:
        spans = [(row["from_seconds"], row["until_seconds"]) for row in self._world.faults]
        spans += [(incident.at, incident.at + incident.lasts) for incident in self._world.incidents]
        return max((min(end, now) for begin, end in spans if begin <= now), default=0.0)

    def _compare_book(self, trading_pair: str) -> None:
        assert self._bot is not None
        connector = self._bot.connector
        book = connector.order_books.get(trading_pair)
        if book is None or not connector.ready:
            return
        shown = {
            side: [(row.price, row.amount) for row in islice(rows, _DEPTH)]
            for side, rows in ((Side.BUY, book.bid_entries()), (Side.SELL, book.ask_entries()))
        }
        if not any(shown.values()) or any(_is_same(shown, known) for _, known in reversed(self._books[trading_pair])):
            self._wrong_since.pop(trading_pair, None)
            return
        wrong_for = self._now() - self._wrong_since.setdefault(trading_pair, self._now())
        if wrong_for > STALLED_FOR or not self._may_be_silenced(PAIRS[trading_pair][0]):
            self._accuse(f"the book of {trading_pair} is none that the exchange had in the last {BOOK_AGE:.0f} s")

    def _may_be_silenced(self, symbol: str) -> bool:
        now = self._now() - EPOCH
        return any(
            row["kind"] in _SILENCING
            and row.get("pair", symbol) == symbol
            and row["from_seconds"] <= now <= row["until_seconds"] + STALLED_FOR
            for row in self._world.faults
        )

    # --- At the end ---------------------------------------------------------------------------------------------------
    def claimed_gone(self, client_order_ids: list[str]) -> None:
        """Note what `cancel_all` called gone."""
        self._claimed_gone |= dict.fromkeys(client_order_ids, self._now())

    def unsettled(self) -> bool:
        """Whether there is something the bot may still learn, or end."""
        assert self._bot is not None
        return judge(self._record()).unsettled or bool(self._bot.looked_after())

    def finish(self, bot: SimulatedBot) -> tuple[int, int]:
        """Judge the whole day; return how many orders and fills there were."""
        self.look()
        self.problems += [f"order {name} is still looked after" for name in bot.looked_after()]
        verdict = judge(self._record())
        self.problems += verdict.problems
        return verdict.orders, verdict.fills

    def _record(self) -> Record:
        assert self._bot is not None
        content = ledger(self._exchange, self._account)
        connector, wanted = self._bot.connector, 2 * self._world.levels * len(self._world.pairs)
        currencies = sorted({currency for pair in self._world.pairs for currency in pair.split("-")})
        outage = max((incident.lasts for incident in self._world.incidents), default=0.0)
        return Record(
            ledger=parse_ledger(content),
            traded_at=trade_times(content),
            told=tuple(self._told),
            sent=self._sent | connector.sent,
            orphans=self._orphans,
            most_wanted=wanted,
            patience=2 * self._world.refresh + outage + 60.0,
            faults_ended_at=EPOCH + self._world.quiet_from,
            finished_at=self._now(),
            foreign=self._foreign,
            # An exchange that stops a pair cancels everybody's orders of it.
            foreign_may_end=self._foreign if any(row["kind"] == "pair_inactive" for row in self._world.faults) else (),
            claimed_gone=dict(self._claimed_gone),
            quoting_bound=QUOTING_BOUND + self._world.refresh,
            balances={
                each: (connector.available_balances.get(each, Decimal(0)), connector.get_balance(each))
                for each in currencies
            },
        )


def _top(book: Book, side: Side) -> Levels:
    return tuple([(level.price, level.quantity) for level in islice(book.levels(side), _DEPTH)])


def _is_same(shown: dict[Side, list[tuple[float, float]]], known: dict[Side, Levels]) -> bool:
    return all(
        len(rows) == len(known[side])
        and all(
            price == float(known_price) and amount == float(known_amount)
            for (price, amount), (known_price, known_amount) in zip(rows, known[side], strict=True)
        )
        for side, rows in shown.items()
    )
