"""What colour a pixel has, in the eleven basic words of English.

People disagree least about the basic terms (Berlin and Kay 1969). Where one ends and the next begins is asked of people, not of a
formula: in some 220,000 sessions visitors of xkcd.com named what they saw (Munroe 2010, CC0; matplotlib has the table), and 528 of the
names that came of it end in one of the eight terms with a hue: "dull green", "brick red". A pixel with a hue is called what the name
nearest to it in CIELAB ends in, or white or black where one of their four names is nearer. Of the names with a hue, each left out in
turn, 92 % are called so by the others. Of neutral names there are few, so that chroma and lightness decide of pixels with hardly any
hue, by the constants below.

Beige has no basic term: it is called brown, as the survey's "light brown" is, and cream white.
"""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.concepts.names import COLOURS

# Chroma below which people say black, grey or white: it parts the survey's 26 greys from its names with a hue best, of lightness 20 to
# 90 with 6 errors among 475.
NEUTRAL_BELOW = 17.0
# Lightness of black and of white among them: the survey's blacks end at 3 and its greys begin at 23, and black fur and shadows of a
# photo are nearer to that; white begins midway between its plain grey (61) and white (100), for a photo's white is seldom that of
# paper.
BLACK_BELOW, WHITE_ABOVE = 20.0, 80.0

# sRGB to XYZ, D65 (IEC 61966-2-1).
_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def to_lab(picture: np.ndarray) -> NDArray[np.float64]:
    """sRGB to CIELAB (D65): (..., 3) uint8 -> (..., 3), lightness 0..100, a and b."""
    levels = np.arange(256) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    shares = _product(linear[picture], _TO_XYZ / _TO_XYZ.sum(axis=1, keepdims=True))
    bent = np.where(shares > 216 / 24389, np.cbrt(shares), (24389 / 27 * shares + 16) / 116)
    x, y, z = bent[..., 0], bent[..., 1], bent[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _product(values: np.ndarray, matrix: np.ndarray) -> NDArray[np.float64]:
    # Written out: a library's product adds in an order of its own, and a pixel on a border would be called otherwise elsewhere.
    return np.stack([values[..., 0] * row[0] + values[..., 1] * row[1] + values[..., 2] * row[2] for row in matrix], -1)


def colour_labels(picture: np.ndarray) -> NDArray[np.uint8]:
    """What every pixel is called: (H, W, 3) uint8 -> (H, W) uint8, an index of `names.COLOURS`."""
    values = picture.astype(np.int64)
    codes = (values[..., 0] << 16) | (values[..., 1] << 8) | values[..., 2]
    seen, place = np.unique(codes, return_inverse=True)
    lab = to_lab(np.stack([seen >> 16, (seen >> 8) & 255, seen & 255], axis=-1))
    nearest, names = _named()
    labels = names[nearest.query(lab)[1]]
    neutral = np.hypot(lab[:, 1], lab[:, 2]) < NEUTRAL_BELOW
    grey = np.where(lab[:, 0] < BLACK_BELOW, 0, np.where(lab[:, 0] > WHITE_ABOVE, 2, 1))
    labels = np.where(neutral, grey, labels).astype(np.uint8)
    return labels[place].reshape(picture.shape[:2])


@functools.cache
def _named() -> tuple[Any, NDArray[np.int64]]:
    """The survey's names that end in a basic term but grey: a tree of their places in CIELAB, and for each its index in `COLOURS`."""
    from matplotlib.colors import XKCD_COLORS
    from scipy.spatial import cKDTree

    terms = {term: index for index, term in enumerate(COLOURS) if term != "grey"}
    # "xkcd:brick red"
    named = [
        (str(value), terms[word])
        for name, value in XKCD_COLORS.items()
        if (word := name.partition(":")[2].split()[-1]) in terms
    ]
    bytes_of = np.array([[int(value[at : at + 2], 16) for at in (1, 3, 5)] for value, _ in named])
    return cKDTree(to_lab(bytes_of)), np.array([term for _, term in named])
