"""Score-CAM: masks, weights and what is skipped, on a network whose scores are known."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from convscope.cams.score_cam import ScoreCam
from convscope.models.spec import ModelSpec

# Mid-grey, which masks hide with, is 0 in model space.
SPEC = ModelSpec(name="sums", input_size=(4, 4), offset=(-127.5,) * 3, classes=("left", "right"), head="multiclass")


def sums(images: Any) -> Any:
    """Class 0 scores the sum of the left half, class 1 that of the right half."""
    left = tf.reduce_sum(images[:, :, :2], axis=(1, 2, 3))
    return tf.stack([left, tf.reduce_sum(images[:, :, 2:], axis=(1, 2, 3))], axis=1)


def two_maps() -> np.ndarray:
    """Feature map 0 answers on the left, 1 on the right, 2 everywhere alike; (1, 2, 2, 3)."""
    maps = np.zeros((1, 2, 2, 3), np.float32)
    maps[0, :, 0, 0], maps[0, :, 1, 1], maps[..., 2] = 5, 7, 3
    return maps


def test_weights_are_the_softmax_of_what_the_masked_images_score() -> None:
    image = np.full((1, 4, 4, 3), 0.1, np.float32)
    found = ScoreCam(sums, SPEC)(image, two_maps(), np.array([[0, 1]]))
    # Doubled with half-pixel centres, [1, 0] is [1, .75, .25, 0]: the left half of the masked image sums to
    # 4 rows x 3 colours x 0.1 x 1.75, the right half to 4 x 3 x 0.1 x 0.25.
    near, far = 12 * 0.1 * 1.75, 12 * 0.1 * 0.25
    large, small = np.exp(near) / (np.exp(near) + np.exp(far)), np.exp(far) / (np.exp(near) + np.exp(far))
    np.testing.assert_allclose(found[0, 0], [[5 * large, 7 * small]] * 2, rtol=1e-5)
    np.testing.assert_allclose(found[0, 1], [[5 * small, 7 * large]] * 2, rtol=1e-5)


def test_constant_maps_are_skipped_and_alone_leave_an_empty_map() -> None:
    image = np.ones((1, 4, 4, 3), np.float32)
    with_constant = ScoreCam(sums, SPEC)(image, two_maps(), np.array([[0]]))
    without = ScoreCam(sums, SPEC)(image, two_maps()[..., :2], np.array([[0]]))
    np.testing.assert_array_equal(with_constant, without)
    assert (ScoreCam(sums, SPEC)(image, two_maps()[..., 2:], np.array([[0]])) == 0).all()


def test_scores_far_beyond_the_range_of_exp() -> None:
    image = np.full((1, 4, 4, 3), 1e3, np.float32)
    found = ScoreCam(sums, SPEC)(image, two_maps(), np.array([[0]]))
    np.testing.assert_allclose(found[0, 0], [[5, 0]] * 2, rtol=1e-5)


def test_the_chosen_maps_are_those_that_vary_most() -> None:
    image = np.full((1, 4, 4, 3), 0.1, np.float32)
    found = ScoreCam(sums, SPEC, channels=1)(image, two_maps(), np.array([[0]]))
    np.testing.assert_allclose(found[0, 0], [[0, 7]] * 2, rtol=1e-6)


def test_what_is_hidden_is_grey_whatever_the_model_space() -> None:
    """The same picture and network in two model spaces: 0..255, where a product with the mask would hide with black, and -1..1."""
    pixels = np.random.default_rng(1).uniform(0, 255, (1, 4, 4, 3)).astype(np.float32)
    found = []
    for scale, offset in ((1.0, 0.0), (1 / 127.5, -1.0)):
        spec = ModelSpec(
            name="sums", input_size=(4, 4), scale=(scale,) * 3, offset=(offset,) * 3, classes=("left", "right"),
            head="multiclass",
        )  # fmt: skip
        # Class 0 speaks for what is dark on the left.
        score = lambda x, scale=scale, offset=offset: -sums((x - offset) / scale) / 300  # noqa: E731
        found.append(ScoreCam(score, spec)(spec.preprocess(pixels), two_maps(), np.array([[0, 1]])))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4)


def test_a_black_object_can_be_hidden() -> None:
    """Class 0 is dark on the left. The map that shows the black left half, and hides it nowhere, has all the weight."""
    spec = ModelSpec(name="sums", input_size=(4, 4), classes=("left", "right"), head="multiclass")
    picture = np.full((1, 4, 4, 3), 255, np.float32)
    picture[:, :, :2] = 0
    found = ScoreCam(lambda x: -sums(x) / 100, spec)(picture, two_maps(), np.array([[0]]))[0, 0]
    np.testing.assert_allclose(found, [[5, 0]] * 2, atol=0.01)


@pytest.mark.parametrize("channels", [15, 16, 17, 33])
def test_batches_of_masks_change_nothing(channels: int) -> None:
    rng = np.random.default_rng(0)
    image = rng.normal(size=(1, 4, 4, 3)).astype(np.float32)
    maps = rng.gamma(1, size=(1, 2, 2, channels)).astype(np.float32)
    together = ScoreCam(sums, SPEC)(image, maps, np.array([[0]]))[0, 0]
    scores = np.array([score_of_mask(image[0], maps[0, ..., k]) for k in range(channels)])
    weights = np.exp(scores - scores.max())
    np.testing.assert_allclose(together, maps[0] @ (weights / weights.sum()), rtol=1e-4)


def score_of_mask(image: np.ndarray, feature_map: np.ndarray) -> float:
    doubling = np.array([[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])
    mask = doubling @ feature_map @ doubling.T
    mask = (mask - mask.min()) / (mask.max() - mask.min())
    return float((image * mask[..., None])[:, :2].sum())
