"""A sheet of concepts: some pictures, and over each of them, faded, where every concept is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from convscope.concepts.masks import ConceptMasks, unpacked
from convscope.concepts.report import concept_rows
from convscope.pictures.contact_sheets import wrap_text
from convscope.pictures.fonts import caption_font
from convscope.pictures.read import fit_image
from convscope.pictures.render import save_png

Pixels = NDArray[np.uint8]

# A cell, its neighbours' distance, and at most so many concepts beside a picture: what a screen shows; and so many pictures.
_CELL, _GAP, _ACROSS, _DOWN = 104, 4, 11, 6
_FONT, _LINE, _TITLE = 12, 15, 16
_INK, _PAPER, _PALE = (34, 34, 34), (255, 255, 255), (120, 120, 120)
# A colour that pictures seldom have; and what is not known.
_MASK, _UNKNOWN = (214, 0, 108), (205, 205, 205)
# Of the picture that shows through where no mask is, and through one.
_FADED, _THROUGH = 0.35, 0.2


def spread(count: int) -> list[int]:
    """The places of the pictures that a sheet shows, evenly over a set of so many."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(_DOWN, count))})


def mask_cell(picture: Pixels, mask: np.ndarray, known: np.ndarray) -> Pixels:
    """A mask over its faded picture: what is not known is grey.

    Args:
        picture: (H, W, 3) uint8.
        mask, known: (H, W) bool.

    Returns:
        (H, W, 3) uint8.
    """
    faded = 255 + (picture.astype(np.float32) - 255) * _FADED
    marked = np.array(_MASK, np.float32) + (picture.astype(np.float32) - np.array(_MASK, np.float32)) * _THROUGH
    drawn = np.where(mask[..., None], marked, faded)
    return np.where(known[..., None], drawn, np.array(_UNKNOWN, np.float32)).round().astype(np.uint8)


def draw_concepts(
    path: Path, pictures: Sequence[Pixels], found: ConceptMasks, chosen: Sequence[int], **facts: Any
) -> None:
    """Draw some of a set's pictures down, and their concepts across, in bands of one kind each.

    Args:
        path: the PNG.
        pictures: (H, W, 3) uint8 of any size of the masks' shape, those that are chosen.
        found: all the masks.
        chosen: the pictures' places in the set.
        **facts: of the PNG's text.
    """
    small = [fit_image(picture, found.size, "stretch") for picture in pictures]
    shares = {row.kind + "\0" + row.name: row.share for row in concept_rows(found)}
    bands = []
    for group, kind in enumerate(found.kinds):
        known = unpacked(found.known[list(chosen), group], found.size)
        places = [index for index, concept in enumerate(found.concepts) if concept.kind == kind]
        for start in range(0, len(places), _ACROSS):
            some = places[start : start + _ACROSS]
            masks = unpacked(found.masks[np.ix_(chosen, some)], found.size)
            rows = [
                [picture, *(mask_cell(picture, mask, seen) for mask in of_picture)]
                for picture, of_picture, seen in zip(small, masks, known, strict=True)
            ]
            names = [found.concepts[index].name for index in some]
            captions = [f"{name}\n{100 * shares[kind + chr(0) + name]:.2g} %" for name in names]
            bands.append(_band(kind, rows, captions, found.size))
    width = max((band.shape[1] for band in bands), default=_CELL)
    bands = [np.pad(band, ((0, 0), (0, width - band.shape[1]), (0, 0)), constant_values=255) for band in bands]
    sheet = np.concatenate(bands) if bands else np.full((_CELL, width, 3), 255, np.uint8)
    save_png(path, sheet, concepts=[[concept.kind, concept.name] for concept in found.concepts], **facts)


def _band(kind: str, rows: Sequence[Sequence[Pixels]], captions: Sequence[str], size: tuple[int, int]) -> Pixels:
    """One band: the kind, a name over each column, the pictures, all of a (height, width)."""
    font, title = caption_font(_FONT, "".join(captions)), caption_font(_TITLE, kind)
    lines = [wrap_text(caption, font, _CELL) for caption in captions]
    head = _TITLE + 3 * _GAP + max(map(len, lines)) * _LINE
    high, wide = (max(round(side * _CELL / max(size)), 1) for side in size)
    across, down = _CELL + _GAP, high + _GAP
    count = len(captions) + 1
    sheet = Image.new("RGB", (_GAP + count * across, head + max(len(rows), 1) * down + _GAP), _PAPER)
    pen = ImageDraw.Draw(sheet)
    title.write(pen, (_GAP, _GAP + _TITLE / 2), kind, _INK, "lm")
    for column, text in enumerate(lines, start=1):
        for number, line in enumerate(text):
            at = _GAP + column * across, head - (len(text) - number - 0.5) * _LINE - _GAP
            font.write(pen, at, line, _PALE if number == len(text) - 1 else _INK, "lm")
    for row, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            drawn = Image.fromarray(cell).resize((wide, high), Image.Resampling.NEAREST)
            sheet.paste(drawn, (_GAP + column * across, head + row * down))
    if not rows:
        font.write(pen, (_GAP, head + down / 2), "no pictures", _INK, "lm")
    return np.array(sheet)
