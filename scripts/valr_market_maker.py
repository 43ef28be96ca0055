"""Quotes one bid and one ask on VALR, leaning against its inventory. A market maker to start from, and to read.

Copy it and valr_status.py, which it shows its status with, into the scripts/ folder of your workspace. Then::

    hbot create valr_market_maker --name conf_valr_market_maker.yml --set connector=valr --set trading_pair=BTC-ZAR \\
        --set order_amount=0.0005
    hbot start conf_valr_market_maker.yml
    hbot status
    hbot stop

or copy conf/scripts/conf_valr_market_maker.yml, which explains every setting, and change that. Try it first with
``connector=valr_loopback`` against ``python -m valr_loopback``, which costs nothing.

What it does, once a second:

* It takes the middle between the best bid and the best ask of the others: its own orders do not count, so that it never
  follows itself.
* It leans: holding more of the base currency than ``inventory_target`` says, it quotes lower on both sides, so that it
  sells sooner than it buys; holding less, higher. ``inventory_skew`` says how far at most.
* It quotes ``spread`` percent below and above that price, never at or beyond the best price of the other side, and
  post-only: as a maker, or not at all.
* It leaves an order alone, and keeps its place in the queue, until the order is more than ``requote_tolerance`` percent
  from where it should be. Only then it cancels it, waits for the proof that it is gone, and places the new one. That
  spares VALR's rate limits, and there is never more than one order a side.
* It quotes less when the balance is short, and nothing below VALR's minimum for the pair.
* It places nothing while the connector is not ready. Without a bid and an ask of others on a proven book it takes its
  orders back. It cancels everything when it is stopped.

Everything it decides is in the functions at the end, which know nothing of Hummingbot.
"""

import os
from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from hummingbot.connector.exchange.valr.valr_exchange import ValrExchange
from hummingbot.core.data_type.common import MarketDict, OrderType, TradeType
from hummingbot.core.event.events import MarketOrderFailureEvent, OrderFilledEvent
from hummingbot.core.network_iterator import NetworkStatus
from hummingbot.strategy.strategy_v2_base import StrategyV2Base, StrategyV2ConfigBase
from scripts.valr_status import exact, status_lines

CANCEL_TIMEOUT = 20.0
"""How long a stop waits for the proof that every order has ended, in seconds."""

SIDES = (TradeType.BUY, TradeType.SELL)


class ValrMarketMakerConfig(StrategyV2ConfigBase):
    """What to quote; percentages are written as in Hummingbot's other strategies: 1 is 1 %."""

    script_file_name: str = os.path.basename(__file__)
    controllers_config: list[str] = Field(default_factory=list)
    connector: Literal["valr", "valr_loopback"] = Field(
        "valr", json_schema_extra={"prompt": "Which connector, valr or valr_loopback? ", "prompt_on_new": True}
    )
    trading_pair: str = Field(
        "BTC-ZAR", json_schema_extra={"prompt": "Which trading pair (e.g. BTC-ZAR)? ", "prompt_on_new": True}
    )
    order_amount: Decimal = Field(
        gt=0, json_schema_extra={"prompt": "How much of the base currency per order? ", "prompt_on_new": True}
    )
    spread: Decimal = Field(
        Decimal("0.3"),
        gt=0,
        lt=100,
        json_schema_extra={"prompt": "How far from the fair price, in percent? ", "prompt_on_new": True},
    )
    requote_tolerance: Decimal = Field(
        Decimal("0.05"),
        ge=0,
        json_schema_extra={"prompt": "How far may an order be off before it moves, in percent of its price? "},
    )
    inventory_target: Decimal = Field(
        Decimal("50"),
        gt=0,
        lt=100,
        json_schema_extra={"prompt": "How much of the value should be in the base currency, in percent? "},
    )
    inventory_skew: Decimal = Field(
        Decimal("0.2"),
        ge=0,
        lt=100,
        json_schema_extra={"prompt": "How far do the quotes lean at most, in percent of the price? "},
    )
    refusal_pause: float = Field(
        5.0, ge=0, json_schema_extra={"prompt": "For how many seconds does it place nothing after a refusal? "}
    )

    @model_validator(mode="after")
    def _keep_sides_apart(self) -> Self:
        if self.requote_tolerance >= self.spread:
            raise ValueError(
                f"requote_tolerance ({self.requote_tolerance}) must be smaller than spread ({self.spread}): an order "
                "would be left alone until the price has come past it"
            )
        return self

    def update_markets(self, markets: MarketDict) -> MarketDict:
        """Add the one pair of the one connector."""
        return markets.add_or_update(self.connector, self.trading_pair)


class ValrMarketMaker(StrategyV2Base):
    """Looks once a tick, cancels what is off, places what is missing."""

    _paused_until = 0.0
    _placed = 0
    _taken_back = 0
    _view = "has not looked at the market yet"

    def __init__(self, connectors: dict[str, ValrExchange], config: ValrMarketMakerConfig) -> None:
        super().__init__(connectors, config)
        self._connector = connectors[config.connector]
        self._base, self._quote = config.trading_pair.split("-")
        self._cancelling: set[str] = set()
        self._filled = dict.fromkeys(SIDES, Decimal(0))
        self._fills = dict.fromkeys(SIDES, 0)

    # --- What Hummingbot calls ----------------------------------------------------------------------------------------
    def on_tick(self) -> None:
        """Bring the orders to where they should be, one step a tick."""
        if self._is_stop_triggered:
            return
        connector = self._connector
        if not connector.ready or connector.network_status is not NetworkStatus.CONNECTED:
            self._view = "places nothing: the connector is not ready"
            return
        live = {side: self._live_quotes(side) for side in SIDES}
        best = self._best_of_others(live)
        wanted = dict.fromkeys(SIDES, None) if best is None else self._wanted_prices(best, live)
        for side in SIDES:
            cancel, may_place = plan_side(live[side], wanted[side], self.config.requote_tolerance / 100)
            self._cancel(cancel)
            price = wanted[side]
            if not may_place or price is None:
                continue
            if self.current_timestamp < self._paused_until:
                self._view += f"; pauses after a refusal before its next {side.name.lower()} order"
            else:
                self._place(side, price)

    def did_fill_order(self, event: OrderFilledEvent) -> None:
        """Count what was traded."""
        self._filled[event.trade_type] += event.amount
        self._fills[event.trade_type] += 1

    def did_fail_order(self, event: MarketOrderFailureEvent) -> None:
        """Do not try the same again at every tick."""
        self._paused_until = self.current_timestamp + self.config.refusal_pause

    async def on_stop(self) -> None:
        """Place nothing any more, and cancel what lives."""
        await super().on_stop()
        await self._connector.cancel_all(CANCEL_TIMEOUT)

    def format_status(self) -> str:
        """Return what `hbot status` and the client's `status` show."""
        traded = ", ".join(
            f"{self._fills[side]} {side.name.lower()} fills of {self._filled[side].normalize():f} {self._base}"
            for side in SIDES
        )
        counts = f"{self._placed} orders placed, {self._taken_back} taken back; {traded}"
        return "\n".join(
            [
                f"market maker: {self._view}",
                f"market maker: {counts}",
                "",
                *status_lines(self._connector, self.config.trading_pair),
            ]
        )

    # --- What it sees -------------------------------------------------------------------------------------------------
    def _live_quotes(self, side: TradeType) -> list["LiveQuote"]:
        orders = self._connector.in_flight_orders.values()
        return [
            LiveQuote(order.client_order_id, order.price, order.amount - order.executed_amount_base)
            for order in sorted(orders, key=lambda order: order.creation_timestamp)
            if order.trading_pair == self.config.trading_pair and order.trade_type is side and not order.is_done
        ]

    def _best_of_others(self, live: Mapping[TradeType, list["LiveQuote"]]) -> "Best | None":
        book = self._connector.get_order_book(self.config.trading_pair)
        rows = {TradeType.BUY: book.bid_entries(), TradeType.SELL: book.ask_entries()}
        bid, ask = (
            best_of_others(((exact(row.price), exact(row.amount)) for row in rows[side]), own_volume(live[side]))
            for side in SIDES
        )
        if bid is None or ask is None:
            self._view = "quotes nothing: there is no bid and ask of others on the book"
            return None
        return Best(bid, ask)

    def _wanted_prices(
        self, best: "Best", live: Mapping[TradeType, list["LiveQuote"]]
    ) -> dict[TradeType, Decimal | None]:
        rule = self._connector.trading_rules[self.config.trading_pair]
        totals = self._connector.get_all_balances()
        mid = (best.bid + best.ask) / 2
        share = base_share(totals.get(self._base, Decimal(0)), totals.get(self._quote, Decimal(0)), mid)
        lean = imbalance(share, self.config.inventory_target / 100)
        fair = fair_price(mid, lean, self.config.inventory_skew / 100)
        # Beyond an order of ours VALR refuses the new one, whichever of the two was first.
        lowest_ask = min([best.ask, *(quote.price for quote in live[TradeType.SELL])])
        highest_bid = max([best.bid, *(quote.price for quote in live[TradeType.BUY])])
        spread, tick = self.config.spread / 100, rule.min_price_increment
        bid = bid_price(fair, spread, lowest_ask, tick)
        ask = ask_price(fair, spread, highest_bid, tick)
        self._view = (
            f"wants bid {bid:f} and ask {ask:f}; others' bid {best.bid:f} and ask {best.ask:f}; "
            f"{share * 100:.1f} % in {self._base} of {self.config.inventory_target:f} % aimed at, "
            f"so it leans by {(fair / mid - 1) * 100:+.3f} %"
        )
        return {TradeType.BUY: bid if bid > 0 else None, TradeType.SELL: ask}

    # --- What it does -------------------------------------------------------------------------------------------------
    def _cancel(self, identifiers: list[str]) -> None:
        self._cancelling &= self._connector.in_flight_orders.keys()
        for identifier in identifiers:
            # Once is enough: the connector goes on until the end is proven.
            if identifier not in self._cancelling:
                self._cancelling.add(identifier)
                self._connector.cancel(self.config.trading_pair, identifier)
                self._taken_back += 1

    def _place(self, side: TradeType, price: Decimal) -> None:
        rule = self._connector.trading_rules[self.config.trading_pair]
        is_buy = side is TradeType.BUY
        available = self._connector.get_available_balance(self._quote if is_buy else self._base)
        amount = order_amount(
            self.config.order_amount,
            price,
            available / price if is_buy else available,
            Smallest(rule.min_order_size, rule.min_notional_size, rule.min_base_amount_increment),
        )
        if not amount:
            self._view += (
                f"; no {side.name.lower()} order: {available:f} {self._quote if is_buy else self._base} available, "
                f"the smallest order is {rule.min_order_size:f} {self._base} "
                f"and {rule.min_notional_size:f} {self._quote}"
            )
            return
        place = self.buy if is_buy else self.sell
        place(self.config.connector, self.config.trading_pair, amount, OrderType.LIMIT_MAKER, price)
        self._placed += 1


# --- What it decides --------------------------------------------------------------------------------------------------
class LiveQuote(NamedTuple):
    """An order of ours that has not provably ended: its price, and how much of it is left in the base currency."""

    client_order_id: str
    price: Decimal
    remaining: Decimal


class Best(NamedTuple):
    """The best prices of the others."""

    bid: Decimal
    ask: Decimal


class Smallest(NamedTuple):
    """A pair's smallest order, in the base and in the quote currency, and the step of amounts."""

    amount: Decimal
    value: Decimal
    step: Decimal


def own_volume(quotes: Iterable[LiveQuote]) -> dict[Decimal, Decimal]:
    """Return how much of ours stands at each price."""
    volumes: dict[Decimal, Decimal] = {}
    for quote in quotes:
        volumes[quote.price] = volumes.get(quote.price, Decimal(0)) + quote.remaining
    return volumes


def best_of_others(levels: Iterable[tuple[Decimal, Decimal]], own: Mapping[Decimal, Decimal]) -> Decimal | None:
    """Return the price of the first level with more volume than ours; None when there is none.

    :param levels: price and volume, best first
    :param own: our volume at each price
    """
    return next((price for price, volume in levels if volume > own.get(price, Decimal(0))), None)


def base_share(base: Decimal, quote: Decimal, price: Decimal) -> Decimal:
    """Return the part of the value that is in the base currency, 0 to 1; a half when there is nothing at all."""
    value = base * price + quote
    return base * price / value if value > 0 else Decimal("0.5")


def imbalance(share: Decimal, target: Decimal) -> Decimal:
    """Return how far the share is from its target: 0 there, 1 when all is in the base currency, -1 when nothing is."""
    room = 1 - target if share > target else target
    return max(Decimal(-1), min(Decimal(1), (share - target) / room))


def fair_price(mid: Decimal, lean: Decimal, skew: Decimal) -> Decimal:
    """Return the price to quote around: below the middle with too much of the base currency, above it with too little.

    :param lean: the imbalance, -1 to 1
    :param skew: the most it moves, a fraction of the price
    """
    return mid * (1 - lean * skew)


def bid_price(fair: Decimal, spread: Decimal, lowest_ask: Decimal, tick: Decimal) -> Decimal:
    """Return a price on the tick, at least the spread (a fraction) below the fair one and below the lowest ask."""
    return min(_round(fair * (1 - spread), tick, ROUND_FLOOR), _round(lowest_ask, tick, ROUND_CEILING) - tick)


def ask_price(fair: Decimal, spread: Decimal, highest_bid: Decimal, tick: Decimal) -> Decimal:
    """Return a price on the tick, at least the spread (a fraction) above the fair one and above the highest bid."""
    return max(_round(fair * (1 + spread), tick, ROUND_CEILING), _round(highest_bid, tick, ROUND_FLOOR) + tick)


def order_amount(wanted: Decimal, price: Decimal, affordable: Decimal, smallest: Smallest) -> Decimal:
    """Return as much of the wanted amount as can be paid, in whole steps; 0 when the exchange would not take it."""
    amount = _round(min(wanted, affordable), smallest.step, ROUND_FLOOR)
    return amount if amount >= smallest.amount and amount * price >= smallest.value else Decimal(0)


def plan_side(live: list[LiveQuote], wanted: Decimal | None, tolerance: Decimal) -> tuple[list[str], bool]:
    """Return which orders of one side to cancel, and whether a new one may be placed now.

    The oldest order that is near enough stays. A new one is placed only when nothing lives on the side: an order whose
    cancel is not proven may still be filled.

    :param wanted: the price; None to have no order
    :param tolerance: how far an order may be off, a fraction of the wanted price
    """
    near = [quote for quote in live if wanted is not None and abs(quote.price - wanted) <= tolerance * wanted]
    cancel = [quote.client_order_id for quote in live if quote not in near[:1]]
    return cancel, wanted is not None and not live


def _round(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    return (value / step).to_integral_value(rounding) * step
