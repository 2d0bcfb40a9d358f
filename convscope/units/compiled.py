"""Loops over places and channels that NumPy has no words for, in machine code; all let other threads run."""

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from convscope.backends.machine_code import in_machine_code

# Steps of the histograms: so many an octave, for sizes from 2^-24 to 2^24, of either sign.
STEPS_AN_OCTAVE = 64
_MANTISSA_BITS = 6
_SHIFT = 23 - _MANTISSA_BITS
_LEAST_EXPONENT = 127 - 24
HALF = 48 * STEPS_AN_OCTAVE
BINS = 2 * HALF + 1


@intrinsic
def _ones(_: Any, value: Any) -> Any:
    """How many bits of a uint64 are set."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


def lower_edges() -> np.ndarray:
    """The least value that counts for each step of the histograms, rising: (BINS,) float64; the first is minus infinity."""
    codes = (np.arange(HALF, dtype=np.int64) + (_LEAST_EXPONENT << _MANTISSA_BITS)) << _SHIFT
    positive = codes.astype(np.int32).view(np.float32).astype(np.float64)
    negative = -np.append(positive[1:], np.inf)[::-1]
    return np.concatenate([negative, [-positive[0]], positive])


@in_machine_code
def peaks(maps: Any, maximum: Any, place: Any, mean: Any) -> None:
    """Largest value, where it is first met, and mean of each channel.

    Args:
        maps: (N, places, C) float32.
        maximum, place, mean: (N, C), written: float32, int32, float32. Where no value is a number `place` is -1.
    """
    images, places, channels = maps.shape
    total = np.empty(channels)
    for image in range(images):
        largest, at = maximum[image], place[image]
        total[:] = 0.0
        largest[:] = -np.inf
        at[:] = -1
        for p in range(places):
            values = maps[image, p]
            for c in range(channels):
                total[c] += values[c]
                if values[c] > largest[c]:
                    largest[c] = values[c]
                    at[c] = p
        mean[image] = total / places


@in_machine_code
def count_steps(maps: Any, codes: Any, floor: Any, histogram: Any) -> None:
    """Count values by the step that they lie in, those below a channel's floor left out.

    Args:
        maps: (N, places, C) float32.
        codes: the same memory as int32.
        floor: (C,) float32.
        histogram: (C, BINS) uint32, added to.
    """
    images, places, channels = maps.shape
    for image in range(images):
        for p in range(places):
            for c in range(channels):
                if maps[image, p, c] >= floor[c]:
                    code = codes[image, p, c]
                    size = (np.int64(code & 0x7FFFFFFF) >> _SHIFT) - (_LEAST_EXPONENT << _MANTISSA_BITS)
                    if size < 0:
                        step = np.int64(HALF)
                    else:
                        step = np.int64(min(size, np.int64(HALF - 1)))
                        step = HALF - 1 - step if code < 0 else HALF + 1 + step
                    histogram[c, step] += np.uint32(1)


@in_machine_code
def fires(
    maps: Any,
    maximum: Any,
    threshold: Any,
    rows: Any,
    row_weights: Any,
    columns: Any,
    column_weights: Any,
    units: Any,
    ends: Any,
    words: Any,
    bits: Any,
    cells: Any,
) -> Any:
    """Where the channels of one picture fire, brought to the size of the masks bilinearly.

    Args:
        maps: (h, w, C) float32.
        maximum: (C,) float32, the largest value of each channel.
        threshold: (C,) float32; a channel fires where it is reached.
        rows, row_weights: (H,) the cell above each row of the masks, int64, and the share of the one below it, float32.
        columns, column_weights: (W,) the same across.
        units, ends, words, bits: written: (C,) the channels that fire, and where what is theirs ends; and of that, place and bits of
            each word of 64 pixels that are not all silent: int32, int64, int32, uint64.
        cells: (C,) uint64, added to: cells of the map where the threshold is reached.

    Returns:
        How many channels fire; -1 where `words` is too short.
    """
    height, width, channels = maps.shape
    found, end = 0, 0
    plane = np.empty((height, width), np.float32)
    tops = np.empty(height, np.float32)
    row = np.empty(width, np.float32)
    capacity = len(words)
    for c in range(channels):
        limit = threshold[c]
        if not maximum[c] >= limit:
            continue
        count = 0
        for y in range(height):
            top = np.float32(-np.inf)
            for x in range(width):
                value = maps[y, x, c]
                plane[y, x] = value
                top = max(top, value)
                count += value >= limit
            tops[y] = top
        cells[c] += np.uint64(count)
        start = end
        word, held = -1, np.uint64(0)
        for y in range(len(rows)):
            above = rows[y]
            below = min(above + 1, height - 1)
            if tops[above] < limit and tops[below] < limit:
                continue
            weight = row_weights[y]
            for x in range(width):
                row[x] = plane[above, x] + weight * (plane[below, x] - plane[above, x])
            for x in range(len(columns)):
                left = columns[x]
                right = min(left + 1, width - 1)
                if row[left] + column_weights[x] * (row[right] - row[left]) >= limit:
                    pixel = y * len(columns) + x
                    if pixel >> 6 != word:
                        if held:
                            if end == capacity:
                                return -1
                            words[end], bits[end] = word, held
                            end += 1
                        word, held = pixel >> 6, np.uint64(0)
                    held |= np.uint64(1) << np.uint64(pixel & 63)
        if held:
            if end == capacity:
                return -1
            words[end], bits[end] = word, held
            end += 1
        if end > start:
            units[found], ends[found] = c, end
            found += 1
    return found


@in_machine_code
def add_overlaps(rows: Any, ends: Any, words: Any, bits: Any, masks: Any, total: Any) -> None:
    """Count how many firing pixels of each channel each mask holds.

    Args:
        rows: (n,) int, the row of `total` of each channel that fires.
        ends, words, bits: what fires, as `fires` writes it.
        masks: (words, K) uint64, of one picture.
        total: (rows, K) uint32, added to.
    """
    start = 0
    for index in range(len(rows)):
        row = total[rows[index]]
        for at in range(start, ends[index]):
            value, held = bits[at], masks[words[at]]
            for k in range(len(held)):
                row[k] += np.uint32(_ones(value & held[k]))  # type: ignore[call-arg]
        start = ends[index]


@in_machine_code
def add_weighted(units: Any, shared: Any, weights: Any, total: Any) -> None:
    """Add what a picture shares, so many times in each resample.

    Args:
        units: (n,) int32.
        shared: (n, K) uint32.
        weights: (B,) uint8.
        total: (B, C, K) uint32, added to.
    """
    for b in range(len(weights)):
        weight = np.uint32(weights[b])
        if weight:
            for index in range(len(units)):
                row, more = total[b, units[index]], shared[index]
                for k in range(len(row)):
                    row[k] += weight * more[k]
