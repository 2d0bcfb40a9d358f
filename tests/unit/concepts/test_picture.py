"""All concepts of one picture: what is known, and how masks are made smaller."""

import numpy as np
import pytest

from convscope.concepts.names import COLOURS, KINDS, OF_PIXELS, PLACES
from convscope.concepts.picture import Shown, seen_in
from convscope.concepts.places import place_masks
from convscope.concepts.reduced import LONGEST, Reduction, mask_size
from convscope.pictures.read import fit_image, fitted_box

ALL = (slice(0, 24), slice(0, 24))


def plain(*pixel: int, size: tuple[int, int] = (24, 24)) -> np.ndarray:
    return np.full((*size, 3), pixel, np.uint8)


def test_thirds_the_centre_and_the_border() -> None:
    masks = dict(zip(PLACES, place_masks((30, 60)), strict=True))
    assert masks["top"][:10].all() and not masks["top"][10:].any()
    assert masks["bottom"][20:].all() and not masks["bottom"][:20].any()
    assert masks["left"][:, :20].all() and not masks["left"][:, 20:].any()
    assert masks["right"][:, 40:].all() and not masks["right"][:, :40].any()
    assert masks["centre"].sum() == 10 * 20 and masks["centre"][10:20, 20:40].all()
    assert masks["border"].sum() == 30 * 60 - 26 * 56 and not masks["border"][2:-2, 2:-2].any()


def test_places_are_apart_and_even_when_they_are_made_smaller() -> None:
    everything = (slice(0, 224), slice(0, 224))
    masks = seen_in(Shown(plain(0, 0, 0, size=(224, 224)), everything), ["place"], [], (112, 112))["place"].masks
    assert (masks["top"] == masks["bottom"][::-1]).all() and (masks["left"] == masks["right"][:, ::-1]).all()
    assert (
        masks["top"].sum() == 37 * 112 and masks["centre"].sum() == 36 * 36 and masks["border"].sum() == 112**2 - 98**2
    )
    assert not (masks["centre"] & (masks["top"] | masks["bottom"] | masks["left"] | masks["right"])).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (2, 2), (7, 3)])
def test_places_of_pictures_of_a_pixel(size: tuple[int, int]) -> None:
    masks = dict(zip(PLACES, place_masks(size), strict=True))
    assert masks["border"].any() and not (masks["top"] & masks["bottom"]).any()
    assert not (masks["centre"] & (masks["top"] | masks["left"])).any()
    for one, other in (("top", "bottom"), ("left", "right")):
        turned = masks[one][::-1] if one == "top" else masks[one][:, ::-1]
        assert (turned == masks[other]).all()


@pytest.mark.parametrize(
    ("size", "to"),
    [((64, 64), (64, 64)), ((112, 100), (112, 100)), ((224, 224), (112, 112)), ((299, 299), (112, 112)), ((100, 300), (37, 112)),
     ((2048, 16), (112, 1))],
)  # fmt: skip
def test_masks_are_no_larger_than_the_input(size: tuple[int, int], to: tuple[int, int]) -> None:
    assert mask_size(size) == to and max(mask_size(size)) <= LONGEST


def test_areas_are_exact() -> None:
    rng = np.random.default_rng(0)
    masks = rng.random((2, 7, 10)) < 0.5
    areas = Reduction((7, 10), (3, 4)).areas(masks)
    assert areas.dtype.kind == "i" and (areas.sum(axis=(1, 2)) == masks.sum(axis=(1, 2)) * 3 * 4).all()
    # By hand: every pixel in as many small ones as would fit both.
    fine = masks.repeat(3, axis=1).repeat(4, axis=2)
    for row in range(3):
        for column in range(4):
            block = fine[:, row * 7 : (row + 1) * 7, column * 10 : (column + 1) * 10]
            assert (areas[:, row, column] == block.sum(axis=(1, 2))).all()


def test_the_label_that_most_of_a_small_pixel_has() -> None:
    labels = np.array([[0, 1, 2, 2], [1, 1, 3, 3]])
    known = np.array([[True, True, True, False], [True, True, True, True]])
    reduction = Reduction((2, 4), (1, 2))
    assert reduction.labels(labels, known).tolist() == [[1, 3]], "of two and two the unknown one does not count"
    assert reduction.labels(labels, np.ones((2, 4), bool)).tolist() == [[1, 2]], "of equals the lowest"
    assert reduction.known(known).tolist() == [[True, True]]
    assert reduction.labels(labels, np.zeros((2, 4), bool)).tolist() == [[-1, -1]]


def test_every_known_pixel_has_one_colour_and_one_frequency() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    seen = seen_in(Shown(pixels, (slice(5, 45), slice(0, 70))), OF_PIXELS, [], (20, 28))
    for kind in ("colour", "frequency"):
        assert (np.sum(list(seen[kind].masks.values()), axis=0) == seen[kind].known).all()
    for kind in OF_PIXELS:
        assert all(not (mask & ~seen[kind].known).any() for mask in seen[kind].masks.values())
        assert seen[kind].known.sum() == 16 * 28
    assert tuple(seen["colour"].masks) == COLOURS


def test_padding_is_not_known_and_no_edge() -> None:
    """A white picture, twice as wide as high, made square with black."""
    picture, size = np.full((20, 40, 3), 255, np.uint8), (48, 48)
    shown = Shown(fit_image(picture, size, "pad"), fitted_box((20, 40), size, "pad"), classes=["cat"])
    assert shown.box == (slice(12, 36), slice(0, 48)) and not shown.pixels[:12].any()
    seen = seen_in(shown, KINDS, [], size)
    inside = np.zeros(size, bool)
    inside[12:36] = True
    for kind in ("class", *OF_PIXELS):
        assert (seen[kind].known == inside).all(), kind
    assert (seen["colour"].masks["white"] == inside).all() and not seen["colour"].masks["black"].any()
    assert (seen["frequency"].masks["smooth"] == inside).all()
    assert not any(mask.any() for mask in seen["orientation"].masks.values())
    assert seen["place"].masks["top"][12:20].all() and not seen["place"].masks["top"][20:].any()
    assert seen["place"].masks["border"][12].all(), "the border of the picture, not of what was added"
    assert (seen["class"].masks["cat"] == inside).all()


def test_the_box_of_a_padded_picture_is_where_it_is_put() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        shape, size = (tuple(int(side) for side in rng.integers(1, 90, 2)) for _ in range(2))
        for resize in ("pad", "crop", "stretch"):
            fitted = fit_image(np.full((*shape, 1), 255, np.uint8), size, resize)[..., 0]
            box = np.zeros(size, bool)
            box[fitted_box(shape, size, resize)] = True
            assert (box == (fitted == 255)).all(), (shape, size, resize)


def test_parts_by_name_and_the_border_of_a_trimap() -> None:
    numbers = np.zeros((24, 24), np.uint8)
    numbers[4:20, 4:20], numbers[5:19, 5:19], numbers[10, 10] = 3, 1, 2
    shown = Shown(plain(90, 90, 90), ALL, parts=numbers, part_numbers=[0, 1, 2, 3])
    seen = seen_in(shown, ["part"], ["background", "body", "eye", "border"], (24, 24))["part"]
    assert (seen.known == (numbers != 3)).all()
    assert (seen.masks["object"] == np.isin(numbers, (1, 2))).all()
    assert (seen.masks["background"] == (numbers == 0)).all(), "known and no object"
    assert (seen.masks["eye"] == (numbers == 2)).all() and seen.masks["eye"].sum() == 1, "a part of one pixel"
    smaller = seen_in(shown, ["part"], ["background", "body", "eye", "border"], (12, 12))["part"]
    assert not smaller.masks["eye"].any() and smaller.masks["body"][5, 5], "most of it is body"
    assert (smaller.masks["object"] == (smaller.masks["body"] | smaller.masks["eye"])).all()
    assert (smaller.masks["object"] ^ smaller.masks["background"])[smaller.known].all()


def test_a_mask_without_names_and_one_without_an_object() -> None:
    numbers = np.zeros((24, 24), np.uint8)
    numbers[:6], numbers[6:12] = 7, 255
    seen = seen_in(Shown(plain(0, 0, 0), ALL, parts=numbers), ["part"], [], (24, 24))["part"]
    assert (seen.masks["object"] == (numbers > 0)).all() and seen.known.all()
    empty = seen_in(Shown(plain(0, 0, 0), ALL, parts=0 * numbers), ["part"], ["none", "cat"], (24, 24))["part"]
    assert empty.known.all() and empty.masks["background"].all() and not empty.masks["object"].any()


def test_nothing_is_known_of_a_picture_without_a_mask_and_without_a_class() -> None:
    seen = seen_in(Shown(plain(0, 0, 0), ALL), ["part", "class"], ["none", "cat"], (24, 24))
    assert not seen["part"].known.any() and not seen["class"].known.any()
    assert seen["part"].masks == seen["class"].masks == {}
    several = seen_in(Shown(plain(0, 0, 0), ALL, classes=["cat", "sofa"]), ["class"], [], (24, 24))["class"]
    assert several.masks["cat"].all() and several.masks["sofa"].all()
    no_label = seen_in(Shown(plain(0, 0, 0), ALL, classes=[]), ["class"], [], (24, 24))["class"]
    assert no_label.known.all() and no_label.masks == {}


def test_a_picture_of_one_pixel() -> None:
    picture = fit_image(np.full((1, 1, 3), (220, 20, 30), np.uint8), (32, 32), "crop")
    seen = seen_in(Shown(picture, (slice(0, 32), slice(0, 32))), OF_PIXELS, [], (32, 32))
    assert seen["colour"].masks["red"].all() and seen["frequency"].masks["smooth"].all()


def test_a_sliver_of_a_picture_in_its_padding() -> None:
    shape, size = (400, 3), (32, 32)
    picture = fit_image(np.full((*shape, 3), 128, np.uint8), size, "pad")
    seen = seen_in(Shown(picture, fitted_box(shape, size, "pad")), OF_PIXELS, [], size)
    assert seen["colour"].known.sum() == 32 and seen["colour"].masks["grey"].sum() == 32
