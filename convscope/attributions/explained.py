"""What an attribution method says of one batch, with the model's prediction: what every shard and every notebook is made of."""

from collections.abc import Sequence

import numpy as np

from convscope.attributions.base import Explainer, heat
from convscope.attributions.class_scores import ClassScores
from convscope.models.targets import target_classes

# A picture of the whole set for the methods that compare with it: so many images, evenly spread.
_BACKGROUND = 200


def background_places(count: int) -> np.ndarray:
    """Which of a set's `count` images the methods compare with that need a background: (M,) int, at most 200."""
    return np.unique(np.linspace(0, count - 1, min(count, _BACKGROUND)).round().astype(int))


def explained_batch(
    explain: Explainer,
    scores: ClassScores,
    images: np.ndarray,
    keys: Sequence[str],
    labels: np.ndarray,
    wanted: str | int,
) -> dict[str, np.ndarray]:
    """Explain a batch.

    Args:
        explain: the method, ready for the model.
        scores: the model.
        images: (N, H, W, C) float32 in model space.
        keys: the images' ids; what is random in a map comes from them.
        labels: (N,) true classes, -1 unknown.
        wanted: "predicted", "true", "all", a class name or an index.

    Returns:
        `maps` (N, T, H, W) or (N, T, H, W, C) float32, raw, T targets an image; `targets` (N, T) int64; `scores` (N, T) float32,
        their logits; `probabilities` (N, classes) float32; `predicted` (N,) int64; `facts/<name>` (N, T, ...) each.

    Raises:
        UserError: an unknown class, or "true" where a label is unknown.
    """
    spec, logits = scores.spec, scores.logits(images)
    class_scores = spec.class_scores(logits)
    predicted = spec.predicted(class_scores)
    found: dict[str, np.ndarray] = {"probabilities": spec.probabilities(logits), "predicted": predicted}
    targets = target_classes(spec, predicted, labels, wanted, f"attributions.{spec.name}")
    answers = [explain(images, column, keys) for column in targets.T]
    found |= {"maps": np.stack([answer.maps for answer in answers], axis=1), "targets": targets}
    found["scores"] = np.take_along_axis(class_scores, targets, axis=1)
    for name in answers[0].facts:
        found[f"facts/{name}"] = np.stack([answer.facts[name] for answer in answers], axis=1)
    return found


def empty_maps(maps: np.ndarray, signed: bool) -> np.ndarray:
    """Whether a map has no heat at all: (N, T, H, W[, C]) -> (N, T) bool."""
    warm = np.stack([heat(column, signed) for column in np.moveaxis(maps, 1, 0)], axis=1)
    return np.asarray(~warm.any(axis=(2, 3)))
