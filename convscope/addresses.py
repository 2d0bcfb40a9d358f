"""Names that stand for other things: a web address as a file name, "dataset/split" as its two parts; what a study downloads."""

import dataclasses
import hashlib
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from convscope.errors import UserError


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A file that a study downloads: its address, its checksum ("" unknown), and what it is (archive, picture, "" both)."""

    url: str
    sha256: str
    kind: str


def download_name(url: str) -> str:
    """File name for what an address leads to: the same address always the same, different ones never alike."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", url.partition("?")[0].rstrip("/").rpartition("/")[2])[-60:]
    return f"{hashlib.sha256(url.encode()).hexdigest()[:8]}-{name}"


def local_file(url: str) -> Path | None:
    """The file of this computer that an address names; None for other addresses."""
    parts = urllib.parse.urlsplit(url)
    return Path(urllib.request.url2pathname(parts.path)) if parts.scheme.lower() == "file" else None


def downloads_of(config: Mapping[str, Any]) -> dict[str, Wanted]:
    """What a study downloads: file name -> what is wanted. A checksum given once holds wherever the address is named.

    Raises:
        UserError: two checksums are given for one address.
    """
    found: dict[str, Wanted] = {}
    given_by: dict[str, str] = {}
    for key, url, sha256, kind in _named(config):
        name = download_name(url)
        before = found.get(name, Wanted(url, "", kind))
        if sha256 and before.sha256 not in ("", sha256):
            raise UserError(
                f"{key}.sha256: {given_by[name]}.sha256 gives another checksum for {url}, and a file has one; correct one of them"
            )
        if sha256:
            given_by.setdefault(name, key)
        found[name] = Wanted(url, sha256 or before.sha256, kind if kind == before.kind else "")
    return found


def _named(config: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for name, part in config["datasets"].items():
        if part["source"] == "archive":
            yield f"datasets.{name}", part["url"], part.get("sha256", "").lower(), "archive"
    for name, part in config["image_sets"].items():
        for url in part.get("urls", []):
            yield f"image_sets.{name}", url, "", "picture"


def dataset_and_split(name: str) -> tuple[str, str]:
    """The parts of "dataset/split", as evaluations name them."""
    dataset, _, split = name.partition("/")
    return dataset, split
