"""The page of a session report: one HTML file that needs nothing else, neither a network nor a script."""

from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo
from importlib import resources
from xml.etree.ElementTree import Element

from hummingbot_valr.session_report_charts import (
    incident_chart,
    inventory_chart,
    latency_chart,
    price_chart,
    result_chart,
    worth_chart,
)
from hummingbot_valr.session_report_drawing import element, render
from hummingbot_valr.session_report_facts import Session
from hummingbot_valr.session_report_figures import Figures, Traded, figures
from hummingbot_valr.session_report_words import (
    clock,
    counted,
    day,
    duration,
    exact,
    moment,
    money,
    price,
    signed,
    summary,
)

_INCIDENTS_LISTED = 200
_NOTHING = "-"
# Nothing of the page may be fetched from anywhere, whatever a pair or a message is called.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(session: Session, zone: tzinfo) -> str:
    """Return the report as the text of an HTML file; all times in it are of one time zone."""
    all_figures = [figures(session, market) for market in session.markets]
    title = f"Session report: {session.strategy or 'VALR'} on {day(session.begin, zone)}"
    body = element(
        "main",
        element("h1", title),
        element("p", _subtitle(session, zone), class_="soft"),
        _tiles(session, all_figures),
        element("h2", "In short"),
        *(element("p", sentence) for sentence in summary(session, all_figures, zone)),
        _notes(session),
    )
    for each in all_figures:
        body.extend(_market(session, each, zone))
    body.extend(_latencies(session))
    body.extend(_incidents(session, zone))
    body.extend(_counters(session))
    if session.sources:
        body.append(element("p", f"Made from {'; '.join(session.sources)}.", class_="soft"))
    return render(element("html", _head(title), element("body", body), lang="en"))


def _head(title: str) -> Element:
    style = resources.files("hummingbot_valr").joinpath("session_report.css").read_text(encoding="utf-8")
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", style),
    )


def _subtitle(session: Session, zone: tzinfo) -> str:
    offset = f"{datetime.fromtimestamp(session.begin, zone):%z}"
    configuration = f"{session.configuration}, " if session.configuration else ""
    return (
        f"{configuration}{clock(session.begin, zone)} to {clock(session.end, zone)}"
        f" ({duration(session.end - session.begin)}); all times are UTC{offset[:3]}:{offset[3:5]}"
    )


def _tiles(session: Session, all_figures: Sequence[Figures]) -> Element | None:
    tiles: list[tuple[str, str, str]] = []
    for each in all_figures:
        last, quote = each.last, each.market.quote
        of = f" {each.market.pair}" if len(all_figures) > 1 else ""
        if last is not None:
            tiles.append((f"Result{of}", f"{signed(last.result)} {quote}", f"{money(each.volume)} {quote} traded"))
            if each.tells_spread:
                tiles.append((f"Spread captured{of}", f"{signed(last.spread)} {quote}", "against the mid price"))
            word = "Fees" if last.fees >= 0 else "Rewards"
            tiles.append((f"{word}{of}", f"{money(abs(last.fees))} {quote}", "those in other currencies converted"))
        tiles.append((f"Fills{of}", f"{len(each.fills):,}", f"of {counted(len(each.quotes), 'order')}"))
    if session.incidents is not None:
        tiles.append(
            ("Incidents", f"{len(session.incidents):,}", "see the list below" if session.incidents else "none")
        )
    if not tiles:
        return None
    return element(
        "div",
        *(
            element("div", element("span", name), element("strong", value), element("small", detail), class_="tile")
            for name, value, detail in tiles
        ),
        class_="tiles",
    )


def _notes(session: Session) -> Element | None:
    if not session.notes:
        return None
    notes = element("ul", *(element("li", note) for note in session.notes))
    return element("aside", element("h3", "What to know about this report"), notes)


def _market(session: Session, figures: Figures, zone: tzinfo) -> Iterable[Element]:
    yield element("h2", f"{figures.market.pair} on {figures.market.connector}")
    for chart in (price_chart, inventory_chart, worth_chart, result_chart):
        drawn = chart(session, figures, zone)
        if drawn is not None:
            yield drawn
    if not figures.fills:
        yield element("p", "Nothing was filled.")
        return
    yield _trades_table(figures)
    yield _result_table(figures)
    if figures.unvalued:
        yield element("p", f"Fees in {', '.join(figures.unvalued)} have no price here: the result is without them.")
    if figures.tells_spread and figures.unmeasured:
        yield element(
            "p",
            f"{counted(figures.unmeasured, 'fill')} came while there was no mid price:"
            " the spread of these counts among the price moves.",
        )


def _trades_table(figures: Figures) -> Element:
    base, quote = figures.market.base, figures.market.quote
    head = ("", "fills", f"amount in {base}", f"average price in {quote}", f"value in {quote}")
    rows = [_traded_row("bought", figures.bought), _traded_row("sold", figures.sold)]
    rows.append(
        (
            "together",
            f"{len(figures.fills):,}",
            exact(figures.bought.amount + figures.sold.amount),
            "",
            exact(figures.volume),
        )
    )
    return table("What was traded", head, rows)


def _traded_row(name: str, traded: Traded) -> tuple[str, ...]:
    average = price(traded.average) if traded.average is not None else ""
    return name, f"{traded.fills:,}", exact(traded.amount), average, exact(traded.value)


def _result_table(figures: Figures) -> Element:
    last, quote = figures.last, figures.market.quote
    assert last is not None
    rows = [(f"fees in {currency}", f"{exact(-amount)} {currency}") for currency, amount in figures.fees.items()]
    if figures.tells_spread:
        rows += [("spread captured", f"{exact(last.spread)} {quote}"), ("price moves", f"{money(last.moves)} {quote}")]
    rows.append(("all fees, at the last price", f"{money(-last.fees)} {quote}"))
    rows.append(("result", f"{money(last.result)} {quote}"))
    return table("What it brought (below zero: paid or lost)", ("", "amount"), rows)


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> Element:
    """Build a table whose first column names the rows; it scrolls where a window is too narrow."""
    built = element("table", element("caption", title), element("tr", *(_cell("th", words) for words in head)))
    for name, *cells in rows:
        built.append(element("tr", _cell("th", name), *(_cell("td", words) for words in cells)))
    return element("div", built, class_="scroll")


def _cell(tag: str, words: str) -> Element:
    return element(tag, words or "\N{NO-BREAK SPACE}")


def _latencies(session: Session) -> Iterable[Element]:
    yield element("h2", "How long orders took")
    if session.latencies:
        yield latency_chart(session.latencies)
    else:
        yield element("p", "No latency was recorded.")


def _incidents(session: Session, zone: tzinfo) -> Iterable[Element]:
    yield element("h2", "Incidents")
    if session.incidents is None:
        yield element("p", "Nobody recorded incidents of this run.")
        return
    if not session.incidents:
        yield element("p", "None.")
        return
    yield incident_chart(session, zone)
    rows = [
        (
            moment(incident.time, session, zone),
            incident.kind,
            _NOTHING if incident.end is None else duration(incident.end - incident.time),
            incident.text,
        )
        for incident in session.incidents[:_INCIDENTS_LISTED]
    ]
    yield element("div", table("All incidents", ("time", "what", "over after", "in words"), rows), class_="words")
    if len(session.incidents) > _INCIDENTS_LISTED:
        yield element("p", f"And {len(session.incidents) - _INCIDENTS_LISTED:,} more, which only the drawing shows.")


def _counters(session: Session) -> Iterable[Element]:
    if session.counters:
        rows = [(name.replace("_", " "), f"{count:,}") for name, count in session.counters.items()]
        counts = table("Since the connector was started", ("", "count"), rows)
        yield element("details", element("summary", "What the connector counted"), counts)
