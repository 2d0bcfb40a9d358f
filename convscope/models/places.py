"""Checks of the models that a config names on the disk: files, weights and presets are what they are taken for."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convscope.errors import UserError
from convscope.models.names import ends_in_maps, read_file_config, read_json_config
from convscope.models.safe import PRESET_CONFIGS, check_network, check_parts
from convscope.models.stored import stored
from convscope.storage.places import check_file, check_folder, is_file, listed, start_of

MODEL_SUFFIXES = (".keras", ".h5", ".hdf5")
_HDF5, _ZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"


def check_model_file(key: str, path: str, code: str | None = None) -> None:
    """Check that what lies at a path is a network that Keras saved, without loading it.

    Args:
        key: of the model's part of the config, for the message.
        path: a file or folder.
        code: the Python file of the user's own layers, if the config names one.

    Raises:
        UserError: it is not there, of another kind, damaged, weights alone, or brings code.
    """
    place = Path(path)
    if _is_folder(place):
        listed(f"{key}.path", place)
    else:
        check_file(f"{key}.path", path)
    if code is not None:
        start = start_of(f"{key}.code", check_file(f"{key}.code", code, "name the Python file in it"), 100_000)
        if b"\0" in start:
            raise UserError(f"{key}.code: '{code}' is no Python file; name the file of your own layers")
    try:
        check_network(stored(place), None if code is not None else {})
    except UserError as error:
        raise UserError(f"{key}.path: {error}") from None


def _is_folder(place: Path) -> bool:
    try:
        return place.is_dir()
    except OSError:
        return False


def check_weights_file(key: str, path: str) -> None:
    """Check that a file may hold weights: HDF5, or a .keras archive.

    Raises:
        UserError: it is not there, a folder, or of another kind.
    """
    place = check_file(key, path)
    if not start_of(key, place, 8).startswith((_HDF5, _ZIP)):
        raise UserError(f"{key}: '{path}' holds no weights; they come as .weights.h5, .h5 or .keras files")


def check_preset_folder(key: str, folder: Path) -> None:
    """Check that a folder holds a keras-hub preset.

    Raises:
        UserError: it is a file, or lacks its config or its weights, or a config is damaged or names more than parts of networks.
    """
    check_folder(key, folder, "if it is a model's file: source: file, path: and the file")
    for name in PRESET_CONFIGS:
        if name == "config.json" or is_file(folder / name):
            check_file(key, folder / name)
            if (config := read_json_config(folder / name)) is None:
                raise UserError(f"{key}: '{folder / name}' is no JSON; the preset is damaged, download it again")
            try:
                check_parts(config, folder / name, {})
            except UserError as error:
                raise UserError(f"{key}: {error}") from None
    if not any(name.endswith(".weights.h5") for name in listed(key, folder)[1]):
        raise UserError(
            f"{key}: '{folder}' holds no weights (model.weights.h5); the preset is not whole, download it again"
        )


def preset_folder(model: Mapping[str, Any]) -> Path | None:
    """The folder on disk that a preset is loaded from, in the order of `presets.find_preset`; None where it is downloaded."""
    name = Path(model["preset"])
    places = [name, *([Path(model["folder"]) / model["preset"]] if model.get("folder") else [])]
    return next((place for place in places if is_file(place / "config.json")), None)


def has_no_classifier(model: Mapping[str, Any]) -> bool:
    """Whether a model on disk surely has no classification head; what cannot be known beforehand has one."""
    if model["source"] == "preset" and (folder := preset_folder(model)):
        task = read_json_config(folder / "task.json") or {}
        return not str(task.get("class_name", "")).endswith("ImageClassifier")
    if model["source"] == "file" and model.get("output") is None:
        return ends_in_maps(read_file_config(Path(model["path"])) or {})
    return False


def preset_is_a_path(name: str) -> bool:
    """Whether a preset's name is meant as a path: it begins like one, or there is something of that name."""
    return name.startswith((".", "/", "~")) or os.path.lexists(name)
