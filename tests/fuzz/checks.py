"""What the library makes of a network, against what Keras itself makes of it."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import tree

from convscope import models, networks
from convscope.activations import ActivationModel
from convscope.attributions.rectifiers import RectifiedNetwork
from convscope.errors import UserError
from convscope.folding import folded
from convscope.layers import layer_table
from convscope.model_spec import ModelSpec
from tests.fuzz.recipes import OPERATIONS, Recipe, build, every_step, final_activation, is_rectifier

_NORMS = ("BatchNormalization", "LayerNormalization", "GroupNormalization")
_NOTHING = ("Identity", "Dropout", "SpatialDropout2D", "GaussianNoise", "RandomFlip", "ActivityRegularization")
_CONVOLUTIONS = ("Conv2D", "SeparableConv2D", "DepthwiseConv2D", "Conv2DTranspose")


class Difference(AssertionError):
    """The library says something else than Keras."""


class NotValid(Exception):
    """Keras itself cannot run or differentiate the network, or its numbers are too large to compare."""


class Subject:
    """A network to be checked, what Keras answers to a batch, and every tensor of its flat graph.

    Attributes:
        number: of the network; decides what is asked of it.
        images: (2, H, W, 3) float32.
        expected: the network's answer.
    """

    def __init__(self, recipe: Recipe, number: int) -> None:
        self.recipe, self.number, self.rng = recipe, number, np.random.default_rng(number)
        self._flat: Graph | None = None
        self._canonical: tuple[keras.Model, str] | None = None
        try:
            self.model = build(recipe)
        except Exception as error:
            raise NotValid(str(error)) from None
        height, width, _ = recipe.inputs[0]
        self.size = (height or 12, width or 14)
        self.images = self.rng.normal(0.2, 1.0, (2, *self.size, 3)).astype("float32")
        try:
            self.expected, self.gradient = value_and_gradient(lambda x: self.model(x, training=False), self.images)
        except Exception as error:
            raise NotValid(str(error)) from None
        if not np.isfinite(self.expected).all() or not np.isfinite(self.gradient).all():
            raise NotValid("not finite")

    def flat(self) -> "Graph":
        """The flat network and what each of its tensors is."""
        if self._flat is None:
            self._flat = Graph(networks.flatten(self.model), self.images)
        return self._flat

    def canonical(self) -> tuple[keras.Model, str]:
        """The canonical form and the activation that was taken off."""
        if self._canonical is None:
            self._canonical = networks.canonical(self.model, "mine")
        return self._canonical

    def pick(self, items: list[Any], count: int) -> list[Any]:
        """Some of the items."""
        chosen = self.rng.choice(len(items), min(count, len(items)), replace=False) if items else []
        return [items[int(index)] for index in chosen]


class Graph:
    """A flat network with the value of every tensor of it, by Keras."""

    def __init__(self, network: keras.Model, images: np.ndarray) -> None:
        self.network = network
        self.nodes = list(networks.nodes_in_order(network))
        tensors = [tensor for node in self.nodes for tensor in node.outputs]
        found = tree.flatten(keras.Model(network.inputs, tensors)(images, training=False))
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


def value_and_gradient(function: Callable[[Any], Any], images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A function's answer, and the gradient of a weighted sum of it."""
    given = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(given)
        answer = function(given)
        total = tf.reduce_sum(answer * weights_like(answer))
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


def check_flatten(subject: Subject) -> None:
    """Flat networks, sharing weights or with their own, answer as the nested one does."""
    for copy in (False, True):
        flat = networks.flatten(subject.model, copy=copy)
        if not networks.is_flat(flat):
            raise Difference("not flat")
        same(flat(subject.images, training=False), subject.expected, f"flatten(copy={copy})", 1e-6)
        before, after = (sum(w.shape.num_elements() or 1 for w in m.weights) for m in (subject.model, flat))
        if after > before:
            raise Difference(f"flatten(copy={copy}): {after} weights for {before}: no longer shared")


def check_canonical(subject: Subject) -> None:
    """Logits, no random layers, the activation that was taken off, also after saving, also at another size."""
    network, activation = subject.canonical()
    wanted = final_activation(subject.recipe)
    if activation != wanted:
        raise Difference(f"activation '{activation}' for '{wanted}'")
    logits = network(subject.images, training=False)
    answer = logits if activation == "linear" else getattr(keras.ops, activation)(logits)
    same(answer, subject.expected, "canonical")
    if any(type(layer).__name__ in ("Dropout", "GaussianNoise", "RandomFlip") for layer in network.layers):
        raise Difference("random layers are left")
    if int(subject.rng.integers(4)) == 0:
        with tempfile.TemporaryDirectory() as folder:
            models.save_model(network, Path(folder) / "m.keras")
            again = models.load_keras(Path(folder) / "m.keras")
        same(again(subject.images, training=False), logits, "saved and loaded", 1e-6)
    if network.inputs[0].shape[1] is None and subject.recipe.inputs[0][0] is not None:
        _check_other_size(subject, network, activation)


def _check_other_size(subject: Subject, network: keras.Model, activation: str) -> None:
    height, width = subject.size[0] + 4, subject.size[1] + 3
    try:
        other = build(Recipe(((height, width, 3),), subject.recipe.steps, subject.recipe.outputs))
        images = subject.rng.normal(size=(1, height, width, 3)).astype("float32")
        expected = other(images, training=False)
        if [w.shape for w in other.weights] != [w.shape for w in subject.model.weights]:
            return
    except Exception:
        return
    logits = network(images, training=False)
    same(
        logits if activation == "linear" else getattr(keras.ops, activation)(logits),
        expected,
        "canonical, another size",
    )


def check_folding(subject: Subject) -> None:
    """Tensors of the network with its batch norms folded."""
    graph = subject.flat()
    tensors = [tensor for node in graph.nodes for tensor in node.outputs]
    for sources in ([graph.network.outputs[0]], subject.pick(tensors, 3), tensors):
        found = folded(graph.network, sources)(tf.constant(subject.images))
        for tensor, value in zip(sources, found, strict=True):
            same(value, graph.values[id(tensor)], f"folded, {tensor._keras_history.operation.name}")
    run = folded(graph.network, [graph.network.outputs[0]])
    same(value_and_gradient(lambda x: run(x)[0], subject.images)[1], subject.gradient, "gradient of the folded", 1e-3)


def check_split(subject: Subject) -> None:
    """Head and tail together are the network, and the tail's gradient is that of the whole."""
    graph = subject.flat()
    last = graph.last_calls()
    names = subject.pick([name for name, node in last.items() if _is_float_map(node.outputs[0])], 1)
    try:
        names.append(networks.default_cam_layer(subject.model))
    except UserError:
        if any(len(node.outputs[0].shape) == 4 for node in graph.nodes):
            _no_maps(graph)
    for name in names:
        head, tail = networks.split_at(subject.model, name)
        maps, *side = head(tf.constant(subject.images))
        same(maps, graph.values[id(networks.tensor_of(graph.network, name))], f"head at {name}", 1e-5)
        answer, gradient = value_and_gradient(lambda a, side=side, tail=tail: tail(a, *side), np.asarray(maps))
        same(answer, subject.expected, f"tail behind {name}", 1e-5)
        expected = gradient_at(graph, networks.tensor_of(graph.network, name), subject.images)
        same(gradient, expected, f"gradient at {name}", 1e-4)
        if name in last and networks.node_of(graph.network, name) is not last[name]:
            raise Difference(f"'{name}' is not the last call")
    _check_last_map(graph, networks, subject)


def _is_float_map(tensor: Any) -> bool:
    return len(tensor.shape) == 4 and tensor.dtype == "float32"


def _no_maps(graph: Graph) -> None:
    """Nothing but maps of one place: then there is no class activation map."""
    made = [tensor for node in graph.nodes for tensor in node.input_tensors if tensor is not graph.network.inputs[0]]
    places = [tensor.shape[1:3] for tensor in made if len(tensor.shape) == 4]
    if any(tuple(shape) != (1, 1) for shape in places):
        raise Difference("no feature maps found")


def _check_last_map(graph: Graph, module: Any, subject: Subject) -> None:
    """What is behind the layer of the class activation map is no feature map, but for one plain pooling."""
    try:
        found = module.tensor_of(graph.network, module.default_cam_layer(subject.model))
    except UserError:
        return
    if len(graph.network.outputs[0].shape) == 4:
        if found is not graph.network.outputs[0]:
            raise Difference("the last map is the network's answer")
        return
    taken = [t for n in graph.nodes for t in n.input_tensors if _leaves_maps(n) and len(t.shape) == 4]
    before = [t for n in graph.nodes if any(n.outputs[0] is t for t in taken) for t in n.input_tensors]
    if not any(found is tensor for tensor in (*taken, *before)):
        raise Difference(f"'{module.address_of(graph.network, found)}' is not the last map")


def _leaves_maps(node: Any) -> bool:
    return not any(len(tensor.shape) == 4 and tuple(tensor.shape[1:3]) != (1, 1) for tensor in node.outputs)


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


def check_activations(subject: Subject) -> None:
    """The table of layers, their maps, and statistics behind the ReLU that follows."""
    network, _ = subject.canonical()
    graph = Graph(network, subject.images)
    rows = layer_table(network, ModelSpec("random", subject.size))
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
    maps, statistics = model._answers.python_function(tf.constant(images), tf.constant(number, tf.int64))
    return model._observer.end(number) if model._observer else maps, statistics


def _same_statistics(found: dict[str, Any], values: list[np.ndarray], what: str) -> None:
    problems = []
    for maps in values:
        expected = {
            "mean": maps.mean(axis=(1, 2)),
            "maximum": maps.max(axis=(1, 2)),
            "zeros": (maps == 0).mean(axis=(1, 2)),
        }
        try:
            for key, value in expected.items():
                # Rounding decides what is exactly zero at a kink.
                same(
                    found[key],
                    value,
                    f"{key} of {what}",
                    1e-4 if key != "zeros" else 1.01 / (maps.shape[1] * maps.shape[2]),
                )
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


def check_rectifiers(subject: Subject) -> None:
    """Guided gradients and the deconvnet's, against the network built anew of such rectifiers."""
    count = _rectifiers_in(subject.recipe)
    for rule in subject.pick(["guided", "deconvnet"], 1):
        if not count:
            try:
                RectifiedNetwork(subject.model, rule)
            except UserError:
                continue
            raise Difference("a ReLU is patched where there is none")
        found, gradient = value_and_gradient(RectifiedNetwork(subject.model, rule), subject.images)
        same(found, subject.expected, f"{rule}, forward", 1e-5)
        other = build(subject.recipe, lambda *given, rule=rule: Rectifier(*given, rule))
        expected = value_and_gradient(lambda x, other=other: other(x, training=False), subject.images)
        same(expected[0], subject.expected, "the network built of rectifiers", 1e-5)
        same(gradient, expected[1], f"{rule} gradient", 1e-4)


def _rectifiers_in(recipe: Recipe) -> int:
    count = 0
    for step in every_step(recipe):
        given = step.options.get("activation")
        inner = (given[0], given[1]) if isinstance(given, tuple) else ("Activation", {"activation": given})
        own = step.kind not in ("Activation", *OPERATIONS) and is_rectifier(*inner)
        count += own or is_rectifier(step.kind, step.options) or step.kind == "hard swish"
    return count


class Rectifier(keras.Layer):
    """A rectifier whose gradient is the guided or the deconvnet's: the same numbers forward."""

    def __init__(self, function: Callable[[Any], Any], low: float, high: float, rule: str) -> None:
        super().__init__()
        self.function, self.low, self.high, self.rule = function, low, high, rule

    def call(self, x: Any) -> Any:
        @tf.custom_gradient
        def run(x: Any) -> Any:
            y = self.function(x)

            def back(upstream: Any) -> Any:
                passed = tf.maximum(upstream, 0.0)
                inside = tf.cast((x > self.low) & (x < self.high), tf.float32)
                return passed * inside if self.rule == "guided" else passed

            return y, back

        return run(x)

    def compute_output_shape(self, shape: Any) -> Any:
        return shape


CHECKS: dict[str, Callable[[Subject], None]] = {
    "flatten": check_flatten,
    "canonical": check_canonical,
    "folding": check_folding,
    "split": check_split,
    "activations": check_activations,
    "rectifiers": check_rectifiers,
}


def failures(recipe: Recipe, number: int, only: Iterator[str] | list[str] | None = None) -> dict[str, str]:
    """What differs: name of the check -> what was found. Empty where all is well.

    Raises:
        NotValid: Keras itself has no answer.
    """
    found = {}
    subject = Subject(recipe, number)
    for name in only or CHECKS:
        subject.rng = np.random.default_rng(number)
        try:
            CHECKS[name](subject)
        except NotValid:
            raise
        except Difference as difference:
            found[name] = str(difference)
        except Exception as error:
            found[name] = f"{type(error).__name__}: {str(error)[:300]}"
    return found
