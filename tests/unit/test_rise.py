"""RISE: the masks, the estimator, its standard error, and that an image's map is its own."""

import keras
import numpy as np
import pytest

from convscope.attributions.registry import explainer
from convscope.attributions.rise import random_masks, rise_map
from convscope.errors import UserError
from convscope.model_spec import ModelSpec


def masks_of(seed: int, count: int, size: tuple[int, int] = (24, 32), batch: int = 32, grid: int = 4) -> np.ndarray:
    return np.concatenate(list(random_masks(np.random.default_rng(seed), count, size, grid, 0.5, batch)))


def test_masks_are_smooth_and_show_every_pixel_as_often() -> None:
    masks = masks_of(0, 4000)
    assert masks.shape == (4000, 24, 32) and masks.dtype == np.float32
    assert masks.min() >= 0 and masks.max() <= 1
    # Standard error of a pixel's mean: at most 0.5 / sqrt(4000) = 0.008.
    assert np.abs(masks.mean(axis=0) - 0.5).max() < 5 * 0.008
    # Four cells are enlarged to five cells' length, 30 x 40 pixels: from one to the next are 7.5 and 10 pixels.
    assert np.abs(np.diff(masks, axis=1)).max() == pytest.approx(1 / 7.5, abs=1e-5)
    assert np.abs(np.diff(masks, axis=2)).max() == pytest.approx(1 / 10, abs=1e-5)


def test_masks_are_shifted() -> None:
    # Without the shift a mask of 4 cells would be flat at the same pixels in all.
    rough = (np.abs(np.diff(masks_of(1, 500), axis=1)) > 1e-6).any(axis=2)
    assert rough.mean(axis=0).min() > 0.5


def test_masks_do_not_depend_on_the_batch() -> None:
    np.testing.assert_array_equal(masks_of(2, 50, batch=50), masks_of(2, 50, batch=7))


def test_the_estimator_on_a_linear_model() -> None:
    """f(x' + M (x - x')) = f(x') + sum_q M_q c_q with c = w (x - x'): the map is a sum of products of masks."""
    rng = np.random.default_rng(3)
    image, weights = rng.normal(size=(2, 24, 32, 3))
    fill = np.array([0.2, -0.4, 0.1])
    masks = masks_of(4, 200)
    score = lambda x: (x * weights).sum(axis=(1, 2, 3))  # noqa: E731
    found, error = rise_map(score, image, fill, iter(np.split(masks, 8)), 0.5)
    c = (weights * (image - fill)).sum(axis=2)
    values = (weights * fill).sum() + (masks * c).sum(axis=(1, 2))
    np.testing.assert_allclose(found, np.einsum("n,nhw->hw", values, masks) / (0.5 * 200), rtol=1e-3, atol=1e-3)
    spread = np.std(values[:, None, None] * masks / 0.5, axis=0, ddof=1)
    np.testing.assert_allclose(error, spread / np.sqrt(200), rtol=1e-3)


def test_constant_model_is_divided_by_the_expected_value() -> None:
    masks = masks_of(5, 64)
    found, _ = rise_map(lambda x: np.ones(len(x)), np.ones((24, 32, 3)), np.zeros(3), iter([masks]), 0.5)
    np.testing.assert_allclose(found, masks.mean(axis=0) / 0.5, rtol=1e-5)


def test_standard_error_is_the_scatter_over_seeds() -> None:
    score = lambda x: x[:, 5, 7, 0] ** 2  # noqa: E731
    image = np.ones((24, 32, 3))
    runs = [rise_map(score, image, np.zeros(3), iter([masks_of(seed, 100)]), 0.5) for seed in range(60)]
    scatter = np.std([found for found, _ in runs], axis=0, ddof=1).mean()
    assert np.mean([error for _, error in runs]) == pytest.approx(scatter, rel=0.15)


def network(side: int = 24) -> tuple[keras.Model, ModelSpec]:
    """Class 1 speaks up where the image is bright at rows 3-8, columns 14-19."""
    image = keras.Input((side, side, 3))
    model = keras.Model(image, keras.layers.Dense(1)(keras.layers.Flatten()(image)))
    kernel = np.zeros((side, side, 3))
    kernel[3:9, 14:20] = 0.1
    model.set_weights([kernel.reshape(-1, 1), np.array([-2.0])])
    spec = ModelSpec("small", (side, side), scale=(1 / 255,) * 3, classes=("cat", "dog"), head="binary")
    return model, spec


def test_the_hottest_pixel_lies_where_the_evidence_is() -> None:
    model, spec = network()
    images = np.full((1, 24, 24, 3), 0.8, np.float32)
    settings = {"masks": 1500, "grid": 6, "fill": [0, 0, 0]}
    found = explainer("rise", model, spec, settings, seed=1)(images, np.array([1]), ["a"])
    row, column = np.unravel_index(found.maps[0].argmax(), (24, 24))
    assert 3 <= row <= 8 and 14 <= column <= 19
    inside = found.maps[0, 3:9, 14:20].mean()
    outside = found.maps[0, 12:, :10].mean()
    assert inside - outside > 5 * found.facts["standard_error"][0]
    # The other class is hidden evidence: its map is coldest there.
    other = explainer("rise", model, spec, settings, seed=1)(images, np.array([0]), ["a"]).maps[0]
    assert other[3:9, 14:20].mean() < other[12:, :10].mean()


def test_neither_batch_nor_order_changes_a_map() -> None:
    model, spec = network()
    images = np.random.default_rng(6).uniform(0, 1, (3, 24, 24, 3)).astype(np.float32)
    method = explainer("rise", model, spec, {"masks": 40}, seed=5)
    together = method(images, np.array([0, 1, 1]), ["a", "b", "c"])
    turned = method(images[::-1], np.array([1, 1, 0]), ["c", "b", "a"])
    np.testing.assert_allclose(together.maps, turned.maps[::-1], atol=1e-6)
    np.testing.assert_allclose(together.facts["standard_error"], turned.facts["standard_error"][::-1], rtol=1e-4)
    assert not np.allclose(method(images[:1], np.array([0]), ["z"]).maps, together.maps[:1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"masks": 1}, "rise.masks"), ({"grid": 25}, "rise.grid"), ({"keep": 1}, "rise.keep"), ({"fill": 3}, "rise.fill")],
)
def test_settings_that_make_no_sense(settings: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        explainer("rise", *network(), settings)
