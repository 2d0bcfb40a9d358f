"""Another scheduler by a profile: jobs in the background of this machine, by `profiles/cluster-generic/jobs.sh`."""

import importlib.util
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.workflow.changes.workshop import contents
from tests.workflow.conftest import copy_sources


def said(root: Path, folder: Path, *command: str) -> str:
    script = root / "profiles" / "cluster-generic" / "jobs.sh"
    done = subprocess.run([script, *command], cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def ended(root: Path, folder: Path, job: str) -> str:
    """What becomes of a job."""
    end = time.monotonic() + 60
    while (state := said(root, folder, "status", job)) == "running":
        assert time.monotonic() < end
        time.sleep(0.1)
    return state


def test_jobs_end_as_they_end(root: Path, tmp_path: Path) -> None:
    (tmp_path / "well.sh").write_text("#!/bin/sh\necho done > well\n")
    (tmp_path / "ill.sh").write_text("#!/bin/sh\nexit 3\n")
    well, ill = said(root, tmp_path, "submit", "well.sh"), said(root, tmp_path, "submit", "ill.sh")
    assert (ended(root, tmp_path, well), ended(root, tmp_path, ill)) == ("success", "failed")
    assert (tmp_path / "well").read_text() == "done\n"


def test_a_job_that_is_cancelled_at_once_does_not_begin(root: Path, tmp_path: Path) -> None:
    (tmp_path / "late.sh").write_text("#!/bin/sh\nsleep 1\necho begun >> begun\n")
    for _ in range(10):
        job = said(root, tmp_path, "submit", "late.sh")
        said(root, tmp_path, "cancel", job)
        assert said(root, tmp_path, "status", job) == "failed"
    time.sleep(2)
    assert not (tmp_path / "begun").exists()


def test_a_job_that_nobody_knows_is_not_waited_for(root: Path, tmp_path: Path) -> None:
    assert said(root, tmp_path, "status", "unknown") == "failed"
    said(root, tmp_path, "cancel", "unknown")
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "mkdir", "mktemp", "basename"):
        (tools / name).symlink_to(shutil.which(name) or "")
    script = [root / "profiles" / "cluster-generic" / "jobs.sh", "submit", "x.sh"]
    done = subprocess.run(script, cwd=tmp_path, env={"PATH": str(tools)}, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "no setsid" in done.stderr and not done.stdout


def test_a_cancelled_job_ends_with_all_that_it_started(root: Path, tmp_path: Path) -> None:
    (tmp_path / "long.sh").write_text("#!/bin/sh\nsh -c 'echo $$ > inner; exec sleep 600' &\nwait\n")
    job = said(root, tmp_path, "submit", "long.sh")
    end = time.monotonic() + 60
    while not (tmp_path / "inner").exists() or not (tmp_path / "inner").read_text():
        assert time.monotonic() < end
        time.sleep(0.1)
    assert said(root, tmp_path, "status", job) == "running"
    said(root, tmp_path, "cancel", job)
    assert ended(root, tmp_path, job) == "failed"
    inner = Path("/proc", (tmp_path / "inner").read_text().strip(), "cmdline")
    while inner.exists() and inner.read_bytes():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("snakemake_executor_plugin_cluster_generic") is None,
    reason="needs snakemake-executor-plugin-cluster-generic",
)
def test_the_results_are_those_of_one_machine(root: Path, tmp_path: Path) -> None:
    there, here = copy_sources(root, tmp_path / "there"), copy_sources(root, tmp_path / "here")
    there.run("--profile", "profiles/cluster-generic")
    here.run("--cores", "2")
    made, expected = contents(there.folder), contents(here.folder)
    assert sorted(made) == sorted(expected)
    assert [name for name in made if made[name] != expected[name]] == []
    assert len(list((there.folder / ".snakemake" / "background").iterdir())) == 15, "submissions, of 54 jobs"
