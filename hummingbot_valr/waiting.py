"""Tells somebody at a terminal what is being waited for; silent everywhere else."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

# Drawing takes time from what is waited for: on a busy machine ten times a second is all the time there is.
_RATE = 2
_LEAVE_STREAMS_ALONE: dict[str, Any] = {"redirect_stdout": False, "redirect_stderr": False}


def waiting(what: str) -> AbstractContextManager[Any]:
    """Show what is being waited for, and for how long already, until the context is left. Print nothing in it."""
    console = Console(stderr=True)
    if not console.is_terminal:
        return nullcontext()
    progress = _progress(console)
    progress.add_task(what)
    return progress


def patient_sleep(what: str) -> Callable[[float], None]:
    """Return a ``time.sleep`` for a loop that waits: what for and since when is shown while it sleeps.

    The line is gone whenever the loop is awake, so that it can print.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        return time.sleep
    progress = _progress(console)
    progress.add_task(what)

    def sleep(seconds: float) -> None:
        with Live(progress, console=console, refresh_per_second=_RATE, transient=True, **_LEAVE_STREAMS_ALONE):
            time.sleep(seconds)

    return sleep


def _progress(console: Console) -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    return Progress(*columns, console=console, refresh_per_second=_RATE, transient=True, **_LEAVE_STREAMS_ALONE)
