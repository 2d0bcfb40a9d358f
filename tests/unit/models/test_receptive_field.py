"""Receptive fields worked out from the graph, against what a gradient reaches."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from convscope.models.fields import Axis
from convscope.models.graphs import flatten
from convscope.models.nodes import tensor_of
from convscope.models.receptive_field import receptive_field

layers = keras.layers


def network():
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="valid", name="valid")(image)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.SeparableConv2D(4, 3, padding="same", name="separable")(x)
    shortcut = layers.Conv2D(4, 1, strides=2, padding="same", name="shortcut")(x)
    x = layers.AveragePooling2D(3, 2, padding="same", name="pool")(x)
    x = layers.Add(name="add")([x, shortcut])
    x = layers.ZeroPadding2D(((1, 2), (3, 0)))(x)
    x = layers.Conv2D(4, 3, dilation_rate=2, padding="same", name="dilated")(x)
    x = layers.DepthwiseConv2D((3, 5), padding="same", name="oblong")(x)
    x = layers.Cropping2D(((1, 0), (0, 2)), name="cropped")(x)
    x = layers.Conv2D(3, (4, 2), strides=(2, 1), padding="same", name="even")(x)
    return keras.Model(image, x)


def reached(flat, layer, cell):
    """First and last row and column of the picture that a cell's gradient reaches."""
    positive = np.random.default_rng(0)
    for weight in flat.weights:
        weight.assign(positive.uniform(0.05, 0.1, weight.shape))
    model = keras.Model(flat.inputs[0], tensor_of(flat, layer))
    image = tf.Variable(positive.uniform(0.5, 1, (1, *flat.inputs[0].shape[1:])).astype(np.float32))
    with tf.GradientTape() as tape:
        answer = tf.reduce_sum(model(image, training=False)[0, cell[0], cell[1]])
    size = np.abs(tape.gradient(answer, image).numpy()).sum(axis=(0, 3))
    rows, columns = np.flatnonzero(size.any(axis=1)), np.flatnonzero(size.any(axis=0))
    return (rows[0], rows[-1] + 1), (columns[0], columns[-1] + 1)


@pytest.mark.parametrize("size", [(64, 96), (71, 83)])
@pytest.mark.parametrize(
    "layer", ["valid", "separable", "shortcut", "pool", "add", "dilated", "oblong", "cropped", "even"]
)
def test_a_cell_sees_what_its_gradient_reaches(layer, size):
    flat = flatten(network(), copy=True, exact=True, input_shape=(*size, 3))
    found = receptive_field(flat, layer)
    height, width = tensor_of(flat, layer).shape[1:3]
    for cell in ((height // 2, width // 2), (height // 2 - 1, width // 2 + 1)):
        spans = found.rows.span(cell[0], size[0]), found.columns.span(cell[1], size[1])
        assert reached(flat, layer, cell) == spans


@pytest.mark.parametrize("name, layer", [("MobileNetV2", "block_6_expand"), ("DenseNet121", "conv3_block2_2_conv")])
def test_networks_of_keras_applications(name, layer):
    net = getattr(keras.applications, name)(weights=None, input_shape=(96, 96, 3))
    flat = flatten(net, copy=True, exact=True, input_shape=(96, 96, 3))
    found = receptive_field(flat, layer)
    height, width = tensor_of(flat, layer).shape[1:3]
    cell = (height // 2, width // 2)
    assert reached(flat, layer, cell) == (found.rows.span(cell[0], 96), found.columns.span(cell[1], 96))


@pytest.mark.parametrize("kind", ["nearest", "bilinear", "transposed"])
def test_behind_an_enlargement_the_field_is_right_to_a_cell(kind):
    image = keras.Input((40, 40, 3))
    x = layers.Conv2D(4, 3, strides=4, padding="same")(image)
    made = layers.Conv2DTranspose(4, 4, strides=2, padding="same", name="large")
    large = made if kind == "transposed" else layers.UpSampling2D(2, interpolation=kind, name="large")
    flat = flatten(keras.Model(image, large(x)), copy=True, exact=True, input_shape=(40, 40, 3))
    found = receptive_field(flat, "large")
    for cell in (9, 10):
        (first, last), _ = reached(flat, "large", (cell, cell))
        start, end = found.rows.span(cell, 40)
        assert abs(start - first) <= 4 and abs(end - last) <= 4
        assert abs(found.rows.place(cell) - (first + last - 1) / 2) <= 2


def test_what_a_gate_makes_is_said_and_its_reach_is_not_the_maps():
    net = keras.applications.EfficientNetB0(weights=None, input_shape=(96, 96, 3))
    flat = flatten(net, input_shape=(96, 96, 3))
    gated = receptive_field(flat, "block3a_dwconv")
    assert gated.gated and 30 < gated.rows.size < 96
    assert not receptive_field(flat, "stem_conv").gated


def test_where_the_reach_is_not_known_a_cell_sees_everything():
    image = keras.Input((32, 48, 3))
    x = layers.Conv2D(4, 3, strides=4, padding="same")(image)
    x = layers.GroupNormalization(2)(x)
    flat = flatten(keras.Model(image, layers.Conv2D(2, 1, name="behind")(x)), input_shape=(32, 48, 3))
    found = receptive_field(flat, "behind")
    assert found.rows == Axis(1.5, 4.0, math.inf) and found.rows.span(3, 32) == (0, 32)
    assert found.columns.place(0) == 1.5


def test_dense_layers_and_scales_of_channels_look_at_no_other_place():
    net = keras.applications.ConvNeXtTiny(weights=None, include_top=False, input_shape=(96, 128, 3))
    flat = flatten(net, copy=True, exact=True, input_shape=(96, 128, 3))
    for layer, size in (
        ("convnext_tiny_stage_0_block_2_depthwise_conv", 76),
        ("convnext_tiny_downsampling_conv_0", 80),
    ):
        found = receptive_field(flat, layer)
        assert (found.rows.size, found.columns.size) == (size, size)
        assert reached(flat, layer, (5, 7)) == (found.rows.span(5, 96), found.columns.span(7, 128))


def test_a_layer_of_somebodys_own_may_look_anywhere_whatever_it_is_called():
    class LayerScale(layers.Layer):
        def call(self, x):
            return x - keras.ops.mean(x, axis=(1, 2), keepdims=True)

    image = keras.Input((32, 48, 3))
    flat = flatten(keras.Model(image, layers.Conv2D(2, 1, name="behind")(LayerScale()(image))), input_shape=(32, 48, 3))
    assert math.isinf(receptive_field(flat, "behind").rows.size)


def test_cells_and_places_are_each_others_inverse():
    axis = Axis(7.0, 8.0, 67.0)
    assert axis.place(3) == 31 and axis.cell(31) == 3
    assert axis.span(0, 100) == (0, 41) and axis.span(12, 100) == (70, 100)
