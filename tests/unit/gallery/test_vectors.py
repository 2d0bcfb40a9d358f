"""The page of the concepts that a model's classes depend on: what it says, and that names of strangers are words there."""

import dataclasses
import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from convscope.gallery import build_gallery
from convscope.gallery.collect import collect
from convscope.storage import store
from convscope.storage.tables import read_table, write_table
from convscope.vectors.rows import FoundRow, VectorRow
from tests import gallery_fixture as fixture

HOSTILE = "</script><b>ears"
NOTHING = float("nan")


def vector_row(concept: str, verdict: str, sensitivity: float, p: float) -> VectorRow:
    few = verdict == "few"
    values = [NOTHING] * 10 if few else [sensitivity, 0.05, 0.9, 0.5, 0.8, 0.5, 0.001, p, p, 0.1]
    return VectorRow(
        "conv2", fixture.CLASSES[0], concept, "part", verdict, *values, NOTHING if few else 0.01, 20, 8, 0.25, 6
    )


def add_concepts(results: Path, refused: bool = False) -> dict:
    """Write `concepts/convnet/<first set>`; the config that asks for it."""
    folder = results / "concepts" / "convnet" / fixture.SETS[0]
    (folder / "sheets").mkdir(parents=True)
    rows = [
        vector_row("white", "lowers", -0.2, 0.001),
        vector_row("red", "none", 0.02, 1.0),
        vector_row("tail", "few", NOTHING, NOTHING),
        vector_row(HOSTILE, "raises", 0.3, 1e-9),
        vector_row("rough", "not_told", 0.1, NOTHING),
    ]
    write_table(folder / "vectors.csv", rows, VectorRow)
    words = f"looks like {HOSTILE} (IoU 0.30, chance 0.04)"
    found = [
        FoundRow(
            "conv2", fixture.CLASSES[0], k + 1, 1.3 / (k + 1), 0.25, 0.4, words if not k else "nothing that has a name here", "part",
            HOSTILE, 0.3, 0.2, 0.4, 0.04, 6, 6, 54, 0.2, 0.75, 2 - k, 0.958 if not k else 0.7,
        )
        for k in range(0 if refused else 2)
    ]  # fmt: skip
    write_table(folder / "found.csv", found, FoundRow)
    with store.create(
        folder / "concepts.h5", model="convnet", model_digest=fixture.DIGEST, classes=list(fixture.CLASSES)
    ) as file:
        store.write_array(file, "id", [f"img_{k}" for k in range(8)], ("image",), dtype=store.TEXT)
        store.write_array(file, "layer", ["conv2"], ("layer",), dtype=store.TEXT)
        group = file.create_group("layers/0000")
        if refused:
            group.attrs["refused"] = "it answers with numbers below 0"
    for row in found:
        for kind in ("crops", "maps"):
            fixture.picture(folder / "sheets" / f"0000.00000.{row.number:02d}.{kind}.jpg", 60, 90, 3)
    fixture.picture(folder / "vectors.png", 60, 90, 3)
    return fixture.CONFIG | {"concepts": {"convnet": {"images": [fixture.SETS[0]]}}}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return fixture.make_results(tmp_path)


def test_what_it_reads(results: Path) -> None:
    (found,) = collect(results, add_concepts(results)).models[0].vectors
    (one,) = found.classes
    assert [bar.row.verdict for bar in one.bars] == ["raises", "lowers", "none", "not_told", "few"]
    assert one.raising == [HOSTILE] and one.lowering == ["white"] and found.counted == 2 and found.tested == 3
    longest, lowers = one.bars[:2]
    assert (longest.left, longest.width) == (50, 50) and lowers.left + lowers.width == pytest.approx(50)
    assert longest.chance == pytest.approx(4 * 0.05 / 0.6 * 100, abs=0.01), "four deviations of the whole width"
    assert [concept.row.number for concept in one.found] == [1, 2] and one.same == 0.75
    assert [concept.share for concept in one.found] == [100, 50] and all(concept.crops for concept in one.found)


def test_the_page_and_the_table_beside_it(results: Path) -> None:
    build_gallery(results, add_concepts(results), results / "gallery" / "index.html")
    (place,) = (results / "gallery").glob("concepts_*.html")
    page = place.read_text(encoding="utf-8")
    assert "<b>ears" not in page and "&lt;b&gt;ears" in page
    assert (
        "Of 3 tests of a concept and a class 2 show" in page
        and "&lt; 0.0001" in page
        and "not told from random" in page
    )
    assert "importance 1.30 ± 0.25;" in page and "130" not in page and "may sum to more than 1" in page
    assert page.count("much like concept") == 1 and "0.4; much like concept 2 (cosine 0.96)</p>" in page
    assert "nan" not in page.lower().replace("inference", "")
    model = next((results / "gallery").glob("model_convnet*.html")).read_text(encoding="utf-8")
    assert place.name in model and "less with white" in model
    table = json.loads((results / "gallery" / "data" / f"{place.stem}.json").read_text(encoding="utf-8"))
    assert table["rows"] == 7 and table["columns"]["found"] == [False] * 5 + [True] * 2
    assert table["columns"]["class"] == [fixture.CLASSES[0]] * 7 and np.isclose(table["columns"]["importance"][5], 1.3)


def test_of_numbers_no_picture_keeps_a_class(results: Path) -> None:
    config = add_concepts(results)
    table = results / "concepts" / "convnet" / fixture.SETS[0] / "found.csv"
    rows = [dataclasses.replace(row, same=NOTHING) for row in read_table(table, FoundRow)]
    write_table(table, rows, FoundRow)
    build_gallery(results, config, results / "gallery" / "index.html")
    (place,) = (results / "gallery").glob("concepts_*.html")
    page = place.read_text(encoding="utf-8")
    assert "54 crops of 6 pictures.</p>" in page and "With these concepts alone" not in page


def test_how_many_pictures_keep_their_class_is_said_of_those_that_were_asked(results: Path) -> None:
    config = add_concepts(results)
    table = results / "concepts" / "convnet" / fixture.SETS[0] / "found.csv"
    rows = [dataclasses.replace(row, asked=4) for row in read_table(table, FoundRow)]
    write_table(table, rows, FoundRow)
    build_gallery(results, config, results / "gallery" / "index.html")
    (place,) = (results / "gallery").glob("concepts_*.html")
    page = place.read_text(encoding="utf-8")
    assert "54 crops of 6 pictures." in page and "of the 4 pictures that were tried are still taken for" in page


def test_a_found_concept_without_a_pattern_beside_one_that_has_one(results: Path) -> None:
    config = add_concepts(results)
    sheets = results / "concepts" / "convnet" / fixture.SETS[0] / "sheets"
    said = "No pattern: none was found that the layer answers with as much of it as to these pictures."

    def page() -> str:
        build_gallery(results, config, results / "gallery" / "index.html")
        (place,) = (results / "gallery").glob("concepts_*.html")
        return place.read_text(encoding="utf-8")

    assert said not in page()  # where none was asked for nothing is amiss
    fixture.picture(sheets / "0000.00000.01.pattern.jpg", 60, 60, 3)
    assert page().count(said) == 1 and page().count("answers with much of concept") == 1


def test_of_a_layer_that_was_not_ascended_no_pattern_is_said_to_fail(results: Path) -> None:
    config = add_concepts(results)
    folder = results / "concepts" / "convnet" / fixture.SETS[0]
    rows = read_table(folder / "found.csv", FoundRow)
    write_table(folder / "found.csv", [rows[0], dataclasses.replace(rows[0], layer="conv1")], FoundRow)
    with h5py.File(folder / "concepts.h5", "a") as file:
        del file["layer"]
        store.write_array(file, "layer", ["conv2", "conv1"], ("layer",), dtype=store.TEXT)
        file.create_group("layers/0001")
    fixture.picture(folder / "sheets" / "0000.00000.01.pattern.jpg", 60, 60, 3)
    build_gallery(results, config, results / "gallery" / "index.html")
    (place,) = (results / "gallery").glob("concepts_*.html")
    assert "No pattern" not in place.read_text("utf-8")


def test_what_was_refused_is_said(results: Path) -> None:
    build_gallery(results, add_concepts(results, refused=True), results / "gallery" / "index.html")
    (place,) = (results / "gallery").glob("concepts_*.html")
    assert "At conv2 no concepts are found without labels: it answers with numbers below 0" in place.read_text("utf-8")
