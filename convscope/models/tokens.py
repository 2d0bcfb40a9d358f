"""The tokens of a vision transformer as feature maps: which ones belong to which part of the picture."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from convscope.backends.running import value_and_gradient
from convscope.errors import UserError
from convscope.models.nodes import address_of, inside_a_network, is_kerass, nodes_in_order, run_calls

# Tokens beside those of the picture: class, distillation, registers.
_MOST_EXTRA = 16
_PROBES = 8
_TRIES = 4
# Tensors that are looked at in one run.
_AT_ONCE = 8
_ROUNDING = 1e-5
# Queries, keys and values of a block: projections of its tokens, not they.
_PROJECTIONS = ("Dense", "EinsumDense", "Conv1D", "MatMul", "Matmul", "Einsum")
# Of the picture itself these make no tokens: its rows are pixels still.
_OF_PIXELS = ("Reshape", "Permute", "Rescaling", "Normalization", "Identity", "Squeeze", "ExpandDims", "GetItem")


@dataclasses.dataclass(frozen=True)
class Grid:
    """Where the tokens of a picture's patches lie among all tokens (N, L, C): row by row, `before` of other meaning in front.

    Attributes:
        rows, columns: patches from top to bottom and from left to right.
        before, after: tokens in front of them and behind them: of the class, of distillation, registers.
    """

    rows: int
    columns: int
    before: int
    after: int

    @property
    def count(self) -> int:
        return self.rows * self.columns


def is_tokens(tensor: Any) -> bool:
    """Whether a tensor of a network may hold tokens: (N, L, C) of a known number L."""
    shape = tuple(tensor.shape)
    return len(shape) == 3 and None not in shape[1:] and shape[1] >= 4


def grid_of(flat: keras.Model, tensor: Any) -> Grid:
    """Where the patches of the picture are in a tensor of tokens, as changes of the picture show.

    A patch of noise is planted into a picture at several places; the token that answers most must be the one that belongs there.
    That is asked where tokens of this number occur before attention mixes them (of a network that merges patches on its
    way: where they are merged to so few).

    Args:
        flat: a flat network of a fixed input size.
        tensor: (N, L, C), of its graph.

    Raises:
        UserError: no grid of the picture's aspect ratio has so many places, or the tokens lie otherwise.
    """
    name = address_of(flat, tensor)
    _, height, width, _ = flat.inputs[0].shape
    if not is_tokens(tensor) or height is None or width is None:
        raise UserError(
            f"model '{flat.name}': layer '{name}' has no feature maps (N, height, width, channels) and no tokens of a picture of "
            "one fixed size, so no class activation map; name another layer"
        )
    possible = list(_grids(int(tensor.shape[1]), height, width))
    found = _probed(flat, _alike(flat, tensor), possible) if possible else None
    if found is None:
        raise UserError(
            f"model '{flat.name}': the {tensor.shape[1]} tokens of layer '{name}' do not lie as the patches of a {height}x{width} "
            "picture do, row by row, so no class activation map; name a layer of feature maps"
        )
    return found


def _grids(count: int, height: int, width: int) -> Iterator[Grid]:
    """Grids of the picture's aspect ratio with `count` tokens, the fewest others first; those stand in front, or behind."""
    for extra in range(min(_MOST_EXTRA, count - 4) + 1):
        patches = count - extra
        for rows in range(2, patches // 2 + 1):
            columns = patches // rows
            # A patch that does not divide the picture is cut off, or padded.
            if rows * columns == patches and is_alike(rows, columns, height, width):
                for before in range(extra, -1, -1):
                    yield Grid(rows, columns, before, extra - before)


def is_alike(rows: int, columns: int, height: int, width: int) -> bool:
    """Whether square patches of one side make so many rows and columns, where what is left over at an edge counts or does not."""
    if rows < 2 or columns < 2:
        return False
    low, high = max(height / (rows + 1), width / (columns + 1)), min(height / (rows - 1), width / (columns - 1))
    sides = range(math.floor(low) + 1, math.ceil(high))
    return any(
        rows in (height // side, -(-height // side)) and columns in (width // side, -(-width // side)) for side in sides
    )


def _probed(flat: keras.Model, tensors: Sequence[Any], possible: Sequence[Grid]) -> Grid | None:
    """The grid of which most planted changes are found where they were planted; None where none is.

    Asked are tensors that have one entry a picture: windows of attention may hold as many tokens, and are more than pictures.
    """
    rng = np.random.default_rng(0)
    _, height, width, channels = flat.inputs[0].shape
    source = flat.inputs[0]
    found: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}
    for grid in possible:
        side = grid.rows, grid.columns
        if side not in found:
            places = rng.choice(grid.count, min(_PROBES, grid.count), replace=False)
            images = np.repeat(rng.normal(0, 1, (1, height, width, channels)), len(places) + 1, axis=0)
            for image, place in zip(images[1:], places, strict=True):
                row, column = divmod(int(place), grid.columns)
                box = np.s_[
                    row * height // grid.rows : (row + 1) * height // grid.rows,
                    column * width // grid.columns : (column + 1) * width // grid.columns,
                ]
                image[box] = rng.normal(0, 3, image[box].shape)
            other = rng.normal(0, 3, images[:1].shape)
            found[side] = (
                places,
                _unmixed(_changes(source, tensors, np.concatenate([images, other]).astype(np.float32))),
            )
        places, change = found[side]
        # What stands beside the patches here is the same for every picture: a token that a picture changes is one of its places.
        changes = np.asarray(change.any(axis=0))
        of_patches = np.s_[grid.before : grid.before + grid.count]
        if changes[of_patches].all() and not np.delete(changes, of_patches).any():
            maps = change[:-1, of_patches].reshape(-1, grid.rows, grid.columns)
            if np.mean([_is_at(each, int(place)) for each, place in zip(maps, places, strict=True)]) > 0.8:
                return grid
    return None


def _is_at(change: np.ndarray, place: int) -> bool:
    """Whether tokens on a grid, (rows, columns), change most at a place.

    Patches that overlap (convolutions, pooling in front of the tokens) answer beside it as well, and may do so more: asked is the
    middle of what changes around the strongest, which lies less than one patch off.
    """
    if not change.any():
        return False
    row, column = np.unravel_index(change.argmax(), change.shape)
    if min(change.shape) < 4:  # the middle of so few is near to all of them
        return int(row * change.shape[1] + column) == place
    rows, columns = slice(max(row - 1, 0), row + 2), slice(max(column - 1, 0), column + 2)
    weights = change[rows, columns] / change[rows, columns].sum()
    down = (weights.sum(axis=1) * np.arange(change.shape[0])[rows]).sum() - place // change.shape[1]
    across = (weights.sum(axis=0) * np.arange(change.shape[1])[columns]).sum() - place % change.shape[1]
    return bool(max(abs(down), abs(across)) < 1)


def is_mixed(flat: keras.Model, tensor: Any, grid: Grid) -> bool:
    """Whether a change in one patch reaches more of the tokens than it did where tokens of their number first occur.

    Args:
        flat: a flat network.
        tensor: (N, L, C), of its graph.
        grid: where its patches are.
    """
    _, height, width, channels = flat.inputs[0].shape
    rng = np.random.default_rng(0)
    images = np.repeat(rng.normal(0, 1, (1, height, width, channels)), 2, axis=0).astype(np.float32)
    patch = images[1, : height // grid.rows, : width // grid.columns]
    patch[:] = rng.normal(0, 3, patch.shape)
    first, here = (_changes(flat.inputs[0], tensors, images)[0] for tensors in (_alike(flat, tensor), [tensor]))
    return bool(np.count_nonzero(first) < np.count_nonzero(here))


def _alike(flat: keras.Model, tensor: Any) -> list[Any]:
    """The tensors of as many tokens, in the order of the network."""
    made = [every for node in nodes_in_order(flat) for every in node.outputs]
    return [every for every in made if is_tokens(every) and every.shape[1] == tensor.shape[1]]


def _changes(source: Any, tensors: Sequence[Any], images: np.ndarray) -> list[np.ndarray]:
    """How much each token differs from that of the first picture, (N - 1, L), in the first few tensors of one entry a picture."""
    for start in range(0, len(tensors), _AT_ONCE):
        with inside_a_network():
            values = keras.Model(source, list(tensors[start : start + _AT_ONCE]))(images, training=False)
        # Keras hands out a lone output bare.
        answers = [keras.ops.convert_to_numpy(each) for each in keras.tree.flatten(values)]
        if whole := [each for each in answers if len(each) == len(images)]:
            break
    changes = [np.abs(each[1:] - each[:1]).sum(axis=2) for each in whole or answers]
    # The same numbers are rounded otherwise in another row of a batch.
    return [np.where(each > _ROUNDING * each.max(), each, 0) for each in changes]


def _unmixed(changes: Sequence[np.ndarray]) -> np.ndarray:
    """The last of these before tokens are mixed, where what is planted reaches no more of them: they may be permuted until then."""
    reach = [np.count_nonzero(change[:-1]) for change in changes]
    if reach[0] == changes[0][:-1].size:
        return changes[0]
    return next(change for change, count in zip(reversed(changes), reversed(reach), strict=True) if count == reach[0])


def grid_tensors(tensor: Any, grid: Grid, name: str) -> tuple[Any, list[Any]]:
    """Symbolic tensors: tokens on their grid, (N, rows, columns, C), and those in front and behind, (N, n, C), where any are.

    Args:
        tensor: (N, L, C), of a network's graph.
        grid: where its patches are.
        name: that the layers' names begin with.
    """

    def part(kind: str, start: int, count: int) -> Any:
        return keras.layers.Cropping1D((start, int(tensor.shape[1]) - start - count), name=f"{name}_{kind}")(tensor)

    patches = part("patches", grid.before, grid.count)
    maps = keras.layers.Reshape((grid.rows, grid.columns, int(tensor.shape[-1])), name=f"{name}_maps")(patches)
    others = [part("before", 0, grid.before)] if grid.before else []
    return maps, others + ([part("after", grid.before + grid.count, grid.after)] if grid.after else [])


def joined(maps: Any, others: Sequence[Any], grid: Grid) -> Any:
    """The tokens again, of what `grid_tensors` made of them."""
    channels = int(maps.shape[-1])
    parts = [keras.ops.reshape(maps, (-1, grid.count, channels))]
    rest = list(others)
    if grid.before:
        parts.insert(0, rest.pop(0))
    return keras.ops.concatenate([*parts, *rest], axis=1) if len(parts) + len(rest) > 1 else parts[0]


def last_tokens(flat: keras.Model, behind: Any | None) -> Any | None:
    """The last tensor of tokens on a grid through which all that a network takes of a picture's patches goes; None where none is.

    Of a network that pools its tokens that is what is pooled. Of one that reads the class token alone, what patches say reaches it
    in attention: the last block's, whose inputs (behind its normalisation) are the tokens found. Behind it, gradients at the
    patches are zero. Tokens that are no places of the picture (a few learned ones that ask all patches) are passed over.

    Args:
        flat: a flat network.
        behind: a feature map; only tokens that depend on it count. None: any.

    Raises:
        UserError: there are such tensors, and none lies on a grid.
    """
    pixels = {id(flat.inputs[0])}
    for node in nodes_in_order(flat):
        if is_kerass(node.operation, *_OF_PIXELS) and all(id(used) in pixels for used in node.input_tensors):
            pixels.update(map(id, node.outputs))
    candidates = [
        tensor
        for node in calls_after(flat, behind)
        for tensor in node.outputs
        if is_tokens(tensor) and id(tensor) not in pixels and not is_kerass(node.operation, *_PROJECTIONS)
    ]
    if not candidates or len(flat.outputs[0].shape) != 2:
        return None
    run = _Run(flat)
    refused: dict[int, UserError] = {}
    for tensor in reversed(candidates):
        # As many tokens lie as the first of that number do, so that one answer holds for all.
        if tensor.shape[1] in refused or not run.carries_all(tensor):
            continue
        try:
            grid_of(flat, tensor)
        except UserError as error:
            refused[tensor.shape[1]] = error
        else:
            return tensor
    if refused:
        raise next(iter(refused.values()))
    return None


def calls_after(flat: keras.Model, behind: Any | None) -> list[Any]:
    nodes = list(nodes_in_order(flat))
    if behind is None:
        return nodes
    reached, found = {id(behind)}, []
    for node in nodes:
        if any(id(tensor) in reached for tensor in node.input_tensors):
            found.append(node)
            reached.update(map(id, node.outputs))
    return found


class _Run:
    """One pass of a network over noise, kept tensor by tensor, and gradients of what comes behind one of them."""

    def __init__(self, flat: keras.Model) -> None:
        self._nodes = list(nodes_in_order(flat))
        self._output = flat.outputs[0]
        noise = np.random.default_rng(0).normal(0, 1, (1, *flat.inputs[0].shape[1:])).astype(np.float32)
        self._values = {id(flat.inputs[0]): keras.ops.convert_to_tensor(noise)}
        run_calls(self._nodes, self._values)
        # A direction of the answers that is no class's own.
        self._weights = np.random.default_rng(1).normal(0, 1, flat.outputs[0].shape[1:]).astype(np.float32)

    def carries_all(self, tensor: Any) -> bool:
        """Whether the answer depends on most tokens of a tensor, and on the same places of what bypasses it on none."""
        behind, steps, side = {id(tensor)}, [], {}
        for node in self._nodes:
            if any(id(used) in behind for used in node.input_tensors):
                steps.append(node)
                behind.update(map(id, node.outputs))
        if id(self._output) not in behind:
            return False
        for node in steps:
            side.update({id(used): used for used in node.input_tensors if id(used) not in behind})
        alike = [used for used in side.values() if is_tokens(used) and used.shape[1] == tensor.shape[1]]
        if len(alike) < len(side):
            return False  # something else of the picture passes beside it
        watched = [self._values[id(used)] for used in (tensor, *alike)]
        reached: list[Any] = [False] * len(watched)
        # What takes the largest of the tokens (global max pooling) takes a few at a time, and others of other values.
        for rng in map(np.random.default_rng, range(_TRIES)):
            values = dict(self._values)
            noisy = [
                value + keras.ops.multiply(keras.ops.std(value), rng.normal(0, 1, value.shape).astype(np.float32))
                for value in watched
            ]

            def answer(noisy: list[Any], values: dict[int, Any] = values) -> Any:
                values.update(zip((id(used) for used in (tensor, *alike)), noisy, strict=True))
                run_calls(steps, values)
                return keras.ops.sum(keras.ops.multiply(values[id(self._output)], self._weights)), ()

            _, gradients = value_and_gradient(answer, noisy)
            reached = [before | _reached(gradient) for before, gradient in zip(reached, gradients, strict=True)]
            if reached[0].mean() > 0.5:
                break
        own, *others = reached
        return bool(own.mean() > 0.5) and all(other.mean() < 0.5 for other in others)


def _reached(gradient: Any) -> np.ndarray:
    """Which tokens a gradient (1, L, C) is not zero at."""
    return np.zeros(1) if gradient is None else np.abs(keras.ops.convert_to_numpy(gradient)[0]).sum(axis=1) > 0
