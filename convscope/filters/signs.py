"""Which way a filter's answer goes when what its convolution makes grows: a normalisation behind it may turn it round."""

from typing import Any

import keras
import numpy as np

from convscope.models.graphs import node_of, nodes_in_order
from convscope.models.layers import is_transparent
from convscope.models.nonlinearity import activates, is_linear


def signs_behind(network: keras.Model, layer: str) -> np.ndarray:
    """For each filter of a convolution 1, or -1 where the normalisations between it and its activation turn its answers round.

    Those are the ones whose factor (`gamma`) is negative: the network then fires where the convolution answers least. With an
    activation of its own, nothing comes between.

    Args:
        network: a flat functional network.
        layer: a convolution of it.

    Returns:
        (filters,) float32.
    """
    node = node_of(network, layer)
    signs = np.ones(int(node.outputs[0].shape[-1]), np.float32)
    if not is_linear(node.operation):
        return signs
    takers: dict[int, list[Any]] = {}
    for other in nodes_in_order(network):
        for tensor in other.input_tensors:
            takers.setdefault(id(tensor), []).append(other)
    while True:
        behind = takers.get(id(node.outputs[0]), [])
        if any(activates(other, node.outputs[0]) for other in behind):
            return signs
        onward = [other for other in behind if is_transparent(other.operation)]
        if len(onward) != 1:
            return signs
        (node,) = onward
        gamma = getattr(node.operation, "gamma", None)
        if gamma is not None and tuple(gamma.shape) == signs.shape:
            signs *= np.where(np.asarray(gamma) < 0, -1, 1).astype(np.float32)
