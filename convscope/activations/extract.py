"""What every layer answers to every image of a set: activations, and their statistics by channel."""

import functools
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import h5py
import keras
import numpy as np
from keras import ops

from convscope.backends.running import NAME, compiled, to_numpy, without_copy
from convscope.models.graphs import flatten, is_flat, node_of, tensor_of
from convscope.models.lower_part import lower_part
from convscope.models.nodes import shapes_at
from convscope.models.nonlinearity import has_relu, is_relu_call
from convscope.storage import deflated, store
from convscope.storage.chunk_digests import ChunkDigests, located
from convscope.storage.chunks import ChunkWriter, rows_of_a_chunk

# Compression is kept where deflate saves at least this share of a sample; convolutions before their ReLU rarely shrink.
_WORTHWHILE = 0.3
_SAMPLE_BYTES = 2**18
_BATCH_BYTES = 640 * 2**20
# Statistics are small and many: they are kept for some images and written together.
_STATISTICS_ROWS = 64
_SETTLE_BYTES = 32 * 2**20
# Of a share, a power of two.
_FINEST = 2.0**22

# Layer -> maps (n, h, w, channels) as they are stored, and layer -> statistic -> (n, channels) float32.
Answers = tuple[dict[str, np.ndarray], dict[str, dict[str, np.ndarray]]]


class ActivationModel:
    """One forward pass that yields the output of many layers (Zeiler & Fergus 2013, 1311.2901).

    Args:
        network: functional model, model space -> anything.
        layers: names of the layers wanted.
        relus: for each layer the ReLU that follows it, as the table of layers names it (an address, where the ReLU is used
            several times), or "" (then its own output counts as final).
        dtype: "float32" or "float16" (values beyond float16's range become its largest number).

    Raises:
        UserError: a layer or a ReLU that the network does not have.
    """

    def __init__(
        self, network: keras.Model, layers: Sequence[str], relus: Sequence[str], dtype: str = "float32"
    ) -> None:
        flat = network if is_flat(network) else flatten(network)
        self.layers, self._dtype = list(layers), dtype
        after = [relu or layer for layer, relu in zip(layers, relus, strict=True)]
        wanted = list(dict.fromkeys([*self.layers, *after]))
        sources = [tensor_of(flat, name) for name in wanted]
        self._rectified = {
            name: has_relu(node_of(flat, name).operation) or is_relu_call(node_of(flat, name)) for name in after
        }
        # Only what they are, not how they are computed.
        self._shapes = keras.Model(flat.inputs[0], sources)
        self._observer = _observer() if dtype == "float16" else None
        tensors = dict(zip(wanted, sources, strict=True))
        if self._observer is None:
            answers = self._computed(flat, tensors, after)
        else:
            answers = self._observed(self._observer, flat, tensors, after)
        self._answers, self._variables = answers, flat.variables
        self._compiled: dict[tuple[int, ...], Callable[..., Any]] = {}

    def _computed(self, flat: keras.Model, tensors: dict[str, Any], after: list[str]) -> Callable[..., Any]:
        """The pass with maps and statistics by the backend: on a GPU, without loss, or not on TensorFlow."""
        run = lower_part(flat, list(tensors.values()))
        largest = float(np.finfo(np.float16).max)

        def stored(maps: Any) -> Any:
            half = self._dtype == "float16"
            return ops.cast(ops.clip(maps, -largest, largest), self._dtype) if half else maps

        def answers(images: Any, number: Any) -> Any:
            outputs = dict(zip(tensors, run(images), strict=True))
            maps = {name: stored(outputs[name]) for name in self.layers}
            followed = zip(self.layers, after, strict=True)
            statistics = {n: channel_statistics(outputs[a], self._rectified[a]) for n, a in followed}
            return maps, statistics

        return answers

    def _observed(
        self, observer: Any, flat: keras.Model, tensors: dict[str, Any], after: list[str]
    ) -> Callable[..., Any]:
        """The pass in whose course the maps are put aside."""
        from convscope.models.folding import folded

        followed = dict(zip(self.layers, after, strict=True))
        # Of the run that is being traced.
        numbers: list[Any] = []
        found: dict[str, Any] = {}
        unread: dict[str, Any] = {}

        def put(layer: str, statistics: dict[str, Any], measured: bool) -> None:
            # An operation whose result nobody takes would be left out.
            (found if measured else unread)[layer] = statistics

        def normalise(layer: str, x: Any, scale: np.ndarray, offset: np.ndarray, relu: Any) -> Any:
            result, statistics = observer.normalised(numbers[-1], layer, x, scale, offset, relu is not None)
            put(layer, statistics, followed[layer] == layer if relu is None else relu is tensors[followed[layer]])
            return result

        norms = {id(tensors[layer]): functools.partial(normalise, layer) for layer in self.layers}
        run = folded(flat, list(tensors.values()), norms)

        def answers(images: Any, number: Any) -> Any:
            numbers.append(number)
            found.clear()
            unread.clear()
            outputs = dict(zip(tensors, run(images), strict=True))
            for layer, relu in followed.items():
                if layer not in found and layer not in unread:
                    put(layer, observer.observed(number, layer, outputs[layer]), relu == layer)
                if layer not in found:
                    found[layer] = channel_statistics(outputs[relu], self._rectified[relu])
            return dict(unread), {name: found[name] for name in self.layers}

        return answers

    def batch_size(self, height: int, width: int, at_once: int = 1) -> int:
        """Images a batch that keep the outputs of `at_once` forward passes in a bounded piece of memory."""
        each = 4 * sum(int(np.prod(shape)) for shape in shapes_at(self._shapes, height, width))
        return int(np.clip(_BATCH_BYTES // (each * at_once), 1, 32))

    def __call__(self, images: np.ndarray) -> Answers:
        """Outputs of the layers, and statistics of what becomes of them after the ReLU that follows.

        Args:
            images: (N, H, W, 3) float32, model space.
        """
        # Traced once a size, so that sizes are known where they help; the last batch may have fewer images.
        size = images.shape[1:]
        if size not in self._compiled:
            inputs = [keras.KerasTensor((None, *size), "float32"), keras.KerasTensor((), "int64")]
            self._compiled.setdefault(size, compiled(self._answers, inputs, self._variables, autograph=False))
        number = self._observer.begin() if self._observer else 0
        maps, statistics = self._compiled[size](images, number)
        if self._observer:
            aside = self._observer.end(number)
            stored = {name: aside[name] for name in self.layers}
        else:
            stored = {name: without_copy(value) for name, value in maps.items()}
        return stored, {name: {key: to_numpy(v) for key, v in part.items()} for name, part in statistics.items()}


def _observer() -> Any:
    """What puts maps aside in one pass over them; None where it does not work."""
    if NAME != "tensorflow":
        return None
    from convscope.activations.observed import Observer, works_here

    return Observer() if works_here() else None


def channel_statistics(maps: Any, rectified: bool = False) -> dict[str, Any]:
    """Mean, maximum and share of exact zeros of each channel of each image: (N, h, w, C) -> three (N, C) float32.

    Args:
        maps: any float dtype.
        rectified: no value is negative, as behind a ReLU; saves a pass over the maps.
    """
    maps = ops.cast(maps, "float32")
    window = tuple(maps.shape[1:3])
    marks = ops.sign(maps) if rectified else ops.abs(ops.sign(maps))
    if None in window or NAME != "tensorflow":
        mean, share = ops.mean(maps, axis=(1, 2)), ops.mean(marks, axis=(1, 2))
        # A compiler multiplies by 1/n for a mean: none, and all, are to be 0 and 1 nevertheless.
        share = ops.round(share * _FINEST) / _FINEST
        return {"mean": mean, "maximum": ops.max(maps, axis=(1, 2)), "zeros": 1 - share}

    # Pooling over the whole map is the same sum as a reduction and takes half its time on the CPU.
    def average(x: Any) -> Any:
        return ops.average_pool(x, window, 1, "valid")[:, 0, 0]

    area = float(window[0] * window[1])
    maximum = ops.max_pool(maps, window, 1, "valid")[:, 0, 0]
    return {"mean": average(maps), "maximum": maximum, "zeros": 1 - ops.round(average(marks) * area) / area}


class ShardWriter:
    """Writes batches of activations to an open HDF5 file; use it as a context, its end writes what is left.

    Layout: `layers/<layer>` (image, height, width, channel), one image a chunk, or some of its rows where that is more
    than 1 MiB; and `statistics/<layer>/{mean,maximum,zeros}` (image, channel), measured after the ReLU that follows the layer.
    Args:
        file: open for writing, page-aligned.
        count: images in all.
    """

    def __init__(self, file: h5py.File, count: int) -> None:
        self._file, self._count, self._done = file, count, 0
        # Layer -> rows of a chunk, or 0 where they are deflated.
        self._rows: dict[str, int] = {}
        self._waiting: list[dict[str, dict[str, np.ndarray]]] = []
        self._written = self._unsettled = 0
        self._chunks = ChunkWriter(file)
        self._digests: dict[str, dict[tuple[int, ...], int]] = {}

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._chunks.close()
        if kind is None:
            self._write_statistics()

    def __call__(self, answers: Answers) -> None:
        """Write the next batch, as `ActivationModel` returns it."""
        maps, statistics = answers
        for name, values in maps.items():
            if name not in self._rows:
                self._create(name, values)
            self._unsettled += self._write(name, values)
            if self._unsettled >= _SETTLE_BYTES:
                store.settle(self._file)
                self._unsettled = 0
        self._done += len(next(iter(maps.values()), ()))
        self._waiting.append(statistics)
        if self._done - self._written >= _STATISTICS_ROWS:
            self._write_statistics()

    def _write_statistics(self) -> None:
        for name, first in self._waiting[0].items() if self._waiting else ():
            for statistic in first:
                numbers = np.concatenate([part[name][statistic] for part in self._waiting])
                path = f"statistics/{name}/{statistic}"
                if path not in self._file:
                    empty = np.zeros((self._count, numbers.shape[1]), np.float32)
                    store.write_array(self._file, path, empty, ("image", "channel"))
                self._file[path][self._written : self._done] = numbers
        self._waiting, self._written = [], self._done

    def _write(self, name: str, values: np.ndarray) -> int:
        """Write the next images of a layer; bytes that went through the system's cache."""
        step, path = self._rows[name], f"layers/{name}"
        digests = self._digests.setdefault(name, {})
        if not step:
            dataset = self._file[path]
            rows = dataset.chunks[1]
            for index, image in enumerate(np.asarray(values), self._done):
                for start in range(0, len(image), rows):
                    place = (index, start, 0, 0)
                    digests[place] = deflated.write(dataset, place, image[None, start : start + rows])
            return values.nbytes
        cached = 0
        known = getattr(values, "digests", None)
        values = np.asarray(values)
        for index, image in enumerate(values):
            for number, start in enumerate(range(0, len(image), step)):
                place = (self._done + index, start, 0, 0)
                digest = None if known is None else int(known[index, number])
                cached += self._chunks.write(path, place, image[start : start + step], digest)
                digests[place] = self._chunks.last_digest
        return cached

    def digests(self) -> ChunkDigests:
        """Digests of all chunks, when all are written."""
        return located(self._file, list(self._digests), self._digests.values(), "layers/")

    def _create(self, name: str, first: np.ndarray) -> None:
        height, width, channels = first.shape[1:]
        chunk = (1, rows_of_a_chunk(height, width * channels * first.itemsize), width, channels)
        middle = np.ascontiguousarray(first[0]).tobytes()
        middle = middle[max(len(middle) - _SAMPLE_BYTES, 0) // 2 :][:_SAMPLE_BYTES]
        pays = len(zlib.compress(middle, 1)) < (1 - _WORTHWHILE) * len(middle)
        shape, path = (self._count, height, width, channels), f"layers/{name}"
        if pays:
            dataset = deflated.dataset(self._file, path, shape, first.dtype, chunk)
        else:
            dataset = self._chunks.dataset(path, shape, first.dtype, chunk)
        for axis, label in enumerate(("image", "height", "width", "channel")):
            dataset.dims[axis].label = label
        self._rows[name] = 0 if pays else chunk[1]
