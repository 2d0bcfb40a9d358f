"""Why jobs failed, in one line each, and what was not made because of them."""

import itertools
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from convscope.jobs.failed_jobs import SILENT, UNBEGUN, as_json, companions, failures, misleading, unmade, why


class Job:
    """As much of a job of Snakemake as is looked at."""

    def __init__(self, rule: str, *values: str, log: Any = (), output: Any = (), input_: Any = ()) -> None:
        self.rule = SimpleNamespace(name=rule)
        self.wildcards_dict = {str(number): value for number, value in enumerate(values)}
        self.log, self.output, self.input = log, output, input_


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "net.log"
    path.write_text(
        "12:00:00 starting\nTraceback (most recent call last):\nValueError: error: inside\n"
        "cam: error: out of <room>; delete something\n"
    )
    return path


def test_the_reason_is_the_last_line_that_says_error(log: Path) -> None:
    assert why([str(log)], 0) == ("out of <room>; delete something", str(log))
    with log.open("a") as stream:
        stream.write("a library says good-bye\ncam: error: and again\n" + "x" * 1000 + "\n")
    assert why([str(log)], 0) == ("and again", str(log))
    log.write_text("filler\n" * 100_000 + "ascend: error: at the end\n")
    assert why([str(log)], 0)[0] == "at the end"


def test_a_job_that_said_nothing(log: Path, tmp_path: Path) -> None:
    log.write_text("12:00:00 filters: 3/64\n")
    assert why([str(log)], 0) == (SILENT, str(log))
    log.write_bytes(b"cam: error: \xff not text\n")
    assert why([str(log)], 0)[0].endswith("not text")
    os.utime(log, (1000, 1000))
    assert why([str(log)], time.time() - 60) == (UNBEGUN, "")  # another run's
    assert why([str(tmp_path / "gone.log")], 0) == why([], 0) == (UNBEGUN, "")


def test_of_a_group_those_that_failed(log: Path) -> None:
    alone, guilty, well = Job("judge", "b"), Job("cam", "net", "few", log=[str(log)]), Job("cam", "net", "other")
    found = failures([alone, SimpleNamespace(jobs=[well, guilty])], 0)
    assert list(found) == [guilty, alone]
    assert found[guilty].line == f"cam net few: out of <room>; delete something ({log})"
    assert found[alone].line == f"judge b: {UNBEGUN}"
    assert set(failures([SimpleNamespace(jobs=[well])], 0)) == {well}


def test_what_a_group_made_before_one_of_it_failed_stands(log: Path, tmp_path: Path) -> None:
    made, old = tmp_path / "made.png", tmp_path / "old.png"
    made.touch()
    old.touch()
    os.utime(old, (1000, 1000))
    guilty, well = Job("cam", "net", "few", log=[str(log)]), Job("cam", "net", "other", output=[str(made)])
    late = Job("overlays", "net", output=[str(old)])
    group, later = SimpleNamespace(jobs=[well, guilty, late]), Job("gallery", output=["index.html"])
    failed = failures([group], 0)
    beside = companions([group], failed)
    assert beside == {well: failed[guilty], late: failed[guilty]}
    files = unmade([guilty, well, late, later], {later: {well: 1}}, failed, beside, since=2000)
    assert files == dict.fromkeys([str(old), "index.html"], "cam net few failed: out of <room>; delete something")
    alone = Job("judge", "b")
    assert companions([alone], failures([alone], 0)) == {}


def test_what_was_not_made_names_the_job_to_blame(log: Path) -> None:
    failing = Job("cam", "net", log=[str(log)], output=["shard.h5"])
    gather, overlays = Job("gather_cam", output=["maps.h5"]), Job("overlays", output=["maps.csv", "sheet.png"])
    other, well = Job("ascend", output=["conv.h5"]), Job("dataset", output=["images.csv"])
    needs = {overlays: {gather: 1, well: 1}, gather: {failing: 1}, failing: {well: 1}, other: {well: 1}}
    found = failures([failing], 0)
    files = unmade([overlays, gather, failing, other], needs, found)
    because = "cam net failed: out of <room>; delete something"
    assert files == {
        "shard.h5": because,
        "maps.h5": because,
        "maps.csv": because,
        "sheet.png": because,
        "conv.h5": "the run ended before it was made",
    }
    facts = as_json(found, files)
    assert facts["files"] == files and [job["name"] for job in facts["jobs"]] == ["cam net"]


def test_a_long_chain_of_jobs(log: Path) -> None:
    chain = [Job("step", str(number), output=[str(number)]) for number in range(5000)]
    needs = {job: [before] for before, job in itertools.pairwise(chain)}
    files = unmade(reversed(chain), needs, failures(chain[:1], 0))
    assert set(files.values()) == {f"step 0 failed: {UNBEGUN}"} and len(files) == 5000


def test_older_files_that_would_be_taken_for_present_ones(tmp_path: Path) -> None:
    there, gone = tmp_path / "there", tmp_path / "gone"
    there.touch()
    stale = Job("gather_cam", output=[there], input_=[gone, there])
    fine = Job("overlays", output=[there], input_=[there])  # its own input says whether it is up to date
    never = Job("judge", output=[gone], input_=[gone])
    assert misleading([stale, fine, never]) == [stale]


def test_a_reason_is_one_short_line_that_moves_no_cursor(log: Path) -> None:
    log.write_text("cam: error: \x1b[31mred\x07 caf\u00e9\n")
    assert why([str(log)], 0)[0] == "\\x1b[31mred\\x07 caf\u00e9"
    log.write_text(f"cam: error: {'shape ' * 2000}\n")
    assert len(why([str(log)], 0)[0]) < 510 and why([str(log)], 0)[0].startswith("shape shape")
