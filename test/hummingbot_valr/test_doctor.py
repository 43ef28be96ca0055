"""The doctor's report, what it looks at on this machine, the keys of a workspace, and the command as a process."""

import ast
import asyncio
import importlib
import inspect
import json
import os
import pkgutil
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

import hummingbot.client.settings  # before the configuration modules, which import each other in a ring
import hummingbot.connector.exchange.valr as connector
from hummingbot.cli.strategy_configs import describe_strategy
from hummingbot.client.config.config_crypt import ETHKeyFileSecretManger
from hummingbot.connector.exchange.valr import valr_exchange
from hummingbot_valr import doctor_command, doctor_hooks
from hummingbot_valr import doctor_hummingbot as local
from hummingbot_valr.command import app
from hummingbot_valr.doctor import Check, Report, Status, error, ok, unknown, warning
from hummingbot_valr.doctor_account import AccountFileError, check_key_file, read_account, stored_url
from hummingbot_valr.doctor_configuration import check_configuration
from hummingbot_valr.doctor_examination import examine_hummingbot
from hummingbot_valr.doctor_strategy import ConfigurationError, Wanted, read_configuration, wanted_of
from hummingbot_valr.installation import Hummingbot, find_hummingbot, load_connector
from hummingbot_valr.installation_files import put
from hummingbot_valr.workspace import create_folders
from test.hummingbot_valr.small_hummingbot import make_checkout, make_connector
from valr_loopback.server import LoopbackConfig, LoopbackServer

KNOWN = {"valr", "valr_loopback", "binance"}
PASSWORD = "password of the test"
STRATEGIES = Path(hummingbot.__file__).parent / "strategy"
# Those of other people's scripts and controllers need their files.
EXAMPLES = sorted(
    file for file in Path(__file__).parents[2].glob("conf/s*/*.yml") if not file.name.startswith("conf_v2_")
)


class TestReport:
    FINE = ok("Fine", "as it should be")
    DOUBT = warning("Doubt", "[odd] looking", "Look at it.")
    WRONG = error("Wrong", "broken", "Mend it.")
    OPEN = unknown("Open", "needs a key")

    @pytest.mark.parametrize(
        ("checks", "status", "code", "summary"),
        [
            ([FINE], Status.OK, 0, "All is well."),
            ([FINE, OPEN], Status.OK, 0, "All is well as far as it could be looked at."),
            ([FINE, DOUBT, OPEN], Status.WARNING, 1, "1 warning"),
            ([DOUBT, WRONG, FINE, DOUBT], Status.ERROR, 2, "1 error, 2 warnings"),
        ],
    )
    def test_the_worst_decides(self, checks: list[Check], status: Status, code: int, summary: str) -> None:
        report = Report("the subject", checks)
        assert (report.status, report.exit_code) == (status, code)
        console = Console(width=100)
        with console.capture() as capture:
            console.print(report.as_table())
        assert summary in capture.get()
        assert "the subject" in capture.get()

    def test_every_row_says_what_and_what_to_do(self) -> None:
        console = Console(width=60)
        with console.capture() as capture:
            console.print(Report("x", [self.DOUBT]).as_table())
        assert "[odd] looking" in capture.get()
        assert "→ Look at it." in capture.get()

    def test_machines_get_json(self) -> None:
        assert json.loads(Report("x", [self.WRONG, self.OPEN]).as_json()) == {
            "status": "error",
            "subject": "x",
            "checks": [
                {"name": "Wrong", "status": "error", "found": "broken", "to_do": "Mend it."},
                {"name": "Open", "status": "not checked", "found": "needs a key", "to_do": ""},
            ],
        }


# --- Hooks ------------------------------------------------------------------------------------------------------------
# What Python, pydantic and the first log line of a class put into it.
NOT_HOOKS = {"_abc_impl", "_logger", "model_config"}


def is_ours(kind: type) -> bool:
    return kind.__module__.startswith(connector.__name__)


def overridden_now() -> dict[str, set[str]]:
    """The names that classes of the connector define over those of the Hummingbot class they derive from."""
    found: dict[str, set[str]] = defaultdict(set)
    for info in pkgutil.iter_modules(connector.__path__):
        module = importlib.import_module(f"{connector.__name__}.{info.name}")
        for kind in vars(module).values():
            if not inspect.isclass(kind) or kind.__module__ != module.__name__:
                continue
            bases = (each for each in kind.__mro__[1:] if each.__module__.startswith("hummingbot."))
            base = next((each for each in bases if not is_ours(each)), None)
            if base is not None:
                # A class that has spoken keeps its logger, under Hummingbot's name for it.
                kept = {name for name in vars(kind) if name.startswith("__") or name.endswith("_logger")}
                names = {name for name in vars(kind).keys() - kept if hasattr(base, name)}
                found[f"{base.__module__}:{base.__qualname__}"] |= names - NOT_HOOKS
    return {place: names for place, names in found.items() if names}


def used_of_exchange_now() -> set[str]:
    """The attributes that ``ValrExchange`` reads of itself and has from its base class."""
    (body,) = (
        node
        for node in ast.parse(inspect.getsource(valr_exchange)).body
        if isinstance(node, ast.ClassDef) and node.name == "ValrExchange"
    )
    of_self = [
        node
        for node in ast.walk(body)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    ]
    written = {node.attr for node in of_self if isinstance(node.ctx, ast.Store)}
    return {node.attr for node in of_self} - written - set(vars(valr_exchange.ValrExchange))


class TestHooks:
    def test_the_lists_name_all_that_the_connector_overrides_and_uses(self) -> None:
        listed = {place: set(names) for place, names in doctor_hooks.OVERRIDDEN.items()}
        assert listed == overridden_now(), "bring hummingbot_valr/doctor_hooks.py up to date"
        assert set(doctor_hooks.USED_OF_EXCHANGE) == used_of_exchange_now(), "bring doctor_hooks.py up to date"

    def test_this_hummingbot_has_them_all(self) -> None:
        check = local.check_hooks()
        assert check.status is Status.OK
        assert "exist" in check.found

    def test_what_is_missing_is_named(self) -> None:
        overridden = {
            "hummingbot.connector.exchange_py_base:ExchangePyBase": ("_place_order", "_given_up"),
            "hummingbot.connector.exchange_py_base:GivenUp": ("name",),
        }
        missing = doctor_hooks.missing_hooks(overridden, ("_sleep", "_auth", "_renamed"))
        assert missing == ["ExchangePyBase._given_up", "GivenUp.name", "ExchangePyBase._renamed"]

    def test_missing_hooks_are_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(local, "USED_OF_EXCHANGE", ("_renamed",))
        check = local.check_hooks()
        assert (check.status, check.found) == (Status.ERROR, "this Hummingbot lacks ExchangePyBase._renamed")
        assert "Use a tested release" in check.to_do

    def test_a_connector_that_cannot_be_built_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(valr_exchange.ExchangePyBase, "__init__", lambda self: None)
        check = local.check_hooks()
        assert check.status is Status.ERROR
        assert "the connector cannot be built: TypeError" in check.found


# --- This machine -----------------------------------------------------------------------------------------------------
@pytest.fixture
def checkout(tmp_path: Path) -> Hummingbot:
    return find_hummingbot(make_checkout(tmp_path / "checkout"), Path(sys.executable))


@pytest.fixture
def installed(checkout: Hummingbot) -> Hummingbot:
    put(checkout, load_connector, source=make_connector(checkout.root / "source"))
    return checkout


class TestThisMachine:
    @pytest.mark.parametrize(("release", "status"), [("20260922", Status.OK), ("20270101", Status.WARNING)])
    def test_the_release(self, release: str, status: Status, tmp_path: Path) -> None:
        assert local.check_release(Hummingbot(tmp_path, Path("python"), False, release)).status is status

    def test_the_connector_in_place(self, installed: Hummingbot) -> None:
        assert local.check_connector(installed, KNOWN).status is Status.OK

    def test_no_connector(self, checkout: Hummingbot) -> None:
        check = local.check_connector(checkout, {"binance"})
        assert (check.status, check.to_do) == (Status.ERROR, "Run 'hummingbot-valr install'.")

    def test_a_foreign_connector(self, checkout: Hummingbot) -> None:
        checkout.connector.mkdir()
        assert "is not ours" in local.check_connector(checkout, KNOWN).found

    def test_a_connector_that_hummingbot_passes_over(self, installed: Hummingbot) -> None:
        check = local.check_connector(installed, {"binance"})
        assert check.status is Status.ERROR
        assert "does not list valr and valr_loopback" in check.found

    def test_a_connector_that_somebody_changed(self, installed: Hummingbot) -> None:
        (installed.connector / "valr_utils.py").write_text("# mine\n")
        check = local.check_connector(installed, KNOWN)
        assert check.status is Status.WARNING
        assert "changed since: valr_utils.py" in check.found

    def test_an_installation_that_did_not_end(self, installed: Hummingbot) -> None:
        (installed.connector.parent / "_valr-aside-x").mkdir()
        check = local.check_connector(installed, KNOWN)
        assert check.status is Status.WARNING
        assert "or was killed" in check.found

    def test_a_connector_of_another_version(self, checkout: Hummingbot) -> None:
        put(checkout, load_connector, source=make_connector(checkout.root / "source", "0.0.1"))
        check = local.check_connector(checkout, KNOWN)
        assert (check.status, check.to_do) == (Status.WARNING, "Run 'hummingbot-valr upgrade'.")

    def test_copies(self, installed: Hummingbot, tmp_path: Path) -> None:
        assert local.check_copies(installed, [str(installed.root), str(tmp_path)]).status is Status.OK
        shadowed = make_connector(tmp_path / "hummingbot/connector/exchange/valr")
        check = local.check_copies(installed, [str(installed.root), str(tmp_path)])
        assert check.status is Status.WARNING
        assert f"without any effect is {shadowed}" in check.found
        double = installed.connector.parent.parent / "derivative" / "valr"
        double.mkdir(parents=True)
        check = local.check_copies(installed, [])
        assert check.status is Status.ERROR
        assert str(double) in check.found

    def test_folders(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        check = local.check_folders(tmp_path)
        assert check.status is Status.WARNING
        assert "has no conf/connectors," in check.found
        create_folders(tmp_path)
        assert local.check_folders(tmp_path).status is Status.OK
        # The tests may run as root, whom no mode of a folder keeps out.
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "logs")
        check = local.check_folders(tmp_path)
        assert (check.status, check.found) == (Status.ERROR, f"{tmp_path}/logs cannot be written")

    def test_stored_keys(self, tmp_path: Path) -> None:
        create_folders(tmp_path)
        assert local.check_key_files(tmp_path, KNOWN).found == "none"
        for name in ("valr", "binance"):
            (tmp_path / "conf" / "connectors" / f"{name}.yml").touch()
        assert local.check_key_files(tmp_path, KNOWN) == ok("Stored keys", "for binance, valr")
        check = local.check_key_files(tmp_path, {"binance"})
        assert check.status is Status.ERROR
        assert check.found.endswith("conf/connectors/valr.yml")

    def test_a_hummingbot_that_does_not_start(
        self, tmp_path: Path, checkout: Hummingbot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken() -> None:
            raise RuntimeError("Multiple connectors with the same valr name.")

        settings = hummingbot.client.settings.AllConnectorSettings
        monkeypatch.setattr(settings, "get_connector_settings", broken)
        _, check = examine_hummingbot(checkout, tmp_path, [])
        assert check.status is Status.ERROR
        assert "does not start: RuntimeError: Multiple connectors" in check.found


# --- Keys -------------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def locked() -> Callable[[str], str]:
    """Encrypts as Hummingbot does, each text once: it takes half a second."""
    known: dict[str, str] = {}

    def lock(text: str) -> str:
        if text not in known:
            known[text] = str(ETHKeyFileSecretManger(PASSWORD).encrypt_secret_value("", text))
        return known[text]

    return lock


def store(workspace: Path, domain: str, **values: object) -> None:
    create_folders(workspace)
    lines = {"connector": domain} | values
    text = "".join(f"{name}: {value}\n" for name, value in lines.items())
    (workspace / "conf" / "connectors" / f"{domain}.yml").write_text(text)


class TestKeys:
    @pytest.mark.parametrize("domain", ["valr", "valr_loopback"])
    def test_keys_are_read_and_never_shown(self, domain: str, tmp_path: Path, locked: Callable[[str], str]) -> None:
        keys = {f"{domain}_api_key": locked("a" * 64), f"{domain}_api_secret": locked("b" * 64)}
        store(tmp_path, domain, **keys, sub_account_id=123)
        account = read_account(tmp_path, domain, PASSWORD)
        assert (account.key, account.secret, account.sub_account_id) == ("a" * 64, "b" * 64, "123")
        assert "aaaa" not in repr(account)
        assert "bbbb" not in repr(account)
        check = check_key_file(account, tmp_path, domain)
        assert check == ok("API key", f"read from {tmp_path}/conf/connectors/{domain}.yml")

    def test_the_address_needs_no_password(self, tmp_path: Path) -> None:
        assert stored_url(tmp_path, "valr_loopback") is None
        store(tmp_path, "valr_loopback", valr_loopback_url="http://127.0.0.1:1")
        assert stored_url(tmp_path, "valr_loopback") == "http://127.0.0.1:1"
        store(tmp_path, "valr")
        assert stored_url(tmp_path, "valr") is None

    @pytest.mark.parametrize(
        ("key", "secret", "said"),
        [("a b", "b", "the stored key is no VALR key"), ("a", "", "the stored secret is no VALR secret")],
    )
    def test_what_cannot_be_a_key_is_named(
        self, key: str, secret: str, said: str, tmp_path: Path, locked: Callable[[str], str]
    ) -> None:
        store(tmp_path, "valr", valr_api_key=locked(key), valr_api_secret=locked(secret))
        check = check_key_file(read_account(tmp_path, "valr", PASSWORD), tmp_path, "valr")
        assert (check.status, check.found) == (Status.ERROR, said)

    def refusal(self, workspace: Path, password: str | None = PASSWORD) -> Check:
        with pytest.raises(AccountFileError) as caught:
            read_account(workspace, "valr", password)
        assert "aaaa" not in str(caught.value.check)
        return caught.value.check

    def test_no_keys(self, tmp_path: Path) -> None:
        check = self.refusal(tmp_path)
        assert check.status is Status.WARNING
        assert "hbot connect valr" in check.to_do

    def test_no_password(self, tmp_path: Path) -> None:
        store(tmp_path, "valr")
        check = self.refusal(tmp_path, None)
        assert check.status is Status.WARNING
        assert "HBOT_PASSWORD" in check.to_do

    def test_the_wrong_password(self, tmp_path: Path, locked: Callable[[str], str]) -> None:
        store(tmp_path, "valr", valr_api_key=locked("a" * 64), valr_api_secret=locked("b" * 64))
        check = self.refusal(tmp_path, "another")
        assert check.status is Status.ERROR
        assert "the password does not unlock" in check.found

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ({"valr_api_key": "00"}, "lacks valr_api_secret"),
            ({"valr_api_key": "1", "valr_api_secret": "2"}, "lacks valr_api_key and valr_api_secret"),
            ({"valr_api_key": "'xyz'", "valr_api_secret": "'xyz'"}, "valr_api_key in .* is not what Hummingbot writes"),
        ],
    )
    def test_a_file_that_somebody_spoilt(self, values: dict[str, str], said: str, tmp_path: Path) -> None:
        store(tmp_path, "valr", **{name: value if value != "00" else "'00'" for name, value in values.items()})
        check = self.refusal(tmp_path)
        assert check.status is Status.ERROR
        assert re.search(said, check.found)

    def test_options_that_cannot_be(self, tmp_path: Path, locked: Callable[[str], str]) -> None:
        keys = {"valr_api_key": locked("a" * 64), "valr_api_secret": locked("b" * 64)}
        store(tmp_path, "valr", **keys, order_entry="pigeon", colour="red")
        check = self.refusal(tmp_path)
        assert check.status is Status.ERROR
        assert "order_entry: Input should be 'websocket' or 'rest'" in check.found
        assert "colour: Extra inputs are not permitted" in check.found

    @pytest.mark.parametrize(("text", "said"), [("a: [", "it is not YAML"), ("", "is empty"), (None, "cannot be read")])
    def test_a_file_that_is_none(self, text: str | None, said: str, tmp_path: Path) -> None:
        store(tmp_path, "valr")
        file = tmp_path / "conf" / "connectors" / "valr.yml"
        file.write_bytes(b"\xff\xfe" if text is None else text.encode())
        assert said in self.refusal(tmp_path).found


# --- Strategies -------------------------------------------------------------------------------------------------------
def read_wanted(configuration: Path, workspace: Path, domain: str) -> list[Wanted]:
    return wanted_of(read_configuration(configuration, workspace).values(), domain)


class TestStrategyFiles:
    @pytest.mark.parametrize(
        ("text", "wanted"),
        [
            ("exchange: valr\nmarket: BTC-ZAR\norder_amount: 0.01\n", [("BTC-ZAR", "0.01", None)]),
            ("connector_name: valr\ntrading_pair: BTC-ZAR\norder_amount_quote: 50\n", [("BTC-ZAR", None, "50")]),
            ("connector: valr\ntrading_pair: BTC-ZAR\norder_amount: many\n", [("BTC-ZAR", None, None)]),
            ("exchange: valr\nmarket: BTC-ZAR\norder_amount: .nan\n", [("BTC-ZAR", None, None)]),
            (
                "maker_market: valr\nmaker_market_trading_pair: BTC-ZAR\ntaker_market: binance\n"
                "taker_market_trading_pair: BTC-USDT\norder_amount: 1\n",
                [("BTC-ZAR", "1", None)],
            ),
            ("markets:\n  valr:\n  - BTC-ZAR\n  - ETH-ZAR\n  - 3\n  binance: [X-Y]\n", ["BTC-ZAR", "ETH-ZAR"]),
            (
                "candles_config: []\nlegs:\n" + "- connector: valr\n  trading_pair: A-B\n" * 2,
                ["A-B"],
            ),
            ("exchange: valr\npairs: [A-B, C-D]\n", ["A-B", "C-D"]),
            ("connector_name: valr\ntrading_pairs: A-B, C-D\n", ["A-B", "C-D"]),
            ("exchange: binance\nmarket: BTC-ZAR\n", []),
            ("exchange: valr\nmarket:\n", []),
        ],
    )
    def test_what_a_configuration_trades(self, text: str, wanted: list[Any], tmp_path: Path) -> None:
        (tmp_path / "conf_x.yml").write_text(text)
        found = read_wanted(tmp_path / "conf_x.yml", tmp_path, "valr")
        rows = [(pair, None, None) if isinstance(pair, str) else pair for pair in wanted]
        shown = [
            (each.trading_pair, each.amount and str(each.amount), each.quote_amount and str(each.quote_amount))
            for each in found
        ]
        assert shown == rows

    @pytest.mark.parametrize("named", ["[one.yml, two.yml]", "one.yml, two.yml"])
    def test_files_of_the_workspace_and_their_controllers(self, named: str, tmp_path: Path) -> None:
        create_folders(tmp_path)
        (tmp_path / "conf" / "scripts" / "conf_v2.yml").write_text(f"controllers_config: {named}\nmarkets: {{}}")
        for name, pair in (("one", "BTC-ZAR"), ("two", "ETH-ZAR")):
            text = f"connector_name: valr\ntrading_pair: {pair}\n"
            (tmp_path / "conf" / "controllers" / f"{name}.yml").write_text(text)
        assert read_wanted(Path("conf_v2.yml"), tmp_path, "valr") == [Wanted("BTC-ZAR"), Wanted("ETH-ZAR")]

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (None, "there is no conf_x.yml, here or in"),
            ("a: [", "cannot be read as YAML"),
            ("", "holds no configuration"),
            ("controllers_config: [gone.yml]", "there is no gone.yml"),
        ],
    )
    def test_what_cannot_be_read_is_named(self, text: str | None, said: str, tmp_path: Path) -> None:
        create_folders(tmp_path)
        if text is not None:
            (tmp_path / "conf" / "strategies" / "conf_x.yml").write_text(text)
        with pytest.raises(ConfigurationError, match=said):
            read_wanted(Path("conf_x.yml"), tmp_path, "valr")


PMM = """strategy: pure_market_making
exchange: valr_loopback
market: BTC-ZAR
bid_spread: 0.5
ask_spread: 0.5
order_refresh_time: 30
order_amount: 0.001
"""
XEMM = """strategy: cross_exchange_market_making
maker_market: valr
maker_market_trading_pair: BTC-USDT
taker_market: kucoin_paper_trade
taker_market_trading_pair: BTC-USDT
min_profitability: 0.5
order_amount: 0.001
order_refresh_mode: {}
conversion_rate_mode: {}
"""
SCRIPT = "script_file_name: small_script.py\norder_amount: 0.5\n"
CONTROLLER = "id: x\ncontroller_name: small_controller\ncontroller_type: generic\nlevels: 2\n"
SOURCES = {
    "scripts/small_script.py": """
from decimal import Decimal
from hummingbot.strategy.strategy_v2_base import StrategyV2ConfigBase
class SmallConfig(StrategyV2ConfigBase):
    script_file_name: str = "small_script.py"
    order_amount: Decimal
""",
    "scripts/broken_script.py": "raise RuntimeError('half written')",
    "controllers/generic/small_controller.py": """
from hummingbot.strategy_v2.controllers.controller_base import ControllerConfigBase
class SmallControllerConfig(ControllerConfigBase):
    controller_name: str = "small_controller"
    levels: int
""",
}


def written_in(workspace: Path) -> dict[Path, str]:
    return {path: path.read_text() for path in workspace.rglob("*.yml")}


class TestConfiguration:
    async def complaints(self, text: str, workspace: Path) -> list[str]:
        file = workspace / "conf_x.yml"
        file.write_text(text)
        for name, source in SOURCES.items():
            (workspace / name).parent.mkdir(parents=True, exist_ok=True)
            (workspace / name).write_text(source)
        before = written_in(workspace)
        (content,) = read_configuration(file, workspace).values()
        checks = await check_configuration(file, content, workspace)
        assert written_in(workspace) == before
        assert all((check.name, check.status) == ("Strategy", Status.ERROR) for check in checks)
        return [f"{check.found.removeprefix(str(file))} -> {check.to_do}" for check in checks]

    @pytest.mark.parametrize("text", [PMM, XEMM, SCRIPT, CONTROLLER], ids=["map", "model", "script", "controller"])
    async def test_what_hummingbot_takes_is_well(self, text: str, tmp_path: Path) -> None:
        settings = hummingbot.client.settings.AllConnectorSettings
        known = settings.get_exchange_names() | set(settings.get_connector_settings())
        assert await self.complaints(text, tmp_path) == []
        assert settings.get_exchange_names() | set(settings.get_connector_settings()) == known
        assert str(tmp_path) not in sys.path

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (
                PMM.replace("0.001", "abc"),
                [", line 7, order_amount: abc is not in decimal format. -> Correct the value."],
            ),
            (PMM.replace("0.001", ".nan"), [", line 7, order_amount: nan: is not a number. -> Correct the value."]),
            (
                PMM.replace("0.001", "-1"),
                [", line 7, order_amount: -1: Value must be more than 0. -> Correct the value."],
            ),
            (PMM.replace("order_amount: 0.001", ""), [", order_amount: has to be given -> "]),
            (
                PMM + "order_levels: many\n",
                [", line 8, order_levels: many is not in integer format. -> "],
            ),
            (PMM + "order_levels: many\norder_level_amount: 1\n", [", line 8, order_levels: many is not in integer "]),
            (PMM + "ping_pong_enabled: maybe\n", [", line 8, ping_pong_enabled: maybe: Invalid value, please choose"]),
            (PMM + "order_override: '{1'\n", [", line 8, order_override: {1: is not in JSON format. -> "]),
            (
                PMM + "order_amuont: 5\n",
                [", line 8, order_amuont: Hummingbot knows no such key here -> Did you mean order_amount?"],
            ),
            (PMM + "zzz: 5\n", [", line 8, zzz: Hummingbot knows no such key here -> Correct it, or delete"]),
            (PMM.replace("valr_loopback", "valar"), [", line 2, exchange: valar: Invalid exchange, please"]),
            (
                PMM.replace("pure_market_making", "pure_marketmaking"),
                [", line 1, strategy: Hummingbot has no strategy pure_marketmaking -> Did you mean pure_market_m"],
            ),
            ("strategy: 7\n", [", line 1, strategy: Hummingbot has no strategy 7 -> Hummingbot has amm_arb, "]),
            ("stratgy: x\n", [" names no strategy, script or controller -> Did you mean strategy by stratgy?"]),
            ("1: 2\n", [" names no strategy, script or controller -> It needs strategy or "]),
            ("exchange: valr\n", [" names no strategy, script or controller -> It needs strategy or "]),
            (XEMM.replace("0.001", "abc"), [", line 7, order_amount: "]),
            (XEMM.replace("order_amount", "order_amuont"), [", order_amount: has to be", ", line 7, order_amuont: "]),
            (
                XEMM.replace("maker_market: valr", "maker_market: vlar"),
                [", line 2, maker_market: Hummingbot has no exchange vlar -> Did you mean valr?"],
            ),
            (SCRIPT.replace("0.5", "abc"), [", line 2, order_amount: Input should be a valid decimal"]),
            (SCRIPT + "spreed: 1\n", [", line 3, spreed: Hummingbot knows no such key here -> "]),
            (
                SCRIPT.replace("small_script", "gone"),
                ["cannot load it: ModuleNotFoundError: No module named 'scripts.gone' -> Is scripts/gone.py in"],
            ),
            (SCRIPT.replace("small", "broken"), [": Hummingbot cannot load it: RuntimeError: half written -> Mend"]),
            (CONTROLLER.replace("2", "few"), [", line 4, levels: Input should be a valid integer"]),
            (CONTROLLER.replace("controller_type: generic\n", ""), [": ValueError: controller config is missing"]),
            (CONTROLLER.replace("small_c", "c"), ["Is controllers/generic/controller.py in the workspace?"]),
        ],
    )
    async def test_what_it_does_not_take_is_named(self, text: str, said: list[str], tmp_path: Path) -> None:
        found = await self.complaints(text, tmp_path)
        assert len(found) == len(said), found
        for complaint, part in zip(found, said, strict=True):
            assert part in complaint

    @pytest.mark.parametrize("name", sorted(path.parent.name for path in STRATEGIES.glob("*/*_config_map.py")))
    async def test_every_key_that_hbot_create_writes_is_known(self, name: str, tmp_path: Path) -> None:
        data, _, _ = describe_strategy("v1-strategy", name)
        found = await self.complaints(yaml.safe_dump(data | {"strategy": name}), tmp_path)
        assert not [complaint for complaint in found if "no such key" in complaint]

    async def test_the_workspaces_exchanges_for_paper_trading_are_known(self, tmp_path: Path) -> None:
        create_folders(tmp_path)
        client = tmp_path / "conf" / "conf_client.yml"
        client.write_text("paper_trade:\n  paper_trade_exchanges: [okx]\n")
        (complaint,) = await self.complaints(XEMM, tmp_path)
        assert "line 4, taker_market" in complaint
        assert await self.complaints(XEMM.replace("kucoin", "okx"), tmp_path) == []

    @pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: str(file.name))
    async def test_our_examples_are_well(self, file: Path) -> None:
        content = read_configuration(file, file.parents[2])[file]
        assert await check_configuration(file, content, file.parents[2]) == []


# --- The command ------------------------------------------------------------------------------------------------------
async def doctor(environment: dict[str, str], folder: Path, *options: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "hummingbot_valr.command", "doctor", "--domain", "valr_loopback", *options),
        env=environment | {"COLUMNS": "100"},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(600):
            out, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode in (0, 1, 2), said.decode()
    return process.returncode, out.decode()


async def test_the_command_well_and_ill(
    tmp_path: Path, offline_environment: dict[str, str], locked: Callable[[str], str]
) -> None:
    """Takes seconds: Hummingbot is started twice."""
    environment = offline_environment | {"HBOT_PASSWORD": PASSWORD}
    create_folders(tmp_path)
    (tmp_path / "conf" / "strategies" / "conf_x.yml").write_text(PMM)
    async with LoopbackServer(LoopbackConfig(port=0)) as server:
        store(
            tmp_path,
            "valr_loopback",
            valr_loopback_api_key=locked(server.api_key),
            valr_loopback_api_secret=locked(server.api_secret),
            valr_loopback_url=server.url,
        )
        code, shown = await doctor(environment, tmp_path, "--config", "conf_x.yml")
    assert code == 0, shown
    assert "All is well." in shown
    assert "BTC-ZAR" in shown
    assert server.api_key[:16] not in shown

    code, printed = await doctor(offline_environment, tmp_path, "--json")
    report = json.loads(printed)
    assert code == 2
    checks = {check["name"]: check for check in report["checks"]}
    assert (report["status"], checks["REST"]["status"]) == ("error", "error")
    assert "not unlocked" in checks["API key"]["found"]
    assert checks["Hooks"]["status"] == "ok"


async def test_where_the_connector_is_missing_the_rest_is_still_told(tmp_path: Path, checkout: Hummingbot) -> None:
    """The small Hummingbot has settings, and no connector: the doctor moves there and finds out."""
    code, printed = await doctor(
        dict(os.environ), tmp_path, "--json", "--hummingbot", str(checkout.root), "--python", sys.executable
    )
    checks = {check["name"]: check for check in json.loads(printed)["checks"]}
    assert code == 2
    assert checks["Connector"]["to_do"] == "Run 'hummingbot-valr install'."
    assert checks["Folders"]["status"] == "warning"
    assert checks["VALR"] == {"name": "VALR", "status": "not checked", "found": "needs the connector", "to_do": ""}


def test_without_a_hummingbot_the_report_says_so(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", "--json", "--hummingbot", str(tmp_path / "gone")])
    assert result.exit_code == 2
    (check,) = json.loads(result.output)["checks"]
    assert check["found"] == f"{tmp_path}/gone does not exist."


def test_a_command_without_a_hummingbot_of_its_own_goes_to_the_other(
    checkout: Hummingbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    went: list[Any] = []
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    monkeypatch.setattr(sys, "executable", str(bare / "bin" / "python"))
    monkeypatch.setattr(sys, "prefix", str(bare))
    monkeypatch.chdir(tmp_path)

    def run(command: list[Any], env: dict[str, str], check: bool) -> "subprocess.CompletedProcess[bytes]":
        went.extend([command[0], env["PYTHONPATH"].split(os.pathsep)[0]])
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(doctor_command, "subprocess", SimpleNamespace(run=run))
    python = str(checkout.python)
    result = CliRunner().invoke(app, ["doctor", "--hummingbot", str(checkout.root), "--python", python])
    assert result.exit_code == 1
    assert went == [checkout.python, str(checkout.root)]


@pytest.mark.parametrize(
    ("here", "there", "wanted"), [(True, True, "here"), (False, True, "there"), (False, False, "here")]
)
def test_the_workspace_is_here_if_there_is_one(
    here: bool, there: bool, wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {"here": tmp_path / "here", "there": tmp_path / "there"}
    for name, has_conf in (("here", here), ("there", there)):
        places[name].mkdir()
        if has_conf:
            (places[name] / "conf").mkdir()
    monkeypatch.chdir(places["here"])
    found = doctor_command._workspace_of(Hummingbot(places["there"], Path("python"), True, ""))
    assert found == places[wanted]


class TestPassword:
    @pytest.mark.parametrize(
        ("environment", "is_terminal", "typed", "password"),
        [
            ({"HBOT_PASSWORD": "one", "CONFIG_PASSWORD": "two"}, True, "three", "one"),
            ({"CONFIG_PASSWORD": "two"}, False, "three", "two"),
            ({}, True, "three", "three"),
            ({}, True, "", None),
            ({}, False, "three", None),
        ],
    )
    def test_it_is_taken_from_the_environment_or_asked_for(
        self,
        environment: dict[str, str],
        is_terminal: bool,
        typed: str,
        password: str | None,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        for name in ("HBOT_PASSWORD", "CONFIG_PASSWORD"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys.stdin, "isatty", lambda: is_terminal, raising=False)
        monkeypatch.setattr(doctor_command, "getpass", lambda prompt, stream: typed)
        assert doctor_command._password(tmp_path, "valr") is None, "no keys, no question"
        store(tmp_path, "valr")
        assert doctor_command._password(tmp_path, "valr") == password
