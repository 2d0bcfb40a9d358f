"""What a cell of a feature map sees of the picture: its receptive field, worked out from the graph."""

import dataclasses
import math
from typing import Any

import keras

from convscope.models.fields import Axis, ReceptiveField
from convscope.models.nodes import is_kerass, nodes_in_order, tensor_of

_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D")
_POOLS = ("MaxPooling2D", "AveragePooling2D")
# Each place of what these make is made of the same place of what they take.
_LOCAL = {
    "Activation", "ActivityRegularization", "Add", "AlphaDropout", "Average", "BatchNormalization", "Concatenate",
    "CustomScaleLayer", "Dense", "Dropout", "ELU", "GaussianDropout", "GaussianNoise", "Identity", "LayerScale", "LeakyReLU",
    "Maximum", "Minimum", "Multiply", "Normalization", "PReLU", "ReLU", "Rescaling", "Softmax", "SpatialDropout2D",
    "StochasticDepth", "Subtract", "Absolute", "Clip", "Divide", "Elu", "Exp", "Gelu", "HardSigmoid", "HardSilu",
    "LeakyRelu", "Negative", "Power", "Relu", "Relu6", "Selu", "Sigmoid", "Silu", "Softplus", "Sqrt", "Square", "Tanh",
    "TrueDivide", "HardSwish", "Mish",
}  # fmt: skip


def receptive_field(flat: keras.Model, layer: str) -> ReceptiveField:
    """The receptive field of a layer's cells.

    As in Araujo et al. (2019), "Computing receptive fields of convolutional neural networks", doi 10.23915/distill.00021: sizes
    and strides of all windows on the way, the largest of several ways. Where a layer's reach is not known (attention, a
    normalisation over places), a cell is taken to see all of the picture, and to lie where its share of the picture does.

    Args:
        flat: a flat network whose pictures have a size (`flatten(model, input_shape=...)`).
        layer: name or address of a layer that makes feature maps (N, h, w, C).

    Raises:
        UserError: there is no such layer.
    """
    tensor = tensor_of(flat, layer)
    height, width = flat.inputs[0].shape[1:3]
    known: dict[int, ReceptiveField | None] = {
        id(flat.inputs[0]): ReceptiveField(Axis(0.0, 1.0, 1.0), Axis(0.0, 1.0, 1.0))
    }
    for node in nodes_in_order(flat):
        field = _behind(node, known)
        for made in node.outputs:
            known[id(made)] = field
    found = known.get(id(tensor))
    rows, columns = tensor.shape[1:3]
    if found is None:
        return ReceptiveField(_everything(height, rows), _everything(width, columns))
    return found


def _everything(pixels: int, cells: int) -> Axis:
    stride = pixels / cells
    return Axis(stride / 2 - 0.5, stride, math.inf)


def _behind(node: Any, known: dict[int, ReceptiveField | None]) -> ReceptiveField | None:
    """The field of what a call makes; None where it is not known."""
    operation, output = node.operation, node.outputs[0]
    if len(output.shape) != 4 or None in output.shape[1:3]:
        return None
    inputs = [tensor for tensor in node.input_tensors if len(tensor.shape) == 4]
    maps = [tensor for tensor in inputs if _cells(tensor) != (1, 1) or _cells(output) == (1, 1)]
    fields = [known.get(id(tensor)) for tensor in maps]
    if not fields or any(field is None for field in fields):
        return None
    if _is_local(operation, maps, output):
        joined = _joined([field for field in fields if field is not None])
        gate = len(maps) < len(node.input_tensors) and any(id(t) in known for t in node.input_tensors if t not in maps)
        return dataclasses.replace(joined, gated=True) if joined and gate else joined
    field, source = fields[0], maps[0]
    if field is None:
        return None
    axes = [
        _axis(operation, axis, along, source.shape[1 + axis], output.shape[1 + axis])
        for axis, along in enumerate((field.rows, field.columns))
    ]
    return None if axes[0] is None or axes[1] is None else ReceptiveField(axes[0], axes[1], field.gated)


def _cells(tensor: Any) -> tuple[int, int]:
    return tensor.shape[1], tensor.shape[2]


def _is_local(operation: Any, maps: list[Any], output: Any) -> bool:
    kind = type(operation).__name__
    if any(_cells(tensor) != _cells(output) for tensor in maps):
        return False
    if kind == "LayerNormalization":
        axis = operation.axis
        return list(axis if isinstance(axis, list | tuple) else [axis]) in ([-1], [3])
    if kind == "Concatenate":
        return operation.axis in (-1, 3)
    if kind == "BatchNormalization":
        return operation.axis in (-1, 3)
    if kind == "Softmax":
        return getattr(operation, "axis", -1) in (-1, 3)
    return is_kerass(operation, *_LOCAL)


def _joined(fields: list[ReceptiveField]) -> ReceptiveField | None:
    """What a place sees through several ways."""
    rows, columns = _union([f.rows for f in fields]), _union([f.columns for f in fields])
    if rows is None or columns is None:
        return None
    return ReceptiveField(rows, columns, any(field.gated for field in fields))


def _union(axes: list[Axis]) -> Axis | None:
    first = axes[0]
    if any(abs(axis.stride - first.stride) > 1e-6 * first.stride for axis in axes):
        return None
    if any(math.isinf(axis.size) for axis in axes):
        return next(axis for axis in axes if math.isinf(axis.size))
    start = min(axis.centre - axis.size / 2 for axis in axes)
    end = max(axis.centre + axis.size / 2 for axis in axes)
    return Axis((start + end) / 2, first.stride, end - start)


def _axis(operation: Any, axis: int, along: Axis, before: int, after: int) -> Axis | None:
    """Fields along an axis behind an operation that makes `after` cells of `before`; None where it is not known."""
    kind = type(operation).__name__
    if is_kerass(operation, *_CONVOLUTIONS):
        dilation = _pair(operation.dilation_rate, axis)
        reach = (_pair(operation.kernel_size, axis) - 1) * dilation + 1
        return _window(along, reach, _pair(operation.strides, axis), operation.padding, before)
    if is_kerass(operation, *_POOLS):
        return _window(
            along, _pair(operation.pool_size, axis), _pair(operation.strides, axis), operation.padding, before
        )
    if is_kerass(operation, "Conv2DTranspose"):
        return _transposed(operation, axis, along, before, after)
    if is_kerass(operation, "ZeroPadding2D", "Cropping2D"):
        sign = -1 if kind == "ZeroPadding2D" else 1
        amount = (operation.padding if sign < 0 else operation.cropping)[axis][0]
        return dataclasses.replace(along, centre=along.centre + sign * amount * along.stride)
    if is_kerass(operation, "UpSampling2D"):
        smooth = operation.interpolation != "nearest"
        return _resized(along, 1 / _pair(operation.size, axis), smooth)
    if is_kerass(operation, "Resizing") and not (operation.crop_to_aspect_ratio or operation.pad_to_aspect_ratio):
        return _resized(along, before / after, operation.interpolation != "nearest")
    return None


def _pair(value: Any, axis: int) -> int:
    return int(value[axis] if isinstance(value, list | tuple) else value)


def _window(along: Axis, reach: int, stride: int, padding: str, before: int) -> Axis:
    """Behind windows of `reach` cells; of padding that does not come out even, Keras puts more behind than before."""
    pad = max((math.ceil(before / stride) - 1) * stride + reach - before, 0) // 2 if padding == "same" else 0
    centre = along.centre + ((reach - 1) / 2 - pad) * along.stride
    return Axis(centre, along.stride * stride, along.size + (reach - 1) * along.stride)


def _transposed(operation: Any, axis: int, along: Axis, before: int, after: int) -> Axis | None:
    kernel, stride = _pair(operation.kernel_size, axis), _pair(operation.strides, axis)
    if operation.output_padding is not None or _pair(operation.dilation_rate, axis) != 1:
        return None
    pad = max(kernel - stride, 0) // 2 if operation.padding == "same" else 0
    if after != (before * stride if operation.padding == "same" else (before - 1) * stride + max(kernel, stride)):
        return None
    centre = along.centre + (pad - (kernel - 1) / 2) / stride * along.stride
    # A cell lies under one window more or less than its neighbour, where the stride does not divide the kernel.
    return Axis(centre, along.stride / stride, along.size + (math.ceil(kernel / stride) - 1) * along.stride)


def _resized(along: Axis, ratio: float, smooth: bool) -> Axis:
    """Behind a change of size; `ratio` cells become one, both grids in the middle of their pixels."""
    centre = along.centre + (ratio / 2 - 0.5) * along.stride
    more = max(math.ceil(ratio), 1 + smooth) - 1
    return Axis(centre, along.stride * ratio, along.size + more * along.stride)
