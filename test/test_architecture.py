"""docs/architecture.md names every room of the house, and none that is not there. Takes no time."""

import re
from pathlib import Path

import pytest

from hummingbot_valr.doctor_hooks import OVERRIDDEN

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
PACKAGES = ("hummingbot/connector/exchange/valr", "valr_loopback", "hummingbot_valr")
ELSEWHERE = {path.name for path in (ROOT / "test" / "simulation").glob("*.py")}


def files_named_in(section: str) -> set[str]:
    return set(re.findall(r"`(?:[\w/]+/)?(\w+\.py)`", section))


def section_about(package: str) -> str:
    """The text from the heading that names the package to the next heading of that rank."""
    (found,) = re.findall(rf"^## `{package}/`.*?\n(.*?)(?=^## |\Z)", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_each_module_has_its_line(package: str) -> None:
    modules = {path.name for path in (ROOT / package).glob("*.py")}
    missing = modules - files_named_in(section_about(package))
    assert not missing, f"say in docs/architecture.md what these are for: {', '.join(sorted(missing))}"


def test_what_the_page_names_exists() -> None:
    modules = {path.name for package in PACKAGES for path in (ROOT / package).glob("*.py")}
    gone = files_named_in(PAGE.read_text(encoding="utf-8")) - modules - ELSEWHERE
    assert not gone, f"docs/architecture.md names what is not there: {', '.join(sorted(gone))}"


def test_every_overridden_hook_of_the_exchange_has_its_reason() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for place, names in OVERRIDDEN.items():
        kind = place.split(":")[1]
        assert f"`{kind}`" in text
        if kind == "ExchangePyBase":
            assert [name for name in names if f"`{name}`" not in text] == []
