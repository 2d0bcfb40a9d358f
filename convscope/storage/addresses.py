"""Names that stand for other things: a web address as a file name, "dataset/split" as its two parts; what a study
downloads; addresses without their secrets."""

import dataclasses
import hashlib
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from convscope.errors import UserError

# Who calls (user:password@) and what is asked for (?token=..., #...) may be secret. An apostrophe may stand anywhere in an
# address: only at the end of a word is a quotation mark the text's. What was hidden before is left as it is.
_END = r"['\"]?[:;,.)\]}]*(?=\s|$)"
_ADDRESS = re.compile(
    rf"([A-Za-z][A-Za-z0-9+.-]{{0,30}}://)(?:[^\s/?#]*@)?((?:(?!{_END})[^\s?#])*)([?#](?!\.\.\.{_END})(?:(?!{_END})\S)+)?"
)


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A file that a study downloads: its address, its checksum ("" unknown), and what it is (archive, picture, "" both)."""

    url: str
    sha256: str
    kind: str


def download_name(url: str) -> str:
    """File name for what an address leads to: the same address always the same, different ones never alike."""
    path = re.split("[?#]", without_secrets(url))[0]
    name = re.sub(r"[^A-Za-z0-9._-]", "_", path.rstrip("/").rpartition("/")[2])[-60:]
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
                f"{key}.sha256: {given_by[name]}.sha256 gives another checksum for {without_secrets(url)}, and a file "
                "has one; correct one of them"
            )
        if sha256:
            given_by.setdefault(name, key)
        found[name] = Wanted(url, sha256 or before.sha256, kind if kind == before.kind else "")
    return found


def _named(config: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for name, part in config["datasets"].items():
        if part["source"] == "archive":
            yield f"datasets.{name}", part["url"], part.get("sha256", "").lower(), "archive"
            if "masks_url" in part:
                yield f"datasets.{name}.masks", part["masks_url"], part.get("masks_sha256", "").lower(), "archive"
    for name, part in config["image_sets"].items():
        for url in part.get("urls", []):
            yield f"image_sets.{name}", url, "", "picture"


def dataset_and_split(name: str) -> tuple[str, str]:
    """The parts of "dataset/split", as evaluations name them."""
    dataset, _, split = name.partition("/")
    return dataset, split


def without_secrets(text: str) -> str:
    """A text in which no address tells a user, a password or a token: for everything that is printed or stored."""
    return _ADDRESS.sub(lambda found: found[1] + found[2] + (f"{found[3][0]}..." if found[3] else ""), text)


def has_secrets(url: str) -> bool:
    """Whether there is something in an address that must not be shown."""
    return without_secrets(url) != url


def all_without_secrets(value: Any) -> Any:
    """The same of every text within lists and mappings, such as a config."""
    if isinstance(value, dict):
        return {key: all_without_secrets(part) for key, part in value.items()}
    if isinstance(value, list):
        return [all_without_secrets(part) for part in value]
    return without_secrets(value) if isinstance(value, str) else value


def fault_of_address(url: str) -> str | None:
    """Why nothing can be downloaded from an address, by the address alone; None where it may be right."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError as error:
        return str(error)
    scheme, host = parts.scheme.lower(), parts.netloc
    if scheme not in ("http", "https", "file"):
        return f"'{scheme or url}' is not http, https or file"
    if scheme != "file":
        return None if parts.hostname else "it names no host"
    if host.lower() not in ("", "localhost"):
        return f"'{host}' would be another machine, whose files cannot be read; a file on this one is file:///path, with three slashes"
    return None
