"""The tables of concepts: how a class depends on those that have a name, and those that were found."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from convscope.vectors.examples import Concept
from convscope.vectors.rows import VectorRow
from convscope.vectors.tcav import SURE, TOLD, Tested, holm


def vector_rows(
    layer: str,
    classes: Sequence[tuple[str, int]],
    concepts: Sequence[tuple[Concept, Tested | None]],
) -> list[VectorRow]:
    """The rows of a layer, with nothing adjusted yet.

    Args:
        layer: its name.
        classes: names, and of how many pictures each.
        concepts: with what was found; None where there were too few examples.
    """
    nothing = np.nan
    rows = []
    for number, (name, pictures) in enumerate(classes):
        for concept, tested in concepts:
            values = dict.fromkeys(
                ("sensitivity", "sensitivity_random", "score", "score_random", "p", "p_rank", "p_welch"), nothing
            )
            verdict = "few"
            if tested is not None:
                verdict = "none" if tested.accuracy_p < TOLD else "not_told"
                values = {key: float(getattr(tested, key)[number]) for key in values}
            rows.append(
                VectorRow(
                    layer=layer,
                    class_=name,
                    concept=concept.name,
                    kind=concept.kind,
                    verdict=verdict,
                    accuracy=nothing if tested is None else tested.accuracy,
                    accuracy_random=nothing if tested is None else tested.accuracy_random,
                    accuracy_p=nothing if tested is None else tested.accuracy_p,
                    p_adjusted=nothing,
                    examples=len(concept.windows),
                    pictures=concept.sources,
                    side=concept.share,
                    of_class=pictures,
                    **values,
                )
            )
    return rows


def adjusted(rows: Sequence[VectorRow]) -> list[VectorRow]:
    """The same with p-values adjusted for all of them, and a verdict. A CAV that is not told from random ones is not tested."""
    p = np.array([row.p if row.verdict == "none" else np.nan for row in rows], float)
    found = []
    for row, value in zip(rows, holm(p), strict=True):
        verdict = row.verdict
        if value < SURE:
            verdict = "raises" if row.sensitivity > 0 else "lowers"
        found.append(dataclasses.replace(row, p_adjusted=float(value), verdict=verdict))
    return found
