"""The account socket: handshake, subscription, keep-alive, silence detection, and its frames into a queue.

Parsing is left to the listener (``valr_messages``); only command replies take the short way to the order entry.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_auth import ValrAuth
from hummingbot.connector.exchange.valr.valr_back_off import ReconnectDelay
from hummingbot.connector.exchange.valr.valr_messages import (
    AccountEvent,
    Authenticated,
    SocketError,
    parse_account_frame,
)
from hummingbot.connector.exchange.valr.valr_metrics import Metrics
from hummingbot.connector.exchange.valr.valr_order_entry import OrderEntry
from hummingbot.connector.exchange.valr.valr_web_utils import (
    Endpoints,
    ValrRequestError,
    ValrWSConnection,
    frame_writer,
    is_unanswered,
)
from hummingbot.core.data_type.user_stream_tracker_data_source import UserStreamTrackerDataSource
from hummingbot.core.web_assistant.connections.data_types import WSJSONRequest
from hummingbot.core.web_assistant.web_assistants_factory import WebAssistantsFactory
from hummingbot.core.web_assistant.ws_assistant import WSAssistant

AUTHENTICATION_DEADLINE = 10.0
# One report has the server closing the socket at a SUBSCRIBE (valr-api.md 4.2).
SUBSCRIBE_SUSPICION = 1.0
HEALTHY_LIFETIME = CONSTANTS.HEALTHY_SOCKET_LIFETIME
WATCH_INTERVAL = 1.0
# A command went unanswered: is anybody there? So long after a PING that asks.
DOUBTED_SILENCE_LIMIT = 5.0
# VALR repeats the list of all open orders at each change of one: of long ones only the newest is taken, so often.
LONG_LIST = 8 * 1024
LIST_PACE = 0.1
# A list that begins in any other way is taken at once, like everything else.
LIST_BEGINNING = f'{{"type":"{CONSTANTS.OPEN_ORDERS_UPDATE}",'

SUBSCRIBE_FRAME = {
    "type": CONSTANTS.SUBSCRIBE,
    "subscriptions": [{"event": CONSTANTS.ORDER_STATUS_UPDATE}],
}


class ValrAPIUserStreamDataSource(UserStreamTrackerDataSource):
    """Keeps one authenticated account socket open and queues its events.

    :param order_entry: is told when commands can be sent, and is handed their replies
    :param on_connected: called after each authentication: what happened before is silent and must be asked for
    :param on_refused: called when VALR refuses the handshake: perhaps the clock is off
    :param metrics: is told when the socket is up and when it was lost
    :param take_event: is handed each event as it comes, with the monotonic time of its receipt, in place of the queue:
        that would let all that is read at once be decoded before the first of it is told
    """

    def __init__(
        self,
        auth: ValrAuth,
        endpoints: Endpoints,
        api_factory: WebAssistantsFactory,
        order_entry: OrderEntry,
        on_connected: Callable[[], None],
        on_refused: Callable[[], None],
        metrics: Metrics | None = None,
        take_event: Callable[[Any, float], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__()
        self._auth = auth
        self._endpoints = endpoints
        self._api_factory = api_factory
        self._order_entry = order_entry
        self._on_connected = on_connected
        self._on_refused = on_refused
        self._metrics = metrics or Metrics()
        self._take_event = take_event
        self._last_frame_time = 0.0
        self._long_list: tuple[aiohttp.WSMessage, float] | None = None
        self._long_list_came = asyncio.Event()
        self._skip_subscribe = False
        self._lived_for = 0.0
        self._delay = ReconnectDelay(
            CONSTANTS.FIRST_RECONNECT_DELAY, CONSTANTS.RECONNECT_DELAY, CONSTANTS.RECONNECT_DELAY_MAX, HEALTHY_LIFETIME
        )
        self._reasons_said: set[str] = set()

    @property
    def last_frame_time(self) -> float:
        """When the last frame of any kind came, in Unix seconds; 0 before the first."""
        return self._last_frame_time

    async def listen_for_user_stream(self, output: asyncio.Queue[Any]) -> None:
        """Keep the socket open for ever, reconnecting with growing delays.

        The base class would reconnect at once, without end and without a delay.
        """
        while True:
            self._lived_for, unanswered = 0.0, False
            try:
                await self._listen_once(output)
            except asyncio.CancelledError:
                raise
            except (ConnectionError, TimeoutError, aiohttp.ClientError, ValrRequestError) as error:
                unanswered = is_unanswered(error)
                self._say_down(_in_words(error))
                self._metrics.account_socket_lost(_in_words(error))
                self._note_refusal(error)
            except Exception:  # noqa: BLE001 - the outermost loop of the task
                self.logger().exception("Unexpected error while listening to user stream.")
                self._metrics.account_socket_lost("an unexpected error")
            if self._lived_for >= HEALTHY_LIFETIME:
                # What closed the socket at its SUBSCRIBE may have been the network.
                self._skip_subscribe = False
            await self._sleep(self._delay.after_silence() if unanswered else self._delay.after_answer(self._lived_for))

    def _say_down(self, reason: str) -> None:
        # Each reason once: an exchange that stays away for hours need not fill the log.
        if reason not in self._reasons_said:
            self._reasons_said.add(reason)
            self.logger().warning(
                f"The account socket of VALR is down: {reason}; orders are polled over REST meanwhile"
            )

    def _note_refusal(self, error: Exception) -> None:
        if isinstance(error, aiohttp.WSServerHandshakeError) and error.status in (400, 401, 403):
            self._on_refused()

    async def _listen_once(self, output: asyncio.Queue[Any]) -> None:
        assistant = await self._connected_websocket_assistant()
        connected_at = time.monotonic()
        try:
            first_event = await self._await_authentication(assistant)
            self._last_frame_time = time.time()
            self._ws_assistant = assistant
            subscribed_at = await self._subscribe(assistant)
            await self._open_for_business(assistant)
            if first_event is not None:
                await self._process_event_message(first_event, output)
            try:
                await self._read_and_watch(assistant, output)
            except ConnectionError:
                if subscribed_at is not None and time.monotonic() - subscribed_at < SUBSCRIBE_SUSPICION:
                    self._suspect_subscribe()
                raise
        finally:
            self._lived_for = time.monotonic() - connected_at
            self._order_entry.socket_closed()
            self._ws_assistant = None
            await assistant.disconnect()

    async def _connected_websocket_assistant(self) -> WSAssistant:
        assistant = await self._api_factory.get_ws_assistant()
        async with self._api_factory.throttler.execute_task(CONSTANTS.SOCKET_CONNECT_LIMIT_ID):
            async with asyncio.timeout(AUTHENTICATION_DEADLINE):
                await assistant.connect(
                    ws_url=self._endpoints.socket(CONSTANTS.ACCOUNT_SOCKET_PATH),
                    ws_headers=self._auth.handshake_headers(CONSTANTS.ACCOUNT_SOCKET_PATH),
                    # VALR sends no protocol pings and its answers to ours are not documented: JSON PING instead.
                    ping_timeout=None,
                    max_msg_size=CONSTANTS.MAX_FRAME_SIZE,
                )
        return assistant

    async def _await_authentication(self, assistant: WSAssistant) -> Any:
        """Return the event that came in place of AUTHENTICATED, if one did: nobody else is told of the account."""
        async with asyncio.timeout(AUTHENTICATION_DEADLINE):
            while True:
                response = await assistant.receive()
                frame = response.data if response is not None else None
                message = parse_account_frame(frame)
                if isinstance(message, SocketError):
                    self._on_refused()
                    raise ConnectionError(f"VALR refused the keys: {message.message or message.kind}")
                if isinstance(message, Authenticated):
                    return None
                if isinstance(message, AccountEvent):
                    return frame

    async def _subscribe(self, assistant: WSAssistant) -> float | None:
        if self._skip_subscribe:
            return None
        await self._subscribe_channels(assistant)
        return time.monotonic()

    async def _subscribe_channels(self, websocket_assistant: WSAssistant) -> None:
        await websocket_assistant.send(WSJSONRequest(SUBSCRIBE_FRAME))

    def _suspect_subscribe(self) -> None:
        self._skip_subscribe = True
        self.logger().warning("VALR closed the account socket at its SUBSCRIBE; reconnecting without one.")

    async def _open_for_business(self, assistant: WSAssistant) -> None:
        self._order_entry.socket_opened(frame_writer(assistant._connection))
        self._metrics.account_socket_up()
        self._on_connected()
        self._reasons_said.clear()
        self.logger().info("The account socket of VALR is connected and authenticated.")

    async def _read_and_watch(self, assistant: WSAssistant, output: asyncio.Queue[Any]) -> None:
        self._long_list, self._long_list_came = None, asyncio.Event()
        tasks = [
            asyncio.create_task(self._process_websocket_messages(assistant, output)),
            asyncio.create_task(self._keep_alive(assistant)),
            asyncio.create_task(self._take_long_lists(output)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            raise ConnectionError("it was closed")
        finally:
            for task in tasks:
                task.cancel()
            # A list that still waits is dropped: all orders will be asked for, and the next socket begins with a list.
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_alive(self, assistant: WSAssistant) -> None:
        pinged_at, probed_at = time.time(), 0.0
        while True:
            await asyncio.sleep(WATCH_INTERVAL)
            now = time.time()
            doubted = self._order_entry.is_socket_doubted
            # What a doubt is about began after the last frame, which on a quiet account may be old: it is asked first.
            is_new_doubt = doubted and self._last_frame_time >= probed_at
            if is_new_doubt:
                probed_at = now
            limit = DOUBTED_SILENCE_LIMIT if doubted else CONSTANTS.SOCKET_SILENCE_LIMIT
            silent_since = probed_at if doubted else self._last_frame_time
            if now - silent_since > limit:
                raise ConnectionError(f"nothing came for {limit:g} s")
            if self._order_entry.is_renewal_wanted:
                raise ConnectionError("it answers no commands")
            if is_new_doubt or now - pinged_at >= (WATCH_INTERVAL if doubted else CONSTANTS.SOCKET_PING_INTERVAL):
                pinged_at = now
                await assistant.send(WSJSONRequest({"type": CONSTANTS.PING}))

    async def _process_websocket_messages(self, websocket_assistant: WSAssistant, queue: asyncio.Queue[Any]) -> None:
        # The way through the assistant is longer, and does nothing: its factory knows no processors.
        connection: ValrWSConnection = websocket_assistant._connection
        while (message := await connection.receive_message()) is not None:
            if not self._set_aside(message):
                await self._process_event_message(connection.decode(message), queue)

    def _set_aside(self, message: aiohttp.WSMessage) -> bool:
        """Set a long list of open orders aside, and say so; any list makes an older one void."""
        text = message.data
        if type(text) is not str or not text.startswith(LIST_BEGINNING):
            return False
        self._long_list = None
        if len(text) < LONG_LIST:
            return False
        self._hear()
        self._long_list = message, time.monotonic()
        self._long_list_came.set()
        return True

    async def _take_long_lists(self, queue: asyncio.Queue[Any]) -> None:
        """Take the newest of the long lists, the first of a series at once; it is as old then as its receipt."""
        while True:
            await self._long_list_came.wait()
            self._long_list_came.clear()
            newest, self._long_list = self._long_list, None
            if newest is not None:
                message, heard_at = newest
                await self._pass_on(ValrWSConnection.decode(message), queue, heard_at)
                await asyncio.sleep(LIST_PACE)

    async def _process_event_message(self, event_message: Any, queue: asyncio.Queue[Any]) -> None:
        if event_message is None:
            # Hummingbot's connection makes this of the frame that closes the socket from our side.
            return
        self._hear()
        # JSON's objects are dictionaries.
        kind = event_message.get("type") if type(event_message) is dict else None
        if kind == CONSTANTS.PONG:
            return
        is_reply = type(kind) is str and (kind in CONSTANTS.COMMAND_REPLIES or kind == CONSTANTS.RATE_LIMIT_EXCEEDED)
        if is_reply and self._order_entry.take_reply(event_message) is None:
            return
        await self._pass_on(event_message, queue, time.monotonic())

    def _hear(self) -> None:
        self._last_frame_time = time.time()
        self._order_entry.socket_heard()

    async def _pass_on(self, event: Any, queue: asyncio.Queue[Any], heard_at: float) -> None:
        if self._take_event is None:
            queue.put_nowait(event)
        else:
            await self._take_event(event, heard_at)


def _in_words(error: Exception) -> str:
    """Say what failed, and what the user can do where it is the user's to mend."""
    if isinstance(error, aiohttp.WSServerHandshakeError):
        if error.status in (400, 401, 403):
            return (
                f"VALR refused the handshake (HTTP {error.status}). Check that the API key is right and active, that "
                "it has the permissions View access and Trade, and that its IP list (if any) allows this machine"
            )
        return f"VALR answered the handshake with HTTP {error.status}"
    if isinstance(error, TimeoutError):
        return "VALR did not answer in time"
    return str(error) or type(error).__name__
