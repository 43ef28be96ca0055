"""How the doctor asks VALR, or the loopback exchange: one question at a time, each with a deadline.

Signatures, addresses and refusals are the connector's own.
"""

import contextlib
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_auth import ValrAuth
from hummingbot.connector.exchange.valr.valr_messages import parse_server_time
from hummingbot.connector.exchange.valr.valr_troubles import ConnectionTroubles
from hummingbot.connector.exchange.valr.valr_web_utils import (
    Endpoints,
    ValrConnectionsFactory,
    ValrNotSentError,
    ValrRestClient,
    build_api_factory,
)
from hummingbot.core.web_assistant.connections.data_types import RESTMethod
from hummingbot_valr.doctor_account import Account

ROUND_TRIPS = 3
_CLOSE_QUICKLY = aiohttp.ClientWSTimeout(ws_close=1.0)

_silent = logging.getLogger(__name__)
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


class Questions:
    """Asks one exchange, with a key or without.

    :param deadline: seconds that each question may take
    """

    def __init__(self, endpoints: Endpoints, account: Account | None, deadline: float) -> None:
        self.endpoints = endpoints
        self.account = account
        self.deadline = deadline
        self._offset = 0.0
        self._connections = ValrConnectionsFactory()

    async def get(self, path_url: str, *, signed: bool = False, sub_account: bool = False) -> Any:
        """Return the answer to a GET.

        :param sub_account: asks for the sub-account that is set, else for the key's own account
        :raises ValrRequestError: no answer, or a refusal
        """
        factory = build_api_factory(auth=self._auth(sub_account), connections=self._connections)
        client = ValrRestClient(factory, self.endpoints.rest_url, ConnectionTroubles(lambda: _silent))
        return await client.request(RESTMethod.GET, path_url, signed=signed, deadline=self.deadline)

    async def round_trip(self) -> tuple[float, float]:
        """Return how long a request takes, and how far the exchange's clock is ahead, in seconds.

        From then on requests are signed with that clock, as the connector signs its own.
        """
        await self.get(CONSTANTS.SERVER_TIME_PATH)  # connects
        times = []
        for _ in range(ROUND_TRIPS):
            sent, wall = time.monotonic(), time.time()
            server_time = parse_server_time(await self.get(CONSTANTS.SERVER_TIME_PATH))
            took = time.monotonic() - sent
            times.append((took, server_time - wall - took / 2))
        fastest = min(times)
        self._offset = fastest[1]
        return fastest

    @contextlib.asynccontextmanager
    async def socket(self, path: str, *, signed: bool) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a socket, for the sub-account that is set."""
        headers = self._auth(sub_account=True).handshake_headers(path) if signed else {}
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(
                self.endpoints.socket(path),
                headers=headers,
                max_msg_size=CONSTANTS.MAX_FRAME_SIZE,
                timeout=_CLOSE_QUICKLY,
            ) as socket,
        ):
            yield socket

    async def close(self) -> None:
        """Close what the requests left open."""
        await self._connections.close_rest()

    def _auth(self, sub_account: bool) -> ValrAuth:
        key, secret = (self.account.key, self.account.secret) if self.account else ("", "")
        sub_account_id = self.account.sub_account_id if self.account and sub_account else ""
        return ValrAuth(key, secret, lambda: time.time() + self._offset, sub_account_id)


def no_answer(problem: Exception) -> str:
    """Say why something was not learned, in a row of its own; that there is no connection is told in another."""
    return "no connection" if isinstance(problem, ValrNotSentError) else f"no usable answer: {problem}"
