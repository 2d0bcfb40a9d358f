"""The HDF5 layout of patterns."""

import h5py
import numpy as np
from numpy.typing import NDArray

from convscope.filters.presets import AscentSettings
from convscope.filters.run import FilterPatterns
from convscope.storage import store

# Below the largest number of half precision: an ascent by pixels has no bounds.
_LARGEST = 6e4


def in_halves(patterns: NDArray[np.floating]) -> NDArray[np.float16]:
    """Patterns as they are kept: in half precision, what is beyond it cut off."""
    return np.clip(patterns, -_LARGEST, _LARGEST).astype(np.float16)


def range_of(settings: AscentSettings) -> str:
    """What the numbers of patterns mean, in words."""
    bounded = settings.parameterisation != "pixels"
    return "black is -1, white is 1" + ("" if bounded else "; values beyond are common")


def write_patterns(
    group: h5py.Group, found: FilterPatterns, settings: AscentSettings, axis: str
) -> NDArray[np.float16]:
    """Write patterns: `patterns` (axis, height, width, colour), black -1 and white 1; `objective` (axis, step); `dead` (axis).

    Args:
        group: open for writing.
        found: the patterns.
        settings: that they were made with.
        axis: what there is a pattern of: "filter", "concept".

    Returns:
        The patterns as they were written, (N, size, size, C) float16.
    """
    patterns = in_halves(found.patterns)
    options = {"chunks": (1, *patterns.shape[1:])}
    written = store.write_array(group, "patterns", patterns, (axis, "height", "width", "colour"), **options)
    written.attrs["range"] = range_of(settings)
    store.write_array(group, "objective", found.objective, (axis, "step"))
    store.write_array(group, "dead", found.dead, (axis,))
    return patterns
