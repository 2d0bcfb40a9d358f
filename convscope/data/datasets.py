"""Datasets: every picture of a folder or a list opened, described and put in a split; the bad ones listed with the reason."""

import dataclasses
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from convscope.data.class_order import FILE as CLASS_INDICES
from convscope.data.class_order import ordered
from convscope.data.drawn.kinds import CLASSES as DRAWN
from convscope.data.folders import (
    HIDDEN,
    SkippedRow,
    class_folders,
    folders_called,
    is_picture,
    is_picture_file,
    natural_key,
    picture_files,
)
from convscope.data.groups import composed, labels_text
from convscope.data.listings import METADATA, Listing
from convscope.data.pairs import listing_of
from convscope.data.rows import BadRow, Dataset, ImageRow
from convscope.errors import BadImage, UserError, nearest
from convscope.pictures.describe import MIN_SIDE, Look, Looked, describe
from convscope.pictures.read import MAX_PIXELS
from convscope.storage.fingerprints import fingerprint, is_ignored

__all__ = [
    "BadRow",
    "Dataset",
    "ImageRow",
    "class_folders",
    "fingerprint",
    "is_picture",
    "natural_key",
    "picture_files",
    "scan_dataset",
]

_WHOLE = "all"
# What this library looks for beside pictures.
_NO_PICTURES = ("parts.json", CLASS_INDICES, *METADATA)


@dataclasses.dataclass(frozen=True)
class _Item:
    """A picture to be opened, and what is known of it before."""

    path: Path
    split: str
    class_: str
    label: int
    labels: str = ""
    target: str = ""


Checked = ImageRow | BadRow
OnProgress = Callable[[int, int], None]


def scan_dataset(
    folder: str | os.PathLike[str],
    settings: Mapping[str, Any],
    threads: int = 1,
    on_progress: OnProgress | None = None,
    look: Look = describe,
) -> Dataset:
    """Describe every picture of a folder, used in place.

    Args:
        folder: the pictures' folder, or for the source `archive` the folder of the extracted archive, for `table` the list.
        settings: the dataset's part of the config. Used here: `source` (path, archive, table, drawn_pets, drawn_produce), `folder`
            (below an extracted archive; where a list's paths begin), `splits` ({name: folder below}), `classes` (folder names in the
            order of the labels), `columns` (of a list, see `listings.read_list`),
            `images_per_class` ({split: n}: with split folders the first n of each class; without, the textbook's split:
            of each class in natural order the first n, then the next n ...; unreadable ones do not count),
            `on_bad_image` (list or fail), `min_side` and `max_pixels` (pixels), `window` ([black, white], of pictures with other
            numbers than bytes), `masks` (folder of part masks, which are no class: see `part_masks`),
            `pictures` (a folder of pictures without class folders, see `pairs`) and `class_from`.
            With neither `splits` nor `images_per_class`, folders of folders are splits of classes, and plain class
            folders make one split named "all". A folder with a Hugging Face metadata file is read as that says.
        threads: pictures decoded at a time.
        on_progress: called with (pictures done, pictures known so far).
        look: opens one picture; from several threads.

    Raises:
        UserError: a folder, class or enough pictures are missing; or a picture is bad and `on_bad_image` is fail.
    """
    skipped: list[SkippedRow] = []
    tally = _Tally(on_progress)
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        scan = _Scan(settings, _Checker(settings, look), pool, tally, skipped)
        if listing := listing_in(folder, settings):
            classes, truth = listing.classes, listing.truth
            rows = scan.listed(listing)
            if settings.get("source") != "table":
                scan.unlisted(listing, pictures_root(Path(folder), settings))
        else:
            root = pictures_root(Path(folder), settings)
            classes, truth = _classes(root, settings), "class"
            rows = scan.folders(root, classes)
    images = sorted((r for r in rows if isinstance(r, ImageRow)), key=lambda r: (r.split, r.class_, r.path))
    bad = sorted((r for r in rows if isinstance(r, BadRow)), key=lambda r: (r.split, r.class_, r.path))
    if bad and settings.get("on_bad_image") == "fail":
        first = "; ".join(f"{os.fspath(row.path)!r} ({row.reason})" for row in bad[:3])
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        raise UserError(f"on_bad_image is 'fail' and {len(bad)} pictures are bad: {first}{more}; mend or remove them")
    if not images:
        why = f"; the first: {bad[0].path}: {bad[0].reason}" if bad else ""
        named = f" in the classes {', '.join(classes)}" if classes else ""
        raise UserError(f"{folder}: no readable picture{named} ({len(bad)} bad ones{why})")
    skipped = sorted(skipped, key=lambda row: natural_key(row.path))
    visible = [row for row in skipped if row.reason != HIDDEN]
    hidden = [row for row in skipped if row.reason == HIDDEN]
    return Dataset(images, bad, classes, truth, visible, hidden, max(scan.check.brightest))


def listing_in(folder: str | os.PathLike[str], settings: Mapping[str, Any]) -> Listing | None:
    """The list that says what a dataset's pictures show; None where its folders do."""
    if settings.get("source") == "table":
        return listing_of({**settings, "path": os.fspath(folder)})
    if settings.get("source") in DRAWN:
        return None
    return listing_of({"source": "path", **settings}, pictures_root(Path(folder), settings))


def masks_folder(settings: Mapping[str, Any]) -> str | None:
    """Folder of a dataset's part masks, as seen from its pictures' root, spelled as a listing does; None where it has none."""
    masks = settings.get("masks", "masks" if settings.get("source") in DRAWN else None)
    return os.path.normpath(masks) if masks else None


class _Checker:
    """Opens one picture and describes it. Called from several threads."""

    def __init__(self, settings: Mapping[str, Any], look: Look) -> None:
        window = settings.get("window")
        self.look = look
        self.how = Looked(
            int(settings.get("min_side", MIN_SIDE)),
            int(settings.get("max_pixels", MAX_PIXELS)),
            (float(window[0]), float(window[1])) if window else None,
        )
        self.brightest: list[int] = []

    def __call__(self, item: _Item) -> Checked:
        try:
            seen = self.look(item.path, self.how)
        except BadImage as error:
            return BadRow(item.split, item.class_, str(item.path), str(error))
        self.brightest.append(seen.brightest)
        return ImageRow(
            item.split,
            item.class_,
            item.label,
            str(item.path),
            seen.width,
            seen.height,
            seen.sha256,
            item.labels,
            item.target,
        )


class _Tally:
    def __init__(self, on_progress: OnProgress | None) -> None:
        self.on_progress, self.done, self.known = on_progress, 0, 0

    def step(self) -> None:
        self.done += 1
        if self.on_progress and self.done % 500 == 0:
            self.on_progress(self.done, self.known)


@dataclasses.dataclass(frozen=True)
class _Scan:
    """Opening the pictures of one dataset."""

    settings: Mapping[str, Any]
    check: _Checker
    pool: ThreadPoolExecutor
    tally: _Tally
    skipped: list[SkippedRow]

    @property
    def wanted(self) -> Mapping[str, int]:
        return self.settings.get("images_per_class") or {}

    def folders(self, root: Path, classes: Sequence[str]) -> list[Checked]:
        """The pictures of class folders, in splits by folder or one after another."""
        masks = masks_folder(self.settings)
        splits = _split_folders(root, self.settings, masks)
        rows: list[Checked] = []
        for label, name in enumerate(classes):
            for split, place in (splits or {"": root}).items():
                found = [path for folder in folders_called(place, name) for path in picture_files(folder, self.skipped)]
                items = [_Item(path, split, name, label) for path in found]
                rows += (
                    self._first(items, split, place / name) if splits else self._consecutive(items, name, root / name)
                )
        self._beside(root, splits, classes, masks)
        return rows

    def listed(self, listing: Listing) -> list[Checked]:
        """The pictures of a list."""
        index = {name: label for label, name in enumerate(listing.classes)}
        rows: list[Checked] = []
        groups: dict[tuple[str, str], list[_Item]] = {}
        in_splits = listing.splits != [_WHOLE]
        for entry in listing.entries:
            if entry.fault:
                rows.append(BadRow(entry.split, entry.class_, entry.path, entry.fault))
                continue
            names = sorted(entry.labels, key=index.__getitem__)
            labels = labels_text(names) or "|" if listing.truth == "labels" else ""
            first = next(iter(names), entry.class_)
            item = _Item(Path(entry.path), entry.split, first, index.get(first, -1), labels, entry.target)
            groups.setdefault((entry.class_, entry.split if in_splits else ""), []).append(item)
        for (name, split), items in groups.items():
            place = Path(name or "the list")
            rows += self._first(items, split, place) if in_splits else self._consecutive(items, name, place)
        return rows

    def unlisted(self, listing: Listing, root: Path) -> None:
        """What lies in a folder and is not in its list; masks are looked at elsewhere."""
        named = {os.path.normpath(entry.path) for entry in listing.entries}
        others: list[SkippedRow] = []
        masks = masks_folder(self.settings) if self.settings.get("pictures") else None
        found = [path for path in picture_files(root, others) if os.path.normpath(path) not in named]
        if masks:
            found = [path for path in found if not path.is_relative_to(root / masks)]
        self.skipped.extend(SkippedRow(str(path), "a picture that the list does not name") for path in found)
        self.skipped.extend(row for row in others if Path(row.path).name not in _NO_PICTURES)

    def _beside(self, root: Path, splits: Mapping[str, Path] | None, classes: Sequence[str], masks: str | None) -> None:
        """What lies beside the class folders, and beside the splits."""
        if self.settings.get("source") in DRAWN:
            return
        known = {os.path.normpath(place) for place in (splits or {}).values()}
        known |= {os.path.normpath(root / masks)} if masks else set()
        for place in dict.fromkeys([root, *(splits or {}).values()]):
            for path in sorted(place.iterdir()):
                named = place != root or not splits or place in splits.values()
                if is_ignored(path.name):
                    self.skipped.append(SkippedRow(str(path), HIDDEN))
                    continue
                if os.path.normpath(path) in known or path.name in _NO_PICTURES:
                    continue
                if path.is_dir() and named and composed(path.name) in {Path(name).parts[0] for name in classes}:
                    continue
                what = "a folder" if path.is_dir() else "a picture" if is_picture_file(path) else "a file"
                self.skipped.append(SkippedRow(str(path), f"{what} beside the class folders"))

    def _first(self, items: Sequence[_Item], split: str, place: Path) -> list[Checked]:
        """Of each split and class the first so many, or all."""
        limit = self.wanted.get(split) if self.wanted else None
        checked = self._checked(items, limit)
        found = _readable(checked)
        if limit is not None and found < limit:
            raise UserError(
                f"images_per_class: {split} wants {limit} of class '{place.name}' and {place} has {found} readable ones; "
                "ask for fewer or add pictures"
            )
        return checked

    def _consecutive(self, items: Sequence[_Item], name: str, place: Path) -> Iterator[Checked]:
        """The textbook's split: the first n readable pictures of a class, the next n, the next n."""
        found = len(items)
        limits: Mapping[str, int | None] = self.wanted or {_WHOLE: None}
        for split, limit in limits.items():
            checked = self._checked([dataclasses.replace(item, split=split) for item in items], limit)
            if limit is not None and _readable(checked) < limit:
                total = sum(self.wanted.values())
                raise UserError(
                    f"images_per_class: {split} wants {limit} more of class '{name}' and {place} has "
                    f"{_readable(checked)} left ({found} pictures for {total} in all); ask for fewer or add pictures"
                )
            items = items[len(checked) :]
            yield from checked

    def _checked(self, items: Sequence[_Item], limit: int | None) -> list[Checked]:
        """Check pictures in order until `limit` readable ones are found (None: all)."""
        left = iter(items)
        result: list[Checked] = []
        missing = len(items) if limit is None else limit
        while missing > 0 and (batch := list(itertools.islice(left, missing))):
            self.tally.known += len(batch)
            for row in self.pool.map(self.check, batch):
                result.append(row)
                missing -= isinstance(row, ImageRow) or limit is None
                self.tally.step()
        return result


def _readable(checked: Iterable[Checked]) -> int:
    return sum(isinstance(row, ImageRow) for row in checked)


def pictures_root(folder: Path, settings: Mapping[str, Any]) -> Path:
    """The folder of a dataset's splits or classes: of an archive, what is below the folders that hold nothing else.

    Raises:
        UserError: there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"no such folder: {folder}; the dataset's `path` must be a folder of class folders")
    if settings.get("source") != "archive":
        return folder
    inside = settings.get("folder")
    if inside:
        roots = folders_called(folder, inside)
        if not roots:
            raise UserError(
                f"folder: the archive holds no folder '{inside}' ({nearest(inside, class_folders(folder))})"
            )
        return roots[0]
    while len(names := class_folders(folder)) == 1 and class_folders(below := folders_called(folder, names[0])[0]):
        folder = below
    return folder


def _split_folders(root: Path, settings: Mapping[str, Any], masks: str | None) -> dict[str, Path] | None:
    """Folder of each split, or None where the class folders lie directly below the root."""
    named: Mapping[str, str] | None = settings.get("splits")
    below = [name for name in class_folders(root) if name != masks]
    if named:
        for split, name in named.items():
            if not folders_called(root, name):
                raise UserError(f"splits: {split}: no folder '{name}' in {root} ({nearest(name, below)})")
        return {split: folders_called(root, name)[0] for split, name in named.items()}
    places = {name: folders_called(root, name)[0] for name in below}
    nested = {name: place for name, place in places.items() if class_folders(place)}
    if settings.get("source") in DRAWN:
        return nested
    return None if settings.get("images_per_class") or not nested else nested


def _classes(root: Path, settings: Mapping[str, Any]) -> list[str]:
    """The classes of class folders, in the order of their labels."""
    masks, listed = masks_folder(settings), settings.get("classes")
    places = list((_split_folders(root, settings, masks) or {_WHOLE: root}).values())
    if listed:
        for place in places:
            for name in listed:
                if not folders_called(place, name):
                    raise UserError(f"classes: no folder '{name}' in {place} ({nearest(name, class_folders(place))})")
    present = {name for place in places for name in class_folders(place) if place / name != root / (masks or "")}
    if not present and not listed:
        raise UserError(f"{root}: no class folders; expected one folder of pictures for each class")
    return ordered(present, listed, root)
