"""The REST helper against a server on this machine that answers in every way VALR does."""

import asyncio
import functools
import json
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aioresponses import aioresponses

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_auth import ValrAuth, sign
from hummingbot.connector.exchange.valr.valr_metrics import Metrics
from hummingbot.connector.exchange.valr.valr_throttler import ValrThrottler
from hummingbot.connector.exchange.valr.valr_troubles import ConnectionTroubles
from hummingbot.connector.exchange.valr.valr_web_utils import (
    Endpoints,
    ValrConnectionsFactory,
    ValrNotSentError,
    ValrRateLimitedError,
    ValrRefusedError,
    ValrRequestError,
    ValrRestClient,
    ValrUnknownOutcomeError,
    ValrWithdrawnError,
    build_api_factory,
    get_current_server_time,
    private_rest_url,
    public_rest_url,
)
from hummingbot.core.api_throttler.data_types import RateLimit
from hummingbot.core.web_assistant.connections.data_types import RESTMethod
from hummingbot.core.web_assistant.web_assistants_factory import WebAssistantsFactory

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def troubles() -> ConnectionTroubles:
    return ConnectionTroubles(lambda: logging.getLogger("test"))


class Server:
    """Answers every request with ``handler`` and keeps what was asked."""

    def __init__(self) -> None:
        self.handler: Handler
        self.requests: list[tuple[str, str, str, dict[str, str]]] = []
        self.url = ""

    def answers(self, status: int = 200, text: str = "", **options: Any) -> None:
        async def handler(request: web.Request) -> web.StreamResponse:
            return web.Response(status=status, text=text, **options)

        self.handler = handler

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path_qs, await request.text(), dict(request.headers)))
        return await self.handler(request)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


@pytest.fixture
async def api() -> AsyncIterator[WebAssistantsFactory]:
    async with build_api_factory(auth=ValrAuth("key", "secret", lambda: 1.0)) as api:
        yield api


@pytest.fixture
def client(server: Server, api: WebAssistantsFactory) -> ValrRestClient:
    return ValrRestClient(api, server.url, troubles())


# --- Answers ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("status", "text", "content"),
    [
        (200, '{"a": [1, "2"]}', {"a": [1, "2"]}),
        (200, "[]", []),
        (201, '{"id": "x"}', {"id": "x"}),
        (202, "", None),
        (202, " \n", None),
    ],
)
async def test_success(server: Server, client: ValrRestClient, status: int, text: str, content: Any) -> None:
    server.answers(status, text)
    assert await client.request(RESTMethod.GET, CONSTANTS.PAIRS_PATH) == content


@pytest.mark.parametrize("status", [200, 201, 400, 401, 403, 404])
async def test_error_body_is_a_refusal_whatever_the_status(server: Server, client: ValrRestClient, status: int) -> None:
    server.answers(status, '{"orderId":"x","code":-6,"message":"Insufficient Balance"}')
    with pytest.raises(ValrRefusedError, match=r"POST /v2/orders/limit: .*Insufficient Balance") as caught:
        await client.request(RESTMethod.POST, CONSTANTS.PLACE_LIMIT_PATH, body={}, signed=True)
    assert caught.value.code == -6
    assert caught.value.status == status


async def test_refusal_without_a_code(server: Server, client: ValrRestClient) -> None:
    server.answers(404, "{}")
    with pytest.raises(ValrRefusedError, match="HTTP 404") as caught:
        await client.request(RESTMethod.GET, CONSTANTS.PAIRS_PATH)
    assert caught.value.code is None
    server.answers(401, "")
    with pytest.raises(ValrRefusedError, match="HTTP 401"):
        await client.request(RESTMethod.GET, CONSTANTS.PAIRS_PATH)


@pytest.mark.parametrize(
    "text", ['{"message": "Could not find the order to cancel"}', '"Could not find the order to cancel"']
)
async def test_refusal_without_a_code_keeps_its_reason(server: Server, client: ValrRestClient, text: str) -> None:
    server.answers(400, text)
    with pytest.raises(ValrRefusedError, match="Could not find the order to cancel"):
        await client.request(RESTMethod.DELETE, CONSTANTS.CANCEL_ORDER_PATH, body={}, signed=True)


@pytest.mark.parametrize("status", [401, 404])
async def test_page_that_says_no_answers_a_question_but_no_order(
    server: Server, client: ValrRestClient, status: int
) -> None:
    server.answers(status, "<html>no</html>", content_type="text/html")
    with pytest.raises(ValrRefusedError) as caught:
        await client.request(RESTMethod.GET, CONSTANTS.OPEN_ORDERS_PATH, signed=True)
    assert caught.value.status == status
    for method in (RESTMethod.POST, RESTMethod.DELETE):
        with pytest.raises(ValrUnknownOutcomeError):
            await client.request(method, CONSTANTS.CANCEL_ORDER_PATH, body={}, signed=True)


@pytest.mark.parametrize("status", [200, 400, 502])
async def test_page_that_is_not_json_leaves_the_outcome_open(
    server: Server, client: ValrRestClient, status: int
) -> None:
    server.answers(status, "<html>Bad Request</html>", content_type="text/html")
    with pytest.raises(ValrUnknownOutcomeError, match=f"HTTP {status} and no JSON"):
        await client.request(RESTMethod.POST, CONSTANTS.PLACE_LIMIT_PATH, body={}, signed=True)


@pytest.mark.parametrize(
    ("text", "detail"), [("", "HTTP 503$"), ('{"code":-1,"message":"maintenance"}', "maintenance")]
)
async def test_server_error_leaves_the_outcome_open(
    server: Server, client: ValrRestClient, text: str, detail: str
) -> None:
    server.answers(503, text)
    with pytest.raises(ValrUnknownOutcomeError, match=detail):
        await client.request(RESTMethod.POST, CONSTANTS.PLACE_LIMIT_PATH, body={}, signed=True)


@pytest.mark.parametrize(
    ("headers", "advice"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
async def test_rate_limit(
    server: Server, client: ValrRestClient, headers: dict[str, str], advice: float | None
) -> None:
    server.answers(429, "<html>slow down</html>", headers=headers)
    with pytest.raises(ValrRateLimitedError, match="rate limit refused GET /v1/public/pairs") as caught:
        await client.request(RESTMethod.GET, CONSTANTS.PAIRS_PATH)
    assert caught.value.retry_after == advice


async def test_requests_that_are_refused_in_the_same_instant_shut_the_gate_for_one_pause(
    server: Server, api: WebAssistantsFactory
) -> None:
    troubles = ConnectionTroubles(lambda: logging.getLogger("test"))
    client = ValrRestClient(api, server.url, troubles)
    server.answers(429, "")
    asked = (client.request(RESTMethod.GET, CONSTANTS.PAIRS_PATH) for _ in range(6))
    errors = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(error) for error in errors] == [ValrRateLimitedError] * 6
    assert troubles.pause(CONSTANTS.PUBLIC_LIMIT_ID) <= 0.3125


async def test_rate_limit_until_a_date(server: Server, client: ValrRestClient) -> None:
    server.answers(
        429, "", headers={"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)}
    )
    with pytest.raises(ValrRateLimitedError) as caught:
        await client.request(RESTMethod.GET, CONSTANTS.PAIRS_PATH)
    assert caught.value.retry_after is not None
    assert 20 < caught.value.retry_after <= 30


# --- No answers -------------------------------------------------------------------------------------------------------
async def test_no_answer_in_time_leaves_the_outcome_open(server: Server, client: ValrRestClient) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    server.handler = handler
    with pytest.raises(ValrUnknownOutcomeError, match=r"within 0\.05 s"):
        await client.request(RESTMethod.GET, CONSTANTS.PAIRS_PATH, deadline=0.05)


async def test_the_wait_for_the_rate_limit_is_no_wait_for_an_answer(server: Server) -> None:
    limits = [RateLimit(CONSTANTS.PUBLIC_LIMIT_ID, 1, 0.8)]
    async with build_api_factory(ValrThrottler(limits)) as api:
        client = ValrRestClient(api, server.url, troubles())
        server.answers(200, "[]")
        ask = functools.partial(client.request, RESTMethod.GET, CONSTANTS.PAIRS_PATH, deadline=0.6)
        assert await asyncio.gather(ask(), ask()) == [[], []]


@pytest.mark.parametrize("reason", ["our share is used up", "VALR has refused one"])
async def test_what_is_not_wanted_any_more_after_the_wait_is_not_sent(server: Server, reason: str) -> None:
    limit_id, metrics, reasons = CONSTANTS.PLACE_LIMIT_ID, Metrics(), ["a strategy wants it"]

    def require_reasons() -> None:
        if not reasons:
            raise ValrWithdrawnError("not wanted any more")

    async with build_api_factory(ValrThrottler([RateLimit(limit_id, 1, 0.1)])) as api:
        troubles = ConnectionTroubles(lambda: logging.getLogger("test"), metrics=metrics)
        client = ValrRestClient(api, server.url, troubles)
        if reason == "VALR has refused one":
            troubles.rate_limited(limit_id, time.monotonic(), 0.05)
        else:
            api.throttler.count(limit_id)
        path = CONSTANTS.PLACE_LIMIT_PATH
        placing = asyncio.create_task(
            client.request(RESTMethod.POST, path, body={}, limit_id=limit_id, before_sending=require_reasons)
        )
        await asyncio.sleep(0)
        reasons.clear()
        with pytest.raises(ValrWithdrawnError):
            await placing
    assert server.requests == []
    assert metrics.counters.rest_errors == 0


async def test_connection_that_drops_leaves_the_outcome_open(server: Server, client: ValrRestClient) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    server.handler = handler
    with pytest.raises(ValrUnknownOutcomeError, match="no usable answer to POST /v2/orders/limit"):
        await client.request(RESTMethod.POST, CONSTANTS.PLACE_LIMIT_PATH, body={}, signed=True)


async def test_text_in_an_unknown_encoding_leaves_the_outcome_open(server: Server, client: ValrRestClient) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"\xff\xfe\xfa", content_type="application/json", charset="utf-8")

    server.handler = handler
    with pytest.raises(ValrUnknownOutcomeError, match="UnicodeDecodeError"):
        await client.request(RESTMethod.GET, CONSTANTS.PAIRS_PATH)


async def test_refused_connection_means_not_sent(api: WebAssistantsFactory) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        client = ValrRestClient(api, f"http://127.0.0.1:{unused.getsockname()[1]}", troubles())
        with pytest.raises(ValrNotSentError, match="cannot connect for GET"):
            await client.request(RESTMethod.GET, CONSTANTS.PAIRS_PATH)


def test_all_failures_are_one_family_of_os_errors() -> None:
    """Hummingbot's base class treats OSError, and only that, as a failed request."""
    assert issubclass(ValrRequestError, OSError)
    for error in (ValrRefusedError, ValrNotSentError, ValrRateLimitedError, ValrUnknownOutcomeError):
        assert issubclass(error, ValrRequestError)


# --- Requests ---------------------------------------------------------------------------------------------------------
async def test_body_is_signed_as_it_is_sent(server: Server, client: ValrRestClient) -> None:
    server.answers(202)
    body = {"pair": "BTCZAR", "orderId": "1-2"}
    await client.request(RESTMethod.DELETE, CONSTANTS.CANCEL_ORDER_PATH, body=body, signed=True)
    method, path, sent, headers = server.requests[0]
    assert (method, path, json.loads(sent)) == ("DELETE", CONSTANTS.CANCEL_ORDER_PATH, body)
    assert headers["X-VALR-SIGNATURE"] == sign("secret", 1000, "DELETE", path, sent)
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"] == "hummingbot-valr"


async def test_query_is_signed_as_it_is_sent(server: Server, client: ValrRestClient) -> None:
    server.answers(200, "[]")
    path = CONSTANTS.PAIR_TRADE_HISTORY_PATH.format(symbol="BTCZAR", skip=0, limit=10)
    await client.request(RESTMethod.GET, path, signed=True)
    await client.request(RESTMethod.GET, "/v1/account/balances", params={"a": "b c"}, signed=True)
    await client.request(RESTMethod.GET, CONSTANTS.BALANCES_PATH, signed=True, headers={"X-Other": "1"})
    assert server.requests[0][1] == path
    for method, sent_path, sent, headers in server.requests:
        assert headers["X-VALR-SIGNATURE"] == sign("secret", 1000, method, sent_path, sent)
    assert server.requests[2][3]["X-Other"] == "1"


async def test_public_requests_are_not_signed(server: Server, client: ValrRestClient) -> None:
    server.answers(200, "[]")
    await client.request(RESTMethod.GET, "", url=f"{server.url}/elsewhere")
    assert server.requests[0][1] == "/elsewhere"
    assert "X-VALR-SIGNATURE" not in server.requests[0][3]


@pytest.mark.parametrize(
    ("path", "signed", "limit_id", "expected"),
    [
        (CONSTANTS.SERVER_TIME_PATH, False, None, CONSTANTS.TIME_LIMIT_ID),
        (CONSTANTS.PAIRS_PATH, False, None, CONSTANTS.PUBLIC_LIMIT_ID),
        (CONSTANTS.BALANCES_PATH, True, None, CONSTANTS.PRIVATE_LIMIT_ID),
        (CONSTANTS.PLACE_LIMIT_PATH, True, CONSTANTS.PLACE_LIMIT_ID, CONSTANTS.PLACE_LIMIT_ID),
    ],
)
async def test_each_request_counts_against_its_limit(
    server: Server, api: WebAssistantsFactory, path: str, signed: bool, limit_id: str | None, expected: str
) -> None:
    server.answers(200, "[]")
    await ValrRestClient(api, server.url, troubles()).request(RESTMethod.GET, path, signed=signed, limit_id=limit_id)
    assert api.throttler.used(expected) == 1


SERVER_TIME = '{"epochTime":1700000000,"time":"2023-11-14T22:13:20.512Z"}'


async def test_server_time_is_in_seconds(server: Server, client: ValrRestClient) -> None:
    server.answers(200, SERVER_TIME)
    assert 1_700_000_000 <= await client.server_time() < 1_700_000_001
    assert server.requests[0][:2] == ("GET", CONSTANTS.SERVER_TIME_PATH)


async def test_hummingbots_server_time_is_in_milliseconds() -> None:
    with aioresponses() as mock:
        mock.get(CONSTANTS.REST_URL + CONSTANTS.SERVER_TIME_PATH, body=SERVER_TIME)
        assert 1_700_000_000_000 <= await get_current_server_time() < 1_700_000_001_000


# --- Connections ------------------------------------------------------------------------------------------------------
def test_each_event_loop_gets_a_session_of_its_own() -> None:
    connections = ValrConnectionsFactory()

    async def session() -> aiohttp.ClientSession:
        first = await connections._get_shared_client()
        assert await connections._get_shared_client() is first
        await first.close()
        return first

    assert asyncio.run(session()) is not asyncio.run(session())


def test_connectors_do_not_share_a_session() -> None:
    assert ValrConnectionsFactory() is not ValrConnectionsFactory()


# --- Addresses --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("domain", "url", "rest", "websocket"),
    [
        ("valr", None, "https://api.valr.com", "wss://api.valr.com"),
        ("valr", "http://elsewhere/", "http://elsewhere", "ws://elsewhere"),
        ("valr_loopback", None, "http://127.0.0.1:8675", "ws://127.0.0.1:8675"),
        ("valr_loopback", "", "http://127.0.0.1:8675", "ws://127.0.0.1:8675"),
        ("valr_loopback", "http://127.0.0.1:1/", "http://127.0.0.1:1", "ws://127.0.0.1:1"),
        ("valr_loopback", "https://host", "https://host", "wss://host"),
    ],
)
def test_endpoints(domain: str, url: str | None, rest: str, websocket: str) -> None:
    endpoints = Endpoints.for_domain(domain, url)
    assert endpoints == Endpoints(rest, websocket)
    assert endpoints.socket(CONSTANTS.TRADE_SOCKET_PATH) == f"{websocket}/ws/trade"


def test_urls_that_hummingbot_builds() -> None:
    assert public_rest_url("/v1/public/time") == "https://api.valr.com/v1/public/time"
    assert private_rest_url("/v1/account/balances", domain="valr_loopback") == (
        "http://127.0.0.1:8675/v1/account/balances"
    )
