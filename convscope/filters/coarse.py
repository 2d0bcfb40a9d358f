"""Keras's own layers in a coarser number format, each copy looked at before it is believed."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from convscope.backends.running import to_numpy
from convscope.errors import UserError, said_by_keras
from convscope.filters.calls import call_of, rounded
from convscope.filters.mistrust import Mistrust

# Of the length of a layer's output. In bfloat16 a sum is off by thousandths; a copy that lacks something is off by all of it.
_OFF = 0.1
# Of a picture whose size the network leaves open.
_SIDE = 128


def coarse_operations(
    network: keras.Model, nodes: Sequence[Any], precision: str, report: Callable[[str], None]
) -> dict[int, Any]:
    """What computes in the place of each operation: a copy in a coarser format; itself where it has no format, or no copy is the same.

    A layer is copied from its settings. Of one of somebody's own these may not say all that it is: its output for noise is held
    against that of its copy.

    Args:
        network: flat functional model.
        nodes: calls of it, in order, with all that they take their inputs from.
        precision: "bfloat16", say.
        report: takes a line for each layer that goes on in float32.

    Returns:
        By the id of the operation.
    """
    known: dict[int, Any] = {}
    for operation in {id(node.operation): node.operation for node in nodes}.values():
        try:
            known[id(operation)] = rounded(operation, precision)
        except Exception as error:  # whatever somebody's own code raises
            known[id(operation)] = _left(operation, report, f"it cannot be copied ({said_by_keras(error)})")
    doubtful = {key for key, copy in known.items() if not type(copy).__module__.startswith("keras.")}
    doubtful &= {id(node.operation) for node in nodes if known[id(node.operation)] is not node.operation}
    if not doubtful:
        return known
    image = network.inputs[0]
    shape = [1, *(side or _SIDE for side in image.shape[1:3]), image.shape[-1]]
    values = {id(image): ops.convert_to_tensor(np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32))}
    last = max(place for place, node in enumerate(nodes) if id(node.operation) in doubtful)
    for node in nodes[: last + 1]:
        operation = node.operation
        made = [ops.stop_gradient(each) for each in call_of(node)(values)]
        doubted = id(operation) in doubtful and known[id(operation)] is not operation
        if doubted and (off := _apart(node, known[id(operation)], values, made)) > _OFF:
            why = f"a copy made from its settings is another layer (off by {off:.0%}); does get_config say all of it?"
            known[id(operation)] = _left(operation, report, why)
        values.update(zip(map(id, node.outputs), made, strict=True))
    return known


def _left(operation: Any, report: Callable[[str], None], why: str) -> Any:
    report(f"layer '{operation.name}' goes on in float32: {why}")
    return operation


def _apart(node: Any, copy: Any, values: dict[int, Any], made: list[Any]) -> float:
    """How far a copy's outputs are from the layer's, as a share of their length; what does not run is as far as can be."""
    try:
        found = call_of(node, copy)(values)
    except Exception:  # whatever somebody's own code raises
        return np.inf
    pairs = [
        (to_numpy(ops.cast(one, "float32")), to_numpy(ops.cast(other, "float32")))
        for one, other in zip(found, made, strict=True)
    ]
    return max(float(np.linalg.norm(one - other)) / max(float(np.linalg.norm(other)), 1e-12) for one, other in pairs)


class Unproved:
    """In the place of a `Proof` where there is one way alone, in a coarser format: what that has no answer to is asked in float32."""

    passed_on = (UserError, MemoryError)

    def __init__(self, precision: str) -> None:
        self._precision = precision

    def check(self, *_: Any) -> None:
        """Nothing."""

    def settle(self) -> None:
        """Nothing."""

    def gave_up(self, error: Exception, size: int) -> Mistrust:
        """What to raise where a step did not run."""
        return Mistrust(f"in {self._precision} {type(error).__name__}: {said_by_keras(error)}, at {size} px")
