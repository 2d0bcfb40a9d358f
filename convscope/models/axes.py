"""Which axes of a network's tensors are the picture's height and width."""

from typing import Any

import keras
import numpy as np

from convscope.models.nodes import is_kerass, nodes_in_order
from convscope.models.tokens import is_alike

# The axes of a batch of pictures: which picture, height, width, channels; and where nothing is left of them.
_UPRIGHT, _LOST = (0, 1, 2, 3), (0, 0, 0, 0)
_TURNING = ("Permute", "Transpose", "Swapaxes", "Moveaxis", "Flip", "Rot90")


def turned(flat: keras.Model) -> set[int]:
    """Ids of tensors of four axes whose second and third are not the picture's height and width, as it stands.

    They were permuted or mirrored (before a recurrent layer reads them column by column), or reshaped to other sizes; a map of them
    would lie elsewhere in the picture. Keras's own operations are followed, and what is made of them.

    Args:
        flat: a flat network.
    """
    orders: dict[int, tuple[int, ...]] = {id(flat.inputs[0]): _UPRIGHT}
    for node in nodes_in_order(flat):
        order = next((orders[id(tensor)] for tensor in node.input_tensors if id(tensor) in orders), None)
        for tensor in node.outputs:
            if len(tensor.shape) == 4:
                orders[id(tensor)] = _UPRIGHT if order is None else _behind(flat, node, order)
    return {tensor for tensor, order in orders.items() if order[1:3] != _UPRIGHT[1:3]}


def is_like_the_picture(flat: keras.Model, tensor: Any) -> bool:
    """Whether a tensor has four axes and the picture's aspect ratio, as far as sizes are known."""
    sizes = (*tensor.shape[1:3], *flat.inputs[0].shape[1:3])
    return len(tensor.shape) == 4 and (None in sizes or is_alike(*sizes))


def _behind(flat: keras.Model, node: Any, order: tuple[int, ...]) -> tuple[int, ...]:
    """Which axis each one was, behind a call; below zero where it is mirrored."""
    operation = node.operation
    if is_kerass(operation, "Reshape"):
        alike = node.input_tensors[0].shape[1:3] == node.outputs[0].shape[1:3]
        return order if alike else _UPRIGHT if is_like_the_picture(flat, node.outputs[0]) else _LOST
    if order == _LOST or not is_kerass(operation, *_TURNING):
        return order
    # Each number says where it was; every size is another one.
    sizes = (2, 3, 5, 7)
    found = keras.ops.convert_to_numpy(operation.call(np.arange(np.prod(sizes)).reshape(sizes)))
    first = np.unravel_index(int(found.flat[0]), sizes)
    axes = [sizes.index(size) for size in found.shape]
    return tuple(-order[axis] if first[axis] else order[axis] for axis in axes)
