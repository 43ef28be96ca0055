"""Every book of the exchange as strategies see it, end to end: 205 pairs, sockets lost, frames spoilt, 0 differences.

``make books`` runs two simulated hours of it; here are some minutes. The runs move a market over real sockets, no
faster than twenty times as fast as life, so that outages cost what they would: that is what takes the time.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hummingbot.core.data_type.order_book_row import OrderBookRow
from test.market_data.faults import FRAME_FAULTS, SOCKET_FAULTS
from test.market_data.reader import Reader
from test.market_data.report import as_json, markdown
from test.market_data.run import START, Outcome, Run, Size, run
from test.market_data.truth import EMPTY, difference
from test.valr_loopback.client import until
from valr_loopback.fault_kinds import FaultKind
from valr_loopback.faults import Fault
from valr_loopback.server import LoopbackConfig, LoopbackServer
from valr_loopback.times import HandClock

pytestmark = pytest.mark.usefixtures("unmeasured")

FEW = Size(pairs=8, hours=0.01, checkpoints=12, frames=10, sockets=0.5, pace=0.5)


async def test_205_books_are_right_whatever_happens() -> None:
    """Twenty seconds: a minute and a half of 205 pairs is some 15,000 frames, and each lost socket costs a second."""
    outcome = await run(Size(hours=1 / 40, checkpoints=100, frames=12, sockets=1), seed=1)
    assert outcome.problems == []
    assert outcome.checkpoints == 100
    assert outcome.frames > 10_000
    assert outcome.struck.keys() >= {*FRAME_FAULTS, *SOCKET_FAULTS}


@pytest.mark.parametrize(("feed", "helpful"), [("l1", True), ("full", False), ("aggregated", False)])
async def test_books_are_right_on_every_feed_and_where_subscribing_again_brings_a_snapshot(
    feed: str, helpful: bool
) -> None:
    outcome = await run(FEW, seed=2, feed=feed, snapshot_on_resubscribe=helpful)
    assert outcome.problems == []
    assert outcome.checkpoints == FEW.checkpoints
    assert sum(outcome.struck.values()) > 20


# That a run can find something


@asynccontextmanager
async def quiet_run(*faults: Fault) -> AsyncIterator[tuple[Run, LoopbackServer, Reader]]:
    """A run of a few pairs that has not begun."""
    clock = HandClock(START)
    settings = LoopbackConfig(port=0, pairs=FEW.pairs, market_pace=FEW.pace, by_hand=True, faults=faults)
    async with LoopbackServer(settings, clock) as server, Reader(server, "l1").running() as reader:
        yield Run(server, clock, reader, FEW, seed=1), server, reader


async def test_a_level_that_no_checksum_covers_is_found_to_be_wrong() -> None:
    lie = Fault(kind=FaultKind.BOOK_ALTERED, form="deep", probability=0.2)
    outcome = await run(Size(pairs=8, hours=0.005, checkpoints=10, pace=0.4), seed=1, faults=[lie])
    assert outcome.differences
    assert outcome.half_books
    assert "bids" in outcome.differences[0] or "asks" in outcome.differences[0]


async def test_a_book_spoilt_by_hand_is_found_to_be_wrong() -> None:
    async with quiet_run() as (quiet, server, reader):
        await quiet.checkpoint("BTCZAR")
        assert quiet.outcome.differences == []
        best = server.exchange.engine.books["BTCZAR"].best_price("buy")
        assert best is not None
        book = reader.order_book("BTCZAR")
        book.apply_diffs([OrderBookRow(float(best), 0.0, 0)], [], book.last_diff_uid + 1)
        await quiet.checkpoint("BTCZAR")
        await quiet.checkpoint("ETHZAR")
        assert len(quiet.outcome.differences) == 1
        assert "BTCZAR (l1): bids" in quiet.outcome.differences[0]


async def test_without_a_socket_the_books_are_emptied() -> None:
    refused = Fault(kind=FaultKind.TRADE_SOCKET_REFUSED)
    async with quiet_run() as (quiet, server, reader):
        assert reader.is_live("BTCZAR")
        server.faults.add(refused)
        await server.drop_trade_sockets()
        await until(lambda: all(reader.shown(symbol) == EMPTY for symbol in reader.names))
        assert not any(reader.is_live(symbol) for symbol in reader.names)
        server.faults.clear()
        await quiet.checkpoint("BTCZAR")
        assert quiet.outcome.problems == []
        assert reader.is_live("BTCZAR")


def test_differences_are_told_in_words() -> None:
    book = ([(2.0, 1.0), (1.0, 5.0)], [(3.0, 1.0)])
    assert difference(book, book) == ""
    assert (
        difference(([(2.0, 1.0)], [(3.0, 1.0)]), book) == "bids: 1 levels for 2, 1 of them differ, first [(1.0, 5.0)]"
    )
    swapped = ([(1.0, 5.0), (2.0, 1.0)], [(3.0, 1.0)])
    assert "0 of them differ" in difference(swapped, book)


# The report


def test_the_report_says_it_all() -> None:
    outcome = Outcome(
        "l1", 7, Size(), checkpoints=1_000, differences=["BTCZAR: x"], waits=[0.1, 2.0], memory=[1.0, 2.0]
    )
    outcome.hours, outcome.seconds, outcome.frames = 2.0, 600.0, 1_200_000
    outcome.struck = {"trade_socket_close": 3, "book_gap": 5}
    outcome.feeds = {"l1": 204, "aggregated": 1}
    table = markdown(outcome)
    for line in (
        "| pairs | 205, at the end on the feeds aggregated 1, l1 204 |",
        "| simulated | 2.00 h in 600 s, 12 times as fast as life |",
        "| frames read | 1,200,000, 2,000 a second |",
        "| sockets lost or refused | 3 |",
        "| differences | 1 |",
        "| waited for proof | 1 times longer than 0.5 s, at most 2.0 s |",
        "| memory of exchange and connector | 1 / 2 MB |",
    ):
        assert line in table.splitlines()
    assert '"differences": [\n  "BTCZAR: x"\n ]' in as_json(outcome)
    assert outcome.problems == ["BTCZAR: x"]
