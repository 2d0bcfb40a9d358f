"""Part masks: which pixels of a picture belong to the object and to its parts, listed beside the pictures."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from convscope.data.datasets import ImageRow, listing_in, masks_folder, pictures_root
from convscope.data.masks import check_mask, read_mask
from convscope.data.places import LEARNED
from convscope.errors import BadImage, UserError
from convscope.jobs.job import say
from convscope.pictures.apart import Readers
from convscope.storage.files import read_json, sha256_of, write_json
from convscope.storage.tables import read_table, write_table


@dataclasses.dataclass(frozen=True)
class MaskRow:
    """A picture that has a part mask: its path, the mask's, and the first 16 digits of what the mask's file holds.

    `reason` is empty, or says why the mask cannot be right and is not used; a table has it in any case, as its readers ask for it.
    """

    path: str
    mask: str
    sha256: str
    reason: str


def list_masks(
    folder: Path, settings: Mapping[str, Any], images: Iterable[ImageRow], readers: Readers | None = None
) -> tuple[list[MaskRow], list[str]]:
    """The masks of a dataset's pictures, and the names of their values.

    Args:
        folder: the pictures' folder, or that of the extracted archive.
        settings: the dataset's part of the config; its `masks` is a folder laid out like the pictures (a JPEG's mask is a PNG of the
            same stem), relative to them or absolute. `parts`, its parts.json, or the one beside the pictures, lists the names. A list
            of pictures may name each one's mask; then the parts.json lies beside it.
        images: the readable pictures.
        readers: processes that look at the masks; without them this one does.

    Returns:
        A row for each picture that has a mask, in the order of the pictures, with the reason where it cannot be used; and the
        names, empty where nothing names them.
    """
    rows, images = [], list(images)
    places, parts, listed = _places(folder, settings, images)
    for image in images:
        mask = places.get(image.path)
        # A picture of a folder may well have no mask; one that a list names is missed.
        if mask is not None and (listed or mask.is_file()):
            try:
                sha256 = sha256_of(mask)[:16] if mask.is_file() else ""
            except OSError:
                sha256 = ""  # the reason says why it cannot be read
            known = (str(mask), sha256, (image.height, image.width), parts)
            try:
                reason = readers.call(why_not, *known) if readers else why_not(*known)
            except BadImage as error:
                reason = str(error)  # what it did to a reader
            rows.append(MaskRow(image.path, str(mask), sha256, reason))
    return rows, parts


def told(rows: Sequence[MaskRow], pictures: int, parts: list[str]) -> list[str]:
    """What a log says of the masks of so many pictures: those that are not used, and how many are."""
    bad = [row for row in rows if row.reason]
    names = ", ".join(parts) or "without names"
    used = f"{len(rows) - len(bad)} of {pictures} pictures have a part mask; parts: {names}"
    return [*(f"bad: {row.mask!r}: {row.reason}" for row in bad), used]


def write_masks(
    folder: Path, settings: Mapping[str, Any], images: Sequence[ImageRow], masks: Path, parts: Path
) -> list[MaskRow]:
    """Write what `list_masks` finds, and tell the log; the rows.

    Args:
        folder, settings, images: as for `list_masks`.
        masks, parts: the table (CSV) and the names (JSON).
    """
    with Readers(1) as readers:
        rows, names = list_masks(folder, settings, images, readers)
    write_table(masks, rows, MaskRow)
    write_json(parts, {"parts": names})
    for line in told(rows, len(images), names):
        say(line)
    return rows


def learned(images: Path) -> list[ImageRow]:
    """The pictures of a dataset's table that a training looks at."""
    return [row for row in read_table(images, ImageRow) if row.split in LEARNED]


def _places(
    folder: Path, settings: Mapping[str, Any], images: Iterable[ImageRow]
) -> tuple[dict[str, Path], list[str], bool]:
    """Where the mask of each picture lies, if anywhere, the names of the masks' values, and whether a list says so."""
    if (listing := listing_in(folder, settings)) and any(entry.mask for entry in listing.entries):
        place, masks = folder if folder.is_dir() else folder.parent, "."
        if settings.get("pictures"):
            place, masks = pictures_root(folder, settings), masks_folder(settings) or "."
        masks_of = {entry.path: Path(entry.mask) for entry in listing.entries if entry.mask and not entry.fault}
        return masks_of, list(settings.get("parts") or _parts(place, masks)), True
    beside = masks_folder(settings)
    if beside is None:
        return {}, [], False
    root = pictures_root(folder, settings)
    there = {
        image.path: (root / beside / Path(image.path).relative_to(root)).with_suffix(".png")
        for image in images
        if Path(image.path).is_relative_to(root)
    }
    return there, list(settings.get("parts") or _parts(root, beside)), False


def why_not(mask: str, sha256: str, size: Sequence[int], parts: list[str]) -> str:
    """Why a mask cannot be right: unreadable, of another shape than its picture, numbers without names; empty if it can."""
    height, width = size
    try:
        check_mask(read_mask(mask, named=bool(parts), sha256=sha256), (height, width), parts)
    except BadImage as error:
        return str(error)
    return ""


def _parts(root: Path, masks: str) -> list[str]:
    for place in (root / masks / "parts.json", root / "parts.json"):
        if place.is_file():
            try:
                value = read_json(place)
            except ValueError:
                value = None
            names = value.get("parts") if isinstance(value, dict) else value
            if not isinstance(names, list):
                # Of an archive nobody has looked at it before.
                raise UserError(f'\'{place}\' names no parts; it is a JSON list of names, ["none", "animal"]')
            return [str(name) for name in names]
    return []
