"""The textbook's loops as a notebook has them: one filter at a time, one image at a time, results as NumPy arrays.

After Chollet, Deep Learning with Python, chapter 10; the gradient is normalised over the whole image (the newest edition's
`keras.ops.normalize` normalises over the last axis alone, and deep patterns drown in noise). The filter is a Python
number, as in the listing: every filter traces the step anew.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def pattern_maker(
    model: keras.Model, layer_name: str, iterations: int = 30, learning_rate: float = 10.0
) -> Callable[[int, np.ndarray], np.ndarray]:
    """The notebook's functions for one layer; the one that makes a pattern is returned.

    Returns:
        A function (filter, start image (H, W, 3) in model space) -> pattern (H, W, 3) float32.
    """
    layer = model.get_layer(name=layer_name)
    feature_extractor = keras.Model(inputs=model.inputs, outputs=layer.output)

    def compute_loss(image: Any, filter_index: int) -> Any:
        activation = feature_extractor(image)
        filter_activation = activation[:, 2:-2, 2:-2, filter_index]
        return tf.reduce_mean(filter_activation)

    @tf.function
    def gradient_ascent_step(image: Any, filter_index: int, learning_rate: float) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(image)
            loss = compute_loss(image, filter_index)
        grads = tape.gradient(loss, image)
        grads = tf.math.l2_normalize(grads)
        image += learning_rate * grads
        return image

    def generate_filter_pattern(filter_index: int, start: np.ndarray) -> np.ndarray:
        image = tf.convert_to_tensor(start[None])
        for _ in range(iterations):
            image = gradient_ascent_step(image, filter_index, learning_rate)
        return image[0].numpy()

    return generate_filter_pattern


def deprocess_image(image: np.ndarray) -> np.ndarray:
    """The pattern as the notebook shows it: (H, W, 3) float -> (H - 50, W - 50, 3) uint8."""
    image = image - image.mean()
    image = image / image.std()
    image = image * 64
    image = image + 128
    image = np.clip(image, 0, 255).astype("uint8")
    return image[25:-25, 25:-25, :]


def grad_cam_maker(model: keras.Model, layer_name: str) -> Callable[[str, str], np.ndarray]:
    """The notebook's Grad-CAM: a model up to the last convolution, one from there to the classes.

    Returns:
        A function (path of the picture, path to save the overlay to) -> heatmap (h, w), 0..1.
    """
    last = model.get_layer(layer_name)
    last_conv_layer_model = keras.Model(model.inputs, last.output)
    classifier_input = keras.Input(batch_shape=last.output.shape)
    x = classifier_input
    for layer in model.layers[model.layers.index(last) + 1 :]:
        x = layer(x)
    classifier_model = keras.Model(classifier_input, x)

    def get_img_array(path: str) -> np.ndarray:
        picture = keras.utils.load_img(path, target_size=(224, 224))
        array = keras.utils.img_to_array(picture)
        return np.expand_dims(array, axis=0) / 127.5 - 1

    def make(path: str, save_to: str) -> np.ndarray:
        img_array = get_img_array(path)
        model.predict(img_array, verbose=0)  # what the network says, printed in the notebook
        with tf.GradientTape() as tape:
            last_conv_layer_output = last_conv_layer_model(img_array)
            tape.watch(last_conv_layer_output)
            preds = classifier_model(last_conv_layer_output)
            top_pred_index = tf.argmax(preds[0])
            top_class_channel = preds[:, top_pred_index]
        grads = tape.gradient(top_class_channel, last_conv_layer_output)
        pooled_grads = tf.reduce_mean(grads, axis=(0, 1, 2)).numpy()
        features = last_conv_layer_output.numpy()[0]
        for channel in range(pooled_grads.shape[-1]):
            features[:, :, channel] *= pooled_grads[channel]
        heatmap = np.mean(features, axis=-1)
        heatmap = np.maximum(heatmap, 0)
        heatmap /= max(float(np.max(heatmap)), 1e-12)
        _superimpose(path, heatmap, save_to)
        return heatmap

    return make


def _superimpose(path: str, heatmap: np.ndarray, save_to: str) -> None:
    import matplotlib

    img = keras.utils.img_to_array(keras.utils.load_img(path))
    colors = matplotlib.colormaps["jet"](np.arange(256))[:, :3]
    jet = keras.utils.array_to_img(colors[np.uint8(255 * heatmap)])
    jet = jet.resize((img.shape[1], img.shape[0]))
    superimposed = keras.utils.array_to_img(keras.utils.img_to_array(jet) * 0.4 + img)
    Path(save_to).parent.mkdir(parents=True, exist_ok=True)
    superimposed.save(save_to)
