"""Holds everything the lifecycle says and wishes against the truth at the moment it is said."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from hummingbot.connector.exchange.valr.valr_order_lifecycle import OrderLifecycle
from hummingbot.connector.exchange.valr.valr_order_outcomes import (
    End,
    Ended,
    FetchTrades,
    Fill,
    LookUp,
    Notice,
    Outcome,
    Progress,
    SendCancel,
    Stage,
    Wish,
)

from .evidence_model import EPOCH, PRICE, Exchange, Order
from .evidence_timeline import Timeline

# A never-found placement may be cancelled for certainty after so much patience and so many lookups in vain.
PATIENCE = 10.0
MISSES = 4
# Most wishes of one kind for one order or pair: within a second, within ten, and within ten after calm.
MOST_IN_A_SECOND = 6
MOST_IN_TEN = 25
MOST_IN_TEN_WHEN_CALM = 6
SETTLED_AFTER = 15.0


@dataclass
class Told:
    """What the bot has been told of one order, and what it asked for.

    ``misled``, ``cancel_lied``: VALR said of the order, or of a cancel's success, what was not so. ``hidden``: lookups
    do not see it for longer than anybody's patience. ``given_up``: told as failed, by VALR's word or for want of signs.
    """

    trading_pair: str
    asked: Decimal
    placed_at: float
    immediate: bool = False
    stray: bool = False
    unwanted: bool = False
    cancel_taken: bool = False
    misled: bool = False
    cancel_lied: bool = False
    hidden: bool = False
    given_up: bool = False
    misses: int = 0
    stage: Stage = Stage.SUBMITTED
    fills: set[str] = field(default_factory=set)
    end: Ended | None = None

    @property
    def hunted(self) -> bool:
        """Whether its cancel needs no asking: an order that nobody steers."""
        return self.stray or self.given_up

    @property
    def failed(self) -> bool:
        """Whether it was told as failed; a sign of life or an unknown word is looked into all the same."""
        return self.end is not None and self.end.end is End.FAILED


class Witness:
    """Raises ``AssertionError`` at the first word that is not true, or not yet."""

    def __init__(self, timeline: Timeline, exchange: Exchange, lifecycle: OrderLifecycle) -> None:
        self._timeline = timeline
        self._exchange = exchange
        self._lifecycle = lifecycle
        self._wished: dict[str, deque[float]] = {}
        self.told: dict[str, Told] = {}
        self.diary: list[tuple[float, object]] = []
        self.calm_at = float("inf")

    def note(self, what: object) -> None:
        """Write something into the diary, which is shown when an example fails."""
        self.diary.append((self._timeline.now, what))

    def _truth(self, client_order_id: str) -> Order | None:
        return self._exchange.by_client_id.get(client_order_id)

    def _both(self, client_order_id: str) -> tuple[Told, Order | None]:
        """Return what was told of an order, and what is true of it."""
        assert client_order_id in self.told, f"{client_order_id} is not one of the bot's orders"
        return self.told[client_order_id], self._truth(client_order_id)

    # --- Outcomes -----------------------------------------------------------------------------------------------------
    def hear(self, outcomes: Iterable[Outcome]) -> None:
        """Check what the lifecycle says."""
        for outcome in outcomes:
            self.note(outcome)
            if isinstance(outcome, Progress):
                self._hear_progress(outcome)
            elif isinstance(outcome, Fill):
                self._hear_fill(outcome)
            elif isinstance(outcome, Ended):
                self._hear_end(outcome)
            else:
                assert isinstance(outcome, Notice)

    def _hear_progress(self, said: Progress) -> None:
        told, order = self._both(said.client_order_id)
        assert not told.stray, "progress of a stray, which Hummingbot does not know"
        assert told.end is None, "progress after the end"
        assert said.stage > told.stage, "a stage that does not rise"
        assert order is not None, "progress of an order that never arrived"
        assert order.opened, "progress of an order that was never on the book"
        assert said.order_id == order.order_id, "progress under another order's id"
        assert told.stage >= Stage.OPEN or said.stage is Stage.OPEN, "a stage before the order was told open"
        if said.stage is Stage.PARTIALLY_FILLED:
            assert order.state.filled, "partially filled without a fill"
        if said.stage is Stage.CANCEL_PENDING:
            assert told.cancel_taken, "a pending cancel that VALR did not take"
        told.stage = said.stage

    def _hear_fill(self, said: Fill) -> None:
        told, order = self._both(said.client_order_id)
        trade, wire = None, said.trade
        if order is not None:
            trade = next((each for each in order.trades if each.trade_id == wire.trade_id), None)
        assert trade is not None, "a fill that does not exist"
        assert wire.trade_id not in told.fills, "a fill told twice"
        said_of_it = (wire.quantity, wire.price, wire.fee, wire.fee_currency)
        assert said_of_it == (trade.quantity, PRICE, trade.fee, "BTC"), "a fill with wrong amounts"
        assert told.end is None or told.given_up, "a fill after the end"
        assert told.stage >= Stage.OPEN or told.hunted, "a fill before the order was told open"
        assert said.stray == told.stray or told.given_up
        told.fills.add(wire.trade_id)

    def _hear_end(self, said: Ended) -> None:
        told, order = self._both(said.client_order_id)
        assert told.end is None or ((told.given_up or told.failed) and said.stray), "two ends of one order"
        told.stray = told.stray or (told.end is not None and said.stray)
        misled = told.misled and told.stage is Stage.SUBMITTED
        told.end = said
        told.stage = Stage.ENDED
        if order is None:
            assert said.end.value == "failed", "an order that never arrived did not end like that"
            told.given_up = told.given_up or not said.proven or said.stray
            return
        if not said.proven or misled:
            in_time = order.states[0].at < told.placed_at + PATIENCE
            hidden = told.hidden and not order.live
            assert misled or hidden or not in_time, "given up although the exchange had it"
            told.given_up = True
            return
        assert not order.live, "the end of an order that lives"
        # A refusal over REST may come without VALR's id.
        assert said.order_id == order.order_id or (told.failed and not said.order_id), "an end under another order's id"
        told.given_up = False
        told.stray = told.stray or said.stray
        if not told.stray:
            assert said.end.value == order.end, f"ended as {said.end.value}, in truth {order.end}"
        missing = {trade.trade_id for trade in order.trades} - told.fills
        assert not missing, f"the end told before the fills {missing}"

    # --- Wishes -------------------------------------------------------------------------------------------------------
    def wish(self, wish: Wish) -> None:
        """Check what the lifecycle wishes for."""
        self.note(wish)
        if isinstance(wish, FetchTrades):
            self._pace(wish.trading_pair)
            self._check_reach(wish)
            return
        assert isinstance(wish, LookUp | SendCancel), "a wish that sends an order"
        told, order = self._both(wish.client_order_id)
        self._pace(f"{type(wish).__name__} {wish.client_order_id}")
        known = self._exchange.orders.get(wish.order_id)
        assert known is None or known is order, "a wish about an order of somebody else"
        assert told.end is None or told.hunted or told.failed, "a wish about an order that has been told ended"
        if isinstance(wish, SendCancel):
            never_found = (
                told.stage is Stage.SUBMITTED
                and told.misses >= MISSES
                and self._timeline.now - told.placed_at >= PATIENCE
            )
            assert told.unwanted or told.hunted or never_found, "a cancel nobody asked for"

    def _check_reach(self, wish: FetchTrades) -> None:
        for client_order_id in self._lifecycle.live_ids:
            told, order = self._both(client_order_id)
            if order is not None and told.trading_pair == wish.trading_pair:
                assert wish.since <= EPOCH + order.states[0].at, "trades of a live order left out"

    def _pace(self, subject: str) -> None:
        now, recent = self._timeline.now, self._wished.setdefault(subject, deque())
        recent.append(now)
        while recent[0] < now - 10.0:
            recent.popleft()
        calm = now > self.calm_at + SETTLED_AFTER
        assert len(recent) <= (MOST_IN_TEN_WHEN_CALM if calm else MOST_IN_TEN), f"busy with {subject}"
        assert sum(when > now - 1.0 for when in recent) <= MOST_IN_A_SECOND, f"busy with {subject}"

    # --- At every step ------------------------------------------------------------------------------------------------
    def look_around(self, busy: set[str], placing: set[str]) -> None:
        """Check what must hold whenever the lifecycle rests.

        :param busy: what is being asked of VALR: client ids and trading pairs
        :param placing: client ids whose placement is not answered yet
        """
        due = self._lifecycle.next_due()
        assert due is None or due > self._timeline.now, "something is due and not wished for"
        for client_order_id, told in self.told.items():
            order = self._truth(client_order_id)
            if order is not None and order.live and not (told.given_up or told.cancel_lied):
                assert not self._lifecycle.is_proven_gone(client_order_id), "proven gone, and alive"
            if told.end is None and client_order_id not in placing and due is None:
                settled = client_order_id in busy or told.trading_pair in busy
                assert settled or not self._must_settle(client_order_id, told), f"{client_order_id} is left hanging"

    def _must_settle(self, client_order_id: str, told: Told) -> bool:
        return told.unwanted or told.stray or told.immediate or self._lifecycle.is_in_doubt(client_order_id)

    # --- At last ------------------------------------------------------------------------------------------------------
    def check_obligations(self) -> None:
        """What the lifecycle has to settle without being told that the stream was away."""
        for client_order_id, told in self.told.items():
            order = self._truth(client_order_id)
            assert not self._lifecycle.is_in_doubt(client_order_id), f"{client_order_id} is in doubt for ever"
            if told.unwanted or told.stray or told.immediate:
                assert told.end is not None, f"the end of {client_order_id} is never told"
                assert order is None or told.given_up or not order.live, f"{client_order_id} is left alive"

    def check_all(self, *, has_seen_list: bool) -> None:
        """After calm: everything told is true, and everything true is told.

        :param has_seen_list: whether a list of open orders has come since; nothing else shows what was given up
        """
        assert self._lifecycle.next_due() is None, "something stays due though nothing is outstanding"
        self.check_obligations()
        for client_order_id, told in self.told.items():
            order = self._truth(client_order_id)
            if order is None:
                assert told.end is not None, f"{client_order_id} never arrived and is not ended"
                continue
            if told.given_up or (told.end is not None and not told.end.proven):
                assert not order.live or not has_seen_list, f"{client_order_id}, given up, is alive"
                continue
            assert told.fills == {trade.trade_id for trade in order.trades}, f"fills of {client_order_id} are missing"
            if order.live:
                self._check_alive(told, order)
            else:
                assert told.end is not None, f"the end of {client_order_id} is not told"
                assert client_order_id not in self._lifecycle.live_ids

    @staticmethod
    def _check_alive(told: Told, order: Order) -> None:
        assert told.end is None
        assert not told.unwanted
        partly = 0 < order.state.filled < told.asked
        assert told.stage in ((Stage.PARTIALLY_FILLED,) if partly else (Stage.OPEN, Stage.PARTIALLY_FILLED))
