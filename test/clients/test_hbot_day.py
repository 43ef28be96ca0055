"""A day with `hbot`, each command a process as a user starts it: keys at a prompt, a bot that trades, its end."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from test.clients.exchange import Exchange
from test.clients.pseudo_terminal import in_a_terminal
from test.clients.screens import check_screen
from test.clients.workspace import EVERYTHING, STRATEGY, with_password

BOT = "conf_day"

pytestmark = pytest.mark.skipif(not EVERYTHING, reason="a day with hbot takes a minute: make clients")


class Hbot:
    """`hbot` in one workspace."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self.home = home
        self.environment = with_password(environment)

    def __call__(self, *arguments: str) -> str:
        finished = subprocess.run(
            [sys.executable, "-m", "hummingbot_valr.hbot", *arguments],
            env=self.environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert finished.returncode == 0, f"hbot {arguments}: {finished.stdout}{finished.stderr}"
        assert "Traceback" not in finished.stderr
        return finished.stdout

    def in_a_terminal(self, command: str, dialog: list[tuple[str, str]]) -> str:
        """Run a command at a terminal and answer its questions; returns what it showed after the last one."""
        code, shown = in_a_terminal(f"hummingbot_valr.hbot {command}", self.environment, self.home, dialog)
        assert code == 0, shown
        return shown


@pytest.fixture
def hbot(home: Path, offline_environment: dict[str, str]) -> Hbot:
    return Hbot(home, offline_environment)


def eventually(condition: Callable[[], object], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.1)


def table(shown: str) -> dict[str, str]:
    """The columns of a table of one row."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in shown.splitlines() if line[:1] == "|"]
    return dict(zip(rows[0], rows[2], strict=True))


def test_a_day_with_hbot(hbot: Hbot, exchange: Exchange) -> None:
    questions = [
        ("Enter the API key that the loopback exchange printed: ", exchange.key.key + "\r"),
        ("Enter the API secret that the loopback exchange printed: ", exchange.key.secret + "\r"),
        ("Enter the address of the loopback exchange (usually http://127.0.0.1:8675): ", exchange.url + "\r"),
    ]
    shown = hbot.in_a_terminal("connect valr_loopback", questions)
    assert "The keys are good. They permit: View access, Trade" in shown
    stored = (hbot.home / "conf" / "connectors" / "valr_loopback.yml").read_text()
    assert not any(secret in stored for secret in (exchange.key.key, exchange.key.secret))
    if EVERYTHING:
        check_screen("hbot_balance", hbot("balance"))

    settings = [part for name, value in STRATEGY.items() for part in ("--set", f"{name}={value}")]
    check_screen("hbot_deploy", hbot("deploy", "pure_market_making", "--name", f"{BOT}.yml", *settings))
    try:
        eventually(lambda: exchange.has_filled_one)
        check_screen("hbot_status", hbot("status"))
        if EVERYTHING:
            assert "Strategy pure_market_making started successfully" in hbot("logs")
        history = hbot("history")
    finally:
        stopped = hbot.in_a_terminal("stop", [])
    check_screen("hbot_history", history)
    # The fee was taken in BTC: only a source that knows VALR's rates can tell what that is in ZAR.
    assert float(table(history)["fees"]) > 0
    assert "Stopping the bot: it cancels its orders first" in stopped
    assert "stopped: yes" in stopped
    assert exchange.live == []
