"""Networks compared over seeds, from the drawings to the page."""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from tests.workflow.changes.table import leaf_changes
from tests.workflow.changes.workshop import Workshop

pytestmark = [pytest.mark.slow, pytest.mark.long]

ROWS = {row.name: row for row in leaf_changes() if row.study == "compared"}


@pytest.fixture(scope="module")
def shop(root: Path, tmp_path_factory: pytest.TempPathFactory, servers: Path) -> Workshop:
    """A folder in which the study is finished, by a `python` that has TensorFlow loaded."""
    made = Workshop(root, tmp_path_factory.mktemp("compared") / "shop", servers)
    made.finished("compared")
    return made


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_every_training_is_in_the_table(shop: Workshop) -> None:
    shop.finished("compared")
    study = shop.project / "results" / "compared"
    table = rows(study / "comparisons" / "both" / "table.csv")
    assert [(row["model"], row["training"], row["seed"], row["images"]) for row in table] == [
        ("one", "1", "7", "6"), ("one", "2", "8", "6"), ("other", "1", "7", "6"), ("other", "2", "8", "6"),
    ]  # fmt: skip
    # The second training is one of its own: other weights of the same network, for the same pictures.
    first, second = (json.loads(path.read_text()) for path in (
        study / "models" / "one" / "training.json", study / "seeds" / "one" / "2" / "training.json",
    ))  # fmt: skip
    assert first["settings"] == second["settings"] and first["images"] == second["images"]
    assert first["loss"] != second["loss"]
    assert sorted(path.name for path in (study / "seeds" / "one" / "2").iterdir() if path.is_file()) == [
        "history.csv", "model.json", "model.keras", "training.json",
    ]  # fmt: skip
    (pair,) = rows(study / "comparisons" / "both" / "pairs.csv")
    assert (pair["model"], pair["other"], pair["shows"]) == ("one", "other", "not decided")


def test_figures_and_page(shop: Workshop) -> None:
    shop.finished("compared")
    study = shop.project / "results" / "compared"
    for name in ("curves", "costs", "cams", "filters"):
        assert Image.open(study / "comparisons" / "both" / f"{name}.png").width > 300
    page = (study / "gallery" / "comparison_both.html").read_text()
    assert page.count("<img") == 4 and "2 seeds of a model, of which 3 are the least, do not decide between" in page
    assert 'href="comparison_both.html"' in (study / "gallery" / "index.html").read_text()


@pytest.mark.parametrize("name", ["comparisons.models", "comparisons.split", "comparisons.seeds", "comparisons.method"])
def test_what_is_there_is_not_trained_again(shop: Workshop, name: str) -> None:
    assert shop.dry("compared", ROWS[name].edits) == ROWS[name].reruns


def test_nothing_is_left_to_do(shop: Workshop) -> None:
    assert shop.dry("compared", {}) == Counter()
