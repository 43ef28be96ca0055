"""The socket connection against a server on this machine: what is decoded, and what is left to Hummingbot's own."""

import asyncio
import json
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from hummingbot.connector.exchange.valr import valr_web_utils
from hummingbot.connector.exchange.valr.valr_market_socket import MarketSocket, MarketTiming
from hummingbot.connector.exchange.valr.valr_web_utils import (
    Begun,
    ValrWSConnection,
    build_api_factory,
    frame_decoder,
)
from hummingbot.core.web_assistant.connections.data_types import WSJSONRequest
from hummingbot.core.web_assistant.web_assistants_factory import WebAssistantsFactory
from hummingbot.core.web_assistant.ws_assistant import WSAssistant

Script = Callable[[web.WebSocketResponse], Awaitable[Any]]


@asynccontextmanager
async def served(script: Script) -> AsyncIterator[int]:
    """Play ``script`` to every client of the yielded port."""

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
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def received(assistant: WSAssistant) -> Any:
    response = await assistant.receive()
    assert response is not None
    return response.data


async def connected(factory: WebAssistantsFactory, port: int) -> WSAssistant:
    assistant = await factory.get_ws_assistant()
    await assistant.connect(f"ws://127.0.0.1:{port}/", ping_timeout=None)
    return assistant


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

    frame = {"type": "PONG", "message": "\u00e9", "d": {"sq": 907135, "b": [["86476", "0.0115"]]}}
    async with served(script) as port, build_api_factory() as factory:
        assistant = await connected(factory, port)
        assert await received(assistant) == frame
        assert assistant.last_recv_time > 0
        assert await received(assistant) == "not JSON"
        assert await received(assistant) == b"{}"
        await assistant.send(WSJSONRequest({"type": "PING"}))
        with pytest.raises(ConnectionError, match="closed unexpectedly"):
            await received(assistant)
    assert pongs == [b"there?"]


def test_decoder_without_orjson_is_the_standard_librarys(monkeypatch: pytest.MonkeyPatch) -> None:
    assert frame_decoder()('{"a":[1,"2"]}') == {"a": [1, "2"]}
    monkeypatch.setitem(sys.modules, "orjson", None)
    assert frame_decoder() is json.loads


async def test_frames_gather_and_are_then_received_together() -> None:
    async def script(socket: web.WebSocketResponse) -> None:
        await socket.receive()
        for number in range(3):
            await socket.send_json(number)
            await asyncio.sleep(0.01)
        await socket.receive()

    async with served(script) as port, build_api_factory() as factory:
        assistant = await connected(factory, port)
        await assistant.send(WSJSONRequest({"type": "PING"}))
        connection = assistant._connection
        began = time.monotonic()
        connection.let_gather(0.5)
        assert await received(assistant) == 0
        assert time.monotonic() - began >= 0.49
        rest = [Begun(connection.receive_message()) for _ in range(2)]
        assert [receipt.waits for receipt in rest] == [False, False]
        assert [connection.decode(await receipt) for receipt in rest] == [1, 2]
        await assistant.disconnect()


async def test_a_socket_may_end_while_frames_gather() -> None:
    errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context))
    async with served(until_closed) as port, build_api_factory() as factory:
        assistant = await connected(factory, port)
        connection = assistant._connection
        connection.let_gather(0.01)
        await assistant.disconnect()
        connection.let_gather(0.01)
        await asyncio.sleep(0.05)
    assert not errors


# --- Sessions ---------------------------------------------------------------------------------------------------------
async def until_closed(socket: web.WebSocketResponse) -> None:
    async for _ in socket:
        pass


def session_of(assistant: WSAssistant) -> aiohttp.ClientSession:
    return assistant._connection._client_session


async def test_a_socket_has_a_session_of_its_own_that_ends_with_it() -> None:
    async with served(until_closed) as port, build_api_factory() as factory:
        first, second = [await connected(factory, port) for _ in range(2)]
        await factory._connections_factory.close_rest()
        assert not session_of(first).closed
        with pytest.raises(RuntimeError, match="connected"):
            await first.connect(f"ws://127.0.0.1:{port}/")
        await first.disconnect()
        assert session_of(first).closed
        assert not session_of(second).closed
        await second.disconnect()
        await second.disconnect()
    assert session_of(second).closed


async def test_a_lost_socket_leaves_no_session() -> None:
    async with served(web.WebSocketResponse.close) as port, build_api_factory() as factory:
        assistant = await connected(factory, port)
        with pytest.raises(ConnectionError):
            await received(assistant)
        assert session_of(assistant).closed


async def test_a_socket_that_was_never_opened_leaves_no_session() -> None:
    async with build_api_factory() as factory:
        assistant = await factory.get_ws_assistant()
        await assistant.disconnect()
        assert session_of(assistant) is None
        with pytest.raises(aiohttp.ClientConnectorError):
            await assistant.connect("ws://127.0.0.1:1/")
        assert session_of(assistant).closed


# --- Leaving a socket that is dead in one direction -------------------------------------------------------------------
async def deaf(socket: web.WebSocketResponse) -> None:
    """Send frames and hear nothing, the word that closes a socket neither."""
    transport = socket._req.transport
    assert transport is not None
    transport.pause_reading()
    while not transport.is_closing():
        await socket.send_str("{}")
        await asyncio.sleep(0.02)


def client_socket(assistant: WSAssistant) -> socket.socket:
    found: socket.socket = assistant._connection._transport().get_extra_info("socket")
    return found


async def until_gone(client: socket.socket) -> None:
    async with asyncio.timeout(1):
        while client.fileno() >= 0:  # noqa: ASYNC110 - asyncio tells nobody that it has closed a socket
            await asyncio.sleep(0.002)


@pytest.mark.parametrize("of_market_data", [False, True])
@pytest.mark.parametrize("unsent", [0, 32 * 1024 * 1024])
async def test_a_socket_that_does_not_hear_of_its_end_is_dropped_in_time(
    monkeypatch: pytest.MonkeyPatch, unsent: int, *, of_market_data: bool
) -> None:
    monkeypatch.setattr(valr_web_utils, "CLOSE_DEADLINE", 0.2)
    async with served(deaf) as port, build_api_factory() as factory:
        assistant = await connected(factory, port)
        client = client_socket(assistant)
        session = session_of(assistant)
        if unsent:
            # More than the machine's own buffers take: to wait until it has left would be to wait for ever.
            assistant._connection._transport().write(bytes(unsent))
        leave = MarketSocket(assistant, MarketTiming(), lambda frame: None).close if of_market_data else None
        await asyncio.wait_for((leave or assistant.disconnect)(), 2)
        assert session.closed
        assert not assistant._connection.connected
        await until_gone(client)


async def test_who_leaves_such_a_socket_can_give_up_and_nothing_stays_open() -> None:
    async with served(deaf) as port, build_api_factory() as factory:
        assistant = await connected(factory, port)
        client = client_socket(assistant)
        leaving = asyncio.create_task(assistant.disconnect())
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(leaving, 2)
        assert session_of(assistant).closed
        await until_gone(client)


# --- Work that is begun at once ---------------------------------------------------------------------------------------
async def test_what_can_be_done_at_once_is_on_return() -> None:
    steps: list[str] = []

    async def work() -> str:
        steps.append("written")
        return "result"

    begun = Begun(work())
    assert (steps, begun.waits) == (["written"], False)
    assert await begun == "result"


async def test_the_rest_is_waited_for() -> None:
    room, more = (asyncio.get_running_loop().create_future() for _ in range(2))
    steps: list[str] = []

    async def work() -> str:
        steps.append("begun")
        await room
        steps.append("half")
        await more
        steps.append("done")
        return "result"

    begun = Begun(work())
    assert (steps, begun.waits) == (["begun"], True)
    waiting = asyncio.ensure_future(begun)
    await asyncio.sleep(0)
    room.set_result(None)
    await asyncio.sleep(0.001)
    assert (steps, waiting.done()) == (["begun", "half"], False)
    more.set_result(None)
    assert await waiting == "result"
    assert (steps, begun.waits) == (["begun", "half", "done"], False)


@pytest.mark.parametrize("error", [ConnectionResetError("closing"), RuntimeError("not connected"), KeyError("a bug")])
@pytest.mark.parametrize("late", [True, False])
async def test_what_went_wrong_is_raised_where_it_is_waited_for(error: Exception, *, late: bool) -> None:
    room = asyncio.get_running_loop().create_future()

    async def work() -> None:
        if late:
            await room
        raise error

    begun = Begun(work())
    asyncio.get_running_loop().call_soon(room.set_exception if late else lambda _: None, error)
    with pytest.raises(type(error), match=str(error)):
        await begun


async def test_who_waits_for_room_can_give_up() -> None:
    room = asyncio.get_running_loop().create_future()

    async def work() -> None:
        await room

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(Begun(work()), 0.001)
    assert room.cancelled()


async def test_work_that_is_given_up_tidies_up_before_it_ends() -> None:
    forever, swept = (asyncio.get_running_loop().create_future() for _ in range(2))
    steps: list[str] = []

    async def work() -> str:
        try:
            await forever
        except asyncio.CancelledError:
            steps.append("given up")
            await swept
            steps.append("tidy")
            raise
        return "never"

    waiting = asyncio.ensure_future(Begun(work()))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    assert (steps, waiting.done()) == (["given up"], False)
    swept.set_result(None)
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    assert steps == ["given up", "tidy"]


async def test_work_may_go_on_when_it_should_be_given_up() -> None:
    forever = asyncio.get_running_loop().create_future()

    async def work() -> str:
        try:
            await forever
        except asyncio.CancelledError:
            return "result"
        return "never"

    waiting = asyncio.ensure_future(Begun(work()))
    await asyncio.sleep(0)
    waiting.cancel()
    assert await waiting == "result"
