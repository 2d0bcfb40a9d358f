"""SHAP: the linear model, exact Shapley values, sums, seeds, the library's own answers, and layers it cannot explain."""

import itertools
import math

import keras
import numpy as np
import pytest

from convscope.attributions import deep_shap
from convscope.attributions.deep_shap import unsupported_layer
from convscope.attributions.registry import explainer
from convscope.attributions.shap_values import expected_gradients, kernel_values, partition_values, superpixels
from convscope.errors import UserError
from convscope.models.spec import ModelSpec

QUARTERS = np.kron(np.arange(4).reshape(2, 2), np.ones((4, 4), int))
FILL = np.array([0.1, -0.2, 0.3], np.float32)


def spec_for(side: int, head: str = "binary") -> ModelSpec:
    scale, offset = (1 / 127.5,) * 3, (-1.0,) * 3
    classes = ("cat", "dog") if head == "binary" else ("a", "b", "c")
    return ModelSpec("small", (side, side), scale=scale, offset=offset, classes=classes, head=head)


def convnet(layer: type = keras.layers.Conv2D, units: int = 1, pooling: bool = False) -> keras.Model:
    """A small network; like the project's own it leaves the size of the image open."""
    keras.utils.set_random_seed(4)
    image = keras.Input((None, None, 3))
    x = layer(6, 3, activation="relu", name="first")(image)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.MaxPooling2D()(x) if pooling else x
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(units)(keras.layers.Dropout(0.5)(x)))


def pictures(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, 12, 12, 3)).astype(np.float32)


def test_linear_model_gives_weight_times_change() -> None:
    rng = np.random.default_rng(0)
    image, weights = rng.normal(size=(2, 8, 8, 3)).astype(np.float32)
    score = lambda x: (x * weights).sum(axis=(1, 2, 3)) - 2  # noqa: E731
    products = weights * (image - FILL)
    by_segment, gap = kernel_values(score, image, FILL, QUARTERS, 100, seed=1)
    expected = [products[number == QUARTERS].sum() for number in range(4)]
    np.testing.assert_allclose(by_segment, expected, atol=1e-4)
    assert abs(gap) < 1e-4
    # With few evaluations the parts are large, and each still has its sum.
    by_part, gap = partition_values(score, image, FILL, 40, seed=1)
    quarters = [by_part[number == QUARTERS].sum() for number in range(4)]
    np.testing.assert_allclose(quarters, expected, atol=1e-4)
    assert abs(gap) < 1e-4
    background = np.broadcast_to(FILL, (1, 8, 8, 3)).astype(np.float32)
    gradient = lambda x: np.broadcast_to(weights, x.shape)  # noqa: E731
    found, error = expected_gradients(gradient, image, background, 3, np.random.default_rng(0))
    np.testing.assert_allclose(found, products, atol=1e-5)
    assert error < 1e-5


def test_exact_shapley_values_of_a_game_with_interactions() -> None:
    """Against the definition, over all orders: the product of two quarters is shared, a quarter that does nothing gets 0."""
    image = np.ones((8, 8, 3), np.float32)

    def score(images: np.ndarray) -> np.ndarray:
        a, b, c, _ = (images[:, number == QUARTERS, 0].mean(axis=1) for number in range(4))
        return 2 * a + 3 * a * b - c * a * b + c

    def value(members: tuple[int, ...]) -> float:
        return float(score(np.isin(QUARTERS, members)[None, ..., None] * image)[0])

    expected = np.zeros(4)
    for order in itertools.permutations(range(4)):
        for place, member in enumerate(order):
            expected[member] += (value(order[: place + 1]) - value(order[:place])) / math.factorial(4)
    found, gap = kernel_values(score, image, np.zeros(3), QUARTERS, 100, seed=1)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert abs(gap) < 1e-5 and found[3] == pytest.approx(0, abs=1e-5)


def test_superpixels_have_no_gaps() -> None:
    smooth = np.stack([*np.meshgrid(np.linspace(0, 1, 40), np.linspace(0, 1, 30)), np.zeros((30, 40))], axis=2)
    smooth[10:20, 10:20] = [0, 0, 1]
    found = superpixels(smooth, 12)
    assert found.shape == (30, 40) and 5 < found.max() < 25
    assert np.unique(found).tolist() == list(range(found.max() + 1))
    assert len(np.unique(found[11:19, 11:19])) < len(np.unique(found)) / 2


def test_texture_falls_in_squares() -> None:
    found = superpixels(np.random.default_rng(1).uniform(0, 1, (30, 40, 3)), 12)
    np.testing.assert_array_equal(found, np.kron(np.arange(12).reshape(3, 4), np.ones((10, 10), int)))


@pytest.mark.parametrize("method", ["kernel_shap", "partition_shap"])
def test_maps_sum_to_the_change_of_the_logit(method: str) -> None:
    model, spec = convnet(), spec_for(12)
    settings = {"fill": [0, 255, 127.5]}
    settings |= {"samples": 60, "segments": 8} if method == "kernel_shap" else {"evaluations": 60}
    found = explainer(method, model, spec, settings, seed=2)(pictures(2), np.array([0, 1]), ["a", "b"])
    empty = np.broadcast_to(np.array([-1, 1, 0], np.float32), (1, 12, 12, 3))
    change = (model(pictures(2)) - model(empty)).numpy()[:, 0] * [-1, 1]
    np.testing.assert_allclose(found.maps.reshape(2, -1).sum(axis=1), change, atol=1e-4)
    np.testing.assert_allclose(found.facts["additivity_gap"], 0, atol=1e-4)


@pytest.mark.parametrize("method", ["kernel_shap", "partition_shap", "gradient_shap"])
def test_neither_batch_nor_order_nor_the_global_seed_changes_a_map(method: str) -> None:
    settings = {"kernel_shap": {"samples": 30, "segments": 9}, "partition_shap": {"evaluations": 40}}
    chosen = settings.get(method, {"samples": 20})
    explain = explainer(method, convnet(), spec_for(12), chosen, seed=3, background=pictures(5, seed=9))
    np.random.seed(1)  # noqa: NPY002
    together = explain(pictures(3), np.array([0, 1, 1]), ["a", "b", "c"])
    np.random.seed(2)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    turned = explain(pictures(3)[::-1], np.array([1, 1, 0]), ["c", "b", "a"])
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    np.testing.assert_allclose(together.maps, turned.maps[::-1], atol=1e-6)


def test_gradient_shap_agrees_with_the_library_and_its_sum_with_its_own_error() -> None:
    import shap

    model, background, images = convnet(units=3), pictures(5, seed=9), pictures(2)
    explain = explainer("gradient_shap", model, spec_for(12, "multiclass"), {"samples": 3000}, 1, None, background)
    found = explain(images, np.array([1, 2]), ["a", "b"])
    fixed = keras.Input((12, 12, 3))
    theirs = shap.GradientExplainer(keras.Model([fixed], model(fixed)), background).shap_values(
        images, nsamples=3000, rseed=0
    )
    for row, unit in enumerate((1, 2)):
        assert np.corrcoef(found.maps[row].ravel(), theirs[row, ..., unit].ravel())[0, 1] > 0.98
        assert found.maps[row].sum() == pytest.approx(theirs[row, ..., unit].sum(), abs=0.05)
    assert (found.facts["standard_error"] > 0).all()
    assert (np.abs(found.facts["additivity_gap"]) < 4 * found.facts["standard_error"]).all()


@pytest.mark.parametrize(("units", "pooling"), [(1, False), (3, True)])
def test_deep_shap_sums_to_the_change_against_the_background(units: int, pooling: bool) -> None:
    model, spec = convnet(units=units, pooling=pooling), spec_for(12, "binary" if units == 1 else "multiclass")
    background = pictures(4, seed=9)
    explain = explainer("deep_shap", model, spec, {"background": 3}, background=background)
    found = explain(pictures(2), np.array([0, 1]), ["a", "b"])
    scores = spec.class_scores(model(pictures(2)).numpy())[[0, 1], [0, 1]]
    means = spec.class_scores(model(background[[0, 2, 3]]).numpy()).mean(axis=0)[:2]
    sums = found.maps.reshape(2, -1).sum(axis=1)
    np.testing.assert_allclose(sums - (scores - means), found.facts["additivity_gap"], atol=1e-4)
    np.testing.assert_allclose(found.facts["additivity_gap"], 0, atol=1e-4)


def test_deep_shap_names_the_layer_it_cannot_explain_and_offers_another() -> None:
    model = convnet(keras.layers.SeparableConv2D)
    assert unsupported_layer(model) == ("first", "SeparableConv2D", "DepthwiseConv2dNative")
    with pytest.raises(UserError, match=r"layer 'first' \(SeparableConv2D.*use kernel_shap"):
        explainer("deep_shap", model, spec_for(12), background=pictures(2))


def test_a_failure_inside_the_library_spoils_no_later_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    model = convnet(keras.layers.SeparableConv2D)
    monkeypatch.setattr(deep_shap, "unsupported_layer", lambda network: None)
    broken = explainer("deep_shap", model, spec_for(12), background=pictures(2))
    with pytest.raises(Exception, match="shap_DepthwiseConv2dNative"):
        broken(pictures(1), np.array([1]), ["a"])
    explain = explainer("gradient_shap", model, spec_for(12), {"samples": 4}, background=pictures(2))
    assert np.abs(explain(pictures(1), np.array([1]), ["a"]).maps).max() > 0


def test_deep_shap_sees_an_activation_without_a_rule() -> None:
    image = keras.Input((12, 12, 3))
    x = keras.layers.LeakyReLU(name="leaky")(keras.layers.Conv2D(2, 3)(image))
    model = keras.Model(image, keras.layers.Dense(1)(keras.layers.GlobalAveragePooling2D()(x)))
    assert unsupported_layer(model) == ("leaky", "LeakyReLU", "LeakyRelu")
    assert unsupported_layer(convnet(pooling=True)) is None


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("kernel_shap", {"segments": 1}, "kernel_shap.segments"),
        ("kernel_shap", {"samples": 20}, "at least 120"),
        ("kernel_shap", {"fill": [1, 2]}, "kernel_shap.fill"),
        ("partition_shap", {"evaluations": 1}, "partition_shap.evaluations"),
        ("gradient_shap", {"samples": 1}, "gradient_shap.samples"),
        ("gradient_shap", {}, "compares with other pictures"),
        ("deep_shap", {}, "compares with other pictures"),
    ],
)
def test_settings_that_make_no_sense(method: str, settings: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        explainer(method, convnet(), spec_for(12), settings)
