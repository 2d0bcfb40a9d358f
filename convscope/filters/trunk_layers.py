"""From a call of a Keras layer to the steps of a trunk that compute it."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from convscope.filters.trunk_steps import Affine, AnyLayer, Convolution, Depthwise, Key, MaxPool, Relu, Step, Sum
from convscope.models.nodes import is_kerass, is_norm
from convscope.models.nonlinearity import is_plain_relu


def make_steps(node: Any, norm: Any | None) -> list[Step]:
    """The steps of one call of a layer, with constants in float32.

    Args:
        node: the call.
        norm: the call of a batch normalisation to fold into it (`takes_a_norm`); None where there is none.
    """
    layer, inputs = node.operation, list(dict.fromkeys(map(id, node.input_tensors)))
    output = id((norm or node).outputs[0])
    if is_plain_convolution(node):
        return _convolution_steps(layer, norm and norm.operation, inputs, output)
    if is_norm(node):
        scale, offset = _norm_as_affine(layer)
        return [Affine(inputs, output, _constant(scale), _constant(offset))]
    if is_kerass(layer, "Relu") or (is_kerass(layer, "ReLU", "Activation") and is_plain_relu(layer)):
        return [Relu(inputs, output)]
    if is_kerass(layer, "Add") and _are_alike(node):
        return [Sum(inputs, output)]
    if is_kerass(layer, "MaxPooling2D") and layer.data_format == "channels_last":
        return [MaxPool(inputs, output, tuple(layer.pool_size), tuple(layer.strides), layer.padding.upper())]
    return [AnyLayer(inputs, output, node)]


def takes_a_norm(node: Any) -> bool:
    """Whether a batch normalisation behind a call can become part of its kernel."""
    return is_plain_convolution(node) and node.operation.activation is keras.activations.linear


def is_plain_convolution(node: Any) -> bool:
    """Whether a call is a convolution that the steps here compute, of whole maps and with a kernel that is a plain array."""
    layer = node.operation
    return (
        is_kerass(layer, "Conv2D", "SeparableConv2D", "DepthwiseConv2D")
        and len(node.input_tensors) == 1
        and layer.data_format == "channels_last"
        and getattr(layer, "groups", 1) == 1
        and layer.padding in ("same", "valid")
        and (layer.activation is keras.activations.linear or layer.activation is keras.activations.relu)
        # A depthwise convolution of TensorFlow has one stride for both directions, and no dilation beside it.
        and (is_kerass(layer, "Conv2D") or len(set(layer.strides)) == 1)
        and (max(layer.strides) == 1 or max(layer.dilation_rate) == 1)
        # A LoRA or quantised kernel is not the plain array that is read here.
        and not getattr(layer, "lora_enabled", False)
        and getattr(layer, "quantization_mode", None) is None
    )


def _are_alike(node: Any) -> bool:
    """Whether a sum is one of two or more different tensors of one shape: no constant beside them, none stretched to another."""
    shapes = {tuple(tensor.shape) for tensor in node.input_tensors}
    count = len(node.input_tensors)
    return count > 1 and len(set(map(id, node.input_tensors))) == count and len(shapes) == 1 and len(shapes.pop()) == 4


def _convolution_steps(layer: Any, norm: Any | None, inputs: Sequence[Key], output: Key) -> list[Step]:
    shape = (layer.padding.upper(), tuple(layer.dilation_rate))
    arrays = [np.asarray(value, np.float64) for value in layer.get_weights()]
    bias = arrays.pop() if layer.use_bias else None
    kernel = arrays.pop()
    depthwise = is_kerass(layer, "DepthwiseConv2D")
    if norm is not None:
        scale, offset = _norm_as_affine(norm)
        bias = offset if bias is None else bias * scale + offset
        # A depthwise kernel counts its outputs in its last two axes.
        kernel = kernel * (scale.reshape(kernel.shape[2:]) if depthwise else scale)
    maps: Key = (output, "before the ReLU") if layer.activation is keras.activations.relu else output
    constants = (_constant(kernel), None if bias is None else _constant(bias))
    steps: list[Step] = []
    if is_kerass(layer, "SeparableConv2D"):
        between: Key = (output, "before the pointwise half")
        first = _constant(arrays[0])
        steps.append(Depthwise(inputs, between, first, None, tuple(layer.strides), *shape))
        steps.append(Convolution([between], maps, *constants, (1, 1), "VALID", (1, 1)))
    else:
        kind = Depthwise if depthwise else Convolution
        steps.append(kind(inputs, maps, *constants, tuple(layer.strides), *shape))
    if maps != output:
        steps.append(Relu([maps], output))
    return steps


def _norm_as_affine(norm: Any) -> tuple[np.ndarray, np.ndarray]:
    mean, variance = np.asarray(norm.moving_mean, np.float64), np.asarray(norm.moving_variance, np.float64)
    scale = 1.0 / np.sqrt(variance + norm.epsilon)
    if norm.scale:
        scale = scale * np.asarray(norm.gamma, np.float64)
    offset = -mean * scale
    return scale, offset + np.asarray(norm.beta, np.float64) if norm.center else offset


def _constant(values: np.ndarray) -> Any:
    return tf.constant(values.astype(np.float32))
