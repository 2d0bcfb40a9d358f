"""The pages of kinds of reasons: what they read, what they say, and what lies beside them."""

import json
from pathlib import Path

import pytest

from convscope.gallery import build_gallery
from convscope.gallery.collect import collect
from tests import gallery_fixture as fixture
from tests import reasons_fixture


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return fixture.make_results(tmp_path)


def test_what_it_reads(results: Path) -> None:
    study = collect(results, reasons_fixture.add_reasons(results))
    cams, pixels = study.models[0].reasons
    assert (cams.title, pixels.title, cams.image_set) == ("Grad-CAM", "Saliency", fixture.SETS[0])
    assert [(name, count) for name, _, count in cams.classes] == [(fixture.CLASSES[0], 2), (fixture.CLASSES[1], 1)]
    assert cams.several == fixture.CLASSES[:1] and [row["kind"] for row in cams.warned] == ["2"]
    assert cams.kind == (1, 1, 1, 1, 2, 1, 0, 2) and cams.places[6] is None and len(cams.ids) == 8
    assert [max(values) for values in cams.means] == [255, 255, 255] and cams.shape == (4, 4)
    assert cams.central[0] == (0, 2, 5)


def test_the_pages_and_the_tables_beside_them(results: Path) -> None:
    build_gallery(results, reasons_fixture.add_reasons(results), results / "gallery" / "index.html")
    places = sorted((results / "gallery").glob("reasons_*.html"))
    assert len(places) == 2
    page = next(place for place in places if "gradcam" in place.name)
    text = page.read_text(encoding="utf-8")
    assert "</script><b>40" not in text and "&lt;/script&gt;&lt;b&gt;40" in text
    other = next(place for place in places if "saliency" in place.name)
    assert other.name in text, "a link to the other method"
    table = json.loads((results / "gallery" / "data" / f"{page.stem}.json").read_text(encoding="utf-8"))
    columns = table["columns"]
    assert table["rows"] == 8 and columns["x"][6] is None and columns["kind"][4] == 2
    assert columns["overlay"][0].endswith("gradcam/overlays/img_0.jpg") and columns["overlay"][7] is None
    assert all((results / "gallery" / name).is_file() for name in columns["page"])
    kinds = json.loads((results / "gallery" / "data" / f"{page.stem}_kinds.json").read_text(encoding="utf-8"))
    assert kinds["columns"]["pictures"] == ["3", "2", "2"] and len(kinds["columns"]["mean"][0]) == 16
    scripts = [path.read_text(encoding="utf-8") for path in (results / "gallery" / "data").glob(f"{page.stem}*.js")]
    assert scripts and all("</script>" not in script for script in scripts)
    model = (results / "gallery" / "model_convnet.html").read_text(encoding="utf-8")
    assert page.name in model and "1 kind looks" in model


def test_the_same_bytes_twice_and_what_is_not_asked_for_any_more_goes(results: Path) -> None:
    config, out = reasons_fixture.add_reasons(results), results / "gallery" / "index.html"

    def built(config: dict) -> dict[str, bytes]:  # type: ignore[type-arg]
        build_gallery(results, config, out)
        return {path.name: path.read_bytes() for path in out.parent.rglob("reasons_*")}

    first = built(config)
    assert first and built(config) == first
    assert built(fixture.CONFIG) == {}


def test_reasons_of_another_model_of_that_name_are_a_gap(results: Path) -> None:
    config = reasons_fixture.add_reasons(results)
    described = results / "models" / "convnet" / "model.json"
    described.write_text(described.read_text().replace(fixture.DIGEST, "cd" * 8))
    study = collect(results, config)
    assert study.models[0].reasons == ()
    assert any(gap.kind == "Kinds of reasons" and "test pets: Grad-CAM" in gap.names for gap in study.gaps)


def test_pictures_without_a_page_and_methods_that_are_not_made_any_more(results: Path) -> None:
    config = reasons_fixture.add_reasons(results) | {"cams": {}}
    build_gallery(results, config, results / "gallery" / "index.html")
    (table,) = (path for path in (results / "gallery" / "data").glob("reasons_*.json") if "_kinds" not in path.name)
    columns = json.loads(table.read_text(encoding="utf-8"))["columns"]
    # Of eight pictures three are explained by it, and the pictures of two are there.
    assert [bool(name) for name in columns["overlay"]] == [True] * 2 + [False] * 6
    assert [bool(name) for name in columns["page"]] == [True] * 3 + [False] * 5
