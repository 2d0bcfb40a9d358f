"""Shapley values: KernelSHAP and its hierarchical kin over parts of the image, and expected gradients over its pixels.

Lundberg & Lee 2017 (1705.07874). All explain the logit, and their maps add up to `F(x)` less what the model says without
the image: the fact `additivity_gap` is by how much they fail to. DeepSHAP is in `deep_shap`.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from convscope.attributions.base import Attribution, generator
from convscope.attributions.batches import BATCH, Predict, fill_colour, in_batches, in_lab, score_of, to_be_cut
from convscope.errors import UserError


@contextlib.contextmanager
def numpy_seeded(seed: int) -> Iterator[None]:
    """Seed numpy's global generator, which the `shap` library draws from, and put it back as it was."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def superpixels(picture: np.ndarray, count: int, colours: bool = True) -> np.ndarray:
    """About `count` segments of like size and colour (SLIC, Achanta et al. 2012): (H, W, 3) 0..1 -> (H, W) int32 from 0.

    Of bands (`colours` false) (H, W, C) on the scale of `batches.to_be_cut`.

    Where texture melts into less than half as many, plain squares are taken: a few large parts would explain nothing.
    """
    from skimage.segmentation import slic

    given = (np.clip(picture, 0, 1) if colours else picture).astype(np.float64)
    labels = slic(given, n_segments=count, compactness=10, start_label=0, convert2lab=colours)
    if len(np.unique(labels)) < count / 2:
        height, width = labels.shape
        side = max(round((height * width / count) ** 0.5), 1)
        rows, columns = (np.arange(length) // side for length in (height, width))
        labels = rows[:, None] * (columns[-1] + 1) + columns
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int32)


def kernel_values(
    score: Predict, image: np.ndarray, fill: np.ndarray, segments: np.ndarray, samples: int, seed: int
) -> tuple[np.ndarray, float]:
    """KernelSHAP of the segments, by the `shap` library: weighted least squares over coalitions of visible segments.

    On a linear model the value of a segment is the sum of `w (x - fill)` over it.

    Args:
        score: images (N, H, W, C) -> (N,), the class score, a logit.
        image: (H, W, C) float32 in model space.
        fill: (C,), what a hidden segment shows, in model space.
        segments: (H, W) int, from 0 without gaps.
        samples: coalitions; where there are fewer in all, each is used once and the values are exact.
        seed: of the coalitions drawn.

    Returns:
        The Shapley values, (segments,) float64, and how far their sum misses `F(x) - F(fill)`.
    """
    import shap

    count = int(segments.max()) + 1

    def model(visible: np.ndarray) -> np.ndarray:
        answers = np.empty(len(visible), np.float64)
        for part in in_batches(len(visible)):
            shown = visible[part][:, segments] > 0.5
            answers[part] = score(np.where(shown[..., None], image, fill).astype(np.float32))
        return answers

    ends = model(np.stack([np.zeros(count), np.ones(count)]))
    if count == 1:
        return np.array([ends[1] - ends[0]]), 0.0
    with numpy_seeded(seed):
        library = shap.KernelExplainer(model, np.zeros((1, count)))
        # Its habit of keeping the ten strongest features alone would leave most of an image blank.
        values = library.shap_values(np.ones((1, count)), nsamples=samples, l1_reg=False, silent=True)
    values = np.asarray(values, np.float64).reshape(count)
    return values, float(values.sum() - (ends[1] - ends[0]))


def partition_values(
    score: Predict, image: np.ndarray, fill: np.ndarray, evaluations: int, seed: int
) -> tuple[np.ndarray, float]:
    """Owen values of a hierarchy of rectangles, by the `shap` library: the strongest are halved until the budget is spent.

    Args:
        score: images (N, H, W, C) -> (N,), the class score, a logit.
        image: (H, W, C) float32 in model space.
        fill: (C,), what is hidden shows, in model space.
        evaluations: runs of the network.
        seed: breaks ties.

    Returns:
        (H, W, C) float64, and how far the sum misses `F(x) - F(fill)`.
    """
    import shap

    empty = np.broadcast_to(fill, image.shape).astype(np.float32)
    ends = np.asarray(score(np.stack([empty, image])), np.float64)
    with numpy_seeded(seed):
        masker = shap.maskers.Image(empty, image.shape)
        library = shap.PartitionExplainer(lambda some: np.asarray(score(np.asarray(some, np.float32))), masker)
        found = library(image[None], max_evals=evaluations, batch_size=BATCH, silent=True)
    values = np.asarray(found.values, np.float64).reshape(image.shape)
    return values, float(values.sum() - (ends[1] - ends[0]))


def expected_gradients(
    gradient: Any, image: np.ndarray, background: np.ndarray, samples: int, random: np.random.Generator
) -> tuple[np.ndarray, float]:
    """`E[(x - x') dF/dx(x' + a (x - x'))]` over backgrounds x' and a in U(0, 1): GradientSHAP (Erion et al. 2019, 1906.10670).

    On a linear model the mean over the backgrounds of `w (x - x')`.

    Args:
        gradient: images (N, H, W, C) -> gradients of the class score, the same shape.
        image: (H, W, C) float32 in model space.
        background: (M, H, W, C), images to compare with, in model space.
        samples: gradients averaged.
        random: chooses backgrounds and places between.

    Returns:
        (H, W, C) float64, and the standard error of its sum.
    """
    rows = random.integers(len(background), size=samples)
    places = random.uniform(size=samples).astype(np.float32)
    total = np.zeros(image.shape)
    sums = np.empty(samples)
    for part in in_batches(samples):
        change = image - background[rows[part]]
        points = background[rows[part]] + places[part, None, None, None] * change
        products = np.asarray(gradient(points.astype(np.float32)), np.float64) * change
        total += products.sum(axis=0)
        sums[part] = products.sum(axis=(1, 2, 3))
    return total / samples, float(sums.std(ddof=1) / np.sqrt(samples))


class KernelShap:
    """KernelSHAP as an explainer (see `base.Explainer`): maps (N, H, W), signed.

    A segment's value is spread evenly over its pixels: the map adds up to `F(x) - F(fill)`. Facts: `additivity_gap`,
    `segment_count`, each (N,), and `segments` (N, H, W) int32.

    Args:
        scores: the network, a `class_scores.ClassScores`.
        settings: `samples`, coalitions; `segments`, how many parts; `fill`, colour of what is hidden, RGB 0..255.
        seed: the study's seed.

    Raises:
        UserError: a setting that makes no sense.
    """

    name = "kernel_shap"
    signed = True

    def __init__(self, scores: Any, settings: dict[str, Any], seed: int) -> None:
        self.scores, self.seed = scores, seed
        self.samples, self.segments = int(settings["samples"]), int(settings["segments"])
        if self.segments < 2:
            raise UserError(
                f"kernel_shap.segments is {self.segments}; an image needs 2 parts at least, and 60 show well"
            )
        if self.samples < 2 * self.segments:
            raise UserError(
                f"kernel_shap.samples is {self.samples}, too few for {self.segments} segments; "
                f"use at least {2 * self.segments}"
            )
        self.fill = fill_colour(settings["fill"], scores.spec, "kernel_shap.fill")

    def __call__(self, images: np.ndarray, targets: np.ndarray, keys: Sequence[str]) -> Attribution:
        spec = self.scores.spec
        maps = np.zeros(images.shape[:3], np.float32)
        segments = np.zeros(images.shape[:3], np.int32)
        gaps = np.zeros(len(images), np.float32)
        for row, (image, target, key) in enumerate(zip(images, targets, keys, strict=True)):
            seed = int(generator(self.seed, self.name, key).integers(2**31))
            segments[row] = superpixels(to_be_cut(image[None], spec)[0], self.segments, in_lab(spec))
            score = score_of(self.scores, int(target))
            values, gaps[row] = kernel_values(score, image, self.fill, segments[row], self.samples, seed)
            maps[row] = (values / np.bincount(segments[row].ravel()))[segments[row]]
        counts = segments.reshape(len(images), -1).max(axis=1, initial=0).astype(np.int32) + 1
        return Attribution(maps, {"additivity_gap": gaps, "segment_count": counts, "segments": segments})


class PartitionShap:
    """Owen values as an explainer (see `base.Explainer`): maps (N, H, W, C), signed; fact `additivity_gap` (N,).

    Args:
        scores: the network, a `class_scores.ClassScores`.
        settings: `evaluations`, runs of the network an image; `fill`, colour of what is hidden, RGB 0..255.
        seed: the study's seed.

    Raises:
        UserError: a setting that makes no sense.
    """

    name = "partition_shap"
    signed = True

    def __init__(self, scores: Any, settings: dict[str, Any], seed: int) -> None:
        self.scores, self.seed, self.evaluations = scores, seed, int(settings["evaluations"])
        if self.evaluations < 10:
            raise UserError(f"partition_shap.evaluations is {self.evaluations}; at least 10, and 500 for fine parts")
        self.fill = fill_colour(settings["fill"], scores.spec, "partition_shap.fill")

    def __call__(self, images: np.ndarray, targets: np.ndarray, keys: Sequence[str]) -> Attribution:
        maps = np.zeros(images.shape, np.float32)
        gaps = np.zeros(len(images), np.float32)
        for row, (image, target, key) in enumerate(zip(images, targets, keys, strict=True)):
            seed = int(generator(self.seed, self.name, key).integers(2**31))
            score = score_of(self.scores, int(target))
            maps[row], gaps[row] = partition_values(score, image, self.fill, self.evaluations, seed)
        return Attribution(maps, {"additivity_gap": gaps})


class GradientShap:
    """Expected gradients as an explainer (see `base.Explainer`): maps (N, H, W, C), signed.

    Facts, each (N,): `additivity_gap`, the sum less `F(x)` plus the mean score of the background; `standard_error` of
    that sum, which the gap should not exceed by much.

    Args:
        scores: the network, a `class_scores.ClassScores`.
        settings: `samples`, gradients an image.
        seed: the study's seed.
        background: (M, H, W, C) float32 in model space, pictures to compare with.

    Raises:
        UserError: no background, or a setting that makes no sense.
    """

    name = "gradient_shap"
    signed = True

    def __init__(self, scores: Any, settings: dict[str, Any], seed: int, background: np.ndarray | None) -> None:
        self.scores, self.seed, self.samples = scores, seed, int(settings["samples"])
        if self.samples < 2:
            raise UserError(
                f"gradient_shap.samples is {self.samples}; at least 2, and 200 for a map without much noise"
            )
        self.background = checked_background(background, self.name)
        self._means = scores.spec.class_scores(scores.logits(self.background, BATCH)).astype(np.float64).mean(axis=0)

    def __call__(self, images: np.ndarray, targets: np.ndarray, keys: Sequence[str]) -> Attribution:
        maps = np.zeros(images.shape, np.float32)
        gaps, errors = np.zeros((2, len(images)), np.float32)
        for row, (image, target, key) in enumerate(zip(images, targets, keys, strict=True)):
            maps[row], errors[row] = expected_gradients(
                lambda points, target=target: self.scores.gradient(points, np.full(len(points), target))[0],
                image,
                self.background,
                self.samples,
                generator(self.seed, self.name, key),
            )
            change = score_of(self.scores, int(target))(image[None])[0] - self._means[int(target)]
            gaps[row] = maps[row].sum(dtype=np.float64) - change
        return Attribution(maps, {"additivity_gap": gaps, "standard_error": errors})


def checked_background(background: np.ndarray | None, method: str) -> np.ndarray:
    """The pictures that a method compares with.

    Raises:
        UserError: there are none.
    """
    if background is None or not len(background):
        raise UserError(f"{method} compares with other pictures and the image set has none; use kernel_shap instead")
    return np.asarray(background, np.float32)
