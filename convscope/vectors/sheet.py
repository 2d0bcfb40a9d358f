"""A sheet of the concepts that were found for a class: a row each, with what is known of it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from convscope.pictures.contact_sheets import wrap_text
from convscope.pictures.fonts import caption_font
from convscope.vectors.rows import FoundRow

_WORDS, _GAP, _LINE, _TITLE = 210, 10, 16, 18
_INK, _PALE, _PAPER = (34, 34, 34), (110, 110, 110), (255, 255, 255)


def captioned(title: str, rows: Sequence[FoundRow], strips: Sequence[Sequence[NDArray[np.uint8]]]) -> NDArray[np.uint8]:
    """The sheet: words, crops, pattern and maps of each concept, in a row.

    Args:
        title: of the sheet.
        rows: what is known of each.
        strips: of each its crops, its pattern where there is one, and its maps, (h, w, 3) uint8 each.

    Returns:
        (H, W, 3) uint8.
    """
    high = max(part.shape[0] for part in strips[0]) + _GAP
    left = _GAP + _WORDS + _GAP
    wide = left + sum(part.shape[1] + 2 * _GAP for part in strips[0]) - _GAP
    top = _TITLE + 3 * _GAP
    sheet = Image.new("RGB", (wide, top + len(rows) * high), _PAPER)
    pen = ImageDraw.Draw(sheet)
    texts = [_words(row) for row in rows]
    caption_font(_TITLE, title).write(pen, (_GAP, _GAP + _TITLE / 2), title, _INK, "lm")
    font = caption_font(13, "".join(text for lines in texts for text in lines))
    for number, (lines, parts) in enumerate(zip(texts, strips, strict=True)):
        y = top + number * high
        for place, line in enumerate([part for text in lines for part in wrap_text(text, font, _WORDS)]):
            font.write(pen, (_GAP, y + (place + 0.5) * _LINE), line, _INK if place == 0 else _PALE, "lm")
        x = left
        for part in parts:
            sheet.paste(Image.fromarray(part), (x, y))
            x += part.shape[1] + 2 * _GAP
    return np.array(sheet)


def _words(row: FoundRow) -> list[str]:
    change = f"without it the logit {'falls' if row.removed >= 0 else 'rises'} by {abs(row.removed):.2g}"
    told = [f"{row.number}: importance {row.importance:.2f} ± {row.importance_error:.2f}", change, row.words]
    return [*told, row.twin] if row.twin else told
