"""Recipes of networks as plain data, and the networks that Keras builds of them."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import layers, ops, tree

# (number of a step, number of its output); step -1, -2, ... are the network's inputs.
Ref = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Step:
    """One call: a layer's class, one of `OPERATIONS`, "again" (a layer of an earlier step) or "network" (a nested one)."""

    kind: str
    inputs: tuple[Ref, ...]
    options: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A network: shapes of its inputs without the batch, its steps, and which tensors it answers with."""

    inputs: tuple[tuple[int | None, ...], ...]
    steps: tuple[Step, ...]
    outputs: tuple[Ref, ...]

    def text(self, indent: str = "") -> str:
        """The recipe, a step a line."""
        lines = [f"{indent}inputs {' '.join(map(str, self.inputs))}"]
        for number, step in enumerate(self.steps):
            options = {key: value for key, value in step.options.items() if key != "body"}
            taken = ", ".join(_ref_text(ref) for ref in step.inputs)
            lines.append(f"{indent}{number}: {step.kind}({taken}) {options or ''}".rstrip())
            if "body" in step.options:
                lines.append(step.options["body"].text(indent + "    "))
        return "\n".join([*lines, f"{indent}outputs {', '.join(_ref_text(ref) for ref in self.outputs)}"])

    def size(self) -> int:
        """Number of steps, those of nested networks too."""
        return sum(1 + (step.options["body"].size() if "body" in step.options else 0) for step in self.steps)


def _ref_text(ref: Ref) -> str:
    step, output = ref
    return f"input{-1 - step}" if step < 0 else f"{step}" + (f".{output}" if output else "")


def _noisy(shape: tuple[int, ...]) -> np.ndarray:
    return np.linspace(-1.0, 1.5, int(np.prod(shape))).reshape(shape).astype("float32")


def _shuffled(x: Any) -> Any:
    """Channels of two groups by turns, as ShuffleNet does it."""
    if x.shape[3] % 2:
        raise ValueError("an odd number of channels")
    groups = ops.reshape(x, (-1, *x.shape[1:3], 2, x.shape[3] // 2))
    return ops.reshape(ops.transpose(groups, (0, 1, 2, 4, 3)), (-1, *x.shape[1:]))


# What is written with operators or `keras.ops`, not with layers.
OPERATIONS: dict[str, Callable[..., Any]] = {
    "x + c": lambda x, c: x + c,
    "c - x": lambda x, c: c - x,
    "x - c": lambda x, c: x - c,
    "x * c": lambda x, c: x * c,
    "x / c": lambda x, c: x / c,
    "x + array": lambda x: x + _noisy((x.shape[-1],)),
    "array * x": lambda x: ops.multiply(_noisy((1, 1, x.shape[-1])), x),
    "x ** 2": lambda x: x**2,
    "-x": lambda x: -x,
    "abs": lambda x: abs(x),
    "clip": lambda x, low, high: ops.clip(x, low, high),
    "maximum": lambda x, c: ops.maximum(x, c),
    "maximum of constant": lambda x, c: ops.maximum(c, x),
    "minimum": lambda x, c: ops.minimum(x, c),
    "relu": lambda x: ops.relu(x),
    "relu6": lambda x: ops.relu6(x),
    "leaky_relu": lambda x, slope: ops.leaky_relu(x, negative_slope=slope),
    "silu": lambda x: ops.silu(x),
    "sigmoid": lambda x: ops.sigmoid(x),
    "tanh": lambda x: ops.tanh(x),
    "gelu": lambda x: ops.gelu(x),
    "softmax": lambda x, axis: ops.softmax(x, axis=axis),
    "hard swish": lambda x: x * ops.relu6(x + 3.0) / 6.0,
    "pad": lambda x, before, after: ops.pad(x, ((0, 0), (before, after), (after, before), (0, 0))),
    "roll": lambda x: ops.roll(x, 1, axis=-1),
    "flip": lambda x: ops.flip(x, axis=2),
    "first channels": lambda x, count: x[..., :count],
    "every second place": lambda x: x[:, ::2, ::2, :],
    "without a row": lambda x: x[:, 1:],
    "split": lambda x, parts: ops.split(x, parts, axis=-1),
    "moments": lambda x: ops.moments(x, axes=(1, 2), keepdims=True),
    "mean": lambda x, axis: ops.mean(x, axis=axis, keepdims=True),
    "max": lambda x, axis: ops.max(x, axis=axis, keepdims=True),
    "shuffle": lambda x: _shuffled(x),
    "concatenate": lambda *xs: ops.concatenate(xs, axis=-1),
    "stack and sum": lambda *xs: ops.sum(ops.stack(xs, axis=1), axis=1),
    "x + y": lambda x, y: x + y,
    "x - y": lambda x, y: x - y,
    "x * y": lambda x, y: x * y,
    "maximum of both": lambda x, y: ops.maximum(x, y),
    "where": lambda x, y: ops.where(x > 0, x, y),
    "normalized": lambda x: x / (ops.sqrt(ops.sum(x**2, axis=-1, keepdims=True)) + 0.1),
    "matmul": lambda x, y: ops.matmul(x, ops.transpose(y, (0, 1, 3, 2))),
}
# A layer's call where it takes one tensor in several places.
_TAKES_A_LIST = {"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"}
# Replaces a rectifier: (the layer or function that it is, where it begins to pass, its ceiling) -> what is called instead.
Rectify = Callable[[Callable[[Any], Any], float, float], Any]


def limits(kind: str, options: dict[str, Any]) -> tuple[float, float]:
    """Between which values a rectifier passes what it is given."""
    ceiling = 6.0 if "relu6" in (kind, options.get("activation")) else options.get("max_value") or np.inf
    return options.get("threshold") or 0.0, ceiling


def is_rectifier(kind: str, options: dict[str, Any]) -> bool:
    """Whether the layer or operation is zero below zero and does not fall above it: what guided rules are about."""
    if kind == "ReLU":
        return not options.get("negative_slope")
    if kind == "Activation":
        return options.get("activation") in ("relu", "relu6")
    return kind in ("relu", "relu6") or (kind.startswith("maximum") and options.get("c") == 0)


class Builder:
    """Builds a network step by step.

    Args:
        inputs: shapes without the batch.
        rectify: what stands in the place of every ReLU; the ReLU itself where None.
    """

    def __init__(self, inputs: tuple[tuple[int | None, ...], ...], rectify: Rectify | None = None) -> None:
        self.steps: list[Step] = []
        self.tensors: dict[Ref, Any] = {(-1 - i, 0): keras.Input(shape) for i, shape in enumerate(inputs)}
        self.layers: dict[int, Any] = {}
        self.inside: dict[int, Builder] = {}
        self._inputs, self._rectify = inputs, rectify

    def add(self, step: Step) -> None:
        """Build one step more; anything may be raised where Keras refuses it."""
        number = len(self.steps)
        given = [self.tensors[ref] for ref in step.inputs]
        results = tree.flatten(self._call(step, number, given))
        self.tensors.update({(number, i): tensor for i, tensor in enumerate(results)})
        self.steps.append(step)

    def _call(self, step: Step, number: int, given: list[Any]) -> Any:
        options = dict(step.options)
        if step.kind == "again":
            layer = self.layers[options["of"]]
            self.layers[number] = layer
            return layer(given if isinstance(layer, keras.Model) and len(given) > 1 else given[0])
        name = f"{step.kind.lower()}{number}"
        if step.kind == "network":
            training = {"training": False} if options.get("inference") else {}
            self.inside[number], layer = nested(options, name, self._rectify)
            self.layers[number] = layer
            return layer(given if len(given) > 1 else given[0], **training)
        if step.kind in OPERATIONS:
            if self._rectify and is_rectifier(step.kind, options):
                return self._rectify(lambda x: OPERATIONS[step.kind](x, **options), *limits(step.kind, options))(*given)
            if step.kind == "hard swish" and self._rectify:
                return given[0] * self._rectify(ops.relu6, 0.0, 6.0)(given[0] + 3.0) / 6.0
            return OPERATIONS[step.kind](*given, **options)
        if step.kind == "adapted":
            layer = self.layers[number] = layers.Normalization(**options, name=name)
            layer.adapt(_noisy((2, *(size or 4 for size in given[0].shape[1:]))) * 2 + 0.5)
            return layer(given[0])
        layer = self.layers[number] = self._layer(step.kind, options, name)
        if step.kind in ("MultiHeadAttention", "Attention"):
            return layer(*given) if step.kind == "MultiHeadAttention" else layer(given)
        return layer(given if step.kind in _TAKES_A_LIST else given[0])

    def _layer(self, kind: str, options: dict[str, Any], name: str) -> Any:
        if self._rectify and is_rectifier(kind, options):
            return self._rectify(getattr(layers, kind)(**options), *limits(kind, options))
        if "activation" in options and kind != "Activation":
            options["activation"] = self._activation(options["activation"])
        return getattr(layers, kind)(**options, name=name)

    def _activation(self, given: Any) -> Any:
        kind, options = given if isinstance(given, tuple) else ("Activation", {"activation": given})
        if self._rectify and is_rectifier(kind, options):
            return self._rectify(getattr(layers, kind)(**options), *limits(kind, options))
        return getattr(layers, kind)(**options) if isinstance(given, tuple) else given

    def recipe(self, outputs: tuple[Ref, ...]) -> Recipe:
        """What was built."""
        return Recipe(self._inputs, tuple(self.steps), outputs)

    def model(self, outputs: tuple[Ref, ...], name: str) -> keras.Model:
        """The network with these outputs."""
        inputs = [self.tensors[(-1 - i, 0)] for i in range(len(self._inputs))]
        answers = [self.tensors[ref] for ref in outputs]
        return keras.Model(
            inputs if len(inputs) > 1 else inputs[0], answers if len(answers) > 1 else answers[0], name=name
        )


def nested(options: dict[str, Any], name: str, rectify: Rectify | None) -> tuple[Builder, keras.Model]:
    """The network inside a step of another, and what built it."""
    body: Recipe = options["body"]
    builder = Builder(body.inputs, rectify)
    for step in body.steps:
        builder.add(step)
    if options.get("form") == "sequential":
        chain = [builder.layers[number] for number in range(len(body.steps))]
        return builder, keras.Sequential([keras.Input(body.inputs[0]), *chain], name=name)
    return builder, builder.model(body.outputs, name)


def built(recipe: Recipe, rectify: Rectify | None = None) -> tuple[Builder, keras.Model]:
    """The network of a recipe, its weights drawn by their place in it; anything may be raised for a wrong recipe."""
    builder = Builder(recipe.inputs, rectify)
    for step in recipe.steps:
        builder.add(step)
    model = builder.model(recipe.outputs, "random_network")
    draw_weights(model)
    return builder, model


def build(recipe: Recipe, rectify: Rectify | None = None) -> keras.Model:
    """The network alone."""
    return built(recipe, rectify)[1]


def draw_weights(model: keras.Model) -> None:
    """Weights of every layer, none of them what an initialiser gives: offsets, scales of both signs, moving averages."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        shape = tuple(weight.shape)
        if "variance" in weight.name:
            value = rng.uniform(0.4, 2.0, shape)
        elif weight.name in ("gamma", "scale"):
            value = rng.uniform(0.6, 1.6, shape) * rng.choice([1, 1, 1, -1], shape)
        elif weight.name == "alpha":
            value = rng.uniform(0.0, 0.5, shape)
        elif len(shape) >= 2:
            value = rng.normal(0, 1.3 / np.sqrt(max(np.prod(shape[:-1]), 1)), shape)
        else:
            value = rng.normal(0, 0.3, shape)
        weight.assign(value.astype(weight.dtype))
    for layer in model._flatten_layers():
        if hasattr(layer, "finalize_state"):  # what is used is not what its weights say before
            layer.finalize_state()


def final_activation(builder: Builder, output: Ref) -> str:
    """What a reader of the steps calls the activation at the end: "softmax" or "sigmoid" of the output, or "linear"."""
    found: dict[Ref, str] = {}
    for number, step in enumerate(builder.steps):
        before, taken = found.get(step.inputs[0], "linear"), builder.tensors[step.inputs[0]]
        origin = number
        while builder.steps[origin].kind == "again":
            origin = builder.steps[origin].options["of"]
        meant, shape = builder.steps[origin], builder.tensors[(number, 0)].shape
        if meant.kind == "network":
            found[(number, 0)] = _of_nested(builder.inside[origin], meant.options["body"], before)
        elif _passes(meant) and (taken.shape == shape or _keeps_classes(taken.shape, shape)):
            found[(number, 0)] = before
        else:
            found[(number, 0)] = _activation_of(meant, len(shape))
    return found.get(output, "linear")


def _keeps_classes(before: tuple[int | None, ...], after: tuple[int | None, ...]) -> bool:
    return before[-1] == after[-1] and all(size == 1 for size in before[1:-1])


def _of_nested(builder: Builder, body: Recipe, before: str) -> str:
    own = final_activation(builder, body.outputs[0])
    passing = all(_passes(step) and step.kind != "Reshape" for step in body.steps)
    return before if own == "linear" and passing else own


def _passes(step: Step) -> bool:
    linear = step.kind == "Activation" and step.options.get("activation") == "linear"
    return linear or step.kind in (
        *("Dropout", "GaussianNoise", "RandomFlip", "SpatialDropout2D", "ActivityRegularization"),
        *("Identity", "Reshape", "Flatten"),
    )


def _activation_of(step: Step, rank: int) -> str:
    options = step.options
    given = options.get("activation")
    name = given[0] if isinstance(given, tuple) else given
    if step.kind in ("Softmax", "softmax"):
        name = "softmax" if options.get("axis", -1) in (-1, rank - 1) else ""
    elif step.kind == "sigmoid":
        name = "sigmoid"
    elif isinstance(given, tuple) and given[0] == "Softmax":
        name = "softmax" if given[1].get("axis", -1) in (-1, rank - 1) else ""
    return name if name in ("softmax", "sigmoid") else "linear"


def every_step(recipe: Recipe) -> Iterator[Step]:
    """All steps, those of nested networks too."""
    for step in recipe.steps:
        yield step
        if "body" in step.options:
            yield from every_step(step.options["body"])
