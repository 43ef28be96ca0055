"""How much a bot keeps: what is in the containers of the connector and of Hummingbot's objects below it."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from hummingbot.connector.exchange.valr import valr_order_book

_OURS = ("hummingbot.", "cachetools", "asyncio.queues", "test.faults.bot")
_STEPS_OUT = ("_loop", "_getters", "_putters", "sent", "cancelled")
# What the process remembers for all books of all days that are played in it; it has a bound of its own.
_SHARED = list(valr_order_book._PARSED_PRICES.values())


def entries(root: object) -> int:
    """Count the entries of all containers that are reached from an object through the bot's own objects."""
    seen = set(map(id, _SHARED))
    waiting: list[Any] = [root]
    count = 0
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, Mapping):
            count += len(thing)
            waiting += [*thing.keys(), *thing.values()]
        elif isinstance(thing, list | tuple | set | frozenset | deque):
            count += len(thing)
            waiting += thing
        elif type(thing).__module__.startswith(_OURS):
            waiting += [value for name, value in _fields(thing).items() if name not in _STEPS_OUT]
    return count


def _fields(thing: object) -> dict[str, Any]:
    slots = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
    slotted = {name: getattr(thing, name) for name in slots if hasattr(thing, name)}
    return {**slotted, **getattr(thing, "__dict__", {})}
