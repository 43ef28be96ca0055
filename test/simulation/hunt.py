"""``python -m test.simulation.hunt``: switches rules off, one after the other, and looks for a day that shows it.

With all rules on, none of these days may have a problem: `make simulate` with the same days says so.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Annotated

import typer

from test.simulation.day import play, simulate
from test.simulation.mutants import MUTANTS, playable, wrong_rule


@dataclass(frozen=True, slots=True)
class Catch:
    """The day that showed that a rule was off: its seed, None if none did, and what spoke against the bot first."""

    name: str
    seed: int | None
    problem: str
    played: int


def hunt(name: str, seeds: Iterable[int], minutes: float) -> Catch:
    """Play days with a rule switched off, the one that is known to show it first, until one does."""
    mutant, played = MUTANTS[name], 0
    with wrong_rule(mutant):
        if mutant.day is not None:
            problems = play(mutant.day).problems
            return Catch(name, mutant.day.seed if problems else None, next(iter(problems), ""), 1)
        for seed in playable(mutant, seeds, minutes):
            played += 1
            outcome = simulate(seed, minutes)
            if outcome.problems:
                return Catch(name, seed, outcome.problems[0], played)
    return Catch(name, None, "", played)


def hunt_all(names: Iterable[str], seeds: Iterable[int], minutes: float, workers: int) -> Iterator[Catch]:
    """Hunt for several, so many at the same time; catches come as they are made."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        hunts = [pool.submit(hunt, name, list(seeds), minutes) for name in names]
        yield from (each.result() for each in as_completed(hunts))


def main(
    only: Annotated[str, typer.Option(help="Part of the names of the rules; all without it.")] = "",
    seeds: Annotated[int, typer.Option(min=1, help="Play at most the first so many days.")] = 200,
    minutes: Annotated[float, typer.Option(min=2, help="Simulated minutes of each day.")] = 10,
    workers: Annotated[int, typer.Option(min=1, help="How many are played at the same time.")] = 2,
) -> None:
    """Print a table of what simulation says of each wrong rule; ends with 0 only if each was caught."""
    names, missed = [name for name in MUTANTS if only in name], 0
    typer.echo("| rule that was switched off | caught by seed | days played | what was seen first |\n|---|---|---|---|")
    for catch in hunt_all(names, range(1, seeds + 1), minutes, workers):
        missed += catch.seed is None
        typer.echo(f"| {catch.name} | {catch.seed or 'none'} | {catch.played} | {catch.problem} |")
    raise typer.Exit(1 if missed else 0)


if __name__ == "__main__":
    typer.run(main)
