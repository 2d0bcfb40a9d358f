"""Masks as bits, their table, and their file."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from convscope.concepts import store
from convscope.concepts.gather import concepts_of, gathered
from convscope.concepts.masks import Concept, ConceptMasks, packed, pixels, unpacked, without_many_classes, words_of
from convscope.concepts.names import COLOURS, KINDS, NEUTRAL, OF_PIXELS
from convscope.concepts.picture import Seen
from convscope.concepts.report import concept_rows
from convscope.config import load_schema

SIZE = (3, 30)  # 90 pixels: two words, of which 38 bits are not used


def some() -> ConceptMasks:
    """Two pictures: of the first all is known, of the second only the left half, and not its class."""
    whole, left = np.ones(SIZE, bool), np.zeros(SIZE, bool)
    left[:, :15] = True
    red, cat = np.zeros(SIZE, bool), whole
    red[1, 2] = True
    pictures = [
        {"class": Seen(whole, {"cat": cat}), "colour": Seen(whole, {"red": red, "grey": ~red})},
        {"class": Seen(~whole), "colour": Seen(left, {"grey": left})},
    ]
    return gathered(concepts_of(["colour", "class"], ["cat", "red"]), pictures, 2, SIZE)


def test_the_config_takes_the_kinds_that_there_are() -> None:
    asked = load_schema()["$defs"]["units"]["properties"]["concepts"]
    assert tuple(asked["items"]["enum"]) == KINDS == tuple(asked["default"])
    assert set(OF_PIXELS) == set(KINDS) - {"part", "class"}


def test_bit_b_of_word_w_is_pixel_64_w_plus_b() -> None:
    mask = np.zeros(SIZE, bool)
    mask.flat[[0, 5, 63, 64, 89]] = True
    assert packed(mask).tolist() == [1 + (1 << 5) + (1 << 63), 1 + (1 << 25)]
    assert packed(mask).dtype == np.uint64 and words_of(SIZE) == 2
    assert packed(np.ones(SIZE, bool))[1] == (1 << 26) - 1, "what is beyond the last pixel is 0"


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (3, 30), (112, 112), (112, 37)])
def test_packing_and_back(size: tuple[int, int]) -> None:
    masks = np.random.default_rng(0).random((2, 3, *size)) < 0.3
    words = packed(masks)
    assert words.shape == (2, 3, -(-size[0] * size[1] // 64))
    assert (unpacked(words, size) == masks).all()
    assert (pixels(words) == masks.sum(axis=(2, 3))).all()


def test_concepts_by_kind_with_those_that_are_nowhere() -> None:
    parts = ["background", "head", "", "border", "ears", "head", "object"]
    found = concepts_of(["part", "class", "colour"], ["head", "cat"], parts)
    assert found[:6] == (
        Concept("object", "part"), Concept("background", "part"), Concept("head", "part"), Concept("ears", "part"),
        Concept("head", "class"), Concept("cat", "class"),
    )  # fmt: skip
    assert tuple(concept.name for concept in found[6:]) == COLOURS
    assert tuple(concept.name for concept in concepts_of(["colour"], coloured=False)) == NEUTRAL
    assert concepts_of(["part", "class"], masked=False) == ()


def test_masks_lie_within_what_is_known_of_their_kind() -> None:
    found = some()
    assert found.kinds == ("class", "colour"), "in the order of the kinds, not of the config"
    assert pixels(found.known).tolist() == [[90, 90], [0, 45]]
    assert (found.masks & ~found.known_for() == 0).all()
    assert found.known_for().shape == found.masks.shape
    red = found.concepts.index(Concept("red", "colour"))
    assert pixels(found.masks)[:, red].tolist() == [1, 0]


def test_a_class_and_a_colour_of_one_name_are_two_rows() -> None:
    rows = {(row.kind, row.name): row for row in concept_rows(some())}
    assert rows["class", "red"].share == 0 and rows["class", "red"].pictures == 0
    assert rows["colour", "red"].share == pytest.approx(1 / 135) and rows["colour", "red"].pictures == 1
    assert (rows["class", "cat"].share, rows["class", "cat"].known, rows["colour", "grey"].known) == (1, 1, 2)


def test_what_is_not_looked_for_is_no_concept() -> None:
    mask = np.ones(SIZE, bool)
    with pytest.raises(ValueError, match="'cow' is no class"):
        gathered((Concept("cat", "class"),), [{"class": Seen(mask, {"cow": mask})}], 1, SIZE)
    for count in (0, 2):
        with pytest.raises(ValueError, match="pictures were announced"):
            gathered((Concept("cat", "class"),), [{"class": Seen(mask, {"cat": mask})}], count, SIZE)


def test_the_file_with_h5py_alone_and_back(tmp_path: Path) -> None:
    rows = [{"id": key, "path": f"{key}.png", "class": "", "sha256": "0"} for key in ("a", "b")]
    found = some()
    store.save(tmp_path / "concepts.h5", found, rows, model="net", input_size=(6, 60))
    with h5py.File(tmp_path / "concepts.h5") as file:
        assert [label.label for label in file["masks"].dims] == ["image", "concept", "word"]
        assert [label.label for label in file["known"].dims] == ["image", "kind", "word"]
        assert file["masks"].dtype == np.uint64 and file["masks"].compression == "gzip"
        assert (file.attrs["model"], json.loads(file.attrs["size"])) == ("net", [3, 30])
    back = store.load(tmp_path / "concepts.h5")
    assert (back.concepts, back.size, back.kinds) == (found.concepts, found.size, found.kinds)
    assert (back.masks == found.masks).all() and (back.known == found.known).all()
    assert store.image_ids(tmp_path / "concepts.h5") == ["a", "b"]
    store.save(tmp_path / "again.h5", found, rows, model="net", input_size=(6, 60))
    assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "concepts.h5").read_bytes()
    with pytest.raises(ValueError, match="1 rows for the masks of 2"):
        store.save(tmp_path / "x.h5", found, rows[:1])


def test_a_set_without_pictures(tmp_path: Path) -> None:
    none: list[dict[str, Any]] = []
    found = gathered(concepts_of(["place"]), none, 0, SIZE)
    store.save(tmp_path / "concepts.h5", found, [])
    back = store.load(tmp_path / "concepts.h5")
    assert back.masks.shape == (0, 6, 2) and back.known.shape == (0, 1, 2) and back.kinds == ("place",)
    assert [row.share for row in concept_rows(back)] == [0] * 6


def test_of_many_classes_none_is_a_concept_and_of_few_all_are() -> None:
    names = [Concept("eyes", "part"), *(Concept(f"c{k}", "class") for k in range(51)), Concept("red", "colour")]
    masks = np.arange(2 * 53, dtype=np.uint64).reshape(2, 53, 1)
    known = np.arange(6, dtype=np.uint64).reshape(2, 3, 1)
    found = ConceptMasks(tuple(names), (8, 8), masks, known, ("part", "class", "colour"))
    few = without_many_classes(found)
    assert [concept.name for concept in few.concepts] == ["eyes", "red"] and few.kinds == ("part", "colour")
    assert few.masks[:, :, 0].tolist() == [[0, 52], [53, 105]] and few.known[:, :, 0].tolist() == [[0, 2], [3, 5]]
    assert without_many_classes(found, most=51) is found
