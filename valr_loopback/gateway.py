"""The wire: aiohttp on the outside, routes, hubs and sessions on the inside."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web

from valr_loopback.account_socket import AccountHub, AccountSession
from valr_loopback.auth import KEY_HEADER, VIEW, Identity
from valr_loopback.connection import Connection
from valr_loopback.errors import RefusalError
from valr_loopback.faults import FaultKind, FaultPlan
from valr_loopback.rate_limits import COMMANDS, HANDSHAKES, RateLimiter
from valr_loopback.rest import Answer, Call, Route, Services, refused
from valr_loopback.trade_socket import TradeHub, TradeSession

log = logging.getLogger(__name__)

_LIMITED = Answer(
    429,
    "<!doctype html><html><head><title>429</title></head><body>429 Too Many Requests</body></html>",
    "text/html",
    {"x-valr-ratelimited": "true"},
)
_READ_ONLY = Answer(503, "<html><body>503 Service Unavailable</body></html>", "text/html")
_BAD_REQUEST = Answer(400, "<html><body>400 Bad Request</body></html>", "text/html")
_REST_FAULTS = {
    FaultKind.REST_429: _LIMITED,
    FaultKind.REST_503: _READ_ONLY,
    FaultKind.REST_500: Answer(500, "<html><body>500 Internal Server Error</body></html>", "text/html"),
}
_NOT_FOUND = Answer(404, '{"message":"Not Found"}')
_MAX_FRAME = 2**20
CONTROL_PREFIX = "/loopback/"
"""Routes below this are ours, not VALR's: unsigned, without limits and without faults."""


class Gateway:
    """Serves REST and both sockets."""

    def __init__(
        self,
        services: Services,
        accounts: AccountHub,
        trades: TradeHub,
        limiter: RateLimiter | None,
        faults: FaultPlan,
        *,
        idle_seconds: float,
        anonymous_seconds: float,
    ) -> None:
        self._services = services
        self._accounts = accounts
        self._trades = trades
        self._limiter = limiter
        self._faults = faults
        self._idle_seconds = idle_seconds
        self._anonymous_seconds = anonymous_seconds

    def application(self, routes: Iterable[Route]) -> web.Application:
        """Build the aiohttp application."""
        app = web.Application(client_max_size=_MAX_FRAME)
        for route in routes:
            app.router.add_route(route.verb, route.path, self._handler(route))
        app.router.add_get("/ws/account", self._account_socket)
        app.router.add_get("/ws/trade", self._trade_socket)
        app.router.add_route("*", "/{path:.*}", self._not_found)
        app.on_response_prepare.append(_leave_out_empty_type)
        return app

    # REST

    def _handler(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            body = (await request.read()).decode(errors="replace")
            if route.path.startswith(CONTROL_PREFIX):
                return _response(await route.handler(Call(self._services, {}, {}, body)))
            spoiled = await self._spoiled_before(request)
            if spoiled is not None:
                return _response(spoiled)
            try:
                answer = await self._answer(route, request, body)
            except RefusalError as refusal:
                return _response(refused(refusal))
            return _response(await self._spoiled_after(route, request, answer))

        return handle

    async def _answer(self, route: Route, request: web.Request, body: str) -> Answer:
        if not self._admit(request):
            return _LIMITED
        if route.verb != "GET" and self._services.status == "read-only":
            return _READ_ONLY
        if route.verb in ("POST", "PUT", "PATCH") and request.content_type != "application/json":
            raise RefusalError(403, -11, "Content-Type header must be application/json")
        identity = self._identify(request, body, route.permission) if route.permission else None
        return await route.handler(Call(self._services, request.match_info, request.query, body, identity))

    async def _spoiled_before(self, request: web.Request) -> Answer | None:
        """Return the answer of a fault that keeps the call from being done, if one strikes."""
        for kind, answer in _REST_FAULTS.items():
            if self._faults.strike(kind, path=request.path):
                return answer
        timeout = self._faults.strike(FaultKind.REST_TIMEOUT, path=request.path)
        if timeout is None:
            return None
        await asyncio.sleep(self._faults.delay(timeout))
        return _cut(request)

    async def _spoiled_after(self, route: Route, request: web.Request, answer: Answer) -> Answer:
        """Return the answer to a call that was done, or what a fault makes of it."""
        if route.cancels and self._faults.strike(FaultKind.CANCEL_ACK_LOST):
            return _cut(request)
        if not route.places:
            return answer
        if self._faults.strike(FaultKind.PLACE_REPLY_LOST):
            return _cut(request)
        if self._faults.strike(FaultKind.PLACE_HTML_400_THOUGH_PLACED):
            return _BAD_REQUEST
        if late := self._faults.strike(FaultKind.PLACE_REPLY_LATE):
            await asyncio.sleep(self._faults.delay(late))
        if self._faults.strike(FaultKind.EVENTS_BEFORE_REPLY):
            await self._services.entry.drained()
        return answer

    def _admit(self, request: web.Request) -> bool:
        if self._limiter is None:
            return True
        now_ms = self._services.exchange.now_ms()
        key = request.headers.get(KEY_HEADER, "")
        return self._limiter.take_request(request.method, request.path, request.remote or "", key, now_ms)

    def _identify(self, request: web.Request, body: str, permission: str) -> Identity:
        now_ms = self._services.exchange.now_ms()
        path = request.raw_path
        return self._services.keys.verify(request.headers, request.method, path, body, now_ms, permission)

    async def _not_found(self, request: web.Request) -> web.StreamResponse:
        return _response(_NOT_FOUND)

    # Sockets

    async def _account_socket(self, request: web.Request) -> web.StreamResponse:
        if not self._admit_socket(request):
            return _response(_LIMITED)
        try:
            identity = self._identify(request, "", VIEW)
        except RefusalError as refusal:
            return _response(refused(refusal))
        connection, socket = await self._upgrade(request)
        session = AccountSession(
            self._accounts, connection, identity, self._services.entry, self._command_taker(identity)
        )
        connection.abort_when_silent(self._idle_seconds)
        self._accounts.join(session)
        try:
            await connection.run(session.receive)
        finally:
            self._accounts.leave(session)
        return socket

    async def _trade_socket(self, request: web.Request) -> web.StreamResponse:
        if not self._admit_socket(request):
            return _response(_LIMITED)
        anonymous = KEY_HEADER not in request.headers
        try:
            if not anonymous:
                self._identify(request, "", VIEW)
        except RefusalError as refusal:
            return _response(refused(refusal))
        connection, socket = await self._upgrade(request)
        session = TradeSession(self._trades, connection)
        connection.abort_when_silent(self._idle_seconds, lambda: session.subscribed)
        if anonymous:
            connection.close_after(self._anonymous_seconds)
        self._trades.join(session)
        if not anonymous:
            connection.send('{"type":"AUTHENTICATED"}')
        try:
            await connection.run(session.receive)
        finally:
            self._trades.leave(session)
        return socket

    def _admit_socket(self, request: web.Request) -> bool:
        now_ms = self._services.exchange.now_ms()
        return self._limiter is None or self._limiter.take(HANDSHAKES, request.remote or "", now_ms)

    def _command_taker(self, identity: Identity) -> Callable[[str], bool]:
        limiter, exchange, key = self._limiter, self._services.exchange, identity.api_key.key
        if limiter is None:
            return lambda command: True
        return lambda command: limiter.take(COMMANDS[command], f"socket {key}", exchange.now_ms())

    async def _upgrade(self, request: web.Request) -> tuple[Connection, web.WebSocketResponse]:
        socket = web.WebSocketResponse(autoping=False, max_msg_size=_MAX_FRAME)
        await socket.prepare(request)
        return Connection(socket, request.transport), socket


def _cut(request: web.Request) -> Answer:
    """Cut the connection of a call, so that its answer goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return Answer(500)


def _response(answer: Answer) -> web.Response:
    if not answer.body:
        return web.Response(status=answer.status)
    return web.Response(
        status=answer.status, text=answer.body, content_type=answer.content_type, headers=dict(answer.headers)
    )


async def _leave_out_empty_type(request: web.Request, response: web.StreamResponse) -> None:
    # VALR's 202 of a cancel has no body and no content type (valr-api.md 3.4).
    if isinstance(response, web.Response) and response.body is None and not isinstance(response, web.WebSocketResponse):
        response.headers.popall("Content-Type", None)
