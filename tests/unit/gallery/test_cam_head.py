"""What the head that CAM needs costs, on the model's page."""

from pathlib import Path
from typing import Any

import pytest

from convscope.errors import UserError
from convscope.gallery import build_gallery
from convscope.gallery.collect import collect
from tests import gallery_fixture as fixture

CONFIG = fixture.asking("cams", methods=["gradcam", "cam"])
TRAINED = {
    "model_digest": fixture.DIGEST,
    "model": "convnet",
    "layer": "conv<4>",
    "dataset": "pets",
    "train": "train",
    "train_images": 10,
    "test": "test",
    "test_images": 16,
    "accuracy_own_head": 0.9375,
    "accuracy_gap_head": 0.875,
    "accuracy_cost": 0.0625,
    "own_head": False,
}


def made(tmp_path: Path, facts: dict[str, Any] | None) -> Path:
    """A study with CAM of one image set."""
    results = fixture.make_results(tmp_path / "results")
    cams = results / "cams" / "convnet"
    (cams / fixture.SETS[0] / "cam.csv").write_bytes((cams / fixture.SETS[0] / "gradcam.csv").read_bytes())
    if facts is not None:
        fixture.write_object(cams / "gap_head.json", facts)
    build_gallery(results, CONFIG, results / "gallery" / "index.html")
    return results


def words(results: Path, page: str) -> str:
    return " ".join((results / "gallery" / page).read_text(encoding="utf-8").split())


def test_what_a_trained_head_costs(tmp_path: Path) -> None:
    results = made(tmp_path, TRAINED)
    model = words(results, "model_convnet.html")
    assert "Accuracy on pets / test, 16 images: the model <strong>93.8 %</strong>" in model
    assert "with the retrained head <strong>87.5 %</strong>: it costs 6.2 points." in model
    assert "10 images of pets / train" in model and "conv&lt;4&gt;" in model and "gap_head.json" in model
    assert "cam-head" not in words(results, "model_Mini_net.html")
    sets = [path.read_text() for path in (results / "gallery").glob("images_convnet_*.html")]
    assert len([text for text in sets if "retrained head" in text]) == 1  # the one that CAM was made for


@pytest.mark.parametrize(
    ("gap", "said"), [(0.96875, "it gains 3.1 points"), (0.9375, "it costs nothing"), (0.9373, "it costs nothing")]
)
def test_a_better_head_and_an_equal_one(tmp_path: Path, gap: float, said: str) -> None:
    assert f": {said}." in words(made(tmp_path, TRAINED | {"accuracy_gap_head": gap}), "model_convnet.html")


def test_the_models_own_head_costs_nothing(tmp_path: Path) -> None:
    results = made(tmp_path, {"model_digest": fixture.DIGEST, "layer": "conv4", "own_head": True})
    model = words(results, "model_convnet.html")
    assert "It costs no accuracy." in model and "retrained" not in model
    sets = [path.read_text() for path in (results / "gallery").glob("images_convnet_*.html")]
    assert not [text for text in sets if "retrained head" in text]


def test_nothing_is_said_without_cam(tmp_path: Path) -> None:
    results = made(tmp_path, None)
    assert collect(results, CONFIG).models[1].cam_head is None and "cam-head" not in words(
        results, "model_convnet.html"
    )
    fixture.write_object(results / "cams" / "convnet" / "gap_head.json", TRAINED)
    (results / "cams" / "convnet" / fixture.SETS[0] / "cam.csv").unlink()  # an older config's
    assert all(model.cam_head is None for model in collect(results, CONFIG).models)


def test_a_damaged_report_is_one_line(tmp_path: Path) -> None:
    results = made(tmp_path, TRAINED)
    (results / "cams" / "convnet" / "gap_head.json").write_text("{")
    with pytest.raises(UserError, match=r"gap_head\.json: not JSON"):
        collect(results, CONFIG)
