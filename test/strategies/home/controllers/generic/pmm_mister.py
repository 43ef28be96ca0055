"""Stands in for Hummingbot's controller of this name: unfilled orders are renewed, fills are kept after a while."""

from decimal import Decimal

from hummingbot.core.data_type.common import MarketDict, OrderType, PriceType, TradeType
from hummingbot.strategy_v2.controllers.controller_base import ControllerBase, ControllerConfigBase
from hummingbot.strategy_v2.executors.position_executor.data_types import PositionExecutorConfig, TripleBarrierConfig
from hummingbot.strategy_v2.models.executor_actions import CreateExecutorAction, ExecutorAction, StopExecutorAction
from hummingbot.strategy_v2.models.executors_info import ExecutorInfo


class PmmMisterConfig(ControllerConfigBase):
    """Spreads and parts are fractions, times in seconds."""

    controller_name: str = "pmm_mister"
    connector_name: str
    trading_pair: str
    leverage: int
    portfolio_allocation: Decimal
    target_base_pct: Decimal
    min_base_pct: Decimal
    max_base_pct: Decimal
    buy_spreads: list[Decimal]
    sell_spreads: list[Decimal]
    buy_amounts_pct: list[Decimal]
    sell_amounts_pct: list[Decimal]
    executor_refresh_time: int
    buy_cooldown_time: int
    sell_cooldown_time: int
    buy_position_effectivization_time: int
    sell_position_effectivization_time: int
    take_profit: Decimal
    take_profit_order_type: str
    max_active_executors_by_level: int

    def update_markets(self, markets: MarketDict) -> MarketDict:
        """Ask for the one market."""
        return markets.add_or_update(self.connector_name, self.trading_pair)


class PmmMister(ControllerBase):
    """One executor a level; a stopped one leaves its position with the controller."""

    async def update_processed_data(self) -> None:
        """Nothing is kept."""

    def determine_executor_actions(self) -> list[ExecutorAction]:
        """Stop what is old, start what is missing."""
        now = self.market_data_provider.time()
        active = [executor for executor in self.executors_info if executor.is_active]
        stop = [
            StopExecutorAction(controller_id=self.config.id, executor_id=executor.id, keep_position=True)
            for executor in active
            if now - executor.timestamp > self._lifetime(executor)
        ]
        busy = {executor.custom_info["level_id"] for executor in active}
        return stop + [self._start(level, now) for level in self._levels() if level not in busy]

    def _lifetime(self, executor: ExecutorInfo) -> int:
        if not executor.is_trading:
            return self.config.executor_refresh_time
        side = executor.custom_info["level_id"].partition("_")[0]
        return getattr(self.config, f"{side}_position_effectivization_time")

    def _levels(self) -> list[str]:
        config = self.config
        held = sum((position.amount_quote for position in self.positions_held), Decimal(0)) / config.total_amount_quote
        sides = {"buy": held <= config.max_base_pct, "sell": held >= config.min_base_pct}
        counts = {"buy": len(config.buy_spreads), "sell": len(config.sell_spreads)}
        return [f"{side}_{level}" for side, wanted in sides.items() if wanted for level in range(counts[side])]

    def _start(self, level_id: str, now: float) -> CreateExecutorAction:
        config = self.config
        side, _, level = level_id.partition("_")
        mid = self.market_data_provider.get_price_by_type(
            config.connector_name, config.trading_pair, PriceType.MidPrice
        )
        spread = getattr(config, f"{side}_spreads")[int(level)]
        price = mid * (1 - spread if side == "buy" else 1 + spread)
        part = getattr(config, f"{side}_amounts_pct")[int(level)]
        quote = config.total_amount_quote * config.portfolio_allocation * part
        executor = PositionExecutorConfig(
            timestamp=now,
            level_id=level_id,
            connector_name=config.connector_name,
            trading_pair=config.trading_pair,
            side=TradeType[side.upper()],
            entry_price=price,
            amount=quote / sum(config.buy_amounts_pct + config.sell_amounts_pct) / price,
            triple_barrier_config=TripleBarrierConfig(
                take_profit=config.take_profit,
                open_order_type=OrderType.LIMIT_MAKER,
                take_profit_order_type=OrderType[config.take_profit_order_type],
            ),
            leverage=config.leverage,
        )
        return CreateExecutorAction(controller_id=config.id, executor_config=executor)
