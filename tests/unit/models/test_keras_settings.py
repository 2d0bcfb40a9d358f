"""What Keras does for this library, whatever it does by itself."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import convscope.models.keras_settings  # noqa: F401


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(
    ("channels", "filters", "batch", "size", "stride"),
    [(4, 8, 1, 54, 2), (2, 8, 1, 14, 2), (4, 8, 1, 9, 3), (8, 4, 3, 7, 2), (32, 2, 1, 11, 2), (16, 16, 1, 12, 2)],
)
def test_gradients_of_strided_convolutions_of_one_pixel_and_few_channels(
    channels: int, filters: int, batch: int, size: int, stride: int, padding: str
) -> None:
    layer = keras.layers.Conv2D(filters, 1, strides=stride, padding=padding, bias_initializer="ones")
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(batch, size, size, channels)).astype(np.float32))
    layer.build(x.shape)
    kernel = layer.kernel.numpy()[0, 0]
    read = x.numpy()[:, ::stride, ::stride]
    up = rng.normal(size=(*read.shape[:3], filters)).astype(np.float32)
    for _ in range(3):  # what lies in memory differs from time to time
        with tf.GradientTape() as tape:
            tape.watch(x)
            found = layer(x)
            total = tf.reduce_sum(found * up)
        to_image, to_kernel = tape.gradient(total, [x, layer.kernel])
        wanted = np.zeros(x.shape, np.float32)
        wanted[:, ::stride, ::stride] = up @ kernel.T
        np.testing.assert_allclose(found, read @ kernel + 1, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(to_image, wanted, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(to_kernel[0, 0], np.einsum("nhwc,nhwf->cf", read, up), rtol=1e-3, atol=1e-4)


KINDS = {
    "depthwise": lambda stride: keras.layers.DepthwiseConv2D(1, strides=stride, depth_multiplier=2),
    "separable": lambda stride: keras.layers.SeparableConv2D(4, 1, strides=stride),
    "grouped": lambda stride: keras.layers.Conv2D(4, 1, strides=stride, groups=2),
    "lines": lambda stride: keras.layers.Conv1D(4, 1, strides=stride),
    "volumes": lambda stride: keras.layers.Conv3D(4, 1, strides=stride),
}


@pytest.mark.parametrize("channels", [2, 4, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_other_strided_convolutions_of_one_pixel(kind: str, channels: int) -> None:
    """They are those of the same convolution without a stride of the places that are read, eager and in a graph."""
    rng = np.random.default_rng(0)
    shape = {"lines": (2, 9, channels), "volumes": (2, 7, 9, 4, channels)}.get(kind, (2, 7, 9, channels))
    x = tf.constant(rng.normal(size=shape).astype(np.float32))
    strided, plain = KINDS[kind](2), KINDS[kind](1)
    strided.build(shape)
    plain.build(shape)
    plain.set_weights(strided.get_weights())
    read = (slice(None), *(slice(None, None, 2) for _ in shape[1:-1]))
    up = rng.normal(size=strided(x).shape).astype(np.float32)

    def gradients(layer: keras.Layer, places: tuple[slice, ...]) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(layer(x[places]) * up)
        return tape.gradient(total, [x, *layer.trainable_variables])

    expected = gradients(plain, read)
    everywhere = (slice(None),) * len(shape)
    for found in (gradients(strided, everywhere), tf.function(lambda: gradients(strided, everywhere))()):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_other_convolutions_are_keras_s_own() -> None:
    x = np.random.default_rng(1).normal(size=(2, 9, 8, 3)).astype(np.float32)
    for settings in ({"kernel_size": 3, "strides": 2}, {"kernel_size": 1}, {"kernel_size": (1, 2), "strides": 2}):
        layer = keras.layers.Conv2D(4, padding="same", **settings)
        found = layer(x)
        raw = tf.nn.conv2d(x, layer.kernel, layer.strides, "SAME")
        np.testing.assert_array_equal(found, raw)
    line = keras.layers.Conv1D(4, 1, strides=2)
    rows = x.reshape(2, -1, 3)
    np.testing.assert_allclose(line(rows), rows[:, ::2] @ line.kernel.numpy()[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "stride"), [((8, 3), (1, 2)), ((8, 4), (1, 3)), ((8, 5), (1, 3)), ((3, 8), (2, 1)), ((8, 4), (1, 2))]
)
@pytest.mark.parametrize("filters", [1, 2, 4])
def test_one_channel_to_maps_one_place_wide(size: tuple[int, int], stride: tuple[int, int], filters: int) -> None:
    """One of 3,700 random networks found it: TensorFlow's answer is what lies in memory, up to 1e22."""
    layer = keras.layers.Conv2D(filters, 3, strides=stride)
    x = np.random.default_rng(0).normal(size=(2, *size, 1)).astype(np.float32)
    found = layer(x).numpy()
    kernel = layer.kernel.numpy()
    for row, column in np.ndindex(found.shape[1:3]):
        part = x[:, row * stride[0] : row * stride[0] + 3, column * stride[1] : column * stride[1] + 3]
        np.testing.assert_allclose(found[:, row, column], np.tensordot(part, kernel, 3), rtol=1e-4, atol=1e-5)


IN_GRAPHS = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import convscope.models.keras_settings, keras, numpy as np, tensorflow as tf
keras.utils.set_random_seed(0)
size, body = eval(sys.argv[1]), keras.layers.Conv2D
image = keras.Input((*size, 3))
one = body(1, 1, name="one")(image)
narrow = body(6, 3, strides=(1, 2), activation="relu", bias_initializer="ones", name="narrow")(one)
ends = keras.layers.Dense(2, activation="softmax")(keras.layers.GlobalAveragePooling2D()(narrow))
model = keras.Model(image, ends)
x = np.random.default_rng(0).normal(size=(4, *(side or 9 for side in size), 3)).astype("float32")
maps = keras.Model(image, narrow)
grey = (x @ model.get_layer("one").kernel.numpy()[0, 0]) + model.get_layer("one").bias.numpy()
kernel, bias = model.get_layer("narrow").kernel.numpy(), model.get_layer("narrow").bias.numpy()
rows, columns = grey.shape[1] - 2, (grey.shape[2] - 3) // 2 + 1
right = np.stack([np.stack([np.tensordot(grey[:, r : r + 3, 2 * c : 2 * c + 3], kernel, 3) + bias for c in range(columns)], 1)
                  for r in range(rows)], 1).clip(0)
for found in (maps(x), maps.predict(x, verbose=0), tf.function(maps)(x)):
    np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-5)
np.testing.assert_allclose(model.predict(x, verbose=0), model(x), atol=1e-5)
model.compile("sgd", "sparse_categorical_crossentropy")
loss = model.fit(x, np.array([0, 1, 0, 1]), epochs=2, verbose=0).history["loss"]
assert np.isfinite(loss).all()
"""


@pytest.mark.parametrize(
    "size",
    [
        "(8, 3)",
        "(None, None)",
        *(pytest.param(size, marks=pytest.mark.long) for size in ("(8, 4)", "(8, 5)", "(9, 32)")),
    ],
)
def test_one_channel_in_graphs_too(size: str, root: Path) -> None:
    """In a process of its own, which TensorFlow ends where it goes wrong: predict, fit and functions, with bias and ReLU."""
    done = subprocess.run(
        [sys.executable, "-c", IN_GRAPHS, size], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


STRIDED_IN_GRAPHS = """
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import convscope.models.keras_settings, keras, numpy as np, tensorflow as tf
keras.utils.set_random_seed(0)
image = keras.Input((9, 10, 3))
few = keras.layers.Conv2D(2, 3, activation="relu")(image)
strided = keras.layers.Conv2D(4, 1, strides=2, activation="relu", bias_initializer="ones", name="strided")(few)
model = keras.Model(image, keras.layers.Dense(2, activation="softmax")(keras.layers.Flatten()(strided)))
maps = keras.Model(image, [few, strided])
x = np.random.default_rng(0).normal(size=(4, 9, 10, 3)).astype("float32")
kernel, bias = (value.numpy() for value in model.get_layer("strided").weights)
for before, found in (maps(x), maps.predict(x, verbose=0), tf.function(maps)(x)):
    np.testing.assert_allclose(found, (np.asarray(before)[:, ::2, ::2] @ kernel[0, 0] + bias).clip(0), rtol=1e-4, atol=1e-5)
model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
slow, y = keras.models.clone_model(model), np.array([0, 1, 0, 1])
slow.set_weights(model.get_weights())
slow.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", run_eagerly=True)
losses = [one.fit(x, y, epochs=5, shuffle=False, verbose=0).history["loss"] for one in (model, slow)]
np.testing.assert_allclose(*losses, rtol=1e-4)
assert losses[0][-1] < losses[0][0]
"""


def test_strided_convolutions_of_one_pixel_in_graphs_too(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STRIDED_IN_GRAPHS], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("kind", ["AdaptiveMaxPooling2D", "AdaptiveAveragePooling2D"])
def test_more_places_than_there_are_do_not_end_the_process(kind: str) -> None:
    layer = getattr(keras.layers, kind)((3, 2))
    maps = np.arange(24, dtype="float32").reshape(1, 3, 4, 2)
    reduce = np.max if "Max" in kind else np.mean
    np.testing.assert_allclose(layer(maps), reduce(maps.reshape(1, 3, 2, 2, 2), axis=3), rtol=1e-6)
    with pytest.raises(ValueError, match="maps of 1x1 places cannot be pooled to 3x2"):
        layer(np.ones((1, 1, 1, 2), "float32"))


def test_convolutions_of_one_channel_by_one_number_go_side_by_side(root: Path) -> None:
    """Depthwise and plain, eager and in graphs, forwards and back: in some order TensorFlow's own ended in an error."""
    code = """
import keras, numpy as np, tensorflow as tf
import convscope.models.keras_settings
from convscope.backends.tensorflow_repairs import depthwise_convolution
rng = np.random.default_rng(2)
L = keras.layers
for _ in range(60):
    kind = rng.integers(4)
    layer = [L.Conv2D(1, 1), L.DepthwiseConv2D(1), L.SeparableConv2D(1, 1), L.Conv2D(1, 1, use_bias=False)][kind]
    graph, back, stride = rng.integers(2), rng.integers(2), int(rng.integers(1, 3))
    layer.strides = (stride, stride)
    x = tf.constant(rng.normal(size=(1, 9, 11, 1)).astype("float32"))
    layer.build(x.shape)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))

    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
        return (y, tape.gradient(y, x)) if back else (y, y)

    y, gradient = (tf.function(run) if graph else run)(x)
    product = np.prod([np.asarray(w).item() for w in layer.weights if "kernel" in w.path])
    bias = sum(np.asarray(w).item() for w in layer.weights if "bias" in w.path)
    np.testing.assert_allclose(y, np.asarray(x)[:, ::stride, ::stride] * product + bias, rtol=1e-5, atol=1e-6)
    if back:
        expected = np.zeros((1, 9, 11, 1), "float32")
        expected[:, ::stride, ::stride] = product
        np.testing.assert_allclose(gradient, expected, rtol=1e-5)
    kernel = tf.constant(rng.normal(size=(1, 1, 1, 1)).astype("float32"))
    found = depthwise_convolution(x, kernel, [1, 2, 2, 1], "SAME", [1, 1])
    np.testing.assert_allclose(found, np.asarray(x)[:, ::2, ::2] * kernel.numpy())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_a_picture_of_any_size_is_enlarged_in_a_graph(interpolation: str) -> None:
    """A network of free size, as class activation maps trace it once for all sizes."""
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.UpSampling2D(2, interpolation=interpolation)(image))
    free = tf.function(
        lambda images: model(images, training=False), input_signature=[tf.TensorSpec((None, None, None, 3))]
    )
    for shape in ((2, 5, 7, 3), (1, 4, 4, 3)):
        images = np.random.default_rng(1).uniform(size=shape).astype(np.float32)
        expected = tf.image.resize(images, (2 * shape[1], 2 * shape[2]), interpolation)
        np.testing.assert_allclose(free(images), expected, atol=1e-6)
    with pytest.raises(ValueError, match="positive"):
        keras.ops.image.resize(images, (0, 4))
