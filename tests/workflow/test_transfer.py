"""A new head on a saved network's frozen layers, through the whole chain: evaluated, mapped by CAM with its own head, and shown."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tests.workflow.changes.world import write_network
from tests.workflow.conftest import Project

pytestmark = [pytest.mark.slow, pytest.mark.long]

STUDY = """
study: transferred
datasets:
  pets: {source: drawn_pets, image_size: 64, images_per_class: {train: 6, validation: 3, test: 3}}
models:
  net: {source: file, path: net.keras, image_size: 32, classes: [a, b]}
  new: {source: transfer, base: net, dataset: pets, epochs: 2, batch_size: 4, units: 4, fine_tune: {from: conv2, epochs: 2}}
evaluations: {new: [pets/test]}
image_sets: {two: {dataset: pets, split: test, per_class: 1}}
cams: {new: {images: [two], methods: [cam]}}
watching: {new: {images: [two], filters: {layer: conv2, filters: 1, size: 16, steps: 1}}}
"""
NAME = "transferred.yaml"


def weights(path: Path) -> dict[str, list[np.ndarray]]:
    """Name of each layer that has any -> its weights."""
    from convscope.models.load import load_keras

    return {layer.name: layer.get_weights() for layer in load_keras(path).layers if layer.weights}


def test_a_new_head_goes_through_the_whole_chain(fresh: Project) -> None:
    write_network(fresh.folder / "net.keras", 1)
    config = fresh.folder / NAME
    config.write_text(STUDY.replace("base: net", "base: new"))
    done = fresh.snakemake("-n", config=NAME)
    said = [line for line in done.stderr.splitlines() if line.startswith("config:")]
    assert said == [
        f"config: {NAME}, line 7: models.new.base: new -> new is a circle; name a model that does not need this one"
    ]

    config.write_text(STUDY)
    fresh.run(config=NAME)
    study = fresh.folder / "results/transferred"
    before, after = weights(study / "models/net/model.keras"), weights(study / "models/new/model.keras")
    np.testing.assert_array_equal(before["conv1"][0], after["conv1"][0])
    with (study / "models/new/history.csv").open(newline="") as stream:
        assert [row["epoch"] for row in csv.DictReader(stream)] == ["1", "2", "3", "4"]
    with (study / "models/new/heads.csv").open(newline="") as stream:
        heads = [(row["split"], row["head"], row["images"]) for row in csv.DictReader(stream)]
    assert {("validation", "gap", "6"), ("test", "gap", "6"), ("test", "dense", "6")} <= set(heads)
    assert json.loads((study / "cams/new/gap_head.json").read_text())["own_head"] is True
    assert json.loads((study / "models/new/model.json").read_text())["classes"] == ["cat", "dog"]
    page = (study / "gallery/model_new.html").read_text(encoding="utf-8")
    assert 'id="heads"' in page and "curves.png" in page and "It costs no accuracy." in page
    assert not (study / "models/new/state").exists()
    assert 'data-epochs="1 2 3 4"' in (study / "gallery/watching_new_two.html").read_text(encoding="utf-8")

    assert not fresh.would_run(config=NAME)
    write_network(fresh.folder / "net.keras", 2)
    assert fresh.would_run(config=NAME)["transfer_model"] == 1
