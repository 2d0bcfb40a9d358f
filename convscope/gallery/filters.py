"""Filter grids as the gallery shows them: where each pattern lies in its picture, and one layer by several presets."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from convscope.errors import UserError
from convscope.filters.presets import NEGATIVE
from convscope.gallery.tables import existing, number
from convscope.jobs.job import check


@dataclass(frozen=True)
class Pattern:
    """One cell of a filter grid: its top-left corner in pixels, the filter it shows, the last objective."""

    filter: int
    left: int
    top: int
    objective: float | None
    dead: bool


@dataclass(frozen=True)
class Grid:
    """A picture of filter patterns, used as a sprite; `cell`, `width` and `height` in pixels."""

    path: Path
    width: int
    height: int
    cell: int
    patterns: tuple[Pattern, ...]


@dataclass(frozen=True)
class Layer:
    """One row of the model's layers.csv, and the filter patterns that one preset gave.

    `picture` is the filter grid, `grid` its geometry where the file names it; `beside` is the layer by the other presets.
    """

    name: str
    facts: dict[str, str]
    picture: Path | None = None
    grid: Grid | None = None
    objective: Path | None = None
    preset: str = ""
    beside: tuple["Layer", ...] = ()

    @property
    def negative(self) -> bool:
        """Whether the patterns are those that silence the filters."""
        return self.preset.endswith(NEGATIVE)

    @property
    def preset_title(self) -> str:
        """The preset, for people."""
        return f"{self.preset.removesuffix(NEGATIVE)}, negative" if self.negative else self.preset

    @property
    def has_page(self) -> bool:
        """Whether there is anything to show of the layer."""
        return self.picture is not None


def layer_by_presets(filters: Path, presets: list[str], row: dict[str, str]) -> Layer:
    """A layer with the patterns of the first preset that made some, the other presets beside it.

    Args:
        filters: the model's folder of filter patterns, a folder a preset in it.
        presets: their names, in the order they are shown.
        row: the layer's row of layers.csv.
    """
    name, facts = row["name"], {key: value for key, value in row.items() if key != "name"}
    found = []
    for preset in presets:
        if picture := existing(filters / preset / f"filters_for_layer_{name}.png"):
            objective = existing(filters / preset / f"objective_{name}.png")
            found.append(Layer(name, facts, picture, read_grid(picture), objective, preset))
    return replace(found[0], beside=tuple(found[1:])) if found else Layer(name, facts)


def read_grid(path: Path) -> Grid | None:
    """The geometry of a filter grid, from the PNG's text metadata "grid"; None where the file does not carry it.

    Cell k's top-left corner is `margin + (k % columns) * (cell + margin)` from the left and the same of `k // columns`
    from the top, in pixels.
    """
    check([path])
    try:
        with Image.open(path) as image:
            width, height = image.size
            text = image.info.get("grid")
    except OSError as error:
        raise UserError(f"{path}: not a readable picture ({error}); delete the file and run again") from None
    if not text:
        return None
    value = json.loads(text)
    columns, cell, margin = int(value["columns"]), int(value["cell"]), int(value["margin"])
    dead, last = set(value.get("dead", [])), value.get("objective", [])
    patterns = tuple(
        Pattern(
            filter=int(index),
            left=margin + (k % columns) * (cell + margin),
            top=margin + (k // columns) * (cell + margin),
            objective=number(last[k]) if k < len(last) else None,
            dead=index in dead,
        )
        for k, index in enumerate(value["filters"])
    )
    return Grid(path, width, height, cell, patterns)
