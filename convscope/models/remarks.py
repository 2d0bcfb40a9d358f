"""What is said of a model once: which layer its class activation maps are of, what its first layers get, what looks wrong."""

import dataclasses
from typing import Any

import keras
import numpy as np

from convscope.errors import UserError
from convscope.models.cam_layer import default_cam_layer
from convscope.models.graphs import is_random
from convscope.models.nodes import address_of, is_kerass, nodes_in_order, tensor_of
from convscope.models.spec import FloatArray, ModelSpec
from convscope.models.tokens import calls_after, grid_of, is_mixed

# A map of fewer cells a side shows no place.
_FEWEST_CELLS = 4
# What the first layers saw in training and what they get may differ by less for a picture of another kind.
_TIMES = 8.0
_MIXED = (
    "; attention (or what stands for it) has brought into each what other places hold, so that a map of them need not lie "
    "where the evidence is: compare it with occlusion"
)


def remarked(spec: ModelSpec, flat: keras.Model) -> ModelSpec:
    """The spec with notes and warnings on the layer of its maps and on the values that its first layers get.

    Args:
        spec: facts of the network.
        flat: the canonical network.
    """
    notes, warnings = list(spec.notes), list(spec.warnings)
    notes.append(_input_note(spec))
    norm = _first_norm(flat)
    doubt = _range_doubt(spec, flat, norm) if norm is not None else ""
    if norm is None and _takes_plain_pixels(spec, flat):
        notes.append(
            "its first layer gets pixels 0..255 as they are, and nothing in the network tells what it was trained on: if that was "
            "0..1, set preprocessing: {scale: 0.003922}"
        )
    warnings += [doubt] if doubt else []
    for text, is_warning in _map_remarks(spec, flat):
        (warnings if is_warning else notes).append(text)
    return dataclasses.replace(spec, notes=tuple(notes), warnings=tuple(warnings))


def _input_note(spec: ModelSpec) -> str:
    low, high = (np.asarray(spec.scale) * pixel + np.asarray(spec.offset) for pixel in (0, 255))
    least, most = float(np.minimum(low, high).min()), float(np.maximum(low, high).max())
    taken = f"bands {', '.join(map(str, spec.bands))} of a file, counted from 0" if spec.bands else spec.channels
    return f"input {spec.input_size[0]}x{spec.input_size[1]}, {taken}, values {least:.4g} to {most:.4g}"


def _map_remarks(spec: ModelSpec, flat: keras.Model) -> list[tuple[str, bool]]:
    if spec.head in ("segmentation", "none"):
        return []
    try:
        layer = default_cam_layer(flat, spec.input_size)
        tensor = tensor_of(flat, layer)
        shape = tensor.shape
        if len(shape) == 3:
            grid = grid_of(flat, tensor)
            cells, mixed = (grid.rows, grid.columns), _MIXED if is_mixed(flat, tensor, grid) else ""
            return _cells_remarks(f"class activation maps are of layer '{layer}'", cells, f"tokens{mixed}")
        height, width = shape[1:3] if len(shape) == 4 else (None, None)
        if len(shape) == 4 and None in (height, width):
            batch = (1, *spec.input_size, flat.inputs[0].shape[-1])
            outputs = keras.Model(flat.inputs, tensor_of(flat, layer)).compute_output_shape(batch)
            height, width = outputs[1:3]
    except (UserError, ValueError):
        return []  # no maps: whoever asks for them is told why
    said = f"class activation maps are of layer '{layer}'"
    beside = _beside(flat, tensor)
    if not height or not width:
        return [(said + beside, False)]
    return _cells_remarks(said, (height, width), f"cells{beside}")


def _cells_remarks(said: str, cells: tuple[int, int], what: str) -> list[tuple[str, bool]]:
    size = f"{cells[0]}x{cells[1]}"
    found = [(f"{said}, {size} {what}", False)]
    if min(cells) < _FEWEST_CELLS:
        text = (
            f"class activation maps have {size} cells only, too few to show a place; name an earlier layer under cams"
        )
        found.append((text, True))
    return found


def _beside(flat: keras.Model, tensor: Any) -> str:
    """What is said where the answer is made of other things of the picture, too: of another branch, of features of other depths."""
    behind, of_it = {id(node) for node in calls_after(flat, tensor)}, {id(flat.inputs[0])}
    for node in nodes_in_order(flat):
        if id(node) not in behind and any(id(used) in of_it for used in node.input_tensors):
            of_it.update(map(id, node.outputs))
    passing = [
        used
        for node in nodes_in_order(flat)
        if id(node) in behind
        for used in node.input_tensors
        if id(used) in of_it and used is not tensor
    ]
    if not passing:
        return ""
    makers = {id(made): node for node in nodes_in_order(flat) for made in node.outputs}

    def name(used: Any) -> str:
        """What is pooled of a branch says less than the feature map that it is pooled of."""
        while len(used.shape) != 4 and len(makers[id(used)].input_tensors) == 1:
            used = makers[id(used)].input_tensors[0]
        return "the picture" if used is flat.inputs[0] else f"'{address_of(flat, used)}'"

    names = [name(used) for used in passing]
    return f"; the answer is made of {' and '.join(dict.fromkeys(names))} as well, of which they show nothing"


def _range_doubt(spec: ModelSpec, flat: keras.Model, norm: Any) -> str:
    """What looks wrong about the values that the first layers get; empty where nothing does, or nothing can be said.

    The first batch normalisation keeps mean and variance of what it saw in training, an adapted `Normalization` those of its data.
    Pictures like photographs are sent there: where values spread eight times as far, or as little, or lie as far off, the pixels come
    in another range than the network was trained on. A difference of a factor of two, as of -1..1 and 0..1, cannot be seen so.
    """
    kept = _statistics(norm.operation)
    if kept is None:
        return ""
    mean, spread = kept
    try:
        values = keras.Model(flat.inputs[0], norm.input_tensors[0])(
            spec.preprocess(_photos(spec, flat)), training=False
        )
    except (ValueError, TypeError, UserError):
        return ""  # a first layer that is of no picture alone
    values = keras.ops.convert_to_numpy(values).astype(np.float64)
    axes = tuple(range(values.ndim - 1))
    found_mean, found_spread = values.mean(axis=axes), values.std(axis=axes)
    alive = (spread > 1e-6 * max(float(spread.max()), 1e-12)) & (found_spread > 0)
    if not alive.any():
        return ""
    ratio = float(np.median(found_spread[alive] / spread[alive]))
    away = float(np.median(np.abs(found_mean - mean)[alive] / np.maximum(spread, found_spread)[alive]))
    if 1 / _TIMES <= ratio <= _TIMES and away <= _TIMES:
        return ""
    how = (
        f"spread {ratio:.3g} times as far" if ratio > _TIMES else f"spread {1 / ratio:.3g} times less" if ratio < 1 / _TIMES
        else f"lie {away:.3g} deviations off"
    )  # fmt: skip
    return (
        f"layer '{norm.operation.name}' gets other values than it was trained on: on pictures like photographs they {how}; is the "
        "preprocessing right? 0..1 is {scale: 0.003922}, -1..1 is tf, a network that rescales itself wants none"
    )


def _takes_plain_pixels(spec: ModelSpec, flat: keras.Model) -> bool:
    """Whether nothing brings the pixels to another range, neither before the network nor at its beginning."""
    takers = [node for node in nodes_in_order(flat) if any(used is flat.inputs[0] for used in node.input_tensors)]
    first = (getattr(node.operation, "weights", None) for node in takers)
    return all(scale == 1 for scale in spec.scale) and bool(takers) and all(first)


def _first_norm(flat: keras.Model) -> Any | None:
    """The first call of a layer that keeps statistics of what it saw, with nothing but one chain of layers before it."""
    tensor = flat.inputs[0]
    nodes = list(nodes_in_order(flat))
    for _ in range(12):
        takers = [node for node in nodes if any(used is tensor for used in node.input_tensors)]
        if len(takers) != 1 or len(takers[0].input_tensors) != 1 or len(takers[0].outputs) != 1:
            return None
        node = takers[0]
        if is_kerass(node.operation, "BatchNormalization", "Normalization"):
            return node
        if not isinstance(node.operation, keras.Layer) and not is_random(node.operation):
            return None
        tensor = node.outputs[0]
    return None


def _statistics(layer: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Mean and deviation that a layer keeps, a value a channel; None where they are those of a layer that saw nothing."""
    if is_kerass(layer, "BatchNormalization"):
        mean, variance = layer.moving_mean, layer.moving_variance
    else:
        mean, variance = getattr(layer, "mean", None), getattr(layer, "variance", None)
    if mean is None or variance is None:
        return None
    mean, spread = (
        np.atleast_1d(np.squeeze(keras.ops.convert_to_numpy(value))) for value in (mean, keras.ops.sqrt(variance))
    )
    if mean.ndim != 1 or (not mean.any() and (spread == 1).all()):
        return None
    return mean.astype(np.float64), spread.astype(np.float64)


def _photos(spec: ModelSpec, flat: keras.Model) -> FloatArray:
    """Pictures with the spectrum, brightness and contrast of photographs, whole numbers 0..255: (4, H, W, C).

    Amplitudes fall as 1/f (Field, J. Opt. Soc. Am. A 4, 1987); mean 117 and deviation 62 are about those of ImageNet's.
    """
    height, width = spec.input_size
    channels = int(flat.inputs[0].shape[-1])
    rng = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    amplitude = 1 / np.maximum(frequency, 1 / max(height, width))
    amplitude[0, 0] = 0

    def plane() -> np.ndarray:
        phase = np.exp(2j * np.pi * rng.random(amplitude.shape))
        values = np.fft.irfft2(amplitude * phase, (height, width))
        return np.asarray(values / (values.std() or 1))

    pictures = np.empty((4, height, width, channels), np.float32)
    for picture in pictures:
        shared = plane()  # channels of a photograph are much alike
        for c in range(channels):
            picture[..., c] = 117 + 62 * (0.94 * shared + 0.34 * plane())
    return np.rint(np.clip(pictures, 0, 255)).astype(np.float32)
