"""What jobs find in their environment: where the scripts are, which Python is `python`, and whose code may be run."""

import hashlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path

SCRIPTS = "CONVSCOPE_SCRIPTS"
CODE = "CONVSCOPE_CODE"


def prepare(scripts: str | os.PathLike[str], codes: Iterable[str] = ()) -> None:
    """Let the jobs of this process find the scripts, by `$CONVSCOPE_SCRIPTS`, and the Python that runs it, as `python`.

    Files of the user's own layers, `codes`, are what a job may run of a model's facts: `$CONVSCOPE_CODE` holds their SHA-256. What is
    there already is kept, for a job on a computer that does not see the file.

    Where the scripts lie is no param of a rule: it counts for no result. The Python is looked for where its environment was not
    activated; one that is on the PATH is left where it is.
    """
    os.environ[SCRIPTS] = os.fspath(scripts)
    here, paths = str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath).split(os.pathsep)
    if here not in paths:
        os.environ["PATH"] = os.pathsep.join([here, *paths])
    named = {hashlib.sha256(Path(code).read_bytes()).hexdigest() for code in codes if Path(code).is_file()}
    os.environ[CODE] = " ".join(sorted(named.union(os.environ.get(CODE, "").split())))


def scripts() -> str:
    """The folder of the scripts; `python` runs one by the folder and a name."""
    return os.environ[SCRIPTS]


def is_named_code(text: str) -> bool:
    """Whether a text is a file of layers that the run's config names."""
    return hashlib.sha256(text.encode()).hexdigest() in os.environ.get(CODE, "").split()
