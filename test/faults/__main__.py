"""``python -m test.faults``: runs scenarios, each in a process of its own, and prints the table of what came out."""

from pathlib import Path
from typing import Annotated

import typer

from test.faults.report import as_json, line, markdown
from test.faults.runner import Timing
from test.faults.scenarios import NASTIEST, SCENARIOS
from test.faults.side_by_side import run_all


def main(
    scenarios: Annotated[list[str] | None, typer.Argument(help="Parts of scenarios' names; all by default.")] = None,
    seconds: Annotated[
        float, typer.Option(min=2, help="How long the faults last; thrice as long where many strike together.")
    ] = 15,
    seed: Annotated[int, typer.Option(help="Seed of the exchange's market and of its faults.")] = 1,
    parallel: Annotated[int, typer.Option(min=1, help="How many run at the same time.")] = 4,
    nastiest: Annotated[bool, typer.Option(help="Only what `make test` runs.")] = False,
    show: Annotated[bool, typer.Option("--list", help="Name the scenarios and exit.")] = False,
    logs: Annotated[Path | None, typer.Option(help="Folder for the log of each run.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the table there, as .json and .md.")] = None,
) -> None:
    """Let the strategy trade under every fault, and hold what it was told against the exchange's ledger."""
    offered = [name for group in NASTIEST for name in group] if nastiest else list(SCENARIOS)
    chosen = [name for name in offered if not scenarios or any(part in name for part in scenarios)]
    if show:
        typer.echo("\n".join(chosen))
        return
    timing = Timing(faulty=seconds, crowded=3 * seconds)
    rows = run_all(chosen, seed, timing, parallel, logs, lambda row: typer.echo(line(row)))
    typer.echo("\n" + markdown(rows))
    if report is not None:
        report.with_suffix(".json").write_text(as_json(rows))
        report.with_suffix(".md").write_text(markdown(rows))
    broken = sum(not row.held for row in rows)
    typer.echo(f"{len(rows) - broken} of {len(rows)} scenarios held every promise.")
    raise typer.Exit(1 if broken or not rows else 0)


if __name__ == "__main__":
    typer.run(main)
