"""The pairs that the loopback exchange lists, and orders on them that rest."""

from decimal import Decimal

from benchmarks.bot import BenchBot
from hummingbot.core.data_type.common import OrderType
from valr_loopback.many_pairs import many_pairs
from valr_loopback.pairs import Pair

SEED = 1
FAR_BELOW = Decimal("0.6")


def listed_pairs(count: int) -> list[Pair]:
    """Return so many pairs that an exchange with ``pairs=205`` or fewer, but as many as these, trades."""
    listed = [pair for pair in many_pairs(max(count, 20), SEED).values() if pair.tradable]
    return listed[:count]


def place_resting_order(bot: BenchBot, pair: Pair, number: Decimal = Decimal(0)) -> str:
    """Buy a little, so far below the market that nobody sells; each ``number`` at a price of its own."""
    name = f"{pair.base}-{pair.quote}"
    connector = bot.connector
    price = connector.quantize_order_price(name, pair.start_price * FAR_BELOW - number * pair.tick)
    amount = connector.quantize_order_amount(name, max(pair.min_base, pair.min_quote / price) * 3)
    return str(connector.buy(name, amount, OrderType.LIMIT, price))
