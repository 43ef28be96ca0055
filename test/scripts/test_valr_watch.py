"""The watch: what it draws, and that it sees a whole account and touches none of it."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hummingbot.connector.exchange.valr.valr_messages import parse_open_orders, parse_trades
from hummingbot.core.api_throttler.data_types import RateLimit
from scripts.valr_status import exact
from scripts.valr_watch import book_lines, fill_lines, limit_lines, order_lines, own_volume
from test.hummingbot.connector.exchange.valr.loopback_bot import SYMBOL
from test.strategies.engine import CONNECTOR, ROOT, Account, Engine, connect, example, soon
from valr_loopback.auth import VIEW
from valr_loopback.fault_files import parse_fault
from valr_loopback.server import LoopbackConfig, LoopbackServer

ORDERS = [
    {"orderId": "1", "customerOrderId": "mine", "currencyPair": "BTCZAR", "side": "sell", "price": "1010000",
     "originalQuantity": "0.02", "remainingQuantity": "0.015"},
    {"orderId": "2", "customerOrderId": "other", "currencyPair": "BTCZAR", "side": "sell", "price": "1010000",
     "originalQuantity": "0.01", "remainingQuantity": "0.01"},
    {"orderId": "3", "currencyPair": "DOGEUSDT", "side": "buy", "originalQuantity": "50", "remainingQuantity": "50"},
]  # fmt: skip
TRADES = [
    {"id": "t", "orderId": "1", "price": "1010000", "quantity": "0.005", "currencyPair": "BTCZAR", "side": "sell",
     "tradedAt": "2026-01-02T03:04:05.678Z", "makerReward": "0.5", "makerRewardCurrency": "ZAR"},
]  # fmt: skip


def words(lines: list[str]) -> list[list[str]]:
    return [line.split() for line in lines]


@pytest.mark.parametrize(
    ("number", "text"),
    [(1e6, "1000000"), (0.1, "0.1"), (1e-8, "0.00000001"), (18.0501, "18.0501"), (0.0, "0")],
)
def test_the_book_s_floats_are_read_as_they_were_written(number: float, text: str) -> None:
    assert f"{exact(number):f}" == text


def test_the_book_shows_where_the_account_stands() -> None:
    orders = parse_open_orders(ORDERS).orders
    own = own_volume(orders, "BTCZAR")
    assert own == {Decimal(1010000): Decimal("0.025")}
    bids = [(Decimal(1000000), Decimal("0.5")), (Decimal(999000), Decimal(1))]
    asks = [(Decimal(1010000), Decimal("0.3"))]
    assert words(book_lines("BTC-ZAR", bids, asks, own)) == [
        ["BTC-ZAR:", "spread", "10000,", "0.995", "%", "of", "the", "price"],
        ["own", "volume", "bid", "ask", "volume", "own"],
        ["0.5", "1000000", "1010000", "0.3", "0.025"],
        ["1", "999000"],
    ]
    assert words(book_lines("BTC-ZAR", [], asks, {})) == [
        ["BTC-ZAR:", "no", "bid", "and", "ask"],
        ["own", "volume", "bid", "ask", "volume", "own"],
        ["1010000", "0.3"],
    ]


def test_orders_of_all_pairs_are_listed() -> None:
    assert words(order_lines(parse_open_orders(ORDERS).orders)[1:]) == [
        ["mine", "BTCZAR", "sell", "1010000", "0.015", "0.02"],
        ["other", "BTCZAR", "sell", "1010000", "0.01", "0.01"],
        ["3", "DOGEUSDT", "buy", "-", "50", "50"],
    ]
    assert order_lines([]) == ["no open orders"]


def test_a_reward_is_a_negative_fee() -> None:
    assert words(fill_lines(parse_trades(TRADES))[1:]) == [
        ["2026-01-02", "03:04:05", "sell", "1010000", "0.005", "-0.5", "ZAR"]
    ]
    assert fill_lines([]) == ["no fills"]


def test_limits_that_were_not_used_are_left_out() -> None:
    limits = [RateLimit("one", limit=20, time_interval=1), RateLimit("two", limit=1200, time_interval=60)]
    assert words(limit_lines(limits, {"one": 0, "two": 7})[1:]) == [["two", "7", "1200", "60", "s"]]
    assert limit_lines(limits, {"one": 0, "two": 0}) == ["no rate limit is used at the moment"]


async def test_it_shows_the_whole_account_and_touches_nothing(
    workspace: Path,
    modules: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    faults = (parse_fault("rest_500:path=/v1/orders/open,nth=2"),)
    async with LoopbackServer(LoopbackConfig(port=0, market=False, faults=faults)) as server:
        account = Account.opened(server, "somebody", (VIEW,), BTC=1, ZAR=1_000_000)
        exchange = server.exchange
        exchange.open_account("other", {"ZAR": 10_000_000, "BTC": 10})
        exchange.place_limit("other", SYMBOL, "buy", "1", "1000000")
        exchange.place_limit(account.account_id, SYMBOL, "sell", "0.02", "1010000", client_order_id="placed-in-the-app")
        exchange.place_limit("other", SYMBOL, "buy", "0.005", "1010000")
        connect(account, CONNECTOR, monkeypatch)
        modules(ROOT)
        engine = Engine(ROOT, workspace, account)
        await engine.start("valr_watch", example("scripts/conf_valr_watch", connector=CONNECTOR, poll_interval=1))

        def shown(*row: Any) -> bool:
            return list(row) in words(engine.core.strategy.format_status().splitlines())

        assert "no book yet" in engine.core.strategy.format_status()
        assert "orders and fills of the account, not known yet" in engine.core.strategy.format_status()
        await soon(lambda: shown("1", "1000000", "1010000", "0.015", "0.015"))
        assert shown("placed-in-the-app", SYMBOL, "sell", "1010000", "0.015", "0.02")
        status = engine.core.strategy.format_status()
        assert "sell           1010000           0.005" in status
        assert "ZAR" in status
        assert "private" in status
        assert "no live orders of this bot" in status
        assert "event age" in status
        await soon(lambda: "asking again, since the last answer was" in engine.core.strategy.format_status())
        assert shown("placed-in-the-app", SYMBOL, "sell", "1010000", "0.015", "0.02")
        await soon(lambda: "asking again" not in engine.core.strategy.format_status())

        assert await engine.core.shutdown()
        assert [order.client_order_id for order in account.live] == ["placed-in-the-app"]
        assert len(account.orders) == 1
        (error,) = (record.getMessage() for record in caplog.records if record.levelname == "ERROR")
        assert error.startswith("The API key lacks the permission Trade.")
