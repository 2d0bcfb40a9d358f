"""Finished batches of an ascent, kept on disk so that a killed run goes on where it stopped."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from convscope.ascent.run import FilterPatterns
from convscope.files import atomic_path, whole_files, write_text
from convscope.identity import identity
from convscope.kept_arrays import read_kept

_MISTRUST = "mistrust.txt"


class KeptBatches:
    """The batches of one layer's ascent.

    Args:
        folder: where they lie; made when the first is written.
        facts: what they depend on (see `identity`); batches of other facts are not read.
    """

    def __init__(self, folder: Path, **facts: Any) -> None:
        self._root, self._folder = folder, folder / identity(**facts)

    def read(self) -> list[FilterPatterns]:
        """The batches there are, in order of their first filter, without damaged ones."""
        found = []
        for path in whole_files(self._folder, "*.npz"):
            if (arrays := read_kept(path)) is not None:
                found.append(FilterPatterns(**arrays))
        return found

    def write(self, part: FilterPatterns) -> None:
        """Keep one batch; it appears whole or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        arrays = {field.name: getattr(part, field.name) for field in dataclasses.fields(FilterPatterns)}
        with atomic_path(self._folder / f"{int(part.channels[0]):06d}.npz") as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)

    def mistrust(self, reason: str) -> None:
        """Keep why Keras's own graph took over: a later run that finds all batches done says so, too."""
        write_text(self._folder / _MISTRUST, reason)

    def mistrusted(self) -> bool:
        """Whether Keras's own graph took over in an earlier run."""
        return (self._folder / _MISTRUST).exists()

    def forget(self) -> None:
        """Delete all batches: the result is written."""
        shutil.rmtree(self._root, ignore_errors=True)
