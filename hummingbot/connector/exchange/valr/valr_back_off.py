"""How long to wait after vain attempts. Pure."""

# Enough to reach any longest pause; more would overflow after hours of attempts.
_MOST_DOUBLINGS = 20


def back_off(attempts: int, first: float, longest: float) -> float:
    """Return the seconds to wait after vain attempts: none after none, ``first`` after one, doubling to ``longest``."""
    return 0.0 if attempts <= 0 else min(first * 2 ** min(attempts - 1, _MOST_DOUBLINGS), longest)
