"""``ValrExchange`` beyond the conformance suite: construction, rules, fees, balances, placing, cancelling, prices.

VALR's REST is played by a server on this machine; nothing of the connector is replaced.
"""

import asyncio
import inspect
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import hummingbot
from hummingbot.client.settings import AllConnectorSettings, ConnectorSetting
from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr import (
    valr_exchange,
    valr_order_entry,
    valr_order_keeper,
    valr_order_lifecycle,
    valr_order_record,
)
from hummingbot.connector.exchange.valr.valr_exchange import NETWORK_CHECK_RETRY, ValrExchange
from hummingbot.connector.exchange.valr.valr_messages import ApiError
from hummingbot.connector.exchange.valr.valr_order_journal import OrderJournal
from hummingbot.connector.exchange.valr.valr_order_outcomes import LookUp, SendCancel
from hummingbot.connector.exchange.valr.valr_utils import Options, ValrConfigMap, ValrLoopbackConfigMap
from hummingbot.connector.exchange.valr.valr_web_utils import (
    REQUEST_DEADLINE,
    ValrRefusedError,
    ValrUnknownOutcomeError,
)
from hummingbot.core.data_type.cancellation_result import CancellationResult
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState
from hummingbot.core.data_type.trade_fee import DeductedFromReturnsTradeFee, TokenAmount
from hummingbot.core.network_iterator import NetworkStatus
from test.hummingbot.connector.exchange.valr.rest_world import (
    BALANCES,
    CANCEL,
    EVENTS,
    FEES,
    KEY,
    LIMIT,
    MARKET,
    OPEN_ORDERS,
    ORDER_ID,
    ORDER_TYPES,
    PAIR,
    PAIRS,
    SECRET,
    SUMMARY,
    SYMBOL,
    TIME,
    TRADES,
    Request,
    World,
    journals,
    refusal,
    sample,
    state,
    status_path,
    texts,
    trade,
    until,
    world,
)


@pytest.fixture
def idle_loop() -> Iterator[None]:
    """A thread's current loop that does not run: Hummingbot's own trackers ask for one when they are built."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    assert not asyncio.all_tasks(loop)
    loop.close()
    asyncio.set_event_loop(None)


# --- Construction -----------------------------------------------------------------------------------------------------
def test_everything_is_taken_by_keyword_with_the_agreed_defaults() -> None:
    parameters = inspect.signature(ValrExchange).parameters
    agreed = {
        "valr_url": None,
        "balance_asset_limit": None,
        "rate_limits_share_pct": Decimal("100"),
        "trading_pairs": None,
        "trading_required": True,
        "domain": "valr",
        "connector_configuration": None,
    }
    assert {name: parameters[name].default for name in agreed} == agreed
    assert {"valr_api_key", "valr_api_secret"} < set(parameters)
    assert {f"valr_{name}" for name in Options.model_fields} < set(parameters)


@pytest.mark.usefixtures("idle_loop")
@pytest.mark.parametrize("domain", ["valr", "valr_loopback"])
def test_built_outside_a_loop_without_keys_and_without_touching_anything(
    domain: str, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: Any) -> None:
        raise AssertionError("a connection was made")

    monkeypatch.setattr("socket.socket.connect", forbidden)
    exchange = ValrExchange(valr_api_key="", valr_api_secret="", trading_pairs=[PAIR], domain=domain)
    assert (exchange.name, exchange.domain, exchange.trading_pairs) == (domain, domain, [PAIR])
    assert not exchange.authenticator.has_keys
    assert not data_folder.exists()


async def test_built_inside_a_running_loop_it_starts_nothing() -> None:
    before = asyncio.all_tasks()
    ValrExchange(KEY, SECRET)
    assert asyncio.all_tasks() == before


@pytest.fixture(scope="module")
def settings() -> dict[str, ConnectorSetting]:
    known: dict[str, ConnectorSetting] = AllConnectorSettings.create_connector_settings()
    return known


@pytest.mark.parametrize(
    ("name", "rest", "socket"),
    [
        ("valr", "https://api.valr.com", "wss://api.valr.com"),
        ("valr_loopback", "http://127.0.0.1:8675", "ws://127.0.0.1:8675"),
    ],
)
@pytest.mark.usefixtures("idle_loop")
def test_hummingbot_builds_it_without_keys(
    settings: dict[str, ConnectorSetting], name: str, rest: str, socket: str
) -> None:
    exchange = settings[name].non_trading_connector_instance_with_default_configuration([PAIR])
    assert isinstance(exchange, ValrExchange)
    assert (exchange.name, exchange.trading_pairs, exchange.is_trading_required) == (name, [PAIR], False)
    assert (exchange._endpoints.rest_url, exchange._endpoints.websocket_url) == (rest, socket)


@pytest.mark.parametrize("name", ["valr", "valr_loopback"])
@pytest.mark.usefixtures("idle_loop")
def test_hummingbot_builds_it_with_keys_and_options(settings: dict[str, ConnectorSetting], name: str) -> None:
    configuration = {
        "valr": ValrConfigMap(valr_api_key=KEY, valr_api_secret=SECRET, sub_account_id="909", order_entry="rest"),
        "valr_loopback": ValrLoopbackConfigMap(
            valr_loopback_api_key=KEY, valr_loopback_api_secret=SECRET, sub_account_id="909", order_entry="rest"
        ),
    }[name]
    setting = settings[name]._replace(config_keys=configuration)
    keys = {f"{name}_api_key": KEY, f"{name}_api_secret": SECRET}
    if name == "valr_loopback":
        keys["valr_loopback_url"] = "http://127.0.0.1:1234"
    exchange = ValrExchange(**setting.conn_init_parameters([PAIR], trading_required=True, api_keys=keys))
    assert exchange.name == name
    assert exchange.authenticator.has_keys
    assert exchange.is_trading_required
    assert (exchange._options.sub_account_id, exchange._options.order_entry) == ("909", "rest")
    assert exchange._options.book_feed == "l1"
    if name == "valr_loopback":
        assert exchange._endpoints.websocket_url == "ws://127.0.0.1:1234"
    headers = exchange.authenticator.headers("GET", "/v1/orders/open")
    assert headers["X-VALR-SUB-ACCOUNT-ID"] == "909"


@pytest.mark.usefixtures("idle_loop")
@pytest.mark.parametrize("address", ["", None])
def test_the_address_comes_from_the_configuration_where_hummingbot_blanks_it(address: str | None) -> None:
    """Its provider of market data hands out "" for every connect key of an instance without keys."""
    configuration = ValrLoopbackConfigMap(
        valr_loopback_api_key=KEY, valr_loopback_api_secret=SECRET, valr_loopback_url="http://127.0.0.1:9"
    )
    exchange = ValrExchange(valr_url=address, domain="valr_loopback", connector_configuration=configuration)
    assert exchange.endpoints.rest_url == "http://127.0.0.1:9"


@pytest.mark.usefixtures("idle_loop")
def test_a_keyword_wins_over_the_configuration() -> None:
    configuration = SimpleNamespace(order_entry="rest", book_feed="full", sub_account_id="1", cancel_on_disconnect=True)
    exchange = ValrExchange(
        connector_configuration=configuration, valr_order_entry="websocket", valr_cancel_on_disconnect=False
    )
    assert exchange._options.model_dump() == {
        "order_entry": "websocket",
        "book_feed": "full",
        "sub_account_id": "1",
        "cancel_on_disconnect": False,
        "earlier_orders": "keep",
        "session_record": True,
        "metrics_port": 0,
    }


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("valr_order_entry", "fax", "order_entry"),
        ("valr_book_feed", "l7", "book_feed"),
        ("valr_sub_account_id", "main", "sub_account_id"),
        ("valr_cancel_on_disconnect", "perhaps", "cancel_on_disconnect"),
        ("valr_session_record", "perhaps", "session_record"),
        ("valr_earlier_orders", "forget", "earlier_orders"),
        ("valr_metrics_port", -1, "metrics_port"),
    ],
)
def test_a_wrong_option_is_refused_by_name(option: str, value: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        ValrExchange(**{option: value})


@pytest.mark.parametrize("rest", ["/base", "/base/", "/?a=1", "#a"])
def test_an_address_with_a_path_is_refused(rest: str) -> None:
    address = f"http://127.0.0.1:8675{rest}"
    with pytest.raises(ValueError, match="scheme and host only"):
        ValrExchange(KEY, SECRET, valr_url=address)
    with pytest.raises(ValueError, match="scheme and host only"):
        ValrExchange(connector_configuration=SimpleNamespace(valr_loopback_url=address), domain="valr_loopback")


@pytest.mark.usefixtures("idle_loop")
@pytest.mark.parametrize("address", ["http://127.0.0.1:8675/", "https://[::1]:8675", "http://localhost"])
def test_an_address_is_scheme_and_host(address: str) -> None:
    assert ValrExchange(KEY, SECRET, valr_url=address).endpoints.rest_url == address.rstrip("/")


def test_an_option_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeError, match="valr_orderentry"):
        ValrExchange(valr_orderentry="rest")


@pytest.mark.usefixtures("idle_loop")
def test_the_secret_is_in_no_description() -> None:
    exchange = ValrExchange(KEY, SECRET)
    for each in (exchange, exchange.authenticator, exchange._options):
        assert SECRET not in repr(each)


# --- Pairs and rules --------------------------------------------------------------------------------------------------
def rows(*rows_of_pairs: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    eth = sample("rest-public-pairs")[0]
    content = [{**eth, **row} for row in rows_of_pairs]
    return content, [{"currencyPair": row["symbol"], "orderTypes": ["LIMIT"]} for row in content]


async def test_rules_are_exact() -> None:
    async with world(rules=False) as place:
        place.valr.answers[ORDER_TYPES] = [
            {"currencyPair": symbol, "orderTypes": ["LIMIT_POST_ONLY", "LIMIT", "MARKET"]}
            for symbol in ("ETHZAR", "BNBUSDC", "SHIBUSDC")
        ]
        await place.exchange._update_trading_rules()
        rules = place.exchange.trading_rules
    assert set(rules) == {"ETH-ZAR", "BNB-USDC", "SHIB-USDC"}
    figures = {
        pair: [
            rule.min_price_increment,
            rule.min_base_amount_increment,
            rule.min_order_size,
            rule.max_order_size,
            rule.min_notional_size,
        ]
        for pair, rule in rules.items()
    }
    texts_of = {
        "ETH-ZAR": ["1", "0.00000001", "0.0002", "69.21", "10"],
        # The step is finer or coarser than the minimum, never taken from it.
        "BNB-USDC": ["0.1", "0.0001", "0.0008", "80", "0.52"],
        "SHIB-USDC": ["0.00000001", "1", "44600", "2750000000", "0.59"],
    }
    assert figures == {pair: list(map(Decimal, numbers)) for pair, numbers in texts_of.items()}
    assert place.exchange.quantize_order_amount("ETH-ZAR", Decimal("0.123456789")) == Decimal("0.12345678")
    assert place.exchange.quantize_order_price("ETH-ZAR", Decimal("10000.9")) == Decimal("10000")


async def test_only_tradable_spot_pairs_are_offered() -> None:
    async with world(rules=False) as place:
        pairs, order_types = rows(
            {"symbol": "ETHZAR"},
            {"symbol": "XRPZAR", "baseCurrency": "XRP", "active": False},
            {"symbol": "SOLZAR", "baseCurrency": "SOL"},
            {"symbol": "BTCZAR", "baseCurrency": "BTC"},
            {"symbol": "ETHZARPERP", "currencyPairType": "FUTURE"},
        )
        order_types[2]["orderTypes"] = ["SIMPLE"]
        del order_types[3]
        place.valr.answers |= {PAIRS: pairs, ORDER_TYPES: order_types}
        assert await place.exchange.all_trading_pairs() == ["ETH-ZAR"]
        await place.exchange._update_trading_rules()
        assert set(place.exchange.trading_rules) == {"ETH-ZAR"}


@pytest.mark.parametrize("perpetual_first", [True, False])
async def test_a_perpetual_of_the_same_currencies_never_takes_the_spot_pairs_place(perpetual_first: bool) -> None:
    async with world(rules=False) as place:
        spot = {"symbol": "ETHZAR", "tickSize": "1"}
        perpetual = {"symbol": "ETHZARPERP", "tickSize": "5", "currencyPairType": "FUTURE"}
        pairs, order_types = rows(*((perpetual, spot) if perpetual_first else (spot, perpetual)))
        place.valr.answers |= {PAIRS: pairs, ORDER_TYPES: order_types}
        await place.exchange._update_trading_rules()
        assert await place.exchange.exchange_symbol_associated_to_pair("ETH-ZAR") == "ETHZAR"
        assert place.exchange.trading_rules["ETH-ZAR"].min_price_increment == 1
        assert "ETHZARPERP" not in await place.exchange.trading_pair_symbol_map()


async def test_two_symbols_for_one_pair_keep_the_first(caplog: pytest.LogCaptureFixture) -> None:
    async with world(rules=False) as place:
        pairs, order_types = rows({"symbol": "ETHZAR"}, {"symbol": "ETHZAR2"})
        place.valr.answers |= {PAIRS: pairs, ORDER_TYPES: order_types}
        await place.exchange._update_trading_rules()
        assert await place.exchange.exchange_symbol_associated_to_pair("ETH-ZAR") == "ETHZAR"
    assert texts(caplog, "two symbols for one spot pair; ETHZAR2 is left out", logging.ERROR)


async def test_a_pair_that_goes_inactive_is_reported_and_stays_usable(caplog: pytest.LogCaptureFixture) -> None:
    async with world() as place:
        rule = place.exchange.trading_rules[PAIR]
        pairs, order_types = rows({"symbol": "ETHZAR", "active": False}, {"symbol": "BTCZAR", "baseCurrency": "BTC"})
        order_types[0]["orderTypes"] = []
        place.valr.answers |= {PAIRS: pairs, ORDER_TYPES: order_types}
        await place.exchange._update_trading_rules()
        assert place.exchange.trading_rules[PAIR].min_price_increment == rule.min_price_increment
        assert "BTC-ZAR" in place.exchange.trading_rules
        assert await place.exchange.exchange_symbol_associated_to_pair(PAIR) == "ETHZAR"
        assert texts(caplog, "ETH-ZAR is not tradable on VALR", logging.ERROR)

        caplog.clear()
        pairs[0]["active"], pairs[0]["tickSize"] = True, "2"
        order_types[0]["orderTypes"] = ["LIMIT"]
        await place.exchange._update_trading_rules()
        assert place.exchange.trading_rules[PAIR].min_price_increment == 2
        assert not texts(caplog, "not tradable")


async def test_a_pair_that_is_inactive_at_the_start_is_known(caplog: pytest.LogCaptureFixture) -> None:
    async with world(rules=False) as place:
        pairs, order_types = rows({"symbol": "ETHZAR", "active": False}, {"symbol": "XRPZAR", "active": False})
        order_types[0]["orderTypes"] = order_types[1]["orderTypes"] = []
        place.valr.answers |= {PAIRS: pairs, ORDER_TYPES: order_types}
        await place.exchange._update_trading_rules()
        assert dict(await place.exchange.trading_pair_symbol_map()) == {"ETHZAR": PAIR}
        assert set(place.exchange.trading_rules) == {PAIR}
        assert texts(caplog, "ETH-ZAR is not tradable on VALR", logging.ERROR)


@pytest.mark.parametrize("active_first", [True, False])
async def test_the_symbol_a_pair_had_before_does_not_bring_its_rules(active_first: bool) -> None:
    async with world(rules=False) as place:
        before = {"symbol": "ETHZAROLD", "active": False, "tickSize": "5"}
        now = {"symbol": "ETHZAR", "tickSize": "1"}
        pairs, order_types = rows(*((now, before) if active_first else (before, now)))
        place.valr.answers |= {PAIRS: pairs, ORDER_TYPES: order_types}
        await place.exchange._update_trading_rules()
        assert place.exchange.trading_rules[PAIR].min_price_increment == 1
        assert dict(await place.exchange.trading_pair_symbol_map()) == {"ETHZAR": PAIR}


async def test_a_pair_that_is_listed_no_longer_keeps_its_rules(caplog: pytest.LogCaptureFixture) -> None:
    async with world() as place:
        rule = place.exchange.trading_rules[PAIR]
        place.valr.answers |= dict(
            zip((PAIRS, ORDER_TYPES), rows({"symbol": "BTCZAR", "baseCurrency": "BTC"}), strict=True)
        )
        await place.exchange._update_trading_rules()
        assert place.exchange.trading_rules[PAIR] is rule
        assert texts(caplog, "ETH-ZAR is not tradable on VALR", logging.ERROR)


def listed(place: World, *coins: str) -> None:
    content = rows(*({"symbol": f"{coin}ZAR", "baseCurrency": coin} for coin in coins))
    place.valr.answers |= dict(zip((PAIRS, ORDER_TYPES), content, strict=True))


@pytest.mark.parametrize("trading_required", [True, False])
async def test_a_pair_that_is_listed_later_is_found(trading_required: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(valr_exchange, "REFRESH_RETRY", 0.02)
    async with world(rules=False, trading_required=trading_required) as place:
        place.exchange._trading_pairs.append("NEW-ZAR")
        listed(place, "ETH")
        source = place.exchange._order_book_source
        await source._resolve_symbols()
        assert [pair.symbol for pair in source.tracked_pairs()] == ["ETHZAR"]
        listed(place, "ETH", "NEW")
        async with asyncio.timeout(5):
            while len(source.tracked_pairs()) < 2:
                await source._resolve_symbols()
        assert place.exchange.trading_rules["NEW-ZAR"].min_price_increment == 1
        calls = len(place.valr.sent(PAIRS))
        await source._resolve_symbols()
        await place.exchange.trading_pair_symbol_map()
        assert len(place.valr.sent(PAIRS)) == calls


async def test_a_pair_that_is_not_listed_is_asked_for_with_growing_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(valr_exchange, "REFRESH_RETRY", 20.0)
    async with world(rules=False) as place:
        listed(place, "BTC")
        now, moments = time.monotonic(), []
        monkeypatch.setattr(valr_exchange, "time", SimpleNamespace(monotonic=lambda: now, time=time.time))
        for second in range(181):
            now += 1
            with pytest.raises(KeyError):
                await place.exchange.exchange_symbol_associated_to_pair(PAIR)
            if len(place.valr.sent(PAIRS)) > len(moments):
                moments.append(second)
        assert moments == [0, 20, 60, 120, 180]


async def test_a_refusal_for_the_numbers_has_the_rules_asked_for_but_not_at_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with world() as place:
        place.valr.answers[PAIRS] = rows({"symbol": "ETHZAR", "minBaseAmount": "3"})[0]
        place.valr.answers[LIMIT] = refusal(-12007, "Minimum order size not met.")
        for _ in range(3):
            place.exchange.buy(PAIR, Decimal("0.5"), OrderType.LIMIT, Decimal("10000"))
        await until(lambda: len(place.told("failed")) == 3)
        await until(lambda: place.exchange.trading_rules[PAIR].min_order_size == 3)
        assert len(place.valr.sent(PAIRS)) == 2
        now = time.monotonic() + valr_exchange.RULES_DOUBT_INTERVAL
        monkeypatch.setattr(valr_exchange, "time", SimpleNamespace(monotonic=lambda: now, time=time.time))
        place.exchange.buy(PAIR, Decimal("3"), OrderType.LIMIT, Decimal("10000"))
        await until(lambda: len(place.valr.sent(PAIRS)) == 3)


async def test_other_refusals_say_nothing_of_the_rules() -> None:
    async with world() as place:
        place.valr.answers[LIMIT] = refusal(-6, "Insufficient Balance")
        place.exchange.buy(PAIR, Decimal("0.5"), OrderType.LIMIT, Decimal("10000"))
        await until(lambda: place.told("failed"))
        assert len(place.valr.sent(PAIRS)) == 1


async def test_without_order_types_every_active_spot_pair_is_offered(caplog: pytest.LogCaptureFixture) -> None:
    async with world(rules=False) as place:
        place.valr.answers[ORDER_TYPES] = (503, "<html>")
        await place.exchange._update_trading_rules()
        assert {"ETH-ZAR", "BNB-USDC", "SHIB-USDC"} <= set(place.exchange.trading_rules)
        assert "LTC-BTC" not in place.exchange.trading_rules
    assert texts(caplog, "order types could not be fetched")


@pytest.mark.parametrize("answer", [(503, "<html>"), refusal(-1, "no"), []])
async def test_many_pairs_take_one_call_a_round_and_few_lines_while_their_list_cannot_be_had(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    coins = [f"C{number}" for number in range(20)]
    async with world(rules=False) as place:
        place.exchange._trading_pairs[:] = [f"{coin}-ZAR" for coin in coins]
        place.valr.answers[PAIRS] = answer
        for round_number in (1, 2, 3):
            assert not await place.exchange._order_book_source._resolve_symbols()
            assert len(place.valr.sent(PAIRS)) == round_number
        said = [each for each in caplog.records if each.levelno >= logging.WARNING]
        assert len(said) == 2
        assert not any(each.exc_info for each in said)
        place.valr.answers |= dict(
            zip((PAIRS, ORDER_TYPES), rows(*({"symbol": f"{c}ZAR", "baseCurrency": c} for c in coins)), strict=True)
        )
        assert await place.exchange._order_book_source._resolve_symbols()
        assert len(place.exchange._order_book_source.tracked_pairs()) == len(coins)


@pytest.mark.parametrize("content", [{"code": 5}, "null", {"pairs": []}])
async def test_a_list_of_pairs_that_is_none_leaves_the_rules_alone(content: Any) -> None:
    async with world() as place:
        before = dict(place.exchange.trading_rules)
        place.valr.answers[PAIRS] = content
        with pytest.raises((ValueError, OSError)):
            await place.exchange._update_trading_rules()
        assert place.exchange.trading_rules == before


@pytest.mark.parametrize(
    "answers",
    [
        {PAIRS: []},
        {PAIRS: [None]},
        {PAIRS: rows({"symbol": "BTCZAR", "baseCurrency": "BTC"})[0]},
        {PAIRS: rows({"symbol": "ETHZAR", "tickSize": None})[0]},
        {PAIRS: rows({"symbol": "ETHZAR", "baseDecimalPlaces": None}, {"symbol": "BTCZAR", "baseCurrency": "BTC"})[0]},
        {ORDER_TYPES: rows({"symbol": "BTCZAR"})[1]},
    ],
)
async def test_rules_that_lack_a_pair_of_ours_are_asked_for_again_soon(
    answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(valr_exchange, "REFRESH_RETRY", 0.02)
    async with world(rules=False) as place:
        good = {path: place.valr.answers[path] for path in answers}
        place.valr.answers |= answers
        await place.exchange.start_network()
        await until(lambda: len(place.valr.sent(PAIRS)) >= 4)
        assert not place.exchange.status_dict["trading_rule_initialized"]
        place.valr.answers |= good
        await until(lambda: place.exchange.status_dict["trading_rule_initialized"])
        assert place.exchange.trading_rules[PAIR].min_price_increment == 1
    assert len(texts(caplog, "trading rules could not be fetched", logging.WARNING)) == 1
    assert len(texts(caplog, "Error parsing the trading pair rule", logging.ERROR)) <= 1


async def test_an_empty_list_of_order_types_is_none(caplog: pytest.LogCaptureFixture) -> None:
    async with world(rules=False) as place:
        place.valr.answers[ORDER_TYPES] = []
        await place.exchange._update_trading_rules()
        assert PAIR in place.exchange.trading_rules
    assert texts(caplog, "order types could not be fetched")


async def test_rules_once_known_stay_when_a_list_lacks_them() -> None:
    async with world() as place:
        rule = place.exchange.trading_rules[PAIR]
        for content in (rows({"symbol": "BTCZAR", "baseCurrency": "BTC"}), rows({"symbol": "ETHZAR", "tickSize": "?"})):
            place.valr.answers |= dict(zip((PAIRS, ORDER_TYPES), content, strict=True))
            await place.exchange._update_trading_rules()
            assert place.exchange.trading_rules[PAIR] is rule
            assert place.exchange.status_dict["trading_rule_initialized"]


async def test_a_pair_added_while_others_are_traded_does_not_stop_them() -> None:
    async with world() as place:
        place.exchange._trading_pairs.append("NEW-ZAR")
        assert place.exchange.status_dict["trading_rule_initialized"]


@pytest.mark.parametrize("maximum", [None, "", "0", "?"])
async def test_without_a_maximum_any_amount_is_sent(maximum: Any) -> None:
    async with world(rules=False) as place:
        place.valr.answers[PAIRS] = rows({"symbol": "ETHZAR", "maxBaseAmount": maximum})[0]
        await place.exchange._update_trading_rules()
        place.valr.answers[LIMIT] = (201, {"id": ORDER_ID})
        place.exchange.buy(PAIR, Decimal(1_000_000), OrderType.LIMIT, Decimal("10000"))
        await until(lambda: place.told("created"))


async def test_without_a_minimum_an_amount_still_has_to_be_one() -> None:
    async with world(rules=False) as place:
        bounds = {"minBaseAmount": None, "minQuoteAmount": None}
        place.valr.answers[PAIRS] = rows({"symbol": "ETHZAR", **bounds})[0]
        await place.exchange._update_trading_rules()
        place.exchange.buy(PAIR, Decimal("0.000000001"), OrderType.LIMIT, Decimal("10000"))
        await until(lambda: place.told("failed"))
        assert not place.valr.sent(LIMIT)


@pytest.mark.parametrize("order_type", [OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.MARKET])
async def test_an_order_of_a_pair_without_rules_fails(order_type: OrderType) -> None:
    async with world(rules=False) as place:
        identifier = place.exchange.sell(PAIR, Decimal("0.5"), order_type, Decimal("10000"))
        await until(lambda: place.told("failed"))
        (failure,) = place.told("failed")
        assert failure.order_id == identifier
        assert "trading rules of ETH-ZAR are not known" in failure.error_message
        assert place.valr.requests == []
        assert not place.exchange.in_flight_orders


async def test_an_order_of_a_pair_without_rules_can_be_saved_before_it_has_failed() -> None:
    async with world(rules=False) as place:
        identifier = place.exchange.sell(PAIR, Decimal("0.5"), OrderType.LIMIT, Decimal("10000"))
        saved_states = place.exchange.tracking_states
        assert list(saved_states) == [identifier]
        place.exchange.restore_tracking_states(json.loads(json.dumps(saved_states)))
        await until(lambda: place.told("failed"))


# --- Fees -------------------------------------------------------------------------------------------------------------
def fee_of(exchange: ValrExchange, pair: str, order_type: OrderType, is_maker: bool | None = None) -> Decimal:
    base, quote = pair.split("-")
    fee = exchange.get_fee(base, quote, order_type, TradeType.BUY, Decimal(1), Decimal(1), is_maker)
    assert isinstance(fee, DeductedFromReturnsTradeFee)
    assert fee.flat_fees == []
    return fee.percent


async def test_fees_are_the_accounts_own() -> None:
    async with world() as place:
        # Before they are known: the published lowest tier.
        assert fee_of(place.exchange, PAIR, OrderType.LIMIT_MAKER) == Decimal("0.0018")
        assert fee_of(place.exchange, PAIR, OrderType.LIMIT) == Decimal("0.0035")
        place.valr.answers[FEES] = [
            {"currencyPair": "ETHZAR", "makerPercentage": "-0.01", "takerPercentage": "0.1", "simplePercentage": "1"},
            {"currencyPair": "PYUSDZAR", "simplePercentage": "1.6"},
            {"currencyPair": "UNHEARDOF", "makerPercentage": "9", "takerPercentage": "9"},
        ]
        await place.exchange._update_trading_fees()
        assert fee_of(place.exchange, PAIR, OrderType.LIMIT_MAKER) == Decimal("-0.0001")
        assert fee_of(place.exchange, PAIR, OrderType.LIMIT) == Decimal("0.001")
        assert fee_of(place.exchange, PAIR, OrderType.MARKET) == Decimal("0.001")
        assert fee_of(place.exchange, PAIR, OrderType.LIMIT, is_maker=True) == Decimal("-0.0001")
        assert fee_of(place.exchange, PAIR, OrderType.LIMIT_MAKER, is_maker=False) == Decimal("0.001")
        assert fee_of(place.exchange, "PYUSD-ZAR", OrderType.LIMIT) == Decimal("0.0035")
        (request,) = place.valr.sent(FEES)
        assert request.is_signed_rightly


OWN_FEES = [{"currencyPair": "ETHZAR", "makerPercentage": "0.08", "takerPercentage": "0.1"}]


async def test_fees_that_came_before_the_pairs_are_not_lost() -> None:
    async with world(rules=False) as place:
        pairs = place.valr.answers[PAIRS]
        place.valr.answers |= {PAIRS: (503, "<html>"), FEES: OWN_FEES}
        await place.exchange._update_trading_fees()
        place.valr.answers[PAIRS] = pairs
        await place.exchange._update_trading_rules()
        assert fee_of(place.exchange, PAIR, OrderType.LIMIT_MAKER) == Decimal("0.0008")


@pytest.mark.parametrize("content", [[], [{"currencyPair": "ETHZAR"}], (503, "<html>"), {}])
async def test_fees_once_known_stay_when_an_answer_lacks_them(content: Any) -> None:
    async with world() as place:
        place.valr.answers[FEES] = OWN_FEES
        await place.exchange._update_trading_fees()
        place.valr.answers[FEES] = content
        with pytest.raises((ValueError, OSError)):
            await place.exchange._update_trading_fees()
        place.valr.answers[FEES] = [{**OWN_FEES[0], "currencyPair": "BTCZAR"}]
        await place.exchange._update_trading_fees()
        assert fee_of(place.exchange, PAIR, OrderType.LIMIT) == Decimal("0.001")


@pytest.mark.parametrize(
    ("paid", "flat_fees"),
    [
        ({"fee": "0.001", "feeCurrency": "ETH"}, [TokenAmount("ETH", Decimal("0.001"))]),
        ({"makerReward": "1.5", "makerRewardCurrency": "ZAR"}, [TokenAmount("ZAR", Decimal("-1.5"))]),
        ({"fee": "0", "feeCurrency": "ETH"}, []),
        ({}, []),
    ],
)
@pytest.mark.parametrize("side", [TradeType.BUY, TradeType.SELL])
async def test_a_fill_cost_what_valr_says_in_the_coin_it_says(
    paid: dict[str, str], flat_fees: list[TokenAmount], side: TradeType
) -> None:
    async with world() as place:
        place.track(trade_type=side)
        place.exchange._keeper.ensure_running()
        # An event without a fee is not believed to be free: the history is asked.
        place.valr.answers[TRADES] = [trade(quantity="0.25", **paid)]
        await place.hears({"type": "NEW_ACCOUNT_TRADE", "data": trade(quantity="0.25", **paid)})
        await until(lambda: place.told("filled"))
        assert bool(place.valr.sent(TRADES)) == (not paid)
        (fill,) = place.told("filled")
        assert fill.trade_fee == DeductedFromReturnsTradeFee(flat_fees=flat_fees)
        assert (fill.amount, fill.price, fill.exchange_trade_id) == (Decimal("0.25"), Decimal(10000), "t1")


async def test_a_fill_is_told_once_whichever_way_it_comes() -> None:
    async with world() as place:
        place.track()
        row = trade(quantity="0.25", fee="0.001", feeCurrency="ETH")
        place.valr.answers[TRADES] = [row, trade("t2", "0.5", fee="0.002", feeCurrency="ETH"), row]
        place.valr.answers[status_path()] = state("Partially Filled", "0.25")
        await place.hears(*[{"type": "NEW_ACCOUNT_TRADE", "data": row}] * 2)
        await place.exchange._update_order_status()
        await place.hears({"type": "NEW_ACCOUNT_TRADE", "data": row})
        assert sorted(fill.exchange_trade_id for fill in place.told("filled")) == ["t1", "t2"]
        assert place.exchange.in_flight_orders["HBOTB1"].executed_amount_base == Decimal("0.75")


# --- Balances ---------------------------------------------------------------------------------------------------------
def balance_row(asset: str, available: str, total: str, updated_at: str | None = None) -> dict[str, Any]:
    row = {"currency": asset, "available": available, "total": total}
    return {**row, "updatedAt": updated_at} if updated_at else row


def balance_event(asset: str, available: str, total: str, updated_at: str) -> dict[str, Any]:
    data = {**balance_row(asset, available, total, updated_at), "currency": {"symbol": "?", "shortName": asset}}
    return {"type": "BALANCE_UPDATE", "data": data}


async def test_balances_are_absolute_and_the_newer_wins() -> None:
    async with world() as place:
        exchange = place.exchange
        place.valr.answers[BALANCES] = [balance_row("ETH", "10", "15", "2025-01-01T00:00:10Z")]
        await exchange._update_balances()
        assert (exchange.get_available_balance("ETH"), exchange.get_balance("ETH")) == (10, 15)
        assert place.valr.sent(BALANCES)[0].is_signed_rightly

        await place.hears(balance_event("ETH", "9", "14", "2025-01-01T00:00:09Z"))
        assert exchange.get_balance("ETH") == 15
        await place.hears(balance_event("ETH", "7", "12", "2025-01-01T00:00:11Z"))
        assert (exchange.get_available_balance("ETH"), exchange.get_balance("ETH")) == (7, 12)
        # REST answers from before the event must not undo it.
        await exchange._update_balances()
        assert exchange.get_balance("ETH") == 12


async def test_assets_that_are_gone_are_forgotten() -> None:
    async with world() as place:
        place.valr.answers[BALANCES] = [balance_row("ETH", "1", "1"), balance_row("ZAR", "2", "2")]
        await place.exchange._update_balances()
        place.valr.answers[BALANCES] = [balance_row("ZAR", "3", "3")]
        await place.exchange._update_balances()
        assert place.exchange.get_all_balances() == {"ZAR": Decimal(3)}
        assert place.exchange.available_balances == {"ZAR": Decimal(3)}


async def test_an_asset_that_arrives_during_the_request_is_not_forgotten() -> None:
    async with world() as place:

        async def slow(_: Request) -> Any:
            await place.hears(balance_event("ETH", "1", "1", "2025-01-01T00:00:11Z"))
            return [balance_row("ZAR", "3", "3")]

        place.valr.answers[BALANCES] = slow
        await place.exchange._update_balances()
        assert place.exchange.get_all_balances() == {"ZAR": Decimal(3), "ETH": Decimal(1)}


async def test_an_empty_account_is_known_to_be_empty() -> None:
    async with world() as place:
        place.valr.answers[BALANCES] = []
        assert not place.exchange.status_dict["account_balance"]
        await place.exchange._update_balances()
        assert place.exchange.get_all_balances() == {"ETH": Decimal(0), "ZAR": Decimal(0)}
        assert place.exchange.status_dict["account_balance"]
        place.valr.answers[BALANCES] = [balance_row("BTC", "1", "1")]
        await place.exchange._update_balances()
        assert place.exchange.get_all_balances() == {"BTC": Decimal(1)}


@pytest.mark.parametrize(
    "broken", [balance_row("ETH", "?", "1"), {"currency": "ETH", "available": "5"}, balance_row("", "5", "5"), None]
)
async def test_a_balance_that_cannot_be_read_is_kept_and_said_once(
    broken: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with world() as place:
        place.valr.answers[BALANCES] = [balance_row("ETH", "1", "1"), balance_row("ZAR", "1", "1")]
        await place.exchange._update_balances()
        place.valr.answers[BALANCES] = [broken, balance_row("ZAR", "2", "2")]
        for _ in range(2):
            await place.exchange._update_balances()
        assert place.exchange.get_all_balances() == {"ETH": Decimal(1), "ZAR": Decimal(2)}
        assert len(texts(caplog, "cannot be read", logging.WARNING)) == 1


async def test_balances_of_which_none_can_be_read_leave_all_as_they_were() -> None:
    async with world() as place:
        place.valr.answers[BALANCES] = [balance_row("ETH", "1", "1")]
        await place.exchange._update_balances()
        place.valr.answers[BALANCES] = [balance_row("ETH", "?", "1"), balance_row("ZAR", "1", "?")]
        with pytest.raises(ValueError, match="balance"):
            await place.exchange._update_balances()
        assert place.exchange.get_all_balances() == {"ETH": Decimal(1)}


# --- Network and clock ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("which", ["account", "trade"])
async def test_a_living_socket_is_proof_of_the_network(which: str) -> None:
    async with world() as place:
        if which == "account":
            place.exchange._user_stream_source._last_frame_time = time.time()
        else:
            place.exchange._order_book_source._last_message_time = time.time()
        place.valr.requests.clear()
        place.valr.answers[TIME] = (503, "")
        assert await place.exchange.check_network() is NetworkStatus.CONNECTED
        assert place.valr.requests == []


async def test_silent_sockets_leave_the_network_to_a_request() -> None:
    async with world() as place:
        place.exchange._user_stream_source._last_frame_time = time.time() - 31
        assert await place.exchange.check_network() is NetworkStatus.CONNECTED
        assert len(place.valr.sent(TIME)) == 1
        place.valr.answers[TIME] = (503, "")
        assert await place.exchange.check_network() is NetworkStatus.NOT_CONNECTED


async def test_one_answer_that_fails_does_not_end_everything() -> None:
    async with world() as place:
        place.valr.requests.clear()
        answers: list[Any] = [(503, ""), {"epochTime": int(time.time())}]
        place.valr.answers[TIME] = lambda _: answers.pop(0)
        assert await place.exchange.check_network() is NetworkStatus.CONNECTED
        assert len(place.valr.sent(TIME)) == 2


async def test_a_check_of_the_network_may_take_as_long_as_its_two_requests() -> None:
    async with world() as place:
        assert place.exchange.check_network_timeout > 2 * REQUEST_DEADLINE + NETWORK_CHECK_RETRY


async def test_an_exchange_that_refuses_for_the_rate_is_there() -> None:
    async with world() as place:
        place.valr.answers[TIME] = (429, "")
        assert await place.exchange.check_network() is NetworkStatus.CONNECTED
        assert len(place.valr.sent(TIME)) == 1
        # It is not asked again while it wants to be left alone, nor waited for.
        assert await place.exchange.check_network() is NetworkStatus.CONNECTED
        assert len(place.valr.sent(TIME)) == 1
        await until(lambda: not place.exchange._troubles.pause(CONSTANTS.TIME_LIMIT_ID))
        place.valr.answers[TIME] = (503, "")
        assert await place.exchange.check_network() is NetworkStatus.NOT_CONNECTED


async def test_a_refused_signature_measures_the_clock_once_and_signs_anew() -> None:
    ahead = 3600
    async with world() as place:
        now = int(time.time()) + ahead
        place.valr.answers[TIME] = {"epochTime": now}
        answers = [refusal(-11252, "Request has an invalid signature", 401), [balance_row("ETH", "1", "1")]]
        place.valr.answers[BALANCES] = lambda _: answers.pop(0)
        await place.exchange._update_balances()
        assert place.exchange.get_balance("ETH") == 1
        first, second = place.valr.sent(BALANCES)
        assert len(place.valr.sent(TIME)) == 1
        assert abs(int(second.headers["X-VALR-TIMESTAMP"]) - now * 1000) < 10_000
        assert int(second.headers["X-VALR-TIMESTAMP"]) > int(first.headers["X-VALR-TIMESTAMP"]) + 3_000_000
        assert second.is_signed_rightly


async def test_a_signature_that_stays_refused_is_given_up() -> None:
    async with world() as place:
        place.valr.answers[BALANCES] = refusal(-11252, "Request has an invalid signature", 401)
        for _ in range(3):
            with pytest.raises(ValrRefusedError, match="invalid signature"):
                await place.exchange._update_balances()
        # The clock is right: it is not measured at each refusal.
        assert len(place.valr.sent(BALANCES)) == 6
        assert len(place.valr.sent(TIME)) == 1


async def test_a_signature_that_is_refused_once_though_the_clock_is_right_is_sent_once_more() -> None:
    async with world() as place:
        answers = [refusal(-11252, "Request has an invalid signature", 401), [balance_row("ETH", "1", "1")]]
        place.valr.answers[BALANCES] = lambda _: answers.pop(0)
        await place.exchange._update_balances()
        assert place.exchange.get_balance("ETH") == 1


async def test_a_refusal_in_other_words_is_not_sent_twice_when_the_clock_is_right() -> None:
    async with world() as place:
        place.valr.answers[BALANCES] = (403, {"message": "no"})
        with pytest.raises(ValrRefusedError):
            await place.exchange._update_balances()
        assert len(place.valr.sent(BALANCES)) == 1


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("body", [{"message": "Unauthorized"}, {"code": -7, "message": "no"}, {}])
async def test_a_clock_that_is_off_is_found_in_whichever_words_valr_refuses(
    status: int, body: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    def only_on_time(answer: Any) -> Any:
        return lambda request: (
            answer if abs(int(request.headers["X-VALR-TIMESTAMP"]) / 1000 - time.time() - 120) < 5 else (status, body)
        )

    async with world() as place:
        place.valr.answers |= {
            TIME: lambda _: {"epochTime": time.time() + 120},
            BALANCES: only_on_time([balance_row("ETH", "1", "1")]),
            FEES: only_on_time(OWN_FEES),
            LIMIT: only_on_time((201, {"id": ORDER_ID})),
        }
        place.exchange.buy(PAIR, Decimal("0.5"), OrderType.LIMIT, Decimal("10000"))
        await asyncio.gather(place.exchange._update_balances(), place.exchange._update_trading_fees())
        await until(lambda: place.told("created"))
        assert place.exchange.get_balance("ETH") == 1
        assert len(place.valr.sent(TIME)) == 1
        assert [len(place.valr.sent(path)) for path in (BALANCES, FEES, LIMIT)] == [2, 2, 2]
    assert len(texts(caplog, "s off its clock", logging.WARNING)) == 1


async def test_a_refusal_of_what_was_not_signed_says_nothing_of_the_clock() -> None:
    async with world(rules=False) as place:
        place.valr.answers |= {PAIRS: (403, {"message": "no"}), TIME: {"epochTime": time.time() + 120}}
        with pytest.raises(ValrRefusedError):
            await place.exchange._update_trading_rules()
        assert (len(place.valr.sent(PAIRS)), place.valr.sent(TIME)) == (1, [])


async def test_other_refusals_are_not_repeated() -> None:
    async with world() as place:
        place.valr.answers[BALANCES] = refusal(-11272, "The originating IP Address has not been whitelisted.", 401)
        with pytest.raises(ValrRefusedError, match="whitelisted"):
            await place.exchange._update_balances()
        assert len(place.valr.sent(BALANCES)) == 1
        assert place.valr.sent(TIME) == []


@pytest.mark.parametrize(("answers", "ahead"), [([3600, 0], 0), ([3600, 3600], 3600), ([3600, (503, "")], 0)])
async def test_a_jump_of_a_clock_is_followed_at_once_and_one_wrong_answer_is_not(
    answers: list[Any], ahead: int
) -> None:
    async with world() as place:
        await place.exchange._update_time_synchronizer()
        place.valr.answers[TIME] = lambda _: (
            {"epochTime": time.time() + answer} if isinstance(answer := answers.pop(0), int) else answer
        )
        await place.exchange._update_time_synchronizer()
        await until(place.exchange._clock_measurement.done)
        assert answers == []
        assert place.exchange._time_synchronizer.time() - time.time() == pytest.approx(ahead, abs=1.0)


async def test_a_clock_that_cannot_be_read_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with world() as place:
        place.valr.answers[TIME] = (503, "")
        await place.exchange._update_time_synchronizer()
    assert texts(caplog, "VALR's clock could not be read", logging.WARNING)


@asynccontextmanager
async def polling(exchange: ValrExchange) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Hummingbot's own loop of polls; what is yielded lets it poll once more."""
    exchange._keeper.ensure_running()
    loop = asyncio.create_task(exchange._status_polling_loop())

    async def poll() -> None:
        await until(lambda: not exchange._poll_notifier.is_set())
        exchange._poll_notifier.set()

    try:
        yield poll
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)


async def test_a_clock_that_hangs_holds_back_no_poll_and_the_first_only_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(valr_exchange, "FIRST_CLOCK_PATIENCE", 0.2)
    async with world() as place:
        answered = asyncio.Event()

        async def hang(_: Request) -> Any:
            await answered.wait()
            return {"epochTime": time.time() + 3600}

        place.valr.answers |= {TIME: hang, BALANCES: []}
        began = time.monotonic()
        async with polling(place.exchange) as poll:
            await poll()
            await until(lambda: len(place.valr.sent(BALANCES)) == 1)
            assert time.monotonic() - began >= 0.2
            monkeypatch.setattr(valr_exchange, "FIRST_CLOCK_PATIENCE", 60.0)
            for count in (2, 3):
                await poll()
                await until(lambda count=count: len(place.valr.sent(BALANCES)) == count)
            assert len(place.valr.sent(TIME)) == 1
            answered.set()
            await until(lambda: place.exchange._time_synchronizer.time() - time.time() > 3000)
            await poll()
            await until(lambda: len(place.valr.sent(TIME)) == 2)


async def test_the_first_poll_is_signed_by_valrs_clock() -> None:
    async with world() as place:
        place.valr.answers |= {TIME: lambda _: {"epochTime": time.time() + 3600}, BALANCES: []}
        async with polling(place.exchange) as poll:
            await poll()
            await until(lambda: place.valr.sent(BALANCES))
        stamp = int(place.valr.sent(BALANCES)[0].headers["X-VALR-TIMESTAMP"])
        assert stamp / 1000 - time.time() == pytest.approx(3600, abs=10)


async def test_while_the_clock_may_not_be_asked_for_polls_go_on_without() -> None:
    async with world() as place:
        place.valr.answers[BALANCES] = []
        place.exchange._troubles.rate_limited(CONSTANTS.TIME_LIMIT_ID, time.monotonic(), 60.0)
        async with polling(place.exchange) as poll:
            for count in (1, 2):
                await poll()
                await until(lambda count=count: len(place.valr.sent(BALANCES)) == count)
        assert place.valr.sent(TIME) == []
        assert place.exchange._clock_measurement is None


@pytest.mark.parametrize(("lost", "word"), [(status_path(), "Cancelled"), (TRADES, "Filled")])
async def test_a_question_that_is_lost_is_soon_asked_again(
    monkeypatch: pytest.MonkeyPatch, lost: str, word: str
) -> None:
    monkeypatch.setattr(valr_order_keeper, "LOOKUP_DEADLINE", 0.2)
    async with world() as place:
        order = place.track()
        is_filled = word == "Filled"
        place.valr.answers |= {
            status_path(): state(word, "0" if is_filled else "1"),
            TRADES: [trade()] if is_filled else [],
        }
        answer, over = place.valr.answers[lost], asyncio.Event()

        async def lose_the_first(_: Request) -> Any:
            if len(place.valr.sent(lost)) == 1:
                await over.wait()
            return answer

        place.valr.answers[lost] = lose_the_first
        place.exchange._keeper.ensure_running()
        place.exchange._keeper.reconcile()
        await until(lambda: order.is_done)
        over.set()
        assert len(place.valr.sent(lost)) >= 2


@pytest.mark.parametrize("slow", [status_path(), TRADES])
async def test_an_exchange_that_answers_slowly_is_heard_all_the_same(
    monkeypatch: pytest.MonkeyPatch, slow: str
) -> None:
    monkeypatch.setattr(valr_order_keeper, "LOOKUP_DEADLINE", 0.2)
    async with world() as place:
        place.valr.answers |= {status_path(): state("Filled", "0"), TRADES: [trade()]}
        answer = place.valr.answers[slow]
        delays = iter([0.4, 0.4, 0.4, 0.0])

        async def take_time(_: Request) -> Any:
            await asyncio.sleep(next(delays))
            return answer

        place.valr.answers[slow] = take_time
        keeper = place.exchange._keeper
        asked = [
            lambda: keeper.fetch_report(LookUp("HBOTB1", ORDER_ID, PAIR)),
            lambda: keeper.trades_since(PAIR, 0.0),
        ][slow == TRADES]
        with pytest.raises(ValrUnknownOutcomeError, match=r"within 0\.2 s"):
            await asked()
        for _ in range(3):
            assert keeper._slow_paths == {slow}
            assert await asked()
        assert keeper._slow_paths == set()


async def test_questions_that_were_answered_slowly_are_not_remembered_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(valr_order_keeper, "LOOKUP_DEADLINE", 0.05)
    monkeypatch.setattr(valr_order_keeper, "MOST_SLOW_PATHS", 1)
    async with world() as place:
        over = asyncio.Event()
        for order_id in ("first", "second"):
            place.valr.answers[status_path(order_id)] = lambda _: over.wait()
            with pytest.raises(ValrUnknownOutcomeError):
                await place.exchange._keeper.fetch_report(LookUp("HBOTB1", order_id, PAIR))
        assert place.exchange._keeper._slow_paths == {status_path("second")}
        over.set()


async def test_trades_that_hang_hold_back_those_of_no_other_pair() -> None:
    async with world(rules=False) as place:
        place.valr.answers[ORDER_TYPES] = [
            {"currencyPair": symbol, "orderTypes": ["LIMIT"]} for symbol in (SYMBOL, "BNBUSDC")
        ]
        await place.exchange._update_trading_rules()
        answered = asyncio.Event()

        async def hang(_: Request) -> Any:
            await answered.wait()
            return []

        other = "/v1/account/BNBUSDC/tradehistory?skip=0&limit=100"
        place.valr.answers |= {TRADES: hang, status_path(): state("Placed"), other: []}
        place.track()
        place.track("HBOTB2", "order-2", trading_pair="BNB-USDC")
        poll = asyncio.create_task(place.exchange._update_order_status())
        await until(lambda: place.valr.sent(TRADES) and place.valr.sent(other))
        answered.set()
        await poll


# --- Placing ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("order_type", "path", "fields"),
    [
        (OrderType.LIMIT, LIMIT, {"quantity": "0.0005", "price": "10000", "postOnly": False, "timeInForce": "GTC"}),
        (
            OrderType.LIMIT_MAKER,
            LIMIT,
            {"quantity": "0.0005", "price": "10000", "postOnly": True, "timeInForce": "GTC"},
        ),
        (OrderType.MARKET, MARKET, {"baseAmount": "0.0005"}),
    ],
)
@pytest.mark.parametrize("side", ["BUY", "SELL"])
async def test_what_goes_out(order_type: OrderType, path: str, fields: dict[str, Any], side: str) -> None:
    async with world() as place:
        # A minimum that this small amount reaches, whatever a market order is worth.
        place.exchange.trading_rules[PAIR].min_notional_size = Decimal(0)
        place.valr.answers[path] = (201, {"id": ORDER_ID})
        send = place.exchange.buy if side == "BUY" else place.exchange.sell
        identifier = send(PAIR, Decimal("0.000500000"), order_type, Decimal("1E+4"))
        await until(lambda: place.told("created"))
        (request,) = place.valr.sent(path)
        assert request.body == {"side": side, "pair": SYMBOL, **fields, "customerOrderId": identifier}
        assert request.is_signed_rightly
        assert identifier.isalnum()
        assert len(identifier) <= 32
        created = place.told("created")[0]
        assert (created.exchange_order_id, created.order_id) == (ORDER_ID, identifier)


async def test_an_order_is_in_the_journal_before_it_leaves_and_until_it_has_ended(data_folder: Path) -> None:
    seen: list[str] = []

    async with world() as place:

        def look(request: Request) -> Any:
            seen.extend(journals(data_folder))
            return 201, {"id": ORDER_ID}

        place.valr.answers[LIMIT] = look
        identifier = place.exchange.buy(PAIR, Decimal("0.5"), OrderType.LIMIT, Decimal("10000"))
        await until(lambda: place.told("created"))
        assert f"+ {identifier} {PAIR} " in seen[0]
        event = state("Cancelled", client_order_id=identifier)
        order = place.exchange.in_flight_orders[identifier]
        await place.hears({"type": "ORDER_STATUS_UPDATE", "data": event})
        assert len(place.told("cancelled")) == 1
        # Hummingbot's grid executor looks at this.
        assert not order.completely_filled_event.is_set()
    assert journals(data_folder) == []


async def test_an_order_above_the_maximum_never_leaves() -> None:
    async with world() as place:
        place.exchange.buy(PAIR, Decimal("69.22"), OrderType.LIMIT, Decimal("10000"))
        await until(lambda: place.told("failed"))
        assert "maximum order size 69.21" in place.told("failed")[0].error_message
        assert place.valr.sent(LIMIT) == []


async def test_a_market_order_without_a_book_to_price_it_fails_and_never_leaves() -> None:
    async with world() as place:
        place.exchange.buy(PAIR, Decimal("0.5"), OrderType.MARKET, Decimal("NaN"))
        await until(lambda: place.told("failed"))
        assert "No order book exists" in place.told("failed")[0].error_message
        assert place.exchange.in_flight_orders == {}
        assert place.valr.sent(MARKET) == []


async def test_valrs_reason_reaches_the_strategy() -> None:
    async with world() as place:
        place.valr.answers[LIMIT] = (400, sample("rest-orders-limit-v2-failed"))
        place.exchange.buy(PAIR, Decimal("0.5"), OrderType.LIMIT, Decimal("10000"))
        await until(lambda: place.told("failed"))
        (failure,) = place.told("failed")
        assert "Insufficient Balance" in failure.error_message
        assert failure.error_type == "ValrRefusedError"
        assert not place.exchange.in_flight_orders


@pytest.mark.parametrize("answer", [(503, "<html>down</html>"), (400, "<html>proxy</html>"), (200, "not json")])
async def test_an_unknown_outcome_is_looked_up_and_the_order_goes_on(answer: Any) -> None:
    async with world() as place:
        place.valr.answers[LIMIT] = answer
        identifier = place.exchange.buy(PAIR, Decimal("1"), OrderType.LIMIT, Decimal("10000"))
        path = f"/v1/orders/{SYMBOL}/customerorderid/{identifier}"
        place.valr.answers[path] = state("Placed", client_order_id=identifier)
        await until(lambda: place.told("created"))
        assert place.told("created")[0].exchange_order_id == ORDER_ID
        assert place.told("failed") == []
        assert len(place.valr.sent(LIMIT)) == 1


async def test_an_order_that_valr_never_saw_fails_only_after_patience_and_a_vain_cancel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(valr_order_lifecycle, "PATIENCE", 0.3)
    monkeypatch.setattr(valr_order_lifecycle, "LOOKUP_RETRY", 0.02)
    monkeypatch.setattr(valr_order_lifecycle, "LOOKUP_RETRY_MAX", 0.05)
    monkeypatch.setattr(valr_order_record, "LOOKUP_SPACING", 0.01)
    async with world() as place:
        place.valr.answers |= {LIMIT: (503, ""), CANCEL: refusal(-16, "Could not find the order to cancel")}
        began = time.monotonic()
        place.exchange.buy(PAIR, Decimal("1"), OrderType.LIMIT, Decimal("10000"))
        await until(lambda: place.told("failed"))
        assert time.monotonic() - began >= 0.3
        assert place.valr.sent(CANCEL)
        assert len(place.valr.sent(LIMIT)) == 1
        (failure,) = place.told("failed")
        assert "does not know" in failure.error_message
        # It is looked for in the open orders all the same, and cancelled if it appears: nobody wants it any more.
        row = {"orderId": ORDER_ID, "customerOrderId": failure.order_id, "status": "Placed", "currencyPair": SYMBOL}
        place.valr.answers |= {OPEN_ORDERS: [row], CANCEL: {"id": ORDER_ID}, status_path(): state("Placed")}
        await place.exchange._update_order_status()
        assert place.exchange._keeper.shown_strays == [failure.order_id]
        stopping = asyncio.create_task(place.exchange.cancel_all(5))
        await asyncio.sleep(0.05)
        assert not stopping.done()
        place.valr.answers[status_path()] = state("Cancelled", client_order_id=failure.order_id)
        assert await stopping == [CancellationResult(failure.order_id, True)]


async def test_the_first_order_starts_the_loop_where_nobody_started_the_network() -> None:
    async with world() as place:
        identifier = await place.placed()
        place.valr.answers[status_path()] = state("Cancelled", client_order_id=identifier)
        await place.hears({"type": "FAILED_CANCEL_ORDER", "data": {"orderId": ORDER_ID, "message": "?"}})
        await until(lambda: place.told("cancelled"))


# --- Cancelling -------------------------------------------------------------------------------------------------------
async def test_a_cancel_is_told_only_when_it_is_proven_how_much_was_filled() -> None:
    async with world() as place:
        order = place.track()
        place.valr.answers[CANCEL] = {"id": ORDER_ID}
        place.exchange.cancel(PAIR, "HBOTB1")
        await until(lambda: order.current_state is OrderState.PENDING_CANCEL)
        assert place.told("cancelled") == []
        place.valr.answers[TRADES] = [trade(quantity="0.25")]
        place.valr.answers[status_path()] = state("Cancelled", "0.75")
        await until(lambda: place.told("cancelled"))
        assert [fill.amount for fill in place.told("filled")] == [Decimal("0.25")]
        assert len(place.valr.sent(CANCEL)) == 1


async def test_an_order_without_an_exchange_id_is_cancelled_by_its_own() -> None:
    async with world() as place:
        place.track(order_id=None)
        place.valr.answers[CANCEL] = {"id": "HBOTB1"}
        place.exchange.cancel(PAIR, "HBOTB1")
        await until(lambda: place.valr.sent(CANCEL))
        assert place.valr.sent(CANCEL)[0].body == {"customerOrderId": "HBOTB1", "pair": SYMBOL}


async def test_cancel_all_waits_for_proof() -> None:
    async with world() as place:
        place.track()
        release = asyncio.Event()

        async def cancel(_: Request) -> Any:
            await release.wait()
            return {"id": ORDER_ID}

        place.valr.answers[CANCEL] = cancel
        task = asyncio.create_task(place.exchange.cancel_all(5))
        await until(lambda: place.valr.sent(CANCEL))
        assert not task.done()
        release.set()
        assert await task == [CancellationResult("HBOTB1", True)]


async def test_cancel_all_does_not_take_a_refusal_for_the_end(caplog: pytest.LogCaptureFixture) -> None:
    async with world() as place:
        place.track()
        place.valr.answers |= {CANCEL: refusal(-11, "Invalid Request"), status_path(): state("Placed")}
        assert await place.exchange.cancel_all(0.2) == [CancellationResult("HBOTB1", False)]
        assert place.told("cancelled") == []
    assert texts(caplog, "Not proven to be cancelled within 0.2 s: HBOTB1", logging.ERROR)


async def test_cancel_all_counts_a_fill_that_was_faster_as_gone() -> None:
    async with world() as place:
        place.track()
        place.valr.answers |= {
            CANCEL: refusal(-16, "Could not find the order to cancel"),
            status_path(): state("Filled", "0"),
            TRADES: [trade()],
        }
        assert await place.exchange.cancel_all(5) == [CancellationResult("HBOTB1", True)]
        await until(lambda: place.told("completed"))
        assert place.told("cancelled") == []


async def test_cancel_all_cancels_what_lives_on_beyond_the_amount_that_hummingbot_knows() -> None:
    async with world() as place:
        order = place.track()
        enlarged = state("Partially Filled", "2", originalQuantity="3")
        paid = trade(fee="1", feeCurrency="ZAR")
        await place.hears(
            {"type": "ORDER_STATUS_UPDATE", "data": enlarged}, {"type": "NEW_ACCOUNT_TRADE", "data": paid}
        )
        await until(lambda: order.is_done)
        assert place.told("completed") == []
        place.valr.answers[CANCEL] = {"id": ORDER_ID}
        assert await place.exchange.cancel_all(5) == [CancellationResult("HBOTB1", True)]
        assert place.valr.sent(CANCEL)


async def test_cancel_all_without_orders() -> None:
    async with world() as place:
        assert await place.exchange.cancel_all(1) == []


async def test_a_cancel_that_hung_when_cancel_all_gave_up_is_still_seen_to() -> None:
    async with world() as place:
        place.track()
        hang = asyncio.Event()

        async def hanging(_: Request) -> Any:
            await hang.wait()
            return {"id": ORDER_ID}

        place.valr.answers |= {CANCEL: hanging, status_path(): state("Placed")}
        assert await place.exchange.cancel_all(0.2) == [CancellationResult("HBOTB1", False)]
        hang.set()
        place.valr.answers[CANCEL] = {"id": ORDER_ID}
        await until(lambda: len(place.valr.sent(CANCEL)) >= 2)
        place.valr.answers[status_path()] = state("Cancelled")
        await until(lambda: place.told("cancelled"))


async def test_neither_cancels_nor_lookups_nor_trades_wait_for_valrs_list_of_pairs() -> None:
    async with world(rules=False) as place:
        place.valr.answers |= {PAIRS: (503, ""), CANCEL: {"id": ORDER_ID}, status_path(): state("Cancelled")}
        place.track()
        await place.exchange._update_order_status()
        assert len(place.told("cancelled")) == 1
        await place.exchange._keeper.fetch_trades(PAIR)
        assert place.valr.sent(TRADES)
        place.track("HBOTB2", "another")
        place.valr.answers[status_path("another")] = state("Cancelled", "1", "HBOTB2", orderId="another")
        assert await place.exchange.cancel_all(5) == [CancellationResult("HBOTB2", True)]
        assert not place.valr.sent(PAIRS)


async def test_a_poll_that_is_given_up_stops_no_later_lookup() -> None:
    async with world() as place:
        place.track()
        hang = asyncio.Event()

        async def hanging(_: Request) -> Any:
            await hang.wait()
            return state("Placed")

        place.valr.answers[status_path()] = hanging
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(place.exchange._update_order_status(), 0.1)
        hang.set()
        place.valr.answers[status_path()] = state("Cancelled")
        await place.exchange._update_order_status()
        assert len(place.told("cancelled")) == 1


@pytest.mark.parametrize("first", [(429, "<html>slow down</html>"), (503, ""), refusal(-11, "Invalid Request")])
async def test_a_cancel_that_did_not_work_is_sent_again(first: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(valr_order_lifecycle, "RESEND_CANCEL_AFTER", 0.01)
    async with world() as place:
        place.track()
        answers = [first]
        place.valr.answers[CANCEL] = lambda _: answers.pop(0) if answers else {"id": ORDER_ID}
        place.valr.answers[status_path()] = state("Placed")
        place.exchange.cancel(PAIR, "HBOTB1")
        await until(lambda: len(place.valr.sent(CANCEL)) == 2)
        place.valr.answers[status_path()] = state("Cancelled")
        await until(lambda: place.told("cancelled"))
        assert place.told("failed") == []


async def test_a_cancel_under_way_is_not_sent_twice() -> None:
    async with world() as place:
        place.track()
        release = asyncio.Event()

        async def cancel(_: Request) -> Any:
            await release.wait()
            return {"id": ORDER_ID}

        place.valr.answers |= {CANCEL: cancel, status_path(): state("Cancelled")}
        for _ in range(3):
            place.exchange.cancel(PAIR, "HBOTB1")
        await until(lambda: place.valr.sent(CANCEL))
        release.set()
        await until(lambda: place.told("cancelled"))
        assert len(place.valr.sent(CANCEL)) == 1


async def test_what_the_framework_may_ask_about_a_refusal() -> None:
    async with world() as place:
        unknown = ValrRefusedError("it", ApiError(code=-1, message="Invalid Order. "), 400)
        gone = ValrRefusedError("it", ApiError(code=-16, message="Could not find the order to cancel"), 400)
        other = ValrRefusedError("it", ApiError(code=-11, message="Invalid Request"), 400)
        asked = place.exchange._is_order_not_found_during_status_update_error
        assert [asked(unknown), asked(other), asked(OSError("x"))] == [True, False, False]
        asked = place.exchange._is_order_not_found_during_cancelation_error
        assert [asked(gone), asked(other), asked(OSError("x"))] == [True, False, False]


# --- What VALR says that cannot be read -------------------------------------------------------------------------------
async def test_a_status_that_cannot_be_read_is_asked_for_again(caplog: pytest.LogCaptureFixture) -> None:
    async with world() as place:
        order = place.track()
        place.valr.answers[status_path()] = {"orderId": ORDER_ID, "remainingQuantity": "much"}
        await place.exchange._update_order_status()
        assert not order.is_done
        place.valr.answers[status_path()] = state("Cancelled")
        await place.exchange._update_order_status()
        assert len(place.told("cancelled")) == 1
    assert len(texts(caplog, "Order HBOTB1 could not be looked up")) == 1


@pytest.mark.parametrize(
    "summary", [refusal(-11, "invalid for this request"), (400, "<html>"), (404, ""), (500, ""), {"orderId": ""}]
)
async def test_a_summary_that_is_refused_leaves_the_word_to_the_status(summary: Any) -> None:
    """VALR refuses the summary of an open order, nobody knows how (valr-api.md 9)."""
    async with world() as place:
        place.track()
        path = f"/v1/orders/history/summary/orderid/{ORDER_ID}"
        place.valr.answers |= {status_path(): state("Placed"), path: summary}
        report = await place.exchange._keeper.fetch_report(LookUp("HBOTB1", ORDER_ID, PAIR, totals=True))
        assert place.valr.sent(path)
        assert report is not None
        assert report.status == "Placed"


@pytest.mark.parametrize("detail", [[], refusal(-1, "Invalid Order. "), (404, "")])
async def test_an_order_is_unknown_however_the_history_says_so(detail: Any) -> None:
    async with world() as place:
        place.track()
        path = "/v1/orders/history/detail/customerorderid/HBOTB1"
        place.valr.answers[path] = detail
        assert await place.exchange._keeper.fetch_report(LookUp("HBOTB1", ORDER_ID, PAIR)) is None
        assert len(place.valr.sent(path)) == 1


@pytest.mark.parametrize("thorough", [True, False])
async def test_an_order_whose_client_id_was_changed_is_found_by_its_own(thorough: bool) -> None:
    """Whoever modifies it in VALR's app may give it another, and the status may have forgotten it since it ended."""
    async with world() as place:
        place.track()
        path = f"/v1/orders/history/detail/orderid/{ORDER_ID}"
        changed = state("Cancelled", client_order_id="another")
        place.valr.answers |= {"/v1/orders/history/detail/customerorderid/HBOTB1": [], path: [changed]}
        report = await place.exchange._keeper.fetch_report(LookUp("HBOTB1", ORDER_ID, PAIR, thorough=thorough))
        assert (report.status if report else None) == ("Cancelled" if thorough else None)
        assert bool(place.valr.sent(path)) == thorough


async def test_refused_cancels_are_said_once_for_each_order_and_a_refused_key_once_for_all(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with world() as place:
        for number in (1, 2):
            place.track(f"HBOTB{number}", f"order-{number}")
        for code, lines in ((-11252, 1), (-11, 3)):
            place.valr.answers[CANCEL] = refusal(code, "no")
            for _ in range(3):
                for number in (1, 2):
                    wish = SendCancel(f"HBOTB{number}", f"order-{number}", PAIR, over_rest=True)
                    assert not await place.exchange._keeper._send_cancel(wish)
            assert len(texts(caplog, "Failed to cancel order", logging.ERROR)) == lines


def test_warnings_of_long_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(valr_order_keeper, "time", SimpleNamespace(monotonic=lambda: now))
    warn = valr_order_keeper.Warner(lambda: logging.getLogger("test"))
    for number in range(valr_order_keeper.MOST_KINDS):
        assert warn("trouble", f"kind {number}")
    assert not warn("trouble", "kind 0")
    now = valr_order_keeper.WARNING_INTERVAL + 1
    assert warn("trouble", "another kind")
    assert list(warn._warned_at) == ["another kind"]
    assert warn("trouble", "kind 0")


async def test_a_poll_fetches_the_trades_of_some_pairs_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(valr_order_keeper, "PAIRS_A_POLL", 1)
    fetched: list[str] = []
    async with world() as place:
        keeper = place.exchange._keeper

        async def fetch(trading_pair: str) -> None:
            fetched.append(trading_pair)

        monkeypatch.setattr(keeper, "fetch_trades", fetch)
        pairs = ["A-ZAR", "B-ZAR", "C-ZAR"]
        orders = {pair: SimpleNamespace(trading_pair=pair) for pair in pairs}
        monkeypatch.setattr(keeper, "_tracker", SimpleNamespace(lost_orders={}, all_updatable_orders=orders))
        for _ in range(5):
            await keeper.poll()
        monkeypatch.setattr(valr_order_keeper, "PAIRS_A_POLL", 10)
        await keeper.poll()
    assert fetched == [*pairs, "A-ZAR", "B-ZAR", "C-ZAR", "A-ZAR", "B-ZAR"]


async def test_a_trade_that_cannot_be_read_hides_no_other_and_holds_the_end_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with world() as place:
        order = place.track()
        place.valr.answers |= {
            status_path(): state("Filled", "0"),
            TRADES: [trade("t2", "0.5", price="?"), trade("t1", "0.5")],
        }
        for _ in range(2):
            await place.exchange._update_order_status()
        assert [fill.exchange_trade_id for fill in place.told("filled")] == ["t1"]
        assert not order.is_done
        place.valr.answers[TRADES] = [trade("t2", "0.5"), trade("t1", "0.5")]
        await place.exchange._update_order_status()
        assert len(place.told("completed")) == 1
        assert [fill.exchange_trade_id for fill in place.told("filled")] == ["t1", "t2"]
    assert len(texts(caplog, "A trade of ETH-ZAR cannot be read")) == 1


@pytest.mark.parametrize("content", [{"orders": []}, "null", (503, "")])
async def test_a_list_of_open_orders_that_is_none_is_no_evidence(content: Any) -> None:
    async with world() as place:
        order = place.track()
        place.valr.answers |= {OPEN_ORDERS: content, status_path(): state("Placed")}
        await place.exchange._update_order_status()
        assert order.is_open
        assert len(place.valr.sent(status_path())) == 1


async def test_a_listed_order_needs_no_call_of_its_own() -> None:
    async with world() as place:
        order = place.track()
        place.valr.answers[OPEN_ORDERS] = [{"orderId": ORDER_ID, "status": "Placed", "currencyPair": SYMBOL}]
        await place.exchange._update_order_status()
        assert order.is_open
        assert not place.valr.sent(status_path())


@pytest.mark.parametrize(
    "odd",
    [
        {"symbol": None},
        {"symbol": ["ETHZAR"]},
        {"symbol": ""},
        {"symbol": "ODDZAR", "baseCurrency": None},
        {"symbol": "ODDZAR", "quoteCurrency": {}},
        {"symbol": None, "active": False},
    ],
)
@pytest.mark.parametrize("order_types", [rows({"symbol": "ETHZAR"}, {"symbol": "ODDZAR"})[1], (503, "<html>")])
async def test_a_row_that_names_no_pair_is_left_out(
    odd: dict[str, Any], order_types: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(rules=False) as place:
        place.valr.answers |= {PAIRS: rows(odd, {"symbol": "ETHZAR"}, odd)[0], ORDER_TYPES: order_types}
        assert await place.exchange.all_trading_pairs() == [PAIR]
        await place.exchange._update_trading_rules()
        assert set(place.exchange.trading_rules) == {PAIR}
    assert len(texts(caplog, "names no symbol or no currencies", logging.WARNING)) == 1


@pytest.mark.parametrize("symbol", [None, ["ETHZAR"], 7])
async def test_a_symbol_once_known_stays_when_its_row_cannot_be_read(symbol: Any) -> None:
    async with world() as place:
        place.valr.answers[PAIRS] = rows({"symbol": symbol}, {"symbol": "BTCZAR", "baseCurrency": "BTC"})[0]
        place.valr.answers[ORDER_TYPES] = (503, "<html>")
        await place.exchange._update_trading_rules()
        assert await place.exchange.exchange_symbol_associated_to_pair(PAIR) == SYMBOL
        assert PAIR in place.exchange.trading_rules


async def test_an_inactive_pair_of_ours_is_known_in_whichever_letters() -> None:
    async with world(rules=False) as place:
        place.valr.answers[PAIRS] = rows({"symbol": "ETHZAR", "active": "false", "currencyPairType": "Spot"})[0]
        await place.exchange._update_trading_rules()
        assert set(place.exchange.trading_rules) == {PAIR}
        assert await place.exchange.exchange_symbol_associated_to_pair(PAIR) == SYMBOL


# --- The journal ------------------------------------------------------------------------------------------------------
async def test_a_journal_that_cannot_be_written_is_said_and_trading_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    hummingbot.set_data_path(str(tmp_path / "file" / "data"))
    async with world() as place:
        await place.placed()
        assert len(place.told("created")) == 1
    assert texts(caplog, "The order journal cannot be written", logging.ERROR)


async def test_an_order_that_only_the_journal_knows_is_cancelled_and_said_so(
    data_folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valr_order_keeper, "STRAY_GRACE", 0.0)
    async with world() as place:
        journal = OrderJournal(lambda: data_folder, place.exchange._auth.account_fingerprint)
        journal.open()
        journal.add("HBOTBlost", PAIR)
        journal.close()
        looked_up = f"/v1/orders/{SYMBOL}/customerorderid/HBOTBlost"
        place.valr.answers |= {CANCEL: {"id": ORDER_ID}, looked_up: state("Placed", client_order_id="HBOTBlost")}
        await place.exchange.start_network()
        await until(lambda: place.valr.sent(CANCEL))
        place.valr.answers[status_path()] = state("Cancelled", client_order_id="HBOTBlost")
        await until(lambda: texts(caplog, "ours, live on VALR and unknown to the bot", logging.ERROR))
        await until(
            lambda: not any("+ HBOTBlost" in text and "- HBOTBlost" not in text for text in journals(data_folder))
        )
        for kind in set(EVENTS.values()):
            assert place.told(kind) == []


# --- Orders of an earlier run -----------------------------------------------------------------------------------------
def saved(client_order_id: str, **fields: Any) -> dict[str, Any]:
    order = InFlightOrder(
        client_order_id=client_order_id,
        trading_pair=PAIR,
        order_type=OrderType.LIMIT,
        trade_type=TradeType.BUY,
        amount=Decimal(1),
        price=Decimal(10000),
        creation_timestamp=1640780000.0,
        **{"exchange_order_id": ORDER_ID, "initial_state": OrderState.OPEN, **fields},
    )
    return {client_order_id: order.to_json()}


async def test_restored_orders_are_asked_for_at_once_and_their_past_is_not_told_again() -> None:
    async with world() as place:
        place.valr.answers |= {status_path(): state("Filled", "0"), TRADES: [trade()]}
        place.exchange.restore_tracking_states(saved("HBOTB1"))
        assert "HBOTB1" in place.exchange.in_flight_orders
        await place.exchange.start_network()
        await until(lambda: place.told("completed"))
        assert place.told("created") == []
        assert [fill.amount for fill in place.told("filled")] == [Decimal(1)]


FAILED_UNSEEN = {"initial_state": OrderState.FAILED, "exchange_order_id": None}


async def test_an_order_saved_as_failed_that_lives_is_cancelled_and_its_fills_are_told() -> None:
    async with world() as place:
        by_client_id = f"/v1/orders/{SYMBOL}/customerorderid/HBOTB1"
        place.valr.answers |= {by_client_id: state("Partially Filled", "0.5"), CANCEL: (200, {"id": ORDER_ID})}
        place.valr.answers |= {status_path(): state("Cancelled", "0.5"), TRADES: [trade(quantity="0.5")]}
        place.exchange.restore_tracking_states(saved("HBOTB1", **FAILED_UNSEEN))
        assert place.exchange.in_flight_orders == {}
        await place.exchange.start_network()
        await until(lambda: place.told("filled"))
        assert [fill.amount for fill in place.told("filled")] == [Decimal("0.5")]
        await until(lambda: not place.exchange._keeper._lifecycle.live_ids)
        assert place.valr.sent(CANCEL)
        await place.exchange._update_lost_orders_status()
        assert place.exchange.tracking_states == {}


async def test_an_order_saved_as_failed_is_let_go_when_it_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world() as place:
        keeper = place.exchange._keeper
        place.exchange.restore_tracking_states(saved("HBOTB1", **FAILED_UNSEEN))
        await place.exchange._update_lost_orders_status()
        assert set(place.exchange.tracking_states) == {"HBOTB1"}
        monkeypatch.setattr(valr_order_lifecycle, "PATIENCE", 0.0)
        monkeypatch.setattr(valr_order_lifecycle, "LOOKUP_RETRY", 0.01)
        monkeypatch.setattr(valr_order_lifecycle, "LOOKUP_RETRY_MAX", 0.01)
        place.valr.answers[CANCEL] = refusal(-16, "Invalid order ID")
        keeper.ensure_running()
        await until(lambda: not keeper._lifecycle.live_ids)
        await place.exchange._update_lost_orders_status()
        assert place.exchange.tracking_states == {}
        assert place.told("failed") == []


async def test_a_restored_order_is_in_the_journal(data_folder: Path) -> None:
    async with world() as place:
        place.valr.answers[status_path()] = state("Placed")
        place.exchange.restore_tracking_states(saved("HBOTB1"))
        await place.exchange.start_network()
        await until(lambda: place.valr.sent(status_path()))
        (text,) = journals(data_folder)
        assert f"+ HBOTB1 {PAIR} " in text


async def test_orders_of_an_earlier_run_are_named_and_kept(caplog: pytest.LogCaptureFixture) -> None:
    async with world() as place:
        place.valr.answers[status_path()] = state("Placed")
        place.exchange.restore_tracking_states(saved("HBOTB1"))
        await place.exchange.start_network()
        await until(lambda: place.valr.sent(status_path()))
        assert place.valr.sent(CANCEL) == []
        (text,) = texts(caplog, "Orders of an earlier run", logging.WARNING)
        assert "looked after: HBOTB1. " in text


async def test_orders_of_an_earlier_run_are_cancelled_where_that_is_wanted(caplog: pytest.LogCaptureFixture) -> None:
    async with world(valr_earlier_orders="cancel") as place:
        answers = {status_path(): state("Cancelled"), CANCEL: (200, {"id": ORDER_ID})}
        place.valr.answers |= answers
        place.valr.answers[status_path()] = lambda _: state("Cancelled" if place.valr.sent(CANCEL) else "Placed")
        place.exchange.restore_tracking_states(saved("HBOTB1") | saved("HBOTB2", exchange_order_id="filled"))
        place.valr.answers[status_path("filled")] = state("Filled", "0", client_order_id="HBOTB2", orderId="filled")
        place.valr.answers[TRADES] = [trade(orderId="filled")]
        await place.exchange.start_network()
        await until(lambda: place.told("cancelled") and place.told("completed"))
        assert [event.order_id for event in place.told("cancelled")] == ["HBOTB1"]
        assert [event.order_id for event in place.told("completed")] == ["HBOTB2"]
        assert place.exchange.in_flight_orders == {}
    assert "(earlier_orders): HBOTB1, HBOTB2." in texts(caplog, "Orders of an earlier run", logging.WARNING)[0]


async def test_nothing_is_said_of_earlier_orders_that_had_failed_or_never_were(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with world(valr_earlier_orders="cancel") as place:
        place.exchange.restore_tracking_states({})
        place.exchange.restore_tracking_states(saved("HBOTB1", **FAILED_UNSEEN))
    assert texts(caplog, "Orders of an earlier run") == []


# --- The account socket's events --------------------------------------------------------------------------------------
async def test_an_event_never_heard_of_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async with world() as place:
        await place.hears(*[{"type": "BRAND_NEW", "data": {}}] * 3, {"type": "ALSO_NEW"}, {"type": "BRAND_NEW"})
    assert len(texts(caplog, "unknown type BRAND_NEW")) == 1
    assert len(texts(caplog, "unknown type ALSO_NEW")) == 1


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "ORDER_STATUS_UPDATE", "data": {"orderId": ORDER_ID, "remainingQuantity": "much"}},
        {"type": "ORDER_STATUS_UPDATE", "data": {"customerOrderId": "HBOTB1"}},
        {"type": "NEW_ACCOUNT_TRADE", "data": {"orderId": ORDER_ID}},
        {"type": "ORDER_PROCESSED", "data": {"orderId": ORDER_ID, "success": "perhaps"}},
        {"type": "ORDER_PROCESSED", "data": {"orderId": ORDER_ID, "success": False, "failureReason": "?"}},
        {"type": "FAILED_ORDER", "data": {"orderId": ORDER_ID, "message": "?"}},
        {"type": "FAILED_CANCEL_ORDER", "data": {"customerOrderId": "HBOTB1"}},
        {"type": "MODIFY_ORDER_OUTCOME", "data": {"orderId": ORDER_ID, "success": True}},
        {"type": "ORDER_STATUS_UPDATE", "data": {"orderId": ORDER_ID, "orderStatusType": "Levitating"}},
        {"type": "BRAND_NEW", "data": {}},
    ],
)
async def test_what_is_unclear_changes_nothing_and_is_looked_up(frame: dict[str, Any]) -> None:
    async with world() as place:
        order = place.track()
        place.exchange._keeper.ensure_running()
        asked = asyncio.Event()

        async def answer(_: Request) -> Any:
            asked.set()
            return state("Placed")

        place.valr.answers[status_path()] = answer
        await place.hears(frame)
        assert not order.is_done
        await asyncio.wait_for(asked.wait(), 3)
        for kind in ("failed", "cancelled", "filled", "completed"):
            assert place.told(kind) == []


@pytest.mark.parametrize("echo", [{"clientMsgId": "HBOTB1"}, {"clientMsgId": "try2HBOTB1"}, {}])
async def test_a_late_reply_names_its_order(echo: dict[str, str]) -> None:
    async with world() as place:
        place.track(order_id=None)
        data = {"orderId": ORDER_ID, "customerOrderId": "HBOTB1"}
        await place.hears({"type": "PLACE_LIMIT_WS_RESPONSE", "data": data, **echo})
        event = state("Placed", client_order_id="")
        await place.hears({"type": "ORDER_STATUS_UPDATE", "data": event})
        assert [created.exchange_order_id for created in place.told("created")] == [ORDER_ID]


async def test_a_late_refusal_is_looked_up_not_believed() -> None:
    async with world() as place:
        order = place.track(order_id=None)
        place.exchange._keeper.ensure_running()
        place.valr.answers[f"/v1/orders/{SYMBOL}/customerorderid/HBOTB1"] = state("Placed")
        refused = {"type": "PLACE_LIMIT_WS_RESPONSE", "clientMsgId": "HBOTB1", "error": {"code": -6, "message": "no"}}
        await place.hears(refused)
        assert not order.is_done
        await until(lambda: place.told("created"))


async def test_late_replies_to_cancels_and_socket_errors_are_no_evidence(caplog: pytest.LogCaptureFixture) -> None:
    async with world() as place:
        order = place.track()
        await place.hears(
            {"type": "CANCEL_ORDER_WS_RESPONSE", "clientMsgId": "x", "data": {"requested": True, "orderId": ORDER_ID}},
            *2 * [{"type": "ERROR", "message": "something"}],
            {"type": "SUBSCRIBED", "message": "ORDER_STATUS_UPDATE"},
            {"type": "OPEN_ORDERS_UPDATE", "data": []},
            {"type": "OPEN_ORDERS_UPDATE", "data": None},
        )
        assert not order.is_done
        assert place.told("cancelled") == []
    assert len(texts(caplog, "VALR reports an error on the account socket: something")) == 1


async def test_a_listed_order_is_open() -> None:
    async with world() as place:
        place.track(order_id=None)
        row = {"orderId": ORDER_ID, "customerOrderId": "HBOTB1", "status": "Placed", "currencyPair": SYMBOL}
        await place.hears({"type": "OPEN_ORDERS_UPDATE", "data": [row]})
        assert len(place.told("created")) == 1


# --- Asking on behalf of the framework --------------------------------------------------------------------------------
async def test_the_frameworks_own_questions_about_an_order() -> None:
    async with world() as place:
        order = place.track()
        place.valr.answers[status_path()] = state("Partially Filled", "0.5")
        update = await place.exchange._request_order_status(order)
        assert (update.new_state, update.exchange_order_id) == (OrderState.PARTIALLY_FILLED, ORDER_ID)
        assert update.update_timestamp == 1752742025.537
        place.valr.answers[status_path()] = state("Levitating")
        assert (await place.exchange._request_order_status(order)).new_state is order.current_state
        del place.valr.answers[status_path()]
        with pytest.raises(OSError, match="does not know order HBOTB1"):
            await place.exchange._request_order_status(order)

        place.valr.answers[TRADES] = [trade("t1", "0.25"), trade("t2", orderId="another")]
        updates = await place.exchange._all_trade_updates_for_order(order)
        assert [(update.trade_id, update.fill_base_amount) for update in updates] == [("t1", Decimal("0.25"))]


async def test_trades_are_read_page_by_page_until_they_are_old_enough() -> None:
    async with world() as place:
        order = place.track()
        old, new = "2020-01-01T00:00:00Z", "2035-01-01T00:00:00Z"
        pages = {
            0: [trade(f"a{number}", tradedAt=new, orderId="x") for number in range(100)],
            100: [trade("b", tradedAt=new), *(trade(f"b{number}", tradedAt=old, orderId="x") for number in range(99))],
            200: [trade("c", tradedAt=old)],
        }
        for skip, page in pages.items():
            place.valr.answers[TRADES.replace("skip=0", f"skip={skip}")] = page
        updates = await place.exchange._all_trade_updates_for_order(order)
        assert [update.trade_id for update in updates] == ["b"]
        assert not place.valr.sent(TRADES.replace("skip=0", "skip=200"))


# --- Prices -----------------------------------------------------------------------------------------------------------
def summary(symbol: str, price: str) -> dict[str, str]:
    return {"currencyPair": symbol, "lastTradedPrice": price}


async def test_last_prices_of_all_pairs_take_one_call() -> None:
    async with world() as place:
        place.valr.answers[SUMMARY] = [summary("ETHZAR", "45000"), summary("PYUSDZAR", "18.1")]
        prices = await place.exchange.get_last_traded_prices(["ETH-ZAR"])
        assert prices == {"ETH-ZAR": 45000.0}
        await place.exchange.get_last_traded_prices(["ETH-ZAR"])
        assert len(place.valr.sent(SUMMARY)) == 1
        assert "X-VALR-SIGNATURE" not in place.valr.sent(SUMMARY)[0].headers


async def test_a_pair_without_a_summary_has_no_price() -> None:
    async with world() as place:
        place.valr.answers[SUMMARY] = [summary("PYUSDZAR", "18.1")]
        with pytest.raises(ValueError, match="no market summary of ETH-ZAR"):
            await place.exchange.get_last_traded_prices(["ETH-ZAR"])


async def test_a_pair_without_a_price_hides_no_other() -> None:
    async with world() as place:
        place.valr.answers[SUMMARY] = [summary("ETHZAR", "45000"), summary("PYUSDZAR", "18.1")]
        prices = await place.exchange.get_last_traded_prices(["BNB-USDC", "NEW-ZAR", "ETH-ZAR"])
        assert prices == {"ETH-ZAR": 45000.0}


async def test_what_the_socket_told_needs_no_summary() -> None:
    async with world() as place:
        place.exchange._order_book_source._pair(PAIR).last_trade_price = Decimal(7)
        place.valr.answers[SUMMARY] = (503, "")
        assert await place.exchange.get_last_traded_prices([PAIR]) == {PAIR: 7.0}
        assert not place.valr.sent(SUMMARY)
        assert await place.exchange.get_last_traded_prices(["BNB-USDC", "SHIB-USDC", PAIR]) == {PAIR: 7.0}
        assert len(place.valr.sent(SUMMARY)) == 1
        with pytest.raises(OSError, match="503"):
            await place.exchange.get_last_traded_prices(["BNB-USDC", "SHIB-USDC"])


async def test_prices_for_rate_sources_name_our_pairs_and_leave_out_the_priceless() -> None:
    async with world(rules=False) as place:
        place.valr.answers[ORDER_TYPES] = [
            {"currencyPair": symbol, "orderTypes": ["LIMIT"]} for symbol in ("ETHZAR", "SHIBUSDC", "BNBUSDC")
        ]
        place.valr.answers[SUMMARY] = [
            summary("ETHZAR", "45000"),
            summary("SHIBUSDC", "0.00002178"),
            summary("BNBUSDC", "0"),
            summary("ETHUSDTPERP", "2500"),
        ]
        assert await place.exchange.get_all_pairs_prices() == [
            {"symbol": "ETH-ZAR", "price": "45000"},
            {"symbol": "SHIB-USDC", "price": "0.00002178"},
        ]


# --- Cancel on disconnect ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("wanted", [True, False])
async def test_cancel_on_disconnect_is_asked_for_on_each_connection(wanted: bool) -> None:
    async with world(valr_cancel_on_disconnect=wanted) as place:
        sent: list[Any] = []

        async def send(frame: dict[str, Any]) -> None:
            sent.append(frame)
            answer = {"type": "CANCEL_ON_DISCONNECT_UPDATE", "data": {"cancelOnDisconnect": "true"}}
            asyncio.get_running_loop().call_soon(place.exchange._order_entry.take_reply, answer)

        for _ in range(2):
            place.exchange._order_entry.socket_opened(send)
            place.exchange._on_account_socket_connected()
            await asyncio.sleep(0.02)
        assert [frame["type"] for frame in sent] == ["CANCEL_ON_DISCONNECT"] * (2 if wanted else 0)


async def test_a_refused_cancel_on_disconnect_is_an_error_in_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valr_order_entry, "REPLY_DEADLINE", 0.02)
    async with world(valr_cancel_on_disconnect=True) as place:

        async def send(_: dict[str, Any]) -> None:
            pass

        place.exchange._order_entry.socket_opened(send)
        place.exchange._on_account_socket_connected()
        await until(lambda: texts(caplog, "VALR did not take cancel-on-disconnect", logging.ERROR))


# --- Refreshing rules and fees ----------------------------------------------------------------------------------------
async def test_rules_and_fees_are_fetched_again_with_growing_pauses_and_little_noise(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(rules=False) as place:
        pauses: list[float] = []
        troubles: list[Exception | None] = [ValueError("one"), ValueError("two"), KeyError("three"), None]

        async def update() -> None:
            trouble = troubles[len(pauses)]
            if trouble is not None:
                raise trouble

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == len(troubles):
                raise asyncio.CancelledError

        monkeypatch.setattr(place.exchange, "_sleep", sleep)
        with pytest.raises(asyncio.CancelledError):
            await place.exchange._keep_fresh("trading rules", update, 1800.0)
        assert pauses == [2.0, 4.0, 8.0, 1800.0]
        assert len(texts(caplog, "trading rules could not be fetched", logging.WARNING)) == 1
        assert len(texts(caplog, "Unexpected error while fetching trading rules", logging.ERROR)) == 1


async def test_a_missing_fee_route_stops_nothing_and_builds_no_application() -> None:
    async with world() as place:
        await place.exchange.start_network()
        await until(lambda: place.valr.sent("/v1/account/fees/trade"))
        await until(lambda: place.exchange.status_dict["trading_rule_initialized"])
    from hummingbot.client.hummingbot_application import HummingbotApplication

    assert HummingbotApplication._main_app is None


# --- Connections ------------------------------------------------------------------------------------------------------
async def test_a_question_asked_without_starting_leaves_no_connection_open() -> None:
    async with world() as place:
        place.valr.answers[BALANCES] = []
        await place.exchange._update_balances()
        assert place.exchange._connections._shared_client is None
        await place.exchange.start_network()
        await place.exchange._update_balances()
        assert place.exchange._connections._shared_client is not None
    assert place.exchange._connections._shared_client is None
