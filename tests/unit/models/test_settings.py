"""What an imported model depends on, and where its files lie."""

from pathlib import Path

import pytest

from convscope.check import check_study, classes_of_model
from convscope.config import complete
from convscope.errors import UserError
from convscope.models.settings import classes_beside, model_files, model_settings


def test_a_checksum_that_is_the_files_own_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "net.h5").write_text("x")
    model = {"source": "file", "path": str(tmp_path / "net.h5")}
    own = {**model, "sha256": "abcd1234"}
    assert model_settings(own, lambda file: "abcd") == model
    assert model_settings(own, lambda file: "0000") == own, "another file is to be found out by the job"
    assert model_settings(model, lambda file: "abcd") == model
    gone = {**own, "path": str(tmp_path / "gone.h5")}
    assert model_settings(gone, lambda file: 1 / 0) == gone
    application = {"source": "application", "application": "ResNet50"}
    assert model_settings(application, lambda file: 1 / 0) == application


def test_the_files_that_a_model_is_loaded_from(tmp_path: Path) -> None:
    (tmp_path / "presets" / "slim").mkdir(parents=True)
    (tmp_path / "w.h5").touch()
    model = {"preset": "slim", "folder": str(tmp_path / "presets"), "weights": str(tmp_path / "w.h5")}
    assert model_files(model) == [str(tmp_path / "w.h5"), str(tmp_path / "presets" / "slim")]
    assert model_files({"preset": "xception_41_imagenet"}) == [], "downloaded"


def test_classes_that_lie_beside_a_models_file(tmp_path: Path) -> None:
    (tmp_path / "net.h5").write_text("x")
    model = {"source": "file", "path": str(tmp_path / "net.h5")}
    weights = {"source": "application", "application": "VGG16", "weights": str(tmp_path / "net.h5")}
    assert classes_beside(model) is None and classes_of_model(model, {}) is None
    (tmp_path / "class_indices.json").write_text('{"0": ["n1", "dog"], "1": "ant"}')
    for part in (model, weights):
        assert classes_beside(part) == ["dog", "ant"] == classes_of_model(part, {})
        assert model_settings(part, lambda file: "") == {
            **part,
            "classes": ["dog", "ant"],
            "classes_from": "class_indices.json",
        }
    own = {**model, "classes": ["a", "b"]}
    assert classes_beside(own) is None and model_settings(own, lambda file: "") == own, "the config comes first"
    assert classes_beside({**weights, "weights": "imagenet"}) is None
    (tmp_path / "class_indices.json").write_text("[]")
    with pytest.raises(UserError, match=r"models\.net: .*class_indices\.json: no order of classes"):
        check_study(complete({"study": "s", "models": {"net": weights}}))


def test_a_saved_model_gets_the_names_that_lie_beside_it(tmp_path: Path) -> None:
    import keras

    from convscope.models.load import import_model

    inputs = keras.Input((16, 16, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 3)(inputs))
    keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x)).save(tmp_path / "net.keras")
    part = {"source": "file", "path": str(tmp_path / "net.keras"), "preprocessing": "none"}
    (tmp_path / "class_indices.json").write_text('{"sun": 2, "moon": 0, "sea": 1}')
    _, spec = import_model("net", model_settings(part, lambda file: ""))
    assert spec.classes == ("moon", "sea", "sun")
    (tmp_path / "class_indices.json").write_text('{"sun": 1, "moon": 0}')
    with pytest.raises(UserError, match=r"models\.net\.classes has 2 names.* those of class_indices\.json beside"):
        import_model("net", model_settings(part, lambda file: ""))
