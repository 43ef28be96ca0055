"""The account socket against a real server on this machine: handshake, keep-alive, silence, reconnection, replies."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientConnectorError, WSMsgType, web

from hummingbot.connector.exchange.valr import valr_api_user_stream_data_source as source_module
from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_api_user_stream_data_source import ValrAPIUserStreamDataSource
from hummingbot.connector.exchange.valr.valr_auth import ValrAuth
from hummingbot.connector.exchange.valr.valr_order_entry import OrderEntry
from hummingbot.connector.exchange.valr.valr_throttler import ValrThrottler
from hummingbot.connector.exchange.valr.valr_troubles import ConnectionTroubles
from hummingbot.connector.exchange.valr.valr_web_utils import Endpoints, build_api_factory

# A published vector (valr-api.md 2.3): this secret, at this time, signs GET /ws/account to this text.
SECRET = "4961b74efac86b25cce8fbe4c9811c4c7a787b7a5996660afcc2e287ad864363"
SIGNED_AT = 1558014486.185
SIGNATURE = (
    "7c8893b201ee0a38e4fbc0e15aa30a5bab18a9e6c1e9c4f1c50ab7d1403bd8e1"
    "923d068f21be6b2a2717c43abb014a41ef762a113bb6d323393637dae9ac02fb"
)
AUTHENTICATED = {"type": "AUTHENTICATED"}
SUBSCRIBE = {"type": "SUBSCRIBE", "subscriptions": [{"event": "ORDER_STATUS_UPDATE"}]}
BALANCE = {"type": "BALANCE_UPDATE", "data": {"currency": {"shortName": "BTC"}, "available": "1", "total": "1"}}


async def until(condition: Callable[[], bool], seconds: float = 3.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - conditions look into both sides of a real socket
            await asyncio.sleep(0.002)


class Connection:
    """One connection as the server sees it."""

    def __init__(self, socket: web.WebSocketResponse, headers: dict[str, str]) -> None:
        self.socket = socket
        self.headers = headers
        self.received: list[dict[str, Any]] = []

    async def send(self, *frames: Any) -> None:
        for frame in frames:
            await self.socket.send_str(json.dumps(frame))

    @property
    def kinds(self) -> list[str]:
        return [frame["type"] for frame in self.received]


class AccountSocketServer:
    """Greets, answers PING, records; ``scenes`` may replace the greeting of the coming connections, one by one."""

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self.handshakes = 0
        self.statuses: list[int] = []
        self.scenes: list[Callable[[Connection], Awaitable[None]]] = []
        self.answers_pings = True
        self.closes_at_subscribe = False
        self.url = ""

    async def __aenter__(self) -> "AccountSocketServer":
        app = web.Application()
        app.router.add_get("/ws/account", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.handshakes += 1
        if self.statuses:
            return web.Response(status=self.statuses.pop(0), text="<html>no</html>")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        connection = Connection(socket, dict(request.headers))
        self.connections.append(connection)
        if self.scenes:
            await self.scenes.pop(0)(connection)
        else:
            await connection.send(AUTHENTICATED)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            await self._take(connection, json.loads(message.data))
        return socket

    async def _take(self, connection: Connection, frame: dict[str, Any]) -> None:
        connection.received.append(frame)
        if frame["type"] == "SUBSCRIBE" and self.closes_at_subscribe:
            await connection.socket.close()
        if frame["type"] == "PING" and self.answers_pings:
            await connection.send({"type": "PONG"})

    @property
    def last(self) -> Connection:
        return self.connections[-1]

    @property
    def open_sockets(self) -> int:
        return sum(not connection.socket.closed for connection in self.connections)


TakeEvent = Callable[[Any, float], Awaitable[None]]


class RecordingSource(ValrAPIUserStreamDataSource):
    """Writes down how long it would wait before each reconnect, and waits only as long as the test says."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.delays: list[float] = []
        self.patience = asyncio.Event()
        self.patience.set()

    async def _sleep(self, delay: float) -> None:
        self.delays.append(delay)
        await self.patience.wait()
        await asyncio.sleep(0)


class World:
    """A server, a data source that listens to it, and what came of it."""

    def __init__(self, server: AccountSocketServer, take_event: TakeEvent | None = None) -> None:
        self.server = server
        self.connected = 0
        self.refused = 0
        self.queue: asyncio.Queue[Any] = asyncio.Queue()
        self.auth = ValrAuth("key", SECRET, lambda: SIGNED_AT)
        self.factory = build_api_factory(auth=self.auth)
        self.order_entry = OrderEntry(
            self._no_rest,
            ValrThrottler(CONSTANTS.RATE_LIMITS),
            ConnectionTroubles(lambda: logging.getLogger("test")),
            prefer_socket=True,
        )
        self.source = RecordingSource(
            auth=self.auth,
            endpoints=Endpoints(server.url, server.url.replace("http", "ws")),
            api_factory=self.factory,
            order_entry=self.order_entry,
            on_connected=self._on_connected,
            on_refused=self._on_refused,
            take_event=take_event,
        )

    async def _no_rest(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("REST was used")

    def _on_connected(self) -> None:
        self.connected += 1

    def _on_refused(self) -> None:
        self.refused += 1

    async def next_event(self) -> Any:
        return await asyncio.wait_for(self.queue.get(), 3)


@asynccontextmanager
async def world(
    server: AccountSocketServer | None = None, take_event: TakeEvent | None = None, **switches: Any
) -> AsyncIterator[World]:
    async with server or AccountSocketServer() as account_server:
        for name, value in switches.items():
            setattr(account_server, name, value)
        place = World(account_server, take_event)
        before = asyncio.all_tasks()
        listener = asyncio.create_task(place.source.listen_for_user_stream(place.queue))
        try:
            yield place
        finally:
            listener.cancel()
            results = await asyncio.gather(listener, return_exceptions=True)
            await until(lambda: not account_server.open_sockets)
            await until(lambda: asyncio.all_tasks() <= before | {asyncio.current_task()})
            await place.factory.close()
        assert isinstance(results[0], asyncio.CancelledError), results


def texts(caplog: pytest.LogCaptureFixture, part: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if part in record.getMessage()]


# --- Connecting -------------------------------------------------------------------------------------------------------
async def test_the_handshake_is_signed_and_one_event_is_subscribed() -> None:
    async with world() as place:
        await until(lambda: place.connected == 1)
        connection = place.server.last
        assert connection.headers["X-VALR-API-KEY"] == "key"
        assert connection.headers["X-VALR-TIMESTAMP"] == "1558014486185"
        assert connection.headers["X-VALR-SIGNATURE"] == SIGNATURE
        assert "X-VALR-SUB-ACCOUNT-ID" not in connection.headers
        await until(lambda: bool(connection.received))
        assert connection.received == [SUBSCRIBE]


async def test_nothing_is_sent_or_announced_before_authentication() -> None:
    greeting = asyncio.Event()

    async def hesitate(connection: Connection) -> None:
        await greeting.wait()
        await connection.send(AUTHENTICATED)

    async with world(scenes=[hesitate]) as place:
        await until(lambda: len(place.server.connections) == 1)
        await asyncio.sleep(0.05)
        assert place.connected == 0
        assert place.source.last_frame_time == place.source.last_recv_time == 0
        greeting.set()
        await until(lambda: place.connected == 1)
        assert place.source.last_frame_time > 0


async def test_events_reach_the_queue_as_they_came() -> None:
    async with world() as place:
        await until(lambda: place.connected == 1)
        await place.server.last.send(BALANCE, {"type": "SUBSCRIBED"}, {"type": "NEVER_HEARD_OF"}, [], "text", 7)
        received = [await place.next_event() for _ in range(6)]
        assert received == [BALANCE, {"type": "SUBSCRIBED"}, {"type": "NEVER_HEARD_OF"}, [], "text", 7]
        assert place.source.last_recv_time > 0


@pytest.mark.parametrize(
    "greeting",
    [
        {"type": "ERROR", "message": "Invalid signature"},
        {"type": "UNAUTHORIZED", "message": "Invalid signature"},
        {"type": "UNAUTHORIZED"},
    ],
)
async def test_refused_keys_are_said_and_the_clock_is_suspected(
    greeting: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(connection: Connection) -> None:
        await connection.send(greeting)

    async with world(scenes=[refuse]) as place:
        await until(lambda: place.connected == 1)
        assert place.refused == 1
        assert place.server.handshakes == 2
    assert texts(caplog, f"VALR refused the keys: {greeting.get('message', 'UNAUTHORIZED')}")


@pytest.mark.parametrize("kind", [None, 7, ["PONG"], {}])
async def test_a_type_that_is_no_text_is_the_listeners_to_judge(kind: Any) -> None:
    async with world() as place:
        await until(lambda: place.connected == 1)
        await place.server.last.send({"type": kind}, BALANCE)
        assert [await place.next_event(), await place.next_event()] == [{"type": kind}, BALANCE]
        assert place.server.handshakes == 1


@pytest.mark.parametrize("greeting", [{"type": "PONG"}, {"type": "WELCOME"}, [], "AUTHENTICATED"])
async def test_what_comes_before_authenticated_and_is_no_event_is_passed_over(greeting: Any) -> None:
    async def greet(connection: Connection) -> None:
        await connection.send(greeting, AUTHENTICATED)

    async with world(scenes=[greet]) as place:
        await until(lambda: place.connected == 1)
        assert (place.server.handshakes, place.refused) == (1, 0)
        assert place.queue.empty()


async def test_an_event_before_authenticated_is_proof_enough_and_is_not_lost() -> None:
    async def greet(connection: Connection) -> None:
        await connection.send(BALANCE)

    async with world(scenes=[greet]) as place:
        await until(lambda: place.connected == 1)
        assert await place.next_event() == BALANCE
        await place.server.last.send(AUTHENTICATED)
        assert await place.next_event() == AUTHENTICATED
        assert (place.server.handshakes, place.connected, place.refused) == (1, 1, 0)


async def test_a_server_that_closes_instead_of_authenticating(caplog: pytest.LogCaptureFixture) -> None:
    async def close(connection: Connection) -> None:
        await connection.socket.close()

    async with world(scenes=[close]) as place:
        await until(lambda: place.connected == 1)
        assert (place.server.handshakes, place.refused) == (2, 0)
    assert texts(caplog, "The account socket of VALR is down")


async def test_a_server_that_never_authenticates(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(source_module, "AUTHENTICATION_DEADLINE", 0.05)

    async def stay_silent(_: Connection) -> None:
        pass

    async with world(scenes=[stay_silent]) as place:
        await until(lambda: place.connected == 1)
    assert texts(caplog, "VALR did not answer in time")


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_a_refused_handshake_tells_the_user_what_to_check(status: int, caplog: pytest.LogCaptureFixture) -> None:
    async with world(statuses=[status]) as place:
        await until(lambda: place.connected == 1)
        assert place.refused == 1
    (text,) = texts(caplog, f"VALR refused the handshake (HTTP {status})")
    for hint in ("API key", "View access", "Trade", "IP list"):
        assert hint in text
    assert SECRET not in caplog.text
    assert SIGNATURE not in caplog.text


async def test_being_turned_away_slows_down_further_and_further(caplog: pytest.LogCaptureFixture) -> None:
    async with world(statuses=[429] * 8) as place:
        await until(lambda: place.connected == 1)
        assert place.refused == 0
        bases = [0.2, 5, 10, 10, 10, 10, 10, 10]
        assert len(place.source.delays) == len(bases)
        for delay, base in zip(place.source.delays, bases, strict=True):
            assert base <= delay <= base * 1.5
    assert len(texts(caplog, "VALR answered the handshake with HTTP 429")) == 1


async def test_nobody_listening(caplog: pytest.LogCaptureFixture) -> None:
    async with AccountSocketServer() as server:
        place = World(server)
    listener = asyncio.create_task(place.source.listen_for_user_stream(place.queue))
    await until(lambda: len(place.source.delays) >= 10)
    listener.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listener
    await place.factory.close()
    assert issubclass(ClientConnectorError, OSError)
    assert max(place.source.delays[:10]) <= 0.3
    assert len(texts(caplog, "The account socket of VALR is down: Cannot connect to host 127.0.0.1")) == 1
    assert not texts(caplog, "Unexpected error")


# --- Keeping it alive -------------------------------------------------------------------------------------------------
@pytest.fixture
def quick_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "WATCH_INTERVAL", 0.01)
    monkeypatch.setattr(CONSTANTS, "SOCKET_PING_INTERVAL", 0.05)
    monkeypatch.setattr(CONSTANTS, "SOCKET_SILENCE_LIMIT", 0.3)


@pytest.mark.usefixtures("quick_watch")
async def test_pings_keep_a_quiet_socket_and_their_answers_are_no_events() -> None:
    async with world() as place:
        await until(lambda: place.connected == 1)
        # Twice as long as the silence that would end it.
        await until(lambda: place.server.last.kinds.count("PING") >= 12)
        assert place.server.handshakes == 1
        assert place.queue.empty()
        assert set(place.server.last.kinds) == {"SUBSCRIBE", "PING"}


@pytest.mark.usefixtures("quick_watch")
async def test_a_silent_socket_is_left(caplog: pytest.LogCaptureFixture) -> None:
    async with world(answers_pings=False) as place:
        await until(lambda: place.connected == 2)
        assert place.server.connections[0].kinds.count("PING") >= 3
        await until(lambda: place.server.open_sockets == 1)
        place.server.answers_pings = True
    assert texts(caplog, "The account socket of VALR is down: nothing came for 0.3 s")


@pytest.mark.usefixtures("quick_watch")
async def test_a_socket_that_left_a_command_unanswered_is_left_sooner(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(CONSTANTS, "SOCKET_SILENCE_LIMIT", 60.0)
    monkeypatch.setattr(CONSTANTS, "SOCKET_PING_INTERVAL", 60.0)
    monkeypatch.setattr(source_module, "DOUBTED_SILENCE_LIMIT", 0.2)
    monkeypatch.setattr("hummingbot.connector.exchange.valr.valr_order_entry.REPLY_DEADLINE", 0.02)
    async with world(answers_pings=False) as place:
        await until(lambda: place.connected == 1)
        with pytest.raises(OSError, match="CANCEL_LIMIT_ORDER was not answered"):
            await place.order_entry.cancel("BTCZAR", "HBOTB1", "", over_rest=False)
        assert place.order_entry.is_socket_doubted
        await until(lambda: place.connected == 2)
        assert "PING" in place.server.connections[0].kinds
        assert not place.order_entry.is_socket_doubted
    assert texts(caplog, "nothing came for 0.2 s")


@pytest.mark.usefixtures("quick_watch")
async def test_a_quiet_socket_is_asked_before_it_is_left_for_a_command_that_went_unanswered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(CONSTANTS, "SOCKET_SILENCE_LIMIT", 60.0)
    monkeypatch.setattr(CONSTANTS, "SOCKET_PING_INTERVAL", 60.0)
    monkeypatch.setattr(source_module, "DOUBTED_SILENCE_LIMIT", 0.2)
    monkeypatch.setattr("hummingbot.connector.exchange.valr.valr_order_entry.REPLY_DEADLINE", 0.02)
    async with world() as place:
        await until(lambda: place.connected == 1)
        for _ in range(2):
            await until(lambda: time.time() - place.source.last_frame_time > 0.3)
            with pytest.raises(OSError, match="CANCEL_LIMIT_ORDER was not answered"):
                await place.order_entry.cancel("BTCZAR", "HBOTB1", "", over_rest=False)
            assert place.order_entry.is_socket_doubted
            await until(lambda: not place.order_entry.is_socket_doubted)
            # Commands are answered, so two in a row do not go unanswered.
            await place.server.last.send({"type": "CANCEL_ORDER_WS_RESPONSE", "clientMsgId": "late"})
            await place.next_event()
        assert place.server.handshakes == 1
        assert place.server.last.kinds.count("PING") >= 2


@pytest.mark.usefixtures("quick_watch")
async def test_a_socket_that_brings_pongs_and_answers_no_commands_is_replaced(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("hummingbot.connector.exchange.valr.valr_order_entry.REPLY_DEADLINE", 0.02)
    async with world() as place:
        await until(lambda: place.connected == 1)
        for _ in range(2):
            await until(lambda: not place.order_entry.is_socket_doubted)
            with pytest.raises(OSError, match="CANCEL_LIMIT_ORDER was not answered"):
                await place.order_entry.cancel("BTCZAR", "HBOTB1", "", over_rest=False)
        await until(lambda: place.connected == 2)
        assert not place.order_entry.is_renewal_wanted
    assert texts(caplog, "The account socket of VALR is down: it answers no commands")


@pytest.mark.usefixtures("quick_watch")
async def test_any_frame_ends_the_doubt_about_a_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CONSTANTS, "SOCKET_SILENCE_LIMIT", 60.0)
    monkeypatch.setattr("hummingbot.connector.exchange.valr.valr_order_entry.REPLY_DEADLINE", 0.02)
    async with world() as place:
        await until(lambda: place.connected == 1)
        with pytest.raises(OSError, match="CANCEL_LIMIT_ORDER was not answered"):
            await place.order_entry.cancel("BTCZAR", "HBOTB1", "", over_rest=False)
        await until(lambda: not place.order_entry.is_socket_doubted)
        assert place.server.handshakes == 1


# --- Reconnecting -----------------------------------------------------------------------------------------------------
async def test_a_dropped_socket_is_replaced_and_announced_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(source_module, "SUBSCRIBE_SUSPICION", 0.0)
    async with world() as place:
        for number in range(1, 4):
            await until(lambda number=number: place.connected == number)
            await until(lambda: place.server.last.received == [SUBSCRIBE])
            await place.server.last.socket.close()
        await until(lambda: place.connected == 4)
        await place.server.last.send(BALANCE)
        assert await place.next_event() == BALANCE
        assert place.server.handshakes == 4
    assert len(texts(caplog, "The account socket of VALR is down")) == 3
    assert len(texts(caplog, "is connected and authenticated")) == 4


async def test_a_socket_that_lived_long_is_missed_only_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "HEALTHY_LIFETIME", 0.05)
    async with world(statuses=[429, 429, 429]) as place:
        await until(lambda: place.connected == 1)
        await asyncio.sleep(0.06)
        await place.server.last.socket.close()
        await until(lambda: place.connected == 2)
        assert len(place.source.delays) == 4
        assert place.source.delays[-2] >= 10
        assert place.source.delays[-1] <= 0.3


async def test_while_it_is_down_commands_cannot_go_over_it() -> None:
    async with world() as place:
        await until(lambda: place.connected == 1)
        place.source.patience.clear()
        pending = asyncio.create_task(place.order_entry.cancel("BTCZAR", "HBOTB1", "", over_rest=False))
        await until(lambda: "CANCEL_LIMIT_ORDER" in place.server.last.kinds)
        await place.server.last.socket.close()
        with pytest.raises(OSError, match="the account socket closed before CANCEL_LIMIT_ORDER was answered"):
            await pending
        assert place.source.last_recv_time == 0
        with pytest.raises(AssertionError, match="REST was used"):
            await place.order_entry.cancel("BTCZAR", "HBOTB1", "", over_rest=False)
        place.source.patience.set()
        await until(lambda: place.connected == 2)


async def test_a_server_that_closes_at_the_subscription_is_spared_it(caplog: pytest.LogCaptureFixture) -> None:
    async with world(closes_at_subscribe=True) as place:
        await until(lambda: place.connected == 2)
        await place.server.last.send(BALANCE)
        assert await place.next_event() == BALANCE
        assert [connection.kinds for connection in place.server.connections] == [["SUBSCRIBE"], []]
    assert texts(caplog, "VALR closed the account socket at its SUBSCRIBE; reconnecting without one.")


async def test_stopping_right_after_connecting_does_not_blame_the_subscription(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with AccountSocketServer() as server:
        place = World(server)
        for number in (1, 2):
            listener = asyncio.create_task(place.source.listen_for_user_stream(place.queue))
            await until(lambda number=number: place.connected == number)
            await until(lambda: server.last.received == [SUBSCRIBE])
            listener.cancel()
            with pytest.raises(asyncio.CancelledError):
                await listener
        await place.factory.close()
    assert not texts(caplog, "SUBSCRIBE")


async def test_a_socket_closed_from_this_side_is_replaced_without_an_event(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(source_module, "SUBSCRIBE_SUSPICION", 0.0)
    async with world() as place:
        await until(lambda: place.connected == 1)
        await place.source.stop()
        await until(lambda: place.connected == 2)
        assert place.queue.empty()
    # Whether the reader learns of it from the close itself or afterwards is anybody's guess.
    assert texts(caplog, "The account socket of VALR is down: ")


async def test_an_error_nobody_thought_of_is_logged_and_survived(caplog: pytest.LogCaptureFixture) -> None:
    async with AccountSocketServer() as server:
        place = World(server)
        place.connected = -1

        def stumble() -> None:
            place.connected += 1
            if place.connected == 0:
                raise ZeroDivisionError("a bug")

        place.source._on_connected = stumble
        listener = asyncio.create_task(place.source.listen_for_user_stream(place.queue))
        await until(lambda: place.connected == 1)
        assert server.handshakes == 2
        listener.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listener
        await place.factory.close()
    assert texts(caplog, "Unexpected error while listening to user stream.")


async def test_a_frame_that_is_no_json_is_left_to_the_listener_as_text() -> None:
    async with world() as place:
        await until(lambda: place.connected == 1)
        await place.server.last.socket.send_str("{not json")
        await place.server.last.send(BALANCE)
        assert [await place.next_event(), await place.next_event()] == ["{not json", BALANCE]
        assert place.server.handshakes == 1


async def test_a_list_of_many_orders_is_not_too_large() -> None:
    row = {"orderId": "019a2a46-5730-7081-bfa2-7c6fc7e2d5db", "filler": "x" * 1000}
    async with world() as place:
        await until(lambda: place.connected == 1)
        await place.server.last.send({"type": "OPEN_ORDERS_UPDATE", "data": [row] * 8000})
        event = await place.next_event()
        assert len(event["data"]) == 8000


# --- Long lists of open orders ----------------------------------------------------------------------------------------
class SlowTaker:
    """Writes down what comes, and when it was heard; the long list named ``first`` keeps it busy until it is released.

    Nothing but long lists can wait behind it: they are all that its caller reads in that task.
    """

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.heard_at: dict[str, float] = {}
        self.released = asyncio.Event()

    async def __call__(self, event: Any, heard_at: float) -> None:
        name = event["data"][0]["orderId"] if event["type"] == "OPEN_ORDERS_UPDATE" else event["type"]
        self.taken.append(name)
        self.heard_at[name] = heard_at
        if name == "first":
            await self.released.wait()


def list_frame(name: str, length: int = source_module.LONG_LIST) -> dict[str, Any]:
    return {"type": "OPEN_ORDERS_UPDATE", "data": [{"orderId": name, "filler": "x" * length}]}


async def send_compactly(place: World, *frames: dict[str, Any]) -> None:
    for frame in frames:
        await place.server.last.socket.send_str(json.dumps(frame, separators=(",", ":")))


async def test_of_many_long_lists_the_first_and_the_newest_are_taken_and_nothing_waits_for_them() -> None:
    taker = SlowTaker()
    async with world(take_event=taker) as place:
        await until(lambda: place.connected == 1)
        await send_compactly(place, list_frame("first"))
        await until(lambda: taker.taken == ["first"])
        await send_compactly(place, list_frame("second"), list_frame("third"), BALANCE)
        await until(lambda: taker.taken == ["first", "BALANCE_UPDATE"])
        taker.released.set()
        await until(lambda: taker.taken == ["first", "BALANCE_UPDATE", "third"])
        assert taker.heard_at["first"] <= taker.heard_at["third"] <= taker.heard_at["BALANCE_UPDATE"]


async def test_any_other_list_is_taken_at_once_and_a_short_one_makes_a_waiting_one_void(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What waits is looked at before the last list can come.
    monkeypatch.setattr(source_module, "LIST_PACE", 0.0)
    taker = SlowTaker()
    async with world(take_event=taker) as place:
        await until(lambda: place.connected == 1)
        await send_compactly(place, list_frame("first"))
        await until(lambda: taker.taken == ["first"])
        await send_compactly(place, list_frame("void"), list_frame("short", 10))
        # As Python writes JSON, with blanks.
        await place.server.last.send(list_frame("blanks"))
        await until(lambda: taker.taken == ["first", "short", "blanks"])
        taker.released.set()
        await send_compactly(place, list_frame("last"))
        await until(lambda: len(taker.taken) == 4)
        assert taker.taken == ["first", "short", "blanks", "last"]


async def test_a_long_list_that_still_waits_ends_with_its_socket() -> None:
    taker = SlowTaker()
    async with world(take_event=taker) as place:
        await until(lambda: place.connected == 1)
        await send_compactly(place, list_frame("first"))
        await until(lambda: taker.taken == ["first"])
        await send_compactly(place, list_frame("waiting"), BALANCE)
        await until(lambda: "BALANCE_UPDATE" in taker.taken)
        await place.server.last.socket.close()
        await until(lambda: place.connected == 2)
        await send_compactly(place, list_frame("next"))
        await until(lambda: "next" in taker.taken)
        assert taker.taken == ["first", "BALANCE_UPDATE", "next"]


# --- Commands ---------------------------------------------------------------------------------------------------------
async def test_replies_go_to_whoever_waits_and_the_rest_to_the_queue() -> None:
    async with world() as place:
        await until(lambda: place.connected == 1)
        pending = asyncio.create_task(place.order_entry.cancel("BTCZAR", "HBOTB1", "", over_rest=False))
        await until(lambda: "CANCEL_LIMIT_ORDER" in place.server.last.kinds)
        command = place.server.last.received[-1]
        reply = {"type": "CANCEL_ORDER_WS_RESPONSE", "data": {"requested": True}}
        await place.server.last.send({**reply, "clientMsgId": command["clientMsgId"]})
        assert await asyncio.wait_for(pending, 1) is False
        assert place.queue.empty()

        late = {**reply, "clientMsgId": command["clientMsgId"]}
        over_rate = {"type": "RATE_LIMIT_EXCEEDED", "data": {}, "clientMsgId": "unheard of"}
        await place.server.last.send(late, over_rate)
        assert [await place.next_event(), await place.next_event()] == [late, over_rate]


async def test_stopping_leaves_nothing_behind() -> None:
    """The world itself checks that no task is left, no socket open, and that cancellation came through."""
    async with world() as place:
        await until(lambda: place.connected == 1)
    with pytest.raises(AssertionError, match="REST was used"):
        await place.order_entry.cancel("BTCZAR", "HBOTB1", "", over_rest=False)
    assert place.source.last_recv_time == 0
