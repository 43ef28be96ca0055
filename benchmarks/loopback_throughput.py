"""How much the loopback exchange can take: ``python benchmarks/loopback_throughput.py``.

Each row places and cancels orders against a book of 10,000 resting orders, one command after the other, and prints how
many commands a second one core did. The target is 500 a second over the wire. The last rows tell what it costs to keep
the exchange in a file, and how fast it is read back.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import aiohttp

from valr_loopback.auth import sign
from valr_loopback.exchange import Exchange
from valr_loopback.faults import FaultPlan
from valr_loopback.market_data import MarketData
from valr_loopback.server import LoopbackConfig, LoopbackServer
from valr_loopback.state import StateFile
from valr_loopback.trade_socket import TradeHub, TradeSession

RESTING = 10_000
COMMANDS = 2_000


def fill(exchange: Exchange) -> None:
    """Rest 10,000 orders of 50 accounts on one book, on 1,000 levels a side."""
    for number in range(50):
        exchange.open_account(f"crowd-{number}", {"ZAR": 10**12, "BTC": 10**6})
    for number in range(RESTING // 2):
        account_id = f"crowd-{number % 50}"
        exchange.place_limit(account_id, "BTCZAR", "buy", "0.01", str(1_899_000 - number % 1000))
        exchange.place_limit(account_id, "BTCZAR", "sell", "0.01", str(1_901_000 + number % 1000))


class Sink:
    """A connection that only counts what it is sent."""

    def __init__(self) -> None:
        self.frames = 0

    def send(self, text: str) -> None:
        """Take a frame."""
        self.frames += 1


def engine_rate(*, subscribers: int) -> float:
    """Return commands a second of the engine, with its L1 and FULL feeds encoded for so many subscribers."""
    exchange = Exchange(time.time)
    hub = TradeHub(MarketData(exchange), FaultPlan((), time.time, Random(1)))
    fill(exchange)
    for _ in range(subscribers):
        session = TradeSession(hub, Sink())  # type: ignore[arg-type]
        session.receive('{"type":"SUBSCRIBE","subscriptions":[{"event":"OB_L1_DIFF","pairs":["BTCZAR"]}]}')
        session.receive('{"type":"SUBSCRIBE","subscriptions":[{"event":"FULL_ORDERBOOK_UPDATE","pairs":["BTCZAR"]}]}')
    return place_and_cancel(exchange)


def place_and_cancel(exchange: Exchange) -> float:
    """Place and cancel near the top of the book, and return commands a second."""
    started = time.perf_counter()
    for number in range(COMMANDS // 2):
        order = exchange.place_limit("crowd-0", "BTCZAR", "buy", "0.01", str(1_899_500 - number % 50))
        exchange.cancel("crowd-0", order.id)
    return COMMANDS / (time.perf_counter() - started)


def kept_rates(folder: Path) -> tuple[float, float]:
    """Return commands a second of the engine while each is written to a file, and of reading that file back."""
    exchange = Exchange(time.time)
    state = StateFile(folder / "state", exchange, MarketData(exchange))
    fill(exchange)
    running = place_and_cancel(exchange)
    state.close()
    written = (folder / "state").read_bytes().count(b"\n")
    again = Exchange(time.time)
    started = time.perf_counter()
    StateFile(folder / "state", again, MarketData(again)).close()
    return running, written / (time.perf_counter() - started)


def _headers(server: LoopbackServer, verb: str, path: str, body: str = "") -> dict[str, str]:
    timestamp = str(int(time.time() * 1000))
    return {
        "X-VALR-API-KEY": server.api_key,
        "X-VALR-SIGNATURE": sign(server.api_secret, timestamp, verb, path, body),
        "X-VALR-TIMESTAMP": timestamp,
        "Content-Type": "application/json",
    }


async def socket_rate(server: LoopbackServer, session: aiohttp.ClientSession) -> float:
    """Return commands a second over the account socket, with the book watched over the trade socket."""
    account = await session.ws_connect(
        server.websocket_url + "/ws/account", headers=_headers(server, "GET", "/ws/account")
    )
    trade = await session.ws_connect(server.websocket_url + "/ws/trade", max_msg_size=0)
    await trade.send_str('{"type":"SUBSCRIBE","subscriptions":[{"event":"OB_L1_DIFF","pairs":["BTCZAR"]}]}')
    started = time.perf_counter()
    for number in range(COMMANDS // 2):
        payload = {"side": "BUY", "quantity": "0.01", "price": str(1_899_500 - number % 50), "pair": "BTCZAR"}
        place = {"type": "PLACE_LIMIT_ORDER", "payload": payload | {"customerOrderId": str(number)}}
        cancel = {"type": "CANCEL_LIMIT_ORDER", "payload": {"customerOrderId": str(number), "pair": "BTCZAR"}}
        await account.send_str(json.dumps(place))
        await account.send_str(json.dumps(cancel))
    done = 0
    while done < COMMANDS // 2:
        frame = await account.receive_json(timeout=60)
        done += frame["type"] == "ORDER_STATUS_UPDATE" and frame["data"]["orderStatusType"] == "Cancelled"
    rate = COMMANDS / (time.perf_counter() - started)
    await account.close()
    await trade.close()
    return rate


async def rest_rate(server: LoopbackServer, session: aiohttp.ClientSession) -> float:
    """Return signed v2 calls a second, eight at a time."""

    async def call(verb: str, path: str, body: dict[str, str]) -> None:
        text = json.dumps(body)
        async with session.request(
            verb, server.url + path, data=text, headers=_headers(server, verb, path, text)
        ) as reply:
            await reply.read()
            reply.raise_for_status()

    async def trade(worker: int) -> None:
        for number in range(COMMANDS // 16):
            client_id = f"{worker}-{number}"
            order = {"side": "BUY", "quantity": "0.01", "price": "1899500", "pair": "BTCZAR"}
            await call("POST", "/v2/orders/limit", order | {"customerOrderId": client_id})
            await call("DELETE", "/v2/orders/order", {"customerOrderId": client_id, "pair": "BTCZAR"})

    started = time.perf_counter()
    await asyncio.gather(*(trade(worker) for worker in range(8)))
    return COMMANDS / (time.perf_counter() - started)


async def over_the_wire(
    measure: Callable[[LoopbackServer, aiohttp.ClientSession], Awaitable[float]], state: Path | None = None
) -> float:
    """Run one measurement against a fresh server; client and server share the core."""
    config = LoopbackConfig(
        port=0, market=False, rate_limits=False, engine_delay=(0, 0), lookup_delay=(0, 0), state=state
    )
    async with LoopbackServer(config) as server, aiohttp.ClientSession() as session:
        fill(server.exchange)
        return await measure(server, session)


def main() -> None:
    """Measure and print."""
    with TemporaryDirectory() as folder:
        kept, read_back = kept_rates(Path(folder))
        kept_socket = asyncio.run(over_the_wire(socket_rate, Path(folder) / "socket"))
    rows = [
        ("engine, nobody watching", engine_rate(subscribers=0)),
        ("engine, L1 and FULL encoded, 1 subscriber", engine_rate(subscribers=1)),
        ("engine, L1 and FULL encoded, 20 subscribers", engine_rate(subscribers=20)),
        ("account socket, book watched", asyncio.run(over_the_wire(socket_rate))),
        ("REST v2, signed, 8 at a time", asyncio.run(over_the_wire(rest_rate))),
        ("engine, kept in a file", kept),
        ("account socket, book watched, kept in a file", kept_socket),
        ("reading the file back", read_back),
    ]
    print(f"{RESTING} resting orders, {COMMANDS} commands each, client and server on one core")  # noqa: T201
    for name, rate in rows:
        print(f"{name:<46}{rate:>10,.0f} commands/s  {'met' if rate >= 500 else 'missed'}")  # noqa: T201


if __name__ == "__main__":
    main()
