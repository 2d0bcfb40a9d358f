"""Patterns of the concepts that were found: pictures that a layer answers with much of one of them, and not of the others."""

import json
from collections.abc import Callable

import h5py
import keras
import numpy as np
from numpy.typing import NDArray

from convscope.filters import store
from convscope.filters.many import Wanted, ascend_many
from convscope.filters.presets import AscentSettings
from convscope.filters.run import FilterPatterns
from convscope.models.spec import ModelSpec

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


def write_patterns(group: h5py.Group, found: FilterPatterns, settings: AscentSettings) -> None:
    """Write them (see `filters.store`), along the axis `concept`.

    The settings that they were made with are the group's attribute `settings`: another size than was asked for, where the network
    takes no other.
    """
    group.attrs["settings"] = json.dumps(settings.as_dict(), sort_keys=True)
    store.write_patterns(group, found, settings, "concept")
