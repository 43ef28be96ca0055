"""One client socket of either kind, with the parts the two kinds share."""

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import WSCloseCode, WSMsgType, web

log = logging.getLogger(__name__)

FRAMES_WAITING_LIMIT = 50_000
"""A client that lets more frames than this pile up is cut off."""


class Connection:
    """A socket whose frames leave in the sequence they were given, each as ``stamped`` returns it.

    ``muted`` says that it stays open and nothing more leaves.
    """

    def __init__(
        self, socket: web.WebSocketResponse, transport: asyncio.Transport | None, stamped: Callable[[str], str]
    ) -> None:
        self._socket = socket
        self._transport = transport
        self._stamped = stamped
        self._frames: asyncio.Queue[str | WSCloseCode] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._timers: list[asyncio.TimerHandle] = []
        self._last_frame_at = self._loop.time()
        self.muted = False

    def send(self, text: str) -> None:
        """Send a text frame after those already given."""
        if self.muted:
            return
        if self._frames.qsize() > FRAMES_WAITING_LIMIT:
            log.warning("A client does not read its frames: its socket is cut off")
            self.abort()
            return
        self._frames.put_nowait(self._stamped(text))

    def send_later(self, text: str, delay: float) -> None:
        """Send a text frame after so many seconds."""
        self.call_later(delay, lambda: self.send(text))

    def call_later(self, delay: float, action: Callable[[], None]) -> None:
        """Do something after so many seconds, unless the socket has ended by then."""
        self._timers.append(self._loop.call_later(delay, action))

    def mute(self) -> None:
        """Stay open, and send nothing more."""
        self.muted = True

    def close(self, code: WSCloseCode = WSCloseCode.OK) -> None:
        """Close with a code, after the frames already given."""
        self._frames.put_nowait(code)

    def abort(self) -> None:
        """Cut the connection without a close frame: the client sees code 1006."""
        if self._transport is not None:
            self._transport.abort()

    def close_after(self, seconds: float) -> None:
        """Close with code 1000 when this much time has passed, whatever the client does."""
        self._timers.append(self._loop.call_later(seconds, self.close))

    def abort_when_silent(self, seconds: float, excused: Callable[[], bool] = lambda: False) -> None:
        """Cut the connection when the client sends no frame for so long, unless it is excused at that moment."""
        due = self._last_frame_at + seconds
        if self._loop.time() >= due and not excused():
            self.abort()
            return
        wait = max(due - self._loop.time(), seconds if excused() else 0.0)
        self._timers.append(self._loop.call_later(wait, self.abort_when_silent, seconds, excused))

    async def run(self, receive: Callable[[str], None]) -> None:
        """Serve the socket until it ends: text frames go to ``receive``, protocol pings are answered."""
        writer = asyncio.create_task(self._write())
        try:
            async for message in self._socket:
                self._last_frame_at = self._loop.time()
                self._timers = [timer for timer in self._timers if timer.when() > self._last_frame_at]
                if message.type is WSMsgType.TEXT:
                    receive(message.data)
                elif message.type is WSMsgType.PING:
                    await self._socket.pong(message.data)
        finally:
            for timer in self._timers:
                timer.cancel()
            writer.cancel()

    async def _write(self) -> None:
        try:
            while isinstance(frame := await self._frames.get(), str):
                await self._socket.send_str(frame)
            await self._socket.close(code=frame)
        except ConnectionError:
            log.debug("A socket ended while frames were waiting for it")


def reset(transport: asyncio.Transport | None) -> None:
    """Reset a connection, where ``abort`` would end it: the client meets ECONNRESET, not an end of the stream."""
    if transport is None:
        return
    connected = transport.get_extra_info("socket")
    if connected is not None:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def read_frame(text: str) -> dict[str, Any] | None:
    """Return a frame's JSON object, or ``None`` if it is anything else."""
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return message if isinstance(message, dict) else None
