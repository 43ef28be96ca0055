"""From an account event's wire text to Hummingbot's event, for fills and cancels, with 2 and 200 live orders.

The orders are placed on the loopback exchange; the events, as VALR sends them, are put into the open socket's queue as
text, one after the other. The way goes through the decoder, the user stream's queue, the listener, the life of the
order, and Hummingbot's order tracker, to who listens. The floor's socket receives the same texts in turn, and it parses
them and does nothing else. Time is processor time, since one thread does it all; before each event nothing happens for
a while, as it is when an event comes.
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

from benchmarks.bot import BenchBot, until
from benchmarks.exchange import SYMBOL, running_exchange
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


class Fed:
    """Somebody's open socket that is fed texts; ``told`` is to be called when what a text says has come through.

    :param reader: returns the queue from which the socket is read
    """

    def __init__(self, reader: Callable[[], Any]) -> None:
        self._reader = reader
        self._told_at: asyncio.Future[float] | None = None

    def told(self, event: Any) -> None:
        """Take note of the moment."""
        if self._told_at is not None and not self._told_at.done():
            self._told_at.set_result(time.process_time())

    async def feed(self, text: str) -> float:
        """Let the socket receive a text; return microseconds of processor time until it has come through."""
        reader = self._reader()
        # Nothing that happened before is to be measured.
        await asyncio.sleep(0.002)
        self._told_at = asyncio.get_running_loop().create_future()
        message = aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, text, None)
        started = time.process_time()
        reader.feed_data(message, len(text))
        async with asyncio.timeout(10):
            return (await self._told_at - started) * 1e6


class EventBench:
    """A bot with live orders, the floor, and another client of the bot's account, which clears away."""

    def __init__(self, bot: BenchBot, floor: FloorClient, cleaner: FloorClient) -> None:
        self._bot = bot
        self._cleaner = cleaner
        self._ours = Fed(lambda: self._assistant._connection._connection._reader)
        self._floor = Fed(lambda: floor._socket._reader)
        floor.on_frame = self._floor.told
        # Held here, because the connector holds its listeners weakly.
        self._listener = EventForwarder(self._ours.told)
        for event in (MarketEvent.OrderFilled, MarketEvent.OrderCancelled):
            bot.connector.add_listener(event, self._listener)

    @property
    def _assistant(self) -> Any:
        return self._bot.connector._user_stream_tracker.data_source._ws_assistant

    async def place(self) -> Any:
        """Place an order and return it once it is open."""
        identifier = self._bot.buy(PRICE)
        await until(lambda: identifier in self._bot.told["created"])
        return self._bot.connector.in_flight_orders[identifier]

    async def feed(self, text: str) -> tuple[float, float]:
        """Return the microseconds of ours and of the floor for a text."""
        return await self._ours.feed(text), await self._floor.feed(text)

    async def fills(self, orders: list[Any], count: int) -> list[tuple[float, float]]:
        """Fill live orders a little; return the microseconds of ours and of the floor."""
        return [await self.feed(trade_text(orders[number % len(orders)])) for number in range(count)]

    async def cancels(self, count: int) -> list[tuple[float, float]]:
        """Cancel one more order each time; return the microseconds of ours and of the floor."""
        times = []
        for _ in range(count):
            order = await self.place()
            times.append(await self.feed(cancelled_text(order)))
            await self._cleaner.cancel(order.client_order_id)
        return times


async def measure(plan: Plan, say: Progress) -> list[Result]:
    """Measure fills and cancels with few and with many live orders."""
    results = []
    count = plan.size(150, 30)
    for live in plan.size((2, 200), (2,)):
        runs: dict[str, list[list[tuple[float, float]]]] = {"fill": [], "cancel": []}
        async with (
            running_exchange("ours", "floor") as exchange,
            FloorClient(exchange, "ours") as cleaner,
            FloorClient(exchange, "floor") as floor,
            BenchBot(exchange, "ours").running() as bot,
        ):
            await until(lambda: bot.connector.status_dict["user_stream_initialized"])
            bench = EventBench(bot, floor, cleaner)
            orders = [await bench.place() for _ in range(live)]
            gc.collect()
            for number in range(plan.runs):
                say(f"{live} live orders, run {number + 1} of {plan.runs}")
                runs["fill"].append(await bench.fills(orders, count))
                runs["cancel"].append(await bench.cancels(count))
        results += [_result(what, live, each) for what, each in runs.items()]
    return results


def _result(what: str, live: int, runs: list[list[tuple[float, float]]]) -> Result:
    ours, floor = ([[pair[side] for pair in run] for run in runs] for side in (0, 1))
    figures = {
        f"{name} p{rank}": Spread.of([percentile(times, rank) for times in side])
        for name, side in (("ours", ours), ("floor", floor))
        for rank in (50, 99)
    }
    pairs = zip(figures["ours p50"].runs, figures["floor p50"].runs, strict=True)
    beyond = Spread.of([mine - 2 * least for mine, least in pairs]).median
    return Result(
        "events",
        f"{what}: wire text to Hummingbot's event, {live} live orders",
        "us",
        figures,
        (Target(f"p50 <= 2 x floor + {ALLOWANCE:g} us", beyond, ALLOWANCE, guard=10 * ALLOWANCE),),
        ("processor time; found is what goes beyond 2 x floor",),
    )
