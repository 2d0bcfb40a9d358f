"""Classifiers that people published: the numbers of the library that saved them, and the whole chain (`make test-wild WILD=folder`).

The folder holds the files, `pictures/` and `expected.json`: for each file which Keras wrote it, size and channels of its input,
`scale` and `offset` from 0..255 to what it takes, and its outputs for four pictures.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from convscope.models.load import import_model
from convscope.models.names import layers_of
from convscope.models.settings import model_settings
from convscope.pictures.read import load_images
from tests.conftest import ROOT

WILD = Path(os.environ.get("WILD") or Path(os.environ.get("CONVSCOPE_SHARED", ROOT.parent / "shared")) / "wild")
EXPECTED: dict[str, Any] = {}
if (WILD / "expected.json").is_file():
    EXPECTED = json.loads((WILD / "expected.json").read_text(encoding="utf-8"))
pytestmark = pytest.mark.skipif(
    not EXPECTED, reason=f"no expected.json in {WILD}; name the folder: make test-wild WILD=folder"
)
# The outputs are rounded to six digits.
CLOSE = 1e-3


def part_of(name: str) -> dict[str, Any]:
    """A model's part of a study: its size and its depth are left to the file."""
    about = EXPECTED[name]
    return {
        "source": "file",
        "path": str(WILD / name),
        "preprocessing": {"scale": about["scale"], "offset": about["offset"]},
    }


def as_answered(spec: Any, scores: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Scores as the original answers: probabilities where it gives those, one column where it has one unit."""
    ends_in_probabilities = outputs.min() >= 0 and outputs.max() <= 1
    if not ends_in_probabilities or not spec.is_classifier:
        return scores
    found = spec.probabilities(scores)
    return found[:, 1:] if outputs.shape[1] == 1 else found


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_numbers(name: str) -> None:
    about = EXPECTED[name]
    network, spec = import_model("m", model_settings(part_of(name), lambda file: ""))
    assert spec.input_size == tuple(about["size"]) and spec.depth == about["channels"]
    paths = [WILD / "pictures" / picture for picture in about["pictures"]]
    pixels = np.stack([np.asarray(Image.open(path)).reshape(*about["size"], about["channels"]) for path in paths])
    read = np.stack(list(load_images(paths, spec.input_size, spec.resize, channels=spec.reads)))
    np.testing.assert_array_equal(read.reshape(pixels.shape), pixels, err_msg="the pictures are read as they are")
    outputs = np.array(about["outputs"])
    found = as_answered(spec, network(spec.preprocess(pixels), training=False).numpy(), outputs)
    np.testing.assert_allclose(found, outputs, atol=CLOSE)


def study_of(name: str) -> dict[str, Any]:
    """One layer of filter patterns, all layers' activations, and the three explanations."""
    part = part_of(name)
    convolutions = [layer.name for layer in layers_of(part) or [] if layer.role == "conv"]
    return {
        "study": "wild",
        "models": {"net": part},
        "image_sets": {"four": {"files": [str(WILD / "pictures" / picture) for picture in EXPECTED[name]["pictures"]]}},
        "activations": {"net": {"images": ["four"], "sheets": 1}},
        "filters": {"net": {"layers": convolutions[:1], "filters": 4, "steps": 8}},
        "cams": {"net": {"images": ["four"]}},
        "attributions": {"net": {"images": ["four"], "methods": ["saliency", "guided_backprop"]}},
    }


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_whole_chain(name: str, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study_of(name)), encoding="utf-8")
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }
    command = ["snakemake", "--snakefile", str(ROOT / "Snakefile"), "--configfile", "study.yaml", "--cores", "2"]
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    results = tmp_path / "results" / "wild"
    if keep := os.environ.get("WILD_RESULTS"):
        shutil.copytree(tmp_path / "results", Path(keep) / Path(name).stem, dirs_exist_ok=True)
    assert (tmp_path / "results" / "index.html").is_file()
    for picture in ("activations/net/four/sheets", "cams/net/four/gradcam/overlays"):
        assert [path for path in (results / picture).rglob("*") if path.suffix in (".jpg", ".png")], picture
    for method in ("saliency", "guided_backprop"):
        assert list((results / "attributions/net/four" / method / "maps").rglob("*.png")), method
    assert list((results / "filters/net").rglob("filters_for_layer_*.png"))
    _check_probabilities(name, results)


def _check_probabilities(name: str, results: Path) -> None:
    """What the tables of the chain say of the class that each picture is explained for."""
    outputs = np.array(EXPECTED[name]["outputs"])
    if outputs.min() < 0 or outputs.max() > 1:
        exponents = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        outputs = exponents / exponents.sum(axis=1, keepdims=True)
    if outputs.shape[1] == 1:
        outputs = np.concatenate([1 - outputs, outputs], axis=1)
    with (results / "cams/net/four/gradcam.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(outputs)
    for row, expected in zip(rows, outputs, strict=True):
        assert abs(float(row["confidence"]) - expected.max()) < CLOSE, row
