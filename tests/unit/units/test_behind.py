"""Where a unit's answers are taken: behind what may turn them round."""

import keras
import numpy as np
import pytest

from convscope.models.graphs import flatten
from convscope.units.answers import UnitMaps
from convscope.units.behind import answer_of

layers = keras.layers


def chain(*behind, last=None):
    image = keras.Input((8, 8, 3))
    conv = x = layers.Conv2D(4, 3, padding="same", name="conv")(image)
    for layer in behind:
        x = layer(x)
    return flatten(keras.Model(image, last(x, conv) if last else x))


@pytest.mark.parametrize("activation", ["silu", "gelu", "relu", "elu", "leaky_relu"])
def test_it_is_behind_the_norm_and_the_activation(activation):
    net = chain(layers.BatchNormalization(name="norm"), layers.Activation(activation, name="active"))
    assert answer_of(net, "conv") == "active"


def test_before_an_addition_it_is_behind_the_norm():
    net = chain(
        layers.BatchNormalization(name="norm"), last=lambda x, conv: layers.Add()([x, layers.Conv2D(4, 1)(conv)])
    )
    # Two take the convolution's output: one normalises it.
    assert answer_of(net, "conv") == "norm"


def test_an_activation_inside_or_nothing_behind_is_the_convolution():
    image = keras.Input((8, 8, 3))
    inside = layers.Conv2D(4, 3, activation="gelu", name="inside")(image)
    bare = layers.Conv2D(2, 3, activation="gelu", name="last")(layers.Conv2D(4, 1, name="bare")(inside))
    net = flatten(keras.Model(image, bare))
    assert [answer_of(net, name) for name in ("inside", "bare", "last")] == ["inside", "bare", "last"]


def test_a_norm_that_turns_answers_round_does_so_for_the_unit():
    norm = layers.BatchNormalization(name="norm")
    net = chain(norm, layers.Activation("silu", name="active"))
    norm.gamma.assign([-1, 1, -2, 1])
    model = UnitMaps(net, ["conv"], [""], (8, 8, 3))
    images = np.random.default_rng(0).normal(size=(3, 8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(model(images)["conv"], np.asarray(net(images)), atol=1e-5)
    assert model.rectified == set()
