"""Clearing the locks that a killed run left behind, so that the same command simply goes on."""

import contextlib
import fcntl
import os
from pathlib import Path

_held: list[int] = []


def clear_stale_locks(folder: str | os.PathLike[str]) -> bool:
    """Remove Snakemake's lock files if no other run is alive in its folder; from now on this process counts as a run.

    Snakemake locks with plain files, which outlive a `kill -9`; the next run then refuses to start. Every run therefore
    also holds a lock of the kernel's on a file, which ends with the process however it dies. Who can have that lock alone
    is the only run, and whatever lock files there are belong to dead ones.

    Args:
        folder: `.snakemake` of the working directory.

    Returns:
        Whether no other run was alive.
    """
    folder = Path(folder)
    try:
        folder.mkdir(exist_ok=True)
        descriptor = os.open(folder / "alive", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        return False  # a read-only place: nothing to clear, nothing to hold
    _held.append(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        alone = False
    else:
        alone = True
        for stale in (folder / "locks").glob("*.lock"):
            stale.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # a file system without such locks: Snakemake's own remain
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    return alone
