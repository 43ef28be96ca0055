"""Hummingbot's `hbot` with the directory it is run in as the workspace: `python -m hummingbot_valr.hbot COMMAND ...`.

All of Hummingbot's commands are here unchanged (`connect`, `create`, `start`, `status`, `logs`, `stop`, `doctor`, ...).
One bot runs per workspace; bots in different workspaces know nothing of each other.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from hummingbot_valr.workspace import WorkspaceError, create_folders, use_workspace

_ENGINE_MODULE = "hummingbot.cli.engine"
_ASKING = {"-h", "--help", "--version"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `hbot` with `arguments` (default: the process's own); ends by `SystemExit` with hbot's exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        workspace = use_workspace(Path.cwd())
    except WorkspaceError as error:
        raise SystemExit(str(error)) from error
    if arguments and not _ASKING.intersection(arguments):  # a question leaves no folders behind
        create_folders(workspace)
    from hummingbot.cli.commands import start
    from hummingbot.cli.main import app

    start_engine_in(workspace, start)
    app(args=list(arguments), prog_name="hbot")


def start_engine_in(workspace: Path, start: ModuleType) -> None:
    """Have Hummingbot's `start` command module start the engine in `workspace`.

    Replaces what that one module sees of `subprocess` and `os`, the two ways it starts the engine (detached and with
    --foreground); the modules themselves stay as they are.
    """

    def popen(command: list[str], **options: Any) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(engine_command(command, workspace), **options)

    def execve(path: str, command: list[str], environment: dict[str, str]) -> None:
        os.execve(path, engine_command(command, workspace), environment)

    vars(start)["subprocess"] = SimpleNamespace(**(vars(subprocess) | {"Popen": popen}))
    vars(start)["os"] = SimpleNamespace(**(vars(os) | {"execve": execve}))


def engine_command(command: Sequence[str], workspace: Path) -> list[str]:
    """Hummingbot's command for its engine, sent through `hummingbot_valr.engine`; `WorkspaceError` if it is another."""
    if list(command[1:3]) != ["-m", _ENGINE_MODULE]:
        raise WorkspaceError(
            f"This Hummingbot starts its engine in an unknown way ({' '.join(command)}), which would keep its files"
            " outside the workspace. Use the release of Hummingbot that requirements.in names."
        )
    return [command[0], "-m", "hummingbot_valr.engine", str(workspace), *command[2:]]


if __name__ == "__main__":
    main()
