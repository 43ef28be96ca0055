"""How long to wait after vain attempts. Pure."""

import random

# Enough to reach any longest pause; more would overflow after hours of attempts.
_MOST_DOUBLINGS = 20
# Some seconds of an outage. Two sockets make no more than some 50 attempts in its first minute: VALR allows 60.
_PROMPT_ATTEMPTS = 16


def back_off(attempts: int, first: float, longest: float) -> float:
    """Return the seconds to wait after vain attempts: none after none, ``first`` after one, doubling to ``longest``."""
    return 0.0 if attempts <= 0 else min(first * 2 ** min(attempts - 1, _MOST_DOUBLINGS), longest)


class ReconnectDelay:
    """How long to wait before a lost socket is connected again; with jitter, since many lose theirs at once.

    VALR counts handshakes, and refuses when there are too many. So one that VALR answered, and that came to nothing or
    to a connection that soon ended, is followed by a long pause from the second on. Where nobody answered nothing was
    counted: for the first seconds of an outage the next attempt follows promptly, later at growing pauses.

    :param first: the shortest pause, in seconds
    :param slow: the pause after a second failure in a row
    :param longest: what the pauses grow to
    :param healthy: a connection that lived so many seconds had nothing wrong with it: a new count begins
    """

    def __init__(self, first: float, slow: float, longest: float, healthy: float) -> None:
        self._first = first
        self._slow = slow
        self._longest = longest
        self._healthy = healthy
        self._failures = 0
        self._unanswered = 0

    def after_answer(self, lifetime: float) -> float:
        """Return the pause after a connection that lived ``lifetime`` seconds, 0 when VALR refused it."""
        if lifetime >= self._healthy:
            self._failures = self._unanswered = 0
        delay = back_off(self._failures, self._slow, self._longest)
        self._failures += 1
        return self._with_jitter(max(delay, self._first))

    def after_silence(self) -> float:
        """Return the pause after an attempt that nobody answered."""
        self._unanswered += 1
        return self._with_jitter(back_off(max(self._unanswered - _PROMPT_ATTEMPTS, 1), self._first, self._longest))

    @staticmethod
    def _with_jitter(delay: float) -> float:
        return delay * random.uniform(1.0, 1.5)
