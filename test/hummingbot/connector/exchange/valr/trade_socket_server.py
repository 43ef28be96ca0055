"""A small VALR trade socket for the tests, with switches for what may go wrong (valr-api.md 5.1, 5.2)."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiohttp import WSMsgType, web

from .reference_books import Entry, ReferenceLevels, ReferenceOrders

BOOK_EVENTS = ("OB_L1_DIFF", "FULL_ORDERBOOK_UPDATE", "AGGREGATED_ORDERBOOK_UPDATE")


class Client:
    """One connection: its subscriptions per event and everything it sent."""

    def __init__(self, socket: web.WebSocketResponse, headers: dict[str, str]) -> None:
        self.socket = socket
        self.headers = headers
        self.lists: dict[str, list[str]] = {}
        self.received: list[dict[str, Any]] = []

    @property
    def subscribe_frames(self) -> list[dict[str, list[str]]]:
        return [
            {entry["event"]: entry["pairs"] for entry in frame["subscriptions"]}
            for frame in self.received
            if frame["type"] == "SUBSCRIBE"
        ]


class TradeSocketServer:
    """Levels and orders per symbol; every change reaches the clients that subscribed to it."""

    def __init__(self, *symbols: str) -> None:
        self.levels = {symbol: ReferenceLevels(symbol) for symbol in symbols}
        self.orders = {symbol: ReferenceOrders(symbol) for symbol in symbols}
        for number, book in enumerate(self.levels.values()):
            for step in range(30):
                book.change([(str(1000 * (number + 1) - step), "1.5")], [(f"{1000 * (number + 1) + step}.5", "0.25")])
        self.clients: list[Client] = []
        self.history: list[Client] = []
        self.answers_pings = True
        self.says_no_subscriptions = False
        self.resends_snapshots = False
        self.deaf = False
        self._deafness_ends = asyncio.Event()
        self.withheld_snapshots: set[str] = set()
        self.refused: set[tuple[str, str]] = set()
        self.unheard: set[tuple[str, str]] = set()
        self.snapshot_pause = 0.0
        self.snapshots_sent: Counter[str] = Counter()
        self.trades_sent: Counter[str] = Counter()
        self.corrupted: set[tuple[str, str]] = set()
        self.stalled: set[str] = set()
        self.greeting: list[dict[str, Any]] = []
        self.handshake_status: Callable[[dict[str, str]], int] = lambda headers: 101
        self.base_url = ""

    async def __aenter__(self) -> "TradeSocketServer":
        app = web.Application()
        app.router.add_get("/ws/trade", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._listen(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _listen(self, port: int) -> None:
        self._site = web.TCPSite(self._runner, "127.0.0.1", port)
        await self._site.start()
        self._port = self._runner.addresses[0][1]
        self.base_url = f"127.0.0.1:{self._port}"

    async def refuse_connections(self) -> None:
        await self._site.stop()
        await self.drop_all()

    async def accept_connections(self) -> None:
        await self._listen(self._port)

    async def drop_all(self) -> None:
        for client in list(self.clients):
            await client.socket.close(code=1012)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        headers = dict(request.headers)
        status = self.handshake_status(headers)
        if status != 101:
            return web.Response(status=status)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        client = Client(socket, headers)
        self.clients.append(client)
        self.history.append(client)
        try:
            for frame in self.greeting:
                await socket.send_json(frame)
            if self.deaf:
                await self._deafness_ends.wait()
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._answer(client, json.loads(message.data))
        finally:
            self.clients.remove(client)
        return socket

    async def _answer(self, client: Client, frame: dict[str, Any]) -> None:
        client.received.append(frame)
        if frame["type"] == "PING":
            if self.answers_pings:
                extra = {"message": "NO_SUBSCRIPTIONS"} if self.says_no_subscriptions else {}
                await client.socket.send_json({"type": "PONG", **extra})
        elif frame["type"] == "SUBSCRIBE":
            for subscription in frame["subscriptions"]:
                await self._subscribe(client, subscription["event"], subscription["pairs"])

    async def _subscribe(self, client: Client, event: str, symbols: list[str]) -> None:
        before = client.lists.get(event, [])
        symbols = [symbol for symbol in symbols if (event, symbol) not in self.unheard]
        valid = [symbol for symbol in symbols if symbol in self.levels and (event, symbol) not in self.refused]
        for symbol in symbols:
            if symbol not in valid:
                text = f"Channel {event}, pair {symbol} combination invalid"
                await client.socket.send_json({"type": "ERROR", "message": text})
        client.lists[event] = valid
        for symbol in before:
            if symbol not in valid:
                await client.socket.send_json({"type": "UNSUBSCRIBED", "message": f"{event}:{symbol}"})
        for symbol in client.lists[event]:
            if symbol not in before:
                await client.socket.send_json({"type": "SUBSCRIBED", "message": f"{event}:{symbol}"})
            if (symbol not in before or self.resends_snapshots) and event in BOOK_EVENTS:
                await self._send_snapshot(client, event, symbol)

    async def _send_snapshot(self, client: Client, event: str, symbol: str) -> None:
        if symbol in self.withheld_snapshots:
            return
        self.stalled.discard(symbol)
        await asyncio.sleep(self.snapshot_pause)
        self.snapshots_sent[symbol] += 1
        if event == "OB_L1_DIFF":
            await self._send(client, event, symbol, self.levels[symbol].snapshot_frame())
        elif event == "FULL_ORDERBOOK_UPDATE":
            await self._send(client, event, symbol, self.orders[symbol].snapshot_frame())
        else:
            await self._send(client, event, symbol, self.levels[symbol].aggregated_frame())

    async def _send(self, client: Client, event: str, symbol: str, frame: dict[str, Any]) -> None:
        if (event, symbol) in self.corrupted:
            if event == "OB_L1_DIFF":
                frame["d"]["cs"] ^= 1
            elif event == "FULL_ORDERBOOK_UPDATE":
                frame["data"]["Checksum"] ^= 1
            else:
                frame["data"]["Bids"][0]["price"] = "99999999"
        # A connection may be on its way out.
        with suppress(ConnectionResetError):
            await client.socket.send_json(frame)

    async def publish(self, event: str, symbol: str, frame: dict[str, Any]) -> None:
        for client in list(self.clients):
            if symbol in client.lists.get(event, []):
                await self._send(client, event, symbol, frame)

    async def unsubscribe(self, event: str, symbol: str) -> None:
        """Stop sending something to everybody, unasked."""
        for client in list(self.clients):
            client.lists[event].remove(symbol)
            await client.socket.send_json({"type": "UNSUBSCRIBED", "message": f"{event}:{symbol}"})

    async def change(
        self,
        symbol: str,
        bids: list[tuple[str, str]] | None = None,
        asks: list[tuple[str, str]] | None = None,
        *,
        lost: bool = False,
    ) -> None:
        """Change the book of ``symbol`` and tell the subscribers, unless the message is to be ``lost``."""
        frame = self.levels[symbol].diff_frame(bids or [], asks or [])
        if not lost and symbol not in self.stalled:
            await self.publish("OB_L1_DIFF", symbol, frame)
            await self.publish("AGGREGATED_ORDERBOOK_UPDATE", symbol, self.levels[symbol].aggregated_frame())

    async def change_order(self, symbol: str, *entries: Entry) -> None:
        """Change the order-by-order book of ``symbol`` and tell the subscribers."""
        await self.publish("FULL_ORDERBOOK_UPDATE", symbol, self.orders[symbol].update_frame(list(entries)))

    async def trade(self, symbol: str, **fields: str) -> None:
        data = {
            "price": "1001.5",
            "quantity": "0.25",
            "currencyPair": symbol,
            "tradedAt": "2024-03-27T12:33:19.918Z",
            "takerSide": "buy",
            **fields,
        }
        self.trades_sent[symbol] += 1
        await self.publish("NEW_TRADE", symbol, {"type": "NEW_TRADE", "currencyPairSymbol": symbol, "data": data})

    def release_deaf_clients(self) -> None:
        self._deafness_ends.set()

    async def send(self, client: Client, frame: dict[str, Any]) -> None:
        await client.socket.send_json(frame)

    async def send_to_all(self, text: str) -> None:
        for client in list(self.clients):
            await client.socket.send_str(text)


async def until(condition: Callable[[], Any], deadline: float = 5.0) -> None:
    """Wait for ``condition``, checked often, and fail when it does not come true in time."""
    try:
        async with asyncio.timeout(deadline):
            await asyncio.sleep(0)
            while not condition():  # noqa: ASYNC110  the condition is not an event
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError("the condition did not come true in time") from None
