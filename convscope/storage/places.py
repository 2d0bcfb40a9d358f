"""Folders and files that a config names: are they there, and can they be read?"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from convscope.errors import UserError, nearest
from convscope.storage.fingerprints import is_ignored

_known: dict[Path, list[str]] | None = None


def check_folder(key: str, folder: Path, if_file: str = "") -> None:
    """Check that a folder is there and can be listed.

    Args:
        key: the config's key, for the message.
        folder: the folder.
        if_file: what to do where it is a file.

    Raises:
        UserError: it is not there (the nearest name beside it is told), is a file, or cannot be read.
    """
    if not _exists(key, folder):
        try:
            siblings = sorted(name for name, is_folder in entries(folder.parent) if is_folder)
        except OSError:
            siblings = []
        hint = nearest(folder.name, siblings) if siblings else "check the path"
        raise UserError(f"{key}: the folder '{folder}' does not exist; {hint}")
    if not folder.is_dir():
        raise UserError(f"{key}: '{folder}' is a file, not a folder{f'; {if_file}' if if_file else ''}")
    listed(key, folder)


def check_file(key: str, path: str | os.PathLike[str], if_folder: str = "") -> Path:
    """Check that a file is there and can be read; its path.

    Raises:
        UserError: it is not there, is a folder (`if_folder` says what to do then), or cannot be read.
    """
    place = Path(path)
    if not _exists(key, place):
        raise UserError(f"{key}: the file '{path}' does not exist; check the path")
    if place.is_dir():
        raise UserError(f"{key}: '{path}' is a folder, not a file{f'; {if_folder}' if if_folder else ''}")
    if not place.is_file():
        raise UserError(f"{key}: '{path}' is a pipe or a device, not a file; write what it says to a file")
    start_of(key, place, 1)
    return place


def start_of(key: str, path: Path, count: int) -> bytes:
    """The first bytes of a file; all of them for -1.

    Raises:
        UserError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(count)
    except OSError as error:
        raise UserError(f"{key}: the file '{path}' cannot be read: {_reason(error)}") from None


def listed(key: str, folder: Path) -> tuple[list[str], list[str]]:
    """Names of the visible folders and of the visible files of a folder, sorted."""
    try:
        found = sorted(entries(folder))
    except OSError as error:
        raise unreadable(key, folder, error) from None
    return [name for name, is_folder in found if is_folder], [name for name, is_folder in found if not is_folder]


def unreadable(key: str, folder: Path, error: OSError) -> UserError:
    """What is told of a folder that cannot be read."""
    return UserError(f"{key}: the folder '{folder}' cannot be read: {_reason(error)}")


@contextlib.contextmanager
def looking_once() -> Iterator[None]:
    """While this lasts, what folders a folder holds is looked up once: among a hundred thousand pictures that takes a second."""
    global _known
    _known = {}
    try:
        yield
    finally:
        _known = None


def folders_in(folder: Path) -> list[str]:
    """Names of the visible folders in a folder, sorted.

    Raises:
        OSError: it cannot be read.
    """
    if _known is not None and folder in _known:
        return _known[folder]
    found = sorted(name for name, is_folder in entries(folder) if is_folder)
    if _known is not None:
        _known[folder] = found
    return found


def entries(folder: Path) -> Iterator[tuple[str, bool]]:
    """The visible entries of a folder, as (name, whether it is a folder).

    Raises:
        OSError: it cannot be read.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            if not is_ignored(entry.name):
                yield entry.name, entry.is_dir()


def is_file(path: Path) -> bool:
    """Whether a file is there; what cannot be reached is not."""
    try:
        return path.is_file()
    except OSError:
        return False


def _exists(key: str, path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        raise UserError(f"{key}: '{path}' cannot be reached: {_reason(error)}") from None
    return True


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
