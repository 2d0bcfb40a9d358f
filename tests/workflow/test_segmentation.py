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
  net: {images: [test], shown: 2}
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
    page = (results / "gallery" / "segmentation_net_test.html").read_text()
    assert "What every pixel is taken for" in page and "worst.png" in page
    assert not fresh.would_run(config="pixels.yaml"), "it is finished"
    (fresh.folder / "pixels.yaml").write_text(STUDY.replace("shown: 2", "shown: 3"))
    assert fresh.would_run(config="pixels.yaml") == {"segmentation_report": 1, "gallery": 1, "index": 1}
