"""From making the connector to being ready with every book, with 1, 20 and 100 pairs, anonymous and with keys.

VALR's rate limits are kept by the exchange and by the connectors: stock, which asks for one book after the other over
public REST, has 30 calls a minute for it. Every start has an exchange of its own, whose limits nobody has used yet.
"""

import dataclasses
import time
from decimal import Decimal

from benchmarks.bot import BenchBot, until
from benchmarks.exchange import Key, running_exchange
from benchmarks.figures import Plan, Progress, Result, Spread, Target
from benchmarks.pairs import listed_pairs
from benchmarks.stock import StockExchange
from hummingbot.connector.exchange.valr.valr_exchange import ValrExchange

LIMITS = {1: 2.0, 20: 3.0, 100: 6.0}
STOCK_PAIRS = (1, 20)
STOCK_RUNS = 3
ANONYMOUS = "anonymous"
WITH_KEYS = "with keys"


async def start(pairs: int, listed: int, account: str, kind: type[ValrExchange] = ValrExchange) -> float:
    """Return the seconds that one start takes on an exchange with so many pairs ``listed``."""
    names = [f"{pair.base}-{pair.quote}" for pair in listed_pairs(pairs)]
    async with running_exchange(WITH_KEYS, market=True, pairs=listed, rate_limits=True, history_minutes=0) as exchange:
        exchange = dataclasses.replace(exchange, keys={**exchange.keys, ANONYMOUS: Key("", "")})
        trading = {"trading_pairs": names, "trading_required": account != ANONYMOUS}
        started = time.perf_counter()
        bot = BenchBot(exchange, account, kind, rate_limits_share_pct=Decimal(100), **trading)
        async with bot.running(600):
            source = bot.connector._order_book_source
            await until(lambda: all(source.has_live_book(name) for name in names), 600)
            return time.perf_counter() - started


async def measure(plan: Plan, say: Progress) -> list[Result]:
    """Measure each number of pairs; stock with few pairs only, since it takes minutes with many."""
    listed = plan.size(205, 20)
    ours: dict[tuple[int, str], list[float]] = {}
    stock: dict[int, list[float]] = {}
    for run in range(plan.runs):
        for pairs in plan.size(tuple(LIMITS), (20,)):
            for account in (WITH_KEYS, ANONYMOUS):
                say(f"{pairs} pairs, {account}, run {run + 1} of {plan.runs}")
                ours.setdefault((pairs, account), []).append(await start(pairs, listed, account))
            if pairs in STOCK_PAIRS and run < plan.size(STOCK_RUNS, 0):
                say(f"{pairs} pairs, stock, run {run + 1} of {STOCK_RUNS}")
                stock.setdefault(pairs, []).append(await start(pairs, listed, WITH_KEYS, StockExchange))
    return [_result(pairs, listed, account, runs, stock) for (pairs, account), runs in ours.items()]


def _result(pairs: int, listed: int, account: str, runs: list[float], stock: dict[int, list[float]]) -> Result:
    figures = {"ours": Spread.of(runs)}
    notes = []
    if account == WITH_KEYS and pairs in stock:
        figures["stock"] = Spread.of(stock[pairs])
        notes.append(f"stock: {len(stock[pairs])} runs")
    elif account == WITH_KEYS and stock:
        notes.append(
            f"stock: not measured; a second a pair, and 30 books a minute, make it {_stock_seconds(pairs):g} s or more"
        )
    limit = LIMITS[pairs]
    target = Target(f"ready within {limit:g} s", figures["ours"].median, limit, guard=5 * limit)
    return Result("start", f"cold start to ready, {pairs} of {listed} pairs, {account}", "s", figures, (target,), notes)


def _stock_seconds(pairs: int) -> float:
    """Return the least that stock needs: a second after each book, and a minute after every 30 public calls."""
    return max(pairs, (pairs - 1) // 30 * 60)
