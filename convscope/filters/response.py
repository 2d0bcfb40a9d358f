"""The response of one channel of a convolution that an ascent maximises, as far as every way to compute it has it in common."""

import contextlib
from typing import Any

import keras

from convscope.errors import UserError
from convscope.models.graphs import flatten, node_of
from convscope.models.nodes import shapes_at


def border_that_fits(side: int, border: int) -> int:
    """The part of `border` that can be dropped on both sides of a map `side` wide and leave at least one position."""
    return max(0, min(border, (side - 1) // 2))


def _with_free_size(network: keras.Model, node: Any) -> keras.Model:
    """What a call takes and makes, for images of any size where what is below it allows that.

    A network that flattens its maps takes one size, and its convolutions take any. Of this call, not of the layer: another call of it
    has maps of another size.
    """
    source, tensors = network.inputs[0], [node.input_tensors[0], node.outputs[0]]
    if source.shape[1] is not None:
        with contextlib.suppress(ValueError, TypeError):
            free = flatten(keras.Model(source, tensors[1]), input_shape=(None, None, source.shape[-1]))
            call = node_of(free, node.operation.name)
            return keras.Model(free.inputs[0], [call.input_tensors[0], call.outputs[0]])
    return keras.Model(source, tensors)


class ChannelResponse:
    """Sizes and borders of a layer's map.

    Args:
        network: flat functional model, image (N, H, W, C) -> anything.
        layer_name: a convolution of it; where it is called several times, its last call counts.
        border: positions to drop.

    Attributes:
        filters: how many the layer has.
        activation: the layer's own, and `gated`, whether it has one.
        layer: the convolution.

    Raises:
        UserError: the layer does not exist or is not a convolution.
    """

    def __init__(self, network: keras.Model, layer_name: str, border: int) -> None:
        node = node_of(network, layer_name)
        layer, result = node.operation, node.outputs[0]
        filters = getattr(layer, "filters", None) or getattr(layer, "depth_multiplier", None)
        if not isinstance(filters, int) or len(node.input_tensors) != 1 or len(result.shape) != 4:
            raise UserError(
                f"layer '{layer_name}' is a {type(layer).__name__}, not a convolution: it has no filters to maximise"
            )
        self.layer_name, self.border, self.layer = layer_name, border, layer
        self.activation = getattr(layer, "activation", None) or keras.activations.linear
        self.gated = self.activation is not keras.activations.linear
        self._shapes = _with_free_size(network, node)
        self._known_sizes: dict[int, Any] = {}
        self.filters = int(result.shape[-1])

    def fits(self, side: int) -> bool:
        """Whether anything is left of a square image where the layer sees it."""
        return min(self._sizes(side)[1]) >= 1

    def _sizes(self, side: int) -> Any:
        """Height and width of the layer's input and of its output for a square image; zero where nothing is left."""
        if side not in self._known_sizes:
            try:
                shapes = shapes_at(self._shapes, side, side)
            except ValueError:
                shapes = [(0, 0, 1)] * 2
            # Keras goes through the whole network for it.
            self._known_sizes[side] = tuple(shape[:2] for shape in shapes)
        return self._known_sizes[side]

    def map_size(self, side: int) -> tuple[int, int]:
        """Height and width of the layer's feature map for a square image.

        Raises:
            UserError: nothing is left of so small an image.
        """
        if not self.fits(side):
            raise UserError(
                f"layer '{self.layer_name}': its feature map is empty for a {side}x{side} image; make size larger"
            )
        return self._sizes(side)[1]

    def border_at(self, side: int) -> int:
        """Positions dropped on each side for a square image."""
        height, width = self.map_size(side)
        return min(border_that_fits(height, self.border), border_that_fits(width, self.border))


def inner(maps: Any, border: int) -> Any:
    """(N, h, w) without its border."""
    return maps[:, border : maps.shape[1] - border, border : maps.shape[2] - border]
