"""Disks that are full, write-protected, another's or gone: one line with the place and what to do."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.jobs.disk_errors import forbidden, told, trouble_at, unwritable
from convscope.storage import store
from convscope.storage.files import atomic_path, write_text
from tests.disks import remount, small_disk

GO_ON = "and start the same command again, which goes on where this stopped"
NOISE = np.random.default_rng(0).integers(0, 256, (900, 900, 3), np.uint8)


def hdf5(folder: Path) -> None:
    with store.create(folder / "maps.h5") as file:
        store.write_array(file, "maps", NOISE, ("image", "row", "column"))


def numpy(folder: Path) -> None:
    with atomic_path(folder / "batch.npy") as temporary:
        np.save(temporary, NOISE)


def archive(folder: Path) -> None:
    with atomic_path(folder / "state.npz") as temporary:
        np.savez(temporary, noise=NOISE)


def png(folder: Path) -> None:
    with atomic_path(folder / "sheet.png") as temporary:
        Image.fromarray(NOISE).save(temporary)


def text(folder: Path) -> None:
    write_text(folder / "table.csv", "x" * 2_000_000)


@pytest.mark.parametrize("write", [hdf5, numpy, archive, png, text])
def test_whatever_fills_the_disk_it_is_named_and_nothing_is_left(tmp_path: Path, write) -> None:
    code = f"""
from pathlib import Path
from convscope.jobs.disk_errors import told
from tests.unit.jobs.test_disk_errors import {write.__name__}
try:
    {write.__name__}(Path("disk"))
except Exception as error:
    print(told(error, [Path("disk/out.h5")]), *Path("disk").iterdir(), sep="|", flush=True)
"""
    with small_disk(tmp_path / "disk", 1):
        # HDF5 may crash the process that goes on after such an error, when it tidies up: a job does not go on.
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
            capture_output=True,
            text=True,
            check=False,
        )
    line = f"disk: too little space is left (1.0 MB); make room, {GO_ON}\n"  # HDF5 names it by its whole path
    assert done.stdout.removeprefix(f"{tmp_path}/") == line, done.stderr


@pytest.mark.parametrize(
    ("number", "what"),
    [
        (errno.ENOSPC, "too little space is left"),
        (errno.EDQUOT, "the quota of this user is used up"),
        (errno.EROFS, "the file system is read-only; make it writable"),
        (errno.EACCES, "no permission; give this user the right to it"),
        (errno.EPERM, "no permission"),
        (errno.EIO, "the disk fails; have a look at it"),
        (errno.ESTALE, "the network's disk was taken away"),
        (errno.ENOTCONN, "mount it again"),
        (errno.EFBIG, "raise the limit"),
    ],
)
def test_each_kind_is_told_with_its_place(tmp_path: Path, number: int, what: str) -> None:
    place = tmp_path / "results"
    line = told(OSError(number, os.strerror(number), str(place)))
    assert line.startswith(f"{place}: ") and what in line and line.endswith(GO_ON) and "\n" not in line
    # A copy names what it reads first, and then what it writes.
    assert told(OSError(number, "x", "from", None, str(place))) == line
    assert "/proc" not in told(OSError(number, "x"), ["--flag", 3, tmp_path / "out.h5", None])


def test_the_file_that_has_not_its_name_yet_is_not_named(tmp_path: Path) -> None:
    (tmp_path / ".maps.h5.0123456789ab.part.h5").touch()
    line = told(OSError(errno.EROFS, "x", str(tmp_path / ".maps.h5.0123456789ab.part.h5")))
    assert line.startswith(f"{tmp_path}: the file system")


def test_what_is_behind_an_error_counts_if_it_is_about_a_disk() -> None:
    def wrapped(number: int) -> Exception:
        try:
            try:
                raise OSError(number, "x", "results")
            except OSError:
                raise AttributeError("no fileno")  # noqa: B904 - as libraries do it
        except AttributeError as error:
            return error

    assert told(wrapped(errno.ENOSPC)).startswith("results: too little space")
    # Looking for a file where one may not look is no reason for what goes wrong later.
    assert told(wrapped(errno.EACCES)) == ""


def test_what_is_no_matter_of_disks(tmp_path: Path) -> None:
    for error in (ValueError("x"), OSError("no number"), FileNotFoundError(2, "x", str(tmp_path / "gone"))):
        assert told(error) == ""


def test_a_folder_that_is_gone_is_told_from_a_file_that_is(tmp_path: Path) -> None:
    line = told(FileNotFoundError(errno.ENOENT, "x", str(tmp_path / "results/tiny/maps.h5")))
    assert line == f"{tmp_path / 'results'} is not there (any more); bring it back (is a disk to be mounted?), {GO_ON}"
    assert trouble_at(tmp_path / "results/tiny") == line and trouble_at(tmp_path) == ""


def test_whether_a_folder_can_be_written_to(tmp_path: Path) -> None:
    assert unwritable(tmp_path / "not/yet/made") == ""
    assert list(tmp_path.iterdir()) == []
    with small_disk(tmp_path / "disk", 0.25) as disk:
        assert unwritable(disk / "results") == ""
        (disk / "other").write_bytes(bytes(200_000))
        assert unwritable(disk / "results").startswith(f"{disk}: too little space is left (0.1 MB)")
        remount(disk, "ro")
        assert unwritable(disk / "results") == (
            f"{disk}: the file system is read-only; make it writable, or work in another folder, {GO_ON}"
        )


def test_where_an_error_names_no_place_its_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with small_disk(tmp_path / "results", 1) as disk:
        monkeypatch.chdir(tmp_path)
        (disk / "tiny/models").mkdir(parents=True)
        used = [Path("results/tiny/datasets/images.csv"), Path("results/tiny/models/net.keras"), Path("/proc/version")]
        assert told(OSError(errno.ENOSPC, "x"), used).startswith("results/tiny: too little space is left (1.0 MB)")


def test_whether_files_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [f"{tmp_path}/a/b/c.h5", f"{tmp_path}/d.png", "e.csv"]
    monkeypatch.chdir(tmp_path)
    assert forbidden(files) == ""
    (tmp_path / "a").mkdir()
    monkeypatch.setattr(os, "access", lambda place, how: Path(place).name != "a")  # root may always
    assert forbidden(files) == (
        f"{tmp_path}/a: no permission; give this user the right to it, or work in another folder, {GO_ON}"
    )


JOB = """
import sys
from pathlib import Path
from convscope.jobs.job import parser, run, say

def main(args):
    say("at work")
    while args.fill:
        say("x" * 1000)
    raise OSError(122, "Disk quota exceeded")

if __name__ == "__main__":
    arguments = parser("Fill.")
    arguments.add_argument("--fill", action="store_true")
    arguments.add_argument("--out", type=Path)
    run(main, arguments)
"""


def test_a_job_ends_in_one_line_also_where_its_log_has_no_room(tmp_path: Path, root: Path) -> None:
    (tmp_path / "fill.py").write_text(JOB)

    def job(*arguments: str) -> list[str]:
        command = [sys.executable, "fill.py", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(root)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        return done.stderr.splitlines()

    (line,) = job("--out", "results/x.h5", "--log", "a.log")
    assert line.startswith(f"fill: error: {tmp_path}: the quota of this user is used up (") and GO_ON in line
    assert "Traceback" in (tmp_path / "a.log").read_text()
    (tmp_path / "file").touch()
    (line,) = job("--log", "file/a.log")
    assert line == "fill: error: file/a.log: File exists; a job needs it for what it says"
    with small_disk(tmp_path / "logs", 0.1) as disk:
        (line,) = job("--fill", "--log", "logs/a.log")
        assert line.startswith("fill: error: logs: too little space is left (0.0 MB); make room")
        remount(disk, "ro")
        (line,) = job("--log", "logs/b.log")
        assert line.startswith("fill: error: logs/b.log: the file system is read-only")
