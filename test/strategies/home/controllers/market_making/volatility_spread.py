"""A controller whose spreads are multiples of the candles' volatility, around their last price."""

from decimal import Decimal

# Hummingbot takes the first controller class that it finds among a module's names.
from controllers.market_making import fixed_spread

from hummingbot.data_feed.candles_feed.data_types import CandlesConfig
from hummingbot.strategy_v2.controllers.market_making_controller_base import MarketMakingControllerConfigBase


class VolatilitySpreadConfig(MarketMakingControllerConfigBase):
    """``interval`` and ``length`` say which candles the volatility is taken from."""

    controller_name: str = "volatility_spread"
    interval: str
    length: int


class VolatilitySpread(fixed_spread.FixedSpread):
    """Takes the mean of the candles' ranges, relative to their prices, for the volatility."""

    def get_candles_config(self) -> list[CandlesConfig]:
        """Ask for the candles."""
        return [
            CandlesConfig(
                connector=self.config.connector_name,
                trading_pair=self.config.trading_pair,
                interval=self.config.interval,
                max_records=self.config.length,
            )
        ]

    async def update_processed_data(self) -> None:
        """Set the price to quote around and what the spreads are multiplied by."""
        candles = self.market_data_provider.get_candles_df(
            self.config.connector_name, self.config.trading_pair, self.config.interval, self.config.length
        )
        if len(candles) == self.config.length:
            volatility = ((candles["high"] - candles["low"]) / candles["close"]).mean()
            self.processed_data = {
                "reference_price": Decimal(str(candles["close"].iloc[-1])),
                "spread_multiplier": Decimal(str(volatility)),
                "features": candles,
            }
