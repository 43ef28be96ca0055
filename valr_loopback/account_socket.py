"""The account socket (valr-api.md 4): events of one account, and commands."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Literal

from valr_loopback import events, messages
from valr_loopback.auth import Identity
from valr_loopback.connection import Connection, read_frame
from valr_loopback.distortions import Distortions
from valr_loopback.exchange import Exchange
from valr_loopback.fault_kinds import FaultKind
from valr_loopback.faults import FaultPlan, Subject, about
from valr_loopback.messages import ACCOUNT_EVENTS, Json, encode, frame
from valr_loopback.open_orders import OpenOrders
from valr_loopback.order_entry import OrderEntry
from valr_loopback.orders import AccountTrade, Order
from valr_loopback.socket_commands import REPLIES, CommandDesk, RefusalStyle

OrderStatusMode = Literal["automatic", "subscribe", "no_resting"]
"""How ORDER_STATUS_UPDATE comes: unasked, only after SUBSCRIBE, or never when an order comes to rest (4.2, 6.2)."""

_CANCEL_FAILED = "An error occurred while cancelling your order."
_LONG_LIST = 200


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
        self._desk = CommandDesk(hub.exchange, entry, hub.faults, identity, connection, take, hub.refusal_style)
        self._asked: set[str] = set()
        self._muted = {"MARGIN_INFO"}
        if hub.order_status_mode == "subscribe":
            self._muted.add("ORDER_STATUS_UPDATE")

    def greet(self) -> None:
        """Send what VALR sends unasked after a good handshake (4.1)."""
        self.connection.send(encode({"type": "AUTHENTICATED"}))
        for event, text in self._hub.snapshot(self.account_id):
            self._hub.send([self], self.account_id, text, Subject(event=event))

    def deliver(self, text: str, delay: float = 0.0) -> None:
        """Send an event, now or later."""
        if delay:
            self.connection.send_later(text, delay)
        else:
            self.connection.send(text)

    def wants(self, subject: Subject) -> bool:
        """Tell whether an event is for this socket: not if it must be asked for and was not, or was unsubscribed."""
        event = subject.event
        if event in self._muted:
            return False
        if event != "ORDER_STATUS_UPDATE" or event in self._asked:
            return True
        return not self._hub.faults.strike(FaultKind.STATUS_UPDATE_NEEDS_SUBSCRIBE, subject)

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
                self._subscribe(message.get("subscriptions"), "SUBSCRIBED", self._unmute)
            case "UNSUBSCRIBE":
                self._subscribe(message.get("requests"), "UNSUBSCRIBED", self._mute)
            case "CANCEL_ON_DISCONNECT":
                self._set_cancel_on_disconnect(message)
            case str(command) if command in REPLIES:
                self._desk.handle(command, message)
            case _:
                self._error("Invalid message - Unknown message type")

    def _say(self, message: Json) -> None:
        self.connection.send(encode(message))

    def _error(self, text: str) -> None:
        self._say({"type": "ERROR", "message": text})

    def _unmute(self, event: str) -> None:
        self._muted.discard(event)
        self._asked.add(event)

    def _mute(self, event: str) -> None:
        self._muted.add(event)
        self._asked.discard(event)

    def _subscribe(self, subscriptions: object, answer: str, apply: Callable[[str], None]) -> None:
        if answer == "SUBSCRIBED" and self._hub.faults.strike(FaultKind.ACCOUNT_SOCKET_CLOSES_ON_SUBSCRIBE):
            self.connection.close()
            return
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
        echo = {key: message[key] for key in ("clientMsgId",) if key in message}
        self._say({"type": "CANCEL_ON_DISCONNECT_UPDATE", "data": data} | echo)


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
        self.lists = OpenOrders(exchange, faults)
        self.distortions = Distortions(faults)
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
        yield "OPEN_ORDERS_UPDATE", self.lists.frame(account_id)

    def flush_lists(self) -> None:
        """Send the long lists of open orders that were held back; called a few times a second."""
        overdue, self._overdue = self._overdue, set()
        for account_id in overdue:
            self._deliver_list(account_id)

    def _deliver(self, account_id: str, text: str, subject: Subject) -> None:
        self.send(self._sessions[account_id], account_id, text, subject)

    def send(self, sessions: Iterable[AccountSession], account_id: str, text: str, subject: Subject) -> None:
        """Send an event of an account to those of these sockets that want it, as the faults in force will have it."""
        faults = self.faults
        if faults.strike(FaultKind.DROP_EVENT, subject):
            return
        told = self.distortions.event(text, subject, account_id)
        companion = self.distortions.companion(text, subject)
        held = faults.strike(FaultKind.REORDER_EVENTS, subject)
        again = faults.strike(FaultKind.DUPLICATE_EVENT, subject)
        for session in sessions:
            if not session.wants(subject):
                continue
            session.deliver(told, faults.delay(held) if held else 0.0)
            if again:
                session.deliver(told, faults.delay(again))
            if companion:
                session.deliver(companion)

    def on_event(self, event: events.Event) -> None:
        """Tell the sockets of the account an event concerns; nothing is encoded for an account without any."""
        match event:
            case events.OrderChanged(order) if self._sessions.get(order.account_id):
                self._order_changed(event)
            case events.OrderProcessed(order, reason) if self._sessions.get(order.account_id):
                self._order_processed(order, reason)
            case events.Traded(trade) if self._sessions.get(trade.account_id):
                self._traded(trade)
            case events.LedgerEntry(trade) if self._sessions.get(trade.account_id):
                text = frame("NEW_ACCOUNT_HISTORY_RECORD", messages.ledger_record(trade))
                self._deliver(trade.account_id, text, about(trade, event="NEW_ACCOUNT_HISTORY_RECORD"))
            case events.BalanceChanged(account_id, currency) if self._sessions.get(account_id):
                self._deliver(account_id, self._balance(account_id, currency), Subject(event="BALANCE_UPDATE"))
            case events.OpenOrdersChanged(account_id) if self._sessions.get(account_id):
                self._list_changed(account_id)
            case events.CancelFailed() if self._sessions.get(event.account_id):
                self._cancel_failed(event)
            case events.Modified() if self._sessions.get(event.account_id):
                self._modified(event)

    def _order_changed(self, change: events.OrderChanged) -> None:
        subject = about(change.order, event="ORDER_STATUS_UPDATE")
        if change.resting and (
            self.order_status_mode == "no_resting"
            or self.faults.strike(FaultKind.STATUS_UPDATE_NOT_FOR_RESTING, subject)
        ):
            return
        text = frame("ORDER_STATUS_UPDATE", messages.order_update(change.order, change.transition))
        self._deliver(change.order.account_id, text, subject)

    def _order_processed(self, order: Order, reason: str) -> None:
        data: Json = {"orderId": order.id, "success": not reason, "failureReason": reason}
        if order.client_order_id:
            data["customerOrderId"] = order.client_order_id
        self._deliver(order.account_id, frame("ORDER_PROCESSED", data), about(order, event="ORDER_PROCESSED"))

    def _traded(self, trade: AccountTrade) -> None:
        message = {
            "type": "NEW_ACCOUNT_TRADE",
            "currencyPairSymbol": trade.pair.symbol,
            "data": messages.account_trade(trade, event=True),
        }
        self._deliver(trade.account_id, encode(message), about(trade, event="NEW_ACCOUNT_TRADE"))

    def _cancel_failed(self, event: events.CancelFailed) -> None:
        ids = {"orderId": event.order_id, "customerOrderId": event.client_order_id}
        data = {key: value for key, value in ids.items() if value} | {"message": _CANCEL_FAILED}
        self._deliver_outcome("FAILED_CANCEL_ORDER", data, event)

    def _modified(self, event: events.Modified) -> None:
        data: Json = {"success": event.refusal is None, "orderId": event.order_id}
        if event.client_order_id:
            data["customerOrderId"] = event.client_order_id
        data["modifyRequestId"] = event.request_id
        self._deliver_outcome("MODIFY_ORDER_OUTCOME", data, event)

    def _deliver_outcome(self, name: str, data: Json, event: events.CancelFailed | events.Modified) -> None:
        order = self.exchange.order(event.account_id, event.order_id, event.client_order_id)
        unknown = Subject(event=name, client_order_id=event.client_order_id)
        subject = unknown if order is None else about(order, event=name)
        self._deliver(event.account_id, frame(name, data), subject)

    def _list_changed(self, account_id: str) -> None:
        # Writing a list of thousands at every change would cost more than all the rest together.
        if self.lists.count(account_id) > _LONG_LIST:
            self._overdue.add(account_id)
        else:
            self._deliver_list(account_id)

    def _deliver_list(self, account_id: str) -> None:
        self._deliver(account_id, self.lists.frame(account_id), Subject(event="OPEN_ORDERS_UPDATE"))

    def _balance(self, account_id: str, code: str) -> str:
        wallet = self.exchange.balances(account_id)[code]
        return frame("BALANCE_UPDATE", messages.balance_update(code, wallet, self._valuer))
