"""One connection to the trade socket: it reads, keeps the subscriptions, pings, and notices silence (valr-api.md 5)."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import aiohttp

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_back_off import ReconnectDelay
from hummingbot.connector.exchange.valr.valr_market_messages import Channel, Subscriptions, subscribe_frame
from hummingbot.connector.exchange.valr.valr_reading_pace import ReadingPace
from hummingbot.connector.exchange.valr.valr_web_utils import Begun, ValrWSConnection
from hummingbot.core.web_assistant.connections.data_types import WSJSONRequest
from hummingbot.core.web_assistant.ws_assistant import WSAssistant

_PING = {"type": CONSTANTS.PING}


@dataclass(frozen=True, kw_only=True)
class MarketTiming:
    """How long the market data waits for what, in seconds."""

    ping_interval: float = CONSTANTS.SOCKET_PING_INTERVAL
    # A socket without a frame for this long is asked for a PONG: a quiet market and a dead socket look the same.
    quiet_probe: float = 3.0
    # Three probes without an answer: the socket is dead, and its books have been out of use for a while.
    silence_limit: float = 12.0
    # A book is emptied when this much time has passed since its socket last showed life.
    stale_book_limit: float = 6.0
    # A book that is known to have changed without us is shown no longer than a fresh snapshot usually takes.
    doubt_limit: float = 1.0
    snapshot_patience: float = 5.0
    # What is overdue waits so much longer while the snapshots of other pairs are coming in.
    neighbours_patience: float = 10.0
    # Subscriptions change at most this often: doubts about many books share two frames.
    subscription_spacing: float = 0.1
    # Mismatches that follow each other within this time are in a row.
    mismatch_memory: float = 60.0
    # Pauses before a feed that was given up is tried again.
    feed_retry: float = 600.0
    feed_retry_max: float = 3600.0
    # Pauses before a pair without a book may ask for another new connection.
    renewal_pause: float = 120.0
    renewal_pause_max: float = 3600.0
    # A trade changes the book: its frame comes from shortly before the trade's to this long after it.
    stall_lookback: float = 2.0
    stall_patience: float = 3.0
    stall_pause: float = 30.0
    stall_pause_max: float = 3600.0
    # A book without a frame for so long is compared with what a second connection shows; and the pauses between.
    quiet_limit: float = 45.0
    quiet_pause: float = 60.0
    quiet_pause_max: float = 300.0
    # Pauses before a book that Hummingbot's could not take is shown again.
    show_pause: float = 0.25
    show_pause_max: float = 300.0
    # Pauses before the same notice is logged again.
    notice_pause: float = 30.0
    notice_pause_max: float = 3600.0
    # Pauses before refused keys are tried again.
    keys_retry: float = 600.0
    keys_retry_max: float = 6 * 3600.0
    # Short enough to be back within half a minute of a pair that was refused for a while.
    refusal_retry: float = 15.0
    # A feed that was refused once is asked for once more.
    second_try: float = 1.0
    waiting_warning: float = 30.0
    anonymous_lifetime: float = CONSTANTS.ANONYMOUS_SOCKET_LIFETIME
    handover_patience: float = 20.0
    connect_deadline: float = 10.0
    reconnect_delay: float = CONSTANTS.RECONNECT_DELAY
    reconnect_delay_max: float = CONSTANTS.RECONNECT_DELAY_MAX
    first_reconnect_delay: float = CONSTANTS.FIRST_RECONNECT_DELAY
    healthy_lifetime: float = CONSTANTS.HEALTHY_SOCKET_LIFETIME
    tick: float = 0.25

    def new_reconnect_delay(self) -> ReconnectDelay:
        """Return a fresh count of attempts."""
        return ReconnectDelay(
            self.first_reconnect_delay, self.reconnect_delay, self.reconnect_delay_max, self.healthy_lifetime
        )


class MarketSocket:
    """A connected trade socket at work; ``task`` ends when the connection does.

    :param assistant: connected already
    :param on_frame: called with every decoded JSON object, in wire order
    :param on_pause: called when all that has come was read, before the next is waited for
    """

    def __init__(
        self,
        assistant: WSAssistant,
        timing: MarketTiming,
        on_frame: Callable[[dict[str, Any]], None],
        on_pause: Callable[[], None] | None = None,
    ) -> None:
        self._assistant = assistant
        self._timing = timing
        self._on_frame = on_frame
        self._on_pause = on_pause
        self._loop = asyncio.get_running_loop()
        self.opened_at = self._loop.time()
        self.last_frame_at = self.opened_at
        self._wanted: Subscriptions = {}
        self._sent: Subscriptions = {}
        self._afresh: set[Channel] = set()
        self._changed = asyncio.Event()
        self.task = self._loop.create_task(self._run())

    @property
    def age(self) -> float:
        """Seconds since the connection was made."""
        return self._loop.time() - self.opened_at

    def subscribe(self, wanted: Subscriptions, afresh: Iterable[Channel] = ()) -> None:
        """Make ``wanted`` the subscriptions; channels in ``afresh`` are left first, which brings a new snapshot.

        The other channels are never left on the way, so they miss nothing.
        """
        self._wanted = wanted
        self._afresh.update(afresh)
        self._changed.set()

    def rejoin(self, channel: Channel) -> None:
        """Leave and join one channel, which brings a new snapshot; all else stays as it is."""
        self._afresh.add(channel)
        self._changed.set()

    async def close(self) -> None:
        """Stop all work and close the connection."""
        self.task.cancel()
        await asyncio.wait({self.task})
        if not self.task.cancelled():
            # It had failed already; asked for, that is no news to the event loop.
            self.task.exception()
        await self._assistant.disconnect()

    def failure(self) -> BaseException:
        """Return why the connection ended."""
        return self.task.exception() or ConnectionError("the socket ended")

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read())
                group.create_task(self._keep_subscribed())
                group.create_task(self._keep_alive())
                group.create_task(self._notice_silence())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def _read(self) -> None:
        # The way through the assistant is longer, and does nothing: its factory knows no processors.
        connection: ValrWSConnection = self._assistant._connection
        pace, frames = ReadingPace(self._loop.time()), 0
        while True:
            receipt = Begun(connection.receive_message())
            if receipt.waits:
                if self._on_pause is not None:
                    self._on_pause()
                if gathering := pace.after(frames, self._loop.time()):
                    connection.let_gather(gathering)
                frames = 0
            try:
                message = await receipt
            except aiohttp.WebSocketError as error:
                # Hummingbot's word for a frame that is too big.
                raise ConnectionError(str(error)) from error
            frames += 1
            if message is None:
                raise ConnectionError("the socket was closed")
            self.last_frame_at = self._loop.time()
            frame = connection.decode(message)
            # A closing socket says None, a frame that is not JSON its text.
            if type(frame) is dict:
                self._on_frame(frame)

    async def _keep_subscribed(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            afresh, self._afresh = self._afresh, set()
            await self._send_lists(
                {
                    event: [symbol for symbol in symbols if Channel(event, symbol) not in afresh]
                    for event, symbols in self._sent.items()
                }
            )
            await self._send_lists(self._wanted)
            await asyncio.sleep(self._timing.subscription_spacing)

    async def _send_lists(self, lists: Subscriptions) -> None:
        """Send every list if one of them has changed: where VALR has lost them all unnoticed, that brings back all."""
        complete = {event: lists.get(event, []) for event in {**self._sent, **lists}}
        has_changed = any(symbols != self._sent.get(event, []) for event, symbols in complete.items())
        self._sent = lists
        if has_changed:
            await self._send(subscribe_frame(complete))

    async def _send(self, frame: dict[str, Any]) -> None:
        try:
            await self._assistant.send(WSJSONRequest(frame))
        except RuntimeError as error:
            # Hummingbot's word for a connection that has just been closed.
            raise ConnectionError(str(error)) from error

    async def _keep_alive(self) -> None:
        pinged_at = self.opened_at
        while True:
            await asyncio.sleep(self._timing.tick)
            now = self._loop.time()
            quiet = now - self.last_frame_at
            interval = self._timing.quiet_probe if quiet >= self._timing.quiet_probe else self._timing.ping_interval
            if now - pinged_at >= interval:
                pinged_at = now
                await self._send(_PING)

    async def _notice_silence(self) -> None:
        # Apart from the pings: writing to a dead connection may wait for ever.
        while True:
            await asyncio.sleep(self._timing.tick)
            quiet = self._loop.time() - self.last_frame_at
            if quiet >= self._timing.silence_limit:
                raise ConnectionError(f"no frame for {quiet:.0f} s, not even a PONG")
