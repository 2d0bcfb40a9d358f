"""Tools on the graph of a Keras network: flatten it, make it canonical, cut it in a head and a tail.

A *functional* network is a graph of calls of layers. Networks nest: a backbone or an augmentation pipeline is called as
if it were a layer, and hides its layers from everybody outside. All functions here see through that, and none changes
the network it is given.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import tree

from convscope.errors import UserError, nearest

_RANDOM_LAYERS = {
    "ActivityRegularization",
    "AlphaDropout",
    "AugMix",
    "AutoContrast",
    "CutMix",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "MaxNumBoundingBoxes",
    "MixUp",
    "RandAugment",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
}
# The input of every flat network; Keras counts its own names up over the life of the process.
_INPUT = "image"
_POOLS = {"MaxPooling2D", "AveragePooling2D"}

Call = Callable[[Any, str, tuple[Any, ...], dict[str, Any]], Any]


def graph_of(operation: Any) -> Any | None:
    """The functional graph inside a model (Functional, built Sequential, keras-hub task); None for a plain layer."""
    if isinstance(operation, keras.Sequential):
        return operation._functional
    return operation if hasattr(operation, "_nodes_by_depth") and hasattr(operation, "inputs") else None


def nodes_in_order(graph: Any) -> Iterator[Any]:
    """The calls of a functional network, every one after those that it takes its inputs from."""
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if not node.is_input:
                yield node


def _trace(graph: Any, tensors: list[Any], call: Call, outer: str = "") -> list[Any]:
    """Run a network on new tensors, opening nested ones: `call(layer, outer name, args, kwargs)` for each layer."""
    values = dict(zip(map(id, graph.inputs), tensors, strict=True))
    for node in nodes_in_order(graph):
        args, kwargs = node.arguments.fill_in(values)
        inner = graph_of(node.operation)
        if inner is None:
            outputs = tree.flatten(call(node.operation, outer, args, kwargs))
        else:
            outputs = _trace(inner, tree.flatten(args[0] if args else kwargs["inputs"]), call, node.operation.name)
        values.update(zip(map(id, node.outputs), outputs, strict=True))
    return [values[id(tensor)] for tensor in graph.outputs]


def _require_functional(model: keras.Model) -> Any:
    graph = graph_of(model)
    if graph is None:
        raise UserError(
            f"model '{model.name}' is of a class of its own ({type(model).__name__}) without a graph of layers; "
            "rebuild it with keras.Model(inputs, outputs) and save that"
        )
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        counts = f"{len(graph.inputs)} inputs and {len(graph.outputs)} outputs"
        raise UserError(f"model '{model.name}' has {counts}; one of each is needed")
    return graph


def is_flat(model: keras.Model) -> bool:
    """Whether no layer of the model is itself a network."""
    return type(model).__name__ == "Functional" and all(graph_of(layer) is None for layer in model.layers)


def flatten(
    model: keras.Model,
    *,
    copy: bool = False,
    drop: Callable[[Any], bool] = lambda operation: False,
    linear: Callable[[Any], bool] = lambda operation: False,
    input_shape: tuple[int | None, int | None, int] | None = None,
    name: str | None = None,
) -> keras.Model:
    """Unroll nested networks into one flat functional network that computes the same.

    Args:
        model: any functional or sequential network with one input and one output.
        copy: give the result layers and weights of its own. Otherwise it shares those of `model`, except where two
            layers have the same name: the later one is then a copy, named after the network it came from.
        drop: layers to leave out (one input, output of the same shape).
        linear: layers whose activation is replaced by the linear one, on a copy.
        input_shape: (height, width, channels) of the new input; `None` sizes are free. Default: that of `model`.
        name: of the new network. Default: that of `model`.

    Returns:
        A `keras.Model`. Layer names are kept, with the outer network's name before them where they would collide.
    """
    graph = _require_functional(model)
    source = graph.inputs[0]
    new_input = keras.Input(shape=input_shape or source.shape[1:], dtype=source.dtype, name=_INPUT)
    used = {_INPUT}
    made: dict[int, Any] = {}

    def call(operation: Any, outer: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if drop(operation):
            return args[0]
        # Whoever fixed the mode when building (`backbone(x, training=False)`) meant training; here it is inference.
        kwargs = {key: value for key, value in kwargs.items() if key != "training"}
        if id(operation) not in made:
            name = _free_name(operation.name, outer, used)
            used.add(name)
            made[id(operation)] = _Pending(operation, name, bool(linear(operation)), copy)
        return made[id(operation)](args, kwargs)

    outputs = _trace(graph, [new_input], call)
    return keras.Model(new_input, outputs[0], name=name or model.name)


class _Pending:
    """A layer of the new network: the old one, or a copy that takes over the weights when a call has built it."""

    def __init__(self, operation: Any, name: str, linear: bool, copy: bool) -> None:
        self.original = operation
        self.layer = operation
        self.fresh = copy or linear or name != operation.name
        if self.fresh:
            config = operation.get_config() | {"name": name}
            if linear:
                config["activation"] = "linear"
            self.layer = type(operation).from_config(config)

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        outputs = self.layer(*args, **kwargs)
        if self.fresh and getattr(self.original, "weights", None):
            self.layer.set_weights(self.original.get_weights())
            self.fresh = False
        return outputs


def _free_name(name: str, outer: str, used: set[str]) -> str:
    candidate = name
    if candidate in used and outer:
        candidate = f"{outer}_{name}"
    number = 1
    while candidate in used:
        candidate = f"{outer}_{name}_{number}" if outer else f"{name}_{number}"
        number += 1
    return candidate


def is_random(operation: Any) -> bool:
    """Whether a layer only matters in training: augmentation, dropout, noise."""
    name = type(operation).__name__
    return name.startswith("Random") or name in _RANDOM_LAYERS


def is_plain_relu(operation: Any) -> bool:
    """Whether a layer is `max(x, 0)` and nothing else: no ceiling, no slope below zero."""
    if type(operation).__name__ == "ReLU":
        return operation.max_value is None and not operation.negative_slope and not operation.threshold
    return type(operation).__name__ == "Activation" and operation.activation is keras.activations.relu


def canonical(model: keras.Model, name: str | None = None) -> tuple[keras.Model, str]:
    """The form in which every later step takes a model: flat, no random layers, output = logits.

    The input is free in size where the network allows it.

    Returns:
        A new network with weights of its own, and the activation that was removed from the end: "sigmoid", "softmax"
        or "linear".

    Raises:
        UserError: not one input and one output, or the unrolled network computes something else (a network whose class
            does more than its graph says).
    """
    flat = flatten(model)
    last, activation = _final_activation(flat)

    def drop(operation: Any) -> bool:
        whole_layer = operation is last and not hasattr(operation, "kernel")
        return is_random(operation) or whole_layer

    def linear(operation: Any) -> bool:
        return operation is last

    shape = flat.inputs[0].shape[1:]
    result = None
    if shape[0] is not None:
        # A network that ends in global pooling works at every size; one that flattens its maps does not build here.
        try:
            result = flatten(flat, copy=True, drop=drop, linear=linear, name=name, input_shape=(None, None, shape[-1]))
        except (ValueError, TypeError):
            result = None
    if result is None:
        result = flatten(flat, copy=True, drop=drop, linear=linear, name=name)
    _check_same(model, result, activation)
    return result, activation


def _final_activation(flat: keras.Model) -> tuple[Any | None, str]:
    tensor = flat.outputs[0]
    while True:
        operation = tensor._keras_history.operation
        kind = type(operation).__name__.lower()
        name = getattr(getattr(operation, "activation", None), "__name__", None) or kind
        if name in ("sigmoid", "softmax"):
            return operation, name
        # Reshaping and casting after the activation, and activations that do nothing, hide it.
        passes = (
            is_random(operation)
            or kind in ("reshape", "flatten", "identity")
            or (kind == "activation" and name == "linear")
        )
        if not passes or len(tree.flatten(operation.input)) != 1:
            return None, "linear"
        tensor = tree.flatten(operation.input)[0]


def _check_same(model: keras.Model, result: keras.Model, activation: str) -> None:
    shape = [size or 96 for size in graph_of(model).inputs[0].shape[1:]]  # type: ignore[union-attr]
    pixels = np.random.default_rng(0).uniform(0, 1, (1, *shape)).astype("float32")
    expected = keras.ops.convert_to_numpy(model(pixels, training=False))
    found = result(pixels, training=False)
    if activation != "linear":
        found = getattr(keras.ops, activation)(found)
    found = keras.ops.convert_to_numpy(found)
    if expected.shape != found.shape or not np.allclose(expected, found, rtol=1e-3, atol=1e-4, equal_nan=True):
        raise UserError(
            f"model '{model.name}': its graph of layers does not compute what calling it does "
            f"(class {type(model).__name__}); rebuild it with keras.Model(inputs, outputs) and save that"
        )


def node_of(model: keras.Model, layer_name: str) -> Any:
    """The call of a layer in a flat network (its last one, where a layer is used several times).

    Raises:
        UserError: no such layer; the nearest name is suggested.
    """
    found = None
    for node in nodes_in_order(model):
        if node.operation.name == layer_name:
            found = node
    if found is None:
        names = [node.operation.name for node in nodes_in_order(model)]
        raise UserError(f"model '{model.name}' has no layer '{layer_name}'; {nearest(layer_name, names)}")
    return found


def default_cam_layer(model: keras.Model) -> str:
    """Name of the layer whose output is the last feature map: what global pooling (or flattening) takes.

    It comes after the activation. Where the map is flattened after a plain pooling layer (VGG), the layer before that
    pooling is taken: its map is finer.

    Raises:
        UserError: the network has no feature maps.
    """
    flat = model if is_flat(model) else flatten(model)
    if len(flat.outputs[0].shape) == 4:
        return str(flat.outputs[0]._keras_history.operation.name)
    last = None
    for node in nodes_in_order(flat):
        if any(_is_map(t) for t in node.input_tensors) and not any(_is_map(t) for t in node.outputs):
            last = node
    if last is None:
        raise UserError(
            f"model '{model.name}' has no feature maps (no 4-D output of a layer), so no class activation map"
        )
    producer = next(tensor for tensor in last.input_tensors if _is_map(tensor))._keras_history.operation
    if type(producer).__name__ in _POOLS and "Global" not in type(last.operation).__name__:
        producer = tree.flatten(producer.input)[0]._keras_history.operation
    return str(producer.name)


def _is_map(tensor: Any) -> bool:
    return len(tensor.shape) == 4 and tuple(tensor.shape[1:3]) != (1, 1)


def split_at(model: keras.Model, layer_name: str) -> tuple[Callable[..., list[Any]], Callable[..., Any]]:
    """Cut a network behind a layer, to differentiate only what comes after it.

    Args:
        model: functional network; nested ones are opened. Its layers and weights are shared, not copied.
        layer_name: the layer whose output A is the cut.

    Returns:
        `head`: `head(images)`, (N, H, W, C) in model space -> list `[A, *side]`, in inference mode. `side` are the
        tensors that bypass A on their way to the output (the shortcut, where the cut lies inside a residual block).
        `tail`: `tail(A, *side)` -> the network's output (N, units), in inference mode, made of the operations that
        depend on A only. It traces in a `tf.function`, and gradients with respect to A exist.

    Raises:
        UserError: there is no such layer.
    """
    flat, sources, tail = cut_at(model, layer_name)
    first = keras.Model(flat.inputs[0], sources, name=f"{flat.name}_head")

    def head(images: Any, training: bool = False) -> list[Any]:
        # Keras hands out a lone output bare.
        return list(tree.flatten(first(images, training=training)))

    return head, tail


def cut_at(model: keras.Model, layer_name: str) -> tuple[keras.Model, list[Any], Callable[..., Any]]:
    """What `split_at` is made of: the flat network, the tensors `[A, *side]` of its graph, and the tail behind them.

    Raises:
        UserError: there is no such layer.
    """
    flat = model if is_flat(model) else flatten(model)
    cut = node_of(flat, layer_name).outputs[0]
    behind = {id(cut)}
    steps = []
    side: list[Any] = []
    for node in nodes_in_order(flat):
        if not any(id(tensor) in behind for tensor in node.input_tensors):
            continue
        steps.append(node)
        behind.update(map(id, node.outputs))
    for node in steps:
        for tensor in node.input_tensors:
            if id(tensor) not in behind and all(tensor is not other for other in side):
                side.append(tensor)
    target = flat.outputs[0]
    sources = [cut, *side]

    def tail(*tensors: Any) -> Any:
        values = dict(zip(map(id, sources), tensors, strict=True))
        for node in steps:
            args, kwargs = node.arguments.fill_in(values)
            if getattr(node.operation, "_call_has_training_arg", False):
                kwargs = {**kwargs, "training": False}
            outputs = tree.flatten(node.operation(*args, **kwargs))
            values.update(zip(map(id, node.outputs), outputs, strict=True))
        return values[id(target)]

    return flat, sources, tail


def network_digest(model: keras.Model) -> str:
    """SHA-256 of a network: its architecture (layers, their settings, how they are connected) and its weights."""
    architecture = json.dumps(model.get_config(), sort_keys=True, default=_plain)
    return hashlib.sha256(f"{architecture} {weights_digest(model)}".encode()).hexdigest()


def _plain(value: Any) -> Any:
    # What Keras itself cannot write as JSON it cannot save; a text with an address in memory would differ in each process.
    return keras.saving.serialize_keras_object(value)


def weights_digest(model: keras.Model) -> str:
    """SHA-256 of a model's weights: layer name, shape and bytes of each, in the order of the network."""
    digest = hashlib.sha256()
    for layer in model.layers:
        for value in layer.get_weights():
            array = np.ascontiguousarray(value)
            digest.update(f"{layer.name} {array.shape} {array.dtype}".encode())
            digest.update(array.tobytes())
    return digest.hexdigest()
