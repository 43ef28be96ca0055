"""The market maker: what it decides, for any numbers; and what becomes of it on a market that moves when told to."""

from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from scripts.valr_market_maker import (
    LiveQuote,
    Smallest,
    ValrMarketMakerConfig,
    ask_price,
    base_share,
    best_of_others,
    bid_price,
    fair_price,
    imbalance,
    order_amount,
    own_volume,
    plan_side,
)
from test.hummingbot.connector.exchange.valr.loopback_bot import SYMBOL
from test.strategies.engine import CONNECTOR, ROOT, Account, Engine, connect, example, soon
from valr_loopback.fault_files import parse_fault
from valr_loopback.orders import Order
from valr_loopback.server import LoopbackConfig, LoopbackServer

# --- What it decides --------------------------------------------------------------------------------------------------
prices = st.decimals("0.00001", "3000000", places=5)
amounts = st.decimals("0", "1000000", places=8)
fractions = st.decimals("0", "0.5", places=4)
ticks = st.sampled_from([Decimal(text) for text in ("1", "0.0001", "0.00001")])
quotes = st.lists(
    st.builds(LiveQuote, st.uuids().map(str), prices, amounts),
    max_size=4,
    unique_by=lambda quote: quote.client_order_id,
)


@given(quotes, st.none() | prices, fractions)
def test_a_side_keeps_one_order_that_is_near_and_never_gets_a_second(
    live: list[LiveQuote], wanted: Decimal | None, tolerance: Decimal
) -> None:
    cancel, may_place = plan_side(live, wanted, tolerance)
    kept = [quote for quote in live if quote.client_order_id not in cancel]
    assert len(kept) <= 1
    assert all(wanted is not None and abs(quote.price - wanted) <= tolerance * wanted for quote in kept)
    assert set(cancel) <= {quote.client_order_id for quote in live}
    assert may_place == (wanted is not None and not live)


@pytest.mark.parametrize(
    ("live", "cancelled"),
    [
        (["100"], []),
        (["100.05"], []),
        (["99.95"], []),
        (["100.06"], [0]),
        (["99.94"], [0]),
        (["99", "100", "100.01"], [0, 2]),
    ],
)
def test_an_order_moves_only_when_it_is_off_by_more_than_the_tolerance(live: list[str], cancelled: list[int]) -> None:
    quotes = [LiveQuote(str(number), Decimal(price), Decimal(1)) for number, price in enumerate(live)]
    assert plan_side(quotes, Decimal(100), Decimal("0.0005")) == ([str(number) for number in cancelled], False)


@given(prices, st.decimals("0.0001", "0.5", places=4), prices, ticks)
def test_quotes_are_on_the_tick_keep_the_spread_and_never_cross(
    fair: Decimal, spread: Decimal, opposite: Decimal, tick: Decimal
) -> None:
    bid, ask = bid_price(fair, spread, opposite, tick), ask_price(fair, spread, opposite, tick)
    assert bid % tick == ask % tick == 0
    assert bid < opposite < ask
    assert bid <= fair * (1 - spread)
    assert ask >= fair * (1 + spread)


@pytest.mark.parametrize(
    ("opposite", "bid", "ask"),
    [
        # Nobody near: as far from the price as the spread says, rounded away from it.
        ("1010000", "996996", None),
        ("990000", None, "1002996"),
        # Somebody in the way: one tick short of them.
        ("990000", "989999", None),
        ("1010000", None, "1010001"),
    ],
)
def test_where_quotes_are_placed(opposite: str, bid: str | None, ask: str | None) -> None:
    numbers = Decimal("999996"), Decimal("0.003"), Decimal(opposite), Decimal(1)
    if bid is not None:
        assert bid_price(*numbers) == Decimal(bid)
    if ask is not None:
        assert ask_price(*numbers) == Decimal(ask)


@given(amounts, amounts, prices, st.decimals("0.01", "0.99", places=2), fractions)
def test_it_leans_against_its_inventory_and_no_further_than_told(
    base: Decimal, quote: Decimal, mid: Decimal, target: Decimal, skew: Decimal
) -> None:
    share = base_share(base, quote, mid)
    assert 0 <= share <= 1
    lean = imbalance(share, target)
    assert -1 <= lean <= 1
    assert (lean > 0) == (share > target)
    fair = fair_price(mid, lean, skew)
    assert abs(fair - mid) <= mid * skew
    assert (fair - mid) * lean <= 0


@pytest.mark.parametrize(
    ("base", "quote", "lean"),
    [
        ("0", "100", "-1"),
        ("1", "300", "-0.5"),
        ("1", "100", "0"),
        ("3", "100", "0.5"),
        ("1", "0", "1"),
        ("0", "0", "0"),
    ],
)
def test_how_far_it_leans(base: str, quote: str, lean: str) -> None:
    assert imbalance(base_share(Decimal(base), Decimal(quote), Decimal(100)), Decimal("0.5")) == Decimal(lean)


@given(amounts, prices, amounts, amounts, amounts, st.sampled_from([Decimal("0.01"), Decimal("0.00000001")]))
def test_an_order_is_affordable_and_large_enough_or_there_is_none(
    wanted: Decimal, price: Decimal, affordable: Decimal, smallest: Decimal, value: Decimal, step: Decimal
) -> None:
    amount = order_amount(wanted, price, affordable, Smallest(smallest, value, step))
    assert amount % step == 0
    assert amount <= min(wanted, affordable)
    assert amount == 0 or (amount >= smallest and amount * price >= value)


@pytest.mark.parametrize(
    ("wanted", "affordable", "amount"),
    [
        ("0.001", "1", "0.001"),
        ("0.001", "0.00076543219", "0.00076543"),
        ("0.001", "0.00000999", "0"),
        ("0.000009", "1", "0"),
        ("0.001", "-1", "0"),
    ],
)
def test_how_much_is_ordered(wanted: str, affordable: str, amount: str) -> None:
    limits = Smallest(Decimal("0.00001"), Decimal(10), Decimal("0.00000001"))
    assert order_amount(Decimal(wanted), Decimal(1_900_000), Decimal(affordable), limits) == Decimal(amount)


def test_levels_of_ours_alone_do_not_count() -> None:
    own = own_volume([LiveQuote("a", Decimal(100), Decimal(1)), LiveQuote("b", Decimal(100), Decimal(2))])
    assert own == {Decimal(100): Decimal(3)}
    levels = [(Decimal(100), Decimal(3)), (Decimal(99), Decimal(1))]
    assert best_of_others(levels, own) == 99
    assert best_of_others([(Decimal(100), Decimal("3.1")), *levels[1:]], own) == 100
    assert best_of_others(levels[:1], own) is None
    assert best_of_others([], {}) is None


def test_a_tolerance_as_wide_as_the_spread_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"requote_tolerance \(0.3\) must be smaller than spread \(0.3\)"):
        ValrMarketMakerConfig(order_amount="1", spread="0.3", requote_tolerance="0.3")


# --- What it does -----------------------------------------------------------------------------------------------------
class Market:
    """A market whose only other trader does what the test says, and the bot on it."""

    def __init__(self, account: Account, engine: Engine) -> None:
        self.account = account
        self.engine = engine
        self._exchange = account.server.exchange
        self._exchange.open_account("other", {"ZAR": 10_000_000, "BTC": 10})
        self._others: dict[str, Order] = {}

    def offer(self, **offers: str) -> None:
        """Have one order of another trader's on each named side, at this price."""
        for side, price in offers.items():
            self.withdraw(side)
            self._others[side] = self._exchange.place_limit("other", SYMBOL, side, "1", price)

    def withdraw(self, side: str) -> None:
        if side in self._others:
            self._exchange.cancel("other", self._others.pop(side).id)

    def trade(self, side: str, amount: str, price: str) -> None:
        self._exchange.place_limit("other", SYMBOL, side, amount, price)

    @property
    def quotes(self) -> dict[str, Decimal]:
        live = {order.side.value: order.price for order in self.account.live}
        assert len(live) == len(self.account.live), "two orders on one side"
        return live

    @property
    def status(self) -> str:
        return self.engine.core.strategy.format_status()

    async def shows(self, text: str) -> None:
        await soon(lambda: text in self.status)


Open = Callable[..., Awaitable[Market]]


@pytest.fixture
async def open_market(
    workspace: Path, modules: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Open]:
    """What opens a market on which the others bid 1,000,000 and ask 1,010,000, and starts the bot there."""
    markets: list[Market] = []
    servers: list[LoopbackServer] = []

    async def start(balances: dict[str, int] | None = None, faults: tuple[str, ...] = (), **settings: Any) -> Market:
        server = LoopbackServer(LoopbackConfig(port=0, market=False, faults=tuple(map(parse_fault, faults))))
        await server.start()
        servers.append(server)
        account = Account.opened(server, "maker", **(balances or {"BTC": 1, "ZAR": 1_005_000}))
        connect(account, CONNECTOR, monkeypatch)
        modules(ROOT)
        market = Market(account, Engine(ROOT, workspace, account))
        market.offer(buy="1000000", sell="1010000")
        plain = {"spread": 0.3, "order_amount": 0.01, "inventory_skew": 0}
        configuration = example("scripts/conf_valr_market_maker", connector=CONNECTOR, **(plain | settings))
        await market.engine.start("valr_market_maker", configuration)
        markets.append(market)
        return market

    yield start
    for market in markets:
        assert await market.engine.core.shutdown()
        assert market.account.live == []
    for server in servers:
        await server.stop()


BEFORE = {"buy": Decimal(1001985), "sell": Decimal(1008015)}


async def test_orders_stay_until_the_price_has_moved(open_market: Open, caplog: pytest.LogCaptureFixture) -> None:
    market = await open_market()
    await soon(lambda: market.quotes == BEFORE)
    first = [order.id for order in market.account.orders]
    # Its own orders are the best on the book now, and it does not follow them.
    await market.shows("others' bid 1000000 and ask 1010000")
    market.offer(buy="1000400")
    await market.shows("wants bid 1002184 and ask 1008216; others' bid 1000400")
    assert [order.id for order in market.account.orders] == first
    assert market.quotes == BEFORE

    market.offer(buy="1004000")
    await soon(lambda: market.quotes == {"buy": Decimal(1003979), "sell": Decimal(1010021)})
    assert len(market.account.orders) == 4
    await market.shows("4 orders placed, 2 taken back")
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


async def test_fills_are_counted_and_the_quotes_lean_after_them(open_market: Open) -> None:
    market = await open_market(order_amount=0.2, inventory_skew=1)
    await soon(lambda: market.quotes == BEFORE)
    market.trade("sell", "0.2", "1001985")
    await market.shows("1 buy fills of 0.2 BTC, 0 sell fills of 0 BTC")
    await soon(lambda: len(market.quotes) == 2 and market.quotes["sell"] < BEFORE["sell"])
    assert market.quotes["buy"] < BEFORE["buy"]
    await market.shows("% in BTC of 50 % aimed at, so it leans by -0.")
    assert "live order" in market.status
    assert "place open" in market.status


async def test_it_quotes_what_it_can_pay(open_market: Open) -> None:
    market = await open_market({"BTC": 1, "ZAR": 5}, inventory_skew=0.2)
    await market.shows("no buy order: 5 ZAR available, the smallest order is 0.00001 BTC and 10 ZAR")
    await soon(lambda: market.quotes == {"sell": Decimal(1005999)})


async def test_without_others_it_takes_its_orders_back(open_market: Open) -> None:
    market = await open_market()
    await soon(lambda: market.quotes == BEFORE)
    market.withdraw("buy")
    await market.shows("quotes nothing: there is no bid and ask of others on the book")
    await soon(lambda: market.quotes == {})
    market.offer(buy="1000000")
    await soon(lambda: market.quotes == BEFORE)


async def test_after_a_refusal_it_pauses(open_market: Open) -> None:
    market = await open_market(faults=("command_refused:form=error,times=2",), refusal_pause=2)
    await market.shows("pauses after a refusal before its next buy order")
    assert market.quotes == {}
    await soon(lambda: market.quotes == BEFORE)
    assert "4 orders placed" in market.status


async def test_while_the_connector_is_not_ready_it_places_nothing(open_market: Open) -> None:
    market = await open_market()
    await soon(lambda: market.quotes == BEFORE)
    connector = market.engine.core.connectors[CONNECTOR]
    await connector.stop_network()
    await market.shows("places nothing: the connector is not ready")
    market.offer(buy="1004000")
    assert len(market.account.orders) == 2
    await connector.start_network()
    await soon(lambda: market.quotes == {"buy": Decimal(1003979), "sell": Decimal(1010021)})
