"""Answers commands and questions for the model exchange, as truthfully and as soon as the weather lets it."""

from dataclasses import dataclass
from enum import Enum
from functools import partial

from hummingbot.connector.exchange.valr.valr_order_outcomes import LookUp, SendCancel

from .evidence_faults import Fault, Weather
from .evidence_model import CANCELLED, Order, Row, status_row, summary_row
from .evidence_timeline import Timeline
from .evidence_wire import BEYOND_PATIENCE_ENDS, BEYOND_PATIENCE_STARTS, BLINDNESS, LONGEST_DELAY, Wire
from .evidence_witness import Told


@dataclass(frozen=True)
class Answer:
    """What comes back of a placement: a number, and a refusal if it failed on arrival (which only REST tells)."""

    order_id: str
    refusal: str = ""


class CancelAnswer(Enum):
    """What comes back of a cancel."""

    TAKEN = "taken"
    DONE = "done"
    REFUSED = "refused"
    NOT_FOUND = "not found"


class Venue:
    """The exchange's counter.

    :param told: where it is noted when an answer is not true, so that nobody is blamed for believing it
    """

    def __init__(self, timeline: Timeline, weather: Weather, wire: Wire, told: dict[str, Told]) -> None:
        self._timeline = timeline
        self._weather = weather
        self._wire = wire
        self._exchange = wire.exchange
        self._told = told
        self._blind: dict[str, float] = {}

    # --- Commands -----------------------------------------------------------------------------------------------------
    def judge(self, client_order_id: str, answer: Answer) -> Answer:
        """Return the answer to a placement that has been carried out, or a refusal that is a lie."""
        if not self._weather.strikes(Fault.PLACE_REFUSED_ALIVE):
            return answer
        self._told[client_order_id].misled = True
        return Answer("", "Something went wrong")

    def cancel(self, wish: SendCancel, *, over_socket: bool) -> CancelAnswer:
        """Take a cancel, and carry it out now, later or never."""
        order = self._exchange.find(wish.order_id, wish.client_order_id)
        if over_socket:
            return self._cancel_over_socket(wish, order)
        if order is None or not order.live:
            return CancelAnswer.NOT_FOUND
        return self._cancel_over_rest(wish, order)

    def _cancel_over_socket(self, wish: SendCancel, order: Order | None) -> CancelAnswer:
        strikes = self._weather.strikes
        if strikes(Fault.CANCEL_REFUSED):
            return CancelAnswer.REFUSED
        if order is None or not order.live or strikes(Fault.CANCEL_FAILS):
            self._exchange.refuse_cancel(wish.order_id, wish.client_order_id)
        elif not strikes(Fault.CANCEL_IGNORED):
            slow = self._weather.seconds(Fault.CANCEL_SLOW, 0.1, LONGEST_DELAY)
            self._timeline.after(slow, partial(self._execute, order))
        return CancelAnswer.TAKEN

    def _execute(self, order: Order) -> None:
        if self._weather.strikes(Fault.CANCEL_BEATEN):
            self._exchange.fill(order, order.state.quantity)
        if not self._exchange.finish(order, CANCELLED):
            self._exchange.refuse_cancel(order.order_id, order.client_order_id)

    def _cancel_over_rest(self, wish: SendCancel, order: Order) -> CancelAnswer:
        strikes, told = self._weather.strikes, self._told[wish.client_order_id]
        if strikes(Fault.CANCEL_REFUSED):
            told.misled = True
            return CancelAnswer.NOT_FOUND
        if strikes(Fault.CANCEL_LIES):
            told.cancel_lied = True
            late = self._weather.choose(Fault.CANCEL_LIES, [0.5, 3.0, None])
            if late is not None:
                self._timeline.after(late, partial(self._execute, order))
            return CancelAnswer.DONE
        if strikes(Fault.CANCEL_BEATEN):
            self._exchange.fill(order, order.state.quantity)
        return CancelAnswer.DONE if self._exchange.finish(order, CANCELLED) else CancelAnswer.NOT_FOUND

    # --- Questions ----------------------------------------------------------------------------------------------------
    def look_up(self, wish: LookUp) -> Row | None:
        """Return the status of an order, or its summary if totals are wanted and it has ended; None if not found."""
        now, order = self._timeline.now, self._exchange.find(wish.order_id, wish.client_order_id)
        lag = self._weather.seconds(Fault.LOOKUP_LAGS, 0, BLINDNESS)
        if order is None or order.states[0].at > now - self._blindness(order):
            return None
        state = self._weather.choose(Fault.LOOKUP_LAGS, order.shown_within(now - lag)) if lag else order.state
        if state is None:
            return None
        totals = wish.totals and wish.order_id and state.ended
        row = summary_row(order, state) if totals else status_row(order, state)
        return self._wire.spoil_row("ORDER_STATUS_UPDATE", self._wire.habitual(row))

    def _blindness(self, order: Order) -> float:
        """How old an order must be for lookups to see it."""
        seconds = self._weather.seconds
        if Fault.LOOKUP_BLIND_LONG not in self._weather.faults:
            return seconds(Fault.LOOKUP_BLIND, 0, BLINDNESS)
        if order.order_id not in self._blind:
            blind = seconds(Fault.LOOKUP_BLIND_LONG, BEYOND_PATIENCE_STARTS, BEYOND_PATIENCE_ENDS)
            self._blind[order.order_id] = blind
            self._told[order.client_order_id].hidden = blind > 0
        return 0.0 if self._weather.is_calm else self._blind[order.order_id]

    def open_orders(self) -> list[Row] | None:
        """Return the open orders, None for no answer."""
        rows = self._wire.open_orders()
        return None if self._weather.strikes(Fault.LOOKUP_FAILS) else rows

    def past_trades(self, trading_pair: str, since: float) -> list[Row] | None:
        """Return the trades of a pair from ``since`` (Unix seconds), newest first, None for no answer."""
        lag = self._weather.seconds(Fault.HISTORY_LAGS, 0, LONGEST_DELAY)
        if self._weather.strikes(Fault.HISTORY_FAILS):
            return None
        rows = self._exchange.trades_since(trading_pair, since, lag)
        return [self._wire.spoil_row("a past trade", row) for row in rows]
