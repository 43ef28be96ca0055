"""What every test of the connector stands on."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

import hummingbot


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path) -> Iterator[Path]:
    before = hummingbot.prefix_path(), hummingbot._data_path
    hummingbot.set_prefix_path(str(tmp_path))
    hummingbot.set_data_path(None)
    yield tmp_path / "data"
    hummingbot.set_prefix_path(before[0])
    hummingbot.set_data_path(before[1])


@pytest.fixture
def full_disk() -> Iterator[IO[bytes]]:
    """A file on a disk that has no room."""
    with Path("/dev/full").open("wb", buffering=0) as file:
        yield file
