"""Faults of market data: frames of books lost, doubled, swapped and false, sockets that end, subscriptions that do."""

import json

import aiohttp
import pytest

from test.valr_loopback.client import faulty, until
from test.valr_loopback.decoders import FullDecoder, L1Decoder
from valr_loopback.fault_kinds import FaultKind

TRADE = "/ws/trade"
L1, FULL, AGGREGATED = "OB_L1_DIFF", "FULL_ORDERBOOK_UPDATE", "AGGREGATED_ORDERBOOK_UPDATE"
PRICES = range(1_000_000, 1_000_005)


def subscribing(event, *pairs):
    return {"type": "SUBSCRIBE", "subscriptions": [{"event": event, "pairs": list(pairs)}]}


def market_socket(client):
    return client.socket(TRADE, sign=False)


def fill(server, levels=30):
    """Rest so many levels on either side of BTCZAR."""
    for step in range(levels):
        server.exchange.place_limit(server.account_id, "BTCZAR", "buy", "0.01", str(1_900_000 - step))
        server.exchange.place_limit(server.account_id, "BTCZAR", "sell", "0.01", str(1_900_001 + step))


def change(server, prices=PRICES):
    """Change the book of BTCZAR once for each price, far below its top."""
    for price in prices:
        server.exchange.place_limit(server.account_id, "BTCZAR", "buy", "0.001", str(price))


async def told(socket, server, event):
    """Subscribe, change the book five times, and return the sequence numbers of the book's frames."""
    await socket.send(subscribing(event, "BTCZAR"))
    await socket.settled()
    change(server)
    await socket.settled()
    return sequences(socket, event)


def sequences(socket, event):
    """The sequence numbers of the book's frames as they came, counted from that of the first."""
    numbers = [frame["d"]["sq"] for frame in socket.frames if "sq" in frame.get("d", {})]
    numbers += [frame["data"]["SequenceNumber"] for frame in socket.frames if "SequenceNumber" in frame.get("data", {})]
    return [number - numbers[0] for number in numbers]


# Frames of books


@pytest.mark.parametrize("event", [L1, FULL])
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"kind": "book_duplicate", "nth": {2}}, [0, 1, 2, 2, 3, 4, 5]),
        ({"kind": "book_reorder", "nth": {2}}, [0, 1, 3, 2, 4, 5]),
        ({"kind": "book_reorder", "nth": {2, 3}}, [0, 1, 2, 4, 3, 5]),
        ({"kind": "book_stalled", "nth": {3}}, [0, 1, 2]),
        ({"kind": "snapshot_missing"}, [0, 1, 2, 3, 4]),
    ],
)
async def test_frames_come_twice_swapped_or_not_at_all(event, fault, expected):
    async with faulty({**fault, "pair": "BTCZAR", "event": event}) as (server, client), market_socket(client) as socket:
        assert await told(socket, server, event) == expected


async def test_a_frame_is_held_back():
    fault = {"kind": "book_reorder", "form": "held_back", "nth": {2}, "delay": (0.1, 0.1)}
    async with faulty(fault) as (server, client), market_socket(client) as socket:
        assert await told(socket, server, L1) == [0, 1, 3, 4, 5]
        await socket.until(lambda frames: sequences(socket, L1) == [0, 1, 3, 4, 5, 2])


async def test_a_stalled_book_comes_back_to_those_who_subscribe_afresh():
    fault = {"kind": "book_stalled", "times": 1}
    async with (
        faulty(fault) as (server, client),
        market_socket(client) as socket,
        market_socket(client) as later,
    ):
        assert await told(socket, server, L1) == [0]
        assert await told(later, server, L1) == [0, 1, 2, 3, 4, 5]
        await socket.send(subscribing(L1, "BTCZAR"))
        await socket.settled()
        assert sequences(socket, L1) == [0]
        await socket.send(subscribing(L1))
        await socket.send(subscribing(L1, "BTCZAR"))
        await socket.settled()
        change(server, PRICES[:2])
        await socket.settled()
        assert sequences(socket, L1) == [0, 10, 11, 12]


@pytest.mark.parametrize(("event", "decoder"), [(L1, L1Decoder), (FULL, FullDecoder)])
@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ({"kind": "book_altered"}, True),
        ({"kind": "book_altered", "form": "deep"}, False),
        ({"kind": "book_crossed"}, False),
    ],
    ids=["top", "deep", "crossed"],
)
async def test_a_frame_says_what_is_not_so(event, decoder, fault, seen):
    """The checksum shows a level altered at the top, not one below what it covers, nor a lie it was made for."""
    async with faulty({**fault, "nth": {2}}) as (server, client), market_socket(client) as socket:
        fill(server)
        await socket.send(subscribing(event, "BTCZAR"))
        await socket.settled()
        change(server, PRICES[:2])
        await socket.settled()
        snapshot, right, wrong = (text for text in socket.texts if event[:4] in text and "SUBSCRIBED" not in text)
        book = decoder()
        book.feed(snapshot)
        book.feed(right)
        try:
            book.feed(wrong)
        except AssertionError:
            assert seen
        else:
            assert not seen
        bids, asks = sides(book)
        truth = [(level.price_text, level.quantity_text) for level in server.data.feeds["BTCZAR"].levels("buy")]
        offered = [(level.price_text, level.quantity_text) for level in server.data.feeds["BTCZAR"].levels("sell")]
        assert (bids, asks) != (truth, offered)
        assert (int(bids[0][0]) > int(asks[0][0])) is (fault["kind"] == "book_crossed")


def sides(book):
    """The levels of a decoder's book, bids and asks, best first."""
    if isinstance(book, L1Decoder):
        return book.ordered("b"), book.ordered("a")
    return [
        [(price, ",".join(orders.values())) for price, orders in sorted(book.sides[side].items(), reverse=reverse)]
        for side, reverse in (("Bids", True), ("Asks", False))
    ]


async def test_the_aggregated_book_is_crossed():
    async with faulty({"kind": "book_crossed"}) as (server, client), market_socket(client) as socket:
        fill(server, 3)
        await socket.send(subscribing(AGGREGATED, "BTCZAR"))
        await socket.settled()
        change(server)
        last = (await socket.until(lambda frames: [f["data"] for f in frames if f["type"] == AGGREGATED][1:]))[-1]
        assert [row["price"] for row in last["Bids"][:2]] == ["1900002", "1900000"]
        assert last["Asks"][0]["price"] == "1900001"
        assert list(last["Bids"][0]) == list(last["Bids"][1])


async def test_an_empty_book_is_not_crossed_nor_altered():
    faults = ({"kind": "book_crossed"}, {"kind": "book_altered", "form": "deep"})
    async with faulty(*faults) as (server, client), market_socket(client) as socket:
        assert await told(socket, server, L1) == [0, 1, 2, 3, 4, 5]
        book = L1Decoder()
        for text in socket.texts:
            if "sq" in json.loads(text).get("d", {}):
                book.feed(text)
        assert len(book.ordered("b")) == 5


@pytest.mark.parametrize(("form", "first"), [("fresh", 5), ("old", 0)])
async def test_a_snapshot_comes_late(form, first):
    fault = {"kind": "snapshot_late", "form": form, "delay": (0.1, 0.1)}
    async with faulty(fault) as (server, client), market_socket(client) as socket:
        before = server.data.feeds["BTCZAR"].l1_sequence
        await told(socket, server, L1)
        assert "OB_L1_SNAPSHOT" not in socket.kinds()
        snapshot = (await socket.until(lambda frames: [f for f in frames if f["type"] == "OB_L1_SNAPSHOT"]))[0]
        assert snapshot["d"]["sq"] == before + first


async def test_a_late_snapshot_is_not_for_those_who_left():
    fault = {"kind": "snapshot_late", "delay": (0.1, 0.1), "pair": "BTCZAR"}
    async with faulty(fault) as (_, client), market_socket(client) as socket, market_socket(client) as other:
        await socket.send(subscribing(L1, "BTCZAR"))
        await socket.send(subscribing(L1, "ETHZAR"))
        await socket.settled()
        await other.send(subscribing(L1, "BTCZAR"))
        await other.one("OB_L1_SNAPSHOT")
        await socket.settled()
        assert [frame["ps"] for frame in socket.of("OB_L1_SNAPSHOT")] == ["ETHZAR"]


# Trades


async def test_trades_without_id():
    async with (
        faulty({"kind": "trade_without_id", "pair": "BTCZAR", "nth": {1}}) as (server, client),
        market_socket(client) as socket,
    ):
        await socket.send(subscribing("NEW_TRADE", "BTCZAR"))
        await socket.settled()
        server.exchange.place_limit(server.account_id, "BTCZAR", "sell", "0.1", "1900000")
        for _ in range(2):
            server.exchange.place_limit(server.sub_account_id, "BTCZAR", "buy", "0.05", "1900000")
        await socket.settled()
        first, second = socket.of("NEW_TRADE")
        assert second.keys() - first.keys() == {"id"}


# Subscriptions


async def test_a_subscription_is_refused():
    fault = {"kind": "subscription_refused", "pair": "BTCZAR", "event": L1, "times": 1}
    async with faulty(fault) as (_, client), market_socket(client) as socket:
        await socket.send(subscribing(L1, "BTCZAR", "ETHZAR"))
        await socket.settled()
        assert [f["message"] for f in socket.of("ERROR")] == ["Channel OB_L1_DIFF, pair BTCZAR combination invalid"]
        assert [f["message"] for f in socket.of("SUBSCRIBED")] == ["OB_L1_DIFF:ETHZAR"]
        await socket.send(subscribing(L1, "BTCZAR", "ETHZAR"))
        await socket.settled()
        assert [frame["ps"] for frame in socket.of("OB_L1_SNAPSHOT")] == ["ETHZAR", "BTCZAR"]


async def test_a_subscription_ends_unasked():
    fault = {"kind": "trade_socket_unsubscribes", "pair": "BTCZAR", "event": L1, "times": 1}
    async with faulty(fault) as (server, client), market_socket(client) as socket:
        await socket.send(subscribing(L1, "BTCZAR", "ETHZAR"))
        await socket.send(subscribing("NEW_TRADE", "BTCZAR"))
        assert (await socket.one("UNSUBSCRIBED"))["message"] == "OB_L1_DIFF:BTCZAR"
        change(server)
        await socket.settled()
        assert L1 not in socket.kinds()
        assert len(socket.of("UNSUBSCRIBED")) == 1
        await socket.send(subscribing(L1, "BTCZAR", "ETHZAR"))
        await socket.settled()
        assert [frame["ps"] for frame in socket.of("OB_L1_SNAPSHOT")] == ["BTCZAR", "ETHZAR", "BTCZAR"]


async def test_the_subscriptions_are_forgotten_and_only_the_pong_tells():
    async with (
        faulty({"kind": "trade_socket_forgets", "times": 1}) as (server, client),
        market_socket(client) as socket,
    ):
        await socket.send(subscribing(L1, "BTCZAR"))
        await until(lambda: server.faults.struck[FaultKind.TRADE_SOCKET_FORGETS])
        change(server)
        await socket.settled()
        assert socket.kinds() == ["SUBSCRIBED", "OB_L1_SNAPSHOT", "PONG"]
        assert socket.frames[-1] == {"type": "PONG", "message": "NO_SUBSCRIPTIONS"}


# The end of a socket


async def closing(server, client):
    async with market_socket(client) as socket, client.socket() as account:
        code = await socket.closed()
        await account.settled()
        return code


@pytest.mark.parametrize(
    ("fault", "codes"),
    [
        ({"kind": "trade_socket_close"}, {1006}),
        ({"kind": "trade_socket_close_cleanly", "form": "1000"}, {1000}),
        ({"kind": "trade_socket_close_cleanly", "form": "1012"}, {1012}),
        ({"kind": "trade_socket_close_cleanly"}, {1000, 1012}),
    ],
)
async def test_trade_sockets_end(fault, codes):
    async with faulty({**fault, "times": 1}) as (server, client):
        assert await closing(server, client) in codes
        async with market_socket(client) as again:
            await again.settled()


async def test_trade_sockets_fall_silent():
    async with faulty({"kind": "trade_socket_silent", "times": 1}) as (server, client), market_socket(client) as socket:
        await until(lambda: server.faults.struck[FaultKind.TRADE_SOCKET_SILENT])
        await socket.send({"type": "PING"})
        async with market_socket(client) as other:
            await other.settled()
            await other.settled()
        assert socket.frames == []
        assert not socket.socket.closed


@pytest.mark.parametrize(("form", "status"), [("", 503), (429, 429)])
async def test_trade_sockets_are_refused(form, status):
    async with faulty({"kind": "trade_socket_refused", "form": form, "times": 1}) as (_, client):
        async with client.socket() as account:
            await account.one("AUTHENTICATED")
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            async with market_socket(client):
                pass
        assert refusal.value.status == status
        async with market_socket(client) as socket:
            await socket.settled()


async def test_trade_sockets_are_reset():
    async with faulty({"kind": "trade_socket_refused", "form": "reset"}) as (server, client):
        with pytest.raises(aiohttp.ClientConnectionError):
            async with market_socket(client):
                pass
        assert not server.trades.sessions


# What is no fault, but not known of VALR either


@pytest.mark.parametrize(
    ("helpful", "snapshots"), [(False, ["BTCZAR", "ETHZAR"]), (True, ["BTCZAR", "BTCZAR", "ETHZAR"])]
)
async def test_who_subscribes_again_gets_a_snapshot_or_not(helpful, snapshots):
    async with faulty(snapshot_on_resubscribe=helpful) as (_, client), market_socket(client) as socket:
        await socket.send(subscribing(L1, "BTCZAR"))
        await socket.send(subscribing(L1, "BTCZAR", "ETHZAR"))
        await socket.settled()
        assert [frame["ps"] for frame in socket.of("OB_L1_SNAPSHOT")] == snapshots
