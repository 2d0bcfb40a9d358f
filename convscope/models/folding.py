"""The lower part of a network with its batch normalisation folded into the convolutions: the same numbers, sooner."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import tree

from convscope.backends.tensorflow_repairs import depthwise_convolution
from convscope.models.nodes import inside_a_network, is_kerass, is_norm, nodes_in_order
from convscope.models.nonlinearity import is_linear, is_plain_relu

# Feature maps, a scale and an offset a channel, the ReLU's output in the graph or None -> maps * scale + offset, rectified where
# there is a ReLU.
Normalise = Callable[[Any, np.ndarray, np.ndarray, Any], Any]
# Numbers that the widest vector instructions take at a time.
_VECTOR = 16
_FOLDED = ("Conv2D", "SeparableConv2D", "DepthwiseConv2D")


def folded(
    model: keras.Model, sources: list[Any], normalise: Mapping[int, Normalise] | None = None
) -> Callable[[Any], list[Any]]:
    """A function that computes tensors of a network in inference mode, batch norms folded where nothing can tell.

    A convolution without activation whose only taker is a batch norm is replaced by one convolution with
    `kernel * s` and `beta + (bias - mean) * s`, `s = gamma / sqrt(variance + epsilon)`. Its own output is never made, so
    it must not be one of `sources`; where it is, or where anything is unusual, layers run as they are; a batch norm that
    stays runs as one operation instead of Keras's two.

    Args:
        model: a flat functional network; its layers and weights are read, not changed. Later changes of the weights
            are not seen.
        sources: tensors of its graph.
        normalise: by the id of a tensor that one batch norm takes, what is called in the norm's place, and in that of a plain ReLU
            that alone takes what the norm makes.

    Returns:
        `images -> list of tensors`, (N, H, W, 3) in model space; traces in a `tf.function`. Equal to the network but for
        rounding (relative 1e-5).
    """
    wanted = {id(tensor) for tensor in sources}
    takers: dict[int, list[Any]] = {}
    makers: dict[int, Any] = {}
    calls: dict[int, int] = {}
    for node in nodes_in_order(model):
        calls[id(node.operation)] = calls.get(id(node.operation), 0) + 1
        for tensor in node.input_tensors:
            takers.setdefault(id(tensor), []).append(node)
        makers.update((id(tensor), node) for tensor in node.outputs)
    needed = _needed(sources, makers)
    steps: list[tuple[Any, Any, Any]] = []
    done: set[int] = set()
    for node in nodes_in_order(model):
        if id(node) not in needed or id(node) in done:
            continue
        make = (normalise or {}).get(id(node.input_tensors[0])) if _is_plain_norm(node) else None
        if make is not None and sum(map(_is_plain_norm, takers[id(node.input_tensors[0])])) == 1:
            relu = _relu_behind(node, takers, wanted)
            steps.append((node, (relu or node).outputs, _Handed(node.operation, make, relu and relu.outputs[0])))
            done.add(id(relu))
            continue
        # A layer called twice has a batch norm of its own behind each call.
        norm = _norm_behind(node, takers, wanted) if calls[id(node.operation)] == 1 else None
        if norm is None:
            steps.append((node, node.outputs, _Norm(node.operation) if _is_plain_norm(node) else None))
        else:
            steps.append((node, norm.outputs, _Folded(node.operation, norm.operation)))
            done.add(id(norm))
    image = model.inputs[0]

    def run(images: Any) -> list[Any]:
        values = {id(image): images}
        with inside_a_network():
            for node, outputs, fast in steps:
                args, kwargs = node.arguments.fill_in(values)
                if fast is not None:
                    # By position or by name: a plain norm and what it is folded into take one tensor.
                    results = [fast(values[id(node.input_tensors[0])])]
                else:
                    if getattr(node.operation, "_call_has_training_arg", False):
                        kwargs = {**kwargs, "training": False}
                    results = tree.flatten(node.operation(*args, **kwargs))
                values.update(zip(map(id, outputs), results, strict=True))
        return [values[id(tensor)] for tensor in sources]

    return run


def _needed(sources: list[Any], makers: dict[int, Any]) -> set[int]:
    waiting, found = list(sources), set()
    while waiting:
        node = makers.get(id(waiting.pop()))
        if node is not None and id(node) not in found:
            found.add(id(node))
            waiting.extend(node.input_tensors)
    return found


def _norm_behind(node: Any, takers: dict[int, list[Any]], wanted: set[int]) -> Any | None:
    operation, output = node.operation, node.outputs[0]
    behind = takers.get(id(output), [])
    if not is_kerass(operation, *_FOLDED) or id(output) in wanted or len(behind) != 1:
        return None
    norm = behind[0]
    plain = (
        _is_plain_norm(norm)
        and is_linear(operation)
        and operation.data_format == "channels_last"
        and getattr(operation, "groups", 1) == 1
        and operation.compute_dtype == "float32"
        # TensorFlow knows one stride for both directions of a depthwise convolution, and no dilation beside a stride.
        and len(set(operation.strides)) == 1
    )
    return norm if plain else None


def _relu_behind(norm: Any, takers: dict[int, list[Any]], wanted: set[int]) -> Any | None:
    """The plain ReLU that alone takes what a batch norm makes."""
    behind = takers.get(id(norm.outputs[0]), [])
    alone = len(behind) == 1 and id(norm.outputs[0]) not in wanted
    return behind[0] if alone and is_plain_relu(behind[0].operation) else None


def _is_plain_norm(node: Any) -> bool:
    return is_norm(node) and node.operation.compute_dtype == "float32"


class _Norm:
    """A batch norm in inference mode."""

    def __init__(self, norm: Any) -> None:
        width = int(norm.moving_mean.shape[0])
        gamma = np.asarray(norm.gamma) if norm.scale else np.ones(width)
        beta = np.asarray(norm.beta) if norm.center else np.zeros(width)
        arrays = [gamma, beta, np.asarray(norm.moving_mean), np.asarray(norm.moving_variance)]
        # Channels that are no multiple of a vector's length, as Xception's 728, take the operation up to five times as long;
        # some places side by side are such a multiple.
        self._beside = _VECTOR // math.gcd(_VECTOR, width)
        self._alone = [tf.constant(array, tf.float32) for array in arrays]
        self._repeated = [tf.constant(np.tile(array, self._beside), tf.float32) for array in arrays]
        self._epsilon = float(norm.epsilon)

    def __call__(self, x: Any) -> Any:
        height, width, channels = x.shape[1:]
        if height is None or width is None or height * width % self._beside:
            return self._normalised(x, self._alone)
        wide = tf.reshape(x, (-1, 1, height * width // self._beside, channels * self._beside))
        return tf.reshape(self._normalised(wide, self._repeated), (-1, height, width, channels))

    def _normalised(self, x: Any, arrays: list[Any]) -> Any:
        scale, offset, mean, variance = arrays
        return tf.raw_ops.FusedBatchNormV3(
            x=x, scale=scale, offset=offset, mean=mean, variance=variance, epsilon=self._epsilon, is_training=False
        ).y


class _Handed:
    """A batch norm in inference mode, with the ReLU behind it if there is one, made by somebody else."""

    def __init__(self, norm: Any, make: Normalise, relu: Any | None) -> None:
        scale, offset = _scale_and_shift(norm)
        offset = offset - np.asarray(norm.moving_mean, np.float64) * scale
        self._make, self._relu = make, relu
        self._scale, self._offset = scale.astype(np.float32), offset.astype(np.float32)

    def __call__(self, x: Any) -> Any:
        return self._make(x, self._scale, self._offset, self._relu)


def _scale_and_shift(norm: Any) -> tuple[np.ndarray, np.ndarray]:
    """`gamma / sqrt(variance + epsilon)` and `beta` of a batch norm, float64."""
    width = int(norm.moving_mean.shape[0])
    gamma = np.asarray(norm.gamma, np.float64) if norm.scale else np.ones(width)
    scale = gamma / np.sqrt(np.asarray(norm.moving_variance, np.float64) + norm.epsilon)
    return scale, np.asarray(norm.beta, np.float64) if norm.center else np.zeros(width)


class _Folded:
    """One convolution in place of a convolution and the batch norm behind it."""

    def __init__(self, layer: Any, norm: Any) -> None:
        scale, shift = _scale_and_shift(norm)
        bias = np.asarray(layer.bias, np.float64) if layer.use_bias else np.zeros(len(scale))
        kind = type(layer).__name__
        self._depthwise = self._kernel = None
        # Tensors outside the graph: as constants inside, they would be copied by every pass of the graph's optimiser.
        if kind == "Conv2D":
            self._kernel = tf.constant(np.asarray(layer.kernel) * scale, tf.float32)
        elif kind == "SeparableConv2D":
            self._depthwise = tf.constant(np.asarray(layer.depthwise_kernel), tf.float32)
            self._kernel = tf.constant(np.asarray(layer.pointwise_kernel) * scale, tf.float32)
        else:
            kernel = np.asarray(layer.kernel, np.float64)
            self._depthwise = tf.constant(kernel * scale.reshape(kernel.shape[2:]), tf.float32)
        self._bias = tf.constant((bias - np.asarray(norm.moving_mean, np.float64)) * scale + shift, tf.float32)
        self._stride, self._dilation = int(layer.strides[0]), [int(rate) for rate in layer.dilation_rate]
        self._padding = layer.padding.upper()

    def __call__(self, x: Any) -> Any:
        stride, padding, dilation = self._stride, self._padding, self._dilation
        if self._depthwise is not None:
            x = depthwise_convolution(x, self._depthwise, [1, stride, stride, 1], padding, dilation)
            stride, padding, dilation = 1, "VALID", [1, 1]
        if self._kernel is not None:
            x = tf.nn.conv2d(x, self._kernel, stride, padding, dilations=dilation)
        return tf.nn.bias_add(x, self._bias)
