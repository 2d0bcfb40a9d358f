"""The page of a model while it learned: what it reads, and what it says where something is missing."""

import re
from pathlib import Path

import pytest

from convscope.gallery import build_gallery
from convscope.gallery.collect import collect
from convscope.gallery.unfinished import Unfinished
from convscope.gallery.watched import WIDTH, watching
from tests import gallery_fixture as fixture


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return fixture.make_results(tmp_path)


def test_what_it_reads(results: Path) -> None:
    fixture.add_watching(results)
    history = results / "models" / "convnet" / "history.csv"
    folder = results / "watching" / "convnet" / fixture.SETS[0]
    found = watching(folder, history, None)
    assert (found.epochs, found.best_epoch, found.judged, found.total) == ((1, 2, 4), 2, 1, 8)
    assert found.right == (1, 0, 1) and found.flipped == (0, 1, 1)
    assert [answer.result for answer in found.images[0].answers] == ["right", "wrong", "right"]
    assert [answer.result for answer in found.images[1].answers] == [""] * 3
    assert found.places == (0.0, 100.0, WIDTH), "four epochs from side to side"
    accuracy = found.curves[0]
    assert accuracy.title == "accuracy" and accuracy.ends == ("0.5", "0.9")
    assert accuracy.lines[0] == ("training", "0.0,82.5 100.0,55.0 200.0,27.5 300.0,0.0")
    assert found.patterns is None
    log = folder / "tensorboard" / "events.out.tfevents.watch"
    log.parent.mkdir()
    log.touch()
    assert log not in watching(folder, history, None).files and log in watching(folder, history, None, True).files


def test_the_page(results: Path) -> None:
    config = fixture.add_watching(results)
    build_gallery(results, config, results / "gallery" / "index.html")
    (place,) = (results / "gallery").glob("watching_*.html")
    page = place.read_text(encoding="utf-8")
    assert "CAM is left out: no &lt;head&gt;" in page and fixture.HOSTILE_CLASS not in page
    assert page.count('class="frame"') == 2 * 2 and page.count('class="frame of-filter"') == 2
    assert page.count('class="answers"') == 2 and page.count('<span class="tag">flipped</span>') == 2
    said = [
        re.sub("<[^>]*>", "", text).strip()
        for text in re.findall(r"<span( hidden)?>(.*?)</span>", page)
        for text in text
    ]
    assert "1 of 1 right, 1 flipped since epoch 2" in said
    model = (results / "gallery" / "model_convnet.html").read_text(encoding="utf-8")
    assert place.name in model and "1 right after epoch 1, 1 after epoch 4" in model
    # What the config does not ask for any more is gone.
    build_gallery(results, fixture.CONFIG, results / "gallery" / "index.html")
    assert not place.exists()


def test_what_is_of_another_model_is_not_shown(results: Path) -> None:
    config = fixture.add_watching(results)
    facts = results / "watching" / "convnet" / "filters.json"
    facts.write_text(facts.read_text().replace(fixture.DIGEST, "0" * 16))
    study = collect(results, config)
    assert study.models[0].watched[0].patterns is None
    assert [gap.kind for gap in study.gaps if gap.kind.endswith("while it learned")] == [
        "Filter patterns while it learned"
    ]
    (results / "watching" / "convnet" / fixture.SETS[0] / "frames.json").unlink()
    study = collect(results, config)
    assert study.models[0].watched == () and any(gap.kind == "While it learned" for gap in study.gaps)


def test_a_log_that_could_not_be_made_is_not_an_older_runs(results: Path) -> None:
    config = fixture.add_watching(results)
    config["watching"]["convnet"]["tensorboard"] = True
    log = results / "watching" / "convnet" / fixture.SETS[0] / "tensorboard" / "events.out.tfevents.watch"
    log.parent.mkdir()
    log.touch()
    assert log in collect(results, config).models[0].watched[0].files
    study = collect(results, config, Unfinished((), {str(log): "no TensorBoard"}))
    assert log not in study.models[0].watched[0].files
    assert ("Log for TensorBoard", "no TensorBoard") in [(gap.kind, gap.reason) for gap in study.gaps]


def test_no_filters(results: Path) -> None:
    config = fixture.add_watching(results)
    (results / "watching" / "convnet" / "filters.json").unlink()
    config["watching"]["convnet"]["filters"] = {"filters": 0}
    study = collect(results, config)
    assert study.models[0].watched[0].patterns is None
    assert not any("while it learned" in gap.kind for gap in study.gaps)
