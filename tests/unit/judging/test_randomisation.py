"""Parameter randomisation: everything changes, nothing of the user's does, and what ignores the model is caught."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
from scipy.stats import spearmanr

from convscope.attributions.class_scores import ClassScores
from convscope.judging.gate import FAILED, PASSED, sanity_gate
from convscope.judging.randomisation import (
    Cascade,
    ExplainModel,
    cascade_depths,
    cascade_layers,
    cascades,
    cascading_randomisation,
    randomised,
)
from convscope.judging.scrambled import scrambled
from convscope.models.graphs import flatten
from convscope.models.spec import ModelSpec

COUNT = 8
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
    last = {f"randomised_{name}": values for name, values in cascade.random.items()}
    return last | {"unchanged": cascade.unchanged()}


def outcome(cascade: Cascade) -> tuple[str, tuple[str, ...]]:
    found = sanity_gate({"method": metrics(cascade)})["method"]
    return found.checks[0]["outcome"], found.labels


def alone(explain: Callable[[keras.Model], np.ndarray], unlike: np.ndarray | None = None) -> ExplainModel:
    """Without maps of pictures without layout, or always with the same."""

    def both(model: keras.Model, more: bool) -> np.ndarray:
        maps = explain(model)
        return maps if unlike is None or not more else np.concatenate([maps, unlike])

    return both


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(COUNT, 16, 16, 3)).astype(np.float32)


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
    targets = np.zeros(COUNT, np.int64)
    original = gradients(pictures, targets)(network)
    cascading_randomisation(network, alone(gradients(pictures, targets)), original, steps=3, seed=1)
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

    found = cascading_randomisation(network, alone(blind), blind(network), steps=5, seed=1)
    for name, values in found.similarity.items():
        assert values.shape == (COUNT, 5)
        np.testing.assert_allclose(values, 1.0, err_msg=name)
    assert outcome(found) == (FAILED, ("survives randomisation",))


def test_gradients_change_with_the_weights(network: keras.Model, pictures: np.ndarray) -> None:
    targets = np.arange(COUNT) % 3
    explain = gradients(pictures, targets)
    found = cascading_randomisation(network, alone(explain), explain(network), steps=5, networks=4, seed=1)
    assert found.layers[0] == "logits" and found.layers[-1] == "conv"
    np.testing.assert_allclose(found.depths, [0.2, 0.4, 0.6, 0.8, 1.0])
    for name in ("spearman", "spearman_abs"):
        assert np.abs(found.similarity[name][:, -1]).mean() < 0.35, name
        assert found.random[name].shape == (COUNT, 4)
        np.testing.assert_allclose(found.similarity[name][:, -1], found.random[name].mean(axis=1))
        assert len(np.unique(found.random[name][0])) == 4  # each network is another
    assert outcome(found)[0] == PASSED


def test_an_explainer_that_goes_on_tracing_the_old_model_would_be_seen(
    network: keras.Model, pictures: np.ndarray
) -> None:
    # What a cached explainer does: it is handed a new model and answers for the old one.
    targets = np.zeros(COUNT, np.int64)
    cached = gradients(pictures, targets)(network)
    stale = cascading_randomisation(network, alone(lambda model: cached), cached, steps=2, seed=1)
    fresh = cascading_randomisation(network, alone(gradients(pictures, targets)), cached, steps=2, seed=1)
    assert stale.similarity["spearman"].min() == pytest.approx(1)
    assert fresh.similarity["spearman"].max() < 0.999


def test_sign_and_size_are_judged_apart(network: keras.Model) -> None:
    original = np.random.default_rng(0).normal(size=(2, 16, 16))
    found = cascading_randomisation(network, alone(lambda model: -original), original, steps=1, seed=0)
    np.testing.assert_allclose(found.similarity["spearman"], -1)
    np.testing.assert_allclose(found.similarity["spearman_abs"], 1)


def test_a_map_that_becomes_empty_has_changed(network: keras.Model) -> None:
    original = np.random.default_rng(0).random((COUNT, 16, 16))
    gone = alone(lambda model: np.full_like(original, np.nan))
    found = cascading_randomisation(network, gone, original, steps=2)
    for values in found.similarity.values():
        np.testing.assert_array_equal(values, 0)


def test_a_map_that_is_empty_is_not_judged(network: keras.Model) -> None:
    # Of an empty map nothing can be left, and two empty ones are not the same explanation.
    original = np.random.default_rng(0).random((COUNT + 1, 16, 16))
    original[3] = 0
    found = cascading_randomisation(network, alone(lambda model: original * 0), original, steps=2)
    for values in (*found.similarity.values(), *found.random.values(), found.unchanged()):
        assert np.isnan(values[3]).all() and not np.isnan(np.delete(values, 3, axis=0)).any()
    none = cascading_randomisation(network, alone(lambda model: original * 0), original * 0, steps=2)
    assert sanity_gate({"m": metrics(none)})["m"].reasons[0].startswith("Randomisation tells nothing")


def frame(rng: np.random.Generator, count: int = COUNT) -> np.ndarray:
    """Maps that share a strong frame, as gradients do where borders are seen less; what is inside is each map's own."""
    shared = np.zeros((16, 16))
    shared[:4], shared[-4:] = 3.0, -3.0
    return shared + rng.normal(size=(count, 16, 16))


def test_what_is_left_beyond_chance(network: keras.Model) -> None:
    rng = np.random.default_rng(0)
    original, other, unlike = frame(rng), frame(rng), frame(rng, 3)

    def left(maps: np.ndarray) -> np.ndarray:
        return cascading_randomisation(network, alone(lambda model: maps, unlike), original, steps=1).unchanged()

    found = cascading_randomisation(network, alone(lambda model: other, unlike), original, steps=1)
    assert found.similarity["spearman"].mean() > 0.6  # alike in ranks, for the frame alone
    assert abs(left(other).mean()) < 0.1
    assert left(other).shape == (COUNT, 3)
    np.testing.assert_allclose(left(original), 1)
    half = left(original + rng.normal(size=(COUNT, 16, 16)))
    assert 0.2 < half.mean() < 0.8
    # By hand: the mean over the pictures without layout is the chance.
    table = np.array([[spearmanr(a.ravel(), b.ravel()).statistic for b in unlike] for a in original])
    np.testing.assert_allclose(found.chance["spearman"][:, 0], table.mean(axis=1))


def test_a_map_of_the_picture_is_caught_on_pictures_that_are_alike(network: keras.Model) -> None:
    """One object, always at its place: its outline tells nothing of the model, and every picture has it."""
    rng = np.random.default_rng(0)
    layout = rng.normal(size=(16, 16))
    original = layout + rng.normal(size=(COUNT, 16, 16)) * 0.3
    changed = original + rng.normal(size=(COUNT, 16, 16)) * 0.5  # the weights matter a little
    unlike = rng.normal(size=(4, 16, 16))
    found = cascading_randomisation(network, alone(lambda model: changed, unlike), original, steps=1)
    assert outcome(found) == (FAILED, ("survives randomisation",))
    # Had the other pictures been taken for chance, it would have passed.
    others = np.array([[spearmanr(a.ravel(), b.ravel()).statistic for b in changed] for a in original])
    chance = (others.sum(axis=1) - np.diag(others)) / (COUNT - 1)
    assert ((np.diag(others) - chance) / (1 - chance)).max() < 0.5


def test_one_map_for_all_pictures_and_weights_is_unchanged(network: keras.Model) -> None:
    blob = np.repeat(np.random.default_rng(0).random((1, 16, 16)), COUNT, axis=0)
    found = cascading_randomisation(network, alone(lambda model: blob, blob[:4]), blob, steps=2)
    np.testing.assert_array_equal(found.unchanged(), 1)
    assert outcome(found)[0] == FAILED
    single = cascading_randomisation(network, alone(lambda model: blob[:1] ** 2), blob[:1], steps=2)
    np.testing.assert_array_equal(single.chance["spearman"], 0)  # no picture without layout to compare with


def test_pictures_without_layout() -> None:
    rng = np.random.default_rng(0)
    images = np.zeros((2, 32, 24, 3), np.float32)
    images[:, 8:20, 6:18] = [1.0, 0.5, -1.0]
    images += rng.normal(0, 0.1, images.shape).astype(np.float32)
    found = scrambled(images, ["a", "b"], 3)
    assert found.shape == images.shape and found.dtype == np.float32
    np.testing.assert_array_equal(found[1:], scrambled(images[1:], ["b"], 3))
    assert not np.isclose(found, scrambled(images, ["a", "b"], 4)).mean() > 0.1
    for picture, other in zip(images, found, strict=True):
        assert other.min() >= picture.min() and other.max() <= picture.max()
        assert abs(np.corrcoef(picture[..., 0].ravel(), other[..., 0].ravel())[0, 1]) < 0.4
        # Colours go together as they did, and large things stay large.
        assert np.corrcoef(other[..., 0].ravel(), other[..., 2].ravel())[0, 1] < -0.8
        assert np.abs(np.diff(other[..., 0], axis=0)).mean() < 0.7 * other[..., 0].std()
    constant = np.full((1, 8, 8, 3), 0.25, np.float32)
    np.testing.assert_allclose(scrambled(constant, ["a"]), constant)
    assert scrambled(images[:0], []).shape == (0, 32, 24, 3)
