"""Edges, texture and how fine, of pictures where they are known."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from convscope.concepts.colours import to_lab
from convscope.concepts.names import FREQUENCIES, ORIENTATIONS, TEXTURES
from convscope.concepts.structure import (
    COHERENT,
    GATHERED,
    NOTHING,
    STEEP,
    frequency_labels,
    orientation_labels,
    tensor,
    texture_labels,
)

SIDE = 64
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE].astype(float)
INNER = (slice(12, -12), slice(12, -12))


def as_lab(lightness: np.ndarray) -> np.ndarray:
    lab = np.zeros((*lightness.shape, 3))
    lab[..., 0] = lightness
    return lab


def grating(line: float, wavelength: float = 8, contrast: float = 20) -> np.ndarray:
    """Waves whose lines run at an angle, in degrees upwards from the right: 45 is like a slash."""
    across = np.deg2rad(line + 90)
    # Upwards on the screen is against the rows.
    phase = COLUMNS * np.cos(across) - ROWS * np.sin(across)
    return as_lab(50 + contrast * np.sin(2 * np.pi * phase / wavelength))


def prevailing(labels: np.ndarray, names: tuple[str, ...]) -> tuple[str, float]:
    """What most pixels away from the border are, and their share."""
    values, counts = np.unique(labels[INNER], return_counts=True)
    most = counts.argmax()
    return "" if values[most] == NOTHING else names[values[most]], float(counts[most] / counts.sum())


@pytest.mark.parametrize(
    ("line", "name"),
    [(0, "horizontal edge"), (45, "diagonal / edge"), (90, "vertical edge"), (135, "diagonal \\ edge"), (180, "horizontal edge"),
     (20, "horizontal edge"), (-20, "horizontal edge"), (160, "horizontal edge"), (25, "diagonal / edge"), (65, "diagonal / edge"),
     (70, "vertical edge"), (110, "vertical edge"), (115, "diagonal \\ edge"), (155, "diagonal \\ edge")],
)  # fmt: skip
def test_an_edge_is_called_by_how_its_line_runs(line: float, name: str) -> None:
    assert prevailing(orientation_labels(grating(line)), ORIENTATIONS) == (name, 1.0)


def test_names_as_a_person_sees_them() -> None:
    """A horizon, a pole, and a line drawn from the lower left to the upper right, pixel by pixel."""
    horizon, pole = as_lab(np.where(ROWS < 32, 80.0, 20.0)), as_lab(np.where(COLUMNS < 32, 80.0, 20.0))
    slash = np.full((SIDE, SIDE), 80.0)
    for step in range(SIDE):
        slash[SIDE - 1 - step, max(step - 1, 0) : step + 2] = 20
    for lab, name in ((horizon, "horizontal edge"), (pole, "vertical edge"), (as_lab(slash), "diagonal / edge")):
        labels = orientation_labels(lab)
        assert ORIENTATIONS[labels[32, 32]] == name
        assert set(np.unique(labels[INNER])) == {NOTHING, ORIENTATIONS.index(name)}


def test_light_to_dark_and_dark_to_light_are_the_same_edge() -> None:
    lab = as_lab(np.where(ROWS < 32, 80.0, 20.0) + 0.1 * COLUMNS)
    upside_down = lab.copy()
    upside_down[..., 0] = 100 - lab[..., 0]
    assert (orientation_labels(lab) == orientation_labels(upside_down)).all()


def test_an_edge_of_colour_alone_is_one() -> None:
    lab = as_lab(np.full((SIDE, SIDE), 50.0))
    lab[..., 1] = np.where(COLUMNS < 32, -30, 30)
    assert ORIENTATIONS[orientation_labels(lab)[32, 32]] == "vertical edge"


def test_the_threshold_is_a_step_of_four_noticeable_differences() -> None:
    """Derived for a step: by hand, the slope of a step of 9.2, gathered, at its middle."""
    for step, found in ((9.0, False), (9.5, True)):
        lab = as_lab(np.where(np.arange(SIDE)[None] < 32, 50.0, 50 + step) + 0 * ROWS)
        # The step lies between two pixels: at its middle, the mean of both.
        energy = np.sqrt(tensor(lab, GATHERED)[0][32, 31:33].mean())
        assert (energy >= STEEP) == found, (energy, STEEP)
    assert 2.3 < STEEP < 2.5 and COHERENT == 0.5


def test_noise_is_no_edge_and_no_texture() -> None:
    lab = as_lab(50 + np.random.default_rng(0).normal(0, 2, (SIDE, SIDE)))
    assert np.sqrt(tensor(lab, 8)[0].mean()) == pytest.approx(0.56, abs=0.05)
    assert (orientation_labels(lab) == NOTHING).all() and (texture_labels(lab) == NOTHING).all()
    assert (frequency_labels(lab) == FREQUENCIES.index("smooth")).all()


def test_the_border_of_a_picture_is_no_edge() -> None:
    assert (orientation_labels(as_lab(np.full((SIDE, SIDE), 90.0))) == NOTHING).all()


def test_rough_is_many_directions_and_stripes_are_one() -> None:
    checks = as_lab(50 + 20 * np.sign(np.sin(2 * np.pi * (ROWS + 0.5) / 8) * np.sin(2 * np.pi * (COLUMNS + 0.5) / 8)))
    fur = as_lab(50 + np.random.default_rng(0).normal(0, 25, (SIDE, SIDE)))
    spots = as_lab(20 + 60.0 * ((ROWS % 8 - 4) ** 2 + (COLUMNS % 8 - 4) ** 2 < 7))
    for lab in (checks, fur, spots):
        assert prevailing(texture_labels(lab), TEXTURES) == ("rough", 1.0)
    for line in (0, 30, 45, 90):
        assert prevailing(texture_labels(grating(line)), TEXTURES) == ("stripes", 1.0)


def test_an_edge_a_corner_and_a_line_are_no_texture() -> None:
    edge, corner = np.where(ROWS < 32, 80.0, 20.0), np.where((ROWS < 32) & (COLUMNS < 32), 80.0, 20.0)
    line, bar, ramp = (
        np.where(np.abs(ROWS - 32) < 2, 80.0, 20.0),
        np.where(np.abs(ROWS - 32) < 3, 80.0, 20.0),
        1.5 * ROWS,
    )
    for lightness in (edge, edge.T, corner, corner[::-1], line, line.T, bar, ramp):
        assert (texture_labels(as_lab(lightness))[INNER] == NOTHING).all()


@pytest.mark.parametrize(("wavelength", "name"), [(3, "fine"), (6.5, "medium"), (13, "coarse"), (20, "coarse")])
def test_octaves(wavelength: float, name: str) -> None:
    for line in (0, 45, 90):
        assert prevailing(frequency_labels(grating(line, wavelength)), FREQUENCIES) == (name, 1.0)


def test_a_sharp_outline_is_fine_and_a_blurred_one_is_coarse() -> None:
    sharp = np.where(ROWS < 32, 20.0, 80.0)
    blurred = gaussian_filter(sharp, 3.0)
    for lightness, name in ((sharp, "fine"), (blurred, "coarse")):
        labels = frequency_labels(as_lab(lightness))
        assert set(np.unique(labels[29:35])) == {FREQUENCIES.index(name)}
        assert (labels[[4, -4]] == FREQUENCIES.index("smooth")).all()


def test_what_hardly_changes_is_smooth() -> None:
    assert prevailing(frequency_labels(as_lab(50 + 0.3 * ROWS)), FREQUENCIES) == ("smooth", 1.0)
    assert prevailing(frequency_labels(grating(0, 6.5, contrast=1)), FREQUENCIES) == ("smooth", 1.0)
    assert (frequency_labels(as_lab(np.zeros((1, 1)))) == FREQUENCIES.index("smooth")).all()


def test_one_picture_does_not_depend_on_its_contrast_elsewhere() -> None:
    lab = grating(0, 6.5)
    half = lab.copy()
    half[:, 40:, 0] = 100 * np.random.default_rng(0).random((SIDE, 24))
    for labels in (orientation_labels, texture_labels, frequency_labels):
        assert (labels(lab)[:, :16] == labels(half)[:, :16]).all()


def test_lab_of_pixels_is_what_is_looked_at() -> None:
    picture = np.where(ROWS[..., None] < 32, 200, 40).astype(np.uint8).repeat(3, axis=2)
    assert ORIENTATIONS[orientation_labels(to_lab(picture))[32, 32]] == "horizontal edge"
