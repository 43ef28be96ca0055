"""Stands in for Hummingbot's script of this name: does what its controllers want, and nothing of its own."""

from pathlib import Path

from hummingbot.strategy.strategy_v2_base import StrategyV2Base, StrategyV2ConfigBase
from hummingbot.strategy_v2.models.executor_actions import ExecutorAction


class V2WithControllersConfig(StrategyV2ConfigBase):
    """Names the files of the controllers."""

    script_file_name: str = Path(__file__).name


class V2WithControllers(StrategyV2Base):
    """Everything else is in the base class."""

    def create_actions_proposal(self) -> list[ExecutorAction]:
        """Start nothing."""
        return []

    def stop_actions_proposal(self) -> list[ExecutorAction]:
        """Stop nothing."""
        return []
