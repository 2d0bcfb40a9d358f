"""The sheet of concepts."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from convscope.concepts.figures import draw_concepts, mask_cell, spread
from convscope.concepts.gather import concepts_of, gathered
from convscope.concepts.masks import ConceptMasks
from convscope.concepts.names import KINDS
from convscope.concepts.picture import Shown, seen_in


def sheet(path: Path, pictures: list[np.ndarray], classes: list[str], chosen: list[int]) -> np.ndarray:
    draw_concepts(
        path,
        [pictures[index] for index in chosen],
        found(pictures, classes),
        chosen,
        images=[str(index) for index in chosen],
    )
    with Image.open(path) as drawn:
        assert json.loads(drawn.info["images"]) == [str(index) for index in chosen]
        return np.asarray(drawn)


def found(pictures: list[np.ndarray], classes: list[str]) -> ConceptMasks:
    size = (24, 32)
    box = (slice(0, size[0]), slice(0, size[1]))
    seen = [seen_in(Shown(picture, box, classes=classes[:1]), KINDS, [], size) for picture in pictures]
    return gathered(concepts_of(KINDS, classes, masked=False), seen, len(pictures), size)


def test_a_mask_over_its_faded_picture() -> None:
    picture = np.full((1, 3, 3), (0, 0, 200), np.uint8)
    cell = mask_cell(picture, np.array([[True, False, False]]), np.array([[True, True, False]]))
    mask, faded, unknown = (cell[0, index].astype(int) for index in range(3))
    assert mask[0] > 150 and mask[1] == 0, "pink"
    assert faded.min() > 150 and faded[2] > faded[0], "the picture, paler"
    assert len(set(unknown)) == 1, "grey"


def test_pictures_evenly_over_a_set() -> None:
    assert spread(0) == [] and spread(1) == [0] and spread(3) == [0, 1, 2]
    assert len(spread(100)) == 6 and spread(100)[0] == 0 and spread(100)[-1] == 99


def test_a_band_for_each_kind_and_long_names_wrapped(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (24, 32, 3), dtype=np.uint8) for _ in range(3)]
    names = ["<script>alert(1)</script> & a name that is very much longer than a cell is wide", "猫", "dog\n\tand more"]
    one, two = sheet(tmp_path / "one.png", pictures, names, [1]), sheet(tmp_path / "two.png", pictures, names, [0, 2])
    assert one.shape[1] == two.shape[1] <= 1320, "as wide as a screen"
    bands = len({concept.kind for concept in found(pictures, names).concepts})
    assert bands == 6 and two.shape[0] - one.shape[0] == bands * (78 + 4), "a row more in each"
    again = sheet(tmp_path / "again.png", pictures, names, [1])
    assert (again == one).all() and (tmp_path / "again.png").read_bytes() == (tmp_path / "one.png").read_bytes()


def test_more_concepts_than_fit_beside_a_picture_are_in_several_bands(tmp_path: Path) -> None:
    pictures = [np.zeros((24, 32, 3), np.uint8)]
    few = sheet(tmp_path / "few.png", pictures, [f"class {index}" for index in range(11)], [0])
    more = sheet(tmp_path / "more.png", pictures, [f"class {index}" for index in range(12)], [0])
    assert more.shape[1] == few.shape[1] and more.shape[0] > few.shape[0] + 78


def test_a_set_without_pictures_has_a_sheet(tmp_path: Path) -> None:
    assert sheet(tmp_path / "none.png", [], ["cat"], []).size > 0
