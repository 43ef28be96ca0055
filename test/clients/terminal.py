"""A terminal that a test types into and reads: a session of tmux under a socket of its own."""

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

WIDTH, HEIGHT = 170, 60
PATIENCE = 180.0
"""How long a text may take to appear, in seconds: the machine may be busy."""

_POLL = 0.1


def is_available() -> bool:
    """Whether this machine has tmux."""
    return shutil.which("tmux") is not None


class Terminal:
    """A program in a terminal, an async-free context: leaving it ends the program.

    ``folder`` holds the socket and is the program's directory.
    """

    def __init__(self, command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._command = command
        self._folder = folder
        self._environment = dict(environment)
        self._socket = folder / "terminal.sock"
        self._exit_code = folder / "terminal.exit"

    def __enter__(self) -> Self:
        size = ["-x", str(WIDTH), "-y", str(HEIGHT)]
        # The pane stays when the program has ended, with what it said last. tmux itself may miss how it ended.
        keep = ["set-option", "-g", "remain-on-exit", "on", ";"]
        command = f"{shlex.join(self._command)}; echo $? > {shlex.quote(str(self._exit_code))}"
        self._tmux(*keep, "new-session", "-d", *size, "-c", str(self._folder), command)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._tmux("kill-server")

    def _tmux(self, *arguments: str) -> str:
        finished = subprocess.run(
            ["tmux", "-S", str(self._socket), "-f", os.devnull, *arguments],
            env=self._environment | {"LANG": "C.UTF-8", "TERM": "xterm-256color"},
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        return finished.stdout

    def screen(self) -> str:
        """Return what is on the screen, without what is blank at the ends of lines."""
        lines = self._tmux("capture-pane", "-p").splitlines()
        return "\n".join(line.rstrip() for line in lines)

    @property
    def exit_code(self) -> int | None:
        """How the program ended, None while it runs."""
        code = self._exit_code.read_text() if self._exit_code.exists() else ""
        return int(code) if code.endswith("\n") else None

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names for them."""
        self._tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        """Type a text, without the Enter key."""
        self._tmux("send-keys", "-l", text)

    def wait_until(self, condition: Callable[[str], object], what: str, seconds: float = PATIENCE) -> str:
        """Return the screen as soon as ``condition`` is true of it; fail, and show it, when it never is."""
        deadline = time.monotonic() + seconds
        while not condition(screen := self.screen()):
            assert time.monotonic() < deadline, f"{what} did not appear:\n{screen}"
            time.sleep(_POLL)
        return screen

    def wait_for_end(self, seconds: float = PATIENCE) -> int:
        """Return how the program ended, once it has."""
        self.wait_until(lambda _: self.exit_code is not None, "the program's end", seconds)
        assert self.exit_code is not None
        return self.exit_code
