"""What all tests share: an environment for child processes that cannot reach beyond this machine."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

# How long an example takes, or is made, says how busy the machine is and nothing about the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

_NO_NAME_SERVER = """
import socket

_getaddrinfo = socket.getaddrinfo


def getaddrinfo(host, *arguments, **options):
    if host not in (None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0"):
        raise socket.gaierror(socket.EAI_NONAME, f"tests stay on this machine: {host}")
    return _getaddrinfo(host, *arguments, **options)


socket.getaddrinfo = getaddrinfo
"""


_WHOLE_BOTS = re.compile(r"test_(bench_starts|commands|demo|fault_runs|hbot|kill)\.py|/(clients|strategies)/")
"""Tests that run whole bots, some against the clock: one after the other, or they would take each other's time."""


class _OneWorkerForWholeBots(LoadScopeScheduling):
    """Lets one worker run all whole bots, which come first as the largest scope; any other test is a scope of its own.

    xdist's own `loadgroup` does nothing with pytest 9.2, whose node ids it cannot mark.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "whole bots" if _WHOLE_BOTS.search(nodeid.partition("::")[0]) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Say which worker runs which test."""
    return _OneWorkerForWholeBots(config, log)


@pytest.fixture(scope="session")
def offline_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of this process, in which every Python finds no host but this one."""
    folder: Path = tmp_path_factory.mktemp("offline")
    (folder / "sitecustomize.py").write_text(_NO_NAME_SERVER)
    ignored = ("HBOT_PASSWORD", "CONFIG_PASSWORD", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if name not in ignored}
    return environment | {"PYTHONPATH": str(folder)}


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a test, and the processes that it starts, run without coverage, which takes half their speed or more.

    For tests that go many times through code which others go through once.
    """
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
    paused = []
    # Below pytest-cov's measurement a worker has another, which its own mark `no_cover` would let go on.
    while (running := Coverage.current()) is not None:
        running.stop()
        paused.append(running)
    yield
    for each in reversed(paused):
        each.start()
