"""The concepts of a whole image set: which there are, and their masks, picture by picture."""

from collections.abc import Iterable, Sequence

import numpy as np

from convscope.concepts.masks import Concept, ConceptMasks, packed, words_of
from convscope.concepts.names import (
    BACKGROUND,
    COLOURS,
    FREQUENCIES,
    KINDS,
    NEUTRAL,
    OBJECT,
    ORIENTATIONS,
    PLACES,
    TEXTURES,
)
from convscope.concepts.picture import Seen
from convscope.data.regions import BORDER, OUTSIDE


def concepts_of(
    kinds: Sequence[str],
    classes: Sequence[str] = (),
    part_names: Sequence[str] = (),
    masked: bool = True,
    coloured: bool = True,
) -> tuple[Concept, ...]:
    """The concepts that are looked for, in the order of their kinds.

    Args:
        kinds: of `names.KINDS`.
        classes: what the pictures show; none: there is no concept of the kind.
        part_names: names of the part masks' numbers.
        masked: whether any picture has a part mask; otherwise there is no concept of the kind.
        coloured: False of a network that is shown shades of grey: black, grey and white alone.
    """
    parts = [name for name in part_names[1:] if name not in (*OUTSIDE, BORDER)]
    names = {
        "part": (OBJECT, BACKGROUND, *parts) if masked else (),
        "class": tuple(classes),
        "place": PLACES,
        "colour": COLOURS if coloured else NEUTRAL,
        "orientation": ORIENTATIONS,
        "frequency": FREQUENCIES,
        "texture": TEXTURES,
    }
    return tuple(Concept(name, kind) for kind in KINDS if kind in kinds for name in dict.fromkeys(names[kind]))


def gathered(
    concepts: Sequence[Concept], pictures: Iterable[dict[str, Seen]], count: int, size: tuple[int, int]
) -> ConceptMasks:
    """The masks of a set's pictures.

    Args:
        concepts: of `concepts_of`.
        pictures: what `picture.seen_in` found in each, in order.
        count: how many they are.
        size: (height, width) of the masks.

    Raises:
        ValueError: there are more or fewer pictures, or one holds something that is no concept of these.
    """
    kinds = tuple(kind for kind in KINDS if any(concept.kind == kind for concept in concepts))
    words = words_of(size)
    masks = np.zeros((count, len(concepts), words), np.uint64)
    known = np.zeros((count, len(kinds), words), np.uint64)
    place = {concept: index for index, concept in enumerate(concepts)}
    done = 0
    for done, seen in enumerate(pictures, start=1):
        if done > count:
            break
        for group, kind in enumerate(kinds):
            known[done - 1, group] = packed(seen[kind].known)
            for name, mask in seen[kind].masks.items():
                if (index := place.get(Concept(name, kind))) is not None:
                    masks[done - 1, index] = packed(mask)
                elif mask.any():
                    raise ValueError(f"'{name}' is no {kind} that is looked for")
    if done != count:
        raise ValueError(f"{count} pictures were announced, and there are {'more' if done > count else done}")
    return ConceptMasks(tuple(concepts), size, masks, known, kinds)
