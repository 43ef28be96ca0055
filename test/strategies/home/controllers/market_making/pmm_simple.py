"""Stands in for Hummingbot's controller of this name: quotes both sides of the mid price at fixed spreads."""

from decimal import Decimal

from hummingbot.strategy_v2.controllers.market_making_controller_base import (
    MarketMakingControllerBase,
    MarketMakingControllerConfigBase,
)
from hummingbot.strategy_v2.executors.position_executor.data_types import PositionExecutorConfig


class PmmSimpleConfig(MarketMakingControllerConfigBase):
    """The base class has all it needs."""

    controller_name: str = "pmm_simple"


class PmmSimple(MarketMakingControllerBase):
    """Makes an executor for each level."""

    def get_executor_config(self, level_id: str, price: Decimal, amount: Decimal) -> PositionExecutorConfig:
        """Return what opens the position of a level, and closes it."""
        return PositionExecutorConfig(
            timestamp=self.market_data_provider.time(),
            level_id=level_id,
            connector_name=self.config.connector_name,
            trading_pair=self.config.trading_pair,
            side=self.get_trade_type_from_level_id(level_id),
            entry_price=price,
            amount=amount,
            triple_barrier_config=self.config.triple_barrier_config,
            leverage=self.config.leverage,
        )
