"""VALR as a source of the rate oracle: against canned answers, and with Hummingbot's oracle on a loopback exchange."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import pytest

from hummingbot.client.settings import AllConnectorSettings
from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr import valr_markets
from hummingbot.connector.exchange.valr.valr_rate_source import (
    PAIRS_LIFETIME,
    RATE_LIFETIME,
    ValrLoopbackRateSource,
    ValrRateSource,
)
from hummingbot.connector.exchange.valr.valr_utils import ValrLoopbackConfigMap
from hummingbot.core.network_iterator import NetworkStatus
from hummingbot.core.rate_oracle.rate_oracle import RATE_ORACLE_SOURCES, RateOracle
from valr_loopback.server import LoopbackConfig, LoopbackServer

from .rest_world import ORDER_TYPES, PAIRS, SUMMARY, Valr

WITH_BOOK = ("ETHZAR", "SHIBUSDC", "ETHUSDTPERP")


def connect(url: str) -> None:
    """Do what Hummingbot does with ``conf/connectors/valr_loopback.yml`` after the password."""
    keys = {"valr_loopback_api_key": "key", "valr_loopback_api_secret": "secret", "valr_loopback_url": url}
    AllConnectorSettings.update_connector_config_keys(ValrLoopbackConfigMap(**keys))


@pytest.fixture(autouse=True)
def connector_settings() -> Iterator[None]:
    settings = AllConnectorSettings.get_connector_settings()
    before = settings[CONSTANTS.LOOPBACK_DOMAIN]
    yield
    settings[CONSTANTS.LOOPBACK_DOMAIN] = before


def summary(symbol: str, bid: str | None, ask: str | None, last: str = "0") -> dict[str, str | None]:
    row = {"currencyPair": symbol, "bidPrice": bid, "askPrice": ask, "lastTradedPrice": last}
    return {name: value for name, value in row.items() if value is not None}


class Place:
    """A source in front of VALR's public REST, with a clock that stands still."""

    def __init__(self, valr: Valr) -> None:
        self.valr = valr
        self.now = 1000.0
        self.source = ValrLoopbackRateSource(clock=lambda: self.now)
        valr.answers[ORDER_TYPES] = [{"currencyPair": symbol, "orderTypes": ["LIMIT"]} for symbol in WITH_BOOK]
        valr.answers[SUMMARY] = [summary("ETHZAR", "45000", "45010")]
        connect(valr.url)

    @property
    def calls(self) -> list[int]:
        return [len(self.valr.sent(path)) for path in (PAIRS, ORDER_TYPES, SUMMARY)]


@pytest.fixture
async def place(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    # The connector's own memory of half a minute goes by the real clock.
    monkeypatch.setattr(valr_markets, "MARKET_SUMMARY_LIFETIME", 0.0)
    async with Valr() as valr:
        yield Place(valr)


@pytest.mark.parametrize(
    ("bid", "ask", "last", "rate"),
    [
        ("45000", "45010", "1", "45005"),
        ("45000", "45000", "1", "45000"),
        ("0.00000001", "0.00000001", "1", "0.00000001"),
        ("100", "120", "1", "110"),
        ("100", "120.01", "104", "104"),
        ("101", "100", "100.5", "100.5"),
        ("0", "45010", "44900", "44900"),
        ("45000", "0", "44900", "44900"),
        (None, None, "44900", "44900"),
        ("0", "0", "0", None),
        ("1", "99", "0", None),
    ],
)
async def test_a_rate_is_the_mid_price_or_else_the_last(
    place: Place, bid: str | None, ask: str | None, last: str, rate: str | None
) -> None:
    place.valr.answers[SUMMARY] = [summary("ETHZAR", bid, ask, last), summary("SHIBUSDC", "2", "2")]
    rates = await place.source.get_prices()
    assert rates == {"SHIB-USDC": Decimal(2)} | ({"ETH-ZAR": Decimal(rate)} if rate else {})
    assert all(type(each) is Decimal for each in rates.values())


async def test_only_spot_pairs_with_a_book_have_a_rate_whatever_the_quote_token(place: Place) -> None:
    place.valr.answers[SUMMARY] = [
        summary("ETHZAR", "45000", "45010"),
        summary("ETHUSDTPERP", "2500", "2501"),
        summary("BNBUSDC", "600", "601"),
        summary("NOSUCHPAIR", "1", "1"),
    ]
    assert await place.source.get_prices(quote_token="USDT") == {"ETH-ZAR": Decimal("45005")}


async def test_an_oracle_that_asks_every_second_costs_two_calls_a_minute(place: Place) -> None:
    for _ in range(60):
        assert await place.source.get_prices(quote_token="USD")
        place.now += 1
    assert place.calls == [1, 1, 2]


async def test_a_pair_that_is_listed_later_has_a_rate_within_the_hour(place: Place) -> None:
    place.valr.answers[SUMMARY] += [summary("SHIBUSDC", "2", "2")]
    listed, place.valr.answers[ORDER_TYPES] = (
        place.valr.answers[ORDER_TYPES],
        [{"currencyPair": "ETHZAR", "orderTypes": ["LIMIT"]}],
    )
    assert set(await place.source.get_prices()) == {"ETH-ZAR"}
    place.valr.answers[ORDER_TYPES] = listed
    place.now += PAIRS_LIFETIME
    assert set(await place.source.get_prices()) == {"ETH-ZAR", "SHIB-USDC"}
    assert place.calls == [2, 2, 2]


async def test_all_who_ask_at_once_share_one_call(place: Place) -> None:
    first, *others = await asyncio.gather(*(place.source.get_prices(token) for token in ("USD", "USDT", None)))
    assert others == [first, first]
    assert place.calls == [1, 1, 1]


async def test_nobody_spoils_the_rates_of_the_others(place: Place) -> None:
    (await place.source.get_prices()).clear()
    assert await place.source.get_prices()


async def test_without_an_answer_there_are_no_rates_and_no_storm_of_calls(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    good = await place.source.get_prices()
    answer, place.valr.answers[SUMMARY] = place.valr.answers[SUMMARY], (500, {})
    place.now += RATE_LIFETIME
    for _ in range(20):
        assert await place.source.get_prices() == {}
        place.now += 1
    assert place.calls == [1, 1, 2]
    assert "No rates from valr_loopback: GET /v1/public/marketsummary was answered with HTTP 500" in caplog.text
    place.valr.answers[SUMMARY] = answer
    place.now += RATE_LIFETIME - 20
    assert await place.source.get_prices() == good


@pytest.mark.parametrize("answer", [(503, {}), [], "no list"])
async def test_without_a_list_of_pairs_there_are_no_rates(
    place: Place, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    place.valr.answers[PAIRS] = answer
    assert await place.source.get_prices() == {}
    assert await place.source.get_prices() == {}
    assert place.calls[0] == 1
    assert "No rates from valr_loopback: it lists no pair that has a price." in caplog.text


async def test_the_oracle_notices_that_there_are_no_rates(place: Place) -> None:
    oracle = RateOracle(source=place.source)
    assert await oracle.check_network() is NetworkStatus.CONNECTED
    place.valr.answers[SUMMARY] = (500, {})
    place.now += RATE_LIFETIME
    assert await oracle.check_network() is NetworkStatus.NOT_CONNECTED


async def test_no_connection_stays_open(place: Place) -> None:
    await place.source.get_prices()
    assert place.source._exchange is not None
    assert place.source._exchange._connections._shared_client is None


async def test_another_address_in_the_settings_is_followed(place: Place) -> None:
    await place.source.get_prices()
    async with Valr() as moved:
        moved.answers[SUMMARY] = [summary("ETHZAR", "1", "1")]
        connect(moved.url)
        place.now += RATE_LIFETIME
        assert await place.source.get_prices() == {"ETH-ZAR": Decimal(1)}
    assert place.calls == [1, 1, 1]


@pytest.mark.parametrize(
    ("name", "kind", "url"),
    [
        ("valr", ValrRateSource, "https://api.valr.com"),
        ("valr_loopback", ValrLoopbackRateSource, CONSTANTS.LOOPBACK_URL),
    ],
)
async def test_each_source_asks_its_own_exchange(name: str, kind: type[ValrRateSource], url: str) -> None:
    source = RATE_ORACLE_SOURCES[name]()
    assert type(source) is kind
    assert source.name == name
    exchange = source._current_exchange()
    assert exchange.name == name
    assert exchange.endpoints.rest_url == url
    assert source._current_exchange() is exchange


# --- The oracle on a loopback exchange --------------------------------------------------------------------------------
async def test_balances_and_profits_in_rand_have_a_value_in_dollars(monkeypatch: pytest.MonkeyPatch) -> None:
    async with LoopbackServer(LoopbackConfig(port=0, market_pace=0.01)) as server:
        connect(server.url)
        oracle = RateOracle(source=RATE_ORACLE_SOURCES["valr_loopback"](), quote_token="USD")
        monkeypatch.setattr(RateOracle, "_shared_instance", oracle)
        await oracle.start_network()
        async with asyncio.timeout(10):
            await oracle.get_ready()
        mid = {pair: server_mid(server, pair.replace("-", "")) for pair in oracle.prices}
        assert set(mid) == {"BTC-ZAR", "ETH-ZAR", "USDT-ZAR", "BTC-USDT", "DOGE-USDT"}
        expected = {
            "USDT-ZAR": mid["USDT-ZAR"],
            "ZAR-USDT": 1 / mid["USDT-ZAR"],
            "ZAR-USD": 1 / mid["USDT-ZAR"],
            "BTC-USD": mid["BTC-USDT"],
            "ETH-ZAR": mid["ETH-ZAR"],
            "ETH-USD": mid["ETH-ZAR"] / mid["USDT-ZAR"],
            "DOGE-ZAR": mid["DOGE-USDT"] * mid["USDT-ZAR"],
        }
        for pair, rate in expected.items():
            found = RateOracle.get_instance().get_pair_rate(pair)
            assert found == pytest.approx(rate, rel=Decimal("0.01")), pair
        worth = await oracle.get_value(Decimal(1_000_000), "ZAR")
        assert worth == pytest.approx(1_000_000 / mid["USDT-ZAR"], rel=Decimal("0.01"))
        await oracle.stop_network()


def server_mid(server: LoopbackServer, symbol: str) -> Decimal:
    row = server.data.summary(symbol)
    return (Decimal(str(row["bidPrice"])) + Decimal(str(row["askPrice"]))) / 2
