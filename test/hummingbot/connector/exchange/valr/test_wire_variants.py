"""Layouts that VALR's reference allows and the loopback exchange never uses: what the bot is told is the same.

Each story takes a fraction of a second; all of them together some 20 s.
"""

import re
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import pytest

from hummingbot.core.data_type.common import OrderType
from test.hummingbot.connector.exchange.valr.loopback_bot import PAIR, SYMBOL, Bot, eventually
from test.hummingbot.connector.exchange.valr.variant_proxy import Answer, Json, Variant, VariantProxy
from valr_loopback.server import LoopbackConfig, LoopbackServer

ORDER_EVENTS = ("ORDER_STATUS_UPDATE", "OPEN_ORDERS_UPDATE", "ORDER_PROCESSED", "NEW_ACCOUNT_TRADE")
STATUS_ROUTE = re.compile(r"/v1/orders/[A-Z]+/(order|customerorder)id/")
TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{3})Z")
NUMBER = re.compile(r"-?\d+(\.\d+)?")


def everywhere(change: Callable[[str, Any], Any]) -> dict[str, Any]:
    """Return how ``change`` is made to every field of every frame and answer."""

    def changed(value: Json) -> Json:
        if isinstance(value, dict):
            return {name: change(name, changed(field)) for name, field in value.items()}
        return [changed(each) for each in value] if isinstance(value, list) else value

    return {"event": changed, "answer": lambda answer: (answer.status, changed(answer.content))}


def rows_of(frame: Json) -> list[Json]:
    if frame["type"] not in ORDER_EVENTS:
        return []
    return frame["data"] if isinstance(frame["data"], list) else [frame["data"]]


def like_the_mirror(frame: Json) -> Json:
    """Everything that the mirror's examples leave out or write otherwise (valr-api.md 4.3)."""
    for row in rows_of(frame):
        for name in ("customerOrderId", "timeInForce", "executedPrice", "executedQuantity", "executedFee"):
            row.pop(name, None)
        for name in ("failedReason", "failureReason"):
            row |= {name: row[name] or None} if name in row else {}
        for name in ("side", "orderSide"):
            row |= {name: row[name].upper()} if name in row else {}
    if frame["type"] == "OPEN_ORDERS_UPDATE":
        frame["data"] = {"accountId": "a", "orders": frame["data"]}
    if frame["type"] == "NEW_ACCOUNT_TRADE":
        for name in ("orderId", "id", "fee", "feeCurrency", "makerReward", "makerRewardCurrency"):
            frame["data"].pop(name, None)
    return frame


def without_resting(frame: Json) -> Json | None:
    told = frame["data"].get("orderStatusType") if frame["type"] == "ORDER_STATUS_UPDATE" else ""
    return None if told == "Placed" or frame["type"] in ("ORDER_PROCESSED", "OPEN_ORDERS_UPDATE") else frame


def without_status_word(frame: Json) -> Json | None:
    if frame["type"] == "ORDER_STATUS_UPDATE":
        del frame["data"]["orderStatusType"]
    return None if frame["type"] == "ORDER_PROCESSED" else frame


def without_echo(frame: Json) -> Json:
    frame.pop("clientMsgId", None)
    return frame


def rand_in_its_symbol(frame: Json) -> Json:
    if frame["type"] == "NEW_ACCOUNT_TRADE" and frame["data"].get("feeCurrency") == "ZAR":
        frame["data"]["feeCurrency"] = "R"
    return frame


def not_found_as_a_page(answer: Answer) -> tuple[int, Json]:
    if answer.status == 400 and answer.content["code"] == -1:
        refused = {"code": -11, "message": "invalid for this request"}
        return (400, refused) if "/summary/" in answer.path else (404, "<html>Not Found</html>")
    return answer.status, answer.content


def forgotten_at_the_end(answer: Answer) -> tuple[int, Json]:
    if STATUS_ROUTE.match(answer.path) and answer.content.get("orderStatusType") in ("Filled", "Cancelled", "Failed"):
        return 400, {"code": -1, "message": "Invalid Order. "}
    return answer.status, answer.content


def failure_with_success(answer: Answer) -> tuple[int, Json]:
    return 201 if answer.method == "POST" else answer.status, answer.content


def queued(answer: Answer) -> tuple[int, Json]:
    done = {"POST": 201, "DELETE": 200}.get(answer.method) == answer.status
    return (202, "") if done else (answer.status, answer.content)


def as_number(name: str, value: Any) -> Any:
    is_text = name == "baseDecimalPlaces" or name.lower().endswith("id")
    return float(value) if isinstance(value, str) and not is_text and NUMBER.fullmatch(value) else value


VARIANTS = [
    Variant("as the mirror prints it", like_the_mirror),
    Variant("nothing says that an order rests", without_resting),
    Variant("status updates without a word", without_status_word),
    Variant("replies without clientMsgId", without_echo),
    Variant("a fee in R", rand_in_its_symbol),
    Variant("unknown orders answered by a page", answer=not_found_as_a_page),
    Variant("ended orders only in the history", answer=forgotten_at_the_end),
    Variant("v2 failures with status 201", answer=failure_with_success),
    Variant("v2 answers that only acknowledge", answer=queued),
    Variant("numbers as numbers", **everywhere(as_number)),
    Variant(
        "nanoseconds",
        **everywhere(lambda _, field: TIME.sub(r"\1.\g<2>123456Z", field) if isinstance(field, str) else field),
    ),
    Variant("null for empty text", **everywhere(lambda _, field: None if field == "" else field)),
    Variant(
        "words in capitals",
        **everywhere(lambda name, field: field.upper().replace(" ", "_") if name == "orderStatusType" else field),
    ),
]


@pytest.fixture(params=VARIANTS, ids=lambda variant: variant.name)
async def proxy(request: pytest.FixtureRequest) -> AsyncIterator[VariantProxy]:
    async with LoopbackServer(LoopbackConfig(port=0, market=False)) as server:
        server.exchange.open_account("other", {"ZAR": 10_000_000, "BTC": 10})
        server.exchange.place_limit("other", SYMBOL, "buy", "1", "1000000")
        server.exchange.place_limit("other", SYMBOL, "sell", "1", "1010000")
        async with VariantProxy(server, request.param) as running:
            yield running


@pytest.mark.parametrize("order_entry", ["websocket", "rest"])
async def test_the_bot_is_told_what_the_ledger_has(proxy: VariantProxy, order_entry: str) -> None:
    async with Bot(proxy, valr_order_entry=order_entry).running() as bot:
        buy = bot.exchange.buy
        unmatched = buy(PAIR, Decimal("0.01"), OrderType.LIMIT, Decimal("1002000"), time_in_force="IOC")
        taker = bot.buy("1010000", "0.004")
        market = buy(PAIR, Decimal("0.002"), OrderType.MARKET, Decimal("NaN"))
        await eventually(lambda: {taker, market} <= set(bot.ids("completed")) and unmatched in bot.ids("failed"))

        resting = bot.buy("1001000", order_type=OrderType.LIMIT_MAKER)
        partial, filled = bot.sell("1005000", "0.03"), bot.sell("1004000", "0.02")
        refused = [bot.buy("1010000", order_type=OrderType.LIMIT_MAKER), bot.sell("1022000", "99")]
        await eventually(lambda: {resting, partial, filled} <= set(bot.ids("created")))
        proxy.exchange.place_limit("other", SYMBOL, "buy", "0.03", "1005000")
        await eventually(lambda: filled in bot.ids("completed"))

        bot.exchange.cancel(PAIR, partial)
        results = await bot.exchange.cancel_all(10)
        await eventually(lambda: {resting, partial} <= set(bot.ids("cancelled")))
        await eventually(lambda: bot.exchange.in_flight_orders == {})
        assert all(result.success for result in results)
        assert not {unmatched, *refused} & set(bot.ids("created"))
        bot.assert_equal_to_the_ledger()
