"""A seeded synthetic market: prices that trend and tick, makers that keep the books, takers that trade.

It trades through the same engine as everybody else, from accounts of its own. Each call of ``step`` moves one pair on
by one step of ``STEP_SECONDS``; who calls it, and how often, decides the pace.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from itertools import cycle
from math import exp, log
from random import Random

from valr_loopback.decimals import ROUNDING, ZERO, truncate
from valr_loopback.exchange import Exchange
from valr_loopback.market_data import MarketData
from valr_loopback.orders import Order, Side, TimeInForce
from valr_loopback.pairs import Pair

STEP_SECONDS = 0.25
TAKER = "market-taker"

_LEVELS = 30
_NEW_ORDERS = 3
HISTORY_MINUTES = 720
_HISTORY_MINUTES_OF_ALL = 28_800
_NEAREST, _FARTHEST = 0.0003, 0.02
_NOISE = 0.00008
_TREND_NOISE = 0.0000006
_TREND_MEMORY = 0.995
_PULL_HOME = 0.0002
_TRADE_CHANCE = 0.35
_SWEEP_CHANCE = 0.1
_SWEEP_FROM, _SWEEP_TO = 0.0005, 0.015
_LEVEL_VALUE = (500.0, 8_000.0)
_WEALTH = Decimal(10**15)
_PRICE_CONTEXT = Context(prec=28, rounding=ROUND_HALF_EVEN)


@dataclass(slots=True)
class _Fair:
    """The price a pair is worth, as a logarithm, and where it is heading."""

    home: float
    price: float
    trend: float = 0.0

    def move(self, random: Random) -> None:
        self.trend = self.trend * _TREND_MEMORY + random.gauss(0, _TREND_NOISE)
        self.price += self.trend + random.gauss(0, _NOISE) + (self.home - self.price) * _PULL_HOME


class Market:
    """Makers and takers on every tradable pair, or on those named, with candles from before they came."""

    def __init__(
        self,
        exchange: Exchange,
        data: MarketData,
        random: Random,
        symbols: Collection[str] | None = None,
        history_minutes: int = HISTORY_MINUTES,
    ) -> None:
        self._exchange = exchange
        self._symbols = symbols
        self._history_minutes = history_minutes
        self._data = data
        self._random = random
        self._fair: dict[str, _Fair] = {}
        self._makers: dict[str, tuple[str, str]] = {}
        self._turns: Iterator[str] = iter(())

    @property
    def symbols(self) -> list[str]:
        """The pairs that have a market."""
        return list(self._fair)

    def open(self) -> None:
        """Open the accounts, write up to half a day of candles, and fill the books; or go on with what is there."""
        engine = self._exchange.engine
        self._open_account(TAKER, engine.currencies)
        for pair in engine.pairs.values():
            makers = (f"market-maker-{pair.symbol}-1", f"market-maker-{pair.symbol}-2")
            if not pair.tradable and makers[0] not in engine.portfolios:
                continue
            if self._symbols is not None and pair.symbol not in self._symbols:
                continue
            self._makers[pair.symbol] = makers
            self._fair[pair.symbol] = _Fair(log(pair.start_price), log(engine.mark_price(pair.symbol)))
            if [account_id for account_id in makers if self._open_account(account_id, [pair.base, pair.quote])]:
                self._write_history(pair)
                for _ in range(_LEVELS):
                    self._quote(pair, float(pair.start_price))
        self._turns = cycle(self._fair)

    def _open_account(self, account_id: str, currencies: list[str]) -> bool:
        """Open an account of the market's own; false if a run before this one did."""
        if account_id in self._exchange.engine.portfolios:
            return False
        self._exchange.open_account(account_id, dict.fromkeys(currencies, _WEALTH), quiet=True)
        return True

    def next_symbol(self) -> str:
        """Return the pair whose turn it is to be moved on."""
        return next(self._turns)

    def step(self, symbol: str) -> None:
        """Move one pair on: its price, its makers' quotes, and now and then a trade."""
        pair = self._exchange.engine.pairs[symbol]
        if not pair.active:
            return
        fair = self._fair[symbol]
        fair.move(self._random)
        price = exp(fair.price)
        self._withdraw(pair, price)
        self._pick_off(pair, price)
        self._quote(pair, price)
        if self._random.random() < _SWEEP_CHANCE:
            self._sweep(pair, price)
        elif self._random.random() < _TRADE_CHANCE:
            self._trade(pair)

    def _write_history(self, pair: Pair) -> None:
        # Backwards from today's price, so that the candles end where the market begins.
        minutes = min(self._history_minutes, _HISTORY_MINUTES_OF_ALL // len(self._exchange.engine.pairs))
        walk, fair = [float(pair.start_price)], _Fair(log(pair.start_price), log(pair.start_price))
        while len(walk) < minutes * 2:
            for _ in range(10):
                fair.move(self._random)
            walk.append(exp(fair.price))
        now_ms, trades = self._exchange.now_ms(), list[tuple[int, Decimal, Decimal]]()
        for half_minutes in range(len(walk), 0, -1):
            price = _to_tick(pair, walk[half_minutes - 1])
            trades.append((now_ms - half_minutes * 30_000, price, self._size(pair, float(price))))
        self._exchange.write_history(pair.symbol, trades)

    def _withdraw(self, pair: Pair, price: float) -> None:
        """Cancel the makers' orders that the price has come too near to, or left too far behind."""
        for account_id in self._makers[pair.symbol]:
            for order in self._exchange.open_orders(account_id):
                distance = _distance(order, price)
                if not _NEAREST / 3 < distance < _FARTHEST or self._random.random() < 0.01:
                    self._exchange.cancel(account_id, order.id)

    def _quote(self, pair: Pair, price: float) -> None:
        book = self._exchange.engine.books[pair.symbol]
        for side in Side:
            for _ in range(min(_NEW_ORDERS, _LEVELS - book.depth(side))):
                distance = _NEAREST * exp(self._random.random() * log(_FARTHEST / _NEAREST))
                quote = _to_tick(pair, price * (1 - distance if side is Side.BUY else 1 + distance))
                maker = self._random.choice(self._makers[pair.symbol])
                size = within_limits(pair, self._size(pair, price), quote)
                self._exchange.place_limit(maker, pair.symbol, side, size, quote, post_only=True)

    def _pick_off(self, pair: Pair, price: float) -> None:
        """Take every order that is on the wrong side of what the pair is worth."""
        worth = _to_tick(pair, price)
        for side in Side:
            best = self._exchange.engine.books[pair.symbol].best_price(side.opposite)
            if best is not None and (best < worth if side is Side.BUY else best > worth):
                self._take(pair, side, worth, Decimal(1))

    def _sweep(self, pair: Pair, price: float) -> None:
        """Trade through the book up to some distance from the fair price."""
        distance = _SWEEP_FROM * exp(self._random.random() * log(_SWEEP_TO / _SWEEP_FROM))
        side = self._random.choice(list(Side))
        limit = _to_tick(pair, price * (1 + distance if side is Side.BUY else 1 - distance))
        self._take(pair, side, limit, Decimal(1))

    def _trade(self, pair: Pair) -> None:
        """Trade a part of what the best level offers."""
        side = self._random.choice(list(Side))
        best = self._exchange.engine.books[pair.symbol].best_price(side.opposite)
        if best is not None:
            self._take(pair, side, best, Decimal(str(round(self._random.uniform(0.05, 1), 3))))

    def _take(self, pair: Pair, side: Side, limit: Decimal, share: Decimal) -> None:
        offered = ZERO
        for level in self._exchange.engine.books[pair.symbol].levels(side.opposite):
            if (level.price > limit) if side is Side.BUY else (level.price < limit):
                break
            offered += level.quantity
        if offered:
            quantity = within_limits(pair, ROUNDING.multiply(offered, share), limit)
            self._exchange.place_limit(TAKER, pair.symbol, side, quantity, limit, time_in_force=TimeInForce.IOC)

    def _size(self, pair: Pair, price: float) -> Decimal:
        worth = float(self._data.worth(pair.quote)) or 1.0
        value = self._random.uniform(*_LEVEL_VALUE) * self._random.random()
        return within_limits(pair, Decimal(f"{value / worth / price:.12f}"), Decimal(price))


def within_limits(pair: Pair, quantity: Decimal, price: Decimal) -> Decimal:
    """Bring a quantity within the pair's limits."""
    highest = min(pair.max_base, ROUNDING.divide(pair.max_quote, price))
    lowest = max(pair.min_base, ROUNDING.divide(pair.min_quote, price) * Decimal("1.05"))
    cut = truncate(min(max(quantity, lowest), highest), pair.base_decimals)
    too_small = cut < pair.min_base or ROUNDING.multiply(cut, price) < pair.min_quote
    return cut + Decimal(1).scaleb(-pair.base_decimals) if too_small else cut


def _to_tick(pair: Pair, price: float) -> Decimal:
    ticks = (Decimal(price) / pair.tick).quantize(Decimal(1), context=_PRICE_CONTEXT)
    return max(ticks, Decimal(1)) * pair.tick


def _distance(order: Order, price: float) -> float:
    return (1 - float(order.price) / price) * (1 if order.side is Side.BUY else -1)
