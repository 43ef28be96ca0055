"""A list of pairs as long as VALR's, and the market on it when it is moved on by hand."""

import asyncio
from contextlib import asynccontextmanager
from decimal import Decimal
from random import Random

import pytest
from pydantic import ValidationError

from test.valr_loopback.client import running
from valr_loopback.decimals import on_tick
from valr_loopback.exchange import Exchange
from valr_loopback.faults import Fault
from valr_loopback.many_pairs import FEWEST_PAIRS, MANY_SYMBOLS, MOST_PAIRS, many_pairs
from valr_loopback.market import Market, within_limits
from valr_loopback.market_data import MarketData
from valr_loopback.orders import Side
from valr_loopback.pairs import default_pairs
from valr_loopback.server import TICK_SECONDS, LoopbackConfig, LoopbackServer
from valr_loopback.state import StateError
from valr_loopback.times import HandClock

START = 1_795_000_000.0


def tradable(pairs):
    return [pair for pair in pairs.values() if pair.tradable]


def test_there_are_as_many_as_asked_for_and_the_usual_ones_among_them():
    assert MOST_PAIRS == 205
    for count in (FEWEST_PAIRS, FEWEST_PAIRS + 1, 50, MOST_PAIRS):
        pairs = many_pairs(count, seed=1)
        assert len(tradable(pairs)) == count
        assert default_pairs().items() <= pairs.items()
    for count in (FEWEST_PAIRS - 1, MOST_PAIRS + 1):
        with pytest.raises(ValueError, match="between 5 and 205"):
            many_pairs(count, seed=1)


def test_the_seed_draws_everything_but_the_symbols():
    one, again, other = (many_pairs(MOST_PAIRS, seed) for seed in (1, 1, 2))
    assert one == again
    assert one.keys() == other.keys() == default_pairs().keys() | set(MANY_SYMBOLS)
    assert sum(one[symbol] != other[symbol] for symbol in MANY_SYMBOLS) > 150


def test_symbols_cannot_be_split_by_looking_at_them():
    pairs = many_pairs(MOST_PAIRS, seed=1)
    currencies = {code for pair in pairs.values() for code in (pair.base, pair.quote)}
    splits = {
        symbol: [at for at in range(1, len(symbol)) if {symbol[:at], symbol[at:]} <= currencies] for symbol in pairs
    }
    ambiguous = {symbol for symbol, places in splits.items() if len(places) > 1}
    assert ambiguous >= {"TUSDT", "AUSDC"}
    assert {"1000PEPEUSDC", "2ZUSDC", "4USDC", "EURCUSDC", "USDTBUSDC"} <= pairs.keys()
    assert all(pair.symbol == pair.base + pair.quote for pair in tradable(pairs))


def test_rules_are_like_those_of_valr():
    pairs = tradable(many_pairs(MOST_PAIRS, seed=3))
    for pair in pairs:
        assert pair.tick == Decimal(1).scaleb(pair.tick.adjusted())
        assert Decimal("0.00000001") <= pair.tick <= 1
        assert pair.start_price >= 50 * pair.tick
        assert on_tick(pair.start_price, pair.tick)
        assert 0 <= pair.base_decimals <= 8
        step = Decimal(1).scaleb(-pair.base_decimals)
        for limit in (pair.min_base, pair.max_base):
            assert on_tick(limit, step)
        assert 0 < pair.min_base < pair.max_base
        assert 0 < pair.min_quote < pair.max_quote
    assert min(pair.start_price for pair in pairs) < Decimal("0.00001")
    assert max(pair.start_price for pair in pairs) > 1_000_000


@asynccontextmanager
async def by_hand(pairs, **config):
    """A server that moves by hand, with so many pairs, its client and its clock."""
    clock = HandClock(START)
    async with running(clock, pairs=pairs, by_hand=True, **config) as (server, client):
        yield server, client, clock


def run(server, clock, seconds):
    for _ in range(int(seconds / TICK_SECONDS)):
        clock.now += TICK_SECONDS
        server.tick()


async def test_a_token_is_worth_the_same_in_every_pair():
    async with by_hand(MOST_PAIRS) as (server, _, _):
        for pair in tradable(server.exchange.engine.pairs):
            worth = server.data.worth(pair.base)
            assert abs(pair.start_price * server.data.worth(pair.quote) / worth - 1) < Decimal("0.01"), pair.symbol


async def test_the_wire_lists_them_all_and_orders_are_taken_on_each():
    async with by_hand(MOST_PAIRS) as (server, client, _):
        rows = (await client.public("/pairs/SPOT")).json
        assert sum(row["active"] for row in rows) == MOST_PAIRS
        named = {row["shortName"] for row in (await client.public("/currencies")).json}
        assert named == {row[key] for row in rows for key in ("baseCurrency", "quoteCurrency")}
        held = {row["currency"] for row in (await client.call("GET", "/v1/account/balances")).json}
        assert held == {"ZAR", "BTC", "ETH", "USDT", "DOGE", "USDC", "EUR"}
        server.exchange.open_account("rich", dict.fromkeys(named, 10**15))
        for pair in tradable(server.exchange.engine.pairs):
            quantity = within_limits(pair, pair.min_base, pair.start_price)
            order = server.exchange.place_limit("rich", pair.symbol, "buy", quantity, pair.start_price)
            assert not order.failed_reason


async def test_the_market_of_all_pairs_moves_by_hand_at_the_pace_asked_for():
    """Some seconds: a minute of 205 pairs is some 2,500 steps."""
    async with by_hand(MOST_PAIRS, market=True, market_pace=0.05) as (server, _, clock):
        books = server.exchange.engine.books
        symbols = [pair.symbol for pair in tradable(server.exchange.engine.pairs)]
        assert min(books[symbol].depth(side) for symbol in symbols for side in Side) > 1
        before = {symbol: server.data.feeds[symbol].l1_sequence for symbol in symbols}
        run(server, clock, 4)
        moved = [symbol for symbol in symbols if server.data.feeds[symbol].l1_sequence > before[symbol]]
        assert 0.5 * MOST_PAIRS < len(moved) <= 0.8 * MOST_PAIRS
        run(server, clock, 56)
        assert all(server.data.feeds[symbol].l1_sequence > before[symbol] + 8 for symbol in symbols)
        assert sum(bool(server.exchange.public_trades[symbol]) for symbol in symbols) > 0.9 * MOST_PAIRS


class Frugal(Random):
    """Draws the smallest sizes there are."""

    def uniform(self, low, high):
        return 0.0


@pytest.mark.parametrize("seed", [1, 2])
def test_the_smallest_orders_of_the_market_are_taken_on_each(seed):
    exchange = Exchange(HandClock(START), pairs=many_pairs(MOST_PAIRS, seed))
    market = Market(exchange, MarketData(exchange), Frugal(seed))
    market.open()
    for symbol in market.symbols:
        market.step(symbol)
    assert min(exchange.engine.books[symbol].order_count for symbol in market.symbols) > 1


async def test_by_hand_nothing_happens_by_itself():
    async with by_hand(None, market=True) as (server, client, clock), client.socket("/ws/trade", sign=False) as socket:
        await socket.send({"type": "SUBSCRIBE", "subscriptions": [{"event": "AGGREGATED_ORDERBOOK_UPDATE"}]})
        await socket.settled()
        sequences = {symbol: feed.l1_sequence for symbol, feed in server.data.feeds.items()}
        first = len(socket.of("AGGREGATED_ORDERBOOK_UPDATE"))
        await asyncio.sleep(2 * TICK_SECONDS)
        await socket.settled()
        assert sequences == {symbol: feed.l1_sequence for symbol, feed in server.data.feeds.items()}
        assert len(socket.of("AGGREGATED_ORDERBOOK_UPDATE")) == first == 6
        run(server, clock, 3)
        await socket.settled()
        assert len(socket.of("AGGREGATED_ORDERBOOK_UPDATE")) > first
        assert server.data.feeds["BTCZAR"].last_change_ms > START * 1000


def test_faults_know_the_pairs_and_wait_for_those_not_listed():
    assert Fault(kind="book_gap", pair="2zusdc").pair == "2ZUSDC"
    with pytest.raises(ValidationError, match="unknown pair '2ZUSDX'"):
        Fault(kind="book_gap", pair="2zusdx")


async def test_a_pair_that_is_not_listed_does_not_go_inactive():
    async with by_hand(None, faults=(Fault(kind="pair_inactive", pair="2ZUSDC"),)) as (server, client, clock):
        run(server, clock, 1)
        assert server.faults.struck["pair_inactive"]
        assert (await client.public("/2ZUSDC/orderbook")).error == (400, -21)


@pytest.mark.parametrize("count", [FEWEST_PAIRS - 1, MOST_PAIRS + 1])
def test_the_configuration_knows_the_limits(count):
    with pytest.raises(ValidationError):
        LoopbackConfig(pairs=count)


def test_a_state_file_keeps_its_pairs(tmp_path):
    path = tmp_path / "state"
    many = LoopbackConfig(port=0, pairs=20, market=False, state=path)
    for _ in range(2):
        server = LoopbackServer(many)
        assert len(tradable(server.exchange.engine.pairs)) == 20
        server._state.close()
    with pytest.raises(StateError, match="lists other pairs: start with as many as it has"):
        LoopbackServer(LoopbackConfig(port=0, market=False, state=path))
