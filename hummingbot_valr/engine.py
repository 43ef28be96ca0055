"""Runs a module of Hummingbot in a workspace: `python -m hummingbot_valr.engine WORKSPACE MODULE [ARGUMENT ...]`.

`hbot start` starts the bot's engine as a new interpreter, which would know nothing of the workspace; hbot.py sends it
through here. Hummingbot recognizes its engine by the module's name on the command line, so the name stays on it.
"""

import runpy
import sys

from hummingbot_valr.engine_lock import EngineLock, EngineRunsError
from hummingbot_valr.shutdown import OrderlyStop, discard_reports, unproven, write_report
from hummingbot_valr.stop_signals import take_hangup_for_terminate
from hummingbot_valr.workspace import WorkspaceError, use_workspace


def main() -> None:
    """Use the workspace of the first argument, then run the module of the second with the rest as its arguments."""
    if len(sys.argv) < 3:
        raise SystemExit("usage: python -m hummingbot_valr.engine WORKSPACE MODULE [ARGUMENT ...]")
    path, module, *arguments = sys.argv[1:]
    try:
        workspace = use_workspace(path)
        EngineLock.take(workspace)  # held until this process ends
    except (WorkspaceError, EngineRunsError, OSError) as error:
        raise SystemExit(str(error)) from error
    discard_reports(workspace)
    orderly = OrderlyStop()
    orderly.install()
    take_hangup_for_terminate()
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code:  # it crashed, and may not have come to cancel
            raise
        left = orderly.left
        write_report(workspace, left)
        if left:
            # At a terminal nobody else says so, and whoever watches the exit code must not take it for a success.
            raise SystemExit(unproven(left)) from None
        raise


if __name__ == "__main__":
    main()
