"""What the tests read of a page of documentation: its commands, its headings and its links."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<content>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
_COMMENT = re.compile(r"(^|\s)#.*$")


@dataclass(frozen=True)
class Command:
    """One command of a page, continued lines joined, its comment left out."""

    page: str
    text: str


def pages() -> list[Path]:
    """Return the pages a user reads: the guides in their order, then the others, the front page last."""
    docs = ROOT / "docs"
    first = [docs / "user-guide.md", docs / "operations.md"]
    return [*first, *sorted(set(docs.glob("*.md")) - set(first)), README]


def commands(page: Path) -> Iterator[Command]:
    """Yield the commands of a page: of the blocks for a shell, and on the front page of those without a language."""
    languages = {"sh", "bash", ""} if page == README else {"sh", "bash"}
    for fence in _FENCE.finditer(page.read_text(encoding="utf-8")):
        if fence["language"] in languages:
            for line in textwrap.dedent(fence["content"]).replace("\\\n", " ").splitlines():
                if text := " ".join(_COMMENT.sub("", line).split()):
                    yield Command(page.name, text)


def links(page: Path) -> list[str]:
    """Return the targets of a page's links, those to other hosts left out."""
    text = _CODE.sub("", _FENCE.sub("", page.read_text(encoding="utf-8")))
    return [link["target"] for link in _LINK.finditer(text) if "://" not in link["target"]]


def anchors(page: Path) -> set[str]:
    """Return what a link may name behind a ``#``: each heading as GitHub writes it."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        words = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower())
        anchor = name = words.strip().replace(" ", "-")
        number = 0
        while anchor in found:
            number += 1
            anchor = f"{name}-{number}"
        found.add(anchor)
    return found
