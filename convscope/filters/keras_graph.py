"""Keras's own graph below a layer, call by call: the yardstick of the written-out trunk, and what runs where that is not right.

Everything here is keyed by tensors of the graph (their ids), never by layers: a layer may be called several times.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from convscope.filters.calls import ancestors, call_of
from convscope.filters.margins import NONE, Margins
from convscope.models.nodes import node_of

Values = dict[int, Any]


class KerasTrunk:
    """Everything between the image and the input of a layer, by Keras itself in float32: the interface of `Trunk`.

    Args:
        network: flat functional model, image (N, H, W, C) -> anything.
        layer_name: the layer whose input is wanted (that of its last call, where it is called several times).
    """

    def __init__(self, network: keras.Model, layer_name: str) -> None:
        target = node_of(network, layer_name)
        self._image, self.output = id(network.inputs[0]), id(target.input_tensors[0])
        self.nodes = ancestors(network, target)
        self._calls = [(call_of(node), list(map(id, node.outputs))) for node in self.nodes]

    def values(self, images: Any) -> Values:
        """Every tensor on the way, by its id in the graph."""
        values = {self._image: images}
        for call, outputs in self._calls:
            values.update(zip(outputs, call(values), strict=True))
        return values

    def forward(self, images: Any, margins: Margins = NONE) -> tuple[Any, Callable[[Any], Any]]:
        """Feature maps without the margins, and the function that takes a gradient back to the images (see `Trunk.forward`)."""
        tape = tf.GradientTape(watch_accessed_variables=False)
        with tape:
            tape.watch(images)
            maps = tf.cast(self.values(images)[self.output], tf.float32)

        def backward(gradient: Any) -> Any:
            whole = margins.put_back(gradient)
            return tape.gradient(maps, images, whole, unconnected_gradients="zero")

        return margins.cut(maps), backward

    def __call__(self, images: Any, margins: Margins = NONE) -> Any:
        """The feature maps alone."""
        return margins.cut(tf.cast(self.values(images)[self.output], tf.float32))

    def gradients(self, images: Any, gradient: Any, margins: Margins = NONE) -> tuple[Values, Values]:
        """Every value on the way, and the gradient that arrives at it from that of the feature maps."""
        tape = tf.GradientTape(watch_accessed_variables=False)
        with tape:
            tape.watch(images)
            values = self.values(images)
            maps = tf.cast(values[self.output], tf.float32)
        sources = {key: value for key, value in values.items() if value.dtype.is_floating}
        return values, tape.gradient(maps, sources, margins.put_back(gradient), unconnected_gradients="zero")
