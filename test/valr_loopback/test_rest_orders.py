"""Placing, cancelling, modifying and looking up over REST (valr-api.md 1.5, 3.3 to 3.6)."""

import asyncio
import json

import pytest

from test.valr_loopback.client import add_rival, limit, running, signed, until

ORDERS = "/v1/orders/limit"


async def place(client, version="v1", **fields):
    return await client.call("POST", f"/{version}/orders/limit", limit(**fields))


async def status(client, order_id, pair="BTCZAR"):
    return (await client.call("GET", f"/v1/orders/{pair}/orderid/{order_id}")).json


async def ended(client, order_id):
    """Wait for a v1 request to have been to the book."""
    for _ in range(200):
        reply = await client.call("GET", f"/v1/orders/history/detail/orderid/{order_id}")
        if reply.json:
            return reply.json[0]
        await asyncio.sleep(0.005)
    raise AssertionError("never reached the book")


# What is refused at once


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"pair": "NOPE"}, -21),
        ({"pair": "LTCBTC", "price": "0.0009", "quantity": "1"}, -32),
        ({"pair": "BTCUSDTPERP"}, -12005),
        ({"side": "buy"}, -11),
        ({"side": None}, -11),
        ({"side": 1}, -11),
        ({"price": "1800000.5"}, -11),
        ({"price": "1.8E6"}, -11),
        ({"price": "1,800,000"}, -11),
        ({"price": 1800000}, -11),
        ({"price": "-1"}, -11),
        ({"price": "0"}, -12007),
        ({"quantity": "0"}, -11),
        ({"quantity": "0.000009999"}, -12007),
        ({"quantity": "0.000011", "price": "100000"}, -12007),
        ({"quantity": "8", "price": "100"}, -39),
        ({"quantity": "6.9"}, -39),
        ({"postOnly": "maybe"}, -11),
        ({"postOnly": True, "timeInForce": "IOC"}, -11),
        ({"timeInForce": "DAY"}, -11),
        ({"customerOrderId": "under_score"}, -11),
        ({"customerOrderId": "x" * 51}, -11),
        ({"allowMargin": "true"}, -19213),
        ({"reduceOnly": True}, -12005),
        ({"postOnlyReprice": True}, -12005),
    ],
    ids=str,
)
@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_wrong_orders_are_refused_at_once(server, client, version, fields, code):
    reply = await place(client, version, **fields)
    assert reply.error == (400, code)
    assert server.exchange.orders(server.account_id) == []


async def test_wrong_fields_are_named(client):
    reply = await client.call("POST", ORDERS, {"pair": "BTCZAR", "side": "BUY", "price": "1"})
    assert reply.json == {
        "code": -11,
        "message": "Invalid Request, please check your request and try again",
        "validationErrors": {"errors": [{"field": "quantity", "message": "quantity must be specified"}]},
    }


async def test_small_orders_are_told_the_minimum(client):
    message = (await place(client, quantity="0.000001")).json["message"]
    assert message == "Minimum order size not met . Minimum amount: 0.00001 BTC, minimum total: 10 ZAR"


@pytest.mark.parametrize("body", ["", "{", "[]", '"text"', "1"])
async def test_bodies_that_are_no_json_objects_are_refused(client, body):
    headers = signed(client.key, client.secret, "POST", ORDERS, body) | {"Content-Type": "application/json"}
    assert (await client.call("POST", ORDERS, body, headers=headers)).error == (400, -113)


@pytest.mark.parametrize("content_type", [None, "text/plain"])
async def test_a_missing_content_type_is_forbidden(client, content_type):
    body = json.dumps(limit())
    headers = signed(client.key, client.secret, "POST", ORDERS, body)
    del headers["Content-Type"]
    if content_type:
        headers["Content-Type"] = content_type
    assert (await client.call("POST", ORDERS, body, headers=headers)).status == 403


async def test_a_deactivated_pair_takes_no_orders_and_drops_its_own(server, client):
    placed = (await place(client, "v2")).json["id"]
    server.exchange.set_active("BTCZAR", False)
    assert (await place(client)).error == (400, -32)
    assert (await status(client, placed))["orderStatusType"] == "Cancelled"
    assert (await client.public("/BTCZAR/ordertypes")).json == []
    server.exchange.set_active("BTCZAR", True)
    assert (await place(client)).status == 202


# Accepted orders and their outcomes


async def test_v1_answers_before_the_outcome_and_v2_after_it(server, client):
    first = await place(client, "v1", customerOrderId="one-1")
    assert (first.status, set(first.json), first.json["customerOrderId"]) == (202, {"id", "customerOrderId"}, "one-1")
    second = await place(client, "v2")
    assert (second.status, set(second.json)) == (201, {"id"})
    assert (await ended(client, first.json["id"]))["orderStatusType"] == "Placed"
    assert (await status(client, second.json["id"]))["orderStatusType"] == "Placed"


async def test_surplus_digits_of_the_quantity_are_cut(client):
    reply = await place(client, "v2", quantity="0.123456789999")
    assert (await status(client, reply.json["id"]))["originalQuantity"] == "0.12345678"


FAILURES = [
    ({"quantity": "6", "price": "800000", "side": "BUY", "postOnly": False}, -6, "Insufficient Balance"),
    ({"price": "1900001", "postOnly": True}, -19, "Post only cancelled as it would have matched"),
    ({"timeInForce": "IOC"}, None, "Immediate Or Cancel order did not match"),
    ({"timeInForce": "FOK", "price": "1900001", "quantity": "2"}, None, "Fill Or Kill order did not match"),
]


@pytest.mark.parametrize(("fields", "code", "reason"), FAILURES, ids=[failure[2] for failure in FAILURES])
async def test_orders_can_fail_at_the_book(server, client, fields, code, reason):
    server.exchange.place_limit("rival", "BTCZAR", "sell", "1", "1900001")
    server.exchange.place_limit(server.account_id, "BTCZAR", "buy", "3.5", "1400000")
    server.exchange.place_limit(server.account_id, "BTCZAR", "buy", "1", "1400000")
    now = await place(client, "v2", **fields)
    assert (now.status, now.json["message"]) == (400, reason)
    assert code in (None, now.json["code"])
    later = await place(client, "v1", **fields)
    assert later.status == 202
    for order_id in (now.json["orderId"], later.json["id"]):
        row = await ended(client, order_id)
        assert (row["orderStatusType"], row["failedReason"]) == ("Failed", reason)
        assert row["remainingQuantity"] == row["originalQuantity"]
    history = (await client.call("GET", "/v1/orders/history?statuses=FAILED")).json
    assert [row["orderId"] for row in history] == [later.json["id"], now.json["orderId"]]
    assert (await client.call("GET", "/v1/orders/history?excludeFailures=true")).json == []
    assert len((await client.call("GET", "/v1/orders/open")).json) == 2


async def test_an_order_never_meets_ones_own(server, client):
    own = server.exchange.place_limit(server.account_id, "BTCZAR", "sell", "1", "1900000")
    reply = await place(client, "v2", price="1900000")
    assert reply.error == (400, -11500)
    assert reply.json["message"].startswith("We did not execute this order since it would have matched with your own")
    assert own.is_open
    sub = await client.call("POST", "/v2/orders/limit", limit(price="1900000"), sub_account=server.sub_account_id)
    assert sub.status == 201
    assert server.exchange.trades(server.account_id)


async def test_a_taker_trades_at_the_makers_price_and_pays_in_what_it_receives(server, client):
    server.exchange.place_limit("rival", "BTCZAR", "sell", "0.1", "1900000")
    reply = await place(client, "v2", price="1950000", quantity="0.3")
    order_id = reply.json["id"]
    row = await status(client, order_id)
    assert (row["orderStatusType"], row["remainingQuantity"]) == ("Partially Filled", "0.2")
    [trade] = (await client.call("GET", "/v1/account/BTCZAR/tradehistory")).json
    assert list(trade) == [
        "price", "quantity", "currencyPair", "tradedAt", "side", "sequenceId", "orderId", "id", "fee", "feeCurrency",
    ]  # fmt: skip
    assert (trade["price"], trade["fee"], trade["feeCurrency"]) == ("1900000", "0.0001", "BTC")
    balances = {row["currency"]: row for row in (await client.call("GET", "/v1/account/balances")).json}
    assert balances["BTC"]["total"] == "10.0999"
    assert (balances["ZAR"]["reserved"], balances["ZAR"]["total"]) == ("390000", "9810000")
    assert (await client.call("DELETE", "/v2/orders/order", {"orderId": order_id, "pair": "BTCZAR"})).status == 200
    summary = (await client.call("GET", f"/v1/orders/history/summary/orderid/{order_id}")).json
    assert summary["orderStatusType"] == "Cancelled"
    assert (summary["averagePrice"], summary["total"], summary["totalExecutedQuantity"]) == ("1900000", "190000", "0.1")
    assert (summary["totalFee"], summary["feeCurrency"]) == ("0.0001", "BTC")
    detail = (await client.call("GET", f"/v1/orders/history/detail/orderid/{order_id}")).json
    assert [row["orderStatusType"] for row in detail] == ["Cancelled", "Partially Filled"]
    assert (detail[1]["executedPrice"], detail[1]["executedQuantity"], detail[1]["executedFee"]) == (
        "1900000", "0.1", "0.0001",
    )  # fmt: skip


async def test_a_maker_reward_is_paid_in_what_was_given(server, client):
    await client.call("POST", "/v2/orders/limit", limit("SELL", "18.05", "100", "USDTZAR", customerOrderId="r1"))
    server.exchange.place_limit("rival", "USDTZAR", "buy", "100", "18.05")
    [trade] = (await client.call("GET", "/v1/account/tradehistory")).json
    assert (trade["makerReward"], trade["makerRewardCurrency"]) == ("0.01", "USDT")
    assert "fee" not in trade
    assert trade["customerOrderId"] == "r1"
    summary = (await client.call("GET", "/v1/orders/history/summary/customerorderid/r1")).json
    assert summary["totalFee"] == "0"


async def test_an_ioc_keeps_what_it_got(server, client):
    server.exchange.place_limit("rival", "BTCZAR", "sell", "0.1", "1900000")
    reply = await place(client, "v2", price="1900000", quantity="0.3", timeInForce="IOC")
    row = await status(client, reply.json["id"])
    assert (row["orderStatusType"], row["remainingQuantity"], row["timeInForce"]) == ("Cancelled", "0.2", "IOC")
    balances = (await client.call("GET", "/v1/account/balances")).json
    assert all(row["reserved"] == "0" for row in balances)


async def test_a_fok_that_can_be_filled_is(server, client):
    server.exchange.place_limit("rival", "BTCZAR", "sell", "0.1", "1900000")
    reply = await place(client, "v2", price="1900000", quantity="0.1", timeInForce="FOK")
    assert (await status(client, reply.json["id"]))["orderStatusType"] == "Filled"


# Market orders


async def market(client, version="v2", **fields):
    return await client.call("POST", f"/{version}/orders/market", {"pair": "BTCZAR", "side": "BUY", **fields})


async def test_market_orders_by_base_and_by_quote(server, client):
    server.exchange.place_limit("rival", "BTCZAR", "sell", "0.1", "1900000")
    server.exchange.place_limit("rival", "BTCZAR", "sell", "1", "1910000")
    by_base = await status(client, (await market(client, baseAmount="0.05")).json["id"])
    assert (by_base["orderStatusType"], by_base["orderType"], by_base["originalPrice"]) == ("Filled", "market", "0")
    assert (by_base["originalQuantity"], by_base["timeInForce"]) == ("0.05", "IOC")
    reply = await market(client, quoteAmount="190000", customerOrderId="q1")
    summary = (await client.call("GET", "/v1/orders/history/summary/customerorderid/q1")).json
    assert summary["orderId"] == reply.json["id"]
    assert (summary["originalQuantity"], summary["remainingQuantity"]) == ("0", "0")
    assert summary["totalExecutedQuantity"] == "0.09973821"
    assert summary["total"] == "189999.9811"
    assert (await market(client, side="SELL", quoteAmount="100")).status == 400
    server.exchange.place_limit("rival", "BTCZAR", "buy", "1", "1890000")
    assert (await market(client, "v1", side="SELL", quoteAmount="1000")).status == 202


async def test_a_quote_amount_ends_with_what_buys_no_more(server, client):
    for _ in range(3):
        server.exchange.place_limit("rival", "BTCZAR", "sell", "0.1", "1900000")
    reply = await market(client, quoteAmount="380000")
    row = (await client.call("GET", f"/v1/orders/history/summary/orderid/{reply.json['id']}")).json
    assert (row["orderStatusType"], row["totalExecutedQuantity"], row["total"]) == ("Filled", "0.2", "380000")
    short = await market(client, quoteAmount="380000")
    row = (await client.call("GET", f"/v1/orders/history/summary/orderid/{short.json['id']}")).json
    assert (row["orderStatusType"], row["totalExecutedQuantity"]) == ("Cancelled", "0.1")


async def test_an_order_that_was_queued_when_its_pair_was_deactivated_fails():
    async with running(engine_delay=(0.1, 0.1)) as (server, client):
        order_id = (await place(client)).json["id"]
        server.exchange.set_active("BTCZAR", False)
        assert (await ended(client, order_id))["failedReason"] == "The given currency pair is not active"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, -11),
        ({"baseAmount": "1", "quoteAmount": "1"}, -11),
        ({"baseAmount": "0.000001"}, -12007),
        ({"quoteAmount": "9.99"}, -12007),
        ({"quoteAmount": "5000001"}, -39),
        ({"baseAmount": "1", "timeInForce": "GTC"}, -11),
        ({"baseAmount": "1", "pair": "BTCUSDTPERP"}, -12005),
    ],
    ids=str,
)
async def test_wrong_market_orders_are_refused(client, fields, code):
    assert (await market(client, **fields)).error == (400, code)


async def test_market_orders_stop_at_the_slippage_band(server, client):
    place = server.exchange.place_limit
    place("rival", "BTCZAR", "sell", "0.1", "2200000")
    nothing = await market(client, baseAmount="0.1")
    assert (nothing.status, nothing.json["message"]) == (
        400, "Order cancelled as it would have matched outside of slippage price band",
    )  # fmt: skip
    place("rival", "BTCZAR", "sell", "0.1", "1900000")
    part = await status(client, (await market(client, baseAmount="0.2")).json["id"])
    assert part["orderStatusType"] == "Partially Filled and Cancelled Due To Slippage"
    assert part["remainingQuantity"] == "0.1"
    assert (await market(client, baseAmount="0.1", timeInForce="FOK")).json["message"].endswith("slippage price band")


async def test_a_pair_without_market_orders_refuses_them(server, client):
    pair = server.exchange.engine.pairs["BTCZAR"]
    fields = {name: getattr(pair, name) for name in pair.__dataclass_fields__}
    server.exchange.engine.pairs["BTCZAR"] = type(pair)(**fields | {"listed_order_types": ("LIMIT",)})
    assert (await market(client, baseAmount="0.1")).error == (400, -12005)
    assert (await place(client, postOnly=True)).error == (400, -12005)
    assert (await place(client)).status == 202


# Client ids


async def test_a_client_id_is_unique_among_open_orders_and_free_again_afterwards(client):
    first = await place(client, "v2", customerOrderId="again")
    assert (await place(client, "v1", customerOrderId="again")).error == (400, -11502)
    await client.call("DELETE", "/v2/orders/order", {"customerOrderId": "again", "pair": "BTCZAR"})
    second = await place(client, "v2", customerOrderId="again")
    found = (await client.call("GET", "/v1/orders/BTCZAR/customerorderid/again")).json
    assert found["orderId"] == second.json["id"] != first.json["id"]


async def test_a_client_id_is_taken_while_its_order_is_still_queued():
    async with running(engine_delay=(0.2, 0.2)) as (_, client):
        assert (await place(client, customerOrderId="queued")).status == 202
        assert (await place(client, customerOrderId="queued")).error == (400, -11502)


# Cancelling


async def test_v1_cancel_answers_with_nothing_at_all(client):
    order_id = (await place(client, "v2")).json["id"]
    reply = await client.call("DELETE", "/v1/orders/order", {"orderId": order_id, "pair": "BTCZAR"})
    assert (reply.status, reply.text) == (202, "")
    assert "Content-Type" not in reply.headers
    assert (await client.call("DELETE", "/v1/orders/order", {"orderId": "nope", "pair": "BTCZAR"})).status == 202


async def test_v2_cancel_echoes_the_id_it_was_given(client):
    first, second = [(await place(client, "v2", customerOrderId=cid)).json["id"] for cid in ("c1", "c2")]
    for ids, echoed in (({"orderId": first}, first), ({"customerOrderId": "c2"}, "c2")):
        reply = await client.call("DELETE", "/v2/orders/order", {**ids, "pair": "BTCZAR"})
        assert (reply.status, reply.json) == (200, {"id": echoed})
        again = await client.call("DELETE", "/v2/orders/order", {**ids, "pair": "BTCZAR"})
        assert again.error == (400, -16)
        assert again.json["message"] == "Could not find the order to cancel"
    assert (await status(client, second))["orderStatusType"] == "Cancelled"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"pair": "BTCZAR"}, -11),
        ({"pair": "BTCZAR", "orderId": "a", "customerOrderId": "b"}, -11),
        ({"orderId": "a"}, -11),
        ({"pair": "NOPE", "orderId": "a"}, -21),
    ],
)
async def test_wrong_cancels_are_refused(client, body, code):
    assert (await client.call("DELETE", "/v1/orders/order", body)).error == (400, code)


async def test_a_cancel_of_another_pair_or_account_finds_nothing(server, client):
    own = (await place(client, "v2")).json["id"]
    other = server.exchange.place_limit("rival", "BTCZAR", "buy", "1", "1000000")
    for body in ({"orderId": own, "pair": "ETHZAR"}, {"orderId": other.id, "pair": "BTCZAR"}):
        assert (await client.call("DELETE", "/v2/orders/order", body)).error == (400, -16)
    assert other.is_open


async def test_cancel_all_of_a_pair_and_of_everything(client):
    bitcoin = (await place(client, "v2")).json["id"]
    ether = (await place(client, "v2", pair="ETHZAR", price="60000", quantity="0.1")).json["id"]
    assert (await client.call("DELETE", "/v1/orders/ETHZAR")).json == [{"orderId": ether}]
    assert (await client.call("DELETE", "/v1/orders")).json == [{"orderId": bitcoin}]
    assert (await client.call("DELETE", "/v1/orders")).json == []
    assert (await client.call("DELETE", "/v1/orders/NOPE")).error == (400, -21)


# Modifying


async def modify(client, version, order_id, **fields):
    return await client.call("PUT", f"/{version}/orders/modify", {"orderId": order_id, "pair": "BTCZAR", **fields})


async def test_modify_changes_price_and_quantity_under_the_same_id(client):
    order_id = (await place(client, "v2")).json["id"]
    reply = await modify(client, "v2", order_id, newPrice="1810000", newRemainingQuantity="0.002")
    assert (reply.status, set(reply.json)) == (201, {"id"})
    assert reply.json["id"] != order_id
    row = await status(client, order_id)
    assert (row["orderStatusType"], row["originalPrice"], row["originalQuantity"]) == (
        "Order Modified",
        "1810000",
        "0.002",
    )
    again = await modify(client, "v2", order_id, newPrice="1810000")
    assert again.error == (400, -21303)
    assert set(again.json) == {"modifyOrderId", "orderId", "code", "message"}
    assert (await modify(client, "v1", order_id, newTotalQuantity="0")).status == 202
    assert (await client.call("GET", "/v1/orders/open")).json == []


async def test_modify_keeps_the_place_only_when_the_quantity_shrinks(server, client):
    first = server.exchange.place_limit(server.account_id, "BTCZAR", "buy", "0.2", "1800000")
    second = server.exchange.place_limit("rival", "BTCZAR", "buy", "0.2", "1800000")

    async def queue():
        rows = (await client.public("/BTCZAR/orderbook/full")).json["Bids"]
        return [row["id"] for row in rows]

    await modify(client, "v2", first.id, newRemainingQuantity="0.1")
    assert await queue() == [first.id, second.id]
    await modify(client, "v2", first.id, newTotalQuantity="0.3")
    assert await queue() == [second.id, first.id]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [("RETAIN_ORIGINAL", "Placed"), ("CANCEL_ORIGINAL", "Cancelled"), ("REPRICE", "Order Modified")],
)
@pytest.mark.parametrize(("side", "rival_side", "price"), [("BUY", "sell", "1899999"), ("SELL", "buy", "1900001")])
async def test_a_modified_order_never_takes(server, client, strategy, expected, side, rival_side, price):
    server.exchange.place_limit("rival", "BTCZAR", rival_side, "1", "1900000")
    start = "1800000" if side == "BUY" else "2000000"
    order_id = (await place(client, "v2", side=side, price=start)).json["id"]
    reply = await modify(client, "v2", order_id, newPrice="1900000", modifyMatchStrategy=strategy)
    assert reply.status == (400 if strategy == "RETAIN_ORIGINAL" else 201)
    row = await status(client, order_id)
    assert row["orderStatusType"] == expected
    assert row["originalPrice"] == (price if strategy == "REPRICE" else start)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"newPrice": "1800000.5"}, -11),
        ({"newRemainingQuantity": "1", "newTotalQuantity": "1"}, -11),
        ({"newRemainingQuantity": "6.5"}, -6),
        ({"customerOrderId": "taken"}, -11502),
        ({"orderId": "unknown", "newPrice": "1"}, -1),
        ({"pair": "NOPE", "newPrice": "1"}, -21),
        ({"modifyMatchStrategy": "SOMEHOW"}, -11),
    ],
    ids=str,
)
async def test_wrong_modifies_are_refused_and_change_nothing(client, fields, code):
    await place(client, "v2", customerOrderId="taken")
    order_id = (await place(client, "v2")).json["id"]
    before = await status(client, order_id)
    assert (await modify(client, "v2", order_id, **fields)).error == (400, code)
    assert await status(client, order_id) == before


async def test_modify_can_rename(client):
    order_id = (await place(client, "v2", customerOrderId="old")).json["id"]
    await modify(client, "v2", order_id, customerOrderId="new")
    assert (await client.call("GET", "/v1/orders/BTCZAR/customerorderid/new")).json["orderId"] == order_id
    assert (await place(client, "v2", customerOrderId="old")).status == 201
    assert (await place(client, "v2", customerOrderId="new")).error == (400, -11502)
    await modify(client, "v2", order_id, customerOrderId="")
    assert (await place(client, "v2", customerOrderId="new")).status == 201


# Batches


async def test_a_batch_answers_each_request_in_order(client):
    order_id = (await place(client, "v2", customerOrderId="b0")).json["id"]
    requests = [
        {"type": "PLACE_LIMIT", "data": limit(customerOrderId="b1")},
        {"type": "PLACE_LIMIT", "data": limit(quantity="0.00000001")},
        {"type": "PLACE_MARKET", "data": {"pair": "BTCZAR", "side": "BUY", "baseAmount": "0.1"}},
        {"type": "MODIFY_ORDER", "data": {"orderId": order_id, "pair": "BTCZAR", "newPrice": "1700000"}},
        {"type": "CANCEL_ORDER", "data": {"orderId": order_id, "pair": "BTCZAR"}},
        {"type": "CANCEL_ORDER", "data": {"customerOrderId": "unknown", "pair": "BTCZAR"}},
        {"type": "PLACE_STOP_LIMIT", "data": limit()},
        {"type": "PLACE_LIMIT"},
        "nonsense",
    ]
    answer = (await client.call("POST", "/v1/batch/orders", {"customerBatchId": "mine", "requests": requests})).json
    outcomes = answer["outcomes"]
    accepted = [True, False, True, True, True, True, False, False, False]
    assert [outcome["accepted"] for outcome in outcomes] == accepted
    assert (outcomes[0]["customerOrderId"], outcomes[0]["requestType"]) == ("b1", "PLACE_LIMIT")
    assert outcomes[1] == {"accepted": False, "error": {"code": -12007, "message": outcomes[1]["error"]["message"]}}
    assert (outcomes[4]["orderId"], outcomes[5]["customerOrderId"]) == (order_id, "unknown")
    assert (answer["batchId"] > 2**53, answer["customerBatchId"]) == (True, "mine")
    assert (await status(client, order_id))["orderStatusType"] == "Cancelled"


@pytest.mark.parametrize("body", [{}, {"requests": []}, {"requests": [{}] * 21}])
async def test_wrong_batches_are_refused(client, body):
    assert (await client.call("POST", "/v1/batch/orders", body)).error == (400, -11)


# Lookups


async def test_lookups_of_unknown_orders(client):
    for ids in ("orderid/nope", "customerorderid/nope"):
        unknown = await client.call("GET", f"/v1/orders/BTCZAR/{ids}")
        assert unknown.error == (400, -1)
        assert unknown.json["message"] == "Invalid Order. "
        assert (await client.call("GET", f"/v1/orders/history/summary/{ids}")).error == (400, -1)
        assert (await client.call("GET", f"/v1/orders/history/detail/{ids}")).json == []
    assert (await client.call("GET", "/v1/orders/NOPE/orderid/x")).error == (400, -21)


async def test_open_orders_have_no_summary_but_a_history(client):
    order_id = (await place(client, "v2", customerOrderId="open")).json["id"]
    assert (await client.call("GET", f"/v1/orders/history/summary/orderid/{order_id}")).error == (400, -1)
    [row] = (await client.call("GET", "/v1/orders/history/detail/customerorderid/open")).json
    assert (row["orderStatusType"], row["executedQuantity"]) == ("Placed", "0")
    assert (await client.call("GET", f"/v1/orders/ETHZAR/orderid/{order_id}")).error == (400, -1)
    [row] = (await client.call("GET", "/v1/orders/open?pair=ETHZAR")).json
    assert list(row) == [
        "orderId", "side", "remainingQuantity", "price", "currencyPair", "createdAt", "originalQuantity",
        "filledPercentage", "customerOrderId", "type", "status", "updatedAt", "timeInForce", "allowMargin",
    ]  # fmt: skip
    assert (row["side"], row["filledPercentage"], row["type"]) == ("buy", "0.00", "limit")


async def test_a_queued_order_is_not_found_for_a_while():
    moment = [1_795_000_000.0]
    async with running(clock=lambda: moment[0], lookup_delay=(0.2, 0.3)) as (server, client):
        headers = {"timestamp": "1795000000000"}

        async def get(path):
            return await client.call("GET", path, headers=signed(client.key, client.secret, "GET", path, **headers))

        body = json.dumps(limit(customerOrderId="late"))
        send = signed(client.key, client.secret, "POST", ORDERS, body, **headers)
        assert (await client.call("POST", ORDERS, body, headers=send)).status == 202
        await until(lambda: server.exchange.open_orders(server.account_id))
        assert (await get("/v1/orders/BTCZAR/customerorderid/late")).error == (400, -1)
        assert (await get("/v1/orders/open")).json == []
        assert (await get("/v1/orders/history/detail/customerorderid/late")).json == []
        moment[0] += 0.31
        assert (await get("/v1/orders/BTCZAR/customerorderid/late")).status == 200
        assert len((await get("/v1/orders/open")).json) == 1


async def test_the_status_of_an_ended_order_is_forgotten_after_an_hour():
    moment = [1_795_000_000.0]
    async with running(clock=lambda: moment[0]) as (server, client):
        order = server.exchange.place_limit(server.account_id, "BTCZAR", "buy", "1", "1000000")
        server.exchange.cancel(server.account_id, order.id)

        async def get(path):
            stamp = str(int(moment[0] * 1000))
            return await client.call(
                "GET", path, headers=signed(client.key, client.secret, "GET", path, timestamp=stamp)
            )

        assert (await get(f"/v1/orders/BTCZAR/orderid/{order.id}")).status == 200
        moment[0] += 3601
        assert (await get(f"/v1/orders/BTCZAR/orderid/{order.id}")).error == (400, -1)
        assert (await get(f"/v1/orders/history/summary/orderid/{order.id}")).status == 200


async def test_the_history_hides_cancels_without_fills_unless_asked(server, client):
    place = server.exchange.place_limit
    me = server.account_id
    unfilled = place(me, "BTCZAR", "buy", "1", "1000000")
    server.exchange.cancel(me, unfilled.id)
    filled = place(me, "ETHZAR", "buy", "1", "60000")
    place("rival", "ETHZAR", "sell", "1", "60000")
    still_open = place(me, "BTCZAR", "buy", "1", "1000000")

    async def history(query=""):
        return [row["orderId"] for row in (await client.call("GET", "/v1/orders/history" + query)).json]

    assert await history() == [filled.id]
    assert await history("?showZeroVolumeCancels=true") == [filled.id, unfilled.id]
    assert await history("?showZeroVolumeCancels=true&skip=1&limit=1") == [unfilled.id]
    assert await history("?showZeroVolumeCancels=true&currencyPair=BTCZAR,DOGEUSDT") == [unfilled.id]
    assert await history("?statuses=PLACED,EXPIRED") == [still_open.id]
    assert await history("?startTime=2100-01-01T00:00:00Z") == []
    assert await history("?endTime=2000-01-01T00:00:00Z") == []
    assert (await client.call("GET", "/v1/orders/history?statuses=LOST")).error == (400, -11)


async def test_trade_history_pages_and_windows(server, client):
    me = server.account_id
    for price in range(1_900_000, 1_900_005):
        server.exchange.place_limit("rival", "BTCZAR", "sell", "0.01", str(price))
        server.exchange.place_limit(me, "BTCZAR", "buy", "0.01", str(price))

    async def prices(query):
        return [row["price"][-1] for row in (await client.call("GET", "/v1/account/" + query)).json]

    assert await prices("tradehistory") == ["4", "3", "2", "1", "0"]
    assert await prices("tradehistory?skip=1&limit=2") == ["3", "2"]
    newest = server.exchange.trades(me)[-2].id
    assert await prices(f"tradehistory?beforeId={newest}") == ["2", "1", "0"]
    assert await prices("tradehistory?beforeId=unknown") == []
    assert await prices("tradehistory?startTime=2100-01-01T00:00:00Z") == []
    assert await prices("tradehistory?endTime=2000-01-01T00:00:00Z") == []
    assert await prices("BTCZAR/tradehistory?limit=1") == ["4"]
    assert await prices("ETHZAR/tradehistory") == []
    assert (await client.call("GET", "/v1/account/NOPE/tradehistory")).error == (400, -21)


async def test_balances_and_fees(client):
    rows = (await client.call("GET", "/v1/account/balances?excludeZeroBalances=true")).json
    assert {row["currency"] for row in rows} == {"ZAR", "BTC", "ETH", "USDT", "DOGE"}
    assert rows[0]["total"] == "10000000"
    assert rows[0]["referenceCurrency"] == "USDC"
    fees = {row["currencyPair"]: row for row in (await client.call("GET", "/v1/account/fees/trade")).json}
    assert fees["BTCZAR"] == {
        "currencyPair": "BTCZAR", "makerPercentage": "0.08", "takerPercentage": "0.1", "simplePercentage": "1.6",
    }  # fmt: skip
    assert (fees["USDTZAR"]["makerPercentage"], fees["ETHZAR"]["makerPercentage"]) == ("-0.01", "0")
    assert "simplePercentage" not in fees["BTCUSDTPERP"]


async def test_zero_balances_are_left_out_when_asked(server, client):
    server.exchange.engine.accounts.wallet(server.account_id, "LTC")
    every = (await client.call("GET", "/v1/account/balances")).json
    held = (await client.call("GET", "/v1/account/balances?excludeZeroBalances=true")).json
    assert {row["currency"] for row in every} - {row["currency"] for row in held} == {"LTC"}


async def test_the_ledger_tells_the_whole_truth(server, client):
    add = server.exchange.place_limit
    first = add(server.account_id, "USDTZAR", "sell", "100", "18.05", client_order_id="l1")
    add(server.account_id, "BTCZAR", "buy", "0.01", "1000000")
    add("rival", "USDTZAR", "buy", "100", "18.05")
    add("rival", "ETHZAR", "sell", "1", "66000")
    add(server.account_id, "ETHZAR", "buy", "1", "66000")
    ledger = (await client.call("GET", "/loopback/ledger", sign=False)).json
    assert (ledger["openOrders"], ledger["mostOpenOrders"], len(ledger["orders"])) == (1, 2, 3)
    row = ledger["orders"][0]
    assert (row["orderId"], row["customerOrderId"], row["status"], row["filled"]) == (first.id, "l1", "Filled", "100")
    assert row["endedAt"] is not None
    assert [("fee" in trade, "makerReward" in trade) for trade in ledger["trades"]] == [(False, True), (True, False)]
    assert ledger["balances"]["ZAR"]["reserved"] == "10000"


def test_a_cancel_in_code_of_an_unknown_order_is_false(server):
    assert server.exchange.cancel(server.account_id, "unknown") is False


def test_an_account_cannot_be_opened_twice(server):
    with pytest.raises(ValueError, match="rival"):
        add_rival(server)
