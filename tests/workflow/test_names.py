"""Names that strangers chose, of pictures, classes and layers, from file to gallery: text in a shell, in tables, on pages."""

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from PIL import Image

from convscope.storage.tables import read_rows
from tests.workflow.conftest import Project

pytestmark = pytest.mark.slow

CLASSES = [
    "-rf",
    "$(touch PWNED)",
    "`touch PWNED`",
    "'; touch PWNED; '",
    "{wildcards.model}{input}{0}",
    "%s%n%(x)s",
    "=cmd|' C'!A1",
    "@SUM(1)",
    "\tx",
    "a\nb\rc",
    "<img src=x onerror=alert(1)>",
    "\"><script>alert('x')<!--",
    "&lt;b&gt;&amp;",
    "\u202egnp.exe",
    "猫 ä ́",
    "l" * 255,
]
PICTURES = ["=1+1.png", "-x\n.png", "<b>'\"&$(touch PWNED)`{x}.png", "\u202e" + "n" * 248 + ".png"]
LAYERS = ["..", "-rf", "con", "a>b.c", "CON"]

STUDY = """
study: names
title: "<script>alert('title')</script> $(touch PWNED) {input}"
datasets:
  photos: {source: path, path: "pho tos'$(touch PWNED)", splits: {test: .}}
  raw: {source: path, path: "-raw"}
models:
  net: {source: file, path: "ne t'`touch PWNED`.keras", classes: CLASSES, image_size: 32}
evaluations:
  net: [photos/test]
image_sets:
  there: {folder: "pho tos'$(touch PWNED)/-rf"}
activations:
  net: {images: [there], layers: LAYERS, sheets: 1}
cams:
  net: {images: [there], methods: [gradcam], class: predicted}
filters:
  net: {layers: ["-rf", ".."], filters: 1, size: 32, steps: 2}
"""


class Tags(HTMLParser):
    """Every tag and attribute of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.scripts: list[str] = []
        self.inside = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}
        self.inside = tag == "script"

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.scripts.append(data)
            self.inside = False


def make_strangers(folder: Path) -> None:
    place = folder / "pho tos'$(touch PWNED)"
    noise = np.random.default_rng(0)
    for name in CLASSES:
        (place / name).mkdir(parents=True)
        for picture in PICTURES:
            Image.fromarray(noise.integers(0, 256, (32, 32, 3), np.uint8)).save(place / name / "a.png")
            (place / name / "a.png").rename(place / name / picture)
    # A name that is no text: no config can name it.
    for name in ("caf\udce9", "b"):
        (folder / "-raw" / name).mkdir(parents=True)
        Image.fromarray(noise.integers(0, 256, (32, 32, 3), np.uint8)).save(
            folder / "-raw" / name / "1\udcff.png", "PNG"
        )
    keras.utils.set_random_seed(1)
    x = image = keras.Input((32, 32, 3), name="image")
    for name in LAYERS:
        x = keras.layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name=name)(x)
    answers = keras.layers.Dense(len(CLASSES), activation="softmax")(keras.layers.GlobalAveragePooling2D()(x))
    keras.Model(image, answers).save(folder / "m.keras")
    (folder / "m.keras").rename(folder / "ne t'`touch PWNED`.keras")


def study() -> str:
    classes = json.dumps(sorted(CLASSES))  # JSON is YAML
    return STUDY.replace("CLASSES", classes).replace("LAYERS", json.dumps(LAYERS))


def test_names_stay_names(fresh: Project) -> None:
    make_strangers(fresh.folder)
    (fresh.folder / "names.yaml").write_text(study(), encoding="utf-8")
    fresh.run(config="names.yaml")
    assert not list(fresh.folder.rglob("PWNED"))
    made = [path.relative_to(fresh.folder) for path in (fresh.folder / "results").rglob("*")]
    assert not [path for path in made if re.search(r"[^\w./+(),=@>-]", str(path))]  # > is part of a layer's name
    results = fresh.folder / "results/names"
    tables = [path for path in results.rglob("*.csv") if "benchmarks" not in path.parts]
    assert len(tables) > 5
    for table in tables:
        with table.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
            for cells in csv.reader(stream):
                runs = [cell for cell in cells if re.match(r"[=+\-@\t\r]", cell) and not _is_number(cell)]
                assert not runs, (table, runs)
    rows = read_rows(results / "datasets/photos/images.csv")
    assert {row["class"] for row in rows} == set(CLASSES) and len(rows) == len(CLASSES) * len(PICTURES)
    assert all(Path(row["path"]).name in PICTURES for row in rows)
    with h5py.File(next((results / "activations").rglob("*.h5"))) as file:
        assert file.attrs
    pages = list((results / "gallery").rglob("*.html"))
    assert pages
    for page in pages:
        read = Tags()
        text = page.read_text(encoding="utf-8")
        read.feed(text)
        assert not any("alert" in script for script in read.scripts), page
        assert not {name for name in read.attributes if name.startswith("on")}, page
        assert "b" not in read.tags and "<img src=x" not in text, page


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
