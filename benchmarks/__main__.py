"""``python -m benchmarks``: every measure, one table of targets, and a JSON file. Exit code 0 when everything ran."""

import asyncio
import importlib
import json
import logging
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import hummingbot
from benchmarks.figures import Plan, Result, Verdict

MEASURES = {
    "submit": "benchmarks.submit",
    "round-trip": "benchmarks.round_trip",
    "keep-alive": "benchmarks.keep_alive",
    "events": "benchmarks.account_events",
    "books": "benchmarks.books",
    "pairs": "benchmarks.many_pairs",
    "load": "benchmarks.under_load",
    "throttler": "benchmarks.throttler",
    "start": "benchmarks.cold_start",
    "recovery": "benchmarks.recovery",
    "pmm": "benchmarks.pure_market_making",
    "growth": "benchmarks.growth",
}
"""The module of each measure: its ``measure(plan, say)`` returns the results."""


def print_table(console: Console, results: list[Result]) -> None:
    """Print each result with its figures, then its targets with their verdicts."""
    table = Table(
        title=escape("Figures: median [least-most] of the runs. Targets: by the median."), title_justify="left"
    )
    for column in ("measure", "case", "figures", "target", "found", "verdict"):
        table.add_column(column)
    for result in results:
        figures = "\n".join(f"{name} {spread.shown(result.unit)}" for name, spread in result.figures.items())
        notes = "".join(f"\n({note})" for note in result.notes)
        texts = "\n".join(target.text for target in result.targets)
        found = "\n".join(f"{target.value:.3g}" for target in result.targets)
        verdicts = "\n".join(
            f"[{'green' if target.verdict is Verdict.MET else 'red'}]{target.verdict.value}[/]"
            for target in result.targets
        )
        table.add_row(result.measure, result.case, escape(figures + notes), texts, found, verdicts)
        table.add_section()
    console.print(table)


def machine() -> dict[str, Any]:
    """Return what the figures depend on; nothing that names the machine."""
    return {"python": platform.python_version(), "system": platform.system(), "processors": os.cpu_count()}


async def measure_all(names: list[str], plan: Plan, console: Console) -> list[Result]:
    """Run measures, one after the other."""
    results: list[Result] = []
    for name in names:
        started = time.monotonic()

        def say(text: str, name: str = name) -> None:
            console.print(f"[dim]{name}: {text}[/]", highlight=False)

        say("measuring")
        results += await importlib.import_module(MEASURES[name]).measure(plan, say)
        say(f"done in {time.monotonic() - started:.0f} s")
    return results


def main(
    only: Annotated[str, typer.Option(help="Names of measures, separated by commas; all by default.")] = "",
    runs: Annotated[int, typer.Option(help="Runs of each figure.", min=1)] = 5,
    short: Annotated[
        bool, typer.Option("--short", help="Small and quick; fails when a guarded ratio is far off.")
    ] = False,
    out: Annotated[Path, typer.Option("--json", help="Where the figures are written.")] = Path("build/bench.json"),
) -> None:
    """Compare the connector with the leanest client possible, with Hummingbot's stock paths, and with built-ins."""
    names = [name for name in only.replace(" ", ",").split(",") if name] or list(MEASURES)
    if unknown := [name for name in names if name not in MEASURES]:
        raise typer.BadParameter(f"there is no measure {', '.join(unknown)}; there are {', '.join(MEASURES)}")
    logging.disable(logging.WARNING)
    console = Console(width=None if sys.stdout.isatty() else 170)
    plan = Plan(runs=runs, short=short)
    with tempfile.TemporaryDirectory() as folder:
        # The order journal of a benchmark that was interrupted is nobody's business.
        hummingbot.set_data_path(folder)  # type: ignore[attr-defined]
        results = asyncio.run(measure_all(names, plan, console))
    print_table(console, results)
    out.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": machine(), "runs": runs, "short": short, "results": [each.as_json() for each in results]}
    out.write_text(json.dumps(content, indent=1) + "\n")
    targets = [target for result in results for target in result.targets]
    met = sum(target.verdict is Verdict.MET for target in targets)
    console.print(f"{met} of {len(targets)} targets met; figures in {out}")
    if far_off := [target.text for target in targets if short and not target.holds_guard]:
        console.print(f"[red]Far off: {'; '.join(far_off)}[/]")
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
