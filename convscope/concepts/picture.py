"""All concepts of one picture, as masks at the size at which they are kept."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from convscope.concepts.colours import colour_labels, to_lab
from convscope.concepts.names import BACKGROUND, COLOURS, FREQUENCIES, OBJECT, ORIENTATIONS, PLACES, TEXTURES
from convscope.concepts.places import place_masks
from convscope.concepts.reduced import Reduction
from convscope.concepts.structure import NOTHING, frequency_labels, orientation_labels, texture_labels
from convscope.data.regions import BORDER, OUTSIDE, names_of

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Shown:
    """A picture as a network is shown it, and what is known of it.

    Attributes:
        pixels: (H, W, 3) uint8 at the network's input size, as people see them.
        box: the rows and columns that are the picture; the others are padding.
        parts: its part mask at the same size, (H, W) part numbers, or None where it has none.
        part_numbers: those that the mask held before it was made smaller.
        classes: names of what it shows: one, several of a picture with labels, none where it has none; None where that is unknown.
    """

    pixels: NDArray[np.uint8]
    box: tuple[slice, slice]
    parts: NDArray[np.uint8] | None = None
    part_numbers: Iterable[int] = ()
    classes: Sequence[str] | None = None


@dataclass(frozen=True)
class Seen:
    """What is in one picture of one kind: `masks` by name, those that are not named are empty, within `known`; all (h, w) bool."""

    known: Mask
    masks: Mapping[str, Mask] = field(default_factory=dict)


def seen_in(shown: Shown, kinds: Sequence[str], part_names: Sequence[str], to: tuple[int, int]) -> dict[str, Seen]:
    """Where the concepts of some kinds are in a picture.

    Pixels are looked at at the network's input size, within the picture, so that its padding is no edge; only the masks are made
    smaller. Of labels that exclude each other a small pixel gets the one that most of it has.

    Args:
        shown: the picture.
        kinds: of `names.KINDS`.
        part_names: names of the part mask's numbers, see `data.regions.part_masks`.
        to: (height, width) of the masks.

    Returns:
        Kind -> what is seen. Of a kind of which nothing is known (no part mask, no class) all of `known` is False.
    """
    picture = _Picture(shown, to)
    nothing = Seen(np.zeros(to, bool))
    found: dict[str, Seen] = {}
    if "part" in kinds:
        found["part"] = nothing if shown.parts is None else picture.parts(shown.parts, part_names)
    if "class" in kinds:
        found["class"] = nothing if shown.classes is None else picture.whole(shown.classes)
    if "place" in kinds:
        found["place"] = picture.places()
    if "colour" in kinds:
        found["colour"] = picture.labelled(colour_labels(picture.inner), COLOURS)
    structures = {
        "orientation": (orientation_labels, ORIENTATIONS),
        "frequency": (frequency_labels, FREQUENCIES),
        "texture": (texture_labels, TEXTURES),
    }
    if asked := [kind for kind in structures if kind in kinds]:
        lab = to_lab(picture.inner)
        for kind in asked:
            labels, names = structures[kind]
            found[kind] = picture.labelled(labels(lab), names)
    return found


class _Picture:
    def __init__(self, shown: Shown, to: tuple[int, int]) -> None:
        self.shown = shown
        self.inner = np.ascontiguousarray(shown.pixels[shown.box])
        size = shown.pixels.shape[0], shown.pixels.shape[1]
        self.inside = np.zeros(size, bool)
        self.inside[shown.box] = True
        self.reduction = Reduction(size, to)
        self.known = self.reduction.known(self.inside)

    def labelled(self, labels: np.ndarray, names: Sequence[str]) -> Seen:
        """Of labels of the picture without its padding, indices of names, or `NOTHING`."""
        whole = np.full(self.inside.shape, NOTHING, np.int64)
        whole[self.shown.box] = labels
        small = self.reduction.labels(whole, self.inside)
        return Seen(self.known, {name: (small == index) & self.known for index, name in enumerate(names)})

    def parts(self, numbers: np.ndarray, part_names: Sequence[str]) -> Seen:
        if part_names:
            names = names_of(numbers, part_names, self.shown.part_numbers)
        else:
            names = {int(value): OBJECT for value in np.unique(numbers) if value > 0}
        border = [value for value, name in names.items() if name == BORDER]
        marked = self.inside & ~np.isin(numbers, border)
        known = self.reduction.known(marked)
        small = self.reduction.labels(numbers, marked)
        inside = {value: name for value, name in names.items() if name not in (*OUTSIDE, BORDER)}
        masks: dict[str, Mask] = {OBJECT: np.isin(small, list(inside)) & known}
        for value, name in inside.items():
            masks[name] = masks.get(name, np.zeros(known.shape, bool)) | ((small == value) & known)
        masks[BACKGROUND] = known & ~masks[OBJECT]
        return Seen(known, masks)

    def whole(self, classes: Sequence[str]) -> Seen:
        return Seen(self.known, dict.fromkeys(classes, self.known))

    def places(self) -> Seen:
        inner = self.inner.shape[0], self.inner.shape[1]
        masks = np.zeros((len(PLACES), *self.inside.shape), bool)
        masks[(slice(None), *self.shown.box)] = place_masks(inner)
        # Of every small pixel more than half of what is picture: half of one is in neither third.
        most = self.reduction.areas(masks) * 2 > self.reduction.areas(self.inside)
        return Seen(self.known, dict(zip(PLACES, most & self.known, strict=True)))
