"""What a session report reads: a workspace as Hummingbot and the connector leave it, whole, in part, or damaged."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session as SqlSession

from hummingbot.model import get_declarative_base
from hummingbot.model.market_data import MarketData
from hummingbot.model.order import Order
from hummingbot.model.order_status import OrderStatus
from hummingbot.model.trade_fill import TradeFill
from hummingbot_valr.session_report_facts import Fill, Holding, Incident, Market, Mid, Quote, ReportError
from hummingbot_valr.session_report_reading import parse_since, read_session

BEGIN = 1795262400.0
"""2026-11-21 12:00 UTC, when the recorded run starts."""
MARKET = Market("valr", "BTC-ZAR")


class Workspace:
    """A workspace with records made by hand; times are seconds after ``BEGIN``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / "data"
        self.data.mkdir(parents=True)

    def database(self, *rows: Any, name: str = "pmm") -> Path:
        """Add rows to a database that has Hummingbot's own tables."""
        path = self.data / f"{name}.sqlite"
        engine = create_engine(f"sqlite:///{path}")
        tables = [model.__table__ for model in (Order, OrderStatus, TradeFill, MarketData)]
        get_declarative_base().metadata.create_all(engine, tables=tables)
        with SqlSession(engine) as session, session.begin():
            session.add_all(rows)
        engine.dispose()
        return path

    def record(self, *lines: dict[str, Any] | str, connector: str = "valr", old: bool = False) -> Path:
        """Append lines to a session record; texts as they are."""
        path = self.data / f"{connector}_session{'.old' if old else ''}.jsonl"
        with path.open("a", encoding="utf-8") as file:
            for line in lines:
                file.write((line if isinstance(line, str) else json.dumps(line)) + "\n")
        return path


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


# --- Rows of the database, and lines of the record --------------------------------------------------------------------
def placed(
    identifier: str,
    second: float,
    side: str,
    price: str,
    amount: str = "0.002",
    end: str | None = None,
    file: str = "pmm.yml",
    market: Market = MARKET,
) -> list[Any]:
    created = int((BEGIN + second) * 1000)
    order = Order(
        id=identifier,
        config_file_path=file,
        strategy="pure_market_making",
        market=market.connector,
        symbol=market.pair,
        base_asset=market.base,
        quote_asset=market.quote,
        creation_timestamp=created,
        order_type="LIMIT_MAKER",
        amount=Decimal(amount),
        leverage=1,
        price=Decimal(price),
        last_status=end or "created",
        last_update_timestamp=created,
        exchange_order_id=f"x-{identifier}",
    )
    statuses = [f"{side.title()}OrderCreated", *([end] if end else [])]
    return [order] + [
        OrderStatus(order_id=identifier, timestamp=created + 1500 * index, status=status)
        for index, status in enumerate(statuses)
    ]


def filled(
    identifier: str,
    second: float,
    side: str,
    price: str,
    amount: str,
    fees: tuple[tuple[str, str], ...] = (),
    percent: str = "0",
    market: Market = MARKET,
    trade_id: str = "",
) -> TradeFill:
    return TradeFill(
        config_file_path="pmm.yml",
        strategy="pure_market_making",
        market=market.connector,
        symbol=market.pair,
        base_asset=market.base,
        quote_asset=market.quote,
        timestamp=int(BEGIN + second) * 1000,
        order_id=identifier,
        trade_type=side.upper(),
        order_type="LIMIT_MAKER",
        price=Decimal(price),
        amount=Decimal(amount),
        leverage=1,
        trade_fee={"percent": percent, "flat_fees": [{"token": token, "amount": amount} for amount, token in fees]},
        trade_fee_in_quote=Decimal(0),
        exchange_trade_id=trade_id or f"t-{identifier}",
    )


def line(second: float, kind: str, **fields: Any) -> dict[str, Any]:
    return {"t": BEGIN + second, "kind": kind} | fields


def start(second: float = 0, run: str = "1", continued: bool = False) -> dict[str, Any]:
    about = {"connector": "valr", "pairs": ["BTC-ZAR"], "order_entry": "websocket", "book_feed": "l1"}
    return line(second, "start", run=run, continued=continued, **about)


def stop(second: float, run: str = "1", **counters: int) -> dict[str, Any]:
    return line(second, "stop", run=run, counters=counters, latency={})


def order(second: float, identifier: str, side: str, price: str | None, amount: str = "0.002") -> dict[str, Any]:
    return line(second, "order", id=identifier, pair="BTC-ZAR", side=side, price=price, amount=amount)


def opened(second: float, identifier: str) -> dict[str, Any]:
    return line(second, "open", id=identifier, pair="BTC-ZAR")


def ended(second: float, identifier: str, end: str) -> dict[str, Any]:
    return line(second, "end", id=identifier, pair="BTC-ZAR", end=end, reason="")


def trade(
    second: float,
    identifier: str,
    side: str,
    price: str,
    amount: str,
    fee: str = "0",
    currency: str = "ZAR",
    **more: Any,
) -> dict[str, Any]:
    fields = {"id": identifier, "order_id": f"x-{identifier}", "trade_id": f"t-{identifier}", "pair": "BTC-ZAR"}
    fields |= {"side": side, "price": price, "amount": amount, "fee": fee, "fee_currency": currency}
    return line(second, "fill", **fields) | {"traded_at": BEGIN + second} | more


def book(second: float, mid: str | None) -> dict[str, Any]:
    return line(second, "book", pair="BTC-ZAR", bid=mid, ask=mid, mid=mid)


def incident(second: float, kind: str, text: str = "It happened.", pair: str = "") -> dict[str, Any]:
    return line(second, "incident", incident=kind, pair=pair, text=text)


def at(second: float) -> float:
    return BEGIN + second


# --- Hummingbot's database alone --------------------------------------------------------------------------------------
def test_the_database_alone_is_enough(workspace: Workspace) -> None:
    binance = Market("binance", "BTC-USDT")
    workspace.database(
        *placed("b1", 1, "buy", "1900000.5", end="BuyOrderCompleted"),
        *placed("s1", 1, "sell", "1902000", end="OrderCancelled"),
        *placed("s2", 2, "sell", "1902000"),
        *placed("m1", 2, "sell", "0", market=binance, end="OrderFailure"),
        filled("b1", 2.9, "buy", "1900000.5", "0.002", (("0.0000016", "BTC"),)),
        filled("m1", 3, "sell", "100", "2", percent="0.001", market=binance),
        MarketData(
            timestamp=Decimal(int(at(1) * 1000)),
            exchange="valr",
            trading_pair="BTC-ZAR",
            mid_price=Decimal("1901000.25"),
            best_bid=Decimal(1),
            best_ask=Decimal(2),
            order_book={},
        ),
    )
    session = read_session(workspace.root)
    assert (session.strategy, session.configuration) == ("pure_market_making", "pmm.yml")
    assert (session.begin, session.end) == (at(1), at(3.5))
    amount = Decimal("0.002")
    assert session.quotes == (
        Quote(MARKET, "b1", "buy", Decimal("1900000.5"), amount, at(1), at(2.5), "filled"),
        Quote(MARKET, "s1", "sell", Decimal(1902000), amount, at(1), at(2.5), "cancelled"),
        Quote(MARKET, "s2", "sell", Decimal(1902000), amount, at(2)),
        Quote(binance, "m1", "sell", None, amount, at(2), at(3.5), "failed"),
    )
    fee = (Decimal("0.0000016"), "BTC")
    assert session.fills == (
        Fill(MARKET, "t-b1", "b1", "buy", Decimal("1900000.5"), amount, at(2), (fee,)),
        Fill(binance, "t-m1", "m1", "sell", Decimal(100), Decimal(2), at(3), ((Decimal("0.2"), "USDT"),)),
    )
    assert session.mids == {MARKET: (Mid(at(1), Decimal("1901000.25")),)}
    assert session.markets == [MARKET, binance]
    assert (session.latencies, session.incidents) == (None, None)
    assert [note[:40] for note in session.notes] == ["There is no session record of this run: "]
    assert session.sources == ("Hummingbot's database pmm.sqlite (4 orders, 2 fills)",)


def test_the_database_is_left_as_it_is(workspace: Workspace) -> None:
    path = workspace.database(*placed("b1", 1, "buy", "1900000"))
    before = path.read_bytes()
    read_session(workspace.root)
    assert path.read_bytes() == before
    assert sorted(file.name for file in workspace.data.iterdir()) == ["pmm.sqlite"]


def test_unreadable_rows_are_left_out_and_said(workspace: Workspace) -> None:
    path = workspace.database(
        *placed("b1", 1, "buy", "1900000"),
        *placed("b2", 2, "buy", "1900000"),
        filled("b1", 2, "buy", "1900000", "0.002"),
        filled("b2", 2, "buy", "1900000", "0.002"),
    )
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE TradeFill SET trade_fee = '{' WHERE order_id = 'b1'")
        database.execute("DELETE FROM OrderStatus WHERE order_id = 'b2'")
        database.execute("UPDATE TradeFill SET trade_type = 'RANGE' WHERE order_id = 'b2'")
    session = read_session(workspace.root)
    assert ([quote.client_order_id for quote in session.quotes], session.fills) == (["b1"], ())
    (said,) = (note for note in session.notes if "could not be read" in note)
    assert said.startswith("3 rows of Hummingbot's database could not be read; the first: b2 valr:")


def test_a_database_of_an_older_hummingbot_has_no_market_data(workspace: Workspace) -> None:
    path = workspace.database(*placed("b1", 1, "buy", "1900000"))
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DROP TABLE MarketData")
    assert read_session(workspace.root).mids == {}


@pytest.mark.parametrize(("meta", "known"), [({"name": "pmm"}, 1), ({"name": "other"}, 2), (None, 2), ("{", 2)])
def test_the_last_run_is_what_hbot_says_it_started(workspace: Workspace, meta: Any, known: int) -> None:
    workspace.database(*placed("b1", 1, "buy", "1900000"), *placed("b2", 100, "buy", "1900000"))
    if meta is not None:
        (workspace.data / "bot").mkdir()
        content = meta if isinstance(meta, str) else json.dumps(meta | {"started_at": at(90)})
        (workspace.data / "bot" / "meta.json").write_text(content)
    assert len(read_session(workspace.root).quotes) == known


# --- The connector's record alone -------------------------------------------------------------------------------------
def test_the_record_alone_is_enough(workspace: Workspace) -> None:
    workspace.record(
        start(),
        book(1, "1901000.5"),
        book(2, None),
        line(1, "balance", currency="BTC", total="1.5", available="1"),
        order(1, "b1", "buy", "1900000"),
        opened(1.01, "b1"),
        line(1.01, "latency", id="b1", measure="place open", ms=12.5),
        order(1, "s1", "sell", None, "0.001"),
        ended(1.2, "s1", "failed"),
        trade(2.5, "b1", "buy", "1900000", "0.00123456", "-0.190000001"),
        ended(2.6, "b1", "filled"),
        incident(3, "account socket lost", "Gone."),
        incident(3.7, "account socket back"),
        incident(4, "book dropped", "Dropped.", pair="BTC-ZAR"),
        incident(5, "something new", "BTC-ZAR did it.", pair="BTC-ZAR"),
        line(5, "of a later version"),
        stop(6, fills=1, strays=0),
    )
    session = read_session(workspace.root)
    assert (session.strategy, session.begin, session.end) == ("", BEGIN, at(6))
    assert session.quotes == (
        Quote(MARKET, "s1", "sell", None, Decimal("0.001"), at(1), at(1.2), "failed"),
        Quote(MARKET, "b1", "buy", Decimal(1900000), Decimal("0.002"), at(1.01), at(2.6), "filled"),
    )
    fee = (Decimal("-0.190000001"), "ZAR")
    assert session.fills == (
        Fill(MARKET, "t-b1", "b1", "buy", Decimal(1900000), Decimal("0.00123456"), at(2.5), (fee,)),
    )
    assert session.mids == {MARKET: (Mid(at(1), Decimal("1901000.5")), Mid(at(2), None), Mid(at(6), None))}
    assert session.holdings == {("valr", "BTC"): (Holding(at(1), Decimal("1.5")),)}
    assert session.incidents == (
        Incident(at(3), "account socket lost", "Gone.", at(3.7)),
        Incident(at(4), "book dropped", "BTC-ZAR: Dropped."),
        Incident(at(5), "something new", "BTC-ZAR did it."),
    )
    assert session.latencies is not None
    assert [(each.name, each.count, each.median) for each in session.latencies] == [("place open", 1, 12.5)]
    assert session.counters == {"fills": 1, "strays": 0}
    assert session.notes == ("Hummingbot's own database has no orders of this run: the strategy's name is not known.",)
    assert session.sources == ("the session record of valr (orders over websocket, book feed l1)",)


def test_a_fill_learnt_late_happened_when_valr_says(workspace: Workspace) -> None:
    workspace.record(
        start(),
        trade(40, "b1", "buy", "1", "1", traded_at=at(10)),
        trade(41, "b2", "buy", "1", "1", traded_at=at(41.5)),
        trade(42, "b3", "buy", "1", "1", traded_at=None),
        stop(50),
    )
    assert [fill.time for fill in read_session(workspace.root).fills] == [at(10), at(41), at(42)]


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "{",
        "[]",
        "7",
        "[" * 100_000,
        '{"kind": "book"}',
        '{"t": NaN, "kind": "book", "pair": "BTC-ZAR", "mid": "1"}',
        '{"t": true, "kind": "stop"}',
        line(-1e12, "stop"),
        line(1, "book", pair="BTCZAR", mid="1"),
        line(1, "book", pair="BTC-ZAR", mid="NaN"),
        line(1, "book", pair="BTC-ZAR", mid=1.5),
        line(1, "book", pair="BTC-ZAR", mid="much"),
        order(1, "b1", "both", "1"),
        trade(1, "b1", "buy", "1", "1", fee="1e999999999"),
        line(1, "latency", measure="place open", ms="1"),
        line(1, "stop", counters=[]),
        line(1, ["unhashable"]),  # type: ignore[arg-type]
    ],
)
def test_unreadable_lines_are_left_out_and_said(workspace: Workspace, bad: dict[str, Any] | str) -> None:
    workspace.record(
        "before any start", stop(0), start(), opened(0, "of an earlier run"), order(1, "a", "buy", "5"), bad, stop(9)
    )
    session = read_session(workspace.root)
    assert [quote.client_order_id for quote in session.quotes] == ["a"]
    assert "1 lines of the session record of valr could not be read." in session.notes
    assert not any("no end" in note for note in session.notes)


def test_a_killed_bot_leaves_half_a_line(workspace: Workspace) -> None:
    path = workspace.record(start(), order(1, "a", "buy", "5"))
    with path.open("ab") as file:
        file.write(b'{"t":1795262405.5,"kind":"bo\xff')
    notes = read_session(workspace.root).notes
    assert "The session record of valr has no end: the bot still runs, or was killed." in notes
    assert "1 lines of the session record of valr could not be read." in notes


def test_a_record_that_grew_too_long_goes_on_in_the_next_file(workspace: Workspace) -> None:
    workspace.record(start(), order(1, "a", "buy", "5"), old=True)
    workspace.record(start(2, continued=True), ended(3, "a", "cancelled"), stop(4))
    session = read_session(workspace.root)
    assert [(quote.begin, quote.end) for quote in session.quotes] == [(at(1), at(3))]
    assert not any("beginning" in note for note in session.notes)


def test_the_beginning_of_a_record_may_be_gone(workspace: Workspace) -> None:
    workspace.record(start(2, continued=True), order(3, "a", "buy", "5"), stop(4))
    notes = read_session(workspace.root).notes
    assert "The session record of valr had grown too long: its beginning is gone." in notes


def test_a_connector_that_starts_again_is_one_run(workspace: Workspace) -> None:
    workspace.record(start(), order(1, "a", "buy", "5"), stop(2, fills=3), start(3), order(4, "b", "buy", "5"))
    session = read_session(workspace.root)
    assert (session.begin, len(session.quotes), session.counters) == (BEGIN, 2, {"fills": 3})
    assert any("has no end" in note for note in session.notes)


# --- Both -------------------------------------------------------------------------------------------------------------
def test_the_record_is_taken_before_the_database(workspace: Workspace) -> None:
    workspace.database(
        *placed("old", -50, "sell", "1902000"),
        *placed("b1", 0, "buy", "1900000"),
        filled("b1", 2, "buy", "1900000", "0.001234", (("0.19", "ZAR"),)),
    )
    workspace.record(
        start(),
        order(0.5, "b1", "buy", "1900000"),
        ended(0.7, "old", "cancelled"),
        trade(2.5, "b1", "buy", "1900000", "0.00123456", "0.19"),
        ended(2.5, "b1", "filled"),
        stop(9),
    )
    session = read_session(workspace.root)
    assert [(quote.client_order_id, quote.begin, quote.ending) for quote in session.quotes] == [
        ("b1", at(0.5), "filled")
    ]
    assert [(fill.time, fill.amount) for fill in session.fills] == [(at(2.5), Decimal("0.00123456"))]
    assert session.notes == ()
    whole = read_session(workspace.root, since=at(-100))
    assert [(quote.client_order_id, quote.begin, quote.end) for quote in whole.quotes] == [
        ("old", at(-50), at(0.7)),
        ("b1", at(0.5), at(2.5)),
    ]


def test_fills_that_the_two_records_do_not_share_are_counted_and_said(workspace: Workspace) -> None:
    workspace.database(
        *placed("b1", 1, "buy", "5"),
        filled("b1", 2, "buy", "5", "1"),
        filled("b2", 3, "buy", "5", "1"),
        filled("b4", 3, "buy", "5", "1", market=Market("binance", "BTC-USDT")),
    )
    workspace.record(start(), trade(2, "b1", "buy", "5", "2"), trade(3, "b3", "buy", "5", "1"), stop(9))
    session = read_session(workspace.root)
    assert {fill.client_order_id: fill.amount for fill in session.fills} == {"b1": 2, "b2": 1, "b3": 1, "b4": 1}
    assert session.notes == (
        "Fills that in Hummingbot's database are missing in the session record; they are counted: 1.",
        "Fills that in the session record are missing in Hummingbot's database; they are counted: 1.",
        "Fills that differ between the session record and Hummingbot's database; the record's are counted: 1.",
    )


RUNS = [
    start(0, "1"),
    order(1, "a", "buy", "5"),
    stop(9, "1", fills=1),
    start(100, "2"),
    book(101, "7"),
    order(101, "b", "buy", "5"),
    stop(109, "2", fills=2),
]


@pytest.mark.parametrize(
    ("strategy", "since", "orders", "fills"),
    [
        (None, None, ["b"], 2),
        ("pmm", None, ["a"], 1),
        ("conf/strategies/xemm.yml", None, ["b"], 2),
        (None, at(-10), ["a", "b"], 3),
        (None, at(50), ["b"], 2),
    ],
)
def test_which_run_is_reported(
    workspace: Workspace, strategy: str | None, since: float | None, orders: list[str], fills: int
) -> None:
    workspace.database(*placed("a", 1, "buy", "5"), *placed("b", 101, "buy", "5", file="xemm.yml"))
    workspace.record(*RUNS)
    session = read_session(workspace.root, strategy, since)
    assert [quote.client_order_id for quote in session.quotes] == orders
    assert session.counters == {"fills": fills}


def test_a_strategy_from_before_the_record_is_told_from_the_database(workspace: Workspace) -> None:
    workspace.database(*placed("z", -500, "buy", "5"))
    workspace.record(*RUNS)
    session = read_session(workspace.root, "pmm.yml")
    assert ([quote.client_order_id for quote in session.quotes], session.incidents) == (["z"], None)


def test_the_database_named_for_the_strategy_comes_first(workspace: Workspace) -> None:
    (workspace.data / "broken.sqlite").write_text("this is no database, and nobody asked for it")
    workspace.database(*placed("a", 1, "buy", "5"))
    assert read_session(workspace.root, "pmm.yml").configuration == "pmm.yml"


# --- Nothing to report ------------------------------------------------------------------------------------------------
def test_a_folder_in_which_no_bot_has_run(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="has no folder 'data': no bot has run there"):
        read_session(tmp_path)


def empty(workspace: Workspace) -> None:
    """Leave it so."""


def without_orders(workspace: Workspace) -> None:
    workspace.database()


def without_tables(workspace: Workspace) -> None:
    (workspace.data / "pmm.sqlite").touch()


def damaged(workspace: Workspace) -> None:
    (workspace.data / "pmm.sqlite").write_bytes(b"\x07 nothing like a database" * 100)


def unknown_columns(workspace: Workspace) -> None:
    with closing(sqlite3.connect(workspace.data / "pmm.sqlite")) as database, database:
        database.execute('CREATE TABLE "Order" (id, config_file_path)')


def a_folder(workspace: Workspace) -> None:
    (workspace.data / "pmm.sqlite").mkdir()


def of_long_ago(workspace: Workspace) -> None:
    workspace.database(*placed("a", 1, "buy", "5"))


def record_is_a_folder(workspace: Workspace) -> None:
    (workspace.data / "valr_session.jsonl").mkdir()


@pytest.mark.parametrize(
    ("make", "strategy", "message"),
    [
        (empty, None, r"neither a database of Hummingbot \(\*.sqlite\) nor a session record"),
        (without_orders, None, "pmm.sqlite holds no orders: the bot has not placed any yet"),
        (without_orders, "pmm.yml", "orders of the strategy pmm.yml. There are no orders at all."),
        (without_tables, None, "no such table: Order.*not written by a Hummingbot this report knows"),
        (unknown_columns, None, "no such column.*not written by a Hummingbot this report knows"),
        (damaged, None, r"not a database\). It is damaged"),
        (a_folder, None, r"pmm.sqlite cannot be read \(.*may you read it"),
        (of_long_ago, None, "holds no orders of pmm.yml since then. Ask for an earlier time"),
        (of_long_ago, "xemm", "orders of the strategy xemm. There are orders of: pmm.yml."),
        (record_is_a_folder, None, "session record .* cannot be read: Is a directory"),
    ],
)
def test_what_cannot_be_reported_is_said(workspace: Workspace, make: Any, strategy: str | None, message: str) -> None:
    make(workspace)
    since = at(1000) if make is of_long_ago and strategy is None else None
    with pytest.raises(ReportError, match=message):
        read_session(workspace.root, strategy, since)


def test_a_database_that_is_held_is_said(workspace: Workspace) -> None:
    path = workspace.database(*placed("a", 1, "buy", "5"))
    with closing(sqlite3.connect(path)) as database:
        database.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ReportError, match=r"database is locked\). Another program holds it: try again"):
            read_session(workspace.root)


# --- Times ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("all", 0.0),
        ("90m", at(-5400)),
        ("2 h", at(-7200)),
        ("1.5d", at(-129600)),
        (" 30s ", at(-30)),
        ("2026-11-21", at(-50400)),
        ("2026-11-21T11:30", at(-9000)),
        ("2026-11-21T11:30Z", at(-1800)),
    ],
)
def test_times_as_people_write_them(text: str, time: float) -> None:
    assert parse_since(text, BEGIN, timezone(timedelta(hours=2))) == time


@pytest.mark.parametrize("text", ["", "yesterday", "12", "2026-13-01", "5 weeks"])
def test_what_is_no_time_is_said(text: str) -> None:
    with pytest.raises(ReportError, match=r"is no time\. Write how long ago"):
        parse_since(text, BEGIN, UTC)
