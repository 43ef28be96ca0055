"""The command `hummingbot-valr`, under which the wheel offers its programs.

The wheel installs no `hbot` of its own: a later release of Hummingbot may bring one, and two packages that own one
script delete it for each other. `make install` puts `hbot` into .venv/bin, where there is one Hummingbot, and pinned.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich import print as say

from hummingbot_valr import client as client_program
from hummingbot_valr import hbot as hbot_program
from hummingbot_valr.workspace import WorkspaceError, prepare_workspace

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Hummingbot with the VALR connector.")
_PASS_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


@app.command(context_settings=_PASS_ON)
def hbot(context: typer.Context) -> None:
    """Run Hummingbot's hbot with this directory as its workspace (hummingbot-valr hbot --help lists its commands)."""
    hbot_program.main(context.args)


@app.command()
def client() -> None:
    """Start Hummingbot's interactive client with this directory as its workspace."""
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


if __name__ == "__main__":
    app(prog_name="hummingbot-valr")
