"""What the doctor finds: checks, each ok, a warning or an error with what to do; and how they are shown."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table


class Status(Enum):
    """How a check came out; ``UNKNOWN`` could not be looked at, for a reason that another check names."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    UNKNOWN = "not checked"


EXIT_CODES = {Status.OK: 0, Status.UNKNOWN: 0, Status.WARNING: 1, Status.ERROR: 2}
_COLOURS = {Status.OK: "green", Status.UNKNOWN: "dim", Status.WARNING: "yellow", Status.ERROR: "bold red"}


@dataclass(frozen=True)
class Check:
    """One thing looked at: what was found, and what to do about it if it is not ok."""

    name: str
    status: Status
    found: str
    to_do: str = ""


def ok(name: str, found: str) -> Check:
    """A check that came out well."""
    return Check(name, Status.OK, found)


def warning(name: str, found: str, to_do: str = "") -> Check:
    """Something to know or to mend, with which trading is possible."""
    return Check(name, Status.WARNING, found, to_do)


def error(name: str, found: str, to_do: str = "") -> Check:
    """Something with which trading is not possible, or not safe."""
    return Check(name, Status.ERROR, found, to_do)


def unknown(name: str, why: str) -> Check:
    """Something that could not be looked at."""
    return Check(name, Status.UNKNOWN, why)


class Report:
    """All checks of one examination, in the order in which they are shown."""

    def __init__(self, subject: str, checks: Iterable[Check]) -> None:
        self.subject = subject
        self.checks = tuple(checks)

    @property
    def status(self) -> Status:
        """The worst that was found."""
        found = {check.status for check in self.checks}
        return next((status for status in (Status.ERROR, Status.WARNING) if status in found), Status.OK)

    @property
    def exit_code(self) -> int:
        """0 if all is well, 1 with warnings, 2 with errors."""
        return EXIT_CODES[self.status]

    def as_json(self) -> str:
        """The report for machines: ``status``, ``subject``, and ``checks`` with name, status, found and to_do."""
        rows = [
            {"name": check.name, "status": check.status.value, "found": check.found, "to_do": check.to_do}
            for check in self.checks
        ]
        return json.dumps({"status": self.status.value, "subject": self.subject, "checks": rows}, indent=2)

    def as_table(self) -> Table:
        """The report for people: one row for each check."""
        table = Table(
            title=escape(self.subject),
            title_justify="left",
            title_style="bold",
            caption=self._summary(),
            caption_justify="left",
            box=SIMPLE,
            pad_edge=False,
        )
        table.add_column("Check", no_wrap=True)
        table.add_column("", no_wrap=True)
        table.add_column("What was found, and what to do", overflow="fold")
        for check in self.checks:
            colour = _COLOURS[check.status]
            text = escape(check.found) + (f"\n[{colour}]→ {escape(check.to_do)}[/]" if check.to_do else "")
            table.add_row(escape(check.name), f"[{colour}]{check.status.value}[/]", text)
        return table

    def _summary(self) -> str:
        count = {status: sum(check.status is status for check in self.checks) for status in Status}
        if self.status is Status.OK:
            return "All is well." if not count[Status.UNKNOWN] else "All is well as far as it could be looked at."
        parts = [
            f"{count[status]} {status.value}{'s' if count[status] > 1 else ''}"
            for status in (Status.ERROR, Status.WARNING)
            if count[status]
        ]
        return ", ".join(parts)
