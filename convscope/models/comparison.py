"""Whether a network's canonical form computes what the network does: on pictures of its own range, layer by layer."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import tree

from convscope.errors import UserError
from convscope.models.nodes import graph_of, inside_a_network, nodes_in_order

_HALF = ("float16", "bfloat16")
# What rounding may change, of the largest number a layer answers: in float32, and in half precision with its 8 or 11 bits.
_FLOAT_TOLERANCE, _HALF_TOLERANCE = 1e-4, 0.05
# Of one picture and of several, sums may be added up in another order, and a number within may be rounded to its neighbour.
_BATCH_TOLERANCE = 0.01
_ANY_SIZE = 96


def trial_pictures(
    shape: Sequence[int | None],
    scale: Sequence[float] | float = 1.0,
    offset: Sequence[float] | float = 0.0,
    size: tuple[int, int] | None = None,
    whole: bool = False,
) -> Iterator[np.ndarray]:
    """Pictures to compare two networks on: noise and smooth colours in the range that a network is meant for, noise in 0..1.

    Args:
        shape: (height, width, channels) of the input; `None` is any.
        scale: factor from pixels 0..255 to model space, one or one a channel.
        offset: added then.
        size: (height, width) where the input says none.
        whole: of whole numbers from 0 on, for a network that takes no others.

    Returns:
        Arrays (1, H, W, C) float32 in model space; the first two are whole numbers 0..255 before the factor.
    """
    height, width = (own or given for own, given in zip(shape[:2], size or (_ANY_SIZE, _ANY_SIZE), strict=True))
    channels = int(shape[2] or 1)
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0 : 1 : 1j * height, 0 : 1 : 1j * width][..., None]
    waves = rng.uniform(0.5, 3, (2, channels))
    smooth = 127.5 + 127.5 * np.sin(np.pi * 2 * (y * waves[0] + x * waves[1]) + rng.uniform(0, 6, channels))
    factor, added = (_a_channel(values, channels) for values in (scale, offset))
    for pixels in (rng.uniform(0, 255, (height, width, channels)), smooth):
        picture = np.rint(pixels) * factor + added
        yield (np.maximum(np.rint(picture), 0) if whole else picture)[None].astype(np.float32)
    if not whole:
        yield rng.uniform(0, 1, (1, height, width, channels)).astype(np.float32)


def _a_channel(values: Sequence[float] | float, channels: int) -> np.ndarray:
    found = np.atleast_1d(np.asarray(values, np.float64))
    return found if len(found) in (1, channels) else np.full(channels, found.mean())


def check_same(
    model: keras.Model, logits: keras.Model, result: keras.Model, activation: str, pictures: Iterator[np.ndarray]
) -> None:
    """Check that a copy computes what the model does.

    Args:
        model: as it was given.
        logits: it unrolled, without the last activation; its layers are those of the model.
        result: the copy of `logits`, in float32.
        activation: what was taken off the end, "softmax", "sigmoid" or "linear".
        pictures: of the range that the model is meant for (`trial_pictures`).

    Raises:
        UserError: it does not; the first layer that answers otherwise is named, or the network inside that does more than its
            graph says. Or it answers a picture otherwise beside another one.
    """
    half = any(getattr(layer, "compute_dtype", "") in _HALF for layer in model._flatten_layers())
    alone = []
    for pixels in pictures:
        answer, different = _side_by_side(logits, result, pixels)
        if different is not None:
            raise UserError(f"model '{model.name}': {different}")
        (expected,) = tree.flatten(
            model(_as_asked(model, pixels), training=False)
        )  # which may be alone in a dictionary
        found = answer if activation == "linear" else getattr(keras.ops, activation)(answer)
        if not close(expected, found, half):
            raise UserError(
                f"model '{model.name}': its graph of layers does not compute what calling it does "
                f"(class {own_call(model)}); rebuild it with keras.Model(inputs, outputs) and save that"
            )
        # Each layer answers as its original: what is left is how they are joined. Of half precision, errors add up.
        joined = result(pixels, training=False)
        if not half and not close(answer, joined, half, 1e-3):
            raise UserError(
                f"model '{model.name}': its layers cannot be joined anew; rebuild it with keras.Model(inputs, outputs)"
            )
        alone.append((pixels, keras.ops.convert_to_numpy(joined)))
    _check_each_for_itself(model, result, alone, half)


def _check_each_for_itself(
    model: keras.Model, result: keras.Model, alone: Sequence[tuple[np.ndarray, np.ndarray]], half: bool
) -> None:
    """Check that pictures answered together are answered as each alone: by `x / ops.max(x)`, what is said of one is of its batch."""
    pixels, answers = (np.concatenate(some) for some in zip(*alone, strict=True))
    if not close(answers, result(pixels, training=False), half, _BATCH_TOLERANCE):
        raise UserError(
            f"model '{model.name}': what it answers for a picture depends on the others of its batch, so nothing can be said of one; "
            "let no operation run along the first axis (axis=(1, 2, 3) for ops.mean, ops.max and the like over a picture)"
        )


def _side_by_side(first: keras.Model, second: keras.Model, pixels: np.ndarray) -> tuple[Any, str | None]:
    """The first network's answer, and what is wrong with its first layer whose counterpart answers otherwise to the same inputs."""
    calls = list(zip(nodes_in_order(first), nodes_in_order(second), strict=True))
    left = Counter(id(tensor) for node, _ in calls for tensor in node.input_tensors)
    left[id(first.outputs[0])] += 1
    values = {id(first.inputs[0]): keras.ops.cast(pixels, first.inputs[0].dtype)}
    for own, other in calls:
        given = {
            id(b): keras.ops.cast(values[id(a)], b.dtype)
            for a, b in zip(own.input_tensors, other.input_tensors, strict=True)
        }
        expected, found = _run(own, values), _run(other, given)
        half = any(getattr(value, "dtype", None) in _HALF for value in expected) or _is_half(own.operation)
        alike = all(close(a, b, half) for a, b in zip(expected, found, strict=True))
        if not alike and not (half and _is_rounding(other, given, expected, found)):
            same = all(close(a, b, half) for a, b in zip(expected, _run(own, values), strict=True))
            return None, _told(own.operation, same)
        values.update(zip(map(id, own.outputs), expected, strict=True))
        for tensor in own.input_tensors:
            left[id(tensor)] -= 1
            if not left[id(tensor)]:
                values.pop(id(tensor), None)
    return values[id(first.outputs[0])], None


def _is_rounding(node: Any, given: dict[int, Any], expected: list[Any], found: list[Any]) -> bool:
    """Whether a layer's answers differ by no more than some rounding of its inputs to half precision changes them.

    A softmax of large numbers, as of an attention that is fed with pixels 0..255, turns the last bit into another answer.
    """
    rng = np.random.default_rng(0)
    moved = {key: _as_floats(value) for key, value in given.items()}
    moved = {key: value * (1 + rng.uniform(-1, 1, value.shape) * 2.0**-8) for key, value in moved.items()}
    changed = _run(node, {key: keras.ops.cast(moved[key], given[key].dtype) for key in given})
    for a, b, c in zip(expected, found, changed, strict=True):
        a, b, c = map(_as_floats, (a, b, c))
        allowed = 4 * np.abs(c - b).max(initial=0.0) + _HALF_TOLERANCE * np.abs(b).max(initial=0.0)
        if a.shape != b.shape or not np.abs(a - b).max(initial=0.0) <= allowed:
            return False
    return True


def _as_floats(value: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(keras.ops.cast(value, "float32")).astype(np.float64)


def _told(layer: Any, same: bool) -> str:
    named = f"layer '{layer.name}' ({type(layer).__name__})"
    if not same:
        return f"its {named} answers the same picture otherwise each time; let it be random in training alone"
    return (
        f"the copy of its {named} computes something else: the layer keeps something that neither its settings nor its weights say; "
        "put a layer of Keras's in its place"
    )


def _is_half(operation: Any) -> bool:
    return getattr(operation, "compute_dtype", "") in _HALF


def _run(node: Any, values: dict[int, Any]) -> list[Any]:
    args, kwargs = node.arguments.fill_in(values)
    if getattr(node.operation, "_call_has_training_arg", False):
        kwargs = {**kwargs, "training": False}
    with inside_a_network():
        return list(tree.flatten(node.operation(*args, **kwargs)))


def close(expected: Any, found: Any, half: bool, tolerance: float = _FLOAT_TOLERANCE) -> bool:
    """Whether two answers are the same but for rounding, which is measured by the largest of their numbers."""
    a, b = _as_floats(expected), _as_floats(found)
    if a.shape != b.shape:
        return False
    if half:  # what is too large for it is none of the copy's mistakes
        known = np.isfinite(a) & (np.abs(a) < 3e4)
        a, b, tolerance = a[known], b[known], _HALF_TOLERANCE
    size = float(np.abs(a[np.isfinite(a)]).max(initial=0.0))
    return np.allclose(a, b, rtol=0, atol=tolerance * size + 1e-9, equal_nan=True)


def _as_asked(model: keras.Model, pixels: np.ndarray) -> Any:
    # A network may have been made of a list or a dictionary of its one input, and says so where it is given anything else.
    return tree.map_structure(lambda _: pixels, getattr(model, "_inputs_struct", 0))


def own_call(model: keras.Model) -> str:
    """The class, of a network or of one inside it, that answers by a method of somebody's own."""
    networks = [layer for layer in model._flatten_layers() if graph_of(layer) is not None]
    roots = [type(network).call.__module__.partition(".")[0] for network in networks]
    own = next((one for one, root in zip(networks, roots, strict=True) if root not in ("keras", "keras_hub")), model)
    return type(own).__name__
