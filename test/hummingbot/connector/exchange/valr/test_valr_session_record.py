"""The session record: lines that stay whole, two files at most, and never a disturbance."""

import asyncio
import json
import logging
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hummingbot.connector.exchange.valr import valr_session_record
from hummingbot.connector.exchange.valr.valr_metrics import IncidentKind, Metrics
from hummingbot.connector.exchange.valr.valr_session_record import SessionRecord

ABOUT = {"connector": "valr", "pairs": ["BTC-ZAR"], "order_entry": "websocket", "book_feed": "l1"}
RESULTS = {"counters": {"fills": 1}, "latency": {}}


class Recorder:
    """A record in a folder, the metrics that feed it, and a clock moved by hand."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.5
        self.path = folder / "valr_session.jsonl"
        self.old = folder / "valr_session.old.jsonl"
        self.metrics = Metrics(lambda: self.now)
        self.record = self.another()
        monkeypatch.setattr(valr_session_record.time, "time", lambda: self.now)

    def another(self) -> SessionRecord:
        logger = logging.getLogger("valr")
        return SessionRecord(lambda: self.path.parent, ABOUT, self.metrics, lambda: logger, lambda work: work())

    def incident(self, text: str = "It was refused.") -> None:
        self.metrics.incident(IncidentKind.KEY_REFUSED, text)

    def sample(self, book: tuple[str, str] | None, balance: tuple[str, str] = ("1", "1")) -> None:
        quotes = None if book is None else (Decimal(book[0]), Decimal(book[1]))
        held = Decimal(balance[0]), Decimal(balance[1])
        self.record.sample(lambda: {"BTC-ZAR": quotes}, lambda: {"BTC": held})

    def lines(self, path: Path | None = None) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (path or self.path).read_text().splitlines()]

    def kinds(self, path: Path | None = None) -> list[str]:
        return [line["kind"] for line in self.lines(path)]


@pytest.fixture
def recorder(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return Recorder(data_folder, monkeypatch)


def test_a_session_has_a_head_facts_and_an_end(recorder: Recorder) -> None:
    recorder.incident("before")
    recorder.record.start()
    recorder.record.start()
    assert recorder.record.is_open
    recorder.incident("während")
    recorder.record.stop(RESULTS)
    assert not recorder.record.is_open
    recorder.incident("after")
    recorder.record.write({"kind": "late"})
    head, incident, end = recorder.lines()
    assert head == {"t": 1000.5, "kind": "start", "run": head["run"], "continued": False, **ABOUT}
    assert (incident["kind"], incident["text"]) == ("incident", "während")
    assert end == {"t": 1000.5, "kind": "stop", "run": head["run"], **RESULTS}


async def test_a_fact_is_written_when_the_event_loop_is_free(recorder: Recorder) -> None:
    record = SessionRecord(lambda: recorder.path.parent, ABOUT, recorder.metrics, lambda: logging.getLogger("valr"))
    record.start()
    recorder.incident()
    assert recorder.path.read_text() == ""
    await asyncio.sleep(0)
    assert recorder.kinds() == ["start", "incident"]
    recorder.incident()
    record.stop(RESULTS)
    assert recorder.kinds() == ["start", "incident", "incident", "stop"]
    await asyncio.sleep(0)
    assert len(recorder.lines()) == 4


def test_the_next_session_goes_on_in_the_file_and_another_instance_is_another_run(recorder: Recorder) -> None:
    other = recorder.another()
    for record in (recorder.record, recorder.record, other):
        record.start()
        record.stop(RESULTS)
    assert recorder.kinds() == ["start", "stop"] * 3
    runs = [line["run"] for line in recorder.lines()]
    assert runs[0] == runs[2]
    assert len(set(runs)) == 2


def test_prices_and_balances_are_written_when_changed_and_once_a_second_at_most(recorder: Recorder) -> None:
    recorder.record.start()
    for now, book, balance in (
        (1000.5, ("999999.5", "1E+6"), ("1", "0.5")),
        (1000.9, ("1", "2"), ("9", "9")),
        (1001.5, ("999999.5", "1000000"), ("1", "0.5")),
        (1002.5, None, ("1", "0.25")),
        (1003.5, None, ("1", "0.25")),
        (1004.5, ("5", "8"), ("1", "0.25")),
    ):
        recorder.now = now
        recorder.sample(book, balance)
    assert recorder.lines()[1:] == [
        {
            "t": 1000.5,
            "kind": "book",
            "pair": "BTC-ZAR",
            "bid": "999999.5",
            "ask": "1000000",
            "mid": "999999.75",
        },
        {"t": 1000.5, "kind": "balance", "currency": "BTC", "total": "1", "available": "0.5"},
        {"t": 1002.5, "kind": "book", "pair": "BTC-ZAR", "bid": None, "ask": None, "mid": None},
        {"t": 1002.5, "kind": "balance", "currency": "BTC", "total": "1", "available": "0.25"},
        {"t": 1004.5, "kind": "book", "pair": "BTC-ZAR", "bid": "5", "ask": "8", "mid": "6.5"},
    ]


def test_nothing_is_read_while_nothing_is_recorded(recorder: Recorder) -> None:
    def unasked() -> Any:
        raise AssertionError("it was read")

    recorder.record.sample(unasked, unasked)


def test_a_full_file_becomes_the_old_one_and_the_next_tells_all_anew(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valr_session_record, "SIZE_LIMIT", 600)
    recorder.record.start()
    recorder.sample(("1", "2"))
    while not recorder.old.exists():
        recorder.incident()
    assert recorder.path.stat().st_size < 600 <= recorder.old.stat().st_size
    (head,) = recorder.lines()
    assert head["continued"] is True
    assert head["run"] == recorder.lines(recorder.old)[0]["run"]
    recorder.now += 1
    recorder.sample(("1", "2"))
    assert recorder.kinds() == ["start", "book", "balance"]
    first = recorder.lines(recorder.old)
    while recorder.lines(recorder.old) == first:
        recorder.incident("once more")
    recorder.record.stop(RESULTS)
    assert sorted(each.name for each in recorder.path.parent.iterdir()) == [recorder.path.name, recorder.old.name]
    # After the rotations the file is still this bot's alone.
    assert recorder.kinds()[-1] == "stop"


def test_a_line_cut_short_by_a_crash_spoils_no_other(recorder: Recorder) -> None:
    recorder.path.parent.mkdir(parents=True)
    recorder.path.write_text('{"kind":"start"}\n{"kind":"inci')
    recorder.record.start()
    recorder.record.stop(RESULTS)
    text = recorder.path.read_text().splitlines()
    assert text[:2] == ['{"kind":"start"}', '{"kind":"inci']
    assert [json.loads(line)["kind"] for line in text[2:]] == ["start", "stop"]


def test_two_bots_do_not_write_into_each_other(recorder: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    recorder.record.start()
    second = recorder.another()
    for _ in range(2):
        second.start()
        assert not second.is_open
    assert [each.getMessage() for each in caplog.records] == [
        f"The session is not recorded, trading goes on: another running bot writes to {recorder.path}"
    ]
    recorder.record.stop(RESULTS)
    second.start()
    assert second.is_open
    second.stop(RESULTS)


def test_a_folder_that_cannot_be_made_is_one_warning(recorder: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    recorder.path.parent.parent.mkdir(parents=True, exist_ok=True)
    recorder.path.parent.write_text("a file is in its place")
    for _ in range(2):
        recorder.record.start()
        recorder.incident()
        recorder.sample(("1", "2"))
        recorder.record.stop(RESULTS)
    assert len(caplog.records) == 1
    assert "trading goes on" in caplog.text


class FullDisk:
    """A file as the record has it, on a disk with no space left."""

    is_full = False
    closed = False

    def write(self, text: str) -> None:
        raise OSError(28, "No space left on device")

    def close(self) -> None:
        self.closed = True


def test_a_full_disk_ends_the_record_and_nothing_else(recorder: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    recorder.record.start()
    file = recorder.record._file
    assert file is not None
    file.close()
    full = FullDisk()
    recorder.record._file = full  # type: ignore[assignment]
    recorder.incident()
    recorder.incident()
    assert full.closed
    assert not recorder.record.is_open
    assert [each.getMessage() for each in caplog.records] == [
        "The session is not recorded, trading goes on: [Errno 28] No space left on device"
    ]
    assert len(recorder.metrics.incidents) == 2
