"""JAX: pure functions, compiled for each shape that comes, the network's weights among their arguments."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
import keras
import numpy as np

from convscope.backends.bicubic import resized
from convscope.backends.names import own_process

# On a graphics processor float32 would be multiplied with 11 bits (TF32): not the numbers of a processor.
if own_process():
    jax.config.update("jax_default_matmul_precision", "highest")

REFUSALS: tuple[type[Exception], ...] = (ValueError, TypeError)


def compiled(
    function: Callable[..., Any], signature: Any = None, variables: Sequence[Any] = (), autograph: bool = True
) -> Callable[..., Any]:
    """A function of arrays, compiled (see `tensorflow.compiled`).

    Variables that are not named would be constants of what is compiled: copied into it, and as they were the first time.
    """

    def pure(values: list[Any], *arrays: Any) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return function(*arrays)

    traced = jax.jit(pure)

    def run(*arrays: Any) -> Any:
        given = arrays if signature is None else keras.tree.map_structure(_as_given, list(signature), list(arrays))
        return traced([variable.value for variable in variables], *given)

    return run


def _as_given(spec: Any, array: Any) -> Any:
    return array if isinstance(array, jax.Array) else np.asarray(array, spec.dtype)


def value_and_gradient(function: Callable[[Any], tuple[Any, Any]], x: Any) -> tuple[tuple[Any, Any], Any]:
    """A function's value, what it gives besides, and the gradient of the value (see `tensorflow.value_and_gradient`)."""
    return jax.value_and_grad(function, has_aux=True)(x)  # type: ignore[no-any-return]


def vjp(function: Callable[[Any], Any], x: Any) -> tuple[Any, Callable[[Any], Any]]:
    """A function's array, and what takes a gradient with respect to it back to `x`."""
    y, back = jax.vjp(function, x)
    return y, lambda gradient: back(gradient)[0]


def filtered(planes: Any, weight: np.ndarray) -> Any:
    """Planes with every spatial frequency multiplied by a weight (see `tensorflow.filtered`)."""
    return jax.numpy.fft.irfft2(jax.numpy.fft.rfft2(planes) * weight, planes.shape[2:])


def from_amplitudes(pairs: Any, height: int, width: int) -> Any:
    """Planes of a half spectrum (see `tensorflow.from_amplitudes`)."""
    return jax.numpy.fft.irfft2(jax.lax.complex(pairs[..., 0], pairs[..., 1]), (height, width))


def to_amplitudes(planes: Any) -> Any:
    """The half spectrum of planes (see `tensorflow.from_amplitudes`)."""
    spectrum = jax.numpy.fft.rfft2(planes)
    return jax.numpy.stack([spectrum.real, spectrum.imag], axis=-1)


def enlarged(images: Any, side: int) -> Any:
    """A larger picture (see `tensorflow.enlarged`)."""
    return resized(images, side, side)


def has_gpu() -> bool:
    """Whether there is a graphics processor that computes."""
    return jax.default_backend() != "cpu"


def learner(model: Any, optimizer: Any, loss: Callable[..., Any], signature: Any) -> Callable[..., Any]:
    """One step of learning, compiled (see `tensorflow.learner`)."""
    weights, others = model.trainable_variables, model.non_trainable_variables

    def pure(learnt: list[Any], beside: list[Any], memory: list[Any], *arrays: Any) -> Any:
        def of_weights(learnt: list[Any]) -> Any:
            known = [*zip(weights, learnt, strict=True), *zip(others, beside, strict=True)]
            with keras.StatelessScope(state_mapping=known) as scope:
                value, besides = loss(*arrays)
            changed = [scope.get_current_value(variable) for variable in others]
            kept = [old if new is None else new for new, old in zip(changed, beside, strict=True)]
            return value, (besides, kept)

        (_, (besides, kept)), gradients = jax.value_and_grad(of_weights, has_aux=True)(learnt)
        learnt, memory = optimizer.stateless_apply(memory, gradients, learnt)
        return learnt, kept, memory, besides

    traced = jax.jit(pure)

    def step(*arrays: Any) -> Any:
        given = keras.tree.map_structure(_as_given, list(signature), list(arrays))
        state = [[variable.value for variable in part] for part in (weights, others, optimizer.variables)]
        *after, besides = traced(*state, *given)
        for part, values in zip((weights, others, optimizer.variables), after, strict=True):
            for variable, value in zip(part, values, strict=True):
                variable.assign(value)
        return besides

    return step


def deterministic() -> None:
    """From now on the same operations give the same bits: on a processor they do; for others see `names.choose`."""


def to_numpy(tensor: Any) -> np.ndarray:
    """The array's numbers."""
    return np.asarray(tensor)


def without_copy(tensor: Any) -> np.ndarray:
    """The numbers where they lie, to be read only."""
    return to_numpy(tensor)


def inside_a_network() -> AbstractContextManager[Any]:
    """Nothing: JAX does not mind names."""
    return nullcontext()
