"""A terminal without a screen: enough for questions that are asked one after the other, and here without tmux."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PATIENCE = 180.0


def in_a_terminal(
    module: str,
    environment: Mapping[str, str],
    cwd: Path,
    dialog: Sequence[tuple[str, str | Callable[[], str]]],
) -> tuple[int, str]:
    """Run a module in a terminal, answer each text of ``dialog`` with its keys, or what returns them, when it appears.

    Returns the exit code, and what was shown since the last answer.
    """
    screen, terminal = pty.openpty()
    os.set_blocking(screen, False)
    command = [sys.executable, "-m", *module.split()]
    answers = list(dialog)
    shown = ""
    with subprocess.Popen(
        command, env=dict(environment) | {"TERM": "xterm"}, cwd=cwd, stdin=terminal, stdout=terminal, stderr=terminal
    ) as program:
        os.close(terminal)
        try:
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline:
                if select.select([screen], [], [], 0.2)[0]:
                    try:
                        shown += os.read(screen, 65536).decode(errors="replace")
                    except OSError:  # the program closed its terminal
                        break
                elif program.poll() is not None:
                    break
                if answers and answers[0][0] in shown:
                    answer = answers.pop(0)[1]
                    os.write(screen, (answer if isinstance(answer, str) else answer()).encode())
                    shown = ""
            code = program.wait(timeout=20)
        finally:
            program.kill()
            os.close(screen)
    assert not answers, f"never appeared: {answers[0][0]!r}, but: {shown[-2000:]}"
    return code, shown
