"""Which patterns of a unit to believe, as the page of the units shows it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convscope.jobs.job import check
from convscope.storage import store
from convscope.storage.tables import read_table
from convscope.units.trust import LayerPaths, PatternRow, read_paths

# Layers on the way that are drawn of each unit.
_POINTS = 12


def trusted(
    folder: Path, layers: Sequence[tuple[str, int, Sequence[str]]]
) -> tuple[dict[str, list[Any]], dict[str, list[str]]]:
    """What is known of the patterns of all units.

    Args:
        folder: `units/<model>/<image set>`.
        layers: name, number of units and presets of each.

    Returns:
        Columns with a value for every unit: `trust`, that of the first preset ("yes", "no", "", or None where nothing was measured);
        `measured`, for each pattern [preset, trust, words, cosines by layer]; `way`, [best, random] by layer, or None. And by the
        layers' names the layers that the cosines are of.
    """
    columns: dict[str, list[Any]] = {"trust": [], "measured": [], "way": []}
    names: dict[str, list[str]] = {}
    table = folder / "patterns.csv"
    rows = {}
    if table.is_file():
        check([table])
        rows = {(row.layer, row.unit, row.preset): row for row in read_table(table, PatternRow)}
    for layer, count, presets in layers:
        found = _paths(folder / "paths" / f"{layer}.h5") if presets and rows else None
        names[layer] = [] if found is None else [found.way[place] for place in _shown(found)]
        places = {} if found is None else {int(unit): row for row, unit in enumerate(found.units)}
        for unit in range(count):
            measured = [
                [place, row.trust, row.words, _curve(found, found.alike[preset][places[unit]])]
                for place, preset in enumerate(presets)
                if found is not None and preset in found.alike and unit in places
                if (row := rows.get((layer, unit, preset))) is not None
            ]
            columns["measured"].append(measured)
            columns["trust"].append(measured[0][1] if measured and not measured[0][0] else None)
            way = found is not None and bool(measured)
            columns["way"].append(
                [_curve(found, each[places[unit]]) for each in (found.best, found.middle)] if way and found else None
            )
    return columns, names


def _paths(path: Path) -> LayerPaths | None:
    if not path.is_file():
        return None
    check([path])
    with store.open_file(path) as file:
        return read_paths(file)


def _shown(found: LayerPaths) -> list[int]:
    count = len(found.way)
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, _POINTS))})


def _curve(found: LayerPaths, cosines: np.ndarray) -> list[float | None]:
    return [round(float(cosines[place]), 2) if np.isfinite(cosines[place]) else None for place in _shown(found)]
