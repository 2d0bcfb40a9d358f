"""Layers and classes of the user's own: from a file that the config names, for the first job and for all later ones."""

import dataclasses
import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tf_keras

from convscope.errors import UserError
from convscope.jobs.environment import prepare
from convscope.models import load, own_code
from convscope.models.places import check_model_file
from convscope.models.saved import load_file
from convscope.models.settings import model_files
from convscope.notebook.models import canonical

LAYERS = """
import keras


@keras.saving.register_keras_serializable("mine")
class Scale(keras.layers.Layer):
    def __init__(self, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, shape):
        self.bias = self.add_weight(shape=(shape[-1],), name="bias")

    def call(self, x):
        return keras.ops.maximum(x * self.factor + self.bias, 0.0)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


class Plain(keras.layers.Layer):
    def call(self, x):
        return x + 1.0


def squash(x):
    return keras.ops.tanh(x)
"""
NETWORK = """
import keras


class Block(keras.Model):
    def __init__(self, filters=4, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.conv = keras.layers.Conv2D(filters, 3, padding="same", name="conv")
        self.norm = keras.layers.BatchNormalization(name="norm")

    def call(self, x, training=None):
        return keras.ops.relu(self.norm(self.conv(x), training=training))

    def get_config(self):
        return {"filters": self.filters, "name": self.name}


class Net(keras.Model):
    def __init__(self, classes=3, **kwargs):
        super().__init__(**kwargs)
        self.classes = classes
        self.stem = keras.layers.Conv2D(4, 3, name="stem")
        self.block = Block(name="block")
        self.pool = keras.layers.GlobalAveragePooling2D(name="pool")
        self.head = keras.layers.Dense(classes, activation="softmax", name="head")

    def call(self, x, training=None):
        x = self.stem(x / 127.5 - 1.0)
        if LOOKS and keras.ops.sum(x) > 0:
            x = -x
        return self.head(self.pool(x + self.block(x, training=training)))

    def get_config(self):
        return {"classes": self.classes, "name": self.name}
"""


def written(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def pictures() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype("float32")


def shaken(model: Any) -> Any:
    random = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(weight + np.abs(random.normal(0, 0.2, weight.shape)))
    return model


def made_by(text: str) -> dict[str, Any]:
    """What somebody's own program had, as a module of theirs."""
    names: dict[str, Any] = {"__name__": "my_net"}
    exec(text, names)  # noqa: S102
    return names


def layered(tmp_path: Path) -> tuple[dict[str, Any], np.ndarray]:
    own = made_by(LAYERS)
    x = inputs = keras.Input((16, 16, 3))
    x = own["Plain"](name="plain")(keras.layers.Conv2D(4, 3, activation=own["squash"])(own["Scale"](3.0)(x)))
    model = shaken(keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x))))
    model.save(tmp_path / "m.keras")
    part = {"source": "file", "path": str(tmp_path / "m.keras"), "code": written(tmp_path / "my_layers.py", LAYERS)}
    return part, np.asarray(model(pictures(), training=False))


def test_layers_of_ones_own_in_the_first_job_and_in_later_ones(tmp_path: Path) -> None:
    part, expected = layered(tmp_path)
    network, spec = load.import_model("m", part)
    np.testing.assert_allclose(network(pictures()).numpy(), expected, rtol=1e-5)
    assert spec.code == LAYERS and spec.requires == ()
    load.save_model(network, tmp_path / "canonical.keras")
    spec.save(tmp_path / "model.json")
    Path(part["code"]).unlink()  # later jobs run elsewhere, and the code may have gone on
    program = (
        "import sys, numpy as np; from convscope.models import load\n"
        "model, spec = load.load_model(sys.argv[1], sys.argv[2])\n"
        "x = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype('float32')\n"
        "np.save(sys.argv[3], model(x).numpy())"
    )
    files = [str(tmp_path / name) for name in ("canonical.keras", "model.json", "found.npy")]
    root = Path(load.__file__).parents[2]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    named = {"PYTHONPATH": str(root), "CONVSCOPE_CODE": hashlib.sha256(LAYERS.encode()).hexdigest()}
    subprocess.run([sys.executable, "-c", program, *files], check=True, cwd=elsewhere, env=named)
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), expected, rtol=1e-5)


def test_a_class_of_the_same_name_in_this_process_is_another_one(tmp_path: Path) -> None:
    """In a notebook, say, where the code was changed since: what is named is what is taken, within a network too."""
    part, expected = layered(tmp_path)
    load.import_model("m", part)
    made_by(LAYERS.replace("x * self.factor", "x * 0.0"))  # registers its own "mine>Scale"
    network, spec = load.import_model("m", part)
    np.testing.assert_allclose(network(pictures()).numpy(), expected, rtol=1e-5)
    assert spec.requires == ()


def test_the_code_is_part_of_what_a_model_is(tmp_path: Path) -> None:
    part, _ = layered(tmp_path)
    assert part["code"] in model_files(part), "its content is fingerprinted"
    _, spec = load.import_model("m", part)
    written(Path(part["code"]), LAYERS.replace("x + 1.0", "x + 2.0"))
    network, other = load.import_model("m", part)
    assert other.identity != spec.identity and other.digest != spec.digest
    first, _ = load.import_model("m", part | {"code": written(tmp_path / "old.py", LAYERS)})
    assert not np.allclose(network(pictures()), first(pictures())), "each has its own, in one process"


def test_what_a_model_lacks_is_asked_for(tmp_path: Path) -> None:
    part, _ = layered(tmp_path)
    for call in (
        lambda: load.import_model("m", {**part, "code": None}),
        lambda: check_model_file("models.m", part["path"]),
    ):
        with pytest.raises(UserError, match=r"needs code of module 'my_net', which no file may bring.*my_layers.py"):
            call()
    check_model_file("models.m", part["path"], part["code"])
    for text, words in (
        ("import nowhere_at_all", "No module named 'nowhere_at_all'; put all that it needs into the one file"),
        ("class Scale(:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        ("x = 1", "needs code of module 'my_net'"),
    ):
        with pytest.raises(UserError, match=words) as caught:
            load.import_model("m", part | {"code": written(tmp_path / "bad.py", text)})
        assert "\n" not in str(caught.value)
    (tmp_path / "binary.py").write_bytes(b"\0\1")
    with pytest.raises(UserError, match="is no Python file"):
        check_model_file("models.m", part["path"], str(tmp_path / "binary.py"))
    with pytest.raises(UserError, match=r"models.m.code: the file .* does not exist"):
        check_model_file("models.m", part["path"], str(tmp_path / "gone.py"))


def subclassed(tmp_path: Path, looks: bool = False) -> tuple[dict[str, Any], np.ndarray]:
    text = f"LOOKS = {looks}\n{NETWORK}"
    model = made_by(text)["Net"](classes=3, name="net")
    model(np.zeros((1, 16, 16, 3), "float32"))
    shaken(model).save(tmp_path / "net.keras")
    part = {"source": "file", "path": str(tmp_path / "net.keras"), "code": written(tmp_path / "net.py", text)}
    return part | {"image_size": [16, 16]}, np.asarray(model(pictures(), training=False))


def test_a_network_of_ones_own_class_becomes_layers(tmp_path: Path) -> None:
    """Also one within it: its convolution is a layer like any other."""
    part, expected = subclassed(tmp_path)
    network, spec = load.import_model("m", part)
    assert spec.head == "multiclass" and spec.input_size == (16, 16)
    found = spec.probabilities(network(pictures()).numpy())
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert {"stem", "conv", "norm", "pool", "head"} <= {layer.name for layer in network.layers}


def test_a_call_that_looks_at_numbers_is_told(tmp_path: Path) -> None:
    part, _ = subclassed(tmp_path, looks=True)
    with pytest.raises(UserError, match=r"the call of the class Net cannot be traced into layers") as caught:
        load.import_model("m", part)
    assert "\n" not in str(caught.value) and "keras.ops" in str(caught.value)


# `lambda` is what Keras calls the first of them, and no name that a class may have.
LAMBDAS = pytest.mark.parametrize(("name", "kind"), [("doubled", "doubled"), ("lambda", "lambda_")])


@LAMBDAS
def test_a_lambda_of_keras_2_is_replaced_by_a_class_of_its_name(tmp_path: Path, name: str, kind: str) -> None:
    old = tf_keras.layers
    inputs = tf_keras.Input((8, 8, 3))
    x = old.Flatten()(old.Lambda(lambda t: t * 2 + 1, name=name)(inputs))
    model = tf_keras.Model(inputs, old.Dense(2)(x))
    model.save(tmp_path / "m.h5")
    code = f"import keras\n\n\nclass {kind}(keras.layers.Layer):\n    def call(self, x):\n        return x * 2 + 1\n"
    x = np.random.default_rng(0).uniform(0, 1, (2, 8, 8, 3)).astype("float32")
    found = load_file(tmp_path / "m.h5", own_code.own_objects(code))(x).numpy()
    np.testing.assert_allclose(found, model.predict(x, verbose=0), atol=1e-5)


@LAMBDAS
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_lambda_of_keras_3_too(tmp_path: Path, suffix: str, name: str, kind: str) -> None:
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Lambda(lambda t: t * 2 + 1, output_shape=(8, 8, 3), name=name)(inputs)
    inner = keras.Model(inputs, keras.layers.Flatten()(x))
    model = keras.Sequential([keras.Input((8, 8, 3)), inner, keras.layers.Dense(2)])
    path = tmp_path / f"m{suffix}"
    model.save(path)
    kept = path.read_bytes()
    with pytest.raises(UserError, match=rf"holds code \(Lambda {name}\).* write the class {kind}\("):
        check_model_file("models.m", str(path))
    code = f"import keras\n\n\nclass {kind}(keras.layers.Layer):\n    def call(self, x):\n        return x * 2 + 1\n"
    x = np.random.default_rng(0).uniform(0, 1, (2, 8, 8, 3)).astype("float32")
    part = {"source": "file", "path": str(path), "code": written(tmp_path / "layers.py", code)}
    network, _ = load.import_model("m", part)
    np.testing.assert_allclose(network(x), model(x), atol=1e-5)
    assert path.read_bytes() == kept


def test_code_that_ends_the_program_is_one_line() -> None:
    with pytest.raises(UserError, match="SystemExit: 3"):
        own_code.own_objects("import sys\n\nsys.exit(3)\n")


def test_a_layer_of_ones_own_in_a_file_of_keras_2(tmp_path: Path) -> None:
    class Scale(tf_keras.layers.Layer):
        def __init__(self, factor: float = 2.0, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.factor = factor

        def build(self, shape: Any) -> None:
            self.bias = self.add_weight(shape=(shape[-1],), name="bias")

        def call(self, x: Any) -> Any:
            return tf_keras.backend.maximum(x * self.factor + self.bias, 0.0)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "factor": self.factor}

    model = tf_keras.Sequential(
        [tf_keras.Input((8, 8, 3)), Scale(3.0), tf_keras.layers.Flatten(), tf_keras.layers.Dense(2)]
    )
    shaken(model)
    x = np.random.default_rng(0).uniform(0, 1, (2, 8, 8, 3)).astype("float32")
    for name in ("m.h5", "m.keras"):
        model.save(tmp_path / name)
        found = load_file(tmp_path / name, own_code.own_objects(LAYERS))(x).numpy()
        np.testing.assert_allclose(found, model.predict(x, verbose=0), rtol=1e-5)


def test_no_file_of_a_model_brings_code(tmp_path: Path) -> None:
    """Whatever a file says of modules, what is imported is what the config names."""
    part, _ = layered(tmp_path)
    witness = tmp_path / "evil.py"
    written(witness, f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    with zipfile.ZipFile(part["path"], "a") as archive:
        archive.writestr("my_layers.py", witness.read_text())
    config = json.loads(zipfile.ZipFile(part["path"]).read("config.json"))
    assert config and load.import_model("m", part) and not (tmp_path / "ran").exists()


def test_code_in_results_that_somebody_gave_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of results is data, too: a job runs what the config of its run names."""
    part, _ = layered(tmp_path)
    network, spec = load.import_model("m", part)
    load.save_model(network, tmp_path / "model.keras")
    witness = tmp_path / "ran"
    given = dataclasses.replace(spec, code=f"{LAYERS}\nopen({str(witness)!r}, 'w').close()\n")
    given.save(tmp_path / "model.json")
    monkeypatch.setenv("CONVSCOPE_CODE", "")
    prepare("scripts", [part["code"], str(tmp_path / "gone.py")])
    with pytest.raises(UserError, match="no code of the study's config is that one; it is not run"):
        load.load_model(tmp_path / "model.keras", tmp_path / "model.json")
    assert not witness.exists()
    spec.save(tmp_path / "model.json")
    load.load_model(tmp_path / "model.keras", tmp_path / "model.json")


def test_code_beside_a_file_that_somebody_gave_is_not_run(tmp_path: Path) -> None:
    """A study's model and its facts, opened in a notebook: their code is run where the user names the same."""
    part, expected = layered(tmp_path)
    witness = tmp_path / "ran"
    text = f"{LAYERS}\nopen({str(witness)!r}, 'w').close()\n"
    network, spec = load.import_model("m", part | {"code": written(tmp_path / "evil.py", text)})
    load.save_model(network, tmp_path / "given.keras")
    spec.save(tmp_path / "given.json")
    sys.modules.pop(own_code.module_of(text).__name__)
    witness.unlink()
    for settings in ({}, {"code": part["code"]}):
        with pytest.raises(UserError, match=r"another one's code is not run; name your own file of them"):
            canonical(tmp_path / "given.keras", settings)
        assert not witness.exists()
    found, _ = canonical(tmp_path / "given.keras", {"code": str(tmp_path / "evil.py")})
    np.testing.assert_allclose(found(pictures()).numpy(), expected, rtol=1e-5)
    assert witness.exists()
