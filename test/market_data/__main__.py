"""``python -m test.market_data``: hours of all pairs under faults, and the table of what came out."""

import asyncio
import logging
from pathlib import Path
from typing import Annotated

import typer

from hummingbot.client.settings import AllConnectorSettings  # noqa: F401 - it sets the logs up: before ours
from test.market_data.report import as_json, markdown
from test.market_data.run import Size, run


def main(
    hours: Annotated[float, typer.Option(min=0.01, help="Simulated hours.")] = 2.0,
    pairs: Annotated[int, typer.Option(min=5, max=205)] = 205,
    checkpoints: Annotated[int, typer.Option(min=1)] = 1_000,
    seed: Annotated[int, typer.Option(help="Seed of the market, its faults and the checkpoints.")] = 1,
    feed: Annotated[str, typer.Option(help="l1, full or aggregated.")] = "l1",
    report: Annotated[Path | None, typer.Option(help="Write the table there, as .json, .md and .log.")] = None,
) -> None:
    """Let the connector read the market under every fault, and compare its books with the exchange's."""
    log = None if report is None else report.with_suffix(".log")
    handler = logging.NullHandler() if log is None else logging.FileHandler(log, mode="w")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().handlers = [handler]
    outcome = asyncio.run(run(Size(pairs=pairs, hours=hours, checkpoints=checkpoints), seed, feed))
    typer.echo(markdown(outcome))
    for problem in outcome.problems[:20]:
        typer.echo(problem)
    if report is not None:
        report.with_suffix(".json").write_text(as_json(outcome))
        report.with_suffix(".md").write_text(markdown(outcome))
    raise typer.Exit(1 if outcome.problems or outcome.checkpoints < checkpoints else 0)


if __name__ == "__main__":
    typer.run(main)
