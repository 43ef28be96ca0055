"""How much work something is, counted so that no busy machine disturbs it."""

import sys
from collections.abc import Callable
from typing import Any


def count_calls(action: Callable[[], object]) -> int:
    """Return how many function calls an action makes."""
    count = 0

    def profile(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        action()
    finally:
        sys.setprofile(None)
    return count
