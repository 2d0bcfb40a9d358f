"""A disk of the node's own, for large files while they are made: afterwards they are copied in one go to where all nodes see them."""

import os
import platform
from pathlib import Path

from convscope.errors import UserError

VARIABLE = "CONVSCOPE_SCRATCH"


def own_disk() -> Path | None:
    """The folder that the environment names, or None; variables in it (`$SLURM_TMPDIR`) are this node's.

    Raises:
        UserError: a variable in it is not set here, or it is no folder that can be written to.
    """
    named = os.environ.get(VARIABLE, "")
    if not named:
        return None
    folder, here = Path(os.path.expandvars(named)), f"on {platform.node()}"
    if "$" in str(folder):
        raise UserError(f"{VARIABLE}={named}: the variable in it is not set {here}; name a folder, or take it away")
    if not folder.is_absolute():
        raise UserError(f"{VARIABLE}={named}: '{folder}' is no whole path {here}; begin it with /, or take it away")
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(
            f"{VARIABLE}={named}: {folder} is no folder {here} that can be written to; name another, or take it away"
        )
    return folder
