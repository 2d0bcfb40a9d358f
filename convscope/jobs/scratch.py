"""A folder of its own for each job's temporary files, which is gone when the job is, even where it was killed.

TensorFlow writes each function that it rewrites to a file in the folder for temporary files, and removes it as Python ends; some
models are unpacked there. It is on this machine and not in the study's folder, which may be on a network's disk: what a killed job
left is removed by the next one on the machine, of whatever study.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from convscope.storage.processes import tag_is_dead, this_process

_PREFIX = "convscope-"
_own: list[Path] = []


def own_temporary_folder() -> None:
    """Have temporary files of this process, and of those that it starts, lie in a folder that is removed as it ends."""
    base = Path(tempfile.gettempdir())
    for left in base.glob(f"{_PREFIX}*"):
        if tag_is_dead(left.name.removeprefix(_PREFIX).partition(".")[0]):
            shutil.rmtree(left, ignore_errors=True)  # which refuses a link; somebody else's stays
    try:
        folder = tempfile.mkdtemp(prefix=f"{_PREFIX}{this_process().tag}.", dir=base)
    except OSError:
        return  # whoever needs one says so
    tempfile.tempdir = os.environ["TMPDIR"] = folder
    _own.append(Path(folder))
    atexit.register(remove_own)


def remove_own() -> None:
    """Remove the folder: before the process ends in a way that runs nothing else."""
    for folder in _own:
        shutil.rmtree(folder, ignore_errors=True)
