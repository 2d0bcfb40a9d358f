"""The table of a set's concepts: how much of the pictures each covers."""

from dataclasses import dataclass

import numpy as np

from convscope.concepts.masks import ConceptMasks, pixels


@dataclass(frozen=True)
class ConceptRow:
    """A concept: its share of the pixels that are known for its kind, the pictures that have it, and those of which that is known.

    The share of what is known of no picture is 0.
    """

    name: str
    kind: str
    share: float
    pictures: int
    known: int


def concept_rows(found: ConceptMasks) -> list[ConceptRow]:
    """A row for each concept, in their order, those that are nowhere too."""
    covered, known = pixels(found.masks), pixels(found.known)
    rows = []
    for index, concept in enumerate(found.concepts):
        seen = known[:, found.kinds.index(concept.kind)]
        total = int(seen.sum())
        share = float(covered[:, index].sum() / total) if total else 0.0
        has = int(np.count_nonzero(covered[:, index]))
        rows.append(ConceptRow(concept.name, concept.kind, share, has, int(np.count_nonzero(seen))))
    return rows
