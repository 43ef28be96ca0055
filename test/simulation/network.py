"""A network in memory below asyncio's transports: aiohttp's own client and server talk over it, unmodified.

A connection is two pipes, one a direction. A pipe hands on what is written to it in order, each piece after a delay of
its own drawn from its line; a line can also stall, go dead, or be slow. Addresses are ports of one imaginary host.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from random import Random
from typing import Any

from test.simulation.virtual_time import VirtualLoop

HIGH_WATER = 256 * 1024
FIRST_PORT = 40_000


class Line:
    """How the network treats one direction of connections: delays in seconds, from ``random``.

    ``stalled_until`` holds everything back until a time; ``rate`` is in bytes a second.
    """

    def __init__(self, random: Random, delay: tuple[float, float] = (0.0002, 0.001), rate: float | None = None) -> None:
        self._random = random
        self.delay = delay
        self.rate = rate
        self.stalled_until = 0.0

    def arrival(self, now: float, size: int) -> float:
        """Return when a piece that is written now arrives."""
        low, high = self.delay
        # Squared: most pieces are quick, a few take long.
        travel = low + (high - low) * self._random.random() ** 2
        if self.rate is not None:
            travel += size / self.rate
        return max(now + travel, self.stalled_until)


class Pipe:
    """One direction of one connection: what is written at one end arrives at the other, in order."""

    def __init__(self, loop: asyncio.AbstractEventLoop, line: Line) -> None:
        self._loop = loop
        self._line = line
        # What is under way, with its time of arrival, the earliest first; None is the end of the stream.
        self._under_way: deque[tuple[float, bytes | None]] = deque()
        self._due: asyncio.TimerHandle | None = None
        self._last_arrival = 0.0
        self.reading = True
        self.dead = False
        self.in_flight = 0
        self.source: Transport | None = None
        self.target: Transport | None = None

    def send(self, data: bytes | None) -> None:
        """Send bytes, or the end of the stream."""
        size = len(data) if data else 0
        self._last_arrival = max(self._line.arrival(self._loop.time(), size), self._last_arrival)
        self.in_flight += size
        self._under_way.append((self._last_arrival, data))
        self._wait()

    def _wait(self) -> None:
        if self._due is None and self.reading and self._under_way and not self.dead:
            context = self.target.context if self.target is not None else None
            due = max(self._under_way[0][0], self._line.stalled_until)
            self._due = self._loop.call_at(due, self._arrive, context=context)

    def _arrive(self) -> None:
        self._due = None
        now = self._loop.time() + 1e-9
        while self.reading and self._under_way and self._under_way[0][0] <= now >= self._line.stalled_until:
            if self.dead:
                return
            _, data = self._under_way.popleft()
            if data:
                self.in_flight -= len(data)
                if self.source is not None:
                    self.source.drained()
            if self.target is not None:
                self.target.receive(data)
        self._wait()

    def pause(self) -> None:
        """The reader takes nothing for a while."""
        self.reading = False

    def resume(self) -> None:
        """The reader goes on."""
        self.reading = True
        self._wait()


class Transport(asyncio.Transport):
    """One end of a connection, as asyncio's protocols know it; what arrives is handled in its owner's ``context``."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: asyncio.BaseProtocol,
        outgoing: Pipe,
        incoming: Pipe,
        addresses: dict[str, Any],
        context: Context,
    ) -> None:
        super().__init__(addresses)
        self.context = context
        self._loop = loop
        self._protocol: Any = protocol
        self._outgoing = outgoing
        self._incoming = incoming
        self._closing = False
        self._paused_writing = False
        self.peer: Transport | None = None
        outgoing.source = self
        incoming.target = self

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let another protocol take over."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol."""
        return self._protocol  # type: ignore[no-any-return]

    def is_closing(self) -> bool:
        """Whether nothing can be written any more."""
        return self._closing

    def write(self, data: Any) -> None:
        """Send bytes on their way."""
        if self._closing or not data:
            return
        self._outgoing.send(bytes(data))
        if self._outgoing.in_flight > HIGH_WATER and not self._paused_writing:
            self._paused_writing = True
            self._protocol.pause_writing()

    def drained(self) -> None:
        """Some of what was written has arrived."""
        if self._paused_writing and self._outgoing.in_flight <= HIGH_WATER // 2:
            self._paused_writing = False
            if not self._closing:
                self._protocol.resume_writing()

    def can_write_eof(self) -> bool:
        """Half-closed connections are not for this network."""
        return False

    def get_write_buffer_size(self) -> int:
        """Return how many bytes are on their way."""
        return self._outgoing.in_flight

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """The limits are the network's."""

    def pause_reading(self) -> None:
        """Take nothing for a while."""
        self._incoming.pause()

    def resume_reading(self) -> None:
        """Go on taking."""
        self._incoming.resume()

    def is_reading(self) -> bool:
        """Whether what arrives is taken."""
        return self._incoming.reading

    def receive(self, data: bytes | None) -> None:
        """Something has arrived: bytes, or the end of the stream."""
        if self._closing:
            return
        if data is not None:
            self._protocol.data_received(data)
        elif not self._protocol.eof_received():
            self.close()

    def close(self) -> None:
        """End the stream after what was written."""
        if self._closing:
            return
        self._closing = True
        self._outgoing.send(None)
        self._loop.call_soon(self._lose, None, context=self.context)

    def abort(self) -> None:
        """End the stream at once; the other side meets its end."""
        self.close()

    def reset(self) -> None:
        """Break the connection: both sides meet a reset."""
        for end in (self, self.peer):
            if end is not None and not end._closing:
                end._closing = True
                self._loop.call_soon(end._lose, ConnectionResetError("the connection was reset"), context=end.context)

    def sever(self, *, outgoing: bool, incoming: bool) -> None:
        """Lose what is sent from now on, in one direction or both, without a word."""
        self._outgoing.dead = self._outgoing.dead or outgoing
        self._incoming.dead = self._incoming.dead or incoming

    def _lose(self, error: Exception | None) -> None:
        if self._paused_writing:
            self._paused_writing = False
            self._protocol.resume_writing()
        self._protocol.connection_lost(error)


class Listener(asyncio.AbstractServer):
    """A server that listens on a port."""

    def __init__(self, network: "Network", factory: Callable[[], asyncio.BaseProtocol], port: int) -> None:
        self._network = network
        self.context = copy_context()
        self.factory = factory
        self.port = port
        self.sockets = (_ListeningSocket(port),)

    def close(self) -> None:
        """Stop listening; connections go on."""
        self._network.listeners.pop(self.port, None)

    async def wait_closed(self) -> None:
        """There is nothing to wait for."""

    def is_serving(self) -> bool:
        """Whether it listens."""
        return self.port in self._network.listeners


class _ListeningSocket:
    def __init__(self, port: int) -> None:
        self._port = port

    def getsockname(self) -> tuple[str, int]:
        return ("127.0.0.1", self._port)


class Network:
    """All connections between clients and servers of one loop.

    ``to_server`` and ``to_client`` are the two directions; while it ``refuses`` every new connection fails, while it
    ``swallows`` it hangs.
    """

    def __init__(self, random: Random) -> None:
        self.to_server = Line(random)
        self.to_client = Line(random)
        self.refuses = False
        self.swallows = False
        self.listeners: dict[int, Listener] = {}
        self.clients: list[Transport] = []
        self._next_port = FIRST_PORT

    def listen(self, factory: Callable[[], asyncio.BaseProtocol], port: int) -> Listener:
        """Listen on a port, 0 for a free one.

        Raises:
            OSError: if the port is taken.
        """
        if port == 0:
            port = self._take_port()
        if port in self.listeners:
            raise OSError(f"port {port} is in use")
        listener = self.listeners[port] = Listener(self, factory, port)
        return listener

    async def connect(
        self, loop: VirtualLoop, factory: Callable[[], asyncio.BaseProtocol], port: int
    ) -> tuple[Transport, asyncio.BaseProtocol]:
        """Connect to a port.

        Raises:
            OSError: if nobody listens there, or the network refuses.
        """
        await asyncio.sleep(max(self.to_server.arrival(loop.time(), 0) - loop.time(), 0.0))
        if self.swallows:
            await loop.create_future()
        listener = self.listeners.get(port)
        if listener is None or self.refuses:
            raise ConnectionRefusedError(f"nobody listens on port {port}")
        client_port = self._take_port()
        there, back = Pipe(loop, self.to_server), Pipe(loop, self.to_client)
        here, far = ("127.0.0.1", client_port), ("127.0.0.1", port)
        protocol = factory()
        context = listener.context.copy()
        server_protocol = context.run(listener.factory)
        server = Transport(loop, server_protocol, back, there, {"sockname": far, "peername": here}, context)
        client = Transport(loop, protocol, there, back, {"sockname": here, "peername": far}, copy_context())
        server.peer, client.peer = client, server
        self._live().append(client)
        context.run(server_protocol.connection_made, server)
        protocol.connection_made(client)
        return client, protocol

    def reset_connections(self) -> None:
        """Break every connection there is, and tell both sides."""
        for client in self._live():
            client.reset()

    def sever_connections(self, *, to_server: bool = True, to_client: bool = True) -> None:
        """Let nothing arrive any more on the connections there are, and tell nobody."""
        for client in self._live():
            client.sever(outgoing=to_server, incoming=to_client)

    def _live(self) -> list[Transport]:
        self.clients = [each for each in self.clients if not each.is_closing()]
        return self.clients

    def _take_port(self) -> int:
        self._next_port += 1
        return self._next_port


class NetworkLoop(VirtualLoop):
    """A loop under virtual time whose connections are a network's."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    async def create_server(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], host: Any = None, port: Any = None, **options: Any
    ) -> Listener:
        """Listen in the network, whatever the host."""
        return self.network.listen(protocol_factory, int(port or 0))

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: Any = None,
        port: Any = None,
        *,
        sock: "Dialled | None" = None,
        **options: Any,
    ) -> tuple[Transport, asyncio.BaseProtocol]:
        """Connect through the network, whatever the host."""
        return await self.network.connect(self, protocol_factory, sock.port if sock is not None else int(port))

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:  # type: ignore[override]
        """Every host is this one."""
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", int(port or 0)))]


class Dialled:
    """What stands for a socket between aiohttp's dialling and its connection: the port."""

    def __init__(self, port: int) -> None:
        self.port = port

    def close(self) -> None:
        """There is nothing to close."""


async def dial(addr_infos: Any, **options: Any) -> Dialled:
    """Stand in for aiohappyeyeballs, which dials before aiohttp has a transport."""
    return Dialled(addr_infos[0][4][1])
