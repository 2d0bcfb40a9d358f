"""Parameter randomisation: everything changes, nothing of the user's does, and what ignores the model is caught."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
from scipy.stats import spearmanr

from convscope.attributions.class_scores import ClassScores
from convscope.judging.gate import FAILED, PASSED, randomisation_check
from convscope.judging.randomisation import (
    Cascade,
    cascade_depths,
    cascade_layers,
    cascades,
    cascading_randomisation,
    randomised,
)
from convscope.model_spec import ModelSpec
from convscope.networks import flatten

SPEC = ModelSpec("net", (16, 16), classes=("a", "b", "c"), head="multiclass")


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """Every kind of kernel: 3x3, depthwise, 1x1, dense; a residual sum and batch normalisation with moved statistics."""
    keras.utils.set_random_seed(5)
    layers = keras.layers
    image = keras.Input((16, 16, 3))
    x = layers.Conv2D(6, 3, padding="same", use_bias=False, name="conv")(image)
    x = layers.BatchNormalization(name="conv_bn")(x)
    x = layers.ReLU(name="relu")(x)
    y = layers.SeparableConv2D(8, 3, padding="same", name="separable")(x)
    y = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(y)
    short = layers.Conv2D(8, 1, name="shortcut")(x)
    x = layers.ReLU(name="relu2")(layers.Add(name="add")([y, short]))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(image, layers.Dense(3, name="logits")(x))
    model.get_layer("conv_bn").set_weights([np.full(6, v, np.float32) for v in (2.0, 0.5, 0.3, 4.0)])
    model.get_layer("shortcut").set_weights(
        [*model.get_layer("shortcut").get_weights()[:1], np.full(8, 0.1, np.float32)]
    )
    return model


def weights(model: keras.Model) -> dict[str, list[np.ndarray]]:
    return {layer.name: [w.copy() for w in layer.get_weights()] for layer in model.layers if layer.weights}


def gradients(images: np.ndarray, targets: np.ndarray) -> Callable[[keras.Model], np.ndarray]:
    def explain(model: keras.Model) -> np.ndarray:
        found, _ = ClassScores(model, SPEC).gradient(images, targets)
        return np.asarray(found).sum(axis=3)

    return explain


def metrics(cascade: Cascade) -> dict[str, np.ndarray]:
    last = {f"randomised_{name}": values[:, -1] for name, values in cascade.similarity.items()}
    return last | {"unchanged": cascade.unchanged()}


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(6, 16, 16, 3)).astype(np.float32)


def test_layers_from_the_top(network: keras.Model) -> None:
    groups = cascade_layers(flatten(network))
    assert groups[0] == ["logits"]
    assert groups[-1] == ["conv_bn", "conv"]  # what normalises a layer goes with it
    assert sorted(group[-1] for group in groups) == ["conv", "depthwise", "logits", "separable", "shortcut"]
    order = [group[-1] for group in groups]
    assert order.index("depthwise") < order.index("separable")


def test_depths() -> None:
    assert cascade_depths(40, 4) == [1, 14, 27, 40]
    assert cascade_depths(3, 8) == [1, 2, 3]
    assert cascade_depths(1, 4) == [1]
    assert cascade_depths(0, 4) == []


def test_every_kernel_changes_and_batch_norm_starts_anew(network: keras.Model) -> None:
    before = weights(network)
    changed = weights(randomised(network, list(before), 1))
    for name, values in before.items():
        for old, new in zip(values, changed[name], strict=True):
            assert old.shape == new.shape
            if old.ndim >= 2:  # the 1x1 and the depthwise ones too
                assert not np.isclose(old, new).any(), name
                limit = 4 * old.std()
                assert 0 < np.abs(new).max() < limit  # of the same initialiser, so of the same size
    for found, start in zip(changed["conv_bn"], (1, 0, 0, 1), strict=True):
        np.testing.assert_array_equal(found, start)
    np.testing.assert_array_equal(changed["shortcut"][1], 0)  # a bias's initialiser is zeros


def test_the_user_s_model_is_left_alone(network: keras.Model, pictures: np.ndarray) -> None:
    before = weights(network)
    answer = np.asarray(network(pictures))
    targets = np.zeros(6, np.int64)
    original = gradients(pictures, targets)(network)
    cascading_randomisation(network, gradients(pictures, targets), original, steps=3, seed=1)
    for name, values in weights(network).items():
        for old, new in zip(before[name], values, strict=True):
            np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(np.asarray(network(pictures)), answer)


def test_each_step_starts_from_the_original_weights(network: keras.Model) -> None:
    before = weights(network)
    groups = cascade_layers(flatten(network))
    seen = []
    for depth, (lowest, share, model) in zip((1, 3, 5), cascades(network, 3, 7), strict=True):
        after = weights(model)
        random = {name for group in groups[:depth] for name in group}
        assert lowest == groups[depth - 1][-1] and share == depth / 5
        for name, values in before.items():
            same = all(np.array_equal(old, new) for old, new in zip(values, after[name], strict=True))
            assert same == (name not in random), name
        seen.append(after["logits"][0])
    np.testing.assert_array_equal(seen[0], seen[1])  # drawn for the layer, not one after another


def test_seeded(network: keras.Model) -> None:
    keras.utils.set_random_seed(1)
    first = weights(randomised(network, ["conv", "logits"], 3))
    keras.utils.set_random_seed(2)  # nobody else's seed matters
    again = weights(randomised(network, ["logits", "conv"], 3))
    other = weights(randomised(network, ["conv", "logits"], 4))
    np.testing.assert_array_equal(first["conv"][0], again["conv"][0])
    np.testing.assert_array_equal(first["logits"][0], again["logits"][0])
    assert not np.isclose(first["conv"][0], other["conv"][0]).any()


def test_a_constant_initialiser_still_randomises() -> None:
    image = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    model = keras.Model(image, keras.layers.Dense(2, kernel_initializer="zeros", name="logits")(pooled))
    assert np.ptp(randomised(model, ["logits"], 0).get_layer("logits").get_weights()[0]) > 0


def test_an_explainer_that_ignores_the_model_is_caught(network: keras.Model, pictures: np.ndarray) -> None:
    def blind(model: keras.Model) -> np.ndarray:
        return np.abs(pictures).sum(axis=3)

    found = cascading_randomisation(network, blind, blind(network), steps=5, seed=1)
    for name, values in found.similarity.items():
        assert values.shape == (6, 5)
        np.testing.assert_allclose(values, 1.0, err_msg=name)
    check = randomisation_check(metrics(found))
    assert check.outcome == FAILED and check.label == "survives randomisation"


def test_gradients_change_with_the_weights(network: keras.Model, pictures: np.ndarray) -> None:
    targets = np.arange(6) % 3
    explain = gradients(pictures, targets)
    found = cascading_randomisation(network, explain, explain(network), steps=5, seed=1)
    assert found.layers[0] == "logits" and found.layers[-1] == "conv"
    np.testing.assert_allclose(found.depths, [0.2, 0.4, 0.6, 0.8, 1.0])
    for name in ("spearman", "spearman_abs"):
        assert np.abs(found.similarity[name][:, -1]).mean() < 0.35, name
    check = randomisation_check(metrics(found))
    assert check.outcome == PASSED


def test_an_explainer_that_goes_on_tracing_the_old_model_would_be_seen(
    network: keras.Model, pictures: np.ndarray
) -> None:
    # What a cached explainer does: it is handed a new model and answers for the old one.
    targets = np.zeros(6, np.int64)
    cached = gradients(pictures, targets)(network)
    stale = cascading_randomisation(network, lambda model: cached, cached, steps=2, seed=1)
    fresh = cascading_randomisation(network, gradients(pictures, targets), cached, steps=2, seed=1)
    assert stale.similarity["spearman"].min() == pytest.approx(1)
    assert fresh.similarity["spearman"].max() < 0.999


def test_sign_and_size_are_judged_apart(network: keras.Model) -> None:
    original = np.random.default_rng(0).normal(size=(2, 16, 16))
    found = cascading_randomisation(network, lambda model: -original, original, steps=1, seed=0)
    np.testing.assert_allclose(found.similarity["spearman"], -1)
    np.testing.assert_allclose(found.similarity["spearman_abs"], 1)


def test_a_map_that_becomes_empty_has_changed(network: keras.Model) -> None:
    original = np.random.default_rng(0).random((6, 16, 16))
    found = cascading_randomisation(network, lambda model: np.full_like(original, np.nan), original, steps=2)
    for values in found.similarity.values():
        np.testing.assert_array_equal(values, 0)


def test_what_is_left_beyond_chance(network: keras.Model) -> None:
    # All maps share a strong frame, as gradients do where borders are seen less; what is inside is each map's own.
    rng = np.random.default_rng(0)
    frame = np.zeros((16, 16))
    frame[:4], frame[-4:] = 3.0, -3.0
    original, other = (frame + rng.normal(size=(6, 16, 16)) for _ in range(2))

    def left(maps: np.ndarray) -> np.ndarray:
        return cascading_randomisation(network, lambda model: maps, original, steps=1).unchanged()

    found = cascading_randomisation(network, lambda model: other, original, steps=1)
    assert found.similarity["spearman"].mean() > 0.6  # alike in ranks, for the frame alone
    assert abs(left(other).mean()) < 0.1
    np.testing.assert_allclose(left(original), 1)
    half = left(original + rng.normal(size=(6, 16, 16)))
    assert 0.2 < half.mean() < 0.8
    # By hand, of six images: the others' mean is the chance.
    table = np.array([[spearmanr(a.ravel(), b.ravel()).statistic for b in other] for a in original])
    chance = (table.sum(axis=1) - np.diag(table)) / 5
    np.testing.assert_allclose(found.chance["spearman"][:, 0], chance)


def test_one_map_for_all_pictures_and_weights_is_unchanged(network: keras.Model) -> None:
    blob = np.repeat(np.random.default_rng(0).random((1, 16, 16)), 6, axis=0)
    found = cascading_randomisation(network, lambda model: blob, blob, steps=2)
    np.testing.assert_array_equal(found.unchanged(), 1)
    assert randomisation_check(metrics(found)).outcome == FAILED
    alone = cascading_randomisation(network, lambda model: blob[:1] ** 2, blob[:1], steps=2)
    np.testing.assert_array_equal(alone.chance["spearman"], 0)  # no other image to compare with
