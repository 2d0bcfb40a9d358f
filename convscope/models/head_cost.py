"""What the head that CAM needs costs in accuracy: two heads on the same frozen features, on the same pictures. No TensorFlow here."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from convscope.models.spec import FloatArray


@dataclasses.dataclass(frozen=True)
class HeadRow:
    """How good a head is on a split.

    Attributes:
        split: of the dataset.
        head: "gap", "dense", or "fine-tuned" (the model's own, with what was fine-tuned below it).
        parameters: of the head, or of all that was trained in fine-tuning.
        images: pictures of the split.
        right: how many it is right on.
        accuracy: share of them, 0..1.
        loss: mean of -log of the probability of the true class.
        alone_right: of gap and dense, pictures that this head alone is right on.
        p: how often chance alone parts two equally good heads so far (`mcnemar`); the same of both.
    """

    split: str
    head: str
    parameters: int
    images: int
    right: int
    accuracy: float
    loss: float
    alone_right: int | None = None
    p: float | None = None


def mcnemar(only_first: int, only_second: int) -> float:
    """Probability that two equally good classifiers differ as far as these, on the same pictures, by chance; exact, two-sided.

    Q. McNemar, Note on the sampling error of the difference between correlated proportions, Psychometrika 12 (1947): of the pictures
    that one alone is right on, each belongs to either with probability 1/2.

    Args:
        only_first: pictures that the first alone is right on.
        only_second: those that the second alone is.
    """
    from scipy.stats import binomtest

    both = only_first + only_second
    return float(binomtest(only_first, both).pvalue) if both else 1.0


def head_rows(
    split: str, labels: np.ndarray, probabilities: Mapping[str, FloatArray], parameters: Mapping[str, int]
) -> list[HeadRow]:
    """A row for each head.

    Args:
        split: of the dataset.
        labels: (N,) class indices, N at least 1.
        probabilities: of each head, (N, classes).
        parameters: of each head.
    """
    right = {head: shares.argmax(axis=1) == labels for head, shares in probabilities.items()}
    alone = {
        one: int((right[one] & ~right[other]).sum())
        for one, other in (("gap", "dense"), ("dense", "gap"))
        if {"gap", "dense"} <= right.keys()
    }
    p = mcnemar(alone["gap"], alone["dense"]) if alone else None
    rows = []
    for head, shares in probabilities.items():
        true = np.take_along_axis(np.asarray(shares, np.float64), labels[:, None], axis=1)
        count = int(right[head].sum())
        loss = float(-np.log(np.maximum(true, np.finfo(np.float32).tiny)).mean())
        paired = (alone[head], p) if head in alone else (None, None)
        rows.append(HeadRow(split, head, parameters[head], len(labels), count, count / len(labels), loss, *paired))
    return rows
