"""A loopback exchange for the benchmarks, in a process of its own; :mod:`benchmarks.exchange` starts it.

Its argument is JSON: the fields of a ``LoopbackConfig``, and ``accounts``, ``delay``, ``certificate`` and
``switchable`` as :func:`benchmarks.exchange.running_exchange` has them. It prints where it listens and a key for each
account, and ends with its standard input. There it takes the words ``cut`` and ``accept`` for the relay, a line each,
and answers with the monotonic time at which it was done.
"""

import asyncio
import json
import ssl
import sys
import time
from collections import deque
from typing import Any

from valr_loopback.server import DEMO_BALANCES, LoopbackConfig, LoopbackServer


class Line:
    """Passes bytes on after a time, in their order."""

    def __init__(self, delay: float, out: asyncio.StreamWriter) -> None:
        self._delay = delay
        self._out = out
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[bytes] = deque()

    def send(self, data: bytes) -> None:
        """Take some bytes."""
        if self._delay:
            self._waiting.append(data)
            self._loop.call_later(self._delay, lambda: self._out.write(self._waiting.popleft()))
        else:
            self._out.write(data)


class Relay:
    """Listens in front of a port, with TLS if there is a context; each way takes half of ``delay`` seconds longer.

    While it is cut it drops what was connected, and nobody listens.
    """

    def __init__(self, inner_port: int, delay: float, context: ssl.SSLContext | None) -> None:
        self._inner_port = inner_port
        self._delay = delay
        self._context = context
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def accept(self) -> None:
        """Listen, always on the same port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._context)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def cut(self) -> None:
        """Listen no longer, and drop every connection without a word."""
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._inner_port)
        writers = {writer, inner_writer}
        self._writers |= writers
        ends = await asyncio.gather(
            self._pump(reader, inner_writer), self._pump(inner_reader, writer), return_exceptions=True
        )
        self._writers -= writers
        for end in ends:
            if isinstance(end, Exception) and not isinstance(end, ConnectionError):
                raise end

    async def _pump(self, reader: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        line = Line(self._delay / 2, out)
        try:
            while data := await reader.read(65536):
                line.send(data)
            await asyncio.sleep(self._delay)
        finally:
            out.close()


async def obey(relay: Relay | None) -> None:
    """Take words from the standard input until it ends."""
    while word := (await asyncio.to_thread(sys.stdin.readline)).strip():
        assert relay is not None
        if word == "cut":
            relay.cut()
        else:
            await relay.accept()
        say(time.monotonic())


def say(message: object) -> None:
    """Answer on the standard output."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


async def main(options: dict[str, Any]) -> None:
    """Serve until the benchmark goes."""
    async with LoopbackServer(LoopbackConfig.model_validate(options["config"])) as server:
        keys = {}
        for name in options["accounts"]:
            server.exchange.open_account(name, {code: amount * 1000 for code, amount in DEMO_BALANCES.items()})
            keys[name] = server.add_key(name)
        url = server.url
        relay = None
        if options["delay"] or options["certificate"] or options["switchable"]:
            context = None
            if options["certificate"]:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(options["certificate"])
            relay = Relay(int(url.rsplit(":", 1)[1]), options["delay"], context)
            await relay.accept()
            url = f"{'https' if context else 'http'}://localhost:{relay.port}"
        shown = {name: [key.key, key.secret] for name, key in keys.items()}
        say({"url": url, "keys": shown})
        await obey(relay)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
