"""What the tests of the clients share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from test.clients.exchange import Exchange
from test.clients.workspace import make_workspace


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange() as exchange:
        yield exchange


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return make_workspace(tmp_path / "home")
