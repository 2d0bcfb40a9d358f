"""What is asked of one layer: its answers to examples and crops, the classes' gradients, and the concepts found in it."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from convscope.concepts.masks import ConceptMasks
from convscope.errors import UserError
from convscope.models.spec import ModelSpec
from convscope.units.overlaps import Masks, Overlaps
from convscope.units.results import Dissected
from convscope.vectors.cav import FewPicturesError
from convscope.vectors.craft import Importance, importance
from convscope.vectors.examples import Concept, RandomSets, pixels_of
from convscope.vectors.factors import BelowZeroError, amounts, bank_of
from convscope.vectors.network import CutNetwork
from convscope.vectors.sobol import designs, standard_error
from convscope.vectors.store import Found
from convscope.vectors.tcav import Examples, Runs, Tested, against_random, judged, random_concepts
from convscope.vectors.windows import Windows, grid_windows

# A found concept is where its map is among so large a share of all places; a picture shows it as warm colours.
SHOWN_SHARE = 0.1
# Pictures of a class of which it is asked what the found concepts make of its logit.
MOST_ASKED = 16
# Numbers that examples' activations may take, and maps that go through the upper part together.
_MOST_NUMBERS, _NUMBERS_AT_ONCE = 2**27, 2**23


@dataclasses.dataclass(frozen=True)
class Shown:
    """The pictures, as the network is given them.

    Attributes:
        pixels: (H, W, C) each, fitted; those of the image set first, then the user's own and the random ones.
        boxes: (N, 4), of those of the set, what is no padding: see `windows.random_windows`.
        same: of each picture the first that has the same content; None where all differ.
    """

    pixels: Sequence[NDArray[np.generic]]
    boxes: NDArray[np.int64]
    same: NDArray[np.int64] | None = None


class Asked:
    """One layer, asked about all pictures.

    Args:
        network: cut at it.
        spec: of the model.
        shown: the pictures.
        pooled: whether a picture's answers are averaged over places.
        step: called with how many pictures were seen.
    """

    def __init__(
        self,
        network: CutNetwork,
        spec: ModelSpec,
        shown: Shown,
        pooled: bool = True,
        step: Callable[[int], None] = lambda count: None,
    ) -> None:
        self.network, self._spec, self._shown, self._pooled, self._step = network, spec, shown, pooled, step

    def gradients(
        self, target: int | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        """Of every picture of the set the class that it is taken for, (N,), all logits (N, classes), and the gradient of that class's
        by the layer's numbers, (N, d); of the class `target` where one is given, an output of numbers."""
        logits, gradients = [], []
        for images in self._batches(self._shown.pixels[: len(self._shown.boxes)]):
            _, scores = self.network(images)
            logits.append(scores)
            wanted = self._spec.predicted(scores) if target is None else np.full(len(scores), target)
            parts = self.network.gradients(wanted)
            # To move the mean over places by a vector is to move every place by it.
            gradients.append(parts.sum(axis=(1, 2)) if self._pooled else parts.reshape(len(parts), -1))
        scores = np.concatenate(logits)
        return self._spec.predicted(scores), scores, np.concatenate(gradients)

    def answers(self, windows: Windows, pooled: bool | None = None) -> NDArray[np.float32]:
        """The layer's answers to windows, (n, d)."""
        averaged = self._pooled if pooled is None else pooled
        size = self.network.batch_size()
        found = []
        for start in range(0, len(windows), size):
            pixels = pixels_of(windows[start : start + size], self._shown.pixels)
            maps, _ = self.network(self._spec.preprocess(pixels))
            found.append(maps.mean(axis=(1, 2)) if averaged else maps.reshape(len(maps), -1))
            self._step(len(pixels))
        return np.concatenate(found)

    def _batches(self, pixels: Sequence[NDArray[np.generic]]):  # type: ignore[no-untyped-def]
        size = self.network.batch_size()
        for start in range(0, len(pixels), size):
            part = np.stack(pixels[start : start + size])
            yield self._spec.preprocess(part)
            self._step(len(part))

    def tested(
        self,
        concepts: Sequence[Concept],
        randoms: dict[float, RandomSets],
        gradients: Sequence[NDArray[np.float32]],
        seed: int,
    ) -> tuple[list[Tested | None], NDArray[np.float32]]:
        """Concepts against random examples.

        Args:
            concepts: with their examples.
            randoms: share of the pictures' sides -> random examples.
            gradients: for each class (n, d), of its pictures.
            seed: tells which examples are held out.

        Returns:
            For each concept what was found, None where it has too few examples; and its vector, (concepts, d), of zeros there.
        """
        numbers = int(np.prod(self.network.shape)) if not self._pooled else self.network.shape[-1]
        found: list[Tested | None] = [None] * len(concepts)
        vectors = np.zeros((len(concepts), numbers), np.float32)
        for share, sets in randoms.items():
            count, size = sets.windows.shape[:2]
            mine = [k for k, concept in enumerate(concepts) if concept.share == share and concept.enough]
            if not mine or size < 2:
                continue
            parts = [sets.windows.reshape(-1, 5), *(concepts[k].windows for k in mine)]
            windows = np.concatenate(parts)
            if len(windows) * numbers > _MOST_NUMBERS:
                raise UserError(
                    f"concepts.{self._spec.name}: {len(windows)} examples of {numbers} numbers each are too many at layer "
                    f"'{self.network.cut}'; leave pooled: false out, or take fewer random_sets or examples"
                )
            activations = self.answers(windows)
            same = self._shown.same
            sources = windows[:, 0] if same is None else same[windows[:, 0]]
            examples = Examples(activations, sources, gradients, seed)
            rows = np.split(np.arange(len(windows)), np.cumsum([len(part) for part in parts])[:-1])
            random_rows = list(rows[0].reshape(count, size))
            by_size: dict[int, list[Runs]] = {}
            for k, own in zip(mine, rows[1:], strict=True):
                own = own[:size]
                try:
                    if len(own) not in by_size:
                        by_size[len(own)] = random_concepts(examples, random_rows, len(own))
                    runs = against_random(examples, own, random_rows)
                except FewPicturesError:
                    continue
                found[k] = judged(runs, by_size[len(own)], sets.overlap)
                vectors[k] = _direction(examples, activations, own, random_rows)
        return found, vectors

    def found(
        self, pictures: NDArray[np.int64], target: int, count: int, share: float, base_points: int, seed: int
    ) -> tuple[Found, float]:
        """Concepts that the layer has for a class.

        Args:
            pictures: those that are taken for the class.
            target: the class.
            count: concepts at most.
            share: side of the crops as a share of the pictures'.
            base_points: of the Sobol indices, a power of two.
            seed: of the first guess and of the points.

        Returns:
            The concepts, and the relative error of what they make up of the crops.

        Raises:
            BelowZeroError: the layer answers with numbers below 0.
        """
        windows = grid_windows(self._shown.boxes[pictures], share, self._spec.input_size)
        windows[:, 0] = pictures[windows[:, 0]]
        bank = bank_of(self.answers(windows, pooled=True), count, seed)
        asked = pictures[_spread(len(pictures), MOST_ASKED)]
        points = designs(max(len(bank.parts), 1), base_points, seed)
        maps = np.zeros((len(pictures), *self.network.shape[:2], len(bank.parts)), np.float32)
        counted: dict[int, tuple[Importance, bool]] = {}
        size = self.network.batch_size()
        for start in range(0, len(pictures), size):
            rows = pictures[start : start + size]
            pixels = np.stack([self._shown.pixels[row] for row in rows])
            answers, scores = self.network(self._spec.preprocess(pixels))
            if (answers < 0).any():
                raise BelowZeroError("answers below 0")
            maps[start : start + size] = amounts(answers, bank.parts)
            for place, row in enumerate(rows):
                if row in asked and len(bank.parts):
                    counted[int(row)] = self._importance(
                        place, maps[start + place], bank.parts, points, target, float(scores[place, target])
                    )
            self._step(len(rows))
        known = [counted[int(row)] for row in asked if int(row) in counted]
        total, removed, kept = (
            np.stack([getattr(one, key) for one, _ in known]) if known else np.zeros((0, width))
            for key, width in (("total", len(bank.parts)), ("removed", len(bank.parts)), ("kept", 2))
        )
        uncertain = standard_error(np.stack([one.values for one, _ in known], axis=2)) if known else total.sum(axis=0)
        order = np.argsort(-total.sum(axis=0), kind="stable")
        found = Found(
            parts=bank.parts[order],
            importance=total[:, order],
            importance_error=uncertain[order],
            removed=removed[:, order],
            kept=kept,
            asked=asked[: len(known)],
            same=np.array([same for _, same in known], bool),
            windows=windows,
            crops=bank.crops[:, order],
            pictures=pictures,
            maps=np.ascontiguousarray(maps[..., order]),
        )
        return found, bank.error

    def _importance(
        self,
        place: int,
        own: NDArray[np.float32],
        parts: NDArray[np.float32],
        points: NDArray[np.float64],
        target: int,
        logit: float,
    ) -> tuple[Importance, bool]:
        """Of one picture of the last call; and whether what the concepts make up of it is taken for the class."""
        at_once = int(np.clip(_NUMBERS_AT_ONCE // max(int(np.prod(self.network.shape)), 1), 1, 64))

        def above(maps: NDArray[np.float32]) -> NDArray[np.float64]:
            return self.network.above(place, maps, at_once)[:, target].astype(np.float64)

        found = importance(own, parts, points, above, logit, at_once)
        whole = self.network.above(place, (own @ parts)[None])
        return found, int(self._spec.predicted(whole)[0]) == target


def _direction(
    examples: Examples, activations: NDArray[np.float32], own: NDArray[np.int64], sets: Sequence[NDArray[np.int64]]
) -> NDArray[np.float32]:
    """The mean of a concept's CAVs, of length 1."""
    total = np.zeros(len(activations))
    for run, rows in enumerate(sets):
        cav = examples.learn(own, rows[: len(own)], run)
        total[cav.rows] += cav.weights
    vector = total @ activations.astype(np.float64)
    length = np.linalg.norm(vector)
    return np.asarray(vector / length if length > 0 else vector, np.float32)


def _spread(count: int, most: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(np.int64))


def like_masks(
    found: Found, network: CutNetwork, masks: ConceptMasks, seed: int
) -> tuple[Dissected, NDArray[np.float32]]:
    """How much the map of each found concept is that of a mask: counted as units are, at a tenth of all places.

    Args:
        found: of a class.
        network: cut at the layer.
        masks: of all pictures of the set.
        seed: of chance.

    Returns:
        What was counted, and from which amount on a place counts, (r,) float32.
    """
    kind_of = np.array([masks.kinds.index(concept.kind) for concept in masks.concepts])
    fixed = np.array([concept.kind == "place" for concept in masks.concepts], bool)
    own = Masks.of(masks.masks[found.pictures], masks.known[found.pictures], kind_of, masks.size, seed, fixed)
    flat = found.maps.reshape(-1, found.maps.shape[-1])
    least = np.float32(np.finfo(np.float32).tiny)
    threshold = np.maximum(np.quantile(flat, 1 - SHOWN_SHARE, axis=0).astype(np.float32), least)
    overlaps = Overlaps(own, found.maps.shape[1:], network.field, network.spec.input_size)
    maximum = np.ascontiguousarray(found.maps.max(axis=(1, 2)))
    overlaps.add(np.arange(len(found.maps)), np.ascontiguousarray(found.maps), maximum, threshold)
    return overlaps.result(), threshold
