"""The numbers of an evaluation in words that people use, each once; no page says a code word or shows a figure twice."""

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convscope.evaluation.metrics import metrics
from convscope.figure_index.names import OF_OTHER_HEADS
from convscope.gallery import build_gallery
from convscope.gallery.collect import collect
from convscope.gallery.measures import WORDS, column_words, measures
from convscope.gallery.site import page_templates
from convscope.gallery.tables import scalars
from convscope.models.spec import ModelSpec
from tests import gallery_fixture as fixture
from tests import reasons_fixture, units_fixture

CODE_WORD = re.compile(r"[a-z0-9]_[a-z0-9]", re.IGNORECASE)
# Keys that a page says elsewhere, or not at all.
_NO_MEASURES = {"images", "labels", "outputs", "classes", "confusion", "confusion_cells"}


def evaluated(head: str) -> dict[str, Any]:
    """The numbers of a network with that head, of twenty random answers."""
    random = np.random.default_rng(0)
    count = 2 if head == "binary" else 3
    spec = ModelSpec("net", (8, 8), classes=("a", "b", "c")[:count], head=head)
    outputs = random.normal(size=(20, 1 if head == "binary" else count))
    truth: Any = random.integers(0, count, 20)
    if head == "multilabel":
        truth = random.integers(0, 2, (20, count))
    elif head == "regression":
        truth = random.normal(size=(20, count))
    return metrics(spec, truth, outputs) if head in ("binary", "multiclass") else _other(head, spec, truth, outputs)


def _other(head: str, spec: ModelSpec, truth: np.ndarray, outputs: np.ndarray) -> dict[str, Any]:
    from convscope.evaluation.label_metrics import label_metrics
    from convscope.evaluation.number_metrics import number_metrics
    from convscope.evaluation.scores import Scores

    if head == "multilabel":
        return label_metrics(spec.classes, truth, Scores(outputs))
    return number_metrics(spec.classes, truth, outputs)


@pytest.mark.parametrize("head", ["binary", "multiclass", "multilabel", "regression"])
def test_every_number_of_an_evaluation_has_words(head: str) -> None:
    found = evaluated(head)
    assert set(scalars(found)) - _NO_MEASURES - set(WORDS) == set()
    shown = measures(scalars({key: value for key, value in found.items() if key not in _NO_MEASURES}))
    assert shown and not any(CODE_WORD.search(f"{entry.words} {entry.meaning}") for entry in shown)
    assert max(Counter(entry.words for entry in shown).values()) == 1
    columns = found.get("outputs", {}).get("a", {}) or {}
    assert not any(CODE_WORD.search(column_words(name)) for name in columns)


def test_what_says_the_same_is_said_once() -> None:
    found = {"roc_auc": 0.75, "roc_auc_macro": 0.75, "balanced_accuracy": 0.5, "macro_recall": 0.5, "unreadable": 0}
    assert [(entry.words, entry.text) for entry in measures(found)] == [
        ("balanced accuracy", "50.0 %"),
        ("area under the ROC curve", "0.75"),
    ]
    other = {
        "roc_auc": None,
        "macro_recall": 0.25,
        "accuracy_interval": [0.28, 0.724],
        "unreadable": 2,
        "new_key": 1.23456,
    }
    assert [entry.text for entry in measures(other)] == ["28.0 % to 72.4 %", "25.0 %", "\u2013", "2", "1.23"]
    assert measures(other)[-1].words == "new key"


def test_a_class_that_is_never_answered_is_a_column_too(tmp_path: Path) -> None:
    results = fixture.make_results(tmp_path)
    table = results / "evaluation" / "convnet" / "pets.test" / "predictions.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    first, second = fixture.CLASSES
    rows = [f"data/{k}.png,{(first, 'newt')[k % 2]},{k % 2},{first},0,{k % 2 == 0},0.5,0.1,0.9" for k in range(4)]
    table.write_text("\n".join([lines[0], *rows]), encoding="utf-8")
    evaluation = collect(results, fixture.CONFIG).models[0].evaluations[0]
    assert evaluation.answers == [first, "newt"] and second not in evaluation.answers
    build_gallery(results, fixture.CONFIG, results / "gallery" / "index.html")
    assert '<th scope="col">newt</th>' in (results / "gallery" / "model_convnet.html").read_text(encoding="utf-8")


def test_figures_of_a_report_are_called_by_what_they_show() -> None:
    words = page_templates().filters["figure_words"]
    for stem in ("confusion", "confusion_normalised", "roc", "calibration", "most_confident_errors"):
        for head in ("", *OF_OTHER_HEADS):
            assert not CODE_WORD.search(words(stem, head)) and len(words(stem, head).split()) > 1, (stem, head)


# ---- the pages --------------------------------------------------------------------------------------------------------


class Words(HTMLParser):
    """The words of a page's headings, heads of tables and names of facts; the pictures that it shows."""

    HEADS = ("th", "dt", "h1", "h2", "h3", "legend", "caption")

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.pictures: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        if tag in self.HEADS:
            self.open.append(tag)
            self.texts.append("")
        if tag == "img" and found.get("class") != "card-hero":
            self.pictures.append(str(found["src"]))

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[-1] += data


def test_no_page_says_a_code_word_or_shows_a_figure_twice(tmp_path: Path) -> None:
    results = fixture.make_results(tmp_path)
    fixture.add_judging(results)
    for stem in ("roc", "calibration", "most_confident_errors", "confusion", "confusion_normalised"):
        fixture.picture(results / "evaluation" / "convnet" / "pets.test" / f"{stem}.png", 60, 90, 3)
    config = {**fixture.add_watching(results), **units_fixture.add_units(results)}
    config = reasons_fixture.add_reasons(results, {**config, "watching": fixture.add_watching(results)["watching"]})
    build_gallery(results, config, results / "gallery" / "index.html")
    pages = sorted((results / "gallery").glob("*.html"))
    assert len(pages) > 15
    # Names are the user's own.
    names = re.compile("|".join(map(re.escape, [*fixture.LAYERS, *(f"img_{k}" for k in range(8)), "Mini_net"])))
    for page in pages:
        found = Words(page)
        wrong = [text for text in found.texts if CODE_WORD.search(names.sub("", text))]
        assert wrong == [], page.name
        twice = [name for name, count in Counter(found.pictures).items() if count > 1]
        assert twice == [], page.name
