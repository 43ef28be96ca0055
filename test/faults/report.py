"""Tells what came out of the runs: as a table to read, as markdown and as JSON."""

import json
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import InvalidOperation

from test.faults.judge import Verdict

_SAID = (
    (re.compile(r"The account socket of VALR is down"), "account socket losses"),
    (re.compile(r"order book is (dropped|stale)"), "books dropped"),
    (re.compile(r"The market data socket"), "market socket losses"),
    (re.compile(r"is ours, live on VALR and unknown"), "strays cancelled"),
    (re.compile(r"never appeared on VALR"), "placements given up"),
    (re.compile(r"was not placed"), "placements refused"),
    (re.compile(r"It is not known yet whether"), "placements in doubt"),
    (re.compile(r"Failed to cancel order"), "cancels in doubt"),
)
_ORDER = (
    "placements in doubt",
    "placements refused",
    "placements given up",
    "cancels in doubt",
    "cancels sent again",
    "lookups",
    "trade fetches",
    "account socket losses",
    "market socket losses",
    "books dropped",
    "strays cancelled",
    "warnings",
)
_HEAD = (
    "fault",
    "what the connector did",
    "orders",
    "fills",
    "time to truth s",
    "strays",
    "false ends",
    "lost/invented/inexact",
    "most live",
    "quoting after s",
    "verdict",
)


class LogBook(logging.Handler):
    """Keeps what everybody logged during a run."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.records.append(record)

    def counts(self) -> Counter[str]:
        """Return how often each thing worth counting was said."""
        lines = [record.getMessage() for record in self.records]
        counts = Counter(words for line in lines for pattern, words in _SAID if pattern.search(line))
        counts["warnings"] = sum(record.levelno >= logging.WARNING for record in self.records)
        return counts

    def unexpected(self) -> tuple[str, ...]:
        """Return what no fault excuses: tracebacks, and complaints of the event loop or of the exchange."""
        return tuple(
            f"{record.name}: {record.getMessage()} {record.exc_info[1]!r}" if record.exc_info else record.getMessage()
            for record in self.records
            if record.levelno >= logging.WARNING
            and (record.exc_info or (record.levelno >= logging.ERROR and record.name.startswith(("asyncio", "valr_"))))
            and not _is_tick_without_a_price(record)
        )

    def text(self) -> str:
        """Return everything, a line each."""
        form = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
        return "\n".join(map(form.format, self.records))


def _is_tick_without_a_price(record: logging.LogRecord) -> bool:
    # The strategy computes with the price of an empty book, at the end of a tick that has done its work.
    problem = record.exc_info[1] if record.exc_info else None
    return record.name == "hummingbot.core.clock" and isinstance(problem, InvalidOperation)


@dataclass(frozen=True, slots=True)
class Row:
    """One run in numbers and words. Times are in seconds."""

    scenario: str
    did: str
    orders: int
    fills: int
    time_to_truth: float
    strays: int
    false_ends: int
    fills_lost: int
    fills_invented: int
    fills_inexact: int
    most_live: int
    quoting_after: float | None
    struck: dict[str, int]
    problems: list[str]

    @property
    def held(self) -> bool:
        """Whether every promise was held."""
        return not self.problems

    def cells(self) -> tuple[str, ...]:
        """Return what the table shows."""
        return (
            self.scenario,
            self.did,
            str(self.orders),
            str(self.fills),
            f"{self.time_to_truth:.2f}",
            str(self.strays),
            str(self.false_ends),
            f"{self.fills_lost}/{self.fills_invented}/{self.fills_inexact}",
            str(self.most_live),
            "never" if self.quoting_after is None else f"{self.quoting_after:.1f}",
            "held" if self.held else "BROKEN",
        )


def summarize(
    scenario: str, verdict: Verdict, calls: Mapping[str, int], log: LogBook, struck: Mapping[str, int]
) -> Row:
    """Bring a verdict and what was counted into a row."""
    did = log.counts() + Counter(calls)
    return Row(
        scenario=scenario,
        did=", ".join(f"{words} {did[words]}" for words in _ORDER if did[words]) or "nothing special",
        orders=verdict.orders,
        fills=verdict.fills,
        time_to_truth=verdict.time_to_truth,
        strays=len(verdict.strays),
        false_ends=len(verdict.false_ends),
        fills_lost=len(verdict.fills_lost),
        fills_invented=len(verdict.fills_invented),
        fills_inexact=len(verdict.fills_inexact),
        most_live=verdict.most_live,
        quoting_after=verdict.quoting_after,
        struck=dict(struck),
        problems=verdict.problems,
    )


def failed(scenario: str, problem: str) -> Row:
    """Return the row of a run that did not come to its end."""
    return Row(scenario, "-", 0, 0, 0.0, 0, 0, 0, 0, 0, 0, None, {}, [problem])


def line(row: Row) -> str:
    """Say a run in a line, and each of its problems in one more."""
    facts = ", ".join(f"{head} {cell}" for head, cell in list(zip(_HEAD, row.cells(), strict=True))[2:-1])
    problems = "".join(f"\n    {problem}" for problem in row.problems)
    return f"{'held  ' if row.held else 'BROKEN'} {row.scenario}: {facts}; {row.did}{problems}"


def markdown(rows: Sequence[Row]) -> str:
    """Return the table, and below it what was broken."""
    table = [_HEAD, ("---",) * len(_HEAD), *(row.cells() for row in rows)]
    broken = [f"* {row.scenario}: {problem}" for row in rows for problem in row.problems]
    return "\n".join([*(f"| {' | '.join(cells)} |" for cells in table), *([""] if broken else []), *broken]) + "\n"


def as_json(rows: Sequence[Row]) -> str:
    """Return everything as JSON."""
    return json.dumps([asdict(row) | {"held": row.held} for row in rows], indent=1) + "\n"
