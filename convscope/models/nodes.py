"""The calls of layers in a functional network, and which of them a layer's name stands for."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np
from keras import tree

from convscope.backends.running import inside_a_network as inside_a_network
from convscope.errors import UserError, nearest

# Of a call that is not the last one of its layer, or of an output that is not its first: `relu@2`, `split@1.1`.
_ADDRESS = re.compile(r"(.+)@(\d+)(?:\.(\d+))?")


def graph_of(operation: Any) -> Any | None:
    """The functional graph inside a model (Functional, built Sequential, keras-hub task); None for a plain layer."""
    if isinstance(operation, keras.Sequential):
        return operation._functional
    return operation if hasattr(operation, "_nodes_by_depth") and hasattr(operation, "inputs") else None


def is_kerass(operation: Any, *names: str) -> bool:
    """Whether an operation is one of Keras's own of these class names, and not one that somebody named like it."""
    return type(operation).__name__ in names and type(operation).__module__.split(".")[0] == "keras"


def nodes_in_order(graph: Any) -> Iterator[Any]:
    """The calls of a functional network, every one after those that it takes its inputs from."""
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if not node.is_input:
                yield node


def run_calls(nodes: Iterable[Any], values: dict[int, Any]) -> None:
    """Run calls of a network in inference mode, one after the other.

    Args:
        nodes: in the order of the network.
        values: by the id of a tensor of the graph what it is; what the calls make is put in.
    """
    with inside_a_network():
        for node in nodes:
            args, kwargs = node.arguments.fill_in(values)
            if getattr(node.operation, "_call_has_training_arg", False):
                kwargs = {**kwargs, "training": False}
            values.update(zip(map(id, node.outputs), tree.flatten(node.operation(*args, **kwargs)), strict=True))


def shapes_at(model: keras.Model, height: int, width: int) -> list[tuple[int, ...]]:
    """Shapes of a network's outputs for one image of a size, the batch left out; by a run where the graph does not tell them.

    Raises:
        ValueError: the image is too small, or the network takes no such one.
    """
    image = (1, height, width, model.inputs[0].shape[-1])
    found = model.compute_output_shape(image)
    shapes = [tuple(shape) for shape in (found if isinstance(found, list) else [found])]
    if any(None in shape[1:] for shape in shapes):
        shapes = [tuple(value.shape) for value in tree.flatten(model(np.zeros(image, np.float32), training=False))]
    return [tuple(int(size) for size in shape[1:]) for shape in shapes]


def node_of(model: keras.Model, layer_name: str) -> Any:
    """The call that a layer's name stands for in a flat network: its last one, or another by its address (`relu@1`).

    Raises:
        UserError: no such layer, or it is not called so often; the nearest name is suggested.
    """
    return _found(model, layer_name)[0]


def tensor_of(model: keras.Model, layer_name: str) -> Any:
    """The tensor that a layer's name stands for in a flat network: what its last call makes, or what its address says.

    Raises:
        UserError: no such layer, call or output.
    """
    node, output = _found(model, layer_name)
    return node.outputs[output]


def address_of(model: keras.Model, tensor: Any) -> str:
    """The name that `tensor_of` finds a tensor of a flat network by.

    It is the layer's own name, but for the first calls of a layer that is called several times: `relu@1`, counted from 1 in the
    order of the network. Outputs beside the first are counted from 0 behind a dot: `split@1.1`.
    """
    node = next(node for node in nodes_in_order(model) if any(made is tensor for made in node.outputs))
    calls = [other for other in nodes_in_order(model) if other.operation is node.operation]
    output = next(index for index, made in enumerate(node.outputs) if made is tensor)
    if node is calls[-1] and output == 0:
        return str(node.operation.name)
    call = next(index for index, other in enumerate(calls, start=1) if other is node)
    return f"{node.operation.name}@{call}" + (f".{output}" if output else "")


def _found(model: keras.Model, address: str) -> tuple[Any, int]:
    calls: dict[str, list[Any]] = {}
    for node in nodes_in_order(model):
        calls.setdefault(node.operation.name, []).append(node)
    if address in calls:
        return calls[address][-1], 0
    parts = _ADDRESS.fullmatch(address)
    if parts is not None:
        name, call, output = parts[1], int(parts[2]), int(parts[3] or 0)
        if 1 <= call <= len(calls.get(name, [])) and output < len(calls[name][call - 1].outputs):
            return calls[name][call - 1], output
    raise UserError(f"model '{model.name}' has no layer '{address}'; {nearest(address, list(calls))}")


def is_norm(node: Any) -> bool:
    """Whether a call is a batch normalisation of the channels of feature maps, and of nothing else."""
    layer = node.operation
    return (
        is_kerass(layer, "BatchNormalization")
        and len(node.input_tensors) == 1
        and len(node.input_tensors[0].shape) == 4
        and layer.axis in (-1, 3)
    )
