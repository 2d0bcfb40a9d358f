"""Ascents in gray, with transparency and over bands: the same numbers as in three channels, and no colours of their own."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from convscope.filters.keras_graph import KerasTrunk
from convscope.filters.objectives import ChannelObjective
from convscope.filters.parameterisations import Fourier, Pixels, filter_generator
from convscope.filters.presets import PRESETS, settings_from
from convscope.filters.run import ascend, model_space
from convscope.filters.transforms import Robustness, moved
from convscope.filters.trunk import Trunk
from convscope.models.canonical import canonical
from convscope.models.spec import ModelSpec
from convscope.pictures.channels import Channels
from convscope.pictures.render import pattern_picture, standardise
from tests.one_channel import COLOUR, GRAY, network, pair, pixels

layers = keras.layers
DEPTHS = (1, 2, 3, 4, 6)


def spec_of(depth: int) -> ModelSpec:
    kind = {1: "gray", 3: "rgb", 4: "rgba"}.get(depth, "bands")
    bands = tuple(range(depth)) if kind == "bands" else ()
    return ModelSpec("net", (24, 24), channels=kind, bands=bands, scale=(1 / 127.5,), offset=(-1.0,))


def first_layers(kind: str, image: Any) -> Any:
    if kind == "strided":
        return layers.Conv2D(8, 3, strides=2, activation="relu")(image)
    if kind == "across":  # TensorFlow's wrong answer for one channel, see backends/tensorflow_repairs.py
        return layers.Conv2D(8, 3, strides=(1, 2), padding="same")(image)
    if kind == "pointwise":
        return layers.Conv2D(8, 1, strides=2, activation="relu")(image)
    if kind == "depthwise":
        return layers.DepthwiseConv2D(3, depth_multiplier=2, strides=2, padding="same")(image)
    if kind == "separable":
        return layers.SeparableConv2D(8, 3, padding="same", activation="relu")(image)
    return layers.Conv2D(8, 3, dilation_rate=2, padding="same", use_bias=False)(layers.BatchNormalization()(image))


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("kind", ["strided", "across", "pointwise", "depthwise", "separable", "dilated"])
def test_the_trunk_is_keras_s_at_every_depth(kind: str, depth: int) -> None:
    image = keras.Input((21, 23, depth))
    keras.utils.set_random_seed(depth)
    x = layers.BatchNormalization()(first_layers(kind, image))
    net, _ = canonical(keras.Model(image, layers.Conv2D(4, 3, name="last")(x)))
    images = tf.random.stateless_normal((2, 21, 23, depth), [1, 2])
    known, known_back = KerasTrunk(net, "last").forward(images)
    maps, back = Trunk(net, "last").forward(images)
    np.testing.assert_allclose(maps.numpy(), known.numpy(), rtol=1e-4, atol=1e-5)
    arriving = tf.random.stateless_normal(known.shape, [3, 4])
    np.testing.assert_allclose(back(arriving).numpy(), known_back(arriving).numpy(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("layer", ["first", "second"])
def test_gray_and_its_twin_in_colour_have_one_objective(layer: str) -> None:
    gray, colour = pair()
    one = tf.constant(GRAY.preprocess(pixels(3)))
    three = tf.repeat(one, 3, axis=3)
    wanted, opened = tf.constant([0, 1, 5]), tf.constant([True] * 3)
    value, gradient = ChannelObjective(gray, layer, 1).value_and_gradient(one, wanted, opened)
    same, apart = ChannelObjective(colour, layer, 1).value_and_gradient(three, wanted, opened)
    np.testing.assert_allclose(value.numpy(), same.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient.numpy() / 3, apart.numpy()[..., :1], rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(gradient.numpy()[..., 0], apart.numpy().sum(axis=3), rtol=1e-4, atol=1e-7)


def test_one_step_of_gray_is_the_step_of_its_twin_on_gray() -> None:
    """Along gray, where the colour's step has a length of sqrt(3) times what each channel moves."""
    gray, colour = pair()
    common = {"preset": "textbook", "size": 24, "crop": 0, "steps": 1, "start": [0.5, 0.5]}
    found = ascend(gray, GRAY, "second", [0, 3], settings_from(common | {"step_length": 1.0}), 1)
    twin = ascend(colour, COLOUR, "second", [0, 3], settings_from(common | {"step_length": 3**0.5}), 1)
    assert found.patterns.shape == (2, 24, 24, 1)
    np.testing.assert_allclose(twin.patterns, np.repeat(found.patterns, 3, axis=3), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(twin.objective, found.objective, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("depth", DEPTHS)
def test_every_preset_climbs_at_every_depth(depth: int, preset: str) -> None:
    lines: list[str] = []
    few = {"preset": preset, "size": 24, "crop": 0, "coarse_size": 16, "coarse_steps": 2, "steps": 6, "border": 0}
    settings = settings_from(few | {"precision": "float32"})
    found = ascend(network(depth), spec_of(depth), "second", [0, 1, 2, 3], settings, 1, report=lines.append)
    assert found.patterns.shape == (4, 24, 24, depth) and np.isfinite(found.patterns).all()
    assert any("held against Keras" in line for line in lines) and not any("going on" in line for line in lines)
    living = ~found.dead
    assert living.any() and (found.objective[living, -1] > found.objective[living].min(axis=1)).all()


def test_planes_that_are_no_colours_do_not_mix() -> None:
    """A wave in one plane is a wave in one channel, of the contrast that brightness has: a third of its square, in each."""
    wave = np.zeros((1, 6, 16, 9, 2), np.float32)
    wave[0, 4, 0, 2, 0] = 0.01
    bands = Fourier(depth=6, colours=0).images(tf.constant(wave), 16).numpy()
    assert not bands[..., [0, 1, 2, 3, 5]].any() and bands[..., 4].any()
    gray = Fourier(depth=1, colours=0).images(tf.constant(wave[:, 4:5]), 16).numpy()
    np.testing.assert_array_equal(gray, bands[..., 4:5])
    bright = np.zeros((1, 3, 16, 9, 2), np.float32)
    bright[0, 0, 0, 2, 0] = 0.01
    colour = Fourier().images(tf.constant(bright), 16).numpy()
    energy = np.square(np.arctanh(colour)).sum() / 3
    np.testing.assert_allclose(np.square(np.arctanh(gray)).sum(), energy, rtol=1e-3)
    with_alpha = Fourier(depth=4).images(tf.constant(np.concatenate([bright, bright[:, :1]], axis=1)), 16).numpy()
    np.testing.assert_allclose(with_alpha[..., :3], colour, rtol=1e-6)
    np.testing.assert_allclose(with_alpha[..., 3:], gray, rtol=1e-6)


@pytest.mark.parametrize("depth", DEPTHS)
def test_images_start_grow_and_move_at_every_depth(depth: int) -> None:
    draws = [filter_generator(1, "conv", channel) for channel in range(2)]
    for image in (Pixels((0.4, 0.6), depth), Fourier(depth=depth, colours=3 if depth in (3, 4) else 0)):
        begun = tf.constant(image.begin(draws, 16))
        assert image.images(begun, 16).shape == (2, 16, 16, depth)
        assert image.images(image.grow(begun, 16, 24), 24).shape == (2, 24, 24, depth)
    images = tf.random.stateless_normal((2, 16, 16, depth), [1, 2])
    moves = Robustness(0.1, 0.1, 5.0).draw(draws, 1)[0]
    whole = moved(images, moves).numpy()
    for channel in range(depth):
        np.testing.assert_allclose(
            whole[..., channel : channel + 1], moved(images[..., channel : channel + 1], moves).numpy()
        )


@pytest.mark.parametrize("depth", DEPTHS)
def test_black_and_white_are_the_model_s_own(depth: int) -> None:
    spec = spec_of(depth)
    ends = np.stack([np.full((2, 2, depth), value, np.float32) for value in (-1, 1)])
    shown, back = model_space(
        ModelSpec("n", (2, 2), channels=spec.channels, bands=spec.bands, scale=(0.5,), offset=(3.0,))
    )(ends)
    np.testing.assert_allclose(shown[:, 0, 0, 0], [3.0, 130.5])
    gradient = np.asarray(back(np.ones_like(ends)))
    assert gradient.shape == ends.shape and gradient.max() == 63.75


def test_patterns_are_shown_in_gray_over_white_or_as_chosen_bands() -> None:
    pattern = np.random.default_rng(0).normal(0, 0.3, (12, 12, 6)).astype(np.float32)
    gray = pattern_picture(pattern[..., :1], 2, channels=Channels("gray"))
    assert gray.shape == (8, 8, 3) and np.ptp(gray, axis=2).max() == 0
    assert np.array_equal(gray[..., 0], standardise(pattern[..., :1])[2:-2, 2:-2, 0])
    bounded = pattern_picture(pattern[..., :1], 0, True, Channels("gray"))
    assert np.array_equal(bounded[..., 0], np.rint((pattern[..., 0] + 1) * 127.5).astype(np.uint8))
    clear = np.concatenate([pattern[..., :3], np.full((12, 12, 1), -1, np.float32)], axis=2)
    assert (pattern_picture(clear, 0, True, Channels("rgba")) == 255).all()
    chosen = pattern_picture(pattern, 0, channels=Channels("bands", tuple(range(6)), (5, 0, 2)))
    assert np.array_equal(chosen, standardise(pattern[..., [5, 0, 2]]))
    assert np.ptp(pattern_picture(pattern[..., :2], 0, channels=Channels("bands", (0, 1))), axis=2).max() == 0
