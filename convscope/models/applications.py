"""Networks of keras.applications, with their ImageNet weights or with those of a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

import convscope.models.keras_settings  # noqa: F401 (before anything is built)
from convscope.errors import UserError, nearest
from convscope.models.preprocessing import preprocessing
from convscope.models.saved import check_sum

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


def import_application(settings: Mapping[str, Any]) -> tuple[keras.Model, dict[str, Any]]:
    name = str(settings["application"])
    builders = {key: value for key, value in vars(keras.applications).items() if key[0].isupper() and callable(value)}
    if name not in builders:
        raise UserError(f"application '{name}' does not exist in keras.applications; {nearest(name, builders)}")
    weights = str(Path(settings["weights"]).expanduser())
    by_name = weights == "imagenet"
    classes = len(settings.get("classes") or ()) or 1000
    if not by_name:
        check_sum(Path(weights), settings.get("sha256"), "weights")
    elif classes != 1000:
        raise UserError(f"application {name}: the ImageNet weights have 1000 classes, the config names {classes}")
    try:
        if by_name:
            network = builders[name](weights="imagenet")
        else:
            network = builders[name](weights=None, classes=classes)
            network.load_weights(weights)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        if not by_name:
            raise UserError(f"application {name}: '{weights}' does not fit the network: {reason}") from None
        raise UserError(
            f"application {name}: its weights cannot be downloaded ({reason}); on a machine without network "
            "download the file of that address by hand and set 'weights' to it"
        ) from None
    _, height, width, _ = network.inputs[0].shape
    facts = {"source": f"keras.applications.{name}, weights {Path(weights).name}", "input_size": (height, width)}
    return network, facts | preprocessing(APPLICATION_MODES.get(name, "none"))
