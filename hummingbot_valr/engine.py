"""Runs a module of Hummingbot in a workspace: `python -m hummingbot_valr.engine WORKSPACE MODULE [ARGUMENT ...]`.

`hbot start` starts the bot's engine as a new interpreter, which would know nothing of the workspace; hbot.py sends it
through here. Hummingbot recognizes its engine by the module's name on the command line, so the name stays on it.
"""

import runpy
import sys

from hummingbot_valr.workspace import WorkspaceError, use_workspace


def main() -> None:
    """Use the workspace of the first argument, then run the module of the second with the rest as its arguments."""
    if len(sys.argv) < 3:
        raise SystemExit("usage: python -m hummingbot_valr.engine WORKSPACE MODULE [ARGUMENT ...]")
    workspace, module, *arguments = sys.argv[1:]
    try:
        use_workspace(workspace)
    except WorkspaceError as error:
        raise SystemExit(str(error)) from error
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
