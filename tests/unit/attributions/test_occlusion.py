"""Occlusion: published numbers, the linear model, partial windows, overlaps, the fill's space."""

import keras
import numpy as np
import pytest

from convscope.attributions.class_scores import ClassScores
from convscope.attributions.occlusion import Occlusion, occlusion_map, window_starts
from convscope.attributions.registry import explainer
from convscope.errors import UserError
from convscope.models.spec import ModelSpec
from tests.worked_example import worked_example


def test_worked_example() -> None:
    model = worked_example()
    image = np.arange(16, dtype=np.float32).reshape(4, 4, 1)
    found = occlusion_map(lambda x: model(x).numpy()[:, 0], image, np.zeros(1), (2, 2), (2, 2), batch=3)
    np.testing.assert_allclose(found, np.kron([[7, 4], [36, 47]], np.ones((2, 2))), rtol=1e-6)


def test_linear_model_with_patches_of_one_pixel() -> None:
    rng = np.random.default_rng(0)
    image, weights = rng.normal(size=(2, 7, 5, 3)).astype(np.float32)
    fill = np.array([0.3, -0.2, 1.0])
    found = occlusion_map(lambda x: (x * weights).sum(axis=(1, 2, 3)), image, fill, (1, 1), (1, 1), batch=8)
    np.testing.assert_allclose(found, (weights * (image - fill)).sum(axis=2), atol=1e-4)


def test_overlapping_patches_are_averaged_and_the_last_partial_one_counts() -> None:
    # A sum over a row of five: patches of 2 with stride 1 drop the sums of neighbours; of 3 with stride 2, all is covered.
    image = np.array([1.0, 2, 4, 8, 16], np.float32).reshape(1, 5, 1)
    score = lambda x: x.sum(axis=(1, 2, 3))  # noqa: E731
    overlapped = occlusion_map(score, image, np.zeros(1), (1, 2), (1, 1))
    np.testing.assert_allclose(overlapped[0], [3, 4.5, 9, 18, 24])
    partial = occlusion_map(score, image, np.zeros(1), (1, 2), (1, 2))
    np.testing.assert_allclose(partial[0], [3, 3, 12, 12, 16])


def test_windows_reach_the_last_pixel() -> None:
    assert window_starts(10, 4, 2).tolist() == [0, 2, 4, 6]
    assert window_starts(11, 4, 2).tolist() == [0, 2, 4, 6, 8]
    assert window_starts(3, 5, 2).tolist() == [0]
    with pytest.raises(ValueError, match="skipped"):
        window_starts(10, 2, 3)


def test_a_planted_pixel_on_a_picture_that_is_not_square() -> None:
    image = np.ones((16, 20, 3), np.float32)
    found = occlusion_map(lambda x: x[:, 9, 7, 0], image, np.zeros(3), (4, 4), (2, 2), batch=16)
    rows, columns = np.nonzero(found == found.max())
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 9, 6, 7)
    assert found[:, 10:].max() == 0 and found[:, 6].max() == 1


@pytest.mark.parametrize("batch", [1, 7, 100])
def test_batching_does_not_change_a_map(batch: int) -> None:
    model = worked_example()
    image = np.random.default_rng(1).uniform(0, 15, (4, 4, 1)).astype(np.float32)
    score = lambda x: model(x).numpy()[:, 1]  # noqa: E731
    one = occlusion_map(score, image, np.zeros(1), (2, 2), (1, 1), batch=32)
    np.testing.assert_allclose(occlusion_map(score, image, np.zeros(1), (2, 2), (1, 1), batch=batch), one, atol=1e-4)


def binary(side: int = 8) -> tuple[keras.Model, ModelSpec]:
    """A linear one-unit network on model space -1..1."""
    keras.utils.set_random_seed(3)
    image = keras.Input((side, side, 3))
    model = keras.Model(image, keras.layers.Dense(1)(keras.layers.Flatten()(image)))
    spec = ModelSpec(
        "small", (side, side), scale=(1 / 127.5,) * 3, offset=(-1.0,) * 3, classes=("cat", "dog"), head="binary"
    )
    return model, spec


def test_the_fill_is_a_colour_of_the_picture_not_of_model_space() -> None:
    model, spec = binary()
    image = np.random.default_rng(2).uniform(-1, 1, (1, 8, 8, 3)).astype(np.float32)
    settings = {"patch": 1, "stride": 1, "fill": [255, 0, 127.5]}
    found = explainer("occlusion", model, spec, settings)(image, np.array([1]), ["a"])
    weights = model.get_weights()[0].reshape(8, 8, 3)
    np.testing.assert_allclose(found.maps[0], (weights * (image[0] - [1, -1, 0])).sum(axis=2), atol=1e-5)


def test_both_classes_of_a_one_unit_head() -> None:
    model, spec = binary()
    images = np.random.default_rng(4).uniform(-1, 1, (2, 8, 8, 3)).astype(np.float32)
    method = explainer("occlusion", model, spec, {"patch": 3, "stride": 2})
    cat, dog = (method(images, np.full(2, target), ["a", "b"]).maps for target in (0, 1))
    np.testing.assert_allclose(cat, -dog, atol=1e-5)
    assert cat.shape == (2, 8, 8) and cat.dtype == np.float32 and np.abs(cat).max() > 0


def test_default_patch_is_an_eighth_of_the_side() -> None:
    model, spec = binary(40)
    found = Occlusion(ClassScores(model, spec), {"patch": None, "stride": None, "fill": [0, 0, 0]})
    assert (found.patch, found.stride) == (5, 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patch": 2, "stride": 3}, "occlusion.stride is 3; it must be 1 to 2"),
        ({"patch": 9}, "occlusion.patch is 9; it must be 1 to 8"),
        ({"fill": [300, 0, 0]}, "occlusion.fill"),
        ({"fill": "grey"}, "occlusion.fill"),
    ],
)
def test_settings_that_make_no_sense(settings: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        explainer("occlusion", *binary(), settings)
