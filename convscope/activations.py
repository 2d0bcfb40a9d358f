"""What every layer answers to every image of a set: activations, and their statistics by channel."""

import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import h5py
import keras
import numpy as np

from convscope import store
from convscope.errors import UserError, nearest

# Deflate is kept where it saves at least this share of the first batch; convolutions before their ReLU rarely shrink.
_WORTHWHILE = 0.3
_BATCH_BYTES = 384 * 2**20


class ActivationModel:
    """One forward pass that yields the output of many layers (Zeiler & Fergus 2013, 1311.2901).

    Args:
        network: functional model, model space -> anything.
        layers: names of the layers wanted.
        relus: for each layer the name of the ReLU that follows it, or "" (then its own output counts as final).

    Raises:
        UserError: a layer the network does not have.
    """

    def __init__(self, network: keras.Model, layers: Sequence[str], relus: Sequence[str]) -> None:
        names = [layer.name for layer in network.layers]
        for name in layers:
            if name not in names:
                raise UserError(f"layer '{name}' does not exist; {nearest(name, names)}")
        self.layers = list(layers)
        self._after = [relu or layer for layer, relu in zip(layers, relus, strict=True)]
        wanted = list(dict.fromkeys([*self.layers, *self._after]))
        self._index = {name: position for position, name in enumerate(wanted)}
        self._model = keras.Model(network.inputs, [network.get_layer(name).output for name in wanted])

    def bytes_per_image(self, height: int, width: int) -> int:
        """Bytes of float32 that one image's outputs take."""
        shapes = self._model.compute_output_shape((1, height, width, 3))
        return 4 * sum(int(np.prod(shape)) for shape in shapes)

    def batch_size(self, height: int, width: int) -> int:
        """Images a batch that keep the outputs of a forward pass in a bounded piece of memory."""
        return int(np.clip(_BATCH_BYTES // self.bytes_per_image(height, width), 1, 32))

    def __call__(self, images: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Outputs of the layers, and what becomes of them after the ReLU that follows.

        Args:
            images: (N, H, W, 3) float32, model space.

        Returns:
            Two dictionaries, layer -> (N, h, w, channels) float32.
        """
        outputs = self._model.predict_on_batch(images)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        direct = {name: outputs[self._index[name]] for name in self.layers}
        after = {n: outputs[self._index[a]] for n, a in zip(self.layers, self._after, strict=True)}
        return direct, after


def channel_statistics(maps: np.ndarray) -> dict[str, np.ndarray]:
    """Mean, maximum and share of exact zeros of each channel of each image: (N, h, w, C) -> three (N, C) float32."""
    return {
        "mean": maps.mean(axis=(1, 2), dtype=np.float32),
        "maximum": maps.max(axis=(1, 2)).astype(np.float32),
        "zeros": (maps == 0).mean(axis=(1, 2), dtype=np.float32),
    }


def write_shard(
    file: h5py.File, batches: Iterable[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]], count: int, dtype: str
) -> None:
    """Write batches of activations to an open HDF5 file.

    Layout: `layers/<layer>` (image, height, width, channel), one image a chunk (or a part of one, at most 1 MiB), and
    `statistics/<layer>/{mean,maximum,zeros}` (image, channel), measured after the ReLU that follows the layer.

    Args:
        file: open for writing.
        batches: what `ActivationModel` returns, one batch after the other.
        count: images in all.
        dtype: "float32" or "float16" (values beyond float16's range are clipped to it).
    """
    done = 0
    for direct, after in batches:
        for name, maps in direct.items():
            dataset = file.get(f"layers/{name}")
            stored = _cast(maps, dtype)
            if dataset is None:
                dataset = _create(file, name, stored, count)
            dataset[done : done + len(stored)] = stored
            for statistic, values in channel_statistics(after[name]).items():
                path = f"statistics/{name}/{statistic}"
                if path not in file:
                    store.write_array(file, path, np.zeros((count, values.shape[1]), np.float32), ("image", "channel"))
                file[path][done : done + len(values)] = values
        done += len(stored)


def _cast(maps: np.ndarray, dtype: str) -> np.ndarray:
    if dtype == "float16":
        largest = np.finfo(np.float16).max
        return np.clip(maps, -largest, largest).astype(np.float16)
    return maps.astype(dtype)


def _create(file: h5py.File, name: str, first: np.ndarray, count: int) -> h5py.Dataset:
    height, width, channels = first.shape[1:]
    per_channel = height * width * first.itemsize
    chunk = (1, height, width, int(np.clip(2**20 // per_channel, 1, channels)))
    sample = np.ascontiguousarray(first[:1]).tobytes()
    pays = len(zlib.compress(sample, 1)) < (1 - _WORTHWHILE) * len(sample)
    options: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if pays else {}
    dataset = file.create_dataset(
        f"layers/{name}", (count, height, width, channels), first.dtype, chunks=chunk, **options
    )
    for axis, label in enumerate(("image", "height", "width", "channel")):
        dataset.dims[axis].label = label
    return dataset
