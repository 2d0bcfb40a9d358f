"""The fonts of captions: faces that have the letters of the names that they write.

PIL's own font knows no accents; DejaVu Sans, which comes with matplotlib, has Latin, Greek, Cyrillic, Arabic, Hebrew and more. Letters
that neither has, as those of Chinese, Japanese and Korean, are written by fonts of the machine that have them, always the same ones.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

from PIL import ImageDraw, ImageFont

from convscope.jobs.job import say

Face = ImageFont.FreeTypeFont | ImageFont.ImageFont
# Such a font draws pictures of one size.
_NO_LETTERS = ("emoji", "lastresort")
# Letters that the log knows of.
_told: set[str] = set()


@dataclass(frozen=True)
class Font:
    """Faces of one size: each letter is written by the first that has it.

    Attributes:
        faces: the first one writes what none has, as boxes.
        letters: of each face, those that the ones before lack; nothing for the first.
    """

    faces: tuple[Face, ...]
    letters: tuple[frozenset[str], ...]

    def getlength(self, text: str) -> float:
        """Width of a line in pixels."""
        return sum(face.getlength(run) for face, run in self._runs(text))

    def write(
        self, pen: ImageDraw.ImageDraw, place: tuple[float, float], text: str, ink: tuple[int, ...], anchor: str = "la"
    ) -> None:
        """Write a line.

        Args:
            pen: of the picture.
            place: (x, y) of the anchor.
            text: the line.
            ink: its colour.
            anchor: "la", the top of the letters at the left, or "lm", their middle.
        """
        runs = list(self._runs(text))
        if all(face is self.faces[0] for face, _ in runs):
            pen.text(place, text, fill=ink, font=self.faces[0], anchor=anchor)
            return
        # Faces differ in height; they have the line in common that the letters stand on.
        first: Any = self.faces[0]
        ascent, descent = first.getmetrics()
        x, base = place[0], place[1] + {"la": ascent, "lm": (ascent - descent) / 2}[anchor]
        for face, run in runs:
            pen.text((x, base), run, fill=ink, font=face, anchor="ls")
            x += face.getlength(run)

    def _runs(self, text: str) -> Iterator[tuple[Face, str]]:
        if len(self.faces) == 1:
            yield self.faces[0], text
            return
        for number, run in groupby(text, self._number):
            yield self.faces[number], "".join(run)

    def _number(self, letter: str) -> int:
        return next((number for number, own in enumerate(self.letters) if letter in own), 0)


def caption_font(size: int, text: str = "") -> Font:
    """The font that some text is written in; what no font of the machine has is told in the log, once.

    Args:
        size: height of the letters in pixels.
        text: all that is written with it, so that a sheet has one font.
    """
    others = _beyond_ascii(text)
    if not _lacks(others):
        return Font((ImageFont.load_default(size=size),), (frozenset(),))
    more = fonts_for(others - letters_of(_dejavu()))
    places = [_dejavu(), *(place for place, _ in more)]
    return Font(tuple(_face(place, size) for place in places), (frozenset(), *(own for _, own in more)))


def missing_in_plots(text: str) -> frozenset[str]:
    """Letters of a text that matplotlib's own font lacks."""
    return _beyond_ascii(text) - letters_of(_dejavu())


@lru_cache(maxsize=64)
def fonts_for(letters: frozenset[str]) -> tuple[tuple[Path, frozenset[str]], ...]:
    """Fonts of the machine that have these letters between them, and which each adds: few, and plain ones if there are any.

    What none has is told in the log, each letter once.
    """
    left, found = letters, []
    while left:
        ranked = ((len(left & letters_of(place)), place) for place in _places())
        count, best = max(ranked, key=lambda entry: entry[0], default=(0, Path()))
        if not count:
            if new := sorted(left - _told):
                signs = " ".join(new[:12]) + (" ..." if len(new) > 12 else "")
                say(
                    f"no font of this machine has {signs}: captions show boxes there; install one, such as Noto Sans CJK"
                )
                _told.update(new)
            break
        found.append((best, left & letters_of(best)))
        left -= letters_of(best)
    return tuple(found)


@lru_cache(maxsize=1)
def _places() -> tuple[Path, ...]:
    """The scalable fonts of the machine, the best suited for captions first."""
    from matplotlib.font_manager import findSystemFonts

    ranked = []
    for place in map(Path, findSystemFonts()):
        face = _opened(place)
        if face is not None and face.scalable and not any(word in face.family_name.lower() for word in _NO_LETTERS):
            plain = bool(face.style_flags) or face.style_name not in ("Regular", "Book", "Roman", "Medium", "Normal")
            ranked.append((plain, "sans" not in face.family_name.lower(), face.family_name, str(place)))
    return tuple(Path(place) for *_, place in sorted(ranked))


@lru_cache(maxsize=512)
def letters_of(place: Path) -> frozenset[str]:
    """The letters that a font's file has."""
    face = _opened(place)
    return frozenset(map(chr, face.get_charmap())) if face is not None else frozenset()


def _opened(place: Path) -> Any:
    from matplotlib.ft2font import FT2Font

    try:
        return FT2Font(str(place))
    except (OSError, RuntimeError, ValueError):
        return None  # damaged, or of a kind that is not read


def _beyond_ascii(text: str) -> frozenset[str]:
    return frozenset(letter for letter in text if letter.isprintable() and not letter.isascii())


@lru_cache(maxsize=256)
def _lacks(letters: frozenset[str]) -> bool:
    font = ImageFont.load_default(size=12)
    # What a font does not have it draws as a box, the same for all.
    box = bytes(font.getmask("\uffff"))
    return any(bytes(font.getmask(letter)) == box for letter in letters)


def _dejavu() -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


@lru_cache(maxsize=64)
def _face(place: Path, size: int) -> Face:
    face = ImageFont.truetype(place, size)
    with contextlib.suppress(OSError, ValueError):  # of one weight
        face.set_variation_by_name("Regular")
    return face
