"""RISE: the masks, the estimator, its standard error, and that an image's map is its own."""

import keras
import numpy as np
import pytest

from convscope.attributions.base import generator
from convscope.attributions.registry import explainer
from convscope.attributions.rise import random_masks, rise_map
from convscope.errors import UserError
from convscope.judging.agreement import spearman
from convscope.models.spec import ModelSpec


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
    """f(x' + M (x - x')) = f(x') + sum_q M_q c_q with c = w (x - x'): the map is the masks' sample covariance with that sum."""
    rng = np.random.default_rng(3)
    image, weights = rng.normal(size=(2, 24, 32, 3))
    fill = np.array([0.2, -0.4, 0.1])
    masks = masks_of(4, 200)
    score = lambda x: (x * weights).sum(axis=(1, 2, 3))  # noqa: E731
    found, error, mean = rise_map(score, image, fill, iter(np.split(masks, 8)), 0.5)
    c = (weights * (image - fill)).sum(axis=2)
    values = (weights * fill).sum() + (masks * c).sum(axis=(1, 2))
    flat = masks.reshape(200, -1).astype(np.float64)
    covariance = np.cov(np.concatenate([values[:, None], flat], axis=1), rowvar=False)[0, 1:].reshape(24, 32)
    np.testing.assert_allclose(found, covariance / 0.5, rtol=1e-3, atol=1e-3 * np.abs(found).max())
    terms = (values - values.mean())[:, None, None] * (masks - 0.5) / 0.5
    np.testing.assert_allclose(error, terms.std(axis=0, ddof=1) / np.sqrt(200), rtol=1e-3)
    assert mean == pytest.approx(values.mean(), rel=1e-4)
    # The paper's eq. 6, from what is returned: the mean probability times the masks' density has been taken off.
    paper = np.einsum("n,nhw->hw", values, masks) / (0.5 * 200)
    again = found * 199 / 200 + mean * masks.mean(axis=0) / 0.5
    np.testing.assert_allclose(again, paper, rtol=1e-3, atol=1e-3 * np.abs(paper).max())


def test_a_class_as_probable_under_every_mask_has_no_map() -> None:
    """The paper's estimate is the density of the masks there, the same for every model and picture."""
    masks = masks_of(5, 64)
    for value in (1.0, 0.3):
        found, error, mean = rise_map(
            lambda x, value=value: np.full(len(x), value, np.float32), np.ones((24, 32, 3)), np.zeros(3),
            iter(np.split(masks, 2)), 0.5,
        )  # fmt: skip
        assert not found.any() and not error.any() and mean == np.float32(value)


def test_standard_error_is_the_scatter_over_seeds() -> None:
    score = lambda x: x[:, 5, 7, 0] ** 2  # noqa: E731
    image = np.ones((24, 32, 3))
    runs = [rise_map(score, image, np.zeros(3), iter([masks_of(seed, 100)]), 0.5) for seed in range(60)]
    scatter = np.std([found for found, _, _ in runs], axis=0, ddof=1).mean()
    assert np.mean([error for _, error, _ in runs]) == pytest.approx(scatter, rel=0.15)


def test_the_expected_map_is_the_paper_s_but_for_a_constant() -> None:
    """E[p | seen] - E[p], with `p = M_q^2` of one pixel q and masks that are 0 or 1 at it: (1 - keep) there, unbiased."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(400):
        masks = (rng.random((8, 2, 2)) < 0.25).astype(np.float32)
        found.append(
            rise_map(lambda x: x[:, 0, 0, 0] ** 2, np.ones((2, 2, 3)), np.zeros(3), iter(np.split(masks, 4)), 0.25)[0]
        )
    expected = np.array([[0.75, 0], [0, 0]])
    np.testing.assert_allclose(np.mean(found, axis=0), expected, atol=4 * np.std(found, axis=0).max() / 20)


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
    assert found.maps[0, 3:9, 14:20].min() > 0


def test_few_masks_show_the_model_and_not_the_masks() -> None:
    """A class that is probable everywhere: of the paper's formula the masks' density is left, alike for both classes."""
    model, spec = network()
    kernel, bias = model.get_weights()
    model.set_weights([kernel * 0.1, bias + 5])
    images = np.full((1, 24, 24, 3), 0.8, np.float32)
    settings = {"masks": 60, "grid": 6, "fill": [0, 0, 0]}
    maps, densities = [], []
    for seed in range(6):
        make = explainer("rise", model, spec, settings, seed=seed)
        found = [make(images, np.array([target]), ["a"]) for target in (0, 1)]
        maps.append([one.maps[0] for one in found])
        masks = random_masks(generator(seed, "rise", "a"), 60, (24, 24), 6, 0.5)
        densities.append(np.concatenate(list(masks)).mean(axis=0))
        paper = maps[-1][1] + found[1].facts["mean_probability"][0] * densities[-1] / 0.5
        assert spearman(paper, densities[-1]) > 0.9
    # One class's evidence is the other's counter-evidence.
    np.testing.assert_allclose([one for one, _ in maps], [-other for _, other in maps], atol=1e-6)
    dogs = [other for _, other in maps]
    assert abs(np.mean([spearman(one, density) for one, density in zip(dogs, densities, strict=True)])) < 0.25
    # With one set of masks and another: the evidence stays.
    alike = [spearman(dogs[i], dogs[j]) for i in range(6) for j in range(i)]
    apart = [spearman(densities[i], densities[j]) for i in range(6) for j in range(i)]
    assert np.mean(alike) > 0.3 + abs(np.mean(apart))


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
