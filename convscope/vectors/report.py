"""The tables of concepts: how a class depends on those that have a name, and those that were found."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from convscope.vectors.examples import Concept
from convscope.vectors.tcav import SURE, TOLD, Tested, holm


@dataclasses.dataclass(frozen=True)
class VectorRow:
    """A concept with a name, a class and a layer.

    `verdict` is one of `names.VERDICTS`. `examples` of the concept are crops or pictures, of `pictures` pictures, `side` the
    share of a picture's side that a crop has. `accuracy` is the CAV's on held-out examples, `accuracy_random` that of CAVs
    between random sets, and `accuracy_p` whether the former is higher (one-sided). Over `of_class` pictures that the model
    takes for the class: `score` the share whose logit rises towards the concept (TCAV score), `sensitivity` the mean
    derivative, as a share of the gradient, -1 .. 1; and of random concepts the mean `score_random` and the standard deviation
    `sensitivity_random`. `p` is two-sided, adjusted for all tests of the table in `p_adjusted`; `p_rank` and `p_welch` are
    others' tests, see docs/concept_vectors.md.
    """

    layer: str
    class_: str
    concept: str
    kind: str
    verdict: str
    sensitivity: float
    sensitivity_random: float
    score: float
    score_random: float
    accuracy: float
    accuracy_random: float
    accuracy_p: float
    p: float
    p_adjusted: float
    p_rank: float
    p_welch: float
    examples: int
    pictures: int
    side: float
    of_class: int


@dataclasses.dataclass(frozen=True)
class FoundRow:
    """A concept that was found for a class at a layer; `number` 1 is the most important.

    `importance` is the total Sobol index, mean over `asked` pictures, `removed` by how much the logit falls without it. `words` is
    what it looks like: of all mask concepts the one its map is most like, beyond chance; `kind`, `concept`, `iou`, `low`, `high`,
    `chance` are its, as of units. `crops` were taken apart, with the relative `error`; `same` is the share of pictures that are
    taken for the same class with the found concepts alone.
    """

    layer: str
    class_: str
    number: int
    importance: float
    removed: float
    words: str
    kind: str
    concept: str
    iou: float
    low: float
    high: float
    chance: float
    pictures: int
    asked: int
    crops: int
    error: float
    same: float


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
