"""TensorFlow: graphs that are traced once, and a tape that records what is to be differentiated."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import tensorflow as tf

from convscope.backends.names import own_process

# On a graphics processor float32 would be multiplied with 11 bits (TF32): not the numbers of a processor.
if own_process():
    tf.config.experimental.enable_tensor_float_32_execution(False)

REFUSALS: tuple[type[Exception], ...] = (ValueError, TypeError, tf.errors.InvalidArgumentError)


def compiled(
    function: Callable[..., Any], signature: Any = None, variables: Sequence[Any] = (), autograph: bool = True
) -> Callable[..., Any]:
    """A function of arrays as one graph.

    Args:
        function: of tensors; uses operations of Keras alone.
        signature: for each argument a `keras.KerasTensor`, or a list of them, with None for a size that is free: then it is traced
            once for all sizes. None: traced for each shape that comes, sizes that vary left free.
        variables: those of Keras that it reads; the graph sees their values as they are when it runs.
        autograph: whether TensorFlow reads Python's own `if` and `for` anew, for layers that ask tensors with them.
    """
    if signature is None:
        return tf.function(function, autograph=autograph, reduce_retracing=True)  # type: ignore[no-any-return]
    specs = tf.nest.map_structure(lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype), list(signature))
    traced = tf.function(function, autograph=autograph, input_signature=specs)
    return lambda *arrays: traced(*tf.nest.map_structure(_as_given, specs, list(arrays)))


def _as_given(spec: Any, array: Any) -> Any:
    return array if tf.is_tensor(array) else tf.constant(array, spec.dtype)


def value_and_gradient(function: Callable[[Any], tuple[Any, Any]], x: Any) -> tuple[tuple[Any, Any], Any]:
    """A function's value, what it gives besides, and the gradient of the value.

    Args:
        function: `x -> (value, besides)`: a scalar, and any structure of tensors.
        x: a float tensor, or a list of them.

    Returns:
        `((value, besides), gradient)`; the gradient has the shape of `x`. None, or zeros, of a tensor that the value does not depend
        on.
    """
    with tf.GradientTape() as tape:
        tape.watch(x)
        value, besides = function(x)
    return (value, besides), tape.gradient(value, x)


def vjp(function: Callable[[Any], Any], x: Any) -> tuple[Any, Callable[[Any], Any]]:
    """A function's tensor, and what takes a gradient with respect to it back to `x`."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return y, lambda gradient: tape.gradient(y, x, gradient)


def filtered(planes: Any, weight: np.ndarray) -> Any:
    """Planes (N, C, H, W) with every spatial frequency multiplied by a weight (H, W // 2 + 1), as `numpy.fft.rfft2` orders them."""
    spectrum = tf.signal.rfft2d(planes) * weight.astype(np.complex64)
    return tf.signal.irfft2d(spectrum, planes.shape[2:])


def from_amplitudes(pairs: Any, height: int, width: int) -> Any:
    """Planes (N, C, H, W) of a half spectrum, real and imaginary parts side by side: (N, C, H, W // 2 + 1, 2)."""
    return tf.signal.irfft2d(tf.bitcast(pairs, tf.complex64), [height, width])


def to_amplitudes(planes: Any) -> Any:
    """The half spectrum of planes (see `from_amplitudes`)."""
    return tf.bitcast(tf.signal.rfft2d(planes), tf.float32)


def enlarged(images: Any, side: int) -> Any:
    """(N, h, w, C) -> (N, side, side, C), bicubic (Keys, a = -0.5), the centres of pixels in their places."""
    return tf.image.resize(images, (side, side), method="bicubic")


def has_gpu() -> bool:
    """Whether there is a graphics processor that computes."""
    return bool(tf.config.list_physical_devices("GPU"))


def learner(model: Any, optimizer: Any, loss: Callable[..., Any], signature: Any) -> Callable[..., Any]:
    """One step of learning, compiled.

    Args:
        model: whose weights learn; what else changes while it is trained (means of batch norms, seeds) changes, too.
        optimizer: one of Keras, built for the model's trainable variables.
        loss: `*arrays -> (value, besides)`: what is to become small, and any structure of tensors.
        signature: of the arrays, see `compiled`.

    Returns:
        `*arrays -> besides`.
    """
    variables = model.trainable_variables

    def step(*arrays: Any) -> Any:
        with tf.GradientTape() as tape:
            value, besides = loss(*arrays)
        optimizer.apply(tape.gradient(value, [variable.value for variable in variables]), variables)
        return besides

    return compiled(step, signature, model.variables)


def deterministic() -> None:
    """From now on the same operations give the same bits."""
    tf.config.experimental.enable_op_determinism()


def to_numpy(tensor: Any) -> np.ndarray:
    """The tensor's numbers."""
    return tensor.numpy()  # type: ignore[no-any-return]


def without_copy(tensor: Any) -> np.ndarray:
    """The tensor's numbers where they lie, to be read only."""
    return np.asarray(memoryview(tensor))


def inside_a_network() -> AbstractContextManager[Any]:
    """A context in which layers may be called on their own, whatever they are called.

    TensorFlow takes a name such as `_conv_stem` inside another's scope, where a network puts it, but not at the root of a graph.
    """
    return tf.name_scope("network")  # type: ignore[no-any-return]
