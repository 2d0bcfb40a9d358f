"""What models of tf.keras do between their layers (`x / 127.5 - 1`, `tf.nn.relu(x)`), as layers and operations of Keras 3.

A file names the function; nothing but the ones of this table is known, so nothing that a file names is ever called.
"""

import contextlib
import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from convscope.errors import UserError
from convscope.models.json_text import value_of

# In graphs of TensorFlow 2.0 to 2.3, by the name of the operation; the inputs stand in the order of the function's arguments.
_GRAPH_NAMES = {
    "AddV2": "add",
    "Add": "add",
    "BiasAdd": "bias_add",
    "Sub": "subtract",
    "Mul": "multiply",
    "RealDiv": "truediv",
    "Mean": "reduce_mean",
    "Max": "reduce_max",
    "Sum": "reduce_sum",
    "Relu": "relu",
    "Relu6": "relu6",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Softmax": "softmax",
    "Elu": "elu",
    "Selu": "selu",
    "Softplus": "softplus",
    "Exp": "exp",
    "Sqrt": "sqrt",
    "Square": "square",
    "Abs": "abs",
    "Reshape": "reshape",
    "Transpose": "transpose",
    "Maximum": "maximum",
    "Minimum": "minimum",
    "Pow": "pow",
    "Identity": "identity",
    "Cast": "cast",
    "ResizeBilinear": "resize",
    "MatMul": "matmul",
}


def operate(function: str, args: list[Any], kwargs: Mapping[str, Any], name: str) -> Any:
    """The output of a function of TensorFlow's by its name in a file (`math.truediv`), on tensors of Keras 3.

    Raises:
        UserError: it is none of the known ones, or is called in an unknown way.
    """
    known = {key: value for key, value in kwargs.items() if key != "name" and value is not None}
    found = _FUNCTIONS.get(function.removeprefix("tf.").removeprefix("compat.v1.").rpartition(".")[2])
    refused = (
        f"layer '{name}' calls TensorFlow's {function}, which is not taken over; put a layer of Keras's in its place"
    )
    if found is None:
        raise UserError(refused)
    try:
        return found(name, *args, **known)
    except (TypeError, ValueError, IndexError, NotImplementedError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:150]
        raise UserError(f"{refused} ({reason})") from None


def operate_on_constants(config: Mapping[str, Any], values: list[Any]) -> Any:
    """The output of a `TensorFlowOpLayer` of TensorFlow 2.0 to 2.3: an operation, with numbers at some of its places.

    Raises:
        UserError: as of `operate`.
    """
    node = config.get("node_def")
    if isinstance(node, str) and node.startswith("{"):
        with contextlib.suppress(ValueError):
            node = value_of(node)
    if not isinstance(node, Mapping):
        raise UserError(f"layer '{config['name']}' is an operation of TensorFlow's that is not understood")
    args = list(values)
    constants = config.get("constants") or {}
    for place in sorted(constants, key=int):
        args.insert(int(place), constants[place])
    kind = str(node.get("op"))
    attributes = node.get("attr") or {}
    kwargs: dict[str, Any] = {}
    if kind in ("Mean", "Max", "Sum") and attributes.get("keep_dims", {}).get("b"):
        kwargs["keepdims"] = True
    if kind == "ConcatV2":
        return operate("concat", [args[:-1]], {"axis": args[-1]}, config["name"])
    if kind == "ResizeBilinear" and (
        attributes.get("align_corners", {}).get("b") or not attributes.get("half_pixel_centers", {}).get("b")
    ):
        raise UserError(f"layer '{config['name']}' resizes in a way of TensorFlow 1, which Keras 3 has not")
    return operate(_GRAPH_NAMES.get(kind, kind), args, kwargs, config["name"])


def _is_tensor(value: Any) -> bool:
    return isinstance(value, keras.KerasTensor)


def _constant(value: Any, like: Any) -> float | list[float] | None:
    """A number, or one for each channel of a tensor; None where it is neither."""
    array = np.asarray(value, dtype=np.float64)
    if array.size == 1:
        return float(array.reshape(()))
    return list(map(float, array.reshape(-1))) if array.size == array.shape[-1] == like.shape[-1] else None


def _times(value: Any, factor: float) -> Any:
    return [factor * part for part in value] if isinstance(value, list) else factor * value


def _arithmetic(
    layer: Any, constant_right: Callable[[Any], tuple[Any, Any]], constant_left: Any, other: Any
) -> Callable[..., Any]:
    """A function of two: a layer for two tensors, a Rescaling (scale, offset) for a tensor and numbers, else an operation."""

    def apply(name: str, x: Any, y: Any) -> Any:
        if _is_tensor(x) and _is_tensor(y):
            if layer is None or x.shape[1:] != y.shape[1:]:
                return other(x, y)
            return layer(name=name)([x, y])
        tensor, value, way = (x, y, constant_right) if _is_tensor(x) else (y, x, constant_left)
        constant = _constant(value, tensor)
        if constant is None or way is None:
            return other(_array(x), _array(y))
        scale, offset = way(constant)
        return layers.Rescaling(scale, offset, name=name)(tensor)

    return apply


def _array(value: Any) -> Any:
    return value if _is_tensor(value) else np.asarray(value, dtype=np.float32)


def _inverse(value: Any) -> Any:
    return [1 / part for part in value] if isinstance(value, list) else 1 / value


def _unary(make: Callable[..., Any], **renamed: str) -> Callable[..., Any]:
    """A function of one tensor that is a layer; `renamed` are its arguments' names there."""

    def apply(name: str, x: Any, **kwargs: Any) -> Any:
        return make(name=name, **{renamed[key]: value for key, value in kwargs.items()})(x)

    return apply


def _activation(function: str) -> Callable[..., Any]:
    return lambda name, x: layers.Activation(function, name=name)(x)


def _same(name: str, x: Any, *_: Any, dtype: Any = "float32", **__: Any) -> Any:
    if str(dtype) not in ("float32", "float16", "bfloat16", "float64") and not isinstance(dtype, Mapping):
        raise ValueError(f"to {dtype}")
    return layers.Identity(name=name)(x)


def _reduced(operation: Any, pooling: Any) -> Callable[..., Any]:
    def apply(name: str, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        axes = sorted(number % len(x.shape) for number in np.atleast_1d(axis).tolist()) if axis is not None else None
        if axes is None or 0 in axes:
            raise ValueError("over the pictures of a batch")
        if pooling is not None and axes == [1, 2] and len(x.shape) == 4:
            return pooling(keepdims=keepdims, name=name)(x)
        return operation(x, axis=axes if len(axes) > 1 else axes[0], keepdims=keepdims)

    return apply


def _reshape(name: str, tensor: Any, shape: Any) -> Any:
    shape = list(shape)
    if any(_is_tensor(size) for size in shape) or not shape:
        raise ValueError("to a shape that is computed")
    rest, known = shape[1:], tensor.shape[1:]
    if shape[0] not in (-1, None) and not (shape[0] == 1 and -1 in rest):
        raise ValueError("of the pictures of a batch")
    if -1 not in rest and None not in known and math.prod(rest) != math.prod(known):
        raise ValueError("of the pictures of a batch")
    return layers.Reshape(rest, name=name)(tensor)


def _transpose(name: str, a: Any, perm: Any = None) -> Any:
    if perm is None or perm[0] != 0:
        raise ValueError("of the pictures of a batch")
    return layers.Permute(list(perm[1:]), name=name)(a)


def _concat(name: str, values: Any, axis: int) -> Any:
    return layers.Concatenate(axis=axis, name=name)(values)


def _resize(name: str, images: Any, size: Any, method: str = "bilinear", **kwargs: Any) -> Any:
    if (
        kwargs.get("antialias")
        or kwargs.get("preserve_aspect_ratio")
        or method not in ("bilinear", "nearest", "bicubic")
    ):
        raise ValueError(f"method {method}")
    return layers.Resizing(int(size[0]), int(size[1]), interpolation=method, name=name)(images)


def _pad(name: str, tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: float = 0) -> Any:
    if len(paddings) != 4 or any(map(any, (paddings[0], paddings[3]))) or mode.upper() != "CONSTANT" or constant_values:
        raise ValueError(f"mode {mode}")
    return layers.ZeroPadding2D(paddings[1:3], name=name)(tensor)


def _getitem(name: str, tensor: Any, slice_spec: Any) -> Any:
    """A part of a tensor: `x[..., ::-1]`, `x[:, 0]`."""
    keys: list[Any] = []
    for part in slice_spec if isinstance(slice_spec, list) else [slice_spec]:
        if part is None:
            keys.append(None)  # a new axis, x[..., None]
        elif isinstance(part, Mapping):
            keys.append(slice(part.get("start"), part.get("stop"), part.get("step")))
        elif part in ("Ellipsis", "...", Ellipsis):
            held = [other for other in slice_spec if other is not None]
            keys += [slice(None)] * (len(tensor.shape) - len(held) + 1)
        elif isinstance(part, int):
            keys.append(part)
        else:
            raise ValueError("of places that are computed")
    if any(_is_tensor(end) for key in keys if isinstance(key, slice) for end in (key.start, key.stop, key.step)):
        raise ValueError("of places that are computed")
    if keys[0] != slice(None):
        raise ValueError("of the pictures of a batch")
    turned = [axis for axis, key in enumerate(keys) if key == slice(None, None, -1)]
    if turned and all(key == slice(None) for axis, key in enumerate(keys) if axis not in turned):
        return ops.flip(tensor, axis=turned)
    return tensor[tuple(keys)]


def _clip(name: str, t: Any, clip_value_min: Any, clip_value_max: Any) -> Any:
    return ops.clip(t, clip_value_min, clip_value_max)


def _split(name: str, value: Any, num_or_size_splits: Any, axis: int = 0) -> Any:
    if axis % len(value.shape) == 0:
        raise ValueError("of the pictures of a batch")
    # TensorFlow counts the parts or gives their lengths, Keras the places between them.
    parts = num_or_size_splits
    return ops.split(value, np.cumsum(parts)[:-1].tolist() if isinstance(parts, list) else int(parts), axis=axis)


def _stack(name: str, values: Any, axis: int = 0) -> Any:
    return ops.stack(values, axis=axis)


def _standardized(name: str, image: Any) -> Any:
    """`tf.image.per_image_standardization`: each picture by its own mean and deviation, which is at least 1 / sqrt(numbers)."""
    axes, least = (1, 2, 3), 1 / math.sqrt(math.prod(image.shape[1:]))
    centred = ops.subtract(image, ops.mean(image, axis=axes, keepdims=True))
    return ops.divide(centred, ops.maximum(ops.std(image, axis=axes, keepdims=True), least))


def _gray(name: str, images: Any) -> Any:
    return ops.sum(ops.multiply(images, np.asarray([0.2989, 0.587, 0.114], np.float32)), axis=-1, keepdims=True)


def _first_is_tensor(operation: Callable[..., Any], **defaults: Any) -> Callable[..., Any]:
    def apply(name: str, x: Any, *args: Any, **kwargs: Any) -> Any:
        return operation(x, *args, **{**defaults, **kwargs})

    return apply


_ADD = _arithmetic(layers.Add, lambda c: (1.0, c), lambda c: (1.0, c), ops.add)
_SUBTRACT = _arithmetic(layers.Subtract, lambda c: (1.0, _times(c, -1.0)), lambda c: (-1.0, c), ops.subtract)
_MULTIPLY = _arithmetic(layers.Multiply, lambda c: (c, 0.0), lambda c: (c, 0.0), ops.multiply)
_DIVIDE = _arithmetic(None, lambda c: (_inverse(c), 0.0), None, ops.divide)
_MEAN = _reduced(ops.mean, layers.GlobalAveragePooling2D)
_MAX = _reduced(ops.max, layers.GlobalMaxPooling2D)
_SOFTMAX = _unary(layers.Softmax, axis="axis")


def _bias_add(name: str, value: Any, bias: Any, data_format: str = "NHWC") -> Any:
    if not data_format.startswith("N") or not data_format.endswith("C"):
        raise ValueError(f"data_format {data_format}")
    return _ADD(name, value, bias)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": _ADD,
    "bias_add": _bias_add,
    "subtract": _SUBTRACT,
    "sub": _SUBTRACT,
    "multiply": _MULTIPLY,
    "mul": _MULTIPLY,
    "truediv": _DIVIDE,
    "divide": _DIVIDE,
    "div_no_nan": _DIVIDE,
    "maximum": _arithmetic(layers.Maximum, None, None, ops.maximum),  # type: ignore[arg-type]
    "minimum": _arithmetic(layers.Minimum, None, None, ops.minimum),  # type: ignore[arg-type]
    "pow": _first_is_tensor(lambda x, y: ops.power(x, y)),
    "negative": lambda name, x: layers.Rescaling(-1.0, name=name)(x),
    "relu": _unary(layers.ReLU),
    "relu6": lambda name, features: layers.ReLU(max_value=6.0, name=name)(features),
    "leaky_relu": lambda name, features, alpha=0.2: layers.LeakyReLU(negative_slope=alpha, name=name)(features),
    "elu": _activation("elu"),
    "selu": _activation("selu"),
    "sigmoid": _activation("sigmoid"),
    "tanh": _activation("tanh"),
    "softplus": _activation("softplus"),
    "softsign": _activation("softsign"),
    "silu": _activation("silu"),
    "swish": _activation("silu"),
    "gelu": lambda name, features, approximate=False: ops.gelu(features, approximate=approximate),
    "softmax": lambda name, logits, axis=-1: _SOFTMAX(name, logits, axis=axis),
    "exp": _activation("exponential"),
    "log": _first_is_tensor(ops.log),
    "sqrt": _first_is_tensor(ops.sqrt),
    "square": _first_is_tensor(ops.square),
    "abs": _first_is_tensor(ops.abs),
    "identity": _same,
    "stop_gradient": _same,
    "convert_to_tensor": _same,
    "cast": lambda name, x, dtype="float32": _same(name, x, dtype=dtype),
    "reduce_mean": _MEAN,
    "mean": _MEAN,
    "reduce_max": _MAX,
    "max": _MAX,
    "reduce_sum": _reduced(ops.sum, None),
    "sum": _reduced(ops.sum, None),
    "reshape": _reshape,
    "transpose": _transpose,
    "concat": _concat,
    "concatenate": _concat,
    "resize": _resize,
    "resize_images_v2": _resize,
    "pad": _pad,
    "expand_dims": _first_is_tensor(lambda x, axis: ops.expand_dims(x, axis)),
    "squeeze": _first_is_tensor(lambda x, axis: ops.squeeze(x, axis)),
    "getitem": _getitem,
    "clip_by_value": _clip,
    "l2_normalize": lambda name, x, axis=-1: layers.UnitNormalization(axis=axis, name=name)(x),
    "matmul": lambda name, a, b: ops.matmul(a, b),
    "flatten": _unary(layers.Flatten),
    "argmax": lambda name, x, axis=None: ops.argmax(x, axis=axis),
    "split": _split,
    "stack": _stack,
    "add_n": lambda name, inputs: layers.Add(name=name)(inputs),
    "per_image_standardization": _standardized,
    "rgb_to_grayscale": _gray,
    "grayscale_to_rgb": lambda name, images: layers.Concatenate(name=name)([images] * 3),
}
