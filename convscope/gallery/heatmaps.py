"""The class activation maps of an image set, as a page shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from convscope.cams.names import METHODS as CAMS
from convscope.gallery.tables import PredictedImage, existing, number, read_table, truth


@dataclass(frozen=True)
class BadFile:
    """A file that could not be read as a picture."""

    path: str
    reason: str
    split: str = ""
    class_name: str = ""


@dataclass(frozen=True)
class ClassMap:
    """One class activation map of an image: its method, and the class it speaks for, "" where for none."""

    method: str
    title: str
    target: str
    score: float | None
    empty: bool
    overlay: Path | None


@dataclass(frozen=True)
class Explained(PredictedImage):
    """One image of a set with its heatmaps."""

    maps: tuple[ClassMap, ...]

    @property
    def overlay(self) -> Path | None:
        """The picture that stands for the image: its first overlay."""
        return next((found.overlay for found in self.maps if found.overlay), None)


@dataclass(frozen=True)
class Heatmaps:
    """A model's class activation maps over an image set."""

    model: str
    image_set: str
    methods: tuple[str, ...]
    images: tuple[Explained, ...]
    bad: tuple[BadFile, ...]
    sheets: tuple[Path, ...]
    files: tuple[Path, ...]


def read_heatmaps(folder: Path, model: str, bad: tuple[BadFile, ...], methods: Sequence[str]) -> Heatmaps | None:
    """Read `cams/<model>/<image set>`; None where there is no method to show.

    Args:
        folder: of the maps.
        model: its name.
        bad: files that the image set left out.
        methods: those to show, in their order.

    Raises:
        UserError: a table is damaged.
    """

    def picture(name: str) -> Path | None:
        return existing(folder / name) if name else None

    if not methods:
        return None
    first: dict[str, dict[str, str]] = {}
    maps: dict[str, list[ClassMap]] = {}
    for method in methods:
        for row in read_table(folder / f"{method}.csv", ("id", "path", "predicted")):
            first.setdefault(row["id"], row)
            shown = picture(row.get("overlay", ""))
            score, empty = number(row.get("score")), truth(row.get("empty")) is True
            maps.setdefault(row["id"], []).append(
                ClassMap(method, CAMS[method], row.get("target", ""), score, empty, shown)
            )
    images = tuple(
        Explained(
            id=identity,
            path=row["path"],
            class_name=row.get("class", ""),
            predicted=class_name(row),
            confidence=number(row.get("confidence")),
            correct=truth(row.get("correct")),
            photo=picture(row.get("thumbnail", "")),
            maps=tuple(maps[identity]),
        )
        for identity, row in first.items()
    )
    sheets = [
        sheet
        for method in methods
        for sheet in sorted((folder / method).glob("sheet_*.png"), key=lambda path: (len(path.name), path.name))
    ]
    files = tuple(
        path for suffix in ("csv", "h5") for method in methods if (path := folder / f"{method}.{suffix}").is_file()
    )
    titles = tuple(CAMS[method] for method in methods)
    return Heatmaps(model, folder.name, titles, images, bad, tuple(sheets), files)


def class_name(row: dict[str, str]) -> str:
    """The predicted class's name, whichever of the two columns holds the index."""
    predicted, label = row.get("predicted", ""), row.get("predicted_label", "")
    return label if label and not label.lstrip("-").isdigit() and predicted.lstrip("-").isdigit() else predicted
