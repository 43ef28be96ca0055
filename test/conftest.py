"""What all tests share: an environment for child processes that cannot reach beyond this machine."""

import os
from pathlib import Path

import pytest

_NO_NAME_SERVER = """
import socket

_getaddrinfo = socket.getaddrinfo


def getaddrinfo(host, *arguments, **options):
    if host not in (None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0"):
        raise socket.gaierror(socket.EAI_NONAME, f"tests stay on this machine: {host}")
    return _getaddrinfo(host, *arguments, **options)


socket.getaddrinfo = getaddrinfo
"""


_WHOLE_BOTS = ("test_demo.py", "test_hbot.py", "test_kill.py", "test_fault_runs.py", "test_strategies.py", "clients")
"""Tests that run whole bots, some against the clock: one after the other, or they would take each other's time."""


# First of all: with `loadgroup` xdist reads the groups when its own turn has come.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have one worker run all whole bots (with `--dist loadgroup`)."""
    for item in items:
        if item.path.name in _WHOLE_BOTS or item.path.parent.name in _WHOLE_BOTS:
            item.add_marker(pytest.mark.xdist_group("whole bots"))


@pytest.fixture(scope="session")
def offline_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of this process, in which every Python finds no host but this one."""
    folder: Path = tmp_path_factory.mktemp("offline")
    (folder / "sitecustomize.py").write_text(_NO_NAME_SERVER)
    ignored = ("HBOT_PASSWORD", "CONFIG_PASSWORD", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if name not in ignored}
    return environment | {"PYTHONPATH": str(folder)}


@pytest.fixture
def unmeasured_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the processes that a test starts run without coverage, with which they take twice their time.

    What a test runs in its own process goes without by the mark `no_cover`. Both are for tests that go many times
    through code which other tests go through once.
    """
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
