"""The journal outlives its process: what was sent is on disk before it is sent, and the next process takes it over."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hummingbot.connector.exchange.valr import valr_order_journal
from hummingbot.connector.exchange.valr.valr_order_journal import JournalEntry, OrderJournal

ACCOUNT = "0123456789abcdef"
OTHER_ACCOUNT = "fedcba9876543210"

# A bot that sends an order and then neither sees it end nor closes anything.
BOT = """
import sys, time
from pathlib import Path
from hummingbot.connector.exchange.valr.valr_order_journal import OrderJournal
journal = OrderJournal(lambda: Path(sys.argv[1]), sys.argv[2])
journal.open()
journal.add("HBOTBdead", "BTC-ZAR")
journal.add("HBOTSended", "ETH-ZAR")
journal.remove("HBOTSended")
print("sent", flush=True)
time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def bot(folder: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", BOT, str(folder), ACCOUNT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[5]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "sent\n"
        yield process
        process.kill()


def journal_in(folder: Path, account: str = ACCOUNT) -> OrderJournal:
    return OrderJournal(lambda: folder, account)


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.journal"))


def lines(folder: Path) -> list[list[str]]:
    (path,) = files(folder)
    return [line.split() for line in path.read_text().splitlines()]


def leave_behind(folder: Path, text: str, account: str = ACCOUNT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"valr_orders_{account}_1_{time.time_ns()}.journal"
    path.write_text(text)
    return path


def test_an_order_is_on_disk_before_it_is_sent(folder: Path) -> None:
    journal = journal_in(folder)
    assert journal.open() == {}
    before = time.time()
    journal.add("HBOTB1", "BTC-ZAR")
    # Read through another handle: it has left this process without a close.
    ((sign, client_order_id, trading_pair, sent_at),) = lines(folder)
    assert (sign, client_order_id, trading_pair) == ("+", "HBOTB1", "BTC-ZAR")
    assert before <= float(sent_at) <= time.time()
    assert journal.entries == {"HBOTB1": JournalEntry("HBOTB1", "BTC-ZAR", float(sent_at))}
    journal.close()


def test_an_ended_order_leaves_the_journal_once(folder: Path) -> None:
    journal = journal_in(folder)
    journal.open()
    journal.add("HBOTB1", "BTC-ZAR")
    journal.remove("HBOTB1")
    journal.remove("HBOTB1")
    journal.remove("never heard of")
    assert [line[0] for line in lines(folder)] == ["+", "-"]
    assert journal.entries == {}
    journal.close()


def test_building_and_recording_before_opening_touch_nothing(folder: Path) -> None:
    def forbidden() -> Path:
        raise AssertionError("the folder was asked for too early")

    journal = OrderJournal(forbidden, ACCOUNT)
    journal.add("HBOTB1", "BTC-ZAR")
    journal.remove("HBOTB1")
    journal.close()
    assert journal.entries == {}


def test_what_was_recorded_before_opening_is_written_when_it_opens(folder: Path) -> None:
    journal = journal_in(folder)
    journal.add("HBOTB1", "BTC-ZAR")
    assert journal.open() == {}
    assert [line[1] for line in lines(folder)] == ["HBOTB1"]
    journal.close()


def test_opening_twice_does_nothing(folder: Path) -> None:
    journal = journal_in(folder)
    journal.open()
    journal.add("HBOTB1", "BTC-ZAR")
    assert journal.open() == {}
    assert len(files(folder)) == 1
    journal.close()


def test_entries_are_a_copy(folder: Path) -> None:
    journal = journal_in(folder)
    journal.add("HBOTB1", "BTC-ZAR")
    journal.entries.clear()
    assert set(journal.entries) == {"HBOTB1"}


def test_an_empty_journal_leaves_no_file(folder: Path) -> None:
    journal = journal_in(folder)
    journal.open()
    journal.add("HBOTB1", "BTC-ZAR")
    journal.remove("HBOTB1")
    journal.close()
    journal.close()
    assert files(folder) == []


def test_closed_with_live_orders_it_hands_them_to_whoever_opens_next(folder: Path) -> None:
    first = journal_in(folder)
    first.open()
    first.add("HBOTB1", "BTC-ZAR")
    entries = first.entries
    first.close()

    second = journal_in(folder)
    assert second.open() == entries
    assert second.entries == entries
    assert len(files(folder)) == 1
    second.remove("HBOTB1")
    second.close()
    assert files(folder) == []


def test_reopened_by_its_own_connector_it_keeps_its_orders(folder: Path) -> None:
    journal = journal_in(folder)
    journal.open()
    journal.add("HBOTB1", "BTC-ZAR")
    entries = journal.entries
    journal.close()
    assert journal.open() == entries
    assert journal.entries == entries
    journal.remove("HBOTB1")
    journal.close()
    assert files(folder) == []


def test_the_orders_of_a_killed_process_are_taken_over(folder: Path, bot: subprocess.Popen[str]) -> None:
    bot.send_signal(signal.SIGKILL)
    bot.wait()
    journal = journal_in(folder)
    adopted = journal.open()
    assert {(entry.client_order_id, entry.trading_pair) for entry in adopted.values()} == {("HBOTBdead", "BTC-ZAR")}
    assert [path.name.split("_")[3] for path in files(folder)] == [str(os.getpid())]
    # They are on disk again under this process: killed as well, it would hand them on.
    assert [line[1] for line in lines(folder)] == ["HBOTBdead"]
    journal.close()


def test_a_running_process_keeps_its_journal(folder: Path, bot: subprocess.Popen[str]) -> None:
    (path,) = files(folder)
    text = path.read_text()
    journal = journal_in(folder)
    assert journal.open() == {}
    assert journal.entries == {}
    journal.close()
    assert files(folder) == [path]
    assert path.read_text() == text


def test_two_connectors_of_one_process_do_not_take_each_others_orders(folder: Path) -> None:
    first, second = journal_in(folder), journal_in(folder)
    first.open()
    first.add("HBOTB1", "BTC-ZAR")
    assert second.open() == {}
    second.close()
    assert set(first.entries) == {"HBOTB1"}
    assert [line[1] for line in lines(folder)] == ["HBOTB1"]
    first.close()


def test_a_stopped_connector_hands_its_orders_to_the_next_one_of_the_same_process(folder: Path) -> None:
    stopped, other = journal_in(folder), journal_in(folder, OTHER_ACCOUNT)
    stopped.open()
    stopped.add("HBOTB1", "BTC-ZAR")
    stopped.retire()
    stopped.retire()
    assert other.open() == {}
    successor = journal_in(folder)
    assert list(successor.open()) == ["HBOTB1"]
    assert stopped.entries == {}
    # Should the stopped one start again after all, it begins anew.
    assert stopped.open() == {}
    for journal in (stopped, successor, other):
        journal.close()


def test_a_stopped_connector_that_starts_again_keeps_its_orders(folder: Path) -> None:
    journal, newcomer = journal_in(folder), journal_in(folder)
    journal.open()
    journal.add("HBOTB1", "BTC-ZAR")
    journal.retire()
    assert journal.open() == {}
    assert newcomer.open() == {}
    assert list(journal.entries) == ["HBOTB1"]
    journal.close()
    newcomer.close()


def test_a_journal_that_was_never_opened_cannot_retire(folder: Path) -> None:
    journal = journal_in(folder)
    journal.retire()
    assert journal.open() == {}
    assert journal.open() == {}
    journal.close()


def test_another_accounts_orders_are_not_touched(folder: Path) -> None:
    path = leave_behind(folder, "+ HBOTB1 BTC-ZAR 1700000000.5\n", OTHER_ACCOUNT)
    journal = journal_in(folder)
    assert journal.open() == {}
    journal.close()
    assert files(folder) == [path]
    other = journal_in(folder, OTHER_ACCOUNT)
    assert other.open() == {"HBOTB1": JournalEntry("HBOTB1", "BTC-ZAR", 1700000000.5)}
    other.close()


def test_several_dead_processes(folder: Path) -> None:
    leave_behind(folder, "+ HBOTB1 BTC-ZAR 1.0\n+ HBOTB2 BTC-ZAR 2.0\n- HBOTB1\n")
    leave_behind(folder, "+ HBOTB3 ETH-ZAR 3.0\n")
    leave_behind(folder, "")
    journal = journal_in(folder)
    assert set(journal.open()) == {"HBOTB2", "HBOTB3"}
    assert len(files(folder)) == 1
    journal.close()


UNFINISHED = ["+ HBOTB2 BTC-ZAR 17", "+ HBOTB2 BTC-ZAR 1700000000.25", "+ HBOTB2", "+", "- HBOTB", "- HBOTB1", "\0\0"]
SPOILT = ["\n\n", "? HBOTB1\n", "- HBOTB1 \n", "+ HBOTB2 BTC-ZAR soon\n", "+ HBOTB2 BTC-ZAR\n", "\ufffd \ufffd\n"]


@pytest.mark.parametrize("torn", UNFINISHED + SPOILT)
def test_a_torn_line_costs_only_itself(folder: Path, torn: str) -> None:
    leave_behind(folder, "+ HBOTB1 BTC-ZAR 1.0\n" + torn)
    journal = journal_in(folder)
    assert set(journal.open()) == {"HBOTB1"}
    journal.close()


def test_bytes_that_are_no_text_cost_only_their_line(folder: Path) -> None:
    path = leave_behind(folder, "")
    path.write_bytes(b"+ HBOTB1 BTC-ZAR 1.0\n\xff\xfe\x00\n+ HBOTB2 BTC-ZAR 2.0\n")
    journal = journal_in(folder)
    assert set(journal.open()) == {"HBOTB1", "HBOTB2"}
    journal.close()


def test_a_long_run_does_not_grow_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(valr_order_journal, "COMPACT_AFTER_LINES", 20)
    journal = journal_in(folder)
    journal.open()
    journal.add("HBOTBstays", "BTC-ZAR")
    sent_at = journal.entries["HBOTBstays"].sent_at
    for number in range(200):
        journal.add(f"HBOTB{number}", "BTC-ZAR")
        journal.remove(f"HBOTB{number}")
        assert len(lines(folder)) <= 22
    journal.add("HBOTBlast", "ETH-ZAR")
    entries = journal.entries
    assert entries["HBOTBstays"].sent_at == sent_at
    journal.close()
    assert journal_in(folder).open() == entries


def test_an_order_that_ends_while_the_journal_is_closed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(valr_order_journal, "COMPACT_AFTER_LINES", 1)
    journal = journal_in(folder)
    journal.open()
    for number in range(3):
        journal.add(f"HBOTB{number}", "BTC-ZAR")
    journal.close()
    journal.remove("HBOTB1")
    assert set(journal.entries) == {"HBOTB0", "HBOTB2"}


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    journal = journal_in(tmp_path / "file" / "data")
    with pytest.raises(OSError, match="file"):
        journal.open()
    # It goes on in memory, and the next attempt may succeed.
    journal.add("HBOTB1", "BTC-ZAR")
    assert set(journal.entries) == {"HBOTB1"}
    (tmp_path / "file").unlink()
    journal.open()
    assert [line[1] for line in lines(tmp_path / "file" / "data")] == ["HBOTB1"]
    journal.close()
