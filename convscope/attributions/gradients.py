"""Attributions that need the plain gradient of the class score alone."""

from collections.abc import Sequence

import numpy as np

from convscope.attributions.base import Attribution, generator
from convscope.attributions.baselines import Baseline, baseline_of
from convscope.attributions.class_scores import ClassScores


class Saliency:
    """The gradient `dS/dx` of the class score (Simonyan et al. 2013, 1312.6034); its heat is `max_c |dS/dx|`.

    The raw map keeps colours and signs: (N, H, W, C), score per unit of model space.
    """

    name, signed = "saliency", False

    def __init__(self, scores: ClassScores) -> None:
        self._scores = scores

    def __call__(self, images: np.ndarray, targets: np.ndarray, keys: Sequence[str]) -> Attribution:
        return Attribution(self._scores.gradient(images, targets)[0])


class InputGradient:
    """Input x gradient, `(x - x') * dS/dx` (Shrikumar et al. 2016, 1605.01713): (N, H, W, C), in units of the score.

    The paper has `x * dS/dx`: a baseline x' of 0 in model space, which is mid-grey for Xception and black for a network that
    rescales by itself. It says so nowhere, and is blind to that colour (see `baselines`); here the baseline is named.

    Args:
        scores: the model.
        baseline: x', in model space, as `named_baseline` gives it.
    """

    name, signed = "input_x_gradient", True

    def __init__(self, scores: ClassScores, baseline: Baseline) -> None:
        self._scores, self._baseline = scores, baseline

    def __call__(self, images: np.ndarray, targets: np.ndarray, keys: Sequence[str]) -> Attribution:
        images = np.asarray(images, np.float32)
        difference = images - baseline_of(images, self._baseline)
        return Attribution(self._scores.gradient(images, targets)[0] * difference)


class SmoothGrad:
    """Mean gradient over noisy copies of the image (Smilkov et al. 2017, 1706.03825).

    The noise is normal with a standard deviation of `noise * (max - min)` of *this* image. The raw map is the signed mean,
    (N, H, W, C); absolute values are taken of it, not of the single gradients, whose noise would then not cancel.

    Args:
        scores: the model.
        samples: copies an image.
        noise: share of the image's range; the paper finds 0.1 to 0.2 best.
        seed: of the noise (see `base.generator`).
    """

    name, signed = "smoothgrad", False

    def __init__(self, scores: ClassScores, samples: int, noise: float, seed: int = 0) -> None:
        self._scores, self._samples, self._noise, self._seed = scores, samples, noise, seed

    def __call__(self, images: np.ndarray, targets: np.ndarray, keys: Sequence[str]) -> Attribution:
        images = np.asarray(images, np.float32)
        flat = images.reshape(len(images), -1)
        sigma = (self._noise * (flat.max(axis=1) - flat.min(axis=1))).astype(np.float32)
        generators = [generator(self._seed, self.name, key) for key in keys]
        total = np.zeros(images.shape, np.float64)
        for _ in range(self._samples):
            noise = np.stack([random.standard_normal(images.shape[1:], np.float32) for random in generators])
            total += self._scores.gradient(images + sigma[:, None, None, None] * noise, targets)[0]
        return Attribution((total / self._samples).astype(np.float32), {"sigma": sigma})
