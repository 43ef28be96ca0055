"""What the lifecycle keeps of one order. Values only; the rules are in ``valr_order_lifecycle``.

All times are monotonic seconds of the caller's clock, except ``created_at`` and ``updated_at``: Unix seconds at VALR.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from hummingbot.connector.exchange.valr.valr_messages import OrderReport, OrderWord
from hummingbot.connector.exchange.valr.valr_order_outcomes import Stage

# One order is not looked up more often than this, in seconds.
LOOKUP_SPACING = 0.2


@dataclass(slots=True)
class WantedCancel:
    """A cancel that is wanted until the order has ended."""

    due: float | None
    attempts: int = 0
    # False for a cancel that only makes certain that an order which never showed does not live.
    wanted: bool = True
    sending: bool = False
    acknowledged: bool = False
    # From here on a lookup that shows the order live means that the cancel did not work.
    deadline: float = 0.0
    # It is sent again then whatever lookups say, or do not say: a cancel too many harms nobody.
    resend_at: float | None = None

    def is_overdue(self, now: float) -> bool:
        """Whether it was sent and proof of it should have come by now."""
        return not self.sending and self.due is None and now >= self.deadline


@dataclass(slots=True)
class Ending:
    """Proof that the order has ended; ``filled`` is None until VALR says how much was executed.

    ``by_answer`` says that nothing but the answer to our cancel has said so; ``denials`` are the lookups that have
    shown the order live since.
    """

    word: OrderWord
    filled: Decimal | None
    reason: str = ""
    by_answer: bool = False
    denials: int = 0


@dataclass(slots=True)
class OrderRecord:
    """One order: what is proven of it, what has been told of it, and what is still to be asked."""

    client_order_id: str
    trading_pair: str
    quantity: Decimal
    immediate: bool
    created_at: float
    # When the placement was answered or given up on; None while it is still being sent.
    settled_at: float | None = None
    order_id: str = ""
    told: Stage = Stage.SUBMITTED
    proven_open: bool = False
    # VALR has shown it in this run, beside by answering its placement, or some of it has ever traded.
    shown: bool = False
    # An earlier run has told that it is open.
    is_restored: bool = False
    open_since: float = 0.0
    accepted: bool = False
    stray: bool = False
    proven_end: bool = False
    # It ended without ever having been shown by VALR: refused, or given up.
    never_seen: bool = False
    trade_ids: set[str] = field(default_factory=set)
    filled: Decimal = Decimal(0)
    reported: Decimal = Decimal(0)
    # The size VALR gives last: the user may have modified the order in VALR's app.
    size: Decimal = Decimal(0)
    updated_at: float = 0.0
    reason: str = ""
    ending: Ending | None = None
    cancel: WantedCancel | None = None
    check_due: float | None = None
    # A lookup that the first proof of open makes unnecessary.
    proof_due: float | None = None
    checking: bool = False
    last_check: float = float("-inf")
    failed_checks: int = 0
    misses: int = 0
    # Lookups that said "Filled" and not how much; all trades of its pair have been handed in since the first of them.
    sizeless_answers: int = 0
    trades_complete: bool = False
    cancel_found_nothing_at: float | None = None
    not_found_notice_at: float | None = None
    # What a list of open orders said of it last, and whether the last of them had it; None before there was one.
    listed: OrderReport | None = None
    is_listed: bool | None = None
    # VALR has said something of it under another id: the next lookup asks by ours which one it is.
    is_id_doubted: bool = False
    # Where it says that it has something to ask or to send.
    agenda: dict[str, "OrderRecord"] = field(default_factory=dict, repr=False, compare=False)

    @property
    def is_filled_up(self) -> bool:
        """Whether its fills make up its whole size."""
        return self.filled >= (self.size or self.quantity) > 0

    @property
    def ended(self) -> bool:
        """Whether its end has been told."""
        return self.told is Stage.ENDED

    @property
    def is_unseen_stray(self) -> bool:
        """Whether it is known from an earlier run's notes only, which may have been made ahead of an order."""
        return self.stray and not self.order_id and not self.shown

    @property
    def lookup_due(self) -> float | None:
        """When it is to be looked up; None if nothing asks for it, or a lookup is under way."""
        times = [due for due in (self.check_due, self.proof_due) if due is not None]
        return None if self.checking else min(times, default=None)

    @property
    def cancel_due(self) -> float | None:
        """When its cancel is to be sent, or sent again; None if none is wanted, or it is being sent, or has worked."""
        cancel = self.cancel
        if cancel is None or cancel.sending:
            return None
        return cancel.resend_at if cancel.due is None and self.ending is None else cancel.due

    @property
    def is_idle(self) -> bool:
        """Whether it has nothing to ask or to send, now or later."""
        return self.check_due is None and self.proof_due is None and self.cancel_due is None

    def drop_checks(self) -> None:
        """Ask for no lookup any more."""
        self.check_due = self.proof_due = None

    def check_by(self, when: float) -> None:
        """Ask for a lookup at ``when`` at the latest."""
        when = max(when, self.last_check + LOOKUP_SPACING)
        self.check_due = when if self.check_due is None else min(self.check_due, when)
        self.agenda[self.client_order_id] = self

    def prove_by(self, when: float) -> None:
        """Ask for a lookup at ``when``, unless the order is proven open before."""
        self.proof_due = when
        self.agenda[self.client_order_id] = self

    def want_cancel(self, cancel: WantedCancel) -> None:
        """Want a cancel, in place of any other."""
        self.cancel = cancel
        self.agenda[self.client_order_id] = self

    def cancel_by(self, cancel: WantedCancel, when: float) -> None:
        """Want its cancel to be sent (again) at ``when`` at the latest: asked for often, it must not be put off."""
        cancel.due = when if cancel.due is None else min(cancel.due, when)
        self.agenda[self.client_order_id] = self


@dataclass(slots=True)
class TradeFetch:
    """A fetch of the trades of one pair, wanted at ``due``.

    ``attempts`` have left fills missing; ``in_vain`` are those of them since the last news of a fill. ``doubted`` says
    that a trade nobody can name was told of while it was running.
    """

    due: float
    running: bool = False
    attempts: int = 0
    in_vain: int = 0
    doubted: bool = False
