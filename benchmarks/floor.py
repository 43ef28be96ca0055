"""The floor: the leanest client of the account socket that aiohttp and orjson allow, and nothing else.

No record of orders, no rate limits, no deadlines, no doubt: what no connector can be faster than in this language.
"""

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson

from benchmarks.exchange import SYMBOL, BenchExchange
from hummingbot.connector.exchange.valr.valr_auth import ValrAuth

PATH = "/ws/account"


class FloorClient:
    """Places and cancels over the account socket, and decodes what comes.

    ``on_frame`` is handed each decoded frame.
    """

    def __init__(self, exchange: BenchExchange, account: str) -> None:
        self._exchange = exchange
        self._auth = ValrAuth(exchange.keys[account].key, exchange.keys[account].secret, time.time)
        self.on_frame: Callable[[dict[str, Any]], None] = lambda frame: None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        self._socket = await self._session.ws_connect(
            self._exchange.websocket_url + PATH, headers=self._auth.handshake_headers(PATH), max_msg_size=0
        )
        first = await self._socket.receive_str()
        assert orjson.loads(first)["type"] == "AUTHENTICATED", first
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self._socket.close()
        await self._session.close()

    async def _read(self) -> None:
        async for message in self._socket:
            self.on_frame(orjson.loads(message.data))

    async def place(self, client_order_id: str, price: str, quantity: str = "0.01") -> None:
        """Send a limit order to buy."""
        frame = {
            "type": "PLACE_LIMIT_ORDER",
            "clientMsgId": client_order_id,
            "payload": {
                "side": "BUY",
                "pair": SYMBOL,
                "quantity": quantity,
                "price": price,
                "postOnly": False,
                "timeInForce": "GTC",
                "customerOrderId": client_order_id,
            },
        }
        await self._socket.send_str(orjson.dumps(frame).decode())

    async def cancel(self, client_order_id: str) -> None:
        """Send a cancel."""
        frame = {
            "type": "CANCEL_LIMIT_ORDER",
            "clientMsgId": "cancel" + client_order_id,
            "payload": {"customerOrderId": client_order_id, "pair": SYMBOL},
        }
        await self._socket.send_str(orjson.dumps(frame).decode())
