"""Which units are alike, by what they answer and by their weights; what feeds a unit, and what it feeds."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from convscope.models.graphs import node_of, nodes_in_order
from convscope.models.nodes import is_norm
from convscope.models.wiring import kernels, layer_connections, norm_gains, sources_of
from convscope.units.results import Related

# So many of each are kept.
NEAREST = 6
_BLOCK = 2048


class Numbers:
    """One count of all filters of a network: layer after layer, in order of depth.

    Args:
        filters: for each layer its name and how many it has.
    """

    def __init__(self, filters: Sequence[tuple[str, int]]) -> None:
        self.first: dict[str, int] = {}
        self.total = 0
        for layer, count in filters:
            self.first[layer] = self.total
            self.total += count
        self._layers, self._starts = list(self.first), list(self.first.values())

    def of(self, number: int) -> tuple[str, int]:
        """Layer and filter."""
        at = int(np.searchsorted(self._starts, number, side="right")) - 1
        return self._layers[at], number - self._starts[at]


def alike_by_answers(maxima: Sequence[np.ndarray], numbers: Sequence[int]) -> list[Related]:
    """The units whose largest answers to the pictures rise and fall together most (Pearson's r), in any layer.

    Args:
        maxima: for each layer (N, C) float32.
        numbers: the number of each layer's first filter.

    Returns:
        One for each layer. A unit that answers all pictures alike has none.
    """
    columns = np.concatenate([np.asarray(part, np.float32) for part in maxima], axis=1)
    # Each by its own measure: answers of one layer may be a million times those of another.
    largest = np.abs(columns).max(axis=0, initial=0)
    columns /= np.where(largest > 0, largest, 1)
    # A float32 sum over many pictures loses digits; where units differ little from picture to picture, that alone makes them alike.
    columns -= columns.mean(axis=0, dtype=np.float64) if len(columns) else 0
    lengths = np.sqrt(np.square(columns, dtype=np.float64).sum(axis=0))
    varies = lengths > 1e-6 * np.sqrt(max(len(columns), 1))
    columns = np.where(varies, columns / np.where(varies, lengths, 1), 0).astype(np.float32)
    number = np.concatenate([start + np.arange(part.shape[1]) for start, part in zip(numbers, maxima, strict=True)])
    found = []
    start = 0
    for part in maxima:
        end = start + part.shape[1]
        rows = [
            _nearest(columns[:, a : min(a + _BLOCK, end)].T @ columns, np.arange(a, min(a + _BLOCK, end)), varies)
            for a in range(start, end, _BLOCK)
        ]
        places, weights = (np.concatenate(each) for each in zip(*rows, strict=True))
        found.append(_related(np.where(places >= 0, number[places], -1), weights))
        start = end
    return found


def alike_by_weights(layer: Any, first: int) -> Related:
    """The filters of the same layer whose weights point the same way most (cosine).

    Those of a depthwise layer take one channel each: theirs are compared whatever channel that is.

    Args:
        layer: a convolution.
        first: the number of its first filter.
    """
    flat = _columns(layer)
    lengths = np.linalg.norm(flat, axis=0)
    unit = flat / np.where(lengths > 0, lengths, 1)
    places, weights = _nearest(unit.T @ unit, np.arange(flat.shape[1]), lengths > 0)
    return _related(np.where(places >= 0, first + places, -1), weights)


def _columns(layer: Any) -> np.ndarray:
    if type(layer).__name__ == "DepthwiseConv2D":
        kernel = np.asarray(layer.kernel, np.float32)
        return kernel.reshape(kernel.shape[0] * kernel.shape[1], -1)
    kernel = kernels(layer)
    return np.asarray(kernel.reshape(-1, kernel.shape[2]), np.float32)


def wiring(network: keras.Model, numbers: Numbers) -> tuple[dict[str, Related], dict[str, Related]]:
    """What feeds every filter, and what it feeds: by the share of a filter's weights that lies on a channel.

    The share of channel i in filter o is the norm of the weights between them, times what the channel is multiplied by on its way,
    divided by the sum of all of o; its sign says whether it raises or lowers what o answers.

    Args:
        network: a flat functional network.
        numbers: of the filters of all its convolutions.

    Returns:
        By layer what feeds its filters, and what they feed.
    """
    feeding: dict[str, Related] = {}
    fed: dict[str, list[Related]] = {layer: [] for layer in numbers.first}
    for layer in numbers.first:
        node = node_of(network, layer)
        sources = [source for source in sources_of(network, layer) if source.layer in numbers.first]
        strength = layer_connections(node.operation) * _signs_behind(network, node)
        rows, owners = [], []
        for source in sources:
            taken = source.filters >= 0
            rows.append(strength[taken] * source.gains[taken, None])
            owners.append(numbers.first[source.layer] + source.filters[taken])
        if not rows:
            feeding[layer] = _none(strength.shape[1])
            continue
        every, owner = np.concatenate(rows), np.concatenate(owners)
        total = np.abs(every).sum(axis=0)
        shares = (every / np.where(total > 0, total, 1)).astype(np.float32)
        feeding[layer] = _strongest(shares.T, owner)
        here = numbers.first[layer] + np.arange(shares.shape[1])
        start = 0
        for source in sources:
            count = int((source.filters >= 0).sum())
            best = _strongest(shares[start : start + count], here)
            wide = _none(_count(numbers, source.layer))
            wide.units[source.filters[source.filters >= 0]] = best.units
            wide.weights[source.filters[source.filters >= 0]] = best.weights
            fed[source.layer].append(wide)
            start += count
    joined = {layer: _joined(parts, _count(numbers, layer)) for layer, parts in fed.items()}
    return feeding, joined


def _count(numbers: Numbers, layer: str) -> int:
    starts = [*numbers.first.values(), numbers.total]
    return starts[list(numbers.first).index(layer) + 1] - numbers.first[layer]


def _signs_behind(network: keras.Model, node: Any) -> np.ndarray:
    """1, or -1 where the batch normalisation behind a convolution turns a filter's answers round."""
    output = node.outputs[0]
    takers = [other for other in nodes_in_order(network) if any(tensor is output for tensor in other.input_tensors)]
    if len(takers) == 1 and is_norm(takers[0]):
        return np.where(norm_gains(takers[0].operation) < 0, -1.0, 1.0)
    return np.ones(output.shape[-1])


def _nearest(similarity: np.ndarray, own: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each row the columns of the largest values: not itself, and only those that count."""
    values = np.where(counts, similarity, -np.inf)
    values[np.arange(len(own)), own] = -np.inf
    values[~counts[own]] = -np.inf
    return _largest(values)


def _largest(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    count = min(NEAREST, values.shape[1])
    near = np.argpartition(-values, count - 1, axis=1)[:, :count]
    near = np.sort(near, axis=1)
    order = np.argsort(-np.take_along_axis(values, near, axis=1), axis=1, kind="stable")
    near = np.take_along_axis(near, order, axis=1)
    best = np.take_along_axis(values, near, axis=1)
    return np.where(np.isfinite(best), near, -1), np.where(np.isfinite(best), best, 0)


def _strongest(shares: np.ndarray, owner: np.ndarray) -> Related:
    """For each row the owners of the columns of the largest magnitude."""
    size = np.where(shares != 0, np.abs(shares), -np.inf)
    places, _ = _largest(size)
    weights = np.take_along_axis(shares, np.maximum(places, 0), axis=1)
    return _related(np.where(places >= 0, owner[places], -1), np.where(places >= 0, weights, 0))


def _related(units: np.ndarray, weights: np.ndarray) -> Related:
    missing = NEAREST - units.shape[1]
    return Related(
        np.pad(units.astype(np.int32), ((0, 0), (0, missing)), constant_values=-1),
        np.pad(weights.astype(np.float32), ((0, 0), (0, missing))),
    )


def _none(count: int) -> Related:
    return Related(np.full((count, NEAREST), -1, np.int32), np.zeros((count, NEAREST), np.float32))


def _joined(parts: Sequence[Related], count: int) -> Related:
    """Of several lists the strongest of all, each once."""
    if not parts:
        return _none(count)
    units = np.concatenate([part.units for part in parts], axis=1)
    weights = np.concatenate([part.weights for part in parts], axis=1)
    size = np.where(units >= 0, np.abs(weights), -np.inf)
    order = np.argsort(-size, axis=1, kind="stable")
    units, weights = np.take_along_axis(units, order, axis=1), np.take_along_axis(weights, order, axis=1)
    return _related(units[:, :NEAREST], weights[:, :NEAREST])
