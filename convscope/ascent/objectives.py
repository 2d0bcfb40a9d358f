"""What an ascent maximises."""

from typing import Any

import keras
import tensorflow as tf

from convscope.ascent.keras_graph import KerasTrunk
from convscope.ascent.layer_maps import LayerByKeras, is_number_by_number, own_channels
from convscope.ascent.margins import NONE, Margins, margins_unread
from convscope.ascent.trunk import Trunk
from convscope.errors import UserError
from convscope.networks import node_of


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
        layer_name: a convolution of it; where it is called several times, its last call counts.
        border: positions to drop.
        dtype: "float32" or "bfloat16", of the network's weights and activations; the objective itself is float32.
        by_keras: everything by Keras's own layers and TensorFlow's gradient of them, in float32: slower, and what the
            written-out trunk is held against.

    Raises:
        UserError: the layer does not exist or is not a convolution.
    """

    def __init__(
        self, network: keras.Model, layer_name: str, border: int, dtype: str = "float32", by_keras: bool = False
    ) -> None:
        node = node_of(network, layer_name)
        layer, result = node.operation, node.outputs[0]
        filters = getattr(layer, "filters", None) or getattr(layer, "depth_multiplier", None)
        if not isinstance(filters, int) or len(node.input_tensors) != 1 or len(result.shape) != 4:
            raise UserError(
                f"layer '{layer_name}' is a {type(layer).__name__}, not a convolution: it has no filters to maximise"
            )
        self.layer_name, self.border = layer_name, border
        self.trunk: Trunk | KerasTrunk = (
            KerasTrunk(network, layer_name) if by_keras else Trunk(network, layer_name, dtype)
        )
        self.activation = getattr(layer, "activation", None) or keras.activations.linear
        self.gated = self.activation is not keras.activations.linear
        self._layer = layer
        # Of this call, not of the layer: another call of it has maps of another size.
        self._shapes = keras.Model(network.inputs, result)
        self._input_shapes = keras.Model(network.inputs, node.input_tensors[0])
        self.filters = int(result.shape[-1])
        self._own = None if by_keras else own_channels(layer, dtype)
        self._whole = None if self._own else LayerByKeras(layer)
        self._alone = not by_keras and is_number_by_number(self.activation)

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
        if self._own is None:
            return None
        height, width = self._input_shapes.compute_output_shape((1, side, side, 3))[1:3]
        return margins_unread(self._layer, (int(height), int(width)), self.border_at(side))

    def _mean(self, maps: Any, channels: Any, opened: Any, unread: Margins | None, side: int) -> Any:
        border = self.border_at(side)
        if self._own:
            before = self._own(maps, channels, unread is None)
            before = _inner(before, border) if unread is None else before
        else:
            before = _inner(_picked(self._whole.before(maps), channels), border)
        means = tf.reduce_mean(before, axis=(1, 2))
        if not self.gated:
            return means
        if self._alone:
            after = self.activation(before)
        else:
            after = _inner(_picked(self._whole.after(maps), channels), border)
        return tf.where(opened, means, tf.reduce_mean(after, axis=(1, 2)))


def _picked(maps: Any, channels: Any) -> Any:
    """Of maps (N, h, w, C) one channel an image: (N, h, w)."""
    return tf.gather(maps, channels, axis=3, batch_dims=1)


def _inner(maps: Any, border: int) -> Any:
    """(N, h, w) without its border."""
    return maps[:, border : maps.shape[1] - border, border : maps.shape[2] - border]
