"""Locks of dead runs go, locks of live ones stay."""

import subprocess
import sys
from pathlib import Path

from convscope.stale_locks import clear_stale_locks

PROGRAM = """
import sys
from convscope.stale_locks import clear_stale_locks
print(clear_stale_locks(sys.argv[1]), flush=True)
sys.stdin.read()
"""


def start(root: Path, folder: Path) -> tuple["subprocess.Popen[str]", str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder)],
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    return process, process.stdout.readline().strip()


def test_only_who_is_alone_clears(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / ".snakemake"
    lock = folder / "locks" / "0.output.lock"
    first, alone = start(root, folder)
    assert alone == "True"
    lock.parent.mkdir()
    lock.write_text("results/a\n")
    second, alone = start(root, folder)
    assert (alone, lock.exists()) == ("False", True)
    first.kill()
    first.wait()
    third, alone = start(root, folder)  # the second still runs
    assert (alone, lock.exists()) == ("False", True)
    for process in (second, third):
        process.kill()
        process.wait()
    last, alone = start(root, folder)
    assert (alone, lock.exists()) == ("True", False)
    last.kill()
    last.wait()


def test_a_place_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert clear_stale_locks(tmp_path / "file" / ".snakemake") is False
