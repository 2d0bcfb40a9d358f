"""The class of every pixel, of masks whose pixels are known by hand."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.data.drawn.pets import PARTS, draw_pet
from convscope.errors import UserError
from convscope.segmentation.truths import check_known, classes_of, fitted, read_truths, truth_of
from convscope.storage.files import sha256_of

OXFORD = ["none", "animal", "background", "border"]
OXFORD_MASK = np.array([[2, 2, 3, 1], [2, 3, 1, 1]], np.uint8)


def test_classes_of_every_target() -> None:
    assert classes_of("trimap", PARTS) == ("background", "object", "border")
    assert classes_of("object", PARTS) == ("background", "object") == classes_of("parts", [])
    assert classes_of("parts", PARTS) == ("background", "body", "head", "ears", "eyes", "muzzle")
    assert classes_of("parts", OXFORD) == ("background", "animal")
    with pytest.raises(UserError, match="name 127 parts, and 126 can be told apart; take target: object"):
        classes_of("parts", ["", *map(str, range(127))])


def test_a_trimap_keeps_its_border_and_other_targets_do_not_know_it() -> None:
    assert truth_of(OXFORD_MASK, "trimap", OXFORD).tolist() == [[0, 0, 2, 1], [0, 2, 1, 1]]
    for target in ("object", "parts"):
        assert truth_of(OXFORD_MASK, target, OXFORD).tolist() == [[0, 0, -1, 1], [0, -1, 1, 1]]


def test_a_trimap_without_an_animal_has_no_border_made_up() -> None:
    assert truth_of(np.full((4, 4), 2, np.uint8), "trimap", OXFORD).tolist() == np.zeros((4, 4)).tolist()


def test_the_made_border_is_that_of_the_drawn_trimaps() -> None:
    drawn = draw_pet(0, 3, 7, 96, "train")
    truth = truth_of(drawn.parts, "trimap", PARTS)
    # There 1 is the animal, 2 the background, 3 the border.
    np.testing.assert_array_equal(truth, np.array([9, 1, 0, 2])[drawn.trimap])
    assert {0, 1, 2} == set(np.unique(truth))


def test_parts_without_names_black_and_white_and_the_outline_of_pascal() -> None:
    mask = np.array([[0, 7], [0, 255]], np.uint8)
    assert truth_of(mask, "object", []).tolist() == [[0, 1], [0, 1]]
    assert truth_of(np.array([[0, 255]], np.uint8), "parts", ["none", "car"]).tolist() == [[0, 1]]
    assert truth_of(np.array([[0, 1, 255]], np.uint8), "parts", ["none", "car"]).tolist() == [[0, 1, -1]]
    assert truth_of(np.array([[0, 1, 255]], np.uint8), "trimap", ["none", "car"]).tolist() == [[0, 1, 2]]
    with pytest.raises(ValueError, match="holds the number 9"):
        truth_of(np.full((2, 2), 9, np.uint8), "object", ["none", "car"])


def test_black_and_white_among_masks_of_several_parts_is_an_object_of_no_known_part() -> None:
    mask, parts = np.array([[0, 255]], np.uint8), ["none", "head", "tail"]
    assert truth_of(mask, "parts", parts).tolist() == [[0, -1]]
    assert truth_of(mask, "object", parts).tolist() == [[0, 1]]
    assert truth_of(mask, "parts", ["none", "tail", "object"]).tolist() == [[0, 2]]


def test_a_split_of_which_no_pixel_is_known_is_told() -> None:
    check_known(np.array([[[-1, 0]]], np.int8), "validation")
    with pytest.raises(UserError, match="split 'validation' tell the class of no pixel"):
        check_known(np.full((2, 4, 4), -1, np.int8), "validation")


def test_a_truth_is_cut_and_made_smaller_as_its_picture_is() -> None:
    truth = np.zeros((8, 16), np.int8)
    truth[:, 8:] = 1
    truth[:4, 8:] = -1
    assert fitted(truth, (4, 4), "crop").tolist() == [[0, 0, -1, -1]] * 2 + [[0, 0, 1, 1]] * 2
    np.testing.assert_array_equal(fitted(truth, (8, 16), "crop"), truth)
    assert (fitted(np.full((4, 8), 1, np.int8), (8, 8), "pad")[0] == 0).all(), "what is added is background"


def test_masks_are_read_and_a_changed_one_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    Image.fromarray(OXFORD_MASK).save(path)
    row = {"mask": str(path), "sha256": sha256_of(path)[:16]}
    truths = read_truths([row, row], (2, 4), "crop", "trimap", OXFORD)
    assert truths.dtype == np.int8 and truths.tolist() == [[[0, 0, 2, 1], [0, 2, 1, 1]]] * 2
    Image.fromarray(OXFORD_MASK[:, ::-1].copy()).save(path)
    with pytest.raises(UserError, match="not the one that was listed"):
        read_truths([row], (2, 4), "crop", "trimap", OXFORD)
    path.write_bytes(b"none")
    with pytest.raises(UserError, match=r"not a picture .*; run again"):
        read_truths([{"mask": str(path), "sha256": ""}], (2, 4), "crop", "trimap", OXFORD)
