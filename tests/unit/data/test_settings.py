"""What the results of datasets and image sets depend on."""

from pathlib import Path

from convscope.data.settings import dataset_settings, image_set_settings, masks_settings


def test_how_an_archive_came_is_nothing_to_its_list() -> None:
    archive = {"source": "archive", "url": "https://example.org/a.zip", "sha256": "0", "max_bytes": 1, "max_files": 2}
    assert dataset_settings({**archive, "folder": "pets"}) == {"folder": "pets", "source": "archive"}


def test_drawn_pictures_lie_in_a_folder_a_split_and_splits_keep_their_order() -> None:
    drawn = {"source": "drawn_pets", "image_size": 64, "images_per_class": {"train": 3, "test": 2, "a": 1}}
    assert list(dataset_settings(drawn)["splits"].items()) == [("train", "train"), ("test", "test"), ("a", "a")]
    assert dataset_settings({**drawn, "images_per_class": {"train": 9, "test": 2, "a": 1}}) == dataset_settings(drawn)
    assert drawn["images_per_class"] == {"train": 3, "test": 2, "a": 1}, "what is given stays as it is"


def test_masks_count_for_the_list_of_pictures_only_below_them(tmp_path: Path) -> None:
    dataset = {"source": "path", "path": str(tmp_path), "masks": "./masks/"}
    assert dataset_settings(dataset)["masks"] == "masks"
    assert "masks" not in dataset_settings({**dataset, "masks": "../masks"})
    assert masks_settings({**dataset, "classes": ["a"]}) == {"source": "path", "masks": "./masks/"}


def test_what_is_downloaded_is_a_file_by_then() -> None:
    part = {"urls": ["https://example.org/a.png"], "limit": 3}
    assert image_set_settings(part, ["results/x/downloads/a"]) == {"limit": 3, "files": ["results/x/downloads/a"]}
    assert image_set_settings({"dataset": "pets", "split": "test"}) == {"dataset": "pets", "split": "test"}
