"""Stops the bot in order when its terminal is closed or its process is told to end, as its own commands do.

A terminal that is closed says so by SIGHUP, often twice: the shell passes it on, and the kernel adds its own. Where
SIGHUP is ignored already (`nohup`) it stays so.
"""

import asyncio
import logging
import os
import signal
import termios
from collections.abc import Callable
from contextlib import suppress
from typing import Any

SCREEN_SECONDS = 2.0
"""How long the screen may take to be cleared."""

STOP_SECONDS = 100.0
"""How long one attempt to stop may take: a strategy has a minute, the cancels that follow it 25 s."""

_STREAMS = (0, 1, 2)
_log = logging.getLogger(__name__)


def take_hangup_for_terminate() -> None:
    """Have SIGHUP do in this process what SIGTERM does, for Hummingbot's engine, which knows only that."""
    release_terminal = _release_of_terminal()

    def hang_up(*_: object) -> None:
        release_terminal()
        os.kill(os.getpid(), signal.SIGTERM)

    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, hang_up)


async def run_client(application: Any) -> bool:
    """Run Hummingbot's interactive client; returns whether it was ended from outside, and was stopped in order then.

    SIGHUP, SIGTERM and the end of its terminal end it so. A second SIGTERM ends the process at once. Whatever else
    ends the screen is raised when the bot is stopped.
    """
    loop = asyncio.get_running_loop()
    release_terminal = _release_of_terminal()
    told = asyncio.Event()

    def hang_up() -> None:
        release_terminal()
        told.set()

    def terminate() -> None:
        loop.remove_signal_handler(signal.SIGTERM)
        told.set()

    loop.add_signal_handler(signal.SIGTERM, terminate)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGHUP, hang_up)
    screen = asyncio.create_task(application.run())
    waiter = asyncio.create_task(told.wait())
    await asyncio.wait({screen, waiter}, return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
    if screen.done() and screen.exception() is None:
        return False
    # First the screen: nothing draws on a terminal that may be gone while orders are cancelled.
    screen.cancel()
    await asyncio.wait({screen}, timeout=SCREEN_SECONDS)
    error = screen.exception() if screen.done() and not screen.cancelled() else None
    if isinstance(error, OSError | EOFError | termios.error):  # the terminal's end
        release_terminal()
        error = None
    _log.info("The client is ended from outside: the bot is stopped and its orders are cancelled.")
    await _stop(application)
    if error is not None and not told.is_set():
        raise error
    return True


async def _stop(application: Any) -> None:
    """Stop as Hummingbot's engine does: the second way does what is left of the first."""
    for stop in (application.stop_loop, application.trading_core.shutdown):
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await stop()
        except Exception:  # noqa: BLE001 - nobody could stop it any more if this ended here
            _log.exception("The bot could not be stopped in order. Look at your open orders on the exchange.")


def _release_of_terminal() -> Callable[[], None]:
    """Return what lets go of this process's terminal: once that is closed, each word written to it is an error."""
    attached = [stream for stream in _STREAMS if os.isatty(stream)]  # cannot be told any more afterwards

    def release() -> None:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in attached:
            with suppress(OSError):
                os.dup2(nowhere, stream)
        os.close(nowhere)

    return release
