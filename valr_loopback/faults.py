"""What VALR may do to a client, on purpose (valr-api.md 8 and 9): which faults are in force, and when each strikes.

A fault has a kind (``fault_kinds``), and may be limited to some orders, events or paths, by probability, by which
opportunity it takes, by time and by number. Each place in the exchange where a kind can strike asks the plan with
``strike``; every such question is one opportunity. A fault changes what is said and when a thing is done, never the
books: the exchange's ledger stays the truth.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from valr_loopback.fault_kinds import ANY, KINDS, WHEN, FaultKind
from valr_loopback.many_pairs import MANY_SYMBOLS
from valr_loopback.messages import ACCOUNT_EVENTS, TRADE_EVENTS
from valr_loopback.orders import AccountTrade, Order
from valr_loopback.pairs import default_pairs
from valr_loopback.rate_limits import COMMANDS
from valr_loopback.times import Clock

_EVENTS = ACCOUNT_EVENTS | TRADE_EVENTS
_PAIRS = frozenset(default_pairs()) | frozenset(MANY_SYMBOLS)


@dataclass(frozen=True, slots=True)
class Subject:
    """What an opportunity is about; what does not apply is empty. ``side`` is in lower case."""

    event: str = ""
    path: str = ""
    command: str = ""
    client_order_id: str = ""
    side: str = ""
    pair: str = ""


NOTHING = Subject()


def about(order: Order | AccountTrade, *, event: str = "", path: str = "") -> Subject:
    """Return an order, or the order of a trade, as the subject of an event or of a call."""
    return Subject(event, path, "", order.client_order_id, order.side.value, order.pair.symbol)


class Fault(BaseModel):
    """One fault of a plan. Times are in seconds since it was put in force; ``delay`` is a range of seconds.

    ``nth`` names the opportunities that may be taken, counted from 1 while the fault is in force: for the kinds about
    placements these are the orders in the sequence they were sent. ``times`` is how often the fault strikes at most.
    It is in force from ``from_seconds``, for ``for_seconds``, again ``every`` so many seconds, and never after
    ``until_seconds``. ``orders`` are client order ids, or what they begin with.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    kind: FaultKind
    probability: float = Field(default=1.0, ge=0, le=1)
    nth: frozenset[int] = frozenset()
    times: int | None = Field(default=None, ge=1)
    from_seconds: float = Field(default=0.0, ge=0)
    until_seconds: float | None = None
    for_seconds: float | None = Field(default=None, gt=0)
    every: float | None = Field(default=None, gt=0)
    orders: tuple[str, ...] = ()
    side: Literal["", "buy", "sell"] = ""
    pair: str = ""
    event: str = ""
    path: str = ""
    command: str = ""
    field: str = ""
    form: str = ""
    delay: tuple[float, float] | None = None
    offset: Decimal = Decimal(0)

    @field_validator("delay", mode="before")
    @classmethod
    def _range(cls, value: Any) -> Any:
        return (value, value) if isinstance(value, int | float | str) else value

    @field_validator("side", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @field_validator("pair", mode="after")
    @classmethod
    def _upper(cls, value: str) -> str:
        return value.upper()

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_options()
        if self.delay is not None and not 0 <= self.delay[0] <= self.delay[1]:
            raise ValueError("delay must be a range of seconds, such as [0.5, 2]")
        if self.until_seconds is not None and self.until_seconds < self.from_seconds:
            raise ValueError("until_seconds is before from_seconds")
        if self.every is not None and (self.for_seconds is None or self.for_seconds > self.every):
            raise ValueError("every needs for_seconds, and no more than every")
        if "" in self.orders:
            raise ValueError("orders must be client order ids or what they begin with, none of them empty")
        return self

    def _check_options(self) -> None:
        kind = KINDS[self.kind]
        fields = type(self).model_fields
        given = [name for name in fields if name != "kind" and getattr(self, name) != fields[name].default]
        takes = (*WHEN, *kind.takes)
        for name in given:
            if name not in takes:
                raise ValueError(f"{self.kind} does not take {name}; it takes {', '.join(takes)}")
        if kind.needs and kind.needs not in given:
            raise ValueError(f"{self.kind} needs {kind.needs}")
        for name, value, known in (
            ("form", self.form, kind.forms),
            ("event", self.event, _EVENTS),
            ("command", self.command, COMMANDS),
            ("pair", self.pair, _PAIRS),
        ):
            if value and value not in known:
                raise ValueError(f"unknown {name} {value!r}; it can be {', '.join(sorted(known))}")

    def concerns(self, subject: Subject) -> bool:
        """Tell whether the fault is about this."""
        if self.kind is FaultKind.OPEN_ORDERS_STALE and not self.path and not subject.event:
            return False  # The call goes stale only when asked for by its path.
        return (
            self.event in ("", subject.event)
            and self.path in subject.path
            and self.command in ("", subject.command)
            and self.side in ("", subject.side)
            and self.pair in ("", subject.pair)
            and (not self.orders or subject.client_order_id.startswith(self.orders))
        )

    def window(self, age: float) -> int | None:
        """Return which of the fault's time windows it is at an age in seconds, counted from 0; ``None`` in none."""
        since = age - self.from_seconds
        if since < 0 or (self.until_seconds is not None and age > self.until_seconds):
            return None
        number, inside = divmod(since, self.every) if self.every else (0, since)
        return None if self.for_seconds is not None and inside >= self.for_seconds else int(number)


@dataclass(slots=True, eq=False)
class ArmedFault:
    """A fault in force since a time, and what came of it. ``window`` is the last one a standing fault was asked in."""

    fault: Fault
    since: float
    opportunities: int = 0
    struck: int = 0
    window: int = -1
    stands: bool = False


class FaultPlan:
    """The faults in force. ``struck`` counts how often each kind did strike, those no longer in force too."""

    def __init__(self, faults: Iterable[Fault], clock: Clock, random: Random) -> None:
        self.struck: Counter[FaultKind] = Counter()
        self._clock = clock
        self.random = random
        self._suspended = False
        self._armed: dict[FaultKind, list[ArmedFault]] = {}
        for fault in faults:
            self.add(fault)

    def __iter__(self) -> Iterator[ArmedFault]:
        """Walk the faults in force."""
        for armed in self._armed.values():
            yield from armed

    def add(self, fault: Fault) -> None:
        """Put another fault in force, from now on."""
        self._armed.setdefault(fault.kind, []).append(ArmedFault(fault, self._clock()))

    def clear(self) -> None:
        """Put no fault in force any more."""
        self._armed.clear()

    def replace(self, faults: Iterable[Fault]) -> None:
        """Put these faults in force and no others."""
        self.clear()
        for fault in faults:
            self.add(fault)

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Let no fault strike meanwhile; their time goes on."""
        self._suspended = True
        try:
            yield
        finally:
            self._suspended = False

    # Asking

    def holds(self, *kinds: FaultKind) -> bool:
        """Tell whether a fault of these kinds may strike some time: worth asking before anything that costs."""
        return any(kind in self._armed for kind in kinds)

    def strike(self, kind: FaultKind, subject: Subject = NOTHING) -> Fault | None:
        """Take an opportunity for a kind of fault: the fault that strikes, or ``None``."""
        if self._suspended:
            return None
        for armed in self._armed.get(kind, ()):
            if not armed.fault.concerns(subject) or armed.fault.window(self._clock() - armed.since) is None:
                continue
            armed.opportunities += 1
            if self._allows(armed):
                return armed.fault
        return None

    def strike_young(self, kind: FaultKind, subject: Subject, age: float) -> bool:
        """Take an opportunity for a kind that touches what is younger, in seconds, than the fault's delay."""
        reach = max((self._delay_range(armed.fault)[1] for armed in self._armed.get(kind, ())), default=0.0)
        if age >= reach:
            return False
        fault = self.strike(kind, subject)
        return fault is not None and age < self.delay(fault)

    def standing(self, kind: FaultKind) -> list[Fault]:
        """Return the standing faults of a kind that are in force now; each window of each is one opportunity."""
        return [armed.fault for armed in self._armed.get(kind, ()) if self._stands(armed)]

    def _stands(self, armed: ArmedFault) -> bool:
        if self._suspended:
            return False
        window = armed.fault.window(self._clock() - armed.since)
        if window is None:
            return False
        if window != armed.window:
            armed.window = window
            armed.opportunities = window + 1
            armed.stands = self._allows(armed)
        return armed.stands

    def _allows(self, armed: ArmedFault) -> bool:
        fault = armed.fault
        if fault.nth and armed.opportunities not in fault.nth:
            return False
        if fault.times is not None and armed.struck >= fault.times:
            return False
        if self.random.random() >= fault.probability:
            return False
        armed.struck += 1
        self.struck[fault.kind] += 1
        return True

    # Drawing

    def delay(self, fault: Fault) -> float:
        """Draw the seconds of a fault's delay."""
        return self.random.uniform(*self._delay_range(fault))

    def _delay_range(self, fault: Fault) -> tuple[float, float]:
        return fault.delay or KINDS[fault.kind].delay or (0.0, 0.0)

    def form(self, fault: Fault) -> str:
        """Return the form in which a fault strikes, drawn if it may be any."""
        forms = KINDS[fault.kind].forms
        form = fault.form or forms[0]
        return self.random.choice([name for name in forms if name != ANY]) if form == ANY else form
