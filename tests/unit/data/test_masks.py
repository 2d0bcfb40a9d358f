"""Part masks of the kinds that programs write, read as part numbers; what is told of those that cannot be right."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.data.masks import check_mask, read_mask
from convscope.data.regions import fit_mask, part_masks
from convscope.errors import BadImage, UserError
from convscope.judging.localisation import chance, energy_inside, pointing_game
from convscope.storage.files import sha256_of

NUMBERS = np.array([[0, 1, 1, 2], [0, 7, 7, 2], [0, 0, 0, 0]], np.uint8)
PARTS = ["background", "body", "head", "c", "d", "e", "f", "car"]


def voc_palette() -> list[int]:
    """The 256 colours of Pascal VOC: bits of the index dealt out to red, green, blue. Number 7, a car, is grey."""
    colours = []
    for index in range(256):
        red = green = blue = 0
        for bit in range(8):
            red |= (index >> (3 * bit) & 1) << (7 - bit)
            green |= (index >> (3 * bit + 1) & 1) << (7 - bit)
            blue |= (index >> (3 * bit + 2) & 1) << (7 - bit)
        colours += [red, green, blue]
    assert colours[21:24] == [128, 128, 128]
    return colours


def saved(picture: Image.Image, folder: Path, **options: object) -> Path:
    picture.save(folder / "mask.png", **options)
    return folder / "mask.png"


def with_palette(numbers: np.ndarray, colours: list[int]) -> Image.Image:
    picture = Image.fromarray(numbers, "P")
    picture.putpalette(colours)
    return picture


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated")
def test_kinds_of_files_hold_the_same_numbers(tmp_path: Path) -> None:
    greys = [0, 0, 0, 7, 7, 7, 1, 1, 1, 2, 2, 2]
    places = np.array([0, 2, 3, 0, 0, 0, 0, 1], np.uint8)[NUMBERS]
    transparent = np.dstack([NUMBERS + 40 * (NUMBERS == 0)] * 3 + [np.where(NUMBERS > 0, 255, 0)]).astype(np.uint8)
    kinds = {
        "grey": Image.fromarray(NUMBERS),
        "VOC": with_palette(NUMBERS, voc_palette()),
        "two colours alike": with_palette(NUMBERS, [0, 0, 0, 200, 0, 0, 200, 0, 0] + [9] * 12 + [0, 0, 255]),
        "a palette of greys": with_palette(places, greys),
        "16 bits": Image.fromarray(NUMBERS.astype(np.uint16)),
        "RGB": Image.fromarray(np.dstack([NUMBERS] * 3)),
        "transparent background": Image.fromarray(transparent),
        "grey with alpha": Image.fromarray(transparent).convert("LA"),
    }
    for name, picture in kinds.items():
        np.testing.assert_array_equal(read_mask(saved(picture, tmp_path)), NUMBERS, err_msg=name)
    # One grey, or one colour of the palette, that is transparent.
    filled = np.where(NUMBERS == 0, 9, NUMBERS).astype(np.uint8)
    for name, picture in (("grey", Image.fromarray(filled)), ("palette", with_palette(filled, voc_palette()))):
        np.testing.assert_array_equal(read_mask(saved(picture, tmp_path, transparency=9)), NUMBERS, err_msg=name)
    car = np.array([[0, 7]], np.uint8)
    np.testing.assert_array_equal(read_mask(saved(with_palette(car, voc_palette()), tmp_path)), car)


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated")
def test_black_and_white_is_one_object_whatever_the_parts_are_called(tmp_path: Path) -> None:
    object_ = NUMBERS > 0
    kinds = {
        "0 and 255": Image.fromarray(np.where(object_, 255, 0).astype(np.uint8)),
        "one bit": Image.fromarray(object_),
        "palette": with_palette(np.where(object_, 0, 1).astype(np.uint8), [255, 255, 255, 0, 0, 0]),
        "16 bits": Image.fromarray(np.where(object_, 65535, 0).astype(np.uint16)),
    }
    for name, picture in kinds.items():
        for parts in ([], ["background", "animal"], PARTS):
            mask = read_mask(saved(picture, tmp_path), named=bool(parts))
            check_mask(mask, (3, 4), parts)
            regions = part_masks(mask, parts)
            assert list(regions) == (["object", "animal"] if len(parts) == 2 else ["object"]), name
            for region in regions.values():
                np.testing.assert_array_equal(region, object_, err_msg=name)


def test_white_beside_parts_is_the_border_of_pascal_voc() -> None:
    mask = np.array([[0, 255, 1, 1]], np.uint8)
    check_mask(mask, (1, 4), PARTS)
    region = part_masks(mask, PARTS)["object"]
    assert chance(region) == pytest.approx(2 / 3)


def test_a_border_is_no_object_where_the_object_is_too_small_to_be_seen() -> None:
    mask = np.zeros((100, 100), np.uint8)
    mask[40:52, 40:52] = 255
    mask[45:47, 45:47] = 1
    small = fit_mask(mask, (20, 20), "crop")
    assert np.unique(small).tolist() == [0, 255]
    assert part_masks(small, PARTS, np.unique(mask)) == {}
    assert list(part_masks(mask, PARTS, np.unique(mask))) == ["object", PARTS[1]]


def test_a_border_is_neither_inside_nor_outside() -> None:
    """Two pixels in, two at the border, two out. Of what a map has, nothing at the border counts, neither for nor against."""
    trimap = np.array([[2, 3, 1], [2, 3, 1]], np.uint8)
    region = part_masks(trimap, ["", "animal", "background", "border"])["object"]
    assert chance(region) == 0.5
    heat = np.array([[1.0, 9.0, 3.0], [0.0, 9.0, 0.0]])
    assert energy_inside(heat, region) == 0.75
    assert pointing_game(heat, region) == 1.0
    assert pointing_game(heat[:, ::-1], region) == 0.0
    # All the map has lies at the border: it points at nothing that is known.
    assert (
        pointing_game(np.where(trimap == 3, 1.0, 0.0), region)
        == 0
        == energy_inside(np.where(trimap == 3, 1.0, 0), region)
    )
    # A border that belongs to nothing keeps a map without knowledge at chance.
    rng = np.random.default_rng(0)
    maps = rng.random((3000, 2, 3))
    assert np.mean([pointing_game(one, region) for one in maps]) == pytest.approx(0.5, abs=0.04)
    # Widened, the mask does not reach across what is ignored into being a hit there.
    assert pointing_game(np.where(trimap == 3, 5.0, heat), region, tolerance=1) == 1.0


def test_a_border_survives_fitting() -> None:
    trimap = np.full((40, 40), 2, np.uint8)
    trimap[10:30, 10:30] = 3
    trimap[12:28, 12:28] = 1
    region = part_masks(fit_mask(trimap, (20, 20), "crop"), ["", "animal", "background", "border"])["object"]
    assert np.ma.getmaskarray(region).sum() == 10 * 10 - 8 * 8 and np.ma.getdata(region).sum() == 8 * 8


@pytest.mark.parametrize("size", [(30, 40), (60, 80), (15, 20), (300, 401), (16, 21)])
def test_a_mask_may_be_larger_or_smaller(size: tuple[int, int]) -> None:
    check_mask(np.ones(size, np.uint8), (30, 40), PARTS)


@pytest.mark.parametrize("picture", [(33, 50), (34, 50), (67, 100)])
def test_a_picture_may_be_a_small_copy_of_what_was_masked(picture: tuple[int, int]) -> None:
    check_mask(np.ones((333, 500), np.uint8), picture, PARTS)
    with pytest.raises(BadImage, match="another shape"):
        check_mask(np.ones((333, 500), np.uint8), (picture[0] + 2, picture[1]), PARTS)


@pytest.mark.parametrize("size", [(40, 30), (30, 30), (32, 40), (60, 90)])
def test_a_mask_of_another_shape_is_none(size: tuple[int, int]) -> None:
    with pytest.raises(BadImage, match=rf"{size[1]}x{size[0]} pixels, and its picture is 40x30: another shape"):
        check_mask(np.ones(size, np.uint8), (30, 40), PARTS)


def test_numbers_without_names() -> None:
    with pytest.raises(BadImage, match=r"holds the number 9, and parts.json names 8 numbers \(0 to 7\)"):
        check_mask(np.full((3, 4), 9, np.uint8), (3, 4), PARTS)
    check_mask(NUMBERS, (3, 4), [])
    trimap = np.array([[1, 2, 3, 2]] * 3, np.uint8)
    with pytest.raises(BadImage, match="holds no 0, so that all of the picture would be the object; name its values"):
        check_mask(trimap, (3, 4), [])
    check_mask(trimap, (3, 4), ["none", "animal", "background", "border"])
    with pytest.raises(ValueError, match="the number 9"):
        part_masks(np.full((3, 4), 9, np.uint8), PARTS)
    assert part_masks(np.zeros((3, 4), np.uint8), []) == {} == part_masks(np.zeros((3, 4), np.uint8), PARTS)


def test_what_is_no_mask(tmp_path: Path) -> None:
    colours = Image.new("RGB", (4, 3), (200, 10, 10))
    with pytest.raises(BadImage, match="in colours, which tell no part numbers"):
        read_mask(saved(colours, tmp_path))
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png", named=False), np.full((3, 4), 255))
    deep = Image.fromarray(np.array([[0, 300, 900]], np.uint16))
    with pytest.raises(BadImage, match="numbers from 0 to 900"):
        read_mask(saved(deep, tmp_path))
    (tmp_path / "text.png").write_text("x")
    with pytest.raises(BadImage, match="not a picture"):
        read_mask(tmp_path / "text.png")
    with pytest.raises(BadImage, match="no such file"):
        read_mask(tmp_path / "none.png")


def test_a_mask_that_was_replaced_since_it_was_listed_is_not_taken(tmp_path: Path) -> None:
    path = saved(Image.new("L", (4, 3), 1), tmp_path)
    listed = sha256_of(path)[:16]
    assert read_mask(path, sha256=listed).all()
    saved(Image.new("L", (4, 3), 0), tmp_path)
    with pytest.raises(UserError, match=r"mask\.png: the mask is not the one that was listed; run again"):
        read_mask(path, sha256=listed)
    assert not read_mask(path).any()
