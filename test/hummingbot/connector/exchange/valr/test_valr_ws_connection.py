"""The socket connection against a server on this machine: what is decoded, and what is left to Hummingbot's own."""

import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from hummingbot.connector.exchange.valr.valr_web_utils import ValrWSConnection, build_api_factory, frame_decoder
from hummingbot.core.web_assistant.connections.data_types import WSJSONRequest
from hummingbot.core.web_assistant.ws_assistant import WSAssistant

Script = Callable[[web.WebSocketResponse], Awaitable[Any]]


async def talk(script: Script, client: Callable[[WSAssistant], Awaitable[None]]) -> None:
    """Let the server play ``script`` to a client of the product's factory."""

    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        await script(socket)
        return socket

    app = web.Application()
    app.router.add_get("/", serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with build_api_factory() as factory:
            assistant = await factory.get_ws_assistant()
            await assistant.connect(f"ws://127.0.0.1:{runner.addresses[0][1]}/", ping_timeout=None)
            await client(assistant)
            await assistant.disconnect()
    finally:
        await runner.cleanup()


async def received(assistant: WSAssistant) -> Any:
    response = await assistant.receive()
    assert response is not None
    return response.data


@pytest.mark.parametrize("decode", [frame_decoder(), json.loads], ids=["orjson", "json"])
async def test_text_is_decoded_and_everything_else_is_hummingbots(
    decode: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ValrWSConnection, "_decode", staticmethod(decode))
    pongs: list[bytes] = []

    async def script(socket: web.WebSocketResponse) -> None:
        await socket.send_str('{"type":"PONG","message":"\u00e9","d":{"sq":907135,"b":[["86476","0.0115"]]}}')
        await socket.send_str("not JSON")
        await socket.ping(b"there?")
        await socket.send_bytes(b"{}")
        frame = await socket.receive()
        assert frame.type is WSMsgType.PONG
        pongs.append(frame.data)
        assert await socket.receive_json() == {"type": "PING"}
        await socket.close()

    async def client(assistant: WSAssistant) -> None:
        frame = {"type": "PONG", "message": "\u00e9", "d": {"sq": 907135, "b": [["86476", "0.0115"]]}}
        assert await received(assistant) == frame
        assert assistant.last_recv_time > 0
        assert await received(assistant) == "not JSON"
        assert await received(assistant) == b"{}"
        await assistant.send(WSJSONRequest({"type": "PING"}))
        with pytest.raises(ConnectionError, match="closed unexpectedly"):
            await received(assistant)

    await talk(script, client)
    assert pongs == [b"there?"]


def test_decoder_without_orjson_is_the_standard_librarys(monkeypatch: pytest.MonkeyPatch) -> None:
    assert frame_decoder()('{"a":[1,"2"]}') == {"a": [1, "2"]}
    monkeypatch.setitem(sys.modules, "orjson", None)
    assert frame_decoder() is json.loads
