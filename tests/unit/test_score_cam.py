"""Score-CAM: masks, weights and what is skipped, on a network whose scores are known."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from convscope.model_spec import ModelSpec
from convscope.score_cam import ScoreCam

SPEC = ModelSpec(name="sums", input_size=(4, 4), classes=("left", "right"), head="multiclass")


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
