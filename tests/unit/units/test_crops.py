"""Crops: what is cut out, and what is marked."""

import math

import numpy as np

from convscope.models.fields import Axis, ReceptiveField
from convscope.units.crops import CELL, crop_of, sheet


def picture(height=96, width=96):
    """Red tells the row, green the column."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = np.arange(height)[:, None], np.arange(width)[None]
    return pixels


def field(size, stride=8.0, centre=3.5):
    return ReceptiveField(Axis(centre, stride, size), Axis(centre, stride, size))


def test_the_crop_is_what_the_cell_sees():
    found = crop_of(picture(), field(32), (5, 6), np.zeros((12, 12)), 1.0)
    # Cell 5 has its middle at 3.5 + 40: rows 28 to 60, three pixels of the crop for one.
    assert found.shape == (CELL, CELL, 3)
    assert abs(int(found[0, 0, 0]) - 28) <= 1 and abs(int(found[-1, 0, 0]) - 59) <= 1
    assert abs(int(found[0, 0, 1]) - 36) <= 1 and abs(int(found[0, -1, 1]) - 67) <= 1


def test_at_the_rim_it_is_moved_into_the_picture_and_a_small_field_has_surroundings():
    found = crop_of(picture(), field(32), (0, 11), np.zeros((12, 12)), 1.0)
    assert found[0, 0, 0] == 0 and abs(int(found[-1, 0, 0]) - 31) <= 1 and abs(int(found[0, -1, 1]) - 95) <= 1
    small = crop_of(picture(), field(3), (5, 5), np.zeros((12, 12)), 1.0)
    assert abs((int(small[-1, 0, 0]) - int(small[0, 0, 0])) - 23) <= 2


def test_a_field_larger_than_the_picture_shows_all_of_it_whole():
    found = crop_of(picture(48, 96), field(math.inf), (1, 1), np.zeros((6, 12)), 1.0)
    assert (found[:24] == 238).all() and (found[72:] == 238).all()
    assert abs(int(found[24, 0, 0]) - 0) <= 1 and abs(int(found[71, 0, 0]) - 47) <= 1


def test_where_the_unit_fires_is_outlined_at_its_place_and_the_rest_dimmed():
    plane = np.zeros((12, 12), np.float32)
    plane[2, 9] = 1
    grey = np.full((96, 96, 3), 200, np.uint8)
    found = crop_of(grey, field(math.inf), (2, 9), plane, 0.5)
    marked = (found == (255, 214, 10)).all(axis=2)
    rows, columns = np.nonzero(marked)
    # The cell's middle lies at row 19.5 and column 75.5, and half of its answer is reached half a cell away.
    assert abs(rows.mean() - 19.5) < 1 and abs(columns.mean() - 75.5) < 1
    assert 7 <= rows.max() - rows.min() <= 9
    assert found[80, 10].tolist() == [156] * 3 and found[19, 75].tolist() == [200] * 3


def test_a_saturated_unit_fires_between_its_cells_too():
    # A ReLU6 at its end everywhere, and a threshold that is that end: shares of such cells do not add up to 1 to the last digit.
    grey, plane = np.full((100, 100, 3), 200, np.uint8), np.full((7, 7), 6, np.float16)
    for place in ((0, 0), (3, 2), (6, 2)):
        assert (crop_of(grey, field(75, 14, 9.5), place, plane, 6.0) == 200).all()


def test_nothing_is_marked_where_it_does_not_fire():
    grey = np.full((96, 96, 3), 200, np.uint8)
    assert (crop_of(grey, field(math.inf), (2, 9), np.zeros((12, 12)), 0.5) == 200).all()


def test_a_sheet_has_a_unit_in_each_row():
    cells = [[np.full((CELL, CELL, 3), 10 * row + column, np.uint8) for column in range(4)] for row in range(2)]
    found = sheet(cells)
    assert found.shape == (2 * CELL, 4 * CELL, 3) and found[CELL, 3 * CELL, 0] == 13
