"""VALR enters Hummingbot's tables without a change to Hummingbot's files, whatever is imported first."""

import importlib
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hummingbot.connector.exchange.valr import valr_registration
from hummingbot.connector.exchange.valr.valr_registration import Doors

TABLE = "a_table_of_the_test"
HALF_WAY = "half_way_through_it"
WHOLE = "VALUES = {}\n"


class Place:
    """A module with a table, not imported yet, and doors that are to be opened in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.filled: list[Any] = []
        self.doors = Doors({TABLE: self._fill})

    def _fill(self, module: ModuleType) -> None:
        self.filled.append(module.VALUES)

    def write(self, text: str, name: str = TABLE) -> None:
        (self.folder / f"{name}.py").write_text(text)
        importlib.invalidate_caches()

    @property
    def is_waiting(self) -> bool:
        return self.doors in sys.meta_path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    place = Place(tmp_path)
    place.write(WHOLE)
    yield place
    sys.modules.pop(TABLE, None)
    sys.modules.pop(HALF_WAY, None)


def test_a_module_that_is_imported_later_is_filled_then(place: Place) -> None:
    place.doors.open()
    assert place.is_waiting
    assert place.filled == []
    module = importlib.import_module(TABLE)
    assert place.filled == [module.VALUES]
    assert type(module.__spec__) is ModuleSpec
    assert not place.is_waiting


def test_a_module_that_is_complete_is_filled_at_once(place: Place) -> None:
    module = importlib.import_module(TABLE)
    place.doors.open()
    assert place.filled == [module.VALUES]
    assert not place.is_waiting


def test_a_module_without_a_spec_counts_as_complete(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType(TABLE)
    module.VALUES = {}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, TABLE, module)
    place.doors.open()
    assert place.filled == [{}]


def test_a_module_that_is_being_imported_is_filled_when_it_is_complete(place: Place) -> None:
    place.write("filled = doors = None", HALF_WAY)
    helper = importlib.import_module(HALF_WAY)
    helper.filled, helper.doors = place.filled, place.doors  # type: ignore[attr-defined]
    place.write(f"import {HALF_WAY}\n{HALF_WAY}.doors.open()\nBEFORE = list({HALF_WAY}.filled)\nVALUES = {{}}\n")
    module = importlib.import_module(TABLE)
    assert module.BEFORE == []
    assert place.filled == [module.VALUES]
    assert not place.is_waiting


def test_an_import_that_failed_may_be_repeated(place: Place) -> None:
    place.doors.open()
    place.write("raise RuntimeError('not today')\n")
    with pytest.raises(RuntimeError, match="not today"):
        importlib.import_module(TABLE)
    assert place.filled == []
    assert place.is_waiting
    place.write(WHOLE)
    assert importlib.import_module(TABLE).VALUES is place.filled[0]
    assert not place.is_waiting


def test_a_module_that_does_not_exist_is_not_found_either_way(place: Place) -> None:
    (place.folder / f"{TABLE}.py").unlink()
    importlib.invalidate_caches()
    place.doors.open()
    with pytest.raises(ModuleNotFoundError, match=TABLE):
        importlib.import_module(TABLE)


def test_a_failure_of_ours_is_logged_and_spares_the_import(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.write("NO_SUCH_TABLE = {}\n")
    place.doors.open()
    assert importlib.import_module(TABLE).NO_SUCH_TABLE == {}
    assert f"VALR could not be entered into {TABLE}" in caplog.text
    assert caplog.records[-1].levelno == logging.ERROR
    assert not place.is_waiting


def test_to_open_twice_is_to_open_once(place: Place) -> None:
    place.doors.open()
    place.doors.open()
    assert sys.meta_path.count(place.doors) == 1
    importlib.import_module(TABLE)
    place.doors.open()
    assert len(place.filled) == 1
    assert not place.is_waiting


class OwnSpec(ModuleSpec):
    __slots__ = ("of_its_own",)


class OwnFinder(MetaPathFinder):
    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        found = PathFinder.find_spec(fullname, path) if fullname == TABLE else None
        return found and OwnSpec(fullname, found.loader, origin=found.origin)


def test_a_spec_of_another_kind_is_left_alone(place: Place) -> None:
    sys.meta_path.insert(0, OwnFinder())
    place.doors.open()
    module = importlib.import_module(TABLE)
    assert module.VALUES == {}
    assert type(module.__spec__) is OwnSpec


# --- The installed Hummingbot -----------------------------------------------------------------------------------------
CLIENT_CONFIGURATION = "rate_oracle_source:\n  name: valr\n"

PREPARATION = """
import json, sys
from hummingbot_valr.workspace import use_workspace
use_workspace(".")
"""

LOAD_THE_CONFIGURATION = """
from hummingbot.client.config.config_helpers import load_client_config_map_from_file
config = load_client_config_map_from_file()
"""

FACTS = """
from hummingbot.connector.exchange.valr.valr_registration import Doors
from hummingbot.core.rate_oracle.rate_oracle import RATE_ORACLE_SOURCES, RateOracle
from hummingbot.data_feed.candles_feed.candles_factory import CandlesFactory
from hummingbot.data_feed.candles_feed.data_types import CandlesConfig
candles = {
    name: type(CandlesFactory.get_candle(CandlesConfig(connector=name, trading_pair="BTC-ZAR"))).__name__
    for name in ("valr", "valr_loopback")
}
config.rate_oracle_source = "valr_loopback"
looped = type(RateOracle.get_instance().source).__name__
config.rate_oracle_source = "valr"
facts = {
    "source": type(RateOracle.get_instance().source).__name__,
    "loopback source": looped,
    "sources": sorted(name for name in RATE_ORACLE_SOURCES if "valr" in name),
    "candles": candles,
    "waiting": any(isinstance(finder, Doors) for finder in sys.meta_path),
}
print(json.dumps(facts))
"""

ENTRIES = {
    "the interactive client": "from hummingbot.client.hummingbot_application import HummingbotApplication",
    "a bot's core": "from hummingbot.core.trading_core import TradingCore",
    "candles first": "from hummingbot.data_feed.candles_feed.candles_factory import CandlesFactory",
}


def python(*arguments: str, folder: Path, environment: dict[str, str]) -> str:
    finished = subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=folder, capture_output=True, text=True, timeout=180
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.mark.parametrize("entry", ENTRIES)
def test_hummingbot_knows_valr_whatever_is_imported_first(
    entry: str, tmp_path: Path, offline_environment: dict[str, str]
) -> None:
    """Takes seconds: each order of imports needs a Python of its own."""
    settings = tmp_path / "conf" / "conf_client.yml"
    settings.parent.mkdir()
    settings.write_text(CLIENT_CONFIGURATION)
    program = "\n".join((PREPARATION, ENTRIES[entry], LOAD_THE_CONFIGURATION, FACTS))
    printed = python("-c", program, folder=tmp_path, environment=offline_environment)
    assert json.loads(printed.splitlines()[-1]) == {
        "source": "ValrRateSource",
        "loopback source": "ValrLoopbackRateSource",
        "sources": ["valr", "valr_loopback"],
        "candles": {"valr": "ValrSpotCandles", "valr_loopback": "ValrLoopbackSpotCandles"},
        "waiting": False,
    }
    assert CLIENT_CONFIGURATION in settings.read_text()


def test_the_command_line_takes_valr_as_the_source_of_rates(
    tmp_path: Path, offline_environment: dict[str, str]
) -> None:
    """Takes seconds: it starts ``hbot`` twice."""

    def hbot(*arguments: str) -> str:
        return python("-m", "hummingbot_valr.hbot", *arguments, folder=tmp_path, environment=offline_environment)

    hbot("config", "rate_oracle_source.name", "valr")
    assert CLIENT_CONFIGURATION in (tmp_path / "conf" / "conf_client.yml").read_text()
    assert "valr" in hbot("config", "rate_oracle_source.name")


def test_to_register_again_changes_nothing() -> None:
    from hummingbot.client.config.client_config_map import RATE_SOURCE_MODES

    before = dict(RATE_SOURCE_MODES)
    valr_registration.register()
    assert before == RATE_SOURCE_MODES
    assert {"valr", "valr_loopback"} <= set(before)
