"""A network under test, what Keras answers, and the comparison of two answers."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import tree

from convscope.models import graphs
from convscope.models.canonical import canonical
from convscope.models.spec import ModelSpec
from tests.fuzz.recipes import Recipe, built


class Difference(AssertionError):
    """The library says something else than Keras."""


class NotValid(Exception):
    """Keras itself cannot run or differentiate the network, or its numbers are too large to compare."""


class Subject:
    """A network to be checked, what Keras answers to a batch, and every tensor of its flat graph.

    Attributes:
        number: of the network; decides what is asked of it.
        images: (2, H, W, C) float32.
        expected: the network's answer.
    """

    def __init__(self, recipe: Recipe, number: int) -> None:
        self.recipe, self.number, self.rng = recipe, number, np.random.default_rng(number)
        self._flat: Graph | None = None
        self._logits: Graph | None = None
        self._canonical: tuple[keras.Model, str] | None = None
        try:
            self.builder, self.model = built(recipe)
        except Exception as error:
            raise NotValid(str(error)) from None
        height, width, channels = recipe.inputs[0]
        self.size = (height or 12, width or 14)
        self.images = self.rng.normal(0.2, 1.0, (2, *self.size, channels)).astype("float32")
        try:
            self.expected, self.gradient = value_and_gradient(lambda x: self.model(x, training=False), self.images)
        except Exception as error:
            raise NotValid(str(error)) from None
        if not np.isfinite(self.expected).all() or not np.isfinite(self.gradient).all():
            raise NotValid("not finite")

    def spec(self) -> ModelSpec:
        """The facts of the network that its input tells."""
        count = self.images.shape[-1]
        channels = {1: "gray", 3: "rgb", 4: "rgba"}.get(count, "bands")
        return ModelSpec(
            "random", self.size, channels=channels, bands=tuple(range(count)) if channels == "bands" else ()
        )

    def flat(self) -> "Graph":
        """The flat network and what each of its tensors is."""
        if self._flat is None:
            self.canonical()
            self._flat = Graph(graphs.flatten(self.model), self.images)
        return self._flat

    def canonical(self) -> tuple[keras.Model, str]:
        """The canonical form and the activation that was taken off."""
        if self._canonical is None:
            self._canonical = canonical(self.model, "mine")
            if len(self._canonical[0].layers) == 1:
                raise NotValid("nothing is computed: noise and dropout alone")
        return self._canonical

    def logits(self) -> "Graph":
        """The canonical network and what each of its tensors is."""
        if self._logits is None:
            self._logits = Graph(self.canonical()[0], self.images)
        return self._logits

    def pick(self, items: list[Any], count: int) -> list[Any]:
        """Some of the items."""
        chosen = self.rng.choice(len(items), min(count, len(items)), replace=False) if items else []
        return [items[int(index)] for index in chosen]


class Graph:
    """A flat network with the value of every tensor of it, by Keras."""

    def __init__(self, network: keras.Model, images: np.ndarray) -> None:
        self.network = network
        self.nodes = list(graphs.nodes_in_order(network))
        tensors = [tensor for node in self.nodes for tensor in node.outputs]
        found = tree.flatten(keras.Model(network.inputs[0], tensors)(images, training=False))
        self.values = {id(network.inputs[0]): images}
        self.values |= {id(tensor): np.asarray(value) for tensor, value in zip(tensors, found, strict=True)}
        if max((np.abs(value).max() for value in self.values.values() if value.size), default=0) > 1e4:
            raise NotValid("large numbers")
        self.takers: dict[int, list[Any]] = {}
        for node in self.nodes:
            for tensor in node.input_tensors:
                self.takers.setdefault(id(tensor), []).append(node)

    def last_calls(self) -> dict[str, Any]:
        """The last call of each layer, by name."""
        return {node.operation.name: node for node in self.nodes}

    def value(self, node: Any) -> np.ndarray:
        return self.values[id(node.outputs[0])]


def value_and_gradient(
    function: Callable[[Any], Any], images: np.ndarray, weighted: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """A function's answer, and the gradient of a weighted sum of it, or of the plain sum."""
    given = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(given)
        answer = function(given)
        total = tf.reduce_sum(answer * weights_like(answer) if weighted else answer)
    gradient = tape.gradient(total, given, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return answer.numpy(), np.asarray(gradient)


def weights_like(values: Any) -> np.ndarray:
    """Numbers of both signs in the shape of an answer."""
    count = int(np.prod(values.shape))
    return np.sin(1 + np.arange(count, dtype=np.float32)).reshape(values.shape)


def same(found: Any, expected: Any, what: str, tolerance: float = 2e-4) -> None:
    """Raise `Difference` unless the arrays have one shape and are equal but for rounding."""
    found, expected = np.asarray(found, np.float32), np.asarray(expected, np.float32)
    if found.shape != expected.shape:
        raise Difference(f"{what}: shape {found.shape} for {expected.shape}")
    worst = float(np.abs(found - expected).max()) if found.size else 0.0
    limit = tolerance * max(float(np.abs(expected).max()) if expected.size else 0.0, 1e-2)
    if not worst <= limit:
        raise Difference(f"{what}: off by {worst:.3g} of {np.abs(expected).max():.3g}")


def gradient_at(graph: Graph, cut: Any, images: np.ndarray) -> np.ndarray:
    """The gradient of the network's weighted answer with respect to a tensor: a zero is added there."""
    zero = tf.zeros(graph.values[id(cut)].shape)
    with tf.GradientTape() as tape:
        tape.watch(zero)
        values = {id(graph.network.inputs[0]): tf.constant(images)}
        for node in graph.nodes:
            args, kwargs = node.arguments.fill_in(values)
            if getattr(node.operation, "_call_has_training_arg", False):
                kwargs["training"] = False
            for tensor, value in zip(node.outputs, tree.flatten(node.operation(*args, **kwargs)), strict=True):
                values[id(tensor)] = value + zero if tensor is cut else value
        answer = values[id(graph.network.outputs[0])]
        total = tf.reduce_sum(answer * weights_like(answer))
    return np.asarray(tape.gradient(total, zero, unconnected_gradients=tf.UnconnectedGradients.ZERO))
