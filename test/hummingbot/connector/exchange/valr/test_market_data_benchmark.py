"""The market data benchmark in its smallest form (some 4 s), and what it shows.

How quick the machine is says nothing here; how much work a frame makes does.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.market_frames import BOOK_FRAMES_PER_TRADE, record
from hummingbot.connector.exchange.valr.valr_order_book import BookFeed, VerifiedBook
from test.work import count_calls

ROOT = Path(__file__).parents[5]


def test_smallest_form_measures_every_row(tmp_path: Path) -> None:
    """It also compares all of Hummingbot's books with the recorded exchange's, and fails when one differs."""
    figures = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks.market_data", "--quick", "--json", str(figures)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    results = json.loads(figures.read_text())
    assert {(row["feed"], row["pairs"], row["depth"]) for row in results["sizes"]} == {
        *((feed, pairs, depth) for feed in ("l1", "full") for pairs in (1, 5) for depth in (25, 60)),
        *(("aggregated", pairs, depth) for pairs in (1, 5) for depth in (25, 40)),
    }
    for row in results["sizes"]:
        assert row["frames_per_second"] == pytest.approx(1e6 / row["checksum_on"]["us"])
        assert (row["checksum_off"] is None) == (row["feed"] == "aggregated")
    for row in results["stages"]:
        assert 0 < row["decoder"]["us"] < row["whole"]["us"]
    for row in results["verdicts"]:
        assert row["updates_per_second"] == 100
        assert f"{row['core_share']:.1%}" in done.stdout
    assert len(results["verdicts"]) == 3 * 2


@pytest.mark.parametrize("feed", ["l1", "full", "aggregated"])
def test_recording_follows_from_its_seed(feed: str) -> None:
    first, again, other = (record(feed, 2, 30, 2, 50, seed) for seed in (1, 1, 2))
    assert first == again
    assert first.batches != other.batches
    frames = [json.loads(text) for batch in first.batches for text in batch]
    trades = [frame for frame in frames if frame["type"] == "NEW_TRADE"]
    assert len(trades) == len(frames) // (BOOK_FRAMES_PER_TRADE + 1)


@pytest.mark.parametrize("feed", ["l1", "full"])
def test_work_of_an_update_does_not_grow_with_the_depth_of_the_book(feed: str) -> None:
    def work(depth: int) -> int:
        recording = record(feed, 1, depth, 1, 400)
        book: VerifiedBook = BookFeed(feed).new_book()
        book.apply(json.loads(recording.snapshots[0]))
        frames = [json.loads(text) for text in recording.batches[0] if "NEW_TRADE" not in text]
        count = count_calls(lambda: [book.apply(frame) for frame in frames] and None)
        bids, asks = (list(side.items()) for side in book.snapshot()[1:])
        assert (bids, asks) == recording.final_books[recording.symbols[0]]
        return count

    assert work(1500) < 1.1 * work(50)


@pytest.mark.parametrize("changes", [2, 40])
def test_a_recording_with_so_many_changes_changes_so_many_different_levels_of_each_side(changes: int) -> None:
    recording = record("l1", 2, 60, 1, 50, changes=changes)
    for frame in [json.loads(text) for text in recording.batches[0] if "NEW_TRADE" not in text]:
        for side in ("a", "b"):
            assert len({price for price, _ in frame["d"][side]}) == len(frame["d"][side]) == changes
