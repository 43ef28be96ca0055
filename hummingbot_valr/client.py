"""Hummingbot's interactive client with the directory it is run in as the workspace: `python -m hummingbot_valr.client`.

Hummingbot's wheel has no launcher that works. The password is asked for, or taken from HBOT_PASSWORD as `hbot` does.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

from hummingbot_valr.connector_files import ConnectorFileError, check_connector_files, explain_foreign_keys
from hummingbot_valr.engine_lock import EngineLock, EngineRunsError
from hummingbot_valr.shutdown import OrderlyStop, unproven
from hummingbot_valr.stop_signals import run_client
from hummingbot_valr.waiting import waiting
from hummingbot_valr.workspace import WorkspaceError, create_folders, use_workspace


def main() -> None:
    """Start Hummingbot's interactive client in this directory (conf/, logs/, data/, scripts/, controllers/)."""
    try:
        workspace = use_workspace(create_folders(Path.cwd()))
    except WorkspaceError as error:
        raise SystemExit(str(error)) from error
    with waiting("Loading Hummingbot"):
        import hummingbot.client.runner  # noqa: F401 - all of the client
    try:
        check_connector_files(workspace)
        explain_foreign_keys()
        EngineLock.take(workspace)  # held until this process ends: a strategy can be started in it
    except (ConnectorFileError, EngineRunsError, OSError) as error:
        raise SystemExit(str(error)) from error
    use_own_clipboard_where_there_is_none()
    orderly = OrderlyStop()
    orderly.install()
    # Hummingbot's objects take the current loop when they are built, some before it runs.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    secrets_manager = _unlock()
    # None: the user left the password dialog.
    if secrets_manager is not None and loop.run_until_complete(_run(secrets_manager)):
        tell_end(orderly.left)


def tell_end(left: Mapping[str, list[str]]) -> None:
    """Say, where somebody may still read it, how a client was stopped from outside; exit code 1 if orders are left."""
    said = unproven(left) if left else "No order is live."
    with suppress(OSError):  # not `sys.stderr`, which was the screen's
        print(f"The bot was stopped, since the client was to end. {said}", file=sys.__stderr__, flush=True)
    if left:
        raise SystemExit(1)


def use_own_clipboard_where_there_is_none() -> None:
    """Give the prompt a clipboard of its own where the machine has none, as servers have.

    Without one, Ctrl-U and whatever else cuts text makes Hummingbot's prompt deaf to every further key.
    """
    import pyperclip  # type: ignore[import-untyped, unused-ignore]
    from prompt_toolkit.clipboard import InMemoryClipboard

    from hummingbot.client.ui import hummingbot_cli

    copy, paste = pyperclip.determine_clipboard()
    if not (copy and paste):
        vars(hummingbot_cli)["PyperclipClipboard"] = InMemoryClipboard


def _unlock() -> Any:
    """Hummingbot's password dialog, or HBOT_PASSWORD; the first password given becomes the workspace's."""
    from hummingbot.cli.password import unlock_keystore
    from hummingbot.client.config.client_config_map import ClientConfigMap
    from hummingbot.client.config.config_crypt import ETHKeyFileSecretManger
    from hummingbot.client.config.config_helpers import ClientConfigAdapter
    from hummingbot.client.ui import login_prompt
    from hummingbot.client.ui.style import load_style

    password = os.environ.get("HBOT_PASSWORD")
    if password:
        unlock_keystore(password)
        return ETHKeyFileSecretManger(password)
    return login_prompt(ETHKeyFileSecretManger, style=load_style(ClientConfigAdapter(ClientConfigMap())))


async def _run(secrets_manager: Any) -> bool:
    from hummingbot.client.config.config_helpers import load_client_config_map_from_file
    from hummingbot.client.runner import bootstrap_application

    application = await bootstrap_application(load_client_config_map_from_file(), secrets_manager)
    return await run_client(application)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
    app.command()(main)
    app()
