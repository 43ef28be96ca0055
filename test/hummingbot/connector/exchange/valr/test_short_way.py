"""The short way of an order: journalled, written and on record before ``buy`` returns; all else goes the long way."""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import pytest

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr import valr_order_entry
from hummingbot.connector.exchange.valr.valr_exchange import ValrExchange
from hummingbot.connector.exchange.valr.valr_order_entry import Placement
from hummingbot.connector.exchange.valr.valr_order_journal import OrderJournal
from hummingbot.connector.exchange.valr.valr_order_outcomes import SendCancel
from hummingbot.connector.exchange.valr.valr_web_utils import Begun, frame_encoder
from hummingbot.core.api_throttler.data_types import RateLimit
from hummingbot.core.clock import Clock, ClockMode
from hummingbot.core.data_type.common import OrderType
from hummingbot.strategy.market_trading_pair_tuple import MarketTradingPairTuple
from hummingbot.strategy.strategy_py_base import StrategyPyBase
from test.hummingbot.connector.exchange.valr.rest_world import (
    CANCEL,
    LIMIT,
    ORDER_ID,
    PAIR,
    PAIRS,
    SYMBOL,
    World,
    until,
    world,
)


class Socket:
    """An account socket that takes frames at once, and notes what the journal and the record held at that moment."""

    def __init__(self, place: World) -> None:
        self._place = place
        self.frames: list[dict[str, Any]] = []
        self.journalled: list[set[str]] = []
        self.on_record: list[set[str]] = []
        place.exchange._keeper.ensure_running()
        place.exchange._order_entry.socket_opened(self.send)

    def send(self, frame: dict[str, Any]) -> asyncio.Future[None]:
        self.frames.append(frame)
        self.journalled.append(set(self._place.exchange._keeper._journal.entries))
        self.on_record.append(set(self._place.exchange.in_flight_orders))
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        written.set_result(None)
        return written

    def answer(self, content: dict[str, Any]) -> None:
        reply = {"clientMsgId": self.frames[-1]["clientMsgId"], **content}
        assert self._place.exchange._order_entry.take_reply(reply) is None


OTHER_LIMITS = [each for each in CONSTANTS.RATE_LIMITS if each.limit_id != CONSTANTS.PLACE_LIMIT_ID]


async def open_socket(place: World) -> Socket:
    socket = Socket(place)
    # The keeper's task begins.
    await asyncio.sleep(0)
    return socket


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the replies that these tests leave out."""
    monkeypatch.setattr(valr_order_entry, "REPLY_DEADLINE", 0.2)


def buy(place: World, amount: str = "0.5", price: str = "10000", **options: Any) -> str:
    order_type = options.pop("order_type", OrderType.LIMIT)
    return place.exchange.buy(PAIR, Decimal(amount), order_type, Decimal(price), **options)


async def test_the_frame_is_written_before_buy_returns_and_the_journal_before_the_frame() -> None:
    async with world() as place:
        socket = await open_socket(place)
        order_id = buy(place)
        (frame,) = socket.frames
        assert (frame["type"], frame["clientMsgId"]) == (CONSTANTS.PLACE_LIMIT_ORDER, order_id)
        assert frame["payload"] == {
            "side": "BUY",
            "pair": "ETHZAR",
            "customerOrderId": order_id,
            "quantity": "0.5",
            "price": "10000",
            "postOnly": False,
            "timeInForce": "GTC",
        }
        assert socket.journalled == [{order_id}]
        assert socket.on_record == [set()]
        assert list(place.exchange.in_flight_orders) == [order_id]
        socket.answer({"type": "PLACE_LIMIT_WS_RESPONSE", "data": {"orderId": ORDER_ID}})
        await place.hears({"type": "ORDER_PROCESSED", "data": {"orderId": ORDER_ID, "success": True}})
        assert [event.order_id for event in place.told("created")] == [order_id]


class Buyer(StrategyPyBase):
    """A strategy of Hummingbot's, which buys once it is told to."""

    def __init__(self, exchange: ValrExchange) -> None:
        super().__init__()
        self._market = MarketTradingPairTuple(exchange, PAIR, *PAIR.split("-"))
        self.add_markets([exchange])

    def tick(self, timestamp: float) -> None:
        pass

    def order(self, is_buy: bool) -> str:
        submit = self.buy_with_specific_market if is_buy else self.sell_with_specific_market
        return str(submit(self._market, Decimal("0.5"), OrderType.LIMIT, Decimal(10000)))


@pytest.mark.parametrize("is_buy", [True, False])
async def test_orders_of_hummingbots_strategies_go_the_short_way(is_buy: bool) -> None:
    async with world() as place:
        socket, strategy = await open_socket(place), Buyer(place.exchange)
        with Clock(ClockMode.BACKTEST, 1.0, 1_800_000_000.0, 1_800_000_010.0) as clock:
            clock.add_iterator(strategy)
            clock.backtest_til(1_800_000_002.0)
            order_id = strategy.order(is_buy)
        (frame,) = socket.frames
        assert (frame["clientMsgId"], frame["payload"]["side"]) == (order_id, "BUY" if is_buy else "SELL")
        # On the long way it is on record before it is written.
        assert socket.on_record == [set()]
        assert list(place.exchange.in_flight_orders) == [order_id]


async def test_an_order_cancelled_while_it_waits_to_be_sent_again_is_never_sent() -> None:
    async with world() as place:
        socket = await open_socket(place)
        order_id = buy(place)
        limited = {"type": CONSTANTS.RATE_LIMIT_EXCEEDED, "data": {"requestType": CONSTANTS.PLACE_LIMIT_ORDER}}
        socket.answer(limited)
        await asyncio.sleep(0)
        place.exchange.cancel(PAIR, order_id)
        await until(lambda: place.told("failed"))
        assert [event.order_id for event in place.told("failed")] == [order_id]
        assert place.told("created") == place.told("cancelled") == []
        assert not place.exchange.in_flight_orders
        kinds = [frame["type"] for frame in socket.frames]
        assert kinds.count(CONSTANTS.PLACE_LIMIT_ORDER) == 1
        assert order_id not in place.exchange._keeper._journal.entries


async def test_over_rest_an_order_cancelled_while_it_waits_for_its_turn_is_never_sent() -> None:
    async with world(valr_order_entry="rest") as place:
        place.exchange._throttler.set_rate_limits([RateLimit(CONSTANTS.PLACE_LIMIT_ID, 1, 0.2), *OTHER_LIMITS])
        place.exchange._throttler.count(CONSTANTS.PLACE_LIMIT_ID)
        order_id = buy(place)
        place.exchange.cancel(PAIR, order_id)
        await until(lambda: place.told("failed"))
        assert [event.order_id for event in place.told("failed")] == [order_id]
        assert place.valr.sent(LIMIT) == []


@pytest.mark.parametrize(("word", "told"), [("Placed", "created"), ("Failed", "failed")])
async def test_an_order_that_valr_shows_while_it_waits_to_be_sent_again_is_not_sent_again(word: str, told: str) -> None:
    async with world() as place:
        socket = await open_socket(place)
        order_id = buy(place)
        socket.answer({"type": CONSTANTS.RATE_LIMIT_EXCEEDED, "data": {"requestType": CONSTANTS.PLACE_LIMIT_ORDER}})
        await asyncio.sleep(0)
        shown = {"orderId": ORDER_ID, "customerOrderId": order_id, "orderStatusType": word, "currencyPair": SYMBOL}
        await place.hears({"type": "ORDER_STATUS_UPDATE", "data": shown | {"totalExecutedQuantity": "0"}})
        assert [event.order_id for event in place.told(told)] == [order_id]
        await until(lambda: not place.exchange._started)
        kinds = [frame["type"] for frame in socket.frames]
        assert kinds.count(CONSTANTS.PLACE_LIMIT_ORDER) == 1
        assert [event.order_id for each in ("created", "failed") for event in place.told(each)] == [order_id]


@pytest.mark.parametrize("qualifier", [{"time_in_force": "IOC"}, {"time_in_force": "GTC"}])
async def test_what_qualifies_an_order_is_sent(qualifier: dict[str, str]) -> None:
    async with world() as place:
        socket = await open_socket(place)
        buy(place, **qualifier)
        assert [each["payload"]["timeInForce"] for each in socket.frames] == [qualifier["time_in_force"]]


async def test_a_refusal_is_told_after_buy_has_returned() -> None:
    async with world() as place:
        socket = await open_socket(place)
        order_id = place.exchange.sell(PAIR, Decimal("0.5"), OrderType.LIMIT_MAKER, Decimal("10000"))
        assert (socket.frames[0]["payload"]["side"], socket.frames[0]["payload"]["postOnly"]) == ("SELL", True)
        socket.answer({"type": "INVALID_PLACE_LIMIT_REQUEST", "error": {"code": -6, "message": "Insufficient Balance"}})
        assert place.told("failed") == []
        await until(lambda: [event.order_id for event in place.told("failed")] == [order_id])


@pytest.mark.parametrize("amount", ["0.5", "0.123456789012", "1.999999999"])
@pytest.mark.parametrize("price", ["10000", "10000.4999", "9999.99999999"])
async def test_prices_and_amounts_are_rounded_as_hummingbot_rounds_them(amount: str, price: str) -> None:
    async with world() as place:
        socket = await open_socket(place)
        order_id = buy(place, amount, price)
        order, sent = place.exchange.in_flight_orders[order_id], socket.frames[0]["payload"]
        assert Decimal(sent["price"]) == order.price == place.exchange.quantize_order_price(PAIR, Decimal(price))
        assert Decimal(sent["quantity"]) == order.amount == place.exchange.quantize_order_amount(PAIR, Decimal(amount))


async def test_a_price_below_the_smallest_step_is_not_sent_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world() as place:
        socket = await open_socket(place)
        # With a book the base class takes its price for the worth of an order whose own was rounded to zero.
        monkeypatch.setattr(place.exchange, "get_price", lambda *_: Decimal(10000))
        order_id = buy(place, price="0.0000001")
        await until(lambda: [event.order_id for event in place.told("failed")] == [order_id])
        assert socket.frames == []


async def test_in_read_only_mode_nothing_is_written() -> None:
    async with world() as place:
        socket = await open_socket(place)
        place.exchange._order_entry.hold()
        order_id = buy(place)
        await until(lambda: [event.order_id for event in place.told("failed")] == [order_id])
        assert socket.frames == []
        place.exchange._order_entry.resume()
        buy(place)
        assert len(socket.frames) == 1


async def test_what_was_written_before_read_only_mode_is_waited_for() -> None:
    async with world() as place:
        socket, entry = await open_socket(place), place.exchange._order_entry
        placement = Placement("c1", SYMBOL, True, Decimal(1), Decimal(10000))
        sent = entry.write_now("c1", placement.payload())
        entry.hold()
        placing = asyncio.ensure_future(entry.place(placement, sent))
        await asyncio.sleep(0)
        socket.answer({"type": "PLACE_LIMIT_WS_RESPONSE", "data": {"orderId": ORDER_ID, "customerOrderId": "c1"}})
        assert (await placing).order_id == ORDER_ID


async def test_a_cancel_that_is_to_go_over_rest_is_not_written() -> None:
    async with world() as place:
        socket = await open_socket(place)
        place.valr.answers[CANCEL] = {"id": ORDER_ID}
        wish = SendCancel(buy(place), ORDER_ID, PAIR, over_rest=True)
        socket.frames.clear()
        assert await place.exchange._keeper._send_cancel(wish)
        assert socket.frames == []


async def test_new_rules_hold_from_the_next_order_on() -> None:
    async with world() as place:
        socket = await open_socket(place)
        buy(place, price="10005")
        place.valr.answers[PAIRS] = [{**row, "tickSize": "10"} for row in place.valr.answers[PAIRS]]
        await place.exchange._update_trading_rules()
        buy(place, price="10005")
        assert [each["payload"]["price"] for each in socket.frames] == ["10005", "10000"]


@pytest.mark.parametrize(
    ("amount", "price"),
    [
        ("0.0000001", "10000"),
        ("100000000", "10000"),
        ("0.5", "0"),
        ("0.5", "NaN"),
        ("NaN", "10000"),
        ("0.001", "1"),
        ("0.5", "0.0000001"),
        *(("0.5", price) for price in ("Infinity", "-Infinity", "-1", "-10000", "sNaN")),
        *((amount, "10000") for amount in ("Infinity", "-Infinity", "-0.5", "0")),
    ],
    ids=str,
)
async def test_what_breaks_the_rules_is_not_written(amount: str, price: str) -> None:
    async with world() as place:
        socket = await open_socket(place)
        buy(place, amount, price)
        assert socket.frames == []
        await until(lambda: place.told("failed") != [])
        assert socket.frames == []
        assert place.told("created") == place.told("filled") == []
        assert place.exchange.in_flight_orders == {}


@pytest.mark.parametrize(
    ("amount", "price"),
    [(0.5, Decimal(10000)), (Decimal("0.5"), 10000.0), (Decimal("0.5"), None), (Decimal("0.5"), Decimal("1e40"))],
    ids=["a float", "a float price", "no price", "a price beyond rounding"],
)
async def test_what_is_no_proper_number_is_not_written_and_harms_no_strategy(amount: Any, price: Any) -> None:
    async with world() as place:
        socket = await open_socket(place)
        order_id = place.exchange.buy(PAIR, amount, OrderType.LIMIT, price)
        await until(lambda: [event.order_id for event in place.told("failed")] == [order_id])
        assert socket.frames == []
        assert place.exchange.in_flight_orders == {}


async def test_whole_numbers_are_numbers() -> None:
    async with world() as place:
        socket = await open_socket(place)
        place.exchange.buy(PAIR, 1, OrderType.LIMIT, 10000)
        assert [(each["payload"]["quantity"], each["payload"]["price"]) for each in socket.frames] == [("1", "10000")]


@pytest.mark.parametrize("order_type", [OrderType.AMM_SWAP, OrderType.MARKET])
async def test_only_limit_orders_go_the_short_way(order_type: OrderType) -> None:
    async with world() as place:
        socket = await open_socket(place)
        buy(place, order_type=order_type)
        assert [each["type"] for each in socket.frames] in ([], [CONSTANTS.PLACE_MARKET_ORDER])


def test_an_order_may_be_asked_for_before_the_loop_runs() -> None:
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        asyncio.set_event_loop(loop)
        stack = AsyncExitStack()
        place = runner.run(stack.enter_async_context(world()))
        place.valr.answers[LIMIT] = (201, {"id": ORDER_ID})
        asyncio.set_event_loop(loop)
        order_id = buy(place)
        runner.run(until(lambda: [event.order_id for event in place.told("created")] == [order_id]))
        runner.run(stack.aclose())


async def test_an_order_with_qualifiers_goes_the_long_way() -> None:
    async with world() as place:
        socket = await open_socket(place)
        order_id = buy(place, time_in_force="IOC")
        assert list(place.exchange.in_flight_orders) == [order_id]
        assert socket.on_record == [{order_id}]
        assert socket.frames[0]["payload"]["timeInForce"] == "IOC"


async def test_without_a_socket_it_goes_over_rest() -> None:
    async with world() as place:
        place.valr.answers[LIMIT] = (201, {"id": ORDER_ID})
        order_id = buy(place)
        await until(lambda: [event.order_id for event in place.told("created")] == [order_id])
        assert len(place.valr.sent(LIMIT)) == 1


async def test_a_used_up_rate_limit_is_waited_for() -> None:
    async with world() as place:
        socket = await open_socket(place)
        while place.exchange._throttler.has_room(CONSTANTS.SOCKET_PLACE_LIMIT_ID):
            place.exchange._throttler.count(CONSTANTS.SOCKET_PLACE_LIMIT_ID)
        order_id = buy(place)
        assert socket.frames == []
        # On record all the same, and in the journal only once.
        assert list(place.exchange.in_flight_orders) == [order_id]
        assert list(place.exchange._keeper._journal.entries) == [order_id]


async def test_an_order_written_at_once_counts_towards_the_rate_limit() -> None:
    async with world() as place:
        socket = await open_socket(place)
        throttler, limit_id = place.exchange._throttler, CONSTANTS.SOCKET_PLACE_LIMIT_ID
        (limit,) = (each for each in throttler.limits if each.limit_id == limit_id)
        for _ in range(limit.limit - 1):
            throttler.count(limit_id)
        first, _ = buy(place), buy(place)
        assert [each["clientMsgId"] for each in socket.frames] == [first]


async def test_a_cancel_written_at_once_counts_towards_the_rate_limit() -> None:
    async with world() as place:
        socket = await open_socket(place)
        orders = [buy(place), buy(place)]
        throttler, limit_id = place.exchange._throttler, CONSTANTS.SOCKET_CANCEL_LIMIT_ID
        (limit,) = (each for each in throttler.limits if each.limit_id == limit_id)
        for _ in range(limit.limit - 1):
            throttler.count(limit_id)
        socket.frames.clear()
        for order in orders:
            place.exchange.cancel(PAIR, order)
        assert [each["payload"] for each in socket.frames] == [{"customerOrderId": orders[0], "pair": SYMBOL}]


async def test_what_cannot_be_journalled_is_not_sent(full_disk: IO[bytes]) -> None:
    async with world() as place:
        socket = await open_socket(place)
        place.exchange._keeper._journal._file = full_disk
        order_id = buy(place)
        assert socket.frames == []
        await until(lambda: [event.order_id for event in place.told("failed")] == [order_id])
        assert socket.frames == []


class FullDisk:
    """A file on a disk that has room for three more bytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        return self._file.write(data[:3])


def test_a_line_that_is_cut_short_is_an_error_and_spoils_no_other(tmp_path: Path) -> None:
    journal, successor = (OrderJournal(lambda: tmp_path, "account") for _ in range(2))
    journal.open()
    whole = journal._file
    assert whole is not None
    journal._file = FullDisk(whole)  # type: ignore[assignment]
    with pytest.raises(OSError, match="cut short"):
        journal.add("HBOTB1", PAIR)
    assert journal.entries == {}
    journal._file = whole
    journal.add("HBOTB1", PAIR)
    journal.add("HBOTB2", PAIR)
    journal.close()
    assert list(successor.open()) == ["HBOTB1", "HBOTB2"]
    successor.close()


@pytest.mark.parametrize("has_orjson", [True, False])
def test_frames_are_compact_json(has_orjson: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_orjson:
        monkeypatch.setitem(sys.modules, "orjson", None)
    frame = {"type": "PING", "payload": {"price": "1.50", "postOnly": False}}
    text = frame_encoder()(frame)
    assert json.loads(text) == frame
    assert " " not in text


async def test_an_order_whose_write_fails_in_an_unexpected_way_is_on_record_and_looked_up() -> None:
    async with world() as place:
        socket = await open_socket(place)

        async def write() -> None:
            raise KeyError("a bug, after some of it has left")

        place.exchange._order_entry.socket_opened(lambda frame: Begun(write()))
        order_id = buy(place)
        assert socket.frames == []
        assert list(place.exchange.in_flight_orders) == [order_id]
        await until(lambda: place.exchange._keeper.is_in_doubt(order_id))
        assert place.told("failed") == []
