"""Maps of one class put together by likeness: spectral clustering as in SpRAy (Lapuschkin et al. 2019, 1902.10178).

As in the paper: each map is joined with its nearest neighbours (Euclidean distance, either of the two ways), L = I - D^-1/2 W D^-1/2
(Ng, Jordan and Weiss 2001), as many clusters as eigenvalues stand before the widest gap, and k-means on the rows of their vectors. Two
things are ours. The gap is a ratio: of a hundred maps of one kind the second eigenvalue is 0.02 and the next ones lie as far apart as
that is from 0, so that the widest difference may be anywhere. And a gap is no proof: groups that are not two kinds (`apart.two_kinds`)
are put together again, so that one kind stays one.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.strategies.apart import LEVEL, two_kinds

LEAST = 20  # maps of a class, of which kinds can be told
_DENSE = 600  # up to as many maps all eigenvalues are computed, of more the smallest alone
FLOOR = 0.005  # eigenvalues below it are as good as 0: maps that hang together by a thread
_BLOCK = 512  # rows of the table of distances that are in memory at once


@dataclass(frozen=True)
class Kinds:
    """Maps of one class, in kinds.

    Attributes:
        labels: (n,) int64, the kind of each map, 0 for the largest.
        central: for each kind its maps' numbers, those nearest to its mean first.
        eigenvalues: of the graph's normalised Laplacian, ascending, 0..2, the first of them; none of too few maps.
        gap: how many clusters stand before the widest gap.
        chance: the p-value of there being but one kind: the largest of those of two kinds that were told apart or, of one kind, the
            smallest at which it was not cut; NaN of too few maps.
    """

    labels: NDArray[np.int64]
    central: tuple[NDArray[np.int64], ...]
    eigenvalues: NDArray[np.float64]
    gap: int
    chance: float

    @property
    def count(self) -> int:
        """How many kinds."""
        return len(self.central)


def kinds(points: np.ndarray, most: int = 8) -> Kinds:
    """Put maps together; the same maps give the same kinds.

    Args:
        points: (n, d) float32, a normalised map a row.
        most: how many kinds there may be.
    """
    count = len(points)
    if count < LEAST:
        labels = np.zeros(count, np.int64)
        return Kinds(labels, _central(labels, points), np.zeros(0), 1, float("nan"))
    values, vectors = _smallest(neighbour_graph(points, max(3, round(np.log(count)))), most + 1)
    steps = np.maximum(values, FLOOR)
    gap = int(np.argmax(steps[1:] / steps[:-1])) + 1
    # Whether there is more than one kind is asked wherever the gap lies.
    labels, chance = _put_together(_cut(vectors, max(gap, 2)), points)
    labels = _by_size(labels)
    return Kinds(labels, _central(labels, points), values, gap, chance)


def neighbour_graph(points: np.ndarray, neighbours: int) -> Any:
    """(n, n) sparse: 1 where one of two maps is among the nearest of the other. Bounded memory: some rows at a time."""
    from scipy.sparse import csr_matrix

    points = np.asarray(points, np.float64)
    count = len(points)
    # Of maps of sum 1 all values are small; distances of numbers around 1 lose less.
    points = (points - points.mean(axis=0)) / max(points.std(), np.finfo(float).tiny)
    squares = (points**2).sum(axis=1)
    nearest = np.empty((count, neighbours), int)
    for start in range(0, count, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, count))
        distances = squares - 2 * points[rows] @ points.T
        distances[np.arange(len(rows)), rows] = np.inf
        nearest[rows] = np.argpartition(distances, neighbours - 1, axis=1)[:, :neighbours]
    ones = np.ones(count * neighbours)
    graph = csr_matrix((ones, (np.repeat(np.arange(count), neighbours), nearest.ravel())), shape=(count, count))
    return graph.maximum(graph.T)


def _smallest(graph: Any, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The smallest eigenvalues of the graph's symmetric normalised Laplacian, ascending, and their vectors as columns.

    Part by part of the graph: each has the eigenvalue 0, and of one that is there several times Lanczos' method finds one.
    """
    from scipy.sparse import diags
    from scipy.sparse.csgraph import connected_components

    root = diags(1 / np.sqrt(np.asarray(graph.sum(axis=1)).ravel()))
    alike = (root @ graph @ root).tocsr()
    parts, part_of = connected_components(graph, directed=False)
    values, vectors = [], []
    for part in range(parts):
        members = np.flatnonzero(part_of == part)
        own, columns = _of_part(alike[members][:, members], count)
        values.append(own)
        vectors.append(np.zeros((len(part_of), len(own))))
        vectors[-1][members] = columns
    every = np.concatenate(values)
    order = np.argsort(every, kind="stable")[:count]
    return every[order], np.concatenate(vectors, axis=1)[:, order]


def _of_part(alike: Any, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from scipy.sparse.linalg import eigsh

    size = alike.shape[0]
    if size <= max(_DENSE, 2 * count):
        values, vectors = np.linalg.eigh(np.eye(size) - alike.toarray())
        return values[:count], vectors[:, :count]
    values, vectors = eigsh(alike, k=count, which="LA", v0=np.random.default_rng(0).normal(size=size), tol=1e-6)
    order = np.argsort(-values)
    return 1 - values[order], vectors[:, order]


def _cut(vectors: np.ndarray, count: int) -> NDArray[np.int64]:
    from sklearn.cluster import KMeans

    rows = vectors[:, :count]
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(float).tiny)
    return np.asarray(KMeans(count, n_init=10, random_state=0).fit_predict(rows), np.int64)


def _put_together(labels: NDArray[np.int64], points: np.ndarray) -> tuple[NDArray[np.int64], float]:
    """Join the two groups that are least two kinds, until all are; and the p-value that decided."""
    known: dict[tuple[int, int], float] = {}
    least = 1.0
    while len(names := np.unique(labels)) > 1:
        for pair in combinations(names.tolist(), 2):
            if pair not in known:
                known[pair] = two_kinds(*(points[labels == name] for name in pair))
        pair, worst = max(known.items(), key=lambda entry: entry[1])
        if worst < LEVEL:
            return labels, worst
        least = min(least, worst)
        labels = np.where(labels == pair[1], pair[0], labels)
        known = {other: p for other, p in known.items() if not set(other) & set(pair)}
    return labels, least


def _by_size(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbered from the largest on; of two as large, the one that comes first."""
    names, first, place, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    numbers = np.empty(len(names), np.int64)
    numbers[order] = np.arange(len(names))
    return np.asarray(numbers[place.ravel()])


def _central(labels: NDArray[np.int64], points: np.ndarray) -> tuple[NDArray[np.int64], ...]:
    found = []
    for kind in range(labels.max() + 1 if len(labels) else 0):
        members = np.flatnonzero(labels == kind)
        away = ((points[members] - points[members].mean(axis=0)) ** 2).sum(axis=1)
        found.append(members[np.argsort(away, kind="stable")])
    return tuple(found)
