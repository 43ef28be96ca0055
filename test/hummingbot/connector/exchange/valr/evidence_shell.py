"""Plays the shell of the lifecycle (``valr_order_keeper``) under virtual time against the model exchange.

It places, cancels, looks up and fetches as the keeper does, with the keeper's deadlines, and hands in whatever the
weather lets through.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_messages import (
    AccountMessage,
    AccountTrade,
    CancelFailed,
    ModifyOutcome,
    OpenOrders,
    OrderProcessed,
    OrderReport,
    PlacementFailed,
    Unreadable,
    parse_open_orders,
    parse_order_report,
    parse_trades,
)
from hummingbot.connector.exchange.valr.valr_order_lifecycle import OrderLifecycle
from hummingbot.connector.exchange.valr.valr_order_outcomes import FetchTrades, LookUp, Outcome, SendCancel, Stage

from .evidence_faults import Fault, Weather
from .evidence_model import EPOCH, Row
from .evidence_plans import OrderPlan
from .evidence_timeline import Timeline
from .evidence_venue import Answer, CancelAnswer, Venue
from .evidence_wire import BEYOND_PATIENCE_ENDS, BEYOND_PATIENCE_STARTS, LONGEST_DELAY, TRANSIT, Wire
from .evidence_witness import Told, Witness

SOCKET_DEADLINE = 2.0
REST_DEADLINE = 3.0
TRADES_OVERLAP = 300.0
CLOCK_MARGIN = 600.0


@dataclass(eq=False)
class Call:
    """A request under way: ``subject`` is what it is about, ``give_up`` what to do when nobody waits any more."""

    subject: str
    give_up: Callable[[], None]
    over_socket: bool = False
    is_placement: bool = False
    connection: int = 0


class Shell:
    """Carries out the wishes of one lifecycle and hands in evidence."""

    def __init__(
        self,
        lifecycle: OrderLifecycle,
        timeline: Timeline,
        weather: Weather,
        spoiled: frozenset[str],
        *,
        over_socket: bool,
    ) -> None:
        self._lifecycle = lifecycle
        self._timeline = timeline
        self._weather = weather
        self.wire = Wire(timeline, weather, spoiled, self.deliver)
        self.witness = Witness(timeline, self.wire.exchange, lifecycle)
        self._venue = Venue(timeline, weather, self.wire, self.witness.told)
        self._calls: list[Call] = []
        self._over_socket = over_socket
        self._is_running = False
        self._covered: dict[str, float] = {}

    # --- Running ------------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Connect and look after orders; whatever happened before is asked for."""
        self._is_running = True
        self.connect()

    def connect(self) -> None:
        """The account socket is (again) there: reconcile."""
        self.witness.note("connected")
        self.wire.connect()
        self._lifecycle.reconcile(self._timeline.now)

    def disconnect(self) -> None:
        """The account socket drops: what was unanswered on it may have been done or not."""
        self.witness.note("disconnected")
        self.wire.drop()
        for call in [each for each in self._calls if each.over_socket]:
            self._abandon(call)

    def stop(self) -> None:
        """Stop looking after orders, as at the end of ``stop_network``; placements are not the keeper's tasks."""
        self.witness.note("stopped")
        self._is_running = False
        self.disconnect()
        for call in [each for each in self._calls if not each.is_placement]:
            self._abandon(call)
        self._lifecycle.abandon_wishes(self._timeline.now)

    def serve(self) -> None:
        """Carry out what is due, as the keeper's loop does after every piece of evidence."""
        if self._is_running:
            for wish in self._lifecycle.due(self._timeline.now):
                self.witness.wish(wish)
                if isinstance(wish, LookUp):
                    self._look_up(wish)
                elif isinstance(wish, FetchTrades):
                    covered = float("-inf") if wish.again else self._covered_until(wish.trading_pair)
                    self._fetch_trades(wish.trading_pair, max(wish.since, covered))
                else:
                    self._send_cancel(wish)
            busy = {call.subject for call in self._calls if not call.is_placement}
            placing = {call.subject for call in self._calls if call.is_placement}
            self.witness.look_around(busy, placing)

    def next_due(self) -> float:
        """When the loop wakes by itself, infinity if never."""
        due = self._lifecycle.next_due() if self._is_running else None
        return float("inf") if due is None else due

    def _hear(self, outcomes: Iterable[Outcome]) -> None:
        self.witness.hear(outcomes)

    # --- Calls --------------------------------------------------------------------------------------------------------
    def _begin(self, call: Call, deadline: float | None = None) -> Call:
        call.connection = self.wire.connection
        self._calls.append(call)
        if deadline is not None:
            self._timeline.after(deadline, lambda: self._abandon(call))
        return call

    def _abandon(self, call: Call) -> None:
        if self._end(call):
            call.give_up()

    def _end(self, call: Call) -> bool:
        """End a call; return whether anybody still waited for it."""
        if call not in self._calls:
            return False
        self._calls.remove(call)
        return True

    def _answer(self, call: Call, seconds: float, take: Callable[[], None]) -> None:
        """Let an answer arrive in ``seconds``; it is lost if nobody waits any more."""
        self._timeline.after(seconds, lambda: take() if self._end(call) else None)

    # --- Placing ------------------------------------------------------------------------------------------------------
    def place(self, order: OrderPlan, arrive: Callable[[], Answer]) -> None:
        """Send a placement; ``arrive`` is what happens when it reaches the exchange."""
        now, identifier = self._timeline.now, order.client_order_id
        self.witness.note(order)
        self.witness.told[identifier] = Told(order.trading_pair, order.asked, now, order.immediate)
        self._hear(
            self._lifecycle.track(
                identifier,
                order.trading_pair,
                order.asked,
                now,
                created_at=EPOCH + now,
                immediate=order.immediate,
            )
        )
        over_socket = self._over_socket and self.wire.is_up
        call = Call(identifier, partial(self._doubt_placement, identifier), over_socket, is_placement=True)
        self._begin(call, SOCKET_DEADLINE if over_socket else REST_DEADLINE)
        strikes, seconds = self._weather.strikes, self._weather.seconds
        if strikes(Fault.PLACE_UNSENT):
            self._answer(call, TRANSIT, partial(self._refuse, identifier, "never sent"))
        elif strikes(Fault.PLACE_REFUSED):
            self._reply_to_placement(call, Answer("", "Minimum order size not met"))
        elif over_socket and strikes(Fault.PLACE_VANISHES):
            self._reply_to_placement(call, Answer("id-vanished"))
        elif not strikes(Fault.PLACE_LOST):
            late = seconds(Fault.PLACE_LATE, 0.5, LONGEST_DELAY) + seconds(
                Fault.PLACE_GHOST, BEYOND_PATIENCE_STARTS, BEYOND_PATIENCE_ENDS
            )
            self._timeline.after(
                TRANSIT + late, lambda: self._reply_to_placement(call, self._venue.judge(identifier, arrive()))
            )

    def _doubt_placement(self, client_order_id: str) -> None:
        self.witness.note(f"placement of {client_order_id} in doubt")
        self._hear(self._lifecycle.placement_doubtful(client_order_id, self._timeline.now))

    def _refuse(self, client_order_id: str, reason: str) -> None:
        self._hear(self._lifecycle.placement_refused(client_order_id, reason, self._timeline.now))

    def _reply_to_placement(self, call: Call, answer: Answer) -> None:
        if not self._weather.strikes(Fault.PLACE_REPLY_LOST):
            late = self._weather.seconds(Fault.PLACE_REPLY_LATE, 0, LONGEST_DELAY)
            self._timeline.after(TRANSIT + late, lambda: self._take_placement_reply(call, answer))

    def _take_placement_reply(self, call: Call, answer: Answer) -> None:
        in_time = self._end(call)
        if not in_time and (not call.over_socket or not self.wire.is_up or call.connection != self.wire.connection):
            return
        self.witness.note((f"reply to {call.subject}", answer, "in time" if in_time else "late"))
        now = self._timeline.now
        if not answer.refusal or (call.over_socket and answer.order_id):
            proof = in_time and not call.over_socket
            self._hear(self._lifecycle.placement_accepted(call.subject, answer.order_id, now, proof=proof))
        elif in_time:
            self._refuse(call.subject, answer.refusal)
        else:
            self._hear(self._lifecycle.failure("", call.subject, answer.refusal, now))

    # --- An earlier run -----------------------------------------------------------------------------------------------
    def restore(
        self, order: OrderPlan, told: Stage, order_id: str, fills: dict[str, Decimal], placed_at: float
    ) -> None:
        """Take up an order that Hummingbot saved."""
        now, identifier = self._timeline.now, order.client_order_id
        self.witness.note((order, told, order_id, fills))
        cancelling = told is Stage.CANCEL_PENDING
        self.witness.told[identifier] = Told(
            order.trading_pair,
            order.asked,
            now,
            order.immediate,
            unwanted=cancelling,
            cancel_taken=cancelling,
            stage=told,
            fills=set(fills),
        )
        self._hear(
            self._lifecycle.track(
                identifier,
                order.trading_pair,
                order.asked,
                now,
                created_at=EPOCH + placed_at - CLOCK_MARGIN,
                order_id=order_id,
                immediate=order.immediate,
                told=told,
                trades=fills.items(),
            )
        )
        self._hear(self._lifecycle.placement_doubtful(identifier, now))

    def suspect(self, order: OrderPlan, placed_at: float) -> None:
        """The journal knows an order that Hummingbot did not save."""
        now, identifier = self._timeline.now, order.client_order_id
        self.witness.note((order, "suspected"))
        self.witness.told[identifier] = Told(order.trading_pair, order.asked, now, order.immediate, stray=True)
        self._lifecycle.suspect(identifier, order.trading_pair, EPOCH + placed_at - CLOCK_MARGIN, now)

    # --- Cancelling ---------------------------------------------------------------------------------------------------
    def cancel(self, client_order_id: str) -> None:
        """The strategy does not want an order any more."""
        told = self.witness.told[client_order_id]
        if told.end is not None:
            return
        told.unwanted = True
        self.witness.note(f"the bot cancels {client_order_id}")
        wish = self._lifecycle.request_cancel(client_order_id, self._timeline.now)
        if wish is not None:
            self._send_cancel(wish)

    def _send_cancel(self, wish: SendCancel) -> None:
        strikes, identifier, lifecycle = self._weather.strikes, wish.client_order_id, self._lifecycle
        over_socket = self._over_socket and not wish.over_rest and self.wire.is_up
        call = Call(
            identifier, lambda: self._hear(lifecycle.cancel_doubtful(identifier, self._timeline.now)), over_socket
        )
        self._begin(call, SOCKET_DEADLINE if over_socket else REST_DEADLINE)
        if strikes(Fault.CANCEL_UNSENT):
            self._answer(
                call,
                TRANSIT,
                lambda: self._hear(lifecycle.cancel_unsent(identifier, self._timeline.now)),
            )
        elif not strikes(Fault.CANCEL_LOST):
            self._timeline.after(TRANSIT, lambda: self._deliver_cancel(call, wish))

    def _deliver_cancel(self, call: Call, wish: SendCancel) -> None:
        answer = self._venue.cancel(wish, over_socket=call.over_socket)
        if not self._weather.strikes(Fault.CANCEL_REPLY_LOST):
            self._answer(call, TRANSIT, lambda: self._take_cancel_answer(call.subject, answer))

    def _take_cancel_answer(self, identifier: str, answer: CancelAnswer) -> None:
        now, lifecycle = self._timeline.now, self._lifecycle
        self.witness.note(f"cancel of {identifier}: {answer.value}")
        if answer in (CancelAnswer.REFUSED, CancelAnswer.NOT_FOUND):
            not_found = answer is CancelAnswer.NOT_FOUND
            self._hear(lifecycle.cancel_refused(identifier, now, not_found=not_found))
            return
        self.witness.told[identifier].cancel_taken = True
        settle = lifecycle.cancel_done if answer is CancelAnswer.DONE else lifecycle.cancel_acknowledged
        self._hear(settle(identifier, now))

    # --- Evidence from the stream -------------------------------------------------------------------------------------
    def deliver(self, message: AccountMessage) -> None:
        """Hand in what came over the account socket, as ``ValrExchange`` does."""
        now, lifecycle = self._timeline.now, self._lifecycle
        self.witness.note(message)
        if isinstance(message, OrderReport | AccountTrade | OrderProcessed):
            self._hear(lifecycle.event(message, now))
        elif isinstance(message, OpenOrders):
            self._hear(lifecycle.open_orders(message, now))
        elif isinstance(message, CancelFailed):
            self._hear(lifecycle.cancel_failed(message.order_id, message.client_order_id, now))
        elif isinstance(message, PlacementFailed):
            self._hear(lifecycle.failure(message.order_id, message.client_order_id, message.message, now))
        elif isinstance(message, ModifyOutcome | Unreadable):
            if message.order_id or message.client_order_id:
                self._hear(lifecycle.failure(message.order_id, message.client_order_id, "", now))
            elif isinstance(message, Unreadable) and message.kind == CONSTANTS.NEW_ACCOUNT_TRADE:
                lifecycle.doubt_trades(now)
            else:
                lifecycle.doubt_all(now)

    # --- Lookups ------------------------------------------------------------------------------------------------------
    def _look_up(self, wish: LookUp) -> None:
        lifecycle, identifier = self._lifecycle, wish.client_order_id
        call = self._begin(
            Call(identifier, lambda: self._hear(lifecycle.lookup_failed(identifier, self._timeline.now)))
        )
        self._timeline.after(TRANSIT, lambda: self._answer_lookup(call, wish))

    def _answer_lookup(self, call: Call, wish: LookUp) -> None:
        row = self._venue.look_up(wish)
        slow = self._weather.seconds(Fault.LOOKUP_SLOW, 0, LONGEST_DELAY)
        if self._weather.strikes(Fault.LOOKUP_FAILS):
            self._timeline.after(TRANSIT + slow, lambda: self._abandon(call))
        else:
            self._answer(call, TRANSIT + slow, lambda: self._take_lookup(wish, row))

    def _take_lookup(self, wish: LookUp, row: Row | None) -> None:
        now, identifier = self._timeline.now, wish.client_order_id
        report = None if row is None else parse_order_report(row)
        self.witness.note((f"lookup of {identifier}", report))
        if report is None:
            self.witness.told[identifier].misses += 1
            self._hear(self._lifecycle.not_found(identifier, now))
        elif isinstance(report, Unreadable):
            self._hear(self._lifecycle.lookup_failed(identifier, now))
        else:
            self._hear(self._lifecycle.looked_up(identifier, report, now))

    # --- Trades and polls ---------------------------------------------------------------------------------------------
    def _fetch_trades(self, trading_pair: str, since: float) -> None:
        call = self._begin(Call(trading_pair, lambda: None))
        asked_at = EPOCH + self._timeline.now

        def answer() -> None:
            rows = self._venue.past_trades(trading_pair, since)
            self._answer(call, TRANSIT, lambda: self._take_trades(trading_pair, asked_at, rows))

        self._timeline.after(TRANSIT, answer)

    def _take_trades(self, trading_pair: str, asked_at: float, rows: list[Row] | None) -> None:
        if rows is not None:
            self._covered[trading_pair] = asked_at
        for trade in reversed(parse_trades(rows or [])):
            if isinstance(trade, AccountTrade):
                self.witness.note(trade)
                self._hear(self._lifecycle.event(trade, self._timeline.now))
        complete = rows is not None
        self._hear(self._lifecycle.trades_fetched(trading_pair, self._timeline.now, complete=complete))

    def poll(self) -> None:
        """Ask for the open orders, then for each order they do not list, and for the trades of every pair in use."""
        if not self._is_running:
            return
        asked = self._lifecycle.live_ids
        call = self._begin(Call("the open orders", lambda: None))

        def answer() -> None:
            rows = self._venue.open_orders()
            self._answer(call, TRANSIT, lambda: self._take_poll(asked, rows))

        self._timeline.after(TRANSIT, answer)

    def _take_poll(self, asked: list[str], rows: list[Row] | None) -> None:
        message = parse_open_orders(rows)
        listed: set[str] = set()
        if isinstance(message, OpenOrders):
            self.deliver(message)
            listed = self._lifecycle.ids_in(message)
        for identifier in asked:
            wish = None if identifier in listed else self._lifecycle.wish_lookup(identifier, self._timeline.now)
            if wish is not None:
                self.witness.wish(wish)
                self._look_up(wish)
        tracked = [told for told in self.witness.told.values() if told.end is None and not told.stray]
        for trading_pair in sorted({told.trading_pair for told in tracked}):
            since = max(self._lifecycle.trades_since(trading_pair), self._covered_until(trading_pair))
            self._fetch_trades(trading_pair, since)

    def _covered_until(self, trading_pair: str) -> float:
        return self._covered.get(trading_pair, float("-inf")) - TRADES_OVERLAP
