"""The examples of concepts, windows of pictures or pictures of the user's own, and the random ones to tell them from."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from convscope.concepts.masks import ConceptMasks, unpacked
from convscope.vectors.names import KINDS, LEAST_EXAMPLES, LEAST_SOURCES
from convscope.vectors.windows import Windows, concept_windows, random_windows

# Whole pictures may be in several random sets, but one set is never more than this share of all.
_MOST_OVERLAP = 0.25


@dataclasses.dataclass(frozen=True)
class Concept:
    """A concept and its examples.

    Attributes:
        name, kind: as in `concepts.masks.Concept`; the kind of the user's own is "own".
        windows: (n, 5) int32, examples: picture, top, left, height, width (see `windows`). Of the user's own concepts the picture is
            a place in the list of all whole pictures (`Whole`).
        share: side of the windows as a share of the picture's; 1 of whole pictures.
        sources: of how many pictures the examples are.
    """

    name: str
    kind: str
    windows: Windows
    share: float
    sources: int

    @property
    def enough(self) -> bool:
        """Whether there are examples enough to say something."""
        return len(self.windows) >= LEAST_EXAMPLES and self.sources >= LEAST_SOURCES


@dataclasses.dataclass(frozen=True)
class RandomSets:
    """Random examples that concepts of one share are told from.

    Attributes:
        windows: (sets, size, 5) int32.
        overlap: share of all random pictures that are in one set; 0 of windows, of which there is no end.
    """

    windows: NDArray[np.int32]
    overlap: float = 0.0


def masked_concepts(found: ConceptMasks, size: tuple[int, int], count: int) -> list[Concept]:
    """The concepts of masks, each with at most so many examples.

    Args:
        found: the masks.
        size: (height, width) of the pictures.
        count: examples of each.
    """
    concepts = []
    for index, concept in enumerate(found.concepts):
        if concept.kind not in KINDS:
            continue
        windows, share = concept_windows(unpacked(found.masks[:, index], found.size), size, count)
        concepts.append(Concept(concept.name, concept.kind, windows, share, len(np.unique(windows[:, 0]))))
    return concepts


def own_concept(name: str, pictures: Sequence[int], size: tuple[int, int], count: int) -> Concept:
    """A concept of the user's own: whole pictures, by their places in the list of all."""
    chosen = list(dict.fromkeys(pictures))[:count]
    windows = np.array([(place, 0, 0, *size) for place in chosen], np.int32).reshape(-1, 5)
    return Concept(name, "own", windows, 1.0, len(chosen))


def as_many(concepts: Sequence[Concept], randoms: Mapping[float, RandomSets]) -> list[Concept]:
    """The same with no more examples than a random set of their share has: the others are not looked at, and are not told of."""
    found = []
    for concept in concepts:
        if concept.share in randoms:
            windows = concept.windows[: randoms[concept.share].windows.shape[1]]
            concept = dataclasses.replace(concept, windows=windows, sources=len(np.unique(windows[:, 0])))
        found.append(concept)
    return found


def random_crops(
    boxes: NDArray[np.integer], share: float, size: tuple[int, int], sets: int, count: int, seed: int
) -> RandomSets:
    """Random windows of a side: what a concept's crops would be if they were cut anywhere.

    Args:
        boxes, share, size: as in `windows.random_windows`.
        sets, count: how many sets, and of how many windows.
        seed: of the places.
    """
    drawn = [
        random_windows(boxes, share, size, count, np.random.default_rng([seed, round(1000 * share), number]))
        for number in range(sets)
    ]
    return RandomSets(np.stack(drawn))


def random_pictures(pool: Sequence[int], size: tuple[int, int], sets: int, count: int, seed: int) -> RandomSets:
    """Sets of whole pictures, without a common one where there are enough.

    Args:
        pool: places of the pictures that may be in one.
        size: (height, width) of the pictures.
        sets, count: how many sets, and of how many pictures; a set has fewer where they would share too many.
        seed: of the choice.
    """
    rng = np.random.default_rng([seed, 0x3A9D])
    places = np.asarray(list(dict.fromkeys(pool)), np.int64)
    if len(places) >= sets * count:
        chosen = rng.permutation(places)[: sets * count].reshape(sets, count)
        overlap = 0.0
    else:
        count = min(count, int(_MOST_OVERLAP * len(places)))
        chosen = np.array([rng.permutation(places)[:count] for _ in range(sets)], np.int64).reshape(sets, count)
        overlap = count / max(len(places), 1)
    windows = np.zeros((sets, count, 5), np.int32)
    windows[..., 0], windows[..., 3:] = chosen, size
    return RandomSets(windows, overlap)


def pixels_of(
    windows: Windows, pictures: Mapping[int, NDArray[np.generic]] | Sequence[NDArray[np.generic]]
) -> NDArray[np.generic]:
    """The windows' pixels, each at the size of the pictures: (n, H, W, C)."""
    from convscope.vectors.windows import crop

    return np.stack([crop(pictures[int(window[0])], window) for window in windows])
