"""The exchange of a run: in this process, or in one of its own that can be killed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import aiohttp

from test.valr_loopback.restarts import ExchangeProcess
from valr_loopback.faults import Fault
from valr_loopback.ledger import ledger
from valr_loopback.server import LoopbackConfig, LoopbackServer

MARKET_PACE = 3.0
"""Three times as fast as life, so that orders are filled within seconds."""


class Exchange(Protocol):
    """What a run asks of its exchange, an async context in which it runs."""

    async def __aenter__(self) -> Self:
        """Start it."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End it."""

    @property
    def url(self) -> str:
        """The REST base address."""

    @property
    def api_key(self) -> str:
        """The bot's key."""

    @property
    def api_secret(self) -> str:
        """The bot's secret."""

    async def ledger(self) -> Mapping[str, Any]:
        """Return the truth about the bot's account, as ``/loopback/ledger`` has it."""

    async def arm(self, faults: Sequence[Fault]) -> None:
        """Put these faults in force and no others."""

    async def struck(self) -> Mapping[str, int]:
        """Return how often each kind of fault has struck."""

    async def kill(self) -> None:
        """End it as ``kill -9`` does."""

    async def restart(self) -> None:
        """Start it again where it was, with no fault in force."""


class LocalExchange:
    """An exchange in this process, which cannot be killed alone."""

    def __init__(self, seed: int) -> None:
        self._server = LoopbackServer(LoopbackConfig(port=0, seed=seed, market_pace=MARKET_PACE))
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._server)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def api_key(self) -> str:
        return self._server.api_key

    @property
    def api_secret(self) -> str:
        return self._server.api_secret

    async def ledger(self) -> Mapping[str, Any]:
        return ledger(self._server.exchange, self._server.account_id)

    async def arm(self, faults: Sequence[Fault]) -> None:
        self._server.faults.replace(faults)

    async def struck(self) -> Mapping[str, int]:
        return {kind.value: count for kind, count in self._server.faults.struck.items()}

    async def kill(self) -> None:
        raise NotImplementedError("it would take the bot along")

    async def restart(self) -> None:
        raise NotImplementedError("it was never killed")


class MortalExchange:
    """An exchange in a process of its own, with its state in ``folder``."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._process = ExchangeProcess(folder, "--pace", str(MARKET_PACE), seed=seed)
        self._struck_before: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        await self._process.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._process.kill()

    @property
    def url(self) -> str:
        return str(self._process.url)

    @property
    def api_key(self) -> str:
        return str(self._process.api_key)

    @property
    def api_secret(self) -> str:
        return str(self._process.api_secret)

    async def ledger(self) -> Mapping[str, Any]:
        return await self._request("GET", "/loopback/ledger")

    async def arm(self, faults: Sequence[Fault]) -> None:
        rows = [fault.model_dump(mode="json", exclude_defaults=True) for fault in faults]
        await self._request("PUT", "/loopback/faults", rows)

    async def struck(self) -> Mapping[str, int]:
        return self._struck_before + Counter((await self._request("GET", "/loopback/faults"))["struck"])

    async def kill(self) -> None:
        self._struck_before = Counter(await self.struck())
        await self._process.kill()

    async def restart(self) -> None:
        await self._process.start()

    async def _request(self, verb: str, path: str, content: object = None) -> Any:
        async with (
            aiohttp.ClientSession(raise_for_status=True) as session,
            session.request(verb, self.url + path, json=content) as response,
        ):
            return await response.json()
