"""The demo as its user runs it: to its end, and interrupted. Nothing may be left behind."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hummingbot_valr.demo import INTERRUPTED
from hummingbot_valr.demo_processes import marked_processes

SETUP_SECONDS = 150.0
PROMISES = 7


class RunningDemo:
    """A demo in a process of its own, and what it has said so far."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.rstrip())
                self._news.notify_all()

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, pattern: str) -> "re.Match[str]":
        with self._news:
            assert self._news.wait_for(lambda: re.search(pattern, self.text), SETUP_SECONDS), self.text
        found = re.search(pattern, self.text)
        assert found is not None
        return found

    def wait_for_live_orders(self, url: str) -> None:
        deadline = time.monotonic() + SETUP_SECONDS
        while time.monotonic() < deadline:
            with urllib.request.urlopen(f"{url}/loopback/ledger") as response:
                if json.load(response)["openOrders"]:
                    return
            time.sleep(0.1)
        raise AssertionError(f"no order was ever live\n{self.text}")

    def end(self) -> int:
        code = self.process.wait(SETUP_SECONDS)
        self._reader.join()
        return code


@contextmanager
def demo(environment: dict[str, str], report: Path, *options: str) -> Iterator[RunningDemo]:
    command = [sys.executable, "-m", "hummingbot_valr.demo", "--report", str(report), *options]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    running = RunningDemo(process)
    try:
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
            running.end()


def assert_nothing_is_left(workspace: str, url: str) -> None:
    assert marked_processes(Path(workspace)) == []
    assert not Path(workspace).exists()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url)


WHERE = r"listens at (http://\S+), the workspace is (\S+)"


def assert_tells_of_the_run(report: Path, said: str) -> None:
    """The report of the session counts what the exchange counted."""
    counted = re.search(r"^Orders: (\d+) placed, .* (\d+) fills;", said, re.MULTILINE)
    assert counted is not None, said
    assert f"Report of the session, for a browser: {report}" in said
    page = ElementTree.fromstring(report.read_text(encoding="utf-8"))
    words = [" ".join(part.itertext()) for part in page.iter("div") if part.get("class") == "tile"]
    assert f"Fills {counted[2]} of {counted[1]} orders" in words
    assert "account socket lost once" in "".join(page.itertext())


def test_every_promise_is_held(offline_environment: dict[str, str], tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    with demo(offline_environment, report, "--seconds", "12") as running:
        url, workspace = running.wait_for(WHERE).groups()
        code = running.end()
    verdicts = re.findall(r"^(\d) .*: (held|broken) \(", running.text, re.MULTILINE)
    assert [number for number, _ in verdicts] == [str(number) for number in range(1, PROMISES + 1)], running.text
    assert {word for _, word in verdicts} == {"held"}, running.text
    assert code == 0, running.text
    assert "Live orders at the exchange: 0" in running.text
    assert "the account socket was cut once" in running.text
    assert re.search(r"^by the connector: cancel end( +[0-9.]+){3} +[1-9][0-9]*$", running.text, re.MULTILINE)
    assert_nothing_is_left(workspace, url)
    assert_tells_of_the_run(report, running.text)


def test_an_interrupt_in_mid_run_leaves_nothing(offline_environment: dict[str, str], tmp_path: Path) -> None:
    with demo(offline_environment, tmp_path / "report.html", "--seconds", "600") as running:
        url, workspace = running.wait_for(WHERE).groups()
        running.wait_for_live_orders(url)
        running.process.send_signal(signal.SIGINT)
        running.wait_for("Interrupted")
        running.process.send_signal(signal.SIGINT)
        code = running.end()
    assert code in (INTERRUPTED, 1), running.text  # 1: too little was traded to hold every promise
    assert "Live orders at the exchange: 0" in running.text
    assert "BROKEN" not in running.text
    assert_nothing_is_left(workspace, url)


def test_a_termination_while_setting_up_leaves_nothing(offline_environment: dict[str, str], tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    with demo(offline_environment, report) as running:
        url, workspace = running.wait_for(WHERE).groups()
        running.process.terminate()
        code = running.end()
    assert code == INTERRUPTED, running.text
    assert_nothing_is_left(workspace, url)
    assert not report.exists()
