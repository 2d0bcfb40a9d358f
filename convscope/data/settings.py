"""What the results of datasets and image sets depend on in a config, as their scripts want it. Imports nothing heavy."""

from collections.abc import Sequence
from typing import Any

from convscope.data.drawn.kinds import CLASSES as DRAWN_KINDS
from convscope.data.places import masks_below

# The folder, below the dataset's, of pictures that the workflow makes; a user's own lie where they lie.
MADE_IN = {**dict.fromkeys(DRAWN_KINDS, "drawn"), "archive": "extracted"}
_OF_THE_ARCHIVE = ("url", "sha256", "masks_url", "masks_sha256", "max_bytes", "max_files")
_OF_MASKS = ("source", "folder", "masks", "columns", "splits", "pictures", "class_from", "parts")


def dataset_settings(dataset: dict[str, Any]) -> dict[str, Any]:
    """What the list of a dataset's pictures depends on; drawn pictures already lie in a folder a split.

    The order of `splits` is kept: it is that of the list.
    """
    used = {key: dataset[key] for key in sorted(dataset) if key not in _OF_THE_ARCHIVE}
    if used["source"] in DRAWN_KINDS:
        used["splits"] = {split: split for split in used.pop("images_per_class")}
    used.pop("parts", None)
    below = used.get("masks") if used["source"] == "archive" else masks_below(used)
    # Elsewhere they cannot be taken for a class.
    if used.pop("masks", None) and below:
        used["masks"] = below
    return used


def masks_settings(dataset: dict[str, Any]) -> dict[str, Any]:
    """What the list of a dataset's part masks depends on, beside its pictures."""
    return {key: dataset[key] for key in _OF_MASKS if key in dataset}


def image_set_settings(part: dict[str, Any], downloaded: Sequence[str] = ()) -> dict[str, Any]:
    """What an image set depends on; `downloaded` are the files of its `urls`, in order."""
    used = {key: part[key] for key in sorted(part) if key != "urls"}
    if part.get("urls"):
        used["files"] = list(downloaded)
    return used
