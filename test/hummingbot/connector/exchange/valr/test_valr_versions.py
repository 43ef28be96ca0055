"""Which Hummingbot it is, whether the connector is tested with it, and that the tested range is written once."""

import importlib.util
import logging
import re
from pathlib import Path

import pytest

from hummingbot.connector.exchange.valr import valr_versions
from hummingbot.connector.exchange.valr.valr_versions import (
    TESTED_HUMMINGBOT,
    VERSION,
    explain_release,
    release_of,
    warn_if_untested,
)

ROOT = Path(__file__).resolve().parents[5]
OLDEST, NEWEST = TESTED_HUMMINGBOT


def test_the_installed_release_is_known_and_tested() -> None:
    found = importlib.util.find_spec("hummingbot")
    assert found is not None
    assert found.origin is not None
    release = release_of(Path(found.origin).parents[1])
    assert OLDEST <= release <= NEWEST
    assert explain_release(release) == ""


@pytest.mark.parametrize(
    ("setup", "metadata", "release"),
    [
        (None, [], ""),
        (None, ["hummingbot-20260729.dist-info"], "20260729"),
        (None, ["hummingbot_valr-0.1.0.dist-info", "hummingbot-20260801.dev1.dist-info"], "20260801.dev1"),
        ('def main():\n    version = "20260922"\n    version += ".dev1"\n', [], "20260922"),
        ("version = '20260922'\n", ["hummingbot-20260101.dist-info"], "20260922"),
        ("name = 'another'\nversion = '1.0'\n", [], ""),
        (b"\xff\xfe", [], ""),
    ],
)
def test_a_release_is_read_off_the_checkout_or_the_package(
    setup: str | bytes | None, metadata: list[str], release: str, tmp_path: Path
) -> None:
    if setup is not None:
        (tmp_path / "setup.py").write_bytes(setup if isinstance(setup, bytes) else setup.encode())
    for name in metadata:
        (tmp_path / name).mkdir()
    assert release_of(tmp_path) == release


@pytest.mark.parametrize(
    ("release", "said"),
    [
        ("", "The release of this Hummingbot is not known"),
        ("20250101", "Hummingbot 20250101 is older than"),
        ("20990101", "Hummingbot 20990101 is newer than"),
        (OLDEST, None),
        (NEWEST, None),
        (f"{OLDEST}.dev1", None),
    ],
)
def test_what_is_not_tested_is_said_once(
    release: str, said: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if release:
        (tmp_path / f"hummingbot-{release}.dist-info").mkdir()
    logger = logging.getLogger("test of versions")
    for _ in range(3):
        warn_if_untested(tmp_path, logger)
    if said is None:
        assert caplog.records == []
        return
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(said)
    assert f"Hummingbot {OLDEST} to {NEWEST}" in record.getMessage()


def test_what_is_built_and_what_is_declared_agree() -> None:
    setup = (ROOT / "setup.py").read_text()
    assert f'version="{VERSION}"' in setup or "valr_versions" in setup
    assert f"hummingbot=={NEWEST}" in setup
    assert f"hummingbot=={NEWEST}" in (ROOT / "requirements.in").read_text()


def test_it_can_be_read_without_a_hummingbot() -> None:
    assert valr_versions.__file__ is not None
    imports = re.findall(r"^(?:from|import) (\w+)", Path(valr_versions.__file__).read_text(), re.MULTILINE)
    assert "hummingbot" not in imports
