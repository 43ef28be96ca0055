"""The benchmarks of market data, account events, load and rate limits run, nothing is far off; and what a figure is.

Their short form takes some 15 s.
"""

import asyncio
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from benchmarks.__main__ import main, print_table
from benchmarks.bot import BenchBot
from benchmarks.exchange import running_exchange
from benchmarks.figures import Plan, Result, Spread, Target, Verdict, paired, percentile
from benchmarks.stock import StockExchange

ROOT = Path(__file__).resolve().parents[2]
# Measured by coverage, they would take twice their time.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "COVERAGE_PROCESS_CONFIG"}
NAMES = {"events", "books", "pairs", "load", "throttler"}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], str]:
    """What the short form finds, and what it prints."""
    file = tmp_path_factory.mktemp("bench") / "bench.json"
    command = [*(sys.executable, "-m", "benchmarks", "--short", "--runs", "1"), "--only", ",".join(sorted(NAMES))]
    done = subprocess.run(
        [*command, "--json", str(file)],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results: list[dict[str, Any]] = json.loads(file.read_text())["results"]
    return results, done.stdout


@pytest.mark.xdist_group("whole bots")
def test_every_measure_has_figures_and_targets_with_verdicts(bench: tuple[list[dict[str, Any]], str]) -> None:
    results, printed = bench
    assert {result["measure"] for result in results} == NAMES
    for result in results:
        assert all(figure["least"] <= figure["median"] <= figure["most"] for figure in result["figures"].values())
        assert all(len(figure["runs"]) == 1 for figure in result["figures"].values())
        assert {target["verdict"] for target in result["targets"]} <= {"met", "missed"}
        assert result["targets"]
    assert " of 14 targets met" in printed


@pytest.mark.xdist_group("whole bots")
@pytest.mark.parametrize(
    ("measure", "figure"),
    [
        ("books", "ours p50"),
        ("books", "gemini in a burst"),
        ("events", "floor p99"),
        ("throttler", "stock 6,000"),
        ("pairs", "p99"),
        ("load", "loaded p99"),
    ],
)
def test_what_was_measured_took_some_time(bench: tuple[list[dict[str, Any]], str], measure: str, figure: str) -> None:
    found = [
        result["figures"][figure] for result in bench[0] if result["measure"] == measure and figure in result["figures"]
    ]
    assert found
    assert all(each["least"] > 0 for each in found)


# --- Figures ----------------------------------------------------------------------------------------------------------
def test_spread_is_the_median_the_least_and_the_most_of_the_runs() -> None:
    spread = Spread.of([3.0, 1.0, 2.0, 10.0])
    assert (spread.median, spread.least, spread.most, spread.runs) == (2.5, 1.0, 10.0, (3.0, 1.0, 2.0, 10.0))
    assert spread.shown("us") == "2.5 us [1-10]"


@pytest.mark.parametrize(("rank", "value"), [(0, 1), (50, 51), (99, 100), (100, 100)])
def test_percentile_of_one_to_a_hundred(rank: float, value: float) -> None:
    assert percentile(list(range(100, 0, -1)), rank) == value


def test_ratios_are_of_runs_that_belong_together() -> None:
    """The median of the ratios, not the ratio of the medians."""
    assert paired(Spread.of([1.0, 20.0, 9.0]), Spread.of([1.0, 10.0, 3.0])).runs == (1.0, 2.0, 3.0)
    with pytest.raises(ValueError, match="longer than"):
        paired(Spread.of([1.0]), Spread.of([1.0, 2.0]))


@pytest.mark.parametrize(
    ("value", "at_least", "verdict", "holds"),
    [
        (1.9, False, Verdict.MET, True),
        (2.0, False, Verdict.MET, True),
        (2.1, False, Verdict.MISSED, True),
        (5.1, False, Verdict.MISSED, False),
        (2.1, True, Verdict.MET, False),
        (1.9, True, Verdict.MISSED, False),
        (5.1, True, Verdict.MET, True),
    ],
)
def test_target_is_met_or_missed_and_far_off_or_not(
    value: float, at_least: bool, verdict: Verdict, holds: bool
) -> None:
    target = Target("something", value, 2.0, at_least, guard=5.0)
    assert (target.verdict, target.is_guarded, target.holds_guard) == (verdict, True, holds)


def test_a_target_where_noise_decides_has_no_guard() -> None:
    target = Target("something", 1e9, 2.0)
    assert (target.verdict, target.is_guarded, target.holds_guard) == (Verdict.MISSED, False, True)


def test_result_is_written_with_its_verdicts_and_shown() -> None:
    figures = {"ours": Spread.of([3.0, 4.0])}
    result = Result("books", "a case", "us", figures, (Target("a target", 3, 2),), ("a note",))
    written = json.loads(json.dumps(result.as_json()))
    assert written["figures"] == {"ours": {"median": 3.5, "least": 3.0, "most": 4.0, "runs": [3.0, 4.0]}}
    assert [(each["text"], each["value"], each["limit"], each["verdict"]) for each in written["targets"]] == [
        ("a target", 3, 2, "missed")
    ]
    console = Console(width=120)
    with console.capture() as capture:
        print_table(console, [result])
    for text in ("a case", "3.5 us [3-4]", "a target", "missed", "(a note)"):
        assert text in capture.get()


def test_plan_knows_two_sizes() -> None:
    assert (Plan().size(10, 1), Plan(short=True).size(10, 1), Plan().runs) == (10, 1, 5)


@pytest.mark.parametrize(("short", "guard", "code"), [(True, 3.0, 1), (True, 5.0, 0), (False, 3.0, 0)])
def test_only_the_short_form_fails_and_only_far_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, short: bool, guard: float, code: int
) -> None:
    async def measure(names: list[str], plan: Plan, console: Console) -> list[Result]:
        return [Result("books", "a case", "us", {"ours": Spread.of([4.0])}, (Target("t", 4.0, 2.0, guard=guard),))]

    monkeypatch.setattr("benchmarks.__main__.measure_all", measure)
    monkeypatch.setattr("logging.disable", lambda level: None)
    file = tmp_path / "deep" / "bench.json"
    try:
        main("books", 1, short, file)
        found = 0
    except typer.Exit as exit_:
        found = exit_.exit_code
    assert found == code
    assert json.loads(file.read_text())["results"][0]["targets"][0]["verdict"] == "missed"


def test_an_unknown_measure_is_refused_by_name() -> None:
    with pytest.raises(typer.BadParameter, match="there is no measure nothing; there are submit"):
        main("nothing,books", 1, True, Path("unused"))


@pytest.mark.xdist_group("whole bots")
async def test_stock_works_as_well_as_it_can() -> None:
    async with running_exchange("stock") as exchange, BenchBot(exchange, "stock", StockExchange).running() as stock:
        order_id = stock.buy(Decimal(1_000_000))
        await asyncio.wait_for(stock.moment("created", order_id), 10)
        stock.cancel(order_id)
        await asyncio.wait_for(stock.moment("cancelled", order_id), 10)
        # A stock that stumbles, and reconnects, would be slow for no reason of its own.
        assert stock.connector.metrics.incidents() == ()
