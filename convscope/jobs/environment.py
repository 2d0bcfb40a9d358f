"""What jobs find in their environment: where the scripts are, and which Python is `python`."""

import os
import sys
from pathlib import Path

SCRIPTS = "CONVSCOPE_SCRIPTS"


def prepare(scripts: str | os.PathLike[str]) -> None:
    """Let the jobs of this process find the scripts, by `$CONVSCOPE_SCRIPTS`, and the Python that runs it, as `python`.

    Where the scripts lie is no param of a rule: it counts for no result. The Python is looked for where its environment was not
    activated; one that is on the PATH is left where it is.
    """
    os.environ[SCRIPTS] = os.fspath(scripts)
    here, paths = str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath).split(os.pathsep)
    if here not in paths:
        os.environ["PATH"] = os.pathsep.join([here, *paths])


def scripts() -> str:
    """The folder of the scripts; `python` runs one by the folder and a name."""
    return os.environ[SCRIPTS]
