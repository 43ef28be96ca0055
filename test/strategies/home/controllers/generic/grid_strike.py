"""Stands in for Hummingbot's controller of this name: one grid at a time, while the price is within it."""

from decimal import Decimal

from hummingbot.core.data_type.common import MarketDict, PriceType, TradeType
from hummingbot.strategy_v2.controllers.controller_base import ControllerBase, ControllerConfigBase
from hummingbot.strategy_v2.executors.grid_executor.data_types import GridExecutorConfig
from hummingbot.strategy_v2.executors.position_executor.data_types import TripleBarrierConfig
from hummingbot.strategy_v2.models.executor_actions import CreateExecutorAction, ExecutorAction

GRID_SETTINGS = (
    "connector_name", "trading_pair", "leverage", "side", "start_price", "end_price", "limit_price",
    "total_amount_quote", "min_order_amount_quote", "min_spread_between_orders", "max_open_orders",
    "max_orders_per_batch", "order_frequency", "activation_bounds", "keep_position", "triple_barrier_config",
)  # fmt: skip


class GridStrikeConfig(ControllerConfigBase):
    """The settings of the grid executor."""

    controller_name: str = "grid_strike"
    connector_name: str
    trading_pair: str
    leverage: int
    side: TradeType
    start_price: Decimal
    end_price: Decimal
    limit_price: Decimal
    min_order_amount_quote: Decimal
    min_spread_between_orders: Decimal
    max_open_orders: int
    max_orders_per_batch: int
    order_frequency: int
    activation_bounds: Decimal
    keep_position: bool
    triple_barrier_config: TripleBarrierConfig

    def update_markets(self, markets: MarketDict) -> MarketDict:
        """Ask for the one market."""
        return markets.add_or_update(self.connector_name, self.trading_pair)

    def grid(self, timestamp: float) -> GridExecutorConfig:
        """Return what the executor is told."""
        return GridExecutorConfig(timestamp=timestamp, **{name: getattr(self, name) for name in GRID_SETTINGS})


class GridStrike(ControllerBase):
    """Starts a grid when there is none."""

    async def update_processed_data(self) -> None:
        """Nothing is kept."""

    def determine_executor_actions(self) -> list[ExecutorAction]:
        """Start the grid."""
        config = self.config
        mid = self.market_data_provider.get_price_by_type(
            config.connector_name, config.trading_pair, PriceType.MidPrice
        )
        if any(executor.is_active for executor in self.executors_info):
            return []
        if not config.start_price <= mid <= config.end_price:
            return []
        grid = config.grid(self.market_data_provider.time())
        return [CreateExecutorAction(controller_id=config.id, executor_config=grid)]
