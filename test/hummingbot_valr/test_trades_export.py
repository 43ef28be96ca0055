"""The table of trades for a tax return: from records made by hand, whole, in part, or damaged."""

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hummingbot_valr.command import app
from hummingbot_valr.session_report_facts import Market
from hummingbot_valr.trades_export import COLUMNS
from test.hummingbot_valr.test_session_report_reading import Workspace, filled, order, placed, start, stop, trade

NOON = "2026-11-21T12:00"
"""When the records made by hand begin (`BEGIN`)."""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Three trades in the database, of which the record has one exactly, and one that only the record has."""
    made = Workspace(tmp_path / "workspace")
    made.database(
        *placed("b1", 10, "buy", "1900000.5"),
        *placed("s1", 20, "sell", "0.00001234"),
        filled("b1", 15, "buy", "1900000.5", "0.00200001", (("-0.19", "ZAR"),)),
        filled("b1", 16, "buy", "1900000.5", "0.001", (("0.0000001", "BTC"),), trade_id="t-b2"),
        filled("s1", 25, "sell", "0.00001234", "0.002"),
    )
    made.record(
        start(),
        order(10, "b1", "buy", "1900000.5"),
        trade(15.25, "b1", "buy", "1900000.5", "0.00200001", "-0.19000000"),
        trade(70, "s2", "sell", "0.00000001", "100000000.00000001", "0"),
        stop(80),
    )
    return made


class Exported:
    """What the command said, and the table it wrote by trade id."""

    def __init__(self, workspace: Workspace, *options: str) -> None:
        out = workspace.root / "tax" / "trades.csv"
        command = ["trades", "--workspace", str(workspace.root), "--out", str(out), *options]
        result = CliRunner().invoke(app, command)
        self.code, self.said, self.complained = result.exit_code, result.stdout, result.stderr
        self.columns, self.rows = (), {}
        if out.exists():
            assert sorted(out.parent.iterdir()) == [out], "nothing half-done stays behind"
            with out.open(newline="") as file:
                reader = csv.DictReader(file)
                self.rows = {row["trade_id"]: row for row in reader}
                self.columns = tuple(reader.fieldnames or ())


def test_every_trade_is_there_once_and_as_exact_as_it_is_known(workspace: Workspace) -> None:
    exported = Exported(workspace)
    assert exported.code == 0
    assert "Wrote 4 trades to" in exported.said
    assert exported.columns == COLUMNS
    assert list(exported.rows) == ["t-b1", "t-b2", "t-s1", "t-s2"]
    assert exported.rows["t-b1"] == {
        "time": "2026-11-21T12:00:15.250Z",
        "exchange": "valr",
        "pair": "BTC-ZAR",
        "side": "buy",
        "price": "1900000.5",
        "amount": "0.00200001",
        "quote_value": "3800.020000005",
        "fee": "-0.19",
        "fee_currency": "ZAR",
        "order_id": "b1",
        "trade_id": "t-b1",
        "exact": "yes",
    }
    assert exported.rows["t-s2"]["quote_value"] == "1.0000000000000001"
    assert (exported.rows["t-s2"]["fee"], exported.rows["t-s2"]["fee_currency"]) == ("0", "")


def test_what_is_only_in_the_database_is_said_to_be_cut_off(workspace: Workspace) -> None:
    exported = Exported(workspace)
    assert [row["exact"] for row in exported.rows.values()] == ["yes", "no", "no", "yes"]
    assert exported.rows["t-s1"]["price"] == "0.000012"
    assert (exported.rows["t-b2"]["fee"], exported.rows["t-b2"]["fee_currency"]) == ("0.0000001", "BTC")
    assert "2 trades known from Hummingbot's database only" in exported.complained
    assert "Trades by exchange" not in exported.complained


@pytest.mark.parametrize(
    ("options", "trades"),
    [
        (("--since", f"{NOON}:16Z"), ["t-b2", "t-s1", "t-s2"]),
        (("--until", f"{NOON}:25Z"), ["t-b1", "t-b2"]),
        (("--since", f"{NOON}:15.3Z", "--until", f"{NOON}:17+00:00"), ["t-b2"]),
        (("--strategy", "conf/strategies/pmm.yml"), ["t-b1", "t-b2", "t-s1"]),
    ],
)
def test_a_part_of_the_trades(workspace: Workspace, options: tuple[str, ...], trades: list[str]) -> None:
    assert list(Exported(workspace, *options).rows) == trades


def test_play_money_and_several_fees_are_told_apart(workspace: Workspace) -> None:
    played = Market("valr_loopback", "ETH-ZAR")
    fees = (("1.5", "ZAR"), ("0.1", "BNB"))
    workspace.database(
        *placed("x", 30, "sell", "50000", market=played),
        filled("b1", 30, "sell", "50000", "0.1", fees, market=played, trade_id="t-x"),
        name="other",
    )
    exported = Exported(workspace)
    assert (exported.rows["t-x"]["fee"], exported.rows["t-x"]["fee_currency"]) == ("1.5 + 0.1", "ZAR + BNB")
    assert "Trades by exchange: valr 4, valr_loopback 1. Those of valr_loopback" in exported.complained


def test_what_cannot_be_read_is_said(workspace: Workspace) -> None:
    bad = filled("b1", 40, "buy", "1", "1", trade_id="t-bad")
    bad.trade_type = "RANGE"
    workspace.database(bad)
    workspace.record("{", connector="valr")
    exported = Exported(workspace)
    assert list(exported.rows) == ["t-b1", "t-b2", "t-s1", "t-s2"]
    assert "1 row of Hummingbot's database could not be read" in exported.complained
    assert "1 line of the session record could not be read" in exported.complained


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--since", "yesterday"), "'yesterday' is no time."),
        (("--since", "2027-01-01"), "There are no trades on record"),
        (("--strategy", "xemm"), "has orders of the strategy xemm. There are orders of: pmm.yml."),
        (("--workspace", "/"), "/ has no folder 'data': no bot has run there."),
        (("--out", "/dev/null/trades.csv"), "The trades cannot be written to /dev/null/trades.csv"),
    ],
)
def test_what_cannot_be_exported_is_said(workspace: Workspace, options: tuple[str, ...], sentence: str) -> None:
    exported = Exported(workspace, *options)
    assert exported.code == 2
    assert sentence in exported.complained
    assert exported.rows == {}


def test_a_workspace_without_orders(tmp_path: Path) -> None:
    empty = Workspace(tmp_path / "workspace")
    assert "There are no orders at all." in Exported(empty, "--strategy", "pmm").complained


def test_without_a_name_the_table_is_among_the_reports(workspace: Workspace) -> None:
    result = CliRunner().invoke(app, ["trades", "--workspace", str(workspace.root)])
    assert result.exit_code == 0
    assert (workspace.root / "reports" / "trades.csv").is_file()
