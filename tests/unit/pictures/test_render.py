"""From numbers to pictures: upsampling, standardising, grids, overlays."""

from pathlib import Path

import numpy as np
from PIL import Image

from convscope.judging.agreement import is_constant
from convscope.judging.localisation import pointing_game
from convscope.pictures.render import colormap, grid, overlay, pattern_picture, save_png, standardise, upsample


def test_upsampling_is_bilinear_with_half_pixel_centres() -> None:
    np.testing.assert_allclose(upsample(np.array([[0.0, 1.0]]), (1, 4))[0], [0, 0.25, 0.75, 1])
    np.testing.assert_allclose(upsample(np.eye(3), (3, 3)), np.eye(3))
    assert upsample(np.random.default_rng(0).random((7, 7)), (224, 200)).min() >= 0
    peak = np.zeros((7, 7))
    peak[2, 5] = 1
    big = upsample(peak, (224, 112))
    assert np.unravel_index(big.argmax(), big.shape)[0] // 32 == 2
    rows, columns = np.nonzero(big > 0.9 * big.max())
    assert abs(rows.mean() + 0.5 - 2.5 * 32) < 0.6 and abs(columns.mean() + 0.5 - 5.5 * 16) < 0.6


def test_what_is_flat_stays_flat_when_it_is_upsampled() -> None:
    # Xception's maps have 10 x 10 cells of 299 x 299 pixels: the weights of such sides are no sums of powers of two.
    mask = np.zeros((299, 200), bool)
    mask[:150, :100] = True
    for value in np.float32([0.3, 0.7713, 123.456]):
        flat = upsample(np.full((10, 10), value, np.float32), mask.shape)
        assert is_constant(flat) and flat[0, 0] == value and pointing_game(flat, mask) == 0
    # Of several cells that are the highest all between their middles is.
    ridge = np.zeros((10, 10), np.float32)
    ridge[2:4, 2:8] = 0.7
    rows, columns = np.nonzero(upsample(ridge, (299, 299)) == np.float32(0.7))
    assert len(rows) == 30 * 149 and (rows.min(), rows.max(), columns.min(), columns.max()) == (75, 104, 75, 223)


def test_standardise_is_the_textbooks_and_survives_constants() -> None:
    values = np.random.default_rng(0).normal(3, 9, (50, 50))
    picture = standardise(values)
    assert abs(picture.mean() - 127.5) < 1.5 and abs(picture.std() - 64) < 4
    assert (standardise(np.zeros((4, 4))) == 0).all()
    assert (standardise(np.full((4, 4), 7.0)) == 128).all()


def test_a_pattern_is_cropped_on_every_side() -> None:
    pattern = np.random.default_rng(0).normal(size=(40, 40, 3))
    picture = pattern_picture(pattern, 5)
    np.testing.assert_array_equal(picture, standardise(pattern)[5:35, 5:35])


def test_grid_places_every_cell() -> None:
    cells = [np.full((10, 12, 3), index, np.uint8) for index in range(1, 12)]
    picture = grid(cells, 8, 5)
    assert picture.shape == (5 + 2 * 15, 5 + 8 * 17, 3)
    for index in range(11):
        top, left = 5 + index // 8 * 15, 5 + index % 8 * 17
        assert (picture[top : top + 10, left : left + 12] == index + 1).all()
    assert picture.sum(dtype=int) == sum(10 * 12 * 3 * value for value in range(1, 12))


def test_an_empty_map_is_no_blue_picture() -> None:
    image = np.full((8, 8, 3), 100, np.uint8)
    shown = overlay(image, np.zeros((2, 2)), 0.0, "jet")
    assert (shown[..., 0] == shown[..., 2]).all()
    hot = overlay(image, np.eye(2), 1.0, "jet")
    assert hot[0, 0, 0] > hot[0, 0, 2] and hot[0, 7, 2] > hot[0, 7, 0]


def test_colours_are_matplotlibs() -> None:
    from matplotlib import colormaps

    levels = np.array([0.0, 0.5, 1.0])
    expected = np.round(colormaps["viridis"](np.array([0, 128, 255]))[:, :3] * 255)
    np.testing.assert_array_equal(colormap("viridis", levels), expected)


def test_png_carries_what_it_shows(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        save_png(tmp_path / name, np.zeros((3, 3, 3), np.uint8), layer="conv", grid={"b": 1, "a": [2]})
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.text == {"layer": "conv", "grid": '{"a": [2], "b": 1}'}
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
