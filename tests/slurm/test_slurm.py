"""The workflow through Slurm, by the profile as it is: a cluster of two nodes without accounting (see `cluster`)."""

import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.slurm.cluster import NODES, Cluster
from tests.workflow.changes.workshop import contents
from tests.workflow.conftest import Project, copy_sources
from tests.workflow.test_failures import break_script

PROFILE = ("--profile", "profiles/slurm")


@pytest.fixture(scope="module")
def submitted(root: Path, tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Project:
    """The tiny study, made by the cluster."""
    project = copy_sources(root, tmp_path_factory.mktemp("submitted") / "project")
    project.run(*PROFILE)
    return project


@pytest.fixture
def project(root: Path, tmp_path: Path, cluster: Cluster) -> Project:
    return copy_sources(root, tmp_path / "project")


def test_a_job_of_a_network_asks_for_a_gpu_where_the_study_says_so(project: Project, cluster: Cluster) -> None:
    """The short round: a drawn dataset, a trained network and its evaluation, in three submissions."""
    project.edit("config/tiny.yaml", "seed: 3", "seed: 3\ngpu: true")
    already = len(cluster.jobs("%i"))
    project.run(*PROFILE, "results/tiny/evaluation/net/pets.test/confusion.png")
    lines = cluster.says("squeue", "-t", "all", "-h", "-S", "i", "-O", "Comment:100,tres-per-job:20").splitlines()[
        already:
    ]
    assert [line.split()[1] for line in lines] == ["N/A", "gres:gpu:1", "gres:gpu:1"]
    assert [name.partition("_")[2][:14] for name, _ in cluster.jobs("%i")[already:]] == [
        "tiny.data.pets",
        "train_model_wi",
        "tiny.model.net",
    ]
    assert {state for _, state in cluster.jobs("%T")[already:]} == {"COMPLETED"}


@pytest.mark.slow
def test_the_results_are_those_of_one_machine(submitted: Project, root: Path, tmp_path: Path) -> None:
    here = copy_sources(root, tmp_path / "project")
    here.run("--cores", "2")
    made, expected = contents(submitted.folder), contents(here.folder)
    assert sorted(made) == sorted(expected)
    assert [name for name in made if made[name] != expected[name]] == []


@pytest.mark.slow
def test_jobs_ran_on_both_nodes_and_few_submissions_hold_them(submitted: Project, cluster: Cluster) -> None:
    theirs = [job for job in cluster.jobs("%N %T %Z") if job[1].split()[2] == str(submitted.folder)]
    assert {job[1].split()[0] for job in theirs} == set(NODES)
    assert {job[1].split()[1] for job in theirs} == {"COMPLETED"}
    assert len(theirs) == 15, "of 54 jobs"


@pytest.mark.slow
def test_a_finished_study_submits_nothing(submitted: Project) -> None:
    assert not submitted.would_run(*PROFILE)


def asked(cluster: Cluster, rule: str, what: str) -> list[tuple[str, str]]:
    """State, and what it asked for (a field of squeue), of each job of a rule that was submitted, first to last."""
    jobs = [(name, *field.split("|")) for name, field in cluster.jobs(f"%T|{what}")]
    return [(state, field) for name, state, field in jobs if name.startswith(f"rule_{rule}_")]


def change(project: Project, file: str, rule: str, old: str, new: str) -> None:
    """Replace what stands once in a rule."""
    path = project.folder / file
    before, name, rest = path.read_text(encoding="utf-8").partition(f"rule {rule}:\n")
    assert name and old in rest
    path.write_text(before + name + rest.replace(old, new, 1), encoding="utf-8")


@pytest.mark.slow
def test_a_job_killed_for_memory_comes_back_with_more(project: Project, cluster: Cluster) -> None:
    fixed = "mem_mb=lambda wildcards, attempt: 600 * attempt"
    change(project, "rules/models.smk", "train_model", 'mem_mb=megabytes("train_model")', fixed)
    already = len(asked(cluster, "train_model", "%m"))
    project.run(*PROFILE, "results/tiny/models/net/model.keras")
    *killed, last = asked(cluster, "train_model", "%m")[already:]
    assert killed and all(state != "COMPLETED" for state, _ in killed)
    assert last[0] == "COMPLETED" and int(last[1].rstrip("M")) >= 1200


@pytest.mark.slow
def test_a_job_out_of_time_comes_back_with_more(project: Project, cluster: Cluster) -> None:
    change(project, "rules/data.smk", "contact_sheet", '    group:\n        together("contact_sheet")\n', "")
    minutes = "runtime=lambda wildcards, attempt: attempt"
    change(project, "rules/data.smk", "contact_sheet", 'runtime=minutes("contact_sheet")', minutes)
    change(
        project,
        "rules/data.smk",
        "contact_sheet",
        '        python "$CONVSCOPE_SCRIPTS"',
        '        sleep 85; python "$CONVSCOPE_SCRIPTS"',
    )
    already = len(asked(cluster, "contact_sheet", "%l"))
    project.run(*PROFILE, "results/tiny/datasets/pets/contact_sheet.png")
    (first, short), (second, longer) = asked(cluster, "contact_sheet", "%l")[already:]
    assert (first, short) == ("TIMEOUT", "1:00") and (second, longer) == ("COMPLETED", "2:00")


@pytest.mark.slow
def test_a_group_in_which_one_job_fails_tells_which_and_keeps_the_rest(project: Project, cluster: Cluster) -> None:
    """Seven jobs of class activation maps are one submission; the drawings of one set fail."""
    break_script(project, "overlays", "no <ink>")
    script = project.folder / "scripts" / "overlays.py"
    text = script.read_text(encoding="utf-8")
    script.write_text(
        text.replace("    raise Stop(", '    if "few" in str(args.maps):\n        raise Stop('), encoding="utf-8"
    )
    already = len(asked(cluster, "tiny.cams.net", "%i"))
    done = project.snakemake(*PROFILE)
    said = done.stderr[done.stderr.index("A job failed:") :].splitlines()
    assert done.returncode == 1
    assert said[1] == "  overlays net few gradcam: no <ink> (results/tiny/logs/overlays/net.few.gradcam.log)"
    assert len(asked(cluster, "tiny.cams.net", "%i")[already:]) == 3, "it was tried again"
    unfinished = (project.study / "logs" / "unfinished.json").read_text(encoding="utf-8")
    assert "cams/net/few/gradcam_sheet.png" in unfinished and "cams/net/wrong/gradcam_sheet.png" not in unfinished
    assert (project.study / "cams" / "net" / "wrong" / "gradcam_sheet.png").is_file()
    page = (project.study / "gallery" / "index.html").read_text(encoding="utf-8")
    assert "Unfinished: 1 job failed" in page and re.search(r"no &lt;ink&gt;", page)


@pytest.mark.slow
def test_cancelling_leaves_no_orphan(project: Project, cluster: Cluster) -> None:
    project.edit("config/tiny.yaml", "epochs: 2", "epochs: 5000")
    command = project.command(*PROFILE)
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
