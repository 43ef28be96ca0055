"""The strategy in real time under the nastiest faults: whatever the exchange does, the bot ends where its ledger is."""

from pathlib import Path

import pytest

from test.faults.report import line
from test.faults.runner import Timing
from test.faults.scenarios import NASTIEST
from test.faults.side_by_side import run_all

pytestmark = pytest.mark.usefixtures("unmeasured")

TIMING = Timing(faulty=10.0, crowded=20.0)


@pytest.mark.parametrize("names", NASTIEST, ids=" | ".join)
def test_the_bot_ends_where_the_ledger_is(names: tuple[str, ...], tmp_path: Path) -> None:
    rows = run_all(names, seed=1, timing=TIMING, parallel=len(names), logs=tmp_path)
    assert [row.scenario for row in rows] == list(names)
    assert all(row.held for row in rows), "\n".join(map(line, rows))
