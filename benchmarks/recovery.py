"""From the moment the exchange accepts connections again to 20 proven books and 50 orders that were all looked up.

The exchange drops every connection and refuses new ones for some seconds. What counts as recovered is what the
connector itself goes by: its socket proves each book, the account socket is authenticated, every live order has been
looked up since then, and the trades of every pair with orders have been fetched.

Each run has a connector of its own: one that loses its connections twice within half a minute makes a pause on
purpose, since VALR counts handshakes.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

from benchmarks.bot import BenchBot, until
from benchmarks.exchange import BenchExchange, running_exchange
from benchmarks.figures import Plan, Progress, Result, Spread, Target
from benchmarks.pairs import listed_pairs, place_resting_order
from hummingbot.connector.exchange.valr.valr_exchange import ValrExchange
from valr_loopback.pairs import Pair

PAIRS = 20
ORDERS = 50
LIMIT = 0.5


class RecoveringExchange(ValrExchange):
    """The connector, noting when its account socket was authenticated."""

    connected_at = 0.0

    def _on_account_socket_connected(self) -> None:
        self.connected_at = time.monotonic()
        super()._on_account_socket_connected()

    def has_books(self) -> bool:
        """Whether the socket proves every book."""
        return all(self._order_book_source.has_live_book(each) for each in self.trading_pairs)

    def is_reconciled(self, since: float) -> bool:
        """Whether every order and every pair's trades have been answered for after a connection made since then."""
        lifecycle = self._keeper._lifecycle
        return (
            self.connected_at >= since
            and all(
                record.last_check >= self.connected_at and not record.checking and not record.failed_checks
                for record in lifecycle._records.values()
            )
            and not lifecycle._fetches
        )


async def recover(exchange: BenchExchange, connector: RecoveringExchange, outage: float) -> dict[str, float]:
    """Cut the exchange off for a while; return the seconds after that until each part is restored."""
    dropped = await exchange.cut()
    await until(lambda: not connector.has_books(), 5)
    await asyncio.sleep(dropped + outage - time.monotonic())
    accepted = await exchange.accept()
    waited_for: dict[str, Any] = {
        "books": connector.has_books,
        "account socket": lambda: connector.connected_at > accepted,
        "orders": lambda: connector.is_reconciled(accepted),
    }
    took: dict[str, float] = {}
    while len(took) < len(waited_for):
        for name, is_done in waited_for.items():
            if name not in took and is_done():
                took[name] = time.monotonic() - accepted
        await asyncio.sleep(0.001)
    assert len(connector.in_flight_orders) == ORDERS
    return took


@contextlib.asynccontextmanager
async def trading_bot(exchange: BenchExchange, account: str, pairs: list[Pair]) -> AsyncIterator[RecoveringExchange]:
    """Connect, and place the orders; they are cancelled on leaving."""
    names = [f"{pair.base}-{pair.quote}" for pair in pairs]
    async with BenchBot(exchange, account, RecoveringExchange, trading_pairs=names).running() as bot:
        connector = bot.connector
        assert isinstance(connector, RecoveringExchange)
        await until(lambda: connector.status_dict["user_stream_initialized"])
        for number in range(ORDERS):
            place_resting_order(bot, pairs[number % PAIRS], Decimal(number // PAIRS))
        await until(lambda: len(bot.told["created"]) == ORDERS)
        yield connector
        await connector.cancel_all(10)


async def measure(plan: Plan, say: Progress) -> list[Result]:
    """Measure recoveries after outages of different lengths."""
    pairs = listed_pairs(PAIRS)
    outages = plan.size((0.0, 3.0), (0.5,))
    runs: dict[float, list[dict[str, float]]] = {outage: [] for outage in outages}
    async with running_exchange("ours", switchable=True, pairs=PAIRS, market=True) as exchange:
        for number in range(plan.runs):
            for outage in outages:
                say(f"away for {outage:g} s, run {number + 1} of {plan.runs}")
                async with trading_bot(exchange, "ours", pairs) as connector:
                    runs[outage].append(await recover(exchange, connector, outage))
    return [_result(outage, each) for outage, each in runs.items()]


def _result(outage: float, runs: list[dict[str, float]]) -> Result:
    figures = {name: Spread.of([run[name] * 1e3 for run in runs]) for name in runs[0]}
    figures["all"] = Spread.of([max(run.values()) * 1e3 for run in runs])
    whole = figures["all"].median / 1e3
    return Result(
        "recovery",
        f"{PAIRS} pairs, {ORDERS} live orders, exchange away for {outage:g} s",
        "ms",
        figures,
        (Target(f"all <= {LIMIT} s after it accepts", whole, LIMIT, guard=5 * LIMIT),),
    )
