"""Every link within the documentation leads to a file that is there, and to a heading in it."""

from pathlib import Path

import pytest

from test.docs.markdown import ROOT, anchors, links, pages

# The list of changes is no page with commands.
PAGES = [*pages(), *filter(lambda page: page.exists(), [ROOT / "CHANGELOG.md", ROOT / "conf" / "README.md"])]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in links(page):
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []
