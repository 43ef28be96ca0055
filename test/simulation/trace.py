"""What happened in a simulated day, a line each, the same for the same seed on any machine."""

import hashlib
import re

_NAMES = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|HBOT[0-9A-Za-z]{10,}")


class Trace:
    """Lines with their times. Ids become short names in the order in which they turn up."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._names: dict[str, str] = {}

    def add(self, time: float, text: str) -> None:
        """Note something that happened at a second of the day."""
        self.lines.append(f"{time:11.6f} {_NAMES.sub(self._short, text)}")

    def _short(self, match: re.Match[str]) -> str:
        return self._names.setdefault(match.group(), f"#{len(self._names) + 1}")

    @property
    def digest(self) -> str:
        """Return a hash of all lines."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()
