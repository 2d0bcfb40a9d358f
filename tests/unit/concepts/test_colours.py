"""Colours by name."""

import numpy as np
import pytest

from convscope.concepts.colours import NEUTRAL_BELOW, _named, colour_labels, to_lab
from convscope.concepts.names import COLOURS, NEUTRAL


def name_of(*pixel: int) -> str:
    return COLOURS[int(colour_labels(np.full((2, 3, 3), pixel, np.uint8))[1, 2])]


@pytest.mark.parametrize(
    ("pixel", "name"),
    [
        ((0, 0, 0), "black"), ((30, 30, 30), "black"), ((128, 128, 128), "grey"), ((70, 72, 75), "grey"), ((255, 255, 255), "white"),
        ((240, 240, 235), "white"), ((220, 20, 30), "red"), ((255, 0, 0), "red"), ((255, 140, 0), "orange"), ((110, 70, 30), "brown"),
        ((255, 240, 20), "yellow"), ((30, 150, 40), "green"), ((85, 107, 47), "green"),
        ((20, 60, 220), "blue"), ((135, 200, 245), "blue"),
        ((20, 25, 90), "blue"), ((120, 30, 150), "purple"), ((255, 150, 200), "pink"),
        ((215, 200, 165), "brown"), ((240, 228, 190), "white"),
    ],
)  # fmt: skip
def test_what_people_call_them(pixel: tuple[int, int, int], name: str) -> None:
    assert name_of(*pixel) == name


def test_every_pixel_has_one_and_greys_have_no_hue() -> None:
    grid = np.stack(np.meshgrid(*[np.arange(0, 256, 15)] * 3, indexing="ij"), -1).reshape(18, -1, 3).astype(np.uint8)
    labels = colour_labels(grid)
    assert labels.shape == grid.shape[:2] and set(np.unique(labels)) == set(range(len(COLOURS)))
    grey = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    named = [COLOURS[label] for label in colour_labels(grey)[0]]
    assert set(named) == set(NEUTRAL) and named == sorted(named, key=NEUTRAL.index), "from dark to light"


def test_cielab_of_known_colours() -> None:
    """Values of the standard: white, black, middle grey, the primaries (D65)."""
    known = {
        (255, 255, 255): (100, 0, 0), (0, 0, 0): (0, 0, 0), (119, 119, 119): (50.03, 0, 0), (255, 0, 0): (53.24, 80.09, 67.20),
        (0, 255, 0): (87.73, -86.18, 83.18), (0, 0, 255): (32.30, 79.19, -107.86),
    }  # fmt: skip
    for pixel, lab in known.items():
        np.testing.assert_allclose(to_lab(np.array(pixel, np.uint8)), lab, atol=0.02)


def test_cielab_as_in_scikit_image() -> None:
    from skimage.color import rgb2lab

    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    np.testing.assert_allclose(to_lab(pixels), rgb2lab(pixels), atol=0.05)


def test_the_numbers_that_are_told_of_the_survey() -> None:
    """528 names with a hue, of which 92 % are called so by their nearest; the chroma parts them from the greys with 6 errors."""
    from matplotlib.colors import XKCD_COLORS

    tree, terms = _named()
    hues = terms >= len(NEUTRAL)
    assert (hues.sum(), (~hues).sum()) == (528, 4)
    nearest = tree.query(tree.data, k=2)[1][:, 1]
    assert round(float((terms[nearest] == terms)[hues].mean()), 2) == 0.92
    greys = [value for name, value in XKCD_COLORS.items() if name.partition(":")[2].split()[-1] == "grey"]
    lab = to_lab(np.array([[int(value[at : at + 2], 16) for at in (1, 3, 5)] for value in greys]))

    def chroma(values: np.ndarray) -> np.ndarray:
        return np.hypot(values[:, 1], values[:, 2])[(values[:, 0] > 20) & (values[:, 0] < 90)]

    def errors(limit: float) -> int:
        return int((chroma(lab) >= limit).sum() + (chroma(tree.data[hues]) < limit).sum())

    assert len(greys) == 26
    assert min(range(6, 30), key=errors) in (16, 17) and errors(NEUTRAL_BELOW) == 6
