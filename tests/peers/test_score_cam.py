"""Score-CAM (1910.01279): `ReLU(sum_k alpha_k A_k)`, `alpha = softmax_k(f_c(x * H_k) - f_c(baseline))`."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from scipy import ndimage
from tf_keras_vis import scorecam
from tf_keras_vis.utils.scores import CategoricalScore

from convscope.cams.mapper import ClassMapper
from tests.peers.figures import Figures
from tests.peers.networks import SPEC, Pair

LAYER = "relu2"


def half_pixel_zoom(values: Any, factor: Any, order: int, **_: Any) -> np.ndarray:
    """Bilinear with half-pixel centres, where tf-keras-vis's own call of `zoom` aligns the corners."""
    return ndimage.zoom(np.asarray(values), factor, order=order, mode="nearest", grid_mode=True)


def theirs_of(network: keras.Model, score: Callable[[Any], Any], images: np.ndarray) -> np.ndarray:
    return np.asarray(
        scorecam.Scorecam(network)(
            score, images, penultimate_layer=LAYER, seek_penultimate_conv_layer=False, expand_cam=False,
            normalize_cam=False,
        )
    )  # fmt: skip


def largest_is_one(maps: np.ndarray) -> np.ndarray:
    return maps / maps.max(axis=(1, 2), keepdims=True)


def test_with_the_paper_s_softmax_over_the_channels(
    net: Pair, images: np.ndarray, targets: np.ndarray, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """tf-keras-vis weighs a channel with `score(softmax(outputs))`. Of the outputs [z, 0] the softmax is [p, 1 - p], and
    `p / (1 - p) = exp(z)`: the paper's softmax over the channels, but for the factor that makes it add up to 1.
    """
    monkeypatch.setattr(scorecam, "zoom", half_pixel_zoom)
    ours = ClassMapper(net.keras, SPEC, LAYER, ["score_cam"])(images, targets, "true").maps["score_cam"][:, 0]
    for row, target in enumerate(targets):
        z = net.keras.output[:, target : target + 1]
        two = keras.Model(net.keras.input, ops.concatenate([z, ops.zeros_like(z)], axis=1))
        theirs = theirs_of(two, lambda p: p[:, 0] / p[:, 1], images[row : row + 1])
        figures.agree("Score-CAM", "tf-keras-vis", largest_is_one(ours[row : row + 1]), largest_is_one(theirs), 1e-4)


def test_tf_keras_vis_takes_the_softmax_over_the_classes(
    flat: Pair, images: np.ndarray, targets: np.ndarray, figures: Figures
) -> None:
    """As it is called, a channel's weight is the probability of the class, `softmax_c(f(x * H_k))`, in place of
    `softmax_k`: the weights are nearly equal where the paper's lie far apart. Its masks are corner-aligned besides.
    """
    ours = ClassMapper(flat.keras, SPEC, LAYER, ["score_cam"])(images, targets, "true").maps["score_cam"][:, 0]
    theirs = theirs_of(flat.keras, CategoricalScore(targets.tolist()), images)
    figures.differ("Score-CAM, default", "tf-keras-vis", largest_is_one(ours), largest_is_one(theirs), 0.002)
    # Its weights, from what its own map is: probabilities of the masked images, a channel each.
    maps = keras.Model(flat.keras.input, flat.keras.get_layer(LAYER).output)(images[:1]).numpy()[0]
    large = ndimage.zoom(maps, (32 / 14, 32 / 14, 1), order=1, mode="nearest")
    large = (large - large.min(axis=(0, 1))) / (large.max(axis=(0, 1)) - large.min(axis=(0, 1)) + 1e-7)
    masked = np.stack([images[0] * large[..., channel, None] for channel in range(large.shape[-1])])
    weights = flat.scores.probabilities(masked.astype(np.float32))[:, targets[0]]
    figures.agree("Score-CAM, class softmax", "tf-keras-vis", maps @ weights, theirs[0], 1e-4)
