"""One run a study, any number of studies; and what is said where a run is refused."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from convscope.errors import UserError
from convscope.jobs import study_lock
from convscope.jobs.study_lock import begin_run, hold_figure
from convscope.storage import runs
from convscope.storage.processes import this_process

PROGRAM = """
import sys
from convscope.errors import UserError
from convscope.jobs.study_lock import begin_run
try:
    print(begin_run(sys.argv[1], sys.argv[2], sys.argv[3:]), flush=True)
except UserError as error:
    print(error, flush=True)
    sys.exit(1)
sys.stdin.read()
"""


class Runs:
    """Starts runs and ends what it started."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.folder = root, folder
        self.started: list[subprocess.Popen[str]] = []

    def start(self, study: str, *arguments: str) -> str:
        """What it said; it goes on where it was not refused."""
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(self.folder), study, *arguments],
            cwd=self.root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        assert process.stdout
        return process.stdout.readline().strip()

    def kill(self, number: int) -> None:
        self.started[number].kill()
        self.started[number].wait()


@pytest.fixture
def started(root: Path, tmp_path: Path) -> Iterator[Runs]:
    made = Runs(root, tmp_path / ".snakemake")
    yield made
    for process in made.started:
        process.kill()
        process.communicate()


def test_one_run_a_study_and_a_killed_one_is_forgotten(started: Runs) -> None:
    assert started.start("tiny") == "True"
    said = started.start("tiny")
    assert said.startswith(
        f"study 'tiny': another run of it is at work in this folder (process {started.started[0].pid} on "
    )
    assert "wait for its end, or stop it" in said
    assert started.start("tiny", "-n") == started.start("tiny", "--report=x.html") == "False"
    assert started.start("large") == "True"
    started.kill(0)
    assert started.start("tiny", "--cores", "2") == "True"


def test_a_run_that_ends_lets_go(started: Runs) -> None:
    assert started.start("tiny") == "True"
    started.started[0].communicate("")
    assert list((started.folder / "runs").iterdir()) == []


def test_snakemakes_own_locks_go_when_nobody_is_there(started: Runs) -> None:
    lock = started.folder / "locks" / "0.output.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("results/a\n")
    assert started.start("tiny", "--dag") == "False" and lock.exists()
    assert started.start("tiny") == "True" and not lock.exists()
    lock.write_text("results/a\n")
    assert started.start("large") == "True" and lock.exists()


def test_unlocking_is_refused_while_a_run_lives(started: Runs) -> None:
    assert started.start("tiny") == "True"
    for study in ("tiny", "large"):
        said = started.start(study, "--unlock")
        assert said.startswith("study 'tiny': a run of it is at work here (process ") and "--unlock" in said
    started.kill(0)
    assert started.start("tiny", "--unlock") == "False"


def test_a_run_on_another_computer_is_for_people(tmp_path: Path) -> None:
    lock = tmp_path / "runs" / "tiny.lock"
    lock.parent.mkdir()
    other = dataclasses.replace(this_process(), host="login2", boot="another", pid=77)
    lock.write_text(json.dumps({"process": other.as_dict(), "since": "2026-01-01 10:00", "token": "t"}))
    with pytest.raises(UserError) as unlocking:
        begin_run(tmp_path, "large", ["--unlock"])
    with pytest.raises(UserError) as error:
        begin_run(tmp_path, "tiny")
    assert str(unlocking.value) == str(error.value)
    assert str(error.value) == (
        "study 'tiny': a run of it may be at work on another computer (process 77 on login2, since 2026-01-01 10:00), where this "
        f"one cannot look. If it is, wait for its end; if it is not, delete {lock} and start again"
    )
    assert lock.exists()


def test_a_place_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert begin_run(tmp_path / "file" / ".snakemake", "tiny") is False


def test_jobs_are_told_whose_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(runs.VARIABLE, "")
    assert begin_run(tmp_path, "tiny")
    run = runs.this_run()
    assert run and run.process.pid == os.getpid() and json.loads(Path(run.lock).read_text())["token"] == run.token
    runs.still_on()


def test_a_figure_is_made_by_one_study_at_a_time(tmp_path: Path) -> None:
    program = """
import sys
from convscope.errors import UserError
from convscope.jobs.study_lock import hold_figure
try:
    print(hold_figure(sys.argv[1], sys.argv[2], "figures", sys.argv[3:]), flush=True)
except UserError as error:
    print(error, flush=True)
"""

    def other(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", program, str(tmp_path), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    assert hold_figure(tmp_path, "roc", "figures") and hold_figure(tmp_path, "roc", "figures"), "rules ask twice"
    assert other("roc").startswith(f"figures/roc: a run of another study is making it (process {os.getpid()} on ")
    assert other("roc").endswith("; wait for its end, or start this one in a folder of its own")
    assert other("confusion") == "True" and other("roc", "--summary") == "False"
    study_lock._held.popitem()[1].release()
    assert other("roc") == "True"


def test_one_process_may_read_its_rules_again_and_hold_a_study_below_two_prefixes(tmp_path: Path) -> None:
    assert begin_run(tmp_path, "twice") and begin_run(tmp_path, "twice"), "each `use rule` of a module reads the rules"
    assert begin_run(tmp_path, "twice", results="a/results/twice") and begin_run(
        tmp_path, "twice", results="b/results/twice"
    )
    assert len(list((tmp_path / "runs").glob("twice*.lock"))) == 3
