"""What an imported model depends on in a config, and where its files lie. Imports nothing heavy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any


def model_settings(model: dict[str, Any], digest_of: Callable[[str], str]) -> dict[str, Any]:
    """A model's part of the config; a checksum that is the file's own changes nothing.

    Args:
        model: the part.
        digest_of: first digits of the SHA-256 of a file.
    """
    used = dict(model)
    file = used.get("path") or used.get("weights", "")
    if file and Path(file).expanduser().is_file() and used.get("sha256", "").startswith(digest_of(file)):
        used.pop("sha256", None)
    return used


def image_size(value: Any) -> tuple[int, int]:
    """(height, width) of an `image_size` of the config: the side of a square, or both."""
    height, width = value if isinstance(value, list | tuple) else (value, value)
    return int(height), int(width)


def model_files(model: dict[str, Any]) -> list[str]:
    """The files and folders on this computer that a model is loaded from."""
    candidates = [model.get(key) for key in ("path", "preset", "weights")]
    if model.get("folder"):
        candidates.append(str(Path(model["folder"]) / model["preset"]))
    return [place for place in candidates if place and Path(place).expanduser().exists()]
