"""The sentences that a model's page begins with."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from convscope.gallery import build_gallery
from convscope.gallery.collect import collect
from convscope.gallery.found import findings
from convscope.gallery.judged import Gate
from convscope.gallery.records import Evaluation, Model
from tests import gallery_fixture as fixture
from tests import units_fixture


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return fixture.make_results(tmp_path)


def test_the_sentences_are_those_of_the_results(results: Path) -> None:
    study = collect(results, units_fixture.add_units(results))
    said = findings(study.models[0])
    assert said[0] == "convnet: 75.0 % right on pets / test and 50.0 % right on pets / shifted."
    assert said[1] == f"3 of its 29 units detect something that has a name, namely {units_fixture.HOSTILE} (3)."
    # The last picture, a cat's neighbour, is wrong with 0.5 + 11/30 in both.
    assert said[-1] == f"Its surest mistake: {fixture.HOSTILE_CLASS} taken for cat, 86.7 % sure, on pets / test."


def test_they_stand_escaped_on_the_page(results: Path) -> None:
    build_gallery(results, units_fixture.add_units(results), results / "gallery" / "index.html")
    page = (results / "gallery" / "model_convnet.html").read_text(encoding="utf-8")
    assert "75.0 % right on pets / test" in page and units_fixture.HOSTILE not in page


def test_of_what_was_not_asked_for_there_is_none(results: Path) -> None:
    bare = next(model for model in collect(results, fixture.CONFIG).models if model.name == "Mini_net")
    assert findings(bare) == []


def gates(**statuses: str) -> dict[str, Gate]:
    return {method: Gate(status, (), ()) for method, status in statuses.items()}


@pytest.mark.parametrize(
    "statuses, said",
    [
        ({"gradcam": "passed", "saliency": "failed"}, "Of its explanations believe Grad-CAM; Saliency fails a check."),
        (
            {"gradcam": "not decided", "saliency": "failed"},
            "None of its explanations passes every check; Saliency fails one.",
        ),
        ({"gradcam": "not decided"}, "Of none of its explanations is it decided whether to believe it."),
    ],
)
def test_what_to_believe(results: Path, statuses: dict[str, str], said: str) -> None:
    model = collect(results, fixture.CONFIG).models[0]
    judged: Any = (SimpleNamespace(images=8, gates=gates(**statuses)),)
    assert said in findings(dataclasses.replace(model, judged=judged))


def test_a_mistake_of_all_but_certainty_is_not_called_certain(results: Path) -> None:
    model: Model = collect(results, fixture.CONFIG).models[0]
    one: Evaluation = dataclasses.replace(model.evaluations[0], surest=("dog", "cat", 0.99997))
    said = findings(dataclasses.replace(model, evaluations=(one,)))
    assert said[-1] == "Its surest mistake: dog taken for cat, more than 99.9 % sure, on pets / test."
