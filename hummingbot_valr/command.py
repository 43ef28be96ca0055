"""The command `hummingbot-valr`, under which the wheel offers its programs.

The wheel installs no `hbot` of its own: a later release of Hummingbot may bring one, and two packages that own one
script delete it for each other. `make install` puts `hbot` into .venv/bin, where there is one Hummingbot, and pinned.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from rich import print as say
from rich.console import Console
from rich.markup import escape

from hummingbot_valr import client as client_program
from hummingbot_valr import hbot as hbot_program
from hummingbot_valr.doctor_command import doctor
from hummingbot_valr.installation import (
    Hummingbot,
    InstallationError,
    Loaded,
    find_hummingbot,
    key_files,
    load_connector,
    rate_settings,
)
from hummingbot_valr.installation_files import Kind, present_in, put, take_away
from hummingbot_valr.session_report import report
from hummingbot_valr.trades_export import trades
from hummingbot_valr.versions import TESTED_HUMMINGBOT, VERSION, explain_release
from hummingbot_valr.workspace import WorkspaceError, prepare_workspace

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="markdown",
    help="The VALR connector for Hummingbot: put it into a Hummingbot, look after it, run Hummingbot with it.",
)
_PASS_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
_progress = Console(stderr=True)
# Of nohup; and a handler that is not Python's cannot be put back.
_IGNORED = (signal.SIG_IGN, None)

HummingbotOption = Annotated[
    Path | None,
    typer.Option(
        "--hummingbot",
        metavar="DIR",
        help="Which Hummingbot: a source checkout, or an environment (its folder, or its python) in which the package"
        " is installed. Without this: the one this command runs with, else a checkout in the current directory.",
    ),
]
PythonOption = Annotated[
    Path | None,
    typer.Option(
        "--python",
        metavar="PYTHON",
        help="The Python that runs a source checkout. Without this: its .venv, else the active environment.",
    ),
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Even if the copy there was changed, was made by hand, or is newer than this.")
]


@app.command()
def install(
    hummingbot: HummingbotOption = None,
    python: PythonOption = None,
    link: Annotated[
        bool, typer.Option("--link", help="Link to the files of this command instead of copying them.")
    ] = False,
    force: ForceOption = False,
) -> None:
    """Put the connector into a Hummingbot, and see that it loads there.

    Hummingbot's own files stay as they are. Doing it again changes nothing; if anything goes wrong, all is as before.
    What is in place before is replaced if it is an older one. What a killed run left half-done is taken back first.
    """
    target = _find(hummingbot, python)
    _put(target, link=link, force=force)
    say(
        f"There the exchanges [bold]valr[/] and [bold]valr_loopback[/] are known: 'connect valr'.\n"
        "Not installed there, but run from here: the exchange to practise on"
        f" ({escape(sys.executable)} -m valr_loopback) and this command (doctor, upgrade, uninstall)."
    )


@app.command()
def upgrade(hummingbot: HummingbotOption = None, python: PythonOption = None, force: ForceOption = False) -> None:
    """Bring an installed connector to the version of this command; says from which to which.

    Nothing happens if it is the same already. Restart a running bot afterwards.
    """
    target = _find(hummingbot, python)
    present = present_in(target)
    if present.kind is Kind.NOTHING:
        _give_up(f"The connector is not installed in {target.describe()}: use 'hummingbot-valr install'.")
    _put(target, link=present.kind is Kind.LINK, force=force)


@app.command()
def uninstall(
    hummingbot: HummingbotOption = None,
    python: PythonOption = None,
    remove_keys: Annotated[
        bool, typer.Option("--remove-keys", help="Delete the files with the (encrypted) API keys of VALR as well.")
    ] = False,
    force: ForceOption = False,
) -> None:
    """Take the connector away from a Hummingbot, exactly what install put there.

    Hummingbot does not start with keys of an exchange that it does not have: the files with such keys are named, in its
    own conf/ and in the current directory's, and deleted with --remove-keys; so are settings that have VALR as the
    source of rates. Exit code 1 says that some are left.
    """
    target = _find(hummingbot, python)
    try:
        with _undone_when_ended():
            before = take_away(target, force=force)
    except InstallationError as error:
        _give_up(str(error))
    if before.kind is Kind.NOTHING:
        say(f"The connector is not installed in {escape(target.describe())}.")
    else:
        say(f"Taken away: {escape(before.describe())}, from {escape(target.describe())}.")
    files = key_files(target, Path.cwd())
    for file in files if remove_keys else ():
        file.unlink()
        say(f"Deleted {escape(str(file))}.")
    keys_left = [] if remove_keys else files
    settings_left = rate_settings(target, Path.cwd())
    _name_orphans(
        "Hummingbot's login breaks on these keys of an exchange that it no longer has",
        keys_left,
        "Delete them, or have 'hummingbot-valr uninstall --remove-keys' delete them, or install again.",
    )
    _name_orphans(
        "Hummingbot does not start with these settings, which name VALR as the source of rates",
        settings_left,
        "Set another source there: 'name: gate_io' below 'rate_oracle_source:'.",
    )
    if keys_left or settings_left:
        raise typer.Exit(1)


app.command()(doctor)
app.command()(report)
app.command()(trades)


@app.command(context_settings=_PASS_ON)
def hbot(context: typer.Context) -> None:
    """Run Hummingbot's hbot with this directory as its workspace (hummingbot-valr hbot --help lists its commands)."""
    hbot_program.main(context.args)


@app.command()
def client() -> None:
    """Start Hummingbot's interactive client with this directory as its workspace (asks for the password)."""
    client_program.main()


@app.command()
def workspace(
    path: Annotated[Path, typer.Argument(help="The folder to prepare; created if missing.")],
    quiet_offline: Annotated[
        bool, typer.Option(help="Switch off what reaches for the internet: for work against the loopback exchange.")
    ] = False,
) -> None:
    """Prepare a folder in which hbot and the client can be run."""
    try:
        prepared = prepare_workspace(path, quiet_offline=quiet_offline)
    except WorkspaceError as error:
        raise SystemExit(str(error)) from error
    say(f"Prepared {prepared}")


def _name_orphans(what: str, files: list[Path], to_do: str) -> None:
    if files:
        say(f"[yellow]{what}:[/]", *(f"\n  {escape(str(file))}" for file in files), f"\n{to_do}", sep="")


def _show_version(wanted: bool) -> None:
    if wanted:
        oldest, newest = TESTED_HUMMINGBOT
        say(f"hummingbot-valr {VERSION}, tested with Hummingbot {oldest} to {newest}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """The VALR connector for Hummingbot: put it into a Hummingbot, look after it, run Hummingbot with it."""


def _find(place: Path | None, python: Path | None) -> Hummingbot:
    try:
        target = find_hummingbot(place, python)
    except InstallationError as error:
        _give_up(str(error))
    if warning := explain_release(target.release):
        say(f"[yellow]{escape(warning)}[/]")
    return target


def _put(target: Hummingbot, *, link: bool, force: bool) -> None:
    def load(hummingbot: Hummingbot) -> Loaded:
        with _progress.status(f"Starting {hummingbot.describe()} to see whether it loads the connector"):
            return load_connector(hummingbot)

    try:
        with _undone_when_ended():
            before = put(target, load, link=link, force=force)
    except InstallationError as error:
        _give_up(str(error))
    now = present_in(target)
    if before == now:
        done = f"Already there: {now.describe()}"
    elif before.kind is Kind.NOTHING:
        done = f"Installed {now.describe()}"
    else:
        done = f"Replaced {before.describe()}, by {now.describe()}"
    say(f"[green]{escape(done)}[/], in {escape(target.describe())}; it loads.")


@contextmanager
def _undone_when_ended() -> Iterator[None]:
    """Have SIGTERM and SIGHUP interrupt what is done here, as Ctrl-C does; a second one would interrupt the undoing."""
    watched = [
        each for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) not in _IGNORED
    ]

    def interrupt(number: int, _: FrameType | None) -> None:
        for each in watched:
            signal.signal(each, signal.SIG_IGN)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    before = {each: signal.signal(each, interrupt) for each in watched}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _give_up(problem: str) -> NoReturn:
    Console(stderr=True).print(f"[red]{escape(problem)}[/]", soft_wrap=True)
    raise typer.Exit(2)


if __name__ == "__main__":
    app(prog_name="hummingbot-valr")
