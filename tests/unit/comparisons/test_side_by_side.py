"""Sheets of several models' heatmaps and patterns, of files whose content is known."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convscope.comparisons import side_by_side
from convscope.comparisons.side_by_side import heatmap_sheet, pattern_sheet
from convscope.errors import UserError
from convscope.storage import store

SIDE = 48


def maps_file(path: Path, ids: list[str], photos: Path, targets: list[list[int]], predicted: list[int]) -> Path:
    """Maps that are hot in one quarter: the first for target 0, the last for target 1; empty where there is no target."""
    heat = np.zeros((2, 4, 4), np.float32)
    heat[0, :2, :2], heat[1, 2:, 2:] = 1, 1
    count = len(ids)
    with store.create(
        path, classes=["cat", "dog"], head="binary", input_size=[SIDE, SIDE], resize="crop", channels="rgb"
    ) as file:
        store.write_array(file, "id", ids, ["image"])
        store.write_array(file, "path", [str(photos / f"{name}.png") for name in ids], ["image"])
        store.write_array(file, "sha256", [""] * count, ["image"])
        store.write_array(file, "label", np.zeros(count, int), ["image"])
        store.write_array(file, "predicted", np.array(predicted), ["image"])
        store.write_array(file, "probabilities", np.eye(2)[predicted] * 0.6 + 0.2, ["image", "class"])
        store.write_array(file, "targets", np.array(targets), ["image", "target"])
        store.write_array(
            file, "maps", np.array([[heat[t] for t in row] for row in targets]), ["image", "target", "height", "width"]
        )
        store.write_array(file, "empty", np.zeros((count, len(targets[0])), bool), ["image", "target"])
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in "abcd":
        Image.new("RGB", (SIDE, SIDE), (90, 90, 90)).save(tmp_path / f"{name}.png")
    return tmp_path


def captions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    inner = side_by_side.contact_sheet

    def listening(cells: Any, columns: int, cell: Any, words: list[str], **options: Any) -> Any:
        said.extend([str(columns), *words])
        return inner(cells, columns, cell, words, **options)

    monkeypatch.setattr(side_by_side, "contact_sheet", listening)
    return said


def test_each_model_is_shown_for_the_class_that_it_predicts(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = captions(monkeypatch)
    one = maps_file(photos / "one.h5", ["a", "b"], photos, [[0], [0]], [0, 0])
    # Every class has a map here; one picture is another's.
    other = maps_file(photos / "other.h5", ["b", "c"], photos, [[0, 1], [0, 1]], [1, 0])
    sheet = heatmap_sheet({"plain": one, "mini": other}, "jet")
    assert said == ["3", "cat", "plain\ncat 80%, right", "mini\ndog 80%, wrong"], "of the picture that both have"
    cell = (sheet.shape[1] - 4 * 8) // 3
    photo, first, second = (sheet[8 : 8 + cell, 8 + i * (cell + 8) :][:, :cell].astype(int) for i in range(3))
    quarter = cell // 4
    redder = [picture[..., 0] - picture[..., 2] for picture in (photo, first, second)]
    assert abs(redder[0]).max() == 0
    assert redder[1][:quarter, :quarter].min() > 20 > 0 > redder[1][-quarter:, -quarter:].max()
    assert redder[2][-quarter:, -quarter:].min() > 20 > 0 > redder[2][:quarter, :quarter].max()


def test_no_picture_in_common_is_told(photos: Path) -> None:
    one = maps_file(photos / "one.h5", ["a"], photos, [[0]], [0])
    other = maps_file(photos / "other.h5", ["b"], photos, [[0]], [0])
    with pytest.raises(UserError, match="no picture in common"):
        heatmap_sheet({"one": one, "other": other}, "jet")


def patterns_file(path: Path, layer: str, count: int, dead: list[int]) -> Path:
    settings = json.dumps({"crop": 2, "parameterisation": "pixels"})
    with store.create(path, model="m", layer=layer, settings=settings, channels="rgb") as file:
        store.write_array(file, "patterns", np.random.default_rng(0).normal(size=(count, 24, 24, 3)), list("nhwc"))
        store.write_array(file, "dead", np.isin(np.arange(count), dead), ["filter"])
    return path


def test_patterns_by_depth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = captions(monkeypatch)
    plain = [patterns_file(tmp_path / f"p{i}.h5", f"block{i}_conv1", 6, [1] * i) for i in range(2)]
    mini = [patterns_file(tmp_path / f"m{i}.h5", f"block{i}_sepconv1", 3, []) for i in range(2)]
    sheet = pattern_sheet({"plain": plain, "mini": mini})
    assert said == [
        "2", "plain\nblock0_conv1", "mini\nblock0_sepconv1", "plain\nblock1_conv1, 1 dead", "mini\nblock1_sepconv1",
    ]  # fmt: skip
    assert sheet.shape[1] == 2 * 150 + 3 * 8
