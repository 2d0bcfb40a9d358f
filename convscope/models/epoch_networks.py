"""What a model was on its way: the weights of some epochs of its training, in one HDF5 file."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from convscope.models.epochs import MEASURED, Kept, KeptEpoch, read_epochs
from convscope.models.follow import Followed
from convscope.models.graphs import weights_digest
from convscope.storage import store


def write_epochs(
    path: Path,
    model: keras.Model,
    network: keras.Model,
    kept: Kept,
    history: Sequence[Mapping[str, float]],
    best_epoch: int,
    again: Callable[[], keras.Model],
    /,
    **attributes: Any,
) -> None:
    """Write the weights of the kept epochs as those of the canonical network; the model is left with those of the last one.

    The file holds `epoch` (E,), what was measured in each (`MEASURED`, each (E,)), `digest` (E,) of the weights
    (`graphs.weights_digest`), and `weights/00000 ...` (E, ...) float32, in the order of `network.weights`, each with its `name`; one
    that is the same in every epoch, as those of frozen layers are, is (1, ...). The attribute `best_epoch` says which of them
    model.keras holds.

    Args:
        path: the file.
        model: the trained network.
        network: its canonical form.
        kept: weights of `model`.
        history: a row an epoch, from the first.
        best_epoch: its number.
        again: makes the canonical form anew, for a model of which it cannot follow (`Followed`).
        **attributes: of the file.
    """
    epochs = kept.epochs(len(history))
    followed = Followed(model, network)
    with store.create(path, best_epoch=best_epoch, epochs=len(history), **attributes) as file:
        store.write_array(file, "epoch", np.array(epochs, np.int64), ("epoch",))
        for column in MEASURED:
            store.write_array(file, column, [float(history[epoch - 1][column]) for epoch in epochs], ("epoch",))
        for number, weight in enumerate(network.weights):
            shape = tuple(weight.shape)
            data = file.create_dataset(
                f"weights/{number:05}", (1, *shape), np.float32, chunks=(1, *shape), maxshape=(len(epochs), *shape)
            )
            data.attrs["name"] = weight.path
            data.dims[0].label = "epoch"
        digests = []
        for row, epoch in enumerate(epochs):
            model.set_weights(kept[epoch])
            now = network if followed.refresh() else again()
            digests.append(weights_digest(now))
            for number, value in enumerate(now.get_weights()):
                _put(file[f"weights/{number:05}"], row, value, len(epochs))
        store.write_array(file, "digest", digests, ("epoch",))


def _put(data: h5py.Dataset, row: int, value: np.ndarray, count: int) -> None:
    if row and len(data) == 1:
        first = data[0]
        if np.array_equal(first, value):
            return
        data.resize(count, axis=0)
        for before in range(1, row):
            data[before] = first
    data[row] = value


def networks_of(path: Path, network: keras.Model) -> Iterator[KeptEpoch]:
    """Give a canonical network the weights of one kept epoch after the other, and say which.

    Args:
        path: what `write_epochs` wrote.
        network: the canonical network of the same model.
    """
    found, _ = read_epochs(path)
    with store.open_file(path) as file:
        for row, epoch in enumerate(found):
            every = [file[f"weights/{number:05}"] for number in range(len(network.weights))]
            network.set_weights([data[row if len(data) > 1 else 0] for data in every])
            yield epoch
