"""The trunk in graphs of every kind: constants, stretched sums, several results, repeated calls, odd kernels and activations.

Value and gradient of the objective are those of Keras's own layers under a tape.
"""

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from convscope.filters.keras_graph import KerasTrunk
from convscope.filters.objectives import ChannelObjective
from convscope.filters.trunk import Trunk
from convscope.filters.trunk_steps import Affine
from convscope.models.graphs import node_of

layers = keras.layers
Maps = keras.KerasTensor
Body = Callable[[Maps], Maps]


def conv(maps: Maps, filters: int = 6, side: int = 3, **settings: object) -> Maps:
    return layers.Conv2D(filters, side, padding="same", **settings)(maps)


def pooled(maps: Maps) -> Maps:
    return layers.GlobalAveragePooling2D(keepdims=True)(maps)


def gated_halves(maps: Maps) -> Maps:
    left, right = ops.split(conv(maps, 8), 2, axis=-1)
    return left * ops.sigmoid(right)


def one_half(maps: Maps) -> Maps:
    return ops.split(conv(maps, 8), 2, axis=-1)[1]


def twice(maps: Maps, activation: str) -> Maps:
    layer = layers.Conv2D(3, 3, padding="same", activation=activation)
    return layer(layer(maps))


def twice_with_norms(maps: Maps) -> Maps:
    layer = layers.Conv2D(3, 3, padding="same")
    return layers.BatchNormalization()(layer(layers.ReLU()(layers.BatchNormalization()(layer(maps)))))


def norm_with_two_takers(maps: Maps) -> Maps:
    first = conv(maps)
    return layers.Add()([layers.BatchNormalization()(first), first, layers.ReLU()(first)])


def hard_swish(maps: Maps) -> Maps:
    maps = conv(maps)
    return maps * (layers.ReLU(6.0)(maps + 3.0) * (1.0 / 6.0))


BODIES: dict[str, Body] = {
    "constant added": lambda x: conv(x) + 3.0,
    "taken from a constant": lambda x: 1.0 - conv(x),
    "an array added": lambda x: conv(x) + np.linspace(-1, 1, 6, dtype=np.float32),
    "doubled": lambda x: (lambda y: y + y)(conv(x)),
    "hard swish of MobileNetV3": hard_swish,
    "sum stretched over places": lambda x: layers.Add()([conv(x), pooled(conv(x))]),
    "sum stretched, as an operation": lambda x: pooled(conv(x)) + conv(x),
    "sum stretched over channels": lambda x: layers.Add()([conv(x), conv(x, 1)]),
    "product stretched": lambda x: layers.Multiply()([conv(x), conv(pooled(conv(x)), 6, 1, activation="sigmoid")]),
    "split": gated_halves,
    "one half of a split": one_half,
    "a choice by a condition": lambda x: (lambda y: ops.where(y > 0, y, 0.3 * y))(conv(x)),
    "a ReLU as an operation": lambda x: ops.relu(conv(x) - 0.1),
    "norm behind a grouped convolution": lambda x: layers.BatchNormalization()(layers.Conv2D(6, 3, groups=3)(x)),
    "norm taken beside its convolution": norm_with_two_takers,
    "norm without scale and centre": lambda x: layers.BatchNormalization(scale=False, center=False)(conv(x)),
    "called twice, ReLU inside": lambda x: twice(x, "relu"),
    "called twice, tanh inside": lambda x: twice(x, "tanh"),
    "called twice, norms behind": twice_with_norms,
    "concatenated": lambda x: layers.Concatenate()([conv(x), layers.AveragePooling2D(3, 1, "same")(x), x]),
    "enlarged": lambda x: layers.UpSampling2D(2, interpolation="bilinear")(layers.MaxPooling2D(2)(conv(x))),
    "padded and cropped": lambda x: layers.Cropping2D(1)(conv(layers.ZeroPadding2D(((1, 0), (3, 2)))(x))),
    "mirrored padding": lambda x: conv(ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="reflect")),
    "narrow strided shortcut": lambda x: layers.Conv2D(4, 1, strides=2, activation="gelu")(x),
    "strides and dilation": lambda x: layers.SeparableConv2D(5, 3, strides=2, dilation_rate=2, padding="same")(x),
    "transposed": lambda x: layers.Conv2DTranspose(4, 3, strides=2, padding="same")(layers.MaxPooling2D(2)(x)),
    **{
        f"dilated {kind.__name__}, {padding}, multiplier {multiplier}": lambda x, k=kind, p=padding, m=multiplier, f=first: (
            k(*f, (2, 3), dilation_rate=(2, 1) if m == 2 else 2, padding=p, depth_multiplier=m)(conv(x))
        )
        for kind, first in ((layers.DepthwiseConv2D, ()), (layers.SeparableConv2D, (5,)))
        for padding in ("same", "valid")
        for multiplier in (1, 2)
    },
    **{
        f"activation {name}": lambda x, name=name: conv(x, activation=name)
        for name in ("softmax", "leaky_relu", "hard_swish", "gelu", "relu6", "log_softmax")
    },
    "a layer as activation": lambda x: layers.BatchNormalization()(conv(x, activation=layers.LeakyReLU())),
    "a slope for each channel": lambda x: layers.PReLU(shared_axes=[1, 2])(conv(x)),
}  # fmt: skip


def shaken(model: keras.Model) -> keras.Model:
    """Random weights everywhere, so that batch normalisation is not the identity."""
    draw = np.random.default_rng(4)
    for layer in model.layers:
        values = [draw.normal(0, 0.4, value.shape).astype(np.float32) for value in layer.get_weights()]
        if isinstance(layer, layers.BatchNormalization):
            values[-1] = np.abs(values[-1]) + 0.5
        layer.set_weights(values)
    return model


def network_of(body: Body, last: keras.layers.Layer | None = None) -> keras.Model:
    image = keras.Input((15, 15, 3))
    return shaken(keras.Model(image, (last or layers.Conv2D(4, 3, name="last"))(body(image))))


def assert_as_keras(network: keras.Model, border: int = 2, by_keras: bool = False, compiled: bool = False) -> None:
    """The objective of the layer's last call, and its gradient."""
    objective = ChannelObjective(network, "last", border, by_keras=by_keras)
    maps_of = keras.Model(network.inputs[0], node_of(network, "last").outputs[0])
    images = tf.random.stateless_uniform((2, *network.input_shape[1:]), [1, 2], -1, 1)
    channels = tf.constant([1, objective.filters - 1])
    with tf.GradientTape() as tape:
        tape.watch(images)
        maps = maps_of(images, training=False)
        inner = maps[:, border : maps.shape[1] - border, border : maps.shape[2] - border]
        means = tf.reduce_mean(tf.gather(inner, channels, axis=3, batch_dims=1), axis=(1, 2))
        total = tf.reduce_sum(means)
    expected = tape.gradient(total, images).numpy()
    closed = tf.constant([False, False])
    function = objective.value_and_gradient
    values, gradient = (tf.function(function, autograph=False) if compiled else function)(images, channels, closed)
    np.testing.assert_allclose(values.numpy(), means.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(gradient.numpy(), expected, rtol=1e-3, atol=1e-4 * abs(expected).max())
    assert abs(expected).max() > 0


@pytest.mark.parametrize("kind", BODIES)
def test_value_and_gradient_are_those_of_keras(kind: str) -> None:
    network = network_of(BODIES[kind])
    if "narrow" not in kind:
        assert_as_keras(network)
        return
    # The library's own gradient writes beyond its memory here: held against the same convolution of the places that are read.
    other = network_of(lambda x: layers.Conv2D(4, 1, activation="gelu")(x[:, ::2, ::2]))
    other.set_weights(network.get_weights())
    images = tf.random.stateless_uniform((2, 15, 15, 3), [1, 2], -1, 1)
    arguments = images, tf.constant([1, 3]), tf.constant([False, False])
    expected = ChannelObjective(other, "last", 2).value_and_gradient(*arguments)
    for by_keras in (False, True):
        found = ChannelObjective(network, "last", 2, by_keras=by_keras).value_and_gradient(*arguments)
        for one, right in zip(found, expected, strict=True):
            np.testing.assert_allclose(one.numpy(), right.numpy(), rtol=1e-4, atol=1e-6)


LASTS: dict[str, Callable[[], keras.layers.Layer]] = {
    "softmax inside": lambda: layers.Conv2D(4, 3, activation="softmax", name="last"),
    "softmax inside, separable": lambda: layers.SeparableConv2D(4, 3, activation="softmax", name="last"),
    "leaky inside": lambda: layers.Conv2D(4, 3, activation=layers.LeakyReLU(), name="last"),
    "slopes inside": lambda: layers.Conv2D(4, 3, activation=layers.PReLU(shared_axes=[1, 2]), name="last"),
    "grouped, ReLU inside": lambda: layers.Conv2D(4, 3, groups=2, activation="relu", name="last"),
    "dilated separable": lambda: layers.SeparableConv2D(4, 3, dilation_rate=2, padding="same", name="last"),
    "strides and dilation": lambda: layers.SeparableConv2D(4, 3, strides=2, dilation_rate=2, padding="same", name="last"),
    "depthwise, swish inside": lambda: layers.DepthwiseConv2D(3, depth_multiplier=2, activation="swish", name="last"),
    "transposed": lambda: layers.Conv2DTranspose(4, 3, strides=2, name="last"),
}  # fmt: skip


@pytest.mark.parametrize("kind", LASTS)
@pytest.mark.parametrize("by_keras", [False, True])
def test_the_layer_itself_is_that_of_keras(kind: str, by_keras: bool) -> None:
    assert_as_keras(network_of(lambda x: conv(x, 4, activation="relu"), LASTS[kind]()), by_keras=by_keras)


def test_a_layer_called_twice_is_looked_at_in_its_last_call() -> None:
    image = keras.Input((21, 21, 3))
    layer = layers.Conv2D(3, 3, padding="same", activation="softplus", name="last")
    network = shaken(keras.Model(image, layer(layers.MaxPooling2D(3)(layer(image)))))
    objective = ChannelObjective(network, "last", 3)
    assert objective.map_size(21) == (7, 7) and objective.border_at(21) == 3
    assert_as_keras(network, border=3)


def test_before_its_softmax_a_layer_is_what_its_kernel_makes() -> None:
    network = network_of(lambda x: x, layers.Conv2D(4, 3, activation="softmax", name="last"))
    kernel, bias = network.get_layer("last").get_weights()
    images = tf.random.stateless_uniform((1, 15, 15, 3), [1, 2], -1, 1)
    logits = tf.nn.conv2d(images, kernel, 1, "VALID")[:, 2:-2, 2:-2] + bias
    objective = ChannelObjective(network, "last", 2)
    for opened, maps in ((True, logits), (False, tf.nn.softmax(logits))):
        value = objective(images, tf.constant([2]), tf.constant([opened]))
        np.testing.assert_allclose(value.numpy(), [tf.reduce_mean(maps[..., 2])], rtol=1e-4, atol=1e-6)


def test_a_norm_behind_a_grouped_convolution_stays() -> None:
    network = network_of(BODIES["norm behind a grouped convolution"])
    assert [type(step) for step in Trunk(network, "last")._steps][-1] is Affine


def test_a_layer_named_like_one_of_keras_is_not_taken_for_it() -> None:
    class Add(keras.layers.Layer):  # type: ignore[misc]
        def call(self, values: list[Maps]) -> Maps:
            return values[0] + 2 * values[1]

    class Conv2D(layers.Conv2D):  # type: ignore[misc]
        def call(self, values: Maps) -> Maps:
            return super().call(values) * 3

    assert_as_keras(network_of(lambda x: Add()([conv(x), layers.ReLU()(Conv2D(6, 3, padding="same")(x))])))


def test_keras_s_trunk_has_every_value_and_gradient() -> None:
    network = network_of(BODIES["split"])
    images = tf.random.stateless_uniform((1, 15, 15, 3), [1, 2], -1, 1)
    trunk, own = KerasTrunk(network, "last"), Trunk(network, "last")
    arriving = tf.random.stateless_normal(trunk(images).shape, [3, 4])
    for found, expected in zip(own.gradients(images, arriving), trunk.gradients(images, arriving), strict=True):
        assert set(found) == set(expected)
        for key, value in found.items():
            np.testing.assert_allclose(value.numpy(), expected[key].numpy(), rtol=1e-4, atol=1e-5)


# The parts that random networks are put together of: each keeps six channels and the size.
PARTS: list[Body] = [
    lambda x: layers.ReLU()(layers.BatchNormalization()(conv(x, use_bias=False))),
    lambda x: layers.BatchNormalization()(layers.SeparableConv2D(6, 3, padding="same")(layers.ReLU()(x))),
    lambda x: layers.DepthwiseConv2D(3, padding="same", dilation_rate=2)(x),
    lambda x: layers.Add()([conv(layers.ReLU()(x), use_bias=False), x]),
    lambda x: layers.BatchNormalization()(layers.Conv2D(6, 3, groups=2, padding="same")(x)),
    lambda x: layers.Concatenate()(ops.split(x, 2, axis=-1)[::-1]) + 0.5,
    lambda x: x * layers.ReLU(6.0)(pooled(x) + 3.0),
    lambda x: layers.Add()([layers.BatchNormalization(scale=False)(x), pooled(x)]),
    lambda x: conv(layers.MaxPooling2D(3, 1, "same")(x), activation="hard_swish"),
]


@pytest.mark.parametrize("seed", range(5))
def test_random_networks(seed: int) -> None:
    draw = np.random.default_rng(seed)

    def body(maps: Maps) -> Maps:
        maps = conv(maps)
        shared: list[Body] = []
        for _ in range(4):
            maps = PARTS[draw.integers(len(PARTS))](maps)
            if draw.random() < 0.3:
                layer = layers.Conv2D(6, 3, padding="same", activation="relu" if draw.random() < 0.5 else None)
                shared.append(layer)
            if shared and draw.random() < 0.7:
                maps = shared[-1](maps)
        return maps

    assert_as_keras(network_of(body), compiled=seed == 0)
