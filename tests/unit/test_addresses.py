"""Names that stand for other things."""

from convscope.addresses import dataset_and_split, download_name


def test_download_names_are_safe_and_different() -> None:
    name = download_name("https://example.org/a b/../x;rm -rf.zip?token=1")
    assert name.endswith("-x_rm_-rf.zip") and "/" not in name
    assert download_name("https://a.org/pets.zip") != download_name("https://b.org/pets.zip")
    assert download_name("https://a.org/").endswith("-a.org") and len(download_name("https://a.org/" + "x" * 500)) < 80


def test_dataset_and_split() -> None:
    assert dataset_and_split("pets/test") == ("pets", "test")
