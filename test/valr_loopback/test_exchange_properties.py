"""Whatever is asked of the exchange: money is conserved, books are fair, orders end once, feeds rebuild the book."""

from collections import Counter, defaultdict
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from test.valr_loopback.decoders import FullDecoder, L1Decoder
from valr_loopback.accounts import TREASURY
from valr_loopback.errors import RefusalError
from valr_loopback.events import BookChanged, Event, OrderChanged, Traded
from valr_loopback.exchange import Exchange
from valr_loopback.market_data import MarketData
from valr_loopback.orders import ENDED, Order, Side, Status
from valr_loopback.requests import MatchStrategy, ModifyRequest

USERS = ("ann", "bob", "cyd")
SYMBOLS = ("BTCZAR", "USDTZAR")
CENTRE = {"BTCZAR": (Decimal(1_900_000), Decimal("0.0007")), "USDTZAR": (Decimal("18.05"), Decimal(31))}

users = st.sampled_from(USERS)
symbols = st.sampled_from(SYMBOLS)
sides = st.sampled_from(list(Side))
offsets = st.integers(-6, 6)
sizes = st.integers(1, 9)
times_in_force = st.sampled_from(["GTC", "GTC", "GTC", "IOC", "FOK"])
limits = st.tuples(st.just("limit"), users, symbols, sides, offsets, sizes, st.booleans(), times_in_force)
markets = st.tuples(st.just("market"), users, symbols, sides, sizes, st.booleans())
cancels = st.tuples(st.just("cancel"), users, st.integers(0, 30))
toggles = st.tuples(st.just("toggle"), symbols)
cancels_of_all = st.tuples(st.just("cancel_all"), users)
modifies = st.tuples(
    st.just("modify"),
    users,
    st.integers(0, 30),
    st.one_of(st.none(), offsets),
    st.one_of(st.none(), st.integers(0, 12)),
    st.booleans(),
    st.sampled_from(list(MatchStrategy)),
)
commands = st.lists(
    st.one_of(limits, limits, limits, markets, cancels, cancels_of_all, modifies, modifies, toggles), max_size=40
)


class World:
    """An exchange with three users, watched by everything that can tell a lie from the truth."""

    def __init__(self) -> None:
        self.now = 1_795_000_000.0
        self.exchange = Exchange(lambda: self.now)
        self.data = MarketData(self.exchange)
        self.l1 = {symbol: L1Decoder() for symbol in SYMBOLS}
        self.full = {symbol: FullDecoder() for symbol in SYMBOLS}
        self.remaining: dict[str, Decimal] = {}
        self.ends: Counter[str] = Counter()
        self.traded: dict[str, Decimal] = defaultdict(Decimal)
        for user, riches in zip(USERS, (1000, 1, 0), strict=True):
            money = {"ZAR": 20_000 * riches, "BTC": riches, "USDT": 3_000 * riches}
            self.exchange.open_account(user, money)
        for symbol in SYMBOLS:
            self.l1[symbol].feed(self.data.feeds[symbol].l1_snapshot())
            self.full[symbol].feed(self.data.feeds[symbol].full_snapshot())
        self.exchange.listen(self.on_event)

    def on_event(self, event: Event) -> None:
        match event:
            case BookChanged(symbol):
                self.l1[symbol].feed(self.data.feeds[symbol].l1_diff())
                self.full[symbol].feed(self.data.feeds[symbol].full_update())
            case OrderChanged(order, transition):
                assert not self.ends[order.id], "an ended order changed again"
                self.ends[order.id] += transition.status in ENDED
                if transition.status is not Status.MODIFIED:
                    assert transition.remaining <= self.remaining.get(order.id, transition.quantity)
                self.remaining[order.id] = transition.remaining
            case Traded(trade):
                self.traded[trade.order_id] += trade.quantity

    def run(self, command: tuple) -> None:
        self.now += 0.5
        try:
            getattr(self, command[0])(*command[1:])
        except RefusalError as refusal:
            if refusal.code not in (-12007, -39, -32):
                raise

    def limit(self, user, symbol, side, offset, size, post_only, time_in_force) -> None:
        price, unit = self._price(symbol, offset), CENTRE[symbol][1]
        time_in_force = "GTC" if post_only else time_in_force
        self.exchange.place_limit(
            user, symbol, side, unit * size, price, post_only=post_only, time_in_force=time_in_force
        )

    def market(self, user, symbol, side, size, by_quote) -> None:
        centre, unit = CENTRE[symbol]
        amount = {"quote_amount": centre * unit * size / 3} if by_quote else {"base_amount": unit * size}
        self.exchange.place_market(user, symbol, side, **amount)

    def cancel(self, user, index) -> None:
        orders = self.exchange.orders(user)
        if orders:
            order = orders[index % len(orders)]
            was_open = order.is_open
            assert self.exchange.cancel(user, order.id) is was_open

    def cancel_all(self, user) -> None:
        self.exchange.cancel_all(user)
        assert not self.exchange.open_orders(user)

    def toggle(self, symbol) -> None:
        active = self.exchange.engine.pairs[symbol].active
        self.exchange.set_active(symbol, not active)
        assert not active or not self.exchange.engine.books[symbol].order_count

    def modify(self, user, index, offset, size, total, strategy) -> None:
        orders = self.exchange.open_orders(user)
        if not orders:
            return
        order = orders[index % len(orders)]
        symbol = order.pair.symbol
        price = None if offset is None else self._price(symbol, offset)
        quantity = None if size is None else CENTRE[symbol][1] * size
        request = ModifyRequest(
            symbol,
            order.id,
            strategy,
            price,
            None if total else quantity,
            quantity if total else None,
        )
        self.exchange.modify_request(user, request, "request")

    def _price(self, symbol: str, offset: int) -> Decimal:
        return CENTRE[symbol][0] + self.exchange.engine.pairs[symbol].tick * offset

    # The promises

    def check(self, supply: dict[str, Decimal]) -> None:
        for code, amount in supply.items():
            assert self.exchange.engine.accounts.supply(code) == amount
        for user in USERS:
            self._check_wallets(user)
        for symbol in SYMBOLS:
            self._check_book(symbol)
        for user in USERS:
            for order in self.exchange.orders(user):
                assert self.traded[order.id] == order.executed
                assert (self.ends[order.id] == 1) == (order.ended_ms is not None) == (not order.is_open)
                if order.type.value != "market":
                    assert order.executed + order.remaining == order.quantity

    def _check_wallets(self, user: str) -> None:
        needs: dict[str, Decimal] = defaultdict(Decimal)
        for order in self.exchange.open_orders(user):
            needs[order.given_currency] += order.need(order.remaining)
            assert order.reserved == order.need(order.remaining)
        for code, wallet in self.exchange.balances(user).items():
            assert wallet.available >= 0
            assert wallet.reserved == needs[code]

    def _check_book(self, symbol: str) -> None:
        resting = [order for user in USERS for order in self.exchange.open_orders(user, symbol)]
        bids = [order.price for order in resting if order.is_buy]
        asks = [order.price for order in resting if not order.is_buy]
        assert not bids or not asks or max(bids) < min(asks)
        for side, name, key in ((Side.SELL, "Asks", "a"), (Side.BUY, "Bids", "b")):
            ours = {o.id: (o.price, o.remaining) for o in resting if o.side is side}
            rebuilt = {oid: (Decimal(price), Decimal(left)) for price, oid, left in self.full[symbol].orders(name)}
            assert rebuilt == ours
            levels: dict[Decimal, Decimal] = defaultdict(Decimal)
            for price, left in ours.values():
                levels[price] += left
            assert {Decimal(p): Decimal(q) for p, q in self.l1[symbol].sides[key].items()} == levels


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(commands)
def test_the_exchange_keeps_its_promises(script):
    world = World()
    supply = {code: world.exchange.engine.accounts.supply(code) for code in world.exchange.engine.currencies}
    for command in script:
        world.run(command)
        world.check(supply)
    for user in USERS:
        world.exchange.cancel_all(user)
    world.check(supply)
    assert all(not wallet.reserved for user in USERS for wallet in world.exchange.balances(user).values())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["bob", "cyd"]), st.integers(0, 3), sizes), min_size=2, max_size=12), sizes)
def test_better_prices_trade_first_and_older_orders_before_younger(makers, taker_size):
    """Replays what a taker should meet from a plain sorted list, and compares it with what it met."""
    exchange = Exchange(lambda: 1_795_000_000.0)
    for user in USERS:
        exchange.open_account(user, {"ZAR": 10**9, "BTC": 10**3})
    unit = Decimal("0.001")
    queue: list[Order] = [
        exchange.place_limit(user, "BTCZAR", "sell", unit * size, Decimal(1_900_000) + offset)
        for user, offset, size in makers
    ]
    expected, left = [], unit * taker_size
    for order in sorted(queue, key=lambda order: order.price):
        met = min(left, order.quantity)
        if met:
            expected.append((order.id, met, order.price))
        left -= met
    taker = exchange.place_market("ann", "BTCZAR", "buy", base_amount=unit * taker_size)
    trades = [trade for user in ("bob", "cyd") for trade in exchange.trades(user)]
    met = [(trade.order_id, trade.quantity, trade.price) for trade in sorted(trades, key=lambda t: t.sequence_id)]
    assert met == expected
    assert taker.total == sum(quantity * price for _, quantity, price in expected)


def test_fees_go_to_the_treasury_and_rewards_come_from_it():
    exchange = Exchange(lambda: 1_795_000_000.0)
    for user in ("ann", "bob"):
        exchange.open_account(user, {"ZAR": 10_000, "USDT": 1_000})
    before = {code: wallet.total for code, wallet in exchange.balances(TREASURY).items()}
    exchange.place_limit("ann", "USDTZAR", "sell", "100", "18.05")
    exchange.place_limit("bob", "USDTZAR", "buy", "100", "18.05")
    [reward], [fee] = exchange.trades("ann"), exchange.trades("bob")
    assert (reward.fee, reward.fee_currency, reward.is_maker) == (Decimal("-0.01"), "USDT", True)
    assert (fee.fee, fee.fee_currency, fee.is_maker) == (Decimal("0.05"), "USDT", False)
    assert exchange.balances(TREASURY)["USDT"].total - before["USDT"] == Decimal("0.04")
    assert exchange.balances("ann")["USDT"].total == Decimal("900.01")
    assert exchange.balances("bob")["USDT"].total == Decimal("1099.95")
