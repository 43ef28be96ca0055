"""Holds the bot against the exchange's own records: at every word, at every second, and strictly at the end."""

from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hummingbot.core.event.events import OrderFilledEvent
from hummingbot_valr.demo_facts import parse_ledger
from test.faults.bot import _trade
from test.faults.judge import ENDS, QUOTING_BOUND, Record, Told, judge
from test.faults.runner import trade_times
from test.simulation.bot import SimulatedBot
from test.simulation.virtual_time import EPOCH
from test.simulation.world import PAIRS, World
from valr_loopback.events import BookChanged, Event
from valr_loopback.ledger import ledger
from valr_loopback.orders import Side
from valr_loopback.server import LoopbackServer

BOOK_AGE = 8.0
"""The oldest book that may still be quoted from: the connector empties one after 6 s without life."""

STALLED_FOR = 45.0
"""Seconds after a fault that keeps a book's frames back within which the connector may not have noticed.

Silence proves nothing: only a public trade that the book does not show does, and only so often.
"""

_SILENCING = ("book_gap", "book_stalled", "drop_event")
_DEPTH = 25

Fingerprint = tuple[tuple[tuple[float, float], ...], tuple[tuple[float, float], ...]]


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
        self._claimed_gone: dict[str, float] = {}
        self._books: dict[str, deque[tuple[float, Fingerprint]]] = {pair: deque() for pair in world.pairs}
        self._looks = 0
        self.books_compared = 0

    # --- What it sees -------------------------------------------------------------------------------------------------
    def follow(self, server: LoopbackServer) -> None:
        """Look at another run of the exchange from now on."""
        self._server = server
        server.exchange.listen(self._on_event)
        for trading_pair in self._world.pairs:
            self._note_book(trading_pair)

    def watch(self, bot: SimulatedBot) -> None:
        """Look at another run of the bot from now on."""
        if self._bot is not None:
            self._sent |= self._bot.connector.sent
        self._bot = bot

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
        if isinstance(event, BookChanged):
            for trading_pair in self._world.pairs:
                if PAIRS[trading_pair][0] == event.symbol:
                    self._note_book(trading_pair)

    def _note_book(self, trading_pair: str) -> None:
        book, now = self._exchange.engine.books[PAIRS[trading_pair][0]], self._now()
        seen = self._books[trading_pair]
        seen.append((now, (_top(book, Side.BUY), _top(book, Side.SELL))))
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
        if what in ENDS:
            self._ended[event.order_id] = what
            if order is not None and order.ended_ms is None:
                self._accuse(f"order {event.order_id} was told {what} while it is live")
            elif order is not None and order.status.value != ENDS[what] and what != "cancelled":
                self._accuse(f"order {event.order_id} was told {what} and is {order.status.value}")
        if trade is not None:
            if trade.trade_id in self._fills:
                self._accuse(f"fill {trade.trade_id} was told twice")
            self._fills.add(trade.trade_id)

    def _accuse(self, problem: str) -> None:
        text = f"{self._now() - EPOCH:.1f} s: {problem}"
        if text not in self.problems:
            self.problems.append(text)
            self._say(f"PROBLEM {problem}")

    # --- Every second -------------------------------------------------------------------------------------------------
    def look(self) -> None:
        """Compare what both sides have right now."""
        for order in self._exchange.open_orders(self._account):
            if order.client_order_id in self._ended:
                self._accuse(
                    f"order {order.client_order_id} is live and the bot was told {self._ended[order.client_order_id]}"
                )
        for trading_pair in self._world.pairs:
            self._compare_book(trading_pair)

    def _compare_book(self, trading_pair: str) -> None:
        assert self._bot is not None
        connector = self._bot.connector
        book = connector.order_books.get(trading_pair)
        if book is None or not connector.ready:
            return
        shown: Fingerprint = tuple(  # type: ignore[assignment]
            tuple((row.price, row.amount) for _, row in zip(range(_DEPTH), rows, strict=False))
            for rows in (book.bid_entries(), book.ask_entries())
        )
        if shown == ((), ()):
            return
        self.books_compared += 1
        if self._may_be_silenced(PAIRS[trading_pair][0]):
            return
        if all(shown != known for _, known in self._books[trading_pair]):
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
        return judge(self._record()).unsettled

    def finish(self, bot: SimulatedBot) -> tuple[int, int]:
        """Judge the whole day; return how many orders and fills there were."""
        self.look()
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
            most_wanted=wanted,
            patience=2 * self._world.refresh + outage + 60.0,
            faults_ended_at=EPOCH + self._world.quiet_from,
            finished_at=self._now(),
            claimed_gone=dict(self._claimed_gone),
            quoting_bound=QUOTING_BOUND + self._world.refresh,
            balances={
                each: (connector.available_balances.get(each, Decimal(0)), connector.get_balance(each))
                for each in currencies
            },
        )


def _top(book: Any, side: Side) -> tuple[tuple[float, float], ...]:
    rows = []
    for level in book.levels(side):
        rows.append((float(level.price), float(level.quantity)))
        if len(rows) == _DEPTH:
            break
    return tuple(rows)
