"""A loopback exchange for clients that are processes of their own: it runs beside the test, in a thread."""

import asyncio
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from valr_loopback.auth import VIEW, ApiKey
from valr_loopback.orders import Order, Status
from valr_loopback.server import LoopbackConfig, LoopbackServer

PAIR = "BTC-ZAR"


class Exchange:
    """A running exchange with keys for every trouble a user can have with one."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server = LoopbackServer(LoopbackConfig(port=0, market_pace=3))
        self.key = self._key("demo", None)
        self.view_only = self._key("view", (VIEW,))
        self.elsewhere = self._key("elsewhere", None)
        self._server.bind_key(self.elsewhere.key, "192.0.2.1")

    def _key(self, label: str, permissions: tuple[str, ...] | None) -> ApiKey:
        options = {} if permissions is None else {"permissions": permissions}
        return self._server.add_key(self._server.account_id, label=label, **options)

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._server.start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._run(self._server.stop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()

    def _run(self, work: Callable[[], Any]) -> None:
        asyncio.run_coroutine_threadsafe(work(), self._loop).result(60)

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def port(self) -> str:
        return self.url.rpartition(":")[2]

    @property
    def sub_account_id(self) -> str:
        return self._server.sub_account_id

    @property
    def orders(self) -> list[Order]:
        """The orders of the demo account."""
        return self._server.exchange.orders(self._server.account_id)

    @property
    def live(self) -> list[Order]:
        return self._server.exchange.open_orders(self._server.account_id)

    @property
    def has_filled_one(self) -> bool:
        """Whether an order of the demo account is filled completely."""
        return any(order.status is Status.FILLED for order in self.orders)
