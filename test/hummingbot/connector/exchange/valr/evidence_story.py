"""Plays a story: orders are placed, things happen to them, faults strike, calm returns, and all is judged."""

from decimal import Decimal
from functools import partial

from hummingbot.connector.exchange.valr.valr_order_lifecycle import OrderLifecycle
from hummingbot.connector.exchange.valr.valr_order_outcomes import Stage

from .evidence_faults import BEYOND_PATIENCE, Fault, Weather
from .evidence_model import CANCELLED, EXPIRED, FILLED, MODIFIED, Exchange, Order
from .evidence_plans import QUANTITY, Deed, Help, Kind, OrderPlan, Origin, Step, Story
from .evidence_shell import Shell
from .evidence_timeline import Timeline
from .evidence_venue import Answer
from .evidence_wire import BEYOND_PATIENCE_ENDS, LONGEST_DELAY
from .evidence_witness import Witness

# The earlier run ended somewhere in the half minute before time 0.
EARLIER = -30.0
STRAY_GRACE = 5.0
# All a lifecycle may need after calm: patience with numbered placements, and the longest back-offs.
SETTLING = 100.0
TENTH = Decimal("0.1")


class Play:
    """One story with one lifecycle, from the first order to the verdict."""

    def __init__(self, story: Story, lifecycle: OrderLifecycle) -> None:
        self._story = story
        self._lifecycle = lifecycle
        self._timeline = Timeline(EARLIER)
        self.weather = Weather(story.faults, story.strength, story.seed, self._timeline)
        self._placed: dict[str, Order] = {}
        self._shell = Shell(lifecycle, self._timeline, self.weather, story.spoiled, over_socket=story.over_socket)

    @property
    def exchange(self) -> Exchange:
        """The truth."""
        return self._shell.wire.exchange

    @property
    def witness(self) -> Witness:
        """What was told, and the diary."""
        return self._shell.witness

    def run(self) -> None:
        """Play it.

        :raises AssertionError: the lifecycle said or did something wrong, or left something undone
        """
        self._put_down()
        self._run_until(self.weather.calm_at + LONGEST_DELAY + 1)
        if self._story.waits:
            self._run_until(self._timeline.now + SETTLING)
            self.witness.check_obligations()
        self.witness.note("help comes")
        self._help()
        self._run_until(self._timeline.now + SETTLING)
        self.witness.check_all(has_seen_list=self._story.help is not Help.RECONCILE)

    def _run_until(self, when: float) -> None:
        while True:
            self._shell.serve()
            due = self._shell.next_due()
            if min(due, self._timeline.next_at) > when:
                break
            if due < self._timeline.next_at:
                self._timeline.at(due, lambda: None)
            self._timeline.step()
        self._timeline.now = max(self._timeline.now, when)

    def _help(self) -> None:
        if self._story.help is Help.POLL:
            self._shell.poll()
            # What the first poll was too early for, such as the cancel of a stray it found, the next one sees.
            self._timeline.after(20.0, self._shell.poll)
        elif self._story.help is Help.RECONNECT:
            self._shell.disconnect()
            self._shell.connect()
        else:
            self._lifecycle.reconcile(self._timeline.now)

    # --- Putting down what happens ------------------------------------------------------------------------------------
    def _put_down(self) -> None:
        story, at = self._story, self._timeline.at
        for plan in story.orders:
            self._put_down_order(plan)
        at(0.0, self._start)
        if story.interruption is not None:
            self.weather.struck[story.interruption] += 1
            stops = story.interruption is Fault.BOT_STOPPED
            at(story.window[0], self._shell.stop if stops else self._shell.disconnect)
            at(story.window[1], self._shell.start if stops else self._shell.connect)
        ends = [plan.starts_at + sum(step.after for step in plan.steps) for plan in story.orders]
        beyond = BEYOND_PATIENCE_ENDS if story.faults & BEYOND_PATIENCE else 0.0
        self.weather.calm_at = max([story.window[1], *ends]) + LONGEST_DELAY + beyond
        self.witness.calm_at = self.weather.calm_at
        if story.poll_every is not None:
            for number in range(1, int(self.weather.calm_at / story.poll_every) + 1):
                at(number * story.poll_every, self._shell.poll)

    def _put_down_order(self, plan: OrderPlan) -> None:
        if plan.origin is Origin.NEW:
            self._timeline.at(plan.starts_at, lambda: self._shell.place(plan, lambda: self._arrive(plan)))
        elif plan.arrives:
            self._timeline.at(plan.starts_at, partial(self._arrive, plan))
        else:
            return
        if not plan.immediate:
            moment = plan.starts_at
            for step in plan.steps:
                moment += step.after
                self._timeline.at(moment, partial(self._do, plan, step))

    def _arrive(self, plan: OrderPlan) -> Answer:
        """The placement reaches the exchange."""
        exchange = self.exchange
        order = exchange.place(
            "" if plan.client_order_id.startswith("app") else plan.client_order_id,
            plan.trading_pair,
            QUANTITY,
            immediate=plan.immediate,
            order_type="market" if plan.kind in (Kind.MARKET, Kind.BY_QUOTE) else "limit",
            failure=plan.failure,
            asked=plan.asked,
        )
        if plan.immediate and order.live:
            for step in plan.steps:
                exchange.fill(order, TENTH * step.tenths)
            untraded = plan.remainder in (CANCELLED, EXPIRED)
            exchange.finish(order, plan.remainder if untraded or order.state.filled else CANCELLED)
        self._placed[plan.client_order_id] = order
        return Answer(order.order_id, plan.failure)

    def _do(self, plan: OrderPlan, step: Step) -> None:
        """Let a deed happen to an order on the book."""
        order, exchange = self._placed.get(plan.client_order_id), self.exchange
        if step.deed is Deed.CANCEL and plan.origin is not Origin.FOREIGN:
            if plan.client_order_id in self.witness.told and plan.origin is not Origin.STRAY:
                self._shell.cancel(plan.client_order_id)
        elif order is None:
            return
        elif step.deed is Deed.FILL:
            exchange.fill(order, TENTH * step.tenths)
        elif step.deed is Deed.COMPLETE:
            exchange.fill(order, order.state.quantity)
        elif step.deed is Deed.MODIFY:
            exchange.modify(order, TENTH * 2 * step.tenths)
        else:
            exchange.finish(order, EXPIRED if step.deed is Deed.EXPIRE else CANCELLED)

    # --- An earlier run -----------------------------------------------------------------------------------------------
    def _start(self) -> None:
        """The bot starts, with what Hummingbot saved of an earlier run and what the journal knows besides."""
        for plan in self._story.orders:
            if plan.origin is Origin.RESTORED:
                self._restore(plan)
            elif plan.origin is Origin.STRAY:
                self._timeline.at(STRAY_GRACE, partial(self._shell.suspect, plan, plan.starts_at))
        self._shell.start()

    def _restore(self, plan: OrderPlan) -> None:
        order = self._placed.get(plan.client_order_id)
        if order is None or plan.remembered == 0:
            self._shell.restore(plan, Stage.SUBMITTED, "", {}, plan.starts_at)
            return
        if plan.remembered == 1 or not order.opened:
            self._shell.restore(plan, Stage.SUBMITTED, order.order_id, {}, plan.starts_at)
            return
        known = order.trades[: plan.remembered - 2 + len(order.trades) // 2]
        fills = {trade.trade_id: trade.quantity for trade in known}
        told = Stage.PARTIALLY_FILLED if 0 < sum(fills.values()) < plan.asked else Stage.OPEN
        if any(step.deed is Deed.CANCEL for step in plan.steps) and not plan.immediate:
            told = Stage.CANCEL_PENDING
        self._shell.restore(plan, told, order.order_id, fills, plan.starts_at)

    # --- What it was about --------------------------------------------------------------------------------------------
    def labels(self) -> set[str]:
        """Return what occurred: kinds of histories and of faults."""
        labels = {f"fault: {fault.value}" for fault in self.weather.struck}
        for plan in self._story.orders:
            order = self._placed.get(plan.client_order_id)
            labels.add(f"order: {plan.origin.value}")
            labels.add(f"order: {plan.kind.value}")
            labels.add(f"history: {self._history(plan, order)}")
            if order is not None and any(state.word == MODIFIED for state in order.states):
                labels.add("history: modified")
        return labels

    def _history(self, plan: OrderPlan, order: Order | None) -> str:
        if order is None:
            return "never arrived"
        if not order.opened:
            return "failed on arrival"
        told = self.witness.told.get(plan.client_order_id)
        partly = ", filled in part" if order.trades and order.state.word != FILLED else ""
        if order.live:
            return f"open{partly}"
        if order.state.word == FILLED and told is not None and told.unwanted:
            return "filled before its cancel"
        return f"{order.state.word}{partly}"
