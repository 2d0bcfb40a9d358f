"""A short round of `make test-kills`: killed where results are gathered, drawn and shown."""

import pytest

from tests.kills.kill import Killer
from tests.workflow.conftest import TINY, Project

pytestmark = [pytest.mark.slow, pytest.mark.usual_start]


def test_a_finished_study_of_which_parts_are_lost_is_killed_as_it_makes_them_again(
    copy: Project, finished: Project
) -> None:
    killer = Killer(copy, finished, TINY, seed=4)
    for kind in ("gathering", "drawing", "gallery"):
        killer.round(kind)
    killer.end()
    assert len(killer.kills) == 3
