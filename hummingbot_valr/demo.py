"""`make demo`: the main job against the loopback exchange, and a judgement of what was promised.

A throw-away workspace, `hbot connect`, `hbot create`, `hbot start`, a minute of market making in Hummingbot's own
engine under a live view, `hbot stop`; then the bot's records are compared with the exchange's. In the middle the
account socket is cut once. Whatever happens, Ctrl-C included, no process, no live order and no file is left behind but
one: the report of the session.
"""

import asyncio
import json
import shutil
import signal
import sqlite3
import tempfile
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import typer
from rich.console import Console
from rich.live import Live

from hummingbot_valr import demo_home, demo_view
from hummingbot_valr.demo_processes import Bot, DemoError, Exchange, end_marked, together
from hummingbot_valr.demo_promises import Quoting, Run, Verdict, judge
from hummingbot_valr.demo_record import Record, read_record
from hummingbot_valr.demo_watch import ExchangeClient, Watch
from hummingbot_valr.session_report import write_report
from hummingbot_valr.session_report_facts import ReportError
from hummingbot_valr.session_report_reading import read_session

NAME = "conf_demo"
CONNECTOR = "valr_loopback"
PAIR, SYMBOL, CURRENCIES = "BTC-ZAR", "BTCZAR", ("BTC", "ZAR")
LEVELS, SPREAD_PERCENT, LEVEL_SPREAD_PERCENT = 2, Decimal("0.05"), Decimal("0.05")
STRATEGY = {
    "exchange": CONNECTOR,
    "market": PAIR,
    "bid_spread": SPREAD_PERCENT,
    "ask_spread": SPREAD_PERCENT,
    "order_amount": "0.002",
    "order_levels": LEVELS,
    "order_level_spread": LEVEL_SPREAD_PERCENT,
    "order_refresh_time": 1,
    "order_refresh_tolerance_pct": -1,
    "filled_order_delay": 1,
    "ping_pong_enabled": False,
}
INTERRUPTED = 130

_REFRESH = 0.5
_LINES = 12
_CUT_FROM_SECONDS = 8.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):  # noqa: N818 - not an error
    """Somebody wants the demo to end."""


class Interrupts:
    """Turns Ctrl-C, SIGTERM and a closed terminal into one event, so that they never come in the middle of things."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        for number in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._event.set)

    async def race[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Do some work, unless somebody interrupts.

        :raises Interrupted: somebody did; the work was cancelled and has ended
        """
        task, wanted = asyncio.ensure_future(work), asyncio.ensure_future(self._event.wait())
        try:
            await asyncio.wait((task, wanted), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError, DemoError):
                    await task
                raise Interrupted
            return await task
        finally:
            wanted.cancel()


class Screen:
    """Where the demo shows itself. A terminal or pipe that is closed must not keep it from cleaning up."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def say(self, content: Any) -> None:
        """Print a text or a table."""
        with suppress(OSError, SystemExit):  # rich exits where a pipe is closed
            self.console.print(content, highlight=False, markup=False, soft_wrap=isinstance(content, str))


@dataclass(slots=True)
class Demo:
    """One run, from the first process to the verdicts."""

    seconds: float
    seed: int
    cut: bool
    screen: Screen
    workspace: Path
    report: Path
    verdicts: list[Verdict] = field(default_factory=list)
    bot: Bot = field(init=False)
    exchange: Exchange = field(init=False)
    client: ExchangeClient = field(init=False)
    watch: Watch | None = None
    watching: asyncio.Task[None] | None = None
    tick: Decimal = Decimal(1)
    installed: dict[str, str] = field(default_factory=dict)
    home_faults: list[str] = field(default_factory=list)
    cut_at: float | None = None
    has_started: bool = False
    ended_badly: str = ""
    reported: str = ""

    def __post_init__(self) -> None:
        self.bot = Bot(self.workspace, NAME)

    async def perform(self, stack: AsyncExitStack) -> None:
        """Set everything up, trade, and stop the bot; what has to be ended later goes onto the stack.

        :raises DemoError: some step failed
        """
        begun = time.monotonic()
        self.screen.say("Starting the loopback exchange and preparing a workspace ...")
        self.watch, self.watching = await self._start_exchange(stack)
        await together(self._take_fingerprint(), self._prepare(), self._create_strategy())
        self.screen.say(f"hbot connect {CONNECTOR} --keys-stdin")
        await self._connect()
        self.screen.say(f"hbot start {NAME}.yml")
        await self.bot.hbot("start", f"{NAME}.yml")
        self.has_started = True
        if self.bot.engine() is None:
            self.home_faults.append("no process of Hummingbot's engine was found after hbot start")
        self.screen.say(
            f"The bot trades after {time.monotonic() - begun:.0f} s of setting up. Times: {demo_view.TIMES}."
        )
        await self._show(self.watch, self.watching)
        self.screen.say("hbot stop")
        await self.bot.hbot("stop")

    async def _start_exchange(self, stack: AsyncExitStack) -> tuple[Watch, asyncio.Task[None]]:
        self.exchange = await Exchange.start(self.workspace, self.seed)
        stack.push_async_callback(self.exchange.stop)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        self.client = ExchangeClient(session, self.exchange.url)
        self.tick = Decimal(await self.client.tick(SYMBOL))
        self.screen.say(f"The exchange listens at {self.exchange.url}, the workspace is {self.workspace}")
        watch = Watch(self.client, SYMBOL, self.bot.log_path)
        return watch, asyncio.create_task(watch.run())

    async def _take_fingerprint(self) -> None:
        self.installed = await asyncio.to_thread(demo_home.fingerprint, demo_home.hummingbot_folder())

    async def _prepare(self) -> None:
        await self.bot.run("hummingbot_valr.command", "workspace", str(self.workspace), "--quiet-offline")

    async def _create_strategy(self) -> None:
        pairs = [part for name, value in STRATEGY.items() for part in ("--set", f"{name}={value}")]
        await self.bot.hbot("create", "pure_market_making", "--name", f"{NAME}.yml", *pairs)

    async def _connect(self) -> None:
        keys = {"api_key": self.exchange.api_key, "api_secret": self.exchange.api_secret, "url": self.exchange.url}
        content = json.dumps({f"{CONNECTOR}_{name}": value for name, value in keys.items()})
        await self.bot.hbot("connect", CONNECTOR, "--keys-stdin", stdin=content)
        if not demo_home.keeps_secret(
            self.workspace / "conf" / "connectors" / f"{CONNECTOR}.yml", self.exchange.api_secret
        ):
            self.home_faults.append("hbot connect did not keep the keys encrypted in the workspace")

    async def _show(self, watch: Watch, watching: asyncio.Task[None]) -> None:
        """Show the bot trading, until its time is up."""
        end = time.monotonic() + self.seconds
        cut_at = end - self.seconds / 2 if self.cut and self.seconds >= _CUT_FROM_SECONDS else None
        with Live(console=self.screen.console, auto_refresh=False, transient=True) as live:
            next_line = time.monotonic()
            while (left := end - time.monotonic()) > 0:
                if cut_at is not None and time.monotonic() >= cut_at:
                    cut_at, self.cut_at = None, time.time()
                    await self.client.cut_account_sockets()
                if watching.done():
                    await watching
                if self.bot.engine() is None:
                    self.ended_badly = "the bot ended by itself"
                    raise DemoError(f"The bot has ended by itself. Its last lines:\n{self._last_lines()}")
                if self.screen.console.is_terminal:
                    title = f"{PAIR} on {CONNECTOR}, {left:.0f} s left{self._cut_note()}"
                    with suppress(OSError, SystemExit):
                        live.update(demo_view.live_view(watch, title, CURRENCIES), refresh=True)
                elif time.monotonic() >= next_line:
                    self.screen.say(f"{left:4.0f} s left | {demo_view.plain_line(watch)}{self._cut_note()}")
                    next_line += max(3.0, self.seconds / _LINES)
                await asyncio.sleep(min(_REFRESH, left))

    def _cut_note(self) -> str:
        return "" if self.cut_at is None else " (the account socket was cut on purpose)"

    def _last_lines(self) -> str:
        if not self.bot.log_path.exists():
            return "(it wrote no log)"
        return "\n".join(self.bot.log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])

    async def settle(self) -> None:
        """End the bot if it still runs, see to it that no order is live, and judge the run if there was one."""
        how = await self.bot.end()
        if how:
            self.screen.say(f"The bot was {how}.")
        if self.watch is None or self.watching is None:
            return
        self.watching.cancel()
        await asyncio.gather(self.watching, return_exceptions=True)
        rescued = await self.client.cancel_everything(self.exchange.api_key, self.exchange.api_secret)
        await self.watch.refresh()
        self.screen.say(f"Live orders at the exchange: {self.watch.ledger.open_orders}")
        if rescued:
            self.screen.say(f"BROKEN: the bot had left {rescued} orders live; the demo cancelled them.")
        if self.has_started:
            self.verdicts = judge(await self._evidence(self.watch, rescued, how))
            self.reported = await asyncio.to_thread(self._write_report)

    async def _evidence(self, watch: Watch, rescued: int, how: str) -> Run:
        after = await asyncio.to_thread(demo_home.fingerprint, demo_home.hummingbot_folder())
        faults = [*self.home_faults, *demo_home.changes(self.installed, after)]
        if how == "killed":
            self.ended_badly = "the engine did not stop when asked to, and was killed"
        try:
            record = read_record(self.bot.database_path)
        except sqlite3.Error as error:
            self.screen.say(f"The bot's database cannot be read: {error}")
            record = Record()
        return Run(
            quoting=Quoting(LEVELS, SPREAD_PERCENT / 100, LEVEL_SPREAD_PERCENT / 100, self.tick),
            ledger=watch.ledger,
            record=record,
            log=watch.log,
            touches=watch.touches,
            cut_at=self.cut_at,
            ended_badly=self.ended_badly,
            rescued=rescued,
            home_faults=faults,
            home_evidence="hbot connect, create, start and stop, Hummingbot's engine and strategy; "
            f"{len(after)} files of the installed Hummingbot unchanged; keys, logs and data in the workspace",
        )

    def _write_report(self) -> str:
        """Write the session's report while its records are there; returns what to say of it."""
        try:
            written = write_report(read_session(self.workspace), self.report)
        except ReportError as error:
            return f"There is no report of the session: {error}"
        return f"Report of the session, for a browser: {written}"

    def show_summary(self) -> None:
        """Show what was traded and how fast, and each promise."""
        if self.watch is None or not self.verdicts:
            return
        self.screen.say(f"Orders: {demo_view.counts(self.watch)}; the strategy may have {2 * LEVELS} live")
        self.screen.say(demo_view.latencies(self.watch))
        terminal = self.screen.console.is_terminal
        self.screen.say((demo_view.summary if terminal else demo_view.plain_summary)(self.verdicts))
        self.screen.say(self.reported)


def _make_workspace() -> Path:
    return Path(tempfile.mkdtemp(prefix="valr-demo-")).resolve()


async def run_demo(seconds: float, seed: int, cut: bool, report: Path, screen: Screen) -> int:
    """Run the demo; returns its exit code: 0 only if it ran to its end and every promise was held."""
    interrupts = Interrupts()
    workspace = _make_workspace()
    demo = Demo(seconds, seed, cut, screen, workspace, report)
    code = 0
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, workspace, ignore_errors=True)
        stack.push_async_callback(end_marked, workspace)
        try:
            await interrupts.race(demo.perform(stack))
        except Interrupted:
            screen.say("Interrupted: ending the bot and the exchange. It takes a moment; nothing is left behind.")
            code = INTERRUPTED
        except DemoError as error:
            screen.say(str(error))
            code = 1
        finally:
            code = await _settle(demo) or code
    demo.show_summary()
    if code == INTERRUPTED and demo.verdicts:
        screen.say("The run was interrupted: what it had no time to prove counts as broken.")
    broken = [verdict for verdict in demo.verdicts if not verdict.held]
    return 1 if broken else code


async def _settle(demo: Demo) -> int:
    try:
        await demo.settle()
    except DemoError as error:
        demo.screen.say(str(error))
        if demo.exchange.has_ended:
            demo.screen.say(f"The exchange has ended by itself. Its last lines:\n{demo.exchange.last_words}")
        return 1
    return 0


def main(
    seconds: Annotated[float, typer.Option(envvar="DEMO_SECONDS", min=1, help="How long the bot trades.")] = 60,
    seed: Annotated[int, typer.Option(help="Seed of the exchange's market.")] = 1,
    cut: Annotated[bool, typer.Option(help="Cut the account socket once, in the middle.")] = True,
    report: Annotated[
        Path, typer.Option(envvar="DEMO_REPORT", help="Where the report of the session goes, as an HTML file.")
    ] = Path("build/demo-report.html"),
) -> None:
    """Let Hummingbot make a market on the loopback exchange, and judge what was promised."""
    raise typer.Exit(asyncio.run(run_demo(seconds, seed, cut, report, Screen(Console()))))


if __name__ == "__main__":
    typer.run(main)
