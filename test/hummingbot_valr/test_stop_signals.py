"""A client or an engine whose terminal is closed, or that is told to end, stops the bot; each is a process here."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from hummingbot_valr.client import tell_end

PATIENCE = 60.0

# As at a terminal, whatever the signals of this test's own process do.
IN_A_TERMINAL = """
import fcntl, signal, sys, termios
signal.signal(signal.SIGHUP, signal.SIG_DFL)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
done = open(sys.argv[1], "a", buffering=1)
"""

CLIENT = """
import asyncio
from hummingbot_valr import stop_signals

stop_signals.STOP_SECONDS = 0.3


class Application:
    async def run(self):
        print("drawn", file=done)
        try:
            {screen}
        finally:
            print("screen ended", file=done)

    async def stop_loop(self):
        print("a line on a terminal that may be gone", flush=True)
        print("stopping", file=done)
        {stop}
        print("stopped", file=done)

    async def shutdown(self):
        print("shut down", file=done)


application = Application()
application.trading_core = application
print("from outside:", asyncio.run(stop_signals.run_client(application)), file=done)
"""
FOREVER = "await asyncio.Event().wait()"

ENGINE = """
from hummingbot_valr.stop_signals import take_hangup_for_terminate

take_hangup_for_terminate()
signal.signal(signal.SIGTERM, lambda *_: print("terminated", file=done))
print("drawn", file=done)
signal.pause()
print("a line on a terminal that may be gone", flush=True)
print("to the end", file=done)
"""


class Program:
    """A program in a terminal of its own, and the lines it wrote about what it did."""

    def __init__(self, code: str, folder: Path) -> None:
        self._file = folder / "done"
        self._file.touch()
        self._screen, terminal = pty.openpty()
        command = [sys.executable, "-c", IN_A_TERMINAL + code, str(self._file)]
        self.process = subprocess.Popen(
            command, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
        )
        os.close(terminal)

    @property
    def done(self) -> list[str]:
        return self._file.read_text().splitlines()

    def wait_for(self, line: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while line not in self.done:
            assert self.process.poll() is None, self.done
            assert time.monotonic() < deadline, self.done
            time.sleep(0.01)

    def end(self) -> int:
        return self.process.wait(PATIENCE)

    def close_terminal(self) -> None:
        with suppress(OSError):  # closed already
            os.close(self._screen)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Program]]:
    started: list[Program] = []

    def start(code: str) -> Program:
        started.append(Program(code, tmp_path))
        return started[0]

    yield start
    for program in started:
        program.process.kill()
        program.process.wait()
        program.close_terminal()


@pytest.mark.parametrize("way", ["close", "SIGHUP", "SIGTERM"])
def test_a_client_that_is_ended_from_outside_stops_to_the_end(way: str, start: Callable[[str], Program]) -> None:
    client = start(CLIENT.format(screen=FOREVER, stop=""))
    client.wait_for("drawn")
    if way == "close":
        client.close_terminal()
    else:
        client.process.send_signal(signal.Signals[way])
    assert client.end() == 0
    assert client.done == ["drawn", "screen ended", "stopping", "stopped", "shut down", "from outside: True"]


@pytest.mark.parametrize("error", ["EOFError", "OSError(5, 'Input/output error')", "termios.error(5, 'gone')"])
def test_a_client_without_a_terminal_stops_to_the_end(error: str, start: Callable[[str], Program]) -> None:
    client = start(CLIENT.format(screen=f"raise {error}", stop=""))
    assert client.end() == 0
    assert client.done[2:] == ["stopping", "stopped", "shut down", "from outside: True"]


def test_a_client_that_fails_stops_to_the_end_and_says_why(start: Callable[[str], Program]) -> None:
    client = start(CLIENT.format(screen="raise ArithmeticError", stop=""))
    assert client.end() == 1
    assert client.done[2:] == ["stopping", "stopped", "shut down"]


def test_a_client_that_is_left_stops_nothing_more(start: Callable[[str], Program]) -> None:
    """`exit` has stopped the bot already, `exit -f` is not to."""
    client = start(CLIENT.format(screen="pass", stop=""))
    assert client.end() == 0
    assert client.done == ["drawn", "screen ended", "from outside: False"]


@pytest.mark.parametrize("stop", ["raise ArithmeticError", FOREVER])
def test_a_stop_that_fails_or_hangs_is_not_the_last(stop: str, start: Callable[[str], Program]) -> None:
    client = start(CLIENT.format(screen=FOREVER, stop=stop))
    client.wait_for("drawn")
    client.process.terminate()
    assert client.end() == 0
    assert client.done[2:] == ["stopping", "shut down", "from outside: True"]


def test_only_a_second_terminate_ends_a_stop_at_once(start: Callable[[str], Program]) -> None:
    # It stops for as long as it takes the signals to come, one after the other.
    client = start(CLIENT.format(screen=FOREVER, stop=FOREVER).replace("SECONDS = 0.3", "SECONDS = 60"))
    client.wait_for("drawn")
    for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM):
        client.process.send_signal(number)
        client.wait_for("stopping")
    with pytest.raises(subprocess.TimeoutExpired):
        client.process.wait(0.2)
    client.process.send_signal(signal.SIGTERM)
    assert client.end() == -signal.SIGTERM
    assert client.done == ["drawn", "screen ended", "stopping"]


@pytest.mark.parametrize("code", [CLIENT.format(screen=FOREVER, stop=""), ENGINE])
def test_an_ignored_hangup_stays_ignored(code: str, start: Callable[[str], Program]) -> None:
    program = start("signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + code)
    program.wait_for("drawn")
    program.process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        program.process.wait(0.2)
    assert program.done == ["drawn"]


def test_an_engine_takes_the_end_of_its_terminal_for_a_stop(start: Callable[[str], Program]) -> None:
    engine = start(ENGINE)
    engine.wait_for("drawn")
    engine.close_terminal()
    assert engine.end() == 0
    assert engine.done == ["drawn", "terminated", "to the end"]


def test_the_end_is_told_and_orders_that_are_left_with_it(capfd: pytest.CaptureFixture[str]) -> None:
    tell_end({})
    assert capfd.readouterr().err.endswith("No order is live.\n")
    with pytest.raises(SystemExit, match="1"):
        tell_end({"valr": ["one", "two"]})
    assert "Nothing proves yet that these orders are cancelled: one two at valr." in capfd.readouterr().err
