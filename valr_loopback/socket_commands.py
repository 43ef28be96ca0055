"""The commands of the account socket and their replies (valr-api.md 4.4)."""

import asyncio
from collections.abc import Callable
from typing import Any, Literal, Protocol

from valr_loopback.auth import TRADE, Identity
from valr_loopback.errors import RefusalError, invalid_request
from valr_loopback.exchange import Exchange
from valr_loopback.fault_kinds import FaultKind
from valr_loopback.faults import FaultPlan, Subject
from valr_loopback.messages import Json, encode
from valr_loopback.order_entry import OrderEntry, order_ids
from valr_loopback.orders import Order
from valr_loopback.requests import read_object

RefusalStyle = Literal["error", "invalid"]
"""How a refused command is answered: in the usual reply's ``error``, or as an ``INVALID_*`` message (4.4)."""

PLACEMENTS = frozenset({"PLACE_LIMIT_ORDER", "PLACE_MARKET_ORDER"})
CANCEL = "CANCEL_LIMIT_ORDER"
REPLIES = {
    "PLACE_LIMIT_ORDER": ("PLACE_LIMIT_WS_RESPONSE", "INVALID_PLACE_LIMIT_REQUEST"),
    "PLACE_MARKET_ORDER": ("PLACE_MARKET_WS_RESPONSE", "INVALID_PLACE_MARKET_REQUEST"),
    CANCEL: ("CANCEL_ORDER_WS_RESPONSE", "INVALID_CANCEL_ORDER_REQUEST"),
    "MODIFY_ORDER": ("MODIFY_ORDER_WS_RESPONSE", "INVALID_MODIFY_WS_REQUEST"),
    "BATCH_ORDERS": ("BATCH_ORDERS_WS_RESPONSE", "INVALID_BATCH_ORDERS_REQUEST"),
}
_REQUESTABLE = frozenset({CANCEL, "MODIFY_ORDER"})


class Sender(Protocol):
    """What replies are sent over."""

    def send(self, text: str) -> None:
        """Send a text frame."""

    def send_later(self, text: str, delay: float) -> None:
        """Send a text frame after so many seconds."""


class CommandDesk:
    """Takes the commands of one account socket. ``take`` counts them and says whether the rate allows another."""

    def __init__(
        self,
        exchange: Exchange,
        entry: OrderEntry,
        faults: FaultPlan,
        identity: Identity,
        sender: Sender,
        take: Callable[[str], bool],
        refusal_style: RefusalStyle,
    ) -> None:
        self._exchange = exchange
        self._entry = entry
        self._faults = faults
        self._identity = identity
        self._sender = sender
        self._take = take
        self._refusal_style = refusal_style

    def handle(self, command: str, message: Json) -> None:
        """Do a command and answer it, unless a fault has it otherwise."""
        if not self._take(command):
            self._say_limited(command, message)
            return
        payload = message.get("payload")
        subject = self._entry.subject(self._identity.account_id, payload, command=command)
        if command in PLACEMENTS and self._faults.strike(FaultKind.PLACE_LOST, subject):
            return
        if refused := self._faults.strike(FaultKind.COMMAND_REFUSED, subject):
            self._refuse_untried(self._faults.form(refused), command, message)
            return
        try:
            self._identity.demand(TRADE)
            fields = read_object(payload, invalid_request(("payload", "payload must be specified")))
            data, executed = self._run(command, fields)
        except RefusalError as refusal:
            self._refuse(command, refusal, message)
        else:
            self._reply(subject, {"type": REPLIES[command][0], "data": data}, message, executed)

    def _say(self, answer: Json, message: Json) -> None:
        self._sender.send(_echoing(answer, message))

    def _say_limited(self, command: str, message: Json) -> None:
        self._say({"type": "RATE_LIMIT_EXCEEDED", "data": {"requestType": command}}, message)

    def _reply(self, subject: Subject, answer: Json, message: Json, executed: asyncio.Future[Order] | None) -> None:
        faults = self._faults
        if subject.command == CANCEL and faults.strike(FaultKind.CANCEL_ACK_LOST, subject):
            return
        if executed is not None:
            if faults.strike(FaultKind.PLACE_REPLY_LOST, subject):
                return
            if late := faults.strike(FaultKind.PLACE_REPLY_LATE, subject):
                self._sender.send_later(_echoing(answer, message), faults.delay(late))
                return
            if faults.strike(FaultKind.EVENTS_BEFORE_REPLY, subject):
                executed.add_done_callback(lambda _: self._say(answer, message))
                return
        self._say(answer, message)

    # Refusing

    def _refuse(self, command: str, refusal: RefusalError, message: Json) -> None:
        reply, invalid = REPLIES[command]
        answer: Json = {"type": reply, "error": refusal.body()}
        if self._refusal_style == "invalid":
            answer = {"type": invalid, "message": refusal.message, "error": refusal.body()}
        elif command == CANCEL:
            answer["data"] = {"requested": False}
        self._say(answer, message)

    def _refuse_untried(self, form: str, command: str, message: Json) -> None:
        """Refuse a command, whatever it says, in one of the forms of the fault."""
        reply, invalid = REPLIES[command]
        refusal = invalid_request()
        match form:
            case "silence":
                return
            case "rate_limit":
                self._say_limited(command, message)
            case "requested_false" if command in _REQUESTABLE:
                self._say({"type": reply, "data": {"requested": False}}, message)
            case "invalid" | "invalid_without_id":
                answer: Json = {"type": invalid, "message": refusal.message, "error": refusal.body()}
                self._say(answer, message if form == "invalid" else {})
            case _:
                self._say({"type": reply, "error": refusal.body()}, message)

    # Doing

    def _run(self, command: str, payload: Any) -> tuple[Json, asyncio.Future[Order] | None]:
        """Take a command; returns the data of its reply, and of a placement when it has been to the book."""
        if command in PLACEMENTS:
            place = self._entry.place_limit if command == "PLACE_LIMIT_ORDER" else self._entry.place_market
            order, executed = place(self._identity.account_id, payload)
            return order_ids(order), executed
        return self._run_other(command, payload), None

    def _run_other(self, command: str, payload: Any) -> Json:
        account_id = self._identity.account_id
        match command:
            case "CANCEL_LIMIT_ORDER":
                order, _ = self._entry.cancel(account_id, payload)
                # Cancelling by client id echoes only that id, as H recorded (4.4).
                given = {key: payload[key] for key in ("orderId", "customerOrderId") if payload.get(key)}
                by_order_id = order is not None and "orderId" in given
                return {"requested": True, **(order_ids(order) if order is not None and by_order_id else given)}
            case "MODIFY_ORDER":
                request_id, _ = self._entry.modify(account_id, payload)
                known = self._exchange.order(account_id, payload["orderId"])
                ids = order_ids(known) if known is not None else {"orderId": payload["orderId"]}
                return {"modifyRequestId": request_id, "requested": True, **ids}
            case _:
                return self._entry.batch(account_id, payload)


def _echoing(answer: Json, message: Json) -> str:
    """Write an answer with the client's id of the message it answers, if that has one."""
    return encode(answer | {key: message[key] for key in ("clientMsgId",) if key in message})
