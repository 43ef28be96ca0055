"""The commands in the documentation work: each is run against the loopback exchange, or named with who tries it.

A command that is neither makes a test fail: put it into `RUN` or `ELSEWHERE`.
"""

import csv
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from test.clients.exchange import Exchange
from test.clients.workspace import make_workspace, with_password
from test.docs.markdown import ROOT, Command, commands, pages
from valr_loopback.counterparty import fill

PATIENCE = 120.0
"""Seconds that a command, or what is waited for after it, may take."""

COMMANDS = [command for page in pages() for command in commands(page)]

# Run here, in this order of the pages; the first that fits decides, and `ELSEWHERE` before it.
RUN = (
    r"(mkdir|cp|touch|cd|export|tar|grep) .*",
    r"hbot connect valr --keys-stdin .*",
    r"hbot create pure_market_making .*",
    r"hbot (start conf_valr\.yml|status|stop)",
    r"hummingbot-valr (doctor --config conf_first\.yml|report|trades|--version)\b.*",
    r"python -m valr_loopback --list-faults",
)
# Not run here, with who tries it.
ELSEWHERE = {
    r"(\w+=\S+ )*make [a-z-]+( \w+=\S+)*": "each target is looked for below; .ci/run and its users run them",
    r"docker compose .*": "test/test_docker.py reads the compositions and runs what they run; by hand with an engine",
    r"(systemctl|loginctl|timedatectl) .*": "by hand: they change the machine",
    r"git (pull|clone .*)": "by hand",
    r"python -m (pytest|test)\b.*": "it is a test, or made of them",
    r"(uv )?pip (install|uninstall) .*": "test/test_packaging.py looks into the wheel; by hand",
    r"curl -s http://127\.0\.0\.1:9464/metrics": "test/hummingbot/connector/exchange/valr/test_monitoring.py",
    r"hummingbot-valr (install|upgrade|uninstall) .*": "test/hummingbot_valr/test_installation.py",
    r"hummingbot-valr doctor( --config conf_\w+\.yml)?": "one of them is run here; test/hummingbot_valr/test_doctor.py",
    r"python -m valr_loopback --port .*": "test/valr_loopback/test_command_line.py",
    r"hbot connect valr(_loopback)?": "test/clients/test_hbot_day.py answers its questions",
    r"hbot start conf_first\.yml": "conf_valr.yml, of the same kind, is started here",
    r"hbot config .*": "test/hummingbot_valr/test_hbot.py sets another",
    r"hbot (create valr_|start conf_valr_)\w+.*": "test/scripts and test/strategies run the scripts and examples",
}


def plain(text: str) -> str:
    """Return a command without the folder its program is in: the documentation names it, or has it on the PATH."""
    return re.sub(r"(/path/to/checkout/)?\.venv/bin/", "", text)


def is_run(text: str) -> bool:
    """Tell whether a command is run here."""
    return any(re.fullmatch(pattern, text) for pattern in RUN)


def is_tried_elsewhere(text: str) -> bool:
    """Tell whether a command is named with who tries it."""
    return not is_run(text) and any(re.fullmatch(pattern, text) for pattern in ELSEWHERE)


def on_loopback(text: str) -> str:
    """Return a command as it is run here: `valr_loopback` where the documentation says `valr`, and this checkout."""
    text = re.sub(r"(?<=[ =])valr(?= |$)", "valr_loopback", text)
    text = text.replace("/path/to/checkout", str(ROOT))
    return f"{text} --domain valr_loopback" if " doctor" in text else text


# --- Accounted for ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command.page}: {command.text}")
def test_a_command_is_run_or_tried_elsewhere(command: Command) -> None:
    text = plain(command.text)
    assert is_run(text) or is_tried_elsewhere(text), "put it into RUN or ELSEWHERE"


def test_nothing_is_listed_in_vain() -> None:
    texts = [plain(command.text) for command in COMMANDS]
    unused = [pattern for pattern in (*RUN, *ELSEWHERE) if not any(re.fullmatch(pattern, text) for text in texts)]
    assert unused == []


def test_every_target_of_make_exists() -> None:
    named = {match for command in COMMANDS for match in re.findall(r"\bmake ([a-z-]+)", command.text)}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named - targets == set()


# --- Run --------------------------------------------------------------------------------------------------------------
class Market(Exchange):
    """A loopback exchange on which somebody can trade with the bot."""

    def trade(self) -> None:
        """Fill one of the bot's orders, if the market has not done so by now."""

        async def trade() -> None:
            for order in self.live[:1]:
                fill(self._server.exchange, order)

        self._run(trade)

    @property
    def trade_ids(self) -> set[str]:
        """What VALR would have of the account's trades."""
        return {trade.id for trade in self._server.exchange.trades(self._server.account_id)}


class Reader:
    """Somebody who types the commands of the documentation, one after the other."""

    def __init__(self, home: Path, environment: dict[str, str], market: Market) -> None:
        self.market = market
        self.workspace = make_workspace(home / "valr-bot")
        self.directory = self.workspace
        self._where = home / "where"
        programs = home / "bin"
        programs.mkdir()
        for name, module in {
            "hbot": "-m hummingbot_valr.hbot",
            "hummingbot-valr": "-m hummingbot_valr.command",
        }.items():
            self._program(programs / name, module)
        self._program(programs / "python", "")
        path = f"{programs}:{os.environ['PATH']}"
        self._environment = with_password(environment) | {"HOME": str(home), "PATH": path}
        names = ("valr_loopback_api_key", "valr_loopback_api_secret", "valr_loopback_url")
        keys = dict(zip(names, (market.key.key, market.key.secret, market.url), strict=True))
        (self.workspace / "keys.json").write_text(json.dumps(keys))

    @staticmethod
    def _program(path: Path, arguments: str) -> None:
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        path.chmod(0o755)

    def type(self, text: str) -> str:
        """Run a command in a shell, where the last one left off; returns what it said."""
        finished = subprocess.run(
            ["bash", "-ec", f'{text}\npwd > "{self._where}"'],
            cwd=self.directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert finished.returncode == 0, f"{text}\n{finished.stdout}{finished.stderr}"
        self.directory = Path(self._where.read_text().strip())
        return finished.stdout

    def stop(self) -> None:
        """End a bot that was left running."""
        if (self.workspace / "data" / "bot" / "bot.pid").exists():
            self.type("cd ~/valr-bot && hbot stop --force")


@pytest.fixture
def reader(tmp_path: Path, offline_environment: dict[str, str]) -> Iterator[Reader]:
    with Market() as market:
        reader = Reader(tmp_path, offline_environment, market)
        yield reader
        reader.stop()


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "what the bot should do did not happen in time"
        time.sleep(0.1)


def see_what_it_did(text: str, reader: Reader) -> None:
    """Look on the exchange for what the documentation promises of a command."""
    record = reader.workspace / "data" / "valr_loopback_session.jsonl"
    if text.startswith("hbot start"):
        eventually(lambda: len(reader.market.orders) >= 2)
    if text == "hbot start conf_valr.yml":
        reader.market.trade()
        eventually(lambda: '"kind":"fill"' in record.read_text())
    if text == "hbot stop":
        assert reader.market.live == []


@pytest.mark.xdist_group("whole bots")
def test_the_commands_work_in_their_order(reader: Reader) -> None:
    done: set[str] = set()
    for page in pages():
        texts = list(filter(is_run, (plain(command.text) for command in commands(page))))
        reader.directory = reader.workspace
        # What a page before has shown is not done again.
        for text in [text for text in texts if text not in done]:
            reader.type(on_loopback(text))
            see_what_it_did(text, reader)
        done.update(texts)
    with (reader.workspace.parent / "valr-trades.csv").open(newline="") as file:
        assert {row["trade_id"] for row in csv.DictReader(file)} == reader.market.trade_ids != set()
