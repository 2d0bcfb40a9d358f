"""The layer whose filters are wanted: its map for one channel an image."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from convscope.backends.tensorflow_repairs import depthwise_convolution, with_company
from convscope.errors import UserError
from convscope.models.nodes import is_kerass

# Activations that make each number of that number alone. All others need the layer's whole map: a softmax sums over its channels.
_NUMBER_BY_NUMBER = (
    *(
        "celu",
        "elu",
        "exponential",
        "gelu",
        "hard_shrink",
        "hard_sigmoid",
        "hard_silu",
        "hard_tanh",
        "leaky_relu",
        "linear",
    ),
    *("log_sigmoid", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softplus", "softsign"),
    *("sparse_plus", "sparse_sigmoid", "squareplus", "tanh", "tanh_shrink", "threshold"),
)

# Maps (N, h, w, C), channels (N,), whether the maps are padded as the layer is used to -> (N, h', w') float32.
OwnChannels = Callable[[Any, Any, bool], Any]


def is_number_by_number(activation: Any) -> bool:
    """Whether an activation can be applied to one channel alone."""
    if isinstance(activation, keras.layers.Layer):
        return is_kerass(activation, "ReLU", "LeakyReLU", "ELU")
    return any(activation is getattr(keras.activations, name, None) for name in _NUMBER_BY_NUMBER)


def own_channels(layer: Any, dtype: str) -> OwnChannels | None:
    """The layer before its activation for the wanted channels alone; None where only Keras can compute it.

    Raises:
        UserError: a layer that keeps its channels first.
    """
    if layer.data_format != "channels_last":
        raise UserError(f"layer '{layer.name}' keeps its channels first; convert the model to channels_last")
    if not is_number_by_number(layer.activation):
        return None
    if is_kerass(layer, "SeparableConv2D") and len(set(layer.strides)) == 1 and _strided_or_dilated(layer):
        return _separable(layer, dtype)
    if is_kerass(layer, "Conv2D") and layer.groups == 1 and _strided_or_dilated(layer):
        return _convolution(layer)
    return None


def _strided_or_dilated(layer: Any) -> bool:
    """One of the two at most; both at once TensorFlow does not compute."""
    return max(layer.strides) == 1 or max(layer.dilation_rate) == 1


def _separable(layer: Any, dtype: str) -> OwnChannels:
    depthwise = tf.constant(np.asarray(layer.depthwise_kernel), dtype)
    columns = tf.constant(np.asarray(layer.pointwise_kernel)[0, 0].T)
    bias = _bias(layer)
    strides, dilation = [1, *layer.strides, 1], tuple(layer.dilation_rate)

    def separable(maps: Any, channels: Any, pads: bool) -> Any:
        padding = layer.padding.upper() if pads else "VALID"
        between = depthwise_convolution(maps, depthwise, strides, padding, dilation)
        # Column by column: the whole pointwise convolution would make some hundred maps for each one wanted.
        wanted = tf.gather(columns, channels)
        return (
            tf.einsum("nhwc,nc->nhw", tf.cast(between, tf.float32), wanted) + tf.gather(bias, channels)[:, None, None]
        )

    return separable


def _convolution(layer: Any) -> OwnChannels:
    kernel, bias = tf.constant(np.asarray(layer.kernel)), _bias(layer)
    steps, dilation = tuple(layer.strides), tuple(layer.dilation_rate)
    # TensorFlow's gradient of a strided convolution of 1x1 and few channels is not to be trusted (`tensorflow_repairs`).
    sparse = tuple(layer.kernel_size) == (1, 1) and max(steps) > 1

    def convolution(maps: Any, channels: Any, pads: bool) -> Any:
        padding = layer.padding.upper() if pads else "VALID"
        few = tf.cast(tf.gather(kernel, channels, axis=3), maps.dtype)
        read = maps[:, :: steps[0], :: steps[1]] if sparse else maps
        if not sparse:
            read, few = with_company(read, few, steps)
        every = tf.nn.conv2d(read, few, 1 if sparse else steps, padding, dilations=dilation)
        own = tf.gather(every, tf.range(tf.shape(channels)[0]), axis=3, batch_dims=1)
        return tf.cast(own, tf.float32) + tf.gather(bias, channels)[:, None, None]

    return convolution


def _bias(layer: Any) -> Any:
    return tf.constant(np.asarray(layer.bias) if layer.use_bias else np.zeros(layer.filters, np.float32))
