"""Placing, cancelling and modifying: what REST and the account socket have in common (valr-api.md 3.3 to 3.5, 4.4).

What is checked at once is checked at once; the rest waits in a queue like VALR's, whose outcome is told by events.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from typing import Any

from valr_loopback.commands import Cancel, CancelAll, Modify, Postponed
from valr_loopback.counterparty import fill
from valr_loopback.errors import RefusalError, invalid_request
from valr_loopback.events import CancelFailed
from valr_loopback.exchange import Exchange
from valr_loopback.fault_kinds import FaultKind
from valr_loopback.faults import FaultPlan, Subject, about
from valr_loopback.messages import Json
from valr_loopback.orders import Order
from valr_loopback.requests import read_cancel, read_limit, read_market, read_modify, read_object

BATCH_LIMIT = 20


class CommandQueue:
    """Runs commands one after the other, each a little after it came, as an exchange's matching engine does.

    ``delay`` is the range in seconds from which each command's time in the queue is drawn.
    """

    def __init__(self, delay: tuple[float, float], random: Random) -> None:
        self._delay = delay
        self._random = random
        self._waiting: deque[tuple[float, Callable[[], None]]] = deque()
        self._last_due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def submit[Result](self, command: Callable[[], Result], extra_delay: float = 0.0) -> asyncio.Future[Result]:
        """Queue a command; the future gets its result. With an extra delay it comes out of turn, that much later."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()

        def run() -> None:
            result = command()
            if not future.done():
                future.set_result(result)

        if extra_delay:
            loop.call_later(extra_delay, run)
            return future
        due = loop.time() + self._random.uniform(*self._delay)
        self._last_due = max(due, self._last_due)
        self._waiting.append((self._last_due, run))
        self._schedule()
        return future

    def _schedule(self) -> None:
        if self._timer is None and self._waiting:
            self._timer = asyncio.get_running_loop().call_at(self._waiting[0][0], self._run_due)

    def _run_due(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        try:
            while self._waiting and self._waiting[0][0] <= now:
                self._waiting.popleft()[1]()
        finally:
            self._schedule()


class OrderEntry:
    """Takes requests from the wire to the exchange. What is refused at once raises ``RefusalError``."""

    def __init__(self, exchange: Exchange, queue: CommandQueue, faults: FaultPlan) -> None:
        self._exchange = exchange
        self._queue = queue
        self._faults = faults

    def place_limit(
        self, account_id: str, body: Mapping[str, Any], *, delayed: bool = True
    ) -> tuple[Order, asyncio.Future[Order]]:
        """Take a limit order; the future is done when it has been to the book."""
        order = self._exchange.accept(account_id, read_limit(body), delayed=delayed)
        return order, self._execute(order)

    def place_market(
        self, account_id: str, body: Mapping[str, Any], *, delayed: bool = True
    ) -> tuple[Order, asyncio.Future[Order]]:
        """Take a market order; the future is done when it has been to the book."""
        order = self._exchange.accept(account_id, read_market(body), delayed=delayed)
        return order, self._execute(order)

    def _execute(self, order: Order) -> asyncio.Future[Order]:
        return self._queue.submit(lambda: self._exchange.execute(order))

    def cancel(self, account_id: str, body: Mapping[str, Any]) -> tuple[Order | None, asyncio.Future[Order | None]]:
        """Take a cancel. Returns the order meant, if known, and a future of the order that was cancelled, if any."""
        request = read_cancel(body)
        self._exchange.listed_pair(request.pair)
        order = self._exchange.order(account_id, request.order_id, request.client_order_id)
        subject = self.subject(account_id, body)
        if self._faults.strike(FaultKind.CANCEL_NEVER_EXECUTED, subject):
            return order, asyncio.get_running_loop().create_future()
        if order is not None and self._faults.strike(FaultKind.CANCEL_REFUSED_THOUGH_OPEN, subject):
            return order, self._queue.submit(lambda: self._fail_cancel(order))
        if order is not None and self._faults.strike(FaultKind.CANCEL_LOSES_TO_FILL, subject):
            return order, self._queue.submit(lambda: self._fill_instead(order))
        late = self._faults.strike(FaultKind.CANCEL_EXECUTED_LATE, subject)
        delay = self._faults.delay(late) if late else 0.0
        return order, self._postpone(Cancel(self._exchange.now_ms(), account_id, request), delay)

    def _postpone(self, command: Postponed, delay: float = 0.0) -> asyncio.Future[Any]:
        return self._queue.submit(self._exchange.postpone(command), delay)

    def _fail_cancel(self, order: Order) -> None:
        self._exchange.tell([CancelFailed(order.account_id, order.id, order.client_order_id)])

    def _fill_instead(self, order: Order) -> None:
        self._fail_cancel(order)
        if order.is_open:
            fill(self._exchange, order)

    def subject(self, account_id: str, body: object, *, path: str = "", command: str = "") -> Subject:
        """Return what a request is about, for faults; it may be anything a client sends."""
        fields = body if isinstance(body, Mapping) else {}
        ids = {name: str(fields.get(name) or "") for name in ("orderId", "customerOrderId")}
        order = self._exchange.order(account_id, ids["orderId"], ids["customerOrderId"])
        if order is not None and "side" not in fields:
            return replace(about(order), path=path, command=command)
        pair, side = str(fields.get("pair", "")).upper(), str(fields.get("side", "")).lower()
        return Subject("", path, command, ids["customerOrderId"], side, pair)

    async def drained(self) -> None:
        """Wait until everything queued so far has been done."""
        await self._queue.submit(lambda: None)

    def cancel_all(self, account_id: str, pair: str = "") -> asyncio.Future[list[Order]]:
        """Take a cancel of everything, of one pair or of all; the future has the cancelled orders."""
        if pair:
            self._exchange.listed_pair(pair)
        return self._postpone(CancelAll(self._exchange.now_ms(), account_id, pair))

    def modify(self, account_id: str, body: Mapping[str, Any]) -> tuple[str, asyncio.Future[RefusalError | None]]:
        """Take a modify. Returns its request id and a future of what was wrong, if anything."""
        request = read_modify(body)
        self._exchange.listed_pair(request.pair)
        now_ms = self._exchange.now_ms()
        request_id = self._exchange.ids.uuid(now_ms)
        return request_id, self._postpone(Modify(now_ms, account_id, request, request_id))

    def batch(self, account_id: str, body: Mapping[str, Any]) -> Json:
        """Take up to 20 requests and return the outcome of each, in order."""
        requests = body.get("requests")
        if not isinstance(requests, list) or not requests:
            raise invalid_request(("requests", "requests must be specified"))
        if len(requests) > BATCH_LIMIT:
            raise invalid_request(("requests", f"at most {BATCH_LIMIT} requests are allowed"))
        outcomes = [self._batch_outcome(account_id, request) for request in requests]
        answer: Json = {"outcomes": outcomes, "batchId": self._exchange.ids.sequence()}
        return answer | {key: body[key] for key in ("customerBatchId",) if key in body}

    def _batch_outcome(self, account_id: str, request: object) -> Json:
        try:
            fields = read_object(request, invalid_request())
            kind = str(fields.get("type"))
            data = read_object(fields.get("data"), invalid_request(("data", "data must be specified")))
            return {"accepted": True, **self._batch_ids(account_id, kind, data), "requestType": kind}
        except RefusalError as refusal:
            return {"accepted": False, "error": refusal.body()}

    def _batch_ids(self, account_id: str, kind: str, data: Mapping[str, Any]) -> Json:
        match kind:
            case "PLACE_LIMIT":
                return order_ids(self.place_limit(account_id, data)[0])
            case "PLACE_MARKET":
                return order_ids(self.place_market(account_id, data)[0])
            case "CANCEL_ORDER":
                order, _ = self.cancel(account_id, data)
                given = {key: data[key] for key in ("orderId", "customerOrderId") if data.get(key)}
                return order_ids(order) if order is not None else given
            case "MODIFY_ORDER":
                request_id, _ = self.modify(account_id, data)
                return {"orderId": data["orderId"], "modifyRequestId": request_id}
            case _:
                raise invalid_request(("type", "type is invalid"))


def order_ids(order: Order) -> Json:
    """Return ``orderId``, and ``customerOrderId`` where the order has one."""
    ids = {"orderId": order.id}
    return ids | {"customerOrderId": order.client_order_id} if order.client_order_id else ids
