"""Faults of account events: lost, twice, late, without a field, with too many, and in words nobody documented."""

import json

import pytest

from test.valr_loopback.client import Books, add_rival, cancel, faulty, limit, place, running
from valr_loopback.distortions import UNKNOWN_EVENTS, UNKNOWN_STATUS_WORDS
from valr_loopback.fault_kinds import FaultKind
from valr_loopback.faults import Fault
from valr_loopback.messages import ACCOUNT_EVENTS

START = 1_795_000_000.0


async def events(*faults, subscribe=False):
    """Return the account events of an order that rests, is filled in part and is cancelled, greetings included."""
    async with faulty(*faults) as (server, client), client.socket() as socket:
        rival = add_rival(server)
        books = Books(server)
        if subscribe:
            await socket.send({"type": "SUBSCRIBE", "subscriptions": [{"event": "ORDER_STATUS_UPDATE"}]})
        await socket.reply(place("1234"), "1234")
        await socket.settled()
        server.exchange.place_limit(rival, "BTCZAR", "sell", "0.0004", "1800000")
        await socket.reply(cancel("1234"), "cancel")
        await socket.settled()
        assert books.orders() == {"1234": "Cancelled"}
        return [frame for frame in socket.frames if frame["type"] in ACCOUNT_EVENTS or frame["type"] in UNKNOWN_EVENTS]


def rows(event):
    data = event.get("data", [])
    return data if isinstance(data, list) else [data]


def statuses(frames):
    return [frame["data"]["orderStatusType"] for frame in frames if frame["type"] == "ORDER_STATUS_UPDATE"]


TYPES = {
    "BALANCE_UPDATE",
    "OPEN_ORDERS_UPDATE",
    "ORDER_PROCESSED",
    "ORDER_STATUS_UPDATE",
    "NEW_ACCOUNT_TRADE",
    "NEW_ACCOUNT_HISTORY_RECORD",
}
STATES = ["Placed", "Partially Filled", "Cancelled"]


# Whether and when they come


async def test_without_faults_everything_is_told():
    calm = await events()
    assert {frame["type"] for frame in calm} == TYPES
    assert statuses(calm) == STATES


@pytest.mark.parametrize("event", sorted(TYPES))
async def test_dropped_events(event):
    assert {frame["type"] for frame in await events({"kind": "drop_event", "event": event})} == TYPES - {event}


async def test_events_of_one_order_are_dropped():
    async with faulty({"kind": "drop_event", "orders": ["a"]}) as (server, client), client.socket() as socket:
        for name in "ab":
            await socket.reply(place(name), name)
        await socket.one("ORDER_STATUS_UPDATE", customerOrderId="b")
        await socket.settled()
        told = [row for kind in ("ORDER_PROCESSED", "ORDER_STATUS_UPDATE") for row in socket.of(kind)]
        assert {row["customerOrderId"] for row in told} == {"b"}
        assert Books(server).orders() == {"a": "Placed", "b": "Placed"}


async def test_duplicated_events():
    async with (
        faulty({"kind": "duplicate_event", "event": "ORDER_PROCESSED"}) as (_, client),
        client.socket() as socket,
    ):
        await socket.send(place())
        await socket.until(lambda frames: [f["type"] for f in frames].count("ORDER_PROCESSED") == 2)
        assert socket.of("ORDER_PROCESSED")[0] == socket.of("ORDER_PROCESSED")[1]


async def test_reordered_events():
    async with faulty("reorder_events") as (server, client), client.socket() as socket:
        await socket.settled()
        for price in range(1_000_000, 1_000_020):
            server.exchange.place_limit(server.account_id, "BTCZAR", "buy", "0.1", str(price))
        await socket.until(lambda frames: [f["type"] for f in frames].count("ORDER_STATUS_UPDATE") == 20)
        prices = [data["originalPrice"] for data in socket.of("ORDER_STATUS_UPDATE")]
        assert prices != sorted(prices)


async def test_status_updates_only_after_subscribe():
    assert statuses(await events("status_update_needs_subscribe")) == []
    assert statuses(await events("status_update_needs_subscribe", subscribe=True)) == STATES


async def test_unsubscribing_takes_the_subscription_back():
    async with faulty("status_update_needs_subscribe") as (_, client), client.socket() as socket:
        wanted = [{"event": "ORDER_STATUS_UPDATE"}]
        await socket.send({"type": "SUBSCRIBE", "subscriptions": wanted})
        await socket.send({"type": "UNSUBSCRIBE", "requests": wanted})
        await socket.reply(place(), "m")
        await socket.one("ORDER_PROCESSED")
        await socket.settled()
        assert "ORDER_STATUS_UPDATE" not in socket.kinds()


async def test_no_status_update_when_an_order_comes_to_rest():
    assert statuses(await events("status_update_not_for_resting")) == STATES[1:]


# Lists of open orders


def listed(server):
    """The client ids and states in the list that the account would be sent now."""
    [text] = [text for event, text in server.accounts.snapshot(server.account_id) if event == "OPEN_ORDERS_UPDATE"]
    return {row["customerOrderId"]: row["status"] for row in json.loads(text)["data"]}


def rest(server, client_order_id, **more):
    return server.exchange.place_limit(
        server.account_id, "BTCZAR", "buy", "0.1", "1000000", client_order_id=client_order_id, **more
    )


async def test_lists_without_fresh_orders():
    moment = [START]
    fault = Fault(kind="open_orders_missing_fresh", delay=1, orders=["a"])
    async with running(clock=lambda: moment[0], faults=(fault,)) as (server, _):
        rest(server, "a")
        rest(server, "b")
        assert listed(server) == {"b": "Placed"}
        moment[0] += 1.01
        assert listed(server) == {"a": "Placed", "b": "Placed"}


@pytest.mark.parametrize("path", ["", "/v1/orders/open"])
async def test_lists_with_orders_that_have_ended(path):
    moment = [START]
    fault = Fault(kind="open_orders_stale", delay=3, path=path)
    async with running(clock=lambda: moment[0], faults=(fault,)) as (server, client):

        async def called():
            answer = (await client.call("GET", "/v1/orders/open")).json
            return {row["customerOrderId"]: row["status"] for row in answer}

        rival, books = add_rival(server), Books(server)
        cancelled, filled = rest(server, "cancelled"), rest(server, "filled")
        server.exchange.place_limit(rival, "BTCZAR", "sell", "0.04", "1000000")
        server.exchange.cancel(server.account_id, cancelled.id)
        server.exchange.place_limit(rival, "BTCZAR", "sell", "0.1", "1000000")
        stale = {"cancelled": "Partially Filled", "filled": "Placed"}
        assert listed(server) == stale
        assert await called() == (stale if path else {})
        assert books.orders() == {"cancelled": "Cancelled", "filled": "Filled"}
        moment[0] += 3
        assert (listed(server), await called()) == ({}, {})
        assert filled.remaining == 0


async def test_a_stale_list_shows_what_was_left_before_the_end():
    async with faulty("open_orders_stale") as (server, client), client.socket() as socket:
        await socket.reply(place("a"), "a")
        await socket.one("OPEN_ORDERS_UPDATE")
        await socket.send(cancel("a"))
        await socket.one("ORDER_STATUS_UPDATE", orderStatusType="Cancelled")
        await socket.settled()
        open_lists = [frame["data"] for frame in socket.frames if frame["type"] == "OPEN_ORDERS_UPDATE"]
        assert open_lists[-1] == open_lists[-2]
        assert open_lists[-1][0]["quantity"] == "0.001"
        assert Books(server).orders() == {"a": "Cancelled"}


async def test_lists_in_the_object_layout():
    frames = await events("open_orders_object_layout")
    lists = [frame["data"] for frame in frames if frame["type"] == "OPEN_ORDERS_UPDATE"]
    assert all(set(data) == {"accountId", "orders"} for data in lists)
    full = [data for data in lists if data["orders"]]
    assert {(data["accountId"], data["orders"][0]["side"]) for data in full} == {("860472190254116864", "BUY")}
    assert not any(
        isinstance(frame["data"], dict) and "orders" in frame["data"]
        for frame in frames
        if frame["type"] != "OPEN_ORDERS_UPDATE"
    )


# What they say


async def test_events_without_client_ids():
    calm, spoiled = await events(), await events("omit_customer_order_id")
    assert [frame["type"] for frame in calm] == [frame["type"] for frame in spoiled]
    assert any("customerOrderId" in row for frame in calm for row in rows(frame))
    assert not any("customerOrderId" in row for frame in spoiled for row in rows(frame))


async def test_unknown_events_come_along():
    frames = await events("unknown_event")
    real = [index for index, frame in enumerate(frames) if frame["type"] in ACCOUNT_EVENTS]
    assert real == list(range(0, len(frames), 2))
    assert {frames[index + 1]["type"] for index in real} == set(UNKNOWN_EVENTS)
    [order_id] = {row["orderId"] for frame in frames if frame["type"] == "ORDER_PROCESSED" for row in rows(frame)}
    strange = [row for frame in frames if frame["type"] in UNKNOWN_EVENTS for row in rows(frame)]
    assert {row["status"] for row in strange} == {"CANCELLED"}
    assert any(row.get("orderId") == order_id for row in strange)


async def test_unknown_status_words_in_events():
    frames = await events("unknown_status_word")
    assert len(statuses(frames)) == 3
    assert set(statuses(frames)) <= set(UNKNOWN_STATUS_WORDS)
    words = statuses(await events({"kind": "unknown_status_word", "nth": [2]}))
    assert (words[0], words[1] in UNKNOWN_STATUS_WORDS, words[2]) == (STATES[0], True, STATES[2])


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ("ORDER_STATUS_UPDATE", "orderStatusType"),
        ("ORDER_STATUS_UPDATE", "orderId"),
        ("NEW_ACCOUNT_TRADE", "id"),
        ("NEW_ACCOUNT_TRADE", "currencyPairSymbol"),
        ("OPEN_ORDERS_UPDATE", "quantity"),
        ("BALANCE_UPDATE", "currency"),
        ("ORDER_PROCESSED", "data"),
    ],
)
async def test_events_without_a_chosen_field(event, field):
    frames = await events({"kind": "missing_field", "event": event, "field": field})
    spoiled = [row for frame in frames if frame["type"] == event for row in (frame, *rows(frame))]
    assert not any(field in row for row in spoiled)
    assert len(frames) == len(await events())


async def test_events_without_a_drawn_field():
    calm, spoiled = await events(), await events("missing_field")
    assert [frame["type"] for frame in calm] == [frame["type"] for frame in spoiled]
    lost = set()
    for whole, less in zip(calm, spoiled, strict=True):
        gone = [set(row) - set(other) for row, other in zip(rows(whole), rows(less), strict=True)]
        assert sum(map(len, gone)) == min(1, len(gone))
        lost |= set().union(*gone)
    assert len(lost) > 3


async def test_events_with_extra_fields():
    calm, spoiled = await events(), await events("extra_fields")
    for whole, more in zip(calm, spoiled, strict=True):
        assert set(more) - set(whole) == {"sequence", "meta"}
        for row, other in zip(rows(whole), rows(more), strict=True):
            assert set(other) - set(row) == {"riskScore", "routing", "isFinal"}
            assert isinstance(other["routing"]["legs"][0], dict)


async def test_numbers_with_commas():
    frames = await events("commas_in_numbers")
    updates = [frame["data"] for frame in frames if frame["type"] == "ORDER_STATUS_UPDATE"]
    assert {row["originalPrice"] for row in updates} == {"1,800,000"}
    assert {row["remainingQuantity"] for row in updates} == {"0.001", "0.0006"}
    assert {row["customerOrderId"] for row in updates} == {"1234"}
    zar = next(frame["data"] for frame in frames if frame["type"] == "BALANCE_UPDATE")
    assert zar["total"] == "10,000,000"


async def test_faults_of_messages_strike_together():
    spoiling = ["omit_customer_order_id", "unknown_status_word", "extra_fields", "commas_in_numbers"]
    frames = await events(*spoiling, "missing_field", "open_orders_object_layout", "unknown_event")
    assert {frame["type"] for frame in frames if frame["type"] in ACCOUNT_EVENTS} == TYPES
    update = next(frame["data"] for frame in frames if frame["type"] == "OPEN_ORDERS_UPDATE")
    assert set(update) <= {"accountId", "orders"}


async def test_spoiled_greetings():
    async with faulty("open_orders_object_layout", {"kind": "drop_event", "event": "BALANCE_UPDATE"}) as (
        server,
        client,
    ):
        rest(server, "a")
        async with client.socket() as socket:
            await socket.settled()
            assert socket.kinds() == ["AUTHENTICATED", "OPEN_ORDERS_UPDATE", "PONG"]
            assert socket.frames[1]["data"]["orders"][0]["side"] == "BUY"


# Lookups


@pytest.mark.parametrize(
    ("path", "rows_of"),
    [
        ("/v1/orders/BTCZAR/customerorderid/a", lambda answer: [answer]),
        ("/v1/orders/history/summary/customerorderid/a", lambda answer: [answer]),
        ("/v1/orders/history/detail/customerorderid/a", list),
        ("/v1/orders/history?statuses=CANCELLED&showZeroVolumeCancels=true", list),
    ],
)
async def test_unknown_status_words_in_lookups(path, rows_of):
    async with faulty({"kind": "unknown_status_word", "path": "/v1/orders/"}) as (server, client):
        order = rest(server, "a")
        server.exchange.cancel(server.account_id, order.id)
        answer = rows_of((await client.call("GET", path)).json)
        assert answer
        assert {row["orderStatusType"] for row in answer} <= set(UNKNOWN_STATUS_WORDS)
        assert {row["customerOrderId"] for row in answer} == {"a"}
        assert server.faults.struck[FaultKind.UNKNOWN_STATUS_WORD] == len(answer)
        assert (await client.call("POST", "/v1/orders/limit", limit())).status == 202
