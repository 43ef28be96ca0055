"""The exchange as a process: killed under load, stopped, started again, seen through the wire alone."""

import asyncio
import time
from decimal import Decimal
from itertools import count

import aiohttp

from test.valr_loopback.client import PATIENCE, Client, limit
from test.valr_loopback.decoders import L1Decoder
from test.valr_loopback.restarts import ExchangeProcess
from valr_loopback.server import DEMO_BALANCES, DEMO_SUB_ACCOUNT

SUBSCRIBE = {"type": "SUBSCRIBE", "subscriptions": [{"event": "OB_L1_DIFF", "pairs": ["BTCZAR"]}]}
ENDS = {"Cancelled", "Filled"}
ACKNOWLEDGED_BEFORE_THE_KILL = 300
PAUSE = 1 / 350
"""Between two commands, in seconds: below VALR's 400 placements a second."""


async def place_and_cancel(socket):
    """Place buy orders without end, now and then at a price that sells, and cancel every third."""
    for number in count():
        price = "1900000" if number % 10 == 0 else str(1_800_000 + number % 40)
        payload = limit(price=price, customerOrderId=f"load-{number}")
        await socket.send({"type": "PLACE_LIMIT_ORDER", "clientMsgId": f"p{number}", "payload": payload})
        if number % 3 == 2:
            payload = {"pair": "BTCZAR", "customerOrderId": f"load-{number - 2}"}
            await socket.send({"type": "CANCEL_LIMIT_ORDER", "clientMsgId": f"c{number - 2}", "payload": payload})
        await asyncio.sleep(PAUSE)


class Told:
    """What the exchange had told on the account socket before it was killed."""

    def __init__(self, account):
        self.placed = {data["customerOrderId"]: data["orderId"] for data in account.of("PLACE_LIMIT_WS_RESPONSE")}
        self.cancelled = {data["customerOrderId"] for data in account.of("CANCEL_ORDER_WS_RESPONSE")}
        self.status = {data["orderId"]: data["orderStatusType"] for data in account.of("ORDER_STATUS_UPDATE")}
        self.trades = {data["id"] for data in account.of("NEW_ACCOUNT_TRADE")}


async def killed_under_load(exchange, client):
    """Kill the exchange in the middle of everything; returns what it had told, and the book's last sequence number."""
    async with client.socket() as account, client.socket("/ws/trade", sign=False) as market:
        await market.send(SUBSCRIBE)
        load = asyncio.create_task(place_and_cancel(account))
        await account.until(
            lambda frames: sum("clientMsgId" in frame for frame in frames) > ACKNOWLEDGED_BEFORE_THE_KILL, 30
        )
        await exchange.kill()
        await account.closed()
        await market.closed()
        load.cancel()
        await asyncio.gather(load, return_exceptions=True)
        return Told(account), max(frame["d"]["sq"] for frame in market.frames if frame["type"].startswith("OB_L1"))


async def found(client, path):
    """Look something up as patiently as VALR's eventual consistency asks for."""
    deadline = time.monotonic() + PATIENCE
    while (reply := await client.call("GET", path)).status != 200:
        assert time.monotonic() < deadline, path
        await asyncio.sleep(0.05)
    return reply.json


async def test_killed_under_load_it_knows_everything_it_had_told(tmp_path):
    async with ExchangeProcess(tmp_path, "--no-market") as exchange, aiohttp.ClientSession() as session:
        client = Client(exchange, session)
        sale = limit("SELL", "1900000", "0.03")
        assert (await client.call("POST", "/v2/orders/limit", sale, sub_account=DEMO_SUB_ACCOUNT)).status == 201
        told, sequence = await killed_under_load(exchange, client)
        assert told.trades
        assert ENDS | {"Placed"} == set(told.status.values())

        await exchange.start()
        assert (exchange.api_key, exchange.api_secret) == (client.key, client.secret)
        ledger = await exchange.ledger()
        orders = {order["orderId"]: order for order in ledger["orders"]}
        assert len(told.placed) > 100
        for client_order_id, order_id in told.placed.items():
            known = [
                await found(client, f"/v1/orders/BTCZAR/{lookup}")
                for lookup in (f"orderid/{order_id}", f"customerorderid/{client_order_id}")
            ]
            assert known[0] == known[1]
            status = known[0]["orderStatusType"]
            assert status == orders[order_id]["status"] != "Queued"
            assert status in ENDS or (told.status.get(order_id) not in ENDS and client_order_id not in told.cancelled)
        assert told.trades <= {trade["id"] for trade in ledger["trades"]}
        pages = [(await client.call("GET", f"/v1/account/tradehistory?skip={skip}")).json for skip in (0, 100)]
        assert [trade["id"] for page in pages for trade in page] == [t["id"] for t in reversed(ledger["trades"])]
        money_adds_up(ledger)
        await the_client_ids_in_use_stay_taken(client, ledger)
        await the_book_starts_clean(client, sequence)


def money_adds_up(ledger):
    spent = sum(Decimal(trade["price"]) * Decimal(trade["quantity"]) for trade in ledger["trades"])
    unfilled = [order for order in ledger["orders"] if order["status"] in ("Placed", "Partially Filled")]
    locked = sum(Decimal(o["price"]) * (Decimal(o["quantity"]) - Decimal(o["filled"])) for o in unfilled)
    zar = {name: Decimal(text) for name, text in ledger["balances"]["ZAR"].items()}
    assert (zar["total"], zar["reserved"]) == (DEMO_BALANCES["ZAR"] - spent, locked)
    assert len(unfilled) == ledger["openOrders"] > 0
    assert len({trade["id"] for trade in ledger["trades"]}) == len(ledger["trades"])


async def the_client_ids_in_use_stay_taken(client, ledger):
    for wanted, answer in (("Placed", 400), ("Cancelled", 201)):
        used = next(order for order in ledger["orders"] if order["status"] == wanted)
        again = limit(price="1700000", customerOrderId=used["customerOrderId"])
        assert (await client.call("POST", "/v2/orders/limit", again)).status == answer


async def the_book_starts_clean(client, sequence):
    async with client.socket("/ws/trade", sign=False) as market:
        await market.send(SUBSCRIBE)
        await market.one("OB_L1_SNAPSHOT")
        assert (await client.call("DELETE", "/v1/orders")).status == 200
        await market.until(lambda frames: frames[-1]["type"] == "OB_L1_DIFF")
        assert (await client.call("GET", "/v1/orders/open")).json == []
        await market.settled()
        decoder = L1Decoder()
        texts = [text for text, frame in zip(market.texts, market.frames, strict=True) if "d" in frame]
        for text in texts:
            decoder.feed(text)
        assert decoder.sequence > sequence
        assert not decoder.sides["b"]


async def test_the_market_and_its_history_go_on_however_often_it_is_ended(tmp_path):
    subscribe = {"type": "SUBSCRIBE", "subscriptions": [{"event": "NEW_TRADE", "pairs": ["BTCZAR"]}]}
    candles = "/BTCZAR/buckets?limit=300&periodSeconds=300"
    async with ExchangeProcess(tmp_path, "--pace", "20") as exchange, aiohttp.ClientSession() as session:
        client = Client(exchange, session)
        closed = (await client.public(candles)).json[10:]
        assert len(closed) > 100
        for end in (exchange.kill, exchange.stop, exchange.kill):
            async with client.socket("/ws/trade") as market:
                await market.send(subscribe)
                await market.until(lambda frames: sum(frame["type"] == "NEW_TRADE" for frame in frames) > 3, 30)
                await end()
                await market.closed()
                told = [(data["id"], data["tradedAt"]) for data in market.of("NEW_TRADE")]
            await exchange.start()
            known = (await client.public(f"/BTCZAR/trades?endTime={told[-1][1]}")).json
            assert {trade_id for trade_id, _ in told[-100:]} <= {trade["id"] for trade in known}
        rows = (await client.public(candles)).json
        assert all(candle in rows for candle in closed)
