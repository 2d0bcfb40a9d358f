"""Networks of keras.applications, with their ImageNet weights or with those of a file."""

import hashlib
import importlib
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import tree

import convscope.models.keras_settings  # noqa: F401 (before anything is built)
from convscope.errors import UserError, nearest
from convscope.models.preprocessing import TORCH_DEVIATION, preprocessing
from convscope.models.saved import check_sum, load_weights
from convscope.models.stored import Stored
from convscope.models.weights_only import match, shapes_in

# How each family of keras.applications wants its pixels; the others rescale inside the network.
APPLICATION_MODES = {
    "ResNet50": "caffe",
    "ResNet101": "caffe",
    "ResNet152": "caffe",
    "VGG16": "caffe",
    "VGG19": "caffe",
    "DenseNet121": "torch",
    "DenseNet169": "torch",
    "DenseNet201": "torch",
    "ResNet50V2": "tf",
    "ResNet101V2": "tf",
    "ResNet152V2": "tf",
    "Xception": "tf",
    "InceptionV3": "tf",
    "InceptionResNetV2": "tf",
    "MobileNet": "tf",
    "MobileNetV2": "tf",
    "NASNetLarge": "tf",
    "NASNetMobile": "tf",
}
# What the MobileNetV3s were trained at, which take any size; the others say it.
_SIDE = 224


def import_application(settings: Mapping[str, Any]) -> tuple[keras.Model, dict[str, Any]]:
    name = str(settings["application"])
    builders = {key: value for key, value in vars(keras.applications).items() if key[0].isupper() and callable(value)}
    if name not in builders:
        raise UserError(f"application '{name}' does not exist in keras.applications; {nearest(name, builders)}")
    weights = str(Path(settings["weights"]))
    by_name = weights == "imagenet"
    classes, end = len(settings.get("classes") or ()) or 1000, _END.get(str(settings.get("head")), "softmax")
    if not by_name:
        check_sum(Path(weights), settings.get("sha256"), "weights")
        classes = _classes_of(name, Path(weights), settings)
    elif classes != 1000:
        raise UserError(f"application {name}: the ImageNet weights have 1000 classes, the config names {classes}")
    try:
        if by_name:
            network = builders[name](weights="imagenet")
        else:
            network = builders[name](weights=None, classes=classes, classifier_activation=end)
            load_weights(network, Path(weights))
            _as_its_weights_were(network, name, Path(weights))
    except UserError:
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        if not by_name:
            raise UserError(
                f"application {name}: '{weights}' does not fit the network: {_fits(Path(weights)) or reason}"
            ) from None
        if "URL fetch failure" not in reason:
            raise UserError(
                f"application {name}: what was downloaded to '{_downloads()}' is not its weights ({reason}); delete the file there "
                "and try again"
            ) from None
        raise UserError(
            f"application {name}: its weights cannot be downloaded ({reason}); on a machine without network "
            "download the file of that address by hand and set 'weights' to it"
        ) from None
    _, height, width, _ = network.inputs[0].shape
    size = (height or _SIDE, width or _SIDE)
    facts = {"source": f"keras.applications.{name}, weights {Path(weights).name}", "input_size": size}
    return network, facts | preprocessing(APPLICATION_MODES.get(name, "none"))


def _downloads() -> Path:
    """The folder that Keras downloads weights to (`keras.utils.get_file`)."""
    home = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    return (home if os.access(home, os.W_OK) else Path("/tmp/.keras")) / "models"  # noqa: S108 (Keras's own)


# What an application's last layer ends in, which no file of weights says, by the head that the config asks for.
_END = {"sigmoid": "sigmoid", "multilabel": "sigmoid", "regression": "linear"}


def _classes_of(name: str, weights: Path, settings: Mapping[str, Any]) -> int:
    """How many classes a network that a weights file fits has; what the config says where the file fits none.

    Raises:
        UserError: the config names another number of them, or they need a head that a file of weights does not tell.
    """
    if weights.is_dir():
        raise UserError(f"application {name}: weights is a folder, '{weights}'; name a file of weights in it")
    given = len(settings.get("classes") or ())
    names, found = match(_shapes(weights))
    if name not in names or found is None:
        return given or 1000
    single = found == 1 and settings.get("head") in _END
    if given not in (0, found) and not (single and given == 2):
        raise UserError(
            f"application {name}: '{weights}' is of a network with {found} outputs, but the config names {given} classes; name {found}"
            + ("; or two, with head: sigmoid, where the one output is a sigmoid" if found == 1 else "")
        )
    if found == 1 and not single:
        raise UserError(
            f"application {name}: '{weights}' is of a network with one output, and weights do not tell what it is: set head: sigmoid, "
            "with the names of two classes, or head: regression"
        )
    return found


def _opened(weights: Path) -> Any:
    """A weights file, or that of a `.keras` archive, as HDF5: its layout alone."""
    return Stored(weights, "keras" if zipfile.is_zipfile(weights) else "hdf5", None).hdf5(attributes_alone=True)


def _shapes(weights: Path) -> list[tuple[int, ...]]:
    with _opened(weights) as file:
        return shapes_in(file)


def _fits(weights: Path) -> str:
    """Of which networks a weights file is; empty where nobody knows."""
    names, classes = match(_shapes(weights))
    if not names:
        return ""
    which = " or ".join(names)
    if classes is None:
        return (
            f"it is of {which} without its classifier (include_top=False); save the whole classifier that it belongs to with "
            "model.save('model.keras'), and name that under source: file"
        )
    return f"it is of {which} with {classes} classes"


def _as_its_weights_were(network: keras.Model, name: str, weights: Path) -> None:
    """Give a network what the one that a weights file was saved from did to its pictures and has no weights for.

    keras.applications adds a second rescaling to an EfficientNet of `weights="imagenet"` alone: its `Normalization` keeps standard
    deviations for variances, and what is divided by their roots has to be divided once more.

    Raises:
        UserError: the file's network was built without the preprocessing inside (`include_preprocessing=False`).
    """
    saved, layout = _preprocessing_layers(weights)
    if re.fullmatch("EfficientNetB[0-7]", name):
        if _is_kerass(name, weights) or len([kind for kind in saved if kind == "rescaling"]) > 1:
            normalisation = next(layer for layer in network.layers if isinstance(layer, keras.layers.Normalization))
            normalisation.adapt_variance.assign(normalisation.adapt_variance * np.array(TORCH_DEVIATION, np.float32))
            normalisation.finalize_state()
        return
    own = sorted(layer.__class__.__name__.lower() for layer in network._flatten_layers())
    expected = [kind for kind in own if kind in _PREPROCESSING]
    if layout == "Keras 3" and len(saved) < len(expected):  # what Keras itself offers is all of the older layout
        raise UserError(
            f"application {name}: '{weights}' is of a network built with include_preprocessing=False, whose pixels somebody else "
            "prepares; save it whole with model.save('model.keras') and name it under source: file with its preprocessing"
        )


_PREPROCESSING = ("normalization", "rescaling")


def _preprocessing_layers(weights: Path) -> tuple[list[str], str]:
    """The kinds of preprocessing layers that a weights file lists, with weights or without, and the layout that it has.

    Keras 3 writes a group a layer, called by its class, for `.weights.h5` files and `.keras` archives; older files list names.
    """
    with _opened(weights) as file:
        layout = "Keras 3" if "layers" in file else "older"
        names: list[str] = []
        if layout == "Keras 3":
            file.visit(lambda path: names.append(path.rpartition("/")[2]))
        else:
            listed = file.attrs.get("layer_names", ())
            names = [name.decode() if isinstance(name, bytes) else str(name) for name in listed]
    found = (re.fullmatch(rf"({'|'.join(_PREPROCESSING)})(_\d+)?", name) for name in names)
    return sorted(match[1] for match in found if match), layout


def _is_kerass(name: str, weights: Path) -> bool:
    """Whether a file is one of those that keras.applications downloads for this network."""
    module = getattr(keras.applications, name).__module__
    hashes = getattr(importlib.import_module(module), "WEIGHTS_HASHES", {})
    known = {
        str(value) for part in (hashes.values() if isinstance(hashes, dict) else ()) for value in tree.flatten(part)
    }
    content = weights.read_bytes()
    return bool({hashlib.md5(content, usedforsecurity=False).hexdigest(), hashlib.sha256(content).hexdigest()} & known)
