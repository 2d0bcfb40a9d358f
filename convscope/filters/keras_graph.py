"""Keras's own graph below a layer, call by call: the yardstick of the written-out trunk, and what runs where that is not right.

Everything here is keyed by tensors of the graph (their ids), never by layers: a layer may be called several times.
"""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf
from keras import tree

import convscope.models.keras_settings  # noqa: F401 (right gradients of strided 1x1 convolutions)
from convscope.filters.margins import NONE, Margins
from convscope.models.nodes import inside_a_network, node_of, nodes_in_order

Values = dict[int, Any]


def ancestors(network: keras.Model, target: Any) -> list[Any]:
    """The calls that a call takes its inputs from, directly or not, in the order of the graph."""
    needed = {id(tensor) for tensor in target.input_tensors}
    kept = []
    for node in reversed(list(nodes_in_order(network))):
        if any(id(tensor) in needed for tensor in node.outputs):
            kept.append(node)
            needed.update(map(id, node.input_tensors))
    return kept[::-1]


def call_of(node: Any) -> Callable[[Mapping[Any, Any]], list[Any]]:
    """A call of the graph, in inference mode, as a function of values: id of a tensor -> value; a list of its outputs."""
    operation = node.operation
    trains = getattr(operation, "_call_has_training_arg", False)

    def call(values: Mapping[Any, Any]) -> list[Any]:
        args, kwargs = node.arguments.fill_in(values)
        if trains:
            kwargs = {**kwargs, "training": False}
        with inside_a_network():
            return list(tree.flatten(operation(*args, **kwargs)))

    return call


def copied(layer: Any, **changes: Any) -> Any:
    """A copy of a layer with other settings and the same weights."""
    copy = type(layer).from_config({**layer.get_config(), **changes, "name": f"{layer.name}_copy"})
    copy.build_from_config(layer.get_build_config())
    # A layer's own weights come first, those of an activation that is a layer itself behind them.
    copy.set_weights(layer.get_weights()[: len(copy.weights)])
    return copy


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
