"""A loopback exchange as a process of its own that can be killed and started again with its state.

async with ExchangeProcess(tmp_path, "--no-market") as exchange:
    ...                      # exchange.url, .websocket_url, .api_key, .api_secret, await exchange.ledger()
    await exchange.kill()    # SIGKILL
    await exchange.start()   # same port, same state, same keys
"""

import asyncio
import re
import signal
import socket
import sys

import aiohttp

PATIENCE = 30.0


def free_port():
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class ExchangeProcess:
    """``python -m valr_loopback`` on one fixed port, with its state file and its log in ``folder``."""

    def __init__(self, folder, *arguments, port=None, seed=1):
        self.port = free_port() if port is None else port
        self.state = folder / "exchange.state"
        self.log = folder / "exchange.log"
        self.url = f"http://127.0.0.1:{self.port}"
        self.websocket_url = f"ws://127.0.0.1:{self.port}"
        self.api_key = self.api_secret = ""
        self._arguments = ("--port", str(self.port), "--seed", str(seed), "--state", str(self.state), *arguments)
        self._process = None

    @property
    def running(self):
        return self._process is not None and self._process.returncode is None

    async def start(self):
        """Start it and wait until it listens."""
        assert not self.running, "it runs already"
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "valr_loopback", *self._arguments, stdout=asyncio.subprocess.PIPE, stderr=log
            )
        try:
            printed = await asyncio.wait_for(self._process.stdout.readuntil(b"Ctrl-C"), PATIENCE)
        except (asyncio.IncompleteReadError, TimeoutError):
            await self.kill()
            raise AssertionError(f"the exchange did not start: {self.log.read_text()}") from None
        self.api_key, self.api_secret = re.findall(r"\b[0-9a-f]{64}\b", printed.decode())

    async def kill(self):
        """End it as ``kill -9`` does: nothing is flushed, closed or told."""
        if self.running:
            self._process.kill()
        await self._process.wait()

    async def stop(self):
        """End it as Ctrl-C does, and check that it ended well."""
        self._process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(self._process.wait(), PATIENCE) == 0, self.log.read_text()

    async def ledger(self):
        """Return the exchange's own record of the demo user."""
        async with aiohttp.ClientSession() as session, session.get(self.url + "/loopback/ledger") as reply:
            return await reply.json()

    async def __aenter__(self):
        await self.start()
        return self

    async def __aexit__(self, kind, error, traceback):
        await self.kill()
