"""The part of a network below a layer, made for one purpose: many forward passes and input gradients with frozen weights.

Batch normalisation is folded into the convolutions, nothing is computed that only weights would need, and the backward
pass is written out, so that every operation can be the fastest one for its job.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import tree

from convscope.ascent.margins import NONE, Margins
from convscope.ascent.trunk_steps import Step, make_step
from convscope.networks import node_of, nodes_in_order


class Trunk:
    """Everything between the image and the input of a layer.

    Args:
        network: flat functional model, image (N, H, W, 3) -> anything.
        layer_name: the layer whose input is wanted.
        dtype: "float32" or "bfloat16", of weights and activations.
    """

    def __init__(self, network: keras.Model, layer_name: str, dtype: str = "float32") -> None:
        target = node_of(network, layer_name)
        self._dtype = tf.as_dtype(dtype)
        self._image = id(network.inputs[0])
        self._output = id(target.input_tensors[0])
        self._steps = _steps(_ancestors(network, target), self._output, dtype)
        self._cut = _cut_with_the_output(self._steps, self._output)

    def forward(self, images: Any, margins: Margins = NONE) -> tuple[Any, Callable[[Any], Any]]:
        """Feature maps, and the function that takes a gradient back to the images.

        Args:
            images: (N, H, W, 3) float32 in model space.
            margins: what nobody asks for at the sides of the maps; no pointwise convolution before them makes it either.

        Returns:
            (N, h, w, C) in the trunk's dtype, without the margins, and `backward`: their gradient, the same shape ->
            (N, H, W, 3) float32.
        """
        values = {self._image: tf.cast(images, self._dtype)}
        taken: list[list[Any]] = []

        def read(key: int) -> Any:
            return values[key] if key in self._cut else margins.cut(values[key])

        for step in self._steps:
            take = read if step.output in self._cut else values.__getitem__
            taken.append([take(key) for key in step.inputs])
            values[step.output] = step.forward(taken[-1])

        def backward(gradient: Any) -> Any:
            pending: dict[int, Any] = {}

            def give(key: int, part: Any) -> None:
                pending[key] = pending[key] + part if key in pending else part

            def give_cut(key: int, part: Any) -> None:
                give(key, part if key in self._cut else margins.put_back(part))

            give_cut(self._output, tf.cast(gradient, self._dtype))
            for step, given in zip(reversed(self._steps), reversed(taken), strict=True):
                arriving = pending.pop(step.output, None)
                if arriving is None:
                    continue
                pass_on = give_cut if step.output in self._cut else give
                for key, part in zip(step.inputs, step.backward(given, values[step.output], arriving), strict=True):
                    pass_on(key, part)
            return tf.cast(pending[self._image], tf.float32)

        return read(self._output), backward

    def __call__(self, images: Any, margins: Margins = NONE) -> Any:
        """The feature maps alone."""
        return self.forward(images, margins)[0]


def _cut_with_the_output(steps: list[Step], output: int) -> set[int]:
    """Values that only the same position of the output depends on: what is cut from it need not be made of them."""
    takers: dict[int, list[int]] = {output: []}
    for step in steps:
        for key in step.inputs:
            takers.setdefault(key, []).append(step.output)
    cut: set[int] = set()
    for step in reversed(steps):
        if step.place_by_place() and cut.issuperset(takers[step.output]):
            cut.add(step.output)
    return cut


def _ancestors(network: keras.Model, target: Any) -> list[Any]:
    needed = {id(tensor) for tensor in target.input_tensors}
    kept = []
    for node in reversed(list(nodes_in_order(network))):
        if any(id(tensor) in needed for tensor in node.outputs):
            kept.append(node)
            needed.update(map(id, node.input_tensors))
    return kept[::-1]


def _steps(nodes: list[Any], output: int, dtype: str) -> list[Step]:
    """Steps of the nodes; a normalisation that alone follows a convolution becomes part of it."""
    users: dict[int, list[Any]] = {}
    for node in nodes:
        for tensor in node.input_tensors:
            users.setdefault(id(tensor), []).append(node)
    steps: list[Step] = []
    folded: set[int] = set()
    for node in nodes:
        if id(node) in folded:
            continue
        result = tree.flatten(node.outputs)[0]
        following = users.get(id(result), [])
        norm = None
        if (
            len(following) == 1
            and id(result) != output
            and _is_norm(following[0].operation)
            and _linear(node.operation)
        ):
            norm = following[0]
            folded.add(id(norm))
        last = norm or node
        steps += make_step(node, norm.operation if norm else None, id(tree.flatten(last.outputs)[0]), dtype)
    return steps


def _is_norm(layer: Any) -> bool:
    return type(layer).__name__ == "BatchNormalization" and layer.axis in (-1, 3, [3])


def _linear(layer: Any) -> bool:
    kind = type(layer).__name__ in ("Conv2D", "SeparableConv2D", "DepthwiseConv2D")
    return kind and layer.activation is keras.activations.linear
