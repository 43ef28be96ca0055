"""Shows what the VALR connector knows and how fast it is. Trades nothing.

Copy it into the scripts/ folder of your workspace, then::

    hbot create valr_status --name conf_valr_status.yml --set connector=valr --set trading_pair=BTC-ZAR
    hbot start conf_valr_status.yml
    hbot status

Orders placed elsewhere are not this bot's: live orders and the times of placing and cancelling stay empty here, while
the age of events, prices and balances are the account's own. A script that trades shows all of it by returning what
``status_lines`` gives, joined by line breaks, from its ``format_status``.
"""

import os
from decimal import Decimal
from typing import Literal

from pydantic import Field

from hummingbot.connector.exchange.valr.valr_exchange import ValrExchange
from hummingbot.connector.exchange.valr.valr_order_book import QueuePosition
from hummingbot.core.data_type.common import MarketDict
from hummingbot.core.data_type.in_flight_order import InFlightOrder
from hummingbot.strategy.strategy_v2_base import StrategyV2Base, StrategyV2ConfigBase


class ValrStatusConfig(StrategyV2ConfigBase):
    """Which connector to look at, and one pair whose book it follows."""

    script_file_name: str = os.path.basename(__file__)
    controllers_config: list[str] = Field(default_factory=list)
    connector: Literal["valr", "valr_loopback"] = Field(
        "valr", json_schema_extra={"prompt": "Which connector, valr or valr_loopback? ", "prompt_on_new": True}
    )
    trading_pair: str = Field(
        "BTC-ZAR", json_schema_extra={"prompt": "Which trading pair (e.g. BTC-ZAR)? ", "prompt_on_new": True}
    )

    def update_markets(self, markets: MarketDict) -> MarketDict:
        """Add the one pair of the one connector."""
        return markets.add_or_update(self.connector, self.trading_pair)


class ValrStatus(StrategyV2Base):
    """Does nothing at any tick; ``status`` is all there is to it."""

    def format_status(self) -> str:
        """Return what `hbot status` and the client's `status` show."""
        return "\n".join(status_lines(self.connectors[self.config.connector], self.config.trading_pair))


def status_lines(connector: ValrExchange, trading_pair: str) -> list[str]:
    """Describe a VALR connector: readiness, best prices of a pair, balances, live orders and their place in the queue,
    latencies.
    """
    sections = [
        _connection(connector, trading_pair),
        _balances(connector, trading_pair),
        _orders(connector),
        connector.latency.lines(),
    ]
    return [line for section in sections for line in (*section, "")][:-1]


def exact(number: float) -> Decimal:
    """Return a price or volume of Hummingbot's book, which holds floats, as the exchange wrote it."""
    decimal = Decimal(repr(number))
    return decimal.quantize(Decimal(1)) if decimal == decimal.to_integral_value() else decimal


def _connection(connector: ValrExchange, trading_pair: str) -> list[str]:
    missing = [name for name, done in connector.status_dict.items() if not done]
    readiness = f"not ready, waiting for {', '.join(missing)}" if missing else "ready"
    lines = [f"{connector.name}: {readiness}; network {connector.network_status.name.lower()}"]
    if not missing:
        bid, ask = (connector.get_price(trading_pair, is_buy) for is_buy in (False, True))
        lines.append(f"{trading_pair}: bid {bid:f}, ask {ask:f}")
    return lines


def _balances(connector: ValrExchange, trading_pair: str) -> list[str]:
    totals = connector.get_all_balances()
    shown = [*trading_pair.split("-"), *sorted(asset for asset, total in totals.items() if total)]
    lines = [f"{'balance':<13}{'total':>24}{'available':>24}"]
    for asset in dict.fromkeys(shown):
        total, available = totals.get(asset, Decimal(0)), connector.get_available_balance(asset)
        lines.append(f"{asset:<13}{total:>24f}{available:>24f}")
    return lines


def _orders(connector: ValrExchange) -> list[str]:
    live = [order for order in connector.in_flight_orders.values() if not order.is_done]
    if not live:
        return ["no live orders of this bot"]
    live.sort(key=lambda order: order.creation_timestamp)
    places = [connector.queue_position(order.client_order_id) for order in live]
    head = (
        f"{'live order':<34}{'pair':<12}{'side':<6}{'price':>14}{'amount':>14}{'filled':>14}{'ahead':>7}{'volume':>14}"
        "  state"
    )
    lines = [head, *map(_order, live, places)]
    if not any(places):
        lines.append("ahead: the orders before ours in the queue; only the book feed 'full' shows them")
    return lines


def _order(order: InFlightOrder, place: QueuePosition | None) -> str:
    price = "market" if order.price is None or order.price.is_nan() else f"{order.price:f}"
    state = order.current_state.name.lower()
    ahead, volume = (str(place.position), f"{place.volume_ahead:f}") if place else ("-", "-")
    return (
        f"{order.client_order_id:<34}{order.trading_pair:<12}{order.trade_type.name.lower():<6}{price:>14}"
        f"{order.amount:>14f}{order.executed_amount_base:>14f}{ahead:>7}{volume:>14}  {state}"
    )
