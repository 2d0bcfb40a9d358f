"""Fingerprint of a folder: changes with what the files hold and are called, not with when they were touched."""

import hashlib
import json
import os
import time
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

from convscope.errors import UserError
from convscope.storage.files import sha256_of, write_text

IGNORED_NAMES = (
    "thumbs.db",
    "desktop.ini",
    "__macosx",
    "@eadir",  # a Synology disk's small views, beside the pictures
    "lost+found",
    "$recycle.bin",
    "system volume information",
)

# A file changed twice within one tick of the file system's clock keeps size and time: what was written that recently
# is hashed again the next time. Whole seconds tell a file system with a coarse clock.
_FINE_TICK = 100_000_000
_COARSE_TICK = 2_000_000_000
# The size and times of a file that is not there, or of a link that leads nowhere.
_NOWHERE = (-1, 0, 0)


def is_ignored(name: str) -> bool:
    """Whether a file or folder name is a system's litter (hidden files, Thumbs.db), never a user's picture."""
    return name.startswith(".") or name.lower() in IGNORED_NAMES


def kind_of(entry: "os.DirEntry[str]") -> Literal["file", "folder", "neither"]:
    """What an entry of a folder is, or leads to; a link to itself, to which the system objects, is neither."""
    try:
        return "folder" if entry.is_dir() else "file" if entry.is_file() else "neither"
    except OSError:
        return "neither"


def fingerprint(
    folder: str | os.PathLike[str],
    cache_file: str | os.PathLike[str] | None = None,
    threads: int = 1,
    without: Collection[str] = (),
) -> str:
    """Hash the names and contents of all files below a folder, and the names of the folders.

    Args:
        folder: the folder; hidden files and Thumbs.db are left out, links to folders are followed.
        cache_file: JSON that keeps the hash of each file by size and times, so that a second call reads no file
            again. Lost, damaged or unwritable, it costs time only.
        threads: files hashed at a time.
        without: files and folders that do not count, as paths below the folder.

    Returns:
        64 hexadecimal digits. A file changed, a file or folder added, removed or renamed changes them; a touch, or a copy of the
        folder elsewhere, does not.

    Raises:
        UserError: there is no such folder, or it or one below cannot be listed.
    """
    root = Path(folder)
    if not root.is_dir():
        raise UserError(f"{root}: no such folder")
    try:
        found, folders = _files(root, frozenset(os.path.normpath(name) for name in without))
    except OSError as error:
        raise UserError(f"the folder '{error.filename}' cannot be read: {error.strerror}") from None
    digest = _digest_of(root, dict(sorted(found)), cache_file, threads)
    # A folder is a class or a split without a file of its own, too: empty, or a link to a folder that was looked into before.
    for name, first in sorted(folders.items()):
        encoded = os.fsencode(f"{name}/")
        digest.update(len(encoded).to_bytes(4, "big") + encoded + hashlib.sha256(os.fsencode(first)).digest())
    return digest.hexdigest()


def fingerprint_of_files(
    files: Iterable[str | os.PathLike[str]], cache_file: str | os.PathLike[str] | None = None, threads: int = 1
) -> str:
    """Hash the names and contents of some files, in whatever order they are named; one that is not there has a state of its own.

    Args:
        files, cache_file, threads: as for `fingerprint`.

    Returns:
        64 hexadecimal digits.
    """
    found = {}
    for file in sorted({os.fspath(file) for file in files}):
        try:
            status = Path(file).stat()
            found[file] = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        except (OSError, ValueError):
            found[file] = _NOWHERE
    return _digest_of(Path(), found, cache_file, threads).hexdigest()


def _digest_of(
    root: Path, files: dict[str, tuple[int, int, int]], cache_file: str | os.PathLike[str] | None, threads: int
) -> "hashlib._Hash":
    """Hash of the names and contents of files with their size and times; what is known by those is not read."""
    known, now = _read_cache(cache_file), time.time_ns()
    stale = [name for name, state in files.items() if known.get(name, ("",))[1:] != state]
    fresh: dict[str, str] = {}
    if stale:
        with ThreadPoolExecutor(max(threads, 1)) as pool:
            fresh = dict(zip(stale, pool.map(lambda name: _content(root / name), stale), strict=True))
    digest = hashlib.sha256()
    kept: dict[str, tuple[str | int, ...]] = {}
    for name, state in files.items():
        content = fresh[name] if name in fresh else str(known[name][0])
        encoded = os.fsencode(name)
        digest.update(len(encoded).to_bytes(4, "big") + encoded + bytes.fromhex(content))
        if _is_settled(state, now):
            kept[name] = (content, *state)
    if cache_file is not None and kept != known:
        _write_cache(Path(cache_file), kept)
    return digest


def file_digest(path: str | os.PathLike[str], cache_file: str | os.PathLike[str]) -> str:
    """SHA-256 of one file, remembered as `fingerprint` remembers those of a folder: for large files, looked at often.

    Returns:
        64 hexadecimal digits, those of `sha256_of`.

    Raises:
        OSError: it cannot be read.
    """
    path = Path(path)
    status = path.stat()
    state = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    known = _read_cache(cache_file).get(path.name, ("",))
    if known[1:] == state:
        return str(known[0])
    now = time.time_ns()
    content = sha256_of(path)
    if _is_settled(state, now):
        _write_cache(Path(cache_file), {path.name: (content, *state)})
    return content


def _is_settled(state: tuple[int, int, int], now: int) -> bool:
    """Whether a file that had this size and these times at a moment would show a change made since."""
    return now - state[2] > (_FINE_TICK if state[2] % 1_000_000_000 else _COARSE_TICK)


def _content(path: Path) -> str:
    try:
        if path.is_file():  # a pipe would be waited for, a device never end
            return sha256_of(path)
    except (OSError, ValueError):
        pass
    return "0" * 64  # unreadable: a state of its own, which ends when the file becomes readable


def _files(root: Path, without: Collection[str]) -> tuple[list[tuple[str, tuple[int, int, int]]], dict[str, str]]:
    """(path below root with slashes, (size, mtime, ctime)) of every file; and of every folder the path that it was first seen by."""
    found: list[tuple[str, tuple[int, int, int]]] = []
    seen: dict[tuple[int, int], str] = {}
    paths: dict[str, str] = {}
    folders = [""]
    while folders:
        below = folders.pop()
        state = (root / below).stat()
        paths[below] = seen.setdefault((state.st_dev, state.st_ino), below)
        if paths[below] != below:
            continue  # a link back to a folder already seen
        # scandir, not iterdir: half the time for folders of many thousand files.
        with os.scandir(root / below) as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                if is_ignored(entry.name):
                    continue
                name = f"{below}/{entry.name}" if below else entry.name
                if name in without:
                    continue
                kind = kind_of(entry)
                if kind == "folder":
                    folders.append(name)
                elif kind == "file":
                    status = entry.stat()
                    found.append((name, (status.st_size, status.st_mtime_ns, status.st_ctime_ns)))
                elif entry.is_symlink():
                    found.append((name, _NOWHERE))  # listed as a picture that is not there
    return found, paths


def _read_cache(cache_file: str | os.PathLike[str] | None) -> dict[str, tuple[str | int, ...]]:
    if cache_file is None:
        return {}
    try:
        entries = json.loads(Path(cache_file).read_text(encoding="utf-8"))
        return {name: (str(entry[0]), *map(int, entry[1:])) for name, entry in entries.items() if len(entry[0]) == 64}
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return {}


def _write_cache(cache_file: Path, entries: dict[str, tuple[str | int, ...]]) -> None:
    try:
        write_text(cache_file, json.dumps(entries))
    except OSError:
        return  # a read-only place: the next call hashes again
