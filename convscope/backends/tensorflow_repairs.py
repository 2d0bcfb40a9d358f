"""What TensorFlow computes wrongly, or ends the process over, mended where Keras calls it."""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend.tensorflow import nn as _operations
from keras.src.layers.convolutional.base_conv import BaseConv
from keras.src.ops import image as _images

# From this many channels on TensorFlow's gradient is right, and what Keras does stays as it is to the last bit.
_ENOUGH_CHANNELS = 16
_convolution = BaseConv.convolution_op


def with_company(inputs: Any, kernel: Any, strides: Sequence[int]) -> tuple[Any, Any]:
    """Input (N, H, W, C) and kernel (h, w, C, F) of a convolution that TensorFlow computes rightly.

    A single channel, a stride in the width alone and a result one place wide: TensorFlow (2.21 with oneDNN, x86-64) returns what lies
    in memory. A second channel of zeros is nothing to the sum. It is joined on and not padded: in a graph TensorFlow takes the
    padding of channels for one of places, and ends the process.
    """
    if len(strides) != 2 or strides[0] != 1 or strides[1] == 1 or kernel.shape[2] != 1:
        return inputs, kernel
    if inputs.shape[2] is not None and inputs.shape[2] >= kernel.shape[1] + strides[1]:
        return inputs, kernel  # at least two places wide, with padding or without
    return (
        keras.ops.concatenate([inputs, keras.ops.zeros_like(inputs)], axis=-1),
        keras.ops.concatenate([kernel, keras.ops.zeros_like(kernel)], axis=2),
    )


def _convolution_op(self: Any, inputs: Any, kernel: Any) -> Any:
    """A convolution; a strided one of 1x1 with few channels as the one without stride of the places that are read.

    TensorFlow's backward pass of it (2.21 on x86-64) reads and writes beyond its memory: gradients that are wrong by all of their
    size, without a word, or the end of the process.
    """
    if self.data_format == "channels_last" and inputs.shape[-1] == 1:
        inputs, kernel = with_company(inputs, kernel, self.strides)
    few = min(kernel.shape[-2:]) < _ENOUGH_CHANNELS
    if not few or max(self.kernel_size) > 1 or max(self.strides) == 1 or self.data_format != "channels_last":
        return _convolution(self, inputs, kernel)
    read = (slice(None), *(slice(None, None, stride) for stride in self.strides))
    return keras.ops.conv(inputs[read], kernel, strides=1, padding="valid", data_format=self.data_format)


BaseConv.convolution_op = _convolution_op


def depthwise_convolution(
    maps: Any, kernel: Any, strides: Sequence[int], padding: str, dilations: Sequence[int]
) -> Any:
    """`tf.nn.depthwise_conv2d`, but of one channel by one number, which is a product.

    TensorFlow (2.21 with oneDNN) keeps what it prepares for such a convolution under the name of the plain one of that size, or the
    other way round, and whichever comes second ends in an error: "could not create a primitive descriptor for the reorder primitive".

    Args:
        maps: (N, H, W, C).
        kernel: (h, w, C, M).
        strides: four numbers, as TensorFlow takes them.
        padding: "SAME" or "VALID".
        dilations: two numbers.
    """
    if tuple(kernel.shape) == (1, 1, 1, 1):
        return maps[:, :: strides[1], :: strides[2]] * kernel[0, 0, 0]
    return tf.nn.depthwise_conv2d(maps, kernel, strides, padding, dilations=dilations)


def _of_several_numbers(convolution: Callable[..., Any]) -> Callable[..., Any]:
    """Keras's depthwise or separable convolution, its depthwise part a product where that is what it is (`depthwise_convolution`)."""
    names = inspect.signature(convolution)

    @functools.wraps(convolution)
    def checked(*args: Any, **kwargs: Any) -> Any:
        given = names.bind(*args, **kwargs)
        given.apply_defaults()
        inputs, kernel, *behind = (
            given.arguments[name] for name in names.parameters if name.endswith(("inputs", "kernel"))
        )
        layout = given.arguments["data_format"] or keras.config.image_data_format()
        if tuple(kernel.shape) != (1, 1, 1, 1) or layout != "channels_last":
            return convolution(*args, **kwargs)
        strides = given.arguments["strides"]
        down, across = (strides, strides) if isinstance(strides, int) else strides
        product = inputs[:, ::down, ::across] * kernel[0, 0, 0]
        return keras.ops.conv(product, behind[0], data_format=layout) if behind else product

    return checked


for _name in ("depthwise_conv", "separable_conv"):
    setattr(_operations, _name, _of_several_numbers(getattr(_operations, _name)))


def _of_any_size(resize: Callable[..., Any]) -> Callable[..., Any]:
    """Keras's resizing, also to a size that a graph makes: Keras (3.15) asks whether it is above 0, which a graph cannot say."""
    names = inspect.signature(resize)

    @functools.wraps(resize)
    def checked(*args: Any, **kwargs: Any) -> Any:
        given = names.bind(*args, **kwargs).arguments
        unknown = not tf.is_tensor(given["size"]) and any(tf.is_symbolic_tensor(side) for side in given["size"])
        return _images._resize(**given) if unknown else resize(*args, **kwargs)

    return checked


_images.resize = keras.ops.image.resize = _of_any_size(_images.resize)
