"""A bot as its user runs it: Hummingbot's own engine in a workspace, which can be killed."""

import asyncio
import json
from pathlib import Path

import psutil  # type: ignore[import-untyped, unused-ignore]

from hummingbot_valr.demo import CONNECTOR, PAIR
from hummingbot_valr.demo_log import BotLog
from hummingbot_valr.demo_processes import Bot, end_marked
from hummingbot_valr.demo_record import Record, read_record
from test.faults.bot import LEVELS
from test.faults.exchanges import Exchange

NAME = "conf_kill"
_END_PATIENCE = 60.0
STRATEGY = {
    "exchange": CONNECTOR,
    "market": PAIR,
    "bid_spread": "0.05",
    "ask_spread": "0.05",
    "order_amount": "0.002",
    "order_levels": LEVELS,
    "order_level_spread": "0.2",
    "order_refresh_time": 1,
    "order_refresh_tolerance_pct": -1,
    "filled_order_delay": 1,
    "ping_pong_enabled": False,
}


class EngineBot:
    """The engine with the strategy of the fault runs. ``prepare`` it once, then start, kill and stop it at will."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self._bot = Bot(workspace, NAME)
        self._engine: psutil.Process | None = None

    async def prepare(self, exchange: Exchange) -> None:
        """Make the workspace, the strategy's configuration and the encrypted keys."""
        options = [part for name, value in STRATEGY.items() for part in ("--set", f"{name}={value}")]
        await asyncio.gather(
            self._bot.run("hummingbot_valr.command", "workspace", str(self.workspace), "--quiet-offline"),
            self._bot.hbot("create", "pure_market_making", "--name", f"{NAME}.yml", *options),
        )
        keys = {"api_key": exchange.api_key, "api_secret": exchange.api_secret, "url": exchange.url}
        content = json.dumps({f"{CONNECTOR}_{name}": value for name, value in keys.items()})
        await self._bot.hbot("connect", CONNECTOR, "--keys-stdin", stdin=content)

    async def start(self) -> None:
        """Start trading, if need be once a killed engine is gone: until then `hbot start` would find it running."""
        if self._engine is not None:
            await asyncio.to_thread(self._engine.wait, _END_PATIENCE)
        await self._bot.hbot("start", f"{NAME}.yml")
        self._engine = self._bot.engine()

    async def stop(self) -> None:
        """Stop trading as a user does: the bot cancels its orders."""
        await self._bot.hbot("stop")

    def kill(self) -> None:
        """End the engine as ``kill -9`` does, without a moment's delay."""
        assert self._engine is not None, "the engine does not run"
        self._engine.kill()

    async def end(self) -> None:
        """End whatever still runs of it."""
        await end_marked(self.workspace)

    def log(self) -> BotLog:
        """Return what the bot's log says, of all its lives."""
        log = BotLog()
        log.feed(self.log_text())
        return log

    def log_text(self) -> str:
        """Return the bot's log."""
        path = self._bot.log_path
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def record(self) -> Record:
        """Return what the bot has in its database."""
        return read_record(self._bot.database_path)
