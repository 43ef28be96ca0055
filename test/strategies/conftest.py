"""A workspace, a loopback exchange, and Hummingbot's way to find scripts, for each test."""

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from test.strategies.engine import CONNECTOR, Account, connect, make_alone
from valr_loopback.server import LoopbackConfig, LoopbackServer


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that Hummingbot takes for its own."""
    make_alone(tmp_path, monkeypatch)
    return tmp_path


@pytest.fixture
async def account(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Account]:
    """The demo account of a loopback exchange whose market moves, connected as ``valr_loopback``."""
    async with LoopbackServer(LoopbackConfig(port=0, market_pace=2)) as server:
        account = Account.demo(server)
        connect(account, CONNECTOR, monkeypatch)
        yield account


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Let Hummingbot find its ``scripts`` and ``controllers`` in a folder, whatever others were imported before."""

    def use(home: Path) -> None:
        for name in list(sys.modules):
            if name.partition(".")[0] in ("scripts", "controllers"):
                monkeypatch.delitem(sys.modules, name)
        monkeypatch.syspath_prepend(str(home))

    return use
