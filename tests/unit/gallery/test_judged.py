"""The judging's pages, and the gate's label wherever a method's pictures are shown."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from convscope import gallery
from convscope.gallery import build_gallery
from convscope.gallery.collect import collect
from convscope.gallery.judged import judging
from tests import gallery_fixture as fixture

IMAGES, LABELS = fixture.SETS[0], fixture.LABELS


@pytest.fixture
def results(tmp_path: Path) -> Path:
    made = fixture.make_results(tmp_path / "results")
    fixture.add_judging(made)
    return made


def page(results: Path, words: str) -> str:
    found = [p for p in (results / "gallery").glob("*.html") if p.name.startswith(words)]
    assert len(found) == 1, [p.name for p in found]
    return found[0].read_text(encoding="utf-8")


def test_read_back(results: Path) -> None:
    found = judging(results / "judging" / "convnet" / IMAGES)
    assert found is not None and found.passed == 1 and found.images == 4
    assert found.methods == ("gradcam", "saliency", "edges")
    assert list(found.gates) == ["gradcam", "saliency"]
    assert found.metrics[0].title == "insertion AUC minus deletion AUC"
    assert found.gates["gradcam"].words == "survives randomisation, worse than a centre blob"
    assert found.gates["saliency"].words == "passes the sanity gate"
    by_title = {column.title: column.scores for column in found.metrics}
    # The best of the methods, not of the controls; the lowest where lower is better; none where neither is.
    best = {title: [m for m, score in scores.items() if score.best] for title, scores in by_title.items()}
    assert best == {
        "insertion AUC minus deletion AUC": ["saliency"],
        "deletion AUC": ["gradcam"],
        "sparseness (Gini)": [],
    }
    assert [column.title for column in found.parts] == ["head: pointing"]
    assert judging(results / "judging" / "convnet" / "nothing") is None


def test_the_comparison_with_another_model(results: Path) -> None:
    folder = results / "judging" / "convnet" / IMAGES
    row = {"metric": "energy", "mean": 0.25, "low": 0.2, "high": 0.3, "other_mean": 0.75, "other_low": 0.7,
           "other_high": 0.8, "difference": -0.5, "difference_low": -0.6, "difference_high": -0.4, "images": 4}  # fmt: skip
    rows = [{**row, "method": "saliency", "shows": "less on the object"}]
    rows += [{**row, "method": "edges", "difference": 0.0, "shows": "no difference shown"}]
    against = {"model": "convnet", "other": "<honest>", "revealing": ["saliency"], "rows": rows}
    (folder / "against.json").write_text(json.dumps(against))
    Image.new("RGB", (40, 30)).save(folder / "against.png")
    (folder / "against.csv").write_text("method\n")
    assert judging(folder) is not None and judging(folder).against is None
    assert [path.name for path in judging(folder).files if "against" in path.name] == []
    assert folder / "against.csv" in judging(folder, "<honest>").files
    config = {**fixture.CONFIG, "judging": {"convnet": {"images": [IMAGES], "against": "<honest>"}}}
    build_gallery(results, config, results / "gallery" / "index.html")
    shown = page(results, "judging_")
    for words in (
        "Against &lt;honest&gt;",
        "1 of 1 method lays less",
        "-0.60 to -0.40",
        "less on the object",
        "against.png",
    ):
        assert words in shown, words
    assert "<honest>" not in shown
    assert "Less on the object than &lt;honest&gt;: Saliency" in page(results, "model_convnet")
    config["judging"]["convnet"]["against"] = "another"
    build_gallery(results, config, results / "gallery" / "index.html")
    assert "honest" not in page(results, "judging_")


def test_the_page_and_the_labels(results: Path) -> None:
    build_gallery(results, fixture.CONFIG, results / "gallery" / "index.html")
    judged = page(results, "judging_")
    for words in (*LABELS, "1 of 2 methods pass", "0.250", "0.150 to 0.350", "conv4", "metrics.png", "table.csv"):
        assert words in judged, words
    assert "hardly changes &lt;at all&gt;" in judged and "<at all>" not in judged
    heatmaps = [p.read_text() for p in (results / "gallery").glob("images_convnet*.html")]
    labelled = [text for text in heatmaps if "survives randomisation" in text]
    assert len(labelled) == 1  # the set that was judged, and no other
    assert "judging_" in labelled[0]
    model = page(results, "model_convnet")
    assert 'href="#judged"' in model and "survives randomisation" in model
    assert "What to believe" not in page(results, "model_Mini_net")


def test_the_page_goes_with_its_results(results: Path) -> None:
    out = results / "gallery" / "index.html"
    build_gallery(results, fixture.CONFIG, out)
    shutil.rmtree(results / "judging")
    build_gallery(results, fixture.CONFIG, out)
    assert not list(out.parent.glob("judging_*"))
    assert "sanity gate" not in page(results, "model_convnet")


def test_verdicts_of_an_older_config_are_not_shown(results: Path) -> None:
    for config, shown in ((fixture.CONFIG, True), (fixture.CONFIG | {"judging": {}}, False)):
        model = collect(results, config).models[0]
        assert bool(model.judged) == shown
        assert (model.gate(IMAGES, "gradcam") is not None) == shown
    listed = fixture.CONFIG | {"judging": {"convnet": {"images": [IMAGES]}}}
    gate = collect(results, listed).models[0].gate(IMAGES, "gradcam")
    assert gate is not None and json.dumps(list(gate.labels)) == json.dumps(LABELS)


def test_what_is_not_decided_is_not_drawn_as_failed(results: Path) -> None:
    folder = results / "judging" / "convnet" / IMAGES
    table = json.loads((folder / "table.json").read_text())
    label = "not decided with 12 pictures against a centre blob"
    table["gate"]["gradcam"] = {
        "status": "not decided",
        "labels": [label],
        "reasons": ["12 pictures do not decide it."],
    }
    table["told"] = "12 pictures show what is plain."
    (folder / "table.json").write_text(json.dumps(table))
    build_gallery(results, fixture.CONFIG, results / "gallery" / "index.html")
    shown = page(results, "judging_")
    assert f'<span class="gate not-decided">{label}</span>' in shown and "gate failed" not in shown
    assert "12 pictures show what is plain." in shown
    assert "1 of 2 methods pass" in shown
    style = (Path(gallery.__file__).parent / "static" / "gallery.css").read_text(encoding="utf-8")
    assert "not-decided" not in style  # the quiet colour of all labels, not that of what is wrong


def test_a_comparison_of_too_few_pictures_has_no_bounds(results: Path) -> None:
    folder = results / "judging" / "convnet" / IMAGES
    row = dict.fromkeys(("low", "high", "other_low", "other_high", "difference_low", "difference_high"))
    row |= {"method": "saliency", "metric": "energy", "mean": 0.2, "other_mean": 0.3, "difference": -0.1, "images": 2}
    rows = [{**row, "shows": "not judged: fewer than 8 pictures"}]
    against = {"model": "convnet", "other": "honest", "revealing": [], "rows": rows}
    (folder / "against.json").write_text(json.dumps(against))
    config = {**fixture.CONFIG, "judging": {"convnet": {"images": [IMAGES], "against": "honest"}}}
    build_gallery(results, config, results / "gallery" / "index.html")
    shown = page(results, "judging_")
    assert "not judged: fewer than 8 pictures" in shown and "-0.10</td>" in shown and "0 of 1 method lays less" in shown
