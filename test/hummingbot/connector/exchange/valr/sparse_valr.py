"""A small VALR for the candles: it leaves out those without trades, and its socket says only what it is told to."""

import json
from decimal import Decimal
from typing import Any

from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from valr_loopback.times import iso, iso_seconds

SYMBOL = "BTCZAR"
BUCKETS_LIMIT = 300


class SparseValr:
    """Trades of one pair and the candles they make.

    :param now: the clock, which stands still, in Unix seconds
    :param strict: the bounds of a query do not belong to it
    """

    def __init__(self, now: float, *, strict: bool = False) -> None:
        self.now = now
        self.strict = strict
        self.trades: list[tuple[float, Decimal, Decimal]] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.subscribed: list[dict[str, list[str]]] = []
        self.queries: list[dict[str, str]] = []
        self.spoil: Any = None
        self.odd_rows: list[Any] = []
        self.wants_keys = False
        self.signed: list[bool] = []
        self.greeting: list[dict[str, Any]] = []
        self.url = ""

    async def __aenter__(self) -> "SparseValr":
        app = web.Application()
        app.router.add_get("/v1/public/time", self._time)
        app.router.add_get("/v1/public/{symbol}/buckets", self._buckets)
        app.router.add_get("/ws/trade", self._socket)
        self._server = TestServer(app)
        await self._server.start_server()
        self.url = str(self._server.make_url("")).rstrip("/")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    def trade(self, at: float, price: int, quantity: str | int = 1) -> None:
        """Let a trade happen; the socket is silent about it."""
        self.trades.append((at, Decimal(price), Decimal(quantity)))
        self.now = max(self.now, at)

    def bucket(self, period: int, start: float) -> dict[str, Any]:
        """Return the candle that the trades make, as the wire has it."""
        inside = [trade for trade in self.trades if start <= trade[0] < start + period]
        prices = [price for _, price, _ in inside]
        return {
            "currencyPairSymbol": SYMBOL,
            "bucketPeriodInSeconds": period,
            "startTime": iso_seconds(int(start * 1000)),
            **dict(
                zip(
                    ("open", "high", "low", "close"),
                    map(str, (prices[0], max(prices), min(prices), prices[-1])),
                    strict=True,
                )
            ),
            "volume": str(sum(quantity for _, _, quantity in inside)),
            "quoteVolume": str(sum(price * quantity for _, price, quantity in inside)),
        }

    async def say_bucket(self, period: int, start: float, **changes: Any) -> None:
        """Send a candle as it is now."""
        data = self.bucket(period, start) | changes
        await self.say({"type": "NEW_TRADE_BUCKET", "currencyPairSymbol": SYMBOL, "data": data})

    async def say_trade(self, **changes: Any) -> None:
        """Send the last trade."""
        at, price, quantity = self.trades[-1]
        data = {"price": str(price), "quantity": str(quantity), "tradedAt": iso(int(at * 1000)), "takerSide": "buy"}
        await self.say({"type": "NEW_TRADE", "currencyPairSymbol": SYMBOL, "data": data | changes})

    async def say(self, frame: dict[str, Any]) -> None:
        """Send a frame to every socket."""
        for socket in self.sockets:
            await socket.send_json(frame)

    async def _time(self, request: web.Request) -> web.Response:
        return web.json_response({"epochTime": int(self.now), "time": iso(int(self.now * 1000))})

    async def _buckets(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        self.queries.append(query)
        if self.spoil is not None:
            return web.json_response(self.spoil)
        period, limit = int(query["periodSeconds"]), int(query["limit"])
        low, high = float(query.get("startTime", 0)), float(query["endTime"])
        starts = sorted({at - at % period for at, _, _ in self.trades}, reverse=True)
        found = [start for start in starts if (low < start < high if self.strict else low <= start <= high)]
        rows = [self.bucket(period, start) for start in found[: min(limit, BUCKETS_LIMIT)]]
        return web.json_response([*rows, *self.odd_rows] if rows else [])

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        self.signed.append("X-VALR-API-KEY" in request.headers)
        if self.wants_keys and not self.signed[-1]:
            return web.Response(status=401)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        try:
            for frame in self.greeting:
                await socket.send_json(frame)
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._answer(socket, json.loads(message.data))
        finally:
            self.sockets.remove(socket)
        return socket

    async def _answer(self, socket: web.WebSocketResponse, frame: dict[str, Any]) -> None:
        if frame["type"] == "PING":
            await socket.send_json({"type": "PONG"})
            return
        lists = {each["event"]: each["pairs"] for each in frame["subscriptions"]}
        for event, symbols in lists.items():
            for symbol in symbols:
                await socket.send_json({"type": "SUBSCRIBED", "message": f"{event}:{symbol}"})
        self.subscribed.append(lists)
