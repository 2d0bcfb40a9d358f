"""The objective of an ascent by Keras's own layers, on any backend: what is differentiated is the whole of it."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from convscope.backends.running import value_and_gradient
from convscope.filters.calls import LayerByKeras, ancestors, call_of
from convscope.filters.coarse import coarse_operations
from convscope.filters.response import ChannelResponse, inner
from convscope.models.nodes import node_of


def summed_gradient(objective: Any, images: Any, channels: Any, opened: Any) -> tuple[Any, Any]:
    """An objective of images (N, H, W, C) -> (N,), and the gradient of its sum, (N, H, W, C) float32."""

    def total(images: Any) -> Any:
        values = objective(images, channels, opened)
        return ops.sum(values), values

    (_, values), gradient = value_and_gradient(total, images)
    return values, gradient


class KerasObjective(ChannelResponse):
    """Mean response of one channel of a convolution, borders dropped: `objectives.ChannelObjective`, nothing written out.

    Args:
        network: flat functional model, image (N, H, W, C) -> anything.
        layer_name: a convolution of it; where it is called several times, its last call counts.
        border: positions to drop.
        precision: "float32" or "bfloat16", of the network's activations; the objective itself is float32.
        report: takes a line for each layer that goes on in float32.

    Attributes:
        variables: the weights that it reads.

    Raises:
        UserError: the layer does not exist or is not a convolution.
    """

    def __init__(
        self, network: keras.Model, layer_name: str, border: int, precision: str = "float32",
        report: Callable[[str], None] = lambda line: None,
    ) -> None:  # fmt: skip
        super().__init__(network, layer_name, border)
        target = node_of(network, layer_name)
        self._image, self._below = id(network.inputs[0]), id(target.input_tensors[0])
        nodes = ancestors(network, target)
        coarse = {} if precision == "float32" else coarse_operations(network, [*nodes, target], precision, report)
        self._calls = [(call_of(node, coarse.get(id(node.operation))), list(map(id, node.outputs))) for node in nodes]
        self._whole = LayerByKeras(coarse.get(id(self.layer), self.layer))
        copies = [copy for copy in coarse.values() if isinstance(copy, keras.Layer)]
        self.variables = [*network.variables, *(v for copy in copies for v in copy.variables), *self._whole.variables]

    def __call__(self, images: Any, channels: Any, opened: Any) -> Any:
        """Objective of each image for its own channel.

        Args:
            images: (N, H, W, C) in model space.
            channels: (N,) int32, the filter each image is for.
            opened: (N,) bool; True measures before the layer's activation, where a ReLU cannot hide the gradient.

        Returns:
            (N,) float32.
        """
        values = {self._image: images}
        for call, outputs in self._calls:
            values.update(zip(outputs, call(values), strict=True))
        maps, border = values[self._below], self.border_at(images.shape[1])

        def responses(found: Any) -> Any:
            own = ops.take_along_axis(found, ops.reshape(channels, (-1, 1, 1, 1)), axis=3)[..., 0]
            return ops.mean(inner(own, border), axis=(1, 2))

        before = responses(self._whole.before(maps))
        return ops.where(opened, before, responses(self._whole.after(maps))) if self.gated else before

    def value_and_gradient(self, images: Any, channels: Any, opened: Any) -> tuple[Any, Any]:
        """The objective, (N,) float32, and the gradient of its sum, (N, H, W, C) float32 (see `__call__`)."""
        return summed_gradient(self, images, channels, opened)
