"""Faults of REST calls, of lookups, and of the exchange as a whole: its clock, its status, its pairs."""

import errno
import time
from email.utils import parsedate_to_datetime

import aiohttp
import pytest

from test.valr_loopback.client import Books, add_rival, faulty, limit, running, until
from valr_loopback.fault_kinds import FaultKind
from valr_loopback.faults import Fault
from valr_loopback.times import parse_iso

ORDERS = "/v1/orders/limit"
START = 1_795_000_000.0


@pytest.mark.parametrize(
    ("kind", "status"), [("rest_429", 429), ("rest_503", 503), ("rest_500", 500), ("rest_html_400", 400)]
)
async def test_calls_are_answered_with_pages_and_not_done(kind, status):
    async with faulty({"kind": kind, "path": "/orders/"}) as (server, client):
        reply = await client.call("POST", ORDERS, limit())
        assert (reply.status, reply.text[:9], reply.headers["Content-Type"][:9]) == (status, "<!doctype", "text/html")
        assert reply.headers.get("x-valr-ratelimited") == ("true" if status == 429 else None)
        assert (await client.public("/time")).status == 200
        assert Books(server).orders() == {}


async def test_rest_timeouts_do_nothing():
    async with faulty({"kind": "rest_timeout", "delay": 0.1}) as (server, client):
        with pytest.raises(aiohttp.ClientError):
            await client.call("POST", ORDERS, limit())
        assert Books(server).orders() == {}


async def met(client, verb, path, body=None):
    """Return how a fresh connection ends that gets no answer."""
    with pytest.raises(aiohttp.ClientConnectionError) as error:
        await client.call(verb, path, body)
    return error.value


@pytest.mark.parametrize(("form", "done"), [("before", {}), ("after", {"a": "Placed"})])
@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_connections_are_reset_before_or_after_a_call_is_done(form, done, version):
    async with faulty({"kind": "rest_reset", "form": form, "path": "/orders/"}) as (server, client):
        error = await met(client, "POST", f"/{version}/orders/limit", limit(customerOrderId="a"))
        assert error.errno == errno.ECONNRESET
        books = Books(server)
        await until(lambda: books.orders() == done)
        assert (await client.public("/time")).status == 200


async def test_resets_before_and_after_are_drawn():
    async with faulty({"kind": "rest_reset", "path": "/orders/"}) as (server, client):
        for number in range(30):
            await met(client, "POST", ORDERS, limit(customerOrderId=f"n{number}"))
        await until(lambda: not server.exchange.waiting)
        assert 5 < len(Books(server).orders()) < 25


@pytest.mark.parametrize("path", [ORDERS, "/v2/orders/limit"])
async def test_slow_answers_to_calls_done_at_once(path):
    async with faulty({"kind": "rest_slow", "delay": [0.2, 0.3], "path": "/orders"}) as (server, client):
        books = Books(server)
        began = time.monotonic()
        reply = await client.call("POST", path, limit(customerOrderId="a"))
        assert 0.2 <= time.monotonic() - began < 2
        assert reply.status < 300
        assert books.orders() == {"a": "Placed"}
        began = time.monotonic()
        assert (await client.call("POST", path, limit(customerOrderId="a"))).status == 400
        assert time.monotonic() - began >= 0.2


# Lookups

LOOKUPS = {
    "/v1/orders/BTCZAR/customerorderid/a": ({"code": -1, "message": "Invalid Order. "}, True),
    "/v1/orders/history/summary/customerorderid/a": ({"code": -1, "message": "Invalid Order. "}, False),
    "/v1/orders/history/detail/customerorderid/a": ([], True),
    "/v1/orders/open": ([], True),
    "/v1/orders/history?statuses=PLACED": ([], True),
}


def found(reply):
    return reply.status == 200 and reply.json != []


@pytest.mark.parametrize("path", LOOKUPS)
async def test_lookups_do_not_see_fresh_orders(path):
    unseen, findable = LOOKUPS[path]
    moment = [START]
    fault = Fault(kind="lookup_blind", orders=["a"])
    async with running(clock=lambda: moment[0], faults=(fault,)) as (server, client):
        await client.call("POST", "/v2/orders/limit", limit(customerOrderId="a"))
        assert (await client.call("GET", path)).json == unseen
        assert Books(server).orders() == {"a": "Placed"}
        moment[0] += 4.99
        assert (await client.call("GET", path)).json == unseen
        moment[0] += 0.02
        assert found(await client.call("GET", path)) is findable
        await client.call("POST", "/v2/orders/limit", limit(customerOrderId="b"))
        assert found(await client.call("GET", path.replace("/a", "/b"))) is findable


async def test_only_some_lookups_are_blind():
    async with faulty({"kind": "lookup_blind", "path": "/orders/open", "delay": 60}) as (_, client):
        await client.call("POST", "/v2/orders/limit", limit(customerOrderId="a"))
        seen = {path: found(await client.call("GET", path)) for path in LOOKUPS}
        assert [path for path in LOOKUPS if LOOKUPS[path][1] and not seen[path]] == ["/v1/orders/open"]


async def test_unknown_orders_are_answered_404():
    async with faulty({"kind": "lookup_404", "nth": [1]}) as (_, client):
        replies = [await client.call("GET", "/v1/orders/BTCZAR/customerorderid/none") for _ in range(2)]
        assert [reply.error for reply in replies] == [(404, -1), (400, -1)]
    async with faulty("lookup_404") as (_, client):
        assert (await client.call("GET", "/v1/orders/history/summary/orderid/none")).error == (404, -1)
        await client.call("POST", "/v2/orders/limit", limit(customerOrderId="a"))
        assert found(await client.call("GET", "/v1/orders/BTCZAR/customerorderid/a"))


# Read-only


async def test_an_exchange_that_is_read_only_for_a_while():
    moment = [START]
    fault = Fault(kind="read_only", from_seconds=10, for_seconds=5)
    async with running(clock=lambda: moment[0], faults=(fault,)) as (server, client):
        seen = []
        for _ in range(3):
            calls = [await client.call("POST", ORDERS, limit()), await client.call("DELETE", "/v1/orders", {})]
            calls.append(await client.call("PUT", "/v2/orders/modify", {}))
            status = (await client.public("/status")).json["status"]
            assert (await client.call("GET", "/v1/orders/open")).status == 200
            seen.append((status, {reply.status for reply in calls} == {503}))
            moment[0] += 10
        assert seen == [("online", False), ("read-only", True), ("online", False)]
        Books(server).check()
        assert len(server.exchange.orders(server.account_id)) == 2


# The clock


@pytest.mark.parametrize("offset", [300, -300.5])
async def test_the_servers_clock_is_off(offset):
    async with faulty({"kind": "clock_off", "offset": offset}) as (server, client):
        rival = add_rival(server)
        books = Books(server)
        assert (await client.call("GET", "/v1/orders/open")).error == (401, -11252)
        reply = await client.public("/time")
        told = reply.json
        assert abs(parsedate_to_datetime(reply.headers["Date"]).timestamp() - time.time() - offset) < 3
        assert abs(told["epochTime"] - time.time() - offset) < 3
        assert abs(parse_iso(told["time"]) / 1000 - time.time() - offset) < 3

        client.clock = lambda: time.time() + offset
        async with client.socket() as socket, client.socket("/ws/trade") as market:
            await market.send({"type": "SUBSCRIBE", "subscriptions": [{"event": "OB_L1_DIFF", "pairs": ["BTCZAR"]}]})
            assert (await client.call("POST", "/v2/orders/limit", limit(customerOrderId="a"))).status == 201
            server.exchange.place_limit(rival, "BTCZAR", "sell", "0.0004", "1800000")
            [order] = server.exchange.open_orders(server.account_id)
            stamp = order.created_ms + offset * 1000
            update = await socket.one("ORDER_STATUS_UPDATE", orderStatusType="Placed")
            assert parse_iso(update["orderCreatedAt"]) == stamp
            [trade] = [(await socket.one("NEW_ACCOUNT_TRADE"))["tradedAt"]]
            await market.settled()
            diff = next(frame["d"] for frame in market.frames if frame["type"] == "OB_L1_DIFF")
            assert abs(diff["lc"] - stamp) < 1000

        looked_up = (await client.call("GET", "/v1/orders/BTCZAR/customerorderid/a")).json
        assert parse_iso(looked_up["orderCreatedAt"]) == stamp
        assert found(await client.call("GET", f"/v1/account/tradehistory?startTime={trade}&endTime={trade}"))
        assert not found(
            await client.call("GET", f"/v1/account/tradehistory?endTime={update['orderCreatedAt'][:16]}:00Z")
        )
        assert books.orders() == {"a": "Partially Filled"}
        truth = (await client.call("GET", "/loopback/ledger", sign=False)).json["orders"][0]["createdAt"]
        assert parse_iso(truth) == order.created_ms


async def test_candles_are_asked_for_by_the_servers_clock():
    hour = 3600
    moment = [START]
    fault = Fault(kind="clock_off", offset=hour)
    async with running(clock=lambda: moment[0], faults=(fault,), market=True, market_pace=0.01) as (server, client):
        begins = int(START) // 60 * 60
        path = (
            f"/v1/public/BTCZAR/buckets?periodSeconds=60&startTime={begins + hour - 600}&endTime={begins + hour - 60}"
        )
        rows = (await client.call("GET", path, sign=False)).json
        stamps = [parse_iso(row["startTime"]) // 1000 - begins for row in rows]
        assert stamps == list(range(hour - 60, hour - 601, -60))
        server.faults.clear()
        same = (await client.call("GET", path.replace(str(begins + hour - 600), str(begins - 600)), sign=False)).json
        assert [row["close"] for row in same][-10:] == [row["close"] for row in rows]


# Pairs


async def test_a_pair_goes_inactive_and_comes_back():
    moment = [START]
    fault = Fault(kind="pair_inactive", pair="BTCZAR", from_seconds=10, for_seconds=5, every=20)
    async with running(clock=lambda: moment[0], faults=(fault,)) as (server, client), client.socket() as socket:
        books = Books(server)
        for window in range(2):
            client_order_id = f"n{window}"
            await client.call("POST", "/v2/orders/limit", limit(customerOrderId=client_order_id))
            await client.call("POST", "/v2/orders/limit", limit(pair="ETHZAR", price="60000", quantity="0.1"))
            moment[0] += 10
            await socket.one("ORDER_STATUS_UPDATE", customerOrderId=client_order_id, orderStatusType="Cancelled")
            assert (await client.call("POST", "/v2/orders/limit", limit())).error == (400, -32)
            types = (await client.public("/ordertypes?includeInactivePairs=false")).json
            assert "BTCZAR" not in {row["currencyPair"] for row in types}
            moment[0] += 10
            await until(lambda: server.exchange.engine.pairs["BTCZAR"].active)
        states = [(order.pair.symbol, order.status) for order in server.exchange.orders(server.account_id)]
        assert states == [("BTCZAR", "Cancelled"), ("ETHZAR", "Placed")] * 2
        books.check()
        assert server.faults.struck == {FaultKind.PAIR_INACTIVE: 2}


async def test_a_pair_comes_back_when_the_fault_is_lifted():
    async with faulty({"kind": "pair_inactive", "pair": "BTCZAR"}) as (server, _):
        pairs = server.exchange.engine.pairs
        await until(lambda: not pairs["BTCZAR"].active)
        server.faults.clear()
        await until(lambda: pairs["BTCZAR"].active)
