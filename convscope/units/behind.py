"""What a unit answers: what the network hands on of its convolution."""

from typing import Any

import keras

from convscope.models.graphs import node_of, nodes_in_order
from convscope.models.layers import is_transparent
from convscope.models.nodes import address_of
from convscope.models.nonlinearity import activates, is_linear


def answer_of(flat: keras.Model, layer: str) -> str:
    """Where a convolution's answers are as the network hands them on: behind its normalisation and its activation.

    A normalisation may turn a filter's answers round (a negative gamma): what it is called by must be what comes behind it. Whoever
    has no ReLU behind it mostly has another rectifier there (SiLU, GELU, a leaky ReLU), or none, before an addition.

    Args:
        flat: a flat functional network.
        layer: a convolution of it.

    Returns:
        The name or address of a layer (`nodes.address_of`): the activation, else the last normalisation, else the convolution.
    """
    node = node_of(flat, layer)
    takers: dict[int, list[Any]] = {}
    for other in nodes_in_order(flat):
        for tensor in other.input_tensors:
            takers.setdefault(id(tensor), []).append(other)
    if not is_linear(node.operation):
        return layer
    while True:
        behind = takers.get(id(node.outputs[0]), [])
        active = next((other for other in behind if activates(other, node.outputs[0])), None)
        if active is not None:
            return address_of(flat, active.outputs[0])
        onward = [other for other in behind if is_transparent(other.operation) and len(other.outputs[0].shape) == 4]
        if len(onward) != 1:
            return address_of(flat, node.outputs[0])
        node = onward[0]
