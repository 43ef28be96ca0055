"""Hummingbot's interactive client with the directory it is run in as the workspace: `python -m hummingbot_valr.client`.

Hummingbot's wheel has no launcher that works. The password is asked for, or taken from HBOT_PASSWORD as `hbot` does.
"""

import asyncio
import os
from pathlib import Path
from typing import Any

import typer

from hummingbot_valr.shutdown import OrderlyStop
from hummingbot_valr.waiting import waiting
from hummingbot_valr.workspace import WorkspaceError, create_folders, use_workspace


def main() -> None:
    """Start Hummingbot's interactive client in this directory (conf/, logs/, data/, scripts/, controllers/)."""
    try:
        use_workspace(create_folders(Path.cwd()))
    except WorkspaceError as error:
        raise SystemExit(str(error)) from error
    with waiting("Loading Hummingbot"):
        import hummingbot.client.runner  # noqa: F401 - all of the client
    use_own_clipboard_where_there_is_none()
    OrderlyStop().install()
    # Hummingbot's objects take the current loop when they are built, some before it runs.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    secrets_manager = _unlock()
    if secrets_manager is not None:  # None: the user left the password dialog
        loop.run_until_complete(_run(secrets_manager))


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


async def _run(secrets_manager: Any) -> None:
    from hummingbot.client.config.config_helpers import load_client_config_map_from_file
    from hummingbot.client.runner import bootstrap_application

    application = await bootstrap_application(load_client_config_map_from_file(), secrets_manager)
    await application.run()


if __name__ == "__main__":
    typer.run(main)
