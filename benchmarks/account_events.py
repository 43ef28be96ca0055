"""From an account event's wire text to Hummingbot's event, for fills and cancels, with 2 and 200 live orders.

The orders are placed on the loopback exchange; the events, as VALR sends them, are put into the open socket's queue as
text, one after the other. The way goes through the decoder, the user stream's queue, the listener, the life of the
order, and Hummingbot's order tracker, to who listens. Time is processor time, since one thread does it all. The floor
parses the same text with orjson and does nothing else.
"""

import asyncio
import gc
import json
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import aiohttp
import orjson

from benchmarks.bot import BenchBot, until
from benchmarks.exchange import SYMBOL, BenchExchange, running_exchange
from benchmarks.figures import Plan, Progress, Result, Spread, Target, percentile
from benchmarks.floor import FloorClient
from hummingbot.core.event.event_forwarder import EventForwarder
from hummingbot.core.event.events import MarketEvent

PRICE = Decimal(1_000_000)
ALLOWANCE = 50.0
"""Microseconds beyond twice the floor's that are aimed at."""


def _time() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def trade_text(order: Any) -> str:
    """Return the event of a small fill."""
    data = {
        "price": f"{order.price:f}",
        "quantity": "0.00001",
        "currencyPair": SYMBOL,
        "tradedAt": _time(),
        "side": "buy",
        "orderId": order.exchange_order_id,
        "id": str(uuid.uuid4()),
        "fee": "0.0000001",
        "feeCurrency": "BTC",
        "customerOrderId": order.client_order_id,
    }
    return json.dumps({"type": "NEW_ACCOUNT_TRADE", "currencyPairSymbol": SYMBOL, "data": data}, separators=(",", ":"))


def cancelled_text(order: Any) -> str:
    """Return the event of an order's end by a cancel."""
    data = {
        "orderId": order.exchange_order_id,
        "orderStatusType": "Cancelled",
        "currencyPair": SYMBOL,
        "originalPrice": f"{order.price:f}",
        "remainingQuantity": f"{order.amount:f}",
        "originalQuantity": f"{order.amount:f}",
        "orderSide": "buy",
        "orderType": "limit",
        "failedReason": "",
        "orderUpdatedAt": _time(),
        "orderCreatedAt": _time(),
        "executedPrice": "0",
        "executedQuantity": "0",
        "executedFee": "0",
        "customerOrderId": order.client_order_id,
    }
    return json.dumps({"type": "ORDER_STATUS_UPDATE", "data": data}, separators=(",", ":"))


class EventBench:
    """A bot with live orders, whose account socket can be fed."""

    def __init__(self, exchange: BenchExchange) -> None:
        self.bot = BenchBot(exchange, "ours")
        self._told_at: asyncio.Future[float] | None = None
        self._listener = EventForwarder(self._note)
        for event in (MarketEvent.OrderFilled, MarketEvent.OrderCancelled):
            self.bot.connector.add_listener(event, self._listener)
        self._fed = 0

    def _note(self, event: Any) -> None:
        if self._told_at is not None and not self._told_at.done():
            self._told_at.set_result(time.process_time())

    async def place(self) -> Any:
        """Place an order and return it once it is open."""
        identifier = self.bot.buy(PRICE)
        await until(lambda: identifier in self.bot.told["created"])
        return self.bot.connector.in_flight_orders[identifier]

    async def feed(self, text: str) -> float:
        """Let the socket receive a text; return microseconds of processor time until Hummingbot's event."""
        assistant = self.bot.connector._user_stream_tracker.data_source._ws_assistant
        reader = assistant._connection._connection._reader
        # Nothing that happened before is to be measured.
        await asyncio.sleep(0.002)
        self._told_at = asyncio.get_running_loop().create_future()
        message = aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, text, None)
        started = time.process_time()
        reader.feed_data(message, len(text))
        async with asyncio.timeout(10):
            return (await self._told_at - started) * 1e6


def floor_microseconds(text: str) -> float:
    """Return microseconds of processor time that parsing takes."""
    times = 50
    started = time.process_time()
    for _ in range(times):
        orjson.loads(text)
    return (time.process_time() - started) / times * 1e6


async def fills(bench: EventBench, orders: list[Any], count: int) -> tuple[list[float], list[float]]:
    """Fill live orders a little; return the microseconds of ours and of the floor."""
    texts = [trade_text(orders[number % len(orders)]) for number in range(count)]
    return [await bench.feed(text) for text in texts], list(map(floor_microseconds, texts))


async def cancels(bench: EventBench, floor: FloorClient, count: int) -> tuple[list[float], list[float]]:
    """Cancel one more order each time; return the microseconds of ours and of the floor."""
    ours, parsed = [], []
    for _ in range(count):
        order = await bench.place()
        text = cancelled_text(order)
        ours.append(await bench.feed(text))
        parsed.append(floor_microseconds(text))
        await floor.cancel(order.client_order_id)
    return ours, parsed


async def measure(plan: Plan, say: Progress) -> list[Result]:
    """Measure fills and cancels with few and with many live orders."""
    results = []
    for live in plan.size((2, 200), (2,)):
        async with running_exchange("ours") as exchange, FloorClient(exchange, "ours") as floor:
            bench = EventBench(exchange)
            async with bench.bot.running():
                await until(lambda: bench.bot.connector.status_dict["user_stream_initialized"])  # noqa: B023
                orders = [await bench.place() for _ in range(live)]
                runs: dict[str, list[tuple[list[float], list[float]]]] = {"fill": [], "cancel": []}
                gc.collect()
                for number in range(plan.runs):
                    say(f"{live} live orders, run {number + 1} of {plan.runs}")
                    count = plan.size(150, 30)
                    runs["fill"].append(await fills(bench, orders, count))
                    runs["cancel"].append(await cancels(bench, floor, count))
            results += [_result(what, live, each) for what, each in runs.items()]
    return results


def _result(what: str, live: int, runs: list[tuple[list[float], list[float]]]) -> Result:
    def spread(rank: float, side: Callable[[tuple[list[float], list[float]]], list[float]]) -> Spread:
        return Spread.of([percentile(side(run), rank) for run in runs])

    ours, floor = spread(50, lambda run: run[0]), spread(50, lambda run: run[1])
    figures = {"ours p50": ours, "ours p99": spread(99, lambda run: run[0]), "floor's parsing p50": floor}
    beyond = Spread.of([mine - 2 * least for mine, least in zip(ours.runs, floor.runs, strict=True)])
    return Result(
        "account event",
        f"{what}: wire text to Hummingbot's event, {live} live orders",
        "us",
        figures,
        (Target(f"p50 <= 2 x floor + {ALLOWANCE:g} us", beyond.median, ALLOWANCE, guard=10 * ALLOWANCE),),
        ("processor time; found is what goes beyond 2 x floor",),
    )
