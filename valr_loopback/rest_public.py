"""Public REST routes, and the signed copies of market data (valr-api.md 3.1)."""

from itertools import islice

from valr_loopback import messages
from valr_loopback.auth import VIEW
from valr_loopback.candles import PERIODS
from valr_loopback.errors import RefusalError, invalid_request
from valr_loopback.pairs import currency
from valr_loopback.rest import PAGE_LIMIT, Answer, Call, Route, ok
from valr_loopback.times import iso, parse_iso

BUCKETS_LIMIT = 300


async def _time(call: Call) -> Answer:
    now_ms = call.services.exchange.now_ms()
    return ok({"epochTime": now_ms // 1000, "time": iso(now_ms)})


async def _status(call: Call) -> Answer:
    return ok({"status": call.services.status})


async def _health(call: Call) -> Answer:
    return ok({"status": "ok"})


async def _pairs(call: Call) -> Answer:
    kind = call.params.get("kind")
    if kind not in (None, "SPOT", "FUTURE"):
        raise invalid_request()
    pairs = call.services.exchange.engine.pairs.values()
    return ok([pair.row() for pair in pairs if kind in (None, pair.kind)], 60)


async def _currencies(call: Call) -> Answer:
    return ok([messages.currency_row(currency(code)) for code in call.services.exchange.engine.currencies], 60)


async def _order_types(call: Call) -> Answer:
    inactive_too = call.flag("includeInactivePairs", default=True)
    rows = [
        {"currencyPair": pair.symbol, "orderTypes": list(pair.order_types)}
        for pair in call.services.exchange.engine.pairs.values()
        if pair.active or inactive_too
    ]
    return ok(rows, 60)


async def _pair_order_types(call: Call) -> Answer:
    return ok(list(call.pair().order_types), 60)


async def _summaries(call: Call) -> Answer:
    data = call.services.data
    active = [pair.symbol for pair in call.services.exchange.engine.pairs.values() if pair.active]
    return ok([{"currencyPair": symbol, **data.summary(symbol)} for symbol in active], 60)


async def _pair_summary(call: Call) -> Answer:
    pair = call.pair()
    if not pair.active:
        raise RefusalError(404, -111, "Market summary not found")
    return ok({"currencyPair": pair.symbol, **call.services.data.summary(pair.symbol)}, 10)


async def _book(call: Call) -> Answer:
    return ok(call.services.data.feeds[call.pair().symbol].aggregated(), 30)


async def _full_book(call: Call) -> Answer:
    return ok(call.services.data.feeds[call.pair().symbol].every_order(), 30)


def read_time(call: Call, name: str) -> int | None:
    """Return an ISO time of the query in epoch milliseconds of the exchange's own clock.

    Raises:
        RefusalError: -11 if it is not one.
    """
    text = call.query.get(name)
    if text is None:
        return None
    try:
        return parse_iso(text) - call.services.clock.offset_ms()
    except ValueError:
        raise invalid_request((name, f"{name} is invalid")) from None


async def _trades(call: Call) -> Answer:
    pair = call.pair()
    start_ms, end_ms = read_time(call, "startTime"), read_time(call, "endTime")
    before = call.query.get("beforeId")
    trades = iter(reversed(call.services.exchange.public_trades[pair.symbol]))
    if before is not None:
        for trade in trades:
            if trade.id == before:
                break
    wanted = (
        trade
        for trade in trades
        if (start_ms is None or trade.at_ms >= start_ms) and (end_ms is None or trade.at_ms <= end_ms)
    )
    skip, limit = call.number("skip", 0), call.number("limit", PAGE_LIMIT, PAGE_LIMIT)
    return ok([messages.public_trade(trade, event=False) for trade in islice(wanted, skip, skip + limit)], 30)


async def _buckets(call: Call) -> Answer:
    pair = call.pair()
    period = call.number("periodSeconds", 60)
    if period not in PERIODS:
        raise invalid_request(("periodSeconds", "periodSeconds is invalid"))
    now_ms = call.services.exchange.now_ms()
    offset_ms = call.services.clock.offset_ms()
    start = call.number("startTime", 0)
    end_ms = min(call.number("endTime", (now_ms + offset_ms) // 1000) * 1000 - offset_ms, now_ms)
    candles = call.services.data.candles[pair.symbol]
    rows = candles.newest_first(
        period,
        start * 1000 - offset_ms if start else None,
        end_ms,
        call.number("skip", 0),
        call.number("limit", BUCKETS_LIMIT, BUCKETS_LIMIT),
        call.flag("includeEmpty", default=False),
    )
    return ok(rows)


PUBLIC_ROUTES = (
    Route("GET", "/v1/public/time", _time),
    Route("GET", "/v1/public/status", _status),
    Route("GET", "/v2/healthz", _health),
    Route("GET", "/v1/public/pairs", _pairs),
    Route("GET", "/v1/public/pairs/{kind}", _pairs),
    Route("GET", "/v1/public/currencies", _currencies),
    Route("GET", "/v1/public/ordertypes", _order_types),
    Route("GET", "/v1/public/{pair}/ordertypes", _pair_order_types),
    Route("GET", "/v1/public/marketsummary", _summaries),
    Route("GET", "/v1/public/{pair}/marketsummary", _pair_summary),
    Route("GET", "/v1/public/{pair}/orderbook", _book),
    Route("GET", "/v1/public/{pair}/orderbook/full", _full_book),
    Route("GET", "/v1/public/{pair}/trades", _trades),
    Route("GET", "/v1/public/{pair}/buckets", _buckets),
    Route("GET", "/v1/marketdata/{pair}/orderbook", _book, VIEW),
    Route("GET", "/v1/marketdata/{pair}/orderbook/full", _full_book, VIEW),
    Route("GET", "/v1/marketdata/{pair}/tradehistory", _trades, VIEW),
)
