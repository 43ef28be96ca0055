"""Tells what came of a run: a table to read, and JSON."""

import json
from dataclasses import asdict

from test.market_data.run import Outcome

SLOW = 0.5
"""Waits for proof longer than so many seconds are counted."""


def rows(outcome: Outcome) -> list[tuple[str, str]]:
    """Return what there is to say, each with its name."""
    memory, waits, seconds = outcome.memory, outcome.waits, outcome.seconds
    feeds = ", ".join(f"{feed} {count}" for feed, count in sorted(outcome.feeds.items()))
    faults = ", ".join(f"{kind} {count}" for kind, count in outcome.struck.items())
    speed = outcome.hours * 3600 / seconds
    slow = sum(wait > SLOW for wait in waits)
    return [
        ("pairs", f"{outcome.size.pairs}, at the end on the feeds {feeds}"),
        ("simulated", f"{outcome.hours:.2f} h in {seconds:.0f} s, {speed:.0f} times as fast as life"),
        ("frames read", f"{outcome.frames:,}, {outcome.frames / seconds:,.0f} a second"),
        ("sockets lost or refused", str(outcome.drops)),
        ("faults", faults or "none"),
        ("checkpoints", f"{outcome.checkpoints:,}"),
        ("differences", str(len(outcome.differences))),
        ("looks at witnessed books", f"{outcome.looks:,}"),
        ("books the exchange never had", str(len(outcome.half_books))),
        ("books shown too long without proof", str(len(outcome.unproven))),
        ("books that did not come back", str(len(outcome.never_proven))),
        ("waited for proof", f"{slow} times longer than {SLOW} s, at most {max(waits, default=0):.1f} s"),
        ("memory of exchange and connector", " / ".join(f"{megabytes:.0f}" for megabytes in memory) + " MB"),
    ]


def markdown(outcome: Outcome) -> str:
    """Return the table."""
    lines = [f"| {outcome.feed}, seed {outcome.seed} | |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {value} |" for name, value in rows(outcome))]) + "\n"


def as_json(outcome: Outcome) -> str:
    """Return everything."""
    return json.dumps(asdict(outcome), indent=1)
