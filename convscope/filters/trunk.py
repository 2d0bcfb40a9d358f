"""The part of a network below a layer, made for one purpose: many forward passes and input gradients with frozen weights.

Batch normalisation is folded into the convolutions, nothing is computed that only weights would need, and the backward
pass is written out, so that every operation can be the fastest one for its job.
"""

import copy
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from convscope.filters.keras_graph import ancestors
from convscope.filters.margins import NONE, Margins
from convscope.filters.trunk_layers import make_steps, takes_a_norm
from convscope.filters.trunk_steps import Key, Step
from convscope.models.graphs import node_of
from convscope.models.nodes import is_norm

Values = dict[Key, Any]


class Trunk:
    """Everything between the image and the input of a layer.

    Args:
        network: flat functional model, image (N, H, W, C) -> anything.
        layer_name: the layer whose input is wanted (that of its last call, where it is called several times).
        dtype: "float32" or "bfloat16", of weights and activations.
    """

    def __init__(self, network: keras.Model, layer_name: str, dtype: str = "float32") -> None:
        target = node_of(network, layer_name)
        self._dtype = tf.as_dtype(dtype)
        self._image = id(network.inputs[0])
        self._output = id(target.input_tensors[0])
        self._steps = _steps(ancestors(network, target), self._output)
        if dtype != "float32":
            self._steps = [step.rounded(self._dtype) for step in self._steps]
        self._cut = _cut_with_the_output(self._steps, self._output)

    def rounded(self, dtype: str) -> "Trunk":
        """The same steps in another floating type, without folding anything again."""
        other = copy.copy(self)
        other._dtype = tf.as_dtype(dtype)
        other._steps = [step.rounded(other._dtype) for step in self._steps]
        return other

    def forward(self, images: Any, margins: Margins = NONE) -> tuple[Any, Callable[[Any], Any]]:
        """Feature maps, and the function that takes a gradient back to the images.

        Args:
            images: (N, H, W, C) float32 in model space.
            margins: what nobody asks for at the sides of the maps; no pointwise convolution before them makes it either.

        Returns:
            (N, h, w, C) in the trunk's dtype, without the margins, and `backward`: their gradient, the same shape ->
            (N, H, W, C) float32.
        """
        values, taken = self._values(images, margins)

        def backward(gradient: Any) -> Any:
            arrived = self._arrived(values, taken, gradient, margins)
            # Where only places and conditions depend on the image, nothing arrives at it.
            found = arrived[self._image] if self._image in arrived else tf.zeros_like(images)
            return tf.cast(found, tf.float32)

        return self._read(values, self._output, margins), backward

    def __call__(self, images: Any, margins: Margins = NONE) -> Any:
        """The feature maps alone."""
        return self.forward(images, margins)[0]

    def gradients(self, images: Any, gradient: Any, margins: Margins = NONE) -> tuple[Values, Values]:
        """Every value on the way by its key, and the gradient that arrives at it from that of the feature maps.

        Where margins are not made, values lack them and gradients have zeros there.
        """
        values, taken = self._values(images, margins)
        arrived = self._arrived(values, taken, gradient, margins)
        return values, {key: margins.put_back(part) if key in self._cut else part for key, part in arrived.items()}

    def lacks(self, key: Key) -> bool:
        """Whether a value is made without the margins."""
        return key in self._cut

    def _read(self, values: Values, key: Key, margins: Margins) -> Any:
        return values[key] if key in self._cut else margins.cut(values[key])

    def _values(self, images: Any, margins: Margins) -> tuple[Values, list[list[Any]]]:
        """Every value by its key, and what each step took."""
        values: Values = {self._image: tf.cast(images, self._dtype)}
        taken: list[list[Any]] = []
        for step in self._steps:
            inside = step.output in self._cut
            taken.append([self._read(values, key, margins) if inside else values[key] for key in step.inputs])
            values.update(zip(step.outputs, step.run(taken[-1]), strict=True))
        return values, taken

    def _arrived(self, values: Values, taken: list[list[Any]], gradient: Any, margins: Margins) -> Values:
        """The gradient that arrives at every value, by its key."""
        arrived: Values = {}

        def give(key: Key, part: Any, cut: bool) -> None:
            if cut and key not in self._cut:
                part = margins.put_back(part)
            arrived[key] = arrived[key] + part if key in arrived else part

        give(self._output, tf.cast(gradient, self._dtype), True)
        for step, given in zip(reversed(self._steps), reversed(taken), strict=True):
            arriving = [arrived.get(key) for key in step.outputs]
            if all(part is None for part in arriving):
                continue
            parts = step.take_back(given, [values[key] for key in step.outputs], arriving)
            for key, part in zip(step.inputs, parts, strict=True):
                if part is not None:
                    give(key, part, step.output in self._cut)
        return arrived


def _cut_with_the_output(steps: list[Step], output: Key) -> set[Key]:
    """Values that only the same position of the output depends on: what is cut from it need not be made of them."""
    takers: dict[Key, list[Key]] = {output: []}
    for step in steps:
        for key in step.inputs:
            takers.setdefault(key, []).append(step.output)
    cut: set[Key] = set()
    for step in reversed(steps):
        if step.place_by_place() and cut.issuperset(takers[step.output]):
            cut.add(step.output)
    return cut


def _steps(nodes: list[Any], output: Key) -> list[Step]:
    """Steps of the nodes; a normalisation that alone follows a convolution becomes part of it."""
    users: dict[Key, list[Any]] = {}
    for node in nodes:
        for tensor in node.input_tensors:
            users.setdefault(id(tensor), []).append(node)
    steps: list[Step] = []
    folded: set[int] = set()
    for node in nodes:
        if id(node) in folded:
            continue
        norm, result = None, id(node.outputs[0])
        following = users.get(result, [])
        if len(following) == 1 and result != output and is_norm(following[0]) and takes_a_norm(node):
            norm = following[0]
            folded.add(id(norm))
        steps += make_steps(node, norm)
    return steps
