"""One simulated day: the world of a seed, played from the first quote to the last proof."""

import asyncio
import gc
import logging
import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import aiohappyeyeballs

import hummingbot
from hummingbot.connector.exchange.valr import valr_api_user_stream_data_source
from hummingbot.core.utils import tracking_nonce
from test.simulation.bot import SIDE, SimulatedBot
from test.simulation.memory import entries
from test.simulation.network import Network, NetworkLoop, dial
from test.simulation.trace import Trace
from test.simulation.virtual_time import DeadlockError, virtual_time
from test.simulation.witness import Witness
from test.simulation.world import BOT_ENDS, KILLED_PLACING, LONGEST_WAIT, PAIRS, Incident, World, draw_world
from valr_loopback.faults import Fault
from valr_loopback.server import LoopbackConfig, LoopbackServer

SETTLE = 40.0
"""Seconds that the bot has, after everything was cancelled, to learn all that the ledger has."""

TURNS_A_SECOND = 5_000
"""More turns of the loop in one simulated second are a busy loop."""

MOST_KEPT = 50_000
"""More entries in the bot's containers, after a day of some thousand orders, are a leak."""

_PORT = 8675


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a day: ``problems`` speak against the connector, none if every promise was held.

    ``weights`` are the entries that the bot kept, as often as was asked for.
    """

    seed: int
    problems: tuple[str, ...]
    trace: tuple[str, ...]
    digest: str
    seconds: float
    real_seconds: float
    orders: int
    fills: int
    struck: int
    weights: tuple[int, ...] = ()


def simulate(seed: int, minutes: float) -> Outcome:
    """Play the day of a seed."""
    return play(draw_world(seed, minutes))


def play(world: World, weigh_every: float | None = None) -> Outcome:
    """Play a day; on request weigh what the bot keeps, every so many seconds."""
    begun, trace = time.perf_counter(), Trace()
    for line in world.lines():
        trace.add(0.0, line)
    with tempfile.TemporaryDirectory(prefix="valr-day-") as folder:
        day = _Day(world, trace, Path(folder), weigh_every)
        with (
            patch.object(valr_api_user_stream_data_source, "LONG_LIST", world.long_list),
            _own_world(world.seed, folder, day.loop, trace),
        ):
            day.play()
    return Outcome(
        world.seed,
        tuple(day.problems),
        tuple(trace.lines),
        trace.digest,
        day.loop.time(),
        time.perf_counter() - begun,
        day.orders,
        day.fills,
        day.struck,
        tuple(day.weights),
    )


@contextmanager
def _own_world(seed: int, folder: str, loop: NetworkLoop, trace: Trace) -> Iterator[None]:
    """Let everything that draws, tells time, dials or logs do so in this day only."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers
    loggers = [each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger)]
    settings = [(each, each.level, each.disabled, each.propagate) for each in loggers]
    nonces = tracking_nonce.NonceCreator.for_microseconds()
    state = random.getstate()
    with ExitStack() as stack:
        stack.enter_context(virtual_time(loop))
        stack.enter_context(patch.object(aiohappyeyeballs, "start_connection", dial))
        stack.enter_context(patch.object(tracking_nonce, "_microseconds_nonce_provider", nonces))
        stack.enter_context(patch.object(hummingbot, "_data_path", folder))
        # Hummingbot makes the process's number a part of its order ids.
        stack.enter_context(patch.object(os, "getpid", lambda: 1))
        stack.enter_context(patch.object(os, "getppid", lambda: 1))
        stack.enter_context(patch.object(os, "urandom", random.randbytes))
        root.handlers, root.level = [_TraceHandler(trace, loop)], logging.WARNING
        for logger in loggers:
            logger.level, logger.disabled, logger.propagate = logging.NOTSET, False, True
        root.manager._clear_cache()  # type: ignore[attr-defined]
        random.seed(seed)
        # The collector runs when it likes, and what it finalises may log.
        gc.disable()
        loops = asyncio.get_event_loop_policy()._local  # type: ignore[attr-defined]
        loop_before = loops._loop
        asyncio.set_event_loop(loop)
        try:
            yield
        finally:
            asyncio.set_event_loop(loop_before)
            loop.close()
            gc.enable()
            random.setstate(state)
            root.handlers, root.level = handlers, level
            for logger, *setting in settings:
                logger.level, logger.disabled, logger.propagate = setting
            root.manager._clear_cache()  # type: ignore[attr-defined]


class _TraceHandler(logging.Handler):
    def __init__(self, trace: Trace, loop: NetworkLoop) -> None:
        super().__init__(logging.WARNING)
        self._trace = trace
        self._loop = loop
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        # Without the logger's name: a class keeps the one under which it, or the class below it, first spoke.
        problem = f" {record.exc_info[1]!r}" if record.exc_info else ""
        self._trace.add(self._loop.time(), f"{record.levelname} {record.getMessage()}{problem}")


class _Day:
    def __init__(self, world: World, trace: Trace, folder: Path, weigh_every: float | None) -> None:
        self._world = world
        self._trace = trace
        self._folder = folder
        self._network = Network(Random(f"{world.seed} network"))
        self._network.to_server.delay = self._network.to_client.delay = world.delay
        self.loop = NetworkLoop(self._network)
        self.loop.set_exception_handler(self._on_unhandled)
        self._witness = Witness(world, self._say)
        self._server: LoopbackServer | None = None
        self._bot: SimulatedBot | None = None
        self._saved: dict[str, Any] = {}
        self._armed_at = 0.0
        self._pending: list[asyncio.Task[None]] = []
        self._weigh_every = weigh_every
        self.weights: list[int] = []
        self.problems: list[str] = []
        self.orders = self.fills = self.struck = 0

    def _say(self, text: str) -> None:
        self._trace.add(self.loop.time(), text)

    def _on_unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        problem = f"unhandled: {context.get('message')} {context.get('exception')!r}"
        self._say(problem)
        self.problems.append(problem)

    def play(self) -> None:
        """Play the day to its end, whatever happens in it."""
        main = self.loop.create_task(self._play())
        try:
            self.loop.run_until_complete(main)
        except DeadlockError as error:
            self.problems.append(f"the day came to a standstill at {self.loop.time():.1f} s: {error}")
        self.problems += self._witness.problems
        self._clear_away()

    def _clear_away(self) -> None:
        """End what the exchange has left behind, as ``asyncio.run`` does."""
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())

    async def _play(self) -> None:
        await self._start_exchange()
        self._start_bot()
        watches = [asyncio.create_task(self._watch()), asyncio.create_task(self._weigh())]
        for incident in self._world.incidents:
            self.loop.call_at(incident.at, self._befall, incident)
        await asyncio.sleep(self._world.seconds - self.loop.time())
        await asyncio.gather(*self._pending)
        assert self._bot is not None
        assert self._server is not None
        self._witness.claimed_gone(await self._bot.stop_strategies())
        deadline = self.loop.time() + SETTLE
        # What is waited for comes from both sides: there is no one event to wait for.
        while self._witness.unsettled() and self.loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.5)
        for watch in watches:
            watch.cancel()
        self._look_for_hoards()
        self.orders, self.fills = self._witness.finish(self._bot)
        self.struck = sum(self._server.faults.struck.values())
        await self._bot.stop()
        await self._server.stop()
        # What Hummingbot has begun and does not wait for ends within a second, or it is a leak.
        await asyncio.sleep(1.0)
        self._look_for_leaks()

    # --- The exchange and the bot -------------------------------------------------------------------------------------
    async def _start_exchange(self) -> None:
        config = LoopbackConfig(
            port=_PORT,
            seed=self._world.seed,
            market_pairs=tuple(PAIRS[each][0] for each in self._world.pairs),
            market_pace=self._world.market_pace,
            history_minutes=0,
            state=self._folder / "exchange.state" if self._world.restarts_exchange else None,
        )
        self._server = LoopbackServer(config, clock=time.time)
        self._server.faults.replace(self._faults())
        await self._server.start()
        self._witness.follow(self._server)
        self._say("the exchange is up")

    def _faults(self) -> list[Fault]:
        """Return what is left of the day's faults, with their times from now on."""
        now, left = self.loop.time(), []
        for row in self._world.faults:
            if row["until_seconds"] > now:
                shifted = {name: max(row[name] - now, 0.0) for name in ("from_seconds", "until_seconds")}
                left.append(Fault.model_validate({**row, **shifted}))
        return left

    def _start_bot(self) -> None:
        assert self._server is not None
        keys = (self._server.api_key, self._server.api_secret)
        self._bot = SimulatedBot(self._world, keys, f"http://127.0.0.1:{_PORT}", self._witness.told, self._saved)
        self._witness.watch(self._bot)
        self._bot.start()
        self._say("the bot is up")

    async def _watch(self) -> None:
        turns = self.loop.turns
        while True:
            await asyncio.sleep(1.0)
            self._witness.look()
            if self.loop.turns - turns > TURNS_A_SECOND:
                self.problems.append(
                    f"{self.loop.turns - turns} turns of the loop in the second before {self.loop.time():.0f} s"
                )
            turns = self.loop.turns

    async def _weigh(self) -> None:
        while self._weigh_every is not None:
            await asyncio.sleep(self._weigh_every)
            assert self._bot is not None
            self.weights.append(entries(self._bot.connector))

    # --- What befalls them --------------------------------------------------------------------------------------------
    def _befall(self, incident: Incident) -> None:
        self._say(f"incident: {incident}")
        network, now = self._network, self.loop.time()
        match incident.what:
            case "stall to the exchange":
                network.to_server.stalled_until = now + incident.lasts
            case "stall to the bot":
                network.to_client.stalled_until = now + incident.lasts
            case "slow network":
                self._set_pace((0.0, incident.value * 2), 20_000 / incident.value)
                self.loop.call_later(incident.lasts, self._set_pace, self._world.delay, None)
            case "reset of every connection":
                network.reset_connections()
            case "silence both ways":
                network.sever_connections()
                network.swallows = True
                self.loop.call_later(incident.lasts, setattr, network, "swallows", False)
            case "silence to the exchange":
                network.sever_connections(to_client=False)
            case "silence to the bot":
                network.sever_connections(to_server=False)
            case "connections refused":
                network.refuses = True
                network.reset_connections()
                self.loop.call_later(incident.lasts, setattr, network, "refuses", False)
            case "exchange restarted" | "exchange killed":
                self._pending.append(self.loop.create_task(self._restart_exchange(incident)))
            case what if what in BOT_ENDS:
                self._pending.append(self.loop.create_task(self._restart_bot(incident)))

    def _set_pace(self, delay: tuple[float, float], rate: float | None) -> None:
        for line in (self._network.to_server, self._network.to_client):
            line.delay, line.rate = delay, rate

    async def _restart_exchange(self, incident: Incident) -> None:
        assert self._server is not None
        if incident.what == "exchange killed":
            self._network.reset_connections()
        await self._server.stop()
        self._say("the exchange is down")
        await asyncio.sleep(incident.lasts)
        await self._start_exchange()

    async def _restart_bot(self, incident: Incident) -> None:
        assert self._bot is not None
        if incident.what == KILLED_PLACING:
            await self._wait_for_placement(incident)
        if incident.what != "bot restarted":
            self._network.reset_connections()
            self._saved = await self._bot.kill()
            self._witness.killed()
        else:
            self._saved = await self._bot.stop()
        self._say("the bot is down")
        await asyncio.sleep(incident.lasts)
        self._start_bot()

    async def _wait_for_placement(self, incident: Incident) -> None:
        """Return so soon after the next placement was begun, or when none comes."""
        assert self._bot is not None
        placed = asyncio.Event()
        self._bot.connector.on_sent = placed.set
        with suppress(TimeoutError):
            await asyncio.wait_for(placed.wait(), LONGEST_WAIT)
        await asyncio.sleep(incident.value)

    def _look_for_hoards(self) -> None:
        assert self._bot is not None
        kept = entries(self._bot.connector)
        if kept > MOST_KEPT:
            self.problems.append(f"the bot keeps {kept} entries after {self.loop.time():.0f} s")

    def _look_for_leaks(self) -> None:
        for task in asyncio.all_tasks():
            if task.get_context().get(SIDE) == "bot" and not task.done():
                self.problems.append(f"a task was left behind: {task.get_coro()!r}")
