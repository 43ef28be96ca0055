"""What every REST call goes through before and after its handler (valr-api.md 1.4, 1.5, 2)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

import orjson

from valr_loopback.auth import Identity, IpLists, Keys
from valr_loopback.distortions import Distortions
from valr_loopback.errors import RefusalError, invalid_json, invalid_request
from valr_loopback.exchange import Exchange
from valr_loopback.fault_kinds import FaultKind
from valr_loopback.faults import FaultPlan
from valr_loopback.market_data import MarketData
from valr_loopback.messages import encode
from valr_loopback.open_orders import OpenOrders
from valr_loopback.order_entry import OrderEntry
from valr_loopback.pairs import Pair
from valr_loopback.requests import read_object
from valr_loopback.wire_clock import WireClock

PAGE_LIMIT = 100


@dataclass(slots=True)
class Services:
    """What the handlers work with."""

    exchange: Exchange
    data: MarketData
    entry: OrderEntry
    keys: Keys
    faults: FaultPlan
    distortions: Distortions
    lists: OpenOrders
    clock: WireClock
    ip_lists: IpLists
    set_status: str = "online"

    @property
    def status(self) -> str:
        """``online`` or ``read-only``: as it was set, or as a fault has it."""
        return "read-only" if self.faults.standing(FaultKind.READ_ONLY) else self.set_status


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated (where need be) REST call."""

    services: Services
    path: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    body: str
    identity: Identity | None = None

    @property
    def account_id(self) -> str:
        """The account the call is about; only for signed routes."""
        assert self.identity is not None
        return self.identity.account_id

    def pair(self) -> Pair:
        """Return the pair of the path.

        Raises:
            RefusalError: -21 if it is not listed.
        """
        return self.services.exchange.listed_pair(self.params["pair"].upper())

    def json(self) -> Mapping[str, Any]:
        """Return the body as a JSON object.

        Raises:
            RefusalError: -113 if it is anything else.
        """
        try:
            value = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise invalid_json() from None
        return read_object(value, invalid_json())

    def number(self, name: str, default: int, highest: int | None = None) -> int:
        """Return a whole number of the query, no more than ``highest``.

        Raises:
            RefusalError: -11 if it is not a number.
        """
        text = self.query.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit()) or len(text) > 18:
            raise invalid_request((name, f"{name} is invalid"))
        return int(text) if highest is None else min(int(text), highest)

    def flag(self, name: str, default: bool) -> bool:
        """Return a truth value of the query."""
        return self.query.get(name, str(default)).lower() == "true"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a body: a JSON value, text of some other kind, or nothing at all."""

    status: int
    body: str = ""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class Hangup(Enum):
    """How a connection ends that gets no answer."""

    CUT = auto()
    RESET = auto()


def _page(status: int, title: str, **headers: str) -> Answer:
    text = f"<!doctype html><html><head><title>{status}</title></head><body>{status} {title}</body></html>"
    return Answer(status, text, "text/html", headers)


LIMITED = _page(429, "Too Many Requests", **{"x-valr-ratelimited": "true"})
UNAVAILABLE = _page(503, "Service Unavailable")
BAD_REQUEST = _page(400, "Bad Request")
INTERNAL_ERROR = _page(500, "Internal Server Error")


def ok(value: object, max_age: int | None = None) -> Answer:
    """Answer 200 with a JSON value; public answers say how long caches may keep them (1.7)."""
    headers = {} if max_age is None else {"Cache-Control": f"max-age={max_age}"}
    return Answer(200, encode(value), headers=headers)


def answer(status: int, value: object) -> Answer:
    """Answer with a JSON value."""
    return Answer(status, encode(value))


def refused(refusal: RefusalError) -> Answer:
    """Answer with an error body."""
    return answer(refusal.status, refusal.body())


Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """A verb and path pattern; ``permission`` is what a signed route demands of the key.

    ``places`` and ``cancels`` mark the routes of single orders, whose answers faults can spoil.
    """

    verb: str
    path: str
    handler: Handler
    permission: str | None = None
    places: bool = False
    cancels: bool = False
