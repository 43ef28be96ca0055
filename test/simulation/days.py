"""Many simulated days, side by side."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from test.simulation.day import Outcome, simulate


def play_all(seeds: Iterable[int], minutes: float, workers: int) -> Iterator[Outcome]:
    """Play the days of these seeds, so many at the same time; outcomes come in the order of the seeds."""
    if workers == 1:
        yield from (simulate(seed, minutes) for seed in seeds)
        return
    # Processes of their own from the start: a fork would take the parent's open loops along.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(partial(simulate, minutes=minutes), seeds)
