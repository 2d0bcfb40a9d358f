"""Small disks of one's own to fill, take away and write-protect; a test that wants one is skipped where none can be mounted."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def small_disk(place: Path, megabytes: float) -> Iterator[Path]:
    """A disk of some megabytes at a folder, which is made; gone with the block."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a disk takes Linux and its root")
    place.mkdir(parents=True, exist_ok=True)
    size = f"size={round(megabytes * 1024)}k"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        unmount(place)


def unmount(place: Path) -> None:
    """Take a disk away, also from under those who use it; nothing where there is none."""
    subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)


def remount(place: Path, options: str) -> None:
    """Change a disk: "ro", "rw", "size=9m"."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(place)], capture_output=True, check=True)
