"""Checks of the pictures that a config names: folders of datasets and image sets are what they are taken for, and readable."""

import json
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from convscope.data.class_order import FILE, class_indices, ordered
from convscope.data.folders import folders_called, is_picture, is_picture_file
from convscope.data.groups import composed
from convscope.data.listings import Listing, metadata_files
from convscope.data.pairs import listing_of
from convscope.errors import UserError, nearest
from convscope.storage.addresses import fault_of_address, local_file
from convscope.storage.fingerprints import is_ignored
from convscope.storage.places import (
    check_file,
    check_folder,
    entries,
    folders_in,
    is_file,
    listed,
    start_of,
    unreadable,
)

# The splits that a training looks at.
LEARNED = ("train", "validation")
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz")


def check_address(key: str, url: str, archive: bool = False) -> None:
    """Check what can be known of an address without a network; of an archive on this machine, that it is one.

    Raises:
        UserError: it leads nowhere.
    """
    if fault := fault_of_address(url):
        raise UserError(f"{key}: '{url}': {fault}")
    path = local_file(url)
    if path is None:
        return
    place = check_file(key, path, "a folder needs no archive: source: path and path:" if archive else "")
    if archive:
        from convscope.data.archives import what_is_wrong

        if fault := what_is_wrong(place):
            raise UserError(f"{key}: '{place}': {fault}")


def split_folders(dataset: Mapping[str, Any]) -> dict[str, Path]:
    """The folder of each split of a dataset on disk, as `datasets.scan_dataset` will see them; {"all": root} for one split.

    With neither `splits` nor `images_per_class`, folders of folders are splits of classes. A list says the splits of its pictures.
    """
    root = Path(dataset["path"])
    if listing := listing_if_any(dataset):
        return dict.fromkeys(listing.splits, root)
    if dataset.get("splits"):
        return {split: below(root, part) for split, part in dataset["splits"].items()}
    if dataset.get("images_per_class"):
        return {"all": root}
    masks = _masks(dataset)
    try:
        nested = [name for name in folders_in(root) if root / name != masks and folders_in(root / name)]
    except OSError:
        nested = []  # told where the folder itself is checked
    return {name: root / name for name in nested} or {"all": root}


def listing_if_any(dataset: Mapping[str, Any]) -> Listing | None:
    """A dataset's list, a CSV or a metadata file in its folders; None where its folders tell the classes, or it cannot be read."""
    try:
        return listing_of(dataset) if dataset.get("source") in ("table", "path") else None
    except (UserError, OSError):
        return None  # told where the dataset is checked


def listed_files(dataset: Mapping[str, Any], masks: bool = False) -> list[str]:
    """The pictures, or the part masks, of a dataset's list, and the list itself: all that a change is noticed in."""
    listing = listing_if_any(dataset)
    if listing is None:
        return []
    path = Path(dataset["path"])
    files = [entry.mask if masks else entry.path for entry in listing.entries if not entry.fault]
    beside = path if path.is_dir() else path.parent
    tables = [str(table) for table, _ in metadata_files(path, dataset.get("splits"))] if path.is_dir() else [str(path)]
    return [*tables, str(beside / FILE), *filter(None, files)]


def listed_masks(dataset: Mapping[str, Any]) -> list[str]:
    """The same of the part masks that a dataset's list names, and the list of their parts' names; [] where it has no list."""
    path, files = Path(dataset["path"]), listed_files(dataset, masks=True)
    return [*files, str((path if path.is_dir() else path.parent) / "parts.json")] if files else []


def learned_masks(dataset: Mapping[str, Any]) -> tuple[list[str], list[Path]] | None:
    """The part masks of the pictures that a training looks at, and what names their parts: files, there or not, and folders.

    None where it takes the pictures to know which those are: counted ones (`images_per_class`), and masks in folders of a list.
    """
    listing, root = listing_if_any(dataset), Path(dataset["path"])
    if dataset.get("images_per_class") or (listing and not any(entry.mask for entry in listing.entries)):
        return None
    beside = root if root.is_dir() else root.parent
    masks = beside / dataset.get("masks", ".")
    files = [str(masks / "parts.json"), str(beside / "parts.json")]
    if listing:
        learned = [entry.mask for entry in listing.entries if entry.mask and not entry.fault and entry.split in LEARNED]
        return [*files, *learned], []
    places = [place for split, place in split_folders(dataset).items() if split in LEARNED]
    folders = [masks / place.relative_to(root) for place in places]
    return files, [folder for folder in folders if folder.is_dir()]


def classes_on_disk(dataset: Mapping[str, Any]) -> list[str] | None:
    """The classes of a dataset on disk, in the order of their labels; None where they cannot be seen."""
    if listing := listing_if_any(dataset):
        return listing.classes
    try:
        places = split_folders(dataset).values()
        masks = _masks(dataset)
        found = {composed(name) for place in places for name in folders_in(place) if place / name != masks}
        return ordered(found, None, Path(dataset["path"]))
    except (OSError, UserError):
        return None


def masks_below(dataset: Mapping[str, Any]) -> str | None:
    """A dataset's folder of part masks as seen from its pictures, however the config writes it ("masks/", "./masks", absolute).

    None where it has none, or where they lie elsewhere.
    """
    if not dataset.get("masks"):
        return None
    root = Path(dataset["path"])
    below = os.path.relpath(root / dataset["masks"], root)
    return None if Path(below).parts[:1] in ((), (os.pardir,)) else below


def below(place: Path, name: str) -> Path:
    """A folder below another, however its name's accents are written; by the name itself where there is none."""
    return next(iter(folders_called(place, name)), place / name) if place.is_dir() else place / name


def _masks(dataset: Mapping[str, Any]) -> Path | None:
    """The same as a path, wherever it lies."""
    return Path(dataset["path"]) / (masks_below(dataset) or dataset["masks"]) if dataset.get("masks") else None


def check_dataset_folder(key: str, dataset: Mapping[str, Any]) -> None:
    """Check that a folder of pictures is laid out in classes, and that each class has a picture; or has a list that can be read.

    Raises:
        UserError: a folder is missing, empty or unreadable, pictures lie outside the class folders, or folders of pictures beside
            folders of folders.
    """
    root, chosen = Path(dataset["path"]), [composed(name) for name in dataset.get("classes") or []]
    is_archive = root.name.lower().endswith(_ARCHIVES)
    check_folder(
        f"{key}.path", root, f"for an archive: source: archive, url: file://{root.resolve()}" if is_archive else ""
    )
    if masks := _masks(dataset):
        check_folder(f"{key}.masks", masks)
        _check_parts(f"{key}.masks", [masks / "parts.json", root / "parts.json"])
    if dataset.get("pictures"):
        _check_pairs(key, root, dataset)
        return
    for split, part in (dataset.get("splits") or {}).items():
        check_folder(f"{key}.splits.{split}", below(root, part))
    try:
        has_list = bool(metadata_files(root, dataset.get("splits")))
    except UserError as error:
        raise UserError(f"{key}.splits: {error}") from None
    if has_list:
        check_list(f"{key}.path", dataset)
        return
    places = split_folders(dataset)
    if not dataset.get("splits") and "all" not in places:
        _check_nested(f"{key}.path", root, places, masks)
    filled: dict[str, bool] = {}
    for place in places.values():
        for name in chosen:
            check_folder(f"{key}.classes", below(place, name))
        present = [name for name in listed(f"{key}.path", place)[0] if place / name != masks]
        if not chosen:
            check_no_loose_pictures(f"{key}.path", place, present)
        for name in chosen or present:
            found = has_picture(f"{key}.path", below(place, name), without=masks)
            filled[composed(name)] = filled.get(composed(name), False) or found
    if not any(filled.values()):
        raise UserError(f"{key}.path: no class folder of '{root}' holds a picture; check the path")
    for name, has_any in filled.items():
        if not has_any:
            raise UserError(
                f"{key}.path: the class folder '{name}' of '{root}' holds no picture; add some, or name the classes without it by "
                "classes:"
            )
    check_order(f"{key}.path", root, filled, chosen)


def _check_pairs(key: str, root: Path, dataset: Mapping[str, Any]) -> None:
    check_folder(f"{key}.pictures", below(root, dataset["pictures"]))
    try:
        listing = listing_of(dataset)
    except UserError as error:
        raise UserError(f"{key}.{error}") from None
    assert listing is not None  # noqa: S101
    sound = [entry for entry in listing.entries if not entry.fault]
    if not sound:
        why = "; none lies there beside masks" if dataset.get("masks") else ""
        if listing.entries:
            why = f"; the first: {listing.entries[0].path}: {listing.entries[0].fault}"
        raise UserError(f"{key}.pictures: no picture of '{root / dataset['pictures']}' counts{why}")
    if dataset.get("masks") and not any(entry.mask for entry in sound):
        raise UserError(
            f"{key}.masks: no mask in '{root / dataset['masks']}' is called like a picture; the first would be "
            f"'{Path(sound[0].path).stem}.png'"
        )


def check_list(key: str, dataset: Mapping[str, Any]) -> None:
    """Check that a list of pictures can be read, knows the classes and splits that are asked for, and that a picture of it is there.

    Raises:
        UserError: it cannot, does not, or there is none.
    """
    try:
        listing = listing_of({**dataset, "classes": None})
        ordered((), dataset.get("classes") or ["any"], Path(dataset["path"]).parent)
    except UserError as error:
        raise UserError(f"{key}: {error}") from None
    assert listing is not None  # noqa: S101
    names = {entry.class_ for entry in listing.entries} | {name for entry in listing.entries for name in entry.labels}
    for name in dataset.get("classes") or []:
        if composed(name) not in names:
            raise UserError(
                f"{key.rpartition('.')[0]}.classes: the list has no class '{name}'; {nearest(name, names - {''})}"
            )
    for split in dataset.get("images_per_class") or {}:
        if listing.splits != ["all"] and split not in listing.splits:
            owner = key.rpartition(".")[0]
            raise UserError(
                f"{owner}.images_per_class: the list has no split '{split}'; {nearest(split, listing.splits)}"
            )
    sound = [entry for entry in listing.entries if not entry.fault]
    if not sound:
        fault = listing.entries[0].fault
        raise UserError(f"{key}: no row of the list counts; the first: {listing.entries[0].path}: {fault}")
    if not any(is_file(Path(entry.path)) for entry in sound):
        remedy = (
            "name the folder that the list's paths begin in by folder:" if dataset["source"] == "table" else "check it"
        )
        raise UserError(f"{key}: no picture of the list is there; the first would be '{sound[0].path}'; {remedy}")


def check_order(key: str, folder: Path, present: Collection[str], classes: Collection[str] = ()) -> list[str]:
    """Check that a class_indices.json, where one lies in a folder, says an order of its classes, where the config names none.

    Returns:
        The classes in the order of their labels.
    """
    try:
        class_indices(folder)
        return ordered(present, list(classes), folder)
    except UserError as error:
        raise UserError(f"{key}: {error}") from None


def _check_parts(key: str, places: list[Path]) -> None:
    """Where the parts of masks are named, there is a list of names."""
    for place in filter(is_file, places):
        try:
            value = json.loads(start_of(key, place, -1))
        except (ValueError, RecursionError):
            value = None
        names = value.get("parts") if isinstance(value, dict) else value
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise UserError(f'{key}: \'{place}\' names no parts; it is a JSON list of names, ["none", "animal"]')


def _check_nested(key: str, root: Path, places: Mapping[str, Path], masks: Path | None) -> None:
    """Folders of folders are splits: then pictures right below one that is none, or beside the splits, would be lost."""
    for name in listed(key, root)[0]:
        if name not in places and root / name != masks and has_picture(key, root / name, without=masks):
            raise UserError(
                f"{key}: '{next(iter(places))}' holds folders, as a split of classes does, and '{name}' holds pictures, as a class "
                "does; name the splits by splits:, or write splits: {all: .} where all are classes"
            )
    check_no_loose_pictures(key, root, list(places), "splits:")


def check_below(key: str, name: str) -> None:
    """Check that the name of a folder leads to one below, and not through a hidden one.

    A change is noticed in what lies visibly below the folder that `path` names, or in an archive, and nowhere else.

    Raises:
        UserError: it leads elsewhere.
    """
    parts = Path(name).parts
    if Path(name).is_absolute() or ".." in parts:
        raise UserError(
            f"{key}: '{name}' leads out of the dataset's own folder, where no change would be noticed; name a folder above all of "
            "them by path:, or put a link into it"
        )
    for part in parts:
        if is_ignored(part):
            raise UserError(
                f"{key}: '{part}' is hidden, and what is hidden is left out; rename it, or put a link beside it"
            )


def check_no_loose_pictures(key: str, folder: Path, classes: Iterable[str], remedy: str = "classes:") -> None:
    """Check that pictures lie in the class folders and not beside them, where they belong to no class.

    Raises:
        UserError: pictures beside the folders, or no class folders at all.
    """
    loose = [name for name in listed(key, folder)[1] if is_picture(name)]
    names = list(classes)
    if loose and names:
        raise UserError(
            f"{key}: {_pictures(loose)} beside the folders {', '.join(names[:4])} in '{folder}', and would be left out; move them, "
            f"or name the folders that count by {remedy}"
        )
    if loose:
        raise UserError(
            f"{key}: {_pictures(loose)} in '{folder}' itself; put them in a folder for each class, or take them without "
            "classes: image_sets: and folder:"
        )
    if not names:
        raise UserError(f"{key}: '{folder}' has no class folders; expected one folder of pictures for each class")


def check_picture_folder(key: str, folder: Path, classes: Iterable[str] | None) -> list[str]:
    """Check a folder of pictures, or of class folders; the names of the class folders in the order of their labels.

    Raises:
        UserError: it is missing, unreadable or empty, or pictures lie beside the class folders and no classes are chosen.
    """
    check_folder(key, folder, "for single pictures: files:")
    names = check_order(key, folder, {composed(name) for name in listed(key, folder)[0]})
    if names and not classes:
        check_no_loose_pictures(key, folder, names)
    if not has_picture(key, folder):
        raise UserError(f"{key}: no picture lies in '{folder}'; check the path")
    return names


def has_picture(key: str, folder: Path, without: Path | None = None) -> bool:
    """Whether there is a picture anywhere below a folder, the folder `without` left out. It looks no further than the first.

    Raises:
        UserError: a folder below cannot be read.
    """
    folders, seen = [folder], {os.path.realpath(folder)}
    while folders:
        place, below = folders.pop(), []
        try:
            for name, is_folder in entries(place):
                if is_folder:
                    below.append(name)
                elif is_picture_file(place / name):
                    return True
        except OSError as error:
            raise unreadable(key, place, error) from None
        for name in sorted(below, reverse=True):
            if place / name != without and (real := os.path.realpath(place / name)) not in seen:
                seen.add(real)
                folders.append(place / name)
    return False


def _pictures(names: list[str]) -> str:
    if len(names) == 1:
        return f"the picture {names[0]} lies"
    return f"{len(names)} pictures ({min(names)} ...) lie"
