"""The numbers of an evaluation, whatever the model's outputs are."""

from typing import Any

import numpy as np

from convscope.evaluation.label_metrics import label_metrics
from convscope.evaluation.metrics import metrics
from convscope.evaluation.number_metrics import number_metrics
from convscope.evaluation.rows import Truths
from convscope.evaluation.scores import Scores, whole
from convscope.models.spec import ModelSpec


def numbers_of(spec: ModelSpec, truths: Truths, kept: np.ndarray, scores: Scores) -> dict[str, Any]:
    """Metrics of the pictures whose truth is known.

    Args:
        spec: the model.
        truths: of all pictures.
        kept: which of them were predicted, (n,) int.
        scores: of those, all classes.
    """
    if spec.head == "regression" and truths.numbers is not None:
        truth = truths.numbers[kept]
        known = np.isfinite(truth).all(axis=1)
        return number_metrics(spec.classes, truth[known], whole(scores)[known])
    if spec.head == "multilabel" and truths.many is not None:
        return label_metrics(spec.classes, truths.many[kept], scores)
    labels = truths.labels[kept]
    return metrics(spec, labels[labels >= 0], scores.of(labels >= 0))
