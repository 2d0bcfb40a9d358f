"""What a unit looks for, in words, and how sure that is."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from convscope.units.results import Dissected

# Below this a label says nothing to the eye (Bau et al. 2017); chance alone decides whether it is one at all.
LEAST_IOU = 0.04
# So much of what fires must lie in a concept, and so much more than by chance, where the two cannot overlap much.
_MOST, _MORE = 0.5, 0.15
# A place in the picture is a thin word: it is said where nothing else can be, of a unit that is there twice as often as by chance.
_PLACE, _PLACE_TIMES = "place", 2.0
_Z99 = 2.576
_LEAST_RATIO = 1.5


@dataclasses.dataclass(frozen=True)
class Label:
    """What lies where a unit fires.

    Attributes:
        kind, concept: of the concept; empty where none is found.
        detects: whether firing places and concept are the same places (IoU); otherwise the former mostly lie in the latter.
        index: its place in the list of concepts; -1.
    """

    kind: str = ""
    concept: str = ""
    detects: bool = False
    index: int = -1


def label_of(found: Dissected, unit: int, names: Sequence[str], kinds: Sequence[str]) -> Label:
    """The concept that a unit detects, or else the one that most of its firing places lie in; an empty label where neither is sure.

    A unit detects the concept of the largest IoU above chance among those whose IoU is at least `LEAST_IOU`, above the 99th
    percentile of chance, with its interval above the mean of chance. Firing places are so small a part of all
    (`answers.SHARE`) that with a concept of an eighth of the pictures or more they cannot have such an IoU: for those it counts where
    the firing places lie. A place in the picture is the last thing that is said.
    """
    if not found.fired[unit]:
        return Label()
    iou, chance = found.iou[unit], found.chance[unit]
    with np.errstate(invalid="ignore"):
        above = (iou > found.chance_high[unit]) & (found.low[unit] > chance)
        detected = above & (iou >= LEAST_IOU)
        inside, by_chance = found.inside[unit], found.inside_chance[unit]
        mostly = above & (inside >= _MOST) & (inside - by_chance >= _MORE)
    if detected.any():
        best = int(np.argmax(np.where(detected, iou - chance, -np.inf)))
        return Label(kinds[best], names[best], True, best)
    thin = np.array([kind == _PLACE for kind in kinds])
    if not (mostly & ~thin).any():
        mostly &= inside >= _PLACE_TIMES * by_chance
    else:
        mostly &= ~thin
    if mostly.any():
        best = int(np.argmax(np.where(mostly, inside - by_chance, -np.inf)))
        return Label(kinds[best], names[best], False, best)
    return Label()


@dataclasses.dataclass(frozen=True)
class ByClass:
    """How often a unit fires by class.

    Attributes:
        rates: share of the pictures of each class in which it fires somewhere.
        favourite: the class of the highest rate; empty where the others' is not surely lower.
        ratio: its rate to that of all other pictures; infinite where those never fire.
        selectivity: (best - rest) / (best + rest) of the mean answers, the rest all other classes' mean (Morcos et al. 2018,
            1803.06959); 0 none, 1 of one class alone; NaN without classes, or where the two cancel.
    """

    rates: dict[str, float]
    favourite: str
    ratio: float
    selectivity: float


class Classes:
    """Which pictures are of which class, found once for all units.

    Args:
        classes: of each picture; "" where it is not known.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.names = sorted(set(classes) - {""})
        number = {name: place for place, name in enumerate(self.names)}
        every = np.array([number.get(name, -1) for name in classes], np.int64)
        # The pictures in the order of their classes: those of one class lie side by side.
        self._pictures = np.argsort(every, kind="stable")[int((every < 0).sum()) :]
        self.sizes = np.bincount(every[every >= 0], minlength=len(self.names))
        self._starts = np.cumsum(self.sizes) - self.sizes

    def sums(self, values: np.ndarray) -> np.ndarray:
        """The sum over the pictures of each class: (N,) -> (classes,) float64."""
        if not self.names:
            return np.zeros(0)
        return np.asarray(np.add.reduceat(values[self._pictures], self._starts, dtype=np.float64))


def by_class(maximum: np.ndarray, threshold: float, classes: Sequence[str] | Classes) -> ByClass:
    """How often and how strongly a unit answers by class.

    A favourite is one only where the interval of 99 % of the ratio of the two rates (Katz et al. 1978; a half is added to each count)
    lies above 1 and the ratio is 1.5 at least.

    Args:
        maximum: (N,), the largest answer to each picture.
        threshold: from which answer on it fires.
        classes: of each picture; "" where it is not known.
    """
    known = classes if isinstance(classes, Classes) else Classes(classes)
    names, sizes = known.names, known.sizes
    firing = known.sums(maximum >= threshold)
    shares = firing / sizes
    rates = dict(zip(names, shares.tolist(), strict=True))
    if len(names) < 2:
        return ByClass(rates, "", math.nan, math.nan)
    at = int(np.argmax(shares))
    best, yes, of = names[at], int(firing[at]), int(sizes[at])
    no, rest = int(firing.sum()) - yes, int(sizes.sum()) - of
    ratio = (yes / of) / (no / rest) if no else math.inf if yes else math.nan
    smooth = math.log((yes + 0.5) / (of + 0.5)) - math.log((no + 0.5) / (rest + 0.5))
    spread = math.sqrt(max(1 / (yes + 0.5) - 1 / (of + 0.5) + 1 / (no + 0.5) - 1 / (rest + 0.5), 0))
    sure = smooth - _Z99 * spread > 0 and ratio >= _LEAST_RATIO
    means = known.sums(np.maximum(maximum, 0)) / sizes
    top = int(np.argmax(means))
    highest, others = float(means[top]), float(np.delete(means, top).mean())
    total = highest + others
    return ByClass(rates, best if sure else "", ratio, (highest - others) / total if total else math.nan)


def sentence(label: Label, found: Dissected, unit: int, classes: ByClass, weak: bool) -> str:
    """What a unit looks for, as a person says it."""
    if not found.fired[unit]:
        return "never fires on these pictures"
    parts = []
    if label.detects:
        parts.append(
            f"{label.concept} (IoU {found.iou[unit, label.index]:.2f}, chance {found.chance[unit, label.index]:.2f})"
        )
    elif label.concept:
        share, chance = found.inside[unit, label.index], found.inside_chance[unit, label.index]
        parts.append(f"mostly {_where(label)} ({share:.0%} of its places, chance {chance:.0%})")
    else:
        parts.append("nothing that has a name here")
    if classes.favourite and label.kind != "class":
        parts.append(f"fires on {classes.favourite} {_times(classes.ratio)}")
    if weak:
        parts.append("its weights hardly say anything")
    return "; ".join(parts)


def _where(label: Label) -> str:
    where = {"class": "in pictures of {}", "place": "at the {} of the picture", "part": "on {}"}
    return where.get(label.kind, "{}").format(label.concept)


def _times(ratio: float) -> str:
    if math.isinf(ratio):
        return "alone"
    return f"{ratio:.0f} times as often" if ratio >= 2 else f"{ratio:.1f} times as often"
