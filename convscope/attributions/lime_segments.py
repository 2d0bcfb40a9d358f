"""LIME: a linear model of the class probability over segments shown or hidden (Ribeiro, Singh & Guestrin 2016, 1602.04938)."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from convscope.attributions.base import Attribution, generator
from convscope.attributions.batches import BATCH, Predict, in_lab, to_be_cut
from convscope.errors import UserError
from convscope.jobs.job import say

# Float32 answers that differ by less than this share are equal.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class SegmentModel:
    """The local linear model of one image.

    Attributes:
        segments: (H, W) int32, number of each pixel's segment, from 0 without gaps.
        coefficients: (segments,) float32, what showing a segment adds to the probability, against its mean colour; all 0 where nothing
            that is hidden changes it.
        intercept: the model's answer with everything hidden.
        prediction: the model's answer for the whole image; far from the network's own where the model is a poor one.
        fit: weighted R^2 of the model on its samples, at most 1.
    """

    segments: np.ndarray
    coefficients: np.ndarray
    intercept: float
    prediction: float
    fit: float

    def painted(self) -> np.ndarray:
        """Each pixel has its segment's coefficient: (H, W) float32."""
        return self.coefficients[self.segments]


def quickshift_segments(
    picture: np.ndarray, kernel_size: float, max_distance: float, ratio: float, seed: int, colours: bool = True
) -> np.ndarray:
    """Segments of like colour by mode seeking (Vedaldi & Soatto 2008): (H, W, 3) float 0..1 -> (H, W) int32 from 0.

    Args:
        picture: RGB, 0..1; where `colours` is false, bands (H, W, C) on the scale of `batches.to_be_cut`.
        kernel_size: width of the density estimate, pixels.
        max_distance: longest link in the tree, a mixture of pixels and colour; more gives fewer segments.
        ratio: weight of the colour against the place, 0..1.
        seed: breaks ties.
        colours: compare in Lab.
    """
    from skimage.segmentation import quickshift

    labels = quickshift(
        (np.clip(picture, 0, 1) if colours else picture).astype(np.float64),
        kernel_size=kernel_size,
        max_dist=max_distance,
        ratio=ratio,
        rng=seed,
        convert2lab=colours,
    )
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int32)


def segment_model(
    probabilities: Predict,
    picture: np.ndarray,
    segments: np.ndarray,
    target: int,
    samples: int,
    seed: int,
    batch: int = BATCH,
) -> SegmentModel:
    """Fit the local model with the `lime` library: half of the segments hidden at random, cosine distance, ridge.

    Args:
        probabilities: pictures (N, H, W, C) float 0..1 -> (N, classes), two columns or more.
        picture: (H, W, C) float 0..1; a hidden segment shows its mean colour.
        segments: (H, W) int, from 0 without gaps.
        target: the class.
        samples: pictures with hidden segments, the whole one included.
        seed: of the segments hidden.
        batch: pictures a call of `probabilities`.
    """
    from lime.lime_image import LimeImageExplainer

    least, most = np.inf, -np.inf

    def observed(pictures: np.ndarray) -> np.ndarray:
        nonlocal least, most
        found = np.asarray(probabilities(pictures))
        least, most = min(least, float(found[:, target].min())), max(most, float(found[:, target].max()))
        return found

    library = LimeImageExplainer(random_state=seed)
    # Its progress bar would fill the log.
    with contextlib.redirect_stderr(io.StringIO()):
        found = library.explain_instance(
            picture.astype(np.float64),
            observed,
            labels=(target,),
            top_labels=None,
            hide_color=_mean_colours(picture.astype(np.float64), segments),
            num_features=int(segments.max()) + 1,
            num_samples=samples,
            batch_size=batch,
            segmentation_fn=lambda _: segments,
            random_seed=seed,
        )
    coefficients = np.zeros(int(segments.max()) + 1, np.float32)
    # Segments of one colour each: hiding them changes nothing, and a fit to equal answers finds the rounding in them.
    if most - least > _ROUNDING * max(abs(least), abs(most)):
        for segment, value in found.local_exp[target]:
            coefficients[segment] = value
    return SegmentModel(
        segments.astype(np.int32),
        coefficients,
        float(found.intercept[target]),
        float(np.ravel(found.local_pred)[0]),
        float(found.score),
    )


def _mean_colours(picture: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """Each segment in its mean colour: (H, W, C). The library makes this itself of three channels alone."""
    hidden = picture.copy()
    for segment in np.unique(segments):
        inside = segments == segment
        hidden[inside] = [np.mean(picture[inside][:, channel]) for channel in range(picture.shape[2])]
    return hidden


class Lime:
    """LIME as an explainer (see `base.Explainer`): maps (N, H, W), each pixel its segment's coefficient, signed.

    Facts: `segments` (N, H, W) int32; `segment_count`, `intercept`, `local_prediction` and `fit`, each (N,)
    (see `SegmentModel`).

    Args:
        scores: the network, a `class_scores.ClassScores`.
        settings: `samples`, pictures with hidden segments; `kernel_size`, `max_distance`, `ratio`, see
            `quickshift_segments`.
        seed: the study's seed.

    Raises:
        UserError: a setting that makes no sense.
    """

    name = "lime"
    signed = True

    def __init__(self, scores: Any, settings: dict[str, Any], seed: int) -> None:
        self.scores, self.settings, self.seed = scores, settings, seed
        if int(settings["samples"]) < 10:
            raise UserError(f"lime.samples is {settings['samples']}; at least 10, and about 1000 for a steady answer")
        if settings["kernel_size"] <= 0 or settings["max_distance"] <= 0 or not 0 <= settings["ratio"] <= 1:
            raise UserError("lime: kernel_size and max_distance must be above 0 and ratio 0 to 1, such as 4, 200, 0.2")

    def __call__(self, images: np.ndarray, targets: np.ndarray, keys: Sequence[str]) -> Attribution:
        spec = self.scores.spec
        pictures = spec.to_pixels(images) / 255
        models = []
        for picture, cut, target, key in zip(pictures, to_be_cut(images, spec), targets, keys, strict=True):
            # The segments and the samples have a seed each, both of the image alone: another class hides the same.
            seeds = generator(self.seed, self.name, key).integers(2**31, size=2)
            shape = (self.settings["kernel_size"], self.settings["max_distance"], self.settings["ratio"])
            segments = quickshift_segments(cut, *shape, seed=int(seeds[0]), colours=in_lab(spec))
            if segments.max() < 3:
                say(f"lime: {key} has {segments.max() + 1} segments only, which tells little; lower max_distance")
            models.append(
                segment_model(
                    lambda some: self.scores.probabilities(spec.preprocess(some * 255)),
                    picture,
                    segments,
                    int(target),
                    int(self.settings["samples"]),
                    int(seeds[1]),
                )
            )
        size = images.shape[1:3]
        return Attribution(
            np.array([model.painted() for model in models], np.float32).reshape(-1, *size),
            {
                "segments": np.array([model.segments for model in models], np.int32).reshape(-1, *size),
                "segment_count": np.array([len(model.coefficients) for model in models], np.int32),
                "intercept": np.array([model.intercept for model in models], np.float32),
                "local_prediction": np.array([model.prediction for model in models], np.float32),
                "fit": np.array([model.fit for model in models], np.float32),
            },
        )
