"""From ``buy()`` to the order's created event, and from ``cancel()`` to its cancelled event, one order at a time.

The floor waits for the same proof: the frame that shows the order placed, or cancelled. Once with nothing between the
two processes but the loopback device, once with 10 ms that the network adds to each round trip.
"""

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any, Protocol

from benchmarks.bot import BenchBot, until
from benchmarks.exchange import BenchExchange, running_exchange
from benchmarks.figures import Plan, Progress, Result, Spread, Target, paired, percentile
from benchmarks.floor import FloorClient
from benchmarks.stock import StockExchange

DELAYS = (0.0, 0.010)
LIMITS = {0.0: 1.3, 0.010: 1.05}
GUARDS = {0.0: 3.0, 0.010: 1.5}
PRICE = 1_000_000
PAUSE = 0.01


class Side(Protocol):
    """One of those who take turns."""

    async def place(self) -> tuple[str, float]:
        """Place an order, wait for the proof; return its id and the seconds that took."""

    async def cancel(self, client_order_id: str) -> float:
        """Cancel an order, wait for the proof; return the seconds that took."""


class FloorSide:
    """The leanest client, waiting for frames."""

    def __init__(self, floor: FloorClient) -> None:
        self._floor = floor
        self._number = 0
        self._awaited = ("", "")
        self._proof: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        floor.on_frame = self._take

    def _take(self, frame: dict[str, Any]) -> None:
        if frame["type"] != "ORDER_STATUS_UPDATE":
            return
        shown = frame["data"]["customerOrderId"], frame["data"]["orderStatusType"]
        if shown == self._awaited and not self._proof.done():
            self._proof.set_result(time.perf_counter())

    def _await(self, client_order_id: str, word: str) -> asyncio.Future[float]:
        self._awaited = (client_order_id, word)
        self._proof = asyncio.get_running_loop().create_future()
        return self._proof

    async def place(self) -> tuple[str, float]:
        """Place, and wait for ``Placed``."""
        self._number += 1
        identifier = f"floor{self._number:08d}"
        proof = self._await(identifier, "Placed")
        started = time.perf_counter()
        await self._floor.place(identifier, str(PRICE))
        return identifier, await proof - started

    async def cancel(self, client_order_id: str) -> float:
        """Cancel, and wait for ``Cancelled``."""
        proof = self._await(client_order_id, "Cancelled")
        started = time.perf_counter()
        await self._floor.cancel(client_order_id)
        return await proof - started


class BotSide:
    """A connector, waiting for its events."""

    def __init__(self, bot: BenchBot) -> None:
        self._bot = bot

    async def place(self) -> tuple[str, float]:
        """Place, and wait for the created event."""
        started = time.perf_counter()
        identifier = self._bot.buy(Decimal(PRICE))
        return identifier, await self._bot.moment("created", identifier) - started

    async def cancel(self, client_order_id: str) -> float:
        """Cancel, and wait for the cancelled event."""
        started = time.perf_counter()
        self._bot.cancel(client_order_id)
        return await self._bot.moment("cancelled", client_order_id) - started


async def round_trips(side: Side, count: int) -> tuple[list[float], list[float]]:
    """Place and cancel; return the seconds of each."""
    places, cancels = [], []
    for _ in range(count):
        identifier, seconds = await side.place()
        places.append(seconds)
        await asyncio.sleep(PAUSE)
        cancels.append(await side.cancel(identifier))
        await asyncio.sleep(PAUSE)
    return places, cancels


@contextlib.asynccontextmanager
async def connected_sides(exchange: BenchExchange) -> AsyncIterator[dict[str, Side]]:
    """Connect floor, ours and stock, each to an account of its own."""
    async with (
        FloorClient(exchange, "floor") as floor,
        BenchBot(exchange, "ours").running() as ours,
        BenchBot(exchange, "stock", StockExchange).running() as stock,
    ):
        await until(lambda: ours.connector.status_dict["user_stream_initialized"])
        yield {"floor": FloorSide(floor), "ours": BotSide(ours), "stock": BotSide(stock)}


async def measure(plan: Plan, say: Progress) -> list[Result]:
    """Measure placements and cancels at both delays."""
    results = []
    count = plan.size(100, 10)
    for delay in DELAYS:
        places: dict[str, list[list[float]]] = {}
        cancels: dict[str, list[list[float]]] = {}
        exchange_there = running_exchange("floor", "ours", "stock", delay=delay)
        async with exchange_there as exchange, connected_sides(exchange) as sides:
            for side in sides.values():
                await round_trips(side, 3)
            gc.collect()
            for number in range(plan.runs):
                say(f"{delay * 1e3:g} ms added, run {number + 1} of {plan.runs}")
                for name, side in sides.items():
                    placed, cancelled = await round_trips(side, count)
                    places.setdefault(name, []).append(placed)
                    cancels.setdefault(name, []).append(cancelled)
        case = f"{delay * 1e3:g} ms added"
        results += [
            _result("submit to open", case, places, delay),
            _result("cancel to cancelled", case, cancels, delay),
        ]
    return results


def _result(measure: str, case: str, runs: dict[str, list[list[float]]], delay: float) -> Result:
    figures = {
        f"{name} p{rank}": Spread.of([percentile(times, rank) * 1e3 for times in each])
        for rank in (50, 99)
        for name, each in runs.items()
    }
    ratio = paired(figures["ours p50"], figures["floor p50"]).median
    limit = LIMITS[delay]
    target = Target(f"p50 <= {limit:g} x floor", ratio, limit, guard=GUARDS[delay])
    return Result(measure, case, "ms", figures, (target,))
