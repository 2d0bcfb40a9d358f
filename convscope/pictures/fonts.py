"""The font of captions: one that has the letters of the names that it writes."""

from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def caption_font(size: int, text: str = "") -> Font:
    """PIL's own font; where that lacks a letter of the text (it knows no accents), DejaVu Sans, as matplotlib's figures have it.

    Args:
        size: height of the letters in pixels.
        text: all that is written with it, so that a sheet has one font.
    """
    others = frozenset(letter for letter in text if not letter.isascii())
    return _dejavu(size) if _lacks(others) else ImageFont.load_default(size=size)


@lru_cache(maxsize=256)
def _lacks(letters: frozenset[str]) -> bool:
    font = ImageFont.load_default(size=12)
    # What a font does not have it draws as a box, the same for all.
    box = bytes(font.getmask("\uffff"))
    return any(bytes(font.getmask(letter)) == box for letter in letters)


@lru_cache(maxsize=32)
def _dejavu(size: int) -> Font:
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)
