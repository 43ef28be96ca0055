"""Stands in for Hummingbot's script of this name, under the same settings: market orders that add up to a volume."""

from decimal import Decimal
from pathlib import Path

from hummingbot.core.data_type.common import MarketDict, OrderType
from hummingbot.core.event.events import OrderFilledEvent
from hummingbot.strategy.strategy_v2_base import StrategyV2Base, StrategyV2ConfigBase


class SimpleVwapConfig(StrategyV2ConfigBase):
    """``volume_perc`` is the part of the book within ``price_spread``, both fractions, that one order takes."""

    script_file_name: str = Path(__file__).name
    connector_name: str
    trading_pair: str
    is_buy: bool
    total_volume_quote: Decimal
    price_spread: Decimal
    volume_perc: Decimal
    order_delay_time: float

    def update_markets(self, markets: MarketDict) -> MarketDict:
        """Ask for the one market."""
        return markets.add_or_update(self.connector_name, self.trading_pair)


class SimpleVwap(StrategyV2Base):
    """Takes a part of what the book offers, again and again, until the volume is reached."""

    _next = 0.0
    _traded_quote = Decimal(0)

    def on_tick(self) -> None:
        """Send the next order when it is time."""
        config = self.config
        if self.current_timestamp < self._next or self._traded_quote >= config.total_volume_quote:
            return
        self._next = self.current_timestamp + config.order_delay_time
        name, pair, connector = config.connector_name, config.trading_pair, self.connectors[config.connector_name]
        price = connector.get_mid_price(pair) * (1 + config.price_spread * (1 if config.is_buy else -1))
        offered = connector.get_volume_for_price(pair, config.is_buy, price).result_volume
        missing = (config.total_volume_quote - self._traded_quote) / price
        amount = connector.quantize_order_amount(pair, min(offered * config.volume_perc, missing))
        if amount:
            (self.buy if config.is_buy else self.sell)(name, pair, amount, OrderType.MARKET, price)

    def did_fill_order(self, event: OrderFilledEvent) -> None:
        """Count what was traded."""
        self._traded_quote += event.amount * event.price
