"""The network in memory: order is kept, time passes, and it can fail in every way a real one can."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from random import Random
from typing import Any
from unittest.mock import patch

import aiohappyeyeballs
import aiohttp
import pytest
from aiohttp import web

from test.simulation.network import HIGH_WATER, Network, NetworkLoop, dial
from test.simulation.virtual_time import virtual_time

PORT = 1234


class Receiver(asyncio.Protocol):
    """One end of a connection, with everything it met and when."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.data = b""
        self.arrivals: list[float] = []
        self.ended: float | None = None
        self.error: Exception | None = None
        self.paused: list[bool] = []
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data
        self.arrivals.append(round(self._loop.time(), 6))

    def pause_writing(self) -> None:
        self.paused.append(True)

    def resume_writing(self) -> None:
        self.paused.append(False)

    def connection_lost(self, error: Exception | None) -> None:
        self.ended, self.error = round(self._loop.time(), 6), error


class Place:
    """A loop with its network, whose lines take exactly 10 ms, and a server that keeps what it is sent."""

    def __init__(self) -> None:
        self.network = Network(Random(1))
        self.network.to_server.delay = self.network.to_client.delay = (0.01, 0.01)
        self.loop = NetworkLoop(self.network)
        self.served: list[Receiver] = []

    def _serve(self) -> Receiver:
        self.served.append(Receiver(self.loop))
        return self.served[-1]

    async def connect(self) -> Receiver:
        if PORT not in self.network.listeners:
            await self.loop.create_server(self._serve, "anywhere", PORT)
        _, protocol = await self.loop.create_connection(lambda: Receiver(self.loop), "anywhere", PORT)
        assert isinstance(protocol, Receiver)
        return protocol

    def run(self, play: Callable[[], Awaitable[None]]) -> None:
        async def main() -> None:
            await play()

        self.loop.run_until_complete(main())


@pytest.fixture
def place() -> Iterator[Place]:
    place = Place()
    with virtual_time(place.loop):
        yield place
    place.loop.close()


def test_bytes_take_their_time_and_keep_their_order(place: Place) -> None:
    async def play() -> None:
        client = await place.connect()
        place.network.to_server.delay = (0.0, 1.0)
        for number in range(100):
            client.transport.write(bytes([number]))
            await asyncio.sleep(0.01)
        await asyncio.sleep(2)

    place.run(play)
    assert place.served[0].data == bytes(range(100))
    assert place.served[0].arrivals == sorted(place.served[0].arrivals)


def test_a_close_comes_after_what_was_written(place: Place) -> None:
    async def play() -> None:
        client = await place.connect()
        client.transport.write(b"last words")
        client.transport.close()
        client.transport.write(b"too late")
        await asyncio.sleep(1)
        assert client.ended is not None

    place.run(play)
    (server,) = place.served
    assert (server.data, server.error, server.ended) == (b"last words", None, 0.02)


def test_nobody_listens(place: Place) -> None:
    async def play() -> None:
        with pytest.raises(ConnectionRefusedError):
            await place.loop.create_connection(lambda: Receiver(place.loop), "anywhere", 99)

    place.run(play)


def test_a_port_is_taken_once_and_given_back(place: Place) -> None:
    async def play() -> None:
        server = await place.loop.create_server(lambda: Receiver(place.loop), "anywhere", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(OSError, match=f"port {port} is in use"):
            await place.loop.create_server(lambda: Receiver(place.loop), "anywhere", port)
        server.close()
        assert not server.is_serving()
        await place.loop.create_server(lambda: Receiver(place.loop), "anywhere", port)

    place.run(play)


def test_a_stall_holds_back_what_is_under_way_and_keeps_its_order(place: Place) -> None:
    async def play() -> None:
        client = await place.connect()
        client.transport.write(b"1")
        place.network.to_server.stalled_until = place.loop.time() + 5
        client.transport.write(b"2")
        await asyncio.sleep(6)
        client.transport.write(b"3")
        await asyncio.sleep(1)

    place.run(play)
    (server,) = place.served
    assert (server.data, server.arrivals) == (b"123", [5.01, 5.01, 6.02])


def test_a_reset_is_met_by_both_sides(place: Place) -> None:
    async def play() -> None:
        client = await place.connect()
        client.transport.write(b"lost")
        place.network.reset_connections()
        await asyncio.sleep(1)
        assert isinstance(client.error, ConnectionResetError)

    place.run(play)
    (server,) = place.served
    assert (server.data, type(server.error)) == (b"", ConnectionResetError)


def test_a_severed_connection_is_silent_for_ever_and_a_new_one_works(place: Place) -> None:
    async def play() -> None:
        client = await place.connect()
        place.network.sever_connections(to_client=False)
        client.transport.write(b"lost")
        place.served[0].transport.write(b"heard")
        await asyncio.sleep(60)
        client.transport.write(b"lost, too")
        (await place.connect()).transport.write(b"new")
        await asyncio.sleep(1)
        assert (client.data, client.ended) == (b"heard", None)

    place.run(play)
    assert [server.data for server in place.served] == [b"", b"new"]


def test_refused_and_swallowed_connections(place: Place) -> None:
    async def play() -> None:
        await place.connect()
        place.network.refuses = True
        with pytest.raises(ConnectionRefusedError):
            await place.connect()
        place.network.refuses, place.network.swallows = False, True
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await place.connect()
        place.network.swallows = False
        await place.connect()

    place.run(play)
    assert len(place.served) == 2


def test_a_reader_that_pauses_makes_the_writer_wait(place: Place) -> None:
    async def play() -> None:
        client = await place.connect()
        reader = place.served[0].transport
        reader.pause_reading()
        client.transport.write(b"x" * (HIGH_WATER + 1))
        await asyncio.sleep(1)
        assert (client.paused, place.served[0].data, reader.is_reading()) == ([True], b"", False)
        assert client.transport.get_write_buffer_size() == HIGH_WATER + 1
        reader.resume_reading()
        await asyncio.sleep(1)
        assert client.paused == [True, False]

    place.run(play)
    assert len(place.served[0].data) == HIGH_WATER + 1


def test_a_slow_line_takes_time_by_the_byte(place: Place) -> None:
    async def play() -> None:
        client = await place.connect()
        place.network.to_server.rate = 100.0
        client.transport.write(b"x" * 200)
        await asyncio.sleep(5)

    place.run(play)
    assert place.served[0].arrivals == [2.02]


def test_aiohttp_talks_over_it_unmodified(place: Place) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/rest":
            return web.json_response({"got": await request.text()})
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data.upper())
        return socket

    async def play() -> None:
        application = web.Application()
        application.router.add_route("*", "/{path}", answer)
        runner = web.AppRunner(application, handle_signals=False)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", PORT).start()
        async with aiohttp.ClientSession() as session:
            async with session.post(f"http://127.0.0.1:{PORT}/rest", data="abc") as reply:
                assert await reply.json() == {"got": "abc"}
            async with session.ws_connect(f"ws://127.0.0.1:{PORT}/socket") as socket:
                await socket.send_str("hello")
                assert await socket.receive_str() == "HELLO"
        await runner.cleanup()

    begun = time.process_time()
    with patch.object(aiohappyeyeballs, "start_connection", dial):
        place.run(play)
    assert time.process_time() - begun < 5
    assert 0.05 < place.loop.time() < 1
