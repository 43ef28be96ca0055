"""What the demo reads: the exchange's ledger and feed, the bot's log and database, and what is installed."""

import re
import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console

from hummingbot.connector.exchange.valr.valr_latency import LatencyRecorder
from hummingbot_valr import demo_home, demo_view
from hummingbot_valr.demo_facts import Balance, Ledger, LedgerOrder, Touch, Trade, parse_ledger, parse_touch
from hummingbot_valr.demo_log import BotLog, Latency, Quote, read_latencies
from hummingbot_valr.demo_promises import Verdict
from hummingbot_valr.demo_record import RecordedFill, RecordedOrder, as_recorded, read_record
from hummingbot_valr.demo_times import Spread, deciding_quote, spread
from hummingbot_valr.demo_watch import ExchangeClient, Watch

ORDER_ROW = {
    "orderId": "x1",
    "customerOrderId": "buy-1",
    "side": "buy",
    "price": "1898100",
    "quantity": "0.002",
    "filled": "0.001",
    "status": "Placed",
    "createdAt": "2026-11-21T11:20:01.010Z",
    "endedAt": None,
}
TRADE_ROW = {
    "id": "t1",
    "orderId": "x1",
    "customerOrderId": "buy-1",
    "side": "buy",
    "price": "1898100",
    "quantity": "0.001",
}


def ledger_of(*trades: dict[str, str]) -> Ledger:
    balances = {"ZAR": {"available": "10", "reserved": "5.5", "total": "15.5"}}
    rows = [TRADE_ROW | trade for trade in trades]
    return parse_ledger(
        {"orders": [ORDER_ROW], "trades": rows, "balances": balances, "openOrders": 1, "mostOpenOrders": 2}
    )


def test_a_ledger_is_read_exactly() -> None:
    ledger = ledger_of(
        {"fee": "0.0000018", "feeCurrency": "BTC"},
        {"makerReward": "0.19", "makerRewardCurrency": "ZAR"},
        {"fee": "0", "feeCurrency": "BTC"},
    )
    (order,) = ledger.orders
    assert (order.created_at, order.ended_at, order.filled) == (1795260001.01, None, Decimal("0.001"))
    fees = [trade.fees for trade in ledger.trades]
    assert fees == [((Decimal("0.0000018"), "BTC"),), ((Decimal("-0.19"), "ZAR"),), ()]
    assert ledger.balances == {"ZAR": Balance(Decimal(10), Decimal("15.5"))}
    assert (ledger.open_orders, ledger.most_open) == (1, 2)


def test_a_touch_may_lack_a_side() -> None:
    whole = parse_touch({"d": {"a": [["102", "1"]], "b": [["101", "2"]]}}, 5.0)
    assert (whole, whole.mid) == (Touch(5.0, Decimal(101), Decimal(102)), Decimal("101.5"))
    assert parse_touch({"d": {"a": [], "b": [["101", "2"]]}}, 5.0).mid is None


def test_the_log_is_read_past_everything_else() -> None:
    log = BotLog()
    log.feed(
        "2026-11-21 11:20:00,001 - 7 - a.b - INFO - (BTC-ZAR) Creating 2 ask orders at (Size, Price): "
        "['0.002 BTC, 1.90158E+6 ZAR', '0.002 BTC, 1902530 ZAR']\n"
        "Winding down...\n"
        "2026-11-21 11:20:00,002 - 7 - a.b - EVENT_LOG - "
        '{"event_name": "OrderCancelledEvent", "order_id": "x"}\n'
        "2026-11-21 11:20:00,003 - 7 - a.b - WARNING - careful\n"
        "2026-11-21 11:20:00,004 - 7 - a.b - CRITICAL - too late\n"
        "Traceback (most recent call last):\n"
    )
    assert log.quotes == [Quote(1795260000.001, "sell", (Decimal(1901580), Decimal(1902530)))]
    assert log.warnings == ["careful"]
    assert log.errors == ["too late", "Traceback (most recent call last):"]
    assert log.book_troubles == []


LATENCY_HEAD = "Latency in ms (p50 / p99 / max, count): "


@pytest.mark.parametrize(
    ("line", "latencies"),
    [
        (
            LATENCY_HEAD + "place reply 1.20 / 3.40 / 9.90 (120); cancel end none",
            {"place reply": Latency(1.2, 3.4, 9.9, 120), "cancel end": None},
        ),
        (LATENCY_HEAD + "event age 0.00 / 0.00 / 1234567.89 (1)", {"event age": Latency(0.0, 0.0, 1234567.89, 1)}),
        (LATENCY_HEAD + "place reply 1.20 / 3.40 (120); event age none", {"event age": None}),
        (LATENCY_HEAD, {}),
    ],
)
def test_latencies_are_read(line: str, latencies: dict[str, Latency | None]) -> None:
    assert read_latencies(line) == latencies


def test_the_connectors_own_line_of_latencies_is_understood() -> None:
    recorder = LatencyRecorder()
    assert set(read_latencies(recorder.line()).values()) == {None}
    recorder.placing("one", 1.0)
    recorder.place_replied("one", 1.5)
    latencies = read_latencies(recorder.line())
    assert latencies["place reply"] == Latency(pytest.approx(500, rel=0.05), pytest.approx(500, rel=0.05), 500.0, 1)
    assert len(latencies) == 5


def test_the_last_line_of_latencies_counts() -> None:
    log = BotLog()
    for count in (3, 4):
        log.feed(f"2026-11-21 11:20:00,003 - 7 - a.b - INFO - {LATENCY_HEAD}place open 1.00 / 2.00 / 3.00 ({count})\n")
    assert log.latencies == {"place open": Latency(1.0, 2.0, 3.0, 4)}


def test_a_percentage_is_no_fee_of_a_fill() -> None:
    log = BotLog()
    log.feed(
        "2026-11-21 11:20:00,002 - 7 - a.b - EVENT_LOG - "
        '{"event_name": "OrderFilledEvent", "order_id": "buy-1", "exchange_order_id": "x1", "exchange_trade_id": "t1",'
        ' "trade_type": "TradeType.BUY", "price": "1", "amount": "2",'
        ' "trade_fee": {"percent": "0.1", "percent_token": null, "flat_fees": []}}\n'
    )
    assert log.trades[0].fees == ((Decimal("0.1"), "%"),)


def test_a_log_is_followed_in_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "bot.log"
    watch = Watch(ExchangeClient(None, ""), "BTCZAR", path)  # type: ignore[arg-type]
    watch.read_log()
    path.write_text("2026-11-21 11:20:00,003 - 7 - a.b - WARNING - first\n2026-11-21 11:20:00,003 - 7 - a.b - WAR")
    watch.read_log()
    assert watch.log.warnings == ["first"]
    with path.open("a") as file:
        file.write("NING - second\n")
    watch.read_log()
    assert watch.log.warnings == ["first", "second"]


def test_the_database_is_read_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "bot.sqlite"
    with sqlite3.connect(path) as database:
        database.executescript(
            """
            CREATE TABLE "Order" (id, exchange_order_id, price, amount);
            CREATE TABLE OrderStatus (id INTEGER PRIMARY KEY, order_id, status);
            CREATE TABLE TradeFill (exchange_trade_id, order_id, trade_type, price, amount, trade_fee);
            INSERT INTO "Order" VALUES ('buy-1', 'x1', 1898100000000, 2000), ('buy-2', NULL, 1, 2);
            INSERT INTO OrderStatus (order_id, status) VALUES ('buy-1', 'BuyOrderCreated'), ('buy-1', 'OrderCancelled');
            INSERT INTO TradeFill VALUES ('t1', 'buy-1', 'BUY', 1, 2,
                '{"percent": "0", "flat_fees": [{"token": "BTC", "amount": "0.0000018"}]}');
            """
        )
    record = read_record(path)
    first = RecordedOrder("buy-1", "x1", 1898100000000, 2000, ("BuyOrderCreated", "OrderCancelled"))
    assert record.orders == {"buy-1": first, "buy-2": RecordedOrder("buy-2", "", 1, 2, ())}
    assert record.fills == (RecordedFill("t1", "buy-1", "buy", 1, 2, ((Decimal("0.0000018"), "BTC"),)),)
    with pytest.raises(sqlite3.Error):
        read_record(tmp_path / "none.sqlite")
    assert not (tmp_path / "none.sqlite").exists()


def test_what_the_database_cuts_off() -> None:
    assert as_recorded(Decimal("0.00123456")) == 1234


def test_percentiles_are_of_the_nearest_rank() -> None:
    assert spread([]) is None
    assert spread([3.0]) == Spread(1, 3.0, 3.0, 3.0, 3.0)
    assert spread([float(number) for number in range(100, 0, -1)]) == Spread(100, 50.0, 95.0, 99.0, 100.0)


def test_an_order_comes_from_the_last_decision_for_its_side() -> None:
    order = LedgerOrder("x", "buy-1", "buy", Decimal(2), Decimal(1), Decimal(0), "Placed", 10.0, None)
    quotes = [
        Quote(8.0, "buy", (Decimal(2), Decimal(1))),
        Quote(9.0, "sell", (Decimal(3),)),
        Quote(11.0, "buy", (Decimal(2),)),
    ]
    assert deciding_quote(order, quotes) == quotes[0]
    assert deciding_quote(order, [Quote(9.5, "buy", (Decimal(7),))]) is None
    assert deciding_quote(order, quotes[1:]) is None


def test_a_change_of_hummingbot_is_noticed(tmp_path: Path) -> None:
    package = tmp_path / "hummingbot"
    connector = package / "connector" / "exchange" / "valr"
    connector.mkdir(parents=True)
    (package / "__pycache__").mkdir()
    (package / "VERSION").write_text("1")
    before = demo_home.fingerprint(package)
    assert list(before) == ["hummingbot/VERSION"]
    (package / "__pycache__" / "a.pyc").write_text("")
    (connector / "valr_exchange.py").write_text("")
    assert demo_home.changes(before, demo_home.fingerprint(package)) == []
    (package / "VERSION").write_text("2")
    (package / "new.py").write_text("")
    (tmp_path / "conf").mkdir()
    assert demo_home.changes(before, demo_home.fingerprint(package)) == [
        "conf was created",
        "hummingbot/VERSION was changed",
        "hummingbot/new.py was created",
    ]
    assert demo_home.changes(before, {}) == ["hummingbot/VERSION was removed"]


def test_keys_in_clear_are_noticed(tmp_path: Path) -> None:
    kept = tmp_path / "valr_loopback.yml"
    assert not demo_home.keeps_secret(kept, "hush")
    kept.write_text("api_secret: 7b22")
    assert demo_home.keeps_secret(kept, "hush")
    kept.write_text("api_secret: hush")
    assert not demo_home.keeps_secret(kept, "hush")


def shown(content: object) -> str:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(content)
    return capture.get()


def test_the_view_shows_what_is_known() -> None:
    watch = Watch(ExchangeClient(None, ""), "BTCZAR", Path("none"))  # type: ignore[arg-type]
    assert "no prices yet" in shown(demo_view.live_view(watch, "demo", ["ZAR"]))
    assert "no times yet" in demo_view.plain_line(watch)
    watch.ledger = ledger_of({"fee": "0.0000018", "feeCurrency": "BTC"})
    watch.touches = [Touch(1.0, Decimal(1898100), None)]
    watch.log.quotes = [Quote(1795260001.0, "buy", (Decimal(1898100),))]
    view = shown(demo_view.live_view(watch, "demo", ["ZAR"]))
    for text in ("bid 1898100  ask none", "15.5 ZAR (10 free)", "1 placed", "0.0000018 BTC", "10 / 10 ms"):
        assert text in view
    watch.log.created = {"buy-1": 1795260001.02}
    assert "place 10 / 10 ms, known 20 / 20 ms" in demo_view.plain_line(watch)
    watch.ledger = Ledger(trades=(Trade("t", "x", "b", "sell", Decimal(1), Decimal(1), ()),))
    assert "none" in shown(demo_view.live_view(watch, "demo", []))


def test_latencies_of_both_sides_stand_together() -> None:
    watch = Watch(ExchangeClient(None, ""), "BTCZAR", Path("none"))  # type: ignore[arg-type]
    watch.ledger = ledger_of({"fee": "0.0000018", "feeCurrency": "BTC"})
    watch.log.quotes = [Quote(1795260001.0, "buy", (Decimal(1898100),))]
    outside = [
        ["times in ms, those of a cut socket included", "median", "99 %", "max", "count"],
        ["from outside: decision to place at the exchange", "10", "10", "10", "1"],
        ["from outside: decision to place known to the bot", "-", "-", "-", "0"],
        ["from outside: decision to cancel at the exchange", "-", "-", "-", "0"],
        ["from outside: decision to cancel known to the bot", "-", "-", "-", "0"],
    ]
    *table, missing = demo_view.latencies(watch).splitlines()
    assert [re.split("  +", line) for line in table] == outside
    assert missing == "by the connector: its log has no line about latency"
    watch.log.latencies = {"place reply": Latency(1.2, 3.4, 1234.56, 120), "cancel end": None}
    table = demo_view.latencies(watch).splitlines()
    assert [re.split("  +", line) for line in table] == [
        *outside,
        ["by the connector: place reply", "1.20", "3.40", "1234.56", "120"],
        ["by the connector: cancel end", "-", "-", "-", "0"],
    ]
    assert len(set(map(len, table))) == 1


def test_the_summary_names_held_and_broken() -> None:
    verdicts = [Verdict("1 one", True, "because [of] this"), Verdict("2 two", False, "because of that")]
    assert demo_view.plain_summary(verdicts) == "1 one: held (because [of] this)\n2 two: broken (because of that)"
    table = shown(demo_view.summary(verdicts))
    for text in ("held", "broken", "because [of] this"):
        assert text in table
