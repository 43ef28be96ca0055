"""What VALR may do to a client, on purpose (valr-api.md 8 and 9).

A fault has a kind, and may be limited by probability, by which opportunity it takes, by time and by number. Each place
in the exchange where a kind can strike asks the plan with ``strike``; every such question is one opportunity.
"""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Self

import yaml  # type: ignore[import-untyped, unused-ignore]
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from valr_loopback.times import Clock


class FaultKind(StrEnum):
    """The kinds of faults. ``DESCRIPTIONS`` says in a line what each does."""

    CANCEL_ACK_LOST = "cancel_ack_lost"
    CANCEL_EXECUTED_LATE = "cancel_executed_late"
    CANCEL_NEVER_EXECUTED = "cancel_never_executed"
    PLACE_REPLY_LOST = "place_reply_lost"
    PLACE_REPLY_LATE = "place_reply_late"
    EVENTS_BEFORE_REPLY = "events_before_reply"
    DROP_EVENT = "drop_event"
    DUPLICATE_EVENT = "duplicate_event"
    REORDER_EVENTS = "reorder_events"
    OPEN_ORDERS_MISSING_FRESH = "open_orders_missing_fresh"
    OMIT_CUSTOMER_ORDER_ID = "omit_customer_order_id"
    ACCOUNT_SOCKET_CLOSE = "account_socket_close"
    ACCOUNT_SOCKET_SILENT = "account_socket_silent"
    REST_429 = "rest_429"
    REST_503 = "rest_503"
    REST_500 = "rest_500"
    REST_TIMEOUT = "rest_timeout"
    PLACE_HTML_400_THOUGH_PLACED = "place_html_400_though_placed"
    BOOK_GAP = "book_gap"
    BOOK_BAD_CHECKSUM = "book_bad_checksum"


DESCRIPTIONS = {
    FaultKind.CANCEL_ACK_LOST: "a cancel is done, its reply never comes",
    FaultKind.CANCEL_EXECUTED_LATE: "a cancel is acknowledged at once and done after `delay` seconds",
    FaultKind.CANCEL_NEVER_EXECUTED: "a cancel is acknowledged and never done, and no event says so",
    FaultKind.PLACE_REPLY_LOST: "an order is placed, its reply never comes",
    FaultKind.PLACE_REPLY_LATE: "an order is placed, its reply comes after `delay` seconds",
    FaultKind.EVENTS_BEFORE_REPLY: "the events of an order come before the reply to its placement",
    FaultKind.DROP_EVENT: "a frame of either socket (of type `event`, or any) is not sent",
    FaultKind.DUPLICATE_EVENT: "an account event (of type `event`, or any) is sent twice, the second after `delay`",
    FaultKind.REORDER_EVENTS: "an account event (of type `event`, or any) is held back for up to 50 ms",
    FaultKind.OPEN_ORDERS_MISSING_FRESH: "OPEN_ORDERS_UPDATE leaves out orders younger than `delay` seconds",
    FaultKind.OMIT_CUSTOMER_ORDER_ID: "an account event (of type `event`, or any) carries no customerOrderId",
    FaultKind.ACCOUNT_SOCKET_CLOSE: "an account socket is cut; one opportunity a second and socket",
    FaultKind.ACCOUNT_SOCKET_SILENT: "an account socket stays open and says nothing more; one opportunity a second",
    FaultKind.REST_429: "a REST call (whose path contains `path`) is told it is over the rate limit",
    FaultKind.REST_503: "a REST call (whose path contains `path`) is told the service is unavailable",
    FaultKind.REST_500: "a REST call (whose path contains `path`) is told of an internal error",
    FaultKind.REST_TIMEOUT: "a REST call (whose path contains `path`) is not done, and cut after `delay` seconds",
    FaultKind.PLACE_HTML_400_THOUGH_PLACED: "an order is placed over REST, the answer is an HTML page with status 400",
    FaultKind.BOOK_GAP: "an OB_L1 or FULL book frame is not sent to anybody",
    FaultKind.BOOK_BAD_CHECKSUM: "an OB_L1 or FULL book frame has a wrong checksum",
}

_DELAYS = {
    FaultKind.CANCEL_EXECUTED_LATE: (1.0, 5.0),
    FaultKind.PLACE_REPLY_LATE: (0.5, 2.0),
    FaultKind.DUPLICATE_EVENT: (0.0, 0.05),
    FaultKind.REORDER_EVENTS: (0.0, 0.05),
    FaultKind.OPEN_ORDERS_MISSING_FRESH: (0.5, 0.5),
    FaultKind.REST_TIMEOUT: (60.0, 60.0),
}


class Fault(BaseModel):
    """One fault of a plan. Times are in seconds since the exchange started; ``delay`` is a range of seconds.

    ``nth`` names the opportunities that may be taken, counted from 1: for the kinds about placements these are the
    orders in the sequence they were sent. ``times`` is how often the fault strikes at most.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: FaultKind
    probability: float = Field(default=1.0, ge=0, le=1)
    nth: frozenset[int] = frozenset()
    times: int | None = Field(default=None, ge=1)
    from_seconds: float = Field(default=0.0, ge=0)
    until_seconds: float | None = None
    delay: tuple[float, float] | None = None
    event: str = ""
    path: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.delay is not None and not 0 <= self.delay[0] <= self.delay[1]:
            raise ValueError("delay must be a range of seconds, such as [0.5, 2]")
        if self.until_seconds is not None and self.until_seconds < self.from_seconds:
            raise ValueError("until_seconds is before from_seconds")
        return self


class FaultFileError(Exception):
    """A fault file that cannot be read; the text says why."""


def load_faults(path: Path) -> list[Fault]:
    """Read faults from a YAML file: a list of faults, alone or under ``faults``.

    Raises:
        FaultFileError: if the file is missing, not YAML, or does not hold faults.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise FaultFileError(f"{path}: {error}") from error
    rows = content.get("faults") if isinstance(content, dict) else content
    if not isinstance(rows, list):
        raise FaultFileError(f"{path}: expected a list of faults, or a mapping with a list under 'faults'")
    faults = []
    for number, row in enumerate(rows, 1):
        try:
            faults.append(Fault.model_validate(row))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise FaultFileError(f"{path}: fault {number}: {wrong}") from error
    return faults


class FaultPlan:
    """The faults in force. ``struck`` counts how often each kind did strike."""

    def __init__(self, faults: Iterable[Fault], clock: Clock, random: Random) -> None:
        self.struck: Counter[FaultKind] = Counter()
        self._clock = clock
        self._random = random
        self._start = clock()
        self._faults: dict[FaultKind, list[Fault]] = {}
        self._opportunities: Counter[Fault] = Counter()
        self._strikes: Counter[Fault] = Counter()
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """Put another fault in force."""
        self._faults.setdefault(fault.kind, []).append(fault)

    def clear(self) -> None:
        """Put no fault in force any more."""
        self._faults.clear()

    def strike(self, kind: FaultKind, *, event: str = "", path: str = "") -> Fault | None:
        """Take an opportunity for a kind of fault: the fault that strikes, or ``None``."""
        for fault in self._faults.get(kind, ()):
            if fault.event not in ("", event) or fault.path not in path:
                continue
            self._opportunities[fault] += 1
            if self._allows(fault):
                self._strikes[fault] += 1
                self.struck[kind] += 1
                return fault
        return None

    def _allows(self, fault: Fault) -> bool:
        age = self._clock() - self._start
        if age < fault.from_seconds or (fault.until_seconds is not None and age > fault.until_seconds):
            return False
        if fault.nth and self._opportunities[fault] not in fault.nth:
            return False
        if fault.times is not None and self._strikes[fault] >= fault.times:
            return False
        return self._random.random() < fault.probability

    def delay(self, fault: Fault) -> float:
        """Draw the seconds of a fault's delay."""
        return self._random.uniform(*(fault.delay or _DELAYS[fault.kind]))
