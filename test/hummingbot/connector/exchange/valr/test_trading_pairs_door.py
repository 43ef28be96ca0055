"""The pairs that Hummingbot's clients complete and check, and what asking for prices costs of VALR's public calls."""

import asyncio
import gc
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace

import pytest

import hummingbot.client.hummingbot_application  # noqa: F401 - the completer cannot be imported before it
from hummingbot.client.config.client_config_map import ClientConfigMap
from hummingbot.client.config.config_helpers import ClientConfigAdapter
from hummingbot.client.config.config_validators import validate_market_trading_pair
from hummingbot.client.config.security import Security
from hummingbot.client.settings import AllConnectorSettings, ConnectorSetting
from hummingbot.client.ui.completer import HummingbotCompleter
from hummingbot.connector.exchange.valr.valr_exchange import ValrExchange
from hummingbot.connector.exchange.valr.valr_utils import ValrLoopbackConfigMap
from hummingbot.connector.exchange.valr.valr_web_utils import ValrRequestError
from hummingbot.core.utils.trading_pair_fetcher import TradingPairFetcher
from valr_loopback.server import LoopbackConfig, LoopbackServer

from .loopback_bot import eventually
from .rest_world import ORDER_TYPES, PAIRS, SUMMARY, Valr

SPOT = {"BTC-ZAR": "BTCZAR", "ETH-ZAR": "ETHZAR", "USDT-ZAR": "USDTZAR", "BTC-USDT": "BTCUSDT", "DOGE-USDT": "DOGEUSDT"}
NAMES = ("valr_loopback", "valr_loopback_paper_trade")


@pytest.fixture
async def server() -> AsyncIterator[LoopbackServer]:
    async with LoopbackServer(LoopbackConfig(port=0, market=False)) as server:
        yield server


@pytest.fixture(autouse=True)
def connector_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As after the client's start, with `valr_loopback` among the exchanges for paper trading."""
    monkeypatch.setattr(AllConnectorSettings, "paper_trade_connectors_names", [])
    before = dict(AllConnectorSettings.get_connector_settings())
    AllConnectorSettings.initialize_paper_trade_settings(["valr_loopback"])
    yield
    AllConnectorSettings.all_connector_settings = before


def setting(url: str) -> ConnectorSetting:
    keys = {"valr_loopback_api_key": "", "valr_loopback_api_secret": "", "valr_loopback_url": url}
    AllConnectorSettings.update_connector_config_keys(ValrLoopbackConfigMap(**keys))
    return AllConnectorSettings.get_connector_settings()["valr_loopback"]


def reader(url: str) -> ValrExchange:
    """Return a connector as Hummingbot makes it for whoever only asks."""
    exchange = setting(url).non_trading_connector_instance_with_default_configuration()
    assert isinstance(exchange, ValrExchange)
    return exchange


async def test_only_spot_pairs_with_a_book_are_offered_with_their_symbols(server: LoopbackServer) -> None:
    listed = server.exchange.engine.pairs
    assert {"BTCUSDTPERP", "LTCBTC"} <= set(listed), "a perpetual and a closed pair are there to be left out"
    exchange = reader(server.url)
    assert sorted(await exchange.all_trading_pairs()) == sorted(SPOT)
    for trading_pair, symbol in SPOT.items():
        assert await exchange.exchange_symbol_associated_to_pair(trading_pair) == symbol
        assert await exchange.trading_pair_associated_to_exchange_symbol(symbol) == trading_pair
    with pytest.raises(KeyError):
        await exchange.trading_pair_associated_to_exchange_symbol("BTCUSDTPERP")


async def test_a_question_leaves_nothing_open(server: LoopbackServer, caplog: pytest.LogCaptureFixture) -> None:
    tasks = asyncio.all_tasks()
    exchange = reader(server.url)
    await exchange.all_trading_pairs()
    await exchange.get_last_traded_prices(["BTC-ZAR", "ETH-ZAR"])
    assert asyncio.all_tasks() == tasks
    del exchange
    gc.collect()
    assert "Unclosed" not in caplog.text


class TwoExchanges(TradingPairFetcher):
    """The fetcher of the clients, on the exchanges of this machine only."""

    def _all_connector_settings(self) -> dict[str, ConnectorSetting]:
        settings = AllConnectorSettings.get_connector_settings()
        return {name: settings[name] for name in NAMES}


async def test_clients_complete_and_check_trading_pairs(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting(server.url)
    Security._decryption_done.set()
    fetcher = TwoExchanges(ClientConfigAdapter(ClientConfigMap(fetch_pairs_from_all_exchanges=True)))
    monkeypatch.setattr(TradingPairFetcher, "_sf_shared_instance", fetcher)
    await eventually(lambda: set(fetcher.trading_pairs) == set(NAMES))
    await eventually(lambda: fetcher.ready)
    for name in NAMES:
        assert sorted(fetcher.trading_pairs[name]) == sorted(SPOT)
        assert validate_market_trading_pair(name, "BTC-ZAR") is None
        assert validate_market_trading_pair(name, "BTC-USDTPERP") is not None
        assert validate_market_trading_pair(name, "LTC-BTC") == f"LTC-BTC is not an active market on {name}."
        assert sorted(offered_at(f"Enter the token trading pair to trade on {name} (e.g. BTC-ZAR) >>> ")) == sorted(
            SPOT
        )


def offered_at(prompt: str) -> list[str]:
    app = SimpleNamespace(app=SimpleNamespace(prompt_text=prompt), parser=SimpleNamespace(commands=[]))
    words = HummingbotCompleter(app)._trading_pair_completer.words
    assert isinstance(words, list)
    return words


async def test_without_an_answer_clients_let_any_pair_pass(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    setting("http://127.0.0.1:1")
    Security._decryption_done.set()
    fetcher = TwoExchanges(ClientConfigAdapter(ClientConfigMap(fetch_pairs_from_all_exchanges=True)))
    monkeypatch.setattr(TradingPairFetcher, "_sf_shared_instance", fetcher)
    await eventually(lambda: set(fetcher.trading_pairs) == set(NAMES))
    assert fetcher.trading_pairs == {name: [] for name in NAMES}
    assert validate_market_trading_pair("valr_loopback", "BTC-ZAR") is None
    assert any(record.levelno == logging.WARNING for record in caplog.records)


async def test_the_oracle_completer_offers_valr() -> None:
    app = SimpleNamespace(app=SimpleNamespace(prompt_text=""), parser=SimpleNamespace(commands=[]))
    assert {"valr", "valr_loopback"} <= set(HummingbotCompleter(app)._rate_oracle_completer.words)


# --- Public calls -----------------------------------------------------------------------------------------------------
COINS = [f"COIN{number}" for number in range(40)]


@pytest.fixture
async def valr() -> AsyncIterator[Valr]:
    async with Valr() as valr:
        row = valr.answers[PAIRS][0]
        valr.answers[PAIRS] = [
            {**row, "symbol": f"{coin}ZAR", "baseCurrency": coin, "shortName": f"{coin}/ZAR"} for coin in COINS
        ]
        valr.answers[ORDER_TYPES] = [{"currencyPair": f"{coin}ZAR", "orderTypes": ["LIMIT"]} for coin in COINS]
        valr.answers[SUMMARY] = [{"currencyPair": f"{coin}ZAR", "lastTradedPrice": "7"} for coin in COINS]
        yield valr


def calls(valr: Valr) -> Counter[str]:
    return Counter(request.path for request in valr.requests)


@pytest.fixture
def trading_pairs() -> list[str]:
    return [f"{coin}-ZAR" for coin in COINS]


async def test_prices_of_many_pairs_are_one_call_however_they_are_asked_for(
    valr: Valr, trading_pairs: list[str]
) -> None:
    exchange = reader(valr.url)
    assert sorted(await exchange.all_trading_pairs()) == sorted(trading_pairs)
    # Hummingbot's market data provider asks for each pair on its own, all at once.
    one_by_one = asyncio.gather(*(exchange._get_last_traded_price(trading_pair) for trading_pair in trading_pairs))
    together = exchange.get_last_traded_prices(trading_pairs)
    answers = await asyncio.gather(one_by_one, together, exchange.get_all_pairs_prices())
    assert answers[0] == [7.0] * len(COINS)
    assert answers[1] == dict.fromkeys(trading_pairs, 7.0)
    assert len(answers[2]) == len(COINS)
    assert calls(valr) == {PAIRS: 1, ORDER_TYPES: 1, SUMMARY: 1}


@pytest.mark.parametrize("path", [PAIRS, SUMMARY])
async def test_a_failure_is_shared_too_and_not_kept(path: str, valr: Valr, trading_pairs: list[str]) -> None:
    exchange = reader(valr.url)
    good, valr.answers[path] = valr.answers[path], (500, {})
    asked = (exchange._get_last_traded_price(trading_pair) for trading_pair in trading_pairs)
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(result, ValrRequestError) for result in results)
    assert calls(valr)[path] == 1
    valr.answers[path] = good
    assert await exchange._get_last_traded_price(trading_pairs[0]) == 7.0


async def test_one_who_gives_up_waiting_spoils_nothing_for_the_others(valr: Valr, trading_pairs: list[str]) -> None:
    exchange = reader(valr.url)
    await exchange.all_trading_pairs()
    answered = asyncio.Event()

    async def late(_: object) -> list[dict[str, str]]:
        await answered.wait()
        return [{"currencyPair": f"{coin}ZAR", "lastTradedPrice": "8"} for coin in COINS]

    valr.answers[SUMMARY] = late
    hasty, patient = (asyncio.create_task(exchange._get_last_traded_price(trading_pairs[0])) for _ in range(2))
    await eventually(lambda: calls(valr)[SUMMARY] == 1)
    hasty.cancel()
    await asyncio.gather(hasty, return_exceptions=True)
    answered.set()
    assert await patient == 8.0
    assert calls(valr)[SUMMARY] == 1


async def test_a_call_ends_when_nobody_waits_for_it_any_more(valr: Valr, trading_pairs: list[str]) -> None:
    tasks = asyncio.all_tasks()
    exchange = reader(valr.url)
    await exchange.all_trading_pairs()
    good, never = valr.answers[SUMMARY], asyncio.Event()

    async def silent(_: object) -> None:
        await never.wait()

    valr.answers[SUMMARY] = silent
    hasty = [asyncio.create_task(exchange._get_last_traded_price(trading_pairs[0])) for _ in range(2)]
    await eventually(lambda: calls(valr)[SUMMARY] == 1)
    for each in hasty:
        each.cancel()
    await asyncio.gather(*hasty, return_exceptions=True)
    valr.answers[SUMMARY] = good
    assert await exchange._get_last_traded_price(trading_pairs[0]) == 7.0
    never.set()
    await eventually(lambda: asyncio.all_tasks() <= tasks)


async def test_the_order_book_tracker_asks_for_last_prices_of_all_quiet_pairs_at_once(
    valr: Valr, trading_pairs: list[str]
) -> None:
    exchange = setting(valr.url).non_trading_connector_instance_with_default_configuration(trading_pairs=trading_pairs)
    tracker = exchange.order_book_tracker
    for trading_pair in trading_pairs:
        tracker.order_books[trading_pair] = tracker.data_source.order_book_create_function()
    tracker._order_books_initialized.set()
    loop = asyncio.create_task(tracker._update_last_trade_prices_loop())
    await eventually(lambda: all(book.last_trade_price == 7.0 for book in tracker.order_books.values()))
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
    assert calls(valr) == {PAIRS: 1, ORDER_TYPES: 1, SUMMARY: 1}
