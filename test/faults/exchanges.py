"""The exchange of a run: in this process, or in one of its own that can be killed."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Protocol, Self

from valr_loopback.faults import Fault
from valr_loopback.ledger import ledger
from valr_loopback.server import LoopbackConfig, LoopbackServer

MARKET_PACE = 3.0
"""Three times as fast as life, so that orders are filled within seconds."""


class Exchange(Protocol):
    """What a run asks of its exchange."""

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
        """Put faults in force."""

    async def disarm(self) -> None:
        """Put no fault in force any more."""

    async def struck(self) -> Mapping[str, int]:
        """Return how often each kind of fault has struck."""

    async def kill(self) -> None:
        """End it as ``kill -9`` does."""

    async def restart(self) -> None:
        """Start it again where it was."""


class LocalExchange:
    """An exchange in this process."""

    def __init__(self, seed: int) -> None:
        self._server = LoopbackServer(LoopbackConfig(port=0, seed=seed, market_pace=MARKET_PACE))
        self._stack = AsyncExitStack()

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def api_key(self) -> str:
        return self._server.api_key

    @property
    def api_secret(self) -> str:
        return self._server.api_secret

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._server)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def ledger(self) -> Mapping[str, Any]:
        return ledger(self._server.exchange, self._server.account_id)

    async def arm(self, faults: Sequence[Fault]) -> None:
        for fault in faults:
            self._server.faults.add(fault)

    async def disarm(self) -> None:
        self._server.faults.clear()

    async def struck(self) -> Mapping[str, int]:
        return {kind.value: count for kind, count in self._server.faults.struck.items()}

    async def kill(self) -> None:
        raise NotImplementedError("this process goes on living")

    async def restart(self) -> None:
        raise NotImplementedError("this process goes on living")
