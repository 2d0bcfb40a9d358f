"""PyTorch: operations one after the other, recorded only where something is differentiated."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import numpy as np
import torch
from keras.src.backend.torch.core import get_device

from convscope.backends.bicubic import resized
from convscope.backends.names import own_process

# On a graphics processor float32 would be multiplied with 11 bits (TF32): not the numbers of a processor.
if own_process():
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    if torch.cuda.is_available():
        # There the gradients of convolutions would be summed in any order.
        torch.use_deterministic_algorithms(True, warn_only=True)

REFUSALS: tuple[type[Exception], ...] = (ValueError, TypeError, RuntimeError, IndexError)


def compiled(
    function: Callable[..., Any], signature: Any = None, variables: Sequence[Any] = (), autograph: bool = True
) -> Callable[..., Any]:
    """A function of arrays that records nothing for gradients (see `tensorflow.compiled`); nothing is compiled."""

    def run(*arrays: Any) -> Any:
        with torch.no_grad():
            given = keras.tree.map_structure(_as_given, list(arrays))
            if signature is not None:
                given = keras.tree.map_structure(
                    lambda spec, tensor: keras.ops.cast(tensor, spec.dtype), list(signature), given
                )
            return function(*given)

    return run


def _as_given(array: Any) -> Any:
    return keras.ops.convert_to_tensor(array)


def value_and_gradient(function: Callable[[Any], tuple[Any, Any]], x: Any) -> tuple[tuple[Any, Any], Any]:
    """A function's value, what it gives besides, and the gradient of the value (see `tensorflow.value_and_gradient`)."""
    with torch.enable_grad():
        several = isinstance(x, list)
        watched = [tensor.detach().requires_grad_() for tensor in (x if several else [x])]
        value, besides = function(watched if several else watched[0])
        reached = value.requires_grad
        gradients = torch.autograd.grad(value, watched, allow_unused=True) if reached else [None] * len(watched)
    value, besides = keras.tree.map_structure(lambda tensor: tensor.detach(), (value, besides))
    return (value, besides), list(gradients) if several else gradients[0]


def vjp(function: Callable[[Any], Any], x: Any) -> tuple[Any, Callable[[Any], Any]]:
    """A function's tensor, and what takes a gradient with respect to it back to `x`."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        y = function(x)
    return y.detach(), lambda gradient: torch.autograd.grad(y, x, gradient)[0]


def filtered(planes: Any, weight: np.ndarray) -> Any:
    """Planes with every spatial frequency multiplied by a weight (see `tensorflow.filtered`)."""
    return torch.fft.irfft2(torch.fft.rfft2(planes) * _as_given(weight), planes.shape[2:])


def from_amplitudes(pairs: Any, height: int, width: int) -> Any:
    """Planes of a half spectrum (see `tensorflow.from_amplitudes`)."""
    return torch.fft.irfft2(torch.view_as_complex(pairs.contiguous()), (height, width))


def to_amplitudes(planes: Any) -> Any:
    """The half spectrum of planes (see `tensorflow.from_amplitudes`)."""
    return torch.view_as_real(torch.fft.rfft2(planes))


def enlarged(images: Any, side: int) -> Any:
    """A larger picture (see `tensorflow.enlarged`)."""
    return resized(images, side, side)


def has_gpu() -> bool:
    """Whether there is a graphics processor that computes: Keras may be told to leave it (`KERAS_TORCH_DEVICE`)."""
    return torch.cuda.is_available() and torch.device(get_device()).type == "cuda"


def learner(model: Any, optimizer: Any, loss: Callable[..., Any], signature: Any) -> Callable[..., Any]:
    """One step of learning (see `tensorflow.learner`)."""
    variables = model.trainable_variables

    def step(*arrays: Any) -> Any:
        with torch.enable_grad():
            value, besides = loss(*keras.tree.map_structure(_as_given, list(arrays)))
            # Of weights that the loss does not depend on they are zeros, as elsewhere.
            gradients = torch.autograd.grad(
                value, [variable.value for variable in variables], allow_unused=True, materialize_grads=True
            )
        with torch.no_grad():
            optimizer.apply(list(gradients), variables)
        # Without the way back to the weights, which would be held as long as they are.
        return keras.tree.map_structure(lambda each: each.detach() if torch.is_tensor(each) else each, besides)

    return step


def deterministic() -> None:
    """From now on the same operations give the same bits."""
    torch.use_deterministic_algorithms(True, warn_only=True)


def to_numpy(tensor: Any) -> np.ndarray:
    """The tensor's numbers."""
    return keras.ops.convert_to_numpy(tensor)  # type: ignore[no-any-return]


def without_copy(tensor: Any) -> np.ndarray:
    """The numbers where they lie, to be read only."""
    return to_numpy(tensor)


def inside_a_network() -> AbstractContextManager[Any]:
    """Nothing: PyTorch does not mind names."""
    return nullcontext()
