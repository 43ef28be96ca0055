"""The loopback exchange that the benchmarks measure against: quiet, without rate limits, in a process of its own."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PAIR = "BTC-ZAR"
SYMBOL = "BTCZAR"
QUIET = {
    "port": 0,
    "market": False,
    "rate_limits": False,
    "engine_delay": (0, 0),
    "lookup_delay": (0, 0),
    "anonymous_socket_seconds": 86400,
}
"""Nothing happens but what the benchmark does; the market's own delays and limits are left out."""


@dataclass(frozen=True)
class Key:
    """An API key of one account."""

    key: str
    secret: str


@dataclass(frozen=True)
class BenchExchange:
    """Where it listens, and the keys of its accounts by name; a switchable one can be cut off for a while."""

    url: str
    keys: dict[str, Key]
    process: asyncio.subprocess.Process | None = field(default=None, repr=False)

    @property
    def websocket_url(self) -> str:
        """The sockets' address."""
        return self.url.replace("http", "ws", 1)

    async def cut(self) -> float:
        """Drop every connection and refuse new ones; return the monotonic time of it."""
        return await self._tell("cut")

    async def accept(self) -> float:
        """Accept connections again; return the monotonic time from which on it does."""
        return await self._tell("accept")

    async def _tell(self, word: str) -> float:
        assert self.process is not None
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(word.encode() + b"\n")
        return float(await self.process.stdout.readline())


@contextlib.asynccontextmanager
async def running_exchange(
    *accounts: str, delay: float = 0.0, certificate: Path | None = None, switchable: bool = False, **config: Any
) -> AsyncIterator[BenchExchange]:
    """Run an exchange with these accounts.

    :param delay: seconds that the network adds to a round trip
    :param certificate: PEM of a certificate for ``localhost`` and its key: connections are TLS then
    :param switchable: it can be cut off
    :param config: what differs from :data:`QUIET`, fields of ``LoopbackConfig``
    """
    options = {
        "config": QUIET | config,
        "accounts": accounts,
        "delay": delay,
        "certificate": str(certificate) if certificate else None,
        "switchable": switchable,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.exchange_process", json.dumps(options)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        said = json.loads(await process.stdout.readline())
        yield BenchExchange(said["url"], {name: Key(*key) for name, key in said["keys"].items()}, process)
    finally:
        process.stdin.close()
        await process.wait()
