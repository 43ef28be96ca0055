"""Stands in for Hummingbot's controller of this name: spreads are multiples of the volatility that the candles show."""

from decimal import Decimal

# Hummingbot takes the first controller class that it finds among a module's names.
from controllers.market_making import pmm_simple

from hummingbot.data_feed.candles_feed.data_types import CandlesConfig
from hummingbot.strategy_v2.controllers.market_making_controller_base import MarketMakingControllerConfigBase

LENGTH = 142


class PmmDynamicConfig(MarketMakingControllerConfigBase):
    """``interval`` and the candles' connector and pair, empty for the same, say where the volatility is taken from."""

    controller_name: str = "pmm_dynamic"
    candles_connector: str = ""
    candles_trading_pair: str = ""
    interval: str

    @property
    def candles(self) -> CandlesConfig:
        """Which candles to ask for."""
        return CandlesConfig(
            connector=self.candles_connector or self.connector_name,
            trading_pair=self.candles_trading_pair or self.trading_pair,
            interval=self.interval,
            max_records=LENGTH,
        )


class PmmDynamic(pmm_simple.PmmSimple):
    """Takes the mean of the candles' ranges, relative to their prices, for the volatility."""

    def get_candles_config(self) -> list[CandlesConfig]:
        """Ask for the candles."""
        return [self.config.candles]

    async def update_processed_data(self) -> None:
        """Set the price to quote around and what the spreads are multiplied by."""
        asked = self.config.candles
        candles = self.market_data_provider.get_candles_df(
            asked.connector, asked.trading_pair, asked.interval, asked.max_records
        )
        if len(candles) == asked.max_records:
            volatility = ((candles["high"] - candles["low"]) / candles["close"]).mean()
            self.processed_data = {
                "reference_price": Decimal(str(candles["close"].iloc[-1])),
                "spread_multiplier": Decimal(str(volatility)),
                "features": candles,
            }
