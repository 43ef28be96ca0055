"""A script that keeps one order on each side of the mid price and renews both every so many seconds."""

from decimal import Decimal
from pathlib import Path

from hummingbot.core.data_type.common import MarketDict, OrderType, PriceType
from hummingbot.strategy.strategy_v2_base import StrategyV2Base, StrategyV2ConfigBase


class TwoQuotesConfig(StrategyV2ConfigBase):
    """``spread`` is a fraction of the mid price, ``renewal`` in seconds."""

    script_file_name: str = Path(__file__).name
    exchange: str
    trading_pair: str
    amount: Decimal
    spread: Decimal
    renewal: float

    def update_markets(self, markets: MarketDict) -> MarketDict:
        """Ask for the one market."""
        return markets.add_or_update(self.exchange, self.trading_pair)


class TwoQuotes(StrategyV2Base):
    """Cancels what is there and quotes anew."""

    _next = 0.0

    def on_tick(self) -> None:
        """Renew the quotes when it is time."""
        if self.current_timestamp < self._next:
            return
        self._next = self.current_timestamp + self.config.renewal
        exchange, pair = self.config.exchange, self.config.trading_pair
        for order in self.get_active_orders(exchange):
            self.cancel(exchange, pair, order.client_order_id)
        mid = self.connectors[exchange].get_price_by_type(pair, PriceType.MidPrice)
        self.buy(exchange, pair, self.config.amount, OrderType.LIMIT_MAKER, mid * (1 - self.config.spread))
        self.sell(exchange, pair, self.config.amount, OrderType.LIMIT_MAKER, mid * (1 + self.config.spread))
