"""Which concepts the classes of a model depend on, for its page."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from convscope.errors import UserError
from convscope.gallery.tables import existing
from convscope.jobs.job import check
from convscope.storage import store
from convscope.storage.tables import read_table
from convscope.vectors.names import VERDICTS
from convscope.vectors.rows import FoundRow, VectorRow

# Of many concepts that do not count a page shows this many at first.
FIRST = 12


@dataclass(frozen=True)
class Bar:
    """A concept beside chance, as a bar: `left`, `width`, and the width `chance` of random concepts around the middle, in per cent."""

    row: VectorRow
    left: float
    width: float
    chance: float

    @property
    def words(self) -> str:
        """The verdict."""
        return VERDICTS[self.row.verdict]


@dataclass(frozen=True)
class FoundConcept:
    """A concept that was found, with the strips of its crops and of where it is, and its pattern."""

    row: FoundRow
    share: float
    crops: Path | None
    pattern: Path | None
    maps: Path | None


@dataclass(frozen=True)
class ClassConcepts:
    """What is known of a class at a layer: concepts with a name, those that count first, and found ones, the most important first."""

    layer: str
    name: str
    pictures: int
    bars: tuple[Bar, ...]
    found: tuple[FoundConcept, ...]
    sheet: Path | None

    @property
    def raising(self) -> list[str]:
        """Concepts that raise the class."""
        return [bar.row.concept for bar in self.bars if bar.row.verdict == "raises"]

    @property
    def lowering(self) -> list[str]:
        """Concepts that lower the class."""
        return [bar.row.concept for bar in self.bars if bar.row.verdict == "lowers"]

    @property
    def same(self) -> float | None:
        """Share of pictures that are taken for the class by what its found concepts make up alone; None of numbers."""
        return None if not self.found or math.isnan(self.found[0].row.same) else self.found[0].row.same


@dataclass(frozen=True)
class Vectors:
    """The concepts of a model on an image set; `refused` says of layers why nothing was found there."""

    image_set: str
    images: int
    classes: tuple[ClassConcepts, ...]
    tested: int
    refused: Mapping[str, str]
    figure: Path | None
    files: tuple[Path, ...]

    @property
    def counted(self) -> int:
        """How many tests show that a class depends on a concept."""
        return sum(len(one.raising) + len(one.lowering) for one in self.classes)

    def has_patterns(self, layer: str) -> bool:
        """Whether there is a pattern of any found concept of a layer; that of one that has none failed then.

        Of another layer there may be none at all: one of which a picture of the size of patterns leaves nothing is not ascended.
        """
        return any(concept.pattern for one in self.classes if one.layer == layer for concept in one.found)

    @property
    def hero(self) -> Path | None:
        """The picture of its card."""
        maps = [concept.maps for one in self.classes for concept in one.found if concept.maps]
        return maps[0] if maps else self.figure

    def columns(self) -> dict[str, list[Any]]:
        """The rows of both tables as columns: concepts with a name, then found ones."""
        rows = [{"found": False, **_plain(asdict(bar.row))} for one in self.classes for bar in one.bars]
        rows += [{"found": True, **_plain(asdict(concept.row))} for one in self.classes for concept in one.found]
        names = list(dict.fromkeys(name for row in rows for name in row))
        return {name.removesuffix("_"): [row.get(name) for row in rows] for name in names}


def vectors(folder: Path) -> Vectors:
    """Read a folder `concepts/<model>/<image set>`.

    Raises:
        UserError: a table is damaged.
    """
    tables = [folder / name for name in ("vectors.csv", "found.csv", "concepts.h5")]
    check(tables)
    tested, found = read_table(tables[0], VectorRow), read_table(tables[1], FoundRow)
    with store.open_file(tables[2]) as file:
        layers, names = store.read_text(file["layer"]), _classes(file)
        images = len(file["id"])
        groups = {layer: file[f"layers/{number:04d}"] for number, layer in enumerate(layers)}
        refused = {layer: str(group.attrs["refused"]) for layer, group in groups.items() if "refused" in group.attrs}
    number = {layer: place for place, layer in enumerate(layers)}
    keys = dict.fromkeys([(row.layer, row.class_) for row in tested] + [(row.layer, row.class_) for row in found])
    classes = []
    for layer, name in keys:
        if layer not in number or name not in names:
            raise UserError(f"{folder}: its tables are not of one run; delete the folder and run again")
        stem = f"{number[layer]:04d}.{names.index(name):05d}"
        mine = [row for row in tested if (row.layer, row.class_) == (layer, name)]
        parts = [row for row in found if (row.layer, row.class_) == (layer, name)]
        largest = max((row.importance for row in parts), default=0.0)
        classes.append(
            ClassConcepts(
                layer=layer,
                name=name,
                pictures=mine[0].of_class if mine else parts[0].pictures,
                bars=tuple(_bars(mine)),
                found=tuple(
                    FoundConcept(
                        row,
                        100 * row.importance / largest if largest > 0 else 0.0,
                        existing(folder / "sheets" / f"{stem}.{row.number:02d}.crops.jpg"),
                        existing(folder / "sheets" / f"{stem}.{row.number:02d}.pattern.jpg"),
                        existing(folder / "sheets" / f"{stem}.{row.number:02d}.maps.jpg"),
                    )
                    for row in parts
                ),
                sheet=existing(folder / "sheets" / f"{stem}.png"),
            )
        )
    return Vectors(
        image_set=folder.name,
        images=images,
        classes=tuple(classes),
        tested=sum(not math.isnan(row.p_adjusted) for row in tested),
        refused=refused,
        figure=existing(folder / "vectors.png"),
        files=tuple(path for path in tables if path.is_file()),
    )


def _classes(file: Any) -> list[str]:
    import json

    return [str(name) for name in json.loads(file.attrs["classes"])]


def _bars(rows: Sequence[VectorRow]) -> list[Bar]:
    order = {verdict: place for place, verdict in enumerate(VERDICTS)}
    rows = sorted(rows, key=lambda row: (order[row.verdict], -abs(_known(row.sensitivity)), row.concept))
    reach = max(
        [abs(_known(row.sensitivity)) for row in rows] + [2 * _known(row.sensitivity_random) for row in rows] + [0.0]
    )
    found = []
    for row in rows:
        value = 50 * _known(row.sensitivity) / reach if reach > 0 else 0.0
        chance = 200 * _known(row.sensitivity_random) / reach if reach > 0 else 0.0
        found.append(Bar(row, round(50 + min(value, 0), 2), round(abs(value), 2), round(min(chance, 100.0), 2)))
    return found


def _known(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: (None if math.isnan(value) else float(f"{value:.4g}")) if isinstance(value, float) else value
        for name, value in row.items()
    }
