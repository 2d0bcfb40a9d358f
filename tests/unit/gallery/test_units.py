"""The page of a model's units: what it reads, what it says, and what lies beside it."""

import json
from pathlib import Path

import pytest

from convscope.gallery import build_gallery
from convscope.gallery.collect import collect
from convscope.gallery.unfinished import Unfinished
from convscope.gallery.units import _highest
from tests import gallery_fixture as fixture
from tests import units_fixture


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return fixture.make_results(tmp_path)


def test_what_it_reads(results: Path) -> None:
    study = collect(results, units_fixture.add_units(results))
    (found,) = study.models[0].units
    assert found.count == 29 and found.detectors == 3 and found.dead == 2 and found.images == 8
    assert found.found == [(units_fixture.HOSTILE, 3)]
    assert [(layer.name, layer.row, layer.units, layer.first) for layer in found.layers] == [
        ("conv1", 0, 17, 0),
        ("conv2", 17, 12, 17),
    ]
    assert found.columns["layer"] == [0] * 17 + [1] * 12 and found.columns["unit"][17:] == list(range(12))
    assert found.columns["iou"][:4] == [0.2, 0.21, 0.22, None] and found.columns["ratio"][1] == 1e9
    # Patterns of the grid of conv1 lie where the grid's own text says.
    grid = study.models[0].shown_layers[0].grid
    assert grid is not None
    one = grid.patterns[1]
    assert found.columns["patterns"][one.filter] == [[0, one.left, one.top, int(one.dead)]]
    assert all(len(told) <= 5 for told in found.columns["told"])


def test_the_page_and_the_table_beside_it(results: Path) -> None:
    build_gallery(results, units_fixture.add_units(results), results / "gallery" / "index.html")
    (place,) = (results / "gallery").glob("units_*.html")
    page = place.read_text(encoding="utf-8")
    assert "29 units" in page and "<b>eyes" not in page and "&lt;b&gt;eyes" in page
    table = json.loads((results / "gallery" / "data" / f"{place.stem}.json").read_text(encoding="utf-8"))
    assert table["rows"] == 29 and len(table["columns"]["words"]) == 29
    about = table["about"]
    assert about["layers"][0]["crops"].endswith("crops/0000/conv1") and about["labels"] == fixture.CLASSES
    sheet = results / "gallery" / f"{about['layers'][0]['crops'].replace('%20', ' ')}.00008.jpg"
    assert sheet.is_file()
    scripts = [path.read_text(encoding="utf-8") for path in (results / "gallery" / "data").glob(f"{place.stem}*.js")]
    assert scripts and all("</script>" not in text for text in scripts)
    model = next((results / "gallery").glob("model_convnet.html")).read_text(encoding="utf-8")
    assert place.name in model and "3 of 29 units detect a concept" in model


def test_which_patterns_to_believe_is_told_where_it_was_measured(results: Path) -> None:
    config = units_fixture.add_units(results)
    units_fixture.add_measured(results)
    (found,) = collect(results, config).models[0].units
    assert found.columns["trust"][:4] == ["yes", "no", "yes", "no"] and found.columns["trust"][17] is None
    place, trust, words, alike = found.columns["measured"][1][0]
    assert (place, trust, alike) == (0, "no", [0.25, None]) and "of what it does to the best real picture" in words
    # Under the pattern of a unit that the normalisation turns round, and under no other one.
    said = ["shows what silences the unit" in entry[0][2] for entry in found.columns["measured"][:17]]
    assert said == [unit == 1 for unit in range(17)]
    assert found.columns["way"][1] == [[0.5, 0.5], [0.0, 0.0]] and found.columns["way"][17] is None
    assert found.ways["conv1"] == [units_fixture.HOSTILE, "conv1"]
    build_gallery(results, config, results / "gallery" / "index.html")
    (place,) = (results / "gallery").glob("units_*.html")
    page = place.read_text(encoding="utf-8")
    assert "Which patterns to believe" in page and "patterns.csv" in page
    # Without patterns nothing is said of them.
    (plain,) = collect(results, config | {"filters": {}}).models[0].units
    assert set(plain.columns["trust"]) == {None} and plain.patterns is None


def test_the_same_results_give_the_same_bytes_and_what_is_not_asked_for_any_more_goes(results: Path) -> None:
    config, out = units_fixture.add_units(results), results / "gallery" / "index.html"

    def built(config: dict) -> dict[str, bytes]:  # type: ignore[type-arg]
        build_gallery(results, config, out)
        return {path.name: path.read_bytes() for path in out.parent.rglob("units_*")}

    first = built(config)
    assert first and built(config) == first
    assert built(fixture.CONFIG) == {}


def test_units_of_another_model_of_that_name_are_a_gap(results: Path) -> None:
    config = units_fixture.add_units(results)
    described = results / "models" / "convnet" / "model.json"
    described.write_text(described.read_text().replace(fixture.DIGEST, "cd" * 8))
    study = collect(results, config)
    assert study.models[0].units == () and any(gap.kind == "Units" for gap in study.gaps)


def test_of_many_classes_the_first_are_told() -> None:
    assert _highest([0.2, 0.9]) == [[0, 0.2], [1, 0.9]]
    many = _highest([0.0] * 30 + [0.5, None, 0.7])
    assert many[:3] == [[32, 0.7], [30, 0.5], [0, 0.0]] and len(many) == 10


def test_crops_that_another_division_among_jobs_left_are_not_shown(results: Path) -> None:
    config = units_fixture.add_units(results)
    old = results / "units" / "convnet" / fixture.SETS[0] / "crops" / "0003"
    old.mkdir()
    fixture.picture(old / "conv1.00000.jpg", 96, 96, 1)
    (found,) = collect(results, config).models[0].units
    assert [layer.crops.name for layer in found.layers if layer.crops] == ["0000", "0000"]


def test_after_a_run_that_could_not_draw_the_crops_older_ones_are_not_shown(results: Path) -> None:
    config = units_fixture.add_units(results)
    crops = results / "units" / "convnet" / fixture.SETS[0] / "crops" / "0000"
    study = collect(results, config, Unfinished((), {str(crops): "a job failed"}))
    assert study.models[0].units == () and any(gap.kind == "Units" for gap in study.gaps)
