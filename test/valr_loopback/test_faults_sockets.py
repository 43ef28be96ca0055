"""Faults of the sockets themselves: cut, closed, silent, refused; and frames of books that cannot be right."""

import asyncio

import aiohttp
import pytest

from test.valr_loopback.client import Books, cancel, faulty, place, until
from valr_loopback.fault_kinds import FaultKind

SUBSCRIBE = {"type": "SUBSCRIBE", "subscriptions": [{"event": "ORDER_STATUS_UPDATE"}]}


async def handshake(client):
    """Return the status and body with which a new account socket is refused."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        async with client.socket():
            pass
    return refusal.value.status, refusal.value.headers


# The end of a socket


async def test_account_sockets_are_cut():
    async with faulty({"kind": "account_socket_close", "times": 1}) as (server, client), client.socket() as socket:
        await socket.reply(place(), "a")
        assert await socket.closed() == 1006
        assert Books(server).orders() == {"a": "Placed"}


@pytest.mark.parametrize(("form", "codes"), [("1000", {1000}), (1012, {1012}), ("any", {1000, 1012})])
async def test_account_sockets_are_closed(form, codes):
    fault = {"kind": "account_socket_close_cleanly", "form": form, "times": 1}
    async with faulty(fault) as (server, client), client.socket() as socket, client.socket("/ws/trade") as market:
        await socket.reply(place(), "a")
        assert await socket.closed() in codes
        assert not market.socket.closed
        assert Books(server).orders() == {"a": "Placed"}
        async with client.socket() as again:
            assert [row["customerOrderId"] for row in await again.one("OPEN_ORDERS_UPDATE")] == ["a"]


async def test_account_sockets_fall_silent():
    async with faulty({"kind": "account_socket_silent", "times": 1}) as (server, client), client.socket() as socket:
        await until(lambda: server.faults.struck[FaultKind.ACCOUNT_SOCKET_SILENT])
        heard = len(socket.frames)
        await socket.send(place())
        await until(lambda: server.exchange.open_orders(server.account_id))
        async with client.socket() as other:
            await other.settled()
        assert len(socket.frames) == heard
        assert not socket.socket.closed
        assert Books(server).orders() == {"a": "Placed"}


async def test_subscribing_closes_the_account_socket():
    fault = {"kind": "account_socket_closes_on_subscribe", "times": 1}
    async with faulty(fault) as (server, client), client.socket() as socket:
        await socket.reply(place(), "a")
        await socket.send({"type": "UNSUBSCRIBE", "requests": [{"event": "BALANCE_UPDATE"}]})
        await socket.one("UNSUBSCRIBED")
        await socket.send(SUBSCRIBE)
        assert await socket.closed() == 1000
        assert "SUBSCRIBED" not in socket.kinds()
        assert Books(server).orders() == {"a": "Placed"}
        async with client.socket() as again:
            await again.send(SUBSCRIBE)
            await again.one("SUBSCRIBED")


# Handshakes


@pytest.mark.parametrize(("form", "status"), [("", 503), ("503", 503), (429, 429)])
async def test_account_sockets_are_refused(form, status):
    async with faulty({"kind": "account_socket_refused", "form": form, "times": 1}) as (_, client):
        refused, headers = await handshake(client)
        assert (refused, headers.get("x-valr-ratelimited")) == (status, "true" if status == 429 else None)
        async with client.socket() as socket, client.socket("/ws/trade") as market:
            await socket.one("AUTHENTICATED")
            await market.one("AUTHENTICATED")


async def test_account_sockets_are_reset():
    async with faulty({"kind": "account_socket_refused", "form": "reset"}) as (server, client):
        with pytest.raises(aiohttp.ClientConnectionError):
            async with client.socket():
                pass
        assert server.faults.struck[FaultKind.ACCOUNT_SOCKET_REFUSED]
        assert server.accounts.sessions == []


@pytest.mark.parametrize(
    ("form", "status", "code"), [("ip", 401, -11272), ("signature", 401, -11252), ("permission", 403, -11273)]
)
async def test_keys_are_refused(form, status, code):
    headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
    async with faulty({"kind": "account_key_refused", "form": form}) as (_, client):
        assert (await handshake(client))[0] == status
        assert (await client.call("GET", "/ws/account", headers=headers)).error == (status, code)
        assert (await client.call("GET", "/v1/orders/open")).status == 200


# All at once


async def test_everything_at_once_leaves_the_ledger_right():
    kinds = [kind for kind in FaultKind if not kind.startswith(("account_", "read_only", "clock_off", "pair_inactive"))]
    some = [{"kind": kind, "probability": 0.3} for kind in kinds]
    async with faulty(*some, market=True, market_pace=20, seed=4) as (server, client), client.socket() as socket:
        books = Books(server)
        for number in range(120):
            await socket.send(place(f"n{number}", price=str(1_880_000 - number * 10)))
            if number > 10:
                await socket.send(cancel(f"n{number - 10}"))
            if number % 10 == 0:
                await asyncio.sleep(0.02)
        server.faults.clear()
        await socket.settled()
        assert sum(server.faults.struck.values()) > 200
        states = books.orders()
        assert set(states.values()) <= {"Placed", "Cancelled", "Filled", "Partially Filled", "Failed"}
        traded = {trade.order_id for trade in server.exchange.trades(server.account_id)}
        for order in server.exchange.orders(server.account_id):
            filled = sum(t.quantity for t in server.exchange.trades(server.account_id) if t.order_id == order.id)
            assert (order.id in traded, filled) == (order.executed > 0, order.executed)


# Books


@pytest.mark.parametrize("event", ["OB_L1_DIFF", "FULL_ORDERBOOK_UPDATE"])
async def test_gaps_and_wrong_checksums_of_books(event):
    faults = [
        {"kind": "book_gap", "nth": {2}, "pair": "BTCZAR", "event": event},
        {"kind": "book_bad_checksum", "nth": {3}},
        {"kind": "book_gap", "pair": "ETHZAR"},
    ]
    async with faulty(*faults) as (server, client), client.socket("/ws/trade", sign=False) as socket:
        await socket.send({"type": "SUBSCRIBE", "subscriptions": [{"event": event, "pairs": ["BTCZAR"]}]})
        await socket.settled()
        right = []
        for price in range(1_000_000, 1_000_005):
            server.exchange.place_limit(server.account_id, "BTCZAR", "buy", "0.1", str(price))
            feed = server.data.feeds["BTCZAR"]
            right.append(feed.l1_checksum() if event == "OB_L1_DIFF" else feed.full_checksum())
        await socket.settled()
        frames = [frame.get("d") or frame["data"] for frame in socket.frames if frame["type"] == event]
        got = [frame.get("cs", frame.get("Checksum")) for frame in frames]
        assert got == [right[0], right[2], right[3] ^ 1, right[4]]


async def test_dropped_frames_of_the_market():
    fault = {"kind": "drop_event", "event": "OB_L1_DIFF", "pair": "BTCZAR"}
    async with faulty(fault) as (server, client), client.socket("/ws/trade", sign=False) as socket:
        await socket.send({"type": "SUBSCRIBE", "subscriptions": [{"event": "OB_L1_DIFF"}]})
        await socket.settled()
        for pair, price in (("BTCZAR", "1000000"), ("ETHZAR", "50000")):
            server.exchange.place_limit(server.account_id, pair, "buy", "0.1", price)
        await socket.settled()
        assert [frame["ps"] for frame in socket.frames if frame["type"] == "OB_L1_DIFF"] == ["ETHZAR"]
