"""What came of a placement or a cancel, over both channels: correlated, timed out, never more certain than it is."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr import valr_order_entry, valr_troubles
from hummingbot.connector.exchange.valr.valr_messages import ApiError, CommandReply, Unreadable
from hummingbot.connector.exchange.valr.valr_order_entry import (
    ORDER_DEADLINE,
    Accepted,
    OrderEntry,
    Placement,
    is_cancel_not_found,
    placed_order_id,
)
from hummingbot.connector.exchange.valr.valr_throttler import ValrThrottler
from hummingbot.connector.exchange.valr.valr_troubles import ConnectionTroubles
from hummingbot.connector.exchange.valr.valr_web_utils import (
    ValrNotSentError,
    ValrRateLimitedError,
    ValrReadOnlyError,
    ValrRefusedError,
    ValrRequestError,
    ValrUnknownOutcomeError,
    ValrWithdrawnError,
)
from hummingbot.core.web_assistant.connections.data_types import RESTMethod

LIMIT = Placement("HBOTB1", "BTCZAR", True, Decimal("0.0001"), Decimal("1200000"), post_only=True)
OTHER = Placement("HBOTS2", "BTCZAR", False, Decimal("0.5"), Decimal("1300000"))
MARKET = Placement("HBOTB3", "SHIBUSDC", True, Decimal("1E+6"), None)
ORDER_ID = "22e5aa28-f52b-46ba-811e-5052fd2c7289"

Reply = dict[str, Any]
Answer = Callable[[dict[str, Any]], Reply | list[Reply] | None]


class Rest:
    """VALR over REST: records the calls and gives the prepared answers, one after the other."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, Any, str | None]] = []
        self.answers: list[Any] = []

    async def __call__(
        self,
        method: RESTMethod,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        limit_id: str | None = None,
        deadline: float | None = None,
        before_sending: Callable[[], None] | None = None,
    ) -> Any:
        assert deadline == ORDER_DEADLINE  # an order call must not hang as long as any other may
        if before_sending is not None:
            before_sending()
        self.calls.append((method.name, path, body, limit_id))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Socket:
    """The account socket as the order entry sees it: takes frames, and hands in ``answer`` to each."""

    def __init__(self, entry: OrderEntry, answer: Answer | None = None) -> None:
        self.entry = entry
        self.answer = answer
        self.sent: list[dict[str, Any]] = []
        self.returned: list[CommandReply | Unreadable] = []
        self.arrived = asyncio.Event()

    async def send(self, frame: dict[str, Any]) -> None:
        self.sent.append(frame)
        self.arrived.set()
        if self.answer is not None:
            asyncio.get_running_loop().call_soon(self.take, self.answer(frame))

    def take(self, frames: Reply | list[Reply] | None) -> None:
        for frame in frames if isinstance(frames, list) else [frames] if frames else []:
            returned = self.entry.take_reply(frame)
            if returned is not None:
                self.returned.append(returned)

    async def has_sent(self, count: int) -> None:
        while len(self.sent) < count:
            self.arrived.clear()
            await self.arrived.wait()


def order_entry(rest: Rest | None = None, *, prefer_socket: bool = True) -> OrderEntry:
    troubles = ConnectionTroubles(lambda: logging.getLogger("test"))
    return OrderEntry(rest or Rest(), ValrThrottler(CONSTANTS.RATE_LIMITS), troubles, prefer_socket=prefer_socket)


def over_socket(answer: Answer | None = None) -> tuple[OrderEntry, Socket]:
    entry = order_entry()
    socket = Socket(entry, answer)
    entry.socket_opened(socket.send)
    return entry, socket


def accepted(frame: dict[str, Any]) -> Reply:
    kind = {"PLACE_LIMIT_ORDER": "PLACE_LIMIT_WS_RESPONSE", "PLACE_MARKET_ORDER": "PLACE_MARKET_WS_RESPONSE"}
    return {
        "type": kind[frame["type"]],
        "data": {"orderId": ORDER_ID, "customerOrderId": frame["payload"]["customerOrderId"]},
        "clientMsgId": frame["clientMsgId"],
    }


def reply(kind: str, **fields: Any) -> Answer:
    return lambda frame: {"type": kind, "clientMsgId": frame["clientMsgId"], **fields}


@asynccontextmanager
async def waiting(entry: OrderEntry, socket: Socket, placement: Placement = LIMIT) -> AsyncIterator[asyncio.Task[Any]]:
    """A placement that has been sent and waits for its reply."""
    task = asyncio.create_task(entry.place(placement))
    await asyncio.wait_for(socket.has_sent(len(socket.sent) + 1), 1)
    yield task
    assert task.done(), "the test left the placement waiting"


@pytest.fixture
def short_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(valr_order_entry, "REPLY_DEADLINE", 0.02)


@pytest.fixture
def no_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(valr_troubles, "RATE_LIMIT_DELAY_MAX", 0.0)


# --- Payloads ---------------------------------------------------------------------------------------------------------
def test_the_fields_of_limit_orders() -> None:
    assert LIMIT.payload() == {
        "side": "BUY",
        "pair": "BTCZAR",
        "quantity": "0.0001",
        "price": "1200000",
        "postOnly": True,
        "timeInForce": "GTC",
        "customerOrderId": "HBOTB1",
    }
    assert OTHER.payload() == {
        "side": "SELL",
        "pair": "BTCZAR",
        "quantity": "0.5",
        "price": "1300000",
        "postOnly": False,
        "timeInForce": "GTC",
        "customerOrderId": "HBOTS2",
    }


def test_the_fields_of_market_orders() -> None:
    assert MARKET.payload() == {
        "side": "BUY",
        "pair": "SHIBUSDC",
        "baseAmount": "1000000",
        "customerOrderId": "HBOTB3",
    }


def test_a_market_order_by_quote_amount_names_only_that() -> None:
    placement = Placement("HBOTB3", "BTCZAR", True, Decimal("0.0001"), None, quote_amount=Decimal("1E+2"))
    fields = placement.payload()
    assert (fields["quoteAmount"], "baseAmount" in fields) == ("100", False)


def test_time_in_force_goes_out() -> None:
    placement = Placement("HBOTB3", "BTCZAR", True, Decimal("0.0001"), Decimal("7"), time_in_force="IOC")
    assert placement.payload()["timeInForce"] == "IOC"


@pytest.mark.parametrize(
    ("number", "text"), [("1E-8", "0.00000001"), ("1.500", "1.5"), ("1E+3", "1000"), ("0.10", "0.1"), ("70", "70")]
)
def test_numbers_go_out_as_plain_decimals(number: str, text: str) -> None:
    payload = Placement("x", "BTCZAR", True, Decimal(number), Decimal(number)).payload()
    assert (payload["quantity"], payload["price"]) == (text, text)


# --- Placing over the socket ------------------------------------------------------------------------------------------
async def test_a_placement_is_acknowledged_and_nothing_more() -> None:
    entry, socket = over_socket(accepted)
    assert await entry.place(LIMIT) == Accepted(ORDER_ID, proof=False)
    assert await entry.place(MARKET) == Accepted(ORDER_ID, proof=False)
    assert socket.sent == [
        {"type": "PLACE_LIMIT_ORDER", "clientMsgId": "HBOTB1", "payload": LIMIT.payload()},
        {"type": "PLACE_MARKET_ORDER", "clientMsgId": "HBOTB3", "payload": MARKET.payload()},
    ]


async def test_replies_find_their_commands_in_any_order() -> None:
    entry, socket = over_socket()
    async with waiting(entry, socket, LIMIT) as first, waiting(entry, socket, OTHER) as second:
        replies = [accepted(frame) for frame in socket.sent]
        replies[0]["data"]["orderId"], replies[1]["data"]["orderId"] = "first", "second"
        socket.take(replies[::-1])
        assert await first == Accepted("first", proof=False)
        assert await second == Accepted("second", proof=False)
    assert socket.returned == []


async def test_an_acceptance_without_an_order_id_is_not_a_refusal() -> None:
    entry, _ = over_socket(reply("PLACE_LIMIT_WS_RESPONSE", data={}))
    assert await entry.place(LIMIT) == Accepted("", proof=False)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (reply("PLACE_LIMIT_WS_RESPONSE", error={"code": -6, "message": "Insufficient Balance"}), "Insufficient"),
        (reply("PLACE_LIMIT_WS_RESPONSE", error="Insufficient Balance"), "Insufficient"),
        (reply("INVALID_PLACE_LIMIT_REQUEST", message="price must be positive"), "price must be positive"),
        (reply("INVALID_PLACE_LIMIT_REQUEST"), "INVALID_PLACE_LIMIT_REQUEST"),
        (
            reply(
                "INVALID_PLACE_LIMIT_REQUEST",
                error={"code": -11, "message": "Invalid", "validationErrors": {"errors": [{"message": "bad pair"}]}},
            ),
            "bad pair",
        ),
    ],
)
async def test_refusals_in_every_form(answer: Answer, text: str) -> None:
    entry, _ = over_socket(answer)
    with pytest.raises(ValrRefusedError, match=text):
        await entry.place(LIMIT)


async def test_a_refusal_carries_valrs_code() -> None:
    error = {"code": -12007, "message": "Minimum order size not met"}
    entry, _ = over_socket(reply("PLACE_LIMIT_WS_RESPONSE", error=error))
    with pytest.raises(ValrRefusedError) as refused:
        await entry.place(LIMIT)
    assert refused.value.code == -12007


@pytest.mark.parametrize("code", [-11502, -11])
async def test_a_duplicate_id_means_that_the_order_may_be_live(code: int) -> None:
    error = {"code": code, "message": "Duplicate customer order id's are not allowed"}
    entry, _ = over_socket(reply("PLACE_LIMIT_WS_RESPONSE", error=error))
    with pytest.raises(ValrUnknownOutcomeError, match="Duplicate"):
        await entry.place(LIMIT)


@pytest.mark.parametrize("placement", [LIMIT, MARKET])
async def test_a_refusal_that_names_no_command_leaves_every_placement_of_its_kind_in_doubt(
    placement: Placement,
) -> None:
    kind = "INVALID_PLACE_MARKET_REQUEST" if placement is MARKET else "INVALID_PLACE_LIMIT_REQUEST"
    entry, socket = over_socket()
    bystander = LIMIT if placement is MARKET else MARKET
    async with waiting(entry, socket, bystander) as unconcerned:
        async with waiting(entry, socket, placement) as doubtful:
            socket.take({"type": kind, "message": "no"})
            with pytest.raises(ValrUnknownOutcomeError, match="named no command"):
                await doubtful
        assert not unconcerned.done()
        socket.take(accepted(socket.sent[0]))
        assert (await unconcerned).order_id == ORDER_ID
    assert [each.kind for each in socket.returned] == [kind]


async def test_a_reply_without_its_commands_id_is_told_by_the_order_it_names() -> None:
    entry, socket = over_socket()
    async with waiting(entry, socket, LIMIT) as first, waiting(entry, socket, OTHER) as second:
        for frame, order_id in zip(socket.sent[::-1], ("second", "first"), strict=True):
            ids = {"orderId": order_id, "customerOrderId": frame["payload"]["customerOrderId"]}
            socket.take({"type": "PLACE_LIMIT_WS_RESPONSE", "data": ids})
        assert await first == Accepted("first", proof=False)
        assert await second == Accepted("second", proof=False)
    assert socket.returned == []


@pytest.mark.parametrize(
    ("order_id", "named"),
    [
        ("", {"customerOrderId": "HBOTB1"}),
        (ORDER_ID, {"orderId": ORDER_ID}),
        (ORDER_ID, {"customerOrderId": "HBOTB1"}),
        (ORDER_ID, {"orderId": ORDER_ID, "customerOrderId": "HBOTB1"}),
    ],
)
async def test_a_cancels_reply_without_its_commands_id_is_told_by_the_order_it_names(
    order_id: str, named: dict[str, str]
) -> None:
    answer = {"type": "CANCEL_ORDER_WS_RESPONSE", "data": {"requested": True, **named}}
    entry, _ = over_socket(lambda _: answer)
    assert not await entry.cancel("BTCZAR", "HBOTB1", order_id, over_rest=False)


async def test_a_reply_without_its_commands_id_that_names_another_order_concerns_nobody() -> None:
    entry, socket = over_socket()
    async with waiting(entry, socket) as unconcerned:
        socket.take({"type": "PLACE_LIMIT_WS_RESPONSE", "data": {"orderId": "o9", "customerOrderId": "late"}})
        assert not unconcerned.done()
        socket.take(accepted(socket.sent[0]))
        assert (await unconcerned).order_id == ORDER_ID
    assert [(each.order_id, each.client_order_id) for each in socket.returned] == [("o9", "late")]


async def test_a_refusal_that_numbers_the_order_is_not_believed() -> None:
    entry, _ = over_socket(reply("PLACE_LIMIT_WS_RESPONSE", error={"message": "?"}, data={"orderId": ORDER_ID}))
    with pytest.raises(ValrUnknownOutcomeError):
        await entry.place(LIMIT)


async def test_an_unreadable_reply_leaves_the_placement_in_doubt() -> None:
    entry, socket = over_socket(reply("PLACE_LIMIT_WS_RESPONSE", data={"requested": "perhaps"}))
    with pytest.raises(ValrUnknownOutcomeError, match="unreadable PLACE_LIMIT_WS_RESPONSE"):
        await entry.place(LIMIT)
    assert socket.returned == []


async def test_an_unreadable_reply_that_names_no_command_leaves_its_kind_in_doubt() -> None:
    entry, socket = over_socket()
    async with waiting(entry, socket) as doubtful:
        socket.take({"type": "PLACE_LIMIT_WS_RESPONSE", "data": {"requested": "perhaps"}})
        with pytest.raises(ValrUnknownOutcomeError):
            await doubtful
    assert isinstance(socket.returned[0], Unreadable)


@pytest.mark.usefixtures("short_deadline")
async def test_no_reply_in_time_is_an_unknown_outcome_and_a_late_one_is_handed_back() -> None:
    entry, socket = over_socket()
    with pytest.raises(ValrUnknownOutcomeError, match=r"PLACE_LIMIT_ORDER was not answered within 0\.02 s"):
        await entry.place(LIMIT)
    late = entry.take_reply(accepted(socket.sent[0]))
    assert late == CommandReply(
        kind="PLACE_LIMIT_WS_RESPONSE",
        command="PLACE_LIMIT_ORDER",
        client_msg_id="HBOTB1",
        order_id=ORDER_ID,
        client_order_id="HBOTB1",
    )


@pytest.mark.usefixtures("short_deadline")
async def test_a_socket_that_does_not_answer_is_avoided_until_it_is_heard_again() -> None:
    rest = Rest()
    rest.answers = [{"id": "over REST"}, {"id": "over REST"}]
    entry = order_entry(rest)
    socket = Socket(entry)
    entry.socket_opened(socket.send)
    with pytest.raises(ValrUnknownOutcomeError):
        await entry.place(LIMIT)
    assert entry.is_socket_doubted

    assert (await entry.place(OTHER)).proof
    assert await entry.cancel("BTCZAR", "HBOTS2", ORDER_ID, over_rest=False)
    assert len(socket.sent) == 1

    entry.socket_heard()
    assert not entry.is_socket_doubted
    socket.answer = accepted
    assert (await entry.place(MARKET)).order_id == ORDER_ID


@pytest.mark.usefixtures("short_deadline")
async def test_a_socket_that_lives_and_answers_no_commands_is_left_alone_for_growing_times(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ahead = 0.0
    monkeypatch.setattr(valr_order_entry, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + ahead))
    rest = Rest()
    entry = order_entry(rest)
    socket = Socket(entry)
    entry.socket_opened(socket.send)

    async def unanswered(count: int) -> None:
        tasks = [
            asyncio.create_task(entry.place(OTHER._replace(client_order_id=f"HBOT{each}"))) for each in range(count)
        ]
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {ValrUnknownOutcomeError}
        # It does bring other frames.
        entry.socket_heard()

    async def goes_over_rest() -> bool:
        before = len(rest.calls)
        rest.answers = [{"id": "over REST"}]
        try:
            await entry.cancel("BTCZAR", "HBOTS2", ORDER_ID, over_rest=False)
        except ValrUnknownOutcomeError:
            entry.socket_heard()
        return len(rest.calls) > before

    # What was sent together counts once.
    await unanswered(3)
    assert not entry.is_renewal_wanted
    await unanswered(1)
    # A new socket is wanted once, and tried at once; here it is of no help.
    assert entry.is_renewal_wanted
    assert await goes_over_rest()
    entry.socket_closed()
    entry.socket_opened(socket.send)
    assert not entry.is_renewal_wanted
    assert not await goes_over_rest()
    for pause in (20, 40, 80, 160, 300, 300):
        assert await goes_over_rest()
        ahead += pause - 1
        assert await goes_over_rest()
        ahead += 1
        assert not await goes_over_rest()
        assert not entry.is_renewal_wanted
    assert len([each for each in caplog.records if "does not answer commands" in each.getMessage()]) == 1
    ahead += 301
    socket.answer = accepted
    assert not (await entry.place(LIMIT)).proof
    socket.answer = None
    await unanswered(1)
    assert not await goes_over_rest()
    assert await goes_over_rest()
    assert entry.is_renewal_wanted
    entry.socket_closed()
    entry.socket_opened(socket.send)
    assert not await goes_over_rest()


@pytest.mark.usefixtures("short_deadline")
@pytest.mark.parametrize("reconnects_early", [True, False])
async def test_doubt_about_a_socket_does_not_outlive_it(reconnects_early: bool) -> None:
    entry, socket = over_socket()
    successor = Socket(entry, accepted)
    async with waiting(entry, socket) as task:
        if reconnects_early:
            entry.socket_opened(successor.send)
        with pytest.raises(ValrUnknownOutcomeError):
            await task
        assert entry.is_socket_doubted is not reconnects_early
        if not reconnects_early:
            entry.socket_closed()
            assert not entry.is_socket_doubted
            entry.socket_opened(successor.send)
    assert (await entry.place(OTHER)).order_id == ORDER_ID
    assert len(successor.sent) == 1


async def test_a_second_reply_to_one_command_changes_nothing() -> None:
    def twice(frame: dict[str, Any]) -> list[Reply]:
        return [accepted(frame), {**accepted(frame), "data": {"orderId": "another"}}]

    entry, socket = over_socket(twice)
    assert (await entry.place(LIMIT)).order_id == ORDER_ID
    assert socket.returned == []


async def test_a_socket_lost_while_waiting_is_an_unknown_outcome_for_every_command() -> None:
    entry, socket = over_socket()
    async with waiting(entry, socket, LIMIT) as first, waiting(entry, socket, OTHER) as second:
        entry.socket_closed()
        for task in (first, second):
            with pytest.raises(ValrUnknownOutcomeError, match="closed before PLACE_LIMIT_ORDER was answered"):
                await task


async def test_a_reply_that_made_it_before_the_socket_closed_counts() -> None:
    entry, socket = over_socket()
    async with waiting(entry, socket) as task:
        socket.take(accepted(socket.sent[0]))
        entry.socket_closed()
        assert await task == Accepted(ORDER_ID, proof=False)


@pytest.mark.parametrize("error", [ConnectionResetError("gone"), RuntimeError("WS is not connected.")])
async def test_a_failed_write_is_an_unknown_outcome_and_not_repeated_over_rest(error: Exception) -> None:
    rest = Rest()
    entry = order_entry(rest)

    async def send(_: dict[str, Any]) -> None:
        raise error

    entry.socket_opened(send)
    with pytest.raises(ValrUnknownOutcomeError, match="could not be written"):
        await entry.place(LIMIT)
    assert rest.calls == []


@pytest.mark.usefixtures("short_deadline")
async def test_a_write_that_hangs_is_an_unknown_outcome() -> None:
    entry = order_entry()

    async def send(_: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    entry.socket_opened(send)
    with pytest.raises(ValrUnknownOutcomeError):
        await entry.place(LIMIT)


async def test_a_socket_that_closes_during_the_write_leaves_no_unread_error(caplog: pytest.LogCaptureFixture) -> None:
    entry = order_entry()

    async def send(_: dict[str, Any]) -> None:
        entry.socket_closed()
        raise ConnectionResetError("gone")

    entry.socket_opened(send)
    with pytest.raises(ValrUnknownOutcomeError):
        await entry.place(LIMIT)
    assert "never retrieved" not in caplog.text


async def test_a_cancelled_placement_is_forgotten_and_its_reply_handed_back() -> None:
    entry, socket = over_socket()
    async with waiting(entry, socket) as task:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    socket.take(accepted(socket.sent[0]))
    assert [each.kind for each in socket.returned] == ["PLACE_LIMIT_WS_RESPONSE"]


# --- VALR's rate limit ------------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("no_delays")
async def test_a_placement_over_the_rate_is_sent_again() -> None:
    attempts = 0

    def third_time_lucky(frame: dict[str, Any]) -> Reply:
        nonlocal attempts
        attempts += 1
        limited = {"type": "RATE_LIMIT_EXCEEDED", "data": {"requestType": frame["type"]}}
        return accepted(frame) if attempts == 3 else {**limited, "clientMsgId": frame["clientMsgId"]}

    entry, socket = over_socket(third_time_lucky)
    assert (await entry.place(LIMIT)).order_id == ORDER_ID
    assert len(socket.sent) == 3


@pytest.mark.usefixtures("no_delays")
@pytest.mark.parametrize("placement", [LIMIT, MARKET])
async def test_a_refusal_for_rate_that_comes_twice_is_no_answer_to_the_next_try(placement: Placement) -> None:
    entry, socket = over_socket()
    limited = reply("RATE_LIMIT_EXCEEDED", data={"requestType": "PLACE_LIMIT_ORDER"})
    async with waiting(entry, socket, placement) as task:
        socket.take(limited(socket.sent[0]))
        await asyncio.wait_for(socket.has_sent(2), 1)
        socket.take(limited(socket.sent[0]))
        socket.take(accepted(socket.sent[1]))
        assert await asyncio.wait_for(task, 1) == Accepted(ORDER_ID, proof=False)
    assert len(socket.sent) == 2
    first, second = (frame["clientMsgId"] for frame in socket.sent)
    assert first == placement.client_order_id != second
    assert placed_order_id(first) == placed_order_id(second) == placement.client_order_id
    # VALR takes so much of customerOrderId; of clientMsgId it says nothing.
    assert second.isalnum()
    assert len(second) <= 50
    assert [late.rate_limited for late in socket.returned if isinstance(late, CommandReply)] == [True]


@pytest.mark.usefixtures("no_delays")
async def test_a_placement_that_never_gets_through_is_given_up() -> None:
    entry, socket = over_socket(reply("RATE_LIMIT_EXCEEDED", data={"requestType": "PLACE_LIMIT_ORDER"}))
    with pytest.raises(ValrRateLimitedError):
        await entry.place(LIMIT)
    assert len(socket.sent) == 5


async def test_orders_that_are_refused_in_the_same_instant_wait_no_longer_than_one() -> None:
    refused: set[str] = set()

    def second_time_lucky(frame: dict[str, Any]) -> Reply:
        identifier = frame["payload"]["customerOrderId"]
        if identifier in refused:
            return accepted(frame)
        refused.add(identifier)
        return {"type": "RATE_LIMIT_EXCEEDED", "clientMsgId": frame["clientMsgId"]}

    entry, socket = over_socket(second_time_lucky)
    orders = [LIMIT._replace(client_order_id=f"HBOTB{number}") for number in range(8)]
    placing = asyncio.gather(*map(entry.place, orders))
    await asyncio.wait_for(socket.has_sent(9), 1)
    assert len(refused) == 8
    assert len(await asyncio.wait_for(placing, 1)) == 8
    assert len(socket.sent) == 16


async def test_a_rate_limit_frame_that_names_only_the_kind_leaves_it_in_doubt() -> None:
    entry, socket = over_socket(lambda frame: {"type": "RATE_LIMIT_EXCEEDED", "data": {"requestType": frame["type"]}})
    with pytest.raises(ValrUnknownOutcomeError):
        await entry.place(LIMIT)
    assert len(socket.sent) == 1


@pytest.mark.usefixtures("no_delays")
async def test_the_rate_limit_of_rest_is_waited_out_too() -> None:
    rest = Rest()
    rest.answers = [ValrRateLimitedError("429", 3.0), {"id": ORDER_ID}]
    assert (await order_entry(rest).place(LIMIT)).order_id == ORDER_ID
    assert len(rest.calls) == 2


@pytest.mark.usefixtures("no_delays")
@pytest.mark.parametrize("over_rest", [True, False])
async def test_what_is_cancelled_while_the_rate_limit_is_waited_out_is_not_sent_again(over_rest: bool) -> None:
    wanted = iter([True, False])
    if over_rest:
        rest = Rest()
        rest.answers = [ValrRateLimitedError("429", 3.0), {"id": ORDER_ID}]
        entry, sent = order_entry(rest), rest.calls
    else:
        entry, socket = over_socket(reply("RATE_LIMIT_EXCEEDED", data={"requestType": "PLACE_LIMIT_ORDER"}))
        sent = socket.sent
    with pytest.raises(ValrWithdrawnError, match="order HBOTB1 is not to be sent any more"):
        await entry.place(LIMIT, None, lambda: next(wanted))
    assert len(sent) == 1


async def test_whether_it_is_still_wanted_is_asked_after_the_wait() -> None:
    entry, socket = over_socket(accepted)
    entry._troubles.rate_limited(CONSTANTS.SOCKET_PLACE_LIMIT_ID, time.monotonic(), 0.05)
    reasons = ["a strategy wants it"]
    placing = asyncio.create_task(entry.place(LIMIT, None, lambda: bool(reasons)))
    await asyncio.sleep(0)
    reasons.clear()
    with pytest.raises(ValrWithdrawnError):
        await placing
    assert socket.sent == []


async def test_in_read_only_mode_placements_are_refused_at_once_and_cancels_go_out() -> None:
    entry, socket = over_socket(accepted)
    entry.hold()
    assert entry.is_held
    with pytest.raises(ValrReadOnlyError, match="read-only"):
        await entry.place(LIMIT)
    assert socket.sent == []
    socket.answer = reply("CANCEL_ORDER_WS_RESPONSE", data={"requested": True})
    assert await entry.cancel("BTCZAR", "HBOTB1", ORDER_ID, over_rest=False) is False
    entry.resume()
    socket.answer = accepted
    assert (await entry.place(LIMIT)).order_id == ORDER_ID


async def test_a_socket_that_goes_while_the_rate_limit_is_waited_out_is_not_written_to() -> None:
    rest = Rest()
    rest.answers = [{"id": ORDER_ID}]
    entry = order_entry(rest)
    socket = Socket(entry, None)

    def refuse_and_close(frame: dict[str, Any]) -> Reply:
        asyncio.get_running_loop().call_later(0.01, entry.socket_closed)
        return {"type": "RATE_LIMIT_EXCEEDED", "clientMsgId": frame["clientMsgId"]}

    socket.answer = refuse_and_close
    entry.socket_opened(socket.send)
    assert await entry.place(LIMIT) == Accepted(ORDER_ID, proof=True)
    assert len(socket.sent) == 1


# --- Placing over REST ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("placement", "path"), [(LIMIT, "/v2/orders/limit"), (OTHER, "/v2/orders/limit"), (MARKET, "/v2/orders/market")]
)
async def test_without_a_socket_a_placement_goes_over_rest_and_its_answer_is_proof(
    placement: Placement, path: str
) -> None:
    rest = Rest()
    rest.answers = [{"id": ORDER_ID}]
    entry = order_entry(rest)
    assert await entry.place(placement) == Accepted(ORDER_ID, proof=True)
    assert rest.calls == [("POST", path, placement.payload(), CONSTANTS.PLACE_LIMIT_ID)]


async def test_rest_by_choice_leaves_the_socket_alone() -> None:
    rest = Rest()
    rest.answers = [{"id": ORDER_ID}, {"id": ORDER_ID}]
    entry = order_entry(rest, prefer_socket=False)
    socket = Socket(entry, accepted)
    entry.socket_opened(socket.send)
    assert (await entry.place(LIMIT)).proof
    assert await entry.cancel("BTCZAR", "HBOTB1", ORDER_ID, over_rest=False)
    assert socket.sent == []
    assert [call[0] for call in rest.calls] == ["POST", "DELETE"]


async def test_the_socket_is_used_again_after_a_reconnect() -> None:
    rest = Rest()
    rest.answers = [{"id": "over REST"}]
    entry = order_entry(rest)
    socket = Socket(entry, accepted)
    entry.socket_opened(socket.send)
    entry.socket_closed()
    assert (await entry.place(LIMIT)).order_id == "over REST"
    entry.socket_opened(socket.send)
    assert (await entry.place(LIMIT)).order_id == ORDER_ID
    assert len(rest.calls) == 1


async def test_an_answer_without_an_id_is_no_proof() -> None:
    rest = Rest()
    rest.answers = [{}]
    assert await order_entry(rest).place(LIMIT) == Accepted("", proof=False)


@pytest.mark.parametrize(
    "error",
    [
        ValrRefusedError("it", ApiError(code=-6, message="Insufficient Balance"), 400),
        ValrNotSentError("no connection"),
        ValrUnknownOutcomeError("HTTP 503"),
    ],
)
async def test_failures_of_rest_are_passed_on_and_never_repeated(error: ValrRequestError) -> None:
    rest = Rest()
    rest.answers = [error]
    with pytest.raises(type(error)) as raised:
        await order_entry(rest).place(LIMIT)
    assert raised.value is error
    assert len(rest.calls) == 1


async def test_a_duplicate_id_over_rest_means_that_the_order_may_be_live() -> None:
    rest = Rest()
    rest.answers = [ValrRefusedError("it", ApiError(code=-11502, message="Duplicate"), 400)]
    with pytest.raises(ValrUnknownOutcomeError, match="Duplicate"):
        await order_entry(rest).place(LIMIT)


# --- Cancelling -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("order_id", "target"), [(ORDER_ID, {"orderId": ORDER_ID}), ("", {"customerOrderId": "HBOTB1"})]
)
async def test_a_cancel_over_the_socket_is_taken_and_nothing_more(order_id: str, target: dict[str, str]) -> None:
    entry, socket = over_socket(reply("CANCEL_ORDER_WS_RESPONSE", data={"requested": True}))
    assert await entry.cancel("BTCZAR", "HBOTB1", order_id, over_rest=False) is False
    (frame,) = socket.sent
    assert (frame["type"], frame["payload"]) == ("CANCEL_LIMIT_ORDER", {**target, "pair": "BTCZAR"})


@pytest.mark.parametrize(
    ("order_id", "target"), [(ORDER_ID, {"orderId": ORDER_ID}), ("", {"customerOrderId": "HBOTB1"})]
)
async def test_a_cancel_over_rest_is_proof(order_id: str, target: dict[str, str]) -> None:
    rest = Rest()
    rest.answers = [{"id": "either id"}]
    entry = order_entry(rest)
    socket = Socket(entry)
    entry.socket_opened(socket.send)
    assert await entry.cancel("BTCZAR", "HBOTB1", order_id, over_rest=True) is True
    assert rest.calls == [("DELETE", "/v2/orders/order", {**target, "pair": "BTCZAR"}, CONSTANTS.CANCEL_LIMIT_ID)]
    assert socket.sent == []


@pytest.mark.parametrize("content", [None, {}, {"id": ""}])
async def test_a_cancel_over_rest_whose_answer_names_no_order_is_taken_and_nothing_more(content: Any) -> None:
    """So is a queued cancel answered: 202 and no body (valr-api.md 3.4)."""
    rest = Rest()
    rest.answers = [content]
    assert await order_entry(rest).cancel("BTCZAR", "HBOTB1", ORDER_ID, over_rest=True) is False


async def test_without_a_socket_a_cancel_goes_over_rest() -> None:
    rest = Rest()
    rest.answers = [{"id": ORDER_ID}]
    assert await order_entry(rest).cancel("BTCZAR", "HBOTB1", ORDER_ID, over_rest=False) is True


async def test_two_cancels_of_one_order_do_not_share_a_name() -> None:
    entry, socket = over_socket(reply("CANCEL_ORDER_WS_RESPONSE", data={"requested": True}))
    for _ in range(2):
        await entry.cancel("BTCZAR", "HBOTB1", ORDER_ID, over_rest=False)
    assert len({frame["clientMsgId"] for frame in socket.sent}) == 2
    assert all(frame["clientMsgId"] != "HBOTB1" for frame in socket.sent)


@pytest.mark.parametrize(
    ("answer", "not_found"),
    [
        (reply("CANCEL_ORDER_WS_RESPONSE", data={"requested": False}), False),
        (reply("CANCEL_ORDER_WS_RESPONSE", error={"code": -16, "message": "Could not find the order to cancel"}), True),
        (reply("INVALID_CANCEL_ORDER_REQUEST", message="pair missing"), False),
    ],
)
async def test_refused_cancels(answer: Answer, not_found: bool) -> None:
    entry, _ = over_socket(answer)
    with pytest.raises(ValrRefusedError) as refused:
        await entry.cancel("BTCZAR", "HBOTB1", ORDER_ID, over_rest=False)
    assert is_cancel_not_found(refused.value) is not_found


async def test_a_cancel_over_the_rate_is_left_to_the_caller() -> None:
    entry, socket = over_socket(reply("RATE_LIMIT_EXCEEDED", data={"requestType": "CANCEL_LIMIT_ORDER"}))
    with pytest.raises(ValrRateLimitedError):
        await entry.cancel("BTCZAR", "HBOTB1", ORDER_ID, over_rest=False)
    assert len(socket.sent) == 1


@pytest.mark.usefixtures("short_deadline")
async def test_an_unanswered_cancel_is_an_unknown_outcome() -> None:
    entry, _ = over_socket()
    with pytest.raises(ValrUnknownOutcomeError, match="CANCEL_LIMIT_ORDER"):
        await entry.cancel("BTCZAR", "HBOTB1", ORDER_ID, over_rest=False)


async def test_a_socket_lost_under_a_cancel_is_an_unknown_outcome() -> None:
    entry, socket = over_socket()
    task = asyncio.create_task(entry.cancel("BTCZAR", "HBOTB1", ORDER_ID, over_rest=False))
    await socket.has_sent(1)
    entry.socket_closed()
    with pytest.raises(ValrUnknownOutcomeError):
        await task


@pytest.mark.parametrize(
    ("code", "message", "status", "not_found"),
    [
        (-16, "", 400, True),
        (-1, "Invalid Order. ", 400, True),
        (None, "", 404, True),
        (None, "Could not find the order to cancel", 400, True),
        (None, "Order not found or already filled", None, True),
        (-11, "Invalid Request", 400, False),
        (None, "requested: false", None, False),
    ],
)
def test_what_counts_as_an_order_that_valr_does_not_know(
    code: int | None, message: str, status: int | None, not_found: bool
) -> None:
    assert is_cancel_not_found(ValrRefusedError("it", ApiError(code=code, message=message), status)) is not_found


# --- Cancel on disconnect ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("named", [True, False])
async def test_cancel_on_disconnect_is_asked_for(named: bool) -> None:
    def updated(frame: dict[str, Any]) -> Reply:
        answer = {"type": "CANCEL_ON_DISCONNECT_UPDATE", "data": {"cancelOnDisconnect": "true"}}
        return {**answer, "clientMsgId": frame["clientMsgId"]} if named else answer

    entry, socket = over_socket(updated)
    await entry.cancel_on_disconnect()
    (frame,) = socket.sent
    assert (frame["type"], frame["payload"]) == ("CANCEL_ON_DISCONNECT", {"cancelOnDisconnect": True})
    assert socket.returned == []


async def test_cancel_on_disconnect_that_stays_off_is_a_refusal() -> None:
    entry, _ = over_socket(reply("CANCEL_ON_DISCONNECT_UPDATE", data={"cancelOnDisconnect": "false"}))
    with pytest.raises(ValrRefusedError, match="cancelOnDisconnect: false"):
        await entry.cancel_on_disconnect()


async def test_cancel_on_disconnect_needs_the_socket() -> None:
    with pytest.raises(ValrNotSentError):
        await order_entry().cancel_on_disconnect()


async def test_an_unasked_cancel_on_disconnect_update_is_handed_back() -> None:
    entry, socket = over_socket()
    async with waiting(entry, socket) as task:
        socket.take({"type": "CANCEL_ON_DISCONNECT_UPDATE", "data": {"cancelOnDisconnect": "true"}})
        assert not task.done()
        socket.take(accepted(socket.sent[0]))
        await task
    assert [each.kind for each in socket.returned] == ["CANCEL_ON_DISCONNECT_UPDATE"]
