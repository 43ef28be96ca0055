"""The account socket: greeting, events in their sequences, commands and refusals (valr-api.md 4, 6.2)."""

import asyncio

import pytest

from test.valr_loopback.client import add_rival, limit, running, until
from valr_loopback import connection

PLACE = "PLACE_LIMIT_ORDER"


def placing(**fields):
    return {"type": PLACE, "payload": limit(**fields)}


async def test_the_greeting_tells_balances_and_open_orders(server, client):
    server.exchange.place_limit(server.account_id, "BTCZAR", "buy", "0.5", "1000000", client_order_id="kept")
    async with client.socket() as socket:
        await socket.one("OPEN_ORDERS_UPDATE")
        assert socket.kinds() == ["AUTHENTICATED"] + ["BALANCE_UPDATE"] * 5 + ["OPEN_ORDERS_UPDATE"]
        [rand] = [data for data in socket.of("BALANCE_UPDATE") if data["currency"]["shortName"] == "ZAR"]
        assert (rand["currency"]["symbol"], rand["reserved"], rand["total"]) == ("R", "500000", "10000000")
        assert "borrowCollateralReserved" in rand
        [[row]] = socket.of("OPEN_ORDERS_UPDATE")
        assert list(row) == [
            "orderId", "side", "quantity", "price", "currencyPair", "createdAt", "originalQuantity",
            "filledPercentage", "customerOrderId", "type", "status", "updatedAt", "timeInForce", "allowMargin",
        ]  # fmt: skip
        assert (row["customerOrderId"], row["quantity"], row["status"]) == ("kept", "0.5", "Placed")


async def since(socket, action):
    """Return the frames an action causes, the answers to pings left out."""
    await socket.settled()
    start = len(socket.frames)
    await action()
    await socket.settled()
    return [frame for frame in socket.frames[start:] if frame["type"] != "PONG"]


async def test_a_resting_order(client):
    async with client.socket() as socket:
        frames = await since(socket, lambda: socket.reply(placing(customerOrderId="r1", postOnly=True)))
        assert [frame["type"] for frame in frames] == [
            "PLACE_LIMIT_WS_RESPONSE", "ORDER_PROCESSED", "ORDER_STATUS_UPDATE", "OPEN_ORDERS_UPDATE", "BALANCE_UPDATE",
        ]  # fmt: skip
        reply, processed, status, opened, balance = (frame["data"] for frame in frames)
        order_id = reply["orderId"]
        assert reply == {"orderId": order_id, "customerOrderId": "r1"}
        assert processed == {"orderId": order_id, "success": True, "failureReason": "", "customerOrderId": "r1"}
        assert list(status) == [
            "orderId", "orderStatusType", "currencyPair", "originalPrice", "remainingQuantity", "originalQuantity",
            "orderSide", "orderType", "failedReason", "orderUpdatedAt", "orderCreatedAt", "customerOrderId",
            "executedPrice", "executedQuantity", "executedFee", "timeInForce",
        ]  # fmt: skip
        assert (status["orderStatusType"], status["orderType"]) == ("Placed", "post-only limit")
        assert [row["orderId"] for row in opened] == [order_id]
        assert balance["reserved"] == "1800"


async def test_a_taker_hears_of_each_trade_before_it_was_processed(server, client):
    server.exchange.place_limit("rival", "BTCZAR", "sell", "0.001", "1900000")
    server.exchange.place_limit("rival", "BTCZAR", "sell", "0.002", "1900001")
    async with client.socket() as socket:
        frames = await since(socket, lambda: socket.reply(placing(price="1900001", quantity="0.003")))
        assert [frame["type"] for frame in frames] == [
            "PLACE_LIMIT_WS_RESPONSE",
            "NEW_ACCOUNT_TRADE", "ORDER_STATUS_UPDATE", "NEW_ACCOUNT_TRADE", "ORDER_STATUS_UPDATE",
            "ORDER_PROCESSED", "BALANCE_UPDATE", "BALANCE_UPDATE", "OPEN_ORDERS_UPDATE",
            "NEW_ACCOUNT_HISTORY_RECORD", "NEW_ACCOUNT_HISTORY_RECORD",
        ]  # fmt: skip
        words = [frame["data"]["orderStatusType"] for frame in frames if frame["type"] == "ORDER_STATUS_UPDATE"]
        assert words == ["Partially Filled", "Filled"]
        trade = frames[1]
        assert trade["currencyPairSymbol"] == "BTCZAR"
        assert trade["data"]["fee"] == "0.000001"
        record = frames[-1]["data"]
        assert record["transactionType"] == {"type": "LIMIT_BUY", "description": "Limit Buy"}
        assert (record["debitValue"], record["creditValue"], record["feeValue"]) == ("3800.002", "0.001998", "0.000002")
        assert (record["debitCurrency"]["symbol"], record["feeCurrency"]["shortName"]) == ("R", "BTC")


async def test_a_maker_filled_in_parts(server, client):
    async with client.socket() as socket:
        await socket.reply(placing(quantity="0.003", customerOrderId="m1"))

        async def sell(quantity="0.001"):
            server.exchange.place_limit("rival", "BTCZAR", "sell", quantity, "1800000")

        frames = await since(socket, sell)
        assert [frame["type"] for frame in frames] == [
            "NEW_ACCOUNT_TRADE", "ORDER_STATUS_UPDATE", "OPEN_ORDERS_UPDATE", "BALANCE_UPDATE", "BALANCE_UPDATE",
            "NEW_ACCOUNT_HISTORY_RECORD",
        ]  # fmt: skip
        trade, status, [row] = (frame["data"] for frame in frames[:3])
        assert (trade["side"], trade["fee"], trade["feeCurrency"], trade["customerOrderId"]) == (
            "buy", "0.0000008", "BTC", "m1",
        )  # fmt: skip
        assert (status["orderStatusType"], status["remainingQuantity"], status["executedFee"]) == (
            "Partially Filled", "0.002", "0.0000008",
        )  # fmt: skip
        assert (row["quantity"], row["filledPercentage"], row["status"]) == ("0.002", "33.33", "Partially Filled")
        frames = await since(socket, lambda: sell("0.002"))
        assert frames[1]["data"]["orderStatusType"] == "Filled"
        assert frames[1]["data"]["remainingQuantity"] == "0"
        assert frames[2]["data"] == []


async def test_a_reward_is_told_in_place_of_a_fee(server, client):
    async with client.socket() as socket:
        server.exchange.place_limit(server.account_id, "USDTZAR", "sell", "100", "18.05")
        server.exchange.place_limit("rival", "USDTZAR", "buy", "100", "18.05")
        trade = await socket.one("NEW_ACCOUNT_TRADE")
        assert (trade["makerReward"], trade["makerRewardCurrency"]) == ("0.01", "USDT")
        assert "fee" not in trade
        assert (await socket.one("ORDER_STATUS_UPDATE", orderStatusType="Filled"))["executedFee"] == "0"


async def test_an_order_that_fails(server, client):
    server.exchange.place_limit("rival", "BTCZAR", "sell", "1", "1800000")
    async with client.socket() as socket:
        frames = await since(socket, lambda: socket.reply(placing(postOnly=True, customerOrderId="f1")))
        assert [frame["type"] for frame in frames] == [
            "PLACE_LIMIT_WS_RESPONSE", "ORDER_PROCESSED", "ORDER_STATUS_UPDATE",
        ]  # fmt: skip
        reason = "Post only cancelled as it would have matched"
        assert (frames[1]["data"]["success"], frames[1]["data"]["failureReason"]) == (False, reason)
        assert (frames[2]["data"]["orderStatusType"], frames[2]["data"]["failedReason"]) == ("Failed", reason)


async def test_a_cancel_is_acknowledged_first_and_done_afterwards(client):
    async with client.socket() as socket:
        order_id = (await socket.reply(placing(customerOrderId="c1")))["data"]["orderId"]
        cancel = {"type": "CANCEL_LIMIT_ORDER", "payload": {"orderId": order_id, "pair": "BTCZAR"}}
        frames = await since(socket, lambda: socket.reply(cancel, "m2"))
        assert [frame["type"] for frame in frames] == [
            "CANCEL_ORDER_WS_RESPONSE", "ORDER_STATUS_UPDATE", "OPEN_ORDERS_UPDATE", "BALANCE_UPDATE",
        ]  # fmt: skip
        assert frames[0]["data"] == {"requested": True, "orderId": order_id, "customerOrderId": "c1"}
        status = frames[1]["data"]
        assert (status["orderStatusType"], status["remainingQuantity"]) == ("Cancelled", "0.001")
        assert frames[2]["data"] == []


async def test_a_cancel_by_client_id_echoes_only_that(client):
    async with client.socket() as socket:
        await socket.reply(placing(customerOrderId="c2"))
        cancel = {"type": "CANCEL_LIMIT_ORDER", "payload": {"customerOrderId": "c2", "pair": "BTCZAR"}}
        assert (await socket.reply(cancel, "m2"))["data"] == {"requested": True, "customerOrderId": "c2"}
        await socket.one("ORDER_STATUS_UPDATE", orderStatusType="Cancelled")


@pytest.mark.parametrize("ids", [{"orderId": "nope"}, {"customerOrderId": "nope"}])
async def test_a_cancel_of_nothing_is_acknowledged_and_fails(client, ids):
    async with client.socket() as socket:
        reply = await socket.reply({"type": "CANCEL_LIMIT_ORDER", "payload": {**ids, "pair": "BTCZAR"}})
        assert reply["data"] == {"requested": True, **ids}
        failed = await socket.one("FAILED_CANCEL_ORDER")
        assert failed == {**ids, "message": "An error occurred while cancelling your order."}


async def test_a_cancel_of_an_ended_order_fails(server, client):
    order = server.exchange.place_limit(server.account_id, "BTCZAR", "buy", "1", "1000000", client_order_id="gone")
    server.exchange.cancel(server.account_id, order.id)
    async with client.socket() as socket:
        await socket.reply({"type": "CANCEL_LIMIT_ORDER", "payload": {"orderId": order.id, "pair": "BTCZAR"}})
        failed = await socket.one("FAILED_CANCEL_ORDER")
        assert (failed["orderId"], failed["customerOrderId"]) == (order.id, "gone")


async def test_modify(client):
    async with client.socket() as socket:
        order_id = (await socket.reply(placing(customerOrderId="m1")))["data"]["orderId"]
        change = {"type": "MODIFY_ORDER", "payload": {"orderId": order_id, "pair": "BTCZAR", "newPrice": "1700000"}}
        frames = await since(socket, lambda: socket.reply(change, "m2"))
        assert [frame["type"] for frame in frames] == [
            "MODIFY_ORDER_WS_RESPONSE", "MODIFY_ORDER_OUTCOME", "ORDER_STATUS_UPDATE", "OPEN_ORDERS_UPDATE",
            "BALANCE_UPDATE",
        ]  # fmt: skip
        reply, outcome, status, [row], balance = (frame["data"] for frame in frames)
        request_id = reply["modifyRequestId"]
        assert reply == {
            "modifyRequestId": request_id, "requested": True, "orderId": order_id, "customerOrderId": "m1",
        }  # fmt: skip
        assert outcome == {
            "success": True, "orderId": order_id, "customerOrderId": "m1", "modifyRequestId": request_id,
        }  # fmt: skip
        assert (status["orderStatusType"], status["originalPrice"]) == ("Order Modified", "1700000")
        assert (row["status"], row["price"], balance["reserved"]) == ("Order Modified", "1700000", "1700")
        change["payload"]["orderId"] = "unknown"
        assert (await socket.reply(change, "m3"))["data"]["orderId"] == "unknown"
        failed = await socket.one("MODIFY_ORDER_OUTCOME", success=False)
        assert failed["orderId"] == "unknown"
        assert "customerOrderId" not in failed


async def test_market_orders_and_batches(server, client):
    server.exchange.place_limit("rival", "BTCZAR", "sell", "1", "1900000")
    async with client.socket() as socket:
        market = {"pair": "BTCZAR", "side": "BUY", "quoteAmount": "1000", "customerOrderId": "w1"}
        reply = await socket.reply({"type": "PLACE_MARKET_ORDER", "payload": market})
        assert reply["type"] == "PLACE_MARKET_WS_RESPONSE"
        status = await socket.one("ORDER_STATUS_UPDATE", orderStatusType="Filled")
        assert (status["orderType"], status["originalPrice"]) == ("market", "0")
        requests = [{"type": "PLACE_LIMIT", "data": limit()}, {"type": "CANCEL_ORDER", "data": {}}]
        batch = await socket.reply({"type": "BATCH_ORDERS", "payload": {"requests": requests}}, "m2")
        assert [outcome["accepted"] for outcome in batch["data"]["outcomes"]] == [True, False]


REFUSALS = [
    ("PLACE_LIMIT_ORDER", limit(quantity="0.000001"), -12007, "PLACE_LIMIT_WS_RESPONSE", "INVALID_PLACE_LIMIT_REQUEST"),
    ("PLACE_MARKET_ORDER", {"pair": "BTCZAR"}, -11, "PLACE_MARKET_WS_RESPONSE", "INVALID_PLACE_MARKET_REQUEST"),
    ("CANCEL_LIMIT_ORDER", {"pair": "BTCZAR"}, -11, "CANCEL_ORDER_WS_RESPONSE", "INVALID_CANCEL_ORDER_REQUEST"),
    ("MODIFY_ORDER", {"pair": "BTCZAR"}, -11, "MODIFY_ORDER_WS_RESPONSE", "INVALID_MODIFY_WS_REQUEST"),
    ("BATCH_ORDERS", {}, -11, "BATCH_ORDERS_WS_RESPONSE", "INVALID_BATCH_ORDERS_REQUEST"),
    ("PLACE_LIMIT_ORDER", None, -11, "PLACE_LIMIT_WS_RESPONSE", "INVALID_PLACE_LIMIT_REQUEST"),
]


@pytest.mark.parametrize(("command", "payload", "code", "reply", "invalid"), REFUSALS)
async def test_refused_commands(client, command, payload, code, reply, invalid):
    async with client.socket() as socket:
        frame = await socket.reply({"type": command, "payload": payload})
        assert (frame["type"], frame["error"]["code"]) == (reply, code)
        assert frame.get("data") == ({"requested": False} if command == "CANCEL_LIMIT_ORDER" else None)
        if code == -11:
            assert frame["error"]["validationErrors"]["errors"]


@pytest.mark.parametrize(("command", "payload", "code", "reply", "invalid"), REFUSALS)
async def test_refused_commands_in_the_other_style(command, payload, code, reply, invalid):
    async with running(refusal_style="invalid") as (_, client), client.socket() as socket:
        frame = await socket.reply({"type": command, "payload": payload})
        assert (frame["type"], frame["error"]["code"]) == (invalid, code)
        assert frame["message"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "Invalid message - Invalid JSON"),
        ("[]", "Invalid message - Invalid JSON"),
        ('{"type":"CANCEL_ORDER"}', "Invalid message - Unknown message type"),
        ('{"type":"SUBSCRIBE"}', "Invalid message - Invalid JSON"),
        ('{"type":"SUBSCRIBE","subscriptions":["x"]}', "Channel None invalid"),
        ('{"type":"SUBSCRIBE","subscriptions":[{"event":"NEW_TRADE"}]}', "Channel NEW_TRADE invalid"),
    ],
)
async def test_nonsense_is_answered_with_an_error_and_the_socket_stays_open(client, text, message):
    async with client.socket() as socket:
        await socket.send(text)
        assert (await socket.one("ERROR"))["message"] == message
        await socket.settled()


# Which events come by themselves


async def words_of_a_resting_and_cancelled_order(server, socket):
    await socket.settled()
    order = server.exchange.place_limit(server.account_id, "BTCZAR", "buy", "1", "1000000")
    server.exchange.cancel(server.account_id, order.id)
    await socket.settled()
    return [data["orderStatusType"] for data in socket.of("ORDER_STATUS_UPDATE") if data["orderId"] == order.id]


@pytest.mark.parametrize(
    ("mode", "before", "after"),
    [
        ("automatic", ["Placed", "Cancelled"], ["Placed", "Cancelled"]),
        ("subscribe", [], ["Placed", "Cancelled"]),
        ("no_resting", ["Cancelled"], ["Cancelled"]),
    ],
)
async def test_order_status_updates_come_as_configured(mode, before, after):
    async with running(order_status_mode=mode) as (server, client), client.socket() as socket:
        assert await words_of_a_resting_and_cancelled_order(server, socket) == before
        await socket.send({"type": "SUBSCRIBE", "subscriptions": [{"event": "ORDER_STATUS_UPDATE"}]})
        await socket.one("SUBSCRIBED", message="ORDER_STATUS_UPDATE")
        assert await words_of_a_resting_and_cancelled_order(server, socket) == after
        await socket.send({"type": "UNSUBSCRIBE", "requests": [{"event": "ORDER_STATUS_UPDATE"}]})
        await socket.one("UNSUBSCRIBED", message="ORDER_STATUS_UPDATE")
        assert await words_of_a_resting_and_cancelled_order(server, socket) == []


async def test_every_socket_of_an_account_hears_everything_and_other_accounts_nothing(server, client):
    rival = server.add_key("rival")
    async with client.socket() as first, client.socket() as second:
        client.key, client.secret = rival.key, rival.secret
        async with client.socket() as other:
            server.exchange.place_limit(server.account_id, "BTCZAR", "buy", "1", "1000000")
            for socket in (first, second):
                await socket.one("ORDER_STATUS_UPDATE")
            await other.settled()
            assert "ORDER_STATUS_UPDATE" not in other.kinds()


async def test_long_lists_of_open_orders_are_sent_at_intervals(server, client):
    async with client.socket() as socket:
        await socket.settled()
        for step in range(300):
            server.exchange.place_limit(server.account_id, "BTCZAR", "buy", "0.001", str(1_000_000 + step))
        await socket.until(
            lambda frames: any(f["type"] == "OPEN_ORDERS_UPDATE" and len(f["data"]) == 300 for f in frames)
        )
        lengths = [len(rows) for rows in socket.of("OPEN_ORDERS_UPDATE")]
        assert lengths == [0, *range(1, 201), 300]


# Life and death of the socket


async def test_a_silent_client_is_cut_off_without_a_close_frame():
    async with running(socket_idle_seconds=0.2) as (_, client), client.socket() as socket:
        assert await socket.closed() == 1006


async def test_json_and_protocol_pings_keep_the_socket_open():
    async with running(socket_idle_seconds=0.3) as (_, client), client.socket() as socket:
        for _ in range(5):
            await asyncio.sleep(0.1)
            await socket.send({"type": "PING"})
        for _ in range(5):
            await asyncio.sleep(0.1)
            await socket.socket.ping()
        assert not socket.socket.closed
        assert socket.kinds().count("PONG") == 5


async def test_a_client_that_does_not_read_is_cut_off(server, client, monkeypatch):
    monkeypatch.setattr(connection, "FRAMES_WAITING_LIMIT", 20)
    async with client.socket() as socket:
        await socket.settled()
        for _ in range(10):  # without a pause in between, so that no frame can leave
            server.exchange.place_limit(server.account_id, "BTCZAR", "buy", "0.1", "1000000")
        assert await socket.closed() == 1006


async def test_dropping_the_sockets(server, client):
    async with client.socket() as socket:
        await socket.settled()
        await server.drop_account_sockets()
        assert await socket.closed() == 1006


async def test_cancel_on_disconnect_cancels_everything_when_the_socket_goes(server, client):
    me = server.account_id
    async with client.socket() as socket:
        await socket.send({"type": "CANCEL_ON_DISCONNECT", "payload": {"cancelOnDisconnect": True}})
        assert await socket.one("CANCEL_ON_DISCONNECT_UPDATE") == {"cancelOnDisconnect": "true"}
        server.exchange.place_limit(me, "BTCZAR", "buy", "1", "1000000")
        server.exchange.place_limit(me, "ETHZAR", "buy", "1", "10000")
    await until(lambda: not server.exchange.open_orders(me))
    async with client.socket() as socket:
        for wanted, told in ((True, "true"), (False, "false")):
            await socket.send({"type": "CANCEL_ON_DISCONNECT", "payload": {"cancelOnDisconnect": wanted}})
            await socket.one("CANCEL_ON_DISCONNECT_UPDATE", cancelOnDisconnect=told)
        server.exchange.place_limit(me, "BTCZAR", "buy", "1", "1000000")
    await until(lambda: not server.accounts.sessions)
    assert len(server.exchange.open_orders(me)) == 1


async def test_nobody_listening_costs_nothing(server):
    add_rival_orders = [server.exchange.place_limit("rival", "BTCZAR", "buy", "1", "1000000") for _ in range(3)]
    assert server.accounts.lists._rows == {}
    assert len(add_rival_orders) == 3


async def test_a_restart_greets_with_what_is_still_open():
    async with running() as (server, client):
        add_rival(server)
        async with client.socket() as socket:
            await socket.reply(placing(customerOrderId="stays"))
            await socket.one("ORDER_STATUS_UPDATE", orderStatusType="Placed")
        async with client.socket() as socket:
            [row] = await socket.until(
                lambda frames: [f["data"][0] for f in frames if f["type"] == "OPEN_ORDERS_UPDATE"]
            )
            assert row["customerOrderId"] == "stays"


async def test_the_sockets_can_be_cut_over_a_control_route(client):
    async with client.socket() as socket, client.socket("/ws/trade") as other:
        await socket.settled()
        assert (await client.call("DELETE", "/loopback/account-sockets", sign=False)).json == {"cut": 1}
        assert await socket.closed() == 1006
        await other.settled()


async def test_commands_have_no_limit_when_limits_are_off():
    async with running(rate_limits=False) as (_, client), client.socket() as socket:
        for number in range(401):
            await socket.send({"type": PLACE, "payload": limit(quantity="0"), "clientMsgId": str(number)})
        await socket.until(lambda frames: any(frame.get("clientMsgId") == "400" for frame in frames))
        assert "RATE_LIMIT_EXCEEDED" not in socket.kinds()
