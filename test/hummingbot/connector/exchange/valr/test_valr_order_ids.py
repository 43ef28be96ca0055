"""Client order ids: Hummingbot's own, and on disk before anybody asks for them where orders follow orders."""

import asyncio
import logging
from decimal import Decimal
from pathlib import Path
from typing import IO

import pytest

import hummingbot.connector.utils as hummingbot_utils
from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr import valr_order_ids, valr_order_keeper, valr_order_lifecycle
from hummingbot.connector.exchange.valr.valr_order_ids import AHEAD, AHEAD_OF_ALL, ClientOrderIds
from hummingbot.connector.exchange.valr.valr_order_journal import OrderJournal
from hummingbot.core.data_type.common import OrderType
from test.hummingbot.connector.exchange.valr.rest_world import PAIR, World, until, world
from test.hummingbot.connector.exchange.valr.test_short_way import Socket, buy, open_socket

OTHER_PAIR = "BTC-ZAR"


@pytest.fixture
def journal(tmp_path: Path) -> OrderJournal:
    journal = OrderJournal(lambda: tmp_path, "account")
    journal.open()
    return journal


def on_disk(folder: Path) -> list[str]:
    """Return the ids that a successor would find, read through another handle."""
    (path,) = folder.glob("*.journal")
    lines = [line.split() for line in path.read_text().splitlines()]
    gone = {words[1] for words in lines if words[0] == "-"}
    return [words[1] for words in lines if words[0] == "+" and words[1] not in gone]


# --- The ids ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("trading_pair", ["BTC-ZAR", "USDT-ZAR", "$X-USDC"])
@pytest.mark.parametrize("is_buy", [True, False])
def test_they_are_hummingbots(
    is_buy: bool, trading_pair: str, journal: OrderJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hummingbot_utils, "get_tracking_nonce", lambda: 1795284382649747)
    expected = hummingbot_utils.get_new_client_order_id(
        is_buy, trading_pair, CONSTANTS.CLIENT_ORDER_ID_PREFIX, CONSTANTS.CLIENT_ORDER_ID_MAX_LENGTH
    )
    ids = ClientOrderIds(journal)
    assert [ids.new(is_buy, trading_pair), ids.take(is_buy, trading_pair)] == [expected] * 2


def test_as_many_are_made_ahead_as_were_wanted_at_once(journal: OrderJournal, tmp_path: Path) -> None:
    ids = ClientOrderIds(journal)
    wanted = [(True, PAIR), (True, PAIR), (False, PAIR)]
    taken = {ids.take(*side) for side in wanted}
    assert journal.entries == {}
    ids.make_ahead()
    ahead = on_disk(tmp_path)
    assert [each[4] for each in ahead] == ["B", "B", "S"]
    # All of them, and then others.
    again = [ids.take(*side) for side in wanted]
    assert sorted(again) == sorted(ahead)
    assert ids.take(True, PAIR) not in {*taken, *ahead}


def test_one_wanted_is_one_ahead_and_no_side_gets_what_nobody_wants(journal: OrderJournal, tmp_path: Path) -> None:
    ids = ClientOrderIds(journal)
    for _ in range(3):
        ids.take(True, PAIR)
        ids.make_ahead()
    assert len(on_disk(tmp_path)) == 3
    ids.make_ahead()
    assert len(on_disk(tmp_path)) == 3
    # Two were used: they are the orders' now.
    ids.release()
    assert len(on_disk(tmp_path)) == 2


def test_there_are_never_many(journal: OrderJournal) -> None:
    ids = ClientOrderIds(journal)
    for _ in range(AHEAD + 5):
        ids.take(True, PAIR)
    ids.make_ahead()
    assert len(journal.entries) == AHEAD
    for number in range(AHEAD_OF_ALL):
        ids.take(True, f"C{number}-ZAR")
    ids.make_ahead()
    assert len(journal.entries) == AHEAD_OF_ALL
    ids.release()
    assert journal.entries == {}


def test_old_ones_are_taken_back(journal: OrderJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(valr_order_ids.time, "monotonic", lambda: now)
    ids = ClientOrderIds(journal)
    ids.take(True, PAIR)
    ids.make_ahead()
    (first,) = journal.entries
    now += valr_order_ids.AHEAD_SECONDS + 1
    ids.take(False, OTHER_PAIR)
    ids.make_ahead()
    (second,) = journal.entries
    assert (first[4], second[4]) == ("B", "S")
    assert ids.take(True, PAIR) != first


def test_what_cannot_be_journalled_is_not_ahead(journal: OrderJournal, full_disk: IO[bytes]) -> None:
    ids = ClientOrderIds(journal)
    ids.take(True, PAIR)
    journal._file, file = full_disk, journal._file
    with pytest.raises(OSError, match="No space left"):
        ids.make_ahead()
    assert journal.entries == {}
    assert ids.take(True, PAIR) not in journal.entries
    journal._file = file
    ids.make_ahead()
    assert ids.take(True, PAIR) in journal.entries


# --- In the connector -------------------------------------------------------------------------------------------------
async def second_order(place: World, socket: Socket) -> str:
    """Place one order, let the loop turn, and return the second one's id."""
    buy(place)
    await until(lambda: len(place.exchange._keeper._journal.entries) == 2)
    return buy(place)


async def test_the_next_order_waits_for_no_disk(data_folder: Path, full_disk: IO[bytes]) -> None:
    async with world() as place:
        socket = await open_socket(place)
        buy(place)
        await until(lambda: len(on_disk(data_folder)) == 2)
        (ahead,) = set(on_disk(data_folder)) - set(place.exchange.in_flight_orders)
        journal = place.exchange._keeper._journal
        journal._file, file = full_disk, journal._file
        # Not even a full disk is in its way: it has been written down.
        assert buy(place) == ahead
        assert socket.frames[-1]["payload"]["customerOrderId"] == ahead
        # There is none ahead then, and the order after it is refused as ever.
        await asyncio.sleep(0)
        buy(place)
        assert len(socket.frames) == 2
        journal._file = file


async def test_an_order_that_breaks_the_rules_uses_none_up(data_folder: Path) -> None:
    async with world() as place:
        await open_socket(place)
        buy(place)
        await until(lambda: len(on_disk(data_folder)) == 2)
        (ahead,) = set(on_disk(data_folder)) - set(place.exchange.in_flight_orders)
        assert buy(place, amount="0.0000001") != ahead
        assert place.exchange.buy(PAIR, Decimal("NaN"), OrderType.LIMIT, Decimal(10000)) != ahead
        assert buy(place) == ahead


async def test_a_killed_bot_leaves_them_with_its_orders(data_folder: Path) -> None:
    async with world() as place:
        second = await second_order(place, await open_socket(place))
        # Nothing has turned since: the frame has left, and its id has been on disk for a while.
        journal = place.exchange._keeper._journal
        file, journal._file = journal._file, None
        assert file is not None
        file.close()
        successor = OrderJournal(lambda: data_folder, place.exchange._auth.account_fingerprint)
        adopted = successor.open()
        assert second in adopted
        assert set(place.exchange.in_flight_orders) <= set(adopted)


@pytest.mark.parametrize("turns", [0, 1])
async def test_a_stop_takes_them_back(data_folder: Path, turns: int) -> None:
    async with world() as place:
        await open_socket(place)
        order_id = buy(place)
        for _ in range(turns):
            await asyncio.sleep(0)
        await place.exchange.stop_network()
        await asyncio.sleep(0)
        assert on_disk(data_folder) == [order_id]


async def test_a_stop_is_not_kept_from_its_end_by_a_full_disk(data_folder: Path, full_disk: IO[bytes]) -> None:
    async with world() as place:
        await open_socket(place)
        buy(place)
        await until(lambda: len(on_disk(data_folder)) == 2)
        place.exchange._keeper._journal._file = full_disk
        await place.exchange.stop_network()
        assert not place.exchange._keeper.is_running


async def test_one_that_was_never_used_is_forgotten_after_a_crash_without_a_word(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(valr_order_keeper, "STRAY_GRACE", 0.0)
    for module, name, value in ((valr_order_lifecycle, "PATIENCE", 0.0), (valr_order_lifecycle, "MISSES_NEEDED", 1)):
        monkeypatch.setattr(module, name, value)
    async with world() as place:
        left_behind = OrderJournal(lambda: data_folder, place.exchange._auth.account_fingerprint)
        left_behind.open()
        left_behind.add("HBOTBahead", PAIR)
        left_behind.close()
        caplog.set_level(logging.INFO)
        place.exchange._keeper.ensure_running()
        keeper = place.exchange._keeper
        await until(lambda: list(keeper._journal.entries) == ["HBOTBahead"])
        await until(lambda: not keeper._journal.entries)
        counters = place.exchange.metrics.counters()
        assert {counters[name] for name in ("orders_failed", "placements_given_up", "cancels_sent")} == {0}
        assert keeper.live_count == 0
    said = [record for record in caplog.records if record.name != "aiohttp.access"]
    assert not [record for record in said if "HBOTBahead" in record.getMessage()]
