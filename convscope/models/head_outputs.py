"""How a network ends, seen from its graph and from what it answers; and logits made of probabilities."""

from collections.abc import Iterator

import keras
import numpy as np

from convscope.models.graphs import is_random
from convscope.models.head_choice import BETWEEN, CHANCES, SHARES, Ending
from convscope.models.nodes import nodes_in_order
from convscope.models.nonlinearity import activation_name
from convscope.models.spec import FloatArray, ModelSpec

# Below it a probability is 0: its logarithm, -46, and the gradient of that are finite in float32.
_LEAST = 1e-20
# Above 1 minus this a float32 cannot tell a probability from 1.
_ROUNDING = 1e-7
# By how much the shares of a picture may miss their sum, and values the range 0..1.
_TOLERANCE = 1e-4
_SQUASHES = ("sigmoid", "softmax", "hard_sigmoid", "hardsigmoid", "sparsemax", "sparse_sigmoid")
_PASSES = ("Reshape", "Flatten", "Identity", "Squeeze", "ExpandDims", "Rescaling")
_POOLS = ("GlobalAveragePooling2D", "GlobalMaxPooling2D", "AveragePooling2D", "Mean")


def ending_of(flat: keras.Model, removed: str, spec: ModelSpec, loss: str = "") -> Ending:
    """How a canonical network ends.

    Args:
        flat: the network, one output (N, units).
        removed: the activation that was taken off its end, "linear" where there was none.
        spec: how pictures are brought to it; its head is not read.
        loss: what it was trained with, where that is known.
    """
    units = int(flat.outputs[0].shape[-1])
    if removed != "linear":
        return Ending(units, removed, loss=loss)
    last, features = _last_activation(flat)
    squashed = _squashes(flat)
    total = 1.0
    low, high, sums = np.inf, -np.inf, []
    for pixels in _pictures(spec, flat):
        answers = keras.ops.convert_to_numpy(flat(spec.preprocess(pixels), training=False)).astype(np.float64)
        low, high = min(low, float(answers.min())), max(high, float(answers.max()))
        sums += answers.sum(axis=1).tolist()
        if not low >= -_TOLERANCE:
            return Ending(units, last, loss=loss, features=features)
    total = float(np.mean(sums))
    # Any network without a bias answers 0 for a black picture: 0 is no total.
    same = total > _TOLERANCE and np.ptp(sums) <= _TOLERANCE * total
    if units > 1 and same and (abs(total - 1) <= 1e-3 or abs(total - 100) <= 0.1) and high > low:
        return Ending(units, SHARES, total=total, loss=loss)
    if high <= 1 + _TOLERANCE and high > low:
        # What lies in 0..1 although nothing in the network sees to it may leave it for the next picture.
        kind = CHANCES if squashed else BETWEEN if last == "linear" else last
        return Ending(units, kind, loss=loss, exclusive="sigmoid" not in " ".join(squashed), features=features)
    return Ending(units, last, loss=loss, features=features)


def as_rows(flat: keras.Model, size: tuple[int, int], removed: str) -> keras.Model:
    """The network with a row of numbers for each picture, where its output is one in another shape: (N, 1, 1, units), (N,).

    Args:
        flat: a canonical network.
        size: (height, width) of its pictures: what answers one place of those may answer several of larger ones.
        removed: the activation that was taken off its end. A backbone whose last map is one place ends in none that makes
            probabilities, nor in a plain convolution.
    """
    output = flat.outputs[0]
    if len(output.shape) == 1:
        return keras.Model(flat.inputs[0], keras.ops.expand_dims(output, -1), name=flat.name)
    last = next((node.operation for node in nodes_in_order(flat) if any(made is output for made in node.outputs)), None)
    plain = type(last).__name__ == "Conv2D" and activation_name(last) == "linear"
    if len(output.shape) != 4 or not (plain or removed != "linear"):
        return flat
    try:
        shape = flat.compute_output_shape((1, *size, flat.inputs[0].shape[-1]))
    except (ValueError, TypeError):
        return flat
    if tuple(shape[1:3]) != (1, 1):
        return flat
    return keras.Model(flat.inputs[0], keras.layers.GlobalAveragePooling2D(name="one_place")(output), name=flat.name)


def with_scores(flat: keras.Model, scores: str, removed: str, total: float = 1.0) -> keras.Model:
    """The network with scores for outputs; its layers are shared.

    Args:
        flat: a canonical network.
        scores: as `head_choice.Choice` says.
        removed: the activation that was taken off its end; put back before anything is made of its answers.
        total: what the outputs of a picture add up to, for "log".
    """
    if not scores:
        return flat
    ops, y = keras.ops, flat.outputs[0]
    if removed != "linear":
        y = getattr(ops, removed)(y)
    if scores == "outputs" and removed == "linear":
        return flat
    if scores == "log":
        y = ops.log(ops.maximum(y if abs(total - 1) <= 1e-3 else y / total, _LEAST))
    elif scores == "logit":
        y = ops.log(ops.maximum(y, _LEAST)) - ops.log(ops.maximum(1.0 - y, _ROUNDING))
    elif scores == "logit of tanh":
        # (1 + y) / 2 is a sigmoid of twice what the tanh is of.
        y = ops.log(ops.maximum(1.0 + y, _ROUNDING)) - ops.log(ops.maximum(1.0 - y, _ROUNDING))
    return keras.Model(flat.inputs[0], y, name=flat.name)


def _pictures(spec: ModelSpec, flat: keras.Model) -> Iterator[FloatArray]:
    """Pictures of every kind, one at a time: (1, H, W, C), whole numbers 0..255; the most telling ones first."""
    shape = (*spec.input_size, int(flat.inputs[0].shape[-1]))
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (-(-shape[0] // 8), -(-shape[1] // 8), shape[2]))
    blocks = np.kron(coarse, np.ones((8, 8, 1), np.int64))[: shape[0], : shape[1]]
    ramp = np.broadcast_to(np.linspace(0, 255, shape[1])[None, :, None], shape)
    for picture in (rng.integers(0, 256, shape), blocks, ramp, np.full(shape, 255), np.zeros(shape)):
        yield np.rint(picture)[None].astype(np.float32)


def _last_activation(flat: keras.Model) -> tuple[str, bool]:
    """The name of the activation at the end, "linear" where there is none; and whether the end is pooled feature maps."""
    makers = {id(tensor): node for node in nodes_in_order(flat) for tensor in node.outputs}
    tensor, features = flat.outputs[0], False
    while (node := makers.get(id(tensor))) is not None:
        operation = node.operation
        kind = type(operation).__name__
        name = activation_name(operation)
        if name == "linear" and not getattr(operation, "weights", None):
            name = _own_name(kind)
        if name != "linear":
            return name, features
        features |= kind in _POOLS
        if (
            not (is_random(operation) or kind in _PASSES or kind in (*_POOLS, "Activation"))
            or len(node.input_tensors) != 1
        ):
            break
        tensor = node.input_tensors[0]
    return "linear", False


def _own_name(kind: str) -> str:
    """The activation that a layer or an operation is by its class; "linear" where it is none."""
    known = "Tanh ReLU Relu LeakyReLU PReLU ELU Elu Softplus Softsign HardSigmoid HardTanh Sigmoid Softmax Exp Relu6 Gelu Silu"
    return kind.lower() if kind in known.split() else "linear"


def _squashes(flat: keras.Model) -> set[str]:
    """The sigmoids and softmaxes that the outputs are made of; none where something with weights, and no such end, adds to them."""
    makers = {id(tensor): node for node in nodes_in_order(flat) for tensor in node.outputs}
    found: set[str] = set()
    left, seen = [flat.outputs[0]], set()
    while left:
        node = makers.get(id(left.pop()))
        if node is None:
            return set()
        if id(node) in seen:
            continue
        seen.add(id(node))
        operation = node.operation
        name = activation_name(operation)
        name = _own_name(type(operation).__name__) if name == "linear" else name
        if name in _SQUASHES:
            found.add(name)
        elif getattr(operation, "weights", None):
            return set()
        else:
            left += node.input_tensors
    return found
