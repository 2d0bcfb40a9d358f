"""Which layer's output is a network's last feature map: what class activation maps are drawn of."""

from typing import Any

import keras

from convscope.errors import UserError
from convscope.models.graphs import flatten, is_flat
from convscope.models.nodes import address_of, nodes_in_order

_POOLS = {"MaxPooling2D", "AveragePooling2D"}


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
