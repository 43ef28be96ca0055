"""What the doctor says of an exchange: the loopback exchange, well and with one thing after the other wrong with it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from hummingbot_valr.doctor import Check, Report
from hummingbot_valr.doctor_account import Account
from hummingbot_valr.doctor_exchange import examine_exchange
from valr_loopback.auth import TRADE, VIEW
from valr_loopback.fault_files import parse_fault
from valr_loopback.server import LoopbackConfig, LoopbackServer

Checks = dict[str, Check]
Alter = Callable[[LoopbackServer], Account]
ALL = ["REST", "Clock", "Permissions", "Sub-account", "Account socket", "Market data socket"]


async def examine(
    url: str,
    account: Account | None,
    *,
    domain: str = "valr_loopback",
    config: Path | None = None,
    deadline: float = 30.0,
) -> Checks:
    """Every check by name; that no key is in them is asserted each time."""
    found = await examine_exchange(
        domain, url, account, config=config, workspace=Path("/nowhere"), deadline=deadline, say=lambda text: None
    )
    if account is not None:
        shown = Report("", found).as_json()
        assert account.key not in shown
        assert account.secret not in shown
    return {check.name: check for check in found}


def statuses(checks: Checks) -> dict[str, str]:
    """What is not ok."""
    return {name: check.status.value for name, check in checks.items() if check.status.value != "ok"}


def demo(server: LoopbackServer) -> Account:
    return Account(server.api_key, server.api_secret, "")


def config_of(*faults: str, **options: Any) -> LoopbackConfig:
    return LoopbackConfig(port=0, faults=tuple(map(parse_fault, faults)), **options)


@pytest.fixture
async def server() -> AsyncIterator[LoopbackServer]:
    async with LoopbackServer(config_of()) as server:
        yield server


async def test_all_is_well(server: LoopbackServer) -> None:
    checks = await examine(server.url, demo(server))
    assert list(checks) == ALL
    assert statuses(checks) == {}
    assert f"{server.url} answers in " in checks["REST"].found
    assert checks["Clock"].found.endswith("ms from VALR's")
    assert "View access, Trade" in checks["Permissions"].found
    assert checks["Sub-account"].found.startswith("none set: the key's own account; it holds ")
    assert "10000000 ZAR" in checks["Sub-account"].found
    assert checks["Account socket"].found.startswith(f"{server.websocket_url}/ws/account opens in ")


async def test_without_keys_the_rest_is_looked_at(server: LoopbackServer) -> None:
    checks = await examine(server.url, None)
    assert statuses(checks) == dict.fromkeys(("Permissions", "Sub-account", "Account socket"), "not checked")


async def test_the_sub_account_that_is_set_is_the_one_looked_at(server: LoopbackServer) -> None:
    account = Account(server.api_key, server.api_secret, server.sub_account_id)
    checks = await examine(server.url, account)
    assert statuses(checks) == {}
    assert checks["Sub-account"].found.startswith(f"sub-account {server.sub_account_id}; it holds")


async def socket_that_wants_keys_and_says_odd_things(request: web.Request) -> web.StreamResponse:
    if "X-VALR-API-KEY" not in request.headers:
        return web.Response(status=401)
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    for text in ("not JSON", "[]", '"PONG"'):
        await socket.send_str(text)
    async for _ in socket:
        await socket.send_json({"type": "PONG"})
    return socket


async def test_a_market_data_socket_that_wants_keys_is_opened_as_the_connector_opens_it() -> None:
    app = web.Application()
    app.router.add_get("/ws/trade", socket_that_wants_keys_and_says_odd_things)
    async with TestServer(app) as exchange:
        url = str(exchange.make_url("")).rstrip("/")
        signed = await examine(url, Account("k" * 64, "s" * 64, ""))
        assert signed["Market data socket"].status.value == "ok"
        anonymous = await examine(url, None)
        assert "is refused: HTTP 401" in anonymous["Market data socket"].found


def with_key(*permissions: str) -> Alter:
    def alter(server: LoopbackServer) -> Account:
        key = server.add_key(server.account_id, permissions)
        return Account(key.key, key.secret, "")

    return alter


def with_empty_account(server: LoopbackServer) -> Account:
    server.exchange.open_account("1", {})
    key = server.add_key("1", (VIEW, TRADE))
    return Account(key.key, key.secret, "")


def wrong_secret(server: LoopbackServer) -> Account:
    return Account(server.api_key, "f" * 64, "")


def wrong_sub_account(server: LoopbackServer) -> Account:
    return Account(server.api_key, server.api_secret, "12345")


def bound_to_another_address(server: LoopbackServer) -> Account:
    server.bind_key(server.api_key, "192.0.2.1")
    return demo(server)


def under_maintenance(server: LoopbackServer) -> Account:
    server.set_status("read-only")
    return demo(server)


SIGNED_FAIL = {"Permissions": "error", "Sub-account": "not checked", "Account socket": "error"}
BAD_CASES: dict[str, tuple[tuple[str, ...], Alter, dict[str, str], dict[str, str]]] = {
    # Faults, whose keys, what is not ok, and a piece of what is said there.
    "wrong secret": (
        (),
        wrong_secret,
        SIGNED_FAIL,
        {
            "Permissions": "The API secret does not belong to the API key",
            "Account socket": "VALR refuses the API key (HTTP 401)",
        },
    ),
    "wrong secret with a sub-account": (
        (),
        lambda server: Account(server.api_key, "f" * 64, server.sub_account_id),
        SIGNED_FAIL,
        {"Sub-account": "the key is refused altogether"},
    ),
    "no permission to trade": (
        (),
        with_key(VIEW),
        {"Permissions": "error"},
        {"Permissions": "The API key lacks the permission Trade."},
    ),
    "no permission to look": ((), with_key(TRADE), SIGNED_FAIL, {"Permissions": "Check on VALR"}),
    "sub-account refused": (
        (),
        wrong_sub_account,
        {"Sub-account": "error", "Account socket": "error"},
        {"Sub-account": "VALR refuses the key for sub-account 12345 (but not for its own account)"},
    ),
    "empty account": ((), with_empty_account, {"Sub-account": "warning"}, {"Sub-account": "it is empty"}),
    "read-only mode": ((), under_maintenance, {"REST": "warning"}, {"REST": "is in read-only mode"}),
    "clock behind": (
        ("clock_off:offset=20",),
        demo,
        {"Clock": "warning"},
        {"Clock": "this machine's is 20.0 s behind VALR's\nSwitch on time synchronisation"},
    ),
    "clock far ahead": (("clock_off:offset=-3600",), demo, {"Clock": "warning"}, {"Clock": "3600.0 s ahead of VALR's"}),
    "account socket refused": (
        ("account_socket_refused:form=503",),
        demo,
        {"Account socket": "error"},
        {"Account socket": "is refused: HTTP 503"},
    ),
    "account socket reset": (
        ("account_socket_refused:form=reset",),
        demo,
        {"Account socket": "error"},
        {"Account socket": "cannot be used"},
    ),
    "IP address not allowed": (
        (),
        bound_to_another_address,
        SIGNED_FAIL,
        {
            "Permissions": "VALR does not accept the API key from this machine's IP address",
            "Account socket": "its IP list (if any) allows this machine",
        },
    ),
    "IP address refused by the socket": (
        ("account_key_refused:form=ip",),
        demo,
        {"Account socket": "error"},
        {"Account socket": "its IP list (if any) allows this machine"},
    ),
    "market data socket limited": (
        ("trade_socket_refused:form=429",),
        demo,
        {"Market data socket": "error"},
        {"Market data socket": "VALR limits new sockets"},
    ),
    "rate limited": (
        ("rest_429:path=/v1/public",),
        demo,
        {"REST": "warning", "Clock": "not checked"},
        {"REST": "rate limit"},
    ),
    "REST out of order": (
        ("rest_503",),
        demo,
        {"REST": "error"} | dict.fromkeys(("Clock", "Permissions", "Sub-account"), "not checked"),
        {"REST": "gives no usable answer"},
    ),
}


@pytest.mark.parametrize("case", BAD_CASES)
async def test_what_is_wrong_is_said_where_it_is_and_nowhere_else(case: str) -> None:
    faults, alter, wrong, said = BAD_CASES[case]
    async with LoopbackServer(config_of(*faults)) as server:
        checks = await examine(server.url, alter(server))
    assert statuses(checks) == wrong
    for name, piece in said.items():
        assert piece in f"{checks[name].found}\n{checks[name].to_do}"


async def test_a_socket_that_says_nothing_is_given_up_in_time() -> None:
    async with silent_sockets() as address:
        checks = await examine(address, None, deadline=0.3)
    assert "did not answer within 0.3 s" in checks["Market data socket"].found


async def test_a_socket_that_does_not_take_the_key_says_so() -> None:
    async with silent_sockets() as address:
        checks = await examine(address, SOME_ACCOUNT, deadline=3.0)
    assert "it says UNAUTHORIZED" in checks["Account socket"].found


async def test_a_socket_that_closes_is_named_with_its_code() -> None:
    async with silent_sockets(close=True) as address:
        checks = await examine(address, None)
    assert "it closed (code 1012)" in checks["Market data socket"].found


def silent_sockets(*, close: bool = False) -> "StubValr":
    async def trade(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if close:
            await socket.close(code=1012)
        async for _ in socket:
            pass
        return socket

    async def account(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "UNAUTHORIZED"})
        async for _ in socket:
            pass
        return socket

    return StubValr({"/ws/trade": trade, "/ws/account": account})


class StubValr:
    """Answers what it is given, beside the time and the status, which are in order; as a context, its address."""

    def __init__(self, answers: dict[str, Any]) -> None:
        app = web.Application()
        for path, answer in answers.items():
            app.router.add_get(path, answer if callable(answer) else self._json(answer))
        app.router.add_get("/v1/public/time", self._time)
        app.router.add_get("/v1/public/status", self._json({"status": "online"}))
        self._server = TestServer(app)

    async def __aenter__(self) -> str:
        await self._server.start_server()
        return str(self._server.make_url("")).rstrip("/")

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    @staticmethod
    async def _time(request: web.Request) -> web.Response:
        return web.json_response({"epochTime": int(time.time())})

    @staticmethod
    def _json(answer: Any) -> Callable[[web.Request], Any]:
        status, body = answer if isinstance(answer, tuple) else (200, answer)

        async def respond(request: web.Request) -> web.Response:
            return web.json_response(body, status=status)

        return respond


NOT_THIS_ADDRESS = (401, {"code": -11272, "message": "The originating IP Address has not been whitelisted."})
SOME_ACCOUNT = Account("a" * 64, "b" * 64, "")


async def test_an_ip_address_that_is_not_allowed_is_named_as_the_cause() -> None:
    answers = dict.fromkeys(("/v1/account/api-keys/current", "/v1/account/balances", "/ws/account"), NOT_THIS_ADDRESS)
    async with StubValr(answers) as url:
        checks = await examine(url, SOME_ACCOUNT)
    assert checks["Permissions"].status.value == "error"
    assert "does not accept the API key from this machine's IP address" in checks["Permissions"].to_do


@pytest.mark.parametrize(
    ("domain", "key", "status", "said"),
    [
        (
            "valr",
            {"permissions": ["View access", "Trade", "Withdraw"]},
            "warning",
            "Withdraw: trading needs none of it",
        ),
        ("valr_loopback", {"permissions": ["View access", "Trade", "Withdraw"]}, "ok", "Withdraw"),
        (
            "valr",
            {"permissions": ["View access", "Trade"], "allowedIpAddressCidr": "10.0.0.1/32"},
            "ok",
            "View access, Trade; from 10.0.0.1/32 only",
        ),
        ("valr", {"permissions": []}, "error", "none\nThe API key lacks the permission View access and Trade"),
        ("valr", {}, "not checked", "no usable answer"),
    ],
)
async def test_a_key_should_permit_what_trading_needs_and_no_more(
    domain: str, key: dict[str, Any], status: str, said: str
) -> None:
    async with StubValr({"/v1/account/api-keys/current": key, "/v1/account/balances": []}) as url:
        found = (await examine(url, SOME_ACCOUNT, domain=domain))["Permissions"]
    assert found.status.value == status
    assert said in f"{found.found}\n{found.to_do}"


async def test_offline_it_says_so_at_once_and_each_for_itself() -> None:
    url = f"http://127.0.0.1:{unused_port()}"
    started = time.monotonic()
    checks = await examine(url, SOME_ACCOUNT, deadline=120.0)
    assert time.monotonic() - started < 60, "no deadline was waited for"
    assert statuses(checks) == {
        "REST": "error",
        "Clock": "not checked",
        "Permissions": "not checked",
        "Sub-account": "not checked",
        "Account socket": "error",
        "Market data socket": "error",
    }
    assert "Does the loopback exchange run" in checks["REST"].to_do
    assert {checks[name].found for name in ("Permissions", "Sub-account")} == {"no connection"}


async def test_a_network_that_swallows_everything_takes_a_few_deadlines() -> None:
    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the other side gives up
        writer.close()

    swallower = await asyncio.start_server(swallow, "127.0.0.1", 0)
    port = swallower.sockets[0].getsockname()[1]
    started = time.monotonic()
    checks = await examine(f"http://127.0.0.1:{port}", SOME_ACCOUNT, deadline=0.5)
    assert time.monotonic() - started < 30
    swallower.close()
    assert "no answer to GET /v1/public/time within 0.5 s" in checks["REST"].found
    assert "did not answer within 0.5 s" in checks["Account socket"].found


# --- A strategy's configuration ---------------------------------------------------------------------------------------
PMM = """strategy: pure_market_making
exchange: valr_loopback
market: {pair}
bid_spread: 0.5
ask_spread: 0.5
order_refresh_time: 30
order_amount: {amount}
"""


async def examine_strategy(
    server: LoopbackServer, folder: Path, text: str, account: Account | None = None, **others: str
) -> Checks:
    for name, content in {"conf_x": text, **others}.items():
        (folder / f"{name}.yml").write_text(content)
    checks = await examine(server.url, account or demo(server), config=folder / "conf_x.yml")
    return {name: check for name, check in checks.items() if name not in ALL}


async def test_a_strategy_that_can_trade(server: LoopbackServer, tmp_path: Path) -> None:
    checks = await examine_strategy(server, tmp_path, PMM.format(pair="BTC-ZAR", amount=0.001))
    assert list(checks) == ["BTC-ZAR"]
    assert checks["BTC-ZAR"].status.value == "ok"
    assert checks["BTC-ZAR"].found.endswith("; available: 10 BTC, 10000000 ZAR")


async def test_a_file_that_hummingbot_would_not_take(server: LoopbackServer, tmp_path: Path) -> None:
    checks = await examine_strategy(server, tmp_path, PMM.format(pair="BTC-ZAR", amount="abc"))
    assert checks["Strategy"].status.value == "error"
    assert checks["Strategy"].found.endswith("conf_x.yml, line 7, order_amount: abc is not in decimal format.")
    assert checks["BTC-ZAR"].status.value == "ok", "the pair is looked at all the same"


def with_balances(**balances: int | str) -> Alter:
    def alter(server: LoopbackServer) -> Account:
        server.exchange.open_account("1", {code: Decimal(amount) for code, amount in balances.items()})
        key = server.add_key("1", (VIEW, TRADE))
        return Account(key.key, key.secret, "")

    return alter


def on_an_inactive_pair(server: LoopbackServer) -> Account:
    server.exchange.set_active("BTCZAR", False)
    return demo(server)


STRATEGIES: dict[str, tuple[str, Alter, str, str]] = {
    "a pair that is not listed": (PMM.format(pair="BTC-XYZ", amount=1), demo, "error", "VALR has no such spot pair"),
    "a pair that is not active": (
        PMM.format(pair="BTC-ZAR", amount=1),
        on_an_inactive_pair,
        "error",
        "is not active on VALR: orders are refused",
    ),
    "an amount below the minimum": (
        PMM.format(pair="BTC-ZAR", amount="0.0000001"),
        demo,
        "error",
        "the configured amount 0.0000001 BTC is less\nRaise it",
    ),
    "an amount in the quote currency below the minimum": (
        "connector_name: valr_loopback\ntrading_pair: BTC-ZAR\norder_amount_quote: 0.5\n",
        demo,
        "error",
        "is less\nRaise it",
    ),
    "nothing to sell": (
        PMM.format(pair="BTC-ZAR", amount=0.001),
        with_balances(ZAR=1_000_000),
        "warning",
        "too little BTC to sell\nan order takes 0.001 BTC: deposit",
    ),
    "nothing to buy with": (
        PMM.format(pair="BTC-ZAR", amount=0.001),
        with_balances(BTC=1, ZAR=1),
        "warning",
        "too little ZAR to buy",
    ),
    "too little for either": (
        PMM.format(pair="BTC-ZAR", amount=1),
        with_balances(BTC="0.5", ZAR=5),
        "error",
        "too little for either side",
    ),
    "balances that are not known": (
        PMM.format(pair="BTC-ZAR", amount=1),
        wrong_secret,
        "not checked",
        "the balances are not known",
    ),
}


@pytest.mark.parametrize("case", STRATEGIES)
async def test_a_strategy_that_cannot(case: str, server: LoopbackServer, tmp_path: Path) -> None:
    text, alter, status, said = STRATEGIES[case]
    checks = await examine_strategy(server, tmp_path, text, alter(server))
    (check,) = (check for name, check in checks.items() if name != "Strategy")
    assert check.status.value == status
    assert said in f"{check.found}\n{check.to_do}"


ROW = {
    "symbol": "ABCZAR",
    "baseCurrency": "ABC",
    "quoteCurrency": "ZAR",
    "active": True,
    "minBaseAmount": "1",
    "maxBaseAmount": "100",
    "minQuoteAmount": "10",
    "tickSize": "1",
    "baseDecimalPlaces": "2",
    "currencyPairType": "SPOT",
}
LIMIT = [{"currencyPair": "ABCZAR", "orderTypes": ["LIMIT"]}]


@pytest.mark.parametrize(
    ("pairs", "order_types", "status", "said"),
    [
        ([ROW], [{"currencyPair": "ABCZAR", "orderTypes": ["SIMPLE"]}], "error", "has no order book on VALR"),
        ([{**ROW, "tickSize": "none"}], LIMIT, "not checked", "tickSize"),
        ([ROW], {}, "not checked", "no usable answer"),
        ([ROW, "no row"], LIMIT, "warning", "too little ABC to sell"),
        ([{**ROW, "currencyPairType": "FUTURE"}], LIMIT, "error", "VALR has no such spot pair"),
    ],
)
async def test_what_valr_lists_of_a_pair(pairs: Any, order_types: Any, status: str, said: str, tmp_path: Path) -> None:
    balance = {"currency": "ZAR", "available": "100", "total": "100"}
    answers = {
        "/v1/public/pairs": pairs,
        "/v1/public/ordertypes": order_types,
        "/v1/public/marketsummary": [],
        "/v1/account/balances": [balance],
    }
    config = tmp_path / "conf_x.yml"
    config.write_text(PMM.format(pair="ABC-ZAR", amount=1))
    async with StubValr(answers) as url:
        checks = await examine(url, SOME_ACCOUNT, config=config)
    assert checks["ABC-ZAR"].status.value == status
    assert said in checks["ABC-ZAR"].found


async def test_a_configuration_without_this_exchange_or_without_a_file(server: LoopbackServer, tmp_path: Path) -> None:
    checks = await examine_strategy(
        server, tmp_path, PMM.format(pair="BTC-USDT", amount=1).replace("valr_loopback", "binance")
    )
    assert "trades nothing on this exchange" in checks["Strategy"].found
    checks = await examine(server.url, None, config=tmp_path / "other.yml")
    assert checks["Strategy"].status.value == "error"
    assert "there is no " in checks["Strategy"].found
