"""What is known of a picture once it was opened: how a dataset and an image set look at each file of a stranger's first."""

import os
from collections.abc import Callable
from typing import NamedTuple

from convscope.errors import BadImage
from convscope.pictures.apart import Readers
from convscope.pictures.read import MAX_PIXELS, read_image
from convscope.pictures.window import Window, listed_as
from convscope.storage.files import sha256_of

MIN_SIDE = 8


class Looked(NamedTuple):
    """How one looks at a picture: the fewest pixels of a side, the most of all, and the window that it is read through, if any."""

    min_side: int = MIN_SIDE
    max_pixels: int = MAX_PIXELS
    window: Window | None = None


class Described(NamedTuple):
    """A picture that can be read: its sides in pixels, its highest value in 0..255, and what a table says of it (`listed_as`)."""

    height: int
    width: int
    brightest: int
    sha256: str


Look = Callable[[str | os.PathLike[str], Looked], Described]


def describe(path: str | os.PathLike[str], how: Looked) -> Described:
    """Open a picture and describe it.

    Raises:
        BadImage: it cannot be read, or is too small or too large; the text is the reason, without the path.
    """
    how = Looked(*how)  # from another process, a list
    pixels = read_image(path, how.max_pixels, listed_as("", how.window))
    height, width = pixels.shape[:2]
    if min(height, width) < how.min_side:
        raise BadImage(f"too small: {width}x{height} pixels, the shortest side must have {how.min_side}")
    return Described(height, width, int(pixels.max()), listed_as(sha256_of(path), how.window))


def describe_apart(readers: Readers) -> Look:
    """`describe` in a process of its own: what the picture does to that is a reason like any other."""

    def look(path: str | os.PathLike[str], how: Looked) -> Described:
        return Described(*readers.call(describe, os.fspath(path), how))

    return look
