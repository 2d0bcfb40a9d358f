"""The calls of a network below a layer, run one after the other, and the layer by itself."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import ops, tree

import convscope.models.keras_settings  # noqa: F401 (right gradients of strided 1x1 convolutions)
from convscope.models.nodes import inside_a_network, nodes_in_order


def ancestors(network: keras.Model, target: Any) -> list[Any]:
    """The calls that a call takes its inputs from, directly or not, in the order of the graph."""
    needed = {id(tensor) for tensor in target.input_tensors}
    kept = []
    for node in reversed(list(nodes_in_order(network))):
        if any(id(tensor) in needed for tensor in node.outputs):
            kept.append(node)
            needed.update(map(id, node.input_tensors))
    return kept[::-1]


def call_of(node: Any, operation: Any = None) -> Callable[[Mapping[Any, Any]], list[Any]]:
    """A call of the graph, in inference mode, as a function of values: id of a tensor -> value; a list of its outputs.

    Of its own operation, or of another in the place of it.
    """
    operation = operation or node.operation
    trains = getattr(operation, "_call_has_training_arg", False)

    def call(values: Mapping[Any, Any]) -> list[Any]:
        args, kwargs = node.arguments.fill_in(values)
        if trains:
            kwargs = {**kwargs, "training": False}
        with inside_a_network():
            return list(tree.flatten(operation(*args, **kwargs)))

    return call


def rounded(operation: Any, precision: str) -> Any:
    """What computes in a coarser number format in the place of an operation, its weights in float32; itself where it has no format.

    Args:
        operation: of a network.
        precision: "bfloat16", say.

    Raises:
        Exception: a layer of somebody's own cannot be made again from its settings.
    """
    if not isinstance(operation, keras.Layer) or not operation.built:
        return operation
    copy = copied(operation, dtype=f"mixed_{precision}")
    # What makes its weights when it is called first would call new ones its own.
    if len(copy.weights) != len(operation.weights):
        raise ValueError(f"its copy has {len(copy.weights)} of its {len(operation.weights)} weights")
    return copy


def copied(layer: Any, **changes: Any) -> Any:
    """A copy of a layer with other settings and the same weights."""
    copy = type(layer).from_config({**layer.get_config(), **changes, "name": f"{layer.name}_copy"})
    copy.build_from_config(layer.get_build_config())
    # A layer's own weights come first, those of an activation that is a layer itself behind them.
    copy.set_weights(layer.get_weights()[: len(copy.weights)])
    return copy


class LayerByKeras:
    """A layer by Keras itself, all its channels: `before(maps)` its activation, and `after(maps)` it.

    Args:
        layer: a convolution.
    """

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        gated = getattr(layer, "activation", None) not in (None, keras.activations.linear)
        # Now: while a step is traced no weights can be read.
        self._open = copied(layer, activation="linear") if gated else self._layer
        self.variables = [*self._layer.variables, *self._open.variables]

    def before(self, maps: Any) -> Any:
        """(N, h, w, C) -> (N, h', w', filters) float32 without the layer's activation."""
        with inside_a_network():
            return ops.cast(self._open(ops.cast(maps, "float32")), "float32")

    def after(self, maps: Any) -> Any:
        """(N, h, w, C) -> (N, h', w', filters) float32, the layer's output."""
        with inside_a_network():
            return ops.cast(self._layer(ops.cast(maps, "float32")), "float32")
