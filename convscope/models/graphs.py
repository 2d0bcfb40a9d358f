"""Tools on the graph of a Keras network: flatten it, make it canonical, cut it in a head and a tail.

A *functional* network is a graph of calls of layers. Networks nest: a backbone or an augmentation pipeline is called as
if it were a layer, and hides its layers from everybody outside. All functions here see through that, and none changes
the network it is given.
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import tree

import convscope.models.keras_settings  # noqa: F401 (before anything is built)
from convscope.errors import UserError
from convscope.models.nodes import address_of, graph_of, inside_a_network, nodes_in_order, tensor_of
from convscope.models.nodes import node_of as node_of
from convscope.models.nonlinearity import activation_name
from convscope.models.precision import OTHER_FLOATS, in_float32

_RANDOM_LAYERS = {
    "ActivityRegularization",
    "AlphaDropout",
    "AugMix",
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
# TensorFlow's rule for names inside a network.
_SCOPE = re.compile(r"[A-Za-z0-9_.\\\\/>-]*")
# The input of every flat network; Keras counts its own names up over the life of the process.
_INPUT = "image"
_POOLS = {"MaxPooling2D", "AveragePooling2D"}
# Layers and operations that are an activation and nothing else.
_ACTIVATION_LAYERS = {"Activation", "Softmax", "Sigmoid"}

Call = Callable[[Any, str, tuple[Any, ...], dict[str, Any]], Any]


def _trace(graph: Any, tensors: list[Any], call: Call, outer: str = "") -> list[Any]:
    """Run a network on new tensors, opening nested ones: `call(node, outer name, args, kwargs)` for each call."""
    values = dict(zip(map(id, graph.inputs), tensors, strict=True))
    for node in nodes_in_order(graph):
        args, kwargs = node.arguments.fill_in(values)
        inner = graph_of(node.operation)
        if inner is None:
            outputs = tree.flatten(call(node, outer, args, kwargs))
        else:
            outputs = _trace(inner, tree.flatten(args[0] if args else kwargs["inputs"]), call, node.operation.name)
        values.update(zip(map(id, node.outputs), outputs, strict=True))
    return [values[id(tensor)] for tensor in graph.outputs]


def flat_names(model: keras.Model) -> dict[int, str]:
    """What each layer of a network is called once nested networks are opened (`flatten`): id of the layer -> its name there."""
    names: dict[int, str] = {}
    used = {_INPUT}

    def walk(graph: Any, outer: str) -> None:
        for node in nodes_in_order(graph):
            inner = graph_of(node.operation)
            if inner is not None:
                walk(inner, node.operation.name)
            elif id(node.operation) not in names:
                names[id(node.operation)] = name = _free_name(node.operation.name, outer, used)
                used.add(name)

    walk(_require_functional(model), "")
    return names


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
    drop: Callable[[Any], bool] = lambda node: False,
    linear: Callable[[Any], bool] = lambda node: False,
    exact: bool = False,
    input_shape: tuple[int | None, int | None, int] | None = None,
    name: str | None = None,
) -> keras.Model:
    """Unroll nested networks into one flat functional network that computes the same.

    Args:
        model: any functional or sequential network with one input and one output.
        copy: give the result layers and weights of its own. Otherwise it shares those of `model`, except where two
            layers have the same name: the later one is then a copy, named after the network it came from.
        drop: calls to leave out (one input, output of the same shape).
        linear: calls of layers whose activation is replaced by the linear one, on a copy.
        exact: with `copy`, let every layer compute and keep its weights in float32, whatever its own precision is.
        input_shape: (height, width, channels) of the new input; `None` sizes are free. Default: that of `model`.
        name: of the new network. Default: that of `model`.

    Returns:
        A `keras.Model`. Layer names are kept, with the outer network's name before them where they would collide.
    """
    graph = _require_functional(model)
    source = graph.inputs[0]
    dtype = "float32" if exact and source.dtype in OTHER_FLOATS else source.dtype
    new_input = keras.Input(shape=input_shape or source.shape[1:], dtype=dtype, name=_INPUT)
    used = {_INPUT}
    made: dict[tuple[int, bool], Any] = {}

    def call(node: Any, outer: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        operation = node.operation
        if drop(node):
            return args[0] if args else next(iter(kwargs.values()))
        # Whoever fixed the mode when building (`backbone(x, training=False)`) meant training; here it is inference.
        kwargs = {key: value for key, value in kwargs.items() if key != "training"}
        # Of a layer that is called several times, one call alone may lose its activation.
        key = (id(operation), bool(linear(node)))
        if key not in made:
            name = _free_name(operation.name, outer, used)
            used.add(name)
            made[key] = _Pending(operation, name, key[1], copy, copy and exact)
        return made[key](args, kwargs)

    outputs = _trace(graph, [new_input], call)
    return keras.Model(new_input, outputs[0], name=name or model.name)


class _Pending:
    """A layer of the new network: the old one, or a copy that takes over the weights when a call has built it."""

    def __init__(self, operation: Any, name: str, linear: bool, copy: bool, exact: bool) -> None:
        self.original = operation
        self.layer = operation
        self.fresh = copy or linear or name != operation.name
        if self.fresh:
            config = operation.get_config() | {"name": name}
            if linear:
                config["activation"] = "linear"
            if exact:
                config = in_float32(config)
            try:
                self.layer = type(operation).from_config(config)
            except ValueError as error:
                if type(operation).__name__ != "Lambda":
                    raise
                raise UserError(
                    f"layer '{operation.name}' is a Lambda, whose code is not taken over; put a layer of Keras's in its place "
                    "(Rescaling, say), or a class of your own"
                ) from error

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        outputs = self.layer(*args, **kwargs)
        if self.fresh and getattr(self.original, "weights", None):
            # A layer's own weights come before those of an activation that it has inside, a PReLU, and has no more.
            self.layer.set_weights(self.original.get_weights()[: len(self.layer.weights)])
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
    last, activation = _final_activation(flat)

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


def _final_activation(flat: keras.Model) -> tuple[Any, str]:
    """The call whose activation makes probabilities of logits, and that activation; None and "linear" where there is none."""
    makers = {id(tensor): node for node in nodes_in_order(flat) for tensor in node.outputs}
    tensor = flat.outputs[0]
    while (node := makers.get(id(tensor))) is not None:
        operation = node.operation
        kind = type(operation).__name__
        name = kind.lower() if kind in ("Softmax", "Sigmoid") else activation_name(operation)
        # A softmax over something else than the classes is part of the network.
        if name == "sigmoid" or (name == "softmax" and _is_over_last(operation, tensor, flat.outputs[0])):
            return node, name
        # Reshaping and casting after the activation, and activations that do nothing, hide it.
        passes = (
            is_random(operation)
            or kind in ("Reshape", "Flatten", "Identity")
            or (kind, name) == ("Activation", "linear")
        )
        if not passes or len(node.input_tensors) != 1:
            break
        tensor = node.input_tensors[0]
    return None, "linear"


def _is_over_last(operation: Any, tensor: Any, output: Any) -> bool:
    """Whether a softmax that makes `tensor` is taken over what is the last axis of the output."""
    inside = getattr(operation, "activation", None)
    axis = getattr(operation if type(operation).__name__ == "Softmax" else inside, "axis", -1)
    return axis in (-1, len(tensor.shape) - 1) and tensor.shape[-1] == output.shape[-1]


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


def default_cam_layer(model: keras.Model) -> str:
    """Name of the layer whose output is the last feature map: what global pooling (or flattening) takes.

    It comes after the activation. Where the map is flattened after a plain pooling layer (VGG), the layer before that
    pooling is taken: its map is finer. Of a layer that is called several times it is an address (see `address_of`).

    Raises:
        UserError: the network has no feature maps.
    """
    flat = model if is_flat(model) else flatten(model)
    makers = {id(tensor): node for node in nodes_in_order(flat) for tensor in node.outputs}
    if len(flat.outputs[0].shape) == 4 and id(flat.outputs[0]) in makers:
        return address_of(flat, flat.outputs[0])
    found = behind = None
    for node in nodes_in_order(flat):
        maps = [tensor for tensor in node.input_tensors if _is_map(tensor) and id(tensor) in makers]
        if maps and not any(_is_map(tensor) for tensor in node.outputs):
            found, behind = maps[0], node
    if found is None or behind is None:
        raise UserError(
            f"model '{model.name}' has no feature maps (no 4-D output of a layer), so no class activation map"
        )
    if type(makers[id(found)].operation).__name__ in _POOLS and "Global" not in type(behind.operation).__name__:
        before = makers[id(found)].input_tensors[0]
        found = before if id(before) in makers else found
    return address_of(flat, found)


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
    cut = tensor_of(flat, layer_name)
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
    if id(target) not in behind:  # of a split, a part that only training would need
        side.append(target)
    sources = [cut, *side]

    def tail(*tensors: Any) -> Any:
        values = dict(zip(map(id, sources), tensors, strict=True))
        with inside_a_network():
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
