"""Loads the lifecycle with one rule changed, beside the real one and without touching it."""

import inspect
import re
from types import ModuleType

from hummingbot.connector.exchange.valr import valr_order_lifecycle


def changed_lifecycle(where: str, old: str, new: str) -> type[valr_order_lifecycle.OrderLifecycle]:
    """Return the lifecycle's class with ``old`` replaced by ``new`` in the function ``where``.

    :raises ValueError: the function does not contain ``old`` exactly once: the change no longer means what it meant
    """
    source = inspect.getsource(valr_order_lifecycle)
    function = re.search(rf"^( *)def {where}\(.*?(?=^\1(?:def|class|@|#)|^[^\s)]|\Z)", source, re.DOTALL | re.MULTILINE)
    if function is None or function[0].count(old) != 1:
        raise ValueError(f"{where} does not contain exactly once: {old}")
    source = source[: function.start()] + function[0].replace(old, new) + source[function.end() :]
    module = ModuleType(valr_order_lifecycle.__name__)
    exec(compile(source, f"{where} changed", "exec"), module.__dict__)
    changed: type[valr_order_lifecycle.OrderLifecycle] = module.__dict__["OrderLifecycle"]
    return changed
