"""Temporary files of a job: in a folder of its own, gone with it, and gone with the next one where it was killed."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import os, signal, sys, tempfile
from convscope.jobs.job import parser, run

def main(args):
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(b"left")
    print(file.name, os.environ["TMPDIR"])
    if args.killed:
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    arguments = parser("Leave a file.")
    arguments.add_argument("--killed", action="store_true")
    run(main, arguments)
"""


def job(folder: Path, root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    (folder / "job.py").write_text(SCRIPT)
    (folder / "tmp").mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(root), "TMPDIR": str(folder / "tmp")}
    return subprocess.run(
        [sys.executable, str(folder / "job.py"), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_a_killed_job_left_is_removed_by_the_next(tmp_path: Path, root: Path) -> None:
    mine, other = tmp_path / "tmp" / "convscope-notes", tmp_path / "tmp" / "theirs.py"
    assert job(tmp_path, root).returncode == 0
    assert list((tmp_path / "tmp").iterdir()) == []
    mine.mkdir()
    other.write_text("mine")
    killed = job(tmp_path, root, "--killed")
    file, folder = map(Path, killed.stdout.split())
    assert killed.returncode < 0 and file.read_text() == "left" and file.parent == folder
    assert folder.parent == tmp_path / "tmp" and folder.stat().st_mode & 0o777 == 0o700
    linked = tmp_path / "tmp" / f"{folder.name}x"  # under a dead job's name, a way out
    linked.symlink_to(tmp_path)
    assert job(tmp_path, root).returncode == 0
    assert sorted((tmp_path / "tmp").iterdir()) == sorted([mine, other, linked]) and (tmp_path / "job.py").exists()


def test_a_job_that_lives_keeps_its_files_and_a_job_without_a_folder_goes_on(tmp_path: Path, root: Path) -> None:
    from convscope.storage.processes import this_process

    (tmp_path / "tmp").mkdir()
    live = tmp_path / "tmp" / f"convscope-{this_process().tag}.abc"
    live.mkdir()
    assert job(tmp_path, root).returncode == 0 and live.exists()
