"""The attribution maps of an image set, as a page shows them: every image with all methods side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from convscope.attributions.names import METHODS
from convscope.gallery.tables import PredictedImage, Row, existing, number, read_table, truth

# Columns that every method's table has; what else there is, are pictures (`view_`) and numbers the method tells.
_COMMON = frozenset(
    {
        "id",
        "path",
        "class",
        "label",
        "predicted",
        "predicted_label",
        "confidence",
        "correct",
        "target",
        "score",
        "empty",
    }
    | {"thumbnail", "map", "overlay", "sha256"}
)


@dataclass(frozen=True)
class MethodMap:
    """One method's map of an image for one class; `facts` are numbers it tells beside it, `views` more pictures, by name."""

    method: str
    title: str
    signed: bool
    empty: bool
    map: Path | None
    overlay: Path | None
    facts: Mapping[str, float] = field(default_factory=dict)
    views: tuple[tuple[str, Path], ...] = ()

    @property
    def gap(self) -> float | None:
        """The completeness gap, where the method knows one."""
        return self.facts.get("completeness_gap")


@dataclass(frozen=True)
class Target:
    """A class explained: its name, its score (a logit), and the maps."""

    name: str
    score: float | None
    maps: tuple[MethodMap, ...]


@dataclass(frozen=True)
class ExplainedImage(PredictedImage):
    """An image with what is explained of it."""

    picture: Path | None
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Explanations:
    """A model's predictions on an image set, explained by several methods: (name, title, signed) each."""

    model: str
    image_set: str
    methods: tuple[tuple[str, str, bool], ...]
    images: tuple[ExplainedImage, ...]
    sheets: tuple[tuple[str, Path], ...]
    files: tuple[Path, ...]

    @property
    def mosaic(self) -> tuple[Path, ...]:
        """A few maps that stand for the set: of the first image, a method each, then of the next."""
        maps = [entry.overlay for image in self.images for target in image.targets[:1] for entry in target.maps]
        return tuple(path for path in maps if path)[:6]


def explanations(folder: Path, model: str, methods: Sequence[str], together: bool = True) -> Explanations | None:
    """Read `attributions/<model>/<image set>`; None where there is no method to show.

    Args:
        folder: of the maps.
        model: its name.
        methods: those to show, in their order.
        together: whether the pictures with all methods side by side are to be shown.

    Raises:
        UserError: a table is damaged.
    """
    if not methods:
        return None

    def picture(name: str) -> Path | None:
        return existing(folder / name) if name else None

    about: dict[str, dict[str, str]] = {}
    scores: dict[tuple[str, str], float | None] = {}
    maps: dict[tuple[str, str], list[MethodMap]] = {}
    for method in methods:
        for row in read_table(folder / f"{method}.csv", ("id", "target", "map", "overlay")):
            key = row["id"], row["target"]
            about.setdefault(row["id"], row)
            scores.setdefault(key, number(row.get("score")))
            maps.setdefault(key, []).append(
                MethodMap(
                    method=method,
                    title=METHODS[method].title,
                    signed=METHODS[method].signed,
                    empty=truth(row.get("empty")) is True,
                    map=picture(row["map"]),
                    overlay=picture(row["overlay"]),
                    facts=_facts(row),
                    views=tuple(
                        (name.removeprefix("view_"), shown)
                        for name, cell in row.items()
                        if name.startswith("view_") and (shown := picture(cell))
                    ),
                )
            )
    targets: dict[str, list[Target]] = {}
    for (owner, name), found in maps.items():
        targets.setdefault(owner, []).append(Target(name, scores[owner, name], tuple(found)))
    beside = read_table(folder / "side_by_side.csv") if together else []
    pictures = {row["id"]: row["picture"] for row in beside}
    images = tuple(
        ExplainedImage(
            id=identity,
            path=row.get("path", ""),
            class_name=row.get("class", ""),
            predicted=row.get("predicted", ""),
            confidence=number(row.get("confidence")),
            correct=truth(row.get("correct")),
            photo=picture(row.get("thumbnail", "")),
            picture=picture(pictures.get(identity, "")),
            targets=tuple(targets[identity]),
        )
        for identity, row in about.items()
    )
    sheets = [
        (METHODS[method].title, sheet)
        for method in methods
        for sheet in sorted((folder / method).glob("sheet_*.png"), key=lambda path: (len(path.name), path.name))
    ]
    files = [
        path for method in methods for path in (folder / f"{method}.csv", folder / f"{method}.h5") if path.is_file()
    ]
    titles = tuple((method, METHODS[method].title, METHODS[method].signed) for method in methods)
    return Explanations(model, folder.name, titles, images, tuple(sheets), tuple(files))


def _facts(row: Row) -> dict[str, float]:
    own = {name: number(cell) for name, cell in row.items() if name not in _COMMON and not name.startswith("view_")}
    return {name: value for name, value in own.items() if value is not None}
