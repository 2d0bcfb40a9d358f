"""Writing files so that a half-written one is never taken for whole."""

import contextlib
import functools
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it takes the place of `path` when the block ends without an error.

    The temporary name keeps the suffix (writers choose their format by it). After an error, or a kill, `path` is untouched;
    what a killed writer left is removed by the next writer of the same path.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix, suffix = f".{target.name[:50]}.", f".part{target.suffix}"
    for leftover in _leftovers(target.parent):
        if leftover.startswith(prefix) and leftover.endswith(suffix) and len(leftover) == len(prefix + suffix) + 8:
            (target.parent / leftover).unlink(missing_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=prefix, suffix=suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def whole_files(folder: Path, pattern: str) -> list[Path]:
    """What a folder holds of a pattern, by name; without what a writer has not finished, which `Path.glob` would find too."""
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))


@functools.cache
def _leftovers(folder: Path) -> tuple[str, ...]:
    """Temporary files that a folder held when this process first wrote to it: some job's that was killed, or is at work."""
    with os.scandir(folder) as entries:
        return tuple(entry.name for entry in entries if entry.name.startswith(".") and ".part" in entry.name)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text in one step (see `atomic_path`)."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write indented JSON with a stable key order, in one step."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def sha256_of(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
