"""Killed at any moment, the same command goes on, and the results are those of a run that nothing disturbed."""

import csv
import io
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from convscope.files import whole_files
from tests.workflow.conftest import TINY, Project

pytestmark = pytest.mark.slow


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


def without_seconds(name: str, content: bytes) -> bytes | list[dict[str, str]]:
    """What must be the same: how long an epoch took may differ."""
    if not name.endswith("models/net/history.csv"):
        return content
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def says(project: Project, logs: str, text: str) -> bool:
    return any(text in log.read_text() for log in project.study.glob(logs))


def test_killed_again_and_again_it_goes_on_and_ends_with_the_same_bytes(finished: Project, fresh: Project) -> None:
    kill_when(fresh, lambda: any(fresh.study.glob("datasets/pets/.drawn*/train/cat/*.png")))
    assert not (fresh.study / "datasets/pets/drawn").exists()  # nothing half made under its final name

    kill_when(fresh, lambda: (fresh.study / "models/net/state/training.npz").exists())
    assert not (fresh.study / "models/net/model.keras").exists()

    kill_when(fresh, lambda: says(fresh, "logs/ascend/*.log", "patterns of"))
    history = (fresh.study / "models/net/history.csv").read_bytes()
    assert list((fresh.folder / ".snakemake/locks").iterdir())  # what makes Snakemake refuse to start

    fresh.run()
    assert (fresh.study / "models/net/history.csv").read_bytes() == history  # not trained again
    wanted, found = finished.files(), fresh.files()
    assert found.keys() == wanted.keys()
    different = [name for name in wanted if without_seconds(name, wanted[name]) != without_seconds(name, found[name])]
    assert different == []
    assert says(fresh, "logs/train_model/net.log", "resumed")
    assert fresh.would_run() == {}


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


def test_a_live_run_keeps_its_locks(fresh: Project) -> None:
    """A second run of the same study beside the first is refused, and does not disturb it."""
    with subprocess.Popen(
        fresh.command("results/tiny/datasets/pets/images.csv"),
        cwd=fresh.folder,
        env=fresh.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as first:
        while not any(fresh.study.glob("datasets/pets/.drawn*")) and first.poll() is None:
            time.sleep(0.005)
        os.killpg(first.pid, signal.SIGSTOP)
        try:
            second = fresh.snakemake("results/tiny/datasets/pets/images.csv")
        finally:
            os.killpg(first.pid, signal.SIGCONT)
        assert second.returncode != 0
        assert "lock" in (second.stdout + second.stderr).lower()
        assert first.wait(timeout=120) == 0
    assert (fresh.study / "datasets/pets/images.csv").exists()
