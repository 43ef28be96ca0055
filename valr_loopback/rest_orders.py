"""REST routes that place, cancel and modify (valr-api.md 3.3 to 3.5).

v1 answers when a request is taken; its outcome comes by events. v2 answers when it is done.
"""

from collections.abc import Awaitable, Callable

from valr_loopback.auth import TRADE
from valr_loopback.errors import FAILURE_CODES, RefusalError, nothing_to_cancel
from valr_loopback.messages import Json
from valr_loopback.order_entry import OrderEntry
from valr_loopback.orders import Order
from valr_loopback.rest import Answer, Call, Handler, Route, answer, ok

_Place = Callable[..., tuple[Order, Awaitable[Order]]]


def _placer(place: _Place, *, wait: bool) -> Handler:
    async def handler(call: Call) -> Answer:
        order, executed = place(call.services.entry, call.account_id, call.json(), delayed=not wait)
        if not wait:
            return answer(202, _placed(order))
        await executed
        if order.failed_reason:
            code = FAILURE_CODES[order.failed_reason]
            return answer(400, {"orderId": order.id, "code": code, "message": order.failed_reason})
        return answer(201, _placed(order))

    return handler


def _placed(order: Order) -> Json:
    return {"id": order.id} | ({"customerOrderId": order.client_order_id} if order.client_order_id else {})


async def _cancel_v1(call: Call) -> Answer:
    call.services.entry.cancel(call.account_id, call.json())
    return Answer(202)


async def _cancel_v2(call: Call) -> Answer:
    body = call.json()
    _, cancelled = call.services.entry.cancel(call.account_id, body)
    if await cancelled is None:
        raise nothing_to_cancel()
    return ok({"id": body.get("orderId") or body["customerOrderId"]})


async def _cancel_all(call: Call) -> Answer:
    cancelled = await call.services.entry.cancel_all(call.account_id, call.params.get("pair", "").upper())
    return ok([{"orderId": order.id} for order in cancelled])


async def _modify_v1(call: Call) -> Answer:
    request_id, _ = call.services.entry.modify(call.account_id, call.json())
    return answer(202, {"id": request_id})


async def _modify_v2(call: Call) -> Answer:
    body = call.json()
    request_id, modified = call.services.entry.modify(call.account_id, body)
    refusal: RefusalError | None = await modified
    if refusal is not None:
        return answer(400, {"modifyOrderId": request_id, "orderId": body["orderId"], **refusal.body()})
    return answer(201, {"id": request_id})


async def _batch(call: Call) -> Answer:
    return ok(call.services.entry.batch(call.account_id, call.json()))


ORDER_ROUTES = (
    Route("POST", "/v1/orders/limit", _placer(OrderEntry.place_limit, wait=False), TRADE, places=True),
    Route("POST", "/v2/orders/limit", _placer(OrderEntry.place_limit, wait=True), TRADE, places=True),
    Route("POST", "/v1/orders/market", _placer(OrderEntry.place_market, wait=False), TRADE, places=True),
    Route("POST", "/v2/orders/market", _placer(OrderEntry.place_market, wait=True), TRADE, places=True),
    Route("POST", "/v1/batch/orders", _batch, TRADE),
    Route("PUT", "/v1/orders/modify", _modify_v1, TRADE),
    Route("PUT", "/v2/orders/modify", _modify_v2, TRADE),
    Route("DELETE", "/v1/orders/order", _cancel_v1, TRADE, cancels=True),
    Route("DELETE", "/v2/orders/order", _cancel_v2, TRADE, cancels=True),
    Route("DELETE", "/v1/orders", _cancel_all, TRADE),
    Route("DELETE", "/v1/orders/{pair}", _cancel_all, TRADE),
)
