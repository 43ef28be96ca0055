"""What Hummingbot reads to know VALR: fees, key prompts, options, sub-domains and the pair filter.

This module is imported by the folder scan of ``AllConnectorSettings`` while the client is half initialised: it imports
nothing beyond Hummingbot's configuration types, since a ``ModuleNotFoundError`` here hides the connector silently.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator

from hummingbot.client.config.config_data_types import BaseConnectorConfigMap
from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.core.data_type.trade_fee import TradeFeeSchema

CENTRALIZED = True
EXAMPLE_PAIR = "BTC-ZAR"

# Published 2026 lowest tier of ZAR pairs: taker 0.35 % (valr-api.md 7). Real rates are fetched from the account;
# the fee leaves the currency received, on both sides.
DEFAULT_FEES = TradeFeeSchema(
    maker_percent_fee_decimal=Decimal("0.0018"),
    taker_percent_fee_decimal=Decimal("0.0035"),
    buy_percent_fee_deducted_from_returns=True,
)


def _connect_key(prompt: str, *, secure: bool = True) -> dict[str, Any]:
    return {"prompt": prompt, "is_secure": secure, "is_connect_key": True, "prompt_on_new": True}


def _option(prompt: str) -> dict[str, Any]:
    return {"prompt": prompt, "is_secure": False, "is_connect_key": False, "prompt_on_new": False}


# Digits that nobody quoted, in YAML or in code, are an int.
SubAccountId = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)]


class _ValrOptions(BaseConnectorConfigMap):
    """Options of the connector, kept in ``conf/connectors/<connector>.yml``; no client asks for them.

    Each may also be written with the prefix of the constructor's keyword (``valr_order_entry`` for ``order_entry``).
    """

    # With this field Hummingbot hands the whole map to the constructor as `connector_configuration`.
    receive_connector_configuration: bool = Field(default=True, json_schema_extra=_option("Pass the options on"))
    sub_account_id: SubAccountId = Field(
        default="",
        pattern=r"^[0-9]*$",
        validation_alias=AliasChoices("sub_account_id", "valr_sub_account_id"),
        json_schema_extra=_option("VALR sub-account id (only with a key of the primary account)"),
    )
    order_entry: Literal["websocket", "rest"] = Field(
        default="websocket",
        validation_alias=AliasChoices("order_entry", "valr_order_entry"),
        json_schema_extra=_option("Channel for placing and cancelling orders (websocket/rest)"),
    )
    book_feed: Literal["l1", "full", "aggregated"] = Field(
        default="l1",
        validation_alias=AliasChoices("book_feed", "valr_book_feed"),
        json_schema_extra=_option("Order book feed (l1/full/aggregated)"),
    )
    cancel_on_disconnect: bool = Field(
        default=False,
        validation_alias=AliasChoices("cancel_on_disconnect", "valr_cancel_on_disconnect"),
        json_schema_extra=_option(
            "Let VALR cancel every open order of the account, also those of other bots and of VALR's app, whenever "
            "this bot's account socket drops, were it for a second (true/false)"
        ),
    )
    earlier_orders: Literal["keep", "cancel"] = Field(
        default="keep",
        validation_alias=AliasChoices("earlier_orders", "valr_earlier_orders"),
        json_schema_extra=_option("What becomes of live orders of an earlier run at the start (keep/cancel)"),
    )
    session_record: bool = Field(
        default=True,
        validation_alias=AliasChoices("session_record", "valr_session_record"),
        json_schema_extra=_option("Record each session in the data folder, for the session report (true/false)"),
    )
    metrics_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        validation_alias=AliasChoices("metrics_port", "valr_metrics_port"),
        json_schema_extra=_option("Port on this machine where Prometheus finds the metrics (0: nowhere)"),
    )


class ValrConfigMap(_ValrOptions):
    """Keys and options of ``valr``."""

    connector: str = CONSTANTS.EXCHANGE_NAME
    valr_api_key: SecretStr = Field(default=..., json_schema_extra=_connect_key("Enter your VALR API key"))
    valr_api_secret: SecretStr = Field(default=..., json_schema_extra=_connect_key("Enter your VALR API secret"))
    model_config = ConfigDict(title=CONSTANTS.EXCHANGE_NAME)


class ValrLoopbackConfigMap(_ValrOptions):
    """Keys and options of ``valr_loopback``, the VALR stand-in on this machine (``python -m valr_loopback``)."""

    connector: str = CONSTANTS.LOOPBACK_DOMAIN
    valr_loopback_api_key: SecretStr = Field(
        default=..., json_schema_extra=_connect_key("Enter the API key that the loopback exchange printed")
    )
    valr_loopback_api_secret: SecretStr = Field(
        default=..., json_schema_extra=_connect_key("Enter the API secret that the loopback exchange printed")
    )
    valr_loopback_url: str = Field(
        default=CONSTANTS.LOOPBACK_URL,
        json_schema_extra=_connect_key(
            f"Enter the address of the loopback exchange (usually {CONSTANTS.LOOPBACK_URL})", secure=False
        ),
    )
    model_config = ConfigDict(title=CONSTANTS.LOOPBACK_DOMAIN)

    @field_validator("valr_loopback_url")
    @classmethod
    def _require_http_address(cls, value: str) -> str:
        # Not only the beginning: clients suggest an address at the prompt, and another one is easily typed behind it.
        if not re.fullmatch(r"https?://[^\s/:]+(:\d{1,5})?/?", value):
            raise ValueError(f"'{value}' is not an http address such as {CONSTANTS.LOOPBACK_URL}")
        return value.rstrip("/")


def require_host_only(address: str) -> None:
    """Refuse an address with more behind its host: VALR's paths are signed from their beginning (valr-api.md 2.1).

    :raises ValueError: names the address
    """
    parts = urlsplit(address)
    if not parts.netloc or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"'{address}' must be scheme and host only, such as {CONSTANTS.REST_URL}")


KEYS = ValrConfigMap.model_construct()

OTHER_DOMAINS = [CONSTANTS.LOOPBACK_DOMAIN]
OTHER_DOMAINS_PARAMETER = {CONSTANTS.LOOPBACK_DOMAIN: CONSTANTS.LOOPBACK_DOMAIN}
OTHER_DOMAINS_EXAMPLE_PAIR = {CONSTANTS.LOOPBACK_DOMAIN: EXAMPLE_PAIR}
OTHER_DOMAINS_DEFAULT_FEES = {CONSTANTS.LOOPBACK_DOMAIN: DEFAULT_FEES}
OTHER_DOMAINS_KEYS = {CONSTANTS.LOOPBACK_DOMAIN: ValrLoopbackConfigMap.model_construct()}


class Options(BaseModel):
    """The options of one connector instance; see the fields of the same names in the configuration map."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sub_account_id: SubAccountId = Field(default="", pattern=r"^[0-9]*$")
    order_entry: Literal["websocket", "rest"] = "websocket"
    book_feed: Literal["l1", "full", "aggregated"] = "l1"
    cancel_on_disconnect: bool = False
    earlier_orders: Literal["keep", "cancel"] = "keep"
    session_record: bool = True
    metrics_port: int = Field(default=0, ge=0, le=65535)


def read_options(keywords: Mapping[str, Any], fields: Mapping[str, Any], configuration: object) -> Options:
    """Return the options: a keyword of the constructor wins over a field, a field over the configuration map.

    :param keywords: None where not given
    :param fields: fields of the map as Hummingbot passes them one by one; an empty value there means unset
    :param configuration: the configuration map, or None
    :raises ValueError: an option has a value it cannot have; names the option and what it takes
    :raises TypeError: a field that is no option
    """
    unknown = set(fields) - set(ValrConfigMap.model_fields)
    if unknown:
        raise TypeError(f"the VALR connector has no option {', '.join(sorted(unknown))}")
    values: dict[str, Any] = {}
    for name in Options.model_fields:
        candidates = (keywords.get(name), fields.get(name) or None, getattr(configuration, name, None))
        given = [candidate for candidate in candidates if candidate is not None]
        if given:
            values[name] = given[0]
    return Options(**values)


def is_exchange_information_valid(exchange_info: Mapping[str, Any]) -> bool:
    """Tell whether a row of ``/v1/public/pairs`` is a spot pair that can be traded now.

    A perpetual carries the same base and quote as its spot pair and differs by ``currencyPairType`` only
    (valr-api.md 1.3).
    """
    return is_spot_pair(exchange_info) and is_active(exchange_info) is True


def is_spot_pair(exchange_info: Mapping[str, Any]) -> bool:
    """Tell whether a row of ``/v1/public/pairs`` is of a spot pair, active or not."""
    return str(exchange_info.get("currencyPairType")).upper() == CONSTANTS.SPOT


def is_active(exchange_info: Mapping[str, Any]) -> bool | None:
    """Tell whether a row of ``/v1/public/pairs`` is of an active pair; None when it does not say."""
    return {"true": True, "false": False}.get(str(exchange_info.get("active")).lower())
