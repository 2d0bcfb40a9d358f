"""Layers made of layers, opened: the calls inside one, as a graph like that of a nested network.

Blocks of keras-hub (a transformer's encoder, a stem, a block of HGNetV2) and of people's own are layers that call others in their
`call`. From outside such a layer is one operation: no last block, no convolution and no ReLU inside can be named. Keras traces
what it does where that is a matter of other layers and of `keras.ops` alone.
"""

import contextlib
import inspect
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import tree

from convscope.models.layer_settings import another, settings_of

# Stands for the batch while tracing, since much code reads it off a shape; a prime that no size of a network is likely a multiple of.
_BATCH = 1009
# Numbers of a constant that may become part of a network's description.
_SMALL = 1 << 14


@dataclass(frozen=True)
class Inside:
    """What a layer does, call by call; it answers like a functional network where `nodes.nodes_in_order` reads it.

    Attributes:
        inputs: tensors that stand for those that the layer is called with, in their order.
        outputs: what it makes, flattened; constants as they are.
        outer: of layers that lie deeper, by their id, the names of those around them, each with "_" behind it.
    """

    inputs: list[Any]
    outputs: list[Any]
    outer: dict[int, str] = field(default_factory=dict)
    _nodes_by_depth: dict[int, list[Any]] = field(default_factory=dict)


def inside_of(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Inside | None:
    """The calls inside a layer that is made of layers, in inference mode; None where it is none, or more than its layers.

    Not opened are Keras's own layers (but for an activation by a function without a name), layers with weights of
    their own, and layers whose parts cannot be made again from their
    settings: taken as one, they compute what they do.

    Args:
        operation: any operation of a network, built.
        args, kwargs: what it is called with, Keras tensors among it.
    """
    if not _may_be_opened(operation):
        return None
    inputs: list[Any] = []

    def stand_in(value: Any) -> Any:
        if not isinstance(value, keras.KerasTensor):
            return value
        inputs.append(keras.Input(batch_shape=(_BATCH, *value.shape[1:]), dtype=value.dtype))
        return inputs[-1]

    args, kwargs = tree.map_structure(stand_in, (args, {key: v for key, v in kwargs.items() if key != "training"}))
    if "training" in inspect.signature(operation.call).parameters:
        kwargs["training"] = False
    outer: dict[int, str] = {}
    try:
        with _seen_through(outer):
            outputs = tree.flatten(operation.call(*args, **kwargs))
    except Exception:
        # Code of strangers on tensors without values: whatever it cannot do with them.
        return None
    nodes = _calls(inputs, outputs)
    if nodes is None or not all(_can_stand_alone(node) for node in nodes):
        return None
    _name(nodes)
    return Inside(inputs, outputs, outer, {depth: [node] for depth, node in enumerate(reversed(nodes))})


@contextlib.contextmanager
def _seen_through(outer: dict[int, str]) -> Iterator[None]:
    """Inside, a layer made of layers that answers something beside tensors (None for scores not asked for) is run as plain code.

    Keras cannot have such a call in a network, though it computes it well enough.
    """
    plain = keras.Layer.__call__

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return plain(layer, *args, **kwargs)
        except ValueError:
            if not _may_be_opened(layer):
                raise
        for inner in layer._flatten_layers(include_self=False):
            outer[id(inner)] = f"{layer.name}_{outer.get(id(inner), '')}"
        return layer.call(*args, **kwargs)

    keras.Layer.__call__ = call
    try:
        yield
    finally:
        keras.Layer.__call__ = plain


def _may_be_opened(operation: Any) -> bool:
    if not isinstance(operation, keras.Layer) or isinstance(operation, keras.Model):
        return False
    if _is_kerass(operation):
        # A function without a name cannot be written down, but followed.
        return type(operation).__name__ == "Activation" and getattr(operation.activation, "__name__", "") == "<lambda>"
    if not operation._layers:
        return False
    theirs = {id(weight) for layer in operation._layers for weight in layer.weights}
    return all(id(weight) in theirs for weight in operation.weights)


def _is_kerass(operation: Any) -> bool:
    return type(operation).__module__.partition(".")[0] == "keras"


def _calls(inputs: list[Any], outputs: list[Any]) -> list[Any] | None:
    """The calls between tensors, each after those that it needs; None where something comes from elsewhere."""
    known = set(map(id, inputs))
    found: list[Any] = []
    waiting = [tensor for tensor in reversed(outputs) if isinstance(tensor, keras.KerasTensor)]
    while waiting:
        tensor = waiting[-1]
        if id(tensor) in known:
            waiting.pop()
            continue
        history = tensor._keras_history
        node = history.operation._inbound_nodes[history.node_index]
        missing = [needed for needed in node.input_tensors if id(needed) not in known]
        if node.is_input:
            return None
        if missing:
            waiting += missing
            continue
        found.append(node)
        known.update(map(id, node.outputs))
    return found


def _name(nodes: list[Any]) -> None:
    """Names for the operations that tracing made; Keras counts its own up over the life of the process."""
    counts: Counter[str] = Counter()
    for operation in dict.fromkeys(node.operation for node in nodes if not isinstance(node.operation, keras.Layer)):
        kind = keras.src.utils.naming.to_snake_case(type(operation).__name__)
        operation.name = f"{kind}_{counts[kind]}" if counts[kind] else kind
        counts[kind] += 1


def _can_stand_alone(node: Any) -> bool:
    """Whether a call inside a layer can be one of a network: nothing in it but settings, and of those none that is the batch."""
    operation = node.operation
    for value in tree.flatten((node.arguments.args, node.arguments.kwargs)):
        if isinstance(value, keras.Variable) or _is_large(value):
            return False
    if type(operation).__name__ == "Reshape" and _is_kerass(operation) and _is_batch(node.outputs[0].shape[0]):
        if None in node.outputs[0].shape:
            return False
        # The batch is what is left over; every other size is known here.
        operation = node.operation = type(operation)((-1, *node.outputs[0].shape[1:]))
    opens = inside_of(operation, node.arguments.args, node.arguments.kwargs) is not None
    try:
        config = {} if opens else settings_of(operation)
        if isinstance(operation, keras.Layer) and not opens:
            another(operation, config)
    except Exception:
        # A part that only its layer can make: it stays a part of it.
        return False
    return not any(_is_batch(value) for value in _numbers((config, node.arguments.args, node.arguments.kwargs)))


def _is_large(value: Any) -> bool:
    shape = getattr(value, "shape", None)
    return shape is not None and not isinstance(value, keras.KerasTensor) and int(np.prod(tuple(shape))) > _SMALL


def _is_batch(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value != 0 and value % _BATCH == 0


def _numbers(values: Any) -> Iterator[Any]:
    for value in tree.flatten(values):
        if isinstance(value, slice):
            yield from (value.start, value.stop, value.step)
        else:
            yield value
