"""The table of a model's units: a row each, in words and in numbers."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from convscope.units.results import Dissected, LayerAnswers
from convscope.units.words import ByClass, Classes, by_class, label_of, sentence


@dataclasses.dataclass(frozen=True)
class UnitRow:
    """A unit.

    `words` is what it looks for. `detects`: "concept" where firing places and a concept are the same (IoU), "mostly" where the
    former lie in it, or empty; `kind`, `concept` are its, `iou` ... `inside_chance` those numbers of it, as in
    `overlaps.Dissected`. `fires` is the share of pictures in which it fires, `fired` of places. `favourite` and `ratio` are of the
    class on which it fires most often, `selectivity` of answers by class. `strength` is that of its weights, relative to the
    layer's median.
    """

    layer: str
    unit: int
    words: str
    detects: str
    kind: str
    concept: str
    iou: float
    low: float
    high: float
    chance: float
    inside: float
    inside_chance: float
    fires: float
    fired: float
    threshold: float
    strongest: float
    favourite: str
    ratio: float
    selectivity: float
    strength: float


@dataclasses.dataclass(frozen=True)
class Concepts:
    """The names and kinds of the concepts, in the order of the numbers."""

    names: Sequence[str]
    kinds: Sequence[str]


def unit_rows(
    layer: str,
    answers: LayerAnswers,
    found: Dissected,
    concepts: Concepts,
    classes: Sequence[str],
    strength: np.ndarray,
    weak: float,
) -> Iterator[tuple[UnitRow, ByClass]]:
    """The rows of a layer's units, and how often each fires by class.

    Args:
        layer: its name.
        answers, found: what was found of it.
        concepts: their names.
        classes: of each picture, "" where it is not known.
        strength: (C,) of the weights.
        weak: below which strength a unit is said to be weak.
    """
    known = Classes(classes)
    for unit in range(len(found.fired)):
        label = label_of(found, unit, concepts.names, concepts.kinds)
        maximum, threshold = answers.maximum[:, unit], float(answers.threshold[unit])
        each = by_class(maximum, threshold, known)
        numbers = {
            name: float(getattr(found, name)[unit, label.index]) if label.index >= 0 else np.nan
            for name in ("iou", "low", "high", "chance", "inside", "inside_chance")
        }
        row = UnitRow(
            layer=layer,
            unit=unit,
            words=sentence(label, found, unit, each, bool(strength[unit] < weak)),
            detects="" if label.index < 0 else "concept" if label.detects else "mostly",
            kind=label.kind,
            concept=label.concept,
            fires=float((maximum >= threshold).mean()) if len(maximum) else 0.0,
            fired=float(found.fired[unit]),
            threshold=threshold,
            strongest=float(maximum.max(initial=-np.inf)),
            favourite=each.favourite,
            ratio=each.ratio,
            selectivity=each.selectivity,
            strength=float(strength[unit]),
            **numbers,
        )
        yield row, each


@dataclasses.dataclass(frozen=True)
class LayerCount:
    """How many units of a layer detect what: `units` in all, `detectors` of a concept and how many different ones they detect."""

    layer: str
    units: int
    dead: int
    detectors: int
    concepts: int
    mostly: int
    by_kind: dict[str, int]


def count_layers(rows: Sequence[UnitRow]) -> list[LayerCount]:
    """How many units of each layer detect what, in the order of the rows."""
    found = []
    for layer in dict.fromkeys(row.layer for row in rows):
        of_layer = [row for row in rows if row.layer == layer]
        detectors = [row for row in of_layer if row.detects == "concept"]
        kinds: dict[str, int] = {}
        for row in detectors:
            kinds[row.kind] = kinds.get(row.kind, 0) + 1
        found.append(
            LayerCount(
                layer,
                len(of_layer),
                sum(row.fired == 0 for row in of_layer),
                len(detectors),
                len({(row.kind, row.concept) for row in detectors}),
                sum(row.detects == "mostly" for row in of_layer),
                kinds,
            )
        )
    return found
