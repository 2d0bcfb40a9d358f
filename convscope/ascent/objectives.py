"""What an ascent maximises."""

from typing import Any

import keras
import tensorflow as tf

from convscope.errors import UserError


def border_that_fits(side: int, border: int) -> int:
    """The part of `border` that can be dropped on both sides of a map `side` wide and leave at least one position."""
    return max(0, min(border, (side - 1) // 2))


class ChannelObjective:
    """Mean response of one channel of a convolution, borders dropped (Chollet, Deep Learning with Python, ch. 10).

    The padding makes the outermost positions respond to the frame rather than to the pattern, so `border` positions are
    dropped on each side; fewer where the map is too small (`border_used` says how many).

    Only the part of the network below the layer is run. The layer is evaluated from a copy with the same weights, before
    its own activation (`open`) or after it: the user's model is never changed.

    Args:
        network: functional model, image (N, H, W, 3) -> anything.
        layer_name: a convolution of it.
        side: side of the square input, pixels.
        border: positions to drop.

    Raises:
        UserError: the layer does not exist, is not a convolution, or its map is empty at this size.
    """

    def __init__(self, network: keras.Model, layer_name: str, side: int, border: int) -> None:
        layer = network.get_layer(layer_name)
        if not isinstance(getattr(layer, "filters", None) or getattr(layer, "depth_multiplier", None), int):
            raise UserError(
                f"layer '{layer_name}' is a {type(layer).__name__}, not a convolution: it has no filters to maximise"
            )
        self.layer_name = layer_name
        self.trunk = keras.Model(network.inputs, layer.input)
        config = layer.get_config()
        self.activation = keras.activations.get(config.get("activation") or "linear")
        self.gated = self.activation is not keras.activations.linear
        self._linear = type(layer).from_config({**config, "activation": "linear", "name": f"{layer_name}_open"})
        self._linear.build(layer.input.shape)
        self._linear.set_weights(layer.get_weights())
        shape = self._linear.compute_output_shape(self.trunk.compute_output_shape((1, side, side, 3)))
        height, width, self.filters = int(shape[1]), int(shape[2]), int(shape[3])
        if min(height, width) < 1:
            raise UserError(
                f"layer '{layer_name}': its feature map is empty for a {side}x{side} image; make filters.size larger"
            )
        self.map_size = (height, width)
        self.border_used = min(border_that_fits(height, border), border_that_fits(width, border))

    def __call__(self, images: Any, channels: Any, opened: Any) -> Any:
        """Objective of each image for its own channel.

        Args:
            images: (N, H, W, 3) in model space.
            channels: (N,) int32, the filter each image is for.
            opened: (N,) bool; True measures before the layer's activation, where a ReLU cannot hide the gradient.

        Returns:
            (N,) float32.
        """
        maps = self._linear(self.trunk(images, training=False))
        before = tf.gather(maps, channels, axis=3, batch_dims=1)
        cut = self.border_used
        before = before[:, cut : before.shape[1] - cut, cut : before.shape[2] - cut]
        means = tf.reduce_mean(before, axis=(1, 2))
        if not self.gated:
            return means
        return tf.where(opened, means, tf.reduce_mean(self.activation(before), axis=(1, 2)))
