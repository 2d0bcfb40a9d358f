"""Loading, saving and importing models."""

import hashlib
import json
import os
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from convscope.errors import UserError
from convscope.models import graphs, load
from convscope.models.applications import APPLICATION_MODES
from convscope.models.cam_layer import default_cam_layer
from convscope.models.canonical import canonical
from convscope.models.preprocessing import preprocessing
from convscope.models.saved import load_file
from tests.completed import model as model_part

SHARED = Path(os.environ.get("CONVSCOPE_SHARED", Path(__file__).parents[4] / "shared"))
REAL = SHARED / "models/xception_cats_dogs"


def small(units: int = 1, activation: str | None = "sigmoid", size: int | None = None) -> keras.Model:
    inputs = keras.Input((size, size, 3))
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(inputs)
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    return keras.Model(inputs, layers.Dense(units, activation=activation, name="answer")(x))


def save(model: keras.Model, path: Path) -> Path:
    model.save(path)
    return path


def pictures(size: int = 16) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (2, size, size, 3)).astype("float32")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_file_becomes_canonical(tmp_path: Path, suffix: str) -> None:
    model = small()
    path = save(model, tmp_path / f"mine{suffix}")
    settings = model_part("file", path=str(path), classes=["cat", "dog"], image_size=20, preprocessing="tf")
    network, spec = load.import_model("mine", settings)
    assert (spec.head, spec.classes, spec.input_size) == ("binary", ("cat", "dog"), (20, 20))
    pixels = pictures(20)
    expected = model(pixels / 127.5 - 1)
    np.testing.assert_allclose(spec.probabilities(network(spec.preprocess(pixels)))[:, 1:], expected, atol=1e-6)
    load.save_model(network, tmp_path / "out.keras")
    spec.save(tmp_path / "out.json")
    again, same = load.load_model(tmp_path / "out.keras", tmp_path / "out.json")
    assert same == spec and graphs.network_digest(again) == spec.digest
    np.testing.assert_array_equal(again(pixels), network(pixels))


def test_a_network_in_memory_is_what_its_file_is(tmp_path: Path) -> None:
    model = small(3, "softmax", size=20)
    settings = {"classes": ["a", "b", "c"], "preprocessing": "caffe", "resize": "pad"}
    of_file = {"source": "file", "path": str(save(model, tmp_path / "mine.keras")), **settings}
    (network, spec), (saved, same) = load.import_network("mine", model, settings), load.import_model("mine", of_file)
    assert spec.identity == same.identity and graphs.network_digest(network) == graphs.network_digest(saved)
    assert spec.input_size == (20, 20), "its own, though its canonical form takes any"
    assert load.import_network("mine", model, model_part("file", image_size=24))[1].input_size == (24, 24)
    with pytest.raises(UserError, match=r"models.free: the network does not say its image size"):
        load.import_network("free", small(), model_part("file"))


def test_loading_draws_no_random_numbers_and_building_does_again_afterwards(tmp_path: Path) -> None:
    network, _ = canonical(small(), "same")
    load.save_model(network, tmp_path / "a.keras")
    (tmp_path / "broken.keras").write_bytes((tmp_path / "a.keras").read_bytes()[:500])
    drawn = []
    draw = keras.initializers.VarianceScaling.__call__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.initializers.VarianceScaling, "__call__", lambda *a, **k: drawn.append(a) or draw(*a, **k))
        again = load.load_keras(tmp_path / "a.keras")
        assert not drawn
        with pytest.raises(Exception, match="zip"):
            load.load_keras(tmp_path / "broken.keras")
        fresh = small()
        assert drawn and all(np.asarray(layer.kernel).any() for layer in fresh.layers if hasattr(layer, "kernel"))
    assert graphs.weights_digest(again) == graphs.weights_digest(network)
    kinds = [
        [type(layer.kernel_initializer) for layer in model.layers if hasattr(layer, "kernel")]
        for model in (again, network)
    ]
    assert kinds[0] == kinds[1] and kinds[0]


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    sums = set()
    for name in ("first", "second"):
        keras.utils.set_random_seed(1)
        network, _ = canonical(small(), "same")
        load.save_model(network, tmp_path / f"{name}.keras")
        sums.add(hashlib.sha256((tmp_path / f"{name}.keras").read_bytes()).hexdigest())
    assert len(sums) == 1
    with zipfile.ZipFile(tmp_path / "first.keras") as archive:
        assert "date_saved" not in json.loads(archive.read("metadata.json"))
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_code_in_a_file_is_refused_before_it_is_loaded(tmp_path: Path, suffix: str) -> None:
    witness = tmp_path / "ran"
    name = str(witness)
    inputs = keras.Input((8, 8, 3))
    x = layers.Lambda(lambda t: (open(name, "w").close(), t)[1], name="evil")(inputs)  # noqa: PTH123
    model = keras.Model(inputs, layers.Dense(1)(layers.Flatten()(x)))
    path = save(model, tmp_path / f"evil{suffix}")
    witness.unlink(missing_ok=True)
    with pytest.raises(UserError, match=r"holds code \((Lambda|__lambda__).*replace it by a layer") as caught:
        load_file(path)
    assert "\n" not in str(caught.value) and not witness.exists()


def edit_config(path: Path, change) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_classes_of_unknown_modules_are_refused(tmp_path: Path) -> None:
    path = save(small(), tmp_path / "strange.keras")
    edit_config(path, lambda config: config["config"]["layers"][1].update(module="antigravity.layers"))
    with pytest.raises(UserError, match="needs code of module 'antigravity'"):
        load_file(path)


def test_pickled_lambda_hidden_in_an_activation_is_refused(tmp_path: Path) -> None:
    path = save(small(), tmp_path / "hidden.keras")
    code = {"class_name": "__lambda__", "config": {"value": "4wAAAAA="}}
    edit_config(path, lambda config: config["config"]["layers"][1]["config"].update(activation=code))
    with pytest.raises(UserError, match="holds code"):
        load_file(path)


def test_files_that_are_no_models_end_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.keras").write_text("hello")
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file["kernel"] = np.zeros(3)
    (tmp_path / "model.pt").write_text("torch")
    for name, words in (("text.keras", "not a .keras"), ("weights.h5", "weights only"), ("model.pt", "not a .keras")):
        with pytest.raises(UserError, match=words):
            load_file(tmp_path / name)
    with pytest.raises(UserError, match="no file"):
        load.import_model("x", model_part("file", path=str(tmp_path / "missing.keras")))
    path = save(small(), tmp_path / "m.keras")
    with pytest.raises(UserError, match="another SHA-256"):
        load.import_model("x", model_part("file", path=str(path), sha256="0" * 64))


def test_classes_and_sizes_that_do_not_fit(tmp_path: Path) -> None:
    free = model_part("file", path=str(save(small(3, "softmax"), tmp_path / "free.keras")))
    with pytest.raises(UserError, match="set image_size"):
        load.import_model("x", free)
    with pytest.raises(UserError, match="2 names, but the network tells 3 classes apart"):
        load.import_model("x", free | {"image_size": 16, "classes": ["a", "b"]})
    with pytest.raises(UserError, match="a name of its own"):
        load.import_model("x", free | {"image_size": 16, "classes": ["a", "b", "a"]})
    _, spec = load.import_model("x", free | {"image_size": 16})
    assert spec.classes == ("class_0", "class_1", "class_2") and spec.head == "multiclass"
    inputs = keras.Input((8, 8, 3))
    fixed = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(layers.Conv2D(2, 3)(inputs))))
    settings = model_part("file", path=str(save(fixed, tmp_path / "fixed.keras")), image_size=9)
    with pytest.raises(UserError, match="takes only 8x8 pixels"):
        load.import_model("x", settings)


def test_a_network_without_head(tmp_path: Path) -> None:
    inputs = keras.Input((None, None, 3))
    path = save(keras.Model(inputs, layers.Conv2D(2, 3)(inputs)), tmp_path / "b.keras")
    _, spec = load.import_model("b", model_part("file", path=str(path), image_size=32))
    assert (spec.head, spec.classes) == ("none", ())
    with pytest.raises(UserError, match="no classification head"):
        load.import_model("b", model_part("file", path=str(path), image_size=32, classes=["a", "b"]))


def test_preprocessing_is_what_keras_applications_do() -> None:
    pixels = pictures(4)
    from convscope.models.spec import ModelSpec

    for mode in ("tf", "torch", "caffe"):
        spec = ModelSpec("x", (4, 4), **preprocessing(mode))
        expected = keras.applications.imagenet_utils.preprocess_input(pixels.copy(), mode=mode)
        np.testing.assert_allclose(spec.preprocess(pixels), expected, atol=1e-4)
    with pytest.raises(UserError, match="did you mean 'caffe'"):
        preprocessing("cafe")


def test_every_application_has_the_preprocessing_of_its_module() -> None:
    from convscope.models.spec import ModelSpec

    pixels = pictures(4)
    by_module = {"resnet50": "ResNet50", "resnet_v2": "ResNet50V2", "vgg16": "VGG16", "densenet": "DenseNet121"}
    by_module |= {
        "xception": "Xception",
        "mobilenet": "MobileNet",
        "mobilenet_v2": "MobileNetV2",
        "nasnet": "NASNetMobile",
    }
    by_module |= {"efficientnet": "EfficientNetB0", "convnext": "ConvNeXtTiny", "mobilenet_v3": "MobileNetV3Small"}
    by_module |= {"inception_v3": "InceptionV3", "inception_resnet_v2": "InceptionResNetV2", "vgg19": "VGG19"}
    for module, name in by_module.items():
        spec = ModelSpec("x", (4, 4), **preprocessing(APPLICATION_MODES.get(name, "none")))
        expected = getattr(keras.applications, module).preprocess_input(pixels.copy())
        np.testing.assert_allclose(spec.preprocess(pixels), expected, atol=1e-4, err_msg=name)


def test_an_application_with_a_weights_file(tmp_path: Path) -> None:
    keras.utils.set_random_seed(5)
    original = keras.applications.MobileNetV2(weights=None, classes=2)
    original.save_weights(tmp_path / "two.weights.h5")
    weights = str(tmp_path / "two.weights.h5")
    settings = model_part(
        "application", application="MobileNetV2", weights=weights, classes=["cat", "dog"], image_size=96
    )
    network, spec = load.import_model("mobile", settings)
    assert (spec.input_size, spec.head, spec.scale[0]) == ((96, 96), "multiclass", 1 / 127.5)
    x = np.random.default_rng(0).uniform(-1, 1, (1, 224, 224, 3)).astype("float32")
    np.testing.assert_allclose(keras.ops.softmax(network(x)), original(x, training=False), atol=1e-5)
    with pytest.raises(UserError, match="does not fit the network: it is of MobileNetV2 with 2 classes"):
        load.import_model("mobile", settings | {"application": "ResNet50"})
    with pytest.raises(UserError, match="2 outputs, but the config names 3"):
        load.import_model("mobile", settings | {"classes": ["a", "b", "c"]})
    labels, spec = load.import_model("mobile", settings | {"head": "multilabel", "classes": []})
    assert (spec.head, spec.classes) == ("multilabel", ("class_0", "class_1"))
    np.testing.assert_allclose(labels(x), network(x), atol=1e-5, err_msg="sigmoids of the same scores")


def test_an_application_of_one_output_or_none(tmp_path: Path) -> None:
    weights = str(tmp_path / "m.weights.h5")
    settings = model_part("application", application="MobileNetV2", weights=weights, image_size=96)
    keras.applications.MobileNetV2(weights=None, classes=1, classifier_activation="sigmoid").save_weights(weights)
    with pytest.raises(UserError, match="weights do not tell what it is: set head: sigmoid"):
        load.import_model("mobile", settings)
    _, spec = load.import_model("mobile", settings | {"head": "sigmoid", "classes": ["no", "yes"]})
    assert spec.head == "binary" and not any("softmax" in warning for warning in spec.warnings)
    keras.applications.MobileNetV2(weights=None, include_top=False).save_weights(weights)
    with pytest.raises(UserError, match="without its classifier"):
        load.import_model("mobile", settings)
    with pytest.raises(UserError, match="weights is a folder"):
        load.import_model("mobile", settings | {"weights": str(tmp_path)})


def test_application_mistakes(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="did you mean 'ResNet50"):
        load.import_model("x", model_part("application", application="Resnet50"))
    with pytest.raises(UserError, match="1000 classes, the config names 2"):
        load.import_model("x", model_part("application", application="ResNet50", classes=["a", "b"]))

    def offline(**kwargs):
        raise OSError("URL fetch failure on https://example.org/resnet50.h5: no route\nmore")

    monkeypatch.setattr(keras.applications, "ResNet50", offline)
    with pytest.raises(UserError, match=r"resnet50.h5.*by hand and set 'weights'") as caught:
        load.import_model("x", model_part("application", application="ResNet50"))
    assert "\n" not in str(caught.value)


@pytest.mark.shared
@pytest.mark.skipif(not REAL.is_dir(), reason="the real Xception is not beside the checkout (CONVSCOPE_SHARED)")
def test_the_real_xception_is_imported_with_its_preprocessing(tmp_path: Path) -> None:
    settings = {
        "source": "preset",
        "preset": "xception_cats_dogs",
        "folder": str(REAL.parent),
        "classes": ["cat", "dog"],
    }
    network, spec = load.import_model("real", settings)
    assert spec.input_size == (224, 224) and spec.resize == "crop" and spec.head == "multiclass"
    np.testing.assert_allclose(spec.scale + spec.offset, [1 / 127.5] * 3 + [-1] * 3)
    from convscope.evaluation.predict import predict

    photos = SHARED / "data/cats_and_dogs/validation"
    paths = [str(path) for name in ("cats", "dogs") for path in sorted((photos / name).iterdir())[:8]]
    blocks = list(predict(network, spec, paths, batch_size=8))
    logits = np.concatenate([block.logits for block in blocks])
    assert [place for block in blocks for place in block.places] == list(range(16)) and (
        logits.argmax(axis=1) == np.repeat([0, 1], 8)
    ).mean() >= 15 / 16
    load.save_model(network, tmp_path / "real.keras")
    spec.save(tmp_path / "real.json")
    again, _ = load.load_model(tmp_path / "real.keras", tmp_path / "real.json")
    assert graphs.is_flat(again) and default_cam_layer(again) == "block14_sepconv2_act"


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_file_of_a_rectangle_has_its_own_size(tmp_path: Path, suffix: str) -> None:
    inputs = keras.Input((64, 128, 3))
    maps = layers.Conv2D(4, 3, activation="relu", name="conv")(inputs)
    for name, top in (("pooled", layers.GlobalAveragePooling2D()), ("flattened", layers.Flatten())):
        model = keras.Model(inputs, layers.Dense(3, activation="softmax")(top(maps)))
        settings = model_part("file", path=str(save(model, tmp_path / f"{name}{suffix}")))
        network, spec = load.import_model("x", settings)
        assert spec.input_size == (64, 128), "height first"
        pixels = np.random.default_rng(0).uniform(0, 255, (2, 64, 128, 3)).astype("float32")
        np.testing.assert_allclose(spec.probabilities(network(pixels)), model(pixels), atol=1e-5)
        assert load.import_model("x", settings | {"image_size": [64, 128]})[1].identity == spec.identity
        if name == "pooled":
            assert load.import_model("x", settings | {"image_size": [32, 48]})[1].input_size == (32, 48)
            assert load.import_model("x", settings | {"image_size": 32})[1].input_size == (32, 32)
        else:
            with pytest.raises(UserError, match=r"models.x.image_size is 128x64, but the network takes only 64x128"):
                load.import_model("x", settings | {"image_size": [128, 64]})


def test_weights_that_are_no_numbers_are_told(tmp_path: Path) -> None:
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3, name="c"), keras.layers.Flatten(), keras.layers.Dense(2)]
    )
    kernel, *others = model.get_weights()
    kernel[0, 0, 0, 0] = np.nan
    model.set_weights([kernel, *others])
    model.save(tmp_path / "m.keras")
    with pytest.raises(UserError, match=r"models.m: weights of layer 'c' are no numbers \(NaN\)"):
        load.import_model("m", {"source": "file", "path": str(tmp_path / "m.keras")})


def test_operations_in_hdf5_of_keras_3_are_found_again(tmp_path: Path) -> None:
    """Keras itself opens none of these: it leaves their modules out, and does not read the three dots that it wrote."""
    inputs = keras.Input((16, 16, 3))
    x = layers.Concatenate()(
        [keras.applications.vgg16.preprocess_input(inputs) / 127.5, inputs[..., :1], inputs[:, ::-1, ..., 1:]]
    )
    x = layers.GlobalAveragePooling2D()(layers.Add()([layers.Conv2D(6, 3, padding="same")(x), x]))
    model = keras.Model(inputs, keras.ops.softmax(layers.Dense(3)(x) * 0.5 - 1.0))
    model.save(tmp_path / "m.h5")
    network, spec = load.import_model("m", {"source": "file", "path": str(tmp_path / "m.h5")})
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype("float32")
    assert spec.head == "multiclass"
    np.testing.assert_allclose(spec.probabilities(network(pixels)), model(pixels), atol=1e-5)
