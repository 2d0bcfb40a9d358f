"""A network of pixels from end to end: trained on masks, its masks measured, shown and looked into like any other network."""

import csv
import json

import h5py
import numpy as np
import pytest
from PIL import Image

from tests.workflow.conftest import Project

pytestmark = pytest.mark.slow

STUDY = """
study: pixels
datasets:
  pets: {source: drawn_pets, image_size: 64, images_per_class: {train: 6, validation: 2, test: 3}}
models:
  net: {source: train, architecture: encoder_decoder, dataset: pets, image_size: 48, width: 0.1, epochs: 2, batch_size: 4}
image_sets:
  test: {dataset: pets, split: test}
segmentation:
  net: {images: [test], shown: 2, gradcam: {limit: 2}}
"""


def test_masks_from_end_to_end(fresh: Project) -> None:
    (fresh.folder / "pixels.yaml").write_text(STUDY)
    fresh.run(config="pixels.yaml")
    results = fresh.folder / "results" / "pixels"
    spec = json.loads((results / "models" / "net" / "model.json").read_text())
    assert (spec["head"], spec["classes"]) == ("segmentation", ["background", "object", "border"])
    assert Image.open(results / "models" / "net" / "curves.png").width > 500
    folder = results / "segmentation" / "net" / "test"
    with h5py.File(folder / "masks.h5") as file:
        predicted, truth = file["predicted"][()], file["truth"][()]
        assert predicted.shape == truth.shape == (6, 48, 48) and file["known"][()].all()
        assert file.attrs["model_digest"] == spec["identity"]
    assert set(np.unique(truth)) == {0, 1, 2}
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["with_mask"] == 6 and metrics["pixel_accuracy"] == pytest.approx((truth == predicted).mean())
    for number, name in enumerate(spec["classes"]):
        both, either = (
            ((truth == number) & (predicted == number)).sum(),
            ((truth == number) | (predicted == number)).sum(),
        )
        assert metrics["classes"][name]["iou"] == pytest.approx(both / either)
    with (folder / "pictures.csv").open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 6
    for name in ("masks", "worst", "confusion", "overlap"):
        assert Image.open(folder / f"{name}.png").width > 200, name
    with h5py.File(folder / "gradcam_predicted.h5") as file:
        assert file["maps"].shape == (2, 3, 6, 6) and file.attrs["layer"] == "up3_conv"
        regions = file["regions"][()]
        assert (regions.sum(axis=1) == 1).all(), "every pixel is taken for one class"
        assert (file["empty"][()] == ~(file["maps"][()] > 0).any(axis=(2, 3))).all()
    with (folder / "gradcam_predicted.csv").open(newline="") as stream:
        pixels = [int(row["pixels"]) for row in csv.DictReader(stream)]
    assert pixels == regions.sum(axis=(2, 3)).ravel().tolist()
    page = (results / "gallery" / "segmentation_net_test.html").read_text()
    assert "What every pixel is taken for" in page and "worst.png" in page and "gradcam_predicted.png" in page
    for figure, name in (("segmentation_masks", "net-test-worst.png"), ("seg_gradcam", "net-test-predicted.png")):
        fresh.run(f"figures/{figure}", config="pixels.yaml")
        assert Image.open(fresh.folder / "figures" / figure / name).width > 200
    assert not fresh.would_run(config="pixels.yaml"), "it is finished"
    (fresh.folder / "pixels.yaml").write_text(STUDY.replace("shown: 2", "shown: 3"))
    assert fresh.would_run(config="pixels.yaml") == {"segmentation_report": 1, "gallery": 1, "index": 1}
    plain = "models:\n  plain: {source: train, architecture: mini_xception, dataset: pets}\n"
    judged = (
        "cams: {plain: {images: [test]}}\njudging: {plain: {images: [test], metrics: [localisation], masks: net}}\n"
    )
    (fresh.folder / "pixels.yaml").write_text(STUDY.replace("models:\n", plain) + judged)
    printed = fresh.run("-n", "-p", config="pixels.yaml")
    commands = [part.split("--log")[0] for part in printed.split('python "$CONVSCOPE_SCRIPTS" ')[1:]]
    assert any(command.startswith("predicted_masks ") for command in commands)
    judges = [command for command in commands if command.startswith("judge ")]
    assert len(judges) == 2 and all(
        "--masks results/pixels/segmentation/net/test/parts.csv" in command for command in judges
    )
