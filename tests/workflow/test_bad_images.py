"""Pictures that are not right: read, or listed with the reason; the run goes on, or stops at the start if asked to."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.workflow.conftest import Project

pytestmark = pytest.mark.slow

STUDY = """
study: photos
datasets:
  mine: {source: path, path: photos, on_bad_image: LIST}
models: {}
image_sets:
  set: {dataset: mine, split: all}
  folder: {folder: photos/cat}
"""
# What a damaged file may do to a decoder, done to the process that looks at pictures.
CRASH = """
import os, signal, sys
if "convscope.pictures.apart" in " ".join(sys.orig_argv):
    import PIL.Image
    plain = PIL.Image.open
    def opened(stream, **more):
        if b"CRASH" in stream.read():
            os.kill(os.getpid(), signal.SIGSEGV)
        stream.seek(0)
        return plain(stream, **more)
    PIL.Image.open = opened
"""
TARGETS = [f"results/photos/image_sets/{name}.csv" for name in ("set", "folder")]
BAD = {"empty.jpg", "text.jpg", "truncated.jpg"}


def make_photos(folder: Path) -> None:
    noise = np.random.default_rng(1)
    pixels = noise.integers(0, 256, (48, 64, 3), np.uint8)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        Image.fromarray(pixels).save(folder / name / "good.jpg")
    cat = folder / "cat"
    whole = (cat / "good.jpg").read_bytes()
    (cat / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (cat / "empty.jpg").write_bytes(b"")
    (cat / "text.jpg").write_text("not a picture\n")
    Image.fromarray(pixels).convert("CMYK").save(cat / "cmyk.jpg")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(cat / "sixteen.png")
    Image.fromarray(np.dstack([pixels, pixels[..., :1]])).save(cat / "alpha.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    Image.fromarray(pixels).save(cat / "rotated.jpg", exif=exif)


@pytest.fixture
def photos(fresh: Project) -> Project:
    make_photos(fresh.folder / "photos")
    return fresh


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_listed_with_the_reason_and_the_run_goes_on(photos: Project) -> None:
    (photos.folder / "photos.yaml").write_text(STUDY.replace("LIST", "list"))
    photos.run(*TARGETS, config="photos.yaml")
    results = photos.folder / "results/photos"
    bad = rows(results / "datasets/mine/bad.csv")
    assert {Path(row["path"]).name for row in bad} == BAD
    assert all(row["reason"] and "\n" not in row["reason"] for row in bad)
    assert len({row["reason"] for row in bad}) > 1
    read = {Path(row["path"]).name: row for row in rows(results / "datasets/mine/images.csv") if row["class"] == "cat"}
    assert set(read) == {"good.jpg", "cmyk.jpg", "sixteen.png", "alpha.png", "rotated.jpg"}
    assert (read["rotated.jpg"]["width"], read["rotated.jpg"]["height"]) == ("48", "64")
    assert json.loads((results / "datasets/mine/classes.json").read_text())["classes"] == ["cat", "dog"]
    for name, good in (("set", 6), ("folder", 5)):
        assert len(rows(results / f"image_sets/{name}.csv")) == good
        assert {Path(row["path"]).name for row in rows(results / f"image_sets/{name}.bad.csv")} == BAD


def test_on_bad_image_fail_stops_with_one_line(photos: Project) -> None:
    (photos.folder / "photos.yaml").write_text(STUDY.replace("LIST", "fail"))
    done = photos.snakemake(*TARGETS, config="photos.yaml")
    assert done.returncode == 1
    errors = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("dataset: error:")]
    assert len(errors) == 1, done.stderr
    assert any(name in errors[0] for name in BAD)
    assert "Traceback" not in done.stderr
    assert not (photos.folder / "results/photos/datasets/mine/images.csv").exists()


def test_a_picture_that_ends_its_reader_is_bad_and_the_others_are_read(photos: Project) -> None:
    (photos.folder / "photos.yaml").write_text(STUDY.replace("LIST", "list"))
    (photos.folder / "sitecustomize.py").write_text(CRASH)
    cat = photos.folder / "photos" / "cat"
    for name in ("a.jpg", "z.jpg"):
        (cat / name).write_bytes((cat / "good.jpg").read_bytes() + b"CRASH")
    photos.run(*TARGETS, config="photos.yaml")
    results = photos.folder / "results/photos"
    for table in ("datasets/mine/bad.csv", "image_sets/folder.bad.csv"):
        reasons = {Path(row["path"]).name: row["reason"] for row in rows(results / table)}
        assert set(reasons) == BAD | {"a.jpg", "z.jpg"}
        assert reasons["a.jpg"] == reasons["z.jpg"] == "damaged: its reader crashed on it (SIGSEGV)"
    assert len(rows(results / "datasets/mine/images.csv")) == 6
