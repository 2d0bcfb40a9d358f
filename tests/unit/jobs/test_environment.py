"""What jobs find in their environment."""

import os
import sys
from pathlib import Path

import pytest

from convscope.jobs.environment import prepare, scripts


def test_the_python_that_runs_this_comes_first_where_it_is_not_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    here = str(Path(sys.executable).parent)
    monkeypatch.setenv("CONVSCOPE_SCRIPTS", "/old")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    prepare("/some where/scripts")
    assert scripts() == "/some where/scripts"
    prepare("/some where/scripts")
    assert os.environ["PATH"] == f"{here}:/usr/bin:/bin", "once"
    monkeypatch.setenv("PATH", f"/mine:{here}")
    prepare("/x")
    assert os.environ["PATH"] == f"/mine:{here}", "what a user put before it stays there"
