"""What Hummingbot reads to know the connector: keys, options, fees, pair filter."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from hummingbot.client.config.config_data_types import BaseConnectorConfigMap
from hummingbot.client.config.config_helpers import ClientConfigAdapter
from hummingbot.client.settings import AllConnectorSettings
from hummingbot.connector.exchange.valr import valr_utils
from hummingbot.connector.exchange.valr.valr_utils import (
    Options,
    ValrConfigMap,
    ValrLoopbackConfigMap,
    is_exchange_information_valid,
    read_options,
)

KEYS = {"valr_api_key": "key", "valr_api_secret": "secret"}
LOOPBACK_KEYS = {"valr_loopback_api_key": "key", "valr_loopback_api_secret": "secret"}
OPTIONS = {
    "sub_account_id": "",
    "order_entry": "websocket",
    "book_feed": "l1",
    "cancel_on_disconnect": False,
    "earlier_orders": "keep",
    "session_record": True,
    "metrics_port": 0,
}


def connect_keys(config_map: type[BaseConnectorConfigMap]) -> set[str]:
    return {
        name
        for name, field in config_map.model_fields.items()
        if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("is_connect_key")
    }


def secure_keys(config_map: type[BaseConnectorConfigMap]) -> set[str]:
    return {
        name
        for name, field in config_map.model_fields.items()
        if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("is_secure")
    }


def test_clients_ask_for_the_keys_only() -> None:
    assert connect_keys(ValrConfigMap) == {"valr_api_key", "valr_api_secret"}
    assert secure_keys(ValrConfigMap) == {"valr_api_key", "valr_api_secret"}


def test_clients_ask_the_loopback_for_its_address_too() -> None:
    names = {"valr_loopback_api_key", "valr_loopback_api_secret", "valr_loopback_url"}
    assert connect_keys(ValrLoopbackConfigMap) == names
    assert secure_keys(ValrLoopbackConfigMap) == names - {"valr_loopback_url"}


@pytest.mark.parametrize(
    ("config_map", "keys", "connector"),
    [(ValrConfigMap, KEYS, "valr"), (ValrLoopbackConfigMap, LOOPBACK_KEYS, "valr_loopback")],
)
def test_options_have_defaults(config_map: Any, keys: dict[str, str], connector: str) -> None:
    config = config_map(**keys)
    assert config.connector == connector
    assert {name: getattr(config, name) for name in OPTIONS} == OPTIONS
    assert config.receive_connector_configuration is True


@pytest.mark.parametrize("prefix", ["", "valr_"])
@pytest.mark.parametrize(("config_map", "keys"), [(ValrConfigMap, KEYS), (ValrLoopbackConfigMap, LOOPBACK_KEYS)])
def test_options_may_be_spelled_either_way(prefix: str, config_map: Any, keys: dict[str, str]) -> None:
    wanted = {
        "sub_account_id": "12",
        "order_entry": "rest",
        "book_feed": "full",
        "cancel_on_disconnect": True,
        "earlier_orders": "cancel",
        "session_record": False,
        "metrics_port": 9464,
    }
    config = config_map(**keys, **{prefix + name: value for name, value in wanted.items()})
    assert {name: getattr(config, name) for name in wanted} == wanted


def test_sub_account_id_may_be_an_unquoted_number() -> None:
    assert ValrConfigMap(**KEYS, sub_account_id=909461317243875555).sub_account_id == "909461317243875555"
    assert read_options({"sub_account_id": 909461317243875555}, {}, None).sub_account_id == "909461317243875555"


@pytest.mark.parametrize(
    "option",
    [
        {"sub_account_id": "abc"},
        {"order_entry": "carrier pigeon"},
        {"book_feed": "L9"},
        {"metrics_port": 65536},
        {"no_such_option": 1},
    ],
)
def test_options_that_cannot_be_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ValrConfigMap(**KEYS, **option)


def test_loopback_address() -> None:
    assert ValrLoopbackConfigMap(**LOOPBACK_KEYS).valr_loopback_url == "http://127.0.0.1:8675"
    config = ValrLoopbackConfigMap(**LOOPBACK_KEYS, valr_loopback_url="https://localhost:1/")
    assert config.valr_loopback_url == "https://localhost:1"
    for address in ("localhost:1", "http://127.0.0.1:8675http://127.0.0.1:8691", "http://a b"):
        with pytest.raises(ValidationError, match="is not an http address"):
            ValrLoopbackConfigMap(**LOOPBACK_KEYS, valr_loopback_url=address)


def test_keys_are_secret() -> None:
    config = ValrConfigMap(**KEYS)
    assert isinstance(config.valr_api_key, SecretStr)
    assert "secret'" not in repr(config)


def test_hummingbot_finds_the_connector_and_its_sub_domain() -> None:
    settings = AllConnectorSettings.get_connector_settings()
    assert settings["valr"].config_keys is valr_utils.KEYS
    assert settings["valr_loopback"].parent_name == "valr"
    assert settings["valr_loopback"].config_keys is valr_utils.OTHER_DOMAINS_KEYS["valr_loopback"]
    assert ClientConfigAdapter(valr_utils.KEYS).title == "valr"
    assert settings["valr"].centralised
    assert settings["valr"].example_pair == "BTC-ZAR"


def test_fees_are_fractions() -> None:
    for fees in (valr_utils.DEFAULT_FEES, *valr_utils.OTHER_DOMAINS_DEFAULT_FEES.values()):
        assert Decimal(0) < fees.maker_percent_fee_decimal <= fees.taker_percent_fee_decimal < Decimal("0.01")
        assert fees.buy_percent_fee_deducted_from_returns


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"symbol": "BTCZAR", "currencyPairType": "SPOT", "active": True}, True),
        ({"symbol": "BTCZAR", "currencyPairType": "SPOT", "active": False}, False),
        ({"symbol": "BTCZAR", "currencyPairType": "SPOT"}, False),
        ({"symbol": "BTCUSDTPERP", "currencyPairType": "FUTURE", "active": True}, False),
        ({"symbol": "BTCUSDT", "active": True}, False),
        ({"symbol": "BTCZAR", "currencyPairType": "Spot", "active": "true"}, True),
        ({"symbol": "BTCZAR", "currencyPairType": "spot", "active": "True"}, True),
        ({"symbol": "BTCZAR", "currencyPairType": "SPOT", "active": "false"}, False),
        ({"symbol": "BTCZAR", "currencyPairType": "SPOT", "active": "yes"}, False),
        ({"symbol": "BTCUSDTPERP", "currencyPairType": "Future", "active": "true"}, False),
        ({"symbol": "BTCZAR", "currencyPairType": ["SPOT"], "active": [True]}, False),
        ({}, False),
    ],
)
def test_only_active_spot_pairs_are_tradable(row: dict[str, Any], expected: bool) -> None:
    assert is_exchange_information_valid(row) is expected


# --- Options of an instance -------------------------------------------------------------------------------------------
def test_options_default() -> None:
    assert read_options({}, {}, None).model_dump() == OPTIONS


def test_keyword_wins_over_field_and_field_over_configuration() -> None:
    configuration = SimpleNamespace(order_entry="rest", book_feed="full", sub_account_id="1", cancel_on_disconnect=True)
    keywords = {"order_entry": "websocket", "book_feed": None}
    options = read_options(keywords, {"book_feed": "aggregated", "sub_account_id": ""}, configuration)
    assert options == Options(
        order_entry="websocket", book_feed="aggregated", sub_account_id="1", cancel_on_disconnect=True
    )


def test_keyword_may_take_back_what_the_configuration_says() -> None:
    configuration = SimpleNamespace(cancel_on_disconnect=True, sub_account_id="1")
    options = read_options({"cancel_on_disconnect": False, "sub_account_id": ""}, {}, configuration)
    assert options == Options()


def test_instance_options_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="order_entry"):
        read_options({"order_entry": "fax"}, {}, None)
    with pytest.raises(TypeError, match="no option colour, size"):
        read_options({}, {"size": 1, "colour": 2}, None)
