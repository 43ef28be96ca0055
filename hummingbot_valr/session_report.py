"""The session report: one HTML file that tells what a run of the bot did, from what the run left in its workspace."""

import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hummingbot_valr.session_report_facts import ReportError, Session
from hummingbot_valr.session_report_page import page
from hummingbot_valr.session_report_reading import parse_since, read_session

_FOLDER = "reports"


def write_report(session: Session, path: Path) -> Path:
    """Write the report of a session, in this machine's time zone; returns the absolute path.

    :raises ReportError: it cannot be written there
    """
    zone = datetime.now().astimezone().tzinfo
    assert zone is not None
    path = path.resolve()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(session, zone), encoding="utf-8")
    except OSError as error:
        raise ReportError(f"The report cannot be written to {path}: {error.strerror}. Name another file.") from error
    return path


def default_path(workspace: Path, session: Session) -> Path:
    """Return the file for a session's report: the same session has the same one."""
    name = Path(session.configuration).stem or "session"
    return workspace / _FOLDER / f"{name}-{datetime.fromtimestamp(session.begin).astimezone():%Y%m%d-%H%M%S}.html"


def report(
    workspace: Annotated[
        Path, typer.Option(help="The folder that the bot was run in, with data/ in it.", show_default="this folder")
    ] = Path(),
    strategy: Annotated[
        str | None, typer.Option(help="The strategy's configuration file.", show_default="the one that ran last")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="From when on: 90m, 2h, 1d (ago), 2026-11-21, 2026-11-21T08:30, all.", show_default="the last run"
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The file to write.", show_default="in reports/ of the workspace")
    ] = None,
) -> None:
    """Write a report of a session as one HTML file: prices, orders, fills, result, fees, latencies, incidents."""
    console = Console(stderr=True)
    try:
        zone = datetime.now().astimezone().tzinfo
        assert zone is not None
        begin = None if since is None else parse_since(since, time.time(), zone)
        session = read_session(workspace.resolve(), strategy, begin)
        written = write_report(session, out or default_path(workspace, session))
    except ReportError as error:
        console.print(str(error), style="red", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(2) from error
    typer.echo(f"Wrote {written}")
    for note in session.notes:
        console.print(note, highlight=False, markup=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(report)
