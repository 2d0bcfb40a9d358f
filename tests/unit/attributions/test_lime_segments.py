"""LIME: the linear model, segments and seeds, classes of a one-unit head; and the three views."""

import keras
import numpy as np
import pytest

from convscope.attributions import lime_views
from convscope.attributions.lime_segments import quickshift_segments, segment_model
from convscope.attributions.registry import explainer
from convscope.errors import UserError
from convscope.models.spec import ModelSpec
from convscope.pictures.render import colormap

SEGMENTS = np.kron(np.arange(16).reshape(4, 4), np.ones((4, 4), int))


def linear(picture: np.ndarray, weights: np.ndarray) -> np.ndarray:
    positive = 0.4 + (picture * weights).sum(axis=(1, 2, 3))
    return np.stack([1 - positive, positive], axis=1)


def test_linear_model_gives_weight_times_change() -> None:
    rng = np.random.default_rng(0)
    picture = rng.uniform(0, 1, (16, 16, 3))
    weights = rng.normal(0, 0.05, (16, 16, 3))
    found = segment_model(lambda x: linear(x, weights), picture, SEGMENTS, 1, 1000, seed=3)
    means = np.stack([picture[number == SEGMENTS].mean(axis=0) for number in range(16)])
    products = (weights * (picture - means[SEGMENTS])).sum(axis=2)
    expected = np.array([products[number == SEGMENTS].sum() for number in range(16)])
    assert np.abs(expected).max() > 0.05
    # The library's ridge (penalty 1) shrinks a little.
    np.testing.assert_allclose(found.coefficients, expected, atol=0.05 * np.abs(expected).max())
    assert found.fit > 0.99
    assert found.prediction == pytest.approx(linear(picture[None], weights)[0, 1], abs=0.01)
    np.testing.assert_array_equal(found.painted(), found.coefficients[SEGMENTS])


def test_segments_are_numbered_without_gaps_and_repeat() -> None:
    picture = np.random.default_rng(1).uniform(0, 1, (40, 32, 3))
    first = quickshift_segments(picture, 4, 8, 0.2, seed=5)
    assert first.shape == (40, 32)
    assert np.unique(first).tolist() == list(range(first.max() + 1)) and first.max() > 3
    np.testing.assert_array_equal(first, quickshift_segments(picture, 4, 8, 0.2, seed=5))


def network(side: int = 40) -> tuple[keras.Model, ModelSpec]:
    """One unit on model space -1..1: class 1 likes red at the upper left."""
    image = keras.Input((side, side, 3))
    model = keras.Model(image, keras.layers.Dense(1)(keras.layers.Flatten()(image)))
    kernel = np.zeros((side, side, 3))
    kernel[: side // 2, : side // 2, 0] = 0.01
    model.set_weights([kernel.reshape(-1, 1), np.zeros(1)])
    spec = ModelSpec(
        "small", (side, side), scale=(1 / 127.5,) * 3, offset=(-1.0,) * 3, classes=("cat", "dog"), head="binary"
    )
    return model, spec


def pictures(count: int) -> np.ndarray:
    """Noise with a red block at the upper left."""
    images = np.random.default_rng(2).uniform(-0.2, 0.2, (count, 40, 40, 3)).astype(np.float32)
    images[:, 4:12, 4:12] = [1, -1, -1]
    return images


def test_evidence_is_found_and_both_classes_share_it() -> None:
    model, spec = network()
    method = explainer("lime", model, spec, {"samples": 200, "max_distance": 10, "ratio": 1.0})
    dog = method(pictures(1), np.array([1]), ["a"])
    cat = method(pictures(1), np.array([0]), ["a"])
    assert dog.maps.shape == (1, 40, 40) and dog.facts["segments"].shape == (1, 40, 40)
    np.testing.assert_allclose(dog.maps, -cat.maps, atol=1e-5)
    np.testing.assert_array_equal(dog.facts["segments"], cat.facts["segments"])
    for number in range(int(dog.facts["segment_count"][0])):
        assert len(np.unique(dog.maps[0][dog.facts["segments"][0] == number])) == 1


def test_neither_batch_nor_order_nor_the_global_seed_changes_a_map() -> None:
    model, spec = network()
    method = explainer("lime", model, spec, {"samples": 60}, seed=4)
    np.random.seed(1)  # noqa: NPY002
    together = method(pictures(2), np.array([0, 1]), ["a", "b"])
    np.random.seed(2)  # noqa: NPY002
    turned = method(pictures(2)[::-1], np.array([1, 0]), ["b", "a"])
    np.testing.assert_allclose(together.maps, turned.maps[::-1], atol=1e-6)
    for name, values in together.facts.items():
        np.testing.assert_allclose(values, turned.facts[name][::-1], atol=1e-5)


def test_a_plain_picture_has_no_evidence() -> None:
    model, spec = network()
    found = explainer("lime", model, spec, {"samples": 40})(np.zeros((1, 40, 40, 3), np.float32), np.array([1]), ["a"])
    assert np.isfinite(found.maps).all() and np.abs(found.maps).max() < 1e-6


def test_equal_answers_are_not_fitted() -> None:
    """Whatever is hidden, the same probability but for the last digits: no map, where ridge finds one in the rounding."""
    picture, noise = np.random.default_rng(0).uniform(0, 1, (16, 16, 3)), np.random.default_rng(1)

    def still(pictures: np.ndarray) -> np.ndarray:
        positive = np.float32(0.3) * (1 + noise.uniform(-1e-7, 1e-7, len(pictures)))
        return np.stack([1 - positive, positive], axis=1)

    found = segment_model(still, picture, SEGMENTS, 1, 100, seed=3)
    assert not found.coefficients.any() and found.prediction == pytest.approx(0.3)


@pytest.mark.parametrize("settings", [{"samples": 3}, {"ratio": 2}, {"kernel_size": 0}])
def test_settings_that_make_no_sense(settings: dict) -> None:
    with pytest.raises(UserError, match="lime"):
        explainer("lime", *network(), settings)


COEFFICIENTS = np.linspace(-0.75, 0.75, 16)[SEGMENTS]
GREY = np.full((16, 16, 3), 100, np.uint8)


def test_first_view_shows_what_speaks_for_the_class_and_hides_the_rest() -> None:
    shown = lime_views.relevant_only(GREY, SEGMENTS, COEFFICIENTS, count=3, hidden=0)
    assert np.unique(SEGMENTS[(shown == 100).all(axis=2)]).tolist() == [13, 14, 15]
    assert (lime_views.relevant_only(GREY, SEGMENTS, -np.ones((16, 16))) == 128).all()


def test_second_view_outlines_both_signs() -> None:
    picture = lime_views.outlined(GREY, SEGMENTS, COEFFICIENTS, count=2)
    # The strongest: the first (against) and the last (for); corner pixels of the picture border on nothing.
    blue, red = colormap("coolwarm", np.array([0.0, 1.0])).tolist()
    assert picture[3, 0].tolist() == blue and picture[12, 15].tolist() == red
    tinted = picture[0, 0].astype(int)
    assert tinted[2] > tinted[0] and tinted.tolist() != blue
    untouched = np.isin(SEGMENTS, [0, 15], invert=True)
    assert (picture[untouched] == 100).all()


def test_third_view_is_symmetric_about_nothing() -> None:
    against, none, half = lime_views.coefficient_colours(np.array([[-0.2, 0.0, 0.1]]), "coolwarm")[0].tolist()
    table = colormap("coolwarm", np.array([0.0, 0.5, 0.75, 1.0])).tolist()
    assert [against, none, half] == table[:3]
    wide = lime_views.coefficient_colours(np.array([[-0.2, 0.0, 0.1]]), "RdBu", limit=0.4)[0].tolist()
    assert wide == colormap("RdBu", np.array([0.25, 0.5, 0.625])).tolist()
    assert (lime_views.coefficient_colours(np.zeros((2, 2)), "coolwarm") == table[1]).all()


def test_strongest_breaks_ties_by_number() -> None:
    assert lime_views.strongest(SEGMENTS, np.ones((16, 16)), 3, 1).tolist() == [0, 1, 2]
    assert lime_views.strongest(SEGMENTS, COEFFICIENTS, 2, -1).tolist() == [0, 1]
