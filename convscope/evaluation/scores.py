"""The scores of all classes of many pictures: written as they come, read in blocks of rows or of columns.

50,000 pictures of 1,000 classes are 200 MB as float32; whoever goes through them holds a few blocks and vectors of one number a
picture.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

# Of a block that is read: 8 MB of float64.
_CELLS = 2**20
# Of a block on the disk: rows are written together, columns are read together.
_ROWS, _COLUMNS = 512, 64


class ScoreWriter:
    """Writes scores (image, class) to an open HDF5 file, some rows at a time; `close` cuts it to the rows that there are.

    Args:
        file: open for writing.
        most: how many rows there may be.
        classes: how many columns.
    """

    def __init__(self, file: h5py.File, most: int, classes: int) -> None:
        shape = (most, classes)
        chunks = (min(_ROWS, max(most, 1)), min(_COLUMNS, classes))
        self._data = file.create_dataset("scores", shape, np.float32, maxshape=shape, chunks=chunks)
        for axis, name in enumerate(("image", "class")):
            self._data.dims[axis].label = name
        self._waiting: list[Array] = []
        self._written = 0

    def add(self, rows: Array) -> None:
        """More rows (n, classes)."""
        if len(rows):
            self._waiting.append(np.array(rows, np.float32))
        if sum(map(len, self._waiting)) >= _ROWS:
            self._flush()

    def close(self) -> None:
        """Write what waits."""
        self._flush()
        self._data.resize(self._written, axis=0)

    def _flush(self) -> None:
        if self._waiting:
            rows = np.concatenate(self._waiting)
            self._data[self._written : self._written + len(rows)] = rows
            self._written += len(rows)
            self._waiting = []


class Scores:
    """Scores (N, classes) in memory or in a file.

    Args:
        values: an array, or an open HDF5 dataset.
        rows: which of its rows count, bool; all where None.
    """

    def __init__(self, values: Any, rows: npt.NDArray[np.bool_] | None = None) -> None:
        self._values = values
        self._rows = np.ones(len(values), bool) if rows is None else np.asarray(rows, bool)
        self.classes = int(values.shape[1])

    def __len__(self) -> int:
        return int(self._rows.sum())

    def of(self, rows: npt.NDArray[np.bool_]) -> "Scores":
        """Those of some of the rows that count, bool (N,)."""
        chosen = self._rows.copy()
        chosen[self._rows] = rows
        return Scores(self._values, chosen)

    def blocks(self) -> Iterator[tuple[slice, Floats]]:
        """Some rows after the other: their place among the rows that count, and their scores (n, classes) float64."""
        size = max(_CELLS // max(self.classes, 1), 1)
        size = max(size // _ROWS * _ROWS, min(size, _ROWS))
        done = 0
        for start in range(0, len(self._rows), size):
            part = np.asarray(self._values[start : start + size], np.float64)[self._rows[start : start + size]]
            yield slice(done, done + len(part)), part
            done += len(part)

    def columns(self) -> Iterator[tuple[int, Floats]]:
        """Class after class: its number, and its scores (N,) float64."""
        size = max(_CELLS // max(len(self._rows), 1), 1)
        size = max(size // _COLUMNS * _COLUMNS, min(size, _COLUMNS))
        for start in range(0, self.classes, size):
            part = np.asarray(self._values[:, start : start + size])[self._rows].astype(np.float64)
            for place in range(part.shape[1]):
                yield start + place, np.ascontiguousarray(part[:, place])


class LogOdds:
    """Log-odds of every class against the rest, up to a factor, of exclusive classes' scores.

    They rank pictures as probabilities do, but sure answers do not tie at 1. Three numbers a picture are kept; columns are made of
    the scores when they are asked for.
    """

    def __init__(self, scores: Scores) -> None:
        self._scores, self.classes = scores, scores.classes
        count = len(scores)
        self._top, self._total, self._rest = np.zeros(count), np.zeros(count), np.zeros(count)
        for place, part in scores.blocks():
            best, every = part.argmax(axis=1), np.arange(len(part))
            self._top[place], self._total[place] = part[every, best], _log_sum(part)
            # The rest of the likeliest class is what is left when it is taken away: 1 - p would be 0 for a sure answer.
            part[every, best] = -np.inf
            self._rest[place] = _log_sum(part)

    def __len__(self) -> int:
        return len(self._scores)

    def columns(self) -> Iterator[tuple[int, Floats]]:
        """Class after class: its number, and its log-odds (N,)."""
        for c, scores in self._scores.columns():
            # Of equally likely classes each: by two ways of reckoning they would differ in the last digit, and not tie.
            best = scores == self._top
            share = np.where(best, 0.0, np.exp(scores - self._total))
            yield c, scores - np.where(best, self._rest, self._total + np.log1p(-share))


def log_odds(scores: Array) -> Floats:
    """`LogOdds` of scores in memory: float64 (N, C) of class scores (N, C)."""
    return whole(LogOdds(Scores(np.asarray(scores, np.float64))))


def whole(columns: Any) -> Floats:
    """All columns (N, classes) of `Scores` or `LogOdds`, for those that are small."""
    found = np.zeros((len(columns), columns.classes))
    for c, column in columns.columns():
        found[:, c] = column
    return found


def confusion_of(truth: Sequence[int] | Array, predicted: Sequence[int] | Array, classes: int) -> npt.NDArray[np.int64]:
    """Counts (classes, classes); rows: truth, columns: prediction."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (np.asarray(truth), np.asarray(predicted)), 1)
    return counts


def _log_sum(scores: Floats) -> Floats:
    largest = scores.max(axis=1)
    return np.asarray(largest + np.log(np.exp(scores - largest[:, None]).sum(axis=1)))
