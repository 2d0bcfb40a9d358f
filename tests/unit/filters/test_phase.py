"""Images of natural magnitudes, of which the phases alone are free."""

import numpy as np
import pytest
import tensorflow as tf

from convscope.filters.parameterisations import Phase, filter_generator
from convscope.filters.presets import settings_from, without_effect


def planes(image: Phase, variables: np.ndarray, size: int) -> np.ndarray:
    """What is before the mixing of colours and the sigmoid: (N, C, size, size)."""
    held: list[np.ndarray] = []
    image._mixed = lambda values, side: held.append(np.asarray(values)) or values  # type: ignore[func-returns-value,assignment]
    image.images(variables, size)
    return held[0]


@pytest.mark.parametrize("size", [16, 32])
def test_magnitudes_are_one_over_the_frequency_whatever_the_variables_are(size: int) -> None:
    image = Phase()
    rng = np.random.default_rng(0)
    variables = rng.normal(0, 7, (2, 3, size, size // 2 + 1, 2)).astype(np.float32)
    found = planes(image, variables, size)
    np.testing.assert_allclose(found.std(axis=(2, 3)), 1, rtol=1e-4)
    np.testing.assert_allclose(found.mean(axis=(2, 3)), 0, atol=1e-5)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None])
    frequency[0, 0] = 1
    times = np.abs(np.fft.fft2(found)) * frequency
    times[:, :, 0, 0] = times[:, :, 0, 1]
    np.testing.assert_allclose(times / times[:, :, :1, 1:2], 1, rtol=1e-3)


def test_longer_pairs_are_the_same_picture_and_a_step_along_one_changes_nothing() -> None:
    image, size = Phase(), 16
    start = image.begin([filter_generator(1, "conv", channel) for channel in (0, 1)], size)
    assert start.shape == (2, 3, 16, 9, 2) and not np.allclose(start[0], start[1])
    shown = image.images(start, size)
    assert shown.shape == (2, 16, 16, 3) and float(np.abs(shown).max()) < 1
    np.testing.assert_allclose(image.images(3 * start, size), shown, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(image.held(3 * start, size), axis=-1), 1, rtol=1e-5)
    with tf.GradientTape() as tape:
        variables = tf.constant(start)
        tape.watch(variables)
        value = tf.reduce_sum(image.images(variables, size)[:, 3:7, 2:9])
    gradient = tape.gradient(value, variables).numpy()
    inner = gradient[:, :, :, 1:-1]
    assert np.abs(gradient).max() > 0
    assert np.abs((inner * start[:, :, :, 1:-1]).sum(axis=-1)).max() < 1e-3 * np.abs(gradient).max()


@pytest.mark.parametrize(("size", "larger"), [(16, 24), (15, 32)])
def test_a_larger_picture_has_the_same_coarse_phases(size: int, larger: int) -> None:
    image = Phase()
    start = image.begin([filter_generator(1, "conv", 0)], size)
    grown = np.asarray(image.grow(start, size, larger))
    assert grown.shape == (1, 3, larger, larger // 2 + 1, 2)
    np.testing.assert_allclose(np.linalg.norm(grown, axis=-1), 1, rtol=1e-5)
    np.testing.assert_allclose(grown[:, :, :4, :4], start[:, :, :4, :4], atol=1e-6)
    np.testing.assert_allclose(grown[:, :, -3:, :4], start[:, :, -3:, :4], atol=1e-6)


def test_phases_have_no_contrast_to_hold() -> None:
    config = {"preset": "sharp", "parameterisation": "phase"}
    assert settings_from(config).parameterisation == "phase"
    assert "coarse_contrast" in without_effect(config) and "rate" not in without_effect(config)
