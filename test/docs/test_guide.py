"""The user guide explains everything the connector can say and everything that can be set, and nothing else."""

import re
from pathlib import Path

import pytest

from hummingbot.connector.exchange.valr.valr_utils import ValrConfigMap
from test.docs.sentences import connector_sentences, unknown_calls

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "user-guide.md"
LOG_HEADING = "the log says"
OPTIONS_HEADING = "option"


def rows_of_tables(heading: str) -> list[list[str]]:
    """Return the cells of every row of the guide's tables whose first column has this heading."""
    rows, is_wanted = [], False
    for line in GUIDE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if cells and cells[0] == heading:
            is_wanted = True
        elif not cells:
            is_wanted = False
        elif is_wanted and not set(cells[0]) <= {"-"}:
            rows.append(cells)
    return rows


EXPLAINED = [row[0] for row in rows_of_tables(LOG_HEADING)]


@pytest.mark.parametrize("sentence", connector_sentences())
def test_a_sentence_of_the_log_is_explained(sentence: str) -> None:
    assert EXPLAINED.count(sentence) == 1, (
        f"{connector_sentences()[sentence]} says this in the log; give it a row in docs/user-guide.md,"
        " 'What the log says, and what to do', with … for what is filled in"
    )


def test_no_sentence_is_explained_that_nothing_says() -> None:
    assert set(EXPLAINED) - set(connector_sentences()) == set()


def test_every_sentence_is_found() -> None:
    assert unknown_calls() == [], "name in sentences.py where their sentences are made"


def test_the_options_are_those_of_the_connector() -> None:
    keys = {name for name in ValrConfigMap.model_fields if name.startswith("valr_api_")} | {"connector"}
    options = {name: field for name, field in ValrConfigMap.model_fields.items() if name not in keys}
    documented = {row[0].strip("`"): row[1] for row in rows_of_tables(OPTIONS_HEADING)}
    assert documented == {name: shown(field.default) for name, field in options.items()}


def shown(default: object) -> str:
    """Write a default as the guide does."""
    text = str(default).lower() if isinstance(default, bool) else str(default)
    return f"`{text}`" if text else "(empty)"


@pytest.mark.parametrize("name", ["order_entry", "book_feed"])
def test_the_choices_of_an_option_are_its_own(name: str) -> None:
    choices = ValrConfigMap.model_fields[name].annotation.__args__  # type: ignore[union-attr]
    documented = next(row[2] for row in rows_of_tables(OPTIONS_HEADING) if row[0] == f"`{name}`")
    assert re.findall(r"`(\w+)`", documented) == list(choices)
