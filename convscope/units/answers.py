"""What the units of some layers answer to a set of pictures: two passes, of which the second knows from when on a unit fires."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np

from convscope.backends.running import compiled as compiled_step
from convscope.backends.running import without_copy
from convscope.errors import UserError
from convscope.models.fields import ReceptiveField
from convscope.models.graphs import flatten, is_flat
from convscope.models.lower_part import lower_part
from convscope.models.nodes import shapes_at, tensor_of
from convscope.models.receptive_field import receptive_field
from convscope.units.behind import answer_of
from convscope.units.compiled import BINS, count_steps, lower_edges, peaks
from convscope.units.overlaps import Overlaps
from convscope.units.results import SHARE, LayerAnswers, Shown
from convscope.units.selection import shown_pictures

_BATCH_BYTES = 512 * 2**20
# Of the first pictures: what is below this share of their places is not counted.
_FLOOR, _SAMPLED_PLACES = 0.9, 4000
_TINY = np.finfo(np.float32).tiny


class UnitMaps:
    """One forward pass that yields what the units of some layers answer: the layer's maps after the ReLU that follows, or what does.

    Args:
        network: functional model, model space -> anything.
        layers: names of convolutions.
        relus: for each the ReLU that follows, as the table of layers names it, or "" (then see `behind.answer_of`).
        size: (height, width, depth) of the pictures.
    """

    def __init__(
        self, network: keras.Model, layers: Sequence[str], relus: Sequence[str], size: tuple[int, int, int]
    ) -> None:
        flat = network if is_flat(network) else flatten(network)
        self.layers, self._size = list(layers), size
        after = [relu or answer_of(flat, layer) for layer, relu in zip(layers, relus, strict=True)]
        tensors = {name: tensor_of(flat, name) for name in after}
        run = lower_part(flat, list(tensors.values()))
        self._after, self._names = after, list(tensors)
        self.rectified = {layer for layer, relu in zip(layers, relus, strict=True) if relu}
        shapes = shapes_at(keras.Model(flat.inputs[0], list(tensors.values())), *size[:2])
        of_name = dict(zip(tensors, shapes, strict=True))
        self.shapes = {layer: of_name[name] for layer, name in zip(layers, after, strict=True)}
        sized = flatten(network, input_shape=size)
        self.fields: dict[str, ReceptiveField] = {
            layer: receptive_field(sized, name) for layer, name in zip(layers, after, strict=True)
        }
        inputs = [keras.KerasTensor((None, *size), "float32")]
        self._run: Callable[..., Any] = compiled_step(run, inputs, flat.variables, autograph=False)

    def batch_size(self, at_once: int = 1) -> int:
        """Pictures a batch that keep the maps of `at_once` passes, and of as many that wait, in a bounded piece of memory."""
        each = 4 * sum(int(np.prod(shape)) for shape in self.shapes.values())
        return int(np.clip(_BATCH_BYTES // (each * at_once), 1, 16))

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Layer -> maps (N, h, w, C) float32, of images (N, H, W, depth) float32 in model space."""
        found = dict(zip(self._names, self._run(images), strict=True))
        return {
            layer: np.ascontiguousarray(without_copy(found[name]), np.float32)
            for layer, name in zip(self.layers, self._after, strict=True)
        }


class Peaks:
    """The first pass over one layer: the largest answer to each picture, and from when on a unit fires.

    Batches may come in any order, and be of any size: the result is the same.

    Args:
        layer: its name, for messages.
        images: how many there are.
        shape: (h, w, C).
        rectified: no answer is negative, as behind a ReLU: then nothing is to be learned of those that are 0.
    """

    def __init__(self, layer: str, images: int, shape: tuple[int, ...], rectified: bool = False) -> None:
        self._rectified = rectified
        self._layer, (height, width, channels) = layer, shape
        self._places = images * height * width
        self.maximum = np.full((images, channels), -np.inf, np.float32)
        self.mean = np.zeros((images, channels), np.float32)
        self.place = np.zeros((images, channels), np.int32)
        self._floor: np.ndarray | None = None
        self._histogram = np.zeros((channels, BINS), np.uint32)

    def add(self, rows: np.ndarray, maps: np.ndarray) -> None:
        """Take in the maps (n, h, w, C) of the pictures of these rows.

        Raises:
            UserError: the network gives no numbers.
        """
        flat = maps.reshape(len(maps), -1, maps.shape[-1])
        if self._floor is None:
            self._floor = self._first_floor(flat)
        maximum, mean = np.empty((2, len(maps), maps.shape[-1]), np.float32)
        place = np.empty((len(maps), maps.shape[-1]), np.int32)
        peaks(flat, maximum, place, mean)
        if not np.isfinite(mean).all() or (place < 0).any():
            at = int(np.argmin(np.isfinite(mean).all(axis=1) & (place >= 0).all(axis=1)))
            raise UserError(
                f"layer '{self._layer}' answers picture {rows[at]} with infinity or with no number (NaN); what its units look for "
                "cannot be told: look at the weights, and at whether the preprocessing is the one that it was trained with"
            )
        self.maximum[rows], self.mean[rows], self.place[rows] = maximum, mean, place
        count_steps(flat, flat.view(np.int32), self._floor, self._histogram)

    def again(self) -> bool:
        """Whether a unit fires so seldom in what was counted that all has to be counted: then begin anew."""
        if self._floor is None:
            return False
        wanted = SHARE * self._places
        seldom = (self._histogram.sum(axis=1) < wanted) & (self._floor > (_TINY if self._rectified else -np.inf))
        if seldom.any():
            self._floor = np.where(seldom, np.float32(-np.inf), self._floor)
            self._histogram[:] = 0
        return bool(seldom.any())

    def result(self) -> LayerAnswers:
        """What was found, when all pictures were taken in."""
        return LayerAnswers(self.maximum, self.mean, self.place, thresholds(self._histogram, self._places))

    def _first_floor(self, flat: np.ndarray) -> np.ndarray:
        values = flat.reshape(-1, flat.shape[-1])
        values = values[:: max(len(values) // _SAMPLED_PLACES, 1)]
        floor = np.quantile(values, _FLOOR, axis=0).astype(np.float32)
        # The step that it lies in is to be counted whole.
        edges = lower_edges().astype(np.float32)
        lowest = edges[np.maximum(np.searchsorted(edges, floor, side="right") - 1, 0)]
        # Behind a ReLU most places are 0: those need not be counted one by one.
        return np.maximum(lowest, _TINY) if self._rectified else lowest


def thresholds(histogram: np.ndarray, places: int, share: float = SHARE) -> np.ndarray:
    """From which answer on a unit fires: the highest step that is reached at `share` of all places, or more.

    Steps are 1.1 % apart (`compiled.STEPS_AN_OCTAVE`). A unit that is above zero at fewer places than that fires wherever it is.

    Args:
        histogram: (C, BINS), how many places lie in each step.
        places: in all.

    Returns:
        (C,) float32.
    """
    reached = histogram[:, ::-1].cumsum(axis=1, dtype=np.int64) >= share * places
    step = np.where(reached.any(axis=1), BINS - 1 - reached.argmax(axis=1), BINS // 2 + 1)
    # The step of zero: where a ReLU lets nothing through, nothing fires.
    silent = step == BINS // 2
    return lower_edges()[np.where(silent, BINS // 2 + 1, step)].astype(np.float32)


def ask(
    model: UnitMaps,
    load: Callable[[np.ndarray], Iterable[tuple[np.ndarray, np.ndarray]]],
    images: int,
    order: np.ndarray,
    threads: int = 1,
) -> dict[str, LayerAnswers]:
    """The first pass.

    Args:
        model: the layers asked.
        load: rows -> batches of (rows, model-space images (n, H, W, depth)).
        images: how many there are.
        order: (images,) int, all rows in any order; the first of them ought to be a sample of all.
        threads: layers at a time.
    """
    found = {layer: Peaks(layer, images, shape, layer in model.rectified) for layer, shape in model.shapes.items()}
    waiting = list(found)
    with ThreadPoolExecutor(threads) as pool:
        while waiting:
            for rows, batch in load(order):
                maps = model(batch)
                list(pool.map(lambda layer, r=rows, m=maps: found[layer].add(r, m[layer]), waiting))  # type: ignore[misc]
            waiting = [layer for layer in waiting if found[layer].again()]
    return {layer: each.result() for layer, each in found.items()}


def look(
    model: UnitMaps,
    load: Callable[[np.ndarray], Iterable[tuple[np.ndarray, np.ndarray]]],
    answers: dict[str, LayerAnswers],
    overlaps: dict[str, Overlaps],
    crops: int,
    threads: int = 1,
) -> dict[str, Shown]:
    """The second pass: what concepts lie where a unit fires, and its maps of the pictures that are shown of it.

    Args:
        model, load, threads: as in `ask`.
        answers: what that found.
        overlaps: for each layer, what counts; added to.
        crops: pictures shown as strongest.
    """
    shown, takers = {}, {}
    for layer, each in answers.items():
        chosen = shown_pictures(each.maximum, crops)
        planes = np.zeros((*chosen.shape, *model.shapes[layer][:2]), np.float16)
        shown[layer] = Shown(chosen, planes, _scale(each))
        takers[layer] = _by_image(chosen, len(each.maximum))
    largest = float(np.finfo(np.float16).max)

    def take(layer: str, rows: np.ndarray, maps: np.ndarray) -> None:
        overlaps[layer].add(rows, maps, answers[layer].maximum[rows], answers[layer].threshold)
        for row, image in zip(rows, maps, strict=True):
            units, slots = takers[layer][row]
            planes = image[:, :, units] / shown[layer].scale[units]
            shown[layer].maps[units, slots] = np.clip(planes, -largest, largest).transpose(2, 0, 1)

    images = len(next(iter(answers.values())).maximum)
    with ThreadPoolExecutor(threads) as pool:
        for rows, batch in load(np.arange(images)):
            maps = model(batch)
            list(pool.map(lambda layer, r=rows, m=maps: take(layer, r, m[layer]), model.layers))  # type: ignore[misc]
    return shown


def _scale(answers: LayerAnswers) -> np.ndarray:
    """Powers of two that bring each unit's largest answer, and the threshold, to about 1."""
    largest = np.maximum(np.abs(answers.maximum).max(axis=0, initial=0), np.abs(answers.threshold))
    exponent = np.frexp(np.where(np.isfinite(largest), largest, 1))[1]
    return np.ldexp(np.float32(1), np.clip(exponent, -100, 100)).astype(np.float32)


def _by_image(chosen: np.ndarray, images: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each picture the units that show it, and in which place."""
    units, slots = np.divmod(np.arange(chosen.size), chosen.shape[1])
    order = np.argsort(chosen.reshape(-1), kind="stable")
    ends = np.searchsorted(chosen.reshape(-1)[order], np.arange(images + 1))
    return [(units[order[a:b]], slots[order[a:b]]) for a, b in itertools.pairwise(ends)]
