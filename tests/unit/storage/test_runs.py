"""Jobs end with the run that started them, whatever they are doing, and nothing else ends them."""

import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from convscope.storage import runs
from convscope.storage.processes import Process, is_here, lives, local_process, this_process

JOB = """
import multiprocessing, os, signal, subprocess, sys, time
from pathlib import Path
from convscope.storage import runs
from convscope.storage.files import atomic_path
from convscope.jobs.job import parser, run, say

def main(args):
    if args.how == "old":
        vars(os).pop("pidfd_open", None)
        runs._SECONDS_BETWEEN_LOOKS = 0.1
    if args.how == "deaf":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,)).start()
    if args.how == "between":
        sys.held = atomic_path(args.out)
        sys.held.__enter__()
        raise KeyboardInterrupt
    with atomic_path(args.out) as temporary:
        temporary.write_text("half")
        print("at work", file=sys.__stdout__, flush=True)
        time.sleep(args.seconds)
        temporary.write_text("whole")

if __name__ == "__main__":
    arguments = parser("Write a file, slowly.")
    arguments.add_argument("--out", type=Path)
    arguments.add_argument("--how", default="")
    arguments.add_argument("--seconds", type=float, default=60.0)
    run(main, arguments)
"""


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that stands for a run."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def start(root: Path, folder: Path, run: runs.Run | None, *arguments: str) -> "subprocess.Popen[str]":
    """Start the job; what it prints goes to the log `log` in the folder."""
    (folder / "job.py").write_text(JOB)
    environment = {**os.environ, "PYTHONPATH": str(root)}
    environment.pop(runs.VARIABLE, None)
    if run:
        environment[runs.VARIABLE] = runs.as_text(run)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, str(folder / "job.py"), "--out", str(folder / "out.txt"), *arguments],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )
    deadline = time.monotonic() + 30
    while "at work" not in (folder / "log").read_text() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return process


def run_of(process: "subprocess.Popen[bytes]") -> runs.Run:
    return runs.Run(local_process(process.pid), "", "")


def children_of(pid: int) -> list[Process]:
    return [local_process(int(child)) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(process: Process) -> bool:
    """Whether it ends soon."""
    deadline = time.monotonic() + 5
    while lives(process) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not lives(process)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name not in ("job.py", "log"))


@pytest.mark.parametrize("how", ["", "old", "deaf"])
def test_a_job_ends_with_its_run_and_leaves_nothing(
    root: Path, tmp_path: Path, sleeper: "subprocess.Popen[bytes]", how: str
) -> None:
    job = start(root, tmp_path, run_of(sleeper), "--how", how)
    assert job.poll() is None and len(left(tmp_path)) == 1
    children = children_of(job.pid)
    assert bool(children) == (how == "deaf")
    sleeper.kill()
    assert job.wait(timeout=30) == 1
    assert left(tmp_path) == []
    assert all(gone(child) for child in children)
    assert "the run that started this job has ended, and the job with it" in (tmp_path / "log").read_text()
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_job_whose_run_is_gone_before_it_starts_does_nothing(
    root: Path, tmp_path: Path, sleeper: "subprocess.Popen[bytes]"
) -> None:
    run = run_of(sleeper)
    sleeper.kill()
    sleeper.wait()
    assert start(root, tmp_path, run, "--seconds", "5").wait(timeout=10) == 1
    assert left(tmp_path) == []


def test_a_job_interrupted_between_a_file_and_its_block_leaves_nothing(root: Path, tmp_path: Path) -> None:
    assert start(root, tmp_path, None, "--how", "between").wait(timeout=10) == 1
    assert left(tmp_path) == []
    assert "interrupted" in (tmp_path / "log").read_text()


def elsewhere() -> Process:
    """A process of another machine, with the number of one that is not here."""
    return dataclasses.replace(this_process(), host="node7", boot="another", pid=4194304, start="1")


@pytest.mark.parametrize("run", [None, runs.Run(elsewhere(), "", "")], ids=["by hand", "on another machine"])
def test_without_a_run_on_this_machine_a_job_works_to_its_end(root: Path, tmp_path: Path, run: runs.Run | None) -> None:
    assert start(root, tmp_path, run, "--seconds", "0").wait(timeout=10) == 0
    assert left(tmp_path) == ["out.txt"] and (tmp_path / "out.txt").read_text() == "whole"


def test_on_another_machine_it_ends_when_another_run_has_taken_over(root: Path, tmp_path: Path) -> None:
    lock = tmp_path / "log.lock"
    lock.write_text(json.dumps({"token": "first"}))
    job = start(root, tmp_path, runs.Run(elsewhere(), str(lock), "first"))
    time.sleep(0.2)
    assert job.poll() is None
    lock.write_text(json.dumps({"token": "second"}))
    assert job.wait(timeout=10) == 1
    assert left(tmp_path) == ["log.lock"]
    assert "another run has taken over" in (tmp_path / "log").read_text()


def test_a_job_ends_with_the_shell_that_started_it(
    root: Path, tmp_path: Path, sleeper: "subprocess.Popen[bytes]"
) -> None:
    (tmp_path / "job.py").write_text(JOB)
    command = f'"{sys.executable}" "{tmp_path}/job.py" --out "{tmp_path}/out.txt" > "{tmp_path}/log" 2>&1; true'
    environment = {**os.environ, "PYTHONPATH": str(root), runs.VARIABLE: runs.as_text(run_of(sleeper))}
    shell = subprocess.Popen(["bash", "-c", command], env=environment)
    while not (tmp_path / "log").exists() or "at work" not in (tmp_path / "log").read_text():
        assert shell.poll() is None
        time.sleep(0.01)
    (job,) = children_of(shell.pid)
    shell.kill()
    shell.wait()
    assert gone(job) and left(tmp_path) == []
    assert "what started this job was killed" in (tmp_path / "log").read_text()


def test_who_works_for_a_run_elsewhere_is_what_its_jobs_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(runs.VARIABLE, runs.as_text(runs.Run(elsewhere(), "/l/tiny.lock", "t")))
    runs.announce_again()
    assert runs.this_run() == runs.Run(this_process(), "/l/tiny.lock", "t")
    # On the same machine the run itself stays what they look at.
    here = runs.Run(local_process(os.getppid()), "/l/tiny.lock", "t")
    monkeypatch.setenv(runs.VARIABLE, runs.as_text(here))
    runs.announce_again()
    assert runs.this_run() == here
    monkeypatch.delenv(runs.VARIABLE)
    assert runs.this_run() is None and runs.why_ended() == ""
    runs.announce_again()
    assert runs.this_run() == runs.Run(this_process(), "", "")


@pytest.mark.parametrize("text", ["", "{}", "nonsense", "[1]", '{"process": 3}'])
def test_a_variable_that_says_nothing_is_none(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(runs.VARIABLE, text)
    assert runs.this_run() is None
    runs.still_on()


def test_who_lives(sleeper: "subprocess.Popen[bytes]") -> None:
    other = local_process(sleeper.pid)
    assert is_here(other) and lives(other) is True and lives(this_process()) is True
    assert lives(dataclasses.replace(other, start="1")) is False  # the number was given out again
    assert lives(dataclasses.replace(other, boot="an earlier start")) is False
    assert lives(dataclasses.replace(other, host="node7")) is True  # renamed since: the start of the system tells
    assert lives(elsewhere()) is None
    assert lives(dataclasses.replace(other, space="pid:[1]")) is None  # a container counts for itself
    assert Process.from_dict(json.loads(json.dumps(other.as_dict()))) == other
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert lives(other) is False  # though its parent has not asked for its exit code yet
