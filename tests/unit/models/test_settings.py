"""What an imported model depends on, and where its files lie."""

from pathlib import Path

from convscope.models.settings import model_files, model_settings


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
