"""The processes of the demo: the exchange, Hummingbot's commands, and the engine that `hbot start` leaves behind.

Every one of them carries the workspace in its environment, under `MARK`: so each is found again, whatever became of the
process that started it, and nobody else's is ever touched. Each is in a session of its own: a Ctrl-C in the terminal
reaches the demo alone, which then ends them in the right order.
"""

import asyncio
import os
import secrets
import signal
import sys
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped, unused-ignore]

MARK = "VALR_DEMO_WORKSPACE"
_EXCHANGE = "valr_loopback"
_ENGINE = "hummingbot.cli.engine"
_COMMAND_PATIENCE = 2.0
_POLL = 0.05
_STOP_PATIENCE = 5.0
_BOOT_PATIENCE = 60.0
_ENGINE_PATIENCE = 40.0


class DemoError(RuntimeError):
    """The demo cannot go on; the message says why, with what the process at fault said last."""


async def together(*work: Coroutine[Any, Any, None]) -> None:
    """Do several things at once; the first failure ends the others and is raised."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for each in work:
                tasks.create_task(each)
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


class Exchange:
    """The loopback exchange as a process of its own. ``url`` and the keys are what it prints when it listens."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._said: deque[str] = deque(maxlen=30)
        self._reader: asyncio.Task[None] | None = None
        self.url = self.api_key = self.api_secret = ""

    @classmethod
    async def start(cls, workspace: Path, seed: int) -> "Exchange":
        """Start it on a free port, and read where it listens.

        :raises DemoError: it did not start
        """
        command = [sys.executable, "-m", "valr_loopback", "--port", "0", "--seed", str(seed)]
        exchange = cls(await _spawn(command, workspace, environment(workspace, "")))
        try:
            await exchange._read_keys()
        except BaseException:
            await exchange.stop()
            raise
        exchange._reader = asyncio.create_task(exchange._read_on())
        return exchange

    async def _read_keys(self) -> None:
        names = {"REST": "url", "API key": "api_key", "API secret": "api_secret"}
        while not (self.url and self.api_key and self.api_secret):
            line = await self._read_line()
            if line is None:
                raise DemoError(f"The loopback exchange did not start:\n{self.last_words}")
            for label, name in names.items():
                if line.strip().startswith(label):
                    setattr(self, name, line.split()[-1])

    async def _read_line(self) -> str | None:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            return None
        self._said.append(line.decode(errors="replace").rstrip())
        return self._said[-1]

    async def _read_on(self) -> None:
        while await self._read_line() is not None:
            pass

    @property
    def has_ended(self) -> bool:
        """Whether it ended, which it never does unasked."""
        return self._process.returncode is not None

    @property
    def last_words(self) -> str:
        """The last lines it wrote."""
        return "\n".join(self._said)

    async def stop(self) -> None:
        """Stop it, and wait until it is gone."""
        await _end(self._process)
        if self._reader is not None:
            self._reader.cancel()


class Bot:
    """One bot in its workspace, driven by Hummingbot's own commands."""

    def __init__(self, workspace: Path, name: str) -> None:
        self.workspace = workspace
        self.name = name
        self._environment = environment(workspace, secrets.token_hex(8))

    @property
    def log_path(self) -> Path:
        """The bot's log."""
        return self.workspace / "logs" / f"logs_{self.name}.log"

    @property
    def database_path(self) -> Path:
        """The bot's orders and fills."""
        return self.workspace / "data" / f"{self.name}.sqlite"

    async def run(self, *command: str, stdin: str = "") -> str:
        """Run a module of this package in the workspace; returns what it wrote.

        :raises DemoError: it failed
        """
        process = await _spawn([sys.executable, "-m", *command], self.workspace, self._environment, stdin=True)
        try:
            output, _ = await process.communicate(stdin.encode())
        except asyncio.CancelledError:
            await _end(process)
            raise
        text = output.decode(errors="replace")
        if process.returncode:
            raise DemoError(f"{' '.join(command[:3])} failed with {process.returncode}:\n{text.strip()}")
        return text

    async def hbot(self, *arguments: str, stdin: str = "") -> str:
        """Run `hbot` in the workspace; returns what it wrote.

        :raises DemoError: it failed
        """
        return await self.run("hummingbot_valr.hbot", *arguments, stdin=stdin)

    def engine(self) -> psutil.Process | None:
        """Return the engine's process, None if it does not run."""
        return next((process for process in marked_processes(self.workspace) if _is(process, _ENGINE)), None)

    async def end(self) -> str:
        """End whatever of the bot still runs; returns what had to be done: nothing, "stopped" or "killed"."""
        done = ""
        while left := [process for process in marked_processes(self.workspace) if not _is(process, _EXCHANGE)]:
            engine = next((process for process in left if _is(process, _ENGINE)), None)
            if engine is not None:
                done = await self._end_engine(engine)
            elif not await _wait_until(lambda: self._has_moved_on(left), _COMMAND_PATIENCE):
                for process in left:
                    _signal(process, signal.SIGKILL)
        return done

    async def _end_engine(self, engine: psutil.Process) -> str:
        """Ask the engine to stop, which cancels its orders; while it boots it cannot be asked yet."""
        await _wait_until(lambda: self._takes_signals() or not _runs(engine), _BOOT_PATIENCE)
        _signal(engine, signal.SIGTERM)
        if await _wait_until(lambda: not _runs(engine), _ENGINE_PATIENCE):
            return "stopped"
        _signal(engine, signal.SIGKILL)
        await _wait_until(lambda: not _runs(engine), _STOP_PATIENCE)
        return "killed"

    def _has_moved_on(self, processes: Sequence[psutil.Process]) -> bool:
        # A command that was just ended may still be a process, or already be turning into the engine it started.
        return not any(map(_runs, processes)) or any(_is(process, _ENGINE) for process in processes)

    def _takes_signals(self) -> bool:
        # The engine writes its first status when it is ready to be stopped.
        return (self.workspace / "data" / "bot" / "status.json").exists()


def environment(workspace: Path, password: str) -> dict[str, str]:
    """Return the environment of the demo's processes: marked, with logs in UTC, with nothing of the user's bot."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HBOT_", "CONFIG_"))}
    return kept | {MARK: str(workspace), "TZ": "UTC", "PYTHONUNBUFFERED": "1", "HBOT_PASSWORD": password}


def marked_processes(workspace: Path) -> list[psutil.Process]:
    """Return every process that was started for a workspace and still runs."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == str(workspace) and _runs(process):
                found.append(process)
    return found


async def end_marked(workspace: Path) -> int:
    """Kill what is left of a workspace's processes; returns how many there were."""
    left = marked_processes(workspace)
    for process in left:
        _signal(process, signal.SIGKILL)
    await _wait_until(lambda: not any(map(_runs, left)), _STOP_PATIENCE)
    return len(left)


async def _spawn(
    command: Sequence[str], cwd: Path, environment: dict[str, str], stdin: bool = False
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env=environment,
        stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )


async def _end(process: asyncio.subprocess.Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(number)
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_PATIENCE):
                await process.wait()


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _is(process: psutil.Process, module: str) -> bool:
    try:
        return module in process.cmdline()
    except psutil.Error:
        return False


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.Error):
        process.send_signal(number)


async def _wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(_POLL)
    return True
