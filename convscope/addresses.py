"""Names that stand for other things: a web address as a file name, without its secrets or as a path, and "dataset/split"."""

import hashlib
import re
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

# Who calls (user:password@) and what is asked for (?token=..., #...) may be secret; both end at a quote or a blank.
# What was hidden before is left as it is.
_ADDRESS = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]*://)(?:[^\s/?#'\"]*@)?([^\s?#'\"]*)([?#](?!\.\.\.[:;,)\s'\"]|\.\.\.$)[^\s'\"]*)?"
)


def download_name(url: str) -> str:
    """File name for what an address leads to: the same address always the same, different ones never alike."""
    path = re.split("[?#]", without_secrets(url))[0]
    name = re.sub(r"[^A-Za-z0-9._-]", "_", path.rstrip("/").rpartition("/")[2])[-60:]
    return f"{hashlib.sha256(url.encode()).hexdigest()[:8]}-{name}"


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


def path_of_address(url: str) -> Path:
    """The path that a file address leads to."""
    return Path(urllib.request.url2pathname(urllib.parse.urlsplit(url).path))
