"""A connector in front of VALR's REST, played by a server on this machine, with everything it told.

Nothing of the connector is replaced. ``world`` is where a test begins.
"""

import asyncio
import inspect
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from hummingbot.connector.exchange.valr.valr_auth import sign
from hummingbot.connector.exchange.valr.valr_exchange import ValrExchange
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder
from hummingbot.core.event.event_logger import EventLogger
from test.hummingbot.connector.exchange.valr.loopback_bot import EVENTS

PAIR = "ETH-ZAR"
SYMBOL = "ETHZAR"
KEY = "key"
SECRET = "4961b74efac86b25cce8fbe4c9811c4c7a787b7a5996660afcc2e287ad864363"
SAMPLES = Path(__file__).parent / "samples"

PAIRS, ORDER_TYPES = "/v1/public/pairs", "/v1/public/ordertypes"
TIME, SUMMARY = "/v1/public/time", "/v1/public/marketsummary"
BALANCES, FEES = "/v1/account/balances?excludeZeroBalances=true", "/v1/account/fees/trade"
LIMIT, MARKET, CANCEL = "/v2/orders/limit", "/v2/orders/market", "/v2/orders/order"
OPEN_ORDERS, TRADES = "/v1/orders/open", f"/v1/account/{SYMBOL}/tradehistory?skip=0&limit=100"
ORDER_ID = "14ed7fbc-272e-4bac-a4f9-7ec8df36df34"

Handler = Callable[["Request"], Any]


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text())


class Request:
    """One request as VALR sees it."""

    def __init__(self, method: str, path: str, headers: dict[str, str], text: str) -> None:
        self.method, self.path, self.headers, self.text = method, path, headers, text

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def is_signed_rightly(self) -> bool:
        stamp = int(self.headers["X-VALR-TIMESTAMP"])
        return self.headers["X-VALR-SIGNATURE"] == sign(SECRET, stamp, self.method, self.path, self.text)


class Valr:
    """VALR's REST: one answer a path (a body, a status with a body, or a function of the request)."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {
            PAIRS: sample("rest-public-pairs"),
            ORDER_TYPES: sample("rest-public-ordertypes"),
            TIME: lambda _: {"epochTime": int(time.time()), "time": f"{_iso_now()}"},
            OPEN_ORDERS: [],
            TRADES: [],
        }
        self.requests: list[Request] = []
        self.url = ""

    async def __aenter__(self) -> "Valr":
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _serve(self, received: web.Request) -> web.Response:
        request = Request(received.method, received.path_qs, dict(received.headers), await received.text())
        self.requests.append(request)
        answer = self.answers.get(request.path, (400, {"code": -1, "message": "Invalid Order. "}))
        if "/history/detail/" in request.path and request.path not in self.answers:
            answer = []
        if callable(answer):
            answer = answer(request)
        if inspect.isawaitable(answer):
            answer = await answer
        status, body = answer if isinstance(answer, tuple) else (200, answer)
        return web.Response(status=status, text=body if isinstance(body, str) else json.dumps(body))

    def sent(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]


def _iso_now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{time.time_ns() % 10**9:09d}Z"


def refusal(code: int, message: str, status: int = 400) -> tuple[int, dict[str, Any]]:
    return status, {"code": code, "message": message}


class World:
    """A connector in front of VALR, and everything it told."""

    def __init__(self, valr: Valr, **options: Any) -> None:
        self.valr = valr
        self.exchange = ValrExchange(
            KEY, SECRET, valr_url=valr.url, domain="valr_loopback", trading_pairs=[PAIR], **options
        )
        self.exchange._set_current_timestamp(1640780000)
        self.loggers = {event: EventLogger() for event in EVENTS}
        for event, logger in self.loggers.items():
            self.exchange.add_listener(event, logger)

    def told(self, kind: str) -> list[Any]:
        return [told for event, logger in self.loggers.items() if EVENTS[event] == kind for told in logger.event_log]

    async def hears(self, *frames: Any) -> None:
        """The account socket brings frames; return when they are processed."""
        frame_queue: asyncio.Queue[Any] = asyncio.Queue()
        self.exchange._user_stream_tracker._user_stream = frame_queue
        for frame in frames:
            frame_queue.put_nowait(frame)
        listener = asyncio.create_task(self.exchange._user_stream_event_listener())
        await until(frame_queue.empty)
        await asyncio.sleep(0)
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)

    def track(self, client_order_id: str = "HBOTB1", order_id: str | None = ORDER_ID, **fields: Any) -> InFlightOrder:
        values = {"amount": Decimal("1"), "price": Decimal("10000"), "order_type": OrderType.LIMIT, **fields}
        values = {"trading_pair": PAIR, "trade_type": TradeType.BUY, **values}
        self.exchange.start_tracking_order(order_id=client_order_id, exchange_order_id=order_id, **values)
        return self.exchange.in_flight_orders[client_order_id]

    async def placed(self) -> str:
        """Return the id of a resting limit order."""
        self.valr.answers[LIMIT] = (201, {"id": ORDER_ID})
        identifier = self.exchange.buy(PAIR, Decimal("0.5"), OrderType.LIMIT, Decimal("10000"))
        await until(lambda: self.told("created"))
        return identifier


@asynccontextmanager
async def world(*, rules: bool = True, **options: Any) -> AsyncIterator[World]:
    async with Valr() as valr:
        place = World(valr, **options)
        if rules:
            await place.exchange._update_trading_rules()
        before = asyncio.all_tasks()
        try:
            yield place
        finally:
            await place.exchange.stop_network()
            await place.exchange._web_assistants_factory.close()
            await until(lambda: asyncio.all_tasks() <= before | {asyncio.current_task()})


async def until(condition: Callable[[], Any], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - conditions look into both sides of a real socket
            await asyncio.sleep(0.002)


def state(word: str, remaining: str = "1", client_order_id: str = "HBOTB1", **fields: Any) -> dict[str, Any]:
    return {
        "orderId": ORDER_ID,
        "orderStatusType": word,
        "currencyPair": SYMBOL,
        "originalPrice": "10000",
        "remainingQuantity": remaining,
        "originalQuantity": "1",
        "orderSide": "buy",
        "orderType": "limit",
        "failedReason": "",
        "orderUpdatedAt": "2025-07-17T08:47:05.537Z",
        "customerOrderId": client_order_id,
        **fields,
    }


def trade(trade_id: str = "t1", quantity: str = "1", **fields: Any) -> dict[str, Any]:
    row = {
        "price": "10000",
        "quantity": quantity,
        "currencyPair": SYMBOL,
        "tradedAt": "2025-10-28T07:13:21.635Z",
        "side": "buy",
        "id": trade_id,
        "orderId": ORDER_ID,
    }
    return {**row, **fields}


def status_path(order_id: str = ORDER_ID) -> str:
    return f"/v1/orders/{SYMBOL}/orderid/{order_id}"


def journals(folder: Path) -> list[str]:
    return [path.read_text() for path in folder.glob("*.journal")]


def texts(caplog: pytest.LogCaptureFixture, part: str, level: int = 0) -> list[str]:
    return [each.getMessage() for each in caplog.records if part in each.getMessage() and each.levelno >= level]
