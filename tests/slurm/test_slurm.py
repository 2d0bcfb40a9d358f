"""The workflow through Slurm, by the profile as it is: a cluster of two nodes without accounting (see `cluster`)."""

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.slurm.cluster import NODES, Cluster
from tests.workflow.changes.workshop import contents
from tests.workflow.conftest import Project, copy_sources


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    if lacks := Cluster.missing():
        pytest.skip(f"needs {', '.join(lacks)}")
    # Short: a socket's name has a hundred letters at most.
    folder = Path(tempfile.mkdtemp(prefix="slurm"))
    try:
        with Cluster(folder / "all") as started:
            yield started
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def submitted(root: Path, tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Project:
    """The tiny study, made by the cluster."""
    project = copy_sources(root, tmp_path_factory.mktemp("submitted") / "project")
    project.run("--profile", "profiles/slurm")
    return project


def test_the_results_are_those_of_one_machine(submitted: Project, root: Path, tmp_path: Path) -> None:
    here = copy_sources(root, tmp_path / "project")
    here.run("--cores", "2")
    made, expected = contents(submitted.folder), contents(here.folder)
    assert sorted(made) == sorted(expected)
    assert [name for name in made if made[name] != expected[name]] == []


def test_jobs_ran_on_both_nodes(submitted: Project, cluster: Cluster) -> None:
    nodes = cluster.says("squeue", "-t", "all", "-h", "-o", "%N").split()
    assert set(nodes) == set(NODES)
    assert set(cluster.says("squeue", "-t", "all", "-h", "-o", "%T").split()) == {"COMPLETED"}


def test_a_finished_study_submits_nothing(submitted: Project) -> None:
    assert not submitted.would_run("--profile", "profiles/slurm")


@pytest.fixture
def project(root: Path, tmp_path: Path, cluster: Cluster) -> Project:
    return copy_sources(root, tmp_path / "project")


def asked(cluster: Cluster, rule: str, what: str) -> list[tuple[str, str]]:
    """State, and what it asked for (a field of squeue), of each job of a rule that was submitted, first to last."""
    lines = cluster.says("squeue", "-t", "all", "-h", "-S", "i", "-o", f"%k|%T|{what}").splitlines()
    parts = [line.split("|") for line in lines]
    return [(state, field) for name, state, field in parts if name.startswith(f"rule_{rule}_")]


def change(project: Project, file: str, rule: str, old: str, new: str) -> None:
    """Replace what stands once in a rule."""
    path = project.folder / file
    before, name, rest = path.read_text(encoding="utf-8").partition(f"rule {rule}:\n")
    assert name and old in rest
    path.write_text(before + name + rest.replace(old, new, 1), encoding="utf-8")


def test_a_job_killed_for_memory_comes_back_with_more(project: Project, cluster: Cluster) -> None:
    change(project, "rules/models.smk", "train_model", "mem_mb=grows(4000)", "mem_mb=grows(600)")
    already = len(asked(cluster, "train_model", "%m"))
    project.run("--profile", "profiles/slurm", "results/tiny/models/net/model.keras")
    *killed, last = asked(cluster, "train_model", "%m")[already:]
    assert killed and all(state != "COMPLETED" for state, _ in killed)
    assert last[0] == "COMPLETED" and int(last[1].rstrip("M")) >= 1200


def test_a_job_out_of_time_comes_back_with_more(project: Project, cluster: Cluster) -> None:
    change(project, "rules/data.smk", "contact_sheet", "runtime=grows(20)", "runtime=grows(1)")
    change(
        project,
        "rules/data.smk",
        "contact_sheet",
        '        python "$CONVSCOPE_SCRIPTS"',
        '        sleep 85; python "$CONVSCOPE_SCRIPTS"',
    )
    already = len(asked(cluster, "contact_sheet", "%l"))
    project.run("--profile", "profiles/slurm", "results/tiny/datasets/pets/contact_sheet.png")
    (first, short), (second, longer) = asked(cluster, "contact_sheet", "%l")[already:]
    assert (first, short) == ("TIMEOUT", "1:00") and (second, longer) == ("COMPLETED", "2:00")


def test_cancelling_leaves_no_orphan(project: Project, cluster: Cluster) -> None:
    project.edit("config/tiny.yaml", "epochs: 2", "epochs: 5000")
    command = project.command("--profile", "profiles/slurm")
    process = subprocess.Popen(
        command,
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # As a terminal starts it; what a background job of a shell starts ignores the interrupt.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )

    def running() -> str:
        return cluster.says("squeue", "-t", "pending,running,completing", "-h", "-o", "%k")

    def theirs() -> str:
        return subprocess.run(["pgrep", "-f", str(project.folder)], capture_output=True, text=True, check=False).stdout

    try:
        wait(lambda: "train_model" in running(), 300)
        time.sleep(5)
        process.send_signal(signal.SIGINT)
        process.wait(120)
    finally:
        process.kill()
    wait(lambda: not running() and not theirs(), 60)


def wait(until: Callable[[], bool], seconds: float) -> None:
    """Fail where something does not come true in time."""
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end
        time.sleep(1)
