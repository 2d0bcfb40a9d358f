"""Datasets: every picture of a folder opened, described and put in a split; the bad ones listed with the reason."""

import dataclasses
import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from convscope.data.drawn.kinds import CLASSES as DRAWN
from convscope.errors import BadImage, UserError, nearest
from convscope.pictures.formats import is_picture_name
from convscope.pictures.read import MAX_PIXELS, read_image
from convscope.storage.files import sha256_of
from convscope.storage.fingerprints import fingerprint, is_ignored

__all__ = ["BadRow", "Dataset", "ImageRow", "fingerprint", "scan_dataset"]

MIN_SIDE = 8
_WHOLE = "all"


@dataclasses.dataclass(frozen=True)
class ImageRow:
    """A readable picture. `label` indexes the classes; `sha256` are the first 16 digits of what the file holds.

    Of a dataset whose pictures have several labels or none, `labels` are their names with | between (`groups.labels_text`), "|"
    for none, and `class_` and `label` are the first of them. `target` is the number to predict, with | between where there are
    several. Both are columns of the tables alone that have them.
    """

    split: str
    class_: str
    label: int
    path: str
    width: int
    height: int
    sha256: str
    labels: str = ""
    target: str = ""


@dataclasses.dataclass(frozen=True)
class BadRow:
    """A file that should be a picture and is not, with the reason."""

    split: str
    class_: str
    path: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Dataset:
    """What a folder holds: rows sorted by split, class and path."""

    images: list[ImageRow]
    bad: list[BadRow]
    classes: list[str]

    def counts(self) -> dict[tuple[str, str], int]:
        """Readable pictures by (split, class)."""
        result: dict[tuple[str, str], int] = {}
        for row in self.images:
            result[row.split, row.class_] = result.get((row.split, row.class_), 0) + 1
        return result

    def shared_between_splits(self) -> int:
        """How many different contents occur in more than one split: a test on them flatters the model."""
        splits: dict[str, set[str]] = {}
        for row in self.images:
            splits.setdefault(row.sha256, set()).add(row.split)
        return sum(len(names) > 1 for names in splits.values())


Checked = ImageRow | BadRow
OnProgress = Callable[[int, int], None]


def scan_dataset(
    folder: str | os.PathLike[str],
    settings: Mapping[str, Any],
    threads: int = 1,
    on_progress: OnProgress | None = None,
) -> Dataset:
    """Describe every picture of a folder, used in place.

    Args:
        folder: the pictures' folder, or for the source `archive` the folder of the extracted archive.
        settings: the dataset's part of the config. Used here: `source` (path, archive, drawn_pets, drawn_produce), `folder` (below an
            extracted archive), `splits` ({name: folder below}), `classes` (folder names in the order of the labels),
            `images_per_class` ({split: n}: with split folders the first n of each class; without, the textbook's split:
            of each class in natural order the first n, then the next n ...; unreadable ones do not count),
            `on_bad_image` (list or fail), `min_side` and `max_pixels` (pixels), `masks` (folder of part masks, which are no
            class: see `part_masks`).
            With neither `splits` nor `images_per_class`, folders of folders are splits of classes, and plain class
            folders make one split named "all".
        threads: pictures decoded at a time.
        on_progress: called with (pictures done, pictures known so far).

    Raises:
        UserError: a folder, class or enough pictures are missing; or a picture is bad and `on_bad_image` is fail.
    """
    root = pictures_root(Path(folder), settings)
    masks = masks_folder(settings)
    wanted: Mapping[str, int] | None = settings.get("images_per_class")
    splits = _split_folders(root, settings, masks)
    classes = _classes(root, list((splits or {_WHOLE: root}).values()), settings.get("classes"), masks)
    check = _Checker(classes, settings)
    batches: list[list[Checked]] = []
    tally = _Tally(on_progress)
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        for name in classes:
            if splits is None:
                batches += _consecutive(root, name, wanted or {}, check, pool, tally)
                continue
            for split, place in splits.items():
                files = picture_files(place / name)
                limit = wanted.get(split) if wanted else None
                checked = _checked(files, split, name, limit, check, pool, tally)
                _require(checked, limit, place / name, split)
                batches.append(checked)
    rows = list(itertools.chain.from_iterable(batches))
    images = sorted((r for r in rows if isinstance(r, ImageRow)), key=lambda r: (r.split, r.class_, r.path))
    bad = sorted((r for r in rows if isinstance(r, BadRow)), key=lambda r: (r.split, r.class_, r.path))
    if bad and settings.get("on_bad_image") == "fail":
        first = "; ".join(f"{os.fspath(row.path)!r} ({row.reason})" for row in bad[:3])
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        raise UserError(f"on_bad_image is 'fail' and {len(bad)} pictures are bad: {first}{more}; mend or remove them")
    if not images:
        raise UserError(f"{root}: no readable picture in the classes {', '.join(classes)} ({len(bad)} bad ones)")
    return Dataset(images, bad, classes)


def masks_folder(settings: Mapping[str, Any]) -> str | None:
    """Folder of a dataset's part masks, as seen from its pictures' root, spelled as a listing does; None where it has none."""
    masks = settings.get("masks", "masks" if settings.get("source") in DRAWN else None)
    return os.path.normpath(masks) if masks else None


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key that counts digits as numbers: cat.2.jpg before cat.10.jpg."""
    pieces = re.split(r"([0-9]+)", name)
    return [(0, int(piece), piece) if piece.isdecimal() else (1, 0, piece) for piece in pieces if piece]


def is_picture(name: str) -> bool:
    """Whether a file is a picture by its name, readable or not."""
    return is_picture_name(name)


def picture_files(folder: Path) -> list[Path]:
    """Files below a folder that are pictures by name (readable or not), in natural order.

    Hidden files, Thumbs.db and other kinds of files are left out; folders below are searched too.
    """
    if not folder.is_dir():
        return []
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not is_ignored(name)]
        for name in names:
            if not is_ignored(name) and is_picture(name):
                found.append(Path(place) / name)
    return sorted(found, key=lambda path: natural_key(path.relative_to(folder).as_posix()))


def class_folders(root: Path) -> list[str]:
    """Names of the visible folders directly below, in natural order."""
    return sorted((p.name for p in root.iterdir() if p.is_dir() and not is_ignored(p.name)), key=natural_key)


class _Checker:
    """Opens one picture and describes it. Called from several threads."""

    def __init__(self, classes: Sequence[str], settings: Mapping[str, Any]) -> None:
        self.labels = {name: index for index, name in enumerate(classes)}
        self.min_side = int(settings.get("min_side", MIN_SIDE))
        self.max_pixels = int(settings.get("max_pixels", MAX_PIXELS))

    def __call__(self, path: Path, split: str, name: str) -> Checked:
        try:
            height, width = read_image(path, self.max_pixels).shape[:2]
            if min(height, width) < self.min_side:
                raise BadImage(f"too small: {width}x{height} pixels, the shortest side must have {self.min_side}")
        except BadImage as error:
            return BadRow(split, name, str(path), str(error))
        return ImageRow(split, name, self.labels[name], str(path), width, height, sha256_of(path)[:16])


class _Tally:
    def __init__(self, on_progress: OnProgress | None) -> None:
        self.on_progress, self.done, self.known = on_progress, 0, 0

    def step(self) -> None:
        self.done += 1
        if self.on_progress and self.done % 500 == 0:
            self.on_progress(self.done, self.known)


def _checked(
    files: Sequence[Path],
    split: str,
    name: str,
    limit: int | None,
    check: _Checker,
    pool: ThreadPoolExecutor,
    tally: _Tally,
) -> list[Checked]:
    """Check files in order until `limit` readable ones are found (None: all)."""
    left = iter(files)
    result: list[Checked] = []
    missing = len(files) if limit is None else limit
    while missing > 0 and (batch := list(itertools.islice(left, missing))):
        tally.known += len(batch)
        for row in pool.map(lambda path: check(path, split, name), batch):
            result.append(row)
            missing -= isinstance(row, ImageRow) or limit is None
            tally.step()
    return result


def _consecutive(
    root: Path, name: str, wanted: Mapping[str, int], check: _Checker, pool: ThreadPoolExecutor, tally: _Tally
) -> Iterator[list[Checked]]:
    """The textbook's split: the first n readable pictures of a class, the next n, the next n."""
    files = picture_files(root / name)
    found = len(files)
    limits: Mapping[str, int | None] = wanted or {_WHOLE: None}
    for split, limit in limits.items():
        checked = _checked(files, split, name, limit, check, pool, tally)
        if limit is not None and _readable(checked) < limit:
            total = sum(wanted.values())
            raise UserError(
                f"images_per_class: {split} wants {limit} more of class '{name}' and {root / name} has "
                f"{_readable(checked)} left ({found} pictures for {total} in all); ask for fewer or add pictures"
            )
        files = files[len(checked) :]
        yield checked


def _require(checked: Iterable[Checked], limit: int | None, place: Path, split: str) -> None:
    found = _readable(checked)
    if limit is not None and found < limit:
        raise UserError(
            f"images_per_class: {split} wants {limit} of class '{place.name}' and {place} has {found} readable ones; "
            "ask for fewer or add pictures"
        )


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
        root = folder / inside
        if not root.is_dir():
            raise UserError(
                f"folder: the archive holds no folder '{inside}' ({nearest(inside, class_folders(folder))})"
            )
        return root
    while len(names := class_folders(folder)) == 1 and class_folders(folder / names[0]):
        folder = folder / names[0]
    return folder


def _split_folders(root: Path, settings: Mapping[str, Any], masks: str | None) -> dict[str, Path] | None:
    """Folder of each split, or None where the class folders lie directly below the root."""
    named: Mapping[str, str] | None = settings.get("splits")
    below = [name for name in class_folders(root) if name != masks]
    if named:
        for split, name in named.items():
            if not (root / name).is_dir():
                raise UserError(f"splits: {split}: no folder '{name}' in {root} ({nearest(name, below)})")
        return {split: root / name for split, name in named.items()}
    nested = [name for name in below if class_folders(root / name)]
    if settings.get("source") in DRAWN:
        return {name: root / name for name in nested}
    if settings.get("images_per_class") or not nested:
        return None
    return {name: root / name for name in nested}


def _classes(root: Path, places: Sequence[Path], listed: Sequence[str] | None, masks: str | None) -> list[str]:
    present: list[str] = []
    for place in places:
        present += [
            name for name in class_folders(place) if name not in present and place / name != root / (masks or "")
        ]
    if listed:
        for place in places:
            for name in listed:
                if not (place / name).is_dir():
                    raise UserError(f"classes: no folder '{name}' in {place} ({nearest(name, class_folders(place))})")
        return list(listed)
    if not present:
        raise UserError(f"{root}: no class folders; expected one folder of pictures for each class")
    return sorted(present, key=natural_key)
