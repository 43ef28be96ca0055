"""The benchmarks of starts, pauses, outages, a quick strategy and growth run, and nothing is far off its target."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Measured by coverage, they would take twice their time.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "COVERAGE_PROCESS_CONFIG"}
NAMES = ("keep-alive", "start", "recovery", "pmm", "growth")


pytestmark = pytest.mark.xdist_group("whole bots")


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a module of the benchmarks, without a failure."""
    done = subprocess.run(
        (sys.executable, "-m", *arguments),
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What the short form finds."""
    file = tmp_path_factory.mktemp("bench") / "bench.json"
    command = [*(sys.executable, "-m", "benchmarks", "--short", "--runs", "1"), "--only", ",".join(NAMES)]
    done = subprocess.run(
        [*command, "--json", file], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: list[dict[str, Any]] = json.loads(file.read_text())["results"]
    return found


def test_every_measure_has_figures_and_targets_with_verdicts(results: list[dict[str, Any]]) -> None:
    measures = {result["measure"] for result in results}
    assert measures == {"keep-alive", "start", "recovery", "pmm", "growth"}
    for result in results:
        assert result["case"]
        assert result["targets"]
        assert all(len(figure["runs"]) == 1 for figure in result["figures"].values())
        assert {target["verdict"] for target in result["targets"]} <= {"met", "missed"}


@pytest.mark.parametrize(
    ("measure", "figure"),
    [
        ("keep-alive", "stock, first"),
        ("keep-alive", "floor, warm"),
        ("keep-alive", "ours over REST, first"),
        ("start", "ours"),
        ("recovery", "books"),
        ("recovery", "orders"),
        ("pmm", "orders created"),
        ("growth", "20 pairs"),
        ("growth", "20 live"),
        ("growth", "floor, 2 live"),
    ],
)
def test_what_was_measured_took_some_time(results: list[dict[str, Any]], measure: str, figure: str) -> None:
    found = [result["figures"][figure]["median"] for result in results if figure in result["figures"]]
    assert measure in {result["measure"] for result in results if figure in result["figures"]}
    assert all(value > 0 for value in found)


def test_the_profile_is_a_page_that_shows_both_paths(tmp_path: Path) -> None:
    page = tmp_path / "profile.html"
    done = run("benchmarks.profile", "--short", "--html", page)
    assert str(page) in done.stdout
    content = page.read_text()
    for function in ("parse_account_frame", "on_frame"):
        assert function in content
