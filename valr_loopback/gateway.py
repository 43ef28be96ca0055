"""The wire: aiohttp on the outside, routes, hubs and sessions on the inside."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from aiohttp import web

from valr_loopback.account_socket import AccountHub, AccountSession
from valr_loopback.auth import KEY_HEADER, VIEW, Identity
from valr_loopback.call_faults import CallFaults
from valr_loopback.connection import Connection, reset
from valr_loopback.errors import RefusalError
from valr_loopback.rate_limits import COMMANDS, HANDSHAKES, RateLimiter
from valr_loopback.rest import LIMITED, UNAVAILABLE, Answer, Call, Hangup, Route, Services, refused
from valr_loopback.trade_socket import TradeHub, TradeSession

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
        *,
        idle_seconds: float,
        anonymous_seconds: float,
    ) -> None:
        self._services = services
        self._accounts = accounts
        self._trades = trades
        self._limiter = limiter
        self._faults = CallFaults(services.faults, services.entry)
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
                return _response(await route.handler(Call(self._services, request.path, {}, {}, body)))
            account_id = self._services.keys.account_of(request.headers)
            outcome = await self._faults.call(
                route, request.path, body, account_id, lambda: self._answer(route, request, body)
            )
            return self._finish(request, outcome)

        return handle

    def _finish(self, request: web.Request, outcome: Answer | Hangup) -> web.Response:
        """Answer a call, or hang up on it."""
        if isinstance(outcome, Answer):
            clock = self._services.clock
            headers = {**outcome.headers, **clock.headers()}
            return _response(replace(outcome, body=clock.stamped(outcome.body), headers=headers))
        if outcome is Hangup.RESET:
            reset(request.transport)
        elif request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)

    async def _answer(self, route: Route, request: web.Request, body: str) -> Answer:
        if not self._admit(request):
            return LIMITED
        if route.verb != "GET" and self._services.status == "read-only":
            return UNAVAILABLE
        if route.verb in ("POST", "PUT", "PATCH") and request.content_type != "application/json":
            raise RefusalError(403, -11, "Content-Type header must be application/json")
        identity = self._identify(request, body, route.permission) if route.permission else None
        return await route.handler(
            Call(self._services, request.path, request.match_info, request.query, body, identity)
        )

    def _admit(self, request: web.Request) -> bool:
        if self._limiter is None:
            return True
        now_ms = self._services.exchange.now_ms()
        key = request.headers.get(KEY_HEADER, "")
        return self._limiter.take_request(request.method, request.path, request.remote or "", key, now_ms)

    def _identify(self, request: web.Request, body: str, permission: str) -> Identity:
        now_ms = self._services.clock.now_ms()
        path = request.raw_path
        identity = self._services.keys.verify(request.headers, request.method, path, body, now_ms, permission)
        self._services.ip_lists.demand(identity.api_key.key, request.remote or "")
        return identity

    async def _not_found(self, request: web.Request) -> web.StreamResponse:
        return _response(_NOT_FOUND)

    # Sockets

    async def _account_socket(self, request: web.Request) -> web.StreamResponse:
        if not self._admit_socket(request):
            return _response(LIMITED)
        spoiled = self._faults.account_handshake()
        if spoiled is not None:
            return self._finish(request, spoiled)
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
            return _response(LIMITED)
        spoiled = self._faults.trade_handshake()
        if spoiled is not None:
            return self._finish(request, spoiled)
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
        return Connection(socket, request.transport, self._services.clock.stamped), socket


def _response(answer: Answer) -> web.Response:
    if not answer.body:
        return web.Response(status=answer.status, headers=dict(answer.headers))
    return web.Response(
        status=answer.status, text=answer.body, content_type=answer.content_type, headers=dict(answer.headers)
    )


async def _leave_out_empty_type(request: web.Request, response: web.StreamResponse) -> None:
    # VALR's 202 of a cancel has no body and no content type (valr-api.md 3.4).
    if isinstance(response, web.Response) and response.body is None and not isinstance(response, web.WebSocketResponse):
        response.headers.popall("Content-Type", None)
