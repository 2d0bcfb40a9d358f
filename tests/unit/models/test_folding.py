"""Folding: the same numbers with the batch norms gone, and nothing folded where it would change them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from convscope.models.folding import folded


def network() -> keras.Model:
    keras.utils.set_random_seed(3)
    image = keras.Input((None, None, 3), name="image")
    layers = keras.layers
    x = layers.Conv2D(6, 3, strides=2, use_bias=False, name="conv")(image)
    x = layers.ReLU()(layers.BatchNormalization(name="norm")(x))
    x = layers.SeparableConv2D(8, 3, padding="same", name="sepconv")(x)
    x = kept = layers.ReLU()(layers.BatchNormalization(scale=False)(x))
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, dilation_rate=2, padding="same", name="depthwise")(x)
    x = layers.BatchNormalization(center=False)(x)
    x = layers.Conv2D(8, (1, 2), strides=(1, 2), padding="same", name="uneven")(x)
    x = layers.BatchNormalization()(x)
    twice = layers.Conv2D(8, 3, padding="same", name="twice")
    x = layers.BatchNormalization()(twice(layers.BatchNormalization()(twice(x))))
    kept = layers.Conv2D(8, 1, strides=(1, 2), padding="same", name="shortcut")(kept)
    x = layers.Add(name="add")([x, layers.BatchNormalization()(kept)])
    x = layers.Conv2D(4, 3, activation="relu", name="active")(x)
    x = layers.BatchNormalization(name="last")(x)
    model = keras.Model(image, x)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 2, weight.shape) for weight in layer.get_weights()])
        elif getattr(layer, "use_bias", False):
            layer.bias.assign(rng.normal(size=layer.bias.shape))
    return model


def operations(model: keras.Model, names: list[str]) -> list[str]:
    sources = [model.get_layer(name).output for name in names]
    graph = tf.function(folded(model, sources)).get_concrete_function(tf.TensorSpec((2, 24, 20, 3))).graph
    return [operation.type for operation in graph.get_operations()]


@pytest.mark.parametrize("names", [["last"], ["add"], ["conv", "norm", "add"], ["sepconv"]])
def test_folded_is_the_network_in_inference_mode(names: list[str]) -> None:
    model = network()
    sources = [model.get_layer(name).output for name in names]
    images = np.random.default_rng(1).normal(size=(2, 24, 20, 3)).astype(np.float32)
    expected = keras.Model(model.inputs[0], sources)(images, training=False)
    found = tf.function(folded(model, sources))(tf.constant(images))
    for a, b in zip(expected if len(names) > 1 else [expected], found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_what_can_be_folded_is() -> None:
    """Eight batch norms: those of conv, sepconv, depthwise are gone; behind an uneven stride, a layer called twice or an
    activation they stay, as one operation each."""
    assert operations(network(), ["last"]).count("FusedBatchNormV3") == 5
    assert operations(network(), ["norm"]).count("FusedBatchNormV3") == 0


def test_an_output_that_is_asked_for_is_not_folded_away() -> None:
    assert operations(network(), ["conv", "norm"]).count("FusedBatchNormV3") == 1


def test_layers_behind_the_sources_are_not_computed() -> None:
    assert operations(network(), ["sepconv"]).count("Conv2D") == 2


@pytest.mark.parametrize(("size", "channels"), [(6, 24), (7, 24), (6, 32), (9, 5), (8, 728)])
def test_a_batch_norm_is_the_layers_own_whatever_the_number_of_channels(size: int, channels: int) -> None:
    """Some channel counts run with places side by side, and odd maps cannot."""
    rng = np.random.default_rng(channels)
    image = keras.Input((size, size, channels))
    model = keras.Model(image, keras.layers.BatchNormalization(name="norm")(image))
    model.layers[-1].set_weights([rng.uniform(0.5, 2, weight.shape) for weight in model.layers[-1].get_weights()])
    maps = rng.normal(size=(3, size, size, channels)).astype(np.float32)
    for images in (maps, maps[:1]):
        found = tf.function(folded(model, model.outputs))(tf.constant(images))[0]
        np.testing.assert_allclose(found, model(images, training=False), rtol=1e-5, atol=1e-5)
    free = keras.Input((None, None, channels))
    open_ended = keras.Model(free, model.layers[-1](free))
    run = tf.function(
        folded(open_ended, open_ended.outputs), input_signature=[tf.TensorSpec((None, None, None, channels))]
    )
    np.testing.assert_allclose(run(maps)[0], model(maps, training=False), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "activation", ["linear", "gelu", keras.layers.LeakyReLU(), keras.layers.ReLU(), keras.layers.Softmax(axis=2)]
)
def test_whatever_activation_a_convolution_has_before_its_norm(activation: object) -> None:
    keras.utils.set_random_seed(2)
    image = keras.Input((9, 8, 3))
    x = keras.layers.Conv2D(4, 3, activation=activation)(image)
    network = keras.Model(image, keras.layers.BatchNormalization(gamma_initializer="random_normal")(x))
    network.layers[-1].moving_mean.assign([1.0, -2, 0, 0.5])
    images = np.random.default_rng(0).normal(size=(2, 9, 8, 3)).astype(np.float32)
    (found,) = folded(network, network.outputs)(images)
    np.testing.assert_allclose(found, network(images, training=False), atol=1e-5)
