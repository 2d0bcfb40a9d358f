"""The operations of a trunk: each runs forward, and takes a gradient back to its inputs."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import tensorflow as tf

from convscope.backends.tensorflow_repairs import depthwise_convolution, with_company
from convscope.filters.keras_graph import call_of
from convscope.filters.strided import Phases, spread

Tensors = list[Any]
# A tensor of the graph: its id. What is made on the way to it: that id and a word.
Key = Hashable

# An image's: of more, the library's transposed convolution is fast.
_FEW_CHANNELS = 4


@dataclass
class Step:
    """One operation.

    Attributes:
        inputs: keys of the values it takes.
        output: key of the value it makes.
    """

    inputs: Sequence[Key]
    output: Key

    @property
    def outputs(self) -> Sequence[Key]:
        """Keys of all values it makes; most operations make one."""
        return [self.output]

    def run(self, values: Tensors) -> Tensors:
        """All results."""
        return [self.forward(values)]

    def take_back(self, values: Tensors, results: Tensors, gradients: Tensors) -> Tensors:
        """A gradient for each input; None where there is none. Those that arrive are None where nobody takes the result."""
        return self.backward(values, results[0], gradients[0])

    def place_by_place(self) -> bool:
        """Whether each position of the result depends on that position of the inputs alone."""
        return False

    def rounded(self, dtype: Any) -> "Step":
        """The same operation with its constants in another floating type."""
        return self

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

    def rounded(self, dtype: Any) -> Step:
        bias = None if self.bias is None else tf.cast(self.bias, dtype)
        return replace(self, kernel=tf.cast(self.kernel, dtype), bias=bias)


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
        read, kernel = with_company(values[0], self.kernel, self.strides)
        maps = tf.nn.conv2d(read, kernel, self.strides, self.padding, dilations=self.dilation)
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
        height, width, channels, multiplier = self.kernel.shape
        odd = height % 2 == 1 and width % 2 == 1
        self._dilated = max(self.dilation) > 1
        self._turned = None
        if self._dilated:
            # The library's gradient leaves the dilation out: wrong for "same", no shape for "valid".
            apart = tf.reshape(self.kernel, (height, width, channels * multiplier, 1))
            self._turned = tf.reverse(apart, (0, 1))
        elif odd and multiplier == 1 and self.padding == "SAME" and max(self.strides) == 1:
            self._turned = tf.reverse(self.kernel, (0, 1))

    def forward(self, values: Tensors) -> Any:
        strides = [1, *self.strides, 1]
        maps = depthwise_convolution(values[0], self.kernel, strides, self.padding, self.dilation)
        return maps if self.bias is None else tf.nn.bias_add(maps, self.bias)

    def backward(self, values: Tensors, result: Any, gradient: Any) -> Tensors:
        if self._dilated:
            return [self._by_turned_kernel(gradient, values[0].shape)]
        if tuple(self.kernel.shape) == (1, 1, 1, 1):  # see `depthwise_convolution`
            return [spread(gradient * self.kernel[0, 0, 0], self.strides, values[0].shape[1:3])]
        if self._turned is not None:
            # The forward convolution with the kernel turned round is the same sum, by a faster kernel.
            return [depthwise_convolution(gradient, self._turned, [1, 1, 1, 1], "SAME", [1, 1])]
        return [
            tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                input_sizes=tf.shape(values[0]), filter=self.kernel, out_backprop=gradient,
                strides=[1, *self.strides, 1], padding=self.padding, dilations=[1, 1, 1, 1],
            )
        ]  # fmt: skip

    def _by_turned_kernel(self, gradient: Any, shape: Any) -> Any:
        """Of a convolution without stride: what arrives, convolved with the kernel turned round, is the gradient.

        A kernel reaches (k - 1) * dilation beyond its first place. What the padding covers of that on the way forward is cut from
        what the gradient is padded by.
        """
        borders = []
        for axis, rate in enumerate(self.dilation):
            beyond = (int(self.kernel.shape[axis]) - 1) * rate
            before = beyond // 2 if self.padding == "SAME" else 0
            after = beyond - before if self.padding == "SAME" else 0
            borders.append([beyond - before, beyond - after])
        padded = tf.pad(gradient, [[0, 0], *borders, [0, 0]])
        whole = depthwise_convolution(padded, self._turned, [1, 1, 1, 1], "VALID", self.dilation)
        multiplier = int(self.kernel.shape[3])
        if multiplier == 1:
            return whole
        return tf.reduce_sum(tf.reshape(whole, (-1, *shape[1:], multiplier)), axis=-1)


@dataclass
class Affine(Step):
    """`x * scale + offset`, a value a channel: batch normalisation that no convolution could take in."""

    scale: Any
    offset: Any

    def rounded(self, dtype: Any) -> Step:
        return replace(self, scale=tf.cast(self.scale, dtype), offset=tf.cast(self.offset, dtype))

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
    """A call of any other kind, by Keras itself in float32; it may have several results."""

    node: Any

    def __post_init__(self) -> None:
        self._node_call = call_of(self.node)

    @property
    def outputs(self) -> Sequence[Key]:
        return [id(tensor) for tensor in self.node.outputs]

    def run(self, values: Tensors) -> Tensors:
        dtype = next((value.dtype for value in values if value.dtype.is_floating), tf.float32)
        return [_as_float(result, dtype) for result in self._call([_as_float(value, tf.float32) for value in values])]

    def _call(self, values: Tensors) -> Tensors:
        return self._node_call(dict(zip(self.inputs, values, strict=True)))

    def take_back(self, values: Tensors, results: Tensors, gradients: Tensors) -> Tensors:
        sources = [_as_float(value, tf.float32) for value in values]
        # Places and conditions (integers, booleans) have no gradient.
        smooth = [source for source in sources if source.dtype.is_floating]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(smooth)
            again = self._call(sources)
        taken = [
            (result, tf.cast(part, result.dtype))
            for result, part in zip(again, gradients, strict=True)
            if part is not None
        ]
        targets, arriving = [list(column) for column in zip(*taken, strict=True)]
        parts = iter(tape.gradient(targets, smooth, arriving, unconnected_gradients="zero"))
        return [tf.cast(next(parts), value.dtype) if value.dtype.is_floating else None for value in values]


def _as_float(value: Any, dtype: Any) -> Any:
    """In another floating type; integers and booleans as they are."""
    return tf.cast(value, dtype) if value.dtype.is_floating else value
