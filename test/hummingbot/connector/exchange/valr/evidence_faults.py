"""What may go wrong with evidence on its way: every fault by name, and the weather that says when one strikes."""

import random
from collections import Counter
from collections.abc import Sequence
from enum import Enum

from .evidence_timeline import Timeline


class Fault(Enum):
    """Misbehaviour of VALR, of the wire or of this side (valr-api.md 4, 6, 8, 9)."""

    # Placement
    PLACE_UNSENT = "placement never sent"
    PLACE_LOST = "placement lost on its way"
    PLACE_LATE = "placement arrives late"
    PLACE_GHOST = "placement arrives after all patience"
    PLACE_VANISHES = "placement acknowledged, then nothing"
    PLACE_REFUSED = "placement refused in the reply"
    PLACE_REFUSED_ALIVE = "placement refused in the reply though live"
    PLACE_REPLY_LOST = "placement reply lost"
    PLACE_REPLY_LATE = "placement reply late"
    # Events
    EVENT_LOST = "event lost"
    EVENT_DOUBLED = "event doubled"
    EVENT_LATE = "event late"
    EVENT_ANONYMOUS = "event without customerOrderId"
    EVENT_UNREADABLE = "event unreadable"
    WORD_UNKNOWN = "unknown status word"
    STAMP_MISSING = "event without orderUpdatedAt"
    STAMP_OFF = "orderUpdatedAt off by a second"
    QUANTITY_MISSING = "status without quantities"
    FEE_MISSING = "trade event without its fee"
    LIST_LACKS_FRESH = "list lacks fresh orders"
    LIST_IS_STALE = "list still shows ended orders"
    # Cancels
    CANCEL_UNSENT = "cancel never sent"
    CANCEL_LOST = "cancel lost on its way"
    CANCEL_REPLY_LOST = "cancel reply lost"
    CANCEL_REFUSED = "cancel refused though open"
    CANCEL_FAILS = "FAILED_CANCEL_ORDER though open"
    CANCEL_IGNORED = "cancel acknowledged, never executed"
    CANCEL_SLOW = "cancel acknowledged, executed late"
    CANCEL_LIES = "v2 cancel answered 200, executed late or never"
    CANCEL_BEATEN = "cancel loses to a fill"
    # Questions
    LOOKUP_BLIND = "lookups blind to a new order"
    LOOKUP_BLIND_LONG = "lookups blind to an order beyond all patience"
    LOOKUP_LAGS = "lookup lags"
    LOOKUP_FAILS = "lookup fails"
    LOOKUP_SLOW = "lookup slow"
    HISTORY_LAGS = "trade history lags"
    HISTORY_FAILS = "trade history fails"
    # Habits of the exchange, which calm weather does not change
    REMAINDER_ZEROED = "cancelled orders show no remainder"
    MARKET_ZEROED = "filled market orders show no quantities"
    # This side
    SOCKET_DOWN = "account socket down for a while"
    BOT_STOPPED = "connector stopped for a while"


HABITS = frozenset({Fault.REMAINDER_ZEROED, Fault.MARKET_ZEROED})
# Whoever has them has them all the time.
CERTAIN = HABITS | {Fault.LOOKUP_BLIND_LONG}
# They outlast the connector's patience and make long stories.
BEYOND_PATIENCE = frozenset({Fault.PLACE_GHOST, Fault.LOOKUP_BLIND_LONG})
# A story either has an interruption or not; it does not strike by chance.
INTERRUPTIONS = (Fault.SOCKET_DOWN, Fault.BOT_STOPPED)

# Troubles that come together.
BAD_STREAMS = (
    frozenset({Fault.EVENT_LOST}),
    frozenset({Fault.EVENT_LATE, Fault.EVENT_DOUBLED, Fault.EVENT_ANONYMOUS}),
    frozenset({Fault.EVENT_UNREADABLE, Fault.WORD_UNKNOWN, Fault.QUANTITY_MISSING, Fault.FEE_MISSING}),
    frozenset({Fault.LIST_LACKS_FRESH, Fault.LIST_IS_STALE, Fault.EVENT_LATE}),
)
BAD_PLACEMENTS = (
    frozenset({Fault.PLACE_REPLY_LOST, Fault.EVENT_LOST}),
    frozenset({Fault.PLACE_LATE, Fault.PLACE_REPLY_LATE, Fault.EVENT_ANONYMOUS}),
    frozenset({Fault.PLACE_LOST, Fault.PLACE_UNSENT, Fault.PLACE_VANISHES}),
    frozenset({Fault.PLACE_REFUSED, Fault.PLACE_REFUSED_ALIVE, Fault.EVENT_LATE}),
)
BAD_CANCELS = (
    frozenset({Fault.CANCEL_LOST, Fault.CANCEL_UNSENT, Fault.EVENT_LOST}),
    frozenset({Fault.CANCEL_IGNORED, Fault.CANCEL_REPLY_LOST}),
    frozenset({Fault.CANCEL_SLOW, Fault.CANCEL_BEATEN, Fault.CANCEL_FAILS}),
    frozenset({Fault.CANCEL_REFUSED, Fault.CANCEL_LOST}),
    frozenset({Fault.CANCEL_LIES}),
)
BAD_ANSWERS = (
    frozenset({Fault.LOOKUP_BLIND, Fault.LOOKUP_LAGS, Fault.LOOKUP_SLOW, Fault.EVENT_LOST}),
    frozenset({Fault.HISTORY_LAGS, Fault.HISTORY_FAILS, Fault.EVENT_LOST}),
    frozenset({Fault.LOOKUP_FAILS, Fault.EVENT_LOST}),
    HABITS,
)
BAD_DAYS = (*BAD_STREAMS, *BAD_PLACEMENTS, *BAD_CANCELS, *BAD_ANSWERS)
WORST_DAYS = (
    frozenset({Fault.LOOKUP_BLIND_LONG, Fault.PLACE_REPLY_LOST, Fault.EVENT_LOST}),
    frozenset({Fault.PLACE_GHOST}),
    frozenset({Fault.LOOKUP_BLIND_LONG}),
)


class Weather:
    """Says when a fault strikes, from one seed, and keeps count.

    Each fault has dice of its own, so that taking one fault away (as shrinking does) leaves the others as they were.

    :param faults: those that may strike
    :param strength: how likely each is to strike at an opportunity
    """

    def __init__(self, faults: frozenset[Fault], strength: float, seed: int, timeline: Timeline) -> None:
        self.faults = faults
        self._strength = strength
        self._timeline = timeline
        self._dice = {
            fault: random.Random(seed * 1000 + number) for number, fault in enumerate(Fault) if fault in faults
        }
        self.calm_at = float("inf")
        self.struck: Counter[Fault] = Counter()

    @property
    def is_calm(self) -> bool:
        """Whether nothing goes wrong any more."""
        return self._timeline.now >= self.calm_at

    def strikes(self, fault: Fault) -> bool:
        """Whether ``fault`` strikes at this opportunity."""
        if fault not in self.faults or (self.is_calm and fault not in HABITS):
            return False
        if fault not in CERTAIN and self._dice[fault].random() >= self._strength:
            return False
        self.struck[fault] += 1
        return True

    def seconds(self, fault: Fault, low: float, high: float) -> float:
        """Return a delay between ``low`` and ``high`` if ``fault`` strikes, else 0."""
        return self._dice[fault].uniform(low, high) if self.strikes(fault) else 0.0

    def choose[T](self, fault: Fault, options: Sequence[T]) -> T:
        """Return one form of a fault that has struck."""
        return self._dice[fault].choice(options)
