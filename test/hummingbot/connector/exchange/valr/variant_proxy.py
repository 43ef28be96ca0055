"""A loopback exchange behind a proxy that puts what it says into other layouts that VALR's reference allows."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from valr_loopback.server import LoopbackServer

Json = Any
_OF_ONE_CONNECTION = {"connection", "transfer-encoding", "content-length", "host", "upgrade"}


@dataclass(frozen=True)
class Answer:
    """What came of a REST call; ``content`` is decoded JSON, or text that is none."""

    method: str
    path: str
    status: int
    content: Json


def unchanged(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Variant:
    """How another VALR would say the same: ``event`` rewrites frames of the account socket, None to leave them out."""

    name: str
    event: Callable[[Json], Json | None] = unchanged
    answer: Callable[[Answer], tuple[int, Json]] = lambda answer: (answer.status, answer.content)


class VariantProxy:
    """Stands before ``server`` and is used in its place."""

    def __init__(self, server: LoopbackServer, variant: Variant) -> None:
        self._server = server
        self._variant = variant
        self.url = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    async def __aenter__(self) -> "VariantProxy":
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._serve)
        self._listener = TestServer(app)
        await self._listener.start_server()
        self.url = str(self._listener.make_url("")).rstrip("/")
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await self._listener.close()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        names = (name for name in request.headers if name.lower() not in _OF_ONE_CONNECTION)
        headers = {name: request.headers[name] for name in names if not name.lower().startswith("sec-websocket")}
        address = self._server.url + request.raw_path
        if "Upgrade" in request.headers:
            return await self._pass_frames(request, address, headers)
        body = await request.text()
        async with self._session.request(request.method, address, data=body or None, headers=headers) as response:
            text = await response.text()
        content = json.loads(text) if text.startswith(("{", "[")) else text
        status, content = self._variant.answer(Answer(request.method, request.path, response.status, content))
        return web.Response(status=status, text=content if isinstance(content, str) else json.dumps(content))

    async def _pass_frames(self, request: web.Request, address: str, headers: dict[str, str]) -> web.WebSocketResponse:
        client = web.WebSocketResponse()
        async with self._session.ws_connect(address, headers=headers) as server:
            await client.prepare(request)
            event = self._variant.event if request.path == "/ws/account" else unchanged

            async def to_client() -> None:
                async for message in server:
                    frame = event(json.loads(message.data))
                    if frame is not None:
                        await client.send_str(json.dumps(frame))

            async def to_server() -> None:
                async for message in client:
                    await server.send_str(message.data)

            ways = [asyncio.create_task(way()) for way in (to_client, to_server)]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        await client.close()
        return client
