"""Keeps one connection to the trade socket serving: connects, signs, reconnects, and renews it without a gap."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

import aiohttp

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_auth import ValrAuth
from hummingbot.connector.exchange.valr.valr_market_session import GrowingPause, MarketSession
from hummingbot.connector.exchange.valr.valr_market_socket import MarketSocket, MarketTiming
from hummingbot.connector.exchange.valr.valr_metrics import IncidentKind, Metrics
from hummingbot.connector.exchange.valr.valr_web_utils import Endpoints, is_unanswered
from hummingbot.core.web_assistant.web_assistants_factory import WebAssistantsFactory
from hummingbot.core.web_assistant.ws_assistant import WSAssistant


class MarketReader(Protocol):
    """Who uses the connections."""

    async def prepare(self) -> None:
        """Return when there is something to subscribe to."""

    def on_open(self, session: MarketSession) -> None:
        """Subscribe on a new connection."""

    def on_frame(self, session: MarketSession, frame: dict[str, Any]) -> None:
        """Take a frame from any connection.

        :raises ConnectionError: the connection is of no use any more
        """

    def on_pause(self) -> None:
        """Take note that all that has come on a connection was read."""

    def on_serve(self, session: MarketSession, predecessor: MarketSession) -> None:
        """Go on with a connection that has taken over from another."""

    def on_lost(self) -> None:
        """Take note that no connection serves any more."""


class MarketConnections:
    """The connection that serves, ``active``, and during a handover its successor: both are ``sessions``.

    Handshakes are signed when there are keys, since VALR ends anonymous sockets after 15 minutes. Refused keys are
    tried again at a later connection: after a pause, or at once when an anonymous socket is refused as well.

    :param doubt_clock: measures VALR's clock; called after the first refusal of the keys, which may be about that
    """

    def __init__(
        self,
        reader: MarketReader,
        api_factory: WebAssistantsFactory,
        endpoints: Endpoints,
        auth: ValrAuth,
        timing: MarketTiming,
        metrics: Metrics,
        logger: Callable[[], logging.Logger],
        doubt_clock: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._reader = reader
        self._api_factory = api_factory
        self._endpoints = endpoints
        self._auth = auth
        self._timing = timing
        self._metrics = metrics
        self._logger = logger
        self._before_keys = GrowingPause(timing.keys_retry, timing.keys_retry_max)
        self._strangers_refused = False
        self._doubt_clock = doubt_clock
        self._is_clock_doubted = self._is_clock_to_be_read = False
        self._renewal_wanted = False
        self._served_for = 0.0
        self.sessions: list[MarketSession] = []
        self.active: MarketSession | None = None

    async def keep_streaming(self) -> None:
        """Keep a connection serving until cancelled."""
        delay = self._timing.new_reconnect_delay()
        is_known = False
        while True:
            self._served_for, unanswered = 0.0, False
            try:
                await self._reader.prepare()
                await self._stream()
            except (OSError, aiohttp.ClientError) as error:
                reason, unanswered = f"{type(error).__name__}: {error}", is_unanswered(error)
            except Exception:  # noqa: BLE001  the task's outermost loop
                self._logger().exception("Market data met an unexpected error.")
                reason = "unexpected error"
            self._metrics.market_socket_lost(reason)
            pause = delay.after_silence() if unanswered else delay.after_answer(self._served_for)
            # That nobody answers is said once: it need not fill the log.
            if not (unanswered and is_known):
                self._logger().warning(
                    f"The market data socket is down after {self._served_for:.0f} s ({reason}); "
                    f"next attempt in {pause:.1f} s."
                )
            is_known = unanswered
            await asyncio.sleep(pause)

    def renew(self) -> None:
        """Ask for a successor that takes over once it has every book that is live now."""
        self._renewal_wanted = True

    def note_refusal(self, *, signed: bool) -> None:
        """Do without refused keys for a while; who is refused without them has to sign the next time.

        The first time keys are only signed with anew, by a clock that was looked at.
        """
        if signed and self._doubt_clock is not None and not self._is_clock_doubted:
            self._is_clock_doubted = self._is_clock_to_be_read = True
            return
        self._strangers_refused = not signed
        # Within a pause the keys were tried for want of another way: that is no news.
        if not signed or not self._before_keys.is_over(self._now):
            return
        self._before_keys.begin(self._now)
        text = "VALR refuses the keys on the market data socket; it is used without them for now."
        self._logger().warning(text)
        self._metrics.incident(IncidentKind.KEY_REFUSED, text)

    async def _stream(self) -> None:
        """Serve from one connection, and from its successors, until the serving one is lost.

        :raises OSError, aiohttp.ClientError: no connection could be made, or it was lost
        """
        self._renewal_wanted = False
        self.active = await self._open()
        self._metrics.market_socket_up()
        try:
            while True:
                await asyncio.wait({self.active.socket.task}, timeout=self._timing.tick)
                if self.active.socket.task.done():
                    raise self.active.socket.failure()
                if self._renewal_wanted or self._is_old(self.active):
                    self._renewal_wanted = False
                    await self._hand_over(self.active)
        finally:
            self._served_for = self.active.socket.age
            if self._served_for >= self._timing.healthy_lifetime:
                self._is_clock_doubted = False
            # Hummingbot's tracker is stopped twice now and then: the second time must not leave a connection open.
            self._retiring = asyncio.create_task(self._retire())
            await asyncio.shield(self._retiring)

    async def _open(self) -> MarketSession:
        if self._is_clock_to_be_read and self._doubt_clock is not None:
            self._is_clock_to_be_read = False
            await self._doubt_clock()
        may_sign = self._strangers_refused or self._before_keys.is_over(self._now)
        session = MarketSession(signed=self._auth.has_keys and may_sign)
        assistant = await self._connected_assistant(session.signed)
        session.socket = MarketSocket(
            assistant, self._timing, partial(self._reader.on_frame, session), self._reader.on_pause
        )
        self.sessions.append(session)
        self._reader.on_open(session)
        self._logger().info(f"Market data socket connected ({'signed' if session.signed else 'anonymous'}).")
        return session

    async def _connected_assistant(self, signed: bool) -> WSAssistant:
        assistant = await self._api_factory.get_ws_assistant()
        async with self._api_factory.throttler.execute_task(limit_id=CONSTANTS.SOCKET_CONNECT_LIMIT_ID):
            # Signed when its turn has come: that can take a minute, and VALR refuses old timestamps.
            headers = self._auth.handshake_headers(CONSTANTS.TRADE_SOCKET_PATH) if signed else {}
            try:
                async with asyncio.timeout(self._timing.connect_deadline):
                    # The JSON PING replaces the protocol's own, which `ping_timeout` would start.
                    await assistant.connect(
                        ws_url=self._endpoints.socket(CONSTANTS.TRADE_SOCKET_PATH),
                        ws_headers=headers,
                        ping_timeout=None,
                        max_msg_size=CONSTANTS.MAX_FRAME_SIZE,
                    )
            except aiohttp.WSServerHandshakeError as error:
                if error.status in (400, 401, 403):
                    self.note_refusal(signed=signed)
                raise
        return assistant

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _is_old(self, session: MarketSession) -> bool:
        return not session.signed and session.socket.age >= self._timing.anonymous_lifetime

    async def _hand_over(self, active: MarketSession) -> None:
        """Bring a second connection up to date, let it serve, and close the first."""
        try:
            successor = await self._open()
        except (OSError, aiohttp.ClientError) as error:
            await self._postpone_handover(active, error)
            return
        tasks = {active.socket.task, successor.socket.task}
        while not self._caught_up(successor) and successor.socket.age < self._timing.handover_patience:
            done, _ = await asyncio.wait(tasks, timeout=self._timing.tick, return_when=asyncio.FIRST_COMPLETED)
            if done:
                break
        failure = self._handover_failure(active, successor)
        if failure:
            await self._close(successor)
            await self._postpone_handover(active, failure)
            return
        self.active = successor
        self._reader.on_serve(successor, active)
        await self._close(active)

    def _handover_failure(self, active: MarketSession, successor: MarketSession) -> BaseException | None:
        if successor.socket.task.done():
            return successor.socket.failure()
        # Time presses when the old connection ends anyhow; otherwise live books are not given up for a wish.
        pressing = active.socket.task.done() or self._is_old(active)
        return None if pressing or self._caught_up(successor) else ConnectionError("it brings fewer books")

    async def _postpone_handover(self, active: MarketSession, error: BaseException) -> None:
        self._logger().warning(f"The market data socket could not be renewed yet ({type(error).__name__}: {error}).")
        await asyncio.wait({active.socket.task}, timeout=self._timing.reconnect_delay)

    def _caught_up(self, successor: MarketSession) -> bool:
        return all(line.book.verified for line in successor.lines.values() if line.pair.ready.is_set())

    async def _close(self, session: MarketSession) -> None:
        await session.socket.close()
        self.sessions.remove(session)

    async def _retire(self) -> None:
        self.active = None
        self._reader.on_lost()
        for session in list(self.sessions):
            await self._close(session)
