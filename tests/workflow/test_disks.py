"""Disks that are full, write-protected, another's or gone, and clocks that are wrong: one line, nothing lost, and it goes on."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.disks import remount, small_disk, unmount
from tests.workflow.conftest import TINY, Project
from tests.workflow.test_kill import at_work, start

pytestmark = [pytest.mark.slow, pytest.mark.usual_start]

PICTURES = "results/tiny/datasets/pets/images.csv"
SHEET = "results/tiny/datasets/pets/contact_sheet.png"
GO_ON = "and start the same command again, which goes on where this stopped"
# Root without root's rights.
POWERLESS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]


def refused(project: Project, target: str, powerless: bool = False) -> str:
    """The line that a run ends with before its first job."""
    command = [*(POWERLESS if powerless else []), *project.command(target)]
    done = subprocess.run(
        command, cwd=project.folder, env=project.environment, capture_output=True, text=True, check=False
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 1 and "Traceback" not in printed and "rule " not in printed, printed
    (line,) = [line for line in printed.splitlines() if line.startswith("run: ")]
    return line


def test_full_then_read_only_then_forbidden_then_well(fresh: Project) -> None:
    with small_disk(fresh.folder / "results", 0.3) as disk:
        done = fresh.snakemake(PICTURES)
        said = done.stderr[done.stderr.index("A job failed:") :].splitlines()[1]
        assert said.startswith("  draw_pets pets: results/tiny: too little space is left (0.") and GO_ON in said
        assert not list(disk.glob("tiny/datasets/pets/*"))  # others may need the room

        remount(disk, "size=20m")
        fresh.run(PICTURES)
        whole = fresh.files()
        remount(disk, "ro")
        assert "Nothing to be done" in fresh.run(PICTURES)  # a finished study can be looked at
        assert refused(fresh, SHEET).startswith("run: results: the file system is read-only; make it writable")
        remount(disk, "rw")
        if shutil.which(POWERLESS[0]):
            others = disk / "tiny/datasets/pets"
            others.chmod(0o555)
            line = refused(fresh, SHEET, powerless=True)
            assert line.startswith("run: results/tiny/datasets/pets: no permission; give this user the right to it")
            others.chmod(0o755)
        assert fresh.files() == whole
        fresh.run(SHEET)
        assert {name: fresh.files()[name] for name in whole} == whole


@pytest.mark.parametrize("asked", [False, True])
def test_nowhere_to_write_at_all(sources: Project, tmp_path: Path, asked: bool) -> None:
    """Also where a dry run left what Snakemake wants to take away before anything else."""
    with small_disk(tmp_path / "disk", 100) as disk:
        project = Project(disk / "project")
        shutil.copytree(sources.folder, project.folder, ignore=shutil.ignore_patterns(".snakemake"))
        if asked:
            project.run("-n", PICTURES)
            assert (project.folder / ".snakemake" / "iocache" / "latest.pkl").exists()
        remount(disk, "ro")
        place = ".snakemake" if asked else project.folder
        assert refused(project, PICTURES).startswith(f"run: {place}: the file system is read-only")


def test_a_disk_that_is_taken_away_in_the_middle(fresh: Project) -> None:
    fresh.edit(TINY, "{train: 16, ", "{train: 4000, ")
    with small_disk(fresh.folder / "results", 100) as disk:
        run = start(fresh, PICTURES)
        at_work(fresh, run)
        unmount(disk)
        printed, _ = run.communicate(timeout=60)
    said = [line for line in printed.splitlines() if line.startswith("draw_pets: error: ")]
    assert run.returncode == 1 and "Traceback" not in printed, printed
    assert len(said) == 1 and "results/tiny is not there (any more); bring it back" in said[0]
    fresh.edit(TINY, "{train: 4000, ", "{train: 16, ")
    fresh.run(PICTURES)


def test_clocks_do_not_matter(copy: Project, finished: Project) -> None:
    """Set back: all there is, is of tomorrow. Set forward: it is ten years old. Touched: it is all of this moment."""
    wanted, now = copy.files(), time.time()

    def all_of(moment: float, *folders: str) -> None:
        for folder in folders:
            for path in (copy.folder / folder).rglob("*"):
                os.utime(path, (moment, moment), follow_symlinks=False)

    lost = copy.study / "filters/net/textbook/filters_for_layer_stem_conv.png"
    made = lost.read_bytes()
    all_of(now + 86400, "results", ".snakemake/runs")
    all_of(now - 86400, "convscope", "scripts")
    lost.unlink()
    printed = copy.run("all", f"results/{lost.relative_to(copy.folder / 'results')}")
    assert "files of results/tiny were of the future (was the clock set back?)" in printed
    assert lost.read_bytes() == made
    assert copy.would_run() == {}
    all_of(now - 10 * 365 * 86400, "results")
    all_of(now, "convscope", "config")
    assert copy.would_run() == {}
    assert copy.files() == wanted


def test_large_files_are_made_on_a_disk_of_the_nodes_own(copy: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    place = min(copy.study.glob("activations/net/few/shards/*.h5"))
    shard = str(place.relative_to(copy.folder))
    wanted = place.read_bytes()
    place.unlink()
    own = copy.folder.parent / "own"
    monkeypatch.setenv("CONVSCOPE_SCRATCH", "$OWN")
    with small_disk(own, 0.02) as disk:
        monkeypatch.setenv("OWN", str(disk))
        done = copy.snakemake(shard)
        assert f"{disk}: too little space is left (0." in done.stderr and GO_ON in done.stderr, done.stderr
        assert not list(disk.iterdir()) and not place.exists()
        remount(disk, "size=20m")
        copy.run(shard)
        assert place.read_bytes() == wanted
        assert not list(disk.iterdir())
    place.unlink()
    monkeypatch.setenv("OWN", str(own / "gone"))
    done = copy.snakemake(shard)
    assert f"CONVSCOPE_SCRATCH=$OWN: {own / 'gone'} is no folder on " in done.stderr
