"""The one form in which every later step takes a network: flat, without random layers, float32, ending in logits."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from convscope.backends.memory import out_of_memory
from convscope.backends.names import DEFAULT
from convscope.backends.running import NAME, REFUSALS
from convscope.errors import UserError, said_by_keras
from convscope.models.comparison import check_same, trial_pictures
from convscope.models.end_choice import no_picture
from convscope.models.final_activation import final_activation
from convscope.models.graphs import flatten, is_random
from convscope.models.nodes import nodes_in_order, run_calls
from convscope.models.tokens import is_tokens

# TensorFlow's rule for names inside a network.
_SCOPE = re.compile(r"[A-Za-z0-9_.\\\\/>-]*")
# Layers and operations that are an activation and nothing else.
_ACTIVATION_LAYERS = {"Activation", "Softmax", "Sigmoid"}


def canonical(
    model: keras.Model,
    name: str | None = None,
    *,
    scale: Sequence[float] | float = 1.0,
    offset: Sequence[float] | float = 0.0,
    size: tuple[int, int] | None = None,
) -> tuple[keras.Model, str]:
    """The form in which every later step takes a model: flat, no random layers, output = logits.

    The input is free in size where the network allows it. Everything is float32: nothing after this step is meant for another
    precision, and half precision would decide what is zero, and where a gradient ends.

    Args:
        model: any functional or sequential network with one input and one output; it stays as it is.
        name: of the new network. Default: that of `model`.
        scale: from pixels 0..255 to what the network takes, one factor or one a channel: both are compared on such pictures.
        offset: what is added then.
        size: (height, width) to compare them at, where the network says none.

    Returns:
        A new network with weights of its own, and the activation that was removed from the end: "sigmoid", "softmax"
        or "linear".

    Raises:
        UserError: not one input and one output, a layer of a name that TensorFlow cannot run, weights of whole numbers, or the
            unrolled network computes something else (a network whose class does more than its graph says).
    """
    flat = flatten(model)
    _require_runnable(flat)
    source = flat.inputs[0]
    last, activation = final_activation(flat)

    def drop(node: Any) -> bool:
        return is_random(node.operation) or (type(node.operation).__name__ in _ACTIVATION_LAYERS and node is last)

    def unrolled(*, opened: bool) -> keras.Model:
        return flatten(flat, drop=drop, linear=lambda node: node is last, name=name, opened=opened)

    with _said_in_one_line(model):
        plain = unrolled(opened=False)
    shape, whole = source.shape[1:], "float" not in source.dtype

    def copied(logits: keras.Model) -> keras.Model:
        def copy(input_shape: tuple[int | None, ...]) -> keras.Model:
            result = flatten(logits, copy=True, exact=True, name=name, input_shape=input_shape)
            check_same(model, logits, result, activation, trial_pictures(shape, scale, offset, size, whole))
            return result

        if shape[0] is not None and not _has_tokens(logits):
            # A network that ends in global pooling works at every size; one that flattens its maps, or gives them a shape of its
            # own, does not build or run here, or makes one answer of parts of several images.
            with contextlib.suppress(Exception):
                result = copy((None, None, shape[-1]))
                larger = result.compute_output_shape((1, 2 * shape[0], 2 * shape[1], shape[-1]))
                elsewhere = trial_pictures((None, None, shape[-1]), scale, offset, (shape[0] + 8, shape[1] + 16), whole)
                # As many answers at every size: a flattened map of them has more of a larger picture.
                fixed = larger[0] in (1, None) and larger[-1] == result.outputs[0].shape[-1]
                if fixed and _same(plain if logits is not plain else None, result, next(elsewhere)):
                    return result
        return copy(shape)

    # Whatever is not the same with its layers opened is taken with them as they are.
    with contextlib.suppress(Exception):
        opened = unrolled(opened=True)
        if len(list(nodes_in_order(opened))) > len(list(nodes_in_order(plain))):
            return copied(opened), activation
    with _said_in_one_line(model):
        return copied(plain), activation


def _has_tokens(network: keras.Model) -> bool:
    """Whether the picture's size decides what a network's layers mean: positions of tokens."""
    return any(is_tokens(tensor) for node in nodes_in_order(network) for tensor in node.outputs)


def _same(plain: keras.Model | None, result: keras.Model, image: np.ndarray) -> bool:
    """Whether a network runs at another size; with its layers opened, whether it answers there as they do.

    Sizes read while opening are none of its own, nor are those of constants.
    """
    found = keras.ops.convert_to_numpy(result(image, training=False))
    if plain is None:
        return len(found) == 1
    values = {id(plain.inputs[0]): keras.ops.cast(image, plain.inputs[0].dtype)}
    run_calls(nodes_in_order(plain), values)
    expected = keras.ops.convert_to_numpy(values[id(plain.outputs[0])]).astype(np.float32)
    return bool(np.allclose(expected, found, rtol=0, atol=1e-4 * np.abs(expected).max(initial=1e-6)))


@contextlib.contextmanager
def _said_in_one_line(model: keras.Model) -> Iterator[None]:
    """What Keras says where layers do not fit together without those that are random (a crop in training alone)."""
    try:
        yield
    except REFUSALS as error:
        if out_of_memory(error):
            raise
        elsewhere = "" if NAME == DEFAULT else f"; where {NAME} is what lacks it, leave backend out for {DEFAULT}"
        raise UserError(
            f"model '{model.name}' does not fit together outside of training, for any number of pictures ({said_by_keras(error)}); "
            f"where a layer is random, put one that does the same always in its place (CenterCrop for RandomCrop){elsewhere}"
        ) from error


def _require_runnable(flat: keras.Model) -> None:
    source = flat.inputs[0]
    if len(source.shape) != 4:
        raise UserError(f"model '{flat.name}': {no_picture(source.name, source.shape[1:])}")
    for layer in flat._flatten_layers():
        if mode := getattr(layer, "quantization_mode", None):
            raise UserError(
                f"model '{flat.name}': layer '{layer.name}' keeps its weights as whole numbers (quantised to {mode}), which no "
                "gradient passes; give the model as it was before quantize()"
            )
    for layer in flat.layers:
        if not _SCOPE.fullmatch(layer.name):
            raise UserError(
                f"model '{flat.name}': TensorFlow cannot run a layer named '{layer.name}' in a graph; rename it with letters a-z, "
                "digits and . _ - only, and save the model again"
            )
