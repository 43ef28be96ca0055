"""``python -m test.simulation``: plays the days of many seeds, or of one with its trace, and says what was found."""

import time
from collections.abc import Iterable
from typing import Annotated

import typer

from test.simulation.day import Outcome, simulate
from test.simulation.days import play_all
from test.simulation.profile import sampled

_PROBLEMS_SHOWN = 3


def main(
    seed: Annotated[int | None, typer.Option(help="Play the one day of this number, and print its trace.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many days to play.")] = 200,
    first: Annotated[int, typer.Option(help="The number of the first day.")] = 1,
    minutes: Annotated[
        float, typer.Option(min=2, help="Length of a day in simulated minutes; the last one is quiet.")
    ] = 10,
    workers: Annotated[int, typer.Option(min=1, help="How many are played at the same time.")] = 2,
    profile: Annotated[bool, typer.Option(help="With --seed: say where the processor's time went.")] = False,
) -> None:
    """Let a bot trade through days in simulated time; ends with 0 only if every promise was held on each of them.

    A day is drawn from its number: market, network, faults, restarts.
    The same number is the same day, to the letter.
    """
    if seed is not None and profile:
        simulate(seed, 2)
        with sampled() as samples:
            outcome = simulate(seed, minutes)
        raise typer.Exit(_replay(outcome, samples.lines()))
    if seed is not None:
        outcome = simulate(seed, minutes)
        raise typer.Exit(_replay(outcome, outcome.trace))
    begun, outcomes = time.perf_counter(), list[Outcome]()
    for outcome in play_all(range(first, first + seeds), minutes, workers):
        outcomes.append(outcome)
        if outcome.problems:
            typer.echo(f"seed {outcome.seed}: {len(outcome.problems)} problems")
            for problem in outcome.problems[:_PROBLEMS_SHOWN]:
                typer.echo(f"    {problem}")
    took = time.perf_counter() - begun
    failed = [outcome.seed for outcome in outcomes if outcome.problems]
    seconds = sum(outcome.seconds for outcome in outcomes)
    typer.echo(
        f"{seeds} seeds, {seconds / 3600:.1f} simulated hours, {sum(outcome.orders for outcome in outcomes)} orders, "
        f"{sum(outcome.fills for outcome in outcomes)} fills, {sum(outcome.struck for outcome in outcomes)} strokes of "
        f"faults in {took:.0f} s: {seconds / took:.0f} simulated seconds a second. {len(failed)} seeds failed."
    )
    if failed:
        typer.echo(f"Replay one with: make simulate SEED={failed[0]} MINUTES={minutes:g}")
    raise typer.Exit(1 if failed else 0)


def _replay(outcome: Outcome, lines: Iterable[str]) -> int:
    for line in lines:
        typer.echo(line)
    typer.echo(
        f"seed {outcome.seed}: {outcome.orders} orders, {outcome.fills} fills, {outcome.seconds:.0f} s in "
        f"{outcome.real_seconds:.2f} s, trace {outcome.digest[:16]}"
    )
    for problem in outcome.problems:
        typer.echo(f"PROBLEM {problem}")
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    typer.run(main)
