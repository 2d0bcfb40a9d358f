"""A list of paths and labels, a Hugging Face folder and paths with variables, from the config to the tables of an image set."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.storage.tables import read_rows
from tests.workflow.conftest import Project

pytestmark = pytest.mark.slow

STUDY = """
study: lists
datasets:
  list: {source: table, path: $PHOTOS/list.csv, window: [0, 4095]}
  hub: {source: path, path: $PHOTOS/hub}
models: {}
image_sets:
  ill: {dataset: list, split: test, classes: [ill]}
  hub: {dataset: hub, split: train}
"""
TARGETS = [f"results/lists/image_sets/{name}.csv" for name in ("ill", "hub")]


def make_photos(folder: Path) -> None:
    (folder / "hub/train").mkdir(parents=True)
    for number in range(4):
        pixels = np.full((20, 24), 1000 * number, np.uint16)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        Image.fromarray((pixels // 16).astype(np.uint8)).save(folder / "hub/train" / f"{number}", "PNG")
    rows = [
        f"{number}.png,{'well' if number % 2 else 'ill'},{'test' if number > 1 else 'train'}" for number in range(3)
    ]
    (folder / "list.csv").write_text("\n".join(["file,label,split", *rows, "gone.png,ill,test", ""]))
    lines = [json.dumps({"file_name": str(number), "label": "ab"[number % 2]}) for number in range(3)]
    (folder / "hub/train/metadata.jsonl").write_text("\n".join(lines))


def test_lists_become_image_sets_and_rerun_with_what_they_name(fresh: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = fresh.folder / "photos"
    make_photos(photos)
    (fresh.folder / "lists.yaml").write_text(STUDY)
    monkeypatch.delenv("PHOTOS", raising=False)
    done = fresh.snakemake(*TARGETS, config="lists.yaml")
    said = [line for line in done.stderr.splitlines() if line.startswith("config:")]
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert said == [
        "config: lists.yaml, line 4: datasets.list.path: '$PHOTOS/list.csv': the environment's PHOTOS is not set, or empty; "
        "set it, or write the path itself"
    ]
    monkeypatch.setenv("PHOTOS", "photos")
    fresh.run(*TARGETS, config="lists.yaml")
    study = fresh.folder / "results/lists"
    assert [(row["class"], Path(row["path"]).name) for row in read_rows(study / "image_sets/ill.csv")] == [
        ("ill", "2.png")
    ]
    bad = read_rows(study / "datasets/list/bad.csv")
    assert [(Path(row["path"]).name, row["reason"]) for row in bad] == [("gone.png", "no such file")]
    hub = read_rows(study / "image_sets/hub.csv")
    assert [(row["class"], Path(row["path"]).name) for row in hub] == [("a", "0"), ("a", "2"), ("b", "1")]
    skipped = read_rows(study / "datasets/hub/skipped.csv")
    assert [Path(row["path"]).name for row in skipped] == ["3"]
    assert "left out: " in (study / "logs/dataset/hub.log").read_text()
    assert not fresh.would_run(*TARGETS, config="lists.yaml")
    # Another way to write the same path, a picture that no list names, a touch: nothing.
    (fresh.folder / "lists.yaml").write_text(STUDY.replace("$PHOTOS", "photos"))
    Image.new("L", (20, 20)).save(photos / "3.png")
    (photos / "list.csv").touch()
    assert not fresh.would_run(*TARGETS, config="lists.yaml")
    Image.fromarray(np.full((20, 24), 7, np.uint16)).save(photos / "2.png")
    assert fresh.would_run(*TARGETS, config="lists.yaml")
