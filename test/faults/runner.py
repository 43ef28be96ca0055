"""Runs one scenario in real time, from the first quote to the last proof, and judges it."""

import asyncio
import json
import logging
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

import hummingbot
from hummingbot_valr.demo_facts import parse_ledger
from test.faults.bot import LEVELS, REFRESH_SECONDS, Bot
from test.faults.exchanges import Exchange, LocalExchange, MortalExchange
from test.faults.judge import QUOTING_BOUND, Record, judge
from test.faults.report import LogBook, Row, summarize
from test.faults.scenarios import Scenario
from test.hummingbot.connector.exchange.valr.loopback_bot import SYMBOL
from test.valr_loopback.client import signed

FOREIGN_ORDERS = (
    {"side": "BUY", "price": "1500000", "quantity": "0.01", "pair": SYMBOL, "customerOrderId": "HBOT-of-another-bot"},
    {"side": "SELL", "price": "2500000", "quantity": "0.01", "pair": SYMBOL},
    {"side": "BUY", "price": "50000", "quantity": "0.01", "pair": "ETHZAR"},
)
"""What others have resting on the account: a second bot, and a human with the app."""

_POLL = 0.1
_BOOT_PATIENCE = 60.0
_DOWN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Timing:
    """How long each part of a run takes, in seconds.

    The bot quotes undisturbed for ``calm``, then under the faults for ``faulty`` (``crowded`` where many strike
    together, which leaves it less time to trade), then without until it has quoted afresh and for ``after`` at least.
    It stops under the faults, for which it has ``stop``; then these end for good, and it has ``settle`` to learn
    everything.
    """

    calm: float = 3.0
    faulty: float = 15.0
    crowded: float = 45.0
    after: float = 3.0
    stop: float = 10.0
    settle: float = 40.0


async def run(scenario: Scenario, seed: int, timing: Timing) -> tuple[Row, LogBook]:
    """Run a scenario and judge it, with a data folder for Hummingbot of its own.

    :raises TimeoutError: the bot never began to quote, so nothing can be judged
    """
    log, root = LogBook(), logging.getLogger()
    level, handlers = root.level, root.handlers
    root.handlers = [log]
    root.setLevel(logging.INFO)
    try:
        with tempfile.TemporaryDirectory(prefix="valr-faults-") as folder:
            hummingbot.set_data_path(folder)  # type: ignore[attr-defined]
            exchange = MortalExchange(Path(folder), seed) if scenario.kills else LocalExchange(seed)
            async with exchange:
                return await _Run(scenario, timing, log, exchange).perform(), log
    finally:
        root.handlers = handlers
        root.setLevel(level)


class _Run:
    def __init__(self, scenario: Scenario, timing: Timing, log: LogBook, exchange: Exchange) -> None:
        self._scenario = scenario
        self._plan = scenario.plan()
        self._timing = timing
        self._log = log
        self._exchange = exchange
        self._bot = Bot(exchange, scenario.order_entry)
        self._foreign: dict[str, str] = {}
        self._struck: Mapping[str, int] = {}
        self._faults_ended_at = 0.0

    async def perform(self) -> Row:
        self._foreign = await place_foreign_orders(self._exchange)
        async with self._bot.running():
            if not await until(self._quotes, _BOOT_PATIENCE):
                raise TimeoutError(f"the bot did not quote within {_BOOT_PATIENCE:g} s")
            await self._disturb()
            await self._stop()
            await until(self._is_settled, self._timing.settle)
            verdict = judge(await self._record())
        return summarize(self._scenario.name, verdict, self._bot.connector.calls, self._log, self._struck)

    async def _disturb(self) -> None:
        faulty = self._timing.crowded if self._scenario.is_crowded else self._timing.faulty
        part = faulty / (self._scenario.kills + 1)
        await asyncio.sleep(self._timing.calm)
        await self._exchange.arm(self._plan)
        await asyncio.sleep(part)
        for _ in range(self._scenario.kills):
            await self._exchange.kill()
            await asyncio.sleep(_DOWN_SECONDS)
            await self._exchange.restart()
            await self._exchange.arm(self._plan)
            await asyncio.sleep(part)
        await self._exchange.arm(())
        self._faults_ended_at = time.time()
        await until(self._quotes_afresh, QUOTING_BOUND)
        await asyncio.sleep(self._timing.after)

    async def _stop(self) -> None:
        await self._exchange.arm(self._plan)
        await self._bot.stop_strategy(self._timing.stop)
        self._struck = await self._exchange.struck()
        await self._exchange.arm(())

    async def _quotes(self) -> bool:
        return self._bot.is_quoting

    async def _quotes_afresh(self) -> bool:
        return self._bot.has_created_since(self._faults_ended_at)

    async def _is_settled(self) -> bool:
        """Whether the bot knows all that the ledger has, and nothing of its own is live."""
        return not judge(await self._record()).unsettled

    async def _record(self) -> Record:
        content = await self._exchange.ledger()
        on_pair = [order_id for order_id, pair in self._foreign.items() if pair == SYMBOL]
        return Record(
            ledger=parse_ledger(content),
            traded_at=trade_times(content),
            told=tuple(self._bot.told),
            sent=dict(self._bot.connector.sent),
            most_wanted=2 * LEVELS,
            patience=2 * REFRESH_SECONDS,
            faults_ended_at=self._faults_ended_at,
            finished_at=time.time(),
            foreign=tuple(self._foreign),
            foreign_may_end=tuple(on_pair) if self._scenario.ends_all else (),
            claimed_gone=dict(self._bot.claimed_gone),
            balances=self._bot.balances(),
            idle=self._idle(),
            errors=self._log.unexpected(),
        )

    def _idle(self) -> tuple[str, ...]:
        struck = {kind for kind, count in self._struck.items() if count}
        wanted = {fault.kind.value for fault in self._plan}
        return () if self._scenario.is_crowded and wanted & struck else tuple(sorted(wanted - struck))


def trade_times(ledger: Mapping[str, Any]) -> dict[str, float]:
    """Return when each trade of a ledger happened, in Unix seconds by its id."""
    return {row["id"]: datetime.fromisoformat(row["tradedAt"]).timestamp() for row in ledger["trades"]}


async def until(condition: Callable[[], Awaitable[bool]], seconds: float) -> bool:
    """Wait until a condition holds, for so many seconds at most; return whether it does."""
    deadline = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_POLL)
    return True


async def place_foreign_orders(exchange: Exchange) -> dict[str, str]:
    """Place what others have resting on the bot's account; return the pair of each by the exchange's order id."""
    path, placed = "/v1/orders/limit", {}
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        for order in FOREIGN_ORDERS:
            body = json.dumps(order)
            headers = signed(exchange.api_key, exchange.api_secret, "POST", path, body)
            async with session.post(exchange.url + path, data=body, headers=headers) as response:
                placed[(await response.json())["id"]] = order["pair"]
    return placed
