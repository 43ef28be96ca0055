"""`hummingbot-valr doctor`: everything that can be wrong between a user and a live order, on one screen."""

import asyncio
import os
import subprocess
import sys
from enum import Enum
from getpass import getpass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from hummingbot_valr.doctor import Report, error
from hummingbot_valr.installation import Hummingbot, InstallationError, find_hummingbot

_PACKAGE = Path(__file__).resolve().parent
# This version of the command, whatever is installed there; the libraries of that environment, before our own.
_ELSEWHERE = f"""
import sys
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("hummingbot_valr", {str(_PACKAGE / "__init__.py")!r})
sys.modules["hummingbot_valr"] = package = module_from_spec(spec)
spec.loader.exec_module(package)
sys.path.append({str(_PACKAGE.parent)!r})
from hummingbot_valr.command import app
app(sys.argv[1:], prog_name="hummingbot-valr")
"""


class Domain(Enum):
    """The exchanges that the connector knows."""

    VALR = "valr"
    LOOPBACK = "valr_loopback"


def doctor(
    domain: Annotated[
        Domain, typer.Option(help="The exchange to examine: the real one, or the one to practise on.")
    ] = Domain.VALR,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A strategy's configuration (conf_x.yml): are its pairs tradable, and the balances sufficient?",
        ),
    ] = None,
    workspace: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The folder with conf/. Without this: the current directory if it has one, else Hummingbot's own.",
        ),
    ] = None,
    hummingbot: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Which Hummingbot, as for install; the examination is made with its Python."),
    ] = None,
    python: Annotated[
        Path | None, typer.Option(metavar="PYTHON", help="The Python that runs a source checkout, as for install.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that each question to VALR may take.")] = 5.0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of the table.")] = False,
) -> None:
    """Examine Hummingbot, the connector, the keys and the way to VALR; say what is wrong and what to do.

    Nothing is changed and no order is placed. The keys are unlocked with the workspace's password: HBOT_PASSWORD, or
    asked for. They are never shown.

    Exit codes: 0 all is well, 1 there are warnings, 2 there are errors.
    """
    try:
        target = find_hummingbot(hummingbot, python)
    except InstallationError as problem:
        _show(Report("The doctor found no Hummingbot", [error("Hummingbot", str(problem))]), json)
    folder = (workspace or _workspace_of(target)).absolute()
    if not _is_own(target):
        raise typer.Exit(_examine_elsewhere(target, domain, config, folder, timeout, json))
    _show(_examine(target, domain.value, config, folder, timeout), json)


def _show(report: Report, as_json: bool) -> None:
    if as_json:
        typer.echo(report.as_json())
    else:
        Console().print(report.as_table())
    raise typer.Exit(report.exit_code)


def _examine(target: Hummingbot, domain: str, config: Path | None, workspace: Path, timeout: float) -> Report:
    password = _password(workspace, domain)
    with Console(stderr=True).status("Starting Hummingbot") as progress:
        # Only now: all of this imports Hummingbot, which takes seconds and may not be there.
        from hummingbot_valr.doctor_examination import examine

        checks = asyncio.run(
            examine(
                target,
                domain=domain,
                config=config,
                workspace=workspace,
                password=password,
                deadline=timeout,
                say=lambda text: progress.update(escape(text)),
            )
        )
    return Report(f"{domain} in {workspace}", checks)


def _password(workspace: Path, domain: str) -> str | None:
    if not (workspace / "conf" / "connectors" / f"{domain}.yml").is_file():
        return None
    known = os.environ.get("HBOT_PASSWORD") or os.environ.get("CONFIG_PASSWORD")
    if known or not sys.stdin.isatty():
        return known
    return getpass(f"Password of the keys in {workspace} (empty: leave them out): ", stream=sys.stderr) or None


def _workspace_of(target: Hummingbot) -> Path:
    here = Path.cwd()
    return here if (here / "conf").is_dir() or not (target.root / "conf").is_dir() else target.root


def _is_own(target: Hummingbot) -> bool:
    try:
        own = find_hummingbot(None)
    except InstallationError:
        return False
    # A virtual environment's Python is a link, which may be the only difference to the Python it was made from.
    return own.root.resolve() == target.root.resolve() and _environment(own.python) == _environment(target.python)


def _environment(python: Path) -> Path:
    return python.absolute().parent.resolve()


def _examine_elsewhere(
    target: Hummingbot, domain: Domain, config: Path | None, workspace: Path, timeout: float, as_json: bool
) -> int:
    options = ["doctor", "--domain", domain.value, "--workspace", str(workspace), "--timeout", str(timeout)]
    options += ["--config", str(config)] if config else []
    options += ["--json"] if as_json else []
    path = os.pathsep.join(filter(None, (str(target.root), os.environ.get("PYTHONPATH"))))
    environment = os.environ | ({"PYTHONPATH": path} if target.is_checkout else {})
    return subprocess.run([target.python, "-P", "-c", _ELSEWHERE, *options], env=environment, check=False).returncode
