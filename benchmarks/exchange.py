"""The loopback exchange that the benchmarks measure against: quiet, without rate limits, in a process of its own."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
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
    """Where it listens, and the keys of its accounts by name."""

    url: str
    keys: dict[str, Key]

    @property
    def websocket_url(self) -> str:
        """The sockets' address."""
        return self.url.replace("http", "ws", 1)


@contextlib.asynccontextmanager
async def running_exchange(
    *accounts: str, delay: float = 0.0, certificate: Path | None = None, **config: Any
) -> AsyncIterator[BenchExchange]:
    """Run an exchange with these accounts.

    :param delay: seconds that the network adds to a round trip
    :param certificate: PEM of a certificate for ``localhost`` and its key: connections are TLS then
    :param config: what differs from :data:`QUIET`, fields of ``LoopbackConfig``
    """
    options = {
        "config": QUIET | config,
        "accounts": accounts,
        "delay": delay,
        "certificate": str(certificate) if certificate else None,
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
        yield BenchExchange(said["url"], {name: Key(*key) for name, key in said["keys"].items()})
    finally:
        process.stdin.close()
        await process.wait()
