"""Faults that strike REST calls and the handshakes of sockets (valr-api.md 1.4, 3.3, 4.1)."""

import asyncio
from collections.abc import Awaitable, Callable

import orjson

from valr_loopback.auth import VIEW
from valr_loopback.errors import RefusalError, bad_signature
from valr_loopback.fault_kinds import FaultKind
from valr_loopback.faults import FaultPlan, Subject
from valr_loopback.order_entry import OrderEntry
from valr_loopback.rest import BAD_REQUEST, INTERNAL_ERROR, LIMITED, UNAVAILABLE, Answer, Hangup, Route, refused

_ANSWERS = {
    FaultKind.REST_429: LIMITED,
    FaultKind.REST_503: UNAVAILABLE,
    FaultKind.REST_500: INTERNAL_ERROR,
    FaultKind.REST_HTML_400: BAD_REQUEST,
}
_KEY_REFUSALS = {
    "ip": RefusalError(401, -11272, "The originating IP Address has not been whitelisted."),
    "signature": bad_signature(),
    "permission": RefusalError(403, -11273, f"API key does not have the required permission: {VIEW}"),
}
_SOCKET_REFUSALS: dict[str, Answer | Hangup] = {"503": UNAVAILABLE, "429": LIMITED, "reset": Hangup.RESET}


class CallFaults:
    """Stands between the wire and the handlers of REST calls."""

    def __init__(self, faults: FaultPlan, entry: OrderEntry) -> None:
        self._faults = faults
        self._entry = entry

    def account_handshake(self) -> Answer | Hangup | None:
        """Return how a new account socket is refused, if a fault has it so."""
        if spoiled := self._handshake(FaultKind.ACCOUNT_SOCKET_REFUSED):
            return spoiled
        if refused_key := self._faults.strike(FaultKind.ACCOUNT_KEY_REFUSED):
            return refused(_KEY_REFUSALS[self._faults.form(refused_key)])
        return None

    def trade_handshake(self) -> Answer | Hangup | None:
        """Return how a new trade socket is refused, if a fault has it so."""
        return self._handshake(FaultKind.TRADE_SOCKET_REFUSED)

    def _handshake(self, kind: FaultKind) -> Answer | Hangup | None:
        fault = self._faults.strike(kind)
        return _SOCKET_REFUSALS[self._faults.form(fault)] if fault else None

    async def call(
        self, route: Route, path: str, body: str, account_id: str, handle: Callable[[], Awaitable[Answer]]
    ) -> Answer | Hangup:
        """Have a call handled, unless a fault keeps it from being done, and return what a fault makes of its answer."""
        subject = self._subject(route, path, body, account_id)
        spoiled = await self._before(route, subject)
        if spoiled is not None:
            return spoiled
        reset = self._faults.strike(FaultKind.REST_RESET, subject)
        if reset and self._faults.form(reset) == "before":
            return Hangup.RESET
        try:
            answer = await self._after(route, subject, await handle())
        except RefusalError as refusal:
            answer = refused(refusal)
        if slow := self._faults.strike(FaultKind.REST_SLOW, subject):
            await asyncio.sleep(self._faults.delay(slow))
        return Hangup.RESET if reset else answer

    def _subject(self, route: Route, path: str, body: str, account_id: str) -> Subject:
        if not (route.places or route.cancels) or not account_id:
            return Subject(path=path)
        try:
            fields = orjson.loads(body)
        except orjson.JSONDecodeError:
            return Subject(path=path)
        return self._entry.subject(account_id, fields, path=path)

    async def _before(self, route: Route, subject: Subject) -> Answer | Hangup | None:
        """Return the answer of a fault that keeps the call from being done, if one strikes."""
        for kind, answer in _ANSWERS.items():
            if self._faults.strike(kind, subject):
                return answer
        if route.places and self._faults.strike(FaultKind.PLACE_LOST, subject):
            return Hangup.CUT
        if timeout := self._faults.strike(FaultKind.REST_TIMEOUT, subject):
            await asyncio.sleep(self._faults.delay(timeout))
            return Hangup.CUT
        return None

    async def _after(self, route: Route, subject: Subject, answer: Answer) -> Answer | Hangup:
        """Return the answer to a call that was done, or what a fault makes of it."""
        faults = self._faults
        if route.cancels and faults.strike(FaultKind.CANCEL_ACK_LOST, subject):
            return Hangup.CUT
        if not route.places:
            return answer
        if faults.strike(FaultKind.PLACE_REPLY_LOST, subject):
            return Hangup.CUT
        if faults.strike(FaultKind.PLACE_HTML_400_THOUGH_PLACED, subject):
            return BAD_REQUEST
        if late := faults.strike(FaultKind.PLACE_REPLY_LATE, subject):
            await asyncio.sleep(faults.delay(late))
        if faults.strike(FaultKind.EVENTS_BEFORE_REPLY, subject):
            await self._entry.drained()
        return answer
