"""Finds what a workspace has on record of a run, in the connector's session record and Hummingbot's database; joins it.

The record is exact and knows mid prices, latencies and incidents; the database knows the strategy, other connectors,
and all runs from before. Either will do alone; the session's notes say what is missing then.
"""

import json
import re
from dataclasses import replace
from datetime import datetime, tzinfo
from itertools import chain
from pathlib import Path

from hummingbot_valr.demo_record import as_recorded
from hummingbot_valr.session_report_database import Configuration, Database, read_configurations, read_database
from hummingbot_valr.session_report_facts import (
    Fill,
    Holding,
    Incident,
    Latency,
    Market,
    Mid,
    Quote,
    ReportError,
    Session,
)
from hummingbot_valr.session_report_figures import latency
from hummingbot_valr.session_report_record import Run, read_runs

_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_FOREVER = float("inf")
# Hummingbot cuts the times of orders and fills to whole seconds.
_CUT_OFF = 1.0
_ALL = "all"


def parse_since(text: str, now: float, zone: tzinfo) -> float:
    """Read a time as people write it: ``2h`` (ago), ``2026-11-21``, ``2026-11-21T08:30``, or ``all``.

    :raises ReportError: it is none of these
    """
    text = text.strip()
    if text == _ALL:
        return 0.0
    if ago := _AGO.fullmatch(text):
        return now - float(ago[1]) * _SECONDS[ago[2]]
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ReportError(
            f"'{text}' is no time. Write how long ago (90m, 2h, 1d), a date or a time (2026-11-21, 2026-11-21T08:30),"
            f" or '{_ALL}'."
        ) from None
    return (time if time.tzinfo else time.replace(tzinfo=zone)).timestamp()


def read_session(workspace: Path, strategy: str | None = None, since: float | None = None) -> Session:
    """Read the last run in a workspace, or everything since a time.

    :param strategy: a strategy's configuration file, with or without folder and extension; the newest if None
    :raises ReportError: there is nothing to report, or it cannot be read
    """
    data = workspace / "data"
    if not data.is_dir():
        raise ReportError(
            f"{workspace} has no folder 'data': no bot has run there. Name the folder that you start hbot in"
            " by --workspace."
        )
    runs = read_runs(data)
    path, configuration = _find_database(data, strategy, bool(runs))
    runs, until = _choose_runs(runs, configuration if strategy else None, since)
    begin = since if since is not None else runs[0].begin if runs else _begun(data, path)
    database = Database(data)
    if path is not None and configuration is not None:
        database = read_database(path, configuration.file, begin - _CUT_OFF, until)
    session = _join(runs, database, configuration, path)
    if not (session.quotes or session.fills or runs):
        raise ReportError(_nothing(path, configuration, since is None))
    return session


# --- What there is ----------------------------------------------------------------------------------------------------
def _find_database(data: Path, strategy: str | None, has_runs: bool) -> tuple[Path | None, Configuration | None]:
    """Return the database and configuration that were asked for, else the newest; None of each if there is none."""
    paths = sorted(data.glob("*.sqlite"), key=lambda path: path.stat().st_mtime)
    if not paths and not has_runs:
        raise ReportError(
            f"{data} holds neither a database of Hummingbot (*.sqlite) nor a session record (*_session.jsonl): there is"
            " nothing to report yet. Let the bot place an order first."
        )
    if strategy is None:
        path = paths[-1] if paths else None
        return path, max(read_configurations(path), key=lambda each: each.last, default=None) if path else None
    stem = Path(strategy).stem
    # The database that is named for the strategy first: it is the only one that has to be readable.
    for path in sorted(paths, key=lambda path: path.stem != stem):
        for configuration in reversed(read_configurations(path)):
            if configuration.stem == stem:
                return path, configuration
    known = sorted({each.file for path in paths for each in read_configurations(path)})
    raise ReportError(
        f"No database in {data} has orders of the strategy {strategy}. "
        + (f"There are orders of: {', '.join(known)}." if known else "There are no orders at all.")
    )


def _choose_runs(runs: list[Run], configuration: Configuration | None, since: float | None) -> tuple[list[Run], float]:
    """Return the runs since a time, or else the last one that may have placed a configuration's orders.

    With them comes until when the session lasted at most: a later run is another session.
    """
    if since is not None:
        return [run for run in runs if run.end >= since], _FOREVER
    fitting = [
        run for run in runs if configuration is None or run.begin - _CUT_OFF <= configuration.last <= run.end + _CUT_OFF
    ]
    begins = [run.begin for run in runs if fitting and run.begin > fitting[-1].begin]
    return fitting[-1:], min(begins, default=_FOREVER)


def _begun(data: Path, path: Path | None) -> float:
    """Return when hbot started the bot last, 0 if that cannot be told."""
    try:
        meta = json.loads((data / "bot" / "meta.json").read_text(encoding="utf-8"))
        return float(meta["started_at"]) if path is not None and meta["name"] == path.stem else 0.0
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0


def _nothing(path: Path | None, configuration: Configuration | None, is_last: bool) -> str:
    where = f"Hummingbot's database {path}" if path else "The workspace"
    if configuration is None:
        return f"{where} holds no orders: the bot has not placed any yet, so there is nothing to report."
    when = "in the last run" if is_last else "since then"
    return (
        f"{where} holds no orders of {configuration.file} {when}. Ask for an earlier time by --since, or '--since all'."
    )


# --- Joined -----------------------------------------------------------------------------------------------------------
def _join(runs: list[Run], database: Database, configuration: Configuration | None, path: Path | None) -> Session:
    quotes, fills = _quotes(runs, database), _fills(runs, database)
    times = [time for quote in quotes for time in (quote.begin, quote.end) if time is not None]
    times += [fill.time for fill in fills] + [time for run in runs for time in (run.begin, run.end)]
    mids = _mids(runs, database)
    return Session(
        strategy=configuration.strategy if configuration else "",
        configuration=configuration.file if configuration else "",
        begin=min(times, default=0.0),
        end=max(times, default=0.0),
        quotes=quotes,
        fills=fills,
        mids=mids,
        holdings=_holdings(runs),
        counters=_counters(runs),
        latencies=_latencies(runs) if runs else None,
        incidents=_incidents(runs) if runs else None,
        notes=tuple(_notes(runs, database, configuration, mids)),
        sources=tuple(_sources(runs, database, path)),
    )


def _quotes(runs: list[Run], database: Database) -> tuple[Quote, ...]:
    """Take each order from the record if it is there; the record also knows the ends of orders it has no begin of."""
    quotes = {quote.client_order_id: quote for quote in database.quotes}
    for run in runs:
        quotes |= run.quotes
        for identifier, (end, ending) in run.ends.items():
            if identifier in quotes:
                quotes[identifier] = replace(quotes[identifier], end=end, ending=ending)
    return tuple(sorted(quotes.values(), key=lambda quote: quote.begin))


def _fills(runs: list[Run], database: Database) -> tuple[Fill, ...]:
    """Take each fill from the record if it is there, once."""
    fills = {(fill.market.connector, fill.trade_id, fill.client_order_id): fill for fill in database.fills}
    for fill in chain.from_iterable(run.fills for run in runs):
        fills[fill.market.connector, fill.trade_id, fill.client_order_id] = fill
    return tuple(sorted(fills.values(), key=lambda fill: fill.time))


def _mids(runs: list[Run], database: Database) -> dict[Market, tuple[Mid, ...]]:
    """Take the mid prices of a market from the record if they are there; between two runs none is known."""
    found: dict[Market, list[Mid]] = {}
    for run in runs:
        for market, mids in run.mids.items():
            found.setdefault(market, []).extend([*mids, Mid(run.end, None)])
    return {market: tuple(mids) for market, mids in (database.mids | found).items()}


def _holdings(runs: list[Run]) -> dict[tuple[str, str], tuple[Holding, ...]]:
    found: dict[tuple[str, str], list[Holding]] = {}
    for run in runs:
        for currency, held in run.holdings.items():
            found.setdefault((run.connector, currency), []).extend(held)
    return {key: tuple(held) for key, held in found.items()}


def _counters(runs: list[Run]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for name, count in chain.from_iterable(run.counters.items() for run in runs):
        sums[name] = sums.get(name, 0) + count
    return sums


def _latencies(runs: list[Run]) -> tuple[Latency, ...]:
    names = dict.fromkeys(chain.from_iterable(run.latencies for run in runs))
    sums = (latency(name, chain.from_iterable(run.latencies.get(name, ()) for run in runs)) for name in names)
    return tuple(each for each in sums if each is not None)


def _incidents(runs: list[Run]) -> tuple[Incident, ...]:
    return tuple(sorted(chain.from_iterable(run.incidents for run in runs), key=lambda incident: incident.time))


def _sources(runs: list[Run], database: Database, path: Path | None) -> list[str]:
    said = [f"the session record of {run.connector} ({run.settings})" for run in runs]
    if path is not None:
        said.append(f"Hummingbot's database {path.name} ({len(database.quotes)} orders, {len(database.fills)} fills)")
    return list(dict.fromkeys(said))


# --- What is missing --------------------------------------------------------------------------------------------------
def _notes(
    runs: list[Run], database: Database, configuration: Configuration | None, mids: dict[Market, tuple[Mid, ...]]
) -> list[str]:
    notes = []
    if not runs:
        notes.append(
            "There is no session record of this run: incidents, order latencies and account balances are not known,"
            " times of fills are known to the second, prices and amounts to 6 decimals."
        )
        if not mids:
            notes.append(
                "No mid prices were recorded: the spread captured cannot be told from price moves, and the inventory is"
                " valued at the price of the last fill."
            )
    if configuration is None:
        notes.append("Hummingbot's own database has no orders of this run: the strategy's name is not known.")
    for run in runs:
        notes += _run_notes(run)
    if runs and configuration is not None:
        notes += _differences(runs, database)
    if database.unreadable:
        first = database.unreadable[0]
        notes.append(f"{len(database.unreadable)} rows of Hummingbot's database could not be read; the first: {first}.")
    return notes


def _run_notes(run: Run) -> list[str]:
    notes = []
    if not run.whole:
        notes.append(f"The session record of {run.connector} had grown too long: its beginning is gone.")
    if not run.stopped:
        notes.append(f"The session record of {run.connector} has no end: the bot still runs, or was killed.")
    if run.unreadable:
        notes.append(f"{run.unreadable} lines of the session record of {run.connector} could not be read.")
    return notes


def _differences(runs: list[Run], database: Database) -> list[str]:
    """Compare the two records of each fill, in the database's precision."""
    connectors = {run.connector for run in runs}
    recorded = {(fill.trade_id, fill.client_order_id): fill for run in runs for fill in run.fills}
    kept = {
        (fill.trade_id, fill.client_order_id): fill for fill in database.fills if fill.market.connector in connectors
    }
    changed = [key for key in recorded.keys() & kept.keys() if not _same(recorded[key], kept[key])]
    said = [
        (
            len(kept.keys() - recorded.keys()),
            "in Hummingbot's database are missing in the session record; they are counted",
        ),
        (
            len(recorded.keys() - kept.keys()),
            "in the session record are missing in Hummingbot's database; they are counted",
        ),
        (len(changed), "differ between the session record and Hummingbot's database; the record's are counted"),
    ]
    return [f"Fills that {text}: {count}." for count, text in said if count]


def _same(recorded: Fill, kept: Fill) -> bool:
    exact = (recorded.side, recorded.fees) == (kept.side, kept.fees)
    return exact and all(
        as_recorded(one) == as_recorded(other)
        for one, other in ((recorded.price, kept.price), (recorded.amount, kept.amount))
    )
