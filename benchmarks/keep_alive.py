"""The first order after 60 s without one, over TLS, beside an order on a warm connection.

What counts is the time from ``buy()`` to the created event, and how many new connections are made for it. A strategy
places several orders at once, so six at once are measured beside a single one: until the last of them is created. Each
side has several clients, each with connections of its own. They live in a process of their own, which trusts the
exchange's certificate: ``python -m benchmarks.keep_alive`` with a :class:`Task` as JSON.
"""

import asyncio
import contextlib
import datetime
import gc
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import hummingbot
from benchmarks.bot import BenchBot, until
from benchmarks.exchange import BenchExchange, Key, running_exchange
from benchmarks.figures import Plan, Progress, Result, Spread, Target, paired
from benchmarks.floor import FloorClient
from benchmarks.stock import StockExchange
from hummingbot.connector.exchange.valr.valr_exchange import ValrExchange

SIDES = {"floor": None, "ours": ValrExchange, "ours over REST": ValrExchange, "stock": StockExchange}
ORDERS = (1, 6)
LOWEST = 1_000_000

Trade = Callable[[], Awaitable[float]]
Found = tuple[float, float, float]
"""The medians of one run: seconds of a warm order, seconds of the first one, new connections for the first one."""


@dataclass(frozen=True)
class Task:
    """What the measuring process does, ``runs`` times: warm orders, ``idle`` seconds of nothing, and the first again.

    :param orders: how many are placed at once
    :param warm_rounds: how often they are placed before each idle time
    :param keys: key and secret of the accounts of each side's clients
    """

    url: str
    keys: dict[str, list[tuple[str, str]]]
    orders: int
    idle: float
    runs: int
    warm_rounds: int


def write_certificate(path: Path) -> None:
    """Write a certificate for ``localhost`` and its key, good for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))


# --- The measuring process --------------------------------------------------------------------------------------------
def bot_trade(bot: BenchBot, orders: int) -> Trade:
    """Let a connector place orders, wait until all are created, and cancel them."""

    async def trade() -> float:
        started = time.perf_counter()
        placed = [bot.buy(Decimal(LOWEST + number)) for number in range(orders)]
        created = bot.told["created"]
        await until(lambda: all(each in created for each in placed))
        for each in placed:
            bot.cancel(each)
        await until(lambda: all(each in bot.told["cancelled"] for each in placed))
        return max(created[each] for each in placed) - started

    return trade


def floor_trade(floor: FloorClient, orders: int) -> Trade:
    """The same with the leanest client."""
    created: dict[str, float] = {}
    numbers = iter(range(10**9))

    def note(frame: dict[str, Any]) -> None:
        if frame["type"] == "ORDER_PROCESSED" and frame["data"]["success"]:
            created.setdefault(frame["data"]["customerOrderId"], time.perf_counter())

    floor.on_frame = note

    async def trade() -> float:
        placed = [f"floor{next(numbers):08d}" for _ in range(orders)]
        started = time.perf_counter()
        for number, each in enumerate(placed):
            await floor.place(each, str(LOWEST + number))
        await until(lambda: all(each in created for each in placed))
        for each in placed:
            await floor.cancel(each)
        return max(created[each] for each in placed) - started

    return trade


def has_stream(bot: BenchBot) -> bool:
    """Whether the account socket is at work."""
    return bool(bot.connector.status_dict["user_stream_initialized"])


@contextlib.asynccontextmanager
async def connected(task: Task) -> AsyncIterator[dict[str, list[Trade]]]:
    """Connect the clients of every side."""
    async with contextlib.AsyncExitStack() as stack:
        trades: dict[str, list[Trade]] = {name: [] for name in SIDES}
        for name, kind in SIDES.items():
            for key in task.keys[name]:
                exchange = BenchExchange(task.url, {name: Key(*key)})
                if kind is None:
                    floor = await stack.enter_async_context(FloorClient(exchange, name))
                    trades[name].append(floor_trade(floor, task.orders))
                else:
                    entry = "rest" if name == "ours over REST" else "websocket"
                    bot = BenchBot(exchange, name, kind, valr_order_entry=entry)
                    await stack.enter_async_context(bot.running())
                    await until(partial(has_stream, bot))
                    trades[name].append(bot_trade(bot, task.orders))
        yield trades


class ConnectionCount:
    """How many connections the event loop has made."""

    def __init__(self) -> None:
        loop: Any = asyncio.get_running_loop()
        self._create = loop.create_connection
        self.made = 0
        loop.create_connection = self._counted

    async def _counted(self, *arguments: Any, **options: Any) -> Any:
        self.made += 1
        return await self._create(*arguments, **options)


async def work(task: Task) -> dict[str, list[Found]]:
    """Return what was found of each side, run by run."""
    found: dict[str, list[Found]] = {name: [] for name in SIDES}
    connections = ConnectionCount()

    async def turn(trade: Trade) -> tuple[float, float]:
        made = connections.made
        taken = await trade()
        await asyncio.sleep(0.02)
        return taken, connections.made - made

    async with connected(task) as trades:
        names = list(trades)
        for _ in range(task.runs):
            warm: dict[str, list[float]] = {name: [] for name in names}
            for _ in range(task.warm_rounds):
                for name in names:
                    warm[name] += [(await turn(trade))[0] for trade in trades[name]]
            gc.collect()
            await asyncio.sleep(task.idle)
            # None of them is always the first to wake the processor up.
            names = names[1:] + names[:1]
            first: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
            for clients in zip(*(trades[name] for name in names), strict=True):
                for name, trade in zip(names, clients, strict=True):
                    first[name].append(await turn(trade))
            for name in names:
                seconds, made = (statistics.median(each) for each in zip(*first[name], strict=True))
                found[name].append((statistics.median(warm[name]), seconds, made))
    return found


def main() -> None:
    """Do the task given as JSON, and print what was found."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        hummingbot.set_data_path(folder)  # type: ignore[attr-defined]
        sys.stdout.write(json.dumps(asyncio.run(work(Task(**json.loads(sys.argv[1]))))))


# --- The measure ------------------------------------------------------------------------------------------------------
async def run(certificate: Path, task: Task) -> dict[str, list[Found]]:
    """Let a process of its own do the task."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.keep_alive", json.dumps(asdict(task))),
        env={**os.environ, "SSL_CERT_FILE": str(certificate)},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the measuring process ended with {process.returncode}")
    found: dict[str, list[Found]] = json.loads(output)
    return found


async def measure(plan: Plan, say: Progress) -> list[Result]:
    """Measure a single order and six at once, in two processes whose turns do not coincide."""
    idle, orders, clients = plan.size(60.0, 0.5), plan.size(ORDERS, (1,)), range(plan.size(3, 1))
    accounts = [f"{name} {count} {client}" for name in SIDES for count in orders for client in clients]
    with tempfile.TemporaryDirectory() as folder:
        certificate = Path(folder) / "localhost.pem"
        write_certificate(certificate)
        async with running_exchange(*accounts, certificate=certificate, socket_idle_seconds=3600) as exchange:
            say(f"{plan.runs} runs with {idle:g} s without an order each")

            async def later(number: int, count: int) -> dict[str, list[Found]]:
                await asyncio.sleep(number * idle / len(orders))
                keys = {name: [exchange.keys[f"{name} {count} {client}"] for client in clients] for name in SIDES}
                pairs = {name: [(key.key, key.secret) for key in each] for name, each in keys.items()}
                return await run(certificate, Task(exchange.url, pairs, count, idle, plan.runs, plan.size(10, 5)))

            found = await asyncio.gather(*(later(number, count) for number, count in enumerate(orders)))
    return [_result(count, idle, each) for count, each in zip(orders, found, strict=True)]


def _result(orders: int, idle: float, found: dict[str, list[Found]]) -> Result:
    figures = {}
    for name, runs in found.items():
        figures[f"{name}, warm"] = Spread.of([warm * 1e3 for warm, _, _ in runs])
        figures[f"{name}, first"] = Spread.of([first * 1e3 for _, first, _ in runs])
    ratios = {name: paired(figures[f"{name}, first"], figures[f"{name}, warm"]).median for name in found}
    made = {name: statistics.median(each for _, _, each in runs) for name, runs in found.items()}
    rest = "ours over REST"
    return Result(
        "keep-alive",
        f"first after {idle:g} s without, TLS, {'an order' if orders == 1 else f'{orders} orders at once'}",
        "ms",
        figures,
        (
            Target("first <= 1.2 x warm", ratios["ours"], 1.2),
            Target("no new connection for it", made["ours"], 0, guard=0),
            Target("over REST: first <= 1.2 x warm", ratios[rest], 1.2),
            Target("over REST: no new connection for it", made[rest], 0, guard=0),
        ),
        [
            f"first / warm of the floor: {ratios['floor']:.2f}, of stock: {ratios['stock']:.2f}",
            f"new connections of stock: {made['stock']:g}",
        ],
    )


if __name__ == "__main__":
    main()
