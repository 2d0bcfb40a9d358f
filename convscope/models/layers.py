"""The table of a network's convolution and pooling layers: sizes, the ReLU that follows, which ones are shortcuts."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import keras
from keras import tree

from convscope.models import graphs
from convscope.models.names import CONV_TYPES, block_of
from convscope.models.nodes import address_of, shapes_at
from convscope.models.nonlinearity import has_relu, is_linear, is_relu_call
from convscope.models.spec import ModelSpec

_TRANSPARENT = {
    "BatchNormalization",
    "Identity",
    "GroupNormalization",
    "LayerNormalization",
}


@dataclasses.dataclass(frozen=True)
class LayerRow:
    """One convolution or pooling layer.

    `block` is what the name tells, else the stage: 1 at full size, one more for each halving.
    `height`, `width`, `channels` are of its output at the model's input size. `relu` is the call of the ReLU
    that its output reaches through normalisation only: another layer's name, or the address of one of its calls where it is
    used several times (`nodes.address_of`), its own where the ReLU is inside, or empty. A leaky ReLU is none. `role` is
    "conv", "shortcut" (a 1x1 convolution that carries a block's input past the block) or "pool".
    """

    name: str
    block: str
    type: str
    filters: int
    kernel: str
    height: int
    width: int
    channels: int
    relu: str
    role: str


def layer_table(model: keras.Model, spec: ModelSpec) -> list[LayerRow]:
    """The convolution and pooling layers of a network in order of depth; nested networks are seen through.

    A layer that is called several times is one row, that of its last call.
    """
    flat = graphs.flatten(model, input_shape=(*spec.input_size, spec.depth))
    graph = _Graph(flat)
    rows: list[LayerRow] = []
    last = {node.operation.name: node for node in graphs.nodes_in_order(flat)}
    listed = [node for node in last.values() if _is_listed(node)]
    maps = [node.outputs[0] for node in listed]
    known = shapes_at(keras.Model(flat.inputs[0], maps), *spec.input_size) if maps else []
    shapes = dict(zip(map(id, maps), known, strict=True))
    strides: dict[int, float] = {}
    for node in graphs.nodes_in_order(flat):
        operation, output = node.operation, node.outputs[0]
        before = max((strides.get(id(tensor), 1) for tensor in node.input_tensors), default=1)
        strides[id(output)] = before * _stride(operation)
        if all(node is not other for other in listed):
            continue
        kind = type(operation).__name__
        is_conv = kind in CONV_TYPES
        height, width, channels = shapes[id(output)]
        window = getattr(operation, "kernel_size", None) or getattr(operation, "pool_size", None) or ()
        rows.append(
            LayerRow(
                name=operation.name,
                block=block_of(operation.name) or f"stage{1 + round(math.log2(max(strides[id(output)], 1)))}",
                type=kind,
                filters=channels,
                kernel="x".join(map(str, window)),
                height=height,
                width=width,
                channels=channels,
                relu=graph.relu_after(node) if is_conv else "",
                role=("shortcut" if graph.is_shortcut(node) else "conv") if is_conv else "pool",
            )
        )
    return rows


def _is_listed(node: Any) -> bool:
    kind = type(node.operation).__name__
    return (kind in CONV_TYPES or "Pooling2D" in kind) and len(node.outputs[0].shape) == 4


def _stride(operation: Any) -> float:
    """By how much a layer makes its maps smaller; below 1 where it enlarges them."""
    kind = type(operation).__name__
    strides = getattr(operation, "size" if kind == "UpSampling2D" else "strides", 1) or 1
    stride = max(strides) if isinstance(strides, tuple | list) else int(strides)
    return 1 / stride if kind in ("UpSampling2D", "Conv2DTranspose") else stride


class _Graph:
    def __init__(self, flat: keras.Model) -> None:
        self.flat = flat
        self.takers: dict[int, list[Any]] = {}
        self.makers: dict[int, Any] = {}
        for node in graphs.nodes_in_order(flat):
            for tensor in node.input_tensors:
                self.takers.setdefault(id(tensor), []).append(node)
            for tensor in node.outputs:
                self.makers[id(tensor)] = node

    def relu_after(self, node: Any) -> str:
        if has_relu(node.operation):
            return address_of(self.flat, node.outputs[0])
        if not is_linear(node.operation):
            return ""
        for after in self._behind(node):
            if is_relu_call(after):
                return address_of(self.flat, after.outputs[0])
        return ""

    def _behind(self, node: Any) -> Iterator[Any]:
        """The calls that take a node's output, directly or after normalisation only; nearest first."""
        waiting = [node]
        while waiting:
            for after in self.takers.get(id(waiting.pop(0).outputs[0]), []):
                yield after
                if is_transparent(after.operation):
                    waiting.append(after)

    def is_shortcut(self, node: Any) -> bool:
        operation = node.operation
        if type(operation).__name__ != "Conv2D" or tuple(operation.kernel_size) != (1, 1):
            return False
        if "residual" in operation.name or "shortcut" in operation.name:
            return True
        source = node.input_tensors[0]
        for after in self._behind(node):
            if type(after.operation).__name__ != "Add":
                continue
            # Every way into the sum except our own: does one come from our input, through other convolutions?
            return any(
                self._reaches(tensor, source, node)
                for tensor in after.input_tensors
                if not self._comes_from(tensor, node)
            )
        return False

    def _comes_from(self, tensor: Any, node: Any) -> bool:
        while tensor is not node.outputs[0]:
            maker = self.makers.get(id(tensor))
            if maker is None or not is_transparent(maker.operation):
                return False
            tensor = maker.input_tensors[0]
        return True

    def _reaches(self, tensor: Any, source: Any, without: Any) -> bool:
        waiting, seen = [(tensor, False)], set()
        while waiting:
            current, convolved = waiting.pop()
            if current is source:
                if convolved:
                    return True
                continue
            maker = self.makers.get(id(current))
            if maker is None or maker is without or (id(current), convolved) in seen:
                continue
            seen.add((id(current), convolved))
            convolved = convolved or type(maker.operation).__name__ in CONV_TYPES
            waiting += [(before, convolved) for before in tree.flatten(maker.input_tensors)]
        return False


def is_transparent(operation: Any) -> bool:
    """Whether a channel of what a layer makes is that channel of what it takes, normalised at most."""
    kind = type(operation).__name__
    return kind in _TRANSPARENT or graphs.is_random(operation) or (kind == "Activation" and is_linear(operation))
