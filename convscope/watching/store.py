"""What was seen of a trained model's kept epochs: one HDF5 file an image set, and one for filter patterns."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from convscope.models.epochs import MEASURED, KeptEpoch
from convscope.storage import store
from convscope.watching.record import Moment, Watched

_DIMENSIONS = {
    "targets": ("epoch", "image"),
    "predicted": ("epoch", "image"),
    "scores": ("epoch", "image"),
    "probabilities": ("epoch", "image", "class"),
}
_MAPS = ("epoch", "image", "height", "width")


def write_watch(
    file: h5py.File, arrays: dict[str, np.ndarray], rows: list[dict[str, str]], labels: np.ndarray, images: np.ndarray
) -> None:
    """Write what was seen, and of what.

    Args:
        file: with its attributes, and `write_epoch_numbers` done.
        arrays: see `looks.stacked`.
        rows: of the image set's table.
        labels: (N,) int64 as the model numbers them, -1 unknown.
        images: (N, H, W, 3) uint8, as people see them.
    """
    for column in ("id", "path", "class", "sha256"):
        store.write_array(file, column, [row[column] for row in rows], ("image",), dtype=store.TEXT)
    store.write_array(file, "label", labels, ("image",))
    store.write_array(file, "images", images, ("image", "height", "width", "colour"), compression="gzip")
    for name, values in arrays.items():
        store.write_array(file, name, values, _DIMENSIONS.get(name, _MAPS))


def write_epoch_numbers(file: h5py.File, kept: list[KeptEpoch]) -> None:
    """Write which epochs they are, and what was measured in each."""
    store.write_array(file, "epoch", np.array([entry.epoch for entry in kept], np.int64), ("epoch",))
    for column in MEASURED:
        store.write_array(file, column, [entry.measured[column] for entry in kept], ("epoch",))


@dataclass(frozen=True)
class Seen:
    """What `write_watch` wrote.

    Attributes:
        watched: the pictures, with the first method.
        epochs: E numbers.
        arrays: as in the file.
        methods: names.
        facts: the file's attributes.
    """

    watched: Watched
    epochs: list[int]
    arrays: dict[str, np.ndarray]
    methods: list[str]
    facts: dict[str, Any]

    @property
    def moments(self) -> list[Moment]:
        """An epoch each, with the maps of the first method."""
        names = {name: self.arrays[name] for name in ("targets", "predicted", "scores", "probabilities")}
        names["maps"] = self.arrays[f"maps/{self.methods[0]}"]
        return [
            Moment(
                epoch,
                logs={column: float(self.arrays[column][row]) for column in MEASURED},
                **{name: values[row] for name, values in names.items()},
            )
            for row, epoch in enumerate(self.epochs)
        ]


def read_watch(path: Path) -> Seen:
    """Read what `write_watch` wrote."""
    with store.open_file(path) as file:
        facts = dict(file.attrs)
        methods = json.loads(facts["methods"])
        arrays = {name: file[name][()] for name in (*_DIMENSIONS, "activation", *MEASURED)}
        arrays |= {f"maps/{method}": file[f"maps/{method}"][()] for method in methods}
        watched = Watched(
            store.read_text(file["id"]),
            file["images"][()],
            file["label"][()],
            tuple(json.loads(facts["classes"])),
            str(facts["head"]),
            methods[0],
            str(facts["layer"]),
            str(facts["class"]),
        )
        return Seen(watched, [int(epoch) for epoch in file["epoch"][()]], arrays, methods, facts)
