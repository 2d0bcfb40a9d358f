"""The trunk: the same maps and the same input gradient as Keras, for every kind of layer, folded or not."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context

from convscope.filters.margins import Margins, margins_unread
from convscope.filters.objectives import ChannelObjective
from convscope.filters.strided import Phases
from convscope.filters.trunk import Trunk
from convscope.filters.trunk_steps import AnyLayer
from convscope.models.canonical import canonical

layers = keras.layers


def shaken(model: keras.Model) -> keras.Model:
    """Random weights everywhere, so that batch normalisation is not the identity."""
    draw = np.random.default_rng(4)
    for layer in model.layers:
        values = [draw.normal(0, 0.3, value.shape).astype(np.float32) for value in layer.get_weights()]
        if isinstance(layer, layers.BatchNormalization):
            values[-1] = np.abs(values[-1]) + 0.5
        layer.set_weights(values)
    return model


def plain(x: keras.KerasTensor) -> keras.KerasTensor:
    x = layers.Conv2D(6, 3, activation="relu", padding="same")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(5, (2, 3), strides=2, use_bias=False)(x)
    return layers.ReLU()(x)


def xception_like(x: keras.KerasTensor) -> keras.KerasTensor:
    x = layers.BatchNormalization()(layers.Conv2D(24, 3, strides=2, use_bias=False)(x))
    x = layers.Activation("relu")(x)
    way = layers.BatchNormalization()(layers.Conv2D(24, 1, strides=2, padding="same", use_bias=False)(x))
    x = layers.BatchNormalization(scale=False)(layers.SeparableConv2D(24, 3, padding="same", use_bias=False)(x))
    x = layers.ReLU()(x)
    x = layers.BatchNormalization(center=False)(layers.SeparableConv2D(24, 3, padding="same")(x))
    x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    x = layers.Add()([x, way])
    return layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same")(layers.ReLU()(x)))


def odd(x: keras.KerasTensor) -> keras.KerasTensor:
    """Layers and settings of which the trunk has no version of its own."""
    x = layers.Conv2D(6, 3, groups=3, activation="gelu")(x)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.BatchNormalization()(layers.Conv2D(6, 3, dilation_rate=2, padding="same", activation="relu")(x))
    y = layers.DepthwiseConv2D(2, strides=2, depth_multiplier=2)(x)
    x = layers.AveragePooling2D(2)(x)[:, : y.shape[1], : y.shape[2]]
    x = layers.Concatenate()([x, y])
    gate = layers.Dense(18, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    return layers.Add()([layers.Multiply()([x, gate]), x])


def built(body: Callable[[keras.KerasTensor], keras.KerasTensor], size: int = 33) -> keras.Model:
    image = keras.Input((size, size, 3))
    return shaken(keras.Model(image, layers.Conv2D(4, 3, name="last")(body(image))))


@pytest.mark.parametrize("body", [plain, xception_like, odd])
def test_maps_and_gradient_are_those_of_keras(body: Callable[[keras.KerasTensor], keras.KerasTensor]) -> None:
    network, _ = canonical(built(body))
    reference = keras.Model(network.inputs[0], network.get_layer("last").input)
    images = tf.random.stateless_normal((2, 33, 33, 3), [1, 2])
    with tf.GradientTape() as tape:
        tape.watch(images)
        expected = reference(images, training=False)
        wanted = tf.random.stateless_normal(expected.shape, [3, 4])
        total = tf.reduce_sum(expected * wanted)
    maps, backward = Trunk(network, "last").forward(images)
    np.testing.assert_allclose(maps.numpy(), expected.numpy(), rtol=1e-4, atol=1e-5)
    gradient = tape.gradient(total, images).numpy()
    np.testing.assert_allclose(backward(wanted).numpy(), gradient, rtol=1e-3, atol=1e-4 * abs(gradient).max())


@pytest.mark.parametrize("body", [plain, xception_like, odd])
def test_margins_that_nobody_asks_for_are_not_made_and_change_nothing(
    body: Callable[[keras.KerasTensor], keras.KerasTensor],
) -> None:
    network, _ = canonical(built(body))
    images = tf.random.stateless_normal((2, 33, 33, 3), [1, 2])
    margins = Margins(1, 0, 2, 1)
    trunk = Trunk(network, "last")
    whole, back = trunk.forward(images)
    part, back_from_part = trunk.forward(images, margins)
    np.testing.assert_allclose(part.numpy(), whole[:, 1:, 2:-1].numpy(), rtol=1e-5, atol=1e-6)
    arriving = tf.random.stateless_normal(part.shape, [3, 4])
    expected = back(tf.pad(arriving, [[0, 0], [1, 0], [2, 1], [0, 0]])).numpy()
    np.testing.assert_allclose(back_from_part(arriving).numpy(), expected, rtol=1e-4, atol=1e-5 * abs(expected).max())


def test_margins_reach_down_to_the_last_pointwise_convolution() -> None:
    image = keras.Input((16, 16, 3))
    x = short = layers.Conv2D(8, 3, padding="same", name="first")(image)
    x = layers.SeparableConv2D(8, 3, padding="same", name="second")(layers.ReLU()(x))
    x = layers.ReLU()(layers.Add()([layers.BatchNormalization()(x), short]))
    trunk = Trunk(keras.Model(image, layers.Conv2D(2, 3, padding="same", name="last")(x)), "last")
    made = [type(step).__name__ for step in trunk._steps if step.output in trunk._cut]
    # What the depthwise half makes is read at the edges too, and the short way's maps by two layers.
    assert made == ["Convolution", "Sum", "Relu"]


@pytest.mark.parametrize("kernel, stride, dilation", [(3, 1, 1), (3, 2, 1), (5, 1, 1), (3, 1, 2), (1, 2, 1), (4, 3, 1)])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("size", [13, 14, 20])
def test_what_a_convolution_does_not_read_when_its_border_is_dropped(
    kernel: int, stride: int, dilation: int, padding: str, size: int
) -> None:
    layer = layers.Conv2D(1, kernel, strides=stride, dilation_rate=dilation, padding=padding)
    maps = tf.random.stateless_normal((1, size, size, 2), [1, 2])
    wanted = layer(maps)[:, 1:-1, 1:-1]
    margins = margins_unread(layer, (size, size), 1)
    if margins is None:
        assert padding == "same" and ((kernel - 1) * dilation) // 2 > stride
        return
    found = tf.nn.conv2d(margins.cut(maps), layer.kernel, stride, "VALID", dilations=dilation) + layer.bias
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-4, atol=1e-5)


def test_normalisation_is_folded_and_only_strange_layers_go_through_keras() -> None:
    network, _ = canonical(built(xception_like))
    kinds = [type(step).__name__ for step in Trunk(network, "last")._steps]
    assert "AnyLayer" not in kinds and "Affine" not in kinds
    network, _ = canonical(built(odd))
    strange = [step.node.operation for step in Trunk(network, "last")._steps if isinstance(step, AnyLayer)]
    assert {type(layer).__name__ for layer in strange} >= {
        "Conv2D",
        "ZeroPadding2D",
        "Concatenate",
        "Multiply",
        "Dense",
    }


def test_a_map_that_two_layers_use_is_not_folded() -> None:
    image = keras.Input((16, 16, 3))
    first = layers.Conv2D(4, 3, padding="same", name="first")(image)
    both = layers.Add()([layers.BatchNormalization()(first), first])
    network, _ = canonical(shaken(keras.Model(image, layers.Conv2D(2, 1, name="last")(both))))
    images = tf.random.stateless_normal((1, 16, 16, 3), [5, 6])
    expected = keras.Model(network.inputs[0], network.get_layer("last").input)(images, training=False)
    np.testing.assert_allclose(Trunk(network, "last")(images).numpy(), expected.numpy(), rtol=1e-4, atol=1e-5)


def test_bfloat16_keeps_the_direction() -> None:
    network, _ = canonical(built(xception_like))
    images = tf.random.stateless_normal((2, 33, 33, 3), [1, 2])
    exact = ChannelObjective(network, "last", 1).value_and_gradient(
        images, tf.constant([0, 3]), tf.constant([False] * 2)
    )
    fast = ChannelObjective(network, "last", 1, "bfloat16").value_and_gradient(
        images, tf.constant([0, 3]), tf.constant([False] * 2)
    )
    assert fast[0].dtype == fast[1].dtype == tf.float32
    correlation = np.corrcoef(exact[1].numpy().ravel(), fast[1].numpy().ravel())[0, 1]
    assert 0.98 < correlation < 1 - 1e-7
    np.testing.assert_allclose(fast[0].numpy(), exact[0].numpy(), atol=0.05 * abs(exact[0].numpy()).max())


def test_rounded_steps_are_the_same_steps_with_the_nearest_constants() -> None:
    network, _ = canonical(built(xception_like))
    exact = Trunk(network, "last")
    rounded = exact.rounded("bfloat16")
    assert [type(step) for step in rounded._steps] == [type(step) for step in exact._steps]
    checked = 0
    for right, found in zip(exact._steps, rounded._steps, strict=True):
        for name in ("kernel", "bias", "scale", "offset"):
            if (value := getattr(right, name, None)) is not None:
                assert value.dtype == tf.float32
                nearest = value.numpy().astype(tf.bfloat16.as_numpy_dtype)
                np.testing.assert_array_equal(getattr(found, name).numpy(), nearest)
                checked += 1
    assert checked > 10
    maps, _ = rounded.forward(tf.zeros((1, 33, 33, 3)))
    assert maps.dtype == tf.bfloat16 and exact(tf.zeros((1, 33, 33, 3))).dtype == tf.float32


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(6, 3, padding="same", name="target"),
        layers.Conv2D(16, 1, strides=2, use_bias=False, name="target"),
        layers.SeparableConv2D(6, 3, name="target"),
        layers.SeparableConv2D(6, 3, use_bias=False, activation="relu", name="target"),
        layers.DepthwiseConv2D(3, name="target"),
        layers.Conv2D(6, 3, groups=2, name="target"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_only_the_wanted_channels_are_computed_and_they_are_right(layer: keras.layers.Layer) -> None:
    image = keras.Input((20, 20, 3))
    network, _ = canonical(shaken(keras.Model(image, layer(layers.Conv2D(24, 3, activation="relu")(image)))))
    images = tf.random.stateless_normal((3, 20, 20, 3), [7, 8])
    channels = [2, 0, 3]
    objective = ChannelObjective(network, "target", 2)
    with tf.GradientTape() as tape:
        tape.watch(images)
        whole = network(images, training=False)
        means = tf.stack([tf.reduce_mean(whole[row, 2:-2, 2:-2, channel]) for row, channel in enumerate(channels)])
        total = tf.reduce_sum(means)
    values, gradient = objective.value_and_gradient(images, tf.constant(channels), tf.constant([False] * 3))
    np.testing.assert_allclose(values.numpy(), means.numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(gradient.numpy(), tape.gradient(total, images).numpy(), rtol=1e-3, atol=1e-6)


def test_a_narrow_strided_shortcut_has_its_gradient() -> None:
    """Here the library's own backward pass writes beyond its memory; the maps are linear, so differences are exact."""
    image = keras.Input((11, 10, 3))
    way = layers.Conv2D(4, 1, strides=(3, 2), padding="same", use_bias=False, name="way")(image)
    network = shaken(keras.Model(image, layers.Conv2D(2, 1, name="last")(way)))
    maps, backward = Trunk(network, "last").forward(tf.zeros((1, 11, 10, 3)))
    wanted = np.random.default_rng(1).normal(size=maps.shape).astype(np.float32)
    kernel = network.get_layer("way").get_weights()[0][0, 0]
    expected = np.zeros((1, 11, 10, 3), np.float32)
    expected[:, ::3, ::2] = wanted @ kernel.T
    np.testing.assert_allclose(backward(tf.constant(wanted)).numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "kernel, stride, padding", [(3, 2, "valid"), (7, 2, "same"), (4, 4, "same"), (5, 3, "valid"), (2, 3, "same")]
)
@pytest.mark.parametrize("height, width", [(33, 32), (20, 27)])
def test_the_gradient_of_a_strided_convolution_of_the_image(
    kernel: int, stride: int, padding: str, height: int, width: int
) -> None:
    weights = tf.random.stateless_normal((kernel, kernel + 1, 3, 5), [1, 2])
    image = tf.random.stateless_normal((2, height, width, 3), [3, 4])
    with tf.GradientTape() as tape:
        tape.watch(image)
        maps = tf.nn.conv2d(image, weights, stride, padding.upper())
        arriving = tf.random.stateless_normal(maps.shape, [5, 6])
        total = tf.reduce_sum(maps * arriving)
    found = Phases(weights, stride, padding.upper())(arriving, (height, width))
    np.testing.assert_allclose(found.numpy(), tape.gradient(total, image).numpy(), rtol=1e-4, atol=1e-4)


def test_every_relu_behind_a_convolution_is_part_of_it() -> None:
    """A residual sum with two takers makes TensorFlow's optimiser give up, and every ReLU is then a pass of its own."""

    def separable(x: keras.KerasTensor) -> keras.KerasTensor:
        x = layers.SeparableConv2D(8, 3, padding="same", use_bias=False)(layers.ReLU()(x))
        return layers.BatchNormalization()(x)

    image = keras.Input((24, 24, 3))
    x = layers.Conv2D(8, 3, padding="same")(image)
    short = layers.BatchNormalization()(layers.Conv2D(8, 1, strides=2, padding="same", use_bias=False)(x))
    x = layers.MaxPooling2D(3, strides=2, padding="same")(separable(separable(x)))
    x = short = layers.Add()([x, short])
    x = layers.Add()([separable(separable(separable(x))), short])
    network = keras.Model(image, layers.Conv2D(4, 3, name="last")(layers.ReLU()(x)))
    trunk = Trunk(network, "last")

    @tf.function
    def step(images: tf.Tensor) -> tf.Tensor:
        maps, backward = trunk.forward(images)
        return backward(maps)

    images = tf.random.stateless_normal((2, 24, 24, 3), [1, 2])
    context.enable_graph_collection()
    try:
        step(images)
        collected = context.export_run_metadata()
    finally:
        context.disable_graph_collection()
    graphs = [graph for function in collected.function_graphs for graph in function.partition_graphs]
    kinds = [node.op for graph in graphs for node in graph.node]
    # The first layer of all, and the first of each block after a sum, have no convolution before their ReLU.
    assert sum("FusedConv2D" in kind for kind in kinds) == 7 and kinds.count("Relu") == 3, kinds
