"""The exchange kept in a file: what was told once is never taken back, killed or not."""

import asyncio
import json
import logging
import tempfile
import time
from collections import deque
from decimal import Decimal
from pathlib import Path
from random import Random
from zlib import crc32

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from test.valr_loopback import test_exchange_properties as properties
from test.valr_loopback.client import QUIET
from test.valr_loopback.test_command_line import start as start_process
from valr_loopback import state
from valr_loopback.commands import Cancel
from valr_loopback.errors import RefusalError
from valr_loopback.exchange import Exchange
from valr_loopback.market import Market
from valr_loopback.market_data import MarketData
from valr_loopback.orders import Side
from valr_loopback.requests import CancelRequest, LimitRequest
from valr_loopback.server import LoopbackConfig, LoopbackServer
from valr_loopback.state import StateError, StateFile

NOW = 1_795_000_000.0
KEPT = ("engine", "keys", "public_trades", "waiting", "postponed")


def plain(value):
    """Take anything apart into plain values, so that two exchanges can be compared down to the last field."""
    if isinstance(value, Random):
        return value.getstate()
    if isinstance(value, dict):
        return [(plain(key), plain(item)) for key, item in value.items()]
    if isinstance(value, list | tuple | deque):
        return [plain(item) for item in value]
    if isinstance(value, Decimal):
        return str(value)
    if type(value).__module__.startswith("valr_loopback") and not isinstance(value, str):
        slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
        names = slots or list(vars(value))
        return type(value).__name__, [(name, plain(getattr(value, name))) for name in names]
    return value


def picture(exchange, data):
    shown = [(feed.l1_snapshot(), feed.full_snapshot()) for feed in data.feeds.values()]
    return [plain(getattr(exchange, name)) for name in KEPT], shown, plain(data.candles)


def restored(path, clock=lambda: NOW, **options):
    """Start another exchange from a file; returns what a server would hold."""
    exchange = Exchange(clock, **options)
    data = MarketData(exchange)
    return exchange, data, StateFile(path, exchange, data)


class Kept(properties.World):
    """The world of the exchange's own properties, kept in a file, and pictured before each command is written."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.file = StateFile(path, self.exchange, self.data)
        self.pictures = []
        journal = self.exchange.journal

        def write(command, postponed):
            self.note()
            journal(command, postponed)

        self.exchange.journal = write

    def note(self):
        self.pictures.append((self.path.stat().st_size, picture(self.exchange, self.data)))

    def take(self, user, symbol, side, offset, size):
        price, unit = self._price(symbol, offset), properties.CENTRE[symbol][1]
        self.exchange.accept(user, LimitRequest(symbol, side, unit * size, price), delayed=True)

    def take_cancel(self, user, index):
        orders = self.exchange.orders(user)
        if orders:
            order = orders[index % len(orders)]
            request = CancelRequest(order.pair.symbol, order.id)
            self.exchange.postpone(Cancel(self.exchange.now_ms(), user, request))

    def run_waiting(self):
        self.exchange.run_waiting()

    def rewrite(self):
        self.file.rewrite()
        self.pictures.clear()


takes = st.tuples(
    st.just("take"), properties.users, properties.symbols, properties.sides, properties.offsets, st.integers(1, 9)
)
take_cancels = st.tuples(st.just("take_cancel"), properties.users, st.integers(0, 30))
others = st.sampled_from([("run_waiting",), ("rewrite",)])
script = st.lists(
    st.one_of(
        properties.limits,
        properties.limits,
        properties.markets,
        properties.cancels,
        properties.modifies,
        properties.toggles,
        properties.cancels_of_all,
        takes,
        take_cancels,
        others,
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(script, st.lists(properties.limits, max_size=5), st.data())
def test_killed_at_any_byte_it_goes_on_from_the_last_command_written(commands, more, data):
    with tempfile.TemporaryDirectory() as folder:
        world = Kept(Path(folder, "state"))
        supply = {code: world.exchange.engine.accounts.supply(code) for code in world.exchange.engine.currencies}
        for command in commands:
            world.run(command)
        world.note()
        first, last = world.pictures[0][0], world.pictures[-1][0]
        cut = data.draw(st.one_of(st.integers(first, last), st.just(last)), label="cut")
        copy = Path(folder, "copy")
        copy.write_bytes(world.path.read_bytes()[:cut])
        exchange, market_data, file = restored(copy, lambda: world.now)
        assert picture(exchange, market_data) == [shot for size, shot in world.pictures if size <= cut][-1]
        assert {code: exchange.engine.accounts.supply(code) for code in supply} == supply
        if cut == last:
            goes_on_as_if_nothing_had_happened(world, exchange, market_data, more)
        world.file.close()
        file.close()


def goes_on_as_if_nothing_had_happened(world, exchange, market_data, more):
    before = world.exchange
    for running in (before, exchange):
        running.run_waiting()
        world.exchange = running
        for _, user, symbol, side, offset, size, *_ in more:
            place = (user, symbol, side, properties.CENTRE[symbol][1] * size, world._price(symbol, offset))
            try:
                running.place_limit(*place)
            except RefusalError:
                assert not running.engine.pairs[symbol].active
    assert picture(exchange, market_data) == picture(before, world.data)


# One exchange after the other, in this process


@pytest.fixture
def path(tmp_path):
    return tmp_path / "exchange.state"


def opened(path):
    """A kept exchange with two users and an order of each."""
    exchange, data, file = restored(path)
    for user in ("ann", "bob"):
        exchange.open_account(user, {"ZAR": 10**7, "BTC": 10})
    orders = [
        exchange.place_limit("ann", "BTCZAR", "buy", "0.5", "1900000", client_order_id="first"),
        exchange.place_limit("bob", "BTCZAR", "sell", "0.2", "1900000"),
    ]
    return exchange, data, file, orders


def test_queue_positions_survive(path):
    exchange, _, file, _ = opened(path)
    for name in ("ann", "bob", "ann"):
        exchange.place_limit(name, "BTCZAR", "buy", "0.1", "1899999")
    queue = [order.id for order in exchange.engine.books["BTCZAR"].level(Side.BUY, Decimal(1899999)).orders.values()]
    file.close()
    again = restored(path)[0]
    level = again.engine.books["BTCZAR"].level(Side.BUY, Decimal(1899999))
    assert [order.id for order in level.orders.values()] == queue
    again.open_account("cyd", {"BTC": 1})
    again.place_market("cyd", "BTCZAR", "sell", base_amount="0.55")
    assert [order.executed for order in level.orders.values()] == [Decimal("0.05")]
    assert [order.id for order in level.orders.values()] == queue[2:]


def test_ids_and_sequences_are_never_used_twice(path):
    seen = set()
    for _ in range(4):
        exchange, data, file = restored(path)
        if "ann" not in exchange.engine.portfolios:
            exchange.open_account("ann", {"ZAR": 10**7, "BTC": 10})
            exchange.open_account("bob", {"ZAR": 10**7, "BTC": 10})
        maker = exchange.place_limit("ann", "BTCZAR", "buy", "0.01", "1900000")
        exchange.place_limit("bob", "BTCZAR", "sell", "0.01", "1900000")
        trade = exchange.trades("ann")[-1]
        feed = data.feeds["BTCZAR"]
        new = [maker.id, trade.id, trade.sequence_id, exchange.ids.uuid(exchange.now_ms()), exchange.ids.sequence()]
        new += [exchange.add_key("ann").key, ("l1", feed.l1_sequence), ("full", feed.full_sequence)]
        assert not seen & set(new)
        seen |= set(new)
        file.close()
    assert data.feeds["BTCZAR"].l1_sequence == 900_000 + 4 * 2


def test_a_client_id_in_use_stays_taken_and_a_freed_one_stays_free(path):
    _, _, file, (order, _) = opened(path)
    file.close()
    again, _, file = restored(path)
    for _ in range(2):
        with pytest.raises(RefusalError):
            again.place_limit("ann", "BTCZAR", "buy", "0.1", "1800000", client_order_id="first")
    again.cancel("ann", order.id)
    file.close()
    again = restored(path)[0]
    assert again.order("ann", client_order_id="first").id == order.id
    assert again.place_limit("ann", "BTCZAR", "buy", "0.1", "1800000", client_order_id="first").is_open


def test_what_was_taken_and_not_run_is_run_at_the_start_in_turn(path):
    exchange, _, file, (order, _) = opened(path)
    other = exchange.place_limit("ann", "BTCZAR", "buy", "2.5", "1800000")
    exchange.postpone(Cancel(exchange.now_ms(), "ann", CancelRequest("BTCZAR", order.id)))
    taken = exchange.accept("ann", LimitRequest("BTCZAR", Side.BUY, Decimal("2.5"), Decimal(1_900_000)))
    assert exchange.balances("ann")["ZAR"].available < Decimal("2.5") * 1_900_000
    file.close()
    again, _, file = restored(path)
    assert len(again.waiting) == 2
    again.run_waiting()
    assert not again.waiting
    # The order can only be paid for by what the cancel sets free.
    ended, *resting = again.orders("ann")
    assert (ended.id, ended.status.value) == (order.id, "Cancelled")
    assert [(o.id, o.status.value) for o in resting] == [(other.id, "Placed"), (taken.id, "Placed")]
    file.close()
    assert not restored(path)[0].waiting


def test_the_file_is_rewritten_when_it_grows_out_of_proportion(path, monkeypatch):
    monkeypatch.setattr(state, "_SHORTEST_REWRITE", 1000)
    exchange, data, file, _ = opened(path)
    file.rewrite()
    snapshot = path.stat().st_size
    largest = 0
    for _ in range(1000):
        order = exchange.place_limit("ann", "BTCZAR", "buy", "0.01", "1800000")
        exchange.cancel("ann", order.id)
        largest = max(largest, path.stat().st_size / snapshot)
        file.rewrite_when_long()
        snapshot = file._snapshot_bytes
    assert largest < 2.1
    assert path.stat().st_size < 2.1 * snapshot
    shot = picture(exchange, data)
    file.close()
    assert picture(*restored(path)[:2]) == shot


def test_500_commands_a_second_are_far_within_reach_of_a_kept_exchange_too(path):
    exchange, _, file, _ = opened(path)
    started = time.process_time()
    for _ in range(250):
        exchange.cancel("ann", exchange.place_limit("ann", "BTCZAR", "buy", "0.01", "1800000").id)
    file.close()
    restored(path)
    assert time.process_time() - started < 1.0


def test_a_write_that_fails_leaves_the_file_and_the_exchange_as_they_were(path):
    exchange, data, file, _ = opened(path)
    before, content = picture(exchange, data), path.read_bytes()
    real = file._file

    class Full:
        """A disk that is full after three bytes more."""

        def write(self, line):
            return real.write(line[:3])

        def __getattr__(self, name):
            return getattr(real, name)

    file._file = Full()
    with pytest.raises(OSError, match="took 3 bytes"):
        exchange.place_limit("ann", "BTCZAR", "buy", "0.1", "1800000")
    assert (picture(exchange, data), path.read_bytes()) == (before, content)


def test_a_command_that_cannot_be_written_is_not_run(path):
    exchange, data, _, _ = opened(path)
    before, content = picture(exchange, data), path.read_bytes()
    with pytest.raises(TypeError):
        exchange.add_key("ann", label=object())
    assert (picture(exchange, data), path.read_bytes()) == (before, content)


def test_a_command_that_broke_the_engine_once_does_not_keep_the_file_from_being_read(path, caplog):
    exchange, data, file, _ = opened(path)
    with pytest.raises(KeyError):
        exchange.cancel_all("nobody")
    order = exchange.place_limit("ann", "BTCZAR", "buy", "0.1", "1800000")
    shot = picture(exchange, data)
    file.close()
    again, data, _ = restored(path)
    assert picture(again, data) == shot
    assert again.order("ann", order.id).is_open
    assert "fails, as it did before" in caplog.text


def test_the_market_goes_on_with_its_candles_and_quotes(path):
    exchange, data, file = restored(path)
    Market(exchange, data, Random(1)).open()
    shot = picture(exchange, data)
    last = exchange.place_limit("market-taker", "BTCZAR", "buy", "1", "1910000", time_in_force="IOC")
    assert last.executed
    resting = {order.id for order in exchange.open_orders("market-maker-BTCZAR-1")}
    mark = exchange.engine.mark_price("BTCZAR")
    exchange.set_active("ETHZAR", False)
    file.close()
    again, data, file = restored(path)
    market = Market(again, data, Random(2))
    market.open()
    assert data.candles["BTCZAR"].newest_first(60, None, int(NOW * 1000), 0, 1000, False)[700:]
    assert {order.id for order in again.open_orders("market-maker-BTCZAR-1")} == resting
    assert "ETHZAR" in market.symbols
    assert "LTCBTC" not in market.symbols
    assert again.engine.mark_price("BTCZAR") == mark
    for _ in range(20):
        market.step("BTCZAR")
    assert abs(again.engine.mark_price("BTCZAR") / mark - 1) < Decimal("0.01")
    assert shot != picture(again, data)


# Files that cannot be used


def damage_the_snapshot(content):
    return content[:500] + bytes([content[500] ^ 1]) + content[501:]


def damage_a_command(content):
    place = content.index(b'"BTCZAR"', content.index(b'"OpenAccount"'))
    return content[:place] + b'"ETHZAR"' + content[place + 8 :]


def join_two_commands(content):
    place = content.index(b"\n", content.index(b'"OpenAccount"'))
    return content[:place] + b" " + content[place + 1 :]


def leave_out_a_command(content):
    lines = content.split(b"\n")
    number = next(number for number, line in enumerate(lines) if b'"AcceptLimit"' in line)
    return b"\n".join(lines[:number] + lines[number + 1 :])


def add(*row):
    text = json.dumps(row).encode()
    return lambda content: content + b"%08x %b\n" % (crc32(text), text)


def header(**changes):
    def change(content):
        line, _, rest = content.partition(b"\n")
        return json.dumps(json.loads(line) | changes).encode() + b"\n" + rest

    return change


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (damage_the_snapshot, r"is damaged \(its snapshot\): put a copy in its place, or remove it"),
        (lambda content: content[:2000], r"is damaged \(its snapshot\)"),
        (damage_a_command, r"is damaged \(its command \d\)"),
        (join_two_commands, r"is damaged \(its command \d\)"),
        (leave_out_a_command, r"command \d does not follow .*remove the file to start afresh"),
        (add(3, "now", "Fly", 1), r"is damaged \(its command \d\)"),
        (add(3, "now", "CancelAll", "soon", "ann"), r"is damaged \(its command \d\)"),
        (header(version="0-old"), r"is of version 0-old, this program reads .*: use the program that wrote it, or rem"),
        (header(seed=5), r"belongs to seed 5, not 1: start with that seed, or name another file"),
        (header(bytes="many"), r"is damaged \(its header\)"),
        (lambda content: b"rows of a spreadsheet\n", r"is not a state file .*: name another one"),
        (lambda content: b"[1, 2]\n" + content, r"is not a state file"),
        (lambda content: b"\x80\x05" + content, r"is not a state file"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_and_left_alone(path, spoil, says):
    opened(path)[2].close()
    path.write_bytes(spoil(path.read_bytes()))
    content = path.read_bytes()
    for _ in range(2):
        with pytest.raises(StateError, match=says):
            restored(path)
    assert path.read_bytes() == content


def test_a_snapshot_with_foreign_things_in_it_runs_nothing(path, monkeypatch):
    class Foreign:
        def __reduce__(self):
            return Path.touch, (path.with_name("touched"),)

    exchange, _, file, _ = opened(path)
    exchange.keys = Foreign()
    file.rewrite()
    file.close()
    with pytest.raises(StateError, match="damaged"):
        restored(path)
    assert not path.with_name("touched").exists()


def test_a_torn_last_command_is_left_out_and_said(path, caplog):
    exchange, data, file, _ = opened(path)
    shot = picture(exchange, data)
    file.close()
    with path.open("ab") as torn:
        torn.write(b'0badc0de [5,"now","Canc')
    with caplog.at_level(logging.WARNING):
        assert picture(*restored(path)[:2]) == shot
    assert "was not written to its end and is left out" in caplog.text


def test_two_exchanges_do_not_share_a_file(path):
    file = opened(path)[2]
    content = path.read_bytes()
    with pytest.raises(StateError, match="in use by a running exchange: stop that one, or name another file"):
        restored(path)
    assert path.read_bytes() == content
    file.close()
    restored(path)[2].close()


def test_an_empty_file_is_a_fresh_start_and_a_folder_that_is_not_there_an_error(path):
    path.touch()
    opened(path)[2].close()
    assert restored(path)[0].orders("ann")
    with pytest.raises(StateError, match="No such file or directory"):
        restored(path.parent / "nowhere" / "state")


def test_a_rewriting_that_was_cut_short_changes_nothing(path):
    exchange, data, file, _ = opened(path)
    shot = picture(exchange, data)
    file.close()
    path.with_name(path.name + ".new").write_bytes(path.read_bytes()[:100])
    assert picture(*restored(path)[:2]) == shot


async def test_a_stopped_server_is_not_started_again_without_its_file(path):
    server = LoopbackServer(LoopbackConfig(port=0, state=path, **QUIET))
    await server.start()
    await server.stop()
    with pytest.raises(StateError, match="make a new server"):
        await server.start()
    async with LoopbackServer(server.config) as again:
        assert again.api_key == server.api_key
        key = again.add_key(again.account_id, ("View access",))
    async with LoopbackServer(server.config) as again:
        assert again.exchange.keys._keys[key.key] == key


async def test_the_command_line_says_why_a_file_cannot_be_used(path):
    opened(path)[2].close()
    process = await start_process("--port", "0", "--seed", "2", "--state", str(path))
    _, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    assert f"Cannot use the state file: {path} belongs to seed 1, not 2" in err.decode()
    assert "Traceback" not in err.decode()
