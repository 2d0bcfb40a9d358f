"""The one form in which every later step takes a network: flat, without random layers, float32, ending in logits."""

import contextlib
import re
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import tree

from convscope.errors import UserError
from convscope.models.final_activation import final_activation
from convscope.models.graphs import flatten, is_random
from convscope.models.nodes import graph_of

# TensorFlow's rule for names inside a network.
_SCOPE = re.compile(r"[A-Za-z0-9_.\\\\/>-]*")
# Layers and operations that are an activation and nothing else.
_ACTIVATION_LAYERS = {"Activation", "Softmax", "Sigmoid"}


def canonical(model: keras.Model, name: str | None = None) -> tuple[keras.Model, str]:
    """The form in which every later step takes a model: flat, no random layers, output = logits.

    The input is free in size where the network allows it. Everything is float32: nothing after this step is meant for another
    precision, and half precision would decide what is zero, and where a gradient ends.

    Returns:
        A new network with weights of its own, and the activation that was removed from the end: "sigmoid", "softmax"
        or "linear".

    Raises:
        UserError: not one input and one output, a layer of a name that TensorFlow cannot run, or the unrolled network computes
            something else (a network whose class does more than its graph says).
    """
    flat = flatten(model)
    _require_runnable_names(flat)
    last, activation = final_activation(flat)

    def drop(node: Any) -> bool:
        return is_random(node.operation) or (type(node.operation).__name__ in _ACTIVATION_LAYERS and node is last)

    def linear(node: Any) -> bool:
        return node is last

    shape = flat.inputs[0].shape[1:]
    if shape[0] is not None:
        # A network that ends in global pooling works at every size; one that flattens its maps, or gives them a shape of its
        # own, does not build or run here, or makes one answer of parts of several images.
        with contextlib.suppress(ValueError, TypeError, tf.errors.InvalidArgumentError, UserError):
            free = (None, None, shape[-1])
            result = flatten(flat, copy=True, drop=drop, linear=linear, exact=True, name=name, input_shape=free)
            _check_same(model, result, activation)
            if result.compute_output_shape((1, 2 * shape[0], 2 * shape[1], shape[-1]))[0] in (1, None):
                return result, activation
    result = flatten(flat, copy=True, drop=drop, linear=linear, exact=True, name=name)
    _check_same(model, result, activation)
    return result, activation


def _require_runnable_names(flat: keras.Model) -> None:
    for layer in flat.layers:
        if not _SCOPE.fullmatch(layer.name):
            raise UserError(
                f"model '{flat.name}': TensorFlow cannot run a layer named '{layer.name}' in a graph; rename it with letters a-z, "
                "digits and . _ - only, and save the model again"
            )


def _check_same(model: keras.Model, result: keras.Model, activation: str) -> None:
    shape = [size or 96 for size in graph_of(model).inputs[0].shape[1:]]  # type: ignore[union-attr]
    pixels = np.random.default_rng(0).uniform(0, 1, (1, *shape)).astype("float32")
    # A network may have been made of a list or a dictionary of its one input, and says so where it is given anything else.
    given = tree.map_structure(lambda _: pixels, getattr(model, "_inputs_struct", 0))
    expected = keras.ops.convert_to_numpy(model(given, training=False))
    found = result(pixels, training=False)
    if activation != "linear":
        found = getattr(keras.ops, activation)(found)
    found = keras.ops.convert_to_numpy(found)
    exact = all(
        getattr(layer, "compute_dtype", "float32") not in ("float16", "bfloat16") for layer in model._flatten_layers()
    )
    # Of half precision the last of 8 or 11 bits, of as many numbers as one may be the sum of.
    close = (1e-3, 1e-4) if exact else (0.1, 0.1 * float(np.abs(found).max(initial=0.0)))
    if expected.shape != found.shape or not np.allclose(expected, found, *close, equal_nan=True):
        raise UserError(
            f"model '{model.name}': its graph of layers does not compute what calling it does "
            f"(class {type(model).__name__}); rebuild it with keras.Model(inputs, outputs) and save that"
        )
