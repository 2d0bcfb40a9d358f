"""What a user without a home or a name lacks, in a container or under an account of a service: a folder for caches, a name."""

import getpass
import os
from pathlib import Path

_VARIABLE = "XDG_CACHE_HOME"


def ensure_cache(instead: str | os.PathLike[str]) -> None:
    """Leave the user's folder for caches as it is where it can be written to; otherwise name another one to all that runs from here.

    Snakemake makes its folder there before it reads anything, and ends with a traceback where it cannot; Numba and Matplotlib have
    theirs there.

    Args:
        instead: the folder to take.
    """
    named = os.environ.get(_VARIABLE)
    try:
        usual = Path(named) if named else Path("~/.cache").expanduser()
        usual.mkdir(parents=True, exist_ok=True)
        writable = os.access(usual, os.W_OK | os.X_OK)
    except (OSError, RuntimeError):  # RuntimeError: nobody knows a home
        writable = False
    if not writable:
        os.environ[_VARIABLE] = os.path.abspath(instead)  # noqa: PTH100
        os.environ.setdefault("MPLCONFIGDIR", str(Path(os.environ[_VARIABLE], "matplotlib")))


def ensure_name() -> None:
    """Give a user whom the system has no name for (`--user 4321` of a container) the number for a name, for all that runs from here.

    Snakemake asks for one as it begins, and ends with a traceback where there is none.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = str(os.getuid())
