"""The jobs themselves, from the network to the report and its page: classes, many labels, numbers."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from convscope.data.rows import ImageRow
from convscope.gallery.evaluated import evaluation as evaluation_of
from convscope.gallery.predictions import prediction_table
from convscope.models import load
from convscope.storage.tables import read_rows, write_table
from tests.completed import model as model_part

ROOT = Path(__file__).parents[3]


def script(name: str, *arguments: object) -> str:
    command = [sys.executable, "-m", "scripts", name, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def brightness(head: str) -> keras.Model:
    """Red and green pixels 0..255: a logit each, or their mean as a number."""
    image = keras.Input((8, 8, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 25.5, offset=-5)(image))
    units, kernel = (1, [[5], [5], [0]]) if head == "regression" else (2, [[1, 0], [0, 1], [0, 0]])
    activation = {"multilabel": "sigmoid", "multiclass": "softmax"}.get(head)
    answer = keras.layers.Dense(units, activation=activation, name="answer")
    model = keras.Model(image, answer(x))
    answer.set_weights([np.array(kernel, np.float32), np.array([50.0] if units == 1 else [0.0, 0.0], np.float32)])
    return model


@pytest.mark.parametrize("head", ["multiclass", "multilabel", "regression"])
def test_every_head_has_an_evaluation_a_report_and_a_page(tmp_path: Path, head: str) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for k in range(24):
        red, green = (int(v) for v in rng.integers(0, 256, 2))
        path = tmp_path / f"{k}.png"
        Image.new("RGB", (8, 8), (red, green, 0)).save(path)
        if k == 3:
            path.write_bytes(b"no picture")
        there = [name for name, level in (("red", red), ("green", green)) if level > 120]
        row = ImageRow("test", there[0] if there else "", -1, str(path), 8, 8, "")
        if head == "multiclass":
            row = ImageRow("test", "red" if red > green else "green", int(red > green), str(path), 8, 8, "")
        if head == "multilabel":
            row = ImageRow("test", row.class_, -1, str(path), 8, 8, "", labels="|".join(there) or "|")
        if head == "regression":
            row = ImageRow("test", "", -1, str(path), 8, 8, "", target=str((red + green) * 100 / 510))
        rows.append(row)
    write_table(tmp_path / "images.csv", rows, ImageRow)
    names = ["level"] if head == "regression" else ["red", "green"]
    network, spec = load.import_network("net", brightness(head), model_part("file", path="x", classes=names))
    assert spec.head == head
    load.save_model(network, tmp_path / "model.keras")
    spec.save(tmp_path / "model.json")
    folder = tmp_path / "evaluation" / "net" / "lights.test"
    folder.mkdir(parents=True)
    said = script(
        "evaluate", "--model", tmp_path / "model.keras", "--spec", tmp_path / "model.json", "--images", tmp_path / "images.csv",
        "--split", "test", "--batch", 10, "--predictions", folder / "predictions.csv", "--scores", folder / "scores.h5",
        "--metrics", folder / "metrics.json", "--log", tmp_path / "log",
    )  # fmt: skip
    assert "1 unreadable" in said or "1 unreadable" in (tmp_path / "log").read_text()
    numbers = json.loads((folder / "metrics.json").read_text())
    assert numbers["images"] == 23 and numbers["unreadable"] == 1
    if head == "regression":
        assert numbers["mae"] < 1e-3 and numbers["pearson"] > 0.9999
    else:
        # Level 127.5 has probability 0.5, and the labels say 120.
        assert numbers["accuracy"] > 0.9
    names = {
        "classes": "classes.csv", "roc-table": "roc.csv", "calibration-table": "calibration.csv", "confusion": "confusion.png",
        "confusion-shares": "confusion_normalised.png", "roc": "roc.png", "calibration": "calibration.png",
        "errors": "most_confident_errors.png", "thumbnails": "thumbnails.jpg", "thumbnails-geometry": "thumbnails.json",
    }  # fmt: skip
    outputs = [part for name, file in names.items() for part in (f"--{name}", folder / file)]
    script(
        "classifier_report", "--predictions", folder / "predictions.csv", "--scores", folder / "scores.h5", "--spec",
        tmp_path / "model.json", "--title", "lights/test", *outputs, "--log", tmp_path / "log",
    )  # fmt: skip
    assert all((folder / file).is_file() for file in names.values())
    assert len(read_rows(folder / "classes.csv")) == len(spec.classes)
    evaluation = evaluation_of(folder)
    assert evaluation.head == ("" if head == "multiclass" else head)
    known, words = evaluation.headline
    expected = {"multiclass": "accuracy", "multilabel": "average_precision", "regression": "mae"}[head]
    assert known == numbers[expected] and words == {
        "average_precision": "mean average precision",
        "mae": "mean absolute error",
    }.get(expected, "accuracy")
    table = prediction_table(folder, tmp_path)
    assert table.total == 23 and table.rows[0].column is not None
    if head == "regression":
        errors = [row.error or 0 for row in table.rows]
        assert errors == sorted(errors, reverse=True) and table.truths == ()
    if head == "multilabel":
        assert {"red, green", "none"} <= set(table.answers) and table.rows[-1].error is not None
