"""What simulation has found stays found: each of these days once had a problem."""

import pytest

from test.simulation.day import play
from test.simulation.regressions import REGRESSIONS

pytestmark = pytest.mark.usefixtures("unmeasured")


@pytest.mark.parametrize("name", REGRESSIONS)
def test_the_day_has_no_problem_any_more(name: str) -> None:
    assert not play(REGRESSIONS[name]).problems
