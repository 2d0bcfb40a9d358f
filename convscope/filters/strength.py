"""Which filters are worth an ascent, read from the weights before any time is spent."""

from typing import Any

import keras
import numpy as np

from convscope.models.graphs import node_of, nodes_in_order
from convscope.models.nodes import is_norm

DEAD, WEAK = 1e-6, 0.02


def filter_strength(network: keras.Model, layer_name: str) -> np.ndarray:
    """How much a filter can say, relative to its layer's median: (filters,) float64.

    It is the L2 norm of the filter's weights, times the gain of the batch normalisation that follows the layer, if one does.

    Args:
        network: flat functional model.
        layer_name: a convolution of it.
    """
    node = node_of(network, layer_name)
    strength = np.sqrt(np.square(_weights(node.operation)).sum(axis=0))
    norm = _following_norm(network, node)
    if norm is not None:
        gain = 1 / np.sqrt(np.asarray(norm.moving_variance, np.float64) + norm.epsilon)
        if norm.scale:
            gain = gain * np.abs(np.asarray(norm.gamma, np.float64))
        # Weights of a filter and the spread of what they give rise together; the gain undoes that, with a scale or without.
        strength = strength * gain
    middle = np.median(strength)
    return np.asarray(strength / middle if middle > 0 else strength)


def dead_by_weights(network: keras.Model, layer_name: str) -> np.ndarray:
    """Whether every weight of a filter is zero: (filters,) bool. Such a filter answers the same to every image."""
    largest = np.abs(_weights(node_of(network, layer_name).operation)).max(axis=0)
    return np.asarray(largest <= DEAD * max(np.median(largest), np.finfo(np.float32).tiny))


def _weights(layer: Any) -> np.ndarray:
    """The weights of each filter in a column: (weights, filters) float64. Of a separable layer the pointwise ones."""
    kernel = layer.pointwise_kernel if hasattr(layer, "pointwise_kernel") else layer.kernel
    values = np.asarray(kernel, np.float64)
    if type(layer).__name__ == "DepthwiseConv2D":
        return values.reshape(-1, values.shape[2] * values.shape[3])
    if "Transpose" in type(layer).__name__:
        values = np.moveaxis(values, 3, 2)
    return values.reshape(-1, values.shape[-1])


def _following_norm(network: keras.Model, node: Any) -> Any | None:
    outputs = {id(tensor) for tensor in node.outputs}
    users = [n for n in nodes_in_order(network) if any(id(tensor) in outputs for tensor in n.input_tensors)]
    return users[0].operation if len(users) == 1 and is_norm(users[0]) else None
