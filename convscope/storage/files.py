"""Writing files so that a half-written one is never taken for whole."""

import contextlib
import functools
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from convscope.storage import runs
from convscope.storage.processes import tag_is_dead, this_process

_START = 40  # bytes of a target's name that its temporary files begin with, for people; with all the rest they stay below 143
_LONGEST_SUFFIX = 24
_SILENCE = 7 * 86400.0
_unfinished: set[Path] = set()


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it takes the place of `path` when the block ends without an error.

    The temporary name keeps the suffix (writers choose their format by it); no two writers share one, whatever their targets
    are called. After an error, or a kill, `path` is untouched; what a killed writer left is removed by the next writer of the
    same path.

    Raises:
        RunEnded: the run this process works for has ended; `path` is untouched.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _temporary(target) as temporary:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        put_in_place(temporary, target)


@contextlib.contextmanager
def built_on(folder: Path | None, path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path in a folder on another disk; what is there when the block ends is copied beside `path` and renamed.

    Args:
        folder: on a faster disk; None for the disk of `path`, where this is `atomic_path`.
        path: where the file belongs.

    Raises:
        RunEnded: the run this process works for has ended; `path` is untouched.
    """
    with atomic_path(path) as beside:
        if folder is None:
            yield beside
            return
        with _temporary(folder / Path(path).name) as elsewhere:
            yield elsewhere
            shutil.copyfile(elsewhere, beside)


@contextlib.contextmanager
def _temporary(target: Path) -> Iterator[Path]:
    """A new file beside another, for this process alone; gone when the block ends, or when the next one is made for that other."""
    # The whole target is in the digest: the start of a name is the same for all layers of a block.
    start = f".{_shortened(target.name)}.{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:12]}."
    suffix = target.suffix if len(os.fsencode(target.suffix)) <= _LONGEST_SUFFIX else ""
    for leftover in _leftovers(target.parent):
        if leftover.startswith(start) and _is_left(target.parent / leftover, leftover.removeprefix(start)):
            with contextlib.suppress(OSError):  # another user's, in a folder where only its owner removes
                (target.parent / leftover).unlink(missing_ok=True)
    temporary = target.parent / f"{start}{this_process().tag}.{secrets.token_hex(4)}.part{suffix}"
    # Noted before it is there: an interrupt may come between any two steps, and what is not noted is left behind.
    _unfinished.add(temporary)
    try:
        os.close(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
        _unfinished.discard(temporary)


def put_in_place(temporary: Path, target: Path) -> None:
    """Rename what is finished, unless the run it was made for has ended meanwhile: another may be at work on the same.

    Raises:
        RunEnded: it has.
    """
    runs.still_on()
    temporary.replace(target)


def remove_unfinished() -> None:
    """Remove the temporary files of this process: before it ends, perhaps without having left the blocks it was in."""
    for temporary in list(_unfinished):
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def whole_files(folder: Path, pattern: str) -> list[Path]:
    """What a folder holds of a pattern, by name; without what a writer has not finished, which `Path.glob` would find too."""
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))


@functools.cache
def _leftovers(folder: Path) -> tuple[str, ...]:
    """Temporary files that a folder held when this process first wrote to it: some job's that was killed, or is at work."""
    with os.scandir(folder) as entries:
        return tuple(entry.name for entry in entries if entry.name.startswith(".") and ".part" in entry.name)


def _is_left(path: Path, rest: str) -> bool:
    """Whether nobody writes a temporary file any more; `rest` is its name after the digest."""
    dead = tag_is_dead(rest.partition(".")[0])
    if dead is None:
        # Another machine's writer: it would not be silent for days.
        try:
            return time.time() - path.stat().st_mtime > _SILENCE
        except OSError:
            return False
    return dead


def _shortened(name: str) -> str:
    """The start of a name, of whole characters."""
    return os.fsencode(name)[:_START].decode("utf-8", errors="ignore")


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text in one step (see `atomic_path`)."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write indented JSON with a stable key order, in one step."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no JSON, or nests too deeply.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def sha256_of(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
