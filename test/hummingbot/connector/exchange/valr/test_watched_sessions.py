"""Whole sessions on the loopback exchange as others see them: metrics, the session record, Prometheus, and the options
that concern the whole account."""

import importlib.util
import json
import logging
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from hummingbot.connector.exchange.valr import valr_order_keeper, valr_prometheus
from hummingbot.connector.exchange.valr.valr_metrics import COUNTER_MEANINGS, IncidentKind
from hummingbot.core.data_type.common import OrderType
from test.hummingbot.connector.exchange.valr.loopback_bot import PAIR, SYMBOL, Bot, eventually, let_others_quote
from valr_loopback.faults import Fault
from valr_loopback.server import LoopbackConfig, LoopbackServer


@pytest.fixture
async def server() -> AsyncIterator[LoopbackServer]:
    async with LoopbackServer(LoopbackConfig(port=0, market=False)) as running:
        let_others_quote(running)
        running.exchange.place_limit("other", SYMBOL, "sell", "1", "1020000")
        yield running


def record(data_folder: Path) -> list[dict[str, Any]]:
    text = (data_folder / "valr_loopback_session.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def kinds(bot: Bot) -> list[IncidentKind]:
    return [incident.kind for incident in bot.exchange.metrics.incidents()]


# --- Metrics and the session record -----------------------------------------------------------------------------------
async def test_a_session_is_counted_and_recorded(server: LoopbackServer, data_folder: Path) -> None:
    async with Bot(server).running() as bot:
        before = bot.exchange.metrics.gauges()
        # The first one recorded is of a book without orders of ours.
        await eventually(lambda: any(line.get("bid") for line in record(data_folder)))
        resting = bot.buy("1001000", order_type=OrderType.LIMIT_MAKER)
        await eventually(lambda: bot.ids("created") == [resting])
        assert bot.exchange.metrics.gauges().live_orders == 1
        bot.exchange.cancel(PAIR, resting)
        await eventually(lambda: bot.ids("cancelled") == [resting])
        taking = bot.buy("1010000")
        await eventually(lambda: bot.ids("completed") == [taking])
        refused = bot.buy("1010000", order_type=OrderType.LIMIT_MAKER)
        await eventually(lambda: bot.ids("failed") == [refused])
    assert before.ready
    assert before.account_socket_up
    assert before.market_socket_up
    assert not before.read_only
    assert abs(before.clock_offset) < 1
    age = before.book_ages[PAIR]
    assert age is not None
    assert 0 <= age < 5
    assert max(use.used for use in before.rate_limits.values()) > 0
    assert all(use.used <= use.limit for use in before.rate_limits.values())
    after = bot.exchange.metrics.gauges()
    assert (after.ready, after.account_socket_up, after.market_socket_up, after.live_orders) == (False, False, False, 0)
    counters = bot.exchange.metrics.counters()
    orders = {name: count for name, count in counters.items() if name.startswith(("orders", "fills", "cancels"))}
    assert orders == {
        "orders_sent": 3,
        "orders_opened": 2,
        "orders_refused": 0,
        "orders_failed": 1,
        "orders_cancelled": 1,
        "orders_filled": 1,
        "fills": 1,
        "cancels_sent": 1,
        "cancels_sent_again": 0,
    }
    assert all(counters[name] for name in ("rest_answers", "account_events", "market_frames"))
    assert kinds(bot) == []

    lines = record(data_folder)
    assert [lines[0]["kind"], lines[-1]["kind"]] == ["start", "stop"]
    assert lines[-1]["run"] == lines[0]["run"]
    assert lines[0]["pairs"] == [PAIR]
    assert lines[-1]["counters"] == counters
    assert lines[-1]["latency"]["place open"]["count"] == 2
    assert [line["t"] for line in lines] == sorted(line["t"] for line in lines)
    book = next(line for line in lines if line.get("bid"))
    assert [book[key] for key in ("pair", "bid", "ask", "mid")] == [PAIR, "1000000.0", "1010000.0", "1005000.0"]
    sent = [line for line in lines if line["kind"] == "order"]
    assert [(line["id"], line["side"], line["price"], Decimal(line["amount"])) for line in sent] == [
        (resting, "buy", "1001000", Decimal("0.01")),
        (taking, "buy", "1010000", Decimal("0.01")),
        (refused, "buy", "1010000", Decimal("0.01")),
    ]
    assert [line["id"] for line in lines if line["kind"] == "open"] == [resting, taking]
    assert [(line["id"], line["end"]) for line in lines if line["kind"] == "end"] == [
        (resting, "cancelled"),
        (taking, "filled"),
        (refused, "failed"),
    ]
    (trade,) = server.exchange.trades(server.account_id)
    (fill,) = (line for line in lines if line["kind"] == "fill")
    assert (fill["id"], fill["trade_id"], fill["fee_currency"]) == (taking, trade.id, trade.fee_currency)
    assert [Decimal(fill[key]) for key in ("price", "amount", "fee")] == [trade.price, trade.quantity, trade.fee]
    measures = {(line["id"], line["measure"]) for line in lines if line["kind"] == "latency"}
    assert {(resting, "place open"), (resting, "cancel end"), (taking, "place reply")} <= measures
    assert {line["currency"] for line in lines if line["kind"] == "balance"} == {"BTC", "ZAR"}
    text = (data_folder / "valr_loopback_session.jsonl").read_text()
    assert server.api_key not in text
    assert server.api_secret not in text


@pytest.mark.parametrize("options", [{"valr_session_record": False}, {"trading_required": False}])
async def test_nothing_is_recorded_unasked(server: LoopbackServer, data_folder: Path, options: dict[str, Any]) -> None:
    async with Bot(server, **options).running():
        pass
    assert not (data_folder / "valr_loopback_session.jsonl").exists()


async def test_both_sockets_are_told_of_once_when_lost_and_when_back(server: LoopbackServer) -> None:
    async with Bot(server).running() as bot:
        await server.drop_account_sockets()
        await server.drop_trade_sockets()
        counters = bot.exchange.metrics.counters
        await eventually(lambda: counters()["account_reconnects"] and counters()["market_reconnects"])
    assert sorted(kinds(bot)) == sorted(
        [
            IncidentKind.ACCOUNT_SOCKET_LOST,
            IncidentKind.ACCOUNT_SOCKET_BACK,
            IncidentKind.MARKET_SOCKET_LOST,
            IncidentKind.MARKET_SOCKET_BACK,
        ]
    )


@dataclass(frozen=True)
class Trouble:
    """A fault, and what is told and counted because of it, ``first`` before ``last``."""

    fault: Fault
    first: IncidentKind
    last: IncidentKind
    counter: str


TROUBLES = {
    "a cancel is acknowledged and never done": Trouble(
        Fault(kind="cancel_never_executed", times=1),
        IncidentKind.CANCEL_SENT_AGAIN,
        IncidentKind.CANCEL_SENT_AGAIN,
        "cancels_sent_again",
    ),
    "the reply to a placement is lost": Trouble(
        Fault(kind="place_reply_lost", times=1),
        IncidentKind.PLACEMENT_IN_DOUBT,
        IncidentKind.PLACEMENT_IN_DOUBT,
        "placements_in_doubt",
    ),
    "a book frame has a wrong checksum": Trouble(
        Fault(kind="book_bad_checksum", times=1),
        IncidentKind.BOOK_DROPPED,
        IncidentKind.BOOK_RESYNCED,
        "book_checksum_failures",
    ),
    "a book frame is missing": Trouble(
        Fault(kind="book_gap", times=1), IncidentKind.BOOK_DROPPED, IncidentKind.BOOK_RESYNCED, "book_sequence_gaps"
    ),
    "a book is crossed": Trouble(
        Fault(kind="book_crossed", times=1), IncidentKind.BOOK_DROPPED, IncidentKind.BOOK_RESYNCED, "book_other_faults"
    ),
    "a command is refused for its rate": Trouble(
        Fault(kind="command_refused", form="rate_limit", times=1),
        IncidentKind.RATE_LIMITED,
        IncidentKind.RATE_LIMITED,
        "rate_limit_refusals",
    ),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
async def test_trouble_is_an_incident_and_is_counted(
    server: LoopbackServer, trouble: Trouble, data_folder: Path
) -> None:
    async with Bot(server).running() as bot:
        server.faults.add(trouble.fault)
        order = bot.buy("1001000")
        await eventually(lambda: bot.ids("created") == [order])
        bot.exchange.cancel(PAIR, order)
        await eventually(lambda: bot.ids("cancelled") == [order] and trouble.last in kinds(bot))
    told = kinds(bot)
    assert (told[0], told[-1]) == (trouble.first, trouble.last)
    assert bot.exchange.metrics.counters()[trouble.counter] == 1
    assert bot.exchange.metrics.incident_counts()[trouble.last] == 1
    recorded = [line["incident"] for line in record(data_folder) if line["kind"] == "incident"]
    assert recorded == [kind.value for kind in told]


async def test_an_order_of_a_killed_process_is_a_stray_in_the_next_session(
    server: LoopbackServer, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valr_order_keeper, "STRAY_GRACE", 0.2)
    async with Bot(server).running() as killed:
        stray = killed.buy("1001000")
        await eventually(lambda: killed.live() == [stray])
        killed.die()
        killed.exchange._keeper.halt()
        async with Bot(server).running() as bot:
            await eventually(lambda: not bot.live() and IncidentKind.STRAY_FOUND in kinds(bot))
    assert bot.exchange.metrics.counters()["strays"] == 1
    (incident,) = (each for each in bot.exchange.metrics.incidents() if each.kind is IncidentKind.STRAY_FOUND)
    assert incident.trading_pair == PAIR
    assert stray in incident.text


# --- Prometheus -------------------------------------------------------------------------------------------------------
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def scrape(port: int, accept: str = "") -> tuple[str, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics", headers={"Accept": accept}) as response,
    ):
        assert response.status == 200
        return await response.text(), response.headers["Content-Type"]


def samples(text: str) -> dict[tuple[str, str], float]:
    """Every sample by its name and its labels in brackets, the connector's left out."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert sample.labels.pop("connector") == "valr_loopback"
            found[sample.name, ",".join(sample.labels.values())] = sample.value
    return found


async def test_prometheus_reads_what_the_connector_counts(server: LoopbackServer) -> None:
    port = free_port()
    bot = Bot(server, valr_metrics_port=port)
    async with bot.running():
        order = bot.buy("1001000")
        await eventually(lambda: bot.ids("created") == [order])
        text, content_type = await scrape(port)
        open_metrics, open_type = await scrape(port, "application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("text/plain")
    assert open_type.startswith("application/openmetrics-text")
    assert open_metrics.endswith("# EOF\n")
    found = samples(text)
    assert {f"valr_{name}_total" for name in COUNTER_MEANINGS} <= {name for name, _ in found}
    assert found["valr_orders_opened_total", ""] == found["valr_live_orders", ""] == found["valr_ready", ""] == 1
    assert found["valr_book_live", PAIR] == 1
    assert 0 <= found["valr_book_age_seconds", PAIR] < 5
    assert all(0 <= value <= 1 for (name, _), value in found.items() if name == "valr_rate_limit_used_ratio")
    assert found["valr_latency_seconds_bucket", "+Inf,place open"] == 1
    assert 0 < found["valr_latency_seconds_sum", "place open"] < 10
    for secret in (server.api_key, server.api_secret):
        assert secret not in text
    with pytest.raises(aiohttp.ClientConnectorError):
        await scrape(port)


async def test_a_port_that_is_taken_is_said_and_trading_goes_on(
    server: LoopbackServer, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with Bot(server, valr_metrics_port=port).running() as bot:
            order = bot.buy("1001000")
            await eventually(lambda: bot.ids("created") == [order])
    assert f"The metrics cannot be served on port {port}" in caplog.text
    assert "address already in use" in caplog.text


async def test_without_the_library_the_sentence_says_what_to_install(
    server: LoopbackServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    async with Bot(server, valr_metrics_port=free_port()).running() as bot:
        assert bot.exchange.ready
    assert "pip install prometheus-client" in caplog.text


async def test_by_default_nothing_is_served_and_no_library_is_needed(
    server: LoopbackServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    spec = importlib.util.spec_from_file_location("a_fresh_copy", valr_prometheus.__file__)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    async with Bot(server).running() as bot:
        assert bot.exchange.ready
    assert "etrics" not in caplog.text


# --- Options of the whole account -------------------------------------------------------------------------------------
@pytest.mark.parametrize("order_entry", ["websocket", "rest"])
async def test_the_dead_man_switch_cancels_at_the_drop_and_the_bot_learns_it(
    server: LoopbackServer, order_entry: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    exchange, account = server.exchange, server.account_id
    foreign = exchange.place_limit(account, SYMBOL, "buy", "0.01", "990000")
    async with Bot(server, valr_cancel_on_disconnect=True, valr_order_entry=order_entry).running() as bot:
        await eventually(lambda: "VALR cancels every open order" in caplog.text)
        placed = [bot.buy("1001000", "0.02"), bot.sell("1009000"), bot.sell("1008000")]
        await eventually(lambda: sorted(bot.ids("created")) == sorted(placed))
        exchange.place_limit("other", SYMBOL, "sell", "0.005", "1001000")
        await eventually(lambda: bot.ids("filled") == placed[:1])
        await server.drop_account_sockets()
        # The exchange did it by itself, at the drop, to every order of the account, also to what is not the bot's.
        await eventually(lambda: exchange.open_orders(account) == [])
        await eventually(lambda: sorted(bot.ids("cancelled")) == sorted(placed))
        await eventually(lambda: "VALR was told to cancel every open order of the account" in caplog.text)
        assert len(bot.told("filled")) == 1
        assert bot.exchange.metrics.counters()["cancels_sent"] == 0
        # The switch is set anew on the next socket: it works a second time.
        again = bot.buy("1002000")
        await eventually(lambda: bot.ids("created")[3:] == [again])
        await eventually(lambda: caplog.text.count("VALR cancels every open order") == 2)
        await server.drop_account_sockets()
        await eventually(lambda: again in bot.ids("cancelled"))
        assert bot.exchange.in_flight_orders == {}
    assert foreign.status.value == "Cancelled"
    exchange_kinds = [kind for kind in kinds(bot) if kind is IncidentKind.ACCOUNT_SOCKET_LOST]
    assert len(exchange_kinds) == 2


async def test_without_the_dead_man_switch_a_drop_cancels_nothing(server: LoopbackServer) -> None:
    async with Bot(server).running() as bot:
        order = bot.buy("1001000")
        await eventually(lambda: bot.ids("created") == [order])
        await server.drop_account_sockets()
        await eventually(lambda: bot.exchange.metrics.counters()["account_reconnects"])
        assert bot.live() == [order]
        assert bot.ids("cancelled") == []


@pytest.mark.parametrize("order_entry", ["websocket", "rest"])
async def test_a_sub_account_is_traded_with_the_primary_accounts_key(server: LoopbackServer, order_entry: str) -> None:
    exchange, sub = server.exchange, server.sub_account_id
    exchange.place_limit(server.account_id, SYMBOL, "buy", "0.01", "990000")
    before = exchange.balances(server.account_id)
    async with Bot(server, valr_sub_account_id=sub, valr_order_entry=order_entry).running() as bot:
        resting, taking = bot.buy("999000"), bot.sell("1000000")
        await eventually(lambda: sorted(bot.ids("created")) == sorted([resting, taking]))
        await eventually(lambda: bot.ids("completed") == [taking])
        assert [order.client_order_id for order in exchange.open_orders(sub)] == [resting]
        # The events of the sub-account's own socket keep the balances, and its trades bring the fills.
        (trade,) = exchange.trades(sub)
        assert [event.exchange_trade_id for event in bot.told("filled")] == [trade.id]
        held = exchange.balances(sub)["BTC"]
        await eventually(lambda: bot.exchange.get_balance("BTC") == held.total)
        results = await bot.exchange.cancel_all(5)
        assert [(result.order_id, result.success) for result in results] == [(resting, True)]
    assert exchange.open_orders(sub) == []
    # The primary account was not touched.
    assert len(exchange.open_orders(server.account_id)) == 1
    assert exchange.balances(server.account_id) == before


async def test_somebody_elses_sub_account_is_refused_and_said(
    server: LoopbackServer, caplog: pytest.LogCaptureFixture
) -> None:
    exchange = Bot(server, valr_sub_account_id="1234567890").exchange
    await exchange.start_network()
    try:
        await eventually(lambda: exchange.metrics.incident_counts()[IncidentKind.KEY_REFUSED])
    finally:
        await exchange.stop_network()
    assert not exchange.ready
