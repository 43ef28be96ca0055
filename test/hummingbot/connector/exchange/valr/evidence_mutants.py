"""Loads the lifecycle from changed source text, beside the real one and without touching it."""

import inspect
from types import ModuleType

from hummingbot.connector.exchange.valr import valr_order_lifecycle


def changed_lifecycle(*changes: tuple[str, str]) -> type[valr_order_lifecycle.OrderLifecycle]:
    """Return the lifecycle's class with each ``(old, new)`` text replaced.

    :raises ValueError: an old text does not occur exactly once: the change no longer means what it meant
    """
    source = inspect.getsource(valr_order_lifecycle)
    for old, new in changes:
        if source.count(old) != 1:
            raise ValueError(f"occurs {source.count(old)} times: {old}")
        source = source.replace(old, new)
    module = ModuleType("changed_lifecycle")
    # Dataclasses look their module up by name.
    module.__dict__["__name__"] = valr_order_lifecycle.__name__
    exec(compile(source, "changed_lifecycle", "exec"), module.__dict__)
    changed: type[valr_order_lifecycle.OrderLifecycle] = module.__dict__["OrderLifecycle"]
    return changed
