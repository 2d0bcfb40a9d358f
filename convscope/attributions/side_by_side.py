"""One picture an image: what it is, what the model says, and every method's map beside the others, a row a class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from convscope.attributions.figures import MapFile, Style
from convscope.pictures.contact_sheets import wrap_text
from convscope.pictures.fonts import caption_font
from convscope.pictures.read import fit_image
from convscope.pictures.render import colormap, enlarged

_CELL, _MARGIN, _LINE = 168, 10, 18
_SMALLEST = 10  # of the sizes of letters
_PAPER, _INK, _MUTED, _BAR = (255, 255, 255), (34, 34, 34), (110, 110, 110), (70, 110, 170)
_WRONG, _RIGHT = (178, 34, 34), (30, 120, 60)
_COLUMNS, _CLASSES = 6, 5


@dataclass(frozen=True)
class Row:
    """The maps for one class: its heading, and (title, map, overlay) a method."""

    heading: str
    cells: list[tuple[str, np.ndarray, np.ndarray]]


def rows_of(files: Sequence[MapFile], index: int, photo: np.ndarray) -> list[Row]:
    """The rows of an image: one for each class explained, every method in it."""
    rows = []
    for place, (target, score, _) in enumerate(files[0].targets(index)):
        cells = []
        for maps in files:
            empty = maps.targets(index)[place][2]
            drawn, shown = maps.draw(index, place, photo)
            cells.append((maps.title + (" (empty)" if empty else ""), enlarged(drawn), enlarged(shown)))
        rows.append(Row(f"Evidence for {target}, score {score:.2f}", cells))
    return rows


def side_by_side(
    photo: np.ndarray,
    about: dict[str, Any],
    probabilities: dict[str, float],
    rows: Sequence[Row],
    style: Style,
    signed: bool,
    head: str = "",
) -> np.ndarray:
    """Compose the picture of one image.

    Args:
        photo: (H, W, 3) uint8.
        about: its `id`, `class` ("" unknown), `predicted`, `confidence` (0..1) and `correct` (None unknown).
        probabilities: class -> 0..1; the most probable ones are shown. Where the confidence is None they are numbers.
        rows: the maps (see `rows_of`).
        style: of the maps, for the legend.
        signed: whether some maps have a sign, so that their colours need a legend.
        head: of the model: of numbers and of many labels the words are others.

    Returns:
        (H, W, 3) uint8 on white.
    """
    height = round(_CELL * photo.shape[0] / photo.shape[1])
    most = max((len(row.cells) for row in rows), default=1)
    columns = -(-most // -(-most // _COLUMNS))  # as many lines as it takes, equally long
    lines = [-(-len(row.cells) // columns) for row in rows]
    block = _LINE + 2 * height + 2 * _MARGIN
    right = sum(_LINE + _MARGIN + count * block for count in lines)
    left = height + _MARGIN + (5 + min(len(probabilities), _CLASSES)) * (_LINE + 3)
    legend = 2 * _LINE if signed else 0
    size = (_MARGIN * 3 + (columns + 1) * (_CELL + _MARGIN), _MARGIN + max(right, left) + legend)
    canvas = Image.new("RGB", size, _PAPER)
    pen = _Pen(canvas)
    _describe(pen, photo, about, probabilities, height, "likeliest" if head == "multilabel" else "predicted")
    top, start = _MARGIN, 3 * _MARGIN + _CELL
    for row, count in zip(rows, lines, strict=True):
        pen.text((start, top), row.heading, _INK, 14, columns * (_CELL + _MARGIN))
        top += _LINE + _MARGIN
        for number, (title, drawn, shown) in enumerate(row.cells):
            x = start + number % columns * (_CELL + _MARGIN)
            y = top + number // columns * block
            pen.text((x, y), title, _MUTED, 12, _CELL)
            pen.picture((x, y + _LINE), drawn, (height, _CELL))
            pen.picture((x, y + _LINE + height + 2), shown, (height, _CELL))
        top += count * block
    if signed:
        _legend(
            pen, (start, size[1] - legend), style, {"regression": "number", "multilabel": "label"}.get(head, "class")
        )
    return np.array(canvas)


class _Pen:
    def __init__(self, canvas: Image.Image) -> None:
        self._canvas, self._draw = canvas, ImageDraw.Draw(canvas)

    def text(self, place: tuple[int, int], text: str, ink: tuple[int, int, int], size: int, width: int) -> None:
        """One line; what does not fit is written smaller, and if even that is too long, ends in an ellipsis."""
        while size > _SMALLEST and caption_font(size, text).getlength(text) > width:
            size -= 1
        font = caption_font(size, text)
        lines = wrap_text(text, font, width) or [""]
        line = lines[0]
        while len(lines) > 1 and font.getlength(line + "...") > width and line:
            line = line[:-1]
        font.write(self._draw, place, line + ("..." if len(lines) > 1 else ""), ink)

    def picture(self, place: tuple[int, int], pixels: np.ndarray, size: tuple[int, int]) -> None:
        self._canvas.paste(Image.fromarray(fit_image(pixels, size, "stretch")), place)

    def bar(self, place: tuple[int, int], width: int, share: float) -> None:
        x, y = place
        self._draw.rectangle((x, y, x + width, y + 3), fill=(228, 228, 228))
        if share > 0:
            self._draw.rectangle((x, y, x + max(round(width * share), 1), y + 3), fill=_BAR)


def _describe(
    pen: _Pen, photo: np.ndarray, about: dict[str, Any], probabilities: dict[str, float], height: int, word: str
) -> None:
    pen.picture((_MARGIN, _MARGIN), photo, (height, _CELL))
    top = 2 * _MARGIN + height
    verdict = {True: (" (right)", _RIGHT), False: (" (wrong)", _WRONG), None: ("", _INK)}[about["correct"]]
    for text, ink, size in (
        (about["id"], _MUTED, 12),
        (f"truth: {about['class'] or 'unknown'}", _INK, 14),
        (f"{word}: {about['predicted']}{verdict[0]}", verdict[1], 14),
    ):
        pen.text((_MARGIN, top), text, ink, size, _CELL)
        top += _LINE + 3
    top += _MARGIN
    likely = sorted(probabilities.items(), key=lambda entry: -entry[1])[:_CLASSES]
    is_number = about["confidence"] is None
    for name, share in sorted(likely, key=lambda entry: list(probabilities).index(entry[0])):
        if is_number:
            pen.text((_MARGIN, top), f"{name}  {share:.4g}", _INK, 12, _CELL)
            top += _LINE + 3
            continue
        pen.text((_MARGIN, top), f"{name}  {share:.1%}", _INK, 12, _CELL)
        pen.bar((_MARGIN, top + _LINE - 3), _CELL, share)
        top += _LINE + 3


def _legend(pen: _Pen, place: tuple[int, int], style: Style, word: str) -> None:
    x, y = place
    pen.text((x, y), "maps with a sign:  against", _MUTED, 12, 200)
    ramp = np.tile(colormap(style.diverging, np.linspace(0, 1, 120)), (10, 1, 1))
    pen.picture((x + 152, y + 3), ramp, (10, 120))
    pen.text((x + 282, y), f"for the {word}", _MUTED, 12, 200)
