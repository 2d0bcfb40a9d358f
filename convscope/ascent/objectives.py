"""What an ascent maximises."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from convscope.ascent.margins import NONE, Margins, margins_unread
from convscope.ascent.trunk import Trunk
from convscope.errors import UserError


def border_that_fits(side: int, border: int) -> int:
    """The part of `border` that can be dropped on both sides of a map `side` wide and leave at least one position."""
    return max(0, min(border, (side - 1) // 2))


class ChannelObjective:
    """Mean response of one channel of a convolution, borders dropped (Chollet, Deep Learning with Python, ch. 10).

    The padding makes the outermost positions respond to the frame rather than to the pattern, so `border` positions are
    dropped on each side; fewer where the map is too small (`border_at` says how many).

    Only the part of the network below the layer is run, and of the layer itself only the wanted channels at the wanted
    positions. The response is taken before the layer's own activation (`opened`) or after it. The user's model is never
    changed.

    Args:
        network: flat functional model, image (N, H, W, 3) -> anything.
        layer_name: a convolution of it.
        border: positions to drop.
        dtype: "float32" or "bfloat16", of the network's weights and activations; the objective itself is float32.

    Raises:
        UserError: the layer does not exist or is not a convolution.
    """

    def __init__(self, network: keras.Model, layer_name: str, border: int, dtype: str = "float32") -> None:
        layer = network.get_layer(layer_name)
        if not isinstance(getattr(layer, "filters", None) or getattr(layer, "depth_multiplier", None), int):
            raise UserError(
                f"layer '{layer_name}' is a {type(layer).__name__}, not a convolution: it has no filters to maximise"
            )
        self.layer_name, self.border = layer_name, border
        self.trunk = Trunk(network, layer_name, dtype)
        config = layer.get_config()
        self.activation = keras.activations.get(config.get("activation") or "linear")
        self.gated = self.activation is not keras.activations.linear
        self._layer = layer
        self._shapes = keras.Model(network.inputs, layer.output)
        self._input_shapes = keras.Model(network.inputs, layer.input)
        self.filters = int(layer.output.shape[-1])
        self._maps = _wanted_channels(layer, dtype)

    def fits(self, side: int) -> bool:
        """Whether anything is left of a square image where the layer sees it."""
        try:
            return min(self._shapes.compute_output_shape((1, side, side, 3))[1:3]) >= 1
        except ValueError:
            return False

    def map_size(self, side: int) -> tuple[int, int]:
        """Height and width of the layer's feature map for a square image.

        Raises:
            UserError: nothing is left of so small an image.
        """
        if not self.fits(side):
            raise UserError(
                f"layer '{self.layer_name}': its feature map is empty for a {side}x{side} image; make filters.size larger"
            )
        shape = self._shapes.compute_output_shape((1, side, side, 3))
        return int(shape[1]), int(shape[2])

    def border_at(self, side: int) -> int:
        """Positions dropped on each side for a square image."""
        height, width = self.map_size(side)
        return min(border_that_fits(height, self.border), border_that_fits(width, self.border))

    def value_and_gradient(self, images: Any, channels: Any, opened: Any) -> tuple[Any, Any]:
        """Objective of each image for its own channel, and the gradient of their sum.

        Args:
            images: (N, H, W, 3) in model space.
            channels: (N,) int32, the filter each image is for.
            opened: (N,) bool; True measures before the layer's activation, where a ReLU cannot hide the gradient.

        Returns:
            (N,) float32 and (N, H, W, 3) float32.
        """
        unread = self._unread(images.shape[1])
        maps, backward = self.trunk.forward(images, unread or NONE)
        with tf.GradientTape() as tape:
            tape.watch(maps)
            values = self._mean(maps, channels, opened, unread, images.shape[1])
            # Sum, not mean: a mean would make a step depend on how many filters share the batch.
            total = tf.reduce_sum(values)
        return values, backward(tape.gradient(total, maps))

    def __call__(self, images: Any, channels: Any, opened: Any) -> Any:
        """The objective alone, (N,) float32 (see `value_and_gradient`)."""
        unread = self._unread(images.shape[1])
        return self._mean(self.trunk(images, unread or NONE), channels, opened, unread, images.shape[1])

    def _unread(self, side: int) -> Margins | None:
        """What the layer does not read of its input, for a square image; None if it works on all of it."""
        if not _own_version(self._layer):
            return None
        height, width = self._input_shapes.compute_output_shape((1, side, side, 3))[1:3]
        return margins_unread(self._layer, (int(height), int(width)), self.border_at(side))

    def _mean(self, maps: Any, channels: Any, opened: Any, unread: Margins | None, side: int) -> Any:
        if unread is None:
            before, cut = self._maps(maps, channels, True), self.border_at(side)
            before = before[:, cut : before.shape[1] - cut, cut : before.shape[2] - cut]
        else:
            before = self._maps(maps, channels, False)
        means = tf.reduce_mean(before, axis=(1, 2))
        if not self.gated:
            return means
        return tf.where(opened, means, tf.reduce_mean(self.activation(before), axis=(1, 2)))


def _own_version(layer: Any) -> bool:
    """Whether the layer is computed here, for the wanted channels alone, and not by Keras."""
    return type(layer).__name__ == "SeparableConv2D" or (type(layer).__name__ == "Conv2D" and layer.groups == 1)


def _wanted_channels(layer: Any, dtype: str) -> Callable[[Any, Any, bool], Any]:
    """The layer before its activation, for one channel an image.

    Returns:
        Maps (N, h, w, C), channels (N,), whether the layer pads the maps as it is used to -> (N, h', w') float32.
    """
    kind = type(layer).__name__
    if layer.data_format != "channels_last":
        raise UserError(f"layer '{layer.name}' keeps its channels first; convert the model to channels_last")
    if kind == "SeparableConv2D":
        depthwise = tf.constant(np.asarray(layer.depthwise_kernel), dtype)
        columns = tf.constant(np.asarray(layer.pointwise_kernel)[0, 0].T)
        bias = _bias(layer)
        strides, dilation = [1, *layer.strides, 1], tuple(layer.dilation_rate)

        def separable(maps: Any, channels: Any, pads: bool) -> Any:
            padding = layer.padding.upper() if pads else "VALID"
            between = tf.nn.depthwise_conv2d(maps, depthwise, strides, padding, dilations=dilation)
            # Column by column: the whole pointwise convolution would make some hundred maps for each one wanted.
            wanted = tf.gather(columns, channels)
            return (
                tf.einsum("nhwc,nc->nhw", tf.cast(between, tf.float32), wanted)
                + tf.gather(bias, channels)[:, None, None]
            )

        return separable
    if _own_version(layer):
        kernel, bias = tf.constant(np.asarray(layer.kernel)), _bias(layer)
        steps, dilation = tuple(layer.strides), tuple(layer.dilation_rate)

        def convolution(maps: Any, channels: Any, pads: bool) -> Any:
            padding = layer.padding.upper() if pads else "VALID"
            few = tf.cast(tf.gather(kernel, channels, axis=3), maps.dtype)
            every = tf.nn.conv2d(maps, few, steps, padding, dilations=dilation)
            own = tf.gather(every, tf.range(tf.shape(channels)[0]), axis=3, batch_dims=1)
            return tf.cast(own, tf.float32) + tf.gather(bias, channels)[:, None, None]

        return convolution
    linear = type(layer).from_config({**layer.get_config(), "activation": "linear", "name": f"{layer.name}_open"})
    linear.build(layer.input.shape)
    linear.set_weights(layer.get_weights())
    return lambda maps, channels, _: tf.gather(linear(tf.cast(maps, tf.float32)), channels, axis=3, batch_dims=1)


def _bias(layer: Any) -> Any:
    return tf.constant(np.asarray(layer.bias) if layer.use_bias else np.zeros(layer.filters, np.float32))
