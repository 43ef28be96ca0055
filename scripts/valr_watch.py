"""Watches one pair of a VALR account: the book, the account's orders and fills, latencies, rate limits. Trades nothing.

Copy it and valr_status.py, which it builds upon, into the scripts/ folder of a workspace. Then::

    hbot create valr_watch --name conf_valr_watch.yml --set connector=valr --set trading_pair=BTC-ZAR
    hbot start conf_valr_watch.yml
    hbot status

In the interactive client ``status --live`` keeps it on the screen. conf/scripts/conf_valr_watch.yml explains the
settings. An API key with View access alone is enough; the log then says once that it lacks Trade, which is right here.

It shows the orders and fills of the whole account, whoever placed them: this bot, another one, or you in VALR's app.
To watch a bot that trades, run this in a workspace of its own, since a workspace runs one bot at a time: both may use
the same key. It asks VALR for open orders and fills every ``poll_interval`` seconds, which is two of the calls that
VALR allows a key; the book comes by socket. The use of rate limits is that of this process, and so are latencies.

Like every start of the connector it cancels what a bot that was killed in the same workspace left behind, and nothing
else.
"""

import asyncio
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import islice, zip_longest
from typing import Literal

from pydantic import Field

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_exchange import ValrExchange
from hummingbot.connector.exchange.valr.valr_messages import (
    AccountTrade,
    OpenOrders,
    OrderReport,
    parse_open_orders,
    parse_trades,
)
from hummingbot.connector.exchange.valr.valr_web_utils import ValrRequestError
from hummingbot.core.api_throttler.data_types import RateLimit
from hummingbot.core.data_type.common import MarketDict
from hummingbot.strategy.strategy_v2_base import StrategyV2Base, StrategyV2ConfigBase
from scripts.valr_status import exact, status_lines

Level = tuple[Decimal, Decimal]
"""Price and volume."""


class ValrWatchConfig(StrategyV2ConfigBase):
    """What to watch, and how much of it to show."""

    script_file_name: str = os.path.basename(__file__)
    controllers_config: list[str] = Field(default_factory=list)
    connector: Literal["valr", "valr_loopback"] = Field(
        "valr", json_schema_extra={"prompt": "Which connector, valr or valr_loopback? ", "prompt_on_new": True}
    )
    trading_pair: str = Field(
        "BTC-ZAR", json_schema_extra={"prompt": "Which trading pair (e.g. BTC-ZAR)? ", "prompt_on_new": True}
    )
    depth: int = Field(5, ge=1, le=40, json_schema_extra={"prompt": "How many levels of the book on each side? "})
    fills: int = Field(10, ge=1, le=100, json_schema_extra={"prompt": "How many of the last fills? "})
    poll_interval: float = Field(
        5.0, ge=1, json_schema_extra={"prompt": "Every how many seconds does it ask for orders and fills? "}
    )

    def update_markets(self, markets: MarketDict) -> MarketDict:
        """Add the one pair of the one connector."""
        return markets.add_or_update(self.connector, self.trading_pair)


class ValrWatch(StrategyV2Base):
    """Asks for orders and fills now and then; ``status`` shows them."""

    def __init__(self, connectors: dict[str, ValrExchange], config: ValrWatchConfig) -> None:
        super().__init__(connectors, config)
        self._connector = connectors[config.connector]
        self._asking: asyncio.Task[None] | None = None
        self._ask_next_at = 0.0
        self._answered_at: float | None = None
        self._trouble = ""
        self._symbol = ""
        self._orders: tuple[OrderReport, ...] = ()
        self._trades: tuple[AccountTrade, ...] = ()

    def on_tick(self) -> None:
        """Ask again when it is time; an answer that is still awaited is waited for."""
        is_asking = self._asking is not None and not self._asking.done()
        if self._is_stop_triggered or is_asking or self.current_timestamp < self._ask_next_at:
            return
        self._ask_next_at = self.current_timestamp + self.config.poll_interval
        self._asking = asyncio.create_task(self._ask())

    async def on_stop(self) -> None:
        """Stop asking."""
        await super().on_stop()
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    def format_status(self) -> str:
        """Return what `hbot status` and the client's `status` show."""
        connector, trading_pair = self._connector, self.config.trading_pair
        sections = [
            self._book_lines(),
            [self._age_line(), *order_lines(self._orders)],
            fill_lines(self._trades),
            limit_lines(connector.rate_limits_rules, self._rate_limit_use()),
            status_lines(connector, trading_pair),
        ]
        return "\n".join(line for section in sections for line in (*section, ""))

    async def _ask(self) -> None:
        connector = self._connector
        try:
            symbol = await connector.exchange_symbol_associated_to_pair(trading_pair=self.config.trading_pair)
            path = CONSTANTS.PAIR_TRADE_HISTORY_PATH.format(symbol=symbol, skip=0, limit=self.config.fills)
            orders = parse_open_orders(
                await connector._api_get(path_url=CONSTANTS.OPEN_ORDERS_PATH, is_auth_required=True)
            )
            trades = parse_trades(await connector._api_get(path_url=path, is_auth_required=True))
        except (ValrRequestError, ValueError) as error:
            # The connector says in the log what ails the connection; here it is enough to show it.
            self._trouble = str(error)
            return
        self._symbol, self._trouble, self._answered_at = symbol, "", time.time()
        self._orders = orders.orders if isinstance(orders, OpenOrders) else ()
        self._trades = tuple(trade for trade in trades if isinstance(trade, AccountTrade))

    def _book_lines(self) -> list[str]:
        books = self._connector.order_books
        if self.config.trading_pair not in books:
            return [f"{self.config.trading_pair}: no book yet"]
        book = books[self.config.trading_pair]
        bids, asks = (
            [(exact(row.price), exact(row.amount)) for row in islice(rows, self.config.depth)]
            for rows in (book.bid_entries(), book.ask_entries())
        )
        return book_lines(self.config.trading_pair, bids, asks, own_volume(self._orders, self._symbol))

    def _age_line(self) -> str:
        if self._answered_at is None:
            known = "not known yet"
        else:
            known = f"as of {max(0.0, time.time() - self._answered_at):.0f} s ago"
        trouble = f"; asking again, since the last answer was: {self._trouble}" if self._trouble else ""
        return f"orders and fills of the account, {known}{trouble}"

    def _rate_limit_use(self) -> dict[str, int]:
        throttler = self._connector._throttler
        return {limit.limit_id: throttler.used(limit.limit_id) for limit in self._connector.rate_limits_rules}


# --- What it shows ----------------------------------------------------------------------------------------------------
def own_volume(orders: Iterable[OrderReport], symbol: str) -> dict[Decimal, Decimal]:
    """Return how much of the account's orders of one pair stands at each price."""
    volumes: dict[Decimal, Decimal] = {}
    for order in orders:
        if order.symbol == symbol and order.price is not None and order.remaining_quantity is not None:
            volumes[order.price] = volumes.get(order.price, Decimal(0)) + order.remaining_quantity
    return volumes


def book_lines(
    trading_pair: str, bids: Sequence[Level], asks: Sequence[Level], own: Mapping[Decimal, Decimal]
) -> list[str]:
    """Draw both sides of a book, best first, with the account's own volume at each price.

    :param own: the account's volume by price
    """
    head = f"{trading_pair}: no bid and ask"
    if bids and asks:
        gap = asks[0][0] - bids[0][0]
        head = f"{trading_pair}: spread {gap:f}, {gap / (bids[0][0] + asks[0][0]) * 200:.3f} % of the price"
    lines = [head, f"{'own':>14}{'volume':>16}{'bid':>14}  {'ask':<14}{'volume':<16}{'own':<14}".rstrip()]
    for bid, ask in zip_longest(bids, asks):
        left = f"{_own(bid, own):>14}{bid[1]:>16f}{bid[0]:>14f}" if bid else " " * 44
        right = f"{ask[0]:<14f}{ask[1]:<16f}{_own(ask, own):<14}" if ask else ""
        lines.append(f"{left}  {right}".rstrip())
    return lines


def _own(level: Level, own: Mapping[Decimal, Decimal]) -> str:
    return f"{own[level[0]]:f}" if level[0] in own else ""


def order_lines(orders: Sequence[OrderReport]) -> list[str]:
    """Draw the open orders of the account, of all pairs, under VALR's names of these."""
    if not orders:
        return ["no open orders"]
    lines = [f"{'open order':<38}{'pair':<12}{'side':<6}{'price':>16}{'remaining':>16}{'of':>16}"]
    for order in sorted(orders, key=lambda order: (order.symbol, order.side, order.price or Decimal(0))):
        name = order.client_order_id or order.order_id
        numbers = (_number(number) for number in (order.price, order.remaining_quantity, order.original_quantity))
        lines.append(f"{name:<38}{order.symbol:<12}{order.side:<6}" + "".join(f"{each:>16}" for each in numbers))
    return lines


def fill_lines(trades: Sequence[AccountTrade]) -> list[str]:
    """Draw the last fills, newest first; a negative fee is a reward."""
    if not trades:
        return ["no fills"]
    lines = [f"{'fill (UTC)':<21}{'side':<6}{'price':>16}{'amount':>16}{'fee':>20}"]
    for trade in trades:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(trade.traded_at))
        fee = f"{trade.fee:f} {trade.fee_currency}".rstrip()
        lines.append(f"{when:<21}{trade.side:<6}{trade.price:>16f}{trade.quantity:>16f}{fee:>20}")
    return lines


def limit_lines(limits: Sequence[RateLimit], used: Mapping[str, int]) -> list[str]:
    """Draw how much of each rate limit was used within its interval, those that were not used left out."""
    lines = [f"{'rate limit':<18}{'used':>8}{'of':>8}{'in':>8}"]
    lines += [
        f"{limit.limit_id:<18}{used[limit.limit_id]:>8}{int(limit.limit):>8}{limit.time_interval:>6g} s"
        for limit in limits
        if used[limit.limit_id]
    ]
    return lines if len(lines) > 1 else ["no rate limit is used at the moment"]


def _number(number: Decimal | None) -> str:
    return "-" if number is None else f"{number:f}"
