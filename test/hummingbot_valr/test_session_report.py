"""The session report as its reader gets it: the page, and the command that writes it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, timedelta, timezone
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
import typer
from typer.testing import CliRunner

from hummingbot_valr.session_report import report
from hummingbot_valr.session_report_facts import Bucket, Fill, Incident, Latency, Market, Mid, Quote, Session
from hummingbot_valr.session_report_page import page
from hummingbot_valr.session_report_reading import read_session
from hummingbot_valr.session_report_words import duration, exact, listed, milliseconds, money, price, signed
from test.hummingbot_valr.test_session_report_reading import (
    BEGIN,
    MARKET,
    Workspace,
    at,
    book,
    ended,
    filled,
    incident,
    line,
    opened,
    order,
    placed,
    start,
    stop,
    trade,
)

SOUTH_AFRICA = timezone(timedelta(hours=2))
SWATCHES = 2
"""The legend of prices shows one mark for each side."""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A run of ten minutes: five orders, four fills, an account socket lost for two seconds."""
    made = Workspace(tmp_path / "workspace")
    made.database(
        *placed("b1", 60, "buy", "1900000", "0.003"),
        filled("b1", 70, "buy", "1900000", "0.001", (("-0.19", "ZAR"),), trade_id="t1"),
        filled("b1", 80, "buy", "1900000", "0.00200001", (("0.000002", "BTC"),), trade_id="t2"),
        filled("s1", 100, "sell", "1902000", "0.001", (("1.902", "ZAR"),)),
        filled("s2", 310, "sell", "1903000", "0.001"),
    )
    made.record(
        start(),
        book(1, "1901000"),
        line(1, "balance", currency="BTC", total="2", available="2"),
        line(1, "balance", currency="ZAR", total="100000.5", available="100000.5"),
        order(60, "b1", "buy", "1900000", "0.003"),
        opened(60.02, "b1"),
        line(60.02, "latency", id="b1", measure="place open", ms=20.04),
        order(60, "s1", "sell", "1902000", "0.003"),
        opened(60.03, "s1"),
        line(60.03, "latency", id="s1", measure="place open", ms=30.5),
        trade(70, "b1", "buy", "1900000", "0.001", "-0.19", trade_id="t1"),
        trade(80, "b1", "buy", "1900000", "0.00200001", "0.000002", "BTC", trade_id="t2"),
        ended(80, "b1", "filled"),
        incident(90, "account socket lost", "The account socket is down."),
        incident(92, "account socket back"),
        trade(100, "s1", "sell", "1902000", "0.001", "1.902"),
        ended(110, "s1", "cancelled"),
        line(110, "latency", id="s1", measure="cancel end", ms=12.0),
        order(300, "s2", "sell", "1903000", "0.001"),
        opened(300, "s2"),
        trade(310, "s2", "sell", "1903000", "0.001"),
        ended(310, "s2", "filled"),
        order(320, "b2", "buy", "1", "0.001"),
        ended(320, "b2", "failed"),
        book(400, "1900000"),
        order(500, "b3", "buy", "1899000", "0.001"),
        opened(500, "b3"),
        stop(600, orders_sent=5),
    )
    return made


@pytest.fixture
def html(workspace: Workspace) -> str:
    return page(read_session(workspace.root), SOUTH_AFRICA)


def read(html: str) -> Element:
    return ElementTree.fromstring(html)


def drawings(root: Element, size: str = "wide") -> list[Element]:
    return [each for each in root.iter("svg") if each.get("class") == size]


def classes(root: Element) -> list[str]:
    return [each.get("class", "") for each in root.iter()]


def marks(root: Element, side: str) -> int:
    return classes(root).count(f"fill {side}")


def cells(root: Element) -> list[list[str]]:
    return [["".join(cell.itertext()) for cell in row] for row in root.iter("tr")]


def words(root: Element) -> str:
    return "\n".join("".join(each.itertext()) for each in root.iter("p"))


def test_every_fill_has_its_mark_in_each_drawing(html: str) -> None:
    root = read(html)
    for size in ("wide", "narrow"):
        prices = drawings(root, size)[0]
        assert (marks(prices, "buy"), marks(prices, "sell")) == (2, 2)
    titles = [title.text for title in drawings(root)[0].iter("title")]
    assert titles[0] == "14:01:10 bought 0.001 BTC at 1,900,000.00"


def test_every_order_that_was_live_is_a_line_from_its_begin_to_its_end(html: str) -> None:
    prices = drawings(read(html))[0]
    lines = {each.get("class"): each.get("d", "") for each in prices.iter("path")}
    assert (lines["quote buy"].count("M"), lines["quote sell"].count("M")) == (2, 2)
    left, right = 92.0, 946.0
    begin, stop = (left + (right - left) * second / 600 for second in (500, 600))
    assert re.search(rf"M{begin:.1f} [0-9.]+H{stop:g}$", lines["quote buy"]), lines["quote buy"]


def test_the_totals_are_right_to_the_last_digit(html: str) -> None:
    root = read(html)
    rows = {row[0]: row[1:] for row in cells(root)}
    assert rows["bought"] == ["2", "0.00300001", "1,900,000", "5,700.019"]
    assert rows["sold"] == ["2", "0.002", "1,902,500", "3,805"]
    assert rows["together"][:2] == ["4", "0.00500001"]
    assert rows["together"][3] == "9,505.019"
    assert rows["fees in BTC"] == ["−0.000002 BTC"]
    assert rows["fees in ZAR"] == ["−1.712 ZAR"]
    # 1000 * 0.00300001 bought below the mid price, 1000 * 0.001 and 2000 * 0.001 sold above it.
    assert rows["spread captured"] == ["6.00001 ZAR"]
    assert rows["all fees, at the last price"] == ["−5.51 ZAR"]
    # Sold for 3805, bought for 5700.019, 0.00100001 BTC left at 1900000, fees of 5.512.
    assert rows["result"] == ["−0.512 ZAR"]
    assert rows["orders sent"] == ["5"]


def test_two_minutes_are_enough_for_the_words(html: str) -> None:
    said = words(read(html))
    for sentence in (
        "From 14:00:00 on 21 November 2026 until 14:10:00 (10 min), pure_market_making traded BTC-ZAR on valr.",
        "5 orders: 1 cancelled, 2 filled completely and 1 failed. 1 order without an end on record: see whether any is"
        " still live.",
        "4 fills: it bought 0.00300001 BTC at 1,900,000 on average and sold 0.002 BTC at 1,902,500 on average, 9,505.02"
        " ZAR in all.",
        "At the end the account is worth 0.512 ZAR less than without the session: +6.00 of spread captured (6.31 basis"
        " points of what was traded), −1.00 from price moves of the inventory, and 5.51 paid in fees.",
        "It holds 0.00099801 BTC more than at the beginning.",
        "Speed: half of the orders were proven open within 20.0 ms (99 % within 30.5 ms) and half of those that were"
        " cancelled were proven gone within 12.0 ms (99 % within 12.0 ms).",
        "1 incident: account socket lost once (over after 2.0 s).",
        "all times are UTC+02:00",
    ):
        assert sentence in said


def test_incidents_are_on_the_time_line_and_in_words(html: str) -> None:
    root = read(html)
    assert ["14:01:30", "account socket lost", "2.0 s", "The account socket is down."] in cells(root)
    assert classes(drawings(root)[-1]).count("incident") == 1
    shade = next(each.get("d", "") for each in drawings(root)[0].iter("path") if each.get("class") == "shade")
    assert shade.count("M") == 1


def test_latencies_are_drawn_as_distributions(html: str) -> None:
    latencies = next(each for each in drawings(read(html)) if "Distributions" in each.get("aria-label", ""))
    assert classes(latencies).count("bar") == 3
    texts = [each.text for each in latencies.iter("text")]
    assert "place open: median 20.0, 99 % 30.5, max 30.5 ms" in texts


VOID = {"meta", "path", "line", "rect", "g", "svg"}


def check(html: str) -> Element:
    """Whatever the record: well-formed for both kinds of parsers, in need of nothing, and drawn within its frame."""
    root = read(html)
    assert set(re.findall(r"<(\w+)[^<>]*/>", html)) <= VOID
    assert not re.search(r"https?://|//\w|\bsrc=|\bhref=|url\(|@import", html)
    assert not {"script", "link", "img", "iframe", "object"} & {each.tag for each in root.iter()}
    assert not any(name.startswith("on") for each in root.iter() for name in each.attrib)
    style = resources.files("hummingbot_valr").joinpath("session_report.css").read_text(encoding="utf-8")
    known = set(re.findall(r"\.([a-z-]+)", style))
    assert {name for value in classes(root) for name in value.split()} - {"tick", "wide", "narrow"} <= known
    for drawing in (*drawings(root), *drawings(root, "narrow")):
        _, _, width, height = map(float, drawing.get("viewBox", "").split())
        for text in drawing.iter("text"):
            assert 0 <= float(text.get("x", "nan")) <= width, text.text
            assert 0 <= float(text.get("y", "nan")) <= height, text.text
        for path in drawing.iter("path"):
            assert re.fullmatch(r"([MLHVZ ]|-?\d+(\.\d)?)*", path.get("d", ""))
    return root


def test_the_page_needs_nothing_else(html: str) -> None:
    check(html)
    assert html.startswith("<!DOCTYPE html>\n<html")
    assert "default-src 'none'" in html
    assert "prefers-color-scheme: dark" in html


EVIL = "<script>alert('x')</script>&\x00\x1b[31m"


def quotes(count: int, step: float = 1.0) -> Iterator[Quote]:
    for index in range(count):
        side = "sell" if index % 2 else "buy"
        begin = BEGIN + index * step
        yield Quote(MARKET, f"o{index}", side, Decimal(100 + index % 7), Decimal(1), begin, begin + step, "cancelled")


def fills(count: int, step: float = 1.0, market: Market = MARKET) -> Iterator[Fill]:
    for index in range(count):
        side = "sell" if index % 2 else "buy"
        yield Fill(market, f"t{index}", "o", side, Decimal(100 + index % 7), Decimal(1), BEGIN + index * step)


def mids(count: int, step: float = 1.0) -> tuple[Mid, ...]:
    return tuple(Mid(BEGIN + index * step, Decimal(100 + index % 5)) for index in range(count))


def session(seconds: float = 100.0, **facts: Any) -> Session:
    facts = {"strategy": "pmm", "configuration": "pmm.yml"} | facts
    return Session(begin=BEGIN, end=BEGIN + seconds, **facts)


ODD = {
    "nothing at all": session(0.0, strategy="", configuration=""),
    "no incident, no latency": session(incidents=(), latencies=()),
    "one order": session(0.0, quotes=tuple(quotes(1))),
    "one fill, and no order": session(0.0, fills=tuple(fills(1))),
    "two fills, and no mid price": session(fills=tuple(fills(2))),
    "a mid price, and nothing else": session(quotes=tuple(quotes(1)), mids={MARKET: mids(1)}),
    "a book that never came": session(fills=tuple(fills(3)), mids={MARKET: (Mid(BEGIN, None),)}),
    "a strange name": session(
        strategy=EVIL,
        configuration=EVIL,
        fills=tuple(fills(2, market=Market(EVIL, f"{EVIL}-{EVIL}"))),
        incidents=(Incident(at(1), EVIL, EVIL),),
        latencies=(Latency(EVIL, 1, 0, 0, 0, (Bucket(0.01, 0.1, 1),)),),
        notes=(EVIL,),
        sources=(EVIL,),
        counters={EVIL: 1},
    ),
    "a very long session": session(
        86400.0 * 30, fills=tuple(fills(1000, 2592.0)), quotes=tuple(quotes(1000, 2592.0)), mids={MARKET: mids(5)}
    ),
    "prices of almost nothing": session(
        fills=tuple(
            Fill(MARKET, "t", "o", side, Decimal("0.00000012"), Decimal("1e12"), at(second))
            for second, side in ((1, "buy"), (2, "sell"))
        )
    ),
    "incidents upon each other": session(
        incidents=tuple(Incident(at(second), "rate limited", "Again.", at(second + 9)) for second in (5, 5, 8, 50)),
        fills=tuple(fills(1)),
    ),
    "a third currency": session(
        fills=(Fill(MARKET, "t", "o", "buy", Decimal(5), Decimal(1), at(1), ((Decimal("0.1"), "VALR"),)),)
    ),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_whatever_the_record_the_page_is_whole(odd: Session) -> None:
    root = check(page(odd, UTC))
    assert len(drawings(root)) == len(drawings(root, "narrow"))


@pytest.mark.parametrize(
    ("odd", "sentence"),
    [
        ("nothing at all", "the bot placed no orders."),
        ("no incident, no latency", "No incident: no connection lost, no book dropped"),
        ("no incident, no latency", "No latency was recorded."),
        ("one order", "1 order: 1 cancelled. Nothing was filled."),
        ("incidents upon each other", "4 incidents: rate limited 4 times (over after 9.0 s at most)."),
        ("one order", "Nobody recorded incidents of this run."),
        ("one fill, and no order", "At the end the account is worth as much as without the session"),
        ("two fills, and no mid price", "1.00 ZAR more than without the session, with 0 paid in fees in it."),
        ("a third currency", "Fees in VALR have no price here: the result is without them."),
    ],
)
def test_what_there_is_to_say(odd: str, sentence: str) -> None:
    assert sentence in words(read(page(ODD[odd], UTC)))


def test_incidents_upon_each_other_are_one_shade() -> None:
    prices = drawings(read(page(ODD["incidents upon each other"], UTC)))[0]
    assert [each.get("d", "").count("M") for each in prices.iter("path") if each.get("class") == "shade"] == [2]


def test_two_markets_have_a_chapter_each() -> None:
    other = Market("binance", "BTC-USDT")
    both = session(fills=(*fills(3), *fills(2, market=other)), mids={MARKET: mids(100)})
    root = check(page(both, UTC))
    heads = [head.text for head in root.iter("h2")]
    assert heads == ["In short", "BTC-ZAR on valr", "BTC-USDT on binance", "How long orders took", "Incidents"]
    said = words(root)
    assert "traded BTC-ZAR on valr and BTC-USDT on binance" in said
    assert "BTC-USDT on binance: 0 orders." in said


def test_fills_without_a_mid_price_are_counted() -> None:
    known = (Mid(at(0), None), Mid(at(1.5), Decimal(100)))
    said = words(read(page(session(fills=tuple(fills(4)), mids={MARKET: known}), UTC)))
    assert "2 fills came while there was no mid price" in said


def test_a_day_of_many_orders_is_thinned() -> None:
    orders, trades, incidents = 20_000, 10_000, 3_000
    day = session(
        86400.0,
        quotes=tuple(quotes(orders, 4.32)),
        fills=tuple(fills(trades, 8.64)),
        mids={MARKET: mids(40_000, 2.16)},
        incidents=tuple(
            Incident(at(index * 28.8), "rate limit wait", f"Number {index}.") for index in range(incidents)
        ),
    )
    html = page(day, UTC)
    root = check(html)
    assert len(html) < 1_000_000
    prices = drawings(root)[0]
    assert 100 < marks(prices, "buy") + marks(prices, "sell") < 400
    assert "in 29 fills at on average" in html
    assert "20,000 orders are drawn as the bands in which their prices lay." in html
    assert "10,000 fills are drawn in groups of neighbours, each at its average price." in html
    listed_incidents = [row for row in cells(root) if row[1:2] == ["rate limit wait"]]
    assert len(listed_incidents) == 200
    assert listed_incidents[-1] == ["21 Nov 13:35:31", "rate limit wait", "-", "Number 199."]
    assert "And 2,800 more, which only the drawing shows." in html
    assert {row[0]: row[1] for row in cells(root)}["together"] == "10,000"
    shade = next(each for each in prices.iter("path") if each.get("class") == "shade")
    assert shade.get("d") == ""


@pytest.mark.parametrize(
    ("function", "number", "text"),
    [
        (exact, "1234567.890100", "1,234,567.8901"),
        (exact, "-1E+3", "−1,000"),
        (exact, "0.00000000012345678901", "0.00000000012345678901"),
        (money, "0", "0"),
        (money, "-12.345", "−12.34"),
        (money, "0.000123456", "0.0001235"),
        (money, "-0.1", "−0.1"),
        (signed, "1", "+1.00"),
        (signed, "-1", "−1.00"),
        (signed, "0.00", "0"),
        (price, "1900123.456789", "1,900,123.5"),
        (price, "0.123456789012", "0.12345679"),
    ],
)
def test_numbers_as_people_read_them(function: Any, number: str, text: str) -> None:
    assert function(Decimal(number)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (42.4, "42 s"),
        (60, "1 min"),
        (61.6, "1 min 2 s"),
        (3600, "1 h"),
        (3660, "1 h 1 min"),
        (3601, "1 h"),
        (86400 * 2 + 3600 * 5 + 7, "2 d 5 h"),
    ],
)
def test_times_as_people_read_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("time", "text"), [(0.126, "0.13"), (12.34, "12.3"), (5390.4, "5,390")])
def test_latencies_as_people_read_them(time: float, text: str) -> None:
    assert milliseconds(time) == text


def test_lists_as_people_read_them() -> None:
    assert [listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])] == ["a", "a and b", "a, b and c"]


# --- The command ------------------------------------------------------------------------------------------------------
def run(*arguments: object) -> Any:
    app = typer.Typer()
    app.command()(report)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_writes_one_file_and_says_where(workspace: Workspace) -> None:
    result = run("--workspace", workspace.root)
    (written,) = (workspace.root / "reports").iterdir()
    assert (result.exit_code, result.stdout) == (0, f"Wrote {written}\n")
    assert re.fullmatch(r"pmm-2026112[12]-\d{6}\.html", written.name)
    assert marks(read(written.read_text(encoding="utf-8")), "buy") == 2 * 2 + SWATCHES // 2
    again = run("--workspace", workspace.root, "--strategy", "pmm.yml", "--since", "all")
    assert again.stdout == result.stdout


def test_the_command_writes_where_it_is_told_and_says_what_is_missing(workspace: Workspace, tmp_path: Path) -> None:
    for record in workspace.data.glob("*.jsonl"):
        record.unlink()
    result = run("--workspace", workspace.root, "--out", tmp_path / "new" / "report.html")
    assert (result.exit_code, result.stdout) == (0, f"Wrote {tmp_path / 'new' / 'report.html'}\n")
    assert "There is no session record of this run" in result.stderr
    assert "No mid prices were recorded" in result.stderr


def test_what_is_wrong_is_said_in_a_sentence(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for arguments, said in (
        (("--workspace", tmp_path / "none"), "no bot has run there"),
        (("--workspace", workspace.root, "--since", "soon"), "'soon' is no time."),
        (("--workspace", workspace.root, "--out", tmp_path / "file" / "x.html"), "The report cannot be written to"),
        (("--workspace", workspace.root, "--out", tmp_path), "Is a directory. Name another file."),
    ):
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (2, ""), arguments
        assert said in result.stderr
        assert "Traceback" not in result.stderr


def test_the_module_is_a_program(workspace: Workspace) -> None:
    command = [sys.executable, "-m", "hummingbot_valr.session_report", "--out", "report.html"]
    finished = subprocess.run(command, cwd=workspace.root, capture_output=True, text=True, timeout=60, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")
    check((workspace.root / "report.html").read_text(encoding="utf-8"))
