"""Files of the future are set right; all others keep their time."""

import os
import time
from pathlib import Path

from convscope.jobs.clocks import set_right


def test_what_is_of_the_future_is_of_now_and_all_else_as_it_was(tmp_path: Path) -> None:
    now = time.time()
    times = {"old": now - 1e8, "deep/.hidden": now + 1e8, "deep/new": now + 60, "young": now - 1}
    for name, moment in times.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (moment, moment))
    (tmp_path / "link").symlink_to("gone")
    os.utime(tmp_path / "deep", (now + 1e6, now + 1e6))
    assert set_right(tmp_path) == 3
    found = {name: (tmp_path / name).stat().st_mtime for name in times}
    assert found["old"] == times["old"] and found["young"] == times["young"]
    assert found["deep/.hidden"] == found["deep/new"] == (tmp_path / "deep").stat().st_mtime <= time.time()
    assert set_right(tmp_path) == 0 == set_right(tmp_path / "not there")
