"""Frozen weights have no gradient, and the gradient to the image is the same to the last bit."""

import threading
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from convscope.filters.frozen import weights_frozen

layers = keras.layers


def gradients(model: keras.Model, images: Any, watched: bool) -> tuple[Any, list[Any]]:
    with tf.GradientTape(watch_accessed_variables=watched) as tape:
        tape.watch(images)
        total = tf.reduce_sum(model(images) ** 2)
    weights = [variable.value for variable in model.trainable_variables] if watched else []
    found = tape.gradient(total, [images, *weights])
    return found[0], found[1:]


def network() -> keras.Model:
    keras.utils.set_random_seed(3)
    image = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, strides=2, activation="relu")(image)
    x = layers.BatchNormalization()(layers.SeparableConv2D(4, 3, dilation_rate=2)(x))
    return keras.Model(image, layers.DepthwiseConv2D(3, padding="same")(x))


def test_the_gradient_to_the_image_is_the_same() -> None:
    model, images = network(), tf.random.uniform((2, 16, 16, 3), seed=1)
    expected, _ = gradients(model, images, False)
    with weights_frozen():
        found, _ = gradients(model, images, False)
    np.testing.assert_array_equal(found, expected)
    assert np.any(expected)


def test_other_threads_and_what_follows_have_gradients_to_weights() -> None:
    model, images = network(), tf.random.uniform((2, 16, 16, 3), seed=1)
    _, expected = gradients(model, images, True)
    beside: list[Any] = []
    with weights_frozen():
        with weights_frozen():
            pass
        _, here = gradients(model, images, True)
        thread = threading.Thread(target=lambda: beside.extend(gradients(model, images, True)[1]))
        thread.start()
        thread.join()
    kernels = [len(value.shape) == 4 for value in expected]
    assert sum(kernels) == 4 and not any(value is None for value in expected)
    assert [value is None for value in here] == kernels, "neither computed nor made up"
    for found in (beside, gradients(model, images, True)[1]):
        for value, right in zip(found, expected, strict=True):
            np.testing.assert_array_equal(value, right)
