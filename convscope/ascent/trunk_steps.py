"""The operations of a trunk: each runs forward, and takes a gradient back to its inputs."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import tree

from convscope.ascent.strided import Phases, spread
from convscope.networks import is_plain_relu

Tensors = list[Any]

# An image's: of more, the library's transposed convolution is fast.
_FEW_CHANNELS = 4


@dataclass
class Step:
    """One operation.

    Attributes:
        inputs: keys of the values it takes.
        output: key of the value it makes.
    """

    inputs: list[int]
    output: int

    def place_by_place(self) -> bool:
        """Whether each position of the result depends on that position of the inputs alone."""
        return False

    def forward(self, values: Tensors) -> Any:
        """The operation's result."""
        raise NotImplementedError

    def backward(self, values: Tensors, result: Any, gradient: Any) -> Tensors:
        """A gradient for each input."""
        raise NotImplementedError


@dataclass
class Kernel(Step):
    """What every convolution has; `bias` may be None."""

    kernel: Any
    bias: Any
    strides: tuple[int, int]
    padding: str
    dilation: tuple[int, int]


@dataclass
class Convolution(Kernel):
    """`conv2d(x, kernel) + bias`."""

    def __post_init__(self) -> None:
        down, across = self.strides
        phased = down == across > 1 and max(self.dilation) == 1 and self.kernel.shape[2] <= _FEW_CHANNELS
        self._phases = Phases(self.kernel, down, self.padding) if phased else None

    def place_by_place(self) -> bool:
        return tuple(self.kernel.shape[:2]) == (1, 1) and max(self.strides) == 1

    def forward(self, values: Tensors) -> Any:
        maps = tf.nn.conv2d(values[0], self.kernel, self.strides, self.padding, dilations=self.dilation)
        return maps if self.bias is None else tf.nn.bias_add(maps, self.bias)

    def backward(self, values: Tensors, result: Any, gradient: Any) -> Tensors:
        if self._phases:
            return [self._phases(gradient, values[0].shape[1:3])]
        if tuple(self.kernel.shape[:2]) == (1, 1) and max(self.strides) > 1:
            # A strided 1x1 convolution (the shortcut of a residual block) reads one place in stride x stride; the library's
            # kernel works on all of them, and with 8 channels or fewer it writes beyond its memory.
            read = tf.nn.conv2d(gradient, tf.transpose(self.kernel, (0, 1, 3, 2)), 1, "VALID")
            return [spread(read, self.strides, values[0].shape[1:3])]
        return [
            tf.raw_ops.Conv2DBackpropInput(
                input_sizes=tf.shape(values[0]), filter=self.kernel, out_backprop=gradient,
                strides=[1, *self.strides, 1], padding=self.padding, dilations=[1, *self.dilation, 1],
            )
        ]  # fmt: skip


@dataclass
class Depthwise(Kernel):
    """`depthwise_conv2d(x, kernel) + bias`."""

    def __post_init__(self) -> None:
        height, width, _, multiplier = self.kernel.shape
        odd = height % 2 == 1 and width % 2 == 1
        turns = odd and multiplier == 1 and self.padding == "SAME" and max(*self.strides, *self.dilation) == 1
        self._turned = tf.reverse(self.kernel, (0, 1)) if turns else None

    def forward(self, values: Tensors) -> Any:
        strides = [1, *self.strides, 1]
        maps = tf.nn.depthwise_conv2d(values[0], self.kernel, strides, self.padding, dilations=self.dilation)
        return maps if self.bias is None else tf.nn.bias_add(maps, self.bias)

    def backward(self, values: Tensors, result: Any, gradient: Any) -> Tensors:
        if self._turned is not None:
            # The forward convolution with the kernel turned round is the same sum, by a faster kernel.
            return [tf.nn.depthwise_conv2d(gradient, self._turned, [1, 1, 1, 1], "SAME")]
        return [
            tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                input_sizes=tf.shape(values[0]), filter=self.kernel, out_backprop=gradient,
                strides=[1, *self.strides, 1], padding=self.padding, dilations=[1, *self.dilation, 1],
            )
        ]  # fmt: skip


@dataclass
class Affine(Step):
    """`x * scale + offset`, a value a channel: batch normalisation that no convolution could take in."""

    scale: Any
    offset: Any

    def place_by_place(self) -> bool:
        return True

    def forward(self, values: Tensors) -> Any:
        return values[0] * self.scale + self.offset

    def backward(self, values: Tensors, result: Any, gradient: Any) -> Tensors:
        return [gradient * self.scale]


class Relu(Step):
    """`max(x, 0)`."""

    def place_by_place(self) -> bool:
        return True

    def forward(self, values: Tensors) -> Any:
        return tf.nn.relu(values[0])

    def backward(self, values: Tensors, result: Any, gradient: Any) -> Tensors:
        if result.dtype == tf.bfloat16:
            return [_gate_bfloat16(gradient, result)]
        return [tf.raw_ops.ReluGrad(gradients=gradient, features=result)]


@tf.function(jit_compile=True, autograph=False)
def _gate_bfloat16(gradient: Any, result: Any) -> Any:
    """The gradient where the ReLU was open; the library converts every bfloat16 by itself and takes three times as long."""
    return tf.where(result > 0, gradient, tf.zeros_like(gradient))


class Sum(Step):
    """The sum of its inputs: where a residual block's two ways meet."""

    def place_by_place(self) -> bool:
        return True

    def forward(self, values: Tensors) -> Any:
        # TensorFlow 2.21 tries to make a sum part of the convolution before it, fails where the sum has two takers, and then leaves
        # every convolution without its ReLU. It does not look past this operation, which does nothing.
        apart = [tf.ensure_shape(value, value.shape) for value in values]
        return apart[0] + apart[1] if len(apart) == 2 else tf.add_n(apart)

    def backward(self, values: Tensors, result: Any, gradient: Any) -> Tensors:
        return [gradient] * len(values)


@dataclass
class MaxPool(Step):
    """The largest value of each window."""

    pool: tuple[int, int]
    strides: tuple[int, int]
    padding: str

    def forward(self, values: Tensors) -> Any:
        return tf.nn.max_pool2d(values[0], self.pool, self.strides, self.padding)

    def backward(self, values: Tensors, result: Any, gradient: Any) -> Tensors:
        return [
            tf.raw_ops.MaxPoolGrad(
                orig_input=values[0], orig_output=result, grad=gradient,
                ksize=[1, *self.pool, 1], strides=[1, *self.strides, 1], padding=self.padding,
            )
        ]  # fmt: skip


@dataclass
class AnyLayer(Step):
    """A Keras layer of any other kind, by Keras itself in float32."""

    node: Any

    def forward(self, values: Tensors) -> Any:
        dtype = values[0].dtype
        return tf.cast(self._call([tf.cast(value, tf.float32) for value in values]), dtype)

    def _call(self, values: Tensors) -> Any:
        args, kwargs = self.node.arguments.fill_in(dict(zip(self.inputs, values, strict=True)))
        if getattr(self.node.operation, "_call_has_training_arg", False):
            kwargs = {**kwargs, "training": False}
        return tree.flatten(self.node.operation(*args, **kwargs))[0]

    def backward(self, values: Tensors, result: Any, gradient: Any) -> Tensors:
        sources = [tf.cast(value, tf.float32) for value in values]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            again = self._call(sources)
        parts = tape.gradient(again, sources, tf.cast(gradient, tf.float32), unconnected_gradients="zero")
        return [tf.cast(part, value.dtype) for part, value in zip(parts, values, strict=True)]


def make_step(node: Any, norm: Any | None, output: int, dtype: str) -> list[Step]:
    """The steps of one call of a layer.

    Args:
        node: the call.
        norm: batch normalisation to fold into the layer, a linear convolution; None where there is none.
        output: key of the result.
        dtype: of the constants.
    """
    layer, inputs = node.operation, list(dict.fromkeys(map(id, node.input_tensors)))
    kind = type(layer).__name__
    if kind in ("Conv2D", "SeparableConv2D", "DepthwiseConv2D") and _plain(layer):
        return _convolution_steps(layer, norm, inputs, output, dtype)
    if kind == "BatchNormalization" and layer.axis in (-1, 3, [3]):
        scale, offset = _norm_as_affine(layer)
        return [Affine(inputs, output, _constant(scale, dtype), _constant(offset, dtype))]
    if is_plain_relu(layer):
        return [Relu(inputs, output)]
    if kind == "Add" and len(inputs) == len(node.input_tensors):
        return [Sum(inputs, output)]
    if kind == "MaxPooling2D" and layer.data_format == "channels_last":
        return [MaxPool(inputs, output, tuple(layer.pool_size), tuple(layer.strides), layer.padding.upper())]
    return [AnyLayer(inputs, output, node)]


def _plain(layer: Any) -> bool:
    return (
        layer.data_format == "channels_last"
        and getattr(layer, "groups", 1) == 1
        and layer.padding in ("same", "valid")
        and (layer.activation is keras.activations.linear or layer.activation is keras.activations.relu)
        # A LoRA or quantised kernel is not the plain array that is read here.
        and not getattr(layer, "lora_enabled", False)
        and getattr(layer, "quantization_mode", None) is None
    )


def _convolution_steps(layer: Any, norm: Any | None, inputs: list[int], output: int, dtype: str) -> list[Step]:
    shape = (layer.padding.upper(), tuple(layer.dilation_rate))
    arrays = [np.asarray(value, np.float64) for value in layer.get_weights()]
    bias = arrays.pop() if layer.use_bias else None
    kernel = arrays.pop()
    depthwise = type(layer).__name__ == "DepthwiseConv2D"
    if norm is not None:
        scale, offset = _norm_as_affine(norm)
        bias = offset if bias is None else bias * scale + offset
        # A depthwise kernel counts its outputs in its last two axes.
        kernel = kernel * (scale.reshape(kernel.shape[2:]) if depthwise else scale)
    maps = id(layer) if layer.activation is not keras.activations.linear else output
    constants = (_constant(kernel, dtype), None if bias is None else _constant(bias, dtype))
    steps: list[Step] = []
    if type(layer).__name__ == "SeparableConv2D":
        between = id(layer.depthwise_kernel)
        first = _constant(arrays[0], dtype)
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


def _constant(values: np.ndarray, dtype: str) -> Any:
    return tf.constant(values.astype(np.float32), dtype)
