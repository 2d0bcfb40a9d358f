"""What an imported model depends on in a config, and where its files lie. Imports nothing heavy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from convscope.data.class_order import FILE, class_indices
from convscope.models.stored import stored_or_none


def model_settings(model: dict[str, Any], digest_of: Callable[[str], str]) -> dict[str, Any]:
    """A model's part of the config, with the classes that lie beside its file; a checksum that is the file's own changes nothing.

    Args:
        model: the part.
        digest_of: first digits of the SHA-256 of a file.
    """
    used = dict(model)
    file = used.get("path") or used.get("weights", "")
    if file and Path(file).is_file() and used.get("sha256", "").startswith(digest_of(file)):
        used.pop("sha256", None)
    if named := _named_beside(used):
        used |= {"classes": named[0], "classes_from": named[1]}
    return used


def classes_beside(model: dict[str, Any]) -> list[str] | None:
    """The classes, in order, that a class_indices.json beside a model's file names, or Teachable Machine's labels.txt.

    Returns:
        None where there is none, or the config names them.

    Raises:
        UserError: it says no order.
    """
    named = _named_beside(model)
    return named[0] if named else None


def _named_beside(model: dict[str, Any]) -> tuple[list[str], str] | None:
    file = model.get("path") or (model.get("weights", "") if model.get("weights") != "imagenet" else "")
    if not file or model.get("classes"):
        return None
    place = Path(file)
    labels = class_indices(place if place.is_dir() else place.parent)
    if labels:
        return [names[-1] for names in labels], FILE
    found = stored_or_none(place) if model.get("source") == "file" else None
    return (list(found.classes), "labels.txt") if found and found.classes else None


def image_size(value: Any) -> tuple[int, int]:
    """(height, width) of an `image_size` of the config: the side of a square, or both."""
    height, width = value if isinstance(value, list | tuple) else (value, value)
    return int(height), int(width)


def model_files(model: dict[str, Any]) -> list[str]:
    """The files and folders on this computer that a model is loaded from."""
    candidates = [model.get(key) for key in ("path", "preset", "weights", "code")]
    if model.get("folder"):
        candidates.append(str(Path(model["folder"]) / model["preset"]))
    return [place for place in candidates if place and Path(place).exists()]
