"""A model while it learned, as a page shows it: pictures, answers and curves by epoch."""

from dataclasses import dataclass
from pathlib import Path

from convscope.gallery.tables import Row, existing, number, read_object, read_table, truth

# The drawing of a curve, in units of its own; the epochs go from one side to the other.
WIDTH, HEIGHT = 300, 110


@dataclass(frozen=True)
class Answer:
    """What the model said of a picture after an epoch: `result` is right, wrong or "", `flipped` since the one before."""

    epoch: int
    predicted: str
    value: float | None
    result: str
    flipped: bool


@dataclass(frozen=True)
class WatchedImage:
    """A picture with its answers, an epoch each; `frames` has a column for the photo and one an epoch, a row a kind of map."""

    id: str
    class_name: str
    frames: Path
    strip: Path
    animation: Path | None
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Patterns:
    """Filter patterns by epoch: `frames` has a row a filter and a column an epoch, `strip` says what they are."""

    layer: str
    filters: tuple[str, ...]
    frames: Path
    strip: Path


@dataclass(frozen=True)
class Curve:
    """A measure of training and validation: `lines` are names with the points of an SVG's polyline, `ends` the axis's numbers."""

    title: str
    lines: tuple[tuple[str, str], ...]
    ends: tuple[str, str]


@dataclass(frozen=True)
class Watching:
    """All that is shown of one image set; `places` says where each epoch lies on the curves, `right` how many are right then."""

    image_set: str
    epochs: tuple[int, ...]
    best_epoch: int
    rows: tuple[str, ...]
    cell: tuple[int, int]
    images: tuple[WatchedImage, ...]
    curves: tuple[Curve, ...]
    places: tuple[float, ...]
    right: tuple[int, ...]
    flipped: tuple[int, ...]
    judged: int
    total: int
    patterns: Patterns | None
    left_out: dict[str, str]
    files: tuple[Path, ...]


def watching(folder: Path, history: Path, patterns: Path | None, board: bool = False) -> Watching:
    """Read a folder `watching/<model>/<image set>`.

    Args:
        folder: it.
        history: the training's table, a row an epoch.
        patterns: `filters.json` of the model; None where no patterns are asked for.
        board: whether a log for TensorBoard is asked for.

    Raises:
        UserError: a table is damaged.
    """
    facts = read_object(folder / "frames.json")
    answers: dict[str, list[Row]] = {}
    for row in read_table(folder / "predictions.csv", ("epoch", "id", "predicted")):
        answers.setdefault(row["id"], []).append(row)
    images = tuple(_image(folder / "pictures", name, rows) for name, rows in answers.items())
    epochs = tuple(int(epoch) for epoch in facts["epochs"])
    logs = sorted((folder / "tensorboard").glob("*")) if board else []
    files = (folder / "watch.h5", folder / "predictions.csv", *logs)
    measured = read_table(history, ("epoch",))
    last = max([*(int(row["epoch"]) for row in measured), *epochs])
    every = [image.answers for image in images]
    return Watching(
        image_set=folder.name,
        epochs=epochs,
        best_epoch=int(facts["best_epoch"]),
        rows=tuple(facts["rows"]),
        cell=tuple(facts["cell"]),
        images=images,
        curves=tuple(_curves(measured, last)),
        places=tuple(_place(epoch, last) for epoch in epochs),
        right=tuple(sum(told[place].result == "right" for told in every) for place in range(len(epochs))),
        flipped=tuple(sum(told[place].flipped for told in every) for place in range(len(epochs))),
        judged=sum(told[-1].result != "" for told in every),
        total=int(facts["images"]),
        patterns=_patterns(patterns) if patterns else None,
        left_out=dict(facts["left_out"]),
        files=tuple(path for path in files if path.is_file()),
    )


def _image(pictures: Path, name: str, rows: list[Row]) -> WatchedImage:
    words = {True: "right", False: "wrong", None: ""}
    return WatchedImage(
        id=name,
        class_name=rows[0]["class"],
        frames=pictures / "frames" / f"{name}.jpg",
        strip=pictures / "strips" / f"{name}.png",
        animation=existing(pictures / "animations" / f"{name}.webp"),
        answers=tuple(
            Answer(
                int(row["epoch"]),
                row["predicted"],
                number(row["value"]),
                words[truth(row["correct"])],
                truth(row["flipped"]) is True,
            )
            for row in rows
        ),
    )


def _patterns(place: Path) -> Patterns:
    facts = read_object(place)
    return Patterns(str(facts["layer"]), tuple(facts["rows"]), place.with_suffix(".jpg"), place.with_suffix(".png"))


def _place(epoch: int, last: int) -> float:
    return round(WIDTH * (epoch - 1) / max(last - 1, 1), 1)


def _curves(rows: list[Row], last: int) -> list[Curve]:
    curves = []
    for measure in ("accuracy", "loss"):
        columns = {"training": measure, "validation": f"val_{measure}"}
        values = {
            name: [(int(row["epoch"]), value) for row in rows if (value := number(row.get(column))) is not None]
            for name, column in columns.items()
        }
        every = [value for points in values.values() for _, value in points]
        if not every:
            continue
        low, high = min(every), max(every)
        spread = (high - low) or 1.0
        lines = tuple(
            (name, " ".join(f"{_place(epoch, last)},{round(HEIGHT * (high - value) / spread, 1)}" for epoch, value in points))
            for name, points in values.items()
        )  # fmt: skip
        curves.append(Curve(measure, lines, (f"{low:.3g}", f"{high:.3g}")))
    return curves
