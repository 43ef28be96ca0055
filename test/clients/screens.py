"""What clients show, kept as text files: compared by their essentials, which no price, time or width changes."""

import os
import re
from pathlib import Path

FOLDER = Path(__file__).with_name("screens")
_ID = re.compile(r"\bHBOT\w+")
_NUMBER = re.compile(r"[-+]?\d[\d,.]*([eE][-+]?\d+)?%?")
_RULE = re.compile(r"-{2,}")


def essentials(shown: str) -> list[str]:
    """Return the lines without blanks and repetitions; every number is #, every order id <order>."""
    lines: list[str] = []
    for line in shown.splitlines():
        plain = _RULE.sub("--", _NUMBER.sub("#", _ID.sub("<order>", line)))
        plain = " ".join(plain.split())
        if plain and plain not in lines[-1:]:
            lines.append(plain)
    return lines


def check_screen(name: str, shown: str) -> None:
    """Compare what is shown with the screen of that name; the environment variable ``KEEP_SCREENS`` keeps it anew."""
    file = FOLDER / f"{name}.txt"
    lines = essentials(shown)
    if os.environ.get("KEEP_SCREENS"):
        FOLDER.mkdir(exist_ok=True)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert lines == file.read_text(encoding="utf-8").splitlines(), f"shown was:\n{shown}"
