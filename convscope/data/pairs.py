"""Two folders that belong together, pictures in one and masks of the same names in the other, as a list of pictures."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convscope.data import listings
from convscope.data.class_order import ordered
from convscope.data.folders import folders_called, picture_files
from convscope.data.groups import composed
from convscope.data.listings import Entry, Listing
from convscope.errors import UserError
from convscope.pictures.kinds import is_picture_name

_WHOLE = "all"
# "Abyssinian_100": a name, and the number of the picture.
_NUMBERED = re.compile(r"(.*?[^\d_\- ])[_\- ]*\d+")


def listing_of(dataset: Mapping[str, Any], root: Path | None = None) -> Listing | None:
    """The list of a dataset of the config, be it a file (`listings.listing_of`) or two folders; None where folders tell the classes.

    Args:
        dataset: its part of the config. Of two folders used: `path`, `pictures`, `masks`, `class_from`, `classes`.
        root: the pictures' folder of an extracted archive, instead of `path`.

    Raises:
        UserError: a list that cannot be read, or a folder that is missing.
    """
    if not dataset.get("pictures"):
        return listings.listing_of(dataset, root)
    root = Path(dataset["path"]) if root is None else root
    place = _below(root, "pictures", dataset["pictures"])
    masks, files = {}, picture_files(place)
    if dataset.get("masks"):
        beside = _below(root, "masks", dataset["masks"])
        if beside.resolve() == place.resolve():
            raise UserError(
                f"masks: '{beside}' holds the pictures, too, so that nothing tells a mask from a picture; move the masks"
            )
        masks = _masks(beside)
        # Masks may lie in a folder among the pictures: they are none.
        files = [path for path in files if not path.is_relative_to(beside)]
    entries = []
    for path in files:
        stem = composed(path.relative_to(place).with_suffix("").as_posix())
        named = _NUMBERED.fullmatch(path.stem)
        class_, fault = place.name, ""
        if dataset.get("class_from") == "name":
            class_, fault = (named[1], "") if named else ("", "its name is no class and a number, such as cat_12")
        entries.append(Entry(str(path), _WHOLE, composed(class_), mask=masks.get(stem, ""), fault=fault))
    classes = ordered({entry.class_ for entry in entries if entry.class_}, dataset.get("classes"), root)
    if dataset.get("classes"):
        entries = [entry for entry in entries if entry.fault or entry.class_ in classes]
    return Listing("class", classes, entries, [_WHOLE])


def _below(root: Path, key: str, name: str) -> Path:
    found = folders_called(root, name) or ([root / name] if (root / name).is_dir() else [])
    if not found:
        raise UserError(f"{key}: there is no folder '{name}' in {root}")
    return found[0]


def _masks(folder: Path) -> dict[str, str]:
    """The masks of a folder by their paths without suffix; of two of one name a PNG."""
    found: dict[str, str] = {}
    for place, below, names in os.walk(folder):
        below.sort()
        for name in sorted(names, key=lambda name: (not name.lower().endswith(".png"), name)):
            if is_picture_name(name) and not name.startswith("."):
                path = Path(place) / name
                found.setdefault(composed(path.relative_to(folder).with_suffix("").as_posix()), str(path))
    return found
