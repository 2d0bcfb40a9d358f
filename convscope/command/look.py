"""What a user has: which model a word names, which pictures lie where, and what both say of themselves. Imports nothing heavy."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from convscope.config import load_schema
from convscope.data.folders import folders_called, is_picture_file, picture_files
from convscope.data.places import classes_on_disk, split_folders
from convscope.errors import UserError, nearest
from convscope.models.names import read_file_config
from convscope.models.places import MODEL_SUFFIXES
from convscope.models.stored import stored
from convscope.storage.places import is_file

# What people call the splits of a dataset.
_SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid", "dev"),
    "test": ("test", "testing"),
}
_FEWEST = 10
# Networks and layers that make no feature maps of a picture.
_ON_ROWS = re.compile(
    "Sequential|Functional|Model|InputLayer|Rescaling|Normalization|Flatten|Dense|Dropout|Activation|.*ReLU|ELU|Softmax|"
    "BatchNormalization|LayerNormalization|GaussianNoise"
)


def applications() -> list[str]:
    """Names of the networks of `keras.applications` that a config may ask for."""
    return list(load_schema()["$defs"]["application"]["properties"]["application"]["enum"])


def model_part(word: str) -> dict[str, Any]:
    """The `models:` entry that a word stands for: a file of a model, a folder of a preset, an application's name, or a preset's.

    Raises:
        UserError: it looks like a file and there is none, or it is a folder without a model.
    """
    path, known = expanded(word), {name.lower(): name for name in applications()}
    if path.is_dir():
        if is_file(path / "config.json"):
            return {"source": "preset", "preset": word}
        stored(path)
        return {"source": "file", "path": word}
    if path.suffix in MODEL_SUFFIXES or path.exists():
        if not path.exists():
            raise UserError(f"the model '{word}' does not exist; check the path")
        size = input_side(path)
        return {"source": "file", "path": word, **({"image_size": size} if size else {})}
    if os.sep in word or word.startswith("."):
        raise UserError(f"the model '{word}' does not exist; check the path")
    if word.lower() in known:
        return {"source": "application", "application": known[word.lower()]}
    # keras-hub's names are lower case with underscores; what is none of them was meant for an application.
    if not re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)+", word):
        raise UserError(
            f"'{word}' is no file, no preset of keras-hub (xception_41_imagenet) and no network of keras.applications; "
            f"{nearest(word, applications())}"
        )
    return {"source": "preset", "preset": word}


def input_side(path: Path) -> int | None:
    """The side of the square pictures that a saved model takes; None where it takes any, or does not say."""
    shape = next(_input_shapes(read_file_config(path)), None)
    sides = [side for side in (shape or [])[1:] if isinstance(side, int) and side > 4]
    return sides[0] if len(sides) == 2 and sides[0] == sides[1] else None


def takes_any_size(path: Path) -> bool:
    """Whether a saved model says that it takes pictures of any size, so that one must be named."""
    shape = next(_input_shapes(read_file_config(path)), None)
    return shape is not None and None in shape[1:3]


def outputs_of(path: Path) -> int | None:
    """How many classes a saved model tells apart; None where that is not plain from its last layer."""
    last = _last_layer(read_file_config(path))
    units = last.get("config", {}).get("units") if last.get("class_name") == "Dense" else None
    return max(units, 2) if isinstance(units, int) else None


def _last_layer(config: Any) -> dict[str, Any]:
    """The layer that a model ends in, activations alone left out; {} where that is not plain."""
    inside = config.get("config") if isinstance(config, dict) else None
    if not isinstance(inside, dict) or not isinstance(inside.get("layers"), list):
        return config if isinstance(config, dict) else {}
    layers = [layer for layer in inside["layers"] if isinstance(layer, dict)]
    if "output_layers" in inside:
        ends = inside["output_layers"]
        ends = ends if ends and isinstance(ends[0], list) else [ends]
        if len(ends) != 1:
            return {}
        layers = [layer for layer in layers if layer.get("name", layer.get("config", {}).get("name")) == ends[0][0]]
        return _last_layer(layers[0]) if len(layers) == 1 else {}
    while layers and layers[-1].get("class_name") in ("Activation", "Softmax", "Dropout"):
        layers.pop()
    return _last_layer(layers[-1]) if layers else {}


def has_relu(path: Path) -> bool:
    """Whether guided gradients can differ from the plain ones in a saved model; true where its file does not say."""
    config = read_file_config(path)
    return config is None or any(_is_relu(value) for value in _values(config))


def has_maps(path: Path) -> bool:
    """Whether a saved model may have feature maps; false where it says that it is made of layers on rows of numbers alone."""
    config = read_file_config(path)
    kinds = {str(value.get("class_name")) for value in _values(config) if isinstance(value, dict) and _is_layer(value)}
    return not kinds or not all(map(_ON_ROWS.fullmatch, kinds))


def _is_layer(value: dict[str, Any]) -> bool:
    """Whether a mapping of a config is a layer or a network, and not a type of numbers, an initializer or the like."""
    return (
        "class_name" in value
        and isinstance(value.get("config"), dict | list)
        and "DType" not in value["class_name"]
        and ("name" in value["config"] or "layers" in value["config"])
    )


def _is_relu(value: Any) -> bool:
    if isinstance(value, dict):
        own = value.get("config")
        slope = own.get("negative_slope") if isinstance(own, dict) else None
        return value.get("class_name") == "ReLU" and not slope
    return value in ("relu", "relu6")


def _values(config: Any) -> Iterator[Any]:
    """Every mapping in a config, and every value of a key `activation`."""
    if isinstance(config, dict):
        yield config
        if "activation" in config:
            yield config["activation"]
        for value in config.values():
            yield from _values(value)
    elif isinstance(config, list):
        for value in config:
            yield from _values(value)


def expanded(word: str) -> Path:
    """A path, with the user's home for ~; a name that only begins so stays as it is."""
    try:
        return Path(word).expanduser()
    except RuntimeError:
        return Path(word)


def image_sets(words: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The `image_sets:` that files and folders make: one of all files, and one for each folder.

    Raises:
        UserError: something is not there, or is no picture by its name.
    """
    sets: dict[str, dict[str, Any]] = {}
    files = []
    for given in words:
        path = expanded(given)
        word = f"./{given}" if given.startswith("~") and path == Path(given) else given
        if path.is_dir():
            sets[_free(name_from(path.resolve().name), sets)] = {"folder": word}
        elif not path.exists():
            raise UserError(f"the picture '{word}' does not exist; check the path")
        elif not is_picture_file(path):
            raise UserError(f"'{word}' is no picture, by its name or by its content, nor a folder of pictures")
        else:
            files.append(word)
    return {**({_free("pictures", sets): {"files": files}} if files else {}), **sets}


def dataset_part(folder: str, to_train: bool = False) -> tuple[dict[str, Any], list[str], list[str]]:
    """The `datasets:` entry of a folder of class folders, or of splits of them; its classes and its splits.

    Args:
        folder: as the user wrote it.
        to_train: whether a network is to be trained on it: then there is a split `train` and a split `validation`, those of
            the folder, or shares of each class.

    Raises:
        UserError: it is no folder, holds no class folders, or too little to train with.
    """
    root = expanded(folder)
    if not root.is_dir():
        raise UserError(f"the folder '{folder}' does not exist; check the path")
    part: dict[str, Any] = {"source": "path", "path": folder}
    classes = classes_on_disk(part)
    if not classes:
        raise UserError(f"'{folder}' has no class folders; expected one folder of pictures for each class")
    splits = list(split_folders(part))
    if splits != ["all"]:
        known = {
            name: next((split for split in splits if split.lower() in called), "") for name, called in _SPLITS.items()
        }
        missing = [name for name in ("train", "validation") if not known[name]]
        if to_train and missing:
            raise UserError(
                f"'{folder}' has no split '{missing[0]}' (it has {', '.join(splits)}), which training needs"
            )
        if any(name != split for name, split in known.items() if split):
            others = {split: split for split in splits if split not in known.values()}
            part["splits"] = {**{name: split for name, split in known.items() if split}, **others}
            splits = list(part["splits"])
    elif to_train:
        # Some may turn out to be unreadable.
        found = [[path for place in folders_called(root, name) for path in picture_files(place)] for name in classes]
        fewest = min(int(0.9 * len(files)) for files in found)
        if fewest < _FEWEST:
            raise UserError(
                f"a class of '{folder}' has too few pictures; training needs at least {_FEWEST + 2} of each"
            )
        part["images_per_class"] = {"train": fewest - 2 * (fewest // 5), "validation": fewest // 5, "test": fewest // 5}
        splits = list(part["images_per_class"])
    return part, classes, splits


def name_from(text: str) -> str:
    """A name for a part of a study: letters, digits, - and _."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_-")[:40] or "mine"
    # What YAML takes for a number or for yes and no is no name.
    return name if name[0].isalpha() and isinstance(yaml.safe_load(name), str) else f"my_{name}"


def _free(name: str, taken: dict[str, Any]) -> str:
    number = 2
    candidate = name
    while candidate.lower() in map(str.lower, taken):
        candidate, number = f"{name}_{number}", number + 1
    return candidate


def _layers(config: Any) -> Iterator[dict[str, Any]]:
    """The configs of all layers in the config of a model, in the order in which they are written."""
    if isinstance(config, dict):
        if isinstance(config.get("config"), dict) and "class_name" in config and "layers" not in config["config"]:
            yield config["config"]
        for key, value in config.items():
            if key not in ("inbound_nodes", "build_config", "compile_config"):
                yield from _layers(value)
    elif isinstance(config, list):
        for value in config:
            yield from _layers(value)


def _input_shapes(config: Any) -> Iterator[Sequence[Any]]:
    for layer in _layers(config):
        shape = layer.get("batch_shape") or layer.get("batch_input_shape")
        if isinstance(shape, list | tuple) and len(shape) == 4:
            yield shape
