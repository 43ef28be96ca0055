"""Addresses, the assistants factory, server time, and the one REST helper with VALR's error family."""

import asyncio
import functools
import json
import logging
import re
import time
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from yarl import URL

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_messages import ApiError, parse_api_error, parse_server_time
from hummingbot.connector.exchange.valr.valr_throttler import ValrThrottler
from hummingbot.connector.exchange.valr.valr_troubles import ConnectionTroubles
from hummingbot.core.api_throttler.async_throttler_base import AsyncThrottlerBase
from hummingbot.core.web_assistant.auth import AuthBase
from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory
from hummingbot.core.web_assistant.connections.data_types import RESTMethod, RESTRequest, WSResponse
from hummingbot.core.web_assistant.connections.ws_connection import WSConnection
from hummingbot.core.web_assistant.web_assistants_factory import WebAssistantsFactory

REQUEST_DEADLINE = 10.0
# How long a socket is given to close in order, in seconds: one that is dead in one direction never does.
CLOSE_DEADLINE = 1.0
KEEP_ALIVE = 240.0
# VALR answered 403 to requests without these (valr-api.md 1.1).
REQUEST_HEADERS = {"Content-Type": "application/json", "User-Agent": "hummingbot-valr"}


class ValrRequestError(OSError):
    """A REST request that brought no usable answer; ``executed`` says what may have happened on the exchange.

    It derives from ``OSError`` because Hummingbot's base class treats that as a failed request.
    """


class ValrRefusedError(ValrRequestError):
    """VALR answered with an error of its own: the request was not executed."""

    def __init__(self, what: str, error: ApiError, status: int | None = None) -> None:
        super().__init__(f"VALR refused {what}: {error.describe()}" + (f" (HTTP {status})" if status else ""))
        self.status = status
        self.error = error

    @property
    def code(self) -> int | None:
        """VALR's error number, None when the body carried none."""
        return self.error.code


class ValrKeyRefusedError(ValrRefusedError):
    """VALR refused the API key; the message says what to do about it."""

    def __init__(self, problem: str, refusal: ValrRefusedError) -> None:
        OSError.__init__(self, f"{problem} ({refusal})")
        self.status = refusal.status
        self.error = refusal.error


class ValrNotSentError(ValrRequestError):
    """The request never left: no connection could be made. It was certainly not executed."""


class ValrWithdrawnError(ValrNotSentError):
    """An order was not to be sent any more when its turn came, mostly as it was cancelled: this attempt never left."""


class ValrReadOnlyError(ValrNotSentError):
    """VALR is in read-only mode (maintenance); the placement was not even sent."""


class ValrRateLimitedError(ValrRequestError):
    """VALR refused the request for its rate (HTTP 429). It was not executed.

    ``retry_after`` is the server's own advice in seconds, when it gave one.
    """

    def __init__(self, message: str, retry_after: float | None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ValrUnknownOutcomeError(ValrRequestError):
    """A time-out, a dropped connection, a 5xx or an unreadable body: the request may have been executed or not.

    ``is_unavailable`` says that the answer was 503, with which VALR also announces its read-only mode, ``is_overdue``
    that no answer came within the deadline.
    """

    def __init__(self, message: str, *, is_unavailable: bool = False, is_overdue: bool = False) -> None:
        super().__init__(message)
        self.is_unavailable = is_unavailable
        self.is_overdue = is_overdue


def is_unanswered(error: BaseException) -> bool:
    """Whether no connection could be made: the host is not known or cannot be reached, or nobody listens there."""
    return isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, aiohttp.ClientSSLError)


@dataclass(frozen=True)
class Endpoints:
    """Where VALR, or its stand-in, listens."""

    rest_url: str
    websocket_url: str

    @classmethod
    def for_domain(cls, domain: str, url: str | None = None) -> "Endpoints":
        """Return the addresses of ``domain``, or of ``url`` where one is given; sockets differ by scheme only."""
        default = CONSTANTS.LOOPBACK_URL if domain == CONSTANTS.LOOPBACK_DOMAIN else CONSTANTS.REST_URL
        rest_url = (url or default).rstrip("/")
        return cls(rest_url, rest_url.replace("http", "ws", 1))

    def socket(self, path: str) -> str:
        """Return the address of the socket at ``path``."""
        return self.websocket_url + path


def public_rest_url(path_url: str, domain: str = CONSTANTS.DEFAULT_DOMAIN) -> str:
    """Return the full address of a public path."""
    return Endpoints.for_domain(domain).rest_url + path_url


def private_rest_url(path_url: str, domain: str = CONSTANTS.DEFAULT_DOMAIN) -> str:
    """Return the full address of a signed path: VALR keeps both on one host."""
    return public_rest_url(path_url, domain)


def frame_decoder() -> Callable[[str], Any]:
    """Return what decodes a socket's JSON: orjson where it is installed, which takes a third of the time."""
    try:
        import orjson
    except ImportError:
        return json.loads
    return orjson.loads


def frame_encoder() -> Callable[[Any], str]:
    """Return what encodes a socket's JSON: orjson where it is installed."""
    try:
        import orjson
    except ImportError:
        return functools.partial(json.dumps, separators=(",", ":"))
    return lambda frame: str(orjson.dumps(frame), "utf-8")


class Begun[Result]:
    """Work that was begun at once, and often done; to be awaited for its rest, and its result.

    A task of its own for each write would be a tenth of an order's way to the socket. As a task does, this keeps what
    the work raises for who awaits it: some of a frame may have left, so its order has to be on record before.

    ``waits`` says that something has to be waited for.
    """

    def __init__(self, work: Coroutine[Any, None, Result]) -> None:
        self._work = work
        self._waits_for: Any = None
        self._error: Exception | None = None
        self.waits = True
        try:
            self._waits_for = work.send(None)
        except StopIteration as done:
            self.waits, self._result = False, done.value
        except Exception as error:  # noqa: BLE001 - raised to who awaits
            self.waits, self._error = False, error

    def __await__(self) -> Generator[Any, None, Result]:
        if self._error is not None:
            raise self._error
        while self.waits:
            try:
                try:
                    yield self._waits_for
                except BaseException as error:  # noqa: BLE001 - it ends the work, which may tidy up first
                    self._waits_for = self._work.throw(error)
                else:
                    self._waits_for = self._work.send(None)
            except StopIteration as done:
                self.waits, self._result = False, done.value
        return self._result


def frame_writer(connection: WSConnection) -> Callable[[Any], Begun[None]]:
    """Return what writes a frame at once; Hummingbot's assistant copies what it sends, in depth, each time."""
    encode, send_text = frame_encoder(), connection._connection.send_str
    return lambda frame: Begun(send_text(encode(frame)))


class ValrWSConnection(WSConnection):
    """Hummingbot's socket connection with a session of its own, and a short way for text frames, which nearly all are.

    The session ends with the socket: paper trading stops an order book tracker without telling the connector.
    """

    _decode = staticmethod(frame_decoder())

    def __init__(self) -> None:
        super().__init__(None)

    async def connect(self, ws_url: str, **options: Any) -> None:
        """Open a session and the socket on it; ``options`` are the base class's."""
        self._ensure_not_connected()
        self._client_session = aiohttp.ClientSession()
        try:
            await super().connect(ws_url, **options)
        except BaseException:
            await self._client_session.close()
            raise

    async def disconnect(self) -> None:
        """Close the socket and its session; what does not close in time is dropped.

        aiohttp waits ten seconds for the other side's word, and again for so long after each frame that comes instead.
        """
        transport = self._transport()
        try:
            async with asyncio.timeout(CLOSE_DEADLINE):
                await super().disconnect()
                await self._close_session()
        except TimeoutError:
            await self._drop(transport)
        except BaseException:
            await self._drop(transport)
            raise

    async def _drop(self, transport: asyncio.Transport | None) -> None:
        self._connected = False
        if transport is not None:
            # To close it would wait for all that was written to leave first.
            transport.abort()
        await self._close_session()

    async def _close_session(self) -> None:
        if self._client_session is not None:
            await self._client_session.close()

    def _transport(self) -> asyncio.Transport | None:
        # aiohttp shows it in no other way; where it is not found, the end of the session has to do.
        response = getattr(self._connection, "_response", None)
        connection = None if response is None else response.connection
        return None if connection is None else connection.transport

    async def receive(self) -> WSResponse | None:
        """Return the next message: a text frame the short way, anything else through the base class's checks."""
        self._ensure_connected()
        message = await self.receive_message()
        return None if message is None else WSResponse(self.decode(message))

    async def receive_message(self) -> aiohttp.WSMessage | None:
        """Return the next message as it came, for :meth:`decode`; None once the socket was closed from our side.

        :raises ConnectionError: the socket was closed from the other side, or broke
        """
        while self._connected:
            message = await self._connection.receive(self._message_timeout)
            if message.type is aiohttp.WSMsgType.TEXT:
                self._last_recv_time = time.time()
                return message
            message = await self._process_message(message)
            if message is not None:
                return message
        return None

    def let_gather(self, seconds: float) -> None:
        """Take nothing from the network for so long; what came meanwhile is then received together."""
        if self._connected and (connection := self._connection._response.connection) is not None:
            connection.protocol.pause_reading()
            # It does nothing when the connection is gone by then.
            asyncio.get_running_loop().call_later(seconds, connection.protocol.resume_reading)

    @classmethod
    def decode(cls, message: aiohttp.WSMessage) -> Any:
        """Return what a message says; text that is not JSON remains text, as in the base class."""
        if message.type is not aiohttp.WSMsgType.TEXT:
            return WSConnection._build_resp(message).data
        try:
            return cls._decode(message.data)
        except json.JSONDecodeError:
            return message.data


class ValrConnectionsFactory(ConnectionsFactory):
    """The connections of one connector: a session for REST, and one for each socket, which ends with it.

    Hummingbot's own factory is one session for the whole process, bound to the first event loop, whose idle
    connections last 15 s: with a refresh of 30 s every order would pay for a new TLS handshake.
    """

    def __new__(cls) -> "ValrConnectionsFactory":
        """Return a factory of its own for each connector, where the base class is a singleton."""
        return object.__new__(cls)

    def __init__(self) -> None:
        self._shared_client: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def close_rest(self) -> None:
        """Close the REST connections; the next request opens new ones."""
        session, self._shared_client = self._shared_client, None
        if session is not None:
            await session.close()

    async def get_ws_connection(self) -> WSConnection:
        """Return a socket connection, which opens a session when it connects."""
        return ValrWSConnection()

    async def _get_shared_client(self) -> aiohttp.ClientSession:
        self._forget_other_loops()
        if self._shared_client is None:
            connector = aiohttp.TCPConnector(keepalive_timeout=KEEP_ALIVE)
            self._shared_client = aiohttp.ClientSession(connector=connector)
        return self._shared_client

    def _forget_other_loops(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._shared_client = loop, None


def build_api_factory(
    throttler: AsyncThrottlerBase | None = None,
    auth: AuthBase | None = None,
    connections: ValrConnectionsFactory | None = None,
) -> WebAssistantsFactory:
    """Return Hummingbot's assistants factory for VALR."""
    return WebAssistantsFactory(
        throttler=throttler or ValrThrottler(CONSTANTS.RATE_LIMITS),
        auth=auth,
        connections_factory=connections or ValrConnectionsFactory(),
    )


async def get_current_server_time(
    throttler: AsyncThrottlerBase | None = None,
    domain: str = CONSTANTS.DEFAULT_DOMAIN,
) -> float:
    """Return VALR's clock in milliseconds, the unit Hummingbot's time synchronizer expects."""
    async with build_api_factory(throttler) as factory:
        troubles = ConnectionTroubles(lambda: logging.getLogger(__name__))
        client = ValrRestClient(factory, Endpoints.for_domain(domain).rest_url, troubles)
        return await client.server_time() * 1000


class ValrRestClient:
    """One REST call at a time: encode, sign, send within a deadline, decode, and name every failure.

    :param rest_url: scheme and host, without a path
    :param troubles: is told what fails and what works again, and says how long to keep off
    """

    def __init__(self, factory: WebAssistantsFactory, rest_url: str, troubles: ConnectionTroubles) -> None:
        self._factory = factory
        self._rest_url = rest_url
        self._troubles = troubles

    async def server_time(self) -> float:
        """Return VALR's clock in Unix seconds.

        :raises ValrRequestError: no answer
        :raises ValueError: an answer without a time
        """
        return parse_server_time(await self.request(RESTMethod.GET, CONSTANTS.SERVER_TIME_PATH))

    async def request(
        self,
        method: RESTMethod,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        params: dict[str, Any] | None = None,
        signed: bool = False,
        limit_id: str | None = None,
        headers: dict[str, str] | None = None,
        url: str | None = None,
        deadline: float = REQUEST_DEADLINE,
        before_sending: Callable[[], None] | None = None,
    ) -> Any:
        """Return the decoded JSON body, or None when a success carries none (VALR's v1 cancel).

        :param deadline: seconds for VALR's answer; how long the call waits for the rate limit before it is sent is not
            VALR's doing, and not counted
        :param before_sending: is called after every wait; what it raises is raised, and nothing is sent
        :raises ValrRefusedError: VALR said no, with a code and a text; not executed
        :raises ValrRateLimitedError: HTTP 429; not executed
        :raises ValrNotSentError: no connection; not executed
        :raises ValrUnknownOutcomeError: anything else; the request may or may not have been executed
        """
        limit_id = limit_id or _limit_id(path, signed)
        if pause := self._troubles.pause(limit_id):
            await asyncio.sleep(pause)
        try:
            request = RESTRequest(
                method=method,
                url=str(URL(url or self._rest_url + path).update_query(params or {})),
                data=None if body is None else json.dumps(body),
                headers={**REQUEST_HEADERS, **(headers or {})},
                is_auth_required=signed,
                throttler_limit_id=limit_id,
            )
            async with self._factory.throttler.execute_task(limit_id):
                if before_sending is not None:
                    before_sending()
                sent_at = time.monotonic()
                content = await self._send(f"{method.value} {path}", deadline, request)
        except ValrWithdrawnError:
            raise
        except ValrRateLimitedError as error:
            self._troubles.rate_limited(limit_id, sent_at, error.retry_after)
            raise
        except ValrRefusedError:
            self._took_it(limit_id)
            raise
        except ValrUnknownOutcomeError as error:
            # A 503 to an order is first asked about: it may be VALR's maintenance.
            if not error.is_unavailable or method is RESTMethod.GET:
                self._troubles.unanswered(str(error))
            raise
        except ValrNotSentError as error:
            self._troubles.unanswered(str(error))
            raise
        self._took_it(limit_id)
        return content

    def _took_it(self, limit_id: str) -> None:
        self._troubles.answered()
        self._troubles.admitted(limit_id)

    async def _send(self, what: str, deadline: float, request: RESTRequest) -> Any:
        assistant = await self._factory.get_rest_assistant()
        try:
            async with asyncio.timeout(deadline):
                response = await assistant.call(request)
                text = await response.text()
        except aiohttp.ClientConnectorError as error:
            raise ValrNotSentError(f"cannot connect for {what}: {error}") from error
        except TimeoutError as error:
            raise ValrUnknownOutcomeError(f"no answer to {what} within {deadline:g} s", is_overdue=True) from error
        except (aiohttp.ClientError, ConnectionError, UnicodeDecodeError) as error:
            raise ValrUnknownOutcomeError(f"no usable answer to {what}: {type(error).__name__} {error}") from error
        is_question = request.method is RESTMethod.GET
        return _decode(what, response.status, response.headers or {}, text, is_question=is_question)


def _limit_id(path: str, signed: bool) -> str:
    if path in (CONSTANTS.SERVER_TIME_PATH, CONSTANTS.STATUS_PATH):
        return CONSTANTS.TIME_LIMIT_ID
    return CONSTANTS.PRIVATE_LIMIT_ID if signed else CONSTANTS.PUBLIC_LIMIT_ID


def _decode(what: str, status: int, headers: Any, text: str, *, is_question: bool) -> Any:
    if status == 429:
        raise ValrRateLimitedError(
            f"VALR's rate limit refused {what}", _retry_after(str(headers.get("Retry-After", "")).strip(), time.time())
        )
    try:
        content = json.loads(text) if text.strip() else None
    except json.JSONDecodeError as error:
        if status in (401, 404) and is_question:
            # A page says as well as JSON that there is no such thing, or that nobody may ask (valr-api.md 1.4, 9).
            raise ValrRefusedError(what, ApiError(), status) from error
        raise ValrUnknownOutcomeError(
            f"{what} was answered with HTTP {status} and no JSON", is_unavailable=status == 503
        ) from error
    error_body = parse_api_error(content)
    if status >= 500:
        detail = f": {error_body.describe()}" if error_body else ""
        raise ValrUnknownOutcomeError(f"{what} was answered with HTTP {status}{detail}", is_unavailable=status == 503)
    if error_body is not None:
        raise ValrRefusedError(what, error_body, status)
    if status >= 400:
        reason = content.get("message") if isinstance(content, dict) else content
        raise ValrRefusedError(what, ApiError(message=str(reason or "")), status)
    return content


def _retry_after(text: str, now: float) -> float | None:
    """Return VALR's advice in seconds, which comes as such or as a date; None if there is none that can be read."""
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        return float(text)
    try:
        return max(parsedate_to_datetime(text).timestamp() - now, 0.0)
    except (ValueError, OverflowError):
        return None
