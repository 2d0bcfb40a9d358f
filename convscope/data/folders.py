"""Folders of pictures as people have them: links, odd spellings, files of other kinds; nothing is left out without being named."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from convscope.data.groups import composed
from convscope.pictures.kinds import HEAD, format_of, is_picture_name
from convscope.storage.fingerprints import is_ignored, kind_of

# Reason of what no result depends on: it is told in the log alone, since a change of it reruns nothing.
HIDDEN = "hidden, or a system's own"
_DIGITS = 4000


@dataclass(frozen=True)
class SkippedRow:
    """What lies among the pictures of a dataset and is none of them, with the reason."""

    path: str
    reason: str


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key that counts digits as numbers: cat.2.jpg before cat.10.jpg."""
    pieces = re.split(r"([0-9]+)", name)
    # Of more digits Python makes no number; a label of a list may have them.
    return [(0, int(piece[:_DIGITS]), piece) if piece.isdecimal() else (1, 0, piece) for piece in pieces if piece]


def is_picture(name: str) -> bool:
    """Whether a file is a picture by its name, readable or not."""
    return is_picture_name(name)


def is_picture_file(path: Path) -> bool:
    """Whether a file is a picture by its name or, where the name says nothing, by how it begins."""
    if is_picture_name(path.name):
        return True
    try:
        if not path.is_file():
            return False  # a pipe would be waited for
        with path.open("rb") as stream:
            return bool(format_of(stream.read(HEAD)))
    except OSError:
        return False


def class_folders(root: Path) -> list[str]:
    """Names of the visible folders directly below, in one spelling and in natural order."""
    found = {composed(p.name) for p in root.iterdir() if p.is_dir() and not is_ignored(p.name)}
    return sorted(found, key=natural_key)


def folders_called(place: Path, name: str) -> list[Path]:
    """The folders below a place that a name means; two where the disk keeps two spellings of it apart, none where there is none."""
    if name.isascii():
        return [place / name] if (place / name).is_dir() else []
    places = [place]
    for part in Path(name).parts:
        wanted = composed(part)
        places = [p for above in places for p in sorted(above.iterdir()) if p.is_dir() and composed(p.name) == wanted]
    return places


def picture_files(folder: Path, skipped: list[SkippedRow] | None = None) -> list[Path]:
    """Files below a folder that are pictures by name, readable or not, or by content; in natural order.

    Linked folders are looked into, each real folder once. Hidden files, Thumbs.db and other kinds of files are left out.

    Args:
        folder: where to look.
        skipped: gets a row for each thing that is left out, with the reason `HIDDEN` for what is not visible.
    """
    if not folder.is_dir():
        return []
    left_out: list[SkippedRow] = [] if skipped is None else skipped
    found = list(_walk(folder, left_out))
    return sorted(found, key=lambda path: natural_key(path.relative_to(folder).as_posix()))


def _walk(folder: Path, skipped: list[SkippedRow]) -> Iterator[Path]:
    seen: set[tuple[int, int]] = set()
    # Links last: a folder that lies here, too, is found by its own path.
    links = [folder]
    while links:
        folders = [links.pop(0)]
        while folders:
            place = folders.pop()
            try:
                state = place.stat()
                entries = sorted(os.scandir(place), key=lambda entry: entry.name)
            except OSError as error:
                skipped.append(SkippedRow(str(place), f"a folder that cannot be read: {error.strerror}"))
                continue
            if (state.st_dev, state.st_ino) in seen:
                skipped.append(SkippedRow(str(place), "a link to a folder that was looked into before"))
                continue
            seen.add((state.st_dev, state.st_ino))
            for entry in entries:
                path = place / entry.name
                if is_ignored(entry.name):
                    skipped.append(SkippedRow(str(path), HIDDEN))
                elif kind_of(entry) == "folder":
                    (links if entry.is_symlink() else folders).append(path)
                elif reason := _fault(entry, path):
                    skipped.append(SkippedRow(str(path), reason))
                else:
                    yield path


def _fault(entry: "os.DirEntry[str]", path: Path) -> str:
    """Why what is no folder is no picture; "" where it is one."""
    if kind_of(entry) != "file":
        if not entry.is_symlink() or path.exists():
            return "neither a file nor a folder"  # a pipe would be waited for
        return "" if is_picture(entry.name) else "a link that leads nowhere"
    return "" if is_picture_file(path) else "not a picture, by its name and by its content"
