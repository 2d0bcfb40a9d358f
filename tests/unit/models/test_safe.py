"""What a config may name: parts of networks, nothing that reads, downloads, writes or runs, and no more than fits."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tf_keras

from convscope.errors import UserError
from convscope.models.heads import trained_with
from convscope.models.places import check_model_file
from convscope.models.saved import load_file

L = keras.layers


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The parts of a `.keras` file of a small classifier."""
    path = tmp_path_factory.mktemp("made") / "m.keras"
    keras.Sequential(
        [keras.Input((8, 8, 3)), L.Conv2D(2, 3), L.GlobalAveragePooling2D(), L.Dense(2, activation="softmax")]
    ).save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(folder: Path, members: dict[str, bytes], entry: Any = None, **other: bytes) -> Path:
    """The file, with one more layer in its config, and other parts."""
    config = json.loads(members["config.json"])
    if entry is not None:
        config["config"]["layers"].insert(2, entry)
    path = folder / "m.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**members, "config.json": json.dumps(config).encode(), **other}.items():
            archive.writestr(name, content)
    return path


def layer(name: str, config: dict[str, Any], module: Any = "keras.layers") -> dict[str, Any]:
    return {"module": module, "class_name": name, "config": config, "registered_name": None}


def function(module: str, name: str) -> dict[str, Any]:
    return layer(
        "Activation",
        {"activation": {"module": module, "class_name": "function", "config": name, "registered_name": name}},
    )


def dangerous() -> Iterator[tuple[dict[str, Any], str]]:
    yield layer("TFSMLayer", {"filepath": "there", "call_endpoint": "serve"}), "TFSMLayer"
    yield layer("TFSMLayer", {"filepath": "there"}, "keras.src.export.tfsm_layer"), "TFSMLayer"
    yield layer("TorchModuleWrapper", {"module": "AAAA"}), "TorchModuleWrapper"
    yield layer("BytePairTokenizer", {"vocabulary": "there"}, "keras_hub.tokenizers"), "BytePairTokenizer"
    yield layer("KerasFileEditor", {"filepath": "there"}, "keras.saving"), "KerasFileEditor"
    yield layer("system", {"command": "true"}, "os"), "module 'os'"
    yield layer("X", {}, ["os"]), "module"
    yield function("keras.utils", "plot_model"), "keras.utils.plot_model"
    yield function("keras", "utils.plot_model"), "keras.utils.plot_model"
    yield function("keras.datasets.mnist", "load_data"), "keras.datasets.mnist.load_data"
    yield function("keras.applications.vgg16", "VGG16"), "keras.applications.vgg16.VGG16"


@pytest.mark.parametrize(
    ("entry", "named"), list(dangerous()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_is_no_part_of_a_network_is_refused_before_anything_is_loaded(
    entry: dict[str, Any], named: str, members: dict[str, bytes], tmp_path: Path
) -> None:
    path = written(tmp_path, members, entry)
    for look in (lambda: check_model_file("models.m", str(path)), lambda: load_file(path)):
        with pytest.raises(UserError, match=named):
            look()


def test_functions_of_networks_are_taken(members: dict[str, bytes], tmp_path: Path) -> None:
    for module, name in (("builtins", "relu"), ("keras.activations", "relu"), ("keras.ops", "relu")):
        network = load_file(written(tmp_path, members, function(module, name)))
        assert network.layers[1].activation.__name__ == "relu"


def test_no_member_of_a_zip_becomes_too_large(members: dict[str, bytes], tmp_path: Path) -> None:
    path = written(tmp_path, members, **{"model.weights.h5": members["model.weights.h5"] + bytes(50_000_000)})
    with pytest.raises(UserError, match=r"'model.weights.h5' would be \d+ bytes"):
        check_model_file("models.m", str(path))


def test_a_config_nested_without_end_is_one_line(members: dict[str, bytes], tmp_path: Path) -> None:
    for depth in (400, 200_000):
        nested = b'{"module": "keras", "class_name": "Functional", "config": {"layers": ' + b"[" * depth + b"]" * depth
        path = written(tmp_path, members, **{"config.json": nested + b"}}"})
        with pytest.raises(UserError, match=r"its config.json is damaged"):
            check_model_file("models.m", str(path))
        assert trained_with(path) == ""
        with h5py.File(tmp_path / "m.h5", "w", track_order=True) as file:
            file.attrs.create("model_config", np.bytes_(nested[:60_000]))
        with pytest.raises(UserError, match="its config is damaged"):
            check_model_file("models.m", str(tmp_path / "m.h5"))


class TheirLoss(keras.losses.Loss):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return y_true - y_pred


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_loss_of_somebodys_own_stands_in_nobodys_way(tmp_path: Path, suffix: str) -> None:
    inner = keras.Sequential([keras.Input((8, 8, 3)), L.Flatten(), L.Dense(2, activation="softmax")])
    whole = keras.Sequential([keras.Input((8, 8, 3)), inner])
    for network in (inner, whole):
        network.compile(loss=TheirLoss())
    whole.save(tmp_path / f"m{suffix}")
    check_model_file("models.m", str(tmp_path / f"m{suffix}"))
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(load_file(tmp_path / f"m{suffix}")(x), whole(x), atol=1e-6)


def test_no_layer_of_keras_2_reads_a_file_that_its_config_names(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("a\nb\n", encoding="utf-8")
    model = tf_keras.Sequential([tf_keras.layers.Input((8, 8, 3)), tf_keras.layers.Flatten(name="f")])
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        lookup = {"name": "f", "vocabulary": str(tmp_path / "secret.txt")}
        config["config"]["layers"][1] = {"class_name": "StringLookup", "config": lookup}
        file.attrs["model_config"] = json.dumps(config)
    with pytest.raises(UserError, match="vocabulary file outside of the model"):
        load_file(tmp_path / "m.h5")
