"""Activations and their statistics against Keras."""

from typing import Any

import numpy as np
import tensorflow as tf

from convscope.activations.extract import ActivationModel
from convscope.models.layers import layer_table
from tests.fuzz.subject import Difference, Graph, Subject, same

_NORMS = ("BatchNormalization", "LayerNormalization", "GroupNormalization")
_NOTHING = ("Identity", "Dropout", "SpatialDropout2D", "GaussianNoise", "RandomFlip", "ActivityRegularization")
_CONVOLUTIONS = ("Conv2D", "SeparableConv2D", "DepthwiseConv2D", "Conv2DTranspose")


def check_activations(subject: Subject) -> None:
    """The table of layers, their maps, and statistics behind the ReLU that follows."""
    graph = subject.logits()
    network = graph.network
    rows = layer_table(network, subject.spec())
    last = graph.last_calls()
    kinds = (*_CONVOLUTIONS, "MaxPooling2D", "AveragePooling2D")
    expected = [
        name for name, n in last.items() if type(n.operation).__name__ in kinds and len(n.outputs[0].shape) == 4
    ]
    if not {row.name for row in rows} >= set(expected):
        raise Difference(f"layers {[row.name for row in rows]} for {expected}")
    candidates = {}
    for row in rows:
        node = last[row.name]
        if (row.height, row.width, row.channels) != graph.value(node).shape[1:]:
            raise Difference(f"{row.name}: {row.height}x{row.width}x{row.channels} for {graph.value(node).shape}")
        candidates[row.name] = _relus_behind(graph, node)
        if bool(row.relu) != bool(candidates[row.name]):
            known = [n.operation.name for n in candidates[row.name]]
            raise Difference(f"{row.name}: ReLU '{row.relu}' for {known}")
    if not rows:
        return
    names = [row.name for row in rows]
    for dtype in ("float16", "float32"):
        model = ActivationModel(network, names, [row.relu for row in rows], dtype)
        maps, statistics = _answers(model, subject.images, bool(subject.rng.integers(5) == 0))
        for name in names:
            whole = graph.value(last[name])
            same(maps[name], whole, f"maps of {name}, {dtype}", 2e-3 if dtype == "float16" else 2e-4)
            _same_statistics(
                statistics[name], [graph.value(n) for n in candidates[name]] or [whole], f"{name}, {dtype}"
            )


def _answers(model: ActivationModel, images: np.ndarray, traced: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """The model's answers; a trace of the graph costs more than all the rest, so most run it as it is written."""
    if traced:
        return model(images)
    number = model._observer.begin() if model._observer else 0
    maps, statistics = model._answers(tf.constant(images), tf.constant(number, tf.int64))
    return model._observer.end(number) if model._observer else maps, statistics


def _same_statistics(found: dict[str, Any], values: list[np.ndarray], what: str) -> None:
    problems = []
    for maps in values:
        # Rounding decides what is exactly zero at a kink, and whether a sum that cancels out is.
        undecided = 1.01 / (maps.shape[1] * maps.shape[2]) + np.mean(
            (maps != 0) & (np.abs(maps) < 1e-6 * np.abs(maps).max())
        )
        expected = {
            "mean": maps.mean(axis=(1, 2)),
            "maximum": maps.max(axis=(1, 2)),
            "zeros": (maps == 0).mean(axis=(1, 2)),
        }
        try:
            for key, value in expected.items():
                if key != "zeros":
                    same(found[key], value, f"{key} of {what}", 1e-4)
                elif np.abs(found[key] - value).max() > undecided:
                    raise Difference(f"zeros of {what}: {found[key]} for {value}")
            return
        except Difference as difference:
            problems.append(difference)
    raise problems[0]


def _relus_behind(graph: Graph, node: Any) -> list[Any]:
    """The calls of ReLUs that a convolution's output reaches through normalisation only, the nearest; or its own."""
    operation = node.operation
    if type(operation).__name__ not in _CONVOLUTIONS:
        return []
    own = operation.activation
    if _acts_as_relu(own):
        return [node]
    if getattr(own, "__name__", "") != "linear":
        return []
    level = [node]
    while level:
        behind = [taker for each in level for taker in graph.takers.get(id(each.outputs[0]), [])]
        if relus := [taker for taker in behind if _is_relu_call(taker)]:
            return relus
        level = [taker for taker in behind if _keeps(taker.operation)]
    return []


def _keeps(operation: Any) -> bool:
    linear = type(operation).__name__ == "Activation" and getattr(operation.activation, "__name__", "") == "linear"
    return linear or type(operation).__name__ in (*_NORMS, *_NOTHING)


def _is_relu_call(node: Any) -> bool:
    if type(node.operation).__name__ == "Maximum" and len(node.input_tensors) == 1:
        return any(isinstance(value, (int, float)) and value == 0 for value in node.arguments.args)
    return type(node.operation).__name__ in ("ReLU", "Relu", "Relu6", "Activation") and _acts_as_relu(node.operation)


def _acts_as_relu(function: Any) -> bool:
    """By its values: zero below zero, growing above."""
    if getattr(function, "weights", None):
        return False
    x = tf.constant(np.linspace(-4, 4, 33, dtype=np.float32).reshape(1, -1))
    try:
        y = np.asarray(function(x))[0]
    except (tf.errors.InvalidArgumentError, ValueError):  # a softmax over an axis that vectors have not
        return False
    small = y[(x[0] > 0.4) & (x[0] < 0.7)]
    return bool((y[x[0] <= 0] == 0).all() and np.allclose(small, x[0][(x[0] > 0.4) & (x[0] < 0.7)]))
