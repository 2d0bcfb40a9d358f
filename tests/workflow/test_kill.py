"""Killed at any moment, the same command goes on, and the results are those of a run that nothing disturbed."""

import contextlib
import csv
import io
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from convscope.storage.files import whole_files
from tests.workflow.conftest import TINY, Project

pytestmark = [pytest.mark.slow, pytest.mark.usual_start]


def kill_when(project: Project, moment: Callable[[], bool], *targets: str) -> None:
    """Start the study, or what makes some files of it; kill -9 it and all its jobs as soon as the moment has come."""
    with (project.folder / "killed.txt").open("w") as printed:
        running = subprocess.Popen(
            project.command(*targets),
            cwd=project.folder,
            env=project.environment,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        deadline = time.monotonic() + 300
        while not moment() and running.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        came_in_time = running.poll() is None and moment()
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    assert came_in_time, (project.folder / "killed.txt").read_text()


def started_in(folder: Path) -> dict[int, str]:
    """The processes that work in a folder: number -> command."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == folder:
                found[int(process.name)] = (process / "cmdline").read_text().replace("\0", " ")
    return found


def start(project: Project, *arguments: str, config: str = TINY) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        project.command(*arguments, config=config),
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def without_seconds(name: str, content: bytes) -> bytes | list[dict[str, str]]:
    """What must be the same: how long an epoch took may differ, and with it the seal of the table."""
    if name.endswith("seals/models/net/history.csv.json"):
        return b""
    if not name.endswith("models/net/history.csv"):
        return content
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def says(project: Project, logs: str, text: str) -> bool:
    return any(text in log.read_text() for log in project.study.glob(logs))


KILLED = (
    "models/net/curves.png",
    *(f"filters/net/textbook/{name}.h5" for name in ("stem_conv", "block2_residual_conv")),
)


@pytest.mark.parametrize(
    "usually", [False, pytest.param(True, marks=pytest.mark.long)], ids=["preloaded", "usual start"]
)
def test_killed_again_and_again_it_goes_on_and_ends_with_the_same_bytes(
    finished: Project, fresh: Project, servers: Path, usually: bool
) -> None:
    """What is killed begins as on a user's machine; what goes on is all of the study, or the killed stages alone."""
    kill_when(fresh, lambda: any(fresh.study.glob("datasets/pets/.drawn*/train/cat/*.png")))
    assert not (fresh.study / "datasets/pets/drawn").exists()  # nothing half made under its final name

    kill_when(fresh, lambda: (fresh.study / "models/net/state/training.npz").exists())
    assert not (fresh.study / "models/net/model.keras").exists()

    kill_when(fresh, lambda: says(fresh, "logs/ascend/*.log", "patterns of"))
    history = (fresh.study / "models/net/history.csv").read_bytes()
    assert (fresh.folder / ".snakemake/runs/tiny.lock").exists()  # a dead run's, which stops nobody

    fresh.python = None if usually else servers
    targets = [] if usually else [f"results/tiny/{name}" for name in KILLED]
    fresh.run(*targets)
    assert (fresh.study / "models/net/history.csv").read_bytes() == history  # not trained again
    wanted, found = finished.files(), fresh.files()
    assert found.keys() == wanted.keys() if usually else len(found) > 40 and found.keys() <= wanted.keys()
    different = [name for name in found if without_seconds(name, wanted[name]) != without_seconds(name, found[name])]
    assert different == []
    assert says(fresh, "logs/train_model/net.log", "resumed")
    assert fresh.would_run(*targets) == {}


def test_killed_in_the_middle_of_an_ascent_it_goes_on_from_the_batches_it_kept(
    copy_of_finished: Callable[[str], Project],
) -> None:
    undisturbed, killed = copy_of_finished("undisturbed"), copy_of_finished("killed")
    for project in (undisturbed, killed):
        project.edit(TINY, "filters: 3, size: 48, steps: 4", "filters: 11, size: 48, steps: 60, batch: 2")
    layer = "filters/net/textbook/stem_conv"
    undisturbed.run(f"results/tiny/{layer}.h5")

    state = killed.study / f"{layer}.state"
    kill_when(killed, lambda: len(whole_files(state, "*/*.npz")) >= 2, f"results/tiny/{layer}.h5")
    kept = len(whole_files(state, "*/*.npz"))
    assert 2 <= kept < 6 and not (killed.study / f"{layer}.h5").exists()

    killed.run(f"results/tiny/{layer}.h5")
    log = (killed.study / "logs/ascend/net.textbook.stem_conv.log").read_text()
    assert re.search(rf": {2 * kept}/11 filters, found by an earlier run", log), log
    assert (killed.study / f"{layer}.h5").read_bytes() == (undisturbed.study / f"{layer}.h5").read_bytes()
    assert not state.exists()


PICTURES = "results/tiny/datasets/pets/images.csv"


def at_work(project: Project, run: "subprocess.Popen[str]", study: str = "tiny") -> None:
    """Wait until the run draws its pictures."""
    while not any((project.folder / "results" / study).glob("datasets/pets/.drawn*/train/cat/*.png")):
        assert run.poll() is None, run.communicate()[0]
        time.sleep(0.005)


def test_jobs_end_with_a_snakemake_that_is_killed_alone(fresh: Project) -> None:
    """Or else they would put their results in the place of the next run's."""
    fresh.edit(TINY, "{train: 16, ", "{train: 4000, ")
    run = start(fresh, PICTURES)
    at_work(fresh, run)
    run.kill()  # Snakemake's process and no other
    run.communicate()  # what it printed was its jobs' to write to as well: they are gone
    deadline = time.monotonic() + 5
    while (orphans := started_in(fresh.folder)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert orphans == {}
    fresh.edit(TINY, "{train: 4000, ", "{train: 16, ")
    fresh.run(PICTURES)
    assert len(list(fresh.study.glob("datasets/pets/drawn/train/cat/*.png"))) == 16
    assert not list(fresh.study.glob("datasets/pets/.drawn*"))


def test_a_second_run_of_a_study_is_refused_and_does_not_disturb_the_first(fresh: Project) -> None:
    first = start(fresh, PICTURES)
    at_work(fresh, first)
    os.killpg(first.pid, signal.SIGSTOP)
    try:
        second, unlocking = fresh.snakemake(PICTURES), fresh.snakemake("--unlock")
        assert fresh.snakemake("-n").returncode == 0  # asking is not refused
    finally:
        os.killpg(first.pid, signal.SIGCONT)
    for done, why in (
        (second, "another run of it is at work in this folder"),
        (unlocking, "a run of it is at work here"),
    ):
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("run: ")]
        assert done.returncode == 1 and line.startswith(f"run: study 'tiny': {why} (process {first.pid} on ")
        assert "Traceback" not in done.stderr
    printed, _ = first.communicate(timeout=120)
    assert first.returncode == 0, printed
    assert (fresh.study / "datasets/pets/images.csv").exists()


def test_two_studies_run_at_once_and_a_killed_one_starts_again_beside_the_other(fresh: Project) -> None:
    text = (fresh.folder / TINY).read_text()
    (fresh.folder / "other.yaml").write_text(text.replace("study: tiny", "study: other"))
    fresh.edit(TINY, "{train: 16, ", "{train: 100, ")
    first, second = start(fresh, PICTURES), start(fresh, PICTURES.replace("tiny", "other"), config="other.yaml")
    at_work(fresh, second, "other")
    second.kill()
    second.communicate()
    again = fresh.snakemake(PICTURES.replace("tiny", "other"), config="other.yaml")
    assert again.returncode == 0, again.stdout + again.stderr
    printed, _ = first.communicate(timeout=120)
    assert first.returncode == 0, printed
    for study, count in (("tiny", 100), ("other", 16)):
        drawn = fresh.folder / "results" / study / "datasets/pets/drawn/train/cat"
        assert len(list(drawn.glob("*.png"))) == count
