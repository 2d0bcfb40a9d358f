"""The activation that a flat network ends in, which makes probabilities of logits."""

from typing import Any

import keras

from convscope.models.graphs import is_random
from convscope.models.nodes import nodes_in_order
from convscope.models.nonlinearity import activation_name


def final_activation(flat: keras.Model) -> tuple[Any, str]:
    """The call whose activation makes probabilities of logits, and that activation; None and "linear" where there is none."""
    makers = {id(tensor): node for node in nodes_in_order(flat) for tensor in node.outputs}
    tensor = flat.outputs[0]
    while (node := makers.get(id(tensor))) is not None:
        operation = node.operation
        kind = type(operation).__name__
        name = kind.lower() if kind in ("Softmax", "Sigmoid") else activation_name(operation)
        # A softmax over something else than the classes is part of the network.
        if name == "sigmoid" or (name == "softmax" and _is_over_last(operation, tensor, flat.outputs[0])):
            return node, name
        # Reshaping and casting after the activation, and activations that do nothing, hide it.
        passes = (
            is_random(operation)
            or kind in ("Reshape", "Flatten", "Identity")
            or (kind, name) == ("Activation", "linear")
        )
        if not passes or len(node.input_tensors) != 1:
            break
        tensor = node.input_tensors[0]
    return None, "linear"


def _is_over_last(operation: Any, tensor: Any, output: Any) -> bool:
    """Whether a softmax that makes `tensor` is taken over what is the last axis of the output."""
    inside = getattr(operation, "activation", None)
    axis = getattr(operation if type(operation).__name__ == "Softmax" else inside, "axis", -1)
    return axis in (-1, len(tensor.shape) - 1) and tensor.shape[-1] == output.shape[-1]
