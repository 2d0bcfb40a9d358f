"""A stranger's network, from file to gallery: it takes four of a picture's six bands, and has a head that CAM can do nothing with."""

from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tifffile

from convscope.storage.tables import read_rows
from tests.workflow.conftest import Project

pytestmark = pytest.mark.slow
BANDS = [4, 0, 1, 5]
SIZE = 32

STUDY = f"""
study: bands
datasets:
  photos: {{source: path, path: photos}}
models:
  sat:
    source: file
    path: sat.keras
    classes: [a, b]
    bands: {BANDS}
    shown_bands: [4, 1, 0]
    preprocessing: {{scale: 0.257, offset: 0}}
evaluations:
  sat: [photos/test]
image_sets:
  some: {{dataset: photos, split: test, per_class: 2}}
activations:
  sat: {{images: [some], layers: [c2]}}
filters:
  sat: {{layers: [c2], filters: 2, size: 40, steps: 4}}
cams:
  sat: {{images: [some], methods: [gradcam, cam]}}
attributions:
  sat: {{images: [some], methods: [saliency, occlusion]}}
judging:
  sat: {{images: [some], methods: [gradcam, occlusion], metrics: [curves, sparseness], steps: 4}}
"""


def make_strangers(folder: Path) -> tuple[keras.Model, dict[str, np.ndarray]]:
    """A network of numbers in thousands, and pictures of 16 bits; of class b band 4 alone tells."""
    rng = np.random.default_rng(0)
    pictures = {}
    for name in ("a", "b"):
        place = folder / "photos" / "test" / name
        place.mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 3000, (SIZE, SIZE, 6)).astype(np.uint16)
            pixels[8:20, 8:24, 4] += 6000 * (name == "b")
            tifffile.imwrite(place / f"{number}.tif", pixels, planarconfig="contig", photometric="minisblack")
            pictures[f"{name}/{number}.tif"] = pixels
    keras.utils.set_random_seed(1)
    layers = keras.layers
    image = keras.Input((SIZE, SIZE, len(BANDS)))
    x = layers.MaxPooling2D(name="pool")(layers.ReLU(name="r1")(layers.Conv2D(6, 3, name="c1")(image)))
    x = layers.Flatten()(layers.ReLU(name="r2")(layers.Conv2D(8, 3, name="c2")(x)))
    network = keras.Model(image, layers.Dense(2, activation="softmax")(x))
    network.save(folder / "sat.keras")
    return network, pictures


def test_bands_from_file_to_gallery_and_cam_that_cannot_be(fresh: Project) -> None:
    network, pictures = make_strangers(fresh.folder)
    (fresh.folder / "bands.yaml").write_text(STUDY)
    done = fresh.snakemake(config="bands.yaml")
    said = (done.stdout + done.stderr).partition("A job failed:")[2].splitlines()
    assert done.returncode == 1 and said and "Traceback" not in done.stderr, done.stdout + done.stderr
    assert said[1].startswith(
        "  gather_cam sat some cam: cams.sat.methods: 'cam' needs a head of global average pooling"
    ), said
    assert "gap_head: {dataset: ...}" in said[1]

    study = fresh.folder / "results/bands"
    for row in read_rows(study / "evaluation/sat/photos.test/predictions.csv"):
        pixels = pictures["/".join(Path(row["path"]).parts[-2:])][..., BANDS]
        answers = network(pixels[None].astype("float32") * 0.001).numpy()[0]
        assert row["predicted"] == "ab"[answers.argmax()]
        assert float(row["confidence"]) == pytest.approx(answers.max(), abs=1e-4)
    with h5py.File(study / "cams/sat/some/gradcam.h5") as file:
        assert file["maps"].shape == (4, 1, 13, 13) and file["maps"][()].max() > 0
        assert "left_out" not in file.attrs
    page = (study / "gallery/index.html").read_text(encoding="utf-8")
    assert "Unfinished: 1 job failed" in page and "global average pooling" in page
    assert list((study / "gallery").glob("images_sat_*.html")) and list((study / "judging/sat/some").iterdir())

    text = STUDY.replace("[gradcam, cam]", "[gradcam]")
    (fresh.folder / "bands.yaml").write_text(text)
    fresh.run(config="bands.yaml")
    assert not fresh.would_run(config="bands.yaml")
    assert "Unfinished" not in (study / "gallery/index.html").read_text(encoding="utf-8")
