"""Names that stand for other things, and what a study downloads."""

import time
from pathlib import Path
from typing import Any

import pytest

from convscope.errors import UserError
from convscope.storage.addresses import (
    Wanted,
    all_without_secrets,
    dataset_and_split,
    download_name,
    downloads_of,
    fault_of_address,
    has_secrets,
    local_file,
    without_secrets,
)

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
    assert download_name("https://joe:hunter2@a.org/?t").endswith("-a.org")
    assert download_name("https://a.org/").endswith("-a.org") and len(download_name("https://a.org/" + "x" * 500)) < 80


def test_dataset_and_split() -> None:
    assert dataset_and_split("pets/test") == ("pets", "test")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://a.org/pets.zip", "https://a.org/pets.zip"),
        ("https://joe:hunter2@a.org/pets.zip", "https://a.org/pets.zip"),
        ("https://ghp_token@a.org:81/x", "https://a.org:81/x"),
        ("https://a.org/p?token=SECRET&x=1#SECRET", "https://a.org/p?..."),
        ("https://a.org?SECRET", "https://a.org?..."),
        ("https://a.org/p#SECRET", "https://a.org/p#..."),
        ("https://joe:p@ss/w@a.org/x", "https://ss/w@a.org/x"),  # no address: a slash ends the host
        ("htps://joe:SECRET@a.org/?SECRET", "htps://a.org/?..."),
        ("url: 'http://j:SECRET@a/b?SECRET' does not match", "url: 'http://a/b?...' does not match"),
        ('{"url": "http://j:SECRET@a/b?SECRET", "x": 1}', '{"url": "http://a/b?...", "x": 1}'),
        ("two: http://a:SECRET@b/c and s3://d:SECRET@e/f?SECRET.", "two: http://b/c and s3://e/f?...."),
        ("https://a.org/o'brien.zip?token=SECRET", "https://a.org/o'brien.zip?..."),
        ("'https://joe:it'sSECRET@a.org/x?a='SECRET'&b'", "'https://a.org/x?...'"),
        ("get ('https://a.org/p?t=SECRET'), then", "get ('https://a.org/p?...'), then"),
        ('{"a":"https://j:SECRET@b/c?t=SECRET","d":1}', '{"a":"https://b/c?...}'),
        ("what? mail me@home.org, see a//b?c", "what? mail me@home.org, see a//b?c"),
    ],
)
def test_no_secret_of_an_address_is_shown(text: str, shown: str) -> None:
    assert without_secrets(text) == shown and "SECRET" not in shown
    assert without_secrets(shown) == shown
    assert without_secrets(f"cannot download {shown}: no answer") == f"cannot download {shown}: no answer"


def test_a_long_word_is_no_address() -> None:
    began = time.monotonic()
    assert without_secrets("a" * 200_000) == "a" * 200_000
    assert time.monotonic() - began < 5


def test_a_config_without_its_secrets() -> None:
    config = {"datasets": {"a": {"url": "https://u:p@h/x?t", "max": 3}}, "urls": ["http://h/a?t", "http://h/b"]}
    shown = {"datasets": {"a": {"url": "https://h/x?...", "max": 3}}, "urls": ["http://h/a?...", "http://h/b"]}
    assert all_without_secrets(config) == shown
    assert has_secrets("https://u:p@h/x") and not has_secrets("https://h/x")


def test_addresses_that_lead_nowhere() -> None:
    for url in ("https://a.org/x", "http://127.0.0.1:80/x", "file:///x/y.zip", "file://localhost/x", "FILE:///x"):
        assert fault_of_address(url) is None, url
    for url, words in (
        ("file://photos/pets.zip", "file:///path, with three slashes"),
        ("file://~/pets.zip", "'~' would be another machine"),
        ("https:///pets.zip", "no host"),
        ("ftp://a/b", "'ftp' is not http"),
        ("http://[::1/x", "IPv6"),
    ):
        assert words in str(fault_of_address(url)), url
