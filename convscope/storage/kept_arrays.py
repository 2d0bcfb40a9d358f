"""Arrays that a killed job leaves for the run that goes on where it stopped."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def read_kept(path: Path) -> dict[str, npt.NDArray[Any]] | None:
    """The arrays of an .npz file; None where it is damaged, as a power cut may leave it: what it held is computed again."""
    try:
        # Opened here: NumPy leaves a damaged file open.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, LookupError, zipfile.BadZipFile, zlib.error):
        return None
