"""Faults of placing and cancelling, over the account socket and over REST: what is said, and what is true."""

import aiohttp
import pytest

from test.valr_loopback.client import Books, add_rival, cancel, faulty, limit, place, running, until
from valr_loopback.fault_kinds import FaultKind
from valr_loopback.faults import Fault

ORDERS = "/v1/orders/limit"
OPEN, CANCELLED, FILLED = "Placed", "Cancelled", "Filled"


async def placed(socket, *client_order_ids):
    for client_order_id in client_order_ids:
        await socket.send(place(client_order_id))
    for client_order_id in client_order_ids:
        await socket.one("ORDER_PROCESSED", customerOrderId=client_order_id)


def cancel_body(client_order_id="a"):
    return {"customerOrderId": client_order_id, "pair": "BTCZAR"}


# Cancels over the socket


async def test_a_lost_cancel_reply_over_the_socket():
    async with faulty("cancel_ack_lost") as (server, client), client.socket() as socket:
        await placed(socket, "a")
        await socket.send(cancel())
        await socket.one("ORDER_STATUS_UPDATE", orderStatusType=CANCELLED)
        await socket.settled()
        assert "CANCEL_ORDER_WS_RESPONSE" not in socket.kinds()
        assert Books(server).orders() == {"a": CANCELLED}


async def test_a_late_cancel():
    async with faulty({"kind": "cancel_executed_late", "delay": 0.2}) as (server, client), client.socket() as socket:
        await placed(socket, "a")
        await socket.send(cancel())
        await socket.one("CANCEL_ORDER_WS_RESPONSE", requested=True)
        assert Books(server).orders() == {"a": OPEN}
        await socket.one("ORDER_STATUS_UPDATE", orderStatusType=CANCELLED)


async def test_a_cancel_that_is_never_done():
    async with faulty({"kind": "cancel_never_executed", "times": 1}) as (server, client), client.socket() as socket:
        await placed(socket, "a")
        await socket.send(cancel())
        await socket.one("CANCEL_ORDER_WS_RESPONSE", requested=True)
        await socket.settled()
        assert Books(server).orders() == {"a": OPEN}
        await socket.send(cancel())
        await socket.one("ORDER_STATUS_UPDATE", orderStatusType=CANCELLED)


async def test_a_cancel_refused_though_the_order_is_open():
    fault = {"kind": "cancel_refused_though_open", "times": 1}
    async with faulty(fault) as (server, client), client.socket() as socket:
        await placed(socket, "a")
        await socket.send(cancel())
        await socket.one("CANCEL_ORDER_WS_RESPONSE", requested=True)
        await socket.one("FAILED_CANCEL_ORDER", customerOrderId="a")
        assert Books(server).orders() == {"a": OPEN}
        assert [row["customerOrderId"] for row in (await client.call("GET", "/v1/orders/open")).json] == ["a"]
        await socket.send(cancel())
        await socket.one("ORDER_STATUS_UPDATE", orderStatusType=CANCELLED)


@pytest.mark.parametrize("market", [False, True])
async def test_a_cancel_loses_to_a_fill(market):
    async with faulty("cancel_loses_to_fill", market=market) as (server, client), client.socket() as socket:
        books = Books(server)
        await placed(socket, "a")
        await socket.send(cancel())
        await socket.one("CANCEL_ORDER_WS_RESPONSE", requested=True)
        trade = await socket.one("NEW_ACCOUNT_TRADE", customerOrderId="a")
        await socket.one("ORDER_STATUS_UPDATE", customerOrderId="a", orderStatusType=FILLED)
        kinds = socket.kinds()
        assert kinds.index("FAILED_CANCEL_ORDER") < kinds.index("NEW_ACCOUNT_TRADE")
        assert (trade["price"], trade["quantity"]) == ("1800000", "0.001")
        assert books.orders() == {"a": FILLED}


async def test_a_cancel_losing_to_a_fill_keeps_price_and_time_priority():
    async with faulty({"kind": "cancel_loses_to_fill", "orders": ["b"]}) as (server, client), client.socket() as socket:
        rival = add_rival(server)
        books = Books(server)
        better = server.exchange.place_limit(rival, "BTCZAR", "buy", "0.002", "1810000")
        earlier = server.exchange.place_limit(rival, "BTCZAR", "buy", "0.003", "1800000")
        await placed(socket, "a", "b", "c")
        await socket.send(cancel("b"))
        await socket.one("ORDER_STATUS_UPDATE", customerOrderId="b", orderStatusType=FILLED)
        assert books.orders() == {"a": FILLED, "b": FILLED, "c": OPEN}
        assert [order.status for order in (better, earlier)] == [FILLED, FILLED]


async def test_a_large_order_is_filled_in_as_many_trades_as_it_takes():
    async with faulty("cancel_loses_to_fill") as (server, client), client.socket() as socket:
        rival = add_rival(server, ZAR=10**11)
        largest = server.exchange.engine.pairs["BTCZAR"].max_quote / 2_000_000
        for _ in range(3):
            server.exchange.place_limit(rival, "BTCZAR", "buy", largest, "2000000")
        await placed(socket, "a")
        books = Books(server)
        await socket.send(cancel())
        await socket.one("ORDER_STATUS_UPDATE", orderStatusType=FILLED)
        assert books.orders() == {"a": FILLED}
        assert server.exchange.open_orders(rival) == []


async def test_an_order_that_has_ended_is_not_filled():
    async with faulty("cancel_loses_to_fill") as (server, client), client.socket() as socket:
        await placed(socket, "a")
        server.exchange.cancel_all(server.account_id)
        await socket.send(cancel())
        await socket.one("FAILED_CANCEL_ORDER")
        assert Books(server).orders() == {"a": CANCELLED}


async def test_only_the_cancels_of_chosen_orders_are_refused():
    fault = {"kind": "cancel_refused_though_open", "orders": ["bad"]}
    async with faulty(fault) as (server, client), client.socket() as socket:
        await placed(socket, "bad-1", "good", "bad-2")
        for order in server.exchange.open_orders(server.account_id):
            # By order id: the fault knows whose it is.
            await socket.send({"type": "CANCEL_LIMIT_ORDER", "payload": {"orderId": order.id, "pair": "BTCZAR"}})
        await socket.one("FAILED_CANCEL_ORDER", customerOrderId="bad-2")
        assert Books(server).orders() == {"bad-1": OPEN, "good": CANCELLED, "bad-2": OPEN}


# Cancels over REST


async def test_a_v1_cancel_refused_though_the_order_is_open():
    async with faulty("cancel_refused_though_open") as (server, client), client.socket() as socket:
        await placed(socket, "a")
        assert (await client.call("DELETE", "/v1/orders/order", cancel_body())).status == 202
        await socket.one("FAILED_CANCEL_ORDER", customerOrderId="a")
        assert Books(server).orders() == {"a": OPEN}


@pytest.mark.parametrize(("kind", "state"), [("cancel_refused_though_open", OPEN), ("cancel_loses_to_fill", FILLED)])
async def test_a_v2_cancel_is_told_there_is_nothing_to_cancel(kind, state):
    async with faulty(kind) as (server, client):
        books = Books(server)
        await client.call("POST", "/v2/orders/limit", limit(customerOrderId="a"))
        assert (await client.call("DELETE", "/v2/orders/order", cancel_body())).error == (400, -16)
        assert books.orders() == {"a": state}


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_lost_replies_over_rest(version):
    async with running(faults=(Fault(kind="place_reply_lost"), Fault(kind="cancel_ack_lost"))) as (server, client):
        with pytest.raises(aiohttp.ClientError):
            await client.call("POST", f"/{version}/orders/limit", limit())
        [order] = await until(lambda: server.exchange.open_orders(server.account_id))
        # aiohttp sends a DELETE again by itself when its connection is cut. Over v1 the second is cut too; over v2 it
        # finds nothing left to cancel.
        body = {"orderId": order.id, "pair": "BTCZAR"}
        if version == "v1":
            with pytest.raises(aiohttp.ClientError):
                await client.call("DELETE", "/v1/orders/order", body)
        else:
            assert (await client.call("DELETE", "/v2/orders/order", body)).error == (400, -16)
        assert server.faults.struck[FaultKind.CANCEL_ACK_LOST] == (2 if version == "v1" else 1)
        await until(lambda: order.ended_ms is not None)


# Placements


async def test_a_lost_placement_reply_of_one_order():
    async with faulty({"kind": "place_reply_lost", "nth": {2}}) as (server, client), client.socket() as socket:
        await placed(socket, "a", "b", "c")
        await socket.settled()
        assert [data["customerOrderId"] for data in socket.of("PLACE_LIMIT_WS_RESPONSE")] == ["a", "c"]
        assert Books(server).orders() == {"a": OPEN, "b": OPEN, "c": OPEN}


async def test_a_late_placement_reply():
    async with faulty({"kind": "place_reply_late", "delay": 0.1}) as (_, client), client.socket() as socket:
        reply = await socket.reply(place(), "late")
        assert reply["data"]["customerOrderId"] == "a"
        assert socket.kinds().index("ORDER_STATUS_UPDATE") < socket.kinds().index("PLACE_LIMIT_WS_RESPONSE")


async def test_events_before_the_reply():
    async with faulty("events_before_reply") as (_, client), client.socket() as socket:
        await socket.reply(place(), "after")
        kinds = socket.kinds()
        assert (
            kinds.index("ORDER_PROCESSED") < kinds.index("BALANCE_UPDATE", 8) < kinds.index("PLACE_LIMIT_WS_RESPONSE")
        )


async def test_a_placement_swallowed_by_the_socket():
    async with faulty({"kind": "place_lost", "side": "buy", "times": 1}) as (server, client), client.socket() as socket:
        await socket.send(place("lost"))
        await placed(socket, "found")
        await socket.settled()
        assert not any("lost" in text for text in socket.texts)
        assert Books(server).orders() == {"found": OPEN}


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_a_placement_swallowed_by_rest(version):
    async with faulty({"kind": "place_lost", "orders": ["lost"]}) as (server, client):
        with pytest.raises(aiohttp.ClientError):
            await client.call("POST", f"/{version}/orders/limit", limit(customerOrderId="lost"))
        assert (await client.call("POST", f"/{version}/orders/limit", "nonsense")).error == (400, -113)
        assert (await client.call("POST", f"/{version}/orders/limit", limit(customerOrderId="b"))).status < 300
        assert Books(server).orders().keys() == {"b"}


async def test_an_order_is_placed_though_the_answer_is_a_page():
    async with faulty("place_html_400_though_placed") as (server, client):
        reply = await client.call("POST", ORDERS, limit())
        assert (reply.status, reply.text[:9], reply.headers["Content-Type"][:9]) == (400, "<!doctype", "text/html")
        await until(lambda: server.exchange.open_orders(server.account_id))


async def test_late_replies_over_rest():
    late = {"kind": "place_reply_late", "delay": 0.1}
    async with faulty(late, "events_before_reply") as (_, client), client.socket() as socket:
        await client.call("POST", ORDERS, limit())
        assert "ORDER_PROCESSED" in socket.kinds()


# Refused commands

COMMANDS = {
    "PLACE_LIMIT_ORDER": place("new"),
    "PLACE_MARKET_ORDER": {
        "type": "PLACE_MARKET_ORDER",
        "payload": {"side": "SELL", "baseAmount": "0.001", "pair": "BTCZAR"},
    },
    "CANCEL_LIMIT_ORDER": cancel("a"),
    "MODIFY_ORDER": {"type": "MODIFY_ORDER", "payload": {"orderId": "?", "pair": "BTCZAR", "newPrice": "1700000"}},
    "BATCH_ORDERS": {
        "type": "BATCH_ORDERS",
        "payload": {"requests": [{"type": "PLACE_LIMIT", "data": limit(customerOrderId="new")}]},
    },
}
INVALID = {
    "PLACE_LIMIT_ORDER": "INVALID_PLACE_LIMIT_REQUEST",
    "PLACE_MARKET_ORDER": "INVALID_PLACE_MARKET_REQUEST",
    "CANCEL_LIMIT_ORDER": "INVALID_CANCEL_ORDER_REQUEST",
    "MODIFY_ORDER": "INVALID_MODIFY_WS_REQUEST",
    "BATCH_ORDERS": "INVALID_BATCH_ORDERS_REQUEST",
}


async def refused(command, **fault):
    """Have a command refused; return its answer, the server and what became of the order there was before."""
    async with faulty({"kind": "command_refused", "command": command, **fault}) as (server, client):
        order = server.exchange.place_limit(server.account_id, "BTCZAR", "buy", "0.1", "1000000", client_order_id="a")
        books = Books(server)
        async with client.socket() as socket:
            await socket.settled()
            heard = len(socket.frames)
            await socket.send({**COMMANDS[command], "clientMsgId": "m"})
            await socket.settled()
            assert server.faults.struck == {FaultKind.COMMAND_REFUSED: 1}
            assert books.orders() == {"a": OPEN}
            assert str(order.price) == "1000000"
            return [frame for frame in socket.frames[heard:] if frame["type"] != "PONG"]


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_command_is_refused_in_its_reply(command):
    for form in ("error", ""):
        [answer] = await refused(command, form=form)
        assert answer["type"].endswith("_WS_RESPONSE")
        assert (answer["error"]["code"], answer["clientMsgId"], "data" in answer) == (-11, "m", False)


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_command_is_refused_as_invalid(command):
    [answer] = await refused(command, form="invalid")
    assert (answer["type"], answer["clientMsgId"]) == (INVALID[command], "m")
    assert answer["message"]
    [anonymous] = await refused(command, form="invalid_without_id")
    assert anonymous == {key: value for key, value in answer.items() if key != "clientMsgId"}


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_command_is_refused_as_not_requested(command):
    [answer] = await refused(command, form="requested_false")
    if command in ("CANCEL_LIMIT_ORDER", "MODIFY_ORDER"):
        assert (answer["data"], answer["clientMsgId"]) == ({"requested": False}, "m")
    else:
        assert answer["error"]["code"] == -11


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_command_is_refused_by_the_rate_limit_or_by_silence(command):
    limited = {"type": "RATE_LIMIT_EXCEEDED", "data": {"requestType": command}, "clientMsgId": "m"}
    assert await refused(command, form="rate_limit") == [limited]
    assert await refused(command, form="silence") == []


async def test_commands_are_refused_in_drawn_forms_and_only_the_chosen_ones():
    fault = {"kind": "command_refused", "form": "any", "command": "CANCEL_LIMIT_ORDER"}
    async with faulty(fault) as (server, client), client.socket() as socket:
        await placed(socket, "a")
        for _ in range(60):
            await socket.send(cancel())
        await socket.settled()
        answers = {(f["type"], "error" in f, "clientMsgId" in f) for f in socket.frames if "CANCEL" in json_of(f)}
        assert len(answers) == 5
        assert Books(server).orders() == {"a": OPEN}


def json_of(frame):
    return f"{frame['type']} {frame.get('data')}"
