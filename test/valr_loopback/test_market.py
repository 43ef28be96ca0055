"""The synthetic market: repeatable, lively, and kind enough to trade with a market maker."""

from decimal import Decimal
from random import Random

import pytest

from test.valr_loopback.client import running, until
from valr_loopback.exchange import Exchange
from valr_loopback.market import STEP_SECONDS, TAKER, Market
from valr_loopback.market_data import MarketData
from valr_loopback.orders import Side

MINUTE = int(60 / STEP_SECONDS)


class Town:
    """A market without a server, under its own time."""

    def __init__(self, seed=1):
        self.now = 1_795_000_000.0
        self.exchange = Exchange(lambda: self.now, seed=seed)
        self.data = MarketData(self.exchange)
        self.market = Market(self.exchange, self.data, Random(seed))
        self.exchange.open_account("maker", {"ZAR": 10**9, "BTC": 10**4, "USDT": 10**8, "DOGE": 10**9, "ETH": 10**5})
        self.market.open()

    def run(self, steps, symbols=("BTCZAR",)):
        for _ in range(steps):
            self.now += STEP_SECONDS
            for symbol in symbols:
                self.market.step(symbol)

    def mid(self, symbol):
        book = self.exchange.engine.books[symbol]
        return (book.best_price(Side.BUY) + book.best_price(Side.SELL)) / 2


def test_books_are_deep_from_the_start_and_stay_so():
    town = Town()
    assert set(town.market.symbols) == {"BTCZAR", "ETHZAR", "USDTZAR", "BTCUSDT", "DOGEUSDT"}
    town.run(MINUTE, town.market.symbols)
    for symbol in town.market.symbols:
        book = town.exchange.engine.books[symbol]
        assert min(book.depth(Side.BUY), book.depth(Side.SELL)) > 8
        spread = book.best_price(Side.SELL) - book.best_price(Side.BUY)
        assert spread / town.mid(symbol) < Decimal("0.01")
        assert len(town.exchange.public_trades[symbol]) > 20
        pair = town.exchange.engine.pairs[symbol]
        assert abs(town.mid(symbol) / pair.start_price - 1) < Decimal("0.02")


def test_the_same_seed_makes_the_same_market():
    towns = [Town(7), Town(7), Town(8)]
    for town in towns:
        town.run(200)
    histories = [[(t.price, t.quantity, t.id) for t in town.exchange.public_trades["BTCZAR"]] for town in towns]
    assert histories[0] == histories[1] != histories[2]
    assert len(histories[0]) > 20


@pytest.mark.parametrize("distance", ["0.001", "0.003", "0.01"])
@pytest.mark.parametrize("symbol", ["BTCZAR", "DOGEUSDT"])
def test_quotes_around_the_middle_are_filled_within_minutes(symbol, distance):
    """A maker that keeps one order a side at its distance trades on both sides before long."""
    town = Town(3)
    pair = town.exchange.engine.pairs[symbol]
    size = {"BTCZAR": "0.001", "DOGEUSDT": "100"}[symbol]
    for _ in range(4 * 12):
        town.exchange.cancel_all("maker")
        for side, sign in ((Side.BUY, -1), (Side.SELL, 1)):
            price = town.mid(symbol) * (1 + sign * Decimal(distance))
            quote = (price / pair.tick).quantize(Decimal(1)) * pair.tick
            town.exchange.place_limit("maker", symbol, side, size, quote, post_only=True)
        town.run(MINUTE // 12, [symbol])
    sides = {trade.side for trade in town.exchange.trades("maker")}
    assert sides == {Side.BUY, Side.SELL}
    assert all(trade.is_maker for trade in town.exchange.trades("maker"))


def test_a_misplaced_quote_is_picked_off():
    town = Town()
    price = town.mid("BTCZAR") * Decimal("0.995")
    order = town.exchange.place_limit("maker", "BTCZAR", "sell", "2", str(price.quantize(Decimal(1))))
    town.run(20)
    assert not order.remaining


def test_the_market_remembers_nothing_of_its_own_orders():
    town = Town()
    town.run(MINUTE)
    assert town.exchange.orders(TAKER) == []
    for account_id, portfolio in town.exchange.engine.portfolios.items():
        if account_id != "maker":
            assert portfolio.trades == []
            assert set(portfolio.orders) == set(portfolio.open)


def test_candles_reach_back_half_a_day_and_end_at_the_price():
    town = Town()
    now_ms = town.exchange.now_ms()
    rows = town.data.candles["BTCZAR"].newest_first(3600, None, now_ms, 0, 300, include_empty=True)
    assert len(rows) in (12, 13)
    assert all(Decimal(row["volume"]) > 0 for row in rows[:-1])
    assert rows[0]["close"] == "1900000"
    assert town.data.summary("BTCZAR")["changeFromPrevious"] != "0"


def test_a_deactivated_pair_rests():
    town = Town()
    town.exchange.set_active("BTCZAR", False)
    town.run(20)
    assert town.exchange.engine.books["BTCZAR"].order_count == 0


async def test_the_server_runs_the_market_at_its_pace(caplog):
    async with running(market=True, market_pace=20) as (server, _):
        await until(lambda: len(server.exchange.public_trades["BTCUSDT"]) > 5)
        server.exchange.engine.books["BTCZAR"].depth = None  # one pair breaks, the others go on
        seen = len(server.exchange.public_trades["BTCUSDT"])
        await until(lambda: len(server.exchange.public_trades["BTCUSDT"]) > seen + 5)
    assert "market of BTCZAR failed" in caplog.text
