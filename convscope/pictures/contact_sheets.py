"""Contact sheets: many pictures in a grid, each with a caption that is wrapped, never cut off."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from convscope.pictures.fonts import Font, caption_font
from convscope.pictures.read import fit_image
from convscope.pictures.render import SHOWN, SMALL

_PAPER = (255, 255, 255)
_INK = (34, 34, 34)
_EMPTY = (238, 238, 238)
_LINE_SPACING = 1.25


def contact_sheet(
    images: Sequence[NDArray[np.uint8]],
    columns: int,
    cell: int | tuple[int, int],
    captions: Sequence[str] | None = None,
    margin: int = 4,
    font_size: int = 12,
) -> NDArray[np.uint8]:
    """Arrange pictures in a grid, row by row.

    Args:
        images: uint8 (H, W, 3), or (H, W) for gray; sizes may differ. Each is shown whole, as large as its cell allows.
        columns: pictures a row; a sheet of fewer pictures is only as wide as they need.
        cell: side of a cell in pixels, or (height, width).
        captions: one a picture. A line break starts a new line; lines too long for the cell are wrapped, and the row
            grows with its longest caption.
        margin: pixels between the cells and around them.
        font_size: height of the captions' letters in pixels.

    Returns:
        uint8 (H, W, 3) on white. Without pictures: one line that says so.
    """
    if columns < 1:
        raise ValueError(f"columns is {columns}, must be at least 1")
    if captions is not None and len(captions) != len(images):
        raise ValueError(f"{len(captions)} captions for {len(images)} images")
    height, width = (cell, cell) if isinstance(cell, int) else cell
    font = caption_font(font_size, "".join(captions or ()))
    if not len(images):
        return _note("no pictures", font, max(width, 8 * font_size), margin)
    columns = min(columns, len(images))
    lines = [wrap_text(caption, font, width) for caption in captions] if captions else [[] for _ in images]
    line_height = round(font_size * _LINE_SPACING)
    starts = range(0, len(images), columns)
    texts = [max(len(text) for text in lines[start : start + columns]) * line_height for start in starts]
    gaps = [text + margin if text else 0 for text in texts]
    total = margin + sum(height + gap + margin for gap in gaps)
    sheet = Image.new("RGB", (margin + columns * (width + margin), total), _PAPER)
    pen = ImageDraw.Draw(sheet)
    top = margin
    for start, gap in zip(starts, gaps, strict=True):
        for place, image in enumerate(images[start : start + columns]):
            left = margin + place * (width + margin)
            _paste(sheet, image, (top, left), (height, width))
            for number, text in enumerate(lines[start + place]):
                offset = (width - font.getlength(text)) / 2
                # "mm" centres on the line whatever the letters: no descender can leave the space kept for it.
                middle = top + height + margin / 2 + (number + 0.5) * line_height
                font.write(pen, (left + offset, middle), text, _INK, "lm")
        top += height + gap + margin
    return np.array(sheet)


def wrap_text(text: str, font: Font, width: int) -> list[str]:
    """Break a text into lines of at most `width` pixels: at spaces where possible, inside a word where not.

    Nothing is dropped but the spaces at breaks; control characters become spaces.
    """
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in "".join(c if c.isprintable() else " " for c in paragraph).split():
            longer = f"{line} {word}" if line else word
            if font.getlength(longer) <= width:
                line = longer
                continue
            if line:
                lines.append(line)
            line = ""
            for letter in word:
                if line and font.getlength(line + letter) > width:
                    lines.append(line)
                    line = ""
                line += letter
        if line:
            lines.append(line)
    return lines


def sheet_cell(size: tuple[int, int], pictures: int) -> tuple[int, int]:
    """(height, width) of a cell for some pictures beside each other, each of a network's input size; small ones enlarged."""
    height, width = size
    if max(size) < SMALL:
        factor = SHOWN // max(size)
        return height * factor, pictures * width * factor
    side = min(height, 160)
    return side, round(pictures * side * width / height)


def _paste(sheet: Image.Image, image: NDArray[np.uint8], corner: tuple[int, int], cell: tuple[int, int]) -> None:
    if image.ndim == 2:
        image = np.repeat(image[:, :, None], 3, axis=2)
    scale = min(cell[0] / image.shape[0], cell[1] / image.shape[1])
    inner = tuple(min(max(round(side * scale), 1), limit) for side, limit in zip(image.shape[:2], cell, strict=True))
    top = corner[0] + (cell[0] - inner[0]) // 2
    left = corner[1] + (cell[1] - inner[1]) // 2
    sheet.paste(_EMPTY, (corner[1], corner[0], corner[1] + cell[1], corner[0] + cell[0]))
    sheet.paste(Image.fromarray(fit_image(image, (inner[0], inner[1]), "stretch")), (left, top))


def _note(text: str, font: Font, width: int, margin: int) -> NDArray[np.uint8]:
    height = 40
    sheet = Image.new("RGB", (width + 2 * margin, height), _PAPER)
    font.write(ImageDraw.Draw(sheet), (margin, height / 2), text, _INK, "lm")
    return np.array(sheet)
