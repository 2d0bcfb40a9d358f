"""What feeds a filter, and what it feeds: the channels that a convolution takes, by the filters that make them, and how strongly."""

import dataclasses
from typing import Any

import keras
import numpy as np

from convscope.models.names import CONV_TYPES
from convscope.models.nodes import is_norm, node_of, nodes_in_order
from convscope.models.nonlinearity import is_relu_call, other_rectifier

# Channel i of what these make is made of channel i of what they take.
_CHANNEL_BY_CHANNEL = {
    "Activation", "Add", "AlphaDropout", "Average", "AveragePooling2D", "BatchNormalization", "Cropping2D", "Dropout",
    "GaussianDropout", "GaussianNoise", "Identity", "LayerNormalization", "LeakyReLU", "MaxPooling2D", "Maximum", "Minimum",
    "Multiply", "Normalization", "PReLU", "ReLU", "Resizing", "SpatialDropout2D", "Subtract", "UpSampling2D", "ZeroPadding2D",
    "ELU", "Elu", "Gelu", "HardSilu", "LeakyRelu", "Relu", "Relu6", "Sigmoid", "Silu", "Tanh", "HardSwish", "Mish",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Source:
    """A layer whose filters make channels that a convolution takes.

    Attributes:
        layer: its name.
        filters: (Cin,) int64: for each channel taken, the filter that makes it; -1 where none of this layer does.
        gains: (Cin,) float64: what a channel is multiplied by behind the filter's own ReLU, before it is taken.
    """

    layer: str
    filters: np.ndarray
    gains: np.ndarray


def sources_of(flat: keras.Model, layer: str) -> list[Source]:
    """The layers whose filters a convolution takes its channels from, nearest first; none where they cannot be followed.

    An addition hands on channel i of each of its terms, so several filters may make one channel. What goes through a dense layer, a
    reshape or the like is not followed.

    Args:
        flat: a flat functional network.
        layer: a convolution of it.
    """
    makers = {id(tensor): node for node in nodes_in_order(flat) for tensor in node.outputs}
    tensor = node_of(flat, layer).input_tensors[0]
    return _traced(tensor, makers, np.ones(tensor.shape[-1]), False)


def _traced(tensor: Any, makers: dict[int, Any], gains: np.ndarray, rectified: bool) -> list[Source]:
    node = makers.get(id(tensor))
    if node is None:
        return []
    operation, kind = node.operation, type(node.operation).__name__
    if kind in CONV_TYPES:
        return [Source(operation.name, np.arange(tensor.shape[-1]), gains)]
    if kind == "Concatenate" and operation.axis in (-1, len(tensor.shape) - 1):
        found, start = [], 0
        for part in node.input_tensors:
            end = start + part.shape[-1]
            for source in _traced(part, makers, gains[start:end], rectified):
                filters, wide = np.full(tensor.shape[-1], -1), np.zeros(tensor.shape[-1])
                filters[start:end], wide[start:end] = source.filters, source.gains
                found.append(Source(source.layer, filters, wide))
            start = end
        return _merged(found)
    if kind not in _CHANNEL_BY_CHANNEL:
        return []
    if is_norm(node) and not rectified:
        gains = gains * norm_gains(operation)
    # What a filter answers is what its ReLU lets through: a normalisation before that is part of the answer.
    rectified = rectified or is_relu_call(node) or bool(other_rectifier(node))
    maps = [each for each in node.input_tensors if tuple(each.shape[1:3]) == tuple(node.input_tensors[0].shape[1:3])]
    alike = [each for each in maps if each.shape[-1] == tensor.shape[-1]]
    return _merged([source for each in alike for source in _traced(each, makers, gains, rectified)])


def _merged(sources: list[Source]) -> list[Source]:
    """Several ways from one layer by the same channels are one."""
    found: dict[tuple[str, bytes], Source] = {}
    for source in sources:
        key = source.layer, source.filters.tobytes()
        before = found.get(key)
        found[key] = source if before is None else dataclasses.replace(source, gains=before.gains + source.gains)
    return list(found.values())


def norm_gains(norm: Any) -> np.ndarray:
    """What a batch normalisation multiplies each channel by: (C,) float64."""
    gains = 1 / np.sqrt(np.asarray(norm.moving_variance, np.float64) + norm.epsilon)
    return gains * np.asarray(norm.gamma, np.float64) if norm.scale else gains


def kernels(layer: Any) -> np.ndarray:
    """The weights between each channel that a convolution takes and each filter: (places, Cin, filters) float64.

    Of a separable layer those that its depthwise and its pointwise part make together; channels of another group are 0.

    Args:
        layer: Conv2D, DepthwiseConv2D, SeparableConv2D or Conv2DTranspose, built.
    """
    kind = type(layer).__name__
    if kind == "SeparableConv2D":
        depthwise = np.asarray(layer.depthwise_kernel, np.float64)
        height, width, channels, multiplier = depthwise.shape
        pointwise = np.asarray(layer.pointwise_kernel, np.float64).reshape(channels, multiplier, -1)
        return np.einsum("pim,imo->pio", depthwise.reshape(height * width, channels, multiplier), pointwise)
    kernel = np.asarray(layer.kernel, np.float64)
    height, width = kernel.shape[:2]
    if kind == "DepthwiseConv2D":
        channels, multiplier = kernel.shape[2:]
        found = np.zeros((height * width, channels, channels * multiplier))
        filters = np.arange(channels * multiplier)
        found[:, filters // multiplier, filters] = kernel.reshape(height * width, -1)
        return found
    if kind == "Conv2DTranspose":
        return np.moveaxis(kernel, 3, 2).reshape(height * width, kernel.shape[3], kernel.shape[2])
    kernel, groups = kernel.reshape(height * width, *kernel.shape[2:]), getattr(layer, "groups", 1)
    each, filters = kernel.shape[1:]
    wide = np.zeros((height * width, each * groups, filters))
    for group in range(groups):
        columns = slice(group * filters // groups, (group + 1) * filters // groups)
        wide[:, group * each : (group + 1) * each, columns] = kernel[:, :, columns]
    return wide


def layer_connections(layer: Any) -> np.ndarray:
    """`connections` of a layer's `kernels`: (Cin, filters). Of a depthwise one made without them, which are mostly zeros."""
    if type(layer).__name__ != "DepthwiseConv2D":
        return connections(kernels(layer))
    kernel = np.asarray(layer.kernel, np.float64)
    channels, multiplier = kernel.shape[2:]
    found = np.zeros((channels, channels * multiplier))
    filters = np.arange(channels * multiplier)
    found[filters // multiplier, filters] = connections(kernel.reshape(-1, channels, multiplier)).reshape(-1)
    return found


def connections(kernel: np.ndarray) -> np.ndarray:
    """How strongly each filter takes each channel: (places, Cin, filters) weights -> (Cin, filters).

    The L2 norm over the places, with the sign of the sum: positive where the channel's answers raise the filter's.
    """
    return np.sqrt(np.square(kernel).sum(axis=0)) * np.where(kernel.sum(axis=0) < 0, -1, 1)
