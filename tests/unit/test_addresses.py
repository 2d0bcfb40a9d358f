"""Names that stand for other things, and what a study downloads."""

from pathlib import Path
from typing import Any

import pytest

from convscope.addresses import Wanted, dataset_and_split, download_name, downloads_of, local_file
from convscope.errors import UserError

URL = "https://example.org/pets.zip"


def archive(sha256: str = "") -> dict[str, Any]:
    return {"source": "archive", "url": URL, **({"sha256": sha256} if sha256 else {})}


@pytest.mark.parametrize("first", ["a" * 64, ""])
def test_a_checksum_given_once_holds_wherever_the_address_is_named(first: str) -> None:
    second = "" if first else "a" * 64
    config = {"datasets": {"one": archive(first), "two": archive(second)}, "image_sets": {}}
    assert downloads_of(config) == {download_name(URL): Wanted(URL, "a" * 64, "archive")}
    config["image_sets"] = {"few": {"urls": [URL, "https://example.org/x.png"]}}
    other = "https://example.org/x.png"
    assert downloads_of(config) == {
        download_name(URL): Wanted(URL, "a" * 64, ""),
        download_name(other): Wanted(other, "", "picture"),
    }


def test_two_checksums_for_one_address_are_an_error_that_names_both() -> None:
    config = {"datasets": {"one": archive("a" * 64), "none": archive(), "two": archive("b" * 64)}, "image_sets": {}}
    with pytest.raises(UserError) as error:
        downloads_of(config)
    assert str(error.value) == (
        f"datasets.two.sha256: datasets.one.sha256 gives another checksum for {URL}, and a file has one; correct one of them"
    )


def test_local_files() -> None:
    assert local_file("file:///data/a%20b.zip") == Path("/data/a b.zip")
    assert local_file("FILE:///x") == Path("/x") and local_file(URL) is None


def test_download_names_are_safe_and_different() -> None:
    name = download_name("https://example.org/a b/../x;rm -rf.zip?token=1")
    assert name.endswith("-x_rm_-rf.zip") and "/" not in name
    assert download_name("https://a.org/pets.zip") != download_name("https://b.org/pets.zip")
    assert download_name("https://a.org/").endswith("-a.org") and len(download_name("https://a.org/" + "x" * 500)) < 80


def test_dataset_and_split() -> None:
    assert dataset_and_split("pets/test") == ("pets", "test")
