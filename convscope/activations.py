"""What every layer answers to every image of a set: activations, and their statistics by channel."""

import zlib
from collections.abc import Sequence
from typing import Any

import h5py
import keras
import numpy as np
import tensorflow as tf

from convscope import store
from convscope.errors import UserError, nearest
from convscope.folding import folded
from convscope.networks import flatten, is_flat

# Compression is kept where deflate saves at least this share of a sample; convolutions before their ReLU rarely shrink.
_WORTHWHILE = 0.3
_SAMPLE_BYTES = 2**18
_CHUNK_BYTES = 2**20
# Few images a batch, so that what a layer has just written is still in the cache when it is cast and counted.
_BATCH_BYTES = 160 * 2**20

# Layer -> maps (n, h, w, channels) as they are stored, and layer -> statistic -> (n, channels) float32.
Answers = tuple[dict[str, np.ndarray], dict[str, dict[str, np.ndarray]]]


class ActivationModel:
    """One forward pass that yields the output of many layers (Zeiler & Fergus 2013, 1311.2901).

    Args:
        network: functional model, model space -> anything.
        layers: names of the layers wanted.
        relus: for each layer the name of the ReLU that follows it, or "" (then its own output counts as final).
        dtype: "float32" or "float16" (values beyond float16's range are clipped to it).

    Raises:
        UserError: a layer the network does not have.
    """

    def __init__(
        self, network: keras.Model, layers: Sequence[str], relus: Sequence[str], dtype: str = "float32"
    ) -> None:
        flat = network if is_flat(network) else flatten(network)
        names = [layer.name for layer in flat.layers]
        for name in layers:
            if name not in names:
                raise UserError(f"layer '{name}' does not exist; {nearest(name, names)}")
        self.layers, self._dtype = list(layers), tf.as_dtype(dtype)
        after = [relu or layer for layer, relu in zip(layers, relus, strict=True)]
        wanted = list(dict.fromkeys([*self.layers, *after]))
        sources = [flat.get_layer(name).output for name in wanted]
        # Only what they are, not how they are computed.
        self._shapes = keras.Model(flat.inputs, sources)
        run = folded(flat, sources)

        @tf.function(input_signature=[tf.TensorSpec((None, *flat.inputs[0].shape[1:]), tf.float32)])
        def answers(images: Any) -> Any:
            outputs = dict(zip(wanted, run(images), strict=True))
            maps = {name: tf.cast(outputs[name], self._dtype) for name in self.layers}
            statistics = {n: channel_statistics(outputs[a]) for n, a in zip(self.layers, after, strict=True)}
            return maps, statistics

        self._answers = answers

    def batch_size(self, height: int, width: int) -> int:
        """Images a batch that keep the outputs of a forward pass in a bounded piece of memory."""
        shapes = self._shapes.compute_output_shape((1, height, width, 3))
        each = 4 * sum(int(np.prod(shape)) for shape in (shapes if isinstance(shapes, list) else [shapes]))
        return int(np.clip(_BATCH_BYTES // each, 1, 32))

    def __call__(self, images: np.ndarray) -> Answers:
        """Outputs of the layers, and statistics of what becomes of them after the ReLU that follows.

        Args:
            images: (N, H, W, 3) float32, model space.
        """
        maps, statistics = self._answers(tf.constant(images))
        # The tensors' own memory, not a copy of it.
        stored = {name: _finite(np.asarray(memoryview(value))) for name, value in maps.items()}
        return stored, {name: {key: v.numpy() for key, v in part.items()} for name, part in statistics.items()}


def channel_statistics(maps: Any) -> dict[str, Any]:
    """Mean, maximum and share of exact zeros of each channel of each image: (N, h, w, C) -> three (N, C) float32."""
    maps = tf.cast(maps, tf.float32)
    return {
        "mean": tf.reduce_mean(maps, axis=(1, 2)),
        "maximum": tf.reduce_max(maps, axis=(1, 2)),
        "zeros": tf.reduce_mean(tf.cast(tf.equal(maps, 0), tf.float32), axis=(1, 2)),
    }


def _finite(values: np.ndarray) -> np.ndarray:
    """Float16 with the largest number in place of infinities."""
    if values.dtype != np.float16:
        return values
    # Looked for in the bits, where the sign is shifted out: NumPy has no fast comparison of float16.
    if values.size and np.left_shift(values.view(np.uint16), 1).max() >= 0xF800:
        largest = np.finfo(np.float16).max
        return np.clip(values, -largest, largest)
    return values


class ShardWriter:
    """Writes batches of activations to an open HDF5 file.

    Layout: `layers/<layer>` (image, height, width, channel), one image a chunk, or a run of its channels where that is more
    than 1 MiB; and `statistics/<layer>/{mean,maximum,zeros}` (image, channel), measured after the ReLU that follows the layer.

    Args:
        file: open for writing.
        count: images in all.
    """

    def __init__(self, file: h5py.File, count: int) -> None:
        self._file, self._count, self._done = file, count, 0

    def __call__(self, answers: Answers) -> None:
        """Write the next batch, as `ActivationModel` returns it."""
        maps, statistics = answers
        for name, values in maps.items():
            dataset = self._file.get(f"layers/{name}") or self._create(name, values)
            self._write(dataset, values)
            for statistic, numbers in statistics[name].items():
                path = f"statistics/{name}/{statistic}"
                if path not in self._file:
                    empty = np.zeros((self._count, numbers.shape[1]), np.float32)
                    store.write_array(self._file, path, empty, ("image", "channel"))
                self._file[path][self._done : self._done + len(numbers)] = numbers
        self._done += len(next(iter(maps.values()), ()))

    def _write(self, dataset: h5py.Dataset, values: np.ndarray) -> None:
        if dataset.compression:
            dataset[self._done : self._done + len(values)] = values
            return
        # Chunks that need no filter are written as they are, past the library's copying from shape to shape.
        step = dataset.chunks[3]
        for index, image in enumerate(values):
            for start in range(0, image.shape[2], step):
                part = image[:, :, start : start + step]
                if part.shape[2] < step:
                    part = np.pad(part, ((0, 0), (0, 0), (0, step - part.shape[2])))
                place = (self._done + index, 0, 0, start)
                dataset.id.write_direct_chunk(place, np.ascontiguousarray(part))

    def _create(self, name: str, first: np.ndarray) -> h5py.Dataset:
        height, width, channels = first.shape[1:]
        runs = -(-height * width * channels * first.itemsize // _CHUNK_BYTES)
        chunk = (1, height, width, -(-channels // min(runs, channels)))
        middle = np.ascontiguousarray(first[0]).tobytes()
        middle = middle[max(len(middle) - _SAMPLE_BYTES, 0) // 2 :][:_SAMPLE_BYTES]
        pays = len(zlib.compress(middle, 1)) < (1 - _WORTHWHILE) * len(middle)
        # LZF, which h5py always has, takes a fifth of deflate's time for a little more space.
        options: dict[str, Any] = {"compression": "lzf", "shuffle": True} if pays else {}
        shape = (self._count, height, width, channels)
        dataset = self._file.create_dataset(f"layers/{name}", shape, first.dtype, chunks=chunk, **options)
        for axis, label in enumerate(("image", "height", "width", "channel")):
            dataset.dims[axis].label = label
        return dataset
