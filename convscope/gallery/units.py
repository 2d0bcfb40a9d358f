"""What every unit of a model looks for, as a page of thousands of units shows it: columns for `data_files`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from convscope.filters.presets import NEGATIVE
from convscope.gallery.filters import Layer
from convscope.gallery.tables import existing
from convscope.gallery.trust import trusted
from convscope.jobs.job import check
from convscope.storage import store
from convscope.storage.tables import read_table
from convscope.units.crops import CELL, UNITS_A_SHEET
from convscope.units.report import UnitRow
from convscope.units.selection import SPREAD
from convscope.units.store import group_of

# The columns that a page sorts, filters and finds by.
WHOLE = (
    "layer", "unit", "words", "detects", "kind", "concept", "iou", "fires", "favourite", "ratio", "selectivity", "strength", "fired",
    "trust",
)  # fmt: skip
_RELATIONS = ("answers", "weights", "fed_by", "feeds")
# Concepts told of each unit, those that are most above chance; points of the curve of its objective.
_TOLD, _POINTS = 5, 24
# Classes told of each unit.
_CLASSES = 10


@dataclass(frozen=True)
class LayerUnits:
    """A layer of which units are told.

    Attributes:
        row: the first of its rows.
        first: the number of its first filter.
        crops: the folder of its sheets of crops.
        presets: those that have patterns of it, with the grid's picture, a cell's side, width and height, pixels.
    """

    name: str
    row: int
    units: int
    first: int
    crops: Path | None
    presets: tuple[tuple[str, Path, int, int, int], ...]


@dataclass(frozen=True)
class Units:
    """The units of a model on an image set; `columns` have a value for every unit, in the order of the table."""

    image_set: str
    images: int
    layers: tuple[LayerUnits, ...]
    columns: Mapping[str, Sequence[Any]]
    labels: tuple[str, ...]
    concepts: tuple[str, ...]
    pictures: tuple[tuple[str, str], ...]
    ways: Mapping[str, Sequence[str]]
    figure: Path | None
    sheet: Path | None
    patterns: Path | None
    files: tuple[Path, ...]

    @property
    def count(self) -> int:
        """How many units."""
        return len(self.columns["unit"])

    @property
    def believed(self) -> tuple[int, int]:
        """Of how many units the first preset's pattern is to be believed, and is not."""
        values = list(self.columns["trust"])
        return values.count("yes"), values.count("no")

    @property
    def detectors(self) -> int:
        """How many units detect a concept."""
        return sum(kind == "concept" for kind in self.columns["detects"])

    @property
    def dead(self) -> int:
        """How many units never fire."""
        return sum(fired == 0 for fired in self.columns["fired"])

    @property
    def found(self) -> list[tuple[str, int]]:
        """What most units detect, with their number."""
        counts: dict[str, int] = {}
        for kind, concept in zip(self.columns["detects"], self.columns["concept"], strict=True):
            if kind == "concept":
                counts[concept] = counts.get(concept, 0) + 1
        return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))


def units(folder: Path, layers: Sequence[Layer], measured: bool = False) -> Units:
    """Read a folder `units/<model>/<image set>`.

    Args:
        folder: the folder.
        layers: of the model, with their filter patterns.
        measured: whether it may be told which of these to believe.

    Raises:
        UserError: a table is damaged.
    """
    check([folder / "units.csv", folder / "units.h5"])
    rows = read_table(folder / "units.csv", UnitRow)
    columns: dict[str, list[Any]] = {name: [] for name in WHOLE}
    for row in rows:
        for name in WHOLE[:-1]:
            columns[name].append(_plain(getattr(row, name)))
    for name in ("low", "high", "chance", "inside", "inside_chance", "threshold", "strongest"):
        columns[name] = [_plain(getattr(row, name)) for row in rows]
    by_name = {layer.name: layer for layer in layers}
    told: list[LayerUnits] = []
    with store.open_file(folder / "units.h5") as file:
        numbers = dict(zip(store.read_text(file["layer"]), map(int, file["first"][()]), strict=True))
        names = list(dict.fromkeys(columns["layer"]))
        # Another division among jobs, or other pictures, may have left crops of a layer in another folder.
        parts = dict(zip(store.read_text(file["layer"]), store.read_text(file["part"]), strict=True))
        crops = {name: folder / "crops" / parts[name] for name in names}
        for name in names:
            count = len(group_of(file, name)["threshold"])
            layer = by_name.get(name)
            grids = _grids(layer)
            told.append(
                LayerUnits(
                    name,
                    sum(other.units for other in told),
                    count,
                    numbers[name],
                    crops[name] if (crops[name] / f"{name}.00000.jpg").is_file() else None,
                    grids,
                )
            )
            for key, values in _of_layer(group_of(file, name)).items():
                columns.setdefault(key, []).extend(values)
            columns.setdefault("patterns", []).extend(_patterns(layer, count))
            columns.setdefault("rise", []).extend(_rises(layer, count))
        believed, ways = trusted(
            folder, [(each.name, each.units, [preset[0] for preset in each.presets if measured]) for each in told]
        )
        columns.update(believed)
        measured = any(columns["measured"])
        index = {name: place for place, name in enumerate(names)}
        columns["layer"] = [index[name] for name in columns["layer"]]
        return Units(
            image_set=folder.name,
            images=len(file["id"]),
            layers=tuple(told),
            columns=columns,
            labels=tuple(store.read_text(file["label"])),
            concepts=tuple(store.read_text(file["concept"])),
            pictures=tuple(zip(store.read_text(file["id"]), store.read_text(file["class"]), strict=True)),
            ways=ways,
            figure=existing(folder / "units.png"),
            sheet=existing(folder / "concepts.png"),
            patterns=existing(folder / "patterns.png") if measured else None,
            files=tuple(
                folder / name
                for name in ("units.csv", "units.h5", "concepts.csv", *(["patterns.csv"] if measured else []))
                if (folder / name).is_file()
            ),
        )


def about(found: Units, url: Any, page: Any) -> dict[str, Any]:
    """What holds for all units of a page.

    Args:
        found: the units.
        url: gives the address of a file.
        page: gives the address of a layer's page; None where it has none.
    """
    return {
        "cell": CELL,
        "rows_a_sheet": UNITS_A_SHEET,
        "spread": [f"{share:.0%}" for share in SPREAD],
        "labels": list(found.labels),
        "concepts": list(found.concepts),
        "pictures": [list(picture) for picture in found.pictures],
        "layers": [
            {
                "name": layer.name,
                "row": layer.row,
                "units": layer.units,
                "first": layer.first,
                "crops": url(layer.crops / layer.name) if layer.crops else None,
                "page": page(layer.name),
                "way": list(found.ways.get(layer.name, ())),
                "presets": [
                    {
                        "name": name.removesuffix(NEGATIVE),
                        "negative": name.endswith(NEGATIVE),
                        "sheet": url(path),
                        "cell": cell,
                        "width": width,
                        "height": height,
                    }
                    for name, path, cell, width, height in layer.presets
                ],
            }
            for layer in found.layers
        ],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        if math.isnan(value) or value == -math.inf:
            return None
        return 1e9 if math.isinf(value) else float(f"{value:.3g}")
    return value


def _rounded(values: np.ndarray) -> list[Any]:
    return [[_plain(float(value)) for value in row] for row in values]


def _of_layer(group: h5py.Group) -> dict[str, list[Any]]:
    """What the page shows of a layer's units beside the table: a list a unit."""
    iou, chance, inside = (group[name][()] for name in ("iou", "chance", "inside"))
    by_chance = group["inside_chance"][()]
    told = []
    gains = np.nan_to_num(iou - chance, nan=-np.inf)
    for unit, order in enumerate(np.argsort(-gains, axis=1, kind="stable")[:, :_TOLD]):
        best = [int(k) for k in order if gains[unit, k] > 0]
        told.append([[k, *(_plain(float(part[unit, k])) for part in (iou, chance, inside, by_chance))] for k in best])
    columns = {
        "told": told,
        "shown": group["shown"][()].tolist(),
        "shown_answers": _rounded(group["shown_answer"][()]),
        "rates": [_highest(row) for row in _rounded(group["rates"][()])],
    }
    for relation in _RELATIONS:
        others, weights = group[f"{relation}/unit"][()], group[f"{relation}/weight"][()]
        columns[relation] = [
            [[int(number), round(float(weight), 3)] for number, weight in zip(row, sizes, strict=True) if number >= 0]
            for row, sizes in zip(others, weights, strict=True)
        ]
    return columns


def _highest(rates: list[Any]) -> list[list[Any]]:
    """The classes that a unit fires on, each with its rate: all of a few, of many the first."""
    if len(rates) <= _CLASSES:
        return [[place, rate] for place, rate in enumerate(rates)]
    order = sorted(range(len(rates)), key=lambda place: (-(rates[place] or 0), place))
    return [[place, rates[place]] for place in order[:_CLASSES]]


def _by_preset(layer: Layer | None) -> list[Layer]:
    shown = [layer, *layer.beside] if layer is not None and layer.has_page else []
    return [entry for entry in shown if entry.grid and entry.grid.patterns]


def _grids(layer: Layer | None) -> tuple[tuple[str, Path, int, int, int], ...]:
    return tuple(
        (entry.preset, entry.grid.path, entry.grid.cell, entry.grid.width, entry.grid.height)
        for entry in _by_preset(layer)
        if entry.grid
    )


def _patterns(layer: Layer | None, count: int) -> list[list[list[int]]]:
    """For each unit the place of its pattern by each preset: [preset, left, top, dead]."""
    found: list[list[list[int]]] = [[] for _ in range(count)]
    for place, entry in enumerate(_by_preset(layer)):
        for pattern in entry.grid.patterns if entry.grid else ():
            if pattern.filter < count:
                found[pattern.filter].append([place, pattern.left, pattern.top, int(pattern.dead)])
    return found


def _rises(layer: Layer | None, count: int) -> list[list[float] | None]:
    """For each unit how the objective of the first preset's pattern rose, at some of its steps; None where it has none."""
    found: list[list[float] | None] = [None] * count
    for entry in _by_preset(layer)[:1]:
        path = entry.grid.path.with_name(f"{entry.name}.h5") if entry.grid else None
        if path is None or not path.is_file():
            continue
        check([path])
        with store.open_file(path) as file:
            if "objective" not in file:
                continue
            objective, filters = file["objective"][()], file["filter"][()]
        steps = np.unique(np.linspace(0, objective.shape[1] - 1, _POINTS).round().astype(int))
        for number, values in zip(filters, objective[:, steps], strict=True):
            if number < count and np.isfinite(values).all():
                found[int(number)] = [float(f"{value:.3g}") for value in values]
    return found
