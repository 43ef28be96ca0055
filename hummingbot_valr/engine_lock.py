"""The right to run a workspace's one bot: a file that one process can lock, and that the kernel frees at any death.

`hbot start` takes it before it writes anything about the bot, and hands it on to the engine that it starts: there is no
moment at which another could come between. Who is refused leaves the other's files as they are. The interactive client,
whose `start` runs a bot in the client itself, has it as long as it runs.
"""

import os
from pathlib import Path
from typing import Self

try:
    import fcntl
except ImportError:  # Windows: Hummingbot's commands do not run there, but this can be imported
    fcntl = None  # type: ignore[assignment, unused-ignore]

LOCK = Path("data/bot/engine.lock")
"""The file that is locked, below the workspace; it holds the process's id, and stays when the process has ended."""

_HANDED_ON = "HUMMINGBOT_VALR_LOCK"


class EngineRunsError(RuntimeError):
    """Another process holds the lock; the message names it."""


class EngineLock:
    """The lock of a workspace, held by this process and by those it is handed on to until the last of them ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, workspace: Path) -> Self:
        """Take the lock, or take over the one that was handed on to this process.

        :raises EngineRunsError: another process holds it
        :raises OSError: the file cannot be written or locked
        """
        file = workspace / LOCK
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _handed_on(file)
        if descriptor is None:
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        os.set_inheritable(descriptor, False)
        try:
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise EngineRunsError(
                f"a bot already runs in {workspace}, or Hummingbot's client does (pid {pid or 'not known'}); see"
                " `hbot status`, end the bot with `hbot stop`, the client with its `exit` (one bot per workspace)"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return cls(descriptor)

    @property
    def descriptor(self) -> int:
        """The open file, for a process that it is handed on to."""
        return self._descriptor

    @property
    def environment(self) -> dict[str, str]:
        """What tells a process that it is handed on to where it is."""
        return {_HANDED_ON: str(self._descriptor)}

    def leave(self) -> None:
        """Give up this process's share; the lock is free once nobody has one."""
        os.close(self._descriptor)


def _handed_on(file: Path) -> int | None:
    """Return the descriptor that the environment names, if it is one of this file."""
    told = os.environ.pop(_HANDED_ON, "")
    try:
        descriptor = int(told)
        return descriptor if os.path.samestat(os.fstat(descriptor), file.stat()) else None
    except (ValueError, OSError):
        return None
