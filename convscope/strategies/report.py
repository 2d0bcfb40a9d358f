"""The kinds of reasons of a model on an image set by one method: tables, in words and in numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convscope.strategies.apart import LEVEL
from convscope.strategies.kinds import FLOOR, LEAST, Kinds, kinds
from convscope.strategies.layout import layout
from convscope.strategies.places import TELLS, Inside, Share, in_words, lies_on, warnings_of

NEAREST = 9  # pictures shown of each kind
# Maps of all classes together that t-SNE lays out (ten seconds), and of each at least.
_LAID_OUT, _LEAST_LAID_OUT = 2000, 150
# A gap of eigenvalues that is told of though no kinds are told apart, and the maps of which; of fewer it comes by chance.
_WIDE_GAP, _HINTS = 8.0, 60


@dataclass(frozen=True)
class KindRow:
    """A kind of reasons.

    `explained` is the class whose maps these are, `kind` counts from 1 for the largest. `pictures` are in it, of `of` of the class;
    `mistakes` of them are answered wrongly (empty where the truth is unknown). `classes` are their true classes, `lies_on` is
    what the heat lies on, `warning` what looks like a wrong reason. `chance` is the p-value of the class having one kind of
    reasons alone, `central` are the ids of the pictures nearest to the mean.
    """

    explained: str
    kind: int
    pictures: int
    of: int
    mistakes: str
    classes: str
    lies_on: str
    warning: str
    chance: float
    central: str


@dataclass(frozen=True)
class Group:
    """A kind with its numbers: `members` and `central` are rows of the image set, `mean` is its mean map (h, w)."""

    row: KindRow
    members: NDArray[np.int64]
    central: NDArray[np.int64]
    mean: NDArray[np.float32]
    shares: tuple[Share, ...]


@dataclass(frozen=True)
class ClassKinds:
    """What was found of a class: `words` say it; `eigenvalues`, `chance` and `gap` as in `kinds.Kinds`; `empty` maps had no heat."""

    name: str
    pictures: int
    empty: int
    words: str
    chance: float
    gap: int
    eigenvalues: NDArray[np.float64]
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Strategies:
    """What was found of an image set.

    Attributes:
        classes: those that are explained, in the order of the model.
        kind: (N,) int32, each picture's kind, from 1; 0 of a map without heat.
        explained: (N,) int32, the place in `classes` of each picture.
        places: (N, 2) float32, where each lies on the map of its class, 0..1; NaN without heat.
    """

    classes: tuple[ClassKinds, ...]
    kind: NDArray[np.int32]
    explained: NDArray[np.int32]
    places: NDArray[np.float32]

    @property
    def rows(self) -> list[KindRow]:
        """The table."""
        return [group.row for found in self.classes for group in found.groups]


def strategies(
    grids: np.ndarray,
    classes: NDArray[np.int64],
    names: Sequence[str],
    truths: Sequence[str],
    wrong: Sequence[bool | None],
    ids: Sequence[str],
    found: Inside | None,
    most: int,
    seed: int,
) -> Strategies:
    """Put the maps of every class together by likeness.

    Args:
        grids: (N, h, w) float32, each of sum 1 or 0.
        classes: (N,) which class each map speaks for; -1 for none.
        names: of the classes.
        truths: the true class of each picture, "" where unknown.
        wrong: whether each is answered wrongly; None where unknown.
        ids: of the pictures.
        found: heat on concepts.
        most: how many kinds a class may have.
        seed: of the study, for the map of pictures.
    """
    kind, explained = np.zeros(len(grids), np.int32), np.zeros(len(grids), np.int32)
    places = np.full((len(grids), 2), np.nan, np.float32)
    told: list[ClassKinds] = []
    for number in np.unique(classes).tolist():
        of_class = np.flatnonzero(classes == number)
        explained[of_class] = len(told)
        there = of_class[grids[of_class].any(axis=(1, 2))]
        points = grids[there].reshape(len(there), grids[0].size)
        parted = kinds(points, most)
        kind[there] = parted.labels + 1
        places[there] = layout(points, seed, max(_LEAST_LAID_OUT, _LAID_OUT * len(there) // len(grids)))
        name = names[number] if 0 <= number < len(names) else "any class"
        groups = []
        for place, central in enumerate(parted.central):
            members, others = there[parted.labels == place], there[parted.labels != place]
            nearest = there[central[:NEAREST]]
            shares = tuple(lies_on(found, members, others)) if found else ()
            answered = [wrong[k] for k in members]
            row = KindRow(
                explained=name,
                kind=place + 1,
                pictures=len(members),
                of=len(there),
                mistakes="" if None in answered else str(sum(map(bool, answered))),
                classes=_counted([truths[k] for k in members]),
                lies_on=in_words(shares) if found and len(members) >= TELLS else "",
                warning="; ".join(warnings_of(found, grids, members)),
                chance=float(f"{parted.chance:.3g}"),
                central=" ".join(ids[k] for k in nearest[:3]),
            )
            groups.append(Group(row, members, nearest, grids[members].mean(axis=0), shares))
        told.append(
            ClassKinds(
                name=name,
                pictures=len(of_class),
                empty=len(of_class) - len(there),
                words=_words(name, len(there), parted),
                chance=parted.chance,
                gap=parted.gap,
                eigenvalues=parted.eigenvalues,
                groups=tuple(groups),
            )
        )
    return Strategies(tuple(told), kind, explained, places)


def _words(name: str, count: int, found: Kinds) -> str:
    if math.isnan(found.chance):
        return f"too few maps of {name} to tell kinds of reasons: {count}, and {LEAST} are needed"
    if found.count == 1:
        hint = (
            f"; they nearly fall into {found.gap} parts, and more pictures may decide" if _nearly(count, found) else ""
        )
        return f"no kinds of reasons can be told apart in {count} maps of {name} (p = {found.chance:.2g}, {LEVEL} is needed){hint}"
    return f"{found.count} kinds of reasons in {count} maps of {name} (p = {found.chance:.2g})"


def _nearly(count: int, found: Kinds) -> bool:
    """Whether the graph nearly falls apart: the eigenvalues of maps strung on a line rise by a factor of four at most."""
    if count < _HINTS or found.gap < 2:
        return False
    below, above = found.eigenvalues[found.gap - 1 : found.gap + 1]
    return bool(above >= _WIDE_GAP * max(below, FLOOR))


def _counted(truths: Sequence[str]) -> str:
    counts: dict[str, int] = {}
    for truth in truths:
        counts[truth] = counts.get(truth, 0) + 1
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    return ", ".join(f"{name or 'unknown'} {count}" for name, count in ordered[:5]) + (
        f", {len(ordered) - 5} more" if len(ordered) > 5 else ""
    )
