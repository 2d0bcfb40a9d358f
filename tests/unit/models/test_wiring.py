"""What a convolution takes its channels from, and how strongly, on networks written out here."""

import keras
import numpy as np

from convscope.models.graphs import flatten
from convscope.models.wiring import connections, kernels, sources_of

layers = keras.layers


def named(sources):
    return {source.layer: source.filters.tolist() for source in sources}


def test_channels_are_followed_through_normalisation_pooling_addition_and_concatenation():
    image = keras.Input((16, 16, 3))
    a = layers.Conv2D(4, 3, padding="same", name="a")(image)
    b = layers.SeparableConv2D(4, 3, padding="same", name="b")(layers.ReLU()(layers.BatchNormalization()(a)))
    c = layers.Conv2D(2, 1, name="c")(layers.Add()([a, b]))
    both = layers.Concatenate()([layers.MaxPooling2D(2)(b), layers.MaxPooling2D(2)(c)])
    d = layers.Conv2D(5, 1, name="d")(both)
    flat = flatten(keras.Model(image, d))
    assert named(sources_of(flat, "a")) == {}
    assert named(sources_of(flat, "b")) == {"a": [0, 1, 2, 3]}
    assert named(sources_of(flat, "c")) == {"a": [0, 1, 2, 3], "b": [0, 1, 2, 3]}
    assert named(sources_of(flat, "d")) == {"b": [0, 1, 2, 3, -1, -1], "c": [-1, -1, -1, -1, 0, 1]}


def test_gains_are_those_behind_the_filters_own_relu():
    image = keras.Input((8, 8, 3))
    a = layers.Conv2D(2, 1, name="a")(image)
    before = layers.ReLU()(layers.BatchNormalization(name="before")(a))
    b = layers.Conv2D(2, 1, name="b")(layers.BatchNormalization(name="behind")(before))
    net = keras.Model(image, b)
    for name, gamma in (("before", [5, 7]), ("behind", [2, -3])):
        norm = net.get_layer(name)
        norm.gamma.assign(gamma)
        norm.moving_variance.assign([1 - norm.epsilon] * 2)
    (source,) = sources_of(flatten(net), "b")
    np.testing.assert_allclose(source.gains, [2, -3], rtol=1e-6)


def test_what_goes_through_a_dense_layer_is_not_followed():
    image = keras.Input((8, 8, 3))
    a = layers.Conv2D(2, 1, name="a")(image)
    x = layers.Reshape((2, 2, 32))(layers.Dense(128)(layers.Flatten()(a)))
    assert sources_of(flatten(keras.Model(image, layers.Conv2D(2, 1, name="b")(x))), "b") == []


def test_a_gate_hands_on_the_maps_that_it_weights():
    image = keras.Input((8, 8, 3))
    a = layers.Conv2D(4, 1, name="a")(image)
    gate = layers.Conv2D(4, 1, activation="sigmoid", name="gate")(layers.GlobalAveragePooling2D(keepdims=True)(a))
    b = layers.Conv2D(2, 1, name="b")(layers.Multiply()([a, gate]))
    assert named(sources_of(flatten(keras.Model(image, b)), "b")) == {"a": [0, 1, 2, 3]}


def by_pictures(layer, channels, filters):
    """The kernel that a layer answers a lone point of each channel with: (9, Cin, filters)."""
    found = np.zeros((9, channels, filters))
    for channel in range(channels):
        image = np.zeros((1, 3, 3, channels), np.float32)
        image[0, 1, 1, channel] = 1
        # A convolution is a correlation: it meets the kernel mirrored.
        found[:, channel] = np.asarray(layer(image))[0, ::-1, ::-1].reshape(9, filters)
    return found


def test_kernels_are_what_a_lone_point_is_answered_with():
    for layer, filters in (
        (layers.Conv2D(4, 3, padding="same", use_bias=False), 4),
        (layers.Conv2D(4, 3, padding="same", use_bias=False, groups=2), 4),
        (layers.SeparableConv2D(4, 3, padding="same", use_bias=False), 4),
        (layers.SeparableConv2D(4, 3, padding="same", use_bias=False, depth_multiplier=2), 4),
        (layers.DepthwiseConv2D(3, padding="same", use_bias=False), 6),
        (layers.DepthwiseConv2D(3, padding="same", use_bias=False, depth_multiplier=2), 12),
    ):
        layer.build((None, 3, 3, 6))
        np.testing.assert_allclose(kernels(layer), by_pictures(layer, 6, filters), atol=1e-6)


def test_a_transposed_convolution_has_the_kernel_the_other_way_round():
    layer = layers.Conv2DTranspose(4, 3, padding="same", use_bias=False)
    layer.build((None, 3, 3, 6))
    mirrored = by_pictures(layer, 6, 4).reshape(3, 3, 6, 4)[::-1, ::-1].reshape(9, 6, 4)
    np.testing.assert_allclose(kernels(layer), mirrored, atol=1e-6)


def test_connections_have_the_size_of_the_norm_and_the_sign_of_the_sum():
    kernel = np.array([[[3.0, 1]], [[-4, 2]]])
    np.testing.assert_allclose(connections(kernel), [[-5, np.sqrt(5)]])
