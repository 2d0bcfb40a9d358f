"""Filter ascent: closed forms, the per-sample norm, seeds that belong to a filter, dead filters."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from convscope.errors import UserError
from convscope.filters.objectives import ChannelObjective, border_that_fits
from convscope.filters.parameterisations import Pixels, filter_generator
from convscope.filters.presets import AscentSettings, settings_from
from convscope.filters.run import ascend
from convscope.filters.steps import normalised_step, per_sample_norm
from convscope.models.graphs import flatten
from convscope.models.spec import ModelSpec


def spec(scale: float = 1 / 127.5, offset: float = -1.0) -> ModelSpec:
    return ModelSpec(
        name="small",
        input_size=(32, 32),
        resize="crop",
        scale=(scale,) * 3,
        offset=(offset,) * 3,
        channels="rgb",
        classes=(),
        head="none",
        source="test",
        digest="",
        requires=(),
    )


def linear_model(filters: int = 6) -> keras.Model:
    keras.utils.set_random_seed(3)
    image = keras.Input((None, None, 3))
    return keras.Model(image, keras.layers.Conv2D(filters, 3, padding="same", name="conv")(image))


def small(steps: int = 4, **other: int) -> AscentSettings:
    return settings_from({"preset": "textbook", "size": 32, "steps": steps, **other})


def test_norm_is_of_the_whole_sample() -> None:
    gradient = tf.constant(np.random.default_rng(0).normal(size=(3, 8, 8, 3)), tf.float32)
    norm = per_sample_norm(gradient)
    expected = np.linalg.norm(gradient.numpy().reshape(3, -1), axis=1)
    np.testing.assert_allclose(norm.numpy().ravel(), expected, rtol=1e-6)
    step = normalised_step(gradient, norm, 10.0).numpy()
    np.testing.assert_allclose(np.linalg.norm(step.reshape(3, -1), axis=1), 10, rtol=1e-5)
    last_axis = keras.ops.normalize(gradient).numpy()
    assert np.linalg.norm(last_axis[0]) > 7, "the trap: over the last axis alone every pixel moves by one"


def test_linear_objective_rises_by_step_times_gradient_norm() -> None:
    model = linear_model()
    settings = small()
    found = ascend(model, spec(), "conv", [0, 4], settings, seed=1)
    objective = ChannelObjective(model, "conv", 2)
    image = tf.zeros((1, 32, 32, 3))
    for row, channel in enumerate([0, 4]):
        _, gradient = objective.value_and_gradient(image, tf.constant([channel]), tf.constant([False]))
        norm = np.linalg.norm(gradient.numpy())
        np.testing.assert_allclose(np.diff(found.objective[row]), settings.step_length * norm, rtol=1e-3)


def test_borders_are_dropped_as_far_as_they_fit() -> None:
    assert [border_that_fits(side, 2) for side in (1, 2, 3, 4, 5, 9)] == [0, 0, 1, 1, 2, 2]
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Conv2D(2, 3, strides=8, padding="same", name="conv")(image))
    assert ChannelObjective(model, "conv", 2).border_at(32) == 1
    objective = ChannelObjective(model, "conv", 2)
    maps = model.get_layer("conv")(tf.random.stateless_normal((1, 64, 64, 3), [1, 2]))
    value = objective(tf.random.stateless_normal((1, 64, 64, 3), [1, 2]), tf.constant([1]), tf.constant([False]))
    np.testing.assert_allclose(value.numpy(), maps[:, 2:-2, 2:-2, 1].numpy().mean(axis=(1, 2)), rtol=1e-5)


def test_a_filter_starts_the_same_in_any_batch_and_order() -> None:
    start = Pixels((0.4, 0.6))
    together = start.begin([filter_generator(7, "conv", channel) for channel in (3, 9, 12)], 16)
    np.testing.assert_array_equal(together[1], start.begin([filter_generator(7, "conv", 9)], 16)[0])
    assert together.min() >= 0.4 and together.max() <= 0.6 and together.std() == pytest.approx(0.2 / 12**0.5, rel=0.05)
    draws = {filter_generator(s, layer, c).integers(2**62) for s in (1, 2) for layer in ("a", "b") for c in (0, 1)}
    assert len(draws) == 8


def test_batch_size_and_order_do_not_change_a_pattern() -> None:
    model = linear_model()
    one = ascend(model, spec(), "conv", [0, 1, 2, 3, 4], small(batch=5), seed=1)
    other = ascend(model, spec(), "conv", [4, 2, 0, 1, 3], small(batch=2), seed=1)
    for row, channel in enumerate(other.channels):
        np.testing.assert_allclose(other.patterns[row], one.patterns[channel], atol=1e-4)
        np.testing.assert_allclose(other.objective[row], one.objective[channel], rtol=1e-4, atol=1e-5)


def test_padding_the_last_batch_traces_once_and_returns_only_the_wanted() -> None:
    found = ascend(linear_model(), spec(), "conv", [0, 1, 2], small(batch=2), seed=1)
    assert found.patterns.shape == (3, 32, 32, 3) and found.objective.shape == (3, 5)


def dead_and_sleeping() -> keras.Model:
    """Filter 0 fires, filter 1 is closed at the start but can be opened, filter 2 can never fire."""
    image = keras.Input((None, None, 3))
    layer = keras.layers.Conv2D(3, 3, activation="relu", name="conv")
    model = keras.Model(image, layer(image))
    kernel = np.zeros((3, 3, 3, 3), np.float32)
    kernel[..., 0] = 1
    kernel[..., 1] = -1
    layer.set_weights([kernel, np.array([0.0, -1.0, -1.0])])
    return model


def test_dead_filters_are_recorded_and_sleeping_ones_opened() -> None:
    model = dead_and_sleeping()
    found = ascend(model, spec(), "conv", [0, 1, 2], small(steps=12, step_length=8.0), seed=1)
    assert found.dead.tolist() == [False, False, True]
    assert found.opened[0] == 0 and found.opened[1] > 0
    assert found.objective[1, 0] > 0 and found.objective[1, -1] > found.objective[1, 0]
    alone = ascend(model, spec(), "conv", [0], small(steps=12, step_length=8.0), seed=1)
    np.testing.assert_allclose(found.patterns[0], alone.patterns[0], atol=1e-5)
    assert np.isfinite(found.patterns).all() and np.isfinite(found.objective).all()
    assert model.get_layer("conv").activation is keras.activations.relu


def test_model_space_is_reached_from_black_and_white() -> None:
    """A model that takes 0..255 sees the picture that an Xception-like one sees, not one 127 times fainter."""
    plain = linear_model()
    image = keras.Input((None, None, 3))
    inside = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    wrapped = keras.Model(image, keras.layers.Conv2D(6, 3, padding="same", name="conv")(inside))
    wrapped.get_layer("conv").set_weights(plain.get_layer("conv").get_weights())
    first = ascend(plain, spec(), "conv", [1], small(), seed=1)
    second = ascend(wrapped, spec(1.0, 0.0), "conv", [1], small(), seed=1)
    np.testing.assert_allclose(first.patterns, second.patterns, atol=1e-3)


def test_errors_name_what_is_wrong() -> None:
    with pytest.raises(UserError, match="filter 6 does not exist"):
        ascend(linear_model(), spec(), "conv", [6], small(), seed=1)
    with pytest.raises(UserError, match="did you mean 'textbook'"):
        settings_from({"preset": "textbok"})
    with pytest.raises(UserError, match="leaves no picture"):
        settings_from({"preset": "textbook", "size": 32, "crop": 15})
    image = keras.Input((32, 32, 3))
    pooled = keras.Model(image, keras.layers.MaxPooling2D(name="pool")(image))
    with pytest.raises(UserError, match="no filters"):
        ChannelObjective(pooled, "pool", 2)


def test_settings_scale_with_the_size() -> None:
    textbook = settings_from({"preset": "textbook"})
    assert textbook == AscentSettings() and textbook.precision == "float32"
    assert (textbook.size, textbook.steps, textbook.step_length, textbook.border) == (200, 30, 10.0, 2)
    assert (textbook.start, textbook.crop) == ((0.4, 0.6), 25)
    half = settings_from({"preset": "textbook", "size": 100})
    assert (half.step_length, half.crop) == (5.0, 12)
    assert settings_from({"preset": "textbook", "size": 100, "crop": 3}).crop == 3


@pytest.mark.parametrize("by_keras", [False, True])
@pytest.mark.parametrize("shape", [(24, 40), (32, 32)], ids=str)
def test_a_network_that_flattens_its_maps_climbs_at_any_size(shape: tuple[int, int], by_keras: bool) -> None:
    """It takes pictures of one size; its convolutions do not, and are asked as those of a network without the flattening are."""
    keras.utils.set_random_seed(5)
    layers = [
        keras.layers.Conv2D(4, 3, activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Conv2D(4, 3, name="last"),
    ]
    free = keras.Sequential([keras.Input((None, None, 3)), *layers])
    flattened = keras.Sequential([keras.Input((*shape, 3)), *layers, keras.layers.Flatten(), keras.layers.Dense(2)])
    image = np.random.default_rng(0).normal(size=(1, 48, 48, 3)).astype(np.float32)
    answers = []
    for network in (free, flattened):
        objective = ChannelObjective(flatten(network), "last", border=2, by_keras=by_keras)
        assert objective.map_size(48) == (21, 21)
        answers.append(objective.value_and_gradient(tf.constant(image), tf.constant([1]), tf.constant([False])))
    for expected, found in zip(*answers, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    with pytest.raises(UserError, match="feature map is empty for a 6x6 image"):
        objective.map_size(6)
