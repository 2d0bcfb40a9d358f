"""What a config may name: parts of networks, nothing that reads, downloads, writes or runs, and no more than fits."""

import contextlib
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
from convscope.models.load import import_model
from convscope.models.places import check_model_file, check_preset_folder
from convscope.models.presets import load_preset
from convscope.models.room import weights_that_fit
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
    # One packed part that many members of the directory point at.
    path = written(tmp_path, members, **{"assets/0": bytes(5_000_000)})
    content = path.read_bytes()
    end = content.rindex(b"PK\5\6")
    start = int.from_bytes(content[end + 16 : end + 20], "little")
    last = content[content.rindex(b"PK\1\2") : end]
    entries = content[start:end] + b"".join(last.replace(b"assets/0", b"assets/%c" % name) for name in range(65, 91))
    count = (len(members) + 27).to_bytes(2, "little") * 2
    size = len(entries).to_bytes(4, "little")
    path.write_bytes(content[:start] + entries + content[end : end + 8] + count + size + content[end + 16 :])
    with pytest.raises(UserError, match=r"all its members together would be 13\d{7} bytes"):
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


def with_sizes(members: dict[str, bytes], kind: str, **sizes: Any) -> bytes:
    """The config with other settings of its layers of a kind."""
    config = json.loads(members["config.json"])
    for entry in config["config"]["layers"]:
        if entry["class_name"] == kind:
            entry["config"].update(sizes)
    return json.dumps(config).encode()


def test_a_layer_is_not_larger_than_its_file_can_hold(members: dict[str, bytes], tmp_path: Path) -> None:
    """Twenty bytes of a config that ask for four gigabytes, or for more than there are in the world."""
    for kind, sizes, said in (
        ("Dense", {"units": 500_000_000}, "1e+09 weights (1e+09 of layer 'dense"),
        ("Dense", {"units": 10**18}, "2e+18 weights"),
        ("Conv2D", {"filters": 10**9}, "2.7e+10 of layer 'conv2d"),
    ):
        path = written(tmp_path, members, **{"config.json": with_sizes(members, kind, **sizes)})
        with pytest.raises(UserError) as caught:
            load_file(path)
        assert said in str(caught.value) and "more than a file of its size can hold" in str(caught.value)
    assert load_file(written(tmp_path, members)).count_params() == 62


def test_a_layer_that_keras_gave_up_building_counts_too(tmp_path: Path) -> None:
    """Some it only tries to build, and goes on without: what is built later would have the room of all."""
    (tmp_path / "m.h5").write_bytes(b"small")

    def build() -> None:
        with weights_that_fit(tmp_path / "m.h5"), contextlib.suppress(Exception):
            keras.layers.Dense(10**6).build((None, 10**6))

    with pytest.raises(UserError, match=r"m\.h5' would need 1e\+12 weights"):
        build()


@pytest.mark.parametrize(
    ("kind", "sizes"), [("UpSampling2D", {"size": [10**5, 10**5]}), ("ZeroPadding2D", {"padding": 10**9})]
)
def test_no_layer_answers_with_more_than_fits(
    kind: str, sizes: dict[str, Any], members: dict[str, bytes], tmp_path: Path
) -> None:
    path = written(tmp_path, members, layer(kind, sizes))
    with pytest.raises(UserError, match=r"models.m: layer '\w+' answers to one picture with \d+x\d+x2 numbers"):
        import_model("m", {"source": "file", "path": str(path)})


def test_of_two_configs_in_a_zip_the_one_that_is_checked_is_read(members: dict[str, bytes], tmp_path: Path) -> None:
    path = written(tmp_path, members, layer("Lambda", {"function": {"class_name": "__lambda__", "config": {}}}))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("config.json", members["config.json"])
    assert [type(inner).__name__ for inner in load_file(path).layers] == ["Conv2D", "GlobalAveragePooling2D", "Dense"]


def test_nothing_of_a_zip_lands_beside_it(members: dict[str, bytes], tmp_path: Path) -> None:
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    path = written(place, members, **{"../../evil": b"x", "assets/../../evil": b"x", "/evil": b"x"})
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("assets/link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    load_file(path)
    assert [found.name for found in tmp_path.rglob("*") if found.is_file()] == ["m.keras"]


def spoilt(what: str, group: Any, other: Path) -> None:
    """Put something else in the place of a kernel."""
    if what == "external":
        group["0"] = h5py.ExternalLink(str(other), "kernel")
    elif what == "virtual":
        layout = h5py.VirtualLayout((3, 3, 3, 2), "float32")
        layout[:] = h5py.VirtualSource(str(other), "kernel", (3, 3, 3, 2))
        group.create_virtual_dataset("0", layout)
    elif what == "huge":
        group.create_dataset("0", (10**6, 10**6, 3, 2), "float32", chunks=(100, 100, 3, 2))
    elif what == "circle":
        group["0"] = h5py.SoftLink(f"{group.name}/0")
    else:
        group.create_dataset("0", data=["a", "b"], dtype=h5py.string_dtype())


@pytest.mark.parametrize("what", ["external", "virtual", "huge", "circle", "text"])
def test_weights_in_a_zip_are_numbers_of_that_file_alone(what: str, members: dict[str, bytes], tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["kernel"] = np.ones((3, 3, 3, 2), "float32")
    (tmp_path / "weights.h5").write_bytes(members["model.weights.h5"])
    with h5py.File(tmp_path / "weights.h5", "r+") as file:
        group = file["layers/conv2d/vars"]
        del group["0"]
        spoilt(what, group, tmp_path / "other.h5")
    path = written(tmp_path, members, **{"model.weights.h5": (tmp_path / "weights.h5").read_bytes()})
    with pytest.raises(UserError, match=r"m\.keras") as caught:
        load_file(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("inner", "said"),
    [
        ({"module": "os", "class_name": "system", "config": {}}, "module 'os'"),
        ({"module": "keras.utils", "class_name": "function", "config": "get_file"}, "keras.utils.get_file"),
        ({"module": "keras.layers", "class_name": "Lambda", "config": {}}, "holds code"),
    ],
)
def test_a_preset_brings_no_more_than_a_file(inner: dict[str, Any], said: str, tmp_path: Path) -> None:
    backbone = "keras_hub.src.models.xception.xception_backbone"
    whole = {"module": backbone, "class_name": "XceptionBackbone", "config": {"a": [inner]}, "registered_name": None}
    (tmp_path / "model.weights.h5").write_bytes(b"")
    (tmp_path / "config.json").write_text(json.dumps({**whole, "config": {}}))
    for name in ("config.json", "task.json", "image_converter.json"):
        (tmp_path / name).write_text(json.dumps(whole))
        for look in (lambda: check_preset_folder("models.m.preset", tmp_path), lambda: load_preset(tmp_path)):
            with pytest.raises(UserError, match=said):
                look()
        (tmp_path / name).write_text(json.dumps({**whole, "config": {}}))
    # What nests too deeply to be looked at is not loaded unseen, which keras-hub would do; what is damaged ends in a line.
    deep = json.dumps({**whole, "config": {}, "more": 0}).replace("0}", "[" * 400 + "]" * 400 + "}")
    for name in ("config.json", "task.json"):
        before = (tmp_path / name).read_text()
        for text in (deep, "[" * 100_000, "{", "[]"):
            (tmp_path / name).write_text(text)
            for look in (lambda: check_preset_folder("models.m.preset", tmp_path), lambda: load_preset(tmp_path)):
                with pytest.raises(UserError, match="is no JSON"):
                    look()
        (tmp_path / name).write_text(before)


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
