"""Names of pages and links to files: safe on every file system, right in every browser, stable from run to run."""

import hashlib
import os
import re
from pathlib import Path
from urllib.parse import quote

_LONGEST = 60


def slug(name: str) -> str:
    """A name as a piece of a file name: letters, digits, `.`, `-`, `_`; a digest tells apart what had to be changed."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:_LONGEST]
    if safe and safe == name:
        return safe
    return f"{safe}-{_digest(name)}".lstrip("-")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def link(target: Path, folder: Path) -> str:
    """A relative, percent-encoded address of a file, as seen from a page in `folder`."""
    relative = os.path.relpath(os.path.abspath(target), os.path.abspath(folder))  # noqa: PTH100 (symbolic links stay)
    return quote(os.fsencode(relative.replace(os.sep, "/")), safe="/")


class Names:
    """Gives every page and picture its own file name.

    `a_b` + `c` and `a` + `b_c` must not share one, nor `A` and `a` on a disk that ignores case: the later of two gets
    a digest of its parts.
    """

    def __init__(self) -> None:
        self._given: dict[tuple[str, ...], str] = {}
        self._used: set[str] = set()

    def __call__(self, *parts: str) -> str:
        """The file name (without suffix) for a kind and its names, for instance `("layer", "convnet", "conv_1")`."""
        if parts not in self._given:
            name = "_".join(slug(part) for part in parts)
            if name.lower() in self._used:
                name += f"-{_digest(chr(0).join(parts))}"
            self._used.add(name.lower())
            self._given[parts] = name
        return self._given[parts]
