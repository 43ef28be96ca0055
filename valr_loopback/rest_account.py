"""Signed REST routes about an account and its orders' states (valr-api.md 3.2, 3.6)."""

from collections.abc import Iterable, Iterator
from itertools import islice

from valr_loopback import messages
from valr_loopback.auth import SUB_ACCOUNT_HEADER, VIEW, key_row
from valr_loopback.decimals import ZERO
from valr_loopback.errors import RefusalError, bad_signature, invalid_request, unknown_order
from valr_loopback.fault_kinds import FaultKind
from valr_loopback.faults import Subject, about
from valr_loopback.messages import Json
from valr_loopback.open_orders import OPEN_ORDERS_PATH
from valr_loopback.orders import ENDED, AccountTrade, Order, Status
from valr_loopback.rest import PAGE_LIMIT, Answer, Call, Route, ok
from valr_loopback.rest_public import read_time

STATUS_KEPT_MS = 3_600_000
"""How long the status lookup still finds an order after its end; history keeps it for good."""

_STATUS_WORDS = {
    "PLACED": Status.PLACED,
    "FAILED": Status.FAILED,
    "CANCELLED": Status.CANCELLED,
    "FILLED": Status.FILLED,
    "PARTIALLY_FILLED": Status.PARTIALLY_FILLED,
    "ORDER_MODIFIED": Status.MODIFIED,
    "PARTIALLY_FILLED_DUE_TO_SLIPPAGE": Status.SLIPPED,
}
_NEVER_USED = frozenset({"ACTIVE", "EXPIRED", "REPRICED_DUE_TO_SLIPPAGE"})


async def _balances(call: Call) -> Answer:
    skip_zero = call.flag("excludeZeroBalances", default=False)
    wallets = call.services.exchange.balances(call.account_id)
    value = call.services.data.worth
    return ok(
        [messages.balance_row(code, wallet, value) for code, wallet in wallets.items() if wallet.total or not skip_zero]
    )


async def _fees(call: Call) -> Answer:
    return ok([messages.fee_row(pair) for pair in call.services.exchange.engine.pairs.values() if pair.active])


async def _current_key(call: Call) -> Answer:
    assert call.identity is not None
    api_key = call.identity.api_key
    return ok(key_row(api_key) | call.services.ip_lists.row(api_key.key))


async def _sub_accounts(call: Call) -> Answer:
    assert call.identity is not None
    if call.identity.account_id != call.identity.api_key.account_id:
        refusal = bad_signature()
        raise RefusalError(401, refusal.code, f"{SUB_ACCOUNT_HEADER} is not allowed on this route")
    children = call.services.exchange.engine.accounts.children(call.account_id)
    return ok([{"label": account.label, "id": account.id} for account in children])


# Trades


def _page[Row](call: Call, rows: Iterable[Row]) -> Iterator[Row]:
    skip = call.number("skip", 0)
    return islice(rows, skip, skip + call.number("limit", PAGE_LIMIT, PAGE_LIMIT))


async def _trades(call: Call) -> Answer:
    start_ms, end_ms = read_time(call, "startTime"), read_time(call, "endTime")
    trades = _before(reversed(call.services.exchange.trades(call.account_id)), call.query.get("beforeId"))
    wanted = (
        trade
        for trade in trades
        if (start_ms is None or trade.at_ms >= start_ms) and (end_ms is None or trade.at_ms <= end_ms)
    )
    return ok([messages.account_trade(trade, event=False) for trade in _page(call, wanted)])


def _before(trades: Iterator[AccountTrade], trade_id: str | None) -> Iterator[AccountTrade]:
    if trade_id is not None:
        for trade in trades:
            if trade.id == trade_id:
                break
    return trades


async def _pair_trades(call: Call) -> Answer:
    pair = call.pair()
    trades = (t for t in reversed(call.services.exchange.trades(call.account_id)) if t.pair.symbol == pair.symbol)
    return ok([messages.account_trade(trade, event=False) for trade in _page(call, trades)])


# Orders


def _visible(call: Call, order: Order | None) -> Order | None:
    """Leave out an order that lookups do not find yet: VALR is consistent only after a while."""
    now_ms = call.services.exchange.now_ms()
    if order is None or order.status is Status.QUEUED or order.visible_at_ms > now_ms:
        return None
    age = (now_ms - order.created_ms) / 1000
    blind = call.services.faults.strike_young(FaultKind.LOOKUP_BLIND, about(order, path=call.path), age)
    return None if blind else order


def _unknown(call: Call) -> RefusalError:
    refusal = unknown_order()
    if call.services.faults.strike(FaultKind.LOOKUP_404, Subject(path=call.path)):
        return RefusalError(404, refusal.code, refusal.message)
    return refusal


def _told(call: Call, order: Order, row: Json) -> Json:
    return call.services.distortions.lookup(row, about(order, path=call.path))


def _find(call: Call) -> Order | None:
    order_id, client_order_id = call.params.get("order_id", ""), call.params.get("client_order_id", "")
    return _visible(call, call.services.exchange.order(call.account_id, order_id, client_order_id))


async def _order(call: Call) -> Answer:
    pair = call.pair()
    order = _find(call)
    now_ms = call.services.exchange.now_ms()
    if order is None or order.pair.symbol != pair.symbol:
        raise _unknown(call)
    if order.ended_ms is not None and now_ms - order.ended_ms > STATUS_KEPT_MS:
        raise _unknown(call)
    return ok(_told(call, order, messages.order_status(order)))


async def _open_orders(call: Call) -> Answer:
    orders = call.services.exchange.open_orders(call.account_id)
    rows = [messages.open_order(order, event=False) for order in orders if _visible(call, order)]
    return ok(rows + call.services.lists.stale_rows(call.account_id))


async def _order_summary(call: Call) -> Answer:
    order = _find(call)
    if order is None or order.status not in ENDED:
        raise _unknown(call)
    return ok(_told(call, order, messages.order_summary(order)))


async def _order_detail(call: Call) -> Answer:
    order = _find(call)
    if order is None:
        return ok([])
    return ok([_told(call, order, messages.order_update(order, at)) for at in reversed(order.history)])


async def _history(call: Call) -> Answer:
    pairs = {name for name in call.query.get("currencyPair", "").upper().split(",") if name}
    statuses = _wanted_statuses(call)
    zero_cancels = call.flag("showZeroVolumeCancels", default=False)
    failures = not call.flag("excludeFailures", default=False)
    start_ms, end_ms = read_time(call, "startTime"), read_time(call, "endTime")
    portfolio = call.services.exchange.engine.portfolios[call.account_id]
    wanted = (
        _told(call, order, messages.order_summary(order))
        for order in portfolio.newest_first()
        if order.status in statuses
        and (not pairs or order.pair.symbol in pairs)
        and (zero_cancels or order.status is not Status.CANCELLED or order.executed > ZERO)
        and (failures or order.status is not Status.FAILED)
        and (start_ms is None or order.updated_ms >= start_ms)
        and (end_ms is None or order.updated_ms <= end_ms)
        and _visible(call, order)
    )
    return ok(list(_page(call, wanted)))


def _wanted_statuses(call: Call) -> frozenset[Status]:
    words = [word for word in call.query.get("statuses", "").upper().split(",") if word]
    if any(word not in _STATUS_WORDS and word not in _NEVER_USED for word in words):
        raise invalid_request(("statuses", "statuses is invalid"))
    return frozenset(_STATUS_WORDS[word] for word in words if word in _STATUS_WORDS) if words else ENDED


def _lookups() -> Iterator[Route]:
    for ids in ("orderid/{order_id}", "customerorderid/{client_order_id}"):
        yield Route("GET", f"/v1/orders/history/summary/{ids}", _order_summary, VIEW)
        yield Route("GET", f"/v1/orders/history/detail/{ids}", _order_detail, VIEW)
        yield Route("GET", f"/v1/orders/{{pair}}/{ids}", _order, VIEW)


ACCOUNT_ROUTES = (
    Route("GET", "/v1/account/balances", _balances, VIEW),
    Route("GET", "/v1/account/fees/trade", _fees, VIEW),
    Route("GET", "/v1/account/api-keys/current", _current_key, VIEW),
    Route("GET", "/v1/account/subaccounts", _sub_accounts, VIEW),
    Route("GET", "/v1/account/tradehistory", _trades, VIEW),
    Route("GET", "/v1/account/{pair}/tradehistory", _pair_trades, VIEW),
    Route("GET", OPEN_ORDERS_PATH, _open_orders, VIEW),
    Route("GET", "/v1/orders/history", _history, VIEW),
    *_lookups(),
)
