"""Integrated gradients, and the baselines they start from."""

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageFilter

from convscope.attributions.base import Attribution
from convscope.attributions.class_scores import ClassScores
from convscope.errors import UserError, nearest
from convscope.model_spec import ModelSpec

Baseline = np.ndarray | Callable[[np.ndarray], np.ndarray]
BASELINES = ("black", "grey", "blurred", "mean")


def named_baseline(name: str, spec: ModelSpec, background: np.ndarray | None = None, blur: float = 10.0) -> Baseline:
    """A baseline that is given in image space, brought to model space: black is -1 there for Xception, and 0 is mid-grey.

    Args:
        name: "black", "grey" (127.5), "blurred" (the image itself without detail) or "mean" (of the image set).
        spec: its preprocessing.
        background: (M, H, W, 3) in model space, the images of the set; for "mean".
        blur: standard deviation of the Gaussian in pixels; for "blurred".

    Raises:
        UserError: unknown name, or "mean" without images.
    """
    if name == "black":
        return spec.preprocess(np.zeros((1, 1, 1, 3)))
    if name == "grey":
        return spec.preprocess(np.full((1, 1, 1, 3), 127.5))
    if name == "blurred":
        return lambda images: _blurred(images, spec, blur)
    if name == "mean":
        if background is None or not len(background):
            raise UserError(
                "integrated_gradients: baseline 'mean' needs the images of a set; use black, grey or blurred"
            )
        return background.mean(axis=0, keepdims=True, dtype=np.float64).astype(np.float32)
    raise UserError(f"integrated_gradients: baseline '{name}' does not exist; {nearest(name, BASELINES)}")


def _blurred(images: np.ndarray, spec: ModelSpec, sigma: float) -> np.ndarray:
    filter = ImageFilter.GaussianBlur(sigma)
    pixels = np.clip(np.rint(spec.to_pixels(images)), 0, 255).astype(np.uint8)
    return spec.preprocess(np.stack([np.asarray(Image.fromarray(picture).filter(filter)) for picture in pixels]))


class IntegratedGradients:
    """Integrated gradients, `(x - x') * integral_0^1 dS/dx(x' + a (x - x')) da` (Sundararajan et al. 2017, 1703.01365).

    The integral is a trapezoid sum. The raw map is (N, H, W, C), in units of the score, and sums up to the difference of the
    scores of image and baseline; what it misses of that is the fact `completeness_gap` (N,), beside `baseline_score` (N,).

    Args:
        scores: the model.
        baseline: x', in model space: one (H, W, C), or a function from a batch (N, H, W, C) to its baselines.
        steps: trapezoids.
    """

    name, signed = "integrated_gradients", True

    def __init__(self, scores: ClassScores, baseline: Baseline, steps: int = 50) -> None:
        self._scores, self._baseline, self._steps = scores, baseline, steps

    def __call__(self, images: np.ndarray, targets: np.ndarray, keys: Sequence[str]) -> Attribution:
        images = np.asarray(images, np.float32)
        given = self._baseline(images) if callable(self._baseline) else self._baseline
        start = np.broadcast_to(np.asarray(given, np.float32), images.shape)
        difference = images - start
        total = np.zeros(images.shape, np.float64)
        ends = []
        for step in range(self._steps + 1):
            outer = step in (0, self._steps)
            gradient, score = self._scores.gradient(start + np.float32(step / self._steps) * difference, targets)
            total += gradient.numpy() * (0.5 if outer else 1.0)
            if outer:
                ends.append(score.numpy())
        maps = difference * (total / self._steps)
        gap = maps.sum(axis=(1, 2, 3)) - (ends[1].astype(np.float64) - ends[0])
        facts = {"completeness_gap": gap.astype(np.float32), "baseline_score": ends[0].astype(np.float32)}
        return Attribution(maps.astype(np.float32), facts)
