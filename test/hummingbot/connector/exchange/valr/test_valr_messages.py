"""Every recorded message to exact values, every layout that may turn up, and nothing that can raise into a socket."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_messages import (
    _MINUTES,
    AccountTrade,
    ApiError,
    Authenticated,
    Balance,
    CancelFailed,
    CommandReply,
    Control,
    Message,
    ModifyOutcome,
    OpenOrders,
    OrderProcessed,
    OrderReport,
    OrderWord,
    PlacementFailed,
    SocketError,
    Unknown,
    Unreadable,
    format_number,
    order_word,
    parse_account_frame,
    parse_answered_id,
    parse_api_error,
    parse_balances,
    parse_command_reply,
    parse_exchange_status,
    parse_key_permissions,
    parse_market_summaries,
    parse_number,
    parse_open_orders,
    parse_order_history,
    parse_order_report,
    parse_pair_rules,
    parse_server_time,
    parse_symbols_with_book,
    parse_time,
    parse_trades,
    parse_trading_fees,
)

SAMPLES = Path(__file__).parent / "samples"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text())


def frame(name: str, **data: Any) -> dict[str, Any]:
    """A sample frame with some of its data replaced; ``...`` removes a field."""
    content = sample(name)
    merged = {**content["data"], **data}
    return {**content, "data": {key: value for key, value in merged.items() if value is not ...}}


def report(order_id: str, **fields: Any) -> OrderReport:
    numbers = ("price", "original_quantity", "remaining_quantity", "executed_quantity")
    return OrderReport(
        order_id=order_id,
        **{key: Decimal(value) if key in numbers else value for key, value in fields.items()},
    )


# --- Recorded frames of the account socket ----------------------------------------------------------------------------
PARTIAL = report(
    "019a2a46-5730-7081-bfa2-7c6fc7e2d5db",
    client_order_id="testWS",
    symbol="BTCUSDT",
    status="Partially Filled",
    price="114950",
    original_quantity="0.0003",
    remaining_quantity="0.0002",
    side="sell",
    order_type="post-only limit",
    time_in_force="GTC",
    updated_at=1761645880.566,
)
REFUSED_CANCEL = "An error occurred while cancelling your order."
FRAMES = {
    "ws-account-AUTHENTICATED": Authenticated(),
    "ws-account-BALANCE_UPDATE": Balance(
        asset="BTC", available=Decimal("0.00002887"), total=Decimal("0.00002887"), updated_at=1678591716.6
    ),
    # The rand's symbol is "R"; its short name is the currency's code everywhere else.
    "ws-account-BALANCE_UPDATE-zar": Balance(
        asset="ZAR", available=Decimal("1022.05"), total=Decimal("1032.05"), updated_at=1711381128.58
    ),
    "ws-account-OPEN_ORDERS_UPDATE": OpenOrders(
        orders=(
            report(
                "01972090-c325-7c8d-beed-203ff3630ba6",
                client_order_id="MyLimit123",
                symbol="BTCUSDTPERP",
                status="Placed",
                price="2100000",
                original_quantity="0.0001",
                remaining_quantity="0.0001",
                side="sell",
                order_type="post-only limit",
                time_in_force="GTC",
                updated_at=1748598047.526,
            ),
            report(
                "01972090-dcc2-7f16-9343-fa3749aa4f9d",
                symbol="BTCUSDTPERP",
                status="Placed",
                price="2200000",
                original_quantity="0.0001",
                remaining_quantity="0.0001",
                side="sell",
                order_type="post-only limit",
                time_in_force="GTC",
                updated_at=1748598054.084,
            ),
        )
    ),
    "ws-account-OPEN_ORDERS_UPDATE-empty": OpenOrders(orders=()),
    "ws-account-OPEN_ORDERS_UPDATE-modified": OpenOrders(
        orders=(
            report(
                "6eaf85b7-7e69-4e26-9664-33a8f23bfb4f",
                client_order_id="MyLimit1234",
                symbol="BTCUSDC",
                status="Order Modified",
                price="29300",
                original_quantity="0.0002",
                remaining_quantity="0.0002",
                side="buy",
                order_type="limit",
                time_in_force="GTC",
                updated_at=1698154602.66,
            ),
        )
    ),
    "ws-account-OPEN_ORDERS_UPDATE-partially-filled": OpenOrders(
        orders=(
            report(
                "64f7713b-c2ad-496c-aede-a90e1389c959",
                client_order_id="CUSTOM-0001",
                symbol="USDCZAR",
                status="Partially Filled",
                price="18.6302",
                original_quantity="3614.02",
                remaining_quantity="2301.9461",
                side="sell",
                order_type="post-only limit",
                time_in_force="GTC",
                updated_at=1719564453.988,
            ),
        )
    ),
    "ws-account-OPEN_ORDERS_UPDATE-mirror-variant": OpenOrders(
        orders=(
            report(
                "f1e2d3c4-b5a6-7890-1234-567890abcdef",
                client_order_id="my-order-1",
                symbol="BTCZAR",
                status="Placed",
                price="950000",
                original_quantity="0.01",
                remaining_quantity="0.01",
                side="buy",
                order_type="limit",
                time_in_force="GTC",
                updated_at=1727438400.0,
            ),
        )
    ),
    "ws-account-ORDER_STATUS_UPDATE-partially-filled": PARTIAL,
    "ws-account-ORDER_STATUS_UPDATE-modified": report(
        "019a29d0-4362-7dc9-a51d-3533a4bdcf2d",
        client_order_id="testWS",
        symbol="BTCUSDT",
        status="Order Modified",
        price="114920",
        original_quantity="0.0002",
        remaining_quantity="0.0002",
        side="buy",
        order_type="post-only limit",
        time_in_force="GTC",
        updated_at=1761638181.483,
    ),
    "ws-account-ORDER_STATUS_UPDATE-cancelled": report(
        "0967a400-fcb3-45bd-8f4a-e2b0872f53a8",
        symbol="BTCZAR",
        status="Cancelled",
        price="2000000",
        original_quantity="0.00001",
        remaining_quantity="0.00001",
        side="sell",
        order_type="post-only limit",
        updated_at=1711987301.456,
    ),
    "ws-account-ORDER_STATUS_UPDATE-filled": report(
        "bf17d427-f9e8-44ef-82c1-4ed94c5f4f7f",
        symbol="BTCZAR",
        status="Filled",
        price="1335001",
        original_quantity="0.00001",
        remaining_quantity="0",
        side="sell",
        order_type="post-only limit",
        updated_at=1711988094.716,
    ),
    "ws-account-ORDER_STATUS_UPDATE-mirror-variant": report(
        "f1e2d3c4-b5a6-7890-1234-567890abcdef",
        client_order_id="my-order-1",
        symbol="BTCZAR",
        status="Filled",
        price="950000",
        original_quantity="0.01",
        remaining_quantity="0",
        side="buy",
        order_type="limit",
        updated_at=1727438460.0,
    ),
    "ws-account-ORDER_PROCESSED-success": OrderProcessed(
        order_id="019a2a2c-8c45-7ffa-815a-e7272a8216c9", client_order_id="testWS", success=True
    ),
    "ws-account-ORDER_PROCESSED-failed": OrderProcessed(
        order_id="019a2a2c-8c45-7ffa-815a-e7272a8216c9",
        client_order_id="testWS",
        success=False,
        failure_reason="Insufficient Balance",
    ),
    "ws-account-NEW_ACCOUNT_TRADE": AccountTrade(
        trade_id="019a29aa-0ce3-75db-bfc2-dd543aa745db",
        order_id="019a29aa-0cd9-75d6-813c-994bab34c642",
        client_order_id="marketWS",
        symbol="BTCUSDT",
        price=Decimal("114953"),
        quantity=Decimal("0.0001"),
        side="buy",
        traded_at=1761635601.635,
        fee=Decimal("0.0000001"),
        fee_currency="BTC",
    ),
    "ws-account-NEW_ACCOUNT_TRADE-makerreward": AccountTrade(
        trade_id="06e88b34-d57f-11ee-92bb-d59de6d96a53",
        order_id="5ae9af1e-eb05-427e-af4f-50bcbd9dc8f1",
        symbol="USDCZAR",
        price=Decimal("19.3017"),
        quantity=Decimal("1"),
        side="sell",
        traded_at=1709045204.852,
        fee=Decimal("-0.0001"),
        fee_currency="USDC",
    ),
    "ws-account-FAILED_CANCEL_ORDER": CancelFailed(
        order_id="247dc157-bb5b-49af-b476-2f613b780697", message=REFUSED_CANCEL
    ),
    "ws-account-FAILED_CANCEL_ORDER-mirror-variant": CancelFailed(
        order_id="f1e2d3c4-b5a6-7890-1234-567890abcdef", message="Order not found or already filled"
    ),
    "ws-account-FAILED_ORDER-mirror": PlacementFailed(
        order_id="f1e2d3c4-b5a6-7890-1234-567890abcdef", message="Insufficient balance"
    ),
    "ws-account-MODIFY_ORDER_OUTCOME": ModifyOutcome(
        order_id="019a29d0-4362-7dc9-a51d-3533a4bdcf2d", client_order_id="testWS", success=True
    ),
    "ws-account-INSTANT_ORDER_COMPLETED": Control(kind="INSTANT_ORDER_COMPLETED"),
    "ws-account-NEW_ACCOUNT_HISTORY_RECORD": Control(kind="NEW_ACCOUNT_HISTORY_RECORD"),
    "cmd-PONG": Control(kind="PONG"),
    "cmd-PONG-no-subscriptions": Control(kind="PONG", message="NO_SUBSCRIPTIONS"),
    "cmd-PLACE_LIMIT_WS_RESPONSE": CommandReply(
        kind="PLACE_LIMIT_WS_RESPONSE",
        command="PLACE_LIMIT_ORDER",
        client_msg_id="123456789abcd",
        order_id="22e5aa28-f52b-46ba-811e-5052fd2c7289",
        client_order_id="WS-JSON-2933586967831375",
    ),
    "cmd-PLACE_LIMIT_WS_RESPONSE-error": CommandReply(
        kind="PLACE_LIMIT_WS_RESPONSE",
        command="PLACE_LIMIT_ORDER",
        client_msg_id="123456789abcd",
        error=ApiError(
            code=-12007,
            message="Minimum order size not met . Minimum amount: 0.00001 BTC, minimum total: 0.52 USDT",
        ),
    ),
    "cmd-PLACE_MARKET_WS_RESPONSE": CommandReply(
        kind="PLACE_MARKET_WS_RESPONSE",
        command="PLACE_MARKET_ORDER",
        client_msg_id="123456789abcd",
        order_id="22e5aa28-f52b-46ba-811e-5052fd2c7289",
        client_order_id="WS-JSON-2933586967831375",
    ),
    "cmd-CANCEL_ORDER_WS_RESPONSE": CommandReply(
        kind="CANCEL_ORDER_WS_RESPONSE",
        command="CANCEL_LIMIT_ORDER",
        client_msg_id="123456789abcd",
        order_id="68b4e939-0f90-41ed-8525-8c9c3509ca63",
        client_order_id="test-123",
        requested=True,
    ),
    "cmd-CANCEL_ORDER_WS_RESPONSE-by-customerorderid": CommandReply(
        kind="CANCEL_ORDER_WS_RESPONSE",
        command="CANCEL_LIMIT_ORDER",
        client_order_id="HBOTBDEUT63a99fef6df996c4b33822f47a9",
        requested=True,
    ),
    "cmd-CANCEL_ON_DISCONNECT_UPDATE": CommandReply(
        kind="CANCEL_ON_DISCONNECT_UPDATE", command="CANCEL_ON_DISCONNECT", cancel_on_disconnect=True
    ),
    "cmd-RATE_LIMIT_EXCEEDED": CommandReply(
        kind="RATE_LIMIT_EXCEEDED", command="PLACE_LIMIT_ORDER", client_msg_id="123456789abcd"
    ),
    # Modifying is not this connector's business: it never sends MODIFY_ORDER.
    "cmd-MODIFY_ORDER_WS_RESPONSE": Unknown(kind="MODIFY_ORDER_WS_RESPONSE"),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_recorded_frame_is_read_exactly(name: str) -> None:
    assert parse_account_frame(sample(name)) == FRAMES[name]


def test_every_recorded_frame_is_tested() -> None:
    recorded = {path.stem for path in SAMPLES.glob("*.json") if path.stem.startswith(("ws-account-", "cmd-"))}
    assert recorded - set(FRAMES) == {"cmd-SUBSCRIBE-account"}


def test_messages_are_immutable() -> None:
    with pytest.raises(ValueError, match="frozen"):
        PARTIAL.order_id = "another"


def test_executed_fields_of_an_event_are_not_taken_for_totals() -> None:
    assert PARTIAL.executed_quantity is None
    assert PARTIAL.filled_quantity == Decimal("0.0001")


# --- Layouts that may turn up -----------------------------------------------------------------------------------------
def test_older_layouts_with_objects_for_pairs_and_currencies() -> None:
    pair = {"symbol": "BTCZAR", "shortName": "BTC/ZAR"}
    message = parse_account_frame(frame("ws-account-ORDER_STATUS_UPDATE-filled", currencyPair=pair))
    assert isinstance(message, OrderReport)
    assert message.symbol == "BTCZAR"

    currency = {"symbol": "R", "shortName": "ZAR"}
    trade = parse_account_frame(frame("ws-account-NEW_ACCOUNT_TRADE", feeCurrency=currency))
    assert isinstance(trade, AccountTrade)
    assert trade.fee_currency == "ZAR"

    balance = parse_account_frame(frame("ws-account-BALANCE_UPDATE", currency={"symbol": "BTC"}))
    assert balance == FRAMES["ws-account-BALANCE_UPDATE"]

    balance = parse_account_frame(frame("ws-account-BALANCE_UPDATE", currency="BTC"))
    assert balance == FRAMES["ws-account-BALANCE_UPDATE"]


@pytest.mark.parametrize("rand", ["ZAR", "R", {"symbol": "R", "shortName": "ZAR"}, {"symbol": "R"}])
def test_the_rand_under_all_its_names(rand: Any) -> None:
    fee = parse_account_frame(frame("ws-account-NEW_ACCOUNT_TRADE", feeCurrency=rand))
    balance = parse_account_frame(frame("ws-account-BALANCE_UPDATE", currency=rand))
    assert isinstance(fee, AccountTrade)
    assert isinstance(balance, Balance)
    assert (fee.fee_currency, balance.asset) == ("ZAR", "ZAR")


def test_the_open_order_row_of_2019() -> None:
    row = {
        "orderId": "o1",
        "remainingQuantity": "0.5",
        "originalPrice": "100",
        "originalQuantity": "2",
        "currencyPair": {"symbol": "BTCZAR"},
    }
    assert parse_account_frame({"type": "OPEN_ORDERS_UPDATE", "data": [row]}) == OpenOrders(
        orders=(
            report("o1", status="open", symbol="BTCZAR", price="100", original_quantity="2", remaining_quantity="0.5"),
        )
    )


def test_printed_commas() -> None:
    grouped = parse_account_frame(frame("ws-account-NEW_ACCOUNT_TRADE", price="114,953"))
    assert grouped == FRAMES["ws-account-NEW_ACCOUNT_TRADE"]
    decimal_comma = parse_account_frame(frame("ws-account-NEW_ACCOUNT_TRADE", quantity="0,00102078"))
    assert isinstance(decimal_comma, AccountTrade)
    assert decimal_comma.quantity == Decimal("0.00102078")


def test_fields_never_heard_of_change_nothing() -> None:
    for name in ("ORDER_STATUS_UPDATE-partially-filled", "NEW_ACCOUNT_TRADE", "BALANCE_UPDATE"):
        name = f"ws-account-{name}"
        assert parse_account_frame(frame(name, novelty={"deep": [1]}, sequence=7)) == FRAMES[name]


def test_fields_that_are_missing_or_null_are_unknown_not_zero() -> None:
    for nothing in (None, ...):
        message = parse_account_frame(
            frame(
                "ws-account-ORDER_STATUS_UPDATE-partially-filled",
                customerOrderId=nothing,
                originalPrice=nothing,
                remainingQuantity=nothing,
                failedReason=nothing,
                orderUpdatedAt=nothing,
                orderSide=nothing,
                timeInForce=nothing,
                orderType=nothing,
                orderStatusType=nothing,
                currencyPair=nothing,
            )
        )
        assert message == report(PARTIAL.order_id, original_quantity="0.0003")
        assert isinstance(message, OrderReport)
        assert message.filled_quantity is None
        assert message.word is OrderWord.UNKNOWN
    without_original = parse_account_frame(
        frame("ws-account-ORDER_STATUS_UPDATE-partially-filled", originalQuantity=...)
    )
    assert isinstance(without_original, OrderReport)
    assert without_original.filled_quantity is None


def test_a_status_under_its_other_name() -> None:
    data = {"orderId": "o1", "status": "Filled", "updatedAt": "2024-04-01T16:14:54.716Z"}
    message = parse_account_frame({"type": "ORDER_STATUS_UPDATE", "data": data})
    assert message == report("o1", status="Filled", updated_at=1711988094.716)


@pytest.mark.parametrize("absent", [None, ...])
def test_a_trade_without_any_fee_cost_nothing(absent: Any) -> None:
    trade = parse_account_frame(frame("ws-account-NEW_ACCOUNT_TRADE", fee=absent, feeCurrency=absent))
    assert isinstance(trade, AccountTrade)
    assert (trade.fee, trade.fee_currency) == (Decimal(0), "")


def test_a_zero_fee_or_reward_needs_no_currency() -> None:
    free = parse_account_frame(frame("ws-account-NEW_ACCOUNT_TRADE", fee="0", feeCurrency=...))
    assert isinstance(free, AccountTrade)
    assert free.fee == 0
    zero_reward = frame("ws-account-NEW_ACCOUNT_TRADE", makerReward="0", makerRewardCurrency="USDT")
    assert parse_account_frame(zero_reward) == FRAMES["ws-account-NEW_ACCOUNT_TRADE"]


@pytest.mark.parametrize(
    ("spelling", "word"),
    [
        ("Placed", OrderWord.OPEN),
        ("Active", OrderWord.OPEN),
        ("Order Modified", OrderWord.OPEN),
        ("ORDER_MODIFIED", OrderWord.OPEN),
        ("Order price has been modified due to slippage limits", OrderWord.OPEN),
        ("Repriced Due To Slippage", OrderWord.OPEN),
        ("REPRICED_DUE_TO_SLIPPAGE", OrderWord.OPEN),
        ("New", OrderWord.OPEN),
        ("Open", OrderWord.OPEN),
        ("Partially Filled", OrderWord.PARTIALLY_FILLED),
        ("PARTIALLY_FILLED", OrderWord.PARTIALLY_FILLED),
        ("PartiallyFilled", OrderWord.PARTIALLY_FILLED),
        ("partially-filled", OrderWord.PARTIALLY_FILLED),
        ("Filled", OrderWord.FILLED),
        ("Liquidation Order Filled", OrderWord.FILLED),
        ("Cancelled", OrderWord.CANCELLED),
        ("Canceled", OrderWord.CANCELLED),
        ("Partially Filled and Cancelled Due To Slippage", OrderWord.CANCELLED),
        ("PARTIALLY_FILLED_DUE_TO_SLIPPAGE", OrderWord.CANCELLED),
        ("Failed", OrderWord.FAILED),
        ("Rejected", OrderWord.FAILED),
        ("Expired", OrderWord.EXPIRED),
        ("Pending Cancel", OrderWord.OPEN),
        ("Partially Cancelled", OrderWord.CANCELLED),
        ("Instant Order Completed", OrderWord.UNKNOWN),
        ("Filled?", OrderWord.UNKNOWN),
        ("", OrderWord.UNKNOWN),
    ],
)
def test_status_words(spelling: str, word: OrderWord) -> None:
    assert order_word(spelling) is word


def test_only_four_words_end_an_order() -> None:
    ends = {word for word in OrderWord if word.is_terminal}
    assert ends == {OrderWord.FILLED, OrderWord.CANCELLED, OrderWord.FAILED, OrderWord.EXPIRED}


# --- Command replies --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ({"message": "Invalid price"}, "Invalid price"),
        ({"error": "Invalid price"}, "Invalid price"),
        ({"data": {"message": "Invalid price"}}, "Invalid price"),
        ({"data": "Invalid price"}, "Invalid price"),
        ({"error": {"message": "Invalid price"}}, "Invalid price"),
        ({}, "INVALID_PLACE_LIMIT_REQUEST"),
        ({"data": {"orderId": None}}, "INVALID_PLACE_LIMIT_REQUEST"),
        ({"message": "", "data": ["?"]}, "INVALID_PLACE_LIMIT_REQUEST"),
    ],
)
def test_a_refusal_in_any_layout_carries_its_reason(extra: dict[str, Any], reason: str) -> None:
    message = parse_account_frame({"type": "INVALID_PLACE_LIMIT_REQUEST", "clientMsgId": "m1", **extra})
    assert isinstance(message, CommandReply)
    assert (message.command, message.client_msg_id) == ("PLACE_LIMIT_ORDER", "m1")
    assert message.error is not None
    assert message.error.message == reason


def test_every_reply_names_the_command_it_answers() -> None:
    for kind, command in CONSTANTS.COMMAND_REPLIES.items():
        message = parse_account_frame({"type": kind, "clientMsgId": 17})
        assert isinstance(message, CommandReply)
        assert (message.kind, message.command, message.client_msg_id) == (kind, command, "17")
        assert (message.error is not None) == kind.startswith("INVALID_")
        assert not message.rate_limited


def test_an_error_that_is_only_text() -> None:
    message = parse_account_frame({"type": "PLACE_LIMIT_WS_RESPONSE", "error": "No.", "clientMsgId": "m1"})
    assert isinstance(message, CommandReply)
    assert message.error == ApiError(message="No.")


@pytest.mark.parametrize("nothing", [None, "", {}, [], False])
def test_an_empty_error_beside_an_order_id_is_no_refusal(nothing: Any) -> None:
    accepted = {**sample("cmd-PLACE_LIMIT_WS_RESPONSE"), "error": nothing}
    assert parse_account_frame(accepted) == FRAMES["cmd-PLACE_LIMIT_WS_RESPONSE"]


def test_rate_limit_frames() -> None:
    told = parse_account_frame(sample("cmd-RATE_LIMIT_EXCEEDED"))
    assert isinstance(told, CommandReply)
    assert told.rate_limited
    for data in ({}, None, "PLACE_LIMIT_ORDER", {"requestType": None}):
        untold = parse_account_frame({"type": "RATE_LIMIT_EXCEEDED", "data": data, "clientMsgId": "m1"})
        assert untold == CommandReply(kind="RATE_LIMIT_EXCEEDED", command="", client_msg_id="m1")


def test_a_cancel_that_was_not_requested() -> None:
    content = frame("cmd-CANCEL_ORDER_WS_RESPONSE", requested=False)
    message = parse_account_frame(content)
    assert isinstance(message, CommandReply)
    assert message.requested is False


def test_a_reply_with_senseless_fields_is_unreadable_and_keeps_its_kind() -> None:
    content = frame("cmd-CANCEL_ORDER_WS_RESPONSE", requested="perhaps")
    message = parse_command_reply(content)
    assert isinstance(message, Unreadable)
    assert message.kind == "CANCEL_ORDER_WS_RESPONSE"
    assert "requested" in message.problem


# --- Frames that are no news ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", sorted(CONSTANTS.IGNORED_ACCOUNT_EVENTS))
def test_ignored_events(kind: str) -> None:
    assert parse_account_frame({"type": kind, "data": {"anything": 1}}) == Control(kind=kind)


@pytest.mark.parametrize("kind", ["SUBSCRIBED", "UNSUBSCRIBED", "UNSUPPORTED", "NO_SUBSCRIPTIONS"])
def test_controls(kind: str) -> None:
    assert parse_account_frame({"type": kind, "message": "x"}) == Control(kind=kind, message="x")


@pytest.mark.parametrize("kind", ["ERROR", "UNAUTHORIZED"])
def test_socket_errors(kind: str) -> None:
    assert parse_account_frame({"type": kind, "message": "Go away"}) == SocketError(kind=kind, message="Go away")
    assert parse_account_frame({"type": kind}) == SocketError(kind=kind)


def test_an_event_never_heard_of() -> None:
    assert parse_account_frame({"type": "BRAND_NEW", "data": {"orderId": "o1"}}) == Unknown(kind="BRAND_NEW")


# --- What cannot be read ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("content", [None, "PONG", 3, [], {}, {"type": None}, {"type": 4}, {"data": {}}])
def test_no_typed_frame(content: Any) -> None:
    assert parse_account_frame(content) == Unreadable(kind="frame", problem="no type")


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("NEW_ACCOUNT_TRADE", "price", ...),
        ("NEW_ACCOUNT_TRADE", "price", "0"),
        ("NEW_ACCOUNT_TRADE", "price", "-1"),
        ("NEW_ACCOUNT_TRADE", "price", "1,2"),
        ("NEW_ACCOUNT_TRADE", "quantity", None),
        ("NEW_ACCOUNT_TRADE", "quantity", "lots"),
        ("NEW_ACCOUNT_TRADE", "quantity", "NaN"),
        ("NEW_ACCOUNT_TRADE", "quantity", "Infinity"),
        ("NEW_ACCOUNT_TRADE", "quantity", True),
        ("NEW_ACCOUNT_TRADE", "quantity", ["1"]),
        ("NEW_ACCOUNT_TRADE", "id", ...),
        ("NEW_ACCOUNT_TRADE", "id", ""),
        ("NEW_ACCOUNT_TRADE", "tradedAt", "yesterday"),
        ("NEW_ACCOUNT_TRADE", "tradedAt", True),
        ("NEW_ACCOUNT_TRADE", "fee", "a little"),
        ("NEW_ACCOUNT_TRADE", "feeCurrency", ""),
        ("NEW_ACCOUNT_TRADE", "makerReward", "some"),
        ("ORDER_STATUS_UPDATE-partially-filled", "remainingQuantity", "1,5"),
        ("ORDER_STATUS_UPDATE-partially-filled", "originalPrice", {}),
        ("ORDER_STATUS_UPDATE-partially-filled", "orderUpdatedAt", []),
        ("ORDER_PROCESSED-success", "success", "perhaps"),
        ("ORDER_PROCESSED-success", "success", ...),
        ("MODIFY_ORDER_OUTCOME", "success", "perhaps"),
    ],
)
def test_a_field_that_cannot_be_read_leaves_the_ids(name: str, field: str, value: Any) -> None:
    content = frame(f"ws-account-{name}", **{field: value})
    message = parse_account_frame(content)
    assert isinstance(message, Unreadable), message
    assert message.kind == content["type"]
    assert message.order_id == content["data"]["orderId"] != ""
    assert message.client_order_id == content["data"]["customerOrderId"] != ""
    assert message.problem


def test_a_fee_or_reward_without_its_currency_is_not_guessed() -> None:
    for fields in ({"feeCurrency": ...}, {"makerReward": "0.1"}, {"makerReward": "0.1", "makerRewardCurrency": None}):
        message = parse_account_frame(frame("ws-account-NEW_ACCOUNT_TRADE", **fields))
        assert isinstance(message, Unreadable)
        assert "a fee without a currency" in message.problem


@pytest.mark.parametrize("kind", ["ORDER_STATUS_UPDATE", "ORDER_PROCESSED", "NEW_ACCOUNT_TRADE", "BALANCE_UPDATE"])
@pytest.mark.parametrize("data", [None, [], "text", 5, {}, {"orderId": ""}, {"orderId": None}])
def test_data_without_the_essential(kind: str, data: Any) -> None:
    message = parse_account_frame({"type": kind, "data": data})
    assert isinstance(message, Unreadable)
    assert (message.kind, message.order_id, message.client_order_id) == (kind, "", "")


@pytest.mark.parametrize("kind", ["FAILED_ORDER", "FAILED_CANCEL_ORDER", "MODIFY_ORDER_OUTCOME"])
def test_failures_that_name_nothing(kind: str) -> None:
    expected = {"FAILED_ORDER": PlacementFailed, "FAILED_CANCEL_ORDER": CancelFailed}.get(kind, ModifyOutcome)
    assert parse_account_frame({"type": kind, "data": {}}) == expected()
    assert isinstance(parse_account_frame({"type": kind, "data": None}), Unreadable)


@pytest.mark.parametrize("data", [None, "none", {}, {"orders": None}, {"orders": {}}, 5])
def test_a_list_of_open_orders_that_is_none(data: Any) -> None:
    message = parse_account_frame({"type": "OPEN_ORDERS_UPDATE", "data": data})
    assert message == Unreadable(kind="OPEN_ORDERS_UPDATE", problem="not a list")


def test_an_unreadable_open_order_is_counted_and_hides_no_other() -> None:
    good = sample("ws-account-OPEN_ORDERS_UPDATE")["data"][0]
    rows = [good, {**good, "price": "much"}, None, {"orderId": ""}]
    message = parse_open_orders(rows)
    assert isinstance(message, OpenOrders)
    assert [order.order_id for order in message.orders] == [good["orderId"]]
    assert message.unreadable == 3


# --- Plain events: read by hand, and by pydantic ----------------------------------------------------------------------
PLAIN_REPORT = {
    "orderId": "o1",
    "orderStatusType": "Placed",
    "currencyPair": "BTCZAR",
    "originalPrice": "1000000",
    "remainingQuantity": "0.005",
    "originalQuantity": "0.01",
    "orderSide": "BUY",
    "orderType": "limit",
    "failedReason": "",
    "orderUpdatedAt": "2025-10-28T10:04:40.566Z",
    "customerOrderId": "c1",
    "timeInForce": "GTC",
    "executedQuantity": "0.001",
}
PLAIN_TRADE = {
    "price": "114953",
    "quantity": "0.0001",
    "currencyPair": "BTCZAR",
    "tradedAt": "2025-10-28T07:13:21.635Z",
    "side": "BUY",
    "orderId": "o1",
    "id": "t1",
    "fee": "0.1",
    "feeCurrency": "R",
    "customerOrderId": "c1",
}
PLAIN_PROCESSED = {"orderId": "o1", "success": True, "failureReason": "", "customerOrderId": "c1"}
PLAIN: dict[str, tuple[type[Message], dict[str, Any]]] = {
    "ORDER_STATUS_UPDATE": (OrderReport, PLAIN_REPORT),
    "NEW_ACCOUNT_TRADE": (AccountTrade, PLAIN_TRADE),
    "ORDER_PROCESSED": (OrderProcessed, PLAIN_PROCESSED),
}
MODELS = (OrderReport, AccountTrade, OrderProcessed)
OTHER_KEYS = sorted({*(name for model in MODELS for name in model.model_fields), "makerReward", "makerRewardCurrency"})
PLAIN_KEYS = sorted(
    {*PLAIN_REPORT, *PLAIN_TRADE, *PLAIN_PROCESSED, "totalExecutedQuantity", "status", "type", "updatedAt", "unheardOf"}
)
VALUES = JSON | st.sampled_from(["", "R", "0", "-1", "1,000", " 7 ", "1e3", "1_0", "NaN", "caf\u00e9", "1700000000"])


def assert_as_pydantic_makes_it(message: Any, model: type[Message], data: Any) -> None:
    try:
        expected = model.model_validate(data)
    except ValidationError:
        assert isinstance(message, Unreadable)
        return
    # As text, since there may be a time that is no number.
    assert repr(message) == repr(expected)
    assert [type(value) for _, value in message] == [type(value) for _, value in expected]


def assert_read_as_by_pydantic(kind: str, data: Any) -> None:
    assert_as_pydantic_makes_it(parse_account_frame({"type": kind, "data": data}), PLAIN[kind][0], data)


@settings(max_examples=500)
@given(
    st.sampled_from(sorted(PLAIN)),
    st.dictionaries(st.sampled_from(PLAIN_KEYS + OTHER_KEYS), VALUES, max_size=3),
    st.sets(st.sampled_from(PLAIN_KEYS), max_size=2),
)
def test_what_is_read_by_hand_is_read_as_by_pydantic(kind: str, changed: dict[str, Any], missing: set[str]) -> None:
    data = PLAIN[kind][1] | changed
    assert_read_as_by_pydantic(kind, {key: value for key, value in data.items() if key not in missing})


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"orderId": ""},
        {"orderId": 7},
        {"customerOrderId": "caf\u00e9"},
        {"timeInForce": None},
        {"totalExecutedQuantity": "0.002"},
        {"executed_quantity": "0.002"},
        {"price": "0"},
        {"price": "1,5"},
        {"quantity": "0"},
        {"feeCurrency": ""},
        {"makerReward": "0.1", "makerRewardCurrency": "BTC"},
        {"tradedAt": 1700000000, "orderUpdatedAt": 1700000000},
        {"success": False, "failureReason": "Insufficient Balance"},
        {"success": "true"},
        {"success": 1},
        {"success": None},
        {"failureReason": None},
        *(
            {"tradedAt": time, "orderUpdatedAt": time}
            for time in (
                "2025-10-28T10:04:40Z",
                "2025-10-28T10:04:40.123456789Z",
                "2025-10-28T10:04:60.000Z",
                "2025-10-28T24:04:40.000Z",
                "2025-10-28T10:04:40.5-1Z",
                "2025-10-28T10:04:40,566Z",
                "2025-10-28T10:04:40.566+",
                "2025-W44-2T10:04:40.566Z",
                "1700000000000",
            )
        ),
    ],
    ids=str,
)
def test_each_thing_that_is_not_plain(kind: str, changed: dict[str, Any]) -> None:
    assert_read_as_by_pydantic(kind, PLAIN[kind][1] | changed)


@pytest.mark.parametrize("kind", PLAIN)
def test_a_plain_event_without_what_it_has_under_our_own_name(kind: str) -> None:
    data = {key: value for key, value in PLAIN[kind][1].items() if key != "timeInForce"}
    assert_read_as_by_pydantic(kind, data | {"time_in_force": "IOC"})


@given(st.integers(0, 7_000_000_000_000))
def test_plain_times_are_those_of_the_calendar(milliseconds: int) -> None:
    seconds, rest = divmod(milliseconds, 1000)
    text = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03}Z"
    message = parse_account_frame({"type": "NEW_ACCOUNT_TRADE", "data": PLAIN_TRADE | {"tradedAt": text}})
    assert isinstance(message, AccountTrade)
    assert message.traded_at == datetime.fromisoformat(text).timestamp()
    # The latest minute is all that is remembered.
    assert list(_MINUTES) == [text[:17]]


@pytest.mark.parametrize("digits", ["1-2", "--1", "-", ".", ".5", "5.", "1.2.3", "", "-0", "007", "\u0661"])
def test_plain_numbers_are_those_of_pydantic(digits: str) -> None:
    assert_read_as_by_pydantic("NEW_ACCOUNT_TRADE", PLAIN_TRADE | {"fee": digits})
    assert_read_as_by_pydantic("ORDER_STATUS_UPDATE", PLAIN_REPORT | {"originalPrice": digits})


PLAIN_REPLY = {"orderId": "o1", "customerOrderId": "c1", "requested": True}
REPLY_KINDS = ["PLACE_LIMIT_WS_RESPONSE", "PLACE_MARKET_WS_RESPONSE", "CANCEL_ORDER_WS_RESPONSE"]
REPLY_KEYS = [*PLAIN_REPLY, "cancelOnDisconnect", "order_id", "unheardOf"]


def assert_reply_read_as_by_pydantic(frame: dict[str, Any]) -> None:
    kind = frame["type"]
    fields = {**frame, "kind": kind, "command": CONSTANTS.COMMAND_REPLIES[kind], "error": None}
    assert_as_pydantic_makes_it(parse_account_frame(frame), CommandReply, fields)


@settings(max_examples=300)
@given(
    st.sampled_from(REPLY_KINDS),
    st.dictionaries(st.sampled_from(REPLY_KEYS), VALUES, max_size=2),
    st.sets(st.sampled_from(sorted(PLAIN_REPLY)), max_size=2),
    st.dictionaries(st.sampled_from(["clientMsgId", "data", "order_id", "requested", "unheardOf"]), VALUES, max_size=1),
)
def test_replies_read_by_hand_are_read_as_by_pydantic(
    kind: str, changed: dict[str, Any], missing: set[str], beside: dict[str, Any]
) -> None:
    data = {key: value for key, value in (PLAIN_REPLY | changed).items() if key not in missing}
    assert_reply_read_as_by_pydantic({"type": kind, "clientMsgId": "m1", "data": data} | beside)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"data": {"requested": "true"}},
        {"data": {"requested": 0}},
        {"data": {"requested": None}},
        {"data": {"cancelOnDisconnect": "true"}},
        {"data": {"orderId": None}},
        {"data": {"orderId": 7}},
        {"data": []},
        {"data": ["orderId"]},
        {"data": None},
        {"clientMsgId": 7},
        {"clientMsgId": "caf\u00e9"},
        {"order_id": "o2"},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", REPLY_KINDS)
def test_each_reply_that_is_not_plain(kind: str, changed: dict[str, Any]) -> None:
    assert_reply_read_as_by_pydantic({"type": kind, "clientMsgId": "m1", "data": PLAIN_REPLY} | changed)


@pytest.mark.parametrize(
    "frame",
    [
        *({"type": kind, "data": data} for kind, (_, data) in PLAIN.items()),
        *({"type": kind, "clientMsgId": "m1", "data": PLAIN_REPLY} for kind in REPLY_KINDS),
    ],
    ids=lambda frame: frame["type"],
)
def test_plain_messages_are_not_read_by_pydantic(frame: dict[str, Any]) -> None:
    first, second = parse_account_frame(frame), parse_account_frame(frame)
    # Pydantic makes each message a set of its own.
    assert first.model_fields_set is second.model_fields_set
    copied = first.model_copy(update={"order_id": "o9"})
    assert (copied.order_id, first.order_id, second.order_id) == ("o9", "o1", "o1")


@settings(max_examples=300)
@given(st.sampled_from([*FRAMES, "cmd-SUBSCRIBE-account"]), st.data())
def test_no_frame_ever_raises(name: str, data: st.DataObject) -> None:
    content = sample(name)
    body = content.get("data")
    rows = body if isinstance(body, list) else [body]
    target = data.draw(st.sampled_from([content, *(row for row in rows if isinstance(row, dict))]))
    target[data.draw(st.sampled_from(sorted(target)))] = data.draw(JSON)
    assert isinstance(parse_account_frame(content), Message)


@given(JSON)
def test_no_content_ever_raises(content: Any) -> None:
    assert isinstance(parse_account_frame(content), Message)
    assert isinstance(parse_order_report(content), OrderReport | Unreadable)
    assert isinstance(parse_order_history(content), OrderReport | Unreadable | None)
    assert isinstance(parse_open_orders(content), OpenOrders | Unreadable)
    assert isinstance(parse_api_error(content), ApiError | None)
    assert isinstance(parse_answered_id(content), str)


# --- REST bodies ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "word", "filled", "reason"),
    [
        ("orderid-placed", OrderWord.OPEN, "0", ""),
        ("orderid-partially-filled", OrderWord.PARTIALLY_FILLED, "0.001", ""),
        ("orderid-filled", OrderWord.FILLED, "0.033333", ""),
        ("orderid-cancelled", OrderWord.CANCELLED, "0", ""),
        ("orderid-active-stop", OrderWord.OPEN, "0", ""),
        ("customerorderid-filled", OrderWord.FILLED, "0.033333", ""),
        ("customerorderid-placed", OrderWord.OPEN, "0", ""),
        (
            "orderid-failed-selfmatch",
            OrderWord.FAILED,
            "0",
            "We did not execute this order since it would have matched with your own order on the Exchange",
        ),
    ],
)
def test_recorded_order_statuses(name: str, word: OrderWord, filled: str, reason: str) -> None:
    content = sample(f"rest-orders-status-{name}")
    message = parse_order_report(content)
    assert isinstance(message, OrderReport)
    assert message.word is word
    assert message.filled_quantity == Decimal(filled)
    assert message.failed_reason == reason
    assert (message.order_id, message.client_order_id) == (content["orderId"], content["customerOrderId"])
    assert (message.symbol, message.side) == (content["currencyPair"], content["orderSide"])


def test_a_status_of_an_unknown_order_is_an_error_not_a_status() -> None:
    content = sample("rest-orders-status-unknown")
    assert parse_api_error(content) == ApiError(code=-1, message="Invalid Order. ")
    assert isinstance(parse_order_report(content), Unreadable)


def test_summaries_say_what_was_executed_in_all() -> None:
    filled = parse_order_report(sample("rest-orders-history-summary-filled"))
    assert isinstance(filled, OrderReport)
    assert (filled.word, filled.executed_quantity) == (OrderWord.FILLED, Decimal("0.033333"))
    assert filled.filled_quantity == Decimal("0.033333")
    failed = parse_order_report(sample("rest-orders-history-summary-failed"))
    assert isinstance(failed, OrderReport)
    assert (failed.word, failed.filled_quantity) == (OrderWord.FAILED, Decimal(0))
    assert failed.failed_reason == "Stop order failed as it would have been triggered immediately"


def test_the_total_outranks_the_difference_of_quantities() -> None:
    content = {**sample("rest-orders-history-summary-filled"), "totalExecutedQuantity": "0.03"}
    message = parse_order_report(content)
    assert isinstance(message, OrderReport)
    assert message.filled_quantity == Decimal("0.03")


def test_histories_begin_with_the_newest_state() -> None:
    modified = parse_order_history(sample("rest-orders-history-detail-modified"))
    assert isinstance(modified, OrderReport)
    assert (modified.status, modified.price) == ("Order Modified", Decimal("0.03545"))
    failed = parse_order_history(sample("rest-orders-history-detail-failed"))
    assert isinstance(failed, OrderReport)
    assert failed.failed_reason == "Order cancelled as it would have matched outside of slippage price band"
    assert failed.updated_at == 1752739254.927
    assert parse_order_history(sample("rest-orders-history-detail-unknown")) is None
    for name in ("rest-orders-history-filled", "rest-orders-history-failed"):
        assert isinstance(parse_order_history(sample(name)), OrderReport)
    assert parse_order_history({"code": -1}) == Unreadable(kind="order history", problem="not a list")
    assert isinstance(parse_order_history([{}]), Unreadable)


def test_the_rest_list_of_open_orders() -> None:
    message = parse_open_orders(sample("rest-orders-open"))
    assert isinstance(message, OpenOrders)
    assert message.unreadable == 0
    assert [(order.symbol, order.side, order.filled_quantity) for order in message.orders] == [
        ("BTCUSDC", "sell", Decimal("0.0001")),
        ("AVAXUSDC", "sell", Decimal(0)),
        ("AVAXZAR", "sell", Decimal(0)),
        ("SOLUSDC", "sell", Decimal(0)),
        ("ETHBTC", "buy", Decimal(0)),
        ("PYUSDUSDT", "buy", Decimal(0)),
    ]
    stops = parse_open_orders(sample("rest-orders-open-stop"))
    assert isinstance(stops, OpenOrders)
    assert [order.word for order in stops.orders] == [OrderWord.OPEN, OrderWord.OPEN]


def test_trade_histories() -> None:
    plain = parse_trades(sample("rest-account-pair-tradehistory"))
    assert plain == (
        AccountTrade(
            trade_id="01976898-6969-7c30-b002-bb021d376c30",
            order_id="01976898-6967-7d63-88c1-8223d40cc39e",
            symbol="BTCUSDT",
            price=Decimal("93129"),
            quantity=Decimal("0.0001"),
            side="buy",
            traded_at=1749806508.393,
            fee=Decimal("0.0000001"),
            fee_currency="BTC",
        ),
    )
    both = parse_trades(sample("rest-account-tradehistory"))
    assert [(trade.fee, trade.fee_currency) for trade in both if isinstance(trade, AccountTrade)] == [
        (Decimal("0.0032064"), "XRP"),
        (Decimal("0.0000001"), "BTC"),
    ]
    rewarded = parse_trades(sample("rest-account-pair-tradehistory-makerreward"))
    assert [(trade.fee, trade.fee_currency) for trade in rewarded if isinstance(trade, AccountTrade)] == [
        (Decimal("0.000000413778"), "BTC"),
        (Decimal("-0.0001"), "USDC"),
    ]


def test_a_trade_over_rest_and_over_the_socket_are_the_same_trade() -> None:
    over_rest = parse_trades(sample("rest-account-pair-tradehistory-makerreward"))[1]
    assert over_rest == parse_account_frame(sample("ws-account-NEW_ACCOUNT_TRADE-makerreward"))


def test_an_unreadable_trade_keeps_its_place_and_its_order() -> None:
    row = sample("rest-account-pair-tradehistory")[0]
    good, bad = parse_trades([row, {**row, "price": "?"}])
    assert isinstance(good, AccountTrade)
    assert isinstance(bad, Unreadable)
    assert bad.order_id == row["orderId"]


def test_balances() -> None:
    assert parse_balances(sample("rest-account-balances")).balances == (
        Balance(
            asset="USDT",
            available=Decimal("44822.97549155"),
            total=Decimal("145612.43129945"),
            updated_at=1682413204.406,
        ),
        Balance(asset="BTC", available=Decimal(0), total=Decimal("-0.00101056"), updated_at=1682413200.103),
    )
    assert parse_balances([]) == ((), {})


def test_a_balance_that_cannot_be_read_does_not_vanish() -> None:
    rows = sample("rest-account-balances")
    broken = [{**rows[1], "available": None}, {**rows[1], "currency": None}, "row"]
    listed = parse_balances([rows[0], *broken])
    assert [balance.asset for balance in listed.balances] == ["USDT"]
    assert list(listed.unreadable) == ["BTC", ""]
    assert "available" in listed.unreadable["BTC"]
    with pytest.raises(ValueError, match="available"):
        parse_balances(broken)


@pytest.mark.parametrize("missing", [{}, {"total": None}, {"total": ""}])
@pytest.mark.parametrize(
    ("parts", "total"),
    [
        ({"available": "44822.97549155", "reserved": "99.99925"}, "44922.97474155"),
        ({"available": "1", "reserved": "0", "lendReserved": None, "borrowedAmount": ""}, "1"),
        # As VALR's own sample adds up, but for what is borrowed.
        (
            {
                "available": "44822.97549155",
                "reserved": "99.99925",
                "lendReserved": "100000",
                "borrowReserved": "689.4565579",
                "borrowedAmount": "5",
            },
            "145607.43129945",
        ),
    ],
)
def test_a_total_that_is_missing_is_the_sum_of_its_parts(
    missing: dict[str, Any], parts: dict[str, Any], total: str
) -> None:
    (balance,) = parse_balances([{"currency": "USDT", **parts, **missing}]).balances
    assert (balance.available, balance.total) == (Decimal(parts["available"]), Decimal(total))


@pytest.mark.parametrize("row", [{"reserved": "?"}, {}, {"reserved": "1", "borrowedAmount": "?"}])
def test_a_total_without_its_parts_is_not_guessed(row: dict[str, str]) -> None:
    known = {"currency": "BTC", "available": "1", "total": "1"}
    listed = parse_balances([known, {"currency": "ETH", "available": "1", **row}])
    assert (len(listed.balances), list(listed.unreadable)) == (1, ["ETH"])


@pytest.mark.parametrize("stamp", ["", None, "yesterday", [], {}, True])
def test_a_time_that_cannot_be_read_takes_no_balance_away(stamp: Any) -> None:
    row = {"currency": "BTC", "available": "1", "total": "2", "updatedAt": stamp}
    assert parse_balances([row]).balances == (Balance(asset="BTC", available=Decimal(1), total=Decimal(2)),)


@pytest.mark.parametrize(
    "parse", [parse_trades, parse_balances, parse_trading_fees, parse_market_summaries, parse_symbols_with_book]
)
@pytest.mark.parametrize("content", [None, "text", 3])
def test_a_list_that_is_none(parse: Any, content: Any) -> None:
    with pytest.raises(ValueError, match="not a list"):
        parse(content)


def test_fees() -> None:
    fees = {fee.symbol: (fee.maker_percent, fee.taker_percent) for fee in parse_trading_fees(sample_fees())}
    assert fees == {
        "ETHBTC": (Decimal("0.08"), Decimal("0.1")),
        "BTCUSDT": (Decimal("0.08"), Decimal("0.1")),
        "ETHUSDT": (Decimal("0.1"), Decimal("0.1")),
        "XRPUSDT": (Decimal(0), Decimal("0.1")),
        "BTCUSDC": (Decimal("0.08"), Decimal("0.1")),
        "REWARDED": (Decimal("-0.01"), Decimal("0.1")),
    }


def sample_fees() -> list[dict[str, str]]:
    rewarded = {"currencyPair": "REWARDED", "makerPercentage": "-0.01", "takerPercentage": "0.1"}
    simple_only = {"currencyPair": "SIMPLEONLY", "simplePercentage": "1.6"}
    return [*sample("rest-account-fees-trade"), rewarded, simple_only]


def test_pair_rules() -> None:
    rules = {row["symbol"]: parse_pair_rules(row) for row in sample("rest-public-pairs")}
    eth, shib, bnb = rules["ETHZAR"], rules["SHIBUSDC"], rules["BNBUSDC"]
    assert (eth.base, eth.quote, eth.tick_size, eth.step) == ("ETH", "ZAR", Decimal(1), Decimal("0.00000001"))
    assert (eth.min_base, eth.max_base, eth.min_quote, eth.max_quote) == (
        Decimal("0.0002"),
        Decimal("69.21"),
        Decimal(10),
        Decimal(5_000_000),
    )
    assert (shib.tick_size, shib.step) == (Decimal("0.00000001"), Decimal(1))
    assert (bnb.tick_size, bnb.step) == (Decimal("0.1"), Decimal("0.0001"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tickSize", "0"),
        ("tickSize", None),
        ("baseDecimalPlaces", "-1"),
        ("baseDecimalPlaces", "19"),
        ("baseDecimalPlaces", "many"),
    ],
)
def test_senseless_rules_are_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field):
        parse_pair_rules({**sample("rest-public-pairs")[0], field: value})


@pytest.mark.parametrize("value", [..., None, "", "?", "0", "-1"])
def test_bounds_that_are_none_take_no_rules_away(value: Any) -> None:
    row = sample("rest-public-pairs")[0]
    bounds = ("minBaseAmount", "maxBaseAmount", "minQuoteAmount", "maxQuoteAmount")
    row = {key: content for key, content in row.items() if key not in bounds}
    rules = parse_pair_rules(row if value is ... else row | dict.fromkeys(bounds, value))
    assert (rules.min_base, rules.max_base, rules.min_quote, rules.max_quote) == (0, None, 0, None)
    assert (rules.tick_size, rules.base_decimals) == (1, 8)


def test_only_pairs_that_take_limit_orders_have_a_book() -> None:
    nothing_known = [{"currencyPair": "BTCZAR"}, {"currencyPair": "BTCZAR", "orderTypes": None}, None]
    with_book = parse_symbols_with_book([*sample("rest-public-ordertypes"), *nothing_known])
    assert with_book == {"ETHZAR", "BTCUSDTPERP", "PYUSDUSDT", "PYUSDZAR"}


def test_an_event_without_a_fee_does_not_say_that_it_was_free() -> None:
    silent = frame("ws-account-NEW_ACCOUNT_TRADE", fee=..., feeCurrency=...)
    message = parse_account_frame(silent)
    assert isinstance(message, AccountTrade)
    assert (message.fee, message.is_fee_known) == (Decimal(0), False)
    free = parse_account_frame(frame("ws-account-NEW_ACCOUNT_TRADE", fee="0"))
    assert isinstance(free, AccountTrade)
    assert free.is_fee_known
    (listed,) = parse_trades([silent["data"]])
    assert isinstance(listed, AccountTrade)
    assert (listed.fee, listed.is_fee_known) == (Decimal(0), True)


def test_the_permissions_of_a_key() -> None:
    assert parse_key_permissions({"label": "bot", "permissions": ["View access", "Trade"]}) == ("View access", "Trade")
    for nothing in ({}, [], None, {"permissions": "Trade"}):
        with pytest.raises(ValueError, match="ApiKey"):
            parse_key_permissions(nothing)


def test_the_status_of_the_exchange() -> None:
    assert parse_exchange_status({"status": "read-only"}) == "read-only"
    for nothing in ({}, [], None, {"status": 1}):
        with pytest.raises(ValueError, match="status"):
            parse_exchange_status(nothing)


@pytest.mark.parametrize(
    ("fields", "immediate"),
    [
        ({"orderType": "market"}, True),
        ({"timeInForce": "IOC"}, True),
        ({"timeInForce": "FOK", "orderType": "limit"}, True),
        ({"timeInForce": "GTC", "orderType": "post-only limit"}, False),
        ({}, False),
    ],
)
def test_orders_that_cannot_rest_are_known_by_their_type(fields: dict[str, str], immediate: bool) -> None:
    message = parse_order_report({"orderId": "x", "orderStatusType": "Placed", **fields})
    assert isinstance(message, OrderReport)
    assert message.is_immediate is immediate


def test_market_summaries() -> None:
    prices = {row.symbol: row.last_price for row in parse_market_summaries(sample("rest-public-marketsummary"))}
    assert prices["SHIBUSDC"] == Decimal("0.00002178")
    assert len(prices) == 6
    (single,) = parse_market_summaries(sample("rest-public-pair-marketsummary"))
    assert (single.symbol, single.last_price) == ("BTCUSDT", Decimal("93129"))
    assert parse_market_summaries([{"currencyPair": "BTCZAR"}]) == ()


@pytest.mark.parametrize(
    ("name", "code", "text"),
    [
        ("unsupported-pair", -21, "Unsupported Currency Pair [-21]"),
        ("ip-not-whitelisted", -11272, "The originating IP Address has not been whitelisted. [-11272]"),
        ("invalid-signature", -11252, "Request has an invalid signature [-11252]"),
        (
            "validation",
            -11,
            "Invalid Request, please check your request and try again; currencySymbol must be specified [-11]",
        ),
    ],
)
def test_recorded_errors(name: str, code: int, text: str) -> None:
    error = parse_api_error(sample(f"rest-error-{name}"))
    assert error is not None
    assert (error.code, error.describe()) == (code, text)


def test_a_placement_that_failed_at_once_is_an_error_whatever_its_status() -> None:
    for name in ("rest-orders-limit-v2-failed", "rest-orders-market-v2-failed"):
        assert parse_api_error(sample(name)) == ApiError(code=-6, message="Insufficient Balance")


def test_a_code_that_is_written_as_text() -> None:
    assert parse_api_error({"orderId": "o1", "code": "-6", "message": "Insufficient Balance"}) == ApiError(
        code=-6, message="Insufficient Balance"
    )


@pytest.mark.parametrize("content", [None, [], "error", {}, {"message": "hello"}, {"code": "BTC"}, {"code": None}])
def test_what_is_no_error(content: Any) -> None:
    assert parse_api_error(content) is None


@pytest.mark.parametrize(
    ("errors", "text"),
    [
        ({"errors": [{"field": "a", "message": "bad a"}, {"field": "b"}, "bad c"]}, "bad a; {'field': 'b'}; bad c"),
        (["bad a"], "bad a"),
        ({"errors": "bad"}, ""),
        ("bad", ""),
        (None, ""),
        ({}, ""),
    ],
)
def test_field_errors_in_any_layout(errors: Any, text: str) -> None:
    error = parse_api_error({"code": -11, "message": " Invalid ", "validationErrors": errors})
    assert error is not None
    assert error.describe() == "; ".join(filter(None, ["Invalid", text])) + " [-11]"


def test_an_error_of_which_nothing_is_known() -> None:
    assert ApiError().describe() == "no reason given"
    assert parse_api_error({"code": 10**30}) is not None


@pytest.mark.parametrize(
    ("content", "identifier"),
    [
        (sample("rest-orders-limit-v2-created"), "14ed7fbc-272e-4bac-a4f9-7ec8df36df34"),
        (sample("rest-orders-limit-v1-accepted"), "0198175e-53b0-7c4b-ac26-b18a8a687e59"),
        ({"id": 5}, "5"),
        ({"id": None}, ""),
        ({}, ""),
        (None, ""),
        ([], ""),
    ],
)
def test_the_id_of_a_placed_order(content: Any, identifier: str) -> None:
    assert parse_answered_id(content) == identifier


def test_server_time() -> None:
    assert parse_server_time(sample("rest-public-time")) == pytest.approx(1750165361.280178, abs=1e-6)
    for epoch_time in (1750165361, "1750165361"):
        assert parse_server_time({"epochTime": epoch_time}) == 1750165361.0
    assert parse_server_time({"epochTime": 1750165361, "time": None}) == 1750165361.0
    for nothing in (None, [], {}, {"time": "now"}, {"epochTime": "soon"}):
        with pytest.raises(ValueError, match=r"time|isoformat"):
            parse_server_time(nothing)


# --- Numbers and times ------------------------------------------------------------------------------------------------
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**18), max_value=10**18, places=18)


@given(NUMBERS | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30))
@example(Decimal("1E-18"))
@example(Decimal("1E+12"))
@example(Decimal("100.000"))
@example(Decimal("-0.50"))
@example(Decimal("0E+3"))
def test_a_number_survives_the_wire(number: Decimal) -> None:
    text = format_number(number)
    assert parse_number(text) == number
    assert "e" not in text.lower()
    assert not ("." in text and text.endswith(("0", ".")))


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("0.05000000", "0.05"),
        (" 7 ", "7"),
        (7, "7"),
        (0.1, "0.1"),
        (1e-7, "0.0000001"),
        (1368928567986638030, "1368928567986638030"),
        (Decimal("2.50"), "2.5"),
        ("1,234,567.89", "1234567.89"),
        ("-1,000", "-1000"),
        ("-0,5", "-0.5"),
    ],
)
def test_numbers(value: Any, number: str) -> None:
    assert parse_number(value) == Decimal(number)


@pytest.mark.parametrize("value", [None, True, "", "x", "1.2.3", "NaN", "Infinity", float("nan"), float("inf"), [], {}])
def test_what_is_no_number(value: Any) -> None:
    with pytest.raises(ValueError, match="number"):
        parse_number(value)


@pytest.mark.parametrize("text", ["1,2", "12,34", "1,2345", "0,123,456", "1.000,5", "1,000,00", "00,5", ",5", "5,"])
def test_a_comma_of_unclear_meaning_is_not_guessed_at(text: str) -> None:
    with pytest.raises(ValueError, match="unclear"):
        parse_number(text)


@given(
    st.integers(1_400_000_000, 2_500_000_000), st.text("0123456789", max_size=9), st.sampled_from(["Z", "+00:00", ""])
)
@example(1750165361, "280178906", "Z")
@example(1750165361, "", "Z")
def test_times_have_up_to_nine_fraction_digits(second: int, fraction: str, zone: str) -> None:
    text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    exact = second + Decimal(f"0.{fraction or 0}")
    # Python's clock counts microseconds: what is finer is cut off.
    assert abs(Decimal(parse_time(f"{text}.{fraction}{zone}" if fraction else text + zone)) - exact) < Decimal(
        "0.000002"
    )


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2025-06-17T15:02:41.5+02:00", 1750165361.5),
        ("2019-04-25T20:36:53.445", 1556224613.445),
        (1750165361, 1750165361.0),
        (1750165361280, 1750165361.28),
        ("1750165361", 1750165361.0),
        ("1750165361280", 1750165361.28),
    ],
)
def test_times(value: Any, seconds: float) -> None:
    assert parse_time(value) == seconds


@pytest.mark.parametrize("value", [None, True, "", "now", "2025-13-01T00:00:00Z", [], {}])
def test_what_is_no_time(value: Any) -> None:
    with pytest.raises(ValueError, match=r"time|isoformat|month"):
        parse_time(value)
