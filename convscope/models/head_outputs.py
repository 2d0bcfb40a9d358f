"""How a network ends, seen from its graph and from what it answers; and logits made of probabilities."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np

from convscope.models.graphs import is_random
from convscope.models.head_choice import (
    BETWEEN,
    CHANCES,
    LOG_CHANCES,
    LOG_SHARES,
    RESCALED,
    SHARES,
    Ending,
    loss_kind,
    takes_logits,
)
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
_PASSES = ("Reshape", "Flatten", "Identity", "Squeeze", "ExpandDims")
# Activations that mean something by the range of their values, which a rescaling behind them takes away.
_BOUNDED = (*_SQUASHES, "tanh", "hard_tanh", "hardtanh", "softsign", "log_softmax", "log_sigmoid")
# Constant but for steps.
_STEPS = ("Ceil", "Floor", "Round", "OneHot", "StopGradient", "Sign", "FloorDivide")
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
    end = _last_activation(flat)
    squashed = _squashes(flat)
    low, high, sums, log_sums = np.inf, -np.inf, [], []
    for pixels in _pictures(spec, flat):
        answers = keras.ops.convert_to_numpy(flat(spec.preprocess(pixels), training=False)).astype(np.float64)
        low, high = min(low, float(answers.min())), max(high, float(answers.max()))
        sums += answers.sum(axis=1).tolist()
        log_sums += np.exp(np.minimum(answers, 1.0)).sum(axis=1).tolist()
        if low < -_TOLERANCE < _TOLERANCE < high:
            break
    return _by_values(end, squashed, Values(units, low, high, sums, log_sums), loss)


class Values(NamedTuple):
    """What a network answers to several pictures: the least and the largest number, sums of numbers and of their exponentials."""

    units: int
    low: float
    high: float
    sums: list[float]
    log_sums: list[float]

    @property
    def total(self) -> float:
        """What the numbers of every picture add up to; 0 where they do not, or to nothing that says anything."""
        mean = float(np.mean(self.sums))
        # Any network without a bias answers 0 for a black picture: 0 is no total.
        same = mean > _TOLERANCE and float(np.ptp(self.sums)) <= _TOLERANCE * mean
        return mean if same and self.units > 1 and self.high > self.low >= -_TOLERANCE else 0.0


def _by_values(end: "_End", squashed: set[str], seen: Values, loss: str) -> Ending:
    units, total = seen.units, seen.total
    soft, within = squashed == {"softmax"}, seen.high <= 1 + _TOLERANCE
    if abs(total - 1) <= 1e-3 or abs(total - 100) <= 0.1:
        return Ending(units, SHARES, total=total, loss=loss)
    # Several softmaxes side by side add up to their number, one that is rescaled to anything.
    beside = total > 1.5 and within and abs(total - round(total)) <= 1e-3
    if soft and total and not beside:
        return Ending(units, SHARES, total=total, loss=loss)
    if seen.high <= _TOLERANCE and seen.low < -_TOLERANCE:
        if units > 1 and np.abs(np.asarray(seen.log_sums) - 1).max() <= 1e-3:
            return Ending(units, LOG_SHARES, loss=loss)
        if end.name == "log_sigmoid" or (end.name == "linear" and "sigmoid" in squashed):
            return Ending(units, LOG_CHANCES, loss=loss)
    if seen.low >= -_TOLERANCE and within and seen.high > seen.low:
        # What lies in 0..1 although nothing in the network sees to it may leave it for the next picture: weights are at its end, and
        # only a loss that takes probabilities has made some of what they add up.
        logits = takes_logits(loss) or (end.weighted and loss_kind(loss) != "yes or no")
        own = end.leaves or logits or (end.name != "linear" and not end.name.startswith(RESCALED))
        kind = CHANCES if squashed and not end.leaves else end.name if own else BETWEEN
        exclusive = not beside and "sigmoid" not in " ".join(squashed)
        return Ending(units, kind, loss=loss, exclusive=exclusive, features=end.features)
    name = f"{RESCALED}{min(squashed)}" if squashed and end.name == "linear" else end.name
    return Ending(units, name, loss=loss, features=end.features)


def has_gradient(flat: keras.Model) -> bool:
    """Whether a way from the picture to the output passes float numbers only, and nothing that has no derivative anywhere."""
    reached = {id(flat.inputs[0])}
    for node in nodes_in_order(flat):
        if type(node.operation).__name__ in _STEPS or not any(id(used) in reached for used in node.input_tensors):
            continue
        reached.update(id(made) for made in node.outputs if "float" in made.dtype)
    return id(flat.outputs[0]) in reached


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
        return keras.Model(flat.inputs[0], _Named(flat)(keras.ops.expand_dims(output, -1), "row"), name=flat.name)
    last = next((node.operation for node in nodes_in_order(flat) if any(made is output for made in node.outputs)), None)
    plain = type(last).__name__ in ("Conv2D", "Dense") and activation_name(last) == "linear"
    if len(output.shape) not in (3, 4) or not (plain or removed != "linear"):
        return flat
    try:
        shape = flat.compute_output_shape((1, *size, flat.inputs[0].shape[-1]))
    except (ValueError, TypeError):
        return flat
    if len(shape) == 4 and tuple(shape[1:3]) == (1, 1):
        return keras.Model(
            flat.inputs[0], keras.layers.GlobalAveragePooling2D(name="one_place")(output), name=flat.name
        )
    sizes = [length for length in shape[1:] if length != 1]
    if None in output.shape[1:] or len(sizes) > 1 or (removed == "softmax" and shape[-1] == 1):
        return flat
    row = keras.ops.reshape(output, (-1, math.prod(sizes)))
    return keras.Model(flat.inputs[0], _Named(flat)(row, "row"), name=flat.name)


class _Named:
    """Gives operations names that no other of a network has.

    Keras counts the names of its own up over the life of the process; a network's digest has them in it.
    """

    def __init__(self, flat: keras.Model) -> None:
        self._used = {operation.name for operation in flat.operations}

    def __call__(self, tensor: Any, name: str) -> Any:
        while name in self._used:
            name += "_"
        self._used.add(name)
        tensor._keras_history.operation.name = name
        return tensor


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
    ops, y, named = keras.ops, flat.outputs[0], _Named(flat)
    if removed != "linear":
        y = named(getattr(ops, removed)(y), "answer")
    if scores == "outputs" and removed == "linear":
        return flat

    def log(value: Any, least: float, name: str) -> Any:
        return named(ops.log(named(ops.maximum(value, least), f"{name}_least")), f"{name}_log")

    if scores == "log":
        y = log(y if abs(total - 1) <= 1e-3 else named(y / total, "share"), _LEAST, "share")
    elif scores == "logit":
        y = named(log(y, _LEAST, "yes") - log(named(1.0 - y, "no"), _ROUNDING, "no"), "logit")
    elif scores == "logit of exp":
        y = named(y - log(named(1.0 - named(ops.exp(y), "yes"), "no"), _ROUNDING, "no"), "logit")
    elif scores == "logit of tanh":
        # (1 + y) / 2 is a sigmoid of twice what the tanh is of.
        yes, no = named(1.0 + y, "yes"), named(1.0 - y, "no")
        y = named(log(yes, _ROUNDING, "yes") - log(no, _ROUNDING, "no"), "logit")
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


class _End(NamedTuple):
    """The last activation of a network, "linear" where there is none.

    `features`: it is behind pooled maps. `weighted`: a layer with weights, and no activation, is at the end. `leaves`: a rescaling
    behind the activation takes it out of 0..1, if not for the pictures tried.
    """

    name: str
    features: bool = False
    weighted: bool = False
    leaves: bool = False


def _last_activation(flat: keras.Model) -> _End:
    makers = {id(tensor): node for node in nodes_in_order(flat) for tensor in node.outputs}
    tensor, features, rescaled = flat.outputs[0], False, list[Any]()
    while (node := makers.get(id(tensor))) is not None:
        operation = node.operation
        kind = type(operation).__name__
        name = activation_name(operation)
        if name == "linear" and not getattr(operation, "weights", None):
            name = _own_name(kind)
        if name != "linear":
            if rescaled and name in _BOUNDED:
                return _End(RESCALED + name, features, leaves=_leaves(name, rescaled))
            return _End(name, features)
        features |= kind in _POOLS
        rescaled += [operation] * (kind == "Rescaling")
        passes = is_random(operation) or kind in (*_PASSES, *_POOLS, "Activation", "Rescaling")
        if not passes or len(node.input_tensors) != 1:
            return _End("linear", weighted=bool(getattr(operation, "weights", None)))
        tensor = node.input_tensors[0]
    return _End("linear")


def _leaves(name: str, rescaled: list[Any]) -> bool:
    """Whether rescaling layers, the last one first, can bring an activation's values out of 0..1."""
    ends = np.array([0.0 if name in _SQUASHES else -1.0, 1.0])
    if "log" in name:
        return True
    for layer in reversed(rescaled):
        scale, offset = (np.ravel(np.asarray(value, np.float64))[:, None] for value in (layer.scale, layer.offset))
        ends = ends * scale + offset
    return bool(ends.min() < -_TOLERANCE or ends.max() > 1 + _TOLERANCE)


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
