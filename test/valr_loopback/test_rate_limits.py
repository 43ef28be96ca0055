"""Rate limits of REST, handshakes and socket commands (valr-api.md 1.6)."""

import aiohttp
import pytest

from test.valr_loopback.client import limit, running, signed
from valr_loopback.rate_limits import PER_IP, PER_KEY, PUBLIC, RateLimiter

START = 1_795_000_020.0
START_MS = 1_795_000_020_000


def taken(limiter, verb, path, times, key="k", now_ms=START_MS):
    return sum(limiter.take_request(verb, path, "ip", key, now_ms) for _ in range(times))


@pytest.mark.parametrize(
    ("verb", "path", "allowed"),
    [
        ("POST", "/v1/orders/limit", 400),
        ("POST", "/v2/orders/market", 400),
        ("DELETE", "/v1/orders", 450),
        ("DELETE", "/v2/orders/order", 450),
        ("POST", "/v1/batch/orders", 400),
        ("PUT", "/v2/orders/modify", 400),
        ("GET", "/v1/public/time", 20),
        ("GET", "/v1/public/BTCZAR/buckets", 20),
    ],
)
def test_per_second_routes_start_anew_each_second_and_spare_the_minute(verb, path, allowed):
    limiter = RateLimiter()
    for second in range(8):
        assert taken(limiter, verb, path, 500, now_ms=START_MS + 1000 * second) == allowed
    assert taken(limiter, "GET", "/v1/orders/open", 1) == 1


def test_public_routes_share_30_a_minute():
    limiter = RateLimiter()
    assert taken(limiter, "GET", "/v1/public/pairs", 20, key="") == 20
    assert taken(limiter, "GET", "/v1/public/BTCZAR/orderbook", 20, key="") == 10
    assert taken(limiter, "GET", "/v1/public/pairs", 40, key="", now_ms=START_MS + 60_000) == PUBLIC.count


def test_signed_routes_count_for_the_address_and_for_the_key():
    limiter = RateLimiter()
    assert taken(limiter, "GET", "/v1/orders/open", 1300, key="a") == PER_IP.count
    by_key = RateLimiter()
    allowed = [by_key.take_request("GET", "/v1/orders/open", f"ip {n}", "a", START_MS) for n in range(2100)]
    assert sum(allowed) == PER_KEY.count


async def test_too_many_requests_get_a_page_and_a_header():
    async with running(clock=lambda: START) as (_, client):
        replies = [await client.public("/pairs") for _ in range(31)]
        assert [reply.status for reply in replies] == [200] * 30 + [429]
        assert replies[-1].headers["x-valr-ratelimited"] == "true"
        assert replies[-1].text.startswith("<!doctype html>")
        assert (await client.public("/time")).status == 200


async def test_limits_can_be_switched_off():
    async with running(clock=lambda: START, rate_limits=False) as (_, client):
        assert {(await client.public("/pairs")).status for _ in range(40)} == {200}


async def test_60_handshakes_a_minute():
    async with running(clock=lambda: START) as (_, client):
        for _ in range(60):
            async with client.socket("/ws/trade", sign=False):
                pass
        for path in ("/ws/trade", "/ws/account"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await client.session.ws_connect(client.server.websocket_url + path)
            assert refusal.value.status == 429


@pytest.mark.parametrize(
    ("command", "payload", "allowed"),
    [
        ("PLACE_LIMIT_ORDER", limit(quantity="0.00000001"), 400),
        ("CANCEL_LIMIT_ORDER", {"pair": "BTCZAR", "orderId": "x"}, 450),
    ],
)
async def test_too_many_commands_are_told_so_and_the_socket_stays_open(command, payload, allowed):
    async with running(clock=lambda: START) as (server, client):
        headers = signed(client.key, client.secret, "GET", "/ws/account", timestamp=str(START_MS))
        async with client.session.ws_connect(server.websocket_url + "/ws/account", headers=headers) as socket:
            for number in range(allowed + 1):
                await socket.send_json({"type": command, "clientMsgId": str(number), "payload": payload})
            frames = []
            while not frames or frames[-1].get("clientMsgId") != str(allowed):
                frame = await socket.receive_json(timeout=5)
                if "clientMsgId" in frame:
                    frames.append(frame)
            limited = [frame for frame in frames if frame["type"] == "RATE_LIMIT_EXCEEDED"]
            assert limited == [
                {"type": "RATE_LIMIT_EXCEEDED", "data": {"requestType": command}, "clientMsgId": str(allowed)}
            ]
            await socket.send_json({"type": "PING"})
