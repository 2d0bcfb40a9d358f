"""Makes the pictures of a figure from a study's results: most are there and copied, some are drawn from stored numbers."""

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from convscope.errors import BadImage, UserError
from convscope.figure_index.sources import Source
from convscope.jobs.job import check
from convscope.pictures.channels import Channels
from convscope.pictures.plots import new_figure, save_figure
from convscope.pictures.read import read_image
from convscope.pictures.render import colormap, enlarged, pattern_picture, save_png, upsample
from convscope.storage import store
from convscope.storage.tables import read_rows

_SIDE = 448
_ROWS = 16


def draw(source: Source, results: Path, stem: Path, most: int | None = None) -> list[Path]:
    """Make the pictures of one source.

    Args:
        source: what they are made of.
        results: the study's folder.
        stem: of the pictures to write, without an ending; one of several gets more words.
        most: make no more than so many.

    Returns:
        The pictures written; none where there is nothing to be shown, as of an empty image set.

    Raises:
        UserError: a file is missing or damaged.
    """
    files = [results / file for file in source.files]
    check(files)
    try:
        return DRAWN[source.drawn](source, files, stem, most)
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"{results / source.files[0]}: {error}; run the study") from None


def _copied(source: Source, files: Sequence[Path], stem: Path, most: int | None) -> list[Path]:
    return [_copy(files[0], stem)]


def _copy(file: Path, stem: Path) -> Path:
    made = stem.with_name(stem.name + file.suffix)
    shutil.copyfile(file, made)
    return made


def _folder(source: Source, files: Sequence[Path], stem: Path, most: int | None) -> list[Path]:
    found = sorted(files[0].glob(source.chosen[0]))
    # Of the first picture alone, where every picture has a folder.
    found = [path for path in found if path.parent == found[0].parent]
    return [_copy(path, stem.with_name(f"{stem.name}-{path.stem}")) for path in found[:most]]


def _row(source: Source, files: Sequence[Path], stem: Path, most: int | None) -> list[Path]:
    rows = read_rows(files[0])
    if not rows:
        return []
    # A row a class that is explained; and of those, the picture's own class first.
    row = next((row for row in rows if row["id"] == rows[0]["id"] and row["target"] == row["predicted"]), rows[0])
    columns = [name for wanted in source.chosen for name in row if fnmatch(name, wanted) and row[name]]
    return [_copy(files[0].parent / row[name], stem.with_name(f"{stem.name}-{name}")) for name in columns[:most]]


def _photo(source: Source, files: Sequence[Path], stem: Path, most: int | None) -> list[Path]:
    rows = read_rows(files[0])
    if not rows:
        return []
    made = stem.with_name(f"{stem.name}.png")
    try:
        photo = read_image(rows[0]["path"], sha256=rows[0]["sha256"])
    except BadImage as error:
        raise UserError(f"{rows[0]['path']}: {error}; run the study, and its pictures are listed anew") from None
    save_png(made, enlarged(photo), image=rows[0]["id"])
    return [made]


def _heatmap(source: Source, files: Sequence[Path], stem: Path, most: int | None) -> list[Path]:
    with store.open_file(files[0]) as file:
        maps = next(iter(file["maps"].values())) if hasattr(file["maps"], "values") else file["maps"]
        if not len(maps):
            return []
        # As over the photo: the map of the picture's own class, where there is one.
        own = int(np.argmax(file["targets"][0] == file["predicted"][0])) if "targets" in file else 0
        values = np.maximum(np.asarray(maps[0, min(own, maps.shape[1] - 1)], np.float32), 0)
    top = float(values.max()) or 1.0
    zoom = max(1, _SIDE // max(values.shape))
    cells = np.kron(values, np.ones((zoom, zoom), np.float32))
    made = []
    for words, picture in (("cells", cells), ("enlarged", upsample(values, cells.shape)))[:most]:
        made.append(stem.with_name(f"{stem.name}-{words}.png"))
        save_png(made[-1], colormap(source.chosen[0], picture / top), range=[0.0, float(values.max())])
    return made


def _pattern(source: Source, files: Sequence[Path], stem: Path, most: int | None) -> list[Path]:
    with store.open_file(files[0]) as file:
        settings, living = json.loads(file.attrs["settings"]), np.flatnonzero(~file["dead"][()])
        if not len(living):
            return []
        # Neither the strongest nor the weakest of its layer.
        final = file["objective"][()][:, -1]
        index = int(living[np.argsort(final[living], kind="stable")[len(living) // 2]])
        picture = pattern_picture(
            np.asarray(file["patterns"][index], np.float32),
            settings["crop"],
            settings["parameterisation"] != "pixels",
            Channels.of_attributes(file.attrs),
        )
        channel = int(file["filter"][index])
    made = stem.with_name(f"{stem.name}-filter-{channel}.png")
    save_png(made, enlarged(picture), filter=channel, objective=float(final[index]))
    return [made]


def _table(source: Source, files: Sequence[Path], stem: Path, most: int | None) -> list[Path]:
    with files[0].open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    return [_draw_table(stem, header, rows[:_ROWS], len(rows))] if rows else []


def _predictions(source: Source, files: Sequence[Path], stem: Path, most: int | None) -> list[Path]:
    rows = read_rows(files[0])
    if not rows:
        return []

    def order(row: dict[str, str]) -> tuple[bool, float]:
        if "error" in row:
            return (not row["error"], -float(row["error"] or 0))
        sure = float(row.get("confidence") or 0)
        wrong = row.get("correct") == "false"
        return (not wrong, -sure if wrong else sure)

    wanted = ["path", "class", "predicted", "confidence", "correct"]
    if "error" in rows[0]:
        # Of many labels, or of numbers: none is sure or right as a class is.
        of_labels = "labels" in rows[0]
        wanted = [
            "path",
            *(("labels", "predicted_labels", "correct") if of_labels else ("class", "predicted")),
            "error",
        ]
    columns = [name for name in wanted if name in rows[0]]
    chosen = sorted(rows, key=order)[:_ROWS]
    cells = [[Path(row[name]).name if name == "path" else row[name] for name in columns] for row in chosen]
    return [_draw_table(stem, columns, cells, len(rows))]


def _draw_table(stem: Path, header: Sequence[str], rows: Sequence[Sequence[str]], count: int) -> Path:
    cells = [[_cell(value) for value in row] for row in rows]
    lengths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    figure, axis = new_figure(max(4.0, 0.11 * sum(lengths) + 0.3 * len(lengths)), 0.3 * len(cells) + 0.9)
    axis.set_axis_off()
    widths = [length / sum(lengths) for length in lengths]
    table = axis.table(cells, colLabels=list(header), colWidths=widths, loc="upper center", cellLoc="left")
    table.auto_set_font_size(False)
    table.set_fontsize(9)
    if count > len(cells):
        axis.set_title(f"{len(cells)} of {count} rows", fontsize=9)
    made = stem.with_name(f"{stem.name}.png")
    save_figure(figure, made)
    return made


def _cell(value: str) -> str:
    """What stands in a table: fractions as people read them, long names cut."""
    try:
        # A class may be called 007 or 20240131, and a count is read to its last digit.
        text = f"{float(value):.4g}" if "." in value else value
    except ValueError:
        text = value if len(value) <= 40 else f"{value[:19]}\u2026{value[-20:]}"
    return text


_Drawn = Callable[[Source, Sequence[Path], Path, int | None], list[Path]]
DRAWN: dict[str, _Drawn] = {
    "copied": _copied,
    "folder": _folder,
    "row": _row,
    "photo": _photo,
    "heatmap": _heatmap,
    "pattern": _pattern,
    "table": _table,
    "predictions": _predictions,
}
