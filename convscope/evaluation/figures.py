"""The pictures of a classifier's report: the most confident errors, and a small view of every predicted image."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from convscope.errors import BadImage
from convscope.pictures.contact_sheets import contact_sheet
from convscope.pictures.read import fit_image, read_image
from convscope.storage.files import atomic_path

THUMBNAIL = 64
THUMBNAIL_COLUMNS = 32
MOST_THUMBNAILS = 4000
ERRORS_SHOWN = 24
_CELL = 150
_QUALITY = 82
_PAPER = 238

Pictures = npt.NDArray[np.uint8]


def draw_errors(found: Any, worst: Sequence[tuple[int, str]], path: Path) -> None:
    """Draw the worst predictions as a PNG sheet.

    Args:
        found: predictions with `paths` and `digests`.
        worst: position and caption of each.
        path: the PNG.
    """
    pictures = [_picture(found.paths[i], found.digests[i], None) for i, _ in worst]
    captions = [caption for _, caption in worst]
    sheet = contact_sheet(pictures, 6, _CELL, captions, margin=8)
    with atomic_path(path) as temporary:
        Image.fromarray(sheet).save(temporary, format="PNG")


def draw_thumbnails(
    images: Sequence[tuple[str, str]], path: Path, after: Callable[[int], None] = lambda count: None
) -> dict[str, int]:
    """Draw a small view of every image into one JPEG, to be used as a sprite: one file where a page wants thousands.

    Args:
        images: (file, its SHA-256 when it was predicted), in the order of the table of predictions.
        path: the JPEG; image k lies in row `k // columns`, column `k % columns`.
        after: called with 1 for every image drawn.

    Returns:
        Its geometry: `cell` (pixels), `columns`, `count` (the first images only where there are very many).
    """
    count = min(len(images), MOST_THUMBNAILS)
    columns = min(THUMBNAIL_COLUMNS, max(count, 1))
    sheet = np.full((max(-(-count // columns), 1) * THUMBNAIL, columns * THUMBNAIL, 3), _PAPER, np.uint8)
    for k, (source, digest) in enumerate(images[:count]):
        top, left = k // columns * THUMBNAIL, k % columns * THUMBNAIL
        sheet[top : top + THUMBNAIL, left : left + THUMBNAIL] = _picture(source, digest, THUMBNAIL)
        after(1)
    with atomic_path(path) as temporary:
        Image.fromarray(sheet).save(temporary, format="JPEG", quality=_QUALITY)
    return {"cell": THUMBNAIL, "columns": columns, "count": count}


def _picture(source: str, digest: str, side: int | None) -> Pictures:
    """An image as RGB, cropped to a square where a side is given; gray where the file is gone since."""
    try:
        image: Any = read_image(source, sha256=digest)
    except BadImage:
        image = np.full((THUMBNAIL, THUMBNAIL, 3), 128, np.uint8)
    return image if side is None else fit_image(image, (side, side), "crop")
