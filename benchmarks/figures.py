"""What a benchmark finds, and whether it is what was aimed at."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


@dataclass(frozen=True)
class Spread:
    """One figure of several runs: their median, the least and the most."""

    median: float
    least: float
    most: float
    runs: tuple[float, ...]

    @classmethod
    def of(cls, runs: Sequence[float]) -> "Spread":
        """Sum up runs."""
        return cls(statistics.median(runs), min(runs), max(runs), tuple(runs))

    def shown(self, unit: str) -> str:
        """Return ``12.3 us [11.0-14.2]``."""
        return f"{self.median:.3g} {unit} [{self.least:.3g}-{self.most:.3g}]"


def percentile(values: Sequence[float], rank: float) -> float:
    """Return the value below which ``rank`` percent of the values are."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * rank / 100))]


def paired(numerators: Spread, denominators: Spread) -> Spread:
    """Return the ratio run by run: what disturbed the machine in one run disturbed both sides."""
    pairs = zip(numerators.runs, denominators.runs, strict=True)
    return Spread.of([numerator / denominator for numerator, denominator in pairs])


class Verdict(StrEnum):
    """Whether a target is reached."""

    MET = "met"
    MISSED = "missed"


@dataclass(frozen=True)
class Target:
    """Something aimed at: ``value`` is at most ``limit``, or at least with ``at_least``.

    :param text: what is aimed at, e.g. ``p50 <= 2 x floor``
    :param value: what was found, by the median of the runs
    :param guard: the bound of the short form that CI runs, far from noise; None where noise decides
    """

    text: str
    value: float
    limit: float
    at_least: bool = False
    guard: float | None = None

    @property
    def verdict(self) -> Verdict:
        """Whether it was reached."""
        return Verdict.MET if _holds(self.value, self.limit, self.at_least) else Verdict.MISSED

    @property
    def is_guarded(self) -> bool:
        """Whether CI looks at it."""
        return self.guard is not None

    @property
    def holds_guard(self) -> bool:
        """Whether it is at least not far off; true without a guard."""
        return self.guard is None or _holds(self.value, self.guard, self.at_least)


def _holds(value: float, limit: float, at_least: bool) -> bool:
    return value >= limit if at_least else value <= limit


@dataclass(frozen=True)
class Result:
    """A row of the table: what was measured, in which case, by whom, and the targets.

    :param figures: by whose it is and which: ``ours p50``, ``floor p50``, ``stock p50``
    :param unit: of the figures
    :param notes: what else there is to know, one sentence each
    """

    measure: str
    case: str
    unit: str
    figures: Mapping[str, Spread]
    targets: Sequence[Target] = ()
    notes: Sequence[str] = field(default_factory=tuple)

    def as_json(self) -> dict[str, Any]:
        """Return it with its verdicts, for the file."""
        targets = [{**asdict(target), "verdict": target.verdict.value} for target in self.targets]
        return {
            **asdict(self),
            "figures": {name: asdict(each) for name, each in self.figures.items()},
            "targets": targets,
        }


@dataclass(frozen=True)
class Plan:
    """How much is measured: ``short`` is what CI runs, to see that it runs and that nothing is far off."""

    runs: int = 5
    short: bool = False

    def size[T](self, usual: T, short: T) -> T:
        """Return how much, usually or in the short form."""
        return short if self.short else usual


Progress = Callable[[str], None]
"""Tells whoever waits what is being measured now."""
