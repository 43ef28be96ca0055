"""Placing and cancelling, over the account socket or REST, correlated and timed out (design, section 5).

The socket is the fastest way in, and its replies only acknowledge; REST v2 is slower, and its answer is proof. What
came of a request is told by the return value and by the error family of ``valr_web_utils``: refused and rate limited
mean *not executed*, not sent means *never left*, unknown outcome means exactly that.
"""

import asyncio
import functools
import itertools
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_back_off import back_off
from hummingbot.connector.exchange.valr.valr_messages import (
    ApiError,
    CommandReply,
    Unreadable,
    format_number,
    parse_answered_id,
    parse_command_reply,
)
from hummingbot.connector.exchange.valr.valr_throttler import ValrThrottler
from hummingbot.connector.exchange.valr.valr_troubles import ConnectionTroubles
from hummingbot.connector.exchange.valr.valr_web_utils import (
    REQUEST_DEADLINE,
    ValrNotSentError,
    ValrRateLimitedError,
    ValrReadOnlyError,
    ValrRefusedError,
    ValrUnknownOutcomeError,
    ValrWithdrawnError,
)
from hummingbot.core.web_assistant.connections.data_types import RESTMethod

# VALR answers a command in about 10 ms (valr-api.md 4.4).
REPLY_DEADLINE = 2.0
# An order call that hangs must not keep a stop waiting: better look the order up soon.
ORDER_DEADLINE = 3.0
# As long as a lookup hangs it is not repeated: what became of an order is better asked anew soon.
LOOKUP_DEADLINE = 3.0
RATE_LIMIT_TRIES = 5
# A socket over which frames come while so many commands in a row go unanswered is replaced, once, and where that is of
# no help left alone for a growing time.
UNANSWERED_BEFORE_REST = 2
MUTE_PAUSE = 10.0
MUTE_PAUSE_MAX = 300.0


class SignedRequest(Protocol):
    """A signed REST call; see ``ValrRestClient.request`` for its errors."""

    def __call__(
        self,
        method: RESTMethod,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        limit_id: str | None = None,
        deadline: float = REQUEST_DEADLINE,
        before_sending: Callable[[], None] | None = None,
    ) -> Awaitable[Any]: ...


def limit_payload(
    client_order_id: str,
    symbol: str,
    is_buy: bool,
    quantity: Decimal,
    price: Decimal,
    post_only: bool,
    time_in_force: str = "GTC",
) -> dict[str, Any]:
    """Return the fields VALR wants of a limit order, the same over REST and the socket (valr-api.md 3.3, 4.4)."""
    return {
        "side": "BUY" if is_buy else "SELL",
        "pair": symbol,
        "customerOrderId": client_order_id,
        "quantity": format_number(quantity),
        "price": format_number(price),
        "postOnly": post_only,
        "timeInForce": time_in_force,
    }


# Writes a frame at once; what it returns is done unless the socket's buffer is full.
SendFrame = Callable[[dict[str, Any]], Awaitable[None]]


class Placement(NamedTuple):
    """An order to be sent; a market order has no price.

    ``quote_amount`` makes a market order spend or earn so much of the quote currency, in place of ``quantity``.
    """

    client_order_id: str
    symbol: str
    is_buy: bool
    quantity: Decimal
    price: Decimal | None
    post_only: bool = False
    time_in_force: str = "GTC"
    quote_amount: Decimal | None = None

    @property
    def is_market(self) -> bool:
        """Whether it takes whatever price the book offers."""
        return self.price is None

    def payload(self) -> dict[str, Any]:
        """Return the fields VALR wants, the same over REST and the socket (valr-api.md 3.3, 4.4)."""
        if self.price is not None:
            return limit_payload(
                self.client_order_id,
                self.symbol,
                self.is_buy,
                self.quantity,
                self.price,
                self.post_only,
                self.time_in_force,
            )
        side = "BUY" if self.is_buy else "SELL"
        fields = {"side": side, "pair": self.symbol, "customerOrderId": self.client_order_id}
        if self.quote_amount is not None:
            return {**fields, "quoteAmount": format_number(self.quote_amount)}
        return {**fields, "baseAmount": format_number(self.quantity)}


@dataclass(frozen=True)
class Accepted:
    """VALR took a placement; ``proof`` says whether that means it is on the book."""

    order_id: str
    proof: bool


@dataclass(slots=True)
class SentCommand:
    """A command that was handed to the account socket, and when, in monotonic seconds.

    ``ids`` are those of the order it names; ``written`` and ``reply`` are waited for.
    """

    command: str
    client_msg_id: str
    ids: frozenset[str]
    sent_at: float
    send: SendFrame
    written: Awaitable[None]
    reply: asyncio.Future[CommandReply]


class OrderEntry:
    """Sends placements and cancels and says what came of each.

    :param request: performs a signed REST call
    :param troubles: is told of refusals for rate, and says how long to keep off
    :param prefer_socket: use the account socket whenever it is ready
    """

    def __init__(
        self,
        request: SignedRequest,
        throttler: ValrThrottler,
        troubles: ConnectionTroubles,
        *,
        prefer_socket: bool,
    ) -> None:
        self._request = request
        self._throttler = throttler
        self._troubles = troubles
        self._is_held = False
        self._prefer_socket = prefer_socket
        self._send: SendFrame | None = None
        self._is_doubted = False
        self._unanswered = 0
        self._last_unanswered_at = float("-inf")
        self._mute_until = float("-inf")
        self._is_renewal_wanted = False
        self._pending: dict[str, SentCommand] = {}
        self._numbers = itertools.count(1)

    # --- The account socket's side ------------------------------------------------------------------------------------
    @property
    def is_socket_doubted(self) -> bool:
        """Whether a command went unanswered and nothing has come over the account socket since: perhaps it is dead."""
        return self._is_doubted

    def socket_opened(self, send: SendFrame) -> None:
        """The account socket is authenticated; ``send`` writes one frame to it."""
        self._send = send
        self._is_doubted = self._is_renewal_wanted = False
        # It is tried at once; where a new socket was of no help, that is remembered until a command is answered.
        self._mute_until = float("-inf")
        if self._unanswered < UNANSWERED_BEFORE_REST:
            self._unanswered = 0

    @property
    def is_renewal_wanted(self) -> bool:
        """Whether commands go unanswered although frames come: perhaps nothing that is sent arrives any more."""
        return self._is_renewal_wanted

    def socket_heard(self) -> None:
        """Something came over the account socket: it lives."""
        self._is_doubted = False

    def socket_closed(self) -> None:
        """The account socket is gone; what was still unanswered may have been executed or not."""
        self._send = None
        self._is_doubted = False
        for pending in self._pending.values():
            if not pending.reply.done():
                pending.reply.set_exception(
                    ValrUnknownOutcomeError(f"the account socket closed before {pending.command} was answered")
                )

    def take_reply(self, frame: Mapping[str, Any]) -> CommandReply | Unreadable | None:
        """Hand in a command's reply; return it if nobody waits for it (any more), None if somebody did."""
        reply = parse_command_reply(frame)
        if self._unanswered:
            self._commands_answered()
        identifier = reply.client_msg_id if isinstance(reply, CommandReply) else str(frame.get("clientMsgId") or "")
        pending = self._pending.get(identifier) or self._unnamed_command(reply)
        if pending is None:
            self._doubt_commands_like(reply)
            return reply
        if not pending.reply.done():
            if isinstance(reply, CommandReply):
                pending.reply.set_result(reply)
            else:
                pending.reply.set_exception(ValrUnknownOutcomeError(f"unreadable {reply.kind}: {reply.problem}"))
        return None

    def _commands_answered(self) -> None:
        self._unanswered, self._is_renewal_wanted = 0, False
        self._mute_until = float("-inf")
        self._troubles.commands_answered()

    def _command_unanswered(self) -> None:
        self._is_doubted = True
        now = time.monotonic()
        if now - self._last_unanswered_at < REPLY_DEADLINE:
            # Those that were sent together count once.
            return
        self._last_unanswered_at = now
        self._unanswered += 1
        if self._unanswered >= UNANSWERED_BEFORE_REST:
            pause = back_off(self._unanswered - UNANSWERED_BEFORE_REST + 1, MUTE_PAUSE, MUTE_PAUSE_MAX)
            self._mute_until = now + pause
            self._is_renewal_wanted = self._unanswered == UNANSWERED_BEFORE_REST
            self._troubles.commands_unanswered()

    def _unnamed_command(self, reply: CommandReply | Unreadable) -> SentCommand | None:
        """Find the command of a reply without clientMsgId by the order that the reply names (valr-api.md 4.4)."""
        if not isinstance(reply, CommandReply):
            return None
        # VALR's own example of this reply names no command; there is one such setting, so any answer is the answer.
        is_setting = reply.command == CONSTANTS.CANCEL_ON_DISCONNECT
        named = set() if reply.client_msg_id else {reply.order_id, reply.client_order_id} - {""}
        alike = (each for each in self._pending.values() if each.command == reply.command)
        return next((each for each in alike if is_setting or each.ids & named), None)

    def _doubt_commands_like(self, reply: CommandReply | Unreadable) -> None:
        # What names neither command nor order may be meant for any command of its kind: none is certain any more.
        if isinstance(reply, CommandReply) and (reply.client_msg_id or reply.client_order_id):
            return
        command = reply.command if isinstance(reply, CommandReply) else CONSTANTS.COMMAND_REPLIES.get(reply.kind)
        for pending in self._pending.values():
            if pending.command == command and not pending.reply.done():
                pending.reply.set_exception(ValrUnknownOutcomeError(f"{reply.kind} named no command"))

    # --- Read-only mode -----------------------------------------------------------------------------------------------
    def hold(self) -> None:
        """VALR takes no orders: refuse placements at once. Cancels go out all the same, they can do no harm."""
        self._is_held = True

    @property
    def is_held(self) -> bool:
        """Whether placements are refused at once."""
        return self._is_held

    def resume(self) -> None:
        """VALR takes orders again."""
        self._is_held = False

    # --- Placing ------------------------------------------------------------------------------------------------------
    def write_now(self, client_order_id: str, payload: dict[str, Any]) -> SentCommand | None:
        """Write a limit order to the account socket at once, for :meth:`place` to wait for its reply.

        Return None, and do nothing, where the socket cannot be used, or VALR's rate limit lets it wait.
        """
        if self._is_held:
            return None
        command, limit_id = CONSTANTS.PLACE_LIMIT_ORDER, CONSTANTS.SOCKET_PLACE_LIMIT_ID
        return self._write_at_once(command, client_order_id, payload, (client_order_id,), limit_id)

    def _write_at_once(
        self, command: str, client_msg_id: str, payload: dict[str, Any], ids: Iterable[str], limit_id: str
    ) -> SentCommand | None:
        send = self._usable_socket()
        if send is None or self._troubles.pause(limit_id) or not self._throttler.has_room(limit_id):
            return None
        sent = self._write(command, client_msg_id, payload, send, ids)
        self._throttler.count(limit_id)
        return sent

    async def place(
        self, placement: Placement, sent: SentCommand | None = None, is_wanted: Callable[[], bool] = lambda: True
    ) -> Accepted:
        """Send a placement, waiting out VALR's rate limit for some seconds.

        :param sent: it was written already
        :param is_wanted: says after each wait whether it is still to be sent
        :raises ValrRefusedError: VALR said no
        :raises ValrWithdrawnError: it was not wanted any more before it left, or before it was sent again
        :raises ValrNotSentError: it never left
        :raises ValrRateLimitedError: VALR's rate limit never let it through
        :raises ValrUnknownOutcomeError: it may be live
        """
        attempt = 1
        while True:
            if self._is_held and sent is None:
                raise ValrReadOnlyError("VALR is in read-only mode (maintenance)")
            try:
                return await self._place_once(placement, sent, is_wanted, attempt)
            except ValrRateLimitedError:
                # The next try is held back until the limit may have opened again.
                if attempt >= RATE_LIMIT_TRIES:
                    raise
                attempt += 1
                sent = None

    async def _place_once(
        self, placement: Placement, sent: SentCommand | None, is_wanted: Callable[[], bool], attempt: int
    ) -> Accepted:
        if sent is not None:
            return await self._placed(sent)
        send = await self._socket_within(CONSTANTS.SOCKET_PLACE_LIMIT_ID)
        if send is None:
            return await self._place_over_rest(placement, is_wanted)
        async with self._throttler.execute_task(CONSTANTS.SOCKET_PLACE_LIMIT_ID):
            _require_wanted(placement, is_wanted)
            return await self._placed(self._write_placement(placement, send, attempt))

    def _write_placement(self, placement: Placement, send: SendFrame, attempt: int) -> SentCommand:
        command = CONSTANTS.PLACE_MARKET_ORDER if placement.price is None else CONSTANTS.PLACE_LIMIT_ORDER
        identifier = placement.client_order_id
        # A refusal that comes twice must not be taken for the answer to the next try, which may live.
        client_msg_id = identifier if attempt == 1 else f"try{attempt}{identifier}"
        return self._write(command, client_msg_id, placement.payload(), send, (identifier,))

    async def _placed(self, sent: SentCommand) -> Accepted:
        reply = await self._limited_reply(CONSTANTS.SOCKET_PLACE_LIMIT_ID, sent)
        return Accepted(reply.order_id, proof=False)

    async def _place_over_rest(self, placement: Placement, is_wanted: Callable[[], bool]) -> Accepted:
        path = CONSTANTS.PLACE_MARKET_PATH if placement.is_market else CONSTANTS.PLACE_LIMIT_PATH
        try:
            content = await self._request(
                RESTMethod.POST,
                path,
                body=placement.payload(),
                limit_id=CONSTANTS.PLACE_LIMIT_ID,
                deadline=ORDER_DEADLINE,
                before_sending=functools.partial(_require_wanted, placement, is_wanted),
            )
        except ValrRefusedError as error:
            if _is_duplicate(error.error):
                # Nothing else uses this id: the duplicate is this very order, so it is open.
                raise ValrUnknownOutcomeError(str(error)) from error
            raise
        order_id = parse_answered_id(content)
        return Accepted(order_id, proof=bool(order_id))

    # --- Cancelling ---------------------------------------------------------------------------------------------------
    def write_cancel_now(self, symbol: str, client_order_id: str, order_id: str) -> SentCommand | None:
        """Write a cancel to the account socket at once, for :meth:`cancel` to wait for its reply.

        Return None, and do nothing, where the socket cannot be used, or VALR's rate limit lets it wait.
        """
        command, limit_id = CONSTANTS.CANCEL_LIMIT_ORDER, CONSTANTS.SOCKET_CANCEL_LIMIT_ID
        payload, ids = _cancel_payload(symbol, client_order_id, order_id), (client_order_id, order_id)
        return self._write_at_once(command, self._cancel_msg_id(client_order_id), payload, ids, limit_id)

    async def cancel(
        self, symbol: str, client_order_id: str, order_id: str, *, over_rest: bool, sent: SentCommand | None = None
    ) -> bool:
        """Ask VALR to cancel; return whether the answer proves that it is cancelled (False: only taken).

        :param sent: it was written already
        :raises ValrRefusedError: VALR did not cancel; see :func:`is_cancel_not_found`
        :raises ValrNotSentError: the request never left
        :raises ValrRateLimitedError: refused for its rate
        :raises ValrUnknownOutcomeError: it may have been executed
        """
        payload, limit_id = _cancel_payload(symbol, client_order_id, order_id), CONSTANTS.SOCKET_CANCEL_LIMIT_ID
        if sent is None and not over_rest and (send := await self._socket_within(limit_id)) is not None:
            msg_id, ids = self._cancel_msg_id(client_order_id), (client_order_id, order_id)
            async with self._throttler.execute_task(limit_id):
                sent = self._write(CONSTANTS.CANCEL_LIMIT_ORDER, msg_id, payload, send, ids)
        if sent is not None:
            reply = await self._limited_reply(limit_id, sent)
            if reply.requested is False:
                raise ValrRefusedError(f"to cancel order {client_order_id}", ApiError(message="requested: false"))
            return False
        content = await self._request(
            RESTMethod.DELETE,
            CONSTANTS.CANCEL_ORDER_PATH,
            body=payload,
            limit_id=CONSTANTS.CANCEL_LIMIT_ID,
            deadline=ORDER_DEADLINE,
        )
        # A cancel that is done is answered with its order's id, one that is queued with nothing (valr-api.md 3.4).
        return bool(parse_answered_id(content))

    def _cancel_msg_id(self, client_order_id: str) -> str:
        return f"cancel{next(self._numbers)}{client_order_id}"

    def _usable_socket(self) -> SendFrame | None:
        if not self._prefer_socket or self._is_doubted or (self._unanswered and time.monotonic() < self._mute_until):
            return None
        return self._send

    async def _socket_within(self, limit_id: str) -> SendFrame | None:
        """Return the socket, if it is usable, when VALR's rate limit may have opened again."""
        if self._usable_socket() is not None and (pause := self._troubles.pause(limit_id)):
            await asyncio.sleep(pause)
        return self._usable_socket()

    # --- Commands -----------------------------------------------------------------------------------------------------
    async def cancel_on_disconnect(self) -> None:
        """Ask VALR to cancel every order of the account whenever this socket drops.

        :raises ValrRefusedError: VALR does not take the command
        :raises ValrNotSentError: the socket is not ready
        :raises ValrUnknownOutcomeError: no answer
        """
        if self._send is None:
            raise ValrNotSentError("the account socket is not ready")
        command = CONSTANTS.CANCEL_ON_DISCONNECT
        payload = {"cancelOnDisconnect": True}
        reply = await self._reply_to(self._write(command, f"disconnect{next(self._numbers)}", payload, self._send))
        if reply.cancel_on_disconnect is False:
            raise ValrRefusedError(command, ApiError(message="cancelOnDisconnect: false"))

    async def _limited_reply(self, limit_id: str, sent: SentCommand) -> CommandReply:
        try:
            reply = await self._reply_to(sent)
        except ValrRateLimitedError:
            self._troubles.rate_limited(limit_id, sent.sent_at)
            raise
        self._troubles.admitted(limit_id)
        return reply

    def _write(
        self, command: str, client_msg_id: str, payload: dict[str, Any], send: SendFrame, ids: Iterable[str] = ()
    ) -> SentCommand:
        sent_at = time.monotonic()
        written = send({"type": command, "clientMsgId": client_msg_id, "payload": payload})
        reply = asyncio.get_running_loop().create_future()
        sent = SentCommand(command, client_msg_id, frozenset(ids), sent_at, send, written, reply)
        self._pending[client_msg_id] = sent
        return sent

    async def _reply_to(self, sent: SentCommand) -> CommandReply:
        command, reply = sent.command, sent.reply
        try:
            async with asyncio.timeout(REPLY_DEADLINE):
                await sent.written
                answer = await reply
        except TimeoutError as error:
            if self._send is sent.send:
                self._command_unanswered()
            raise ValrUnknownOutcomeError(f"{command} was not answered within {REPLY_DEADLINE:g} s") from error
        except (ConnectionError, RuntimeError) as error:
            # Some of it may have been written.
            raise ValrUnknownOutcomeError(f"{command} could not be written: {error}") from error
        finally:
            del self._pending[sent.client_msg_id]
            if reply.done() and not reply.cancelled():
                # A reply that failed while the frame was still being written has nobody left to read it.
                reply.exception()
        return self._judge(command, answer)

    @staticmethod
    def _judge(command: str, reply: CommandReply) -> CommandReply:
        if reply.rate_limited:
            raise ValrRateLimitedError(f"VALR's rate limit refused {command}", None)
        if reply.error is None:
            return reply
        is_numbered = bool(reply.order_id) and command != CONSTANTS.CANCEL_LIMIT_ORDER
        if is_numbered or _is_duplicate(reply.error):
            # A refusal carries no order id (valr-api.md 4.4): one that does contradicts itself.
            raise ValrUnknownOutcomeError(f"{command}: {reply.error.describe()}")
        raise ValrRefusedError(command, reply.error)


def _require_wanted(placement: Placement, is_wanted: Callable[[], bool]) -> None:
    if not is_wanted():
        raise ValrWithdrawnError(
            f"order {placement.client_order_id} is not to be sent any more: it was cancelled, or VALR has shown it"
        )


def placed_order_id(client_msg_id: str) -> str:
    """Return the client order id of the placement that a clientMsgId names, whichever try of it."""
    return re.sub(r"\Atry[0-9]+", "", client_msg_id)


def _cancel_payload(symbol: str, client_order_id: str, order_id: str) -> dict[str, Any]:
    target = {"orderId": order_id} if order_id else {"customerOrderId": client_order_id}
    return {**target, "pair": symbol}


def _is_duplicate(error: ApiError) -> bool:
    # One source only has seen the code (valr-api.md 1.5).
    text = error.message.lower()
    return error.code == CONSTANTS.ERROR_DUPLICATE_CLIENT_ORDER_ID or "duplicate customer order id" in text


def is_cancel_not_found(error: ValrRefusedError) -> bool:
    """Whether VALR refused a cancel because it knows no such open order (code -16, HTTP 404, or by its text)."""
    text = error.error.message.lower()
    return (
        error.code in (CONSTANTS.ERROR_CANCEL_ORDER_NOT_FOUND, CONSTANTS.ERROR_INVALID_ORDER)
        or error.status == 404
        or "not found" in text
        or "could not find" in text
    )
