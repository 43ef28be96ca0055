"""Stands in for Hummingbot's script of this name, under the same settings: two orders, renewed now and then."""

from decimal import Decimal
from pathlib import Path

from hummingbot.core.data_type.common import MarketDict, OrderType, PriceType
from hummingbot.strategy.strategy_v2_base import StrategyV2Base, StrategyV2ConfigBase


class SimplePmmConfig(StrategyV2ConfigBase):
    """Spreads are fractions of the mid price, times in seconds."""

    script_file_name: str = Path(__file__).name
    exchange: str
    trading_pair: str
    order_amount: Decimal
    bid_spread: Decimal
    ask_spread: Decimal
    order_refresh_time: float

    def update_markets(self, markets: MarketDict) -> MarketDict:
        """Ask for the one market."""
        return markets.add_or_update(self.exchange, self.trading_pair)


class SimplePmm(StrategyV2Base):
    """Cancels what is there and quotes anew."""

    _next = 0.0

    def on_tick(self) -> None:
        """Renew the quotes when it is time."""
        if self.current_timestamp < self._next:
            return
        config = self.config
        self._next = self.current_timestamp + config.order_refresh_time
        exchange, pair = config.exchange, config.trading_pair
        for order in self.get_active_orders(exchange):
            self.cancel(exchange, pair, order.client_order_id)
        mid = self.connectors[exchange].get_price_by_type(pair, PriceType.MidPrice)
        self.buy(exchange, pair, config.order_amount, OrderType.LIMIT_MAKER, mid * (1 - config.bid_spread))
        self.sell(exchange, pair, config.order_amount, OrderType.LIMIT_MAKER, mid * (1 + config.ask_spread))
