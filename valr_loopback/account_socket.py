"""The account socket (valr-api.md 4): events of one account, and commands."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Literal

import orjson

from valr_loopback import events, messages
from valr_loopback.auth import TRADE, Identity
from valr_loopback.connection import Connection, read_frame
from valr_loopback.errors import RefusalError, invalid_request
from valr_loopback.exchange import Exchange
from valr_loopback.faults import FaultKind, FaultPlan
from valr_loopback.messages import Json, encode, frame
from valr_loopback.order_entry import OrderEntry, order_ids
from valr_loopback.orders import Order
from valr_loopback.requests import read_object

OrderStatusMode = Literal["automatic", "subscribe", "no_resting"]
"""How ORDER_STATUS_UPDATE comes: unasked, only after SUBSCRIBE, or never when an order comes to rest (4.2, 6.2)."""

RefusalStyle = Literal["error", "invalid"]
"""How a refused command is answered: in the usual reply's ``error``, or as an ``INVALID_*`` message (4.4)."""

ACCOUNT_EVENTS = frozenset(
    {
        "BALANCE_UPDATE",
        "OPEN_ORDERS_UPDATE",
        "ORDER_PROCESSED",
        "ORDER_STATUS_UPDATE",
        "FAILED_CANCEL_ORDER",
        "NEW_ACCOUNT_TRADE",
        "NEW_ACCOUNT_HISTORY_RECORD",
        "MODIFY_ORDER_OUTCOME",
        "MARGIN_INFO",
    }
)
_CANCEL_FAILED = "An error occurred while cancelling your order."
_LONG_LIST = 200

_REPLIES = {
    "PLACE_LIMIT_ORDER": ("PLACE_LIMIT_WS_RESPONSE", "INVALID_PLACE_LIMIT_REQUEST"),
    "PLACE_MARKET_ORDER": ("PLACE_MARKET_WS_RESPONSE", "INVALID_PLACE_MARKET_REQUEST"),
    "CANCEL_LIMIT_ORDER": ("CANCEL_ORDER_WS_RESPONSE", "INVALID_CANCEL_ORDER_REQUEST"),
    "MODIFY_ORDER": ("MODIFY_ORDER_WS_RESPONSE", "INVALID_MODIFY_WS_REQUEST"),
    "BATCH_ORDERS": ("BATCH_ORDERS_WS_RESPONSE", "INVALID_BATCH_ORDERS_REQUEST"),
}


class AccountSession:
    """One account socket."""

    def __init__(
        self,
        hub: "AccountHub",
        connection: Connection,
        identity: Identity,
        entry: OrderEntry,
        take: Callable[[str], bool],
    ) -> None:
        self.connection = connection
        self.account_id = identity.account_id
        self.cancel_on_disconnect = False
        self._hub = hub
        self._identity = identity
        self._entry = entry
        self._take = take
        self._muted = {"MARGIN_INFO"}
        if hub.order_status_mode == "subscribe":
            self._muted.add("ORDER_STATUS_UPDATE")

    def greet(self) -> None:
        """Send what VALR sends unasked after a good handshake (4.1)."""
        self.connection.send(encode({"type": "AUTHENTICATED"}))
        for event, text in self._hub.snapshot(self.account_id):
            self.deliver(event, text)

    def deliver(self, event: str, text: str, delay: float = 0.0) -> None:
        """Send an event, now or later, unless this socket has not asked for it or has unsubscribed from it."""
        if event in self._muted:
            return
        if delay:
            self.connection.send_later(text, delay)
        else:
            self.connection.send(text)

    def receive(self, text: str) -> None:
        """Answer one frame of the client."""
        message = read_frame(text)
        if message is None:
            self._error("Invalid message - Invalid JSON")
            return
        match message.get("type"):
            case "PING":
                self._say({"type": "PONG"})
            case "SUBSCRIBE":
                self._subscribe(message.get("subscriptions"), "SUBSCRIBED", self._muted.discard)
            case "UNSUBSCRIBE":
                self._subscribe(message.get("requests"), "UNSUBSCRIBED", self._muted.add)
            case "CANCEL_ON_DISCONNECT":
                self._set_cancel_on_disconnect(message)
            case str(command) if command in _REPLIES:
                self._command(command, message)
            case _:
                self._error("Invalid message - Unknown message type")

    def _say(self, message: Json, command: Json | None = None) -> None:
        if command is not None and "clientMsgId" in command:
            message["clientMsgId"] = command["clientMsgId"]
        self.connection.send(encode(message))

    def _error(self, text: str) -> None:
        self._say({"type": "ERROR", "message": text})

    def _subscribe(self, subscriptions: object, answer: str, apply: Callable[[str], None]) -> None:
        if not isinstance(subscriptions, list):
            self._error("Invalid message - Invalid JSON")
            return
        for subscription in subscriptions:
            event = str(subscription.get("event")) if isinstance(subscription, dict) else None
            if event in ACCOUNT_EVENTS:
                apply(event)
                self._say({"type": answer, "message": event})
            else:
                self._error(f"Channel {event} invalid")

    def _set_cancel_on_disconnect(self, message: Json) -> None:
        payload = message.get("payload")
        wanted = payload.get("cancelOnDisconnect") if isinstance(payload, dict) else None
        self.cancel_on_disconnect = wanted in (True, "true")
        data = {"cancelOnDisconnect": "true" if self.cancel_on_disconnect else "false"}
        self._say({"type": "CANCEL_ON_DISCONNECT_UPDATE", "data": data}, message)

    def _command(self, command: str, message: Json) -> None:
        if not self._take(command):
            self._say({"type": "RATE_LIMIT_EXCEEDED", "data": {"requestType": command}}, message)
            return
        reply, invalid = _REPLIES[command]
        try:
            self._identity.demand(TRADE)
            payload = read_object(message.get("payload"), invalid_request(("payload", "payload must be specified")))
            data, executed = self._run(command, payload)
        except RefusalError as refusal:
            self._refuse(reply, invalid, refusal, message)
        else:
            self._reply(command, {"type": reply, "data": data}, message, executed)

    def _reply(self, command: str, answer: Json, message: Json, executed: asyncio.Future[Order] | None) -> None:
        faults = self._hub.faults
        if command == "CANCEL_LIMIT_ORDER" and faults.strike(FaultKind.CANCEL_ACK_LOST):
            return
        if executed is not None:
            if faults.strike(FaultKind.PLACE_REPLY_LOST):
                return
            if late := faults.strike(FaultKind.PLACE_REPLY_LATE):
                answer["clientMsgId"] = message.get("clientMsgId")
                self.connection.send_later(encode(answer), faults.delay(late))
                return
            if faults.strike(FaultKind.EVENTS_BEFORE_REPLY):
                executed.add_done_callback(lambda _: self._say(answer, message))
                return
        self._say(answer, message)

    def _refuse(self, reply: str, invalid: str, refusal: RefusalError, message: Json) -> None:
        answer: Json = {"type": reply, "error": refusal.body()}
        if self._hub.refusal_style == "invalid":
            answer = {"type": invalid, "message": refusal.message, "error": refusal.body()}
        elif reply == "CANCEL_ORDER_WS_RESPONSE":
            answer["data"] = {"requested": False}
        self._say(answer, message)

    def _run(self, command: str, payload: Any) -> tuple[Json, asyncio.Future[Order] | None]:
        """Take a command; returns the data of its reply, and of a placement when it has been to the book."""
        if command in ("PLACE_LIMIT_ORDER", "PLACE_MARKET_ORDER"):
            place = self._entry.place_limit if command == "PLACE_LIMIT_ORDER" else self._entry.place_market
            order, executed = place(self.account_id, payload)
            return order_ids(order), executed
        return self._run_other(command, payload), None

    def _run_other(self, command: str, payload: Any) -> Json:
        match command:
            case "CANCEL_LIMIT_ORDER":
                order, _ = self._entry.cancel(self.account_id, payload)
                # Cancelling by client id echoes only that id, as H recorded (4.4).
                given = {key: payload[key] for key in ("orderId", "customerOrderId") if payload.get(key)}
                by_order_id = order is not None and "orderId" in given
                return {"requested": True, **(order_ids(order) if order is not None and by_order_id else given)}
            case "MODIFY_ORDER":
                request_id, _ = self._entry.modify(self.account_id, payload)
                known = self._hub.exchange.order(self.account_id, payload["orderId"])
                ids = order_ids(known) if known is not None else {"orderId": payload["orderId"]}
                return {"modifyRequestId": request_id, "requested": True, **ids}
            case _:
                return self._entry.batch(self.account_id, payload)


class AccountHub:
    """Turns engine events into frames, once per account, for all its sockets."""

    def __init__(
        self,
        exchange: Exchange,
        order_status_mode: OrderStatusMode,
        refusal_style: RefusalStyle,
        valuer: messages.Valuer,
        faults: FaultPlan,
    ) -> None:
        self.exchange = exchange
        self.order_status_mode = order_status_mode
        self.refusal_style = refusal_style
        self.faults = faults
        self._valuer = valuer
        self._sessions: dict[str, list[AccountSession]] = defaultdict(list)
        self._rows: dict[str, str] = {}
        self._overdue: set[str] = set()
        exchange.listen(self.on_event)

    @property
    def sessions(self) -> list[AccountSession]:
        """All open account sockets."""
        return [session for sessions in self._sessions.values() for session in sessions]

    def join(self, session: AccountSession) -> None:
        """Add a socket and greet it."""
        self._sessions[session.account_id].append(session)
        session.greet()

    def leave(self, session: AccountSession) -> None:
        """Remove a socket; if it asked for that, everything its account has open is cancelled."""
        self._sessions[session.account_id].remove(session)
        if session.cancel_on_disconnect:
            self.exchange.cancel_all(session.account_id)

    def snapshot(self, account_id: str) -> Iterable[tuple[str, str]]:
        """Return the balances of every currency held and the open orders, as events."""
        for code in self.exchange.balances(account_id):
            yield "BALANCE_UPDATE", self._balance(account_id, code)
        yield "OPEN_ORDERS_UPDATE", self._open_orders(account_id)

    def flush_lists(self) -> None:
        """Send the long lists of open orders that were held back; called a few times a second."""
        overdue, self._overdue = self._overdue, set()
        for account_id in overdue:
            self._deliver(account_id, "OPEN_ORDERS_UPDATE", self._open_orders(account_id))

    def _deliver(self, account_id: str, event: str, text: str) -> None:
        faults = self.faults
        if faults.strike(FaultKind.DROP_EVENT, event=event):
            return
        if faults.strike(FaultKind.OMIT_CUSTOMER_ORDER_ID, event=event):
            text = without_client_order_id(text)
        held = faults.strike(FaultKind.REORDER_EVENTS, event=event)
        again = faults.strike(FaultKind.DUPLICATE_EVENT, event=event)
        for session in self._sessions[account_id]:
            session.deliver(event, text, faults.delay(held) if held else 0.0)
            if again:
                session.deliver(event, text, faults.delay(again))

    def on_event(self, event: events.Event) -> None:
        """Tell the sockets of the account an event concerns; nothing is encoded for an account without any."""
        match event:
            case events.OrderChanged(order, transition, resting):
                self._rows.pop(order.id, None)
                silent = resting and self.order_status_mode == "no_resting"
                if self._sessions.get(order.account_id) and not silent:
                    update = messages.order_update(order, transition)
                    self._deliver(order.account_id, "ORDER_STATUS_UPDATE", frame("ORDER_STATUS_UPDATE", update))
            case events.OrderProcessed(order, reason) if self._sessions.get(order.account_id):
                self._order_processed(order, reason)
            case events.Traded(trade) if self._sessions.get(trade.account_id):
                text = encode(
                    {
                        "type": "NEW_ACCOUNT_TRADE",
                        "currencyPairSymbol": trade.pair.symbol,
                        "data": messages.account_trade(trade, event=True),
                    }
                )
                self._deliver(trade.account_id, "NEW_ACCOUNT_TRADE", text)
            case events.LedgerEntry(trade) if self._sessions.get(trade.account_id):
                text = frame("NEW_ACCOUNT_HISTORY_RECORD", messages.ledger_record(trade))
                self._deliver(trade.account_id, "NEW_ACCOUNT_HISTORY_RECORD", text)
            case events.BalanceChanged(account_id, currency) if self._sessions.get(account_id):
                self._deliver(account_id, "BALANCE_UPDATE", self._balance(account_id, currency))
            case events.OpenOrdersChanged(account_id) if self._sessions.get(account_id):
                self._list_changed(account_id)
            case events.CancelFailed() if self._sessions.get(event.account_id):
                self._cancel_failed(event)
            case events.Modified() if self._sessions.get(event.account_id):
                self._modified(event)

    def _order_processed(self, order: Order, reason: str) -> None:
        data: Json = {"orderId": order.id, "success": not reason, "failureReason": reason}
        if order.client_order_id:
            data["customerOrderId"] = order.client_order_id
        self._deliver(order.account_id, "ORDER_PROCESSED", frame("ORDER_PROCESSED", data))

    def _cancel_failed(self, event: events.CancelFailed) -> None:
        ids = {"orderId": event.order_id, "customerOrderId": event.client_order_id}
        data = {key: value for key, value in ids.items() if value} | {"message": _CANCEL_FAILED}
        self._deliver(event.account_id, "FAILED_CANCEL_ORDER", frame("FAILED_CANCEL_ORDER", data))

    def _modified(self, event: events.Modified) -> None:
        data: Json = {"success": event.refusal is None, "orderId": event.order_id}
        if event.client_order_id:
            data["customerOrderId"] = event.client_order_id
        data["modifyRequestId"] = event.request_id
        self._deliver(event.account_id, "MODIFY_ORDER_OUTCOME", frame("MODIFY_ORDER_OUTCOME", data))

    def _list_changed(self, account_id: str) -> None:
        # Writing a list of thousands at every change would cost more than all the rest together.
        if len(self.exchange.engine.portfolios[account_id].open) > _LONG_LIST:
            self._overdue.add(account_id)
        else:
            self._deliver(account_id, "OPEN_ORDERS_UPDATE", self._open_orders(account_id))

    def _balance(self, account_id: str, code: str) -> str:
        wallet = self.exchange.balances(account_id)[code]
        return frame("BALANCE_UPDATE", messages.balance_update(code, wallet, self._valuer))

    def _open_orders(self, account_id: str) -> str:
        rows = []
        fresh = self.faults.strike(FaultKind.OPEN_ORDERS_MISSING_FRESH)
        hidden_from_ms = self.exchange.now_ms() - int(self.faults.delay(fresh) * 1000) if fresh else None
        for order in self.exchange.engine.portfolios[account_id].open.values():
            if hidden_from_ms is not None and order.created_ms >= hidden_from_ms:
                continue
            row = self._rows.get(order.id)
            if row is None:
                row = self._rows[order.id] = encode(messages.open_order(order, event=True))
            rows.append(row)
        return f'{{"type":"OPEN_ORDERS_UPDATE","data":[{",".join(rows)}]}}'


def without_client_order_id(text: str) -> str:
    """Return a frame without the ``customerOrderId`` of its data, or of the rows of its data."""
    message = orjson.loads(text)
    data = message["data"]
    for row in data if isinstance(data, list) else [data]:
        row.pop("customerOrderId", None)
    return encode(message)
