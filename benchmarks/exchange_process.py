"""A loopback exchange for the benchmarks, in a process of its own; :mod:`benchmarks.exchange` starts it.

Its argument is JSON: the fields of a ``LoopbackConfig``, and ``accounts``, ``delay`` and ``certificate`` as
:func:`benchmarks.exchange.running_exchange` has them. It prints where it listens and a key for each account, and ends
with its standard input.
"""

import asyncio
import json
import ssl
import sys
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


async def relay(port: int, delay: float, context: ssl.SSLContext | None) -> int:
    """Listen in front of a port; each way takes half of ``delay`` seconds longer. Return the new port."""

    async def pump(reader: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        line = Line(delay / 2, out)
        while data := await reader.read(65536):
            line.send(data)
        await asyncio.sleep(delay)
        out.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        ends = await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer), return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception) and not isinstance(end, ConnectionError):
                raise end

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    return int(server.sockets[0].getsockname()[1])


async def main(options: dict[str, Any]) -> None:
    """Serve until the benchmark goes."""
    async with LoopbackServer(LoopbackConfig.model_validate(options["config"])) as server:
        keys = {}
        for name in options["accounts"]:
            server.exchange.open_account(name, {code: amount * 1000 for code, amount in DEMO_BALANCES.items()})
            keys[name] = server.add_key(name)
        url = server.url
        if options["delay"] or options["certificate"]:
            context = None
            if options["certificate"]:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(options["certificate"])
            port = await relay(int(url.rsplit(":", 1)[1]), options["delay"], context)
            url = f"{'https' if context else 'http'}://localhost:{port}"
        shown = {name: [key.key, key.secret] for name, key in keys.items()}
        sys.stdout.write(json.dumps({"url": url, "keys": shown}) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
