"""Everything VALR says about an account, parsed once into typed, immutable messages (valr-api.md 1.2, 3, 4).

Pure: text and decoded JSON in, values out. A message that cannot be read becomes an :class:`Unreadable` that carries
whatever ids could be saved, so that the order it speaks of can be looked up; it never raises into a socket's loop.
Market data frames are the order book's business (``valr_order_book``).
"""

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from operator import itemgetter
from typing import Annotated, Any, NamedTuple, final

from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS

_GROUPED = re.compile(r"^-?[1-9]\d{0,2}(,\d{3})+(\.\d+)?$")
_DECIMAL_COMMA = re.compile(r"^-?0,\d+$")
_INTEGER = re.compile(r"^-?\d{1,9}$", re.ASCII)


# --- Fields -----------------------------------------------------------------------------------------------------------
def parse_number(value: Any) -> Decimal:
    """Return ``value`` (decimal text, or a JSON number) as an exact, finite ``Decimal``.

    VALR's pages print ``114,953`` and ``0,00102078`` (valr-api.md 4.3): the first is grouping, the second a decimal
    comma. Any other comma is refused rather than guessed at.

    :raises ValueError: not a finite decimal number
    """
    if type(value) is not str and (isinstance(value, bool) or not isinstance(value, str | int | float | Decimal)):
        raise ValueError("not a number")
    text = str(value).strip()
    if "," in text:
        if _GROUPED.match(text):
            text = text.replace(",", "")
        elif _DECIMAL_COMMA.match(text):
            text = text.replace(",", ".")
        else:
            raise ValueError("a comma of unclear meaning")
    try:
        number = Decimal(text if text.isascii() and "_" not in text else "")
    except InvalidOperation:
        raise ValueError("not a decimal number") from None
    if not number.is_finite():
        raise ValueError("not a finite number")
    return number


def format_number(number: Decimal) -> str:
    """Return ``number`` as VALR wants it: plain decimal text, no exponent, no trailing zeros."""
    text = str(number)
    if "E" in text:
        text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def parse_time(value: Any) -> float:
    """Return ISO-8601 text with 0 to 9 fraction digits as Unix seconds; text without a zone is UTC.

    Order books stamp in epoch milliseconds, the clock in seconds (valr-api.md 1.2): such numbers are taken, too.

    :raises ValueError: not such a text or number
    """
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value if value < 1e11 else value / 1000
    if not isinstance(value, str):
        raise ValueError("not a time")
    moment = datetime.fromisoformat(value)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _symbol(value: Any) -> str:
    # Older messages give an object where the text is expected.
    return _text(value.get("symbol") if isinstance(value, Mapping) else value)


def _currency(value: Any) -> str:
    # The socket's symbol for the rand is R, everybody's code for it is ZAR (valr-api.md 1.3).
    code = _text(value.get("shortName") or value.get("symbol") if isinstance(value, Mapping) else value)
    return "ZAR" if code == "R" else code


Number = Annotated[Decimal, BeforeValidator(parse_number)]
Time = Annotated[float, BeforeValidator(parse_time)]
Text = Annotated[str, BeforeValidator(_text)]
SymbolText = Annotated[str, BeforeValidator(_symbol)]
CurrencyText = Annotated[str, BeforeValidator(_currency)]
Side = Annotated[str, BeforeValidator(lambda value: _text(value).lower())]


class OrderWord(Enum):
    """What VALR's many status words come down to (valr-api.md 6.1)."""

    OPEN = "open"
    PARTIALLY_FILLED = "partially filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    FAILED = "failed"
    EXPIRED = "expired"
    UNKNOWN = "unknown"

    @property
    def is_terminal(self) -> bool:
        """Whether the order has ended for good."""
        return self in _TERMINAL


_TERMINAL = (OrderWord.FILLED, OrderWord.CANCELLED, OrderWord.FAILED, OrderWord.EXPIRED)
_WORDS = {
    "placed": OrderWord.OPEN,
    "active": OrderWord.OPEN,
    "open": OrderWord.OPEN,
    "new": OrderWord.OPEN,
    "pendingcancel": OrderWord.OPEN,
    "ordermodified": OrderWord.OPEN,
    "orderpricehasbeenmodifiedduetoslippagelimits": OrderWord.OPEN,
    "repricedduetoslippage": OrderWord.OPEN,
    "partiallyfilled": OrderWord.PARTIALLY_FILLED,
    "filled": OrderWord.FILLED,
    "liquidationorderfilled": OrderWord.FILLED,
    "cancelled": OrderWord.CANCELLED,
    "canceled": OrderWord.CANCELLED,
    "partiallycancelled": OrderWord.CANCELLED,
    "partiallycanceled": OrderWord.CANCELLED,
    "partiallyfilledandcancelledduetoslippage": OrderWord.CANCELLED,
    "partiallyfilledduetoslippage": OrderWord.CANCELLED,
    "failed": OrderWord.FAILED,
    "rejected": OrderWord.FAILED,
    "expired": OrderWord.EXPIRED,
}


@functools.lru_cache(maxsize=64)
def order_word(text: str) -> OrderWord:
    """Return the meaning of a status word in any of its spellings (``Partially Filled``, ``PARTIALLY_FILLED``)."""
    return _WORDS.get(re.sub(r"[\s_-]", "", text).lower(), OrderWord.UNKNOWN)


# --- Messages ---------------------------------------------------------------------------------------------------------
class Message(BaseModel):
    """A message off the wire: immutable, unknown fields ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class ApiError(Message):
    """An error body, REST's or a socket reply's: ``{"code":-21,"message":"..."}`` (valr-api.md 1.5)."""

    code: int | None = None
    message: Text = ""
    validation_errors: Any = Field(default=None, validation_alias="validationErrors")

    def describe(self) -> str:
        """Return code, text and the fields VALR complained about, in one line."""
        parts = [self.message.strip() or "no reason given"]
        errors = self.validation_errors
        rows = errors.get("errors", []) if isinstance(errors, Mapping) else errors
        if isinstance(rows, list):
            parts += [str(row.get("message", row)) if isinstance(row, Mapping) else str(row) for row in rows]
        return "; ".join(parts) if self.code is None else f"{'; '.join(parts)} [{self.code}]"


@final
class OrderReport(Message):
    """The state of one order: ORDER_STATUS_UPDATE, a REST status, a history row or an open-order row."""

    order_id: Text = Field(validation_alias="orderId", min_length=1)
    client_order_id: Text = Field(default="", validation_alias="customerOrderId")
    symbol: SymbolText = Field(default="", validation_alias="currencyPair")
    status: Text = Field(default="", validation_alias=AliasChoices("orderStatusType", "status"))
    price: Number | None = Field(default=None, validation_alias=AliasChoices("originalPrice", "price"))
    original_quantity: Number | None = Field(default=None, validation_alias="originalQuantity")
    remaining_quantity: Number | None = Field(
        default=None, validation_alias=AliasChoices("remainingQuantity", "quantity")
    )
    executed_quantity: Number | None = Field(default=None, validation_alias="totalExecutedQuantity")
    side: Side = Field(default="", validation_alias=AliasChoices("orderSide", "side"))
    order_type: Text = Field(default="", validation_alias=AliasChoices("orderType", "type"))
    time_in_force: Text = Field(default="", validation_alias="timeInForce")
    failed_reason: Text = Field(default="", validation_alias="failedReason")
    updated_at: Time | None = Field(default=None, validation_alias=AliasChoices("orderUpdatedAt", "updatedAt"))

    @property
    def word(self) -> OrderWord:
        """The meaning of ``status``."""
        return order_word(self.status)

    @property
    def is_immediate(self) -> bool:
        """Whether the order cannot rest: a market order, or one that fills at once or never."""
        return self.order_type.lower() == "market" or self.time_in_force.upper() in ("IOC", "FOK")

    @property
    def filled_quantity(self) -> Decimal | None:
        """How much has been executed in all, None when the message does not say."""
        if self.executed_quantity is not None:
            return self.executed_quantity
        if self.original_quantity is None or self.remaining_quantity is None:
            return None
        return self.original_quantity - self.remaining_quantity


class OpenOrders(Message):
    """All open orders of the account; evidence that the listed are open, never that the others are not."""

    orders: tuple[OrderReport, ...]
    unreadable: int = 0


class OrderProcessed(Message):
    """ORDER_PROCESSED: the outcome of a placement attempt."""

    order_id: Text = Field(validation_alias="orderId", min_length=1)
    client_order_id: Text = Field(default="", validation_alias="customerOrderId")
    success: bool
    failure_reason: Text = Field(default="", validation_alias="failureReason")


@final
class AccountTrade(Message):
    """One fill of ours: NEW_ACCOUNT_TRADE or a trade history row. A negative fee is a maker reward."""

    trade_id: Text = Field(validation_alias="id", min_length=1)
    order_id: Text = Field(validation_alias="orderId", min_length=1)
    client_order_id: Text = Field(default="", validation_alias="customerOrderId")
    symbol: SymbolText = Field(default="", validation_alias="currencyPair")
    price: Annotated[Number, Field(gt=0)]
    quantity: Annotated[Number, Field(gt=0)]
    side: Side = ""
    traded_at: Time = Field(validation_alias="tradedAt")
    fee: Number = Decimal(0)
    fee_currency: CurrencyText = Field(default="", validation_alias="feeCurrency")
    # An event may leave the fee out (valr-api.md 4.3); only in the trade history does that mean zero.
    is_fee_known: bool = True

    @model_validator(mode="before")
    @classmethod
    def _reward_is_negative_fee(cls, row: Any) -> Any:
        if not isinstance(row, Mapping):
            return row
        fields = {key: value for key, value in row.items() if value is not None}
        fields["is_fee_known"] = "fee" in fields or "makerReward" in fields
        if "makerReward" in fields:
            reward = parse_number(fields["makerReward"])
            if reward:
                fields["fee"] = -reward
                fields["feeCurrency"] = fields.get("makerRewardCurrency")
        return fields

    @model_validator(mode="after")
    def _a_fee_needs_its_currency(self) -> "AccountTrade":
        if self.fee and not self.fee_currency:
            raise ValueError("a fee without a currency")
        return self


class OrderFailure(Message):
    """FAILED_ORDER or FAILED_CANCEL_ORDER: something about an order failed, without saying what is true now."""

    order_id: Text = Field(default="", validation_alias="orderId")
    client_order_id: Text = Field(default="", validation_alias="customerOrderId")
    message: Text = ""


class CancelFailed(OrderFailure):
    """FAILED_CANCEL_ORDER: a cancel was not done."""


class PlacementFailed(OrderFailure):
    """FAILED_ORDER: a placement failed."""


class ModifyOutcome(Message):
    """MODIFY_ORDER_OUTCOME; the connector never modifies, but the account's owner may."""

    order_id: Text = Field(default="", validation_alias="orderId")
    client_order_id: Text = Field(default="", validation_alias="customerOrderId")
    success: bool = False


def _time_if_any(value: Any) -> float | None:
    try:
        return parse_time(value)
    except ValueError:
        return None


class Balance(Message):
    """The balance of one asset, absolute: a BALANCE_UPDATE or a REST row.

    A total that is missing is the sum of its parts (valr-api.md 3.2); a time that cannot be read takes no number away.
    """

    asset: CurrencyText = Field(validation_alias="currency", min_length=1)
    available: Number
    total: Number
    updated_at: Annotated[float | None, BeforeValidator(_time_if_any)] = Field(
        default=None, validation_alias="updatedAt"
    )

    @model_validator(mode="before")
    @classmethod
    def _total_of_parts(cls, row: Any) -> Any:
        if not isinstance(row, Mapping) or row.get("total") not in (None, ""):
            return row
        total = parse_number(row.get("available")) + parse_number(row.get("reserved"))
        for name, sign in (("lendReserved", 1), ("borrowReserved", 1), ("borrowedAmount", -1)):
            total += sign * parse_number(row.get(name) or 0)
        return {**row, "total": total}


class BalanceList(NamedTuple):
    """The balances of a list, and what is wrong with the rows that cannot be read, by asset; ``""`` is one unnamed."""

    balances: tuple[Balance, ...]
    unreadable: dict[str, str]


class CommandReply(Message):
    """The answer to a socket command: received, refused, or over the rate. An acceptance is not a state."""

    kind: str
    command: str
    client_msg_id: Text = Field(default="", validation_alias="clientMsgId")
    order_id: Text = Field(default="", validation_alias=AliasPath("data", "orderId"))
    client_order_id: Text = Field(default="", validation_alias=AliasPath("data", "customerOrderId"))
    requested: bool | None = Field(default=None, validation_alias=AliasPath("data", "requested"))
    cancel_on_disconnect: bool | None = Field(default=None, validation_alias=AliasPath("data", "cancelOnDisconnect"))
    error: ApiError | None = None

    @property
    def rate_limited(self) -> bool:
        """Whether VALR dropped the command for its rate, unexecuted."""
        return self.kind == CONSTANTS.RATE_LIMIT_EXCEEDED


class Authenticated(Message):
    """The first frame of a good account socket."""


class Control(Message):
    """PONG, SUBSCRIBED and the like: no news about the account."""

    kind: str
    message: Text = ""


class SocketError(Message):
    """ERROR or UNAUTHORIZED on the account socket."""

    kind: str
    message: Text = ""


class Unknown(Message):
    """A frame of a type this connector has never heard of."""

    kind: str


class Unreadable(Message):
    """A frame or row of a known type that could not be read, with the ids that could."""

    kind: str
    problem: str
    order_id: str = ""
    client_order_id: str = ""


AccountEvent = (
    OrderReport | OpenOrders | OrderProcessed | AccountTrade | CancelFailed | PlacementFailed | ModifyOutcome | Balance
)
AccountMessage = AccountEvent | CommandReply | Authenticated | Control | SocketError | Unknown | Unreadable

_EVENTS: dict[
    str,
    type[Balance | OrderProcessed | OrderReport | AccountTrade | PlacementFailed | CancelFailed | ModifyOutcome],
] = {
    CONSTANTS.BALANCE_UPDATE: Balance,
    CONSTANTS.ORDER_PROCESSED: OrderProcessed,
    CONSTANTS.ORDER_STATUS_UPDATE: OrderReport,
    CONSTANTS.NEW_ACCOUNT_TRADE: AccountTrade,
    CONSTANTS.FAILED_ORDER: PlacementFailed,
    CONSTANTS.FAILED_CANCEL_ORDER: CancelFailed,
    CONSTANTS.MODIFY_ORDER_OUTCOME: ModifyOutcome,
}
_CONTROLS = frozenset(
    {
        CONSTANTS.PONG,
        CONSTANTS.SUBSCRIBED,
        CONSTANTS.UNSUBSCRIBED,
        CONSTANTS.UNSUPPORTED,
        CONSTANTS.NO_SUBSCRIPTIONS,
    }
)


# --- Account socket ---------------------------------------------------------------------------------------------------
def parse_account_frame(frame: Any, lists: "OpenOrdersReader | None" = None) -> AccountMessage:
    """Return the message in one decoded frame of the account socket (valr-api.md 4.3, 4.4).

    :param lists: has read the lists of open orders before this one
    """
    if type(frame) is not dict or type(kind := frame.get("type")) is not str:
        return Unreadable(kind="frame", problem="no type")
    if (plain := _read_plain(kind, frame)) is not None:
        return plain
    if kind in _EVENTS:
        return _read(_EVENTS[kind], kind, frame.get("data"))
    if kind == CONSTANTS.OPEN_ORDERS_UPDATE:
        return _parse_open_orders_event(frame.get("data"), lists or OpenOrdersReader())
    if kind in CONSTANTS.COMMAND_REPLIES or kind == CONSTANTS.RATE_LIMIT_EXCEEDED:
        return parse_command_reply(frame)
    if kind == CONSTANTS.AUTHENTICATED:
        return Authenticated()
    if kind in _CONTROLS or kind in CONSTANTS.IGNORED_ACCOUNT_EVENTS:
        return Control(kind=kind, message=_any_text(frame))
    if kind in (CONSTANTS.ERROR, CONSTANTS.UNAUTHORIZED):
        return SocketError(kind=kind, message=_any_text(frame))
    return Unknown(kind=kind)


def parse_command_reply(frame: Mapping[str, Any]) -> CommandReply | Unreadable:
    """Return the reply in ``frame``; the layout of refusals is not published, so any text found is its reason."""
    kind: str = frame["type"]
    plain = _read_plain(kind, frame)
    if type(plain) is CommandReply:
        return plain
    data = frame.get("data")
    if kind == CONSTANTS.RATE_LIMIT_EXCEEDED:
        command = _text(data.get("requestType")) if isinstance(data, Mapping) else ""
    else:
        command = CONSTANTS.COMMAND_REPLIES[kind]
    # An empty error is none: beside an order id it would make a failed order of a live one.
    error = frame.get("error") or None
    if not isinstance(error, Mapping) and (error is not None or kind.startswith("INVALID_")):
        error = {"message": _any_text(frame) or kind}
    return _read(CommandReply, kind, {**frame, "kind": kind, "command": command, "error": error})


def _any_text(frame: Mapping[str, Any]) -> str:
    data = frame.get("data")
    nested = data.get("message") if isinstance(data, Mapping) else data
    for candidate in (frame.get("message"), frame.get("error"), nested):
        if isinstance(candidate, str) and candidate:
            return candidate
    return ""


def _parse_open_orders_event(data: Any, lists: "OpenOrdersReader") -> OpenOrders | Unreadable:
    # The mirror's layout wraps the list in an object (valr-api.md 4.3).
    return lists.read(data.get("orders") if isinstance(data, Mapping) else data)


class OpenOrdersReader:
    """Reads the lists of open orders, which VALR sends whole at each change of one.

    A row that says what it said in the list before is not read again: it is the same :class:`OrderReport` object.
    """

    def __init__(self) -> None:
        self._rows: dict[str, tuple[Mapping[str, Any], OrderReport]] = {}

    def read(self, rows: Any) -> OpenOrders | Unreadable:
        """Return the open orders of a list; rows that cannot be read are left out: absence proves nothing."""
        if not isinstance(rows, list):
            return Unreadable(kind=CONSTANTS.OPEN_ORDERS_UPDATE, problem="not a list")
        before, self._rows = self._rows, {}
        orders = tuple(report for row in rows if (report := self._read_row(row, before)) is not None)
        return OpenOrders.model_construct(orders=orders, unreadable=len(rows) - len(orders))

    def _read_row(self, row: Any, before: Mapping[str, tuple[Mapping[str, Any], OrderReport]]) -> OrderReport | None:
        if not isinstance(row, Mapping):
            return None
        known = before.get(str(row.get("orderId")))
        if known is not None and known[0] == row:
            report = known[1]
        else:
            # Rows of 2019 had no word: to be in the list is to be open.
            message = _read(OrderReport, CONSTANTS.OPEN_ORDERS_UPDATE, {"status": "open", **row})
            if isinstance(message, Unreadable):
                return None
            report = message
        self._rows[report.order_id] = row, report
        return report


def parse_open_orders(rows: Any) -> OpenOrders | Unreadable:
    """Return the open orders of a single list, as :meth:`OpenOrdersReader.read` does."""
    return OpenOrdersReader().read(rows)


# --- REST bodies ------------------------------------------------------------------------------------------------------
def parse_api_error(content: Any) -> ApiError | None:
    """Return the error that a decoded body is, None when it is none: an error is told by its ``code``."""
    code = content.get("code") if isinstance(content, Mapping) else None
    if not isinstance(code, int) and not (isinstance(code, str) and _INTEGER.match(code)):
        return None
    error = _read(ApiError, "error", content)
    return error if isinstance(error, ApiError) else ApiError(code=int(code))


def parse_order_report(content: Any) -> OrderReport | Unreadable:
    """Return the order of a status lookup."""
    return _read(OrderReport, "order status", content)


def parse_order_history(rows: Any) -> OrderReport | Unreadable | None:
    """Return the newest state in an order's detailed history, None when VALR knows no such order."""
    if not isinstance(rows, list):
        return Unreadable(kind="order history", problem="not a list")
    return _read(OrderReport, "order history", rows[0]) if rows else None


def parse_trades(rows: Any) -> tuple[AccountTrade | Unreadable, ...]:
    """Return the rows of a trade history, newest first as VALR sends them.

    :raises ValueError: the body is no list
    """
    trades = (_read(AccountTrade, "trade history", row) for row in _list(rows, "trade history"))
    return tuple(
        trade.model_copy(update={"is_fee_known": True}) if isinstance(trade, AccountTrade) else trade
        for trade in trades
    )


def parse_balances(rows: Any) -> BalanceList:
    """Return every balance that can be read, and whose cannot: an asset must not vanish by a misreading.

    :raises ValueError: the body is no list, or none of its rows can be read
    """
    balances: list[Balance] = []
    unreadable: dict[str, str] = {}
    for row in _list(rows, "balances"):
        balance = _read(Balance, "balance", row)
        if isinstance(balance, Balance):
            balances.append(balance)
        else:
            unreadable[_currency(row.get("currency")) if isinstance(row, Mapping) else ""] = balance.problem
    if unreadable and not balances:
        raise ValueError(f"no balance row can be read: {next(iter(unreadable.values()))}")
    return BalanceList(tuple(balances), unreadable)


class TradingFee(Message):
    """The account's own rates for one pair, in percent points (0.08 = 0.08 %)."""

    symbol: Text = Field(validation_alias="currencyPair", min_length=1)
    maker_percent: Number = Field(validation_alias="makerPercentage")
    taker_percent: Number = Field(validation_alias="takerPercentage")


def parse_trading_fees(rows: Any) -> tuple[TradingFee, ...]:
    """Return the rates of every pair that has both; a pair without has no order book for this account.

    :raises ValueError: the body is no list
    """
    return _readable(TradingFee, "trading fee", _list(rows, "trading fees"))


def _bound(value: Any) -> Decimal | None:
    try:
        number = parse_number(value)
    except ValueError:
        return None
    return number if number > 0 else None


# VALR sees to its bounds by itself: one that cannot be read must not take a pair's steps away.
Minimum = Annotated[Decimal, BeforeValidator(lambda value: _bound(value) or Decimal(0))]
Maximum = Annotated[Decimal | None, BeforeValidator(_bound)]


class PairRules(Message):
    """One row of ``/v1/public/pairs``: what may be traded and in which steps (valr-api.md 3.1).

    A minimum that is missing, or cannot be read, is zero, and such a maximum None.
    """

    symbol: Text = Field(min_length=1)
    base: Text = Field(validation_alias="baseCurrency", min_length=1)
    quote: Text = Field(validation_alias="quoteCurrency", min_length=1)
    min_base: Minimum = Field(default=Decimal(0), validation_alias="minBaseAmount")
    max_base: Maximum = Field(default=None, validation_alias="maxBaseAmount")
    min_quote: Minimum = Field(default=Decimal(0), validation_alias="minQuoteAmount")
    max_quote: Maximum = Field(default=None, validation_alias="maxQuoteAmount")
    tick_size: Annotated[Number, Field(validation_alias="tickSize", gt=0)]
    base_decimals: Annotated[int, Field(validation_alias="baseDecimalPlaces", ge=0, le=18)]

    @property
    def step(self) -> Decimal:
        """The step of quantities: ``10^-baseDecimalPlaces``, not the minimum (valr-api.md 1.3)."""
        return Decimal(1).scaleb(-self.base_decimals)


def parse_pair_rules(row: Any) -> PairRules:
    """Return the rules of one pair.

    :raises ValueError: a field is missing or senseless; names the fields
    """
    rules = _read(PairRules, "pair", row)
    if isinstance(rules, Unreadable):
        raise ValueError(rules.problem)
    return rules


class OrderTypes(Message):
    """The kinds of orders one pair takes, in VALR's words; none on an inactive pair."""

    symbol: Text = Field(validation_alias="currencyPair", min_length=1)
    order_types: tuple[str, ...] = Field(validation_alias="orderTypes")


def parse_symbols_with_book(rows: Any) -> set[str]:
    """Return the symbols of all pairs that take limit orders; many pairs take simple orders only (valr-api.md 1.3).

    :raises ValueError: the body is no list
    """
    listed = _readable(OrderTypes, "order types", _list(rows, "order types"))
    return {pair.symbol for pair in listed if "LIMIT" in pair.order_types}


class MarketSummary(Message):
    """The last price and the best prices of one pair; 0 on a pair without trades, or where a side is empty."""

    symbol: Text = Field(validation_alias="currencyPair", min_length=1)
    last_price: Number = Field(validation_alias="lastTradedPrice")
    bid_price: Number = Field(default=Decimal(0), validation_alias="bidPrice")
    ask_price: Number = Field(default=Decimal(0), validation_alias="askPrice")


def parse_market_summaries(rows: Any) -> tuple[MarketSummary, ...]:
    """Return every readable summary, of a list or of a single object.

    :raises ValueError: the body is neither
    """
    content = [rows] if isinstance(rows, Mapping) else rows
    return _readable(MarketSummary, "market summary", _list(content, "market summary"))


def parse_answered_id(content: Any) -> str:
    """Return the id in the answer to a placement or a v2 cancel, ``""`` when the body names none."""
    identifier = content.get("id") if isinstance(content, Mapping) else None
    return _text(identifier)


class ApiKey(Message):
    """``/v1/account/api-keys/current``: what the key may do (valr-api.md 2.1)."""

    permissions: tuple[Text, ...]


def parse_key_permissions(content: Any) -> tuple[str, ...]:
    """Return the permissions of the key in use.

    :raises ValueError: if the answer names none
    """
    return ApiKey.model_validate(content).permissions


def parse_exchange_status(content: Any) -> str:
    """Return ``online`` or ``read-only`` of ``/v1/public/status``.

    :raises ValueError: if the answer carries no status
    """
    status = content.get("status") if isinstance(content, Mapping) else None
    if not isinstance(status, str):
        raise ValueError("VALR's status cannot be read")
    return status


def parse_server_time(content: Any) -> float:
    """Return VALR's clock in Unix seconds (``epochTime`` has whole seconds only, ``time`` has fractions).

    :raises ValueError: the body holds no time
    """
    if not isinstance(content, Mapping):
        raise ValueError("VALR's time cannot be read")
    value = content.get("time")
    return parse_time(value if value is not None else content.get("epochTime"))


# --- Plain messages ---------------------------------------------------------------------------------------------------
# What tells of an order day by day, in the layout in which it comes then, is put together field by field: a message
# comes after a pause, and pydantic has much to fetch into the processor's caches then. Whatever differs from that
# layout is left to pydantic; both make the same message of the same data (a property in the tests). Pydantic takes our
# own names where VALR's are missing: so VALR's are all there, or ours are not.
def _read_plain(kind: str, frame: Mapping[str, Any]) -> AccountMessage | None:
    """Return the message of a plain frame, None if it is for pydantic to read or to refuse."""
    try:
        read = _PLAIN_KINDS.get(kind)
        return None if read is None else read(frame)
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
        return None


def _are_plain(texts: Iterable[str], numbers: Iterable[str]) -> bool:
    # Of digits, signs and points ``Decimal`` takes numbers only; it would take more, but not in every case the same.
    digits = "".join(numbers)
    return digits.replace(".", "").replace("-", "").isdigit() and (digits + "".join(texts)).isascii()


class _Minutes(dict[str, int]):
    """The milliseconds at which a minute begins, by its text such as ``2025-10-28T10:04:``; the latest only."""

    def __missing__(self, minute: str) -> int:
        self.clear()
        began = self[minute] = round(datetime.fromisoformat(f"{minute}00Z").timestamp()) * 1000
        return began


_MINUTES = _Minutes()


def _plain_time(text: str) -> float:
    # Most events are stamped as 2025-10-28T10:04:40.566Z, in the same minute as the one before.
    digits = text[17:19] + text[20:23]
    if len(text) == 24 and text[19] + text[23] == ".Z" and digits.isdigit() and digits < "6":
        return (_MINUTES[text[:17]] + int(digits)) / 1000
    return float(parse_time(text))


_report_texts = itemgetter(
    "orderId", "customerOrderId", "currencyPair", "orderStatusType", "orderSide", "orderType", "failedReason"
)
_report_numbers = itemgetter("originalPrice", "originalQuantity", "remainingQuantity")
_report_fields = set(OrderReport.model_fields)


def _plain_report(frame: Mapping[str, Any]) -> OrderReport | None:
    data = frame["data"]
    texts = _report_texts(data)
    time_in_force = data.get("timeInForce", "")
    numbers = _report_numbers(data)
    updated_at = data["orderUpdatedAt"]
    if (
        not _are_plain((*texts, time_in_force, updated_at), numbers)
        or "time_in_force" in data
        or "totalExecutedQuantity" in data
        or "executed_quantity" in data
    ):
        return None
    order_id, client_order_id, symbol, status, side, order_type, failed_reason = texts
    if not order_id:
        return None
    values = {
        "order_id": order_id,
        "client_order_id": client_order_id,
        "symbol": symbol,
        "status": status,
        "price": Decimal(numbers[0]),
        "original_quantity": Decimal(numbers[1]),
        "remaining_quantity": Decimal(numbers[2]),
        "executed_quantity": None,
        "side": side.lower(),
        "order_type": order_type,
        "time_in_force": time_in_force,
        "failed_reason": failed_reason,
        "updated_at": _plain_time(updated_at),
    }
    return _put_together(OrderReport, values, _report_fields)


_trade_texts = itemgetter("id", "orderId", "customerOrderId", "currencyPair", "side", "feeCurrency")
_trade_numbers = itemgetter("price", "quantity", "fee")
_trade_fields = set(AccountTrade.model_fields)


def _plain_trade(frame: Mapping[str, Any]) -> AccountTrade | None:
    data = frame["data"]
    texts = _trade_texts(data)
    numbers = _trade_numbers(data)
    traded_at = data["tradedAt"]
    if not _are_plain((*texts, traded_at), numbers) or "makerReward" in data:
        return None
    trade_id, order_id, client_order_id, symbol, side, fee_currency = texts
    price, quantity = Decimal(numbers[0]), Decimal(numbers[1])
    if not (trade_id and order_id and fee_currency) or price <= 0 or quantity <= 0:
        return None
    values = {
        "trade_id": trade_id,
        "order_id": order_id,
        "client_order_id": client_order_id,
        "symbol": symbol,
        "price": price,
        "quantity": quantity,
        "side": side.lower(),
        "traded_at": _plain_time(traded_at),
        "fee": Decimal(numbers[2]),
        "fee_currency": "ZAR" if fee_currency == "R" else fee_currency,
        "is_fee_known": True,
    }
    return _put_together(AccountTrade, values, _trade_fields)


_processed_texts = itemgetter("orderId", "customerOrderId", "failureReason")
_processed_fields = set(OrderProcessed.model_fields)


def _plain_processed(frame: Mapping[str, Any]) -> OrderProcessed | None:
    data = frame["data"]
    texts = _processed_texts(data)
    success = data["success"]
    order_id, client_order_id, failure_reason = texts
    if not "".join(texts).isascii() or not order_id or type(success) is not bool:
        return None
    values = {
        "order_id": order_id,
        "client_order_id": client_order_id,
        "success": success,
        "failure_reason": failure_reason,
    }
    return _put_together(OrderProcessed, values, _processed_fields)


_reply_parts = frozenset({"type", "clientMsgId", "data"})
_reply_fields = set(CommandReply.model_fields)


def _plain_reply(frame: Mapping[str, Any]) -> CommandReply | None:
    if frame.keys() != _reply_parts or "cancelOnDisconnect" in (data := frame["data"]):
        return None
    texts = frame["clientMsgId"], data.get("orderId", ""), data.get("customerOrderId", "")
    requested = data.get("requested")
    if not "".join(texts).isascii() or not (requested is None or type(requested) is bool):
        return None
    kind = frame["type"]
    values = {
        "kind": kind,
        "command": CONSTANTS.COMMAND_REPLIES[kind],
        "client_msg_id": texts[0],
        "order_id": texts[1],
        "client_order_id": texts[2],
        "requested": requested,
        "cancel_on_disconnect": None,
        "error": None,
    }
    return _put_together(CommandReply, values, _reply_fields)


def _put_together[MessageT: Message](model: type[MessageT], values: dict[str, Any], names: set[str]) -> MessageT:
    """Return a message of all its values, which are right; ``model_construct`` looks each of them up again."""
    message = model.__new__(model)
    put = object.__setattr__
    put(message, "__dict__", values)
    put(message, "__pydantic_fields_set__", names)
    put(message, "__pydantic_extra__", None)
    put(message, "__pydantic_private__", None)
    return message


_PLAIN_KINDS: dict[str, Callable[[Mapping[str, Any]], AccountMessage | None]] = {
    CONSTANTS.ORDER_STATUS_UPDATE: _plain_report,
    CONSTANTS.NEW_ACCOUNT_TRADE: _plain_trade,
    CONSTANTS.ORDER_PROCESSED: _plain_processed,
    CONSTANTS.PLACE_LIMIT_WS_RESPONSE: _plain_reply,
    CONSTANTS.PLACE_MARKET_WS_RESPONSE: _plain_reply,
    CONSTANTS.CANCEL_ORDER_WS_RESPONSE: _plain_reply,
}


# --- Reading ----------------------------------------------------------------------------------------------------------
def _list(rows: Any, what: str) -> list[Any]:
    if not isinstance(rows, list):
        raise ValueError(f"the {what} of VALR is not a list")
    return rows


def _readable[MessageT: Message](model: type[MessageT], kind: str, rows: Iterable[Any]) -> tuple[MessageT, ...]:
    return tuple(message for row in rows if isinstance(message := _read(model, kind, row), model))


def _read[MessageT: Message](model: type[MessageT], kind: str, content: Any) -> MessageT | Unreadable:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or kind}: {e['msg']}" for e in error.errors())
        ids = content if isinstance(content, Mapping) else {}
        return Unreadable(
            kind=kind,
            problem=problems,
            order_id=_text(ids.get("orderId")),
            client_order_id=_text(ids.get("customerOrderId")),
        )
