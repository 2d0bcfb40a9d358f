"""Files of HDF5 that somebody gave: damaged ones come to an end, and none leads to another file. Nothing heavy here."""

import functools
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from convscope.errors import UserError

# What is done with a file of HDF5 before its weights are read: its links followed, its attributes read.
_LOOKED_THROUGH = """
import resource, sys, h5py
told, most = resource.getrlimit(resource.RLIMIT_AS)  # some clusters bound it for every job
bounds = [bound for bound in (told, most) if bound != resource.RLIM_INFINITY]
resource.setrlimit(resource.RLIMIT_AS, (min([8 << 30, *bounds]), most))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
with h5py.File(sys.argv[1], "r", locking=False) as opened:
    opened.visititems_links(lambda name, link: None)
    opened.visititems(lambda name, item: dict(item.attrs) and None)
    dict(opened.attrs)
"""
_SECONDS = 30


@functools.lru_cache(maxsize=100)
def check_end(path: Path, size: int, modified: int) -> None:
    """Check that reading a file of HDF5 comes to an end, in a process of its own: in a damaged one the library may go in circles,
    which nothing in this process could stop, or crash.

    Raises:
        UserError: it does not.
    """
    command = [sys.executable, "-I", "-c", _LOOKED_THROUGH, str(path)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise UserError(f"'{path}' cannot be read as HDF5 (it has no end); it is damaged, get it again") from None
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise UserError(f"'{path}' cannot be read as HDF5 (its reader crashes: {name}); it is damaged, get it again")


def check_links(opened: Any, path: Path) -> None:
    """Check that nothing in an open file of HDF5 lies in another one.

    Args:
        opened: an `h5py.File`.
        path: of it, for people.

    Raises:
        UserError: a link, a dataset or a part of one does.
        OSError: it is damaged.
    """
    import h5py

    def leads_away(name: str, link: Any) -> str | None:
        return name if isinstance(link, h5py.ExternalLink) else None

    def lies_elsewhere(name: str, item: Any) -> str | None:
        return name if isinstance(item, h5py.Dataset) and (item.external or item.is_virtual) else None

    try:
        name = opened.visititems_links(leads_away) or opened.visititems(lies_elsewhere)
    except (
        KeyError,
        RuntimeError,
        SystemError,
        TypeError,
        ValueError,
    ) as error:  # what h5py says of damage, all of them
        raise OSError(error) from None
    if name is not None:
        raise UserError(
            f"'{path}' takes '{name[:80]}' from another file, which no file may; save it again with model.save"
        )
