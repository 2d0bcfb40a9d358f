"""What an ascent maximises."""

import copy
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from convscope.filters.calls import LayerByKeras
from convscope.filters.frozen import weights_frozen
from convscope.filters.keras_graph import KerasTrunk
from convscope.filters.layer_maps import is_number_by_number, own_channels
from convscope.filters.margins import NONE, Margins, margins_unread
from convscope.filters.response import ChannelResponse, border_that_fits, inner
from convscope.filters.trunk import Trunk
from convscope.models.nodes import inside_a_network


class Measured(NamedTuple):
    """An objective, its gradient, and what it takes to judge them.

    Attributes:
        values: (N,) float32.
        gradient: (N, H, W, C) float32, of the sum of the values to the images.
        at_maps: the gradient that arrives at the layer's input, without `unread`.
        unread: what the layer does not read of its input.
        size: (N,) float32, mean magnitude of the responses whose mean each value is; of one image by Keras outside of graphs alone,
            the yardstick: None elsewhere.
    """

    values: Any
    gradient: Any
    at_maps: Any
    unread: Margins
    size: Any = None


class ChannelObjective(ChannelResponse):
    """Mean response of one channel of a convolution, borders dropped (Chollet, Deep Learning with Python, ch. 10).

    The padding makes the outermost positions respond to the frame rather than to the pattern, so `border` positions are
    dropped on each side; fewer where the map is too small (`border_at` says how many).

    Only the part of the network below the layer is run, and of the layer itself only the wanted channels at the wanted
    positions. The response is taken before the layer's own activation (`opened`) or after it. The user's model is never
    changed.

    Args:
        network: flat functional model, image (N, H, W, C) -> anything.
        layer_name: a convolution of it; where it is called several times, its last call counts.
        border: positions to drop.
        dtype: "float32" or "bfloat16", of the network's weights and activations; the objective itself is float32.
        by_keras: everything by Keras's own layers and TensorFlow's gradient of them, in float32: slower, and what the
            written-out trunk is held against.

    Raises:
        UserError: the layer does not exist or is not a convolution.
    """

    variables = ()  # what is computed holds the weights as they were

    def __init__(
        self, network: keras.Model, layer_name: str, border: int, dtype: str = "float32", by_keras: bool = False
    ) -> None:
        super().__init__(network, layer_name, border)
        self.trunk: Trunk | KerasTrunk = (
            KerasTrunk(network, layer_name) if by_keras else Trunk(network, layer_name, dtype)
        )
        self._own = None if by_keras else own_channels(self.layer, dtype)
        # What those of the wanted channels do without costs a copy of the layer.
        self._whole: Any = None if self._own else LayerByKeras(self.layer)
        self._alone = not by_keras and is_number_by_number(self.activation)

    def rounded(self, dtype: str) -> "ChannelObjective":
        """The same objective in another floating type, without folding anything again; Keras's own stays as it is."""
        if not isinstance(self.trunk, Trunk):
            return self
        other = copy.copy(self)
        other.trunk, other._own = self.trunk.rounded(dtype), own_channels(self.layer, dtype)
        return other

    def value_and_gradient(self, images: Any, channels: Any, opened: Any) -> tuple[Any, Any]:
        """Objective of each image for its own channel, and the gradient of their sum.

        Args:
            images: (N, H, W, C) in model space.
            channels: (N,) int32, the filter each image is for.
            opened: (N,) bool; True measures before the layer's activation, where a ReLU cannot hide the gradient.

        Returns:
            (N,) float32 and (N, H, W, C) float32.
        """
        measured = self.measured(images, channels, opened)
        return measured.values, measured.gradient

    def measured(self, images: Any, channels: Any, opened: Any) -> Measured:
        """`value_and_gradient`, and what judging them takes."""
        if isinstance(self.trunk, KerasTrunk) and tf.executing_eagerly() and len(images) == 1:
            return self._measured_alone(self.trunk, images, int(channels[0]), bool(opened[0]))
        unread = self._unread(images.shape[1])
        maps, backward = self.trunk.forward(images, unread or NONE)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(maps)
            responses = self._responses(maps, channels, opened, unread, images.shape[1])
            values = tf.reduce_mean(responses, axis=(1, 2))
            # Sum, not mean: a mean would make a step depend on how many filters share the batch.
            total = tf.reduce_sum(values)
        with weights_frozen():
            at_maps = tape.gradient(total, maps)
        return Measured(values, backward(at_maps), at_maps, unread or NONE)

    def _measured_alone(self, trunk: KerasTrunk, images: Any, channel: int, opened: bool) -> Measured:
        """That of one image outside of any graph, all of it Keras's but for the mean.

        The first use of each kind of operation there takes as long as the convolutions of a whole shallow trunk, so the mean and
        its gradient, a constant, are NumPy's.
        """
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            maps = trunk(images)
            found = self._whole.after(maps) if self.gated and not opened else self._whole.before(maps)
        border = min(border_that_fits(side, self.border) for side in found.shape[1:3])
        responses = inner(found.numpy()[..., channel], border).astype(np.float64)
        shares = np.zeros(found.shape, np.float32)
        inner(shares[..., channel], border)[:] = 1 / responses.size
        with weights_frozen():
            gradient, at_maps = tape.gradient(found, [images, maps], tf.constant(shares), unconnected_gradients="zero")
        value, size = (tf.constant([part.mean()], tf.float32) for part in (responses, np.abs(responses)))
        return Measured(value, gradient, at_maps, NONE, size)

    def __call__(self, images: Any, channels: Any, opened: Any) -> Any:
        """The objective alone, (N,) float32 (see `value_and_gradient`)."""
        unread = self._unread(images.shape[1])
        maps = self.trunk(images, unread or NONE)
        return tf.reduce_mean(self._responses(maps, channels, opened, unread, images.shape[1]), axis=(1, 2))

    def _unread(self, side: int) -> Margins | None:
        """What the layer does not read of its input, for a square image; None if it works on all of it."""
        if self._own is None:
            return None
        return margins_unread(self.layer, self._sizes(side)[0], self.border_at(side))

    def _responses(self, maps: Any, channels: Any, opened: Any, unread: Margins | None, side: int) -> Any:
        """What the objective is the mean of: (N, h, w), the wanted channel without its border."""
        border = self.border_at(side)
        if self._own:
            before = self._own(maps, channels, unread is None)
            before = inner(before, border) if unread is None else before
        else:
            before = inner(_picked(self._whole.before(maps), channels), border)
        if not self.gated:
            return before
        if self._alone:
            with inside_a_network():
                after = self.activation(before)
        else:
            after = inner(_picked(self._whole.after(maps), channels), border)
        return tf.where(tf.reshape(opened, (-1, 1, 1)), before, after)


def _picked(maps: Any, channels: Any) -> Any:
    """Of maps (N, h, w, C) one channel an image: (N, h, w)."""
    return tf.gather(maps, channels, axis=3, batch_dims=1)
