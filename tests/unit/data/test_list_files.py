"""Rows of lists as people's programs write them: what is wrong with one is said of it, and nothing is lost or guessed."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.check import check_study
from convscope.config import complete
from convscope.data.datasets import Dataset, scan_dataset
from convscope.data.rows import BadRow
from convscope.errors import UserError
from convscope.storage.tables import write_table


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three pictures in a folder beside where the list will be."""
    (tmp_path / "images").mkdir()
    for number in range(3):
        Image.new("RGB", (12, 10), (20 * number, 0, 0)).save(tmp_path / f"images/{number}.png")
    return tmp_path


def written(place: Path, text: str, name: str = "list.csv") -> Path:
    (place / name).write_text(text, encoding="utf-8")
    return place / name


def scanned(path: Path, **settings: object) -> Dataset:
    return scan_dataset(path, {"source": "table", **settings})


def test_a_column_of_a_label_is_never_lost(photos: Path) -> None:
    text = "path,sea,boat,hill\nimages/0.png,TRUE,FALSE,1\nimages/1.png,false, true,\nimages/2.png,0.0,1,-1\n"
    dataset = scanned(written(photos, text))
    assert [(row.labels, Path(row.path).stem) for row in dataset.images] == [("hill|sea", "0")]
    assert [row.reason for row in dataset.bad] == ["hill is '', not 0 or 1", "hill is '-1', not 0 or 1"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.csv", "path,label\nimages/0.png,sea|boat\nimages/1.png,sea\n"),
        (
            "list.jsonl",
            '{"path": "images/0.png", "label": ["sea", "boat"]}\n{"path": "images/1.png", "label": ["sea"]}\n',
        ),
    ],
)
def test_several_labels_in_a_column_of_classes_are_labels(photos: Path, name: str, text: str) -> None:
    path = written(photos, text, name)
    dataset = scanned(path)
    assert dataset.truth == "labels" and dataset.classes == ["boat", "sea"]
    assert scanned(path, columns={"class": "label"}).classes == ["sea", "sea|boat"], "what is asked for is done"


def test_rows_that_say_another_thing_than_their_columns_are_bad(photos: Path) -> None:
    text = "path,class,\nimages/0.png,New York, NY,\nimages/1.png,Rome,,\nimages/2.png\nimages/../images/1.png,Bern,\n"
    dataset = scanned(written(photos, text))
    assert [(row.class_, Path(row.path).stem) for row in dataset.images] == [("Rome", "1")]
    reasons = {Path(row.path).stem: row.reason for row in dataset.bad}
    assert reasons["0"].startswith("its row has more cells than there are columns with a name; put a text with a comma")
    assert reasons["1"].startswith("listed twice, and the second time as 'Bern'")
    assert reasons["2"] == "no class in its row"


def test_a_decimal_comma_makes_no_classes(photos: Path) -> None:
    dataset = scanned(written(photos, "path;target\nimages/0.png;36,5\nimages/1.png;37\n"))
    assert dataset.truth == "target" and [row.target for row in dataset.images] == ["37"]
    assert [row.reason for row in dataset.bad] == ["its number is '36,5'; write it with a point, 36.5"]


@pytest.mark.parametrize("text", ["nan", "-inf", "1e999", "1e200", "0x10", "1 2"])
def test_what_no_network_answers_is_no_number(photos: Path, text: str) -> None:
    dataset = scanned(written(photos, f"path,value\nimages/0.png,{text}\nimages/1.png,-3e38\n"))
    assert [row.target for row in dataset.images] == ["-3e38"]
    assert [row.reason for row in dataset.bad] == [f"its number is '{text}'"]


def test_a_row_that_no_table_can_hold_is_bad_and_no_more(photos: Path, tmp_path: Path) -> None:
    deep = "[" * 900 + "]" * 900
    rows = [
        '{"path": "images/0.png", "label": "cat"}',
        '{"path": "images/\\ud800.png", "label": "cat"}',
        '{"path": "images/1.png", "label": "c\\u0000t"}',
        f'{{"path": "images/2.png", "label": {deep}}}',
    ]
    dataset = scanned(written(photos, "\n".join(rows), "list.jsonl"))
    assert [Path(row.path).stem for row in dataset.images] == ["0"]
    assert sorted(row.reason for row in dataset.bad) == [
        "a sign in its row that is no text (label: c?t)",
        "a sign in its row that is no text (path: images/?.png)",
        "no class in its row",
    ]
    write_table(tmp_path / "bad.csv", dataset.bad, BadRow)


def test_pictures_of_twelve_bits_in_sixteen_are_nearly_black(photos: Path) -> None:
    for number in range(2):
        Image.fromarray(np.full((10, 12), 4095 - number, np.uint16)).save(photos / f"images/{number}.png")
    path = written(photos, "path,class\nimages/0.png,a\nimages/1.png,b\n")
    dark = scanned(path)
    assert dark.brightest == 16 and dark.is_nearly_black()
    assert not scanned(path, window=[0, 4095]).is_nearly_black()
    assert not scanned(written(photos, "path,class\nimages/0.png,a\nimages/2.png,b\n")).is_nearly_black()


def test_training_is_of_one_class_a_picture(photos: Path) -> None:
    rows = ["images/0.png,{},train", "images/1.png,{},validation"]
    model = {"source": "train", "dataset": "d", "architecture": "convnet"}
    for column, cells in (("labels", ("cat|dog", "cat")), ("target", ("1.5", "2.5"))):
        text = "\n".join(row.format(cell) for row, cell in zip(rows, cells, strict=True))
        path = written(photos, f"path,{column},split\n{text}\n")
        datasets = {"d": {"source": "table", "path": str(path)}}
        with pytest.raises(
            UserError, match=r"models\.m\.dataset: datasets\.d says many labels or a number of each picture"
        ):
            check_study(complete({"study": "s", "datasets": datasets, "models": {"m": model}}))
