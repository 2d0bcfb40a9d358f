"""The picture that silences a filter: minus its answer before the activation, behind what may turn it round."""

import keras
import numpy as np
import pytest

from convscope.filters.presets import for_preset, pattern_settings, preset_names, settings_from
from convscope.filters.run import ascend
from convscope.filters.signs import signs_behind
from convscope.models.spec import ModelSpec
from convscope.units.behind import answer_of

layers = keras.layers
SPEC = ModelSpec("small", (16, 16), scale=(1 / 127.5,) * 3, offset=(-1.0,) * 3)
SHORT = {"size": 16, "steps": 12, "coarse_steps": 0, "border": 0, "crop": 0, "precision": "float32"}


def network(activation=None, norm=True) -> keras.Model:
    """Filters 0 and 1 answer to red; the normalisation turns the second round."""
    image = keras.Input((16, 16, 3))
    x = layers.Conv2D(2, 1, activation=activation, name="conv")(image)
    if norm:
        x = layers.ReLU()(layers.BatchNormalization(name="norm")(x))
    net = keras.Model(image, x)
    kernel = np.zeros((1, 1, 3, 2), np.float32)
    kernel[0, 0, 0] = 1
    # The second so far below its threshold that a ReLU shows no gradient.
    net.get_layer("conv").set_weights([kernel, np.array([0, -9], np.float32)])
    if norm:
        net.get_layer("norm").gamma.assign([1, -1])
    return net


def red(net, **settings) -> np.ndarray:
    """How much more red than blue each pattern is, and its objective's rise."""
    found = ascend(net, SPEC, "conv", [0, 1], settings_from({"preset": "textbook", **SHORT, **settings}), 3)
    assert not found.dead.any()
    assert (found.objective[:, -1] > found.objective[:, 0]).all()
    return (found.patterns[..., 0] - found.patterns[..., 2]).mean(axis=(1, 2))


@pytest.mark.parametrize("parameterisation", ["pixels", "fourier"])
def test_it_falls_before_the_relu_and_a_negative_gamma_turns_it_round(parameterisation: str) -> None:
    first, second = red(network(), negative=True, parameterisation=parameterisation)
    assert first < -0.04 and second > 0.04


def test_a_relu_of_its_own_does_not_hide_the_way_down() -> None:
    assert (red(network("relu", norm=False), negative=True) < -0.1).all()


def test_signs_are_those_of_what_stands_before_the_activation() -> None:
    assert signs_behind(network(), "conv").tolist() == [1, -1]
    assert signs_behind(network("relu"), "conv").tolist() == [1, 1], "behind an activation of its own nothing turns it"
    image = keras.Input((8, 8, 3))
    conv = layers.Conv2D(2, 1, name="conv")(image)
    twice = layers.BatchNormalization(name="b")(layers.BatchNormalization(name="a")(conv))
    plain = layers.BatchNormalization(scale=False)(twice)
    net = keras.Model(image, layers.Activation("gelu")(plain))
    net.get_layer("a").gamma.assign([-1, -1])
    net.get_layer("b").gamma.assign([-2, 1])
    assert signs_behind(net, "conv").tolist() == [1, -1]


def test_a_normalisation_beside_the_activation_turns_nothing_round() -> None:
    """What the unit answers is behind its ReLU; another branch normalises the same convolution."""
    image = keras.Input((8, 8, 3))
    conv = layers.Conv2D(2, 1, name="conv")(image)
    beside = layers.BatchNormalization(name="beside")(conv)
    net = keras.Model(image, layers.Add()([layers.ReLU(name="relu")(conv), beside]))
    net.get_layer("beside").gamma.assign([-1, 1])
    assert answer_of(net, "conv") == "relu" and signs_behind(net, "conv").tolist() == [1, 1]


def test_a_preset_with_negative_patterns_has_a_folder_more_and_the_other_stays_as_it_is() -> None:
    config = {"preset": ["sharp", "fast"], "size": 64, "sharp": {"negative": True}}
    assert preset_names(config) == ["sharp", "sharp-negative", "fast"]
    assert preset_names({"preset": "fast", "negative": True}) == ["fast", "fast-negative"]
    assert preset_names({"preset": ["sharp", "fast"], "negative": True, "fast": {"negative": False}}) == [
        "sharp", "sharp-negative", "fast",
    ]  # fmt: skip
    without = {"preset": ["sharp", "fast"], "size": 64}
    assert pattern_settings(config, "sharp") == pattern_settings(without, "sharp")
    assert for_preset(config, "sharp-negative") == {"preset": "sharp", "size": 64, "negative": True}
    settings = settings_from(for_preset(config, "sharp-negative"))
    assert settings.negative and settings.as_dict()["negative"] is True
    assert "negative" not in settings_from(for_preset(config, "sharp")).as_dict(), "its results do not change"
