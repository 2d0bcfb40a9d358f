"""What is kept of a layer's maps, in one pass over them: the maps as they are stored, their statistics, and what goes on.

TensorFlow needs operations for that of which each reads from memory what another wrote there (normalise, rectify, cast, pool twice,
mark what is not zero, pool again). Here a place is read once, and worked on while the nearest cache holds it.
"""

import dataclasses
import itertools
import mmap
import platform
import weakref
from typing import Any

import numpy as np
import tensorflow as tf
from llvmlite import binding, ir
from numba import types
from numba.extending import intrinsic

from convscope.activations.hot_digests import functions, state
from convscope.backends.machine_code import in_machine_code
from convscope.storage.chunks import PAGE, WithDigests, rows_of_a_chunk

_WORD = ir.IntType(64)
_STATISTICS = ("mean", "maximum", "zeros")

_LARGEST = np.float32(np.finfo(np.float16).max)
_ZERO, _ONE = np.float32(0), np.float32(1)
_LEAST = np.float32(-np.inf)
_NOTHING = np.zeros(0, np.float32)
# Numbers that are looked at together: with what they were made from they have room in the nearest cache but one.
_HOT = 2**12


def works_here() -> bool:
    """Whether the processor converts to float16 and no GPU computes the maps."""
    if platform.machine().lower() in ("x86_64", "amd64") and not binding.get_host_cpu_features().get("f16c"):
        return False
    return not tf.config.list_physical_devices("GPU")


# These are here, for Numba keeps the machine code of a file until that file changes.
@intrinsic
def _half_bits(_: Any, value: Any) -> Any:
    """The bits of a float32 as float16, rounded to the nearest, ties to even; Numba has no float16 on the CPU."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(builder.fptrunc(arguments[0], ir.HalfType()), ir.IntType(16))

    return types.uint16(types.float32), generate


@intrinsic
def _call(_: Any, address: Any, state: Any) -> Any:
    """`reset` or `digest` of a state: uint64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function = builder.inttoptr(arguments[0], ir.FunctionType(_WORD, [_WORD]).as_pointer())
        return builder.call(function, arguments[1:])

    return types.uint64(types.uint64, types.uint64), generate


@intrinsic
def _feed(_: Any, address: Any, state: Any, data: Any, size: Any) -> Any:
    """`update` a state by bytes at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function = builder.inttoptr(arguments[0], ir.FunctionType(ir.IntType(32), [_WORD] * 3).as_pointer())
        return builder.call(function, arguments[1:])

    return types.int32(types.uint64, types.uint64, types.uint64, types.uint64), generate


@in_machine_code
def _kept(value: Any) -> Any:
    """What is stored of a value: no infinity. NaN stays."""
    return _half_bits(_LARGEST if value > _LARGEST else -_LARGEST if value < -_LARGEST else value)  # type: ignore[call-arg]


@in_machine_code
def _pass(
    maps: Any,
    scale: Any,
    offset: Any,
    floor: Any,
    after: Any,
    measured: Any,
    stored: Any,
    apart: int,
    statistics: Any,
    xxh: Any,
    chunk: int,
    digests: Any,
) -> None:
    """Keep maps, make what goes on, measure one of them.

    Args:
        maps: (N, places, C) float32.
        scale, offset, floor: `after = max(maps * scale + offset, floor)`; (C,), (C,) and a number, float32.
        after: as `maps`, or empty where nothing is to be made.
        measured: `maps` or `after`.
        stored: uint16, one image every `apart` numbers.
        statistics: (3, N, C) float32, in the order of `_STATISTICS`.
        xxh: (4,) uint64, addresses: `hot_digests.functions`, and a state.
        chunk: places of one.
        digests: (N, chunks) uint64 of what is stored, the last chunk filled up with zeros; (N, 0) where none are taken.
    """
    images, places, channels = maps.shape
    reset, update, digest, state = xxh[0], xxh[1], xxh[2], xxh[3]
    nothing = np.zeros(PAGE, np.uint8)
    taken, hot = digests.shape[1] > 0, max(_HOT // channels, 1)
    for image in range(images):
        total, largest, zeros = np.zeros(channels), statistics[1, image], statistics[2, image]
        largest[:], zeros[:] = _LEAST, _ZERO
        before, values = maps[image], measured[image]
        kept = stored[image * apart : image * apart + places * channels].reshape(places, channels)
        for first in range(0, places, chunk):
            last = min(first + chunk, places)
            if taken:
                _call(reset, state)  # type: ignore[call-arg]
            for begin in range(first, last, hot):
                end = min(begin + hot, last)
                # Each of the short loops is made of the widest vector instructions; a loop that does all of it at once is not.
                for place in range(begin, end):
                    for c in range(channels):
                        kept[place, c] = _kept(before[place, c])
                    if len(after):
                        for c in range(channels):
                            value = before[place, c] * scale[c] + offset[c]
                            after[image, place, c] = floor if value <= floor else value
                    for c in range(channels):
                        total[c] += values[place, c]
                    for c in range(channels):
                        largest[c] = max(largest[c], values[place, c])
                    for c in range(channels):
                        zeros[c] += _ONE if values[place, c] == _ZERO else _ZERO
                # What was written last may still be on its way into the cache, where its digest would wait for it.
                if taken and begin > first:
                    _feed(update, state, kept[begin - hot].ctypes.data, hot * channels * 2)  # type: ignore[call-arg]
            if taken:
                begin = first + (last - first - 1) // hot * hot
                _feed(update, state, kept[begin].ctypes.data, (last - begin) * channels * 2)  # type: ignore[call-arg]
                left = (first + chunk - last) * channels * 2
                while left:
                    _feed(update, state, nothing.ctypes.data, min(left, PAGE))  # type: ignore[call-arg]
                    left -= min(left, PAGE)
                digests[image, first // chunk] = _call(digest, state)  # type: ignore[call-arg]
        statistics[0, image], statistics[2, image] = total / places, zeros / places


class Pages:
    """Memory that begins at a page, as direct writes ask; used again as soon as nobody holds an array in it.

    Fresh memory of a batch's size is cleared by the system page by page, which costs as much as filling it.
    """

    def __init__(self) -> None:
        self._free: dict[int, list[mmap.mmap]] = {}

    def take(self, size: int) -> np.ndarray:
        """(size,) uint8 of any content."""
        free = self._free.setdefault(size, [])
        try:
            memory = free.pop()
        except IndexError:
            memory = mmap.mmap(-1, size)
        values = np.frombuffer(memory, np.uint8)
        weakref.finalize(values, free.append, memory).atexit = False
        return values


class Observer:
    """Operations for a graph that put a layer's maps aside, as float16, while the pass goes on.

    A run of the graph has a number, from `begin`, which is one of its inputs; `end` hands out what was put aside.
    """

    def __init__(self) -> None:
        self._pages = Pages()
        self._xxh = dataclasses.astuple(functions())
        self._numbers = itertools.count()
        self._aside: dict[int, dict[str, WithDigests]] = {}

    def begin(self) -> int:
        """The number of a new run."""
        number = next(self._numbers)
        self._aside[number] = {}
        return number

    def end(self, number: int) -> dict[str, WithDigests]:
        """Layer -> maps (N, h, w, C) float16 of a run that is finished; each image begins at a page of memory."""
        return self._aside.pop(number)

    def observed(self, number: Any, layer: str, maps: Any) -> dict[str, Any]:
        """Put maps (N, h, w, C) aside; their statistics, as `extract.channel_statistics` has them."""

        def run(number: np.ndarray, maps: np.ndarray) -> np.ndarray:
            return self._run(int(number), layer, maps, _NOTHING, _NOTHING, _LEAST, _NOTHING.reshape(0, 0, 0))

        return _by_name(tf.numpy_function(run, [number, maps], tf.float32, stateful=False), maps)

    def normalised(
        self, number: Any, layer: str, maps: Any, scale: np.ndarray, offset: np.ndarray, rectify: bool
    ) -> tuple[Any, dict[str, Any]]:
        """Put maps (N, h, w, C) aside; `maps * scale + offset`, rectified or not, and statistics.

        The statistics are those of the rectified maps, or else of the maps that were put aside.
        """

        def run(number: np.ndarray, maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            after = self._take(maps.shape)
            flat = after.reshape(len(maps), -1, maps.shape[-1])
            return after, self._run(int(number), layer, maps, scale, offset, _ZERO if rectify else _LEAST, flat)

        after, statistics = tf.numpy_function(run, [number, maps], (tf.float32, tf.float32), stateful=False)
        after.set_shape(maps.shape)
        return after, _by_name(statistics, maps)

    def _run(
        self,
        number: int,
        layer: str,
        maps: np.ndarray,
        scale: np.ndarray,
        offset: np.ndarray,
        floor: np.float32,
        after: np.ndarray,
    ) -> np.ndarray:
        """Put aside, make, measure; the statistics."""
        flat = maps.reshape(len(maps), -1, maps.shape[-1])
        stored, apart = self._put(number, layer, maps.shape)
        statistics = self._take((3, len(maps), maps.shape[-1]))
        height, width, channels = maps.shape[1:]
        chunk = rows_of_a_chunk(height, 2 * width * channels) * width
        digests = np.empty((len(maps), -(-height * width // chunk) if self._xxh[0] else 0), np.uint64)
        xxh = np.array([*self._xxh, state() if self._xxh[0] else 0], np.uint64)
        measured = after if floor == _ZERO else flat
        _pass(flat, scale, offset, floor, after, measured, stored, apart, statistics, xxh, chunk, digests)
        if digests.size:
            self._aside[number][layer].digests = digests
        return statistics

    def _take(self, shape: tuple[int, ...]) -> np.ndarray:
        """Float32 of any content. TensorFlow takes it over without a copy, since it begins at a page."""
        return self._pages.take(4 * int(np.prod(shape))).view(np.float32).reshape(shape)

    def _put(self, number: int, layer: str, shape: tuple[int, ...]) -> tuple[np.ndarray, int]:
        images, height, width, channels = shape
        size = -(-2 * height * width * channels // PAGE) * PAGE
        stored = self._pages.take(images * size).view(np.uint16)
        strides = (size, 2 * width * channels, 2 * channels, 2)
        maps = np.lib.stride_tricks.as_strided(stored.view(np.float16), shape, strides)
        self._aside[number][layer] = maps.view(WithDigests)
        return stored, size // 2


def _by_name(statistics: Any, maps: Any) -> dict[str, Any]:
    statistics.set_shape((3, maps.shape[0], maps.shape[-1]))
    return dict(zip(_STATISTICS, tf.unstack(statistics), strict=True))
