"""Runs scenarios side by side, each in a process of its own."""

import asyncio
import multiprocessing
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from test.faults.report import Row, failed
from test.faults.runner import Timing, run
from test.faults.scenarios import SCENARIOS


def run_all(
    names: Sequence[str],
    seed: int,
    timing: Timing,
    parallel: int,
    logs: Path | None = None,
    on_row: Callable[[Row], None] = lambda row: None,
) -> list[Row]:
    """Run scenarios, so many at a time; return a row for each in the order of the names.

    :param logs: a folder for the log of each run
    :param on_row: is told each row as it comes
    """
    rows: dict[str, Row] = {}
    # A fresh interpreter each: Hummingbot keeps clocks, loggers and folders in module globals.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(parallel, mp_context=context, max_tasks_per_child=1) as pool:
        futures = {pool.submit(run_one, name, seed, timing, logs): name for name in names}
        for future in as_completed(futures):
            rows[futures[future]] = future.result()
            on_row(future.result())
    return [rows[name] for name in names]


def run_one(name: str, seed: int, timing: Timing, logs: Path | None = None) -> Row:
    """Run one scenario in this process; a run that breaks off is a broken one."""
    try:
        row, log = asyncio.run(run(SCENARIOS[name], seed, timing))
    except Exception:  # noqa: BLE001 - the outermost call of the process
        return failed(name, traceback.format_exc())
    if logs is not None:
        logs.mkdir(parents=True, exist_ok=True)
        (logs / f"{name.replace(' ', '_')}.log").write_text(log.text())
    return row
