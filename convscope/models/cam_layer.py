"""Which layer's output is a network's last feature map: what class activation maps are drawn of."""

from typing import Any

import keras

from convscope.errors import UserError
from convscope.models.axes import is_like_the_picture, turned
from convscope.models.graphs import flatten, is_flat
from convscope.models.nodes import address_of, nodes_in_order, shapes_at, tensor_of
from convscope.models.tokens import calls_after, is_tokens, last_tokens

_POOLS = {"MaxPooling2D", "AveragePooling2D"}
_SHAPING = {"Reshape", "Permute", "Transpose", "Flatten", "Identity", "Dropout"}


def default_cam_layer(model: keras.Model, size: tuple[int, int] | None = None) -> str:
    """Name of the layer whose output is the last feature map: what global pooling (or flattening) takes.

    It comes after the activation. Where the map is flattened after a plain pooling layer (VGG), the layer before that
    pooling is taken: its map is finer. Where a transformer's blocks come behind, it is the layer whose tokens all goes through last
    (`tokens.last_tokens`). Of a layer that is called several times it is an address (see `address_of`).

    Args:
        model: any functional network.
        size: (height, width) of its pictures. A map of one cell at that size is none: of a dense layer written as a convolution
            (keras-hub's VGG), a network of free size does not tell.

    Raises:
        UserError: the network has no feature maps.
    """
    flat = model if is_flat(model) else flatten(model)
    found = _last_map(flat) if size is None else _last_map_at(flat, size)
    try:
        tokens = last_tokens(flat, found)
    except UserError:
        if found is None:
            raise
        tokens = None
    if tokens is not None and (found is None or _adds_something(flat, found, tokens)):
        return address_of(flat, tokens)
    if found is None:
        raise UserError(
            f"model '{model.name}' has no feature maps (no 4-D output of a layer that lies as the picture does, no tokens of the "
            "picture's patches through which its answer comes), so no class activation map"
        )
    return address_of(flat, found)


def _last_map_at(flat: keras.Model, size: tuple[int, int]) -> Any | None:
    """The last map of more than one cell that a network has of pictures of a size; the last one where there is none such."""
    found = _last_map(flat, size)
    if found is None or None not in found.shape[1:3]:
        return found
    if shapes_at(keras.Model(flat.inputs[0], found), *size)[0][:2] != (1, 1):
        return found
    fixed = flatten(flat, input_shape=(*size, flat.inputs[0].shape[-1]))
    larger = _last_map(fixed, size)
    return found if larger is None else tensor_of(flat, address_of(fixed, larger))


def _last_map(flat: keras.Model, size: tuple[int, int] | None = None) -> Any | None:
    makers = {id(tensor): node for node in nodes_in_order(flat) for tensor in node.outputs}
    if len(flat.outputs[0].shape) == 4 and id(flat.outputs[0]) in makers:
        return flat.outputs[0]
    others = _behind_tokens(flat) | turned(flat)
    ends: list[tuple[Any, Any]] = []
    for node in nodes_in_order(flat):
        maps = [tensor for tensor in node.input_tensors if id(tensor) in makers and _is_map(tensor, others)]
        if maps and not any(_is_map(tensor, others) for tensor in node.outputs):
            ends.append((maps[0], node))
    if not ends:
        return None
    found, behind = _deepest(flat, ends, size)
    if type(makers[id(found)].operation).__name__ in _POOLS and "Global" not in type(behind.operation).__name__:
        before = makers[id(found)].input_tensors[0]
        found = before if id(before) in makers else found
    return found


def _deepest(flat: keras.Model, ends: list[tuple[Any, Any]], size: tuple[int, int] | None) -> tuple[Any, Any]:
    """The last map that something else is made of, or a coarser one that is made of it.

    Where maps of several depths are pooled and joined, any of them may come last in the order of the network. A map of the same
    size that is made of another one tells how to weigh that.
    """
    found, behind = ends[-1]
    made = {id(tensor) for node in calls_after(flat, found) for tensor in node.outputs}
    deeper = [(tensor, node) for tensor, node in ends if id(tensor) in made]
    if not deeper:
        return found, behind
    if size is None and None in flat.inputs[0].shape[1:3]:
        size = (256, 256)
    size = size or flat.inputs[0].shape[1:3]
    tensors = [found, *(tensor for tensor, _ in deeper)]
    areas = [height * width for height, width, _ in shapes_at(keras.Model(flat.inputs[0], tensors), *size)]
    return min(zip(areas, [(found, behind), *deeper], strict=True), key=lambda pair: pair[0])[1]


def _is_map(tensor: Any, others: set[int]) -> bool:
    return len(tensor.shape) == 4 and tuple(tensor.shape[1:3]) != (1, 1) and id(tensor) not in others


def _behind_tokens(flat: keras.Model) -> set[int]:
    """Tensors made of tokens, until they have the picture's shape again: four axes may as well be heads and scores of attention."""
    behind: set[int] = set()
    for node in nodes_in_order(flat):
        if any(id(tensor) in behind or is_tokens(tensor) for tensor in node.input_tensors):
            behind.update(id(tensor) for tensor in node.outputs if not is_like_the_picture(flat, tensor))
    return behind


def _adds_something(flat: keras.Model, found: Any, tokens: Any) -> bool:
    """Whether tokens are more than a feature map of another shape."""
    between = {id(tokens)}
    for node in reversed(calls_after(flat, found)):
        if any(id(tensor) in between for tensor in node.outputs):
            if type(node.operation).__name__ not in _SHAPING:
                return True
            between.update(map(id, node.input_tensors))
    return False
