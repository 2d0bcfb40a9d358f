"""Pages of a model of many labels and of one of numbers, and what is said of a model: as text, whatever is in it."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from convscope.gallery import build_gallery
from tests import gallery_fixture as fixture


class Words(HTMLParser):
    """The words of a page, and its tags."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.words, self.tags = "", []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return fixture.make_results(tmp_path / "results")


def pages(results: Path) -> tuple[Words, Words]:
    build_gallery(results, fixture.CONFIG, results / "gallery" / "index.html")
    folder = results / "gallery"
    return Words(folder / "model_convnet.html"), Words(next(folder.glob("predictions_convnet_pets.test.html")))


def test_what_is_said_of_a_model(results: Path) -> None:
    file = results / "models" / "convnet" / "model.json"
    facts = json.loads(file.read_text())
    facts |= {"notes": ["head binary: one <script>sigmoid</script> unit"], "warnings": ["maps have 2x2 cells only"]}
    file.write_text(json.dumps(facts))
    metrics = results / "evaluation" / "convnet" / "pets.test" / "metrics.json"
    metrics.write_text(json.dumps(json.loads(metrics.read_text()) | {"warnings": ["every picture is taken for 'cat'"]}))
    model, _ = pages(results)
    for text in ("one <script>sigmoid</script> unit", "maps have 2x2 cells only", "every picture is taken for 'cat'"):
        assert text in model.words
    assert "Accuracy" not in model.words or "accuracy on" in model.words


def test_a_page_of_labels(results: Path) -> None:
    folder = results / "evaluation" / "convnet" / "pets.test"
    names = fixture.CLASSES
    rows = [
        (
            "data/0.png",
            "",
            -1,
            names[0],
            0,
            "true",
            0.9,
            "0" * 16,
            f"{names[0]}|{names[1]}",
            f"{names[0]}|{names[1]}",
            0.2,
        ),
        ("data/1.png", "", -1, names[0], 0, "false", 0.8, "0" * 16, "", names[0], 0.8),
    ]
    columns = "path,class,label,predicted,predicted_label,correct,confidence,sha256,labels,predicted_labels,error"
    fixture.write_csv(folder / "predictions.csv", columns, rows)
    numbers = [(name, 0.75, 0.5, 0.6, 6, 6, 0.8, 0.912) for name in names]
    fixture.write_csv(
        folder / "classes.csv", "class,precision,recall,f1,support,predicted,roc_auc,average_precision", numbers
    )
    facts = {
        "head": "multilabel",
        "images": 2,
        "average_precision": 0.87,
        "accuracy": 0.5,
        "model_digest": fixture.DIGEST,
    }
    fixture.write_object(folder / "metrics.json", facts)
    model, table = pages(results)
    assert "mean average precision on" in model.words and "87.0 %" in model.words
    assert f"{names[0]}, {names[1]}" in table.words and "none" in table.words and "0.912" in table.words
    assert "Average precision" in table.words and "Largest error" in table.words


def test_a_page_of_numbers(results: Path) -> None:
    folder = results / "evaluation" / "convnet" / "pets.test"
    rows = [
        ("data/0.png", "36", -1, "35.1", 0, "", "", "0" * 16, 0.9, 35.1, 36),
        ("data/1.png", "20", -1, "44", 0, "", "", "0" * 16, 24, 44, 20),
    ]
    columns = "path,class,label,predicted,predicted_label,correct,confidence,sha256,error,output_age,target_age"
    fixture.write_csv(folder / "predictions.csv", columns, rows)
    fixture.write_csv(folder / "classes.csv", "output,images,mae,rmse,pearson", [("age", 2, 12.45, 16.98, "")])
    facts = {
        "head": "regression",
        "images": 2,
        "mae": 12.45,
        "rmse": 16.98,
        "pearson": None,
        "model_digest": fixture.DIGEST,
    }
    fixture.write_object(folder / "metrics.json", facts)
    model, table = pages(results)
    assert "mean absolute error on" in model.words and "12.45" in model.words
    assert table.words.index("1.png") < table.words.index("0.png"), "the most wrong first"
    assert "the most wrong first" in table.words and "16.98" in table.words
    assert "Confidence" not in table.words and "select" not in table.tags, "a filter of every number helps nobody"
    figures = (results / "gallery" / "figures.html").read_text(encoding="utf-8")
    titles = re.findall(r'<h3 class="card-title">(.*?)</h3>', figures)
    # On its other split the model of this study has classes.
    assert {"Share of images by error; ROC curves", "Table of outputs; Class table"} <= set(titles)
