"""Patterns of the concepts that were found: pictures that a layer answers with much of one of them, and not of the others."""

import json
from collections.abc import Callable

import h5py
import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from convscope.backends.running import to_numpy
from convscope.filters.many import ManyObjective, Wanted, ascend_many, tokens_beside
from convscope.filters.presets import AscentSettings
from convscope.filters.run import FilterPatterns, model_space
from convscope.filters.store import write_patterns as write_found_patterns
from convscope.models.spec import ModelSpec
from convscope.storage import store
from convscope.vectors.factors import amounts

# Of the largest singular value: what is below is noise of two parts that are nearly one, and they share a pattern.
_LEAST = 0.05


def towards(parts: NDArray[np.float32]) -> NDArray[np.float32]:
    """For each concept the weights of the channels that make up its own amount: the rows of the transposed pseudo-inverse of W.

    The amounts U of answers A are A W+, where none of them is 0 (the least squares of A = U W, without U's sign). The answers along a
    part itself, A W^T, are also those of all parts like it, and of a layer's ten parts most have the same strongest channels.

    Args:
        parts: (r, C), W.

    Returns:
        (r, C) float32.
    """
    return np.linalg.pinv(np.asarray(parts, np.float64), rcond=_LEAST).T.astype(np.float32)


def patterns_of(
    network: keras.Model,
    spec: ModelSpec,
    cut: str,
    parts: NDArray[np.float32],
    settings: AscentSettings,
    seed: int,
    step: Callable[[int], None] = lambda count: None,
    report: Callable[[str], None] = lambda line: None,
) -> tuple[FilterPatterns, AscentSettings]:
    """Find the patterns of the concepts of a class at a layer: the mean over places of the concept's amount is what rises.

    Args:
        network: flat functional model, model space -> anything.
        spec: its preprocessing.
        cut: the layer whose answers were taken apart.
        parts: (r, C), r > 0.
        settings: of the ascent.
        seed: the run's seed.
        step: called with how many were found.
        report: takes lines for the log.

    Returns:
        The patterns, and the settings that they were made with: see `ascend_many`.

    Raises:
        UserError: the network takes no picture of that size.
    """
    wanted = Wanted(cut, towards(parts), [str(number + 1) for number in range(len(parts))])
    return ascend_many(network, spec, f"concepts at {cut}", wanted, settings, seed, step, report)


def amounts_in(
    network: keras.Model, spec: ModelSpec, cut: str, parts: NDArray[np.float32], patterns: NDArray[np.floating]
) -> NDArray[np.float32]:
    """How much of each concept patterns have, as it is counted in pictures: never below 0, the mean over places.

    Args:
        network, spec, cut, parts: as in `patterns_of`.
        patterns: (n, size, size, C), black -1 and white 1.

    Returns:
        (n, r) float32.
    """
    wanted = Wanted(cut, parts, [""] * len(parts))
    layer = ManyObjective(network, wanted, 0, tokens_beside(network, spec, cut))
    convert = model_space(spec)
    rows = []
    for pattern in patterns:
        shown, _ = convert(ops.convert_to_tensor(np.asarray(pattern[None], np.float32)))
        maps = np.asarray(to_numpy(layer.maps(shown)), np.float32)
        rows.append(amounts(maps, parts).reshape(-1, len(parts)).mean(axis=0))
    return np.stack(rows)


def write_patterns(
    group: h5py.Group,
    found: FilterPatterns,
    settings: AscentSettings,
    amount: NDArray[np.floating],
    usual: NDArray[np.floating],
) -> NDArray[np.bool_]:
    """Write them (see `filters.store`), along the axis `concept`; and `amount` and `usual` (concept).

    The settings that they were made with are the group's attribute `settings`: another size than was asked for, where the network
    takes no other.

    Args:
        group: open for writing.
        found, settings: of `patterns_of`.
        amount: (r,), how much of its own concept each pattern has (the diagonal of `amounts_in`).
        usual: (r,), the mean of the class's pictures.

    Returns:
        (r,), which ones fail: no step moved them, or they have nothing of the concept (or no number tells how much), or less than
        pictures have that nobody made for it. The amount that is ascended is that of the least squares, which also rises where those
        of other concepts fall below 0, and there they are 0.
    """
    group.attrs["settings"] = json.dumps(settings.as_dict(), sort_keys=True)
    write_found_patterns(group, found, settings, "concept")
    # Said of what succeeds, so that NaN does not.
    failed = found.dead | ~((np.asarray(amount) >= usual) & (np.asarray(amount) > 0))
    for name, values in (("amount", amount), ("usual", usual), ("failed", failed)):
        store.write_array(group, name, values, ("concept",))
    return np.asarray(failed)
