"""The trade socket: subscriptions, feeds and the life of the socket (valr-api.md 5)."""

import asyncio
import json
from pathlib import Path

import pytest

from test.valr_loopback.client import running
from test.valr_loopback.decoders import FullDecoder, L1Decoder, interleaved_crc
from valr_loopback.books import checksum

VECTORS = json.loads((Path(__file__).parent / "vectors-checksum.json").read_text())
TRADE = "/ws/trade"


def subscribing(**events):
    return {"type": "SUBSCRIBE", "subscriptions": [{"event": event, "pairs": pairs} for event, pairs in events.items()]}


def anonymous(client):
    return client.socket(TRADE, sign=False)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["string"][:20])
def test_checksums_match_the_vectors(vector):
    def tokens(rows):
        for row in rows:
            if isinstance(row, dict):
                yield from (f"{order['orderId']}:{order['quantity']}" for order in row["Orders"])
            else:
                yield ":".join(row)

    bids, asks = list(tokens(vector["bids"])), list(tokens(vector["asks"]))
    assert checksum(bids, asks) == interleaved_crc(bids, asks) == vector["crc32"]


# Subscriptions


async def test_each_subscribe_replaces_the_list_of_its_event(client):
    async with anonymous(client) as socket:
        await socket.send(subscribing(OB_L1_DIFF=["BTCZAR", "ethzar"], NEW_TRADE=["BTCZAR"]))
        await socket.settled()
        assert socket.of("SUBSCRIBED") == [
            {"type": "SUBSCRIBED", "message": text}
            for text in ("OB_L1_DIFF:BTCZAR", "OB_L1_DIFF:ETHZAR", "NEW_TRADE:BTCZAR")
        ]
        assert [frame["ps"] for frame in socket.of("OB_L1_SNAPSHOT")] == ["BTCZAR", "ETHZAR"]
        await socket.send(subscribing(OB_L1_DIFF=["ETHZAR", "BTCUSDT"]))
        await socket.settled()
        assert socket.of("UNSUBSCRIBED") == [{"type": "UNSUBSCRIBED", "message": "OB_L1_DIFF:BTCZAR"}]
        assert [frame["ps"] for frame in socket.of("OB_L1_SNAPSHOT")] == ["BTCZAR", "ETHZAR", "BTCUSDT"]
        client.server.exchange.place_limit("rival", "BTCZAR", "buy", "1", "1000000")
        client.server.exchange.place_limit("rival", "ETHZAR", "buy", "1", "1000")
        await socket.settled()
        assert [frame["ps"] for frame in socket.of("OB_L1_DIFF")] == ["ETHZAR"]
        await socket.send(subscribing(OB_L1_DIFF=[], NEW_TRADE=[]))
        await socket.settled()
        assert len(socket.of("UNSUBSCRIBED")) == 4
        assert socket.frames[-1] == {"type": "PONG", "message": "NO_SUBSCRIPTIONS"}


async def test_an_empty_then_a_full_list_brings_a_fresh_snapshot(client):
    async with anonymous(client) as socket:
        for pairs in (["BTCZAR"], [], ["BTCZAR"]):
            await socket.send(subscribing(OB_L1_DIFF=pairs))
        await socket.settled()
        assert len(socket.of("OB_L1_SNAPSHOT")) == 2


async def test_no_pairs_at_all_means_all_active_pairs(client):
    async with anonymous(client) as socket:
        await socket.send({"type": "SUBSCRIBE", "subscriptions": [{"event": "OB_L1_DIFF"}]})
        await socket.settled()
        pairs = {frame["ps"] for frame in socket.of("OB_L1_SNAPSHOT")}
        assert pairs == {"BTCZAR", "ETHZAR", "USDTZAR", "BTCUSDT", "DOGEUSDT", "BTCUSDTPERP"}


async def test_wrong_combinations_are_named_and_the_right_ones_subscribed(client):
    async with anonymous(client) as socket:
        await socket.send(
            subscribing(OB_L1_DIFF=["NOPE", "LTCBTC", "BTCZAR"], NOPE_EVENT=["BTCZAR"], NEW_TRADE=["LTCBTC"])
        )
        await socket.settled()
        assert [frame["message"] for frame in socket.of("ERROR")] == [
            "Channel OB_L1_DIFF, pair NOPE combination invalid",
            "Channel OB_L1_DIFF, pair LTCBTC combination invalid",
            "Channel NOPE_EVENT, pair BTCZAR combination invalid",
        ]
        assert [frame["message"] for frame in socket.of("SUBSCRIBED")] == ["OB_L1_DIFF:BTCZAR", "NEW_TRADE:LTCBTC"]
        await socket.send(subscribing(OB_L1_DIFF=["NOPE"]))
        await socket.settled()
        assert [frame["message"] for frame in socket.of("UNSUBSCRIBED")] == ["OB_L1_DIFF:BTCZAR"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Invalid message - Invalid JSON"),
        ('"text"', "Invalid message - Invalid JSON"),
        ('{"type":"UNSUBSCRIBE"}', "Invalid message - Unknown message type"),
        ('{"type":"SUBSCRIBE","subscriptions":[7]}', None),
    ],
)
async def test_nonsense_leaves_the_socket_open(client, text, message):
    async with anonymous(client) as socket:
        await socket.send(text)
        await socket.settled()
        assert message is None or socket.of("ERROR") == [{"type": "ERROR", "message": message}]


# Feeds


async def test_the_books_are_rebuilt_from_the_wire(server, client):
    place, rival = server.exchange.place_limit, "rival"
    for step in range(40):
        place(rival, "BTCZAR", "buy", "0.01", str(1_899_999 - step))
        place(rival, "BTCZAR", "sell", "0.01", str(1_900_000 + step))
    async with anonymous(client) as socket:
        await socket.send(subscribing(OB_L1_DIFF=["BTCZAR"], FULL_ORDERBOOK_UPDATE=["BTCZAR"]))
        await socket.settled()
        deep = place(rival, "BTCZAR", "buy", "1", "1000000")
        place(rival, "BTCZAR", "buy", "0.5", "1899999")
        place(server.account_id, "BTCZAR", "sell", "0.505", "1899990")
        place(server.account_id, "BTCZAR", "buy", "0.255", "1900020")
        server.exchange.cancel(rival, deep.id)
        server.exchange.cancel_all(server.account_id)
        await socket.settled()
        aggregated, full = L1Decoder(), FullDecoder()
        for text, frame in zip(socket.texts, socket.frames, strict=True):
            if frame["type"].startswith("OB_L1"):
                aggregated.feed(text)
            elif frame["type"].startswith("FULL"):
                full.feed(text)
        assert aggregated.sequence == socket.of("OB_L1_SNAPSHOT")[0]["d"]["sq"] + len(socket.of("OB_L1_DIFF"))
    book = (await client.public("/BTCZAR/orderbook/full")).json
    for side in ("Asks", "Bids"):
        rows = [(row["price"], row["id"], row["quantity"]) for row in book[side]]
        assert full.orders(side) == rows
    assert full.sequence == book["SequenceNumber"]
    levels = (await client.public("/BTCZAR/orderbook")).json["Asks"]
    assert aggregated.ordered("a")[:40] == [(row["price"], row["quantity"]) for row in levels]


async def test_the_aggregated_book_comes_whole_and_throttled(server, client):
    async with anonymous(client) as socket:
        await socket.send(subscribing(AGGREGATED_ORDERBOOK_UPDATE=["BTCZAR"]))
        await socket.settled()
        for step in range(50):
            server.exchange.place_limit("rival", "BTCZAR", "buy", "0.01", str(1_800_000 - step))
        last = (await socket.until(lambda frames: [f for f in frames if f.get("data", {}).get("Bids")]))[-1]
        assert last["currencyPairSymbol"] == "BTCZAR"
        assert len(last["data"]["Bids"]) == 40
        assert len(socket.of("AGGREGATED_ORDERBOOK_UPDATE")) <= 3


async def test_compact_snapshots_come_when_their_levels_change(server, client):
    async with anonymous(client) as socket:
        await socket.send(subscribing(OB_L1_D1_SNAPSHOT=["BTCZAR"], OB_L1_D80_SNAPSHOT=["BTCZAR"]))
        server.exchange.place_limit("rival", "BTCZAR", "buy", "0.5", "1800000")
        await socket.settled()
        server.exchange.place_limit("rival", "BTCZAR", "buy", "0.1", "1800000")
        server.exchange.place_limit("rival", "BTCZAR", "buy", "0.1", "1700000")
        await socket.settled()
        tops = [frame["d"] for frame in socket.of("OB_L1_D1_SNAPSHOT")]
        assert [top["b"] for top in tops][-2:] == [[["1800000", "0.5"]], [["1800000", "0.6"]]]
        assert set(tops[0]) == {"lc", "a", "b"}
        assert [len(frame["d"]["b"]) for frame in socket.of("OB_L1_D80_SNAPSHOT")][-1] == 2


async def test_trades_summaries_candles_and_mark_prices(server, client):
    events = ("NEW_TRADE", "MARKET_SUMMARY_UPDATE", "NEW_TRADE_BUCKET", "MARK_PRICE_UPDATE")
    async with anonymous(client) as socket:
        await socket.send(subscribing(**{key: ["BTCZAR"] for key in events}))
        summary = await socket.one("MARKET_SUMMARY_UPDATE")
        assert summary["currencyPairSymbol"] == "BTCZAR"
        assert (await socket.one("MARK_PRICE_UPDATE")) == {"price": "1900000"}
        server.exchange.place_limit("rival", "BTCZAR", "sell", "0.1", "1900100")
        server.exchange.place_limit(server.account_id, "BTCZAR", "buy", "0.1", "1900100")
        trade = await socket.one("NEW_TRADE")
        assert list(trade) == ["price", "quantity", "currencyPair", "tradedAt", "takerSide", "id"]
        assert (trade["price"], trade["takerSide"]) == ("1900100", "buy")
        await socket.one("MARKET_SUMMARY_UPDATE", lastTradedPrice="1900100")
        for period in (60, 300):
            bucket = await socket.one("NEW_TRADE_BUCKET", bucketPeriodInSeconds=period, close="1900100")
            assert bucket["currencyPairSymbol"] == "BTCZAR"
        await socket.one("MARK_PRICE_UPDATE", price="1900100")


async def test_a_candle_is_sent_when_it_ends_traded_or_not(server, client):
    async with anonymous(client) as socket:
        await socket.send(subscribing(NEW_TRADE_BUCKET=["BTCZAR"]))
        await socket.settled()
        server.trades.close_buckets(1_795_000_199_900, 1_795_000_200_100)
        await socket.settled()
        rows = socket.of("NEW_TRADE_BUCKET")
        assert [row["bucketPeriodInSeconds"] for row in rows] == [60, 300]
        assert (rows[0]["volume"], rows[0]["close"]) == ("0", "1900000")


async def test_changes_of_the_order_types_are_told(server, client):
    async with anonymous(client) as socket:
        await socket.send(subscribing(ALLOWED_ORDER_TYPES_UPDATED=["BTCZAR"]))
        await socket.settled()
        server.exchange.set_active("BTCZAR", False)
        server.exchange.set_active("BTCZAR", True)
        await socket.settled()
        first, second = socket.of("ALLOWED_ORDER_TYPES_UPDATED")
        assert first == []
        assert "LIMIT" in second


# Life


async def test_an_anonymous_socket_is_closed_in_time_with_code_1000():
    async with (
        running(anonymous_socket_seconds=0.2) as (_, client),
        anonymous(client) as socket,
        client.socket(TRADE) as signed,
    ):
        await socket.send(subscribing(NEW_TRADE=["BTCZAR"]))
        assert await socket.closed() == 1000
        await signed.settled()


async def test_only_a_subscription_excuses_silence():
    async with (
        running(socket_idle_seconds=0.2) as (_, client),
        anonymous(client) as idle,
        anonymous(client) as busy,
    ):
        await busy.send(subscribing(NEW_TRADE=["BTCZAR"]))
        assert await idle.closed() == 1006
        await asyncio.sleep(0.3)
        await busy.settled()
        await busy.send(subscribing(NEW_TRADE=[]))
        assert await busy.closed() == 1006


async def test_dropping_the_sockets(server, client):
    async with anonymous(client) as socket:
        await socket.send(subscribing(OB_L1_DIFF=["BTCZAR"]))
        await socket.settled()
        await server.drop_trade_sockets()
        assert await socket.closed() == 1006
    server.exchange.place_limit("rival", "BTCZAR", "buy", "1", "1000000")
    assert not server.trades.sessions


async def test_compression_is_used_when_the_client_offers_it(client):
    async with client.socket(TRADE, sign=False, compress=15) as socket:
        assert socket.socket.compress
        await socket.settled()
    async with anonymous(client) as socket:
        assert not socket.socket.compress
