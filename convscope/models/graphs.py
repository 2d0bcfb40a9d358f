"""Tools on the graph of a Keras network: flatten it, make it canonical, cut it in a head and a tail.

A *functional* network is a graph of calls of layers. Networks nest: a backbone or an augmentation pipeline is called as
if it were a layer, and hides its layers from everybody outside. All functions here see through that, and none changes
the network it is given.
"""

import hashlib
import inspect
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
from keras import tree

import convscope.models.keras_settings  # noqa: F401 (before anything is built)
from convscope.errors import UserError
from convscope.models import tokens
from convscope.models.axes import turned
from convscope.models.layer_copies import copied, take_over
from convscope.models.nodes import graph_of, inside_a_network, is_kerass, nodes_in_order, tensor_of
from convscope.models.nodes import node_of as node_of
from convscope.models.opened import inside_of

_RANDOM_LAYERS = {
    "ActivityRegularization",
    "AlphaDropout",
    "AugMix",
    "CutMix",
    "DropPath",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "MaxNumBoundingBoxes",
    "MixUp",
    "RandAugment",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "StochasticDepth",
}
# The input of every flat network; Keras counts its own names up over the life of the process.
_INPUT = "image"

Call = Callable[[Any, str, tuple[Any, ...], dict[str, Any]], Any]


def _trace(graph: Any, tensors: list[Any], call: Call, outer: str = "", *, opened: bool = False) -> list[Any]:
    """Run a network on new tensors, opening nested ones: `call(node, outer name, args, kwargs)` for each call.

    With `opened`, layers made of layers are opened as well; names of what is inside then begin with theirs (outer name and "_").
    """
    values = dict(zip(map(id, graph.inputs), tensors, strict=True))
    for node in nodes_in_order(graph):
        args, kwargs = node.arguments.fill_in(values)
        operation, inner = node.operation, graph_of(node.operation)
        around = outer + getattr(graph, "outer", {}).get(id(operation), "")
        inside = inside_of(operation, args, kwargs) if opened and inner is None else None
        if inner is not None:
            given, name = _given(inner, args[0] if args else kwargs["inputs"]), operation.name
            outputs = _trace(inner, given, call, name, opened=opened)
        elif inside is not None:
            given = [value for value in tree.flatten((args, kwargs)) if isinstance(value, keras.KerasTensor)]
            name = f"{_joined(around, operation.name) if around.endswith('_') else operation.name}_"
            outputs = _trace(inside, given, call, name, opened=opened)
        else:
            outputs = tree.flatten(call(node, around, args, kwargs))
        values.update(zip(map(id, node.outputs), outputs, strict=True))
    return [values.get(id(tensor), tensor) for tensor in graph.outputs]


def _given(inner: Any, inputs: Any) -> list[Any]:
    """What a nested network is called with, in the order of its inputs: Keras takes a dictionary of their names for a list of them."""
    struct = getattr(inner, "_inputs_struct", None)
    if isinstance(inputs, dict) and not isinstance(struct, dict):
        names = [tensor._keras_history.operation.name for tensor in inner.inputs]
        if set(names) <= set(inputs):
            return [inputs[name] for name in names]
    return list(tree.flatten(inputs))


def flat_names(model: keras.Model) -> dict[int, str]:
    """What each layer of a network is called once nested networks are opened (`flatten`): id of the layer -> its name there."""
    names: dict[int, str] = {}
    used = {_INPUT}

    def walk(graph: Any, outer: str) -> None:
        for node in nodes_in_order(graph):
            inner = graph_of(node.operation)
            if inner is not None:
                walk(inner, node.operation.name)
            for layer in _chain(node.operation) if inner is None else ():
                if id(layer) not in names:
                    names[id(layer)] = name = _free_name(layer.name, outer, used)
                    used.add(name)

    walk(_require_functional(model), "")
    return names


def _chain(operation: Any) -> list[Any]:
    """The layers of a pipeline of preprocessing, one behind the other; any other operation alone."""
    return (
        [part for layer in operation.layers for part in _chain(layer)]
        if is_kerass(operation, "Pipeline")
        else [operation]
    )


def _trains_unasked(operation: Any) -> bool:
    """Whether a layer does what it does in training where nobody says which mode is meant, as those that prepare pictures do."""
    asked = inspect.signature(operation.call).parameters.get("training")
    return asked is not None and asked.default is True


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
    opened: bool = False,
    input_shape: tuple[int | None, ...] | None = None,
    name: str | None = None,
) -> keras.Model:
    """Unroll nested networks into one flat functional network that computes the same.

    Args:
        model: any functional or sequential network with one input and one output.
        copy: give the result layers and weights of its own. Otherwise it shares those of `model`, except where two
            layers have the same name: the later one is then a copy, named after the network it came from.
        drop: calls to leave out (one input, output of the same shape).
        linear: calls of layers whose activation is replaced by the linear one, on a copy.
        exact: with `copy`, let every layer compute and keep its weights in float32, whatever its own precision is; the input is of
            float32 too, also where pictures of whole numbers were taken.
        opened: open layers that are made of layers too, where Keras can trace what they do (`opened.inside_of`).
        input_shape: (height, width, channels) of the new input; `None` sizes are free. Default: that of `model`.
        name: of the new network. Default: that of `model`.

    Returns:
        A `keras.Model`. Layer names are kept, with the outer network's name before them where they would collide.
    """
    graph = _require_functional(model)
    source = graph.inputs[0]
    # Whole numbers too: what changes a picture by less than one, or asks for its gradient, works on floats.
    dtype = "float32" if exact else source.dtype
    new_input = keras.Input(shape=input_shape or source.shape[1:], dtype=dtype, name=_INPUT)
    used = {_INPUT}
    made: dict[tuple[int, bool], Any] = {}

    def call(node: Any, outer: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        operation = node.operation
        if (chain := _chain(operation)) != [operation]:
            values = args[0] if args else kwargs["inputs"]
            for layer in chain:
                values = call(SimpleNamespace(operation=layer), outer, (values,), {})
            return values
        if drop(node):
            return args[0] if args else next(iter(kwargs.values()))
        # Whoever fixed the mode when building (`backbone(x, training=False)`) meant training; here it is inference.
        kwargs = {key: value for key, value in kwargs.items() if key != "training"}
        if exact and _trains_unasked(operation):
            kwargs["training"] = False
        # Of a layer that is called several times, one call alone may lose its activation.
        key = (id(operation), bool(linear(node)))
        if key not in made:
            name = _free_name(operation.name, outer, used)
            used.add(name)
            made[key] = _Pending(operation, name, key[1], copy, copy and exact)
        return made[key](args, kwargs)

    outputs = _trace(graph, [new_input], call, opened=opened)
    return keras.Model(new_input, outputs[0], name=name or model.name)


class _Pending:
    """A layer of the new network: the old one, or a copy that takes over its state when a call has built it."""

    def __init__(self, operation: Any, name: str, linear: bool, copy: bool, exact: bool) -> None:
        self.original = operation
        self.fresh = copy or linear or name != operation.name
        self.layer = copied(operation, name, linear=linear, exact=exact) if self.fresh else operation

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self.fresh and is_kerass(self.original, "Normalization") and self.original.built:
            # Its statistics are of the depth that it was adapted to; the call that is left may be of maps that those are spread over.
            self.layer.build_from_config(self.original.get_build_config())
        outputs = self.layer(*args, **kwargs)
        if self.fresh and isinstance(self.layer, keras.Layer):
            take_over(self.original, self.layer)
            self.fresh = False
        return outputs


def _joined(outer: str, name: str) -> str:
    """The name of what is inside a layer, `outer` before it; what both say is said once."""
    starts = [0, *(place + 1 for place, letter in enumerate(outer) if letter == "_")]
    return next((outer[:at] + name for at in starts if at < len(outer) and name.startswith(outer[at:])), outer + name)


def _free_name(name: str, outer: str, used: set[str]) -> str:
    if outer.endswith("_"):
        name, outer = _joined(outer, name), ""
    candidate = name
    if candidate in used and outer:
        candidate = f"{outer}_{name}"
    number = 1
    while candidate in used:
        candidate = f"{outer}_{name}_{number}" if outer else f"{name}_{number}"
        number += 1
    return candidate


def is_random(operation: Any) -> bool:
    """Whether a layer only matters in training: augmentation, dropout, noise.

    A layer of somebody's own that is called Random counts where it asks whether this is training: random features are none.
    """
    name = type(operation).__name__
    if name in _RANDOM_LAYERS:
        return True
    theirs = type(operation).__module__.partition(".")[0] in ("keras", "keras_hub")
    return name.startswith("Random") and (theirs or "training" in inspect.signature(operation.call).parameters)


def split_at(model: keras.Model, layer_name: str) -> tuple[Callable[..., list[Any]], Callable[..., Any]]:
    """Cut a network behind a layer, to differentiate only what comes after it.

    Args:
        model: functional network; nested ones are opened. Its layers and weights are shared, not copied.
        layer_name: the layer whose output A is the cut. Of one that makes tokens (N, L, C), A are those of the picture's patches
            on their grid, (N, rows, columns, C); those of the class and the like are the first of `side`.

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
        UserError: there is no such layer, or it makes neither feature maps that lie as the picture does nor tokens of its
            patches.
    """
    flat = model if is_flat(model) else flatten(model)
    cut = tensor_of(flat, layer_name)
    grid = tokens.grid_of(flat, cut) if len(cut.shape) != 4 else None
    if id(cut) in turned(flat):
        raise UserError(
            f"model '{flat.name}': the output of layer '{layer_name}' is permuted, mirrored or reshaped, so that a map of it does not "
            "lie as the picture does; name a layer before that"
        )
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
    own = [cut]
    if grid is not None:
        maps, others = tokens.grid_tensors(cut, grid, _free_name("tokens", "", {layer.name for layer in flat.layers}))
        own = [maps, *others]
        flat = keras.Model(flat.inputs[0], [target, *own], name=flat.name)
    sources = [*own, *side]

    def tail(*tensors: Any) -> Any:
        values = dict(zip(map(id, side), tensors[len(own) :], strict=True))
        values[id(cut)] = tensors[0] if grid is None else tokens.joined(tensors[0], tensors[1 : len(own)], grid)
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
    """SHA-256 of a model's weights: layer name, shape and bytes of each, in the order of the network.

    Layers of somebody's own that save what is no weight have that in it, too.
    """
    digest = hashlib.sha256()
    for layer in model.layers:
        for value in [*layer.get_weights(), *_kept_beside(layer)]:
            array = np.ascontiguousarray(value)
            digest.update(f"{layer.name} {array.shape} {array.dtype}".encode())
            digest.update(array.tobytes())
    return digest.hexdigest()


def _kept_beside(layer: Any) -> list[Any]:
    """What a layer, or one inside it, of another way of saving writes into a file."""
    values: list[Any] = []
    for one in layer._flatten_layers():
        kept = type(one).save_own_variables
        if kept.__module__.partition(".")[0] not in ("keras", "keras_hub"):
            store: dict[str, Any] = {}
            one.save_own_variables(store)
            values += [store[key] for key in sorted(store)]
    return values
