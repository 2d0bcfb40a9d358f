"""Two folders, pictures and masks of the same names, as a dataset: Oxford's pets, and any other pair."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convscope.check import check_study, classes_of, splits_of
from convscope.config import complete
from convscope.data.datasets import scan_dataset
from convscope.data.pairs import listing_of
from convscope.data.part_masks import list_masks
from convscope.data.settings import dataset_settings, masks_settings
from convscope.errors import UserError

OXFORD = {
    "pictures": "images",
    "masks": "annotations/trimaps",
    "class_from": "name",
    "parts": ["none", "animal", "background", "border"],
}


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Oxford's layout: names with numbers, trimaps of 1 to 3, files of other kinds, macOS's hidden ones, one mask missing."""
    root = tmp_path / "pets"
    (root / "images").mkdir(parents=True)
    (root / "annotations" / "trimaps").mkdir(parents=True)
    random = np.random.default_rng(0)
    for name in (
        "Abyssinian_1",
        "Abyssinian_2",
        "Abyssinian_10",
        "american_bulldog_1",
        "american_bulldog_2",
        "american_bulldog_3",
    ):
        Image.fromarray(random.integers(0, 256, (30, 40, 3), np.uint8)).save(root / "images" / f"{name}.jpg")
        Image.fromarray(random.integers(1, 4, (30, 40), np.uint8)).save(
            root / "annotations" / "trimaps" / f"{name}.png"
        )
    (root / "images" / "Abyssinian_1.mat").write_bytes(b"\0")
    (root / "annotations" / "trimaps" / "._Abyssinian_1.png").write_bytes(b"Mac OS X")
    (root / "annotations" / "list.txt").write_text("#Image CLASS-ID\n")
    (root / "annotations" / "trimaps" / "american_bulldog_3.png").unlink()
    return root


def dataset(root: Path, **given: Any) -> dict[str, Any]:
    return {"source": "path", "path": str(root), **OXFORD, **given}


def test_classes_from_names_and_masks_beside_them(pets: Path) -> None:
    part = dataset(pets, images_per_class={"train": 2, "validation": 1})
    found = scan_dataset(pets, dataset_settings(part))
    assert found.classes == ["Abyssinian", "american_bulldog"]
    names = {
        split: [Path(row.path).stem for row in found.images if row.split == split] for split in ("train", "validation")
    }
    assert names["validation"] == ["Abyssinian_10", "american_bulldog_3"], "numbers are counted as numbers"
    assert not any("trimaps" in row.path for row in found.skipped), "masks are no pictures that were left out"
    rows, parts = list_masks(pets, masks_settings(part), found.images)
    assert parts == OXFORD["parts"] and [row.reason for row in rows] == [""] * 5
    assert {Path(row.path).stem for row in rows} == {Path(row.mask).stem for row in rows}


def test_one_class_where_names_tell_none(pets: Path) -> None:
    listing = listing_of(dataset(pets, class_from=None))
    assert listing is not None and listing.classes == ["images"] and len(listing.entries) == 6
    (pets / "images" / "portrait.jpg").write_bytes((pets / "images" / "Abyssinian_1.jpg").read_bytes())
    found = scan_dataset(pets, dataset_settings(dataset(pets)))
    (bad,) = found.bad
    assert (Path(bad.path).name, bad.reason) == ("portrait.jpg", "its name is no class and a number, such as cat_12")


def test_a_study_of_them_is_checked(pets: Path) -> None:
    def study(**given: Any) -> dict[str, Any]:
        part = dataset(pets, images_per_class={"train": 1, "validation": 1}, **given)
        model = {"source": "train", "architecture": "encoder_decoder", "dataset": "pets", "image_size": 32}
        return complete({"study": "s", "datasets": {"pets": part}, "models": {"net": model}})

    sound = study()
    check_study(sound)
    assert splits_of(sound["datasets"]["pets"]) == ["train", "validation"]
    assert classes_of(sound["datasets"]["pets"]) == ["Abyssinian", "american_bulldog"]
    for given, said in (
        ({"pictures": "pictures"}, "datasets.pets.pictures"),
        ({"masks": "annotations/none"}, "datasets.pets.masks"),
        ({"pictures": "../pets/images"}, "leads out of the dataset's own folder"),
        ({"masks": "annotations", "pictures": "images"}, "no mask in"),
        ({"pictures": "annotations"}, "counts; none lies there beside masks"),
    ):
        with pytest.raises(UserError) as raised:
            check_study(study(**given))
        assert said in str(raised.value) and "\n" not in str(raised.value)
    folders = complete(
        {"study": "s", "models": {}, "datasets": {"a": {"source": "path", "path": str(pets), "class_from": "name"}}}
    )
    with pytest.raises(UserError, match=r"class_from is for pictures without class folders"):
        check_study(folders)


def test_of_two_masks_of_one_name_the_png(pets: Path) -> None:
    trimaps = pets / "annotations" / "trimaps"
    Image.open(trimaps / "Abyssinian_1.png").save(trimaps / "Abyssinian_1.bmp")
    Image.open(trimaps / "Abyssinian_2.png").save(trimaps / "Abyssinian_2.bmp")
    (trimaps / "Abyssinian_2.png").unlink()
    listing = listing_of(dataset(pets))
    masks = {Path(entry.path).stem: Path(entry.mask).name for entry in listing.entries} if listing else {}
    assert masks["Abyssinian_1"] == "Abyssinian_1.png" and masks["Abyssinian_2"] == "Abyssinian_2.bmp"
    assert masks["american_bulldog_3"] == ""


def test_masks_in_a_folder_among_the_pictures_are_no_pictures(pets: Path) -> None:
    (pets / "annotations" / "trimaps").rename(pets / "images" / "masks")
    found = listing_of(dataset(pets, masks="images/masks"))
    assert found is not None and len(found.entries) == 6
    assert sum(bool(entry.mask) for entry in found.entries) == 5
    with pytest.raises(UserError, match=r"masks: '.*images' holds the pictures, too"):
        listing_of(dataset(pets, masks="images"))


def test_a_letter_with_an_accent_is_one_however_it_is_written(pets: Path) -> None:
    trimaps = pets / "annotations" / "trimaps"
    (pets / "images" / "Abyssinian_1.jpg").rename(pets / "images" / "caf\u00e9_1.jpg")
    (trimaps / "Abyssinian_1.png").rename(trimaps / "cafe\u0301_1.png")
    found = listing_of(dataset(pets))
    assert found is not None and [entry.mask for entry in found.entries if entry.class_ == "caf\u00e9"] != [""]
