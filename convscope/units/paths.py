"""Whether a picture fires a unit by the way that real pictures take: what the layers below answer where the unit fires.

After Geirhos et al. 2023, "Don't trust your eyes: on the (un)reliability of feature visualizations" (2306.04719): a picture made for a
unit tells what the unit does with real pictures if the layers below treat it as they treat those. What is compared here, and what of
it differs from theirs, is said in docs/units.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import keras
import numpy as np

from convscope.filters.signs import signs_behind
from convscope.models.fields import Axis
from convscope.models.graphs import flatten, is_flat
from convscope.models.nodes import address_of, nodes_in_order, tensor_of
from convscope.units.answers import UnitMaps
from convscope.units.behind import answer_of
from convscope.units.trust import over_layers

# Of random pictures those that are no more like the best ones than this share of all are what chance does.
CHANCE = 0.95
# A unit fires, here, where it answers more than this share of its largest answer to the picture.
_PART = 0.5
# Fewer random pictures than these do not tell what chance does: one of 16 alike is above all others in 6 % of cases.
FEWEST = 15
# Of float32 numbers of which the largest are 1: a layer of a single channel treats all pictures alike.
_LAST_DIGITS = 1e-5


class Along(NamedTuple):
    """What a picture does on its way to some units of a layer.

    Attributes:
        answers: (U,) float32, the largest answer of each unit.
        vectors: for each layer on the way, and the unit's own last, (U, C) float32: the mean answer of each of its channels where the
            unit fires, of length 1; zeros where all are silent.
    """

    answers: np.ndarray
    vectors: list[np.ndarray]


class Way:
    """The layers on the way to a layer's units, for pictures of one size.

    Args:
        network: functional model, model space -> anything; the part below the layer must take pictures of that size.
        layer: a convolution.
        relu: the ReLU that follows it, as the table of layers names it, or "" (then see `behind.answer_of`).
        convolutions: names of the network's convolutions, in order of depth.
        size: (height, width, depth) of the pictures.

    Attributes:
        layers: those on the way, the layer itself the last of them.
        channels: how many each has.
        turned: for each unit, whether what its convolution makes is turned round behind it (`signs_behind`).
    """

    def __init__(
        self, network: keras.Model, layer: str, relu: str, convolutions: Sequence[str], size: tuple[int, int, int]
    ) -> None:
        flat = network if is_flat(network) else flatten(network)
        answer = tensor_of(flat, relu or answer_of(flat, layer))
        self.turned = signs_behind(flat, layer) < 0
        cut = flatten(keras.Model(flat.inputs[0], answer), input_shape=size)
        there = {node.operation.name for node in nodes_in_order(cut)}
        self.layers = [name for name in convolutions if name in there and name != layer] + [layer]
        relus = [""] * (len(self.layers) - 1) + [address_of(cut, cut.outputs[0])]
        self._maps = UnitMaps(cut, self.layers, relus, size)
        shapes, fields = self._maps.shapes, self._maps.fields
        self.channels = [shapes[name][2] for name in self.layers]
        own, cells = fields[layer], shapes[layer]
        self._spread = [
            (_between(own.rows, cells[0], fields[name].rows, shapes[name][0]),
             _between(own.columns, cells[1], fields[name].columns, shapes[name][1]))
            for name in self.layers
        ]  # fmt: skip

    def batch_size(self) -> int:
        """Pictures a batch that keep their maps in a bounded piece of memory."""
        return self._maps.batch_size()

    def along(self, images: np.ndarray, wanted: Sequence[Sequence[int]]) -> list[Along]:
        """What each picture does on its way to the units that are asked of it.

        Args:
            images: (N, H, W, depth) float32 in model space.
            wanted: for each picture, units.
        """
        found = self._maps(images)
        return [
            self._of_picture([found[name][n] for name in self.layers], np.asarray(units, np.int64))
            for n, units in enumerate(wanted)
        ]

    def _of_picture(self, maps: Sequence[np.ndarray], units: np.ndarray) -> Along:
        planes = maps[-1][:, :, units].transpose(2, 0, 1)
        answers = planes.max(axis=(1, 2), initial=-np.inf)
        fires = _fires(planes, answers)
        vectors = []
        for values, (rows, columns) in zip(maps, self._spread, strict=True):
            weights = (rows @ fires @ columns.T).reshape(len(units), -1)
            vectors.append(weights @ values.reshape(-1, values.shape[-1]))
        # That it answers itself is no way to it.
        vectors[-1][np.arange(len(units)), units] = 0
        return Along(answers, [of_length_one(vector) for vector in vectors])


def _fires(planes: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Where units fire, 0..1, of maps (U, h, w): above half of the largest answer; where that is not above 0, at its places alone.

    Behind a ReLU a unit that is silent is so everywhere: its first place would be a corner, where padding is what the layers see.
    """
    flat = planes.reshape(len(planes), -1)
    top = np.where(answers > 0, answers, 1)[:, None]
    weights = np.clip((flat / top - _PART) / (1 - _PART), 0, 1)
    silent = ~(answers > 0)
    weights[silent] = 0
    weights[silent] = flat[silent] == answers[silent, None]
    return np.asarray(weights.reshape(planes.shape), np.float32)


def _between(own: Axis, cells: int, below: Axis, count: int) -> np.ndarray:
    """What of each of a unit's cells falls to each cell of a layer below, bilinear by the middles of their fields: (count, cells)."""
    matrix = np.zeros((count, cells), np.float32)
    if below.stride > own.stride:
        # In a decoder several cells lie between two of those below: each of them falls to these, none beside them.
        before, share = below.between(own.place(0) + np.arange(cells) * own.stride, count)
        matrix[before, np.arange(cells)] += 1 - share
        matrix[np.minimum(before + 1, count - 1), np.arange(cells)] += share
        return matrix
    before, share = own.between(below.place(0) + np.arange(count) * below.stride, cells)
    matrix[np.arange(count), before] += 1 - share
    matrix[np.arange(count), np.minimum(before + 1, cells - 1)] += share
    return matrix


def of_length_one(vectors: np.ndarray) -> np.ndarray:
    """Vectors along the last axis, each of length 1; zeros stay."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)


@dataclass(frozen=True)
class Alike:
    """How alike the ways are that pictures take to some units, layer by layer: mean cosines with each unit's best real pictures.

    Cosines are those of what differs from the mean of random real pictures: what all pictures have in common says nothing.

    Attributes:
        best: (U, L) float32, of the best real pictures with one another.
        random: (P, U, L) float32, of random real pictures; NaN where a unit has one among its best.
    """

    best: np.ndarray
    random: np.ndarray

    def middle(self) -> np.ndarray:
        """(U, L) float32: the mean of the random pictures; NaN where there are none."""
        count = np.isfinite(self.random).sum(axis=0)
        mean = np.nansum(self.random, axis=0) / np.maximum(count, 1)
        return np.asarray(np.where(count, mean, np.nan), np.float32)

    def chance(self) -> np.ndarray:
        """(U,) float32: the cosine over all layers (`over_layers`) that `CHANCE` of the random pictures are below.

        NaN where there are fewer than `FEWEST` of them.
        """
        middle = self.middle()
        means = np.array([over_layers(each, self.best, middle) for each in self.random]).reshape(-1, len(self.best))
        known = np.isfinite(means).sum(axis=0) >= FEWEST
        found = np.full(means.shape[1], np.nan, np.float32)
        found[known] = np.nanquantile(means[:, known], CHANCE, axis=0, method="higher")
        return found


class BestWays:
    """The ways of the best real pictures of some units, what chance does, and how like the former another picture's is.

    All that is compared is measured from one mean, that of the random pictures: by that alone two pictures that have nothing in
    common are a little alike. For a random picture, which must not be part of it, it is the mean of the others, for the best ones
    too: else it would be less like them than any other picture is.

    Args:
        random: for each layer (P, U, C) float32, the vectors of random real pictures.
        is_best: (P, U) bool, whether a random picture is one of a unit's best: then it does not count.
    """

    def __init__(self, random: Sequence[np.ndarray], is_best: np.ndarray) -> None:
        self._random, self._counts = random, ~is_best
        self._number = self._counts.sum(axis=0)
        self._total = [(vectors * self._counts[..., None]).sum(axis=0, dtype=np.float64) for vectors in random]
        self._middle = [total / np.maximum(self._number, 1)[:, None] for total in self._total]
        # Of each layer the first best picture of every unit, the second, ...: (U, C) each; zeros where a unit has no more.
        self._planes: list[list[np.ndarray]] = [[] for _ in random]
        self._best = np.zeros(len(self._number), np.int64)

    def add(self, units: np.ndarray, vectors: Sequence[np.ndarray]) -> None:
        """Take in one of the best real pictures of some units (their rows, each once): for each layer (len(units), C)."""
        places = self._best[units]
        for planes, total, values in zip(self._planes, self._total, vectors, strict=True):
            planes += [np.zeros(total.shape, np.float32) for _ in range(places.max(initial=-1) + 1 - len(planes))]
            for place in np.unique(places):
                planes[place][units[places == place]] = values[places == place]
        self._best[units] += 1

    def alike(self) -> Alike:
        """When all best pictures were added: how alike they are, and random ones."""
        pairs = self._best * (self._best - 1)
        counts = self._counts & (self._number > 1)
        best, random = [], []
        for layer, vectors in enumerate(self._random):
            own = self._from(layer, self._middle[layer], slice(None))
            within = np.square(own.sum(axis=0)).sum(axis=1) - np.square(own).sum(axis=(0, 2))
            best.append(np.where(pairs > 0, within / np.maximum(pairs, 1), np.nan))
            found = np.full(counts.shape, np.nan)
            for row, values in enumerate(vectors):
                others = (self._total[layer] - values) / np.maximum(self._number - 1, 1)[:, None]
                found[row] = self._with_best(layer, values, others, slice(None))
            random.append(np.where(counts, found, np.nan))
        return Alike(np.stack(best, 1).astype(np.float32), np.stack(random, 2).astype(np.float32))

    def of(self, units: np.ndarray, vectors: Sequence[np.ndarray]) -> np.ndarray:
        """How like the best ones a picture's way to each of some units is: (len(units), L) float32; NaN where there are none."""
        found = [
            self._with_best(layer, values, self._middle[layer][units], units) for layer, values in enumerate(vectors)
        ]
        known = (self._best[units] > 0) & (self._number[units] > 0)
        return np.where(known[:, None], np.stack(found, axis=1), np.nan).astype(np.float32)

    def _from(self, layer: int, middle: np.ndarray, units: np.ndarray | slice) -> np.ndarray:
        """The best pictures of some units from a mean (U, C), each of length 1: (S, U, C); zeros where a unit has no more."""
        planes = self._planes[layer]
        own = np.zeros((len(planes), *middle.shape))
        for place, plane in enumerate(planes):
            own[place] = _apart(plane[units], middle) * (self._best[units] > place)[:, None]
        return own

    def _with_best(self, layer: int, values: np.ndarray, middle: np.ndarray, units: np.ndarray | slice) -> np.ndarray:
        """The mean cosine of a picture (U, C) with the best ones of some units, from a mean (U, C)."""
        mean = self._from(layer, middle, units).sum(axis=0) / np.maximum(self._best[units], 1)[:, None]
        return np.asarray((_apart(values, middle) * mean).sum(axis=-1))


def _apart(vectors: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """What vectors of length 1 differ from a mean by, of length 1; zeros where that is no more than the last digits."""
    apart = vectors - middle
    lengths = np.linalg.norm(apart, axis=-1, keepdims=True)
    return np.asarray(np.where(lengths > _LAST_DIGITS, apart / np.maximum(lengths, _LAST_DIGITS), 0))
