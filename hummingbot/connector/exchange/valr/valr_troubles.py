"""Trouble with VALR as the user hears of it: one line when it begins, one when it is over, none between.

Also how long to keep off VALR once it has refused for rate.
"""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_back_off import back_off
from hummingbot.connector.exchange.valr.valr_metrics import IncidentKind, Metrics

# Trouble that comes and goes within this many seconds is one trouble.
QUIET_BEFORE_OVER = 5.0

_NEVER = float("-inf")
RATE_LIMIT_DELAY = 0.25
RATE_LIMIT_DELAY_MAX = 5.0
# VALR's counts begin anew each minute: more than that is no advice for us.
ADVICE_MAX = 60.0
# An order is worth something soon or not at all, and a cancel must not wait: they follow no advice beyond this.
URGENT_ADVICE_MAX = 5.0
# Timers may go off a trifle early: what was held back until a pause ended was not sent before its end.
_TIMER_TOLERANCE = 0.001
URGENT = frozenset(
    (
        CONSTANTS.PLACE_LIMIT_ID,
        CONSTANTS.CANCEL_LIMIT_ID,
        CONSTANTS.SOCKET_PLACE_LIMIT_ID,
        CONSTANTS.SOCKET_CANCEL_LIMIT_ID,
    )
)

# What each rate limit is about, in the words of the log.
LIMITED = {
    CONSTANTS.PLACE_LIMIT_ID: "placements over REST",
    CONSTANTS.CANCEL_LIMIT_ID: "cancels over REST",
    CONSTANTS.SOCKET_PLACE_LIMIT_ID: "placements over the account socket",
    CONSTANTS.SOCKET_CANCEL_LIMIT_ID: "cancels over the account socket",
    CONSTANTS.PUBLIC_LIMIT_ID: "public requests",
    CONSTANTS.TIME_LIMIT_ID: "requests for its clock and status",
    CONSTANTS.CANDLES_LIMIT_ID: "requests for candles",
}
_OTHERWISE_LIMITED = "requests with this API key"


@dataclass
class Trouble:
    """One kind of trouble: ``begins`` is said at its first sign, ``over`` when a success shows that it has passed."""

    begins: str
    over: str
    count: int = 0
    _since: float = field(default=0.0, init=False)
    _last: float = field(default=0.0, init=False)

    def struck(self, now: float, detail: str = "") -> str | None:
        """Take a sign of trouble; return what to say if it is the first."""
        self.count += 1
        self._last = now
        if self.count > 1:
            return None
        self._since = now
        return f"{self.begins} ({detail})" if detail else self.begins

    def passed(self, now: float, quiet: float = QUIET_BEFORE_OVER) -> str | None:
        """Take a success; return what to say if it shows that the trouble is over."""
        if not self.count or now - self._last < quiet:
            return None
        times = "once" if self.count == 1 else f"{self.count} times"
        self.count = 0
        return f"{self.over} after {now - self._since:.1f} s (it struck {times})."


@dataclass
class RateGate:
    """Holds back what falls under a rate limit after VALR has refused it, longer with each pause in vain.

    ``most`` is up to how many seconds VALR's own advice is followed; ``refusals`` counts the pauses in a row, of which
    all but the first were in vain.
    """

    most: float = ADVICE_MAX
    refusals: int = 0
    opens_at: float = _NEVER

    def refused(self, sent_at: float, now: float, retry_after: float | None = None) -> None:
        """VALR refused a request for its rate, perhaps with advice when to come back, in seconds.

        :param sent_at: monotonic seconds; of what left before the last pause was over, only the advice is news
        """
        advice = None if retry_after is None else min(retry_after, self.most)
        if sent_at >= self.opens_at - _TIMER_TOLERANCE:
            self.refusals += 1
        elif advice is None:
            return
        self.opens_at = max(self.opens_at, now + rate_limit_delay(self.refusals, advice))

    def passed(self) -> None:
        """VALR took a request."""
        self.refusals = 0

    def wait(self, now: float) -> float:
        """Return the seconds to wait before the next request."""
        return max(self.opens_at - now, 0.0)


def rate_limit_delay(attempt: int, retry_after: float | None) -> float:
    """Seconds to wait before try ``attempt + 1``: VALR's own advice, else growing, with jitter against bursts."""
    delay = back_off(attempt, RATE_LIMIT_DELAY, RATE_LIMIT_DELAY_MAX) if retry_after is None else retry_after
    return delay * random.uniform(1.0, 1.25)


class ConnectionTroubles:
    """What is wrong between us and VALR right now, said in the log when it begins and when it is over.

    :param clock: monotonic seconds, by default the machine's
    :param metrics: counts the same
    """

    def __init__(
        self,
        logger: Callable[[], logging.Logger],
        clock: Callable[[], float] | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._logger = logger
        # Not as the default itself: that would be whatever clock there was at import, also in simulated time.
        self._clock = clock or time.monotonic
        self._metrics = metrics or Metrics()
        # Of those rate limits only that ever refused something: nearly always there is none.
        self._gates: dict[str, RateGate] = {}
        self._limits: dict[str, Trouble] = {}
        self._silence = Trouble("VALR's REST API does not answer as it should; asking on", "VALR's REST API is back")
        self._mute = Trouble(
            "VALR's account socket does not answer commands; orders and cancels go over REST, and are tried there "
            "again from time to time",
            "VALR's account socket answers commands again",
        )
        self._read_only = Trouble(
            "VALR is in read-only mode (maintenance): orders are refused until it is over, live ones are kept in view",
            "VALR takes orders again; its read-only mode ended",
        )

    def pause(self, limit_id: str) -> float:
        """Return the seconds to wait before the next request under a rate limit."""
        gate = self._gates.get(limit_id)
        return 0.0 if gate is None else gate.wait(self._clock())

    def rate_limited(self, limit_id: str, sent_at: float, retry_after: float | None = None) -> None:
        """VALR refused a request for its rate; ``sent_at`` is in monotonic seconds."""
        now = self._clock()
        most = URGENT_ADVICE_MAX if limit_id in URGENT else ADVICE_MAX
        self._gates.setdefault(limit_id, RateGate(most)).refused(sent_at, now, retry_after)
        what = LIMITED.get(limit_id, _OTHERWISE_LIMITED)
        trouble = self._limits.setdefault(
            limit_id,
            Trouble(f"VALR's rate limit refuses {what}; keeping off", f"VALR's rate limit lets {what} through again"),
        )
        self._metrics.counters.rate_limit_refusals += 1
        self._begin(trouble.struck(now), IncidentKind.RATE_LIMITED)

    def unanswered(self, detail: str) -> None:
        """A REST request brought no usable answer."""
        self._metrics.counters.rest_errors += 1
        self._begin(self._silence.struck(self._clock(), detail), IncidentKind.REST_LOST)

    def answered(self) -> None:
        """A REST request was answered, whatever the answer."""
        self._metrics.counters.rest_answers += 1
        self._end(self._silence.passed(self._clock()), IncidentKind.REST_BACK)

    def admitted(self, limit_id: str) -> None:
        """VALR's rate limit let a request through."""
        if (trouble := self._limits.get(limit_id)) is not None:
            self._gates[limit_id].passed()
            self._end(trouble.passed(self._clock()), IncidentKind.RATE_LIMIT_OVER)

    def commands_unanswered(self) -> None:
        """Commands on the account socket go unanswered while other frames come over it."""
        self._begin(self._mute.struck(self._clock()), IncidentKind.COMMANDS_UNANSWERED)

    def commands_answered(self) -> None:
        """A command on the account socket was answered, or a new socket begins."""
        self._end(self._mute.passed(self._clock(), quiet=0.0), IncidentKind.COMMANDS_ANSWERED)

    def read_only(self) -> None:
        """VALR says that it is in read-only mode."""
        self._begin(self._read_only.struck(self._clock()), IncidentKind.READ_ONLY_BEGUN)

    def read_only_over(self) -> None:
        """VALR says that it takes orders."""
        self._end(self._read_only.passed(self._clock(), quiet=0.0), IncidentKind.READ_ONLY_OVER)

    def _begin(self, line: str | None, kind: IncidentKind) -> None:
        if line is not None:
            self._logger().warning(line)
            self._metrics.incident(kind, line)

    def _end(self, line: str | None, kind: IncidentKind) -> None:
        if line is not None:
            self._logger().info(line)
            self._metrics.incident(kind, line)
