"""Integrated gradients."""

from collections.abc import Sequence

import numpy as np

from convscope.attributions.base import Attribution
from convscope.attributions.baselines import Baseline, baseline_of
from convscope.attributions.class_scores import ClassScores


class IntegratedGradients:
    """Integrated gradients, `(x - x') * integral_0^1 dS/dx(x' + a (x - x')) da` (Sundararajan et al. 2017, 1703.01365).

    The paper starts images from black; which baseline suits is for the caller to say (see `baselines`).

    The integral is a trapezoid sum. The raw map is (N, H, W, C), in units of the score, and sums up to the difference of the
    scores of image and baseline; what it misses of that is the fact `completeness_gap` (N,), beside `baseline_score` (N,).

    Args:
        scores: the model.
        baseline: x', in model space: one (H, W, C), or a function from a batch (N, H, W, C) to its baselines.
        steps: trapezoids.
    """

    name, signed = "integrated_gradients", True

    def __init__(self, scores: ClassScores, baseline: Baseline, steps: int) -> None:
        self._scores, self._baseline, self._steps = scores, baseline, steps

    def __call__(self, images: np.ndarray, targets: np.ndarray, keys: Sequence[str]) -> Attribution:
        images = np.asarray(images, np.float32)
        start = baseline_of(images, self._baseline)
        difference = images - start
        total = np.zeros(images.shape, np.float64)
        ends = []
        for step in range(self._steps + 1):
            outer = step in (0, self._steps)
            gradient, score = self._scores.gradient(start + np.float32(step / self._steps) * difference, targets)
            total += gradient * (0.5 if outer else 1.0)
            if outer:
                ends.append(score)
        maps = difference * (total / self._steps)
        gap = maps.sum(axis=(1, 2, 3)) - (ends[1].astype(np.float64) - ends[0])
        facts = {"completeness_gap": gap.astype(np.float32), "baseline_score": ends[0].astype(np.float32)}
        return Attribution(maps.astype(np.float32), facts)
