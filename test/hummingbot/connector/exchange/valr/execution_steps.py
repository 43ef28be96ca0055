"""What the cards of the execution matrix are made of: things that are done, and events that must then be told."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Protocol

from hummingbot.core.data_type.common import OrderType
from hummingbot.core.data_type.limit_order import LimitOrder
from test.hummingbot.connector.exchange.valr.loopback_bot import PAIR, SYMBOL, Bot, eventually
from valr_loopback.faults import Fault, FaultKind
from valr_loopback.orders import Order as LedgerOrder
from valr_loopback.server import LoopbackConfig, LoopbackServer

OTHER = "other"
BASE, QUOTE = PAIR.split("-")
LEDGER_TYPES = {OrderType.LIMIT: "limit", OrderType.LIMIT_MAKER: "post-only limit", OrderType.MARKET: "market"}
ORDER_EVENTS = ("ORDER_PROCESSED", "ORDER_STATUS_UPDATE", "OPEN_ORDERS_UPDATE", "NEW_ACCOUNT_TRADE")
# A placement that never arrived is given up only after much looking.
DEADLINE = 30.0


class Step(Protocol):
    """One line of a card."""

    @property
    def words(self) -> str:
        """How the matrix words it."""

    async def play(self, stage: "Stage") -> None:
        """Do it, or see that it happens."""


# --- The stage --------------------------------------------------------------------------------------------------------
class Stage:
    """A loopback exchange where another trader bids 1 BTC at 1000000 and asks 1 BTC at 1010000, and the bot.

    :param channel: the connector's order entry, ``websocket`` or ``rest``
    """

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.server = LoopbackServer(LoopbackConfig(port=0, market=False))
        self.orders: dict[str, Order] = {}
        self._names: dict[str, str] = {}
        self._events: list[tuple[str, Any]] = []
        self._events_seen = 0
        self._saved: dict[str, Any] = {}
        self._faults: set[FaultKind] = set()

    async def __aenter__(self) -> "Stage":
        await self.server.start()
        self.server.exchange.open_account(OTHER, {QUOTE: 10_000_000, BASE: 10})
        self.trade_elsewhere("buy", "1", "1000000")
        self.trade_elsewhere("sell", "1", "1010000")
        await self.start_bot()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._bot_life.aclose()
        await self.server.stop()

    def trade_elsewhere(self, side: str, amount: str, price: str) -> None:
        """Let the other trader place a limit order."""
        self.server.exchange.place_limit(OTHER, SYMBOL, side, amount, price)

    # The bot's process
    async def start_bot(self) -> None:
        """Start the bot with what the last one saved; what it tells is added to what was told before."""
        self.bot = Bot(self.server, valr_order_entry=self.channel)
        self.bot.events = self._events
        self.bot.exchange.restore_tracking_states(self._saved)
        self._bot_life = contextlib.AsyncExitStack()
        await self._bot_life.enter_async_context(self.bot.running())

    async def kill_bot(self, *, remember: bool) -> None:
        """End the bot with orders live; ``remember`` says whether Hummingbot had saved them."""
        self._saved = self.bot.exchange.tracking_states if remember else {}
        await self._bot_life.aclose()
        self.bot.die()

    async def stop_bot(self) -> None:
        """Stop as Hummingbot does: cancel everything, then leave."""
        await self.cancel_all()
        await self._bot_life.aclose()
        assert self.bot.live() == []
        await eventually(lambda: not self.server.accounts.sessions and not self.server.trades.sessions)

    # Faults
    def put_in_force(self, kind: str, **options: Any) -> None:
        """Let the exchange misbehave from now on; that it did is seen to at the end."""
        self.server.faults.add(Fault(kind=FaultKind(kind), **options))
        self._faults.add(FaultKind(kind))

    # Orders
    def place(self, order: "Order") -> None:
        """Let the bot place an order."""
        place = self.bot.exchange.buy if order.is_buy else self.bot.exchange.sell
        self.name(order, place(PAIR, order.amount, order.type, order.price, **order.qualifiers))

    def name(self, order: "Order", client_order_id: str) -> None:
        """Note under which client id an order went out."""
        self.orders[order.name] = order
        self._names[client_order_id] = order.name

    def id_of(self, name: str) -> str:
        """Return the client id of an order."""
        return next(identifier for identifier, each in self._names.items() if each == name)

    def in_ledger(self, name: str) -> LedgerOrder:
        """Return an order as the exchange has it."""
        order = self.server.exchange.order(self.server.account_id, client_order_id=self.id_of(name))
        assert order is not None, f"{name} never reached the exchange"
        return order

    def live(self) -> list[str]:
        """Return the names of the orders that rest on the exchange."""
        return sorted(self._names[identifier] for identifier in self.bot.live())

    async def cancel_all(self) -> None:
        """Let the bot cancel everything, which it must prove."""
        assert all(result.success for result in await self.bot.exchange.cancel_all(DEADLINE))

    # What was told
    async def expect(self, expected: tuple[str, ...]) -> None:
        """Wait for the next events; they must be these, each order's in this sequence."""
        await eventually(lambda: len(self._events) - self._events_seen >= len(expected), DEADLINE)
        told = [self._worded(what, event) for what, event in self._events[self._events_seen :]]
        self._events_seen = len(self._events)
        _assert_same(expected, told)

    async def finish(self) -> None:
        """Cancel what still rests; nothing but that may be told."""
        remaining = tuple(f"{name} cancelled" for name in self.live())
        await self.cancel_all()
        await eventually(lambda: not self.bot.exchange.in_flight_orders)
        await self.expect(remaining)
        assert self.bot.live() == []
        assert all(self.server.faults.struck[kind] for kind in self._faults)

    def _worded(self, what: str, event: Any) -> str:
        name = self._names[event.order_id]
        if what == "failed":
            return f"{name} failed: {event.error_message}"
        assert event.exchange_order_id == self.in_ledger(name).id
        if what == "created":
            self._assert_as_asked(name, event)
        elif what == "filled":
            return f"{name} filled {_plain(event.amount)} at {_plain(event.price)}"
        elif what == "completed":
            return f"{name} completed {_plain(event.base_asset_amount)} for {_plain(event.quote_asset_amount)}"
        return f"{name} {what}"

    def _assert_as_asked(self, name: str, event: Any) -> None:
        asked, placed = self.orders[name], self.in_ledger(name)
        assert (event.type, event.amount, event.trading_pair) == (asked.type, asked.amount, PAIR)
        assert (placed.is_buy, placed.type) == (asked.is_buy, LEDGER_TYPES[asked.type])
        assert placed.quote_amount == asked.qualifiers.get("quote_amount")
        if asked.type is OrderType.MARKET:
            return
        assert event.price == placed.price == asked.price
        assert placed.quantity == asked.amount
        assert placed.time_in_force == asked.qualifiers.get("time_in_force", "GTC")


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _assert_same(expected: tuple[str, ...], told: list[str]) -> None:
    """Compare by order; of a failure only the given part of the reason must be there."""

    def by_name(line: str) -> str:
        return line.split()[0]

    wanted, told = sorted(expected, key=by_name), sorted(told, key=by_name)
    if len(wanted) == len(told):
        told = [want if _says(line, want) else line for want, line in zip(wanted, told, strict=True)]
    assert told == wanted


def _says(line: str, wanted: str) -> bool:
    head, _, reason = wanted.partition(" failed: ")
    return line == wanted or (bool(reason) and line.startswith(f"{head} failed: ") and reason in line)


# --- What is told -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Told:
    """The next events. Those of one order come in this sequence; those of several may mix."""

    events: tuple[str, ...]

    @property
    def words(self) -> str:
        return ", ".join(self.events)

    async def play(self, stage: Stage) -> None:
        await stage.expect(self.events)


def told(*events: str) -> Told:
    """What must be told now, such as ``A filled 0.01 at 1010000``; of a failure a part of the reason is enough."""
    return Told(events)


@dataclass(frozen=True)
class Live:
    """The bot's orders that rest on the exchange now."""

    names: tuple[str, ...]

    @property
    def words(self) -> str:
        return f"({', '.join(self.names) or 'nothing'} live on VALR)"

    async def play(self, stage: Stage) -> None:
        await eventually(lambda: stage.live() == sorted(self.names), DEADLINE)


def live(*names: str) -> Live:
    """What must rest on the exchange now, and nothing else of the bot's."""
    return Live(names)


# --- What is done -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Do:
    """Anything done."""

    words: str
    act: Callable[[Stage], Awaitable[None]]

    async def play(self, stage: Stage) -> None:
        await self.act(stage)


@dataclass(frozen=True)
class Order:
    """An order to place. A market order's price is NaN; one by quote amount has an amount that is only a guess."""

    name: str
    is_buy: bool
    amount: Decimal
    price: Decimal
    type: OrderType
    qualifiers: dict[str, Any] = field(default_factory=dict)

    @property
    def words(self) -> str:
        quote_amount = self.qualifiers.get("quote_amount")
        what = f"{self.amount} {BASE}" if quote_amount is None else f"for {quote_amount} {QUOTE}"
        price = "" if self.price.is_nan() else f" at {self.price}"
        kind = {OrderType.LIMIT: "", OrderType.LIMIT_MAKER: " post-only", OrderType.MARKET: " at market"}
        time_in_force = f" {self.qualifiers['time_in_force']}" if "time_in_force" in self.qualifiers else ""
        side = "buy" if self.is_buy else "sell"
        return f"{side} {self.name}: {what}{price}{kind.get(self.type, f' as {self.type.name}')}{time_in_force}"

    async def play(self, stage: Stage) -> None:
        stage.place(self)


def buy(name: str, amount: str, price: str = "NaN", order_type: OrderType | None = None, **qualifiers: Any) -> Order:
    """An order to buy; without a price at market."""
    market = OrderType.MARKET if price == "NaN" else OrderType.LIMIT
    return Order(name, True, Decimal(amount), Decimal(price), order_type or market, qualifiers)


def sell(name: str, amount: str, price: str = "NaN", order_type: OrderType | None = None, **qualifiers: Any) -> Order:
    """An order to sell; without a price at market."""
    return replace(buy(name, amount, price, order_type, **qualifiers), is_buy=False)


def batch(*orders: Order) -> Do:
    """Limit orders, in one call of Hummingbot's."""

    async def act(stage: Stage) -> None:
        created = stage.bot.exchange.batch_order_create([_limit_order(order, "") for order in orders])
        for order, placed in zip(orders, created, strict=True):
            stage.name(order, placed.client_order_id)

    return Do(f"as a batch: {', '.join(order.words for order in orders)}", act)


def _limit_order(order: Order, client_order_id: str) -> LimitOrder:
    return LimitOrder(client_order_id, PAIR, order.is_buy, BASE, QUOTE, order.price, order.amount)


def cancel(*names: str) -> Do:
    """Cancel orders one by one."""

    async def act(stage: Stage) -> None:
        for name in names:
            stage.bot.exchange.cancel(PAIR, stage.id_of(name))

    return Do(f"cancel {', '.join(names)}", act)


def cancel_batch(*names: str) -> Do:
    """Cancel orders in one call of Hummingbot's."""

    async def act(stage: Stage) -> None:
        orders = [_limit_order(stage.orders[name], stage.id_of(name)) for name in names]
        stage.bot.exchange.batch_order_cancel(orders)

    return Do(f"cancel {', '.join(names)} as a batch", act)


def acknowledged(name: str) -> Do:
    """Wait until the bot knows that a cancel was taken."""

    async def act(stage: Stage) -> None:
        order = stage.bot.exchange.in_flight_orders[stage.id_of(name)]
        await eventually(lambda: order.is_pending_cancel_confirmation)

    return Do("it is acknowledged", act)


def cancel_all() -> Do:
    """Cancel everything, with proof."""
    return Do("cancel all", Stage.cancel_all)


def other_buys(amount: str, price: str) -> Do:
    """Let the other trader buy."""
    return _other("buy", amount, price)


def other_sells(amount: str, price: str) -> Do:
    """Let the other trader sell."""
    return _other("sell", amount, price)


def _other(side: str, amount: str, price: str) -> Do:
    async def act(stage: Stage) -> None:
        stage.trade_elsewhere(side, amount, price)

    return Do(f"another trader {side}s {amount} at {price}", act)


# --- What VALR does ---------------------------------------------------------------------------------------------------
def valr_cancels(name: str) -> Do:
    """Let the exchange end an order that nobody of the bot cancelled."""

    async def act(stage: Stage) -> None:
        assert stage.server.exchange.cancel(stage.server.account_id, stage.in_ledger(name).id)

    return Do(f"VALR cancels {name}", act)


def pair_goes_inactive() -> Do:
    """Let the exchange stop trading the pair, which cancels all its orders."""

    async def act(stage: Stage) -> None:
        stage.server.exchange.set_active(SYMBOL, False)

    return Do("VALR stops trading the pair", act)


def minimum_rises(amount: str) -> Do:
    """Let the exchange ask for more than the rules the bot has read."""

    async def act(stage: Stage) -> None:
        pairs = stage.server.exchange.engine.pairs
        pairs[SYMBOL] = replace(pairs[SYMBOL], min_base=Decimal(amount))

    return Do(f"VALR raises its minimum to {amount} {BASE}", act)


def fault(words: str, kind: str, **options: Any) -> Do:
    """Put a fault in force, whatever the channel."""
    return fault_by_channel(words, dict.fromkeys(("websocket", "rest"), (kind, options)))


def fault_by_channel(words: str, faults: Mapping[str, tuple[str, dict[str, Any]]]) -> Do:
    """Put a fault in force that has another name on each channel."""

    async def act(stage: Stage) -> None:
        kind, options = faults[stage.channel]
        stage.put_in_force(kind, **options)

    return Do(words, act)


def silence() -> Do:
    """Let no event about orders come any more."""

    async def act(stage: Stage) -> None:
        for event in ORDER_EVENTS:
            stage.put_in_force("drop_event", event=event)

    return Do("VALR's events about orders are lost from here on", act)


# --- The bot's process ------------------------------------------------------------------------------------------------
def kill() -> Do:
    """End the bot's process."""
    return Do("the bot is killed", lambda stage: stage.kill_bot(remember=True))


def kill_unsaved() -> Do:
    """End the bot's process before Hummingbot has saved its orders."""
    return Do("the bot is killed before Hummingbot saved A", lambda stage: stage.kill_bot(remember=False))


def restart() -> Do:
    """Start the bot anew with what Hummingbot saved."""
    return Do("the bot starts again", Stage.start_bot)


def stop() -> Do:
    """Stop the bot."""
    return Do("the bot is stopped: cancel all, sockets closed", Stage.stop_bot)
