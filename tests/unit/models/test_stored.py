"""What lies at a path is told by its content: networks under any name, and one line for everything else."""

import io
import json
import pickle
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from convscope.command.look import model_part
from convscope.errors import UserError
from convscope.models import hdf5 as module
from convscope.models import load
from convscope.models.names import layers_of
from convscope.models.places import check_model_file
from convscope.models.saved import load_file
from convscope.models.saved_model_config import config_of_saved_model
from convscope.models.settings import model_settings
from convscope.models.stored import labels_in, stored
from convscope.notebook.models import canonical

L = keras.layers


def small(units: int = 2) -> Any:
    return keras.Sequential(
        [keras.Input((16, 16, 3)), L.Conv2D(3, 3), L.GlobalAveragePooling2D(), L.Dense(units, activation="softmax")]
    )


def settings(**given: Any) -> dict[str, Any]:
    """What a job is given of a model's part of the config."""
    return model_settings({"source": "file", **given}, lambda file: "none")


def pictures() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (2, 16, 16, 3)).astype("float32")


def told(path: Path) -> str:
    """What the check at the start says of a path, in one line; loading says the same."""
    with pytest.raises(UserError) as caught:
        check_model_file("models.m", str(path))
    with pytest.raises(UserError) as later:
        load_file(path)
    assert str(caught.value) == f"models.m.path: {later.value}" and "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.hdf5", "m", "m.bin"])
def test_content_counts_and_not_the_suffix(tmp_path: Path, suffix: str, name: str) -> None:
    model = small()
    model.save(tmp_path / f"first{suffix}")
    path = (tmp_path / f"first{suffix}").rename(tmp_path / name)
    check_model_file("models.m", str(path))
    np.testing.assert_allclose(load_file(path)(pictures()), model(pictures()), atol=1e-6)
    assert [layer.filters for layer in layers_of({"source": "file", "path": str(path)}) or []] == [3]


def teachable_machine(folder: Path, labels: str = "0 Cat\n1 Big Dog\n") -> tuple[Path, Any]:
    """What it hands out: a zip of keras_model.h5 (of Keras 2) and labels.txt."""
    old = tf_keras.layers
    model = tf_keras.Sequential(
        [old.Conv2D(3, 3, input_shape=(16, 16, 3)), old.GlobalAveragePooling2D(), old.Dense(2, activation="softmax")]
    )
    model.save(folder / "keras_model.h5")
    (folder / "labels.txt").write_text(labels)
    with zipfile.ZipFile(folder / "converted_keras.zip", "w") as archive:
        for name in ("keras_model.h5", "labels.txt"):
            archive.write(folder / name, name)
    return folder / "converted_keras.zip", model


def test_teachable_machine_needs_nothing_in_the_config(tmp_path: Path) -> None:
    path, model = teachable_machine(tmp_path)
    pixels = np.random.default_rng(1).integers(0, 256, (3, 16, 16, 3))
    expected = model.predict(pixels / 127.5 - 1, verbose=0)
    for place in (path, tmp_path, tmp_path / "keras_model.h5"):  # the zip, the folder with both, the file in it
        check_model_file("models.m", str(place))
        network, spec = load.import_model("m", settings(path=str(place)))
        assert spec.classes == ("Cat", "Big Dog")
        assert spec.input_size == (16, 16)
        found = spec.probabilities(network(spec.preprocess(pixels)).numpy())
        np.testing.assert_allclose(found, expected, atol=1e-5)
    _, spec = load.import_model("m", settings(path=str(path), classes=["a", "b"], preprocessing="none"))
    assert spec.classes == ("a", "b") and spec.scale == (1.0,) * 3, "what the config says comes first"


def zipped_saved_model(folder: Path, model: Any, top: str) -> Path:
    """A SavedModel of Keras 2 in a zip, with labels.txt beside it and what else a zip may hold."""
    model.save(folder / "saved", save_format="tf")
    with zipfile.ZipFile(folder / "saved.zip", "w") as archive:
        for file in sorted((folder / "saved").rglob("*")):
            if file.is_file():
                archive.write(file, f"{top}{file.relative_to(folder / 'saved').as_posix()}")
        archive.writestr("labels.txt", "0 Cat\n1 Big Dog\n")
        archive.writestr(f"{top}../../outside.txt", "x")
        archive.writestr(f"{top}variables/../../../outside.txt", "x")
    return folder / "saved.zip"


def test_a_zip_of_two_saved_models_or_of_half_a_one_is_told(tmp_path: Path) -> None:
    two = {"a/saved_model.pb": b"", "b/saved_model.pb": b"", "__MACOSX/a/saved_model.pb": b""}
    assert "holds 2 SavedModels; unpack it" in told(members_in(tmp_path / "two.zip", two))
    whole = tf_keras.Sequential([tf_keras.layers.Flatten(input_shape=(8, 8, 3)), tf_keras.layers.Dense(2)])
    whole.save(tmp_path / "m", save_format="tf")
    half = {name: (tmp_path / "m" / name).read_bytes() for name in ("saved_model.pb", "keras_metadata.pb")}
    assert "holds no weights (variables/variables.index)" in told(members_in(tmp_path / "half.zip", half))
    (tmp_path / "m/variables/variables.index").unlink()
    assert "holds no weights (variables/variables.index)" in told(tmp_path / "m")


@pytest.mark.parametrize("text", [b"[" * 200_000, b"{", b"[]", b'{"config": 3}'])
def test_what_a_saved_model_says_of_its_network_may_be_anything(tmp_path: Path, text: bytes) -> None:
    def field(number: int, content: bytes) -> bytes:
        size = len(content)
        return bytes([number << 3 | 2, *(size >> 7 * k & 127 | 128 for k in range(3)), size >> 21]) + content

    node = field(4, b"_tf_keras_network") + field(5, text)
    (tmp_path / "keras_metadata.pb").write_bytes(field(1, node))
    config, version = config_of_saved_model(tmp_path)
    assert version is None and (config is None or config == {"class_name": None, "config": {}})


def members_in(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(("top", "teachable"), [("model.savedmodel/", True), ("", False), ("my/net/", False)])
def test_a_saved_model_in_a_zip_is_read_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, top: str, teachable: bool
) -> None:
    """Teachable Machine's other export; of other people's zips nothing says what their pixels are."""
    _, model = teachable_machine(tmp_path)
    (tmp_path / "a/b/temporary").mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "a/b/temporary"))
    path = zipped_saved_model(tmp_path, model, top)
    check_model_file("models.m", str(path))
    network, spec = load.import_model("m", settings(path=str(path), **({} if teachable else {"preprocessing": "none"})))
    assert spec.classes == ("Cat", "Big Dog") and stored(path).of_teachable_machine is teachable
    pixels = np.random.default_rng(1).integers(0, 256, (3, 16, 16, 3)).astype("float32")
    expected = model.predict(pixels / 127.5 - 1 if teachable else pixels, verbose=0)
    np.testing.assert_allclose(spec.probabilities(network(spec.preprocess(pixels)).numpy()), expected, atol=1e-5)
    assert not list(tmp_path.rglob("outside.txt")) and not list((tmp_path / "a/b/temporary").rglob("*.pb"))
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(tmp_path / "cut.zip", "w") as cut:
        for name in whole.namelist():
            cut.writestr(name, whole.read(name)[: 40 if name.endswith(".index") else None])
    with pytest.raises(UserError, match="its variables cannot be read"):
        load_file(tmp_path / "cut.zip")


def test_a_notebook_takes_it_as_it_is(tmp_path: Path) -> None:
    path, _ = teachable_machine(tmp_path)
    _, spec = canonical(path, {})
    assert spec.classes == ("Cat", "Big Dog") and spec.offset == (-1.0,) * 3


def test_labels_that_do_not_fit_are_told(tmp_path: Path) -> None:
    path, _ = teachable_machine(tmp_path, "0 a\n1 b\n2 c\n")
    with pytest.raises(UserError, match=r"has 3 names, but the network tells 2 .*labels.txt beside the file"):
        load.import_model("m", settings(path=str(path)))


def test_labels() -> None:
    assert labels_in(b"0 Cat\r\n1 Dog 2\r\n\r\n") == ("Cat", "Dog 2")
    assert labels_in("Katze\nVögel\n".encode()) == ("Katze", "Vögel")
    assert labels_in(b"7 up\n3 musketeers\n") == ("7 up", "3 musketeers"), "no numbers of places"
    assert labels_in(b"") == ()
    assert labels_in(b"\xef\xbb\xbf0 Cat\r\n1 Dog\r\n") == ("Cat", "Dog"), "as Windows writes it"
    assert labels_in("0 Cat\n1 V\u00f6gel\n".encode("utf-16")) == ("Cat", "V\u00f6gel")
    assert labels_in(b"0 Cat\n1 \n2 Dog\n") == ("Cat", "1", "Dog"), "a class without a name keeps its number"
    assert labels_in(b"0\n1\n2\n") == ("0", "1", "2")
    assert labels_in("0 a\u2028b\n1 c\n".encode()) == ("a\u2028b", "c"), "a class a line"
    assert labels_in(b"".join(b"%d n%d\n" % (n, n) for n in range(12)))[10:] == ("n10", "n11")


def test_a_network_of_teachable_machine_is_known_by_its_layers(tmp_path: Path) -> None:
    old = tf_keras.layers
    image = tf_keras.Input((16, 16, 3))
    maps = tf_keras.Model(image, old.Conv2D(3, 3)(image), name="model1")
    pool = old.GlobalAveragePooling2D(name="global_average_pooling2d_GlobalAveragePooling2D1")
    ends = [old.Dense(4, name="dense_Dense1"), old.Dense(2, activation="softmax", name="dense_Dense2")]
    model = tf_keras.Sequential([tf_keras.Sequential([maps, pool]), tf_keras.Sequential(ends)])
    model(np.zeros((1, 16, 16, 3), "float32"))
    model.save(tmp_path / "my_rocks.h5")
    _, spec = load.import_model("m", settings(path=str(tmp_path / "my_rocks.h5")))
    assert spec.offset == (-1.0,) * 3 and any("Teachable Machine" in note for note in spec.notes)
    for labels, classes in (("0 rock\n1 paper\n", ("rock", "paper")), ("of\nanother\nmodel\n", ("class_0", "class_1"))):
        (tmp_path / "labels.txt").write_text(labels)
        _, spec = load.import_model("m", settings(path=str(tmp_path / "my_rocks.h5")))
        assert spec.classes == classes


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return path


def test_everything_else_is_told_in_one_line(tmp_path: Path) -> None:
    torch = io.BytesIO()
    pickle.dump({"torch": 1}, torch)
    safetensors = struct.pack("<Q", 20) + b'{"a":{"dtype":"F32"}}'
    files: dict[str, tuple[bytes, str]] = {
        "a.pt": (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "PyTorch file, which runs code when it is opened"),
        "b.pkl": (torch.getvalue(), "which runs code when it is opened, so it is not"),
        "c.onnx": (b"\x08\x07\x12\x07pytorch", "ONNX file, which Keras cannot open"),
        "d.tflite": (b"\x1c\x00\x00\x00TFL3rest", "TensorFlow Lite"),
        "e.safetensors": (safetensors, "weights alone (safetensors)"),
        "f.json": (b'{"class_name": "Sequential"}', "architecture or settings alone (JSON), without weights"),
        "g.h5": (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        "h.h5": (b"<!DOCTYPE html><html>", "a page of the web"),
        "i.tgz": (b"\x1f\x8b\x08\x00", "unpack it"),
        "j.h5": (b"", "is empty"),
        "k.pb": (b"\n\x00", "frozen graph"),
        "l.keras": (b"hello", "is not a .keras or .h5 file"),
        "m.h5": (b"\x89HDF\r\n\x1a\nrest", "cannot be read as HDF5"),
    }
    for name, (content, words) in files.items():
        (tmp_path / name).write_bytes(content)
        assert words in told(tmp_path / name), name
    zips: list[tuple[dict[str, bytes], str]] = [
        (
            {"model_dot_json": b"{}", "weights_dot_bin": b"", "metadata_dot_json": b"{}"},
            "choose Export Model, Tensorflow, Keras",
        ),
        ({"model_unquant_dot_tflite": b"", "labels_dot_txt": b"0 a"}, "TensorFlow Lite"),
        ({"archive__data_dot_pkl": b""}, "PyTorch"),
        ({"model_dot_savedmodel__saved_model_dot_pb": b""}, "does not say what layers it was made of"),
        ({"x_dot_npy": b""}, "arrays of NumPy"),
        ({"inner_dot_h5": b""}, "unpack it and name"),
        ({"readme": b""}, "zip without a Keras model"),
        ({"config_dot_json": b"no json"}, "its config.json is damaged"),
    ]
    for number, (members, words) in enumerate(zips):
        assert words in told(zipped(tmp_path / f"{number}.zip", **members)), members


def test_weights_say_which_network_they_fit(tmp_path: Path) -> None:
    network = keras.applications.MobileNetV2(weights=None, classes=7)
    network.save_weights(tmp_path / "m.weights.h5")
    message = told(tmp_path / "m.weights.h5")
    assert (
        "they fit the application MobileNetV2 with 7 classes: source: application, application: MobileNetV2" in message
    )
    assert "classes: with its 7 names" in message
    bare = keras.applications.MobileNetV2(weights=None, include_top=False)
    bare.save_weights(tmp_path / "bare.weights.h5")
    assert "fit the application MobileNetV2 without its classifier" in told(tmp_path / "bare.weights.h5")
    small().save_weights(tmp_path / "own.weights.h5")
    assert "4 arrays that fit no network of keras.applications" in told(tmp_path / "own.weights.h5")


def test_weights_of_keras_2_fit_too(tmp_path: Path) -> None:
    """Under any name, with the numbers that they had there."""
    old = tf_keras.applications.MobileNet(weights=None, classes=3, input_shape=(224, 224, 3))
    old.save_weights(tmp_path / "w.h5")
    assert "they fit the application MobileNet with 3 classes" in told(tmp_path / "w.h5")
    (tmp_path / "w.h5").rename(tmp_path / "weights")
    settings = {"source": "application", "application": "MobileNet", "weights": str(tmp_path / "weights")}
    network, _ = load.import_model("m", settings | {"classes": ["a", "b", "c"]})
    x = np.random.default_rng(0).uniform(-1, 1, (1, 224, 224, 3)).astype("float32")
    expected = tf_keras.Model(old.input, old.layers[-3].output).predict(x, verbose=0).reshape(1, 3)
    np.testing.assert_allclose(network(x).numpy(), expected, atol=1e-4 * np.abs(expected).max())


def test_the_table_of_shapes_is_that_of_the_networks() -> None:
    from convscope.models.weights_only import match

    for name in ("ResNet50", "VGG16", "EfficientNetV2B0", "MobileNetV3Small"):
        network = getattr(keras.applications, name)(weights=None, classes=5)
        assert match([tuple(weight.shape) for weight in network.weights]) == ([name], 5)


def test_a_saved_model_without_keras_says_what_to_type(tmp_path: Path) -> None:
    module = tf.Module()
    module.double = tf.function(lambda x: 2 * x, input_signature=[tf.TensorSpec((None,), tf.float32)])
    tf.saved_model.save(module, str(tmp_path / "graph"))
    message = told(tmp_path / "graph")
    assert "does not say what layers it was made of, and its graph is not run" in message
    assert "type: model.save('model.keras')" in message


def test_a_saved_model_of_a_users_class_asks_for_its_code(tmp_path: Path) -> None:
    class Mine(tf_keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = tf_keras.layers.Dense(2)

        def call(self, x: Any) -> Any:
            return self.dense(tf.reduce_mean(x, axis=[1, 2]))

    model = Mine()
    model.predict(np.zeros((1, 8, 8, 3)), verbose=0)
    model.save(tmp_path / "mine", save_format="tf")
    assert "is a network of the class Mine, which is not in the file; name the Python file" in told(tmp_path / "mine")


def test_a_file_leads_to_no_other_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as other:
        other["kernel"] = np.ones((3, 3, 3, 3), "float32")
    (tmp_path / "raw").write_bytes(bytes(324))

    def link(group: Any) -> None:
        group["kernel:0"] = h5py.ExternalLink(str(secret), "kernel")

    def outside(group: Any) -> None:
        group.create_dataset("kernel:0", (3, 3, 3, 3), "float32", external=[(str(tmp_path / "raw"), 0, 324)])

    def virtual(group: Any) -> None:
        layout = h5py.VirtualLayout((3, 3, 3, 3), "float32")
        layout[:] = h5py.VirtualSource(str(secret), "kernel", (3, 3, 3, 3))
        group.create_virtual_dataset("kernel:0", layout)

    model = tf_keras.Sequential(
        [tf_keras.layers.Conv2D(3, 3, input_shape=(16, 16, 3)), tf_keras.layers.Flatten(), tf_keras.layers.Dense(2)]
    )
    for version, saved in (("2", model), ("3", small())):
        for number, put in enumerate((link, outside, virtual)):
            path = tmp_path / f"{version}{number}.h5"
            saved.save(path)
            with h5py.File(path, "r+") as stored_file:
                found: list[str] = []
                stored_file.visit(lambda name, found=found: found.append(name) if "kernel" in name else None)
                parent = stored_file[found[0]].parent
                for key in [key for key in parent if "kernel" in key]:
                    del parent[key]
                put(parent)
            assert "from another file, which no file may" in told(path)


def test_a_zip_that_unpacks_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("keras_model.h5", bytes(60_000_000))
        archive.writestr("labels.txt", "0 a\n1 b\n")
    assert "would be 60000000 bytes, more than a network's can be" in told(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", " " * 60_000_000)
    assert "more than a network's can be" in told(path)


@pytest.mark.parametrize("make", [lambda path: path, lambda path: path.rename(path.with_suffix(".bin"))])
def test_code_in_a_file_of_keras_2_is_not_run(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    """A Lambda there is marshalled Python; what takes its place is the user's own class of its name."""
    witness = tmp_path / "ran"
    name = str(witness)
    old = tf_keras.layers
    inputs = tf_keras.Input((8, 8, 3))
    x = old.Lambda(lambda t: (open(name, "w").close(), t * 2)[1], name="doubled")(inputs)  # noqa: PTH123
    tf_keras.Model(inputs, old.Dense(1)(old.Flatten()(x))).save(tmp_path / "evil.h5")
    witness.unlink(missing_ok=True)
    message = told(make(tmp_path / "evil.h5"))
    assert "holds code (Lambda doubled) that would run when loaded" in message
    assert "class doubled(keras.layers.Layer) in a file of your own and name that (code: my_layers.py)" in message
    assert not witness.exists()


def test_a_config_of_keras_2_imports_no_module(tmp_path: Path) -> None:
    model = tf_keras.Sequential([tf_keras.layers.Conv2D(3, 3, input_shape=(8, 8, 3)), tf_keras.layers.Flatten()])
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][1]["config"]["activation"] = {
            "module": "antigravity", "class_name": "function", "config": "fly", "registered_name": "function",
        }  # fmt: skip
        file.attrs["model_config"] = json.dumps(config)
    assert "needs code of module 'antigravity'" in told(tmp_path / "m.h5")


def test_which_keras_wrote_it(tmp_path: Path) -> None:
    small().save(tmp_path / "m.keras")
    assert stored(tmp_path / "m.keras").writer == f"Keras {keras.__version__}"
    path, _ = teachable_machine(tmp_path)
    assert stored(path).old and stored(path).writer.startswith("Keras 2.")


def test_a_file_of_a_later_keras_says_so(tmp_path: Path) -> None:
    small().save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["metadata.json"] = json.dumps({"keras_version": "3.999.1"}).encode()
    members["config.json"] = members["config.json"].replace(b'"filters": 3', b'"filters": 3, "novelty": 1')
    path = tmp_path / "later.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(
        UserError, match=r"saved by Keras 3.999.1\) cannot be loaded.*newer.*pip install --upgrade keras"
    ) as caught:
        load_file(path)
    assert "\n" not in str(caught.value)


def test_words_of_the_command_line_stand_for_them(tmp_path: Path) -> None:
    path, _ = teachable_machine(tmp_path)
    assert model_part(str(path)) == {"source": "file", "path": str(path), "image_size": 16}
    assert model_part(str(tmp_path)) == {"source": "file", "path": str(tmp_path)}


def test_a_file_whose_reading_does_not_end_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty bytes of a file of 2.7 MB, changed: HDF5 went in circles while it read an attribute."""
    keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)]).save(tmp_path / "net.h5")
    assert stored(tmp_path / "net.h5").config
    monkeypatch.setattr(module, "_LOOKED_THROUGH", "while True: pass")
    monkeypatch.setattr(module, "_SECONDS", 0.5)
    module.check_end.cache_clear()
    with pytest.raises(UserError, match=r"has no end.*get it again"):
        stored(tmp_path / "net.h5")


def test_where_memory_is_bounded_more_tightly_a_file_is_looked_through_too(tmp_path: Path) -> None:
    """It was not, where a scheduler bounds the address space: the look ended before it began, and no end is no fault."""
    keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)]).save(tmp_path / "net.h5")
    bound = "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))\n"
    ends = bound + module._LOOKED_THROUGH + "print(resource.getrlimit(resource.RLIMIT_AS) == (4 << 30, 4 << 30))"
    done = subprocess.run(
        [sys.executable, "-I", "-c", ends, str(tmp_path / "net.h5")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_a_file_that_ends_its_reader_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)]).save(tmp_path / "net.h5")
    monkeypatch.setattr(module, "_LOOKED_THROUGH", "import os; os.kill(os.getpid(), 11)")
    module.check_end.cache_clear()
    with pytest.raises(UserError, match=r"its reader crashes: SIGSEGV.*get it again"):
        stored(tmp_path / "net.h5")
