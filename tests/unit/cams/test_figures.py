"""From the store of class activation maps to overlays, sheets and table: every target, empty maps, shared scale."""

import argparse
import csv
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from convscope.cams.figures import CamFigures
from convscope.cams.mapper import ClassMaps
from convscope.cams.store import write_maps
from convscope.storage import store
from convscope.storage.files import sha256_of
from convscope.storage.tables import write_table
from scripts import overlays


def stored(folder: Path, batch: int = 2) -> tuple[Path, list[str]]:
    """Three wide pictures, two targets each; the second target of the first picture has nothing above 0."""
    rng = np.random.default_rng(0)
    paths = []
    for index in range(3):
        paths.append(str(folder / f"{index}.png"))
        Image.fromarray(rng.integers(0, 255, (20, 30, 3), dtype=np.uint8)).save(paths[-1])
    maps = rng.uniform(0, 1, (3, 2, 3, 3)).astype(np.float32) * np.array([1, 2, 4]).reshape(3, 1, 1, 1)
    maps[0, 1] = -1
    parts = [
        ClassMaps(
            maps={"cam": maps[i : i + batch], "eigen_cam": np.abs(maps[i : i + batch])},
            targets=np.tile([0, 1], (len(maps[i : i + batch]), 1)),
            scores=np.array([[1.5, -1.5], [2, -2], [-3, 3]], np.float32)[i : i + batch],
            probabilities=np.array([[0.8, 0.2], [0.9, 0.1], [0.1, 0.9]], np.float32)[i : i + batch],
            predicted=np.array([0, 0, 1])[i : i + batch],
        )
        for i in range(0, 3, batch)
    ]
    facts = {"model": "net", "layer": "conv", "class": "all", "classes": ["a cat", "dog"], "input_size": (16, 24)}
    with store.create(folder / "shard.h5", resize="crop", **facts) as file:
        store.write_array(file, "id", ["x", "y", "z"], ("image",))
        store.write_array(file, "path", paths, ("image",))
        store.write_array(file, "sha256", [sha256_of(path)[:16] for path in paths], ("image",))
        store.write_array(file, "label", np.array([0, 1, -1]), ("image",))
        write_maps(file, parts, 3, ["cam", "eigen_cam"], 2)
    for method in ("cam", "eigen_cam"):
        store.concatenate([folder / "shard.h5"], folder / f"{method}.h5", "image", virtual=False, part=method)
    return folder, paths


def drawn(folder: Path, method: str, scale: str = "image", threads: int = 1) -> list[dict[str, str]]:
    with store.open_file(folder / f"{method}.h5") as file:
        rows = CamFigures(file, method, "jet", scale).draw(folder / method, lambda: None, threads)
    write_table(folder / f"{method}.csv", rows, CamFigures.COLUMNS)
    with (folder / f"{method}.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_every_target_has_a_row_and_a_picture(tmp_path: Path) -> None:
    rows = drawn(stored(tmp_path)[0], "cam")
    assert [(row["id"], row["target"], row["score"]) for row in rows[:2]] == [
        ("x", "a cat", "1.5"),
        ("x", "dog", "-1.5"),
    ]
    assert [row["id"] for row in rows] == ["x", "x", "y", "y", "z", "z"]
    assert [row["empty"] for row in rows] == ["false", "true", "false", "false", "false", "false"]
    assert [row["correct"] for row in rows[::2]] == ["true", "false", ""]
    assert len({row["overlay"] for row in rows}) == 6
    for row in rows:
        assert Image.open(tmp_path / row["overlay"]).size == (168, 112), "enlarged by a whole factor"
    assert rows[0]["overlay"] == "cam/overlays/x_a-cat_1.50.jpg"


@pytest.mark.parametrize("head", ["multilabel", ""])
def test_the_table_tells_the_truth_of_labels(tmp_path: Path, head: str) -> None:
    """Of classes the dataset's own word for it; of many labels all, which the image set's column of one class does not hold."""
    stored(tmp_path)
    if head:
        with h5py.File(tmp_path / "cam.h5", "a") as file:
            file.attrs["head"] = head
            store.write_array(file, "truth", ["a cat|dog", "|", ""], ("image",), dtype=store.TEXT)
    images = [{"id": name, "class": word} for name, word in (("x", "Katze"), ("y", ""), ("z", ""))]
    write_table(tmp_path / "images.csv", images, ("id", "class"))
    overlays.main(
        argparse.Namespace(
            settings='{"colormap": "jet", "scale": "image"}',
            maps=tmp_path / "cam.h5",
            method="cam",
            images=tmp_path / "images.csv",
            out=tmp_path / "cam",
            sheet=tmp_path / "sheet.png",
            table=tmp_path / "cam.csv",
            threads=1,
        )
    )
    with (tmp_path / "cam.csv").open() as stream:
        told = [row["class"] for row in csv.DictReader(stream)][::2]
    assert told == (["a cat, dog", "none", ""] if head else ["Katze", "", ""])


def test_an_empty_map_is_a_dark_picture_not_a_blue_one(tmp_path: Path) -> None:
    rows = drawn(stored(tmp_path)[0], "cam")
    photo, shown = (np.asarray(Image.open(tmp_path / rows[1][key]), float) for key in ("thumbnail", "overlay"))
    np.testing.assert_allclose(shown.mean(axis=(0, 1)), 0.6 * photo.mean(axis=(0, 1)), atol=3)


def test_a_method_without_classes_is_drawn_once_an_image(tmp_path: Path) -> None:
    rows = drawn(stored(tmp_path)[0], "eigen_cam")
    assert [row["id"] for row in rows] == ["x", "y", "z"]
    assert {row["target"] for row in rows} == {""} == {row["score"] for row in rows}


def test_a_shared_scale_is_the_largest_of_all(tmp_path: Path) -> None:
    """Of the last picture's maps one holds the set's largest value: it alone looks the same on both scales."""
    folder, _ = stored(tmp_path)
    own = [np.asarray(Image.open(tmp_path / row["overlay"]), float) for row in drawn(folder, "cam")]
    shared = [np.asarray(Image.open(tmp_path / row["overlay"]), float) for row in drawn(folder, "cam", "set")]
    same = [bool((a == b).all()) for a, b in zip(own, shared, strict=True)]
    with store.open_file(folder / "cam.h5") as file:
        tops = file["maps"][()].max(axis=(2, 3)).ravel()
    assert same == [bool(top == tops.max()) or top <= 0 for top in tops]


@pytest.mark.parametrize("batch", [1, 3])
def test_threads_and_batches_change_no_byte(tmp_path: Path, batch: int) -> None:
    for name, size, threads in (("one", 2, 1), ("two", batch, 3)):
        (tmp_path / name).mkdir()
        drawn(stored(tmp_path / name, size)[0], "cam", threads=threads)
    for path in sorted((tmp_path / "one" / "cam").rglob("*.*g")):
        other = tmp_path / "two" / path.relative_to(tmp_path / "one")
        assert path.read_bytes() == other.read_bytes()


def test_an_empty_set_has_an_empty_store_a_sheet_and_no_row(tmp_path: Path) -> None:
    facts = {"model": "net", "layer": "conv", "class": "all", "classes": ["a", "b"], "input_size": (16, 24)}
    with store.create(tmp_path / "shard.h5", resize="crop", **facts) as file:
        for name in ("id", "path", "sha256"):
            store.write_array(file, name, [], ("image",), dtype=store.TEXT)
        store.write_array(file, "label", np.zeros(0, np.int64), ("image",))
        write_maps(file, [], 0, ["cam"], 2)
    store.concatenate([tmp_path / "shard.h5"], tmp_path / "cam.h5", "image", virtual=False, part="cam")
    assert drawn(tmp_path, "cam") == []
    assert (tmp_path / "cam" / "sheet_000.png").is_file()
    with store.open_file(tmp_path / "cam.h5") as file:
        assert file["maps"].shape == (0, 1, 1, 1) and file["probabilities"].shape == (0, 2)
