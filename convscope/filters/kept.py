"""Finished batches of an ascent, kept on disk so that a killed run goes on where it stopped."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from convscope.filters.run import FilterPatterns
from convscope.storage.files import atomic_path, whole_files
from convscope.storage.identity import identity
from convscope.storage.kept_arrays import read_kept

_REASON = "why Keras took over.txt"


class KeptBatches:
    """The batches of one layer's ascent.

    Args:
        folder: where they lie; made when the first is written.
        facts: what they depend on (see `identity`); batches of other facts are not read.

    Those that Keras's own graph found lie apart: they are never shown beside others.
    """

    def __init__(self, folder: Path, **facts: Any) -> None:
        self._root, self._folder = folder, folder / identity(**facts)
        by_keras = folder / identity(**facts, computed_by="Keras's own graph")
        self._reason = by_keras / _REASON
        if self.mistrust:
            self._folder = by_keras

    @property
    def mistrust(self) -> str:
        """Why Keras's own graph took over, in this run or in an earlier one; empty where it did not."""
        return self._reason.read_text(encoding="utf-8") if self._reason.is_file() else ""

    def begin_again(self, reason: str) -> None:
        """From here on the batches are those of Keras's own graph, which takes over for this reason."""
        self._folder = self._reason.parent
        self._folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(self._reason) as temporary:
            temporary.write_text(reason, encoding="utf-8")

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

    def forget(self) -> None:
        """Delete all batches: the result is written, and sealed."""
        shutil.rmtree(self._root, ignore_errors=True)
