"""What came out of a run, in words, as a table and as JSON."""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from decimal import InvalidOperation

import pytest

from test.faults.judge import judge
from test.faults.report import LogBook, Row, as_json, failed, line, markdown, summarize
from test.faults.test_judge import CLEAN

HELD = summarize("calm", judge(CLEAN), {"lookups": 3, "cancels sent again": 0}, LogBook(), {"drop_event": 2})
BROKEN = summarize("bad day", judge(replace(CLEAN, idle=("book_gap",))), {}, LogBook(), {})


@pytest.fixture
def log() -> Iterator[LogBook]:
    book, logger = LogBook(), logging.getLogger("test.faults.spoken")
    logger.addHandler(book)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield book
    logger.removeHandler(book)
    logger.propagate = True


def test_a_row_says_what_was_found() -> None:
    assert HELD.held
    assert (HELD.orders, HELD.fills, HELD.did, HELD.struck) == (4, 1, "lookups 3", {"drop_event": 2})
    assert line(HELD).startswith("held   calm: orders 4, fills 1")
    assert not BROKEN.held
    assert BROKEN.did == "nothing special"
    assert line(BROKEN).splitlines()[1].strip() == "book_gap never struck, so nothing is proven"


def test_a_run_that_broke_off_is_broken() -> None:
    row = failed("calm", "TimeoutError")
    assert not row.held
    assert "BROKEN" in row.cells()
    assert "never" in row.cells()


def test_the_table_names_every_run_and_below_it_what_was_broken() -> None:
    text = markdown([HELD, BROKEN])
    lines = text.splitlines()
    assert [part.strip() for part in lines[2].split("|")][1:3] == ["calm", "lookups 3"]
    assert lines[-1] == "* bad day: book_gap never struck, so nothing is proven"
    assert len({row.count("|") for row in lines[:4]}) == 1


def test_json_holds_all_of_it() -> None:
    rows = json.loads(as_json([HELD, BROKEN]))
    assert [row["held"] for row in rows] == [True, False]
    assert Row(**{key: value for key, value in rows[0].items() if key != "held"}) == HELD


def test_the_log_book_counts_what_is_worth_counting(log: LogBook) -> None:
    logger = logging.getLogger("test.faults.spoken")
    logger.warning("The account socket of VALR is down: gone")
    logger.warning("BTC-ZAR: the order book is dropped and asked for afresh (gap).")
    logger.info("VALR says hello")
    assert log.counts() == {"account socket losses": 1, "books dropped": 1, "warnings": 2}
    assert log.unexpected() == ()
    assert len(log.text().splitlines()) == 3


def test_tracebacks_are_unexpected_except_a_tick_without_a_price(log: LogBook) -> None:
    for name, error in (("test.faults.spoken", ValueError("boom")), ("hummingbot.core.clock", InvalidOperation())):
        log.handle(logging.LogRecord(name, logging.ERROR, "", 0, "failed", (), (type(error), error, None)))
    log.handle(logging.LogRecord("asyncio", logging.ERROR, "", 0, "Task was destroyed", (), None))
    log.handle(logging.LogRecord("hummingbot.other", logging.ERROR, "", 0, "said plainly", (), None))
    assert log.unexpected() == ("test.faults.spoken: failed ValueError('boom')", "Task was destroyed")
