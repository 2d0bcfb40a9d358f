"""Networks of keras.applications: at the size they are made for, with the pixels they are made for."""

import hashlib
import inspect
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

from convscope.config import load_schema
from convscope.errors import UserError
from convscope.models import load
from tests.completed import model as model_part

# By each network's page in Keras's documentation: what its ImageNet weights were trained at.
SIZES = {
    **{f"EfficientNetB{number}": side for number, side in enumerate((224, 240, 260, 300, 380, 456, 528, 600))},
    **{f"EfficientNetV2B{number}": side for number, side in enumerate((224, 240, 260, 300))},
    **{"EfficientNetV2S": 384, "EfficientNetV2M": 480, "EfficientNetV2L": 480},
    **{"InceptionV3": 299, "InceptionResNetV2": 299, "Xception": 299, "NASNetLarge": 331},
}


class Stop(Exception):
    pass


@pytest.mark.parametrize("name", load_schema()["$defs"]["application"]["properties"]["application"]["enum"])
def test_an_application_runs_at_its_own_size(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to the first layer that the network builds: building forty networks takes minutes."""
    seen: list[tuple[int, ...]] = []
    build = keras.layers.Input

    def first(*args, **kwargs):
        seen.append(tuple(kwargs.get("shape") or args[0]))
        raise Stop

    module = sys.modules[inspect.getmodule(getattr(keras.applications, name)).__name__]
    module = module if hasattr(module, "layers") else module.resnet
    monkeypatch.setattr(module.layers, "Input", first)
    with pytest.raises(Stop):
        getattr(keras.applications, name)(weights=None)
    monkeypatch.setattr(module.layers, "Input", build)
    side = SIZES.get(name, 224)
    anywhere = name.startswith("MobileNetV3")  # the file below says what becomes of it
    assert seen == [(None, None, 3) if anywhere else (side, side, 3)]
    assert "image_size" not in model_part("application", application=name), "no default that would win over it"


def test_the_default_size_is_the_networks_and_the_configs_wins(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    original = keras.applications.Xception(weights=None, classes=2)
    original.save_weights(tmp_path / "two.weights.h5")
    settings = model_part(
        "application", application="Xception", weights=str(tmp_path / "two.weights.h5"), classes=["a", "b"]
    )
    network, spec = load.import_model("x", settings)
    assert spec.input_size == (299, 299)
    assert load.import_model("x", settings | {"image_size": [96, 128]})[1].input_size == (96, 128)
    x = np.random.default_rng(0).uniform(-1, 1, (1, 299, 299, 3)).astype("float32")
    np.testing.assert_allclose(keras.ops.softmax(network(x)), original(x, training=False), atol=1e-5)


def as_downloaded(folder: Path) -> Path:
    """A file like the one that Keras downloads: statistics of ImageNet, deviations in place of variances, random weights."""
    keras.utils.set_random_seed(2)
    network = keras.applications.EfficientNetB0(weights=None)
    rng = np.random.default_rng(3)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
        if isinstance(layer, keras.layers.Normalization):
            layer.set_weights(list(map(np.array, ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225], 0))))
    path = folder / "efficientnetb0.h5"
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, network)
    return path


@pytest.mark.long
def test_an_efficientnet_of_a_file_is_the_one_that_keras_downloads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["keras.src.applications.efficientnet"]
    path = as_downloaded(tmp_path)
    monkeypatch.setattr(module.file_utils, "get_file", lambda *args, **kwargs: str(path))
    downloaded = keras.applications.EfficientNetB0(weights="imagenet")
    bare = keras.applications.EfficientNetB0(weights=None)
    bare.load_weights(path)
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 224, 224, 3)).astype("float32")
    expected, without = (
        keras.Model(network.inputs[0], network.get_layer("stem_conv").output)(pixels).numpy()
        for network in (downloaded, bare)
    )
    assert np.abs(expected - without).max() > 0.3 * np.abs(expected).max(), "the rescaling matters"

    def features(file: Path) -> np.ndarray:
        settings = model_part("application", application="EfficientNetB0", weights=str(file))
        network, spec = load.import_model("x", settings)
        found = keras.Model(network.inputs[0], network.get_layer("stem_conv").output)
        return found(spec.preprocess(pixels)).numpy()

    # What Keras downloads lists one rescaling: it was saved before the second was added. It is known by its checksum.
    np.testing.assert_allclose(features(path), without, rtol=1e-3, atol=1e-5)
    sums = {"b0": (hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest(), "")}
    monkeypatch.setattr(module, "WEIGHTS_HASHES", sums)
    np.testing.assert_allclose(features(path), expected, rtol=1e-3, atol=1e-5)
    # Fine-tuned from there and saved again, in either layout, a file lists both.
    downloaded.save_weights(tmp_path / "tuned.weights.h5")
    np.testing.assert_allclose(features(tmp_path / "tuned.weights.h5"), expected, rtol=1e-3, atol=1e-5)
    with h5py.File(tmp_path / "tuned.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, downloaded)
    np.testing.assert_allclose(features(tmp_path / "tuned.h5"), expected, rtol=1e-3, atol=1e-5)


def test_weights_of_a_network_without_its_preprocessing_are_refused(tmp_path: Path) -> None:
    for inside in (True, False):
        network = keras.applications.MobileNetV3Small(weights=None, classes=3, include_preprocessing=inside)
        network.save_weights(tmp_path / f"{inside}.weights.h5")
    settings = model_part("application", application="MobileNetV3Small")
    _, spec = load.import_model(
        "x", settings | {"weights": str(tmp_path / "True.weights.h5"), "classes": ["a", "b", "c"]}
    )
    assert spec.input_size == (224, 224)
    with pytest.raises(UserError, match=r"include_preprocessing=False.*source: file with its preprocessing") as caught:
        load.import_model("x", settings | {"weights": str(tmp_path / "False.weights.h5"), "classes": ["a", "b", "c"]})
    assert "\n" not in str(caught.value)
