"""Which non-linearity a layer or an operation is, or has inside: one answer for everybody who asks."""

from typing import Any

import keras
import numpy as np
from keras.src.utils.naming import to_snake_case

from convscope.models.nodes import is_kerass

_RELU_OPERATIONS = ("Relu", "Relu6")
_RELU_FUNCTIONS = ("relu", "relu6")
# What makes negative numbers small, or turns them round, and lets some of them through: no ReLU, whatever its name.
_SMOOTH = (
    "celu", "elu", "gelu", "glu", "hard_silu", "hard_swish", "hard_tanh", "leaky_relu", "log_sigmoid", "mish", "prelu", "selu",
    "silu", "soft_shrink", "softplus", "softsign", "sparse_plus", "squareplus", "swish", "tanh", "tanh_shrink",
)  # fmt: skip
_SAME = {"swish": "silu", "hard_swish": "hard_silu"}


def activation_name(operation: Any) -> str:
    """Name of the activation that a layer has inside, "linear" where there is none or it does nothing.

    Keras takes functions and layers (`Conv2D(activation=LeakyReLU())`) alike; a layer's name is that of its class in small
    letters.
    """
    activation = getattr(operation, "activation", None)
    if activation is None:
        return "linear"
    if isinstance(activation, keras.Layer):
        return activation_name(activation) if _is_bare(activation) else type(activation).__name__.lower()
    return str(getattr(activation, "__name__", None) or type(activation).__name__)


def is_linear(operation: Any) -> bool:
    """Whether a layer adds no activation to what else it does."""
    return activation_name(operation) == "linear"


def is_relu(activation: Any) -> bool:
    """Whether a function, a layer or an operation is a ReLU: nothing below zero passes. A leaky one is none.

    With a ceiling or a threshold it is still one; a class of somebody's own of that name is not known to be. The activation
    inside another layer counts for `Activation` alone.
    """
    if is_kerass(activation, "ReLU"):
        return not activation.negative_slope
    if _is_bare(activation):
        return is_relu(activation.activation)
    if isinstance(activation, keras.Layer):
        return False
    return is_kerass(activation, *_RELU_OPERATIONS) or getattr(activation, "__name__", "") in _RELU_FUNCTIONS


def has_relu(operation: Any) -> bool:
    """Whether a layer ends in a ReLU, or is one."""
    return is_relu(operation) or is_relu(getattr(operation, "activation", None))


def is_relu_call(node: Any) -> bool:
    """Whether a call in a network's graph is that of a ReLU; `keras.ops.maximum(x, 0)` is one too."""
    if is_relu(node.operation):
        return True
    if not is_kerass(node.operation, "Maximum") or len(node.input_tensors) != 1:
        return False
    given = (*node.arguments.args, *node.arguments.kwargs.values())
    return any(isinstance(value, (int, float, np.number)) and value == 0 for value in given)


def other_rectifier(node: Any) -> str:
    """Which activation a call is, or ends in, that is none of the ReLUs and no gate (sigmoid, softmax): "gelu", "silu"; or ""."""
    operation = node.operation
    inside = activation_name(operation)
    kind = to_snake_case(type(operation).__name__)
    if kind == "leaky_re_lu" or (is_kerass(operation, "ReLU") and operation.negative_slope):
        kind = "leaky_relu"
    kind = {"leakyrelu": "leaky_relu", "p_re_lu": "prelu"}.get(kind, kind)
    name = next((each for each in ({"leakyrelu": "leaky_relu"}.get(inside, inside), kind) if each in _SMOOTH), "")
    return _SAME.get(name, name)


def is_plain_relu(operation: Any) -> bool:
    """Whether an operation is `max(x, 0)` and nothing else: no ceiling, no slope below zero."""
    if is_kerass(operation, "ReLU"):
        return operation.max_value is None and not operation.negative_slope and not operation.threshold
    return _is_bare(operation) and operation.activation is keras.activations.relu


def _is_bare(operation: Any) -> bool:
    return is_kerass(operation, "Activation")


def activates(call: Any, maps: Any) -> bool:
    """Whether a call in a network's graph is an activation of maps alone; a convolution with one inside is none."""
    if not (is_relu_call(call) or other_rectifier(call)) or hasattr(call.operation, "kernel_size"):
        return False
    return len(call.input_tensors) == 1 and call.outputs[0].shape == maps.shape
