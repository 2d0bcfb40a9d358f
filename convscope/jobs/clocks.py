"""Files of the future: written before the clock was set back, or by a machine whose clock is ahead.

Snakemake takes a job for failed, and removes what it made, where one of its inputs is newer than that. What is made again here is
known by contents, so that the times may be set right.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path


def set_right(folder: str | os.PathLike[str]) -> int:
    """Let the files and folders below a folder that are of the future be of this moment, all of the same.

    Returns:
        How many they were.
    """
    now = time.time()
    found = 0
    for path in _below(Path(folder)):
        with contextlib.suppress(OSError):  # another's, or gone
            if path.lstat().st_mtime > now:
                os.utime(path, (now, now), follow_symlinks=False)
                found += 1
    return found


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield Path(place, name)
