"""Every trade of a workspace as one table (CSV), for a tax return or a spreadsheet.

Hummingbot's database has all trades, its prices and amounts cut off after six decimals; the connector's session record
has the last ones exactly, which then stand in the place of the cut ones. The exchange's own export is the authority.
"""

import csv
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Context, Decimal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hummingbot_valr.session_report_database import Configuration, Database, read_configurations, read_database
from hummingbot_valr.session_report_facts import Fill, ReportError
from hummingbot_valr.session_report_reading import parse_since
from hummingbot_valr.session_report_record import Run, read_runs
from hummingbot_valr.session_report_words import counted

COLUMNS = (
    "time",
    "exchange",
    "pair",
    "side",
    "price",
    "amount",
    "quote_value",
    "fee",
    "fee_currency",
    "order_id",
    "trade_id",
    "exact",
)
_EVERY_DIGIT = Context(prec=100)
# Hummingbot cuts the times of trades to whole seconds.
_CUT_OFF = 1.0
_FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class Trade:
    """A fill, and whether its price and amount have every digit."""

    fill: Fill
    is_exact: bool

    def row(self) -> tuple[str, ...]:
        """Write it down under ``COLUMNS``; a fee below zero is a reward, several fees are joined by a plus sign."""
        fill = self.fill
        moment = datetime.fromtimestamp(fill.time, UTC).isoformat(timespec="milliseconds")
        return (
            moment.replace("+00:00", "Z"),
            fill.market.connector,
            fill.market.pair,
            fill.side,
            plain(fill.price),
            plain(fill.amount),
            plain(_EVERY_DIGIT.multiply(fill.price, fill.amount)),
            " + ".join(plain(amount) for amount, _ in fill.fees) or "0",
            " + ".join(currency for _, currency in fill.fees),
            fill.client_order_id,
            fill.trade_id,
            "yes" if self.is_exact else "no",
        )


@dataclass(frozen=True, slots=True)
class Export:
    """Trades in the order of their times; ``notes`` say in whole sentences what to know about them."""

    trades: tuple[Trade, ...]
    notes: tuple[str, ...]


def plain(number: Decimal) -> str:
    """Write every digit of a number but zeros at its end, never an exponent."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def read_trades(workspace: Path, strategy: str | None = None, since: float = 0.0, until: float = _FOREVER) -> Export:
    """Read the trades of a workspace, from ``since`` to before ``until`` (Unix seconds).

    :param strategy: a strategy's configuration file, with or without folder and extension; all strategies if None
    :raises ReportError: there are none, or they cannot be read
    """
    data = workspace / "data"
    if not data.is_dir():
        raise ReportError(
            f"{workspace} has no folder 'data': no bot has run there. Name the folder that you start hbot in"
            " by --workspace."
        )
    runs = read_runs(data)
    databases = _read_databases(data, strategy, since - _CUT_OFF, until)
    kept = {_key(fill): Trade(fill, is_exact=False) for database in databases for fill in database.fills}
    recorded = {_key(fill): Trade(fill, is_exact=True) for run in runs for fill in run.fills}
    if strategy is not None:
        # The record does not know of strategies.
        recorded = {key: trade for key, trade in recorded.items() if key in kept}
    trades = [trade for trade in (kept | recorded).values() if since <= trade.fill.time < until]
    if not trades:
        raise ReportError(f"There are no trades on record in {data} in that time. '--since all' asks for all of them.")
    trades.sort(key=lambda trade: (trade.fill.time, trade.fill.trade_id))
    return Export(tuple(trades), tuple(_notes(trades, databases, runs)))


def write_trades(trades: Sequence[Trade], path: Path) -> Path:
    """Write a table of trades, whole or not at all; returns the absolute path.

    :raises ReportError: it cannot be written there
    """
    path = path.resolve()
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(trade.row() for trade in trades)
        unfinished.replace(path)
    except OSError as error:
        raise ReportError(f"The trades cannot be written to {path}: {error.strerror}. Name another file.") from error
    return path


def trades(
    workspace: Annotated[
        Path, typer.Option(help="The folder that the bot was run in, with data/ in it.", show_default="this folder")
    ] = Path(),
    strategy: Annotated[
        str | None, typer.Option(help="A strategy's configuration file.", show_default="all strategies")
    ] = None,
    since: Annotated[
        str, typer.Option(help="From when on: 2026-03-01, 2026-03-01T00:00+02:00, 90m, 30d (ago), all.")
    ] = "all",
    until: Annotated[str | None, typer.Option(help="Before when, written in the same way.", show_default="now")] = None,
    out: Annotated[
        Path | None, typer.Option(help="The file to write.", show_default="reports/trades.csv of the workspace")
    ] = None,
) -> None:
    """Write every trade with its fee as one table (CSV), for a tax return or a spreadsheet.

    Times are in UTC. A fee below zero is a reward. Trades that are not 'exact' are known to six decimals only.
    """
    console = Console(stderr=True)
    now, zone = time.time(), datetime.now().astimezone().tzinfo
    assert zone is not None
    try:
        end = _FOREVER if until is None else parse_since(until, now, zone)
        export = read_trades(workspace.resolve(), strategy, parse_since(since, now, zone), end)
        written = write_trades(export.trades, out or workspace / "reports" / "trades.csv")
    except ReportError as error:
        console.print(str(error), style="red", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(2) from error
    typer.echo(f"Wrote {counted(len(export.trades), 'trade')} to {written}")
    for note in export.notes:
        console.print(note, highlight=False, markup=False, soft_wrap=True)


def _read_databases(data: Path, strategy: str | None, since: float, until: float) -> list[Database]:
    configurations = [(path, each) for path in sorted(data.glob("*.sqlite")) for each in read_configurations(path)]
    wanted = [(path, each) for path, each in configurations if strategy is None or each.stem == Path(strategy).stem]
    if strategy is not None and not wanted:
        raise ReportError(f"No database in {data} has orders of the strategy {strategy}. {_known(configurations)}")
    return [read_database(path, each.file, since, until) for path, each in wanted]


def _known(configurations: list[tuple[Path, Configuration]]) -> str:
    known = sorted({each.file for _, each in configurations})
    return f"There are orders of: {', '.join(known)}." if known else "There are no orders at all."


def _key(fill: Fill) -> tuple[str, str, str]:
    return fill.market.connector, fill.trade_id, fill.client_order_id


def _notes(found: Sequence[Trade], databases: Sequence[Database], runs: Sequence[Run]) -> list[str]:
    notes = []
    if cut := sum(not trade.is_exact for trade in found):
        notes.append(
            f"{counted(cut, 'trade')} known from Hummingbot's database only, which cuts prices and amounts off after"
            " 6 decimals; they say 'no' under 'exact'. The exchange's own export has every digit."
        )
    exchanges = Counter(trade.fill.market.connector for trade in found)
    if exchanges.keys() != {"valr"}:
        by_exchange = ", ".join(f"{name} {count}" for name, count in sorted(exchanges.items()))
        notes.append(f"Trades by exchange: {by_exchange}. Those of valr_loopback and of paper trading are play money.")
    if rows := sum(len(database.unreadable) for database in databases):
        notes.append(f"{counted(rows, 'row')} of Hummingbot's database could not be read: trades may be missing.")
    if lines := sum(run.unreadable for run in runs):
        notes.append(f"{counted(lines, 'line')} of the session record could not be read: trades may be less exact.")
    return notes
